//! What is watched: the flags, the file that the operator writes, and the change from one to the next while the server runs.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{anyhow, bail};
use api::instance::WatchedKind;
use detector::{Detector, Measuring, Scope, Settings, Target, WatchConfig};
use kit::controller::Env;
use kit::supervisor::{End, Supervisor};

use super::files::read;
use super::flags::{Given, OrNone, number, text};
use super::watcher::Watcher;
use crate::process;

/// How often the file is read again.
const REREAD: Duration = Duration::from_secs(2);
/// How long those who were watched before are told while the first look at the new ones goes on.
const OVERLAP: Duration = Duration::from_secs(30);
/// How long the tasks of a watch may take to end.
const GRACE: Duration = Duration::from_secs(10);
/// Workloads that are looked at at once, at most.
const WORKERS: usize = 4;
/// How often it is looked whether the first look is over.
const CHECK: Duration = Duration::from_millis(50);
const FILE: &str = "--watch-config (CHATCLI_WATCH_CONFIG)";

/// Flags of what is watched.
#[derive(clap::Args, Debug, Default)]
#[group(skip)]
pub struct Flags {
    /// File that names the workloads to watch; read again when it changes
    #[arg(long, env = "CHATCLI_WATCH_CONFIG", value_name = "FILE", value_parser = text)]
    watch_config: Option<Given<String>>,
    /// Watch all namespaces
    #[arg(long, conflicts_with = "watch_namespace")]
    all_namespaces: bool,
    /// Watch this namespace; may be given several times. With --watch-deployment: its namespace
    #[arg(long, value_name = "NAME")]
    watch_namespace: Vec<String>,
    /// Watch this one Deployment
    #[arg(long, env = "CHATCLI_WATCH_DEPLOYMENT", value_name = "NAME", value_parser = text)]
    watch_deployment: Option<Given<String>>,
    #[arg(long, hide = true, env = "CHATCLI_WATCH_NAMESPACE", value_parser = text)]
    namespace_of_deployment: Option<Given<String>>,
    /// Accepted for older manifests; changes of objects are seen at once
    #[arg(long, hide = true, env = "CHATCLI_WATCH_INTERVAL", value_parser = text)]
    watch_interval: Option<Given<String>>,
    /// Accepted for older manifests; what is open is kept as long as it is
    #[arg(long, hide = true, env = "CHATCLI_WATCH_WINDOW", value_parser = text)]
    watch_window: Option<Given<String>>,
    /// Lines of a container's log that an analysis reads, 100 unless said otherwise; 0 reads none
    #[arg(long, env = "CHATCLI_WATCH_MAX_LOG_LINES", value_name = "COUNT", value_parser = number("CHATCLI_WATCH_MAX_LOG_LINES", 0..=100_000_u32))]
    watch_max_log_lines: Option<Given<u32>>,
    /// Prometheus, to be asked about the requests and the load of workloads whose pods are not read themselves
    #[arg(long, env = "PROMETHEUS_URL", value_name = "URL", value_parser = text)]
    prometheus_url: Option<Given<String>>,
}

/// What is watched, and where that is said.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What.
    pub scope: Scope,
    log_lines: u32,
    measuring: Measuring,
    prometheus: Option<String>,
    /// Characters of context that a request to a language model carries, if the file says so.
    pub context_chars: Option<usize>,
    /// The file, with what stood in it.
    file: Option<(PathBuf, Vec<u8>)>,
}

impl Flags {
    /// What the flags and the file say; none when nothing is to be watched.
    ///
    /// # Errors
    /// Names the flag or the field, what is wrong and what mends it.
    pub fn read(&self) -> anyhow::Result<Option<Plan>> {
        let prometheus = self.prometheus_url.given();
        if prometheus.as_ref().is_some_and(|url| !url.starts_with("http://") && !url.starts_with("https://")) {
            bail!(
                "--prometheus-url (PROMETHEUS_URL) is no URL of http or https; remedy: write it like http://prometheus-server.monitoring.svc:9090"
            );
        }
        Ok(self.plan()?.map(|plan| Plan { prometheus, ..plan }))
    }

