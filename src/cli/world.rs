//! The world around a command: what a process has one of, and a test makes for each run.

use std::{
    collections::BTreeMap,
    io::Read,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::future::BoxFuture;
use jiff::Timestamp;

use super::left::Left;
use crate::{
    cluster::{Dialer, DialerOptions, PluginPolicy, WireFactory},
    error::{Error, Exit, Result},
    print::{ESC, Output},
};

/// The most bytes of a line that somebody types.
const MAX_LINE: usize = 4096;

/// What a command finds around it.
pub struct World {
    /// Where everything is printed.
    pub output: Arc<Output>,
    /// The environment variables.
    pub vars: BTreeMap<String, String>,
    /// Standard input, for `-f -` and for answers that a script pipes in, too.
    pub stdin: Mutex<Box<dyn Read + Send>>,
    /// The clock.
    pub now: Box<dyn Fn() -> Timestamp + Send + Sync>,
    /// Becomes ready when the user asks a command that goes on and on to end, as Ctrl-C does.
    pub interrupt: Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>,
    /// What is said where the user ends the command early.
    pub left: Arc<Left>,
    /// Where requests go in place of the network.
    pub wires: Option<WireFactory>,
}

impl World {
    /// The world of this process.
    pub fn process(output: Output) -> Self {
        Self {
            output: Arc::new(output),
            vars: std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
            stdin: Mutex::new(Box::new(std::io::stdin())),
            now: Box::new(Timestamp::now),
            // Who takes a signal takes it for the whole process: that is for `main` to say.
            interrupt: Box::new(|| Box::pin(std::future::pending())),
            left: Arc::default(),
            wires: None,
        }
    }

    /// An environment variable.
    pub fn var(&self, name: &str) -> Option<String> {
        self.vars.get(name).cloned()
    }

    /// Standard input.
    pub fn stdin(&self) -> MutexGuard<'_, Box<dyn Read + Send>> {
        self.stdin.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks something that the next line of standard input answers, which may be no terminal. Gives
    /// the line, empty at the end of input and after Esc. Ctrl-C is as in [`World::asking`].
    ///
    /// # Errors
    /// The user presses Ctrl-C: the exit code is 130.
    pub async fn asking_stdin(&self, unchanged: &str, question: String) -> Result<String> {
        let output = self.output.clone();
        let _asking = output.asking();
        let mut stdin = std::mem::replace(&mut *self.stdin(), Box::new(std::io::empty()));
        let prompts = output.clone();
        let ask = move || {
            prompts.prompt(&question);
            let line = next_line(&mut *stdin);
            if line.is_none() {
                prompts.prompt("\n");
            }
            (line.unwrap_or_default(), stdin)
        };
        let Some((line, stdin)) = self.answered(unchanged, ask).await? else {
            return Ok(String::new());
        };
        *self.stdin() = stdin;
        Ok(line)
    }

    /// Waits until the user presses Ctrl-C. Whoever waits here says what is left of the command.
    pub async fn interrupted(&self) {
        self.left.inside((self.interrupt)()).await;
    }

    /// Runs a whole command until it ends or the user presses Ctrl-C. Where no part of the command
    /// says what is left of it then, [`World::left`] does, and the exit code is 130.
    pub(super) async fn until_interrupted<T>(
        &self,
        command: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        tokio::select! {
            // What has come to its end is told.
            biased;
            done = command => done,
            left = self.left.outside(|| (self.interrupt)()) => {
                self.output.note(left);
                Err(Error::silent(Exit::Interrupted.code()))
            }
        }
    }

    /// Runs something that goes on until the user presses Ctrl-C, which is its end: nothing more is
    /// said then, and the exit code is 130. It may be cut off between any two requests (G4).
    pub async fn interruptible<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            done = work => done,
            () = self.interrupted() => Err(Error::silent(Exit::Interrupted.code())),
        }
    }

    /// As [`World::interruptible`], for work that others can finish: after Ctrl-C `left` says what
    /// is left of it.
    pub async fn interruptible_with<T>(
        &self,
        work: impl Future<Output = Result<T>>,
        left: impl FnOnce() -> String,
    ) -> Result<T> {
        tokio::select! {
            done = work => done,
            () = self.interrupted() => {
                self.output.note(left());
                Err(Error::silent(Exit::Interrupted.code()))
            }
        }
    }

    /// As [`World::interruptible`], for work that only waits: after Ctrl-C the user is told that
    /// the Jobs go on. `left` gives whether that is one Job, and what waits for the same again.
    pub async fn waiting<T>(
        &self,
        work: impl Future<Output = Result<T>>,
        left: impl FnOnce() -> (bool, String),
    ) -> Result<T> {
        let left = || {
            let (is_one, again) = left();
            let go_on = if is_one { "The job goes on" } else { "The jobs go on" };
            format!("interrupted. {go_on}: {again}")
        };
        self.interruptible_with(work, left).await
    }

    /// Asks something on the terminal, on a thread of its own: Ctrl-C is heard meanwhile.
    /// `unchanged` is what is said after Ctrl-C, behind `cancelled: `. Afterwards the terminal is
    /// as it was.
    ///
    /// # Errors
    /// The user presses Ctrl-C: the exit code is 130.
    pub async fn asking<T: Send + 'static>(
        &self,
        unchanged: &str,
        ask: impl FnOnce(&Output) -> Option<T> + Send + 'static,
    ) -> Result<Option<T>> {
        if !self.output.can_ask() {
            return Ok(None);
        }
        let _asking = self.output.asking();
        let output = self.output.clone();
        Ok(self.answered(unchanged, move || ask(&output)).await?.flatten())
    }

    /// Waits for an answer on a thread of its own, or for Ctrl-C. None if there is no answer.
    async fn answered<T: Send + 'static>(
        &self,
        unchanged: &str,
        ask: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Option<T>> {
        let answer = async { tokio::task::spawn_blocking(ask).await };
        tokio::select! {
            // Ctrl-C is waited for before the question is seen.
            biased;
            () = self.interrupted() => {
                // The first ends the line of the question.
                self.output.note("");
                self.output.note(format!("cancelled: {unchanged}"));
                Err(Error::silent(Exit::Interrupted.code()))
            }
            answer = answer => Ok(answer.ok()),
        }
    }

    /// What makes the connections of one command; servers' warnings are printed with the cluster's
    /// name.
    ///
    /// `stdin` says whether credential plugins may ask the user for something, `policy` which may
    /// run.
    pub(super) fn dialer(&self, stdin: bool, policy: PluginPolicy) -> Dialer {
        let (output, waits) = (self.output.clone(), self.output.clone());
        let left = self.left.clone();
        let options = DialerOptions {
            warnings: Arc::new(move |cluster, text| output.warning(Some(cluster), text)),
            silence: Arc::new(move |cluster| Box::new(waits.wait_for(cluster))),
            writes: Arc::new(move || left.writes()),
            // A manifest that is read from there has been read before anybody is asked.
            stdin,
            policy,
        };
        match &self.wires {
            Some(wires) => Dialer::in_process(options, wires.clone()),
            None => Dialer::new(options),
        }
    }
}

/// The next line, without what follows it; empty at the end. None where Esc takes it back.
#[expect(clippy::unbuffered_bytes, reason = "a buffer would take what follows the line")]
fn next_line(from: &mut dyn Read) -> Option<String> {
    // Byte by byte: what comes after the line is for others to read.
    let bytes = from.bytes().map_while(Result::ok);
    let mut line = Vec::new();
    for byte in bytes.take_while(|byte| *byte != b'\n').take(MAX_LINE) {
        if byte == ESC {
            return None;
        }
        line.push(byte);
    }
    Some(String::from_utf8_lossy(&line).into_owned())
}
