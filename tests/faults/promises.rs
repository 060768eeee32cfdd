//! What must hold once a reconcile has run undisturbed.

use super::evidence::{self, COMPLETIONS, Ours, Recorded};
use super::stage::Stage;

impl Stage {
    /// Runs `reconcile` until it finds nothing more to do; twice must be enough, and the last one
    /// sends no write (G5).
    pub async fn settle(&self) {
        for _ in 0..2 {
            self.must("reconcile").await;
        }
        self.net.heal();
        self.must("reconcile").await;
        let writes: Vec<_> = self.net.sent().into_iter().filter(|sent| sent.mutating).collect();
        assert!(writes.is_empty(), "nothing is left to do, and yet: {writes:#?}");
        self.unbroken();
    }

    /// What must hold at every moment did hold.
    pub fn unbroken(&self) {
        self.net.witness(|witness| assert!(witness.broken().is_empty(), "{:#?}", witness.broken()));
    }

    pub fn records(&self) -> Vec<Recorded> {
        self.net.witness(|witness| witness.records())
    }

    pub fn jobs(&self) -> Vec<Ours> {
        self.net.witness(|witness| witness.jobs())
    }

    /// There is no record, and no Job of ours.
    pub fn nothing_left(&self) {
        assert!(self.records().is_empty(), "{:#?}", self.records());
        assert!(self.jobs().is_empty(), "{:#?}", self.jobs());
    }

    /// There is no record, and what Jobs of ours there are have run nothing and never will.
    pub fn nothing_left_that_ran(&self) {
        assert!(self.records().is_empty(), "{:#?}", self.records());
        for job in self.jobs() {
            assert!(job.suspended && !self.net.witness(|w| w.has_run(&job)), "{job:#?}");
        }
    }

    /// There is one record, its shards and the Jobs are the same, and they carry what was asked
    /// (G1, G2, G4).
    pub fn all_runs(&self) -> Recorded {
        evidence::all_runs(self.records(), &self.jobs())
    }

    /// Plays the nodes to the end: the Job is Complete, and every completion was made once (G1,
    /// G9).
    pub async fn completes(&self) {
        let record = self.all_runs();
        while self.net.witness(|witness| witness.succeed(usize::MAX)) > 0 {}
        self.must("reconcile").await;
        self.settle().await;
        let record_then = self.records().remove(0);
        assert_eq!(record_then.uid, record.uid);
        assert!(record_then.complete(), "{record_then:#?}");
        let successes = self.net.witness(|witness| witness.successes(&record.uid));
        assert_eq!(successes as i64, COMPLETIONS, "pods that succeeded");
        let row = self.must("job get pi --no-headers").await.stdout;
        assert!(
            row.contains("Complete") && row.contains(&format!("{COMPLETIONS}/{COMPLETIONS}")),
            "{row}"
        );
    }
}
