//! One cluster of a stage, as its administrator sees it.

mod gangs;
mod logs;
mod policies;
mod queues;
mod roles;

use std::sync::{Arc, Mutex, PoisonError};

use libtest_mimic::Failed;
use real::{Api, Error, until};
use serde_json::{Value, json};

use crate::link::Link;
use crate::roles::allows;
use crate::stage::SOON;

pub use policies::On;

/// The user without rights but for those that [`Site::grant`] gives.
pub const LIMITED: &str = "alice";

/// The same for one scenario, which gives rights in all namespaces of clusters that others use, too.
pub const OPERATOR: &str = "bob";

/// The namespace of a registry.
const REGISTRY: &str = "kubectl-federate";

/// A cluster.
pub struct Site {
    /// The context's name, and the member's.
    pub name: String,
    /// The way that the product takes to it.
    pub link: Link,
    /// The administrator's requests, which take another way.
    pub api: Api,
    /// The certificate of the authority of its API server, as PEM.
    pub authority: String,
    kind: Kind,
    /// The namespace of the stage.
    pub namespace: String,
}

enum Kind {
    Simulated { server: sim::Server, grants: Grants },
    Real(real::Cluster),
}

/// To whom rights are granted, in which namespace, and by which rules.
type Grants = Arc<Mutex<Vec<(&'static str, Option<String>, Value)>>>;

/// A moment in the life of a cluster.
#[derive(Clone, Copy)]
pub enum Mark {
    Simulated(sim::Mark),
    Real(real::Mark),
}

/// A request that the product sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Verb, resource, and name where there is one: `patch jobs/pi`, `list jobs`, `get
    /// namespaces/kube-system`.
    pub what: String,
    /// Whether it was to change something.
    pub mutating: bool,
}

impl Site {
    /// A simulated cluster of a version, running by itself, with nobody who plays its nodes.
    pub async fn simulated(
        name: &str,
        namespace: &str,
        version: sim::Version,
    ) -> Result<Self, Failed> {
        let grants = Grants::default();
        let administrator = sim::User::admin("admin", format!("admin-{name}"));
        let limited = [LIMITED, OPERATOR].map(|user| {
            let granted = grants.clone();
            sim::User::new(user, format!("{user}-{name}"), move |access| {
                let grants = granted.lock().unwrap_or_else(PoisonError::into_inner);
                grants.iter().any(|(whose, namespace, rules)| {
                    *whose == user
                        && namespace.as_ref().is_none_or(|it| *it == access.namespace)
                        && allows(rules, access)
                })
            })
        });
        let builder = sim::Cluster::builder(name).version(version).user(administrator);
        let cluster = limited.into_iter().fold(builder, sim::Builder::user).build();
        cluster.run_by_itself(sim::Kubelet::none());
        let server = cluster.serve().await?;
        let authority = server.ca_pem().to_owned();
        let api = Api::new(&server.url(), &authority, &format!("admin-{name}"))?;
        let link = Link::to(&server.url())?;
        let kind = Kind::Simulated { server, grants };
        Ok(Self {
            name: name.to_owned(),
            link,
            api,
            authority,
            kind,
            namespace: namespace.to_owned(),
        })
    }

    /// A real cluster.
    pub fn real(name: &str, cluster: &real::Cluster, namespace: &str) -> Result<Self, Failed> {
        Ok(Self {
            name: name.to_owned(),
            link: Link::to(&cluster.server())?,
            api: cluster.api().clone(),
            authority: cluster.authority().to_owned(),
            kind: Kind::Real(cluster.clone()),
            namespace: namespace.to_owned(),
        })
    }

    /// The simulated cluster, for its hooks.
    ///
    /// # Panics
    /// On a real one.
    pub fn cluster(&self) -> &sim::Cluster {
        match &self.kind {
            Kind::Simulated { server, .. } => server.cluster(),
            Kind::Real(_) => panic!("{} has no hooks", self.name),
        }
    }

    /// The minor version of its Kubernetes, such as 36.
    pub async fn minor_version(&self) -> Result<u32, Failed> {
        let version = self.api.get("/version").await?;
        Ok(version["minor"].as_str().unwrap_or_default().parse()?)
    }

    /// The bearer token of a user.
    pub fn token(&self, user: &str) -> String {
        match &self.kind {
            Kind::Simulated { .. } => format!("{user}-{}", self.name),
            Kind::Real(cluster) => cluster.token(user).to_owned(),
        }
    }

