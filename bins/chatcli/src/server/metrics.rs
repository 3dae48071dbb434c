//! The server's own metrics, under the names that chatcli 1.188 documents where they say the same.
//!
//! What lives here: families that are read off the watcher at each scrape, and the counter of alerts. What does not: the
//! counters of the API client and the caches (`kit::metrics`) and of the calls (`grpc`).

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::detection::{Alert, Transition};
use grpc::Eyes;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::watcher::Watcher;

/// When to listen again after what was watched has changed.
const AGAIN: Duration = Duration::from_millis(100);

/// Labels of an alert; the names of 1.188.
#[derive(Clone, Debug, Hash, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
pub struct Labels {
    target: String,
    severity: String,
    r#type: String,
}

fn labels(alert: &Alert) -> Labels {
    // The level of the resources, not the three of old, so that rules can tell high from critical.
    let severity = format!("{:?}", alert.severity).to_lowercase();
    let workload = &alert.workload;
    let target = target(&workload.kind, workload.namespace.as_deref().unwrap_or_default(), &workload.name);
    Labels { target, severity, r#type: grpc::legacy_type(alert.signal) }
}

/// A workload as chatcli 1.188 names it in labels.
fn target(kind: &str, namespace: &str, name: &str) -> String {
    if namespace.is_empty() { format!("{kind}/{name}") } else { format!("{kind}/{namespace}/{name}") }
}

/// Labels of a workload's pods; `deployment` is the name of a workload of any kind, as of old.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Pods {
    namespace: String,
    deployment: String,
    kind: &'static str,
}

/// Label of a workload.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfTarget {
    target: String,
}

/// Alerts that were opened.
pub type Opened = Family<Labels, Counter>;

/// Registers everything; returns the counter that [`count`] counts in.
pub fn register(metrics: &kit::metrics::Metrics, calls: &grpc::Metrics, watcher: &Arc<Watcher>) -> Opened {
    let opened = Opened::default();
    metrics.register(|registry| {
        calls.register(registry);
        watcher.llm().metrics().register(registry);
        watcher.looks().register(registry);
        let llm = watcher.llm().state();
        let build =
            [("version", env!("CARGO_PKG_VERSION").to_owned()), ("provider", llm.provider), ("model", llm.model)];
        registry.register("server", "What runs here", Info::new(build.to_vec()));
        registry.register("watcher_alerts", "Alerts that were opened", opened.clone());
        registry.register_collector(Box::new(Now { watcher: watcher.clone(), began: Instant::now() }));
    });
    opened
}

/// What is read off the watcher when somebody asks.
struct Now {
    watcher: Arc<Watcher>,
    began: Instant,
}

impl fmt::Debug for Now {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Now").field("began", &self.began).finish_non_exhaustive()
    }
}

impl Collector for Now {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let status = self.watcher.status();
        for (name, help, value) in [
            ("watcher_targets_monitored", "Workloads that are watched", status.workloads),
            ("watcher_pods", "Pods that are watched", status.pods),
            (
                "watcher_ready",
                "1 once everything was looked at and every cache is filled",
                usize::from(self.watcher.pending().is_none()),
            ),
        ] {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(value as i64).encode(metric)?;
        }
        let uptime = encoder.encode_descriptor(
            "server_uptime_seconds",
            "Time since the process was started",
            None,
            MetricType::Gauge,
        )?;
        ConstGauge::new(self.began.elapsed().as_secs_f64()).encode(uptime)?;
        self.pods(&mut encoder)?;
        let mut open: BTreeMap<Labels, i64> = BTreeMap::new();
        for alert in self.watcher.alerts() {
            *open.entry(labels(&alert)).or_default() += 1;
        }
        let mut family =
            encoder.encode_descriptor("watcher_alerts_open", "Alerts that are open", None, MetricType::Gauge)?;
        for (labels, count) in &open {
            ConstGauge::new(*count).encode(family.encode_family(labels)?)?;
        }
        Ok(())
    }
}

/// A number of a workload.
type Count = fn(&detector::Fleet) -> i64;

