//! Questions to the evidence that every explanation asks: which pod, which revision, where in the spec, since when.

use api::shared::{ObjectRef, Proof};
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::{Container, PodSpec};

use super::log::{Entry, cut};
use super::{Change, Evidence, changes, observed};
use crate::detection::{PodView, Revision, Rule};

/// A revision whose pods are in trouble this soon after they were made brought the trouble with it.
const AT_START: SignedDuration = SignedDuration::from_mins(30);

impl Evidence {
    /// The pod that shows the symptom.
    pub(super) fn pod(&self) -> Option<&PodView> {
        let name = &self.symptom.pod.as_ref()?.name;
        self.view.pods.iter().find(|p| p.reference().name == *name)
    }

    /// The revision that shows the symptom.
    pub(super) fn revision(&self) -> Option<&Revision> {
        let hash = self.pod().map_or_else(|| self.view.current.clone().unwrap_or_default(), |p| p.revision.clone());
        self.view.revisions.iter().find(|r| r.hash == hash)
    }

    /// The revision before that.
    pub(super) fn previous(&self) -> Option<&Revision> {
        self.view.previous_revision(self.revision()?.number)
    }

    /// The object whose spec is at fault where the spec of the pods is: the workload, or the CronJob of a Job.
    pub(super) fn culprit(&self) -> &ObjectRef {
        self.view.root()
    }

    /// Where the pod spec stands in that object.
    pub(super) fn prefix(&self) -> &'static str {
        match self.culprit().kind.as_str() {
            "Pod" => "spec",
            "CronJob" => "spec.jobTemplate.spec.template.spec",
            _ => "spec.template.spec",
        }
    }

    /// The spec that the failing pod was made from.
    pub fn pod_spec(&self) -> Option<&PodSpec> {
        Some(self.spec()?.0)
    }

    /// The spec that the failing pod was made from, and the prefix of paths in it.
    pub(super) fn spec(&self) -> Option<(&PodSpec, &'static str)> {
        let of_revision = self.revision().and_then(|r| r.template.spec.as_ref());
        Some((of_revision.or_else(|| self.pod()?.spec())?, self.prefix()))
    }

    /// Path of a container of that spec, for example `spec.template.spec.containers[0]`.
    pub(super) fn container_path(&self, name: &str) -> Option<String> {
        let (spec, prefix) = self.spec()?;
        if let Some(index) = spec.containers.iter().position(|c| c.name == name) {
            return Some(format!("{prefix}.containers[{index}]"));
        }
        let index = spec.init_containers.as_ref()?.iter().position(|c| c.name == name)?;
        Some(format!("{prefix}.initContainers[{index}]"))
    }

    /// Container of that spec that shows the symptom.
    pub(super) fn container_spec(&self) -> Option<&Container> {
        let (spec, _) = self.spec()?;
        let all = spec.containers.iter().chain(spec.init_containers.iter().flatten());
        all.into_iter().find(|c| c.name == self.container())
    }

    /// What the failing revision changed against the one before.
    pub(super) fn changes(&self) -> Vec<Change> {
        let mut found = match (self.previous(), self.revision()) {
            (Some(before), Some(after)) => changes(&before.template, &after.template),
            _ => Vec::new(),
        };
        let prefix = self.prefix();
        for change in &mut found {
            if let Some(rest) = change.path.strip_prefix("spec.template.spec") {
                change.path = format!("{prefix}{rest}");
            }
        }
        found
    }

    /// Whether the trouble began when pods of the failing revision began, while there is an older one to compare with.
    pub(super) fn introduced(&self) -> bool {
        let (Some(revision), Some(_)) = (self.revision(), self.previous()) else { return false };
        let pods = self.view.pods.iter().filter(|p| p.revision == revision.hash);
        let oldest = pods.filter_map(|p| p.pod.metadata.creation_timestamp.as_ref()).map(|t| t.0).min();
        let at_start = AT_START.saturating_add(self.looping_for());
        oldest.is_some_and(|made| self.symptom.since.duration_since(made) < at_start)
    }

    /// How long the container has been crashing, from its restarts: the kubelet waits 10 s, then twice as long each time,
    /// up to five minutes. The symptom itself knows only the last run.
    fn looping_for(&self) -> SignedDuration {
        let status = self.pod().and_then(|p| p.statuses().map(|(_, s)| s).find(|s| s.name == self.container()));
        let restarts = status.map_or(0, |s| i64::from(s.restart_count.clamp(0, 10_000)));
        // The first restart comes at once; 10, 20, 40, 80 and 160 s follow.
        let rising: i64 = (0..(restarts - 1).clamp(0, 5)).map(|n| 10 << n).sum();
        SignedDuration::from_secs(rising + (restarts - 6).max(0) * 300)
    }

    /// A revision in words; those of a CronJob are its Jobs.
    pub(super) fn named(&self, revision: &Revision) -> String {
        match self.view.job {
            Some(_) => format!("Job {}", revision.object.name),
            None => format!("revision {}", revision.number),
        }
    }

    /// Container that shows the symptom.
    pub(super) fn container(&self) -> &str {
        self.symptom.container.as_deref().unwrap_or_default()
    }

    /// Kind and name of the object whose spec it is, for sentences.
    pub(super) fn who(&self) -> String {
        format!("{} {}", self.culprit().kind, self.culprit().name)
    }

    /// Container and workload, for the beginning of a sentence.
    pub(super) fn part(&self) -> String {
        let name = self.container();
        if name.is_empty() {
            return self.who();
        }
        let init = self.container_path(name).is_some_and(|path| path.contains(".initContainers["));
        format!("{} {name} of {}", if init { "Init container" } else { "Container" }, self.who())
    }

    /// What a container does that ends by itself: again and again, or for good where it is a Job's.
    pub(super) fn verb(&self) -> &'static str {
        if self.symptom.rule == Rule::JobFailed { "fails" } else { "crashes" }
    }

    /// What the symptom saw, as the beginning of a proof.
    pub(super) fn seen(&self) -> Vec<Proof> {
        self.symptom.evidence.iter().map(|o| observed(o, "this is the symptom")).collect()
    }

    /// A log entry as a fact.
    pub(super) fn log_proof(&self, entry: &Entry) -> Option<Proof> {
        let running = matches!(
            self.symptom.rule,
            Rule::NotReady | Rule::ReadinessFailing | Rule::LivenessFailing | Rule::ErrorRate | Rule::Latency
        );
        Some(Proof {
            object: self.symptom.pod.clone()?,
            path: Some(format!("log of container {}", self.container())),
            value: Some(cut(&entry.text, 300)),
            resource_version: None,
            time: None,
            rule: if running { "its log tells of this" } else { "the last run says why it ends" }.into(),
        })
    }
}
