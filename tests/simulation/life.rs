//! One life of a federated Job: what is done with it, step by step, as a seed has it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use kubectl_federate::federation::{Deletion, Reopen};
use kubectl_federate::seams::{self, Defect, Simulated};
use kubectl_federate::state::Cascade;
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::commands::{ClusterCommand, Command, run};
use super::disasters::strike;
use super::ending;
use super::extras::Extras;
use super::habits::Habits;
use super::hosts::{HostCommand, remedy};
use super::jobs::{self, Kind};
use super::meddling::{cut_off, expire, remake};
use super::random::Random;
use super::site::{self, NAMES, PEOPLE, Site};
use super::weather::Weather;

/// How a life is run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms {
    /// Whether all that happens is written down.
    pub trace: bool,
    /// A mistake that the product is to make.
    pub defect: Option<Defect>,
}

/// What came of a life.
#[derive(Debug)]
pub struct Lived {
    /// The first thing that was broken, if something was.
    pub broken: Option<String>,
    /// How the federated Job ended.
    pub end: &'static str,
    /// What happened, if it was written down.
    pub trace: Vec<String>,
}

/// Lives the life of a seed, in a runtime of its own.
pub fn live(seed: u64, terms: Terms) -> Lived {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let lived = runtime.block_on(async {
        let mut random = Random::new(seed);
        let (begun, mut chance) = (Instant::now(), random.fork());
        seams::simulate(Some(Simulated {
            now: Box::new(move || site::now(begun)),
            number: Box::new(move || chance.next()),
            defect: terms.defect,
        }));
        let extras = Extras::of(seed);
        let site = Site::new(&mut random, terms.trace, &extras).await;
        let life = Life::new(&site, random, seed % 2 == 1, extras);
        let life = AssertUnwindSafe(Box::pin(life.run()));
        let ended = life.catch_unwind().await;
        // The hook of a cluster holds the cluster.
        site.clusters.iter().for_each(sim::Cluster::clear_hook);
        let mut events = site.events();
        let (end, broken) = match ended {
            Ok(end) => (end, events.knowledge.first_broken().cloned()),
            Err(panic) => ("panic", Some(format!("panic: {}", words(&*panic)))),
        };
        Lived { broken, end, trace: events.trace() }
    });
    seams::simulate(None);
    lived
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// One life.
struct Life {
    site: Arc<Site>,
    random: Random,
    kind: Kind,
    manifest: Value,
    /// One command in so many is killed.
    kills: u64,
    /// Whether clusters are cordoned, drained, declared lost and so on. The lives of even seeds
    /// stay without, as those were that once showed a fault.
    changes_clusters: bool,
    extras: Extras,
}

impl Life {
    fn new(
        site: &Arc<Site>,
        mut random: Random,
        changes_clusters: bool,
        mut extras: Extras,
    ) -> Self {
        let (kind, mut manifest) = jobs::manifest(&mut random);
        if let Some(lease) = extras.own_lease {
            manifest["metadata"]["annotations"]["kubectl-federate.dev/lease"] = lease.into();
        }
        let kills = *random.pick(&[0, 2, 5]);
        if let Some(random) = &mut extras.gangs {
            jobs::gather(&mut manifest, random);
        }
        Self { site: site.clone(), random, kind, manifest, kills, changes_clusters, extras }
    }

    /// Lives until the steps are over, then ends in peace.
    async fn run(mut self) -> &'static str {
        {
            let mut events = self.site.events();
            events.weather = Weather::new(&mut self.random);
            events.habits = Habits::new(&mut self.random);
            if self.extras.retries {
                events.habits.fail_often(30);
            }
            events.habits.clocks = self.extras.leases.map(|_| self.extras.clocks);
            let line = format!("{:?} {:?} {}", events.weather, events.habits, self.manifest);
            events.note(|| line);
        }
        let steps = 4 + self.random.below(14);
        for step in 0..steps {
            self.step(step == 0).await;
            self.besides().await;
            self.site.pass_everywhere();
            if self.site.events().knowledge.first_broken().is_some() {
                return "broken";
            }
        }
        ending::end(&self.site, self.kind, &self.manifest, self.extras.retries).await
    }

    async fn step(&mut self, first: bool) {
        match self.random.below(20) {
            chance if first || chance < 12 => {
                let command = self.command(first);
                self.one(PEOPLE[0], command).await;
            }
            12 | 13 => {
                let (one, other) = (self.command(false), self.command(false));
                self.both(one, other).await;
            }
            14..=16 => self.wait().await,
            _ => {
                for _ in 0..=self.random.below(10) {
                    let place = self.random.below(self.site.clusters.len() as u64) as usize;
                    self.site.events().act(place, &self.site.clusters[place]);
                }
                // Somebody declares clusters lost that were replaced, and registers the new ones.
                let rebuilt = self.site.events().knowledge.rebuilt_clusters();
                if !rebuilt.is_empty() && self.random.one_in(2) && self.changes_clusters {
                    for name in rebuilt {
                        for command in [ClusterCommand::Lost, ClusterCommand::Register] {
                            self.one(PEOPLE[0], Command::Cluster(command, name)).await;
                        }
                    }
                }
            }
        }
    }

    /// What happens between two steps where a life has something besides.
    async fn besides(&mut self) {
        let site = self.site.clone();
        if self.extras.leases.is_some() && self.extras.random.one_in(4) {
            self.cut_off().await;
        }
        let has_failed = site.events().knowledge.has_failed();
        if self.extras.retries && has_failed && self.extras.random.one_in(2) {
            self.one(PEOPLE[0], Command::Retry).await;
        }
        if self.extras.remakes && self.extras.random.one_in(4) {
            let place = self.extras.random.below(site.clusters.len() as u64) as usize;
            let mut events = site.events();
            let random = &mut self.extras.random;
            if let Some(what) = remake(&site.clusters[place], random, &mut events.knowledge) {
                events.note(|| format!("    {}: {what}", NAMES[place]));
            }
        }
        if let Some(random) = &mut self.extras.gangs {
            let place = random.below(site.clusters.len() as u64) as usize;
            let (stands, starts) = (random.one_in(4), random.one_in(2));
            let patch = random.one_in(5).then(|| jobs::resize(random));
            // A first look comes late where the controllers stand still.
            if stands {
                site.events().note(|| format!("    {}: the controllers stop", NAMES[place]));
                site.clusters[place].stop_controllers();
            } else if starts {
                site.clusters.iter().for_each(sim::Cluster::start_controllers);
            }
            if let Some(patch) = patch {
                self.one(PEOPLE[0], Command::Edit(patch, false)).await;
            }
        }
        if let Some(ttl) = self.extras.ttl
            && self.extras.random.one_in(3)
        {
            expire(&site, &mut self.extras.random, ttl).await;
            self.one(PEOPLE[0], Command::Reconcile(Reopen::Undone)).await;
        }
        if let Some(mut random) = self.extras.hosts.take() {
            self.change_hosts(&mut random).await;
            self.extras.hosts = Some(random);
        }
    }

    /// Users recover what was lost, or change the host, or lose it.
    async fn change_hosts(&mut self, random: &mut Random) {
        let site = self.site.clone();
        let [alice, bob] = PEOPLE;
        if random.one_in(3) {
            site.clusters.iter().for_each(sim::Cluster::come_back);
        }
        for _ in 0..4 {
            let next = if random.one_in(3) { None } else { remedy(&site, alice, random) };
            let Some(command) = next else { break };
            self.one(alice, command).await;
        }
        if random.one_in(2) {
            // Bob hears of it.
            site.uses(bob, site.home());
        }
        let place = random.below(site.clusters.len() as u64) as usize;
        match random.below(12) {
            0..=2 => strike(&site, random),
            chance => {
                let command = HostCommand::any(chance, &site, place, random);
                if let Some(command) = command {
                    self.one(alice, Command::Host(command)).await;
                }
            }
        }
    }

    /// A cluster is cut off, and comes back after somebody has reconciled or later. Sometimes
    /// somebody changes a lease before.
    async fn cut_off(&mut self) {
        let site = self.site.clone();
        let random = &mut self.extras.random;
        if random.one_in(3) {
            let name = NAMES[random.below(site.clusters.len() as u64) as usize];
            let lease = *random.pick(&[None, Some(60), Some(600)]);
            self.one(PEOPLE[0], Command::Cluster(ClusterCommand::Lease(lease), name)).await;
        }
        let place = cut_off(&site, &mut self.extras.random).await;
        self.one(PEOPLE[0], Command::Reconcile(Reopen::None)).await;
        if let Some(place) = place.filter(|_| self.extras.random.one_in(2)) {
            site.clusters[place].come_back();
        }
    }

    async fn wait(&mut self) {
        let seconds = *self.random.pick(&[1, 10, 60, 700]);
        let time = Duration::from_secs(1 + self.random.below(seconds));
        self.site.events().note(|| format!("{} s go by", time.as_secs()));
        tokio::time::sleep(time).await;
    }

    fn command(&mut self, first: bool) -> Command {
        let random = &mut self.random;
        let is_there = {
            let knowledge = &self.site.events().knowledge;
            let is_lost = knowledge.has_hosts && knowledge.lost_record().is_some();
            is_lost || knowledge.ledgers.values().any(|ledger| !ledger.gone)
        };
        if first || (!is_there && random.one_in(2)) {
            return Command::Create;
        }
        match random.below(24) {
            9..=12 if self.changes_clusters => self.cluster_command(),
            0..=12 => Command::Reconcile(Reopen::None),
            13 => Command::Reconcile(Reopen::Undone),
            14 if random.one_in(2) => Command::Reconcile(Reopen::All),
            15..=19 => {
                let (patch, recreate) = jobs::edit(self.kind, random);
                Command::Edit(patch, recreate)
            }
            20 if random.one_in(3) => {
                let deletions = [
                    Deletion::Orphan,
                    Deletion::Abandon,
                    Deletion::Cascade(Cascade::Background),
                    Deletion::Cascade(Cascade::Foreground),
                ];
                Command::Delete(*random.pick(&deletions))
            }
            21 if random.one_in(2) => Command::Unregister(random.pick::<&str>(&NAMES)),
            _ => Command::Look,
        }
    }

    /// Few lives declare a cluster lost: then less is known of what may run twice.
    fn cluster_command(&mut self) -> Command {
        use ClusterCommand::{Cordon, Drain, DrainNow, Lost, Register, Uncordon};
        let random = &mut self.random;
        let commands = [Register, Cordon, Uncordon, Uncordon, Drain, DrainNow, Lost, Lost];
        match random.below(9) {
            0 => Command::Rebalance,
            1 => Command::Recover,
            _ => {
                let place = random.below(self.site.clusters.len() as u64) as usize;
                Command::Cluster(*random.pick(&commands), NAMES[place])
            }
        }
    }

    async fn one(&mut self, person: &'static str, command: Command) {
        self.ready(person, &command);
        let killed = self.doom(person);
        run(&self.site, person, &self.manifest, command, killed).await;
        self.done();
    }

    async fn both(&mut self, one: Command, other: Command) {
        let [alice, bob] = PEOPLE;
        self.ready(alice, &one);
        self.ready(bob, &other);
        let (first, second) = (self.doom(alice), self.doom(bob));
        let delay = Duration::from_millis(self.random.below(3) * self.random.below(400));
        let (site, manifest) = (&self.site, &self.manifest);
        tokio::join!(run(site, alice, manifest, one, first), async {
            tokio::time::sleep(delay).await;
            run(site, bob, manifest, other, second).await;
        });
        self.done();
    }

    fn ready(&self, person: &'static str, command: &Command) {
        let mut events = self.site.events();
        events.knowledge.set_busy(true);
        events.knowledge.doing.insert(person, command.doing());
        let at = self.site.now();
        events.note(|| format!("{at} {person}: {command:?}"));
    }

    fn done(&self) {
        let mut events = self.site.events();
        events.spare();
        events.knowledge.set_busy(false);
    }

    /// Has the process die at one of its requests, now and then.
    fn doom(&mut self, person: &str) -> Arc<Notify> {
        let signal = Arc::new(Notify::new());
        if self.random.one_in(self.kills) {
            let after = self.random.below(60);
            self.site.events().kill(person, after, &signal);
        }
        signal
    }
}
