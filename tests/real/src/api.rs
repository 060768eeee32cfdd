//! A small JSON client of one user on one API server.

use crate::error::{Error, during};
use jiff::Timestamp;
use rustls::crypto::aws_lc_rs;
use serde_json::Value;
use std::fmt;
use std::io::{BufRead as _, BufReader, Lines};
use std::sync::Arc;
use std::time::Duration;
use ureq::http::{Method, Request, Response};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, BodyReader};

/// How long any request may take. A frozen server answers after it was thawed, or not at all.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Requests of one user to one API server, by path.
///
/// Paths are the API server's, with a query where one is wanted:
/// `/api/v1/namespaces/default/pods?limit=5`. What is created needs no `apiVersion` and `kind`:
/// they follow from the path. The connections are bound to no runtime.
#[derive(Debug, Clone)]
pub struct Api {
    agent: Agent,
    base: String,
    authorization: String,
}

impl Api {
    /// The requests of whom a bearer token belongs to, to the API server at a URL
    /// (`https://127.0.0.1:PORT`), which the authority, a certificate as PEM, vouches for. Fails
    /// where that is no certificate.
    pub fn new(base: &str, authority: &str, token: &str) -> Result<Self, Error> {
        let root = Certificate::from_pem(authority.as_bytes())
            .map_err(during("read the authority's certificate"))?;
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&[root]))
            .unversioned_rustls_crypto_provider(Arc::new(aws_lc_rs::default_provider()))
            .build();
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(TIMEOUT))
            .proxy(None)
            .user_agent("real")
            .tls_config(tls)
            .build()
            .new_agent();
        Ok(Self { agent, base: base.to_owned(), authorization: format!("Bearer {token}") })
    }

    /// The object, or whatever JSON is there.
    pub async fn get(&self, path: &str) -> Result<Value, Error> {
        self.request(Method::GET, path, None).await
    }

    /// The server's time, from the header `Date` of an answer. It has no fractions of a second.
    pub async fn time(&self) -> Result<Timestamp, Error> {
        let request = Request::builder().uri(format!("{}/version", self.base)).body(());
        let (agent, request) = (self.agent.clone(), request.map_err(during("make a request"))?);
        let answer = tokio::task::spawn_blocking(move || agent.run(request))
            .await
            .map_err(during("ask the API server"))?
            .map_err(|error| Error::Unreachable(format!("{}: {error}", self.base)))?;
        let date = answer.headers().get("date").and_then(|date| date.to_str().ok());
        let date = date.ok_or_else(|| Error::Harness("an answer has no Date".to_owned()))?;
        jiff::fmt::rfc2822::parse(date)
            .map(|date| date.timestamp())
            .map_err(during("read the header Date"))
    }

    /// The `items` of a list.
    pub async fn list(&self, path: &str) -> Result<Vec<Value>, Error> {
        match self.get(path).await?["items"].take() {
            Value::Array(items) => Ok(items),
            other => Err(Error::Harness(format!("{path} is no list: items is {other}"))),
        }
    }

    /// Creates an object in a collection (POST), and returns it as the server made it.
    pub async fn create(&self, path: &str, object: &Value) -> Result<Value, Error> {
        self.request(Method::POST, path, Some(("application/json", object))).await
    }

    /// Changes an object, or a subresource such as `…/status`, by a JSON merge patch (RFC 7386).
    pub async fn patch(&self, path: &str, change: &Value) -> Result<Value, Error> {
        self.request(Method::PATCH, path, Some(("application/merge-patch+json", change))).await
    }

    /// Changes an object by a JSON patch.
    pub async fn patch_json(&self, path: &str, operations: &Value) -> Result<Value, Error> {
        self.request(Method::PATCH, path, Some(("application/json-patch+json", operations))).await
    }

    /// As [`Api::patch`], by a strategic merge patch, which merges conditions by their type.
    pub async fn patch_strategic(&self, path: &str, change: &Value) -> Result<Value, Error> {
        self.request(Method::PATCH, path, Some(("application/strategic-merge-patch+json", change)))
            .await
    }

    /// Deletes an object with these `DeleteOptions`, such as `{"propagationPolicy": "Background"}`.
    pub async fn delete(&self, path: &str, options: &Value) -> Result<Value, Error> {
        self.request(Method::DELETE, path, Some(("application/json", options))).await
    }

    /// What happens in a collection from a `resourceVersion` on (a watch), for so long. Returns
    /// when the server has begun to answer. Blocks, as each event does.
    pub fn watch(&self, path: &str, since: &str, within: Duration) -> Result<Events, Error> {
        let uri = format!("{}{path}?watch=true&resourceVersion={since}", self.base);
        let request = Request::builder()
            .uri(&uri)
            .header("authorization", &self.authorization)
            .header("accept", "application/json")
            .body(())
            .map_err(during("make a request"))?;
        let request = self.agent.configure_request(request).timeout_global(Some(within)).build();
        let failed = |error: String| Error::Unreachable(format!("{uri}: {error}"));
        let answer = self.agent.run(request).map_err(|error| failed(error.to_string()))?;
        if answer.status() != 200 {
            return Err(failed(answer.status().to_string()));
        }
        Ok(Events { lines: BufReader::new(answer.into_body().into_reader()).lines() })
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, &Value)>,
    ) -> Result<Value, Error> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("authorization", &self.authorization)
            .header("accept", "application/json");
        if let Some((kind, _)) = body {
            request = request.header("content-type", kind);
        }
        let agent = self.agent.clone();
        let answer = match body {
            None => {
                let request = request.body(()).map_err(during("make a request"))?;
                tokio::task::spawn_blocking(move || agent.run(request).and_then(read)).await
            }
            Some((_, value)) => {
                let request = request.body(value.to_string()).map_err(during("make a request"))?;
                tokio::task::spawn_blocking(move || agent.run(request).and_then(read)).await
            }
        };
        let (code, text) = answer
            .map_err(during("ask the API server"))?
            .map_err(|error| Error::Unreachable(format!("{}{path}: {error}", self.base)))?;
        let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        if code < 400 {
            return Ok(value);
        }
        let field = |name: &str| value[name].as_str().map(str::to_owned);
        let message = field("message").unwrap_or_else(|| value.to_string());
        Err(Error::Status { code, reason: field("reason").unwrap_or_default(), message })
    }
}

/// The events of a watch, as the server writes them: `{"type": "ADDED", "object": …}`.
pub struct Events {
    lines: Lines<BufReader<BodyReader<'static>>>,
}

impl Iterator for Events {
    type Item = Result<Value, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.lines.next()?.map_err(during("read a watch"));
        Some(line.and_then(|line| serde_json::from_str(&line).map_err(during("read a watch"))))
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

/// Status and text of an answer. Read in the same blocking task, because a body can stall as well.
fn read(mut answer: Response<ureq::Body>) -> Result<(u16, String), ureq::Error> {
    let text = answer.body_mut().with_config().limit(u64::MAX).read_to_string()?;
    Ok((answer.status().as_u16(), text))
}
