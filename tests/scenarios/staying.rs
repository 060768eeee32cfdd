//! What an edit leaves alone: pods that run, the Job's one deadline, and what belongs to others.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sim::{RequestInfo, Verdict, When};

use crate::edit_members::work_until;
use crate::scenarios::{Outcome, Scenarios};
use crate::stage::{Ran, Stage, job};

pub fn scenarios() -> Scenarios {
    Scenarios::of("staying")
        .both("preferences do not stop the running pods of a work queue", queue_runs_on)
        .both("preferences that do not rebalance move no work", fixed_stays)
        .both("a suspend and resume that a cluster does not notice leave one deadline", unnoticed)
        .sim("a laptop whose clock is wrong changes no deadline", clocks)
        .sim("a credit on a server of a version that is not tested warns once", untested)
        .both("a supplement takes the next name where somebody has its name", name_taken)
        .both("of two scales at once, each works, or fails with a true reason", two_scales)
        .both("an indexed job that was scaled shows no drift", scaled_without_drift)
}

const PREFERENCES: &str = "federation.kubernetes.io/job-preferences";

fn preferring(mut job: Value, preferences: &Value) -> Value {
    job["metadata"]["annotations"] = json!({PREFERENCES: preferences.to_string()});
    job
}

/// Preferences that name east alone, and do not ask to rebalance.
fn east_alone() -> Value {
    json!({"rebalance": false, "clusters": {"east": {"weight": 1}}})
}

async fn queue_runs_on(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), None)).await?.ok();
    for site in stage.members() {
        site.run("pi", 1).await?;
        site.until_job("pi", "it runs", |job| job["status"]["ready"] == 1).await;
    }
    stage.write("pi.yaml", &preferring(job("pi", Some(3), None), &east_alone()))?;
    stage.federate("job apply -f pi.yaml").await.ok();
    stage.federate("reconcile pi").await.ok();
    for site in stage.members() {
        let pods = site.pods("pi").await?;
        assert_eq!(pods.len(), 1, "in {}", site.name);
        assert_eq!(pods[0]["metadata"].get("deletionTimestamp"), None, "in {}", site.name);
        assert_eq!(site.job("pi").await?["spec"]["suspend"], false, "in {}", site.name);
    }
    for site in stage.members() {
        site.succeed("pi", 1).await?;
    }
    stage.until_row("pi", "Complete 3/1 of 3").await;
    Ok(())
}

async fn fixed_stays(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(12))).await?.ok();
    let before = stage.shares("pi").await?;
    stage.write("pi.yaml", &preferring(job("pi", Some(3), Some(12)), &east_alone()))?;
    stage.federate("job apply -f pi.yaml").await.ok();
    stage.federate("reconcile pi").await.ok();
    assert_eq!(stage.shares("pi").await?, before);
    for site in stage.members() {
        let job = site.job("pi").await?;
        let credited = job["metadata"]["annotations"].get("kubectl-federate.dev/credited");
        assert_eq!(credited, None, "in {}", site.name);
    }
    work_until(stage, "pi", "Complete 12/12").await
}

/// When a Job started, in seconds since 1970.
fn seconds(job: &Value) -> Result<i64, libtest_mimic::Failed> {
    let time: Timestamp = job["status"]["startTime"].as_str().ok_or("it has started")?.parse()?;
    Ok(time.as_second())
}

async fn unnoticed(stage: &Stage) -> Outcome {
    let mut bounded =
        preferring(job("pi", Some(1), Some(2)), &json!({"clusters": {"west": {"weight": 1}}}));
    bounded["spec"]["activeDeadlineSeconds"] = 600.into();
    stage.create(&bounded).await?.ok();
    let west = stage.site("west");
    west.until_job("pi", "it runs", |job| job["status"]["active"] == 1).await;
    stage.federate("reconcile pi").await.ok();
    let started = stage.get("pi").await?["status"]["startTime"].clone();
    assert!(started.is_string());
    west.link.cut().await?;
    stage.federate("job suspend pi").await.fails("could not be asked");
    stage.federate("job resume pi").await.fails("could not be asked");
    west.link.restore().await?;
    stage.federate("reconcile pi").await.ok();
    stage.federate("reconcile pi").await.ok();
    let shard = west.job("pi").await?;
    assert_eq!(shard["status"]["startTime"], started, "the cluster noticed nothing");
    // The resume begins the Job's one deadline anew, and the shard is told.
    let resumed = seconds(&stage.get("pi").await?)?;
    let limit = shard["spec"]["activeDeadlineSeconds"].as_i64().ok_or("it has a deadline")?;
    let difference = seconds(&shard)? + limit - (resumed + 600);
    assert!(difference.abs() <= 1, "{difference} s between the shard's deadline and the Job's");
    work_until(stage, "pi", "Complete 2/2").await
}

