//! Init containers that run and do not end: the pod never starts, and nothing fails.

use api::shared::Severity;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ContainerStatus;

use super::pod::{status_seen, symptom};
use super::{Findings, PodView, Rule, WorkloadView, anchor};

/// An init container may work this long; one that is known to have worked longer in another pod of the workload may do so
/// three times.
const WORKS: SignedDuration = SignedDuration::from_secs(60);

/// How long a container ran that ended well.
fn took(status: &ContainerStatus) -> Option<SignedDuration> {
    let end = status.state.as_ref()?.terminated.as_ref().filter(|end| end.exit_code == 0)?;
    Some(end.finished_at.as_ref()?.0.duration_since(end.started_at.as_ref()?.0))
}

/// Looks at the init containers of a pod that shows no other symptom. A Job's may work as long as they like.
pub(super) fn examine(view: &WorkloadView, pod: &PodView, now: Timestamp, out: &mut Findings) {
    if pod.phase() != "Pending" || view.job.is_some() {
        return;
    }
    let is_sidecar = |name: &str| pod.container(name).is_some_and(|c| c.restart_policy.as_deref() == Some("Always"));
    let running = pod.statuses().filter(|(init, status)| *init && !is_sidecar(&status.name)).find_map(|(_, status)| {
        let running = status.state.as_ref()?.running.as_ref()?;
        Some((status, anchor(running.started_at.as_ref(), now)))
    });
    let Some((status, since)) = running else { return };
    let others =
        view.pods.iter().flat_map(PodView::statuses).filter(|(init, other)| *init && other.name == status.name);
    let longest = others.filter_map(|(_, other)| took(other)).max().unwrap_or_default();
    if !out.held(since, WORKS.max(longest.saturating_mul(3)), now) {
        return;
    }
    let text = format!(
        "init container {} of pod {} does not end, and the pod does not start",
        status.name,
        pod.reference().name
    );
    let mut found = symptom(view, pod, Rule::ReadinessFailing, Severity::Medium, text);
    found.container = Some(status.name.clone());
    found.value = format!("init container {} still runs", status.name);
    found.threshold = "init containers end".into();
    found.since = since;
    found.evidence.push(status_seen(
        pod.reference(),
        format!("init container {} is running", status.name),
        Some(since),
    ));
    out.symptoms.push(found);
}
