//! Hints about federated Jobs.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use sim::{Verdict, When};

use super::book::{Book, MEMBERS, changed, complete_pi, pi, says};
use crate::{errors::PI, shell, stage::Stage};

/// The path of the Jobs of the namespace.
pub(super) const JOBS: &str = "/apis/batch/v1/namespaces/default/jobs";

/// A Job `pi` that is no shard.
pub(super) fn strangers_job() -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"},
        "spec": {"template": {"spec": {"restartPolicy": "Never",
            "containers": [{"name": "pi", "image": "perl"}]}}},
    })
}

/// Where a namespace is missing.
pub(super) async fn namespaces(book: &mut Book) {
    let mut stage = Stage::federation().await;
    let create = "job create -f pi.yaml -n away";
    book.read(&mut stage, create, "--create-namespace").await;
    shell::run(&mut stage, "kubectl --context=east create namespace away").await;
    book.read(&mut stage, create, "--create-namespace").await;
    says(&mut stage, &format!("{create} --create-namespace"), "created").await;

    let mut stage = Stage::federation().await;
    let small =
        changed("parallelism: 9", "parallelism: 1").replace("completions: 18", "completions: 3");
    stage.write("small.yaml", &small);
    stage.quietly("job create -f ~/small.yaml -n away --create-namespace").await;
    // As if somebody had made the namespace in one cluster.
    let (record, key) = (("away", "pi.federated-job"), "kubectl-federate.dev/state");
    let state = stage.annotate(record, key, &Value::Null).await;
    let state = state
        .as_str()
        .unwrap_or_default()
        .replace(r#""createNamespace":true"#, r#""createNamespace":false"#);
    stage.annotate(record, key, &state.into()).await;
    let scale = "job scale pi -n away --parallelism=3 --completions=9";
    book.heed(&mut stage, scale, 1).await;
    says(&mut stage, scale, "scaled").await;
}

/// After a change that cannot be made so.
pub(super) async fn edits(book: &mut Book) {
    let mut stage = pi().await;
    stage.write("image.yaml", &changed("perl:5.34.0", "perl:5.36.0"));
    book.read(&mut stage, "job apply -f ~/image.yaml", "--recreate stops the jobs").await;
    says(&mut stage, "job apply -f ~/image.yaml --recreate --yes", "configured").await;
    let mut stage = pi().await;
    let node =
        r#"job patch pi -p '{"spec":{"template":{"spec":{"nodeSelector":{"disk":"ssd"}}}}}'"#;
    book.heed(&mut stage, node, 1).await;
    says(&mut stage, "job get pi", "Suspended").await;
    says(&mut stage, node, "patched").await;
    let mut stage = pi().await;
    stage.write("image.yaml", &changed("perl:5.34.0", "perl:5.36.0"));
    complete_pi(&mut stage).await;
    book.read(&mut stage, "job scale pi --parallelism=3", "what it did is final").await;
    book.read(&mut stage, "job apply -f ~/image.yaml", "Delete it first").await;
}

/// Where the host has a Job of the name.
pub(super) async fn names_taken(book: &mut Book) {
    let mut stage = pi().await;
    let create = "job create -f pi.yaml";
    book.heed(&mut stage, create, 1).await;
    complete_pi(&mut stage).await;
    book.heed(&mut stage, create, 1).await;
    stage.set_down("west", true);
    let finish = book.hear(&mut stage, create).await;
    let begun = book.hear(&mut stage, create).await;
    assert_eq!((finish.len(), begun.len()), (2, 1), "{:?}", book.said);
    stage.set_down("west", false);
    book.follow(&mut stage, &finish[..1], &[]).await;
    book.follow(&mut stage, &begun, &[]).await;
    says(&mut stage, "job get pi", "Running ").await;
    stage.set_down("west", true);
    stage.run("job delete pi --cascade=background", None).await;
    let deleting = book.hear(&mut stage, create).await;
    assert_eq!(deleting.len(), 1);
    stage.set_down("west", false);
    book.follow(&mut stage, &deleting, &[]).await;
    says(&mut stage, create, "created").await;
}

/// Where the host has some of several Jobs.
pub(super) async fn several_taken(book: &mut Book) {
    let mut stage = Stage::federation().await;
    stage.quietly("job create -f several").await;
    let several = "job create -f pi.yaml,several";
    let commands = book.hear(&mut stage, several).await;
    let [get, apply] = &commands[..] else { panic!("{commands:?}") };
    book.follow(&mut stage, std::slice::from_ref(get), &[]).await;
    let known = [("FILE", "pi.yaml,several")];
    book.follow(&mut stage, std::slice::from_ref(apply), &known).await;
    says(&mut stage, "job get pi", "Running").await;
    complete_pi(&mut stage).await;
    for member in ["east", "west"] {
        stage.succeed(member, "euler", 2);
    }
    stage.quietly("reconcile").await;
    let ended = "job create -f pi.yaml,several/euler.yaml";
    let room = book.hear(&mut stage, ended).await;
    assert_eq!(room.len(), 1, "{:?}", book.said.last());
    stage.set_down("west", true);
    stage.run("job delete pi euler --cascade=background", None).await;
    let deleting = book.hear(&mut stage, ended).await;
    assert_eq!(deleting.len(), 1, "{:?}", book.said.last());
    stage.set_down("west", false);
    book.follow(&mut stage, &deleting, &[]).await;
    says(&mut stage, ended, "created").await;
    book.follow(&mut stage, &room, &[]).await;
}

/// Where clusters have Jobs of the name.
pub(super) async fn jobs_in_the_way(book: &mut Book) {
    let create = "job create -f pi.yaml";
    // Shards that stayed, with supplements, and a Job of nobody.
    let mut stage = pi().await;
    stage.quietly("job scale pi --completions=36 --parallelism=18").await;
    stage.quietly("job delete pi --cascade=orphan").await;
    let commands = book.hear(&mut stage, create).await;
    let said = book.said.last().expect("it was typed");
    let jobs = "Its jobs are pi in east, north, west; pi-4 in east; pi-5 in north; pi-6 in west.";
    assert!(said.contains(jobs), "{said}");
    let [recover, list, clean] = &commands[..] else { panic!("{commands:?}") };
    book.follow_and_agree(&mut stage, recover, &[]).await;
    says(&mut stage, "job get pi", "Running").await;
    stage.quietly("job delete pi --cascade=orphan").await;
    book.followed.insert(list.clone());
    let (_, listed, _) = shell::run(&mut stage, list).await;
    assert_eq!(listed.lines().count(), 7, "{listed}");
    // It asks which of them, and whether.
    book.followed.insert(clean.clone());
    shell::run_answering(&mut stage, clean, "all\nyes\n").await;
    says(&mut stage, "orphans list", "No resources found").await;
    says(&mut stage, create, "created").await;
    // Nothing keeps what its record was.
    stage.quietly("job delete pi --cascade=orphan").await;
    let none = json!({"metadata": {"annotations": {"kubectl-federate.dev/recovery": null}}});
    for member in MEMBERS {
        stage.request(member, "PATCH", &format!("{JOBS}/pi"), Some(&none)).await;
    }
    let commands = book.hear(&mut stage, create).await;
    assert_eq!(commands.len(), 2, "{:?}", book.said.last());
    book.follow(&mut stage, &commands[..1], &[]).await;
    book.followed.insert(commands[1].clone());
    shell::run_answering(&mut stage, &commands[1], "all\nyes\n").await;
    says(&mut stage, create, "created").await;
    stage.quietly("job delete pi --cascade=background").await;
    stage.request("west", "POST", JOBS, Some(&strangers_job())).await;
    let commands = book.hear(&mut stage, create).await;
    let [adopt, _] = &commands[..] else { panic!("{commands:?}") };
    book.follow_and_agree(&mut stage, adopt, &[]).await;
    says(&mut stage, "job get pi", "Running").await;
    stage.quietly("job delete pi --cascade=background").await;
    stage.request("west", "POST", JOBS, Some(&strangers_job())).await;
    let commands = book.hear(&mut stage, create).await;
    book.follow(&mut stage, &commands[1..], &[]).await;
    says(&mut stage, create, "created").await;

    // A supplement has the name of a new Job.
    stage.delete("west", "pi").await;
    stage.quietly("reconcile pi --reopen").await;
    let supplement = stage.run("job get pi -o json", None).await.1;
    let supplement: Value = serde_json::from_str(&supplement).expect("JSON");
    let name = supplement["status"]["shards"][3]["name"].as_str().expect("a supplement").to_owned();
    stage.write("other.yaml", &changed("name: pi\nspec", &format!("name: {name}\nspec")));
    book.read(&mut stage, "job create -f ~/other.yaml", "is a shard of another federated job")
        .await;

    // A shard of another federation, and one that cannot be read.
    let mut stage =
        Stage::with_users(&[("blind", |access| access.resource != "jobs" || access.verb != "get")]);
    stage.federate(MEMBERS).await;
    stage.quietly(create).await;
    let path = format!("{JOBS}/pi");
    let labels = json!({"metadata": {"labels": {"kubectl-federate.dev/federation": "other"}}});
    stage.request("west", "PATCH", &path, Some(&labels)).await;
    stage.quietly("job delete pi --cascade=orphan").await;
    for member in ["east", "north"] {
        stage.delete(member, "pi").await;
    }
    book.read(&mut stage, create, "is a shard of another federation").await;
    let uid = stage.cluster("east").kube_system_uid();
    let config = format!("host: {{context: east, uid: {uid}}}\ncontexts: {{west: blind@west}}\n");
    stage.write(".kube/federate.yaml", &config);
    book.read(&mut stage, create, "It could not be read whose job it is").await;
}

/// Of a damaged record, where no cluster has a shard any more.
pub(super) async fn damaged(book: &mut Book) {
    let mut stage = pi().await;
    for member in MEMBERS {
        stage.delete(member, "pi").await;
    }
    stage.annotate(PI, "kubectl-federate.dev/state", &"{".into()).await;
    let recover = book.hear(&mut stage, "job get pi").await;
    assert_eq!(recover.len(), 1, "{:?}", book.said.last());
    book.followed.extend(recover.iter().cloned());
    for command in [
        "job create -f pi.yaml",
        "job delete pi",
        "job delete --all --cascade=background",
        "reconcile -A",
        "backup ~/federation.yaml",
        "cluster unregister west",
    ] {
        assert_eq!(book.hear(&mut stage, command).await, recover, "{:?}", book.said.last());
    }
    let recovers = recover[0].strip_prefix("kubectl federate ").expect("a command");
    stage.set_down("west", true);
    book.read(&mut stage, recovers, "west could not be asked").await;
    stage.set_down("west", false);
    let forget = book.hear(&mut stage, recovers).await;
    assert_eq!(forget.len(), 1, "{:?}", book.said.last());
    let (_, _, said) = shell::run(&mut stage, &forget[0]).await;
    book.followed.extend(forget);
    let lists = book.note(said);
    assert_eq!(lists.len(), 1, "{:?}", book.said.last());
    book.follow(&mut stage, &lists, &[]).await;
    says(&mut stage, "backup ~/federation.yaml", "the records of 0 jobs").await;
    says(&mut stage, "job create -f pi.yaml", "created").await;
}

/// Where a cluster was away.
pub(super) async fn unfinished(book: &mut Book) {
    let mut stage = Stage::federation().await;
    stage.set_down("west", true);
    let commands = book.hear(&mut stage, "job create -f pi.yaml").await;
    let resubmitted = book.hear(&mut stage, "job apply -f pi.yaml").await;
    assert_eq!(commands.len(), 2, "{:?}", book.said.last());
    stage.set_down("west", false);
    book.follow(&mut stage, &commands[..1], &[]).await;
    book.follow(&mut stage, &resubmitted, &[]).await;
    says(&mut stage, "job get pi", "3/3").await;
    // It is gone for good.
    let mut stage = pi().await;
    stage.set_down("west", true);
    let commands = book.hear(&mut stage, "reconcile pi").await;
    let next = book.hear(&mut stage, "job describe pi").await;
    assert_eq!(commands[1..], next[..], "{:?}", book.said);
    book.follow(&mut stage, &next, &[]).await;
    says(&mut stage, "job get pi", "Running ").await;
    // Two are.
    let mut stage = pi().await;
    stage.set_down("west", true);
    stage.set_down("north", true);
    let commands = book.hear(&mut stage, "reconcile pi").await;
    book.followed.extend(commands);
    for name in ["west", "north"] {
        stage.run(&format!("cluster lost {name} --yes"), None).await;
    }
    says(&mut stage, "job get pi", "Running ").await;
    // Of several Jobs.
    let mut stage = pi().await;
    stage.quietly("job create -f several").await;
    stage.set_down("west", true);
    let commands = book.hear(&mut stage, "job suspend pi euler").await;
    stage.set_down("west", false);
    book.follow(&mut stage, &commands[..1], &[]).await;
    says(&mut stage, "job get pi", "Suspended").await;
}

/// Where the host stops answering in the middle of a change.
pub(super) async fn interrupted(book: &mut Book) {
    for written in [0, 1] {
        let mut stage = pi().await;
        let count = AtomicUsize::new(0);
        stage.cluster("east").on_request(move |request| {
            let writes = request.mutating && request.resource == "configmaps";
            if writes && count.fetch_add(1, Ordering::SeqCst) >= written {
                return Verdict::Reset(When::Before);
            }
            Verdict::Pass
        });
        let commands = book.hear(&mut stage, "job scale pi --completions=24").await;
        assert_eq!(commands.len(), 2 - written, "{:?}", book.said.last());
        stage.cluster("east").clear_hook();
        book.follow(&mut stage, &commands, &[]).await;
        let completions = if written == 0 { "0/18" } else { "0/24" };
        says(&mut stage, "job get pi", completions).await;
    }
    // Of two Jobs, each of which is written once.
    let mut stage = pi().await;
    stage.write("tau.yaml", &changed("metadata:\n  name: pi\n", "metadata:\n  name: tau\n"));
    stage.quietly("job create -f ~/tau.yaml").await;
    let written = Mutex::new(BTreeSet::new());
    stage.cluster("east").on_request(move |request| {
        let writes = request.mutating && request.resource == "configmaps";
        let mut written = written.lock().expect("it is whole");
        if writes && !written.insert(request.name.clone()) {
            return Verdict::Reset(When::Before);
        }
        Verdict::Pass
    });
    let commands = book.hear(&mut stage, "job scale pi tau --completions=24").await;
    assert_eq!(commands.len(), 1, "{:?}", book.said.last());
    stage.cluster("east").clear_hook();
    book.follow(&mut stage, &commands, &[]).await;
}

/// Where the user ends a command about several Jobs before they are begun.
pub(super) async fn not_begun(book: &mut Book) {
    let mut stage = pi().await;
    stage.quietly("job create -f several").await;
    stage.cluster("west").on_request(|_| Verdict::Hang(When::Before));
    stage.interrupts_after(Duration::from_secs(1));
    let rest = "The same command does the rest.";
    book.read(&mut stage, "job suspend pi euler phi", rest).await;
    let generated = "job create -f generated.yaml,fragile.yaml";
    let commands = book.hear(&mut stage, generated).await;
    let mut stage = Stage::federation().await;
    let apply = "job apply -f generated.yaml";
    assert_eq!(book.hear(&mut stage, apply).await, commands, "{:?}", book.said.last());
    book.follow(&mut stage, &commands, &[("FILE", "generated.yaml")]).await;

    // More than are deleted at once.
    let jobs = (10..76).map(|n| {
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": format!("p{n}")},
            "spec": {"suspend": true, "template": {"spec": {"restartPolicy": "Never",
                "containers": [{"name": "p", "image": "p"}]}}}})
    });
    let jobs: Vec<_> = jobs.collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": jobs});
    stage.write("many.json", &list.to_string());
    stage.quietly("job create -f ~/many.json").await;
    stage.cluster("east").on_request(|request| {
        if request.mutating { Verdict::Hang(When::Before) } else { Verdict::Pass }
    });
    stage.interrupts_after(Duration::from_secs(1));
    let commands = book.hear(&mut stage, "job delete -f ~/many.json --cascade=background").await;
    book.followed.extend(commands);
    let said = book.said.last().expect("a command was typed");
    let rest = "The same command does the rest, with --ignore-not-found.";
    assert!(
        said.contains("before 2 jobs were deleted: p74, p75\n") && said.contains(rest),
        "{said}"
    );
}

