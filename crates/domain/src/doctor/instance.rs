//! The part of the doctor that is about Instances. It does not rely on the operator: where that is not there, or is at
//! fault itself, what it would say is found here from the objects.

use api::Instance;
use api::instance::InstanceStatus;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{Facts, Finding};

/// How long the operator may need before an Instance has conditions.
const FIRST_LOOK: SignedDuration = SignedDuration::from_secs(30);

/// A Secret or ConfigMap that an Instance names, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Field of the Instance that names it.
    pub field: String,
    /// What is wrong.
    pub problem: String,
    /// The line that mends it.
    pub remedy: String,
}

/// What stands behind the Service of an Instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// It may not be read.
    Unread,
    /// There is no Service.
    NoService,
    /// Pods.
    Pods {
        /// That take calls.
        ready: usize,
        /// That do not yet.
        not_ready: usize,
    },
}

/// What was read of one Instance.
#[derive(Clone, Debug)]
pub struct InstanceFacts {
    /// The Instance.
    pub instance: Instance,
    /// What is wrong with the objects and certificates that it names.
    pub references: Vec<Reference>,
    /// What stands behind its Service.
    pub behind: Behind,
}

pub(super) fn examine(facts: &Facts, now: Timestamp) -> Vec<Finding> {
    if facts.instances.is_empty() {
        return vec![Finding::failure(
            "Instances",
            "no ready Instance found: there is none in any namespace",
            "apply one (section 2 of the cookbook)",
        )];
    }
    let mut findings: Vec<Finding> = facts.instances.iter().flat_map(|instance| one(instance, now)).collect();
    if !facts.instances.iter().any(|i| i.instance.status.as_ref().is_some_and(|s| s.ready)) {
        findings.push(Finding::failure(
            "Instances",
            format!("no ready Instance found: {} there, none of them Ready", facts.instances.len()),
            "mend what is said of each above; kubectl get instances -A; kubectl describe instance NAME -n NAMESPACE",
        ));
    }
    findings
}

fn one(facts: &InstanceFacts, now: Timestamp) -> Vec<Finding> {
    let meta = &facts.instance.metadata;
    let (name, namespace) = (meta.name.clone().unwrap_or_default(), meta.namespace.clone().unwrap_or_default());
    let object = format!("Instance {namespace}/{name}");
    let mut findings: Vec<Finding> = facts
        .references
        .iter()
        .map(|r| Finding::failure(&object, format!("{}: {}", r.field, r.problem), &r.remedy))
        .collect();
    let status = facts.instance.status.clone().unwrap_or_default();
    findings.extend(conditions(&object, &facts.instance, &status, &facts.references, now));
    if facts.instance.spec.replicas > 0 {
        findings.extend(endpoints(&object, &name, &namespace, facts.behind));
    }
    if facts.instance.spec.replicas == 1 {
        findings.push(Finding::warning(
            &object,
            "a single replica: while its node is drained nothing is watched",
            format!("kubectl -n {namespace} patch instance {name} --type=merge -p '{{\"spec\":{{\"replicas\":2}}}}'"),
        ));
    }
    if findings.is_empty() {
        findings
            .push(Finding::ok(object, format!("{} of {} replicas are ready", status.ready_replicas, status.replicas)));
    }
    findings
}

/// What the operator says of it, and whether that is about the Instance as it is now.
fn conditions(
    object: &str,
    instance: &Instance,
    status: &InstanceStatus,
    references: &[Reference],
    now: Timestamp,
) -> Vec<Finding> {
    let logs = "kubectl logs -l app.kubernetes.io/name=chatcli-operator -A --prefix";
    let created = instance.metadata.creation_timestamp.as_ref().map_or(now, |t| t.0);
    if status.conditions.is_empty() {
        let waiting = now.duration_since(created) < FIRST_LOOK;
        let text = "the operator has not said anything about it";
        return if waiting { Vec::new() } else { vec![Finding::failure(object, text, logs)] };
    }
    if status.observed_generation != instance.metadata.generation {
        return vec![Finding::failure(
            object,
            format!(
                "its status is about generation {}, the Instance is at {}: the operator does not follow",
                status.observed_generation.unwrap_or(0),
                instance.metadata.generation.unwrap_or(0)
            ),
            logs,
        )];
    }
    let bad: Vec<&Condition> =
        status.conditions.iter().filter(|c| c.status != "True" && !c.message.is_empty()).collect();
    let only_available = bad.iter().all(|c| c.type_ == "Available");
    bad.into_iter()
        // `Available` sums the others up, and what was found at the object itself is not said twice.
        .filter(|c| only_available || c.type_ != "Available")
        .filter(|c| !references.iter().any(|r| c.message.contains(&r.problem)))
        .map(|c| {
            let (text, remedy) = c.message.split_once("; remedy: ").unwrap_or((c.message.as_str(), ""));
            let remedy = if remedy.is_empty() {
                format!(
                    "kubectl describe instance {} -n {}",
                    instance.metadata.name.as_deref().unwrap_or_default(),
                    instance.metadata.namespace.as_deref().unwrap_or_default()
                )
            } else {
                remedy.to_owned()
            };
            let text = format!("{} is {} ({}): {text}", c.type_, c.status, c.reason);
            if c.status == "Unknown" {
                Finding::warning(object, text, remedy)
            } else {
                Finding::failure(object, text, remedy)
            }
        })
        .collect()
}

fn endpoints(object: &str, name: &str, namespace: &str, behind: Behind) -> Option<Finding> {
    let look = format!(
        "kubectl get endpoints {name} -n {namespace}; kubectl -n {namespace} get pods -l app.kubernetes.io/instance={name}"
    );
    match behind {
        Behind::NoService => Some(Finding::failure(
            object,
            format!("there is no Service {name}: a dial finds no name, or ends in \"connection refused\""),
            look,
        )),
        Behind::Pods { ready: 0, not_ready } => Some(Finding::failure(
            object,
            format!("connection refused: Service {name} has no ready endpoint ({not_ready} not ready)"),
            look,
        )),
        Behind::Pods { .. } | Behind::Unread => None,
    }
}
