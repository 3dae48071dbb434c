//! Each fault of the table: the cause named with object, path and value; the plan; approved as a person does; healed.

use api::shared::{ActionType, CauseClass, IssueState, RootCause};
use e2e::runner::Case;
use e2e::shop::Shop;
use serde_json::json;

use super::{World, one};

pub fn cases(world: &World) -> Vec<Case> {
    vec![
        one(world, "bad_image_is_rolled_back", bad_image),
        one(world, "bad_environment_is_rolled_back", bad_environment),
        one(world, "bad_config_map_is_set_back", bad_config_map),
        one(world, "container_over_its_limit_gets_more", over_its_limit),
        one(world, "readiness_that_never_passes_is_rolled_back", readiness),
        one(world, "pod_that_fits_no_node_is_for_people", unschedulable),
    ]
}

/// What is expected of the cause.
struct Expected<'a> {
    kind: &'a str,
    class: CauseClass,
    path: &'a str,
    value: &'a str,
    statement: &'a [&'a str],
}

fn check(cause: &RootCause, shop: &Shop, expected: &Expected<'_>) {
    assert_eq!(cause.class, expected.class, "{cause:#?}");
    assert_eq!(cause.object.kind, expected.kind, "{cause:#?}");
    assert_eq!(cause.object.namespace.as_deref(), Some(shop.name()), "{cause:#?}");
    assert!(cause.object.uid.is_some(), "{cause:#?}");
    assert!(cause.path.as_deref().is_some_and(|path| path.contains(expected.path)), "{cause:#?}");
    assert!(cause.value.as_deref().is_some_and(|value| value.contains(expected.value)), "{cause:#?}");
    for word in expected.statement {
        assert!(cause.statement.contains(word), "{word:?} is missing: {cause:#?}");
    }
    assert!(!cause.proof.is_empty() && cause.confidence > 0.5, "{cause:#?}");
}

/// From the cause to the end: the plan is of one of the types, is approved, executed, verified; the report tells it.
async fn heals(shop: &Shop, expected: &Expected<'_>, actions: &[ActionType]) {
    let issue = shop.diagnosed(40).await;
    check(&issue.status.and_then(|s| s.root_cause).expect("cause"), shop, expected);
    let request = shop.approve(20).await;
    assert!(actions.contains(&request.spec.requested_actions[0].type_), "{:#?}", request.spec);
    let resolved = shop.issue_is(IssueState::Resolved, 90).await;
    let plans = shop.plans().await;
    assert_eq!(plans.len(), 1, "{plans:#?}");
    let status = plans[0].status.clone().expect("status");
    assert!(status.verification.is_some() && status.result.is_some(), "{status:#?}");
    let report = shop.report(20).await.status.expect("status");
    let types: Vec<&str> = report.timeline.iter().map(|entry| entry.type_.as_str()).collect();
    for wanted in ["detected", "action_executed", "resolved"] {
        assert!(types.contains(&wanted), "{wanted}: {:#?}", report.timeline);
    }
    assert!(report.timeline.is_sorted_by_key(|entry| entry.timestamp.0), "{:#?}", report.timeline);
    assert_eq!(report.cause.map(|cause| cause.class), Some(expected.class));
    assert_eq!(shop.issues().await.len(), 1, "one fault is one Issue: {resolved:#?}");
    shop.serves().await;
}

async fn bad_image(world: World) {
    let shop = Shop::deploy(&world.client, world.cluster, "image", "api-gateway").await;
    shop.break_image().await;
    let expected = Expected {
        kind: "Deployment",
        class: CauseClass::ImageNotFound,
        path: "containers[0].image",
        value: "chatcli/demo-service:1.0.1-rc",
        statement: &["revision 2", "revision 1", "chatcli/demo-service:1.0.0"],
    };
    heals(&shop, &expected, &[ActionType::RollbackDeployment]).await;
    shop.was_rolled_back_once(2).await;
}

