//! What somebody did to a shard's Job in its cluster; pure.

use super::predicates::{is_paused_there, is_suspended_there};
use crate::{
    job::Observed,
    reconcile::observe::{Observation, Observations},
    state::{Record, Shard},
};

/// What somebody did to a shard's Job in its cluster. It is not undone there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meddling {
    /// They removed our labels, so that the Job is not changed or deleted (G6).
    LabelsRemoved,
    /// They suspended it, although it is to run.
    Suspended,
    /// They set its parallelism to 0, although it is to run.
    Paused,
    /// They deleted it, and another one with its labels is in its place.
    MadeAgain,
}

impl Meddling {
    /// What is known of a shard. Of a Job whose cluster refused something, `is_refused`, nothing
    /// else is said.
    pub(super) fn of(
        record: &Record,
        id: u32,
        observations: &Observations,
        is_refused: bool,
    ) -> Option<Self> {
        let shard = &record.shards[&id];
        if observations.is_left_alone(record, id) {
            return Some(Self::LabelsRemoved);
        }
        if observations.is_made_again(id, shard) {
            return Some(Self::MadeAgain);
        }
        let job = job_of(shard, id, observations).filter(|_| !is_refused)?;
        if is_suspended_there(record, shard, job) {
            return Some(Self::Suspended);
        }
        is_paused_there(record, shard, job).then_some(Self::Paused)
    }

    /// What is said of the shard.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LabelsRemoved => "its labels were removed: it is left alone, and may run on",
            Self::Suspended => "somebody suspended it there, and it stays so until it is resumed",
            Self::Paused => {
                "somebody set its parallelism to 0 there, and it stays so until it is set back"
            }
            Self::MadeAgain => {
                "it was deleted, and another job with its labels is in its place: what that does \
                 is not counted"
            }
        }
    }

    /// Whether it keeps the Job from running pods.
    pub fn halts(self) -> bool {
        matches!(self, Self::Suspended | Self::Paused)
    }
}

/// The Job of a shard, where its cluster says what it is.
pub(super) fn job_of<'o>(
    shard: &Shard,
    id: u32,
    observations: &'o Observations,
) -> Option<&'o Observed> {
    let job = match observations.answer(shard)? {
        Observation::Known { jobs, .. } => jobs.get(&id)?,
        Observation::Unknown { .. } => return None,
    };
    shard.uid.as_ref().is_none_or(|uid| *uid == job.uid).then_some(job)
}
