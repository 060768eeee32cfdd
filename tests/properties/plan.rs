//! Properties of the planner, on random requests: any members, limits, weights and existing shares,
//! any parallelism and completions.

use std::collections::{BTreeMap, BTreeSet};

use kubectl_federate::plan::{
    ClusterPreference, Error, Member, Plan, Preferences, Request, Share, plan,
};
use proptest::prelude::*;

/// A member, with everything that the planner knows of it.
#[derive(Debug, Clone)]
struct Cluster {
    name: String,
    weight: i32,
    capacity: Option<i32>,
    preference: Option<ClusterPreference>,
    existing: Option<Share>,
}

#[derive(Debug, Clone)]
struct Case {
    clusters: Vec<Cluster>,
    /// Whether there are preferences, and whether they ask to rebalance.
    preferences: Option<bool>,
    parallelism: i32,
    completions: Option<i32>,
    /// The fewest pods of a share.
    least: i32,
}

impl Case {
    fn plan(&self) -> Result<Plan, Error> {
        let members: Vec<Member> = (self.clusters.iter())
            .map(|cluster| Member {
                name: &cluster.name,
                weight: cluster.weight,
                capacity: cluster.capacity,
                existing: cluster.existing,
            })
            .collect();
        let named = self
            .clusters
            .iter()
            .filter_map(|cluster| Some((cluster.name.clone(), cluster.preference?)));
        let preferences =
            self.preferences.map(|rebalance| Preferences { rebalance, clusters: named.collect() });
        plan(&Request {
            key: "default/pi",
            members: &members,
            preferences: preferences.as_ref(),
            parallelism: self.parallelism,
            completions: self.completions,
            least: self.least,
        })
    }

    /// Pods that can run at once.
    fn runs(&self) -> i32 {
        self.completions.map_or(self.parallelism, |completions| completions.min(self.parallelism))
    }

    /// Minimum, maximum and weight of a member.
    fn terms(&self, cluster: &Cluster) -> (i32, i32, i32) {
        let (min, max, weight) = match (self.preferences, cluster.preference) {
            (None, _) => (0, i32::MAX, cluster.weight),
            (Some(_), None) => (0, 0, 0),
            (Some(_), Some(own)) => {
                (own.min_replicas, own.max_replicas.unwrap_or(i32::MAX), own.weight)
            }
        };
        let max = max.min(cluster.capacity.unwrap_or(i32::MAX));
        (min.min(max), max, weight)
    }

    /// Whether the parallelism exceeds the completions.
    fn has_surplus(&self) -> bool {
        self.runs() < self.parallelism
    }

    /// Whether members keep what they have.
    fn keeps(&self) -> bool {
        self.preferences != Some(true)
    }

    /// The same members, after they got what a plan gives them.
    fn having(&self, plan: &Plan) -> Self {
        let mut next = self.clone();
        for cluster in &mut next.clusters {
            cluster.existing = plan.shares.get(&cluster.name).copied();
        }
        next
    }
}

/// Mostly small numbers, which rounding changes most, and some large ones, whose products may
/// overflow.
fn number(small: i32) -> impl Strategy<Value = i32> {
    prop_oneof![8 => 0..=small, 1 => 0..=100_000, 1 => Just(i32::MAX)]
}

fn preference() -> impl Strategy<Value = ClusterPreference> {
    (prop_oneof![2 => Just(0), 1 => 0..6], prop::option::of(0..20), number(5)).prop_map(
        |(min_replicas, room, weight)| ClusterPreference {
            min_replicas,
            max_replicas: room.map(|room| min_replicas + room),
            weight,
        },
    )
}

fn share() -> impl Strategy<Value = Share> {
    (0..12, prop::option::of(0..30))
        .prop_map(|(parallelism, completions)| Share { parallelism, completions })
}

