//! Transcripts of the verbs that change members without asking them.

use crate::stage::Stage;

/// `cluster label` and `cluster weight`.
pub async fn label(snapshot: String) {
    let mut stage = Stage::federation().await;
    for command in [
        "cluster label west region=eu tier=test",
        "cluster label west region=eu",
        "cluster label west tier- region=us",
        "cluster label west tier- region=us --overwrite",
        "cluster label west tier-",
        "cluster label west region- region=us",
        "cluster label west region",
        "cluster label south region=eu",
        "cluster weight west 2",
        "cluster weight west 2",
        "cluster weight west -1",
        "cluster list -l region=us -o wide",
        "cluster list -l region=eu",
    ] {
        stage.types(command).await;
    }
    stage.end(&snapshot);
}

/// `cluster lease`, and leases of Jobs.
pub async fn lease(snapshot: String) {
    let mut stage = Stage::federation().await;
    let queued = "name: queued\n  labels: {kueue.x-k8s.io/queue-name: team}\n";
    let pi = std::fs::read_to_string("pi.yaml").expect("it is there");
    stage.write("queued.yaml", &pi.replacen("name: pi\n", queued, 1));
    for command in [
        "cluster lease west 30m",
        "cluster lease west 30m",
        "cluster lease south 30m",
        "cluster lease west 59s",
        "cluster lease west soon",
        "cluster register west --lease=1h30m",
        "cluster list -o wide",
        "job create -f pi.yaml",
        "job describe pi",
        "job create -f ~/queued.yaml --dry-run=client",
        "cluster lease west none",
        "cluster register west --lease=none",
    ] {
        stage.types(command).await;
    }
    stage.end(&snapshot);
}

/// `cluster cordon` and `cluster uncordon`.
pub async fn cordon(snapshot: String) {
    let mut stage = Stage::federation().await;
    for command in [
        "cluster cordon west north",
        "cluster cordon west south",
        "cluster cordon west noth",
        "cluster list",
        "job create -f pi.yaml",
        "cluster uncordon west north",
        "cluster uncordon west",
    ] {
        stage.types(command).await;
    }
    stage.end(&snapshot);
}

/// `cluster drain`.
pub async fn drain(snapshot: String) {
    let mut stage = Stage::federation().await;
    stage.about("it carries nothing").types("cluster drain north").await;
    stage.types("cluster uncordon north").await;
    stage.quietly("job create -f pi.yaml").await;
    stage.about("pods run").types("cluster drain west --timeout=1s").await;
    stage.types("cluster list").await;
    stage.types("cluster drain west --timeout=soon").await;
    stage.types("cluster drain south").await;
    stage.quietly("job create -f several").await;
    stage.set_down("west", true);
    stage.about("it does not answer").types("cluster drain west").await;
    stage.end(&snapshot);
}

/// `cluster lost`, and the return of the cluster.
pub async fn lost(snapshot: String) {
    let mut stage = Stage::federation().await;
    stage.about("it answers").types("cluster lost north").await;
    stage.about("it carries nothing").types("cluster lost north --yes").await;
    stage.types("cluster uncordon north").await;
    stage.quietly("job create -f pi.yaml").await;
    for cluster in ["east", "west", "north"] {
        stage.succeed(cluster, "pi", 2);
    }
    stage.quietly("reconcile pi").await;
    stage.set_down("west", true);
    stage.about("nobody can be asked").types("cluster lost west").await;
    stage.about("the user said so").types("cluster lost west --yes").await;
    stage.types("cluster list").await;
    stage.types("job get pi").await;
    stage.types("job describe pi").await;
    stage.set_down("west", false);
    stage.succeed("west", "pi", 1);
    stage.types("job get pi -o wide").await;
    stage.about("it returns").types("reconcile pi").await;
    stage.about("again").types("reconcile pi").await;
    stage.types("cluster uncordon west").await;
    stage.end(&snapshot);
}

/// `cluster check`.
pub async fn check(snapshot: String) {
    let mut stage = Stage::with_users(&[
        ("reader", |access| ["get", "list"].contains(&access.verb.as_str())),
        ("nobody", |_| false),
    ]);
    stage.federate(["east", "west", "north"]).await;
    stage.types("cluster check").await;
    stage.types("cluster check west --all-namespaces -o wide --no-headers").await;
    stage.types("cluster check north --output=yaml").await;
    stage.types("cluster check --output=name").await;
    stage.types("cluster check south").await;
    stage.about("nothing is missing").types("cluster check west --print-rbac").await;
    stage.types("cluster check --print-rbac").await;
    let east = stage.cluster("east").kube_system_uid();
    let config =
        |members: &str| format!("host: {{context: east, uid: {east}}}\ncontexts: {{{members}}}\n");
    stage.write(".kube/federate.yaml", &config("west: reader@west, north: spare"));
    stage
        .about("a user with few rights, and a context that leads elsewhere")
        .types("cluster check")
        .await;
    stage.types("cluster check west --print-rbac -n math").await;
    stage.types("cluster check north --print-rbac").await;
    stage.set_down("west", true);
    stage.write(".kube/federate.yaml", &config(""));
    stage.about("one does not answer").types("cluster check").await;
    stage.types("cluster check west --print-rbac").await;
    stage.quietly("cluster lost west --yes").await;
    stage.about("it need not").types("cluster check").await;
    stage
        .about("a user without rights on the host")
        .types("cluster check --context=nobody@east")
        .await;
    stage.types("cluster check --host --print-rbac --all-namespaces --context=nobody@east").await;
    stage.types("cluster check west --context=nobody@east").await;
    stage.end(&snapshot);
}
