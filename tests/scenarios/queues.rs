//! Clusters that decide when a Job runs: Kueue in `west`, where it manages Jobs that name a queue,
//! and in `north`, where it manages all Jobs.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::edit_members::work_until;
use crate::scenarios::{Outcome, Scenarios};
use crate::site::{On, Site};
use crate::stage::{MEMBERS, QUEUED, SOON, Stage, job};

pub fn scenarios() -> Scenarios {
    Scenarios::of("queues")
        .queued("a shard makes no pod before its cluster admits it", admitted_first)
        .queued("a shard that waits gets no request, and an edit makes no pod of it", waits)
        .queued("a change of parallelism stops a shard until it is admitted anew", scaled)
        .queued("a job is suspended and resumed", suspended)
        .queued("a job that is created suspended runs when it is resumed", created_suspended)
        .queued("a job that fails stops its shards in queues", failed)
        .queued("a new template reaches the shards in queues", recreated)
        .queued("a shard that is evicted goes on when it is admitted again", evicted)
        .queued("a job that fails ends a shard that was evicted", failed_when_evicted)
        .queued("the shards of a work queue end when one has succeeded", work_queue)
        .queued("a job that names no queue waits where all jobs need one", no_queue)
        .queued("a queue of the name that held jobs have is refused", hold_queue_exists)
        .queued("a manifest of a job that a queue has admitted runs elsewhere at once", fetched)
        .sim("a quota for jobs keeps no shard from going back to its queue", quota)
        .sim("a create that is killed before it can record its jobs runs nothing twice", killed)
        .sim("a queue that hands its jobs to other clusters is refused", dispatched)
        .both_new_east("a policy that keeps jobs suspended is not fought", kept_suspended)
}

/// Gives both clusters with a queueing system a queue with room for so many pods.
pub async fn set_queues(stage: &Stage, pods: usize) -> Outcome {
    for name in QUEUED {
        stage.site(name).set_queue("team", pods).await?;
    }
    Ok(())
}

/// A Job of 6 pods at a time for the queue.
pub fn queued(name: &str, completions: i32, indexed: bool) -> Value {
    let mut job = job(name, Some(6), Some(completions));
    job["metadata"]["labels"] = json!({"kueue.x-k8s.io/queue-name": "team"});
    if indexed {
        job["spec"]["completionMode"] = "Indexed".into();
    }
    job
}

/// Fails if a pod of a Job was made that its cluster had not admitted.
pub async fn assert_admitted(site: &Site, name: &str, pods: usize) -> Outcome {
    site.until_pods(name, pods).await;
    site.until_pods_made(name, pods).await;
    for pod in site.pods(name).await? {
        let (key, value) = real::FLAVOR;
        assert_eq!(pod["spec"]["nodeSelector"][key], value, "{pod:#}");
    }
    Ok(())
}

/// Fails if ten reconciles ask to change anything anywhere.
pub async fn assert_quiet(stage: &Stage) -> Outcome {
    stage.federate("reconcile").await;
    let before = stage.mark().await?;
    for _ in 0..10 {
        stage.federate("reconcile").await;
    }
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    Ok(())
}

/// The states of the shards in `east`, `west` and `north`.
pub async fn states(stage: &Stage, name: &str) -> Result<Vec<String>, libtest_mimic::Failed> {
    let shards = stage.get(name).await?["status"]["shards"].take();
    let state = |cluster: &str| {
        let shards = shards.as_array().into_iter().flatten();
        let of_cluster = shards.filter(|shard| shard["cluster"] == cluster);
        of_cluster.filter_map(|shard| shard["state"].as_str()).collect::<Vec<_>>().join("+")
    };
    Ok(MEMBERS.iter().map(|cluster| state(cluster)).collect())
}

