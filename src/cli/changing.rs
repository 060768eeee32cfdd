//! A change of Jobs that the user may end early.

use super::{
    Session,
    events::Reporter,
    output::{Several, print_changed},
};
use crate::{error::Result, print::Format};

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
