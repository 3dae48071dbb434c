//! The controllers of the operator, one folder per kind.
//!
//! What lives here: reading what a decision needs, doing what it asks for, which change wakes whom, and the wiring of it
//! all. What does not: the decisions (`domain`), the plumbing (`kit`), the world outside the cluster (`ports`).

pub mod ai_insight;
pub mod anomaly;
pub mod approval;
mod bridge;
mod caches;
mod definitions;
pub mod install;
pub mod instance;
pub mod issue;
pub mod remediation_plan;
mod servers;

#[cfg(test)]
mod tests;

use domain::incident;
use jiff::SignedDuration;
use kit::controller::Env;
use kit::events::Events;
use kube::Client;

pub use caches::Caches;
pub use definitions::{Definitions, judge as judge_definitions};
pub use servers::{LinkState, Servers, Target, TrustOf};

/// Settings of the operator.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Namespace of the operator: its policies govern everywhere, Issues of nodes live there.
    pub namespace: String,
    /// How long a fault must be gone before it counts as gone.
    pub stability: SignedDuration,
    /// Attempts before people take over.
    pub max_attempts: i32,
    /// How long an analysis may take before people are told.
    pub analysis_deadline: SignedDuration,
    /// Of the Instances.
    pub instances: instance::Settings,
}

/// Starts the controllers. Only on the leader, and only when the caches are filled.
pub fn start(client: &Client, settings: &Settings, caches: &Caches, servers: &Servers, events: &Events, env: &Env) {
    let bridge = controllers(client, settings, caches, servers.clone(), events, env);
    // Last, so that whoever acts on a new Anomaly is there.
    bridge.follow(servers, env);
    instance::start(client.clone(), settings.instances.clone(), &caches.instances, servers, events.clone(), env);
}

/// Everything but the links: `ask` is whom to ask.
fn controllers<A: ai_insight::Ask>(
    client: &Client,
    settings: &Settings,
    caches: &Caches,
    ask: A,
    events: &Events,
    env: &Env,
) -> bridge::Bridge {
    let index = anomaly::Index::default();
    let wake = issue::Wake::default();
    // Correlation first: it fills the index that the Issues are decided by.
    let touched = wake.clone();
    anomaly::start(
        client.clone(),
        &caches.anomalies,
        &caches.issues,
        &index,
        &settings.namespace,
        env,
        move |key, joined| match joined {
            anomaly::Joined::OneMore => touched.wake_later(key),
            _ => touched.wake(key),
        },
    );
    let of_issues = incident::Settings {
        max_attempts: settings.max_attempts,
        stability: settings.stability,
        analysis_deadline: settings.analysis_deadline,
        auto_resolve: true,
    };
    issue::start(client.clone(), of_issues, &caches.of_issues(), &index, &wake, events.clone(), env);
    ai_insight::start(client.clone(), ask, &caches.insights, &caches.issues, events.clone(), env);
    let of_plans =
        remediation_plan::Settings { operator_namespace: settings.namespace.clone(), stability: settings.stability };
    remediation_plan::start(client.clone(), of_plans, &caches.of_plans(), events.clone(), env);
    approval::start(client.clone(), &caches.of_requests(), events.clone(), env);
    bridge::start(client.clone(), &caches.anomalies, &settings.namespace, env)
}
