//! Hints about the shards of a Job, and the section "Next" of `job describe`.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    book::{Book, MEMBERS, changed, complete_pi, is_gone, pi, says},
    jobs::{JOBS, strangers_job},
};
use crate::{
    errors::REGISTRY,
    shell,
    stage::{Event, Stage},
};

/// With work that no shard carries.
pub(super) async fn unplaced(book: &mut Book) {
    let mut stage = pi().await;
    stage.delete("west", "pi").await;
    book.heed(&mut stage, "reconcile pi", 1).await;
    let (_, _, stderr) = stage.run("reconcile pi", None).await;
    assert!(!stderr.contains("because shards were deleted"), "{stderr}");

    // What a restored record lacks may have been done.
    let mut stage = pi().await;
    stage.quietly("backup ~/federation.yaml").await;
    complete_pi(&mut stage).await;
    stage.delete("west", "pi").await;
    stage.quietly("restore ~/federation.yaml --replace-newer --yes").await;
    for verb in ["reconcile pi", "job describe pi"] {
        let commands = book.hear(&mut stage, verb).await;
        assert_eq!(commands.len(), 1, "{verb}: {:?}", book.said.last());
    }
    let command = book.hear(&mut stage, "job wait pi --for=condition=complete").await;
    assert_eq!(command.len(), 1, "{:?}", book.said.last());
    book.follow_and_agree(&mut stage, &command[0], &[]).await;
    says(&mut stage, "job get pi", "Running").await;

    // Work moves, and the pods are in use.
    let favour = r#"{"rebalance": true, "clusters": {"east": {"weight": 4}, "*": {"weight": 1}}}"#;
    let favour = format!(
        "metadata:\n  annotations:\n    federation.kubernetes.io/job-preferences: |\n      {favour}\n"
    );
    for suspended in [false, true] {
        let mut stage = pi().await;
        for member in MEMBERS {
            stage.succeed(member, "pi", 1);
        }
        stage.write("favour.yaml", &changed("metadata:\n", &favour));
        let command = if suspended {
            stage.quietly("job apply -f ~/favour.yaml").await;
            "job suspend pi"
        } else {
            "job apply -f ~/favour.yaml"
        };
        let commands = book.hear(&mut stage, command).await;
        assert_eq!(commands.len(), 1, "{:?}", book.said.last());
        if suspended {
            book.follow(&mut stage, &commands, &[]).await;
            says(&mut stage, "job get pi", "Running").await;
            continue;
        }
        for (n, member) in (1..).zip(MEMBERS) {
            stage.later(Duration::from_secs(5 * n), member, Event::Succeed("pi", 3));
        }
        stage.let_time_pass();
        stage.interrupts_after(Duration::from_mins(2));
        book.followed.insert(commands[0].clone());
        shell::run_interrupted(&mut stage, &commands[0]).await;
        let (_, stdout, _) = stage.run("job get pi -o json", None).await;
        assert!(!stdout.contains("unplaced"), "{stdout}");
    }
}

/// Of work that no cluster takes, because each was cordoned.
pub(super) async fn closed(book: &mut Book) {
    let mut stage = pi().await;
    for member in MEMBERS {
        stage.delete(member, "pi").await;
        stage.quietly(&format!("cluster cordon {member}")).await;
    }
    let commands = book.hear(&mut stage, "reconcile pi --reopen").await;
    let said = book.said.last().expect("it was typed");
    assert!(said.contains("no cluster takes them (Cordoned: east, north, west)"), "{said}");
    assert_eq!(commands.len(), 2, "{commands:?}");
    let next = book.hear(&mut stage, "job describe pi").await;
    let uncordon = "kubectl federate cluster uncordon NAME";
    assert!(next.iter().any(|line| line.starts_with(uncordon)), "{next:?}");
    let said = book.said.last().expect("it was typed");
    assert!(said.contains("18 completions: no cluster takes them (Cordoned: east"), "{said}");
    book.follow(&mut stage, &commands[..1], &[("NAME", "west")]).await;
    let spare = [("NAME", "spare"), ("CONTEXT", "spare")];
    book.follow(&mut stage, &commands[1..], &spare).await;
    stage.quietly("reconcile pi").await;
    says(&mut stage, "job get pi", "Running").await;

    // The work of a lost cluster, while pods run in the others.
    let mut stage = pi().await;
    stage.quietly("cluster cordon east north").await;
    stage.set_down("west", true);
    let commands = book.hear(&mut stage, "cluster lost west --yes").await;
    let said = book.said.last().expect("it was typed");
    assert!(said.contains("no cluster takes them (Cordoned: east, north; Lost: west)"), "{said}");
    assert_eq!(commands.len(), 2, "{commands:?}");
    book.followed.insert(commands[1].clone());
    book.follow(&mut stage, &commands[..1], &[("NAME", "east")]).await;
    let unplaced = async |stage: &mut Stage| stage.run("reconcile pi", None).await.2;
    assert!(!unplaced(&mut stage).await.contains("no cluster takes them"));
}

