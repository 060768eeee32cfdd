use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    config_map::{MANIFEST, MANIFEST_LIMIT, SHARD_PREFIX, STATE},
    *,
};
use crate::{
    job::Size,
    state::{
        Error, Phase, Seen,
        documents::{PLAIN, packed_size},
    },
};

fn record(shards: usize, cluster: &str) -> Record {
    let manifest = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"},
        "spec": {"parallelism": 9, "completions": 18, "template": {}},
    });
    let manifest = Manifest::new(manifest, "work", "").expect("valid");
    let share = Size { parallelism: 1000, completions: Some(10_000) };
    let shards = (0..shards).map(|n| Shard::planned(&format!("{cluster}-{n}"), share)).collect();
    Record::new("f", manifest, shards, Timestamp::UNIX_EPOCH)
}

fn read_back(record: &Record) -> Result<Record, Error> {
    let mut config_map = record.to_config_map().expect("fits");
    config_map["metadata"]["uid"] = "u".into();
    config_map["metadata"]["resourceVersion"] = "1".into();
    Record::from_config_map(&config_map)
}

#[test]
fn what_is_written_is_what_is_read() {
    let mut record = record(2, "east");
    let shard = record.shards.get_mut(&2).expect("two shards");
    shard.phase = Phase::Failed;
    shard.uid = Some("x".into());
    shard.seen = Some(Seen { failed: 7, end: Some(3), at: 5, ..Seen::default() });
    record.state.outcome =
        Some(Outcome::new(Verdict::Failed, "BackoffLimitExceeded", "too many", 3));
    record.state.deleting = Some(Cascade::Foreground);
    let read = read_back(&record).expect("whole");
    assert_eq!(Record { stored: None, ..read }, record);
}

#[test]
fn a_job_that_is_made_has_room_for_all_indexes_of_its_shard() {
    let mut record = record(0, "");
    record.add(Shard::planned_indexes("a", 1, (17..=19).into()));
    record.add(Shard::planned_indexes("a", 1, (0..=3).into()));
    assert_eq!(record.spec(1).completions, Some(20), "an edit asked for less before it was made");
    assert_eq!(record.spec(2).completions, Some(18));
}

/// A record of a Job whose manifest has so many bytes that no compression makes smaller.
fn with_manifest(bytes: usize) -> Record {
    let mut state = 7_u64;
    let noise = (0..bytes).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        // Of 64 characters: gzip needs 6 of 8 bits for each.
        char::from(b'0' + u8::try_from(state >> 58).expect("6 bits"))
    });
    let manifest = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": "pi", "annotations": {"noise": noise.collect::<String>()}},
        "spec": {"parallelism": 9, "completions": 18, "template": {}},
    });
    let manifest = Manifest::new(manifest, "work", "").expect("valid");
    let share = Size { parallelism: 9, completions: Some(18) };
    let shards = vec![Shard::planned("east", share)];
    Record::new("f", manifest, shards, Timestamp::UNIX_EPOCH)
}

#[test]
fn a_large_manifest_is_compressed_and_one_that_stays_too_large_is_refused() {
    let small = with_manifest(PLAIN / 2).to_config_map().expect("fits");
    assert!(small["binaryData"].is_null());
    let large = with_manifest(MANIFEST_LIMIT);
    let config_map = large.to_config_map().expect("fits");
    assert!(config_map["binaryData"]["kubectl-federate.dev_manifest"].is_string());
    assert!(config_map["metadata"]["annotations"][STATE].is_string(), "the version stays plain");
    assert_eq!(Record { stored: None, ..read_back(&large).expect("whole") }, large);
    let larger = with_manifest(MANIFEST_LIMIT * 2);
    assert!(matches!(larger.to_config_map(), Err(Error::TooLarge { limit: MANIFEST_LIMIT, .. })));
    let edited = Record { stored: read_back(&large).expect("whole").stored, ..larger };
    let stored = edited.stored.as_ref().expect("it was read");
    assert!(edited.patch(stored).is_err(), "an edit that is too large is refused, too");
}