/// Of a Job that has nothing to run again.
pub(super) async fn retries(book: &mut Book) {
    let mut stage = pi().await;
    book.heed(&mut stage, "job retry pi", 1).await;
    complete_pi(&mut stage).await;
    book.heed(&mut stage, "job retry pi", 1).await;
}

/// Of Jobs that are or were shards.
pub(super) async fn adoptions(book: &mut Book) {
    let mut stage = pi().await;
    book.heed(&mut stage, "job adopt pi --clusters=east --yes", 1).await;
    stage.quietly("job scale pi --completions=36 --parallelism=18").await;
    book.heed(&mut stage, "job adopt pi-4 --clusters=east --yes", 1).await;
    stage.quietly("job delete pi").await;
    let commands = book.hear(&mut stage, "job adopt pi --clusters=east --yes").await;
    assert_eq!(commands.len(), 1, "{:?}", book.said.last());
    book.followed.insert(commands[0].clone());
    shell::run_answering(&mut stage, &commands[0], "yes\n").await;
    says(&mut stage, "job get pi", "Running").await;
    // A supplement is not what the federated Job is called.
    stage.quietly("job delete pi").await;
    let commands = book.hear(&mut stage, "job adopt pi-4 --clusters=east --yes").await;
    assert_eq!(commands.len(), 1, "{:?}", book.said.last());
    book.follow_and_agree(&mut stage, &commands[0], &[]).await;
    says(&mut stage, "job get pi", "Running").await;
}

