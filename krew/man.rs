//! Writes the man pages that a release has: `cargo run --example man -- FOLDER`.

mod pages;

use std::{env, fs, path::PathBuf, process::ExitCode};

fn main() -> ExitCode {
    let Some(folder) = env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: cargo run --example man -- FOLDER");
        return ExitCode::FAILURE;
    };
    let written = fs::create_dir_all(&folder).and_then(|()| {
        pages::pages().into_iter().try_for_each(|(name, page)| fs::write(folder.join(name), page))
    });
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: writing to {}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}
