//! `cluster check`, and users who have the rights that it prints and no others.

use serde_json::json;

use crate::scenarios::{Outcome, Scenarios};
use crate::site::LIMITED;
use crate::stage::{MEMBERS, SOON, Stage, job};

pub fn scenarios() -> Scenarios {
    Scenarios::of_any_version("rights")
        .both("a check finds a cluster that does not answer, and writes nothing", silent)
        .both_from_nothing("the roles that a check prints suffice for a job's life", printed_roles)
}

async fn silent(stage: &Stage) -> Outcome {
    let before = stage.mark().await?;
    let checked = stage.federate("cluster check").await.ok();
    assert_eq!(checked.stderr, "");
    assert_eq!(
        rows(&checked.stdout),
        ["east Yes Same", "east Yes Same", "north Yes Same", "west Yes Same"]
    );
    stage.site("west").link.cut().await?;
    let checked = stage.federate("cluster check").await.fails("1 of 4 clusters did not pass");
    assert_eq!(
        rows(&checked.stdout),
        ["east Yes Same", "east Yes Same", "north Yes Same", "west No <unknown>"]
    );
    stage.federate("cluster check north").await.ok();
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    Ok(())
}

/// NAME, REACHABLE and IDENTITY of each row.
fn rows(table: &str) -> Vec<String> {
    let row = |line: &str| {
        let cells: Vec<_> = line.split_whitespace().collect();
        [cells[0], cells[2], cells[3]].join(" ")
    };
    table.lines().skip(1).map(row).collect()
}

/// Makes a federation of all, and gives [`LIMITED`] what `cluster check` prints in each cluster.
async fn grant_what_is_printed(stage: &Stage) -> Outcome {
    stage.federation_of(&MEMBERS).await;
    let clusters: Vec<_> = MEMBERS.into_iter().chain(["host"]).collect();
    let contexts: Vec<_> = clusters.iter().map(|name| (*name, *name)).collect();
    stage.contexts(&contexts, LIMITED)?;
    let lacks = stage.federate("cluster check").await.fails("did not pass the check");
    lacks.warns("--host --print-rbac").warns("no federated job can be created");
    for name in clusters.iter().rev() {
        let which = if *name == "host" { "--host" } else { name };
        let printed = stage.federate(&format!("cluster check {which} --print-rbac")).await.ok();
        assert_eq!(printed.stderr, "");
        stage.site(name).apply(&printed.stdout).await?;
        until_passed(stage, which).await;
        let nothing = stage.federate(&format!("cluster check {which} --print-rbac")).await.ok();
        assert_eq!(nothing.stdout, "");
    }
    stage.federate("cluster check").await.ok();
    Ok(())
}

/// A real server takes some moments to heed new roles.
async fn until_passed(stage: &Stage, which: &str) {
    real::until(&format!("{which} to pass"), SOON, || async {
        let ran = stage.federate(&format!("cluster check {which}")).await;
        if ran.code == 0 { Ok(()) } else { Err(ran.stderr) }
    })
    .await;
}

/// Runs a command that must miss no right.
async fn may(stage: &Stage, command: &str) {
    let ran = stage.federate(command).await.ok();
    let is_refused = ["forbidden", "may not", "cannot"].iter().any(|it| ran.stderr.contains(it));
    assert!(!is_refused, "{ran:#?}");
}

async fn printed_roles(stage: &Stage) -> Outcome {
    grant_what_is_printed(stage).await?;
    let indexed = {
        let mut indexed = job("indexed", Some(3), Some(6));
        indexed["spec"]["completionMode"] = "Indexed".into();
        indexed
    };
    for job in [&job("pi", Some(3), Some(9)), &job("queue", Some(3), None), &indexed] {
        stage.create(job).await?.ok();
    }
    stage.site("west").succeed("pi", 1).await?;
    stage.site("east").create("jobs", &job("adopted", Some(1), Some(1))).await?;
    for command in [
        "job adopt adopted --clusters=east --yes",
        "job delete adopted --cascade=background",
        "job get",
        "job describe pi",
        "reconcile",
        "job scale pi --completions=6",
        "job scale pi --parallelism=6",
        "job suspend pi",
        "job resume pi",
        "job diff -f queue.yaml",
        "job apply -f indexed.yaml",
        "cluster list --selector=region=eu",
        "orphans list",
        "job delete queue --cascade=background",
        "job delete indexed",
        "orphans clean indexed --yes",
    ] {
        may(stage, command).await;
    }
    for (name, pods) in [("east", 2), ("west", 1), ("north", 2)] {
        stage.site(name).succeed("pi", pods).await?;
    }
    may(stage, "job wait pi --for=condition=complete --timeout=60s").await;
    may(stage, "job delete pi --cascade=background").await;
    after_failures(stage).await
}

/// A Failed Job is retried, and a lost record is rebuilt, with the same rights.
async fn after_failures(stage: &Stage) -> Outcome {
    let mut fragile = job("fragile", Some(3), Some(6));
    fragile["spec"]["backoffLimit"] = 0.into();
    stage.create(&fragile).await?.ok();
    stage.site("west").fail("fragile", 1).await?;
    real::until("fragile to have failed", SOON, || async {
        let ran = stage.federate("reconcile fragile").await;
        let row = stage.row("fragile").await;
        if row == "Failed 0/6" { Ok(()) } else { Err(format!("{row} {ran:?}")) }
    })
    .await;
    may(stage, "job retry fragile").await;
    let record = format!("{}/fragile-retry.federated-job", stage.host().path("configmaps"));
    stage.host().api.delete(&record, &json!({})).await?;
    for command in [
        "job recover fragile-retry --yes",
        "reconcile fragile-retry",
        "job delete fragile fragile-retry --cascade=background",
        "cluster match",
    ] {
        may(stage, command).await;
    }
    Ok(())
}
