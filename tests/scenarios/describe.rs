//! What `job describe` shows beside the counts: what somebody changed, what servers dropped, and
//! why pods do not run.

use std::time::Duration;

use serde_json::{Value, json};

use crate::scenarios::{Outcome, Scenarios};
use crate::site::LIMITED;
use crate::stage::{MEMBERS, SOON, Stage, job};

pub fn scenarios() -> Scenarios {
    Scenarios::of_any_version("describe")
        .both("what somebody changed of a shard is shown and not fought", drift)
        .both(
            "a shard that somebody deleted is shown with the command that opens it again",
            deletion,
        )
        .both(
            "a shard that is not created yet is created once its cluster answers, and describe \
             says so",
            unmade,
        )
        .both("a quota of no pods is shown as the stall that it is", quota)
        .both("pods that fit on no node are shown with the scheduler's words", unschedulable)
        .both("an image that cannot be pulled is shown, and what is on its way is not", image)
        .both("a field that a server drops is named before anything is written, and later", dropped)
        .both("of a cluster that does not answer the age of what is known is shown", unreachable)
        .both("who may not read pods is told so and shown the rest", no_right)
        .both("the budget, the deadline and the ledger are shown", ledger)
        .both("a closer look costs each cluster four lists at most", requests)
}

/// The rows of a section of a description, with single spaces.
fn section(text: &str, title: &str) -> Vec<String> {
    let below = text.lines().skip_while(|line| *line != format!("{title}:")).skip(1);
    let rows = below.take_while(|line| line.starts_with("  "));
    rows.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// The description of `pi`.
async fn described(stage: &Stage) -> String {
    stage.federate("job describe pi").await.ok().stdout
}

/// Waits until a section of the description of `pi` has a row that begins and goes on so, and gives
/// the section.
async fn until_section(stage: &Stage, title: &str, begins: &str, contains: &str) -> Vec<String> {
    real::until(&format!("{begins} … {contains} in {title}"), SOON, || async {
        let text = described(stage).await;
        let rows = section(&text, title);
        let there = rows.iter().any(|row| row.starts_with(begins) && row.contains(contains));
        if there { Ok(rows) } else { Err(text) }
    })
    .await
}

async fn drift(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    assert_eq!(section(&described(stage).await, "Drift"), Vec::<String>::new());
    let change = json!({"spec": {"parallelism": 5, "backoffLimit": 20}});
    stage.site("west").patch("jobs", "pi", &change).await?;
    stage.site("north").patch("jobs", "pi", &json!({"spec": {"suspend": true}})).await?;
    let label = json!({"metadata": {"labels": {"kubectl-federate.dev/job": null}}});
    stage.site("east").patch("jobs", "pi", &label).await?;
    let shown = [
        "CLUSTER JOB DIFFERENCE",
        "east pi its labels were changed: it is left alone until they are as they were",
        "north pi suspend is true, not false",
        "west pi parallelism is 5, not 1",
        "west pi backoffLimit is 20, not 6",
    ];
    assert_eq!(section(&described(stage).await, "Drift"), shown);
    let before = stage.mark().await?;
    for _ in 0..2 {
        stage.federate("reconcile pi").await.ok();
    }
    let mutations = stage.mutations(&before).await?;
    assert!(mutations.iter().all(|what| !what.contains("jobs")), "{mutations:?}");
    assert_eq!(section(&described(stage).await, "Drift"), shown);
    Ok(())
}

async fn deletion(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    stage.site("west").delete("pi").await?;
    let text = described(stage).await;
    let row = "west pi it was deleted: no other shard does what was left of it";
    assert_eq!(section(&text, "Drift"), ["CLUSTER JOB DIFFERENCE", row]);
    assert!(text.contains("2 completions: shards were deleted"), "{text}");
    let namespace = &stage.namespace;
    let next = format!(
        "kubectl federate reconcile pi -n {namespace} --reopen places 2 unplaced completions in other \
         shards"
    );
    assert_eq!(section(&text, "Next"), [next]);
    stage.federate("reconcile pi --reopen").await.ok();
    let text = described(stage).await;
    assert!(!text.contains("--reopen"), "{text}");
    let row = "west pi it was deleted: what was left of it is for others";
    assert_eq!(section(&text, "Drift"), ["CLUSTER JOB DIFFERENCE", row]);
    Ok(())
}

async fn unmade(stage: &Stage) -> Outcome {
    let west = stage.site("west");
    west.link.cut().await?;
    stage.create(&job("pi", Some(3), Some(6))).await?.fails("1 of 3 clusters");
    let next = |what: &str| format!("kubectl federate reconcile pi -n {} {what}", stage.namespace);
    let waits = next("creates the shard of cluster west once it answers");
    let gives_up = "kubectl federate cluster lost west has others do its work, only if it is gone \
                    for good: some may run twice";
    assert_eq!(section(&described(stage).await, "Next"), [waits.as_str(), gives_up]);
    for cluster in ["east", "north"] {
        stage.site(cluster).succeed("pi", 2).await?;
    }
    stage.until_row("pi", "Pending,Unknown 4/6").await;
    assert_eq!(section(&described(stage).await, "Next"), [waits.as_str(), gives_up]);
    stage.federate("job get pi").await.ok().warns(
        "its share of 2 completions is Unknown (it is not created yet, or has run nothing): ",
    );
    west.link.restore().await?;
    assert_eq!(section(&described(stage).await, "Next"), [next("does what is left to do")]);
    stage.federate("reconcile pi").await.ok().says("job.batch/pi created in cluster west");
    assert_eq!(section(&described(stage).await, "Next"), Vec::<String>::new());
    Ok(())
}

async fn quota(stage: &Stage) -> Outcome {
    stage.site("west").forbid_pods().await?;
    stage.create(&job("pi", Some(6), Some(12))).await?.ok();
    let rows =
        until_section(stage, "Stalls", "west pi 2 FailedCreate", "exceeded quota: pods").await;
    assert_eq!((rows.len(), rows[0].as_str()), (2, "CLUSTER JOB PODS REASON MESSAGE"), "{rows:?}");
    Ok(())
}

async fn unschedulable(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(6), Some(12))).await?.ok();
    let message = "0/3 nodes are available: 3 Insufficient cpu.";
    let condition = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
        "message": message});
    stage.site("west").report("pi", 2, &json!({"conditions": [condition]})).await?;
    let row = format!("west pi 2 Unschedulable {message}");
    let rows = until_section(stage, "Stalls", &row, "").await;
    assert_eq!(rows, ["CLUSTER JOB PODS REASON MESSAGE", &row]);
    Ok(())
}

