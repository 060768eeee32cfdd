//! Hints that the verbs of clusters and orphans print themselves.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use serde_json::json;
use sim::{RequestInfo, Verdict, When};

use super::book::{Book, MEMBERS, complete_pi, pi, says};
use crate::{
    errors::{PI, REGISTRY},
    recovery::another_registry,
    shell,
    stage::{Event, Stage},
};

/// After the user has ended a command that changes clusters.
pub(super) async fn interrupted(book: &mut Book) {
    let hang = |_: &RequestInfo| Verdict::Hang(When::Before);
    let hang_writes = |request: &RequestInfo| match request.verb {
        "patch" => Verdict::Hang(When::Before),
        _ => Verdict::Pass,
    };
    let mut stage = pi().await;
    stage.interrupts_after(Duration::from_secs(5));
    stage.cluster("east").on_request(hang_writes);
    let commands = book.hear(&mut stage, "cluster cordon west").await;
    assert_eq!(commands.len(), 1, "{:?}", book.said.last());
    stage.cluster("east").on_request(|_| Verdict::Pass);
    book.follow(&mut stage, &commands, &[]).await;
    stage.set_down("north", true);
    stage.cluster("west").on_request(hang);
    let commands = book.hear(&mut stage, "cluster lost north --yes").await;
    assert_eq!(commands.len(), 1, "{:?}", book.said.last());
    stage.cluster("west").on_request(|_| Verdict::Pass);
    book.follow(&mut stage, &commands, &[]).await;
    says(&mut stage, "cluster list", "Lost").await;
    stage.cluster("east").on_request(hang_writes);
    let commands = book.hear(&mut stage, "cluster unregister north --force --yes").await;
    stage.cluster("east").on_request(|_| Verdict::Pass);
    book.follow(&mut stage, &commands, &[]).await;

    // It is set to Draining and to Cordoned first.
    let mut stage = pi().await;
    stage.later(Duration::from_secs(1), "west", Event::Succeed("pi", 3));
    stage.interrupts_after(Duration::from_secs(10));
    let writes = AtomicUsize::new(0);
    stage.cluster("east").on_request(move |request| {
        let is_registry = request.verb == "patch" && request.path.contains("/kubectl-federate/");
        let is_last = is_registry && writes.fetch_add(1, Ordering::SeqCst) > 1;
        if is_last { Verdict::Hang(When::Before) } else { Verdict::Pass }
    });
    let (_, stdout, stderr) = stage.run("cluster unregister west", Some("drain\n")).await;
    let commands = book.note(format!("{stdout}{stderr}"));
    stage.cluster("east").on_request(|_| Verdict::Pass);
    assert!(stderr.contains("it is Cordoned, and gets no work"), "{stderr}");
    book.follow(&mut stage, &commands, &[]).await;
}

/// After a cluster was unregistered in which Jobs stay.
pub(super) async fn left_behind(book: &mut Book) {
    let list = "orphans list -A";
    let mut stage = pi().await;
    complete_pi(&mut stage).await;
    let commands = book.hear(&mut stage, "cluster unregister west").await;
    assert_eq!(commands.len(), 1, "{:?}", book.said.last());
    let said = book.said.last().expect("it was typed");
    assert!(said.contains("1 job of this federation stays"), "{said}");
    // Nothing runs there, and the record has what was done.
    assert!(said.contains("what was done there counts all the same"), "{said}");
    assert!(!commands[0].contains("--running"), "{commands:?}");
    book.follow(&mut stage, &commands, &[]).await;
    says(&mut stage, list, "No resources found").await;
    says(&mut stage, "job get pi", "Complete   18/18").await;

    let mut stage = Stage::federation().await;
    stage.quietly("job create -f several").await;
    stage.quietly("job delete phi euler --cascade=orphan").await;
    let commands = book.hear(&mut stage, "cluster unregister west").await;
    assert!(book.said.last().is_some_and(|said| said.contains("2 jobs of this federation stay")));
    book.follow(&mut stage, &commands, &[]).await;
    let (_, listed, _) = stage.run(list, None).await;
    assert!(listed.contains("east") && !listed.contains("west"), "{listed}");

    stage.set_down("north", true);
    let commands = book.hear(&mut stage, "cluster unregister north").await;
    assert!(book.said.last().is_some_and(|said| said.contains("could not be asked whether")));
    stage.set_down("north", false);
    book.follow(&mut stage, &commands, &[]).await;
    let (_, listed, _) = stage.run(list, None).await;
    assert!(!listed.contains("north"), "{listed}");
}

