//! What is done to the cluster for one run: the healthy state is applied, scripts are run, everything is removed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use cluster::Cluster;
use serde_json::{Value, json};

use super::object::Object;
use super::scene::Scene;
use crate::demo::Stop;

/// How long the API server may refuse the healthy state: a webhook or a resource type may need a moment to work.
const APPLY: Duration = Duration::from_secs(20);
/// How long a script may take, in seconds.
const SCRIPT: &str = "180";
/// How long what is deleted may take to go by itself, and after that.
const WILLING: &str = "--timeout=20s";
const GOING: &str = "--timeout=90s";

/// One run's part of the cluster.
pub struct Stage<'a> {
    cluster: &'a Cluster,
    scene: &'a Scene,
    types: &'a Types,
    /// Files of the run, to look at afterwards.
    folder: PathBuf,
    /// A kubeconfig in which the run's namespace is the usual one.
    kubeconfig: PathBuf,
}

/// Begin and end of a script.
pub struct Took {
    /// Its begin.
    pub began: Instant,
    /// Its end.
    pub ended: Instant,
}

/// What the API server knows, by its names for kubectl.
pub struct Types {
    /// Those that belong to no namespace and can be deleted.
    cluster_scoped: Vec<String>,
    /// Kinds of those that belong to no namespace.
    kinds: Vec<String>,
    /// Those that belong to a namespace and can be changed.
    namespaced: Vec<String>,
}

impl Types {
    /// Asks the API server.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn of(cluster: &Cluster) -> anyhow::Result<Self> {
        let ask = |flags: &[&str]| cluster.run_kubectl(&[&["api-resources"], flags].concat());
        let lines = |text: String| text.lines().map(str::to_owned).collect::<Vec<String>>();
        let kinds = ask(&["--namespaced=false", "--no-headers"])?;
        Ok(Self {
            cluster_scoped: lines(ask(&["--namespaced=false", "--verbs=list,delete", "-o", "name"])?),
            kinds: kinds.lines().filter_map(|line| line.split_whitespace().last()).map(str::to_owned).collect(),
            namespaced: lines(ask(&["--namespaced=true", "--verbs=list,patch", "-o", "name"])?),
        })
    }

    /// Types that belong to no namespace, for one command.
    pub fn cluster_scoped(&self) -> String {
        self.cluster_scoped.join(",")
    }

    /// Refuses a run that would make something without its name where all runs share one room.
    ///
    /// # Errors
    /// With the object.
    pub fn check(&self, scene: &Scene) -> anyhow::Result<()> {
        let shared = scene.documents.iter().map(|document| &document.object).find(|object| {
            object.namespace.is_none() && self.kinds.contains(&object.kind) && !object.name.contains(&scene.name)
        });
        match shared {
            Some(object) => {
                bail!("setup.yaml makes {}, which all runs share; remedy: ${{NS}} in its name", object.id())
            }
            None => Ok(()),
        }
    }
}

