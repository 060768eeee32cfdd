//! The benchmark measures what it says: it runs on a tiny fleet, and counts are held, not times.

use std::process::ExitCode;

use bench::{
    arguments::Arguments,
    rows::{Measure, Row, Subject},
    scenes,
    table::Told,
};
use clap::Parser as _;
use libtest_mimic::{Arguments as Filters, Failed, Trial};

/// A fleet of two members, at one millisecond.
const TINY: [&str; 13] = [
    "bench",
    "--rounds=1",
    "--round-trip=1",
    "--jobs=2",
    "--jobs-members=2",
    "--wide-members=2",
    "--silent-members=2",
    "--all-jobs=3",
    "--all-members=2",
    "--kubectl-members=2",
    "--client-go-members=2",
    "--plan-members=10",
    "--starts=1",
];

fn main() -> ExitCode {
    if let Some(code) = bench::part() {
        return code;
    }
    let trials = vec![
        Trial::test("many Jobs, and one over many members, beside another build", verbs),
        Trial::test("a look while a member is silent", silent),
        Trial::test("all Jobs of a federation, and a plan", alone),
        Trial::test("rows are chosen by words of their names", || {
            flags();
            Ok(())
        }),
    ];
    libtest_mimic::run(&Filters::from_args(), trials).exit_code()
}

/// Measures rows on a tiny fleet.
fn rows(more: &[&str]) -> Result<Vec<Row>, Failed> {
    let ours = concat!("--ours=", env!("CARGO_BIN_EXE_kubectl-federate"));
    let words = TINY.iter().chain([&ours]).chain(more);
    let measured = scenes::measure(&Arguments::parse_from(words))?;
    match measured.errors.into_iter().next() {
        Some(error) => Err(error.to_string().into()),
        None => Ok(measured.rows),
    }
}

/// A count of a row, for a build.
fn count(rows: &[Row], name: &str, subject: Subject, measure: Measure) -> Result<f64, Failed> {
    let row = rows.iter().find(|row| row.name == name).ok_or(format!("no row {name}"))?;
    Ok(row.median(subject, measure).ok_or(format!("{subject} is not in the row {name}"))?)
}

/// The names of rows that were measured.
fn names(rows: &[Row]) -> Vec<&str> {
    rows.iter().map(|row| row.name).collect()
}

fn verbs() -> Result<(), Failed> {
    let older = concat!("--baseline=", env!("CARGO_BIN_EXE_kubectl-federate"));
    let rows = rows(&["--only=jobs-,wide-", older])?;
    let expected = [
        "jobs-create",
        "jobs-apply",
        "jobs-scale",
        "jobs-suspend",
        "jobs-delete",
        "wide-create",
        "wide-get",
        "wide-reconcile",
        "wide-delete",
    ];
    assert_eq!(names(&rows), expected);
    for name in expected {
        let of = |subject, measure| count(&rows, name, subject, measure);
        for measure in [Measure::Requests, Measure::Lists, Measure::Connections] {
            let (ours, older) = (of(Subject::Ours, measure)?, of(Subject::Baseline, measure)?);
            assert!((ours - older).abs() < f64::EPSILON, "{name}: one build, counted twice");
        }
        let is_one = |count: f64| (count - 1.0).abs() < f64::EPSILON;
        assert!(
            is_one(of(Subject::Ours, Measure::Connections)?),
            "{name}: a member is dialled once"
        );
        assert!(of(Subject::Ours, Measure::Lists)? <= 1.0, "{name}: a member is listed once");
        assert!(of(Subject::Ours, Measure::Memory)? > 1.0, "{name}");
    }
    // Identity, two rehearsals, a question about rights, creation and start are a request each; a
    // look is an identity and a list.
    for (name, most) in [("wide-create", 6.0), ("wide-get", 2.0), ("wide-reconcile", 2.0)] {
        let asked = count(&rows, name, Subject::Ours, Measure::Requests)?;
        assert!((1.0..=most).contains(&asked), "{name}: {asked} requests a member");
    }
    let rows: Vec<&Row> = rows.iter().collect();
    let text = bench::table::markdown(&rows, Told::Everything);
    assert_eq!(text.lines().count(), 2 + 2 * rows.len(), "{text}");
    assert_eq!(bench::picture::svg(&rows).matches("class=\"ours\"").count(), rows.len());
    Ok(())
}

fn silent() -> Result<(), Failed> {
    let rows = rows(&["--only=silent-get"])?;
    // One of two members is asked for its identity and its Jobs; nothing of the other is heard.
    assert!(count(&rows, "silent-get", Subject::Ours, Measure::Requests)? <= 1.0);
    assert!(count(&rows, "silent-get", Subject::Ours, Measure::Connections)? >= 1.0);
    Ok(())
}

fn alone() -> Result<(), Failed> {
    let rows = rows(&["--only=all-,plan"])?;
    assert_eq!(names(&rows), ["all-reconcile", "plan"]);
    assert!(count(&rows, "all-reconcile", Subject::Ours, Measure::Requests)? >= 2.0);
    Ok(())
}

fn flags() {
    let arguments = Arguments::parse_from(TINY);
    assert!(arguments.wants("jobs-create"), "all rows, unless some are named");
    let some = Arguments::parse_from(["bench", "--only=wide,silent-get"]);
    let wanted = ["wide-get", "silent-get", "silent-describe"].map(|row| some.wants(row));
    assert_eq!(wanted, [true, true, false]);
    // Karmada is built and started for these rows.
    for unasked in ["--rounds=1", "--only=one", "--only=many-3,wide", "--counts"] {
        let some = Arguments::parse_from(["bench", unasked]);
        assert!(!some.wants("karmada-one-3") && !some.wants("karmada-many-3"), "{unasked}");
    }
    let some = Arguments::parse_from(["bench", "--only=karmada-one"]);
    let wanted = ["karmada-one-3", "karmada-one-6", "karmada-many-3"].map(|row| some.wants(row));
    assert_eq!(wanted, [true, true, false]);
    assert!(!some.wants("wide-get"));
}
