//! Somebody removes the entry of a shard from a record between two requests of a command. Nothing
//! runs twice: the record is damaged, and a recovery takes the shard in again.

use serde_json::json;
use sim::{CONFIG_MAPS, Cluster};

use super::net::Fate;
use super::stage::Stage;

/// The entry of a shard whose Job runs.
const ENTRY: &str = "shard.kubectl-federate.dev/2";

fn remove(host: &Cluster) {
    let patch = json!({"metadata": {"annotations": {ENTRY: null}}});
    host.patch(&CONFIG_MAPS, "default", "pi.federated-job", patch).expect("it is there");
}

/// Removes the entry before each request of a command.
async fn removed(command: &str) {
    for at in 0.. {
        let stage = Stage::running().await;
        let host = stage.clusters[0].clone();
        stage.net.watch(move |sent, _| {
            if sent.number == at {
                remove(&host);
            }
            Fate::Pass
        });
        let ran = stage.run(command).await;
        let is_over = stage.net.sent().len() <= at;
        stage.net.heal();
        if is_over {
            println!("{command}: {at} cases");
            return;
        }
        let what = format!("{command} at {at}: {ran:?}");
        let damaged = stage.run("reconcile pi").await;
        assert!(damaged.code == 1 && damaged.stderr.contains(ENTRY), "{what}: {damaged:?}");
        let recovered = stage.must("job recover pi --yes").await;
        assert!(recovered.stdout.contains("job.batch/pi recovered"), "{what}: {recovered:?}");
        stage.must("job scale pi --parallelism=4").await;
        stage.settle().await;
        stage.completes().await;
        stage.unbroken();
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_is_reconciled_while_an_entry_is_removed() {
    removed("reconcile").await;
}

#[tokio::test(start_paused = true)]
async fn a_job_is_edited_while_an_entry_is_removed() {
    removed("job scale pi --parallelism=6").await;
}
