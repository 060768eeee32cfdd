//! The commands that look again and again while other things happen: `job wait`, `job get --watch`,
//! `reconcile --watch`.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use sim::{Verdict, When};

use crate::scenarios::{Outcome, Scenarios};
use crate::stage::{MEMBERS, SOON, Stage, job};

pub fn scenarios() -> Scenarios {
    Scenarios::of("wait")
        .both("a wait ends when the job is complete, and has recorded that", complete)
        .both("a job that fails ends the wait for its completion at once", failing)
        .both("several conditions are waited for one after another", one_after_another)
        .both("a wait finishes what was begun, and warns once of a cluster that is away", finishing)
        .both("a wait that only looks writes nothing", looking)
        .both("a wait that finds nothing to do writes nothing", quiet)
        .both("a wait for the deletion ends when the job is gone", deleted)
        .both("another job of the same name is not the one whose deletion is waited for", replaced)
        .both("a wait may begin before the job is created", created)
        .both(
            "a job that is deleted while its completion is waited for is not found",
            deleted_instead,
        )
        .both("a suspended job meets the condition", suspended)
        .both("a wait ends with its time, naming each job that has not met the condition", in_vain)
        .both("each round lists each cluster once, however many jobs there are", one_list)
        .sim(
            "a cluster that turns out to be another one while one waits is not asked any more",
            another_cluster,
        )
        .both("watching shows each change once, and writes nothing", watching)
        .both("watching shows jobs that come and go", coming_and_going)
        .both("a reconcile that watches goes on until all shards have ended", reconciling)
        .both("a reconcile that watches finishes a deletion", reconciling_deletion)
        .both(
            "a job that is stopped ends the wait for its end at once, and says how it goes on",
            stopped,
        )
        .both("a reconcile that watches ends where only a user can have jobs go on", resting)
}

const COMPLETE: &str = "job wait pi --for=condition=complete --timeout=1m";

/// Lets the rest of the shares of `pi` succeed, two in each member.
async fn succeed(stage: &Stage) -> Outcome {
    for site in stage.members() {
        site.succeed("pi", 2).await?;
    }
    Ok(())
}

async fn complete(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let (waited, played) = tokio::join!(stage.federate(COMPLETE), succeed(stage));
    played?;
    assert_eq!(waited.ok().stdout, "job.batch/pi condition met\n");
    // A TTL or a user may now take the jobs away.
    for site in stage.members() {
        site.delete("pi").await?;
    }
    assert_eq!(stage.row("pi").await, "Complete 6/6");
    assert_eq!(stage.federate(COMPLETE).await.ok().stdout, "job.batch/pi condition met\n");
    let never = stage.federate("job wait pi --for=condition=failed --timeout=1m").await;
    never.fails("error: job.batch/pi is complete: the condition can no longer be met");
    Ok(())
}

async fn failing(stage: &Stage) -> Outcome {
    let mut fragile = job("pi", Some(3), Some(6));
    fragile["spec"]["backoffLimit"] = 0.into();
    stage.create(&fragile).await?.ok();
    let wait = "job wait pi --for=condition=complete --timeout=-1s";
    let (waited, played) = tokio::join!(stage.federate(wait), stage.site("west").fail("pi", 1));
    played?;
    let waited = waited.fails(
        "error: job.batch/pi has failed: BackoffLimitExceeded: job pi in cluster west: Job has \
         reached the specified backoff limit",
    );
    assert_eq!(waited.stdout, "");
    stage
        .federate("job wait pi --for=condition=failed")
        .await
        .ok()
        .says("job.batch/pi condition met");
    Ok(())
}

