//! Certificates that have ended or will: those in the TLS Secrets that an Ingress or a Gateway names.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use api::shared::{CauseClass, ObjectRef, Severity};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::shape::{finding, proven, telling, who};
use super::{cause, fact};
use crate::detection::Rule;
use crate::graph::query::{named, reference};
use crate::graph::{Finding, Graph, Standing};

/// A renewal by hand must begin now.
const SOON: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Whoever renews certificates should have done it by now.
const NEXT: SignedDuration = SignedDuration::from_hours(21 * 24);

/// Secrets of this namespace that serve TLS, each with who names it and where.
fn served(graph: &Graph) -> BTreeMap<String, Vec<(ObjectRef, String)>> {
    let mut found: BTreeMap<String, Vec<(ObjectRef, String)>> = BTreeMap::new();
    for ingress in &graph.ingresses {
        let object = reference("networking.k8s.io/v1", "Ingress", &ingress.metadata);
        for (at, tls) in ingress.spec.iter().flat_map(|spec| spec.tls.iter().flatten()).enumerate() {
            if let Some(name) = &tls.secret_name {
                found.entry(name.clone()).or_default().push((object.clone(), format!("spec.tls[{at}].secretName")));
            }
        }
    }
    for other in graph.others.iter().filter(|other| other.get("kind").and_then(Value::as_str) == Some("Gateway")) {
        let text = |value: &Value, path: &str| value.pointer(path).and_then(Value::as_str).map(str::to_owned);
        let Some(gateway) = text(other, "/metadata/name") else { continue };
        let version = text(other, "/apiVersion").unwrap_or_default();
        if !version.starts_with("gateway.networking.k8s.io/") {
            continue;
        }
        let object = named(&version, "Gateway", &graph.namespace, &gateway);
        let listeners = other.pointer("/spec/listeners").and_then(Value::as_array);
        for (at, listener) in listeners.into_iter().flatten().enumerate() {
            let references = listener.pointer("/tls/certificateRefs").and_then(Value::as_array);
            for (number, reference) in references.into_iter().flatten().enumerate() {
                let here = text(reference, "/namespace").is_none_or(|space| space == graph.namespace);
                let secret = text(reference, "/kind").is_none_or(|kind| kind == "Secret");
                if let Some(name) = text(reference, "/name").filter(|_| here && secret) {
                    let path = format!("spec.listeners[{at}].tls.certificateRefs[{number}].name");
                    found.entry(name).or_default().push((object.clone(), path));
                }
            }
        }
    }
    found
}

/// When a certificate begins, comes near its end, and ends.
pub(super) fn turns(graph: &Graph, at: &mut dyn FnMut(Timestamp)) {
    for certificate in graph.secrets.iter().filter_map(|secret| secret.certificate.as_ref()) {
        at(certificate.not_before);
        at(certificate.not_after);
        for before in [SOON, NEXT] {
            certificate.not_after.checked_sub(before).into_iter().for_each(&mut *at);
        }
    }
}

/// Certificates that have ended, are not valid yet, or end soon.
pub(super) fn certificates(graph: &Graph, now: Timestamp, out: &mut Vec<Finding>) {
    let served = served(graph);
    for secret in &graph.secrets {
        let (Some(certificate), Some(by)) = (&secret.certificate, served.get(&secret.object.name)) else { continue };
        let Some((user, path)) = by.first() else { continue };
        let left = certificate.not_after.duration_since(now);
        let day = |at: Timestamp| at.strftime("%Y-%m-%d %H:%M UTC").to_string();
        // A controller renews when a third of the life is left, however long that life is.
        let renewed = secret.touched.as_ref().is_some_and(|touch| touch.by.contains("cert-manager"));
        let life = certificate.not_after.duration_since(certificate.not_before);
        let due = !renewed || left.as_secs().saturating_mul(4) < life.as_secs();
        let (standing, severity, field, when, what) = if left <= SignedDuration::ZERO {
            (Standing::Outage, Severity::Critical, "notAfter", certificate.not_after, "has expired")
        } else if certificate.not_before > now {
            (Standing::Outage, Severity::High, "notBefore", certificate.not_before, "is not valid yet")
        } else if left <= SOON && due {
            (Standing::Latent, Severity::High, "notAfter", certificate.not_after, "expires soon")
        } else if left <= NEXT && due {
            (Standing::Latent, Severity::Low, "notAfter", certificate.not_after, "expires soon")
        } else {
            continue;
        };
        let names = if certificate.names.is_empty() {
            String::new()
        } else {
            format!(" for {}", certificate.names.iter().take(3).cloned().collect::<Vec<_>>().join(", "))
        };
        let verb = match (field, standing) {
            ("notBefore", _) => "it begins",
            (_, Standing::Outage) => "it ended",
            _ => "it ends",
        };
        let statement = format!(
            "The certificate{names} in Secret {}, which {} serves, {what}: {verb} at {}",
            secret.object.name,
            who(user),
            day(when)
        );
        let data = "data[tls.crt]";
        let expired = left <= SignedDuration::ZERO;
        let cause = proven(
            cause(&secret.object, CauseClass::CertificateInvalid, data, &day(when), statement, 0.98),
            vec![
                fact(user, path, &secret.object.name, "this certificate is served"),
                fact(&secret.object, &format!("{data}.{field}"), when.to_string(), "the certificate says so itself"),
            ],
        );
        out.push(Finding {
            concerns: by.iter().map(|(user, _)| user.clone()).collect(),
            words: telling(
                expired.then(|| "certificate has expired".to_owned()).into_iter().chain([secret.object.name.clone()]),
            ),
            recommendations: vec![format!(
                "Renew the certificate in Secret {}; look at what renews it, such as cert-manager.",
                secret.object.name
            )],
            ..finding(Rule::Certificate, standing, severity, &secret.object, cause)
        });
    }
}
