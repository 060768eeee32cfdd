//! Clusters are cordoned, labelled and weighed, while they answer and while they do not.

use crate::scenarios::{Outcome, Scenarios};
use crate::stage::{MEMBERS, Stage, job};

pub fn scenarios() -> Scenarios {
    Scenarios::of("member_changes")
        .both_from_nothing("a cordoned cluster gets no new work, and its work goes on", cordoned)
        .both_from_nothing("nothing of this needs an answer from the cluster", unanswered)
        .both_from_nothing("the list shows what each cluster carries", carried)
}

async fn federation(stage: &Stage) {
    stage.federate("init --context=host").await.ok();
    for member in MEMBERS {
        stage.federate(&format!("cluster register {member}")).await.ok();
    }
}

async fn cordoned(stage: &Stage) -> Outcome {
    federation(stage).await;
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    stage.federate("cluster cordon west").await.ok().says("cluster/west cordoned");
    stage.federate("cluster cordon west").await.ok().says("cluster/west already cordoned");
    let mut tau = job("tau", Some(4), Some(8));
    let preferences = r#"{"clusters": {"west": {"weight": 3}, "*": {"weight": 1}}}"#;
    tau["metadata"]["annotations"] =
        serde_json::json!({"federation.kubernetes.io/job-preferences": preferences});
    stage.create(&tau).await?.ok();
    assert_eq!(stage.shares("tau").await?, ["east 2/4", "north 2/4"], "whatever they say");
    stage.federate("job scale pi --parallelism=6 --completions=12").await.ok();
    let names = stage.site("west").names("jobs").await?;
    assert_eq!(names, ["pi"], "no further shard");
    stage.federate("cluster register west --weight=2").await.ok();
    stage.federate("cluster list").await.ok().says("Cordoned");
    stage.federate("cluster uncordon west").await.ok().says("cluster/west uncordoned");
    stage.create(&job("phi", Some(4), Some(8))).await?.ok();
    assert_eq!(stage.shares("phi").await?, ["east 1/2", "north 1/2", "west 2/4"]);
    Ok(())
}

async fn unanswered(stage: &Stage) -> Outcome {
    federation(stage).await;
    let west = stage.site("west");
    west.link.cut().await?;
    let mark = west.mark().await?;
    for (command, said) in [
        ("cluster label west region=eu tier=test", "cluster/west labeled"),
        ("cluster label west tier-", "cluster/west unlabeled"),
        ("cluster label west tier-", "cluster/west not labeled"),
        ("cluster weight west 5", "cluster/west configured"),
        ("cluster weight west 5", "cluster/west unchanged"),
        ("cluster cordon west north", "cluster/north cordoned"),
        ("cluster lost west --yes", "cluster/west declared lost"),
        ("cluster unregister west", "cluster \"west\" unregistered"),
    ] {
        stage.federate(command).await.ok().says(said);
        if command == "cluster weight west 5" {
            let listed = stage.federate("cluster list -l region=eu -o json").await.ok();
            let list: serde_json::Value = serde_json::from_str(&listed.stdout)?;
            let found = &list["items"][0];
            assert_eq!(found["metadata"]["labels"], serde_json::json!({"region": "eu"}));
            assert_eq!(
                (list["items"].as_array().map(Vec::len), &found["spec"]["weight"]),
                (Some(1), &serde_json::json!(5))
            );
        }
    }
    stage.federate("cluster cordon west").await.fails("cluster \"west\" is not registered");
    assert_eq!(west.mutations(mark).await?, Vec::<String>::new());
    Ok(())
}

async fn carried(stage: &Stage) -> Outcome {
    federation(stage).await;
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    for site in stage.members() {
        site.until_pods("pi", 1).await;
    }
    stage.until_row("pi", "Running 0/6").await;
    real::until("the pods to be counted", crate::stage::SOON, || async {
        stage.federate("reconcile pi").await.ok();
        let listed = stage.federate("cluster list --no-headers").await.ok();
        let carries = |line: &str| {
            let row: Vec<_> = line.split_whitespace().collect();
            row.get(5..7) == Some(&["1", "1"])
        };
        if listed.stdout.lines().all(carries) { Ok(()) } else { Err(listed.stdout) }
    })
    .await;
    Ok(())
}
