//! `-l`: label selectors, by Kubernetes' rules (`k8s.io/apimachinery/pkg/labels`).

use std::{collections::BTreeSet, str::FromStr};

use serde_json::Value;

use crate::error::Error;

/// Requirements on the labels of an object. Without any, every object matches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    text: String,
    requirements: Vec<Requirement>,
}

/// One requirement: a key, and what is asked of its value.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    asked: Asked,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Asked {
    Exists,
    Missing,
    In(BTreeSet<String>),
    /// A label that is missing is in no set.
    NotIn(BTreeSet<String>),
}

impl Selector {
    /// Whether it has no requirements.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// As it was typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it names the values that a label may have: `key=value`, or `key in (a,b)`.
    pub fn names_values_of(&self, key: &str) -> bool {
        self.requirements.iter().any(|it| it.key == key && matches!(it.asked, Asked::In(_)))
    }

    /// Whether it matches an object's `metadata.labels`.
    pub fn matches(&self, labels: &Value) -> bool {
        self.requirements.iter().all(|Requirement { key, asked }| {
            let value = labels.get(key).and_then(Value::as_str);
            match asked {
                Asked::Exists => value.is_some(),
                Asked::Missing => value.is_none(),
                Asked::In(set) => value.is_some_and(|value| set.contains(value)),
                Asked::NotIn(set) => value.is_none_or(|value| !set.contains(value)),
            }
        })
    }
}

impl FromStr for Selector {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let unreadable = |part: &str| {
            Error::new(format!(
                "unable to parse the selector {text:?}: {:?} is no \
            requirement",
                part.trim()
            ))
            .hint(
                "Such as key=value, key!=value, key in (a,b), key notin (a,b), key, !key; \
                joined by commas.",
            )
        };
        let mut requirements = Vec::new();
        for part in parts(text) {
            if part.trim().is_empty() && text.trim().is_empty() {
                break;
            }
            requirements.push(requirement(part.trim()).ok_or_else(|| unreadable(part))?);
        }
        Ok(Self { text: text.to_owned(), requirements })
    }
}

/// The text between the commas that are in no parentheses.
fn parts(text: &str) -> Vec<&str> {
    let mut inside = false;
    text.split(|c| {
        match c {
            '(' => inside = true,
            ')' => inside = false,
            _ => {}
        }
        c == ',' && !inside
    })
    .collect()
}

fn requirement(part: &str) -> Option<Requirement> {
    let of = |key: &str, asked| {
        let key = key.trim();
        is_key(key).then(|| Requirement { key: key.to_owned(), asked })
    };
    let one =
        |value: &str| is_value(value.trim()).then(|| BTreeSet::from([value.trim().to_owned()]));
    if let Some((head, set)) = part.split_once('(') {
        let values: BTreeSet<_> =
            set.strip_suffix(')')?.split(',').map(|value| value.trim().to_owned()).collect();
        let (key, operator) = head.trim().rsplit_once(char::is_whitespace)?;
        return match operator {
            _ if !values.iter().all(|value| is_value(value)) => None,
            "in" => of(key, Asked::In(values)),
            "notin" => of(key, Asked::NotIn(values)),
            _ => None,
        };
    }
    if let Some((key, value)) = part.split_once("!=") {
        return of(key, Asked::NotIn(one(value)?));
    }
    if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return of(key, Asked::In(one(value)?));
    }
    match part.strip_prefix('!') {
        Some(key) => of(key, Asked::Missing),
        None => of(part, Asked::Exists),
    }
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
}

fn is_value(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn requirements_are_matched_as_kubernetes_does() {
        let labels = json!({"team": "math", "tier": "batch", "example.com/empty": ""});
        for (text, matched) in [
            ("", true),
            ("team=math", true),
            ("team==math,tier=batch", true),
            ("team=math,tier=web", false),
            ("team!=math", false),
            ("absent!=x", true),
            ("team", true),
            ("absent", false),
            ("!absent", true),
            ("! team", false),
            ("team in (math, physics)", true),
            ("team in (physics),tier", false),
            ("team notin (physics,art),tier in (batch)", true),
            ("absent notin (a)", true),
            ("absent in (a)", false),
            ("example.com/empty=", true),
            (" team = math ", true),
        ] {
            assert_eq!(text.parse::<Selector>().expect(text).matches(&labels), matched, "{text}");
        }
        assert!(!"team".parse::<Selector>().expect("well-formed").matches(&Value::Null));
    }

    #[test]
    fn the_values_of_a_label_are_named_by_equality_or_a_set() {
        for (text, names) in [
            ("", false),
            ("team", false),
            ("!team", false),
            ("team=math", true),
            ("team==math,tier", true),
            ("tier,team in (math,art)", true),
            ("team!=math", false),
            ("team notin (math)", false),
            ("teams=math", false),
        ] {
            let selector = text.parse::<Selector>().expect(text);
            assert_eq!(selector.names_values_of("team"), names, "{text}");
        }
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for text in [
            "=a", "a=b=c", "a,", "a in (b", "a in b", "a of (b)", "in (b)", "a b", "!", "a=b c",
            "a!=(b)", "a)b",
        ] {
            assert!(text.parse::<Selector>().is_err(), "{text}");
        }
    }
}
