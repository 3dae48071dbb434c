//! The local cluster: what is recorded of it, start, stop, status.

mod control_plane;
mod lock;
mod network;
mod node;
mod pki;
mod process;
mod simulated;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::{Cluster, Mode, Origin, machine};
use lock::Lock;
use process::Process;
pub use simulated::simulate_nodes;

/// What is recorded of a local cluster, so that it can be ended by whoever comes later.
#[derive(Serialize, Deserialize)]
struct State {
    mode: Mode,
    /// Number that addresses and interface names are made of.
    index: u8,
    processes: Vec<Process>,
}

/// A local cluster that is being started.
struct Local {
    name: String,
    dir: PathBuf,
    state: State,
}

/// Folder in which the clusters of this user live. Nobody else may look into it: it holds keys and tokens.
///
/// # Errors
/// When it cannot be made, or belongs to somebody else.
pub fn home() -> anyhow::Result<PathBuf> {
    let user = std::fs::metadata("/proc/self").map(|meta| meta.uid()).unwrap_or_default();
    let dir = std::env::temp_dir().join(format!("chatcli-aiops-{user}"));
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    // The place is known to everybody, and whoever owns it could name the processes that we end.
    let meta = std::fs::symlink_metadata(&dir)?;
    ensure!(
        meta.is_dir() && meta.uid() == user,
        "{} belongs to another user; remedy: set TMPDIR to a folder of your own",
        dir.display()
    );
    if meta.mode() & 0o077 != 0 {
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(dir)
}

/// Starts a local cluster, or finds it running. What a dead one left is removed first.
///
/// # Errors
/// Says which component did not come up, with the last lines of its log.
pub fn up(name: &str, mode: Mode) -> anyhow::Result<Cluster> {
    ensure!(
        cfg!(target_os = "linux"),
        "the local cluster needs Linux; remedy: install Docker and kind, or name a cluster with CONTEXT=…"
    );
    if mode == Mode::Node {
        machine::prepare_node()?;
    }
    let lock = Lock::take(&home()?, name)?;
    let result = up_alone(name, mode);
    if !home()?.join(name).exists() {
        lock.remove();
    }
    result
}

/// As [`up`], while nobody else starts or stops a cluster of this name.
fn up_alone(name: &str, mode: Mode) -> anyhow::Result<Cluster> {
    let dir = home()?.join(name);
    let kubeconfig = dir.join("kubeconfig");
    if let Some(state) = read(&dir)? {
        let dead: Vec<&str> = state.processes.iter().filter(|p| !p.is_alive()).map(|p| p.name.as_str()).collect();
        if dead.is_empty() && !state.processes.is_empty() && kubeconfig.is_file() {
            ensure!(
                state.mode == mode,
                "cluster {name} runs already, {}; remedy: `make cluster-down`, or another name",
                if state.mode == Mode::Node { "with real pods" } else { "as a control plane without pods" }
            );
            return Ok(Cluster { name: name.to_owned(), kubeconfig, origin: Origin::Local });
        }
        eprintln!("cluster {name} is not whole ({} ended); it starts anew", dead.join(", "));
        remove(name, &dir)?;
    }
    // Builds come first: they take minutes, and what they print is for people.
    let binaries = crate::tools::control_plane()?;
    if mode == Mode::Node {
        crate::tools::node()?;
    }
    let began = Instant::now();
    std::fs::create_dir_all(&dir)?;
    let mut local = Local::new(name, dir, mode)?;
    let started = local.start(&binaries);
    if let Err(error) = started {
        let cleaned = remove(name, &local.dir);
        return Err(match cleaned {
            Ok(()) => error,
            Err(more) => error.context(format!("and what it left could not be removed: {more}")),
        });
    }
    eprintln!("cluster {name} is ready after {:.1} s", began.elapsed().as_secs_f64());
    Ok(Cluster { name: name.to_owned(), kubeconfig, origin: Origin::Local })
}

/// Stops a local cluster and removes what it left. One that does not exist is no error.
///
/// # Errors
/// When something could not be removed.
pub fn down(name: &str) -> anyhow::Result<()> {
    let lock = Lock::take(&home()?, name)?;
    remove(name, &home()?.join(name))?;
    lock.remove();
    // The last cluster takes the folder along.
    let _ = std::fs::remove_dir(home()?);
    Ok(())
}

/// Names of the local clusters.
///
/// # Errors
/// When their folder cannot be read.
pub fn list() -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(home()?)? {
        let path = entry?.path();
        if path.join("state.json").is_file() {
            names.extend(path.file_name().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

/// One line per process of a cluster.
///
/// # Errors
/// When there is no such cluster.
pub fn status(name: &str) -> anyhow::Result<Vec<String>> {
    let dir = home()?.join(name);
    let state = read(&dir)?.with_context(|| format!("there is no cluster {name}; remedy: `make cluster`"))?;
    let mut lines = vec![format!("kubeconfig  {}", dir.join("kubeconfig").display())];
    lines.extend(
        state
            .processes
            .iter()
            .map(|p| format!("{:<24} pid {:<8} {}", p.name, p.pid, if p.is_alive() { "running" } else { "dead" })),
    );
    Ok(lines)
}

/// Log file of a component.
///
/// # Errors
/// When there is none, with those that are there.
pub fn log(name: &str, component: &str) -> anyhow::Result<PathBuf> {
    let dir = home()?.join(name);
    let path = dir.join(format!("{component}.log"));
    if !path.is_file() {
        let state = read(&dir)?.with_context(|| format!("there is no cluster {name}"))?;
        let known: Vec<_> = state.processes.iter().map(|p| p.name.as_str()).collect();
        bail!("cluster {name} has no component {component:?}; remedy: one of {}", known.join(", "));
    }
    Ok(path)
}

/// Ends a component at once, as a crash would. The cluster stays recorded, so that it can be started again or removed.
///
/// # Errors
/// When there is no such component.
pub fn crash(name: &str, component: &str) -> anyhow::Result<()> {
    with_component(name, component, |process, _| {
        process.kill();
        Ok(())
    })
}

/// Starts a component that ended, as it was started before.
///
/// # Errors
/// When there is no such component, or it cannot be started.
pub fn restart(name: &str, component: &str) -> anyhow::Result<()> {
    with_component(name, component, |process, dir| {
        process.end();
        process.start_again(dir)
    })
}

fn with_component(
    name: &str,
    component: &str,
    act: impl FnOnce(&mut Process, &Path) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let dir = home()?.join(name);
    let _lock = Lock::take(&home()?, name)?;
    let mut state = read(&dir)?.with_context(|| format!("there is no cluster {name}"))?;
    let known: Vec<String> = state.processes.iter().map(|p| p.name.clone()).collect();
    let process = state.processes.iter_mut().find(|process| process.name == component).with_context(|| {
        format!("cluster {name} has no component {component:?}; remedy: one of {}", known.join(", "))
    })?;
    act(process, &dir)?;
    write(&dir, &state)
}

/// Loads an image archive into the node's container runtime.
///
/// # Errors
/// When the runtime refuses it.
pub fn import_image(name: &str, archive: &Path) -> anyhow::Result<()> {
    node::import(&home()?.join(name), archive)
}

fn read(dir: &Path) -> anyhow::Result<Option<State>> {
    match std::fs::read(dir.join("state.json")) {
        Ok(text) => Ok(Some(
            serde_json::from_slice(&text)
                .with_context(|| format!("{} cannot be read", dir.join("state.json").display()))?,
        )),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn write(dir: &Path, state: &State) -> anyhow::Result<()> {
    let partial = dir.join("state.partial");
    std::fs::write(&partial, serde_json::to_vec_pretty(state)?)?;
    std::fs::rename(partial, dir.join("state.json"))?;
    Ok(())
}

/// A number that no other cluster has.
fn free_index() -> anyhow::Result<u8> {
    let mut used = Vec::new();
    for name in list()? {
        used.extend(read(&home()?.join(name))?.map(|state| state.index));
    }
    (1..=250)
        .find(|index| !used.contains(index) && network::is_free(*index))
        .context("250 clusters are running; remedy: `make cluster-down`")
}

fn remove(name: &str, dir: &Path) -> anyhow::Result<()> {
    let Some(state) = read(dir)? else {
        if dir.exists() {
            std::fs::remove_dir_all(dir)?;
        }
        return Ok(());
    };
    if state.mode == Mode::Node {
        node::stop_pods(dir, &state.processes);
    }
    for process in state.processes.iter().rev() {
        process.end();
    }
    if state.mode == Mode::Node {
        node::remove(name, dir)?;
        network::remove(state.index)?;
    }
    std::fs::remove_dir_all(dir).with_context(|| format!("cannot remove {}", dir.display()))
}

impl Local {
    /// Takes a free number, and records it before anything is made under it.
    fn new(name: &str, dir: PathBuf, mode: Mode) -> anyhow::Result<Self> {
        let lock = Lock::take(&home()?, ".numbers")?;
        let local =
            Self { name: name.to_owned(), dir, state: State { mode, index: free_index()?, processes: Vec::new() } };
        local.record()?;
        lock.remove();
        Ok(local)
    }

    fn record(&self) -> anyhow::Result<()> {
        write(&self.dir, &self.state)
    }

    fn start(&mut self, binaries: &crate::tools::ControlPlane) -> anyhow::Result<()> {
        if self.state.mode == Mode::ControlPlane {
            return control_plane::start(self, binaries, "127.0.0.1");
        }
        let address = network::make(self.state.index)?;
        let images = node::start_runtime(self, &address)?;
        control_plane::start(self, binaries, &address)?;
        node::start(self, binaries, &address, images)
    }

    /// Starts a component, in the cluster's network namespace if it has one, and records it.
    fn spawn(&mut self, name: &str, binary: &Path, args: &[String]) -> anyhow::Result<()> {
        let namespace = (self.state.mode == Mode::Node).then(|| network::path(self.state.index));
        let process = Process::start(name, binary, args, namespace.as_deref(), &self.dir)?;
        self.state.processes.push(process);
        self.record()
    }

    /// Waits until `ready` holds; a component that dies meanwhile ends the wait.
    fn wait_for(&self, what: &str, seconds: u64, mut ready: impl FnMut() -> bool) -> anyhow::Result<()> {
        let began = Instant::now();
        while !ready() {
            if let Some(dead) = self.state.processes.iter().find(|process| !process.is_alive()) {
                bail!(
                    "{} died while waiting for {what}; the last lines of its log:\n{}",
                    dead.name,
                    dead.last_lines(&self.dir)
                );
            }
            if began.elapsed().as_secs() >= seconds {
                let logs: Vec<String> = self
                    .state
                    .processes
                    .iter()
                    .map(|p| format!("--- {}\n{}", p.name, p.last_lines(&self.dir)))
                    .collect();
                bail!("waited {seconds} s in vain for {what}; the last lines of the logs:\n{}", logs.join("\n"));
            }
            std::thread::sleep(std::time::Duration::from_millis(60));
        }
        Ok(())
    }

    fn kubectl(&self, args: &[&str]) -> anyhow::Result<String> {
        Cluster { name: self.name.clone(), kubeconfig: self.dir.join("kubeconfig"), origin: Origin::Local }
            .run_kubectl(args)
    }
}
