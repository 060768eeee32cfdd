//! Kueue, a queueing system that owns `spec.suspend` of the Jobs in a cluster.
//!
//! The manager is a process beside the API server, with the rights of the administrator. Its own
//! certificates are used: a test puts them where the manager looks for them, as a kubelet would
//! mount them. The API server reaches its webhooks through a Service that is only another name of
//! loopback.

use crate::binaries::{self, WEBHOOKS};
use crate::error::{Error, during};
use crate::process::{Process, free_port};
use crate::until::poll;
use crate::{Cluster, secrets};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// How long the manager may take to get ready. It takes ten seconds; on a busy machine, more.
const START: Duration = Duration::from_mins(2);

/// The file with the manager's configuration.
const CONFIGURATION: &str = "kueue.json";

/// The namespace of the manager.
const NAMESPACE: &str = "kueue-system";

/// The Service of its webhooks.
const SERVICE: &str = "kueue-webhook-service";

/// The kinds that have several versions, which the manager converts.
const CONVERTED: [&str; 5] =
    ["localqueues", "clusterqueues", "cohorts", "workloads", "multikueueclusters"];

/// The API group of queues.
const GROUP: &str = "/apis/kueue.x-k8s.io/v1beta2";

/// The label on nodes of the only flavour, and so on the pods of Jobs that were admitted.
pub const FLAVOR: (&str, &str) = ("flavor", "spot");

/// Which Jobs Kueue manages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Managed {
    /// Jobs that name a queue: the default.
    Labelled,
    /// Jobs that name none, too (`manageJobsWithoutQueueName`).
    All,
}

/// Installs Kueue in a cluster and starts its manager. Returns it when it decides about Jobs.
pub(crate) async fn start(
    cluster: &Cluster,
    managed: Managed,
    group: i32,
) -> Result<Process, Error> {
    let folder = binaries::kueue().map_err(during("there is no Kueue"))?;
    let port = free_port()?;
    install(cluster, &folder, port).await?;
    let certificates = cluster.directory().join("kueue-certificates");
    std::fs::create_dir_all(&certificates).map_err(during("make a folder for certificates"))?;
    let config = cluster.directory().join(CONFIGURATION);
    std::fs::write(&config, configuration(managed, port, &certificates).to_string())
        .map_err(during("write Kueue's configuration"))?;
    let mut manager = run(cluster, &folder, group)?;
    mount(cluster, &certificates).await?;
    until_ready(cluster, &mut manager).await?;
    Ok(manager)
}

/// Deletes Kueue's webhooks. Its kinds stay, and what it wrote.
pub(crate) async fn delete_webhooks(cluster: &Cluster) -> Result<(), Error> {
    kubectl(cluster, "delete", &cluster.directory().join(WEBHOOKS)).await
}

/// Starts the manager of a cluster in which Kueue was before, and returns it when it decides about
/// Jobs.
pub(crate) async fn restart(cluster: &Cluster, group: i32) -> Result<Process, Error> {
    let folder = binaries::kueue().map_err(during("there is no Kueue"))?;
    kubectl(cluster, "create", &cluster.directory().join(WEBHOOKS)).await?;
    let mut manager = run(cluster, &folder, group)?;
    until_ready(cluster, &mut manager).await?;
    Ok(manager)
}

/// Starts the manager with the configuration in the cluster's folder.
fn run(cluster: &Cluster, folder: &Path, group: i32) -> Result<Process, Error> {
    let arguments = [
        format!("--config={}", cluster.directory().join(CONFIGURATION).display()),
        format!("--kubeconfig={}", cluster.kubeconfig_of(secrets::ADMINISTRATOR).display()),
    ];
    let log = cluster.directory().join("kueue.log");
    Process::start(&folder.join("kueue"), &arguments, &log, group)
}

