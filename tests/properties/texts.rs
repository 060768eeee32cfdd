//! Texts from outside: whatever they hold, they are taken or refused with one clear error that says
//! where it is wrong. Nothing panics, and no error dumps what the program has in memory.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response};
use http_body_util::Full;
use kubectl_federate::{
    cluster::{Dialer, DialerOptions, Kubeconfig, Overrides, transport::wire},
    job::{Indexes, Manifest},
    plan::{PREFERENCES, Preferences},
    state::{Record, Registry},
    yaml,
};
use proptest::prelude::*;
use serde_json::{Value, json};

/// What is put in the place of something else.
pub const HOSTILE: [&str; 24] = [
    "null",
    "true",
    "[]",
    "{}",
    "\"\"",
    "-1",
    "0",
    "2147483648",
    "-9223372036854775808",
    "18446744073709551615",
    "1e300",
    "0.5",
    "\"\\u001b[2J\"",
    "\"\\u0000\"",
    "{\"a\":{\"a\":{}}}",
    "[[[[[[]]]]]]",
    "\"0-4294967295\"",
    "\"9999999999\"",
    "\"3-1\"",
    "*",
    "&a",
    "---\n",
    "\u{202e}",
    "🦀",
];

/// A change of a text: what stands at a place, so much of it, becomes something else.
pub type Cut = (prop::sample::Index, usize, String);

pub fn cuts() -> impl Strategy<Value = Vec<Cut>> {
    let word = prop_oneof![
        3 => prop::sample::select(&HOSTILE[..]).prop_map(str::to_owned),
        1 => "[ -~]{0,4}",
        1 => any::<String>(),
    ];
    prop::collection::vec((any::<prop::sample::Index>(), 0_usize..12, word), 0..4)
}

/// The text with these changes.
pub fn cut(text: &str, cuts: &[Cut]) -> String {
    let mut text: Vec<char> = text.chars().collect();
    for (at, many, word) in cuts {
        let at = at.index(text.len() + 1);
        let end = (at + many).min(text.len());
        text.splice(at..end, word.chars());
    }
    text.into_iter().collect()
}

/// The object with one of its values, at any depth, replaced.
pub fn replace(mut object: Value, at: prop::sample::Index, with: &str) -> Value {
    fn places(value: &Value, path: &str, all: &mut Vec<String>) {
        all.push(path.to_owned());
        let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
        match value {
            Value::Object(fields) => fields
                .iter()
                .for_each(|(key, value)| places(value, &format!("{path}/{}", escaped(key)), all)),
            Value::Array(items) => items
                .iter()
                .enumerate()
                .for_each(|(n, value)| places(value, &format!("{path}/{n}"), all)),
            _ => {}
        }
    }
    let mut all = Vec::new();
    places(&object, "", &mut all);
    let place = &all[at.index(all.len())];
    let with = serde_json::from_str(with).unwrap_or_else(|_| with.into());
    *object.pointer_mut(place).expect("it was found") = with;
    object
}

/// What no error shows.
pub fn clear(error: &str) {
    for dump in
        ["Some(", "None)", "Err(", "Ok(", "Custom {", "Kind(", "String(", "Number(", "Object {"]
    {
        assert!(!error.contains(dump), "it dumps {dump:?}: {error}");
    }
    assert!(!error.trim().is_empty(), "it says nothing");
    assert!(error.len() < 4_000, "it is too long: {}", error.len());
}

fn manifest() -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": "pi", "namespace": "work", "labels": {"a": "b"},
            "annotations": {"kubectl-federate.dev/reopen": "true"}},
        "spec": {
            "parallelism": 3, "completions": 9, "completionMode": "Indexed",
            "backoffLimitPerIndex": 1, "maxFailedIndexes": 2, "activeDeadlineSeconds": 600,
            "successPolicy": {"rules": [{"succeededIndexes": "0-3,5", "succeededCount": 2}]},
            "podFailurePolicy": {"rules": [
                {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}]},
            "template": {"metadata": {"labels": {"c": "d"}}, "spec": {"restartPolicy": "Never",
                "containers": [{"name": "c", "image": "i", "env": [{"name": "A", "value": "1"}]}]}},
        },
    })
}

