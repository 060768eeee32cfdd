//! What the verbs that change a Job write, and what they refuse.

use serde_json::{Value, json};

use crate::scenarios::{Outcome, Scenarios};
use crate::stage::{SOON, Stage, job};

pub fn scenarios() -> Scenarios {
    Scenarios::of("edit")
        .both(
            "what is applied twice is unchanged, and the second time writes nothing",
            applied_twice,
        )
        .both("what get prints is what apply takes", printed)
        .both("an immutable field is refused before any write", immutable)
        .both("what a server would not take is refused in its words before any write", invalid)
        .both("a work queue does not become a job with completions", work_queue)
        .both("dry runs and diff write nothing", dry_runs)
        .both("diff and dry runs show the actions that apply then takes", foreseen)
        .both("diff and dry runs show how work moves", foreseen_moves)
        .both("a suspended job that is resumed starts in all clusters", resumed)
        .both("a finished job is not changed", finished)
        .both("a job that has ended is not changed, though nobody has recorded that yet", ended)
        .both("a job that has failed in one cluster is not changed, and that is recorded", failed)
        .both("a job that is being deleted is not changed", deleting)
        .both("preferences that cannot be met are refused before any write", preferences)
        .both("a cluster that is away is named, and the edit is kept for it", unreachable)
}

fn annotated(text: &str) -> Value {
    let mut job = job("pi", Some(3), Some(6));
    job["metadata"]["annotations"] = json!({"note": text});
    job
}

async fn applied_twice(stage: &Stage) -> Outcome {
    stage.write("pi.yaml", &job("pi", Some(3), Some(6)))?;
    let created = stage.federate("job apply -f pi.yaml").await.ok();
    assert!(created.stdout.ends_with("job.batch/pi created\n"), "{created:#?}");
    assert_eq!(stage.shares("pi").await?, ["east 1/2", "north 1/2", "west 1/2"]);
    let before = stage.mark().await?;
    assert_eq!(
        stage.federate("job apply -f pi.yaml").await.ok().stdout,
        "job.batch/pi unchanged\n"
    );
    let mut spelt = job("pi", Some(3), Some(6));
    spelt["spec"]["completionMode"] = "NonIndexed".into();
    spelt["spec"]["suspend"] = false.into();
    spelt["spec"]["template"]["spec"]["dnsPolicy"] = "ClusterFirst".into();
    stage.write("spelt.yaml", &spelt)?;
    assert_eq!(
        stage.federate("job apply -f spelt.yaml").await.ok().stdout,
        "job.batch/pi unchanged\n"
    );
    assert_eq!(
        stage.federate("job scale pi --replicas=3").await.ok().stdout,
        "job.batch/pi unchanged\n"
    );
    assert_eq!(stage.federate("job resume pi").await.ok().stdout, "job.batch/pi unchanged\n");
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    Ok(())
}

async fn printed(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let printed = stage.get("pi").await?;
    stage.write("printed.yaml", &printed)?;
    assert_eq!(
        stage.federate("job apply -f printed.yaml").await.ok().stdout,
        "job.batch/pi unchanged\n"
    );
    Ok(())
}

async fn immutable(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let before = stage.mark().await?;
    let mut other = job("pi", Some(3), Some(6));
    other["spec"]["template"]["spec"]["containers"][0]["image"] = "perl:5".into();
    stage.write("other.yaml", &other)?;
    stage
        .federate("job apply -f other.yaml")
        .await
        .fails("spec.template: field is immutable")
        .warns("--recreate");
    let patch = |containers: &Value| {
        let template = json!({"spec": {"containers": containers}});
        format!("job patch pi -p {}", json!({"spec": {"template": template}}))
    };
    stage
        .federate(&patch(&other["spec"]["template"]["spec"]["containers"]))
        .await
        .fails("spec.template: field is immutable")
        .warns("--recreate");
    let invalid = stage.federate(&patch(&json!([]))).await;
    let invalid = invalid.fails("spec.template.spec.containers: Required value");
    assert!(!invalid.stderr.contains("--recreate"), "{invalid:#?}");
    let indexed = r#"[{"op":"add","path":"/spec/completionMode","value":"Indexed"}]"#;
    let refused = stage.federate(&format!("job patch pi --type=json -p {indexed}")).await;
    let refused = refused.fails("spec.completionMode: field is immutable");
    assert!(!refused.stderr.contains("--recreate"), "{refused:#?}");
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    Ok(())
}

