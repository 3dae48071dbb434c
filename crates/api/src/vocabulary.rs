//! The words for what is noticed and for what was the cause.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Kind of a signal.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SignalType {
    /// Too many requests fail.
    #[serde(rename = "error_rate")]
    ErrorRate,
    /// Requests take too long.
    #[serde(rename = "latency")]
    Latency,
    /// Containers restart again and again.
    #[serde(rename = "pod_restart")]
    PodRestart,
    /// More CPU is used than is good.
    #[serde(rename = "cpu_high")]
    CpuHigh,
    /// More memory is used than is good.
    #[serde(rename = "memory_high")]
    MemoryHigh,
    /// A container was killed because it used more memory than its limit.
    #[serde(rename = "oom_kill")]
    OomKill,
    /// Pods do not become ready.
    #[serde(rename = "pod_not_ready")]
    PodNotReady,
    /// A rollout does not get on.
    #[serde(rename = "deploy_failing")]
    DeployFailing,
    /// A node runs out of disk.
    #[serde(rename = "disk_pressure")]
    DiskPressure,
    /// A node is not ready.
    #[serde(rename = "node_not_ready")]
    NodeNotReady,
    /// A node runs out of process ids.
    #[serde(rename = "pid_pressure")]
    PidPressure,
    /// The network of a node is not set up.
    #[serde(rename = "network_unavailable")]
    NetworkUnavailable,
    /// A node has almost as many pods as it can have.
    #[serde(rename = "pod_capacity_high")]
    PodCapacityHigh,
    /// A volume claim is not bound.
    #[serde(rename = "pvc_pending")]
    PvcPending,
    /// An ingress does not serve.
    #[serde(rename = "ingress_error")]
    IngressError,
    /// An autoscaler wants more replicas than it may have.
    #[serde(rename = "hpa_maxed")]
    HpaMaxed,
    /// A Job has failed.
    #[serde(rename = "job_failed")]
    JobFailed,
    /// A CronJob has missed its time.
    #[serde(rename = "cronjob_missed")]
    CronjobMissed,
    /// A certificate ends soon.
    #[serde(rename = "certificate_expiring")]
    CertificateExpiring,
    /// An image cannot be pulled.
    #[serde(rename = "image_pull_error")]
    ImagePullError,
    /// A container crashes again and again.
    #[serde(rename = "crashloop_backoff")]
    CrashloopBackoff,
    /// A Helm release has failed.
    #[serde(rename = "helm_release_failed")]
    HelmReleaseFailed,
    /// An Argo CD application is degraded.
    #[serde(rename = "argocd_degraded")]
    ArgocdDegraded,
    /// An object differs from its source.
    #[serde(rename = "config_drift")]
    ConfigDrift,
    /// A Service leads nowhere.
    #[serde(rename = "service_error")]
    ServiceError,
    /// A NetworkPolicy denies a connection that a workload needs.
    #[serde(rename = "network_denied")]
    NetworkDenied,
    /// The next start of a pod will fail, although it runs now.
    #[serde(rename = "next_start_fails")]
    NextStartFails,
    /// An autoscaler cannot do its work.
    #[serde(rename = "autoscaler_error")]
    AutoscalerError,
    /// A quota, a limit range, a webhook or Pod Security refuses the next pod, or a disruption budget every eviction.
    #[serde(rename = "admission_blocked")]
    AdmissionBlocked,
    /// An object is being deleted and does not go.
    #[serde(rename = "deletion_stuck")]
    DeletionStuck,
    /// A workload that others need is scaled to zero.
    #[serde(rename = "scaled_to_zero")]
    ScaledToZero,
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
    /// A Service selects no pods, or leads to a port that they do not serve.
    ServiceMisconfigured,
    /// An Ingress or a route of the Gateway API leads to a class, Service, port or Secret that does not fit.
    RouteMisconfigured,
    /// A NetworkPolicy denies the connection.
    NetworkDenied,
    /// A volume claim cannot be bound or mounted.
    StorageUnavailable,
    /// A certificate has ended, ends soon, or is for other names.
    CertificateInvalid,
    /// An account may not do what the workload needs.
    PermissionDenied,
    /// Something that the workload depends on is down, or is not where it looks for it.
    DependencyUnavailable,
    /// A Job cannot end, or a schedule never comes.
    JobMisconfigured,
    /// An autoscaler has no target, no metrics or no room.
    AutoscalerMisconfigured,
    /// A disruption budget or a rollout strategy leaves no pod that may go.
    DisruptionBlocked,
    /// An admission webhook does not answer.
    WebhookUnavailable,
    /// The workload is scaled to zero.
    ScaledToZero,
    /// A finalizer keeps an object that is being deleted.
    DeletionBlocked,
    /// A release or a sync of a tool that brings objects into the cluster has failed.
    DeliveryFailed,
    /// No cause could be proven; the statement says what was checked.
    Unknown,
}
