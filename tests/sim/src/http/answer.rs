//! From a request to its answer.

use std::io;

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use serde_json::{Value, json};

use super::hook::{Verdict, When};
use super::request::RequestInfo;
use super::{Connection, SimBody, log, openapi, respond, table, watch};
use crate::api::{DeleteOptions, ListOptions, Patch, Selection, Validation, WriteOptions, Written};
use crate::cluster::Cluster;
use crate::resource::{self, Resource};
use crate::selector::{Fields, Labels};
use crate::status::{FieldError, Status};
use crate::store::Key;
use crate::users;

/// What a client gets to know where nobody listens.
pub(super) fn refused() -> io::Error {
    io::Error::from(io::ErrorKind::ConnectionRefused)
}

/// Answers a request, as the test's hook has it. It fails where nobody listens.
pub(super) async fn answer(
    cluster: &Cluster,
    head: Parts,
    body: Bytes,
) -> io::Result<Response<SimBody>> {
    let connection = head.extensions.get::<Connection>().cloned();
    let mut info = RequestInfo::read(&head, body);
    match users::authenticate(&cluster.users(), info.bearer.as_deref()) {
        Some(user) => info.user = user,
        None => return Ok(respond::refusal(&Status::new(401, "Unauthorized", "Unauthorized"))),
    }
    cluster.log(&info);
    if let Err(refusal) = users::authorize(&cluster.users(), &info) {
        return Ok(respond::refusal(&refusal));
    }
    let verdict = head.extensions.get().cloned().unwrap_or_else(|| cluster.ask(&info));
    let serve = || serve(cluster, &info, 0);
    Ok(match verdict {
        Verdict::Pass => begun(serve()).await,
        Verdict::Refuse => return Err(refused()),
        Verdict::Stale(changes) => self::serve(cluster, &info, changes),
        Verdict::Warn(warnings) => {
            let mut response = serve();
            respond::warn(&mut response, &warnings);
            response
        }
        Verdict::Delay(time) => {
            tokio::time::sleep(time).await;
            begun(serve()).await
        }
        Verdict::Cut(bytes) => begun(serve().map(|body| body.cut(bytes))).await,
        Verdict::Answer(when, response) => {
            take_effect(when, serve);
            response.map(SimBody::whole)
        }
        Verdict::Hang(when) => {
            take_effect(when, serve);
            std::future::pending().await
        }
        Verdict::Kill(when, signal) => {
            take_effect(when, serve);
            signal.notify_one();
            std::future::pending().await
        }
        Verdict::Reset(when) => {
            take_effect(when, serve);
            match connection {
                Some(connection) => {
                    connection.0.notify_one();
                    std::future::pending().await
                }
                None => respond::text(200, "").map(|body| body.cut(0)),
            }
        }
    })
}

/// The response, once it begins.
async fn begun(response: Response<SimBody>) -> Response<SimBody> {
    let (head, body) = response.into_parts();
    Response::from_parts(head, body.begun().await)
}

fn take_effect(when: When, serve: impl FnOnce() -> Response<SimBody>) {
    if when == When::After {
        drop(serve());
    }
}

/// Serves a request. What it changes is there when this returns. What is read is as old as `changes`
/// says.
fn serve(cluster: &Cluster, info: &RequestInfo, changes: u64) -> Response<SimBody> {
    if info.resource.is_empty() {
        return plain(cluster, info);
    }
    let Some(resource) = info.kind else { return nowhere(info) };
    if (resource.plural, info.subresource.as_str(), info.verb) == ("pods", "binding", "create") {
        return bind(cluster, info).unwrap_or_else(|refusal| respond::refusal(&refusal));
    }
    if (resource.plural, info.subresource.as_str(), info.verb) == ("pods", "log", "get") {
        return log::log(cluster, info).unwrap_or_else(|refusal| respond::refusal(&refusal));
    }
    let subresource = match info.subresource.as_str() {
        "" => Ok(false),
        "status" if resource.status => Ok(true),
        _ => Err(()),
    };
    let Ok(status) = subresource else { return nowhere(info) };
    let result = match info.verb {
        "watch" => return watch::watch(cluster, info, resource),
        "list" => list(cluster, info, resource, changes),
        "get" => get(cluster, info, resource, changes),
        _ => single(cluster, info, resource, status),
    };
    result.unwrap_or_else(|refusal| respond::refusal(&refusal))
}

