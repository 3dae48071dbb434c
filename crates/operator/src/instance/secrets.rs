//! The Secrets that the operator makes: a token where the spec names none, a CA and a certificate where it names none.

use std::collections::BTreeMap;

use domain::instance::{Kind, Seen, Settings, View};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kit::cache::Key;
use kube::api::ObjectMeta;
use kube::{Api, Resource};
use pki::{Authority, Given, Issued, Problem, Trust, inspect, issue_ca, issue_leaf, renew_at};
use secrecy::SecretString;

use super::error::Error;
use super::{Controller, MANAGER};

/// How long a CA lasts; it is replaced after two thirds, and trusted until its end.
const CA_LIFETIME: SignedDuration = SignedDuration::from_hours(24 * 365 * 2);
/// How long a certificate lasts; it is replaced after two thirds.
const LEAF_LIFETIME: SignedDuration = SignedDuration::from_hours(24 * 90);
/// Key of the CA before this one, in the Secret of the CA.
const PREVIOUS: &str = "previous.crt";

/// The certificate that the operator issued.
pub(super) struct OwnCertificate {
    /// Content of its Secret.
    pub content: BTreeMap<String, ByteString>,
    /// When it, or its CA, is to be replaced.
    pub renew_at: Timestamp,
}

fn text(content: &BTreeMap<String, ByteString>, key: &str) -> String {
    content.get(key).map(|value| String::from_utf8_lossy(&value.0).into_owned()).unwrap_or_default()
}

fn bytes(text: &str) -> ByteString {
    ByteString(text.as_bytes().to_vec())
}

/// What is to stand in the two Secrets, and until when; nothing where it stands there already.
pub(super) struct Issue {
    /// Content of the CA's Secret, when it is a new one.
    pub authority: Option<BTreeMap<String, ByteString>>,
    /// Content of the certificate's Secret, when it is a new one.
    pub certificate: Option<BTreeMap<String, ByteString>>,
    /// When it is to be looked at again.
    pub renew_at: Timestamp,
}

/// Decides what is to be issued, from what is there. A CA that goes stays among the trusted ones until its end, so that
/// whoever has only one of the two new Secrets is still understood.
pub(super) fn issue(view: View<'_>, ca: &Seen, leaf: &Seen, names: &[String], now: Timestamp) -> Result<Issue, Error> {
    let empty = BTreeMap::new();
    let old = ca.as_ref().unwrap_or(&empty);
    let usable = renew_at(text(old, "tls.crt").as_bytes()).ok().filter(|at| *at > now && usable(old, now));
    let (content, fresh, ca_renew) = if let Some(at) = usable {
        (old.clone(), false, at)
    } else {
        let name = format!("chatcli CA of {}/{}", view.namespace(), view.name());
        let Issued { certificate, key } = issue_ca(&name, now, CA_LIFETIME)?;
        let at = renew_at(certificate.as_bytes()).unwrap_or(now);
        let mut content =
            BTreeMap::from([("tls.crt".to_owned(), bytes(&certificate)), ("tls.key".to_owned(), bytes(&key))]);
        let before = text(old, "tls.crt");
        if valid(&before, now) {
            content.insert(PREVIOUS.to_owned(), bytes(&before));
        }
        (content, true, at)
    };
    let previous = Some(text(&content, PREVIOUS)).filter(|previous| valid(previous, now)).unwrap_or_default();
    let bundle = format!("{}{previous}", text(&content, "tls.crt"));
    let leaf_there = leaf.as_ref().unwrap_or(&empty);
    let good = text(leaf_there, "ca.crt") == bundle && judge(leaf_there, names, now).is_empty();
    let leaf_renew = renew_at(text(leaf_there, "tls.crt").as_bytes()).ok().filter(|at| good && *at > now);
    let (certificate, leaf_renew) = if let Some(at) = leaf_renew {
        (None, at)
    } else {
        let (certificate, key) = (text(&content, "tls.crt"), text(&content, "tls.key"));
        let authority = Authority { certificate: &certificate, key: &key };
        let issued = issue_leaf(names, authority, now, LEAF_LIFETIME)?;
        let at = renew_at(issued.certificate.as_bytes()).unwrap_or(now);
        let content = BTreeMap::from([
            ("tls.crt".to_owned(), bytes(&issued.certificate)),
            ("tls.key".to_owned(), bytes(&issued.key)),
            ("ca.crt".to_owned(), bytes(&bundle)),
        ]);
        (Some(content), at)
    };
    Ok(Issue { authority: fresh.then_some(content), certificate, renew_at: ca_renew.min(leaf_renew) })
}

/// Everything that is wrong with a certificate by its own CA.
fn judge(content: &BTreeMap<String, ByteString>, names: &[String], now: Timestamp) -> Vec<pki::Finding> {
    let of = |key: &str| content.get(key).map(|value| value.0.as_slice());
    let given = Given { certificate: of("tls.crt"), key: of("tls.key"), ca: of("ca.crt"), names };
    inspect(&given, &Trust::nobody(), now).into_iter().filter(|f| f.problem != Problem::CaExpired).collect()
}

