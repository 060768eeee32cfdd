//! The events of the Jobs and pods of a federated Job, in all its members.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::Value;

use super::{
    error::Error,
    open::Federation,
    rounds::{Rounds, View},
};
use crate::{
    cluster::{Connection, fan_out},
    job::pod,
    reconcile::{Clocks, Members, events_path, last_seen, pods_path},
    state::Record,
};

/// Reasons of events of a Job that name a pod at the end of their messages.
const ABOUT_PODS: [&str; 2] = ["SuccessfulCreate", "SuccessfulDelete"];

/// An event of a member.
#[derive(Debug, Clone, PartialEq)]
pub struct MemberEvent {
    /// The member's name.
    pub cluster: String,
    /// The event as the member has it.
    pub object: Value,
}

/// Events of all members, the oldest first.
#[derive(Debug)]
pub struct JobEvents {
    /// The events, by the time at which each was seen last.
    pub events: Vec<MemberEvent>,
    /// The members that did not say what there is, and why.
    pub silent: BTreeMap<String, String>,
    /// How far the clocks differ by which the times were written.
    pub clocks: Clocks,
}

impl Federation<'_> {
    /// Reads the events of the Jobs and pods of a federated Job in these clusters, or in all where
    /// there is none; one list of each member.
    ///
    /// # Errors
    /// The Job cannot be read, or has no shard in one of the clusters.
    pub async fn job_events(
        &self,
        namespace: &str,
        name: &str,
        clusters: &BTreeSet<String>,
    ) -> Result<JobEvents, Error> {
        let record = self.record(namespace, name).await?;
        self.check_shards_in(clusters, &record)?;
        let members = self.members_of(&[&record]).await;
        Ok(self.events_of(&record, clusters, &members).await)
    }

    /// Reads the events again and again, and tells of those that are new, until it is told that
    /// nobody wants to know or the Job is gone.
    ///
    /// # Errors
    /// As of [`Federation::job_events`].
    pub async fn watch_job_events(
        &mut self,
        namespace: &str,
        name: &str,
        clusters: &BTreeSet<String>,
        tell: &mut (dyn FnMut(JobEvents) -> bool + Send),
    ) -> Result<(), Error> {
        let names = [name.to_owned()];
        let mut rounds = Rounds::begin(self, &names, Some(namespace))?;
        let (mut told, mut is_known) = (BTreeSet::new(), false);
        loop {
            if let Some(View { records, errors, .. }) = rounds.read().await? {
                Error::all(errors)?;
                let Some(record) = records.first() else {
                    let gone = Error::not_found(namespace, name);
                    return if is_known { Ok(()) } else { Err(gone) };
                };
                if !std::mem::replace(&mut is_known, true) {
                    rounds.federation.check_shards_in(clusters, record)?;
                }
                rounds.observe(&[record]).await;
                let (federation, members) = (&*rounds.federation, &rounds.members);
                let mut events = federation.events_of(record, clusters, members).await;
                events.events.retain(|event| told.insert(event.version()));
                if !tell(events) {
                    return Ok(());
                }
            }
            rounds.pause(Duration::MAX).await;
        }
    }

    async fn events_of(
        &self,
        record: &Record,
        clusters: &BTreeSet<String>,
        members: &Members,
    ) -> JobEvents {
        let ask = async |cluster: &str| {
            let uids: Vec<_> = uids(record, cluster);
            let answer = match members.get(cluster) {
                Ok(connection) => events_in(connection, record.namespace(), &uids).await,
                Err(why) => Err(why.to_owned()),
            };
            (cluster.to_owned(), answer)
        };
        let (mut events, mut silent) = (Vec::new(), BTreeMap::new());
        let is_asked = |name: &&str| clusters.is_empty() || clusters.contains(*name);
        let asked = record.clusters().into_iter().filter(is_asked);
        for (cluster, answer) in fan_out(asked, ask).await {
            match answer {
                Ok(found) => events.extend(
                    found
                        .into_iter()
                        .map(|object| MemberEvent { cluster: cluster.clone(), object }),
                ),
                Err(why) => drop(silent.insert(cluster, why)),
            }
        }
        let clocks = members.clocks(self.store.host());
        events.sort_by_cached_key(|event| {
            last_seen(&event.object).map(|at| clocks.host_time(&event.cluster, at.as_second()))
        });
        JobEvents { events, silent, clocks }
    }
}

