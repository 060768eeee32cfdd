//! Jobs in the clusters that no ledger knows.

use std::{collections::BTreeMap, sync::Once};

use jiff::SignedDuration;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::scenarios::{Outcome, Scenarios};
use crate::site::Site;
use crate::stage::{Ran, Stage, job};

/// A cluster that was unregistered, as the registry has it.
const FORMER: &str = r#"{"name":"west","context":"west"}"#;

const REGISTRY: &str = "/api/v1/namespaces/kubectl-federate/configmaps/federation";

pub fn scenarios() -> Scenarios {
    Scenarios::of_any_version("orphans")
        .both("what a deletion kept is listed, and deleted once it has ended", kept)
        .both("what still runs is deleted if it is named, or with --running", running)
        .both("what may have lost its record stays unless it is named", recordless)
        .both("a name that no orphan has keeps no other one from being deleted", missing)
        .both("a dry run and a question without a terminal write nothing", nothing_written)
        .both("what a ledger knows is no orphan, at no moment of its life", known)
        .both("a job that no record ever started is deleted, and its siblings stay", late)
        .both("jobs of others are never touched", others)
        .both("a cluster that does not answer is named, and the others are cleaned", unreachable)
        .both("what may belong to a record that cannot be read stays", unreadable)
        .both_from_nothing("a cluster that was unregistered is known until it is clean", former)
        .sim_from_nothing("what a ledger or another host has by now is not deleted", meanwhile)
        .sim_from_nothing("a clock that differs makes no job older or newer", clocks)
}

/// Cluster, status and reason of each orphan, as `orphans list -o json` has them.
async fn listed(stage: &Stage) -> Result<Vec<String>, Failed> {
    let ran = stage.federate("orphans list -o json").await.ok();
    let list: Value = serde_json::from_str(&ran.stdout)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let items = list["items"].as_array().cloned().unwrap_or_default();
    Ok(items
        .iter()
        .map(|item| {
            let name = text(&item["metadata"]["name"]);
            let cluster = text(&item["spec"]["cluster"]);
            let state = text(&item["status"]["state"]);
            format!("{cluster} {name} {state} {}", text(&item["spec"]["reason"]))
        })
        .collect())
}

/// The Job `pi`, running in three clusters, and forgotten.
async fn forgotten(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let deleted = stage.federate("job delete pi").await.ok();
    deleted.warns("`kubectl federate orphans clean --namespace=");
    Ok(())
}

async fn end(site: &Site) -> Outcome {
    site.succeed("pi", 2).await?;
    site.until_job("pi", "it is complete", is_complete).await;
    Ok(())
}

