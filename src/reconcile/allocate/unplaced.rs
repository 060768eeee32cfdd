//! Work that may be given to new shards; pure.

use crate::{
    job::{Indexes, Size},
    state::{Phase, Record, Shard, Withheld},
};

/// Work that no shard carries and that new shards may take. Work that a user took away by deleting
/// a shard's Job is not part of it until that is reopened, nor is what is withheld or an index that
/// failed.
pub(super) enum Placeable {
    /// Completions of a Job with a fixed count.
    Completions(i32),
    /// Indexes of an Indexed Job.
    Indexes(Indexes),
    /// Pods of a work queue that has not succeeded: those of shards that were stopped or reopened.
    Pods(i32),
}

impl Placeable {
    /// The placeable work of a record.
    pub(super) fn in_record(record: &Record) -> Self {
        let Size { parallelism, completions } = record.manifest.size();
        let withheld = &record.state.withheld;
        let Some(asked) = completions else {
            let pods = placeable_pods(record, parallelism);
            return Self::Pods(pods.saturating_sub(withheld.count).max(0));
        };
        let held_back =
            record.shards.values().filter(|shard| shard.phase.ended() && !shard.reopened);
        if record.manifest.indexed() {
            let own = held_back.filter_map(|shard| shard.indexes.as_ref());
            let taken = own.fold(record.carried_indexes(), |all, own| all.with(own));
            let placeable = Indexes::all(asked).without(&taken).without(&record.failed_indexes());
            return Self::Indexes(placeable.without(&withheld.indexes));
        }
        let held_back: i32 =
            held_back.map(|shard| shard.share().completions.unwrap_or(0) - shard.carried()).sum();
        let withheld = held_back.saturating_add(withheld.count);
        Self::Completions(record.unplaced().saturating_sub(withheld).max(0))
    }

    /// How many completions, indexes or pods it is.
    pub(super) fn len(&self) -> i32 {
        match self {
            Self::Completions(count) | Self::Pods(count) => *count,
            Self::Indexes(indexes) => indexes.len(),
        }
    }
}

/// Withholds the placeable work of a record that was restored: it may have been done since the
/// backup was made. What shards had to do that were given up since the restore stays placeable,
/// since whoever gave them up has accepted that.
pub(in crate::reconcile) fn withhold(record: &mut Record) {
    let accepted = accepted(record);
    let Withheld { count, indexes } = record.state.withheld.clone();
    record.state.withheld = match Placeable::in_record(record) {
        Placeable::Indexes(more) => {
            Withheld { count, indexes: indexes.with(&more.without(&accepted.indexes)) }
        }
        Placeable::Completions(more) | Placeable::Pods(more) => {
            let more = more.saturating_sub(accepted.count).max(0);
            Withheld { count: count.saturating_add(more), indexes }
        }
    };
}

/// What shards had to do that users gave up or reopened since a restore.
fn accepted(record: &Record) -> Withheld {
    let is_queue = record.manifest.size().completions.is_none();
    let is_given = |shard: &Shard| shard.is_lost() || (shard.reopened && shard.phase.ended());
    let given = record.shards.values().filter(|shard| shard.restored && is_given(shard));
    given.fold(Withheld::default(), |all, shard| match &shard.indexes {
        Some(own) => Withheld { indexes: all.indexes.with(own), ..all },
        None => {
            let own = if is_queue {
                shard.parallelism
            } else {
                shard.share().completions.unwrap_or(0) - shard.carried()
            };
            Withheld { count: all.count.saturating_add(own), ..all }
        }
    })
}

/// Withholds no more than there is to do: an edit may ask for less, and a cluster may return that
/// has done it.
pub(in crate::reconcile) fn withhold_no_more_than_is_left(record: &mut Record) {
    if record.state.withheld.is_empty() {
        return;
    }
    let withheld = std::mem::take(&mut record.state.withheld);
    record.state.withheld = match Placeable::in_record(record) {
        Placeable::Indexes(left) => {
            Withheld { indexes: withheld.indexes.both(&left), ..Withheld::default() }
        }
        Placeable::Completions(left) | Placeable::Pods(left) => {
            Withheld { count: withheld.count.min(left), ..Withheld::default() }
        }
    };
}

fn placeable_pods(record: &Record, parallelism: i32) -> i32 {
    if record.achieved() > 0 {
        return 0;
    }
    // One that is Complete and has done nothing was ended by a credit. A record that was rebuilt
    // does not know what for.
    let is_done = |shard: &Shard| shard.is_over() && (shard.retired || shard.reopened);
    let gives = |shard: &Shard| is_done(shard) || shard.phase == Phase::Complete;
    let given = record
        .shards
        .values()
        .filter(|shard| !gives(shard))
        .map(|shard| shard.parallelism)
        .fold(0, i32::saturating_add);
    parallelism.saturating_sub(given).max(0)
}
