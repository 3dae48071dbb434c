//! An API server in memory, with faults on demand.
//!
//! It knows get, list, watch, create, update, the four patch forms, delete, the `status` and `scale` subresources, dry
//! runs, resourceVersion and UID preconditions, finalizers and generations. It keeps a log of every request and can be
//! told to refuse, to stall, to lose an answer, or to die after the n-th write. It does not know schemas, admission,
//! defaults, garbage collection and field ownership beyond "what a manager leaves out of its next apply goes away":
//! what depends on those is tested on a real API server.
//!
//! ```text
//! let api = FakeApi::new().with(deployment).with(plan);
//! api.fail("patch", "/status", 409, 1);
//! let client = api.client();
//! // run the code under test …
//! assert_eq!(api.writes().len(), 3);
//! let plan: Plan = api.get("shop", "web").unwrap();
//! ```

mod faults;
mod merge;
mod request;
mod serve;
mod store;

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use kube::{Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Notify;

use faults::Faults;
pub use faults::{Fault, crash_everywhere};
pub use request::Seen;
use store::{Kind, Store};

pub(crate) type Answer = http::Response<UnsyncBoxBody<Bytes, Infallible>>;

#[derive(Default)]
struct State {
    store: Store,
    faults: Faults,
    log: Vec<Seen>,
    logs: Vec<(String, String)>,
}

/// The API server. Clones are the same server.
#[derive(Clone, Default)]
pub struct FakeApi {
    state: Arc<Mutex<State>>,
    /// Wakes watches after a change, a break or a death.
    changed: Arc<Notify>,
}

impl FakeApi {
    /// An empty server.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The server, with one more object, status included.
    ///
    /// # Panics
    /// When the object cannot be serialised.
    #[must_use]
    pub fn with<K: Resource<DynamicType = ()> + Serialize>(self, object: K) -> Self {
        self.put(object);
        self
    }

    /// The server, with more objects of one kind.
    #[must_use]
    pub fn with_all<K: Resource<DynamicType = ()> + Serialize>(self, objects: impl IntoIterator<Item = K>) -> Self {
        for object in objects {
            self.put(object);
        }
        self
    }

    /// Creates or replaces an object, status included, as some other client would. Not in the log.
    ///
    /// # Panics
    /// When the object cannot be serialised.
    #[expect(clippy::expect_used, reason = "a test that gives nonsense should end")]
    pub fn put<K: Resource<DynamicType = ()> + Serialize>(&self, object: K) {
        self.put_json::<K>(serde_json::to_value(object).expect("an object serialises"));
    }

    /// Like [`FakeApi::put`], with any JSON: for objects that do not decode.
    pub fn put_json<K: Resource<DynamicType = ()>>(&self, object: Value) {
        self.lock().store.put(&Kind::of::<K>(), object);
        self.changed.notify_waiters();
    }

    /// An object as it is now; `namespace` is empty for cluster-scoped kinds.
    ///
    /// # Panics
    /// When it does not decode.
    #[expect(clippy::expect_used, reason = "a test that gives nonsense should end")]
    pub fn get<K: Resource<DynamicType = ()> + DeserializeOwned>(&self, namespace: &str, name: &str) -> Option<K> {
        let object = self.lock().store.get(&Kind::of::<K>(), namespace, name).cloned()?;
        Some(serde_json::from_value(object).expect("an object of this kind"))
    }

    /// All objects of a kind, ordered by namespace and name.
    ///
    /// # Panics
    /// When one does not decode.
    #[expect(clippy::expect_used, reason = "a test that gives nonsense should end")]
    pub fn list<K: Resource<DynamicType = ()> + DeserializeOwned>(&self) -> Vec<K> {
        let objects: Vec<Value> = self.lock().store.list(&Kind::of::<K>(), None).cloned().collect();
        objects.into_iter().map(|object| serde_json::from_value(object).expect("an object of this kind")).collect()
    }

    /// Changes an object behind the back of the code under test. Not in the log.
    pub fn edit<K: Resource<DynamicType = ()>>(&self, namespace: &str, name: &str, change: impl FnOnce(&mut Value)) {
        let kind = Kind::of::<K>();
        let mut state = self.lock();
        if let Some(mut object) = state.store.get(&kind, namespace, name).cloned() {
            change(&mut object);
            state.store.put(&kind, object);
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Removes an object at once, finalizers or not. Not in the log.
    pub fn remove<K: Resource<DynamicType = ()>>(&self, namespace: &str, name: &str) {
        self.lock().store.remove(&Kind::of::<K>(), namespace, name);
        self.changed.notify_waiters();
    }

    /// What `pods/log` answers for a pod.
    pub fn set_log(&self, pod: &str, text: &str) {
        self.lock().logs.push((pod.to_owned(), text.to_owned()));
    }

    /// Every request so far, reads included.
    pub fn requests(&self) -> Vec<Seen> {
        self.lock().log.clone()
    }

    /// Every write that was carried out, in order; dry runs and refused ones are not among them.
    pub fn writes(&self) -> Vec<Seen> {
        self.lock().log.iter().filter(|seen| seen.written).cloned().collect()
    }

    /// Forgets the requests so far.
    pub fn clear_log(&self) {
        self.lock().log.clear();
    }

    /// A client of this server. Needs a tokio runtime.
    pub fn client(&self) -> Client {
        let api = self.clone();
        let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
            let api = api.clone();
            async move { api.serve(request).await }
        });
        Client::new(service, "default")
    }
}

#[cfg(test)]
mod tests;
