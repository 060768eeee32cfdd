//! What must hold of clusters that were declared lost and are back.

use super::knowledge::Knowledge;

impl Knowledge {
    /// No Job goes on whose shard was given up, in a cluster that answers: others do its work (G8).
    /// It is asked after a reconcile that met no fault.
    pub fn check_returns(&mut self) {
        let goes_on = self.jobs.iter().find(|(uid, job)| {
            let runs = !(job.suspended || job.over || job.gone || job.lost);
            let ledger = self.ledgers.get(&job.shard.0).filter(|ledger| !ledger.gone);
            runs && self.is_member(job.place)
                && ledger.is_some_and(|ledger| ledger.has_given_up(uid, job))
        });
        if let Some((_, job)) = goes_on {
            let (id, cluster) = (&job.shard.1, &self.clusters[job.place].0);
            let what = format!("G8: shard {id} was given up, and goes on in {cluster}");
            self.accuse(|| what);
        }
    }
}
