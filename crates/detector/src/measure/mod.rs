//! Numbers: the metrics of the pods of a target, the load of all containers, the pods of every node.
//!
//! What lives here: whom to ask, how often, and what is told of the answers. What does not: what the numbers mean
//! (`domain::detection::measure`), and the book of alerts (`eyes`).
//!
//! Each target is read at most once per interval, and one that does not answer holds up no other. The load of everything
//! is one request to metrics-server per namespace, or for the whole cluster; a cluster without it is asked again from time
//! to time.

mod load;
mod places;
mod prometheus;
mod reader;
mod requests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use api::shared::ObjectRef;
use domain::detection::measure::{Crowd, Load, Meter, Thresholds};
use domain::detection::{Evaluation, Symptom};
use kit::controller::Env;
use kit::work::Work;
use kube::Client;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::eyes::Eyes;
use crate::key::{Key, Kind};
use crate::scope::Target;
pub(crate) use reader::Reader;

/// What is read of the pods of a target, and what counts as too much.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Metrics {
    /// The target.
    pub target: Target,
    /// Port of the pods' metrics; none where only thresholds are given.
    pub port: Option<u16>,
    /// Path of the pods' metrics.
    pub path: String,
    /// Names of metrics that count, with `*` for any characters; all where there is none.
    pub filter: Vec<String>,
    /// Thresholds of its own.
    pub thresholds: Thresholds,
}

/// What is measured, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measuring {
    /// Targets with metrics or thresholds of their own.
    pub targets: Vec<Metrics>,
    /// Time between two readings of the same pod.
    pub interval: Duration,
    /// Where Prometheus is, which is asked about workloads whose pods are not read.
    pub prometheus: Option<String>,
    /// Whether this process runs outside the cluster. There the address of a pod may be that of another machine, so pods
    /// are asked through the API server alone.
    pub outside: bool,
}

impl Default for Measuring {
    fn default() -> Self {
        Self { targets: Vec::new(), interval: Duration::from_secs(30), prometheus: None, outside: false }
    }
}

/// Time between two looks at load and nodes.
const LOOK: Duration = Duration::from_secs(30);
/// A second reading comes this soon at the start, so that what was wrong before it is known as wrong early.
const AGAIN: Duration = Duration::from_secs(5);
/// The first look of the process waits no longer than this for numbers.
const PATIENCE: Duration = Duration::from_secs(12);

/// How long a connection and an answer may take.
const CONNECT: Duration = Duration::from_secs(2);
const ANSWER: Duration = Duration::from_secs(5);

/// Where a symptom comes from: each source tells its own, all of an object are one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Part {
    Requests,
    Load,
    Places,
}

#[derive(Default)]
struct State {
    meters: HashMap<Key, Meter>,
    loads: HashMap<Key, Load>,
    crowds: HashMap<String, Crowd>,
    found: HashMap<Key, BTreeMap<Part, Vec<Symptom>>>,
    /// Objects at fault that were known when requests of a workload began to fail.
    roots: HashMap<Key, ObjectRef>,
    /// Whether metrics-server answers.
    measures_load: bool,
    /// Sources whose first account is awaited, and until when.
    pending: HashSet<Part>,
    until: Option<Instant>,
}

/// What is measured of everything, and what is wrong in it.
#[derive(Default)]
pub(crate) struct Measures {
    work: Work<Key>,
    thresholds: Mutex<HashMap<Key, Thresholds>>,
    state: Mutex<State>,
}

impl Measures {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many sources have not given their first account.
    pub(crate) fn left(&self) -> usize {
        let state = self.lock();
        let over = state.until.is_none_or(|until| until <= Instant::now());
        if over { 0 } else { state.pending.len() }
    }

    /// Whether metrics-server tells the load.
    fn measures_load(&self) -> bool {
        self.lock().measures_load
    }

    fn settled(&self, part: Part) {
        self.lock().pending.remove(&part);
    }

    /// The thresholds of a workload.
    fn thresholds(&self, key: &Key) -> Thresholds {
        let known = self.thresholds.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key).cloned().unwrap_or_default()
    }

    /// Takes what a source says of an object now.
    fn publish(&self, key: &Key, part: Part, symptoms: Vec<Symptom>) {
        let mut state = self.lock();
        let told = if symptoms.is_empty() {
            state.found.get_mut(key).and_then(|parts| parts.remove(&part)).is_some()
        } else {
            state.found.entry(key.clone()).or_default().insert(part, symptoms);
            true
        };
        drop(state);
        if told {
            self.work.add(key.clone());
        }
    }

    /// An object is not there any more: what is told of it is over.
    pub(crate) fn gone(&self, key: &Key) {
        if self.lock().found.contains_key(key) {
            self.work.add(key.clone());
        }
    }

    /// Objects about which something is told, for which something holds.
    fn told_of(&self, holds: impl Fn(&Key) -> bool) -> Vec<Key> {
        self.lock().found.keys().filter(|key| holds(key)).cloned().collect()
    }

    /// Everything that is wrong with an object now.
    fn symptoms(&self, key: &Key) -> Vec<Symptom> {
        let state = self.lock();
        let mut all: Vec<Symptom> =
            state.found.get(key).into_iter().flat_map(BTreeMap::values).flatten().cloned().collect();
        all.sort_by_key(|symptom| std::cmp::Reverse(symptom.rule));
        all
    }

    /// An object is gone.
    fn forget(&self, key: &Key) {
        let mut state = self.lock();
        state.meters.remove(key);
        state.loads.remove(key);
        state.crowds.remove(&key.place.name).filter(|_| key.kind == Kind::Node);
        state.found.remove(key);
        state.roots.remove(key);
    }
}

