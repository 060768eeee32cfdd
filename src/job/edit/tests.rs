//! What may be edited in a Job, and what not.

use serde_json::{Value, json};

use super::*;

fn manifest(spec: Value) -> Manifest {
    let job =
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"}, "spec": spec});
    Manifest::new(job, "work", "").expect("valid")
}

fn of(old: Value, new: Value, leeway: Leeway) -> Option<String> {
    immutable(&manifest(old), &manifest(new), leeway)
}

fn templated(template: Value) -> Value {
    json!({"completions": 3, "template": template})
}

#[test]
fn editable_fields_may_change() {
    for (field, value) in [
        ("parallelism", json!(4)),
        ("completions", json!(4)),
        ("suspend", json!(true)),
        ("backoffLimit", json!(1)),
        ("activeDeadlineSeconds", json!(9)),
        ("ttlSecondsAfterFinished", json!(9)),
        ("maxFailedIndexes", json!(1)),
        ("podReplacementPolicy", json!("Failed")),
    ] {
        let before = json!({"completions": 3, "completionMode": "Indexed"});
        let mut after = before.clone();
        after[field] = value;
        assert!(!same(&manifest(before.clone()), &manifest(after.clone())), "{field}");
        assert_eq!(of(before.clone(), after.clone(), Leeway::None), None, "{field}");
        assert_eq!(of(after, before, Leeway::None), None, "{field}");
    }
}

#[test]
fn an_immutable_field_is_named() {
    for (field, value) in [
        ("template", json!({"spec": {"containers": [{"image": "perl"}]}})),
        ("completionMode", json!("Indexed")),
        ("manualSelector", json!(true)),
        ("podFailurePolicy", json!({"rules": []})),
        ("backoffLimitPerIndex", json!(1)),
        ("successPolicy", json!({"rules": []})),
        ("managedBy", json!("example.com/x")),
        ("fieldOfTomorrow", json!(1)),
    ] {
        let before = json!({"completions": 3});
        let mut after = before.clone();
        after[field] = value;
        let path = Some(format!("spec.{field}"));
        assert_eq!(of(before.clone(), after.clone(), Leeway::None), path);
        assert_eq!(of(after.clone(), before.clone(), Leeway::None), path);
        let recreated = if field == "completionMode" { path } else { None };
        assert_eq!(of(before, after, Leeway::Recreated), recreated, "{field}");
    }
}

#[test]
fn a_manual_selector_is_immutable() {
    let selecting =
        |label: &str| json!({"manualSelector": true, "selector": {"matchLabels": {"app": label}}});
    assert_eq!(of(selecting("a"), selecting("b"), Leeway::None).as_deref(), Some("spec.selector"));
}

#[test]
fn a_work_queue_stays_a_work_queue() {
    for leeway in [Leeway::None, Leeway::Suspended, Leeway::Recreated] {
        for (old, new) in [
            (json!({"parallelism": 3}), json!({"parallelism": 3, "completions": 3})),
            (json!({"parallelism": 3, "completions": 3}), json!({"parallelism": 3})),
            (json!({}), json!({"parallelism": 1})),
        ] {
            assert_eq!(of(old, new, leeway).as_deref(), Some("spec.completions"));
        }
    }
    assert_eq!(of(json!({"parallelism": 3}), json!({"parallelism": 4}), Leeway::None), None);
}

#[test]
fn name_and_namespace_are_immutable() {
    let old = manifest(json!({}));
    let mut object = old.object().clone();
    object["metadata"]["namespace"] = "play".into();
    let elsewhere = Manifest::new(object.clone(), "work", "").expect("valid");
    assert_eq!(
        immutable(&old, &elsewhere, Leeway::Recreated).as_deref(),
        Some("metadata.namespace")
    );
    object["metadata"]["name"] = "tau".into();
    let renamed = Manifest::new(object, "work", "").expect("valid");
    assert_eq!(immutable(&old, &renamed, Leeway::Recreated).as_deref(), Some("metadata.name"));
}

#[test]
fn defaults_are_no_change() {
    let spelt = json!({
        "parallelism": 1, "completions": 1, "completionMode": "NonIndexed", "suspend": false,
        "backoffLimit": 6,
        "template": {"metadata": {"creationTimestamp": null},
        "spec": {"dnsPolicy": "ClusterFirst"}},
    });
    let short = json!({"template": {"spec": {}}});
    assert!(same(&manifest(spelt.clone()), &manifest(short.clone())));
    assert_eq!(of(spelt, short, Leeway::None), None);
}

