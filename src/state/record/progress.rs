//! Which of two records of one federated Job is the newer one.

use super::Record;
use crate::state::Phase;

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
}
