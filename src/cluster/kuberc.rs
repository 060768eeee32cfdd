//! The user's kuberc: of all that kubectl reads there, which credential plugins may run.
//!
//! `--kuberc` names the file, else the variable `KUBERC`, else it is `~/.kube/kuberc`. `KUBERC=off`
//! and `KUBECTL_KUBERC=false` have none read. Aliases and defaults are for kubectl's own commands.

use std::io;
use std::path::Path;

use serde_json::{Map, Value};

use super::exec::PluginPolicy;
use crate::{os_error, yaml};

/// The group of kuberc's versions.
const GROUP: &str = "kubectl.config.k8s.io/";

/// What a kuberc says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Kuberc {
    /// Which credential plugins may run.
    pub policy: PluginPolicy,
    /// What is wrong with the file, where kubectl goes on all the same.
    pub warning: Option<String>,
}

impl Kuberc {
    /// Reads the file that `--kuberc` (`explicit`) or the environment names.
    ///
    /// # Errors
    /// What kubectl refuses, in its words: a file that is named and cannot be used; a policy that
    /// does not exist or does not fit its list.
    pub fn load(
        explicit: Option<&str>,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let explicit = explicit.filter(|path| !path.is_empty());
        let var = |name: &str| env(name).filter(|value| !value.is_empty());
        let said = var("KUBERC");
        if said.as_deref() == Some("off") {
            return match explicit {
                None => Ok(Self::default()),
                Some(_) => Err("kuberc error disabling kuberc via KUBERC=off and passing kuberc \
                                flag are mutually exclusive"
                    .to_owned()),
            };
        }
        let home = var("HOME").or_else(|| var("USERPROFILE")).unwrap_or_default();
        let usual = Path::new(&home).join(".kube/kuberc").display().to_string();
        // As in kubectl, the variable counts where the flag names the usual file.
        let named = explicit.map(str::to_owned).filter(|path| *path != usual).or(said);
        let named = named.or_else(|| explicit.map(str::to_owned));
        let path = named.clone().unwrap_or(usual);
        let read = std::fs::read(&path);
        if named.is_none() && read.as_ref().is_err_and(|why| why.kind() == io::ErrorKind::NotFound)
        {
            return Ok(Self::default());
        }
        let read = read.map_err(|why| format!("open {path}: {}", os_error::words(&why)));
        match read.and_then(|bytes| preference(&bytes, &path)) {
            Ok(None) => Ok(Self::default()),
            Ok(Some(preference)) => Ok(Self {
                policy: PluginPolicy::new(&preference.policy, preference.allowlist)?,
                warning: (!preference.unknown.is_empty()).then(|| {
                    let unknown = preference.unknown.join(", ");
                    format!(
                        "kuberc: ignoring strict decoding error in {path}: strict decoding error: \
                         {unknown}"
                    )
                }),
            }),
            Err(why) if named.is_some() => Err(format!("kuberc error kuberc: {why}")),
            Err(why) => Ok(Self {
                warning: Some(format!("kuberc: no preferences loaded from {path}: {why}")),
                ..Self::default()
            }),
        }
    }
}

/// A document of the kind that kubectl reads.
struct Preference {
    policy: String,
    allowlist: Option<Vec<String>>,
    /// What kubectl says of each field that it does not know.
    unknown: Vec<String>,
}

/// The first document that kubectl can use. It passes over the others, whatever is wrong with them.
fn preference(bytes: &[u8], path: &str) -> Result<Option<Preference>, String> {
    let text = String::from_utf8_lossy(bytes);
    let documents = documents(&text);
    if documents.is_empty() {
        return Ok(None);
    }
    let found = documents.iter().find_map(|document| decode(document));
    found
        .map(Some)
        .ok_or_else(|| format!("no valid preferences found in {path}, use --v=5 to see details"))
}

/// The documents of a file, which a line of three dashes separates, without those that are empty.
fn documents(text: &str) -> Vec<String> {
    let mut documents = vec![String::new()];
    for line in text.lines() {
        let after = line.strip_prefix("---").map(str::trim);
        if after.is_some_and(|rest| rest.is_empty() || rest.starts_with('#')) {
            documents.push(String::new());
        } else if let Some(document) = documents.last_mut() {
            document.push_str(line);
            document.push('\n');
        }
    }
    documents.retain(|document| !document.trim().is_empty());
    documents
}

fn decode(document: &str) -> Option<Preference> {
    let value = yaml::read(document).ok()?.into_iter().next()?;
    let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default();
    let shape = match text("apiVersion").strip_prefix(GROUP)? {
        "v1beta1" => &V1BETA1,
        "v1alpha1" => &V1ALPHA1,
        _ => return None,
    };
    let mut unknown = Vec::new();
    if text("kind") != "Preference" || !shape.fits(&value, "", &mut unknown) {
        return None;
    }
    // The older version has neither field.
    let has_policy = shape.field("credentialPluginPolicy").is_some();
    let listed = value.get("credentialPluginAllowlist").and_then(Value::as_array);
    let allowlist = match listed.filter(|_| has_policy) {
        Some(entries) => Some(entries.iter().map(command).collect::<Option<_>>()?),
        None => None,
    };
    Some(Preference {
        policy: if has_policy { text("credentialPluginPolicy").to_owned() } else { String::new() },
        allowlist,
        unknown,
    })
}

/// The command of an entry, which an older field may name. None if both name different ones.
fn command(entry: &Value) -> Option<String> {
    let text = |field: &str| entry.get(field).and_then(Value::as_str).unwrap_or_default();
    match (text("name"), text("command")) {
        (name, command) if name.is_empty() || name == command => Some(command.to_owned()),
        (name, "") => Some(name.to_owned()),
        _ => None,
    }
}

