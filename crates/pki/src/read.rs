//! PEM and DER, and what is said when there is none.

use jiff::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::{PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::{Field, Finding, Problem};

/// Most certificates that are looked at; a bundle of every public root has about 150.
const MOST: usize = 1000;

/// The one provider of cryptography.
pub(crate) fn provider() -> CryptoProvider {
    default_provider()
}

/// Where a key or a certificate of this field comes from, for remedies.
fn how(field: Field) -> String {
    let file = field.key();
    match field {
        Field::Ca => "kubectl create secret generic NAME --from-file=tls.crt --from-file=tls.key --from-file=ca.crt, where ca.crt is the PEM file of the CA; for a self-signed certificate --from-file=ca.crt=tls.crt".to_owned(),
        Field::Certificate | Field::Key => format!(
            "put the PEM file into the Secret, --from-file={file}={file}; a file in DER is converted by openssl {} -inform der -in FILE -out {file}",
            if field == Field::Key { "pkey" } else { "x509" }
        ),
    }
}

/// The certificates of a field; never none.
pub(crate) fn certificates(pem: Option<&[u8]>, field: Field) -> Result<Vec<CertificateDer<'static>>, Finding> {
    let what = if field == Field::Ca { "CA certificate" } else { "certificate" };
    let Some(pem) = pem else {
        let text = format!("the Secret has no key {}", field.key());
        return Err(Finding::new(Problem::Missing, field, text, how(field)));
    };
    if pem.trim_ascii().is_empty() {
        let text = format!("key {} of the Secret is empty", field.key());
        return Err(Finding::new(Problem::Empty, field, text, how(field)));
    }
    let mut certificates = Vec::new();
    let mut others = Vec::new();
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(pem).take(MOST) {
        match section {
            Ok((SectionKind::Certificate, der)) => certificates.push(CertificateDer::from(der)),
            Ok((kind, _)) => others.push(kind),
            Err(error) => {
                let text = format!("failed to parse {what}: {error:?}");
                let remedy = format!("{} was cut or changed on its way; {}", field.key(), how(field));
                return Err(Finding::new(Problem::NotPem, field, text, remedy));
            }
        }
    }
    if certificates.is_empty() {
        let text = match (field, others.iter().copied().any(private)) {
            (Field::Ca, _) => "failed to parse CA certificate".to_owned(),
            (_, true) => "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched".to_owned(),
            (_, false) => "tls: failed to find any PEM data in certificate input".to_owned(),
        };
        return Err(Finding::new(Problem::NotPem, field, text, how(field)));
    }
    for (number, certificate) in certificates.iter().enumerate() {
        if let Err(error) = parse(certificate) {
            let text = format!("x509: malformed certificate (number {} in {}): {error}", number + 1, field.key());
            return Err(Finding::new(Problem::Malformed, field, text, how(field)));
        }
    }
    Ok(certificates)
}

fn private(kind: SectionKind) -> bool {
    matches!(kind, SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey)
}

