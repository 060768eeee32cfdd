//! A fact becomes a test on each kind of cluster, of each version.

use std::sync::LazyLock;

use libtest_mimic::{Failed, Trial};
use real::Version;
use tokio::runtime::Runtime;
use tokio::sync::RwLock;

use crate::place::Place;

/// What a fact ends with.
pub type Outcome = Result<(), Failed>;

/// The runtime of all simulated clusters.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Runtime::new().expect("a runtime needs only threads"));

/// The versions, and the cluster of the mixed fleet that is of each. The lock is held shared by
/// facts that leave the cluster's controllers alone, whole by those that kill them.
static VERSIONS: [(Version, &str, RwLock<()>); 3] = [
    (Version::V1_37, "east", RwLock::const_new(())),
    (Version::V1_36, "north", RwLock::const_new(())),
    (Version::V1_30, "west", RwLock::const_new(())),
];

/// The facts of one topic.
pub struct Facts {
    topic: &'static str,
    trials: Vec<Trial>,
}

impl Facts {
    /// A topic without facts.
    pub fn of(topic: &'static str) -> Self {
        Self { topic, trials: Vec::new() }
    }

    /// A fact about all versions, or about their difference.
    pub fn fact<T>(self, name: &str, test: T) -> Self
    where
        T: AsyncFnOnce(&Place) -> Outcome + Copy + Send + 'static,
    {
        self.with(name, false, test)
    }

    /// The same, on a cluster of its own for the time, whose controllers may be killed.
    pub fn alone<T>(self, name: &str, test: T) -> Self
    where
        T: AsyncFnOnce(&Place) -> Outcome + Copy + Send + 'static,
    {
        self.with(name, true, test)
    }

    /// A fact about clusters with the gates open for pods that are scheduled together. Their
    /// controllers may be killed.
    pub fn gangs<T>(mut self, name: &str, test: T) -> Self
    where
        T: AsyncFnOnce(&Place) -> Outcome + Copy + Send + 'static,
    {
        let topic = self.topic;
        self.trials.push(Trial::test(format!("sim::gangs::{topic}::{name}"), move || {
            RUNTIME.block_on(async { test(&Place::with_gangs().await?).await })
        }));
        let name = format!("real::gangs::{topic}::{name}");
        self.trials.push(real::Versions::Gangs.exclusive_trial(&name, async move |fleet| {
            test(&Place::real(fleet, "east").await?).await
        }));
        self
    }

    /// A fact about each version, which the test gets as `1.36`. Also on the version that
    /// `KUBECTL_FEDERATE_TEST_KUBERNETES` names, if it is none of these.
    pub fn each<T>(mut self, name: &str, test: T) -> Self
    where
        T: AsyncFnOnce(&Place, &'static str) -> Outcome + Copy + Send + 'static,
    {
        let chosen = real::Versions::Newest.to_string();
        if VERSIONS.iter().all(|(version, ..)| version.minor() != chosen) {
            let of_topic = format!("real::{chosen}::{}::{name}", self.topic);
            self.trials.push(real::Versions::Newest.trial(&of_topic, async move |fleet| {
                let minor = fleet.cluster("east").version().minor();
                test(&Place::real(fleet, "east").await?, minor).await
            }));
        }
        self.with(name, false, async move |place: &Place| test(place, place.minor()).await)
    }

    /// The tests.
    pub fn trials(self) -> Vec<Trial> {
        self.trials
    }

    fn with<T>(mut self, name: &str, alone: bool, test: T) -> Self
    where
        T: AsyncFnOnce(&Place) -> Outcome + Copy + Send + 'static,
    {
        for (version, cluster, lock) in &VERSIONS {
            let (version, number, topic) = (*version, version.minor(), self.topic);
            self.trials.push(Trial::test(format!("sim::{number}::{topic}::{name}"), move || {
                RUNTIME.block_on(async { test(&Place::simulated(version).await?).await })
            }));
            let name = format!("real::{number}::{topic}::{name}");
            self.trials.push(real::Versions::Mixed.trial(&name, async move |fleet| {
                let (_shared, _whole) = if alone {
                    (None, Some(lock.write().await))
                } else {
                    (Some(lock.read().await), None)
                };
                test(&Place::real(fleet, cluster).await?).await
            }));
        }
        self
    }
}