/// Of a deletion that is not finished, that is refused, or that nobody confirmed.
pub(super) async fn deletions(book: &mut Book) {
    let mut stage = pi().await;
    stage.set_down("north", true);
    let finish = book.hear(&mut stage, "job delete pi --cascade=background").await;
    let next = book.hear(&mut stage, "job describe pi").await;
    let choice = book.hear(&mut stage, "job delete pi").await;
    assert_eq!((finish.len(), choice.len()), (2, 2), "{:?}", book.said);
    assert_eq!(next, choice, "{:?}", book.said);
    book.follow(&mut stage, &choice[1..], &[]).await;
    is_gone(&mut stage, "pi").await;
    let mut stage = pi().await;
    stage.set_down("north", true);
    stage.run("job delete pi --cascade=background", None).await;
    stage.set_down("north", false);
    assert_eq!(finish[0], choice[0]);
    book.follow(&mut stage, &finish[..1], &[]).await;
    is_gone(&mut stage, "pi").await;
    let mut stage = pi().await;
    stage.set_down("north", true);
    stage.run("job delete pi --cascade=background", None).await;
    book.follow(&mut stage, &finish[1..], &[]).await;
    is_gone(&mut stage, "pi").await;

    let (_, _, cancelled) = pi().await.run("job delete pi", Some("")).await;
    let commands = book.note(cancelled);
    assert_eq!(commands.len(), 2, "{:?}", book.said.last());
    for command in commands {
        let mut stage = pi().await;
        book.follow(&mut stage, &[command], &[]).await;
        is_gone(&mut stage, "pi").await;
    }

    let mut stage = Stage::with_users(&[("reader", |access| access.verb != "delete")]);
    stage.federate(MEMBERS).await;
    stage.quietly("job create -f pi.yaml").await;
    let uid = stage.cluster("east").kube_system_uid();
    let config = format!("host: {{context: east, uid: {uid}}}\ncontexts: {{west: reader@west}}\n");
    stage.write(".kube/federate.yaml", &config);
    let delete = "job delete pi --dry-run=server --cascade=background";
    book.read(&mut stage, delete, "(cluster west)").await;
}

/// After a deletion that keeps the shards, in a federation that is older than they are or not.
pub(super) async fn kept(book: &mut Book) {
    for (left, young, answer) in [
        (false, false, None),
        (true, false, None),
        (false, true, None),
        (false, true, Some("keep\n")),
    ] {
        let mut stage = pi().await;
        if left {
            let key = "member.kubectl-federate.dev/west";
            stage.annotate(REGISTRY, key, &Value::Null).await;
        }
        if young {
            let key = "kubectl-federate.dev/settings";
            let settings = stage.annotate(REGISTRY, key, &Value::Null).await;
            let settings = settings.as_str().unwrap_or_default();
            let mut settings: Value = serde_json::from_str(settings).expect("JSON");
            settings["created"] = i64::MAX.into();
            stage.annotate(REGISTRY, key, &settings.to_string().into()).await;
        }
        let (_, _, said) = stage.run("job delete pi", answer).await;
        assert!(!said.contains("recover"), "{said}");
        let commands = book.note(said);
        assert_eq!(commands.len(), if left { 2 } else { 1 }, "{:?}", book.said.last());
        book.followed.insert(commands[0].clone());
        if answer.is_some() {
            shell::run_answering(&mut stage, &commands[0], "all\nyes\n").await;
        } else {
            shell::run(&mut stage, &commands[0]).await;
        }
        book.follow(&mut stage, &commands[1..], &[("CONTEXT", "west")]).await;
        for member in MEMBERS {
            let job = stage.cluster(member).get(&sim::JOBS, "default", "pi");
            assert!(job.is_none(), "it is still in {member}");
        }
    }
}

