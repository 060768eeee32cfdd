//! `--field-selector`, by Kubernetes' rules (`k8s.io/apimachinery/pkg/fields`).

use serde_json::Value;

/// The fields of Jobs that servers select by, and where they are.
const FIELDS: [(&str, &str); 3] = [
    ("metadata.name", "/metadata/name"),
    ("metadata.namespace", "/metadata/namespace"),
    ("status.successful", "/status/succeeded"),
];

/// What is asked of the fields of an object. Without anything, every object matches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(Vec<Term>);

/// One field has a value, or has another one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    pointer: &'static str,
    value: String,
    equal: bool,
}

impl Fields {
    /// Reads a selector.
    ///
    /// # Errors
    /// It is none, or names a field that no server selects Jobs by, in the server's words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut terms = terms(text);
        // The first that is wrong in this order is named.
        terms.sort_unstable();
        let mut read = Vec::new();
        for term in terms.into_iter().filter(|term| !term.is_empty()) {
            let (field, equal, value) = split(term)
                .ok_or_else(|| format!("invalid selector: '{text}'; can't understand '{term}'"))?;
            read.push((field, equal, unescaped(value)?));
        }
        let terms = read.into_iter().map(|(field, equal, value)| {
            let known = FIELDS.iter().find(|(name, _)| *name == field);
            let (_, pointer) =
                known.ok_or_else(|| format!("field label {field:?} not supported for Job"))?;
            Ok::<_, String>(Term { pointer, value, equal })
        });
        Ok(Self(terms.collect::<Result<_, _>>()?))
    }

    /// Whether an object is selected.
    pub fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|Term { pointer, value, equal }| {
            let found = match object.pointer(pointer) {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Number(number)) => number.to_string(),
                _ if pointer.starts_with("/status") => "0".to_owned(),
                _ => String::new(),
            };
            (found == *value) == *equal
        })
    }
}

/// The text between commas that follow no backslash.
fn terms(text: &str) -> Vec<&str> {
    let mut escaped = false;
    text.split(|c| {
        let is_end = c == ',' && !escaped;
        escaped = c == '\\' && !escaped;
        is_end
    })
    .collect()
}

/// The field, whether it is to have the value, and the value.
fn split(term: &str) -> Option<(&str, bool, &str)> {
    let at = term.char_indices().map(|(at, _)| at).find(|at| {
        let rest = &term[*at..];
        rest.starts_with('=') || rest.starts_with("!=")
    })?;
    let (field, rest) = term.split_at(at);
    if let Some(value) = rest.strip_prefix("!=") {
        return Some((field, false, value));
    }
    let value = rest.strip_prefix("==").or_else(|| rest.strip_prefix('='))?;
    Some((field, true, value))
}

fn unescaped(value: &str) -> Result<String, String> {
    let invalid =
        |sequence: &str| format!("invalid field selector: invalid escape sequence: {sequence}");
    let mut text = String::new();
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('\\' | ',' | '=')) => text.push(c),
                Some(c) => return Err(invalid(&format!("\\{c}"))),
                None => return Err(invalid("\\")),
            },
            ',' | '=' => {
                let code = u32::from(c);
                return Err(format!(
                    "invalid field selector: unescaped character in value: {code}"
                ));
            }
            c => text.push(c),
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_are_selected_by_their_fields() {
        let job = json!({
            "metadata": {"name": "pi", "namespace": "work"}, "status": {"succeeded": 3},
        });
        for (text, matched) in [
            ("", true),
            (",", true),
            ("metadata.name=pi", true),
            ("metadata.name==pi,metadata.namespace!=default", true),
            ("metadata.name!=pi", false),
            ("metadata.name=", false),
            ("status.successful=3", true),
            ("status.successful=0", false),
            ("metadata.name=p\\,i", false),
        ] {
            assert_eq!(Fields::parse(text).expect(text).matches(&job), matched, "{text}");
        }
        let new = Fields::parse("status.successful=0").expect("a selector");
        assert!(new.matches(&json!({})));
    }

    #[test]
    fn what_is_no_selector_is_refused_in_the_servers_words() {
        for (text, why) in [
            ("a", "invalid selector: 'a'; can't understand 'a'"),
            ("spec.x=1", "field label \"spec.x\" not supported for Job"),
            ("metadata.name=a=b", "invalid field selector: unescaped character in value: 61"),
            ("metadata.name=\\a", "invalid field selector: invalid escape sequence: \\a"),
        ] {
            assert_eq!(Fields::parse(text), Err(why.to_owned()), "{text}");
        }
    }
}
