//! Edits of the template of a suspended Job: its shards are changed in place, as far as their
//! servers allow that.
//!
//! Servers before 1.36 let where pods run change while a Job has never started, and nothing else.

use serde_json::{Value, json};

use crate::edit_members::work_until;
use crate::scenarios::{Outcome, Scenarios};
use crate::site::On;
use crate::stage::{SOON, Stage, job};

pub fn scenarios() -> Scenarios {
    Scenarios::of("edit templates")
        .both_and_mixed("where pods run changes in place before any has run", before_a_run)
        .both_and_mixed("what pods use changes in place, where all servers allow it", resources)
        .both_and_mixed("both change in place after a run, where all servers allow it", after_a_run)
        .both("a template does not change while the job runs", running)
        .both("diff and dry runs of a new template tell what apply then does", foreseen)
        .both_new_east("what a webhook has injected stays", injected)
        .sim("a container that a webhook has injected stays", injected_container)
        .both("a cluster that was away gets the template before its shard goes on", away)
        .both_and_mixed("a cluster that ran meanwhile is suspended for the template", ran_meanwhile)
        .sim("a template waits until the pods of the suspended job have ended", unready)
}

/// A patch of where pods run.
fn disk(name: &str) -> String {
    json!({"spec": {"template": {"spec": {"nodeSelector": {"disk": name}}}}}).to_string()
}

/// A JSON patch of what pods use.
fn cpu(count: &str) -> String {
    let path = "/spec/template/spec/containers/0/resources";
    json!([{"op": "add", "path": path, "value": {"requests": {"cpu": count}}}]).to_string()
}

const DISK: &str = "/spec/template/spec/nodeSelector/disk";
const CPU: &str = "/spec/template/spec/containers/0/resources/requests/cpu";

/// The members whose servers are older than 1.36, as a refusal names them; none if there are none.
async fn old_members(stage: &Stage) -> Result<Option<String>, libtest_mimic::Failed> {
    let mut old = Vec::new();
    for site in stage.members() {
        old.extend((site.minor_version().await? < 36).then_some(site.name.as_str()));
    }
    old.sort_unstable();
    let what = if old.len() == 1 { "cluster" } else { "clusters" };
    Ok((!old.is_empty()).then(|| format!("({what} {})", old.join(", "))))
}

/// The values at a pointer in the shards of `pi`, in the members' order.
async fn values(stage: &Stage, pointer: &str) -> Result<Vec<Value>, libtest_mimic::Failed> {
    let mut values = Vec::new();
    for site in stage.members() {
        let job = site.job("pi").await?;
        values.push(job.pointer(pointer).cloned().unwrap_or_default());
    }
    Ok(values)
}

/// Waits until each shard of `pi` has a pod that has not ended, and looks for this value at a
/// pointer in all such pods.
async fn until_pods_have(stage: &Stage, pointer: &str, value: &str) -> Outcome {
    let pointer = pointer.trim_start_matches("/spec/template");
    for site in stage.members() {
        real::until(&format!("a pod in {}", site.name), SOON, || async {
            let pods = site.pods("pi").await.map_err(|error| format!("{error:?}"))?;
            let ended = |pod: &Value| pod["status"]["phase"] == "Succeeded";
            let live: Vec<_> = pods.iter().filter(|pod| !ended(pod)).collect();
            for pod in &live {
                assert_eq!(pod.pointer(pointer), Some(&json!(value)), "{}", site.name);
            }
            if live.is_empty() { Err(format!("{} pods", pods.len())) } else { Ok(()) }
        })
        .await;
    }
    Ok(())
}

async fn create_suspended(stage: &Stage) -> Outcome {
    let mut waiting = job("pi", Some(3), Some(6));
    waiting["spec"]["suspend"] = true.into();
    stage.create(&waiting).await?.ok();
    Ok(())
}

/// A second edit or reconcile of the same writes nothing.
async fn assert_quiet(stage: &Stage, edit: &str) -> Outcome {
    let before = stage.mark().await?;
    stage.federate(edit).await.ok().says("job.batch/pi unchanged");
    stage.federate("reconcile pi").await.ok();
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    Ok(())
}

async fn before_a_run(stage: &Stage) -> Outcome {
    create_suspended(stage).await?;
    let uids = values(stage, "/metadata/uid").await?;
    let patch = format!("job patch pi -p {}", disk("ssd"));
    let told = stage.federate(&patch).await.ok();
    told.says("job.batch/pi changed in cluster east").says("job.batch/pi patched");
    assert_eq!(values(stage, DISK).await?, ["ssd"; 3]);
    assert_eq!(values(stage, "/metadata/uid").await?, uids, "they were changed in place");
    for site in stage.members() {
        assert_eq!(site.names("jobs").await?, ["pi"]);
    }
    assert_quiet(stage, &patch).await?;
    stage.federate("job resume pi").await.ok();
    until_pods_have(stage, DISK, "ssd").await?;
    work_until(stage, "pi", "Complete 6/6").await
}

