//! Absurd numbers from a hostile member: what is said of them, and that they change nothing in the
//! other members.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::net::Fate;
use super::super::stage::Stage;
use super::answers::{leaves, renumber};
use super::{Scope, opposed, others};

#[tokio::test(start_paused = true)]
async fn absurd_numbers_are_told_and_change_nothing_in_the_other_members() {
    let numbers = [
        json!(i64::MAX),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(i32::MAX),
        json!(i32::MIN),
        json!(-1),
        json!(1e300),
        json!(0.5),
        json!("9"),
    ];
    // What is said of each, with all numbers of which the same is said.
    let mut said: BTreeMap<(usize, String), Vec<String>> = BTreeMap::new();
    for number in numbers {
        let told = number.clone();
        let twist = move |answer: &mut Value| {
            leaves(answer, &|_, leaf| renumber(leaf, told.clone()));
        };
        let fate = Fate::Twisted(Arc::new(twist));
        let stage = Stage::running().await;
        let (before, uid) = (others(&stage), stage.records()[0].uid.clone());
        let commands = ["job get pi", "job describe pi", "reconcile", "cluster list", "reconcile"];
        for (place, command) in commands.into_iter().enumerate() {
            let ran = opposed(&stage, command, Scope::All, &fate).await;
            assert_eq!(others(&stage), before, "{command}, {number}: {ran:#?}");
            // The Job has run for an hour, or a little less, as the local clock has it.
            let lines = ran.stderr.lines().filter(|line| !line.contains("its clock is"));
            let words = lines.flat_map(|line| [line, "\n"]).collect::<String>();
            let rows = ran.stdout.lines().filter(|line| !line.starts_with("Start Time:"));
            let rows = rows.flat_map(|line| [line, "\n"]).collect::<String>();
            let rows = rows.replace("59m", "60m").replace(&uid, "UID");
            let text = format!("$ {command}\n{rows}{words}exit code {}", ran.code);
            said.entry((place, text)).or_default().push(number.to_string());
        }
        stage.settle().await;
        stage.completes().await;
    }
    let told = said.into_iter();
    let told = told.map(|((_, text), numbers)| format!("{}: {text}\n", numbers.join(", ")));
    insta::assert_snapshot!("absurd_numbers", told.collect::<Vec<_>>().join("\n"));
}

/// Has each Job in an answer tell so many successes.
fn invent(value: &mut Value, successes: i64) {
    if value["spec"]["template"].is_object() {
        value["status"]["succeeded"] = successes.into();
    }
    let items = value.get_mut("items").and_then(Value::as_array_mut);
    for item in items.into_iter().flatten() {
        invent(item, successes);
    }
}

#[tokio::test(start_paused = true)]
async fn invented_successes_count_for_their_own_shard_alone() {
    for (successes, told) in
        [(i64::from(i32::MAX), "2/7"), (i64::from(i32::MIN), "0/7"), (-1, "0/7"), (i64::MAX, "0/7")]
    {
        let fate = Fate::Twisted(Arc::new(move |answer| invent(answer, successes)));
        let stage = Stage::running().await;
        let before = others(&stage);
        for command in ["reconcile", "job get pi"] {
            let ran = opposed(&stage, command, Scope::Reads, &fate).await;
            assert_eq!(others(&stage), before, "{command}, {successes}: {ran:#?}");
            assert!(ran.stdout.contains(told), "{command}, {successes}: {ran:#?}");
        }
    }
}
