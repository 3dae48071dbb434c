//! Certificates of cert-manager: those that are not renewed, and those that cannot be issued.

use api::shared::{CauseClass, ObjectRef, RootCause, Severity, SignalType};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::super::fact;
use super::super::shape::{ago, proven, who};
use super::links::{Link, missing};
use super::object::{Condition, because, condition, kind, name, reference, text, time};
use super::{AWAY, Finding, Graph, Standing, cause, find, finding, of};
use crate::detection::Rule;
use crate::graph::query::named;

const GROUP: &str = "cert-manager.io";

/// When a certificate should have been renewed: a quarter of what is left at the time of its renewal is over.
fn overdue(object: &Value) -> Option<Timestamp> {
    let (renewal, end) = (time(object, "/status/renewalTime")?, time(object, "/status/notAfter")?);
    let slack = SignedDuration::from_secs(end.duration_since(renewal).as_secs() / 4);
    renewal.checked_add(slack.max(SignedDuration::ZERO)).ok()
}

pub(super) fn turns(object: &Value, after: &mut dyn FnMut(Option<Timestamp>, &[SignedDuration])) {
    if kind(object) == "Certificate" {
        after(overdue(object), &[SignedDuration::ZERO]);
        after(time(object, "/status/notAfter"), &[SignedDuration::ZERO]);
        after(time(object, "/status/lastFailureTime"), &[AWAY]);
    }
}

/// Certificates and their issuers.
pub(in super::super) fn issued(graph: &Graph, now: Timestamp, out: &mut Vec<Finding>) {
    for issuer in of(graph, GROUP, &["Issuer"]) {
        let about = reference(issuer);
        out.extend(unready(issuer, now).map(|ready| not_ready(&about, &about, &ready, Vec::new())));
    }
    for certificate in of(graph, GROUP, &["Certificate"]) {
        let about = reference(certificate);
        let found = unissued(graph, certificate, &about, now);
        let Some(found) = ending(certificate, &about, found.as_ref(), now).or(found) else { continue };
        // The Secret says the same of itself; what makes it is at fault.
        let secret = text(certificate, "/spec/secretName").unwrap_or_default();
        out.retain(|other| {
            other.rule != Rule::Certificate || other.about.kind != "Secret" || other.about.name != secret
        });
        out.push(found);
    }
}

fn issuer_of(certificate: &Value) -> Option<(&str, &str)> {
    let ours = text(certificate, "/spec/issuerRef/group").is_none_or(|group| group == GROUP);
    let name = text(certificate, "/spec/issuerRef/name").filter(|_| ours)?;
    Some((text(certificate, "/spec/issuerRef/kind").unwrap_or("Issuer"), name))
}

/// The issuer is not ready, and was not for a while.
fn unready(issuer: &Value, now: Timestamp) -> Option<Condition<'_>> {
    condition(issuer, "Ready")
        .filter(|ready| ready.status == "False" && ready.since.is_some_and(|since| ago(since, now) >= AWAY))
}

fn not_ready(about: &ObjectRef, issuer: &ObjectRef, ready: &Condition, more: Vec<api::shared::Proof>) -> Finding {
    let statement = format!("{} is not Ready, so it issues no certificate{}", who(issuer), because(ready.message));
    let mut facts =
        vec![fact(issuer, "status.conditions", format!("Ready=False {}", ready.reason), "cert-manager says so")];
    facts.extend(more);
    let path = if ready.message.contains("secret") { "spec" } else { "status.conditions" };
    let cause = invalid(proven(cause((issuer, path), ready.reason, statement, 0.85), facts));
    told(about, (Standing::Latent, Severity::High), cause, format!("Mend {}: look at its status.", who(issuer)))
}

