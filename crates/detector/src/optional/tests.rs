//! The store, and kinds by the names of their definitions.

use std::collections::HashSet;

use kit::cache::Key;
use serde_json::json;

use super::store::Store;
use super::*;

fn key(name: &str) -> Key {
    Key::new("shop", name)
}

#[test]
fn a_definition_is_known_by_its_name() {
    assert_eq!(kind_of("gateways.gateway.networking.k8s.io").map(|kind| kind.kind), Some("Gateway"));
    assert_eq!(kind_of("gateways.networking.istio.io"), None);
    assert_eq!(kind_of("gateways"), None);
    let places = ["a".to_owned(), "b".to_owned()];
    let of = |name: &str| slots(kind_of(name).unwrap(), &places).len();
    assert_eq!((of("issuers.cert-manager.io"), of("clusterissuers.cert-manager.io")), (2, 1));
}

#[test]
fn only_what_differs_is_news_and_what_is_left_out_makes_the_rest_unsure() {
    let mut store = Store::default();
    assert!(store.waits() && !store.whole());
    assert!(store.apply(key("a"), Some(json!({"x": 1}))));
    assert!(!store.apply(key("a"), Some(json!({"x": 1}))));
    assert!(store.apply(key("a"), Some(json!({"x": 2}))));
    assert_eq!(store.listed(&HashSet::from([key("a")])), (true, HashSet::new()));
    assert!(store.whole() && !store.waits());
    assert!(store.apply(key("b"), None) && !store.apply(key("b"), None));
    assert!(!store.whole());
    assert!(store.delete(&key("b")) && store.whole());
    assert_eq!(store.listed(&HashSet::new()), (false, HashSet::from(["shop".to_owned()])));
    assert_eq!((store.of("shop").count(), store.of("").count()), (0, 0));
}

#[test]
fn an_object_lies_in_its_namespace_and_what_is_shared_in_all() {
    let optional = Optional::default();
    for name in [
        "gateways.gateway.networking.k8s.io",
        "gatewayclasses.gateway.networking.k8s.io",
        "referencegrants.gateway.networking.k8s.io",
    ] {
        optional.expect(kind_of(name).unwrap(), &[String::new()]);
    }
    assert!(optional.waits());
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let hears = heard.clone();
    optional.listen(move |namespace| hears.lock().unwrap().push(namespace.to_owned()));
    let slots: Vec<Slot> = optional.lock().keys().cloned().collect();
    for slot in &slots {
        let place = if slot.kind == "GatewayClass" { "" } else { "infra" };
        let object = json!({"kind": slot.kind});
        optional.change(slot, |store| store.apply(Key::new(place, "a"), Some(object)));
        optional.change(slot, |store| store.listed(&HashSet::from([Key::new(place, "a")])));
    }
    assert!(!optional.waits());
    let kinds = |namespace: &str| {
        let mut found: Vec<String> =
            optional.objects(namespace).iter().map(|o| o["kind"].as_str().unwrap().to_owned()).collect();
        found.sort();
        found
    };
    assert_eq!(kinds("infra"), ["Gateway", "GatewayClass", "ReferenceGrant"]);
    assert_eq!(kinds("shop"), ["GatewayClass", "ReferenceGrant"]);
    // Without a watch of definitions nobody knows what there is.
    assert_eq!(optional.unreadable("shop").len(), OPTIONAL.len());
    optional.forget(&slots);
    assert!(kinds("infra").is_empty());
    assert_eq!(heard.lock().unwrap().as_slice(), [""]);
}
