//! Hints about the federation, its clusters, and what was typed.

use std::time::Duration;

use serde_json::{Value, json};
use sim::{Verdict, When};

use super::book::{Book, MEMBERS, changed, complete_pi, pi, says};
use crate::{
    errors::{PI, REGISTRY, incompressible},
    recovery::another_registry,
    shell,
    stage::{Event, Stage},
};

/// Without a registry, and without a member.
pub(super) async fn no_federation(book: &mut Book) {
    let mut stage = Stage::new();
    book.heed(&mut stage, "job get", 1).await;
    says(&mut stage, "job get", "No resources found").await;
    let mut stage = Stage::new();
    let next = book.hear(&mut stage, "init").await;
    let create = book.hear(&mut stage, "job create -f pi.yaml").await;
    assert_eq!((next.len(), create.len()), (1, 1), "{:?}", book.said);
    let known = [("NAME", "europe"), ("CONTEXT", "west")];
    book.follow(&mut stage, &next, &known).await;
    book.follow(&mut stage, &create, &known).await;
    says(&mut stage, "cluster list", "europe").await;
    says(&mut stage, "job create -f pi.yaml", "created").await;
    let commands = book.hear(&mut stage, "init --context=west").await;
    assert_eq!(commands.len(), 2, "{:?}", book.said.last());
    book.follow(&mut stage, &commands[..1], &[]).await;
    says(&mut stage, "cluster list", "europe").await;
}

/// With a host that is another cluster than it was.
pub(super) async fn hosts(book: &mut Book) {
    let mut stage = Stage::federation().await;
    let west = stage.cluster("west").kube_system_uid();
    stage.write(".kube/federate.yaml", &format!("host: {{context: east, uid: {west}}}\n"));
    let hint = "name the host with --context";
    book.read(&mut stage, "job get", hint).await;
    says(&mut stage, "job get --context=east", "No resources").await;
    stage.write(".kube/federate.yaml", "{}\n");
    let key = "kubectl-federate.dev/settings";
    let healthy = stage.annotate(REGISTRY, key, &"{}".into()).await;
    let mut moved: Value = serde_json::from_str(healthy.as_str().unwrap_or_default()).expect("it");
    moved["host"] = west.into();
    stage.annotate(REGISTRY, key, &moved.to_string().into()).await;
    book.read(&mut stage, "job get", hint).await;
    let mut stage = Stage::federation().await;
    stage.set_down("east", true);
    let restore = book.hear(&mut stage, "job get").await;
    book.followed.extend(restore);
    stage.set_down("east", false);
    let hint = "The host that is remembered is \"east\": leave --context out. --clusters=NAME";
    book.read(&mut stage, "job get --context=west", hint).await;
    let hint = "The host that is remembered is \"east\": leave --context out.\n";
    book.read(&mut stage, "job create -f pi.yaml --context=west", hint).await;
    let east = stage.cluster("east").kube_system_uid();
    stage.write(".kube/federate.yaml", &format!("host: {{context: old, uid: {east}}}\n"));
    let commands = book.hear(&mut stage, "job get").await;
    book.follow(&mut stage, &commands, &[("CONTEXT", "east")]).await;
    says(&mut stage, "job get", "No resources").await;
}

/// With a host that only a flag names.
pub(super) async fn by_context(book: &mut Book) {
    let mut stage = pi().await;
    stage.write(".kube/federate.yaml", "{}\n");
    stage.write(".kube/config", &stage.kubeconfig("spare", &[]).to_string());
    let here = " --context=east";
    for command in ["job create -f pi.yaml", "cluster unregister mars", "job get job"] {
        let commands = book.hear(&mut stage, &format!("{command}{here}")).await;
        assert_eq!(commands.len(), 1, "{command}: {:?}", book.said.last());
        assert!(commands[0].contains(here), "{commands:?}");
        book.follow(&mut stage, &commands, &[]).await;
    }
    let commands = book.hear(&mut stage, "job get --context=west").await;
    assert_eq!(commands.len(), 1, "{:?}", book.said.last());
    book.follow(&mut stage, &commands, &[]).await;
    says(&mut stage, "job get --context=west", "No resources").await;
    let next = book.hear(&mut stage, "job create -f pi.yaml --context=west").await;
    let known = [("NAME", "north"), ("CONTEXT", "north")];
    book.follow(&mut stage, &next, &known).await;
    says(&mut stage, "cluster list --context=west -o name", "cluster/north").await;
}

