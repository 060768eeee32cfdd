//! What a restore overwrites, and what is to be thought of.

use jiff::Timestamp;

use crate::{
    cli::{cluster::registrations::changes, warnings::unknown_shards},
    federation::{
        Comparison, Difference, OtherHost, RecordChange, RecordSource, RegistryChange, Replaced,
        Restore as Plan, Return,
    },
    print::{federate, federate_on_host},
    state::{self, LeftOut, Newer, Record},
};

/// What becomes of the host that has the federation. `is` begins the sentence: it says that the
/// backup is of it, or that it is the one to which the federation was moved. `context` is that of
/// the new host.
fn about_other_host(other: &OtherHost, is: &str, context: &str) -> String {
    let finish = |old: &str| federate_on_host("init", [format!("--from={old}")], context);
    match other {
        OtherHost::Left { name, lacking, .. } => {
            let all = format!(
                "{is} host {name:?}, which answers: it is marked as moved, and nothing can use \
                 it afterwards. {} moves the federation as it is now instead.",
                finish(name)
            );
            if lacking.is_empty() {
                return all;
            }
            let jobs = lacking.iter().map(|(namespace, name)| format!("{namespace}/{name}"));
            let jobs = jobs.collect::<Vec<_>>().join(", ");
            format!("{all} It lacks jobs that are there: {jobs}.")
        }
        OtherHost::NotInUse { name } => {
            format!("{is} host {name:?}, which has the federation no more.")
        }
        OtherHost::Moved { name, to, .. } => format!(
            "{is} host {name:?}. The federation was moved from there to another host{}. If \
             that one is used too, both give out the same work.",
            state::by_context(to)
        ),
        OtherHost::Silent { name, why } => format!(
            "{is} host {name:?}, which cannot be marked as moved: {}. If it is used again, both \
             give out the same work. {} marks it then.",
            why.trim_end_matches(['.', '?']),
            finish(name)
        ),
        OtherHost::Unknown => format!(
            "{is} another host, and no context leads there that answers. If that host is used \
             again, both give out the same work. {} marks it then.",
            finish("CONTEXT")
        ),
    }
}

/// What is overwritten, and what is to be thought of: a sentence each. `context` is that of the
/// host.
/// `other` is the context of the host that is remembered, if that is another one. `is_moved` says
/// that the federation has another host than the one that the backup is of. The backup was made at
/// `created`, and lacks the Jobs that were left out.
pub(super) fn consequences(
    plan: &Plan,
    (host, context): (&str, &str),
    (other, is_moved): (Option<&str>, bool),
    (created, left_out): (i64, &[LeftOut]),
) -> Vec<String> {
    let mut said = vec![format!("The backup was made at {}.", time(created))];
    said.extend(left_out.iter().map(about_left_out));
    said.extend(other.map(|other| {
        format!(
            "It is restored on host {host:?}, which all commands use then in place of {other:?}."
        )
    }));
    let is = match &plan.returns {
        Some(Return { is_other_host: true, .. }) => "The federation was moved from here to",
        _ if is_moved => "The federation was moved since to",
        _ => "It is of",
    };
    said.extend(plan.other_host.iter().map(|other| about_other_host(other, is, context)));
    if let Some(Return { moved, is_other_host: false }) = &plan.returns {
        said.push(format!(
            "The federation was moved from here to another host{}. If that one is used too, both \
             give out the same work.",
            state::by_context(&moved.context)
        ));
    }
    if let Some(OtherHost::Left { name, differences, .. }) = &plan.other_host {
        let there = format!("host {name:?}");
        said.extend(differences.iter().map(|(name, how)| difference(name, how, &there)));
    }
    if let RegistryChange::Damaged(why) = &plan.registry {
        said.push(format!("The registry on host {host:?} is replaced: {why}."));
    }
    if let RegistryChange::TakenOver { from } = &plan.registry {
        said.push(format!(
            "The registry on host {host:?} is that of federation {from}, which has no jobs. It \
             becomes the one of the backup."
        ));
    }
    said.extend(plan.differences.iter().map(|(name, how)| difference(name, how, "the host")));
    for (record, change) in &plan.records {
        let job = format!("job.batch/{} in namespace {}", record.name(), record.namespace());
        match change {
            RecordChange::Readable(Comparison::Replaced { on_host, in_backup, newer }) => {
                let which = match newer {
                    Newer::This => "the one on the host is newer",
                    Newer::Other => "the one in the backup is newer",
                    Newer::Neither => "neither is known to be newer",
                };
                let taken_again = match newer {
                    Newer::Other => "",
                    Newer::This | Newer::Neither => {
                        " A newer manifest that a cluster keeps is taken from there again."
                    }
                };
                said.push(format!(
                    "{job}: the record on the host is replaced: {which}{}.{taken_again}",
                    times(*on_host, *in_backup)
                ));
            }
            RecordChange::Damaged(why) => {
                said.push(format!("{job}: the record on the host is replaced: {why}."));
            }
            RecordChange::Readable(Comparison::New) if plan.revives() => match &record.state.outcome
            {
                Some(outcome) => said.push(format!(
                    "{job}: the host has no record of it. It comes back as it was, {}.",
                    outcome.verdict.as_str()
                )),
                None => said.push(format!(
                    "{job}: the host has no record of it. It was deleted or has expired since the \
                 backup, or its record was lost. What no cluster has of it any more may have been \
                 done. {} runs it again.",
                    federate("reconcile", [record.name(), "-n", record.namespace(), "--reopen"])
                )),
            },
            RecordChange::Kept { on_host, in_backup, is_newer, lacking } => {
                let which = if *is_newer { "is" } else { "may be" };
                said.push(format!(
                    "{job}: the record on the host {which} newer than that of the backup, and \
                     stays{}. --replace-newer replaces it.{}",
                    times(*on_host, *in_backup),
                    unknown_shards(lacking, "the backup")
                ));
            }
            RecordChange::Revived(RecordSource::HostAlone) => {
                said.push(about_host_alone(record, left_out));
            }
            RecordChange::Revived(_) => said.push(format!(
                "{job}: this host has a newer record than the backup. It counts again."
            )),
            RecordChange::Taken => said.push(format!(
                "{job}: the host has another job of this name, which stays. The one of the backup \
                 is not restored."
            )),
            RecordChange::Readable(Comparison::New | Comparison::Same) | RecordChange::Listed => {}
        }
    }
    said
}

