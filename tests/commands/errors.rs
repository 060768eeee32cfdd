//! What can be done wrong: each a sentence on stderr, and exit code 1.

use serde_json::Value;
use sim::Cluster;

use crate::stage::Stage;

/// The registry's ConfigMap, by namespace and name.
pub const REGISTRY: (&str, &str) = ("kubectl-federate", "federation");

/// The ConfigMap of the Job `pi`.
pub const PI: (&str, &str) = ("default", "pi.federated-job");

/// A text of so many characters that gzip makes a third smaller at most.
pub fn incompressible(length: usize) -> String {
    let mut state = 7_u64;
    let letter = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from_digit(u32::try_from(state >> 33).unwrap_or(0) % 36, 36).unwrap_or('x')
    };
    (0..length).map(letter).collect()
}

/// Of what is given with `-f`.
pub async fn manifests(snapshot: String) {
    let mut stage = Stage::federation().await;
    stage.write("large.yaml", &"# as large as can be\n".repeat(1 << 20));
    stage.write("empty/notes.txt", "");
    let pi = std::fs::read_to_string("pi.yaml").expect("it is there");
    let note = format!("metadata:\n  annotations: {{note: {}}}\n", incompressible(1 << 20));
    stage.write("megabyte.yaml", &pi.replacen("metadata:\n", &note, 1));
    let binary = stage.path("binary.yaml");
    std::fs::write(binary, [0xff, 0x00, 0x80]).expect("a file that can be written");
    for file in [
        "nothing.yaml",
        "~/empty",
        "empty.yaml",
        "broken.yaml",
        "broken.json",
        "duplicate-key.yaml",
        "list.yaml",
        "~/binary.yaml",
        "~/large.yaml",
        "~/megabyte.yaml",
        "https://example.com/pi.yaml",
        "no-kind.yaml",
        "no-version.yaml",
        "no-spec.yaml",
        "service.yaml",
        "no-name.yaml",
        "bad-name.yaml",
        "long-name.yaml",
        "negative.yaml",
        "text-count.yaml",
        "too-large-count.yaml",
        "negative.yaml,bad-name.yaml,pi.yaml",
        "twice.yaml",
        "pi.yaml,several,several/phi.yaml",
        "preferences-json.yaml",
        "preferences-field.yaml",
        "preferences-negative.yaml",
        "preferences-limits.yaml",
        "preferences-stranger.yaml",
        "preferences-nobody.yaml",
        "preferences-room.yaml",
        "invalid.yaml",
        "unknown-field.yaml",
    ] {
        stage.types(&format!("job create -f {file}")).await;
    }
    stage.about("a namespace that differs").types("job create -f elsewhere.yaml -n default").await;
    stage.about("a namespace that is not there").types("job create -f pi.yaml -n nowhere").await;
    stage.about("standard input is no manifest").piped("hello\n").types("job create -f -").await;
    stage.piped("").types("job create -f -").await;
    stage.types("job create --filename=-,-").await;
    for cluster in ["east", "west", "north"] {
        let cluster = stage.cluster(cluster);
        assert!(cluster.list(&sim::JOBS, "").is_empty(), "no Job is written by what is refused");
    }
    stage.end(&snapshot);
}

/// Of names that are taken.
pub async fn taken(snapshot: String) {
    let mut stage = Stage::federation().await;
    let again = "job create -f pi.yaml";
    stage.quietly(again).await;
    stage.about("it runs").types(again).await;
    stage.types("job create -f pi.yaml --dry-run=client").await;
    for cluster in ["east", "west", "north"] {
        stage.succeed(cluster, "pi", 6);
    }
    stage.quietly("reconcile").await;
    stage.about("it has ended").types(again).await;
    stage.set_down("west", true);
    stage.about("it is being deleted").types("job delete pi --cascade=background").await;
    stage.types(again).await;
    stage.set_down("west", false);
    stage.quietly("reconcile").await;
    stage.set_down("west", true);
    stage.about("it was begun").types(again).await;
    stage.types(again).await;
    stage.about("several were begun").types("job create -f several").await;
    stage.set_down("west", false);
    let several = "job create -f pi.yaml,several,fragile.yaml";
    stage.about("some of several are there").types(several).await;
    stage.types(&format!("{several} --dry-run=client")).await;
    stage.types("job get fragile").await;
    stage.end(&snapshot);
}