async fn one_after_another(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let wait = "job wait pi --for=jsonpath={.status.succeeded}=6 --for=condition=complete \
                --for=jsonpath={.status.completionTime} --timeout=1m";
    let (waited, played) = tokio::join!(stage.federate(wait), succeed(stage));
    played?;
    assert_eq!(waited.ok().stdout, "job.batch/pi condition met\n".repeat(3));
    let both = "job wait pi --for=condition=complete --for=condition=failed --timeout=1m";
    let both = stage.federate(both).await;
    let both = both.fails("error: job.batch/pi is complete: the condition can no longer be met");
    assert_eq!(both.stdout, "job.batch/pi condition met\n");
    let never = "job wait pi --for=jsonpath={.status.shards[*].name} --timeout=1m";
    let never = stage.federate(never).await;
    never.fails("error: given jsonpath expression matches more than one value");
    Ok(())
}

async fn finishing(stage: &Stage) -> Outcome {
    let west = stage.site("west");
    west.link.cut().await?;
    stage.create(&job("pi", Some(3), Some(6))).await?.fails("1 of 3 clusters");
    let play = async {
        stage.site("east").succeed("pi", 2).await?;
        stage.site("north").succeed("pi", 2).await?;
        // Rounds go by with the cluster away: this is what one of them records.
        real::until("what succeeded to be recorded", SOON, || async {
            let record = stage.record("pi").await.map_err(|error| format!("{error:?}"))?;
            let text = record.unwrap_or_default().to_string();
            if text.matches("complete\\\"").count() >= 2 { Ok(()) } else { Err(text) }
        })
        .await;
        west.link.restore().await?;
        west.succeed("pi", 2).await
    };
    let (waited, played) = tokio::join!(stage.federate(COMPLETE), play);
    played?;
    let waited = waited.ok();
    assert_eq!(waited.stdout, "job.batch/pi condition met\n");
    assert_eq!(
        waited.stderr.matches("Warning: [west] nothing is known of its jobs").count(),
        1,
        "{waited:?}"
    );
    waited
        .warns("job.batch/pi created in cluster west")
        .warns("job.batch/pi started in cluster west");
    assert_eq!(west.names("jobs").await?, ["pi"]);
    Ok(())
}

async fn looking(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let before = stage.mark().await?;
    let wait = format!("{COMPLETE} --no-reconcile");
    let (waited, played) = tokio::join!(stage.federate(&wait), succeed(stage));
    played?;
    waited.ok().says("job.batch/pi condition met");
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    Ok(())
}

async fn quiet(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    for site in stage.members() {
        site.until_job("pi", "its pods run", |job| {
            job["status"]["active"] == 1 && !job["status"]["startTime"].is_null()
        })
        .await;
    }
    stage.federate("reconcile pi").await.ok();
    let before = stage.mark().await?;
    stage.federate("job wait pi --for=condition=complete --timeout=4s").await.fails("timed out");
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    Ok(())
}

async fn deleted(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let (waited, deleted) = tokio::join!(
        stage.federate("job wait pi --for=delete --timeout=1m"),
        stage.federate("job delete pi --cascade=background"),
    );
    deleted.ok();
    waited.ok();
    assert_eq!(stage.record("pi").await?, None);
    // As kubectl, which says nothing of what is not there.
    assert_eq!(stage.federate("job wait pi --for=delete").await.ok().stdout, "");
    Ok(())
}

async fn replaced(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let replace = async {
        // The wait has seen the first one once it has recorded that pods are there.
        succeed(stage).await?;
        real::until("the wait to have looked", SOON, || async {
            let record = stage.record("pi").await.map_err(|error| format!("{error:?}"))?;
            let text = record.unwrap_or_default().to_string();
            if text.contains("CompletionsReached") { Ok(()) } else { Err(text) }
        })
        .await;
        stage.federate("job delete pi --cascade=background").await.ok();
        stage.create(&job("pi", Some(3), Some(6))).await?.ok();
        Ok::<_, libtest_mimic::Failed>(())
    };
    let wait = "job wait pi --for=delete --timeout=1m";
    let (waited, replaced) = tokio::join!(stage.federate(wait), replace);
    replaced?;
    waited.ok().says("job.batch/pi condition met");
    assert_eq!(stage.row("pi").await, "Running 0/6");
    Ok(())
}

