//! Manifests from a web server, for `-f https://…`.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderValue, USER_AGENT};
use http::{HeaderMap, Request, StatusCode, Uri, uri};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use kube::client::Body;
use tower::{BoxError, Service as _, ServiceBuilder, ServiceExt as _};
use tower_http::decompression::DecompressionLayer;
use tower_http::follow_redirect::FollowRedirectLayer;

use super::auth::Auth;
use super::channel::USER_AGENT_TEXT;
use super::dialer::Dialer;
use super::endpoint::Endpoint;
use super::kubeconfig::Environment;
use super::proxy;
use super::redact::public_url;
use super::tls::Trust;
use super::words::cause;

/// How often a file is asked for at most: kubectl's number.
const ATTEMPTS: u32 = 3;

/// The pause before each further attempt: kubectl's.
const PAUSE: Duration = Duration::from_secs(1);

/// How long one attempt may take, with the whole answer.
const ATTEMPT_TIMEOUT: Duration = Duration::from_mins(1);

/// How one attempt failed.
struct Failure {
    /// A sentence about the URL.
    problem: String,
    /// Whether another attempt may help: after 5xx, and without an answer.
    passing: bool,
}

impl Dialer {
    /// Downloads a file of at most `limit` bytes, counted after decompression.
    ///
    /// As in kubectl, redirects are followed, the proxies of the environment are used (`env` gives
    /// its variables), and up to three attempts are made a second apart where a server answers 5xx
    /// or not at all. Other than in kubectl, an attempt ends after 60 s. A name and a password in
    /// the URL are sent (basic authentication); errors and logs show neither them nor the query.
    ///
    /// # Errors
    /// One sentence that names the URL: it cannot be parsed, there is no answer, the answer's
    /// status is not 200 or its body is too large.
    pub async fn download(
        &self,
        url: &str,
        env: impl Fn(&str) -> Option<String>,
        limit: usize,
    ) -> Result<Bytes, String> {
        let (url, authorization) =
            without_user(url).ok_or("the URL passed to -f is not valid: it has no host")?;
        let environment = Environment::read(&env);
        let mut attempt = 1;
        loop {
            let asked = self.attempt(&url, authorization.as_ref(), &environment, limit);
            let failure = match tokio::time::timeout(ATTEMPT_TIMEOUT, asked).await {
                Ok(Ok(body)) => return Ok(body),
                Ok(Err(failure)) => failure,
                Err(_) => Failure {
                    problem: format!(
                        "unable to read URL \"{}\": no answer within {}s",
                        public_url(&url.to_string()),
                        ATTEMPT_TIMEOUT.as_secs()
                    ),
                    passing: true,
                },
            };
            if attempt == ATTEMPTS || !failure.passing {
                return Err(failure.problem);
            }
            attempt += 1;
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn attempt(
        &self,
        url: &Uri,
        authorization: Option<&HeaderValue>,
        environment: &Environment,
        limit: usize,
    ) -> Result<Bytes, Failure> {
        let shown = public_url(&url.to_string());
        let failed = |why: &dyn std::fmt::Display, passing| Failure {
            problem: format!("unable to read URL \"{shown}\": {why}"),
            passing,
        };
        let dialer = self.clone();
        let environment = environment.clone();
        // A redirect may lead to another server, so that each request has its own connection.
        let send = tower::service_fn(move |request: Request<Empty<Bytes>>| {
            let endpoint = anonymous(request.uri(), &environment);
            let wire = endpoint.and_then(|endpoint| {
                dialer.shared.wire(&endpoint, None, &Arc::default(), &Arc::default())
            });
            async move {
                let wire = wire.map_err(|error| BoxError::from(error.to_string()))?;
                wire.oneshot(request.map(|_| Body::empty())).await
            }
        });
        let mut service = ServiceBuilder::new()
            .layer(FollowRedirectLayer::new())
            .layer(DecompressionLayer::new())
            .service(send);
        let mut request = Request::get(url);
        if let Some(value) = authorization {
            request = request.header(AUTHORIZATION, value);
        }
        let request = request
            .header(USER_AGENT, USER_AGENT_TEXT)
            .header(ACCEPT_ENCODING, "gzip")
            .body(Empty::new())
            .map_err(|error| failed(&error, false))?;
        let answer = match service.call(request).await {
            Ok(answer) => answer,
            Err(error) => return Err(failed(&cause(&*error), true)),
        };
        let status = answer.status();
        if status != StatusCode::OK {
            return Err(Failure {
                problem: format!("unable to read URL \"{shown}\", server reported {status}"),
                passing: status.is_server_error(),
            });
        }
        match Limited::new(answer.into_body(), limit).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => {
                Err(failed(&format!("it is larger than {} MiB", limit >> 20), false))
            }
            Err(error) => Err(failed(&cause(&*error), true)),
        }
    }
}

/// A web server that is to be asked as nobody in particular.
fn anonymous(url: &Uri, environment: &Environment) -> Result<Endpoint, super::Error> {
    Ok(Endpoint {
        server: url.clone(),
        namespace: String::new(),
        trust: Trust { ca: None, insecure: false, server_name: None },
        identity: None,
        auth: Auth::None,
        proxy: proxy::choose(url, None, environment)?,
        impersonation: HeaderMap::new(),
        timeout: None,
        is_timeout_given: false,
        compression: true,
    })
}

/// The URL without its user, and the header for that user. None for a URL without a host.
fn without_user(url: &str) -> Option<(Uri, Option<HeaderValue>)> {
    let mut parts = url.split('#').next()?.parse::<Uri>().ok()?.into_parts();
    let authority = parts.authority?;
    let (user, host) = match authority.as_str().rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority.as_str()),
    };
    let header = user.and_then(|user| {
        let login = STANDARD.encode(proxy::decoded(user));
        let mut value = HeaderValue::try_from(format!("Basic {login}")).ok()?;
        value.set_sensitive(true);
        Some(value)
    });
    parts.authority = Some(host.parse::<uri::Authority>().ok()?);
    parts.path_and_query.get_or_insert(uri::PathAndQuery::from_static("/"));
    Some((Uri::from_parts(parts).ok()?, header))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    use http::Response;
    use http_body_util::Full;

    use super::*;
    use crate::cluster::DialerOptions;
    use crate::cluster::transport::wire;

    const URL: &str = "https://example.com/pi.yaml";

    /// What a server answers to the request of a number, from 0.
    type Answers = fn(usize, &Request<Body>) -> Result<Response<Full<Bytes>>, BoxError>;

    fn answer(status: u16, body: &str) -> Result<Response<Full<Bytes>>, BoxError> {
        Ok(Response::builder().status(status).body(Full::from(body.to_owned()))?)
    }

    /// Downloads from servers that answer so; gives also how many requests there were.
    async fn download(url: &str, answers: Answers) -> (Result<Bytes, String>, usize) {
        let requests = Arc::new(AtomicUsize::new(0));
        let count = requests.clone();
        let factory = move |_: &Endpoint| {
            let count = count.clone();
            wire(tower::service_fn(move |request: Request<Body>| {
                let answer = answers(count.fetch_add(1, Ordering::SeqCst), &request);
                async move { answer }
            }))
        };
        let dialer = Dialer::in_process(DialerOptions::default(), Arc::new(factory));
        let body = dialer.download(url, |_| None, 1 << 20).await;
        (body, requests.load(Ordering::SeqCst))
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_fails_is_asked_three_times() {
        let (body, requests) = download(URL, |at, _| match at {
            0 => answer(503, "busy"),
            1 => Err("the connection was reset".into()),
            _ => answer(200, "kind: Job"),
        })
        .await;
        assert_eq!((body, requests), (Ok(Bytes::from("kind: Job")), 3));
        for (answers, why) in [
            ((|_, _| answer(502, "")) as Answers, ", server reported 502 Bad Gateway"),
            (|_, _| Err("the connection was reset".into()), ": the connection was reset"),
        ] {
            let (body, requests) = download(URL, answers).await;
            assert_eq!((body, requests), (Err(format!("unable to read URL \"{URL}\"{why}")), 3));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_never_answers_is_left() {
        let factory = |_: &Endpoint| {
            wire(tower::service_fn(|_: Request<Body>| {
                std::future::pending::<Result<Response<Full<Bytes>>, BoxError>>()
            }))
        };
        let dialer = Dialer::in_process(DialerOptions::default(), Arc::new(factory));
        let error = dialer.download(URL, |_| None, 1).await.expect_err("nothing came");
        assert_eq!(error, format!("unable to read URL \"{URL}\": no answer within 60s"));
    }

    #[tokio::test]
    async fn other_answers_are_final() {
        for (status, reason) in [(404, "404 Not Found"), (401, "401 Unauthorized")] {
            let answers: Answers = match status {
                404 => |_, _| answer(404, ""),
                _ => |_, _| answer(401, ""),
            };
            let error = format!("unable to read URL \"{URL}\", server reported {reason}");
            assert_eq!(download(URL, answers).await, (Err(error), 1));
        }
        let (body, requests) = download(URL, |_, _| answer(200, &"x".repeat((1 << 20) + 1))).await;
        let error = format!("unable to read URL \"{URL}\": it is larger than 1 MiB");
        assert_eq!((body, requests), (Err(error), 1));
        let (body, _) = download("https:///pi.yaml", |_, _| answer(200, "")).await;
        assert!(body.is_err());
    }

    #[tokio::test]
    async fn redirects_are_followed_and_a_password_stays_with_its_server() {
        static SEEN: Mutex<Vec<(String, Option<String>)>> = Mutex::new(Vec::new());
        let (body, requests) =
            download("https://jane:s%40cret@example.com/a#part", |_, request| {
                let header = request.headers().get(AUTHORIZATION);
                let header = header.and_then(|value| value.to_str().ok()).map(str::to_owned);
                SEEN.lock().expect("a list").push((request.uri().to_string(), header));
                let to = match request.uri().path() {
                    "/a" => "b",
                    "/b" => "https://other.example.com/c",
                    _ => return answer(200, "kind: Job"),
                };
                Ok(Response::builder().status(302).header("Location", to).body(Full::default())?)
            })
            .await;
        assert_eq!((body, requests), (Ok(Bytes::from("kind: Job")), 3));
        let login = Some("Basic amFuZTpzQGNyZXQ=".to_owned());
        let seen = SEEN.lock().expect("a list").clone();
        assert_eq!(
            seen,
            [
                ("https://example.com/a".to_owned(), login.clone()),
                ("https://example.com/b".to_owned(), login),
                ("https://other.example.com/c".to_owned(), None),
            ]
        );
        let (body, _) =
            download("https://jane:s3cret@example.com/a?sig=s3cret", |_, _| answer(403, "")).await;
        let refused = "unable to read URL \"https://example.com/a?…\", server reported 403";
        assert!(body.expect_err("refused").starts_with(refused));
    }
}
