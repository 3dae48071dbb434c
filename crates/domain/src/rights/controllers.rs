//! The rights of each controller, as the head of its file says them.

use super::Part;
use crate::remediation::actions::Right;

const OURS: &str = "platform.chatcli.io";
const LOOK: &[&str] = &["get", "list", "watch"];
const PATCH: &[&str] = &["get", "patch"];

const fn right(group: &'static str, resource: &'static str, verbs: &'static [&'static str]) -> Right {
    Right { group, resource, verbs }
}

pub(super) fn parts() -> Vec<Part> {
    vec![
        Part {
            name: "anomaly",
            rights: vec![
                right(OURS, "anomalies", LOOK),
                right(OURS, "anomalies/status", PATCH),
                right(OURS, "issues", &["get", "list", "watch", "create", "patch"]),
            ],
        },
        Part {
            name: "bridge",
            rights: vec![
                right(OURS, "anomalies", &["get", "list", "watch", "create"]),
                right(OURS, "anomalies/status", PATCH),
            ],
        },
        Part {
            name: "issue",
            rights: vec![
                right(OURS, "issues", LOOK),
                right(OURS, "issues/status", PATCH),
                right(OURS, "aiinsights", &["get", "list", "watch", "create", "patch"]),
                right(OURS, "remediationplans", &["get", "list", "watch", "create"]),
                right(OURS, "postmortems", &["get", "list", "watch", "create"]),
                right(OURS, "postmortems/status", PATCH),
                right(OURS, "approvalrequests", &["list", "watch"]),
                // Where owner references that block a deletion are checked, whoever sets one needs this.
                right(OURS, "issues/finalizers", &["update"]),
            ],
        },
        Part {
            name: "ai_insight",
            rights: vec![
                right(OURS, "aiinsights", LOOK),
                right(OURS, "aiinsights/status", PATCH),
                right(OURS, "issues", &["get", "list", "watch"]),
            ],
        },
        Part {
            name: "remediation_plan",
            rights: vec![
                right(OURS, "remediationplans", LOOK),
                right(OURS, "remediationplans/status", PATCH),
                right(OURS, "remediationplans/finalizers", &["update"]),
                right(OURS, "approvalrequests", &["get", "list", "watch", "create", "patch"]),
                right(OURS, "approvalrequests/status", PATCH),
                right(OURS, "approvalpolicies", LOOK),
                right(OURS, "anomalies", LOOK),
                right(OURS, "issues", LOOK),
                right("", "services", &["list"]),
                right("", "pods", &["list"]),
                right("apps", "deployments", LOOK),
            ],
        },
        Part {
            name: "approval",
            rights: vec![
                right(OURS, "approvalrequests", &["get", "list", "watch", "patch"]),
                right(OURS, "approvalrequests/status", PATCH),
                right(OURS, "approvalpolicies", LOOK),
                right(OURS, "approvalpolicies/status", PATCH),
                right(OURS, "remediationplans", LOOK),
            ],
        },
        Part {
            name: "definitions",
            rights: vec![right("apiextensions.k8s.io", "customresourcedefinitions", &["get", "list"])],
        },
        Part { name: "lease", rights: vec![right("coordination.k8s.io", "leases", &["get", "create", "update"])] },
        Part {
            name: "events",
            rights: vec![
                right("events.k8s.io", "events", &["create", "patch"]),
                right("", "events", &["create", "patch"]),
            ],
        },
    ]
}