/// A client for what is not the API server. Nobody may send it elsewhere, and no proxy of the environment is asked.
fn http() -> Result<reqwest::Client, String> {
    // The client takes the provider of the process. When there is one already it is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .timeout(ANSWER)
        .pool_max_idle_per_host(0)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .user_agent(concat!("chatcli-aiops/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| error.to_string())
}

impl Eyes {
    /// Measures until the process stops; begins when the caches are filled.
    pub(crate) fn measure(
        self: &Arc<Self>,
        client: &Client,
        measuring: Measuring,
        begun: &watch::Receiver<bool>,
        env: &Env,
    ) {
        let own = measuring.targets.iter().filter_map(|of| Some((of.target.key()?, of.thresholds.clone())));
        *self.measures.thresholds.lock().unwrap_or_else(PoisonError::into_inner) = own.collect();
        let targets: Vec<Metrics> = measuring.targets.into_iter().filter(|of| of.port.is_some()).collect();
        {
            let mut state = self.measures.lock();
            state.pending = HashSet::from([Part::Load, Part::Places]);
            if !targets.is_empty() {
                state.pending.insert(Part::Requests);
            }
        }
        self.worker("detector-measured", env, begun.clone(), self.measures.work.clone(), Self::account_safely);
        let (eyes, mut ready, client_) = (self.clone(), begun.clone(), client.clone());
        Self::until_stopped("detector-load", env, async move {
            if ready.wait_for(|begun| *begun).await.is_err() {
                return std::future::pending().await;
            }
            eyes.measures.lock().until = Some(Instant::now() + PATIENCE);
            eyes.watch_load(client_).await;
        });
        if let Some(url) = measuring.prometheus {
            let read: HashSet<Key> = targets.iter().filter_map(|of| of.target.key()).collect();
            let (eyes, mut ready) = (self.clone(), begun.clone());
            Self::until_stopped("detector-prometheus", env, async move {
                if ready.wait_for(|begun| *begun).await.is_err() {
                    return std::future::pending().await;
                }
                eyes.watch_prometheus(&url, &read).await;
            });
        }
        if targets.is_empty() {
            return;
        }
        let reader = Reader::new(client.clone()).outside(measuring.outside);
        let (eyes, mut ready) = (self.clone(), begun.clone());
        Self::until_stopped("detector-metrics", env, async move {
            if ready.wait_for(|begun| *begun).await.is_err() {
                return std::future::pending().await;
            }
            eyes.watch_requests(&reader, &targets, measuring.interval).await;
        });
    }

    fn until_stopped(name: &'static str, env: &Env, work: impl Future<Output = ()> + Send + 'static) {
        let token = env.supervisor.token().clone();
        env.supervisor.spawn(name, async move {
            token.run_until_cancelled(work).await.unwrap_or(());
            Ok::<_, std::convert::Infallible>(())
        });
    }

    fn account_safely(&self, key: &Key, env: &Env) -> Option<Instant> {
        let (next, _) = self.survive("detector-measured", key, env, || self.account(key));
        next.unwrap_or_else(Some)
    }

    /// Tells what the numbers say of an object.
    fn account(&self, key: &Key) -> Option<jiff::Timestamp> {
        let now = self.clock.now();
        let Some(object) = self.object(key) else {
            self.measures.forget(key);
            self.forget_measured(&key.reference(None), now);
            return None;
        };
        let mut symptoms = self.measures.symptoms(key);
        self.point(key, &object, &mut symptoms);
        self.note_measured(&object, &Evaluation { symptoms, next_look: None, healthy: true }, now)
    }

    /// The object behind a key, as it is now.
    fn object(&self, key: &Key) -> Option<ObjectRef> {
        if key.kind == Kind::Node {
            return Some(key.reference(self.caches.nodes.find("", &key.place.name)?.metadata.uid.clone()));
        }
        Some(self.view(key)?.workload)
    }

    /// Requests that fail since something around the workload is known to be broken point to that, and stay with it.
    fn point(&self, key: &Key, object: &ObjectRef, symptoms: &mut [Symptom]) {
        let requests: Vec<Symptom> = symptoms.iter().filter(|symptom| of_requests(symptom)).cloned().collect();
        let known = self.measures.lock().roots.get(key).cloned();
        if requests.is_empty() {
            self.measures.lock().roots.remove(key);
            return;
        }
        // What had no other root when it opened keeps its own.
        let root = known.unwrap_or_else(|| {
            let root = self.graphs.root_for(object, &requests, false, &[]).unwrap_or_else(|| object.clone());
            self.measures.lock().roots.insert(key.clone(), root.clone());
            root
        });
        for symptom in symptoms.iter_mut().filter(|symptom| of_requests(symptom)) {
            symptom.root = root.clone();
        }
    }
}

fn of_requests(symptom: &Symptom) -> bool {
    use domain::detection::Rule;
    matches!(symptom.rule, Rule::ErrorRate | Rule::Latency)
}
