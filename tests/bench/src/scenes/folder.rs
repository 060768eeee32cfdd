//! A folder for the files of a scene, and the programs that are run in it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Error,
    measure::{Usage, measure},
};

/// The folder. It is removed when it is dropped.
pub(super) struct Folder(tempfile::TempDir);

impl Folder {
    /// An empty one.
    pub fn new() -> Result<Self, Error> {
        Ok(Self(tempfile::tempdir()?))
    }

    /// Writes a file.
    pub fn write(&self, file: &str, text: &str) -> Result<String, Error> {
        let path = self.path(file);
        fs::write(&path, text)?;
        Ok(path.display().to_string())
    }

    /// A file, which need not be there.
    pub fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    /// The kubeconfig that programs get.
    pub fn kubeconfig(&self) -> PathBuf {
        self.path("kubeconfig")
    }

    /// A program in an environment of its own.
    pub fn command(&self, program: &Path, home: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("HOME", home).env("KUBECONFIG", self.kubeconfig());
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command
    }

    /// Runs a command that must succeed.
    pub fn run(&self, command: &Command) -> Result<Usage, Error> {
        let errors = self.path("errors");
        let usage = measure(command, &errors)?;
        if usage.succeeded {
            return Ok(usage);
        }
        let told = fs::read_to_string(errors).unwrap_or_default();
        let program = command.get_program().display().to_string();
        let words: Vec<_> =
            command.get_args().take(3).map(|word| word.display().to_string()).collect();
        let told = told.lines().take(5).collect::<Vec<_>>().join("\n");
        Err(format!("{program} {} failed:\n{told}", words.join(" ")).into())
    }
}
