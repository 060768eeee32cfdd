//! Who creates, waits for and deletes Jobs: a build of kubectl-federate, or `kubectl` with Karmada.

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use super::super::folder::Folder;
use crate::{Error, program::Build, rows::Subject};

/// The namespaces of the Jobs: of federated ones, and of those that Karmada propagates.
pub(super) const FEDERATED: &str = "federated";
pub(super) const PROPAGATED: &str = "propagated";

/// One who does the whole row.
pub(super) struct Player {
    pub subject: Subject,
    program: PathBuf,
    /// What is said before the verb.
    words: &'static [&'static str],
    home: PathBuf,
    kubeconfig: PathBuf,
}

impl Player {
    /// A build that is called itself, with a home of its own.
    pub fn of_build(build: &Build, folder: &Folder) -> Result<Self, Error> {
        let home = folder.path(&format!("home-{}", build.subject as usize));
        fs::create_dir(&home)?;
        let (program, kubeconfig) = (fs::canonicalize(&build.path)?, folder.kubeconfig());
        Ok(Self { subject: build.subject, program, words: &["job"], home, kubeconfig })
    }

    /// A build that kubectl calls, with the same home.
    pub fn by_kubectl(&self, kubectl: &Path) -> Result<Self, Error> {
        let plugins = self.home.join(PLUGINS);
        fs::create_dir(&plugins)?;
        symlink(&self.program, plugins.join("kubectl-federate"))?;
        Ok(Self {
            subject: Subject::Plugin,
            program: kubectl.to_owned(),
            words: &["federate", "job"],
            home: self.home.clone(),
            kubeconfig: self.kubeconfig.clone(),
        })
    }

    /// kubectl with Karmada.
    pub fn of_karmada(kubectl: &Path, kubeconfig: PathBuf, folder: &Folder) -> Result<Self, Error> {
        let home = folder.path("home-karmada");
        fs::create_dir(&home)?;
        let (subject, program) = (Subject::Karmada, kubectl.to_owned());
        Ok(Self { subject, program, words: &[], home, kubeconfig })
    }

    /// Whether it needs Karmada.
    pub fn is_karmada(&self) -> bool {
        self.subject == Subject::Karmada
    }

    /// The namespace of its Jobs.
    pub fn namespace(&self) -> &'static str {
        if self.is_karmada() { PROPAGATED } else { FEDERATED }
    }

    /// Any command line of the program.
    pub fn command<'a>(
        &self,
        folder: &Folder,
        words: impl IntoIterator<Item = &'a str>,
    ) -> Command {
        let mut command = folder.command(&self.program, &self.home);
        let path = env::var_os("PATH").unwrap_or_default();
        let plugins = [self.home.join(PLUGINS)].into_iter();
        // A PATH that cannot be joined has names with colons, which no shell could have set.
        if let Ok(path) = env::join_paths(plugins.chain(env::split_paths(&path))) {
            command.env("PATH", path);
        }
        command.env("KUBECONFIG", &self.kubeconfig).args(words);
        command
    }

    /// Creates the Jobs of a file.
    pub fn apply(&self, folder: &Folder, file: &str) -> Command {
        let mut command = self.command(folder, self.words.iter().copied());
        command.args(["apply", "-f", file]);
        command
    }

    /// Waits until a Job is shown as Complete.
    pub fn wait(&self, folder: &Folder, name: &str) -> Command {
        let mut command = self.command(folder, self.words.iter().copied());
        command.args(["wait", "--for=condition=complete", "--timeout=90s"]);
        command.args(["--namespace", self.namespace()]);
        command.arg(if self.is_karmada() { format!("job/{name}") } else { name.to_owned() });
        command
    }

    /// Deletes Jobs.
    pub fn delete(&self, folder: &Folder, names: &[String]) -> Command {
        let mut command = self.command(folder, self.words.iter().copied());
        command.args(["delete", "--cascade=background", "--namespace", self.namespace()]);
        command.args(self.is_karmada().then_some("job")).args(names);
        command
    }
}

/// Where kubectl finds the plugin, in the home.
const PLUGINS: &str = "plugins";