/// Waits until reconciles have brought a Job to this STATUS and these COMPLETIONS.
pub async fn reconcile_until(stage: &Stage, name: &str, row: &str) {
    real::until(&format!("{name} to be {row}"), SOON, || async {
        stage.federate(&format!("reconcile {name}")).await;
        let seen = stage.row(name).await;
        if seen == row { Ok(()) } else { Err(seen) }
    })
    .await;
}

async fn admitted_first(stage: &Stage) -> Outcome {
    set_queues(stage, 2).await?;
    for (round, indexed) in [true, false].into_iter().cycle().take(10).enumerate() {
        let name = format!("pi-{round}");
        stage.create(&queued(&name, 6, indexed)).await?.ok();
        for cluster in QUEUED {
            assert_admitted(stage.site(cluster), &name, 2).await?;
        }
        work_until(stage, &name, "Complete 6/6").await?;
        for cluster in QUEUED {
            stage.site(cluster).until_pods_made(&name, 2).await;
        }
    }
    Ok(())
}

async fn waits(stage: &Stage) -> Outcome {
    set_queues(stage, 0).await?;
    stage.create(&queued("pi", 24, false)).await?.ok();
    stage.site("east").until_pods("pi", 2).await;
    stage.until_row("pi", "Running 0/24").await;
    assert_eq!(states(stage, "pi").await?, ["Running", "Queued", "Queued"]);
    assert_quiet(stage).await?;
    stage.federate("job describe pi").await.ok().says("Queues:").says("team");
    let waited = stage.federate("job wait pi --for=condition=complete --timeout=2s").await;
    waited.fails("timed out").warns("in cluster west: it waits in queue \"team\"");
    stage.federate("job scale pi --parallelism=9").await.ok();
    let label = r#"{"metadata":{"labels":{"team":"math"}}}"#;
    stage.federate(&format!("job patch pi -p {label}")).await.ok();
    stage.site("east").fail("pi", 1).await?;
    let failed = |job: &Value| job["status"]["failed"] == 1;
    stage.site("east").until_job("pi", "a pod has failed", failed).await;
    stage.federate("reconcile pi").await.ok();
    for cluster in QUEUED {
        let site = stage.site(cluster);
        assert_eq!(site.pods_made("pi").await?, 0, "{cluster}");
        let spec = site.job("pi").await?["spec"].take();
        assert_eq!((&spec["parallelism"], &spec["backoffLimit"]), (&json!(3), &json!(5)), "{spec}");
    }
    assert_eq!(states(stage, "pi").await?, ["Running", "Queued", "Queued"]);
    set_queues(stage, 3).await?;
    for cluster in QUEUED {
        assert_admitted(stage.site(cluster), "pi", 3).await?;
    }
    work_until(stage, "pi", "Complete 24/24").await
}

async fn scaled(stage: &Stage) -> Outcome {
    set_queues(stage, 4).await?;
    stage.create(&queued("pi", 12, false)).await?.ok();
    for cluster in QUEUED {
        assert_admitted(stage.site(cluster), "pi", 2).await?;
    }
    let mut ran = stage.federate("job scale pi --parallelism=12").await.ok();
    for cluster in QUEUED {
        let stopped = "stopped until its queue admits its new parallelism";
        ran = ran.says(&format!("{stopped} in cluster {cluster}"));
        let site = stage.site(cluster);
        site.until_pods("pi", 4).await;
        // No pod was made before it was admitted.
        site.until_pods_made("pi", 6).await;
    }
    assert_quiet(stage).await?;
    work_until(stage, "pi", "Complete 12/12").await
}

