//! One Deployment with a fault, a plan of four effects, people, and one life of the two controllers.

use std::sync::Arc;
use std::time::Duration;

use api::approval_request::ApprovalRequestState;
use api::shared::RemediationState;
use api::{Anomaly, ApprovalPolicy, ApprovalRequest, Issue, RemediationPlan, keys};
use domain::remediation::plan::{Stage, stage};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kit::cache::Cache;
use kit::clock::{Clock, ManualClock};
use kit::controller::{Next, Reconcile};
use kit::events::Events;
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use testkit::fake_api::{FakeApi, Seen};

use crate::approval;
use crate::remediation_plan::{Caches, Controller, Error, Settings};

/// A Thursday at midnight, when the API server in memory makes all its objects.
pub const BEGIN: &str = "2026-01-01T00:00:00Z";

pub fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn patch_config() -> Value {
    json!({"type": "PatchConfig", "params": {"configmap": "settings", "key": "mode", "value": "good"}})
}

pub fn scale(replicas: &str) -> Value {
    json!({"type": "ScaleDeployment", "params": {"replicas": replicas}})
}

/// Four effects: a ConfigMap, a restart, a limit, a count.
pub fn four_effects() -> Value {
    json!([
        patch_config(),
        {"type": "AdjustResources", "params": {"container": "web", "memory_limit": "128Mi"}},
        scale("3"),
    ])
}

pub fn rule(mode: &str, more: &Value) -> Value {
    let mut rule = json!({"name": "all", "mode": mode, "match": {}});
    for (key, value) in more.as_object().unwrap() {
        rule[key] = value.clone();
    }
    rule
}

pub fn auto() -> Value {
    rule(
        "auto",
        &json!({"autoApproveConditions": {"minConfidence": 0.9, "maxSeverity": "high", "historicalSuccessRate": 0.0}}),
    )
}

pub fn set_policy(fake: &FakeApi, rule: &Value) {
    if fake.list::<ApprovalPolicy>().is_empty() {
        fake.put_json::<ApprovalPolicy>(json!({
            "apiVersion": "platform.chatcli.io/v1alpha1", "kind": "ApprovalPolicy",
            "metadata": {"name": "p", "namespace": "shop"}, "spec": {"enabled": true, "rules": [rule]},
        }));
    } else {
        fake.edit::<ApprovalPolicy>("shop", "p", |p| p["spec"]["rules"] = json!([rule]));
    }
}

pub fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "uid": "u1", "annotations": {"deployment.kubernetes.io/revision": "2"}},
        "spec": {
            "replicas": 2, "progressDeadlineSeconds": 60, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{
                "name": "web", "image": "web:2", "resources": {"limits": {"memory": "64Mi"}},
                "envFrom": [{"configMapRef": {"name": "settings"}}],
            }]}},
        },
    })
}

pub fn plan(name: &str, actions: &Value) -> Value {
    json!({
        "apiVersion": "platform.chatcli.io/v1alpha1", "kind": "RemediationPlan",
        "metadata": {"name": name, "namespace": "shop", "uid": format!("uid-{name}"), "ownerReferences": [
            {"apiVersion": "platform.chatcli.io/v1alpha1", "kind": "Issue", "name": "web-1", "uid": "uid-issue"},
        ]},
        "spec": {
            "actions": actions, "attempt": 1, "issueRef": {"name": "web-1"}, "strategy": "mend it", "confidence": 0.95,
            "resource": {"kind": "Deployment", "name": "web", "namespace": "shop"},
        },
    })
}

/// The world before the plan begins.
pub fn world(policy: &Value, actions: &Value) -> FakeApi {
    let fake = FakeApi::new();
    fake.put_json::<Deployment>(deployment());
    fake.put_json::<ConfigMap>(json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": "shop", "uid": "cm1"}, "data": {"mode": "bad"},
    }));
    fake.put_json::<Issue>(json!({
        "apiVersion": "platform.chatcli.io/v1alpha1", "kind": "Issue",
        "metadata": {"name": "web-1", "namespace": "shop", "uid": "uid-issue"},
        "spec": {"description": "web fails", "resource": {"kind": "Deployment", "name": "web", "namespace": "shop"}, "severity": "high", "source": "watcher"},
    }));
    fake.put_json::<Anomaly>(json!({
        "apiVersion": "platform.chatcli.io/v1alpha1", "kind": "Anomaly",
        "metadata": {"name": "a1", "namespace": "shop"},
        "spec": {"resource": {"kind": "Deployment", "name": "web", "namespace": "shop"}, "signalType": "crashloop_backoff", "source": "watcher", "threshold": "", "value": ""},
        "status": {"correlated": true, "issueRef": {"name": "web-1"}, "state": "Firing"},
    }));
    fake.put_json::<RemediationPlan>(plan("plan-1", actions));
    set_policy(&fake, policy);
    fake
}

