//! The registry of a backup and that of a host as one; pure.

use std::collections::BTreeSet;

use crate::state::{Former, Gap, Member, MemberState, Restores, SavedRegistry};

/// How the host and the backup differ about one cluster. A cluster is known by its uid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// Its registration on the host is replaced by that of the backup.
    Changed(Box<Replaced>),
    /// The host has it under another name, which it keeps. Its registration is replaced if it
    /// differs.
    Renamed {
        /// Its name on the host.
        on_host: String,
        /// The registration on the host, and that of the backup.
        registration: Box<Replaced>,
    },
    /// The host has another cluster under the name, which stays. That of the backup becomes a
    /// former one.
    Displaced,
    /// The federation of the host does not have it any more. It becomes a member again.
    Returns,
    /// It was registered and unregistered since the backup was made. It stays a former one.
    Left,
    /// It was registered since the backup was made, and is a member.
    Joined,
    /// The host, which is as old as a backup, has it, and the backup does not. It stays a member.
    HostAlone,
    /// Such a host has it under a name that another cluster has in the backup. That one is the
    /// member, and this one becomes a former one.
    Superseded,
}

/// A registration that is replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// As the host has it.
    pub before: Member,
    /// As the backup has it.
    pub after: Member,
}

/// The registry of a backup and that of a host as one, and how they differ. A cluster is the same
/// if it has the same uid; where names differ, the host's stays.
///
/// No cluster that one of the two knows is left out: it is a member or a former one.
pub(super) fn merge(
    saved: SavedRegistry,
    host: Option<&SavedRegistry>,
) -> (SavedRegistry, Vec<(String, Difference)>) {
    let same = host.filter(|host| host.uid == saved.uid);
    let mut whole = SavedRegistry {
        members: host.map(|host| host.members.clone()).unwrap_or_default(),
        created: same.and_then(|host| host.created).or(saved.created),
        gap: same.map_or(saved.gap, |host| host.gap),
        restores: same.map_or_else(Restores::default, |host| host.restores.clone()),
        // What the host has forgotten since was marked, or is gone for good.
        unmarked: same.map_or_else(|| saved.unmarked.clone(), |host| host.unmarked.clone()),
        ..saved.clone()
    };
    whole.restores.join(&saved.restores);
    let mut differences = Vec::new();
    for (name, member) in saved.members {
        let on_host = whole.member_by_uid(&member.uid).map(str::to_owned);
        let difference = match on_host {
            Some(on_host) => {
                let before = whole.members.insert(on_host.clone(), member.clone());
                let before = before.unwrap_or_else(|| member.clone());
                let registration = Box::new(Replaced { before, after: member });
                if on_host != name {
                    Some(Difference::Renamed { on_host, registration })
                } else if registration.before == registration.after {
                    None
                } else {
                    Some(Difference::Changed(registration))
                }
            }
            None if whole.members.contains_key(&name) => {
                let former = Former { name: name.clone(), context: member.context };
                whole.former.insert(member.uid, former);
                Some(Difference::Displaced)
            }
            None => {
                whole.members.insert(name.clone(), member);
                same.is_some().then_some(Difference::Returns)
            }
        };
        differences.extend(difference.map(|difference| (name, difference)));
    }
    for (uid, former) in host.into_iter().flat_map(|host| host.former.clone()) {
        if whole.member_by_uid(&uid).is_none() && !whole.former.contains_key(&uid) {
            differences.push((former.name.clone(), Difference::Left));
        }
        whole.former.insert(uid, former);
    }
    let members: BTreeSet<_> = whole.members.values().map(|member| member.uid.clone()).collect();
    whole.former.retain(|uid, _| !members.contains(uid));
    (whole, differences)
}

/// The registry of a backup with that of a host which is as old as a backup, and took no part in
/// what was done since: what the backup says counts. Also gives how the two differ.
///
/// A cluster that the host alone has stays a member: it may have work that nobody else knows.
pub(super) fn merge_stale(
    backup: SavedRegistry,
    host: &SavedRegistry,
) -> (SavedRegistry, Vec<(String, Difference)>) {
    let mut whole = backup;
    whole.restores.join(&host.restores);
    whole.created = whole.created.or(host.created);
    let mut differences = Vec::new();
    for (name, member) in &host.members {
        let in_backup = whole.member_by_uid(&member.uid).map(str::to_owned);
        let difference = match in_backup {
            Some(in_backup) => {
                let after = whole.members[&in_backup].clone();
                let replaced = Box::new(Replaced { before: member.clone(), after });
                let differs = replaced.before != replaced.after;
                differs.then_some((in_backup, Difference::Changed(replaced)))
            }
            None if whole.members.contains_key(name) => {
                let context = member.context.clone();
                let former = Former { name: name.clone(), context };
                whole.former.insert(member.uid.clone(), former);
                Some((name.clone(), Difference::Superseded))
            }
            None => {
                let mut member = member.clone();
                // It was unregistered since. What it may have is listed, and it gets no new work.
                if whole.former.contains_key(&member.uid) && member.state == MemberState::Ready {
                    member.state = MemberState::Cordoned;
                }
                whole.members.insert(name.clone(), member);
                Some((name.clone(), Difference::HostAlone))
            }
        };
        differences.extend(difference);
    }
    for (uid, former) in &host.former {
        whole.former.entry(uid.clone()).or_insert_with(|| former.clone());
    }
    let members: BTreeSet<_> = whole.members.values().map(|member| member.uid.clone()).collect();
    whole.former.retain(|uid, _| !members.contains(uid));
    (whole, differences)
}

