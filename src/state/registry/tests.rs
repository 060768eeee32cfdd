//! Tests of the registry.

use super::*;

#[test]
fn a_registry_has_room_for_five_thousand_members() {
    let member = || Member::ready(&uuid::Uuid::new_v4().to_string());
    let members = (0..5_000).map(|n| (format!("{}-{n}", "c".repeat(33)), member()));
    let saved = SavedRegistry { members: members.collect(), ..SavedRegistry::new("f") };
    let written = Registry::new_config_map(&saved, "host").expect("it fits");
    assert_eq!(Registry::from_config_map(&written).expect("whole").members, saved.members);
}

#[test]
fn members_are_read_as_written_and_removed_alone() {
    let mut config_map = Registry::new_config_map(&SavedRegistry::new("f"), "h").expect("fits");
    let empty = Registry::from_config_map(&config_map).expect("whole");
    assert_eq!((empty.uid.as_str(), empty.host.as_str(), empty.members.len()), ("f", "h", 0));
    let patch = empty
        .patch(&[("east".to_owned(), MemberChange::Set(Member::ready("e")))].into())
        .expect("fits");
    for (key, value) in patch["metadata"]["annotations"].as_object().expect("annotations") {
        config_map["metadata"]["annotations"][key] = value.clone();
    }
    let registry = Registry::from_config_map(&config_map).expect("whole");
    assert_eq!(registry.members["east"], Member::ready("e"));
    assert_eq!(registry.member_by_uid("e").map(|(name, _)| name), Some("east"));
    let changes = |change: &MemberChange| {
        let patch = registry.patch(&[("east".to_owned(), change.clone())].into()).expect("fits");
        patch["metadata"]["annotations"].clone()
    };
    let member_key = "member.kubectl-federate.dev/east";
    assert_eq!(changes(&MemberChange::Forget), json!({ member_key: null }));
    let left = "{\"name\":\"east\",\"context\":\"gke_p_eu_a\"}";
    assert_eq!(
        changes(&MemberChange::Remove),
        json!({ member_key: null, "former.kubectl-federate.dev/e": left })
    );
    let replaced = changes(&MemberChange::Set(Member::ready("anew")));
    assert_eq!(replaced["former.kubectl-federate.dev/e"], left, "the old cluster stays known");
}

#[test]
fn a_cluster_that_was_unregistered_is_known_until_it_is_registered_or_clean() {
    let mut config_map = Registry::new_config_map(&SavedRegistry::new("f"), "h").expect("fits");
    config_map["metadata"]["annotations"]["former.kubectl-federate.dev/e"] =
        json!("{\"name\":\"east\",\"context\":\"c\"}");
    let registry = Registry::from_config_map(&config_map).expect("whole");
    let east = Former { name: "east".into(), context: "c".into() };
    assert_eq!(registry.former, [("e".to_owned(), east)].into());
    let registered = registry
        .patch(&[("back".to_owned(), MemberChange::Set(Member::ready("e")))].into())
        .expect("fits");
    let clean = registry.patch_former(&["e".to_owned()]).expect("fits");
    for patch in [registered, clean] {
        let key = "former.kubectl-federate.dev/e";
        assert_eq!(patch["metadata"]["annotations"].get(key), Some(&Value::Null));
    }
}

/// A cluster gives its name to one that was built anew, and takes another name in the same write.
#[test]
fn a_cluster_that_is_a_member_by_another_name_is_no_former_one() {
    let mut config_map = Registry::new_config_map(&SavedRegistry::new("f"), "h").expect("fits");
    let member = serde_json::to_string(&Member::ready("e")).expect("JSON");
    config_map["metadata"]["annotations"]["member.kubectl-federate.dev/west"] = json!(member);
    let registry = Registry::from_config_map(&config_map).expect("whole");
    for renamed in ["east", "zenith"] {
        let set = |name: &str, uid| (name.to_owned(), MemberChange::Set(Member::ready(uid)));
        let patch = registry.patch(&[set("west", "anew"), set(renamed, "e")].into());
        let patch = patch.expect("fits");
        let annotations = patch["metadata"]["annotations"].as_object().expect("annotations");
        let former = annotations.get("former.kubectl-federate.dev/e");
        assert_eq!(former.filter(|former| !former.is_null()), None, "{renamed}: {annotations:?}");
    }
}

