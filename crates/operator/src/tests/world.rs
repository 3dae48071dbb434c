//! One Deployment on a bad image, what its controller and its server would do about it, and one life of the operator.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::approval_policy::ApprovalPolicy;
use api::shared::{IssueState, ResourceRef, Severity, SignalType};
use api::{AIInsight, Anomaly, ApprovalRequest, Issue, PostMortem, RemediationPlan, ai_insight};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use kit::cache::Hub;
use kit::clock::Clock;
use kit::controller::Env;
use kit::events::Events;
use kit::metrics::Metrics;
use kit::supervisor::Supervisor;
use kube::ResourceExt;
use ports::server_link::{Alert, Analysis, LinkEvent, Question};
use serde_json::{Value, json};
use testkit::fake_api::FakeApi;
use tokio::time::Instant;

use crate::ai_insight::{Ask, Refusal};
use crate::bridge::Source;
use crate::{Caches, Settings, controllers};

/// Time that follows tokio's, which tests pause.
pub struct PausedClock {
    begin: Instant,
}

impl PausedClock {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { begin: Instant::now() })
    }
}

pub fn t0() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        t0().checked_add(SignedDuration::try_from(self.begin.elapsed()).unwrap()).unwrap()
    }
}

/// Answers with the n-th list of actions for the n-th attempt; fails while `away` is more than 0.
#[derive(Clone, Default)]
pub struct Analyst {
    pub plans: Vec<Vec<&'static str>>,
    pub away: Arc<Mutex<usize>>,
    pub asked: Arc<Mutex<Vec<Question>>>,
}

impl Analyst {
    pub fn rollback() -> Self {
        Self { plans: vec![vec!["RollbackDeployment"]], ..Self::default() }
    }
}

impl Ask for Analyst {
    async fn ask(&self, question: &Question) -> Result<Analysis, Refusal> {
        self.asked.lock().unwrap().push(question.clone());
        {
            let mut away = self.away.lock().unwrap();
            if *away > 0 {
                *away -= 1;
                return Err(Refusal { reason: "ServerUnavailable", message: "the server is away".into() });
            }
        }
        let actions = self.plans.get(usize::try_from(question.attempt - 1).unwrap()).cloned().unwrap_or_default();
        Ok(Analysis {
            text: format!("image bad:2 does not exist (attempt {})", question.attempt),
            confidence: 0.95,
            recommendations: vec![],
            actions: actions
                .into_iter()
                .map(|action| ai_insight::AIInsightSuggestedAction {
                    action: action.into(),
                    description: None,
                    name: action.into(),
                    params: std::collections::BTreeMap::new(),
                })
                .collect(),
            root_cause: None,
            log_analysis: None,
            answered_by: "TEST".into(),
            ..Analysis::default()
        })
    }

    fn when_reached(&self, _listener: impl Fn() + Send + Sync + 'static) {}
}

fn template(image: &str) -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": image}]}})
}

fn replica_set(revision: i32, image: &str) -> ReplicaSet {
    serde_json::from_value(json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": format!("web-{revision}"), "namespace": "shop", "labels": {"app": "web"},
            "annotations": {"deployment.kubernetes.io/revision": revision.to_string()},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "uid-web", "controller": true}],
        },
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template(image)},
    }))
    .unwrap()
}

/// A shop whose Deployment was rolled out to an image that does not exist, and a policy that lets the operator mend it.
pub fn shop() -> FakeApi {
    let deployment: Deployment = serde_json::from_value(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "uid": "uid-web", "annotations": {"deployment.kubernetes.io/revision": "2"}},
        "spec": {"replicas": 1, "progressDeadlineSeconds": 60, "selector": {"matchLabels": {"app": "web"}}, "template": template("bad:2")},
    }))
    .unwrap();
    let fake = FakeApi::new().with(deployment).with(replica_set(1, "good:1")).with(replica_set(2, "bad:2"));
    fake.put_json::<ApprovalPolicy>(json!({
        "apiVersion": "platform.chatcli.io/v1alpha1", "kind": "ApprovalPolicy",
        "metadata": {"name": "auto", "namespace": "ops"},
        "spec": {"enabled": true, "rules": [{
            "name": "all", "mode": "auto", "match": {},
            "autoApproveConditions": {"minConfidence": 0.9, "maxSeverity": "critical", "historicalSuccessRate": 0.0},
        }]},
    }));
    fake
}

pub fn alert(resolved_at: Option<Timestamp>, now: Timestamp) -> Alert {
    Alert {
        id: "alert-1".into(),
        signal: SignalType::ImagePullError,
        resource: ResourceRef { kind: "Deployment".into(), name: "web".into(), namespace: "shop".into() },
        resource_uid: Some("uid-web".into()),
        root: None,
        severity: Severity::High,
        message: "cannot pull bad:2".into(),
        value: "ErrImagePull".into(),
        threshold: "normal".into(),
        first_seen: t0(),
        last_seen: now,
        count: 1,
        resolved_at,
        evidence: vec![],
        source: api::shared::Source::Watcher,
        kept: None,
    }
}

/// What ends a life early.
pub type Until = fn(&FakeApi) -> bool;

/// What happens to the API server.
pub type Happens = Arc<dyn Fn(&FakeApi) + Send + Sync>;

