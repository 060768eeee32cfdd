//! What edits have changed of a Job's template, and how a shard's Job gets that.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::keys;
use crate::job::{Manifest, Patch};

/// Maps of the template in which single entries are edited.
const MAPS: [&str; 3] = ["/metadata/labels", "/metadata/annotations", "/spec/nodeSelector"];

/// Fields of the template that are edited as a whole.
const FIELDS: [&str; 3] =
    ["/spec/tolerations", "/spec/schedulingGates", "/spec/affinity/nodeAffinity"];

/// Lists of containers. Of a container, the resources are edited.
const CONTAINERS: [&str; 2] = ["/spec/containers", "/spec/initContainers"];

/// What edits have changed of a Job's template, of the fields that can change in a suspended Job:
/// JSON pointers below `spec.template`. A map has the keys whose entries were edited, a list of
/// containers the names of those whose resources were, and other fields have none.
///
/// The Job of a shard is changed in these only: what its cluster has added elsewhere in the
/// template stays, such as a container or a toleration that a webhook has injected.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TemplateEdits(BTreeMap<String, BTreeSet<String>>);

impl TemplateEdits {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether all that others have changed is among these.
    pub fn has_all(&self, others: &Self) -> bool {
        let has = |(path, names)| self.0.get(path).is_some_and(|own| own.is_superset(names));
        others.0.iter().all(has)
    }

    /// Adds what others have changed.
    pub fn join(&mut self, others: &Self) {
        for (path, names) in &others.0 {
            self.0.entry(path.clone()).or_default().extend(names.iter().cloned());
        }
    }

    /// Adds what an edit changes.
    pub fn add(&mut self, before: &Manifest, after: &Manifest) {
        let [before, after] =
            [before, after].map(|manifest| &manifest.object()["spec"]["template"]);
        let mut edits = Vec::new();
        for path in MAPS {
            let [old, new] = [before, after].map(|template| at(template, path));
            let differ = |key: &String| old.get(key) != new.get(key);
            edits.push((
                path,
                keys(old).union(&keys(new)).filter(|key| differ(key)).cloned().collect(),
            ));
        }
        for path in CONTAINERS {
            let [old, new] = [before, after].map(|template| resources(at(template, path)));
            let differ = |name: &&String| old.get(*name) != new.get(*name);
            edits.push((path, old.keys().chain(new.keys()).filter(differ).cloned().collect()));
        }
        edits.retain(|(_, names): &(_, BTreeSet<String>)| !names.is_empty());
        let whole = FIELDS.into_iter().filter(|path| at(before, path) != at(after, path));
        edits.extend(whole.map(|path| (path, BTreeSet::new())));
        for (path, names) in edits {
            self.0.entry(path.to_owned()).or_default().extend(names);
        }
    }

    /// The merge patch that brings a template, as its server has it, to what the manifest says in
    /// the edited fields. It is empty if they are so already.
    ///
    /// A merge patch replaces lists as a whole. So lists of containers are sent as they were read,
    /// with other resources. The patch is for the version of the Job that was read.
    /// A template that is no object is taken for an empty one: servers may answer anything.
    pub fn patch(&self, manifest: &Manifest, current: &Value) -> Value {
        let asked = &manifest.object()["spec"]["template"];
        let none = Map::new().into();
        let current = if current.is_object() { current } else { &none };
        let mut changed = current.clone();
        for (path, names) in &self.0 {
            if CONTAINERS.contains(&path.as_str()) {
                set_resources(&mut changed, path, names, asked);
            } else if MAPS.contains(&path.as_str()) {
                for name in names {
                    let value = at(asked, path).get(name).cloned().unwrap_or_default();
                    set(&mut changed, path.split('/').skip(1).chain([name.as_str()]), value);
                }
            } else {
                set(&mut changed, path.split('/').skip(1), at(asked, path).clone());
            }
        }
        Patch::difference(current, &changed)
    }
}

/// The value at a JSON pointer; null if it is absent.
fn at<'a>(template: &'a Value, pointer: &str) -> &'a Value {
    template.pointer(pointer).unwrap_or(&Value::Null)
}