async fn invalid(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let before = stage.mark().await?;
    stage
        .federate(r#"job patch pi -p {"spec":{"activeDeadlineSeconds":-1}}"#)
        .await
        .fails("The Job \"pi\" is invalid: spec.activeDeadlineSeconds: Invalid value: -1")
        .warns("nothing was changed: 3 of 3 clusters refused");
    stage
        .federate(r#"job patch pi --recreate --yes -p {"spec":{"backofLimit":1}}"#)
        .await
        .fails("unknown field \"spec.backofLimit\"");
    let unknown = stage.federate(r#"job patch pi -p {"spec":{"backofLimit":1}}"#).await;
    let unknown = unknown.fails("unknown field \"spec.backofLimit\"");
    assert!(
        !unknown.stderr.contains("--recreate") && !unknown.stderr.contains("immutable"),
        "{unknown:#?}"
    );
    let mut typo = job("pi", Some(3), Some(6));
    typo["spec"]["template"]["spec"]["restartsPolicy"] = "Never".into();
    stage.write("typo.yaml", &typo)?;
    stage
        .federate("job apply -f typo.yaml")
        .await
        .fails("unknown field \"spec.template.spec.restartsPolicy\"");
    assert_eq!(stage.federate("job diff -f typo.yaml").await.code, 2);
    let said = "error: job.batch/pi: spec.backoffLimit: Invalid value: \"x\": must be an integer \
        up to 2147483647\n";
    let text = stage.federate(r#"job patch pi -p {"spec":{"backoffLimit":"x"}}"#).await.fails(said);
    assert_eq!(text.stderr, said, "one error");
    let mut limits = job("pi", Some(3), Some(6));
    limits["spec"]["backoffLimit"] = json!(-1);
    stage.write(
        "several.yaml",
        &json!({"kind": "List", "apiVersion": "v1", "items": [
            job("tau", Some(3), Some(3)), limits,
        ]}),
    )?;
    stage.federate("job apply -f several.yaml").await.fails("spec.backoffLimit: Invalid value: -1");
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    assert_eq!(stage.record("tau").await?, None);
    Ok(())
}

async fn work_queue(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), None)).await?.ok();
    let before = stage.mark().await?;
    stage
        .federate("job scale pi --completions=6")
        .await
        .fails("spec.completions: field is immutable");
    stage.write("pi.yaml", &job("pi", Some(3), Some(6)))?;
    stage
        .federate("job apply -f pi.yaml --recreate --yes")
        .await
        .fails("spec.completions: field is immutable");
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    Ok(())
}

async fn dry_runs(stage: &Stage) -> Outcome {
    let mut suspended = job("pi", Some(3), Some(6));
    suspended["spec"]["suspend"] = true.into();
    stage.create(&suspended).await?.ok();
    stage.write("pi.yaml", &job("pi", Some(3), Some(6)))?;
    stage.write("tau.yaml", &job("tau", Some(3), Some(6)))?;
    let before = stage.mark().await?;
    for strategy in ["client", "server"] {
        for command in [
            "job apply -f pi.yaml -f tau.yaml",
            "job scale pi --parallelism=6",
            "job resume pi",
            r#"job patch pi -p {"spec":{"activeDeadlineSeconds":600}}"#,
        ] {
            stage.federate(&format!("{command} --dry-run={strategy}")).await.ok().says("dry run)");
        }
    }
    assert_eq!(stage.federate("job diff -f pi.yaml -f tau.yaml").await.code, 1);
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    assert_eq!(stage.record("tau").await?, None);
    Ok(())
}

/// The lines that say what is done in clusters.
fn actions(stdout: &str) -> Vec<String> {
    let lines = stdout
        .lines()
        .filter(|line| line.starts_with("job.batch/") && line.contains(" in cluster "));
    let mut lines: Vec<_> =
        lines.map(|line| line.trim_end_matches(" (dry run)").to_owned()).collect();
    lines.sort();
    lines
}

async fn foreseen(stage: &Stage) -> Outcome {
    let running = job("pi", Some(3), Some(6));
    let mut suspended = running.clone();
    suspended["spec"]["suspend"] = true.into();
    for (step, count) in [(&suspended, 3), (&running, 3), (&annotated("x"), 3)] {
        stage.write("pi.yaml", step)?;
        let diff = stage.federate("job diff -f pi.yaml").await;
        assert_eq!(diff.code, 1, "{diff:#?}");
        let dry = stage.federate("job apply -f pi.yaml --dry-run=client").await.ok();
        let applied = stage.federate("job apply -f pi.yaml").await.ok();
        assert_eq!(actions(&applied.stdout).len(), count, "{applied:#?}");
        assert_eq!(actions(&diff.stdout), actions(&applied.stdout));
        assert_eq!(actions(&dry.stdout), actions(&applied.stdout));
        let diff = stage.federate("job diff -f pi.yaml").await.ok();
        assert_eq!(diff.stdout, "", "nothing is left to differ");
    }
    Ok(())
}

async fn foreseen_moves(stage: &Stage) -> Outcome {
    for (name, mode) in [("pi", "NonIndexed"), ("tau", "Indexed")] {
        let of = |parallelism, completions| {
            let mut job = job(name, Some(parallelism), Some(completions));
            job["spec"]["completionMode"] = mode.into();
            job
        };
        stage.create(&of(3, 12)).await?.ok();
        for (parallelism, completions) in [(3, 18), (3, 9), (2, 9), (6, 9)] {
            quiet(stage, name).await?;
            stage.write("edited.yaml", &of(parallelism, completions))?;
            let diff = stage.federate("job diff -f edited.yaml").await;
            assert_eq!(diff.code, 1, "{diff:#?}");
            let dry = stage.federate("job apply -f edited.yaml --dry-run=client").await.ok();
            let applied = stage.federate("job apply -f edited.yaml").await.ok();
            assert_eq!(
                actions(&diff.stdout),
                actions(&applied.stdout),
                "{mode} {parallelism} {completions}"
            );
            assert_eq!(
                actions(&dry.stdout),
                actions(&applied.stdout),
                "{mode} {parallelism} {completions}"
            );
            assert!(!actions(&applied.stdout).is_empty(), "{applied:#?}");
        }
    }
    Ok(())
}

/// Waits until all Jobs of this name, and what was added to them, run as many pods as they may.
async fn quiet(stage: &Stage, name: &str) -> Outcome {
    for site in stage.members() {
        for shard in site.names("jobs").await? {
            if !shard.starts_with(name) {
                continue;
            }
            let settled = |job: &Value| {
                let count = |value: &Value| value.as_i64().unwrap_or(0);
                let left = count(&job["spec"]["completions"]) - count(&job["status"]["succeeded"]);
                count(&job["status"]["active"]) == count(&job["spec"]["parallelism"]).min(left)
            };
            site.until_job(&shard, "it runs all it may", settled).await;
        }
    }
    Ok(())
}

async fn resumed(stage: &Stage) -> Outcome {
    let mut suspended = job("pi", Some(3), Some(6));
    suspended["spec"]["suspend"] = true.into();
    stage.create(&suspended).await?.ok();
    assert_eq!(stage.row("pi").await, "Suspended 0/6");
    let resumed = stage.federate("job resume pi").await.ok();
    assert_eq!(actions(&resumed.stdout).len(), 3, "{resumed:#?}");
    for site in stage.members() {
        site.succeed("pi", 2).await?;
    }
    stage.until_row("pi", "Complete 6/6").await;
    Ok(())
}

async fn finished(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(3))).await?.ok();
    for site in stage.members() {
        site.succeed("pi", 1).await?;
    }
    stage.until_row("pi", "Complete 3/3").await;
    stage.federate("reconcile pi").await.ok();
    let before = stage.mark().await?;
    stage.write("pi.yaml", &job("pi", Some(3), Some(6)))?;
    for command in [
        "job apply -f pi.yaml",
        "job apply -f pi.yaml --recreate --yes",
        "job scale pi --completions=6",
        "job suspend pi",
        "job patch pi -p {\"spec\":{\"backoffLimit\":1}}",
        "job edit pi",
    ] {
        stage.federate(command).await.fails("the job has ended");
    }
    stage.write("pi.yaml", &job("pi", Some(3), Some(3)))?;
    assert_eq!(
        stage.federate("job apply -f pi.yaml").await.ok().stdout,
        "job.batch/pi unchanged\n"
    );
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    stage.until_row("pi", "Complete 3/3").await;
    Ok(())
}