async fn created(stage: &Stage) -> Outcome {
    let play = async {
        stage.create(&job("pi", Some(3), Some(6))).await?.ok();
        succeed(stage).await
    };
    let wait = "job wait pi --for=create --for=condition=complete --timeout=1m";
    let (waited, played) = tokio::join!(stage.federate(wait), play);
    played?;
    assert_eq!(waited.ok().stdout, "job.batch/pi condition met\n".repeat(2));
    stage
        .federate(COMPLETE.replace("pi", "tau").as_str())
        .await
        .fails("jobs.batch \"tau\" not found");
    Ok(())
}

async fn deleted_instead(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let (waited, deleted) = tokio::join!(
        stage.federate(COMPLETE),
        stage.federate("job delete pi --cascade=background")
    );
    deleted.ok();
    waited.fails("Error from server (NotFound): jobs.batch \"pi\" not found");
    Ok(())
}

async fn suspended(stage: &Stage) -> Outcome {
    let mut paused = job("pi", Some(3), Some(6));
    paused["spec"]["suspend"] = true.into();
    stage.create(&paused).await?.ok();
    stage
        .federate("job wait pi --for=condition=Suspended")
        .await
        .ok()
        .says("job.batch/pi condition met");
    stage.create(&job("tau", Some(3), Some(6))).await?.ok();
    stage
        .federate("job wait tau --for=condition=suspended --timeout=0")
        .await
        .fails("error: condition not met for jobs/tau");
    Ok(())
}

async fn in_vain(stage: &Stage) -> Outcome {
    for name in ["pi", "tau", "phi"] {
        stage.create(&job(name, Some(3), Some(3))).await?.ok();
    }
    for site in stage.members() {
        site.succeed("tau", 1).await?;
    }
    stage.until_row("tau", "Complete 3/3").await;
    let waited = stage.federate("job wait --all --for=condition=complete --timeout=2s").await;
    let waited = waited.fails("timed out waiting for the condition on jobs/phi");
    let waited = waited.warns("timed out waiting for the condition on jobs/pi");
    assert_eq!(waited.stdout, "job.batch/tau condition met\n");
    Ok(())
}

async fn one_list(stage: &Stage) -> Outcome {
    for name in ["pi", "tau", "phi"] {
        stage.create(&job(name, Some(3), Some(6))).await?.ok();
    }
    stage.federate("reconcile").await.ok();
    let marks = stage.mark().await?;
    stage
        .federate("job wait --all --for=condition=complete --timeout=0")
        .await
        .fails("condition not met");
    for (name, mark) in MEMBERS.into_iter().zip(marks) {
        let requests = stage.site(name).requests(mark).await?.into_iter();
        let jobs: Vec<_> =
            requests.map(|request| request.what).filter(|what| what.contains(" jobs")).collect();
        assert_eq!(jobs, ["list jobs"], "in {name}");
    }
    Ok(())
}

async fn another_cluster(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let west = stage.site("west");
    let asked = AtomicUsize::new(0);
    west.cluster().on_request(move |request| {
        let who = request.resource == "namespaces" && request.name == "kube-system";
        if !who || asked.fetch_add(1, Ordering::SeqCst) == 0 {
            return Verdict::Pass;
        }
        let other = json!({"kind": "Namespace", "apiVersion": "v1",
            "metadata": {"name": "kube-system", "uid": "other"}});
        let answer = http::Response::builder().header("content-type", "application/json");
        Verdict::Answer(When::Before, answer.body(other.to_string().into()).expect("it is whole"))
    });
    let mark = west.mark().await?;
    let waited = stage
        .federate("job wait pi --for=condition=complete --timeout=4s")
        .await
        .fails("timed out");
    waited.warns("Warning: [west] nothing is known of its jobs");
    let requests = west.requests(mark).await?.into_iter().map(|request| request.what);
    let jobs: Vec<_> = requests.filter(|what| what.contains(" jobs")).collect();
    assert_eq!(jobs, ["list jobs"], "of the first round");
    Ok(())
}

