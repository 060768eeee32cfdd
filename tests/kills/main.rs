//! The real binary on real control planes, old and new in one federation: killed (SIGKILL) at a
//! random moment of its life, a hundred times over, and two processes side by side. Which request a
//! process is killed at, every one in its turn, is what the tests of faults are for; here the kill
//! itself, the connections it leaves and the servers are what users have.
//!
//! | module | what it holds |
//! |---|---|
//! | [`evidence`] | what a federated Job shows, and what it has to be; shared with `tests/faults` |
//! | [`scene`] | clusters, processes, and what must hold once a reconcile has run |
//! | [`moments`] | when a process is killed, and how often |
//! | [`killed`], [`edited`], [`clusters`], [`pairs`] | the tests |
//! | [`queued`] | those in clusters with Kueue |
//! | [`gangs`] | one where pods are scheduled together |

mod clusters;
mod edited;
#[path = "../faults/evidence.rs"]
mod evidence;
mod gangs;
mod killed;
mod moments;
mod pairs;
mod queued;
#[path = "../faults/random.rs"]
mod random;
mod scene;

use std::process::ExitCode;

use real::Versions::{Gangs, Kueue, Mixed};

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
        Mixed.trial("an apply is finished by the next reconcile, or has not begun", edited::apply),
        Mixed.trial("a recovery is finished by the next reconcile, or repeated", edited::recover),
        Mixed.trial("a drain goes on with the next reconcile, or is repeated", clusters::drain),
        Mixed.trial("a loss and a return run nothing twice that is not told", clusters::lost),
        Mixed.trial("of two creates of one name side by side one wins", pairs::two_creates),
        Mixed.trial("two reconciles side by side do no harm", pairs::two_reconciles),
        Mixed.trial("reconciles side by side for a minute do no harm", pairs::a_minute),
        Mixed.trial(
            "after a create and a delete side by side all is there or nothing",
            pairs::create_and_delete,
        ),
        Kueue.trial(
            "an indexed job in queues runs once, killed between two writes",
            queued::indexed,
        ),
        Kueue.trial(
            "a job in queues runs once, killed before its uid is recorded, and deleted by others",
            queued::deleted,
        ),
        Gangs.trial("an indexed job with gangs runs once, and each in a group", gangs::indexed),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}
