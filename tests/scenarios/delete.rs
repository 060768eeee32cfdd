//! What `job delete` leaves, and what it removes.

use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::scenarios::{Outcome, Scenarios};
use crate::site::Site;
use crate::stage::{SOON, Stage, job};

pub fn scenarios() -> Scenarios {
    Scenarios::of("delete")
        .both(
            "by default the jobs in the clusters stay, and the output says how they are deleted",
            orphan,
        )
        .both("with cascade=background nothing is left, pods neither", background)
        .both("with cascade=foreground it waits until the pods have ended", foreground)
        .both(
            "what an unreachable cluster has is remembered, and reconcile deletes it",
            unreachable,
        )
        .both(
            "a deletion that is not waited for to its end is finished by reconcile",
            not_waited_for,
        )
        .both("jobs that a selector matches are deleted, and no others", selected)
        .both("what was not created yet is not created any more", unfinished)
        .both("a job of that name that somebody made since is left alone", foreign)
        .both("a shard whose labels were removed is named by each verb", left_alone)
        .both(
            "a deletion that waits for a cluster that is gone for good can leave it behind",
            left_behind,
        )
        .both("a deletion that waits is shown, and cannot be turned into an orphaning", waiting)
}

/// What selects the Jobs of `pi`, and no other Job of that name.
async fn selector(stage: &Stage, member: &str) -> Result<String, libtest_mimic::Failed> {
    let job = stage.site(member).job("pi").await?;
    let uid = job["metadata"]["labels"]["kubectl-federate.dev/job"].as_str().unwrap_or_default();
    Ok(format!("--selector=kubectl-federate.dev/job={uid}"))
}

/// What is said once `pi` is gone.
fn gone(stage: &Stage) -> String {
    format!("job.batch \"pi\" deleted from {} namespace\n", stage.namespace)
}

async fn orphan(stage: &Stage) -> Outcome {
    let namespace = &stage.namespace;
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let selector = selector(stage, "east").await?;
    let before = stage.mark().await?;
    let deleted = stage.federate("job delete pi").await.ok();
    assert_eq!(deleted.stdout, gone(stage));
    let said = format!(
        "The jobs of pi in east, north, west stay and run on. Delete them by `kubectl federate \
         orphans clean --namespace={namespace} {selector} --yes --running`.\n"
    );
    assert_eq!(deleted.stderr, said);
    assert_eq!(stage.mutations(&before).await?, ["east: delete configmaps/pi.federated-job"]);
    assert_eq!(stage.record("pi").await?, None);
    for site in stage.members() {
        site.succeed("pi", 2).await?;
    }
    stage.federate("job get pi").await.fails("jobs.batch \"pi\" not found");
    let again = stage.create(&job("pi", Some(3), Some(6))).await?;
    again.fails("jobs.batch \"pi\" already exists (clusters east, north, west)");
    Ok(())
}

async fn background(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(9), Some(18))).await?.ok();
    for site in stage.members() {
        site.until_pods("pi", 3).await;
    }
    let deleted = stage.federate("job delete pi --cascade=background").await.ok();
    assert_eq!((deleted.stdout.as_str(), deleted.stderr.as_str()), (gone(stage).as_str(), ""));
    assert_eq!((stage.record("pi").await?, stage.shares("pi").await?), (None, Vec::new()));
    for site in stage.members() {
        site.until_pods("pi", 0).await;
    }
    stage.create(&job("pi", Some(3), Some(3))).await?.ok();
    assert_eq!(stage.shares("pi").await?, ["east 1/1", "north 1/1", "west 1/1"]);
    Ok(())
}

fn is_ending(job: &Value) -> bool {
    job["metadata"]["deletionTimestamp"].is_string()
}

async fn foreground(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    for site in stage.members() {
        site.run("pi", 1).await?;
    }
    let end_pods = async {
        for site in stage.members() {
            site.until_job("pi", "it is ending", is_ending).await;
        }
        assert!(stage.record("pi").await?.is_some(), "it is remembered while pods end");
        assert_eq!(stage.row("pi").await, "Terminating 0/6");
        for site in stage.members() {
            site.release("pi").await?;
        }
        Ok::<_, Failed>(())
    };
    let (deleted, ended) =
        tokio::join!(stage.federate("job delete pi --cascade=foreground"), end_pods);
    ended?;
    let deleted = deleted.ok().warns("waiting for pods to end");
    assert_eq!(deleted.stdout, gone(stage));
    assert_eq!((stage.record("pi").await?, stage.shares("pi").await?), (None, Vec::new()));
    for site in stage.members() {
        assert_eq!(site.pods("pi").await?.len(), 0);
    }
    Ok(())
}

