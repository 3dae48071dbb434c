//! Requests and load of workloads whose pods are not read themselves, as Prometheus knows them.
//!
//! A handful of instant queries per minute, whatever number of workloads there is; each gives one value per pod. Their
//! answers are put into the same text that applications tell, so that the same rules read them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;
use std::time::Duration;

use domain::detection::measure::{Subject, Tally, Thresholds, Usage};
use jiff::SignedDuration;
use serde::Deserialize;
use tokio::time::Instant;

use super::{Part, http};
use crate::eyes::Eyes;
use crate::key::Key;
use crate::view::of_pod;

/// Time between two rounds.
const ROUND: Duration = Duration::from_mins(1);
/// What a query looks back on. Twice the usual time between two scrapes, so that there are always two.
const BACK: SignedDuration = SignedDuration::from_mins(2);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of an answer; more is not read.
const MOST: usize = 4 * 1024 * 1024;
/// Rounds that are left out after failures, at most.
const REST: u32 = 9;

/// Families of requests, with the labels that tell how they ended.
const REQUESTS: [(&str, &str); 5] = [
    ("http_requests_total", "code, status, status_code"),
    ("http_server_request_duration_seconds_count", "http_response_status_code"),
    ("http_server_requests_seconds_count", "status"),
    ("http_request_duration_seconds_count", "code, status, status_code"),
    ("grpc_server_handled_total", "grpc_code"),
];
/// Families of latencies.
const TIMES: [&str; 4] = [
    "http_server_request_duration_seconds_bucket",
    "http_server_requests_seconds_bucket",
    "http_request_duration_seconds_bucket",
    "grpc_server_handling_seconds_bucket",
];
const CPU: &str = "container_cpu_usage_seconds_total";
const MEMORY: &str = "container_memory_working_set_bytes";

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    data: Data,
    #[serde(default)]
    error: String,
}

#[derive(Deserialize, Default)]
struct Data {
    #[serde(default)]
    result: Vec<Series>,
}

#[derive(Deserialize)]
struct Series {
    #[serde(default)]
    metric: BTreeMap<String, String>,
    value: (f64, String),
}

/// Namespace and name of a pod.
type Pod = (String, String);

impl Series {
    fn pod(&self) -> Option<Pod> {
        Some((self.metric.get("namespace")?.clone(), self.metric.get("pod")?.clone()))
    }

    fn number(&self) -> Option<f64> {
        self.value.1.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)
    }
}

/// Prometheus, and the pods that are asked about.
struct Source {
    http: reqwest::Client,
    url: String,
    /// Matchers of the namespaces.
    wanted: String,
}

impl Source {
    /// One instant query; the text of an error does not repeat the address, in which a password may stand.
    async fn ask(&self, query: &str) -> Result<Vec<Series>, String> {
        let short = |error: reqwest::Error| error.without_url().to_string();
        let url = reqwest::Url::parse_with_params(&self.url, [("query", query)]).map_err(|error| error.to_string())?;
        let mut response = self.http.get(url).timeout(PATIENCE).send().await.map_err(short)?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(short)? {
            if body.len() + chunk.len() > MOST {
                return Err(format!("the answer is larger than {} MiB", MOST >> 20));
            }
            body.extend_from_slice(&chunk);
        }
        let answer: Answer = serde_json::from_slice(&body).map_err(|_| {
            format!("it answers {} and not as Prometheus does; remedy: correct its URL", status.as_u16())
        })?;
        if answer.error.is_empty() { Ok(answer.data.result) } else { Err(answer.error) }
    }

    fn grown(&self, family: &str, labels: &str) -> String {
        let back = BACK.as_secs();
        format!("sum by (namespace, pod, {labels}) (increase({family}{{{}}}[{back}s]))", self.wanted)
    }

    /// What each pod has counted lately.
    async fn growth(&self) -> Result<HashMap<Pod, Tally>, String> {
        let mut texts: HashMap<Pod, String> = HashMap::new();
        let requests = REQUESTS.iter().map(|(family, labels)| (*family, *labels));
        for (family, labels) in requests.chain(TIMES.iter().map(|family| (*family, "le"))) {
            for series in self.ask(&self.grown(family, labels)).await? {
                let (Some(pod), Some(number)) = (series.pod(), series.number()) else { continue };
                let text = texts.entry(pod).or_default();
                let others = series.metric.iter().filter(|(name, _)| !matches!(name.as_str(), "namespace" | "pod"));
                // Rust quotes texts as the format does.
                let labels: Vec<String> = others.map(|(name, value)| format!("{name}={value:?}")).collect();
                let _ = writeln!(text, "{family}{{{}}} {number}", labels.join(","));
            }
        }
        Ok(texts.into_iter().map(|(pod, text)| (pod, Tally::read(text.as_bytes(), |_| true, &[]))).collect())
    }

