//! Connections that fail: which setting names the other side.

use api::shared::CauseClass;
use k8s_openapi::api::core::v1::EnvVar;

use super::{Family, Link, Place, Setting, Told};
use crate::diagnosis::diff::is_secret;
use crate::graph::nearest;

/// The other side in words: `db:5432`.
pub(super) fn target(told: &Told) -> Option<String> {
    let host = told.host.as_ref()?;
    Some(told.port.map_or_else(|| host.clone(), |port| format!("{host}:{port}")))
}

pub(super) fn link(place: &Place<'_>, family: Family, told: &Told) -> Option<Link> {
    if family == Family::Unauthorized {
        return credentials(place, told);
    }
    if family == Family::Refused
        && let Some(link) = super::loopback::link(place, told)
    {
        return Some(link);
    }
    let setting = setting(place, told)?;
    let what = &setting.what;
    let target = target(told).unwrap_or_else(|| setting.value.chars().take(80).collect());
    let host = told.host.clone().unwrap_or_default();
    let (class, clause, sure) = match family {
        Family::Dns => {
            let known = place.evidence.names.get("Service").map(Vec::as_slice).unwrap_or_default();
            let short = host.split('.').next().unwrap_or(&host);
            let meant = nearest(short, known.iter().map(String::as_str));
            let meant = meant.map(|name| format!("; did you mean {name}?")).unwrap_or_default();
            (
                CauseClass::DependencyUnavailable,
                format!("{what} names host {host}, which cannot be resolved{meant}"),
                0.85,
            )
        }
        Family::Refused => (
            CauseClass::DependencyUnavailable,
            format!("{target}, which {what} names, refuses connections: nothing listens there"),
            0.8,
        ),
        Family::Timeout => {
            (CauseClass::DependencyUnavailable, format!("{target}, which {what} names, does not answer"), 0.75)
        }
        Family::CertificateExpired => (
            CauseClass::CertificateInvalid,
            format!("the certificate of {target}, which {what} names, is not valid at this time"),
            0.8,
        ),
        Family::CertificateName => (
            CauseClass::CertificateInvalid,
            format!("the certificate of {target} is for other names than {what} uses"),
            0.8,
        ),
        Family::UnknownAuthority => (
            CauseClass::CertificateInvalid,
            format!("the certificate of {target}, which {what} names, is from an authority that it does not know"),
            0.8,
        ),
        _ if setting.value.starts_with("https:") => {
            (CauseClass::BadConfiguration, format!("{what} says https, but {target} does not answer with TLS"), 0.8)
        }
        _ => (CauseClass::CertificateInvalid, format!("TLS to {target}, which {what} names, fails"), 0.7),
    };
    Some(place.link_setting(class, &setting, clause, sure))
}

/// The setting that names the other side: its host, or its port where the log has only an address.
fn setting<'a>(place: &Place<'a>, told: &Told) -> Option<Setting<'a>> {
    if let Some(host) = &told.host {
        // A name as short as `db` is found where it stands as a host of its own.
        let short = |setting: &Setting<'_>| {
            let value = setting.value.trim();
            value == host
                || value.contains(&format!("//{host}:"))
                || value.contains(&format!("//{host}/"))
                || value.contains(&format!("@{host}:"))
                || value.contains(&format!("@{host}/"))
                || value.starts_with(&format!("{host}:"))
                || value.ends_with(&format!("//{host}"))
        };
        let found = place.settings().into_iter().find(short).or_else(|| place.naming(host));
        // A name that was completed with the cluster's domain is written short in the spec.
        let first = host
            .split('.')
            .next()
            .filter(|first| first.len() < host.len() && !first.chars().all(|c| c.is_ascii_digit()));
        if let Some(found) = found.or_else(|| first.and_then(|first| place.naming(first))) {
            return Some(found);
        }
        if host.parse::<std::net::IpAddr>().is_err() {
            return None;
        }
    }
    // An address of a Service is not written in the spec; its port is, and so is the name.
    let end = format!(":{}", told.port?);
    let with_port = |setting: &Setting<'_>| {
        setting.value.match_indices(&end).any(|(at, _)| {
            let next = setting.value.get(at + end.len()..).and_then(|rest| rest.chars().next());
            !next.is_some_and(|c| c.is_ascii_digit()) && setting.value.len() < 300
        })
    };
    let mut found = place.settings().into_iter().filter(with_port);
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// Credentials that are refused: the variable that holds them, by its name, or the only one that comes from a Secret.
fn credentials(place: &Place<'_>, told: &Told) -> Option<Link> {
    let variables = place.container.env.as_deref().unwrap_or_default();
    let secret = |variable: &EnvVar| variable.value_from.as_ref().and_then(|source| source.secret_key_ref.clone());
    let mut sealed = variables.iter().filter(|variable| secret(variable).is_some());
    let only = sealed.next().filter(|_| sealed.next().is_none());
    let variable = variables.iter().find(|variable| is_secret(&variable.name)).or(only)?;
    let by = target(told).unwrap_or_else(|| "the other side".to_owned());
    let name = &variable.name;
    if let Some(key) = secret(variable) {
        let clause = format!(
            "{by} refuses the credentials in env {name}, which come from key {} of Secret {}",
            key.key, key.name
        );
        let path = format!("{}.env[{name}].valueFrom.secretKeyRef", place.path);
        let mut link = place.link(CauseClass::PermissionDenied, path, Some(&key.name), clause, 0.8);
        link.object = place.named("Secret", &key.name);
        link.path = Some(format!("data[{}]", key.key));
        link.value = None;
        link.advice = format!(
            "Put the right credentials into key {} of Secret {}, and restart {}.",
            key.key,
            key.name,
            place.evidence.who()
        );
        return Some(link);
    }
    // What a password is stays where it is.
    let path = format!("{}.env[{name}].value", place.path);
    let clause = format!("{by} refuses the credentials in env {name}");
    let mut link = place.link(CauseClass::PermissionDenied, path, None, clause, 0.7);
    link.proof.clear();
    Some(link)
}
