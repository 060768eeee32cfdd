//! Somebody edits, damages or deletes the registry between two requests of a command, and puts it
//! back later. Nothing runs twice and nothing is lost meanwhile.

use serde_json::{Value, json};
use sim::{CONFIG_MAPS, Cluster};

use super::net::Fate;
use super::stage::{CREATE, Stage};

/// Where the registry is.
const NAMESPACE: &str = "kubectl-federate";
const NAME: &str = "federation";

/// What is done to the registry: a patch of its annotations, or its deletion.
fn damages(registry: &Value) -> Vec<(&'static str, Option<Value>)> {
    let annotations = registry["metadata"]["annotations"].as_object().expect("it has some");
    let settings = annotations.keys().find(|key| !key.starts_with("member.")).expect("settings");
    let member = "member.kubectl-federate.dev/north";
    vec![
        ("a member is gone", Some(json!({ member: null }))),
        ("a member is damaged", Some(json!({ member: "{" }))),
        ("the settings are damaged", Some(json!({ settings: "{" }))),
        ("it is deleted", None),
    ]
}

fn damage(host: &Cluster, change: Option<&Value>) {
    match change {
        Some(annotations) => {
            let patch = json!({"metadata": {"annotations": annotations}});
            host.patch(&CONFIG_MAPS, NAMESPACE, NAME, patch).expect("it is there");
        }
        None => host.delete(&CONFIG_MAPS, NAMESPACE, NAME).expect("it is there"),
    }
}

/// Makes the registry what it was.
fn put_back(host: &Cluster, registry: &Value) {
    let metadata = &registry["metadata"];
    let kept = json!({"name": NAME, "namespace": NAMESPACE, "labels": metadata["labels"],
        "annotations": metadata["annotations"]});
    let whole = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": kept});
    if host.get(&CONFIG_MAPS, NAMESPACE, NAME).is_some() {
        damage(host, Some(&metadata["annotations"]));
    } else {
        host.create(&CONFIG_MAPS, NAMESPACE, whole).expect("it is gone");
    }
}

/// Does each damage before each request of a command.
async fn damaged(command: &str, prepare: impl AsyncFn() -> Stage) {
    let mut cases = 0;
    for kind in 0.. {
        for at in 0.. {
            let stage = prepare().await;
            let host = stage.clusters[0].clone();
            let registry = host.get(&CONFIG_MAPS, NAMESPACE, NAME).expect("it is there");
            let Some((name, change)) = damages(&registry).into_iter().nth(kind) else {
                println!("{command}: {cases} cases");
                return;
            };
            let of = host.clone();
            stage.net.watch(move |sent, _| {
                if sent.number == at {
                    damage(&of, change.as_ref());
                }
                Fate::Pass
            });
            let ran = stage.run(command).await;
            let is_over = stage.net.sent().len() <= at;
            stage.net.heal();
            if is_over {
                break;
            }
            println!("{command}: {name} at {at}: {ran:?}");
            put_back(&host, &registry);
            stage.settle().await;
            if stage.records().is_empty() {
                stage.nothing_left();
            } else {
                stage.completes().await;
            }
            stage.unbroken();
            cases += 1;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_is_created_while_the_registry_is_damaged() {
    damaged(CREATE, async || Stage::federated().await).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_is_reconciled_while_the_registry_is_damaged() {
    damaged("reconcile", async || Stage::running().await).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_is_deleted_while_the_registry_is_damaged() {
    damaged("job delete pi --cascade=background", async || Stage::running().await).await;
}
