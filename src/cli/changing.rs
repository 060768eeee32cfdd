//! A change of Jobs that the user may end early.

use super::{
    Session,
    events::Reporter,
    output::{Several, print_changed},
};
use crate::{error::Result, federation::Federation, print::Format};

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
}