async fn ended(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(3))).await?.ok();
    for site in stage.members() {
        site.succeed("pi", 1).await?;
    }
    stage.until_row("pi", "Complete 3/3").await;
    let before = stage.mark().await?;
    stage.write("more.yaml", &job("pi", Some(3), Some(6)))?;
    for command in [
        "job apply -f more.yaml --dry-run=client",
        "job scale pi --completions=6 --dry-run=server",
        "job resume pi --dry-run=client",
    ] {
        stage.federate(command).await.fails("the job has ended, Complete");
    }
    let diff = stage.federate("job diff -f more.yaml").await;
    assert_eq!(diff.code, 2, "{diff:#?}");
    assert!(diff.stderr.contains("the job has ended, Complete"), "{diff:#?}");
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    for (name, command) in [
        ("scaled", "job scale scaled --completions=6"),
        ("applied", "job apply -f applied.yaml"),
        ("patched", r#"job patch patched -p {"spec":{"completions":6}}"#),
        ("edited", "job edit edited"),
        ("suspended", "job suspend suspended"),
        ("resumed", "job resume resumed"),
    ] {
        stage.create(&job(name, Some(3), Some(3))).await?.ok();
        for site in stage.members() {
            site.succeed(name, 1).await?;
        }
        stage.until_row(name, "Complete 3/3").await;
        stage.write("applied.yaml", &job("applied", Some(3), Some(6)))?;
        stage.federate(command).await.fails("the job has ended, Complete");
        let record = stage.record(name).await?.ok_or("there is a record")?;
        assert!(record.to_string().contains("CompletionsReached"), "{name} is recorded: {record}");
        // What the clusters lose from now on changes nothing.
        for site in stage.members() {
            site.delete(name).await?;
        }
        assert_eq!(stage.row(name).await, "Complete 3/3");
    }
    Ok(())
}

