//! The answers to shells that complete a command line.
//!
//! | file | what it holds |
//! |---|---|
//! | [`mod@answer`] | what can follow the words that were typed, in the protocol of kubectl's plugins |
//! | [`values`] | which arguments take names that only a kubeconfig or the host knows |
//! | [`names`] | these names, from the host or from a short-lived cache |

mod answer;
mod names;
mod values;

use std::{
    ffi::OsString,
    process::{Command, Stdio},
};

pub use self::answer::answer;
use self::answer::{REFRESH, refresh};
use super::{World, completion::WORD};
use crate::print::{Colour, Output};

/// The words that are completed, if a command line asks for that.
pub fn words(args: &[OsString]) -> Option<&[OsString]> {
    let (word, words) = args.get(1..)?.split_first()?;
    (word == WORD).then_some(words)
}

/// Completes a command line, or asks the host for those who complete later, if this process is to
/// do that. Says whether it was.
pub fn ran_in_process(args: &[OsString]) -> bool {
    let Some((word, words)) = args.get(1..).and_then(<[_]>::split_first) else { return false };
    if word != WORD && word != REFRESH {
        return false;
    }
    let world = World::process(Output::process(Colour::Never));
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return true;
    };
    if word == REFRESH {
        runtime.block_on(refresh(&world, words));
    } else if runtime.block_on(answer(&world, words)) {
        refresh_later(words);
    }
    // A shell reads what there is, or nothing.
    let _ = world.output.finish();
    runtime.shutdown_background();
    true
}

/// Starts a process for which nobody waits: a shell waits until all that it started has closed its
/// output.
fn refresh_later(words: &[OsString]) {
    let Ok(program) = std::env::current_exe() else { return };
    let mut process = Command::new(program);
    process.arg(REFRESH).args(words);
    process.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let _ = process.spawn();
}
