//! The registry: the members of a federation. Each member is one annotation of a ConfigMap.

mod unmarked;

pub use unmarked::{Restores, Unmarked};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Error, Member, VERSION, documents::Documents};
use crate::job::is_zero;

/// The namespace on the host that holds the registry.
pub const NAMESPACE: &str = "kubectl-federate";
/// The name of the registry's ConfigMap.
pub const NAME: &str = "federation";

const SETTINGS: &str = "kubectl-federate.dev/settings";
const MEMBER_PREFIX: &str = "member.kubectl-federate.dev/";
const FORMER_PREFIX: &str = "former.kubectl-federate.dev/";
const UNMARKED_PREFIX: &str = "unmarked.kubectl-federate.dev/";
/// Federations that were moved away from this host before it became the host of another.
const LEFT_PREFIX: &str = "left.kubectl-federate.dev/";

/// A federation and its members.
#[derive(Debug, Clone, PartialEq)]
pub struct Registry {
    /// The federation's own uid, which the labels of its shards carry.
    pub uid: String,
    /// The uid of the host's `kube-system` namespace when the registry was made.
    pub host: String,
    /// The members by name.
    pub members: BTreeMap<String, Member>,
    /// The clusters that were unregistered and may still have Jobs of the federation, by their
    /// uids.
    pub former: BTreeMap<String, Former>,
    /// The hosts that could not be marked as moved when the federation was restored on another one,
    /// by their uids. One that is used again gives out the same work.
    pub unmarked: BTreeMap<String, Unmarked>,
    /// Since when the host has all records of the federation, in seconds since 1970: the ConfigMap
    /// was created then, or that of the host from which the federation was moved or restored. None
    /// where the host does not say.
    pub created: Option<i64>,
    /// The host to which the federation was moved. Nothing is done from this registry then.
    pub moved: Option<Moved>,
    /// Between which times records were written that a restore did not bring back.
    pub gap: Option<Gap>,
    /// How often the federation was restored on each host.
    pub restores: Restores,
    /// What [`Registry::created`] was on the host before this one.
    created_before: Option<i64>,
    pub(super) resource_version: String,
    pub(super) documents: Documents,
}

/// The host to which a federation was moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub struct Moved {
    /// The uid of its `kube-system` namespace.
    pub uid: String,
    /// The kubeconfig context of whoever moved the federation: a hint.
    pub context: String,
    /// Which move between the two hosts it was, from 1. If both say that the federation was moved
    /// to the other one, the larger number is right: that move was interrupted. 0 where an older
    /// program wrote it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub number: u32,
}

/// What a backup has of a registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub struct SavedRegistry {
    /// The federation's uid.
    pub uid: String,
    /// The uid of the host that the backup was made of.
    pub host: String,
    /// The members by name.
    pub members: BTreeMap<String, Member>,
    /// The clusters that were unregistered and may still have Jobs of the federation, by their
    /// uids.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub former: BTreeMap<String, Former>,
    /// The hosts that could not be marked as moved, by their uids.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unmarked: BTreeMap<String, Unmarked>,
    /// Since when its host had all records, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<i64>,
    /// Between which times records were written that a restore did not bring back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<Gap>,
    /// How often the federation was restored on each host.
    #[serde(default, skip_serializing_if = "Restores::is_empty")]
    pub restores: Restores,
}

/// What can be read of a registry that is damaged.
#[derive(Debug, Default)]
pub struct Salvaged {
    /// The members by name.
    pub members: BTreeMap<String, Member>,
    /// The clusters that were unregistered, by their uids.
    pub former: BTreeMap<String, Former>,
    /// The hosts that could not be marked as moved, by their uids.
    pub unmarked: BTreeMap<String, Unmarked>,
}

/// A time of which records may be missing: a backup was made at its start, and restored at its end
/// on a host that had no registry of the federation. In seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub struct Gap {
    /// When the backup was made; [`Gap::BEGINNING`] until all of its records are written.
    pub from: i64,
    /// When it was restored.
    pub until: i64,
}

impl Gap {
    /// The start of a gap that may lack any record.
    pub const BEGINNING: i64 = 0;

    /// The start of a gap that lacks a record of which it is not known when it was written.
    pub const ANY: i64 = 1;

    /// The gap while not all records of the backup are written.
    #[must_use]
    pub fn opened(self) -> Self {
        Self { from: Self::BEGINNING, ..self }
    }

    /// Whether any record that was written before its end may be missing.
    pub fn is_open(self) -> bool {
        self.from == Self::BEGINNING
    }
}

/// A cluster that was unregistered. It stays known until it has no Jobs of the federation any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub struct Former {
    /// The name that it had as a member. Another member may have the name by now.
    pub name: String,
    /// The kubeconfig context that reached it: a hint.
    pub context: String,
}

/// A change of one member in the registry: what a caller asks for, and what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberChange {
    /// The registry has this member under the name.
    Set(Member),
    /// The member is removed. Its cluster stays known as a [former](super::Former) one.
    Remove,
    /// The member is removed, and so is all that is known of its cluster.
    Forget,
    /// Nothing changes.
    Keep,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
