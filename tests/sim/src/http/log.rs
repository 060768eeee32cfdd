//! `pods/NAME/log`: what an API server asks of a kubelet.

use http::Response;
use serde_json::Value;

use super::request::RequestInfo;
use super::{SimBody, respond};
use crate::cluster::Cluster;
use crate::logs::LogRequest;
use crate::object::{items, text};
use crate::resource::PODS;
use crate::status::Status;
use crate::store::Key;

/// Answers a request for the log of a container.
pub(super) fn log(cluster: &Cluster, info: &RequestInfo) -> Result<Response<SimBody>, Status> {
    let key = Key::new(&info.namespace, &info.name);
    let (pod, now) = cluster.with(|state| state.get(&PODS, &key).map(|pod| (pod, state.now())))?;
    let container = container(&pod, info.parameter("container").unwrap_or_default())?;
    if text(&pod, "/spec/nodeName").is_empty() {
        return Ok(respond::log(SimBody::whole("")));
    }
    let request = LogRequest::read(|name| info.parameter(name).map(str::to_owned), now);
    let name = &info.name;
    if let Some(why) = waits(&pod, &container) {
        let what = format!("container {container:?} in pod {name:?} is waiting to start: {why}");
        return Err(Status::bad_request(what));
    }
    let previous = request.previous;
    let of = [info.namespace.clone(), name.clone(), container.clone()];
    if cluster.log_of(&of, previous, 0).is_none() {
        let what = format!("previous terminated container {container:?} in pod {name:?} not found");
        return Err(Status::bad_request(what));
    }
    let (written, changed, cuts) = (cluster.clone(), cluster.subscribe(), cluster.log_cuts());
    let body = request.body(
        move |place| {
            // A pod that has ended writes nothing more.
            let pod = written.with(|state| state.get(&PODS, &key));
            let runs =
                pod.is_ok_and(|pod| !matches!(text(&pod, "/status/phase"), "Succeeded" | "Failed"));
            let lines = written.log_of(&of, previous, place).unwrap_or_default();
            (lines, previous || !runs || written.log_cuts() != cuts)
        },
        changed,
    );
    Ok(respond::log(body))
}

/// The container that is meant.
fn container(pod: &Value, asked: &str) -> Result<String, Status> {
    let names = |list: &str| -> Vec<String> {
        items(pod, list).iter().map(|container| text(container, "/name").to_owned()).collect()
    };
    let (own, init) = (names("/spec/containers"), names("/spec/initContainers"));
    let pod = text(pod, "/metadata/name");
    match (asked, own.as_slice()) {
        ("", [only]) if init.is_empty() => Ok(only.clone()),
        ("", _) => Err(Status::bad_request(format!(
            "a container name must be specified for pod {pod}, choose one of: [{}]",
            own.join(" ")
        ))),
        (asked, _) if own.iter().chain(&init).any(|name| name == asked) => Ok(asked.to_owned()),
        (asked, _) => {
            Err(Status::bad_request(format!("container {asked} is not valid for pod {pod}")))
        }
    }
}

/// Why a container does not run yet, if it does not.
fn waits(pod: &Value, container: &str) -> Option<String> {
    let statuses = items(pod, "/status/containerStatuses");
    let status = statuses.iter().find(|status| text(status, "/name") == container);
    match status {
        Some(status) if status["lastState"]["terminated"].is_object() => None,
        Some(status) if status["state"]["waiting"].is_object() => {
            Some(text(status, "/state/waiting/reason").to_owned())
        }
        None if text(pod, "/status/phase") == "Pending" => Some("ContainerCreating".to_owned()),
        _ => None,
    }
}
