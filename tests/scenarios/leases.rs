//! Clusters with leases: they fall silent, or nobody contacts them in time, and their work goes on
//! elsewhere.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::time::Duration;

use futures::FutureExt as _;
use jiff::SignedDuration;
use real::Fleet;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::edit_members::work_in;
use crate::lost::{others, successes};
use crate::scenarios::{Outcome, Scenarios};
use crate::site::Site;
use crate::stage::{MEMBERS, SOON, Stage, job};

/// The ConfigMap of the registry on the host.
const REGISTRY: &str = "/api/v1/namespaces/kubectl-federate/configmaps/federation";

/// After this, by a clock that is fast, a lease of an hour is over: the Job's deadline, a pod that
/// started just before it, its grace period and the margin.
const OVER: Duration = Duration::from_mins(2 * 60 + 2);

/// A lease that ends while a test waits for it, in seconds.
const SHORT: i64 = 15;

/// No cluster is waited for longer than this.
const TIMEOUT: &str = "--request-timeout=2s";

pub fn scenarios() -> Scenarios {
    Scenarios::of("leases")
        .both_from_nothing(
            "an indexed job of a cluster that is silent beyond its lease goes on in others",
            async |stage| silent(stage, "Indexed").await,
        )
        .both_from_nothing(
            "a job of a cluster that is silent beyond its lease goes on in others",
            async |stage| silent(stage, "NonIndexed").await,
        )
        .both_from_nothing("a lease is renewed below half, and nothing else is changed", renewed)
        .both_from_nothing("a lease that ended over night is no failure", async |stage| {
            over_night(stage, "NonIndexed").await
        })
        .both_from_nothing(
            "a lease that ended over night is no failure of an indexed job",
            async |stage| over_night(stage, "Indexed").await,
        )
        .sim_from_nothing("a lease that is over is not renewed before its job has ended", passed)
        .both_from_nothing("a job asks for a lease of its own, or for none", annotated)
        .both_from_nothing("pods that may run longer than a lease are refused", too_long)
        .both_from_nothing("a lease that came later ends no pods before their own deadline", later)
        .real_alone("a frozen cluster ends its work by its lease", frozen)
        .real_alone("the kubelets of a killed cluster end its work by its lease", killed)
}

/// A federation whose cluster west has a lease, and a Job of 12 completions that runs in all
/// clusters, of which each has done one.
async fn begun(stage: &Stage, mode: &str, lease: &str) -> Outcome {
    stage.federate("init --context=host").await.ok();
    for member in MEMBERS {
        stage.federate(&format!("cluster register {member}")).await.ok();
    }
    stage.federate(&format!("cluster lease west {lease}")).await.ok().says("configured");
    create(stage, mode).await
}

async fn create(stage: &Stage, mode: &str) -> Outcome {
    let mut job = job("pi", Some(6), Some(12));
    job["spec"]["completionMode"] = mode.into();
    stage.create(&job).await?.ok();
    for site in stage.members() {
        site.succeed("pi", 1).await?;
        site.until_job("pi", "it is counted", |job| job["status"]["succeeded"] == succeeded(mode))
            .await;
    }
    stage.federate("reconcile pi").await.ok().says("Running 3/12");
    Ok(())
}

/// What a shard of these Jobs counts once one of its 4 completions is done: with the credit of the
/// indexes of others, where there are any.
fn succeeded(mode: &str) -> i32 {
    if mode == "Indexed" { 9 } else { 1 }
}

/// Makes the lease of a cluster so short that a test can wait for its end. Users cannot.
async fn shorten(stage: &Stage, name: &str) -> Outcome {
    let key = format!("member.kubectl-federate.dev/{name}");
    let registry = stage.host().api.get(REGISTRY).await?;
    let text = registry["metadata"]["annotations"][&key].as_str().ok_or("it is a member")?;
    let mut member: Value = serde_json::from_str(text)?;
    member["lease"] = json!({"seconds": SHORT, "consent": {"who": "alice", "when": 7}});
    let patch = json!({"metadata": {"annotations": {key: member.to_string()}}});
    stage.host().api.patch(REGISTRY, &patch).await?;
    Ok(())
}

fn deadline(job: &Value) -> i64 {
    job["spec"]["activeDeadlineSeconds"].as_i64().unwrap_or(0)
}

/// Reconciles until the shard of the cluster that is back has ended, and that is said.
async fn returned(stage: &Stage) {
    real::until("the return to be told", SOON, || async {
        let ran = stage.federate("reconcile pi").await;
        let told = ran.stderr.contains("nothing has run twice");
        if told { Ok(()) } else { Err(format!("{ran:?}")) }
    })
    .await;
}

