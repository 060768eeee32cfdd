//! Which of two records of one federated Job is the newer one.

use super::Record;
use crate::{
    job::Indexes,
    state::{Phase, Shard},
};

/// Which of two records of one Job is known to be newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Newer {
    /// The first.
    This,
    /// The other.
    Other,
    /// Neither: they are alike in all that counts, or each has something that the other lacks.
    Neither,
}

/// The shards that one record of a Job has and another one does not know, by their ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lacking {
    /// All of them.
    pub shards: Indexes,
    /// Those whose ids other shards have in the other record: nothing takes them in there.
    pub other: Indexes,
}

impl Lacking {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.shards.is_empty()
    }
}

impl Record {
    /// Which of this record and another one of the same Job is newer. They may be of two hosts,
    /// whose clocks differ. So it is told by counts that only grow, and by no time.
    pub fn newer(&self, other: &Self) -> Newer {
        let (this, other) = (self.counts(), other.counts());
        let is_beyond = |one: &[u64], other: &[u64]| one.iter().zip(other).any(|(a, b)| a > b);
        match (is_beyond(&this, &other), is_beyond(&other, &this)) {
            (true, false) => Newer::This,
            (false, true) => Newer::Other,
            _ => Newer::Neither,
        }
    }

    /// The shards of another record of the same Job that this one does not know: it has no shard of
    /// the id, or its Job is another one. Of those that were folded, only the ids are known.
    pub fn lacking(&self, record: &Self) -> Lacking {
        let id = |id: &u32| i32::try_from(*id).ok();
        let is_unknown = |(id, shard): &(&u32, &Shard)| match self.shards.get(id) {
            Some(own) => shard.uid.is_some() && own.uid != shard.uid,
            None => !self.state.folded.has(**id),
        };
        let is_other = |(id, shard): &(&u32, &Shard)| {
            let own = self.shards.get(id);
            own.is_some_and(|own| own.uid.is_some() || own.cluster_uid != shard.cluster_uid)
        };
        let unknown = || record.shards.iter().filter(is_unknown);
        let live: Indexes = unknown().filter_map(|(it, _)| id(it)).collect();
        let known: Indexes = self.shards.keys().filter_map(id).collect();
        let folded = record.state.folded.ids.without(&self.state.folded.ids).without(&known);
        Lacking {
            shards: live.with(&folded),
            other: unknown().filter(is_other).filter_map(|(it, _)| id(it)).collect(),
        }
    }

    /// What only grows in the life of a record: the edits, the shards that it has had and how far
    /// these are, what these have done, how it ended, and what was accepted.
    fn counts(&self) -> [u64; 7] {
        let last = self.shards.keys().last().copied().unwrap_or(0).max(self.state.forgotten);
        // A shard that is not in the ledger any more is as far as one can be.
        let farthest = Phase::Deleted as u64;
        let there = self.shards.len() as u64;
        let phases = self.shards.values().map(|shard| shard.phase as u64).sum::<u64>();
        let count = |count: i32| u64::try_from(count).unwrap_or(0);
        [
            self.state.revision.into(),
            last.into(),
            farthest * u64::from(last).saturating_sub(there) + phases,
            count(self.achieved()),
            count(self.failed_pods()),
            u64::from(self.state.outcome.is_some()) + u64::from(self.state.deleting.is_some()),
            self.state.accepted.len() as u64,
        ]
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::{
        job::{Manifest, Size},
        state::Shard,
    };

    #[test]
    fn what_only_grows_says_which_record_is_newer_whatever_the_clocks_say() {
        let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"},
            "spec": {"completions": 9}});
        let manifest = Manifest::new(job, "work", "").expect("valid");
        let shard = Shard::planned("east", Size { parallelism: 1, completions: Some(9) });
        let old = Record::new("f", manifest, vec![shard.clone()], Timestamp::MAX);
        let changed = |change: &dyn Fn(&mut Record)| {
            let mut record = old.clone();
            record.state.created = 0;
            change(&mut record);
            record
        };
        assert_eq!(old.newer(&changed(&|_| {})), Newer::Neither);
        let edited = changed(&|record| record.state.revision = 1);
        let further = changed(&|record| {
            record.shards.insert(2, shard.clone());
        });
        let folded = changed(&|record| {
            record.shards.clear();
            record.state.forgotten = 1;
        });
        let started = changed(&|record| {
            record.shards.get_mut(&1).expect("there").phase = Phase::Started;
        });
        for newer in [&edited, &further, &folded, &started] {
            assert_eq!((newer.newer(&old), old.newer(newer)), (Newer::This, Newer::Other));
        }
        assert_eq!(folded.newer(&started), Newer::This);
        assert_eq!(edited.newer(&started), Newer::Neither, "each has what the other lacks");
    }

    #[test]
    fn a_record_lacks_shards_whose_ids_or_jobs_it_does_not_know() {
        let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"},
            "spec": {"completions": 9}});
        let manifest = Manifest::new(job, "work", "").expect("valid");
        let shard = |uid: Option<&str>| Shard {
            uid: uid.map(str::to_owned),
            ..Shard::planned("east", Size { parallelism: 1, completions: Some(9) })
        };
        let record = |uids: &[Option<&str>], folded: &str| {
            let shards = uids.iter().map(|uid| shard(*uid)).collect();
            let mut record = Record::new("f", manifest.clone(), shards, Timestamp::UNIX_EPOCH);
            record.state.folded.ids = folded.parse().expect("ids");
            record
        };
        let (a, b) = (Some("a"), Some("b"));
        for (this, this_folded, other, other_folded, lacking, taken) in [
            (&[a][..], "", &[a][..], "", "", ""),
            (&[a, b], "", &[a], "", "", ""),
            (&[a], "", &[a, b], "", "2", ""),
            (&[a], "", &[a, None], "", "2", ""),
            (&[a], "", &[b], "", "1", "1"),
            (&[None], "", &[a], "", "1", ""),
            (&[a], "", &[None], "", "", ""),
            (&[], "1", &[a], "", "", ""),
            (&[a], "", &[], "1,2", "2", ""),
            (&[a], "2", &[], "2,3", "3", ""),
        ] {
            let (this, other) = (record(this, this_folded), record(other, other_folded));
            let found = this.lacking(&other);
            let found = (found.shards.to_string(), found.other.to_string());
            assert_eq!(found, (lacking.to_owned(), taken.to_owned()), "{this:?} {other:?}");
        }
    }
}
