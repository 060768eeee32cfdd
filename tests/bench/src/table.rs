//! What was measured, as a table in Markdown.

use crate::rows::{Goal, Measure, Row, Subject};

/// What a table tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Times, memory and counts.
    Everything,
    /// What is the same however busy the machine is.
    Counts,
    /// Times and memory.
    Times,
}

impl Told {
    fn tells(self, measure: Measure) -> bool {
        match self {
            Self::Everything => true,
            Self::Counts => measure.is_count(),
            Self::Times => !measure.is_count(),
        }
    }
}

/// The table: a line for each program of each row.
pub fn markdown(rows: &[&Row], told: Told) -> String {
    let counts_only = told == Told::Counts;
    let columns: Vec<_> = COLUMNS.iter().filter(|(measure, ..)| told.tells(*measure)).collect();
    let mut heads = vec!["row", "program"];
    heads.extend(columns.iter().map(|(_, head, _)| *head));
    heads.extend((!counts_only).then_some("this build has of its wall, CPU, memory"));
    heads.push("goal of this build");
    let mut text = line(&heads) + &line(&vec!["---"; heads.len()]);
    for row in rows {
        for (n, subject) in row.samples.keys().enumerate() {
            let name = if n == 0 { format!("`{}`: {}", row.name, row.what) } else { String::new() };
            let mut cells = vec![name, subject.to_string()];
            cells.extend(columns.iter().map(|(measure, _, digits)| {
                let median = row.median(*subject, *measure);
                median.map_or_else(String::new, |value| format!("{value:.digits$}"))
            }));
            cells.extend((!counts_only).then(|| shares(row, *subject)));
            cells.push(goals(row, *subject, told));
            text += &line(&cells);
        }
    }
    text
}

fn line<T: AsRef<str>>(cells: &[T]) -> String {
    let cells: Vec<_> = cells.iter().map(AsRef::as_ref).collect();
    format!("| {} |\n", cells.join(" | "))
}

/// The measures, their heads, and with how many digits they are told.
const COLUMNS: [(Measure, &str, usize); 6] = [
    (Measure::Wall, "wall, s", 3),
    (Measure::Cpu, "CPU, s", 3),
    (Measure::Memory, "memory, MiB", 0),
    (Measure::Requests, "requests a member", 2),
    (Measure::Lists, "LISTs a member", 0),
    (Measure::Connections, "connections a member", 2),
];

/// What this build has of what another program took.
fn shares(row: &Row, subject: Subject) -> String {
    if subject == Subject::Ours {
        return String::new();
    }
    let share = |measure| {
        row.ratio(subject, measure).map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"))
    };
    [Measure::Wall, Measure::Cpu, Measure::Memory].map(share).join(", ")
}

/// The goals that are about a program: the absolute ones beside this build, each other one beside
/// the program that it compares with.
fn goals(row: &Row, subject: Subject, told: Told) -> String {
    let about =
        |goal: &&Goal| told.tells(goal.measure) && goal.of.unwrap_or(Subject::Ours) == subject;
    let goals = row.goals.iter().filter(about).map(|goal| reached(row, goal));
    goals.collect::<Vec<_>>().join("; ")
}

/// A goal, and whether it is met.
fn reached(row: &Row, goal: &Goal) -> String {
    let met = match row.reached(goal) {
        Some(reached) if reached <= goal.most => "met",
        Some(_) => "**not met**",
        None => "not measured",
    };
    format!("{} ≤ {}: {met}", goal.measure.name(), goal.most)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{fleet::Traffic, measure::Usage, rows::Sample};

    fn sample(milliseconds: u64) -> Sample {
        let time = Duration::from_millis(milliseconds);
        let usage = Usage { wall: time, cpu: time, memory: milliseconds << 20, succeeded: true };
        Sample { usage, traffic: Traffic { requests: 4.5, ..Traffic::default() } }
    }

    #[test]
    fn medians_are_compared_and_goals_are_told_beside_what_they_are_about() {
        let goal = |measure, of, most| Goal { measure, of, most };
        let goals = vec![
            goal(Measure::Requests, None, 4.0),
            goal(Measure::Wall, Some(Subject::Baseline), 0.4),
            goal(Measure::Memory, Some(Subject::Kubectl), 0.4),
        ];
        let mut row = Row::new("one", "a thing".to_owned(), goals);
        for (subject, times) in [(Subject::Ours, [10, 20, 900]), (Subject::Baseline, [50, 50, 50])]
        {
            for time in times {
                row.add(subject, sample(time));
            }
        }
        let rows = [&row];
        let told = |told| markdown(&rows, told).lines().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(
            told(Told::Counts)[..3],
            [
                "| row | program | requests a member | LISTs a member | connections a member | \
                 goal of this build |",
                "| --- | --- | --- | --- | --- | --- |",
                "| `one`: a thing | this build | 4.50 | 0 | 0.00 | \
                 requests a member ≤ 4: **not met** |",
            ]
        );
        let expected = [
            "| `one`: a thing | this build | 0.020 | 0.020 | 20 | 4.50 | 0 | 0.00 |  | \
             requests a member ≤ 4: **not met** |",
            "|  | older build | 0.050 | 0.050 | 50 | 4.50 | 0 | 0.00 | 0.40, 0.40, 0.40 | \
             wall ≤ 0.4: met |",
        ];
        assert_eq!(told(Told::Everything)[2..], expected);
        let times = "|  | older build | 0.050 | 0.050 | 50 | 0.40, 0.40, 0.40 | wall ≤ 0.4: met |";
        assert_eq!(told(Told::Times)[3], times);
    }
}
