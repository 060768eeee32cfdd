//! Credential plugins: programs named in a kubeconfig that give a token or a certificate
//! (`client.authentication.k8s.io/v1` and `v1beta1`).
//!
//! A plugin is run once per command, arguments, environment and what it is told about the cluster,
//! whatever the number of clusters that use it; plugins that differ run side by side, those that
//! may ask the user something one after another.

use std::collections::HashMap;
use std::io::IsTerminal as _;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use http::Uri;
use jiff::Timestamp;
use jiff::fmt::temporal::Pieces;
use rustls::sign::CertifiedKey;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tokio::sync::{Mutex as AsyncMutex, Semaphore};

use super::error::Error;
use super::kubeconfig::{Cluster, Exec};
use super::redact::printable;
use super::tls::{Material, Tls};
use crate::os_error;

/// How many plugins run at once; each is a process, and many start a runtime of their own.
const SIDE_BY_SIDE: usize = 16;

/// The API group of what plugins are told and answer.
const GROUP: &str = "client.authentication.k8s.io";

/// The extension of a kubeconfig's cluster that is handed to plugins.
const EXTENSION: &str = "client.authentication.k8s.io/exec";

/// A plugin as the kubeconfig describes it.
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

/// What a plugin gave.
pub(super) struct Credential {
    pub token: Option<SecretString>,
    pub certificate: Option<Arc<CertifiedKey>>,
    expires: Option<Timestamp>,
}

/// Why there are no credentials, and what to do about it.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    pub cause: String,
    pub hint: Option<String>,
}

impl Trouble {
    pub fn new(cause: impl Into<String>) -> Self {
        Self { cause: cause.into(), hint: None }
    }
}

impl Plugin {
    /// Checks the description as kubectl does; `user` is for its messages.
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
                    "exec plugin of {user}: invalid apiVersion {other:?}, client.authentication.k8s.io/v1 and v1beta1 are known"
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

    /// What makes two plugins the same.
    fn key(&self) -> String {
        let env: Vec<_> =
            self.env.iter().map(|(name, value)| (name, value.expose_secret())).collect();
        json!([self.api_version, self.command, self.args, env, self.cluster]).to_string()
    }

    fn name(&self) -> String {
        printable(&self.command)
    }
}

/// What a plugin is told about the cluster where `provideClusterInfo` asks for it.
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

/// The plugins of a process and what each gave last.
pub(super) struct Plugins {
    known: Mutex<HashMap<String, Arc<AsyncMutex<Last>>>>,
    running: Semaphore,
    terminal: AsyncMutex<()>,
    stdin: bool,
    tls: Arc<Tls>,
}

/// What a plugin's last run gave; a failure keeps the moment it ended, for those who were waiting
/// for it.
#[derive(Default)]
enum Last {
    #[default]
    Nothing,
    Gave(Arc<Credential>),
    Failed(Instant, Trouble),
}

impl Plugins {
    /// `stdin` says whether plugins may read from standard input.
    pub fn new(stdin: bool, tls: Arc<Tls>) -> Self {
        Self {
            known: Mutex::default(),
            running: Semaphore::new(SIDE_BY_SIDE),
            terminal: AsyncMutex::new(()),
            stdin,
            tls,
        }
    }

    /// What the plugin gave, or gives now if that has expired.
    pub async fn ask(&self, plugin: &Plugin) -> Result<Arc<Credential>, Trouble> {
        self.credential(plugin, |last| {
            last.expires.is_none_or(|expires| Timestamp::now() < expires)
        })
        .await
    }

    /// What the plugin gives after the server refused `refused`; one run serves all who come with
    /// the same.
    pub async fn ask_again(
        &self,
        plugin: &Plugin,
        refused: &Arc<Credential>,
    ) -> Result<Arc<Credential>, Trouble> {
        self.credential(plugin, |last| !Arc::ptr_eq(last, refused)).await
    }

