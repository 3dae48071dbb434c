//! Why an image cannot be had.

use std::fmt::Write as _;

use api::shared::CauseClass;

use super::{Conclusion, Evidence, Proof, cause, fact, propose, ruled_out};

/// What the registry's or the network's answer means. The image's own name is no part of the answer.
fn class(text: &str, image: &str) -> CauseClass {
    let text = if image.is_empty() { text.to_owned() } else { text.replace(image, "") };
    let text = text.to_ascii_lowercase();
    let any = |words: &[&str]| words.iter().any(|w| text.contains(w));
    // A registry says "not found or denied" in one breath for repositories that do not exist.
    if any(&[
        "no such host",
        "i/o timeout",
        "connection refused",
        "network is unreachable",
        "server misbehaving",
        "dial tcp",
        "tls handshake",
        "x509",
        ": eof",
    ]) {
        CauseClass::RegistryUnreachable
    } else if any(&["unauthorized", "authentication required", "denied", "forbidden", "no basic auth"])
        && !any(&["manifest unknown", "repository does not exist"])
    {
        CauseClass::ImageUnauthorized
    } else {
        CauseClass::ImageNotFound
    }
}

fn words(class: CauseClass) -> &'static str {
    match class {
        CauseClass::RegistryUnreachable => "the registry cannot be reached",
        CauseClass::ImageUnauthorized => "the registry refused access",
        _ => "the image was not found",
    }
}

/// The last part of a chain of error texts, which is what the registry or the network said.
fn answer(text: &str) -> String {
    let text = text.trim().trim_end_matches('.');
    let parts: Vec<&str> = text.split(": ").collect();
    let tail = parts.get(parts.len().saturating_sub(2)..).unwrap_or_default().join(": ");
    tail.chars().take(160).collect()
}

pub(super) fn explain(evidence: &Evidence) -> Conclusion {
    let image = evidence.symptom.value.clone();
    let seen: Vec<&str> = evidence.symptom.evidence.iter().map(|o| o.detail.as_str()).collect();
    let class = class(&seen.join(" "), &image);
    let container = evidence.container();
    let path = evidence.container_path(container).map(|p| format!("{p}.image"));
    let said = seen.iter().max_by_key(|s| s.len()).map(|s| answer(s)).unwrap_or_default();
    let revision = evidence.revision();
    let good = previous_image(evidence, container);
    let mut statement =
        format!("Container {container} of {} cannot get image {image}: {}", evidence.who(), words(class));
    if !said.is_empty() {
        let _ = write!(statement, " ({said})");
    }
    if let (Some(revision), Some((number, before))) = (revision, &good) {
        let _ = write!(statement, "; revision {} introduced it, revision {number} used {before}", revision.number);
    }
    let mut cause =
        cause(evidence, class, path.clone(), Some(image.clone()), statement, if good.is_some() { 0.95 } else { 0.9 });
    if let (Some(revision), Some(path)) = (revision, &path) {
        cause.proof.push(fact(
            &revision.object,
            path,
            &image,
            "the pod was made from this revision, which names the image",
        ));
    }
    let mut candidates = Vec::new();
    if let (Some((number, before)), Some(previous)) = (&good, evidence.previous()) {
        cause.proof.push(Proof {
            resource_version: previous.resource_version.clone(),
            ..fact(
                &previous.object,
                path.as_deref().unwrap_or("image"),
                before,
                "the revision before used another image",
            )
        });
        candidates.extend(propose::rollback(evidence, &format!("asks for {image}, which cannot be pulled")));
        let serving = evidence.view.pods.iter().any(|p| p.ready() && p.revision == previous.hash);
        if serving {
            cause
                .ruled_out
                .push(ruled_out("The node cannot pull anything", format!("pods of revision {number} run {before}")));
        }
    }
    let advice = match class {
        CauseClass::RegistryUnreachable => {
            format!("Check the registry host in {image} and the network from the nodes to it.")
        }
        CauseClass::ImageUnauthorized => {
            format!("Check that {image} exists and that the pod has imagePullSecrets for its registry.")
        }
        _ => format!("Check repository and tag of {image}; push the image or correct the reference."),
    };
    Conclusion { cause, candidates, recommendations: vec![advice], log_lines: Vec::new() }
}

/// Number and image of the revision before, if its image is another one.
fn previous_image(evidence: &Evidence, container: &str) -> Option<(i64, String)> {
    let previous = evidence.previous()?;
    let spec = previous.template.spec.as_ref()?;
    let now = &evidence.symptom.value;
    // A renamed container has its image under another name.
    let same = spec
        .containers
        .iter()
        .chain(spec.init_containers.iter().flatten())
        .find(|c| c.name == container)
        .or(spec.containers.first())?;
    same.image.clone().filter(|image| image != now).map(|image| (previous.number, image))
}