/// With a state that cannot be used.
pub(super) async fn damage(book: &mut Book) {
    let mut stage = pi().await;
    let settings = "kubectl-federate.dev/settings";
    let newer = json!({"version": 99}).to_string().into();
    let healthy = stage.annotate(REGISTRY, settings, &newer).await;
    book.read(&mut stage, "job get pi", "Install a newer").await;
    stage.annotate(REGISTRY, settings, &healthy).await;
    says(&mut stage, "job get pi", "Running").await;
    stage.quietly("backup ~/federation.yaml").await;
    let file = stage.path("federation.yaml").display().to_string();
    for key in ["member.kubectl-federate.dev/west", settings] {
        stage.annotate(REGISTRY, key, &"[]".into()).await;
        let commands = book.hear(&mut stage, "job get pi").await;
        let known = [("FILE", file.as_str()), ("CONTEXT", "east")];
        book.follow_and_agree(&mut stage, &commands[0], &known).await;
        says(&mut stage, "job get pi", "Running").await;
    }
    stage.annotate(PI, "kubectl-federate.dev/state", &"[]".into()).await;
    let commands = book.hear(&mut stage, "job get pi").await;
    assert_eq!(commands.len(), 1, "{:?}", book.said.last());
    book.followed.insert(commands[0].clone());
    shell::run_answering(&mut stage, &commands[0], "yes\n").await;
    says(&mut stage, "job get pi", "Running").await;
    let note = format!("metadata:\n  annotations: {{note: {}}}\n", incompressible(1 << 20));
    stage.write("large.yaml", &changed("metadata:\n", &note).replace("name: pi", "name: large"));
    book.read(&mut stage, "job create -f ~/large.yaml", "Make its manifest smaller").await;
    let path = format!("/api/v1/namespaces/{}/configmaps/{}", REGISTRY.0, REGISTRY.1);
    stage.request("east", "DELETE", &path, None).await;
    stage.federate(MEMBERS).await;
    let recover = book.hear(&mut stage, "job get pi").await;
    book.followed.insert(recover[0].clone());
    let commands = book.hear(&mut stage, "job create -f pi.yaml").await;
    assert_eq!(commands.len(), 2, "{:?}", book.said.last());
    book.follow_and_agree(&mut stage, &commands[0], &[]).await;
    book.follow(&mut stage, &commands[1..], &[]).await;
    says(&mut stage, "job get pi", "Running").await;
}

/// Where the clusters have shards of other federations.
pub(super) async fn other_federations(book: &mut Book) {
    let mut stage = pi().await;
    stage.quietly("job delete pi --cascade=orphan").await;
    let commands = book.hear(&mut stage, "job recover --all --federation=fourth").await;
    let [recover, clean, init] = &commands[..] else { panic!("{commands:?}") };
    book.follow_and_agree(&mut stage, recover, &[]).await;
    stage.quietly("job delete pi --cascade=orphan").await;
    book.followed.insert(clean.clone());
    shell::run_answering(&mut stage, clean, "all\nyes\n").await;
    book.follow(&mut stage, std::slice::from_ref(init), &[("CONTEXT", "west")]).await;

    let mut stage = pi().await;
    stage.quietly("job delete pi --cascade=orphan").await;
    another_registry(&stage, "second").await;
    stage.quietly("job create -f several/euler.yaml").await;
    stage.quietly("job delete euler --cascade=orphan").await;
    another_registry(&stage, "third").await;
    book.read(&mut stage, "job recover --all", "--federation=UID").await;
    book.read(&mut stage, "job recover --all --federation=fourth", "There are jobs of").await;
    stage.quietly("job recover --all --federation=second --yes").await;
    let commands = book.hear(&mut stage, "job recover --all --federation=fourth --yes").await;
    assert_eq!(commands.len(), 1, "{:?}", book.said.last());
    book.follow(&mut stage, &commands, &[("CONTEXT", "west")]).await;
}

