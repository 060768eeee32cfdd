//! Tests on control planes, for a test binary with libtest-mimic as its harness.

use crate::binaries::{Binaries, Version, available};
use crate::fleet::Fleet;
use libtest_mimic::{Completion, Failed, Trial};
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
    /// Fail, for this reason: there are no control planes, and the environment variable `CI` is `true`, so that somebody counts
    /// on these tests.
    Fail(String),
}

/// Decides whether tests on a version run here. Finds or builds the binaries, so it may take minutes the first time.
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
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime needs only threads"));

static FLEET: OnceCell<Fleet> = OnceCell::const_new();

/// A test on the binary's own fleet, together with others: clusters `east`, `west` and `north`, users `alice` and `bob`.
///
/// The fleet is started by the first test that runs. Ignored, or failed, as [`decide`] says.
pub fn trial<T>(name: &str, test: T) -> Trial
where
    T: AsyncFnOnce(&'static Fleet) -> Result<(), Failed> + Send + 'static,
{
    on_fleet(name, async move |fleet| {
        let _turn = fleet.together().await;
        test(fleet).await
    })
}

/// As [`trial`], with the fleet to itself: for tests that freeze or kill.
pub fn exclusive_trial<T>(name: &str, test: T) -> Trial
where
    T: AsyncFnOnce(&'static Fleet) -> Result<(), Failed> + Send + 'static,
{
    on_fleet(name, async move |fleet| {
        let _turn = fleet.exclusive().await;
        test(fleet).await
    })
}

/// A test that starts itself what it needs, such as programs, and needs no runtime. Ignored, or failed, as [`decide`] says.
pub fn blocking_trial<T>(name: &str, test: T) -> Trial
where
    T: FnOnce() -> Result<(), Failed> + Send + 'static,
{
    Trial::ignorable_test(name, move || match decide(Version::V1_36) {
        Decision::Ignore(reason) => Ok(Completion::ignored_with(reason)),
        Decision::Fail(reason) => Err(reason.into()),
        Decision::Run(_) => test().map(|()| Completion::Completed),
    })
}

fn on_fleet<T>(name: &str, test: T) -> Trial
where
    T: AsyncFnOnce(&'static Fleet) -> Result<(), Failed> + Send + 'static,
{
    blocking_trial(name, move || RUNTIME.block_on(async { test(FLEET.get_or_try_init(start).await?).await }))
}

async fn start() -> Result<Fleet, crate::Error> {
    let fleet = Fleet::builder(Version::V1_36).cluster("east").cluster("west").cluster("north");
    fleet.user("alice").user("bob").start().await
}
