//! A scenario becomes a test on each kind of cluster.

use std::sync::LazyLock;

use libtest_mimic::{Failed, Trial};
use real::Versions;
use tokio::runtime::Runtime;

use crate::stage::{QUEUED, Setting, Stage};

/// What a scenario ends with.
pub type Outcome = Result<(), Failed>;

/// The runtime of all simulated clusters.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Runtime::new().expect("a runtime needs only threads"));

/// The scenarios of one topic.
pub struct Scenarios {
    topic: &'static str,
    /// The versions of real clusters that the topic is tested on, if its scenarios say no others.
    versions: &'static [Versions],
    trials: Vec<(Phase, Trial)>,
}

/// The order in which tests run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Those on simulated clusters: they are done while the control planes start.
    Simulated,
    /// Those that share the control planes.
    Together,
    /// Those that want them to themselves: before, others would have to wait for them.
    Alone,
}

impl Scenarios {
    /// A topic without scenarios.
    pub fn of(topic: &'static str) -> Self {
        Self { topic, versions: &Versions::ALL, trials: Vec::new() }
    }

    /// A topic where nothing depends on the version of a server: of the real clusters, the newest
    /// ones are enough. `KUBECTL_FEDERATE_TEST_KUBERNETES` puts any other version in their place.
    pub fn of_any_version(topic: &'static str) -> Self {
        Self { versions: &[Versions::Newest], ..Self::of(topic) }
    }

    /// On both kinds, in a federation of three members. On real clusters of the same versions all
    /// share one federation, by namespaces.
    pub fn both<T>(self, name: &str, test: T) -> Self
    where
        T: AsyncFnOnce(&Stage) -> Outcome + Copy + Send + 'static,
    {
        self.sim(name, test).real(name, Setting::Federation, test)
    }

    /// As [`Scenarios::both`], but for real clusters of which `east` is of the oldest version: for
    /// what no server did then.
    pub fn both_new_east<T>(self, name: &str, test: T) -> Self
    where
        T: AsyncFnOnce(&Stage) -> Outcome + Copy + Send + 'static,
    {
        let new = Versions::with_new_east();
        self.sim(name, test).real_of(&new, name, Setting::Federation, test)
    }

    /// On real control planes of the newest version: for what is compared with its kubectl.
    pub fn newest<T>(self, name: &str, test: T) -> Self
    where
        T: AsyncFnOnce(&Stage) -> Outcome + Copy + Send + 'static,
    {
        self.real_of(&[Versions::Newest], name, Setting::Federation, test)
    }

    /// As [`Scenarios::both`], and on simulated clusters of which one member in turn is of the
    /// oldest version, and of which all are: for what depends on the version of each member.
    pub fn both_and_mixed<T>(mut self, name: &str, test: T) -> Self
    where
        T: AsyncFnOnce(&Stage) -> Outcome + Copy + Send + 'static,
    {
        const OLDEST: [(&str, &[&str]); 4] = [
            ("old east", &["east"]),
            ("old west", &["west"]),
            ("old north", &["north"]),
            ("all old", &["east", "west", "north"]),
        ];
        for (which, oldest) in OLDEST {
            let name = format!("sim::{}::{name}, {which}", self.topic);
            let trial = Trial::test(name, move || {
                RUNTIME.block_on(async {
                    test(&Stage::simulated_with(Setting::Federation, oldest).await?).await
                })
            });
            self.trials.push((Phase::Simulated, trial));
        }
        self.both(name, test)
    }

    /// On both kinds, with a queueing system in `west` that takes Jobs which name a queue, and one in
    /// `north` that takes all Jobs. The real one is Kueue.
    pub fn queued<T>(self, name: &str, test: T) -> Self
    where
        T: AsyncFnOnce(&Stage) -> Outcome + Copy + Send + 'static,
    {
        self.queued_sim(name, test).real_of(&[Versions::Kueue], name, Setting::Federation, test)
    }

    /// As [`Scenarios::queued`], with no other test on the same clusters beside: for what takes the
    /// queueing system out. Afterwards it is put back.
    pub fn queued_alone<T>(mut self, name: &str, test: T) -> Self
    where
        T: AsyncFnOnce(&Stage) -> Outcome + Copy + Send + 'static,
    {
        let versions = Versions::Kueue;
        let of_topic = format!("real::{versions}::{}::{name}", self.topic);
        let trial = versions.exclusive_trial(&of_topic, async move |fleet| {
            let outcome = test(&Stage::real(Setting::Federation, versions, fleet).await?).await;
            for cluster in QUEUED {
                fleet.cluster(cluster).restore_kueue().await?;
            }
            outcome
        });
        self.trials.push((Phase::Alone, trial));
        self.queued_sim(name, test)
    }

