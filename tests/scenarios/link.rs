//! The way to an API server: a port on loopback, which a test can close, or let fall silent.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Mutex;
use tokio::task::{JoinHandle, JoinSet};

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 128;

/// A port that leads to a server. It is closed when this is dropped.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    server: SocketAddr,
    way: Mutex<Way>,
    accepted: Arc<AtomicUsize>,
}

/// What becomes of connections.
#[derive(Debug)]
enum Way {
    /// They lead to the server, or end nowhere: nothing is answered.
    Open(JoinHandle<()>),
    /// They are refused. The socket keeps the port for when it is opened again.
    Closed(#[expect(dead_code, reason = "it holds the port")] TcpSocket),
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Way::Open(task) = self.way.get_mut() {
            task.abort();
        }
    }
}

impl Link {
    /// A way to the server at a URL, `https://127.0.0.1:PORT`.
    pub fn to(url: &str) -> io::Result<Self> {
        let server = url.trim_start_matches("https://").parse().map_err(io::Error::other)?;
        let socket = socket(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let address = socket.local_addr()?;
        let accepted = Arc::new(AtomicUsize::new(0));
        let way = Mutex::new(Way::Open(listen(socket, Some(server), accepted.clone())?));
        Ok(Self { address, server, way, accepted })
    }

    /// The server's URL by this way.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// How many connections it has ever accepted.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Ends all connections, and refuses new ones.
    pub async fn cut(&self) -> io::Result<()> {
        self.change(|socket| Ok(Way::Closed(socket))).await
    }

    /// Ends all connections, and accepts new ones that nobody answers.
    pub async fn silence(&self) -> io::Result<()> {
        self.change(|socket| Ok(Way::Open(listen(socket, None, self.accepted.clone())?))).await
    }

    /// Leads to the server again.
    pub async fn restore(&self) -> io::Result<()> {
        self.change(|socket| {
            Ok(Way::Open(listen(socket, Some(self.server), self.accepted.clone())?))
        })
        .await
    }

    async fn change(&self, open: impl FnOnce(TcpSocket) -> io::Result<Way>) -> io::Result<()> {
        let mut way = self.way.lock().await;
        if let Way::Open(task) = &mut *way {
            task.abort();
            // The listener is gone when the task is.
            let _ = task.await;
        }
        *way = open(socket(self.address)?)?;
        Ok(())
    }
}

/// A socket with the address, which another that does not listen may have as well.
fn socket(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Accepts connections until it is aborted, and ends them then.
fn listen(
    socket: TcpSocket,
    server: Option<SocketAddr>,
    accepted: Arc<AtomicUsize>,
) -> io::Result<JoinHandle<()>> {
    let listener = socket.listen(BACKLOG)?;
    Ok(tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut client, _)) = listener.accept().await {
            accepted.fetch_add(1, Ordering::SeqCst);
            connections.spawn(async move {
                let Some(server) = server else { return std::future::pending().await };
                let Ok(mut server) = TcpStream::connect(server).await else { return };
                let _ = (client.set_nodelay(true), server.set_nodelay(true));
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    }))
}
