//! `chatcli doctor`: what an installation lacks for production, each finding with what mends it.
//!
//! What lives here: the judgement over facts that were read. What does not: reading them (`bins/chatcli`), judging
//! certificates (`pki`).

mod instance;

#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};

pub use instance::{Behind, InstanceFacts, Reference};

/// How long the holder of the operator's Lease may be silent. It renews every few seconds.
const LEASE_SILENCE: SignedDuration = SignedDuration::from_secs(30);

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Ok,
    /// It works, and will hurt in production.
    Warning,
    /// It does not work.
    Failure,
}

impl Level {
    /// The word at the beginning of a line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "WARN",
            Self::Failure => "FAIL",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad.
    pub level: Level,
    /// Object that it is about, as `Kind namespace/name`.
    pub object: String,
    /// What was found.
    pub text: String,
    /// What mends it; a line to type where there is one.
    pub remedy: Option<String>,
}

impl Finding {
    fn ok(object: impl Into<String>, text: impl Into<String>) -> Self {
        Self { level: Level::Ok, object: object.into(), text: text.into(), remedy: None }
    }

    fn warning(object: impl Into<String>, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { level: Level::Warning, object: object.into(), text: text.into(), remedy: Some(remedy.into()) }
    }

    fn failure(object: impl Into<String>, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { level: Level::Failure, object: object.into(), text: text.into(), remedy: Some(remedy.into()) }
    }
}

/// The operator's Deployment and Lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OperatorFacts {
    /// Name of the Deployment; none was found without it.
    pub deployment: Option<String>,
    /// Replicas that are wanted.
    pub wanted: i32,
    /// Replicas that are ready.
    pub ready: i32,
    /// Who holds the Lease.
    pub leader: Option<String>,
    /// When it was last renewed.
    pub renewed: Option<Timestamp>,
}

/// What was read of an installation.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Namespace of the operator.
    pub namespace: String,
    /// Our definitions by name, each with what is wrong with it.
    pub definitions: Vec<(String, Option<String>)>,
    /// The operator.
    pub operator: OperatorFacts,
    /// How many keys the REST API knows; none without the object that holds them.
    pub api_keys: Option<usize>,
    /// The Instances.
    pub instances: Vec<InstanceFacts>,
    /// How many enabled ApprovalPolicies there are.
    pub approval_policies: usize,
    /// How many enabled NotificationPolicies there are.
    pub notification_policies: usize,
    /// What could not be read, and why.
    pub unreadable: Vec<(String, String)>,
}

/// Judges an installation, the worst findings of each subject where the reader looks first: at its place.
pub fn examine(facts: &Facts, now: Timestamp) -> Vec<Finding> {
    let mut findings: Vec<Finding> = facts
        .unreadable
        .iter()
        .map(|(what, why)| {
            Finding::warning(
                what,
                format!("cannot be read, so it is not judged: {why}"),
                "run the doctor as somebody who may read it, for example a cluster administrator",
            )
        })
        .collect();
    let unread = |what: &str| facts.unreadable.iter().any(|(name, _)| name.starts_with(what));
    if !unread("CustomResourceDefinitions") {
        findings.extend(definitions(facts));
    }
    if !unread("Deployments") {
        findings.extend(operator(facts));
    }
    if !unread("Leases") {
        findings.extend(leader(facts, now));
    }
    if !unread("ConfigMap") {
        findings.push(api_keys(facts));
    }
    if !unread("Instances") {
        findings.extend(instance::examine(facts, now));
    }
    if !unread("ApprovalPolicies") {
        findings.push(policy(
            "ApprovalPolicies",
            facts.approval_policies,
            "none is enabled: every plan waits for a person",
            "apply an ApprovalPolicy in the operator's namespace (section 7 of the cookbook)",
        ));
    }
    if !unread("NotificationPolicies") {
        findings.push(policy(
            "NotificationPolicies",
            facts.notification_policies,
            "none is enabled: nobody is told of an incident",
            "apply a NotificationPolicy in the operator's namespace (section 3 of the cookbook)",
        ));
    }
    findings
}

