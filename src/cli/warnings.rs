//! The words of the events that are warnings; pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    cluster::TESTED,
    error::kubectl,
    federation::{Event, LateEdit, LeadsTo, Place},
    job::{LostLimit, summary},
    print::{counted, federate},
    reconcile::{Meddling, ShardStatus},
    state::{HeldBack, Lacking, Phase, Record, Shard},
};

/// How many clusters are named of those in the same state.
const NAMED: usize = 5;

/// The warning that an event is, with the cluster that it is about if it is about one; none for an
/// event that is no warning.
pub fn warning<'a>(event: &Event<'a>) -> Option<(Option<&'a str>, String)> {
    let job = |record: &Record| format!("job.batch/{}", record.name());
    Some(match event {
        Event::OwnIndex { record, path } => {
            let sees = "the container sees that, and not the index of its pod";
            (None, format!("{}: {path} sets JOB_COMPLETION_INDEX: {sees}", job(record)))
        }
        Event::LostLimit { record, limit } => (None, format!("{}: {}", job(record), lost(*limit))),
        Event::NoLease { record, clusters } => {
            let (job, clusters) = (job(record), named(clusters));
            let why = "a queue decides when it runs, so it gets no lease there";
            (None, format!("{job}: {clusters}: {why}. Its work waits for a cluster that is silent"))
        }
        Event::ShortLease { record, clusters } => {
            let (job, clusters) = (job(record), named(clusters));
            let why = "gets no work of it: its pods may run longer than the lease there";
            (None, format!("{job}: {clusters}: {why}"))
        }
        Event::Dropped { record, path, clusters } => {
            let (job, clusters) = (job(record), named(clusters));
            (None, format!("{job}: {path} is not kept by the server of {clusters}"))
        }
        Event::UnknownField { field, clusters } => (None, format!("{field} ({})", named(clusters))),
        Event::Silent { cluster, why } => (Some(cluster), format!("could not be asked: {why}")),
        Event::Unasked { record, cluster, why } => {
            (Some(cluster), format!("{}: could not be asked: {why}", job(record)))
        }
        Event::Unlisted { cluster, why } => (Some(cluster), unlisted(why)),
        Event::ManifestTaken { before, after, cluster } => (Some(cluster), taken(before, after)),
        Event::Disputed { record, edit, clusters } => (None, disputed(record, *edit, clusters)),
        Event::ShardFailed { shard, why, .. } => {
            (Some(&shard.cluster), format!("{}: {}: {why}", job_of(shard), shard.state))
        }
        Event::ShardAltered { shard, difference, .. } => {
            let text = format!("{}: the cluster changed it: {difference}", job_of(shard));
            (Some(&shard.cluster), text)
        }
        Event::ContextAstray { cluster, context, leads_to } => {
            (Some(cluster), astray(cluster, context, *leads_to))
        }
        Event::UsedAgain { record, host, lacking, edit, is_deleted } => {
            (None, used_again(record, host, lacking, (edit, *is_deleted)))
        }
        Event::UntestedServer { cluster, version } => {
            let [oldest, newest] = TESTED;
            let text = format!(
                "its server is Kubernetes {version}, and kubectl federate is tested with {oldest} \
                 to {newest}: work was credited to a job there, which other versions may count \
                 differently"
            );
            (Some(cluster), text)
        }
        Event::HostClockDiffers { host, ahead } => {
            let than = "the clock of this computer; the host's is used";
            (Some(host), clock_difference(*ahead, than))
        }
        Event::MemberClockDiffers { cluster, ahead } => {
            (Some(cluster), clock_difference(*ahead, "the host's"))
        }
        Event::LeftBehind { shard, why } => (Some(&shard.cluster), left_behind(shard, why)),
        Event::ShardMeddled { record, shard, how, place } => {
            (Some(&shard.cluster), meddled(record, shard, *how, place))
        }
        Event::GivenUp { record, cluster, work } => {
            let given = "are given to others, and may run twice";
            (Some(cluster), format!("{}: {work} {given}", job(record)))
        }
        Event::LeaseOver { record, work } => {
            let given = "are given to others. What of it ended unseen runs twice";
            (None, format!("{}: the lease is over: {work} {given}", job(record)))
        }
        Event::Expired { record, id, cluster } => {
            let why = "no command renewed its lease in time, so it has stopped";
            let name = record.job_name(*id);
            let then = match record.held_back() {
                Some(HeldBack::MayBeDone) => "may have been done, and waits until somebody says so",
                _ => "goes on anew",
            };
            (Some(cluster), format!("job.batch/{name}: {why}. What is left of it {then}"))
        }
        Event::Returned { record, shard } => (Some(&shard.cluster), returned(record, shard)),
        Event::RanTwice { record } if record.ran_twice().count > 0 => (None, ran_twice(record)),
        Event::LostAnswers { cluster } => {
            let uncordon = federate("cluster uncordon", [cluster]);
            let answers = "it was declared lost, and answers again";
            let lists = stray_jobs(cluster);
            (Some(cluster), format!("{answers}. {uncordon} gives it new work. {lists}"))
        }
        _ => return None,
    })
}