fn clusters() -> impl Strategy<Value = Vec<Cluster>> {
    let cluster = (
        number(3),
        prop::option::weighted(0.2, 0..15),
        prop::option::weighted(0.9, preference()),
        prop::option::weighted(0.3, share()),
    );
    prop::collection::vec(cluster, 0..12).prop_map(|clusters| {
        let cluster = |(i, (weight, capacity, preference, existing))| Cluster {
            name: format!("cluster-{i}"),
            weight,
            capacity,
            preference,
            existing,
        };
        clusters.into_iter().enumerate().map(cluster).collect()
    })
}

prop_compose! {
    fn case()(
        clusters in clusters(),
        preferences in prop::option::of(any::<bool>()),
        parallelism in number(30),
        completions in prop::option::of(number(60)),
    ) -> Case {
        Case { clusters, preferences, parallelism, completions, least: 1 }
    }
}

/// A case whose members have nothing yet.
fn fresh() -> impl Strategy<Value = Case> {
    case().prop_map(|mut case| {
        case.clusters.iter_mut().for_each(|cluster| cluster.existing = None);
        case
    })
}

/// A case whose shares have a least number of pods, and which is not paused.
fn gang() -> impl Strategy<Value = Case> {
    (case(), prop_oneof![8 => 2..9i32, 1 => number(9)]).prop_map(|(mut case, least)| {
        case.parallelism = case.parallelism.max(1);
        // No gang is smaller: `minCount` 0 is refused before anything is planned.
        Case { least: i32::max(least, 1), ..case }
    })
}

/// Such a case whose members have nothing yet.
fn fresh_gang() -> impl Strategy<Value = Case> {
    gang().prop_map(|mut case| {
        case.clusters.iter_mut().for_each(|cluster| cluster.existing = None);
        case
    })
}

