//! Work that has not started moves to members that carry less than the plan gives them.

use super::{error::Error, open::Federation, reconcile::Scope, records::Records};
use crate::{
    cluster::fan_out,
    reconcile::{Observations, preview, rebalance_now},
    state::{Change, Record},
};

impl Federation<'_> {
    /// Records which work that has not started is to move, so that each member carries what a new
    /// Job would give it. A reconcile moves it.
    ///
    /// # Errors
    /// A record cannot be read or written.
    pub async fn rebalance(&self, scope: Scope<'_>) -> Result<(), Error> {
        let Records { records, mut errors } = self.records(scope.names, scope.namespace).await?;
        let all: Vec<_> = records.iter().collect();
        let members = self.members_of(&all).await;
        let observed = self.observe_together(&all, &members).await;
        let move_work = async |(record, observations): (Record, Observations)| {
            let moved = self.store.update(record, async |record| {
                let (mut seen, known) =
                    preview(&record, observations.clone(), &members, self.now()).await;
                let is_open = seen.state.outcome.is_none() && seen.state.deleting.is_none();
                let before = seen.clone();
                if is_open && seen.state.unlisted.is_empty() {
                    rebalance_now(&mut seen, &known.places);
                }
                Ok::<_, Error>(if seen == before {
                    Change::Keep(record)
                } else {
                    Change::Replace(seen)
                })
            });
            moved.await.err()
        };
        let moved = fan_out(records.into_iter().zip(observed), move_work).await;
        errors.extend(moved.into_iter().flatten());
        Error::all(errors)
    }
}