/// The registry of a backup with what is known of the same federation since: by the host that the
/// backup is of, or by what can be read of a damaged registry. Also gives how the two differ about
/// clusters.
pub(super) fn join(
    saved: SavedRegistry,
    since: &SavedRegistry,
) -> (SavedRegistry, Vec<(String, Difference)>) {
    let known: BTreeSet<_> = saved.members.values().map(|member| member.uid.clone()).collect();
    let joined = since.members.iter().filter(|(_, member)| !known.contains(&member.uid));
    let joined = joined.map(|(name, _)| (name.clone(), Difference::Joined));
    let (whole, mut differences) = merge(saved, Some(since));
    differences.extend(joined);
    (whole, differences)
}

/// The gap of a registry that is made anew, or was made anew by a restore that was interrupted;
/// none where it is neither. `host` is the registry of the host, `before` is the gap that the
/// backup has. The backup was made at `created`; it is `now`, both in seconds since 1970.
pub(super) fn new_gap(
    federation: &str,
    host: Option<&SavedRegistry>,
    before: Option<Gap>,
    created: i64,
    now: i64,
) -> Option<Gap> {
    let until = match host.filter(|host| host.uid == federation) {
        Some(host) => host.gap.filter(|gap| gap.is_open())?.until,
        None => now,
    };
    Some(Gap { from: before.map_or(created, |gap| gap.from.min(created)), until })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::state::{Member, Registry, Unmarked};

    /// Clusters by name, each a uid.
    type Named = BTreeMap<String, String>;

    fn member(uid: &str) -> Member {
        let member = json!({"context": uid, "uid": uid, "weight": 1, "state": "ready",
            "registered": 0});
        serde_json::from_value(member).expect("a member")
    }

    fn registry(uid: &str, members: &Named, former: &BTreeSet<String>) -> Registry {
        let settings = json!({"version": 3, "uid": uid, "host": "h"}).to_string();
        let annotations = json!({"kubectl-federate.dev/settings": settings});
        let config_map = json!({"metadata": {"annotations": annotations}});
        let mut registry = Registry::from_config_map(&config_map).expect("whole");
        registry.members = members.iter().map(|(name, uid)| (name.clone(), member(uid))).collect();
        let left = Former { name: "left".into(), context: "c".into() };
        registry.former = former.iter().map(|uid| (uid.clone(), left.clone())).collect();
        registry
    }

    fn named(all: &[(&str, &str)]) -> Named {
        all.iter().map(|(name, uid)| ((*name).to_owned(), (*uid).to_owned())).collect()
    }

    #[test]
    fn of_a_host_that_is_as_old_as_a_backup_the_backup_counts() {
        let none = BTreeSet::new();
        let old = registry("f", &named(&[("east", "e"), ("north", "n1"), ("old", "o")]), &none);
        let left = ["o".to_owned()].into();
        let new = registry("f", &named(&[("east", "e"), ("north", "n2")]), &left).saved();
        let (whole, differences) = merge_stale(new, &old.saved());
        let members = whole.members.into_iter().map(|(name, member)| (name, member.uid));
        let expected = named(&[("east", "e"), ("north", "n2"), ("old", "o")]);
        assert_eq!(members.collect::<Named>(), expected);
        assert_eq!(whole.former.into_keys().collect::<Vec<_>>(), ["n1"]);
        let expected = [("north", Difference::Superseded), ("old", Difference::HostAlone)];
        assert_eq!(differences, expected.map(|(name, how)| (name.to_owned(), how)));
    }

    #[test]
    fn a_cluster_is_the_same_if_its_uid_is() {
        let merged = |host: &[(&str, &str)], former: &[&str]| {
            let former = former.iter().map(|uid| (*uid).to_owned()).collect();
            let saved = registry("f", &named(&[("east", "e")]), &BTreeSet::new()).saved();
            let (whole, differences) =
                merge(saved, Some(&registry("f", &named(host), &former).saved()));
            let members = whole.members.into_iter().map(|(name, member)| (name, member.uid));
            let former: Vec<_> = whole.former.into_keys().collect();
            (
                members.collect::<Named>(),
                former,
                differences.into_iter().map(|(_, how)| how).collect::<Vec<_>>(),
            )
        };
        let same = Replaced { before: member("e"), after: member("e") };
        let renamed =
            Difference::Renamed { on_host: "old".to_owned(), registration: Box::new(same) };
        for (host, former, members, left, difference) in [
            (&[("east", "e")][..], &[][..], &[("east", "e")][..], &[][..], None),
            (&[], &["e"], &[("east", "e")], &[], Some(Difference::Returns)),
            (&[("east", "n")], &["e"], &[("east", "n")], &["e"], Some(Difference::Displaced)),
            (&[("old", "e")], &[], &[("old", "e")], &[], Some(renamed)),
        ] {
            let left: Vec<_> = left.iter().map(|uid: &&str| (*uid).to_owned()).collect();
            let expected = (named(members), left, difference.into_iter().collect());
            assert_eq!(merged(host, former), expected, "{host:?} {former:?}");
        }
    }

    #[test]
    fn what_was_registered_since_is_a_member_and_named() {
        let saved = registry("f", &named(&[("east", "e"), ("west", "w")]), &BTreeSet::new());
        let gone = ["w".to_owned(), "x".to_owned()].into();
        let since = registry("f", &named(&[("east", "e"), ("west", "n")]), &gone);
        let (whole, differences) = join(saved.saved(), &since.saved());
        let members: Named =
            whole.members.iter().map(|(name, it)| (name.clone(), it.uid.clone())).collect();
        assert_eq!(members, named(&[("east", "e"), ("west", "n")]));
        assert_eq!(whole.former.keys().collect::<Vec<_>>(), ["w", "x"]);
        let differences: Vec<_> =
            differences.iter().map(|(name, how)| (name.as_str(), how)).collect();
        assert_eq!(
            differences,
            [
                ("west", &Difference::Displaced),
                ("left", &Difference::Left),
                ("west", &Difference::Joined),
            ]
        );
    }

    #[test]
    fn which_hosts_are_not_marked_as_moved_is_known_by_the_host_if_it_has_the_federation() {
        let unmarked = |uids: &[&str]| -> BTreeMap<_, _> {
            let unmarked = Unmarked { context: "c".into() };
            uids.iter().map(|uid| ((*uid).to_owned(), unmarked.clone())).collect()
        };
        let with = |federation: &str, uids: &[&str]| SavedRegistry {
            unmarked: unmarked(uids),
            ..registry(federation, &Named::new(), &BTreeSet::new()).saved()
        };
        for (host, expected) in [
            (None, &["o"][..]),
            (Some(with("g", &["x"])), &["o"]),
            (Some(with("f", &["x"])), &["x"]),
            (Some(with("f", &[])), &[]),
        ] {
            let (whole, _) = merge(with("f", &["o"]), host.as_ref());
            assert_eq!(whole.unmarked, unmarked(expected), "{host:?}");
        }
    }

    #[test]
    fn a_gap_begins_at_the_backup_also_after_a_restore_that_was_interrupted() {
        let at = |from, until| Some(Gap { from, until });
        let host = |uid: &str, gap| {
            let registry = registry(uid, &Named::new(), &BTreeSet::new());
            Some(SavedRegistry { gap, ..registry.saved() })
        };
        for (host, before, expected) in [
            (None, None, at(50, 70)),
            (None, at(30, 40), at(30, 70)),
            (host("g", at(0, 60)), None, at(50, 70)),
            (host("f", None), None, None),
            (host("f", at(40, 60)), None, None),
            (host("f", at(0, 60)), None, at(50, 60)),
            (host("f", at(0, 60)), at(30, 40), at(30, 60)),
        ] {
            assert_eq!(
                new_gap("f", host.as_ref(), before, 50, 70),
                expected,
                "{host:?} {before:?}"
            );
        }
    }

    fn names() -> impl Strategy<Value = Named> {
        let uids = Just(["e", "n", "w", "s"].map(str::to_owned).to_vec()).prop_shuffle();
        (uids, 0..=4_usize).prop_map(|(uids, many)| {
            ["a", "b", "c", "d"].map(str::to_owned).into_iter().zip(uids).take(many).collect()
        })
    }

    proptest! {
        #[test]
        fn every_cluster_is_kept_once_as_a_member_or_as_a_former_one(
            saved in names(),
            host in names(),
            gone in prop::collection::btree_set(prop::sample::select(vec!["e", "n", "x"]), 0..3),
            is_same: bool,
        ) {
            let gone: BTreeSet<_> = gone.into_iter().map(str::to_owned).collect();
            let on_host = registry(if is_same { "f" } else { "g" }, &host, &gone);
            let saved_registry = registry("f", &saved, &gone).saved();
            let (whole, _) = merge(saved_registry, Some(&on_host.saved()));
            let members: Vec<_> = whole.members.values().map(|member| &member.uid).collect();
            let unique: BTreeSet<_> = members.iter().copied().collect();
            prop_assert_eq!(members.len(), unique.len(), "a cluster is two members");
            prop_assert!(whole.former.keys().all(|uid| !unique.contains(uid)));
            for uid in saved.values().chain(host.values()).chain(&gone) {
                prop_assert!(unique.contains(uid) || whole.former.contains_key(uid), "{}", uid);
            }
            for (name, uid) in &host {
                prop_assert_eq!(&whole.members[name].uid, uid);
            }
        }
    }
}
