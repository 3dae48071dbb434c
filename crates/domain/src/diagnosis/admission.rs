//! Why the API server refuses the pods of a workload.

use api::shared::{CauseClass, ObjectRef};

use super::reference::{of_missing, read};
use super::{Conclusion, Evidence, cause, fact};

pub(super) fn explain(evidence: &Evidence) -> Conclusion {
    let message = evidence.symptom.value.trim_end_matches('.').to_owned();
    if let Some(missing) = read(&message) {
        return of_missing(evidence, &missing);
    }
    let lower = message.to_ascii_lowercase();
    let quota = message.split_once("exceeded quota: ").map(|(_, rest)| rest);
    let statement = format!(
        "New pods of {} are refused: {}",
        evidence.who(),
        message.rsplit("is forbidden: ").next().unwrap_or(&message)
    );
    let mut cause = cause(evidence, CauseClass::AdmissionRefused, None, None, statement, 0.9);
    let advice = if let Some(rest) = quota {
        let name = rest.split(',').next().unwrap_or_default().trim().to_owned();
        let object = ObjectRef {
            api_version: Some("v1".into()),
            kind: "ResourceQuota".into(),
            namespace: evidence.view.workload.namespace.clone(),
            name: name.clone(),
            uid: None,
        };
        cause.proof.push(fact(&object, "spec.hard", rest, "the quota is used up"));
        cause.object = object;
        cause.path = Some("spec.hard".into());
        cause.value = rest.split_once("limited: ").map(|(_, l)| l.to_owned());
        format!("Raise the quota {name}, or lower what {} requests.", evidence.who())
    } else if lower.contains("violates podsecurity") {
        cause.path = Some("spec.template.spec.securityContext".into());
        "Give the pods the security context that the namespace demands.".to_owned()
    } else if lower.contains("webhook") {
        "Look at the admission webhook that refuses, and at its own pods.".to_owned()
    } else {
        "Change the pod template so that it meets the rule, or change the rule.".to_owned()
    };
    Conclusion { cause, candidates: Vec::new(), recommendations: vec![advice], log_lines: Vec::new() }
}
