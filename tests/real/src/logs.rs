//! The logs of containers, served to the API server as a kubelet does: HTTPS, `GET
//! /containerLogs/NAMESPACE/POD/CONTAINER`.

use crate::error::{Error, during};
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sim::{LogLine, LogRequest};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// What the containers of a cluster wrote. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Logs(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// By namespace, pod and container.
    logs: Mutex<BTreeMap<[String; 3], Log>>,
    changed: watch::Sender<u64>,
    /// How often all connections were cut.
    cuts: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Log {
    lines: Vec<LogLine>,
    is_over: bool,
}

type Body = UnsyncBoxBody<Bytes, io::Error>;

impl Logs {
    pub(crate) fn new() -> Self {
        let (changed, cuts) = (watch::Sender::new(0), watch::Sender::new(0));
        Self(Arc::new(Inner { logs: Mutex::default(), changed, cuts }))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<[String; 3], Log>> {
        self.0.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, key: [&str; 3], change: impl FnOnce(&mut Log)) {
        change(self.lock().entry(key.map(str::to_owned)).or_default());
        self.0.changed.send_modify(|changes| *changes += 1);
    }

    /// A container runs: it has a log from now on.
    pub(crate) fn begin(&self, key: [&str; 3]) {
        self.change(key, |_| ());
    }

    /// A container writes a line.
    pub(crate) fn write(&self, key: [&str; 3], text: &str) {
        let line = LogLine { at: Timestamp::now(), text: text.to_owned() };
        self.change(key, |log| log.lines.push(line));
    }

    /// A container has ended: it writes nothing more.
    pub(crate) fn end(&self, key: [&str; 3]) {
        self.change(key, |log| log.is_over = true);
    }

    /// Cuts all connections.
    pub(crate) fn cut(&self) {
        self.0.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Serves them, with the certificate and the key in a cluster's folder, at the port that is
    /// returned.
    pub(crate) async fn serve(&self, directory: &Path) -> Result<u16, Error> {
        let acceptor = TlsAcceptor::from(Arc::new(tls(directory)?));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.map_err(during("listen as a kubelet"))?;
        let address = listener.local_addr().map_err(during("listen as a kubelet"))?;
        let logs = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let Some(inner) = logs.upgrade() else { return };
                tokio::spawn(Self(inner).connection(socket, acceptor.clone()));
            }
        });
        Ok(address.port())
    }

    async fn connection(self, socket: TcpStream, acceptor: TlsAcceptor) {
        let mut cuts = self.0.cuts.subscribe();
        let serve = async {
            let stream = acceptor.accept(socket).await.ok()?;
            let answer = hyper::service::service_fn(|request: Request<Incoming>| {
                let logs = self.clone();
                async move { Ok::<_, Infallible>(logs.answer(&request).await) }
            });
            http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await.ok()
        };
        tokio::select! {
            _ = serve => {}
            _ = cuts.changed() => {}
        }
    }

    async fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        let segments: Vec<_> = request.uri().path().split('/').collect();
        let ["", "containerLogs", namespace, pod, container] = segments[..] else {
            return text(StatusCode::NOT_FOUND, "404 page not found".to_owned());
        };
        let key = [namespace, pod, container].map(str::to_owned);
        if !self.lock().contains_key(&key) {
            let why = format!(
                "container {container:?} in pod {pod:?} is waiting to start: ContainerCreating"
            );
            return text(StatusCode::BAD_REQUEST, why);
        }
        let query = request.uri().query().unwrap_or_default();
        let parameter = |name: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let value = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value).next();
            value.map(|value| value.replace("%3A", ":"))
        };
        let asked = LogRequest::read(parameter, Timestamp::now());
        if asked.previous {
            let why =
                format!("previous terminated container {container:?} in pod {pod:?} not found");
            return text(StatusCode::BAD_REQUEST, why);
        }
        let (logs, changed) = (self.clone(), self.0.changed.subscribe());
        let written = move |place: usize| match logs.lock().get(&key) {
            Some(log) => (log.lines.get(place..).unwrap_or_default().to_vec(), log.is_over),
            None => (Vec::new(), true),
        };
        Response::new(asked.body(written, changed).begun().await.boxed_unsync())
    }
}

fn text(code: StatusCode, text: String) -> Response<Body> {
    let body = Full::new(Bytes::from(text)).map_err(|never: Infallible| match never {});
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = code;
    response
}

fn tls(directory: &Path) -> Result<ServerConfig, Error> {
    let certificate = CertificateDer::from_pem_file(directory.join("server.crt"));
    let key = PrivateKeyDer::from_pem_file(directory.join("server.key"));
    let certificate = certificate.map_err(during("read a kubelet's certificate"))?;
    let key = key.map_err(during("read a kubelet's key"))?;
    ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![certificate], key))
        .map_err(during("use a kubelet's certificate"))
}