async fn watching(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let before = stage.mark().await?;
    let complete = |said: &str| said.contains("Complete   6/6");
    let (watched, played) =
        tokio::join!(stage.federate_until("job get pi --watch", complete), succeed(stage));
    played?;
    assert_eq!((watched.code, watched.stderr.as_str()), (130, ""), "{watched:?}");
    let rows: Vec<Vec<_>> =
        watched.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["NAME", "STATUS", "COMPLETIONS", "CLUSTERS", "DURATION", "AGE"]);
    let seen: Vec<_> = rows[1..].iter().map(|row| row[..4].to_vec()).collect();
    assert!(seen.windows(2).all(|pair| pair[0] != pair[1]), "{watched:?}");
    assert_eq!(seen.last(), Some(&vec!["pi", "Complete", "6/6", "3/3"]));
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    Ok(())
}

async fn coming_and_going(stage: &Stage) -> Outcome {
    let come = Cell::new(false);
    // A change shows in a row, but the last row comes once more when the job goes.
    let gone = |said: &str| {
        let lines = said.lines().filter(|line| line.starts_with("tau"));
        let rows: Vec<Vec<_>> =
            lines.map(|line| line.split_whitespace().take(4).collect()).collect();
        come.set(!rows.is_empty());
        rows.len() > 1 && rows[rows.len() - 1] == rows[rows.len() - 2]
    };
    let play = async {
        stage.create(&job("tau", Some(3), Some(6))).await?.ok();
        real::until("the job to be shown", SOON, async || {
            if come.get() { Ok(()) } else { Err("not yet".into()) }
        })
        .await;
        stage.federate("job delete tau --cascade=orphan").await.ok();
        Ok::<_, libtest_mimic::Failed>(())
    };
    let (watched, played) = tokio::join!(stage.federate_until("job get -w", gone), play);
    played?;
    assert_eq!((watched.code, watched.stderr.as_str()), (130, ""), "{watched:?}");
    Ok(())
}

async fn reconciling(stage: &Stage) -> Outcome {
    let west = stage.site("west");
    west.link.cut().await?;
    stage.create(&job("pi", Some(3), Some(6))).await?.fails("1 of 3 clusters");
    west.link.restore().await?;
    let (ended, played) = tokio::join!(stage.federate("reconcile --watch"), succeed(stage));
    played?;
    let ended = ended.ok().says("job.batch/pi started in cluster west\n");
    assert!(ended.stdout.ends_with("job.batch/pi reconciled: Complete 6/6\n"), "{ended:?}");
    let before = stage.mark().await?;
    let again = stage.federate("reconcile --watch").await.ok();
    assert_eq!(again.stdout, "job.batch/pi unchanged: Complete 6/6\n");
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    stage
        .federate("reconcile pi tau --watch")
        .await
        .fails("jobs.batch \"tau\" not found")
        .says("Complete 6/6");
    Ok(())
}

async fn reconciling_deletion(stage: &Stage) -> Outcome {
    let west = stage.stays_in_west(&job("pi", Some(3), Some(6))).await?;
    stage.federate(COMPLETE).await.fails("job.batch/pi is being deleted together with its jobs");
    let tried = Cell::new(false);
    let over = |said: &str| {
        tried.set(said.contains("job.batch/pi unchanged: Terminating"));
        said.contains("job.batch \"pi\" deleted from ")
    };
    let restore = async {
        real::until(
            "a round",
            SOON,
            async || if tried.get() { Ok(()) } else { Err("not yet".into()) },
        )
        .await;
        west.link.restore().await
    };
    let (ended, restored) =
        tokio::join!(stage.federate_until("reconcile pi --watch", over), restore);
    restored?;
    ended.ok().warns("Warning: [west] nothing is known of its jobs");
    assert_eq!(stage.record("pi").await?, None);
    assert_eq!(west.find("jobs", "pi").await?, None);
    Ok(())
}

