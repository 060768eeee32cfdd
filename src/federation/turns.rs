//! Jobs of one request are settled side by side, and what happens to each is told in its turn.

use std::time::Duration;

use super::{dry_run_strategy::DryRun, event::Event, open::Federation};
use crate::{cluster::fan_out_by, state::Record};

/// The most Jobs that are settled at once.
const JOBS: usize = 64;

/// The most shards that Jobs have which are settled at once, where it is more than one Job: what is
/// sent to each is held in memory until its server takes it.
const SHARDS: usize = 2048;

/// How long a Job may say nothing before it is passed over. What is held back behind it is told
/// once that has lasted for one to two times as long.
const GRACE: Duration = Duration::from_secs(1);

/// How many Jobs are settled at once, if the largest of them is as the largest of these records.
pub(super) fn at_once<'r>(records: impl IntoIterator<Item = &'r Record>) -> usize {
    jobs_of(records.into_iter().map(|record| record.shards.len()).max().unwrap_or(0))
}

/// The same where no Job has more shards than this.
fn jobs_of(shards: usize) -> usize {
    (SHARDS / shards.max(1)).clamp(1, JOBS)
}

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

    /// Settles Jobs. Meanwhile what was done is not held back for long behind a Job that is slow.
    pub async fn while_settling<T>(&self, settle: impl Future<Output = T>) -> T {
        let mut settle = std::pin::pin!(settle);
        loop {
            if let Ok(settled) = tokio::time::timeout(GRACE, &mut settle).await {
                return settled;
            }
            self.federation.observer.goes_on();
        }
    }
}

impl Drop for Turns<'_, '_> {
    fn drop(&mut self) {
        self.federation.observer.all_settled();
    }
}

impl<'a> Federation<'a> {
    /// Says which Jobs what follows is about, by namespace and name.
    pub(super) fn about<'n>(
        &self,
        jobs: impl IntoIterator<Item = (&'n str, &'n str)>,
        dry_run: DryRun,
    ) {
        let own = |(namespace, name): (&str, &str)| (namespace.to_owned(), name.to_owned());
        let jobs: Vec<_> = jobs.into_iter().map(own).collect();
        self.notify(Event::Jobs(&jobs, dry_run));
    }

    /// Settles Jobs side by side, at most so many at once as of [`at_once`]. `settle` is given the
    /// federation as it is for one Job. The results have the order of the Jobs.
    pub(super) async fn side_by_side<T, R>(
        &self,
        at_once: usize,
        jobs: impl IntoIterator<Item = T>,
        settle: impl AsyncFn(&Federation<'a>, T) -> R,
    ) -> Vec<R> {
        self.in_turns(at_once, jobs, settle, true).await
    }

    /// The same for what comes before: what happens to each Job is told in its turn, and none is
    /// settled by it. Who ends the command then learns that none was begun.
    pub(super) async fn plan_side_by_side<T, R>(
        &self,
        at_once: usize,
        jobs: impl IntoIterator<Item = T>,
        plan: impl AsyncFn(&Federation<'a>, T) -> R,
    ) -> Vec<R> {
        self.in_turns(at_once, jobs, plan, false).await
    }

    /// `settles` says that nothing more happens to a Job once its `work` is over.
    async fn in_turns<T, R>(
        &self,
        at_once: usize,
        jobs: impl IntoIterator<Item = T>,
        work: impl AsyncFn(&Federation<'a>, T) -> R,
        settles: bool,
    ) -> Vec<R> {
        let turns = Turns::of(self);
        let work = async |(place, job): (usize, T)| {
            let done = work(&turns.at(place), job).await;
            if settles {
                turns.settled(place);
            }
            done
        };
        turns.while_settling(fan_out_by(at_once, jobs.into_iter().enumerate(), work)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shards_that_are_under_way_are_bounded() {
        assert_eq!([0, 1, 3, 32].map(jobs_of), [JOBS; 4]);
        assert_eq!([33, 200, 1000, 2048, 10_000].map(jobs_of), [62, 10, 2, 1, 1]);
    }
}
