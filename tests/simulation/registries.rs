//! What the registries of all hosts say, and which host counts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

/// The name of the ConfigMap of a registry.
pub const REGISTRY: &str = "federation";
/// Its namespace.
pub const NAMESPACE: &str = "kubectl-federate";

/// What the keys of our annotations have in them.
pub const OURS: &str = "kubectl-federate.dev/";

const SETTINGS: &str = "kubectl-federate.dev/settings";
const MEMBER: &str = "member.kubectl-federate.dev/";
const FORMER: &str = "former.kubectl-federate.dev/";

/// What the registry of one host says.
#[derive(Debug, Default)]
pub struct Registry {
    /// The uid of the federation.
    pub federation: String,
    /// The uid of the host to which the federation was moved.
    pub moved: Option<String>,
    /// Which move between these two hosts it was.
    pub moves: u64,
    /// The uids by which members are registered, by name.
    pub members: BTreeMap<String, String>,
    /// The names of the members that were declared lost.
    pub lost: BTreeSet<String>,
    /// The uids of clusters that were members.
    pub former: BTreeSet<String>,
}

impl Registry {
    /// What a ConfigMap says; none where it is damaged.
    pub fn read(map: &Value) -> Option<Self> {
        let annotations = map["metadata"]["annotations"].as_object()?;
        let settings: Value = serde_json::from_str(annotations.get(SETTINGS)?.as_str()?).ok()?;
        let mut registry = Self {
            federation: text(&settings["uid"]).to_owned(),
            moved: settings["moved"]["uid"].as_str().map(str::to_owned),
            moves: settings["moved"]["number"].as_u64().unwrap_or(0),
            ..Self::default()
        };
        for (key, value) in annotations.iter().filter(|(key, _)| key.contains(OURS)) {
            let member: Value = serde_json::from_str(text(value)).ok()?;
            registry.former.extend(key.strip_prefix(FORMER).map(str::to_owned));
            let Some(name) = key.strip_prefix(MEMBER) else { continue };
            registry.members.insert(name.to_owned(), text(&member["uid"]).to_owned());
            if member["state"] == "lost" {
                registry.lost.insert(name.to_owned());
            }
        }
        Some(registry)
    }

    /// Whether a record is of its federation.
    pub fn has(&self, record: &Value) -> bool {
        record["metadata"]["labels"]["kubectl-federate.dev/federation"] == self.federation
    }
}

/// The registries of all hosts.
#[derive(Debug, Default)]
pub struct Registries {
    /// The ConfigMap of each host, and what it says; none where it is damaged.
    on_hosts: BTreeMap<usize, (Arc<Value>, Option<Registry>)>,
    /// The place of the host that counts: what others say has no effect.
    pub home: usize,
    /// The places of the hosts that people use; of the others it is the one that counts.
    by_person: BTreeMap<&'static str, usize>,
    /// In which step clusters were last seen to be declared lost, by their uids.
    lost_in: BTreeMap<String, u64>,
}

impl Registries {
    /// Takes over what a host says in a step. None where it has no registry.
    pub fn see(&mut self, place: usize, map: Option<&Arc<Value>>, step: u64) {
        let Some(map) = map else {
            self.on_hosts.remove(&place);
            return;
        };
        if self.on_hosts.get(&place).is_none_or(|(known, _)| !Arc::ptr_eq(known, map)) {
            self.on_hosts.insert(place, (map.clone(), Registry::read(map)));
        }
        if let Some(registry) = self.on_hosts.get(&place).and_then(|(_, it)| it.as_ref()) {
            let lost = registry.lost.iter().filter_map(|name| registry.members.get(name));
            self.lost_in.extend(lost.map(|uid| (uid.clone(), step)));
        }
    }

    /// The registry of the host that counts, if it can be read.
    pub fn current(&self) -> Option<&Registry> {
        self.on(self.home)
    }

    /// The registry of a host, if there is one that can be read.
    pub fn on(&self, place: usize) -> Option<&Registry> {
        self.on_hosts.get(&place)?.1.as_ref()
    }

    /// Whether a host has a registry that is damaged.
    pub fn is_damaged(&self, place: usize) -> bool {
        matches!(self.on_hosts.get(&place), Some((_, None)))
    }

    /// Whether the federation of a host was moved away from there.
    pub fn is_left(&self, place: usize) -> bool {
        self.on(place).is_some_and(|registry| registry.moved.is_some())
    }

    /// The hosts other than the one that counts which act for a federation, too: they are not
    /// marked as moved.
    pub fn others_of<'r>(&'r self, federation: &'r str) -> impl Iterator<Item = usize> + 'r {
        let acts = move |registry: &Registry| {
            registry.federation == federation && registry.moved.is_none()
        };
        let others = self.on_hosts.iter().filter(|(place, _)| **place != self.home);
        let acting = others.filter(move |(_, (_, registry))| registry.as_ref().is_some_and(acts));
        acting.map(|(place, _)| *place)
    }

    /// The last host to which a federation was moved, one move after the other, from a host that was
    /// left. None where that is the host itself, and where the moves go round. `find` has the place
    /// of the cluster with a uid.
    pub fn last_of(&self, from: usize, find: impl Fn(&str) -> Option<usize>) -> Option<usize> {
        let federation = &self.on(from)?.federation;
        let acts = |place: &usize| self.on(*place).is_some_and(|it| it.federation == *federation);
        let mut at = from;
        for _ in &self.on_hosts {
            let next = self.on(at)?.moved.as_deref().and_then(&find);
            match next.filter(acts) {
                Some(next) => at = next,
                None => return Some(at).filter(|at| *at != from),
            }
        }
        None
    }

    /// Whether a host was left for the one with this uid, after that one was left: `left` is the
    /// registry there.
    pub fn is_moved_back(&self, place: usize, left: &Registry, uid: &str) -> bool {
        self.on(place).is_some_and(|it| {
            let is_same = it.federation == left.federation && it.moved.as_deref() == Some(uid);
            is_same && it.moves > left.moves
        })
    }

    /// Whether a host acts for another federation than that of a registry.
    pub fn is_of_another(&self, place: usize, left: &Registry) -> bool {
        let there = self.on(place);
        there.is_some_and(|it| it.federation != left.federation && it.moved.is_none())
    }

    /// Has people use a host from now on.
    pub fn used_by(&mut self, person: &'static str, place: usize) {
        self.by_person.insert(person, place);
    }

    /// The registry by which a person works.
    pub fn of(&self, person: &str) -> Option<&Registry> {
        self.on(self.by_person.get(person).copied().unwrap_or(self.home))
    }

    /// Whether a cluster was seen to be declared lost since a step.
    pub fn was_lost_since(&self, uid: &str, step: u64) -> bool {
        self.lost_in.get(uid).is_some_and(|last| *last >= step)
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
