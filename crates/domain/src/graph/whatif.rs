//! What a remedy would do, tried on a copy of the graph before anybody is offered it.
//!
//! What lives here: the effect of an action on the objects, and what it would leave or bring. What does not: whether it may
//! run (`approval`), whether it can (`remediation`), and performing it.

use std::sync::Arc;

use api::ai_insight::AIInsightSuggestedAction;
use api::shared::{ObjectRef, RemediationAction, RootCause};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{PodSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Amount;
use serde_json::{Value, json};

use super::rules::findings;
use super::{Finding, Graph, Standing, Workload, same};
use crate::detection::Revision;
use crate::proof::resolve;
use crate::remediation::actions::{Action, Resources, ToRevision, parse};

/// What an action is tried on.
#[derive(Clone, Copy)]
pub struct WhatIf<'a> {
    /// The namespace as it is.
    pub graph: &'a Graph,
    /// What is wrong in it.
    pub before: &'a [Finding],
    /// The workload that the action is for.
    pub workload: &'a ObjectRef,
    /// Its revisions.
    pub revisions: &'a [Revision],
    /// What is to be mended.
    pub cause: &'a RootCause,
    /// The present.
    pub now: Timestamp,
}

impl WhatIf<'_> {
    /// Why an action would not help, or would do harm, in a sentence. None where it may be offered, and where its effect
    /// cannot be known from objects: then its verification and rollback decide.
    pub fn objection(&self, action: &AIInsightSuggestedAction) -> Option<String> {
        let action: RemediationAction =
            serde_json::from_value(json!({"type": action.action, "params": action.params})).ok()?;
        let action = parse(&action).ok()?;
        let mut after = self.graph.clone();
        if !self.apply(&action, &mut after) {
            return None;
        }
        if let Some(stays) = self.stays(&after) {
            return Some(stays);
        }
        let found = findings(&after, self.now);
        let cause = self.cause;
        let is_cause = |f: &&Finding| {
            same(&f.cause.object, &cause.object) && f.cause.path == cause.path && f.cause.class == cause.class
        };
        if self.before.iter().any(|f| is_cause(&f))
            && let Some(still) = found.iter().find(is_cause)
        {
            return Some(format!("the fault would stay: {}", still.cause.statement));
        }
        let mine =
            |f: &&Finding| same(&f.about, self.workload) || f.concerns.iter().any(|object| same(object, self.workload));
        let known = |f: &Finding| {
            self.before
                .iter()
                .any(|b| b.rule == f.rule && same(&b.cause.object, &f.cause.object) && b.cause.path == f.cause.path)
        };
        let new = found.iter().filter(|f| f.standing > Standing::Suspect).filter(mine).find(|f| !known(f))?;
        Some(format!("it would bring another fault: {}", new.cause.statement))
    }

    /// Performs the action on the copy; false where nothing in a graph would change.
    fn apply(&self, action: &Action, after: &mut Graph) -> bool {
        match action {
            Action::RollbackDeployment { to: ToRevision::Number(number) } => {
                let Some(revision) = self.revisions.iter().find(|r| r.number == *number) else { return false };
                let Some(spec) = &revision.template.spec else { return false };
                let labels = revision.template.metadata.as_ref().and_then(|m| m.labels.clone());
                self.change(after, |workload| {
                    workload.spec = Arc::new(spec.clone());
                    if let Some(labels) = &labels {
                        workload.pod_labels.clone_from(labels);
                    }
                })
            }
            Action::AdjustResources { container, values } => self.change(after, |workload| {
                let mut spec = PodSpec::clone(&workload.spec);
                let only = spec.containers.len() == 1;
                let fits = |name: &str| container.as_deref().map_or(only, |wanted| wanted == name);
                for container in spec.containers.iter_mut().filter(|container| fits(&container.name)) {
                    set(container.resources.get_or_insert_default(), values);
                }
                workload.spec = Arc::new(spec);
            }),
            Action::ScaleDeployment { replicas, .. } => self.change(after, |workload| workload.desired = *replicas),
            Action::PatchConfig { config_map, key, value } => {
                let Some(map) = after.config_maps.iter_mut().find(|map| map.object.name == *config_map) else {
                    return false;
                };
                let mut values = (*map.values).clone();
                values.insert(key.clone(), value.clone());
                map.values = Arc::new(values);
                if let Some(keys) = &mut map.keys {
                    keys.insert(key.clone());
                }
                true
            }
            Action::RollbackDeployment { .. } | Action::RestartDeployment | Action::DeletePod { .. } => false,
        }
    }

    /// Changes the workload and the pods that it will have then.
    fn change(&self, after: &mut Graph, change: impl FnOnce(&mut Workload)) -> bool {
        let Some(workload) = after.workloads.iter_mut().find(|workload| same(&workload.object, self.workload)) else {
            return false;
        };
        change(workload);
        let (spec, labels) = (workload.spec.clone(), Arc::new(workload.pod_labels.clone()));
        for pod in after.pods.iter_mut().filter(|pod| same(&pod.workload, self.workload)) {
            (pod.spec, pod.labels) = (spec.clone(), labels.clone());
        }
        true
    }

    /// Whether the field at fault would say afterwards what it says now.
    fn stays(&self, after: &Graph) -> Option<String> {
        let (path, value) = (self.cause.path.as_deref()?, self.cause.value.as_deref()?);
        let workload = after.workload(self.workload).filter(|w| same(&w.object, &self.cause.object))?;
        let inside = path.strip_prefix(workload.spec_path)?.trim_start_matches('.');
        let spec: Value = serde_json::to_value(&*workload.spec).ok()?;
        let stays = resolve(&spec, inside).iter().any(|found| found.as_str() == Some(value));
        stays.then(|| format!("the fault would stay: {path} would still be {value}"))
    }
}

