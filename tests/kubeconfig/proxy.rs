//! Proxies that write down what they were asked, and lead to one server whatever was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{
    AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional,
};
use tokio::net::TcpStream;

use super::front::{listen, lock};

/// A proxy on loopback.
pub struct Proxy {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// An HTTP proxy, which knows `CONNECT`; a login is written down behind the target.
    pub fn http(server: SocketAddr) -> Self {
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let log = asked.clone();
        let address = listen(move |tcp| {
            let log = log.clone();
            async move {
                let _ = tunnel(tcp, server, &log).await;
            }
        });
        Self { address, asked }
    }

    /// A SOCKS5 proxy without a login.
    pub fn socks(server: SocketAddr) -> Self {
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let log = asked.clone();
        let address = listen(move |tcp| {
            let log = log.clone();
            async move {
                let _ = socks(tcp, server, &log).await;
            }
        });
        Self { address, asked }
    }

    /// The targets that were asked for since this was asked last, each once.
    pub fn take(&self) -> Vec<String> {
        let mut asked = std::mem::take(&mut *lock(&self.asked));
        asked.sort();
        asked.dedup();
        asked
    }
}

async fn tunnel(
    tcp: TcpStream,
    server: SocketAddr,
    log: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut tcp = BufReader::new(tcp);
    let (mut target, mut login) = (String::new(), String::new());
    loop {
        let mut line = String::new();
        tcp.read_line(&mut line).await?;
        let lower = line.to_ascii_lowercase();
        if let Some(rest) = line.strip_prefix("CONNECT ") {
            rest.split(' ').next().unwrap_or_default().clone_into(&mut target);
        } else if lower.starts_with("proxy-authorization:") {
            login = line
                .split_once(':')
                .map_or_else(String::new, |(_, value)| format!(" {}", value.trim()));
        } else if line.trim().is_empty() {
            break;
        }
    }
    lock(log).push(format!("{target}{login}"));
    let mut upstream = TcpStream::connect(server).await?;
    tcp.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    copy_bidirectional(&mut tcp, &mut upstream).await.map(drop)
}

async fn socks(
    mut tcp: TcpStream,
    server: SocketAddr,
    log: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut greeting = [0; 2];
    tcp.read_exact(&mut greeting).await?;
    let mut methods = vec![0; greeting[1].into()];
    tcp.read_exact(&mut methods).await?;
    tcp.write_all(&[5, 0]).await?;
    let mut request = [0; 4];
    tcp.read_exact(&mut request).await?;
    let host = match request[3] {
        1 => {
            let mut address = [0; 4];
            tcp.read_exact(&mut address).await?;
            std::net::Ipv4Addr::from(address).to_string()
        }
        3 => {
            let length = tcp.read_u8().await?;
            let mut name = vec![0; length.into()];
            tcp.read_exact(&mut name).await?;
            String::from_utf8_lossy(&name).into_owned()
        }
        other => return Err(std::io::Error::other(format!("address of kind {other}"))),
    };
    let port = tcp.read_u16().await?;
    lock(log).push(format!("{host}:{port}"));
    let mut upstream = TcpStream::connect(server).await?;
    tcp.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    copy_bidirectional(&mut tcp, &mut upstream).await.map(drop)
}
