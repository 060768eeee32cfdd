//! One round: a Job runs as fast as its pods can end, and is credited meanwhile.

use std::fmt;

use kubectl_federate::job::{EndKind, Indexes, Observed};
use kubectl_federate::reconcile::{Credited, Measure};
use libtest_mimic::Failed;
use serde_json::json;
use tokio::sync::watch;

use crate::between::credit_during;
use crate::nodes::{self, Pace, Seen};
use crate::place::{Place, SOON, any, rest};
use crate::random::Random;

/// Of every Job.
const PARALLELISM: i32 = 20;
/// Of every Job.
const COMPLETIONS: i32 = 200;

/// What a round is like.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// `completionMode: Indexed`.
    pub indexed: bool,
    /// When its pods end.
    pub pace: Pace,
    /// How much is taken off it.
    pub amount: Amount,
}

/// How much is taken off a Job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// Up to so many at a time, until half of them are.
    UpTo(i32),
    /// All that can be, again and again until nothing is left.
    Rest,
    /// The same, the first time while the controller is kept from writing what its pods have come
    /// to.
    RestUnseen,
    /// The same, and further pods start between the reading of that first time and its writing.
    RestBetween,
}

/// What a round came to.
#[derive(Debug, Default)]
pub struct Result {
    /// Writes of a credit.
    pub credits: u32,
    /// Completions that were credited.
    pub completions: i32,
    /// What was not as it must be.
    pub violations: Vec<String>,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = if self.indexed { "Indexed" } else { "NonIndexed" };
        let pace = if self.pace == Pace::AtOnce { "at once" } else { "in bursts" };
        write!(f, "{mode}, pods end {pace}, {:?}", self.amount)
    }
}

/// Runs a Job to its end.
pub async fn run(
    place: &Place,
    name: &str,
    kind: Kind,
    seed: u64,
    measure: &Measure,
) -> std::result::Result<Result, Failed> {
    let mode = if kind.indexed { "Indexed" } else { "NonIndexed" };
    let spec =
        json!({"parallelism": PARALLELISM, "completions": COMPLETIONS, "completionMode": mode});
    let job = place.create(name, spec).await?;
    let (ended, seen_ended) = watch::channel(0);
    let mut random = Random::new(seed);
    let mut of_nodes = Random::new(random.below(u64::MAX));
    let whole = async {
        tokio::try_join!(
            async {
                let played = nodes::play(place, name, kind.pace, &mut of_nodes, &ended).await;
                // Nobody need wait for more.
                drop(ended);
                played
            },
            take_off(place, &job, kind.amount, random, measure, Pulse(seen_ended)),
        )
    };
    let ((seen, end), taken) = tokio::time::timeout(SOON, whole)
        .await
        .map_err(|_| format!("{name} has not ended in {SOON:?}"))??;

    place.delete(name).await?;
    Ok(Result {
        credits: taken.iter().filter(|taken| taken.count > 0).count() as u32,
        completions: taken.iter().map(|taken| taken.count).sum(),
        violations: violations(&end, &seen, &taken),
    })
}

/// How many pods of a Job have succeeded.
struct Pulse(watch::Receiver<i32>);

impl Pulse {
    /// Waits until so many pods more than now have succeeded. False where the Job ended before.
    async fn beats(&mut self, more: i32) -> bool {
        let successes = *self.0.borrow() + more;
        self.reaches(successes).await
    }

    /// Waits until so many pods have succeeded in all. False where the Job ended before.
    async fn reaches(&mut self, successes: i32) -> bool {
        self.0.wait_for(|ended| *ended >= successes).await.is_ok()
    }
}

async fn take_off(
    place: &Place,
    job: &Observed,
    amount: Amount,
    mut random: Random,
    measure: &Measure,
    mut pulse: Pulse,
) -> std::result::Result<Vec<Credited>, Failed> {
    let mut below = |bound: i32| random.below(bound.unsigned_abs().into()) as i32;
    let mut all: Vec<Credited> = Vec::new();
    if amount == Amount::RestUnseen && pulse.beats(below(COMPLETIONS / 2)).await {
        place.hold(&job.name).await?;
        let job = place.job(&job.name).await?;
        // One more than the status knows of.
        if pulse.reaches(job.succeeded + job.active + 1).await {
            all.extend(place.credit(&job, |job| any(job, rest(job)), measure).await?);
        }
        place.release(&job.name).await?;
    }
    if amount == Amount::RestBetween && pulse.beats(below(COMPLETIONS / 2)).await {
        place.hold(&job.name).await?;
        // One more than can have been alive when the pods were read.
        let meanwhile = async {
            pulse.beats(PARALLELISM + 1).await;
            Ok(())
        };
        all.push(credit_during(place, job, *measure, meanwhile).await?.0);
        place.release(&job.name).await?;
    }
    while pulse.beats(1 + below(3)).await {
        let taken = match amount {
            Amount::UpTo(most) => {
                let count = 1 + below(most);
                place.credit(job, |job| any(job, count), measure).await?
            }
            Amount::Rest | Amount::RestUnseen | Amount::RestBetween => {
                place.credit(job, |job| any(job, rest(job)), measure).await?
            }
        };
        let Some(taken) = taken else { continue };
        let none_left = taken.kept == 0;
        all.push(taken);
        let half = all.iter().map(|taken| taken.count).sum::<i32>() >= COMPLETIONS / 2;
        if if let Amount::UpTo(_) = amount { half } else { none_left } {
            break;
        }
    }
    Ok(all)
}

fn violations(end: &Observed, seen: &Seen, taken: &[Credited]) -> Vec<String> {
    let mut found = Vec::new();
    let mut must = |holds: bool, what: String| {
        if !holds {
            found.push(what);
        }
    };
    let credited: i32 = taken.iter().map(|taken| taken.count).sum();
    let successes = seen.successes();
    must(
        matches!(&end.end, Some(end) if end.kind == EndKind::Complete),
        format!("it is not Complete: {:?}", end.end),
    );
    must(
        end.credited_count() == credited,
        format!("{} credited by its annotation, {credited} by us", end.credited_count()),
    );
    must(seen.killed().is_empty(), format!("{} running pods killed", seen.killed().len()));
    must(
        successes + credited == COMPLETIONS,
        format!(
            "{successes} pods succeeded and {credited} completions were credited, of {COMPLETIONS}"
        ),
    );
    must(
        end.succeeded == COMPLETIONS,
        format!("it counts {} successes of {COMPLETIONS}", end.succeeded),
    );
    if end.indexed {
        let (succeeded, again) = seen.succeeded_indexes();
        let credited = end.credited_indexes();
        let twice = credited.both(&seen.indexes_that_ran());
        must(twice.is_empty(), format!("indexes {twice} were credited and ran"));
        must(again == 0, format!("{again} indexes succeeded again"));
        must(
            succeeded.with(&credited) == Indexes::all(COMPLETIONS),
            format!("done are {succeeded}, credited {credited}"),
        );
    }
    for taken in taken {
        must(
            taken.doubled.is_empty(),
            format!("it says itself that indexes {} may run twice", taken.doubled),
        );
    }
    found
}
