//! The detector as the gRPC service sees it, what is missing until it can be trusted, and what the server says of itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use api::shared::ObjectRef;
use detector::{Detector, Fleet, Looks, Reports, Scope};
use domain::detection::alertmanager::{Notice, Report};
use domain::detection::{Alert, Transition};
use domain::diagnosis::{Diagnosis, Evidence, unseen};
use grpc::{Analysis, NotNow, ProviderState, Question, ServerState, TargetState, WatcherStatus};
use jiff::SignedDuration;
use kit::clock::{Clock, SystemClock};
use ports::llm::Llm;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use super::analyst;
use super::targets::Plan;

/// How often it is looked whether something has changed in the state, while the first look goes on and after it.
const SOON: Duration = Duration::from_millis(100);
const LATER: Duration = Duration::from_secs(1);

/// What is watched now.
#[derive(Clone)]
struct Watched {
    detector: Detector,
    scope: String,
}

/// The detector, who is asked for analyses, and the state of both.
pub struct Watcher {
    watched: RwLock<Option<Watched>>,
    llm: Llm,
    looks: Looks,
    /// What Alertmanager has told, whatever is watched.
    reports: Reports,
    /// Nobody ever speaks here: for those who listen although nothing is watched. It ends when something is, so that
    /// who came too early connects again.
    silence: Mutex<broadcast::Sender<Transition>>,
    /// Whether anything is to be watched.
    active: bool,
    standby: AtomicBool,
    /// What is wrong with the watch as a whole: the file, the Lease.
    problems: RwLock<[Option<String>; 2]>,
    states: watch::Sender<Arc<ServerState>>,
}

impl Watcher {
    /// Nothing is watched before [`Watcher::replace`]; `active` says whether anything will be, `standby` whether another
    /// replica may be the one who tells.
    pub fn new(llm: Llm, active: bool, standby: bool) -> Self {
        let watcher = Self {
            watched: RwLock::default(),
            llm,
            looks: Looks::default(),
            reports: Reports::default(),
            silence: Mutex::new(broadcast::Sender::new(1)),
            active,
            standby: AtomicBool::new(standby),
            problems: RwLock::default(),
            states: watch::Sender::default(),
        };
        watcher.refresh();
        watcher
    }

    /// With alerts of an Alertmanager that repeats what is still there so often.
    pub fn repeated_every(mut self, repeat_interval: SignedDuration) -> Self {
        self.reports = Reports::new(repeat_interval);
        self
    }

    /// Watches with another detector from now on. The streams of the one before end when it is dropped.
    pub fn replace(&self, detector: Detector, plan: &Plan) {
        let scope = in_words(&plan.scope);
        let mut watched = self.watched.write().unwrap_or_else(PoisonError::into_inner);
        *watched = Some(Watched { detector, scope });
        *self.silence.lock().unwrap_or_else(PoisonError::into_inner) = broadcast::Sender::new(1);
        drop(watched);
        self.refresh();
    }

    /// Says whether another replica tells the alerts.
    pub fn set_standby(&self, standby: bool) {
        self.standby.store(standby, Ordering::SeqCst);
        self.refresh();
    }

    /// Says what is wrong with the file of the targets.
    pub fn config_problem(&self, why: Option<String>) {
        self.problem(0, why);
    }

    /// Says what is wrong with the Lease.
    pub fn lease_problem(&self, why: Option<String>) {
        self.problem(1, why);
    }

    fn problem(&self, which: usize, why: Option<String>) {
        if let Some(slot) = self.problems.write().unwrap_or_else(PoisonError::into_inner).get_mut(which) {
            *slot = why;
        }
        self.refresh();
    }

