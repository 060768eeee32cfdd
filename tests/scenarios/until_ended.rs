//! `--wait` and `--logs` of `job create` and `job apply`: a CI step in one line.

use libtest_mimic::Failed;
use serde_json::json;

use crate::scenarios::{Outcome, Scenarios};
use crate::stage::{Ran, Stage, job};

pub fn scenarios() -> Scenarios {
    Scenarios::of("until ended")
        .both("create --logs prints the logs of all pods and ends with the job", logs)
        .both("create --wait of a job that fails ends with 1, below its logs", failing)
        .both("all jobs of a file are waited for, also once one has failed", several)
        .both("what members that were away have to create yet is waited for", away)
        .both("the time that is given ends it, and the job goes on", timed_out)
        .both("a dry run has nothing to wait for", nothing)
}

/// Runs the pods of a Job in each cluster, one at a time: each writes a line, and succeeds.
async fn play(stage: &Stage, name: &str, rounds: usize) -> Outcome {
    for round in 1..=rounds {
        for site in stage.members() {
            site.until_pods(name, round).await;
            let pod = site.live_pods(name).await?.pop().ok_or("a pod that has not ended")?;
            site.start(name, &pod).await?;
            site.write(&pod, &format!("{} {round}", site.name));
            site.succeed(name, 1).await?;
        }
    }
    Ok(())
}

/// The lines of the logs that were printed, without their sources, in order.
fn logged(ran: &Ran) -> Vec<&str> {
    let named = ran.stdout.lines().filter(|line| line.starts_with('['));
    let mut lines: Vec<_> = named.filter_map(|line| Some(line.split_once("] ")?.1)).collect();
    lines.sort_unstable();
    lines
}

async fn logs(stage: &Stage) -> Outcome {
    stage.write("pi.yaml", &job("pi", Some(3), Some(6)))?;
    let creating = stage.begin("job create -f pi.yaml --logs --timeout=2m");
    let (ran, played) = tokio::join!(creating.run(), play(stage, "pi", 2));
    played?;
    let ran = ran.ok();
    assert_eq!(logged(&ran), ["east 1", "east 2", "north 1", "north 2", "west 1", "west 2"]);
    assert!(ran.stdout.starts_with("job.batch/pi created\n"), "{ran:?}");
    assert!(ran.stdout.ends_with("\njob.batch/pi condition met\n"), "{ran:?}");
    assert_eq!(stage.row("pi").await, "Complete 6/6");
    let again = stage.federate("job apply -f pi.yaml --wait -o name").await.ok();
    assert_eq!(again.stdout, "job.batch/pi\n");
    Ok(())
}

async fn failing(stage: &Stage) -> Outcome {
    let mut fragile = job("pi", Some(3), Some(6));
    fragile["spec"]["backoffLimit"] = 0.into();
    stage.write("pi.yaml", &fragile)?;
    let west = stage.site("west");
    let playing = async {
        west.until_pods("pi", 1).await;
        let pod = west.live_pods("pi").await?.remove(0);
        west.start("pi", &pod).await?;
        west.write(&pod, "it cannot be done");
        west.fail("pi", 1).await
    };
    let creating = stage.begin("job create -f pi.yaml --wait --logs");
    let (ran, played) = tokio::join!(creating.run(), playing);
    played?;
    let ran = ran.fails("error: job.batch/pi has failed: BackoffLimitExceeded: job pi in cluster");
    assert_eq!(logged(&ran), ["it cannot be done"]);
    assert!(!ran.stdout.contains("condition met"), "{ran:?}");
    Ok(())
}

async fn several(stage: &Stage) -> Outcome {
    let mut fragile = job("pi", Some(3), Some(3));
    fragile["spec"]["backoffLimit"] = 0.into();
    let items = [fragile, job("tau", Some(3), Some(3))];
    stage.write("two.yaml", &json!({"apiVersion": "v1", "kind": "List", "items": items}))?;
    let playing = async {
        stage.site("west").fail("pi", 1).await?;
        stage.until_row("pi", "Failed 0/3").await;
        for site in stage.members() {
            site.succeed("tau", 1).await?;
        }
        Ok::<_, Failed>(())
    };
    let applying = stage.begin("job apply -f two.yaml --wait");
    let (ran, played) = tokio::join!(applying.run(), playing);
    played?;
    ran.fails("error: job.batch/pi has failed").says("job.batch/tau condition met\n");
    Ok(())
}

async fn away(stage: &Stage) -> Outcome {
    let west = stage.site("west");
    west.link.cut().await?;
    let items = ["pi", "tau"].map(|name| job(name, Some(3), Some(3)));
    stage.write("two.yaml", &json!({"apiVersion": "v1", "kind": "List", "items": items}))?;
    let playing = async {
        for site in stage.members().filter(|site| site.name != "west") {
            site.succeed("pi", 1).await?;
            site.succeed("tau", 1).await?;
        }
        west.link.restore().await?;
        west.succeed("pi", 1).await?;
        west.succeed("tau", 1).await
    };
    let creating = stage.begin("job create -f two.yaml --wait");
    let (ran, played) = tokio::join!(creating.run(), playing);
    played?;
    let ran = ran.ok().warns("1 of 3 clusters could not be asked");
    let ran = ran.says("job.batch/pi condition met\n");
    assert!(!ran.stderr.contains("\\n"), "each job has a line: {ran:?}");
    Ok(())
}

async fn timed_out(stage: &Stage) -> Outcome {
    stage.write("pi.yaml", &job("pi", Some(3), Some(3)))?;
    let ran = stage.federate("job create -f pi.yaml --logs --timeout=2s").await;
    ran.fails("error: timed out waiting for the condition on jobs/pi\n");
    let ran = stage.federate("job apply -f pi.yaml --wait --timeout=0").await;
    ran.fails("error: condition not met for jobs/pi\n");
    assert_eq!(stage.row("pi").await, "Running 0/3");
    Ok(())
}

async fn nothing(stage: &Stage) -> Outcome {
    stage.write("pi.yaml", &job("pi", Some(3), Some(3)))?;
    let before = stage.mark().await?;
    for flags in ["--wait --dry-run=client", "--logs --dry-run=server"] {
        let ran = stage.federate(&format!("job create -f pi.yaml {flags}")).await;
        ran.fails("error: --wait and --logs cannot be used with --dry-run");
    }
    let ran = stage.federate("job apply -f pi.yaml --timeout=1s").await;
    ran.fails("error: --timeout needs --wait or --logs");
    stage.assert_nothing_of("pi", &before).await
}
