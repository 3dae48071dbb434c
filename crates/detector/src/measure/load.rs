//! CPU and memory of all containers, from metrics-server: one list for the whole cluster, or one per namespace.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use domain::detection::measure::{Thresholds, Usage, limits};
use domain::diagnosis::amount;
use kube::Client;
use serde::Deserialize;
use tokio::time::Instant;

use super::{LOOK, Part};
use crate::eyes::Eyes;
use crate::key::Key;
use crate::view::of_pod;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// When a cluster that does not measure is asked again.
const LATER: Duration = Duration::from_mins(10);
/// Share of a threshold from which on a container is looked at in full.
const NEAR: f64 = 0.8;

#[derive(Deserialize)]
struct Measured {
    #[serde(default)]
    items: Vec<PodMetrics>,
}

#[derive(Deserialize)]
struct PodMetrics {
    #[serde(default)]
    metadata: Named,
    #[serde(default)]
    containers: Vec<Container>,
}

#[derive(Deserialize, Default)]
struct Named {
    #[serde(default)]
    name: String,
    #[serde(default)]
    namespace: String,
}

#[derive(Deserialize)]
struct Container {
    #[serde(default)]
    name: String,
    #[serde(default)]
    usage: BTreeMap<String, String>,
}

/// Why there are no numbers.
enum Gap {
    /// The cluster has no such API.
    Absent,
    /// It may not be read.
    Refused(String),
    /// It does not answer now.
    Silent(String),
}

async fn list(client: &Client, namespace: &str) -> Result<Measured, Gap> {
    let path = match namespace {
        "" => "/apis/metrics.k8s.io/v1beta1/pods".to_owned(),
        of => format!("/apis/metrics.k8s.io/v1beta1/namespaces/{of}/pods"),
    };
    let request = http::Request::get(path).body(Vec::new()).map_err(|error| Gap::Silent(error.to_string()))?;
    match tokio::time::timeout(PATIENCE, client.request::<Measured>(request)).await {
        Ok(Ok(measured)) => Ok(measured),
        Ok(Err(kube::Error::Api(status))) if status.code == 404 => Err(Gap::Absent),
        Ok(Err(kube::Error::Api(status))) if status.is_forbidden() => Err(Gap::Refused(status.message.clone())),
        Ok(Err(error)) => Err(Gap::Silent(error.to_string())),
        Err(_) => Err(Gap::Silent(format!("it does not answer within {} s", PATIENCE.as_secs()))),
    }
}

impl Eyes {
    /// Looks at load and nodes for ever.
    pub(super) async fn watch_load(&self, client: Client) {
        let mut began = true;
        let mut ask = Instant::now();
        let mut said = None;
        loop {
            let round = Instant::now();
            self.count_places(began);
            self.measures.settled(Part::Places);
            if ask <= round {
                match self.read_load(&client).await {
                    Ok(used) => {
                        self.measures.lock().measures_load = true;
                        said = None;
                        self.judge_load(used, began);
                    }
                    Err(gap) => {
                        self.measures.lock().measures_load = false;
                        let (why, again) = match gap {
                            Gap::Absent => (None, LATER),
                            Gap::Refused(why) => (Some(why), LATER),
                            Gap::Silent(why) => (Some(why), LOOK * 2),
                        };
                        ask = round + again;
                        if let Some(why) = why.filter(|_| said != Some(again)) {
                            tracing::warn!(
                                "PodMetrics of metrics.k8s.io cannot be read: {why}; cpu_high and memory_high are not found until then"
                            );
                            said = Some(again);
                        }
                        // What was open must not stay open for want of an answer. Prometheus may go on telling it.
                        self.judge_load(HashMap::new(), false);
                    }
                }
            }
            self.measures.settled(Part::Load);
            began = false;
            tokio::time::sleep_until(round + LOOK).await;
        }
    }

    async fn read_load(&self, client: &Client) -> Result<HashMap<Key, Vec<Usage>>, Gap> {
        let namespaces: BTreeSet<String> =
            if self.caches.whole { BTreeSet::from([String::new()]) } else { self.namespaces().into_iter().collect() };
        let mut used: HashMap<Key, Vec<Usage>> = HashMap::new();
        for namespace in namespaces {
            for pod in list(client, &namespace).await?.items {
                self.sort_load(pod, &mut used);
            }
        }
        Ok(used)
    }

    /// Puts what a pod uses to its workload.
    fn sort_load(&self, measured: PodMetrics, used: &mut HashMap<Key, Vec<Usage>>) {
        let Named { name, namespace } = measured.metadata;
        let Some(pod) = self.caches.pods.find(&namespace, &name) else { return };
        let Some(key) = of_pod(&self.caches, &pod).filter(|key| self.wants(key)) else { return };
        let all = used.entry(key).or_default();
        for container in measured.containers {
            let of = |resource: &str| {
                let millis = amount::millis(container.usage.get(resource)?)?;
                Some(millis.max(0) as f64 / 1000.0)
            };
            let (cpu, memory) = (of("cpu"), of("memory"));
            all.push(Usage { pod: name.clone(), container: container.name, cpu, memory });
        }
    }

    pub(super) fn judge_load(&self, mut used: HashMap<Key, Vec<Usage>>, began: bool) {
        // What is over or open is looked at whether it was measured or not.
        let known: HashSet<Key> = self.measures.lock().loads.keys().cloned().collect();
        for key in &known {
            used.entry(key.clone()).or_default();
        }
        let now = self.clock.now();
        for (key, used) in used {
            let thresholds = self.measures.thresholds(&key);
            if !known.contains(&key) && !self.near(&key, &used, &thresholds) {
                continue;
            }
            let Some(view) = self.view(&key) else {
                self.measures.forget(&key);
                self.measures.work.add(key);
                continue;
            };
            let mut state = self.measures.lock();
            let load = state.loads.entry(key.clone()).or_default();
            let found = load.judge((&view, &used), &thresholds, began, now);
            if load.is_idle() {
                state.loads.remove(&key);
            }
            drop(state);
            self.measures.publish(&key, Part::Load, found);
        }
    }

    /// Whether a container of a workload comes near to a limit. To put a whole workload together costs more.
    fn near(&self, key: &Key, used: &[Usage], thresholds: &Thresholds) -> bool {
        used.iter().any(|usage| {
            let Some(pod) = self.caches.pods.find(&key.place.namespace, &usage.pod) else { return false };
            let (cpu, memory) = limits(&pod.facts.spec, &usage.container);
            let over = |used: Option<f64>, limit: Option<f64>, opens: f64| {
                used.zip(limit).is_some_and(|(used, limit)| used >= limit * opens * NEAR)
            };
            over(usage.cpu, cpu, thresholds.cpu()) || over(usage.memory, memory, thresholds.memory())
        })
    }
}
