//! The man pages: one for each command, made of what its help is made of.

use std::collections::BTreeMap;

use clap::Command;
use clap_mangen::{
    Man,
    roff::{Roff, roman},
};
use kubectl_federate::{
    cli::{self, VARIABLES},
    error::Exit,
    print::Output,
};

/// The pages by the names of their files.
pub fn pages() -> BTreeMap<String, Vec<u8>> {
    let mut pages = BTreeMap::new();
    add(&cli::command(&Output::captured().0), "kubectl federate", &mut pages);
    pages
}

fn add(command: &Command, path: &str, pages: &mut BTreeMap<String, Vec<u8>>) {
    for below in command.get_subcommands() {
        add(below, &format!("{path} {}", below.get_name()), pages);
    }
    pages.insert(format!("{}.1", path.replace(' ', "-")), page(command, path));
}

fn page(command: &Command, path: &str) -> Vec<u8> {
    let end = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
    let is_top = path == "kubectl federate";
    let name = path.replace(' ', "-");
    let command = command.clone().display_name(&name).bin_name(path);
    let has_commands = command.has_subcommands();
    let has_flags = command.get_arguments().any(|arg| !arg.is_hide_set());
    let man = Man::new(command)
        .title(name)
        .source(concat!("kubectl-federate ", env!("CARGO_PKG_VERSION")))
        .manual("kubectl federate");
    let mut text = Vec::new();
    let mut write = || {
        man.render_title(&mut text)?;
        man.render_name_section(&mut text)?;
        man.render_synopsis_section(&mut text)?;
        man.render_description_section(&mut text)?;
        if has_flags {
            man.render_options_section(&mut text)?;
        }
        if has_commands {
            man.render_subcommands_section(&mut text)?;
        }
        examples(&end).to_writer(&mut text)?;
        if is_top {
            exit_status().to_writer(&mut text)?;
            environment().to_writer(&mut text)?;
        }
        std::io::Result::Ok(())
    };
    write().expect("a vector takes all that is written");
    text
}

/// The examples that a help text ends with, line by line.
fn examples(end: &str) -> Roff {
    let mut roff = Roff::new();
    let examples = end.split_once("Examples:\n").map(|(_, rest)| rest.split("\n\nUse \"").next());
    if let Some(Some(lines)) = examples {
        roff.control("SH", ["EXAMPLES"]).control("nf", []);
        for line in lines.lines() {
            roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
        }
        roff.control("fi", []);
    }
    roff
}

fn exit_status() -> Roff {
    let entries = Exit::ALL.map(|exit| (exit.code().to_string(), exit.meaning()));
    section("EXIT STATUS", &entries)
}

fn environment() -> Roff {
    section("ENVIRONMENT", &VARIABLES.map(|(name, meaning)| (name.to_owned(), meaning)))
}

fn section(title: &str, entries: &[(String, &str)]) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", [title]);
    for (name, meaning) in entries {
        roff.control("TP", []).text([roman(name.as_str())]).text([roman(*meaning)]);
    }
    roff
}
