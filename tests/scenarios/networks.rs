//! Clusters that cannot be reached, or not all of the time.

use std::time::Duration;

use sim::{Verdict, When};

use crate::scenarios::{Outcome, Scenarios};
use crate::stage::{Stage, job};

pub fn scenarios() -> Scenarios {
    Scenarios::of_any_version("networks")
        .both(
            "a member that cannot be reached at create is Unknown, and the next reconcile finishes",
            at_create,
        )
        .both("a member that is silent is given up after the request timeout", silent)
        .both(
            "a member that cannot be reached is Unknown, with what was known last and when",
            at_get,
        )
        .both(
            "while a member cannot be reached nothing is complete, and nothing is moved",
            not_moved,
        )
        .both("without the host nothing is sent to anybody", without_host)
        .sim("a connection that is lost after a job was made loses nothing", lost_answer)
        .sim("a member that goes away between rehearsal and creation is Unknown", goes_away)
}

async fn at_create(stage: &Stage) -> Outcome {
    let west = stage.site("west");
    west.link.cut().await?;
    let created = stage.create(&job("pi", Some(3), Some(6))).await?;
    let created = created
        .fails("error: job.batch/pi: 1 of 3 clusters")
        .warns("Warning: [west] could not be asked: ");
    assert_eq!(created.stdout, "job.batch/pi created\n");
    assert!(created.stderr.contains("was refused"), "{created:#?}");
    assert_eq!(stage.shares("pi").await?, ["east 1/2", "north 1/2"]);
    stage.until_row("pi", "Running,Unknown 0/6").await;
    stage.federate("reconcile pi").await.fails("1 of 3 clusters").says("Running,Unknown 0/6");
    west.link.restore().await?;
    stage.federate("reconcile pi").await.ok().says("job.batch/pi created in cluster west");
    assert_eq!(stage.shares("pi").await?, ["east 1/2", "north 1/2", "west 1/2"]);
    let before = stage.mark().await?;
    stage.federate("reconcile pi").await.ok();
    let mutations = stage.mutations(&before).await?;
    assert!(
        mutations.iter().all(|what| what.starts_with("east: patch configmaps")),
        "{mutations:?}"
    );
    for site in stage.members() {
        site.succeed("pi", 2).await?;
    }
    stage.until_row("pi", "Complete 6/6").await;
    Ok(())
}

async fn silent(stage: &Stage) -> Outcome {
    let west = stage.site("west");
    west.link.silence().await?;
    stage.write("pi.yaml", &job("pi", Some(3), Some(6)))?;
    let created = stage.federate("job create -f pi.yaml --request-timeout=3s").await;
    created.fails("1 of 3 clusters").warns("Warning: [west] could not be asked: ");
    west.link.restore().await?;
    stage.federate("reconcile pi").await.ok();
    assert_eq!(stage.shares("pi").await?, ["east 1/2", "north 1/2", "west 1/2"]);
    Ok(())
}

async fn at_get(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let west = stage.site("west");
    west.succeed("pi", 1).await?;
    stage.until_row("pi", "Running 1/6").await;
    stage.federate("reconcile pi").await.ok();
    west.link.cut().await?;
    let later = stage.federate_later(Duration::from_mins(20), "job get pi").await;
    let later = later.says("Running,Unknown   1/6           2/3");
    let line = later.stderr.lines().find(|line| line.contains("[west]")).unwrap_or_default();
    for part in
        ["job.batch/pi: its share of 2 completions is Unknown", "1 succeeded as of 20m ago", "ago)"]
    {
        assert!(line.contains(part), "{part:?} is not in {line:?}");
    }
    let seen = stage.federate("job get pi -o json").await.stdout;
    let seen: serde_json::Value = serde_json::from_str(&seen)?;
    assert_eq!(seen["status"].get("conditions"), None, "{seen:#}");
    assert_eq!(seen["status"]["shards"][2]["state"], "Unknown", "{seen:#}");
    west.link.restore().await?;
    assert_eq!(stage.row("pi").await, "Running 1/6");
    Ok(())
}

async fn not_moved(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let west = stage.site("west");
    west.link.cut().await?;
    for name in ["east", "north"] {
        stage.site(name).succeed("pi", 2).await?;
    }
    west.succeed("pi", 2).await?;
    west.until_job("pi", "it is complete", |job| job["status"]["completionTime"].is_string()).await;
    stage.until_row("pi", "Running,Unknown 4/6").await;
    stage.federate("reconcile pi").await.fails("1 of 3 clusters").says("Running,Unknown 4/6");
    assert_eq!(stage.shares("pi").await?, ["east 1/2", "north 1/2", "west 1/2"]);
    west.link.restore().await?;
    assert_eq!(stage.row("pi").await, "Complete 6/6");
    stage.federate("reconcile pi").await.ok().says("Complete 6/6");
    west.link.cut().await?;
    assert_eq!(stage.row("pi").await, "Complete 6/6");
    stage.federate("reconcile pi").await.ok().says("unchanged: Complete 6/6");
    Ok(())
}

async fn without_host(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    stage.write("tau.yaml", &job("tau", Some(3), Some(6)))?;
    stage.host().link.cut().await?;
    let before = stage.mark().await?;
    for command in
        ["job get", "job create -f tau.yaml", "reconcile", "job delete pi --cascade=background"]
    {
        let ran = stage.federate(command).await.fails("was refused");
        assert_eq!(ran.stdout, "");
    }
    for (name, mark) in ["east", "west", "north"].into_iter().zip(before) {
        let requests = stage.site(name).requests(mark).await?;
        let of_jobs: Vec<_> =
            requests.iter().filter(|request| request.what.contains(" jobs")).collect();
        assert!(of_jobs.is_empty(), "{of_jobs:?}");
    }
    Ok(())
}

async fn lost_answer(stage: &Stage) -> Outcome {
    let west = stage.site("west").cluster();
    west.on_request(|request| {
        let made = request.mutating && request.verb == "create" && request.resource == "jobs";
        if made { Verdict::Reset(When::After) } else { Verdict::Pass }
    });
    stage
        .create(&job("pi", Some(3), Some(6)))
        .await?
        .fails("1 of 3 clusters")
        .warns("[west] could not be asked: ");
    west.clear_hook();
    let left = stage.site("west").job("pi").await?;
    assert_eq!(left["spec"]["suspend"], true);
    stage.federate("reconcile pi").await.ok().says("job.batch/pi started in cluster west");
    assert_eq!(stage.site("west").job("pi").await?["metadata"]["uid"], left["metadata"]["uid"]);
    Ok(())
}

async fn goes_away(stage: &Stage) -> Outcome {
    let west = stage.site("west").cluster();
    west.on_request(
        |request| if request.mutating { Verdict::Reset(When::Before) } else { Verdict::Pass },
    );
    stage
        .create(&job("pi", Some(3), Some(6)))
        .await?
        .fails("1 of 3 clusters")
        .warns("[west] could not be asked: ");
    assert_eq!(stage.shares("pi").await?, ["east 1/2", "north 1/2"]);
    west.clear_hook();
    stage.federate("reconcile pi").await.ok().says("job.batch/pi created in cluster west");
    assert_eq!(stage.shares("pi").await?, ["east 1/2", "north 1/2", "west 1/2"]);
    Ok(())
}
