//! Where a scene plays: clusters far away, and a home for each program.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use super::{Bench, Rows, folder::Folder};
use crate::{
    Error,
    fleet::{Fleet, HOST},
    program::Build,
    rows::{Sample, Subject, together},
};

/// A folder, the clusters, and those who reach them.
pub(super) struct Stage {
    pub folder: Folder,
    pub fleet: Fleet,
    round_trip: Duration,
}

/// A build with a home of its own, in which it has a federation of all members.
pub(super) struct Player {
    pub build: Build,
    home: PathBuf,
}

impl Player {
    /// Another build in the same home, with the same federation.
    pub fn with(&self, build: &Build) -> Self {
        Self { build: build.clone(), home: self.home.clone() }
    }
}

impl Stage {
    /// So many members, near by until [`Stage::go_far`].
    pub fn new(bench: &Bench<'_>, members: usize) -> Result<Self, Error> {
        let folder = Folder::new()?;
        let fleet = Fleet::start(members, &folder.kubeconfig())?;
        Ok(Self { folder, fleet, round_trip: bench.arguments.round_trip() })
    }

    /// A build that has a federation of all members, at a host of its own.
    pub fn player(&mut self, build: &Build) -> Result<Player, Error> {
        let host = usize::from(build.subject != Subject::Ours);
        let home = self.folder.path(&format!("home-{host}"));
        fs::create_dir(&home)?;
        let player = Player { build: build.clone(), home };
        self.folder.run(&self.federate(&player, ["init", &format!("--context={HOST}{host}")]))?;
        let members = self.fleet.members();
        // An older build may take one name in a command.
        let at_once = if build.subject == Subject::Ours { members.len().max(1) } else { 1 };
        for names in members.chunks(at_once) {
            let names = names.iter().map(String::as_str);
            let register = ["cluster", "register"].into_iter().chain(names);
            self.folder.run(&self.federate(&player, register))?;
        }
        Ok(player)
    }

    /// Puts the clusters as far away as they are to be.
    pub fn go_far(&mut self) -> Result<(), Error> {
        self.fleet.set_round_trip(self.round_trip)
    }

    /// A command line of a build.
    pub fn federate<'a>(
        &self,
        player: &Player,
        words: impl IntoIterator<Item = &'a str>,
    ) -> Command {
        let mut command = self.folder.command(&player.build.path, &player.home);
        command.args(words);
        command
    }

    /// Runs commands one after the other, and adds what they took together to a row, if it is asked
    /// for.
    pub fn step(
        &mut self,
        rows: &mut Rows,
        name: &str,
        subject: Subject,
        commands: &[Command],
    ) -> Result<(), Error> {
        self.fleet.begin()?;
        let usages: Result<Vec<_>, _> =
            commands.iter().map(|command| self.folder.run(command)).collect();
        let sample = Sample { usage: together(usages?), traffic: self.fleet.traffic()? };
        if let Some(row) = rows.get(name) {
            row.add(subject, sample);
        }
        Ok(())
    }

    /// Fails where the members do not have so many Jobs.
    pub fn expect_jobs(&mut self, expected: usize) -> Result<(), Error> {
        match self.fleet.jobs()? {
            jobs if jobs == expected => Ok(()),
            jobs => {
                Err(format!("the members have {jobs} Jobs, and {expected} are expected").into())
            }
        }
    }
}
