//! The actions of a decision are performed, all members at once.

use std::sync::OnceLock;

use super::{
    adopt, change, credit,
    done::Done,
    make, remove, stop,
    target::{Performed, Target, read},
};
use crate::{
    cluster::{Connection, Minor, fan_out},
    reconcile::{
        decide::Action,
        observe::{Answer, Members, Observations, QueueAnswer},
        paths::job_path,
    },
    state::Record,
};

/// Asks by name for the Jobs of shards that a list did not have, and adds the answers to the
/// observations.
pub(crate) async fn confirm(
    record: &Record,
    shards: &[u32],
    members: &Members,
    observations: &mut Observations,
) {
    let ask = async |id: u32| {
        let path = job_path(record.namespace(), record.job_name(id));
        let cluster = record.shards[&id].cluster.clone();
        let answer = match members.of_shard(&record.shards[&id]) {
            Ok(connection) => read(record, id, connection, &path).await,
            Err(why) => Answer::Unknown(why.to_owned()),
        };
        (cluster, id, answer)
    };
    for (cluster, id, answer) in fan_out(shards.iter().copied(), ask).await {
        observations.add(&cluster, id, answer);
    }
}

/// Performs the actions, all members at once, and adds their answers to the observations.
///
/// The record must have been written before (G3). `on_done` is told of each action as it is done.
pub(in crate::reconcile) async fn act(
    record: &Record,
    actions: Vec<Action>,
    members: &Members,
    observations: &mut Observations,
    on_done: &(dyn Fn(&Done) + Sync),
) -> Vec<Done> {
    let perform_one = async |action: Action| {
        let (id, cluster) = (action.shard(), action.cluster(record).to_owned());
        // Only a deletion can concern a shard that is not in the ledger.
        let connection = match record.shards.get(&id).filter(|shard| shard.cluster == cluster) {
            Some(shard) => members.of_shard(shard),
            None => members.get(&cluster),
        };
        let ((answer, what), altered) = match connection {
            Ok(connection) => {
                let path = job_path(record.namespace(), record.job_name(id));
                let answer = members.take_queue_answer(&cluster, &path);
                let is_asked = members.was_asked(&cluster, &path);
                let created = members.take_created(&cluster, &path);
                // Any other action makes it another Job than was created.
                let created = created.filter(|_| matches!(action, Action::Change { .. }));
                let created = created.map_or_else(OnceLock::new, OnceLock::from);
                let uid = action.uid();
                let target = Target { record, id, uid, connection, path, is_asked, created };
                let performed = perform(&action, &target, answer).await;
                if let (Action::Create { .. }, Some(job)) = (&action, target.created.into_inner()) {
                    members.hand_on_created(&cluster, target.path, job);
                }
                performed
            }
            Err(why) => ((Answer::Unknown(why.to_owned()), None), None),
        };
        let untested = match connection {
            Ok(connection) if action.credits() && what.is_some() => untested(connection).await,
            _ => None,
        };
        let name = record.job_name(id);
        let done = what.map(|what| Done { cluster: cluster.clone(), name: name.to_owned(), what });
        if let Some(done) = &done {
            on_done(done);
        }
        (cluster, id, answer, altered, untested, done)
    };
    let mut all_done = Vec::new();
    for (cluster, id, answer, altered, untested, done) in fan_out(actions, perform_one).await {
        all_done.extend(done);
        if let Some(version) = untested {
            observations.untested.insert(cluster.clone(), version);
        }
        observations.add(&cluster, id, answer);
        if let Some(differences) = altered {
            observations.note_altered(&cluster, id, differences);
        }
    }
    all_done
}

/// The version of a server, where it is known and the tests run on no server of it.
async fn untested(connection: &Connection) -> Option<String> {
    let version = connection.server_version().await.ok()?;
    let is_tested = Minor::of(&version).is_some_and(Minor::is_tested);
    (!is_tested).then_some(version)
}

/// Performs one action. `answer` is what the cluster has answered about a new Job in this command.
/// The second value is given for writes of the spec: the differences between
/// what was sent and what the member answered.
async fn perform(
    action: &Action,
    target: &Target<'_>,
    answer: Option<QueueAnswer>,
) -> (Performed, Option<Vec<String>>) {
    let performed = match action {
        Action::Create { .. } => return make::create(target, answer).await,
        Action::Change { .. } => return change::change(target).await,
        Action::Renew { .. } => change::renew(target).await,
        Action::Adopt { .. } => adopt::adopt(target).await,
        Action::Assign { .. } => make::assign(target).await,
        Action::Credit { .. } => credit::credit_shard(target).await,
        Action::WindDown { .. } => stop::wind_down(target).await,
        Action::Retire { .. } => stop::retire(target).await,
        Action::Fail { .. } => stop::fail(target).await,
        Action::SetStart { .. } => stop::set_start(target).await,
        Action::Delete { cascade, .. } => remove::delete(target, *cascade).await,
    };
    (performed, None)
}
