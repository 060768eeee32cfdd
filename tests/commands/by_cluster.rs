//! What one cluster has of a federated Job: `--by-cluster` and `--clusters`.

use std::time::Duration;

use crate::stage::{Event, Stage};

/// Rows of shards, and what is narrowed to clusters.
pub async fn by_cluster(snapshot: String) {
    let mut stage = Stage::federation().await;
    stage.quietly("job create -f pi.yaml").await;
    stage.quietly("job create -f fragile.yaml").await;
    stage.pass(Duration::from_mins(2));
    stage.succeed("east", "pi", 6);
    stage.succeed("west", "pi", 2);
    stage.pass(Duration::from_mins(3));
    stage.quietly("reconcile").await;
    for command in [
        "job get --by-cluster",
        "job get pi --by-cluster",
        "job get pi --clusters=west",
        "job get -A --by-cluster --clusters=west,east --no-headers",
        "job get pi --by-cluster -o wide --show-labels",
        "job get --by-cluster -l team=math",
        "job get --by-cluster --sort-by=.status.succeeded",
        "job get pi --by-cluster --sort-by=.status.state -o name",
        "job get pi --clusters=east -o yaml",
        "job get pi --by-cluster -o 'jsonpath={.items[*].status.cluster}{\"\\n\"}'",
        "job get pi --by-cluster -o custom-columns=CLUSTER:.status.cluster,DONE:.status.succeeded",
        "job get pi --tree --clusters=east",
        "job describe pi --clusters=west",
        "job events pi --clusters=west --types=Warning",
    ] {
        stage.types(command).await;
    }
    for verb in ["get", "describe", "events", "logs", "timeline"] {
        stage.about("unknown").types(&format!("job {verb} pi --clusters=east,mars")).await;
    }
    stage.types("job get --clusters=mars").await;
    stage.types("job get --clusters=mars -w").await;
    stage.types("job get --clusters=mars --tree -w").await;
    stage.about("mistyped").types("job get --clusters=west,eats").await;
    stage.types("job get --tree --by-cluster").await;
    stage.set_down("north", true);
    stage.about("a cluster is away").types("job get pi --by-cluster -o wide").await;
    stage.about("nothing is said of it").types("job get pi --clusters=east,west").await;
    stage.set_down("north", false);
    stage.quietly("cluster register spare").await;
    stage.about("a cluster has nothing of them");
    for command in [
        "job get --clusters=spare",
        "job get --clusters=spare -o name",
        "job get --clusters=spare --ignore-not-found",
        "job get pi --clusters=spare",
        "job describe pi --clusters=spare",
        "job events pi --clusters=spare --watch",
        "job get nothing --by-cluster",
    ] {
        stage.types(command).await;
    }
    stage.delete("north", "pi").await;
    stage.about("a shard is gone").types("job get pi --by-cluster").await;
    stage.end(&snapshot);
}

/// A watch of shards has a row for each that changed, and no other.
pub async fn watched() {
    let mut stage = Stage::federation().await;
    stage.quietly("job create -f pi.yaml").await;
    stage.pass(Duration::from_mins(15));
    stage.interrupts_after(Duration::from_secs(40));
    let succeed = |stage: &Stage| {
        stage.later(Duration::from_secs(10), "west", Event::Succeed("pi", 1));
        stage.later(Duration::from_secs(20), "east", Event::Succeed("pi", 1));
    };
    let words = |text: &str| {
        let row = |line: &str| line.split_whitespace().take(4).collect::<Vec<_>>().join(" ");
        text.lines().map(row).collect::<Vec<_>>()
    };
    succeed(&stage);
    let (_, shown, said) = stage.run("job get pi --by-cluster -w", None).await;
    let expected = [
        "CLUSTER NAME STATUS COMPLETIONS",
        "east pi Running 0/6",
        "north pi Running 0/6",
        "west pi Running 0/6",
        "west pi Running 1/6",
        "east pi Running 1/6",
    ];
    assert_eq!(words(&shown), expected, "{said}");
    succeed(&stage);
    let (_, shown, said) = stage.run("job get --clusters=west,east -w --no-headers", None).await;
    let expected = [
        "east pi Running 1/6",
        "west pi Running 1/6",
        "west pi Running 2/6",
        "east pi Running 2/6",
    ];
    assert_eq!(words(&shown), expected, "{said}");
    let shape = "'jsonpath={.status.cluster}:{.status.succeeded}{\"\\n\"}'";
    succeed(&stage);
    let (_, shown, said) = stage.run(&format!("job get --clusters=west -w -o {shape}"), None).await;
    assert_eq!(words(&shown), ["west:2", "west:3"], "{said}");
}
