//! A change of Jobs that the user may end early.

use std::{collections::BTreeSet, sync::atomic::Ordering::Relaxed};

use super::{
    Session,
    events::Reporter,
    named::named_among,
    output::{Several, print_changed},
};
use crate::{error::Result, federation::Federation, print::Format, state::Record};

/// Runs a change as of [`Reporter::interruptible`]. Where the user ends it, the Jobs that were
/// changed until then are printed as all would have been.
///
/// # Errors
/// As there.
pub async fn interruptible<T>(
    session: &Session<'_>,
    reporter: &Reporter<'_>,
    (format, several): (Option<&Format>, Several),
    change: impl Future<Output = T>,
) -> Result<T> {
    let changed = reporter.interruptible(change).await;
    if changed.is_err() {
        print_changed(session.world(), format, reporter.objects(), several).await?;
    }
    changed
}

impl Reporter<'_> {
    /// The federation for a command that changes Jobs, as of [`Session::federation_about`]. The
    /// user can end it already while the host is asked.
    ///
    /// # Errors
    /// As there, or the user ended it.
    pub async fn opening<'s>(
        &'s self,
        session: &'s Session<'_>,
        names: &[String],
        namespace: Option<&str>,
    ) -> Result<Federation<'s>> {
        let opened = session.federation_about(names, namespace, self);
        self.interruptible(Box::pin(opened)).await?
    }

    /// The names of some of the Jobs that the command is about.
    pub(super) fn names(&self, jobs: &[Record]) -> String {
        let names: Vec<_> = jobs.iter().map(|job| (job.namespace(), job.name())).collect();
        named_among(&names, self.are_apart.load(Relaxed))
    }

    /// Says which clusters have not answered although the time of a command is over, but for those
    /// of which that was told before.
    pub(super) fn name_the_awaited(&self, told: &BTreeSet<String>) {
        let output = self.session.output();
        for name in output.waited_for().iter().filter(|name| !told.contains(*name)) {
            output.warning(Some(name), "it did not answer before the time was over");
        }
    }
}
