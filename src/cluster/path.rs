//! Paths of the Kubernetes API, in which every name is percent-encoded.
//!
//! Names come from outside: from flags, manifests and annotations. Without the encoding, a name
//! could lead to another object or add a query.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The core group of the API: namespaces, ConfigMaps, pods, events.
pub const CORE: &str = "/api/v1";

/// The group of Jobs.
pub const BATCH: &str = "/apis/batch/v1";

/// What is encoded: all but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The objects of a resource such as `jobs` in one namespace, or in all (`None`). `api` is [`CORE`]
/// or [`BATCH`].
pub fn collection(api: &str, namespace: Option<&str>, resource: &str) -> String {
    match namespace {
        Some(namespace) => format!("{api}/namespaces/{}/{resource}", segment(namespace)),
        None => format!("{api}/{resource}"),
    }
}

/// One object in a namespace.
pub fn object(api: &str, namespace: &str, resource: &str, name: &str) -> String {
    format!("{}/{}", collection(api, Some(namespace), resource), segment(name))
}

/// The `apiVersion` and the `kind` of the objects at a path that this program writes; none for the
/// path of another resource.
pub(super) fn kind(path: &str) -> Option<(&'static str, &'static str)> {
    let path = path.split('?').next().unwrap_or_default();
    let (api, rest) =
        [CORE, BATCH].into_iter().find_map(|api| Some((api, path.strip_prefix(api)?)))?;
    let mut segments = rest.split('/').skip(1);
    match (api, segments.next()?, segments.next(), segments.next()) {
        (CORE, "namespaces", _, None) => Some(("v1", "Namespace")),
        (CORE, "namespaces", Some(_), Some("configmaps")) => Some(("v1", "ConfigMap")),
        (BATCH, "namespaces", Some(_), Some("jobs")) => Some(("batch/v1", "Job")),
        _ => None,
    }
}

/// One namespace.
pub(super) fn namespace(name: &str) -> String {
    format!("{CORE}/namespaces/{}", segment(name))
}

/// A name as one segment of a path. `.` and `..` are encoded too, because they are steps in a path.
fn segment(name: &str) -> String {
    match name {
        "." => "%2E".to_owned(),
        ".." => "%2E%2E".to_owned(),
        name => utf8_percent_encode(name, RESERVED).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn usual_names_are_readable() {
        assert_eq!(
            object(BATCH, "ns", "jobs", "pi-2.a"),
            "/apis/batch/v1/namespaces/ns/jobs/pi-2.a"
        );
        assert_eq!(collection(CORE, None, "configmaps"), "/api/v1/configmaps");
        assert_eq!(namespace("a b"), "/api/v1/namespaces/a%20b");
    }

    proptest! {
        #[test]
        fn a_name_is_one_segment_and_can_be_read_back(name in "\\PC{0,8}|[./%?#&]{0,4}") {
            let path = object(CORE, &name, "pods", &name);
            let uri: http::Uri = path.parse().unwrap();
            prop_assert_eq!(uri.query(), None);
            let segments: Vec<&str> = uri.path().split('/').collect();
            prop_assert_eq!(segments.len(), 7);
            for place in [4, 6] {
                let decoded = percent_encoding::percent_decode_str(segments[place]);
                prop_assert_eq!(decoded.decode_utf8().unwrap(), name.as_str());
                prop_assert!(!matches!(segments[place], "." | ".."));
            }
        }
    }
}
