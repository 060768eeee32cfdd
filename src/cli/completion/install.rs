//! `kubectl federate completion install`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::Args;

use super::WORD;
use crate::{
    cli::{World, private_file},
    error::{Error, Result},
    os_error,
};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Complete the arguments of kubectl federate
  kubectl federate completion install

  # Put the program into another folder of the PATH
  kubectl federate completion install --dir ~/bin";

/// What kubectl looks for on the PATH (kubectl 1.26 and later).
const PROGRAM: &str = "kubectl_complete-federate";

/// This plugin's own program.
const PLUGIN: &str = "kubectl-federate";

/// A line of each file that this verb has written.
const MARK: &str = "# Written by `kubectl federate completion install`.";

/// Write the program that kubectl runs to complete the arguments of this plugin
///
/// It is named kubectl_complete-federate, and is written into the folder of the PATH where
/// kubectl-federate is. It can be deleted at any time.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Install {
    /// The folder, which should be on the PATH
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Install {
    /// Writes the program, unless something else has its name.
    pub(super) fn run(self, world: &World) -> Result<()> {
        let searched = world.var("PATH").unwrap_or_default();
        let folder = match self.dir {
            Some(folder) => folder,
            None => folder_of_plugin(&searched).ok_or_else(|| {
                Error::new(format!("{PLUGIN} is not on the PATH"))
                    .hint("--dir names a folder of the PATH.")
            })?,
        };
        let path = folder.join(PROGRAM);
        let failed = |error: io::Error| {
            Error::new(format!("cannot write {}: {}", path.display(), os_error::words(&error)))
        };
        match fs::read_to_string(&path) {
            Ok(text) if text.contains(MARK) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() != io::ErrorKind::InvalidData => return Err(failed(error)),
            _ => {
                return Err(Error::new(format!("{} is of somebody else", path.display()))
                    .hint("Remove it, or name another folder with --dir."));
            }
        }
        // Credential plugins ask for nothing there, and nothing is printed beside what is typed.
        let script =
            format!("#!/bin/sh\n{MARK}\nexec {PLUGIN} {WORD} \"$@\" </dev/null 2>/dev/null\n");
        private_file::replace(&path, script.as_bytes()).map_err(failed)?;
        make_executable(&path).map_err(failed)?;
        world.output.line(format!("{} written", path.display()));
        if !std::env::split_paths(&searched).any(|it| it == folder) {
            let text =
                format!("{} is not on the PATH: kubectl finds nothing there", folder.display());
            world.output.warning(None, &text);
            return Ok(());
        }
        world.output.note(
            "Where kubectl's own completion is set up (kubectl completion --help), TAB completes \
             kubectl federate from now on.",
        );
        Ok(())
    }
}

/// The first folder of the PATH with this plugin's program.
fn folder_of_plugin(path: &str) -> Option<PathBuf> {
    std::env::split_paths(path).find(|folder| folder.join(PLUGIN).is_file())
}

#[cfg(unix)]
fn make_executable(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn make_executable(_: &Path) -> io::Result<()> {
    Ok(())
}
