//! Drift: where a shard's Job differs from the ledger because somebody changed it in its cluster;
//! pure.
//!
//! Drift is shown and not corrected: whoever changes a Job there, such as a queueing system, has
//! reasons. Reconcile corrects only the limits that are the budget of the federated Job.

use serde_json::Value;

use crate::{
    job::{self, Misfit, Observed, differences, labels},
    reconcile::decide::{has_lost_credit, is_assigned},
    state::{Phase, Record, Shard},
};

/// What somebody changed of a shard's Job since the last change of the ledger reached it: one
/// sentence for each difference.
///
/// Nothing is said of a Job that is to end: stopping it changes its spec.
pub fn drift(record: &Record, id: u32, job: &Value) -> Vec<String> {
    let shard = &record.shards[&id];
    let live = Observed::from_object(job);
    if shard.phase.ended() || record.state.deleting.is_some() {
        return Vec::new();
    }
    let mut found = Vec::new();
    if live.deleting {
        found.push("it is being deleted".to_owned());
    }
    if shard.awaits_labels() {
        found.push("it has yet to get the labels of its shard".to_owned());
        return found;
    }
    if live.owner.as_ref() != Some(&record.ownership(id)) {
        found.push(
            "its labels were changed: it is left alone until they are as they were".to_owned(),
        );
    }
    let outdated = live.generation < shard.generation;
    if outdated
        || shard.retired
        || record.state.outcome.is_some()
        || live.end.is_some()
        || live.ending
    {
        return found;
    }
    if shard.adoption.is_some()
        && !is_assigned(shard, &live)
        && live.completions != shard.completions
    {
        let (is, own) = (live.completions.map(i64::from), shard.completions.map(i64::from));
        let change = format!("completions is {}, not {}", count(is), count(own));
        found.push(format!("{change}: it is left alone until they are as they were"));
        return found;
    }
    if !is_assigned(shard, &live) || has_lost_credit(shard, &live) {
        found.push(format!("its annotation {} was taken away", labels::CREDITED));
    }
    counts_and_limits(record, id, job, &live, &mut found);
    let mut sent =
        job::shard(&record.manifest, record.job_name(id), &record.spec(id), &record.ownership(id));
    if shard.awaits_template(&live) {
        sent["spec"]["template"] = job["spec"]["template"].clone();
    }
    found.extend(differences(&sent, job));
    found
}

/// Adds the differences of counts and limits, and of `suspend`.
fn counts_and_limits(
    record: &Record,
    id: u32,
    job: &Value,
    live: &Observed,
    found: &mut Vec<String>,
) {
    let (own, asked) = (record.spec(id), &record.manifest);
    let mut compare = |field: &str, is: Option<i64>, wanted: Option<i64>| {
        if is != wanted {
            found.push(format!("{field} is {}, not {}", count(is), count(wanted)));
        }
    };
    // Winding down lowers the parallelism of a work queue. A hold sets it to 0.
    let has_own_pods = asked.size().completions.is_some() || record.achieved() == 0;
    if has_own_pods && !live.in_hold_queue {
        compare("parallelism", Some(live.parallelism.into()), Some(own.parallelism.into()));
    }
    // An Indexed Job was created with all indexes that there were then. It needs those of its own.
    let indexes = record.shards[&id].indexes.as_ref();
    let has_room = indexes.is_some_and(|own| live.completions.is_some_and(|all| all >= own.end()));
    if !has_room {
        compare("completions", live.completions.map(i64::from), own.completions.map(i64::from));
    }
    let deadline = own.active_deadline_seconds.or(asked.active_deadline_seconds());
    compare("activeDeadlineSeconds", job["spec"]["activeDeadlineSeconds"].as_i64(), deadline);
    for (field, is, left, all) in [
        ("backoffLimit", live.backoff_limit, own.backoff_limit, asked.backoff_limit()),
        (
            "maxFailedIndexes",
            live.max_failed_indexes,
            own.max_failed_indexes,
            asked.max_failed_indexes(),
        ),
    ] {
        let (Some(is), Some(all)) = (is, all) else { continue };
        // A limit between what is left and all of it was given before others failed. Reconcile
        // changes it.
        if !(left.unwrap_or(all)..=all).contains(&is) {
            compare(field, Some(is.into()), Some(left.unwrap_or(all).into()));
        }
    }
    // A queueing system decides when a Job runs that is not to be suspended.
    let is_waiting = record.shards[&id].queued && !asked.suspended();
    if live.suspended != asked.suspended() && !is_waiting {
        found.push(format!("suspend is {}, not {}", live.suspended, asked.suspended()));
    }
}

