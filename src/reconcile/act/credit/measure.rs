//! How much may be credited to a Job now, of what is wanted; pure.

use crate::job::{
    Indexes, Observed, Pod,
    credit::{self as rules, Credit},
};

/// How it is measured how much may be credited. The default follows the rules of
/// [`crate::job::credit`]. Stress tests use careless measures, to show that they find the harm that
/// those do.
#[derive(Debug, Clone, Copy)]
pub struct Measure {
    /// How many completions. The flag says whether nothing has changed for [`rules::STILL`].
    pub room: fn(&Observed, &[Pod], bool) -> i32,
    /// Which indexes of an Indexed Job.
    pub free_indexes: fn(&Observed, &[Pod]) -> Indexes,
}

impl Default for Measure {
    fn default() -> Self {
        Self { room: rules::room, free_indexes: rules::free_indexes }
    }
}

/// What is to be credited to a Job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// How many more completions.
    pub count: i32,
    /// The indexes of an Indexed Job that may be credited: sets, each with the most that may be
    /// taken from it. An earlier set is used up first, each set from its end.
    pub from: Vec<(Indexes, i32)>,
}

/// How much of what is wanted may be credited to a Job now, given its pods. `still` says whether
/// the Job and its pods have not changed for [`rules::STILL`].
pub(crate) fn creditable(
    job: &Observed,
    pods: &[Pod],
    wanted: &Wanted,
    measure: &Measure,
    still: bool,
) -> Credit {
    if job.indexed {
        return Credit::Indexes(choose(&(measure.free_indexes)(job, pods), wanted));
    }
    Credit::Count((measure.room)(job, pods, still).min(wanted.count).max(0))
}

fn choose(free: &Indexes, wanted: &Wanted) -> Indexes {
    wanted.from.iter().fold(Indexes::default(), |chosen, (from, most)| {
        chosen.with(&free.both(from).tail((wanted.count - chosen.len()).min(*most)))
    })
}