/// The resources of containers by their names. No resources are the same as empty ones.
fn resources(containers: &Value) -> BTreeMap<String, Value> {
    let containers = containers.as_array().into_iter().flatten();
    let with_name = |container: &Value| {
        let resources = container.get("resources").filter(|resources| !resources.is_null());
        let resources = resources.cloned().unwrap_or_else(|| Map::new().into());
        Some((container["name"].as_str()?.to_owned(), resources))
    };
    containers.filter_map(with_name).collect()
}

fn set_resources(template: &mut Value, path: &str, names: &BTreeSet<String>, asked: &Value) {
    let mut asked = resources(at(asked, path));
    let containers = template.pointer_mut(path).and_then(Value::as_array_mut);
    for container in containers.into_iter().flatten() {
        let name = container["name"].as_str().unwrap_or_default();
        if let Some(resources) = asked.remove(name).filter(|_| names.contains(name)) {
            container["resources"] = resources;
        }
    }
}

/// Sets the field at a path, or removes it if the value is null. Objects on the way are made.
fn set<'p>(object: &mut Value, mut path: impl Iterator<Item = &'p str>, value: Value) {
    let Some(mut field) = path.next() else { return };
    let mut place = object;
    for next in path {
        if !place[field].is_object() {
            if value.is_null() {
                return;
            }
            place[field] = Map::new().into();
        }
        place = &mut place[field];
        field = next;
    }
    match value {
        Value::Null => _ = place.as_object_mut().and_then(|fields| fields.remove(field)),
        value => place[field] = value,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest(template: &Value) -> Manifest {
        let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"},
            "spec": {"suspend": true, "template": template}});
        Manifest::new(job, "work", "").expect("valid")
    }

    fn template() -> Value {
        json!({
            "metadata": {"labels": {"team": "math", "app": "pi"}},
            "spec": {
                "nodeSelector": {"disk": "ssd", "zone": "a"},
                "tolerations": [{"key": "gpu"}],
                "affinity": {"nodeAffinity": {"required": {"a": 1}}, "podAffinity": {"x": 1}},
                "initContainers": [{"name": "fetch", "image": "curl"}],
                "containers": [
                    {"name": "pi", "image": "perl",
                        "resources": {"limits": {"cpu": "2", "mem": "1"}}},
                    {"name": "log", "image": "log"},
                ],
            },
        })
    }

    /// The template as a server has it: with what a webhook and the server have added.
    fn stored() -> Value {
        let mut stored = template();
        stored["metadata"]["labels"]["job-name"] = "pi".into();
        stored["metadata"]["annotations"] = json!({"injected": "yes"});
        stored["spec"]["nodeSelector"]["injected"] = "yes".into();
        stored["spec"]["dnsPolicy"] = "ClusterFirst".into();
        let containers = stored["spec"]["containers"].as_array_mut().expect("a list");
        containers
            .insert(0, json!({"name": "proxy", "image": "proxy", "resources": {"limits": {}}}));
        containers[1]["env"] = json!([{"name": "INJECTED"}]);
        containers[2]["resources"] = json!({});
        stored
    }

    /// The stored template after edits from one template to the next, of which the shard gets the
    /// last.
    fn after(steps: &[Value]) -> Value {
        let mut edits = TemplateEdits::default();
        for pair in steps.windows(2) {
            edits.add(&manifest(&pair[0]), &manifest(&pair[1]));
        }
        let last = manifest(steps.last().expect("one"));
        let mut template = stored();
        json_patch::merge(&mut template, &edits.patch(&last, &stored()));
        let again = edits.patch(&last, &template);
        assert_eq!(again, json!({}), "nothing is left to change");
        template
    }

    fn with(pointer: &str, value: Value) -> Value {
        let mut edited = template();
        let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
        let parent = edited.pointer_mut(parent).expect("it is there");
        match value {
            Value::Null => _ = parent.as_object_mut().expect("an object").remove(field),
            value => parent[field] = value,
        }
        edited
    }

    #[test]
    fn an_edit_changes_its_field_and_nothing_that_was_injected() {
        for (pointer, value) in [
            ("/metadata/labels/team", json!("physics")),
            ("/metadata/labels/team", Value::Null),
            ("/metadata/labels/new", json!("x")),
            ("/spec/nodeSelector/disk", json!("hdd")),
            ("/spec/nodeSelector/disk", Value::Null),
            ("/spec/tolerations", json!([{"key": "spot"}, {"key": "gpu"}])),
            ("/spec/tolerations", Value::Null),
            ("/spec/schedulingGates", json!([{"name": "later"}])),
            ("/spec/affinity/nodeAffinity", json!({"preferred": [1]})),
            ("/spec/affinity/nodeAffinity", Value::Null),
        ] {
            let mut expected = stored();
            let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
            let parent = expected.pointer_mut(parent).expect("it is there");
            match &value {
                Value::Null => _ = parent.as_object_mut().expect("an object").remove(field),
                value => parent[field] = value.clone(),
            }
            assert_eq!(after(&[template(), with(pointer, value)]), expected, "{pointer}");
        }
    }

    #[test]
    fn a_map_or_an_affinity_may_come_and_go() {
        for pointer in ["/spec/nodeSelector", "/spec/affinity", "/metadata"] {
            let without = with(pointer, Value::Null);
            let back = after(&[template(), without.clone(), template()]);
            assert_eq!(back, stored(), "{pointer}");
            let gone = after(&[template(), without]);
            assert_ne!(gone, stored(), "{pointer}");
        }
        let gone = after(&[template(), with("/spec/nodeSelector", Value::Null)]);
        assert_eq!(gone["spec"]["nodeSelector"], json!({"injected": "yes"}));
    }

    #[test]
    fn resources_are_replaced_by_the_name_of_the_container() {
        let edited = with("/spec/containers/0/resources", json!({"requests": {"cpu": "1"}}));
        let mut expected = stored();
        expected["spec"]["containers"][1]["resources"] = json!({"requests": {"cpu": "1"}});
        assert_eq!(after(&[template(), edited.clone()]), expected);
        assert_eq!(after(&[template(), edited, template()]), stored());
        let none = with("/spec/containers/0/resources", Value::Null);
        expected["spec"]["containers"][1]["resources"] = json!({});
        assert_eq!(after(&[template(), none]), expected);
        let fetch = with("/spec/initContainers/0/resources", json!({"limits": {"cpu": "3"}}));
        assert_eq!(
            after(&[template(), fetch])["spec"]["initContainers"][0]["resources"],
            json!({"limits": {"cpu": "3"}})
        );
    }

    #[test]
    fn an_answer_of_another_shape_is_no_reason_to_panic() {
        let edited = with("/metadata/labels/team", json!("physics"));
        let mut edits = TemplateEdits::default();
        edits.add(&manifest(&template()), &manifest(&edited));
        edits.add(&manifest(&edited), &manifest(&with("/spec/tolerations", Value::Null)));
        let last = with("/spec/containers/0/resources", json!({}));
        edits.add(&manifest(&template()), &manifest(&last));
        for odd in [json!("x"), json!(1), json!([1]), json!(true), Value::Null] {
            assert!(edits.patch(&manifest(&last), &odd).is_object(), "{odd}");
            for pointer in [
                "/metadata",
                "/metadata/labels",
                "/spec",
                "/spec/containers",
                "/spec/containers/0",
                "/spec/tolerations",
            ] {
                let mut current = stored();
                *current.pointer_mut(pointer).expect("it is there") = odd.clone();
                assert!(edits.patch(&manifest(&last), &current).is_object(), "{pointer}: {odd}");
            }
        }
    }

    #[test]
    fn an_edit_of_something_else_is_no_edit_of_the_template() {
        let mut edits = TemplateEdits::default();
        let empty = with("/spec/containers/1/resources", json!({}));
        for other in [template(), empty, with("/spec/restartPolicy", json!("Never"))] {
            edits.add(&manifest(&template()), &manifest(&other));
            assert!(edits.is_empty(), "{other}");
        }
        assert_eq!(edits.patch(&manifest(&template()), &stored()), json!({}));
    }
}
