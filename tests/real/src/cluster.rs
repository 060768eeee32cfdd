//! One cluster: an API server, a controller manager, and what tests do to them.

use crate::api::Api;
use crate::error::{Error, during};
use crate::kubeconfig::kubeconfig;
use crate::kubelet::{Kubelet, NODE};
use crate::logs::Logs;
use crate::process::{Process, free_port, lost_its_port};
use crate::secrets::{ADMINISTRATOR, CONTROLLERS, Secrets};
use crate::until::poll;
use crate::{Binaries, Managed, Version, audit, kueue, secrets};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a granted right may take to be seen by the API server's authorizer.
const GRANT: Duration = Duration::from_mins(1);

/// How often another port is tried when a component finds its own taken.
const PORTS: usize = 5;

/// A cluster: an API server with data of its own in the fleet's etcd, and, unless it was started as
/// a host only, a controller manager. A clone is the same cluster. Its processes end with the last
/// clone or with the fleet.
#[derive(Debug, Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    settings: Settings,
    port: u16,
    secrets: Secrets,
    api: Api,
    server: Mutex<Option<Process>>,
    controllers: Mutex<Option<Process>>,
    kueue: Mutex<Option<Process>>,
    /// What the containers on its node wrote.
    logs: Logs,
}

/// What a cluster is started from.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) name: String,
    pub(crate) users: Vec<String>,
    pub(crate) binaries: Binaries,
    /// The folder of this cluster's files.
    pub(crate) directory: PathBuf,
    /// The URL of etcd.
    pub(crate) etcd: String,
    /// Feature gates of all components.
    pub(crate) gates: Option<String>,
    /// APIs that are served besides.
    pub(crate) apis: Option<String>,
    /// The process group that the components join.
    pub(crate) group: i32,
    pub(crate) with_controllers: bool,
    pub(crate) purpose: Purpose,
    /// Whether the API server says in a log who asked what.
    pub(crate) audited: bool,
}

/// What a cluster is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Jobs run there.
    Jobs,
    /// Objects are kept there, some of which other API servers serve behind its own. No Job runs.
    Objects,
}

impl Purpose {
    /// The controllers, as `--controllers` names them.
    fn controllers(self, version: Version) -> &'static str {
        match self {
            Self::Jobs => version.controllers(),
            Self::Objects => {
                "namespace-controller,garbage-collector-controller,ttl-after-finished-controller,\
                 clusterrole-aggregation-controller"
            }
        }
    }
}

impl Cluster {
    /// Starts the components, and returns when the API server is ready.
    pub(crate) async fn start(settings: Settings) -> Result<Self, Error> {
        std::fs::create_dir_all(&settings.directory).map_err(during("make a cluster's folder"))?;
        let secrets = Secrets::make(&settings.name, &settings.users, &settings.directory)?;
        audit::write_policy(&settings.directory)?;
        let mut tried = 1;
        let (port, api, server) = loop {
            let port = free_port()?;
            let token = secrets.token(ADMINISTRATOR).unwrap_or_default();
            let api = Api::new(&url(port), &secrets.authority, token)?;
            match start_server(&settings, port, &api).await {
                Ok(server) => break (port, api, server),
                Err(error) if tried < PORTS && lost_its_port(&error) => tried += 1,
                Err(error) => return Err(error),
            }
        };
        let with_controllers = settings.with_controllers;
        let (server, controllers) = (Mutex::new(Some(server)), Mutex::new(None));
        let kueue = Mutex::new(None);
        let logs = Logs::new();
        let inner = Inner { settings, port, secrets, api, server, controllers, kueue, logs };
        let cluster = Self { inner: Arc::new(inner) };
        cluster.write_kubeconfigs()?;
        if with_controllers {
            cluster.revive_controllers()?;
        }
        if with_controllers && cluster.inner.settings.purpose == Purpose::Jobs {
            cluster.create("/api/v1/nodes", &json!({"metadata": {"name": NODE}})).await?;
            cluster.serve_logs().await?;
        }
        Ok(cluster)
    }

