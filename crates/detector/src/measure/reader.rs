//! Reads what a pod tells on its own port: directly, or through the API server where its address is not reached.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use kube::Client;
use kube::client::Body;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::{ANSWER, http};

/// Bytes of an answer; more is not read.
const MOST: usize = 4 * 1024 * 1024;
/// Answers that are read at once: together they bound the memory.
const AT_ONCE: usize = 8;
/// Rounds for which a pod that fails again and again is left alone, at most.
const REST: u32 = 10;
/// For how long pods whose addresses are not reached are asked through the API server, before their addresses are tried
/// again.
const AROUND: Duration = Duration::from_mins(10);

/// A pod that is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Door {
    pub(super) namespace: String,
    pub(super) pod: String,
    pub(super) address: String,
    pub(super) port: u16,
    pub(super) path: String,
}

/// Why a pod was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It failed before, and rests.
    Resting,
    /// What is wrong, with the remedy.
    Failed(String),
}

/// How a way to the pods ended.
enum Way {
    /// Nothing answers there. The flag says whether somebody refused: then the pod is reached, and its port is closed.
    Closed(String, bool),
    Answered(String),
}

#[derive(Default)]
struct State {
    /// Failures of a pod in a row, and rounds that it still rests.
    failing: HashMap<(String, String), (u32, u32)>,
    /// Until when pods are asked through the API server.
    around: Option<Instant>,
}

pub(crate) struct Reader {
    http: Result<reqwest::Client, String>,
    client: Client,
    permits: Semaphore,
    /// The addresses of pods mean nothing here.
    outside: bool,
    state: Mutex<State>,
}

impl Reader {
    pub(crate) fn new(client: Client) -> Self {
        Self { http: http(), client, permits: Semaphore::new(AT_ONCE), outside: false, state: Mutex::default() }
    }

    /// From outside the cluster pods are asked through the API server alone: their addresses may be those of others there.
    pub(crate) fn outside(self, outside: bool) -> Self {
        Self { outside, ..self }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets pods that are gone.
    pub(super) fn keep(&self, there: impl Fn(&str, &str) -> bool) {
        self.lock().failing.retain(|(namespace, pod), _| there(namespace, pod));
    }

    /// What a pod tells; the text of an error names pod, port and remedy.
    pub(super) async fn read(&self, door: &Door) -> Result<Vec<u8>, Unread> {
        let name = (door.namespace.clone(), door.pod.clone());
        if let Some((_, rest)) = self.lock().failing.get_mut(&name).filter(|(_, rest)| *rest > 0) {
            *rest -= 1;
            return Err(Unread::Resting);
        }
        let read = self.ask(door).await;
        let mut state = self.lock();
        if read.is_ok() {
            state.failing.remove(&name);
        } else {
            let (failures, rest) = state.failing.entry(name).or_default();
            *failures = failures.saturating_add(1);
            // The first failure may be chance, and a gap loses what was counted.
            *rest = failures.saturating_sub(2).min(REST);
        }
        read.map_err(|why| Unread::Failed(format!("pod {}/{}: {why}", door.namespace, door.pod)))
    }

    /// Reads a pod of this machine.
    #[cfg(test)]
    pub(crate) async fn probe(&self, namespace: &str, pod: &str, port: u16) -> Result<Vec<u8>, String> {
        let (namespace, pod) = (namespace.to_owned(), pod.to_owned());
        let door = Door { namespace, pod, address: "127.0.0.1".into(), port, path: "/metrics".into() };
        self.read(&door).await.map_err(|unread| match unread {
            Unread::Resting => "it rests".to_owned(),
            Unread::Failed(why) => why,
        })
    }

    async fn ask(&self, door: &Door) -> Result<Vec<u8>, String> {
        let _permit = self.permits.acquire().await.map_err(|error| error.to_string())?;
        let around = self.lock().around.is_some_and(|until| until > Instant::now());
        let direct = if self.outside {
            Err(Way::Closed("it is asked from outside the cluster".to_owned(), true))
        } else if around {
            Err(Way::Closed("its address was not reached before".to_owned(), true))
        } else {
            self.direct(door).await
        };
        let (why, refused) = match direct {
            Ok(body) => return Ok(body),
            Err(Way::Answered(why)) => return Err(why),
            Err(Way::Closed(why, refused)) => (why, refused),
        };
        match tokio::time::timeout(ANSWER, self.proxied(door)).await {
            Ok(Ok(body)) => {
                if !refused {
                    self.lock().around = Some(Instant::now() + AROUND);
                }
                Ok(body)
            }
            Ok(Err(Way::Answered(other))) => Err(format!("{why}, and through the API server {other}")),
            Ok(Err(Way::Closed(other, _))) => Err(format!(
                "{why}, and not through the API server either ({other}); remedy: let the server reach port {} of the pods, or grant it get on pods/proxy",
                door.port
            )),
            Err(_) => Err(format!("{why}, and the API server does not answer within {} s", ANSWER.as_secs())),
        }
    }

    async fn direct(&self, door: &Door) -> Result<Vec<u8>, Way> {
        let http = self.http.as_ref().map_err(|why| Way::Closed(why.clone(), false))?;
        let host = if door.address.contains(':') { format!("[{}]", door.address) } else { door.address.clone() };
        let url = format!("http://{host}:{}{}", door.port, door.path);
        let closed = |error: &reqwest::Error| {
            let why = if error.is_timeout() { "does not answer in time" } else { "cannot be reached" };
            Way::Closed(format!("port {} {why}", door.port), is_refusal(error))
        };
        let sent = http.get(url).header("accept", "text/plain").send().await;
        let mut response = sent.map_err(|error| closed(&error))?;
        if !response.status().is_success() {
            return Err(Way::Answered(refused(door, response.status().as_u16())));
        }
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > MOST => return Err(Way::Answered(large(door))),
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => return Ok(body),
                Err(_) => return Err(Way::Answered(format!("port {} broke off its answer", door.port))),
            }
        }
    }

    async fn proxied(&self, door: &Door) -> Result<Vec<u8>, Way> {
        let Door { namespace, pod, port, path, .. } = door;
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy{path}");
        let closed = |error: &dyn std::fmt::Display| Way::Closed(error.to_string(), false);
        let request = http::Request::get(path).header("accept", "text/plain").body(Body::empty());
        let request = request.map_err(|error| closed(&error))?;
        let response = self.client.send(request).await.map_err(|error| closed(&error))?;
        match response.status().as_u16() {
            403 => return Err(Way::Closed("pods/proxy is forbidden".to_owned(), false)),
            code if !response.status().is_success() => return Err(Way::Answered(refused(door, code))),
            _ => {}
        }
        let body = Limited::new(response.into_body(), MOST).collect().await;
        body.map(|body| body.to_bytes().to_vec()).map_err(|_| Way::Answered(large(door)))
    }
}

/// Whether a connection was refused.
fn is_refusal(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::ConnectionRefused) {
            return true;
        }
        next = error.source();
    }
    false
}

fn refused(door: &Door, code: u16) -> String {
    format!(
        "it answers {code} at port {} and path {}; remedy: correct metricsPort and metricsPath of the target",
        door.port, door.path
    )
}

fn large(door: &Door) -> String {
    format!(
        "it answers with more than {} MiB at {}; remedy: name a path with fewer metrics in metricsPath",
        MOST >> 20,
        door.path
    )
}