/// Puts a pod on a node, as a scheduler asks for it.
fn bind(cluster: &Cluster, info: &RequestInfo) -> Result<Response<SimBody>, Status> {
    let binding = read_body(info)?;
    let key = Key::new(&info.namespace, &info.name);
    cluster.write(|state| state.bind_to(&key, crate::object::text(&binding, "/target/name")))?;
    let done = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "code": 201});
    Ok(respond::object(201, &done))
}

/// What is answered for a resource that there is not.
fn nowhere(info: &RequestInfo) -> Response<SimBody> {
    if info.group.is_empty() || resource::GROUPS.contains(&info.group.as_str()) {
        let mut status =
            Status::new(404, "NotFound", "the server could not find the requested resource");
        status.details = json!({});
        return respond::refusal(&status);
    }
    respond::text(404, "404 page not found\n")
}

fn plain(cluster: &Cluster, info: &RequestInfo) -> Response<SimBody> {
    if info.verb != "get" {
        return respond::refusal(&Status::method_not_allowed());
    }
    let version = cluster.version();
    let segments: Vec<&str> = info.path.split('/').filter(|s| !s.is_empty()).collect();
    let found = match segments.as_slice() {
        ["version"] => Some(json!({
            "major": "1", "minor": version.minor(), "gitVersion": version.tag(), "gitCommit": "",
            "gitTreeState": "",
            "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "",
            "platform": "linux/amd64",
        })),
        ["readyz" | "healthz" | "livez", ..] => return respond::text(200, "ok"),
        ["api"] => Some(
            json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}),
        ),
        ["apis"] => {
            let groups: Vec<Value> = resource::GROUPS.iter().map(|g| resource::group(g)).collect();
            Some(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
        }
        ["apis", group] if resource::GROUPS.contains(group) => {
            let mut found = resource::group(group);
            found["kind"] = "APIGroup".into();
            found["apiVersion"] = "v1".into();
            Some(found)
        }
        ["api", "v1"] => resource::discovery(""),
        ["apis", group, "v1"] => resource::discovery(group),
        ["openapi", "v3", rest @ ..] => openapi::document(rest, version),
        _ => None,
    };
    found.map_or_else(
        || respond::text(404, "404 page not found\n"),
        |object| respond::object(200, &object),
    )
}

/// What a list or a watch is about.
pub(super) fn selection(info: &RequestInfo, resource: &Resource) -> Result<Selection, Status> {
    let labels = Labels::parse(info.parameter("labelSelector").unwrap_or_default());
    let fields = Fields::parse(info.parameter("fieldSelector").unwrap_or_default());
    let (labels, fields) = match (labels, fields) {
        (Ok(labels), Ok(fields)) => (labels, fields),
        (Err(why), _) | (_, Err(why)) => return Err(Status::bad_request(why)),
    };
    if let Some(field) = fields.unsupported(resource.kind) {
        return Err(Status::bad_request(match resource.kind {
            "ConfigMap" => format!(
                "{field:?} is not a known field selector: \
                 only \"metadata.name\", \"metadata.namespace\""
            ),
            "Job" => format!("field label {field:?} not supported for Job"),
            _ => format!("field label not supported: {field}"),
        }));
    }
    Ok(Selection { namespace: info.namespace.clone(), labels, fields })
}

fn list(
    cluster: &Cluster,
    info: &RequestInfo,
    resource: &'static Resource,
    age: u64,
) -> Result<Response<SimBody>, Status> {
    if !resource.stored() {
        return Err(Status::method_not_allowed());
    }
    let options = ListOptions {
        selection: selection(info, resource)?,
        limit: info.parameter("limit").and_then(|l| l.parse().ok()).unwrap_or_default(),
        token: info.parameter("continue").unwrap_or_default().to_owned(),
        age,
    };
    let list = cluster.with(|state| {
        let now = state.now();
        state.list(resource, &options).map(|list| (list, now))
    });
    let (list, now) = list?;
    if table::wanted(&info.accept) {
        return Ok(respond::object(200, &table::of_list(resource, &list, now, info)));
    }
    Ok(respond::object(200, &list))
}

/// An object, as old as `age` says.
fn get(
    cluster: &Cluster,
    info: &RequestInfo,
    resource: &'static Resource,
    age: u64,
) -> Result<Response<SimBody>, Status> {
    let namespace = if resource.namespaced { info.namespace.as_str() } else { "" };
    if resource.namespaced && namespace.is_empty() {
        return Err(Status::method_not_allowed());
    }
    let key = Key::new(namespace, &info.name);
    let found =
        cluster.with(|state| state.get_aged(resource, &key, age).map(|it| (it, state.now())));
    let (object, now) = found?;
    if table::wanted(&info.accept) {
        return Ok(respond::object(200, &table::of_object(resource, &object, now, info)));
    }
    Ok(respond::object(200, &object))
}

