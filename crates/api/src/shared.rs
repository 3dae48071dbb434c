//! Types that several resources share: references, vocabularies, snapshots.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Severity.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// `critical`.
    #[serde(rename = "critical")]
    Critical,
    /// `high`.
    #[serde(rename = "high")]
    High,
    /// `medium`.
    #[serde(rename = "medium")]
    Medium,
    /// `low`.
    #[serde(rename = "low")]
    Low,
}

/// IssueState.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IssueState {
    /// `Detected`.
    Detected,
    /// `Analyzing`.
    Analyzing,
    /// `Remediating`.
    Remediating,
    /// `Contained`.
    Contained,
    /// `Resolved`.
    Resolved,
    /// `Escalated`.
    Escalated,
    /// `Failed`.
    Failed,
}

/// ActionType.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ActionType {
    /// `ScaleDeployment`.
    ScaleDeployment,
    /// `RollbackDeployment`.
    RollbackDeployment,
    /// `RestartDeployment`.
    RestartDeployment,
    /// `PatchConfig`.
    PatchConfig,
    /// `AdjustResources`.
    AdjustResources,
    /// `DeletePod`.
    DeletePod,
    /// `HelmRollback`.
    HelmRollback,
    /// `ArgoSyncApp`.
    ArgoSyncApp,
    /// `AdjustHPA`.
    AdjustHPA,
    /// `RestartStatefulSetPod`.
    RestartStatefulSetPod,
    /// `CordonNode`.
    CordonNode,
    /// `UncordonNode`.
    UncordonNode,
    /// `DrainNode`.
    DrainNode,
    /// `ResizePVC`.
    ResizePVC,
    /// `RotateSecret`.
    RotateSecret,
    /// `ExecDiagnostic`.
    ExecDiagnostic,
    /// `UpdateIngress`.
    UpdateIngress,
    /// `PatchNetworkPolicy`.
    PatchNetworkPolicy,
    /// `ApplyManifest`.
    ApplyManifest,
    /// `ScaleStatefulSet`.
    ScaleStatefulSet,
    /// `RestartStatefulSet`.
    RestartStatefulSet,
    /// `RollbackStatefulSet`.
    RollbackStatefulSet,
    /// `AdjustStatefulSetResources`.
    AdjustStatefulSetResources,
    /// `DeleteStatefulSetPod`.
    DeleteStatefulSetPod,
    /// `ForceDeleteStatefulSetPod`.
    ForceDeleteStatefulSetPod,
    /// `UpdateStatefulSetStrategy`.
    UpdateStatefulSetStrategy,
    /// `RecreateStatefulSetPVC`.
    RecreateStatefulSetPVC,
    /// `PartitionStatefulSetUpdate`.
    PartitionStatefulSetUpdate,
    /// `RestartDaemonSet`.
    RestartDaemonSet,
    /// `RollbackDaemonSet`.
    RollbackDaemonSet,
    /// `AdjustDaemonSetResources`.
    AdjustDaemonSetResources,
    /// `DeleteDaemonSetPod`.
    DeleteDaemonSetPod,
    /// `UpdateDaemonSetStrategy`.
    UpdateDaemonSetStrategy,
    /// `PauseDaemonSetRollout`.
    PauseDaemonSetRollout,
    /// `CordonAndDeleteDaemonSetPod`.
    CordonAndDeleteDaemonSetPod,
    /// `RetryJob`.
    RetryJob,
    /// `AdjustJobResources`.
    AdjustJobResources,
    /// `DeleteFailedJob`.
    DeleteFailedJob,
    /// `SuspendJob`.
    SuspendJob,
    /// `ResumeJob`.
    ResumeJob,
    /// `AdjustJobParallelism`.
    AdjustJobParallelism,
    /// `AdjustJobDeadline`.
    AdjustJobDeadline,
    /// `AdjustJobBackoffLimit`.
    AdjustJobBackoffLimit,
    /// `ForceDeleteJobPods`.
    ForceDeleteJobPods,
    /// `SuspendCronJob`.
    SuspendCronJob,
    /// `ResumeCronJob`.
    ResumeCronJob,
    /// `TriggerCronJob`.
    TriggerCronJob,
    /// `AdjustCronJobResources`.
    AdjustCronJobResources,
    /// `AdjustCronJobSchedule`.
    AdjustCronJobSchedule,
    /// `AdjustCronJobDeadline`.
    AdjustCronJobDeadline,
    /// `AdjustCronJobHistory`.
    AdjustCronJobHistory,
    /// `AdjustCronJobConcurrency`.
    AdjustCronJobConcurrency,
    /// `DeleteCronJobActiveJobs`.
    DeleteCronJobActiveJobs,
    /// `ReplaceCronJobTemplate`.
    ReplaceCronJobTemplate,
    /// `Custom`.
    Custom,
}

