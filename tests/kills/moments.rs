//! When a process is killed: at any moment of the life that it would have.

use std::time::Duration;

use libtest_mimic::Failed;

use crate::random::Random;

/// Moments are drawn up to this many percent of an undisturbed life.
const UP_TO: u64 = 110;

/// Moments by chance, from a seed that is printed with what came of them.
pub struct Moments {
    seed: u64,
    random: Random,
    whole: Duration,
    drawn: usize,
}

impl Moments {
    /// `whole` is how long a process lived that nobody disturbed.
    pub fn of(seed: u64, whole: Duration) -> Self {
        Self { seed, random: Random::new(seed), whole, drawn: 0 }
    }

    /// The next moment.
    pub fn draw(&mut self) -> Duration {
        self.drawn += 1;
        self.whole.mul_f64(self.random.below(10 * UP_TO) as f64 / 1000.0)
    }

    /// Tells of the last one, and learns from it: a process that ended by itself shows how long a
    /// life is on a machine as busy as it is now; that one was killed is a reason to wait a little
    /// longer.
    pub fn learn(&mut self, life: Option<Duration>, what: &str) {
        let ended = if life.is_some() { "ended" } else { "was killed" };
        println!(
            "seed {}, {}, of {} ms: it {ended}; {what}",
            self.seed,
            self.drawn,
            self.whole.as_millis()
        );
        self.whole = match life {
            Some(life) => (self.whole + life) / 2,
            None => self.whole.mul_f64(1.05),
        };
    }
}

/// Repeats a round until so many processes were killed; it says how long one lived that ended
/// before. It is told its number, and whether it is the last one if its process is killed.
pub async fn times(
    kills: usize,
    mut round: impl AsyncFnMut(usize, bool) -> Result<Option<Duration>, Failed>,
) -> Result<(), Failed> {
    let (mut rounds, mut killed) = (0, 0);
    while killed < kills {
        killed += usize::from(round(rounds, killed + 1 == kills).await?.is_none());
        rounds += 1;
    }
    Ok(())
}
