//! Types that several resources share: references, vocabularies, snapshots.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crate::vocabulary::{CauseClass, SignalType};

/// How bad something is, the worst first.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Users are affected now.
    #[serde(rename = "critical")]
    Critical,
    /// Users will be affected soon, or some are.
    #[serde(rename = "high")]
    High,
    /// Something works worse than it should.
    #[serde(rename = "medium")]
    Medium,
    /// Worth knowing.
    #[serde(rename = "low")]
    Low,
}

/// Where an Issue is.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IssueState {
    /// It was opened; nobody has looked at it yet.
    Detected,
    /// Its cause is being looked for.
    Analyzing,
    /// A plan is waiting for approval, running or being verified.
    Remediating,
    /// The service is silenced, not fixed; a person must act.
    Contained,
    /// It is over.
    Resolved,
    /// It was handed to people.
    Escalated,
    /// It could not be treated; the conditions say why.
    Failed,
}

/// Type of a remediation action.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ActionType {
    /// Sets the replicas of a Deployment.
    ScaleDeployment,
    /// Goes back to an earlier revision of a Deployment.
    RollbackDeployment,
    /// Restarts the pods of a Deployment, one after the other.
    RestartDeployment,
    /// Changes a value of a ConfigMap.
    PatchConfig,
    /// Changes requests and limits of a Deployment.
    AdjustResources,
    /// Deletes a pod, so that a new one takes its place.
    DeletePod,
    /// Goes back to an earlier revision of a Helm release.
    HelmRollback,
    /// Synchronises an Argo CD application.
    ArgoSyncApp,
    /// Changes the bounds of an autoscaler.
    AdjustHPA,
    /// Restarts one pod of a StatefulSet.
    RestartStatefulSetPod,
    /// Keeps new pods off a node.
    CordonNode,
    /// Lets pods onto a node again.
    UncordonNode,
    /// Moves the pods off a node.
    DrainNode,
    /// Grows a volume claim.
    ResizePVC,
    /// Replaces a value of a Secret.
    RotateSecret,
    /// Runs a command that only looks.
    ExecDiagnostic,
    /// Changes an Ingress.
    UpdateIngress,
    /// Changes a NetworkPolicy.
    PatchNetworkPolicy,
    /// Applies a manifest.
    ApplyManifest,
    /// Sets the replicas of a StatefulSet.
    ScaleStatefulSet,
    /// Restarts the pods of a StatefulSet.
    RestartStatefulSet,
    /// Goes back to an earlier revision of a StatefulSet.
    RollbackStatefulSet,
    /// Changes requests and limits of a StatefulSet.
    AdjustStatefulSetResources,
    /// Deletes a pod of a StatefulSet.
    DeleteStatefulSetPod,
    /// Deletes a pod of a StatefulSet without waiting for its node.
    ForceDeleteStatefulSetPod,
    /// Changes how a StatefulSet is updated.
    UpdateStatefulSetStrategy,
    /// Makes a volume claim of a StatefulSet anew.
    RecreateStatefulSetPVC,
    /// Updates only some pods of a StatefulSet.
    PartitionStatefulSetUpdate,
    /// Restarts the pods of a DaemonSet.
    RestartDaemonSet,
    /// Goes back to an earlier revision of a DaemonSet.
    RollbackDaemonSet,
    /// Changes requests and limits of a DaemonSet.
    AdjustDaemonSetResources,
    /// Deletes a pod of a DaemonSet.
    DeleteDaemonSetPod,
    /// Changes how a DaemonSet is updated.
    UpdateDaemonSetStrategy,
    /// Stops the rollout of a DaemonSet.
    PauseDaemonSetRollout,
    /// Keeps new pods off a node and deletes its pod of a DaemonSet.
    CordonAndDeleteDaemonSetPod,
    /// Runs a Job once more.
    RetryJob,
    /// Changes requests and limits of a Job.
    AdjustJobResources,
    /// Deletes a Job that has failed.
    DeleteFailedJob,
    /// Suspends a Job.
    SuspendJob,
    /// Lets a suspended Job go on.
    ResumeJob,
    /// Changes how many pods of a Job run at a time.
    AdjustJobParallelism,
    /// Changes how long a Job may take.
    AdjustJobDeadline,
    /// Changes how often a Job is tried.
    AdjustJobBackoffLimit,
    /// Deletes the pods of a Job without waiting.
    ForceDeleteJobPods,
    /// Suspends a CronJob.
    SuspendCronJob,
    /// Lets a suspended CronJob go on.
    ResumeCronJob,
    /// Runs a CronJob now.
    TriggerCronJob,
    /// Changes requests and limits of a CronJob.
    AdjustCronJobResources,
    /// Changes the times of a CronJob.
    AdjustCronJobSchedule,
    /// Changes how late a CronJob may start.
    AdjustCronJobDeadline,
    /// Changes how many ended Jobs of a CronJob are kept.
    AdjustCronJobHistory,
    /// Changes whether Jobs of a CronJob may overlap.
    AdjustCronJobConcurrency,
    /// Deletes the running Jobs of a CronJob.
    DeleteCronJobActiveJobs,
    /// Replaces the template of a CronJob.
    ReplaceCronJobTemplate,
    /// Something that only people can do; the description says what.
    Custom,
}

