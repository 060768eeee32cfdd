//! What each member may get, from the registry, the preferences and what it has.

use super::exact::Line;
use super::{ClusterPreference, Member, Preferences, Reason, Request, order};

/// The terms on which one member takes part in a division.
#[derive(Debug)]
pub(super) struct Terms<'a> {
    pub name: &'a str,
    /// `minReplicas`, cut at the maximum.
    min: i128,
    /// The least of `maxReplicas`, the capacity and what any Job can ask for.
    max: i128,
    /// Why it takes no more than `max`.
    max_is: Reason,
    weight: i128,
    /// Whether it carries a part of the Job.
    pub holds: bool,
    /// What of that it is to keep: nothing where the preferences ask to rebalance.
    pub had_parallelism: i128,
    pub had_completions: i128,
}

impl<'a> Terms<'a> {
    /// The terms of all members, in v1's order.
    pub fn of_all(request: &Request<'a>) -> Vec<Self> {
        let mut terms: Vec<Self> =
            request.members.iter().map(|member| Self::new(member, request.preferences)).collect();
        terms.sort_by_cached_key(|terms| order::place(terms.weight, terms.name, request.key));
        terms
    }

    fn new(member: &Member<'a>, preferences: Option<&Preferences>) -> Self {
        let unnamed = ClusterPreference { max_replicas: Some(0), ..ClusterPreference::default() };
        let (preference, limited) = match preferences.map(|preferences| preferences.of(member.name))
        {
            None => (
                ClusterPreference { weight: member.weight, ..ClusterPreference::default() },
                Reason::MaxReplicas,
            ),
            Some(Some(&preference)) => (preference, Reason::MaxReplicas),
            Some(None) => (unnamed, Reason::NotNamed),
        };
        let max = preference.max_replicas.unwrap_or(i32::MAX);
        let (max, max_is) = match member.capacity {
            Some(capacity) if capacity < max => (capacity, Reason::Capacity),
            _ => (max, limited),
        };
        let rebalance = preferences.is_some_and(|preferences| preferences.rebalance);
        let kept = member.existing.filter(|_| !rebalance);
        Self {
            name: member.name,
            min: count(preference.min_replicas.min(max)),
            max: count(max),
            max_is,
            weight: count(preference.weight),
            holds: member.existing.is_some(),
            had_parallelism: kept.map_or(0, |share| count(share.parallelism)),
            had_completions: kept.and_then(|share| share.completions).map_or(0, count),
        }
    }

    /// The line for the parallelism of a Job that runs.
    pub fn running_line(&self) -> Line {
        self.line(self.had_parallelism)
    }

    /// The line for the completions of a Job that can run all of them at once.
    pub fn surplus_line(&self) -> Line {
        self.line(self.had_completions)
    }

    fn line(&self, had: i128) -> Line {
        Line {
            base: self.min,
            weight: self.weight,
            floor: self.min.max(had.min(self.max)),
            ceiling: self.max,
        }
    }

    /// The line of a paused Job: no pod runs, so no minimum or maximum counts, and there is no
    /// telling how many will. Completions go by what the member would get at λ = 1.
    pub fn paused_line(&self) -> Line {
        match self.max {
            0 => Line { base: 0, weight: 0, floor: 0, ceiling: 0 },
            _ => Line {
                base: 0,
                weight: self.min + self.weight,
                floor: self.had_completions,
                ceiling: i32::MAX.into(),
            },
        }
    }

    /// Whether it would take pods that it does not have.
    pub fn takes_new(&self) -> bool {
        self.max > 0 && self.min + self.weight > 0
    }

    /// Why it takes no more than so many.
    pub fn reason(&self, takes: i128) -> Reason {
        if self.weight == 0 && takes < self.max { Reason::NoWeight } else { self.max_is }
    }
}

/// Leaves out the members for whom no completions are left once everybody has kept what it has.
///
/// They would get parallelism, and then have to be given completions that others have. A minimum
/// asks for that; weights do not. Where the parallelism has no place without them, all stay.
pub(super) fn fit_to_carry(
    terms: Vec<Terms<'_>>,
    parallelism: i128,
    completions: i128,
) -> Vec<Terms<'_>> {
    if terms.iter().all(|terms| terms.had_completions == 0) {
        return terms;
    }
    let kept: i128 =
        terms.iter().map(|terms| terms.had_completions.max(i128::from(terms.min > 0))).sum();
    let mut spare = completions - kept;
    let mut fits = |terms: &Terms<'_>| {
        let new_by_weight = terms.had_completions == 0 && terms.min == 0 && terms.takes_new();
        spare -= i128::from(new_by_weight);
        !new_by_weight || spare >= 0
    };
    let fitting: Vec<bool> = terms.iter().map(&mut fits).collect();
    let room = terms
        .iter()
        .zip(&fitting)
        .filter(|&(_, &fits)| fits)
        .map(|(terms, _)| terms.running_line().most());
    if room.sum::<i128>() < parallelism {
        return terms;
    }
    terms.into_iter().zip(fitting).filter_map(|(terms, fits)| fits.then_some(terms)).collect()
}

/// A number of pods or a weight; the API has no negative ones.
fn count(number: i32) -> i128 {
    number.max(0).into()
}
