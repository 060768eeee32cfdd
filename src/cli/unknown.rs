//! What is said of shards of which nothing is known, where Jobs are shown.

use std::collections::BTreeMap;

use super::{Session, warnings::unlisted};
use crate::{
    print::counted,
    reconcile::{ShardStatus, Status},
    state::Record,
};

/// Names each shard of which nothing is known, with what was known last. Of several Jobs, one
/// warning of each cluster says how many shares are not known: what was known last is in the table.
pub fn name_the_unknown(session: &Session<'_>, shown: &[(&Record, &Status)]) {
    let output = session.output();
    let unlisted_in = shown.iter().flat_map(|(_, status)| &status.unlisted);
    for (cluster, why) in unlisted_in {
        output.warning(Some(cluster), &unlisted(why));
    }
    let mut silent: BTreeMap<(&str, &str), Vec<(&Record, &ShardStatus)>> = BTreeMap::new();
    for (record, status) in shown {
        for shard in &status.shards {
            if let Some(why) = &shard.unknown {
                silent.entry((&shard.cluster, why)).or_default().push((record, shard));
            }
        }
    }
    for ((cluster, why), shards) in silent {
        let are = match shards.as_slice() {
            shards if shown.len() > 1 => {
                let are = if shards.len() == 1 { "is" } else { "are" };
                vec![format!("{} {are} Unknown", counted(shards.len(), "shard"))]
            }
            shards => {
                let of_one =
                    |(record, shard): &(&Record, &ShardStatus)| one(session, record, shard);
                shards.iter().map(of_one).collect()
            }
        };
        for are in are {
            output.warning(Some(cluster), &format!("{are}: {why}"));
        }
    }
}

/// That nothing is known of a shard, and what was known last.
fn one(session: &Session<'_>, record: &Record, shard: &ShardStatus) -> String {
    let known = match shard.seen.at {
        // Only what has a uid on the host is ever started.
        _ if shard.uid.is_none() => "it is not created yet, or has run nothing".to_owned(),
        0 => "nothing is known of it".to_owned(),
        at => format!("{} succeeded as of {} ago", shard.achieved, session.age(at)),
    };
    let share = shard
        .share
        .completions
        .map_or(String::new(), |count| format!(" of {}", counted(count, "completion")));
    format!("job.batch/{}: its share{share} is Unknown ({known})", record.name())
}
