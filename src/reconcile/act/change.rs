//! The spec of a Job is changed to what the ledger says.

use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::{
    bodies,
    target::{Performed, Target, answer_of, answer_of_error, is_denied},
};
use crate::{
    cluster::{Error, WriteOptions},
    job::{Indexes, Observed, queue},
    reconcile::{
        decide::{is_assigned, is_changed_whole, is_outdated, is_renewed_alone},
        observe::{Answer, Created, shard_id},
        paths::jobs_path,
    },
    state::{Phase, Record, Shard},
};

/// Patches the spec, unless the Job says that it has this change or a later one. The first change
/// lets the Job run, so an Indexed Job must have been told its indexes by then.
///
/// The second value names what the server changed of the Job, in either direction.
pub(super) async fn change(target: &Target<'_>) -> (Performed, Option<Vec<String>>) {
    let (record, shard) = (target.record, &target.record.shards[&target.id]);
    if shard.phase.ended() {
        let expired = target.update(EXPIRES, |job| {
            let patch = || ("", bodies::change(record, target.id, job));
            (job.generation < record.spec(target.id).generation).then(patch)
        });
        return (expired.await, None);
    }
    if let Some(performed) = make_ready(target).await {
        return (performed, None);
    }
    let altered = Mutex::new(None);
    let act = async |job: &Observed, created: Option<&Created>| {
        let is_left_alone = job.end.is_some() || !is_assigned(shard, job);
        if is_left_alone || !is_outdated(record, target.id, job) {
            return Ok(None);
        }
        if let Some(refusal) = unstartable(record, target.id, job) {
            return Ok(Some((Answer::Refused(refusal), None)));
        }
        let mut patch = bodies::change(record, target.id, job);
        if is_resumed(target, job).await? {
            queue::resume(&mut patch);
        }
        let what = description(record, target.id, job, &patch).to_owned();
        let resumes = patch["spec"]["suspend"] == false;
        let stored = match created.map(|created| bodies::while_as_created(created, &patch)) {
            None => send(target, patch, job).await?,
            Some(None) => return Ok(None),
            Some(Some(patch)) => target.json_patch(&patch).await?,
        };
        let sent = bodies::asked_for(record, target.id);
        let found = target.altered(&as_queued(sent, job), &stored);
        *altered.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        Ok(Some(match answer_of(&stored) {
            Answer::Job(job) if resumes && job.suspended && job.queue.is_none() => {
                let why = "the job was resumed, and its cluster keeps it suspended".to_owned();
                (Answer::Refused(why), None)
            }
            answer => (answer, Some(what)),
        }))
    };
    let (answer, what) = match without_look(target, &act).await {
        Some(performed) => performed,
        None => target.act_on_current(async |job| act(job, None).await).await,
    };
    let altered = altered.into_inner().unwrap_or_else(PoisonError::into_inner);
    match (answer, what) {
        (Answer::Job(job), Some(what))
            if !job.suspended && shard.lease.is_some() && job.start.is_none() =>
        {
            ((started(target, job).await, Some(what)), altered)
        }
        performed => (performed, altered),
    }
}

/// Changes a Job that this command has created, if it is as it was stored then. None where it has
/// to be looked at: it is another one by now, or its cluster takes no such patch.
async fn without_look(
    target: &Target<'_>,
    act: &impl AsyncFn(&Observed, Option<&Created>) -> Result<Option<Performed>, Error>,
) -> Option<Performed> {
    let created = target.created.get()?;
    let job = created.observed();
    let is_ours = shard_id(target.record, &job) == Some(target.id);
    // What an edit changes in the template is known only by a look at it.
    let awaits_template = target.record.shards[&target.id].awaits_template(&job);
    if !is_ours || awaits_template || target.uid != Some(job.uid.as_str()) {
        return None;
    }
    match act(&job, Some(created)).await {
        Ok(performed) => performed,
        Err(error) if error.is_unreachable() => Some((answer_of_error(&error), None)),
        Err(_) => None,
    }
}

/// A Job as it is to be in its cluster: one that is in a queue may be held, without a gang.
fn as_queued(mut sent: Value, job: &Observed) -> Value {
    if let Some(queue) = &job.queue {
        queue::hold(&mut sent, queue);
    }
    sent
}

/// Makes the deadline of a Job longer that its cluster lets have no other change.
pub(super) async fn renew(target: &Target<'_>) -> Performed {
    let Target { record, id, .. } = target;
    let due = |job: &Observed| is_renewed_alone(record, *id, job);
    target.update(RENEWED, |job| due(job).then(|| ("", bodies::renewal(record, *id)))).await
}

/// A Job that was resumed, once it has started, if that is soon: nobody knows when its lease ends
/// before that.
async fn started(target: &Target<'_>, job: Box<Observed>) -> Answer {
    match target.wait_until(|job| job.start.is_some() || job.end.is_some()).await {
        Answer::Waiting(..) => Answer::Job(job),
        started => started,
    }
}

