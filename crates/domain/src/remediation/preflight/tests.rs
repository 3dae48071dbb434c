use api::shared::{ActionType, RemediationAction};
use serde_json::json;

use super::*;
use crate::remediation::actions;

fn stamp() -> Timestamp {
    Timestamp::from_second(1_700_000_000).unwrap()
}

fn template(image: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": "web"}},
        "spec": {
            "containers": [
                {"name": "web", "image": image, "resources": {"limits": {"memory": "64Mi"}, "requests": {"memory": "32Mi", "cpu": "100m"}}, "envFrom": [{"configMapRef": {"name": "settings"}}]},
                {"name": "side", "image": "s"},
            ],
            "volumes": [{"name": "v", "projected": {"sources": [{"configMap": {"name": "files"}}]}}],
        },
    })
}

fn deployment() -> Value {
    json!({
        "metadata": {"name": "web", "namespace": "shop", "uid": "u1", "resourceVersion": "7", "annotations": {"deployment.kubernetes.io/revision": "3"}},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": template("web:3")},
    })
}

fn replica_set(number: i64, image: &str, available: i64, owner: &str) -> Value {
    let mut template = template(image);
    template["metadata"]["labels"]["pod-template-hash"] = json!(format!("h{number}"));
    json!({
        "metadata": {"name": format!("web-{number}"), "namespace": "shop", "uid": format!("rs{number}"), "annotations": {"deployment.kubernetes.io/revision": number.to_string()}, "ownerReferences": [{"uid": owner, "controller": true}]},
        "spec": {"template": template},
        "status": {"availableReplicas": available},
    })
}

fn pod(name: &str, ready: bool) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "shop", "uid": format!("uid-{name}"), "resourceVersion": "3", "labels": {"app": "web"}, "ownerReferences": [{"uid": "rs3", "controller": true}]},
        "status": {"conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}]},
    })
}

fn world() -> World {
    World {
        deployment: Some(deployment()),
        replica_sets: vec![
            replica_set(1, "web:1", 2, "u1"),
            replica_set(3, "web:3", 0, "u1"),
            replica_set(2, "web:2", 0, "u1"),
            replica_set(9, "evil:9", 5, "another"),
        ],
        pods: vec![pod("a", true), pod("b", true), pod("c", false)],
        config_map: Some(
            json!({"metadata": {"name": "settings", "namespace": "shop", "uid": "cm1", "resourceVersion": "5"}, "data": {"mode": "bad"}}),
        ),
        ..World::default()
    }
}

fn read(type_: ActionType, params: &[(&str, &str)]) -> Action {
    let params = params.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    actions::parse(&RemediationAction { type_, params }).unwrap()
}

fn all() -> [Action; 6] {
    [
        read(ActionType::RollbackDeployment, &[]),
        read(ActionType::RestartDeployment, &[]),
        read(ActionType::ScaleDeployment, &[("replicas", "5")]),
        read(ActionType::AdjustResources, &[("container", "web"), ("memory_limit", "128Mi")]),
        read(ActionType::PatchConfig, &[("configmap", "settings"), ("key", "mode"), ("value", "good")]),
        read(ActionType::DeletePod, &[("pod", "a")]),
    ]
}

fn check(action: &Action, world: &World) -> Result<Vec<Effect>, Refusal> {
    effects(action, Some("u1"), world, stamp())
}

/// Asserts the reason, and that the message says more than that.
fn refused(action: &Action, world: &World, reason: &str) -> String {
    let refusal = check(action, world).expect_err(reason);
    assert_eq!(refusal.reason, reason, "{}", refusal.message);
    assert!(refusal.message.len() > 20 && !refusal.message.contains("  "), "{}", refusal.message);
    refusal.message
}

fn wanted(effect: &Effect) -> &Fields {
    match &effect.change {
        Change::Set { wanted, .. } => wanted,
        Change::Delete => panic!("a deletion"),
    }
}

#[test]
fn each_action_has_its_effects() {
    for action in all() {
        let found = check(&action, &world()).unwrap();
        assert_eq!(found.len(), effect_count(&action));
        for effect in &found {
            assert!(!effect.changes_nothing(), "{action:?}");
            assert!(effect.describe.contains("shop/"), "{}", effect.describe);
            assert_eq!(TargetKind::from_name(effect.target.kind.name()), Some(effect.target.kind));
        }
        assert_eq!(found, check(&action, &world()).unwrap(), "computed again, it is the same");
    }
}