/// The section "Next" of `job describe`.
pub(super) async fn next(book: &mut Book) {
    let describe = "job describe pi";
    let mut stage = Stage::federation().await;
    for down in [&["west"][..], &["west", "north"]] {
        for member in down {
            stage.set_down(member, true);
        }
        stage.run("job create -f pi.yaml", None).await;
        let commands = book.hear(&mut stage, describe).await;
        for member in down {
            stage.set_down(member, false);
        }
        // That one is gone for good is tried in `jobs::unfinished`.
        let is_lost = |line: &String| line.contains(" cluster lost ");
        let (lost, commands): (Vec<_>, Vec<_>) = commands.into_iter().partition(is_lost);
        assert_eq!(lost.len(), down.len(), "{:?}", book.said.last());
        book.followed.extend(lost);
        book.follow(&mut stage, &commands, &[]).await;
        says(&mut stage, "job get pi", "3/3").await;
        stage.quietly("job delete pi --cascade=background").await;
    }
    for (state, after) in [
        ("suspended", "Running"),
        ("paused", "Running"),
        ("paused in its cluster", "Running "),
        ("deleted shard", "Running "),
        ("succeeded", "Complete"),
        ("complete", ""),
        ("deleting", ""),
    ] {
        let mut stage = pi().await;
        match state {
            "suspended" => stage.quietly("job suspend pi").await,
            "paused" => stage.quietly("job scale pi --parallelism=0").await,
            "paused in its cluster" => {
                let paused = json!({"spec": {"parallelism": 0}});
                stage.request("west", "PATCH", &format!("{JOBS}/pi"), Some(&paused)).await;
            }
            "deleted shard" => {
                stage.delete("west", "pi").await;
                stage.quietly("reconcile pi").await;
            }
            "succeeded" => MEMBERS.iter().for_each(|member| stage.succeed(member, "pi", 6)),
            "complete" => complete_pi(&mut stage).await,
            _ => {
                stage.set_down("west", true);
                stage.run("job delete pi --cascade=background", None).await;
                stage.set_down("west", false);
            }
        }
        book.heed(&mut stage, describe, 1).await;
        if after.is_empty() {
            is_gone(&mut stage, "pi").await;
        } else {
            says(&mut stage, "job get pi", after).await;
        }
    }
    // A Job of somebody else is in the way, and goes.
    let mut stage = Stage::federation().await;
    stage.set_down("west", true);
    stage.run("job create -f pi.yaml", None).await;
    stage.set_down("west", false);
    stage.request("west", "POST", JOBS, Some(&strangers_job())).await;
    stage.run("reconcile pi", None).await;
    let commands = book.hear(&mut stage, describe).await;
    stage.delete("west", "pi").await;
    book.follow(&mut stage, &commands, &[]).await;
    says(&mut stage, "job get pi", "Running ").await;
    // A failure that is not recorded yet, and work that waits for pods.
    let mut stage = Stage::federation().await;
    stage.quietly("job create -f fragile.yaml").await;
    stage.pass(Duration::from_secs(1));
    stage.cluster("west").fail_pods("default", "fragile", 1);
    stage.pass(Duration::from_mins(1));
    book.heed(&mut stage, "job describe fragile", 1).await;
    for _ in 0..3 {
        stage.pass(Duration::from_mins(1));
        stage.quietly("reconcile fragile").await;
    }
    let commands = book.hear(&mut stage, "job describe fragile").await;
    assert_eq!(commands.len(), 2, "{:?}", book.said.last());
    let retry = book.hear(&mut stage, "job scale fragile --parallelism=2").await;
    assert_eq!(retry, commands[..1], "{:?}", book.said.last());
    book.follow(&mut stage, &commands, &[]).await;
    says(&mut stage, "job get fragile-retry", "Running").await;
    is_gone(&mut stage, "fragile").await;
    let mut stage = pi().await;
    stage.pass(Duration::from_secs(1));
    stage.quietly("job scale pi --completions=30").await;
    let commands = book.hear(&mut stage, describe).await;
    assert_eq!(commands.len(), 1, "{:?}", book.said.last());
    book.followed.insert(commands[0].clone());
    let commands = book.hear(&mut stage, "job scale pi --completions=31").await;
    assert_eq!(commands.len(), 1, "{:?}", book.said.last());
    for member in MEMBERS {
        stage.later(Duration::from_secs(5), member, Event::Succeed("pi", 6));
    }
    stage.let_time_pass();
    stage.interrupts_after(Duration::from_mins(2));
    shell::run_interrupted(&mut stage, &commands[0]).await;
    let (_, stdout, _) = stage.run("job get pi -o json", None).await;
    assert!(!stdout.contains("unplaced"), "{stdout}");
}

