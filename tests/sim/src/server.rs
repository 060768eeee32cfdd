//! A cluster's API server on a socket.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tower::Service as _;

use crate::certificates::identity;
use crate::cluster::Cluster;
use crate::http::Connection;
use crate::link::Link;

/// A cluster's API server on loopback, HTTPS with HTTP/2 and HTTP/1.1. It stops when this is
/// dropped: the port is closed and connections are cut.
#[derive(Debug)]
pub struct Server {
    cluster: Cluster,
    address: SocketAddr,
    stop: watch::Sender<bool>,
}

impl Server {
    /// `https://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The certificate of the authority that vouches for the server.
    pub fn ca_pem(&self) -> &'static str {
        &identity().ca_pem
    }

    /// The cluster that is served.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

impl Cluster {
    /// Serves the cluster on 127.0.0.1, at a free port. Fails where none can be bound.
    pub async fn serve(&self) -> io::Result<Server> {
        self.serve_at(0).await
    }

    /// Serves the cluster on 127.0.0.1 at a port, such as the one it was served at before it was
    /// stopped.
    pub async fn serve_at(&self, port: u16) -> io::Result<Server> {
        self.listen(port, None).await
    }

    /// Serves the cluster on 127.0.0.1, at a free port, as one that is as far off as the link says.
    pub async fn serve_over(&self, link: &Link) -> io::Result<Server> {
        self.listen(0, Some(link.clone())).await
    }

    async fn listen(&self, port: u16, link: Option<Link>) -> io::Result<Server> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(accept(self.clone(), listener, link, stopped));
        Ok(Server { cluster: self.clone(), address, stop })
    }
}

async fn accept(
    cluster: Cluster,
    listener: TcpListener,
    link: Option<Link>,
    mut stopped: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            _ = stopped.changed() => return,
            Ok((socket, _)) = listener.accept() => {
                let _ = socket.set_nodelay(true);
                let (cluster, stopped) = (cluster.clone(), stopped.clone());
                match &link {
                    Some(link) => {
                        tokio::spawn(connection(cluster, link.carry(socket), stopped))
                    }
                    None => tokio::spawn(connection(cluster, socket, stopped)),
                };
            }
        }
    }
}

async fn connection(
    cluster: Cluster,
    socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    mut stopped: watch::Receiver<bool>,
) {
    let reset = Connection::default();
    let serve = async {
        let stream = TlsAcceptor::from(identity().tls.clone()).accept(socket).await.ok()?;
        let (service, reset) = (cluster.service(), reset.clone());
        let answer = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(reset.clone());
            service.clone().call(request)
        });
        auto::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), answer)
            .await
            .ok()
    };
    tokio::select! {
        _ = serve => {}
        () = reset.0.notified() => {}
        _ = stopped.changed() => {}
    }
}
