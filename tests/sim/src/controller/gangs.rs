//! Pods that are scheduled together, as Kubernetes 1.37 has them behind the gates `GenericWorkload`
//! and `WorkloadWithJob`. The groups are not served.

use std::collections::BTreeMap;

use serde_json::Value;

use super::sync::Sync;
use crate::Cluster;
use crate::api::State;
use crate::object::{self, items, number, take};
use crate::resource::{JOBS, Resource};
use crate::status::FieldError;
use crate::store::Key;

/// Where a Job has the size of its gang.
const MIN_COUNT: &str = "/spec/scheduling/schedulingPolicy/gang/minCount";

/// The `PodGroup`s of a cluster whose gates are open, by the uid of their Job.
#[derive(Debug, Default)]
pub(crate) struct Gangs {
    groups: BTreeMap<String, Group>,
}

#[derive(Debug)]
struct Group {
    name: String,
    /// The `minCount` of a gang; none where pods are scheduled one by one.
    min_count: Option<i64>,
}

impl Cluster {
    /// Opens the gates for pods that are scheduled together.
    pub fn open_gang_gates(&self) {
        self.write(|state| state.gangs = Some(Gangs::default()));
    }

    /// The `minCount` of the `PodGroup` of a Job. None where it has none.
    pub fn min_count(&self, namespace: &str, job: &str) -> Option<i64> {
        self.with(|state| {
            let job = state.store.get(&JOBS, &Key::new(namespace, job))?;
            state.gangs.as_ref()?.groups.get(object::uid(job))?.min_count
        })
    }
}

impl State {
    /// Drops the field of a Job that the server keeps behind a gate; what the stored Job has stays.
    /// A server before 1.37 does not know the field, and refuses it if it is to be strict.
    pub(crate) fn drop_scheduling(&self, resource: &Resource, body: &mut Value, old: &Value) {
        if resource.kind == "Job" && self.gangs.is_none() && old["spec"]["scheduling"].is_null() {
            take(body, &["spec", "scheduling"]);
        }
    }
}

impl Sync {
    /// Makes the group of a Job of which nothing has started, and keeps its size.
    pub(super) fn group(&mut self, state: &mut State) {
        let Some(gangs) = &mut state.gangs else { return };
        let uid = object::uid(&self.job).to_owned();
        let min_count = (!self.job["spec"]["scheduling"]["schedulingPolicy"]["gang"].is_null())
            .then(|| {
                let parallelism = number(&self.job, "/spec/parallelism").unwrap_or(1);
                number(&self.job, MIN_COUNT).unwrap_or(parallelism.max(1))
            });
        if let Some(group) = gangs.groups.get_mut(&uid) {
            group.min_count = min_count;
        } else if self.is_new() {
            let name = format!("{}-{}", object::name(&self.job), &uid[..8]);
            gangs.groups.insert(uid.clone(), Group { name, min_count });
        }
        self.group = gangs.groups.get(&uid).map(|group| group.name.clone());
    }

    fn is_new(&self) -> bool {
        let counters = [self.status("succeeded"), self.status("failed")];
        let conditions = items(&self.job, "/status/conditions");
        self.pods.is_empty()
            && counters == [0; 2]
            && self.job["status"]["startTime"].is_null()
            && !conditions.iter().any(|condition| condition["type"] == "Suspended")
    }
}

/// The rules for the gang of a Job.
pub(crate) fn validate(job: &Value, errors: &mut Vec<FieldError>) {
    let Some(count) = number(job, MIN_COUNT) else { return };
    let field = MIN_COUNT[1..].replace('/', ".");
    let parallelism = number(job, "/spec/parallelism").unwrap_or(1);
    if count < 1 {
        let why = "must be greater than or equal to 1";
        errors.push(FieldError::invalid(&field, count, why));
    } else if count > parallelism {
        let why = format!("must not be greater than parallelism ({parallelism})");
        errors.push(FieldError::invalid(&field, count, why));
    }
}

/// Of a Job's `scheduling` only the size of the gang may change.
pub(crate) fn validate_update(job: &Value, old: &Value, errors: &mut Vec<FieldError>) {
    let fixed = |job: &Value| {
        let mut scheduling = job["spec"]["scheduling"].clone();
        take(&mut scheduling, &["schedulingPolicy", "gang", "minCount"]);
        scheduling
    };
    if fixed(job) != fixed(old) {
        let scheduling = job["spec"]["scheduling"].clone();
        errors.push(FieldError::invalid("spec.scheduling", scheduling, "field is immutable"));
    }
}
