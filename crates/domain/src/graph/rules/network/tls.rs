//! TLS Secrets of Ingresses and Gateways: missing, of another form, or with a certificate for other names.
//!
//! What does not live here: when a certificate ends.

use api::shared::{CauseClass, ObjectRef};
use k8s_openapi::api::networking::v1::Ingress;
use serde_json::Value;

use super::super::super::{Finding, Keyed, Standing};
use super::super::{cause, fact, meant};
use super::dependency::slip;
use super::index::Index;
use super::ingress::{leads_to, object};
use super::needs::{edited, later};
use super::{called, clip, finding};
use crate::detection::Rule;
use crate::graph::Touch;
use crate::graph::query::{named, nearest};

/// Where a TLS Secret is named.
pub(super) struct Place<'a> {
    /// The Ingress or Gateway.
    pub(super) by: &'a ObjectRef,
    /// Path of the field.
    pub(super) path: String,
    /// Name of the Secret.
    pub(super) secret: &'a str,
    /// Hosts that it is for.
    pub(super) hosts: Vec<&'a str>,
    /// Whether somebody else makes the Secret.
    pub(super) made: bool,
    /// Who changed the object last.
    pub(super) touched: Option<Touch>,
    /// Whether it was changed after it was made.
    pub(super) edited: Option<bool>,
    /// Workloads behind it.
    pub(super) concerns: Vec<ObjectRef>,
}

pub(super) fn examine(index: &Index, out: &mut Vec<Finding>) {
    let secrets = index.graph.knows("Secret");
    for ingress in &index.graph.ingresses {
        let by = object(ingress);
        let known = out.len();
        if secrets {
            secrets_of(index, ingress, &by, out);
        }
        // What is wrong with the Secret of a host says more.
        if out.len() == known {
            out.extend(unserved(index, ingress, &by));
        }
    }
}

/// A host of the rules that the TLS section by a slip does not have.
fn unserved(index: &Index, ingress: &Ingress, by: &ObjectRef) -> Option<Finding> {
    let spec = ingress.spec.as_ref()?;
    let rules = || spec.rules.iter().flatten().filter_map(|rule| rule.host.as_deref()).filter(|host| !host.is_empty());
    let certified = || spec.tls.iter().flatten().flat_map(|tls| tls.hosts.iter().flatten());
    let (at, position, idle) = spec.tls.iter().flatten().enumerate().find_map(|(at, tls)| {
        let mut hosts = tls.hosts.iter().flatten().enumerate();
        let idle = |host: &str| !host.starts_with('*') && !rules().any(|rule| covers(rule, host) || covers(host, rule));
        hosts.find(|(_, host)| idle(host)).map(|(position, host)| (at, position, host))
    })?;
    let bare = |host: &&str| !certified().any(|known| covers(known, host)) && slip(idle, host);
    let host = rules().find(bare)?;
    let path = format!("spec.tls[{at}].hosts[{position}]");
    let statement = format!(
        "{} has TLS for host {idle}, which none of its rules has, and none for {host}; did you mean {host}?",
        called(by)
    );
    let mut cause = cause(by, CauseClass::RouteMisconfigured, &path, idle, statement, 0.88);
    cause.proof = vec![
        fact(by, &path, idle.as_str(), "a certificate is served for this host"),
        fact(by, "spec.rules[*].host", host, "requests are for this host, which has no certificate"),
    ];
    Some(Finding {
        concerns: leads_to(index, ingress),
        words: vec![host.to_owned(), idle.clone()],
        recommendations: vec![format!("Let {path} and the host of the rule be the same.")],
        ..finding(Rule::RouteBroken, Standing::Outage, by, cause)
    })
}

fn secrets_of(index: &Index, ingress: &Ingress, by: &ObjectRef, out: &mut Vec<Finding>) {
    let touched = Touch::of(&ingress.metadata);
    for (at, tls) in ingress.spec.iter().flat_map(|spec| spec.tls.iter().flatten()).enumerate() {
        let Some(secret) = tls.secret_name.as_deref().filter(|name| !name.is_empty()) else { continue };
        let place = Place {
            by,
            path: format!("spec.tls[{at}].secretName"),
            secret,
            hosts: tls.hosts.iter().flatten().map(String::as_str).collect(),
            made: managed(ingress) || issued(index, secret),
            touched: touched.clone(),
            edited: edited(&ingress.metadata, touched.as_ref()),
            concerns: leads_to(index, ingress),
        };
        out.extend(check(index, &place));
    }
}

/// What is wrong with a TLS Secret, and the hosts that its certificate is not for.
pub(super) fn check(index: &Index, place: &Place) -> Option<Finding> {
    match index.graph.secret(place.secret) {
        None => Some(missing(index, place)),
        Some(secret) => form(secret, place).or_else(|| names(secret, place)),
    }
}

/// Whether a controller of certificates makes the Secrets of an Ingress.
fn managed(ingress: &Ingress) -> bool {
    let mut keys = ingress.metadata.annotations.iter().flatten().map(|(key, _)| key.as_str());
    keys.any(|key| {
        key.starts_with("cert-manager.io/") || key.starts_with("certmanager.k8s.io/") || key == "kubernetes.io/tls-acme"
    })
}

/// Whether a certificate object says that it will be put into a Secret.
pub(super) fn issued(index: &Index, secret: &str) -> bool {
    index.graph.others.iter().any(|object| {
        let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
        let into = object.pointer("/spec/secretName").or_else(|| object.pointer("/spec/target/name"));
        let own = object.pointer("/metadata/name").and_then(Value::as_str);
        let makes = matches!(kind, "Certificate" | "ExternalSecret" | "SealedSecret" | "VaultStaticSecret");
        makes && (into.and_then(Value::as_str) == Some(secret) || own == Some(secret))
    })
}

