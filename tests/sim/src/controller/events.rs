//! Events about Jobs.

use serde_json::{Value, json};

use crate::api::{State, WriteOptions};
use crate::object;
use crate::resource::EVENTS;

impl State {
    /// Records an event about a Job, as the Job controller does.
    pub(super) fn record(&mut self, job: &Value, kind: &str, reason: &str, message: &str) {
        let (name, namespace) = (object::name(job).to_owned(), object::namespace(job).to_owned());
        let now = object::time(self.now());
        let version = object::text(job, "/metadata/resourceVersion");
        let event = json!({
            "metadata": {"name": format!("{name}.{}", &self.random.uid().replace('-', "")[..16])},
            "involvedObject": {
                "apiVersion": "batch/v1", "kind": "Job", "name": name, "namespace": namespace,
                "uid": object::uid(job), "resourceVersion": version,
            },
            "type": kind, "reason": reason, "message": message, "count": 1,
            "firstTimestamp": now, "lastTimestamp": now,
            "source": {"component": "job-controller"}, "reportingComponent": "job-controller",
            "reportingInstance": "",
        });
        // A namespace that is being deleted takes no events any more, and nobody misses them.
        let _ = self.create(&EVENTS, &namespace, event, WriteOptions::default());
    }
}