fn single(
    cluster: &Cluster,
    info: &RequestInfo,
    resource: &'static Resource,
    status: bool,
) -> Result<Response<SimBody>, Status> {
    let namespace = if resource.namespaced { info.namespace.as_str() } else { "" };
    let key = Key::new(namespace, &info.name);
    if resource.namespaced && namespace.is_empty() {
        return Err(Status::method_not_allowed());
    }
    if info.name.is_empty() && matches!(info.verb, "update" | "patch") {
        return Err(Status::method_not_allowed());
    }
    match info.verb {
        "create" if !resource.stored() => {
            let review = match resource.kind {
                "SelfSubjectReview" => users::identity(&info.user),
                _ => users::review(&cluster.users(), &info.user, info.json()),
            };
            Ok(respond::object(201, &review))
        }
        "create" if info.name.is_empty() => {
            let (options, body) = (write_options(info)?, read_body(info)?);
            Ok(written(&cluster.write(|state| state.create(resource, namespace, body, options))?))
        }
        "update" => {
            let (options, body) = (write_options(info)?, read_body(info)?);
            Ok(written(
                &cluster.write(|state| state.replace(resource, &key, status, body, options))?,
            ))
        }
        "patch" => {
            let (options, patch) = (write_options(info)?, read_patch(info)?);
            Ok(written(
                &cluster.write(|state| state.patch(resource, &key, status, &patch, options))?,
            ))
        }
        "delete" if !status => {
            let options = delete_options(info)?;
            let (object, warnings) =
                cluster.write(|state| state.delete(resource, &key, &options))?;
            let mut response = respond::object(200, &object);
            respond::warn(&mut response, &warnings);
            Ok(response)
        }
        "deletecollection" => {
            let (options, selection) = (delete_options(info)?, selection(info, resource)?);
            let listing = ListOptions { selection, ..ListOptions::default() };
            let list = cluster.write(|state| {
                let list = state.list(resource, &listing)?;
                for object in crate::object::items(&list, "/items") {
                    state.delete(resource, &Key::of(object), &options)?;
                }
                Ok(list)
            })?;
            Ok(respond::object(200, &list))
        }
        _ => Err(Status::method_not_allowed()),
    }
}

fn delete_options(info: &RequestInfo) -> Result<DeleteOptions, Status> {
    let body = if info.body.is_empty() { Value::Null } else { read_body(info)? };
    DeleteOptions::read(&body, |name| info.parameter(name).map(str::to_owned))
}

fn written(written: &Written) -> Response<SimBody> {
    let mut response = respond::object(if written.created { 201 } else { 200 }, &written.object);
    respond::warn(&mut response, &written.warnings);
    response
}

fn write_options(info: &RequestInfo) -> Result<WriteOptions, Status> {
    let validation = match info.parameter("fieldValidation") {
        None | Some("" | "Warn") => Validation::Warn,
        Some("Strict") => Validation::Strict,
        Some("Ignore") => Validation::Ignore,
        Some(other) => {
            let error = FieldError::not_supported(
                "fieldValidation",
                other,
                &["", "Ignore", "Strict", "Warn"],
            );
            return Err(Status::invalid_options("CreateOptions", &error));
        }
    };
    Ok(WriteOptions { dry_run: info.dry_run, validation })
}

fn read_body(info: &RequestInfo) -> Result<Value, Status> {
    if !info.content_type.is_empty() && !info.content_type.starts_with("application/json") {
        let why = "the body of the request was in an unknown format - accepted media types \
            include: application/json";
        return Err(Status::new(415, "UnsupportedMediaType", why));
    }
    serde_json::from_slice(&info.body)
        .map_err(|why| Status::bad_request(format!("invalid JSON: {why}")))
}

fn read_patch(info: &RequestInfo) -> Result<Patch, Status> {
    let body = serde_json::from_slice(&info.body)
        .map_err(|why| Status::bad_request(format!("error decoding patch: {why}")))?;
    let kind = info.content_type.split(';').next().unwrap_or_default().trim();
    match kind {
        "application/merge-patch+json" => Ok(Patch::Merge(body)),
        "application/strategic-merge-patch+json" => Ok(Patch::Strategic(body)),
        "application/json-patch+json" => Ok(Patch::Json(body)),
        _ => Err(Status::new(
            415,
            "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include: \
             application/json-patch+json, application/merge-patch+json, \
             application/strategic-merge-patch+json",
        )),
    }
}
