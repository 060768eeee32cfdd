//! Members whose leases would end the pods of a Job.

use super::*;
use crate::{
    reconcile::{EditError, NewRecordError, decide::edit_record, new_record},
    state::{Member, Registry},
};

/// A registry of these members, with the length of their leases.
fn registry(members: &[(&str, Option<i64>)]) -> Registry {
    let settings = json!({"version": 1, "uid": "f", "host": "h"}).to_string();
    let annotations = json!({"kubectl-federate.dev/settings": settings});
    let mut registry =
        Registry::from_config_map(&json!({"metadata": {"annotations": annotations}}))
            .expect("a registry");
    for (name, seconds) in members {
        let member =
            json!({"context": name, "uid": name, "weight": 1, "state": "ready", "registered": 0});
        let member: Member = serde_json::from_value(member).expect("a member");
        let lease = seconds.map(|seconds| MemberLease { seconds, ..member_lease() });
        registry.members.insert((*name).to_owned(), Member { lease, ..member });
    }
    registry
}

/// A Job whose pods may run for ten minutes, with preferences if any.
fn manifest(parallelism: i32, preferences: Option<&str>) -> Manifest {
    let mut job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"},
        "spec": {"parallelism": parallelism, "completions": 6,
            "template": {"spec": {"activeDeadlineSeconds": 600}}},
    });
    if let Some(text) = preferences {
        let key = crate::plan::PREFERENCES;
        job["metadata"]["annotations"][key] = text.into();
    }
    Manifest::new(job, "work", "").expect("valid")
}

#[test]
fn a_member_whose_lease_is_too_short_keeps_the_job_from_no_other() {
    let short = registry(&[("east", None), ("west", Some(300))]);
    let record = new_record(&short, manifest(2, None), NOW).expect("east takes it");
    let clusters: Vec<_> = record.shards.values().map(|shard| shard.cluster.as_str()).collect();
    assert_eq!(clusters, ["east"]);
    let clocks = Clocks::default();
    let edited = edit_record(&record, &short, manifest(3, None), false, &clocks, NOW);
    assert_eq!(edited.expect("east has it").shards[&1].parallelism, 3);
}

#[test]
fn a_job_is_refused_for_a_lease_only_if_nobody_else_has_the_place() {
    let alone = registry(&[("west", Some(300))]);
    let short = registry(&[("east", None), ("west", Some(300))]);
    let bounded = r#"{"clusters": {"east": {"maxReplicas": 1}, "*": {"weight": 1}}}"#;
    let without = r#"{"clusters": {"west": {"weight": 1}}}"#;
    for (registry, preferences) in
        [(&alone, None), (&short, Some(bounded)), (&short, Some(without))]
    {
        let refused = new_record(registry, manifest(2, preferences), NOW);
        let is_it = matches!(
            &refused,
            Err(NewRecordError::PodDeadline { own: 600, lease: 300, cluster }) if cluster == "west"
        );
        assert!(is_it, "{refused:?}");
    }
    // Without the lease there is no place, either.
    let none = r#"{"clusters": {"*": {"weight": 1, "maxReplicas": 1}}}"#;
    let refused = new_record(&short, manifest(5, Some(none)), NOW);
    assert!(matches!(refused, Err(NewRecordError::Plan(_))), "{refused:?}");
    let record = new_record(&short, manifest(1, None), NOW).expect("east takes it");
    let refused = edit_record(&record, &alone, manifest(2, None), false, &Clocks::default(), NOW);
    let is_plan = matches!(refused, Err(EditError::Plan(NewRecordError::PodDeadline { .. })));
    assert!(is_plan, "{refused:?}");
}
