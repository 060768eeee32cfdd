//! Users to whose clusters nothing leads but the flags of each command.

use std::{cell::Cell, fmt::Write as _};

/// The flags, and where the kubeconfig is.
const FLAGS: [&str; 1] = ["--kubeconfig=~/f g.kc"];
const KUBECONFIG: &str = "f g.kc";

std::thread_local! {
    static ARE_NEEDED: Cell<bool> = const { Cell::new(false) };
}

/// While it lives, in this thread, nothing leads to the clusters of a new stage but flags. Typed
/// commands get them.
pub struct ByFlags(());

impl ByFlags {
    pub fn new() -> Self {
        ARE_NEEDED.set(true);
        Self(())
    }
}

impl Drop for ByFlags {
    fn drop(&mut self) {
        ARE_NEEDED.set(false);
    }
}

/// The flags that typed commands need now.
pub fn now() -> &'static [&'static str] {
    if ARE_NEEDED.get() { &FLAGS } else { &[] }
}

/// The place of a file of the home directory: the kubeconfig is elsewhere where flags are needed.
pub fn place<'f>(file: &'f str, flags: &[&str]) -> &'f str {
    if file == ".kube/config" && !flags.is_empty() { KUBECONFIG } else { file }
}

/// A typed command line with those of the flags that it lacks.
pub fn completed(command: &str, flags: &[&str]) -> String {
    let lacks = |flag: &&&str| {
        let name = flag.split_once('=').map_or(**flag, |(name, _)| name);
        !command.split(' ').any(|word| word.starts_with(name))
    };
    let mut line = command.to_owned();
    for flag in flags.iter().filter(lacks) {
        let _ = write!(line, " '{flag}'");
    }
    line
}