/// After slips that kubectl users make.
pub(super) async fn mistyped(book: &mut Book) {
    let mut stage = pi().await;
    for (command, said) in [
        ("get jobs", "Running"),
        ("job list", "Running"),
        ("job get jobs", "Running"),
        ("describe job pi", "Parallelism:"),
        ("get clusters", "Ready"),
        ("clusters get -o name", "cluster/east"),
        ("pause job pi", "job.batch/pi suspended"),
        ("job start pi", "job.batch/pi resumed"),
        ("create -f several", "job.batch/phi created"),
        ("delete job pi --cascade=background", "job.batch \"pi\" deleted from default namespace"),
        (
            "job rm phi euler --cascade=background",
            "job.batch \"phi\" deleted from default namespace",
        ),
        ("cluster remove west", "cluster \"west\" unregistered"),
        ("cluster add west", "cluster/west registered"),
    ] {
        let meant = book.hear(&mut stage, command).await;
        assert_eq!(meant.len(), 1, "{command}: {:?}", book.said.last());
        book.followed.insert(meant[0].clone());
        let (_, stdout, stderr) = shell::run(&mut stage, &meant[0]).await;
        assert!(format!("{stdout}{stderr}").contains(said), "{command}: {stdout}{stderr}");
    }
    stage.quietly("job create -f pi.yaml").await;
    complete_pi(&mut stage).await;
    for (typed, meant) in [
        ("--for=complete", "--for=condition=complete"),
        ("--for Complete", "--for=condition=complete"),
        ("--for=status.succeeded=18", "condition=NAME[=VALUE]"),
    ] {
        book.read(&mut stage, &format!("job wait pi {typed}"), meant).await;
    }
    says(&mut stage, "job wait pi --for=condition=complete", "condition met").await;
}

/// Of the clusters.
pub(super) async fn members(book: &mut Book) {
    let mut stage = pi().await;
    book.heed(&mut stage, "cluster unregister nowhere", 1).await;
    let commands = book.hear(&mut stage, "cluster unregister west").await;
    assert_eq!(commands.len(), 3, "{commands:?}");
    pods_end(&stage);
    book.follow(&mut stage, &commands, &[]).await;
    says(&mut stage, "cluster unregister west", "unregistered").await;
    let mut ended = pi().await;
    ended.succeed("west", "pi", 6);
    let commands = book.hear(&mut ended, "cluster unregister west").await;
    book.follow(&mut ended, &commands[..1], &[]).await;
    says(&mut ended, "cluster unregister west", "unregistered").await;
    let mut gone = pi().await;
    gone.set_down("west", true);
    let commands = book.hear(&mut gone, "cluster unregister west").await;
    assert_eq!(commands.len(), 1, "{commands:?}");
    book.followed.insert(commands[0].clone());
    shell::run_answering(&mut gone, &commands[0], "yes\n").await;
    says(&mut gone, "job get pi", "Running ").await;
    let register = "cluster register east --cluster-context=spare";
    let commands = book.hear(&mut stage, register).await;
    assert_eq!(commands.len(), 2, "{commands:?}");
    // `cluster lost` first: it is for the cluster that had the name.
    for command in commands.into_iter().rev() {
        book.follow(&mut stage, &[command], &[]).await;
        says(&mut stage, register, "cluster/east registered").await;
    }
    book.heed(&mut stage, "cluster register West --cluster-context=west", 1).await;
    let commands = book.hear(&mut stage, "cluster register mars").await;
    let (register, contexts): (Vec<_>, Vec<_>) =
        commands.into_iter().partition(|command| command.contains("CONTEXT"));
    book.follow(&mut stage, &contexts, &[]).await;
    book.follow(&mut stage, &register, &[("CONTEXT", "east")]).await;
    // Roles are tried on control planes, by tests/scenarios/rights.rs.
    let mut stage = Stage::with_users(&[("blind", |_| false)]);
    stage.quietly("init --context=east").await;
    let blind = "cluster register spare --cluster-context=blind@spare";
    let commands = book.hear(&mut stage, blind).await;
    assert_eq!(commands.len(), 2, "{commands:?}");
    book.followed.extend(commands);
}

/// Soon, the pods of `pi` that run in west end.
fn pods_end(stage: &Stage) {
    stage.later(Duration::from_secs(5), "west", Event::Succeed("pi", 3));
}

/// Of clusters that are drained.
pub(super) async fn drains(book: &mut Book) {
    let mut stage = pi().await;
    let again = book.hear(&mut stage, "cluster drain west --timeout=1s").await;
    assert_eq!(again.len(), 2, "{again:?}");
    pods_end(&stage);
    book.follow(&mut stage, &again, &[]).await;
    says(&mut stage, "cluster list", "Ready").await;
    let mut stage = pi().await;
    stage.set_down("west", true);
    let commands = book.hear(&mut stage, "cluster drain west").await;
    let [reconcile, lost, drain, uncordon] = &commands[..] else { panic!("{commands:?}") };
    book.followed.extend([lost.clone(), drain.clone()]);
    stage.set_down("west", false);
    for command in [reconcile, uncordon] {
        book.follow(&mut stage, std::slice::from_ref(command), &[]).await;
    }
    says(&mut stage, "cluster list", "Ready").await;
    let mut stage = pi().await;
    stage.quietly("cluster cordon east north").await;
    book.heed(&mut stage, "cluster drain west", 1).await;
    let mut stage = pi().await;
    stage.interrupts_after(Duration::from_secs(3));
    let commands = book.hear(&mut stage, "cluster drain west").await;
    assert_eq!(commands.len(), 2, "{:?}", book.said.last());
    shell::run_interrupted(&mut stage, &commands[0]).await;
    book.followed.insert(commands[0].clone());
    book.follow(&mut stage, &commands[1..], &[]).await;
    says(&mut stage, "cluster list", "Ready").await;
}

