//! `job delete`, where shards are gone and clusters are away.

use crate::stage::Stage;

pub async fn deletions(snapshot: String) {
    let mut stage = Stage::federation().await;
    stage.quietly("job create -f pi.yaml").await;
    stage.delete("west", "pi").await;
    stage
        .about("a job is not listed: whether it is gone is not known")
        .types("job delete pi --cascade=orphan")
        .await;
    for cluster in ["east", "north"] {
        stage.delete(cluster, "pi").await;
    }
    stage.quietly("job create -f pi.yaml").await;
    stage.set_down("north", true);
    stage.about("a cluster is away").types("job delete pi --cascade=orphan").await;
    let mut stage = stage.anew().await;
    stage.quietly("job create -f pi.yaml").await;
    for cluster in ["east", "west", "north"] {
        stage.delete(cluster, "pi").await;
    }
    stage.about("no job is listed").types("job delete pi --cascade=orphan").await;
    let mut stage = stage.anew().await;
    stage.quietly("job create -f pi.yaml").await;
    stage.cluster("west").on_request(|_| sim::Verdict::Hang(sim::When::Before));
    let begun = tokio::time::Instant::now();
    stage
        .about("nobody waits, and a cluster hangs")
        .types("job delete pi --cascade=background --wait=false")
        .await;
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
    stage.cluster("west").on_request(|_| sim::Verdict::Pass);
    stage.about("the next reconcile does the rest").types("reconcile").await;
    stage.types("job get").await;
    stage.end(&snapshot);
}
