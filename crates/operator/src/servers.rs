//! The AI servers that this operator has: those of the flags, and those of the Instances as they come and go.
//!
//! What lives here: which links there are, how each stands, and which one is asked. What does not: the connection
//! (`ports::server_link`), what becomes of the alerts (`bridge`), which pods an Instance has (`instance`).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{AbortHandle, AbortRegistration};
use kit::cache::Key;
use ports::server_link::{Analysis, LinkError, LinkEvent, Question, ServerLink, ServerState, Settings, TlsFiles};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::bridge::Source;

/// One server of an Instance: a pod of its own, or whatever stands in front of them.
#[derive(Clone, Debug)]
pub struct Target {
    /// Name of the pod, or the address.
    pub name: String,
    /// `host:port`.
    pub address: String,
    /// Whom to trust; absent for a server without TLS.
    pub tls: Option<TrustOf>,
    /// Bearer token.
    pub token: Option<SecretString>,
}

/// Whom to trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustOf {
    /// Name that the certificate must be for.
    pub server_name: String,
    /// Content of `ca.crt`; without it the system's roots and those of CHATCLI_GRPC_TLS_CA count.
    pub ca_pem: Option<Vec<u8>>,
}

impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        let token = |target: &Self| target.token.as_ref().map(|t| t.expose_secret().to_owned());
        self.name == other.name && self.address == other.address && self.tls == other.tls && token(self) == token(other)
    }
}

/// How the link to a server stands.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkState {
    /// Name of the target.
    pub name: String,
    /// Whether its stream is open, or why not, with the remedy.
    pub connected: Result<(), String>,
    /// What the server says of itself, as long as it is connected.
    pub state: Option<ServerState>,
}

/// A link that nobody listens to yet.
pub(crate) struct NewLink {
    /// Its number.
    pub id: u64,
    /// Whose account it tells.
    pub source: Source,
    /// The link.
    pub link: ServerLink,
    /// Ends the listening.
    pub until: AbortRegistration,
}

struct Server {
    id: u64,
    /// The Instance and what it is dialed by; absent for a server of the flags.
    of: Option<(Key, Target)>,
    /// The link, or why there can be none.
    link: Result<ServerLink, LinkFault>,
    state: LinkState,
    /// Whether it has told everything, or that it is on standby.
    reached: bool,
    /// Questions that it has now, and all that it had.
    asked: (usize, u64),
    stop: AbortHandle,
}

#[derive(Clone)]
struct LinkFault {
    address: String,
    why: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.abort();
    }
}

type OnReached = Arc<dyn Fn() + Send + Sync>;
type OnChange = Arc<dyn Fn(&Key) + Send + Sync>;

struct State {
    /// Number of the next link.
    number: AtomicU64,
    servers: Mutex<BTreeMap<u64, Server>>,
    reached: Mutex<Vec<OnReached>>,
    changed: Mutex<Vec<OnChange>>,
    new: UnboundedSender<NewLink>,
    /// Until somebody follows them.
    waiting: Mutex<Option<UnboundedReceiver<NewLink>>>,
}

/// The servers; clones share them.
#[derive(Clone)]
pub struct Servers {
    state: Arc<State>,
    files: TlsFiles,
    /// A stream that is silent for longer is dead.
    heartbeat: Duration,
}

