//! The write-ahead log of a plan: what comes next, and what an interrupted step has or has not done.
//!
//! The order is always: write the intent with its snapshot → act, leaving the step's key on the target in the same write →
//! write that it is done. After a crash the log and the key together say which of the three has happened.

use api::RemediationPlan;
use api::keys;
use api::remediation_plan::{ExecutionStep, StepPhase};
use api::shared::{ContainerResourceSnapshot, ResourceSnapshot};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use super::actions::{self, Action};
use super::fields::{self, Fields};
use super::preflight::{Change, Effect, Refusal, TargetKind, effect_count, text};

/// Pointer of the annotation that a side effect leaves on its target.
const MARK: &str = "/metadata/annotations/platform.chatcli.io~1last-action";

/// What comes next in the log.
#[derive(Clone, Debug, PartialEq)]
pub enum NextStep {
    /// Nothing of this effect is recorded: check it and record the intent.
    Begin {
        /// Index of the action.
        index: usize,
        /// The action.
        action: Action,
        /// Which of its effects.
        effect: usize,
        /// Its key.
        key: String,
    },
    /// The intent is recorded; whether it was done is to be found out.
    Resume {
        /// Place in the log.
        at: usize,
        /// The action.
        action: Action,
        /// Which of its effects.
        effect: usize,
    },
    /// A step failed, or the log does not fit the plan any more.
    Broken {
        /// Why.
        why: String,
    },
    /// Everything is done.
    AllDone,
}

/// Key of an effect: the plan's UID and the action's index, and which effect when there is more than one.
pub fn key(plan_uid: &str, index: usize, effect: usize) -> String {
    if effect == 0 { format!("{plan_uid}-{index}") } else { format!("{plan_uid}-{index}-restart") }
}

/// Key of undoing the step with this key.
pub fn undo_key(key: &str) -> String {
    format!("{key}-undo")
}

/// What comes next.
pub fn next_step(plan: &RemediationPlan) -> NextStep {
    let uid = plan.metadata.uid.as_deref().unwrap_or_default();
    let log = plan.status.as_ref().map(|s| s.steps.as_slice()).unwrap_or_default();
    for (index, raw) in plan.spec.actions.iter().enumerate() {
        let action = match actions::parse(raw) {
            Ok(action) => action,
            Err(error) => return NextStep::Broken { why: error.to_string() },
        };
        for effect in 0..effect_count(&action) {
            let key = key(uid, index, effect);
            let Some((at, step)) = log.iter().enumerate().find(|(_, s)| s.idempotency_key == key) else {
                return NextStep::Begin { index, action, effect, key };
            };
            if step.action != *raw {
                return NextStep::Broken { why: format!("action {index} was changed after it was begun") };
            }
            match step.phase {
                StepPhase::Done => {}
                StepPhase::Intended => return NextStep::Resume { at, action, effect },
                StepPhase::Failed => {
                    return NextStep::Broken {
                        why: step.message.clone().unwrap_or_else(|| "a step failed".to_owned()),
                    };
                }
                StepPhase::RollingBack | StepPhase::RolledBack | StepPhase::RollbackFailed => {
                    return NextStep::Broken { why: "the plan is being rolled back".to_owned() };
                }
            }
        }
    }
    NextStep::AllDone
}

/// What is to be done about an effect whose intent is recorded.
#[derive(Clone, Debug, PartialEq)]
pub enum Recognised {
    /// It is on the cluster.
    Done {
        /// Fingerprint of the changed fields as the step left them.
        digest: Option<String>,
    },
    /// It is not, and the target is as the snapshot says.
    Act,
    /// It is not, and the target has changed meanwhile.
    Refuse(Refusal),
}

