//! The figures: delays, storm, scale.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use api::shared::IssueState;
use api::{Anomaly, Issue, RemediationPlan};
use futures::{StreamExt, TryStreamExt};
use kube::api::{ListParams, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use crate::Args;
use crate::processes::{Process, Requests, free_port};
use crate::report::{Figure, Report, percentile};
use crate::world::{World, create_namespace, workload_name};

/// Namespace in which the operator lives.
pub(crate) const HOME: &str = "chatcli-system";
/// Nodes of the world.
pub(crate) const NODES: usize = 20;

/// Both processes, talking to each other.
pub(crate) struct Platform {
    pub(crate) server: Process,
    pub(crate) operator: Process,
}

async fn start_server(args: &Args) -> anyhow::Result<(Process, u16)> {
    let (grpc, metrics) = (free_port()?, free_port()?);
    let flags = [
        "server",
        "--kubeconfig",
        &args.kubeconfig.display().to_string(),
        "--all-namespaces",
        "--bind",
        &format!("127.0.0.1:{grpc}"),
        "--metrics-bind",
        &format!("127.0.0.1:{metrics}"),
    ]
    .map(str::to_owned);
    Ok((Process::start(&args.chatcli, &flags, metrics, metrics).await?, grpc))
}

async fn start_operator(args: &Args, grpc: u16) -> anyhow::Result<Process> {
    let (metrics, probes) = (free_port()?, free_port()?);
    let flags = [
        "operator",
        "--kubeconfig",
        &args.kubeconfig.display().to_string(),
        "--namespace",
        HOME,
        "--server",
        &format!("http://127.0.0.1:{grpc}"),
        "--metrics-bind",
        &format!("127.0.0.1:{metrics}"),
        "--probe-bind",
        &format!("127.0.0.1:{probes}"),
    ]
    .map(str::to_owned);
    Process::start(&args.chatcli, &flags, metrics, probes).await
}

impl Platform {
    pub(crate) async fn start(args: &Args) -> anyhow::Result<Self> {
        let (server, grpc) = start_server(args).await?;
        Ok(Self { server, operator: start_operator(args, grpc).await? })
    }

    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.operator.stop().await?;
        self.server.stop().await
    }
}

/// Condition change → Issue, and Issue → plan.
///
/// # Errors
/// When an incident is not seen within its deadline.
pub async fn delays(client: &Client, args: &Args, report: &mut Report) -> anyhow::Result<()> {
    let namespace = "bench-delays";
    let world = World::new(client, NODES).await?;
    create_namespace(client, HOME).await?;
    world.deploy(namespace, args.incidents, 2, NODES).await?;
    let platform = Platform::start(args).await?;
    let Delays { to_issue, to_plan, stuck } = incidents(client, &world, namespace, args.incidents).await?;
    platform.stop().await?;
    world.remove(namespace).await?;
    let how = format!(
        "{} incidents one after the other on ready Deployments; from the kubelet's status write to the Issue in a watch",
        to_issue.len()
    );
    add_percentiles(report, "condition change → Issue", &to_issue, (300.0, 1000.0), "23-57 s", &how);
    add_percentiles(
        report,
        "of these: rollout stuck, old pods serve → Issue",
        &stuck,
        (300.0, 1000.0),
        "never",
        "the same watch",
    );
    let p99 = percentile(&to_plan, 99.0);
    report.add(Figure {
        name: "Issue → plan, BUILTIN (p99)".into(),
        value: format!("{p99:.0} ms"),
        target: "1000 ms".into(),
        reached: p99 <= 1000.0,
        go: "–".into(),
        how: "from the Issue to its RemediationPlan in a watch, analysis included".into(),
    });
    Ok(())
}

/// Delays in milliseconds, sorted.
pub(crate) struct Delays {
    /// Condition change → Issue.
    pub(crate) to_issue: Vec<f64>,
    /// Issue → plan.
    to_plan: Vec<f64>,
    /// Those of `to_issue` that are rollouts which stick while their old pods serve.
    stuck: Vec<f64>,
}

/// Breaks the first workloads of a namespace, one after the other.
pub(crate) async fn incidents(client: &Client, world: &World, namespace: &str, count: usize) -> anyhow::Result<Delays> {
    let mut issues = created::<Issue>(client, namespace, |issue| issue.spec.resource.name.clone());
    let mut plans = created::<RemediationPlan>(client, namespace, |plan| plan.spec.issue_ref.name.clone());
    let mut delays = Delays { to_issue: Vec::new(), to_plan: Vec::new(), stuck: Vec::new() };
    for index in 0..count {
        let workload = workload_name(index);
        // Every second incident is the rollout that sticks while its old pods serve.
        let rollout = index % 2 == 0;
        if rollout {
            world.roll_out_missing_image(namespace, &workload).await?;
        } else {
            world.kill_for_memory(namespace, &workload).await?;
        }
        let (issue, seen) =
            next(&mut issues, |name| *name == workload).await.with_context(|| format!("no Issue for {workload}"))?;
        let failed = world
            .failed_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&workload)
            .copied()
            .context("no failure was written")?;
        let delay = seen.saturating_duration_since(failed).as_secs_f64() * 1000.0;
        delays.to_issue.push(delay);
        if rollout {
            delays.stuck.push(delay);
        }
        let (_, planned) =
            next(&mut plans, |name| *name == issue).await.with_context(|| format!("no plan for {issue}"))?;
        delays.to_plan.push(planned.saturating_duration_since(seen).as_secs_f64() * 1000.0);
    }
    for list in [&mut delays.to_issue, &mut delays.to_plan, &mut delays.stuck] {
        list.sort_by(f64::total_cmp);
    }
    Ok(delays)
}