    /// What each container uses.
    async fn load(&self) -> Result<HashMap<(Pod, String), Usage>, String> {
        let selector = format!("{}, container!=\"\", container!=\"POD\"", self.wanted);
        let by = "by (namespace, pod, container)";
        let cpu = self.ask(&format!("sum {by} (rate({CPU}{{{selector}}}[{}s]))", BACK.as_secs())).await?;
        let memory = self.ask(&format!("max {by} ({MEMORY}{{{selector}}})")).await?;
        let mut used: HashMap<(Pod, String), Usage> = HashMap::new();
        for (is_cpu, series) in cpu.iter().map(|s| (true, s)).chain(memory.iter().map(|s| (false, s))) {
            let (Some(pod), Some(container)) = (series.pod(), series.metric.get("container")) else { continue };
            let usage = used.entry((pod.clone(), container.clone())).or_insert_with(|| Usage {
                pod: pod.1,
                container: container.clone(),
                ..Usage::default()
            });
            if is_cpu {
                usage.cpu = series.number();
            } else {
                usage.memory = series.number();
            }
        }
        Ok(used)
    }
}

impl Eyes {
    /// Asks Prometheus for ever; `read` are the workloads whose pods are read themselves.
    pub(super) async fn watch_prometheus(&self, url: &str, read: &HashSet<Key>) {
        let Ok(http) = http() else { return std::future::pending().await };
        let url = format!("{}/api/v1/query", url.trim_end_matches('/'));
        let mut failures = 0_u32;
        loop {
            let began = Instant::now();
            let wanted = self.prometheus_matchers();
            let source = Source { http: http.clone(), url: url.clone(), wanted };
            match self.ask_prometheus(&source, read).await {
                Ok(()) if failures > 0 => {
                    tracing::info!("Prometheus answers again");
                    failures = 0;
                }
                Ok(()) => {}
                Err(why) => {
                    if failures == 0 {
                        tracing::warn!(
                            "Prometheus (PROMETHEUS_URL) cannot be asked: {why}; what only it knows is not found until then"
                        );
                    }
                    failures = failures.saturating_add(1);
                }
            }
            tokio::time::sleep_until(began + ROUND * (1 + failures.min(REST))).await;
        }
    }

    /// Asks once, whether metrics-server answers or not.
    #[cfg(test)]
    pub(crate) async fn prometheus_once(&self, url: &str) -> Result<(), String> {
        let url = format!("{url}/api/v1/query");
        let source = Source { http: http()?, url, wanted: self.prometheus_matchers() };
        self.measures.lock().measures_load = false;
        self.ask_prometheus(&source, &HashSet::new()).await
    }

    fn prometheus_matchers(&self) -> String {
        if self.caches.whole {
            return "pod!=\"\"".to_owned();
        }
        let namespaces: BTreeSet<String> = self.namespaces().into_iter().collect();
        // Names of namespaces have nothing that an expression would read otherwise.
        format!("pod!=\"\", namespace=~\"{}\"", namespaces.into_iter().collect::<Vec<_>>().join("|"))
    }

    /// The workload of a pod that is watched.
    fn watched(&self, (namespace, name): &Pod) -> Option<Key> {
        let pod = self.caches.pods.find(namespace, name)?;
        of_pod(&self.caches, &pod).filter(|key| self.wants(key))
    }

    async fn ask_prometheus(&self, source: &Source, read: &HashSet<Key>) -> Result<(), String> {
        let growth = source.growth().await?;
        let mut by_workload: HashMap<Key, Vec<(String, Tally)>> = HashMap::new();
        for (pod, tally) in growth {
            if let Some(key) = self.watched(&pod).filter(|key| !tally.is_empty() && !read.contains(key)) {
                by_workload.entry(key).or_default().push((pod.1, tally));
            }
        }
        self.judge_growth(by_workload, read);
        if self.measures.measures_load() {
            return Ok(());
        }
        let mut used: HashMap<Key, Vec<Usage>> = HashMap::new();
        for ((pod, _), usage) in source.load().await? {
            if let Some(key) = self.watched(&pod) {
                used.entry(key).or_default().push(usage);
            }
        }
        self.judge_load(used, false);
        Ok(())
    }

    fn judge_growth(&self, mut by_workload: HashMap<Key, Vec<(String, Tally)>>, read: &HashSet<Key>) {
        let now = self.clock.now();
        let from = now.saturating_sub(BACK).unwrap_or(now);
        // What was told of before is judged, whether it was told of now or not.
        let known: Vec<Key> = self.measures.lock().meters.keys().filter(|key| !read.contains(key)).cloned().collect();
        for key in known {
            by_workload.entry(key).or_default();
        }
        for (key, pods) in by_workload {
            let Some(object) = self.object(&key) else {
                self.measures.forget(&key);
                self.measures.work.add(key);
                continue;
            };
            let thresholds: Thresholds = self.measures.thresholds(&key);
            let mut state = self.measures.lock();
            let meter = state.meters.entry(key.clone()).or_default();
            for (pod, tally) in pods {
                meter.grew(&pod, &tally, from, now);
            }
            let subject = Subject { workload: &object, container: None, thresholds: &thresholds, began: false };
            let found = meter.judge(subject, now);
            if meter.is_idle() {
                state.meters.remove(&key);
            }
            drop(state);
            self.measures.publish(&key, Part::Requests, found);
        }
    }
}