/// Where a cluster is declared lost that answers.
pub(super) async fn lost_and_answers(book: &mut Book) {
    let mut stage = pi().await;
    complete_pi(&mut stage).await;
    let commands = book.hear(&mut stage, "cluster lost west").await;
    assert_eq!(commands.len(), 2, "{:?}", book.said.last());
    book.follow(&mut stage, &commands, &[]).await;
    let mut stage = pi().await;
    let (_, _, said) = stage.run("cluster lost west", Some("no\n")).await;
    book.note(said);
    says(&mut stage, "cluster list", "Ready").await;
    let uid = stage.cluster("east").kube_system_uid();
    let host = format!("host: {{context: east, uid: {uid}}}\n");
    stage.write(".kube/federate.yaml", &format!("{host}contexts: {{west: mars}}\n"));
    let commands = book.hear(&mut stage, "cluster lost west").await;
    assert_eq!(commands.len(), 2, "{:?}", book.said.last());
    let why = "[west] could not be asked: context \"mars\" does not exist";
    assert!(book.said.last().is_some_and(|said| said.contains(why)), "{:?}", book.said.last());
    book.follow(&mut stage, &commands[..1], &[]).await;
    book.follow(&mut stage, &commands[1..], &[("CONTEXT", "west")]).await;
}

/// Where contexts are looked for that lead to the members.
pub(super) async fn matches(book: &mut Book) {
    let mut stage = Stage::new();
    stage.quietly("init --context=east").await;
    book.read(&mut stage, "cluster match", "No clusters registered.").await;
    let mut stage = Stage::federation().await;
    book.read(&mut stage, "cluster match", "cluster/west unchanged").await;
    let uid = stage.cluster("east").kube_system_uid();
    let host = format!("host: {{context: east, uid: {uid}}}\n");
    stage.write(".kube/federate.yaml", &format!("{host}contexts: {{west: mars}}\n"));
    let matched = "cluster/west matched by context \"west\"";
    book.read(&mut stage, "cluster match west", matched).await;
    says(&mut stage, "cluster match west", "unchanged").await;
    stage.set_down("west", true);
    let commands = book.hear(&mut stage, "cluster match west").await;
    assert_eq!(commands.len(), 1, "{:?}", book.said.last());
    assert!(book.said.last().is_some_and(|said| said.contains("gives no answer")));
    stage.set_down("west", false);
    let key = "member.kubectl-federate.dev/west";
    let member = json!({"context": "west", "uid": "gone", "weight": 1, "state": "ready",
        "registered": 0});
    stage.annotate(REGISTRY, key, &member.to_string().into()).await;
    stage.set_down("spare", true);
    let commands = book.hear(&mut stage, "cluster match").await;
    assert_eq!(commands.len(), 1, "{:?}", book.said.last());
    assert!(commands[0].ends_with(" config --help"), "{commands:?}");
    book.followed.extend(commands);
}

/// Where `cluster register` does not know which cluster is meant, or finds that rights are missing.
pub(super) async fn registrations(book: &mut Book) {
    let mut stage = Stage::federation().await;
    book.read(&mut stage, "cluster register", "The contexts of your kubeconfig: east, ").await;
    book.read(&mut stage, "cluster register east --weight=3", "cluster/east: weight 1 → 3").await;
    let mut stage = Stage::with_users(&[("reader", |access| access.verb != "create")]);
    stage.federate(MEMBERS).await;
    let commands = book.hear(&mut stage, "cluster register").await;
    assert_eq!(commands.len(), 1, "{:?}", book.said.last());
    assert!(commands[0].ends_with(" config get-contexts -o name"), "{commands:?}");
    book.follow(&mut stage, &commands, &[]).await;
    let reader = "cluster register spare --cluster-context=reader@spare";
    book.read(&mut stage, reader, "it cannot be given work").await;
    stage.write("none.yaml", "apiVersion: v1\nkind: Config\n");
    let none = "cluster register --kubeconfig=~/none.yaml";
    book.read(&mut stage, none, "Your kubeconfig has no contexts").await;
}

