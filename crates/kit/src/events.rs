//! Kubernetes Events, as a courtesy to people: a failure to write one never fails the caller.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};

use crate::condition::cut;

/// Longest note and reason that the API server takes, in bytes.
const NOTE_LIMIT: usize = 1024;
const REASON_LIMIT: usize = 128;

/// Writes Events in the name of one process. Clone it: repeats are counted across all clones.
#[derive(Clone)]
pub struct Events {
    recorder: Recorder,
}

impl Events {
    /// Events that say they come from `controller`.
    pub fn new(client: Client, controller: &str) -> Self {
        Self { recorder: Recorder::new(client, Reporter { controller: controller.to_owned(), instance: None }) }
    }

    /// Something went as it should.
    pub async fn normal(&self, object: &ObjectReference, reason: &str, action: &str, note: &str) {
        self.publish(EventType::Normal, object, reason, action, note).await;
    }

    /// Somebody should look.
    pub async fn warning(&self, object: &ObjectReference, reason: &str, action: &str, note: &str) {
        self.publish(EventType::Warning, object, reason, action, note).await;
    }

    async fn publish(&self, type_: EventType, object: &ObjectReference, reason: &str, action: &str, note: &str) {
        let event = Event {
            type_,
            reason: cut(reason, REASON_LIMIT).to_owned(),
            action: cut(action, REASON_LIMIT).to_owned(),
            note: Some(cut(note, NOTE_LIMIT).to_owned()),
            secondary: None,
        };
        match tokio::time::timeout(Duration::from_secs(5), self.recorder.publish(&event, object)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, reason, object = ?object.name, "cannot write an Event"),
            Err(_) => tracing::warn!(reason, object = ?object.name, "writing an Event took over 5 s"),
        }
    }
}
