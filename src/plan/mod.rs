//! Divides parallelism and completions over the members; pure.
//!
//! ```
//! use kubectl_federate::plan::{Member, Request, plan};
//!
//! // 10 pods at once, 18 in all, over three clusters that are alike.
//! let members = ["gce-asia-east1", "gce-europe-west1", "gce-us-central1"].map(Member::new);
//! let plan = plan(&Request {
//!     key: "default/pi",
//!     members: &members,
//!     preferences: None,
//!     parallelism: 10,
//!     completions: Some(18),
//!     least: 1,
//! })?;
//!
//! // Each has an exact share of 3⅓ pods at once and of 6 completions. One of the three is rounded
//! // up, by hash.
//! let mut parallelism: Vec<i32> = plan.shares.values().map(|share| share.parallelism).collect();
//! parallelism.sort_unstable();
//! assert_eq!(parallelism, [3, 3, 4]);
//! assert!(plan.shares.values().all(|share| share.completions == Some(6)));
//! # Ok::<(), kubectl_federate::plan::Error>(())
//! ```
//!
//! # What holds of every plan
//!
//! * The parallelisms sum to the Job's, and the completions to the Job's. Where limits do not allow
//!   it there is no plan but a [`Shortfall`], which says how many pods have no place and what each
//!   member would take.
//! * No share has a parallelism of 0 while it has completions, and none has completions of 0. A Job
//!   of parallelism 0 is paused: every share's parallelism is 0. A Job of completions 0 has no
//!   shares.
//! * Each number is less than one away from its exact share, and parallelism is within the member's
//!   limits.
//! * No share runs fewer pods than [`Request::least`], nor has it fewer completions.
//! * The same request gives the same plan, in whatever order the members come.
//! * If a member is added, no other member's exact share grows. So no other parallelism grows by
//!   more than 1, which is rounding. It does not grow at all if all weights are equal and there are
//!   no limits. (This holds as long as parallelism is at most completions.)
//! * Without rebalancing, the plan of an unchanged Job stays the same. More parallelism or more
//!   completions take nothing from a member, unless a minimum or a maximum requires it.
//!
//! # The exact share
//!
//! Only *R* = min(parallelism, completions) pods can run at once. A member has a minimum, a maximum
//! and a weight. Its share of *R* is
//!
//! > *s* = min + λ · weight, but at least what it has and at most *max*,
//!
//! with the one λ ≥ 0 at which the shares sum to *R*. What a member *has* already is a floor:
//! nothing is added to it. It counts only if the preferences do not ask to rebalance. A known
//! capacity is a maximum. Where minima and floors sum to more than *R*, they are served in v1's
//! order (larger weight first, then smaller hash), all minima before any floor.
//!
//! Shares are fractions of integers, never floats (`shares`). They become whole numbers by largest
//! remainder. All are rounded down, and what is missing goes to those that lost most. Among equals,
//! it goes to the first in v1's order.
//!
//! # From shares to a plan
//!
//! 1. **Which members get a shard.** Where shares are below [`Request::least`], the smallest of
//!    them is left out, until none is (`least`). The shares are rounded. A member whose share is
//!    rounded to 0 gets no shard.
//! 2. **Their exact shares.** *R* is divided again over the members that get a shard, each between
//!    the integers below and above its first share, and at least 1.
//! 3. **Both numbers** are divided in proportion to these shares and rounded. So members finish
//!    together, also where a maximum bounds one: it has as much less to complete. As each exact
//!    share is 1 or more, no number is 0.
//!
//! A work queue (no completions) has only the parallelism divided. Parallelism beyond the
//! completions starts no pod, so minima and maxima are about the *R* pods that run, and the surplus
//! follows their proportion. A paused Job says nothing about how many pods will run: its
//! completions are divided as for λ = 1, by minimum plus weight. A paused work queue is paused
//! where it is, or in every member if it is nowhere yet.
//!
//! Without rebalancing, completions have a floor too: a member keeps what it has as long as the
//! Job's completions suffice, and no member gains if they do not. A member without a shard then
//! gets one only from completions that no member has.
//!
//! # What differs from Kubernetes Federation v1
//!
//! Of the 27 test vectors of v1's planner, 24 come out the same, and 5 of the 8 layouts in its
//! design document. The others:
//!
//! | v1's case | v1 | here | because |
//! |---|---|---|---|
//! | `TestMin/1`, and the document's S2 | 6 of 50 pods placed | refused | v1 left 44 unplaced without a word |
//! | `TestMin/4` | 36 of 50 placed | refused | the same |
//! | `TestMax/1` | 6 of 50 placed | refused | the same |
//! | S4 with A and B offline | 20 of 50 placed | refused | the same |
//! | S3 | 20, 20, 10 | 10, 20, 20 | the document ignored the hash's order; v1's code and `TestMin/2` do as we do |
//! | its Job test of 7/1 over two | 4/1 and 3/0 | 7/1 in one | a share without completions does nothing |
//!
//! And for what no vector of v1 shows: it rounded up whoever came first, so that 5 over four
//! clusters was 2, 2, 1, 0; here it is 2, 1, 1, 1. It divided completions apart from parallelism,
//! within the same limits, and lost some.