/// Where a cluster answers again that was declared lost, and a Job runs on there whose record is
/// gone.
pub(super) async fn stray_jobs(book: &mut Book) {
    let mut stage = pi().await;
    stage.set_down("west", true);
    stage.quietly("cluster lost west --yes").await;
    stage.quietly("job delete pi --cascade=orphan").await;
    stage.set_down("west", false);
    for command in ["cluster list", "cluster uncordon west"] {
        let commands = book.hear(&mut stage, command).await;
        assert_eq!(commands.len(), 1, "{command}: {:?}", book.said.last());
        book.followed.insert(commands[0].clone());
        let (_, listed, _) = shell::run(&mut stage, &commands[0]).await;
        assert!(listed.contains("west") && listed.contains("pi"), "{command}: {listed}");
    }
}

/// Of clusters that do not pass the check.
pub(super) async fn checks(book: &mut Book) {
    let elsewhere = async || {
        let stage = Stage::federation().await;
        let uid = stage.cluster("east").kube_system_uid();
        let config = format!("host: {{context: east, uid: {uid}}}\ncontexts: {{north: spare}}\n");
        stage.write(".kube/federate.yaml", &config);
        stage
    };
    let mut stage = elsewhere().await;
    let commands = book.hear(&mut stage, "cluster check north").await;
    assert_eq!(commands.len(), 3, "{:?}", book.said.last());
    book.follow(&mut stage, &commands[..1], &[]).await;
    says(&mut stage, "cluster check north", "Same").await;
    let mut stage = elsewhere().await;
    book.follow(&mut stage, &commands[1..], &[]).await;
    says(&mut stage, "cluster check north", "Same").await;

    // It leads to the cluster that was built anew, which may run on beside its successor.
    let mut stage = elsewhere().await;
    let uid = stage.cluster("spare").kube_system_uid();
    let former = json!({"name": "north", "context": "spare"}).to_string();
    stage.annotate(REGISTRY, &format!("former.kubectl-federate.dev/{uid}"), &former.into()).await;
    let commands = book.hear(&mut stage, "cluster check north").await;
    assert_eq!(commands.len(), 1, "{:?}", book.said.last());
    let commands = book.hear(&mut stage, "job create -f pi.yaml").await;
    assert!(commands.iter().all(|command| !command.contains(" lost ")), "{commands:?}");
    let said = "leads to the cluster that had its name before, and not to it";
    assert!(book.said.last().is_some_and(|it| it.contains(said)), "{:?}", book.said.last());
    let registers: Vec<_> =
        commands.into_iter().filter(|command| command.contains("CONTEXT")).collect();
    book.follow(&mut stage, &registers, &[("CONTEXT", "north")]).await;

    let mut stage = Stage::with_users(&[("reader", |access| access.verb != "create")]);
    stage.federate(MEMBERS).await;
    let uid = stage.cluster("east").kube_system_uid();
    let config = format!("host: {{context: east, uid: {uid}}}\ncontexts: {{west: reader@west}}\n");
    stage.write(".kube/federate.yaml", &config);
    let commands = book.hear(&mut stage, "cluster check west").await;
    assert_eq!(commands.len(), 1, "{:?}", book.said.last());
    book.follow(&mut stage, &commands, &[]).await;
}

