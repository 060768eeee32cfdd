//! Where a Job is put under stress: one real cluster, a namespace, and the product's own
//! connection.

use std::time::Duration;

use kubectl_federate::cluster::{Connection, Dialer, DialerOptions, Kubeconfig, Overrides};
use kubectl_federate::job::{Indexes, Observed, Pod};
use kubectl_federate::reconcile::{Credited, Measure, Wanted, credit};
use libtest_mimic::Failed;
use real::{Api, Fleet, until};
use serde_json::{Value, json};

use crate::policy;

/// How long anything may take that is waited for.
pub const SOON: Duration = Duration::from_mins(5);

/// One cluster and a namespace.
#[derive(Clone)]
pub struct Place {
    /// The administrator's requests.
    pub api: Api,
    cluster: real::Cluster,
    connection: Connection,
    namespace: String,
}

impl Place {
    /// A namespace of its own in a cluster of the fleet.
    pub async fn of(fleet: &Fleet, name: &str) -> Result<Self, Failed> {
        let namespace = fleet.namespace("stress").await?;
        let kubeconfig = Kubeconfig::load(Some(&fleet.kubeconfig()), |_| None)?;
        let endpoint = kubeconfig.endpoint(Some(name), &Overrides::default())?;
        let connection = Dialer::new(DialerOptions::default()).dial(name, &endpoint)?;
        let cluster = fleet.cluster(name).clone();
        Ok(Self { api: cluster.api().clone(), cluster, connection, namespace })
    }

    /// The path of a Job.
    fn path(&self, name: &str) -> String {
        format!("/apis/batch/v1/namespaces/{}/jobs/{name}", self.namespace)
    }

    /// The path of a pod.
    pub fn pod_path(&self, name: &str) -> String {
        format!("/api/v1/namespaces/{}/pods/{name}", self.namespace)
    }

    fn pods_path(&self, job: &str, more: &str) -> String {
        let pods = format!("/api/v1/namespaces/{}/pods", self.namespace);
        format!("{pods}?labelSelector=batch.kubernetes.io/job-name%3D{job}{more}")
    }

    /// Creates a Job of one container with these fields in its spec.
    pub async fn create(&self, name: &str, spec: Value) -> Result<Observed, Failed> {
        let container = json!({"name": "main", "image": "busybox"});
        let template = json!({"spec": {"restartPolicy": "Never", "containers": [container]}});
        let mut job = json!({"metadata": {"name": name}, "spec": {"template": template}});
        for (field, value) in spec.as_object().into_iter().flatten() {
            job["spec"][field] = value.clone();
        }
        let path = format!("/apis/batch/v1/namespaces/{}/jobs", self.namespace);
        Ok(Observed::from_object(&self.api.create(&path, &job).await?))
    }

    /// Changes a Job by a merge patch.
    pub async fn patch(&self, name: &str, change: Value) -> Result<Observed, Failed> {
        Ok(Observed::from_object(&self.api.patch(&self.path(name), &change).await?))
    }

    /// Has the API server refuse the controller's writes of a Job's status from now on.
    pub async fn hold(&self, name: &str) -> Result<(), Failed> {
        policy::install(&self.cluster).await?;
        self.patch(name, json!({"metadata": {"labels": {policy::LABEL: "yes"}}})).await.map(drop)
    }

    /// Lets the controller write again.
    pub async fn release(&self, name: &str) -> Result<(), Failed> {
        self.patch(name, json!({"metadata": {"labels": {policy::LABEL: null}}})).await.map(drop)
    }

    /// A Job as it is now.
    pub async fn job(&self, name: &str) -> Result<Observed, real::Error> {
        Ok(Observed::from_object(&self.api.get(&self.path(name)).await?))
    }

    /// Waits until a Job is so, and gives it.
    #[track_caller]
    pub fn until<'a>(
        &'a self,
        name: &'a str,
        what: &'a str,
        holds: impl Fn(&Observed) -> bool + Copy + 'a,
    ) -> impl Future<Output = Observed> + 'a {
        until(what, SOON, move || async move {
            let job = self.job(name).await.map_err(|error| error.to_string())?;
            if holds(&job) { Ok(job) } else { Err(format!("{job:?}")) }
        })
    }

    /// The pods of a Job that have neither ended nor are being deleted.
    pub async fn live(&self, name: &str) -> Result<Vec<Pod>, real::Error> {
        // Those that ended are most of them.
        let live = "&fieldSelector=status.phase!%3DSucceeded,status.phase!%3DFailed";
        let mut pods: Vec<Pod> = self
            .api
            .list(&self.pods_path(name, live))
            .await?
            .iter()
            .map(Pod::from_object)
            .collect();
        pods.retain(|pod| !pod.deleting);
        Ok(pods)
    }

    /// Waits until so many pods of a Job live, no more and no fewer, and gives them by index, else
    /// by name.
    pub async fn until_live(&self, name: &str, count: usize) -> Vec<Pod> {
        until("so many live pods", SOON, || async {
            let mut pods = self.live(name).await.map_err(|error| error.to_string())?;
            pods.sort_by_key(|pod| (pod.index, pod.name.clone()));
            if pods.len() == count { Ok(pods) } else { Err(format!("{name} has {}", pods.len())) }
        })
        .await
    }

    /// Waits until so many pods of a Job run, and its status counts everything, so that its
    /// controller has nothing to do.
    pub async fn until_settled(&self, name: &str, count: i32) -> Observed {
        until("it to be settled", SOON, || async {
            let job = self.job(name).await.map_err(|error| error.to_string())?;
            let pods = self
                .api
                .list(&self.pods_path(name, ""))
                .await
                .map_err(|error| error.to_string())?;
            let tracked = pods.iter().filter(|pod| Pod::from_object(pod).tracked).count() as i32;
            if [job.active, job.ready, tracked] == [count; 3] && job.uncounted_succeeded == 0 {
                Ok(job)
            } else {
                Err(format!("{tracked} tracked, {job:?}"))
            }
        })
        .await
    }

    /// Deletes a Job and its pods, without waiting for it.
    pub async fn delete(&self, name: &str) -> Result<(), Failed> {
        self.api.delete(&self.path(name), &json!({"propagationPolicy": "Background"})).await?;
        Ok(())
    }

    /// The product's credit, of a Job that is there. None where the Job changed faster than it
    /// could be read.
    pub async fn credit(
        &self,
        job: &Observed,
        wanted: impl Fn(&Observed) -> Wanted,
        measure: &Measure,
    ) -> Result<Option<Credited>, Failed> {
        match credit(&self.connection, &self.namespace, &job.name, &job.uid, wanted, measure).await
        {
            Ok(Some(taken)) => Ok(Some(taken)),
            Ok(None) => Err(format!("{} is gone", job.name).into()),
            Err(error) if error.is_conflict() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// All that a Job has not counted yet.
pub fn rest(job: &Observed) -> i32 {
    job.completions.unwrap_or(0) - job.succeeded
}

/// So many completions, of any index.
pub fn any(job: &Observed, count: i32) -> Wanted {
    Wanted { count, from: vec![(Indexes::all(job.completions.unwrap_or(0)), count)] }
}
