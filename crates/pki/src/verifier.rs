//! The verifier of our links: who is there is checked as rustls does it, and told as Go tells it.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{AlertDescription, CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};
use x509_parser::prelude::X509Certificate;

use crate::names::{self, common_name};
use crate::read::{parse, provider};
use crate::{Field, Finding, Problem, Trust};

/// Verifies the certificate of a server. Its errors are [`Finding`]s; [`explain`] takes them out again.
#[derive(Debug)]
pub struct Verifier {
    trust: Trust,
    /// Verified instead of the name that was dialed.
    name: Option<String>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    /// A verifier of whoever `trust` trusts. `name` is what the certificate must be for; without it the name that was
    /// dialed.
    pub fn new(trust: Trust, name: Option<String>) -> Arc<Self> {
        Arc::new(Self { trust, name, algorithms: provider().signature_verification_algorithms })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let name = self.name.clone().unwrap_or_else(|| server_name.to_str().into_owned());
        let now = Timestamp::from_second(i64::try_from(now.as_secs()).unwrap_or(i64::MAX)).unwrap_or(Timestamp::MAX);
        check(end_entity, intermediates, Some(&name), &self.trust, now)
            .map(|()| ServerCertVerified::assertion())
            .map_err(|finding| Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(finding)))))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// In Go's order: its time, its name, who signed it.
pub(crate) fn check(
    leaf: &CertificateDer<'_>,
    rest: &[CertificateDer<'_>],
    name: Option<&str>,
    trust: &Trust,
    now: Timestamp,
) -> Result<(), Finding> {
    let parsed = parse(leaf).map_err(|why| {
        let text = format!("x509: malformed certificate: {why}");
        Finding::new(Problem::Malformed, Field::Certificate, text, "make the certificate anew, and put it into tls.crt")
    })?;
    in_time(&parsed, Field::Certificate, now)?;
    if let Some(name) = name {
        names::check(leaf, &parsed, name)?;
    }
    signed(leaf, &parsed, rest, trust, now)
}

/// Whether a certificate is valid now.
pub(crate) fn in_time(parsed: &X509Certificate<'_>, field: Field, now: Timestamp) -> Result<(), Finding> {
    let (begin, end) = (parsed.validity().not_before.timestamp(), parsed.validity().not_after.timestamp());
    let instant = |second: i64| {
        Timestamp::from_second(second).unwrap_or(if second < 0 { Timestamp::MIN } else { Timestamp::MAX })
    };
    let now_text = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let said = |word: &str, limit: i64| {
        format!(
            "x509: certificate has expired or is not yet valid: current time {now_text} is {word} {}",
            instant(limit)
        )
    };
    if now.as_second() < begin {
        return Err(Finding::new(
            Problem::NotYetValid,
            field,
            said("before", begin),
            "correct the clock of this node or of the machine that issued the certificate, or issue it anew",
        ));
    }
    if now.as_second() > end {
        return Err(Finding::new(
            Problem::Expired,
            field,
            said("after", end),
            format!(
                "issue the certificate anew and replace {} in the Secret; nothing has to be restarted",
                field.key()
            ),
        ));
    }
    Ok(())
}

/// Whether somebody who is trusted has signed it.
pub(crate) fn signed(
    leaf: &CertificateDer<'_>,
    parsed: &X509Certificate<'_>,
    rest: &[CertificateDer<'_>],
    trust: &Trust,
    now: Timestamp,
) -> Result<(), Finding> {
    if trust.pinned.iter().any(|known| known.as_ref() == leaf.as_ref()) {
        return Ok(());
    }
    let finding = |problem, text: &str, remedy: String| Err(Finding::new(problem, Field::Certificate, text, remedy));
    let webpki = match ParsedCertificate::try_from(leaf) {
        Ok(webpki) => webpki,
        Err(error) => {
            let text = format!("x509: cannot use the certificate: {error}");
            let remedy = "issue a certificate of version 3 with subjectAltName, or put this one into ca.crt as well";
            return finding(Problem::Invalid, &text, remedy.to_owned());
        }
    };
    let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(u64::try_from(now.as_second()).unwrap_or(0)));
    let algorithms = provider().signature_verification_algorithms;
    let Err(error) = verify_server_cert_signed_by_trust_anchor(&webpki, &trust.roots, rest, time, algorithms.all)
    else {
        return Ok(());
    };
    let anchored = trust.roots.subjects().iter().any(|subject| subject.as_ref() == parsed.issuer().as_raw());
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            Err(unknown(parsed, rest, trust))
        }
        Error::InvalidCertificate(
            CertificateError::ExpiredContext { .. }
            | CertificateError::Expired
            | CertificateError::NotValidYetContext { .. }
            | CertificateError::NotValidYet,
        ) => {
            chain_in_time(rest, now)?;
            finding(
                Problem::Expired,
                "x509: certificate has expired or is not yet valid",
                "issue the certificate and its intermediates anew, and replace tls.crt in the Secret".to_owned(),
            )
        }
        Error::InvalidCertificate(
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. },
        ) => finding(
            Problem::WrongPurpose,
            "x509: certificate specifies an incompatible key usage",
            "issue it with extendedKeyUsage = serverAuth, or without that line".to_owned(),
        ),
        Error::InvalidCertificate(
            CertificateError::UnsupportedSignatureAlgorithmContext { .. }
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. },
        ) => finding(
            Problem::WeakSignature,
            &format!("x509: cannot verify signature: insecure algorithm {}", parsed.signature_algorithm.algorithm),
            "issue it with -sha256, and a key of RSA with 2048 to 8192 bits, ECDSA on P-256 or P-384, or Ed25519"
                .to_owned(),
        ),
        // webpki looks at that before it looks for the signature.
        _ if parsed.is_ca() && (!anchored || parsed.issuer() == parsed.subject()) => Err(unknown(parsed, rest, trust)),
        _ if parsed.is_ca() => finding(
            Problem::CaAsServer,
            "x509: certificate of the server is itself a CA (basicConstraints CA:TRUE)",
            "issue it with basicConstraints = CA:FALSE, or trust it as it is: cat tls.crt >> ca.crt".to_owned(),
        ),
        error => finding(
            Problem::Invalid,
            &format!("x509: certificate is not valid: {error}"),
            "issue the certificate anew, with subjectAltName and -sha256".to_owned(),
        ),
    }
}

