//! The items of a list, each taken out of the answer as soon as it has come. An answer can hold
//! thousands of objects, and whoever asks for them keeps little of each.

use std::fmt;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::secrets::Secrets;

/// What `metadata` has that nobody here reads: which client wrote which field. It is often larger
/// than the rest of the object.
const MANAGED_FIELDS: &str = "managedFields";

/// Gets the items of a list, as JSON.
pub(super) trait TakesItems: Sync {
    /// The answer begins, maybe after another that broke off: what was taken before is forgotten.
    /// The server may quote these secrets.
    fn begin(&self, secrets: &Secrets);

    /// Takes an item.
    ///
    /// # Errors
    /// It is no JSON.
    fn take(&self, item: &[u8]) -> serde_json::Result<()>;
}

/// Divides the JSON of a list into its items and the rest, while it comes in pieces. It looks at
/// brackets and strings alone: who reads the parts finds what else is wrong.
#[derive(Default)]
pub(super) struct Splitter {
    /// All but the items.
    rest: Vec<u8>,
    /// The item that has begun in an earlier piece.
    item: Vec<u8>,
    depth: usize,
    is_in_string: bool,
    is_escaped: bool,
    /// Whether the items are what comes.
    is_in_items: bool,
    /// Where in `rest` the last string of the outermost object is.
    string: Range<usize>,
}

impl Splitter {
    /// Takes the next piece, and hands on the items that end in it.
    ///
    /// # Errors
    /// What `takes` fails with.
    pub fn feed(&mut self, piece: &[u8], takes: &dyn TakesItems) -> serde_json::Result<()> {
        // From here on the piece has not been put anywhere yet.
        let mut start = 0;
        for (at, byte) in piece.iter().enumerate() {
            if self.is_in_string {
                match byte {
                    _ if self.is_escaped => self.is_escaped = false,
                    b'\\' => self.is_escaped = true,
                    b'"' => {
                        self.is_in_string = false;
                        if self.depth == 1 {
                            self.string.end = self.rest.len() + at - start;
                        }
                    }
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => {
                    self.is_in_string = true;
                    if self.depth == 1 {
                        self.string.start = self.rest.len() + at - start + 1;
                    }
                }
                b',' if self.is_in_items && self.depth == 2 => {
                    self.end_item(&piece[start..at], takes)?;
                    start = at + 1;
                }
                b'[' if self.depth == 1 => {
                    self.depth = 2;
                    self.rest.extend_from_slice(&piece[start..=at]);
                    start = at + 1;
                    self.is_in_items = self.is_value_of(b"items");
                }
                b'[' | b'{' => self.depth += 1,
                b']' | b'}' => {
                    if self.is_in_items && self.depth == 2 {
                        self.end_item(&piece[start..at], takes)?;
                        start = at;
                        self.is_in_items = false;
                    }
                    self.depth = self.depth.saturating_sub(1);
                }
                _ => {}
            }
        }
        let unread = if self.is_in_items { &mut self.item } else { &mut self.rest };
        unread.extend_from_slice(&piece[start..]);
        Ok(())
    }

    /// The list without its items.
    pub fn end(self) -> Vec<u8> {
        self.rest
    }

    /// Whether the bracket at the end of `rest` begins the value of this field of the outermost
    /// object.
    fn is_value_of(&self, name: &[u8]) -> bool {
        let between = self.rest.get(self.string.end + 1..self.rest.len() - 1);
        self.rest.get(self.string.clone()) == Some(name)
            && between.is_some_and(|between| between.trim_ascii() == b":")
    }

    fn end_item(&mut self, last: &[u8], takes: &dyn TakesItems) -> serde_json::Result<()> {
        let item = if self.item.is_empty() {
            last
        } else {
            self.item.extend_from_slice(last);
            &self.item
        };
        if !item.trim_ascii().is_empty() {
            takes.take(item)?;
        }
        self.item.clear();
        Ok(())
    }
}

/// What is made of the items of one page.
pub(super) struct Items<'a, T, R> {
    /// What is kept of each.
    pub read: &'a R,
    /// What was taken so far.
    pub taken: Mutex<Taken<T>>,
}

/// What was taken so far.
pub(super) struct Taken<T> {
    /// What is kept.
    pub kept: Vec<T>,
    /// How many there were.
    pub count: usize,
    /// What the server may quote.
    secrets: Secrets,
}

impl<T> Default for Taken<T> {
    fn default() -> Self {
        Self { kept: Vec::new(), count: 0, secrets: Secrets::default() }
    }
}

impl<T: Send, R: Fn(Value) -> Option<T> + Sync> TakesItems for Items<'_, T, R> {
    fn begin(&self, secrets: &Secrets) {
        let secrets = secrets.clone();
        *self.taken.lock().unwrap_or_else(PoisonError::into_inner) =
            Taken { secrets, ..Taken::default() };
    }

    fn take(&self, item: &[u8]) -> serde_json::Result<()> {
        let mut object = object(item)?;
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.secrets.mask_told(&mut object);
        let kept = (self.read)(object);
        taken.count += 1;
        taken.kept.extend(kept);
        Ok(())
    }
}

