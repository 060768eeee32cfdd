//! Karmada, a control plane of its own beside its members, to compare with.
//!
//! Its processes run with their defaults, one of each, and with the rights of the administrator.
//! Their own certificates are those of its API server, which are for loopback. That server reaches
//! the aggregated one through a Service that is only another name of loopback.

use crate::binaries::{self, WEBHOOKS};
use crate::error::{Error, during};
use crate::process::{Process, free_port};
use crate::until::poll;
use crate::{ADMINISTRATOR, Api, Cluster, Fleet, Load, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The name of its API server's cluster.
const NAME: &str = "karmada";

/// The Kubernetes that its API server is of: the minor version that Karmada's own script installs.
const KUBERNETES: Version = Version::V1_34;

/// The namespaces of its own objects, and of its members' credentials.
const NAMESPACES: [&str; 2] = ["karmada-system", CREDENTIALS];
const CREDENTIALS: &str = "karmada-cluster";

/// The Service of the aggregated API server.
const SERVICE: &str = "karmada-aggregated-apiserver";

/// The members.
const CLUSTERS: &str = "/apis/cluster.karmada.io/v1alpha1/clusters";

/// How long a member may take to be ready.
const JOINED: Duration = Duration::from_mins(2);

/// A control plane of Karmada: etcd, `kube-apiserver` and `kube-controller-manager` of its own, the
/// aggregated API server, the webhook, the controller manager and the scheduler.
///
/// It ends when it is dropped, and with the process, as a [`Fleet`] does.
#[derive(Debug)]
pub struct Karmada {
    // Declared, and so dropped, before the fleet.
    _processes: Vec<Process>,
    fleet: Fleet,
}

impl Karmada {
    /// Finds or builds what it is made of, which takes minutes the first time, and starts it.
    /// Returns when its API servers and its webhooks answer.
    ///
    /// `qps` is how many requests a second its controllers and its scheduler may send to an API
    /// server, in place of their defaults.
    pub async fn start(qps: Option<u32>) -> Result<Self, Error> {
        let folder = tokio::task::spawn_blocking(binaries::karmada).await;
        let folder = folder.map_err(during("look for Karmada"))?;
        let folder = folder.map_err(during("there is no Karmada"))?;
        let fleet = Fleet::builder(KUBERNETES).for_objects().unaudited().cluster(NAME);
        let fleet = fleet.start().await?;
        let start = Start { cluster: fleet.cluster(NAME), fleet: &fleet, folder: &folder };
        for name in NAMESPACES {
            let namespace = json!({"metadata": {"name": name}});
            start.cluster.create("/api/v1/namespaces", &namespace).await?;
        }
        start.kubectl_create(&folder.join("crds")).await?;
        let mut processes = vec![start.aggregated().await?, start.webhook().await?];
        let limits = |server| qps.into_iter().flat_map(move |qps| limits(server, qps));
        let flags = ["--metrics-bind-address=0", "--health-probe-bind-address=0"];
        let mut flags = flags.map(str::to_owned).to_vec();
        flags.extend(limits("kube"));
        processes.push(start.process("scheduler", flags.clone())?);
        flags.extend(limits("cluster"));
        processes.push(start.process("controller-manager", flags)?);
        Ok(Self { _processes: processes, fleet })
    }

    /// Makes a cluster a member, of its own name, which Karmada writes to (`Push`). Returns when
    /// Karmada knows that it is ready and has Jobs.
    pub async fn join(&self, member: &Cluster) -> Result<(), Error> {
        let name = member.name();
        let encoded = |text: &str| STANDARD.encode(text);
        let data = json!({"token": encoded(member.token(ADMINISTRATOR)),
            "caBundle": encoded(member.authority())});
        let secret = json!({"metadata": {"name": name}, "data": data});
        self.api().create(&format!("/api/v1/namespaces/{CREDENTIALS}/secrets"), &secret).await?;
        let system = member.get("/api/v1/namespaces/kube-system").await?;
        let reference = json!({"namespace": CREDENTIALS, "name": name});
        let cluster = json!({
            "apiVersion": "cluster.karmada.io/v1alpha1", "kind": "Cluster",
            "metadata": {"name": name},
            "spec": {"id": system["metadata"]["uid"], "syncMode": "Push",
                "apiEndpoint": member.server(), "secretRef": reference,
                "impersonatorSecretRef": reference},
        });
        self.api().create(CLUSTERS, &cluster).await?;
        let probe = || async {
            let cluster = self.api().get(&format!("{CLUSTERS}/{name}")).await;
            let cluster = cluster.map_err(|error| error.to_string())?;
            if has_jobs(&cluster) { Ok(()) } else { Err(cluster["status"].to_string()) }
        };
        poll(JOINED, probe).await.map_err(during(&format!("wait for {name} to join Karmada")))
    }

    /// The administrator's requests to it.
    pub fn api(&self) -> &Api {
        self.fleet.cluster(NAME).api()
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.fleet.kubeconfig()
    }

    /// What all its processes take.
    pub fn load(&self) -> Result<Load, Error> {
        self.fleet.load()
    }
}

/// Flags for so many requests a second to a kind of API servers: `kube` for Karmada's own, `cluster`
/// for those of members.
fn limits(server: &str, qps: u32) -> [String; 2] {
    [format!("--{server}-api-qps={qps}"), format!("--{server}-api-burst={}", qps * 2)]
}

/// Whether Karmada can send Jobs to a member.
fn has_jobs(cluster: &Value) -> bool {
    let conditions = cluster["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    let groups = cluster["status"]["apiEnablements"].as_array();
    let mut groups = groups.into_iter().flatten();
    conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
        && groups.any(|group| group["groupVersion"] == "batch/v1")
}

/// What its processes are started from.
struct Start<'a> {
    cluster: &'a Cluster,
    fleet: &'a Fleet,
    /// Where its programs are, and their files.
    folder: &'a Path,
}

impl Start<'_> {
    /// The API server for members, behind the one of Kubernetes.
    async fn aggregated(&self) -> Result<Process, Error> {
        let (port, file) = (free_port()?, |name| self.cluster.directory().join(name));
        let kubeconfig = self.cluster.kubeconfig_of(ADMINISTRATOR);
        let flags = [
            format!("--authentication-kubeconfig={}", kubeconfig.display()),
            format!("--authorization-kubeconfig={}", kubeconfig.display()),
            format!("--etcd-servers={}", self.fleet.etcd()),
            format!("--tls-cert-file={}", file("server.crt").display()),
            format!("--tls-private-key-file={}", file("server.key").display()),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={port}"),
        ];
        let mut process = self.process("aggregated-apiserver", flags)?;
        let service = json!({"metadata": {"name": SERVICE},
            "spec": {"type": "ExternalName", "externalName": "localhost"}});
        self.cluster.create("/api/v1/namespaces/karmada-system/services", &service).await?;
        let reference = json!({"namespace": "karmada-system", "name": SERVICE, "port": port});
        let spec = json!({
            "group": "cluster.karmada.io", "version": "v1alpha1", "service": reference,
            // Its certificate is for loopback, and not for the Service.
            "insecureSkipTLSVerify": true,
            "groupPriorityMinimum": 2000, "versionPriority": 10,
        });
        let api = json!({"metadata": {"name": "v1alpha1.cluster.karmada.io"}, "spec": spec});
        self.cluster.create("/apis/apiregistration.k8s.io/v1/apiservices", &api).await?;
        let probe = || async {
            self.cluster.list(CLUSTERS).await.map(drop).map_err(|error| error.to_string())
        };
        process.until_ready("Karmada's aggregated API server", probe).await?;
        Ok(process)
    }

    /// The webhook, and what has it asked.
    async fn webhook(&self) -> Result<Process, Error> {
        let port = free_port()?;
        let flags = [
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={port}"),
            format!("--cert-dir={}", self.cluster.directory().display()),
            "--tls-cert-file-name=server.crt".to_owned(),
            "--tls-private-key-file-name=server.key".to_owned(),
            "--metrics-bind-address=0".to_owned(),
            "--health-probe-bind-address=0".to_owned(),
        ];
        let mut process = self.process("webhook", flags)?;
        let all = std::fs::read_to_string(self.folder.join(WEBHOOKS))
            .map_err(during("read Karmada's webhooks"))?;
        let file = self.cluster.directory().join(WEBHOOKS);
        let all = all
            .replace("karmada-webhook.karmada-system.svc:443", &format!("127.0.0.1:{port}"))
            .replace("{{caBundle}}", &STANDARD.encode(self.cluster.authority()));
        std::fs::write(&file, all).map_err(during("write Karmada's webhooks"))?;
        self.kubectl_create(&file).await?;
        // A policy is refused while its webhook does not answer.
        let path = "/apis/policy.karmada.io/v1alpha1/namespaces/default/propagationpolicies";
        let policy = json!({
            "apiVersion": "policy.karmada.io/v1alpha1", "kind": "PropagationPolicy",
            "metadata": {"name": "probe"},
            "spec": {"resourceSelectors": [{"apiVersion": "batch/v1", "kind": "Job"}]},
        });
        let probe = || async {
            let asked = self.cluster.create(&format!("{path}?dryRun=All"), &policy).await;
            asked.map(drop).map_err(|error| error.to_string())
        };
        process.until_ready("Karmada's webhook", probe).await?;
        Ok(process)
    }

    /// A process of Karmada's, with the administrator's rights.
    fn process(
        &self,
        program: &str,
        flags: impl IntoIterator<Item = String>,
    ) -> Result<Process, Error> {
        let kubeconfig = self.cluster.kubeconfig_of(ADMINISTRATOR);
        let mut arguments = vec![format!("--kubeconfig={}", kubeconfig.display())];
        arguments.extend(flags);
        let log = self.cluster.directory().join(format!("karmada-{program}.log"));
        Process::start(&self.folder.join(program), &arguments, &log, self.fleet.group())
    }

    /// Creates what is in a file, or in a folder and those below it.
    async fn kubectl_create(&self, manifests: &Path) -> Result<(), Error> {
        let path = manifests.display().to_string();
        let output = self.cluster.kubectl(["create", "-R", "-f", &path]).await?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(Error::Harness(format!("kubectl create failed with {path}: {said}")))
    }
}