    /// Gives [`LIMITED`] rights by RBAC's rules, in a namespace or everywhere.
    pub async fn grant(&self, namespace: Option<&str>, rules: Value) -> Result<(), Failed> {
        self.grant_to(LIMITED, namespace, rules).await
    }

    /// The same to one of the users without rights.
    pub async fn grant_to(
        &self,
        user: &'static str,
        namespace: Option<&str>,
        rules: Value,
    ) -> Result<(), Failed> {
        match &self.kind {
            Kind::Simulated { grants, .. } => {
                let mut grants = grants.lock().unwrap_or_else(PoisonError::into_inner);
                grants.push((user, namespace.map(str::to_owned), rules));
            }
            Kind::Real(cluster) => cluster.grant(user, namespace, &rules).await?,
        }
        Ok(())
    }

    /// The path of the stage's objects of a resource: `jobs`, `pods`, `configmaps`.
    pub fn path(&self, resource: &str) -> String {
        let group = if resource == "jobs" { "/apis/batch/v1" } else { "/api/v1" };
        format!("{group}/namespaces/{}/{resource}", self.namespace)
    }

    /// An object of the stage's namespace, none where it is not there.
    pub async fn find(&self, resource: &str, name: &str) -> Result<Option<Value>, Failed> {
        match self.api.get(&format!("{}/{name}", self.path(resource))).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.code() == Some(404) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// A Job of the stage's namespace, which must be there.
    pub async fn job(&self, name: &str) -> Result<Value, Failed> {
        let job = self.find("jobs", name).await?;
        job.ok_or_else(|| format!("cluster {} has no job {name}", self.name).into())
    }

    /// The names of the objects of a resource in the stage's namespace.
    pub async fn names(&self, resource: &str) -> Result<Vec<String>, Failed> {
        let objects = self.api.list(&self.path(resource)).await?;
        let name =
            |object: &Value| object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let names = objects.iter().map(name);
        // Every namespace of a real cluster has it.
        Ok(names.filter(|name| name != "kube-root-ca.crt").collect())
    }

    /// Creates an object in the stage's namespace.
    pub async fn create(&self, resource: &str, object: &Value) -> Result<Value, Error> {
        self.api.create(&self.path(resource), object).await
    }

    /// Changes an object of the stage's namespace by a JSON merge patch.
    pub async fn patch(&self, resource: &str, name: &str, change: &Value) -> Result<Value, Error> {
        self.api.patch(&format!("{}/{name}", self.path(resource)), change).await
    }

    /// Deletes a Job of the stage's namespace, and waits until it is gone, and its pods are.
    pub async fn delete(&self, name: &str) -> Result<(), Failed> {
        let path = format!("{}/{name}", self.path("jobs"));
        self.api.delete(&path, &json!({"propagationPolicy": "Background"})).await?;
        until(&format!("{path} to be gone"), SOON, || async {
            match self.api.get(&path).await {
                Err(error) if error.code() == Some(404) => Ok(()),
                Err(error) => Err(error.to_string()),
                Ok(object) => Err(object["metadata"].to_string()),
            }
        })
        .await;
        self.until_pods(name, 0).await;
        Ok(())
    }

    /// Deletes a Job of the stage's namespace as `--cascade=orphan` does, and waits until it is
    /// gone.
    pub async fn delete_and_leave_pods(&self, name: &str) -> Result<(), Failed> {
        let path = format!("{}/{name}", self.path("jobs"));
        self.api.delete(&path, &json!({"propagationPolicy": "Orphan"})).await?;
        until(&format!("{path} to be gone"), SOON, || async {
            match self.find("jobs", name).await {
                Ok(None) => Ok(()),
                Ok(Some(object)) => Err(object["metadata"].to_string()),
                Err(why) => Err(format!("{why:?}")),
            }
        })
        .await;
        Ok(())
    }

    /// Lets so many pods of a Job succeed, as they come.
    pub async fn succeed(&self, job: &str, count: usize) -> Result<(), Failed> {
        match &self.kind {
            Kind::Simulated { server, .. } => {
                self.play(job, count, |n| server.cluster().succeed_pods(&self.namespace, job, n))
                    .await;
            }
            Kind::Real(cluster) => {
                cluster.kubelet().succeed_n(&self.namespace, job, count).await?;
            }
        }
        Ok(())
    }

    /// Lets so many pods of a Job fail with exit code 1, as they come.
    pub async fn fail(&self, job: &str, count: usize) -> Result<(), Failed> {
        self.exit(job, count, 1).await
    }

    /// Lets so many pods of a Job end with this exit code, as they come.
    pub async fn exit(&self, job: &str, count: usize, code: u8) -> Result<(), Failed> {
        match &self.kind {
            Kind::Simulated { server, .. } => {
                let exit = |n| server.cluster().exit_pods(&self.namespace, job, n, code);
                self.play(job, count, exit).await;
            }
            Kind::Real(cluster) => {
                let kubelet = cluster.kubelet();
                for pod in kubelet.live_pods(&self.namespace, job, count).await?.iter().take(count)
                {
                    kubelet.fail(pod, code).await?;
                }
            }
        }
        Ok(())
    }

    async fn play(&self, job: &str, count: usize, report: impl Fn(usize) -> usize) {
        let done = std::cell::Cell::new(0);
        until(&format!("{count} pods of {job} in {}", self.name), SOON, || async {
            done.set(done.get() + report(count - done.get()));
            if done.get() == count { Ok(()) } else { Err(format!("{}", done.get())) }
        })
        .await;
    }

    /// Puts all live pods of a Job on a node and runs them, once there are so many: deleted, they
    /// end when they are released, not before.
    pub async fn run(&self, job: &str, count: usize) -> Result<(), Failed> {
        self.until_pods(job, count).await;
        match &self.kind {
            Kind::Simulated { server, .. } => {
                for pod in server.cluster().pods_of(&self.namespace, job) {
                    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
                    server.cluster().bind_pod(&self.namespace, name);
                    server.cluster().run_pod(&self.namespace, name);
                }
            }
            Kind::Real(cluster) => {
                let kubelet = cluster.kubelet();
                for pod in kubelet.live_pods(&self.namespace, job, count).await? {
                    kubelet.bind(&pod).await?;
                    kubelet.run(&pod).await?;
                }
            }
        }
        Ok(())
    }

    /// Gives the stage's namespace a quota of no pods, and waits until the server keeps to it.
    pub async fn forbid_pods(&self) -> Result<(), Failed> {
        if let Kind::Simulated { server, .. } = &self.kind {
            server.cluster().limit_pods(&self.namespace, 0);
            return Ok(());
        }
        let quota = json!({"metadata": {"name": "pods"}, "spec": {"hard": {"pods": "0"}}});
        self.create("resourcequotas", &quota).await?;
        // No controller for quotas runs there.
        let counted = json!({"status": {"hard": {"pods": "0"}, "used": {"pods": "0"}}});
        self.patch("resourcequotas", "pods/status", &counted).await?;
        let pod = json!({"metadata": {"name": "probe"}, "spec": {"containers": [{"name": "c",
            "image": "i"}]}});
        let path = format!("{}?dryRun=All", self.path("pods"));
        until(&format!("no pods in {}", self.name), SOON, || async {
            match self.api.create(&path, &pod).await {
                Err(error) if error.to_string().contains("exceeded quota") => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
        Ok(())
    }

    /// Changes the status of all pods of a Job, once there are so many, as a scheduler or a kubelet
    /// does.
    pub async fn report(&self, job: &str, count: usize, status: &Value) -> Result<(), Failed> {
        self.until_pods(job, count).await;
        for pod in self.pods(job).await? {
            let name = pod["metadata"]["name"].as_str().unwrap_or_default();
            self.patch("pods", &format!("{name}/status"), &json!({ "status": status })).await?;
        }
        Ok(())
    }

    /// Ends all pods of a Job for good.
    pub async fn release(&self, job: &str) -> Result<(), Failed> {
        for pod in self.pods(job).await? {
            let name = pod["metadata"]["name"].as_str().unwrap_or_default();
            let path = format!("{}/{name}", self.path("pods"));
            match self.api.delete(&path, &json!({"gracePeriodSeconds": 0})).await {
                Err(error) if error.code() != Some(404) => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }

    /// The pods of a Job, those that ended included.
    pub async fn pods(&self, job: &str) -> Result<Vec<Value>, Failed> {
        let path =
            format!("{}?labelSelector=batch.kubernetes.io/job-name%3D{job}", self.path("pods"));
        Ok(self.api.list(&path).await?)
    }

    /// Waits until a Job has so many pods.
    pub async fn until_pods(&self, job: &str, count: usize) {
        until(&format!("{count} pods of {job} in {}", self.name), SOON, || async {
            let pods = self.pods(job).await.map_err(|error| format!("{error:?}"))?;
            if pods.len() == count { Ok(()) } else { Err(format!("{} pods", pods.len())) }
        })
        .await;
    }

    /// Waits until a Job satisfies a condition, and gives it.
    pub async fn until_job(&self, name: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        until(&format!("job {name} in {}: {what}", self.name), SOON, || async {
            let job = self.job(name).await.map_err(|error| format!("{error:?}"))?;
            if holds(&job) { Ok(job) } else { Err(job["status"].to_string()) }
        })
        .await
    }

    /// Waits until the Job `pi` is suspended and has no pods, and its controller has said so.
    pub async fn until_quiet(&self) {
        let is_quiet = |job: &Value| {
            let conditions = job["status"]["conditions"].as_array();
            let is_suspended = |one: &Value| one["type"] == "Suspended" && one["status"] == "True";
            conditions.is_some_and(|all| all.iter().any(is_suspended))
                && job["status"].get("active").is_none()
                && job["status"]["terminating"].as_i64().unwrap_or(0) == 0
        };
        self.until_job("pi", "it is suspended and has no pods", is_quiet).await;
    }

    /// The present moment, for [`Site::requests`].
    pub async fn mark(&self) -> Result<Mark, Failed> {
        Ok(match &self.kind {
            Kind::Simulated { server, .. } => Mark::Simulated(server.cluster().mark()),
            Kind::Real(cluster) => Mark::Real(cluster.mark().await?),
        })
    }

    /// What the product has asked since then of the stage's namespace, of the registry, and of
    /// namespaces that are the stage's or `kube-system`; on a real cluster, other scenarios'
    /// questions about the last two are among them. What is asked of a registry in `west` and
    /// `north` is other scenarios', which move their federation there.
    pub async fn requests(&self, since: Mark) -> Result<Vec<Request>, Failed> {
        let requests: Vec<_> = match (&self.kind, since) {
            (Kind::Simulated { server, .. }, Mark::Simulated(mark)) => {
                let requests = server.cluster().requests_since(mark).into_iter();
                let request = |r: sim::RequestInfo| {
                    let named =
                        || r.json()["metadata"]["name"].as_str().unwrap_or_default().to_owned();
                    let name = if r.name.is_empty() { named() } else { r.name.clone() };
                    (r.user_agent, r.verb.to_owned(), r.resource, r.namespace, name, r.mutating)
                };
                requests.map(request).collect()
            }
            (Kind::Real(cluster), Mark::Real(mark)) => {
                let entries = cluster.requests_since(mark).await?.into_iter();
                let request = |e: real::AuditEntry| {
                    let mutating = e.is_mutating();
                    // The audit log says of a namespace that it is in itself.
                    let namespace =
                        if e.resource == "namespaces" { String::new() } else { e.namespace };
                    (e.user_agent, e.verb, e.resource, namespace, e.name, mutating)
                };
                entries.map(request).collect()
            }
            _ => return Err("the mark is of another cluster".into()),
        };
        let keeps_registry = matches!(self.kind, Kind::Simulated { .. })
            || !["west", "north"].contains(&self.name.as_str());
        let ours = |agent: &str, resource: &str, namespace: &str, name: &str| {
            let here = match resource {
                "namespaces" => name == "kube-system" || name.starts_with(&self.namespace),
                _ if namespace == REGISTRY => keeps_registry,
                _ => namespace == self.namespace,
            };
            here && agent.starts_with("kubectl-federate/")
        };
        let requests = requests.into_iter().filter(|(agent, _, resource, namespace, name, _)| {
            ours(agent, resource, namespace, name)
        });
        Ok(requests
            .map(|(_, verb, resource, _, name, mutating)| Request {
                what: if name.is_empty() || verb == "create" {
                    format!("{verb} {resource}")
                } else {
                    format!("{verb} {resource}/{name}")
                },
                mutating,
            })
            .collect())
    }

    /// What the product has asked to change since then.
    pub async fn mutations(&self, since: Mark) -> Result<Vec<String>, Failed> {
        let requests = self.requests(since).await?.into_iter();
        Ok(requests.filter(|request| request.mutating).map(|request| request.what).collect())
    }
}