/// Makes sure that a template can be changed where one has to be: suspends a Job that runs, and
/// waits until its pods have ended. What has to happen first is returned; none if nothing has.
///
/// A server does not suspend a Job and change its template in one write. A shard whose cluster was
/// away while the Job was suspended and edited may still run.
async fn make_ready(target: &Target<'_>) -> Option<Performed> {
    let shard = &target.record.shards[&target.id];
    if shard.template_generation == 0 && !shard.queued {
        return None;
    }
    let unready = |job: &Observed| is_unready(target.record, target.id, job);
    let was_resumed = |job: &Observed| {
        was_resumed_while_held(shard, job) && is_changed_whole(target.record, target.id, job)
    };
    let suspended = target
        .update("suspended", |job| {
            let is_to_wait = (unready(job) && !job.is_held()) || was_resumed(job);
            is_to_wait.then(|| ("", bodies::suspension(job)))
        })
        .await;
    let (Answer::Job(job), done) = suspended else { return Some(suspended) };
    if unready(&job) {
        let ready = target.wait_until(|job| !unready(job)).await;
        if !matches!(ready, Answer::Job(_)) {
            return Some((ready, done));
        }
    }
    forget_start(target).await
}

/// Whether somebody resumed a Job that is held. Nobody undoes that where the queueing system was
/// taken out. It is suspended again, so that its template can be put back before it runs.
fn was_resumed_while_held(shard: &Shard, job: &Observed) -> bool {
    let is_resumed = job.in_hold_queue && !job.suspended && !is_in_hold_queue(shard, job);
    is_resumed && job.takes_credit()
}

/// Whether the cluster has the queue of held Jobs, and has admitted a Job to it.
///
/// Kueue names the queue in the template only if its feature gate `AssignQueueLabelsForPods` is on.
/// But a Job that was never released was in no other queue.
fn is_in_hold_queue(shard: &Shard, job: &Observed) -> bool {
    let was_never_released = shard.phase == Phase::Created;
    let is_admitted = job.admitted_to_hold_queue || (was_never_released && job.was_admitted);
    job.in_hold_queue && !job.suspended && is_admitted
}

/// Takes away the `startTime` of a Job whose template is put back. Servers before 1.36 keep it
/// during a suspension, and let the template of a Job change only if it has none. What has to
/// happen first is returned; none if nothing has.
async fn forget_start(target: &Target<'_>) -> Option<Performed> {
    let forgotten = target
        .update("suspended", |job| {
            let is_back = puts_template_back(target.record, target.id, job);
            let is_kept = is_back && job.start.is_some();
            (is_kept && job.takes_credit()).then(|| ("/status", bodies::no_start()))
        })
        .await;
    (!matches!(forgotten.0, Answer::Job(_))).then_some(forgotten)
}

/// Whether a Job lacks the last edit of its template, and no server would let it have it yet.
pub(crate) fn is_unready(record: &Record, id: u32, job: &Observed) -> bool {
    let changes = record.shards[&id].awaits_template(job) || puts_template_back(record, id, job);
    changes && job.takes_credit() && !job.template_may_change()
}

