//! Whether a Job and its pods stay unchanged from one read to the next.

use tokio::time::Instant;

use crate::job::{Observed, Pod, credit::STILL};

/// Remembers how a Job and its pods were read, and since when they have not changed.
#[derive(Default)]
pub(super) struct ChangeWatch {
    first: Option<(Instant, String, Vec<Pod>)>,
}

impl ChangeWatch {
    /// Whether the Job and its pods are as they were [`STILL`] before `read_at`, when this read
    /// began.
    pub(super) fn is_still(&mut self, job: &Observed, pods: &[Pod], read_at: Instant) -> bool {
        let unchanged = |(_, version, first_pods): &&(Instant, String, Vec<Pod>)| {
            *version == job.resource_version && first_pods == pods
        };
        match self.first.as_ref().filter(unchanged) {
            Some((since, ..)) => read_at.duration_since(*since) >= STILL,
            None => {
                self.first = Some((Instant::now(), job.resource_version.clone(), pods.to_vec()));
                false
            }
        }
    }
}
