//! Says how an Instance is doing: one status write, an Event and a line in the log for what has changed.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use api::Instance;
use api::instance::InstanceStatus;
use domain::instance::{Condition, no_ready_instance};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition as Stored;
use kit::cache::Key;
use kit::condition::{Status, upsert};
use kube::{Api, Resource};

use super::error::Error;
use super::{Controller, MANAGER};

/// Reasons that pass by themselves: they are no news to anybody who is not looking.
const PASSING: [&str; 5] = ["Connecting", "WaitingForPods", "NotConnected", "TargetsPending", "NoActiveReplica"];

/// What was said last, so that it is said once: by Instance and condition, and for all of them together.
#[derive(Default)]
pub(super) struct Said {
    conditions: Mutex<BTreeMap<(Key, &'static str), String>>,
    none_ready: Mutex<Option<String>>,
}

impl Said {
    /// Whether this was not said yet.
    fn is_news(&self, key: &Key, condition: &Condition) -> bool {
        let text = format!("{:?} {} {}", condition.holds, condition.reason, condition.message);
        let mut said = self.conditions.lock().unwrap_or_else(PoisonError::into_inner);
        said.insert((key.clone(), condition.type_), text.clone()) != Some(text)
    }

    pub(super) fn forget(&self, key: &Key) {
        self.conditions.lock().unwrap_or_else(PoisonError::into_inner).retain(|(of, _), _| of != key);
    }
}

impl Controller {
    /// Writes the status, if it differs, on top of exactly the Instance that it was decided on.
    pub(super) async fn report(
        &self,
        instance: &Instance,
        conditions: &[Condition],
        (existing, ready): (i32, i32),
    ) -> Result<(), Error> {
        let key = Key::of(instance);
        let generation = instance.metadata.generation;
        let old = instance.status.as_ref().map(|status| status.conditions.clone()).unwrap_or_default();
        let mut list: Vec<Stored> =
            old.iter().filter(|stored| conditions.iter().any(|c| c.type_ == stored.type_)).cloned().collect();
        for condition in conditions {
            let status = condition.holds.map_or(Status::Unknown, Status::from);
            let (reason, message) = (&condition.reason, &condition.message);
            upsert(&mut list, condition.type_, status, reason, message, generation, self.clock.now());
        }
        let available = conditions.iter().any(|c| c.type_ == "Available" && c.holds == Some(true));
        let status = InstanceStatus {
            conditions: list,
            observed_generation: generation,
            ready: available,
            ready_replicas: ready,
            replicas: existing,
        };
        let api: Api<Instance> = self.api(&key.namespace);
        kit::status::write(&api, MANAGER, instance, &status).await.map_err(|source| Error::WriteStatus { source })?;
        for condition in conditions {
            self.tell(instance, &key, &old, condition).await;
        }
        Ok(())
    }

    async fn tell(&self, instance: &Instance, key: &Key, old: &[Stored], condition: &Condition) {
        let Condition { type_, holds, reason, message } = condition;
        let passing = PASSING.contains(&reason.as_str()) || holds.is_none();
        if self.said.is_news(key, condition) {
            match holds {
                Some(true) => tracing::info!(instance = %key, condition = type_, reason, "{message}"),
                // What keeps an Instance from being available is told by its own condition already.
                _ if passing || *type_ == "Available" => {
                    tracing::info!(instance = %key, condition = type_, holds = ?holds, reason, "{message}");
                }
                _ => tracing::warn!(instance = %key, condition = type_, reason, "{message}"),
            }
        }
        let before = old.iter().find(|stored| stored.type_ == *type_);
        let status = holds.map_or(Status::Unknown, Status::from).as_str();
        let moved = before.is_none_or(|before| before.status != status || before.reason != *reason);
        // The sum, and what was well from the start, are worth an Event only when they move.
        let quiet = passing || (before.is_none() && *holds == Some(true) && *type_ != "Available");
        if !moved || quiet {
            return;
        }
        let reference = instance.object_ref(&());
        match holds {
            Some(true) => self.events.normal(&reference, reason, type_, message).await,
            _ => self.events.warning(&reference, reason, type_, message).await,
        }
    }

    /// Says, once per change, that no Instance can be used, or that one can again.
    pub(super) fn announce(&self) {
        let all = self.caches.instances.all();
        let now = no_ready_instance(all.iter().map(AsRef::as_ref));
        let mut said = self.said.none_ready.lock().unwrap_or_else(PoisonError::into_inner);
        if *said == now {
            return;
        }
        if let Some(text) = &now {
            tracing::warn!("{text}");
        } else {
            tracing::info!("a ready Instance is found");
        }
        *said = now;
    }
}
