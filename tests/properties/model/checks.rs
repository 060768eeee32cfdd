//! Checks of every version of the record that is written.

use kubectl_federate::{
    job::Indexes,
    state::{Phase, Record, Shard, Verdict},
};

use super::{Job, World};

impl World {
    /// Compares a write to the host with the record that was there, and stores it.
    pub fn store(&mut self, new: &Record) {
        if let Some(old) = self.record.take() {
            moves_forward(&old, new);
        }
        for (id, after) in &new.shards {
            self.true_of(*id, after);
        }
        if new.state.deleting.is_none() && new.state.outcome.is_none() {
            conserved(new);
            unstuck(new);
        }
        if let Some(latched) = &self.latched {
            assert_eq!(new.state.outcome.as_ref(), Some(latched), "the outcome changes");
        } else if let Some(outcome) = &new.state.outcome {
            match outcome.verdict {
                Verdict::Complete => self.really_complete(new),
                Verdict::Failed => self.really_failed(new),
            }
        }
        self.latched.clone_from(&new.state.outcome);
        self.record = Some(new.clone());
        self.version += 1;
        self.writes += 1;
    }

    /// Each shard has one Job, and the record claims nothing that is untrue of it.
    fn true_of(&mut self, id: u32, shard: &Shard) {
        let Some(uid) = &shard.uid else { return };
        let known = self.known.entry(id).or_insert_with(|| uid.clone());
        assert_eq!(known, uid, "shard {id} has two Jobs");
        let Some(job) = self.job(uid) else { panic!("shard {id} has a Job that never was") };
        assert!(shard.achieved() <= job.done, "shard {id} has done less: {shard:?}, {job:?}");
        assert!(
            shard.credited <= job.seen.credited_count(),
            "shard {id} was credited less: {shard:?}, {job:?}"
        );
        let failed =
            shard.seen.as_ref().map_or(Indexes::default(), |seen| seen.failed_indexes.clone());
        assert!(
            job.seen.failed_indexes.contains_all(&failed),
            "shard {id} has failed less: {job:?}"
        );
        if shard.phase == Phase::Deleted {
            let there = self.members[World::cluster_of(shard)]
                .jobs
                .values()
                .any(|job| job.seen.uid == *uid);
            assert!(!there, "shard {id} is not deleted: {job:?}");
        }
    }

    /// The Jobs of all shards of a record, those included that were folded.
    fn jobs_of(&self, record: &Record) -> Vec<&Job> {
        let recorded = record.shards.values().filter_map(|shard| shard.uid.as_ref());
        let folded = self.known.iter().filter(|(id, _)| record.state.folded.has(**id));
        recorded.chain(folded.map(|(_, uid)| uid)).filter_map(|uid| self.job(uid)).collect()
    }

    fn really_complete(&self, record: &Record) {
        let jobs = self.jobs_of(record);
        let done: i32 = jobs.iter().map(|job| job.done).sum();
        let enough = match record.manifest.size().completions {
            None => done > 0,
            Some(asked) if record.manifest.indexed() => {
                let all =
                    jobs.iter().fold(Indexes::default(), |all, job| all.with(&job.done_indexes));
                all.contains_all(&Indexes::all(asked))
            }
            Some(asked) => done >= asked,
        };
        assert!(enough, "Complete with {done}: {record:?}");
    }

    fn really_failed(&self, record: &Record) {
        let (mut failed, mut gave_up) = (0, false);
        for job in self.jobs_of(record) {
            failed += job.seen.failed;
            gave_up |= job.gave_up;
        }
        let spent = record.manifest.backoff_limit().is_some_and(|limit| failed > limit);
        let failed_indexes = !record.failed_indexes().is_empty();
        assert!(gave_up || spent || failed_indexes, "Failed by nothing: {record:?}");
    }
}

