//! A Job that was there before its federated Job gets the labels of its shard.

use super::{
    bodies,
    target::{Performed, Target, answer_of},
};
use crate::{
    job::{Misfit, Observed},
    reconcile::{decide::still_fits, observe::Answer},
};

/// Labels the Job, on the condition that it has the uid that the ledger knows, and is what was
/// recorded of it. A Job that another federated Job has taken over meanwhile is not touched (G6).
/// Nor is one that somebody has changed: the ledger does not speak for it.
pub(super) async fn adopt(target: &Target<'_>) -> Performed {
    let Target { record, id, .. } = target;
    let refused = |why: String| Ok(Some((Answer::Refused(why), None)));
    target
        .act_on_any(async |job| {
            if job.owner == Some(record.ownership(*id)) {
                return Ok(None);
            }
            if let Some(other) = &job.owner {
                return refused(Misfit::TakenOver(Some(other.owner())).to_string());
            }
            let object = target.connection.get(&target.path).await?;
            // Where this is a newer Job than that, the patch meets a conflict.
            if Observed::from_object(&object).uid == job.uid
                && let Err(misfits) = still_fits(record, *id, &object)
            {
                let misfits: Vec<_> = misfits.iter().map(ToString::to_string).collect();
                return refused(format!("it cannot be adopted: {}", misfits.join("; ")));
            }
            let stored = target.patch("", bodies::adoption(record, *id, job), job).await?;
            Ok(Some((answer_of(&stored), Some("adopted".to_owned()))))
        })
        .await
}
