//! What goes away by itself: what has lost its owner, Jobs past their time to live, and namespaces.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::api::{DeleteOptions, FOREGROUND, ORPHAN, Patch, Propagation, State, WriteOptions};
use crate::clock::later;
use crate::object::{self, deleting, finished, has_finalizer, items, moment, number, put, text};
use crate::resource::{ALL, JOBS, NAMESPACES, Resource};
use crate::store::Key;

type Found = (&'static Resource, Arc<Value>);

impl State {
    fn everything(&self) -> Vec<Found> {
        let of = |resource: &'static Resource| {
            self.store.list(resource, "").into_iter().map(move |object| (resource, object))
        };
        ALL.into_iter().flat_map(of).collect()
    }

    /// Deletes what has lost its owners, and lets owners go that waited for what they own.
    pub(super) fn collect_garbage(&mut self) {
        let all = self.everything();
        let waiting =
            |object: &Value| has_finalizer(object, FOREGROUND) || has_finalizer(object, ORPHAN);
        for (resource, owner) in all.iter().filter(|(_, o)| deleting(o) && waiting(o)) {
            let owned: Vec<&Found> = all.iter().filter(|(_, o)| owns(owner, o)).collect();
            if has_finalizer(owner, ORPHAN) {
                for (resource, object) in owned {
                    self.disown(resource, object, object::uid(owner));
                }
                self.drop_finalizer(resource, owner, ORPHAN);
            } else if owned.is_empty() {
                self.drop_finalizer(resource, owner, FOREGROUND);
            } else {
                for (resource, object) in owned.into_iter().filter(|(_, o)| !deleting(o)) {
                    self.delete_in_background(resource, &Key::of(object));
                }
            }
        }
        let uids: HashSet<&str> = all.iter().map(|(_, object)| object::uid(object)).collect();
        for (resource, object) in &all {
            let owners = items(object, "/metadata/ownerReferences");
            if owners.is_empty() || deleting(object) {
                continue;
            }
            let there = |owner: &Value| uids.contains(text(owner, "/uid"));
            if !owners.iter().any(there) {
                self.delete_in_background(resource, &Key::of(object));
            }
        }
    }

    fn delete_in_background(&mut self, resource: &'static Resource, key: &Key) {
        let options = DeleteOptions {
            propagation: Some(Propagation::Background),
            ..DeleteOptions::default()
        };
        let _ = self.delete(resource, key, &options);
    }

    fn disown(&mut self, resource: &'static Resource, object: &Value, owner: &str) {
        let patch = json!({"metadata": {"ownerReferences": [{"$patch": "delete", "uid": owner}]}});
        let key = Key::of(object);
        let _ =
            self.patch(resource, &key, false, &Patch::Strategic(patch), WriteOptions::default());
    }

    fn drop_finalizer(&mut self, resource: &'static Resource, object: &Value, finalizer: &str) {
        let patch = json!({"metadata": {"$deleteFromPrimitiveList/finalizers": [finalizer]}});
        let key = Key::of(object);
        let _ =
            self.patch(resource, &key, false, &Patch::Strategic(patch), WriteOptions::default());
    }

    /// Deletes the Jobs whose time to live after they ended is over.
    pub(super) fn expire_jobs(&mut self) {
        let now = self.now();
        for job in self.store.list(&JOBS, "").into_iter().filter(|j| finished(j) && !deleting(j)) {
            let Some(seconds) = number(&job, "/spec/ttlSecondsAfterFinished") else { continue };
            let ended = items(&job, "/status/conditions")
                .iter()
                .filter(|c| {
                    (c["type"] == "Complete" || c["type"] == "Failed") && c["status"] == "True"
                })
                .find_map(|c| moment(c, "/lastTransitionTime"));
            let end = later(ended.unwrap_or(now), Duration::from_secs(seconds.max(0) as u64));
            if end > now {
                self.controllers.look_again(end);
                continue;
            }
            let options = DeleteOptions {
                propagation: Some(Propagation::Foreground),
                ..DeleteOptions::default()
            };
            let _ = self.delete(&JOBS, &Key::of(&job), &options);
        }
    }

    /// Empties the namespaces that are being deleted, and then removes them.
    pub(super) fn end_namespaces(&mut self) {
        for namespace in self.store.list(&NAMESPACES, "").into_iter().filter(|n| deleting(n)) {
            let name = object::name(&namespace).to_owned();
            let inside: Vec<Found> = self
                .everything()
                .into_iter()
                .filter(|(_, o)| object::namespace(o) == name)
                .collect();
            for (resource, object) in inside.iter().filter(|(_, o)| !deleting(o)) {
                self.delete_in_background(resource, &Key::of(object));
            }
            if inside.is_empty() {
                let mut body = (*namespace).clone();
                put(&mut body, &["spec"], json!({}));
                self.store.put(&NAMESPACES, body);
                self.store.remove(&NAMESPACES, &Key::new("", &name));
            }
        }
    }
}

fn owns(owner: &Value, object: &Value) -> bool {
    items(object, "/metadata/ownerReferences").iter().any(|o| text(o, "/uid") == object::uid(owner))
}