fn is_complete(job: &Value) -> bool {
    let conditions = job["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.iter().any(|one| one["type"] == "Complete" && one["status"] == "True")
}

/// The uid of the federated Job of `pi`, as a Job of it has it.
async fn uid_of_pi(site: &Site) -> Result<String, Failed> {
    let job = site.job("pi").await?;
    let uid = job["metadata"]["labels"]["kubectl-federate.dev/job"].as_str();
    Ok(uid.ok_or("no label")?.to_owned())
}

async fn kept(stage: &Stage) -> Outcome {
    forgotten(stage).await?;
    let west = stage.site("west");
    end(west).await?;
    assert_eq!(
        listed(stage).await?,
        ["east pi Running NoRecord", "north pi Running NoRecord", "west pi Complete NoRecord"]
    );
    let clean = format!("orphans clean -l kubectl-federate.dev/job={}", uid_of_pi(west).await?);
    let mark = stage.mark().await?;
    let cleaned = stage.federate(&format!("{clean} --yes")).await.ok();
    assert_eq!(cleaned.stdout, "job.batch/pi deleted in cluster west\n");
    cleaned.warns("2 jobs have not ended, and would lose work: --running deletes them, too.");
    assert_eq!(stage.mutations(&mark).await?, ["west: delete jobs/pi"]);
    west.until_pods("pi", 0).await;
    let mark = stage.mark().await?;
    stage.federate(&format!("{clean} --yes")).await.ok();
    assert_eq!(stage.mutations(&mark).await?, Vec::<String>::new());
    Ok(())
}

async fn running(stage: &Stage) -> Outcome {
    forgotten(stage).await?;
    let uid = uid_of_pi(stage.site("west")).await?;
    let selector = format!("--selector=kubectl-federate.dev/job=={uid},other!=x");
    let clean = format!("orphans clean {selector} --running --yes");
    let cleaned = stage.federate("orphans clean pi --clusters=east --yes").await.ok();
    assert_eq!(cleaned.stdout, "job.batch/pi deleted in cluster east\n");
    let cleaned = stage.federate(&clean).await.ok();
    cleaned
        .says("job.batch/pi deleted in cluster north\n")
        .says("job.batch/pi deleted in cluster west\n");
    for site in stage.members() {
        site.until_pods("pi", 0).await;
    }
    let none = stage.federate("orphans list").await.ok();
    none.warns("No resources found in ");
    Ok(())
}

async fn recordless(stage: &Stage) -> Outcome {
    forgotten(stage).await?;
    let [east, north, west] = ["east", "north", "west"].map(|name| stage.site(name));
    end(west).await?;
    let (namespace, uid) = (&stage.namespace, uid_of_pi(west).await?);
    let selector = format!("--selector=kubectl-federate.dev/job={uid}");
    let mark = stage.mark().await?;
    for (narrowed, deletes) in [
        ("", format!("{selector} --yes --running")),
        ("-l kubectl-federate.dev/job", format!("{selector} --yes --running")),
        ("-l other!=x", format!("{selector} --yes --running")),
        ("--clusters=east,west", format!("--clusters=east,west {selector} --yes --running")),
    ] {
        let deletes = format!("`kubectl federate orphans clean --namespace={namespace} {deletes}`");
        let clean = format!("orphans clean --yes --running {narrowed}");
        let stays = stage.federate(&clean).await.ok();
        assert_eq!(stays.stdout, "", "{clean}");
        stays
            .warns("no record: the federated job was deleted, or its record was lost.")
            .warns(&format!("first try `kubectl federate job recover pi --namespace={namespace}`,"))
            .warns(&format!(" stay: {deletes} deletes them, with what they have done."));
    }
    // One that keeps nothing of it stays, too, as long as a sibling does.
    let key = "kubectl-federate.dev/recovery";
    let none = json!({ "metadata": { "annotations": { key: null } } });
    for site in [east, west] {
        site.patch("jobs", "pi", &none).await?;
    }
    stage.federate("orphans clean --yes --running").await.ok().warns("3 jobs have no record");
    assert_eq!(stage.mutations(&mark).await?, Vec::<String>::new());
    // Where another federated Job has the name, or nothing keeps the record, nobody can rebuild it.
    let other = json!({ "metadata": { "name": "pi.federated-job" } });
    stage.host().create("configmaps", &other).await?;
    let clean = "orphans clean --yes --running --dry-run=client";
    let cleaned = stage.federate(clean).await.ok();
    assert_eq!((cleaned.stdout.lines().count(), &*cleaned.stderr), (3, ""), "{cleaned:?}");
    stage.host().api.delete(&stage.host().path("configmaps/pi.federated-job"), &json!({})).await?;
    stage.federate(clean).await.ok().warns("3 jobs have no record");
    north.patch("jobs", "pi", &none).await?;
    let cleaned = stage.federate("orphans clean --yes").await.ok();
    assert_eq!(cleaned.stdout, "job.batch/pi deleted in cluster west\n");
    cleaned.warns("2 jobs have not ended, and would lose work: --running deletes them, too.");
    Ok(())
}

async fn missing(stage: &Stage) -> Outcome {
    forgotten(stage).await?;
    let listed = stage.federate("orphans list e pi tau --no-headers").await;
    assert_eq!(listed.stdout.lines().count(), 3, "{listed:?}");
    listed.fails("orphans \"e\" not found").warns("orphans \"tau\" not found");
    let cleaned = stage.federate("orphans clean e pi tau --yes --clusters=east,west").await;
    assert_eq!(cleaned.stdout.lines().count(), 2, "{cleaned:?}");
    cleaned
        .fails("Error from server (NotFound): orphans \"e\" not found\n")
        .warns("Error from server (NotFound): orphans \"tau\" not found\n");
    assert_eq!(self::listed(stage).await?, ["north pi Running NoRecord"]);
    Ok(())
}

async fn nothing_written(stage: &Stage) -> Outcome {
    forgotten(stage).await?;
    let mark = stage.mark().await?;
    let asked = stage.federate("orphans clean").await;
    let asked = asked.fails("3 orphans found, and there is no terminal");
    asked.warns("hint: --yes deletes");
    for strategy in ["client", "server"] {
        let dry = stage.federate(&format!("orphans clean pi --dry-run={strategy}")).await.ok();
        let suffix = if strategy == "client" { "(dry run)" } else { "(server dry run)" };
        let dry = dry.says(&format!("job.batch/pi deleted in cluster east {suffix}\n"));
        dry.says(&format!("job.batch/pi deleted in cluster west {suffix}\n"));
    }
    let unknown = stage.federate("orphans clean e --yes --running").await;
    unknown.fails("orphans \"e\" not found");
    for site in stage.members() {
        assert!(
            site.find("jobs", "pi")
                .await?
                .is_some_and(|job| { job["metadata"].get("deletionTimestamp").is_none() })
        );
    }
    let really: Vec<_> = stage
        .mutations(&mark)
        .await?
        .into_iter()
        .filter(|what| !what.ends_with("delete jobs/pi"))
        .collect();
    assert_eq!(really, Vec::<String>::new());
    Ok(())
}

async fn known(stage: &Stage) -> Outcome {
    let none = Vec::<String>::new();
    let west = stage.site("west");
    west.link.cut().await?;
    stage.create(&job("pi", Some(3), Some(6))).await?.fails("1 of 3 clusters");
    west.link.restore().await?;
    assert_eq!(listed(stage).await?, none);
    stage.federate("reconcile pi").await.ok();
    assert_eq!(listed(stage).await?, none);
    for site in stage.members() {
        end(site).await?;
        assert_eq!(listed(stage).await?, none);
    }
    stage.federate("reconcile pi").await.ok();
    assert_eq!(listed(stage).await?, none);
    Ok(())
}

/// A suspended Job with the labels of `pi`, as that of another shard.
async fn posted_late(stage: &Stage, site: &Site) -> Outcome {
    let labels = site.job("pi").await?["metadata"]["labels"].clone();
    let mut late = job("pi-9", Some(1), Some(1));
    for key in ["federation", "job"] {
        let key = format!("kubectl-federate.dev/{key}");
        late["metadata"]["labels"][&key] = labels[&key].clone();
    }
    late["metadata"]["labels"]["kubectl-federate.dev/shard"] = json!("9");
    late["metadata"]["namespace"] = json!(stage.namespace);
    late["spec"]["suspend"] = json!(true);
    site.create("jobs", &late).await?;
    Ok(())
}

async fn late(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let west = stage.site("west");
    posted_late(stage, west).await?;
    assert_eq!(listed(stage).await?, ["west pi-9 NeverRan NotInLedger"]);
    let cleaned = stage.federate("orphans clean --yes").await.ok();
    assert_eq!(cleaned.stdout, "job.batch/pi-9 deleted in cluster west\n");
    assert_eq!(west.find("jobs", "pi-9").await?, None);
    assert_eq!(stage.shares("pi").await?, ["east 1/2", "north 1/2", "west 1/2"]);
    Ok(())
}

async fn others(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let west = stage.site("west");
    let labels = west.job("pi").await?["metadata"]["labels"].clone();
    stage.federate("job delete pi --cascade=background").await.ok();
    west.until_pods("pi", 0).await;
    let mut plain = job("plain", Some(1), Some(1));
    west.create("jobs", &plain).await?;
    plain["metadata"] = json!({ "name": "theirs", "labels": labels });
    plain["metadata"]["labels"]["kubectl-federate.dev/federation"] = json!("another");
    west.create("jobs", &plain).await?;
    let maker = json!({ "metadata": { "name": "maker" } });
    let uid = west.create("configmaps", &maker).await?["metadata"]["uid"].take();
    let owner = json!([{ "apiVersion": "v1", "kind": "ConfigMap", "name": "maker", "uid": uid }]);
    plain["metadata"] = json!({ "name": "owned", "labels": labels, "ownerReferences": owner });
    west.create("jobs", &plain).await?;
    assert_eq!(listed(stage).await?, Vec::<String>::new());
    let mark = stage.mark().await?;
    let list = stage.federate("orphans list").await.ok();
    list.warns(
        "1 job carries the labels of another federation, another. If its host is gone for \
        good, make another host by `kubectl federate init --context=CONTEXT` and register",
    )
    .warns(&format!(
        "`kubectl federate job recover --all --namespace={} --federation=another`",
        stage.namespace
    ));
    let all = stage.federate("orphans list -A").await.ok();
    all.warns("`kubectl federate job recover --all -A --federation=another`");
    for verb in ["list", "clean --yes"] {
        let typo = stage.federate(&format!("orphans {verb} --clusters=west,esat")).await;
        typo.fails("\"esat\"");
    }
    stage.federate("orphans clean --yes --running").await.ok();
    assert_eq!(stage.mutations(&mark).await?, Vec::<String>::new());
    for name in ["plain", "theirs", "owned"] {
        west.job(name).await?;
    }
    Ok(())
}

async fn unreachable(stage: &Stage) -> Outcome {
    forgotten(stage).await?;
    stage.site("north").link.cut().await?;
    let list = stage.federate("orphans list --no-headers").await;
    let list = list.fails("1 of 3 clusters could not be asked").warns("Warning: [north] ");
    assert_eq!(list.stdout.lines().count(), 2);
    let cleaned = stage.federate("orphans clean pi --yes").await;
    let cleaned = cleaned.fails("1 of 3 clusters could not be asked");
    assert_eq!(cleaned.stdout.lines().count(), 2, "{cleaned:?}");
    stage.site("north").link.restore().await?;
    assert_eq!(listed(stage).await?, ["north pi Running NoRecord"]);
    Ok(())
}

async fn unreadable(stage: &Stage) -> Outcome {
    forgotten(stage).await?;
    stage.create(&job("e", Some(3), Some(3))).await?.ok();
    let key = "kubectl-federate.dev/state";
    let damage = json!({ "metadata": { "annotations": { key: "{" } } });
    stage.host().patch("configmaps", "e.federated-job", &damage).await?;
    let list = listed(stage).await?;
    assert_eq!(list.len(), 6, "{list:?}");
    assert!(list.iter().all(|row| row.ends_with("Running RecordUnreadable")), "{list:?}");
    let mark = stage.mark().await?;
    let cleaned: Ran = stage.federate("orphans clean --yes --running").await;
    cleaned.fails("a record cannot be read").warns("[west] job.batch/pi: it stays: ");
    assert_eq!(stage.mutations(&mark).await?, Vec::<String>::new());
    Ok(())
}

/// The clusters that the registry knows as former members.
async fn former_members(stage: &Stage) -> Result<Vec<Value>, Failed> {
    let registry = stage.host().api.get(REGISTRY).await?;
    let annotations = registry["metadata"]["annotations"].as_object().cloned();
    Ok(annotations
        .unwrap_or_default()
        .into_iter()
        .filter(|(key, _)| key.starts_with("former."))
        .map(|(_, value)| value)
        .collect())
}

/// A federation of two members, and the Job `pi`, which is complete in both.
async fn complete_in_two(stage: &Stage) -> Outcome {
    stage.federate("init --context=host").await.ok();
    for member in ["east", "west"] {
        stage.federate(&format!("cluster register {member}")).await.ok();
    }
    stage.create(&job("pi", Some(2), Some(4))).await?.ok();
    for name in ["east", "west"] {
        end(stage.site(name)).await?;
    }
    stage.federate("reconcile pi").await.ok();
    Ok(())
}

async fn former(stage: &Stage) -> Outcome {
    complete_in_two(stage).await?;
    let left = stage.federate("cluster unregister west").await.ok();
    left.says("cluster \"west\" unregistered\n")
        .warns("1 job of this federation stays in it. `kubectl federate orphans clean -A ");
    assert_eq!(listed(stage).await?, ["west pi Complete Unregistered"]);
    assert_eq!(former_members(stage).await?.len(), 1);
    // It may be gone for good: that it does not answer is said, and is no failure.
    let west = stage.site("west");
    west.link.cut().await?;
    stage.federate("orphans list").await.ok().warns("[west] it was unregistered, and could not");
    west.link.restore().await?;
    // One that is gone for good can be forgotten.
    west.link.cut().await?;
    let forgotten = stage.federate("orphans clean --forget=west").await.ok();
    assert_eq!(forgotten.stdout, "cluster \"west\" forgotten\n");
    assert_eq!((listed(stage).await?, former_members(stage).await?), (vec![], vec![]));
    west.link.restore().await?;
    stage
        .federate("orphans clean --forget=west --clusters=west")
        .await
        .fails("cannot specify --forget and --clusters together");
    // Registered again, it is a member like before.
    stage.federate("cluster register west").await.ok();
    stage.federate("cluster unregister west").await.ok();
    assert_eq!(listed(stage).await?, ["west pi Complete Unregistered"]);
    stage.federate("cluster register west").await.ok();
    assert_eq!((listed(stage).await?, former_members(stage).await?), (vec![], vec![]));
    stage.federate("cluster unregister west").await.ok();
    let cleaned = stage.federate("orphans clean --yes").await.ok();
    assert_eq!(cleaned.stdout, "job.batch/pi deleted in cluster west\n");
    assert_eq!(former_members(stage).await?, Vec::<Value>::new());
    stage.federate("orphans clean --forget=west").await.fails("no cluster \"west\" is known that");
    // A cluster that was built anew had its name, too.
    let annotation = |uid: &str| (format!("former.kubectl-federate.dev/{uid}"), FORMER);
    let former = BTreeMap::from([annotation("one"), annotation("two")]);
    let change = json!({ "metadata": { "annotations": former } });
    stage.host().api.patch(REGISTRY, &change).await?;
    let several = stage.federate("orphans clean --forget=west").await;
    several.fails("2 clusters had the name \"west\"").warns("uid: one, two");
    assert_eq!(former_members(stage).await?.len(), 2);
    stage.federate("orphans clean --forget=one").await.ok();
    stage.federate("orphans clean --forget=west").await.ok();
    assert_eq!(former_members(stage).await?, Vec::<Value>::new());
    // What is clean is not remembered.
    stage.federate("job delete pi --cascade=background").await.ok();
    let left = stage.federate("cluster unregister east").await.ok();
    assert_eq!(left.stderr, "");
    assert_eq!(former_members(stage).await?, Vec::<Value>::new());
    Ok(())
}

/// Changes annotations of the registry as soon as a cluster is asked for its Jobs: after
/// `orphans clean` has read the registry, and before it deletes anything.
fn change_registry_at_the_list(stage: &Stage, annotations: Value) {
    let (host, once) = (stage.host().cluster().clone(), Once::new());
    stage.site("west").cluster().on_request(move |request| {
        if request.resource == "jobs" && request.verb == "list" {
            once.call_once(|| {
                let change = json!({ "metadata": { "annotations": annotations.clone() } });
                let (namespace, name) = ("kubectl-federate", "federation");
                host.patch(&sim::CONFIG_MAPS, namespace, name, change).expect("it is there");
            });
        }
        sim::Verdict::Pass
    });
}

async fn meanwhile(stage: &Stage) -> Outcome {
    complete_in_two(stage).await?;
    let registered = stage.host().api.get(REGISTRY).await?["metadata"]["annotations"].clone();
    let uid = stage.site("west").api.get("/api/v1/namespaces/kube-system").await?;
    let uid = uid["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    let west = stage.site("west").cluster();
    // The cluster is registered again.
    stage.federate("cluster unregister west").await.ok();
    let member = "member.kubectl-federate.dev/west";
    let former = format!("former.kubectl-federate.dev/{uid}");
    let back = json!({ member: registered[member], former: null });
    change_registry_at_the_list(stage, back);
    let mark = stage.mark().await?;
    let cleaned = stage.federate("orphans clean --yes").await;
    cleaned.fails("job.batch/pi").warns("a record has it by now");
    west.clear_hook();
    assert_eq!(stage.mutations(&mark).await?, Vec::<String>::new());
    // The federation is moved to another host.
    stage.federate("cluster unregister west").await.ok();
    let settings = "kubectl-federate.dev/settings";
    let text = registered[settings].as_str().unwrap_or_default();
    let mut moved: Value = serde_json::from_str(text)?;
    moved["moved"] = json!({ "uid": "elsewhere", "context": "elsewhere" });
    change_registry_at_the_list(stage, json!({ settings: moved.to_string() }));
    let mark = stage.mark().await?;
    stage.federate("orphans clean --yes").await.fails("moved");
    west.clear_hook();
    assert_eq!(stage.mutations(&mark).await?, Vec::<String>::new());
    assert_eq!(stage.site("west").names("jobs").await?, ["pi"]);
    Ok(())
}

async fn clocks(stage: &Stage) -> Outcome {
    let ahead = |name: &str, seconds: i64| {
        stage.site(name).cluster().set_clock_ahead(SignedDuration::from_secs(seconds));
    };
    // East is two hours behind the host, and west two hours ahead of it.
    for (name, seconds) in [("host", -3660), ("east", -10_860), ("west", 3540)] {
        ahead(name, seconds);
    }
    stage.federate("init --context=host").await.ok();
    for member in ["east", "west"] {
        stage.federate(&format!("cluster register {member}")).await.ok();
    }
    // A minute later, which is more than a slow answer can hide of a clock.
    for (name, seconds) in [("host", -3600), ("east", -10_800), ("west", 3600)] {
        ahead(name, seconds);
    }
    for name in ["pi", "tau"] {
        stage.create(&job(name, Some(2), Some(4))).await?.ok();
        stage.federate(&format!("job delete {name}")).await.ok();
    }
    let listed = stage.federate("orphans list").await.ok();
    let is_young =
        |row: &str| row.split_whitespace().any(|cell| cell.ends_with('s') && cell.len() < 4);
    assert!(listed.stdout.lines().skip(1).all(is_young), "{listed:#?}");
    // They are newer than the registry, and nothing keeps what their records were.
    let key = "kubectl-federate.dev/recovery";
    let none = json!({ "metadata": { "annotations": { key: null } } });
    for (site, name) in [("east", "pi"), ("east", "tau"), ("west", "pi"), ("west", "tau")] {
        stage.site(site).patch("jobs", name, &none).await?;
    }
    let cleaned = stage.federate("orphans clean --clusters=east --yes --running").await.ok();
    assert_eq!((cleaned.stdout.lines().count(), &*cleaned.stderr), (2, ""), "{cleaned:#?}");
    // An hour later the registry is made anew. What is left is older than that.
    for (name, seconds) in [("host", 0), ("east", -7200), ("west", 7200)] {
        ahead(name, seconds);
    }
    let mut registry = stage.host().api.get(REGISTRY).await?;
    let annotations = registry["metadata"]["annotations"].take();
    let host = stage.host().cluster();
    let name = "federation";
    host.delete(&sim::CONFIG_MAPS, "kubectl-federate", name).expect("it is there");
    let anew = json!({ "metadata": { "name": name, "annotations": annotations } });
    host.create(&sim::CONFIG_MAPS, "kubectl-federate", anew).expect("it was deleted");
    let mark = stage.mark().await?;
    let cleaned = stage.federate("orphans clean -A --yes --running").await.ok();
    cleaned
        .warns("2 jobs have no record: the federated job was deleted, or its record was lost. They")
        .warns("-A --selector=kubectl-federate.dev/job=UID --yes --running` deletes those of one");
    assert_eq!(stage.mutations(&mark).await?, Vec::<String>::new());
    Ok(())
}
