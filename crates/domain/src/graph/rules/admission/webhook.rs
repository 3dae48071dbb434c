//! Admission webhooks that must answer and have nobody who does.

use std::collections::BTreeMap;

use api::shared::{CauseClass, ObjectRef, Severity};
use jiff::Timestamp;
use k8s_openapi::api::admissionregistration::v1::{MatchCondition, RuleWithOperations, WebhookClientConfig};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use crate::detection::Rule;
use crate::graph::query::{named, of_service, reference};
use crate::graph::rules::shape::{self, finding, proven, who};
use crate::graph::rules::{cause, fact, meant};
use crate::graph::{Finding, Graph, Standing, Workload, nearest, selects};

/// Webhooks restart too; only one that stays away is told.
const HOLD: i64 = 20;

/// What both kinds of webhooks have in common.
struct Hook<'a> {
    configuration: ObjectRef,
    index: usize,
    name: &'a str,
    client: &'a WebhookClientConfig,
    fails: bool,
    namespaces: Option<&'a LabelSelector>,
    objects: Option<&'a LabelSelector>,
    conditions: Option<&'a Vec<MatchCondition>>,
    rules: &'a [RuleWithOperations],
}

fn hooks(graph: &Graph) -> Vec<Hook<'_>> {
    let mut found = Vec::new();
    let version = "admissionregistration.k8s.io/v1";
    // A webhook fails closed unless it says otherwise.
    let fails = |policy: &Option<String>| policy.as_deref() != Some("Ignore");
    // The two kinds have the same fields and no type in common.
    macro_rules! collect {
        ($objects:expr, $kind:literal) => {
            for object in $objects {
                for (index, hook) in object.webhooks.iter().flatten().enumerate() {
                    found.push(Hook {
                        configuration: reference(version, $kind, &object.metadata),
                        index,
                        name: &hook.name,
                        client: &hook.client_config,
                        fails: fails(&hook.failure_policy),
                        namespaces: hook.namespace_selector.as_ref(),
                        objects: hook.object_selector.as_ref(),
                        conditions: hook.match_conditions.as_ref(),
                        rules: hook.rules.as_deref().unwrap_or_default(),
                    });
                }
            }
        };
    }
    collect!(&graph.cluster.validating, "ValidatingWebhookConfiguration");
    collect!(&graph.cluster.mutating, "MutatingWebhookConfiguration");
    found
}

/// Whether rules take in the creation of a resource.
fn creates(rules: &[RuleWithOperations], group: &str, resource: &str) -> bool {
    let has =
        |list: &Option<Vec<String>>, wanted: &[&str]| list.iter().flatten().any(|item| wanted.contains(&item.as_str()));
    rules.iter().any(|rule| {
        has(&rule.operations, &["CREATE", "*"])
            && has(&rule.api_groups, &[group, "*"])
            && has(&rule.resources, &[resource, "*", "*/*"])
            && rule.scope.as_deref() != Some("Cluster")
    })
}

/// Why nobody answers.
struct Silence {
    /// End of a sentence about the Service.
    words: String,
    path: &'static str,
    value: String,
    /// Whether pods are there that may answer in a moment.
    waits: bool,
}

fn silence(graph: &Graph, hook: &Hook<'_>) -> Option<Silence> {
    let wanted = hook.client.service.as_ref()?;
    let place = (wanted.namespace.clone(), wanted.name.clone());
    let Some(service) = graph.cluster.services.get(&place) else {
        let beside = graph.cluster.services.range((wanted.namespace.clone(), String::new())..);
        let names = beside.take_while(|((space, _), _)| *space == wanted.namespace).map(|((_, name), _)| name.as_str());
        return Some(Silence {
            words: format!("which does not exist{}", meant(nearest(&wanted.name, names))),
            path: "service.name",
            value: wanted.name.clone(),
            waits: false,
        });
    };
    let spec = service.spec.as_ref()?;
    let port = wanted.port.unwrap_or(443);
    let ports: Vec<i32> = spec.ports.iter().flatten().map(|port| port.port).collect();
    if !ports.is_empty() && !ports.contains(&port) {
        let has = ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let words = format!("which has no port {port} (it has {has})");
        return Some(Silence { words, path: "service.port", value: port.to_string(), waits: false });
    }
    // Only the pods of this namespace are known.
    if wanted.namespace != graph.namespace
        || !graph.knows("Pod")
        || spec.selector.as_ref().is_none_or(BTreeMap::is_empty)
    {
        return None;
    }
    let mut pods = graph.selected(service).filter(|pod| pod.terminating.is_none()).peekable();
    let value = wanted.name.clone();
    if pods.peek().is_none() {
        // Where there should be pods they come, or their workload says why not.
        if graph.behind(service).any(|workload| workload.desired > 0) {
            return Some(Silence { words: "which has no pods yet".into(), path: "service.name", value, waits: true });
        }
        let words = graph.behind(service).next().map_or_else(
            || "which selects no pods".to_owned(),
            |workload| format!("whose {} is scaled to zero", who(&workload.object)),
        );
        return Some(Silence { words, path: "service.name", value, waits: false });
    }
    let ready = pods.any(|pod| pod.ready);
    (!ready).then(|| Silence { words: "of which no pod is ready".into(), path: "service.name", value, waits: true })
}

