//! The requests of targets with a `metricsPort`: their pods are read, what grew is judged.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::detection::measure::{Subject, Tally};
use domain::detection::{PodView, WorkloadView, anchor};
use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::reader::{Door, Reader, Unread};
use super::{AGAIN, Metrics, Part};
use crate::eyes::Eyes;
use crate::key::Key;

/// Pods of a target that are read; what many pods tell, these tell too.
const PODS: usize = 20;
/// Targets that are read at once.
const TARGETS: usize = 16;
/// Metrics of the process itself, which no filter takes away.
const OWN: &str = "process_";

/// A name with `*` for any characters.
fn fits(name: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let Some(last) = pattern.split('*').next_back().filter(|_| pattern.contains('*')) else { return rest.is_empty() };
    let middle = parts.filter(|part| !part.is_empty()).collect::<Vec<_>>();
    let ends = usize::from(!last.is_empty());
    for part in middle.iter().take(middle.len().saturating_sub(ends)) {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

/// Whether a metric counts for a target. A pattern may name the family, without the ending of its parts.
fn counts(name: &str, filter: &[String]) -> bool {
    let family = ["_bucket", "_count", "_sum"].iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name);
    filter.is_empty()
        || name.starts_with(OWN)
        || filter.iter().any(|pattern| fits(name, pattern) || fits(family, pattern))
}

/// The pods that are read, with how they are reached.
fn doors(view: &WorkloadView, target: &Metrics) -> Vec<Door> {
    let mut doors: Vec<Door> = view
        .live_pods()
        .filter(|pod| pod.phase() == "Running")
        .filter_map(|pod| {
            let reference = pod.reference();
            Some(Door {
                address: pod.pod.status.as_ref()?.pod_ip.clone()?,
                namespace: reference.namespace.unwrap_or_default(),
                pod: reference.name,
                port: target.port?,
                path: target.path.clone(),
            })
        })
        .collect();
    doors.sort_by(|a, b| a.pod.cmp(&b.pod));
    doors.truncate(PODS);
    doors
}

/// The container that serves a port: the one that declares it, or the only one, or the first.
fn container(pod: &PodView, port: u16) -> Option<&str> {
    let containers = &pod.spec()?.containers;
    let declares = |port: u16| {
        containers
            .iter()
            .find(move |c| c.ports.iter().flatten().any(|declared| declared.container_port == i32::from(port)))
    };
    declares(port).or_else(|| containers.first()).map(|container| container.name.as_str())
}

impl Eyes {
    /// Reads the targets for ever, each at most once per interval.
    pub(super) async fn watch_requests(&self, reader: &Reader, targets: &[Metrics], interval: Duration) {
        let mut said: BTreeMap<Key, String> = BTreeMap::new();
        for round in 0_u64.. {
            let began = Instant::now();
            let reads: Vec<_> =
                targets.iter().map(|target| self.read_target(reader, target.clone(), round < 2)).collect();
            let mut reads = futures::stream::iter(reads).buffer_unordered(TARGETS);
            while let Some(read) = reads.next().await {
                if let Some((key, trouble)) = read {
                    say(&mut said, key, trouble);
                }
            }
            reader.keep(|namespace, pod| self.caches.pods.find(namespace, pod).is_some());
            if round == 1 {
                self.measures.settled(Part::Requests);
            }
            let pause = if round == 0 { interval.min(AGAIN) } else { interval };
            tokio::time::sleep_until(began + pause).await;
        }
    }

    /// Reads the pods of a target and judges what they tell; returns what could not be read.
    async fn read_target(&self, reader: &Reader, target: Metrics, began: bool) -> Option<(Key, Option<String>)> {
        let key = target.target.key()?;
        let view = self.view(&key)?;
        let port = target.port?;
        let now = self.clock.now();
        let doors = doors(&view, &target);
        let reads = doors.iter().map(async |door| (door, reader.read(door).await));
        let read = futures::future::join_all(reads).await;
        let mut trouble = None;
        let mut state = self.measures.lock();
        let meter = state.meters.entry(key.clone()).or_default();
        for (door, body) in read {
            let body = match body {
                Ok(body) => body,
                Err(Unread::Resting) => continue,
                Err(Unread::Failed(why)) => {
                    trouble = Some(why);
                    continue;
                }
            };
            let Some(pod) = view.pods.iter().find(|pod| pod.reference().name == door.pod) else { continue };
            let tally = Tally::read(&body, |name| counts(name, &target.filter), &asked(pod, &target));
            if tally.is_empty() {
                trouble = trouble.or_else(|| Some(empty(door)));
            }
            meter.read(&door.pod, tally, age(pod, now), now);
        }
        let container = view.live_pods().find_map(|pod| container(pod, port));
        let subject = Subject { workload: &view.workload, container, thresholds: &target.thresholds, began };
        let found = meter.judge(subject, now);
        drop(state);
        self.measures.publish(&key, Part::Requests, found);
        Some((key, trouble))
    }
}

/// Paths that the kubelet and we ask.
fn asked(pod: &PodView, target: &Metrics) -> Vec<String> {
    let containers = pod.spec().into_iter().flat_map(|spec| &spec.containers);
    let probes = containers.flat_map(|c| [&c.readiness_probe, &c.liveness_probe, &c.startup_probe]).flatten();
    let paths = probes.filter_map(|probe| probe.http_get.as_ref()?.path.clone());
    let plain = |path: String| path.split('?').next().unwrap_or_default().to_owned();
    // Who probes the root of a site probes what all others ask.
    paths.chain([target.path.clone()]).map(plain).filter(|path| path != "/").collect()
}

fn age(pod: &PodView, now: Timestamp) -> SignedDuration {
    // A container that was started again counts from then.
    let started = pod.statuses().filter_map(|(_, status)| {
        let running = status.state.as_ref()?.running.as_ref()?;
        Some(anchor(running.started_at.as_ref(), now))
    });
    started.max().map_or(SignedDuration::ZERO, |since| now.duration_since(since))
}

fn empty(door: &Door) -> String {
    format!(
        "pod {}/{} tells no requests with a status and no latencies at port {} and path {}; remedy: correct metricsPort, metricsPath and metricsFilter of the target",
        door.namespace, door.pod, door.port, door.path
    )
}

/// Says what cannot be read once, and once that it can be again.
fn say(said: &mut BTreeMap<Key, String>, key: Key, trouble: Option<String>) {
    let name = format!("{:?} {}", key.kind, key.place);
    match trouble {
        Some(why) if said.get(&key).is_none() => {
            tracing::warn!("metrics of {name} are not read in full: {why}");
            said.insert(key, why);
        }
        None if said.remove(&key).is_some() => tracing::info!("metrics of {name} are read again"),
        _ => {}
    }
}
