//! The parts of the server together, on an API server in memory.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{CommandFactory, Parser};
use grpc::Eyes;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use kit::clock::SystemClock;
use kit::controller::Env;
use kit::metrics::Metrics;
use kit::supervisor::Supervisor;
use ports::llm::{Llm, Time};
use serde_json::json;
use testkit::fake_api::FakeApi;
use tokio::sync::broadcast::error::RecvError;

use super::flags::Given;
use super::watcher::Watcher;
use super::{Args, lease, targets};

#[derive(Parser, Debug)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

fn parse(flags: &[&str]) -> Result<Args, String> {
    let words = ["server"].iter().chain(flags);
    Cli::try_parse_from(words).map(|cli| cli.args).map_err(|error| error.to_string())
}

#[test]
fn the_flags_that_the_operator_renders_are_taken() {
    Cli::command().debug_assert();
    let args = parse(&[
        "--port",
        "50051",
        "--metrics-port",
        "9090",
        "--provider",
        "CLAUDEAI",
        "--model",
        "claude-sonnet-4-20250514",
        "--tls-cert",
        "/etc/chatcli/tls/tls.crt",
        "--tls-key",
        "/etc/chatcli/tls/tls.key",
        "--watch-config",
        "/etc/chatcli/watch/watch-config.yaml",
    ])
    .unwrap();
    assert_eq!(args.provider, Some(Given(Some("CLAUDEAI".into()))));
    assert_eq!(args.listen.grpc().to_string(), "127.0.0.1:50051");
    assert_eq!(args.listen.metrics().unwrap().to_string(), "127.0.0.1:9090");
    let older = parse(&[
        "--watch-deployment",
        "web",
        "--watch-namespace",
        "shop",
        "--watch-interval",
        "30s",
        "--watch-window",
        "2h",
        "--watch-max-log-lines",
        "100",
        "--metrics-port",
        "0",
        "--bind-address",
        "0.0.0.0",
    ])
    .unwrap();
    assert_eq!((older.listen.grpc().to_string(), older.listen.metrics()), ("0.0.0.0:50051".to_owned(), None));
    assert!(older.targets.read().unwrap().is_some());
}

#[test]
fn wrong_values_are_refused_with_flag_variable_and_remedy() {
    for (flag, value, variable) in [
        ("--port", "70000", "CHATCLI_SERVER_PORT"),
        ("--port", "0", "CHATCLI_SERVER_PORT"),
        ("--metrics-port", "x", "CHATCLI_METRICS_PORT"),
        ("--bind-address", "example.com", "CHATCLI_BIND_ADDRESS"),
        ("--rate-limit-rps", "-1", "CHATCLI_RATE_LIMIT_RPS"),
        ("--rate-limit-burst", "0", "CHATCLI_RATE_LIMIT_BURST"),
        ("--max-recv-msg-size", "10", "CHATCLI_MAX_RECV_MSG_SIZE"),
        ("--max-send-msg-size", "1e9", "CHATCLI_MAX_SEND_MSG_SIZE"),
        ("--max-concurrent-streams", "0", "CHATCLI_MAX_CONCURRENT_STREAMS"),
        ("--watch-max-log-lines", "many", "CHATCLI_WATCH_MAX_LOG_LINES"),
        ("--tls-required", "maybe", "CHATCLI_TLS_REQUIRED"),
        ("--grpc-reflection", "maybe", "CHATCLI_GRPC_REFLECTION"),
    ] {
        let said = parse(&[&format!("{flag}={value}")]).expect_err(flag);
        assert!(said.contains(flag) && said.contains(variable) && said.contains("remedy"), "{said}");
    }
}

fn deployment(name: &str) -> Deployment {
    serde_json::from_value(json!({
        "metadata": {"name": name, "namespace": "shop", "uid": name},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": name}}, "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "app", "image": "app:1"}]}}},
    }))
    .unwrap()
}

fn watcher(standby: bool) -> Arc<Watcher> {
    let llm = Llm::from_env(&|_| None, "BUILTIN", "", Time::new(|| Timestamp::UNIX_EPOCH));
    Arc::new(Watcher::new(llm, true, standby))
}

fn env() -> Env {
    let (supervisor, _watch) = Supervisor::new();
    Env { supervisor, metrics: Metrics::new("test"), clock: Arc::new(SystemClock) }
}

/// Waits until the server says something of itself.
async fn until(watcher: &Watcher, holds: impl Fn(&grpc::ServerState) -> bool) {
    let mut states = watcher.states();
    let told = tokio::time::timeout(Duration::from_mins(5), states.wait_for(|state| holds(state))).await;
    assert!(matches!(told, Ok(Ok(_))), "it is never said: {:?}", watcher.states().borrow());
}