#[test]
fn a_record_of_version_1_is_read_and_written_as_the_current_one() {
    let mut config_map = record(1, "east").to_config_map().expect("fits");
    let annotations = &mut config_map["metadata"]["annotations"];
    annotations[STATE] = r#"{"version":1,"uid":"u","created":0}"#.into();
    annotations[format!("{SHARD_PREFIX}1")] = json!({
        "cluster": "east", "parallelism": 1, "completions": 3, "credited": 1, "credit": 2,
        "oldStart": 7, "phase": "started", "uid": "x",
    })
    .to_string()
    .into();
    let read = Record::from_config_map(&config_map).expect("whole");
    let shard = &read.shards[&1];
    assert_eq!((shard.credit_target, shard.start_before_resume), (2, Some(7)));
    let patch = read.patch(read.stored.as_ref().expect("it was read")).expect("fits");
    let state = patch["metadata"]["annotations"][STATE].as_str().expect("it is rewritten");
    assert!(state.contains(&format!(r#""version":{VERSION}"#)), "{state}");
}

#[test]
fn a_record_that_names_no_owner_of_a_job_that_was_taken_over_is_read() {
    let mut config_map = record(1, "east").to_config_map().expect("fits");
    let shard = json!({
        "cluster": "east", "parallelism": 1, "completions": 3, "phase": "deleted",
        "adoption": "takenOver", "uid": "x",
    });
    config_map["metadata"]["annotations"][format!("{SHARD_PREFIX}1")] = shard.to_string().into();
    let shard = &Record::from_config_map(&config_map).expect("whole").shards[&1];
    assert!(shard.is_taken_over() && shard.taken_by.is_none());
}

/// How indexes are spread over shards and states.
#[derive(Debug, Clone, Copy)]
enum Pattern {
    /// One after another: what fails and what completes alternates.
    Alternating(i32),
    /// In runs of this length.
    Runs(i32),
    /// At random, as this seed says.
    Random(u64),
}

impl Pattern {
    /// The shard of each index, from 0, and whether it is pending, completed or failed.
    fn labels(self, completions: i32, shards: i32) -> Vec<(i32, i32)> {
        let mut state = match self {
            Self::Random(seed) => seed,
            Self::Alternating(_) | Self::Runs(_) => 0,
        };
        let mut random = |below: i32| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            i32::try_from((state >> 33) % u64::try_from(below).expect("positive")).expect("below")
        };
        let label = |index: i32| match self {
            Self::Alternating(every) => (index % shards, if index % every == 0 { 2 } else { 1 }),
            Self::Runs(length) => (index / length % shards, index / length % 3),
            Self::Random(_) => (random(shards), random(3)),
        };
        (0..completions).map(label).collect()
    }
}

fn indexed(completions: i32, shards: Vec<Shard>) -> Record {
    let manifest = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"},
        "spec": {
            "parallelism": 9, "completions": completions, "completionMode": "Indexed",
            "backoffLimitPerIndex": 1, "template": {},
        },
    });
    let manifest = Manifest::new(manifest, "work", "").expect("valid");
    Record::new("f", manifest, shards, Timestamp::UNIX_EPOCH)
}

/// A state of an Indexed Job in which each index is in the shard and in the state that the pattern
/// says.
fn spread(completions: i32, shards: i32, pattern: Pattern) -> Record {
    let mut sets: BTreeMap<(i32, i32), Vec<i32>> = BTreeMap::new();
    for (index, label) in (0..).zip(pattern.labels(completions, shards)) {
        sets.entry(label).or_default().push(index);
    }
    let of = |shard: i32, state: i32| -> Indexes {
        sets.get(&(shard, state)).into_iter().flatten().copied().collect()
    };
    let shard = |n: i32| {
        let [pending, completed, failed_indexes] = [0, 1, 2].map(|state| of(n, state));
        let own = pending.with(&completed).with(&failed_indexes);
        Shard {
            phase: Phase::Started,
            uid: Some(uuid::Uuid::new_v4().to_string()),
            seen: Some(Seen { completed, failed_indexes, ..Seen::default() }),
            ..Shard::planned_indexes(&format!("cluster-{n}"), 1, own)
        }
    };
    indexed(completions, (0..shards).map(shard).collect())
}

fn pattern() -> impl Strategy<Value = Pattern> {
    prop_oneof![
        1 => (2..7_i32).prop_map(Pattern::Alternating),
        1 => (1..50_i32).prop_map(Pattern::Runs),
        2 => any::<u64>().prop_map(Pattern::Random),
    ]
}

