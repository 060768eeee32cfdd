//! One kubeconfig file as it is written: `k8s.io/client-go/tools/clientcmd/api/v1`.

use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;

use crate::cluster::error::Error;
use crate::cluster::redact;

/// A file's content; fields nobody knows are ignored, as kubectl does.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct File {
    pub kind: Option<String>,
    pub current_context: Option<String>,
    pub clusters: Option<Vec<NamedCluster>>,
    pub contexts: Option<Vec<NamedContext>>,
    pub users: Option<Vec<NamedUser>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct NamedCluster {
    pub name: String,
    pub cluster: Option<Cluster>,
}

#[derive(Debug, Deserialize)]
pub(super) struct NamedContext {
    pub name: String,
    pub context: Option<Context>,
}

#[derive(Debug, Deserialize)]
pub(super) struct NamedUser {
    pub name: String,
    pub user: Option<User>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(in crate::cluster) struct Cluster {
    pub server: Option<String>,
    pub tls_server_name: Option<String>,
    pub insecure_skip_tls_verify: Option<bool>,
    pub certificate_authority: Option<PathBuf>,
    pub certificate_authority_data: Option<String>,
    pub proxy_url: Option<String>,
    pub disable_compression: Option<bool>,
    pub extensions: Option<Vec<Extension>>,
}

#[derive(Debug, Clone, Deserialize)]
pub(in crate::cluster) struct Extension {
    pub name: String,
    #[serde(default)]
    pub extension: Value,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(in crate::cluster) struct Context {
    pub cluster: Option<String>,
    pub user: Option<String>,
    pub namespace: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(in crate::cluster) struct User {
    pub client_certificate: Option<PathBuf>,
    pub client_certificate_data: Option<String>,
    pub client_key: Option<PathBuf>,
    pub client_key_data: Option<SecretString>,
    pub token: Option<SecretString>,
    #[serde(rename = "tokenFile")]
    pub token_file: Option<PathBuf>,
    #[serde(rename = "as")]
    pub impersonate: Option<String>,
    #[serde(rename = "as-uid")]
    pub impersonate_uid: Option<String>,
    #[serde(rename = "as-groups")]
    pub impersonate_groups: Option<Vec<String>>,
    #[serde(rename = "as-user-extra")]
    pub impersonate_extra: Option<std::collections::BTreeMap<String, Vec<String>>>,
    pub username: Option<String>,
    pub password: Option<SecretString>,
    pub auth_provider: Option<AuthProvider>,
    pub exec: Option<Exec>,
}

#[derive(Debug, Clone, Deserialize)]
pub(in crate::cluster) struct AuthProvider {
    #[serde(default)]
    pub name: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::cluster) struct Exec {
    pub api_version: Option<String>,
    pub command: String,
    pub args: Option<Vec<String>>,
    pub env: Option<Vec<ExecEnv>>,
    pub install_hint: Option<String>,
    pub provide_cluster_info: Option<bool>,
    pub interactive_mode: Option<String>,
}

/// A variable of a plugin's environment; its value may be a secret.
#[derive(Debug, Clone, Deserialize)]
pub(in crate::cluster) struct ExecEnv {
    pub name: String,
    #[serde(default)]
    pub value: SecretString,
}

impl File {
    /// Reads a file's text and makes its paths absolute, relative to the folder the file is in.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        let fault = |at, cause| Error::Kubeconfig { file: path.to_path_buf(), at, cause };
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        // Without snippets: an error must not show the lines around it, there may be a token in
        // them.
        let options = serde_saphyr::options! {
            with_snippet: false,
            legacy_octal_numbers: true,
            duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::LastWins,
        };
        let file: Option<Self> =
            serde_saphyr::from_str_with_options(text, options).map_err(|error| {
                let at =
                    error.location().map(|l| (l.line(), l.column())).filter(|(line, _)| *line > 0);
                fault(at, cause_of(&error))
            })?;
        let mut file = file.unwrap_or_default();
        if let Some(kind) =
            file.kind.as_deref().filter(|kind| !kind.is_empty() && *kind != "Config")
        {
            return Err(fault(
                None,
                format!("its kind is {}, not Config", redact::printable(kind)),
            ));
        }
        file.no_name_twice().map_err(|cause| fault(None, cause))?;
        if let Some(folder) = path.parent() {
            file.resolve(folder);
        }
        Ok(file)
    }

    fn no_name_twice(&self) -> Result<(), String> {
        fn unique<'a>(list: &str, names: impl Iterator<Item = &'a str>) -> Result<(), String> {
            let mut seen = std::collections::BTreeSet::new();
            for name in names {
                if !seen.insert(name) {
                    return Err(format!("{list} has the name {name:?} twice"));
                }
            }
            Ok(())
        }
        unique("clusters", self.clusters.iter().flatten().map(|c| c.name.as_str()))?;
        unique("contexts", self.contexts.iter().flatten().map(|c| c.name.as_str()))?;
        unique("users", self.users.iter().flatten().map(|u| u.name.as_str()))
    }

    fn resolve(&mut self, folder: &Path) {
        let resolve = |path: &mut Option<PathBuf>| {
            if let Some(path) = path.as_mut().filter(|p| !p.as_os_str().is_empty()) {
                *path = folder.join(&*path);
            }
        };
        for cluster in self.clusters.iter_mut().flatten().filter_map(|c| c.cluster.as_mut()) {
            resolve(&mut cluster.certificate_authority);
        }
        for user in self.users.iter_mut().flatten().filter_map(|u| u.user.as_mut()) {
            resolve(&mut user.client_certificate);
            resolve(&mut user.client_key);
            resolve(&mut user.token_file);
            // A command without a slash is looked up in PATH instead.
            if let Some(exec) = user.exec.as_mut().filter(|e| e.command.contains('/')) {
                exec.command = folder.join(&exec.command).to_string_lossy().into_owned();
            }
        }
    }
}

/// The parser's sentence without its own position and without what it quotes of the file.
fn cause_of(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    let text = text.lines().next().unwrap_or_default();
    let text = text.rsplit_once(" at line ").map_or(text, |(sentence, _)| sentence);
    redact::printable(&redact::unquoted(text))
}