/// Shares of `whole`, computed in another way than the planner's: by bisection of λ in floating
/// point.
fn by_bisection(whole: i32, lines: &[(i32, i32, i32)]) -> Vec<f64> {
    let shares = |lambda: f64| -> Vec<f64> {
        let share = |&(min, max, weight): &(i32, i32, i32)| {
            (f64::from(min) + lambda * f64::from(weight)).min(f64::from(max))
        };
        lines.iter().map(share).collect()
    };
    let (mut low, mut high) = (0.0, f64::from(whole));
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if shares(middle).iter().sum::<f64>() < f64::from(whole) {
            low = middle;
        } else {
            high = middle;
        }
    }
    shares(high)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_sums_are_kept(case in case()) {
        let Ok(plan) = case.plan() else { return Ok(()) };
        if case.completions != Some(0) {
            let sum: i64 = plan.shares.values().map(|share| i64::from(share.parallelism)).sum();
            prop_assert_eq!(sum, i64::from(case.parallelism));
        }
        match case.completions {
            None => prop_assert!(plan.shares.values().all(|share| share.completions.is_none())),
            Some(completions) => {
                let sum: i64 = plan.shares.values().map(|share| i64::from(share.completions.expect("not a work queue"))).sum();
                prop_assert_eq!(sum, i64::from(completions));
            }
        }
    }

    #[test]
    fn no_share_is_stuck(case in case()) {
        let Ok(plan) = case.plan() else { return Ok(()) };
        for share in plan.shares.values() {
            prop_assert!(share.completions.is_none_or(|completions| completions > 0));
            prop_assert_eq!(share.parallelism == 0, case.parallelism == 0);
            prop_assert!(share.parallelism >= 0);
        }
        // If all weights are equal, each member that could have a share gets one.
        let alike = case.clusters.iter().all(|cluster| case.terms(cluster) == (0, i32::MAX, 1) && cluster.existing.is_none());
        if alike && case.parallelism > 0 {
            prop_assert_eq!(plan.shares.len(), case.clusters.len().min(case.runs() as usize));
        }
    }

    #[test]
    fn limits_are_kept(case in case()) {
        let Ok(plan) = case.plan() else { return Ok(()) };
        let runs = i64::from(case.runs());
        let minima: i64 = case.clusters.iter().map(|cluster| i64::from(case.terms(cluster).0)).sum();
        for cluster in &case.clusters {
            let (min, max, weight) = case.terms(cluster);
            let share = plan.shares.get(&cluster.name);
            let running = share.map_or(0, |share| share.completions.unwrap_or(i32::MAX).min(share.parallelism));
            // Parallelism beyond the completions runs nothing, so it has no maximum.
            prop_assert!(running <= max, "{} runs {running} of at most {max}", cluster.name);
            if !case.has_surplus() {
                prop_assert!(share.map_or(0, |share| share.parallelism) <= max);
                // Minima give way to each other, and to what members have.
                if minima <= runs && case.parallelism > 0 {
                    prop_assert!(share.map_or(0, |share| share.parallelism) >= min);
                }
            }
            if weight == 0 && min == 0 && cluster.existing.is_none() {
                prop_assert!(share.is_none());
            }
        }
    }

    #[test]
    fn a_refusal_is_right(case in fresh()) {
        let most: i64 = (case.clusters.iter().map(|cluster| case.terms(cluster)))
            .map(|(min, max, weight)| i64::from(if weight > 0 { max } else { min })).sum();
        let has_room = most >= i64::from(case.runs());
        match case.plan() {
            // A paused Job runs nothing, so it fits wherever anything would.
            _ if case.parallelism == 0 => {}
            Ok(_) => prop_assert!(has_room),
            Err(Error::Shortfall(shortfall)) => {
                prop_assert!(!has_room);
                prop_assert_eq!((shortfall.asked, i64::from(shortfall.placed)), (case.runs(), most));
            }
            Err(other) => prop_assert!(false, "{other}"),
        }
    }

    #[test]
    fn no_share_is_smaller_than_a_gang(case in gang()) {
        let Ok(plan) = case.plan() else { return Ok(()) };
        let least = case.least.min(case.runs());
        let sum = |count: fn(&Share) -> i32| plan.shares.values().map(|share| i64::from(count(share))).sum::<i64>();
        if case.completions != Some(0) {
            prop_assert_eq!(sum(|share| share.parallelism), i64::from(case.parallelism));
        }
        if let Some(completions) = case.completions {
            prop_assert_eq!(sum(|share| share.completions.unwrap_or(0)), i64::from(completions));
        }
        for (name, share) in &plan.shares {
            prop_assert!(share.parallelism >= least, "{name} has {share:?}, a gang has {least}");
            prop_assert!(share.completions.is_none_or(|completions| completions >= least), "{name} has {share:?}, a gang has {least}");
        }
        for cluster in &case.clusters {
            let (_, max, weight) = case.terms(cluster);
            let share = plan.shares.get(&cluster.name);
            let running = share.map_or(0, |share| share.completions.unwrap_or(i32::MAX).min(share.parallelism));
            prop_assert!(running <= max, "{} runs {running} of at most {max}", cluster.name);
            if weight == 0 && case.terms(cluster).0 == 0 && cluster.existing.is_none() {
                prop_assert!(share.is_none());
            }
        }
    }

    #[test]
    fn a_gang_is_refused_only_if_no_division_is_possible(case in fresh_gang()) {
        if case.completions == Some(0) {
            return Ok(());
        }
        let (runs, least) = (i64::from(case.runs()), i64::from(case.least.clamp(1, case.runs())));
        // Every subset of the members: each of its members gets at least `least`, or its minimum
        // if it has no weight.
        let limits: Vec<(i64, i64)> = (case.clusters.iter().map(|cluster| case.terms(cluster)))
            .filter_map(|(min, max, weight)| {
                let takes = if weight > 0 { max } else if min > 0 { max.min(min.max(case.least.clamp(1, case.runs()))) } else { 0 };
                (i64::from(takes) >= least).then_some((least, i64::from(takes)))
            })
            .collect();
        let divides = (0..1u32 << limits.len()).any(|subset| {
            let chosen = limits.iter().enumerate().filter(|(i, _)| subset & 1 << i != 0).map(|(_, limits)| limits);
            let (fewest, most) = chosen.fold((0, 0), |sum, limits| (sum.0 + limits.0, sum.1 + limits.1));
            fewest <= runs && runs <= most
        });
        // What has no place without a gang has none with it.
        let fits = Case { least: 1, ..case.clone() }.plan().is_ok();
        prop_assert_eq!(case.plan().is_ok(), divides && fits);
    }

    #[test]
    fn a_gang_goes_to_as_many_members_as_it_can(case in fresh_gang()) {
        let alike = case.clusters.iter().all(|cluster| case.terms(cluster) == (0, i32::MAX, 1));
        let Ok(plan) = case.plan() else { return Ok(()) };
        if alike && case.completions != Some(0) {
            let most = (case.runs() / case.least).max(1) as usize;
            prop_assert_eq!(plan.shares.len(), most.min(case.clusters.len()));
        }
        // Where no share would be too small, a gang changes nothing.
        let without = Case { least: 1, ..case.clone() }.plan().expect("the same limits");
        let fits = |share: &Share| share.parallelism.min(share.completions.unwrap_or(i32::MAX)) > case.least;
        if without.shares.len() == case.clusters.len() && without.shares.values().all(fits) {
            prop_assert_eq!(&plan, &without);
        }
    }

    #[test]
    fn a_plan_of_a_gang_does_not_depend_on_order_and_is_planned_again(case in fresh_gang(), turn in 0..12usize) {
        let plan = case.plan();
        let mut turned = case.clone();
        turned.clusters.reverse();
        turned.clusters.rotate_left(turn.min(case.clusters.len()));
        prop_assert_eq!(&turned.plan(), &plan);
        let Ok(plan) = plan else { return Ok(()) };
        if case.keeps() {
            prop_assert_eq!(&case.having(&plan).plan(), &Ok(plan));
        }
    }

    #[test]
    fn the_order_of_the_members_is_irrelevant(case in case(), turn in 0..12usize) {
        let plan = case.plan();
        prop_assert_eq!(&case.plan(), &plan);
        let mut turned = case.clone();
        turned.clusters.reverse();
        turned.clusters.rotate_left(turn.min(case.clusters.len()));
        prop_assert_eq!(&turned.plan(), &plan);
    }

    #[test]
    fn every_parallelism_is_within_one_of_the_exact_share(case in fresh()) {
        let lines: Vec<_> = case.clusters.iter().map(|cluster| case.terms(cluster)).collect();
        let minima: i64 = lines.iter().map(|&(min, ..)| i64::from(min)).sum();
        if case.has_surplus() || minima > i64::from(case.parallelism) {
            return Ok(());
        }
        let Ok(plan) = case.plan() else { return Ok(()) };
        let exact = by_bisection(case.parallelism, &lines);
        for (cluster, exact) in case.clusters.iter().zip(exact) {
            let share = plan.shares.get(&cluster.name).map_or(0, |share| share.parallelism);
            let error = 1e-6 * exact.max(1.0);
            prop_assert!((f64::from(share) - exact).abs() < 1.0 + error, "{} has {share}, exactly {exact}", cluster.name);
        }
    }

    #[test]
    fn members_finish_together(case in fresh()) {
        // Each runs between ⌊s⌋ and ⌈s⌉ pods at once and has C·s/R to complete, rounded.
        let (Ok(plan), Some(completions)) = (case.plan(), case.completions) else { return Ok(()) };
        if case.parallelism == 0 || case.has_surplus() {
            return Ok(());
        }
        let rounds = f64::from(completions) / f64::from(case.parallelism);
        for share in plan.shares.values() {
            let (parallelism, done) = (f64::from(share.parallelism), f64::from(share.completions.expect("not a work queue")));
            prop_assert!(done > (parallelism - 1.0) * rounds - 1.0, "{share:?}, {rounds} rounds");
            prop_assert!(done < (parallelism + 1.0) * rounds + 1.0, "{share:?}, {rounds} rounds");
        }
        if completions == case.parallelism {
            prop_assert!(plan.shares.values().all(|share| share.completions == Some(share.parallelism)));
        }
    }

    #[test]
    fn one_more_member_moves_no_more_than_it_must(case in fresh(), newcomer in (number(3), preference())) {
        let mut more = case.clone();
        let (weight, preference) = (newcomer.0, Some(newcomer.1));
        more.clusters.push(Cluster { name: "newcomer".to_owned(), weight, capacity: None, preference, existing: None });
        if case.has_surplus() {
            return Ok(());
        }
        let (Ok(before), Ok(after)) = (case.plan(), more.plan()) else { return Ok(()) };
        let alike = more.clusters.iter().all(|cluster| more.terms(cluster) == (0, i32::MAX, 1));
        for (name, share) in after.shares.iter().filter(|(name, _)| *name != "newcomer") {
            let had = before.shares.get(name).map_or(0, |share| share.parallelism);
            prop_assert!(i64::from(share.parallelism) <= i64::from(had) + i64::from(!alike), "{name} had {had}, has {}", share.parallelism);
        }
        // Without `rebalance` nothing moves, except to meet a minimum.
        let (min, ..) = more.terms(&more.clusters[case.clusters.len()]);
        if case.keeps() && min == 0 && case.parallelism > 0 {
            prop_assert_eq!(&more.having(&before).plan(), &Ok(before));
        }
    }

    #[test]
    fn a_plan_that_is_kept_is_planned_again(case in fresh()) {
        let Ok(plan) = case.plan() else { return Ok(()) };
        if case.keeps() {
            prop_assert_eq!(&case.having(&plan).plan(), &Ok(plan));
        }
    }

    #[test]
    fn more_to_do_takes_nothing_away(case in fresh(), pods in 0..40, completions in 0..40) {
        // Minima that were not met before, and can be now, come before what members have.
        let minima: i64 = case.clusters.iter().map(|cluster| i64::from(case.terms(cluster).0)).sum();
        if !case.keeps() || case.parallelism == 0 || minima > i64::from(case.runs()) {
            return Ok(());
        }
        let Ok(before) = case.plan() else { return Ok(()) };
        let mut more = case.having(&before);
        more.parallelism = case.parallelism.saturating_add(pods);
        more.completions = case.completions.map(|before| before.saturating_add(completions));
        let Ok(after) = more.plan() else { return Ok(()) };
        let opened: BTreeSet<_> = after.shares.keys().filter(|name| !before.shares.contains_key(*name)).collect();
        // Members full to the maximum can force the rest into new ones, which need completions too.
        let forced = opened.len() as i64 > i64::from(more.completions.unwrap_or(i32::MAX)) - i64::from(case.completions.unwrap_or(0));
        for cluster in &case.clusters {
            let (name, (_, max, _)) = (&cluster.name, case.terms(cluster));
            let Some(had) = before.shares.get(name) else { continue };
            // Surplus parallelism runs nothing: it has no maximum, and gives way to a shard that
            // needs some. Where there is some, what was to run in turns can run at once.
            let forced = forced || more.has_surplus() && had.completions > Some(max);
            let has = after.shares.get(name).copied().unwrap_or(Share { parallelism: 0, completions: Some(0) });
            prop_assert!(has.parallelism >= had.parallelism.min(max).min(had.completions.unwrap_or(i32::MAX)), "{name} had {had:?}, has {has:?}");
            prop_assert!(forced || has.completions >= had.completions, "{name} had {had:?}, has {has:?}");
        }
    }

    #[test]
    fn fewer_completions_raise_nobody(case in fresh(), less in 1..40) {
        let (Ok(before), Some(completions)) = (case.plan(), case.completions) else { return Ok(()) };
        if !case.keeps() || case.parallelism == 0 || completions - less < case.parallelism {
            return Ok(());
        }
        let fewer = Case { completions: Some(completions - less), ..case.having(&before) };
        let after = fewer.plan().expect("the same pods have the same place");
        let completions = |plan: &Plan| -> BTreeMap<String, i32> {
            plan.shares.iter().map(|(name, share)| (name.clone(), share.completions.expect("not a work queue"))).collect()
        };
        let (before, after) = (completions(&before), completions(&after));
        prop_assert!(before.keys().eq(after.keys()));
        prop_assert!(before.values().zip(after.values()).all(|(before, after)| after <= before));
    }
}
