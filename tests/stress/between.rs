//! What happens between a credit's reading and its writing: a measure that waits for the test.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};

use kubectl_federate::job::{Indexes, Observed, Pod};
use kubectl_federate::reconcile::{Credited, Measure};
use libtest_mimic::Failed;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::place::{Place, any, rest};

/// The measure of a turn, once the test has had it.
const MEASURE: Measure = Measure { room, free_indexes };

/// The Jobs that are being credited, by uid: a measure is a plain function.
static TURNS: Mutex<BTreeMap<String, Turn>> = Mutex::new(BTreeMap::new());

struct Turn {
    /// What is asked after the test has had its turn.
    measure: Measure,
    /// Credited when the Job is measured for the first time.
    first: Option<(oneshot::Sender<()>, mpsc::Receiver<()>)>,
    /// The resourceVersions of it that were measured.
    versions: BTreeSet<String>,
}

fn turns() -> MutexGuard<'static, BTreeMap<String, Turn>> {
    TURNS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn room(job: &Observed, pods: &[Pod], still: bool) -> i32 {
    (after_the_turn(job).room)(job, pods, still)
}

fn free_indexes(job: &Observed, pods: &[Pod]) -> Indexes {
    (after_the_turn(job).free_indexes)(job, pods)
}

/// Waits for the test the first time that a Job is measured, and gives the measure to ask.
fn after_the_turn(job: &Observed) -> Measure {
    let (measure, first) = match turns().get_mut(&job.uid) {
        Some(turn) => {
            turn.versions.insert(job.resource_version.clone());
            (turn.measure, turn.first.take())
        }
        None => (Measure::default(), None),
    };
    if let Some((read, done)) = first {
        // Where either fails, the test has given up.
        let _ = read.send(());
        let _ = done.recv();
    }
    measure
}

/// Credits all that can be, and has something happen after the Job and its pods were read for the
/// first time. Also says how many versions of the Job were read.
pub async fn credit_during(
    place: &Place,
    job: &Observed,
    measure: Measure,
    meanwhile: impl Future<Output = Result<(), Failed>>,
) -> Result<(Credited, usize), Failed> {
    let (read, has_read) = oneshot::channel();
    let (done, has_done) = mpsc::channel();
    let turn = Turn { measure, first: Some((read, has_done)), versions: BTreeSet::new() };
    turns().insert(job.uid.clone(), turn);
    let crediting = {
        let (place, job) = (place.clone(), job.clone());
        // On a thread of its own, since it waits there.
        tokio::task::spawn_blocking(move || {
            Handle::current().block_on(place.credit(&job, |job| any(job, rest(job)), &MEASURE))
        })
    };
    has_read.await?;
    meanwhile.await?;
    done.send(())?;
    let taken = crediting.await??.ok_or("the job kept changing")?;
    let versions = turns().remove(&job.uid).map_or(0, |turn| turn.versions.len());
    Ok((taken, versions))
}