    fn watched(&self) -> Option<Watched> {
        self.watched.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is missing until everything was looked at, each with its reason and remedy; empty when nothing is.
    pub fn missing(&self) -> Vec<String> {
        match self.watched() {
            Some(watched) => watched.detector.missing(),
            None if self.active => vec!["the watch has not begun yet".to_owned()],
            None => Vec::new(),
        }
    }

    /// Whether the first look is over, also where something is refused for good.
    pub fn has_looked(&self) -> bool {
        self.watched().map_or(!self.active, |watched| watched.detector.first_look_pending().is_none())
    }

    /// What is watched, in a sentence.
    pub fn in_words(&self) -> String {
        let WatcherStatus { scope, workloads, pods, alerts, .. } = grpc::Eyes::status(self);
        if scope.is_empty() {
            return "nothing is watched".to_owned();
        }
        format!("{workloads} workloads with {pods} pods in {scope}, {alerts} open alerts")
    }

    /// The workloads that are watched, with the number of their pods.
    pub fn fleet(&self) -> Vec<Fleet> {
        self.watched().map(|watched| watched.detector.fleet()).unwrap_or_default()
    }

    /// Where looks are counted.
    pub fn looks(&self) -> &Looks {
        &self.looks
    }

    /// What Alertmanager has told.
    pub fn reports(&self) -> &Reports {
        &self.reports
    }

    /// The language models.
    pub fn llm(&self) -> &Llm {
        &self.llm
    }

    /// Tells the state, if it is another one.
    fn refresh(&self) {
        let state = self.state();
        let changed = |known: &mut Arc<ServerState>| {
            let other = **known != state;
            if other {
                *known = Arc::new(state);
            }
            other
        };
        self.states.send_if_modified(changed);
    }

    fn state(&self) -> ServerState {
        let whole: Vec<String> =
            self.problems.read().unwrap_or_else(PoisonError::into_inner).iter().flatten().cloned().collect();
        let target = |target: detector::TargetState| TargetState {
            kind: target.kind,
            namespace: target.namespace,
            name: target.name,
            looked_at: target.looked_at,
            problem: target.problem.into_iter().chain(whole.clone()).collect::<Vec<_>>().join("; "),
        };
        let targets = match self.watched() {
            Some(watched) => watched.detector.targets(),
            // No target at all would say that there is none.
            None if self.active => vec![detector::TargetState::default()],
            None => Vec::new(),
        };
        let llm = self.llm.state();
        ServerState {
            standby: self.standby.load(Ordering::SeqCst),
            targets: targets.into_iter().map(target).collect(),
            provider: ProviderState { name: llm.provider, model: llm.model, ready: llm.ready, problem: llm.problem },
        }
    }

    async fn diagnose(&self, question: &Question) -> (Diagnosis, Option<Box<Evidence>>) {
        let Question { resource, root, signal, failed, .. } = question.clone();
        if let Some(watched) = self.watched() {
            let question = detector::Question { resource, root, signal, failed };
            let analysis = watched.detector.analyze(&question).await;
            return (analysis.diagnosis, analysis.evidence);
        }
        let asked = ObjectRef {
            api_version: None,
            kind: resource.kind,
            namespace: Some(resource.namespace).filter(|namespace| !namespace.is_empty()),
            name: resource.name,
            uid: None,
        };
        let remedy = "Name the workload among the targets of the server's Instance.";
        (unseen(asked, "this server watches nothing", remedy, SystemClock.now()), None)
    }
}

fn in_words(scope: &Scope) -> String {
    match scope {
        Scope::All => "all namespaces".to_owned(),
        Scope::Targets(targets) => {
            let mut names: Vec<&str> = targets.iter().map(|target| target.namespace.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            let named = targets.iter().filter(|target| target.workload.is_some()).count();
            let of = if named == 0 { String::new() } else { format!("{named} targets of ") };
            format!("{of}{}", names.join(", "))
        }
    }
}

/// Keeps the state fresh until the process stops, and says once that everything was looked at.
pub async fn tell(watcher: Arc<Watcher>, stop: CancellationToken) -> Result<(), std::convert::Infallible> {
    let began = Instant::now();
    let mut announced = false;
    let telling = async {
        loop {
            watcher.refresh();
            let looked = watcher.missing().is_empty();
            if looked && !announced {
                announced = true;
                let after_ms = began.elapsed().as_millis();
                tracing::info!(after_ms, "ready: {}", watcher.in_words());
            }
            tokio::time::sleep(if looked { LATER } else { SOON }).await;
        }
    };
    stop.run_until_cancelled(telling).await.unwrap_or(());
    Ok(())
}

impl grpc::Eyes for Watcher {
    fn alerts(&self) -> Vec<Alert> {
        self.watched().map(|watched| watched.detector.alerts()).unwrap_or_default()
    }

    fn watch(&self) -> (Vec<Alert>, broadcast::Receiver<Transition>) {
        // Under the lock, so that nobody is left in a silence that has ended already.
        let watched = self.watched.read().unwrap_or_else(PoisonError::into_inner);
        match &*watched {
            Some(watched) => watched.detector.watch(),
            None => (Vec::new(), self.silence.lock().unwrap_or_else(PoisonError::into_inner).subscribe()),
        }
    }

    async fn analyze(&self, question: Question) -> Analysis {
        let (diagnosis, evidence) = self.diagnose(&question).await;
        analyst::answer(&self.llm, &question.ask, diagnosis, evidence.as_deref()).await
    }

    fn states(&self) -> watch::Receiver<Arc<ServerState>> {
        self.states.subscribe()
    }

    fn providers(&self) -> Vec<String> {
        self.llm.available()
    }

    fn pending(&self) -> Option<String> {
        Some(self.missing().join("; ")).filter(|missing| !missing.is_empty())
    }

    fn first_look(&self) -> Option<String> {
        match self.watched() {
            Some(watched) => watched.detector.first_look_pending(),
            None => self.active.then(|| "the watch has not begun yet".to_owned()),
        }
    }

    fn status(&self) -> WatcherStatus {
        let Some(Watched { detector, scope }) = self.watched() else {
            return WatcherStatus { active: self.active, ..WatcherStatus::default() };
        };
        let detector::Counts { workloads, pods, alerts } = detector.counts();
        WatcherStatus { active: self.active, scope, workloads, pods, alerts }
    }

    fn report(&self, notices: &[Notice]) -> Result<Report, NotNow> {
        if !self.active {
            return Err(NotNow::Never(
                "this server watches nothing, so no alert concerns it; remedy: name targets in its Instance, or post to another server".to_owned(),
            ));
        }
        if self.standby.load(Ordering::SeqCst) {
            return Err(NotNow::Later("another replica raises the alerts; send them again to reach it".to_owned()));
        }
        let looked = self.watched().filter(|watched| watched.detector.first_look_pending().is_none());
        let Some(Watched { detector, .. }) = looked else {
            return Err(NotNow::Later("the first look at the cluster goes on; send them again in a moment".to_owned()));
        };
        Ok(detector.report(notices))
    }
}