/// What becomes of a shard that is left behind.
fn left_behind(shard: &ShardStatus, why: &str) -> String {
    let pods = counted(shard.share.parallelism, "pod");
    let lists = || format!("Once the cluster answers, {}", stray_jobs(&shard.cluster));
    match shard.uid {
        // Only what has a uid on the host is ever started.
        None => format!("{} was not created, or has run nothing: {why}", job_of(shard)),
        Some(_) => format!(
            "{} is left behind, and may run there with up to {pods}: {why}. {}",
            job_of(shard),
            lists()
        ),
    }
}

/// What somebody did to a shard in its cluster, and the command that undoes it.
fn meddled(record: &Record, shard: &ShardStatus, how: Meddling, place: &Place) -> String {
    let (line, undoes) = match how {
        Meddling::LabelsRemoved => {
            (kubectl::label_again(place, &record.ownership(shard.id)), "puts them back")
        }
        Meddling::Suspended => (kubectl::unsuspend(place), "resumes it"),
        Meddling::Paused => {
            (kubectl::set_parallelism(place, shard.share.parallelism), "sets it back")
        }
        Meddling::MadeAgain => (None, ""),
    };
    let line = line.map_or(String::new(), |line| format!(". `{line}` {undoes}"));
    format!("{}: {}{line}", job_of(shard), how.as_str())
}

/// How the Jobs are found that go on in a cluster although no record has them: the records of Jobs
/// that were deleted while it was silent are gone.
pub fn stray_jobs(cluster: &str) -> String {
    let list = federate("orphans list", ["-A", &format!("--clusters={cluster}")]);
    format!("{list} shows jobs of this federation that it may still run, and that no record has.")
}

/// Clusters by name: `cluster west`, `clusters north, west`.
fn named(clusters: &BTreeSet<String>) -> String {
    let what = if clusters.len() == 1 { "cluster" } else { "clusters" };
    let names: Vec<_> = clusters.iter().map(String::as_str).collect();
    format!("{what} {}", names.join(", "))
}

/// A context does not lead to its member. Only what leads to a cluster that nobody knows may lead
/// to the member's successor.
fn astray(cluster: &str, context: &str, leads_to: LeadsTo<'_>) -> String {
    let finds = federate("cluster match", [cluster]);
    let register =
        |context| federate("cluster register", [cluster, &format!("--cluster-context={context}")]);
    let changes = register("CONTEXT");
    let leads = match leads_to {
        LeadsTo::Nothing | LeadsTo::Stranger => "does not lead to it".to_owned(),
        LeadsTo::Member(other) => format!("leads to cluster {other}, and not to it"),
        LeadsTo::Host => "leads to the host, and not to it".to_owned(),
        LeadsTo::Former(other) if other == cluster => {
            "leads to the cluster that had its name before, and not to it".to_owned()
        }
        LeadsTo::Former(other) => {
            format!("leads to cluster {other}, which was unregistered, and not to it")
        }
    };
    let text = format!(
        "your context {context:?} {leads}: {finds} looks for one that does, and {changes} changes \
         the context for everybody"
    );
    if leads_to != LeadsTo::Stranger {
        return text;
    }
    let lost = federate("cluster lost", [cluster]);
    let registers = register(context);
    format!(
        "{text}. If the cluster was built anew, {lost} gives its work to others, and {registers} \
         then registers the new one"
    )
}

/// A member has not been listed since a record was recovered, restored or moved.
pub fn unlisted(why: &str) -> String {
    let waits = "it may have shards that no record has, and no work is opened before that is known";
    format!("{waits}: {why}")
}

/// What became of a shard whose cluster was declared lost and answers again.
fn returned(record: &Record, shard: &Shard) -> String {
    let (name, state) =
        (record.name(), if shard.phase == Phase::Deleted { "gone" } else { "over" });
    let all = shard.achieved();
    let unseen = all - shard.given_up.unwrap_or(all);
    let completions = counted(all, "completion");
    format!(
        "job.batch/{name}: its shard, which was given up, is {state} with {completions}, {unseen} \
         of them unseen until now"
    )
}

/// What has succeeded twice because a cluster was declared lost, and whether that is all.
pub fn ran_twice(record: &Record) -> String {
    let twice = record.ran_twice();
    let which = match (twice.count, twice.indexes.is_empty()) {
        (0, _) => "nothing has run twice".to_owned(),
        (1, true) => "1 completion has run twice".to_owned(),
        (count, true) => format!("{count} completions have run twice"),
        (1, false) => format!("the index {} has run twice", twice.indexes),
        (_, false) => format!("the indexes {} have run twice", twice.indexes),
    };
    let so_far = if record.knows_what_ran_twice() { "" } else { ", as far as is known" };
    format!("job.batch/{}: {which}{so_far}", record.name())
}

/// The Job of a shard in its member.
pub fn job_of(shard: &ShardStatus) -> String {
    format!("job.batch/{}", shard.name)
}

