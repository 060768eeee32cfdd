//! Names by the rules of DNS, which Kubernetes has for the names of objects and the prefixes of
//! labels (RFC 1123, `k8s.io/apimachinery/pkg/util/validation`); pure.

/// The most characters of a DNS label.
pub const LABEL_LENGTH: usize = 63;

/// The most characters of a DNS subdomain.
pub const SUBDOMAIN_LENGTH: usize = 253;

/// Whether the text is a DNS label: 1 to 63 lower-case letters, digits and hyphens, without a
/// hyphen at either end.
pub fn is_label(text: &str) -> bool {
    text.len() <= LABEL_LENGTH && has_form_of_label(text)
}

/// Whether the text is a DNS subdomain: labels joined by dots, of 253 characters at most. As in
/// Kubernetes, the length of each label is not limited.
pub fn is_subdomain(text: &str) -> bool {
    text.len() <= SUBDOMAIN_LENGTH && text.split('.').all(has_form_of_label)
}

fn has_form_of_label(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_as_kubernetes_checks_them() {
        let long = "a".repeat(64);
        for (text, label, subdomain) in [
            ("pi", true, true),
            ("0", true, true),
            ("a-1", true, true),
            (&long[..63], true, true),
            (&long, false, true),
            ("a.b", false, true),
            ("", false, false),
            ("-a", false, false),
            ("a-", false, false),
            ("Pi", false, false),
            ("a_b", false, false),
            ("é", false, false),
            (".", false, false),
            ("a..b", false, false),
            ("a.-b", false, false),
            (&"a.".repeat(127), false, false),
            (&format!("{}a", "a.".repeat(127)), false, false),
            (&format!("{}a", "a.".repeat(126)), false, true),
        ] {
            assert_eq!((is_label(text), is_subdomain(text)), (label, subdomain), "{text:?}");
        }
    }
}
