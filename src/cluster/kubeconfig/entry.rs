//! The entries of a kubeconfig file, as written: `k8s.io/client-go/tools/clientcmd/api/v1`.
//!
//! Fields that are not known are ignored. In every field, and in every item of a list, `null` means
//! the zero value, as in Go.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// An entry that may name files. Their paths are relative to the folder of the kubeconfig file.
pub(super) trait Entry: Default + for<'de> Deserialize<'de> {
    /// Makes the paths absolute.
    fn resolve(&mut self, folder: &Path);
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", expecting = "a mapping")]
pub(in crate::cluster) struct Cluster {
    pub server: Option<String>,
    pub tls_server_name: Option<String>,
    pub insecure_skip_tls_verify: Option<bool>,
    pub certificate_authority: Option<PathBuf>,
    pub certificate_authority_data: Option<String>,
    pub proxy_url: Option<String>,
    pub disable_compression: Option<bool>,
    #[serde(deserialize_with = "list")]
    pub extensions: Vec<Extension>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, expecting = "a mapping")]
pub(in crate::cluster) struct Extension {
    pub name: Option<String>,
    pub extension: Value,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, expecting = "a mapping")]
pub(in crate::cluster) struct Context {
    pub cluster: Option<String>,
    pub user: Option<String>,
    pub namespace: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", expecting = "a mapping")]
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
    #[serde(rename = "as-groups", deserialize_with = "list")]
    pub impersonate_groups: Vec<String>,
    #[serde(rename = "as-user-extra", deserialize_with = "map_of_lists")]
    pub impersonate_extra: BTreeMap<String, Vec<String>>,
    pub username: Option<String>,
    pub password: Option<SecretString>,
    pub auth_provider: Option<AuthProvider>,
    pub exec: Option<Exec>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, expecting = "a mapping")]
pub(in crate::cluster) struct AuthProvider {
    pub name: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "a mapping")]
pub(in crate::cluster) struct Exec {
    pub api_version: Option<String>,
    pub command: Option<String>,
    #[serde(deserialize_with = "list")]
    pub args: Vec<String>,
    #[serde(deserialize_with = "list")]
    pub env: Vec<ExecEnv>,
    pub install_hint: Option<String>,
    pub provide_cluster_info: Option<bool>,
    pub interactive_mode: Option<String>,
}

/// A variable in the environment of a plugin. Its value may be a secret.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, expecting = "a mapping")]
pub(in crate::cluster) struct ExecEnv {
    pub name: Option<String>,
    pub value: Option<SecretString>,
}

impl Entry for Cluster {
    fn resolve(&mut self, folder: &Path) {
        resolve(&mut self.certificate_authority, folder);
    }
}

impl Entry for Context {
    fn resolve(&mut self, _folder: &Path) {}
}

impl Entry for User {
    fn resolve(&mut self, folder: &Path) {
        for path in [&mut self.client_certificate, &mut self.client_key, &mut self.token_file] {
            resolve(path, folder);
        }
        // A command without a slash is looked up in PATH.
        if let Some(command) = self.exec.as_mut().and_then(|exec| exec.command.as_mut())
            && command.contains('/')
        {
            *command = folder.join(&*command).to_string_lossy().into_owned();
        }
    }
}

fn resolve(path: &mut Option<PathBuf>, folder: &Path) {
    if let Some(path) = path.as_mut().filter(|path| !path.as_os_str().is_empty()) {
        *path = folder.join(&*path);
    }
}

/// A list. It may be `null`, and so may its items.
fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(filled(Option::deserialize(deserializer)?))
}

fn map_of_lists<'de, D>(deserializer: D) -> Result<BTreeMap<String, Vec<String>>, D::Error>
where
    D: Deserializer<'de>,
{
    type Nullable = Option<BTreeMap<String, Option<Vec<Option<String>>>>>;
    let map = Nullable::deserialize(deserializer)?.unwrap_or_default();
    Ok(map.into_iter().map(|(key, items)| (key, filled(items))).collect())
}

fn filled<T: Default>(items: Option<Vec<Option<T>>>) -> Vec<T> {
    items.unwrap_or_default().into_iter().map(Option::unwrap_or_default).collect()
}