    fn queued_sim<T>(self, name: &str, test: T) -> Self
    where
        T: AsyncFnOnce(&Stage) -> Outcome + Copy + Send + 'static,
    {
        self.sim(name, async move |stage: &Stage| {
            stage.site("north").cluster().queue_all_jobs();
            test(stage).await
        })
    }

    /// On both kinds, in clusters that schedule pods together: the gates for that are open.
    pub fn gangs<T>(self, name: &str, test: T) -> Self
    where
        T: AsyncFnOnce(&Stage) -> Outcome + Copy + Send + 'static,
    {
        let simulated = async move |stage: &Stage| {
            stage.members().for_each(|site| site.cluster().open_gang_gates());
            test(stage).await
        };
        self.sim(name, simulated).real_of(&[Versions::Gangs], name, Setting::Federation, test)
    }

    /// As [`Scenarios::gangs`], with a host that is no member and nothing registered.
    pub fn gangs_from_nothing<T>(self, name: &str, test: T) -> Self
    where
        T: AsyncFnOnce(&Stage) -> Outcome + Copy + Send + 'static,
    {
        let simulated = async move |stage: &Stage| {
            stage.members().for_each(|site| site.cluster().open_gang_gates());
            test(stage).await
        };
        self.sim_from_nothing(name, simulated).real_of(
            &[Versions::Gangs],
            name,
            Setting::Nothing,
            test,
        )
    }

    /// On both kinds, with a host that is no member and nothing registered: for what concerns a
    /// whole federation.
    pub fn both_from_nothing<T>(self, name: &str, test: T) -> Self
    where
        T: AsyncFnOnce(&Stage) -> Outcome + Copy + Send + 'static,
    {
        self.simulated(name, Setting::Nothing, test).real(name, Setting::Nothing, test)
    }

    /// On simulated clusters only: for what needs a hook on their requests.
    pub fn sim<T>(self, name: &str, test: T) -> Self
    where
        T: AsyncFnOnce(&Stage) -> Outcome + Send + 'static,
    {
        self.simulated(name, Setting::Federation, test)
    }

    /// As [`Scenarios::sim`], with a host that is no member and nothing registered.
    pub fn sim_from_nothing<T>(self, name: &str, test: T) -> Self
    where
        T: AsyncFnOnce(&Stage) -> Outcome + Send + 'static,
    {
        self.simulated(name, Setting::Nothing, test)
    }

    /// On real control planes only, with no other test on the same ones beside: for what is done to
    /// their processes.
    pub fn real_alone<T>(mut self, name: &str, test: T) -> Self
    where
        T: AsyncFnOnce(&Stage, &'static real::Fleet) -> Outcome + Copy + Send + 'static,
    {
        for versions in self.versions.iter().copied() {
            let name = format!("real::{versions}::{}::{name}", self.topic);
            self.trials.push((
                Phase::Alone,
                versions.exclusive_trial(&name, async move |fleet| {
                    test(&Stage::real(Setting::Federation, versions, fleet).await?, fleet).await
                }),
            ));
        }
        self
    }

    /// The tests, and when they are to run.
    pub fn trials(self) -> Vec<(Phase, Trial)> {
        self.trials
    }

    fn simulated<T>(mut self, name: &str, setting: Setting, test: T) -> Self
    where
        T: AsyncFnOnce(&Stage) -> Outcome + Send + 'static,
    {
        let name = format!("sim::{}::{name}", self.topic);
        self.trials.push((
            Phase::Simulated,
            Trial::test(name, move || {
                RUNTIME.block_on(async { test(&Stage::simulated(setting).await?).await })
            }),
        ));
        self
    }

    fn real<T>(self, name: &str, setting: Setting, test: T) -> Self
    where
        T: AsyncFnOnce(&Stage) -> Outcome + Copy + Send + 'static,
    {
        let versions = self.versions;
        self.real_of(versions, name, setting, test)
    }

    fn real_of<T>(mut self, all: &[Versions], name: &str, setting: Setting, test: T) -> Self
    where
        T: AsyncFnOnce(&Stage) -> Outcome + Copy + Send + 'static,
    {
        for versions in all.iter().copied() {
            let name = format!("real::{versions}::{}::{name}", self.topic);
            self.trials.push((
                Phase::Together,
                versions.trial(&name, async move |fleet| {
                    test(&Stage::real(setting, versions, fleet).await?).await
                }),
            ));
        }
        self
    }
}