#[test]
fn the_target_has_to_be_the_one_that_was_meant() {
    for action in all() {
        refused(&action, &World { deployment: None, ..world() }, "TargetNotFound");
        let other = effects(&action, Some("u2"), &world(), stamp()).unwrap_err();
        assert_eq!(other.reason, "TargetReplaced");
        let mut going = world();
        going.deployment.as_mut().unwrap()["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        refused(&action, &going, "TargetDeleting");
    }
    let mut odd = world();
    odd.deployment.as_mut().unwrap()["metadata"]["resourceVersion"] = json!("");
    refused(&all()[1], &odd, "TargetUnreadable");
}

#[test]
fn a_paused_rollout_takes_no_change_of_pods() {
    let mut paused = world();
    paused.deployment.as_mut().unwrap()["spec"]["paused"] = json!(true);
    for (action, stopped) in all().iter().zip([true, true, false, true, true, false]) {
        if stopped {
            assert!(refused(action, &paused, "TargetPaused").contains("kubectl rollout resume"));
        } else {
            check(action, &paused).unwrap();
        }
    }
}

#[test]
fn what_git_owns_is_changed_in_git() {
    for (part, key, owner) in [
        ("annotations", "argocd.argoproj.io/tracking-id", "Argo CD"),
        ("labels", "argocd.argoproj.io/instance", "Argo CD"),
        ("labels", "kustomize.toolkit.fluxcd.io/name", "Flux"),
        ("labels", "helm.toolkit.fluxcd.io/name", "Flux"),
    ] {
        let mut owned = world();
        owned.deployment.as_mut().unwrap()["metadata"][part][key] = json!("x");
        owned.config_map.as_mut().unwrap()["metadata"][part][key] = json!("x");
        for (action, stopped) in all().iter().zip([true, false, true, true, true, false]) {
            if stopped {
                assert!(refused(action, &owned, "OwnedByGitOps").contains(owner));
            } else {
                check(action, &owned).unwrap();
            }
        }
        for object in [&mut owned.deployment, &mut owned.config_map] {
            object.as_mut().unwrap()["metadata"]["annotations"][ALLOW_GITOPS_DRIFT] = json!("true");
        }
        for action in &all() {
            check(action, &owned).unwrap();
        }
    }
}

#[test]
fn rollback_finds_the_revision_among_its_own() {
    let to = |value: &str| read(ActionType::RollbackDeployment, &[("toRevision", value)]);
    let image = |action: &Action, world: &World| {
        let effects = check(action, world).unwrap();
        wanted(&effects[0])["/spec/template"]["spec"]["containers"][0]["image"].clone()
    };
    assert_eq!(image(&to("previous"), &world()), "web:2");
    assert_eq!(image(&to("healthy"), &world()), "web:1");
    assert_eq!(image(&to("1"), &world()), "web:1");
    let effects = check(&to("1"), &world()).unwrap();
    assert_eq!(
        wanted(&effects[0])["/spec/template"]["metadata"]["labels"],
        json!({"app": "web"}),
        "no pod-template-hash"
    );
    assert!(refused(&to("9"), &world(), "NoRevision").contains("its revisions are 3, 2, 1"));
    refused(&to("previous"), &World { replica_sets: vec![], ..world() }, "NoRevision");
    let mut bare = world();
    bare.deployment.as_mut().unwrap()["metadata"]["annotations"] = json!({});
    assert_eq!(image(&to("previous"), &bare), "web:2", "the newest of its own is the current one");
    bare.replica_sets.clear();
    refused(&to("1"), &bare, "NoRevision");
    // The revision that it already is.
    assert!(check(&to("3"), &world()).unwrap()[0].changes_nothing());
}

#[test]
fn scale_respects_autoscalers_and_leaps() {
    let to = |n: &str| read(ActionType::ScaleDeployment, &[("replicas", n)]);
    let hpa = |kind: &str, name: &str| json!({"metadata": {"name": "auto"}, "spec": {"scaleTargetRef": {"kind": kind, "name": name}}});
    let with = |h| World { autoscalers: vec![h], ..world() };
    assert!(refused(&to("5"), &with(hpa("Deployment", "web")), "OwnedByAutoscaler").contains("minReplicas"));
    check(&to("5"), &with(hpa("Deployment", "other"))).unwrap();
    check(&to("5"), &with(hpa("StatefulSet", "web"))).unwrap();
    check(&to("30"), &world()).unwrap();
    assert!(refused(&to("31"), &world(), "TooMuch").contains("30 is the most"));
    let mut none = world();
    none.deployment.as_mut().unwrap()["spec"]["replicas"] = json!(0);
    check(&to("10"), &none).unwrap();
    refused(&to("11"), &none, "TooMuch");
    assert!(check(&to("3"), &world()).unwrap()[0].changes_nothing());
}

#[test]
fn resources_stay_within_reason_and_the_largest_node() {
    let set = |pairs: &[(&str, &str)]| read(ActionType::AdjustResources, pairs);
    let effects = check(&set(&[("container", "web"), ("memory_limit", "128Mi")]), &world()).unwrap();
    let fields = wanted(&effects[0]);
    assert_eq!(
        fields["/spec/template/spec/containers/0/resources"],
        json!({"limits": {"memory": "128Mi"}, "requests": {"memory": "32Mi", "cpu": "100m"}})
    );
    assert_eq!(fields["/spec/template/spec/containers/0/name"], "web", "the name pins the index");
    assert!(effects[0].describe.contains("memory_limit 64Mi to 128Mi"));
    // A container without resources.
    check(&set(&[("container", "side"), ("memory_limit", "128Mi")]), &world()).unwrap();
    check(&set(&[("container", "web"), ("memory_limit", "512Mi")]), &world()).unwrap();
    assert!(refused(&set(&[("container", "web"), ("memory_limit", "513Mi")]), &world(), "TooMuch").contains("8 times"));
    assert!(
        refused(&set(&[("container", "web"), ("memory_limit", "16Mi")]), &world(), "RequestAboveLimit")
            .contains("memory_request")
    );
    assert!(refused(&set(&[("memory_limit", "128Mi")]), &world(), "ContainerNotNamed").contains("web, side"));
    refused(&set(&[("container", "nope"), ("memory_limit", "128Mi")]), &world(), "ContainerNotFound");
    let small = LargestNode { cpu: Quantity::parse("2").unwrap(), memory: Quantity::parse("100Mi").unwrap() };
    let tiny = World { largest_node: Some(small), ..world() };
    assert!(
        refused(&set(&[("container", "web"), ("memory_limit", "128Mi")]), &tiny, "TooMuch").contains("largest node")
    );
    assert!(refused(&set(&[("container", "side"), ("cpu_limit", "3")]), &tiny, "TooMuch").contains("largest node"));
}

#[test]
fn quotas_have_room_for_what_is_added() {
    let quota = |hard: Value, used: Value| World {
        quotas: vec![json!({"metadata": {"name": "small"}, "spec": {"hard": hard}, "status": {"used": used}})],
        ..world()
    };
    let more = read(ActionType::AdjustResources, &[("container", "web"), ("memory_limit", "128Mi")]);
    // Three pods get 64Mi more each.
    check(&more, &quota(json!({"limits.memory": "384Mi"}), json!({"limits.memory": "192Mi"}))).unwrap();
    let message =
        refused(&more, &quota(json!({"limits.memory": "383Mi"}), json!({"limits.memory": "192Mi"})), "QuotaExceeded");
    assert!(message.contains("ResourceQuota small allows 383Mi limits.memory and 192Mi are used; Deployment shop/web would need 192Mi more"), "{message}");
    // The request stays, so a quota on requests does not care.
    check(
        &more,
        &quota(json!({"requests.memory": "96Mi", "cpu": "300m"}), json!({"requests.memory": "96Mi", "cpu": "300m"})),
    )
    .unwrap();
    let grow = read(ActionType::ScaleDeployment, &[("replicas", "5")]);
    for (name, hard, used) in [
        ("pods", "4", "3"),
        ("count/pods", "4", "3"),
        ("cpu", "400m", "300m"),
        ("requests.cpu", "499m", "300m"),
        ("memory", "100Mi", "96Mi"),
    ] {
        refused(&grow, &quota(json!({name: hard}), json!({name: used})), "QuotaExceeded");
    }
    check(&grow, &quota(json!({"pods": "5"}), json!({"pods": 3}))).unwrap();
    // Less needs no room, even where the quota is exceeded already; other resources do not matter.
    check(&read(ActionType::ScaleDeployment, &[("replicas", "1")]), &quota(json!({"pods": "1"}), json!({"pods": "3"})))
        .unwrap();
    check(&grow, &quota(json!({"services": "1"}), json!({"services": "1"}))).unwrap();
    let mut scoped = quota(json!({"pods": "1"}), json!({"pods": "1"}));
    scoped.quotas[0]["spec"]["scopes"] = json!(["BestEffort"]);
    check(&grow, &scoped).unwrap();
}

#[test]
fn only_config_maps_that_the_workload_uses_are_changed() {
    let set = |map: &str, key: &str| read(ActionType::PatchConfig, &[("configmap", map), ("key", key), ("value", "v")]);
    let effects = check(&set("settings", "mode"), &world()).unwrap();
    assert_eq!((effects[0].target.kind, effects[1].target.kind), (TargetKind::ConfigMap, TargetKind::Deployment));
    assert_eq!(wanted(&effects[0]), &Fields::from([("/data/mode".to_owned(), json!("v"))]));
    check(&set("files", "mode"), &world()).unwrap();
    refused(&set("kube-root-ca.crt", "mode"), &world(), "ConfigMapNotUsed");
    refused(&set("settings", "mode"), &World { config_map: None, ..world() }, "ConfigMapNotFound");
    let edited = |pointer: &str, value: Value| {
        let mut w = world();
        w.config_map.as_mut().unwrap()[pointer] = value;
        w
    };
    refused(&set("settings", "mode"), &edited("immutable", json!(true)), "ConfigMapImmutable");
    refused(&set("settings", "mode"), &edited("binaryData", json!({"mode": "AA=="})), "ConfigBinary");
    let big = "x".repeat(actions::MAX_CONFIG_VALUE + 1);
    refused(&set("settings", "mode"), &edited("data", json!({"mode": big})), "ConfigTooLarge");
    check(&set("settings", "new-key"), &edited("data", Value::Null)).unwrap();
}

#[test]
fn a_pod_is_deleted_only_when_others_serve_and_budgets_allow_it() {
    let delete = |name: &str| read(ActionType::DeletePod, &[("pod", name)]);
    refused(&delete("x"), &world(), "PodNotFound");
    let mut foreign = world();
    foreign.pods[0]["metadata"]["ownerReferences"] = json!([{"uid": "rs9", "controller": true}]);
    refused(&delete("a"), &foreign, "PodNotOwned");
    let mut alone = world();
    alone.pods.remove(1);
    assert!(refused(&delete("a"), &alone, "LastReadyPod").contains("scale up first"));
    check(&delete("c"), &alone).unwrap();
    let mut leaving = world();
    leaving.pods[1]["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    refused(&delete("a"), &leaving, "LastReadyPod");
    let budget = |selector: Value, allowed: Value| World {
        disruption_budgets: vec![
            json!({"metadata": {"name": "pdb"}, "spec": {"selector": selector}, "status": {"disruptionsAllowed": allowed}}),
        ],
        ..world()
    };
    let ours = json!({"matchLabels": {"app": "web"}});
    refused(&delete("a"), &budget(ours.clone(), json!(0)), "DisruptionBudget");
    refused(&delete("a"), &budget(ours.clone(), Value::Null), "DisruptionBudget");
    refused(&delete("a"), &budget(json!({}), json!(0)), "DisruptionBudget");
    refused(
        &delete("a"),
        &budget(json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}), json!(0)),
        "DisruptionBudget",
    );
    refused(
        &delete("a"),
        &budget(json!({"matchExpressions": [{"key": "app", "operator": "FutureOperator"}]}), json!(0)),
        "DisruptionBudget",
    );
    check(&delete("a"), &budget(ours.clone(), json!(1))).unwrap();
    check(&delete("a"), &budget(json!({"matchLabels": {"app": "api"}}), json!(0))).unwrap();
    check(
        &delete("a"),
        &budget(json!({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}), json!(0)),
    )
    .unwrap();
    check(&delete("c"), &budget(ours, json!(0))).unwrap();
}
