//! The controllers: Jobs, garbage collection, TTLs, namespaces, a queueing system where there is
//! one, and a kubelet for all nodes.

mod backoff;
mod collector;
mod events;
mod gangs;
pub(crate) mod indexes;
mod kubelet;
mod manage;
mod play;
mod pods;
mod policy;
mod queues;
mod sync;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use jiff::Timestamp;

use crate::api::State;
use crate::clock::later;
use crate::cluster::Cluster;
use crate::object;
use crate::resource::JOBS;
use crate::store::Key;

pub(crate) use gangs::{Gangs, validate as validate_gang, validate_update as validate_gang_update};
pub use kubelet::Kubelet;
pub use play::JobSync;
pub(crate) use queues::Queues;
pub use sync::Step;

/// More rounds than any work takes; beyond it, two controllers undo each other.
const MOST_ROUNDS: usize = 10_000;

/// A write of the Job controller that a test can have refused, which keeps a Job in the gap before
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// That of a Job's status: pods are made, deleted and end, and the status does not say so.
    Status,
    /// That which takes the finalizer off a pod: pods that have ended stay in
    /// `uncountedTerminatedPods`, and no pod goes.
    Finalizers,
}

/// What the controllers remember besides what is stored.
#[derive(Debug, Default)]
pub(crate) struct Controllers {
    pub(crate) kubelet: Kubelet,
    kubelet_memory: kubelet::Memory,
    /// Whether all but the kubelet stands still.
    stopped: bool,
    pub(crate) held: Option<Held>,
    /// The failures of each Job's pods since its last success, by uid.
    backoff: HashMap<String, backoff::Record>,
    /// Until when no pod is made of a Job whose last one was refused, by uid.
    pub(crate) refused: HashMap<String, Timestamp>,
    /// When a Job is looked at again of which a write was refused.
    retries: HashMap<Key, Timestamp>,
    /// When something is to be looked at again.
    due: BTreeSet<Timestamp>,
    /// The version and the time at which they had nothing left to do, as long as nothing else has
    /// changed since.
    settled: Option<(u64, Timestamp)>,
}

impl Controllers {
    /// The next moment at which something falls due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().copied()
    }

    /// Has all but the kubelet stand still from now on.
    pub(crate) fn stop(&mut self) {
        self.stopped = true;
    }

    /// Starts them anew: what they only remembered is forgotten.
    pub(crate) fn start(&mut self) {
        self.stopped = false;
        self.backoff.clear();
        self.refused.clear();
    }

    /// Has a Job looked at again in ten seconds, unless it is looked at before that anyway.
    fn retry(&mut self, job: &Key, now: Timestamp) {
        let again = later(now, Duration::from_secs(10));
        let waits = self.retries.get(job).is_some_and(|at| *at > now);
        if !waits {
            self.retries.insert(job.clone(), again);
            self.look_again(again);
        }
    }

    /// Has everything looked at the next time: something may have changed that is not stored.
    pub(crate) fn look_at_all(&mut self) {
        self.settled = None;
    }

    /// Has everything looked at again at a moment.
    pub(crate) fn look_again(&mut self, at: Timestamp) {
        self.due.insert(at);
    }
}

impl Cluster {
    /// Moves the clock on, and has the controllers do at each moment in between what falls due
    /// then, until nothing is left to do. For clusters that do not run by themselves.
    ///
    /// # Panics
    /// If the controllers never come to rest.
    pub fn advance(&self, time: Duration) {
        self.play(|state| {
            let target = later(state.now(), time);
            state.settle();
            while let Some(due) = state.controllers.next_due().filter(|due| *due <= target) {
                let due = due.max(state.now());
                state.clock.advance_to(due);
                state.settle();
            }
            state.clock.advance_to(target);
            state.settle();
        });
    }

    /// Has the controllers work until nothing is left to do at this moment.
    ///
    /// # Panics
    /// If the controllers never come to rest.
    pub fn settle(&self) {
        self.play(State::settle);
    }
}

impl State {
    /// Runs all controllers until none of them changes anything.
    pub(crate) fn settle(&mut self) {
        let seen = (self.store.version(), self.now());
        if self.controllers.settled == Some(seen) {
            return;
        }
        // A look that was refused is not repeated at once: it would tell of what it does each time.
        let mut refused = BTreeSet::new();
        for _ in 0..MOST_ROUNDS {
            let before = self.store.version();
            let now = self.now();
            self.controllers.due.retain(|due| *due > now);
            self.play_kubelet();
            if !self.controllers.stopped {
                self.run_controllers(&mut refused);
            }
            if self.store.version() == before {
                // Whatever wanted to look again at this moment would see the same.
                self.controllers.due.retain(|due| *due > now);
                self.controllers.settled = refused.is_empty().then_some((before, now));
                return;
            }
        }
        panic!("the controllers do not come to rest");
    }

    /// One round of all controllers.
    fn run_controllers(&mut self, refused: &mut BTreeSet<Key>) {
        self.keep_evicted();
        for job in self.store.list(&JOBS, "") {
            let key = Key::of(&job);
            if !object::finished(&job) && !refused.contains(&key) && !self.sync_job(&key) {
                refused.insert(key);
            }
        }
        self.run_queues();
        self.release_orphans();
        self.collect_garbage();
        self.expire_jobs();
        self.end_namespaces();
    }

    /// One whole look at a Job; whether no write of it was refused. A refused write is tried again
    /// at the next look, and in ten seconds at the latest.
    fn sync_job(&mut self, key: &Key) -> bool {
        let Some(mut sync) = sync::Sync::begin(self, key) else { return true };
        loop {
            match sync.step(self) {
                Ok(Step::Done) => return true,
                Ok(_) => {}
                Err(_) => {
                    let now = self.now();
                    self.controllers.retry(key, now);
                    return false;
                }
            }
        }
    }
}
