//! Every verb as it is meant to be used, and what it says when a cluster is away.

use std::time::Duration;

use crate::stage::Stage;

const MINUTE: Duration = Duration::from_mins(1);

/// The help texts.
pub async fn help(snapshot: String) {
    let mut stage = Stage::new();
    for command in [
        "",
        "--help",
        "-h",
        "init --help",
        "cluster",
        "cluster --help",
        "cluster register --help",
        "cluster match --help",
        "cluster list -h",
        "cluster label --help",
        "cluster weight --help",
        "cluster lease --help",
        "cluster cordon --help",
        "cluster uncordon --help",
        "cluster drain --help",
        "cluster lost --help",
        "cluster unregister --help",
        "job --help",
        "job create --help",
        "job apply --help",
        "job diff --help",
        "job get --help",
        "job describe --help",
        "job scale --help",
        "job suspend --help",
        "job resume --help",
        "job edit --help",
        "job patch --help",
        "job retry --help",
        "job delete --help",
        "job recover --help",
        "backup --help",
        "restore --help",
        "reconcile --help",
        "orphans --help",
        "orphans list --help",
        "orphans clean --help",
        "version --help",
        "options",
        "help",
        "help job get",
        "help cluster",
        "help job foo",
    ] {
        stage.types(command).await;
    }
    stage.end(&snapshot);
}

/// `init`.
pub async fn init(snapshot: String) {
    let mut stage = Stage::new();
    stage.about("the current context").types("init").await;
    stage.about("again").types("init").await;
    stage.about("another host, on a terminal").answers("init --context=west", "no\n").await;
    stage.about("another host").types("init --context=west").await;
    stage.quietly("cluster register west").await;
    stage.about("a host with members").types("init --context west").await;
    stage.about("back").answers("init --context east", "yes\n").await;
    stage.about("a host that no context leads to").types("init --cluster=west").await;
    stage.about("it is not the host of what follows").types("cluster list -o name").await;
    stage.end(&snapshot);
}

/// `cluster register`.
pub async fn register(snapshot: String) {
    let mut stage = Stage::with_users(&[
        ("reader", |access| ["get", "list"].contains(&access.verb.as_str())),
        ("blind", |_| false),
    ]);
    stage.quietly("init").await;
    stage.about("by the name of its context").types("cluster register east").await;
    stage
        .about("by another name")
        .types(
            "cluster register europe --cluster-context=west --weight=2 --label=zone=eu --label \
            cloud=gke",
        )
        .await;
    stage
        .about("a name made from the context's")
        .types("clusters register --cluster-context=reader@north")
        .await;
    stage.about("again").types("cluster register east").await;
    stage
        .about("what is given anew is changed, the rest stays")
        .types("cluster register east --weight=3 --label=zone=us")
        .await;
    stage.types("cluster register east --label=cloud=gke --weight=3").await;
    stage.types("cluster register europe --weight=0").await;
    stage.types("cluster register europe --cluster-context=reader@west").await;
    stage.types("cluster list -o wide").await;
    stage
        .about("another cluster by a name that is taken")
        .types("cluster register east --cluster-context=spare")
        .await;
    stage.about("by a second name").types("cluster register other --cluster-context=east").await;
    stage.about("a context that is not there").types("cluster register mars").await;
    stage.about("a name that is no DNS label").types("cluster register Spare").await;
    stage
        .about("a name that is too long")
        .types(&format!("cluster register {}", "a".repeat(41)))
        .await;
    stage
        .about("a context that cannot be a name")
        .types("cluster register stranger@spare --cluster-context=stranger@spare")
        .await;
    stage.types("cluster register Spare --cluster-context=spare").await;
    stage
        .about("a credential that is refused")
        .types("cluster register spare --cluster-context=stranger@spare")
        .await;
    stage
        .about("no right to see who it is")
        .types("cluster register spare --cluster-context=blind@spare")
        .await;
    stage
        .about("no right to write the registry")
        .types("cluster register spare other --context=reader@east")
        .await;
    stage.set_down("spare", true);
    stage.about("nobody answers").types("cluster register spare").await;
    for command in [
        "cluster register",
        "cluster register spare --weight=-1",
        "cluster register spare --weight=2147483648",
        "cluster register spare --label=zone",
        "cluster register spare --label=zone!=eu",
        "cluster register spare --label=zone=-eu",
        "cluster register spare --label=Example.com/zone=eu",
        "cluster register a b",
        "cluster register a --all-contexts",
        "cluster register a b --cluster-context=east",
    ] {
        stage.types(command).await;
    }
    stage.end(&snapshot);
}

