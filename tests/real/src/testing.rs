//! Tests on control planes, for a test binary with libtest-mimic as its harness.

use crate::binaries::{self, Binaries, Unavailable, Version, available};
use crate::fleet::{Fleet, FleetBuilder};
use crate::kueue::Managed;
use libtest_mimic::{Completion, Failed, Trial};
use std::fmt;
use std::path::PathBuf;
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
    decided(available(version))
}

fn decided(found: Result<Binaries, Unavailable>) -> Decision {
    match found {
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

/// Names a minor version, such as `1.33`, that [`Versions::Newest`] and [`Versions::Kueue`] stand
/// for in place of the newest one.
const CHOSEN: &str = "KUBECTL_FEDERATE_TEST_KUBERNETES";

/// The version of [`Versions::Newest`].
static NEWEST: LazyLock<Version> = LazyLock::new(|| match std::env::var(CHOSEN) {
    Err(_) => Version::NEWEST,
    Ok(minor) => Version::ALL
        .into_iter()
        .find(|version| version.minor() == minor)
        .unwrap_or_else(|| panic!("{CHOSEN} names no minor version that is pinned: {minor:?}")),
});

/// Which versions the clusters of a shared fleet have. Each is another fleet, started by the first
/// test that runs on it.
///
/// Each has the clusters `east`, `west` and `north` and the users `alice` and `bob`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Versions {
    /// All of [`Version::NEWEST`], or of the version that `KUBECTL_FEDERATE_TEST_KUBERNETES` names.
    Newest,
    /// All of [`Version::OLDEST`].
    Oldest,
    /// `west`, and the hosts of [`Fleet::start_host`], of the oldest version; `east` of the newest,
    /// and `north` of the one before it.
    Mixed,
    /// All of the version of [`Versions::Newest`]. Kueue is in `west`, where it manages Jobs that name a queue, and
    /// in `north`, where it manages all Jobs.
    Kueue,
    /// All of [`Version::NEWEST`], with the gates for pods that are scheduled together open.
    Gangs,
}

impl Versions {
    /// How many there are.
    pub const COUNT: usize = 5;

    /// All that are as a user without further settings has them.
    pub const ALL: [Self; 3] = [Self::Newest, Self::Oldest, Self::Mixed];

    /// Those in which `east` has what no server had before 1.36, such as `MutatingAdmissionPolicy`.
    /// A version that was chosen may be older.
    pub fn with_new_east() -> Vec<Self> {
        let is_new = |versions: &Self| *versions == Self::Mixed || *NEWEST >= Version::V1_36;
        [Self::Newest, Self::Mixed].into_iter().filter(is_new).collect()
    }

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
        on_control_planes(move || decided(self.binaries()), name, run)
    }

    fn fleet(self) -> FleetBuilder {
        let fleet = Fleet::builder(self.oldest()).user("alice").user("bob");
        match self {
            Self::Newest | Self::Oldest => fleet.cluster("east").cluster("west").cluster("north"),
            Self::Gangs => {
                let fleet = fleet.gates("GenericWorkload=true,WorkloadWithJob=true");
                let fleet = fleet.apis("scheduling.k8s.io/v1beta1=true");
                fleet.cluster("east").cluster("west").cluster("north")
            }
            Self::Kueue => {
                let fleet = fleet.cluster("east").cluster("west").cluster("north");
                fleet.kueue("west", Managed::Labelled).kueue("north", Managed::All)
            }
            Self::Mixed => {
                let [.., before, newest] = Version::ALL;
                fleet.cluster_at("east", newest).cluster("west").cluster_at("north", before)
            }
        }
    }

    /// What the fleet is started from.
    fn binaries(self) -> Result<Binaries, Unavailable> {
        if self == Self::Kueue {
            binaries::kueue()?;
        }
        available(self.oldest())
    }

    /// The oldest of them. Its binaries are never there without those of the newest.
    fn oldest(self) -> Version {
        match self {
            Self::Newest | Self::Kueue => *NEWEST,
            Self::Gangs => Version::NEWEST,
            Self::Oldest | Self::Mixed => Version::OLDEST,
        }
    }

    fn shared(self) -> &'static OnceCell<Fleet> {
        static SHARED: [OnceCell<Fleet>; Versions::COUNT] =
            [const { OnceCell::const_new() }; Versions::COUNT];
        &SHARED[self as usize]
    }
}

/// As the versions are called in the names of tests: `1.37`, `1.30`, `mixed`, `kueue`, `gangs`.
impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Newest => NEWEST.minor(),
            Self::Oldest => Version::OLDEST.minor(),
            Self::Mixed => "mixed",
            Self::Kueue => "kueue",
            Self::Gangs => "gangs",
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
    on_control_planes(|| decide(Version::NEWEST), name, test)
}

/// The programs that install a plugin.
#[derive(Debug)]
pub struct Installers {
    /// The real kubectl, of the newest version.
    pub kubectl: PathBuf,
    /// krew.
    pub krew: PathBuf,
    /// What krew's index checks manifests with.
    pub validate: PathBuf,
}

impl Installers {
    fn find() -> Result<Self, Unavailable> {
        let folder = binaries::krew()?;
        Ok(Self {
            kubectl: available(Version::NEWEST)?.kubectl(),
            krew: folder.join("krew"),
            validate: folder.join("validate-krew-manifest"),
        })
    }
}

/// A test that installs a plugin and needs no cluster. Ignored, or failed, as [`decide`] says.
pub fn installers_trial<T>(name: &str, test: T) -> Trial
where
    T: FnOnce(&Installers) -> Result<(), Failed> + Send + 'static,
{
    let decide = || decided(Installers::find().and_then(|_| available(Version::NEWEST)));
    on_control_planes(decide, name, || test(&Installers::find()?))
}

fn on_control_planes<T>(
    decide: impl FnOnce() -> Decision + Send + 'static,
    name: &str,
    test: T,
) -> Trial
where
    T: FnOnce() -> Result<(), Failed> + Send + 'static,
{
    Trial::ignorable_test(name, move || match decide() {
        Decision::Ignore(reason) => Ok(Completion::ignored_with(reason)),
        Decision::Fail(reason) => Err(reason.into()),
        Decision::Run(_) => test().map(|()| Completion::Completed),
    })
}