async fn silent(stage: &Stage, mode: &str) -> Outcome {
    begun(stage, mode, "1h").await?;
    let west = stage.site("west");
    let shard = west.job("pi").await?;
    assert_eq!(deadline(&shard), 3600, "{shard:#}");
    assert_eq!(shard["spec"]["template"]["spec"]["activeDeadlineSeconds"], 3600);
    let east = stage.site("east").job("pi").await?;
    assert!(east["spec"]["activeDeadlineSeconds"].is_null(), "{east:#}");
    let whole = stage.get("pi").await?;
    assert!(whole["spec"]["activeDeadlineSeconds"].is_null(), "{whole:#}");
    assert!(whole["spec"]["template"]["spec"]["activeDeadlineSeconds"].is_null(), "{whole:#}");
    let described = stage.federate("job describe pi").await.ok().says("LEASE UNTIL");
    assert!(!described.stdout.contains("Drift"), "{described:?}");
    west.link.cut().await?;
    let hour = Duration::from_hours(1);
    stage.federate_later(hour, "reconcile pi").await.fails("1 of 3 clusters");
    assert_eq!(stage.row("pi").await, "Running,Unknown 3/12", "a pod may have begun just now");
    let moved = stage.federate_later(OVER, "reconcile pi").await.ok();
    moved.warns("the lease is over: 3 completions of cluster west");
    others(stage, "Complete 12/12").await?;
    stage.federate("job describe pi").await.ok().says("cluster lease").says("Lost");
    // It returns with pods that run by our clock. They are stopped, and none is started again.
    west.link.restore().await?;
    returned(stage).await;
    let complete = |job: &Value| job["status"]["completionTime"].is_string();
    west.until_job("pi", "it has ended with what it had", complete).await;
    assert_eq!(successes(stage).await?.len(), 12);
    Ok(())
}

async fn renewed(stage: &Stage) -> Outcome {
    begun(stage, "NonIndexed", "1h").await?;
    let west = stage.site("west");
    let before = stage.mark().await?;
    stage.federate_later(Duration::from_mins(29), "reconcile pi").await.ok().says("unchanged");
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    let later = stage.federate_later(Duration::from_mins(31), "reconcile pi").await.ok();
    later.says("job.batch/pi given a new lease in cluster west");
    let job = west.job("pi").await?;
    let expected = 3600 + 31 * 60;
    assert!((deadline(&job) - expected).abs() <= 60, "{} is not {expected}", deadline(&job));
    stage.federate_later(Duration::from_mins(32), "reconcile pi").await.ok().says("unchanged");
    let described = stage.federate("job describe pi").await.ok();
    assert!(!described.stdout.contains("Drift"), "{described:?}");
    // Edits go on to work.
    stage.federate("job scale pi --parallelism=9").await.ok();
    assert_eq!(deadline(&west.job("pi").await?), deadline(&job));
    Ok(())
}