async fn not_waited_for(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    for site in stage.members() {
        site.run("pi", 1).await?;
    }
    let delete = "job delete pi --cascade=foreground";
    let begun = stage.federate(&format!("{delete} --wait=false")).await.ok();
    begun.says(" is being deleted from ").warns("`kubectl federate reconcile pi -n ");
    for site in stage.members() {
        site.until_job("pi", "it is ending", is_ending).await;
    }
    let late = stage.federate(&format!("{delete} --timeout=1s")).await;
    late.fails("error: timed out waiting for the condition on jobs/pi").says("is being deleted");
    assert_eq!(stage.row("pi").await, "Terminating 0/6");
    for site in stage.members() {
        site.release("pi").await?;
    }
    real::until("pi to be forgotten", SOON, || async {
        let ran = stage.federate("reconcile").await;
        if ran.code == 0 && ran.stdout.is_empty() { Ok(()) } else { Err(format!("{ran:?}")) }
    })
    .await;
    assert_eq!((stage.record("pi").await?, stage.shares("pi").await?), (None, Vec::new()));
    Ok(())
}

async fn selected(stage: &Stage) -> Outcome {
    for (name, team) in [("pi", "math"), ("tau", "math"), ("art", "art")] {
        let mut one = job(name, Some(3), Some(3));
        one["metadata"]["labels"] = json!({ "team": team });
        stage.create(&one).await?.ok();
    }
    // What somebody made with the same label in one cluster.
    let mut theirs = job("theirs", Some(1), Some(1));
    theirs["metadata"]["labels"] = json!({ "team": "math" });
    stage.site("west").create("jobs", &theirs).await?;
    let delete = "job delete -l team=math --cascade=background";
    let dry = stage.federate(&format!("{delete} --dry-run=client -o name")).await.ok();
    assert_eq!(dry.stdout, "job.batch/pi\njob.batch/tau\n");
    stage.federate(delete).await.ok();
    let left = stage.federate("job get -o name").await.ok();
    assert_eq!(left.stdout, "job.batch/art\n");
    assert_eq!(stage.site("west").names("jobs").await?, ["art", "theirs"]);
    let by_field = "job delete --field-selector=status.successful=0 --cascade=background";
    stage.federate(by_field).await.ok().says("job.batch \"art\" deleted from ");
    assert_eq!(stage.site("west").names("jobs").await?, ["theirs"]);
    let none = stage.federate("job delete --all --cascade").await.ok();
    assert_eq!(none.stdout, "No resources found\n");
    Ok(())
}

async fn unreachable(stage: &Stage) -> Outcome {
    let west = stage.site("west");
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    west.link.cut().await?;
    let deleted = stage.federate("job delete pi --cascade=background").await;
    let deleted = deleted.fails(": 1 cluster ").warns("[west] could not be asked: ");
    let began = format!("job.batch \"pi\" is being deleted from {} namespace\n", stage.namespace);
    assert_eq!(deleted.stdout, began);
    assert_eq!(stage.shares("pi").await?, ["west 1/2"]);
    assert_eq!(stage.row("pi").await, "Terminating 0/6");
    stage.federate("reconcile pi").await.fails(": 1 cluster ");
    stage.create(&job("pi", Some(3), Some(6))).await?.fails("already exists");
    west.link.restore().await?;
    let finished = stage.federate("reconcile pi").await.ok();
    assert_eq!(finished.stdout, format!("job.batch/pi deleted in cluster west\n{}", gone(stage)));
    assert_eq!((stage.record("pi").await?, stage.shares("pi").await?), (None, Vec::new()));
    Ok(())
}

async fn unfinished(stage: &Stage) -> Outcome {
    let west = stage.site("west");
    west.link.cut().await?;
    stage.create(&job("pi", Some(3), Some(6))).await?.fails("1 of 3 clusters");
    west.link.restore().await?;
    let mark = west.mark().await?;
    stage.federate("job delete pi --cascade=background").await.ok();
    assert_eq!(west.mutations(mark).await?, Vec::<String>::new());
    assert_eq!((stage.record("pi").await?, stage.shares("pi").await?), (None, Vec::new()));
    Ok(())
}

