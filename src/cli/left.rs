//! What a command leaves behind where the user ends it early: what is recorded, may be recorded, or
//! was not begun.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::print::federate;

/// How far a command is.
#[derive(Debug)]
pub struct Left(Mutex<State>);

#[derive(Debug)]
struct State {
    /// What is said while nothing was written since the step began.
    before: String,
    /// What is said afterwards.
    after: String,
    has_written: bool,
    /// How many parts of the command wait for the user to end it, and say themselves what is left.
    inside: usize,
    /// Whether one of them was told that the user does.
    is_told: bool,
}

/// A part of a command says itself what is left of it until this is dropped.
struct Inside<'l>(&'l Left);

impl Default for Left {
    fn default() -> Self {
        Self(Mutex::new(State {
            before: "nothing was changed".to_owned(),
            after: String::new(),
            has_written: false,
            inside: 0,
            is_told: false,
        }))
    }
}

impl Left {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A step begins. Before its first write `before` is what is left, and `after` from then on.
    pub fn begin(&self, before: impl Into<String>, after: impl Into<String>) {
        let mut state = self.state();
        (state.before, state.after, state.has_written) = (before.into(), after.into(), false);
    }

    /// The same where nothing is written, or where it changes nothing of what is left.
    pub fn stands(&self, what: impl Into<String>) {
        let what = what.into();
        self.begin(what.clone(), what);
    }

    /// Whether the user has ended the command.
    pub fn is_told(&self) -> bool {
        self.state().is_told
    }

    /// A request that changes something is about to be sent.
    pub fn writes(&self) {
        self.state().has_written = true;
    }

    /// Waits by `ended` until the user ends the command. Whoever waits here says what is left.
    pub async fn inside(&self, ended: impl Future<Output = ()>) {
        self.state().inside += 1;
        let _inside = Inside(self);
        ended.await;
        self.state().is_told = true;
    }

    /// Waits until the user ends the command and nobody else says what is left. Gives that, a
    /// sentence. `ended` waits for the user once.
    pub async fn outside<F: Future<Output = ()>>(&self, ended: impl Fn() -> F) -> String {
        loop {
            ended().await;
            let State { before, after, has_written, inside, is_told } = &*self.state();
            if *is_told {
                break;
            }
            if *inside == 0 {
                return match (*has_written, after.as_str()) {
                    (false, _) => format!("interrupted: {before}"),
                    (true, "") => format!(
                        "interrupted: not all of it may be done. {} finishes what was begun.",
                        federate("reconcile", ["--all-namespaces"])
                    ),
                    (true, after) => format!("interrupted: {after}"),
                };
            }
        }
        std::future::pending().await
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.state().inside -= 1;
    }
}
