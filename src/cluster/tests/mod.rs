//! Connections against servers in this process and on loopback.

mod answers;
mod authorities;
mod bounds;
mod handshake;
mod issued;
mod lists;
mod plugins;
mod proxies;
mod refusals;
mod tls;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use kube::client::Body;
use serde_json::{Value, json};
use tower::BoxError;

use super::*;

/// The endpoint that a kubeconfig with this cluster and this user leads to.
fn endpoint(cluster: &Value, user: &Value, overrides: &Overrides) -> Endpoint {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    let config = json!({
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
    });
    std::fs::write(&path, config.to_string()).unwrap();
    Kubeconfig::load(Some(&path), |_| None).unwrap().endpoint(None, overrides).unwrap()
}

/// What a server in this process was asked.
#[derive(Debug, Clone)]
struct Asked {
    line: String,
    headers: http::HeaderMap,
    body: Value,
}

type Answer = Result<Response<Full<Bytes>>, BoxError>;
type Answering = dyn Fn(usize, &Asked) -> Answer + Send + Sync;

/// A server in this process that keeps what it was asked; its answers depend on how often that was.
#[derive(Clone)]
struct Server {
    asked: Arc<Mutex<Vec<Asked>>>,
    answer: Arc<Answering>,
}

impl Server {
    fn new(answer: impl Fn(usize, &Asked) -> Answer + Send + Sync + 'static) -> Self {
        Self { asked: Arc::default(), answer: Arc::new(answer) }
    }

    fn dialer(&self, options: DialerOptions) -> Dialer {
        let server = self.clone();
        let factory = move |_: &Endpoint| {
            let server = server.clone();
            transport::wire(tower::service_fn(move |request: Request<Body>| {
                let server = server.clone();
                async move {
                    let (parts, body) = request.into_parts();
                    let body = body.collect().await?.to_bytes();
                    let asked = Asked {
                        line: format!("{} {}", parts.method, parts.uri),
                        headers: parts.headers,
                        body: serde_json::from_slice(&body).unwrap_or_default(),
                    };
                    let place = {
                        let mut all = server.asked.lock().unwrap();
                        all.push(asked.clone());
                        all.len() - 1
                    };
                    (server.answer)(place, &asked)
                }
            }))
        };
        Dialer::in_process(options, Arc::new(factory))
    }

    /// A connection as a user with a token.
    fn connection(&self) -> Connection {
        self.connection_as(&json!({"token": "s3cret"}), &Overrides::default())
    }

    fn connection_as(&self, user: &Value, overrides: &Overrides) -> Connection {
        let endpoint = endpoint(&json!({"server": "https://east:6443"}), user, overrides);
        self.dialer(DialerOptions::default()).dial("east", &endpoint).unwrap()
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

#[expect(clippy::unnecessary_wraps, reason = "other answers are failures")]
fn answer(code: u16, body: &Value) -> Answer {
    Ok(Response::builder().status(code).body(Full::from(body.to_string())).unwrap())
}

#[expect(clippy::unnecessary_wraps, reason = "other answers are failures")]
fn text(code: u16, headers: &[(&str, &str)], body: &'static str) -> Answer {
    let mut response = Response::builder().status(code);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    Ok(response.body(Full::from(body)).unwrap())
}

fn status(code: u16, reason: &str, message: &str) -> Answer {
    answer(
        code,
        &json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason,
            "message": message}),
    )
}