/// The sentence for a shard whose Job is gone, was ended by somebody, or could not be created or
/// changed. A shard that failed as the whole Job has was ended by nobody.
pub(in crate::reconcile) fn absence(record: &Record, shard: &Shard) -> Option<String> {
    if let Some(refusal) = &shard.refusal {
        let what = if shard.phase == Phase::Planned { "created" } else { "changed" };
        return Some(format!("it could not be {what}: {refusal}"));
    }
    if shard.may_have_ended() && !shard.reopened {
        let why = match shard.foreign_ttl() {
            Some(ttl) => format!("its cluster had set its ttlSecondsAfterFinished to {ttl}"),
            None if shard.phase != Phase::Deleted => {
                let missing = shard.missing_indexes();
                return Some(format!(
                    "it ended without the indexes {missing}: others may have done these since the \
                     backup from which the record was restored"
                ));
            }
            None => "it was gone when the record was restored from a backup".to_owned(),
        };
        return Some(format!(
            "it is gone, and may have finished before: {why}. Its work is not known to be undone"
        ));
    }
    let rest = |what: &str, are: &str| {
        if shard.reopened {
            format!("{what} {are} for others")
        } else {
            format!("no other shard does {what}")
        }
    };
    let is_plain_failure = shard.phase == Phase::Failed && record.state.outcome.is_some();
    (shard.is_cut_short() && !is_plain_failure).then(|| match shard.phase {
        _ if shard.is_taken_over() => {
            let taken = Misfit::TakenOver(shard.taken_by.clone());
            format!("{taken}: {}", rest("what it was to do for this one", "is"))
        }
        Phase::Deleted => format!("it was deleted: {}", rest("what was left of it", "is")),
        _ => {
            let missing = shard.missing_indexes();
            format!("it ended without the indexes {missing}: {}", rest("these", "are"))
        }
    })
}

