//! One request on the wire and its answer: the log, and the warnings of the server.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use futures::future::BoxFuture;
use http::header::{AUTHORIZATION, HeaderMap, WARNING};
use http::{Request, Response, Uri, uri};
use kube::client::Body;
use tower::{BoxError, Service};

use super::log;
use super::redact::printable;
use super::secrets::Secrets;
use super::transport::{AnswerBody, Wire};

/// The most bytes that the warnings of one answer have together (`truncateAtTotalRunes` in
/// `pkg/endpoints/filters/warning.go` of the API server).
const WARNINGS: usize = 4 * 1024;

/// Gets the warnings of servers: the name of the cluster and the text.
pub type WarningSink = Arc<dyn Fn(&str, &str) + Send + Sync>;

/// Puts the server into the URL of each request, logs the request, and passes on warnings.
#[derive(Clone)]
pub(super) struct RoundTrip {
    pub wire: Wire,
    pub cluster: Arc<str>,
    pub server: Uri,
    pub warnings: WarningSink,
}

impl Service<Request<Body>> for RoundTrip {
    type Response = Response<AnswerBody>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.wire.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        match below(&self.server, request.uri()) {
            Ok(uri) => *request.uri_mut() = uri,
            Err(error) => return Box::pin(async move { Err(error.into()) }),
        }
        let (method, url) = (request.method().clone(), request.uri().clone());
        let (cluster, warnings) = (self.cluster.clone(), self.warnings.clone());
        let secrets = Secrets::of(request.headers().get(AUTHORIZATION));
        log::request_headers(&cluster, request.headers());
        let answer = self.wire.call(request);
        let start = Instant::now();
        Box::pin(async move {
            let answer = answer.await;
            let milliseconds = start.elapsed().as_millis();
            match &answer {
                Ok(response) => {
                    let status = response.status();
                    tracing::info!(target: log::REQUESTS,
                        "[{cluster}] {method} {url} {status} in {milliseconds} milliseconds");
                    log::answer_headers(&cluster, response.headers(), &secrets);
                    for text in warning_texts(response.headers()) {
                        warnings(&cluster, &secrets.masked_in_words(&text));
                    }
                }
                Err(error) => {
                    tracing::info!(target: log::REQUESTS,
                        "[{cluster}] {method} {url} failed in {milliseconds} milliseconds: {}",
                        super::words::cause(&**error));
                }
            }
            answer
        })
    }
}

/// The URL of a path at a server. The URL of the server may itself have a path, which comes first.
fn below(server: &Uri, path: &Uri) -> Result<Uri, http::Error> {
    let prefix = server.path().trim_end_matches('/');
    let path = path.path_and_query().map_or("/", uri::PathAndQuery::as_str);
    let mut parts = server.clone().into_parts();
    parts.path_and_query = Some(format!("{prefix}{path}").parse()?);
    Ok(Uri::from_parts(parts)?)
}

/// The texts of the `Warning: 299 - "text"` headers (RFC 7234 section 5.5, which API servers use),
/// as far as an API server has room for them.
fn warning_texts(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(WARNING).into_iter();
    let texts = values.flat_map(|value| texts_of(&String::from_utf8_lossy(value.as_bytes())));
    let texts = texts.filter(|text| !text.is_empty());
    let mut room = WARNINGS;
    let texts = texts.map_while(|text| {
        let text = text[..text.floor_char_boundary(room)].to_owned();
        room -= text.len();
        (!text.is_empty()).then_some(text)
    });
    texts.collect()
}

/// The texts in one header, which may hold several warnings: `299 - "a", 299 agent "b" "date"`.
fn texts_of(header: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut rest = header.trim_start();
    while let Some(start) = rest.find('"') {
        let code = rest[..start].trim_start_matches(|c: char| c == ',' || c.is_whitespace());
        let Some((text, after)) = quoted(&rest[start + 1..]) else { break };
        if code.starts_with("299 ") {
            texts.push(printable(&text));
        }
        // A second quoted string right after is the date.
        rest = after.trim_start();
        if rest.starts_with('"') {
            let Some((_, after)) = quoted(&rest[1..]) else { break };
            rest = after;
        }
    }
    texts
}

/// The text of a quoted string, from after its opening quote, and the rest of the header.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut content = String::new();
    let mut chars = text.char_indices();
    while let Some((place, c)) = chars.next() {
        match c {
            '"' => return Some((content, &text[place + 1..])),
            '\\' => content.push(chars.next()?.1),
            c => content.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn warnings_are_read_as_api_servers_write_them() {
        for (header, texts) in [
            (
                r#"299 - "batch/v1beta1 CronJob is deprecated""#,
                vec!["batch/v1beta1 CronJob is deprecated"],
            ),
            (r#"299 - "a \"quoted\" \\ text""#, vec![r#"a "quoted" \ text"#]),
            (r#"299 agent "one", 299 - "two, three""#, vec!["one", "two, three"]),
            (r#"299 - "one" "Mon, 01 Jan 2026 00:00:00 GMT", 299 - "two""#, vec!["one", "two"]),
            (r#"199 - "not for us", 299 - "for us""#, vec!["for us"]),
            (r#"299 - "cut"#, vec![]),
            ("nonsense", vec![]),
            ("299 - \"a\u{1b}[0m\"", vec!["a\\u{1b}[0m"]),
        ] {
            assert_eq!(texts_of(header), texts, "{header}");
        }
    }

    #[test]
    fn warnings_beyond_the_room_of_an_answer_are_left_out() {
        let mut headers = HeaderMap::new();
        for text in ["é".repeat(1500), "b".repeat(1500), "c".to_owned()] {
            let value = HeaderValue::from_bytes(format!("299 - \"{text}\"").as_bytes());
            headers.append(WARNING, value.expect("a header's value"));
        }
        assert_eq!(warning_texts(&headers), ["é".repeat(1500), "b".repeat(1096)]);
    }

    #[test]
    fn a_path_goes_below_the_path_of_the_server() {
        for (server, path, url) in [
            ("https://h:6443/", "/api/v1?limit=1", "https://h:6443/api/v1?limit=1"),
            ("https://h/k8s/clusters/c-1", "/version", "https://h/k8s/clusters/c-1/version"),
        ] {
            assert_eq!(below(&server.parse().unwrap(), &path.parse().unwrap()).unwrap(), url);
        }
    }
}
