//! Pods that the API server does not create, in its own words.

use super::*;

fn refused(message: &str) -> Evidence {
    let mut v = view([pod("old", "r1")]);
    v.conditions = vec![condition("ReplicaFailure", "True", "FailedCreate", message, 0)];
    evidence(v, 10)
}

fn cause_of(message: &str) -> RootCause {
    at_second(&refused(message), 10).cause
}

const POD: &str = "pods \"web-7c9-abcde\" is forbidden: ";

#[test]
fn a_quota_says_which_amount() {
    let found = cause_of(&format!(
        "{POD}exceeded quota: compute, requested: limits.memory=1Gi,pods=1, used: limits.memory=4Gi,pods=4, limited: limits.memory=4Gi,pods=4"
    ));
    assert_eq!((found.object.kind.as_str(), found.object.name.as_str()), ("ResourceQuota", "compute"));
    assert_eq!(found.path.as_deref(), Some("spec.hard.limits.memory"));
    assert_eq!(
        found.statement,
        "New pods of Deployment web are refused: exceeded quota: ResourceQuota compute (limits.memory 1Gi more requested, 4Gi of 4Gi used; pods 1 more requested, 4 of 4 used)"
    );
    let found =
        cause_of(&format!("{POD}failed quota: compute: must specify limits.cpu for: web; requests.cpu for: web"));
    assert_eq!(found.path.as_deref(), Some("spec.template.spec.containers[0].resources.limits.cpu"));
    assert!(found.statement.contains("ResourceQuota compute demands limits.cpu for: web"), "{}", found.statement);
}

#[test]
fn a_limit_range_says_which_bound() {
    let found = cause_of(&format!(
        "{POD}[maximum memory usage per Container is 1Gi, but limit is 2Gi, maximum cpu usage per Container is 1, but limit is 2]"
    ));
    assert_eq!(found.path.as_deref(), Some("spec.template.spec.containers[0].resources.limits.memory"));
    assert_eq!(found.value.as_deref(), Some("2Gi"));
    assert_eq!(
        found.statement,
        "New pods of Deployment web are refused by a LimitRange: maximum memory usage per Container is 1Gi, but limit is 2Gi"
    );
    let found = cause_of(&format!("{POD}minimum cpu usage per Container is 100m, but request is 50m"));
    assert_eq!(found.path.as_deref(), Some("spec.template.spec.containers[0].resources.requests.cpu"));
    let found = cause_of(
        "Pod \"web-7c9\" is invalid: spec.containers[0].resources.requests: Invalid value: \"2Gi\": must be less than or equal to memory limit of 1Gi",
    );
    assert_eq!(found.path.as_deref(), Some("spec.template.spec.containers[0].resources.requests"));
    assert_eq!(found.value.as_deref(), Some("2Gi"));
}

#[test]
fn pod_security_says_which_field() {
    let found = cause_of(&format!(
        "{POD}violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false (container \"web\" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container \"web\" must set securityContext.capabilities.drop=[\"ALL\"])"
    ));
    assert_eq!(
        found.path.as_deref(),
        Some("spec.template.spec.containers[0].securityContext.allowPrivilegeEscalation")
    );
    assert!(
        found.statement.contains("the template violates PodSecurity restricted of Namespace"),
        "{}",
        found.statement
    );
    assert_eq!(found.class, CauseClass::AdmissionRefused);
}

#[test]
fn classes_accounts_and_webhooks() {
    let found = cause_of(&format!("{POD}no PriorityClass with name urgent was found"));
    assert_eq!(found.path.as_deref(), Some("spec.template.spec.priorityClassName"));
    assert!(found.statement.contains("PriorityClass urgent, which does not exist"), "{}", found.statement);
    let found = cause_of(&format!("{POD}pod rejected: RuntimeClass \"gvisor\" not found"));
    assert_eq!(
        (found.class, found.path.as_deref()),
        (CauseClass::MissingReference, Some("spec.template.spec.runtimeClassName"))
    );
    let found =
        cause_of(&format!("{POD}error looking up service account shop/robot: serviceaccount \"robot\" not found"));
    assert_eq!(found.class, CauseClass::MissingReference);
    let silent = "Internal error occurred: failed calling webhook \"pods.gate.example.com\": failed to call webhook: Post \"https://gate.guard.svc:443/check?timeout=10s\": dial tcp 10.0.0.1:443: connect: connection refused";
    let found = cause_of(silent);
    assert_eq!(
        (found.class, found.object.kind.as_str(), found.object.name.as_str()),
        (CauseClass::WebhookUnavailable, "Service", "gate")
    );
    assert_eq!(found.object.namespace.as_deref(), Some("guard"));
    assert!(
        found.statement.contains("webhook pods.gate.example.com does not answer (Service gate): "),
        "{}",
        found.statement
    );
    let denied =
        "admission webhook \"policy.example.com\" denied the request: images must come from registry.example.com";
    assert!(
        cause_of(denied).statement.contains("are denied by admission webhook policy.example.com: images must come")
    );
    let policy = format!(
        "{POD}ValidatingAdmissionPolicy 'no-latest' with binding 'all' denied request: tag latest is not allowed"
    );
    assert!(cause_of(&policy).statement.contains("are denied by ValidatingAdmissionPolicy no-latest: tag latest"));
}

#[test]
fn what_nobody_knows_is_repeated_and_odd_words_do_no_harm() {
    assert!(cause_of(&format!("{POD}the moon is full")).statement.ends_with("are refused: the moon is full"));
    for odd in [
        "exceeded quota: ",
        "exceeded quota: a, requested: , used: , limited: ",
        "failed quota: a: must specify ",
        "violates PodSecurity \"x\": ",
        "failed calling webhook \"",
        "admission webhook \"x\" denied the request",
        "maximum",
        "[maximum memory usage per ",
        "x is invalid: spec.",
        "no PriorityClass with name  was found",
    ] {
        diagnose(&refused(odd), at(10));
    }
    let long = "x".repeat(100_000);
    assert!(cause_of(&long).statement.len() < 500);
}
