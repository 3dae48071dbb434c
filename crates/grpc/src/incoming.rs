//! The connections of the port: handshakes that must end in time, and never more connections than fit.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::stream::FuturesUnordered;
use futures::{Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

/// Handshakes at the same time; others wait in the queue of the kernel.
const HANDSHAKES: usize = 256;
/// How long a new connection may take to say anything, and to finish its handshake.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait when the machine gives no more connections.
const PAUSE: Duration = Duration::from_millis(100);

/// Who is at the other end; in the extensions of each request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection.
pub(crate) struct Conn {
    io: Io,
    peer: SocketAddr,
    _slot: Slot,
}

impl Connected for Conn {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        Peer(self.peer)
    }
}

impl AsyncRead for Conn {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Io::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Conn {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Io::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Io::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Io::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// How many connections there may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) all: usize,
    pub(crate) per_address: usize,
}

#[derive(Clone)]
struct Slots(Arc<Mutex<(usize, HashMap<IpAddr, usize>)>>);

/// The right to be connected; given back when it is dropped.
struct Slot {
    slots: Slots,
    address: IpAddr,
}

impl Slots {
    fn take(&self, address: IpAddr, room: Room) -> Option<Slot> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = taken.1.get(&address).copied().unwrap_or_default();
        if taken.0 >= room.all || of >= room.per_address {
            return None;
        }
        taken.0 += 1;
        taken.1.insert(address, of + 1);
        Some(Slot { slots: self.clone(), address })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.0 = taken.0.saturating_sub(1);
        if let Some(of) = taken.1.get_mut(&self.address) {
            *of -= 1;
            if *of == 0 {
                taken.1.remove(&self.address);
            }
        }
    }
}

type Handshake = Pin<Box<dyn Future<Output = Option<Conn>> + Send>>;

struct Incoming {
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    room: Room,
    slots: Slots,
    handshakes: FuturesUnordered<Handshake>,
}

/// The connections of a listener, each ready to speak HTTP/2.
pub(crate) fn incoming(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    room: Room,
) -> impl Stream<Item = io::Result<Conn>> + Send {
    let slots = Slots(Arc::default());
    let state = Incoming { listener, acceptor, room, slots, handshakes: FuturesUnordered::new() };
    futures::stream::unfold(state, |mut state| async move {
        loop {
            tokio::select! {
                accepted = state.listener.accept(), if state.handshakes.len() < HANDSHAKES => match accepted {
                    Ok((stream, peer)) => state.begin(stream, peer),
                    Err(error) => {
                        tracing::warn!(%error, "a connection cannot be accepted; it is tried again");
                        tokio::time::sleep(PAUSE).await;
                    }
                },
                Some(ready) = state.handshakes.next() => if let Some(conn) = ready {
                    return Some((Ok(conn), state));
                },
            }
        }
    })
}

impl Incoming {
    fn begin(&self, stream: TcpStream, peer: SocketAddr) {
        let Some(slot) = self.slots.take(peer.ip(), self.room) else {
            tracing::debug!(%peer, "there are as many connections as the server takes; this one is closed");
            return;
        };
        let acceptor = self.acceptor.clone();
        self.handshakes.push(Box::pin(async move {
            let ready = tokio::time::timeout(PATIENCE, shake(stream, acceptor)).await;
            match ready {
                Ok(Ok(io)) => Some(Conn { io, peer, _slot: slot }),
                Ok(Err(error)) => {
                    tracing::debug!(%peer, %error, "the handshake failed");
                    None
                }
                Err(_) => {
                    tracing::debug!(%peer, "the handshake took too long");
                    None
                }
            }
        }));
    }
}

async fn shake(stream: TcpStream, acceptor: Option<TlsAcceptor>) -> io::Result<Io> {
    stream.set_nodelay(true)?;
    match acceptor {
        Some(acceptor) => acceptor.accept(stream).await.map(|stream| Io::Tls(Box::new(stream))),
        // Whoever says nothing takes no place among those who do.
        None => match stream.peek(&mut [0]).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(Io::Plain(stream)),
        },
    }
}
