//! Jobs as their clusters stored them when they were created.

use serde_json::{Value, json};

use crate::job::Observed;

/// A Job that this command has created: what its first change needs to know of it. Of a thousand
/// Jobs, whole objects would take much memory.
#[derive(Debug)]
pub struct Created(Value);

impl Created {
    /// A Job as it was stored. None for one that cannot be started without a look: a queue decides
    /// when it runs, or its cluster has added what is to be taken away.
    pub fn of(stored: &Value) -> Option<Self> {
        let job = Observed::from_object(stored);
        let is_plain = job.suspended && job.queue.is_none() && job.ttl_seconds.is_none();
        let metadata = &stored["metadata"];
        let is_known = is_plain && !job.uid.is_empty() && metadata["generation"].is_i64();
        let mut spec = stored["spec"].as_object()?.clone();
        for large in ["template", "selector"] {
            spec.remove(large);
        }
        is_known.then(|| {
            Self(json!({
                "kind": stored["kind"],
                "metadata": {
                    "name": metadata["name"],
                    "uid": metadata["uid"],
                    "generation": metadata["generation"],
                    "labels": metadata["labels"],
                    "annotations": metadata["annotations"],
                },
                "spec": spec,
            }))
        })
    }

    /// What decisions need of it.
    pub fn observed(&self) -> Observed {
        Observed::from_object(&self.0)
    }

    /// The Job, without its template, its selector and its status.
    pub fn object(&self) -> &Value {
        &self.0
    }
}