impl Now {
    fn pods(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let fleet = self.watcher.fleet();
        let gauges: [(&str, &str, Count); 2] = [
            ("watcher_pods_ready", "Pods that are ready, by workload", |fleet| fleet.ready as i64),
            ("watcher_pods_desired", "Pods that are wished for, by workload", |fleet| i64::from(fleet.desired)),
        ];
        for (name, help, value) in gauges {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for of in &fleet {
                let labels = Pods { namespace: of.namespace.clone(), deployment: of.name.clone(), kind: of.kind };
                ConstGauge::new(value(of)).encode(family.encode_family(&labels)?)?;
            }
        }
        let help = "Restarts of the containers of a workload's present pods; a gauge, as of old";
        let mut family = encoder.encode_descriptor("watcher_pod_restarts_total", help, None, MetricType::Gauge)?;
        for of in &fleet {
            let labels = OfTarget { target: target(of.kind, &of.namespace, &of.name) };
            ConstGauge::new(of.restarts).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// Counts every alert that opens, until the process stops.
pub async fn count<E: Eyes>(
    opened: Opened,
    eyes: Arc<E>,
    stop: CancellationToken,
) -> Result<(), std::convert::Infallible> {
    let mut known: HashSet<String> = HashSet::new();
    let counting = async {
        loop {
            let (open, mut changes) = eyes.watch();
            // What has ended lately is told with what is there.
            let open: Vec<Alert> = open.into_iter().filter(|alert| alert.resolved_at.is_none()).collect();
            let now: HashSet<String> = open.iter().map(|alert| alert.id.clone()).collect();
            for alert in open.iter().filter(|alert| !known.contains(&alert.id)) {
                opened.get_or_create(&labels(alert)).inc();
            }
            known = now;
            loop {
                match changes.recv().await {
                    Ok(Transition::Resolved(alert)) => drop(known.remove(&alert.id)),
                    Ok(Transition::Firing(alert)) => {
                        opened.get_or_create(&labels(&alert)).inc();
                        known.insert(alert.id);
                    }
                    Ok(Transition::Changed(_)) => {}
                    // What was missed is made good for from a new snapshot.
                    Err(RecvError::Lagged(_)) => break,
                    // Something else is watched, or the process stops.
                    Err(RecvError::Closed) => {
                        tokio::time::sleep(AGAIN).await;
                        break;
                    }
                }
            }
        }
    };
    stop.run_until_cancelled(counting).await.unwrap_or(());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use api::shared::{ObjectRef, Severity, SignalType};
    use domain::detection::Rule;
    use grpc::{Analysis, Question, ServerState, WatcherStatus};
    use tokio::sync::{broadcast, watch};

    use super::*;

    struct Fake(Mutex<Vec<Alert>>, broadcast::Sender<Transition>);

    impl Fake {
        fn fire(&self, id: &str) {
            let object = ObjectRef {
                api_version: None,
                kind: "Deployment".into(),
                namespace: Some("shop".into()),
                name: "web".into(),
                uid: None,
            };
            let alert = Alert {
                id: id.into(),
                signal: SignalType::OomKill,
                rule: Rule::OutOfMemory,
                severity: Severity::High,
                root: object.clone(),
                workload: object,
                pod: None,
                container: None,
                message: String::new(),
                value: String::new(),
                threshold: String::new(),
                first_seen: jiff::Timestamp::UNIX_EPOCH,
                last_seen: jiff::Timestamp::UNIX_EPOCH,
                count: 1,
                evidence: Vec::new(),
                resolved_at: None,
                kept: None,
            };
            let mut open = self.0.lock().unwrap();
            open.push(alert.clone());
            let _ = self.1.send(Transition::Changed(alert.clone()));
            let _ = self.1.send(Transition::Firing(alert));
        }
    }

    impl Eyes for Fake {
        fn alerts(&self) -> Vec<Alert> {
            self.0.lock().unwrap().clone()
        }

        fn watch(&self) -> (Vec<Alert>, broadcast::Receiver<Transition>) {
            let open = self.0.lock().unwrap();
            (open.clone(), self.1.subscribe())
        }

        async fn analyze(&self, _: Question) -> Analysis {
            unreachable!("nobody asks")
        }

        fn states(&self) -> watch::Receiver<Arc<ServerState>> {
            watch::Sender::default().subscribe()
        }

        fn pending(&self) -> Option<String> {
            None
        }

        fn status(&self) -> WatcherStatus {
            WatcherStatus::default()
        }
    }

    #[tokio::test]
    async fn every_alert_is_counted_once_also_by_one_who_falls_behind() {
        let fake = Arc::new(Fake(Mutex::default(), broadcast::Sender::new(4)));
        let (opened, stop) = (Opened::default(), CancellationToken::new());
        let labels =
            Labels { target: "Deployment/shop/web".into(), severity: "high".into(), r#type: "OOMKilled".into() };
        let counted = || opened.get_or_create(&labels).get();
        let reaches = async |count: u64| {
            let wait = async {
                while counted() < count {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(std::time::Duration::from_secs(10), wait).await.expect("not counted");
        };
        fake.fire("before");
        let test = async {
            reaches(1).await;
            fake.fire("one");
            reaches(2).await;
            // Nothing else runs meanwhile: the channel overflows.
            (0..20).for_each(|number| fake.fire(&number.to_string()));
            reaches(22).await;
            fake.fire("last");
            reaches(23).await;
            assert_eq!(counted(), 23);
            stop.cancel();
        };
        let (ended, ()) = tokio::join!(count(opened.clone(), fake.clone(), stop.clone()), test);
        ended.unwrap();
    }
}
