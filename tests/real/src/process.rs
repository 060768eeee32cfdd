//! One component: a child process, its log, and the signals that tests send to it.

use crate::error::{Error, during};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a component may take to get ready. It takes four seconds; on a busy machine, more.
const START: Duration = Duration::from_mins(2);

const POLL: Duration = Duration::from_millis(25);

const TAIL_LINES: usize = 15;

/// A running component. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program` in the process group `group`, its output appended to `log`.
    pub(crate) fn start(
        program: &Path,
        arguments: &[String],
        log: &Path,
        group: i32,
    ) -> Result<Self, Error> {
        let output =
            File::options().create(true).append(true).open(log).map_err(during("open a log"))?;
        let errors = output.try_clone().map_err(during("open a log"))?;
        let child = Command::new(program)
            .args(arguments)
            .process_group(group)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .map_err(during(&format!("start {}", program.display())))?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// Returns when the probe answers `Ok`. Fails at once when the component ends, and when `START`
    /// has passed; with the tail of its log. `what` names it.
    pub(crate) async fn until_ready<F>(
        &mut self,
        what: &str,
        mut probe: impl FnMut() -> F,
    ) -> Result<(), Error>
    where
        F: Future<Output = Result<(), String>>,
    {
        let deadline = Instant::now() + START;
        loop {
            if let Some(status) = self.child.try_wait().map_err(during("look after a component"))? {
                return Err(Error::Harness(format!(
                    "{what} ended at its start, {status}:\n{}",
                    self.tail()
                )));
            }
            match probe().await {
                Ok(()) => return Ok(()),
                Err(seen) if Instant::now() > deadline => {
                    return Err(Error::Harness(format!(
                        "{what} does not get ready: {seen}\n{}",
                        self.tail()
                    )));
                }
                Err(_) => sleep(POLL).await,
            }
        }
    }

    /// Stops it (SIGSTOP), and returns when it has stopped.
    pub(crate) fn freeze(&self) -> Result<(), Error> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::STOP).map_err(during("freeze a component"))?;
        waitid(WaitId::Pid(pid), WaitIdOptions::STOPPED).map_err(during("freeze a component"))?;
        Ok(())
    }

    /// Lets it go on (SIGCONT).
    pub(crate) fn thaw(&self) -> Result<(), Error> {
        kill_process(Pid::from_child(&self.child), Signal::CONT).map_err(during("thaw a component"))
    }

    /// The last lines of its log.
    fn tail(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a component ended because another process took its port first.
pub(crate) fn lost_its_port(error: &Error) -> bool {
    error.to_string().contains("address already in use")
}

/// A port of loopback that is free at this moment.
///
/// Taken from below the range that systems use for outgoing connections, so that a component that
/// was killed finds its port still free when it is revived.
pub(crate) fn free_port() -> Result<u16, Error> {
    (0..1000)
        .map(|_| 20_000 + (random() % 12_000) as u16)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .ok_or_else(|| Error::Harness("no port of loopback is free".to_owned()))
}

/// A number that differs at each call and in each process.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(0)
}