    /// Serves the logs of containers, and says in the node where.
    async fn serve_logs(&self) -> Result<(), Error> {
        let port = self.inner.logs.serve(self.directory()).await?;
        let address = json!({"type": "InternalIP", "address": "127.0.0.1"});
        let endpoints = json!({"kubeletEndpoint": {"Port": port}});
        let status = json!({"addresses": [address], "daemonEndpoints": endpoints});
        let path = format!("/api/v1/nodes/{NODE}/status");
        self.patch(&path, &json!({"status": status})).await.map(drop)
    }

    /// Has a container of a pod write a line. The pod must be on the node to have a log.
    pub fn write_log(&self, namespace: &str, pod: &str, container: &str, text: &str) {
        self.inner.logs.write([namespace, pod, container], text);
    }

    /// Cuts all connections over which the API server reads logs.
    pub fn cut_logs(&self) {
        self.inner.logs.cut();
    }

    /// The name that the test gave it; in the fleet's kubeconfigs, the context's.
    pub fn name(&self) -> &str {
        &self.inner.settings.name
    }

    /// The version of its servers.
    pub fn version(&self) -> Version {
        self.inner.settings.binaries.version()
    }

    /// The API server's URL, `https://127.0.0.1:PORT`. The same after [`Cluster::revive`].
    pub fn server(&self) -> String {
        url(self.inner.port)
    }

    /// The certificate of the authority that signed the API server's, as PEM. Each cluster has its
    /// own.
    pub fn authority(&self) -> &str {
        &self.inner.secrets.authority
    }

    /// The bearer token of a user.
    ///
    /// # Panics
    ///
    /// Where the user was not named when the fleet was made.
    pub fn token(&self, user: &str) -> &str {
        self.inner
            .secrets
            .token(user)
            .unwrap_or_else(|| panic!("no user {user} was named for {}", self.name()))
    }

    /// The administrator's requests.
    pub fn api(&self) -> &Api {
        &self.inner.api
    }

    /// The requests of a user.
    ///
    /// # Panics
    ///
    /// Where the user was not named when the fleet was made.
    pub fn api_of(&self, user: &str) -> Result<Api, Error> {
        Api::new(&self.server(), self.authority(), self.token(user))
    }

    /// [`Api::get`] as the administrator.
    pub async fn get(&self, path: &str) -> Result<Value, Error> {
        self.api().get(path).await
    }

    /// [`Api::list`] as the administrator.
    pub async fn list(&self, path: &str) -> Result<Vec<Value>, Error> {
        self.api().list(path).await
    }

    /// [`Api::create`] as the administrator.
    pub async fn create(&self, path: &str, object: &Value) -> Result<Value, Error> {
        self.api().create(path, object).await
    }

    /// [`Api::patch`] as the administrator.
    pub async fn patch(&self, path: &str, change: &Value) -> Result<Value, Error> {
        self.api().patch(path, change).await
    }

    /// [`Api::delete`] as the administrator.
    pub async fn delete(&self, path: &str, options: &Value) -> Result<Value, Error> {
        self.api().delete(path, options).await
    }

    /// The one who plays this cluster's nodes.
    pub fn kubelet(&self) -> Kubelet {
        Kubelet::of(self.name(), self.api().clone()).writing(self.inner.logs.clone())
    }

