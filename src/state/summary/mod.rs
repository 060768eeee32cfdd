//! What is known of many ended shards together, as short as it can be written.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::{Folded, Heard, Totals, Withheld, record::GivenUp};
use crate::job::{Indexes, InvalidIndexes, is_zero};

/// What a shard's Job keeps of the ended shards where it has no room for each of them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub(super) struct Summary {
    /// The ids of the shards.
    ids: Compact,
    /// Their totals.
    totals: Totals,
    #[serde(default, skip_serializing_if = "Compact::is_empty")]
    completed: Compact,
    #[serde(default, skip_serializing_if = "Compact::is_empty")]
    carried_indexes: Compact,
    #[serde(default, skip_serializing_if = "Compact::is_empty")]
    failed_indexes: Compact,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    given_up: Option<GivenUp>,
    #[serde(default, skip_serializing_if = "Compact::is_empty")]
    twice: Compact,
    #[serde(default, skip_serializing_if = "is_zero")]
    withheld: i32,
    #[serde(default, skip_serializing_if = "Compact::is_empty")]
    withheld_indexes: Compact,
}

impl From<Heard> for Summary {
    fn from(Heard { totals, withheld }: Heard) -> Self {
        Self {
            totals: totals.together(),
            ids: Compact(totals.ids),
            completed: Compact(totals.completed),
            carried_indexes: Compact(totals.carried_indexes),
            failed_indexes: Compact(totals.failed_indexes),
            end: totals.end,
            given_up: totals.given_up,
            twice: Compact(totals.twice),
            withheld: withheld.count,
            withheld_indexes: Compact(withheld.indexes),
        }
    }
}

impl From<Summary> for Heard {
    fn from(summary: Summary) -> Self {
        let totals = Folded {
            ids: summary.ids.0,
            completed: summary.completed.0,
            carried_indexes: summary.carried_indexes.0,
            failed_indexes: summary.failed_indexes.0,
            end: summary.end,
            given_up: summary.given_up,
            twice: summary.twice.0,
            ..Folded::default()
        };
        let withheld = Withheld { count: summary.withheld, indexes: summary.withheld_indexes.0 };
        Self { totals: totals.of_several(summary.totals), withheld }
    }
}

/// A set of indexes. Where its usual text is longer than that, it is written as bits, from the one
/// of index 0, the first 8 in the first byte, the smallest index as the lowest bit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
struct Compact(Indexes);

/// What precedes the base64 of bits.
const BITS: &str = "bits:";

impl Compact {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Compact> for String {
    fn from(Compact(indexes): Compact) -> Self {
        let text = indexes.to_string();
        let end = usize::try_from(indexes.end()).unwrap_or(0);
        if text.len() <= BITS.len() + end / 6 + 4 {
            return text;
        }
        let mut bytes = vec![0_u8; end.div_ceil(8)];
        for index in indexes.each().filter_map(|index| usize::try_from(index).ok()) {
            bytes[index / 8] |= 1 << (index % 8);
        }
        format!("{BITS}{}", STANDARD.encode(bytes))
    }
}

impl TryFrom<String> for Compact {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let Some(data) = text.strip_prefix(BITS) else {
            return text.parse().map(Self).map_err(|error: InvalidIndexes| error.to_string());
        };
        let bytes = STANDARD.decode(data).map_err(|error| error.to_string())?;
        let is_set = |n: &usize| bytes[n / 8] & (1 << (n % 8)) != 0;
        let all = (0..8 * bytes.len()).filter(is_set);
        Ok(Self(all.filter_map(|index| i32::try_from(index).ok()).collect()))
    }
}

#[cfg(test)]
mod tests;
