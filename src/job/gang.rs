//! Jobs whose pods are scheduled together; pure.
//!
//! A *gang* is the policy `gang` of a Job's `spec.scheduling` (alpha in Kubernetes 1.37, the
//! feature gate `WorkloadWithJob`). The Job controller makes a `PodGroup` for it at its first look
//! at the Job, if nothing of the Job has started or succeeded by then (`isNewJob` in
//! `pkg/controller/job/job_scheduling_manager.go`). A scheduler places none of the pods before
//! `minCount` of them are there. So a gang of fewer pods than that waits for ever.

use serde_json::{Map, Value, json};

use super::Invalid;

/// The fields from a Job's spec to its gang.
const PATH: [&str; 3] = ["scheduling", "schedulingPolicy", "gang"];

/// The field with the size of the gang.
pub const MIN_COUNT: &str = "spec.scheduling.schedulingPolicy.gang.minCount";

/// The gang of a Job's spec: its `minCount`, or the parallelism where that is absent. None if its
/// pods are scheduled one by one.
///
/// # Errors
/// The gang has no pod, or more pods than may run at once. No server can tell, because each sees
/// its own shard only.
pub(super) fn of(spec: &Value, parallelism: i32) -> Result<Option<i32>, Invalid> {
    let Some(gang) = find(spec) else { return Ok(None) };
    if parallelism == 0 {
        let why = "must be at least 1 for a gang: to pause the job, suspend it";
        return Err(Invalid::value("spec.parallelism", &0.into(), why));
    }
    let Some(written) = gang["minCount"].as_i64() else { return Ok(Some(parallelism)) };
    let why = match written {
        ..1 => "must be greater than or equal to 1".to_owned(),
        _ if written > i64::from(parallelism) => {
            format!("must not be greater than parallelism ({parallelism})")
        }
        _ => return Ok(i32::try_from(written).ok()),
    };
    Err(Invalid::value(MIN_COUNT, &gang["minCount"], &why))
}

/// The `minCount` that is written in a Job's spec.
pub(super) fn written(spec: &Value) -> Option<i32> {
    find(spec)?["minCount"].as_i64().and_then(|count| i32::try_from(count).ok())
}

fn find(spec: &Value) -> Option<&Value> {
    PATH.iter().try_fold(spec, |value, field| value.get(field)).filter(|gang| !gang.is_null())
}

/// Writes the `minCount` into a spec, or into a patch of one. None removes it.
pub(crate) fn write(spec: &mut Value, min_count: Option<i32>) {
    let gang = PATH.iter().fold(spec, |value, field| {
        if !value[field].is_object() {
            value[field] = Map::new().into();
        }
        &mut value[field]
    });
    gang["minCount"] = min_count.into();
}

/// Has a spec, or a patch of one, ask for no pods: no server accepts a `minCount` above the
/// parallelism.
pub(super) fn hold(spec: &mut Value) {
    if find(spec).is_some() {
        write(spec, None);
    }
}

/// A spec's `scheduling` without the `minCount`. Nothing else of it may change.
pub(super) fn fixed(scheduling: &Value) -> Value {
    let mut spec = json!({ "scheduling": scheduling });
    if find(&spec).is_some() {
        write(&mut spec, None);
    }
    spec["scheduling"].take()
}

/// Why a cluster cannot have a shard with a gang, given its answer to a dry run: a sentence that
/// begins with the field.
pub fn unfit(sent: &Value, answer: &Value, is_queued: bool) -> Option<&'static str> {
    find(&sent["spec"])?;
    if find(&answer["spec"]).is_none() {
        return Some(
            "spec.scheduling: this server does not keep it, and would schedule the pods of the \
             gang one by one. A gang needs Kubernetes 1.37 or newer with the feature gates \
             GenericWorkload and WorkloadWithJob",
        );
    }
    is_queued.then_some(
        "spec.scheduling.schedulingPolicy.gang: the cluster decides when the job runs, and has it \
         wait with a parallelism of 0, which no gang can have",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(gang: Value) -> Value {
        json!({"scheduling": {"schedulingPolicy": {"gang": gang}}})
    }

    #[test]
    fn a_gang_is_its_min_count_or_the_parallelism() {
        assert_eq!(of(&json!({}), 3), Ok(None));
        assert_eq!(of(&json!({"scheduling": {"schedulingPolicy": {"basic": {}}}}), 3), Ok(None));
        assert_eq!(of(&spec(Value::Null), 0), Ok(None));
        assert_eq!(of(&spec(json!({})), 3), Ok(Some(3)));
        assert_eq!(of(&spec(json!({"minCount": 2})), 3), Ok(Some(2)));
    }

    #[test]
    fn a_gang_without_pods_or_with_too_many_is_refused_with_its_field() {
        let refused = |gang: Value, parallelism: i32| {
            of(&spec(gang), parallelism).expect_err("it is invalid").to_string()
        };
        assert_eq!(
            refused(json!({"minCount": 4}), 3),
            "spec.scheduling.schedulingPolicy.gang.minCount: Invalid value: 4: must not be greater \
             than parallelism (3)"
        );
        for count in [0, -1] {
            assert!(refused(json!({"minCount": count}), 3).contains("than or equal to 1"));
        }
        assert!(refused(json!({}), 0).starts_with("spec.parallelism: Invalid value: 0: "));
    }

    #[test]
    fn a_min_count_is_written_into_a_spec_and_into_a_patch() {
        let mut job = spec(json!({"minCount": 4, "new": 1}));
        job["scheduling"]["disruptionMode"] = json!({"all": {}});
        write(&mut job, Some(2));
        assert_eq!(written(&job), Some(2));
        let scheduling = json!({
            "schedulingPolicy": {"gang": {"minCount": 2, "new": 1}}, "disruptionMode": {"all": {}},
        });
        assert_eq!(job, json!({ "scheduling": scheduling }));
        hold(&mut job);
        assert_eq!(written(&job), None);
        let mut patch = json!({"parallelism": 0});
        hold(&mut patch);
        assert_eq!(patch, json!({"parallelism": 0}), "a job without a gang gets none");
    }

    #[test]
    fn a_cluster_that_drops_or_holds_a_gang_is_unfit() {
        let job = |spec: Value| json!({ "spec": spec });
        let gang = job(spec(json!({"minCount": 2})));
        let none = job(json!({}));
        assert!(unfit(&gang, &none, false).unwrap_or_default().contains("does not keep it"));
        assert!(unfit(&gang, &gang, true).unwrap_or_default().contains("parallelism of 0"));
        assert_eq!(unfit(&gang, &gang, false), None);
        assert_eq!(unfit(&none, &none, true), None);
    }
}
