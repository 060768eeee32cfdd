//! Credits under stress, on real control planes, old and new: pods end as fast as their nodes can
//! say so, or in bursts, while work is taken off their Jobs. What comes of it must be exact, and no
//! pod that runs may be touched. With measures put in that are not careful ([`careless`]), the same
//! stress must find that out: that shows that it can.
//!
//! | module | what it holds |
//! |---|---|
//! | [`place`] | a cluster, a namespace, and the product's connection |
//! | [`nodes`] | the nodes of one Job, and what they saw |
//! | [`round`] | one Job from its beginning to its end, and what must hold then |
//! | [`stress`] | the tests of that |
//! | [`moves`], [`between`] | work that is moved to another Job, and what may happen while it is |
//! | [`policy`], [`random`] | what holds back the controller, and random numbers: both shared |

mod between;
mod careless;
mod moves;
mod nodes;
mod place;
#[path = "../facts/policy.rs"]
mod policy;
#[path = "../faults/random.rs"]
mod random;
mod round;
mod stress;

use std::process::ExitCode;

/// Tests at a time where the command line does not say: they wait for their clusters more than they
/// compute.
const TOGETHER: usize = 4;

fn main() -> ExitCode {
    let mut arguments = libtest_mimic::Arguments::from_args();
    arguments.test_threads.get_or_insert(TOGETHER);
    let trials = moves::trials().into_iter().chain(stress::trials()).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}