async fn clocks(stage: &Stage) -> Outcome {
    // A laptop that is an hour ahead, or behind, of all clusters.
    for (name, ahead) in [("ahead", -3600), ("behind", 3600)] {
        for site in stage.members() {
            site.cluster().set_clock_ahead(SignedDuration::from_secs(ahead));
        }
        let mut bounded = job(name, Some(3), Some(6));
        bounded["spec"]["activeDeadlineSeconds"] = 600.into();
        stage.create(&bounded).await?.ok();
        for site in stage.members() {
            site.until_job(name, "it runs", |job| job["status"]["active"] == 1).await;
        }
        stage.federate(&format!("reconcile {name}")).await.ok();
        stage.federate(&format!("job scale {name} --parallelism=6 --completions=12")).await.ok();
        let mut deadlines = Vec::new();
        for site in stage.members() {
            for shard in site.names("jobs").await?.iter().filter(|it| it.starts_with(name)) {
                deadlines.extend(site.job(shard).await?["spec"]["activeDeadlineSeconds"].as_i64());
            }
        }
        assert!(deadlines.len() > 3, "{name}: supplements were created");
        assert!(deadlines.iter().all(|it| (500..=600).contains(it)), "{name}: {deadlines:?}");
        assert_eq!(stage.row(name).await, "Running 0/12");
        for command in ["job get", "job describe"] {
            let shown = stage.federate(&format!("{command} {name}")).await.ok();
            let side = if ahead > 0 { "ahead of" } else { "behind" };
            let side = format!("s {side} the clock of this computer");
            assert!(shown.stderr.starts_with("Warning: [east] its clock is 3"), "{shown:#?}");
            assert!(shown.stderr.contains(&side), "{shown:#?}");
            // The host's clock wrote the start, so the laptop's does not say how old it is.
            let age =
                shown.stdout.split_whitespace().skip_while(|word| *word != "Duration:").nth(1);
            let age = age.or(shown.stdout.split_whitespace().last()).unwrap_or_default();
            let seconds = age.strip_suffix('s').and_then(|age| age.parse::<u32>().ok());
            assert!(seconds.is_some_and(|seconds| seconds < 60), "{age} in {shown:#?}");
        }
    }
    Ok(())
}

async fn untested(stage: &Stage) -> Outcome {
    let answer = |version: &'static str| {
        move |info: &RequestInfo| {
            if info.path != "/version" {
                return Verdict::Pass;
            }
            let body = json!({ "major": "1", "gitVersion": version }).to_string();
            Verdict::Answer(When::Before, http::Response::new(body.into()))
        }
    };
    stage.site("west").cluster().on_request(answer("v1.29.4"));
    stage.site("north").cluster().on_request(answer("v1.37.0-eks-1"));
    let mut indexed = job("pi", Some(3), Some(6));
    indexed["spec"]["completionMode"] = "Indexed".into();
    let warning = "[west] its server is Kubernetes v1.29.4, and kubectl federate is tested with \
                   v1.30 to v1.37: ";
    let warned = |ran: &Ran| ran.stderr.matches("is tested with").count();
    let created = stage.create(&indexed).await?.ok().warns(&format!("Warning: {warning}"));
    assert_eq!(warned(&created), 1, "{created:#?}");
    // Nothing is credited.
    assert_eq!(warned(&stage.federate("reconcile pi").await.ok()), 0);
    assert_eq!(warned(&stage.create(&job("tau", Some(3), Some(6))).await?.ok()), 0);
    let scaled = stage.federate("job scale tau --completions=3").await.ok();
    assert_eq!(warned(&scaled), 1, "{scaled:#?}");
    Ok(())
}

/// A Job that is somebody's, and that does nothing.
fn somebodys(name: &str) -> Value {
    let mut foreign = job(name, Some(1), Some(1));
    foreign["spec"]["suspend"] = true.into();
    foreign
}

async fn name_taken(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    for site in stage.members() {
        for number in 4..7 {
            site.create("jobs", &somebodys(&format!("pi-{number}"))).await?;
        }
    }
    stage.federate("job scale pi --parallelism=6 --completions=12 --dry-run=server").await.ok();
    stage.federate("job scale pi --parallelism=6 --completions=12").await.ok();
    let row = stage.row("pi").await;
    assert_eq!(row, "Running 0/12");
    for site in stage.members() {
        for name in site.names("jobs").await?.into_iter().filter(|name| name != "pi") {
            let job = site.job(&name).await?;
            let number: u32 = name.trim_start_matches("pi-").parse()?;
            assert_eq!(job["spec"]["suspend"] == true, number < 7, "{name} in {}", site.name);
        }
    }
    work_until(stage, "pi", "Complete 12/12").await
}

async fn two_scales(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let [one, two] = [12, 15].map(|count| format!("job scale pi --completions={count}"));
    let (one, two) = tokio::join!(stage.federate(&one), stage.federate(&two));
    for scaled in [&one, &two] {
        assert!(!scaled.stderr.contains("no part of"), "{scaled:#?}");
        assert!(!scaled.stderr.contains("delete it"), "{scaled:#?}");
    }
    stage.federate("reconcile pi").await.ok();
    let completions = stage.get("pi").await?["spec"]["completions"].clone();
    assert!([12, 15].iter().any(|count| completions == *count), "{one:#?} {two:#?}");
    work_until(stage, "pi", &format!("Complete {completions}/{completions}")).await
}

async fn scaled_without_drift(stage: &Stage) -> Outcome {
    let mut indexed = job("pi", Some(3), Some(6));
    indexed["spec"]["completionMode"] = "Indexed".into();
    stage.create(&indexed).await?.ok();
    stage.federate("job scale pi --completions=9").await.ok();
    let described = stage.federate("job describe pi").await.ok();
    assert!(!described.stdout.contains("completions is"), "{described:#?}");
    assert!(!described.stdout.contains("Drift"), "{described:#?}");
    work_until(stage, "pi", "Complete 9/9").await
}