async fn image(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(6), Some(12))).await?.ok();
    let waiting = |waiting: Value| {
        json!({"containerStatuses": [{
            "name": "pi", "image": "perl", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": waiting},
        }]})
    };
    let message = "Back-off pulling image \"perl\"";
    let pulls = waiting(json!({"reason": "ImagePullBackOff", "message": message}));
    stage.site("west").report("pi", 2, &pulls).await?;
    stage.site("north").report("pi", 2, &waiting(json!({"reason": "ContainerCreating"}))).await?;
    stage.site("east").run("pi", 2).await?;
    let row = format!("west pi 2 ImagePullBackOff {message}");
    assert_eq!(
        until_section(stage, "Stalls", &row, "").await,
        ["CLUSTER JOB PODS REASON MESSAGE", &row]
    );
    assert_eq!(stage.row("pi").await, "Running 0/12");
    Ok(())
}

/// Servers before 1.33 have `hostUsers` behind a gate that is closed.
async fn dropped(stage: &Stage) -> Outcome {
    let mut old = Vec::new();
    for site in stage.members() {
        old.extend((site.minor_version().await? < 33).then(|| site.name.clone()));
    }
    old.sort();
    let path = "spec.template.spec.hostUsers";
    let what = if old.len() == 1 { "cluster" } else { "clusters" };
    let warning = format!(
        "Warning: job.batch/pi: {path} is not kept by the server of {what} {}\n",
        old.join(", ")
    );
    let mut isolated = job("pi", Some(3), Some(6));
    isolated["spec"]["template"]["spec"]["hostUsers"] = false.into();
    stage.write("pi.yaml", &isolated)?;
    for command in ["job create -f pi.yaml --dry-run=server", "job create -f pi.yaml"] {
        let said = stage.federate(command).await.ok().stderr;
        assert_eq!(said.contains(&warning), !old.is_empty(), "{warning} {said}");
        assert_eq!(said.contains("is not kept"), !old.is_empty(), "{said}");
    }
    let rows = section(&described(stage).await, "Dropped Fields");
    let rows = rows.iter().skip(1).map(String::as_str).collect::<Vec<_>>();
    assert_eq!(rows, old.iter().map(|name| format!("{name} pi {path}")).collect::<Vec<_>>());
    Ok(())
}

