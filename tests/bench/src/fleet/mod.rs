//! Simulated API servers over real HTTPS, in a process of their own, so that their CPU is not that of
//! the program that is measured.
//!
//! The process is asked a line at a time, and answers each with a line of JSON. It ends when nobody
//! can ask any more.

mod serve;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub(crate) use serve::serve;

use crate::Error;

/// The word that asks for this part.
pub const PART: &str = "fleet";

/// Clusters that can be hosts: one for each program, so that records of another version are not met.
pub const HOSTS: usize = 3;

/// How the name of a host begins; a number follows.
pub const HOST: &str = "host-";

/// How the name of a member begins; a number follows.
pub const MEMBER: &str = "member-";

/// What clusters were asked since a moment.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Traffic {
    /// Requests to the members, for each member.
    pub requests: f64,
    /// The most LISTs that a member got.
    pub lists: usize,
    /// Requests to the members that changed something, for each member.
    pub writes: f64,
    /// Connections to the members, for each member.
    pub connections: f64,
    /// Requests to the hosts.
    pub host: usize,
}

/// The clusters, as the one who measures has them. They end when it is dropped.
#[derive(Debug)]
pub struct Fleet {
    process: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    members: usize,
}

impl Fleet {
    /// Starts so many members, and [`HOSTS`] hosts, near by, and writes a kubeconfig with a context
    /// for each, of the cluster's name.
    ///
    /// # Errors
    /// The process cannot be started, or not serve.
    pub fn start(members: usize, kubeconfig: &Path) -> Result<Self, Error> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg(PART)
            .arg(members.to_string())
            .arg(kubeconfig)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let questions = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().ok_or("the fleet has no stdout")?);
        let mut fleet = Self { process, questions, answers, members };
        fleet.ask::<()>("ready")?;
        Ok(fleet)
    }

    /// The names of the members.
    pub fn members(&self) -> Vec<String> {
        (0..self.members).map(member).collect()
    }

    /// Puts all clusters so far away.
    ///
    /// # Errors
    /// The process is gone, as for all that is asked of it.
    pub fn set_round_trip(&mut self, time: Duration) -> Result<(), Error> {
        self.ask(&format!("round-trip {}", time.as_micros()))
    }

    /// Begins to count, once the clusters have nothing more to do.
    pub fn begin(&mut self) -> Result<(), Error> {
        self.ask("begin")
    }

    /// What was asked since [`Fleet::begin`].
    pub fn traffic(&mut self) -> Result<Traffic, Error> {
        self.ask("traffic")
    }

    /// Has the last member hear nothing of new connections, or hear them again.
    pub fn set_silent(&mut self, silent: bool) -> Result<(), Error> {
        self.ask(if silent { "silent" } else { "heard" })
    }

    /// How many Jobs there are in the members.
    pub fn jobs(&mut self) -> Result<usize, Error> {
        self.ask("jobs")
    }

    /// Deletes all Jobs in the members, and the records of the client-go program.
    pub fn clear(&mut self) -> Result<(), Error> {
        self.ask("clear")
    }

    fn ask<T: DeserializeOwned>(&mut self, question: &str) -> Result<T, Error> {
        if let Some(questions) = &mut self.questions {
            writeln!(questions, "{question}")?;
        }
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        serde_json::from_str(&answer).map_err(|_| format!("the fleet said {answer:?}").into())
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        drop(self.questions.take());
        let _ = self.process.wait();
    }
}

fn member(number: usize) -> String {
    format!("{MEMBER}{number:05}")
}