/// `cluster list`.
pub async fn list(snapshot: String) {
    let mut stage = Stage::new();
    stage.quietly("init").await;
    stage.about("nobody is registered").types("cluster list").await;
    stage.types("cluster list -o json").await;
    stage.quietly("cluster register east --label=zone=eu --label=cloud=gke").await;
    stage.quietly("cluster register western-europe --cluster-context=west --weight=2").await;
    stage.pass(5 * MINUTE);
    for command in [
        "cluster list",
        "clusters list --no-headers",
        "cluster list -o wide",
        "cluster list -ojson",
        "cluster list --output=yaml",
        "cluster list -o name",
    ] {
        stage.types(command).await;
    }
    stage.set_down("west", true);
    stage.about("nobody answers").types("cluster list").await;
    stage.types("cluster list -o yaml").await;
    stage.set_down("west", false);
    stage.types("cluster list -o table").await;
    stage.end(&snapshot);
}

/// `cluster unregister`.
pub async fn unregister(snapshot: String) {
    let mut stage = Stage::federation().await;
    stage.types("cluster unregister north").await;
    stage.about("again").types("cluster unregister north").await;
    stage.quietly("job create -f pi.yaml").await;
    stage.about("it has work").types("cluster unregister west").await;
    stage.types("cluster unregister").await;
    stage.end(&snapshot);
}

/// `job create`.
pub async fn create(snapshot: String) {
    let mut stage = Stage::federation().await;
    stage
        .about("nothing is written by dry runs")
        .types("job create -f pi.yaml --dry-run=client")
        .await;
    stage.types("job create -f pi.yaml --dry-run=server").await;
    stage.types("job get").await;
    stage.types("job create -f pi.yaml").await;
    stage.about("again").types("job create -f pi.yaml").await;
    let preferences =
        include_str!("manifests/preferences.yaml").replace("name: pi", "name: preferred");
    stage.write("preferred.yaml", &preferences);
    stage.about("preferences").types("job create -f ~/preferred.yaml --dry-run=client").await;
    let env = "env: [{name: JOB_COMPLETION_INDEX, value: \"0\"}]";
    stage.write(
        "index.yaml",
        &format!(
            "{{apiVersion: batch/v1, kind: Job, metadata: {{name: index}}, spec: {{completionMode: \
             Indexed, completions: 3, \
             parallelism: 3, template: {{spec: {{restartPolicy: Never, containers: [{{name: pi, \
             image: perl, {env}}}]}}}}}}}}"
        ),
    );
    stage.about("an index of its own").types("job create -f ~/index.yaml --dry-run=client").await;
    stage.types("job apply -f ~/index.yaml").await;
    stage.types("job apply -f ~/index.yaml").await;
    stage.write(
        "limits.yaml",
        "{apiVersion: batch/v1, kind: Job, metadata: {name: limits}, spec: {completionMode: \
         Indexed, completions: 3, parallelism: 3, backoffLimitPerIndex: 1, activeDeadlineSeconds: \
         9999999999, template: {spec: {restartPolicy: OnFailure, containers: [{name: pi, image: \
         perl}]}}}}",
    );
    stage
        .about("limits that do not hold")
        .types("job create -f ~/limits.yaml --dry-run=client")
        .await;
    stage.about("several documents").types("job create -f two.yaml").await;
    for name in ["euler", "phi"] {
        stage.quietly(&format!("job delete {name} --cascade=background")).await;
    }
    stage.about("a directory").types("jobs create --filename=several").await;
    for name in ["euler", "phi"] {
        stage.quietly(&format!("job delete {name} --cascade=background")).await;
    }
    stage.about("several files").types("job create -f several/euler.yaml,several/phi.yaml").await;
    stage.about("a name is made").types("job create -f generated.yaml").await;
    stage.quietly("job delete pi --cascade=background").await;
    let piped = include_str!("manifests/pi.yaml");
    stage.about("from standard input").piped(piped).types("job create -f -").await;
    stage.about("a namespace that is not there").types("job create -f elsewhere.yaml").await;
    stage
        .about("is made if asked for")
        .types("-n work job create -f elsewhere.yaml --create-namespace")
        .await;
    stage.quietly("job delete pi --cascade=background").await;
    stage.set_down("north", true);
    stage.about("a cluster is away").types("job create -f pi.yaml").await;
    stage
        .about("and half of the clusters of a dry run")
        .types("job create -f generated.yaml --dry-run=server")
        .await;
    stage.set_down("north", false);
    stage.about("the next reconcile finishes it").types("reconcile pi").await;
    stage.end(&snapshot);
}

