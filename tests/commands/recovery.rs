//! What is said when records are rebuilt, saved, restored or moved.

use serde_json::{Value, json};

use crate::stage::Stage;

const RECORD: (&str, &str) = ("default", "pi.federated-job");
const REGISTRY: (&str, &str) = ("kubectl-federate", "federation");
const STATE: &str = "kubectl-federate.dev/state";
const SETTINGS: &str = "kubectl-federate.dev/settings";

/// Makes the registry the one of another federation.
pub async fn another_registry(stage: &Stage, uid: &str) {
    let host = stage.cluster("east").kube_system_uid();
    let settings = json!({"version": 3, "uid": uid, "host": host}).to_string();
    stage.annotate(REGISTRY, SETTINGS, &Value::from(settings)).await;
}

/// `job recover`.
pub async fn recover(snapshot: String) {
    let mut stage = Stage::federation().await;
    another_registry(&stage, "first").await;
    stage.about("no shards").types("job recover --all").await;
    stage.types("job recover pi").await;
    stage.types("job recover").await;
    stage.quietly("job create -f pi.yaml").await;
    stage.succeed("east", "pi", 2);
    stage.about("the record is there").types("job recover pi").await;
    stage.annotate(RECORD, STATE, &"{".into()).await;
    stage.about("a damaged record").types("reconcile pi").await;
    stage.types("job recover pi").await;
    stage.types("job recover pi --yes").await;
    stage.types("job describe pi").await;
    stage.quietly("job delete pi").await;
    stage.set_down("west", true);
    stage.about("a record that is gone, and a cluster that is away");
    stage.types("job recover --all --yes").await;
    stage.types("job get pi").await;
    stage.types("job describe pi").await;
    stage.types("job scale pi --completions=24").await;
    stage.set_down("west", false);
    stage.about("it is back").types("reconcile pi").await;
    stage.quietly("job delete pi").await;
    stage.delete("north", "pi").await;
    another_registry(&stage, "another").await;
    stage.about("a registry that was made anew, and a shard that is gone");
    stage.types("job recover --all --yes").await;
    stage.types("job recover --all --federation=first --yes").await;
    stage.quietly("job delete pi").await;
    another_registry(&stage, "second").await;
    stage.quietly("job create -f several/euler.yaml").await;
    stage.quietly("job delete euler").await;
    another_registry(&stage, "third").await;
    stage.about("jobs of two federations").types("job recover --all").await;
    stage.types("job recover --all --federation=fourth").await;
    stage.types("job recover --all --federation=second --yes").await;
    stage.types("job recover pi --yes").await;
    stage.end(&snapshot);
}

/// `backup` and `restore`.
pub async fn backup(snapshot: String) {
    let mut stage = Stage::federation().await;
    stage.quietly("job create -f pi.yaml").await;
    stage.about("to a file").types("backup ~/federation.yaml").await;
    stage.shows("federation.yaml");
    stage.types("backup ~/federation.json").await;
    stage.about("nothing has changed").types("restore ~/federation.json").await;
    stage.succeed("east", "pi", 2);
    stage.pass(std::time::Duration::from_mins(1));
    stage.quietly("reconcile pi").await;
    stage.quietly("cluster register west --weight=3").await;
    stage.about("older than what is there").types("restore ~/federation.yaml").await;
    stage.types("restore ~/federation.yaml --yes").await;
    stage.types("restore ~/federation.yaml --replace-newer").await;
    stage.types("restore ~/federation.yaml --replace-newer --yes").await;
    stage.quietly("reconcile pi").await;
    stage.about("a new host").types("restore ~/federation.yaml --context=spare").await;
    stage.types("restore ~/federation.yaml --context=spare --yes").await;
    stage.types("reconcile pi").await;
    stage.about("the host that is remembered").types("restore ~/federation.yaml --yes").await;
    stage.write(".kube/federate.yaml", "");
    stage.about("no host is named").types("restore ~/federation.yaml --yes").await;
    stage.quietly("init --context=spare").await;
    stage.about("the host before").types("job get --context=east").await;
    stage.about("what is no backup").types("restore pi.yaml").await;
    stage.types("restore several/notes.txt").await;
    stage.types("restore missing.yaml").await;
    stage.write("newer.yaml", "{apiVersion: kubectl-federate.dev/v1, kind: Backup, version: 99}");
    stage.types("restore ~/newer.yaml").await;
    stage.types("backup missing/").await;
    stage.end(&snapshot);
}

/// What is said and saved where a record cannot be read, and restored of that.
pub async fn damaged(snapshot: String) {
    let mut stage = Stage::federation().await;
    stage.quietly("job create -f pi.yaml").await;
    stage.quietly("job create -f several/euler.yaml").await;
    let healthy = stage.annotate(RECORD, STATE, &"{".into()).await;
    stage.about("a damaged record").types("cluster list").await;
    stage.types("orphans list").await;
    stage.types("cluster drain west --timeout=1s").await;
    stage.quietly("cluster uncordon west").await;
    stage.about("it is left out").types("backup ~/federation.yaml").await;
    stage.about("the host has what is damaged").types("restore ~/federation.yaml").await;
    stage.annotate(RECORD, STATE, &healthy).await;
    stage.about("the host has the record").types("restore ~/federation.yaml").await;
    stage.types("job get").await;
    stage
        .about("a new host does not")
        .types("restore ~/federation.yaml --context=spare --yes")
        .await;
    stage.types("job get pi").await;
    stage.types("orphans clean --yes --running").await;
    stage.types("job recover pi --yes").await;
    stage.types("job get").await;
    stage.end(&snapshot);
}

/// What may have been done since a backup, and settings that a restore takes back.
pub async fn restored(snapshot: String) {
    let mut stage = Stage::federation().await;
    stage.quietly("job create -f pi.yaml").await;
    stage.quietly("backup ~/federation.yaml").await;
    for later in ["cluster lease north 30m", "cluster label north tier=test", "cluster cordon west"]
    {
        stage.quietly(later).await;
    }
    stage.succeed("east", "pi", 2);
    stage.pass(std::time::Duration::from_mins(1));
    stage.quietly("reconcile pi").await;
    stage.delete("west", "pi").await;
    stage.types("restore ~/federation.yaml --replace-newer").await;
    stage.quietly("restore ~/federation.yaml --replace-newer --yes").await;
    stage.about("what no cluster has any more").types("reconcile").await;
    stage.types("reconcile").await;
    stage.types("job describe pi").await;
    stage.about("nobody is asked").types("reconcile pi --reopen").await;
    stage.types("reconcile pi --reopen --yes").await;
    stage.types("job get pi").await;
    stage.end(&snapshot);
}

/// `init --from`.
pub async fn relocate(snapshot: String) {
    let mut stage = Stage::federation().await;
    stage.quietly("job create -f pi.yaml").await;
    stage.about("to itself").types("init --from=east --context=east").await;
    stage.about("to another host").types("init --from=east --context=spare").await;
    stage.types("reconcile pi").await;
    stage.about("again").types("init --from=east --context=spare").await;
    stage.about("the old host").types("job get --context=east").await;
    stage.types("cluster register east --context=east").await;
    let east = stage.cluster("east").kube_system_uid();
    stage.write(".kube/federate.yaml", &format!("host: {{context: east, uid: {east}}}\n"));
    stage.about("somebody who remembers the old host").types("init --context=spare").await;
    stage.about("to a third host").types("init --from=east --context=west").await;
    stage.about("back").types("init --from=spare --context=east").await;
    stage.types("job get").await;
    stage.end(&snapshot);
}