/// Where a RemediationPlan is.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RemediationState {
    /// It waits to be looked at.
    Pending,
    /// It waits for the approval of policy or people.
    WaitingApproval,
    /// Its actions are being carried out.
    Executing,
    /// Its actions are done; whether they help is being watched.
    Verifying,
    /// It has helped.
    Completed,
    /// It could not be carried out, or has not helped.
    Failed,
    /// It has not helped and was undone.
    RolledBack,
}

/// Where a signal comes from.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// Alert or metric of Prometheus.
    #[serde(rename = "prometheus")]
    Prometheus,
    /// Event of Kubernetes.
    #[serde(rename = "events")]
    Events,
    /// Line of a log.
    #[serde(rename = "logs")]
    Logs,
    /// Another system, over HTTP.
    #[serde(rename = "webhook")]
    Webhook,
    /// AI server of this platform.
    #[serde(rename = "watcher")]
    Watcher,
    /// Alert that Alertmanager has sent to an AI server.
    #[serde(rename = "alertmanager")]
    Alertmanager,
}

/// Provider of language models.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProviderName {
    /// OpenAI.
    #[serde(rename = "OPENAI")]
    Openai,
    /// Assistants of OpenAI.
    #[serde(rename = "OPENAI_ASSISTANT")]
    OpenaiAssistant,
    /// Claude of Anthropic.
    #[serde(rename = "CLAUDEAI")]
    Claudeai,
    /// Amazon Bedrock.
    #[serde(rename = "BEDROCK")]
    Bedrock,
    /// Gemini of Google.
    #[serde(rename = "GOOGLEAI")]
    Googleai,
    /// Grok of xAI.
    #[serde(rename = "XAI")]
    Xai,
    /// GLM of Z.ai.
    #[serde(rename = "ZAI")]
    Zai,
    /// MiniMax.
    #[serde(rename = "MINIMAX")]
    Minimax,
    /// Kimi of Moonshot.
    #[serde(rename = "MOONSHOT")]
    Moonshot,
    /// StackSpot.
    #[serde(rename = "STACKSPOT")]
    Stackspot,
    /// Models on an Ollama server.
    #[serde(rename = "OLLAMA")]
    Ollama,
    /// GitHub Copilot.
    #[serde(rename = "COPILOT")]
    Copilot,
    /// GitHub Models.
    #[serde(rename = "GITHUB_MODELS")]
    GithubModels,
    /// OpenRouter.
    #[serde(rename = "OPENROUTER")]
    Openrouter,
    /// Devin.
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
    /// Type of the action, such as `RollbackDeployment`.
    #[serde(rename = "type")]
    pub type_: ActionType,
    /// Arguments of the action, by name, such as `toRevision: "4"`.
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
    /// Class of the cause, from a fixed list such as `ImageNotFound` or `OutOfMemory`.
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
    /// Version of the object (its resourceVersion) at which it was read.
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
    /// The explanation that was checked.
    pub hypothesis: String,
    /// Why it does not hold.
    pub because: String,
}

/// State of a workload before an action, kept for the rollback.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ResourceSnapshot {
    /// Kind of the object.
    pub resource_kind: String,
    /// Name of the object.
    pub resource_name: String,
    /// Namespace of the object; empty for one that has none.
    pub namespace: String,
    /// Replicas that were wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Image of each container, by the container's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub container_images: BTreeMap<String, String>,
    /// Requests and limits of each container, by the container's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub container_resources: BTreeMap<String, ContainerResourceSnapshot>,
    /// Least replicas of the autoscaler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hpa_min_replicas: Option<i32>,
    /// Most replicas of the autoscaler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hpa_max_replicas: Option<i32>,
    /// Whether the node was cordoned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_unschedulable: Option<bool>,
    /// Annotations of the object that the action changes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Whether the Job or CronJob was suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// Time that the Job may take, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_deadline_seconds: Option<i64>,
    /// How often the Job is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff_limit: Option<i32>,
    /// Pods of the Job that may run at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<i32>,
    /// When the CronJob runs, as a cron line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// Whether Jobs of the CronJob may overlap: `Allow`, `Forbid` or `Replace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency_policy: Option<String>,
    /// How late the CronJob may start a Job, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starting_deadline_seconds: Option<i64>,
    /// Successful Jobs of the CronJob that are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successful_jobs_history_limit: Option<i32>,
    /// Failed Jobs of the CronJob that are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_jobs_history_limit: Option<i32>,
    /// How the StatefulSet or DaemonSet is updated: `RollingUpdate` or `OnDelete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_strategy_type: Option<String>,
    /// Ordinal from which on pods of the StatefulSet are updated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<i32>,
    /// Pods of the DaemonSet that may be away during an update, as a number or percentage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<String>,
    /// The fields that the action changes, as JSON, exactly as they were; what a rollback puts back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_spec: Option<String>,
    /// UID of the object; another object of the same name is not rolled back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Version of the object (its resourceVersion) when it was captured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
    /// When the state was captured.
    pub captured_at: Time,
}

/// Requests and limits of one container.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ContainerResourceSnapshot {
    /// CPU request, as a quantity such as `250m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_request: Option<String>,
    /// CPU limit, as a quantity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_limit: Option<String>,
    /// Memory request, as a quantity such as `256Mi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_request: Option<String>,
    /// Memory limit, as a quantity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<String>,
}