async fn suspended(stage: &Stage) -> Outcome {
    set_queues(stage, 2).await?;
    stage.create(&queued("pi", 12, false)).await?.ok();
    for site in stage.members() {
        site.until_pods("pi", 2).await;
    }
    stage.federate("job suspend pi").await.ok();
    reconcile_until(stage, "pi", "Suspended 0/12").await;
    for site in stage.members() {
        site.until_pods("pi", 0).await;
    }
    assert_quiet(stage).await?;
    assert_eq!(states(stage, "pi").await?, ["Suspended"; 3]);
    // The quota of what is suspended is free.
    let other = queued("other", 6, false);
    stage.create(&other).await?.ok();
    for cluster in QUEUED {
        assert_admitted(stage.site(cluster), "other", 2).await?;
    }
    work_until(stage, "other", "Complete 6/6").await?;
    stage.federate("job resume pi").await.ok();
    for cluster in QUEUED {
        let site = stage.site(cluster);
        site.until_pods("pi", 2).await;
        site.until_pods_made("pi", 4).await;
    }
    work_until(stage, "pi", "Complete 12/12").await
}

async fn created_suspended(stage: &Stage) -> Outcome {
    set_queues(stage, 2).await?;
    let mut job = queued("pi", 6, true);
    job["spec"]["suspend"] = true.into();
    stage.create(&job).await?.ok();
    stage.until_row("pi", "Suspended 0/6").await;
    assert_quiet(stage).await?;
    for site in stage.members() {
        assert_eq!(site.pods_made("pi").await?, 0, "{}", site.name);
    }
    stage.federate("job resume pi").await.ok();
    for cluster in QUEUED {
        assert_admitted(stage.site(cluster), "pi", 2).await?;
    }
    work_until(stage, "pi", "Complete 6/6").await
}