/// Waits until the manager decides about Jobs.
async fn until_ready(cluster: &Cluster, manager: &mut Process) -> Result<(), Error> {
    let flavor = object("ResourceFlavor", FLAVOR.1, &json!({"nodeLabels": {FLAVOR.0: FLAVOR.1}}));
    // Its webhooks answer, and have a certificate that the API server trusts.
    let probe = || async {
        match cluster.create(&format!("{GROUP}/resourceflavors"), &flavor).await {
            Ok(_) | Err(Error::Status { code: 409, .. }) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    };
    manager.until_ready("kueue", probe).await
}

/// An object of Kueue's. A server does not tell the kind of such an object by the path.
fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": kind, "metadata": {"name": name},
        "spec": spec})
}

/// The CRDs, the webhooks and their Service.
async fn install(cluster: &Cluster, folder: &Path, port: u16) -> Result<(), Error> {
    let namespace = json!({"metadata": {"name": NAMESPACE}});
    cluster.create("/api/v1/namespaces", &namespace).await?;
    let service = json!({"metadata": {"name": SERVICE},
        "spec": {"type": "ExternalName", "externalName": "localhost"}});
    cluster.create(&format!("/api/v1/namespaces/{NAMESPACE}/services"), &service).await?;
    let secret = json!({"metadata": {"name": "kueue-webhook-server-cert"}});
    cluster.create(&format!("/api/v1/namespaces/{NAMESPACE}/secrets"), &secret).await?;
    kubectl(cluster, "create", &folder.join("crds")).await?;
    for kind in CONVERTED {
        let reference =
            json!({"namespace": NAMESPACE, "name": SERVICE, "path": "/convert", "port": port});
        let webhook =
            json!({"clientConfig": {"service": reference}, "conversionReviewVersions": ["v1"]});
        let change = json!({"spec": {"conversion": {"strategy": "Webhook", "webhook": webhook}}});
        let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        cluster.patch(&format!("{path}/{kind}.kueue.x-k8s.io"), &change).await?;
    }
    let webhooks =
        std::fs::read_to_string(folder.join(WEBHOOKS)).map_err(during("read Kueue's webhooks"))?;
    let file = cluster.directory().join(WEBHOOKS);
    std::fs::write(&file, webhooks_of_jobs(&webhooks, port)).map_err(during("write webhooks"))?;
    kubectl(cluster, "create", &file).await
}

/// Kueue's webhooks for Jobs and for its own kinds: those for others would refuse their objects,
/// because the manager does not look after these kinds here.
fn webhooks_of_jobs(all: &str, port: u16) -> String {
    let named = all
        .replace("name: webhook-service", &format!("name: {SERVICE}\n      port: {port}"))
        .replace("namespace: system", &format!("namespace: {NAMESPACE}"))
        .replace("name: mutating-webhook", "name: kueue-mutating-webhook")
        .replace("name: validating-webhook", "name: kueue-validating-webhook");
    let is_kept = |webhook: &&str| {
        !webhook.starts_with("admissionReviewVersions")
            || webhook.contains("    - batch\n")
            || webhook.contains("    - kueue.x-k8s.io\n")
    };
    let objects = named.split("---\n").filter(|object| !object.trim().is_empty());
    let kept = objects.map(|object| {
        let webhooks: Vec<&str> = object.split("\n- ").filter(is_kept).collect();
        webhooks.join("\n- ")
    });
    kept.collect::<Vec<_>>().join("\n---\n")
}

/// Creates or deletes what is in a file or a folder.
async fn kubectl(cluster: &Cluster, verb: &str, manifests: &Path) -> Result<(), Error> {
    let manifests = manifests.display().to_string();
    let output = cluster.kubectl([verb, "-f", &manifests]).await?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::Harness(format!("kubectl {verb} failed with {manifests}: {said}")))
}

fn configuration(managed: Managed, port: u16, certificates: &Path) -> Value {
    let mut configuration = json!({
        "apiVersion": "config.kueue.x-k8s.io/v1beta2", "kind": "Configuration",
        "namespace": NAMESPACE,
        "health": {"healthProbeBindAddress": "0"},
        "metrics": {"bindAddress": "0"},
        "webhook": {"port": port, "certDir": certificates},
        "leaderElection": {"leaderElect": false},
        "internalCertManagement": {"enable": true, "webhookServiceName": SERVICE},
        "integrations": {"frameworks": ["batch/job"]},
        // It wants an aggregated API.
        "featureGates": {"VisibilityOnDemand": false},
    });
    if managed == Managed::All {
        configuration["manageJobsWithoutQueueName"] = true.into();
        configuration["managedJobsNamespaceSelector"] = json!({"matchExpressions": [{
            "key": "kubernetes.io/metadata.name", "operator": "NotIn",
            "values": ["kube-system", NAMESPACE],
        }]});
    }
    configuration
}