struct Settings {
    version: u32,
    uid: String,
    host: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    moved: Option<Moved>,
    /// [`Registry::created`] on the host before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gap: Option<Gap>,
    #[serde(default, skip_serializing_if = "Restores::is_empty")]
    restores: Restores,
}

impl SavedRegistry {
    /// A registry without members, on no host yet.
    pub fn new(uid: &str) -> Self {
        Self {
            uid: uid.to_owned(),
            host: String::new(),
            members: BTreeMap::new(),
            former: BTreeMap::new(),
            unmarked: BTreeMap::new(),
            created: None,
            gap: None,
            restores: Restores::default(),
        }
    }

    /// The name of the member with this uid, if the cluster is registered.
    pub fn member_by_uid(&self, uid: &str) -> Option<&str> {
        let member = self.members.iter().find(|(_, member)| member.uid == uid);
        member.map(|(name, _)| name.as_str())
    }
}

impl Registry {
    /// The resourceVersion of its ConfigMap as it was read.
    pub fn resource_version(&self) -> &str {
        &self.resource_version
    }

    /// What a backup has of it.
    pub fn saved(&self) -> SavedRegistry {
        SavedRegistry {
            uid: self.uid.clone(),
            host: self.host.clone(),
            members: self.members.clone(),
            former: self.former.clone(),
            unmarked: self.unmarked.clone(),
            created: self.created,
            gap: self.gap,
            restores: self.restores.clone(),
        }
    }

    /// To which host a federation was moved from this one, before this became the host of another.
    pub fn left(&self, federation: &str) -> Option<Moved> {
        self.documents.get(&format!("{LEFT_PREFIX}{federation}")).ok()
    }

    /// Whether the host may never have had, or may have lost, a record that was written at this
    /// time, in seconds since 1970.
    pub fn may_lack(&self, written: i64) -> bool {
        self.created.is_some_and(|since| written < since)
            || self.gap.is_some_and(|gap| (gap.from..gap.until).contains(&written))
    }