async fn over_night(stage: &Stage, mode: &str) -> Outcome {
    stage.federate("init --context=host").await.ok();
    for member in MEMBERS {
        stage.federate(&format!("cluster register {member}")).await.ok();
        shorten(stage, member).await?;
    }
    let mut job = job("pi", Some(6), Some(12));
    job["spec"]["completionMode"] = mode.into();
    job["spec"]["backoffLimit"] = 0.into();
    stage.create(&job).await?.ok();
    for site in stage.members() {
        // The Job controller ends them: nobody has renewed the leases.
        let failed = |job: &Value| {
            let conditions = job["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let mut failed = conditions.iter().filter(|condition| condition["type"] == "Failed");
            failed.any(|condition| condition["reason"] == "DeadlineExceeded")
        };
        site.until_job("pi", "its lease has ended it", failed).await;
    }
    for member in MEMBERS {
        stage.federate(&format!("cluster lease {member} none")).await.ok();
    }
    let morning = stage.federate("reconcile pi").await.ok().says("Running 0/12");
    morning.warns("no command renewed its lease in time");
    completes_unfailed(stage).await
}

/// Nothing has failed, and all members do what is left: each completion is made once.
async fn completes_unfailed(stage: &Stage) -> Outcome {
    let status = stage.get("pi").await?["status"].clone();
    assert!(status["failed"].is_null(), "{status:#}");
    let all: Vec<&Site> = stage.members().collect();
    work_in(stage, &all, "pi", "Complete 12/12").await?;
    assert_eq!(successes(stage).await?.len(), 12);
    Ok(())
}

/// The controllers of a cluster stand still until its lease is over and kubelets have ended its
/// pods.
async fn passed(stage: &Stage) -> Outcome {
    stage.federation_of(&MEMBERS).await;
    stage.federate("cluster lease west 5m").await.ok();
    stage.create(&job("pi", Some(6), Some(12))).await?.ok();
    let west = stage.site("west");
    west.run("pi", 2).await?;
    stage.federate("reconcile pi").await.ok();
    west.cluster().set_kubelet(sim::Kubelet::obeys_deadlines());
    west.cluster().stop_controllers();
    for site in stage.members().chain([stage.host()]) {
        site.cluster().set_clock_ahead(SignedDuration::from_mins(6));
    }
    let before = stage.mark().await?;
    stage.federate("reconcile pi").await.ok().says("unchanged");
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    assert_eq!(deadline(&west.job("pi").await?), 300);
    west.cluster().start_controllers();
    let failed = |job: &Value| job["status"]["failed"] == 2;
    west.until_job("pi", "its controller counts its pods", failed).await;
    stage.federate("reconcile pi").await.ok().warns("no command renewed its lease in time");
    completes_unfailed(stage).await
}

async fn annotated(stage: &Stage) -> Outcome {
    stage.federate("init --context=host").await.ok();
    stage.federate("cluster register west --lease=1h").await.ok();
    stage.federate("cluster register east").await.ok();
    stage.federate("cluster list -o wide").await.ok().says("1h");
    let asks = |name: &str, lease: &str| {
        let mut job = job(name, Some(2), Some(4));
        job["metadata"]["annotations"]["kubectl-federate.dev/lease"] = lease.into();
        job
    };
    stage.create(&asks("own", "2h")).await?.ok();
    stage.create(&asks("none", "none")).await?.ok();
    stage
        .create(&asks("brief", "5s"))
        .await?
        .fails("metadata.annotations[kubectl-federate.dev/lease]: Invalid value: \"5s\"");
    for name in ["west", "east"] {
        assert_eq!(deadline(&stage.site(name).job("own").await?), 7200, "{name}");
        assert_eq!(deadline(&stage.site(name).job("none").await?), 0, "{name}");
    }
    Ok(())
}

async fn too_long(stage: &Stage) -> Outcome {
    stage.federate("init --context=host").await.ok();
    stage.federate("cluster register west --lease=1h").await.ok();
    let mut job = job("pi", Some(2), Some(4));
    job["spec"]["template"]["spec"]["activeDeadlineSeconds"] = 3601.into();
    let refused = stage.create(&job).await?;
    refused.fails("spec.template.spec.activeDeadlineSeconds: Invalid value: 3601");
    assert_eq!(stage.record("pi").await?, None);
    job["spec"]["template"]["spec"]["activeDeadlineSeconds"] = 600.into();
    stage.create(&job).await?.ok();
    let shard = stage.site("west").job("pi").await?;
    assert_eq!(shard["spec"]["template"]["spec"]["activeDeadlineSeconds"], 600);
    // Others do what west may not.
    stage.federate("cluster register east").await.ok();
    job["metadata"]["name"] = "long".into();
    job["spec"]["template"]["spec"]["activeDeadlineSeconds"] = 3601.into();
    stage.create(&job).await?.ok().warns("cluster west: gets no work of it");
    assert_eq!(stage.site("west").names("jobs").await?, ["pi"]);
    assert_eq!(stage.site("east").names("jobs").await?, ["long"]);
    stage.federate("job scale long --parallelism=3").await.ok();
    assert_eq!(stage.site("east").job("long").await?["spec"]["parallelism"], 3);
    Ok(())
}

async fn later(stage: &Stage) -> Outcome {
    stage.federate("init --context=host").await.ok();
    for member in MEMBERS {
        stage.federate(&format!("cluster register {member}")).await.ok();
    }
    let mut job = job("pi", Some(6), Some(12));
    job["spec"]["template"]["spec"]["activeDeadlineSeconds"] = 3600.into();
    stage.create(&job).await?.ok();
    stage.federate("cluster lease west 5m").await.ok();
    stage.federate("cluster drain east --now --timeout=1m").await.ok();
    real::until("the work of east to move", SOON, || async {
        stage.federate("reconcile pi").await;
        let names =
            stage.site("north").names("jobs").await.map_err(|error| format!("{error:?}"))?;
        if names.len() > 1 { Ok(()) } else { Err(format!("{names:?}")) }
    })
    .await;
    let west = stage.site("west");
    assert_eq!(west.names("jobs").await?, ["pi"], "its lease is shorter than pods may run");
    assert_eq!(west.job("pi").await?["spec"]["template"]["spec"]["activeDeadlineSeconds"], 3600);
    let north = stage.site("north");
    north.link.cut().await?;
    let short = "Ready, with a lease shorter than the activeDeadlineSeconds of pods: west";
    stage.federate("cluster lost north --yes").await.warns(short);
    north.link.restore().await?;
    Ok(())
}

async fn frozen(stage: &Stage, fleet: &'static Fleet) -> Outcome {
    cut_off(stage, fleet, false).await
}

async fn killed(stage: &Stage, fleet: &'static Fleet) -> Outcome {
    cut_off(stage, fleet, true).await
}

/// A real cluster with a short lease is cut off: its API server stands still or is killed, so that
/// its Job controller can do nothing. Its kubelets alone end its pods.
async fn cut_off(stage: &Stage, fleet: &'static Fleet, is_killed: bool) -> Outcome {
    let west = fleet.cluster("west");
    shorten(stage, "west").await?;
    let outcome = AssertUnwindSafe(while_cut_off(stage, fleet, is_killed)).catch_unwind().await;
    if is_killed {
        west.revive().await?;
    } else {
        west.thaw()?;
    }
    // Others use the federation too.
    stage.federate("cluster lease west none").await.ok();
    outcome.unwrap_or_else(|panic| resume_unwind(panic))?;
    // Others have work left, which a failure would end.
    let site = stage.site("west");
    real::until("the shard of the cluster that is back to end", SOON, || async {
        let failed = |error| format!("{error:?}");
        report(site).await.map_err(failed)?;
        let ran = stage.federate("reconcile pi").await;
        let job = site.job("pi").await.map_err(failed)?;
        if has_ended(&job) { Ok(()) } else { Err(format!("{ran:?} {:#}", job["status"])) }
    })
    .await;
    others(stage, "Complete 12/12").await?;
    assert_eq!(successes(stage).await?.len(), 12, "nothing runs again");
    Ok(())
}

/// Whether a Job is Complete or Failed.
pub fn has_ended(job: &Value) -> bool {
    let conditions = job["status"]["conditions"].as_array();
    let is_end = |it: &Value| it["type"] == "Failed" || it["type"] == "Complete";
    conditions.into_iter().flatten().any(is_end)
}

async fn while_cut_off(stage: &Stage, fleet: &'static Fleet, is_killed: bool) -> Outcome {
    let mut job = job("pi", Some(6), Some(12));
    job["spec"]["backoffLimit"] = 0.into();
    stage.create(&job).await?.ok();
    let (west, site) = (fleet.cluster("west"), stage.site("west"));
    site.run("pi", 2).await?;
    let lease = u64::try_from(SHORT)?;
    let pods_end = Instant::now() + Duration::from_secs(lease);
    for pod in site.pods("pi").await? {
        assert_eq!(pod["spec"]["activeDeadlineSeconds"], SHORT, "{pod:#}");
    }
    if is_killed {
        west.kill();
    } else {
        west.freeze()?;
    }
    let reconcile = format!("reconcile pi {TIMEOUT}");
    stage.federate(&reconcile).await.fails("1 of 3 clusters");
    // The kubelets end the pods by then, whoever else has stopped.
    real::until("the deadlines of the pods", SOON, || async {
        if Instant::now() >= pods_end { Ok(()) } else { Err("they run".to_owned()) }
    })
    .await;
    stage.federate(&reconcile).await.fails("1 of 3 clusters").says("Running,Unknown");
    // What is left is the lease of a pod that started just before the Job's deadline, its grace
    // period and the margin for clocks.
    let rest = Duration::from_secs(lease + lease + 30 + 60);
    let moved = stage.federate_later(rest, &reconcile).await.ok();
    moved.warns("the lease is over: 4 completions of cluster west");
    Ok(())
}

/// What the kubelets of a cluster have done while nobody reached it, as they report it afterwards:
/// they have ended each pod at its deadline.
async fn report(site: &Site) -> Outcome {
    for pod in site.pods("pi").await? {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        let ended = json!({"status": {
            "phase": "Failed", "reason": "DeadlineExceeded",
            "message": "Pod was active on the node longer than the specified deadline",
        }});
        if pod["status"]["phase"] != "Failed" {
            // The Job controller may have deleted it by now.
            match site.patch("pods", &format!("{name}/status"), &ended).await {
                Err(error) if error.code() != Some(404) => return Err(error.into()),
                _ => {}
            }
        }
    }
    site.release("pi").await
}
