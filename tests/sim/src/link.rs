//! The way to a cluster that is far off: bytes take their time, and connecting takes a round trip.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// What is read of a socket at a time, in bytes.
const READ: usize = 16 << 10;

/// The most bytes that are on their way in one direction of a connection.
const WINDOW: usize = 1 << 20;

/// The way to a cluster, for [`Cluster::serve_over`](crate::Cluster::serve_over). Clones are the same
/// way.
///
/// Loopback answers at once. Over a link, bytes take half of the round-trip time in each direction,
/// and the first bytes of a client a whole one more, which is what connecting takes elsewhere. It
/// costs no task and no socket beside the server's own.
#[derive(Clone, Debug, Default)]
pub struct Link(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// In microseconds.
    round_trip: AtomicU64,
    silent: AtomicBool,
    connections: AtomicUsize,
}

impl Link {
    /// A link with this round-trip time.
    pub fn new(round_trip: Duration) -> Self {
        let link = Self::default();
        link.set_round_trip(round_trip);
        link
    }

    /// Changes the round-trip time of what is sent from now on.
    pub fn set_round_trip(&self, time: Duration) {
        self.0.round_trip.store(time.as_micros() as u64, Ordering::Relaxed);
    }

    /// Has the server hear nothing of new connections: whoever connects waits for ever.
    pub fn set_silent(&self, silent: bool) {
        self.0.silent.store(silent, Ordering::Relaxed);
    }

    /// Counts connections anew.
    pub fn forget_connections(&self) {
        self.0.connections.store(0, Ordering::Relaxed);
    }

    /// How many connections have been made so far.
    pub fn connections(&self) -> usize {
        self.0.connections.load(Ordering::Relaxed)
    }

    /// Puts the link before the server's end of a new connection.
    pub(crate) fn carry(&self, socket: TcpStream) -> Carried {
        self.0.connections.fetch_add(1, Ordering::Relaxed);
        Carried {
            socket,
            link: self.clone(),
            silent: self.0.silent.load(Ordering::Relaxed),
            client: Client::Connects,
            blocked: false,
            inbound: Queue::default(),
            outbound: Queue::default(),
            alarm: Box::pin(tokio::time::sleep(Duration::ZERO)),
        }
    }

    fn round_trip(&self) -> Duration {
        Duration::from_micros(self.0.round_trip.load(Ordering::Relaxed))
    }
}

/// Bytes on their way, each piece with the time at which it arrives. An empty piece is the end.
#[derive(Debug, Default)]
struct Queue {
    pieces: VecDeque<(Instant, Bytes)>,
    length: usize,
}

impl Queue {
    fn push(&mut self, arrives: Instant, piece: Bytes) {
        self.length += piece.len();
        self.pieces.push_back((arrives, piece));
    }

    /// When the next piece arrives.
    fn next(&self) -> Option<Instant> {
        self.pieces.front().map(|(arrives, _)| *arrives)
    }

    /// The next piece, if it has arrived.
    fn arrived(&self, now: Instant) -> Option<&Bytes> {
        self.pieces.front().filter(|(arrives, _)| *arrives <= now).map(|(_, piece)| piece)
    }

    /// Takes so many bytes of the next piece.
    fn take(&mut self, bytes: usize) {
        self.length -= bytes;
        let Some((_, piece)) = self.pieces.front_mut() else { return };
        piece.advance(bytes);
        if piece.is_empty() {
            self.pieces.pop_front();
        }
    }
}

/// How far a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    /// Nothing has come of it.
    Connects,
    Talks,
    /// It has sent all it will send.
    Ended,
}

/// The server's end of a connection over a link.
///
/// What is written goes on its way while the server reads, as a server over HTTP always does.
#[derive(Debug)]
pub(crate) struct Carried {
    socket: TcpStream,
    link: Link,
    silent: bool,
    client: Client,
    /// Whether the client does not take what has arrived there; the socket says when it does.
    blocked: bool,
    inbound: Queue,
    outbound: Queue,
    alarm: Pin<Box<Sleep>>,
}

impl Carried {
    /// Takes what the client has sent.
    fn hear(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let mut space = [0; READ];
        while self.client != Client::Ended && self.inbound.length < WINDOW {
            let mut read = ReadBuf::new(&mut space);
            match Pin::new(&mut self.socket).poll_read(cx, &mut read) {
                Poll::Ready(heard) => heard?,
                Poll::Pending => return Ok(()),
            }
            let round_trip = self.link.round_trip();
            let connects = self.client == Client::Connects;
            let connecting = if connects { round_trip } else { Duration::ZERO };
            let piece = Bytes::copy_from_slice(read.filled());
            self.client = if piece.is_empty() { Client::Ended } else { Client::Talks };
            self.inbound.push(Instant::now() + connecting + round_trip / 2, piece);
        }
        Ok(())
    }

    /// Gives the client what has arrived there.
    fn tell(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let now = Instant::now();
        self.blocked = false;
        while let Some(piece) = self.outbound.arrived(now).filter(|_| !self.blocked) {
            match Pin::new(&mut self.socket).poll_write(cx, piece) {
                Poll::Ready(written) => self.outbound.take(written?),
                Poll::Pending => self.blocked = true,
            }
        }
        Ok(())
    }

    /// Has the task woken when the next piece arrives. True where one has arrived meanwhile.
    fn is_due(&mut self, cx: &mut Context<'_>) -> bool {
        let told = self.outbound.next().filter(|_| !self.blocked);
        let Some(next) = self.inbound.next().into_iter().chain(told).min() else { return false };
        if self.alarm.deadline() != next {
            self.alarm.as_mut().reset(next);
        }
        self.alarm.as_mut().poll(cx).is_ready()
    }
}

impl AsyncRead for Carried {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.hear(cx)?;
        if this.silent {
            this.inbound = Queue::default();
            let ended = this.client == Client::Ended;
            return if ended { Poll::Ready(Ok(())) } else { Poll::Pending };
        }
        loop {
            this.tell(cx)?;
            if let Some(piece) = this.inbound.arrived(Instant::now()) {
                let bytes = piece.len().min(buffer.remaining());
                buffer.put_slice(&piece[..bytes]);
                this.inbound.take(bytes);
                return Poll::Ready(Ok(()));
            }
            if this.client == Client::Ended && this.inbound.pieces.is_empty() {
                return Poll::Ready(Ok(()));
            }
            if !this.is_due(cx) {
                return Poll::Pending;
            }
        }
    }
}

impl AsyncWrite for Carried {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        this.tell(cx)?;
        if this.outbound.length >= WINDOW {
            if this.is_due(cx) {
                cx.waker().wake_by_ref();
            }
            return Poll::Pending;
        }
        let arrives = Instant::now() + this.link.round_trip() / 2;
        this.outbound.push(arrives, Bytes::copy_from_slice(bytes));
        this.tell(cx)?;
        if this.is_due(cx) {
            cx.waker().wake_by_ref();
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            this.tell(cx)?;
            if this.outbound.next().is_none() {
                return Pin::new(&mut this.socket).poll_shutdown(cx);
            }
            // Nothing more is read.
            this.inbound = Queue::default();
            if !this.is_due(cx) {
                return Poll::Pending;
            }
        }
    }
}