/// Of kubeconfigs, contexts, rights and servers.
pub async fn clusters(snapshot: String) {
    let mut stage = Stage::with_users(&[
        ("nobody", |_| false),
        ("reader", |access| ["get", "list"].contains(&access.verb.as_str())),
        ("recorder", |access| {
            access.resource != "jobs" || !["create", "delete"].contains(&access.verb.as_str())
        }),
    ]);
    stage.about("no host").types("job get").await;
    stage.federate(["east", "west", "north"]).await;
    stage.quietly("job create -f pi.yaml").await;
    for command in [
        "job get --context=mars",
        "job get --cluster=mars",
        "job get --user=jane",
        "job get --kubeconfig=nothing.yaml",
        "job get --kubeconfig=broken.yaml",
        "job get --context=spare",
        "init --context=nobody@spare",
        "init --context=stranger@spare",
        "job get --context=nobody@east",
        "job get --context=stranger@east",
        "job create -f generated.yaml --context=reader@east",
        "job delete pi --context=reader@east",
        "job delete pi --context=reader@east --dry-run=client",
        "job delete pi --context=reader@east --dry-run=server",
        "cluster register spare --context=reader@east",
        "cluster unregister west --context=reader@east",
        "job get --request-timeout=soon",
        "job get --server=https://nowhere.example.com",
        "job get --server=:",
        "job get --as-uid=7",
    ] {
        stage.types(command).await;
    }
    stage.about("the contexts of the members lead to other clusters");
    stage.write(
        ".kube/federate.yaml",
        &remembered(stage.cluster("east"), "{north: spare, west: mars}"),
    );
    stage.types("job get").await;
    stage.types("job create -f generated.yaml").await;
    stage.types("cluster list").await;
    stage.about("a context leads to another member: nothing is lost");
    stage.write(
        ".kube/federate.yaml",
        &remembered(stage.cluster("east"), "{north: west, west: east}"),
    );
    stage.types("job get").await;
    stage.types("cluster check north west").await;
    stage.about("a right is missing in one cluster");
    stage.write(
        ".kube/federate.yaml",
        &remembered(stage.cluster("east"), "{north: recorder@north}"),
    );
    stage.types("job create -f generated.yaml").await;
    stage.types("job delete pi --dry-run=server --cascade=background").await;
    stage.about("a credential is refused in one cluster");
    stage.write(
        ".kube/federate.yaml",
        &remembered(stage.cluster("east"), "{north: stranger@north}"),
    );
    stage.types("job create -f generated.yaml").await;
    stage.about("the same of a job that is there");
    stage.types("job get pi").await;
    stage.types("job describe pi").await;
    stage.types("cluster list").await;
    stage.types("cluster check north").await;
    stage.about("a user who may nothing in one cluster");
    stage.write(".kube/federate.yaml", &remembered(stage.cluster("east"), "{north: nobody@north}"));
    stage.types("job get pi").await;
    stage.types("cluster list").await;
    stage.types("reconcile pi").await;
    stage.about("the host's context leads to another cluster");
    stage.write(".kube/federate.yaml", &remembered(stage.cluster("west"), "{}"));
    stage.types("job get").await;
    stage.about("the host is away");
    stage.write(".kube/federate.yaml", &remembered(stage.cluster("east"), "{}"));
    stage.set_down("east", true);
    stage.types("job get").await;
    stage.types("job create -f pi.yaml").await;
    stage.end(&snapshot);
}

/// A configuration of the user in which `east` is the host, with the identity of a cluster.
fn remembered(host: &Cluster, contexts: &str) -> String {
    format!("host:\n  context: east\n  uid: {}\ncontexts: {contexts}\n", host.kube_system_uid())
}