mod least;
mod order;
mod preferences;
mod reason;
mod request;
mod shares;
mod shortfall;
mod terms;

use std::collections::BTreeMap;

use shares::{Exact, Line};
use terms::Terms;

pub use preferences::{
    ClusterPreference, InvalidPreferences, PREFERENCES, Preferences, did_you_mean,
};
pub use reason::Reason;
pub use request::{Member, Request, Share};
pub use shortfall::{Limit, Shortfall};

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The annotation [`PREFERENCES`] is invalid.
    #[error(transparent)]
    Preferences(#[from] InvalidPreferences),
    /// The members' limits leave pods without a place.
    #[error(transparent)]
    Shortfall(#[from] Shortfall),
}

/// The shares of the members.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The share of each member by name. A member that is not here gets no shard.
    pub shares: BTreeMap<String, Share>,
}

/// Divides parallelism and completions over the members, by the rules at the top of this module.
///
/// Negative numbers, which no API server accepts in a Job, count as 0.
///
/// # Errors
/// [`Error::Shortfall`] if the members' limits leave pods without a place.
pub fn plan(request: &Request<'_>) -> Result<Plan, Error> {
    let parallelism = i128::from(request.parallelism.max(0));
    let completions = request.completions.map(|completions| i128::from(completions.max(0)));
    let paused = parallelism == 0;
    let surplus = completions.is_some_and(|completions| parallelism > completions);
    let least = if paused { 1 } else { i128::from(request.least.max(1)) };
    let terms = Terms::of_all(request);

    // What the exact shares sum to, whom they are for, and between which limits.
    let (whole, terms, line): (_, _, fn(&Terms<'_>) -> Line) = match completions {
        Some(0) => return Ok(Plan::default()),
        None if paused => return Ok(paused_queue(&terms)),
        Some(completions) if paused => (completions, terms, |terms| terms.paused_line()),
        Some(completions) if surplus => (completions, terms, |terms| terms.surplus_line()),
        Some(completions) => {
            (parallelism, terms::fit_to_carry(terms, parallelism, completions, least), |terms| {
                terms.running_line()
            })
        }
        None => (parallelism, terms, |terms| terms.running_line()),
    };
    let least = least.min(whole);
    let lines: Vec<Line> = terms.iter().map(line).collect();
    let placed: i128 = lines.iter().map(Line::most).sum();
    if placed < whole || !least::divides(whole, least, &lines) {
        return Err(Shortfall::new(whole, least, terms.iter().zip(&lines)).into());
    }
    let (terms, lines) = least::fit(whole, least, terms, lines);
    let (carriers, exact) = carriers(whole, &terms, &lines);

    let rescale = |whole, kept: fn(&&Terms<'_>) -> i128| {
        let kept: Vec<i128> = carriers.iter().map(kept).collect();
        exact.rescale(whole, &kept, least).round()
    };
    let parallelisms = match surplus {
        _ if paused => vec![0; carriers.len()],
        true => rescale(parallelism, |terms| terms.kept_parallelism),
        false => exact.round(),
    };
    let completions = match completions {
        None => vec![None; carriers.len()],
        Some(_) if paused || surplus => exact.round().into_iter().map(Some).collect(),
        Some(completions) => {
            rescale(completions, |terms| terms.kept_completions).into_iter().map(Some).collect()
        }
    };
    let shares = carriers.iter().zip(parallelisms.into_iter().zip(completions)).map(
        |(terms, (parallelism, completions))| {
            let share = Share {
                parallelism: parallelism as i32,
                completions: completions.map(|completions| completions as i32),
            };
            (terms.name.to_owned(), share)
        },
    );
    Ok(Plan { shares: shares.collect() })
}

/// Steps 1 and 2: the members whose share is not rounded to 0, and their exact shares, each 1 or
/// more.
///
/// The second division cannot fail: the rounded shares are within its limits and sum to the whole.
fn carriers<'a, 'b>(
    whole: i128,
    terms: &'b [Terms<'a>],
    lines: &[Line],
) -> (Vec<&'b Terms<'a>>, Exact) {
    let first = Exact::divide(whole, lines);
    let rounded = first.round();
    let (mut carriers, mut bounded) = (Vec::new(), Vec::new());
    for (i, (below, above)) in first.neighbours().enumerate().filter(|&(i, _)| rounded[i] > 0) {
        let Line { base, weight, .. } = lines[i];
        carriers.push(&terms[i]);
        bounded.push(Line { base: base.min(below), weight, floor: below.max(1), ceiling: above });
    }
    (carriers, Exact::divide(whole, &bounded))
}

/// A paused work queue: in the members that have a shard, or else in every member that takes pods.
fn paused_queue(terms: &[Terms<'_>]) -> Plan {
    let anywhere = terms.iter().any(|terms| terms.holds);
    let here = terms.iter().filter(|terms| if anywhere { terms.holds } else { terms.takes_new() });
    let share = Share { parallelism: 0, completions: None };
    Plan { shares: here.map(|terms| (terms.name.to_owned(), share)).collect() }
}