    fn plan(&self) -> anyhow::Result<Option<Plan>> {
        let named = self.all_namespaces || !self.watch_namespace.is_empty();
        if let Some(file) = self.watch_config.given().map(PathBuf::from) {
            if named {
                bail!("{FILE} excludes --all-namespaces and --watch-namespace; remedy: give only one of them");
            }
            return plan(file).map(Some);
        }
        let log_lines = self.watch_max_log_lines.given().unwrap_or(100);
        let of = |scope| {
            Some(Plan {
                scope,
                log_lines,
                measuring: Measuring::default(),
                prometheus: None,
                context_chars: None,
                file: None,
            })
        };
        if self.all_namespaces {
            return Ok(of(Scope::All));
        }
        if self.watch_namespace.iter().any(|name| name.trim().is_empty()) {
            bail!("--watch-namespace has an empty name; remedy: leave it out, or name a namespace");
        }
        if let Some(deployment) = self.watch_deployment.given() {
            if self.watch_namespace.len() > 1 {
                bail!(
                    "--watch-deployment is in one namespace, and --watch-namespace names several; remedy: name one, or use --watch-config"
                );
            }
            let namespace = self.watch_namespace.first().cloned().or_else(|| self.namespace_of_deployment.given());
            let target = Target {
                namespace: namespace.unwrap_or_else(|| "default".to_owned()),
                workload: Some((WatchedKind::Deployment, deployment)),
            };
            return Ok(of(Scope::Targets(vec![target])));
        }
        if self.watch_namespace.is_empty() {
            return Ok(None);
        }
        Ok(of(Scope::Targets(self.watch_namespace.iter().map(|name| Target::namespace(name)).collect())))
    }
}

fn plan(file: PathBuf) -> anyhow::Result<Plan> {
    let bytes = read(FILE, &file)?;
    let config = parse(&file, &bytes)?;
    for field in &config.without_effect {
        tracing::warn!("{FILE}: {field}");
    }
    Ok(Plan {
        scope: config.scope(),
        log_lines: config.log_lines,
        measuring: config.measuring.clone(),
        prometheus: None,
        context_chars: Some(config.context_chars),
        file: Some((file, bytes)),
    })
}

fn parse(file: &Path, bytes: &[u8]) -> anyhow::Result<WatchConfig> {
    WatchConfig::parse(&String::from_utf8_lossy(bytes))
        .map_err(|error| anyhow!("failed to load watch config: {FILE} {}: {error}", file.display()))
}

/// A detector and its tasks, which end together.
struct Running {
    detector: Detector,
    supervisor: Supervisor,
    end: Pin<Box<dyn Future<Output = End> + Send>>,
}

impl Running {
    fn start(client: &kube::Client, (plan, secrets): (&Plan, bool), env: &Env, watcher: &Watcher) -> Self {
        let (supervisor, watch) = Supervisor::new();
        let env = Env { supervisor: supervisor.clone(), ..env.clone() };
        let workers = std::thread::available_parallelism().map_or(1, usize::from).min(WORKERS);
        let settings = Settings {
            workers,
            log_lines: plan.log_lines,
            looks: watcher.looks().clone(),
            reports: watcher.reports().clone(),
            secrets,
            // Whoever gives a kubeconfig runs outside the cluster.
            measuring: Measuring { prometheus: plan.prometheus.clone(), outside: secrets, ..plan.measuring.clone() },
            ..Settings::new(plan.scope.clone())
        };
        let detector = Detector::start(client.clone(), settings, &env);
        Self { detector, supervisor, end: Box::pin(watch.run(GRACE)) }
    }

    async fn stop(self) {
        let Self { detector, supervisor, end } = self;
        supervisor.token().cancel();
        drop(detector);
        if let Err(why) = process::ended(end.await) {
            tracing::warn!("the watch of what was watched before did not end in order: {why}");
        }
    }
}

