use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;

use super::{Cache, Change, Key};

fn map(namespace: &str, name: &str, version: &str) -> ConfigMap {
    let mut map = ConfigMap::default();
    map.metadata.namespace = Some(namespace.into());
    map.metadata.name = Some(name.into());
    map.metadata.resource_version = Some(version.into());
    map
}

fn heard(cache: &Cache<ConfigMap>) -> Arc<Mutex<Vec<String>>> {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let list = heard.clone();
    cache.listen(move |change| {
        let word = if matches!(change, Change::Applied(_)) { "+" } else { "-" };
        list.lock().unwrap().push(format!("{word}{}", change.object().name_any()));
    });
    heard
}

#[test]
fn a_late_listener_hears_what_is_there_and_every_change_once() {
    let cache = Cache::of([map("a", "one", "1")]);
    let heard = heard(&cache);
    cache.apply(map("a", "one", "1"));
    cache.apply(map("a", "one", "2"));
    cache.delete(&Key::new("a", "one"));
    cache.delete(&Key::new("a", "one"));
    assert_eq!(*heard.lock().unwrap(), ["+one", "+one", "-one"]);
}

#[test]
fn what_vanished_while_nobody_watched_is_told_as_deleted() {
    let cache = Cache::of([map("a", "one", "1"), map("a", "two", "2"), map("b", "one", "3")]);
    let heard = heard(&cache);
    cache.keep_only(&HashSet::from([Key::new("a", "two")]));
    assert_eq!(heard.lock().unwrap()[3..], ["-one", "-one"]);
    assert_eq!(cache.in_namespace("a").len(), 1);
    assert!(cache.in_namespace("b").is_empty());
}

#[test]
fn a_namespace_is_not_a_prefix() {
    let cache = Cache::of([map("shop", "one", "1"), map("shop-2", "one", "2")]);
    assert_eq!(cache.in_namespace("shop").len(), 1);
}
