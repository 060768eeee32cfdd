//! Hints about two hosts of one federation.

use serde_json::Value;

use super::book::{Book, pi, says};
use crate::errors::{PI, REGISTRY};

const RECORD: &str = "/api/v1/namespaces/default/configmaps/pi.federated-job";

/// Where a host is to be that of another federation, and what was moved away is not all there.
pub(super) async fn not_there(book: &mut Book) {
    let mut stage = pi().await;
    stage.quietly("backup ~/federation.yaml").await;
    stage.quietly("init --from=east --context=spare").await;
    stage.request("spare", "DELETE", RECORD, None).await;
    let replace = "init --replace-moved --context=east";
    let commands = book.hear(&mut stage, replace).await;
    let [restore, delete] = &commands[..] else { panic!("{commands:?}") };
    book.followed.insert(delete.clone());
    let file = stage.path("federation.yaml").display().to_string();
    book.follow_and_agree(&mut stage, restore, &[("FILE", file.as_str())]).await;
    says(&mut stage, "job get pi", "Running").await;
    says(&mut stage, replace, "initialized").await;
}

/// Where a host is to be that of another federation, and not all there is marked as moved.
pub(super) async fn not_marked(book: &mut Book) {
    let mut stage = pi().await;
    stage.quietly("init --from=east --context=spare").await;
    let key = "kubectl-federate.dev/state";
    let moved = stage.annotate(PI, key, &Value::Null).await;
    let mut state: Value = serde_json::from_str(moved.as_str().unwrap_or_default()).expect("it");
    state.as_object_mut().expect("an object").remove("moved").expect("it was moved");
    stage.annotate(PI, key, &state.to_string().into()).await;
    book.heed(&mut stage, "init --replace-moved --context=east", 1).await;
    says(&mut stage, "init --replace-moved --context=east", "initialized").await;
}

/// Where the new host has lost all, and a record cannot be read that is to be copied there again.
pub(super) async fn left_damaged(book: &mut Book) {
    let mut stage = pi().await;
    let relocate = "init --from=east --context=spare";
    stage.quietly(relocate).await;
    let registry = format!("/api/v1/namespaces/{}/configmaps/{}", REGISTRY.0, REGISTRY.1);
    for lost in [RECORD, registry.as_str()] {
        stage.request("spare", "DELETE", lost, None).await;
    }
    stage.annotate(PI, "kubectl-federate.dev/state", &"{".into()).await;
    let commands = book.hear(&mut stage, relocate).await;
    let [delete, finish, recover] = &commands[..] else { panic!("{commands:?}") };
    book.followed.insert(delete.clone());
    stage.request("east", "DELETE", RECORD, None).await;
    book.follow(&mut stage, std::slice::from_ref(finish), &[]).await;
    book.follow_and_agree(&mut stage, recover, &[]).await;
    says(&mut stage, "job get pi", "Running").await;
}

/// Where each of two hosts was left for the other.
pub(super) async fn both_left(book: &mut Book) {
    let mut stage = pi().await;
    stage.quietly("backup ~/first.yaml").await;
    stage.set_down("east", true);
    stage.quietly("restore ~/first.yaml --context=spare --yes").await;
    stage.quietly("backup ~/second.yaml").await;
    stage.set_down("east", false);
    stage.set_down("spare", true);
    stage.quietly("restore ~/second.yaml --context=east --yes").await;
    stage.set_down("spare", false);
    let registry = format!("/api/v1/namespaces/{}/configmaps/{}", REGISTRY.0, REGISTRY.1);
    stage.request("spare", "DELETE", &registry, None).await;
    stage.quietly("restore ~/second.yaml --context=spare --yes").await;
    let commands = book.hear(&mut stage, "init --from=spare --context=east").await;
    let [save, restore] = &commands[..] else { panic!("{commands:?}") };
    let file = stage.path("third.yaml").display().to_string();
    let known = [("FILE", file.as_str())];
    book.follow(&mut stage, std::slice::from_ref(save), &known).await;
    book.follow_and_agree(&mut stage, restore, &known).await;
    stage.quietly("reconcile").await;
    says(&mut stage, "job get pi", "Running").await;
}

/// Where the host before was used again, with a cluster that the new one does not have.
pub(super) async fn used_again(book: &mut Book) {
    let mut stage = pi().await;
    stage.quietly("backup ~/federation.yaml").await;
    stage.set_down("east", true);
    stage.quietly("restore ~/federation.yaml --context=north --yes").await;
    stage.set_down("east", false);
    stage.quietly("reconcile --context=north").await;
    stage.quietly("cluster register spare --context=east").await;
    stage.quietly("job scale pi --completions=36 --parallelism=18 --context=east").await;
    let marks = "init --from=east --context=north";
    let commands = book.hear(&mut stage, marks).await;
    let [register, lost] = &commands[..] else { panic!("{commands:?}") };
    book.followed.insert(lost.clone());
    let offered = {
        let register = register.strip_prefix("kubectl federate ").expect("a command");
        book.followed.insert(format!("kubectl federate {register}"));
        book.hear(&mut stage, register).await
    };
    assert_eq!(offered.len(), 1, "{:?}", book.said.last());
    book.follow(&mut stage, &offered, &[]).await;
    says(&mut stage, marks, "unchanged").await;
}

/// Where something is wrong with the host that a federation is moved from: it is another one than
/// that of the command.
pub(super) async fn old_host(book: &mut Book) {
    let mut stage = pi().await;
    stage.quietly("backup ~/federation.yaml").await;
    let relocate = "init --from=east --context=spare";
    stage.annotate(PI, "kubectl-federate.dev/state", &"{".into()).await;
    let recover = book.hear(&mut stage, relocate).await;
    assert_eq!(recover.len(), 1, "{:?}", book.said.last());
    assert!(recover[0].contains("pi -n default --context=east"), "{recover:?}");
    book.follow_and_agree(&mut stage, &recover[0], &[]).await;
    says(&mut stage, relocate, "moved to").await;

    let commands = book.hear(&mut stage, "init --from=east --context=north").await;
    let [new, finish, restore, replace] = &commands[..] else { panic!("{commands:?}") };
    assert!(replace.contains("--replace-moved --context=east"), "{replace}");
    book.followed.insert(restore.clone());
    for command in [new, finish, replace] {
        book.follow(&mut stage, std::slice::from_ref(command), &[]).await;
    }

    stage.set_down("spare", true);
    let restore = book.hear(&mut stage, "init --from=spare --context=west").await;
    assert_eq!(restore.len(), 1, "{:?}", book.said.last());
    let file = stage.path("federation.yaml").display().to_string();
    book.follow_and_agree(&mut stage, &restore[0], &[("FILE", file.as_str())]).await;
    says(&mut stage, "job get pi --context=west", "0/18").await;
}
