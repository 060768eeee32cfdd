//! The three kinds of patches: merge, strategic merge and JSON.

use serde_json::{Map, Value};

use crate::schema::{self, Merge, Type};

/// Applies a merge patch (RFC 7386).
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Some(changes) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let map = target.as_object_mut().expect("it was just made a map");
    for (key, change) in changes {
        if change.is_null() {
            map.remove(key);
        } else {
            merge(map.entry(key.clone()).or_insert(Value::Null), change);
        }
    }
}

/// Applies a strategic merge patch to an object of a kind.
pub(crate) fn strategic(kind: &str, target: &mut Value, patch: &Value) {
    merge_object(Some(kind), target, patch);
}

fn merge_object(kind: Option<&str>, target: &mut Value, patch: &Value) {
    let Some(changes) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    match changes.get("$patch").and_then(Value::as_str) {
        Some("replace") => {
            *target = without_directives(patch);
            return;
        }
        Some("delete") => {
            *target = Value::Object(Map::new());
            return;
        }
        _ => {}
    }
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let map = target.as_object_mut().expect("it was just made a map");
    for (key, change) in changes {
        if let Some(list) = key.strip_prefix("$deleteFromPrimitiveList/") {
            if let (Some(Value::Array(values)), Some(gone)) = (map.get_mut(list), change.as_array())
            {
                values.retain(|v| !gone.contains(v));
            }
        } else if key == "$retainKeys" {
            let kept = change.as_array().map_or(&[][..], Vec::as_slice);
            map.retain(|key, _| kept.iter().any(|k| k == key));
        } else if key.starts_with('$') {
            // $patch was handled above; $setElementOrder is about the order of lists, which no test
            // looks at.
        } else if change.is_null() {
            map.remove(key);
        } else {
            let slot = map.entry(key.clone()).or_insert(Value::Null);
            merge_value(kind.and_then(|kind| schema::field(kind, key)), slot, change);
        }
    }
}

fn merge_value(kind: Option<&Type>, target: &mut Value, change: &Value) {
    match kind {
        Some(Type::Object(inner)) => merge_object(Some(inner), target, change),
        Some(Type::List(inner, how)) => merge_list(inner, *how, target, change),
        _ if change.is_object() => merge_object(None, target, change),
        _ => *target = change.clone(),
    }
}

fn merge_list(inner: &Type, how: Merge, target: &mut Value, change: &Value) {
    let (Some(changes), Merge::Key(_) | Merge::Values) = (change.as_array(), how) else {
        *target = change.clone();
        return;
    };
    if changes.iter().any(|c| c["$patch"] == "replace") {
        *target = changes.iter().filter(|c| c["$patch"] != "replace").cloned().collect();
        return;
    }
    if !target.is_array() {
        *target = Value::Array(Vec::new());
    }
    let list = target.as_array_mut().expect("it was just made a list");
    let before = list.clone();
    for item in changes {
        let Merge::Key(key) = how else {
            if !list.contains(item) {
                list.push(item.clone());
            }
            continue;
        };
        let found = list.iter().position(|old| old.get(key) == item.get(key));
        match (found, item["$patch"] == "delete") {
            (Some(at), true) => drop(list.remove(at)),
            (None, true) => {}
            (Some(at), false) => merge_value(Some(inner), &mut list[at], item),
            (None, false) => list.push(without_directives(item)),
        }
    }
    let same = |a: &Value, b: &Value| match how {
        Merge::Key(key) => a.get(key) == b.get(key),
        Merge::Values | Merge::Replace => a == b,
    };
    *list = in_order(std::mem::take(list), &before, changes, same);
}

