use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    job::{Manifest, Size, labels},
    state::{Phase, Record, Recovery, Seen, Shard, annotate},
};

/// How many completions each shard of a Job with a fixed count has.
const SHARE: i32 = 7;

fn manifest(completions: i32, indexed: bool) -> Manifest {
    let mode = if indexed { "Indexed" } else { "NonIndexed" };
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"},
        "spec": {
            "completions": completions, "parallelism": 9, "completionMode": mode,
            "template": {"spec": {"containers": [{"name": "pi", "image": "perl"}]}},
        },
    });
    Manifest::new(job, "work", "").expect("valid")
}

/// A shard that has ended in some way, or runs; `dice` decides how, and how far it got.
fn ended(shard: Shard, n: usize, dice: u64, runs: bool) -> Shard {
    let uuid = |salt: u64| uuid::Uuid::from_u64_pair(dice.wrapping_mul(salt), !dice).to_string();
    let (own, all) = (shard.indexes.clone(), shard.completions.unwrap_or(0));
    let way = if runs { 0 } else { 1 + dice % 4 };
    let phase = [Phase::Started, Phase::Complete, Phase::Complete, Phase::Failed, Phase::Deleted];
    let phase = phase[usize::try_from(way).expect("few")];
    let some = i32::try_from(dice >> 40).unwrap_or(0) % (all + 1);
    let done = if phase == Phase::Complete { all } else { some };
    let own = own.unwrap_or_default();
    let seen = Seen {
        succeeded: done,
        failed: i32::try_from(dice % 13).unwrap_or(0),
        completed: own.split(done).0,
        end: Some(1_700_000_000 + i64::try_from(n).unwrap_or(0)),
        ..Seen::default()
    };
    Shard {
        phase,
        cluster_uid: Some(uuid(3)),
        uid: Some(uuid(5)),
        reopened: matches!(phase, Phase::Failed | Phase::Deleted) && !dice.is_multiple_of(3),
        seen: Some(seen),
        ..shard
    }
}

/// A Job over so many shards, of which each that `ends` says has ended. An Indexed one has its
/// indexes scattered over them.
fn record(
    shards: usize,
    indexed: Option<i32>,
    dice: &mut impl FnMut() -> u64,
    ends: u64,
) -> Record {
    let mut own: Vec<Vec<i32>> = vec![Vec::new(); shards];
    for index in 0..indexed.unwrap_or(0) {
        let to = usize::try_from(dice() % shards as u64).expect("few");
        own[to].push(index);
    }
    let total = indexed.unwrap_or(SHARE * i32::try_from(shards).expect("few"));
    let all = own.into_iter().enumerate().map(|(n, own)| {
        let cluster = format!("{}-{n:06}", "c".repeat(33));
        let shard = match indexed {
            Some(_) => Shard::planned_indexes(&cluster, 1, own.into_iter().collect()),
            None => Shard::planned(&cluster, Size { parallelism: 1, completions: Some(SHARE) }),
        };
        let roll = dice();
        ended(shard, n, roll, n == 0 || roll / 13 % 100 >= ends)
    });
    let all = all.collect();
    Record::new("f", manifest(total, indexed.is_some()), all, Timestamp::UNIX_EPOCH)
}

/// Every quantity that decisions read.
fn quantities(record: &Record) -> impl PartialEq + std::fmt::Debug + use<> {
    (
        (record.unplaced(), record.achieved(), record.failed_pods()),
        (record.carried(), record.carried_indexes(), record.completed_indexes()),
    )
}

/// The Job of a shard as its cluster has it.
fn job(record: &Record, id: u32) -> Value {
    let (name, own, owner) = (record.job_name(id), record.spec(id), record.ownership(id));
    let mut job = crate::job::shard(&record.manifest, name, &own, &owner);
    annotate(&mut job, record.recovery(id));
    job
}