fn definitions(facts: &Facts) -> Vec<Finding> {
    let object = "CustomResourceDefinitions";
    let total = facts.definitions.len();
    let broken: Vec<Finding> = facts
        .definitions
        .iter()
        .filter_map(|(name, problem)| {
            problem.as_ref().map(|problem| {
                Finding::failure(
                    format!("CustomResourceDefinition {name}"),
                    problem,
                    "chatcli crds | kubectl apply --server-side --force-conflicts -f -",
                )
            })
        })
        .collect();
    if broken.is_empty() {
        vec![Finding::ok(object, format!("{total} of {total} are there, as this version has them"))]
    } else {
        broken
    }
}

fn operator(facts: &Facts) -> Vec<Finding> {
    let OperatorFacts { deployment, wanted, ready, .. } = &facts.operator;
    let Some(name) = deployment else {
        return vec![Finding::failure(
            format!("Namespace {}", facts.namespace),
            "there is no Deployment of the operator (label app.kubernetes.io/name=chatcli-operator)",
            format!(
                "helm install it into this namespace (section 1 of the cookbook), or name the right one: chatcli doctor --namespace NAME (now {})",
                facts.namespace
            ),
        )];
    };
    let object = format!("Deployment {}/{name}", facts.namespace);
    if ready < wanted || *ready == 0 {
        return vec![Finding::failure(
            object.clone(),
            format!("{ready} of {wanted} replicas are ready"),
            format!(
                "kubectl -n {} describe deployment {name}; kubectl -n {} logs deployment/{name}",
                facts.namespace, facts.namespace
            ),
        )];
    }
    if *wanted < 2 {
        return vec![Finding::warning(
            object,
            "a single replica: while its node is drained nobody works on incidents",
            "helm upgrade with --set replicaCount=2",
        )];
    }
    vec![Finding::ok(object, format!("{ready} of {wanted} replicas are ready"))]
}

fn leader(facts: &Facts, now: Timestamp) -> Vec<Finding> {
    if facts.operator.deployment.is_none() {
        return Vec::new();
    }
    let object = format!("Lease {}/chatcli-operator-lock", facts.namespace);
    let logs = format!("kubectl -n {} logs -l app.kubernetes.io/name=chatcli-operator --prefix", facts.namespace);
    match (&facts.operator.leader, facts.operator.renewed) {
        (Some(leader), Some(renewed)) if now.duration_since(renewed) <= LEASE_SILENCE => {
            vec![Finding::ok(object, format!("{leader} leads"))]
        }
        (Some(leader), Some(renewed)) => vec![Finding::failure(
            object,
            format!("{leader} has not renewed it for {} s: no controller runs", now.duration_since(renewed).as_secs()),
            logs,
        )],
        _ => vec![Finding::failure(object, "nobody holds it: no controller runs", logs)],
    }
}

fn api_keys(facts: &Facts) -> Finding {
    let object = format!("ConfigMap {}/chatcli-operator-config", facts.namespace);
    match facts.api_keys {
        Some(keys) if keys > 0 => Finding::ok(object, format!("{keys} API keys")),
        Some(_) => Finding::failure(
            object,
            "`api-keys` holds no usable key: nobody can use the REST API",
            "list at least one {key, role, description} (section 10 of the cookbook)",
        ),
        None => Finding::warning(
            object,
            "there are no API keys: the REST API and the dashboard answer without authentication to port-forward only",
            "create it with `api-keys` (section 10 of the cookbook) before the dashboard is exposed",
        ),
    }
}

fn policy(object: &str, enabled: usize, none: &str, remedy: &str) -> Finding {
    if enabled > 0 { Finding::ok(object, format!("{enabled} enabled")) } else { Finding::warning(object, none, remedy) }
}
