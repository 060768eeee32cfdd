//! What is shown of federated jobs, at every moment.

use std::time::Duration;

use kubectl_federate::state;
use serde_json::json;

use crate::scenarios::{Outcome, Scenarios};
use crate::stage::{MEMBERS, Stage, job};

pub fn scenarios() -> Scenarios {
    Scenarios::of_any_version("get")
        .both("a job is shown as a table, as an object and by name", formats)
        .both("a job is described with the share of each cluster", described)
        .both("jobs are listed in the order of a server", sorted)
        .both("a job that does not exist is not found, and the others are shown", not_found)
        .both(
            "a shard that failed makes the whole failed, with cluster and reason, for good",
            failed,
        )
        .both("the outcome outlasts the jobs in the clusters", outlasting)
        .both("looking writes nothing", looking)
        .both(
            "a damaged record is an error that names object and key, and the others are shown",
            damaged,
        )
        .both("a record of a newer version is refused", newer)
        .both_from_nothing("jobs of all namespaces are shown and reconciled", all_namespaces)
}

async fn formats(stage: &Stage) -> Outcome {
    let namespace = &stage.namespace;
    let none = stage.federate("job get").await.ok();
    assert_eq!(none.stderr, format!("No resources found in {namespace} namespace.\n"));
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    stage.site("west").succeed("pi", 1).await?;
    stage.until_row("pi", "Running 1/6").await;
    let table = stage.federate("job get").await.ok().stdout;
    let lines: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["NAME", "STATUS", "COMPLETIONS", "CLUSTERS", "DURATION", "AGE"]);
    assert_eq!(lines[1][..4], ["pi", "Running", "1/6", "3/3"]);
    stage.federate("jobs get pi -o wide").await.ok().says("east:0/2,north:0/2,west:1/2");
    assert_eq!(stage.federate("job get pi -o name").await.ok().stdout, "job.batch/pi\n");
    let object = stage.get("pi").await?;
    assert_eq!((&object["kind"], &object["spec"]["completions"]), (&json!("Job"), &json!(6)));
    let shards = object["status"]["shards"].as_array().cloned().unwrap_or_default();
    assert_eq!(
        shards.iter().map(|shard| shard["cluster"].clone()).collect::<Vec<_>>(),
        ["east", "north", "west"]
    );
    for shard in &shards {
        let member = stage.site(shard["cluster"].as_str().unwrap_or_default());
        assert_eq!(shard["uid"], member.job("pi").await?["metadata"]["uid"]);
        assert_eq!((&shard["parallelism"], &shard["completions"]), (&json!(1), &json!(2)));
    }
    stage.federate("job get pi -o yaml").await.ok().says("    succeeded: 1\n").says("kind: Job\n");
    Ok(())
}

async fn described(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    stage.site("west").succeed("pi", 2).await?;
    stage.until_row("pi", "Running 2/6").await;
    let text = stage.federate("job describe pi").await.ok().stdout;
    let lines: Vec<String> =
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for line in [
        "Name: pi",
        "Status: Running",
        "Parallelism: 3",
        "Completions: 6",
        "west pi Complete 1 2 0 2 0",
    ] {
        assert!(lines.iter().any(|each| each == line), "{line:?} is not in {text}");
    }
    Ok(())
}

async fn sorted(stage: &Stage) -> Outcome {
    for name in ["pi", "pi.5", "pi-2", "p", "pi5"] {
        stage.create(&job(name, Some(3), Some(3))).await?.ok();
    }
    let listed = stage.site("east").names("jobs").await?;
    assert_eq!(listed.len(), 5);
    let shown = stage.federate("job get -o name").await.ok().stdout;
    let shown: Vec<_> = shown.lines().filter_map(|line| line.strip_prefix("job.batch/")).collect();
    assert_eq!(shown, listed);
    Ok(())
}

async fn not_found(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    for verb in ["job get", "job describe", "reconcile", "job delete"] {
        stage
            .federate(&format!("{verb} tau pi"))
            .await
            .fails("Error from server (NotFound): jobs.batch \"tau\" not found")
            .says("pi");
    }
    Ok(())
}

async fn failed(stage: &Stage) -> Outcome {
    let mut fragile = job("pi", Some(3), Some(6));
    fragile["spec"]["backoffLimit"] = 0.into();
    stage.create(&fragile).await?.ok();
    stage.site("east").succeed("pi", 2).await?;
    stage.site("west").fail("pi", 1).await?;
    stage.until_row("pi", "FailureTarget 2/6").await;
    let reason = |job: &serde_json::Value| {
        let condition = job["status"]["conditions"][0].clone();
        (condition["type"].clone(), condition["reason"].clone(), condition["message"].clone())
    };
    let expected = (
        json!("FailureTarget"),
        json!("BackoffLimitExceeded"),
        json!("job pi in cluster west: Job has reached the specified backoff limit"),
    );
    assert_eq!(reason(&stage.get("pi").await?), expected);
    stage.federate("reconcile pi").await.ok();
    stage.until_row("pi", "Failed 2/6").await;
    stage.federate("reconcile pi").await.ok().says("Failed 2/6");
    stage.site("west").delete("pi").await?;
    stage.site("north").delete("pi").await?;
    assert_eq!(reason(&stage.get("pi").await?), expected);
    assert_eq!(stage.get("pi").await?["status"]["conditions"][1]["type"], "Failed");
    stage.federate("reconcile pi").await.ok().says("Failed 2/6");
    assert_eq!(reason(&stage.get("pi").await?), expected);
    Ok(())
}

