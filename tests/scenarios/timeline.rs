//! `job timeline` and `job get --tree`: when pods ran, and how far each cluster is.

use std::time::Duration;

use serde_json::{Value, json};

use crate::scenarios::{Outcome, Scenarios};
use crate::stage::{SOON, Stage, job};

pub fn scenarios() -> Scenarios {
    Scenarios::of("timeline")
        .both("what pods waited and ran is told of each cluster and of each pod", timeline)
        .both("a tree says how far each cluster is and what keeps it from going on", tree)
        .both("a tree that is watched ends with its job", watched)
        .both("a cluster that is silent costs a timeline and a tree one line", silent)
}

/// The timeline of `pi` as an object.
async fn told(stage: &Stage) -> Result<Value, libtest_mimic::Failed> {
    Ok(serde_json::from_str(&stage.federate("job timeline pi -o json").await.ok().stdout)?)
}

/// What the timeline says of one cluster.
fn of<'t>(told: &'t Value, cluster: &str) -> &'t Value {
    let mut clusters = told["clusters"].as_array().into_iter().flatten();
    clusters.find(|one| one["cluster"] == cluster).unwrap_or(&Value::Null)
}

async fn timeline(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(3))).await?.ok();
    for site in stage.members() {
        site.until_pods("pi", 1).await;
    }
    let (east, west) = (stage.site("east"), stage.site("west"));
    east.run("pi", 1).await?;
    west.run("pi", 1).await?;
    // The times of pods are whole seconds.
    tokio::time::sleep(Duration::from_secs(2)).await;
    east.succeed("pi", 1).await?;
    west.fail("pi", 1).await?;
    west.until_job("pi", "one has failed", |job| job["status"]["failed"] == 1).await;
    let told = told(stage).await?;
    assert_eq!(of(&told, "east")["pods"], 1, "{told}");
    assert_eq!(of(&told, "west")["failed"], 1, "{told}");
    assert_eq!(of(&told, "north")["ranSeconds"], 0, "{told}");
    let pods = told["pods"].as_array().ok_or("a list")?;
    let east = pods.iter().find(|pod| pod["cluster"] == "east").ok_or("a pod")?;
    for time in ["created", "started", "ended"] {
        let time: jiff::Timestamp = east[time].as_str().ok_or("a time")?.parse()?;
        assert!(jiff::Timestamp::now().duration_since(time).abs().as_secs() < 600, "{east}");
    }
    assert_eq!(east["status"], "Succeeded", "{east}");
    let north = pods.iter().find(|pod| pod["cluster"] == "north").ok_or("a pod")?;
    assert!(north["started"].is_null() && north["ended"].is_null(), "{north}");
    let failed = pods.iter().filter(|pod| pod["failed"] == true);
    assert!(failed.clone().all(|pod| pod["cluster"] == "west"), "{told}");
    assert_eq!(failed.count(), 1, "{told}");
    let ran = stage.federate("job timeline pi").await.ok();
    let rows: Vec<_> = ran.stdout.lines().collect();
    let named = |name: &str| rows.iter().find(|row| row.starts_with(name)).copied();
    assert!(named("west").is_some_and(|row| row.contains('✗')), "{ran:?}");
    assert!(named("north").is_some_and(|row| row.contains('░')), "{ran:?}");
    let svg = stage.federate("job timeline pi --pods -o svg").await.ok().stdout;
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{svg}");
    Ok(())
}

async fn tree(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let (east, north) = (stage.site("east"), stage.site("north"));
    east.run("pi", 1).await?;
    east.succeed("pi", 1).await?;
    north.until_pods("pi", 1).await;
    let message = "0/1 nodes are available: 1 Insufficient cpu.";
    let condition = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
        "message": message});
    north.report("pi", 1, &json!({"conditions": [condition]})).await?;
    let shown = real::until("what keeps north from going on", SOON, || async {
        let ran = stage.federate("job get pi --tree").await.ok();
        let is_there = ran.stdout.contains(message) && ran.stdout.contains(" 1/2 ");
        if is_there { Ok(ran) } else { Err(format!("{ran:?}")) }
    })
    .await;
    let lines: Vec<_> = shown.stdout.lines().collect();
    assert!(lines[0].starts_with("NAME"), "{shown:?}");
    assert!(lines[1].starts_with("pi ") && lines[1].contains(" 1/6 "), "{shown:?}");
    assert!(lines[2].starts_with("├─ east ") && lines[2].contains('█'), "{shown:?}");
    assert!(lines[3].starts_with("├─ north "), "{shown:?}");
    assert_eq!(lines[4], format!("│    1 pod: Unschedulable: {message}"));
    assert!(lines[5].starts_with("└─ west "), "{shown:?}");
    Ok(())
}

async fn watched(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(3))).await?.ok();
    let watching = stage.begin("job get pi --tree --watch");
    let playing = async {
        for site in stage.members() {
            site.succeed("pi", 1).await?;
        }
        Ok::<_, libtest_mimic::Failed>(())
    };
    let (ran, played) = tokio::join!(watching.run(), playing);
    played?;
    let ran = ran.ok();
    let last = ran.stdout.rsplit("\n\n").next().unwrap_or_default();
    let rows: Vec<_> = last.lines().collect();
    assert!(rows.len() == 5 && rows[1].contains("3/3"), "{ran:?}");
    assert!(rows[1..].iter().all(|row| row.contains("Complete")), "{ran:?}");
    assert!(!ran.stdout.contains('\u{1b}'), "{ran:?}");
    let nothing = stage.federate("job get nothing --tree --watch").await;
    nothing.fails("Error from server (NotFound): jobs.batch \"nothing\" not found");
    Ok(())
}

async fn silent(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    for site in stage.members() {
        site.run("pi", 1).await?;
    }
    stage.site("west").link.cut().await?;
    let ran = stage.federate("job timeline pi").await.fails("Warning: [west] ");
    assert!(ran.stdout.contains("\neast ") && !ran.stdout.contains("\nwest "), "{ran:?}");
    assert!(ran.stderr.starts_with("Warning: [west] "), "{ran:?}");
    let tree = stage.federate("job get pi --tree").await.ok();
    let mut lines = tree.stdout.lines().skip_while(|line| !line.starts_with("└─ west "));
    assert!(lines.next().is_some_and(|line| line.contains("Unknown")), "{tree:?}");
    assert!(lines.next().is_some_and(|line| line.starts_with("     ")), "{tree:?}");
    stage.site("west").link.restore().await?;
    Ok(())
}
