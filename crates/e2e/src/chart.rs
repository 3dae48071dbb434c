//! The chart on a cluster: the image, helm, and what the operator in the pod says.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use cluster::images::Image;
use cluster::{Cluster, tools};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, Client};

use crate::build::root;
use crate::look;

/// Namespace, release and Deployment of the cookbook.
pub const NAMESPACE: &str = "chatcli-system";
/// Name of the release.
pub const RELEASE: &str = "chatcli-operator";

/// Folder of the chart, in place of the cookbook's address in a registry.
pub fn folder() -> PathBuf {
    root().join("charts/chatcli-operator")
}

/// Loads an image of `chatcli` under the name that the chart asks for by default. It is the build of the tests, with its
/// libraries: a release build takes minutes, and differs in size and speed only.
pub fn load_image(cluster: &Cluster, chatcli: &Path) {
    let archive = chatcli.with_file_name("e2e-chatcli-image.tar");
    let stripped = archive.with_extension("chatcli").join("chatcli");
    std::fs::create_dir_all(stripped.parent().expect("folder")).expect("folder");
    std::fs::copy(chatcli, &stripped).expect("copy");
    // Symbols are of no use in the pod; where there is no strip, the image is larger.
    let _ = Command::new("strip").arg(&stripped).status();
    let image = Image::of_service(&reference(), &stripped).expect("image");
    let written = image.write(&archive).expect("image");
    println!("    image of the development build: {:.0} MB, not compressed", written.size as f64 / 1e6);
    cluster.import_image(&archive).expect("import");
    std::fs::remove_file(&archive).expect("archive");
    std::fs::remove_dir_all(stripped.parent().expect("folder")).expect("folder");
}

/// The image that the chart runs unless it is told otherwise.
pub fn reference() -> String {
    let read = |file: &str| std::fs::read_to_string(folder().join(file)).expect("chart");
    let field = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(name).map(str::to_owned));
        line.expect("field").trim().trim_matches('"').to_owned()
    };
    format!("{}:{}", field(&read("values.yaml"), "repository: "), field(&read("Chart.yaml"), "appVersion: "))
}

/// Runs helm against a cluster with a shell line of the cookbook: `CHART` stands for the chart.
///
/// # Errors
/// What helm prints to standard error.
pub fn helm(kubeconfig: &Path, line: &str) -> Result<String, String> {
    let chart = folder().display().to_string();
    let words = line.split_whitespace().map(|word| if word == "CHART" { chart.as_str() } else { word });
    let scratch = kubeconfig.with_file_name("helm");
    let output = Command::new(tools::helm().expect("helm"))
        .args(words)
        .env("KUBECONFIG", kubeconfig)
        .env("HELM_CACHE_HOME", scratch.join("cache"))
        .env("HELM_CONFIG_HOME", scratch.join("config"))
        .env("HELM_DATA_HOME", scratch.join("data"))
        .env_remove("HELM_NAMESPACE")
        .output()
        .expect("helm");
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}

/// Waits until every replica of the operator is up to date and ready; returns the Deployment.
///
/// # Panics
/// When that takes too long.
pub async fn ready(client: &Client) -> Deployment {
    let api: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
    look::until("the operator is ready", 120, || async {
        let deployment = api.get(RELEASE).await.ok()?;
        let status = deployment.status.clone()?;
        let wanted = deployment.spec.as_ref()?.replicas.unwrap_or(1);
        let done = status.observed_generation == deployment.metadata.generation
            && status.updated_replicas == Some(wanted)
            && status.ready_replicas == Some(wanted)
            && status.replicas == Some(wanted);
        done.then_some(deployment)
    })
    .await
}

/// Everything that the pods of the operator have logged.
pub fn log(cluster: &Cluster) -> String {
    let selector = format!("app.kubernetes.io/instance={RELEASE},app.kubernetes.io/name=chatcli-operator");
    cluster.run_kubectl(&["-n", NAMESPACE, "logs", "-l", &selector, "--tail=-1"]).unwrap_or_default()
}

/// Lines of a log that say that a right is missing.
pub fn refused(log: &str) -> Vec<&str> {
    let words = ["forbidden", "Forbidden", "cannot list resource", "cannot watch resource", "is not allowed"];
    log.lines().filter(|line| words.iter().any(|word| line.contains(word))).collect()
}

/// Removes the release and the definitions, if they are there: what was installed before must not help.
///
/// # Panics
/// When something hangs.
pub fn clean(cluster: &Cluster) {
    if helm(&cluster.kubeconfig, &format!("status {RELEASE} -n {NAMESPACE}")).is_ok() {
        helm(&cluster.kubeconfig, &format!("uninstall {RELEASE} -n {NAMESPACE} --wait --timeout 120s"))
            .expect("uninstall");
    }
    delete_definitions(cluster);
    cluster
        .run_kubectl(&["delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=120s"])
        .expect("namespace");
}

/// Deletes the definitions, and with them every object of ours.
///
/// # Panics
/// When something hangs.
pub fn delete_definitions(cluster: &Cluster) {
    let names = definitions(cluster);
    if !names.is_empty() {
        let mut args = vec!["delete", "crd", "--timeout=120s"];
        args.extend(names.iter().map(String::as_str));
        cluster.run_kubectl(&args).expect("definitions");
    }
}

/// `kubectl get crd | grep platform.chatcli.io`
pub fn definitions(cluster: &Cluster) -> Vec<String> {
    let listed = cluster.run_kubectl(&["get", "crd"]).expect("kubectl get crd");
    listed
        .lines()
        .filter(|line| line.contains("platform.chatcli.io"))
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .collect()
}

/// Runs something and says how long it took.
pub fn timed<T>(act: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    let done = act();
    (done, began.elapsed())
}
