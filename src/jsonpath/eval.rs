//! How a template is followed in an object.

use serde_json::Value;

use super::{
    found::Found,
    node::{Filter, Node, Slice},
};

/// What a step, or several, lead to.
type Results<'a> = Vec<Found<'a>>;

/// How many loops may be in one another. client-go has no limit but its time and memory.
const MAX_LOOPS: usize = 100;

/// Follows a template, and gives what each of its texts and blocks leads to.
pub(super) fn follow<'a>(
    nodes: &'a [Node],
    allow_missing_keys: bool,
    object: &'a Value,
) -> Result<Vec<Results<'a>>, String> {
    let mut walk = Walk { nodes, allow_missing_keys, begun: 0, inside: 0, ended: 0, last_end: 0 };
    walk.go_on(0, Found::Value(object))
}

/// A template that is followed, and the loops that it is in.
struct Walk<'a> {
    nodes: &'a [Node],
    allow_missing_keys: bool,
    /// How many `range` were met for which no loop runs yet.
    begun: usize,
    /// How many loops run.
    inside: usize,
    /// How many `end` were met for which no loop has ended yet.
    ended: usize,
    /// Where the last loop ended.
    last_end: usize,
}

impl<'a> Walk<'a> {
    /// Follows what comes from there on, up to the end of the loop.
    fn go_on(&mut self, from: usize, at: Found<'a>) -> Result<Vec<Results<'a>>, String> {
        let nodes = self.nodes;
        let mut all = Vec::new();
        let mut next = from;
        while let Some(node) = nodes.get(next) {
            let results = self.step(vec![at], node)?;
            if self.ended > 0 && self.ended <= self.inside {
                self.ended -= 1;
                self.last_end = next;
                break;
            }
            if self.begun == 0 {
                all.push(results);
                next += 1;
                continue;
            }
            self.begun -= 1;
            self.inside += 1;
            if self.inside > MAX_LOOPS {
                return Err(format!("more than {MAX_LOOPS} ranges in one another"));
            }
            if results.is_empty() {
                // What is in the loop says where it ends.
                self.go_on(next + 1, Found::Nothing)?;
            }
            for each in results {
                let each = if each.is_null() { Found::Nothing } else { each };
                all.extend(self.go_on(next + 1, each)?);
            }
            self.inside -= 1;
            // Without an end the rest belongs to the loop, and then comes once more.
            next = self.last_end.max(next) + 1;
        }
        Ok(all)
    }

    fn steps(&mut self, from: Results<'a>, steps: &'a [Node]) -> Result<Results<'a>, String> {
        steps.iter().try_fold(from, |from, step| self.step(from, step))
    }

    fn step(&mut self, from: Results<'a>, step: &'a Node) -> Result<Results<'a>, String> {
        let constant = |value: Found<'a>| Ok(vec![value; from.len()]);
        match step {
            Node::Text(text) => Ok(vec![Found::Text(text)]),
            Node::Int(number) => constant(Found::Int(*number)),
            Node::Float(number) => constant(Found::Float(*number)),
            Node::Bool(word) => constant(Found::Bool(*word)),
            Node::List(steps) => self.steps(from, steps),
            Node::Field(key) => self.field(&from, key),
            Node::Slice(slice) => slice_of(&from, slice),
            Node::Filter(filter) => self.filter(&from, filter),
            Node::Wildcard => Ok(from.into_iter().flat_map(Found::content).collect()),
            Node::Recursive => {
                let mut all = Vec::new();
                recursive(from, &mut all);
                Ok(all)
            }
            Node::Union(paths) => {
                let mut all = Vec::new();
                for path in paths {
                    all.extend(self.steps(from.clone(), path)?);
                }
                Ok(all)
            }
            Node::Word(word) => self.word(from, word),
        }
    }

    fn word(&mut self, from: Results<'a>, word: &str) -> Result<Results<'a>, String> {
        match word {
            "range" => {
                self.begun += 1;
                Ok(from)
            }
            "end" if self.inside > 0 => {
                self.ended += 1;
                Ok(Vec::new())
            }
            "end" => Err("not in range, nothing to end".to_owned()),
            _ => Err(format!("unrecognized identifier {word}")),
        }
    }

    fn field(&self, from: &[Found<'a>], key: &str) -> Result<Results<'a>, String> {
        let value = |found: &Found<'a>| match found {
            Found::Value(Value::Object(fields)) => fields.get(key).map(Found::Value),
            _ => None,
        };
        let results: Vec<_> = from.iter().filter_map(value).collect();
        if results.is_empty() && !from.is_empty() && !self.allow_missing_keys {
            return Err(format!("{key} is not found"));
        }
        Ok(results)
    }

    fn filter(&mut self, from: &[Found<'a>], filter: &'a Filter) -> Result<Results<'a>, String> {
        let mut results = Vec::new();
        for found in from {
            let Some(items) = found.list() else {
                let shown = found.shown();
                return Err(format!("{shown} is not array or slice and cannot be filtered"));
            };
            for item in items.iter().map(Found::Value) {
                if self.passes(item, filter)? {
                    results.push(item);
                }
            }
        }
        Ok(results)
    }

    fn passes(&mut self, item: Found<'a>, filter: &'a Filter) -> Result<bool, String> {
        let left = self.steps(vec![item], &filter.left);
        let Some((operator, right)) = &filter.compared else {
            // What goes wrong on the way is not there.
            return Ok(left.is_ok_and(|found| !found.is_empty()));
        };
        let Some(left) = single(&left?)? else { return Ok(false) };
        let Some(right) = single(&self.steps(vec![item], right)?)? else { return Ok(false) };
        left.compares(operator, right)
    }
}

/// The one result of a side of a comparison.
fn single<'a>(results: &[Found<'a>]) -> Result<Option<Found<'a>>, String> {
    match results {
        [] => Ok(None),
        [one] => Ok(Some(*one)),
        _ => Err("can only compare one element at a time".to_owned()),
    }
}

/// Each value that holds others, before those.
fn recursive<'a>(from: Results<'a>, all: &mut Results<'a>) {
    for found in from {
        let content = found.content();
        if !content.is_empty() {
            all.push(found);
            recursive(content, all);
        }
    }
}

fn slice_of<'a>(from: &[Found<'a>], slice: &Slice) -> Result<Results<'a>, String> {
    let mut results = Vec::new();
    for found in from.iter().filter(|found| !found.is_null()) {
        let Some(items) = found.list() else {
            return Err(format!("{} is not array or slice", found.type_name()));
        };
        let length = items.len() as i64;
        let start = slice.start.map_or(0, |start| if start < 0 { start + length } else { start });
        let end = match slice.end {
            Some(end) if end < 0 || (end == 0 && slice.single) => end + length,
            Some(end) => end,
            None => length,
        };
        if start == end {
            // Whoever asks for nothing ends here.
            return Ok(results);
        }
        let outside = |index| format!("array index out of bounds: index {index}, length {length}");
        if start >= length || start < 0 {
            return Err(outside(start));
        }
        if end > length || end < 0 {
            return Err(outside(end.wrapping_sub(1)));
        }
        if start > end {
            return Err(format!("starting index {start} is greater than ending index {end}"));
        }
        let step = match slice.step {
            Some(step) if step <= 0 => return Err("step must be > 0".to_owned()),
            step => step.unwrap_or(1) as usize,
        };
        let part = items[start as usize..end as usize].iter().step_by(step);
        results.extend(part.map(Found::Value));
    }
    Ok(results)
}
