//! A large cluster that never rests: how soon a fault is seen among 10 000 changes a minute, and what seeing costs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{ConfigMap, Event, Pod};
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use tokio::time::MissedTickBehavior;

use crate::Args;
use crate::figures::{HOME, NODES, Platform, add_percentiles, incidents, rss};
use crate::report::{Figure, Report};
use crate::world::{World, create_namespace, now_seconds, spawn, workload_name};

/// The workloads are spread over as many namespaces.
const NAMESPACES: usize = 10;
/// The metric that times looks at namespaces and its label for them.
const LOOKS: (&str, &str) = ("chatcli_reconcile_seconds", "\"detector-graph\"");
/// The metric that times answers, and its label for analyses.
const ANSWERS: (&str, &str) = ("chatcli_grpc_request_duration_seconds", "AnalyzeIssue\"");

fn namespace(index: usize) -> String {
    format!("bench-churn-{index}")
}

/// Delays of incidents, time of looks and analyses, memory and requests while events, pods and configuration change.
///
/// # Errors
/// When the world cannot be made, or an incident is not seen within its deadline.
pub async fn measure(client: &Client, args: &Args, report: &mut Report) -> anyhow::Result<()> {
    let world = World::new(client, NODES).await?;
    create_namespace(client, HOME).await?;
    let each = args.workloads.div_ceil(NAMESPACES);
    for index in 0..NAMESPACES {
        world.furnish(&namespace(index), each).await?;
        world.deploy(&namespace(index), each, args.pods, NODES).await?;
    }
    let platform = Platform::start(args).await?;
    let changes = Arc::new(AtomicU64::new(0));
    let churn = spawn(churn(client.clone(), each, args.changes, changes.clone()));
    let (began, before) = (Instant::now(), platform.server.api_requests().await?);
    let delays = incidents(client, &world, &namespace(0), args.incidents.min(each)).await;
    // The rate is measured over at least a minute, however fast the incidents go.
    tokio::time::sleep(Duration::from_mins(1).saturating_sub(began.elapsed())).await;
    let took = began.elapsed();
    let made = changes.load(Ordering::Relaxed);
    let requests = platform.server.api_requests().await?.since(&before);
    let (looks, answers) = (
        platform.server.percentile_ms(LOOKS.0, LOOKS.1, 99.0).await?,
        platform.server.percentile_ms(ANSWERS.0, ANSWERS.1, 99.0).await?,
    );
    let memory = platform.server.rss_mib();
    churn.abort();
    platform.stop().await?;
    for index in 0..NAMESPACES {
        world.remove(&namespace(index)).await?;
    }
    let delays = delays?;
    let rate = made as f64 / took.as_secs_f64() * 60.0;
    let size =
        format!("{} pods, {} workloads, {rate:.0} changes/min", each * NAMESPACES * args.pods, each * NAMESPACES);
    let how = format!("{} incidents meanwhile; events, pod status and ConfigMaps change", delays.to_issue.len());
    add_percentiles(report, &format!("{size}: change → Issue"), &delays.to_issue, (300.0, 1000.0), "–", &how);
    for (name, (p99, count), target) in
        [("look at a namespace (p99)", looks, 100.0), ("analysis (p99)", answers, 1000.0)]
    {
        report.add(Figure {
            name: format!("there: {name}"),
            value: format!("≤ {p99:.0} ms"),
            target: format!("{target:.0} ms"),
            reached: p99 <= target,
            go: "–".into(),
            how: format!("the process's own histogram, {count:.0} of them"),
        });
    }
    report.add(rss("there: server RSS", memory, "–"));
    let hourly = requests.total() / took.as_secs_f64() * 3600.0;
    report.add(Figure {
        name: "there: API requests of the server per hour".into(),
        value: format!("{hourly:.0}"),
        target: "analyses only".into(),
        // What an analysis reads of logs and events is the only thing that may grow with incidents.
        reached: requests.total() <= 20.0 * answers.1.max(1.0),
        go: "–".into(),
        how: format!("over {:.0} s: {}", took.as_secs_f64(), requests.most(4)),
    });
    Ok(())
}

/// Changes things for ever, `rate` times a minute: six of ten are Events of pods, three the status of a pod, one a
/// ConfigMap.
async fn churn(client: Client, each: usize, rate: u64, made: Arc<AtomicU64>) {
    let mut pods = Vec::new();
    for index in 0..NAMESPACES {
        let api: Api<Pod> = Api::namespaced(client.clone(), &namespace(index));
        let Ok(list) = api.list_metadata(&ListParams::default()).await else { continue };
        pods.extend(
            list.items.into_iter().map(|pod| (namespace(index), pod.name_any(), pod.uid().unwrap_or_default())),
        );
    }
    let mut tick = tokio::time::interval(Duration::from_mins(1) / u32::try_from(rate.max(1)).unwrap_or(u32::MAX));
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for turn in 0_u64.. {
        tick.tick().await;
        let Some((place, pod, uid)) = pods.get(usize::try_from(turn).unwrap_or_default() * 7 % pods.len().max(1))
        else {
            return;
        };
        let change = change(client.clone(), turn, each, (place.clone(), pod.clone(), uid.clone()));
        let made = made.clone();
        spawn(async move {
            if change.await {
                made.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
}

async fn change(client: Client, turn: u64, each: usize, (place, pod, uid): (String, String, String)) -> bool {
    let Ok(now) = jiff::Timestamp::from_second(now_seconds()).map(|now| now.to_string()) else { return false };
    match turn % 10 {
        0..6 => {
            let api: Api<Event> = Api::namespaced(client, &place);
            let event = json!({"metadata": {"generateName": "churn-"}, "type": "Normal", "reason": "Pulled", "count": 1,
                "message": "Container image is present on machine", "firstTimestamp": now, "lastTimestamp": now,
                "source": {"component": "kubelet"},
                "involvedObject": {"apiVersion": "v1", "kind": "Pod", "namespace": place, "name": pod, "uid": uid}});
            let Ok(event) = serde_json::from_value(event) else { return false };
            api.create(&PostParams::default(), &event).await.is_ok()
        }
        6..9 => {
            let api: Api<Pod> = Api::namespaced(client, &place);
            let status = json!({"status": {"conditions": [{"type": "example.com/churn", "status": "True", "lastProbeTime": now, "message": turn.to_string()}]}});
            api.patch_status(&pod, &PatchParams::default(), &Patch::Strategic(&status)).await.is_ok()
        }
        _ => {
            let api: Api<ConfigMap> = Api::namespaced(client, &place);
            let name = workload_name(usize::try_from(turn).unwrap_or_default() % each);
            let data = json!({"data": {"TURN": turn.to_string()}});
            api.patch(&name, &PatchParams::default(), &Patch::Merge(&data)).await.is_ok()
        }
    }
}
