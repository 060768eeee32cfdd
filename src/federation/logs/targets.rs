//! Which containers of which pods are asked for their logs; pure.

use serde_json::Value;

use super::{
    error::LogsError,
    terms::{Containers, LogTerms, Source},
};
use crate::{
    federation::open::Federation,
    job::{Pod, text},
    state::Record,
};

/// The annotation of a pod that names the container that is meant where none is named.
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// The lists of containers of a pod, in the order in which they start: the field of the spec, that
/// of the status, and kubectl's word for them.
const LISTS: [(&str, &str, &str); 3] = [
    ("initContainers", "initContainerStatuses", " (init)"),
    ("containers", "containerStatuses", ""),
    ("ephemeralContainers", "ephemeralContainerStatuses", " (ephem)"),
];

/// A log that is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// Whose it is.
    pub source: Source,
    /// Whether the container has run: before, there is no log.
    pub is_started: bool,
    /// Whether nothing more is written to it.
    pub is_over: bool,
}

/// Checks what is asked for against the Job.
///
/// # Errors
/// It asks for an index of pods that have none, or for a cluster without a shard.
pub(super) fn check(
    federation: &Federation<'_>,
    terms: &LogTerms,
    record: &Record,
) -> Result<(), LogsError> {
    if terms.index.is_some() && !record.manifest.indexed() {
        return Err(LogsError::NotIndexed { name: terms.name.clone() });
    }
    Ok(federation.check_shards_in(&terms.clusters, record)?)
}

/// A log that is asked for, and that a pod does not have.
pub(super) struct Lacking {
    /// Whose it would be.
    pub source: Source,
    /// That the pod lacks the container.
    pub why: LogsError,
}

/// The logs of pods in a cluster that are asked for, in the order of the pods' indexes and ages,
/// and those that pods do not have.
pub(super) fn targets(
    cluster: &str,
    pods: &[Value],
    terms: &LogTerms,
) -> (Vec<Target>, Vec<Lacking>) {
    let mut pods: Vec<_> = pods.iter().filter(|pod| is_asked(pod, terms)).collect();
    pods.sort_by_cached_key(|pod| {
        let made = text(&pod["metadata"]["creationTimestamp"]);
        (Pod::from_object(pod).index, made.to_owned(), text(&pod["metadata"]["name"]).to_owned())
    });
    let (mut targets, mut lacking) = (Vec::new(), Vec::new());
    for pod in pods {
        match containers(pod, &terms.containers) {
            Ok(names) => targets.extend(names.into_iter().map(|name| target(cluster, pod, name))),
            Err(container) => {
                let source = source(cluster, pod, container);
                let (container, pod, all) =
                    (container.to_owned(), source.pod.clone(), all_names(pod));
                let why = LogsError::NoContainer { container, pod, all };
                lacking.push(Lacking { source, why });
            }
        }
    }
    (targets, lacking)
}

fn is_asked(pod: &Value, terms: &LogTerms) -> bool {
    let has_failed = || pod["status"]["phase"] == "Failed";
    let index = |asked: i32| Pod::from_object(pod).index == Some(asked);
    (!terms.failed || has_failed()) && terms.index.is_none_or(index)
}

/// The names of the containers of a pod that are asked for; an error is the one that it lacks.
fn containers<'p>(pod: &'p Value, asked: &'p Containers) -> Result<Vec<&'p str>, &'p str> {
    let all = || LISTS.iter().flat_map(|(list, ..)| names(pod, list));
    match asked {
        Containers::All => Ok(all().collect()),
        Containers::Default => Ok(default_container(pod).into_iter().collect()),
        Containers::Named(name) if all().any(|known| known == name) => Ok(vec![name]),
        Containers::Named(name) => Err(name),
    }
}

/// The container that is meant where none is named: the annotated one, or the first.
pub(super) fn default_container(pod: &Value) -> Option<&str> {
    let annotated = pod["metadata"]["annotations"][DEFAULT_CONTAINER].as_str();
    let mut all = LISTS.iter().flat_map(|(list, ..)| names(pod, list));
    all.find(|name| Some(*name) == annotated).or_else(|| names(pod, "containers").next())
}

fn names<'p>(pod: &'p Value, list: &str) -> impl Iterator<Item = &'p str> {
    let containers = pod["spec"][list].as_array().into_iter().flatten();
    containers.filter_map(|container| container["name"].as_str())
}

/// The names of all containers, as kubectl lists them.
fn all_names(pod: &Value) -> String {
    let [init, main, ephemeral] = LISTS;
    let of = |(list, _, kind): (&str, &str, &str)| {
        names(pod, list).map(|name| format!("{name}{kind}")).collect::<Vec<_>>()
    };
    [main, ephemeral, init].into_iter().flat_map(of).collect::<Vec<_>>().join(", ")
}

