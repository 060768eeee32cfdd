//! The end of all processes of a fleet, with the process that started it.

use crate::error::{Error, during};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Makes a directory, says which, and when standard input ends kills the process group `$1` and
/// removes the directory.
///
/// A process that is killed can still be writing a file for a moment, so the removal is tried
/// again.
const SCRIPT: &str = r#"
trap '' HUP INT QUIT TERM
directory=$(mktemp -d "${TMPDIR:-/tmp}/kubectl-federate.XXXXXX") || exit 1
printf '%s\n' "$directory"
exec >/dev/null
while read -r _; do :; done
kill -s KILL -- "-$1"
tries=0
while [ $tries -lt 100 ] && ! { rm -rf "$directory" && [ ! -e "$directory" ]; }; do
    tries=$((tries + 1))
    sleep 0.1
done
"#;

/// A shell that holds the reading end of a pipe, in a process group that a terminal's Ctrl-C does
/// not reach.
///
/// When this process ends, in whatever way, the pipe closes; the shell then kills the group that
/// all components are in (also stopped ones: SIGKILL) and removes the directory of their files.
///
/// There is no moment at which a component could be missed: it joins the group before it is
/// executed, and until then it holds the writing end of the pipe itself. The group exists from
/// before the first component on, because a process that does nothing leads it.
#[derive(Debug)]
pub(crate) struct Watchdog {
    leader: Child,
    shell: Child,
    directory: PathBuf,
}

impl Watchdog {
    /// Starts the group's leader, then the shell.
    pub(crate) fn start() -> Result<Self, Error> {
        let leader = shell("read -r _", "").map_err(during("start a process group"))?;
        let mut shell =
            shell(SCRIPT, &leader.id().to_string()).map_err(during("start the watchdog"))?;
        let mut line = String::new();
        if let Some(stdout) = shell.stdout.take() {
            BufReader::new(stdout)
                .read_line(&mut line)
                .map_err(during("hear from the watchdog"))?;
        }
        let directory = PathBuf::from(line.trim_end());
        if !directory.is_absolute() {
            return Err(Error::Harness(
                "the watchdog could make no temporary directory".to_owned(),
            ));
        }
        Ok(Self { leader, shell, directory })
    }

    /// The process group for components.
    pub(crate) fn group(&self) -> i32 {
        self.leader.id() as i32
    }

    /// The directory for their files.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Drop for Watchdog {
    /// Ends everything by the same way as a crash would, and waits for it.
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        // Neither wait can fail in a way that something could be done about: both are children
        // nobody else waits for.
        let _ = self.shell.wait();
        let _ = self.leader.wait();
    }
}

fn shell(script: &str, argument: &str) -> std::io::Result<Child> {
    Command::new("/bin/sh")
        .args(["-c", script, "watchdog", argument])
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
}
