//! When the pods of a federated Job waited and ran, as they say themselves.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use super::{error::Error, open::Federation, pods::pods};
use crate::{
    job::{Pod, PodTimes},
    reconcile::Clocks,
    state::Record,
};

/// The label of a pod that has the name of its Job (since Kubernetes 1.27).
const JOB_NAME: &str = "batch.kubernetes.io/job-name";

/// A pod of a federated Job, and its times by the host's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodRun {
    /// The member.
    pub cluster: String,
    /// Its Job there.
    pub job: String,
    /// Its name.
    pub name: String,
    /// Its completion index, of an Indexed Job.
    pub index: Option<i32>,
    /// When it waited and ran.
    pub times: PodTimes,
}

/// When the pods of a federated Job waited and ran.
#[derive(Debug)]
pub struct Timeline {
    /// The Job.
    pub record: Record,
    /// The pods that are still there: by cluster, and in the order in which they were created.
    pub pods: Vec<PodRun>,
    /// The members that did not say what there is, and why.
    pub silent: BTreeMap<String, String>,
}

impl Federation<'_> {
    /// Reads the times of all pods of a federated Job, in these clusters or in all; one list of
    /// each member.
    ///
    /// # Errors
    /// The Job cannot be read, or has no shard in one of the clusters.
    pub async fn timeline(
        &self,
        namespace: &str,
        name: &str,
        clusters: &BTreeSet<String>,
    ) -> Result<Timeline, Error> {
        let record = self.record(namespace, name).await?;
        self.check_shards_in(clusters, &record)?;
        let members = self.members_of(&[&record]).await;
        let (mut runs, mut silent) = (Vec::new(), BTreeMap::new());
        for (cluster, answer) in pods(&record, &members, clusters).await {
            silent.extend(answer.absent.map(|why| (cluster.clone(), why)));
            match answer.pods {
                Some((_, Ok(pods))) => {
                    runs.extend(pods.iter().filter_map(|pod| PodRun::read(&cluster, pod)));
                }
                Some((_, Err(error))) => drop(silent.insert(cluster, error.to_string())),
                None => {}
            }
        }
        let clocks = members.clocks(self.store.host());
        for run in &mut runs {
            run.by_the_host(&clocks);
        }
        runs.sort_by_cached_key(|run| {
            (run.cluster.clone(), run.times.created, run.index, run.name.clone())
        });
        Ok(Timeline { record, pods: runs, silent })
    }
}

impl PodRun {
    fn read(cluster: &str, pod: &Value) -> Option<Self> {
        let Pod { name, index, .. } = Pod::from_object(pod);
        let job = pod["metadata"]["labels"][JOB_NAME].as_str().unwrap_or_default().to_owned();
        let times = PodTimes::from_object(pod)?;
        Some(Self { cluster: cluster.to_owned(), job, name, index, times })
    }

    /// Has its times as the host's clock has them.
    fn by_the_host(&mut self, clocks: &Clocks) {
        let cluster = &self.cluster;
        let host_time = |at: Timestamp| {
            Timestamp::from_second(clocks.host_time(cluster, at.as_second())).unwrap_or(at)
        };
        let PodTimes { created, scheduled, started, ended, .. } = &mut self.times;
        *created = host_time(*created);
        for time in [scheduled, started, ended] {
            *time = time.map(host_time);
        }
    }
}
