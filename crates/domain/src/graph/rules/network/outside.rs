//! Connections out of the cluster that policies deny.

use std::collections::BTreeMap;

use api::shared::CauseClass;

use super::super::super::{Finding, Standing, Workload};
use super::super::{cause, fact};
use super::index::Index;
use super::names::{self, Form};
use super::place::Place;
use super::policy::{self, Port, Way};
use super::reach::of_policy;
use super::uses::{self, Use};
use super::{blame, called, finding, settings};
use crate::detection::Rule;
use crate::graph::Touch;

/// Words in the names of variables that hold an address which the process itself asks. Others may be links for people.
const ASKED: [&str; 10] =
    ["API", "ENDPOINT", "UPSTREAM", "BACKEND", "WEBHOOK", "HOST", "ADDR", "ADDRESS", "SERVER", "DSN"];

pub(super) fn examine(index: &Index, out: &mut Vec<Finding>) {
    let graph = index.graph;
    if graph.policies.is_empty() || !graph.knows("NetworkPolicy") || blame::others(index) {
        return;
    }
    let mut by_client: BTreeMap<(&str, &str), Vec<&Use>> = BTreeMap::new();
    for used in index.uses().iter().filter(|used| matches!(used.place, Place::Elsewhere) && used.plain) {
        let object = &used.client.object;
        by_client.entry((&object.kind, &object.name)).or_default().push(used);
    }
    let mut all: Vec<Finding> = Vec::new();
    for uses in by_client.values() {
        // One is enough: what denies one denies all others of the world too.
        let found = uses.iter().filter_map(|used| denied(index, used)).max_by_key(|found| found.standing);
        let Some(found) = found else { continue };
        // The same policy that denies these pods something else has one fault.
        let told = |known: &Finding| known.cause.object == found.cause.object && known.concerns.contains(&found.about);
        if out.iter().any(told) {
            continue;
        }
        match all.iter_mut().find(|known| known.cause.object == found.cause.object && known.standing == found.standing)
        {
            Some(known) => known.concerns.extend(found.concerns),
            None => all.push(found),
        }
    }
    out.append(&mut all);
}

fn denied(index: &Index, used: &Use) -> Option<Finding> {
    let client = used.client;
    let active = client.desired > 0 || matches!(client.object.kind.as_str(), "CronJob" | "DaemonSet");
    let number = used.port.or(used.mention.usual).map(i32::from)?;
    if !active || client.spec.host_network == Some(true) || names::spare(&used.variable) || by_proxy(index, client) {
        return None;
    }
    let policies = policy::isolating(&index.graph.policies, &client.pod_labels, Way::Egress);
    let port = Port { number: Some(number), protocol: "TCP", spec: None };
    // Who has which address nobody knows here: a rule with any block of addresses may mean this host.
    let open = policies.iter().any(|policy| policy::lets_out(policy, &port));
    let policy =
        policies.iter().max_by_key(|policy| Touch::of(&policy.metadata).map(|touch| touch.at)).filter(|_| !open)?;
    let (object, host) = (of_policy(policy), &used.mention.host);
    let closed = policy::rules(policy, Way::Egress).is_empty();
    let because =
        if closed { "it allows no egress" } else { "none of its egress rules allows that outside of the cluster" };
    let statement = format!(
        "{} ({}) is denied port {number} of {host} by NetworkPolicy {}: {because}",
        called(&client.object),
        used.words(),
        object.name
    );
    let value = if closed { "[]" } else { "no ipBlock" };
    let mut cause = cause(&object, CauseClass::NetworkDenied, "spec.egress", value, statement, 0.85);
    cause.proof = vec![
        fact(&used.spot.object, &used.spot.path, used.words(), "it is told to connect there"),
        fact(&object, "spec.podSelector", "matches", "it selects the pods of the workload for egress"),
        fact(&object, "spec.egress", value, "no rule of it has a peer outside of the cluster with this port"),
    ];
    let name = names::normal(&used.variable);
    let asked = name.split('_').any(|word| ASKED.contains(&word));
    let sure = asked || (used.mention.form == Form::Url && used.mention.secure.is_none());
    let standing = if sure { Standing::Outage } else { Standing::Suspect };
    Some(Finding {
        concerns: vec![client.object.clone()],
        words: [host.clone(), used.variable.clone()].into_iter().filter(|word| !word.is_empty()).collect(),
        recommendations: vec![format!("Add an egress rule with an ipBlock for {host} and port {number}.")],
        ..finding(Rule::NetworkDenied, standing, &client.object, cause)
    })
}

/// Whether a workload goes out through a proxy.
fn by_proxy(index: &Index, client: &Workload) -> bool {
    uses::containers(client).any(|(container, path)| {
        let variables = settings::variables(index, client, container, &path);
        variables.iter().any(|setting| names::normal(&setting.name).ends_with("_PROXY"))
    })
}
