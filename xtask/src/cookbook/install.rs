//! Section 1: the operator by helm, its 17 resources, the Secret with the keys.

use std::path::PathBuf;

use cluster::Cluster;
use cluster::images::Image;

use super::Account;
use super::shell::Shell;
use crate::{demo, image};

/// The 17 resources as the text lists them.
const RESOURCES: [&str; 17] = [
    "aiinsights",
    "anomalies",
    "approvalpolicies",
    "approvalrequests",
    "auditevents",
    "chaosexperiments",
    "clusterregistrations",
    "escalationpolicies",
    "incidentslas",
    "instances",
    "issues",
    "notificationpolicies",
    "postmortems",
    "remediationplans",
    "runbooks",
    "servicelevelobjectives",
    "sourcerepositories",
];

/// Images that a cluster without a registry needs.
pub struct Images {
    archives: Vec<PathBuf>,
}

impl Images {
    /// Builds the platform's image and that of the shop.
    ///
    /// # Errors
    /// When one does not build.
    pub fn build() -> anyhow::Result<Self> {
        println!("\nBuilding the image of chatcli and of the demo services");
        demo::build()?;
        let shop = std::env::temp_dir().join(format!("chatcli-cookbook-shop-{}.tar", std::process::id()));
        Image::of_binary(demo::IMAGE, &demo::service_binary(), "65532:65532").write(&shop)?;
        Ok(Self { archives: vec![image::for_tests()?, shop] })
    }

    /// Puts them on the node.
    ///
    /// # Errors
    /// When the node does not take one.
    pub fn load(&self, cluster: &Cluster) -> anyhow::Result<()> {
        self.archives.iter().try_for_each(|archive| cluster.import_image(archive))
    }
}

/// Runs the section.
///
/// # Errors
/// When what follows would make no sense.
pub fn run(account: &mut Account, shell: &Shell) -> anyhow::Result<()> {
    let installed = shell.run(
        "helm install chatcli-operator \\\noci://ghcr.io/diillson/charts/chatcli-operator \\\n--namespace chatcli-system \\\n--create-namespace",
    );
    let notes = installed.as_ref().map(String::clone).unwrap_or_default();
    account.promised("helm install", installed.map(drop));
    account.promise(
        "its notes name the next step",
        notes.contains("kubectl") && notes.contains("chatcli-api-keys"),
        &notes,
    );
    let crds = shell.run("kubectl get crd | grep platform.chatcli.io")?;
    let listed: Vec<&str> = crds.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let wanted: Vec<String> = RESOURCES.iter().map(|name| format!("{name}.platform.chatcli.io")).collect();
    account.promise("the 17 CRDs of the text, and no other", listed == wanted, &crds);
    account.promised(
        "the operator becomes available",
        shell.quiet("kubectl -n chatcli-system rollout status deployment/chatcli-operator --timeout=120s").map(drop),
    );
    account.promised(
        "kubectl create secret generic chatcli-api-keys",
        shell
            .run("kubectl create secret generic chatcli-api-keys \\\n--namespace chatcli-system \\\n--from-literal=ANTHROPIC_API_KEY=sk-ant-xxx \\\n--from-literal=OPENAI_API_KEY=sk-xxx")
            .map(drop),
    );
    account.promised(
        "without an Instance the operator's log says `no ready Instance found`",
        shell.operator_log("no ready Instance found").map(drop),
    );
    let log = shell.look("kubectl -n chatcli-system logs -l app.kubernetes.io/name=chatcli-operator --tail=-1");
    let forbidden: Vec<&str> = log.lines().filter(|line| line.to_lowercase().contains("forbidden")).collect();
    account.promise("nothing is forbidden to the operator", forbidden.is_empty(), &forbidden.join("\n"));
    Ok(())
}