fn set(resources: &mut ResourceRequirements, values: &Resources) {
    let fields = [
        (&values.memory_limit, true, "memory"),
        (&values.memory_request, false, "memory"),
        (&values.cpu_limit, true, "cpu"),
        (&values.cpu_request, false, "cpu"),
    ];
    for (value, limit, name) in fields {
        let Some(value) = value else { continue };
        let amounts = if limit { &mut resources.limits } else { &mut resources.requests };
        amounts.get_or_insert_default().insert(name.to_owned(), Amount(value.to_string()));
    }
}

#[cfg(test)]
mod tests {
    use api::shared::CauseClass;

    use super::*;
    use crate::graph::fixture::{graph, running};

    const NOW: &str = "2026-11-25T10:00:00Z";

    fn action(action: &str, params: &[(&str, &str)]) -> AIInsightSuggestedAction {
        AIInsightSuggestedAction {
            action: action.into(),
            name: String::new(),
            description: None,
            params: params.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        }
    }

    fn revision(number: i64, spec: &str) -> Revision {
        let inside = spec.replace('\n', "\n  ");
        let template =
            serde_saphyr::from_str(&format!("metadata: {{labels: {{app: web}}}}\nspec:\n  {inside}\n")).unwrap();
        Revision {
            hash: number.to_string(),
            number,
            object: ObjectRef::default(),
            resource_version: None,
            created: None,
            template: Arc::new(template),
            desired: 1,
            ready: 1,
        }
    }

    fn cause(of: &Graph, path: &str, value: &str) -> RootCause {
        RootCause {
            object: of.workloads[0].object.clone(),
            path: Some(path.into()),
            value: Some(value.into()),
            class: CauseClass::BadConfiguration,
            statement: String::new(),
            confidence: 0.9,
            proof: Vec::new(),
            ruled_out: Vec::new(),
        }
    }

    #[track_caller]
    fn objection(
        yaml: &str,
        revisions: &[Revision],
        cause: (&str, &str),
        tried: &AIInsightSuggestedAction,
    ) -> Option<String> {
        let graph = graph(yaml);
        let now = NOW.parse().unwrap();
        let (before, cause) = (findings(&graph, now), self::cause(&graph, cause.0, cause.1));
        let workload = &graph.workloads[0].object;
        WhatIf { graph: &graph, before: &before, workload, revisions, cause: &cause, now }.objection(tried)
    }

    const IMAGE: &str = "spec.template.spec.containers[0].image";

    #[test]
    fn a_rollback_that_changes_the_field_at_fault_may_be_offered() {
        let now = running("web", "containers:\n- {name: web, image: 'shop:9'}");
        let back = action("RollbackDeployment", &[("toRevision", "1")]);
        let good = [revision(1, "containers:\n- {name: web, image: 'shop:1'}")];
        assert_eq!(objection(&now, &good, (IMAGE, "shop:9"), &back), None);
    }

    #[test]
    fn a_rollback_that_leaves_the_field_at_fault_is_refused() {
        let now = running("web", "containers:\n- {name: web, image: 'shop:9'}");
        let back = action("RollbackDeployment", &[("toRevision", "1")]);
        let same = [revision(1, "containers:\n- {name: web, image: 'shop:9', env: [{name: A, value: b}]}")];
        let why = objection(&now, &same, (IMAGE, "shop:9"), &back).unwrap();
        assert_eq!(why, format!("the fault would stay: {IMAGE} would still be shop:9"));
    }

    #[test]
    fn a_rollback_to_a_revision_that_needs_what_is_gone_is_refused() {
        let now = running("web", "containers:\n- {name: web, image: 'shop:9'}");
        let back = action("RollbackDeployment", &[("toRevision", "1")]);
        let old =
            [revision(1, "containers:\n- {name: web, image: 'shop:1', envFrom: [{configMapRef: {name: retired}}]}")];
        let why = objection(&now, &old, (IMAGE, "shop:9"), &back).unwrap();
        assert!(why.starts_with("it would bring another fault: ") && why.contains("retired"), "{why}");
    }

    #[test]
    fn memory_beyond_what_the_namespace_admits_is_refused_and_less_is_not() {
        let yaml = running("web", "containers:\n- {name: web, image: web, resources: {limits: {memory: 64Mi}}}")
            + "---\napiVersion: v1\nkind: LimitRange\nmetadata: {name: bounds}\nspec: {limits: [{type: Container, max: {memory: 100Mi}}]}\n";
        let more = |limit| action("AdjustResources", &[("container", "web"), ("memory_limit", limit)]);
        let at = ("spec.template.spec.containers[0].resources.limits.memory", "64Mi");
        assert_eq!(objection(&yaml, &[], at, &more("96Mi")), None);
        let why = objection(&yaml, &[], at, &more("128Mi")).unwrap();
        assert!(why.contains("bounds"), "{why}");
    }

    #[test]
    fn what_no_graph_shows_is_left_to_verification() {
        let now = running("web", "containers:\n- {name: web, image: 'shop:9'}");
        for tried in [
            action("RestartDeployment", &[]),
            action("RollbackDeployment", &[("toRevision", "7")]),
            action("PatchConfig", &[("configmap", "gone"), ("key", "a"), ("value", "b")]),
            action("Nonsense", &[]),
        ] {
            assert_eq!(objection(&now, &[], (IMAGE, "shop:9"), &tried), None);
        }
    }
}
