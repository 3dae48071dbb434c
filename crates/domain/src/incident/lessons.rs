//! What each class of cause teaches and how it is prevented: the texts of a report.

use api::shared::CauseClass;

/// One lesson and the steps that prevent the next incident of its class.
pub(super) fn of(class: CauseClass) -> (&'static str, &'static [&'static str]) {
    match class {
        CauseClass::ImageNotFound => (
            "A rollout named an image that cannot be pulled; the old pods kept serving only as long as none of them had to be replaced.",
            &[
                "Let the pipeline check that the image exists before it changes the workload.",
                "Refer to images by digest.",
            ],
        ),
        CauseClass::ImageUnauthorized => (
            "The registry did not accept the credentials of the workload.",
            &[
                "Watch the expiry of registry credentials.",
                "Keep imagePullSecrets in the ServiceAccount instead of in each workload.",
            ],
        ),
        CauseClass::RegistryUnreachable => (
            "The registry could not be reached from the nodes.",
            &["Put a pull-through mirror near the cluster.", "Alert on the registry itself."],
        ),
        CauseClass::BadConfiguration => (
            "A change of configuration made the container end by itself.",
            &[
                "Validate configuration in the pipeline with the parser of the application.",
                "Name ConfigMaps by their content, so that a change rolls out and back with the revision.",
            ],
        ),
        CauseClass::ApplicationCrash => (
            "The application ended by itself; no change of configuration explains it.",
            &[
                "Make the last log line before an exit say why.",
                "Roll out to a small share first and stop on restarts.",
            ],
        ),
        CauseClass::OutOfMemory => (
            "The memory limit is below what the container needs.",
            &[
                "Measure the working set under load and set the limit above it.",
                "Alert on use near the limit, before the kill.",
            ],
        ),
        CauseClass::ProbeMismatch => (
            "A probe asked for a port or path that the container does not serve.",
            &["Test probes against the image in the pipeline.", "Name ports and use the name in the probe."],
        ),
        CauseClass::ApplicationNotReady => (
            "The application said that it was not ready; its probe is right.",
            &["Let the readiness endpoint say which dependency is missing."],
        ),
        CauseClass::InsufficientResources => (
            "No node had room for what the pods request.",
            &[
                "Keep headroom for one rollout, or let a cluster autoscaler make it.",
                "Compare requests with use; lower those that are never needed.",
            ],
        ),
        CauseClass::UnsatisfiableConstraints => (
            "Selectors, affinity, taints or volumes left no node for the pods.",
            &["Check constraints against the labels and taints of the nodes when they change."],
        ),
        CauseClass::MissingReference => (
            "The workload refers to an object or key that does not exist.",
            &[
                "Deploy referenced objects with the workload, and before it.",
                "Check references in the pipeline with a server-side dry run.",
            ],
        ),
        CauseClass::NodeFault => (
            "A node failed or was under pressure.",
            &["Spread replicas over nodes.", "Repair or replace unhealthy nodes automatically."],
        ),
        CauseClass::AdmissionRefused => (
            "A quota, a limit range or an admission rule refused the pods.",
            &["Run a server-side dry run in the pipeline.", "Alert on quota use before it is full."],
        ),
        CauseClass::ServiceMisconfigured => (
            "A Service led to no pods, or to a port that they do not serve.",
            &[
                "Name container ports and let Services use the names.",
                "Check selectors against pod labels in the pipeline.",
            ],
        ),
        CauseClass::RouteMisconfigured => (
            "A route led to a class, Service, port or Secret that was not there.",
            &["Deploy routes together with what they lead to.", "Probe each public route from outside."],
        ),
        CauseClass::NetworkDenied => (
            "A NetworkPolicy denied a connection that a workload needs.",
            &[
                "Keep policies beside the workloads whose connections they name.",
                "Allow DNS in every policy on egress.",
            ],
        ),
        CauseClass::StorageUnavailable => (
            "A volume claim could not be bound or mounted.",
            &["Name a StorageClass that every cluster has, or none.", "Alert on claims that stay pending."],
        ),
        CauseClass::CertificateInvalid => (
            "A certificate had ended, or was for other names.",
            &["Let a controller renew certificates.", "Alert weeks before a certificate ends."],
        ),
        CauseClass::PermissionDenied => (
            "An account was not allowed to do what the workload needs.",
            &["Deploy roles with the workload, and test them with `kubectl auth can-i`."],
        ),
        CauseClass::DependencyUnavailable => (
            "Something that the workload depends on was down, or not where the workload looks for it.",
            &["Retry with backoff instead of ending.", "Take addresses of dependencies from one place."],
        ),
        CauseClass::JobMisconfigured => (
            "A Job could not end, or its schedule never came.",
            &["Set deadlines and history limits on Jobs.", "Alert on the last success, not on failures alone."],
        ),
        CauseClass::AutoscalerMisconfigured => (
            "An autoscaler had no target, no metrics or no room.",
            &["Set requests on everything that is scaled by use.", "Alert when an autoscaler stays at its most."],
        ),
        CauseClass::DisruptionBlocked => (
            "A disruption budget or a rollout strategy left no pod that may go.",
            &["Let budgets allow at least one disruption.", "Check budgets against replicas when either changes."],
        ),
        CauseClass::WebhookUnavailable => (
            "An admission webhook did not answer, and refuses what it cannot see.",
            &["Run webhooks with several replicas.", "Exclude their own namespace, and fail open where that is safe."],
        ),
        CauseClass::ScaledToZero => (
            "A workload that others need was scaled to zero.",
            &["Say who scales a workload, and alert when one that has users is at zero."],
        ),
        CauseClass::DeletionBlocked => (
            "A finalizer kept an object that was being deleted.",
            &["Remove a controller only after the objects that carry its finalizers."],
        ),
        CauseClass::DeliveryFailed => (
            "A release or a sync of a tool that brings objects into the cluster failed.",
            &[
                "Render and validate manifests in the pipeline, with a server-side dry run.",
                "Alert on syncs that fail.",
            ],
        ),
        CauseClass::Unknown => (
            "The cause could not be proven from what the cluster shows.",
            &["Add the observation that was missing: log lines at exit, metrics, events."],
        ),
    }
}