/// `job get`.
pub async fn get(snapshot: String) {
    let mut stage = Stage::federation().await;
    stage.about("none").types("job get").await;
    stage.types("job get -A").await;
    stage.types("job get -o yaml").await;
    stage.quietly("job create -f pi.yaml").await;
    stage.types("job get pi").await;
    for cluster in ["east", "west"] {
        stage.cluster(cluster).settle();
    }
    stage.pass(MINUTE);
    stage.succeed("east", "pi", 2);
    stage.pass(4 * MINUTE);
    stage.quietly("job create -f several").await;
    stage.quietly("-n work job create -f elsewhere.yaml --create-namespace").await;
    stage.pass(Duration::from_secs(1));
    for command in [
        "job get",
        "jobs get pi",
        "job get pi phi -o wide",
        "job get -A",
        "job get --all-namespaces --no-headers",
        "job get --namespace work",
        "job get -o name",
        "job get -o=json pi",
        "job get pi -oyaml",
        "job get pi nothing",
        "job get nothing",
        "job get nothing -o json",
        "job get pi nothing -o name",
        "job get pi -A",
        "job get -o x",
    ] {
        stage.types(command).await;
    }
    stage.set_down("west", true);
    stage.about("a cluster is away").types("job get").await;
    stage.types("job get pi -o json").await;
    stage.set_down("west", false);
    for cluster in ["east", "west", "north"] {
        stage.succeed(cluster, "pi", if cluster == "east" { 4 } else { 6 });
    }
    stage.pass(MINUTE);
    stage.about("complete").types("job get pi").await;
    stage.types("job get pi -o yaml").await;
    stage.quietly("job create -f fragile.yaml").await;
    stage.pass(MINUTE);
    stage.cluster("west").fail_pods("default", "fragile", 1);
    stage.pass(MINUTE);
    stage.about("failed").types("job get fragile").await;
    stage.types("job get fragile -o yaml").await;
    let labelled = std::fs::read_to_string("pi.yaml").expect("it is there");
    let labelled = labelled.replace("  name: pi\n", "  name: tau\n  labels: {team: math}\n");
    stage.write("labelled.yaml", &labelled);
    stage.quietly("job create -f ~/labelled.yaml").await;
    stage.about("by labels");
    for command in [
        "job get -l team=math",
        "job get -o name --selector 'team in (math,art),tier!=web'",
        "job get -o name -l '!team'",
        "job get -l team=none",
        "job get -l team=none -o json",
        "job get pi -l team=math",
        "job get -l a=b=c",
    ] {
        stage.types(command).await;
    }
    stage.end(&snapshot);
}

/// `job describe`.
pub async fn describe(snapshot: String) {
    let mut stage = Stage::federation().await;
    stage.about("none").types("job describe").await;
    stage.quietly("job create -f pi.yaml").await;
    stage.pass(MINUTE);
    stage.types("job describe pi").await;
    stage.set_down("west", true);
    stage.about("a cluster is away").types("job describe pi").await;
    stage.set_down("west", false);
    for cluster in ["east", "west", "north"] {
        stage.succeed(cluster, "pi", 6);
    }
    stage.about("complete").types("job describe pi").await;
    stage.quietly("job create -f fragile.yaml").await;
    stage.pass(MINUTE);
    stage.cluster("west").fail_pods("default", "fragile", 1);
    stage.pass(MINUTE);
    stage.about("several, one of them failed").types("job describe fragile pi").await;
    stage.types("job describe nothing").await;
    stage.end(&snapshot);
}