fn count(count: Option<i64>) -> String {
    count.map_or("unset".to_owned(), |count| count.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Manifest, Size};
    use crate::state::{Outcome, Seen, Verdict};
    use jiff::Timestamp;
    use serde_json::json;

    fn record(mut spec: Value) -> Record {
        spec["template"]["spec"]["containers"] = json!([{"name": "pi", "image": "pi"}]);
        let metadata = json!({"name": "pi"});
        let job =
            json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec});
        let manifest = Manifest::new(job, "work", "").expect("valid");
        let shard = |cluster: &str| Shard {
            phase: Phase::Started,
            uid: Some(format!("{cluster}-uid")),
            seen: Some(Seen::default()),
            ..Shard::planned(cluster, Size { parallelism: 2, completions: Some(3) })
        };
        Record::new("f", manifest, vec![shard("a"), shard("b")], Timestamp::UNIX_EPOCH)
    }

    /// The Job of the first shard as it is to be.
    fn job(record: &Record) -> Value {
        let own = record.spec(1);
        let mut job = crate::job::shard(&record.manifest, "pi", &own, &record.ownership(1));
        job["metadata"]["uid"] = "a-uid".into();
        job["metadata"]["annotations"] = json!({labels::GENERATION: own.generation.to_string()});
        job["spec"]["suspend"] = record.manifest.suspended().into();
        if job["spec"]["backoffLimit"].is_null() {
            job["spec"]["backoffLimit"] = 6.into();
        }
        job
    }

    #[test]
    fn a_job_as_the_ledger_has_it_has_not_drifted() {
        for spec in [
            json!({"completions": 6, "parallelism": 4}),
            json!({"completions": 6, "parallelism": 4, "suspend": true}),
            json!({"completions": 6, "parallelism": 4, "activeDeadlineSeconds": 9,
                "backoffLimit": 0}),
        ] {
            let record = record(spec);
            assert_eq!(drift(&record, 1, &job(&record)), Vec::<String>::new());
        }
    }

    #[test]
    fn each_change_of_somebody_is_named_with_what_the_ledger_has() {
        let record =
            record(json!({"completions": 6, "parallelism": 4, "activeDeadlineSeconds": 9}));
        for (pointer, value, said) in [
            ("/spec/parallelism", json!(5), "parallelism is 5, not 2"),
            ("/spec/completions", json!(4), "completions is 4, not 3"),
            ("/spec/backoffLimit", json!(7), "backoffLimit is 7, not 6"),
            ("/spec/backoffLimit", json!(5), "backoffLimit is 5, not 6"),
            ("/spec/suspend", json!(true), "suspend is true, not false"),
            (
                "/spec/template/spec/containers/0/image",
                json!("mirror/pi"),
                "container \"pi\": image is mirror/pi, not pi",
            ),
            ("/spec/activeDeadlineSeconds", json!(null), "activeDeadlineSeconds is unset, not 9"),
            (
                "/metadata/labels",
                json!({}),
                "its labels were changed: it is left alone until they are as they were",
            ),
        ] {
            let mut job = job(&record);
            *job.pointer_mut(pointer).expect("it is there") = value;
            assert_eq!(drift(&record, 1, &job), [said]);
        }
        let mut going = job(&record);
        going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        assert_eq!(drift(&record, 1, &going), ["it is being deleted"]);
    }

    #[test]
    fn a_ttl_that_is_not_ours_is_drift() {
        let record = record(json!({"completions": 6, "ttlSecondsAfterFinished": 9}));
        let mut job = job(&record);
        assert_eq!(drift(&record, 1, &job), Vec::<String>::new(), "it is given at the end");
        job["spec"]["ttlSecondsAfterFinished"] = 60.into();
        assert_eq!(drift(&record, 1, &job), ["ttlSecondsAfterFinished is 60, not unset"]);
    }

    #[test]
    fn an_indexed_job_that_was_scaled_has_not_drifted() {
        for (asked, drifted) in [(30, false), (20, false), (10, false)] {
            let mut record = record(json!({"completions": 20, "completionMode": "Indexed"}));
            let own = crate::job::Indexes::all(3);
            record.shards.get_mut(&1).expect("there").indexes = Some(own);
            let mut job = job(&record);
            job["metadata"]["annotations"][labels::CREDITED] = "3-19".into();
            let object = &mut record.manifest.object().clone();
            object["spec"]["completions"] = asked.into();
            record.manifest = Manifest::new(object.clone(), "work", "").expect("valid");
            assert_eq!(!drift(&record, 1, &job).is_empty(), drifted, "{asked}");
        }
    }

    #[test]
    fn what_reconcile_is_about_to_change_is_no_drift() {
        let mut record = record(json!({"completions": 6, "parallelism": 4}));
        let before = job(&record);
        record.shards.get_mut(&1).expect("there").parallelism = 3;
        record.shards.get_mut(&1).expect("there").change();
        assert_eq!(
            drift(&record, 1, &before),
            Vec::<String>::new(),
            "it has not the last change yet"
        );
        let mut tighter = self::record(json!({"completions": 6, "parallelism": 4}));
        tighter.shards.get_mut(&2).expect("there").seen =
            Some(Seen { failed: 2, ..Seen::default() });
        let mut live = job(&tighter);
        for (limit, drifted) in [(4, false), (5, false), (6, false), (7, true), (3, true)] {
            live["spec"]["backoffLimit"] = limit.into();
            assert_eq!(
                !drift(&tighter, 1, &live).is_empty(),
                drifted,
                "backoffLimit {limit}, 4 are left of 6"
            );
        }
    }

    #[test]
    fn of_a_job_that_is_to_end_only_its_identity_matters() {
        let whole = record(json!({"completions": 6, "parallelism": 4}));
        let mut suspended = job(&whole);
        suspended["spec"]["suspend"] = true.into();
        assert_eq!(drift(&whole, 1, &suspended).len(), 1);
        let mut failed = whole.clone();
        failed.state.outcome = Some(Outcome::new(Verdict::Failed, "R", "m", 7));
        assert_eq!(drift(&failed, 1, &suspended), Vec::<String>::new());
        let mut retired = whole.clone();
        retired.shards.get_mut(&1).expect("there").retired = true;
        assert_eq!(drift(&retired, 1, &suspended), Vec::<String>::new());
    }

    #[test]
    fn a_shard_that_failed_with_the_whole_job_was_ended_by_nobody() {
        let mut record = record(json!({"completions": 6, "completionMode": "Indexed"}));
        let failed = Shard { phase: Phase::Failed, ..record.shards[&1].clone() };
        let failed = Shard { indexes: Some(crate::job::Indexes::all(3)), ..failed };
        let said = absence(&record, &failed).expect("somebody ended it");
        assert!(said.contains("without the indexes 0-2"), "{said}");
        record.state.outcome = Some(Outcome::new(Verdict::Failed, "BackoffLimitExceeded", "m", 7));
        assert_eq!(absence(&record, &failed), None);
        let deleted = Shard { phase: Phase::Deleted, ..failed };
        assert!(absence(&record, &deleted).is_some(), "somebody deleted it");
    }

    #[test]
    fn a_job_put_back_without_its_credit_is_named() {
        let mut record = record(json!({"completions": 6, "parallelism": 4}));
        record.shards.get_mut(&1).expect("there").credited = 2;
        let mut job = job(&record);
        assert_eq!(
            drift(&record, 1, &job),
            ["its annotation kubectl-federate.dev/credited was taken away"]
        );
        job["metadata"]["annotations"][labels::CREDITED] = "2".into();
        assert_eq!(drift(&record, 1, &job), Vec::<String>::new());
    }
}