/// Whether a CA can issue: its key is there, and is its own.
fn usable(content: &BTreeMap<String, ByteString>, now: Timestamp) -> bool {
    let (certificate, key) = (text(content, "tls.crt"), text(content, "tls.key"));
    let authority = Authority { certificate: &certificate, key: &key };
    issue_leaf(&["localhost".to_owned()], authority, now, SignedDuration::from_hours(1)).is_ok()
}

/// Whether a CA still counts for those who trust it.
fn valid(pem: &str, now: Timestamp) -> bool {
    let given = Given { certificate: Some(pem.as_bytes()), ca: Some(pem.as_bytes()), ..Given::default() };
    let over =
        [Problem::Missing, Problem::Empty, Problem::NotPem, Problem::Malformed, Problem::Expired, Problem::CaExpired];
    !inspect(&given, &Trust::nobody(), now).iter().any(|f| f.field != pki::Field::Key && over.contains(&f.problem))
}

impl Controller {
    /// The token of an Instance; makes one where the spec names none. Nothing when it is not there.
    pub(super) async fn token(&self, view: View<'_>) -> Result<Option<SecretString>, Error> {
        let token = view.token();
        let key = Key::new(view.namespace(), &token.name);
        let mut seen = self.content(Kind::Secret, &key).await?;
        if view.makes_token() && value(&seen, &token.key).is_none() {
            // The cache may not have seen yet what an attempt before this one made.
            seen = self.read_now(Kind::Secret, &key).await?;
            if value(&seen, &token.key).is_none() {
                let [a, b]: [u128; 2] = rand::random();
                let random = format!("{a:032x}{b:032x}");
                let content = BTreeMap::from([(token.key.clone(), bytes(&random))]);
                self.write_secret(view, &token.name, "Opaque", content).await?;
                return Ok(Some(SecretString::from(random)));
            }
        }
        Ok(value(&seen, &token.key).map(SecretString::from))
    }

    /// The certificate of an Instance that names none: issued, or replaced when its time has come.
    pub(super) async fn own_certificate(&self, view: View<'_>, settings: &Settings) -> Result<OwnCertificate, Error> {
        let names = view.certificate_names(settings);
        let (ca_key, leaf_key) =
            (Key::new(view.namespace(), view.named("ca")), Key::new(view.namespace(), view.named("tls")));
        let now = self.clock.now();
        let ca = self.content(Kind::Secret, &ca_key).await?;
        let leaf = self.content(Kind::Secret, &leaf_key).await?;
        let mut todo = issue(view, &ca, &leaf, &names, now)?;
        let mut leaf = leaf;
        if todo.authority.is_some() || todo.certificate.is_some() {
            // Decided anew from what is there in truth: the cache may be late.
            let ca = self.read_now(Kind::Secret, &ca_key).await?;
            leaf = self.read_now(Kind::Secret, &leaf_key).await?;
            todo = issue(view, &ca, &leaf, &names, now)?;
        }
        if let Some(content) = todo.authority {
            self.write_secret(view, &ca_key.name, "kubernetes.io/tls", content).await?;
            tracing::info!(instance = %Key::of(view.instance), secret = ca_key.name, "a CA was made");
        }
        if let Some(content) = todo.certificate {
            self.write_secret(view, &leaf_key.name, "kubernetes.io/tls", content.clone()).await?;
            tracing::info!(instance = %Key::of(view.instance), secret = leaf_key.name, names = names.join(", "), renew_at = %todo.renew_at, "a certificate was issued");
            leaf = Some(content);
        }
        Ok(OwnCertificate { content: leaf.unwrap_or_default(), renew_at: todo.renew_at })
    }

    async fn write_secret(
        &self,
        view: View<'_>,
        name: &str,
        type_: &str,
        content: BTreeMap<String, ByteString>,
    ) -> Result<(), Error> {
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                namespace: Some(view.namespace().to_owned()),
                labels: Some(domain::instance::labels(view)),
                owner_references: view.instance.controller_owner_ref(&()).map(|owner| vec![owner]),
                ..ObjectMeta::default()
            },
            type_: Some(type_.to_owned()),
            data: Some(content),
            ..Secret::default()
        };
        let api: Api<Secret> = self.api(view.namespace());
        let what = || format!("Secret {}/{name}", view.namespace());
        kit::apply::apply(&api, MANAGER, &secret)
            .await
            .map(drop)
            .map_err(|source| Error::Write { what: what(), source })
    }
}

/// Text of a key, without the line end that editors leave; nothing when there is none.
fn value(seen: &Seen, key: &str) -> Option<String> {
    let value = seen.as_ref()?.get(key)?;
    let text = String::from_utf8_lossy(&value.0).trim().to_owned();
    (!text.is_empty()).then_some(text)
}