async fn resources(stage: &Stage) -> Outcome {
    create_suspended(stage).await?;
    let before = stage.mark().await?;
    let patch = format!("job patch pi --type=json -p {}", cpu("2"));
    if let Some(old) = old_members(stage).await? {
        let refused = stage.federate(&patch).await;
        refused
            .fails("spec.template.spec.containers[0].resources: field is immutable")
            .warns(&old)
            .warns("nothing was changed: ")
            .warns("--recreate");
        assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
        return Ok(());
    }
    stage.federate(&patch).await.ok();
    assert_eq!(values(stage, CPU).await?, ["2"; 3]);
    assert_quiet(stage, &patch).await?;
    stage.federate("job resume pi").await.ok();
    until_pods_have(stage, CPU, "2").await?;
    work_until(stage, "pi", "Complete 6/6").await
}

async fn after_a_run(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    for site in stage.members() {
        site.succeed("pi", 1).await?;
        site.until_job("pi", "one has succeeded", |job| job["status"]["succeeded"] == 1).await;
    }
    stage.federate("job suspend pi").await.ok();
    for site in stage.members() {
        site.until_quiet().await;
    }
    let old = old_members(stage).await?;
    let resources = format!("job patch pi --type=json -p {}", cpu("2"));
    for patch in [format!("job patch pi -p {}", disk("ssd")), resources] {
        let before = stage.mark().await?;
        let told = stage.federate(&patch).await;
        match &old {
            Some(old) => {
                told.fails("field is immutable").warns(old).warns("nothing was changed: ");
                assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
            }
            None => _ = told.ok().says("job.batch/pi changed in cluster west"),
        }
    }
    if old.is_none() {
        assert_eq!(values(stage, DISK).await?, ["ssd"; 3]);
        assert_eq!(values(stage, CPU).await?, ["2"; 3]);
    }
    stage.federate("job resume pi").await.ok();
    if old.is_none() {
        until_pods_have(stage, DISK, "ssd").await?;
        until_pods_have(stage, CPU, "2").await?;
    }
    work_until(stage, "pi", "Complete 6/6").await?;
    for site in stage.members() {
        assert_eq!(site.names("jobs").await?, ["pi"], "no shard was made anew");
    }
    Ok(())
}

async fn running(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let before = stage.mark().await?;
    let resources = format!("job patch pi --type=json -p {}", cpu("2"));
    for patch in [format!("job patch pi -p {}", disk("ssd")), resources] {
        let told = stage.federate(&patch).await.fails("spec.template: field is immutable");
        let suspend = format!("`kubectl federate job suspend pi -n {}`", stage.namespace);
        told.warns(&suspend).warns("--recreate");
    }
    // Nor in the edit that suspends it.
    let mut suspending: Value = serde_json::from_str(&disk("ssd"))?;
    suspending["spec"]["suspend"] = true.into();
    let told = stage.federate(&format!("job patch pi -p {suspending}")).await;
    told.fails("spec.template: field is immutable");
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    Ok(())
}

async fn foreseen(stage: &Stage) -> Outcome {
    create_suspended(stage).await?;
    let mut other = stage.get("pi").await?;
    other["spec"]["template"]["spec"]["nodeSelector"] = json!({"disk": "ssd"});
    stage.write("pi.yaml", &other)?;
    let before = stage.mark().await?;
    let diff = stage.federate("job diff -f pi.yaml").await;
    assert_eq!(diff.code, 1, "{diff:#?}");
    diff.says("+        disk: ssd\n").says("job.batch/pi changed in cluster north");
    for strategy in ["client", "server"] {
        let told = stage.federate(&format!("job apply -f pi.yaml --dry-run={strategy}")).await;
        told.ok().says("job.batch/pi changed in cluster north");
    }
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    stage.federate("job apply -f pi.yaml").await.ok();
    assert_eq!(values(stage, DISK).await?, ["ssd"; 3]);
    Ok(())
}

async fn injected(stage: &Stage) -> Outcome {
    let tolerations = json!([{"key": "gpu", "operator": "Exists"}]);
    let east = stage.site("east");
    for (field, value) in [("tolerations", &tolerations), ("nodeSelector", &json!({"zone": "a"}))] {
        east.set_on_jobs(On::Creation, &format!("/spec/template/spec/{field}"), value).await?;
    }
    create_suspended(stage).await?;
    stage.federate(&format!("job patch pi -p {}", disk("ssd"))).await.ok();
    let job = east.job("pi").await?;
    let spec = &job["spec"]["template"]["spec"];
    assert_eq!(spec["nodeSelector"], json!({"disk": "ssd", "zone": "a"}));
    assert_eq!(spec["tolerations"], tolerations);
    Ok(())
}

