//! Findings, verification and issuing on certificates of every kind: made here, made by openssl, and no certificates at all.

mod hostile;
mod issuing;
mod judged;
mod openssl;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

use crate::*;

pub const NAME: &str = "chatcli-prod.chatcli-system.svc.cluster.local";

pub fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

pub fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A certificate that signs others.
pub struct Ca {
    pub pem: String,
    pub issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    pub fn root(name: &str) -> Self {
        let (parameters, key) = Self::parameters(name);
        let pem = parameters.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(parameters, key) }
    }

    pub fn below(&self, name: &str) -> Self {
        let (parameters, key) = Self::parameters(name);
        let pem = parameters.signed_by(&key, &self.issuer).unwrap().pem();
        Self { pem, issuer: Issuer::new(parameters, key) }
    }

    fn parameters(name: &str) -> (CertificateParams, KeyPair) {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        (parameters, KeyPair::generate().unwrap())
    }

    /// Certificate and key of a server.
    pub fn issue(&self, names: &[&str], change: impl Fn(&mut CertificateParams)) -> (String, String) {
        let mut parameters = CertificateParams::new(super::tests::names(names)).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, names.first().copied().unwrap_or("server"));
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        change(&mut parameters);
        let key = KeyPair::generate().unwrap();
        (parameters.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

/// What is found in a Secret.
pub fn found(certificate: &str, key: &str, ca: Option<&str>, wanted: &[&str]) -> Vec<Finding> {
    let given = Given {
        certificate: Some(certificate.as_bytes()),
        key: Some(key.as_bytes()),
        ca: ca.map(str::as_bytes),
        names: &names(wanted),
    };
    inspect(&given, &Trust::nobody(), now())
}

pub fn problems(findings: &[Finding]) -> Vec<Problem> {
    findings.iter().map(|finding| finding.problem).collect()
}

pub fn years(years: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * 365 * years)
}
