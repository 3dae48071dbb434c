//! The detector on a cluster that stands still, by a clock that does not wait.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use api::Issue;
use api::shared::{ObjectRef, ResourceRef, RootCause, Source};
use detector::{Detector, Question, Scope, Settings};
use domain::bundle::{Bundle, Certificate, Comparison, Kind, compare, kind_of, kinds};
use domain::detection::Alert;
use domain::diagnosis::Diagnosis;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use kit::clock::Clock;
use kit::controller::Env;
use kit::metrics::Metrics;
use kit::still::{Still, StillKind};
use kit::supervisor::Supervisor;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

/// How often it is looked whether the alert is there, by the clock of the bundle.
const OFTEN: Duration = Duration::from_millis(500);
/// How much longer other alerts are waited for.
const LATE: Duration = Duration::from_secs(5);
/// Alerts whose cause is looked for; the Issue's own is in any case.
const MOST: usize = 50;

/// What a replay came to.
#[derive(Debug)]
pub struct Played {
    pub bundle: Bundle,
    pub issue: Issue,
    /// Open alerts about the incident's namespaces, each with the cause that is found for it.
    pub alerts: Vec<(Alert, RootCause)>,
    /// Whether one of them is about what the Issue is about, and after how long.
    pub noticed: Option<Duration>,
    /// What is found now for the Issue.
    pub diagnosis: Diagnosis,
    /// What was found at the time.
    pub then: Option<RootCause>,
    /// What was not looked at in the end.
    pub pending: Option<String>,
}

impl Played {
    /// What is the same in the causes; none where there was none.
    pub fn comparison(&self) -> Option<Comparison> {
        Some(compare(self.then.as_ref()?, &self.diagnosis.cause))
    }

    /// Whether an alert has to be raised: signals of other systems are not in a bundle.
    pub fn must_notice(&self) -> bool {
        self.issue.spec.source == Source::Watcher
    }

    /// Whether the engine says what it said.
    pub fn as_before(&self) -> bool {
        self.comparison().is_some_and(|found| found.same()) && (self.noticed.is_some() || !self.must_notice())
    }
}

/// Goes with the runtime's clock, from the moment of the bundle on.
struct BundleClock {
    at: Timestamp,
    began: Instant,
}

impl Clock for BundleClock {
    fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.began.elapsed()).unwrap_or(SignedDuration::MAX);
        self.at.saturating_add(passed).unwrap_or(Timestamp::MAX)
    }
}

/// Plays a bundle on a runtime of its own: its clock is ahead of the world's whenever nothing is left to be done, so that
/// what must stand for a minute stands for a minute and takes no time.
///
/// # Errors
/// When there is no such runtime.
pub async fn play(bundle: Bundle, patience: Duration) -> anyhow::Result<Played> {
    let playing = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
        runtime.block_on(on_this_clock(bundle, patience))
    };
    tokio::task::spawn_blocking(playing).await.context("the replay ended; remedy: report this")?
}

async fn on_this_clock(bundle: Bundle, patience: Duration) -> anyhow::Result<Played> {
    let issue = bundle.subject().context("issue: it is not among the objects; remedy: export the bundle again")?;
    let client = still(&bundle).client();
    let (supervisor, _watch) = Supervisor::new();
    let began = Instant::now();
    let clock = Arc::new(BundleClock { at: bundle.at, began });
    let env = Env { supervisor: supervisor.clone(), metrics: Metrics::new("chatcli_replay"), clock };
    let detector = Detector::start(client, Settings::new(Scope::All), &env);
    let places = bundle.namespaces();
    let ours = |alert: &Alert| alert.workload.namespace.as_ref().is_none_or(|namespace| places.contains(namespace));
    let then = bundle.cause();
    let noticed = loop {
        let looked = detector.first_look_pending().is_none();
        if looked && detector.alerts().iter().any(|alert| concerns(alert, &issue, then.as_ref())) {
            break Some(began.elapsed());
        }
        if began.elapsed() >= patience {
            break None;
        }
        tokio::time::sleep(OFTEN).await;
    };
    tokio::time::sleep(LATE).await;
    let mut alerts = Vec::new();
    for alert in detector.alerts().into_iter().filter(ours).take(MOST) {
        let cause = Box::pin(detector.analyze(&about(&alert))).await.diagnosis.cause;
        alerts.push((alert, cause));
    }
    let question = Question {
        resource: issue.spec.resource.clone(),
        root: issue.spec.root.clone(),
        signal: issue.spec.signal_type.clone().unwrap_or_default(),
        failed: Vec::new(),
    };
    let diagnosis = Box::pin(detector.analyze(&question)).await.diagnosis;
    let pending = detector.first_look_pending();
    supervisor.token().cancel();
    Ok(Played { bundle, issue, alerts, noticed, diagnosis, then, pending })
}

