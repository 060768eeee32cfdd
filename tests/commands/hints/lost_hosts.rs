//! Hints about hosts whose registry or records are gone, or that have no federation.

use sim::{Verdict, When};
use tokio::time::Instant;

use super::book::{Book, MEMBERS, pi, says};
use crate::{errors::REGISTRY, recovery::another_registry};

/// Other verbs that name one Job.
const OF_ONE_JOB: [&str; 14] = [
    "job get pi --tree",
    "job get pi --watch",
    "job describe pi",
    "job logs pi",
    "job events pi",
    "job timeline pi",
    "job wait pi --for=condition=complete",
    "job scale pi --parallelism=3",
    "job suspend pi",
    "job resume pi",
    "job patch pi -p '{\"spec\":{\"parallelism\":3}}'",
    "job retry pi",
    "job delete pi",
    "reconcile pi",
];

/// Where the registry of the Jobs on a host was lost, and another one is made.
pub(super) async fn lost_registry(book: &mut Book) {
    let mut stage = pi().await;
    let registry = format!("/api/v1/namespaces/{}/configmaps/{}", REGISTRY.0, REGISTRY.1);
    stage.request("east", "DELETE", &registry, None).await;
    let commands = book.hear(&mut stage, "init --context=east").await;
    assert_eq!(commands.len(), 3, "{:?}", book.said.last());
    let [restore, recover, register] = &commands[..] else { panic!("{commands:?}") };
    for member in MEMBERS {
        let known = [("NAME", member), ("CONTEXT", member)];
        book.follow(&mut stage, std::slice::from_ref(register), &known).await;
    }
    book.follow_and_agree(&mut stage, recover, &[]).await;
    says(&mut stage, "job get pi", "Running").await;

    // Its shards are in clusters that are not registered yet.
    let mut stage = pi().await;
    stage.request("east", "DELETE", &registry, None).await;
    stage.quietly("init --context=east").await;
    stage.quietly("cluster register east").await;
    let saved = book.hear(&mut stage, "backup ~/others.yaml").await;
    let said = book.said.last().expect("it was typed");
    assert!(said.contains("This host has the records of 1 job of another federation"), "{said}");
    let commands = book.hear(&mut stage, "job get pi").await;
    assert_eq!(saved.len(), commands.len(), "{saved:?}");
    book.followed.extend(saved);
    book.follow_and_agree(&mut stage, &commands[0], &[]).await;
    for members in [&["north", "west"][..], &["west"]] {
        let commands = book.hear(&mut stage, "reconcile pi").await;
        assert_eq!(commands.len(), 2 + members.len(), "{commands:?}");
        let known = [("CONTEXT", members[0])];
        book.follow(&mut stage, &commands[1..2], &known).await;
        book.followed.extend(commands);
    }
    says(&mut stage, "reconcile pi", "Running").await;

    let mut stage = pi().await;
    stage.quietly("backup ~/federation.yaml").await;
    stage.request("east", "DELETE", &registry, None).await;
    let file = stage.path("federation.yaml").display().to_string();
    book.follow(&mut stage, std::slice::from_ref(restore), &[("FILE", file.as_str())]).await;
    says(&mut stage, "job get pi", "Running").await;
    stage.request("east", "DELETE", &registry, None).await;
    let commands = book.hear(&mut stage, "job get pi").await;
    let [again, init, register, recover] = &commands[..] else { panic!("{commands:?}") };
    assert_eq!(again, restore);
    book.follow(&mut stage, std::slice::from_ref(init), &[]).await;
    for member in MEMBERS {
        let known = [("NAME", member), ("CONTEXT", member)];
        book.follow(&mut stage, std::slice::from_ref(register), &known).await;
    }
    book.follow_and_agree(&mut stage, recover, &[]).await;
    says(&mut stage, "job get pi", "Running").await;

    // What is not known then, and what the registry had, is said.
    let mut stage = pi().await;
    stage.request("east", "DELETE", &registry, None).await;
    stage.quietly("init --context=east").await;
    stage.quietly("cluster register east").await;
    let recover = book.hear(&mut stage, "job get pi").await;
    let line = recover[0].strip_prefix("kubectl federate ").expect("a command");
    let commands = book.hear(&mut stage, line).await;
    let [marks, weight, label, lease, north, west] = &commands[..] else { panic!("{commands:?}") };
    book.followed.insert(marks.clone());
    for command in [north, west] {
        let member = if command == north { "north" } else { "west" };
        book.follow(&mut stage, std::slice::from_ref(command), &[("CONTEXT", member)]).await;
    }
    book.follow_and_agree(&mut stage, &recover[0], &[]).await;
    for (command, known) in [
        (weight, &[(" NAME N", " west 2")][..]),
        (label, &[("NAME", "west"), ("KEY=VALUE", "region=eu")]),
        (lease, &[("NAME", "west")]),
    ] {
        book.follow(&mut stage, std::slice::from_ref(command), known).await;
    }
    says(&mut stage, "job get pi", "Running").await;
}

