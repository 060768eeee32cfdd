//! What may run work twice is done only if a user accepts that. The record remembers who did.

use serde::{Deserialize, Serialize};

/// The most acceptances that a record keeps. The oldest are dropped.
pub(super) const KEPT: usize = 16;

/// The most bytes of the detail.
const DETAIL_ROOM: usize = 256;

/// The most bytes of a user's name.
const WHO_ROOM: usize = 128;

/// The room for the acceptances of one record, in bytes of JSON.
pub(super) const ROOM: usize = KEPT * (DETAIL_ROOM + WHO_ROOM + 96);

/// What a user accepted although it may run work twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub struct Acceptance {
    /// What was done.
    pub what: Accepted,
    /// Which work it concerns, a phrase such as `6 completions of cluster west`.
    pub detail: String,
    /// The user, as the host knows them; or a sentence that says why the host does not tell.
    pub who: String,
    /// When, in seconds since 1970.
    pub when: i64,
}

/// Who asked for something that may run work twice later, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub struct Consent {
    /// The user, as the host knows them; or a sentence that says why the host does not tell.
    pub who: String,
    /// When, in seconds since 1970.
    pub when: i64,
}

/// The requests that may run work twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Accepted {
    /// `cluster lost`: the work of a cluster that nobody reaches was given to others.
    Lost,
    /// `reconcile --reopen`: work was run again that may have been done.
    Reopened,
    /// `job recover`: a record was rebuilt from what the members have.
    Recovered,
    /// `restore`: a backup did not know what clusters did that have left since.
    Restored,
    /// `job retry`: what is known not to have succeeded was run again.
    Retried,
    /// `job retry`: work was run again of which it is not known whether it was done.
    RetriedUncertain,
    /// A lease: the work of a cluster that nobody reached was given to others.
    Leased,
    /// `job adopt`: Jobs of others became shards.
    Adopted,
}

impl Accepted {
    /// The command that asks for it, as users type it after `kubectl federate`.
    pub fn command(self) -> &'static str {
        match self {
            Self::Lost => "cluster lost",
            Self::Reopened => "reconcile --reopen",
            Self::Recovered => "job recover",
            Self::Restored => "restore",
            Self::Retried | Self::RetriedUncertain => "job retry",
            Self::Leased => "cluster lease",
            Self::Adopted => "job adopt",
        }
    }

    /// Whether work may run twice because of it. Otherwise a user asked for it, and it has no such
    /// risk.
    pub fn may_repeat(self) -> bool {
        match self {
            Self::Lost
            | Self::Reopened
            | Self::Recovered
            | Self::Restored
            | Self::RetriedUncertain
            | Self::Leased => true,
            Self::Retried | Self::Adopted => false,
        }
    }
}

impl Acceptance {
    /// An acceptance. The texts are cut, so that it fits into the room that each record keeps.
    pub fn new(what: Accepted, detail: &str, who: &str, when: i64) -> Self {
        let cut = |text: &str, most: usize| text[..text.floor_char_boundary(most)].to_owned();
        Self { what, detail: cut(detail, DETAIL_ROOM), who: cut(who, WHO_ROOM), when }
    }
}