/// The question that an alert leads to.
fn about(alert: &Alert) -> Question {
    let ObjectRef { kind, namespace, name, .. } = alert.workload.clone();
    let signal = serde_json::to_value(alert.signal).ok();
    Question {
        resource: ResourceRef { kind, name, namespace: namespace.unwrap_or_default() },
        root: Some(alert.root.clone()),
        signal: signal.and_then(|signal| signal.as_str().map(str::to_owned)).unwrap_or_default(),
        failed: Vec::new(),
    }
}

/// Whether an alert is about what an Issue is about.
fn concerns(alert: &Alert, issue: &Issue, cause: Option<&RootCause>) -> bool {
    let is = |object: &ObjectRef, (kind, namespace, name): (&str, &str, &str)| {
        object.kind == kind && object.namespace.as_deref().unwrap_or_default() == namespace && object.name == name
    };
    let status = issue.status.as_ref();
    let mut resources = status.iter().flat_map(|status| &status.affected_resources).chain([&issue.spec.resource]);
    let mut roots = issue.spec.root.iter().chain(cause.map(|cause| &cause.object));
    resources.any(|of| is(&alert.workload, (&of.kind, &of.namespace, &of.name)))
        || roots.any(|root| {
            let place = (root.kind.as_str(), root.namespace.as_deref().unwrap_or_default(), root.name.as_str());
            is(&alert.workload, place) || is(&alert.root, place)
        })
}

/// The cluster of a bundle.
pub fn still(bundle: &Bundle) -> Still {
    let mut still = Still::new();
    for kind in kinds().filter(|kind| !kind.optional) {
        still.kind(resource(&kind, kind.version));
    }
    let definitions = StillKind {
        group: "apiextensions.k8s.io".to_owned(),
        version: "v1".to_owned(),
        plural: "customresourcedefinitions".to_owned(),
        kind: "CustomResourceDefinition".to_owned(),
        namespaced: false,
    };
    still.kind(definitions.clone());
    for also in &bundle.also {
        let mut parts = also.splitn(3, '/');
        let (group, version, plural) = (parts.next(), parts.next(), parts.next());
        let known = kinds().find(|kind| Some(kind.group) == group && Some(kind.plural) == plural);
        if let (Some(kind), Some(version)) = (known, version) {
            still.kind(resource(&kind, version));
            still.put(&definitions, json!({"metadata": {"name": format!("{}.{}", kind.plural, kind.group)}}));
        }
    }
    for object in &bundle.objects {
        let Some(kind) = kind_of(object) else { continue };
        let api_version = object.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
        let version = api_version.rsplit('/').next().unwrap_or_default();
        let object = if kind.kind == "Secret" { with_keys(object) } else { object.clone() };
        still.put(&resource(&kind, version), object);
    }
    for (name, why) in &bundle.missing {
        for kind in kinds().filter(|kind| kind.kind == name) {
            still.refuse(&resource(&kind, kind.version), &format!("it is not in the bundle: {why}"));
        }
    }
    for log in &bundle.logs {
        let key = (log.namespace.clone(), log.pod.clone(), log.container.clone(), log.previous);
        still.log(key, log.lines.clone());
    }
    still
}

fn resource(kind: &Kind, version: &str) -> StillKind {
    StillKind {
        group: kind.group.to_owned(),
        version: version.to_owned(),
        plural: kind.plural.to_owned(),
        kind: kind.kind.to_owned(),
        namespaced: kind.namespaced(),
    }
}

/// A Secret as an API server would give it: with its keys, without their values, and with a certificate that says what the
/// real one said of its time and names.
fn with_keys(secret: &Value) -> Value {
    let mut secret = secret.clone();
    let Some(fields) = secret.as_object_mut() else { return secret };
    let keys = fields.remove("keys");
    let keys = keys.as_ref().and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let mut data: Map<String, Value> = keys.map(|key| (key.to_owned(), Value::String(String::new()))).collect();
    let said = fields.remove("certificate").and_then(|said| serde_json::from_value::<Certificate>(said).ok());
    let stand_in = said.and_then(|said| {
        let Certificate { not_before, not_after, names } = said;
        pki::stand_in(&pki::Validity { begins: not_before, ends: not_after, names }).ok()
    });
    if let Some(pem) = stand_in
        && let Ok(value) = serde_json::to_value(ByteString(pem.into_bytes()))
    {
        data.insert("tls.crt".to_owned(), value);
    }
    fields.insert("data".to_owned(), Value::Object(data));
    secret
}
