//! `--label KEY=VALUE`, by Kubernetes' rules for labels.

use crate::dns;

/// The most characters of a label's value, and of its key after the prefix.
const LENGTH: usize = 63;

/// Reads `KEY=VALUE`; the error says what a key or a value may be, in Kubernetes' words.
pub(super) fn parse(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("a label is KEY=VALUE")?;
    let (prefix, name) =
        key.rsplit_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    if prefix.is_some_and(|prefix| !dns::is_subdomain(prefix)) {
        return Err(
            "prefix part of the key must be a lowercase RFC 1123 subdomain, of at most 253 \
            characters"
                .into(),
        );
    }
    if name.len() > LENGTH || !is_qualified(name) {
        return Err(format!(
            "name part of the key must consist of at most {LENGTH} alphanumeric characters, '-', \
            '_' or '.', and must \
             start and end with an alphanumeric character"
        ));
    }
    if value.len() > LENGTH || !(value.is_empty() || is_qualified(value)) {
        return Err(format!(
            "a valid label must be an empty string or consist of at most {LENGTH} alphanumeric \
            characters, '-', '_' or \
             '.', and must start and end with an alphanumeric character"
        ));
    }
    Ok((key.to_owned(), value.to_owned()))
}

/// `(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])`.
fn is_qualified(text: &str) -> bool {
    let ends = [text.bytes().next(), text.bytes().last()];
    ends.iter().all(|end| end.is_some_and(|byte| byte.is_ascii_alphanumeric()))
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_as_kubernetes_has_them() {
        let long = "a".repeat(63);
        for text in [
            "zone=eu",
            "zone=",
            "example.com/zone=EU_1.2-x",
            &format!("{long}={long}"),
            "A.b_c-d=0",
        ] {
            assert_eq!(
                parse(text).map(|(key, value)| format!("{key}={value}")).as_deref(),
                Ok(text)
            );
        }
        for text in [
            "zone",
            "=eu",
            "zone!=eu",
            "zone=a=b",
            "zone=-a",
            "zone=a.",
            "zone=é",
            "/zone=eu",
            "Example.com/zone=eu",
            "a/b/zone=eu",
            "a..b/zone=eu",
            "example.com/=eu",
            " zone=eu",
            &format!("{long}a=b"),
            &format!("a={long}a"),
            &format!("{}/a=b", "a".repeat(254)),
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
