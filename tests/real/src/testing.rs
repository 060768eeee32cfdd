//! Tests on control planes, for a test binary with libtest-mimic as its harness.

use crate::binaries::{Binaries, Version, available};
use crate::fleet::{Fleet, FleetBuilder};
use libtest_mimic::{Completion, Failed, Trial};
use std::fmt;
use std::sync::LazyLock;
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

/// What a test that needs control planes has to do here.
#[derive(Debug)]
pub enum Decision {
    /// Run.
    Run(Binaries),
    /// Report itself as ignored, for this reason.
    Ignore(String),
    /// Fail, for this reason: there are no control planes, and the environment variable `CI` is
    /// `true`, so that somebody counts on these tests.
    Fail(String),
}

/// Decides whether tests on a version run here. Finds or builds the binaries, so it may take
/// minutes the first time.
pub fn decide(version: Version) -> Decision {
    match available(version) {
        Ok(binaries) => Decision::Run(binaries),
        Err(unavailable) if std::env::var("CI").is_ok_and(|ci| ci == "true") => {
            Decision::Fail(unavailable.reason)
        }
        Err(unavailable) => Decision::Ignore(unavailable.reason),
    }
}

/// One runtime for all tests of the binary: it outlives them, as what a test leaves running must.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Runtime::new().expect("a runtime needs only threads"));

/// Which versions the clusters of a shared fleet have. Each is another fleet, started by the first
/// test that runs on it.
///
/// Each has the clusters `east`, `west` and `north` and the users `alice` and `bob`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Versions {
    /// All of [`Version::NEWEST`].
    Newest,
    /// All of [`Version::V1_30`], the oldest.
    Oldest,
    /// `west`, and the hosts of [`Fleet::start_host`], of the oldest version; `east` and `north` of
    /// the newest.
    Mixed,
}

impl Versions {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Newest, Self::Oldest, Self::Mixed];

    /// A test on the fleet of these versions, together with others. Ignored, or failed, as
    /// [`decide`] says.
    pub fn trial<T>(self, name: &str, test: T) -> Trial
    where
        T: AsyncFnOnce(&'static Fleet) -> Result<(), Failed> + Send + 'static,
    {
        self.on_fleet(name, async move |fleet| {
            let _turn = fleet.together().await;
            test(fleet).await
        })
    }

    /// As [`Versions::trial`], with the fleet to itself: for tests that freeze or kill.
    pub fn exclusive_trial<T>(self, name: &str, test: T) -> Trial
    where
        T: AsyncFnOnce(&'static Fleet) -> Result<(), Failed> + Send + 'static,
    {
        self.on_fleet(name, async move |fleet| {
            let _turn = fleet.exclusive().await;
            test(fleet).await
        })
    }

    fn on_fleet<T>(self, name: &str, test: T) -> Trial
    where
        T: AsyncFnOnce(&'static Fleet) -> Result<(), Failed> + Send + 'static,
    {
        let run = move || {
            RUNTIME.block_on(async {
                test(self.shared().get_or_try_init(|| self.fleet().start()).await?).await
            })
        };
        on_control_planes(self.oldest(), name, run)
    }

    fn fleet(self) -> FleetBuilder {
        let fleet = Fleet::builder(self.oldest()).user("alice").user("bob");
        match self {
            Self::Newest | Self::Oldest => fleet.cluster("east").cluster("west").cluster("north"),
            Self::Mixed => {
                let newest = Version::NEWEST;
                fleet.cluster_at("east", newest).cluster("west").cluster_at("north", newest)
            }
        }
    }

    /// The oldest of them. Its binaries are never there without those of the newest.
    fn oldest(self) -> Version {
        match self {
            Self::Newest => Version::NEWEST,
            Self::Oldest | Self::Mixed => Version::V1_30,
        }
    }

    fn shared(self) -> &'static OnceCell<Fleet> {
        static NEWEST: OnceCell<Fleet> = OnceCell::const_new();
        static OLDEST: OnceCell<Fleet> = OnceCell::const_new();
        static MIXED: OnceCell<Fleet> = OnceCell::const_new();
        match self {
            Self::Newest => &NEWEST,
            Self::Oldest => &OLDEST,
            Self::Mixed => &MIXED,
        }
    }
}

/// As the versions are called in the names of tests: `1.36`, `1.30`, `mixed`.
impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Newest => "1.36",
            Self::Oldest => "1.30",
            Self::Mixed => "mixed",
        })
    }
}

/// [`Versions::trial`] on clusters of the newest version.
pub fn trial<T>(name: &str, test: T) -> Trial
where
    T: AsyncFnOnce(&'static Fleet) -> Result<(), Failed> + Send + 'static,
{
    Versions::Newest.trial(name, test)
}

/// [`Versions::exclusive_trial`] on clusters of the newest version.
pub fn exclusive_trial<T>(name: &str, test: T) -> Trial
where
    T: AsyncFnOnce(&'static Fleet) -> Result<(), Failed> + Send + 'static,
{
    Versions::Newest.exclusive_trial(name, test)
}

/// A test that starts itself what it needs of the newest version, such as programs, and needs no
/// runtime. Ignored, or failed, as [`decide`] says.
pub fn blocking_trial<T>(name: &str, test: T) -> Trial
where
    T: FnOnce() -> Result<(), Failed> + Send + 'static,
{
    on_control_planes(Version::NEWEST, name, test)
}

fn on_control_planes<T>(version: Version, name: &str, test: T) -> Trial
where
    T: FnOnce() -> Result<(), Failed> + Send + 'static,
{
    Trial::ignorable_test(name, move || match decide(version) {
        Decision::Ignore(reason) => Ok(Completion::ignored_with(reason)),
        Decision::Fail(reason) => Err(reason.into()),
        Decision::Run(_) => test().map(|()| Completion::Completed),
    })
}
