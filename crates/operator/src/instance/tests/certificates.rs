//! Certificates that the operator issues and replaces, in the time of the test.

use std::collections::BTreeMap;

use api::Instance;
use domain::instance::View;
use jiff::SignedDuration;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use pki::{Given, Trust, inspect};
use serde_json::json;

use super::super::secrets::issue;
use super::{settings, t0, until, world};

fn day(n: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * n)
}

fn instance() -> Instance {
    serde_json::from_value(json!({
        "apiVersion": "platform.chatcli.io/v1alpha1", "kind": "Instance",
        "metadata": {"name": "own", "namespace": "n", "uid": "u"},
        "spec": {"provider": "BUILTIN", "server": {"tls": {"enabled": true}}},
    }))
    .unwrap()
}

fn count(content: &BTreeMap<String, ByteString>, key: &str) -> usize {
    String::from_utf8_lossy(&content[key].0).matches("BEGIN CERTIFICATE").count()
}

/// Whether a client with this bundle is content with this certificate.
fn accepts(bundle: &BTreeMap<String, ByteString>, leaf: &BTreeMap<String, ByteString>, now: jiff::Timestamp) -> bool {
    let names = ["own.n.svc.cluster.local".to_owned()];
    let of = |content: &'_ BTreeMap<String, ByteString>, key: &str| content[key].0.clone();
    let (certificate, key, ca) = (of(leaf, "tls.crt"), of(leaf, "tls.key"), of(bundle, "ca.crt"));
    let given = Given { certificate: Some(&certificate), key: Some(&key), ca: Some(&ca), names: &names };
    inspect(&given, &Trust::nobody(), now).iter().all(|finding| !finding.problem.is_fatal())
}

#[test]
fn certificates_are_replaced_before_their_end_and_a_new_ca_is_trusted_beside_the_old_one() {
    let instance = instance();
    let view = View::of(&instance);
    let names = view.certificate_names(&settings().facts);
    let first = issue(view, &None, &None, &names, t0()).unwrap();
    let (ca, leaf) = (first.authority, first.certificate);
    assert!(accepts(leaf.as_ref().unwrap(), leaf.as_ref().unwrap(), t0()));
    let rest = issue(view, &ca, &leaf, &names, t0()).unwrap();
    assert!(rest.authority.is_none() && rest.certificate.is_none(), "nothing to do at rest");
    assert_eq!(rest.renew_at, first.renew_at);

    let later = t0() + day(61);
    let second = issue(view, &ca, &leaf, &names, later).unwrap();
    assert!(second.authority.is_none(), "the CA lasts longer");
    let leaf_2 = second.certificate;
    assert!(accepts(leaf.as_ref().unwrap(), leaf_2.as_ref().unwrap(), later), "who has the old bundle understands");

    let much_later = t0() + day(500);
    let third = issue(view, &ca, &leaf_2, &names, much_later).unwrap();
    let (ca_2, leaf_3) = (third.authority.unwrap(), third.certificate.unwrap());
    assert_eq!(count(&leaf_3, "ca.crt"), 2, "the old CA is still trusted");
    assert!(accepts(&leaf_3, &leaf_3, much_later));
    let old_leaf = issue(view, &ca, &None, &names, t0() + day(480)).unwrap().certificate.unwrap();
    assert!(accepts(&leaf_3, &old_leaf, much_later), "a server that has not read its new certificate yet");
    let rest = issue(view, &Some(ca_2.clone()), &Some(leaf_3.clone()), &names, much_later).unwrap();
    assert!(rest.authority.is_none() && rest.certificate.is_none());
    // Two years after its beginning the old CA is over, and out.
    let over = issue(view, &Some(ca_2), &Some(leaf_3), &names, t0() + day(735)).unwrap();
    assert_eq!(count(&over.certificate.unwrap(), "ca.crt"), 1);
}

#[test]
fn what_was_tampered_with_is_issued_anew() {
    let instance = instance();
    let view = View::of(&instance);
    let names = view.certificate_names(&settings().facts);
    let good = issue(view, &None, &None, &names, t0()).unwrap();
    let (ca, leaf) = (good.authority, good.certificate);
    for key in ["tls.crt", "tls.key", "ca.crt"] {
        let mut broken = leaf.clone().unwrap();
        broken.insert(key.to_owned(), ByteString(b"nonsense".to_vec()));
        assert!(issue(view, &ca, &Some(broken), &names, t0()).unwrap().certificate.is_some(), "{key}");
    }
    let mut broken = ca.clone().unwrap();
    broken.remove("tls.key");
    let mended = issue(view, &Some(broken), &leaf, &names, t0()).unwrap();
    assert!(mended.authority.is_some() && mended.certificate.is_some());
    let other = [names, vec!["chatcli.example.com".to_owned()]].concat();
    assert!(issue(view, &ca, &leaf, &other, t0()).unwrap().certificate.is_some(), "another name is dialed");
}

#[tokio::test]
async fn an_instance_with_tls_and_no_secret_gets_both_and_rotates_them() {
    let Some(mut world) = world().await else { return };
    world.start().await;
    world.instance("own", json!({"provider": "BUILTIN", "server": {"tls": {"enabled": true}}})).await;
    let text = world.condition("own", "TLSReady", "True", "CertificateValid").await;
    assert!(text.contains(&format!("own.{}.svc.cluster.local", world.ns.name)), "{text}");
    let first: Secret = world.there("own-tls").await;
    let ca: Secret = world.there("own-ca").await;
    world.there::<k8s_openapi::api::apps::v1::Deployment>("own").await;
    world.touch("own").await;
    world.clock.advance(day(61));
    world.touch("own").await;
    let second = until("a new certificate", async || {
        let secret: Secret = world.get("own-tls").await?;
        (secret.data != first.data).then_some(secret)
    })
    .await;
    assert_eq!(world.there::<Secret>("own-ca").await.data, ca.data);
    world.clock.advance(day(440));
    world.touch("own").await;
    until("a new CA with the old one beside it", async || {
        let secret: Secret = world.get("own-tls").await?;
        (secret.data != second.data && count(secret.data.as_ref()?, "ca.crt") == 2).then_some(())
    })
    .await;
    world.stop().await;
}
