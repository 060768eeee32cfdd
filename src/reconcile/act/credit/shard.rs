//! The credit of a shard, as its ledger says.

use super::{
    measure::{Measure, Wanted},
    send::credit,
};
use crate::{
    job::{Indexes, Observed},
    reconcile::{
        act::{
            target::{CHANGING, Performed, Target, answer_of_error},
            wait::wait_for_first_look,
        },
        decide::has_lost_credit,
        observe::{Answer, shard_id},
    },
    state::Record,
};

/// Credits to a shard what the ledger says is to be credited.
pub(in crate::reconcile::act) async fn credit_shard(target: &Target<'_>) -> Performed {
    if let Some(unseen) = wait_for_first_look(target).await {
        return unseen;
    }
    let wanted = |job: &Observed| wanted(target.record, target.id, job);
    let (record, uid) = (target.record, target.uid.unwrap_or_default());
    let (namespace, name) = (record.namespace(), record.job_name(target.id));
    match credit(target.connection, namespace, name, uid, wanted, &Measure::default()).await {
        Ok(None) => (Answer::Gone, None),
        Ok(Some(credited)) => {
            let what = (credited.count > 0).then(|| description(credited.count));
            let job = Box::new(credited.job);
            let why = match (credited.kept, credited.doubled.is_empty()) {
                (0, true) => return (Answer::Job(job), what),
                (_, false) => format!(
                    "its indexes {} were taken off it while their pods started: they may run twice",
                    credited.doubled
                ),
                (kept, true) => held_up(kept),
            };
            (Answer::Waiting(job, why), what)
        }
        Err(error) if error.is_conflict() => match target.read().await {
            Answer::Job(job) => (Answer::Waiting(job, CHANGING.to_owned()), None),
            other => (other, None),
        },
        Err(error) => (answer_of_error(&error), None),
    }
}

/// What the ledger says is to be credited to a shard's Job.
pub(crate) fn wanted(record: &Record, id: u32, job: &Observed) -> Wanted {
    let shard = &record.shards[&id];
    match &shard.indexes {
        _ if shard_id(record, job) != Some(id) || has_lost_credit(shard, job) => Wanted::default(),
        None => Wanted {
            count: shard.credit_target - shard.credited.max(job.credited_count()),
            from: Vec::new(),
        },
        Some(own) => {
            let own = own.without(&job.credited_indexes());
            let credited = shard.completions.unwrap_or(0) - own.len();
            let asked = Indexes::all(record.manifest.size().completions.unwrap_or(0));
            let asked = asked.without(&record.done_in_given_up());
            let count = shard.credit_target - credited;
            let (beyond, within) = (own.without(&asked), own.both(&asked));
            // An index beyond what is asked for that runs ends by itself. No index that is asked
            // for is credited in its place.
            let least = beyond.without(&job.completed_indexes).len();
            Wanted { count, from: vec![(beyond, count), (within, (count - least).max(0))] }
        }
    }
}

/// Why so many completions are not taken off yet.
fn held_up(count: i32) -> String {
    let (them, free) = match count {
        1 => ("it", "it off, unless a pod runs for it"),
        _ => ("them", "off those for which no pod runs"),
    };
    format!(
        "{} could not be taken off it yet, because pods may be running for {them}. A later \
         reconcile takes {free}",
        completions(count)
    )
}

/// What a credit of so many completions is called.
pub(crate) fn description(count: i32) -> String {
    format!("credited {}", completions(count))
}

fn completions(count: i32) -> String {
    format!("{count} {}", if count == 1 { "completion" } else { "completions" })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::creditable, *};
    use crate::{
        job::{Manifest, Pod, credit::Credit, labels::CREDITED},
        state::Shard,
    };

    #[test]
    fn what_cannot_be_taken_off_yet_is_said_with_what_happens_next() {
        for (count, text) in [
            (
                1,
                "1 completion could not be taken off it yet, because pods may be running for it. \
                 A later reconcile takes it off, unless a pod runs for it",
            ),
            (
                3,
                "3 completions could not be taken off it yet, because pods may be running for \
                 them. A later reconcile takes off those for which no pod runs",
            ),
        ] {
            assert_eq!(held_up(count), text);
        }
    }

    #[test]
    fn an_index_beyond_an_edit_ends_by_itself_and_no_other_is_credited_in_its_place() {
        let spec = json!({"parallelism": 2, "completions": 4, "completionMode": "Indexed"});
        let metadata = json!({"name": "pi"});
        let job =
            json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec});
        let manifest = Manifest::new(job, "work", "").expect("valid");
        let mut shard = Shard::planned_indexes("east", 2, Indexes::all(6));
        (shard.uid, shard.credit_target) = (Some("u1".into()), 2);
        let record = Record::new("f", manifest, vec![shard], jiff::Timestamp::UNIX_EPOCH);
        let mut job = Observed::from_object(&json!({
            "metadata": {"name": "pi", "uid": "u1", "annotations": {CREDITED: ""}},
            "spec": {"parallelism": 2, "completions": 6, "completionMode": "Indexed"},
            "status": {"active": 2, "succeeded": 2, "completedIndexes": "1,4"},
        }));
        job.owner = Some(record.ownership(1));
        let pods = [2, 5].map(|index| {
            let index = json!({"batch.kubernetes.io/job-completion-index": index.to_string()});
            Pod::from_object(
                &json!({"metadata": {"annotations": index}, "status": {"phase": "Running"}}),
            )
        });
        let wanted = wanted(&record, 1, &job);
        let credit = creditable(&job, &pods, &wanted, &Measure::default(), true);
        assert_eq!(
            credit,
            Credit::Indexes(Indexes::default()),
            "indexes 0 and 3 are still to be run"
        );
    }
}
