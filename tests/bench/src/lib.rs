//! How fast kubectl-federate is: this build, beside an older one and what else people use, on
//! simulated clusters that are far away; and, where that is asked for, beside Karmada on real ones.
//!
//! | module | what it holds |
//! |---|---|
//! | [`arguments`] | what is to be measured: rows, sizes, rounds, programs |
//! | [`fleet`] | the clusters, in a process of their own |
//! | [`measure`] | a program's time, CPU and memory, in a process of its own |
//! | [`program`] | the programs that are measured, and their command lines |
//! | [`scenes`] | what each row does, step by step |
//! | [`rows`] | samples, medians and goals |
//! | [`table`], [`picture`] | how they are written |
//! | [`plans`] | Jobs for the planner alone |
//!
//! One executable has three parts: `bench`, which measures; `bench fleet`, the clusters; and
//! `bench measure`, which runs one program. A test that uses this library begins with [`part`], so
//! that it has the other parts too.

pub mod arguments;
pub mod fleet;
pub mod measure;
pub mod picture;
pub mod plans;
pub mod program;
pub mod rows;
pub mod scenes;
pub mod table;

use std::{ffi::OsString, process::ExitCode};

use clap::Parser as _;

use arguments::{Arguments, Write};
use rows::Table;
use table::Told;

/// What went wrong, for the one who measures.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// Measures what the command line says, and prints or writes the table; or is another part.
pub fn main() -> ExitCode {
    if let Some(code) = part() {
        return code;
    }
    match run(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => failed(&error),
    }
}

/// Where the command line asks for another part than the measuring one, that part runs, and its
/// exit code is given.
pub fn part() -> Option<ExitCode> {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let done = match words.first()?.to_str()? {
        fleet::PART => fleet::serve(&words[1..]),
        measure::PART => measure::run(&words[1..]),
        _ => return None,
    };
    Some(done.map_or_else(|error| failed(&error), |()| ExitCode::SUCCESS))
}

fn failed(error: &Error) -> ExitCode {
    eprintln!("{error}");
    ExitCode::FAILURE
}

fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    let measured = scenes::measure(arguments)?;
    for error in &measured.errors {
        eprintln!("{error}");
    }
    for table in Table::ALL {
        let rows: Vec<_> =
            measured.rows.iter().filter(|row| Table::of(row.name) == table).collect();
        if rows.is_empty() {
            continue;
        }
        let told = match table {
            Table::Karmada => Told::Times,
            Table::Simulated if arguments.counts => Told::Counts,
            Table::Simulated => Told::Everything,
        };
        let text = table::markdown(&rows, told);
        println!("{text}");
        if let Some(page) = &arguments.write {
            let picture = (told == Told::Everything).then(|| picture::svg(&rows));
            Write { page, table, text: &text, picture: picture.as_deref() }.write()?;
        }
    }
    let whole = measured.errors.is_empty();
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