impl<'a> Stage<'a> {
    /// Writes the files of a run.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn new(cluster: &'a Cluster, scene: &'a Scene, types: &'a Types, folder: PathBuf) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        std::fs::write(folder.join("setup.yaml"), &scene.setup)?;
        // It holds a token, so it stays where the cluster's own lies.
        let kubeconfig = cluster.kubeconfig.with_file_name(format!("kubeconfig-{}", scene.name));
        std::fs::copy(&cluster.kubeconfig, &kubeconfig)?;
        let stage = Self { cluster, scene, types, folder, kubeconfig };
        stage.kubectl(&["config", "set-context", "--current", "--namespace", &scene.name])?;
        Ok(stage)
    }

    fn kubectl(&self, args: &[&str]) -> anyhow::Result<String> {
        let this = Cluster { kubeconfig: self.kubeconfig.clone(), ..self.cluster.clone() };
        this.run_kubectl(args)
    }

    /// Applies the healthy state.
    ///
    /// # Errors
    /// When the API server refuses it, with what it says.
    pub fn apply(&self, stop: &Stop) -> anyhow::Result<()> {
        let made: Vec<_> = self.scene.documents.iter().filter(|document| document.object.kind == "Namespace").collect();
        let items: Vec<_> = made.iter().map(|document| &document.value).collect();
        let namespaces = self.folder.join("namespaces.json");
        std::fs::write(&namespaces, json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string())?;
        self.kubectl(&["apply", "-f", &namespaces.display().to_string()])?;
        for document in made {
            self.kubectl(&[
                "-n",
                &document.object.name,
                "wait",
                "--for=create",
                "serviceaccount/default",
                "--timeout=30s",
            ])?;
        }
        let setup = self.folder.join("setup.yaml").display().to_string();
        let began = Instant::now();
        while let Err(error) = self.kubectl(&["apply", "-f", &setup]) {
            stop.check()?;
            if began.elapsed() > APPLY {
                return Err(error.context("the healthy state is refused"));
            }
            std::thread::sleep(Duration::from_secs(1));
        }
        Ok(())
    }

    /// Runs a script of the case; `tools` are folders of programs that it may use besides kubectl.
    ///
    /// # Errors
    /// When the script fails, with its last words.
    pub fn script(&self, name: &str, text: &str, tools: &[PathBuf]) -> anyhow::Result<Took> {
        let script = self.folder.join(format!("{name}.sh"));
        std::fs::write(&script, text)?;
        let kubectl = PathBuf::from(self.cluster.kubectl()?.get_program());
        let own = kubectl.parent().map(Path::to_owned).into_iter().chain(tools.iter().cloned());
        let path =
            std::env::join_paths(own.chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())))?;
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", SCRIPT, "bash"]).arg(&script);
        command.env("PATH", path).env("KUBECONFIG", &self.kubeconfig).env("NS", &self.scene.name);
        let began = Instant::now();
        let output = command.output().context("cannot start bash")?;
        let ended = Instant::now();
        let said = [output.stdout, output.stderr].concat();
        std::fs::write(self.folder.join(format!("{name}.log")), &said)?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&said);
            let last: Vec<&str> = text.trim().lines().rev().take(3).collect();
            let last: Vec<&str> = last.into_iter().rev().collect();
            bail!("{name}.sh failed ({}): {}", output.status, last.join(" / "));
        }
        Ok(Took { began, ended })
    }

    /// Removes everything that the run made, and the Issues about it that lie elsewhere.
    ///
    /// # Errors
    /// When something stays.
    pub fn clean(&self, issues: &[Object]) -> anyhow::Result<()> {
        // What takes part in every request goes first, and nodes last: their pods must go before them.
        let (namespaces, others): (Vec<String>, Vec<String>) =
            self.mine()?.into_iter().partition(|name| name.starts_with("namespace/"));
        let (late, early): (Vec<String>, Vec<String>) =
            others.into_iter().partition(|name| name.starts_with("node/") || name.starts_with("persistentvolume/"));
        self.delete(&early, &["--wait=false"])?;
        let gone = self
            .delete(&namespaces, &[WILLING])
            .or_else(|_| self.release(&namespaces).and_then(|()| self.delete(&namespaces, &[GOING])));
        self.delete(&late, &[GOING])?;
        for Object { namespace, name, .. } in issues {
            let namespace = namespace.as_deref().unwrap_or_default();
            self.kubectl(&["-n", namespace, "delete", "issue", name, "--ignore-not-found", "--wait=false"])?;
        }
        gone?;
        let left = self.mine()?;
        ensure!(left.is_empty(), "left behind: {}", left.join(", "));
        let _ = std::fs::remove_file(&self.kubeconfig);
        Ok(())
    }

    /// Lets go what would stay for ever: pods on nodes that nobody plays any more, and objects that wait for somebody who
    /// does not exist.
    fn release(&self, namespaces: &[String]) -> anyhow::Result<()> {
        let types = self.types.namespaced.join(",");
        for namespace in namespaces.iter().filter_map(|name| name.strip_prefix("namespace/")) {
            self.kubectl(&["-n", namespace, "delete", "pods", "--all", "--force", "--grace-period=0", "--wait=false"])?;
            let held: Value = serde_json::from_str(&self.kubectl(&[
                "-n",
                namespace,
                "get",
                &types,
                "--ignore-not-found",
                "-o",
                "json",
            ])?)
            .unwrap_or_default();
            for object in held.get("items").and_then(Value::as_array).into_iter().flatten() {
                let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
                if object.pointer("/metadata/finalizers").is_none() || text("/metadata/deletionTimestamp").is_empty() {
                    continue;
                }
                // Of two versions of a kind either will do.
                let kind = match text("/apiVersion").split_once('/') {
                    Some((group, version)) => format!("{}.{version}.{group}", text("/kind")),
                    None => text("/kind").to_owned(),
                };
                let (name, free) = (text("/metadata/name"), r#"{"metadata":{"finalizers":null}}"#);
                // It may have gone meanwhile.
                let _ = self.kubectl(&["-n", namespace, "patch", &kind, name, "--type=merge", "-p", free]);
            }
        }
        Ok(())
    }

    fn delete(&self, names: &[String], flags: &[&str]) -> anyhow::Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        let mut args = vec!["delete", "--ignore-not-found"];
        args.extend(flags);
        args.extend(names.iter().map(String::as_str));
        self.kubectl(&args).map(drop)
    }

    /// Objects without a namespace, and namespaces, that have the run's label or carry its name.
    fn mine(&self) -> anyhow::Result<Vec<String>> {
        let types = self.types.cluster_scoped();
        let label = format!("scenario={}", self.scene.name);
        let mut mine: Vec<String> = self
            .kubectl(&["get", &types, "-l", &label, "--ignore-not-found", "-o", "name"])?
            .lines()
            .map(str::to_owned)
            .collect();
        let all = self.kubectl(&["get", &types, "--ignore-not-found", "-o", "name"])?;
        mine.extend(all.lines().filter(|name| name.contains(&self.scene.name)).map(str::to_owned));
        mine.sort();
        mine.dedup();
        Ok(mine)
    }
}