/// Finds out whether an intended effect has happened. `target` is the object as it is now.
pub fn recognise(step: &ExecutionStep, target: Option<&Value>) -> Recognised {
    let Some(snapshot) = &step.snapshot else {
        return Recognised::Refuse(Refusal::new("NoSnapshot", "the log holds no snapshot of the target"));
    };
    let uid = snapshot.uid.as_deref().unwrap_or_default();
    let same = target.filter(|t| text(t, "/metadata/uid") == uid);
    if snapshot.resource_kind == TargetKind::Pod.name() {
        let there = same.is_some_and(|t| t.pointer("/metadata/deletionTimestamp").is_none_or(Value::is_null));
        return if there { Recognised::Act } else { Recognised::Done { digest: None } };
    }
    let place = format!("{} {}/{}", snapshot.resource_kind, snapshot.namespace, snapshot.resource_name);
    let Some(target) = same else {
        return Recognised::Refuse(Refusal::new(
            "TargetReplaced",
            format!("{place} was deleted, or deleted and made again"),
        ));
    };
    let Ok(before) = saved(snapshot) else {
        return Recognised::Refuse(Refusal::new("NoSnapshot", format!("the snapshot of {place} cannot be read")));
    };
    let now = fields::read_like(target, &before);
    if text(target, MARK) == step.idempotency_key {
        // What stands there may be someone else's by now: the rollback has to see that.
        return Recognised::Done { digest: step.digest_after.clone().or_else(|| Some(fields::digest(&now))) };
    }
    if now == before {
        return Recognised::Act;
    }
    Recognised::Refuse(Refusal::new(
        "TargetChanged",
        format!("{place} was changed by someone else after its state was recorded; nothing was done to it"),
    ))
}

/// Saved fields of a snapshot.
pub(super) fn saved(snapshot: &ResourceSnapshot) -> Result<Fields, serde_json::Error> {
    fields::from_text(snapshot.full_spec.as_deref().unwrap_or_default())
}

/// JSON Patch that makes the change and leaves `key` on the object, only if it is still the object that was read.
pub fn patch(object: &Value, wanted: &Fields, key: &str) -> Vec<Value> {
    let mut ops = vec![
        json!({"op": "test", "path": "/metadata/uid", "value": text(object, "/metadata/uid")}),
        json!({"op": "test", "path": "/metadata/resourceVersion", "value": text(object, "/metadata/resourceVersion")}),
    ];
    let mut with_mark = wanted.clone();
    with_mark.insert(MARK.to_owned(), json!(key));
    ops.extend(fields::ops(object, &with_mark));
    ops
}

/// Snapshot of an effect's target: exactly the fields that it changes, and what old clients show.
pub fn snapshot(effect: &Effect, object: &Value, now: Timestamp) -> ResourceSnapshot {
    let target = &effect.target;
    let containers = object.pointer("/spec/template/spec/containers").and_then(Value::as_array);
    let containers = containers.map(Vec::as_slice).unwrap_or_default();
    ResourceSnapshot {
        resource_kind: target.kind.name().to_owned(),
        resource_name: target.name.clone(),
        namespace: target.namespace.clone(),
        replicas: object.pointer("/spec/replicas").and_then(Value::as_i64).and_then(|r| i32::try_from(r).ok()),
        container_images: containers
            .iter()
            .map(|c| (text(c, "/name").to_owned(), text(c, "/image").to_owned()))
            .collect(),
        container_resources: containers
            .iter()
            .map(|c| {
                let at = |p: &str| c.pointer(p).map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
                let resources = ContainerResourceSnapshot {
                    cpu_request: at("/resources/requests/cpu"),
                    cpu_limit: at("/resources/limits/cpu"),
                    memory_request: at("/resources/requests/memory"),
                    memory_limit: at("/resources/limits/memory"),
                };
                (text(c, "/name").to_owned(), resources)
            })
            .collect(),
        hpa_min_replicas: None,
        hpa_max_replicas: None,
        node_unschedulable: None,
        annotations: std::collections::BTreeMap::new(),
        suspend: None,
        active_deadline_seconds: None,
        backoff_limit: None,
        parallelism: None,
        schedule: None,
        concurrency_policy: None,
        starting_deadline_seconds: None,
        successful_jobs_history_limit: None,
        failed_jobs_history_limit: None,
        update_strategy_type: None,
        partition: None,
        max_unavailable: None,
        full_spec: match &effect.change {
            Change::Set { before, .. } => Some(fields::to_text(before)),
            Change::Delete => None,
        },
        uid: Some(target.uid.clone()),
        resource_version: Some(target.resource_version.clone()),
        captured_at: Time(now),
    }
}

/// Key of the annotation, for texts.
pub const MARK_KEY: &str = keys::ACTION;