pub fn registry() -> Value {
    let text = |value: Value| Value::from(value.to_string());
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "federation", "namespace": "kubectl-federate", "resourceVersion": "7",
            "annotations": {
                "kubectl-federate.dev/settings": text(json!({"version": 2, "uid": "f", "host": "h"})),
                "member.kubectl-federate.dev/east": text(json!({"context": "east", "uid": "e",
                    "weight": 1, "labels": {"a": "b"}, "state": "ready", "registered": 0})),
            }},
    })
}

pub fn record() -> Value {
    let text = |value: Value| Value::from(value.to_string());
    let shard = json!({"cluster": "east", "clusterUid": "e", "parallelism": 1, "completions": 3,
        "indexes": "0-2", "phase": "started", "uid": "u", "generation": 2,
        "seen": {"active": 1, "succeeded": 1, "completed": "0", "at": 7}});
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "pi.federated-job", "namespace": "work", "resourceVersion": "7",
            "uid": "c", "labels": {"kubectl-federate.dev/federation": "f"},
            "annotations": {
                "kubectl-federate.dev/manifest": text(manifest()),
                "kubectl-federate.dev/state": text(json!({"version": 2, "uid": "j", "created": 0})),
                "shard.kubectl-federate.dev/1": text(shard),
            }},
    })
}

/// The ConfigMap with the text of one annotation changed: its characters, or one of its values.
fn damaged(mut map: Value, key: prop::sample::Index, how: &Damage) -> (Value, String) {
    let annotations = map["metadata"]["annotations"].as_object_mut().expect("a map");
    let keys: Vec<String> = annotations.keys().cloned().collect();
    let key = keys[key.index(keys.len())].clone();
    let text = annotations[&key].as_str().expect("a text").to_owned();
    let new = match how {
        Damage::Text(cuts) => cut(&text, cuts),
        Damage::Value(at, word) => {
            replace(serde_json::from_str(&text).expect("JSON"), *at, word).to_string()
        }
    };
    annotations.insert(key.clone(), new.into());
    (map, key)
}

#[derive(Debug, Clone)]
enum Damage {
    Text(Vec<Cut>),
    Value(prop::sample::Index, &'static str),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        cuts().prop_map(Damage::Text),
        (any::<prop::sample::Index>(), prop::sample::select(&HOSTILE[..]))
            .prop_map(|(at, word)| Damage::Value(at, word)),
    ]
}

/// What a server answers, as far as headers can hold it.
fn answer(code: u16, headers: &[(&str, String)], body: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_owned())));
    *response.status_mut() = http::StatusCode::from_u16(code).expect("a code");
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            response.headers_mut().insert(name, value);
        }
    }
    response
}

const KUBECONFIG: &str = "apiVersion: v1
kind: Config
current-context: east
clusters:
- name: east
  cluster: {server: \"https://east:6443\", tls-server-name: east, proxy-url: \"http://proxy:80\"}
users:
- name: alice
  user: {token: sesame}
contexts:
- name: east
  context: {cluster: east, user: alice, namespace: work}
";

/// Reads a kubeconfig, and resolves its current context.
fn endpoint(text: &str) -> Result<(), String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config");
    std::fs::write(&path, text).expect("written");
    let config = Kubeconfig::load(Some(&path), |_| None).map_err(|error| error.to_string())?;
    config.endpoint(None, &Overrides::default()).map(drop).map_err(|error| error.to_string())
}

