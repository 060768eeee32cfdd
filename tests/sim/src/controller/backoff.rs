//! How long a Job waits before it replaces failed pods.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::clock::later;
use crate::object::{items, moment, number, text};

const FIRST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_mins(10);

/// The failures of a Job's pods since its last success.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Record {
    failures: u32,
    last: Option<Timestamp>,
}

impl Record {
    /// The record after more pods have ended.
    pub(super) fn after(self, succeeded: &[Arc<Value>], failed: &[Arc<Value>]) -> Self {
        let mut failures: Vec<Timestamp> = failed.iter().map(|p| finish_time(p)).collect();
        failures.sort_unstable();
        match succeeded.iter().map(|p| finish_time(p)).max() {
            None if failed.is_empty() => self,
            None => Self {
                failures: self.failures + failures.len() as u32,
                last: failures.last().copied(),
            },
            Some(success) => {
                failures.retain(|at| *at > success);
                Self { failures: failures.len() as u32, last: failures.last().copied() }
            }
        }
    }

    /// When pods may be created again; none where that is now.
    pub(super) fn until(self, now: Timestamp) -> Option<Timestamp> {
        self.last.and_then(|last| until(self.failures, last, now))
    }
}

/// When pods may be created again after so many failures in a row.
pub(super) fn until(failures: u32, last: Timestamp, now: Timestamp) -> Option<Timestamp> {
    if failures == 0 {
        return None;
    }
    let wait = FIRST.saturating_mul(1 << (failures - 1).min(10)).min(LONGEST);
    // The controller waits until more time has passed than the back-off, and looks again when just
    // as much has.
    Some(later(last, wait)).filter(|until| *until > now)
}

/// When a pod ended, as far as its status says.
pub(super) fn finish_time(pod: &Value) -> Timestamp {
    let containers = items(pod, "/status/containerStatuses");
    let ends: Option<Vec<Timestamp>> =
        containers.iter().map(|c| moment(c, "/state/terminated/finishedAt")).collect();
    let of_containers = ends.and_then(|ends| ends.into_iter().max());
    let of_readiness = || {
        let condition = items(pod, "/status/conditions").iter().find(|c| c["type"] == "Ready")?;
        (text(condition, "/status") == "False").then(|| moment(condition, "/lastTransitionTime"))?
    };
    let of_deletion = || {
        let grace = number(pod, "/metadata/deletionGracePeriodSeconds").unwrap_or_default();
        moment(pod, "/metadata/deletionTimestamp")?
            .checked_sub(SignedDuration::from_secs(grace))
            .ok()
    };
    of_containers
        .or_else(of_readiness)
        .or_else(of_deletion)
        .or_else(|| moment(pod, "/metadata/creationTimestamp"))
        .unwrap_or_default()
}