/// Watches what the plan says, and what the file says later, until the process stops.
///
/// # Errors
/// When a task of the watch ends unexpectedly.
pub async fn run(
    (mut plan, secrets): (Plan, bool),
    client: kube::Client,
    env: Env,
    watcher: Arc<Watcher>,
) -> anyhow::Result<()> {
    let stop = env.supervisor.token().clone();
    let mut running = Running::start(&client, (&plan, secrets), &env, &watcher);
    watcher.replace(running.detector.clone(), &plan);
    loop {
        let next = tokio::select! {
            () = stop.cancelled() => {
                running.stop().await;
                return Ok(());
            }
            end = &mut running.end => {
                process::ended(end)?;
                bail!("the watch has ended although nobody asked it to");
            }
            next = changed(&plan, &watcher) => next,
        };
        tracing::info!("what is watched has changed");
        let new = Running::start(&client, (&next, secrets), &env, &watcher);
        let looked = async {
            while new.detector.first_look_pending().is_some() {
                tokio::time::sleep(CHECK).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            _ = tokio::time::timeout(OVERLAP, looked) => {}
        }
        watcher.replace(new.detector.clone(), &next);
        std::mem::replace(&mut running, new).stop().await;
        plan = next;
    }
}

/// Waits until the file says something else that can be used. What cannot is told once, and in the server's state.
async fn changed(plan: &Plan, watcher: &Watcher) -> Plan {
    let Some((file, known)) = &plan.file else { return std::future::pending().await };
    let mut complaint = None;
    loop {
        tokio::time::sleep(REREAD).await;
        if std::fs::read(file).is_ok_and(|now| now == *known) {
            if complaint.take().is_some() {
                tracing::info!("{FILE} is as it was again");
                watcher.config_problem(None);
            }
            continue;
        }
        match self::plan(file.clone()) {
            Ok(next) => {
                watcher.config_problem(None);
                return Plan { prometheus: plan.prometheus.clone(), ..next };
            }
            Err(error) => {
                let why = format!("{error:#}; what stood there before is watched");
                if complaint.as_ref() != Some(&why) {
                    tracing::warn!("{why}");
                    watcher.config_problem(Some(why.clone()));
                }
                complaint = Some(why);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str) -> Option<Given<String>> {
        super::text(text).ok()
    }

    fn scope(flags: &Flags) -> Option<Scope> {
        flags.read().unwrap().map(|plan| plan.scope)
    }

    #[test]
    fn without_a_target_nothing_is_watched() {
        assert_eq!(scope(&Flags::default()), None);
        // The operator writes these even when they are empty.
        let empty = Flags { watch_deployment: given(""), namespace_of_deployment: given("shop"), ..Flags::default() };
        assert_eq!(scope(&empty), None);
    }

    #[test]
    fn the_older_flags_name_one_deployment() {
        let web = |namespace: &str| {
            Some(Scope::Targets(vec![Target {
                namespace: namespace.to_owned(),
                workload: Some((WatchedKind::Deployment, "web".to_owned())),
            }]))
        };
        let flags = || Flags { watch_deployment: given("web"), ..Flags::default() };
        assert_eq!(scope(&flags()), web("default"));
        assert_eq!(scope(&Flags { namespace_of_deployment: given("shop"), ..flags() }), web("shop"));
        assert_eq!(scope(&Flags { watch_namespace: vec!["bank".into()], ..flags() }), web("bank"));
        let several = Flags { watch_namespace: vec!["a".into(), "b".into()], ..flags() };
        assert!(several.read().unwrap_err().to_string().contains("remedy"));
    }

    #[test]
    fn a_file_that_cannot_be_used_is_refused_with_its_field() {
        let missing = Flags { watch_config: given("/nowhere/watch.yaml"), ..Flags::default() };
        assert!(missing.read().unwrap_err().to_string().contains("/nowhere/watch.yaml"));
        let path = std::env::temp_dir().join(format!("chatcli-watch-{}.yaml", std::process::id()));
        std::fs::write(&path, "targets: [{namespace: shop}]").unwrap();
        let flags = Flags { watch_config: given(&path.display().to_string()), ..Flags::default() };
        let said = flags.read().unwrap_err().to_string();
        assert!(said.contains("failed to load watch config") && said.contains("targets[0].name"), "{said}");
        std::fs::write(&path, "targets: [{name: web, namespace: shop}]").unwrap();
        assert!(matches!(scope(&flags), Some(Scope::Targets(targets)) if targets.len() == 1));
        let both = Flags { all_namespaces: true, ..flags };
        assert!(both.read().unwrap_err().to_string().contains("--all-namespaces"));
        let _ = std::fs::remove_file(path);
    }
}