/// `job delete`.
pub async fn delete(snapshot: String) {
    let mut stage = Stage::federation().await;
    stage.types("job delete pi").await;
    stage.types("job delete").await;
    stage.about("only if the user confirms");
    stage.piped("n\n").types("job delete pi nothing --cascade=background -i").await;
    stage.types("job delete pi --cascade=background --interactive").await;
    stage.quietly("job create -f pi.yaml").await;
    stage.piped("y y\n").types("job delete pi --cascade=background -i").await;
    stage.piped(" Y\n").types("job delete -i pi --cascade --dry-run=client").await;
    stage
        .about("without a terminal nobody is asked, and the jobs in the clusters stay")
        .types("job delete pi")
        .await;
    for cluster in ["east", "west", "north"] {
        let left = stage.cluster(cluster).get(&sim::JOBS, "default", "pi");
        assert!(left.is_some(), "the Job in {cluster} stays");
    }
    stage.about("they are in the way").types("job create -f pi.yaml").await;
    for (cascade, name) in
        [("--cascade=background", "euler"), ("--cascade", "phi"), ("--cascade=orphan", "euler")]
    {
        stage.quietly(&format!("job create -f several/{name}.yaml")).await;
        stage.types(&format!("job delete {cascade} {name}")).await;
    }
    let mut stage = stage.anew().await;
    stage.quietly("job create -f pi.yaml,several").await;
    stage.about("what would be done");
    for command in [
        "job delete pi phi nothing --dry-run=client",
        "job delete -f pi.yaml --dry-run=server",
        "job delete pi --dry-run=server --cascade",
    ] {
        stage.types(command).await;
    }
    stage.set_down("west", true);
    stage.types("job delete euler --dry-run=server --cascade=foreground").await;
    stage.set_down("west", false);
    for cluster in ["east", "west", "north"] {
        let there = stage.cluster(cluster).get(&sim::JOBS, "default", "pi");
        assert!(
            there.is_some_and(|job| job["metadata"]["deletionTimestamp"].is_null()),
            "{cluster}"
        );
    }
    stage.types("job get -o name").await;
    stage
        .about("by the files that have them")
        .types("job delete -f several,pi.yaml --cascade=background")
        .await;
    stage.types("job delete -f pi.yaml").await;
    for command in [
        "job delete -f pi.yaml pi",
        "job delete -f nothing.yaml",
        "job delete -f service.yaml",
        "job delete -f generated.yaml",
        "job delete -f service.yaml,generated.yaml,pi.yaml",
        "job delete -f elsewhere.yaml -n default",
    ] {
        stage.types(command).await;
    }
    stage.quietly("job create -f fragile.yaml").await;
    stage.about("on a terminal: keep").answers("job delete fragile", "keep\n").await;
    let mut stage = stage.anew().await;
    stage.quietly("job create -f fragile.yaml").await;
    stage.about("on a terminal: nobody answers").answers("job delete fragile", "").await;
    stage.about("on a terminal: delete").answers("job delete fragile", "delete\n").await;
    stage.quietly("job create -f several").await;
    stage.about("a letter is no answer").answers("job delete euler phi", "d\ny\nk\n").await;
    stage.about("one question for all").answers("job delete euler phi", "delete\n").await;
    stage.quietly("job create -f pi.yaml").await;
    stage.quietly("job create -f elsewhere.yaml --create-namespace").await;
    stage.about("of several namespaces").answers("job delete --all -A", "\n").await;
    stage.quietly("job delete -f elsewhere.yaml --cascade=background").await;
    stage.quietly("job create queue --image=pi --parallelism=3").await;
    stage.set_down("north", true);
    stage.run("job delete queue --cascade=background", None).await;
    stage.about("a work queue asks for no completions").types("job get queue -o wide").await;
    stage.about("a cluster is away").types("job delete pi nothing --cascade=background").await;
    stage.types("job get pi").await;
    stage.types("job describe pi").await;
    stage.about("it is too late to keep them").types("job delete pi").await;
    stage.about("on a terminal: nobody answers").answers("job delete pi", "").await;
    stage.about("on a terminal: continue").answers("job delete pi", "continue\n").await;
    stage.set_down("north", false);
    stage.about("the next reconcile finishes it").types("reconcile").await;
    stage.quietly("job create -f pi.yaml").await;
    stage.pass(MINUTE);
    stage.work_beside();
    stage.about("pods first").types("job delete pi --cascade=foreground").await;
    stage.quietly("job create -f pi.yaml,several").await;
    stage.quietly("job patch euler -p 'metadata: {labels: {team: math}}'").await;
    stage.about("by label").types("job delete -l team=math --cascade=background").await;
    stage.types("job delete --all --field-selector=metadata.name=pi").await;
    stage.about("all").types("job delete --all -A --cascade=background --force").await;
    stage.types("job delete --all").await;
    stage.types("job delete --all -f pi.yaml").await;
    stage.types("job get").await;
    stage.end(&snapshot);
}

/// `reconcile`.
pub async fn reconcile(snapshot: String) {
    let mut stage = Stage::federation().await;
    stage.about("no jobs").types("reconcile").await;
    stage.set_down("west", true);
    stage.about("a job is created while a cluster is away").types("job create -f pi.yaml").await;
    stage.types("reconcile").await;
    stage.set_down("west", false);
    stage.types("reconcile pi -n default").await;
    stage.about("nothing is left to do").types("reconcile").await;
    stage.pass(MINUTE);
    for cluster in ["east", "west", "north"] {
        stage.succeed(cluster, "pi", 6);
    }
    stage.about("the outcome is latched").types("reconcile -A").await;
    stage.types("reconcile -A").await;
    stage.types("reconcile nothing").await;
    stage.types("reconcile pi -A").await;
    stage.end(&snapshot);
}

/// `version`.
pub async fn version(snapshot: String) {
    let mut stage = Stage::new();
    stage.types("version --client").await;
    stage.types("version --client -o json").await;
    stage.types("version --client=true --output yaml").await;
    stage.about("no host").types("version").await;
    stage.quietly("init").await;
    stage.types("version").await;
    stage.types("version -o json").await;
    stage.types("version -o wide").await;
    stage.types("version -o yml").await;
    stage.set_down("east", true);
    stage.about("the host is away").types("version").await;
    stage.types("--version").await;
    stage.end(&snapshot);
}
