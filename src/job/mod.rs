//! What a Job's spec allows, and how a shard's Job is made from it; pure.
//!
//! Jobs are kept as [`serde_json::Value`], so that fields of newer APIs are not lost. Typed views
//! such as [`Size`] and [`Observed`] are for reading.

mod changes;
pub mod credit;
mod defaults;
mod differences;
mod dropped;
mod edit;
pub mod gang;
mod index_env;
mod indexes;
mod is_zero;
pub mod labels;
mod lease;
mod lease_length;
mod lost_limit;
mod manifest;
mod misfit;
mod observed;
mod patch;
pub mod pod;
mod pod_times;
mod quantity;
pub mod queue;
mod shard;
mod size;
mod types;

pub use changes::{Changes, Lacks};
pub use differences::differences;
pub use dropped::dropped;
pub use edit::{
    Leeway, Mutability, Removed, TemplateEdits, can_recreate, changes, immutable, same, spelt_as,
    summary,
};
pub use index_env::own_index_variables;
pub use indexes::{Indexes, InvalidIndexes};
pub(crate) use is_zero::is_zero;
pub use labels::{Owner, Ownership};
pub use lease::{Lease, pod_deadline};
pub use lease_length::{lease_text, parse_lease};
pub use lost_limit::{LostLimit, lost_limits};
pub use manifest::Manifest;
pub use misfit::{Misfit, adoptable, differing};
pub(crate) use observed::text;
pub use observed::{End, EndKind, Observed};
pub use patch::{Patch, Unpatchable};
pub use pod::Pod;
pub use pod_times::PodTimes;
pub use shard::{Spec, adjust, change, change_template, expire, shard};
pub use size::Size;

use serde_json::Value;

/// Why an object cannot be a federated Job: a sentence that starts with the field's path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(String);

impl Invalid {
    fn value(field: &str, value: &Value, why: &str) -> Self {
        Self(format!("{field}: Invalid value: {value}: {why}"))
    }

    fn required(field: &str) -> Self {
        Self(format!("{field}: Required value"))
    }

    fn unsupported(field: &str, why: &str) -> Self {
        Self(format!("{field}: {why}"))
    }
}
