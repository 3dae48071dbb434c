//! The `SourceRepository` resource: where the code of a workload is, so that an analysis can look at it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::core::cel::Rule;
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::shared::ResourceRef;
use crate::{formats, references};

/// How to log in to the repository.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum RepositoryAuth {
    /// Not at all: a public repository.
    #[default]
    #[serde(rename = "none")]
    None,
    /// With the key `ssh-privatekey` of the Secret, and its `known_hosts`.
    #[serde(rename = "ssh")]
    Ssh,
    /// With the key `token` of the Secret.
    #[serde(rename = "token")]
    Token,
    /// With the keys `username` and `password` of the Secret.
    #[serde(rename = "basic")]
    Basic,
}

/// What is known of the repository.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct SourceRepositoryStatus {
    /// `Ready`: whether the copy is up to date, and why not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Configuration files that an analysis reads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub config_files: Vec<String>,
    /// The five languages with the most files, most first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub detected_languages: Vec<String>,
    /// Files in which the program probably starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entrypoint_files: Vec<String>,
    /// Why the last synchronisation failed; empty after one that did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Newest commit of the branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_commit: Option<Commit>,
    /// When the last synchronisation succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_synced_at: Option<Time>,
    /// Folder of the copy in the operator's pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_path: Option<String>,
    /// Whether the copy can be used.
    #[serde(default)]
    pub ready: bool,
    /// The last 20 commits, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recent_commits: Vec<Commit>,
}

/// A commit.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Commit {
    /// Name of its author.
    #[serde(default)]
    pub author: String,
    /// Files that it changed, at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files_changed: Vec<String>,
    /// First line of its message.
    #[serde(default)]
    pub message: String,
    /// Id of the commit, 40 hex digits.
    #[serde(default)]
    pub sha: String,
    /// When it was written.
    pub timestamp: Time,
}

/// The repository with the code of one workload.
///
/// An analysis of that workload reads recent commits, the code that stack traces name, and configuration files.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "platform.chatcli.io",
    version = "v1alpha1",
    kind = "SourceRepository",
    plural = "sourcerepositories",
    doc = "The repository with the code of one workload. An analysis of that workload reads recent commits, the code that stack traces name, and configuration files.",
    namespaced,
    status = "SourceRepositoryStatus",
    shortname = "srcrepo",
    category = "chatcli",
    derive = "PartialEq",
    printcolumn(name = "URL", type_ = "string", json_path = ".spec.url"),
    printcolumn(name = "Branch", type_ = "string", json_path = ".spec.branch"),
    printcolumn(name = "Ready", type_ = "boolean", json_path = ".status.ready"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = secret_for_auth())]
#[x_kube(validation = auth_for_secret())]
#[x_kube(validation = ssh_url_for_ssh())]
pub struct SourceRepositorySpec {
    /// How to log in. `ssh` goes with an SSH address, `token` and `basic` with an https:// one; all three need `secretRef`.
    /// Default `none`.
    #[serde(default)]
    pub auth_type: RepositoryAuth,
    /// Branch that is deployed. Default `main`.
    #[serde(default = "main")]
    #[schemars(schema_with = "branch")]
    pub branch: String,
    /// Path of the Dockerfile in the repository, read together with the configuration files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "formats::relative_path")]
    pub dockerfile: Option<String>,
    /// Main language of the code, such as `Go`; decides how stack traces are read. Without it, it is detected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "language")]
    pub language: Option<String>,
    /// Folders of the repository that hold the workload's code; empty means all of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "paths")]
    pub paths: Vec<String>,
    /// Workload that is built from the code.
    #[schemars(schema_with = "references::workload")]
    pub resource: ResourceRef,
    /// Name of the Secret, in the same namespace, with what `authType` needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "formats::object_name")]
    pub secret_ref: Option<String>,
    /// Minutes between two synchronisations, 5 to 10080 (a week). Default 30.
    #[serde(default = "thirty")]
    #[schemars(range(min = 5, max = 10080))]
    pub sync_interval_minutes: i32,
    /// Address of the repository: `https://host/path`, `ssh://git@host/path` or `git@host:path`, without a password in it.
    #[schemars(schema_with = "url")]
    pub url: String,
}

fn main() -> String {
    "main".to_owned()
}

fn thirty() -> i32 {
    30
}

fn branch(_: &mut SchemaGenerator) -> Schema {
    formats::checked(
        255,
        r"self.matches(r'^[A-Za-z0-9_][A-Za-z0-9_.#+=@/-]*$') && !self.matches(r'\.\.|//|/\.|/$|\.$|\.lock(/|$)')",
        "must be the name of a branch as git allows it: letters, digits and . _ # + = @ / -, such as main or release/1.2",
    )
}

fn language(_: &mut SchemaGenerator) -> Schema {
    formats::worded(r"^[A-Za-z.][A-Za-z0-9 .+#/_-]*$", 63, "must be the name of a language, such as Go or C++")
}

fn paths(generator: &mut SchemaGenerator) -> Schema {
    formats::set_of(&formats::relative_path(generator), 0, 64)
}

fn url(_: &mut SchemaGenerator) -> Schema {
    let port = formats::PORT;
    let host = r"[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?";
    formats::checked(
        2048,
        &format!(
            r"self.matches(r'^(https://([A-Za-z0-9._~%+-]+@)?{host}(:{port})?/[A-Za-z0-9._~%/+@:-]+|ssh://([A-Za-z0-9._-]+@)?{host}(:{port})?/[A-Za-z0-9._~%/+@-]+|[A-Za-z0-9._-]+@{host}:[A-Za-z0-9._~][A-Za-z0-9._~%/+@-]*)$') && !self.contains('..')"
        ),
        "must be https://host/path, ssh://git@host/path or git@host:path, without a password in it",
    )
}

fn secret_for_auth() -> Rule {
    formats::rule(
        "secretRef",
        "self.authType == 'none' || has(self.secretRef)",
        "secretRef must name the Secret with the credentials when authType is ssh, token or basic",
    )
}

fn auth_for_secret() -> Rule {
    formats::rule(
        "authType",
        "self.authType != 'none' || !has(self.secretRef)",
        "authType must be ssh, token or basic when secretRef is given",
    )
}

fn ssh_url_for_ssh() -> Rule {
    formats::rule(
        "authType",
        "(self.authType == 'ssh') == !self.url.startsWith('https://')",
        "authType must be ssh for an address with ssh:// or git@, and none, token or basic for one with https://",
    )
}
