//! Credential plugins: programs named in a kubeconfig that give a token or a certificate
//! (`client.authentication.k8s.io/v1` and `v1beta1`).
//!
//! [`Plugin`] is the description, [`Plugins`] runs each plugin once for all clusters that use it,
//! `answer` reads what a plugin prints, and [`PluginPolicy`] says which plugins may run.

mod answer;
mod policy;
mod run;

use http::Uri;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::error::Error;
use super::kubeconfig::{Cluster, Exec};
use super::redact::printable;
use super::tls::Material;

pub(super) use answer::Credential;
pub use policy::PluginPolicy;
pub(super) use run::Plugins;

/// The extension of a kubeconfig's cluster that is handed to plugins.
const EXTENSION: &str = "client.authentication.k8s.io/exec";

/// The description of a plugin in a kubeconfig.
#[derive(Debug, Clone)]
pub(super) struct Plugin {
    api_version: String,
    command: String,
    args: Vec<String>,
    env: Vec<(String, SecretString)>,
    install_hint: Option<String>,
    interactive: Interactive,
    cluster: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Interactive {
    Never,
    IfAvailable,
    Always,
}

/// Why there are no credentials, and what to do about it.
#[derive(Debug, Clone)]
pub(super) struct CredentialError {
    pub cause: String,
    pub hint: Option<String>,
}

impl CredentialError {
    pub fn new(cause: impl Into<String>) -> Self {
        Self { cause: cause.into(), hint: None }
    }
}

impl Plugin {
    /// Checks the description as kubectl does. `user` is the name for its messages.
    pub fn new(user: &str, exec: Exec, server: &Uri, cluster: &Cluster) -> Result<Self, Error> {
        let need = |field: &str| {
            Error::configuration(format!(
                "{field} must be specified for {user} to use exec authentication plugin"
            ))
        };
        let command = exec.command.filter(|c| !c.is_empty()).ok_or_else(|| need("command"))?;
        let api_version =
            exec.api_version.filter(|v| !v.is_empty()).ok_or_else(|| need("apiVersion"))?;
        let v1 = match api_version.as_str() {
            "client.authentication.k8s.io/v1" => true,
            "client.authentication.k8s.io/v1beta1" => false,
            other => {
                return Err(Error::configuration(format!(
                    "exec plugin of {user}: invalid apiVersion {other:?}, \
                    client.authentication.k8s.io/v1 \
                     and v1beta1 are known"
                )));
            }
        };
        let mut env = Vec::new();
        for variable in exec.env {
            let name = variable.name.filter(|name| !name.is_empty());
            let name = name.ok_or_else(|| need("env variable name"))?;
            env.push((name, variable.value.unwrap_or_default()));
        }
        let interactive = match exec.interactive_mode.as_deref().unwrap_or_default() {
            "Never" => Interactive::Never,
            "Always" => Interactive::Always,
            "" if v1 => return Err(need("interactiveMode")),
            "IfAvailable" | "" => Interactive::IfAvailable,
            other => {
                return Err(Error::configuration(format!(
                    "invalid interactiveMode for {user}: {other:?}"
                )));
            }
        };
        let cluster = exec
            .provide_cluster_info
            .unwrap_or(false)
            .then(|| cluster_info(server, cluster))
            .transpose()?;
        Ok(Self {
            api_version,
            command,
            args: exec.args,
            env,
            install_hint: exec
                .install_hint
                .filter(|hint| !hint.is_empty())
                .map(|hint| printable(&hint)),
            interactive,
            cluster,
        })
    }

    /// Two plugins with the same key get the same input.
    fn key(&self) -> String {
        let env: Vec<_> =
            self.env.iter().map(|(name, value)| (name, value.expose_secret())).collect();
        json!([self.api_version, self.command, self.args, env, self.cluster]).to_string()
    }

    fn name(&self) -> String {
        printable(&self.command)
    }
}

/// What a plugin is told about the cluster, if `provideClusterInfo` asks for it.
fn cluster_info(server: &Uri, cluster: &Cluster) -> Result<Value, Error> {
    use base64::Engine as _;
    let mut info = serde_json::Map::new();
    info.insert("server".into(), server.to_string().trim_end_matches('/').into());
    if let Some(name) = &cluster.tls_server_name {
        info.insert("tls-server-name".into(), name.as_str().into());
    }
    if cluster.insecure_skip_tls_verify == Some(true) {
        info.insert("insecure-skip-tls-verify".into(), true.into());
    }
    if let Some(data) = &cluster.certificate_authority_data {
        info.insert("certificate-authority-data".into(), data.as_str().into());
    } else if let Some(path) = &cluster.certificate_authority {
        let pem = Material::File(path.clone())
            .read("certificate-authority")
            .map_err(Error::configuration)?;
        let data = base64::engine::general_purpose::STANDARD.encode(pem.expose_secret());
        info.insert("certificate-authority-data".into(), data.into());
    }
    if let Some(url) = &cluster.proxy_url {
        info.insert("proxy-url".into(), url.as_str().into());
    }
    if cluster.disable_compression == Some(true) {
        info.insert("disable-compression".into(), true.into());
    }
    if let Some(extension) =
        cluster.extensions.iter().find(|extension| extension.name.as_deref() == Some(EXTENSION))
    {
        info.insert("config".into(), extension.extension.clone());
    }
    Ok(info.into())
}

/// An error that names the plugin.
fn failed(plugin: &Plugin, problem: &str) -> CredentialError {
    CredentialError::new(format!("exec: executable {} {problem}", plugin.name()))
}
