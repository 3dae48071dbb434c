//! The `SourceRepository` resource.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::shared::{ResourceRef};

/// SourceRepositoryAuthType
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceRepositoryAuthType {
    /// `none`.
    #[serde(rename = "none")]
    None,
    /// `ssh`.
    #[serde(rename = "ssh")]
    Ssh,
    /// `token`.
    #[serde(rename = "token")]
    Token,
    /// `basic`.
    #[serde(rename = "basic")]
    Basic,
}

/// Observed state of SourceRepository.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct SourceRepositoryStatus {
    /// Config files given to the model
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub config_files: Vec<String>,
    /// Top five languages by file count
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub detected_languages: Vec<String>,
    /// Guessed entry points
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entrypoint_files: Vec<String>,
    /// Last error
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Newest commit
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_commit: Option<SourceRepositoryHeadCommit>,
    /// Last sync
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_synced_at: Option<Time>,
    /// Clone directory in the operator pod
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_path: Option<String>,
    /// Clone and index succeeded
    #[serde(default)]
    pub ready: bool,
    /// Last 20 commits
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recent_commits: Vec<SourceRepositoryRecentCommit>,
}

/// Last 20 commits.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SourceRepositoryRecentCommit {
    /// Author name
    #[serde(default)]
    pub author: String,
    /// Up to 20 files
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files_changed: Vec<String>,
    /// Subject
    #[serde(default)]
    pub message: String,
    /// Commit id
    #[serde(default)]
    pub sha: String,
    /// Author date
    pub timestamp: Time,
}

/// Newest commit.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SourceRepositoryHeadCommit {
    /// Author name
    #[serde(default)]
    pub author: String,
    /// Up to 20 files
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files_changed: Vec<String>,
    /// Subject
    #[serde(default)]
    pub message: String,
    /// Commit id
    #[serde(default)]
    pub sha: String,
    /// Author date
    pub timestamp: Time,
}

/// Desired state of SourceRepository.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "platform.chatcli.io",
    version = "v1alpha1",
    kind = "SourceRepository",
    plural = "sourcerepositories",
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
pub struct SourceRepositorySpec {
    /// Credential kind; basic is collected but never used
    // contract default: "none"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_type: Option<SourceRepositoryAuthType>,
    /// Branch; strict character set
    // contract default: "main"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Unused
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dockerfile: Option<String>,
    /// Unused
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Directories searched for stack-trace files
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// Workload this code belongs to
    pub resource: ResourceRef,
    /// Secret name as plain string, own namespace
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<String>,
    /// Re-sync period
    // contract default: 30
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 5))]
    pub sync_interval_minutes: Option<i32>,
    /// Https://, ssh:// or git@ only
    pub url: String,
}
