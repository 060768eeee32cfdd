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

/// Held shared by facts that leave the controllers of the old cluster alone, whole by those that
/// kill them.
static OLD: RwLock<()> = RwLock::const_new(());

/// The same for the new cluster whose controllers are killed.
static NEW: RwLock<()> = RwLock::const_new(());

const VERSIONS: [Version; 2] = [Version::V1_36, Version::V1_30];

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

    /// A fact about both versions, or about their difference.
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

    /// The tests.
    pub fn trials(self) -> Vec<Trial> {
        self.trials
    }

    fn with<T>(mut self, name: &str, alone: bool, test: T) -> Self
    where
        T: AsyncFnOnce(&Place) -> Outcome + Copy + Send + 'static,
    {
        for version in VERSIONS {
            let (number, topic) =
                (if version == Version::V1_36 { "1.36" } else { "1.30" }, self.topic);
            self.trials.push(Trial::test(format!("sim::{number}::{topic}::{name}"), move || {
                RUNTIME.block_on(async { test(&Place::simulated(version).await?).await })
            }));
            let name = format!("real::{number}::{topic}::{name}");
            self.trials.push(real::Versions::Mixed.trial(&name, async move |fleet| {
                let (cluster, lock) = match (version, alone) {
                    (Version::V1_30, _) => ("west", &OLD),
                    (Version::V1_36, false) => ("east", &NEW),
                    (Version::V1_36, true) => ("north", &NEW),
                };
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