/// SignalType.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SignalType {
    /// `error_rate`.
    #[serde(rename = "error_rate")]
    ErrorRate,
    /// `latency`.
    #[serde(rename = "latency")]
    Latency,
    /// `pod_restart`.
    #[serde(rename = "pod_restart")]
    PodRestart,
    /// `cpu_high`.
    #[serde(rename = "cpu_high")]
    CpuHigh,
    /// `memory_high`.
    #[serde(rename = "memory_high")]
    MemoryHigh,
    /// `oom_kill`.
    #[serde(rename = "oom_kill")]
    OomKill,
    /// `pod_not_ready`.
    #[serde(rename = "pod_not_ready")]
    PodNotReady,
    /// `deploy_failing`.
    #[serde(rename = "deploy_failing")]
    DeployFailing,
    /// `disk_pressure`.
    #[serde(rename = "disk_pressure")]
    DiskPressure,
    /// `node_not_ready`.
    #[serde(rename = "node_not_ready")]
    NodeNotReady,
    /// `pid_pressure`.
    #[serde(rename = "pid_pressure")]
    PidPressure,
    /// `network_unavailable`.
    #[serde(rename = "network_unavailable")]
    NetworkUnavailable,
    /// `pod_capacity_high`.
    #[serde(rename = "pod_capacity_high")]
    PodCapacityHigh,
    /// `pvc_pending`.
    #[serde(rename = "pvc_pending")]
    PvcPending,
    /// `ingress_error`.
    #[serde(rename = "ingress_error")]
    IngressError,
    /// `hpa_maxed`.
    #[serde(rename = "hpa_maxed")]
    HpaMaxed,
    /// `job_failed`.
    #[serde(rename = "job_failed")]
    JobFailed,
    /// `cronjob_missed`.
    #[serde(rename = "cronjob_missed")]
    CronjobMissed,
    /// `certificate_expiring`.
    #[serde(rename = "certificate_expiring")]
    CertificateExpiring,
    /// `image_pull_error`.
    #[serde(rename = "image_pull_error")]
    ImagePullError,
    /// `crashloop_backoff`.
    #[serde(rename = "crashloop_backoff")]
    CrashloopBackoff,
    /// `helm_release_failed`.
    #[serde(rename = "helm_release_failed")]
    HelmReleaseFailed,
    /// `argocd_degraded`.
    #[serde(rename = "argocd_degraded")]
    ArgocdDegraded,
    /// `config_drift`.
    #[serde(rename = "config_drift")]
    ConfigDrift,
}

/// RemediationState.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RemediationState {
    /// `Pending`.
    Pending,
    /// `WaitingApproval`.
    WaitingApproval,
    /// `Executing`.
    Executing,
    /// `Verifying`.
    Verifying,
    /// `Completed`.
    Completed,
    /// `Failed`.
    Failed,
    /// `RolledBack`.
    RolledBack,
}

/// Source.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// `prometheus`.
    #[serde(rename = "prometheus")]
    Prometheus,
    /// `events`.
    #[serde(rename = "events")]
    Events,
    /// `logs`.
    #[serde(rename = "logs")]
    Logs,
    /// `webhook`.
    #[serde(rename = "webhook")]
    Webhook,
    /// `watcher`.
    #[serde(rename = "watcher")]
    Watcher,
}

/// ProviderName.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProviderName {
    /// `OPENAI`.
    #[serde(rename = "OPENAI")]
    Openai,
    /// `OPENAI_ASSISTANT`.
    #[serde(rename = "OPENAI_ASSISTANT")]
    OpenaiAssistant,
    /// `CLAUDEAI`.
    #[serde(rename = "CLAUDEAI")]
    Claudeai,
    /// `BEDROCK`.
    #[serde(rename = "BEDROCK")]
    Bedrock,
    /// `GOOGLEAI`.
    #[serde(rename = "GOOGLEAI")]
    Googleai,
    /// `XAI`.
    #[serde(rename = "XAI")]
    Xai,
    /// `ZAI`.
    #[serde(rename = "ZAI")]
    Zai,
    /// `MINIMAX`.
    #[serde(rename = "MINIMAX")]
    Minimax,
    /// `MOONSHOT`.
    #[serde(rename = "MOONSHOT")]
    Moonshot,
    /// `STACKSPOT`.
    #[serde(rename = "STACKSPOT")]
    Stackspot,
    /// `OLLAMA`.
    #[serde(rename = "OLLAMA")]
    Ollama,
    /// `COPILOT`.
    #[serde(rename = "COPILOT")]
    Copilot,
    /// `GITHUB_MODELS`.
    #[serde(rename = "GITHUB_MODELS")]
    GithubModels,
    /// `OPENROUTER`.
    #[serde(rename = "OPENROUTER")]
    Openrouter,
    /// `DEVIN`.
    #[serde(rename = "DEVIN")]
    Devin,
}
/// Names an Issue in the same namespace.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "camelCase")]
pub struct IssueRef {
    /// Name of the Issue, in the namespace of the object that refers to it.
    pub name: String,
}

/// Names an object of a kind that the field decides, in the same namespace.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "camelCase")]
pub struct LocalObjectRef {
    /// Name of the object, in the namespace of the object that refers to it.
    pub name: String,
}

