//! The user's kubeconfig files, merged by kubectl's rules.
//!
//! `KUBECONFIG` is a list of files of which missing ones are skipped, `--kubeconfig` is one file
//! that must be there, and without either it is `~/.kube/config`. The first file that has a
//! cluster, user or context of some name, or a current context, wins; an empty value counts as
//! none. Paths are relative to the file they are in.

mod file;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use self::file::File;
pub(super) use self::file::{Cluster, Context, Exec, User};
use super::error::Error;
use crate::os_error;

/// All that the kubeconfig files say, merged.
#[derive(Debug, Clone, Default)]
pub struct Kubeconfig {
    pub(super) current_context: Option<String>,
    pub(super) contexts: BTreeMap<String, Context>,
    pub(super) clusters: BTreeMap<String, Cluster>,
    pub(super) users: BTreeMap<String, User>,
    pub(super) environment: Environment,
}

/// What the environment says about connections; read once, so that one command sees one state.
#[derive(Debug, Clone, Default)]
pub(super) struct Environment {
    pub https_proxy: Option<String>,
    pub http_proxy: Option<String>,
    pub no_proxy: Option<String>,
    pub service_host: Option<String>,
    pub service_port: Option<String>,
    pub pod_namespace: Option<String>,
}

impl Environment {
    fn read(env: &dyn Fn(&str) -> Option<String>) -> Self {
        let either = |upper: &str, lower: &str| {
            env(upper).filter(|value| !value.is_empty()).or_else(|| env(lower))
        };
        Self {
            https_proxy: either("HTTPS_PROXY", "https_proxy"),
            http_proxy: either("HTTP_PROXY", "http_proxy"),
            no_proxy: either("NO_PROXY", "no_proxy"),
            service_host: env("KUBERNETES_SERVICE_HOST"),
            service_port: env("KUBERNETES_SERVICE_PORT"),
            pod_namespace: env("POD_NAMESPACE"),
        }
    }
}

impl Kubeconfig {
    /// Reads and merges the files that `--kubeconfig`, or else the environment, names.
    ///
    /// # Errors
    /// [`Error::Kubeconfig`] for an explicit file that is missing, and for any file that is there
    /// and cannot be read or understood, with line and column where they are known. No file at all
    /// is not an error: see [`Self::endpoint`].
    pub fn load(
        explicit: Option<&Path>,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let mut merged = Self { environment: Environment::read(&env), ..Self::default() };
        if let Some(path) = explicit.filter(|path| !path.as_os_str().is_empty()) {
            let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
            merged.add(File::parse(&text, &absolute(path))?);
            return Ok(merged);
        }
        for path in candidates(&env) {
            match std::fs::read_to_string(&path) {
                Ok(text) => merged.add(File::parse(&text, &absolute(&path))?),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    tracing::debug!("kubeconfig {} is not there", path.display());
                }
                Err(error) => return Err(unreadable(&path, &error)),
            }
        }
        Ok(merged)
    }

    /// The name of the current context, if one is set.
    pub fn current_context(&self) -> Option<&str> {
        self.current_context.as_deref()
    }

    /// The names of the contexts, sorted.
    pub fn contexts(&self) -> impl Iterator<Item = &str> {
        self.contexts.keys().map(String::as_str)
    }

    /// Adds a file of less precedence than those before: what is there already stays, whole.
    fn add(&mut self, file: File) {
        let current = file.current_context.filter(|name| !name.is_empty());
        self.current_context = self.current_context.take().or(current);
        for named in file.clusters.into_iter().flatten() {
            self.clusters.entry(named.name).or_insert_with(|| named.cluster.unwrap_or_default());
        }
        for named in file.contexts.into_iter().flatten() {
            self.contexts.entry(named.name).or_insert_with(|| named.context.unwrap_or_default());
        }
        for named in file.users.into_iter().flatten() {
            self.users.entry(named.name).or_insert_with(|| named.user.unwrap_or_default());
        }
    }
}

/// The files to look at, of falling precedence.
fn candidates(env: &impl Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = Vec::new();
    if let Some(list) = env("KUBECONFIG").filter(|list| !list.is_empty()) {
        for path in std::env::split_paths(&list).filter(|path| !path.as_os_str().is_empty()) {
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
    } else {
        let home = env("HOME").or_else(|| env("USERPROFILE")).filter(|home| !home.is_empty());
        paths.extend(home.map(|home| Path::new(&home).join(".kube").join("config")));
    }
    paths
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    let cause = match error.kind() {
        io::ErrorKind::InvalidData => "not a text in UTF-8".to_owned(),
        _ => os_error::words(error),
    };
    Error::Kubeconfig { file: path.to_path_buf(), at: None, cause }
}