fn missing(index: &Index, place: &Place) -> Finding {
    let Place { by, path, secret, .. } = place;
    let tls = index.graph.secrets.iter().filter(|known| known.type_ == "kubernetes.io/tls");
    let near = nearest(secret, tls.map(|known| known.object.name.as_str()))
        .or_else(|| nearest(secret, index.graph.secrets.iter().map(|known| known.object.name.as_str())));
    let object = named("v1", "Secret", &index.graph.namespace, secret);
    let gone = near.is_none() && place.edited == Some(false);
    let statement = if gone {
        format!("Secret {secret} does not exist, but {} takes its certificate from it", called(by))
    } else {
        format!("{} refers to TLS Secret {secret}, which does not exist{}", called(by), meant(near))
    };
    let mut cause = if gone {
        cause(&object, CauseClass::MissingReference, "metadata.name", "(absent)", statement, 0.9)
    } else {
        cause(by, CauseClass::RouteMisconfigured, path, secret, statement, 0.93)
    };
    cause.proof = vec![
        fact(by, path, *secret, "the certificate is taken from this Secret"),
        fact(&object, "metadata.name", "(absent)", "no Secret of this name exists in the namespace"),
    ];
    let standing = if place.made { Standing::Suspect } else { Standing::Outage };
    Finding {
        recommendations: vec![match near {
            Some(near) => format!("Set {path} to {near}, or create Secret {secret}."),
            None => format!("Create Secret {secret} of type kubernetes.io/tls."),
        }],
        ..found(place, standing, cause)
    }
}

/// The keys that TLS needs are not there.
fn form(secret: &Keyed, place: &Place) -> Option<Finding> {
    let keys = secret.keys.as_ref()?;
    let lacking: Vec<&str> = ["tls.crt", "tls.key"].into_iter().filter(|key| !keys.contains(*key)).collect();
    if lacking.is_empty() {
        return None;
    }
    let has = clip(&keys.iter().map(String::as_str).collect::<Vec<_>>().join(", "), 80);
    let statement = format!(
        "Secret {} (type {}), which {} takes its certificate from, has no {}: its keys are {}",
        secret.object.name,
        secret.type_,
        called(place.by),
        lacking.join(" and no "),
        if has.is_empty() { "none" } else { &has }
    );
    let first = lacking.first().copied().unwrap_or_default();
    let path = format!("data.{first}");
    let mut cause = cause(&secret.object, CauseClass::RouteMisconfigured, &path, "(absent)", statement, 0.92);
    cause.proof = vec![
        fact(place.by, &place.path, place.secret, "the certificate is taken from this Secret"),
        fact(&secret.object, "type", &secret.type_, "it has this type"),
        fact(&secret.object, "data", has, "it has these keys"),
    ];
    Some(Finding {
        recommendations: vec![format!(
            "Store the certificate in Secret {} as tls.crt and its key as tls.key.",
            place.secret
        )],
        ..found(place, Standing::Outage, cause)
    })
}

/// Whether a name of a certificate is for a host; a star is for one label.
fn covers(name: &str, host: &str) -> bool {
    let (name, host) = (name.to_ascii_lowercase(), host.to_ascii_lowercase());
    let parent = |text: &str| text.split_once('.').map(|(_, parent)| parent.to_owned());
    name == host || (name.starts_with("*.") && parent(&name).is_some() && parent(&name) == parent(&host))
}

fn names(secret: &Keyed, place: &Place) -> Option<Finding> {
    let certificate = secret.certificate.as_ref().filter(|certificate| !certificate.names.is_empty())?;
    let known = |host: &&str| certificate.names.iter().any(|name| covers(name, host));
    let host = place.hosts.iter().copied().find(|host| !host.is_empty() && !known(host))?;
    let shown = clip(&certificate.names.join(", "), 80);
    let statement = format!(
        "The certificate in Secret {} is for {shown} and not for {host}, which {} serves with it",
        place.secret,
        called(place.by)
    );
    let hosts = place.path.replace("secretName", "hosts");
    let route = later(place.touched.as_ref(), secret.touched.as_ref());
    let mut cause = if route {
        cause(place.by, CauseClass::CertificateInvalid, &place.path, place.secret, statement, 0.85)
    } else {
        cause(&secret.object, CauseClass::CertificateInvalid, "data.tls.crt (names)", &shown, statement, 0.85)
    };
    cause.proof = vec![
        fact(place.by, &place.path, place.secret, "the certificate is taken from this Secret"),
        fact(place.by, &hosts, host, "clients ask for this host"),
        fact(&secret.object, "data.tls.crt", shown, "the certificate is for these names"),
    ];
    Some(Finding {
        recommendations: vec![format!("Put a certificate for {host} into Secret {}.", place.secret)],
        rule: Rule::Certificate,
        signal: Rule::Certificate.signal(),
        ..found(place, Standing::Outage, cause)
    })
}

fn found(place: &Place, standing: Standing, cause: api::shared::RootCause) -> Finding {
    let mut words: Vec<String> = place.hosts.iter().take(16).map(|host| (*host).to_owned()).collect();
    words.push(place.secret.to_owned());
    Finding { concerns: place.concerns.clone(), words, ..finding(Rule::RouteBroken, standing, place.by, cause) }
}
