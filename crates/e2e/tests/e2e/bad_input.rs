//! What is wrong with the world around: each time a clear message, and recovery without a restart where one is possible.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use cluster::{Cluster, Mode, local};
use e2e::look;
use e2e::platform::{Setup, install, install_crds};
use e2e::process::Process;
use e2e::runner::Case;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::timeout;

use super::{World, one};

/// Name of the control plane of these cases.
pub const CLUSTER: &str = "e2e-bare";

pub fn cases(world: &World) -> Vec<Case> {
    vec![
        one(world, "unreadable_kubeconfig_is_one_sentence", unreadable_kubeconfig),
        one(world, "missing_resources_are_waited_for", missing_resources),
        one(world, "api_server_away_at_start_is_waited_for", api_server_away),
        one(world, "refused_rights_are_named", refused_rights),
        one(world, "object_that_does_not_decode_is_named", undecodable),
    ]
}

fn bare() -> Cluster {
    local::up(CLUSTER, Mode::ControlPlane).expect("control plane")
}

fn setup(world: &World, cluster: &Path, folder: &str) -> Setup {
    Setup::new(&world.chatcli, cluster, &world.logs.join(folder))
}

async fn unreadable_kubeconfig(world: World) {
    let garbage = world.logs.join("garbage.kubeconfig");
    std::fs::write(&garbage, "clusters: {").expect("file");
    for file in [PathBuf::from("/nowhere/kubeconfig"), garbage] {
        for command in ["server", "operator"] {
            let mut run = Command::new(&world.chatcli);
            run.arg(command).arg("--kubeconfig").arg(&file).stdin(Stdio::null()).kill_on_drop(true);
            let output = timeout(Duration::from_secs(30), run.output()).await;
            let output = output.unwrap_or_else(|_| panic!("{command} runs on")).expect("chatcli");
            assert!(!output.status.success(), "{command} with {}", file.display());
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(said.contains(&file.display().to_string()) && said.contains("remedy"), "{command}: {said}");
            assert!(!said.contains("panicked"), "{command}: {said}");
        }
    }
}

/// Waits until a process is ready, and fails with its log when it ends.
async fn ready(process: &mut Process, seconds: u64) {
    for _ in 0..seconds * 5 {
        if process.is_ready().await {
            return;
        }
        if let Some(status) = process.exited() {
            process.print_log();
            panic!("it ended with {status}");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    process.print_log();
    panic!("not ready after {seconds} s: {:?}", process.get(process.ready_path()).await);
}

/// Waits until a process lives, is not ready, and says why.
async fn says(process: &mut Process, words: &[&str]) {
    look::until(&format!("{words:?} among what is missing"), 30, || async {
        let answer = process.get(process.ready_path()).await?;
        (answer.contains(" 503 ") && words.iter().all(|word| answer.contains(word))).then_some(())
    })
    .await;
    assert_eq!(process.exited(), None, "it lives on");
}

async fn api_server_away(world: World) {
    let cluster = bare();
    install(&cluster, &world.chatcli);
    local::crash(CLUSTER, "kube-apiserver").expect("crash");
    let setup = setup(&world, &cluster.kubeconfig, "away");
    let (mut server, mut operator) = (setup.server("server"), setup.operator("operator", true));
    says(&mut server, &[]).await;
    says(&mut operator, &["Issue"]).await;
    local::restart(CLUSTER, "kube-apiserver").expect("restart");
    ready(&mut server, 60).await;
    ready(&mut operator, 60).await;
}

async fn missing_resources(world: World) {
    // A fresh one: it knows nothing of ours yet.
    local::down(CLUSTER).expect("a control plane of an earlier run");
    let cluster = bare();
    let setup = setup(&world, &cluster.kubeconfig, "missing");
    let (mut server, mut operator) = (setup.server("server"), setup.operator("operator", false));
    // The eyes need none of them.
    ready(&mut server, 30).await;
    says(&mut operator, &["Issue", "chatcli crds | kubectl apply -f -"]).await;
    install_crds(&cluster, &world.chatcli);
    ready(&mut operator, 60).await;
}

/// A kubeconfig of a ServiceAccount, made from the administrator's.
fn as_account(cluster: &Cluster, account: &str, file: &Path) {
    let token = cluster.run_kubectl(&["-n", "default", "create", "token", account]).expect("token");
    let text = std::fs::read_to_string(&cluster.kubeconfig).expect("kubeconfig");
    let mut config: Value = serde_json::from_str(&text).expect("kubeconfig");
    config["users"] = json!([{"name": "admin", "user": {"token": token.trim()}}]);
    std::fs::write(file, config.to_string()).expect("kubeconfig");
}

async fn refused_rights(world: World) {
    let cluster = bare();
    cluster.run_kubectl(&["-n", "default", "create", "serviceaccount", "powerless"]).expect("account");
    let file = cluster.kubeconfig.with_file_name("powerless.kubeconfig");
    as_account(&cluster, "powerless", &file);
    let setup = setup(&world, &file, "powerless");
    let (mut server, mut operator) = (setup.server("server"), setup.operator("operator", true));
    says(&mut server, &["forbidden", "pods"]).await;
    says(&mut operator, &["forbidden", "issues"]).await;
    let role = ["create", "clusterrolebinding", "powerful", "--clusterrole=cluster-admin"];
    cluster.run_kubectl(&[&role[..], &["--serviceaccount=default:powerless"]].concat()).expect("binding");
    ready(&mut server, 90).await;
    ready(&mut operator, 90).await;
}

async fn undecodable(world: World) {
    let cluster = bare();
    install(&cluster, &world.chatcli);
    // Resources of another version may let through what this one cannot read.
    let lax = json!([{"op": "replace", "path": "/spec/versions/0/schema/openAPIV3Schema",
        "value": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}]);
    let patch = ["patch", "crd", "issues.platform.chatcli.io", "--type=json", "--patch"];
    cluster.run_kubectl(&[&patch[..], &[&lax.to_string()]].concat()).expect("patch");
    let object = json!({"apiVersion": "platform.chatcli.io/v1alpha1", "kind": "Issue",
        "metadata": {"name": "from-the-future", "namespace": "default"}, "spec": {"severity": 5}});
    let file = cluster.kubeconfig.with_file_name("undecodable.json");
    std::fs::write(&file, object.to_string()).expect("object");
    look::until("the lax schema holds", 20, || async {
        cluster.run_kubectl(&["apply", "--validate=false", "-f", &file.display().to_string()]).ok()
    })
    .await;
    let setup = setup(&world, &cluster.kubeconfig, "undecodable");
    let (_server, mut operator) = (setup.server("server"), setup.operator("operator", false));
    ready(&mut operator, 60).await;
    look::until("an Event that names the object", 30, || async {
        let select = "--field-selector=reason=Undecodable,involvedObject.name=from-the-future";
        let events = cluster.run_kubectl(&["-n", "default", "get", "events", select, "-o", "name"]).ok()?;
        (!events.trim().is_empty()).then_some(())
    })
    .await;
    assert!(operator.log().contains("from-the-future"), "{}", operator.log());
    assert_eq!(operator.exited(), None);
    cluster.run_kubectl(&["-n", "default", "delete", "issue", "from-the-future"]).expect("delete");
    install_crds(&cluster, &world.chatcli);
}
