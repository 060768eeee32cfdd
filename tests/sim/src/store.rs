//! What a cluster stores: objects, one counter of versions, and the history of changes.

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;

use crate::object;
use crate::resource::Resource;

/// How many changes are kept for watches and for lists in pages.
const HISTORY: usize = 20_000;

/// Where an object is stored: its namespace, empty where it has none, and its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// As etcd orders `NAMESPACE/NAME`, byte by byte: what is in `work-2` comes before what is in
/// `work`.
impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        fn bytes(key: &Key) -> impl Iterator<Item = u8> {
            key.namespace.bytes().chain([b'/']).chain(key.name.bytes())
        }
        bytes(self).cmp(bytes(other))
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Key {
    pub(crate) fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    pub(crate) fn of(object: &Value) -> Self {
        Self::new(object::namespace(object), object::name(object))
    }
}

/// One change: before is none for a creation, after is none for a deletion.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) version: u64,
    pub(crate) resource: &'static Resource,
    pub(crate) key: Key,
    pub(crate) before: Option<Arc<Value>>,
    pub(crate) after: Option<Arc<Value>>,
}

/// The objects of one resource, by key.
pub(crate) type Objects = BTreeMap<Key, Arc<Value>>;

/// The storage of one cluster.
#[derive(Debug)]
pub(crate) struct Store {
    objects: BTreeMap<&'static str, Objects>,
    version: u64,
    history: VecDeque<Change>,
    /// Versions before this one cannot be read any more.
    floor: u64,
}

impl Store {
    pub(crate) fn new() -> Self {
        Self { objects: BTreeMap::new(), version: 1, history: VecDeque::new(), floor: 1 }
    }

    /// The version of the last change.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// The version of so many changes ago, as far back as versions can be read.
    pub(crate) fn readable(&self, changes: u64) -> u64 {
        self.version.saturating_sub(changes).max(self.floor)
    }

    /// Forgets the history: versions before the present one can neither be watched from nor be
    /// listed.
    pub(crate) fn compact(&mut self) {
        self.history.clear();
        self.floor = self.version;
    }

    pub(crate) fn get(&self, resource: &Resource, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(resource.plural)?.get(key)
    }

    /// The objects of a resource, in the namespace where one is named.
    pub(crate) fn list(&self, resource: &Resource, namespace: &str) -> Vec<Arc<Value>> {
        let all = self.objects.get(resource.plural);
        let within = |key: &Key| namespace.is_empty() || key.namespace == namespace;
        all.into_iter()
            .flatten()
            .filter(|(key, _)| within(key))
            .map(|(_, object)| object.clone())
            .collect()
    }

    /// The objects of a resource as they were at a version; none where that is forgotten.
    pub(crate) fn at(&self, resource: &'static Resource, version: u64) -> Option<Objects> {
        if version < self.floor || version > self.version {
            return None;
        }
        let mut objects = self.objects.get(resource.plural).cloned().unwrap_or_default();
        for change in self.history.iter().rev().take_while(|c| c.version > version) {
            if change.resource.plural != resource.plural {
                continue;
            }
            match &change.before {
                Some(before) => objects.insert(change.key.clone(), before.clone()),
                None => objects.remove(&change.key),
            };
        }
        Some(objects)
    }

    /// The changes after a version; none where some of them are forgotten.
    pub(crate) fn since(&self, version: u64) -> Option<impl Iterator<Item = &Change>> {
        if version < self.floor {
            return None;
        }
        let start = self.history.partition_point(|c| c.version <= version);
        Some(self.history.range(start..))
    }

    /// Stores an object under a new version and returns it as stored.
    pub(crate) fn put(&mut self, resource: &'static Resource, mut object: Value) -> Arc<Value> {
        self.version += 1;
        object::put(&mut object, &["metadata", "resourceVersion"], self.version.to_string());
        let (key, after) = (Key::of(&object), Arc::new(object));
        let before =
            self.objects.entry(resource.plural).or_default().insert(key.clone(), after.clone());
        self.record(Change {
            version: self.version,
            resource,
            key,
            before,
            after: Some(after.clone()),
        });
        after
    }

    /// Removes an object.
    pub(crate) fn remove(&mut self, resource: &'static Resource, key: &Key) {
        let Some(before) = self.objects.get_mut(resource.plural).and_then(|o| o.remove(key)) else {
            return;
        };
        self.version += 1;
        let key = key.clone();
        self.record(Change {
            version: self.version,
            resource,
            key,
            before: Some(before),
            after: None,
        });
    }

    fn record(&mut self, change: Change) {
        if self.history.len() == HISTORY
            && let Some(oldest) = self.history.pop_front()
        {
            self.floor = oldest.version;
        }
        self.history.push_back(change);
    }
}
