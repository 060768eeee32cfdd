//! Documents that others keep for this program, and short texts of users: whatever they hold, they
//! are taken or refused with one clear error, and what is taken breaks no decision.

use std::io::{Read as _, Write as _};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use jiff::Timestamp;
use kubectl_federate::{
    cli::{Config, Selector},
    job::{Observed, lease_text, parse_lease},
    reconcile::{Found, Observation, Observations, Place, Status, decide},
    state::{Backup, Record, Recovery, Registry, annotate},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::texts::{Cut, HOSTILE, clear, cut, cuts, record, registry, replace};

/// The annotation in which a Job keeps what a record can be rebuilt from.
const RECOVERY: &str = "kubectl-federate.dev/recovery";

fn whole() -> Record {
    Record::from_config_map(&record()).expect("whole")
}

/// The Job of the record's shard as its member has it.
fn job(record: &Record) -> Value {
    let mut job = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": "pi", "namespace": "work", "uid": "u", "resourceVersion": "7",
            "labels": {"kubectl-federate.dev/federation": "f", "kubectl-federate.dev/job": "j",
                "kubectl-federate.dev/shard": "1"},
            "annotations": {"kubectl-federate.dev/generation": "2",
                "kubectl-federate.dev/credited": "3-8"}},
        "spec": {"parallelism": 1, "completions": 9, "completionMode": "Indexed", "suspend": false,
            "activeDeadlineSeconds": 600, "backoffLimit": 6, "backoffLimitPerIndex": 1,
            "maxFailedIndexes": 2, "ttlSecondsAfterFinished": 60, "template": {"spec": {}}},
        "status": {"active": 1, "ready": 1, "terminating": 0, "succeeded": 7, "failed": 1,
            "completedIndexes": "0,3-8", "failedIndexes": "1", "startTime": "2026-01-01T00:00:00Z",
            "completionTime": "2026-01-01T00:01:00Z",
            "uncountedTerminatedPods": {"succeeded": ["a"], "failed": ["b"]},
            "conditions": [
                {"type": "Suspended", "status": "False"},
                {"type": "FailureTarget", "status": "True", "reason": "DeadlineExceeded"},
                {"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "m",
                    "lastTransitionTime": "2026-01-01T00:01:00Z"}]},
    });
    annotate(&mut job, record.recovery(1));
    job
}

