//! Work that is done twice, or may be: by mistake, or because users have said so.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Ledger, achieved, text};
use crate::work::{Job, indexes};

impl Ledger {
    /// What all Jobs together have done and can do yet, where it is more than was ever asked for.
    /// What was done in Jobs that users deleted before anybody looked may be done again, and what
    /// Jobs do that a user let run again.
    pub fn work_twice<'j>(&self, jobs: impl Iterator<Item = &'j Job>) -> Option<String> {
        self.asked()?;
        let jobs: Vec<&Job> = jobs.filter(|job| counts(job) && !job.may_repeat).collect();
        if self.is_indexed() {
            let unseen: BTreeSet<i64> = jobs.iter().flat_map(|job| self.unseen(job).1).collect();
            let mut all = self.done_before.clone().unwrap_or_default();
            for job in jobs.into_iter().filter(|job| self.given_up(job).is_none()) {
                for index in job.reached_indexes() {
                    if !all.insert(index) && !unseen.contains(&index) {
                        return Some(format!("G1: index {index} is in two shards, or done twice"));
                    }
                }
                if let Some((index, _)) = job.successes.iter().find(|(_, count)| **count > 1) {
                    return Some(format!("G1: index {index:?} was done twice in one shard"));
                }
            }
            return None;
        }
        let unseen: i64 = jobs.iter().map(|job| self.unseen(job).0).sum();
        // What a shard does that was given up, others do too: its cluster was declared lost.
        let reach = |job: &&Job| self.given_up(job).unwrap_or(i64::MAX).min(job.reach());
        let reach: i64 = jobs.iter().map(reach).sum();
        let most = self.most + unseen;
        (reach > most).then(|| format!("G1: {reach} are done or to be done, {most} were asked for"))
    }

    /// What a Job's shard was known to have done when it was given up; none where it was not.
    fn given_up(&self, job: &Job) -> Option<i64> {
        let shard = self.record.as_ref()?.shards.get(&job.shard.1);
        let remembered = || self.given_up.get(&job.shard.1).copied();
        match shard {
            Some(shard) if self.rebuilt => shard["givenUp"].as_i64().or_else(remembered),
            Some(shard) => shard["givenUp"].as_i64(),
            None => remembered(),
        }
    }

    /// What has run twice, as far as the host can know it: at least so much, and of an Indexed Job
    /// the indexes.
    pub fn known_twice<'j>(&self, jobs: impl Iterator<Item = &'j Job>) -> (i64, BTreeSet<i64>) {
        let Some(record) = &self.record else { return Default::default() };
        let is_known = |job: &&Job| !job.gone && record.shards.contains_key(&job.shard.1);
        let jobs: Vec<&Job> = jobs.filter(is_known).collect();
        let done: i64 = jobs.iter().map(|job| job.done()).sum();
        let (mut once, mut twice) = (BTreeSet::new(), BTreeSet::new());
        for index in jobs.iter().flat_map(|job| job.successes.keys().filter_map(|index| *index)) {
            if !once.insert(index) {
                twice.insert(index);
            }
        }
        ((done - self.most).max(0), twice)
    }

    /// What a Job did that is gone, and the host does not know of: how much, and which indexes. It
    /// may be done again if users deleted it, or have said so.
    pub(super) fn unseen(&self, job: &Job) -> (i64, BTreeSet<i64>) {
        let (now, indexes) = self.unseen_now(job);
        match self.unseen_before.get(&job.shard.1) {
            Some((before, more)) => (now.max(*before), indexes.union(more).copied().collect()),
            None => (now, indexes),
        }
    }

    fn unseen_now(&self, job: &Job) -> (i64, BTreeSet<i64>) {
        let record = self.record.as_ref();
        if !job.gone {
            return (0, BTreeSet::new());
        }
        let done = || job.successes.keys().filter_map(|index| *index);
        // A recovery that has found nothing of a number gives it to another Job.
        let is_its = |shard: &&Value| shard["uid"].is_null() || shard["uid"] == job.uid;
        let shard = record.and_then(|record| record.shards.get(&job.shard.1)).filter(is_its);
        let Some(shard) = shard else {
            // No shard is left to say what it did. A backup does not know of it.
            let may_repeat = !self.recoveries.is_empty() || self.deleting || self.reopened;
            let unknown = if may_repeat { job.done() } else { 0 };
            return (unknown, done().take(unknown as usize).collect());
        };
        let may_have_ended = shard["seen"]["foreignTtl"].is_i64() || shard["restored"] == true;
        if may_have_ended && !self.reopened {
            return (0, BTreeSet::new());
        }
        let seen = indexes(text(&shard["seen"]["completed"]));
        (job.done() - achieved(shard), done().filter(|index| !seen.contains(index)).collect())
    }
}

/// Whether a Job can do anything by itself. One that was not started does nothing unless somebody
/// starts it.
fn counts(job: &Job) -> bool {
    job.ran || !job.suspended
}
