//! The real binary on real control planes, old and new in one federation: killed (SIGKILL) at a
//! random moment of its life, a hundred times over, and two processes side by side. Which request a
//! process is killed at, every one in its turn, is what the tests of faults are for; here the kill
//! itself, the connections it leaves and the servers are what users have.
//!
//! | module | what it holds |
//! |---|---|
//! | [`evidence`] | what a federated Job shows, and what it has to be; shared with `tests/faults` |
//! | [`scene`] | clusters, processes, and what must hold once a reconcile has run |
//! | [`moments`] | when a process is killed |
//! | [`killed`], [`pairs`] | the tests |

#[path = "../faults/evidence.rs"]
mod evidence;
mod killed;
mod moments;
mod pairs;
#[path = "../faults/random.rs"]
mod random;
mod scene;

use std::process::ExitCode;

use real::Versions::Mixed;

/// Tests at a time where the command line does not say: they wait for processes and servers more
/// than they compute.
const TOGETHER: usize = 6;

fn main() -> ExitCode {
    let mut arguments = libtest_mimic::Arguments::from_args();
    arguments.test_threads.get_or_insert(TOGETHER);
    let trials = vec![
        Mixed.trial("a create is finished by the next reconcile", killed::create),
        Mixed.trial("a reconcile is finished by the next", killed::reconcile),
        Mixed.trial("a delete is finished by the next reconcile, or has not begun", killed::delete),
        Mixed.trial("of two creates of one name side by side one wins", pairs::two_creates),
        Mixed.trial("two reconciles side by side do no harm", pairs::two_reconciles),
        Mixed.trial(
            "after a create and a delete side by side all is there or nothing",
            pairs::create_and_delete,
        ),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}
