//! Hints about hosts whose registry is gone, or that have no federation.

use super::book::{Book, MEMBERS, pi, says};
use crate::errors::REGISTRY;

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
    let commands = book.hear(&mut stage, "job get pi").await;
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