/// Gives the manager its certificates, as a kubelet mounts the Secret that the manager writes.
async fn mount(cluster: &Cluster, certificates: &Path) -> Result<(), Error> {
    let path = format!("/api/v1/namespaces/{NAMESPACE}/secrets/kueue-webhook-server-cert");
    let secret = poll(START, || async {
        let secret = cluster.get(&path).await.map_err(|error| error.to_string())?;
        if secret["data"]["tls.crt"].is_string() { Ok(secret) } else { Err("empty".to_owned()) }
    })
    .await
    .map_err(during("wait for Kueue's certificates"))?;
    // The manager looks for `tls.crt`, so that comes last.
    for name in ["ca.crt", "tls.key", "tls.crt"] {
        let text = STANDARD.decode(secret["data"][name].as_str().unwrap_or_default());
        let text = text.map_err(during("decode a certificate"))?;
        std::fs::write(certificates.join(name), text).map_err(during("write a certificate"))?;
    }
    Ok(())
}

impl Cluster {
    /// Adds a queue for the Jobs of a namespace, or changes how many pods the Jobs in it may have
    /// together. The cluster must have Kueue.
    pub async fn set_queue(&self, namespace: &str, name: &str, pods: usize) -> Result<(), Error> {
        let whole = format!("{namespace}-{name}");
        let quota = json!({"name": FLAVOR.1, "resources": [
            {"name": "pods", "nominalQuota": pods.to_string()}]});
        let groups = json!([{"coveredResources": ["pods"], "flavors": [quota]}]);
        let spec = json!({"namespaceSelector": {}, "resourceGroups": groups});
        let cluster_queue = object("ClusterQueue", &whole, &spec);
        let queues = format!("{GROUP}/clusterqueues");
        match self.create(&queues, &cluster_queue).await {
            Ok(_) => {}
            Err(Error::Status { code: 409, .. }) => {
                self.patch(&format!("{queues}/{whole}"), &json!({"spec": cluster_queue["spec"]}))
                    .await?;
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        let local = object("LocalQueue", name, &json!({"clusterQueue": whole}));
        self.create(&format!("{GROUP}/namespaces/{namespace}/localqueues"), &local).await?;
        Ok(())
    }

    /// Says whether Kueue may admit a Job, by its uid: `spec.active` of its `Workload`. One that
    /// runs is evicted if it may not.
    pub async fn activate(&self, namespace: &str, uid: &str, active: bool) -> Result<(), Error> {
        let workloads = format!("{GROUP}/namespaces/{namespace}/workloads");
        let found =
            self.list(&format!("{workloads}?labelSelector=kueue.x-k8s.io/job-uid%3D{uid}")).await?;
        for workload in found {
            let name = workload["metadata"]["name"].as_str().unwrap_or_default();
            self.patch(&format!("{workloads}/{name}"), &json!({"spec": {"active": active}}))
                .await?;
        }
        Ok(())
    }

    /// Stops a queue of a namespace, or the `ClusterQueue` behind it, or lets it go on: `Hold`,
    /// `HoldAndDrain` or `None`.
    pub async fn stop_queue(
        &self,
        namespace: &str,
        name: &str,
        which: Stopped,
        policy: &str,
    ) -> Result<(), Error> {
        let path = match which {
            Stopped::Local => format!("{GROUP}/namespaces/{namespace}/localqueues/{name}"),
            Stopped::Whole => format!("{GROUP}/clusterqueues/{namespace}-{name}"),
        };
        self.patch(&path, &json!({"spec": {"stopPolicy": policy}})).await?;
        Ok(())
    }
}

/// Which of the two objects of a queue is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// The `LocalQueue`.
    Local,
    /// The `ClusterQueue`.
    Whole,
}