/// What a value in a kuberc has to be.
enum Shape {
    Text,
    List(&'static Shape),
    Object(&'static [(&'static str, Shape)]),
}

use Shape::{List, Object, Text};

const OPTION: Shape = Object(&[("name", Text), ("default", Text)]);
const COMMAND: Shape = Object(&[("command", Text), ("options", List(&OPTION))]);
const OLD_COMMAND: Shape = Object(&[("command", Text), ("flags", List(&OPTION))]);
const ALIAS: Shape = Object(&[
    ("name", Text),
    ("command", Text),
    ("prependArgs", List(&Text)),
    ("appendArgs", List(&Text)),
    ("options", List(&OPTION)),
]);
const OLD_ALIAS: Shape = Object(&[
    ("name", Text),
    ("command", Text),
    ("prependArgs", List(&Text)),
    ("appendArgs", List(&Text)),
    ("flags", List(&OPTION)),
]);
const ENTRY: Shape = Object(&[("name", Text), ("command", Text)]);
const V1BETA1: Shape = Object(&[
    ("apiVersion", Text),
    ("kind", Text),
    ("defaults", List(&COMMAND)),
    ("aliases", List(&ALIAS)),
    ("credentialPluginPolicy", Text),
    ("credentialPluginAllowlist", List(&ENTRY)),
]);
const V1ALPHA1: Shape = Object(&[
    ("apiVersion", Text),
    ("kind", Text),
    ("overrides", List(&OLD_COMMAND)),
    ("aliases", List(&OLD_ALIAS)),
]);

impl Shape {
    /// Whether Go's decoder takes a value for it. Fields that it does not know are noted.
    fn fits(&self, value: &Value, path: &str, unknown: &mut Vec<String>) -> bool {
        match (self, value) {
            (_, Value::Null) | (Text, Value::String(_)) => true,
            (List(shape), Value::Array(items)) => (0..)
                .zip(items)
                .all(|(at, item): (usize, _)| shape.fits(item, &format!("{path}[{at}]"), unknown)),
            (Object(_), Value::Object(fields)) => self.fields_fit(fields, path, unknown),
            _ => false,
        }
    }

    fn fields_fit(
        &self,
        fields: &Map<String, Value>,
        path: &str,
        unknown: &mut Vec<String>,
    ) -> bool {
        fields.iter().all(|(name, value)| {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            match self.field(name) {
                Some(shape) => shape.fits(value, &path, unknown),
                None => {
                    unknown.push(format!("unknown field {path:?}"));
                    true
                }
            }
        })
    }

    fn field(&self, name: &str) -> Option<&Self> {
        let Object(fields) = self else { return None };
        fields.iter().find(|(known, _)| *known == name).map(|(_, shape)| shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str, explicit: bool) -> Result<Kuberc, String> {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".kube")).unwrap();
        let path = home.path().join(if explicit { "rc" } else { ".kube/kuberc" });
        std::fs::write(&path, text).unwrap();
        let path = path.display().to_string();
        let home = home.path().display().to_string();
        let done =
            Kuberc::load(explicit.then_some(&path), |name| (name == "HOME").then(|| home.clone()));
        done.map_err(|why| why.replace(&path, "FILE"))
    }

    const DENY: &str = "apiVersion: kubectl.config.k8s.io/v1beta1\nkind: Preference\n\
                        credentialPluginPolicy: DenyAll\n";

    #[test]
    fn the_first_document_that_can_be_used_counts() {
        let other = "apiVersion: v1\nkind: Config\n";
        let old = "apiVersion: kubectl.config.k8s.io/v1alpha1\nkind: Preference\n";
        for (text, policy) in [
            (DENY.to_owned(), PluginPolicy::DenyAll),
            (
                format!("---\n# nothing\n--- # next\n{other}---\n: [\n---\n{DENY}"),
                PluginPolicy::DenyAll,
            ),
            (format!("{old}---\n{DENY}"), PluginPolicy::AllowAll),
            (
                DENY.replace(
                    "DenyAll",
                    "Allowlist\ncredentialPluginAllowlist: [{name: a}, {command: b}]",
                ),
                PluginPolicy::Allowlist(vec!["a".to_owned(), "b".to_owned()]),
            ),
            (String::new(), PluginPolicy::AllowAll),
        ] {
            let kuberc = load(&text, true).unwrap();
            assert_eq!(kuberc, Kuberc { policy, warning: None }, "{text}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_used_is_refused_if_it_was_named() {
        for text in [": [", "apiVersion: v1\nkind: Config\n", &DENY.replace("DenyAll", "[1]")] {
            let why = "no valid preferences found in FILE, use --v=5 to see details";
            assert_eq!(load(text, true), Err(format!("kuberc error kuberc: {why}")), "{text}");
            let passed_over = load(text, false).unwrap();
            assert_eq!(passed_over.policy, PluginPolicy::AllowAll);
            let warning = passed_over.warning.unwrap();
            assert!(warning.starts_with("kuberc: no preferences loaded from "), "{warning}");
        }
        let unknown = load(&format!("{DENY}aliases: [{{nmae: a}}]\nx: 1\n"), false).unwrap();
        assert_eq!(unknown.policy, PluginPolicy::DenyAll);
        let fields = "unknown field \"aliases[0].nmae\", unknown field \"x\"";
        assert!(unknown.warning.unwrap().ends_with(fields));
    }
}
