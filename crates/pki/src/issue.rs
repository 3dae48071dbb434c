//! Certificates of our own: a CA, a certificate of a server, and when it is time for the next.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};
use time::OffsetDateTime;

use crate::read::{Validity, certificates, identity, parse};
use crate::{Field, Finding};

/// The clock of another node may be behind ours by so much.
const SKEW: SignedDuration = SignedDuration::from_mins(5);
/// Longest common name that X.509 has.
const LONGEST_COMMON_NAME: usize = 64;

/// A certificate with its key, as PEM.
#[derive(Clone)]
pub struct Issued {
    /// For `tls.crt`, or `ca.crt`.
    pub certificate: String,
    /// For `tls.key`.
    pub key: String,
}

/// A CA that issues.
#[derive(Clone, Copy)]
pub struct Authority<'a> {
    /// Its certificate, PEM.
    pub certificate: &'a str,
    /// Its key, PEM.
    pub key: &'a str,
}

/// Nothing was issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// No name.
    #[error("a certificate needs a name; remedy: name what the server is dialed by")]
    NoNames,
    /// A name that no certificate can have.
    #[error("{name:?} cannot stand in a certificate; remedy: use a DNS name or an IP address")]
    Name {
        /// Name.
        name: String,
    },
    /// The CA cannot be used.
    #[error("the CA cannot issue: {why}; remedy: delete its Secret, a new one is made")]
    Authority {
        /// Cause.
        why: String,
    },
    /// Its time is beyond what X.509 has.
    #[error("a certificate cannot last from {begin} for {lifetime:?}; remedy: a shorter lifetime")]
    Lifetime {
        /// Begin.
        begin: Timestamp,
        /// Length.
        lifetime: SignedDuration,
    },
    /// Anything else.
    #[error("no certificate was made: {why}")]
    Failed {
        /// Cause.
        why: String,
    },
}

fn failed(error: &rcgen::Error) -> IssueError {
    IssueError::Failed { why: error.to_string() }
}

fn parameters(common_name: &str, now: Timestamp, lifetime: SignedDuration) -> Result<CertificateParams, IssueError> {
    let wrong = || IssueError::Lifetime { begin: now, lifetime };
    if lifetime <= SignedDuration::ZERO {
        return Err(wrong());
    }
    let instant = |at: Timestamp| OffsetDateTime::from_unix_timestamp(at.as_second()).map_err(|_| wrong());
    let mut parameters = CertificateParams::default();
    parameters.not_before = instant(now.checked_sub(SKEW).map_err(|_| wrong())?)?;
    parameters.not_after = instant(now.checked_add(lifetime).map_err(|_| wrong())?)?;
    parameters.distinguished_name = DistinguishedName::new();
    if !common_name.is_empty() && common_name.len() <= LONGEST_COMMON_NAME {
        parameters.distinguished_name.push(DnType::CommonName, common_name);
    }
    Ok(parameters)
}

/// Makes a CA that may issue certificates of servers, and no CAs.
///
/// # Errors
/// When the lifetime is beyond X.509.
pub fn issue_ca(common_name: &str, now: Timestamp, lifetime: SignedDuration) -> Result<Issued, IssueError> {
    let mut parameters = parameters(common_name, now, lifetime)?;
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages =
        vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|e| failed(&e))?;
    let certificate = parameters.self_signed(&key).map_err(|e| failed(&e))?;
    Ok(Issued { certificate: certificate.pem(), key: key.serialize_pem() })
}

/// Makes a certificate of a server for all of the names, DNS or IP.
///
/// # Errors
/// When a name cannot stand in a certificate, or the CA cannot be used.
pub fn issue_leaf(
    names: &[String],
    ca: Authority<'_>,
    now: Timestamp,
    lifetime: SignedDuration,
) -> Result<Issued, IssueError> {
    let first = names.first().ok_or(IssueError::NoNames)?;
    let mut parameters = parameters(first, now, lifetime)?;
    for name in names {
        let wrong = || IssueError::Name { name: name.clone() };
        // The dot at the end of a whole name is no part of it in a certificate.
        let name = name.trim_end_matches('.').to_owned();
        parameters.subject_alt_names.push(match name.parse::<IpAddr>() {
            Ok(ip) => SanType::IpAddress(ip),
            Err(_) if rustls::pki_types::ServerName::try_from(name.as_str()).is_ok() => {
                SanType::DnsName(name.try_into().map_err(|_| wrong())?)
            }
            Err(_) => return Err(wrong()),
        });
    }
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    parameters.use_authority_key_identifier_extension = true;
    let of_ca = |why: String| IssueError::Authority { why };
    identity(ca.certificate.as_bytes(), ca.key.as_bytes()).map_err(|finding| of_ca(finding.text))?;
    let ca_key = KeyPair::from_pem(ca.key).map_err(|e| of_ca(e.to_string()))?;
    let issuer = Issuer::from_ca_cert_pem(ca.certificate, ca_key).map_err(|e| of_ca(e.to_string()))?;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|e| failed(&e))?;
    let certificate = parameters.signed_by(&key, &issuer).map_err(|e| failed(&e))?;
    Ok(Issued { certificate: certificate.pem(), key: key.serialize_pem() })
}

/// When a certificate is to be replaced: after two thirds of its lifetime.
///
/// # Errors
/// When it cannot be read.
pub fn renew_at(certificate: &[u8]) -> Result<Timestamp, Finding> {
    let chain = certificates(Some(certificate), Field::Certificate)?;
    // `certificates` gives none that cannot be read, and never an empty chain.
    let times = chain
        .first()
        .and_then(|der| parse(der).ok())
        .map(|parsed| (parsed.validity().not_before.timestamp(), parsed.validity().not_after.timestamp()));
    let (begin, end) = times.unwrap_or_default();
    let at = begin.saturating_add(end.saturating_sub(begin) / 3 * 2);
    Ok(Timestamp::from_second(at).unwrap_or(if at < 0 { Timestamp::MIN } else { Timestamp::MAX }))
}

/// A certificate that says the same as another one about its time and its DNS names, and that nobody trusts: for looking
/// again at what a cluster once was without having the original.
///
/// # Errors
/// When the times are beyond what X.509 has.
pub fn stand_in(said: &Validity) -> Result<String, IssueError> {
    let lifetime = said.ends.duration_since(said.begins);
    let instant = |at: Timestamp| {
        let wrong = |_| IssueError::Lifetime { begin: said.begins, lifetime };
        OffsetDateTime::from_unix_timestamp(at.as_second()).map_err(wrong)
    };
    let mut parameters = CertificateParams::default();
    (parameters.not_before, parameters.not_after) = (instant(said.begins)?, instant(said.ends)?);
    parameters.distinguished_name = DistinguishedName::new();
    let names = said.names.iter().filter_map(|name| name.clone().try_into().ok());
    parameters.subject_alt_names = names.map(SanType::DnsName).collect();
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|e| failed(&e))?;
    Ok(parameters.self_signed(&key).map_err(|e| failed(&e))?.pem())
}