/// Rebuilds the record from the Job of a shard that runs, where others have Jobs of their own.
fn rebuilt(before: &Record, present: impl Fn(u32) -> bool) -> Record {
    let text = before.recovery(1).expect("it fits");
    assert!(text.len() <= 64 * 1024, "{}", text.len());
    let recovery = Recovery::from_job(&job(before, 1)).expect("whole");
    let manifest = before.manifest.clone();
    let mut after = Record::new("f", manifest, Vec::new(), Timestamp::UNIX_EPOCH);
    let there = |id: u32, shard: &Shard| !shard.phase.ended() || present(id);
    for (id, shard) in before.shards.iter().filter(|(id, shard)| there(**id, shard)) {
        after.shards.insert(*id, shard.clone());
    }
    for (id, shard) in &recovery.ended {
        after.shards.entry(*id).or_insert_with(|| shard.clone());
    }
    after.take_folded(&recovery.folded);
    if let Some(heard) = &recovery.heard {
        after.hear(heard);
    }
    after.settle_heard();
    after
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    #[test]
    fn what_fits_gives_the_same_totals_whatever_has_ended(
        shards in prop_oneof![2..40_usize, 600..900_usize, Just(5_000_usize)],
        indexed in prop_oneof![Just(None), (1..3_000_i32).prop_map(Some)],
        ends in prop_oneof![0..=100_u64, Just(100)],
        present in 1..5_u32,
        seed: u64,
    ) {
        let mut state = seed;
        let mut dice = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005);
            state = state.wrapping_add(1_442_695_040_888_963_407);
            state >> 7
        };
        let before = record(shards, indexed, &mut dice, ends);
        let after = rebuilt(&before, |id| id % present == 1);
        prop_assert_eq!(quantities(&before), quantities(&after));
        prop_assert!(before.shards.keys().all(|id| after.knows_shard(*id)));
    }
}

#[test]
fn a_set_is_written_as_bits_where_that_is_shorter() {
    let scattered: Indexes = (0..100_000).filter(|index| index % 3 == 0).collect();
    let ranges: Indexes = "0-49999,60000-1999999999".parse().expect("indexes");
    for (set, most) in [(scattered, 17_000), (ranges, 24), (Indexes::default(), 0)] {
        let text = String::from(Compact(set.clone()));
        assert!(text.len() <= most, "{}", text.len());
        assert_eq!(Compact::try_from(text), Ok(Compact(set)));
    }
    assert!(Compact::try_from("bits:?".to_owned()).is_err());
    assert!(Compact::try_from("a".to_owned()).is_err());
}

/// Half of the indexes of the largest Job are completed, here and there.
#[test]
fn what_scattered_indexes_did_fits() {
    let completed: Indexes = (0..100_000).filter(|index| index * 7 % 13 < 6).collect();
    let failed: Indexes = (0..100_000).filter(|index| index * 7 % 13 == 8).collect();
    let mut record = record(2, None, &mut || 7, 0);
    record.manifest = manifest(100_000, true);
    record.state.folded.ids = (3..=2_000).collect();
    record.state.folded.carried_indexes = completed.clone();
    record.state.folded.completed = completed;
    record.state.folded.failed_indexes = failed;
    let recovery = Recovery::from_job(&job(&record, 1)).expect("it fits");
    let heard = recovery.heard.expect("it is written as bits");
    assert_eq!(heard.totals.completed, record.state.folded.completed);
    assert_eq!(heard.totals.failed_indexes, record.state.folded.failed_indexes);
}

#[test]
fn an_annotation_that_cannot_be_replaced_stays() {
    let mut body = json!({"metadata": {"annotations": {"theirs": "x"}}});
    annotate(&mut body, None);
    assert_eq!(body, json!({"metadata": {"annotations": {"theirs": "x"}}}));
    annotate(&mut body, Some("new".to_owned()));
    assert_eq!(body["metadata"]["annotations"][labels::RECOVERY], "new");
}