/// Of orphans whose records may have been lost.
pub(super) async fn recordless(book: &mut Book) {
    let clean = "orphans clean --yes --running";
    let mut stage = pi().await;
    stage.quietly("job delete pi --cascade=orphan").await;
    let commands = book.hear(&mut stage, clean).await;
    let [recovers, deletes] = &commands[..] else { panic!("{commands:?}") };
    book.follow_and_agree(&mut stage, recovers, &[]).await;
    says(&mut stage, "job get pi", "Running").await;
    stage.quietly("job delete pi --cascade=orphan").await;
    let (_, _, asked) = stage.run("orphans clean", Some("\n")).await;
    assert_eq!(book.note(asked), commands[..1]);
    // One of them, in the cluster that was meant.
    let one = book.hear(&mut stage, "orphans clean --clusters=east --yes --running").await;
    assert_eq!((one.len(), &one[0]), (2, recovers), "{:?}", book.said.last());
    assert!(book.said.last().is_some_and(|said| said.contains("It stays: ")), "{one:?}");
    book.follow(&mut stage, &one[1..], &[]).await;
    let (_, listed, _) = stage.run("orphans list", None).await;
    assert!(!listed.contains("east") && listed.contains("north"), "{listed}");
    book.follow(&mut stage, std::slice::from_ref(deletes), &[]).await;
    says(&mut stage, "orphans list", "No resources found").await;

    // What has ended is no work that is lost.
    stage.quietly("job create -f pi.yaml").await;
    complete_pi(&mut stage).await;
    stage.quietly("job delete pi --cascade=orphan").await;
    let commands = book.hear(&mut stage, "orphans clean -A --yes").await;
    assert!(!commands[1].contains("--running"), "{commands:?}");
    book.followed.insert(commands[0].clone());
    book.follow(&mut stage, &commands[1..], &[]).await;
    says(&mut stage, "orphans list", "No resources found").await;

    // Of several federated Jobs.
    for scope in ["", "-A "] {
        let mut stage = pi().await;
        stage.quietly("job create -f several/euler.yaml").await;
        stage.quietly("job delete pi euler --cascade=orphan").await;
        let commands =
            book.hear(&mut stage, &format!("orphans clean {scope}--yes --running")).await;
        let [recovers, deletes, lists] = &commands[..] else { panic!("{commands:?}") };
        book.followed.insert(lists.clone());
        let (_, listed, _) = shell::run(&mut stage, lists).await;
        let row = listed.lines().find(|row| row.contains(" pi ") || row.starts_with("pi "));
        let uid = row.and_then(|row| row.split_whitespace().rev().nth(7)).expect("a uid");
        book.follow(&mut stage, std::slice::from_ref(deletes), &[("UID", uid)]).await;
        let (_, left, _) = shell::run(&mut stage, lists).await;
        assert!(!left.contains(uid) && left.contains("euler"), "{left}");
        book.follow_and_agree(&mut stage, recovers, &[]).await;
        says(&mut stage, "job get euler", "Running").await;
    }
}

/// Of orphans of another federation, and of those that may belong to a damaged record.
pub(super) async fn orphans(book: &mut Book) {
    let list = "orphans list";
    let mut stage = pi().await;
    stage.quietly("job delete pi --cascade=orphan").await;
    another_registry(&stage, "second").await;
    let commands = book.hear(&mut stage, list).await;
    assert_eq!(commands.len(), 1, "{:?}", book.said.last());
    assert!(book.said.last().is_some_and(|said| said.contains("3 jobs carry")));
    for member in ["east", "north"] {
        stage.delete(member, "pi").await;
    }
    let fewer = book.hear(&mut stage, list).await;
    book.followed.extend(fewer);
    shell::run_answering(&mut stage, &commands[0], "yes\n").await;
    book.followed.extend(commands);
    says(&mut stage, "job get", "pi").await;
    stage.quietly("job delete pi --cascade=orphan").await;
    another_registry(&stage, "third").await;
    stage.quietly("job create -f several/euler.yaml").await;
    let commands = book.hear(&mut stage, list).await;
    assert!(commands.len() > 1, "{:?}", book.said.last());
    // A registry that is in use cannot become another one.
    book.follow(&mut stage, &commands[..1], &[("CONTEXT", "spare")]).await;
    book.followed.extend(commands);

    let mut stage = pi().await;
    stage.quietly("job delete pi --cascade=orphan").await;
    stage.quietly("job create -f several/euler.yaml").await;
    let euler = (PI.0, "euler.federated-job");
    let key = "kubectl-federate.dev/state";
    let healthy = stage.annotate(euler, key, &"{".into()).await;
    let commands = book.hear(&mut stage, "orphans clean --yes --running").await;
    assert_eq!(commands.len(), 2, "{:?}", book.said.last());
    // What is damaged is put back here.
    book.followed.insert(commands[0].clone());
    let (_, _, damage) = stage.run("job get -A", None).await;
    assert!(damage.contains("euler"), "{damage}");
    stage.annotate(euler, key, &healthy).await;
    book.follow(&mut stage, &commands[1..], &[]).await;
}
