//! From the events of a YAML parser to JSON values, as go-yaml v2 composes them (`decode.go`).

use std::borrow::Cow;
use std::collections::HashMap;

use granit_parser::{Event, Options, Parser, ScalarStyle, Span, StrInput, Tag, options};
use serde_json::{Map, Value};

use super::scalar::{self, Form};

/// The most collections and scalars that a text may hold, with its aliases copied out: about 50,000
/// jobs.
const MAX_NODES: usize = 2_000_000;

/// The most bytes that aliases may copy.
const MAX_COPIED_BYTES: usize = 64 << 20;

/// The most collections that may stand in one another; serde_json reads 128 of them.
const MAX_DEPTH: usize = 100;

const TOO_LARGE: &str = "the document is too large, nests too deeply or has too many aliases";

const NO_MAPPING: &str = "a merge (<<) needs a mapping or a list of mappings";

/// The tag of a merge key.
const MERGE: &str = "tag:yaml.org,2002:merge";

/// What becomes of collections that stand too deep in one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TooDeep {
    /// They are an error.
    Refused,
    /// They are `null`.
    Null,
}

/// All documents of a text, with `null` for those that are empty.
///
/// # Errors
/// One sentence that ends in the line and the column.
pub(super) fn documents(text: &str, too_deep: TooDeep) -> Result<Vec<Value>, String> {
    let mut composer = Composer {
        too_deep,
        events: Parser::new_from_str_with_options(text, reading()),
        anchors: HashMap::new(),
        nodes: 0,
        copied_bytes: 0,
    };
    let mut documents = Vec::new();
    loop {
        let (event, span) = composer.next()?;
        match event {
            Event::StreamEnd => return Ok(documents),
            Event::DocumentStart(..) => {
                composer.anchors.clear();
                let first = composer.next()?;
                documents.push(composer.node(first, 0)?.value);
            }
            Event::StreamStart | Event::DocumentEnd => {}
            _ => return Err(at(span, "a document starts in an unexpected place")),
        }
    }
}

fn reading() -> Options {
    let mut options = options! {
        // The error then names the anchor.
        emit_unresolved_aliases: true,
    };
    options.set_emit_comments(false);
    options
}

fn at(span: Span, problem: &str) -> String {
    format!("{problem} at line {}, column {}", span.start.line(), span.start.col() + 1)
}

struct Composer<'t> {
    too_deep: TooDeep,
    events: Parser<'t, StrInput<'t>>,
    /// The nodes that aliases of the document may refer to, by the parser's number.
    anchors: HashMap<usize, Node>,
    /// Nodes so far, with those that aliases copied.
    nodes: usize,
    /// Bytes of text that anchors and aliases copied so far.
    copied_bytes: usize,
}

/// A value, and what a copy of it costs.
#[derive(Clone)]
struct Node {
    value: Value,
    /// Whether it is a merge key, `<<`, if it stands where a key does.
    merges: bool,
    /// Collections and scalars in it, itself among them.
    nodes: usize,
    /// Bytes of its keys and strings.
    bytes: usize,
    /// Collections in one another, 0 for a scalar.
    depth: usize,
}

impl Node {
    fn null() -> Self {
        Self { value: Value::Null, merges: false, nodes: 1, bytes: 0, depth: 0 }
    }

    fn collection(value: Value) -> Self {
        Self { value, merges: false, nodes: 1, bytes: 0, depth: 1 }
    }

    /// Counts a node that goes into this collection.
    fn hold(&mut self, inner: &Self) {
        self.nodes += inner.nodes;
        self.bytes += inner.bytes;
        self.depth = self.depth.max(inner.depth + 1);
    }
}