/// After the federation has moved to another host.
pub(super) async fn moves(book: &mut Book) {
    let mut stage = pi().await;
    stage.quietly("backup ~/federation.yaml").await;
    stage.quietly("init --from=east --context=spare").await;
    let commands = book.hear(&mut stage, "job get pi --context=east").await;
    assert_eq!(commands.len(), 4, "{:?}", book.said.last());
    book.follow(&mut stage, &commands[..2], &[]).await;
    says(&mut stage, "job get pi", "0/18").await;
    book.follow(&mut stage, &commands[3..], &[]).await;
    stage.quietly("init --context=spare").await;
    says(&mut stage, "job get pi", "0/18").await;
    stage.set_down("spare", true);
    let file = stage.path("federation.yaml").display().to_string();
    let known = [("FILE", file.as_str()), ("CONTEXT", "north")];
    book.follow_and_agree(&mut stage, &commands[2], &known).await;
    says(&mut stage, "job get pi", "0/18").await;
}

/// Where a host is used again that has records which were moved away.
pub(super) async fn left_records(book: &mut Book) {
    let mut stage = Stage::federation().await;
    stage.quietly("job create -f several").await;
    let registry = stage.cluster("east").get(&sim::CONFIG_MAPS, REGISTRY.0, REGISTRY.1);
    let key = "kubectl-federate.dev/settings";
    let settings = registry.expect("it is there")["metadata"]["annotations"][key].clone();
    stage.quietly("init --from=east --context=spare").await;
    // Somebody puts back what the registry was before.
    stage.annotate(REGISTRY, key, &settings).await;
    stage.quietly("init --context=east").await;
    let commands = book.hear(&mut stage, "job get --all-namespaces").await;
    let said = book.said.last().expect("it was typed");
    let lines = said.lines().filter(|line| line.contains("were moved to another host"));
    assert_eq!((lines.count(), commands.len()), (1, 2), "{said}");
    let deletes = "delete configmap euler.federated-job phi.federated-job -n default`";
    assert!(said.contains(deletes), "{said}");
    book.followed.insert(commands[0].clone());
    for name in ["euler", "phi"] {
        let path = format!("/api/v1/namespaces/default/configmaps/{name}.federated-job");
        stage.request("east", "DELETE", &path, None).await;
    }
    book.follow_and_agree(&mut stage, &commands[1], &[]).await;
    says(&mut stage, "job get", "euler").await;
}

/// With something in the way of a move.
pub(super) async fn ways(book: &mut Book) {
    let mut stage = pi().await;
    let move_there = "init --from=east --context=spare";
    let others = json!({"metadata": {"name": "pi.federated-job"}});
    let there = "/api/v1/namespaces/default/configmaps";
    stage.request("spare", "POST", there, Some(&others)).await;
    book.read(&mut stage, move_there, "somebody else made it").await;
    let path = format!("{there}/pi.federated-job");
    stage.request("spare", "DELETE", &path, None).await;
    stage.quietly(move_there).await;
    stage.quietly("init --from=spare --context=east").await;
    let registry = format!("/api/v1/namespaces/{}/configmaps/{}", REGISTRY.0, REGISTRY.1);
    stage.request("spare", "DELETE", &registry, None).await;
    stage.quietly("job delete pi --cascade=background").await;
    stage.quietly("job create -f pi.yaml").await;
    book.read(&mut stage, move_there, "delete its configmap there").await;
    stage.request("spare", "DELETE", &path, None).await;
    stage.quietly(move_there).await;
    stage.quietly("job suspend pi").await;
    stage.request("spare", "DELETE", &registry, None).await;
    let commands = book.hear(&mut stage, move_there).await;
    assert_eq!(commands.len(), 3, "{:?}", book.said.last());
    book.follow(&mut stage, &commands[..1], &[]).await;
    for member in ["east", "west", "north"] {
        book.follow(&mut stage, &commands[1..2], &[("NAME", member)]).await;
    }
    book.follow_and_agree(&mut stage, &commands[2], &[]).await;
    says(&mut stage, "job get", "Suspended").await;
}

