//! Why an image cannot be had.

use std::fmt::Write as _;

use api::shared::CauseClass;

use super::log::cut;
use super::{Conclusion, Evidence, Proof, cause, fact, propose, ruled_out};
use crate::graph::nearest;

/// What the registry's or the network's answer means. The image's own name is no part of the answer.
pub(super) fn class(text: &str, image: &str) -> CauseClass {
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

/// Why it cannot be had, for a sentence.
fn words(class: CauseClass, seen: &str) -> &'static str {
    let lower = seen.to_ascii_lowercase();
    let says = |text: &str| lower.contains(text);
    match class {
        CauseClass::RegistryUnreachable if says("no such host") => "the host of its registry cannot be resolved",
        CauseClass::RegistryUnreachable => "its registry cannot be reached",
        CauseClass::ImageUnauthorized => "its registry refuses access",
        _ if says("invalidimagename") || says("invalid reference") || says("couldn't parse image") => {
            "it is not a valid image reference"
        }
        _ if says("errimageneverpull") || says("not present with pull policy of never") => {
            "it is not on the node, and imagePullPolicy Never forbids to pull it"
        }
        _ if says("no match for platform") => "it does not exist for the platform of the node",
        _ => "this image was not found in its registry",
    }
}

/// The last part of a chain of error texts, which is what the registry or the network said.
fn answer(text: &str, image: &str) -> String {
    let text = text.trim().trim_end_matches('.');
    let parts: Vec<&str> = text.split(": ").collect();
    let tail = parts.get(parts.len().saturating_sub(2)..).unwrap_or_default().join(": ");
    let tail = tail.strip_prefix("ErrImagePull: ").map_or(tail.clone(), str::to_owned);
    let tail = tail.strip_prefix(image).map_or(tail.as_str(), |rest| rest.trim_start_matches(": "));
    cut(tail, 120)
}

/// A Secret for pulling that the kubelet could not find.
fn missing_secret(evidence: &Evidence) -> Option<String> {
    let pod = evidence.pod()?;
    let event = pod.events.iter().find(|event| event.reason == "FailedToRetrieveImagePullSecret")?;
    let (_, rest) = event.message.split_once('(')?;
    let name = rest.split([',', ')']).next()?.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

pub(super) fn explain(evidence: &Evidence) -> Conclusion {
    let image = evidence.symptom.value.clone();
    let seen: Vec<&str> = evidence.symptom.evidence.iter().map(|o| o.detail.as_str()).collect();
    let class = class(&seen.join(" "), &image);
    let container = evidence.container();
    let path = evidence.container_path(container).map(|p| format!("{p}.image"));
    let why = words(class, &seen.join(" "));
    let said = seen.iter().max_by_key(|s| s.len()).map(|s| answer(s, &image)).unwrap_or_default();
    let revision = evidence.revision();
    let good = previous_image(evidence, container);
    let mut statement = format!("{} cannot get image {image}: {why}", evidence.part());
    if !said.is_empty() && said != "not found" {
        let _ = write!(statement, " ({said})");
    }
    if let (Some(revision), Some((number, before))) = (revision, &good) {
        let _ = write!(statement, "; revision {} introduced it, revision {number} used {before}", revision.number);
    } else if let Some(meant) = elsewhere(evidence, &image) {
        let _ = write!(statement, "; did you mean {meant}?");
    }
    let sure = if good.is_some() { 0.95 } else { 0.9 };
    let mut cause = cause(evidence, class, path.clone(), Some(image.clone()), statement, sure);
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
    let mut conclusion = Conclusion { cause, candidates, recommendations: vec![advice], log_lines: Vec::new() };
    credentials(evidence, &image, &mut conclusion);
    conclusion
}

/// A registry that may have refused because the Secret for it is not there.
fn credentials(evidence: &Evidence, image: &str, conclusion: &mut Conclusion) {
    if conclusion.cause.class == CauseClass::RegistryUnreachable {
        return;
    }
    let Some(secret) = missing_secret(evidence) else { return };
    let known = evidence.names.get("Secret").map(Vec::as_slice).unwrap_or_default();
    let meant = nearest(&secret, known.iter().map(String::as_str));
    let meant = meant.map(|name| format!("; did you mean {name}?")).unwrap_or_default();
    let cause = &mut conclusion.cause;
    cause.statement = format!(
        "{} cannot get image {image}: imagePullSecrets refers to Secret {secret}, which does not exist{meant}",
        evidence.part()
    );
    cause.class = CauseClass::ImageUnauthorized;
    cause.path = Some(format!("{}.imagePullSecrets", evidence.prefix()));
    cause.value = Some(secret.clone());
    cause.proof.push(fact(
        evidence.culprit(),
        &format!("{}.imagePullSecrets", evidence.prefix()),
        &secret,
        "the kubelet looked for this Secret and did not find it",
    ));
    conclusion.recommendations = vec![format!("Create Secret {secret}, or let imagePullSecrets name the right one.")];
    let template = evidence.spec().map(|(spec, _)| spec);
    let names = |spec: Option<&k8s_openapi::api::core::v1::PodSpec>| {
        let all = spec.and_then(|spec| spec.image_pull_secrets.as_ref()).into_iter().flatten();
        all.into_iter().any(|reference| reference.name == secret)
    };
    // The pod of a template that says nothing takes what its ServiceAccount has.
    if names(template) || !names(evidence.pod().and_then(crate::detection::PodView::spec)) {
        return;
    }
    let account = template.and_then(|spec| spec.service_account_name.as_deref()).unwrap_or("default");
    cause.statement = format!(
        "{} cannot get image {image}: imagePullSecrets of ServiceAccount {account} refers to Secret {secret}, which does not exist{meant}",
        evidence.part()
    );
    cause.object = api::shared::ObjectRef {
        api_version: Some("v1".into()),
        kind: "ServiceAccount".into(),
        namespace: evidence.view.workload.namespace.clone(),
        name: account.into(),
        uid: None,
    };
    cause.path = Some("imagePullSecrets".into());
}

/// Another image of the same pod or of its other pods that is nearly the same: a tag or a name with a slip in it.
fn elsewhere(evidence: &Evidence, image: &str) -> Option<String> {
    let specs = evidence.view.pods.iter().filter_map(crate::detection::PodView::spec);
    let containers = specs.flat_map(|spec| spec.containers.iter().chain(spec.init_containers.iter().flatten()));
    let images: Vec<&str> = containers.filter_map(|c| c.image.as_deref()).filter(|other| *other != image).collect();
    nearest(image, images).map(str::to_owned)
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