/// How one life goes.
#[derive(Clone)]
pub struct Life {
    pub analyst: Analyst,
    pub clock: Arc<PausedClock>,
    /// Whether a template runs.
    pub heals: fn(&Value) -> bool,
    pub until: Until,
    /// What happens once, as soon as there is an Issue.
    pub meanwhile: Option<Happens>,
    pub longest: Duration,
    /// How often the cluster is looked at.
    pub tick: Duration,
}

impl Life {
    pub fn new(analyst: Analyst) -> Self {
        Self {
            analyst,
            clock: PausedClock::new(),
            heals: |template| template["spec"]["containers"][0]["image"] == "good:1",
            until: closed,
            meanwhile: None,
            longest: Duration::from_mins(10),
            tick: Duration::from_millis(100),
        }
    }

    /// What the controllers of Kubernetes make of the Deployment; whether it runs.
    fn cluster(&self, fake: &FakeApi) -> bool {
        let mut healthy = false;
        fake.edit::<Deployment>("shop", "web", |d| {
            healthy = (self.heals)(&d["spec"]["template"]);
            let up = i32::from(healthy);
            d["status"] = json!({"observedGeneration": d["metadata"]["generation"], "replicas": 1, "updatedReplicas": 1, "readyReplicas": up, "availableReplicas": up});
        });
        healthy
    }

    /// One life of the operator, from start to a death, an orderly end, or the end of the story.
    pub async fn live(&self, fake: FakeApi) {
        let (supervisor, watch) = Supervisor::new();
        let metrics = Metrics::new("test");
        let hub = Hub::new(&supervisor, &metrics);
        let caches = Caches::start(&hub, &fake.client());
        let end = Instant::now() + self.longest;
        let started = tokio::time::timeout(Duration::from_mins(5), hub.ready()).await.is_ok();
        if started {
            let env = Env { supervisor: supervisor.clone(), metrics, clock: self.clock.clone() };
            let settings = Settings {
                namespace: "ops".into(),
                stability: SignedDuration::from_secs(10),
                max_attempts: 3,
                analysis_deadline: SignedDuration::from_secs(120),
                instances: crate::instance::tests::settings(),
            };
            let events = Events::new(fake.client(), "test");
            let bridge = controllers(&fake.client(), &settings, &caches, self.analyst.clone(), &events, &env);
            bridge.join(0, Source::of_address("brain.ops.svc:50051"));
            let mut firing = !self.cluster(&fake);
            bridge.heard(0, LinkEvent::Begin);
            if firing {
                bridge.heard(0, LinkEvent::Alert(Box::new(alert(None, self.clock.now()))));
            }
            bridge.heard(0, LinkEvent::Synced);
            let mut meanwhile = self.meanwhile.clone();
            while Instant::now() < end && !fake.is_dead() && !(self.until)(&fake) {
                if !fake.list::<Issue>().is_empty()
                    && let Some(happen) = meanwhile.take()
                {
                    happen(&fake);
                }
                let now = self.clock.now();
                let sick = !self.cluster(&fake);
                if sick != firing {
                    firing = sick;
                    bridge.heard(0, LinkEvent::Alert(Box::new(alert((!sick).then_some(now), now))));
                }
                tokio::time::sleep(self.tick).await;
            }
        }
        supervisor.token().cancel();
        watch.run(Duration::from_mins(5)).await;
    }
}

/// The Issue is over and written up.
pub fn written_up(fake: &FakeApi) -> bool {
    let conditions = fake.list::<Issue>().into_iter().filter_map(|i| i.status).flat_map(|s| s.conditions);
    conditions.into_iter().any(|c| c.type_ == api::conditions::REPORTED)
}

/// The Issue is over and written up, or with people.
pub fn closed(fake: &FakeApi) -> bool {
    let mut statuses = fake.list::<Issue>().into_iter().filter_map(|i| i.status);
    written_up(fake) || statuses.any(|s| s.state == Some(IssueState::Escalated))
}

/// What must be so after the rollback helped, whatever happened on the way: everything once.
pub fn mended(fake: &FakeApi) {
    let anomalies: Vec<Anomaly> = fake.list();
    assert_eq!(anomalies.len(), 1, "one Anomaly");
    let status = anomalies[0].status.clone().unwrap();
    assert_eq!(status.state, Some(api::anomaly::AnomalyState::Resolved));
    assert!(status.correlated && status.resolved_at.is_some());

    let issues: Vec<Issue> = fake.list();
    assert_eq!(issues.len(), 1, "one Issue");
    let status = issues[0].status.clone().unwrap();
    assert_eq!(status.state, Some(IssueState::Resolved), "{status:#?}");
    assert_eq!((status.remediation_attempts, status.failed_attempts.len()), (1, 0));

    assert_eq!(fake.list::<AIInsight>().len(), 1, "one AIInsight");
    let plans: Vec<RemediationPlan> = fake.list();
    assert_eq!(plans.len(), 1, "one plan");
    assert_eq!(plans[0].status.as_ref().unwrap().state, Some(api::shared::RemediationState::Completed));
    assert_eq!(fake.list::<ApprovalRequest>().len(), 1, "one request");

    let deployment: Deployment = fake.get("shop", "web").unwrap();
    assert_eq!(deployment.metadata.generation, Some(2), "one change of the Deployment");

    let reports: Vec<PostMortem> = fake.list();
    assert_eq!(reports.len(), 1, "one report");
    assert!(reports[0].owner_references().is_empty(), "the report outlives its Issue");
    let report = reports[0].status.clone().unwrap();
    assert_eq!(report.actions_executed.len(), 1);
    assert!(report.generated_at.is_some() && !report.timeline.is_empty());
}
