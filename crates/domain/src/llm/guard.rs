//! Which actions of a language model may be proposed at all. What a model says was shaped by what workloads wrote: it can
//! point at a remedy that the evidence knows, and invent none.

use std::collections::BTreeMap;

use api::ai_insight::AIInsightSuggestedAction;
use api::shared::{ActionType, RemediationAction};

use super::SaidAction;
use super::answer::{plain, variant};
use crate::diagnosis::{Evidence, tried};
use crate::remediation::actions::{Action, REGISTRY, ToRevision, parse};

/// An action that may be proposed; otherwise why not, as the end of a sentence.
pub fn admit(said: &SaidAction, evidence: &Evidence) -> Result<AIInsightSuggestedAction, String> {
    let wanted = plain(&said.action);
    let info = REGISTRY.iter().find(|info| plain(&format!("{:?}", info.type_)) == wanted);
    let type_ = info.map(|info| info.type_).or_else(|| variant::<ActionType>(said.action.trim()));
    let Some(type_) = type_ else { return Err("no such action exists".into()) };
    let params: BTreeMap<String, String> = said
        .params
        .iter()
        .map(|(name, value)| {
            let known = info.and_then(|i| i.params.iter().find(|(known, ..)| plain(known) == plain(name)));
            (known.map_or_else(|| name.clone(), |(known, ..)| (*known).to_owned()), value.clone())
        })
        .collect();
    let typed = parse(&RemediationAction { type_, params: params.clone() }).map_err(|error| error.to_string())?;
    let kind = info.map_or("", |info| info.target_kind);
    if evidence.view.workload.kind != kind {
        return Err(format!("it acts on a {kind}, and the workload is a {}", evidence.view.workload.kind));
    }
    known(&typed, evidence)?;
    let action = format!("{type_:?}");
    let description = Some(said.description.clone()).filter(|text| !text.is_empty());
    let proposed = AIInsightSuggestedAction { action, description, name: said.name.clone(), params };
    if tried(&proposed, &evidence.failed) {
        return Err("it was done before and did not help".into());
    }
    Ok(proposed)
}

/// Whether everything that an action names is there in the evidence.
fn known(action: &Action, evidence: &Evidence) -> Result<(), String> {
    let view = &evidence.view;
    match action {
        Action::RestartDeployment | Action::RollbackDeployment { to: ToRevision::Previous | ToRevision::Healthy } => {
            Ok(())
        }
        Action::RollbackDeployment { to: ToRevision::Number(number) } => {
            let there = view.revisions.iter().any(|revision| revision.number == *number);
            there.then_some(()).ok_or_else(|| format!("there is no revision {number}"))
        }
        Action::ScaleDeployment { replicas, containment } => {
            if *containment || *replicas == 0 {
                return Err("only a person may silence a workload".into());
            }
            // Less of it would be the harm that a log could ask for.
            let less = *replicas < view.desired;
            if less {
                Err(format!("it has {} replicas, and only a person may take some away", view.desired))
            } else {
                Ok(())
            }
        }
        Action::AdjustResources { container, .. } => {
            let Some(name) = container else { return Ok(()) };
            let there = view.pods.iter().any(|pod| pod.container(name).is_some())
                || view.revisions.iter().any(|revision| {
                    revision.template.spec.as_ref().is_some_and(|spec| spec.containers.iter().any(|c| c.name == *name))
                });
            there.then_some(()).ok_or_else(|| format!("there is no container {name}"))
        }
        Action::PatchConfig { config_map, key, value } => {
            let map = evidence.config_maps.iter().find(|map| map.name == *config_map);
            let Some(map) = map else { return Err(format!("the workload does not use a ConfigMap {config_map}")) };
            let before = map.before.as_ref().and_then(|data| data.get(key));
            let restores = before.is_some_and(|before| before == value);
            restores.then_some(()).ok_or_else(|| {
                format!("only the value that {key} had before may be proposed; a new one is for a person to write")
            })
        }
        Action::DeletePod { pod } => {
            let there = view.pods.iter().any(|known| known.reference().name == *pod);
            there.then_some(()).ok_or_else(|| format!("the workload has no pod {pod}"))
        }
    }
}