    /// The ConfigMap of a registry on a host.
    pub(super) fn new_config_map(saved: &SavedRegistry, host: &str) -> Result<Value, Error> {
        let mut documents = Documents::none(object());
        put_all(&mut documents, saved, host);
        let mut config_map = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": NAME, "namespace": NAMESPACE },
        });
        documents.write_to(&mut config_map)?;
        Ok(config_map)
    }

    /// Reads the registry from its ConfigMap.
    ///
    /// # Errors
    /// The registry is damaged, or a newer version wrote it. The error names the annotation.
    pub fn from_config_map(config_map: &Value) -> Result<Self, Error> {
        let documents = Documents::read(object(), config_map)?;
        let version = documents.version(SETTINGS)?;
        let settings: Settings = documents.get(SETTINGS)?;
        let members: BTreeMap<String, Member> = documents.with_prefix(MEMBER_PREFIX)?;
        for (name, member) in &members {
            let damaged = |why| documents.damaged(&format!("{MEMBER_PREFIX}{name}"), &why);
            member.check(name).map_err(damaged)?;
        }
        let former = documents.with_prefix(FORMER_PREFIX)?;
        let unmarked = documents.with_prefix(UNMARKED_PREFIX)?;
        let restores = settings.restores.since(version, &settings.host, &unmarked);
        let created = config_map["metadata"]["creationTimestamp"].as_str();
        Ok(Self {
            uid: settings.uid,
            host: settings.host,
            members,
            former,
            unmarked,
            created: settings.created.or_else(|| {
                let at = created.and_then(|at| at.parse::<jiff::Timestamp>().ok());
                at.map(jiff::Timestamp::as_second)
            }),
            created_before: settings.created,
            moved: settings.moved,
            gap: settings.gap,
            restores,
            resource_version: config_map["metadata"]["resourceVersion"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            documents,
        })
    }

    /// What can be read of a damaged registry, whatever else is damaged.
    pub(super) fn salvage(config_map: &Value) -> Salvaged {
        let plain = json!({ "metadata": config_map["metadata"] });
        let documents = Documents::read(object(), config_map)
            .or_else(|_| Documents::read(object(), &plain))
            .unwrap_or_else(|_| Documents::none(object()));
        let mut members: BTreeMap<String, Member> = documents.readable(MEMBER_PREFIX);
        members.retain(|name, member| member.check(name).is_ok());
        let former = documents.readable(FORMER_PREFIX);
        Salvaged { members, former, unmarked: documents.readable(UNMARKED_PREFIX) }
    }

    /// The merge patch that makes these changes of members, by their names. It also writes the
    /// version. So a program that is older refuses a newer registry, instead of calling it damaged.
    pub(super) fn patch(&self, changes: &BTreeMap<String, MemberChange>) -> Result<Value, Error> {
        let former = |uid: &str| format!("{FORMER_PREFIX}{uid}");
        let mut after = self.current();
        for (name, change) in changes {
            let leaves = |before: &&Member| match change {
                MemberChange::Remove => true,
                MemberChange::Set(member) => member.uid != before.uid,
                MemberChange::Forget | MemberChange::Keep => false,
            };
            if let Some(Member { uid, context, .. }) = self.members.get(name).filter(leaves) {
                let left = Former { name: name.clone(), context: context.clone() };
                after.put(&former(uid), &left);
            }
        }
        // One that leaves its name may be a member by another one: then it is no former one.
        for (name, change) in changes {
            let key = format!("{MEMBER_PREFIX}{name}");
            match change {
                MemberChange::Set(member) => {
                    after.put(&key, member);
                    after.remove(&former(&member.uid));
                }
                MemberChange::Remove | MemberChange::Forget => after.remove(&key),
                MemberChange::Keep => {}
            }
        }
        after.patch(&self.resource_version)
    }

    /// The merge patch that makes this what was saved of a registry, on this host. It is not marked
    /// as moved then. A registry that becomes that of another federation keeps where its own went.
    pub(super) fn patch_whole(&self, saved: &SavedRegistry, host: &str) -> Result<Value, Error> {
        let mut after = self.documents.clone();
        if let Some(moved) = self.moved.as_ref().filter(|_| saved.uid != self.uid) {
            after.put(&format!("{LEFT_PREFIX}{}", self.uid), moved);
        }
        after.remove(&format!("{LEFT_PREFIX}{}", saved.uid));
        after.clear_prefix(MEMBER_PREFIX);
        after.clear_prefix(FORMER_PREFIX);
        after.clear_prefix(UNMARKED_PREFIX);
        put_all(&mut after, saved, host);
        after.patch(&self.resource_version)
    }

    /// The merge patch that makes a ConfigMap that cannot be read what was saved of a registry, on
    /// this host.
    pub(super) fn patch_damaged(
        config_map: &Value,
        saved: &SavedRegistry,
        host: &str,
    ) -> Result<Value, Error> {
        let mut patch = Self::new_config_map(saved, host)?;
        let is_ours = |key: &str| key.contains("kubectl-federate.dev");
        for place in ["/metadata/annotations", "/binaryData"] {
            let there = config_map.pointer(place).and_then(Value::as_object);
            for key in there.into_iter().flatten().map(|(key, _)| key).filter(|key| is_ours(key)) {
                let after = match place {
                    "/binaryData" => &mut patch["binaryData"],
                    _ => &mut patch["metadata"]["annotations"],
                };
                if after.get(key).is_none() {
                    after[key] = Value::Null;
                }
            }
        }
        patch["metadata"]["resourceVersion"] = config_map["metadata"]["resourceVersion"].clone();
        Ok(patch)
    }

    /// The merge patch that removes clusters from the former ones, by their uids.
    pub(super) fn patch_former(&self, uids: &[String]) -> Result<Value, Error> {
        let mut after = self.current();
        for uid in uids {
            after.remove(&format!("{FORMER_PREFIX}{uid}"));
        }
        after.patch(&self.resource_version)
    }

    /// The merge patch that removes a host from those that are not marked as moved.
    pub(super) fn patch_unmarked(&self, uid: &str) -> Result<Value, Error> {
        let mut after = self.current();
        after.remove(&format!("{UNMARKED_PREFIX}{uid}"));
        after.patch(&self.resource_version)
    }

    /// The documents as they are, with the current version.
    fn current(&self) -> Documents {
        let mut documents = self.documents.clone();
        documents.put(SETTINGS, &self.settings());
        documents
    }

    /// The merge patch that marks the federation as moved to another host, or as not moved.
    pub(super) fn patch_moved(&self, moved: Option<&Moved>) -> Result<Value, Error> {
        let mut after = self.documents.clone();
        after.put(SETTINGS, &Settings { moved: moved.cloned(), ..self.settings() });
        after.patch(&self.resource_version)
    }

    fn settings(&self) -> Settings {
        Settings {
            version: VERSION,
            uid: self.uid.clone(),
            host: self.host.clone(),
            moved: self.moved.clone(),
            created: self.created_before,
            gap: self.gap,
            restores: self.restores.clone(),
        }
    }

    /// The member with this uid, if the cluster is registered.
    pub fn member_by_uid(&self, uid: &str) -> Option<(&str, &Member)> {
        self.members
            .iter()
            .find(|(_, member)| member.uid == uid)
            .map(|(name, member)| (name.as_str(), member))
    }
}

/// Puts all of a registry.
fn put_all(documents: &mut Documents, saved: &SavedRegistry, host: &str) {
    let settings = Settings {
        version: VERSION,
        uid: saved.uid.clone(),
        host: host.to_owned(),
        moved: None,
        created: saved.created,
        gap: saved.gap,
        restores: saved.restores.clone(),
    };
    documents.put(SETTINGS, &settings);
    for (name, member) in &saved.members {
        documents.put(&format!("{MEMBER_PREFIX}{name}"), member);
    }
    for (uid, former) in &saved.former {
        documents.put(&format!("{FORMER_PREFIX}{uid}"), former);
    }
    for (uid, unmarked) in &saved.unmarked {
        documents.put(&format!("{UNMARKED_PREFIX}{uid}"), unmarked);
    }
}

fn object() -> String {
    format!("configmap {NAMESPACE}/{NAME}")
}

#[cfg(test)]
mod tests;