/// A certificate that is wanted and that does not come.
fn unissued(graph: &Graph, object: &Value, about: &ObjectRef, now: Timestamp) -> Option<Finding> {
    let ready = condition(object, "Ready");
    let issuing = condition(object, "Issuing");
    let failing = issuing.filter(|issuing| issuing.status == "False" && issuing.reason == "Failed");
    let unwell = ready.is_none_or(|ready| ready.status != "True");
    if !unwell && failing.is_none() {
        return None;
    }
    let standing = if unwell { Standing::Outage } else { Standing::Latent };
    let (of, wanted) = issuer_of(object).unwrap_or_default();
    let link = Link { by: about, path: "spec.issuerRef.name".to_owned(), kind: of, name: wanted };
    if let Some(found) = Some(&link).filter(|link| !link.name.is_empty()) {
        if let Some(found) = missing(graph, found, SignalType::CertificateExpiring) {
            return Some(Finding { standing, rule: Rule::Certificate, ..found });
        }
        let issuer = find(graph, GROUP, of, wanted);
        if let Some((issuer, ready)) = issuer.and_then(|issuer| Some((issuer, unready(issuer, now)?))) {
            // That of this namespace speaks for itself.
            return (kind(issuer) == "ClusterIssuer").then(|| {
                let more = vec![fact(about, "spec.issuerRef.name", wanted, "this one is to issue it")];
                let object = named(text(issuer, "/apiVersion").unwrap_or_default(), kind(issuer), "", name(issuer));
                not_ready(about, &object, &ready, more)
            });
        }
    }
    // An answer of an authority takes minutes; that it has failed is said at once, and tried again an hour later.
    let said = failing.or(ready.filter(|ready| ready.status == "False"))?;
    let wait = if failing.is_some() { AWAY } else { AWAY + AWAY };
    if said.since.is_none_or(|since| ago(since, now) < wait) {
        return None;
    }
    let path = if failing.is_some() { "spec" } else { "status.conditions" };
    let statement = format!("Certificate {} cannot be issued{}", about.name, because(said.message));
    let facts = vec![fact(
        about,
        "status.conditions",
        format!("{}={} {}", said.type_, said.status, said.reason),
        "cert-manager says so",
    )];
    let cause = invalid(proven(cause((about, path), said.reason, statement, 0.8), facts));
    let advice = format!("Look at kubectl describe certificaterequest of Certificate {}.", about.name);
    Some(told(about, (standing, Severity::High), cause, advice))
}

/// A certificate that has ended, or that should have been renewed; `why` is what keeps it from that.
fn ending(object: &Value, about: &ObjectRef, why: Option<&Finding>, now: Timestamp) -> Option<Finding> {
    let end = time(object, "/status/notAfter")?;
    let ended = end <= now;
    if !ended && overdue(object).is_none_or(|due| due > now) {
        return None;
    }
    let day = |at: Timestamp| at.strftime("%Y-%m-%d %H:%M UTC").to_string();
    let how = if ended { "has expired" } else { "is not renewed in time" };
    let verb = if ended { "ended" } else { "ends" };
    let (standing, severity) =
        if ended { (Standing::Outage, Severity::Critical) } else { (Standing::Latent, Severity::High) };
    let facts = vec![
        fact(about, "status.notAfter", end.to_string(), "the certificate ends then"),
        fact(
            about,
            "status.renewalTime",
            text(object, "/status/renewalTime").unwrap_or("(absent)"),
            "it was to be renewed then",
        ),
    ];
    if let Some(why) = why {
        // What keeps it from being renewed is the cause, and the end of it is how it shows.
        let statement = format!("{}; the certificate {verb} at {}", why.cause.statement, day(end));
        let proof = why.cause.proof.iter().cloned().chain(facts).collect();
        let cause = RootCause { statement, proof, ..why.cause.clone() };
        return Some(Finding { standing, severity, cause, ..why.clone() });
    }
    let statement = format!("Certificate {} {how}: it {verb} at {}", about.name, day(end));
    let cause = invalid(proven(cause((about, "status.notAfter"), &day(end), statement, 0.9), facts));
    let advice = format!("Look at why cert-manager does not renew Certificate {}.", about.name);
    Some(told(about, (standing, severity), cause, advice))
}

fn invalid(cause: RootCause) -> RootCause {
    RootCause { class: CauseClass::CertificateInvalid, ..cause }
}

fn told(about: &ObjectRef, how: (Standing, Severity), cause: RootCause, advice: String) -> Finding {
    let found = finding(SignalType::CertificateExpiring, how, about, cause);
    Finding { rule: Rule::Certificate, recommendations: vec![advice], words: vec![about.name.clone()], ..found }
}
