//! The words of the events that are warnings; pure.

use crate::{federation::Event, state::Record};

/// The warning that an event is, with the cluster that it is about if it is about one; none for an
/// event that is no warning.
pub fn warning<'a>(event: &Event<'a>) -> Option<(Option<&'a str>, String)> {
    let job = |record: &Record| format!("job.batch/{}", record.name());
    Some(match event {
        Event::OwnIndex { record, path } => {
            let sees = "the container sees that, and not the index of its pod";
            (None, format!("{}: {path} sets JOB_COMPLETION_INDEX: {sees}", job(record)))
        }
        Event::Dropped { record, path, clusters } => {
            let names: Vec<_> = clusters.iter().map(String::as_str).collect();
            let what = if names.len() == 1 { "cluster" } else { "clusters" };
            let (job, names) = (job(record), names.join(", "));
            (None, format!("{job}: {path} is not kept by the server of {what} {names}"))
        }
        Event::Unasked { record, cluster, why } => {
            (Some(cluster), format!("{}: could not be asked: {why}", job(record)))
        }
        Event::ShardFailed { record, shard, why } => {
            (Some(&shard.cluster), format!("{}: {}: {why}", job(record), shard.state))
        }
        Event::ShardAltered { record, shard, difference } => {
            let text = format!("{}: the cluster changed it: {difference}", job(record));
            (Some(&shard.cluster), text)
        }
        Event::HostClockDiffers { host, ahead } => {
            let than = "the clock of this computer; the host's is used";
            (Some(host), clock_difference(*ahead, than))
        }
        Event::MemberClockDiffers { cluster, ahead } => {
            (Some(cluster), clock_difference(*ahead, "the host's"))
        }
        Event::LeftBehind { shard, why } => {
            let (name, pods) = (&shard.name, shard.share.parallelism);
            let text = "is left behind, and may run there with up to";
            (Some(&shard.cluster), format!("job.batch/{name} {text} {pods} pods: {why}"))
        }
        _ => return None,
    })
}

/// More succeeded than an edit asks for: the Job is complete, and pods of it are stopped.
pub fn surplus(record: &Record, succeeded: i32, asked: i32, stopped: i32) -> String {
    let pods = match stopped {
        0 => String::new(),
        1 => ". 1 running pod is stopped".to_owned(),
        pods => format!(". {pods} running pods are stopped"),
    };
    let job = record.name();
    let numbers = format!("{succeeded} have succeeded already, and {asked} were asked for");
    format!("job.batch/{job}: {numbers}: it is complete{pods}")
}

/// `its clock is 300s ahead of the host's`.
fn clock_difference(ahead: i64, than: &str) -> String {
    let side = if ahead > 0 { "ahead of" } else { "behind" };
    format!("its clock is {}s {side} {than}", ahead.abs())
}