/// Whether a change resumes a queued Job: its cluster had a queueing system and has none any more.
/// So nobody else would resume it.
///
/// The question is a dry run of another Job. A cluster may refuse that one for reasons of its own,
/// such as a quota for Jobs that is used up. Then the Job is queued as it was.
async fn is_resumed(target: &Target<'_>, job: &Observed) -> Result<bool, Error> {
    let Target { record, id, connection, .. } = target;
    let was_asked_before = job.queue.is_some() && job.generation > 0;
    let is_whole = is_changed_whole(record, *id, job);
    if !was_asked_before || !is_whole || record.manifest.suspended() {
        return Ok(false);
    }
    let mut question = queue::question_again(bodies::creation(record, *id));
    // It keeps its queue where the manifest names none any more.
    if let Some(own) = job.queue.as_ref().filter(|own| !own.is_empty()) {
        let asked = record.manifest.label(queue::QUEUE_NAME).unwrap_or(own);
        question["metadata"]["labels"][queue::QUEUE_NAME] = asked.into();
    }
    let field_validation = record.state.field_validation.of_writes();
    let options = WriteOptions { dry_run: true, field_validation };
    match connection.create(&jobs_path(record.namespace()), &question, options).await {
        Ok(answer) => Ok(queue::queue_in_answer(&answer).is_none()),
        Err(error) if is_denied(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether a change of a Job puts its template back to what it was before its cluster admitted it.
fn puts_template_back(record: &Record, id: u32, job: &Observed) -> bool {
    let is_released = job.in_hold_queue && !record.manifest.suspended();
    is_released && is_changed_whole(record, id, job) && queue::was_admitted(&job.template)
}

/// Sends a change. Before a Job first runs, this also takes away a `ttlSecondsAfterFinished` that
/// is not ours, once: a Job that expires takes its result with it. Where the server does not allow
/// that, the Job keeps it.
async fn send(target: &Target<'_>, patch: Value, job: &Observed) -> Result<Value, Error> {
    let is_unstarted = target.record.shards[&target.id].phase == Phase::Created;
    if !is_unstarted || job.ttl_seconds.is_none() {
        return target.patch("", patch, job).await;
    }
    let mut without_ttl = patch.clone();
    without_ttl["spec"]["ttlSecondsAfterFinished"] = json!(null);
    match target.patch("", without_ttl, job).await {
        Err(error) if error.is_forbidden() || error.is_invalid() => {
            target.patch("", patch, job).await
        }
        sent => sent,
    }
}

/// Why a Job that has not run must not be started: it has other completions than were sent, and
/// nobody can change them.
fn unstartable(record: &Record, id: u32, job: &Observed) -> Option<String> {
    let expected = record.spec(id).completions;
    let shard = &record.shards[&id];
    if is_in_hold_queue(shard, job) {
        return Some(format!(
            "its cluster has a queue named {0:?}, and has admitted job {1} to it without pods: no \
             cluster may have a queue of that name. Delete the LocalQueue {0} and the job",
            queue::HOLD_QUEUE,
            job.name
        ));
    }
    // The ledger may ask for other completions of an Indexed Job by now than when it was created.
    // What matters is that its own indexes are among them.
    let is_as_sent = match &shard.indexes {
        Some(own) => lacks_indexes(own, job).is_none(),
        None => job.completions == expected,
    };
    if shard.phase != Phase::Created || is_as_sent {
        return None;
    }
    let text = |count: Option<i32>| count.map_or("unset".to_owned(), |count| count.to_string());
    Some(format!(
        "its cluster changed the completions of job {} from {} to {}: it is not started",
        job.name,
        text(expected),
        text(job.completions)
    ))
}

/// Why a Job cannot run the indexes of its shard: its cluster lowered its completions. None where
/// it can. Such a Job would be Complete without them.
pub(super) fn lacks_indexes(own: &Indexes, job: &Observed) -> Option<String> {
    let completions = job.completions.unwrap_or(0);
    (completions < own.end()).then(|| {
        format!(
            "its cluster changed the completions of job {} to {completions}, and its shard has the \
             indexes {own}: it is not started",
            job.name
        )
    })
}

/// What the change is called that lets an ended Job expire.
const EXPIRES: &str = "given its ttlSecondsAfterFinished";

/// What the change is called that does nothing but renew a lease.
const RENEWED: &str = "given a new lease";

/// What a change of a shard's Job is called, given the Job before it and the patch.
pub(crate) fn description(record: &Record, id: u32, job: &Observed, patch: &Value) -> &'static str {
    let is_admitted = job.queue.is_some() && !job.suspended && !record.manifest.suspended();
    match record.shards[&id].phase {
        Phase::Created if !record.manifest.suspended() => "started",
        phase if phase.ended() => EXPIRES,
        _ if is_admitted && patch["spec"]["suspend"] == true => {
            "stopped until its queue admits its new parallelism"
        }
        _ if record.shards[&id].lacks_renewal_alone(job) => RENEWED,
        _ => "changed",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::job::Size;

    #[test]
    fn who_admitted_a_held_job_is_told_by_its_template_and_by_the_ledger() {
        let is_found = |phase: Phase, in_template: Value| {
            let share = Size { parallelism: 2, completions: Some(4) };
            let shard = Shard { phase, ..Shard::planned("west", share) };
            let job = Observed::from_object(&json!({
                "metadata": {"labels": {queue::QUEUE_NAME: queue::HOLD_QUEUE}},
                "spec": {"template": {"metadata": {
                    "annotations": {"kueue.x-k8s.io/workload": "job-pi-1"},
                    "labels": {"kueue.x-k8s.io/local-queue-name": in_template},
                }}},
            }));
            is_in_hold_queue(&shard, &job)
        };
        for phase in [Phase::Created, Phase::Started] {
            assert!(is_found(phase, queue::HOLD_QUEUE.into()), "{phase:?}");
        }
        assert!(!is_found(Phase::Started, "team".into()), "that is of an earlier admission");
        assert!(!is_found(Phase::Started, Value::Null), "that may be of an earlier admission");
        assert!(is_found(Phase::Created, Value::Null), "it was in no other queue");
    }

    #[test]
    fn a_job_that_lacks_indexes_of_its_shard_is_not_started() {
        let own = Indexes::all(9).without(&Indexes::all(6));
        for (completions, is_started) in [(9, true), (12, true), (8, false), (1, false)] {
            let job = Observed::from_object(&json!({
                "metadata": {"name": "pi", "uid": "u"},
                "spec": {"completions": completions, "completionMode": "Indexed"},
            }));
            assert_eq!(lacks_indexes(&own, &job).is_none(), is_started, "{completions}");
        }
    }
}