fn chain_in_time(rest: &[CertificateDer<'_>], now: Timestamp) -> Result<(), Finding> {
    rest.iter().filter_map(|der| parse(der).ok()).try_for_each(|parsed| in_time(&parsed, Field::Certificate, now))
}

/// Nobody that is trusted has signed it: why that is, as far as it can be seen.
fn unknown(parsed: &X509Certificate<'_>, rest: &[CertificateDer<'_>], trust: &Trust) -> Finding {
    let text = "x509: certificate signed by unknown authority";
    let self_issued = parsed.issuer() == parsed.subject();
    if self_issued {
        let remedy = "a self-signed certificate is its own CA: put it into the Secret as ca.crt as well, --from-file=ca.crt=tls.crt";
        return Finding::new(Problem::UnknownAuthority, Field::Ca, text, remedy);
    }
    // The last certificate of the chain that is there, and who has signed it.
    let mut wanted = parsed.issuer().as_raw().to_vec();
    let mut issuer = common_name(parsed.issuer());
    for der in rest {
        if let Ok(next) = parse(der)
            && next.subject().as_raw() == wanted
        {
            wanted = next.issuer().as_raw().to_vec();
            issuer = common_name(next.issuer());
        }
    }
    let trusted = match &trust.said {
        None => "ca.crt is not in the Secret, and this machine does not trust".to_owned(),
        Some(said) => {
            format!("ca.crt has {}, and not", said.iter().map(|cn| format!("{cn:?}")).collect::<Vec<_>>().join(", "))
        }
    };
    let remedy = format!(
        "{trusted} {issuer:?}, which signed the certificate: put that CA into ca.crt; if it is only an intermediate, append its certificate to tls.crt: cat server.crt intermediate.crt > tls.crt"
    );
    Finding::new(Problem::UnknownAuthority, Field::Ca, text, remedy)
}

/// A failed handshake in Go's words: what the [`Verifier`] found, or what TLS says.
pub fn explain(error: &Error) -> Finding {
    if let Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) = error
        && let Some(finding) = inner.downcast_ref::<Finding>()
    {
        return finding.clone();
    }
    let of_handshake = |text: String, remedy: &str| Finding::new(Problem::Handshake, Field::Certificate, text, remedy);
    match error {
        Error::InvalidMessage(_) => of_handshake(
            "tls: first record does not look like a TLS handshake".to_owned(),
            "the server speaks plaintext on this port: enable TLS there (spec.server.tls.enabled), or dial http://",
        ),
        Error::AlertReceived(AlertDescription::CertificateRequired) => of_handshake(
            "remote error: tls: certificate required".to_owned(),
            "the server wants a client certificate: CHATCLI_GRPC_TLS_CERT and CHATCLI_GRPC_TLS_KEY",
        ),
        Error::AlertReceived(
            alert @ (AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateExpired),
        ) => of_handshake(
            format!("remote error: tls: {alert:?}"),
            "the server refuses the client certificate in CHATCLI_GRPC_TLS_CERT: let the server's client CA issue it",
        ),
        Error::AlertReceived(AlertDescription::UnrecognisedName) => of_handshake(
            "remote error: tls: unrecognized name".to_owned(),
            "nothing behind this address serves the name: correct the address, or the Ingress in front of the server",
        ),
        Error::AlertReceived(alert) => {
            of_handshake(format!("remote error: tls: {alert:?}"), "look into the log of the server")
        }
        Error::NoApplicationProtocol => of_handshake(
            "credentials: cannot check peer: missing selected ALPN property".to_owned(),
            "what answers is no gRPC server: correct the address, or let the proxy pass HTTP/2 through",
        ),
        other => of_handshake(format!("tls: {other}"), "look into the log of the server"),
    }
}
