//! Connections that workloads need and NetworkPolicies deny.
//!
//! What lives here: which connections matter, and one finding per fault. What does not: whether a connection is allowed
//! (`solver`), which policy is at fault (`blame`), name resolution (`dns`).

use std::collections::BTreeMap;

use api::shared::{ObjectRef, RootCause};
use k8s_openapi::api::networking::v1::NetworkPolicy;

use super::super::super::{Finding, Standing};
use super::index::Index;
use super::needs::Need;
use super::solver::Solver;
use super::{concerned, finding, needed};
use crate::detection::Rule;
use crate::graph::query::reference;

pub(super) fn examine(index: &Index, out: &mut Vec<Finding>) {
    let graph = index.graph;
    let none = graph.policies.is_empty() && graph.cluster.policies.is_empty();
    if none || !graph.knows("NetworkPolicy") || !graph.knows("Service") {
        return;
    }
    let mut solver = Solver::of(index);
    let mut denied: BTreeMap<(String, String, String), Denied> = BTreeMap::new();
    for ((namespace, of), needs) in index.all_needs() {
        let Some(service) = index.service_of(namespace, of) else { continue };
        if super::offer::external(service) {
            continue;
        }
        for need in needs {
            let found = match need.client {
                Some(client) => solver.between(client, need, namespace, service),
                None if *namespace == graph.namespace => solver.outside_in(need, service),
                None => None,
            };
            let Some(found) = found else { continue };
            let fault = &found.cause.object;
            let key = (fault.kind.clone(), fault.name.clone(), found.cause.path.clone().unwrap_or_default());
            denied.entry(key).and_modify(|known| known.join(&found)).or_insert(found);
        }
    }
    out.extend(denied.into_values().map(Denied::finding));
}

/// A reference to a NetworkPolicy.
pub(super) fn of_policy(policy: &NetworkPolicy) -> ObjectRef {
    reference("networking.k8s.io/v1", "NetworkPolicy", &policy.metadata)
}

/// A policy, or labels, that deny connections.
pub(super) struct Denied<'g> {
    pub(super) cause: RootCause,
    pub(super) needs: Vec<Need<'g>>,
    /// Workloads behind the Service.
    pub(super) servers: Vec<ObjectRef>,
    pub(super) port: String,
    pub(super) standing: Standing,
    pub(super) edit: String,
}

impl Denied<'_> {
    fn join(&mut self, other: &Self) {
        if other.standing > self.standing {
            self.cause = other.cause.clone();
            self.edit.clone_from(&other.edit);
        }
        self.standing = self.standing.max(other.standing);
        self.needs.extend(other.needs.iter().cloned());
        self.servers.extend(other.servers.iter().cloned());
    }

    fn finding(self) -> Finding {
        let mut needs: Vec<&Need> = self.needs.iter().collect();
        // What is explicit comes first, and of that what shows a symptom.
        needs.sort_by_key(|need| (!need.plain, !need.client.is_some_and(|client| client.troubled)));
        let about = needs.first().map_or(&self.cause.object, |need| &need.by).clone();
        let mut concerns = concerned(needs.iter().copied());
        for server in &self.servers {
            if !concerns.contains(server) {
                concerns.push(server.clone());
            }
        }
        let service = needs.first().map(|need| need.host.clone()).unwrap_or_default();
        let mut words = super::dependency::words(&service, &needs);
        words.push(self.port);
        let mut cause = self.cause;
        let mut proof = needed(needs.iter().copied());
        proof.append(&mut cause.proof);
        cause.proof = proof;
        let mut recommendations = vec![format!("Smallest change that opens it: {}.", self.edit)];
        if about.kind == "Ingress" {
            recommendations.push("Allow the namespace of the Ingress controller.".into());
        }
        Finding { concerns, words, recommendations, ..finding(Rule::NetworkDenied, self.standing, &about, cause) }
    }
}
