//! The rounds of a test, some side by side.

use std::time::Instant;

use futures::{StreamExt as _, stream};
use kubectl_federate::reconcile::Measure;
use libtest_mimic::{Failed, Trial};
use real::{Fleet, Versions};

use crate::careless::CARELESS;
use crate::nodes::Pace;
use crate::place::Place;
use crate::round::{self, Amount, Kind};

/// Rounds of a test that run side by side.
const LANES: usize = 4;
/// In so many rounds at most a careless measure must be found out.
const FOUND_WITHIN: u64 = 12;

/// How much is taken off, a round each.
fn amounts(pace: Pace) -> &'static [Amount] {
    match pace {
        Pace::AtOnce => &[Amount::UpTo(5), Amount::Rest, Amount::RestUnseen, Amount::RestBetween],
        Pace::Bursts => &[Amount::UpTo(40), Amount::Rest],
    }
}

/// The tests.
pub fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for (version, cluster) in [("1.36", "east"), ("1.30", "west")] {
        for indexed in [false, true] {
            for pace in [Pace::AtOnce, Pace::Bursts] {
                let name = format!("{version}::{}", name(indexed, pace));
                trials.push(Versions::Mixed.trial(&name, async move |fleet| {
                    careful(&Place::of(fleet, cluster).await?, version, indexed, pace).await
                }));
            }
            let mode = if indexed { "an indexed" } else { "a nonindexed" };
            let name = format!("{version}::a careless credit of {mode} job is found out");
            trials.push(Versions::Mixed.trial(&name, async move |fleet: &'static Fleet| {
                careless(&Place::of(fleet, cluster).await?, version, indexed).await
            }));
        }
    }
    trials
}

fn name(indexed: bool, pace: Pace) -> String {
    let (mode, sums) = if indexed { ("an indexed", "indexes") } else { ("a nonindexed", "sums") };
    let pace = if pace == Pace::AtOnce { "at once" } else { "in bursts" };
    format!("the {sums} of {mode} job are exact while pods end {pace}")
}

async fn careful(place: &Place, version: &str, indexed: bool, pace: Pace) -> Result<(), Failed> {
    let began = Instant::now();
    let rounds = (0..).zip(amounts(pace)).map(|(seed, amount)| {
        let kind = Kind { indexed, pace, amount: *amount };
        async move {
            let round =
                round::run(place, &format!("r{seed}"), kind, seed, &Measure::default()).await?;
            Ok::<_, Failed>((seed, kind, round))
        }
    });
    let results: Vec<_> = stream::iter(rounds).buffer_unordered(LANES).collect().await;
    let (mut violations, mut rounds, mut credits, mut completions) = (Vec::new(), 0, 0, 0);
    for result in results {
        let (seed, kind, round) = result?;
        rounds += 1;
        credits += round.credits;
        completions += round.completions;
        violations
            .extend(round.violations.iter().map(|what| format!("seed {seed}: {kind}: {what}")));
    }
    println!(
        "{version}, {}: seeds from 0, {rounds} rounds, {credits} credits of {completions} \
         completions, {:.1} s",
        name(indexed, pace),
        began.elapsed().as_secs_f64()
    );
    assert!(violations.is_empty(), "{violations:#?}");
    Ok(())
}

async fn careless(place: &Place, version: &str, indexed: bool) -> Result<(), Failed> {
    let began = Instant::now();
    for seed in 0..FOUND_WITHIN {
        // A status that is behind deceives one who adds it up. One who reads the pods is deceived
        // only by those that start after that.
        let amount = if indexed { Amount::RestBetween } else { Amount::RestUnseen };
        let kind = Kind { indexed, pace: Pace::AtOnce, amount };
        let round = round::run(place, &format!("r{seed}"), kind, seed, &CARELESS).await?;
        println!(
            "{version}, careless, seed {seed}: {kind}: {} credits of {} completions, {:.1} s: {}",
            round.credits,
            round.completions,
            began.elapsed().as_secs_f64(),
            round.violations.join("; ")
        );
        if !round.violations.is_empty() {
            return Ok(());
        }
    }
    Err(format!("nothing found in {FOUND_WITHIN} rounds").into())
}