fn target(cluster: &str, pod: &Value, container: &str) -> Target {
    let phase = text(&pod["status"]["phase"]);
    let has_ended = matches!(phase, "Succeeded" | "Failed");
    let status = LISTS.iter().find_map(|(_, list, _)| {
        let mut statuses = pod["status"][list].as_array()?.iter();
        Some((*list, statuses.find(|status| status["name"] == container)?))
    });
    let never_again = pod["spec"]["restartPolicy"] == "Never";
    let (is_started, is_over) = match status {
        // A kubelet says nothing of containers before it has taken the pod.
        None => (phase != "Pending", has_ended),
        Some((list, status)) => {
            let ended = &status["state"]["terminated"];
            let waits = status["state"]["waiting"].is_object();
            let ran = !waits || status["lastState"]["terminated"].is_object();
            let is_init = list == LISTS[0].1 && ended["exitCode"] == 0;
            (ran || has_ended, has_ended || (ended.is_object() && (never_again || is_init)))
        }
    };
    Target { source: source(cluster, pod, container), is_started, is_over }
}

fn source(cluster: &str, pod: &Value, container: &str) -> Source {
    Source {
        cluster: cluster.to_owned(),
        pod: text(&pod["metadata"]["name"]).to_owned(),
        uid: text(&pod["metadata"]["uid"]).to_owned(),
        container: container.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn terms(containers: Containers) -> LogTerms {
        LogTerms {
            namespace: "work".to_owned(),
            name: "pi".to_owned(),
            clusters: std::collections::BTreeSet::new(),
            containers,
            since: None,
            tail: None,
            limit: None,
            patience: std::time::Duration::ZERO,
            previous: false,
            failed: false,
            index: None,
            most: 5,
            waits: false,
        }
    }

    fn pod(name: &str, index: u32, status: Value) -> Value {
        json!({
            "metadata": {"name": name, "uid": name, "annotations": {
                "batch.kubernetes.io/job-completion-index": index.to_string(),
            }},
            "spec": {
                "restartPolicy": "Never",
                "initContainers": [{"name": "first"}],
                "containers": [{"name": "pi"}, {"name": "sidecar"}],
            },
            "status": status,
        })
    }

    fn asked(pods: &[Value], terms: &LogTerms) -> Vec<String> {
        let (targets, lacking) = targets("west", pods, terms);
        assert!(lacking.is_empty(), "containers that there are");
        let name = |target: Target| format!("{}/{}", target.source.pod, target.source.container);
        targets.into_iter().map(name).collect()
    }

    #[test]
    fn containers_are_chosen_as_kubectl_does() {
        let mut pod = pod("a", 0, json!({}));
        let pods = |pod: &Value| vec![pod.clone()];
        assert_eq!(asked(&pods(&pod), &terms(Containers::Default)), ["a/pi"]);
        let all = ["a/first", "a/pi", "a/sidecar"];
        assert_eq!(asked(&pods(&pod), &terms(Containers::All)), all);
        let named = Containers::Named("first".to_owned());
        assert_eq!(asked(&pods(&pod), &terms(named)), ["a/first"]);
        let wrong = terms(Containers::Named("x".to_owned()));
        let (found, lacking) = targets("west", &pods(&pod), &wrong);
        let said = "container x is not valid for pod a out of: pi, sidecar, first (init)";
        assert_eq!((found.len(), lacking[0].why.to_string().as_str()), (0, said));
        pod["metadata"]["annotations"][DEFAULT_CONTAINER] = "sidecar".into();
        assert_eq!(asked(&pods(&pod), &terms(Containers::Default)), ["a/sidecar"]);
    }

    #[test]
    fn pods_are_chosen_by_index_and_by_failure_and_are_in_order() {
        let failed = json!({"phase": "Failed"});
        let pods = [pod("c", 10, failed), pod("a", 9, json!({})), pod("b", 2, json!({}))];
        let all = terms(Containers::Default);
        assert_eq!(asked(&pods, &all), ["b/pi", "a/pi", "c/pi"]);
        assert_eq!(asked(&pods, &LogTerms { failed: true, ..all.clone() }), ["c/pi"]);
        assert_eq!(asked(&pods, &LogTerms { index: Some(9), ..all }), ["a/pi"]);
    }

    #[test]
    fn a_container_has_a_log_once_it_has_run_and_its_log_is_over_when_it_runs_no_more() {
        let status = |phase: &str, state: Value| {
            let statuses = json!([{"name": "pi", "state": state}]);
            json!({"phase": phase, "containerStatuses": statuses})
        };
        let waiting = json!({"waiting": {"reason": "ContainerCreating"}});
        let ended = json!({"terminated": {"exitCode": 1}});
        let mut again = status("Running", json!({"waiting": {"reason": "CrashLoopBackOff"}}));
        again["containerStatuses"][0]["lastState"] = ended.clone();
        for (status, expected) in [
            (json!({"phase": "Pending"}), (false, false)),
            (status("Pending", waiting), (false, false)),
            (json!({"phase": "Running"}), (true, false)),
            (status("Running", json!({"running": {}})), (true, false)),
            (again, (true, false)),
            (status("Running", ended), (true, true)),
            (json!({"phase": "Failed"}), (true, true)),
        ] {
            let target = target("west", &pod("a", 0, status.clone()), "pi");
            assert_eq!((target.is_started, target.is_over), expected, "{status}");
        }
    }
}