/// One key of a Secret in the same namespace.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// Name of the Secret.
    pub name: String,
    /// Key inside the Secret.
    pub key: String,
}

/// A workload, or any other object that an incident concerns.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct ResourceRef {
    /// Kind of the object, for example `Deployment`.
    pub kind: String,
    /// Name of the object.
    pub name: String,
    /// Namespace of the object.
    pub namespace: String,
}

/// One action of a plan.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RemediationAction {
    /// What to do; the action registry says which parameters it takes.
    #[serde(rename = "type")]
    pub type_: ActionType,
    /// Arguments of the action, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
}

/// Identity of any Kubernetes object, cluster-scoped ones and missing ones included.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    /// API group and version, for example `apps/v1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Kind of the object.
    pub kind: String,
    /// Namespace; absent for cluster-scoped objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name of the object.
    pub name: String,
    /// UID of the object; absent when the object does not exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
}

/// Why an incident happened, with the proof.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RootCause {
    /// Object at fault; it may be one that is missing.
    pub object: ObjectRef,
    /// Field at fault, as a path inside the object, for example `spec.template.spec.containers[0].image`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What stands in that field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Class of the cause.
    pub class: CauseClass,
    /// The cause in one sentence.
    pub statement: String,
    /// How sure the analysis is, from 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub confidence: f64,
    /// Observations that lead from the symptom to the cause, in that order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proof: Vec<Proof>,
    /// Other explanations that were checked and why they do not hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ruled_out: Vec<RuledOut>,
}

/// One observation in the chain from symptom to cause.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Proof {
    /// Object that was looked at.
    pub object: ObjectRef,
    /// Field that was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What stood there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// resourceVersion at which it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
    /// When it happened or was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
    /// Rule that links this observation to the next one.
    pub rule: String,
}

/// An explanation that was checked and does not hold.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RuledOut {
    /// The explanation.
    pub hypothesis: String,
    /// Why it does not hold.
    pub because: String,
}

/// Class of a root cause.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CauseClass {
    /// The image does not exist, or its reference is malformed.
    ImageNotFound,
    /// The registry refused the credentials, or none were given.
    ImageUnauthorized,
    /// The registry could not be reached.
    RegistryUnreachable,
    /// A container exits by itself because of its configuration (environment, ConfigMap, Secret, command).
    BadConfiguration,
    /// A container exits by itself; what makes it do so is not proven.
    ApplicationCrash,
    /// A container was killed because it used more memory than its limit.
    OutOfMemory,
    /// A probe asks for a port or path that the container does not serve.
    ProbeMismatch,
    /// A probe fails although its port and path answer: the application says that it is not ready.
    ApplicationNotReady,
    /// No node has enough of a resource that the pod requests.
    InsufficientResources,
    /// Node selector, affinity, taints or volumes leave no node for the pod.
    UnsatisfiableConstraints,
    /// An object that the workload refers to does not exist, or lacks the key.
    MissingReference,
    /// A node is not ready or under pressure.
    NodeFault,
    /// A quota, a limit range or an admission rule refuses the pods.
    AdmissionRefused,
    /// No cause could be proven; the statement says what was checked.
    Unknown,
}

/// State of a workload before an action, kept for the rollback.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ResourceSnapshot {
    /// Kind captured.
    pub resource_kind: String,
    /// Name captured.
    pub resource_name: String,
    /// Namespace captured; empty for cluster-scoped kinds.
    pub namespace: String,
    /// Replica count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Image per container.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub container_images: BTreeMap<String, String>,
    /// Requests and limits per container.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub container_resources: BTreeMap<String, ContainerResourceSnapshot>,
    /// HPA minimum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hpa_min_replicas: Option<i32>,
    /// HPA maximum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hpa_max_replicas: Option<i32>,
    /// Node cordon flag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_unschedulable: Option<bool>,
    /// Annotations of the object.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Suspend flag of a Job or CronJob.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// Job deadline, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_deadline_seconds: Option<i64>,
    /// Job retries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff_limit: Option<i32>,
    /// Job parallelism.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<i32>,
    /// CronJob schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// CronJob concurrency policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency_policy: Option<String>,
    /// CronJob start deadline, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starting_deadline_seconds: Option<i64>,
    /// CronJob history of successes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successful_jobs_history_limit: Option<i32>,
    /// CronJob history of failures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_jobs_history_limit: Option<i32>,
    /// Update strategy of a StatefulSet or DaemonSet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_strategy_type: Option<String>,
    /// StatefulSet partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<i32>,
    /// DaemonSet `maxUnavailable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<String>,
    /// The fields that the action changes, as JSON, exactly as they were; what a rollback puts back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_spec: Option<String>,
    /// UID of the captured object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// resourceVersion of the captured object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
    /// Capture time.
    pub captured_at: Time,
}

/// Requests and limits of one container.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ContainerResourceSnapshot {
    /// CPU request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_request: Option<String>,
    /// CPU limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_limit: Option<String>,
    /// Memory request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_request: Option<String>,
    /// Memory limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<String>,
}
