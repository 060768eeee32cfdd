//! What happens at each request: pods get on, users act, the process dies, a fault comes; and what
//! all of it shows is noted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sim::{Cluster, RequestInfo, Verdict, When};
use tokio::sync::Notify;

use super::habits::Habits;
use super::knowledge::Knowledge;
use super::pods;
use super::random::Random;
use super::weather::{Fault, Weather};

/// More requests than any command sends here: one that sends more goes round in circles.
const MOST_REQUESTS: usize = 4_000;

/// A process that is to die at one of its requests.
struct Kill {
    /// How many requests it sends before.
    after: u64,
    signal: Arc<Notify>,
}

/// Everything that happens in one life.
pub struct Events {
    random: Random,
    /// Which faults come.
    pub weather: Weather,
    /// What users do.
    pub habits: Habits,
    /// What is known.
    pub knowledge: Knowledge,
    /// The lines of the trace, where one is wanted.
    trace: Option<Vec<String>>,
    kills: BTreeMap<String, Kill>,
    /// Requests since the command began.
    requests: usize,
    /// Requests that changed something since it was last asked.
    writes: usize,
}

impl Events {
    /// Nothing has happened, and nothing does until weather and habits are given.
    pub fn new(clusters: &[Cluster], random: Random, trace: bool) -> Self {
        Self {
            random,
            weather: Weather::calm(),
            habits: Habits::none(),
            knowledge: Knowledge::new(clusters),
            trace: trace.then(Vec::new),
            kills: BTreeMap::new(),
            requests: 0,
            writes: 0,
        }
    }

    /// Adds a line to the trace.
    pub fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(line());
        }
    }

    /// The trace so far.
    pub fn trace(&mut self) -> Vec<String> {
        self.trace.take().unwrap_or_default()
    }

    /// Has a process die at one of its next requests; the signal is given then.
    pub fn kill(&mut self, person: &str, after: u64, signal: &Arc<Notify>) {
        self.kills.insert(person.to_owned(), Kill { after, signal: signal.clone() });
    }

    /// A command begins, or ended: nobody is to die any more.
    pub fn spare(&mut self) {
        self.kills.clear();
        self.requests = 0;
    }

    /// How many requests have changed something since this was asked last.
    pub fn writes(&mut self) -> usize {
        std::mem::take(&mut self.writes)
    }

    /// Looks at what a cluster stores now.
    pub fn look(&mut self, place: usize, cluster: &Cluster) {
        self.knowledge.look(place, cluster);
    }

    /// A request arrives.
    pub fn happen(&mut self, place: usize, cluster: &Cluster, request: &RequestInfo) -> Verdict {
        self.requests += 1;
        self.writes += usize::from(request.mutating);
        if self.requests > MOST_REQUESTS {
            self.knowledge.accuse(|| "a command goes round in circles".to_owned());
            return Verdict::Hang(When::Before);
        }
        self.knowledge.judge(place, cluster, request);
        if self.habits.act_now(&mut self.random) {
            self.act(place, cluster);
        }
        let verdict = self.fate(place, request);
        self.note(|| {
            let RequestInfo { user, verb, path, dry_run, .. } = request;
            let dry = if *dry_run { " (dry run)" } else { "" };
            let body = if request.mutating { short(&request.body) } else { String::new() };
            let fate = match &verdict {
                Verdict::Pass => String::new(),
                Verdict::Answer(when, answer) => format!(" -> {} {when:?}", answer.status()),
                Verdict::Kill(when, _) => format!(" -> killed {when:?}"),
                fate => format!(" -> {fate:?}"),
            };
            format!("  {user}: {verb}{dry} {} {path}{fate} {body}", cluster.name())
        });
        verdict
    }

    fn fate(&mut self, place: usize, request: &RequestInfo) -> Verdict {
        match self.kills.get_mut(&request.user) {
            Some(kill) if kill.after == 0 => {
                let signal = kill.signal.clone();
                self.kills.remove(&request.user);
                self.knowledge.lost(place, request);
                return match self.random.below(4) {
                    0 => Verdict::Kill(When::Before, signal),
                    1 | 2 => Verdict::Kill(When::After, signal),
                    // Its request arrives when the process has been dead for a while.
                    _ => {
                        signal.notify_one();
                        Verdict::Delay(Duration::from_secs(1 + self.random.below(400)))
                    }
                };
            }
            Some(kill) => kill.after -= 1,
            None => {}
        }
        let fault = self.weather.fault(request, &mut self.random);
        // Who rebuilds a record takes a Job that no cluster lists for one that is not there. API
        // servers answer so only from the latest state, where no resourceVersion is named.
        let hides_jobs = |fault: &Fault| *fault == Fault::Stale && self.knowledge.is_rebuilt();
        let Some(fault) = fault.filter(|fault| !hides_jobs(fault)) else {
            self.knowledge.answered(place, request);
            return Verdict::Pass;
        };
        if fault.is_answered() {
            self.knowledge.answered(place, request);
        }
        if fault.may_have_happened() {
            self.knowledge.lost(place, request);
        }
        fault.verdict(&mut self.random)
    }

    /// Pods get on in a cluster, or a user acts there.
    pub fn act(&mut self, place: usize, cluster: &Cluster) {
        let what = if self.habits.pods_now(&mut self.random) {
            let failures = self.habits.failures();
            pods::get_on(cluster, failures, &mut self.random, &mut self.knowledge)
        } else {
            self.habits.act(place, cluster, &mut self.random, &mut self.knowledge)
        };
        if let Some(what) = what {
            self.note(|| format!("    {}: {what}", cluster.name()));
            cluster.settle();
            self.look(place, cluster);
        }
    }

    /// Every pod in a cluster succeeds.
    pub fn finish_pods(&mut self, place: usize, cluster: &Cluster) {
        pods::finish(cluster, &mut self.knowledge);
        self.look(place, cluster);
    }
}

/// The beginning of a body.
fn short(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().take(1_500).collect()
}