    async fn credential(
        &self,
        plugin: &Plugin,
        holds: impl Fn(&Arc<Credential>) -> bool,
    ) -> Result<Arc<Credential>, Trouble> {
        let asked = Instant::now();
        let entry = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.entry(plugin.key()).or_default().clone()
        };
        let mut last = entry.lock().await;
        match &*last {
            Last::Gave(credential) if holds(credential) => return Ok(credential.clone()),
            Last::Failed(ended, trouble) if *ended >= asked => return Err(trouble.clone()),
            _ => {}
        }
        match self.run(plugin).await {
            Ok(credential) => {
                let credential = Arc::new(credential);
                *last = Last::Gave(credential.clone());
                Ok(credential)
            }
            Err(trouble) => {
                *last = Last::Failed(Instant::now(), trouble.clone());
                Err(trouble)
            }
        }
    }

    async fn run(&self, plugin: &Plugin) -> Result<Credential, Trouble> {
        let terminal = self.stdin && std::io::stdin().is_terminal();
        let interactive = plugin.interactive != Interactive::Never && terminal;
        if plugin.interactive == Interactive::Always && !interactive {
            return Err(Trouble::new(
                "exec plugin cannot support interactive mode: standard input is not a terminal",
            ));
        }
        let _alone = if interactive { Some(self.terminal.lock().await) } else { None };
        let _place =
            self.running.acquire().await.map_err(|_| Trouble::new("no more plugins can be run"))?;
        tracing::debug!(command = %plugin.name(), interactive, "running a credential plugin");

        let mut spec = json!({ "interactive": interactive });
        if let Some(cluster) = &plugin.cluster {
            spec["cluster"] = cluster.clone();
        }
        let info =
            json!({ "kind": "ExecCredential", "apiVersion": plugin.api_version, "spec": spec });
        let mut command = tokio::process::Command::new(&plugin.command);
        command
            .args(&plugin.args)
            .envs(plugin.env.iter().map(|(name, value)| (name, value.expose_secret())))
            .env("KUBERNETES_EXEC_INFO", info.to_string())
            .stdin(if interactive { Stdio::inherit() } else { Stdio::null() })
            .stdout(Stdio::piped())
            // What it has to say goes to the user as it is, as in kubectl: it may ask to open a
            // page, or to log in.
            .stderr(Stdio::inherit())
            .kill_on_drop(true);
        let output = match command.spawn() {
            Ok(child) => child
                .wait_with_output()
                .await
                .map_err(|error| failed(plugin, &os_error::words(&error)))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let hint = plugin.install_hint.clone().unwrap_or_else(|| {
                    "It looks like you are trying to use a client-go credential plugin that is not installed.".into()
                });
                return Err(Trouble {
                    cause: format!("exec: executable {} not found", plugin.name()),
                    hint: Some(hint),
                });
            }
            Err(error) => {
                let cause = os_error::words(&error);
                return Err(Trouble::new(format!("exec: fork/exec {}: {cause}", plugin.name())));
            }
        };
        if !output.status.success() {
            let how = match output.status.code() {
                Some(code) => format!("failed with exit code {code}"),
                None => "was ended by a signal".to_owned(),
            };
            return Err(failed(plugin, &how));
        }
        self.read(plugin, &output.stdout)
    }

    /// Reads a plugin's answer. No error may quote it: what was cut short may hold a token all the
    /// same.
    fn read(&self, plugin: &Plugin, stdout: &[u8]) -> Result<Credential, Trouble> {
        let wrong = |how: &str| failed(plugin, &format!("gave no credential: {how}"));
        let answer: Value = serde_json::from_slice(stdout)
            .or_else(|_| serde_saphyr::from_slice(stdout))
            .map_err(|_| wrong("its output is neither JSON nor YAML"))?;
        if answer["kind"] != "ExecCredential" {
            return Err(wrong("its output is not an ExecCredential"));
        }
        if answer["apiVersion"] != plugin.api_version.as_str() {
            // Only what is surely a version is quoted.
            let known = ["v1", "v1beta1", "v1alpha1"].map(|version| format!("{GROUP}/{version}"));
            let returned = known.iter().find(|known| answer["apiVersion"] == known.as_str());
            return Err(Trouble::new(format!(
                "exec plugin is configured to use API version {}, plugin returned version {}",
                plugin.api_version,
                returned.map_or("unknown", String::as_str)
            )));
        }
        let text = |field: &str| answer["status"][field].as_str().filter(|text| !text.is_empty());
        let certificate = match (text("clientCertificateData"), text("clientKeyData")) {
            (Some(chain), Some(key)) => {
                let certified = self
                    .tls
                    .certified_pem(chain.as_bytes(), key.as_bytes())
                    .map_err(|cause| wrong(&cause))?;
                Some(Arc::new(certified))
            }
            (None, None) => None,
            _ => return Err(wrong("a certificate and its key come only together")),
        };
        let token = text("token").map(SecretString::from);
        if token.is_none() && certificate.is_none() {
            return Err(wrong("there is neither a token nor a certificate in its answer"));
        }
        let expires = text("expirationTimestamp")
            .map(expiration)
            .transpose()
            .map_err(|()| wrong("its expirationTimestamp is not a time"))?
            .flatten();
        Ok(Credential { token, certificate, expires })
    }
}

/// Reads an `expirationTimestamp` (RFC 3339). `None` means never: plugins that know no end give the
/// end of the year 9999 or a later time, which is beyond what [`Timestamp`] holds.
fn expiration(text: &str) -> Result<Option<Timestamp>, ()> {
    if let Ok(time) = text.parse() {
        return Ok(Some(time));
    }
    let year = text.split('-').next().unwrap_or_default();
    if year.len() > 4 && year.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    match Pieces::parse(text) {
        Ok(pieces) if pieces.date().year() == 9999 && pieces.offset().is_some() => Ok(None),
        _ => Err(()),
    }
}

fn failed(plugin: &Plugin, how: &str) -> Trouble {
    Trouble::new(format!("exec: executable {} {how}", plugin.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_is_too_late_to_be_held_is_never() {
        for (text, expected) in [
            ("2999-01-01T00:00:00Z", Ok(true)),
            ("9999-12-30T00:00:00Z", Ok(true)),
            ("9999-12-31T23:59:59Z", Ok(false)),
            ("9999-12-31T23:59:59.999999999Z", Ok(false)),
            ("9999-12-31T23:59:59-12:00", Ok(false)),
            ("9999-12-31T23:59:60Z", Ok(false)),
            ("10000-01-01T00:00:00Z", Ok(false)),
            ("292277026596-12-04T15:30:07Z", Ok(false)),
            ("9999-12-31T23:59:59", Err(())),
            ("9999-13-31T23:59:59Z", Err(())),
            ("2026-13-01T00:00:00Z", Err(())),
            ("noon", Err(())),
            ("-", Err(())),
        ] {
            assert_eq!(expiration(text).map(|time| time.is_some()), expected, "{text}");
        }
    }
}