/// Where a Job is created although the registry of others was lost.
pub(super) async fn first_of_another(book: &mut Book) {
    let mut stage = pi().await;
    let registry = format!("/api/v1/namespaces/{}/configmaps/{}", REGISTRY.0, REGISTRY.1);
    stage.request("east", "DELETE", &registry, None).await;
    stage.federate(MEMBERS).await;
    let commands = book.hear(&mut stage, "job create -f several/euler.yaml").await;
    assert_eq!(commands.len(), 1, "{:?}", book.said.last());
    let another = book.hear(&mut stage, "job create -f pi.yaml").await;
    book.followed.extend(another);
    let there = book.hear(&mut stage, "job recover --all").await;
    assert_eq!(there.len(), 2, "{:?}", book.said.last());
    let said = book.said.last().expect("it was typed");
    assert!(said.contains("takes over no other one while it has a job: default/euler."), "{said}");
    book.followed.extend(there);
    stage.quietly("job delete euler --cascade=background").await;
    book.follow_and_agree(&mut stage, &commands[0], &[]).await;
    says(&mut stage, "job get pi", "Running").await;
}

/// Where there is no federation to move, or another one was moved away from where it goes.
pub(super) async fn nothing_to_move(book: &mut Book) {
    let mut stage = pi().await;
    let relocate = "init --from=west --context=spare";
    book.heed(&mut stage, relocate, 1).await;
    book.heed(&mut stage, relocate, 1).await;
    says(&mut stage, "cluster list", "No clusters").await;
    stage.quietly("init --from=east --context=north").await;
    let in_use = "init --from=spare --context=east";
    book.heed(&mut stage, in_use, 1).await;
    says(&mut stage, in_use, "moved").await;
    let registry = format!("/api/v1/namespaces/{}/configmaps/{}", REGISTRY.0, REGISTRY.1);
    stage.quietly("init --from=north --context=west").await;
    stage.request("north", "DELETE", &registry, None).await;
    book.heed(&mut stage, "job get --context=north", 1).await;
    says(&mut stage, "job get pi", "Running").await;
    let unfinished = "init --replace-moved --context=north";
    stage.request("west", "DELETE", &registry, None).await;
    stage.quietly("init --context=north").await;
    stage.quietly("init --from=north --context=west").await;
    stage.request("west", "DELETE", &registry, None).await;
    let commands = book.hear(&mut stage, unfinished).await;
    let [finish, delete, init] = &commands[..] else { panic!("{commands:?}") };
    book.follow(&mut stage, std::slice::from_ref(finish), &[]).await;
    assert!(delete.contains(" --context=north delete configmap federation"), "{delete}");
    book.followed.insert(delete.clone());
    stage.request("north", "DELETE", &registry, None).await;
    book.follow(&mut stage, std::slice::from_ref(init), &[]).await;
}

/// Where the record of a Job is gone, and its shards run on.
pub(super) async fn lost_records(book: &mut Book) {
    let mut stage = pi().await;
    stage.quietly("job create -f several/euler.yaml").await;
    for job in ["pi", "euler"] {
        let record = format!("/api/v1/namespaces/default/configmaps/{job}.federated-job");
        stage.request("east", "DELETE", &record, None).await;
    }
    let recover = book.hear(&mut stage, "job get pi").await;
    assert_eq!(recover.len(), 1, "{:?}", book.said.last());
    assert!(recover[0].starts_with("kubectl federate job recover pi -n default"), "{recover:?}");
    for verb in OF_ONE_JOB {
        let commands = book.hear(&mut stage, verb).await;
        assert_eq!(commands, recover, "{verb}: {:?}", book.said.last());
        let said = book.said.last().expect("it was typed");
        assert!(said.contains("jobs.batch \"pi\" not found"), "{verb}: {said}");
    }
    // No cluster has shards of it; or nobody wants to know.
    for verb in ["job get mars", "job get pi --ignore-not-found"] {
        assert_eq!(book.hear(&mut stage, verb).await, Vec::<String>::new(), "{verb}");
    }
    let both = book.hear(&mut stage, "job delete pi euler").await;
    let names_both = "kubectl federate job recover euler pi -n default";
    assert!(both.len() == 1 && both[0].starts_with(names_both), "{both:?}");
    book.followed.extend(both);
    // Who does not answer delays nothing for long.
    stage.cluster("west").on_request(|_| Verdict::Hang(When::Before));
    let begun = Instant::now();
    assert_eq!(book.hear(&mut stage, "job delete pi").await, recover);
    assert!(begun.elapsed().as_secs() < 4, "{:?}", begun.elapsed());
    stage.cluster("west").clear_hook();
    book.follow_and_agree(&mut stage, &recover[0], &[]).await;
    says(&mut stage, "job get pi", "Running").await;

    // Its shards belong to a federation whose host is gone.
    stage.quietly("job delete pi --cascade=orphan").await;
    another_registry(&stage, "another").await;
    let commands = book.hear(&mut stage, "job get pi").await;
    assert_eq!(commands.len(), 1, "{:?}", book.said.last());
    book.follow_and_agree(&mut stage, &commands[0], &[]).await;
    says(&mut stage, "job get pi", "Running").await;
}
