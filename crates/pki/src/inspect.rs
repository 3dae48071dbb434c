//! What a Secret of type TLS has wrong, before anybody dials.

use jiff::Timestamp;

use crate::read::{certificates, key, pair, parse};
use crate::verifier::{in_time, signed};
use crate::{Field, Finding, Problem, Trust, names};

/// What there is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Given<'a> {
    /// Content of `tls.crt`.
    pub certificate: Option<&'a [u8]>,
    /// Content of `tls.key`.
    pub key: Option<&'a [u8]>,
    /// Content of `ca.crt`; without it `without_ca` of [`inspect`] counts.
    pub ca: Option<&'a [u8]>,
    /// Names that the certificate must be for, all of them.
    pub names: &'a [String],
}

/// Everything that is wrong, worst first; nothing when a client that dials one of the names is content.
pub fn inspect(given: &Given<'_>, without_ca: &Trust, now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    let chain = certificates(given.certificate, Field::Certificate).map_err(|f| findings.push(f)).ok();
    let private = key(given.key).map_err(|f| findings.push(f)).ok();
    let trust = match given.ca {
        None => Some(without_ca.clone()),
        Some(pem) => Trust::only(pem).map_err(|f| findings.push(f)).ok(),
    };
    let Some(chain) = chain else { return findings };
    if let Some(private) = &private {
        let wrong = pair(&chain, private).err();
        let order = wrong.as_ref().is_some_and(|f| f.problem == Problem::WrongOrder);
        findings.extend(wrong);
        // What the others say of the wrong certificate helps nobody.
        if order {
            return findings;
        }
    }
    let Some((leaf, rest)) = chain.split_first() else { return findings };
    let Ok(parsed) = parse(leaf) else { return findings };
    findings.extend(in_time(&parsed, Field::Certificate, now).err());
    for name in given.names {
        findings.extend(names::check(leaf, &parsed, name).err());
    }
    let Some(trust) = trust else { return findings };
    if let Err(finding) = signed(leaf, &parsed, rest, &trust, now)
        && !(untimely(&finding) && findings.iter().any(untimely))
    {
        findings.push(finding);
    }
    if given.ca.is_some() {
        findings.extend(old_authorities(&trust, now));
    }
    findings
}

fn untimely(finding: &Finding) -> bool {
    matches!(finding.problem, Problem::Expired | Problem::NotYetValid)
}

/// CAs in `ca.crt` whose time is over.
fn old_authorities(trust: &Trust, now: Timestamp) -> Vec<Finding> {
    let parsed = trust.pinned.iter().filter_map(|der| parse(der).ok());
    parsed
        .filter_map(|parsed| {
            let finding = in_time(&parsed, Field::Ca, now).err()?;
            let text = format!("{} ({:?} in ca.crt)", finding.text, names::common_name(parsed.subject()));
            Some(Finding {
                problem: Problem::CaExpired,
                text,
                remedy: "take it out of ca.crt, or replace it by its successor".to_owned(),
                field: Field::Ca,
            })
        })
        .collect()
}