/// What becomes of a Job that the backup lacks and a host has that is as old as a backup.
fn about_host_alone(record: &Record, left_out: &[LeftOut]) -> String {
    let (namespace, name) = (record.namespace(), record.name());
    let is_left_out = left_out.iter().any(|it| it.namespace == namespace && it.name == name);
    let why = if is_left_out {
        "it can be read here"
    } else {
        "the backup does not have it: it is newer, or was deleted since the federation left this \
         host"
    };
    format!(
        "job.batch/{name} in namespace {namespace}: {why}. It comes back as it was then. What no \
         cluster has of it any more may have been done, and is held back."
    )
}

/// What becomes of a Job whose record could not be read when the backup was made.
fn about_left_out(LeftOut { namespace, name, why }: &LeftOut) -> String {
    format!(
        "job.batch/{name} in namespace {namespace} is not in the backup, because its record could \
         not be read: {}. What the host has of it stays. If that is nothing, {} rebuilds the \
         record.",
        why.trim_end_matches('.'),
        federate("job recover", [name, "-n", namespace])
    )
}

/// What becomes of a cluster that a host and the backup do not have alike. `host` names the host.
fn difference(name: &str, difference: &Difference, host: &str) -> String {
    match difference {
        Difference::Changed(registration) => {
            let replaced = "its registration is replaced by the one of the backup";
            format!("cluster {name:?}: {replaced}{}.", settings(registration))
        }
        Difference::Renamed { on_host, registration } => format!(
            "cluster {name:?}: it is {on_host:?} on {host}, and keeps that name. Its registration \
             is the one of the backup{}.",
            settings(registration)
        ),
        Difference::Displaced => format!(
            "cluster {name:?}: another cluster has this name on {host}, and stays. The one of the \
             backup is not registered: what it did since then is not known, and may run twice."
        ),
        Difference::Returns => {
            format!("cluster {name:?}: it is no member on {host}, and becomes one again.")
        }
        Difference::Left => format!(
            "cluster {name:?}: it was registered and unregistered since then. What it still runs \
             is not known, and may run twice."
        ),
        Difference::HostAlone => {
            format!("cluster {name:?}: the backup does not have it. It stays a member.")
        }
        Difference::Superseded => format!(
            "cluster {name:?}: another cluster has this name in the backup, and is the member. The \
             one that {host} has is not registered: what it did since then is not known, and may \
             run twice."
        ),
        Difference::Joined => {
            format!("cluster {name:?}: it was registered on {host} since then, and is a member.")
        }
    }
}

/// Which settings of a cluster change, after a colon.
fn settings(registration: &Replaced) -> String {
    let changes = changes(&registration.before, &registration.after);
    if changes.is_empty() { String::new() } else { format!(": {}", changes.join("; ")) }
}

/// When two records have last changed, in brackets. Which one is newer is told by counts. So
/// nothing is said where the times are the same.
fn times(on_host: i64, in_backup: i64) -> String {
    if on_host == in_backup {
        return String::new();
    }
    format!(" (host: {}, backup: {})", time(on_host), time(in_backup))
}

fn time(second: i64) -> String {
    Timestamp::from_second(second).map_or_else(|_| second.to_string(), |at| at.to_string())
}
