//! Runs plugins, each once, and keeps what it gave.

use std::collections::HashMap;
use std::io::IsTerminal as _;
use std::path::Path;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use tokio::time::{timeout, timeout_at};

use super::{Credential, CredentialError, Interactive, Plugin, PluginPolicy, failed};
use crate::cluster::tls::Tls;
use crate::os_error;

/// How many plugins are started side by side. Each is a process, and many start a runtime.
const SIDE_BY_SIDE: usize = 16;

/// After this time a plugin no longer counts among those: it waits for something, and others need
/// not wait for it.
const COUNTED: Duration = Duration::from_secs(2);

/// How long a plugin may take that cannot ask the user.
const TIME_LIMIT: Duration = Duration::from_mins(1);

/// How much a plugin may print, in bytes.
const MAX_OUTPUT: u64 = 1 << 20;

/// The plugins of a process and the last answer of each.
///
/// A plugin is run once for all clusters that give it the same command, arguments, environment and
/// cluster information. Different plugins run side by side. Those that may ask the user run one
/// after another.
pub(in crate::cluster) struct Plugins {
    known: Mutex<HashMap<String, Arc<AsyncMutex<Last>>>>,
    starting: Semaphore,
    terminal: AsyncMutex<()>,
    stdin: bool,
    policy: PluginPolicy,
    tls: Arc<Tls>,
}

/// The result of the last run. A failure holds for those who waited while the plugin ran.
#[derive(Default)]
enum Last {
    #[default]
    NotRun,
    Gave(Arc<Credential>),
    Failed(Instant, CredentialError),
}

impl Plugins {
    /// `stdin` says whether plugins may read from standard input, `policy` which may run.
    pub fn new(stdin: bool, policy: PluginPolicy, tls: Arc<Tls>) -> Self {
        Self {
            known: Mutex::default(),
            starting: Semaphore::new(SIDE_BY_SIDE),
            terminal: AsyncMutex::new(()),
            stdin,
            policy,
            tls,
        }
    }

    /// The last answer of the plugin, or a new one if that has expired.
    pub async fn ask(&self, plugin: &Plugin) -> Result<Arc<Credential>, CredentialError> {
        self.credential(plugin, |last| {
            last.expires.is_none_or(|expires| Timestamp::now() < expires)
        })
        .await
    }

    /// The answer of the plugin after the server refused `refused`. One run serves all callers that
    /// were refused with the same answer.
    pub async fn ask_again(
        &self,
        plugin: &Plugin,
        refused: &Arc<Credential>,
    ) -> Result<Arc<Credential>, CredentialError> {
        self.credential(plugin, |last| !Arc::ptr_eq(last, refused)).await
    }

    async fn credential(
        &self,
        plugin: &Plugin,
        is_valid: impl Fn(&Arc<Credential>) -> bool,
    ) -> Result<Arc<Credential>, CredentialError> {
        let asked = Instant::now();
        let entry = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.entry(plugin.key()).or_default().clone()
        };
        let mut last = entry.lock().await;
        match &*last {
            Last::Gave(credential) if is_valid(credential) => return Ok(credential.clone()),
            Last::Failed(ended, error) if *ended >= asked => return Err(error.clone()),
            _ => {}
        }
        match self.run(plugin).await {
            Ok(credential) => {
                let credential = Arc::new(credential);
                *last = Last::Gave(credential.clone());
                Ok(credential)
            }
            Err(error) => {
                *last = Last::Failed(Instant::now(), error.clone());
                Err(error)
            }
        }
    }

    async fn run(&self, plugin: &Plugin) -> Result<Credential, CredentialError> {
        let terminal = self.stdin && std::io::stdin().is_terminal();
        let interactive = plugin.interactive != Interactive::Never && terminal;
        if plugin.interactive == Interactive::Always && !interactive {
            return Err(CredentialError::new(
                "exec plugin cannot support interactive mode: standard input is not a terminal",
            ));
        }
        let path = std::env::var("PATH").unwrap_or_default();
        let program = &self.policy.permit(&plugin.command, &path)?;
        tracing::debug!(command = %plugin.name(), interactive, "running a credential plugin");
        let (status, stdout) = if interactive {
            let _alone = self.terminal.lock().await;
            output(plugin, start(plugin, program, true)?).await?
        } else {
            self.output_in_time(plugin, program).await?
        };
        if !status.success() {
            let problem = match status.code() {
                Some(code) => format!("failed with exit code {code}"),
                None => "was ended by a signal".to_owned(),
            };
            return Err(failed(plugin, &problem));
        }
        Credential::read(plugin, &stdout, &self.tls)
    }

    async fn output_in_time(
        &self,
        plugin: &Plugin,
        program: &Path,
    ) -> Result<(ExitStatus, Vec<u8>), CredentialError> {
        let closed = |_| CredentialError::new("no more plugins can be run");
        let place = self.starting.acquire().await.map_err(closed)?;
        let end = tokio::time::Instant::now() + TIME_LIMIT;
        let mut output = pin!(output(plugin, start(plugin, program, false)?));
        if let Ok(done) = timeout(COUNTED, &mut output).await {
            return done;
        }
        drop(place);
        timeout_at(end, output).await.unwrap_or_else(|_| {
            let problem = format!("gave no credential within {} s", TIME_LIMIT.as_secs());
            let hint = "Run the plugin in a terminal to see what it waits for.".to_owned();
            Err(CredentialError { hint: Some(hint), ..failed(plugin, &problem) })
        })
    }
}

fn start(plugin: &Plugin, program: &Path, interactive: bool) -> Result<Child, CredentialError> {
    let mut spec = json!({ "interactive": interactive });
    if let Some(cluster) = &plugin.cluster {
        spec["cluster"] = cluster.clone();
    }
    let info = json!({ "kind": "ExecCredential", "apiVersion": plugin.api_version, "spec": spec });
    let mut command = Command::new(program);
    command
        .args(&plugin.args)
        .envs(plugin.env.iter().map(|(name, value)| (name, value.expose_secret())))
        .env("KUBERNETES_EXEC_INFO", info.to_string())
        .stdin(if interactive { Stdio::inherit() } else { Stdio::null() })
        .stdout(Stdio::piped())
        // As in kubectl, its messages go to the user as they are: it may ask to open a page.
        .stderr(Stdio::inherit())
        .kill_on_drop(true);
    command.spawn().map_err(|error| {
        let name = plugin.name();
        if error.kind() != std::io::ErrorKind::NotFound {
            let cause = os_error::words(&error);
            return CredentialError::new(format!("exec: fork/exec {name}: {cause}"));
        }
        let hint = plugin.install_hint.clone().unwrap_or_else(|| {
            "It looks like you are trying to use a client-go credential plugin that is not \
             installed."
                .into()
        });
        CredentialError { cause: format!("exec: executable {name} not found"), hint: Some(hint) }
    })
}

/// Waits for a plugin. If this is dropped before, or the plugin prints too much, it is killed.
async fn output(
    plugin: &Plugin,
    mut child: Child,
) -> Result<(ExitStatus, Vec<u8>), CredentialError> {
    let unreadable = |error| failed(plugin, &os_error::words(&error));
    let mut stdout = Vec::new();
    if let Some(pipe) = child.stdout.take() {
        pipe.take(MAX_OUTPUT + 1).read_to_end(&mut stdout).await.map_err(unreadable)?;
    }
    if stdout.len() as u64 > MAX_OUTPUT {
        return Err(failed(plugin, &format!("printed more than {} MiB", MAX_OUTPUT >> 20)));
    }
    Ok((child.wait().await.map_err(unreadable)?, stdout))
}
