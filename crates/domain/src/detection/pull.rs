//! Images that cannot be had.

use api::shared::Severity;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ContainerStateWaiting, ContainerStatus};

use super::container::{said, waiting_since};
use super::pod::{event_seen, status_seen, symptom};
use super::{Findings, PodView, Rule, WorkloadView};

/// A pull that fails for a reason that may pass is believed after this.
const PULL_HOLD: SignedDuration = SignedDuration::from_secs(30);
/// The same once the kubelet backs off: by then its second try, after 10 s, has failed too.
const BACK_OFF_HOLD: SignedDuration = SignedDuration::from_secs(15);

/// Whether a pull of an image failed for a reason that does not pass by itself. The image's own name is no reason.
fn is_definite(reason: &str, message: &str, image: &str) -> bool {
    const FINAL: [&str; 14] = [
        "not found",
        "manifest unknown",
        "manifest_unknown",
        "unauthorized",
        "authentication required",
        "denied",
        "forbidden",
        "invalid reference",
        "invalid_name",
        "no such host",
        "couldn't parse image",
        "repository does not exist",
        "no match for platform",
        "not present with pull policy of never",
    ];
    let message = if image.is_empty() { message.to_owned() } else { message.replace(image, "") };
    let message = message.to_ascii_lowercase();
    matches!(reason, "InvalidImageName" | "ErrImageNeverPull") || FINAL.iter().any(|text| message.contains(text))
}

/// A container that waits for its image.
pub(super) fn examine(
    view: &WorkloadView,
    pod: &PodView,
    status: &ContainerStatus,
    waiting: &ContainerStateWaiting,
    now: Timestamp,
    out: &mut Findings,
) {
    let reason = waiting.reason.as_deref().unwrap_or_default();
    let message = waiting.message.as_deref().unwrap_or_default();
    let failed: Vec<_> = pod
        .events
        .iter()
        .filter(|e| {
            matches!(e.reason.as_str(), "Failed" | "InspectFailed" | "ErrImageNeverPull")
                && e.is_about(&status.name)
                && e.message.contains("image")
        })
        .collect();
    let image = pod.container(&status.name).and_then(|c| c.image.clone()).unwrap_or_else(|| status.image.clone());
    // The back-off's own message may hide the registry's answer; the event keeps it.
    let definite =
        is_definite(reason, message, &image) || failed.iter().any(|e| is_definite(reason, &e.message, &image));
    let since = failed.iter().map(|e| e.first).min().map_or_else(|| waiting_since(pod, status, now), |t| t.min(now));
    let hold = if reason == "ImagePullBackOff" { BACK_OFF_HOLD } else { PULL_HOLD };
    if !definite && !out.held(since, hold, now) {
        return;
    }
    let text = format!(
        "container {} of pod {} cannot get image {image}: {}",
        status.name,
        pod.reference().name,
        said(reason, message)
    );
    let mut found = symptom(view, pod, Rule::ImagePull, Severity::High, text);
    found.container = Some(status.name.clone());
    found.value = image;
    found.threshold = "the image can be pulled".into();
    found.since = since;
    found.count = failed.iter().map(|e| i64::from(e.count)).sum::<i64>().max(1);
    found.evidence.push(status_seen(
        pod.reference(),
        format!("container {} waits: {}", status.name, said(reason, message)),
        Some(since),
    ));
    found.evidence.extend(failed.iter().max_by_key(|e| e.message.len()).map(|e| event_seen(e)));
    out.symptoms.push(found);
}
