//! A request, understood.

use bytes::Bytes;
use http::Method;
use http::request::Parts;
use serde_json::Value;

use crate::resource::{self, Resource};

/// A request as the API server understands it.
#[derive(Clone, Debug)]
pub struct RequestInfo {
    /// The HTTP method.
    pub method: Method,
    /// The verb: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` or
    /// `deletecollection`. For paths that are no resource, the method in lower case.
    pub verb: &'static str,
    /// The path, as sent.
    pub path: String,
    /// The query, decoded.
    pub query: Vec<(String, String)>,
    /// The API group, empty for the core group.
    pub group: String,
    /// The plural name of the resource; empty where the path is none.
    pub resource: String,
    /// The subresource, such as `status`; mostly empty.
    pub subresource: String,
    /// The namespace; empty for all of them, and for what has none.
    pub namespace: String,
    /// The object's name in the path; empty for lists and creations.
    pub name: String,
    /// The name of the user whose token came with it; empty where tokens are not asked for.
    pub user: String,
    /// The Content-Type header.
    pub content_type: String,
    /// The Accept header.
    pub accept: String,
    /// The User-Agent header.
    pub user_agent: String,
    /// Whether it is a dry run.
    pub dry_run: bool,
    /// Whether it changes what is stored: a write, and no dry run, and no review of rights.
    pub mutating: bool,
    /// The body.
    pub body: Bytes,
    pub(crate) bearer: Option<String>,
    pub(crate) kind: Option<&'static Resource>,
}

impl RequestInfo {
    /// The body as JSON, null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The value of a query parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn read(head: &Parts, body: Bytes) -> Self {
        let header = |name: &str| {
            head.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned()
        };
        let path = head.uri.path().to_owned();
        let mut info = Self {
            method: head.method.clone(),
            verb: verb(&head.method),
            query: query(head.uri.query().unwrap_or_default()),
            group: String::new(),
            resource: String::new(),
            subresource: String::new(),
            namespace: String::new(),
            name: String::new(),
            user: String::new(),
            content_type: header("content-type"),
            accept: header("accept"),
            user_agent: header("user-agent"),
            dry_run: false,
            mutating: false,
            bearer: header("authorization").strip_prefix("Bearer ").map(str::to_owned),
            kind: None,
            path,
            body,
        };
        let segments: Vec<String> =
            info.path.split('/').filter(|s| !s.is_empty()).map(decode).collect();
        info.place(&segments);
        if info.resource.is_empty() {
            return info;
        }
        info.verb = match (info.verb, info.name.is_empty()) {
            ("get", true) if info.parameter("watch").is_some_and(|w| w == "true" || w == "1") => {
                "watch"
            }
            ("get", true) => "list",
            ("delete", true) => "deletecollection",
            (verb, _) => verb,
        };
        info.dry_run = info.parameter("dryRun") == Some("All")
            || (info.verb.starts_with("delete") && info.json()["dryRun"][0] == "All");
        info.mutating = !matches!(info.verb, "get" | "list" | "watch")
            && !info.dry_run
            && info.kind.is_none_or(Resource::stored);
        info
    }

    /// Reads the path's segments, as in `/apis/batch/v1/namespaces/default/jobs/pi/status`.
    fn place(&mut self, segments: &[String]) {
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let (group, rest) = match segments.as_slice() {
            ["api", "v1", rest @ ..] => ("", rest),
            ["apis", group, "v1", rest @ ..] => (*group, rest),
            _ => return,
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..]
                if !rest.is_empty() && !matches!(rest, ["status" | "finalize"]) =>
            {
                (*namespace, rest)
            }
            rest => ("", rest),
        };
        let [plural, rest @ ..] = rest else { return };
        group.clone_into(&mut self.group);
        namespace.clone_into(&mut self.namespace);
        (*plural).clone_into(&mut self.resource);
        self.name = rest.first().map(|s| (*s).to_owned()).unwrap_or_default();
        self.subresource = rest.get(1..).unwrap_or_default().join("/");
        self.kind = resource::find(group, plural);
    }
}

fn verb(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" | "HEAD" => "get",
        "POST" => "create",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" => "delete",
        _ => "options",
    }
}

fn query(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(&key.replace('+', " ")), decode(&value.replace('+', " ")))
        })
        .collect()
}

/// Undoes percent-encoding.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let code = text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        if let Some(code) = code.filter(|_| *byte == b'%') {
            out.push(code);
            at += 3;
        } else {
            out.push(*byte);
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