#[test]
fn of_a_damaged_registry_all_that_can_be_read_is_known() {
    let mut config_map = Registry::new_config_map(&SavedRegistry::new("f"), "h").expect("fits");
    let member = serde_json::to_string(&Member::ready("e")).expect("JSON");
    let annotations = [
        (SETTINGS, "{"),
        ("member.kubectl-federate.dev/east", &member),
        ("member.kubectl-federate.dev/west", "{"),
        ("former.kubectl-federate.dev/n", "{\"name\":\"north\",\"context\":\"c\"}"),
        ("unmarked.kubectl-federate.dev/o", "{\"context\":\"old\"}"),
    ];
    for (key, text) in annotations {
        config_map["metadata"]["annotations"][key] = json!(text);
    }
    config_map["binaryData"] = json!({ "member.kubectl-federate.dev_south": "?" });
    assert!(Registry::from_config_map(&config_map).is_err());
    let salvaged = Registry::salvage(&config_map);
    assert_eq!(salvaged.members, [("east".to_owned(), Member::ready("e"))].into());
    assert_eq!(salvaged.former.keys().collect::<Vec<_>>(), ["n"]);
    assert_eq!(salvaged.unmarked.keys().collect::<Vec<_>>(), ["o"]);
    let patch = Registry::patch_damaged(&config_map, &SavedRegistry::new("g"), "h").expect("fits");
    assert_eq!(patch["binaryData"]["member.kubectl-federate.dev_south"], Value::Null);
    for (key, _) in annotations {
        let after = &patch["metadata"]["annotations"][key];
        assert_eq!(after.is_null(), key != SETTINGS, "{key}: {after}");
    }
    assert!(Registry::from_config_map(&patch).is_ok_and(|registry| registry.uid == "g"));
}

#[test]
fn a_registry_that_was_moved_or_restored_is_as_old_as_it_was_on_the_host_before() {
    let read = |mut config_map: Value| {
        config_map["metadata"]["creationTimestamp"] = json!("1970-01-01T00:01:40Z");
        Registry::from_config_map(&config_map).expect("whole")
    };
    let saved = |created| SavedRegistry { created, ..SavedRegistry::new("f") };
    let made = |created| read(Registry::new_config_map(&saved(created), "h").expect("fits"));
    let (here, moved) = (made(None), made(Some(7)));
    assert_eq!((here.created, moved.created), (Some(100), Some(7)));
    assert_eq!((here.saved().created, moved.saved().created), (Some(100), Some(7)));
    let settings = |patch: Value| -> Value {
        let text = patch["metadata"]["annotations"][SETTINGS].as_str().unwrap_or("null");
        serde_json::from_str(text).expect("JSON")
    };
    let to = Moved { uid: "n".into(), context: "new".into(), number: 1 };
    let marked = moved.patch_moved(Some(&to)).expect("fits");
    assert_eq!(settings(marked)["created"], 7, "a change of something else keeps it");
    // It is moved to where an empty federation is, or restored there from a backup.
    let other = SavedRegistry { created: Some(7), ..SavedRegistry::new("g") };
    let replaced = here.patch_whole(&other, "h").expect("fits");
    assert_eq!(settings(replaced)["created"], 7);
}

#[test]
fn records_may_be_lacking_that_are_older_than_the_registry_or_newer_than_its_backup() {
    let gap = Some(Gap { from: 50, until: 60 });
    let saved = SavedRegistry { created: Some(7), gap, ..SavedRegistry::new("f") };
    let config_map = Registry::new_config_map(&saved, "h").expect("fits");
    let registry = Registry::from_config_map(&config_map).expect("whole");
    assert_eq!(registry.saved().gap, gap);
    for (written, may_lack) in
        [(6, true), (7, false), (49, false), (50, true), (59, true), (60, false)]
    {
        assert_eq!(registry.may_lack(written), may_lack, "{written}");
    }
    let opened = Registry { gap: gap.map(Gap::opened), ..registry };
    assert!(opened.may_lack(7) && opened.may_lack(59) && !opened.may_lack(60));
}

#[test]
fn a_host_that_could_not_be_marked_is_known_until_it_is() {
    let unmarked = Unmarked { context: "old".into() };
    let unmarked = [("o".to_owned(), unmarked)].into();
    let saved = SavedRegistry { unmarked, ..SavedRegistry::new("f") };
    let mut config_map = Registry::new_config_map(&saved, "h").expect("fits");
    let registry = Registry::from_config_map(&config_map).expect("whole");
    assert_eq!(registry.saved().unmarked, saved.unmarked);
    let key = "unmarked.kubectl-federate.dev/o";
    let none = registry.patch_unmarked("other").expect("fits");
    assert!(none["metadata"]["annotations"].get(key).is_none(), "{none}");
    let patch = registry.patch_unmarked("o").expect("fits");
    assert_eq!(patch["metadata"]["annotations"], json!({ key: null }));
    // A registry that becomes another one knows the hosts of that one.
    let whole = SavedRegistry { unmarked: BTreeMap::new(), ..saved };
    let patch = registry.patch_whole(&whole, "h").expect("fits");
    assert_eq!(patch["metadata"]["annotations"][key], Value::Null);
    config_map["metadata"]["annotations"][key] = "{}".into();
    let damaged = Registry::from_config_map(&config_map).expect_err("no context").to_string();
    assert!(damaged.contains(key), "{damaged}");
}
