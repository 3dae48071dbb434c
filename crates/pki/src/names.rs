//! Whether a certificate is for a name, in the words of Go's `crypto/x509`.

use std::net::IpAddr;

use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use x509_parser::prelude::{GeneralName, X509Certificate};

use crate::{Field, Finding, Problem};

/// Most names that a text has.
const MOST: usize = 100;

/// The names in the certificate.
#[derive(Debug, Default)]
struct Names {
    /// Whether it has the extension at all.
    extension: bool,
    dns: Vec<String>,
    ips: Vec<IpAddr>,
}

fn names(certificate: &X509Certificate<'_>) -> Names {
    let mut names = Names::default();
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return names };
    names.extension = true;
    for name in &extension.value.general_names {
        match name {
            GeneralName::DNSName(dns) => names.dns.push((*dns).to_owned()),
            GeneralName::IPAddress(bytes) => {
                let ip = <[u8; 4]>::try_from(*bytes)
                    .map(IpAddr::from)
                    .or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
                names.ips.extend(ip);
            }
            _ => {}
        }
    }
    names
}

/// Its common name; empty when it has none.
pub(crate) fn common_name(name: &x509_parser::x509::X509Name<'_>) -> String {
    name.iter_common_name().next().and_then(|cn| cn.as_str().ok()).unwrap_or_default().to_owned()
}

fn remedy(wanted: &str) -> String {
    let kind = if wanted.parse::<IpAddr>().is_ok() { "IP" } else { "DNS" };
    format!(
        "issue the certificate with the name in subjectAltName: {kind}.1 = {wanted} below [alt_names] in openssl.cnf, then openssl req -x509 -newkey rsa:4096 -sha256 -days 825 -nodes -keyout tls.key -out tls.crt -config openssl.cnf -extensions v_ext; with cert-manager, in dnsNames of the Certificate"
    )
}

/// Nothing when the certificate is for the name.
pub(crate) fn check(der: &CertificateDer<'_>, parsed: &X509Certificate<'_>, wanted: &str) -> Result<(), Finding> {
    let host = wanted.trim_end_matches('.');
    let Ok(server_name) = ServerName::try_from(host) else {
        let text = format!("x509: {wanted:?} is no name that a certificate can have");
        return Err(Finding::new(Problem::NameMismatch, Field::Certificate, text, "correct the address of the server"));
    };
    if ParsedCertificate::try_from(der).is_ok_and(|webpki| verify_server_name(&webpki, &server_name).is_ok()) {
        return Ok(());
    }
    let names = names(parsed);
    let common_name = common_name(parsed.subject());
    let (problem, text) = if !names.extension && common_name.eq_ignore_ascii_case(host) {
        (Problem::LegacyCommonName, "x509: certificate relies on legacy Common Name field, use SANs instead".to_owned())
    } else {
        let ip = host.parse::<IpAddr>().is_ok();
        let valid: Vec<String> = if ip { names.ips.iter().map(ToString::to_string).collect() } else { names.dns };
        if valid.is_empty() && ip {
            let text = format!("x509: cannot validate certificate for {host} because it doesn't contain any IP SANs");
            (Problem::NoNames, text)
        } else if valid.is_empty() {
            let text = format!("x509: certificate is not valid for any names, but wanted to match {host}");
            (Problem::NoNames, text)
        } else if valid.len() > MOST {
            let text = format!("x509: certificate is valid for {} names, but none matched {host}", valid.len());
            (Problem::NameMismatch, text)
        } else {
            (Problem::NameMismatch, format!("x509: certificate is valid for {}, not {host}", valid.join(", ")))
        }
    };
    Err(Finding::new(problem, Field::Certificate, text, remedy(host)))
}