/// More succeeded than an edit asks for: the Job is complete, and pods of it are stopped.
pub fn surplus(record: &Record, succeeded: i32, asked: i32, stopped: i32) -> String {
    let pods = match stopped {
        0 => String::new(),
        pods => {
            let are = if pods == 1 { "is" } else { "are" };
            format!(". {} {are} stopped", counted(pods, "running pod"))
        }
    };
    let job = record.name();
    let numbers = format!("{succeeded} have succeeded already, and {asked} were asked for");
    format!("job.batch/{job}: {numbers}: it is complete{pods}")
}

/// `its clock is 300s ahead of the host's`.
pub fn clock_difference(ahead: i64, than: &str) -> String {
    let side = if ahead > 0 { "ahead of" } else { "behind" };
    format!("its clock is {}s {side} {than}", ahead.abs())
}

/// The warning that a record has the newer manifest that Jobs in a cluster keep.
fn taken(before: &Record, after: &Record) -> String {
    let changes = summary(&before.manifest, &after.manifest).join(", ");
    let job = after.name();
    format!("job.batch/{job}: its manifest was replaced by the newer one of its jobs: {changes}")
}

/// The warning that clusters keep different manifests of one edit.
fn disputed(record: &Record, edit: u32, clusters: &BTreeSet<String>) -> String {
    let names: Vec<_> = clusters.iter().map(String::as_str).collect();
    let (job, names) = (record.name(), names.join(", "));
    format!(
        "job.batch/{job}: the jobs in {names} keep different manifests of edit {edit}, and none of \
         these was taken"
    )
}

/// Why completions are unplaced that are held back.
pub fn held(held_back: HeldBack) -> &'static str {
    match held_back {
        HeldBack::Undone => "shards were deleted",
        HeldBack::MayBeDone => "nobody knows whether they have been done",
    }
}

/// Why completions are unplaced that no member takes, with the members by their states.
pub fn untaken(members: &BTreeMap<&'static str, Vec<String>>) -> String {
    let some = |(state, names): (&&str, &Vec<String>)| {
        let shown = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = names.len().saturating_sub(NAMED);
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{state}: {shown}{rest}")
    };
    match members.iter().map(some).collect::<Vec<_>>() {
        states if states.is_empty() => "no cluster takes them".to_owned(),
        states => format!("no cluster takes them ({})", states.join("; ")),
    }
}

/// What becomes of what another host, which was used again, has done of a Job: of the shards that
/// it has given out, of its edits, and of a deletion.
fn used_again(
    record: &Record,
    host: &str,
    lacking: &Lacking,
    (edit, is_deleted): (&LateEdit, bool),
) -> String {
    let whose = format!("host {host:?}");
    let job = [record.name(), "-n", record.namespace()];
    let edited = match edit {
        LateEdit::None => String::new(),
        LateEdit::Taken(before) => {
            let changes = summary(before, &record.manifest).join(", ");
            format!(" It takes over how the job was edited on {whose}: {changes}.")
        }
        LateEdit::Left(other) => {
            let changes = summary(&record.manifest, other).join(", ");
            format!(" It does not take over how the job was edited on {whose}: {changes}.")
        }
    };
    let deleted = if is_deleted {
        let delete = job.into_iter().chain(["--cascade=background"]);
        let delete = federate("job delete", delete);
        format!(" {whose} was to delete the job: {delete} deletes it here.")
    } else {
        String::new()
    };
    let held = if record.awaits_lists() {
        let reopen = federate("reconcile", job.into_iter().chain(["--reopen"]));
        format!(" Work that may have been done by then is held back: {reopen} asks.")
    } else {
        String::new()
    };
    let lacks = unknown_shards(lacking, &whose);
    let said = format!("{edited}{deleted}{lacks}{held}");
    format!("job.batch/{}: its record here stays.{}", record.name(), said.trim_end_matches('.'))
}

/// Why a limit does not hold.
fn lost(limit: LostLimit) -> &'static str {
    match limit {
        LostLimit::PerIndex => {
            "spec.backoffLimitPerIndex limits nothing with restartPolicy OnFailure: a container \
             that fails is started again in its pod, so no pod fails"
        }
        LostLimit::Deadline => {
            "spec.activeDeadlineSeconds is more than 9223372036: a cluster cannot count that far, \
             and may end the job at once"
        }
    }
}

/// What becomes of the shards that a record does not know, which stays; nothing where there are
/// none. They are those of a backup, or of another host.
pub fn unknown_shards(Lacking { shards, other }: &Lacking, whose: &str) -> String {
    if shards.is_empty() {
        return String::new();
    }
    let listed = format!(
        " It does not know these shards of {whose}: {shards}. So no work is opened before all \
         clusters were listed, and what they have of these is taken in."
    );
    if other.is_empty() {
        return listed;
    }
    format!(
        "{listed} It has other jobs as these shards: {other}. What those of {whose} do may run \
         twice: {} shows them.",
        federate("orphans list", ["-A"])
    )
}
