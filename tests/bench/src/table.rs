//! What was measured, as a table in Markdown.

use std::fmt::Write as _;

use crate::rows::{Goal, Measure, Row, Subject};

const HEAD: &str = "\
| row | program | wall, s | CPU, s | memory, MiB | requests a member | LISTs a member | connections a member | this build has of its wall, CPU, memory | goal of this build |
|---|---|---|---|---|---|---|---|---|---|
";

/// The table: a line for each program of each row.
pub fn markdown(rows: &[Row]) -> String {
    let mut text = HEAD.to_owned();
    for row in rows {
        for (n, subject) in row.samples.keys().enumerate() {
            let name = if n == 0 { format!("`{}`: {}", row.name, row.what) } else { String::new() };
            let cells: Vec<String> =
                COLUMNS.iter().map(|column| column.cell(row, *subject)).collect();
            let (shares, goals) = (shares(row, *subject), goals(row, *subject));
            let cells = cells.join(" | ");
            let _ = writeln!(text, "| {name} | {subject} | {cells} | {shares} | {goals} |");
        }
    }
    text
}

/// A measure, and with how many digits it is told.
struct Column(Measure, usize);

const COLUMNS: [Column; 6] = [
    Column(Measure::Wall, 3),
    Column(Measure::Cpu, 3),
    Column(Measure::Memory, 0),
    Column(Measure::Requests, 2),
    Column(Measure::Lists, 0),
    Column(Measure::Connections, 2),
];

impl Column {
    fn cell(&self, row: &Row, subject: Subject) -> String {
        let Self(measure, digits) = *self;
        row.median(subject, measure).map_or_else(String::new, |value| format!("{value:.digits$}"))
    }
}

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
fn goals(row: &Row, subject: Subject) -> String {
    let about = |goal: &&Goal| goal.of.unwrap_or(Subject::Ours) == subject;
    let told = row.goals.iter().filter(about).map(|goal| told(row, goal));
    told.collect::<Vec<_>>().join("; ")
}

fn told(row: &Row, goal: &Goal) -> String {
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
        let lines: Vec<_> = markdown(&[row]).lines().skip(2).map(str::to_owned).collect();
        let expected = [
            "| `one`: a thing | this build | 0.020 | 0.020 | 20 | 4.50 | 0 | 0.00 |  | \
             requests a member ≤ 4: **not met** |",
            "|  | older build | 0.050 | 0.050 | 50 | 4.50 | 0 | 0.00 | 0.40, 0.40, 0.40 | \
             wall ≤ 0.4: met |",
        ];
        assert_eq!(lines, expected);
    }
}