#[test]
fn labels_and_annotations_of_the_job_may_change() {
    let old = manifest(json!({}));
    let mut object = old.object().clone();
    object["metadata"]["labels"] = json!({"team": "math"});
    object["metadata"]["annotations"] = json!({"federation.kubernetes.io/job-preferences": "{}"});
    let new = Manifest::new(object, "work", "").expect("valid");
    assert!(!same(&old, &new));
    assert_eq!(immutable(&old, &new, Leeway::None), None);
}

#[test]
fn where_pods_run_and_what_they_use_may_change_in_a_suspended_job() {
    let before =
        templated(json!({"spec": {"containers": [], "affinity": {"podAffinity": {"a": 1}}}}));
    let placed = templated(json!({
        "metadata": {"labels": {"a": "b"}, "annotations": {"a": "b"}},
        "spec": {
            "containers": [], "nodeSelector": {"disk": "ssd"}, "tolerations": [{"key": "a"}],
            "schedulingGates": [{"name": "a"}],
            "affinity": {"podAffinity": {"a": 1}, "nodeAffinity": {"required": 1}},
        },
    }));
    for (old, new) in [(before.clone(), placed.clone()), (placed, before)] {
        assert_eq!(of(old.clone(), new.clone(), Leeway::None).as_deref(), Some("spec.template"));
        assert_eq!(of(old, new, Leeway::Suspended), None);
    }
    let using =
        |cpu: Value| templated(json!({"spec": {"containers": [{"name": "pi", "resources": cpu}]}}));
    let (little, much) = (using(json!({})), using(json!({"limits": {"cpu": 4}})));
    assert_eq!(of(little.clone(), much.clone(), Leeway::None).as_deref(), Some("spec.template"));
    assert_eq!(of(little, much, Leeway::Suspended), None);
    for template in [
        json!({"spec": {"containers": [{"image": "perl"}]}}),
        json!({"spec": {"priorityClassName": "a"}}),
    ] {
        let refused = of(templated(json!({"spec": {}})), templated(template), Leeway::Suspended);
        assert_eq!(refused.as_deref(), Some("spec.template"));
    }
}

#[test]
fn scaling_writes_out_defaults() {
    let scaled = manifest(json!({})).scaled(Some(3), None).expect("valid");
    assert_eq!((scaled.size().parallelism, scaled.size().completions), (3, Some(1)));
    let scaled = manifest(json!({"parallelism": 2})).scaled(Some(3), None).expect("valid");
    assert_eq!((scaled.size().parallelism, scaled.size().completions), (3, None));
    let scaled =
        manifest(json!({"parallelism": 2, "completions": 6})).scaled(None, Some(9)).expect("valid");
    assert_eq!((scaled.size().parallelism, scaled.size().completions), (2, Some(9)));
    assert!(manifest(json!({})).scaled(Some(-1), None).is_err());
}

#[test]
fn suspending_changes_nothing_else() {
    let running = manifest(json!({"completions": 3}));
    let suspended = running.suspending(true);
    assert!(suspended.suspended() && !suspended.suspending(false).suspended());
    assert!(same(&running, &suspended.suspending(false)));
}

#[test]
fn another_spelling_of_the_same_value_is_no_difference() {
    let container = |fields: Value| {
        let mut container = json!({"name": "pi", "image": "perl:5"});
        for (field, value) in fields.as_object().expect("an object") {
            container[field] = value.clone();
        }
        json!({"spec": {"containers": [container]}})
    };
    let old = json!({
        "parallelism": 1, "completions": 3, "suspend": false, "backoffLimit": 6,
        "template": container(json!({"imagePullPolicy": "IfNotPresent", "tty": true,
            "resources": {}})),
    });
    let new =
        json!({"completions": 4, "completionMode": "NonIndexed", "template": container(json!({}))});
    assert_eq!(
        spelt_as(&manifest(old.clone()), &manifest(new))["spec"],
        json!({"completions": 3, "completionMode": "NonIndexed",
            "template": container(json!({"tty": true}))})
    );
    let same = json!({"completions": 3, "template": container(json!({"tty": true}))});
    assert_eq!(spelt_as(&manifest(old), &manifest(same.clone()))["spec"], same);
    let lists = |commands: &[&str]| json!({"template": container(json!({"command": commands}))});
    let spelt = spelt_as(&manifest(lists(&["a"])), &manifest(lists(&["a", "b"])));
    assert_eq!(spelt["spec"], lists(&["a"]));
}
