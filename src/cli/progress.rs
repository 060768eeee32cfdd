//! How far a verb is, while it works: below the lines on a terminal, as lines elsewhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{World, job::tree, left::Left};
use crate::{
    federation::{Key, Waited, Work},
    print::{Drawing, Live, Notes, Output, Steps, Tree, Trees, counted, federate},
    reconcile::Done,
    state::Record,
};

/// How many busy clusters are named at most: more lines than a terminal has.
const NAMED: usize = 200;

/// What is drawn while a verb works.
pub(super) struct Progress<'a> {
    output: &'a Output,
    left: &'a Left,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    live: Option<Live>,
    /// How many Jobs are under way, side by side.
    jobs: usize,
    /// What is done of so many steps in each cluster.
    clusters: BTreeMap<String, (usize, usize)>,
    what: &'static str,
    /// How many shards a drain began with.
    began_with: usize,
    /// What was said last of a drain.
    said: String,
    /// The work queues of which it was said that a drain waits for them.
    queues: BTreeSet<Key>,
    /// How the Jobs stood last that are waited for.
    trees: Vec<Tree>,
}

/// How the Jobs stood last that were waited for can be read also after Ctrl-C.
impl Drop for Progress<'_> {
    fn drop(&mut self) {
        let State { live, trees, .. } = std::mem::take(&mut *self.state());
        if live.is_none() || !self.left.is_told() {
            return;
        }
        drop(live);
        for line in staying(self.output).lines(&trees) {
            self.output.note(line);
        }
    }
}

/// How trees are printed that are to stay.
pub(super) fn staying(output: &Output) -> Drawing {
    Drawing {
        room: output.room(),
        signs: output.signs(),
        colours: false,
        notes: Notes::Wrapped,
        headers: true,
    }
}

impl<'a> Progress<'a> {
    /// Nothing is drawn yet.
    pub fn new(world: &'a World) -> Self {
        Self { output: &world.output, left: &world.left, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shards of a Job are about to be made or deleted, perhaps while others are.
    pub fn began(&self, work: Work, record: &Record) {
        let steps = if work == Work::Creating { 2 } else { 1 };
        let mut state = self.state();
        if state.jobs == 0 {
            (state.what, state.clusters) = (word(work), BTreeMap::new());
        }
        state.jobs += 1;
        for shard in record.shards.values() {
            state.clusters.entry(shard.cluster.clone()).or_default().1 += steps;
        }
        self.draw_steps(&mut state);
    }

    /// One action was taken.
    pub fn acted(&self, done: &Done) {
        let mut state = self.state();
        if let Some((done, of)) = state.clusters.get_mut(&done.cluster) {
            *done = (*done + 1).min(*of);
            self.draw_steps(&mut state);
        }
    }

    fn draw_steps(&self, state: &mut State) {
        // Of a thousand clusters it would take longer than what they are asked for.
        if !self.output.draws() {
            return;
        }
        let counts = || state.clusters.iter();
        let is_busy = |(_, (done, of)): &(&String, &(usize, usize))| done < of;
        let named = counts().filter(is_busy).take(NAMED);
        let busy: Vec<_> =
            named.map(|(name, (done, of))| (name.clone(), format!("{done} of {of}"))).collect();
        let steps = Steps {
            what: state.what.to_owned(),
            done: counts().map(|(_, (done, _))| done).sum(),
            total: counts().map(|(_, (_, of))| of).sum(),
            unnamed: counts().filter(is_busy).count() - busy.len(),
            busy,
        };
        self.output.draw(&mut state.live, steps);
    }

    /// So many Jobs of a request that is about several are done, and this one is next.
    pub fn turn(&self, work: Work, job: &str, done: usize, total: usize) {
        let busy = vec![(format!("job.batch/{job}"), String::new())];
        let steps = Steps { what: word(work).to_owned(), done, total, busy, unnamed: 0 };
        self.output.draw(&mut self.state().live, steps);
    }

    /// How many of the shards that a drain began with have ended. Where nothing is drawn, a line
    /// says it whenever it is another number. Each work queue that goes on there is named once.
    pub fn draining(
        &self,
        cluster: &str,
        shards: usize,
        pods: Option<i32>,
        queues: &BTreeSet<Key>,
    ) {
        let mut state = self.state();
        for queue in queues {
            if state.queues.insert(queue.clone()) {
                self.output.note(format!(
                    "job.batch/{} is a work queue: its pods in cluster {cluster} run on until it \
                     ends. {} stops them.",
                    queue.1,
                    federate("cluster drain", [cluster, "--now"])
                ));
            }
        }
        state.began_with = state.began_with.max(shards);
        let left = counted(shards, "shard");
        let left = match pods {
            Some(pods) => format!("{left} with {} left", counted(pods, "pod")),
            None => format!("{left} left, and what runs there is not known"),
        };
        if !self.output.draws() {
            if shards > 0 && left != state.said {
                self.output.note(format!("draining {cluster}: {left}"));
            }
            state.said = left;
            return;
        }
        let (total, busy) = (state.began_with, vec![(cluster.to_owned(), left)]);
        let steps =
            Steps { what: "draining".to_owned(), done: total - shards, total, busy, unnamed: 0 };
        self.output.draw(&mut state.live, steps);
    }

    /// How the Jobs stand that are waited for.
    pub fn waiting(&self, waited: &[Waited<'_>]) {
        let mut state = self.state();
        if waited.is_empty() || !self.output.draws() {
            (state.live, state.trees) = (None, Vec::new());
            return;
        }
        let is_one = |it: &Waited<'_>| it.record.namespace() == waited[0].record.namespace();
        let named = !waited.iter().all(is_one);
        let trees = waited
            .iter()
            .map(|Waited { record, status, inspection }| tree(record, status, inspection, named));
        let what = format!("waiting for {}", counted(waited.len(), "job"));
        let trees: Vec<_> = trees.collect();
        state.trees.clone_from(&trees);
        self.output.draw(&mut state.live, Trees { what, trees });
    }

    /// What was under way last is not any more.
    pub fn ended(&self) {
        let mut state = self.state();
        state.jobs = state.jobs.saturating_sub(1);
        if state.jobs == 0 {
            *state = State::default();
        }
    }
}

fn word(work: Work) -> &'static str {
    match work {
        Work::Creating => "creating",
        Work::Deleting => "deleting",
        Work::Reconciling => "reconciling",
        Work::Recording => "recording",
    }
}