async fn outlasting(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    for site in stage.members() {
        site.succeed("pi", 2).await?;
    }
    stage.until_row("pi", "Complete 6/6").await;
    stage.federate("reconcile pi").await.ok();
    for site in stage.members() {
        site.delete("pi").await?;
    }
    let before = stage.mark().await?;
    assert_eq!(stage.row("pi").await, "Complete 6/6");
    stage.federate("reconcile pi").await.ok().says("job.batch/pi unchanged: Complete 6/6");
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    assert_eq!(stage.shares("pi").await?, Vec::<String>::new());
    Ok(())
}

async fn looking(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    stage.site("west").succeed("pi", 2).await?;
    let before = stage.mark().await?;
    stage.until_row("pi", "Running 2/6").await;
    stage.federate("job describe").await.ok();
    stage.federate("cluster list").await.ok();
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    Ok(())
}

async fn damaged(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    stage.create(&job("tau", Some(3), Some(6))).await?.ok();
    let key = "shard.kubectl-federate.dev/1";
    let record = stage.record("tau").await?.ok_or("there is a record")?;
    let whole = record["metadata"]["annotations"][key].clone();
    let set = async |value: &serde_json::Value| {
        let change = json!({"metadata": {"annotations": {key: value}}});
        stage.host().patch("configmaps", "tau.federated-job", &change).await
    };
    set(&json!("{\"cluster\": ")).await?;
    let namespace = &stage.namespace;
    let explained =
        format!("configmap {namespace}/tau.federated-job is damaged: annotation \"{key}\"");
    let before = stage.mark().await?;
    stage.federate("job get").await.fails(&explained).says("pi     Running");
    stage.federate("job describe").await.fails(&explained).says("pi");
    stage.federate("reconcile").await.fails(&explained).says("job.batch/pi");
    stage.federate("job delete tau --cascade=background").await.fails(&explained);
    let mutations = stage.mutations(&before).await?;
    assert!(
        mutations.iter().all(|what| what == "east: patch configmaps/pi.federated-job"),
        "{mutations:?}"
    );
    set(&whole).await?;
    stage.federate("job get tau").await.ok().says("Running");
    Ok(())
}

async fn newer(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let newer = state::VERSION + 1;
    let document = json!({"version": newer, "new": true}).to_string();
    let change = json!({"metadata": {"annotations": {"kubectl-federate.dev/state": document}}});
    stage.host().patch("configmaps", "pi.federated-job", &change).await?;
    let before = stage.mark().await?;
    let explained = format!(
        "has version {newer}, this kubectl-federate knows versions up to {}",
        state::VERSION
    );
    for verb in ["job get", "job get pi", "reconcile pi", "job delete pi", "job describe pi"] {
        stage.federate(verb).await.fails(&explained);
    }
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    Ok(())
}

async fn all_namespaces(stage: &Stage) -> Outcome {
    stage.federate("init --context=host").await.ok();
    stage.federate("job get -A").await.ok().warns("No resources found\n");
    let second = format!("{}-second", stage.namespace);
    for member in MEMBERS {
        stage.federate(&format!("cluster register {member}")).await.ok();
    }
    let mut there = job("pi", Some(3), Some(3));
    there["metadata"]["namespace"] = second.as_str().into();
    stage.write("there.yaml", &there)?;
    stage.federate("job create -f there.yaml --create-namespace").await.ok();
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let table = stage.federate_later(Duration::from_mins(5), "job get -A").await.ok().stdout;
    let rows: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0][..3], ["NAMESPACE", "NAME", "STATUS"]);
    // In the server's order, which is that of etcd's keys, `NAMESPACE/NAME`.
    assert_eq!(rows[1][..4], [second.as_str(), "pi", "Running", "0/3"]);
    assert_eq!(rows[2][..4], [stage.namespace.as_str(), "pi", "Running", "0/6"]);
    stage.federate(&format!("job get -n {second}")).await.ok().says("0/3");
    stage
        .federate("job get pi -A")
        .await
        .fails("a resource cannot be retrieved by name across all namespaces");
    stage.federate("reconcile -A").await.ok().says("0/6").says("0/3");
    Ok(())
}
