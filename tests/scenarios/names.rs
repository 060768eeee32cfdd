//! Names and selectors: what a second shard of a Job in the same cluster needs.

use serde_json::{Value, json};

use crate::scenarios::{Outcome, Scenarios};
use crate::stage::{Stage, job};

pub fn scenarios() -> Scenarios {
    Scenarios::of_any_version("names")
        .both(
            "a supplement of a job with the longest name has one that is cut and its own",
            longest,
        )
        .both(
            "an indexed job whose pods' names would be too long is refused before any write",
            indexed,
        )
        .both("a selector of one's own keeps a second shard out of a cluster", manual_selector)
}

async fn longest(stage: &Stage) -> Outcome {
    let (one, two) = ("a".repeat(63), format!("{}b", "a".repeat(62)));
    let mut supplements = Vec::new();
    for name in [&one, &two] {
        stage.create(&job(name, Some(3), Some(6))).await?.ok();
        stage.site("west").delete(name).await?;
        stage.federate(&format!("reconcile {name} --reopen")).await.ok();
    }
    for site in stage.members() {
        let names = site.names("jobs").await?;
        supplements.extend(names.into_iter().filter(|name| ![&one, &two].contains(&name)));
    }
    supplements.sort();
    let count = supplements.len();
    supplements.dedup();
    assert!(
        count == supplements.len() && count >= 2,
        "the shards of two jobs have different names: {supplements:?}"
    );
    for name in &supplements {
        assert!(name.len() <= 63 && name.starts_with("aaaaaaaaaa") && name.contains('-'), "{name}");
    }
    for name in [&one, &two] {
        assert_eq!(stage.row(name).await, "Running 0/6");
    }
    Ok(())
}

async fn indexed(stage: &Stage) -> Outcome {
    let before = stage.mark().await?;
    // `NAME-10` would have 64 characters, but each shard alone would have fewer indexes.
    let name = "a".repeat(61);
    let mut long = job(&name, Some(3), Some(11));
    long["spec"]["completionMode"] = "Indexed".into();
    stage.create(&long).await?.fails("metadata.name: will not allow pods of an Indexed Job");
    stage.assert_nothing_of(&name, &before).await
}

fn selecting() -> Value {
    let mut job = job("pi", Some(3), Some(6));
    job["spec"]["manualSelector"] = true.into();
    job["spec"]["selector"] = json!({"matchLabels": {"app": "pi"}});
    job["spec"]["template"]["metadata"] = json!({"labels": {"app": "pi"}});
    job
}

async fn manual_selector(stage: &Stage) -> Outcome {
    stage.create(&selecting()).await?.ok();
    for site in stage.members() {
        let job = site.job("pi").await?;
        assert_eq!(job["spec"]["selector"], json!({"matchLabels": {"app": "pi"}}), "{}", site.name);
    }
    let before = stage.mark().await?;
    stage.federate("job scale pi --completions=12").await.fails("spec.manualSelector");
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    Ok(())
}