/// A Job that is accepted can be recorded until its end, wherever its indexes are and whatever
/// becomes of them.
fn fits_until_its_end(completions: i32, shards: i32, pattern: Pattern) {
    let size = Size { parallelism: 1, completions: Some(1) };
    let planned = |n| Shard::planned(&format!("cluster-{n}"), size);
    let submitted = indexed(completions, (0..shards).map(planned).collect());
    let largest = submitted.largest_ledger();
    let stored = read_back(&submitted).expect("it is accepted").stored;
    let later = Record { stored, ..spread(completions, shards, pattern) };
    later.patch(later.stored.as_ref().expect("it was read")).expect("it fits");
    let mut config_map = json!({"metadata": {"name": "pi.federated-job", "namespace": "work"}});
    later.documents().write_to(&mut config_map).expect("it fits");
    let entry = |(id, shard): (&u32, &Shard)| {
        (format!("{SHARD_PREFIX}{id}"), serde_json::to_value(shard).expect("it is JSON"))
    };
    let entries: Vec<(String, Value)> = later.shards.iter().map(entry).collect();
    let plain: usize = entries.iter().map(|(key, entry)| key.len() + entry.to_string().len()).sum();
    let ledger = plain.min(packed_size(entries.iter().map(|(key, entry)| (key.clone(), entry))));
    assert!(ledger <= largest, "{ledger} bytes, of which {largest} were expected");
    let read = Record::from_config_map(&config_map).expect("whole");
    assert_eq!(read.shards, later.shards);
}

/// Compressed one by one its entries would take more than is expected of it.
#[test]
fn a_job_of_many_small_shards_fits_until_its_end() {
    fits_until_its_end(2227, 254, Pattern::Random(11_589_170));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn an_indexed_job_that_fits_at_submission_fits_until_its_end(
        completions in prop_oneof![3 => Just(100_000), 1 => 1..100_000_i32],
        shards in prop_oneof![1..6_i32, 6..400_i32],
        pattern in pattern(),
    ) {
        fits_until_its_end(completions, shards, pattern);
    }
}

/// A Job over so many clusters, with names as long as they can be.
fn wide(clusters: u32) -> Record {
    let manifest = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"},
        "spec": {"parallelism": clusters, "completions": 3 * clusters, "template": {}},
    });
    let manifest = Manifest::new(manifest, "work", "").expect("valid");
    let size = Size { parallelism: 1, completions: Some(3) };
    let shards = (0..clusters).map(|n| Shard::planned(&format!("{}-{n:06}", "c".repeat(33)), size));
    Record::new("f", manifest, shards.collect(), Timestamp::UNIX_EPOCH)
}

#[test]
fn a_job_over_five_thousand_clusters_is_recorded_until_its_end() {
    let submitted = wide(5_000);
    let stored = read_back(&submitted).expect("it is accepted").stored;
    let mut later = Record { stored, ..submitted };
    for (id, shard) in &mut later.shards {
        *shard = shard.grown(7 * id + 1);
    }
    let patch = later.patch(later.stored.as_ref().expect("it was read")).expect("it fits");
    let annotations = patch["metadata"]["annotations"].to_string().len();
    let binary: usize = patch["binaryData"]
        .as_object()
        .expect("packed")
        .values()
        .map(|v| v.to_string().len())
        .sum();
    assert!(annotations + binary < 1_000_000, "{annotations} and {binary} bytes");
    let mut config_map = json!({"metadata": {"name": "pi.federated-job", "namespace": "work"}});
    later.documents().write_to(&mut config_map).expect("it fits");
    assert_eq!(Record::from_config_map(&config_map).expect("whole").shards, later.shards);
}

