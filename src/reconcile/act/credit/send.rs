//! The reads and the write of a credit.

use std::time::Duration;

use tokio::time::Instant;

use super::measure::{Measure, Wanted, creditable};
use crate::{
    cluster::{Connection, Error},
    job::{
        Indexes, Observed, Pod,
        credit::{Credit, STILL},
        pod,
    },
    reconcile::{
        act::{bodies, change_watch::ChangeWatch, target::ATTEMPTS},
        observe::server_time,
        paths::{job_path, pods_path},
    },
    seams,
};

/// A Job and its pods must have been read within this time before a credit is sent.
const FRESH: Duration = Duration::from_secs(1);

/// The result of a credit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credited {
    /// The Job as it is now.
    pub job: Observed,
    /// How many completions were credited.
    pub count: i32,
    /// How many more were wanted and have yet to succeed. They have started, or may be about to.
    pub kept: i32,
    /// Credited indexes on which a pod was found afterwards: they may run twice.
    pub doubled: Indexes,
}

/// Credits completions to a Job, as many of those wanted as possible without affecting running
/// pods. `wanted` is asked each time that the Job was read. None where the Job is gone or has
/// another uid.
///
/// # Errors
/// The cluster's. A conflict where the Job changes faster than it can be read.
pub async fn credit(
    connection: &Connection,
    namespace: &str,
    name: &str,
    uid: &str,
    wanted: impl Fn(&Observed) -> Wanted,
    measure: &Measure,
) -> Result<Option<Credited>, Error> {
    let path = job_path(namespace, name);
    let mut attempt = 0;
    let mut change_watch = ChangeWatch::default();
    let mut has_waited = false;
    loop {
        attempt += 1;
        let read_at = Instant::now();
        let job = match connection.get(&path).await {
            Ok(job) => Observed::from_object(&job),
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error),
        };
        if job.uid != uid {
            return Ok(None);
        }
        let wanted = wanted(&job);
        let needs_pods = wanted.count > 0 && job.takes_credit();
        let pods = if needs_pods { pods(connection, namespace, uid).await? } else { Vec::new() };
        let still = change_watch.is_still(&job, &pods, read_at);
        let credit = creditable(&job, &pods, &wanted, measure, still);
        let count = credit.count();
        // Wait once for stillness, because the Job may never be still.
        if creditable(&job, &pods, &wanted, measure, true).count() > count && !has_waited {
            has_waited = true;
            tokio::time::sleep(STILL).await;
            continue;
        }
        let left = (job.completions.unwrap_or(0) - job.succeeded).max(0);
        let credited = |job, count, doubled| Credited {
            job,
            count,
            kept: (wanted.count.min(left) - count).max(0),
            doubled,
        };
        let is_fresh = read_at.elapsed() <= FRESH;
        if count > 0 && !is_fresh && attempt < ATTEMPTS {
            continue;
        }
        if count == 0 || !is_fresh {
            return Ok(Some(credited(job, 0, Indexes::default())));
        }
        let now = server_time(connection, seams::now());
        let patch = bodies::conditional(bodies::credit(&job, &credit, now), &job);
        match connection.patch(&format!("{path}/status"), &patch).await {
            Ok(job) => {
                let doubled = doubled(connection, namespace, uid, &credit).await?;
                return Ok(Some(credited(Observed::from_object(&job), count, doubled)));
            }
            Err(error) if error.is_conflict() && attempt < ATTEMPTS => {}
            Err(error) => return Err(error),
        }
    }
}

/// The credited indexes that have a pod now.
async fn doubled(
    connection: &Connection,
    namespace: &str,
    uid: &str,
    credit: &Credit,
) -> Result<Indexes, Error> {
    let Credit::Indexes(indexes) = credit else { return Ok(Indexes::default()) };
    let pods = pods(connection, namespace, uid).await?;
    let occupied: Indexes = pods.iter().filter_map(|pod| pod.index).collect();
    Ok(occupied.both(indexes))
}

/// The pods of the Job with this uid.
pub(crate) async fn pods(
    connection: &Connection,
    namespace: &str,
    uid: &str,
) -> Result<Vec<Pod>, Error> {
    let pods = connection.list(&pods_path(namespace), &pod::selector(&[uid])).await?;
    Ok(pods.iter().map(Pod::from_object).collect())
}