async fn injected_container(stage: &Stage) -> Outcome {
    let proxy = json!({"name": "proxy", "image": "proxy", "env": [{"name": "A", "value": "a"}]});
    let containers = json!([proxy, {"name": "pi", "image": "perl"}]);
    let east = stage.site("east");
    east.set_on_jobs(On::Creation, "/spec/template/spec/containers", &containers).await?;
    create_suspended(stage).await?;
    stage.federate(&format!("job patch pi --type=json -p {}", cpu("2"))).await.ok();
    let job = east.job("pi").await?;
    let stored = &job["spec"]["template"]["spec"]["containers"];
    assert_eq!(stored.as_array().map(Vec::len), Some(2));
    assert_eq!(stored[0]["env"], proxy["env"]);
    assert_eq!(stored[1]["resources"]["requests"]["cpu"], "2");
    Ok(())
}

async fn away(stage: &Stage) -> Outcome {
    create_suspended(stage).await?;
    let west = stage.site("west");
    west.link.cut().await?;
    let unasked = "1 of 3 clusters could not be asked";
    stage.federate(&format!("job patch pi -p {}", disk("ssd"))).await.fails(unasked);
    stage.federate("job resume pi").await.fails(unasked);
    west.link.restore().await?;
    stage.federate("reconcile pi").await.ok().says("job.batch/pi started in cluster west");
    assert_eq!(values(stage, DISK).await?, ["ssd"; 3]);
    until_pods_have(stage, DISK, "ssd").await?;
    work_until(stage, "pi", "Complete 6/6").await
}

/// Whether an old server refuses the template shows only once its cluster answers.
async fn ran_meanwhile(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let west = stage.site("west");
    for site in stage.members() {
        site.until_pods("pi", 1).await;
    }
    west.link.cut().await?;
    let unasked = "1 of 3 clusters could not be asked";
    stage.federate("job suspend pi").await.fails(unasked);
    for site in stage.members().filter(|site| site.name != "west") {
        site.until_quiet().await;
    }
    let patch = format!("job patch pi -p {}", disk("ssd"));
    let told = stage.federate(&patch).await;
    if told.stderr.contains("field is immutable") {
        let old = old_members(stage).await?.unwrap_or_default();
        assert!(old.contains("east") || old.contains("north"), "{told:#?}");
        return Ok(());
    }
    told.fails(unasked);
    stage.federate("job resume pi").await.fails(unasked);
    west.link.restore().await?;
    if old_members(stage).await?.is_some() {
        return refused_later(stage).await;
    }
    real::until("west to go on", SOON, || async {
        let told = stage.federate("reconcile pi").await;
        if told.stdout.contains("changed in cluster west") {
            Ok(told)
        } else {
            Err(format!("{told:#?}"))
        }
    })
    .await
    .ok();
    assert_eq!(values(stage, DISK).await?, ["ssd"; 3]);
    until_pods_have(stage, DISK, "ssd").await?;
    work_until(stage, "pi", "Complete 6/6").await
}

/// The server of `west` refuses the template: its shard does not go on, that is shown, and the old
/// template lets it go on.
async fn refused_later(stage: &Stage) -> Outcome {
    let refused = async || {
        let told = stage.federate("reconcile pi").await;
        if told.stderr.contains("field is immutable") {
            Ok(told)
        } else {
            Err(format!("{told:#?}"))
        }
    };
    let told = real::until("west to refuse", SOON, refused).await;
    told.fails("1 of 3 clusters refused").warns("west");
    let west = stage.site("west");
    assert_eq!(west.job("pi").await?["spec"]["suspend"], true, "it does not go on");
    assert_eq!(stage.row("pi").await, "Running,Refused 0/6");
    stage.federate("job describe pi").await.ok().says("it could not be changed: The Job");
    for name in ["east", "north"] {
        let runs = |job: &Value| job["status"]["active"] == 1;
        stage.site(name).until_job("pi", "it runs", runs).await;
    }
    refused().await?;
    let before = stage.mark().await?;
    refused().await?;
    let mutations = stage.mutations(&before).await?;
    assert_eq!(mutations, ["west: patch jobs/pi"], "it is tried, and nothing is recorded");
    stage.federate("job suspend pi").await;
    for site in stage.members() {
        site.until_quiet().await;
    }
    let back = disk("ssd").replace(r#""ssd""#, "null");
    stage.federate(&format!("job patch pi -p {back}")).await.ok();
    stage.federate("job resume pi").await.ok();
    assert_eq!(values(stage, DISK).await?, [Value::Null, Value::Null, Value::Null]);
    work_until(stage, "pi", "Complete 6/6").await
}

async fn unready(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    for site in stage.members() {
        site.until_pods("pi", 1).await;
    }
    stage.federate("job suspend pi").await.ok();
    for site in stage.members() {
        site.until_quiet().await;
    }
    // As if a pod of it had not ended.
    let west = stage.site("west");
    west.patch("jobs", "pi", &json!({"spec": {"suspend": false}})).await?;
    west.until_pods("pi", 1).await;
    west.until_job("pi", "one runs", |job| job["status"]["active"] == 1).await;
    let before = stage.mark().await?;
    stage
        .federate(&format!("job patch pi -p {}", disk("ssd")))
        .await
        .fails("spec.template: 1 pod of the suspended job has not ended yet (cluster west)");
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    Ok(())
}
