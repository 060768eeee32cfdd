//! What becomes of the shards of a cluster that was declared lost.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Origin, Record};
use crate::{
    job::{Indexes, Lease, Observed},
    seams::{self, Defect},
    state::{Acceptance, Accepted, Consent, LAST_TAKEN_IN, Phase, Shard},
};

/// How many ids are left free for shards that a missed cluster may have. They were opened since a
/// backup was made, or nothing of them was found by a recovery.
pub const MISSED_IDS: u32 = 100;

/// Completions that succeeded twice: in a cluster that was declared lost, and in the one that took
/// its work over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RanTwice {
    /// How many.
    pub count: i32,
    /// Which, of an Indexed Job.
    pub indexes: Indexes,
}

impl Shard {
    /// Whether its lease has ended its Job: others do the rest, and nothing has failed.
    pub fn has_expired(&self) -> bool {
        let has_passed = self.lease.as_ref().is_some_and(|lease| lease.ended_pods.is_some());
        self.phase == Phase::Failed && has_passed
    }

    /// Whether the last change of it renews the lease alone, and a Job of it lacks nothing else.
    pub fn lacks_renewal_alone(&self, job: &Observed) -> bool {
        let is_last = |lease: &Lease| lease.renewal == self.generation;
        self.lease.as_ref().is_some_and(is_last) && job.generation == self.generation - 1
    }
}

