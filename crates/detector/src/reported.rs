//! What Alertmanager reports: which of our objects an alert is about, whether it is watched, and what it belongs to.
//!
//! What lives here: the answers of the caches to `domain::detection::alertmanager`, and the time at which alerts that are
//! not repeated end. What does not: how labels are read, and what is late or told twice (domain), and HTTP (`grpc`).

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use api::shared::ObjectRef;
use domain::detection::alertmanager::{Heard, Inbox, Notice, Objects, Report, alert, kept_for, place, said};
use domain::detection::{Alert, Rule, Symptom, Transition};
use domain::llm::Scrubber;
use jiff::SignedDuration;
use kit::cache::Key as CacheKey;
use kit::controller::Env;
use kube::Resource;

use crate::Detector;
use crate::caches::Many;
use crate::eyes::Eyes;
use crate::key::{Key, Kind};
use crate::view::of_pod;

/// How often Alertmanager repeats what is still there, unless it is told otherwise (`repeat_interval`).
const REPEAT: SignedDuration = SignedDuration::from_hours(4);

/// What Alertmanager has told. Clones share it, so that it outlives a change of what is watched.
#[derive(Clone, Debug)]
pub struct Reports {
    inbox: Arc<Mutex<Inbox>>,
    kept: SignedDuration,
    /// None only if its rules cannot be built; then no text of an alert is taken over.
    scrubber: Option<Arc<Scrubber>>,
}

impl Reports {
    /// For an Alertmanager with this `repeat_interval`.
    pub fn new(repeat_interval: SignedDuration) -> Self {
        let scrubber = Scrubber::new("").ok().map(Arc::new);
        Self { inbox: Arc::default(), kept: kept_for(repeat_interval), scrubber }
    }