struct Temporary(PathBuf);

impl Temporary {
    fn write(&self, text: &str) {
        std::fs::write(&self.0, text).unwrap();
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_watched_changes_with_its_file_and_a_broken_one_changes_nothing() {
    let api = FakeApi::new().with(deployment("web")).with(deployment("db"));
    let file = Temporary(std::env::temp_dir().join(format!("chatcli-targets-{}.yaml", std::process::id())));
    file.write("targets: [{name: web, namespace: shop}]");
    let args = parse(&["--watch-config", &file.0.display().to_string()]).unwrap();
    let (env, watcher) = (env(), watcher(false));
    super::metrics::register(&env.metrics, &grpc::Metrics::default(), &watcher);
    let plan = args.targets.read().unwrap().unwrap();
    let running = targets::run((plan, true), api.client(), env.clone(), watcher.clone());
    env.supervisor.spawn("targets", async { running.await.map_err(|error| error.to_string()) });
    let token = env.supervisor.token().clone();
    env.supervisor.spawn("state", super::watcher::tell(watcher.clone(), token));

    let only = |state: &grpc::ServerState, name: &str| matches!(&state.targets[..], [target] if target.name == name && target.looked_at);
    until(&watcher, |state| only(state, "web") && state.targets[0].problem.is_empty()).await;
    assert_eq!(watcher.in_words(), "1 workloads with 0 pods in 1 targets of shop, 0 open alerts");
    let text = env.metrics.render();
    for line in [
        r#"test_watcher_pods_desired{namespace="shop",deployment="web",kind="Deployment"} 0"#,
        r#"test_watcher_pods_ready{namespace="shop",deployment="web",kind="Deployment"} 0"#,
        r#"test_watcher_pod_restarts_total{target="Deployment/shop/web"} 0"#,
        r#"test_watcher_collection_duration_seconds_count{target="Deployment/shop/web"} 1"#,
        r#"test_watcher_collection_errors_total{target="Deployment/shop/web"} 0"#,
        r#"provider="BUILTIN""#,
        "test_watcher_targets_monitored 1",
        "test_server_uptime_seconds",
    ] {
        assert!(text.contains(line), "{line}:\n{text}");
    }
    let mut names: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "a family is there twice:\n{text}");
    let (_, mut before) = watcher.watch();

    file.write("targets: [{name: db, namespace: shop}]");
    until(&watcher, |state| only(state, "db")).await;
    // Whoever listened to what was watched before learns that it is over.
    let ended = tokio::time::timeout(Duration::from_mins(1), before.recv()).await.unwrap();
    assert_eq!(ended.unwrap_err(), RecvError::Closed);

    file.write("targets: [{namespace: shop}]");
    until(&watcher, |state| only(state, "db") && state.targets[0].problem.contains("targets[0].name")).await;
    file.write("targets: [{name: db, namespace: shop}]");
    until(&watcher, |state| only(state, "db") && state.targets[0].problem.is_empty()).await;
    file.write("targets: [{name: gone, namespace: shop}]");
    until(&watcher, |state| only(state, "gone") && state.targets[0].problem.contains("does not exist")).await;
    env.supervisor.token().cancel();
}

#[tokio::test(start_paused = true)]
async fn one_replica_tells_and_the_other_takes_over_when_it_goes() {
    let api = FakeApi::new();
    let seat = |pod: &str| {
        let args = parse(&["--instance", "prod", "--pod-name", pod, "--pod-namespace", "shop"]).unwrap();
        args.seat.seat().unwrap().unwrap()
    };
    let start = |pod: &str| {
        let (env, llm) = (env(), Llm::from_env(&|_| None, "BUILTIN", "", Time::new(|| Timestamp::UNIX_EPOCH)));
        // Nothing is watched here, so nothing has to be looked at first.
        let watcher = Arc::new(Watcher::new(llm, false, true));
        let token = env.supervisor.token().clone();
        let holding = lease::hold(seat(pod), api.client(), env.metrics.clone(), watcher.clone(), token);
        env.supervisor.spawn("watch-lease", holding);
        (env, watcher)
    };
    let (first, a) = start("prod-0");
    until(&a, |state| !state.standby).await;
    let (second, b) = start("prod-1");
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(b.states().borrow().standby && !a.states().borrow().standby);
    first.supervisor.token().cancel();
    until(&b, |state| !state.standby).await;
    second.supervisor.token().cancel();
}