/// The page of limits says how many shards of an Indexed Job fit with how many completions.
#[test]
fn as_many_shards_and_indexes_fit_as_the_page_of_limits_says() {
    const PAGE: &str = include_str!("../../../docs/operations.md");
    let fits = |shards: i32, completions: i32| {
        let size = Size { parallelism: 1, completions: Some(completions / shards) };
        let planned = |n| Shard::planned(&format!("cluster-{n}"), size);
        indexed(completions, (0..shards).map(planned).collect()).to_config_map().is_ok()
    };
    let most = [(5_000, 43_000), (3_000, 74_000)];
    for (shards, completions) in most {
        assert!(fits(shards, completions), "{shards} shards with {completions} completions");
        let more = completions + 1_000;
        assert!(!fits(shards, more), "{shards} shards fit with {more} completions, too");
    }
    assert!(fits(1_200, 1_000_000) && !fits(1_400, 1_000_000), "any number of completions");
    let said =
        "5,000 fit with up to about 43,000 completions, 3,000 with 74,000, and 1,200 with any";
    assert!(PAGE.contains(said), "the page does not say: {said}");
}

#[test]
fn what_does_not_fit_is_refused_before_it_grows() {
    let full = wide(9_000);
    assert!(full.documents().write_to(&mut json!({})).is_ok(), "it would fit as it is");
    let refused = full.to_config_map().expect_err("too large");
    assert!(matches!(refused, Error::TooLarge { what: "the ledger", .. }), "{refused}");
}

