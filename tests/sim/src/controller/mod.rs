//! The controllers: Jobs, garbage collection, TTLs, namespaces, and a kubelet for all nodes.

mod backoff;
mod collector;
mod events;
pub(crate) mod indexes;
mod kubelet;
mod manage;
mod play;
mod pods;
mod policy;
mod sync;

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use crate::api::State;
use crate::object;
use crate::resource::JOBS;
use crate::store::Key;

pub use kubelet::Kubelet;
pub use play::JobSync;
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
    /// When something is to be looked at again.
    due: BTreeSet<Timestamp>,
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

    /// Has everything looked at again at a moment.
    pub(crate) fn look_again(&mut self, at: Timestamp) {
        self.due.insert(at);
    }
}

impl State {
    /// Runs all controllers until none of them changes anything.
    pub(crate) fn settle(&mut self) {
        for _ in 0..MOST_ROUNDS {
            let before = self.store.version();
            let now = self.now();
            self.controllers.due.retain(|due| *due > now);
            self.play_kubelet();
            if !self.controllers.stopped {
                self.run_controllers();
            }
            if self.store.version() == before {
                return;
            }
        }
        panic!("the controllers do not come to rest");
    }

    /// One round of all controllers.
    fn run_controllers(&mut self) {
        for job in self.store.list(&JOBS, "") {
            if !object::finished(&job) {
                self.sync_job(&Key::of(&job));
            }
        }
        self.release_orphans();
        self.collect_garbage();
        self.expire_jobs();
        self.end_namespaces();
    }

    /// One whole look at a Job. A refused write is tried again at the next look, and in ten seconds
    /// at the latest.
    fn sync_job(&mut self, key: &Key) {
        let Some(mut sync) = sync::Sync::begin(self, key) else { return };
        loop {
            match sync.step(self) {
                Ok(Step::Done) => return,
                Ok(_) => {}
                Err(_) => {
                    let again = crate::clock::later(self.now(), std::time::Duration::from_secs(10));
                    self.controllers.look_again(again);
                    return;
                }
            }
        }
    }
}
