//! The user's kubeconfig files, merged by kubectl's rules.
//!
//! `--kubeconfig` names one file, which must exist. `KUBECONFIG` lists files, and missing ones are
//! skipped. Without either, the file is `~/.kube/config`. For each cluster, user and context, and
//! for the current context, the first file that has it wins. An empty value counts as missing.
//! Paths are relative to the file that holds them.

mod entry;
mod file;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

pub(super) use self::entry::{Cluster, Context, Exec, User};
use self::file::{Entries, File};
use super::error::Error;
use crate::os_error;

/// The merged content of the kubeconfig files.
#[derive(Debug, Clone, Default)]
pub struct Kubeconfig {
    current_context: Option<String>,
    contexts: Entries<Context>,
    clusters: Entries<Cluster>,
    users: Entries<User>,
    pub(super) environment: Environment,
}

/// The variables that matter for connections. They are read once, so that a command sees one state.
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
    pub(super) fn read(env: &dyn Fn(&str) -> Option<String>) -> Self {
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
    /// Reads and merges the files that `--kubeconfig` (`explicit`) or the environment names.
    ///
    /// An entry that cannot be read is reported where it is used, see [`Self::endpoint`]. Without
    /// any file the result is empty.
    ///
    /// # Errors
    /// [`Error::Kubeconfig`] for an explicit file that is missing, for a file that cannot be read,
    /// and for a file that is not a kubeconfig in YAML or JSON.
    pub fn load(
        explicit: Option<&Path>,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let mut merged = Self { environment: Environment::read(&env), ..Self::default() };
        if let Some(path) = explicit.filter(|path| !path.as_os_str().is_empty()) {
            let bytes = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
            merged.add(File::parse(&bytes, &absolute(path))?);
            return Ok(merged);
        }
        for path in candidates(&env) {
            match std::fs::read(&path) {
                Ok(bytes) => merged.add(File::parse(&bytes, &absolute(&path))?),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    tracing::debug!("kubeconfig {} does not exist", path.display());
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

    /// A context, if a file has one of that name, or what is wrong with it.
    pub(super) fn context(&self, name: &str) -> Result<Option<&Context>, Error> {
        find(&self.contexts, name)
    }

    /// A cluster, if a file has one of that name, or what is wrong with it.
    pub(super) fn cluster(&self, name: &str) -> Result<Option<&Cluster>, Error> {
        find(&self.clusters, name)
    }

    /// A user, if a file has one of that name, or what is wrong with it.
    pub(super) fn user(&self, name: &str) -> Result<Option<&User>, Error> {
        find(&self.users, name)
    }

    /// Adds a file of lower precedence than those before. What exists stays as it is, whole.
    fn add(&mut self, file: File) {
        let current = Some(file.current_context).filter(|name| !name.is_empty());
        self.current_context = self.current_context.take().or(current);
        merge(&mut self.clusters, file.clusters);
        merge(&mut self.contexts, file.contexts);
        merge(&mut self.users, file.users);
    }
}

fn find<'k, T>(entries: &'k Entries<T>, name: &str) -> Result<Option<&'k T>, Error> {
    entries.get(name).map(Result::as_ref).transpose().map_err(Clone::clone)
}

fn merge<T>(entries: &mut Entries<T>, more: Entries<T>) {
    for (name, entry) in more {
        entries.entry(name).or_insert(entry);
    }
}

/// The files to read, from the highest precedence to the lowest.
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
    Error::Kubeconfig { file: path.to_path_buf(), cause: os_error::words(error) }
}
