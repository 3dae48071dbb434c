//! What is to be said of the certificate before anybody dials, and whom a link trusts.

use std::collections::BTreeMap;

use domain::instance::{Dial, Found, Kind, Seen, Settings, Tls, TlsOf, Trouble, View};
use jiff::Timestamp;
use k8s_openapi::ByteString;
use pki::{Field, Finding, Given, Problem, Trust, inspect};

use super::secrets::OwnCertificate;
use crate::servers::TrustOf;

/// The judgement of a certificate.
pub(super) struct Judged {
    /// For the condition.
    pub tls: Tls,
    /// Whether a server cannot start with it.
    pub holds_pods: bool,
    /// Whom to trust; absent without TLS.
    pub trust: Option<TrustOf>,
}

/// Trust for certificates whose Secret has no `ca.crt`: the system's, and the file of CHATCLI_GRPC_TLS_CA.
pub(super) fn without_ca(shared: Option<&[u8]>) -> Trust {
    let system = Trust::system();
    match shared {
        Some(pem) => system.clone().and(pem).unwrap_or(system),
        None => system,
    }
}

/// Judges the certificate of an Instance.
pub(super) fn judge(
    view: View<'_>,
    found: &Found,
    own: Option<&OwnCertificate>,
    settings: &Settings,
    shared: &Trust,
    now: Timestamp,
) -> Judged {
    let server_name = view.server_name(&settings.cluster_domain);
    let by_address = matches!(view.dial(), Dial::Address(_));
    match (view.tls(), own) {
        (TlsOf::Off, _) => Judged { tls: Tls::Off, holds_pods: false, trust: None },
        (TlsOf::Own, None) => Judged {
            tls: Tls::Waiting("the operator has not issued a certificate yet".to_owned()),
            holds_pods: true,
            trust: None,
        },
        (TlsOf::Own, Some(own)) => {
            let names = view.certificate_names(settings);
            let text = format!(
                "issued by the operator for {}; Secret {} is replaced at {}",
                names.join(", "),
                view.named("tls"),
                own.renew_at
            );
            // At an address of its own there may be somebody else's certificate in front.
            let ca_pem = own.content.get("ca.crt").map(|ca| ca.0.clone()).filter(|_| !by_address);
            Judged { tls: Tls::Good(text), holds_pods: false, trust: Some(TrustOf { server_name, ca_pem }) }
        }
        (TlsOf::Given(name), _) => {
            let seen: &Seen = found.get(&(Kind::Secret, name.to_owned())).unwrap_or(&None);
            let Some(content) = seen else {
                let why = format!(
                    "Secret {name} (spec.server.tls.secretName) is not there; SecretsReady says how to make it"
                );
                return Judged { tls: Tls::Waiting(why), holds_pods: true, trust: None };
            };
            given(view, name, content, server_name, by_address, shared, now)
        }
    }
}

fn given(
    view: View<'_>,
    name: &str,
    content: &BTreeMap<String, ByteString>,
    server_name: String,
    by_address: bool,
    shared: &Trust,
    now: Timestamp,
) -> Judged {
    let of = |key: &str| content.get(key).map(|value| value.0.as_slice());
    let ca = of("ca.crt");
    // What ends TLS in front of an address has a certificate that no Secret here holds: only dialing tells about it.
    let elsewhere = by_address && ca.is_none();
    let names = if elsewhere { Vec::new() } else { vec![server_name.clone()] };
    let given = Given { certificate: of("tls.crt"), key: of("tls.key"), ca, names: &names };
    let findings: Vec<Finding> = inspect(&given, shared, now)
        .into_iter()
        .filter(|finding| !elsewhere || finding.problem != Problem::UnknownAuthority)
        .collect();
    let holds_pods = findings.iter().any(|finding| {
        finding.field != Field::Ca
            && matches!(
                finding.problem,
                Problem::Missing
                    | Problem::Empty
                    | Problem::NotPem
                    | Problem::Malformed
                    | Problem::EncryptedKey
                    | Problem::KeyMismatch
                    | Problem::UnsupportedKey
                    | Problem::WrongOrder
            )
    });
    let fatal: Vec<Trouble> =
        findings.iter().filter(|f| f.problem.is_fatal()).map(|f| trouble(view, name, f)).collect();
    let tls = if fatal.is_empty() {
        let notes: Vec<String> = findings.iter().map(ToString::to_string).collect();
        let notes = if notes.is_empty() { String::new() } else { format!("; {}", notes.join(" | ")) };
        Tls::Good(format!("Secret {name} holds a certificate that a client of {server_name} accepts{notes}"))
    } else {
        Tls::Bad(fatal)
    };
    let trust = TrustOf { server_name, ca_pem: ca.map(<[u8]>::to_vec) };
    Judged { tls, holds_pods, trust: Some(trust) }
}

/// What a handshake would fail with, in the words that it would fail with.
fn trouble(view: View<'_>, secret: &str, finding: &Finding) -> Trouble {
    let handshake = matches!(
        finding.problem,
        Problem::NoNames
            | Problem::LegacyCommonName
            | Problem::NameMismatch
            | Problem::UnknownAuthority
            | Problem::CaAsServer
            | Problem::WrongPurpose
            | Problem::WeakSignature
            | Problem::Expired
            | Problem::NotYetValid
            | Problem::Invalid
    );
    let text = if handshake && !finding.text.starts_with("transport:") {
        format!("Secret {secret}: transport: authentication handshake failed: {}", finding.text)
    } else {
        format!("Secret {secret}, {}: {}", finding.field.key(), finding.text)
    };
    let files = "--from-file=tls.crt=tls.crt --from-file=tls.key=tls.key --from-file=ca.crt=ca.crt";
    let remedy = format!(
        "{}; then kubectl -n {} create secret generic {secret} {files} --dry-run=client -o yaml | kubectl apply -f -",
        finding.remedy,
        view.namespace()
    );
    Trouble::new(finding.problem.reason(), text, remedy)
}