/// The usual time; a server says every ten seconds that it lives.
const HEARTBEAT: Duration = Duration::from_secs(30);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Servers {
    /// Servers of the flags, which stay; not connected yet.
    pub fn new(links: Vec<ServerLink>) -> Self {
        let (new, waiting) = unbounded_channel();
        let state = State {
            number: AtomicU64::new(0),
            servers: Mutex::default(),
            reached: Mutex::default(),
            changed: Mutex::default(),
            new,
            waiting: Mutex::new(Some(waiting)),
        };
        let servers = Self { state: Arc::new(state), files: TlsFiles::default(), heartbeat: HEARTBEAT };
        for link in links {
            let (name, source) = (link.name().to_owned(), Source::of_address(link.name()));
            servers.add(&mut lock(&servers.state.servers), None, name, source, Ok(link));
        }
        servers
    }

    /// With the certificates that the environment names; for Instances that are set after that.
    #[must_use]
    pub fn with_tls_files(self, files: TlsFiles) -> Self {
        Self { files, ..self }
    }

    /// Notices sooner that a server is silent.
    #[cfg(test)]
    pub(crate) fn with_heartbeat(self, heartbeat: Duration) -> Self {
        Self { heartbeat, ..self }
    }

    /// Replaces the servers of an Instance; an empty list forgets them. One that is as it was keeps its connection, one
    /// whose address, trust or token has changed is dialed anew at once.
    pub fn set(&self, instance: &Key, targets: Vec<Target>) {
        let mut servers = lock(&self.state.servers);
        let before = servers.len();
        servers.retain(|_, server| match &server.of {
            Some((of, target)) if of == instance => targets.contains(target),
            _ => true,
        });
        let mut changed = servers.len() != before;
        for target in targets {
            let of = Some((instance.clone(), target));
            if servers.values().any(|server| server.of == of) {
                continue;
            }
            changed = true;
            let Some((_, target)) = &of else { continue };
            let (name, link) = (target.name.clone(), self.link(target));
            self.add(&mut servers, of, name, Source::of_instance(instance), link);
        }
        drop(servers);
        if changed {
            self.tell(instance);
        }
    }

    fn link(&self, target: &Target) -> Result<ServerLink, LinkFault> {
        let scheme = if target.tls.is_some() { "https" } else { "http" };
        let settings = Settings {
            server_name: target.tls.as_ref().map(|tls| tls.server_name.clone()),
            ca_pem: target.tls.as_ref().and_then(|tls| tls.ca_pem.clone()),
            token: target.token.clone(),
            files: self.files.clone(),
            heartbeat: self.heartbeat,
            ..Settings::new(&format!("{scheme}://{}", target.address))
        };
        ServerLink::new(settings).map_err(|error| match error {
            LinkError::Settings { address, why } => LinkFault { address, why },
            other => LinkFault { address: target.address.clone(), why: other.brief() },
        })
    }

    fn add(
        &self,
        servers: &mut BTreeMap<u64, Server>,
        of: Option<(Key, Target)>,
        name: String,
        source: Source,
        link: Result<ServerLink, LinkFault>,
    ) {
        // Never one that was used before: an event of a link that is gone must not meet its successor.
        let id = self.state.number.fetch_add(1, Ordering::Relaxed);
        let (stop, until) = AbortHandle::new_pair();
        let connected = match &link {
            Ok(_) => Err("not connected yet".to_owned()),
            Err(fault) => Err(format!("{:?} cannot be dialed: {}; remedy: correct it", fault.address, fault.why)),
        };
        if let Ok(link) = &link {
            // Nobody listens any more only when the process stops.
            let _ = self.state.new.send(NewLink { id, source, link: link.clone(), until });
        }
        let state = LinkState { name, connected, state: None };
        servers.insert(id, Server { id, of, link, state, reached: false, asked: (0, 0), stop });
    }

    /// How each server of an Instance stands now.
    pub fn states(&self, instance: &Key) -> Vec<LinkState> {
        let servers = lock(&self.state.servers);
        let of = servers.values().filter(|server| server.of.as_ref().is_some_and(|(key, _)| key == instance));
        of.map(|server| server.state.clone()).collect()
    }

    /// Servers that cannot be reached now, each with the reason.
    pub fn away(&self) -> Vec<(String, String)> {
        let servers = lock(&self.state.servers);
        let away = servers.values().filter(|server| !server.reached);
        away.map(|server| {
            let why = server.state.connected.clone().err();
            (server.state.name.clone(), why.unwrap_or_else(|| "its first look is not over".to_owned()))
        })
        .collect()
    }

    /// Hears the key of an Instance whose states have changed.
    pub fn on_change(&self, listener: impl Fn(&Key) + Send + Sync + 'static) {
        lock(&self.state.changed).push(Arc::new(listener));
    }

    /// Calls `listener` whenever a server becomes reachable.
    pub(crate) fn on_reached(&self, listener: impl Fn() + Send + Sync + 'static) {
        lock(&self.state.reached).push(Arc::new(listener));
    }

    /// The links as they come, for whoever asks first.
    pub(crate) fn new_links(&self) -> Option<UnboundedReceiver<NewLink>> {
        lock(&self.state.waiting).take()
    }

    fn tell(&self, instance: &Key) {
        // A listener may ask for the states, or listen itself.
        let listeners = lock(&self.state.changed).clone();
        for listener in &listeners {
            listener(instance);
        }
    }

    /// Takes in what a link tells about its server.
    pub(crate) fn heard(&self, id: u64, event: &LinkEvent) {
        let mut servers = lock(&self.state.servers);
        let Some(server) = servers.get_mut(&id) else { return };
        let before = (server.state.clone(), server.reached);
        match event {
            LinkEvent::Alert(_) => return,
            LinkEvent::Begin => server.state.connected = Ok(()),
            LinkEvent::State(state) => {
                server.reached |= state.standby;
                server.state.state = Some(state.clone());
            }
            LinkEvent::Synced => server.reached = true,
            LinkEvent::Disconnected { why } => {
                server.reached = false;
                server.state.connected = Err(why.clone());
                server.state.state = None;
            }
        }
        let reached = server.reached && !before.1;
        let instance = server.of.as_ref().map(|(key, _)| key.clone()).filter(|_| server.state != before.0);
        drop(servers);
        if let Some(instance) = instance {
            self.tell(&instance);
        }
        if reached {
            let listeners = lock(&self.state.reached).clone();
            for listener in &listeners {
                listener();
            }
        }
    }

    /// Asks the servers in turn until one answers: first those whose Instance watches the object, of these the connected
    /// ones, of these the one with the least to do.
    ///
    /// # Errors
    /// What each of them said, when none answered.
    pub(crate) async fn analyze(&self, question: &Question) -> Result<Analysis, NoAnswer> {
        let mut errors = Vec::new();
        let mut tried = Vec::new();
        while let Some((id, link)) = self.next(question, &tried) {
            tried.push(id);
            match link {
                Ok(link) => {
                    let _busy = Busy::begin(self, id);
                    match link.analyze(question).await {
                        Ok(analysis) => return Ok(analysis),
                        Err(error) => errors.push(error),
                    }
                }
                Err(LinkFault { address, why }) => errors.push(LinkError::Settings { address, why }),
            }
        }
        Err(NoAnswer { errors })
    }

    /// Whom to ask next.
    fn next(&self, question: &Question, tried: &[u64]) -> Option<(u64, Result<ServerLink, LinkFault>)> {
        let servers = lock(&self.state.servers);
        let left = servers.values().filter(|server| !tried.contains(&server.id));
        left.min_by_key(|server| rank(server, question)).map(|server| (server.id, server.link.clone()))
    }
}