async fn bad_environment(world: World) {
    let shop = Shop::deploy(&world.client, world.cluster, "env", "payment-service").await;
    shop.patch_container(json!({"env": [{"name": "PAYMENT_TIMEOUT_MS", "value": "fast", "valueFrom": null}]})).await;
    let expected = Expected {
        kind: "Deployment",
        class: CauseClass::BadConfiguration,
        path: "containers[0].env",
        value: "fast",
        statement: &["app", "PAYMENT_TIMEOUT_MS"],
    };
    heals(&shop, &expected, &[ActionType::RollbackDeployment]).await;
    let insights: Vec<api::AIInsight> = e2e::look::list(&shop.client, shop.name()).await;
    let log = insights[0].status.as_ref().and_then(|s| s.log_analysis.clone()).unwrap_or_default();
    assert!(log.contains("PAYMENT_TIMEOUT_MS=fast is not a number"), "the last log lines: {log}");
}

async fn bad_config_map(world: World) {
    let shop = Shop::deploy(&world.client, world.cluster, "config", "payment-service").await;
    shop.kubectl(&["patch", "configmap", "shop-config", "--patch", r#"{"data":{"payment_timeout_ms":"fast"}}"#]);
    shop.kubectl(&["rollout", "restart", "deployment/payment-service"]);
    let expected = Expected {
        kind: "ConfigMap",
        class: CauseClass::BadConfiguration,
        path: "payment_timeout_ms",
        value: "fast",
        statement: &["payment_timeout_ms"],
    };
    heals(&shop, &expected, &[ActionType::PatchConfig]).await;
    let value = shop.kubectl(&["get", "configmap", "shop-config", "-o", "jsonpath={.data.payment_timeout_ms}"]);
    assert_eq!(value, "500");
}

async fn over_its_limit(world: World) {
    let shop = Shop::deploy(&world.client, world.cluster, "memory", "payment-service").await;
    let pods = shop.kubectl(&["get", "pods", "-l", "app=payment-service", "-o", "jsonpath={.items[*].metadata.name}"]);
    for pod in pods.split_whitespace() {
        let path = format!("/api/v1/namespaces/{}/pods/{pod}:8080/proxy/faults/backlog?mb=160", shop.name());
        shop.kubectl(&["get", "--raw", &path]);
    }
    let expected = Expected {
        kind: "Deployment",
        class: CauseClass::OutOfMemory,
        path: "resources.limits.memory",
        value: "96Mi",
        statement: &["96Mi"],
    };
    heals(&shop, &expected, &[ActionType::AdjustResources]).await;
}

async fn readiness(world: World) {
    let shop = Shop::deploy(&world.client, world.cluster, "ready", "api-gateway").await;
    shop.patch_container(json!({"readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}}})).await;
    let expected = Expected {
        kind: "Deployment",
        class: CauseClass::ProbeMismatch,
        path: "readinessProbe.httpGet.path",
        value: "/ready",
        statement: &["/ready", "/readyz"],
    };
    heals(&shop, &expected, &[ActionType::RollbackDeployment]).await;
    shop.was_rolled_back_once(2).await;
}

async fn unschedulable(world: World) {
    let shop = Shop::deploy(&world.client, world.cluster, "room", "user-service").await;
    shop.patch_container(json!({"resources": {"requests": {"cpu": "64"}}})).await;
    let issue = shop.diagnosed(60).await;
    let expected = Expected {
        kind: "Deployment",
        class: CauseClass::InsufficientResources,
        path: "resources.requests.cpu",
        value: "64",
        statement: &["cpu", "node-test-node"],
    };
    check(&issue.status.and_then(|s| s.root_cause).expect("cause"), &shop, &expected);
    let issue = shop.issue_is(IssueState::Escalated, 20).await;
    let asked = issue.status.and_then(|s| s.required_action).unwrap_or_default();
    assert!(asked.contains("cpu") && asked.contains("64"), "escalated with the numbers: {asked}");
    assert!(shop.plans().await.is_empty(), "nothing automatic");
    // A person mends it, and the Issue ends by itself.
    shop.kubectl(&["rollout", "undo", "deployment/user-service"]);
    shop.issue_is(IssueState::Resolved, 60).await;
    assert!(!shop.report(20).await.status.expect("status").timeline.is_empty());
}