impl MemberEvent {
    /// What is another one once the event is seen again.
    fn version(&self) -> (String, String, String) {
        let text =
            |field: &str| self.object["metadata"][field].as_str().unwrap_or_default().to_owned();
        (self.cluster.clone(), text("uid"), text("resourceVersion"))
    }
}

/// The uids of the Jobs of a record in a cluster.
fn uids<'r>(record: &'r Record, cluster: &str) -> Vec<&'r str> {
    let own = record.shards.values().filter(|shard| shard.cluster == cluster);
    own.filter_map(|shard| shard.uid.as_deref()).collect()
}

/// The events of Jobs with these uids, and of their pods: of those that are there, and of those
/// that the Jobs' own events name.
async fn events_in(
    connection: &Connection,
    namespace: &str,
    jobs: &[&str],
) -> Result<Vec<Value>, String> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let (events, pods) = (events_path(namespace), pods_path(namespace));
    let selector = pod::selector(jobs);
    let (events, pods) =
        tokio::join!(connection.list(&events, ""), connection.list(&pods, &selector));
    let text = |error: crate::cluster::Error| error.to_string();
    let (events, pods) = (events.map_err(text)?, pods.map_err(text)?);
    Ok(about(events, jobs, &pods))
}

fn about(mut events: Vec<Value>, jobs: &[&str], pods: &[Value]) -> Vec<Value> {
    let is_of_job = |event: &Value| {
        event["involvedObject"]["uid"].as_str().is_some_and(|uid| jobs.contains(&uid))
    };
    let named = events.iter().filter(|event| {
        is_of_job(event) && event["reason"].as_str().is_some_and(|it| ABOUT_PODS.contains(&it))
    });
    let named = named.filter_map(|event| event["message"].as_str()?.rsplit(' ').next());
    let named: BTreeSet<String> = named.map(str::to_owned).collect();
    let uids: BTreeSet<_> = pods.iter().filter_map(|pod| pod["metadata"]["uid"].as_str()).collect();
    events.retain(|event| {
        let object = &event["involvedObject"];
        let is = |field: &str, has: &dyn Fn(&str) -> bool| object[field].as_str().is_some_and(has);
        let is_pod = || {
            is("uid", &|uid| uids.contains(uid))
                || (is("kind", &|kind| kind == "Pod") && is("name", &|name| named.contains(name)))
        };
        is_of_job(event) || is_pod()
    });
    events
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_are_those_of_the_jobs_and_of_pods_that_are_there_or_were() {
        let event = |kind: &str, name: &str, uid: &str, reason: &str, message: &str| {
            let object = json!({"kind": kind, "name": name, "uid": uid});
            json!({"involvedObject": object, "reason": reason, "message": message})
        };
        let events = vec![
            event("Job", "pi", "j", "SuccessfulCreate", "Created pod: pi-gone"),
            event("Pod", "pi-gone", "g", "Killing", "Stopping container pi"),
            event("Pod", "pi-here", "h", "Scheduled", "Assigned"),
            event("Pod", "pi-2-x", "o", "Scheduled", "of another Job"),
            event("Job", "pi", "before", "SuccessfulCreate", "Created pod: pi-2-x"),
            event("Job", "pi", "j", "Completed", "Job completed pi-2-x"),
        ];
        let pods = [json!({"metadata": {"uid": "h"}})];
        let kept = about(events, &["j"], &pods);
        let reasons: Vec<_> = kept.iter().filter_map(|event| event["reason"].as_str()).collect();
        assert_eq!(reasons, ["SuccessfulCreate", "Killing", "Scheduled", "Completed"]);
    }
}