/// How one life goes.
#[derive(Clone, Copy)]
pub struct Life {
    /// When it begins.
    pub start: &'static str,
    /// What people do after each round.
    pub people: fn(&FakeApi),
    /// Whether the actions help.
    pub helps: bool,
    /// Rounds of five seconds, at most.
    pub rounds: usize,
    /// Whether the plan that is given to the controller is always the first one that was seen.
    pub stale: bool,
}

impl Default for Life {
    fn default() -> Self {
        Self { start: BEGIN, people: approve, helps: true, rounds: 80, stale: false }
    }
}

/// Alice approves what waits.
pub fn approve(fake: &FakeApi) {
    vote(fake, keys::APPROVE, "alice:go ahead");
}

pub fn nobody(_: &FakeApi) {}

pub fn vote(fake: &FakeApi, key: &str, value: &str) {
    for request in fake.list::<ApprovalRequest>() {
        let open = request.status.as_ref().and_then(|s| s.state) == Some(ApprovalRequestState::Pending);
        let voted = request.status.iter().flat_map(|s| &s.decisions).any(|d| value.starts_with(&d.approver));
        if open && !voted {
            fake.edit::<ApprovalRequest>("shop", &request.name_any(), |r| {
                r["metadata"]["annotations"][key] = json!(value);
            });
        }
    }
}

/// What the controllers of Kubernetes and the server make of the Deployment.
fn cluster(fake: &FakeApi, helps: bool) {
    let mode = fake.get::<ConfigMap>("shop", "settings").and_then(|c| c.data?.get("mode").cloned());
    fake.edit::<Deployment>("shop", "web", |d| {
        let n = &d["spec"]["replicas"];
        d["status"] = json!({"observedGeneration": d["metadata"]["generation"], "replicas": n, "updatedReplicas": n, "readyReplicas": n, "availableReplicas": n});
    });
    let acted = mode.as_deref() == Some("good") || count(fake, "web") > 0;
    let state = if helps && acted { "Resolved" } else { "Firing" };
    fake.edit::<Anomaly>("shop", "a1", |a| a["status"]["state"] = json!(state));
}

pub fn settings() -> Settings {
    Settings { operator_namespace: "chatcli-system".into(), stability: SignedDuration::from_secs(10) }
}

pub fn caches(fake: &FakeApi) -> Caches {
    Caches {
        plans: Cache::of(fake.list::<RemediationPlan>()),
        requests: Cache::of(fake.list::<ApprovalRequest>()),
        issues: Cache::of(fake.list::<Issue>()),
        anomalies: Cache::of(fake.list::<Anomaly>()),
        policies: Cache::default(),
        deployments: Cache::default(),
    }
}

pub fn controller(fake: &FakeApi, clock: &Arc<ManualClock>) -> Controller {
    let client: Client = fake.client();
    let events = Events::new(client.clone(), "test");
    Controller::new(client, settings(), &caches(fake), events, clock.clone() as Arc<dyn Clock>)
}

/// One reconcile of plan `plan-1` at an instant.
pub async fn reconcile(fake: &FakeApi, now: &str) -> Result<Next, Error> {
    let clock = Arc::new(ManualClock::new(instant(now)));
    let plan = fake.get::<RemediationPlan>("shop", "plan-1").unwrap();
    controller(fake, &clock).reconcile(Arc::new(plan)).await
}

/// One reconcile of each request at an instant.
pub async fn requests(fake: &FakeApi, clock: &Arc<ManualClock>) {
    let client: Client = fake.client();
    let events = Events::new(client.clone(), "test");
    let caches = approval::Caches {
        requests: Cache::of(fake.list::<ApprovalRequest>()),
        plans: Cache::of(fake.list::<RemediationPlan>()),
    };
    let controller = approval::Controller::new(client, &caches, events, clock.clone() as Arc<dyn Clock>);
    for request in fake.list::<ApprovalRequest>() {
        // As the driver does: an attempt that takes too long is ended, one that fails is made again.
        let _ = tokio::time::timeout(Duration::from_mins(1), controller.reconcile(Arc::new(request))).await;
    }
}

impl Life {
    /// One life of the process, until all is over, it dies, or nothing happens any more.
    pub async fn live(self, fake: FakeApi) {
        let clock = Arc::new(ManualClock::new(instant(self.start)));
        let first = fake.list::<RemediationPlan>();
        for _ in 0..self.rounds {
            if fake.is_dead() || settled(&fake) {
                return;
            }
            let controller = controller(&fake, &clock);
            for plan in if self.stale { first.clone() } else { fake.list() } {
                let _ = tokio::time::timeout(Duration::from_mins(2), controller.reconcile(Arc::new(plan))).await;
            }
            requests(&fake, &clock).await;
            (self.people)(&fake);
            cluster(&fake, self.helps);
            clock.advance(SignedDuration::from_secs(5));
        }
    }
}

