//! YAML as kubectl reads and prints it.
//!
//! kubectl follows `sigs.k8s.io/yaml`, which is YAML 1.1 by the rules of go-yaml v2: `yes` and `on` are booleans,
//! `012` is ten, `1_000` is a thousand, the last of two equal keys wins, and a merge key (`<<`) overrides what stands
//! before it. A manifest must mean here what it means there, so scalars are resolved by those rules, over the
//! events of the parser that serde-saphyr is built on; and what is printed has kubectl's bytes.
//!
//! Two things differ on purpose. All documents of a stream are read, also those that kubectl drops behind a `...`
//! line, and an error has the line and column in the file.

mod read;
mod resolve;
mod write;

pub use read::{Error, read};
pub use write::write;

#[cfg(test)]
mod tests;