    /// Looks at the inbox, or changes it.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut Inbox) -> T) -> T {
        look(&mut self.inbox.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Default for Reports {
    fn default() -> Self {
        Self::new(REPEAT)
    }
}

impl Detector {
    /// Takes in what Alertmanager reports.
    pub fn report(&self, notices: &[Notice]) -> Report {
        let mut report = Report::default();
        for notice in notices {
            self.eyes.report(notice, &mut report);
        }
        report
    }
}

impl Eyes {
    fn report(&self, notice: &Notice, report: &mut Report) {
        let (id, now) = (notice.id(), self.clock.now());
        let known = self.reports.with(|inbox| inbox.knows(&id));
        let place = place(notice, self);
        let said = said(notice, &place.object);
        if let Some(problem) = said.problem {
            report.because(format!("{}: {problem}", shown(notice)));
        }
        let severity = match (said.severity, known) {
            (Some(severity), _) => severity,
            // It was one when it came.
            (None, true) => api::shared::Severity::Low,
            (None, false) => {
                report.ignored += 1;
                return;
            }
        };
        if !known && let Err(why) = self.concerned(&place.object) {
            report.outside += 1;
            report.because(format!("{}: {why}", shown(notice)));
            return;
        }
        let made = |root| {
            alert(notice, (place.clone(), root), severity, self.reports.scrubber.as_deref(), self.reports.kept, now)
        };
        let first = made(place.object.clone());
        let root = if known || !notice.firing { place.object.clone() } else { self.root_of_report(&first) };
        let made = Alert { root, ..first };
        let heard = self.reported(|inbox| {
            let heard = if notice.firing { inbox.fires(made, now) } else { inbox.ends(made, notice.ends_at, now) };
            let change: Vec<Transition> = heard.transition().into_iter().collect();
            (heard, change)
        });
        match heard {
            Heard::New(_) => report.new += 1,
            Heard::Again(_) => report.again += 1,
            Heard::Over(_) | Heard::OverUnseen(_) => report.over += 1,
            Heard::Late => report.late += 1,
            Heard::Full => report.full += 1,
        }
        if !matches!(heard, Heard::Late | Heard::Full) {
            report.told.push(id);
            self.expiry.add(());
        }
    }

    /// Ends what was not repeated in time; returns when to look again.
    fn expire_reports(&self) -> Option<tokio::time::Instant> {
        let now = self.clock.now();
        let next = self.reported(|inbox| {
            let (over, next) = inbox.expire(now);
            (next, over.into_iter().map(Transition::Resolved).collect())
        });
        next.map(|at| tokio::time::Instant::now() + self.until(at))
    }

    /// Starts to look after the time of reports.
    pub(crate) fn open_reports(self: &Arc<Self>, env: &Env) {
        let (eyes, token) = (self.clone(), env.supervisor.token().clone());
        env.supervisor.spawn("detector-reports", async move {
            // What an earlier detector was told has its time too.
            eyes.expiry.add(());
            while let Some(()) = token.run_until_cancelled(eyes.expiry.take()).await {
                let next = eyes.expire_reports();
                eyes.expiry.done((), next);
            }
            Ok::<_, std::convert::Infallible>(())
        });
    }

    /// Whether something is watched here, or why not, with the remedy.
    fn concerned(&self, object: &ObjectRef) -> Result<(), String> {
        let what = format!("{} {}", object.kind, named(object));
        let outside = || {
            Err(format!(
                "{what} is not watched by this server; remedy: name it among the targets of the Instance, or route such alerts elsewhere"
            ))
        };
        let Some(namespace) = object.namespace.as_deref() else {
            let node = object.kind == "Node" && self.wants(&Key::new(Kind::Node, "", &object.name));
            return if node || self.watches_all() { Ok(()) } else { outside() };
        };
        let namespaces = &self.graphs.around.namespaces;
        if !namespaces.is_empty() && namespaces.get(&CacheKey::new("", namespace)).is_none() {
            return Err(format!(
                "namespace {namespace} does not exist in this cluster; remedy: route alerts of other clusters to their own Instance"
            ));
        }
        if self.watches(namespace) || self.stands_for(object, namespace).iter().any(|key| self.wants(key)) {
            return Ok(());
        }
        outside()
    }

    /// The workloads that an object is part of: itself, the target of an autoscaler, those that mount a claim.
    fn stands_for(&self, object: &ObjectRef, namespace: &str) -> Vec<Key> {
        if let Some(key) = self.of_object(object) {
            return vec![key];
        }
        let around = &self.graphs.around;
        match object.kind.as_str() {
            "HorizontalPodAutoscaler" => {
                let target = around.autoscalers.find(namespace, &object.name);
                let target = target.and_then(|found| Some(found.facts.spec.as_ref()?.scale_target_ref.clone()));
                target
                    .and_then(|target| Some(Key::new(target.kind.parse().ok()?, namespace, &target.name)))
                    .into_iter()
                    .collect()
            }
            "PersistentVolumeClaim" => {
                let mounts = |pod: &k8s_openapi::api::core::v1::Pod| {
                    let volumes = pod.spec.as_ref().and_then(|spec| spec.volumes.as_ref());
                    volumes.into_iter().flatten().any(|volume| {
                        volume.persistent_volume_claim.as_ref().is_some_and(|claim| claim.claim_name == object.name)
                    })
                };
                let pods = self.caches.pods.in_namespace(namespace);
                pods.iter().filter(|pod| mounts(&pod.pod())).filter_map(|pod| of_pod(&self.caches, pod)).collect()
            }
            "Service" => self.behind_service(namespace, &object.name).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// What a reported alert belongs to: what is known to be at fault for the same object, else the object.
    fn root_of_report(&self, alert: &Alert) -> ObjectRef {
        let object = &alert.workload;
        if let Some(root) = self.known_root(object) {
            return root;
        }
        let Some(key) = self.of_object(object) else { return object.clone() };
        let symptom = Symptom {
            rule: Rule::Reported,
            signal: alert.signal,
            severity: alert.severity,
            root: object.clone(),
            group: String::new(),
            pod: alert.pod.clone(),
            container: alert.container.clone(),
            message: alert.message.clone(),
            value: alert.value.clone(),
            threshold: alert.threshold.clone(),
            since: alert.first_seen,
            count: 1,
            evidence: Vec::new(),
        };
        let root = self.root_for(&key, object, &[symptom]);
        // As the symptoms of the workload itself have it: of a Job, its CronJob.
        root.or_else(|| Some(self.view(&key)?.root().clone())).unwrap_or_else(|| object.clone())
    }

    /// The UID of something that is there.
    fn uid(&self, key: &Key) -> Option<String> {
        let (namespace, name) = (key.place.namespace.as_str(), key.place.name.as_str());
        let caches = &self.caches;
        match key.kind {
            Kind::Deployment => uid(&caches.deployments, namespace, name),
            Kind::StatefulSet => uid(&caches.stateful_sets, namespace, name),
            Kind::DaemonSet => uid(&caches.daemon_sets, namespace, name),
            Kind::ReplicaSet => uid(&caches.replica_sets, namespace, name),
            Kind::Pod => uid(&caches.pods, namespace, name),
            Kind::Job => uid(&caches.jobs, namespace, name),
            Kind::CronJob => uid(&self.graphs.around.cron_jobs, namespace, name),
            Kind::Node => uid(&caches.nodes, "", name),
        }
    }

    /// The one workload whose pods a Service selects.
    fn behind_service(&self, namespace: &str, service: &str) -> Option<Key> {
        let service = self.graphs.around.services.find(namespace, service)?;
        let selector = service.facts.spec.as_ref()?.selector.clone().filter(|selector| !selector.is_empty())?;
        let pods = self.caches.pods.in_namespace(namespace);
        let selected =
            pods.iter().filter(|pod| selector.iter().all(|(key, value)| pod.facts.labels.get(key) == Some(value)));
        let mut workloads: BTreeSet<Key> = selected.filter_map(|pod| of_pod(&self.caches, pod)).collect();
        let one = workloads.pop_first();
        one.filter(|_| workloads.is_empty())
    }
}

impl Objects for Eyes {
    fn workload(&self, kind: &str, namespace: &str, name: &str) -> Option<ObjectRef> {
        let around = &self.graphs.around;
        let other = |uid: Option<String>, version: &str| {
            Some(ObjectRef {
                api_version: Some(version.to_owned()),
                kind: kind.to_owned(),
                namespace: Some(namespace.to_owned()),
                name: name.to_owned(),
                uid: Some(uid?),
            })
        };
        match kind {
            "Service" => return other(uid(&around.services, namespace, name), "v1"),
            "PersistentVolumeClaim" => return other(uid(&around.claims, namespace, name), "v1"),
            "ResourceQuota" => return other(uid(&around.quotas, namespace, name), "v1"),
            "Ingress" => return other(uid(&around.ingresses, namespace, name), "networking.k8s.io/v1"),
            "NetworkPolicy" => return other(uid(&around.policies, namespace, name), "networking.k8s.io/v1"),
            "HorizontalPodAutoscaler" => return other(uid(&around.autoscalers, namespace, name), "autoscaling/v2"),
            "PodDisruptionBudget" => return other(uid(&around.budgets, namespace, name), "policy/v1"),
            _ => {}
        }
        let key = Key::new(kind.parse().ok()?, namespace, name);
        self.uid(&key)?;
        let workload = Self::workload(self, key)?;
        Some(workload.reference(self.uid(&workload)))
    }

    fn node_of(&self, namespace: &str, pod: &str) -> Option<String> {
        self.caches.pods.find(namespace, pod)?.facts.node.clone()
    }

    fn node_at(&self, host: &str) -> Option<String> {
        if self.caches.nodes.find("", host).is_some() {
            return Some(host.to_owned());
        }
        let nodes = self.caches.nodes.all();
        let node = nodes.iter().find(|node| {
            let addresses = node.status.as_ref().and_then(|status| status.addresses.as_ref());
            addresses.into_iter().flatten().any(|address| address.address == host)
        })?;
        node.metadata.name.clone()
    }

    fn behind(&self, namespace: &str, service: &str) -> Option<ObjectRef> {
        let key = self.behind_service(namespace, service)?;
        Some(key.reference(self.uid(&key)))
    }
}

fn uid<K: Resource>(cache: &Many<K>, namespace: &str, name: &str) -> Option<String> {
    cache.find(namespace, name).map(|found| found.meta().uid.clone().unwrap_or_default())
}

fn named(object: &ObjectRef) -> String {
    match &object.namespace {
        Some(namespace) => format!("{namespace}/{}", object.name),
        None => object.name.clone(),
    }
}

/// The name of an alert, as far as it is shown.
fn shown(notice: &Notice) -> String {
    let name: String = notice.name().chars().filter(|c| !c.is_control()).take(80).collect();
    if name.is_empty() { "an alert without alertname".to_owned() } else { name }
}