async fn replace(site: &Site) -> Result<Value, Failed> {
    site.delete("pi").await?;
    Ok(site.create("jobs", &job("pi", Some(1), Some(1))).await?["metadata"]["uid"].take())
}

async fn left_alone(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let west = stage.site("west");
    let label = json!({"metadata": {"labels": {"kubectl-federate.dev/shard": null}}});
    west.patch("jobs", "pi", &label).await?;
    let warning = "Warning: [west] job.batch/pi: its labels were removed: it is left alone, and may \
                   run on. `kubectl --context=";
    for verb in ["suspend", "resume", "scale --completions=7", "delete --cascade=background"] {
        let verb = verb.replacen(' ', " pi ", 1);
        let command = if verb.contains(" pi ") { verb } else { format!("{verb} pi") };
        stage.federate(&format!("job {command}")).await.ok().warns(warning);
        assert_eq!(west.job("pi").await?["spec"]["suspend"], false, "{command}");
    }
    assert_eq!(stage.record("pi").await?, None);
    Ok(())
}

async fn foreign(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let west = stage.site("west");
    let theirs = replace(west).await?;
    let mark = west.mark().await?;
    stage.federate("job delete pi --cascade=background").await.ok();
    assert_eq!(west.mutations(mark).await?, Vec::<String>::new());
    assert_eq!(west.job("pi").await?["metadata"]["uid"], theirs);
    assert_eq!(
        (stage.record("pi").await?, stage.shares("pi").await?),
        (None, vec!["west 1/1".to_owned()])
    );
    Ok(())
}

async fn left_behind(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let [west, north] = ["west", "north"].map(|name| stage.site(name));
    north.run("pi", 1).await?;
    let selector = selector(stage, "west").await?;
    west.link.cut().await?;
    stage.federate("job delete pi --cascade=foreground").await.fails("could not be asked");
    // What answers is not left behind.
    stage.federate("job delete pi --cascade=orphan").await.fails("could not be asked");
    assert!(stage.record("pi").await?.is_some());
    north.release("pi").await?;
    real::until("north to have nothing", SOON, || async {
        let left = north.find("jobs", "pi").await.map_err(|error| format!("{error:?}"))?;
        if left.is_none() { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;
    stage.federate("job delete pi").await.fails("is being deleted together with its jobs already");
    let left = stage.federate("job delete pi --cascade=orphan").await.ok();
    assert_eq!(left.stdout, gone(stage));
    let namespace = &stage.namespace;
    let clean = format!("orphans clean --namespace={namespace} {selector} --yes --running");
    let command = format!("`kubectl federate {clean}`.\n");
    let left = left
        .warns("Warning: [west] job.batch/pi is left behind, and may run there with up to 1 pod: ");
    left.warns(&command);
    assert_eq!(
        (stage.record("pi").await?, stage.shares("pi").await?),
        (None, vec!["west 1/2".to_owned()])
    );
    west.link.restore().await?;
    let again = stage.create(&job("pi", Some(3), Some(6))).await?;
    again.fails("jobs.batch \"pi\" already exists (cluster west)");
    Ok(())
}

async fn waiting(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let west = stage.site("west");
    west.run("pi", 1).await?;
    west.link.cut().await?;
    // The others may have nothing left by the time that west is given up.
    stage.federate("job delete pi --cascade=foreground").await.fails("could not be asked");
    stage
        .federate("job delete pi")
        .await
        .fails("job.batch/pi is being deleted together with its jobs already");
    west.link.restore().await?;
    stage.federate("reconcile pi").await.ok();
    west.until_job("pi", "it is ending", is_ending).await;
    west.release("pi").await?;
    real::until("pi to be forgotten", SOON, || async {
        let ran = stage.federate("reconcile").await;
        if ran.code == 0 && ran.stdout.is_empty() { Ok(()) } else { Err(format!("{ran:?}")) }
    })
    .await;
    assert_eq!((stage.record("pi").await?, stage.shares("pi").await?), (None, Vec::new()));
    Ok(())
}