async fn unreachable(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let west = stage.site("west");
    west.succeed("pi", 1).await?;
    west.until_job("pi", "one has succeeded", |job| job["status"]["succeeded"] == 1).await;
    stage.federate("reconcile pi").await.ok();
    west.link.cut().await?;
    let later = Duration::from_hours(4);
    let shown = stage.federate_later(later, "job describe pi").await.ok();
    let row = section(&shown.stdout, "Unreachable").pop().unwrap_or_default();
    assert!(row.starts_with("west pi 4h ago "), "{shown:?}");
    let got = stage.federate_later(later, "job get pi").await.ok().says("Running,Unknown   1/6");
    let warning = "Warning: [west] job.batch/pi: its share of 2 completions is Unknown (1 \
        succeeded as of 4h ago): ";
    for said in [got.stderr, shown.stderr] {
        assert!(said.starts_with(warning), "{said}");
    }
    stage.federate("job get pi -o wide").await.ok().says("east:0/2,north:0/2,west:1/2(Unknown)");
    west.link.restore().await?;
    Ok(())
}

async fn no_right(stage: &Stage) -> Outcome {
    let rule = |group: &str, resource: &str| {
        json!({"apiGroups": [group], "resources": [resource],
        "verbs": ["get", "list"]})
    };
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    stage.host().grant(Some("kubectl-federate"), json!([rule("", "configmaps")])).await?;
    stage.host().grant(Some(&stage.namespace), json!([rule("", "configmaps")])).await?;
    for site in stage.members() {
        let mut identity = rule("", "namespaces");
        identity["resourceNames"] = json!(["kube-system"]);
        site.grant(None, json!([identity])).await?;
        let mut rules = vec![rule("batch", "jobs")];
        if site.name != "west" {
            rules.extend([rule("", "pods"), rule("", "events")]);
        }
        site.grant(Some(&stage.namespace), rules.into()).await?;
    }
    stage.contexts(&MEMBERS.map(|name| (name, name)), LIMITED)?;
    let shown = stage.federate("job describe pi").await.ok();
    assert_eq!(section(&shown.stdout, "Shards").len(), 4, "{shown:?}");
    let warned: Vec<_> =
        shown.stderr.lines().filter(|line| line.starts_with("Warning: [")).collect();
    let [warning] = warned[..] else { panic!("one warning: {shown:?}") };
    assert!(
        warning.starts_with("Warning: [west] job.batch/pi: not all could be read: "),
        "{warning}"
    );
    assert!(warning.contains("pods is forbidden"), "{warning}");
    Ok(())
}

async fn ledger(stage: &Stage) -> Outcome {
    let mut whole = job("pi", Some(3), Some(6));
    whole["metadata"]["labels"] = json!({"team": "math", "tier": "web"});
    whole["spec"]["activeDeadlineSeconds"] = 86_400.into();
    whole["spec"]["completionMode"] = "Indexed".into();
    stage.create(&whole).await?.ok();
    stage.site("west").fail("pi", 1).await?;
    stage.site("west").until_job("pi", "one has failed", |job| job["status"]["failed"] == 1).await;
    stage.site("east").succeed("pi", 2).await?;
    stage.until_row("pi", "Running 2/6").await;
    let text = described(stage).await;
    let value = |label: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{label}:")));
        line.map(str::trim).unwrap_or_default().to_owned()
    };
    for (label, expected) in [
        ("Labels", "team=math"),
        ("Annotations", "<none>"),
        ("Completion Mode", "Indexed"),
        ("Suspend", "false"),
        ("Backoff Limit", "6 (1 spent, 5 left)"),
        ("Failed Indexes", "<none>"),
    ] {
        assert_eq!(value(label), expected, "{label} in {text}");
    }
    let deadline = value("Active Deadline Seconds");
    assert!(deadline.starts_with("86400s (until ") && deadline.ends_with(" +0000)"), "{deadline}");
    let indexes = |name: &str| {
        let shards = section(&text, "Shards");
        let row = shards.iter().find(|row| row.starts_with(name)).cloned().unwrap_or_default();
        row.rsplit(' ').next().unwrap_or_default().to_owned()
    };
    assert_eq!(value("Completed Indexes"), indexes("east"), "{text}");
    assert_ne!(indexes("east"), indexes("west"), "{text}");
    Ok(())
}

async fn requests(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(9), Some(18))).await?.ok();
    let west = stage.site("west");
    let mark = west.mark().await?;
    stage.federate("job get pi").await.ok();
    let lists = async |mark| -> Result<Vec<String>, libtest_mimic::Failed> {
        let requests = west.requests(mark).await?.into_iter().map(|request| request.what);
        Ok(requests.filter(|what| !what.contains("namespaces")).collect())
    };
    assert_eq!(lists(mark).await?, ["list jobs"], "get reads no pods");
    let mark = west.mark().await?;
    described(stage).await;
    let mut asked = lists(mark).await?;
    asked.sort();
    assert_eq!(asked, ["list events", "list jobs", "list jobs", "list pods"]);
    Ok(())
}
