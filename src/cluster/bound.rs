//! How many of something may be under way at once, as far as the other side takes it: the open
//! requests of one server, the connections that are being opened.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// After how many times its limit a bound grows by one, counted in successes. Each time that it
/// grows too far costs one refusal, so it grows slowly.
const GROWS_AFTER: usize = 8;

/// A limit for what is under way at once. It is halved when the other side says that this is too
/// much. It grows again by one, up to where it began, each time many have succeeded.
///
/// Permits are given in the order in which they were asked for.
#[derive(Clone)]
pub(super) struct Bound(Arc<Inner>);

struct Inner {
    free: Arc<Semaphore>,
    least: usize,
    most: usize,
    state: Mutex<State>,
}

struct State {
    limit: usize,
    /// How many permits are out beyond the limit. As many are not given out again.
    excess: usize,
    /// How much has succeeded since the limit changed.
    succeeded: usize,
    /// How often the limit was halved.
    halvings: u64,
}

/// Leave to have one more under way. It ends when it is dropped.
pub(super) struct Permit {
    bound: Bound,
    given: Option<OwnedSemaphorePermit>,
    /// How often the limit had been halved when it was given.
    halvings: u64,
}

impl Bound {
    /// At first at most `most` at once, and never fewer than `least`, which is at least 1.
    pub fn new(least: usize, most: usize) -> Self {
        let state = State { limit: most, excess: 0, succeeded: 0, halvings: 0 };
        let free = Arc::new(Semaphore::new(most));
        Self(Arc::new(Inner { free, least, most, state: Mutex::new(state) }))
    }

    /// Waits until one more may be under way.
    pub async fn permit(&self) -> Permit {
        let given = self.0.free.clone().acquire_owned().await.expect("it is never closed");
        Permit { bound: self.clone(), given: Some(given), halvings: self.state().halvings }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// What it was given for has succeeded.
    pub fn succeeded(self) {
        let mut state = self.bound.state();
        state.succeeded += 1;
        if state.limit < self.bound.0.most && state.succeeded >= GROWS_AFTER * state.limit {
            state.succeeded = 0;
            state.limit += 1;
            match state.excess.checked_sub(1) {
                Some(excess) => state.excess = excess,
                None => self.bound.0.free.add_permits(1),
            }
        }
    }

    /// The other side has said that so many are too much. Says whether fewer are under way from now
    /// on than when this was given, so that it may fare better if it is tried again.
    ///
    /// Those that were under way together are refused together: only the first of them halves the
    /// limit.
    pub fn refused(self) -> bool {
        let mut state = self.bound.state();
        if state.halvings != self.halvings {
            return true;
        }
        let Inner { free, least, .. } = &*self.bound.0;
        let out = (state.limit + state.excess).saturating_sub(free.available_permits());
        let limit = (out.min(state.limit) / 2).max(*least);
        if limit >= state.limit {
            return false;
        }
        let fewer = state.limit - limit;
        state.excess += fewer - free.forget_permits(fewer);
        state.limit = limit;
        state.succeeded = 0;
        state.halvings += 1;
        true
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.bound.state();
        if let Some(excess) = state.excess.checked_sub(1)
            && let Some(given) = self.given.take()
        {
            state.excess = excess;
            given.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    /// As many permits as there are without waiting.
    fn all(bound: &Bound) -> Vec<Permit> {
        std::iter::from_fn(|| bound.permit().now_or_never()).collect()
    }

    #[test]
    fn it_is_halved_once_for_all_that_were_under_way_together() {
        let bound = Bound::new(2, 16);
        let mut out = all(&bound);
        assert_eq!(out.len(), 16);
        assert!(out.drain(..12).all(Permit::refused));
        assert_eq!(all(&bound).len(), 4, "8 are the limit, and 4 are out");
        assert!(out.drain(..).all(Permit::refused));
        assert_eq!(all(&bound).len(), 8);
        for (refused, limit) in [(true, 4), (true, 2), (false, 2)] {
            let first = all(&bound).swap_remove(0);
            let rest = all(&bound);
            assert_eq!(first.refused(), refused);
            drop(rest);
            assert_eq!(all(&bound).len(), limit);
        }
    }

    #[test]
    fn what_was_under_way_counts_and_not_what_might_have_been() {
        let bound = Bound::new(1, 16);
        let out: Vec<_> = (0..6).filter_map(|_| bound.permit().now_or_never()).collect();
        assert!(out.into_iter().all(Permit::refused));
        assert_eq!(all(&bound).len(), 3);
        let alone = Bound::new(1, 1);
        assert!(!alone.permit().now_or_never().expect("it is free").refused());
        assert_eq!(all(&alone).len(), 1);
    }

    #[test]
    fn it_grows_again_slowly_to_where_it_began() {
        let bound = Bound::new(1, 4);
        assert!(all(&bound).into_iter().all(Permit::refused));
        for limit in 2..4 {
            for _ in 0..GROWS_AFTER * limit {
                assert_eq!(all(&bound).len(), limit);
                bound.permit().now_or_never().expect("it is free").succeeded();
            }
        }
        for _ in 0..100 {
            bound.permit().now_or_never().expect("it is free").succeeded();
            assert_eq!(all(&bound).len(), 4);
        }
    }
}
