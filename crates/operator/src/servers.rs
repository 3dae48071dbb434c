//! The AI servers that this operator has, and which of them can be reached now.

use std::sync::{Arc, Mutex, PoisonError};

use ports::server_link::{Analysis, LinkError, LinkEvent, Question, ServerLink};

type Listener = Box<dyn Fn() + Send + Sync>;

struct State {
    links: Vec<ServerLink>,
    /// By number of the server: why it cannot be reached; nothing when it can.
    away: Mutex<Vec<Option<String>>>,
    listeners: Mutex<Vec<Listener>>,
}

/// The servers; clones share them.
#[derive(Clone)]
pub struct Servers {
    state: Arc<State>,
}

impl Servers {
    /// Servers that are not connected yet.
    pub fn new(links: Vec<ServerLink>) -> Self {
        let away = links.iter().map(|_| Some("not connected yet".to_owned())).collect();
        Self { state: Arc::new(State { links, away: Mutex::new(away), listeners: Mutex::default() }) }
    }

    /// The links, in the order of the flags.
    pub(crate) fn links(&self) -> Vec<ServerLink> {
        self.state.links.clone()
    }

    /// `host:port` of each.
    pub(crate) fn names(&self) -> Vec<String> {
        self.state.links.iter().map(|link| link.name().to_owned()).collect()
    }

    /// Servers that cannot be reached now, each with the reason.
    pub fn away(&self) -> Vec<(String, String)> {
        let away = self.state.away.lock().unwrap_or_else(PoisonError::into_inner);
        self.names().into_iter().zip(away.iter()).filter_map(|(name, why)| Some((name, why.clone()?))).collect()
    }

    /// Calls `listener` whenever a server becomes reachable.
    pub(crate) fn on_reached(&self, listener: impl Fn() + Send + Sync + 'static) {
        self.state.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(listener));
    }

    /// Takes in what a link tells about its server.
    pub(crate) fn heard(&self, server: usize, event: &LinkEvent) {
        let why = match event {
            LinkEvent::Synced => None,
            LinkEvent::Disconnected { why } => Some(why.clone()),
            LinkEvent::Begin | LinkEvent::Alert(_) => return,
        };
        let reached = why.is_none();
        let mut away = self.state.away.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = away.get_mut(server) else { return };
        let news = known.is_none() != reached;
        *known = why;
        drop(away);
        if news && reached {
            for listener in self.state.listeners.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                listener();
            }
        }
    }

    /// Asks the servers in turn, those that are connected first, until one answers.
    ///
    /// # Errors
    /// What each of them said, when none answered.
    pub(crate) async fn analyze(&self, question: &Question) -> Result<Analysis, NoAnswer> {
        let connected: Vec<bool> =
            self.state.away.lock().unwrap_or_else(PoisonError::into_inner).iter().map(Option::is_none).collect();
        let mut order: Vec<(&ServerLink, bool)> = self.state.links.iter().zip(connected).collect();
        order.sort_by_key(|(_, connected)| !connected);
        let mut errors = Vec::new();
        for (link, _) in order {
            match link.analyze(question).await {
                Ok(analysis) => return Ok(analysis),
                Err(error) => errors.push(error),
            }
        }
        Err(NoAnswer { errors })
    }
}

/// No server answered.
#[derive(Debug)]
pub(crate) struct NoAnswer {
    /// What each of them said.
    pub errors: Vec<LinkError>,
}
