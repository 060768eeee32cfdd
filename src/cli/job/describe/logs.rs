//! The last lines of pods that failed.

use crate::{
    cli::Session,
    federation::{Described, LastLines},
};

/// Prints them, if there are some.
pub(super) fn print(session: &Session<'_>, described: &Described) {
    let output = session.output();
    let last = described.last_lines.iter().filter(|(_, last)| !last.lines.is_empty());
    for (n, (id, LastLines { pod, container, lines })) in last.enumerate() {
        if n == 0 {
            output.line("Last Lines of Pods That Failed:");
        }
        let record = &described.look.record;
        let cluster = record.shards.get(id).map_or("", |shard| shard.cluster.as_str());
        output.line(format!("  {cluster}/pod/{pod}/{container}:"));
        for line in lines {
            output.line(format!("    {line}").trim_end());
        }
    }
}