/// Reads an object of the API, which has a name, without `metadata.managedFields`.
///
/// # Errors
/// It is no JSON, or no object with a name.
pub(super) fn object(json: &[u8]) -> serde_json::Result<Value> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let value = Without(&["metadata", MANAGED_FIELDS]).deserialize(&mut deserializer)?;
    deserializer.end()?;
    match value["metadata"]["name"] {
        Value::String(_) => Ok(value),
        _ => Err(serde_json::Error::custom("it has no name")),
    }
}

/// Reads a value without what is at a path in it.
struct Without(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Without {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// Whatever has no fields is kept as it is.
macro_rules! kept {
    ($($visit:ident: $of:ty),*) => {
        $(fn $visit<E>(self, value: $of) -> Result<Value, E> {
            Ok(value.into())
        })*
    };
}

impl<'de> Visitor<'de> for Without {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    kept!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = items.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            match self.0 {
                [last] if *last == name => {
                    fields.next_value::<IgnoredAny>()?;
                }
                [first, path @ ..] if *first == name && !path.is_empty() => {
                    let value = fields.next_value_seed(Without(path))?;
                    map.insert(name, value);
                }
                _ => {
                    map.insert(name, fields.next_value()?);
                }
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Default)]
    struct Taken(Mutex<Vec<Value>>);

    impl TakesItems for Taken {
        fn begin(&self, _: &Secrets) {
            self.0.lock().unwrap().clear();
        }

        fn take(&self, item: &[u8]) -> serde_json::Result<()> {
            self.0.lock().unwrap().push(serde_json::from_slice(item)?);
            Ok(())
        }
    }

    /// The items and the rest of a list that comes in pieces of this size.
    fn split(list: &str, size: usize) -> serde_json::Result<(Vec<Value>, Value)> {
        let (taken, mut splitter) = (Taken::default(), Splitter::default());
        for piece in list.as_bytes().chunks(size) {
            splitter.feed(piece, &taken)?;
        }
        let rest = serde_json::from_slice(&splitter.end())?;
        Ok((taken.0.into_inner().unwrap(), rest))
    }

    #[test]
    fn a_list_is_divided_wherever_its_pieces_end() {
        let list = r#" {"kind" : "PodList", "metadata": {"items": [1], "continue": "items"},
            "other": [{"items": ["a"]}],
            "items" : [ {"a": "]},{\"[\\"}, {"b": [[], {"items": [2]}]} ,
            3, "four, \"five", [6, [7]] ], "after": ["x"], "last": "items"} "#;
        let whole: Value = serde_json::from_str(list).unwrap();
        let mut rest = whole.clone();
        rest["items"] = json!([]);
        for size in 1..list.len() {
            let (items, found) = split(list, size).unwrap();
            assert_eq!((&items, &found), (whole["items"].as_array().unwrap(), &rest), "{size}");
        }
    }

    #[test]
    fn what_has_no_items_is_the_rest() {
        for list in [
            "{}",
            r#"{"items": null}"#,
            r#"{"items": []}"#,
            r#"{"items": {"items": [1]}}"#,
            r#"["items", [1]]"#,
            r#"{"a": "items", "b": [1]}"#,
            "7",
            r#""items""#,
        ] {
            for size in [1, 2, 100] {
                let whole: Value = serde_json::from_str(list).unwrap();
                assert_eq!(split(list, size).unwrap(), (Vec::new(), whole), "{list}");
            }
        }
    }

    #[test]
    fn what_is_no_json_is_an_error() {
        for list in [
            r#"{"items": [{"a": 1}"#,
            r#"{"items": [{"a": 1]}"#,
            r#"{"items": [{"a" 1}]}"#,
            r#"{"items": [}"#,
            r#"{"items": ["#,
            r#"{"items""#,
            "]]]",
            "\"",
            "<html>[,]",
        ] {
            for size in [1, 3, 100] {
                assert!(split(list, size).is_err(), "{list}");
            }
        }
    }

    #[test]
    fn nobody_needs_to_know_who_wrote_which_field() {
        let with = |managed: Value| {
            json!({"managedFields": 1, "metadata": {"name": "p", "managedFields": managed,
                "labels": {"managedFields": "x"}},
                "spec": {"metadata": {"managedFields": []}, "n": [-1, 2.5, true, null, "s"]}})
        };
        let read = object(with(json!([{"fieldsV1": {"f:a": {}}}])).to_string().as_bytes()).unwrap();
        let mut expected = with(Value::Null);
        expected["metadata"].as_object_mut().unwrap().remove("managedFields");
        assert_eq!(read, expected);
        for none in ["{} {}", "", " [3] ", "{}", r#"{"metadata": {"name": 7}}"#, "null"] {
            assert!(object(none.as_bytes()).is_err(), "{none}");
        }
    }
}