/// Puts a merged list in order as the API server does: the items that the patch names in its order,
/// and among them those that it does not, each before the first named item that it was before
/// already.
fn in_order(
    merged: Vec<Value>,
    before: &[Value],
    patch: &[Value],
    same: impl Fn(&Value, &Value) -> bool,
) -> Vec<Value> {
    let place = |list: &[Value], item: &Value| list.iter().position(|other| same(other, item));
    let (mut named, rest): (Vec<Value>, Vec<Value>) =
        merged.into_iter().partition(|item| place(patch, item).is_some());
    named.sort_by_key(|item| place(patch, item));
    let (mut named, mut rest) = (named.into_iter().peekable(), rest.into_iter().peekable());
    let mut ordered = Vec::new();
    while let (Some(item), Some(other)) = (named.peek(), rest.peek()) {
        let first =
            place(before, item).is_some_and(|at| place(before, other).is_some_and(|o| o < at));
        ordered.extend(if first { rest.next() } else { named.next() });
    }
    ordered.extend(named);
    ordered.extend(rest);
    ordered
}

fn without_directives(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.iter()
                .filter(|(key, value)| !key.starts_with('$') && !value.is_null())
                .map(|(key, value)| (key.clone(), without_directives(value)))
                .collect(),
        ),
        Value::Array(list) => list.iter().map(without_directives).collect(),
        plain => plain.clone(),
    }
}

/// Applies a JSON patch (RFC 6902). The error is the sentence for the client.
pub(crate) fn json(target: &mut Value, steps: &Value) -> Result<(), String> {
    let steps = steps.as_array().ok_or("a JSON patch is a list of operations")?;
    for step in steps {
        let path = step["path"].as_str().ok_or("an operation has no path")?;
        match step["op"].as_str().unwrap_or_default() {
            "add" => add(target, path, step["value"].clone())?,
            "remove" => drop(remove(target, path)?),
            "replace" => {
                *target.pointer_mut(path).ok_or_else(|| missing("replace", path))? =
                    step["value"].clone();
            }
            "test" => {
                // What is missing equals null where its parent is there.
                let (parent, _) = place(path)?;
                let there = target.pointer(parent).ok_or_else(|| missing("test", path))?;
                let same = target.pointer(path).unwrap_or(&Value::Null) == &step["value"];
                if !same || there.is_array() && target.pointer(path).is_none() {
                    return Err(format!("testing value {path} failed: test failed"));
                }
            }
            op @ ("move" | "copy") => {
                let from = step["from"].as_str().ok_or("an operation has no from")?;
                let value = if op == "move" {
                    remove(target, from)?
                } else {
                    target.pointer(from).ok_or_else(|| missing(op, from))?.clone()
                };
                add(target, path, value)?;
            }
            op => return Err(format!("Unexpected kind: {op}")),
        }
    }
    Ok(())
}

fn missing(op: &str, path: &str) -> String {
    format!("{op} operation does not apply: doc is missing path: \"{path}\": missing value")
}

fn place(path: &str) -> Result<(&str, String), String> {
    let (parent, last) = path.rsplit_once('/').ok_or_else(|| missing("add", path))?;
    Ok((parent, last.replace("~1", "/").replace("~0", "~")))
}

fn add(target: &mut Value, path: &str, value: Value) -> Result<(), String> {
    let (parent, key) = place(path)?;
    match target.pointer_mut(parent) {
        Some(Value::Object(map)) => {
            map.insert(key, value);
        }
        Some(Value::Array(list)) => {
            let at = if key == "-" { Some(list.len()) } else { key.parse().ok() };
            let at = at.filter(|at| *at <= list.len()).ok_or_else(|| missing("add", path))?;
            list.insert(at, value);
        }
        _ => return Err(missing("add", path)),
    }
    Ok(())
}

fn remove(target: &mut Value, path: &str) -> Result<Value, String> {
    let (parent, key) = place(path)?;
    let gone = match target.pointer_mut(parent) {
        Some(Value::Object(map)) => map.remove(&key),
        Some(Value::Array(list)) => {
            key.parse().ok().filter(|at: &usize| *at < list.len()).map(|at| list.remove(at))
        }
        _ => None,
    };
    gone.ok_or_else(|| missing("remove", path))
}
