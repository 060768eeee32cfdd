//! Whole lives of federated Jobs, by seed: the real engine on simulated clusters, over paused time,
//! with faults at any request, processes that die, and users who do as they like. A seed always has
//! the same life.
//!
//! ```text
//! cargo test --test simulation                                        what CI runs
//! SEEDS=100000 cargo test --profile lives --test simulation -- seeds  any number of seeds
//! WITH=hosts SEEDS=9999 cargo test --test simulation -- seeds         those that have this extra
//! SEED=4711 cargo test --test simulation -- trace                     one seed, with all that happens
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`life`], [`commands`] | one life, step by step; what people ask for |
//! | [`ending`] | how it ends: in peace, all work is done once |
//! | [`site`] | the clusters, the way to them, and the time there |
//! | [`events`] | what happens at each request |
//! | [`extras`], [`meddling`] | what some lives have besides, and what happens there between steps |
//! | [`hosts`], [`disasters`] | another host, backups and recoveries; what befalls hosts |
//! | [`weather`], [`habits`], [`pods`] | faults; what users do; what pods do |
//! | [`jobs`] | Jobs of every kind, and edits of them |
//! | [`knowledge`], [`ledger`], [`leases`], [`consents`], [`work`], [`registries`] | what the simulation knows of its own, and what must hold |
//! | [`judging`] | what requests may do |
//! | [`gangs`] | pods that are scheduled together |
//! | [`returns`] | clusters that were declared lost and are back |
//! | [`defects`] | mistakes in the product that the simulation finds |

mod commands;
mod consents;
mod defects;
mod disasters;
mod ending;
mod events;
#[allow(dead_code, reason = "other tests need the rest of it")]
#[path = "../faults/evidence.rs"]
mod evidence;
mod extras;
mod gangs;
mod habits;
mod hosts;
mod jobs;
mod judging;
mod knowledge;
mod leases;
mod ledger;
mod life;
mod meddling;
mod pods;
mod random;
mod registries;
mod returns;
mod site;
mod weather;
mod work;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use self::extras::Extras;
use self::life::{Lived, Terms, live};

/// How many lives a run has that does not say. They take five minutes of one core.
const SEEDS: u64 = 3000;

/// The lives that once showed a fault of the product.
const REGRESSIONS: [u64; 7] = [
    // The last pods are counted after the suspension: the Job has no `startTime` to end with. In the
    // second life, some such Jobs are about to be Failed.
    118, 1028,
    // Somebody deletes a failed pod whose index would be tried again, while its Job is stopped.
    1762,
    // A Job gets fewer completions than its `maxFailedIndexes`, and no server takes a shard of it.
    591, // A lease ends a Job that has more pods than its shard is to have by now.
    2069,
    // A pod whose failure is ignored waits for its successor, though its index may not fail once.
    74077,
    // A restore makes a host of a cluster that has a record from before the federation left it.
    61633,
];

/// A number from the environment.
fn asked(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

/// Lives these seeds on all processors until one is broken, and gives the first that is, with what
/// was broken. `with` is an extra that the lives must have. With `GO_ON`, all seeds are lived and
/// each that is broken is printed.
fn all(seeds: Range<u64>, with: Option<&str>, terms: Terms) -> Option<(u64, String)> {
    let goes_on = asked("GO_ON").is_some() && terms.defect.is_none();
    let next = AtomicU64::new(seeds.start);
    let broken: Mutex<BTreeMap<u64, String>> = Mutex::default();
    let ends: Mutex<BTreeMap<&str, u64>> = Mutex::default();
    let begun = Instant::now();
    let work = || loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= seeds.end {
            return;
        }
        let extras = Extras::of(seed);
        if with.is_some_and(|asked| !extras.names().contains(&asked)) {
            continue;
        }
        let Lived { broken: what, end, .. } = live(seed, terms);
        *ends.lock().unwrap_or_else(PoisonError::into_inner).entry(end).or_default() += 1;
        if let Some(what) = what {
            if goes_on {
                println!("seed {seed}: {what}");
            } else {
                next.store(seeds.end, Ordering::Relaxed);
            }
            broken.lock().unwrap_or_else(PoisonError::into_inner).insert(seed, what);
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..threads {
            let thread = std::thread::Builder::new().stack_size(STACK);
            thread.spawn_scoped(scope, work).expect("a thread");
        }
    });
    let seconds = begun.elapsed().as_secs_f64();
    let ends = ends.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("{} lives in {seconds:.0} s: {ends:?}", ends.values().sum::<u64>());
    broken.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().next()
}

/// Room for the futures of a whole command in a build that is not optimised.
const STACK: usize = 16 << 20;

/// Lives one seed again and prints all that happens in it.
fn tell(seed: u64, terms: Terms) -> Option<String> {
    let lived = live(seed, Terms { trace: true, ..terms });
    for line in lived.trace {
        println!("{line}");
    }
    println!("seed {seed}: {}, {:?}", lived.end, lived.broken);
    lived.broken
}

#[test]
fn seeds_keep_every_guarantee() {
    let first = asked("FIRST").unwrap_or(0);
    let seeds = first..first + asked("SEEDS").unwrap_or(SEEDS);
    let with = std::env::var("WITH").ok();
    if let Some((seed, what)) = all(seeds, with.as_deref(), Terms::default()) {
        tell(seed, Terms::default());
        panic!("seed {seed}: {what}\nSEED={seed} cargo test --test simulation -- trace");
    }
}

#[test]
fn lives_that_once_showed_a_fault_keep_every_guarantee() {
    for seed in REGRESSIONS {
        assert_eq!(live(seed, Terms::default()).broken, None, "seed {seed}");
    }
}

#[test]
fn a_seed_always_has_the_same_life() {
    for seed in 0..10 {
        let [one, other] = [(), ()].map(|()| live(seed, Terms { trace: true, defect: None }).trace);
        let differs = one.iter().zip(&other).find(|(one, other)| one != other);
        assert_eq!(differs, None, "seed {seed}");
        assert!(one.len() > 5 && one.len() == other.len(), "seed {seed}: {} lines", one.len());
    }
}

/// Tells the life of the seed that `SEED` names; the first without it.
#[test]
fn trace_of_one_seed() {
    let seed = asked("SEED").unwrap_or(0);
    assert_eq!(tell(seed, Terms::default()), None, "seed {seed}");
}