/// Of what is kept on the host and on the user's machine.
pub async fn state(snapshot: String) {
    let mut stage = Stage::federation().await;
    stage.quietly("job create -f pi.yaml").await;
    stage.quietly("job create -f several").await;
    for (key, value) in [
        ("kubectl-federate.dev/settings", Value::Null),
        ("kubectl-federate.dev/settings", "{}".into()),
        ("kubectl-federate.dev/settings", r#"{"version":99,"keys":{}}"#.into()),
        ("member.kubectl-federate.dev/west", "{".into()),
        ("member.kubectl-federate.dev/west", r#"{"context":"west","uid":"u"}"#.into()),
    ] {
        let healthy = stage.annotate(REGISTRY, key, &value).await;
        stage.about(&format!("the registry: {key}: {value}")).types("cluster list").await;
        stage.annotate(REGISTRY, key, &healthy).await;
    }
    for (key, value) in [
        ("kubectl-federate.dev/state", Value::Null),
        ("kubectl-federate.dev/state", "null".into()),
        ("kubectl-federate.dev/state", r#"{"version":99}"#.into()),
        ("kubectl-federate.dev/manifest", r#"{"kind":"Job"}"#.into()),
        ("kubectl-federate.dev/manifest", "[".into()),
        (
            "shard.kubectl-federate.dev/1",
            r#"{"cluster":"east","parallelism":-3,"phase":"started"}"#.into(),
        ),
        (
            "shard.kubectl-federate.dev/one",
            r#"{"cluster":"east","parallelism":3,"phase":"started"}"#.into(),
        ),
        ("shard.kubectl-federate.dev/2", Value::Null),
    ] {
        let healthy = stage.annotate(PI, key, &value).await;
        stage.about(&format!("a job: {key}: {value}")).types("job get pi").await;
        stage.annotate(PI, key, &healthy).await;
    }
    let key = "kubectl-federate.dev/state";
    let healthy = stage.annotate(PI, key, &"{}".into()).await;
    stage.about("one of several").types("job get").await;
    stage.types("job describe").await;
    stage.types("reconcile").await;
    stage.types("job delete pi").await;
    stage.types("job create -f pi.yaml").await;
    stage.types("cluster unregister west").await;
    stage.annotate(PI, key, &healthy).await;
    stage.about("the user's configuration");
    stage.write("ours.yaml", "hosts: []\n");
    stage.set("KUBECTL_FEDERATE_CONFIG", "~/ours.yaml");
    stage.types("job get").await;
    stage.set("KUBECTL_FEDERATE_CONFIG", "~/ours.yaml/below");
    stage.types("init").await;
    stage.set("KUBECTL_FEDERATE_CONFIG", "~/.kube");
    stage.types("job get").await;
    stage.set("KUBECTL_FEDERATE_CONFIG", "/dev/full/federate.yaml");
    stage.types("init").await;
    stage.set("KUBECTL_FEDERATE_CONFIG", "");
    stage.set("KUBECONFIG", "~/.kube/config");
    stage.set("HOME", "");
    stage.about("no home directory").types("init").await;
    stage.end(&snapshot);
}

/// Of what is typed.
pub async fn command_line(snapshot: String) {
    let mut stage = Stage::new();
    stage.quietly("init").await;
    for command in [
        "jbo get",
        "foo",
        "config",
        "create -f pi.yaml",
        "list",
        "help config",
        "job",
        "job foo",
        "job got",
        "job get --fo",
        "job get --outptu=json",
        "job get -x",
        "job get -Axe",
        "job get --context=east -Zabc",
        "job get -o",
        "job get --no-headers=maybe",
        "job get --all-namespaces=",
        "job create",
        "job create -f",
        "job create --filename",
        "job delete",
        "cluster unregister",
        "cluster register",
        "job create pi.yaml",
        "job create -f pi.yaml --dry-run=maybe",
        "job create -f pi.yaml --dry-run maybe",
        "job create -f ''",
        "job create -f pi.yaml --create-namespace=yes",
        "job delete pi --cascade=later",
        "job get --context",
        "job get --context a --context b",
        "job get -v=loud",
        "job get -v=-1",
        "job get --color=pink",
        "init here",
        "version --client extra",
        "cluster register spare --weight=heavy",
        "cluster weight spare -1",
        "cluster label spare <KEY",
        "job scale pi --parallelism -1",
        "backup ~/nowhere/federation.yaml",
    ] {
        stage.types(command).await;
    }
    stage.about("what is as in kubectl");
    for command in [
        "job get -A=false --no-headers=true",
        "job get --all-namespaces=true",
        "job get -A -n nowhere",
        "job get -nwork",
        "job -n work get",
        "-n=work jobs get",
        "job get -v 0 --color never -s https://east.example.com",
        "clusters list --insecure-skip-tls-verify=false --disable-compression",
        "job create -R=false -f empty.yaml",
    ] {
        stage.types(command).await;
    }
    stage.end(&snapshot);
}