async fn failed(stage: &Stage) -> Outcome {
    let mut fragile = job("pi", Some(3), Some(6));
    fragile["spec"]["backoffLimit"] = 0.into();
    stage.create(&fragile).await?.ok();
    stage.site("west").fail("pi", 1).await?;
    real::until("the failure to show", SOON, || async {
        let row = stage.row("pi").await;
        if row.starts_with("Fail") { Ok(()) } else { Err(row) }
    })
    .await;
    stage.federate("job scale pi --completions=12").await.fails("the job has ended, Failed");
    assert_eq!(stage.get("pi").await?["spec"]["completions"], 6);
    let record = stage.record("pi").await?.ok_or("there is a record")?;
    assert!(record.to_string().contains("BackoffLimitExceeded"), "{record}");
    Ok(())
}

async fn deleting(stage: &Stage) -> Outcome {
    let west = stage.stays_in_west(&job("pi", Some(3), Some(6))).await?;
    let before = stage.mark().await?;
    for command in
        ["job apply -f pi.yaml", "job scale pi --parallelism=6", "job suspend pi", "job edit pi"]
    {
        stage.federate(command).await.fails("the job is being deleted");
    }
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    west.link.restore().await?;
    stage.federate("reconcile pi").await.ok();
    Ok(())
}

async fn preferences(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let before = stage.mark().await?;
    let mut bounded = job("pi", Some(9), Some(18));
    bounded["metadata"]["annotations"] = json!({
        "federation.kubernetes.io/job-preferences":
            r#"{"clusters": {"*": {"weight": 1, "maxReplicas": 2}}}"#,
    });
    stage.write("pi.yaml", &bounded)?;
    stage.federate("job apply -f pi.yaml").await.fails("3 of 9 pods have no place");
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    Ok(())
}

async fn unreachable(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let west = stage.site("west");
    west.link.cut().await?;
    stage.write("pi.yaml", &annotated("x"))?;
    let applied = stage.federate("job apply -f pi.yaml").await;
    let applied =
        applied.fails("1 of 3 clusters could not be asked").says("job.batch/pi configured");
    assert!(applied.stderr.contains("[west] could not be asked: "), "{applied:#?}");
    assert!(applied.stderr.contains("kubectl federate reconcile pi"), "{applied:#?}");
    west.link.restore().await?;
    stage.federate("reconcile pi").await.ok();
    assert_eq!(stage.get("pi").await?["metadata"]["annotations"], json!({"note": "x"}));
    Ok(())
}