impl<'t> Composer<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Span), String> {
        match self.events.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                let mark = error.marker();
                let (line, column) = (mark.line(), mark.col() + 1);
                Err(format!("{} at line {line}, column {column}", error.info()))
            }
            None => Err("the text ends in the middle of a document".to_owned()),
        }
    }

    /// The node that starts with an event, `depth` collections deep.
    fn node(&mut self, (event, span): (Event<'t>, Span), depth: usize) -> Result<Node, String> {
        self.nodes += 1;
        let opens = matches!(event, Event::SequenceStart(..) | Event::MappingStart(..));
        let is_too_deep = opens && depth == MAX_DEPTH;
        if self.nodes > MAX_NODES || (is_too_deep && self.too_deep == TooDeep::Refused) {
            return Err(at(span, TOO_LARGE));
        }
        if is_too_deep {
            return self.skip();
        }
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => (scalar(&text, style, tag, span)?, anchor),
            Event::SequenceStart(_, anchor, _) => (self.sequence(depth)?, anchor),
            Event::MappingStart(_, anchor, _) => (self.mapping(depth)?, anchor),
            Event::Alias(anchor) => return self.alias(anchor, span, depth),
            Event::UnresolvedAlias(name) => {
                return Err(at(span, &format!("unknown anchor '{name}' referenced")));
            }
            _ => return Err(at(span, "a value is missing")),
        };
        if anchor != 0 {
            let kept = self.copy(&node, span)?;
            self.anchors.insert(anchor, kept);
        }
        Ok(node)
    }

    /// Reads to the end of a collection that has begun, and gives `null` in its place.
    fn skip(&mut self) -> Result<Node, String> {
        let mut open = 1;
        while open > 0 {
            let (event, span) = self.next()?;
            self.nodes += 1;
            match event {
                _ if self.nodes > MAX_NODES => return Err(at(span, TOO_LARGE)),
                Event::SequenceStart(..) | Event::MappingStart(..) => open += 1,
                Event::SequenceEnd | Event::MappingEnd => open -= 1,
                _ => {}
            }
        }
        Ok(Node::null())
    }

    fn copy(&mut self, node: &Node, span: Span) -> Result<Node, String> {
        self.nodes += node.nodes;
        self.copied_bytes += node.bytes;
        if self.nodes > MAX_NODES || self.copied_bytes > MAX_COPIED_BYTES {
            return Err(at(span, TOO_LARGE));
        }
        Ok(node.clone())
    }

    fn alias(&mut self, anchor: usize, span: Span, depth: usize) -> Result<Node, String> {
        let Some(node) = self.anchors.remove(&anchor) else {
            if self.too_deep == TooDeep::Null {
                // Its anchor was skipped.
                return Ok(Node::null());
            }
            return Err(at(span, "an anchor's value contains itself"));
        };
        let copy = self.copy(&node, span)?;
        let is_too_deep = depth + copy.depth > MAX_DEPTH;
        if is_too_deep && self.too_deep == TooDeep::Refused {
            return Err(at(span, TOO_LARGE));
        }
        self.anchors.insert(anchor, node);
        if is_too_deep {
            return Ok(Node::null());
        }
        Ok(Node { merges: false, ..copy })
    }

    fn sequence(&mut self, depth: usize) -> Result<Node, String> {
        let mut sequence = Node::collection(Value::Null);
        let mut items = Vec::new();
        loop {
            let next = self.next()?;
            if matches!(next.0, Event::SequenceEnd) {
                sequence.value = Value::Array(items);
                return Ok(sequence);
            }
            let item = self.node(next, depth + 1)?;
            sequence.hold(&item);
            items.push(item.value);
        }
    }

    /// Entries count in their order, also those of a merge: the last of equal keys wins.
    fn mapping(&mut self, depth: usize) -> Result<Node, String> {
        let mut mapping = Node::collection(Value::Null);
        let mut fields = Map::new();
        loop {
            let next = self.next()?;
            if matches!(next.0, Event::MappingEnd) {
                mapping.value = Value::Object(fields);
                return Ok(mapping);
            }
            let key_span = next.1;
            let key = self.node(next, depth + 1)?;
            let next = self.next()?;
            let (aliased, value_span) = (matches!(next.0, Event::Alias(_)), next.1);
            let value = self.node(next, depth + 1)?;
            mapping.hold(&value);
            if key.merges {
                // go-yaml follows an alias to a mapping here, and not one to a list.
                if (aliased && value.value.is_array()) || !merge(value.value, &mut fields) {
                    return Err(at(value_span, NO_MAPPING));
                }
                continue;
            }
            mapping.bytes += key.bytes;
            let Some(name) = scalar::key(key.value) else {
                return Err(at(
                    key_span,
                    "a key must be text, a boolean or a signed number of 64 bits",
                ));
            };
            fields.insert(name, value.value);
        }
    }
}

fn scalar(
    text: &str,
    style: ScalarStyle,
    tag: Option<Cow<'_, Tag>>,
    span: Span,
) -> Result<Node, String> {
    let name = tag.map(|tag| {
        let (handle, suffix) = tag.parts();
        format!("{handle}{suffix}")
    });
    let form = match name.as_deref() {
        Some("!") => Form::Text,
        Some(name) => Form::Tagged(name),
        None if style == ScalarStyle::Plain => Form::Plain,
        None => Form::Text,
    };
    let value = scalar::resolve(text, form).map_err(|problem| at(span, &problem))?;
    let merges = text == "<<" && matches!(form, Form::Plain | Form::Tagged(MERGE));
    Ok(Node { value, merges, nodes: 1, bytes: text.len(), depth: 0 })
}

/// Puts the fields of a mapping, or of several of which the first wins, over those there are.
/// Returns whether the value is one or several mappings.
fn merge(value: Value, fields: &mut Map<String, Value>) -> bool {
    let mappings = match value {
        Value::Array(mappings) => mappings,
        mapping => vec![mapping],
    };
    mappings.into_iter().rev().all(|mapping| {
        let Value::Object(mapping) = mapping else { return false };
        fields.extend(mapping);
        true
    })
}
