//! Jobs of one request are settled side by side, and what happens to each is told in its turn.

use super::open::Federation;
use crate::cluster::fan_out;

/// The Jobs of one request while they are settled side by side. Once this is dropped, all that
/// has happened to them is told.
pub(super) struct Turns<'f, 'a> {
    federation: &'f Federation<'a>,
}

impl<'f, 'a> Turns<'f, 'a> {
    /// The Jobs are told apart by their places, which count from 0.
    pub fn of(federation: &'f Federation<'a>) -> Self {
        Self { federation }
    }

    /// The federation for the Job at this place.
    pub fn at(&self, place: usize) -> Federation<'a> {
        self.federation.at(place)
    }

    /// Nothing more happens to the Job at this place.
    pub fn settled(&self, place: usize) {
        self.federation.observer.settled(place);
    }
}

impl Drop for Turns<'_, '_> {
    fn drop(&mut self) {
        self.federation.observer.all_settled();
    }
}

impl<'a> Federation<'a> {
    /// Settles Jobs side by side, as many at once as clusters are asked at once. `settle` is given
    /// the federation as it is for one Job. The results have the order of the Jobs.
    pub(super) async fn side_by_side<T, R>(
        &self,
        jobs: impl IntoIterator<Item = T>,
        settle: impl AsyncFn(&Federation<'a>, T) -> R,
    ) -> Vec<R> {
        let turns = Turns::of(self);
        let settle = async |(place, job): (usize, T)| {
            let settled = settle(&turns.at(place), job).await;
            turns.settled(place);
            settled
        };
        fan_out(jobs.into_iter().enumerate(), settle).await
    }
}
