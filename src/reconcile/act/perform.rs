//! The actions of a decision are performed, all members at once.

use super::{
    change, credit,
    done::Done,
    make, remove, stop,
    target::{Performed, Target, read},
};
use crate::{
    cluster::{Connection, fan_out},
    reconcile::{
        decide::Action,
        observe::{Answer, Members, Observations},
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
            Ok(connection) => perform(record, &action, connection).await,
            Err(why) => ((Answer::Unknown(why.to_owned()), None), None),
        };
        let name = record.job_name(id);
        let done = what.map(|what| Done { cluster: cluster.clone(), name: name.to_owned(), what });
        if let Some(done) = &done {
            on_done(done);
        }
        (cluster, id, answer, altered, done)
    };
    let mut all_done = Vec::new();
    for (cluster, id, answer, altered, done) in fan_out(actions, perform_one).await {
        all_done.extend(done);
        observations.add(&cluster, id, answer);
        if let Some(differences) = altered {
            observations.note_altered(&cluster, id, differences);
        }
    }
    all_done
}

/// Performs one action. The second value is given for writes of the spec: the differences between
/// what was sent and what the member answered.
async fn perform(
    record: &Record,
    action: &Action,
    connection: &Connection,
) -> (Performed, Option<Vec<String>>) {
    let id = action.shard();
    let path = job_path(record.namespace(), record.job_name(id));
    let target = Target { record, id, uid: action.uid(), connection, path };
    let performed = match action {
        Action::Create { .. } => return make::create(&target).await,
        Action::Change { .. } => return change::change(&target).await,
        Action::Assign { .. } => make::assign(&target).await,
        Action::Credit { .. } => credit::credit_shard(&target).await,
        Action::WindDown { .. } => stop::wind_down(&target).await,
        Action::Retire { .. } => stop::retire(&target).await,
        Action::Fail { .. } => stop::fail(&target).await,
        Action::Delete { cascade, .. } => remove::delete(&target, *cascade).await,
    };
    (performed, None)
}
