//! What a record must not say of the shards, and of how the federated Job has ended.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Ledger, achieved, awaits_lists, is_given_up, number, text};
use crate::evidence::Recorded;
use crate::work::{Job, indexes};

impl Ledger {
    /// No shard has done more than its pods did, and none that has work may run no pod (G1, G2).
    pub(super) fn check_shards(
        &self,
        record: &Recorded,
        jobs: &BTreeMap<String, Job>,
    ) -> Vec<String> {
        let mut broken = Vec::new();
        for (id, shard) in &record.shards {
            let Some(job) = shard["uid"].as_str().and_then(|uid| jobs.get(uid)) else { continue };
            let achieved = achieved(shard);
            if achieved > job.done() {
                let done = job.done();
                broken
                    .push(format!("G9: shard {id} is said to have done {achieved}, it did {done}"));
            }
            if shard["phase"] == "deleted" && (!job.gone || job.lost) {
                broken.push(format!("G8: shard {id} is said to be deleted: nobody knows"));
            }
            let live = matches!(text(&shard["phase"]), "created" | "started");
            let taken = number(shard, "credited").max(number(shard, "creditTarget"));
            let left = shard["completions"].as_i64().unwrap_or(0) - taken - achieved;
            let paused = self.spec["parallelism"] == 0 || !record.state["outcome"].is_null();
            let stays = shard["retired"] != true && !is_given_up(shard);
            if live && stays && left > 0 && shard["parallelism"] == 0 && !paused {
                broken.push(format!("G2: shard {id} has {left} to do, and no pods: {shard}"));
            }
        }
        broken
    }

    /// What is Complete has been done (G9).
    pub(super) fn check_complete<'j>(&self, jobs: impl Iterator<Item = &'j Job>) -> Option<String> {
        let jobs: Vec<&Job> = jobs.collect();
        let done: i64 = jobs.iter().map(|job| job.done()).sum();
        let indexes: BTreeSet<i64> =
            jobs.iter().flat_map(|job| job.successes.keys().filter_map(|index| *index)).collect();
        let enough = match self.asked() {
            None => done > 0,
            Some(asked) if self.is_indexed() => {
                (0..asked).all(|index| indexes.contains(&index)) || self.meets_policy(&indexes)
            }
            Some(asked) => done >= asked,
        };
        (!enough).then(|| format!("G9: Complete with {done} done: {indexes:?}"))
    }

    fn meets_policy(&self, done: &BTreeSet<i64>) -> bool {
        let rules = self.spec["successPolicy"]["rules"].as_array();
        rules.into_iter().flatten().any(|rule| {
            let named = rule["succeededIndexes"].as_str().map(indexes);
            let met = named.as_ref().map_or(done.len(), |named| named.intersection(done).count());
            match rule["succeededCount"].as_u64() {
                Some(count) => met as u64 >= count,
                None => named.is_some_and(|named| met == named.len()),
            }
        })
    }

    /// What is Failed has failed by itself (G8, G9).
    pub(super) fn check_failed<'j>(&self, jobs: impl Iterator<Item = &'j Job>) -> Option<String> {
        let jobs: Vec<&Job> = jobs.collect();
        let own = self.spec["activeDeadlineSeconds"].is_null();
        let by_lease = |job: &Job| own && job.ended_by_lease();
        let failures: i64 = jobs
            .iter()
            .map(|job| if by_lease(job) { job.own_failures() } else { job.failed })
            .sum();
        let spent = self.spec["backoffLimit"].as_i64().is_some_and(|limit| failures > limit);
        let gave_up = jobs.iter().any(|job| {
            let failed_by_itself = !by_lease(job) || job.own_failures() > 0;
            (job.has_failed && !by_lease(job)) || (job.has_failed_indexes && failed_by_itself)
        });
        (!spent && !gave_up).then(|| format!("G9: Failed, after {failures} failures"))
    }

    /// A record that waits for members to be listed opens nothing (G1): what it is about to open is
    /// none of its shards yet.
    pub(super) fn opened_unlisted(&self, record: &Recorded) -> Option<String> {
        let before = self.record.as_ref().filter(|before| !self.gone && awaits_lists(before))?;
        let is_new = |id: &String| {
            !before.shards.contains_key(id) && !self.named.iter().any(|(named, _, _)| named == id)
        };
        let mut shards = record.shards.iter();
        let opened = |id: &String, shard: &Value| shard["phase"] == "planned" && is_new(id);
        let (id, shard) = shards.find(|(id, shard)| awaits_lists(record) && opened(id, shard))?;
        Some(format!("G1: shard {id} is opened before all clusters were listed: {shard}"))
    }
}