proptest! {
    #[test]
    fn preferences_are_read_or_refused_by_their_annotation(changes in cuts()) {
        let text = r#"{"rebalance": true, "clusters": {"*": {"weight": 1},
            "east": {"minReplicas": 1, "maxReplicas": 3, "weight": 2}}}"#;
        if let Err(error) = Preferences::parse(&cut(text, &changes), &["east", "west"]) {
            clear(&error.to_string());
            prop_assert!(error.to_string().contains(PREFERENCES), "{error}");
        }
    }

    #[test]
    fn indexes_are_read_as_they_are_written(changes in cuts()) {
        let text = cut("0-3,5,7-9", &changes);
        if let Ok(indexes) = text.parse::<Indexes>() {
            let again = indexes.to_string().parse::<Indexes>();
            prop_assert!(again.is_ok_and(|again| again == indexes), "{text:?}");
        }
    }

    #[test]
    fn yaml_is_read_or_refused(changes in cuts()) {
        let text = yaml::write(&manifest());
        if let Err(error) = yaml::read(&cut(&text, &changes)) {
            clear(&error);
        }
    }

    #[test]
    fn a_manifest_is_taken_or_refused_by_its_field(
        at in any::<prop::sample::Index>(), with in prop::sample::select(&HOSTILE[..]),
    ) {
        match Manifest::new(replace(manifest(), at, with), "work", "abcde") {
            Err(error) => clear(&error.to_string()),
            Ok(manifest) => {
                let again = Manifest::new(manifest.object().clone(), "work", "abcde");
                prop_assert!(again.is_ok_and(|again| again == manifest));
            }
        }
    }

    #[test]
    fn a_damaged_registry_names_the_annotation(key in any::<prop::sample::Index>(), how in damage()) {
        let (map, key) = damaged(registry(), key, &how);
        if let Err(error) = Registry::from_config_map(&map) {
            let error = error.to_string();
            clear(&error);
            prop_assert!(error.contains("configmap kubectl-federate/federation"), "{error}");
            prop_assert!(error.contains(&key) || error.contains("version"), "{key}: {error}");
        }
    }

    #[test]
    fn a_damaged_record_names_the_annotation(key in any::<prop::sample::Index>(), how in damage()) {
        let (map, key) = damaged(record(), key, &how);
        if let Err(error) = Record::from_config_map(&map) {
            let error = error.to_string();
            clear(&error);
            prop_assert!(error.contains("configmap work/pi.federated-job"), "{error}");
            prop_assert!(error.contains(&key) || error.contains("version"), "{key}: {error}");
        }
    }

    #[test]
    fn a_kubeconfig_is_read_or_refused_without_its_secret(changes in cuts()) {
        if let Err(error) = endpoint(&cut(KUBECONFIG, &changes)) {
            clear(&error);
            prop_assert!(!error.contains("sesame"), "{error}");
        }
    }

    /// Whatever a server says, its answer is an object or an error that names the cluster.
    #[test]
    fn an_answer_is_an_object_or_an_error_that_names_the_cluster(
        code in prop::sample::select(&[200_u16, 201, 400, 401, 403, 404, 409, 410, 422, 429, 500, 503][..]),
        dates in cuts(), waits in prop_oneof![Just("1".to_owned()), any::<String>(), "[0-9]{1,25}"],
        body in prop_oneof![Just(None), cuts().prop_map(Some)],
        at in any::<prop::sample::Index>(), with in prop::sample::select(&HOSTILE[..]),
    ) {
        let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "no", "reason": "Conflict", "code": 409, "details": {"name": "pi",
            "kind": "jobs", "causes": [{"reason": "x", "message": "y", "field": "spec.z"}]}});
        let body = match body {
            None => replace(status, at, with).to_string(),
            Some(changes) => cut(&status.to_string(), &changes),
        };
        let date = cut("Sat, 28 Nov 2026 12:00:00 GMT", &dates);
        let headers = [("date", date), ("retry-after", waits)];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true)
            .build().expect("a runtime");
        let ended = runtime.block_on(async {
            let factory = Arc::new(move |_: &_| {
                let (headers, body) = (headers.clone(), body.clone());
                wire(tower::service_fn(move |_: http::Request<kube::client::Body>| {
                    let response = answer(code, &headers, &body);
                    async move { Ok::<_, std::io::Error>(response) }
                }))
            });
            let config = tempfile::NamedTempFile::new().expect("a file");
            std::fs::write(config.path(), KUBECONFIG).expect("written");
            let config = Kubeconfig::load(Some(config.path()), |_| None).expect("a kubeconfig");
            let endpoint = config.endpoint(None, &Overrides::default()).expect("an endpoint");
            let dialer = Dialer::in_process(DialerOptions::default(), factory);
            let connection = dialer.dial("member-x", &endpoint).expect("a connection");
            connection.get("/api/v1/namespaces/a").await
        });
        if let Err(error) = ended {
            clear(&error.to_string());
            prop_assert!(!error.to_string().contains('\u{1b}'), "{error}");
            prop_assert!(!error.to_string().contains("sesame"), "{error}");
        }
    }
}