/// A certificate as it can be read.
pub(crate) fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, String> {
    match X509Certificate::from_der(certificate.as_ref()) {
        Ok(([], parsed)) => Ok(parsed),
        Ok(_) => Err("there is something behind its end".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// The private key.
pub(crate) fn key(pem: Option<&[u8]>) -> Result<PrivateKeyDer<'static>, Finding> {
    let finding = |problem, text: &str, remedy: String| Err(Finding::new(problem, Field::Key, text, remedy));
    let Some(pem) = pem else {
        return finding(Problem::Missing, "the Secret has no key tls.key", how(Field::Key));
    };
    if pem.trim_ascii().is_empty() {
        return finding(Problem::Empty, "key tls.key of the Secret is empty", how(Field::Key));
    }
    if let Ok(key) = PrivateKeyDer::from_pem_slice(pem) {
        return Ok(key);
    }
    let text = String::from_utf8_lossy(pem);
    if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return finding(
            Problem::EncryptedKey,
            "tls: failed to parse private key: it has a passphrase",
            "openssl pkey -in tls.key -out plain.key, and put plain.key into the Secret: --from-file=tls.key=plain.key"
                .to_owned(),
        );
    }
    if CertificateDer::from_pem_slice(pem).is_ok() {
        return finding(
            Problem::NotPem,
            "tls: found a certificate rather than a key in the PEM for the private key",
            "exchange the two: --from-file=tls.crt=tls.crt --from-file=tls.key=tls.key".to_owned(),
        );
    }
    finding(Problem::NotPem, "tls: failed to find any PEM data in key input", how(Field::Key))
}

/// Whether the key is that of the first certificate, of another one, or of none.
pub(crate) fn pair(certificates: &[CertificateDer<'static>], key: &PrivateKeyDer<'static>) -> Result<(), Finding> {
    let signing = provider().key_provider.load_private_key(key.clone_key()).map_err(|error| {
        Finding::new(
            Problem::UnsupportedKey,
            Field::Key,
            format!("tls: failed to parse private key: {error}"),
            "use RSA with 2048 to 8192 bits, ECDSA on P-256 or P-384, or Ed25519: openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout tls.key -out tls.crt -config openssl.cnf -extensions v_ext",
        )
    })?;
    let Some(public) = signing.public_key() else { return Ok(()) };
    let position = certificates.iter().position(|certificate| {
        parse(certificate).is_ok_and(|parsed| parsed.tbs_certificate.subject_pki.raw == public.as_ref())
    });
    match position {
        Some(0) => Ok(()),
        Some(number) => Err(Finding::new(
            Problem::WrongOrder,
            Field::Certificate,
            "tls: private key does not match public key",
            format!(
                "the certificate of tls.key is number {} in tls.crt and has to be the first: cat server.crt intermediate.crt > tls.crt",
                number + 1
            ),
        )),
        None => Err(Finding::new(
            Problem::KeyMismatch,
            Field::Key,
            "tls: private key does not match public key",
            "tls.crt and tls.key are of different runs of openssl; make both anew with one command, and put both into the Secret",
        )),
    }
}

/// When a certificate is valid, and for which DNS names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validity {
    /// From when.
    pub begins: Timestamp,
    /// Until when.
    pub ends: Timestamp,
    /// DNS names; without any, the common name.
    pub names: Vec<String>,
}

/// When the first certificate of a PEM file is valid, and for which names.
///
/// # Errors
/// When it cannot be read.
pub fn validity(certificate: &[u8]) -> Result<Validity, Finding> {
    let chain = certificates(Some(certificate), Field::Certificate)?;
    let instant = |seconds: i64| {
        Timestamp::from_second(seconds).unwrap_or(if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX })
    };
    let parsed = chain.first().and_then(|der| parse(der).ok());
    let (mut begins, mut ends, mut names) = (Timestamp::MIN, Timestamp::MAX, Vec::new());
    if let Some(parsed) = parsed {
        begins = instant(parsed.validity().not_before.timestamp());
        ends = instant(parsed.validity().not_after.timestamp());
        let alternative = parsed.subject_alternative_name().ok().flatten();
        for name in alternative.iter().flat_map(|extension| &extension.value.general_names) {
            if let GeneralName::DNSName(name) = name {
                names.push((*name).to_owned());
            }
        }
        if names.is_empty() {
            names.extend(parsed.subject().iter_common_name().filter_map(|name| Some(name.as_str().ok()?.to_owned())));
        }
    }
    Ok(Validity { begins, ends, names })
}

/// A pair that TLS can use, from PEM: the certificate with its intermediates, and the key of the first one.
///
/// # Errors
/// When one of them cannot be read, or they are no pair.
pub fn identity(
    certificate: &[u8],
    private: &[u8],
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Finding> {
    let chain = certificates(Some(certificate), Field::Certificate)?;
    let private = key(Some(private))?;
    pair(&chain, &private)?;
    Ok((chain, private))
}
