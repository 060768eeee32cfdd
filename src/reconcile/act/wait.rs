//! An action waits a moment for what the Job controller does, or a queueing system.

use std::time::Duration;

use tokio::time::Instant;

use super::target::{Performed, Target};
use crate::{
    job::Observed,
    reconcile::observe::Answer,
    seams::{self, Defect},
};

/// How long an action waits for one change of a Job.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// What a shard waits for whose queue cannot change yet.
const STOPPING: &str = "waiting until its queueing system has stopped it";

impl Target<'_> {
    /// Reads the Job again and again until a condition is met. If that takes too long, the answer
    /// says what is waited for.
    pub(super) async fn wait_until(&self, is_met: impl Fn(&Observed) -> bool) -> Answer {
        let begun = Instant::now();
        let mut pause = Duration::from_millis(25);
        loop {
            let job = match self.read().await {
                Answer::Job(job) => job,
                other => return other,
            };
            if is_met(&job) {
                return Answer::Job(job);
            }
            if begun.elapsed() + pause > PATIENCE {
                let why = match job.active + job.terminating {
                    _ if job.stopping => STOPPING.to_owned(),
                    0 => "its Job controller has not answered yet".to_owned(),
                    pods => waiting_for_pods(usize::try_from(pods).unwrap_or(0)),
                };
                return Answer::Waiting(job, why);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(400));
        }
    }
}

/// Waits until the Job controller has looked at a Job whose pods are scheduled together: it makes
/// their group at its first look, and only if nothing has succeeded. What is there if that takes
/// too long is returned; none otherwise.
pub(super) async fn wait_for_first_look(target: &Target<'_>) -> Option<Performed> {
    target.record.manifest.gang().filter(|_| !seams::has(Defect::CreditUngrouped))?;
    let seen = target.wait_until(Observed::was_looked_at).await;
    (!matches!(seen, Answer::Job(_))).then_some((seen, None))
}

/// What is said while pods of a Job end.
pub(super) fn waiting_for_pods(count: usize) -> String {
    format!("waiting for {count} {} to end", if count == 1 { "pod" } else { "pods" })
}
