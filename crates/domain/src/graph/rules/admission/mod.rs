//! What the API server would say to the next pod: Pod Security, limit ranges, quotas, webhooks.
//!
//! Nothing of it touches pods that run. Where such a pod breaks the rule too, the rule is newer than the pod and at fault;
//! otherwise the template is. A template that does not fit while the pods made from it do is completed by a webhook.

mod limits;
mod quota;
mod security;
#[cfg(test)]
mod tests;
mod webhook;

use std::collections::BTreeMap;

use api::shared::{CauseClass, ObjectRef, Proof, Severity};

use super::shape::{self, finding, latent, proven};
use super::{cause, fact};
use crate::detection::Rule;
use crate::graph::{Finding, Member, Standing, Workload};

pub(super) use limits::{Defaults, given, limits};
pub(super) use quota::{demands, surge};
pub(crate) use security::breach;
pub(super) use security::security;
pub(super) use webhook::webhooks;

/// What a pod spec breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Breach {
    /// Field, below the pod spec.
    pub(crate) path: String,
    /// What stands there.
    pub(crate) value: String,
    /// What is wrong and what would be right.
    pub(crate) words: String,
    /// How many more there are.
    pub(crate) more: usize,
}

/// The rule that is broken: an object of the cluster, and the field of it.
struct Limit<'a> {
    object: ObjectRef,
    path: &'a str,
    value: &'a str,
    /// The rule as the subject of a sentence.
    name: String,
    advice: String,
}

/// Breaches of one rule by several workloads: the rule is at fault if it is the newer part, and that is one finding.
#[derive(Default)]
struct Gathered(BTreeMap<(String, String), Finding>);

impl Gathered {
    /// Adds a workload whose template breaks a limit.
    fn add(
        &mut self,
        workload: &Workload,
        pods: &[&Member],
        limit: &Limit<'_>,
        breach: &Breach,
        out: &mut Vec<Finding>,
        pod_breaks: impl Fn(&Member) -> bool,
    ) {
        // A pod that belongs to nothing has no next one.
        if workload.object.kind == "Pod" {
            return;
        }
        let live: Vec<&&Member> = pods.iter().filter(|pod| pod.terminating.is_none()).collect();
        // A webhook completes the pods.
        if live.iter().any(|pod| !pod_breaks(pod)) {
            return;
        }
        let more = if breach.more > 0 { format!(" (and {} more)", breach.more) } else { String::new() };
        let path = format!("{}.{}", workload.spec_path, breach.path);
        let proof = |who: &ObjectRef| -> Vec<Proof> {
            vec![
                fact(&limit.object, limit.path, limit.value, "this is the rule"),
                fact(who, &path, &breach.value, &breach.words),
            ]
        };
        let who = shape::who(&workload.object);
        if live.is_empty() {
            let statement = format!("{who} breaks {}: {}{more}, so its next pod is refused", limit.name, breach.words);
            let found = cause(&workload.object, CauseClass::AdmissionRefused, &path, &breach.value, statement, 0.9);
            out.push(Finding {
                concerns: vec![workload.object.clone()],
                recommendations: vec![format!("Change {path} so that it meets the rule.")],
                ..finding(
                    Rule::AdmissionBlocked,
                    latent(workload),
                    Severity::High,
                    &workload.object,
                    proven(found, proof(&workload.object)),
                )
            });
            return;
        }
        let key = (format!("{}/{}", limit.object.kind, limit.object.name), limit.path.to_owned());
        if let Some(known) = self.0.get_mut(&key) {
            known.concerns.push(workload.object.clone());
            if latent(workload) == Standing::Latent && known.standing == Standing::Suspect {
                known.standing = Standing::Latent;
                known.about = workload.object.clone();
            }
            return;
        }
        let statement = format!("{} refuses the next pod of {who}: {}{more}", limit.name, breach.words);
        let mut found = proven(
            cause(&limit.object, CauseClass::AdmissionRefused, limit.path, limit.value, statement, 0.85),
            proof(&workload.object),
        );
        if let Some(pod) = live.first() {
            found.proof.push(fact(
                &pod.object,
                "status.phase",
                "Running",
                "this pod breaks the rule too, so it is older than the rule",
            ));
        }
        let found = Finding {
            concerns: vec![workload.object.clone()],
            recommendations: vec![
                limit.advice.clone(),
                format!("Or change {path} of {who} so that it meets the rule."),
            ],
            ..finding(Rule::AdmissionBlocked, latent(workload), Severity::High, &workload.object, found)
        };
        self.0.insert(key, found);
    }

    fn finish(self, out: &mut Vec<Finding>) {
        out.extend(self.0.into_values());
    }
}