/// Webhooks that refuse everything because nobody answers for them.
pub(in crate::graph::rules) fn webhooks(graph: &Graph, _now: Timestamp, out: &mut Vec<Finding>) {
    if !graph.knows("Service") {
        return;
    }
    let empty = BTreeMap::new();
    let mut labels = graph.cluster.namespaces.get(&graph.namespace).unwrap_or(&empty).clone();
    labels.entry("kubernetes.io/metadata.name".into()).or_insert_with(|| graph.namespace.clone());
    for hook in hooks(graph) {
        if !hook.fails || hook.conditions.is_some_and(|conditions| !conditions.is_empty()) {
            continue;
        }
        let home = hook.client.service.as_ref().is_some_and(|service| service.namespace == graph.namespace);
        let reaches = hook.namespaces.is_none_or(|selector| selects(selector, &labels));
        if !home && !reaches {
            continue;
        }
        let Some(silence) = silence(graph, &hook) else { continue };
        let of_pods = creates(hook.rules, "", "pods");
        let sets = ["replicasets", "deployments"].iter().any(|kind| creates(hook.rules, "apps", kind));
        if !of_pods && !sets {
            continue;
        }
        let meets = |workload: &&Workload| {
            let labels = if of_pods { &workload.pod_labels } else { &workload.labels };
            reaches && hook.objects.is_none_or(|selector| selects(selector, labels))
        };
        let concerns: Vec<ObjectRef> =
            shape::starting(graph).filter(meets).map(|workload| workload.object.clone()).collect();
        let own = graph.service(&silence.value).filter(|_| home).map(|service| of_service(service));
        let missing = hook.client.service.as_ref().map(|s| named("v1", "Service", &s.namespace, &s.name));
        let Some(about) = own.or_else(|| if home { missing.clone() } else { concerns.first().cloned() }) else {
            continue;
        };
        let target = missing.unwrap_or_else(|| about.clone());
        let path = format!("webhooks[{}].clientConfig.{}", hook.index, silence.path);
        let what = if of_pods { "pods" } else { "workloads" };
        let statement = format!(
            "{} refuses all new {what} that it matches: its webhook {} calls Service {} in namespace {}, {}, and failurePolicy is Fail",
            who(&hook.configuration),
            hook.name,
            target.name,
            target.namespace.as_deref().unwrap_or_default(),
            silence.words
        );
        let found = proven(
            cause(&hook.configuration, CauseClass::WebhookUnavailable, &path, &silence.value, statement, 0.9),
            vec![
                fact(&hook.configuration, &path, &silence.value, "this has to answer"),
                fact(
                    &hook.configuration,
                    &format!("webhooks[{}].failurePolicy", hook.index),
                    "Fail",
                    "no answer is a refusal",
                ),
                fact(&target, "metadata.name", &silence.words, "nobody answers"),
            ],
        );
        // Pods that are not ready have a cause of their own, which is told where they are; and in the namespaces that it
        // reaches, whoever is refused a pod tells it.
        let standing = if silence.waits || !home { Standing::Suspect } else { Standing::Outage };
        out.push(Finding {
            concerns,
            words: vec![hook.name.to_owned()],
            recommendations: vec![format!(
                "Bring Service {} and its pods back, or set failurePolicy to Ignore or delete the webhook if it is not needed any more.",
                target.name
            )],
            hold: HOLD,
            ..finding(Rule::AdmissionBlocked, standing, Severity::High, &about, found)
        });
    }
}