#[test]
fn every_damage_is_an_error_that_names_its_key() {
    for (key, value) in [
        (MANIFEST, Some("{")),
        (MANIFEST, Some("{}")),
        (MANIFEST, None),
        (STATE, Some("[]")),
        (STATE, None),
        ("shard.kubectl-federate.dev/1", Some("null")),
        (
            "shard.kubectl-federate.dev/1",
            Some(r#"{"cluster":"a","parallelism":1,"phase":"flying"}"#),
        ),
        (
            "shard.kubectl-federate.dev/1",
            Some(r#"{"cluster":"a","parallelism":-1,"phase":"planned"}"#),
        ),
        (
            "shard.kubectl-federate.dev/1",
            Some(r#"{"cluster":"a","parallelism":1,"completions":-1,"phase":"planned"}"#),
        ),
        (
            "shard.kubectl-federate.dev/1",
            Some(r#"{"cluster":"a","parallelism":1,"phase":"started"}"#),
        ),
        (
            "shard.kubectl-federate.dev/1",
            Some(r#"{"cluster":"a","parallelism":1,"phase":"planned","uid":"u"}"#),
        ),
        (
            "shard.kubectl-federate.dev/x",
            Some(r#"{"cluster":"a","parallelism":1,"phase":"planned"}"#),
        ),
    ] {
        let mut config_map = record(2, "east").to_config_map().expect("fits");
        config_map["metadata"]["annotations"][key] = value.into();
        let error = Record::from_config_map(&config_map).expect_err("damaged").to_string();
        assert!(
            error.starts_with("configmap work/pi.federated-job is damaged: annotation"),
            "{error}"
        );
        assert!(error.contains(key), "{error}");
    }
}

/// A record as a ConfigMap, and a larger one whose entries are compressed together.
fn plain_and_packed() -> [Value; 2] {
    let [plain, packed] = [record(5, "east"), wide(2_000)].map(|it| it.to_config_map());
    let packed = packed.expect("fits");
    assert!(packed["binaryData"][PACK].is_string());
    [plain.expect("fits"), packed]
}

const PACK: &str = "pack.kubectl-federate.dev_documents";

#[test]
fn an_entry_that_is_gone_is_damage_that_names_it() {
    let [plain, packed] = plain_and_packed();
    let without = |ids: &[u32]| {
        let mut config_map = plain.clone();
        for id in ids {
            config_map["metadata"]["annotations"][format!("{SHARD_PREFIX}{id}")] = Value::Null;
        }
        config_map
    };
    let mut unpacked = packed;
    unpacked["binaryData"] = Value::Null;
    let mut strange = plain.clone();
    let entry = plain["metadata"]["annotations"][format!("{SHARD_PREFIX}1")].clone();
    strange["metadata"]["annotations"][format!("{SHARD_PREFIX}6")] = entry;
    for (config_map, said) in [
        (without(&[2]), "annotation \"shard.kubectl-federate.dev/2\": it is missing"),
        (without(&[5]), "annotation \"shard.kubectl-federate.dev/5\": it is missing"),
        (
            without(&[1, 3, 4]),
            "\"shard.kubectl-federate.dev/1\": it is missing, as are those of shards 3,4",
        ),
        (
            unpacked,
            "\"shard.kubectl-federate.dev/1\": it is missing, as are those of shards 2-2000",
        ),
        (strange, "\"shard.kubectl-federate.dev/6\": the state does not know it"),
    ] {
        let error = Record::from_config_map(&config_map).expect_err("damaged").to_string();
        assert!(error.starts_with("configmap work/pi.federated-job is damaged: "), "{error}");
        assert!(error.ends_with(said), "{error}");
    }
}

#[test]
fn totals_that_are_gone_are_damage() {
    let mut record = record(3, "east");
    for shard in record.shards.values_mut() {
        (shard.phase, shard.uid) = (Phase::Complete, Some("x".into()));
    }
    record.fold(2, None);
    let mut config_map = record.to_config_map().expect("fits");
    assert!(Record::from_config_map(&config_map).is_ok());
    let text = config_map["metadata"]["annotations"][STATE].as_str().expect("a text");
    let mut state: Value = serde_json::from_str(text).expect("JSON");
    state["folded"] = json!({});
    config_map["metadata"]["annotations"][STATE] = state.to_string().into();
    let error = Record::from_config_map(&config_map).expect_err("damaged").to_string();
    assert!(error.ends_with("/2\": it is missing"), "{error}");
}

#[test]
fn what_is_left_of_a_ledger_is_salvaged_and_no_id_is_given_anew() {
    let [plain, packed] = plain_and_packed();
    let mut gone = plain.clone();
    for id in [2, 5] {
        gone["metadata"]["annotations"][format!("{SHARD_PREFIX}{id}")] = Value::Null;
    }
    let mut damaged = plain;
    damaged["metadata"]["annotations"][format!("{SHARD_PREFIX}5")] = "{".into();
    let (mut unpacked, mut broken) = (packed.clone(), packed);
    unpacked["binaryData"] = Value::Null;
    broken["binaryData"][PACK] = "?".into();
    for (config_map, left, next) in [
        (gone, vec![1, 3, 4], 6),
        (damaged, vec![1, 2, 3, 4], 6),
        (unpacked, vec![], 2_001),
        (broken, vec![], 2_001),
    ] {
        let mut record = Record::salvage(&config_map).expect("the rest is whole");
        assert_eq!(record.shards.keys().copied().collect::<Vec<_>>(), left);
        record.add(Shard::planned("new", Size { parallelism: 1, completions: Some(1) }));
        assert_eq!(record.shards.keys().next_back(), Some(&next));
    }
}

#[test]
fn only_records_of_earlier_versions_need_not_say_which_entries_they_have() {
    let mut config_map = record(2, "east").to_config_map().expect("fits");
    let state = |version: u32| json!({"version": version, "uid": "u", "created": 0}).to_string();
    config_map["metadata"]["annotations"][format!("{SHARD_PREFIX}1")] = Value::Null;
    config_map["metadata"]["annotations"][STATE] = state(7).into();
    let read = Record::from_config_map(&config_map).expect("nobody can know");
    let written = read.documents().get::<Value>(STATE).expect("a state");
    assert_eq!((&written["version"], &written["ids"]), (&json!(VERSION), &json!("2")));
    config_map["metadata"]["annotations"][STATE] = state(8).into();
    let error = Record::from_config_map(&config_map).expect_err("damaged").to_string();
    assert!(error.contains(STATE) && error.ends_with("ids: it is missing"), "{error}");
}

#[test]
fn a_newer_version_is_refused_even_where_it_cannot_be_read() {
    let mut config_map = record(1, "east").to_config_map().expect("fits");
    let newer = json!({"version": VERSION + 1, "fieldOfTomorrow": 1});
    config_map["metadata"]["annotations"][STATE] = newer.to_string().into();
    let error = Record::from_config_map(&config_map).expect_err("it is newer");
    assert!(matches!(error, Error::Newer { found, .. } if found == VERSION + 1), "{error}");
}

#[test]
fn a_record_in_the_wrong_place_is_damaged() {
    let mut config_map = record(1, "east").to_config_map().expect("fits");
    config_map["metadata"]["namespace"] = "elsewhere".into();
    assert!(matches!(Record::from_config_map(&config_map), Err(Error::Damaged { .. })));
}