/// Asserts that no knowledge is lost from one version of the record to the next.
fn moves_forward(old: &Record, new: &Record) {
    assert!(
        old.state.deleting.is_none() || new.state.deleting.is_some(),
        "a deletion is taken back"
    );
    for (id, before) in &old.shards {
        let Some(after) = new.shards.get(id) else {
            let unmade = before.phase == Phase::Planned && before.uid.is_none();
            let folded = before.is_settled() && new.state.folded.has(*id);
            assert!(
                new.state.deleting.is_some() || unmade || folded,
                "shard {id} is forgotten: {before:?}"
            );
            continue;
        };
        assert!(!new.state.folded.has(*id), "shard {id} counts twice: {after:?}");
        assert!(before.phase <= after.phase, "shard {id} goes from {before:?} to {after:?}");
        assert!(
            before.achieved() <= after.achieved(),
            "shard {id} forgets: {before:?} to {after:?}"
        );
        assert!(
            before.credited <= after.credited,
            "shard {id} is uncredited: {before:?} to {after:?}"
        );
        assert!(
            before.credit_target <= after.credit_target,
            "shard {id} takes back: {before:?} to {after:?}"
        );
        assert!(
            before.generation <= after.generation,
            "shard {id} goes back: {before:?} to {after:?}"
        );
        assert!(before.retired <= after.retired, "shard {id} comes back: {before:?} to {after:?}");
        assert_eq!(before.completions, after.completions, "completions of {id} are edited");
    }
}

/// Asserts G1: the work of live shards, what ended shards achieved and what is unplaced add up to
/// the completions asked for, or to what has succeeded if that is more. Work that is to be credited
/// to a shard is not its work any more.
fn conserved(record: &Record) {
    let Some(asked) = record.manifest.size().completions else { return };
    let shards = || record.shards.values();
    let outstanding =
        |shard: &Shard| (shard.credit_target - shard.credited).clamp(0, shard.remaining());
    let folded = &record.state.folded;
    let carried = shards().map(Shard::carried).sum::<i32>() + folded.sum(|it| it.carried);
    if record.manifest.indexed() {
        let mut all = folded.carried_indexes.clone();
        assert_eq!(all.len(), folded.sum(|it| it.carried), "{folded:?}");
        for shard in shards() {
            let own = shard.carried_indexes();
            assert!(
                all.both(&own).is_empty(),
                "{} are in two shards: {:?}",
                all.both(&own),
                record.shards
            );
            assert_eq!(own.len(), shard.carried(), "{shard:?}");
            all = all.with(&own);
        }
        let unplaced = Indexes::all(asked).without(&all).without(&record.failed_indexes());
        assert_eq!(unplaced.len(), record.unplaced());
        let beyond = |shard: &Shard| {
            let beyond = shard.carried_indexes().without(&Indexes::all(asked));
            beyond.len() - shard.seen.as_ref().map_or(0, |seen| seen.completed.both(&beyond).len())
        };
        for shard in shards().filter(|shard| !shard.phase.ended() && !shard.retired) {
            assert!(beyond(shard) <= outstanding(shard), "beyond what is asked: {shard:?}");
        }
        return;
    }
    assert_eq!(record.unplaced(), (asked - carried).max(0), "{:?}", record.shards);
    let carried_after_credit = carried - shards().map(outstanding).sum::<i32>();
    let achieved = shards().map(Shard::achieved).sum::<i32>() + folded.sum(|it| it.achieved);
    assert!(
        carried_after_credit <= asked.max(achieved),
        "{carried_after_credit} of {asked}: {:?}",
        record.shards
    );
}

/// Asserts G2: each shard that has work has pods, unless the Job is paused. Work that is to be
/// credited to a shard is not its work any more. At most one pod for each shard runs beyond the
/// parallelism.
fn unstuck(record: &Record) {
    let asked = record.manifest.size();
    let live: Vec<&Shard> =
        record.shards.values().filter(|shard| !shard.phase.ended() && !shard.retired).collect();
    let left =
        |shard: &Shard| shard.remaining() - shard.credit_target.saturating_sub(shard.credited);
    let works = |shard: &&&Shard| asked.completions.is_none() || left(shard) > 0;
    let stuck = |shard: &Shard| (shard.parallelism == 0) != (asked.parallelism == 0);
    assert!(
        !live.iter().filter(works).any(|shard| stuck(shard)),
        "stuck, or not paused: {:?}",
        record.shards
    );
    let most =
        |shard: &Shard| if asked.completions.is_some() { shard.remaining() } else { i32::MAX };
    let pods = live.iter().map(|shard| shard.parallelism.min(most(shard))).filter(|pods| *pods > 0);
    let pods: Vec<i32> = pods.collect();
    let most = asked.parallelism.max(i32::try_from(pods.len()).expect("few"));
    assert!(pods.iter().sum::<i32>() <= most, "{pods:?} pods: {:?}", record.shards);
}