/// What is kept in an annotation, changed in one of its layers.
#[derive(Debug, Clone)]
enum Forgery {
    Base64(Vec<Cut>),
    Gzip(prop::sample::Index, u8),
    Json(Vec<Cut>),
    Field(prop::sample::Index, &'static str),
}

fn forgery() -> impl Strategy<Value = Forgery> {
    let word = prop::sample::select(&HOSTILE[..]);
    prop_oneof![
        1 => cuts().prop_map(Forgery::Base64),
        1 => (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(at, it)| Forgery::Gzip(at, it)),
        1 => cuts().prop_map(Forgery::Json),
        4 => (any::<prop::sample::Index>(), word).prop_map(|(at, it)| Forgery::Field(at, it)),
    ]
}

fn forged(text: &str, how: &Forgery) -> String {
    let packed = BASE64_STANDARD.decode(text).expect("base64");
    let mut plain = String::new();
    GzDecoder::new(&packed[..]).read_to_string(&mut plain).expect("gzip");
    let pack = |text: &str| {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(text.as_bytes()).expect("memory takes it");
        BASE64_STANDARD.encode(gzip.finish().expect("memory takes it"))
    };
    match how {
        Forgery::Base64(changes) => cut(text, changes),
        Forgery::Gzip(at, byte) => {
            let mut packed = packed;
            let at = at.index(packed.len());
            packed[at] = *byte;
            BASE64_STANDARD.encode(packed)
        }
        Forgery::Json(changes) => pack(&cut(&plain, changes)),
        Forgery::Field(at, word) => {
            let document = serde_json::from_str(&plain).expect("JSON");
            pack(&replace(document, *at, word).to_string())
        }
    }
}

/// Decides about a record of which its member has this Job, until nothing changes.
fn settles(record: &Record, job: &Value) -> bool {
    let now = Timestamp::from_second(1_800_000_000).expect("a time");
    let observed = Observed::from_object(job);
    let mut observations = Observations::default();
    let place = Place { uid: "e".into(), weight: 1, takes_work: true, ..Place::default() };
    observations.places.insert("east".into(), place);
    let known = Observation::known([(1, Box::new(observed))].into());
    observations.members.insert("east".into(), known);
    observations.found.insert("east".into(), vec![Found::from_object(job)]);
    let mut record = record.clone();
    for _ in 0..9 {
        let decided = decide(&record, &observations, now).record;
        let status = Status::new(&decided, &observations);
        assert!(status.succeeded >= 0 && status.unplaced >= 0, "{decided:?}");
        if decided == record {
            return true;
        }
        record = decided;
    }
    false
}

proptest! {
    #[test]
    fn what_a_job_keeps_is_taken_or_of_no_use(how in forgery()) {
        let whole = whole();
        let mut job = job(&whole);
        let kept = job["metadata"]["annotations"][RECOVERY].as_str().expect("it fits");
        job["metadata"]["annotations"][RECOVERY] = forged(kept, &how).into();
        if let Err(why) = Recovery::from_job(&job) {
            clear(&why);
        }
        let mut rebuilt = whole;
        rebuilt.state.unlisted = ["east".to_owned()].into();
        prop_assert!(settles(&rebuilt, &job), "it knows the shard");
        rebuilt.shards.clear();
        prop_assert!(settles(&rebuilt, &job), "it is new");
    }

    #[test]
    fn whatever_a_job_says_something_is_decided(
        at in any::<prop::sample::Index>(), with in prop::sample::select(&HOSTILE[..]),
        again in any::<prop::sample::Index>(), and in prop::sample::select(&HOSTILE[..]),
    ) {
        let whole = whole();
        let job = replace(replace(job(&whole), at, with), again, and);
        prop_assert!(settles(&whole, &job));
    }

    #[test]
    fn a_backup_is_read_or_refused_by_its_field(
        at in any::<prop::sample::Index>(), with in prop::sample::select(&HOSTILE[..]),
    ) {
        let registry = Registry::from_config_map(&registry()).expect("whole");
        let backup = Backup::new(&registry, &[whole()], Vec::new(), 7).to_value();
        match Backup::read(replace(backup, at, with)) {
            Err(why) => clear(&why),
            Ok((backup, records)) => {
                let again = Backup::read(backup.to_value());
                prop_assert_eq!(again.map(|(_, records)| records), Ok(records));
            }
        }
    }

    #[test]
    fn the_configuration_is_read_or_refused_with_its_path(changes in cuts()) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("federate.yaml");
        let text = "host:\n  context: east\n  uid: u\ncontexts:\n  west: sunset\n";
        std::fs::write(&path, cut(text, &changes)).expect("written");
        match Config::load(&path) {
            Err(error) => {
                clear(&error.to_string());
                prop_assert!(error.to_string().contains("federate.yaml"), "{error}");
            }
            Ok(config) => {
                config.save(&path).expect("written");
                prop_assert_eq!(Config::load(&path).ok(), Some(config));
            }
        }
    }

    #[test]
    fn the_length_of_a_lease_is_read_as_it_is_written(
        changes in cuts(), text in prop::sample::select(&["1h30m", "60s", "2d", "PT9H", "none"][..]),
    ) {
        match parse_lease(&cut(text, &changes)) {
            Err(why) => clear(&why),
            Ok(None) => {}
            Ok(Some(seconds)) => {
                prop_assert!(seconds >= 60);
                prop_assert_eq!(parse_lease(&lease_text(seconds)), Ok(Some(seconds)));
            }
        }
    }

    #[test]
    fn a_selector_is_read_or_refused(changes in cuts()) {
        let text = cut("a=b,c!=d,e in (f, g),h notin (i),!j,k.l/m", &changes);
        match text.parse::<Selector>() {
            Err(error) => clear(&error.to_string()),
            Ok(selector) => {
                let matches = selector.matches(&json!({"a": "b", "e": "f", "k.l/m": ""}));
                prop_assert!(matches || !selector.is_empty(), "an empty one matches all");
            }
        }
    }
}
