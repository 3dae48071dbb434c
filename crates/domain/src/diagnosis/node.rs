//! What is wrong with a node.

use api::shared::CauseClass;

use super::{Conclusion, Evidence, cause};

pub(super) fn explain(evidence: &Evidence) -> Conclusion {
    let said = evidence.symptom.message.trim_end_matches('.');
    let statement = said.strip_prefix("node ").map_or_else(|| said.to_owned(), |rest| format!("Node {rest}"));
    let path = Some("status.conditions".to_owned());
    let cause = cause(evidence, CauseClass::NodeFault, path, Some(evidence.symptom.value.clone()), statement, 0.9);
    let recommendations = vec![format!(
        "Look at the kubelet and the machine of node {}; its pods are moved by Kubernetes after their toleration.",
        evidence.view.workload.name
    )];
    Conclusion { cause, candidates: Vec::new(), recommendations, log_lines: Vec::new() }
}
