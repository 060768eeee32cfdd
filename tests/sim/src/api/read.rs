//! Reading objects: one, or many in pages.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::State;
use crate::resource::Resource;
use crate::selector::{Fields, Labels};
use crate::status::Status;
use crate::store::Key;

/// Which objects of a resource a list or a watch is about.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    /// Empty for all namespaces.
    pub(crate) namespace: String,
    pub(crate) labels: Labels,
    pub(crate) fields: Fields,
}

impl Selection {
    /// Whether neither labels nor fields narrow it.
    fn is_all(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    pub(crate) fn selects(&self, key: &Key, object: &Value) -> bool {
        (self.namespace.is_empty() || self.namespace == key.namespace)
            && self.labels.matches(object)
            && self.fields.matches(object)
    }
}

/// The options of a list.
#[derive(Clone, Debug, Default)]
pub(crate) struct ListOptions {
    pub(crate) selection: Selection,
    /// At most so many objects; 0 for all.
    pub(crate) limit: usize,
    /// Where the page before ended, as that page said.
    pub(crate) token: String,
    /// How many changes of the cluster are not seen yet.
    pub(crate) age: u64,
}

const EXPIRED: &str = "The provided continue parameter is too old to display a consistent list \
    result. You can start \
    a new list without the continue parameter, or use the continue token in this response to \
    retrieve the remainder \
    of the results. Continuing with the provided token results in an inconsistent list - objects \
    that were created, \
    modified, or deleted between the time the first chunk was returned and now may show up in the \
    list.";

/// Where a page ended: the version of the whole list, and the last key. Version 0 stands for the
/// present.
struct Page {
    version: u64,
    after: Key,
}

impl Page {
    fn write(&self) -> String {
        let start = format!("{}/{}\0", self.after.namespace, self.after.name);
        let token = json!({"v": "meta.k8s.io/v1", "rv": self.version, "start": start});
        URL_SAFE_NO_PAD.encode(token.to_string())
    }

    fn read(token: &str) -> Option<Self> {
        let token: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
        let (namespace, name) = token["start"].as_str()?.strip_suffix('\0')?.split_once('/')?;
        Some(Self { version: token["rv"].as_u64()?, after: Key::new(namespace, name) })
    }
}

impl State {
    /// An object.
    pub(crate) fn get(&self, resource: &'static Resource, key: &Key) -> Result<Arc<Value>, Status> {
        self.store.get(resource, key).cloned().ok_or_else(|| Status::not_found(resource, &key.name))
    }

    /// An object as it was so many changes of the cluster ago, as far back as it remembers. Whether
    /// it is there is said of today: a server asks a quorum of etcd for an object by its name.
    pub(crate) fn get_aged(
        &self,
        resource: &'static Resource,
        key: &Key,
        age: u64,
    ) -> Result<Arc<Value>, Status> {
        let today = self.get(resource, key)?;
        let objects = self.store.at(resource, self.store.readable(age));
        let before = objects.and_then(|mut objects| objects.remove(key));
        let is_it = |it: &Arc<Value>| it["metadata"]["uid"] == today["metadata"]["uid"];
        Ok(before.filter(is_it).unwrap_or(today))
    }

    /// A list object.
    pub(crate) fn list(
        &self,
        resource: &'static Resource,
        options: &ListOptions,
    ) -> Result<Value, Status> {
        let page = match options.token.as_str() {
            "" => None,
            token => {
                let why = "invalid continue token: continue key is not valid";
                Some(Page::read(token).ok_or_else(|| Status::bad_request(why))?)
            }
        };
        let version = match &page {
            Some(page) if page.version > 0 => page.version,
            _ => self.store.readable(options.age),
        };
        let Some(objects) = self.store.at(resource, version) else {
            let mut refusal = Status::expired(EXPIRED);
            if let Some(page) = page {
                refusal.token = Page { version: 0, ..page }.write();
            }
            return Err(refusal);
        };
        let after = |key: &Key| page.as_ref().is_none_or(|page| *key > page.after);
        let mut selected = objects
            .iter()
            .filter(|(key, object)| after(key) && options.selection.selects(key, object));
        let limit = if options.limit == 0 { usize::MAX } else { options.limit };
        let found: Vec<(&Key, &Arc<Value>)> = selected.by_ref().take(limit).collect();
        let remaining = selected.count();
        let mut metadata = json!({"resourceVersion": version.to_string()});
        if remaining > 0
            && let Some((last, _)) = found.last()
        {
            metadata["continue"] = Page { version, after: (*last).clone() }.write().into();
            if options.selection.is_all() {
                metadata["remainingItemCount"] = remaining.into();
            }
        }
        let items: Vec<Value> = found.into_iter().map(|(_, object)| bare(object)).collect();
        Ok(json!({
            "kind": format!("{}List", resource.kind), "apiVersion": resource.api_version(),
            "metadata": metadata, "items": items,
        }))
    }
}

/// An item of a list does not repeat its kind.
fn bare(object: &Value) -> Value {
    let mut item = object.clone();
    if let Some(map) = item.as_object_mut() {
        map.remove("kind");
        map.remove("apiVersion");
    }
    item
}
