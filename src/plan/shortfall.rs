//! What cannot be placed, and why.

use std::fmt;

use super::shares::Line;
use super::{Reason, terms::Terms};

/// The most members that the message names.
const NAMED: usize = 8;

/// Pods that have no place within the members' limits. It prints as a sentence without a full stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortfall {
    /// Pods that should run at once: the Job's parallelism, or its completions if they are fewer.
    pub asked: i32,
    /// How many of these pods have a place.
    pub placed: i32,
    /// The fewest pods that a share may have. If these are more than 1, the pods may have a place
    /// and be impossible to divide.
    pub least: i32,
    /// What each member takes, sorted by name.
    pub limits: Vec<Limit>,
}

/// The most pods that one member takes, and the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// The member's name.
    pub cluster: String,
    /// Pods at once.
    pub takes: i32,
    /// The reason why it takes no more.
    pub reason: Reason,
}

impl Shortfall {
    pub(super) fn new<'a>(
        asked: i128,
        least: i128,
        members: impl Iterator<Item = (&'a Terms<'a>, &'a Line)>,
    ) -> Self {
        let limit = |(terms, line): (&Terms<'_>, &Line)| {
            let takes = line.most();
            Limit {
                cluster: terms.name.to_owned(),
                takes: takes as i32,
                reason: terms.reason(takes),
            }
        };
        let mut limits: Vec<Limit> = members.map(limit).collect();
        limits.sort_by(|a, b| a.cluster.cmp(&b.cluster));
        let placed: i32 = limits.iter().map(|limit| limit.takes).fold(0, i32::saturating_add);
        Self { asked: asked as i32, placed, least: least as i32, limits }
    }
}

impl std::error::Error for Shortfall {}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { asked, placed, least, limits } = self;
        if limits.is_empty() {
            let pods = if *asked == 1 { "pod" } else { "pods" };
            return write!(f, "there is no cluster that could run the {asked} {pods} asked for");
        }
        if placed < asked {
            let missing = asked - placed;
            let have = if missing == 1 { "has" } else { "have" };
            write!(f, "{missing} of {asked} pods {have} no place: ")?;
        } else {
            write!(
                f,
                "{asked} pods cannot be divided so that no cluster gets fewer than {least}, the \
                 minCount of the gang: "
            )?;
        }
        for (i, limit) in limits.iter().take(NAMED).enumerate() {
            write!(f, "{}{limit}", if i == 0 { "" } else { ", " })?;
        }
        match limits.len().saturating_sub(NAMED) {
            0 => Ok(()),
            more => {
                write!(f, ", and {more} more clusters take {} together", rest(&limits[NAMED..]))
            }
        }
    }
}

/// The pods that the members take together that are not named.
fn rest(limits: &[Limit]) -> i32 {
    limits.iter().map(|limit| limit.takes).fold(0, i32::saturating_add)
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cluster, takes, reason } = self;
        let reason = match reason {
            Reason::MaxReplicas => "its maxReplicas",
            Reason::Capacity => "its capacity",
            Reason::NoWeight if *takes == 0 => "its weight is 0",
            Reason::NoWeight => "its weight is 0, so nothing beyond that",
            Reason::NotNamed => "the preferences do not name it",
        };
        match takes {
            0 => write!(f, "{cluster} takes none ({reason})"),
            takes => write!(f, "{cluster} takes {takes} ({reason})"),
        }
    }
}
