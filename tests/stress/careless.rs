//! Measures as one would take them without knowing how the Job controller works: the stress must
//! find them out.

use kubectl_federate::job::{Indexes, Observed, Pod, pod::Phase};
use kubectl_federate::reconcile::Measure;

/// What the status says is left; of an Indexed Job, every index that has neither ended nor a pod.
pub const CARELESS: Measure = Measure { room, free_indexes };

fn room(job: &Observed, _: &[Pod], _: bool) -> i32 {
    job.completions.unwrap_or(0) - job.succeeded - job.active
}

fn free_indexes(job: &Observed, pods: &[Pod]) -> Indexes {
    let occupied =
        pods.iter().filter(|pod| pod.phase != Phase::Failed).filter_map(|pod| pod.index).collect();
    Indexes::all(job.completions.unwrap_or(0)).without(&job.completed_indexes).without(&occupied)
}
