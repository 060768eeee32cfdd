//! From text to values.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use base64::Engine as _;
use serde_json::{Map, Value};
use serde_saphyr::granit_parser::{self as parser, Event, Marker, Parser, ScalarStyle, Span, StrInput};

use super::resolve::{Resolved, Tag, resolve, whole};

/// How deep collections may nest. What is read here is sent and kept as JSON, whose readers stop at 128.
const MAX_DEPTH: usize = 100;

/// How much anchors and aliases may copy, in bytes, all together, so that a small text cannot fill the memory.
const MAX_COPIED: usize = 64 << 20;

/// What a value costs beside its text, about, in bytes.
const NODE: usize = 64;

/// Text that is not YAML, or not YAML that fits into JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    line: usize,
    column: usize,
    message: String,
}

impl Error {
    fn at(mark: Marker, message: impl Into<String>) -> Self {
        Self { line: mark.line(), column: mark.col() + 1, message: message.into() }
    }

    /// The line of the text, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The column in the line, in characters, from 1.
    pub fn column(&self) -> usize {
        self.column
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for Error {}

/// Reads all documents of a text. Those that are empty or `null` are left out, as kubectl does.
///
/// Fails on broken syntax, on keys that are not scalars, on `.inf` and `.nan`, on collections nested deeper than
/// 100, and on aliases that multiply to more than 64 MiB.
pub fn read(text: &str) -> Result<Vec<Value>, Error> {
    let mut options = parser::Options::default();
    options.set_emit_comments(false);
    let mut reader = Reader {
        events: Parser::new_from_str_with_options(text, options),
        anchors: HashMap::new(),
        copied: 0,
    };
    let mut documents = Vec::new();
    loop {
        let (event, span) = reader.next()?;
        match event {
            Event::StreamEnd => return Ok(documents),
            Event::StreamStart | Event::DocumentEnd => {}
            Event::DocumentStart(..) => reader.anchors.clear(),
            event => {
                let node = reader.node(event, span, 0)?;
                if !node.value.is_null() {
                    documents.push(node.value);
                }
            }
        }
    }
}

/// A value, and what copying it costs.
#[derive(Clone)]
struct Node {
    value: Value,
    /// In bytes, about.
    size: usize,
    /// How many collections enclose its innermost value, itself included.
    height: usize,
}

struct Reader<'t> {
    events: Parser<'t, StrInput<'t>>,
    anchors: HashMap<usize, Node>,
    copied: usize,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Span), Error> {
        match self.events.next() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(Error::at(*error.marker(), error.info())),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    /// The node that begins with this event, `depth` collections below the document.
    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Node, Error> {
        let too_deep = || Error::at(span.start, format!("collections nest deeper than {MAX_DEPTH}"));
        if depth > MAX_DEPTH {
            return Err(too_deep());
        }
        let (node, anchor) = match event {
            Event::Alias(id) => {
                let node = self
                    .anchors
                    .get(&id)
                    .cloned()
                    .ok_or_else(|| Error::at(span.start, "an anchor's value contains itself"))?;
                if depth + node.height > MAX_DEPTH {
                    return Err(too_deep());
                }
                self.copy(&node, span)?;
                (node, 0)
            }
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar(&text, style, tag.as_deref(), span)?;
                (Node { value, size: NODE + text.len(), height: 0 }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => (self.sequence(depth)?, anchor),
            Event::MappingStart(_, anchor, _) => (self.mapping(depth)?, anchor),
            _ => return Err(Error::at(span.start, "a value was expected here")),
        };
        if anchor != 0 {
            self.copy(&node, span)?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn copy(&mut self, node: &Node, span: Span) -> Result<(), Error> {
        self.copied += node.size;
        if self.copied > MAX_COPIED {
            return Err(Error::at(span.start, "the document contains excessive aliasing"));
        }
        Ok(())
    }

    fn sequence(&mut self, depth: usize) -> Result<Node, Error> {
        let (mut items, mut size, mut height) = (Vec::new(), NODE, 0);
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(Node { value: Value::Array(items), size, height: height + 1 });
            }
            let node = self.node(event, span, depth + 1)?;
            size += node.size;
            height = height.max(node.height);
            items.push(node.value);
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Node, Error> {
        let (mut fields, mut size, mut height) = (Map::new(), NODE, 0);
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Node { value: Value::Object(fields), size, height: height + 1 });
            }
            let merges = is_merge(&event);
            let key = if merges { None } else { Some(self.node(event, span, depth + 1)?) };
            let (event, value_span) = self.next()?;
            let value = self.node(event, value_span, depth + 1)?;
            size += NODE + value.size;
            height = height.max(value.height);
            match key {
                None => merge(&mut fields, value.value, value_span)?,
                Some(key) => {
                    size += key.size;
                    fields.insert(key_text(key.value, span)?, value.value);
                }
            }
        }
    }
}

fn is_merge(event: &Event<'_>) -> bool {
    match event {
        Event::Scalar(text, style, _, tag) if text == "<<" => match tag {
            None => *style == ScalarStyle::Plain,
            Some(tag) => core_name(tag).as_deref() == Some("merge"),
        },
        _ => false,
    }
}

/// Of several mappings in a list, the earlier ones win.
fn merge(fields: &mut Map<String, Value>, value: Value, span: Span) -> Result<(), Error> {
    let refuse = || Error::at(span.start, "a merge key (<<) needs a mapping, or a list of mappings");
    match value {
        Value::Object(merged) => fields.extend(merged),
        Value::Array(items) => {
            for item in items.into_iter().rev() {
                let Value::Object(merged) = item else { return Err(refuse()) };
                fields.extend(merged);
            }
        }
        _ => return Err(refuse()),
    }
    Ok(())
}

fn key_text(key: Value, span: Span) -> Result<String, Error> {
    match key {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(value) => Ok(value.to_string()),
        Value::Null => Err(Error::at(span.start, "a key must not be null")),
        Value::Array(_) | Value::Object(_) => Err(Error::at(span.start, "a key must be a scalar")),
    }
}

fn core_name(tag: &parser::Tag) -> Option<Cow<'_, str>> {
    tag.suffix_in_namespace("tag:yaml.org,2002:")
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&parser::Tag>, span: Span) -> Result<Value, Error> {
    let fail = |message: String| Error::at(span.start, message);
    let wanted = match tag {
        None if style == ScalarStyle::Plain => None,
        None => Some(Tag::Str),
        // What an application's own tag means is unknown, and its text is kept, as kubectl keeps it.
        Some(tag) => Some(core_name(tag).and_then(|name| Tag::named(&name)).unwrap_or(Tag::Str)),
    };
    let mismatch = |found: Tag, wanted: Tag| {
        fail(format!("cannot decode {} `{text}` as a {}", found.written(), wanted.written()))
    };
    match wanted {
        Some(Tag::Str) => return Ok(Value::String(text.to_owned())),
        Some(Tag::Binary) => {
            let compact: String = text.split_ascii_whitespace().collect();
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(compact)
                .map_err(|_| fail("!!binary value contains invalid base64 data".to_owned()))?;
            return String::from_utf8(bytes)
                .map(Value::String)
                .map_err(|_| fail("a !!binary value must be text in UTF-8; leave the tag out".to_owned()));
        }
        _ => {}
    }
    let Resolved { tag: found, value } = resolve(text);
    let value = value.ok_or_else(|| fail(format!("{text} is not a number that JSON can hold")))?;
    match (wanted, found) {
        (None, _) => Ok(value),
        (Some(wanted), found) if wanted == found => Ok(value),
        (Some(Tag::Float), Tag::Int) => Ok(value.as_f64().map_or(value, whole)),
        (Some(wanted), found) => Err(mismatch(found, wanted)),
    }
}