impl Record {
    /// The shards that nobody waits for any more once a cluster is declared lost: those in this
    /// cluster that have not ended. `uid` identifies the cluster.
    pub fn live_in<'r>(
        &'r self,
        name: &'r str,
        uid: &'r str,
    ) -> impl Iterator<Item = (u32, &'r Shard)> {
        let is_there = move |shard: &Shard| shard.cluster == name && shard.is_in(uid);
        let live = self.shards.iter().filter(move |(_, shard)| is_there(shard) && !shard.is_over());
        live.map(|(id, shard)| (*id, shard))
    }

    /// How many completions these shards were not seen to have done, or how many pods the shards
    /// of a work queue may run. A phrase names them, such as `6 completions of cluster west`. None
    /// where the Job has ended or is being deleted, nothing is left to do, or none of the shards
    /// has a uid by which it could have been started.
    pub fn at_risk<'r>(
        &self,
        cluster: &str,
        shards: impl Iterator<Item = &'r Shard>,
    ) -> Option<String> {
        let is_queue = self.manifest.size().completions.is_none();
        let [one, more] = if is_queue { ["pod", "pods"] } else { ["completion", "completions"] };
        let left = |shard: &Shard| if is_queue { shard.parallelism } else { shard.remaining() };
        // A backup may be older than the start of a shard.
        let may_have_run =
            |shard: &&Shard| shard.phase != Phase::Planned || self.state.origin.is_some();
        let count = shards.filter(may_have_run).map(left).fold(0, i32::saturating_add);
        if count == 0 || self.state.outcome.is_some() || self.state.deleting.is_some() {
            return None;
        }
        Some(format!("{count} {} of cluster {cluster}", if count == 1 { one } else { more }))
    }

    /// What may run twice if a cluster is declared lost, a phrase as of [`Record::at_risk`]: what
    /// its shards have left, and the Jobs that it may have and the ledger lacks, because the
    /// cluster has yet to be listed. `uid` identifies the cluster. None if nothing may.
    pub fn at_risk_in(&self, cluster: &str, uid: &str) -> Option<String> {
        let known = self.at_risk(cluster, self.live_in(cluster, uid).map(|(_, shard)| shard));
        match (known, self.unlisted_at_risk(cluster)) {
            (Some(known), Some(unlisted)) => Some(format!("{known}, and {unlisted}")),
            (known, unlisted) => known.or(unlisted),
        }
    }

    /// The same for Jobs that a cluster may have and the ledger lacks. None if the cluster was
    /// listed, or the federated Job has ended.
    fn unlisted_at_risk(&self, cluster: &str) -> Option<String> {
        let opens = self.state.outcome.is_none() && self.state.deleting.is_none();
        let is_unlisted = self.state.unlisted.contains(cluster);
        (opens && is_unlisted).then(|| format!("unlisted jobs of cluster {cluster}"))
    }

    /// Waits no more to list a cluster that was declared lost and does not answer. `uid` identifies
    /// it. `declared` says who declared it lost; the record remembers it, because others may do
    /// what unlisted Jobs there do.
    pub fn give_up_unlisted(&mut self, cluster: &str, uid: &str, declared: &Acceptance) {
        if let Some(detail) = self.unlisted_at_risk(cluster) {
            self.remember(&detail, declared);
        }
        self.state.unlisted.remove(cluster);
        self.miss(cluster, uid);
    }

    /// Gives up what clusters have that are members no more, by their uids: the shards there that
    /// have not ended, and Jobs that the ledger may lack. `declared` says who accepted that.
    pub fn give_up_left(&mut self, left: &BTreeMap<String, String>, declared: &Acceptance) {
        for (uid, cluster) in left {
            let live = self.shards.iter().filter(|(_, shard)| {
                let is_there = shard.cluster_uid.as_ref() == Some(uid);
                is_there && !shard.is_over() && shard.phase != Phase::Planned
            });
            let live: Vec<u32> = live.map(|(id, _)| *id).collect();
            self.give_up(cluster, &live, declared);
            if self.state.outcome.is_none() && self.state.deleting.is_none() {
                self.remember(&format!("unlisted jobs of cluster {cluster}"), declared);
            }
            self.miss(cluster, uid);
        }
    }

    /// Remembers a cluster that may have Jobs which the ledger lacks. Once it answers, they are
    /// taken in as shards that were given up. Shards that are opened from now on get ids that none
    /// of these is likely to have.
    pub fn miss(&mut self, cluster: &str, uid: &str) {
        if self.state.missed.insert(uid.to_owned(), cluster.to_owned()).is_none() {
            self.leave_ids_free(0);
        }
    }

    /// Leaves ids free after the last one that is known, which is `last` at least: the shards that
    /// nobody has seen yet have some of them.
    pub fn leave_ids_free(&mut self, last: u32) {
        let known = self.shards.keys().next_back().copied().unwrap_or(0);
        let last = last.max(known).max(self.state.forgotten);
        self.state.forgotten = last.saturating_add(MISSED_IDS).min(LAST_TAKEN_IN.max(last));
    }

    /// Takes a Job of a missed cluster in, as a shard that was given up before anything of it was
    /// seen: what it has done counts, and it is stopped.
    pub fn add_missed(&mut self, id: u32, shard: Shard) {
        let shard = Shard { given_up: Some(0), retired: true, reopened: true, seen: None, ..shard };
        self.shards.insert(id, shard);
    }

    fn remember(&mut self, detail: &str, declared: &Acceptance) {
        let Acceptance { what, who, when, .. } = declared;
        self.accept(Acceptance::new(*what, detail, who, *when));
    }

    /// Gives up these shards: others do what they were not seen to have done. `declared` says who
    /// declared their cluster lost; the record remembers it with what may run twice.
    pub fn give_up(&mut self, cluster: &str, shards: &[u32], declared: &Acceptance) {
        let given_up = shards.iter().filter_map(|id| self.shards.get(id));
        let detail = self.at_risk(cluster, given_up);
        for id in shards {
            self.give_up_shard(*id);
        }
        if let Some(detail) = detail {
            self.remember(&detail, declared);
        }
    }

    /// Gives up the shards of a restored record in clusters that were declared lost before the
    /// restore, by their uids. What they had to do may have been done since the record was saved:
    /// nobody has accepted that it runs again.
    pub fn give_up_before(&mut self, is_lost: impl Fn(&str) -> bool) {
        let is_there = |shard: &Shard| shard.cluster_uid.as_deref().is_some_and(&is_lost);
        let live = self.shards.values_mut().filter(|shard| is_there(shard) && !shard.is_over());
        for shard in live.filter(|shard| shard.phase != Phase::Planned) {
            shard.give_up();
            shard.restored = false;
        }
    }

    /// Gives up a shard. Until it is known what a restored record lacks, what the shard had to do
    /// is told from what was given up before the backup.
    fn give_up_shard(&mut self, id: u32) {
        let is_unsettled = self.state.origin == Some(Origin::Backup);
        if let Some(shard) = self.shards.get_mut(&id) {
            shard.give_up();
            shard.restored |= is_unsettled;
        }
    }

    /// Gives up a shard whose lease is over since `at`, in seconds since 1970, as nobody reaches
    /// its cluster. `consent` says who asked for the lease of that member, if that is known; who
    /// asked for the Job's own lease was remembered when they did. The record remembers what may
    /// run twice: what the shard had done unseen.
    pub fn give_up_leased(&mut self, id: u32, at: i64, consent: Option<&Consent>) {
        let Some(shard) = self.shards.get(&id) else { return };
        let cluster = shard.cluster.clone();
        let before = shard.clone();
        self.give_up_shard(id);
        if let Some(shard) = self.shards.get_mut(&id) {
            // Since a backup the lease may have passed before, and others may have done the work.
            shard.restored = false;
        }
        let Some(work) = self.at_risk(&cluster, std::iter::once(&before)) else { return };
        let own = self.manifest.lease().and(self.state.leased.as_ref());
        let (who, when) = match own.or(consent) {
            Some(Consent { who, when }) => (who.clone(), *when),
            None => ("nobody is known to have asked for the lease".to_owned(), at),
        };
        let since = Timestamp::from_second(at).map(|at| at.to_string()).unwrap_or_default();
        let detail = format!("{work} since {since}");
        self.accept(Acceptance::new(Accepted::Leased, &detail, &who, when));
    }

    /// Waits no more to list clusters whose shards are over, in a record that was moved: it has all
    /// shards that they have.
    pub fn wait_no_more(&mut self, clusters: &BTreeSet<String>) {
        if self.state.origin != Some(Origin::Move) {
            return;
        }
        let has_live = |name: &String| {
            self.shards.values().any(|shard| shard.cluster == *name && !shard.is_over())
        };
        self.state.unlisted.retain(|name| !clusters.contains(name) || has_live(name));
        if self.state.unlisted.is_empty() {
            self.state.origin = None;
        }
    }

    /// Whether the lease of a shard may have ended by `now`, in seconds since 1970, so that its
    /// work is to be opened elsewhere.
    pub fn may_expire(&self, now: i64) -> bool {
        let is_past = |shard: &Shard| shard.lease.as_ref()?.until.map(|until| until <= now);
        let mut unended = self.shards.values().filter(|shard| !shard.is_over());
        unended.any(|shard| is_past(shard).unwrap_or(false))
    }

    /// Of an Indexed Job, the indexes that have succeeded in shards that were given up. No other
    /// shard has to do them, although they are its own.
    pub fn done_in_given_up(&self) -> Indexes {
        let given_up = self.shards.values().filter(|shard| shard.given_up.is_some());
        let seen = given_up.filter_map(|shard| shard.seen.as_ref());
        let folded = self.state.folded.given_up.as_ref();
        let folded = folded.map(|folded| folded.completed.clone()).unwrap_or_default();
        seen.fold(folded, |all, seen| all.with(&seen.completed))
    }

    /// Whether any shard was given up.
    fn has_given_up(&self) -> bool {
        let was_given_up = |shard: &Shard| shard.given_up.is_some();
        self.state.folded.given_up.is_some() || self.shards.values().any(was_given_up)
    }

    /// Whether shards were given up and [`Record::ran_twice`] says all: the Job has ended, and all
    /// shards were seen to.
    pub fn knows_what_ran_twice(&self) -> bool {
        let was_given_up = self.has_given_up();
        let have_ended = self.shards.values().all(|shard| shard.phase.ended());
        was_given_up && have_ended && self.state.outcome.is_some()
    }

    /// What has succeeded twice because shards were given up, as far as is known. It grows until
    /// all shards have ended. Nothing for a work queue, whose pods do not count one by one.
    pub fn ran_twice(&self) -> RanTwice {
        let may_have = self.has_given_up() && !seams::has(Defect::TwiceUnreported);
        let (Some(asked), true) = (self.manifest.size().completions, may_have) else {
            return RanTwice::default();
        };
        if self.manifest.indexed() {
            let folded = &self.state.folded;
            let (mut once, mut twice) = (folded.completed.clone(), folded.twice.clone());
            for seen in self.shards.values().filter_map(|shard| shard.seen.as_ref()) {
                twice = twice.with(&once.both(&seen.completed));
                once = once.with(&seen.completed);
            }
            return RanTwice { count: twice.len(), indexes: twice };
        }
        // More than was asked for has succeeded, at most what the given up shards did unseen.
        let since = |shard: &Shard| shard.given_up.map_or(0, |before| shard.achieved() - before);
        let folded = self.state.folded.given_up.as_ref().map_or(0, |folded| folded.unseen);
        let unseen = self.shards.values().map(since).fold(folded, i32::saturating_add);
        let count = (self.achieved() - asked).min(unseen).max(0);
        RanTwice { count, indexes: Indexes::default() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        job::{Manifest, Size},
        state::{Outcome, Seen, Verdict},
    };

    fn indexes(text: &str) -> Indexes {
        text.parse().expect("indexes")
    }

    fn record(mode: &str, shards: Vec<Shard>) -> Record {
        let job = json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"},
            "spec": {"parallelism": 2, "completions": 10, "completionMode": mode, "template": {}},
        });
        let manifest = Manifest::new(job, "work", "").expect("valid");
        let started = |shard: Shard| Shard {
            phase: Phase::Started,
            uid: Some(shard.cluster.clone()),
            cluster_uid: Some(format!("uid-{}", shard.cluster)),
            ..shard
        };
        let shards = shards.into_iter().map(started).collect();
        Record::new("f", manifest, shards, Timestamp::UNIX_EPOCH)
    }

    fn counted(cluster: &str, completions: i32, succeeded: i32) -> Shard {
        let seen = Seen { succeeded, active: 1, ..Seen::default() };
        let share = Size { parallelism: 1, completions: Some(completions) };
        Shard { seen: Some(seen), ..Shard::planned(cluster, share) }
    }

    fn declared() -> Acceptance {
        Acceptance::new(Accepted::Lost, "", "alice", 7)
    }

    #[test]
    fn what_a_lost_shard_was_not_seen_to_have_done_is_carried_by_nobody() {
        let mut record = record("NonIndexed", vec![counted("a", 5, 1), counted("b", 5, 2)]);
        let live: Vec<u32> = record.live_in("b", "uid-b").map(|(id, _)| id).collect();
        assert_eq!(live, [2]);
        assert_eq!(record.live_in("b", "another").count(), 0, "the name stands for another one");
        record.give_up("b", &live, &declared());
        let shard = &record.shards[&2];
        assert_eq!((shard.carried(), shard.remaining(), shard.active()), (2, 0, 0));
        assert!(shard.is_lost() && shard.is_over());
        assert_eq!(record.unplaced(), 3);
        let accepted = &record.state.accepted[0];
        assert_eq!((accepted.who.as_str(), accepted.when), ("alice", 7));
        assert_eq!(accepted.detail, "3 completions of cluster b");
        assert_eq!(record.live_in("b", "uid-b").count(), 0, "it is given up once");
    }

    #[test]
    fn what_succeeded_twice_is_counted_and_never_what_was_only_given_up() {
        let mut record = record("NonIndexed", vec![counted("a", 5, 5), counted("b", 5, 2)]);
        record.give_up("b", &[2], &declared());
        record.add(counted("a", 3, 0));
        assert_eq!(record.ran_twice().count, 0);
        assert!(!record.knows_what_ran_twice(), "shards may do more");
        let mut ended = record.clone();
        ended.shards.values_mut().for_each(|shard| shard.phase = Phase::Complete);
        assert!(!ended.knows_what_ran_twice(), "the job may get more shards");
        ended.state.outcome = Some(Outcome::new(Verdict::Complete, "R", "m", 7));
        assert!(ended.knows_what_ran_twice());
        for (in_b, taken_over, twice) in [(5, 0, 0), (3, 2, 0), (3, 3, 1), (5, 3, 3), (2, 3, 0)] {
            for (id, succeeded) in [(2, in_b), (3, taken_over)] {
                let shard = record.shards.get_mut(&id).expect("it is there");
                shard.seen = Some(Seen { succeeded, ..Seen::default() });
            }
            assert_eq!(record.ran_twice().count, twice, "{in_b} and {taken_over}");
        }
    }

    #[test]
    fn indexes_that_succeeded_in_two_shards_ran_twice() {
        let own = |cluster: &str, own: &str, completed: &str| {
            let seen = Seen { completed: indexes(completed), ..Seen::default() };
            Shard { seen: Some(seen), ..Shard::planned_indexes(cluster, 1, indexes(own)) }
        };
        let shards = vec![own("a", "0-4", "0-4"), own("b", "5-9", "5,6")];
        let mut record = record("Indexed", shards);
        record.give_up("b", &[2], &declared());
        assert_eq!(record.shards[&2].carried_indexes(), indexes("5,6"));
        assert_eq!(record.unplaced(), 3);
        record.add(own("a", "7-9", "8"));
        assert_eq!(record.ran_twice(), RanTwice::default());
        let seen = record.shards.get_mut(&2).and_then(|shard| shard.seen.as_mut());
        seen.expect("it was seen").completed = indexes("5-8");
        assert_eq!(record.done_in_given_up(), indexes("5-8"));
        assert_eq!(record.ran_twice(), RanTwice { count: 1, indexes: indexes("8") });
    }
}