/// After a restore on another host, while the old one was away.
pub(super) async fn restores(book: &mut Book) {
    let mut stage = pi().await;
    stage.quietly("backup ~/federation.yaml").await;
    stage.set_down("east", true);
    let restore = "restore ~/federation.yaml --context=spare";
    let marks = book.hear(&mut stage, restore).await;
    assert_eq!(marks.len(), 1, "{:?}", book.said.last());
    stage.quietly(&format!("{restore} --yes")).await;
    let check = "cluster check --context=spare";
    let forgets = book.hear(&mut stage, check).await;
    assert_eq!(forgets.len(), 2, "{:?}", book.said.last());
    assert_eq!(forgets[0], marks[0]);
    stage.set_down("east", false);
    let forget = forgets[1].strip_prefix("kubectl federate ").expect("a command");
    let acts = book.hear(&mut stage, forget).await;
    assert_eq!(acts, [marks[0].clone()], "{:?}", book.said.last());
    stage.set_down("east", true);
    book.follow(&mut stage, &forgets[1..], &[]).await;
    assert_eq!(book.hear(&mut stage, check).await, Vec::<String>::new());

    let mut stage = pi().await;
    stage.quietly("backup ~/federation.yaml").await;
    stage.set_down("east", true);
    stage.quietly(&format!("{restore} --yes")).await;
    stage.set_down("east", false);
    stage.quietly("job create -f several/euler.yaml --context=east").await;
    let back = book.hear(&mut stage, "init --from=spare --context=east").await;
    assert_eq!(back.len(), 2, "{:?}", book.said.last());
    stage.quietly("job delete pi --cascade=background --context=spare").await;
    let commands = book.hear(&mut stage, "init --from=east --context=spare").await;
    assert_eq!(commands.len(), 3, "{:?}", book.said.last());
    let deleted = [("NAMESPACE", "default"), ("NAME", "pi")];
    book.follow(&mut stage, &commands[2..], &deleted).await;
    let late = stage.path("late.yaml").display().to_string();
    book.follow(&mut stage, &commands[..1], &[("FILE", late.as_str())]).await;
    book.follow_and_agree(&mut stage, &commands[1], &[("FILE", late.as_str())]).await;
    book.follow(&mut stage, &marks, &[]).await;
    says(&mut stage, "job get", "euler").await;
    book.follow(&mut stage, &back, &[]).await;
    says(&mut stage, "job get", "euler").await;
}

/// Where a name of the backup was given to another Job since.
pub(super) async fn reused(book: &mut Book) {
    let mut stage = pi().await;
    stage.quietly("backup ~/federation.yaml").await;
    stage.quietly("job delete pi --cascade=background").await;
    stage.quietly("job create -f pi.yaml").await;
    book.heed(&mut stage, "restore ~/federation.yaml --context=east --yes", 2).await;
}

/// Where a cluster is registered after its work was given to others.
pub(super) async fn late(book: &mut Book) {
    let mut stage = pi().await;
    let record = "/api/v1/namespaces/default/configmaps/pi.federated-job";
    let registry = format!("/api/v1/namespaces/{}/configmaps/{}", REGISTRY.0, REGISTRY.1);
    for path in [record, &registry] {
        stage.request("east", "DELETE", path, None).await;
    }
    stage.quietly("init --context=east").await;
    for member in ["east", "north"] {
        stage.quietly(&format!("cluster register {member}")).await;
    }
    let taken = book.hear(&mut stage, "job recover --all --yes").await;
    assert_eq!(taken.len(), 1, "{:?}", book.said.last());
    book.follow(&mut stage, &taken, &[]).await;
    let commands = book.hear(&mut stage, "cluster register west").await;
    assert_eq!(commands.len(), 1, "{:?}", book.said.last());
    book.follow_and_agree(&mut stage, &commands[0], &[]).await;
    book.read(&mut stage, "job recover --all", "Nothing is to be recovered").await;
}

/// Where a cluster was declared lost, and not all of its work is given up yet.
pub(super) async fn losses(book: &mut Book) {
    let mut stage = pi().await;
    stage.set_down("west", true);
    stage.cluster("east").on_request(|request| {
        let is_record = request.resource == "configmaps" && request.namespace == "default";
        if request.mutating && is_record { Verdict::Reset(When::Before) } else { Verdict::Pass }
    });
    stage.run("cluster lost west --yes", None).await;
    stage.cluster("east").clear_hook();
    let register = "cluster register west --cluster-context=spare";
    book.heed(&mut stage, register, 1).await;
    book.heed(&mut stage, "cluster drain west", 1).await;
    stage.quietly("cluster lost west --yes").await;
    says(&mut stage, register, "cluster/west registered").await;
}
