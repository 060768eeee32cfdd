//! What each member may get, by the registry, the preferences and its present share.

use super::shares::Line;
use super::{ClusterPreference, Member, Preferences, Reason, Request, order};

/// The terms on which one member takes part in a division.
#[derive(Debug)]
pub(super) struct Terms<'a> {
    pub name: &'a str,
    /// `minReplicas`, cut at the maximum.
    min: i128,
    /// The least of `maxReplicas`, the capacity and what any Job can ask for.
    max: i128,
    /// The reason for `max`.
    max_is: Reason,
    weight: i128,
    /// Whether the member has a shard of the Job.
    pub holds: bool,
    /// The parallelism and completions of its present share that the member keeps. 0 if the
    /// preferences ask to rebalance.
    pub kept_parallelism: i128,
    pub kept_completions: i128,
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
        let (preference, limited) =
            match preferences.map(|preferences| preferences.for_cluster(member.name)) {
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
            kept_parallelism: kept.map_or(0, |share| count(share.parallelism)),
            kept_completions: kept.and_then(|share| share.completions).map_or(0, count),
        }
    }

    /// The line for the parallelism of a Job that runs.
    pub fn running_line(&self) -> Line {
        self.line(self.kept_parallelism)
    }

    /// The line for the completions of a Job that can run all of them at once.
    pub fn surplus_line(&self) -> Line {
        self.line(self.kept_completions)
    }

    fn line(&self, kept: i128) -> Line {
        Line {
            base: self.min,
            weight: self.weight,
            floor: self.min.max(kept.min(self.max)),
            ceiling: self.max,
        }
    }

    /// The line of a paused Job. No pod runs, so that no minimum or maximum counts. The completions
    /// follow what the member would get at λ = 1.
    pub fn paused_line(&self) -> Line {
        match self.max {
            0 => Line { base: 0, weight: 0, floor: 0, ceiling: 0 },
            _ => Line {
                base: 0,
                weight: self.min + self.weight,
                floor: self.kept_completions,
                ceiling: i32::MAX.into(),
            },
        }
    }

    /// Whether the member can get pods beyond its present share.
    pub fn takes_new(&self) -> bool {
        self.max > 0 && self.min + self.weight > 0
    }

    /// The reason why the member takes no more than this number of pods.
    pub fn reason(&self, takes: i128) -> Reason {
        if self.weight == 0 && takes < self.max { Reason::NoWeight } else { self.max_is }
    }
}

/// Leaves out members without a shard for which no completions are left, after each member has kept
/// its own.
///
/// Such a member would get parallelism, and would then need completions that others have. A minimum
/// asks for that, a weight does not. If the parallelism cannot be placed without them, all stay. No
/// member gets fewer completions than `least`.
pub(super) fn fit_to_carry(
    terms: Vec<Terms<'_>>,
    parallelism: i128,
    completions: i128,
    least: i128,
) -> Vec<Terms<'_>> {
    if terms.iter().all(|terms| terms.kept_completions == 0) {
        return terms;
    }
    let needed = |is_needed: bool| if is_needed { least } else { 0 };
    let kept: i128 =
        terms.iter().map(|terms| terms.kept_completions.max(needed(terms.min > 0))).sum();
    let mut spare = completions - kept;
    let mut fits = |terms: &Terms<'_>| {
        let new_by_weight = terms.kept_completions == 0 && terms.min == 0 && terms.takes_new();
        spare -= needed(new_by_weight);
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

/// A number of pods or a weight. The API has no negative ones.
fn count(number: i32) -> i128 {
    number.max(0).into()
}