async fn failed(stage: &Stage) -> Outcome {
    // `west` runs its shard, and `north` has no room for it.
    stage.site("west").set_queue("team", 2).await?;
    stage.site("north").set_queue("team", 0).await?;
    let mut job = queued("pi", 12, false);
    let rule = json!({"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}});
    job["spec"]["podFailurePolicy"] = json!({"rules": [rule]});
    stage.create(&job).await?.ok();
    stage.site("west").until_pods("pi", 2).await;
    stage.site("east").exit("pi", 1, 42).await?;
    reconcile_until(stage, "pi", "Failed 0/12").await;
    assert_quiet(stage).await?;
    for cluster in QUEUED {
        let status = stage.site(cluster).job("pi").await?["status"].take();
        assert!(status["conditions"].to_string().contains("PodFailurePolicy"), "{status:#}");
        stage.site(cluster).until_pods("pi", 0).await;
    }
    Ok(())
}

async fn failed_when_evicted(stage: &Stage) -> Outcome {
    stage.site("west").set_queue("team", 2).await?;
    stage.site("north").set_queue("team", 2).await?;
    let mut job = queued("pi", 12, false);
    let rule = json!({"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}});
    job["spec"]["podFailurePolicy"] = json!({"rules": [rule]});
    stage.create(&job).await?.ok();
    let west = stage.site("west");
    west.until_pods("pi", 2).await;
    west.activate("pi", false).await?;
    west.until_pods("pi", 0).await;
    stage.site("east").exit("pi", 1, 42).await?;
    reconcile_until(stage, "pi", "Failed 0/12").await;
    assert_quiet(stage).await
}

async fn recreated(stage: &Stage) -> Outcome {
    set_queues(stage, 4).await?;
    let mut job = queued("pi", 12, true);
    stage.create(&job).await?.ok();
    for site in stage.members() {
        site.until_pods("pi", 2).await;
    }
    job["spec"]["template"]["spec"]["containers"][0]["image"] = "perl:5".into();
    stage.write("pi.yaml", &job)?;
    stage.federate("job apply -f pi.yaml --recreate --yes").await;
    work_until(stage, "pi", "Complete 12/12").await?;
    for site in stage.members() {
        let images = site.pods("pi").await?;
        let old = images.iter().filter(|pod| pod["spec"]["containers"][0]["image"] == "perl");
        let succeeded = old.filter(|pod| pod["status"]["phase"] == "Succeeded").count();
        assert_eq!(succeeded, 0, "nothing ran on with the old template in {}", site.name);
    }
    assert_quiet(stage).await
}

async fn evicted(stage: &Stage) -> Outcome {
    set_queues(stage, 2).await?;
    stage.create(&queued("pi", 12, true)).await?.ok();
    let west = stage.site("west");
    west.until_pods("pi", 2).await;
    stage.federate("reconcile pi").await.ok();
    west.succeed("pi", 1).await?;
    west.until_job("pi", "one has succeeded", |job| job["status"]["succeeded"] == 9).await;
    west.activate("pi", false).await?;
    west.until_job("pi", "it is stopped", |job| {
        job["spec"]["suspend"] == true && job["status"]["active"].is_null()
    })
    .await;
    stage.federate("reconcile pi").await.ok();
    assert_eq!(states(stage, "pi").await?[1], "Evicted");
    assert_quiet(stage).await?;
    let wide = stage.federate("job get pi -o wide").await.ok();
    wide.says("west:1/4(Evicted)");
    if west.gives_reasons() {
        let described = stage.federate("job describe pi").await.ok();
        described.says("Deactivated");
        let waited = stage.federate("job wait pi --for=condition=complete --timeout=1s").await;
        waited.fails("timed out").warns("It goes on when somebody activates workload job-pi-");
    }
    west.activate("pi", true).await?;
    work_until(stage, "pi", "Complete 12/12").await
}

async fn work_queue(stage: &Stage) -> Outcome {
    set_queues(stage, 2).await?;
    let mut job = job("pi", Some(6), None);
    job["metadata"]["labels"] = json!({"kueue.x-k8s.io/queue-name": "team"});
    stage.create(&job).await?.ok();
    let (west, north) = (stage.site("west"), stage.site("north"));
    west.run("pi", 2).await?;
    north.until_pods("pi", 2).await;
    stage.site("east").succeed("pi", 1).await?;
    let ended = |job: &Value| job["status"]["succeeded"] == 1;
    stage.site("east").until_job("pi", "one has succeeded", ended).await;
    stage.federate("reconcile pi").await;
    let live = west.pods("pi").await?;
    assert!(live.iter().all(|pod| pod["metadata"]["deletionTimestamp"].is_null()), "{live:#?}");
    west.succeed("pi", 2).await?;
    reconcile_until(stage, "pi", "Complete 3/1 of 6").await;
    // Those that ran went on.
    west.until_pods_made("pi", 2).await;
    Ok(())
}

async fn no_queue(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(6), Some(12))).await?.ok();
    for name in ["east", "west"] {
        stage.site(name).until_pods("pi", 2).await;
    }
    assert_eq!(states(stage, "pi").await?, ["Running", "Running", "Queued"]);
    assert_quiet(stage).await?;
    assert_eq!(stage.site("north").pods_made("pi").await?, 0);
    stage.federate("job delete pi").await.ok();
    Ok(())
}

async fn hold_queue_exists(stage: &Stage) -> Outcome {
    set_queues(stage, 2).await?;
    let west = stage.site("west");
    west.set_queue("kubectl-federate-hold", 8).await?;
    // A suspended Job stays held until somebody resumes it, so that its cluster has time to admit
    // it to the queue of that name.
    let mut job = queued("pi", 6, true);
    job["spec"]["suspend"] = true.into();
    stage.create(&job).await?.ok();
    west.until_job("pi", "it is admitted without pods", |job| job["spec"]["suspend"] == false)
        .await;
    let ran = stage.federate("job resume pi").await;
    ran.fails("1 of 3 clusters").warns("no cluster may have a queue of that name");
    assert_eq!(west.pods_made("pi").await?, 0);
    assert_admitted(stage.site("north"), "pi", 2).await
}

/// The manifest is as `kubectl get job -o yaml` prints it in the cluster with the queue.
async fn fetched(stage: &Stage) -> Outcome {
    set_queues(stage, 4).await?;
    stage.create(&queued("pi", 12, false)).await?.ok();
    let west = stage.site("west");
    assert_admitted(west, "pi", 2).await?;
    let mut copy = west.job("pi").await?;
    copy["metadata"]["name"] = "copy".into();
    (copy["spec"]["parallelism"], copy["spec"]["completions"]) = (6.into(), 12.into());
    stage.create(&copy).await?.ok();
    stage.site("east").until_pods("copy", 2).await;
    for cluster in QUEUED {
        assert_admitted(stage.site(cluster), "copy", 2).await?;
    }
    stage.until_row("copy", "Running 0/12").await;
    assert_eq!(states(stage, "copy").await?, ["Running"; 3]);
    work_until(stage, "copy", "Complete 12/12").await
}

async fn quota(stage: &Stage) -> Outcome {
    set_queues(stage, 2).await?;
    stage.create(&queued("pi", 12, false)).await?.ok();
    for cluster in QUEUED {
        assert_admitted(stage.site(cluster), "pi", 2).await?;
    }
    stage.federate("job suspend pi").await.ok();
    reconcile_until(stage, "pi", "Suspended 0/12").await;
    for cluster in QUEUED {
        stage.site(cluster).cluster().on_request(|request| {
            if request.verb != "create" || request.resource != "jobs" {
                return sim::Verdict::Pass;
            }
            let why = "exceeded quota: jobs, requested: count/jobs.batch=1, used: \
                       count/jobs.batch=1, limited: count/jobs.batch=1";
            sim::Verdict::refusal(sim::When::Before, 403, "Forbidden", why)
        });
    }
    stage.federate("job resume pi").await.ok();
    for cluster in QUEUED {
        stage.site(cluster).until_pods("pi", 2).await;
    }
    work_until(stage, "pi", "Complete 12/12").await
}

async fn killed(stage: &Stage) -> Outcome {
    set_queues(stage, 8).await?;
    stage.write("pi.yaml", &queued("pi", 8, true))?;
    let signal = Arc::new(tokio::sync::Notify::new());
    for cluster in QUEUED {
        let signal = signal.clone();
        stage.site(cluster).cluster().on_request(move |request| {
            let is_creation = request.verb == "create" && request.resource == "jobs";
            if is_creation && request.mutating {
                return sim::Verdict::Kill(sim::When::After, signal.clone());
            }
            sim::Verdict::Pass
        });
    }
    tokio::select! {
        ran = stage.federate("job create -f pi.yaml") => panic!("it was not killed: {ran:?}"),
        () = signal.notified() => {}
    }
    for cluster in QUEUED {
        stage.site(cluster).cluster().clear_hook();
    }
    for site in stage.members() {
        site.cluster().settle();
        assert_eq!(site.pods_made("pi").await?, 0, "{}", site.name);
    }
    work_until(stage, "pi", "Complete 8/8").await?;
    let mut made = 0;
    for site in stage.members() {
        made += site.pods_made("pi").await?;
    }
    assert_eq!(made, 8, "each index ran once");
    Ok(())
}

async fn dispatched(stage: &Stage) -> Outcome {
    set_queues(stage, 8).await?;
    stage.site("west").cluster().dispatch_queue("team");
    let before = stage.mark().await?;
    let ran = stage.create(&queued("pi", 8, true)).await?;
    ran.fails("spec.managedBy").warns("kueue.x-k8s.io/multikueue").warns("west");
    stage.assert_nothing_of("pi", &before).await
}

async fn kept_suspended(stage: &Stage) -> Outcome {
    let east = stage.site("east");
    east.set_on_jobs(On::EachWrite, "/spec/suspend", &json!(true)).await?;
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    stage.site("west").until_pods("pi", 1).await;
    assert_eq!(states(stage, "pi").await?, ["Queued", "Running", "Running"]);
    assert_eq!(east.job("pi").await?["spec"]["parallelism"], 1);
    assert_quiet(stage).await?;
    stage.federate("job suspend pi").await.ok();
    reconcile_until(stage, "pi", "Suspended 0/6").await;
    stage.federate("job resume pi").await.ok();
    assert_quiet(stage).await?;
    stage.federate("job delete pi").await.ok();
    Ok(())
}
