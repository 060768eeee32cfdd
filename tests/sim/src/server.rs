//! A cluster's API server on a socket.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tower::Service as _;

use crate::certificates::{Identity, identity};
use crate::cluster::Cluster;
use crate::http::Connection;

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
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(accept(self.clone(), listener, identity(), stopped));
        Ok(Server { cluster: self.clone(), address, stop })
    }
}

async fn accept(
    cluster: Cluster,
    listener: TcpListener,
    identity: &'static Identity,
    mut stopped: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            _ = stopped.changed() => return,
            Ok((socket, _)) = listener.accept() => {
                let tls = TlsAcceptor::from(identity.tls.clone());
                tokio::spawn(connection(cluster.clone(), socket, tls, stopped.clone()));
            }
        }
    }
}

async fn connection(
    cluster: Cluster,
    socket: TcpStream,
    tls: TlsAcceptor,
    mut stopped: watch::Receiver<bool>,
) {
    let reset = Connection::default();
    let _ = socket.set_nodelay(true);
    let serve = async {
        let stream = tls.accept(socket).await.ok()?;
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