/// Where somebody changed a shard's Job in its cluster.
pub(super) async fn taken_over(book: &mut Book) {
    let path = "/apis/batch/v1/namespaces/default/jobs/pi";
    let none = json!({"metadata": {"labels": {"kubectl-federate.dev/job": null}}});
    for command in ["job suspend pi", "job scale pi --parallelism=6", "job describe pi"] {
        let mut stage = pi().await;
        stage.request("west", "PATCH", path, Some(&none)).await;
        book.heed(&mut stage, command, 1).await;
        let said = book.said.last().expect("it was typed").clone();
        let place = if command.contains("describe") { "in cluster west" } else { "[west]" };
        assert!(said.contains(place), "{said}");
        stage.quietly("reconcile pi").await;
        let job = stage.request("west", "GET", path, None).await;
        let suspends = command.contains("suspend");
        assert_eq!(job["spec"]["suspend"], suspends, "{command}");
    }
    let mut stage = pi().await;
    stage.request("west", "PATCH", path, Some(&none)).await;
    let commands = book.hear(&mut stage, "job delete pi --cascade=background").await;
    assert_eq!(commands.len(), 1, "{:?}", book.said.last());
    book.follow(&mut stage, &commands, &[]).await;

    let suspend = json!({"spec": {"suspend": true}});
    for command in
        ["job describe pi", "reconcile pi", "job wait pi --for=condition=complete --timeout=3s"]
    {
        let mut stage = pi().await;
        stage.let_time_pass();
        stage.request("west", "PATCH", path, Some(&suspend)).await;
        stage.cluster("west").settle();
        book.heed(&mut stage, command, 1).await;
        let job = stage.request("west", "GET", path, None).await;
        assert_eq!(job["spec"]["suspend"], false, "{command}");
    }
    // Nothing is left that runs.
    let mut stage = pi().await;
    for member in MEMBERS {
        stage.request(member, "PATCH", path, Some(&suspend)).await;
        stage.cluster(member).settle();
    }
    let mut commands = book.hear(&mut stage, "reconcile pi --watch").await;
    assert_eq!(commands.len(), 4, "{:?}", book.said.last());
    let describe = commands.pop().expect("there are four");
    book.followed.insert(describe.clone());
    let (_, described, _) = shell::run(&mut stage, &describe).await;
    let named = commands.iter().filter(|command| described.contains(command.as_str()));
    assert_eq!(named.count(), 3, "{described}");
    book.follow(&mut stage, &commands, &[]).await;
    says(&mut stage, "job get pi", "Running ").await;
}

/// Where Kueue admits a shard no more before somebody says so.
pub(super) async fn deactivated(book: &mut Book) {
    let mut stage = Stage::federation().await;
    let west = stage.cluster("west").clone();
    west.set_queue("default", 6);
    stage.quietly("job create -f pi.yaml").await;
    let job = || west.get(&sim::JOBS, "default", "pi").expect("it is there");
    let uid = job()["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    west.settle();
    west.activate(&uid, false);
    assert_eq!(job()["spec"]["suspend"], true);
    let workload = json!({"metadata": {"name": uid}, "spec": {"active": false}});
    let answer = json!({"kind": "WorkloadList", "metadata": {}, "items": [workload]}).to_string();
    west.on_request(move |request| {
        if request.path.ends_with("/workloads") {
            let answer = http::Response::new(bytes::Bytes::from(answer.clone()));
            return sim::Verdict::Answer(sim::When::Before, answer);
        }
        sim::Verdict::Pass
    });
    // A shard that is stopped is not to be admitted.
    stage.quietly("job suspend pi").await;
    let commands = book.hear(&mut stage, "job describe pi").await;
    assert!(commands.iter().all(|line| !line.contains("workload")), "{commands:?}");
    stage.quietly("job resume pi").await;
    book.heed(&mut stage, "job describe pi", 1).await;
    assert_eq!(job()["spec"]["suspend"], false);
}