/// Has what was left in west deleted by somebody, and the rest done.
async fn stop(stage: &Stage, name: &str) -> Outcome {
    stage.create(&job(name, Some(3), Some(6))).await?.ok();
    stage.site("west").delete(name).await?;
    for cluster in ["east", "north"] {
        stage.site(cluster).succeed(name, 2).await?;
    }
    stage.until_row(name, "Stopped,Unplaced 4/6").await;
    Ok(())
}

async fn stopped(stage: &Stage) -> Outcome {
    stop(stage, "pi").await?;
    let reopen = format!("kubectl federate reconcile pi -n {} --reopen", stage.namespace);
    for goals in ["--for=condition=complete", "--for=condition=Failed --for=condition=complete"] {
        let waited = stage.federate(&format!("job wait pi {goals} --timeout=-1s")).await;
        let waited = waited.fails(
            "error: job.batch/pi is stopped: 2 of 6 completions are unplaced, and no shard is \
             running",
        );
        waited.warns(&reopen);
    }
    // Others may reconcile it, and it may be suspended or deleted.
    for goals in [
        "--for=condition=complete --no-reconcile",
        "--for=condition=complete --for=condition=suspended",
        "--for=delete --for=condition=complete",
    ] {
        stage.federate(&format!("job wait pi {goals} --timeout=2s")).await.fails("timed out");
    }
    stage.federate("reconcile pi").await.ok().warns("2 completions are unplaced").warns(&reopen);
    let opened = stage.federate("reconcile pi --reopen").await.ok().says("job.batch/pi-4 created");
    assert!(!opened.stderr.contains("unplaced"), "{opened:#?}");
    let play = async {
        for site in stage.members() {
            if site.find("jobs", "pi-4").await?.is_some() {
                site.succeed("pi-4", 1).await?;
            }
        }
        Ok::<_, libtest_mimic::Failed>(())
    };
    let (waited, played) =
        tokio::join!(stage.federate("job wait pi --for=condition=failed --timeout=4s"), play);
    played?;
    assert!(!waited.stderr.contains("is stopped"), "{waited:#?}");
    Ok(())
}

async fn resting(stage: &Stage) -> Outcome {
    stop(stage, "stopped").await?;
    stage.create(&job("paused", Some(3), Some(6))).await?.ok();
    stage.federate("job scale paused --parallelism=0").await.ok();
    let mut suspended = job("suspended", Some(3), Some(6));
    suspended["spec"]["suspend"] = true.into();
    stage.create(&suspended).await?.ok();
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let (ended, played) = tokio::join!(stage.federate("reconcile --watch"), succeed(stage));
    played?;
    let ended = ended
        .fails("error: job.batch/paused is paused: its parallelism is 0")
        .says("job.batch/pi reconciled: Complete 6/6");
    for (error, command) in [
        ("job.batch/stopped is stopped: 2 of 6", "reconcile stopped -n {} --reopen"),
        ("job.batch/suspended is suspended", "job resume suspended -n {}"),
        ("job.batch/paused is paused", "job scale paused -n {} --parallelism=1"),
    ] {
        assert!(ended.stderr.contains(error), "{error}: {ended:#?}");
        let command = command.replace("{}", &stage.namespace);
        assert!(
            ended.stderr.contains(&format!("`kubectl federate {command}`")),
            "{command}: {ended:#?}"
        );
    }
    assert!(!ended.stderr.contains("job.batch/pi "), "{ended:#?}");
    let before = stage.mark().await?;
    stage.federate("reconcile suspended --watch").await.fails("job.batch/suspended is suspended");
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    Ok(())
}
