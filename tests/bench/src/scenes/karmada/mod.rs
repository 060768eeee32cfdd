//! This build beside Karmada, on real control planes.

mod arrivals;
mod ground;
mod player;

use std::time::Duration;

use super::{Bench, Rows, shares};
use crate::{
    Error,
    arguments::Arguments,
    rows::{Goal, Measure, Row, Subject},
};
use ground::Ground;
use player::Player;

/// What is measured over some members: the names of the rows.
struct Over {
    members: usize,
    one: &'static str,
    many: Option<&'static str>,
    end: &'static str,
    idle: Option<&'static str>,
}

const THREE: Over = Over {
    members: 3,
    one: "karmada-one-3",
    many: Some("karmada-many-3"),
    end: "karmada-end-3",
    idle: None,
};

const SIX: Over = Over {
    members: 6,
    one: "karmada-one-6",
    many: None,
    end: "karmada-end-6",
    idle: Some("karmada-idle-6"),
};

pub(super) fn three_rows(arguments: &Arguments) -> Vec<Row> {
    THREE.rows(arguments)
}

pub(super) fn six_rows(arguments: &Arguments) -> Vec<Row> {
    SIX.rows(arguments)
}

pub(super) fn three(bench: &Bench<'_>, rows: &mut Rows) -> Result<(), Error> {
    THREE.play(bench, rows)
}

pub(super) fn six(bench: &Bench<'_>, rows: &mut Rows) -> Result<(), Error> {
    SIX.play(bench, rows)
}

impl Over {
    fn rows(&self, arguments: &Arguments) -> Vec<Row> {
        let (members, sizes) = (self.members, &arguments.sizes);
        let goal = |most| -> Vec<Goal> { shares(Subject::Karmada, [(Measure::Wall, most)]) };
        let row = |name: &'static str, what: String, goals| Row::new(name, what, goals);
        let one = format!("apply one Job, until it is in {members} members");
        let many =
            format!("apply {} Jobs, until they are in {members} members", sizes.karmada_jobs);
        let end = format!("from the end of the pods in {members} members until Complete is shown");
        let idle = format!("{} s of rest, with {members} members", sizes.karmada_idle);
        let rows = [
            Some(row(self.one, one, goal(0.2))),
            self.many.map(|name| row(name, many, goal(0.06))),
            Some(row(self.end, end, Vec::new())),
            self.idle.map(|name| row(name, idle, Vec::new())),
        ];
        rows.into_iter().flatten().collect()
    }

    /// In each round every player creates a Job, sees it end, and creates many. The first round is
    /// not told: nobody has seen these servers before.
    fn play(&self, bench: &Bench<'_>, rows: &mut Rows) -> Result<(), Error> {
        let ground = Ground::new(bench, self.members)?;
        let players = ground.players(bench)?;
        for player in &players {
            self.turn(bench, &mut Rows(Vec::new()), &ground, player, "first")?;
        }
        for (turn, n) in bench.turns(players.len()).enumerate() {
            self.turn(bench, rows, &ground, &players[n], &turn.to_string())?;
        }
        let idle = self.idle.and_then(|name| rows.get(name));
        if let Some(idle) = idle {
            let time = Duration::from_secs(bench.arguments.sizes.karmada_idle);
            for (subject, sample) in ground.rest(time)? {
                idle.add(subject, sample);
            }
        }
        Ok(())
    }

    fn turn(
        &self,
        bench: &Bench<'_>,
        rows: &mut Rows,
        ground: &Ground,
        player: &Player,
        turn: &str,
    ) -> Result<(), Error> {
        let name = format!("one-{turn}");
        let created = ground.create(player, std::slice::from_ref(&name))?;
        let completed = ground.complete(player, &name)?;
        ground.delete(player, &[name])?;
        let samples = [(self.one, created), (self.end, completed)];
        for (row, sample) in samples {
            if let Some(row) = rows.get(row) {
                row.add(player.subject, sample);
            }
        }
        if let Some(row) = self.many.and_then(|name| rows.get(name)) {
            let jobs = bench.arguments.sizes.karmada_jobs;
            let names: Vec<_> = (0..jobs).map(|job| format!("many-{turn}-{job}")).collect();
            row.add(player.subject, ground.create(player, &names)?);
            ground.delete(player, &names)?;
        }
        Ok(())
    }
}