pub(crate) fn add_percentiles(
    report: &mut Report,
    name: &str,
    sorted: &[f64],
    target: (f64, f64),
    go: &str,
    how: &str,
) {
    let (p50, p99) = (percentile(sorted, 50.0), percentile(sorted, 99.0));
    report.add(Figure {
        name: format!("{name} (p50 / p99)"),
        value: format!("{p50:.0} / {p99:.0} ms"),
        target: format!("{:.0} / {:.0} ms", target.0, target.1),
        reached: p50 <= target.0 && p99 <= target.1,
        go: go.into(),
        how: how.into(),
    });
}

type Created = futures::stream::BoxStream<'static, (String, String, Instant)>;

/// Objects as they are created from now on: name, key, instant at which the watch delivered them.
fn created<K>(client: &Client, namespace: &str, key: impl Fn(&K) -> String + Send + Sync + 'static) -> Created
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    watcher(api, watcher::Config::default())
        .default_backoff()
        .applied_objects()
        .filter_map(move |object| {
            let seen = Instant::now();
            let entry = object.ok().map(|object| (object.name_any(), key(&object), seen));
            async move { entry }
        })
        .boxed()
}

/// The next object whose key fits; others are changes of objects that were seen before.
async fn next(stream: &mut Created, fits: impl Fn(&String) -> bool) -> Option<(String, Instant)> {
    let deadline = tokio::time::Instant::now() + Duration::from_mins(1);
    while let Ok(Some((name, key, seen))) = tokio::time::timeout_at(deadline, stream.next()).await {
        if fits(&key) {
            return Some((name, seen));
        }
    }
    None
}

/// A storm of Anomalies from outside clients, beside as many bare creations.
///
/// # Errors
/// When one is lost.
pub async fn storm(client: &Client, args: &Args, report: &mut Report) -> anyhow::Result<()> {
    create_namespace(client, HOME).await?;
    for namespace in ["bench-bare", "bench-storm"] {
        create_namespace(client, namespace).await?;
    }
    let bare = create_anomalies(client, "bench-bare", args).await?;
    let world = World::new(client, 1).await?;
    world.remove("bench-bare").await?;
    drop(world);
    let platform = Platform::start(args).await?;
    let began = Instant::now();
    create_anomalies(client, "bench-storm", args).await?;
    let api: Api<Anomaly> = Api::namespaced(client.clone(), "bench-storm");
    let mut correlated = watcher(api.clone(), watcher::Config::default()).default_backoff().applied_objects().boxed();
    let mut done = std::collections::HashSet::new();
    while done.len() < args.anomalies {
        let anomaly = tokio::time::timeout(Duration::from_mins(10), correlated.try_next())
            .await
            .with_context(|| format!("only {} of {} are correlated", done.len(), args.anomalies))??;
        if let Some(anomaly) = anomaly.filter(|a| a.status.as_ref().is_some_and(|s| s.correlated)) {
            done.insert(anomaly.name_any());
        }
    }
    let took = began.elapsed();
    let issues: Api<Issue> = Api::namespaced(client.clone(), "bench-storm");
    let count = issues.list(&ListParams::default()).await?.items.len();
    ensure!(count == args.workloads, "{count} Issues for {} workloads", args.workloads);
    let requests = platform.operator.api_requests().await?.most(8);
    // Analyses wait while a storm is being linked; none may be forgotten.
    let mut waiting = args.workloads;
    while waiting > 0 {
        ensure!(began.elapsed() < Duration::from_mins(10), "{waiting} Issues were never analysed");
        tokio::time::sleep(Duration::from_millis(500)).await;
        let all = issues.list(&ListParams::default()).await?.items;
        waiting = all.iter().filter(|i| concluded(i).is_none()).count();
    }
    let analysed = began.elapsed();
    platform.stop().await?;
    let ratio = took.as_secs_f64() / bare.as_secs_f64();
    report.add(Figure {
        name: format!("storm: {} Anomalies, {} workloads", args.anomalies, args.workloads),
        value: format!("{ratio:.2} × ({:.1} s)", took.as_secs_f64()),
        target: "3 ×".into(),
        reached: ratio <= 3.0,
        go: "6.6 ×".into(),
        how: format!("first creation → last one correlated, {count} Issues, all of them analysed after {:.1} s; bare creations of the same objects without the operator took {:.1} s; the operator's requests by then: {requests}", analysed.as_secs_f64(), bare.as_secs_f64()),
    });
    Ok(())
}

