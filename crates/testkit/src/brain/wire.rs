//! A wire to a server, with a port of its own: it can be cut, go silent, and be led to another server.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::lock;

/// What the wire does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Everything goes through.
    Whole,
    /// Nothing goes through, and nobody is told: open connections and new ones stay open and silent.
    Silent,
    /// Open connections are closed, and so is every new one.
    Cut,
}

/// The wire; it ends when this is dropped.
pub struct Wire {
    /// Its end for clients.
    pub address: SocketAddr,
    mode: watch::Sender<Mode>,
    target: Arc<Mutex<SocketAddr>>,
    _tasks: JoinSet<()>,
}

impl Wire {
    /// A whole wire to that server.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (mode, target) = (watch::Sender::new(Mode::Whole), Arc::new(Mutex::new(target)));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, mode.subscribe(), target.clone()));
        Self { address, mode, target, _tasks: tasks }
    }

    /// Changes what it does. A connection that was silent once is closed when the wire is whole again.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Leads it to another server; open connections are closed.
    pub fn lead_to(&self, target: SocketAddr) {
        self.set(Mode::Cut);
        *lock(&self.target) = target;
        self.set(Mode::Whole);
    }
}

async fn accept(listener: TcpListener, mode: watch::Receiver<Mode>, target: Arc<Mutex<SocketAddr>>) {
    let mut open = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        while open.try_join_next().is_some() {}
        // It sees every change after this moment, also one that is over before it looks.
        open.spawn(carry(client, mode.clone(), *lock(&target)));
    }
}

async fn carry(mut client: TcpStream, mut mode: watch::Receiver<Mode>, target: SocketAddr) {
    let now = *mode.borrow_and_update();
    if now == Mode::Whole {
        let Ok(mut server) = TcpStream::connect(target).await else { return };
        tokio::select! {
            _ = copy_bidirectional(&mut client, &mut server) => return,
            _ = mode.changed() => {}
        }
        if *mode.borrow_and_update() == Mode::Silent {
            let _ = mode.changed().await;
        }
        return;
    }
    if now == Mode::Silent {
        let _ = mode.changed().await;
    }
}