/// After a wait that ended early.
pub(super) async fn waits(book: &mut Book) {
    let wait = "job wait pi --for=condition=complete --timeout=5s";
    let mut stage = pi().await;
    stage.let_time_pass();
    stage.quietly("job suspend pi").await;
    book.heed(&mut stage, wait, 1).await;
    says(&mut stage, "job get pi", "Running").await;
    stage.quietly("job scale pi --parallelism=0").await;
    book.heed(&mut stage, wait, 1).await;
    says(&mut stage, "job get pi", "Running").await;

    let mut stage = pi().await;
    for member in MEMBERS {
        stage.delete(member, "pi").await;
    }
    book.heed(&mut stage, wait, 1).await;
    says(&mut stage, "job get pi", "Running").await;

    // No cluster takes what was opened again.
    let mut stage = pi().await;
    for member in MEMBERS {
        stage.delete(member, "pi").await;
        stage.quietly(&format!("cluster register {member} --weight=0")).await;
    }
    book.heed(&mut stage, "reconcile pi --reopen", 1).await;
    book.heed(&mut stage, wait, 1).await;

    let mut stage = Stage::federation().await;
    stage.quietly("job create -f fragile.yaml").await;
    stage.cluster("west").settle();
    stage.cluster("west").fail_pods("default", "fragile", 1);
    stage.pass(Duration::from_mins(1));
    let wait = "job wait fragile --for=condition=complete --timeout=5s";
    book.heed(&mut stage, wait, 1).await;
}