    /// Grants a user rights in a namespace, or in the whole cluster where there is none. `rules`
    /// are RBAC's: `[{"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["get", "list"]}]`.
    ///
    /// A user has what all grants together give. Takes effect within moments, not at once: the API
    /// server's authorizer watches for it, so this waits until a right of the user's own is seen.
    pub async fn grant(
        &self,
        user: &str,
        namespace: Option<&str>,
        rules: &Value,
    ) -> Result<(), Error> {
        let name = format!("{user}-{:x}", crate::process::random());
        let (path, kind) = match namespace {
            Some(namespace) => {
                (format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/role"), "Role")
            }
            None => ("/apis/rbac.authorization.k8s.io/v1/clusterrole".to_owned(), "ClusterRole"),
        };
        self.create(&format!("{path}s"), &json!({"metadata": {"name": name}, "rules": rules}))
            .await?;
        let binding = json!({
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        });
        self.create(&format!("{path}bindings"), &binding).await?;
        self.until_granted(user, namespace, rules).await
    }

    /// Asks the server, as the user, for the last of the rights.
    async fn until_granted(
        &self,
        user: &str,
        namespace: Option<&str>,
        rules: &Value,
    ) -> Result<(), Error> {
        let last = rules.as_array().and_then(|rules| rules.last()).unwrap_or(&Value::Null);
        let of = |field: &str| last[field].as_array().and_then(|values| values.last()).cloned();
        let Some(resource) = of("resources") else { return Ok(()) };
        let resource = resource.as_str().unwrap_or_default().to_owned();
        let (resource, subresource) = resource.split_once('/').unwrap_or((&resource, ""));
        let name = last["resourceNames"].as_array().and_then(|names| names.last()).cloned();
        let attributes = json!({
            "namespace": namespace, "group": of("apiGroups"), "resource": resource,
            "subresource": subresource,
            "verb": of("verbs"), "name": name,
        });
        let review = json!({"spec": {"resourceAttributes": attributes}});
        let user = self.api_of(user)?;
        poll(GRANT, || async {
            let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
            let answer = user.create(path, &review).await.map_err(|error| error.to_string())?;
            if answer["status"]["allowed"] == true {
                Ok(())
            } else {
                Err(answer["status"].to_string())
            }
        })
        .await
        .map_err(during("wait for a grant"))
    }

    /// Runs the real `kubectl` as the administrator, with this cluster's context.
    pub async fn kubectl<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<Output, Error> {
        self.kubectl_of(ADMINISTRATOR).args(arguments).output().await.map_err(during("run kubectl"))
    }

    /// The real `kubectl` as a user, with this cluster's context, to be given arguments and run.
    ///
    /// # Panics
    ///
    /// Where the user was not named when the fleet was made.
    pub fn kubectl_of(&self, user: &str) -> tokio::process::Command {
        let settings = &self.inner.settings;
        // Panics for an unknown user here rather than let kubectl say that it finds no file.
        let _ = self.token(user);
        let mut command = tokio::process::Command::new(settings.binaries.kubectl());
        command
            .env("KUBECONFIG", self.kubeconfig_of(user))
            .env("HOME", &settings.directory)
            .kill_on_drop(true);
        command
    }

    /// Stops the API server (SIGSTOP): connections are accepted, nothing is answered.
    pub fn freeze(&self) -> Result<(), Error> {
        match &*lock(&self.inner.server) {
            Some(server) => server.freeze(),
            None => Err(self.is_dead()),
        }
    }

    /// Lets a frozen API server go on.
    pub fn thaw(&self) -> Result<(), Error> {
        match &*lock(&self.inner.server) {
            Some(server) => server.thaw(),
            None => Err(self.is_dead()),
        }
    }

    /// Kills the API server (SIGKILL), frozen or not: connections are refused. Its data stay.
    pub fn kill(&self) {
        drop(lock(&self.inner.server).take());
    }

    /// Starts a killed API server again, with its data and at its port, and returns when it is
    /// ready.
    ///
    /// The controller manager, where it is alive, is started anew too: it would wait up to half a
    /// minute before it asked again.
    pub async fn revive(&self) -> Result<(), Error> {
        let server = start_server(&self.inner.settings, self.inner.port, self.api()).await?;
        *lock(&self.inner.server) = Some(server);
        let alive = lock(&self.inner.controllers).take().is_some();
        if alive { self.revive_controllers() } else { Ok(()) }
    }

    /// Kills the controller manager (SIGKILL): Jobs stand still.
    pub fn kill_controllers(&self) {
        drop(lock(&self.inner.controllers).take());
    }

    /// Starts a killed controller manager again.
    pub fn revive_controllers(&self) -> Result<(), Error> {
        let settings = &self.inner.settings;
        let mut arguments = vec![
            format!("--kubeconfig={}", self.kubeconfig_of(CONTROLLERS).display()),
            format!("--controllers={}", settings.purpose.controllers(self.version())),
            "--leader-elect=false".to_owned(),
            "--secure-port=0".to_owned(),
            "--kube-api-qps=1000".to_owned(),
            "--kube-api-burst=1000".to_owned(),
        ];
        arguments.extend(settings.gates.iter().map(|gates| format!("--feature-gates={gates}")));
        let program = settings.binaries.server("kube-controller-manager");
        let log = settings.directory.join("kube-controller-manager.log");
        let controllers = Process::start(&program, &arguments, &log, settings.group)?;
        *lock(&self.inner.controllers) = Some(controllers);
        Ok(())
    }

    /// Installs Kueue, and returns when it decides about the cluster's Jobs.
    pub(crate) async fn start_kueue(&self, managed: Managed) -> Result<(), Error> {
        let manager = kueue::start(self, managed, self.inner.settings.group).await?;
        *lock(&self.inner.kueue) = Some(manager);
        Ok(())
    }

    /// Takes Kueue out: its manager and its webhooks. What it suspended stays so.
    pub async fn remove_kueue(&self) -> Result<(), Error> {
        drop(lock(&self.inner.kueue).take());
        kueue::delete_webhooks(self).await
    }

    /// Puts Kueue back where it was taken out, and returns when it decides about the cluster's
    /// Jobs.
    pub async fn restore_kueue(&self) -> Result<(), Error> {
        if lock(&self.inner.kueue).is_none() {
            let manager = kueue::restart(self, self.inner.settings.group).await?;
            *lock(&self.inner.kueue) = Some(manager);
        }
        Ok(())
    }

    /// The folder of the cluster's files: kubeconfigs, logs (`kube-apiserver.log`,
    /// `kube-controller-manager.log`) and the audit log. It is removed with the fleet.
    pub fn directory(&self) -> &Path {
        &self.inner.settings.directory
    }

    pub(crate) fn kubeconfig_of(&self, user: &str) -> PathBuf {
        self.directory().join(format!("kubeconfig-{}.yaml", user.replace(':', "-")))
    }

    fn write_kubeconfigs(&self) -> Result<(), Error> {
        let limited = self.inner.settings.users.iter().map(String::as_str);
        for user in [ADMINISTRATOR, CONTROLLERS].into_iter().chain(limited) {
            let text = kubeconfig(&[(self.name(), self, user)]);
            std::fs::write(self.kubeconfig_of(user), text).map_err(during("write a kubeconfig"))?;
        }
        Ok(())
    }

    fn is_dead(&self) -> Error {
        Error::Harness(format!("the API server of {} was killed", self.name()))
    }
}

fn url(port: u16) -> String {
    format!("https://127.0.0.1:{port}")
}

/// Starts an API server, and waits until it is ready.
async fn start_server(settings: &Settings, port: u16, api: &Api) -> Result<Process, Error> {
    let file = |name: &str| settings.directory.join(name).display().to_string();
    let mut arguments = vec![
        format!("--etcd-servers={}", settings.etcd),
        format!("--etcd-prefix=/{}", settings.name),
        format!("--secure-port={port}"),
        "--bind-address=127.0.0.1".to_owned(),
        // Otherwise the address of the default route, which a machine without a network has not
        // got.
        "--advertise-address=127.0.0.1".to_owned(),
        format!("--tls-cert-file={}", file("server.crt")),
        format!("--tls-private-key-file={}", file("server.key")),
        format!("--cert-dir={}", file("certificates")),
        format!("--token-auth-file={}", file("tokens.csv")),
        "--authorization-mode=RBAC".to_owned(),
        "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
        format!("--service-account-issuer={}", url(port)),
        format!("--service-account-key-file={}", file("accounts.pub")),
        format!("--service-account-signing-key-file={}", file("accounts.key")),
        format!("--kubelet-certificate-authority={}", file("ca.crt")),
        // Pods are created without a service account, which no controller here would make.
        "--disable-admission-plugins=ServiceAccount".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
    ];
    if settings.audited {
        arguments.extend(audit::arguments(&settings.directory));
    }
    if settings.purpose == Purpose::Objects {
        arguments.extend(secrets::front_proxy(&settings.directory)?);
    }
    arguments.extend(settings.gates.iter().map(|gates| format!("--feature-gates={gates}")));
    arguments.extend(settings.apis.iter().map(|apis| format!("--runtime-config={apis}")));
    let program = settings.binaries.server("kube-apiserver");
    let log = settings.directory.join("kube-apiserver.log");
    let mut server = Process::start(&program, &arguments, &log, settings.group)?;
    let probe = || async { api.get("/readyz").await.map(drop).map_err(|error| error.to_string()) };
    server.until_ready(&format!("kube-apiserver of {}", settings.name), probe).await?;
    Ok(server)
}

/// The guard of a mutex. What it holds is whole also after another test has panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