/// Whether every plan is over and every request is counted.
fn settled(fake: &FakeApi) -> bool {
    let counted = |r: &ApprovalRequest| {
        r.status.iter().flat_map(|s| &s.conditions).any(|c| c.type_ == "Counted" && c.status == "True")
    };
    fake.list::<RemediationPlan>().iter().all(|p| stage(p) == Stage::Ended)
        && fake.list::<ApprovalRequest>().iter().all(counted)
}

fn is_effect(seen: &Seen) -> bool {
    matches!(seen.verb, "patch" | "delete" | "update" | "create")
        && ["/deployments/", "/configmaps/", "/pods/"].iter().any(|part| seen.path.contains(part))
}

/// Side effects that were carried out, on any object.
pub fn effects(fake: &FakeApi) -> usize {
    fake.writes().iter().filter(|s| is_effect(s)).count()
}

/// Side effects on an object of this name.
pub fn count(fake: &FakeApi, name: &str) -> usize {
    fake.writes().iter().filter(|s| is_effect(s) && s.path.ends_with(&format!("/{name}"))).count()
}

pub fn state(fake: &FakeApi) -> Option<RemediationState> {
    fake.get::<RemediationPlan>("shop", "plan-1").unwrap().status.and_then(|s| s.state)
}

pub fn result(fake: &FakeApi) -> String {
    fake.get::<RemediationPlan>("shop", "plan-1").unwrap().status.and_then(|s| s.result).unwrap_or_default()
}

/// Status, reason and message of a condition of the plan.
pub fn condition(fake: &FakeApi, type_: &str) -> (String, String, String) {
    let status = fake.get::<RemediationPlan>("shop", "plan-1").unwrap().status.unwrap();
    let found = status.conditions.into_iter().find(|c| c.type_ == type_).unwrap();
    (found.status, found.reason, found.message)
}

/// The Deployment without what writes leave behind.
pub fn bare(fake: &FakeApi) -> Value {
    let mut d = serde_json::to_value(fake.get::<Deployment>("shop", "web").unwrap()).unwrap();
    let d = d.as_object_mut().unwrap();
    d.remove("status");
    let mut spec = d.remove("spec").unwrap();
    if let Some(metadata) = spec.pointer_mut("/template/metadata").and_then(Value::as_object_mut) {
        metadata.retain(|_, v| *v != json!({}));
    }
    spec
}

pub fn data(fake: &FakeApi) -> String {
    fake.get::<ConfigMap>("shop", "settings").unwrap().data.unwrap()["mode"].clone()
}

/// The end of a plan of four effects that helped.
pub fn helped(fake: &FakeApi) {
    assert_eq!(state(fake), Some(RemediationState::Completed), "{}", result(fake));
    assert_eq!((effects(fake), count(fake, "settings"), count(fake, "web")), (4, 1, 3), "each once");
    let spec = bare(fake);
    assert_eq!((data(fake).as_str(), &spec["replicas"]), ("good", &json!(3)));
    assert_eq!(spec["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"], "128Mi");
    assert!(spec["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"].is_string());
    counted_once(fake);
}

/// The end of a plan of four effects that did not help.
pub fn undone(fake: &FakeApi) {
    assert_eq!(state(fake), Some(RemediationState::RolledBack), "{}", result(fake));
    assert_eq!((effects(fake), count(fake, "settings"), count(fake, "web")), (8, 2, 6), "each once, and once back");
    assert_eq!(data(fake), "bad");
    assert_eq!(bare(fake), deployment()["spec"]);
    assert!(result(fake).contains("signal is still there"), "{}", result(fake));
    counted_once(fake);
}

/// One request was made, one decision is in the counters.
fn counted_once(fake: &FakeApi) {
    assert_eq!(fake.list::<ApprovalRequest>().len(), 1);
    let policy = fake.get::<ApprovalPolicy>("shop", "p").unwrap().status.unwrap();
    assert_eq!((policy.total_approved, policy.total_rejected, policy.total_expired), (1, 0, 0));
    // A death right before the end leaves the name of the request there, until the next one is counted.
    assert!(policy.counting.len() <= 1, "{:?}", policy.counting);
}

/// A plan whose process died right after its first effect, before it could say so.
pub async fn after_first_effect(policy: &Value, actions: &Value) -> FakeApi {
    for writes in 1..50 {
        let fake = world(policy, actions);
        fake.kill_after_write(writes);
        Life::default().live(fake.clone()).await;
        fake.revive();
        if effects(&fake) == 1 {
            return fake;
        }
    }
    panic!("no effect after 50 writes")
}