/// The lower, the sooner it is asked.
fn rank(server: &Server, question: &Question) -> (bool, u8, bool, usize, u64) {
    let away = server.link.is_err() || server.state.connected.is_err();
    let state = server.state.state.as_ref();
    let resource = &question.resource;
    let owns = |state: &ServerState| {
        state.targets.iter().any(|target| {
            target.namespace == resource.namespace
                && target.name.as_ref().is_none_or(|name| *name == resource.name && target.kind == resource.kind)
        })
    };
    let foreign = match state {
        Some(state) if owns(state) => 0,
        // One that does not say what it watches may watch it.
        None => 1,
        Some(_) => 2,
    };
    let dumb = state.and_then(|state| state.provider.as_ref()).is_some_and(|provider| !provider.ready);
    (away, foreign, dumb, server.asked.0, server.asked.1)
}

/// A question that a server has.
struct Busy<'a> {
    servers: &'a Servers,
    id: u64,
}

impl<'a> Busy<'a> {
    fn begin(servers: &'a Servers, id: u64) -> Self {
        if let Some(server) = lock(&servers.state.servers).get_mut(&id) {
            server.asked = (server.asked.0 + 1, server.asked.1 + 1);
        }
        Self { servers, id }
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        if let Some(server) = lock(&self.servers.state.servers).get_mut(&self.id) {
            server.asked.0 = server.asked.0.saturating_sub(1);
        }
    }
}

/// No server answered.
#[derive(Debug)]
pub(crate) struct NoAnswer {
    /// What each of them said.
    pub errors: Vec<LinkError>,
}