/// The state of an Issue whose analysis is over.
fn concluded(issue: &Issue) -> Option<IssueState> {
    issue.status.as_ref().and_then(|s| s.state).filter(|s| !matches!(s, IssueState::Detected | IssueState::Analyzing))
}

async fn create_anomalies(client: &Client, namespace: &str, args: &Args) -> anyhow::Result<Duration> {
    let api: Api<Anomaly> = Api::namespaced(client.clone(), namespace);
    let began = Instant::now();
    futures::stream::iter(0..args.anomalies)
        .map(|index| {
            let api = api.clone();
            let workload = workload_name(index % args.workloads);
            async move {
                let anomaly: Anomaly = serde_json::from_value(json!({
                    "apiVersion": "platform.chatcli.io/v1alpha1", "kind": "Anomaly",
                    "metadata": {"name": format!("storm-{index:05}")},
                    "spec": {"source": "webhook", "signalType": "error_rate", "value": "0.2", "threshold": "0.01",
                        "resource": {"kind": "Deployment", "name": workload, "namespace": api.resource_url().rsplit('/').nth(1).unwrap_or_default()}},
                }))?;
                api.create(&PostParams::default(), &anomaly).await.map_err(anyhow::Error::from)
            }
        })
        .buffer_unordered(32)
        .try_for_each(|_| async { Ok(()) })
        .await?;
    Ok(began.elapsed())
}

/// First look, idle requests and memory with many workloads and pods.
///
/// # Errors
/// When the world cannot be made.
pub async fn scale(client: &Client, args: &Args, report: &mut Report) -> anyhow::Result<()> {
    let world = World::new(client, NODES).await?;
    create_namespace(client, HOME).await?;
    world.deploy("bench-scale", args.workloads, args.pods, NODES).await?;
    let (server, grpc) = start_server(args).await?;
    let size = format!("{} targets, {} pods", args.workloads, args.workloads * args.pods);
    let first = server.ready_after.as_secs_f64();
    report.add(Figure {
        name: format!("{size}: first full look"),
        value: format!("{first:.1} s"),
        target: "30 s".into(),
        reached: first <= 30.0,
        go: "not one target in 12 min".into(),
        how: "process start to /watchz, which waits for the first evaluation of every workload".into(),
    });
    let operator = start_operator(args, grpc).await?;
    let platform = Platform { server, operator };
    tokio::time::sleep(Duration::from_secs(10)).await;
    let before = (platform.server.api_requests().await?, platform.operator.api_requests().await?);
    tokio::time::sleep(Duration::from_secs(args.idle_seconds)).await;
    let after = (platform.server.api_requests().await?, platform.operator.api_requests().await?);
    let hour = |requests: &Requests| requests.total() * 3600.0 / args.idle_seconds as f64;
    let (server, operator) = (after.0.since(&before.0), after.1.since(&before.1));
    let (server_rate, operator_rate) = (hour(&server), hour(&operator));
    report.add(Figure {
        name: format!("{size}: API requests per hour, idle"),
        value: format!("{server_rate:.0} server, {operator_rate:.0} operator"),
        target: "200".into(),
        reached: server_rate <= 200.0,
        go: "34 000".into(),
        how: format!(
            "the process's own request counter over {} s; server: {}; operator: {}",
            args.idle_seconds,
            server.most(3),
            operator.most(3)
        ),
    });
    let issues = make_issues(client, 1000).await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (server_rss, operator_rss) = (platform.server.rss_mib(), platform.operator.rss_mib());
    report.add(rss(&format!("server RSS, {size}"), server_rss, "6 800 MiB, growing"));
    report.add(rss(&format!("operator RSS, {size}, {issues} Issues"), operator_rss, "137 MiB with 500 Issues"));
    platform.stop().await?;
    Ok(())
}

pub(crate) fn rss(name: &str, mib: f64, go: &str) -> Figure {
    Figure {
        name: name.into(),
        value: format!("{mib:.0} MiB"),
        target: "120 MiB".into(),
        reached: mib <= 120.0,
        go: go.into(),
        how: "VmRSS of the process".into(),
    }
}

/// Issues as the operator would hold them; the workloads exist, so their Issues are real work for it.
async fn make_issues(client: &Client, count: usize) -> anyhow::Result<usize> {
    let api: Api<Issue> = Api::namespaced(client.clone(), "bench-scale");
    let existing = api.list(&ListParams::default()).await?.items;
    futures::stream::iter(existing.len()..count)
        .map(|index| {
            let api = api.clone();
            async move {
                let issue: Issue = serde_json::from_value(json!({
                    "apiVersion": "platform.chatcli.io/v1alpha1", "kind": "Issue", "metadata": {"name": format!("bench-{index:04}")},
                    "spec": {"severity": "low", "source": "webhook", "description": "an Issue that was opened from outside",
                        "resource": {"kind": "Deployment", "name": format!("elsewhere-{index:04}"), "namespace": "bench-scale"}},
                }))?;
                api.create(&PostParams::default(), &issue).await.map_err(anyhow::Error::from)
            }
        })
        .buffer_unordered(16)
        .try_for_each(|_| async { Ok(()) })
        .await?;
    Ok(count)
}
