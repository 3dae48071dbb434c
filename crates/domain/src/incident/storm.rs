//! What waits in a storm: while many Anomalies have no Issue yet, linking them goes before explaining.

use api::Issue;
use api::shared::IssueState;
use jiff::{SignedDuration, Timestamp};

/// Anomalies without an Issue from which on it is a storm. One fault seldom raises more than a few at once.
const STORM: usize = 50;
/// How long after its creation an Issue may be kept from its analysis by others.
const LONGEST: SignedDuration = SignedDuration::from_secs(30);
/// When to look whether the storm is over.
const AGAIN: SignedDuration = SignedDuration::from_secs(1);

/// When to look at a new Issue again, if its analysis has to wait: an analysis in mid-storm would rest on a part of its
/// Anomalies, and its writes would keep the API server from the other part. `waiting` is the number of Anomalies without
/// an Issue. An Issue that is 30 s old waits no longer, so that an endless storm cannot silence it.
pub fn analysis_waits(issue: &Issue, waiting: usize, now: Timestamp) -> Option<Timestamp> {
    let new = matches!(issue.status.as_ref().and_then(|s| s.state), None | Some(IssueState::Detected));
    let created = issue.metadata.creation_timestamp.as_ref().map_or(now, |t| t.0);
    (new && waiting >= STORM && now.duration_since(created) < LONGEST).then(|| now.saturating_add(AGAIN).unwrap_or(now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    fn issue(state: Option<&str>) -> (Issue, Timestamp) {
        let created: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let status = state.map(|state| serde_json::json!({"state": state}));
        let mut issue: Issue = serde_json::from_value(serde_json::json!({
            "apiVersion": "platform.chatcli.io/v1alpha1", "kind": "Issue", "metadata": {"name": "a", "namespace": "n"},
            "spec": {"severity": "high", "source": "watcher", "description": "d",
                "resource": {"kind": "Deployment", "name": "web", "namespace": "n"}},
            "status": status,
        }))
        .unwrap();
        issue.metadata.creation_timestamp = Some(Time(created));
        (issue, created)
    }

    #[test]
    fn a_new_issue_waits_while_many_anomalies_have_none() {
        let (new, created) = issue(None);
        let soon = created + SignedDuration::from_secs(2);
        assert_eq!(analysis_waits(&new, STORM, soon), Some(soon + AGAIN));
        assert_eq!(analysis_waits(&new, STORM - 1, soon), None);
    }

    #[test]
    fn it_does_not_wait_for_ever_and_nothing_that_has_begun_waits() {
        let (new, created) = issue(None);
        assert_eq!(analysis_waits(&new, 10_000, created + LONGEST), None);
        for begun in ["Analyzing", "Remediating", "Escalated"] {
            assert_eq!(analysis_waits(&issue(Some(begun)).0, 10_000, created), None, "{begun}");
        }
    }
}
