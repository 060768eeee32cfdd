//! What a simulated cluster promises, as its clients see it.

mod api;
mod hook;
mod jobs;
mod net;
mod objects;

use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use sim::{Cluster, SimBody};
use tower::ServiceExt;

/// An answer: its code, its body as JSON, and its warnings.
struct Answer {
    code: u16,
    body: Value,
    warnings: Vec<String>,
}

impl Answer {
    fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }
}

async fn send(
    cluster: &Cluster,
    method: Method,
    path: &str,
    kind: &str,
    body: String,
) -> Response<SimBody> {
    let request = Request::builder()
        .method(method)
        .uri(format!("http://sim{path}"))
        .header("content-type", kind)
        .body(Full::from(body))
        .expect("a request");
    cluster.service().oneshot(request).await.expect("the service always answers")
}

async fn read(response: Response<SimBody>) -> Answer {
    let code = response.status().as_u16();
    let warnings = response
        .headers()
        .get_all("warning")
        .iter()
        .map(|w| w.to_str().expect("a warning is text").to_owned())
        .collect();
    let bytes = response.into_body().collect().await.expect("the whole body").to_bytes();
    Answer { code, body: serde_json::from_slice(&bytes).unwrap_or_default(), warnings }
}

async fn call(cluster: &Cluster, method: Method, path: &str, body: Value) -> Answer {
    let kind =
        if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
    let body = if body.is_null() { String::new() } else { body.to_string() };
    read(send(cluster, method, path, kind, body).await).await
}

async fn get(cluster: &Cluster, path: &str) -> Answer {
    call(cluster, Method::GET, path, Value::Null).await
}

async fn post(cluster: &Cluster, path: &str, body: Value) -> Answer {
    call(cluster, Method::POST, path, body).await
}

async fn patch(cluster: &Cluster, path: &str, body: Value) -> Answer {
    call(cluster, Method::PATCH, path, body).await
}

async fn delete(cluster: &Cluster, path: &str, body: Value) -> Answer {
    call(cluster, Method::DELETE, path, body).await
}

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const JOBS: &str = "/apis/batch/v1/namespaces/default/jobs";

fn map(name: &str) -> Value {
    json!({"metadata": {"name": name}, "data": {"a": "1"}})
}

fn job(name: &str, spec: Value) -> Value {
    let mut job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {"template": {"spec": {
            "restartPolicy": "Never", "containers": [{"name": "c", "image": "busybox"}],
        }}},
    });
    let Value::Object(fields) = spec else { panic!("a spec is a map") };
    for (field, value) in fields {
        job["spec"][field] = value;
    }
    job
}
