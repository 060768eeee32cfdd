//! Shards whose Jobs were there before their federated Job.

use crate::{
    job::Owner,
    state::{Adoption, Phase, Shard},
};

impl Shard {
    /// Whether its Job is adopted, and has yet to get the labels of the shard.
    pub fn awaits_labels(&self) -> bool {
        self.adoption == Some(Adoption::Planned)
    }

    /// Notes that its Job has its labels, or never will.
    pub fn end_adoption(&mut self) {
        if self.awaits_labels() {
            self.adoption = Some(Adoption::Labelled);
        }
    }

    /// Whether another federated Job has its Job.
    pub fn is_taken_over(&self) -> bool {
        self.adoption == Some(Adoption::TakenOver)
    }

    /// Notes that another federated Job has its Job. Nothing that the Job achieved counts for this
    /// one. Its work is held back like that of a Job that somebody deleted.
    pub fn lose_to(&mut self, owner: Owner) {
        (self.phase, self.adoption) = (Phase::Deleted, Some(Adoption::TakenOver));
        self.taken_by = Some(owner);
        (self.seen, self.refusal) = (None, None);
    }
}
