//! What `init` remembers on the user's machine: `~/.kube/federate.yaml`.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::private_file;
use crate::{
    error::{Error, Result},
    os_error,
};

/// The environment variable that names another file.
const VARIABLE: &str = "KUBECTL_FEDERATE_CONFIG";

/// How many bytes the file may have, so that a device in its place is not read for ever: 1 MiB.
const LARGEST: u64 = 1 << 20;

/// The user's own configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default, expecting = "an object")]
pub struct Config {
    /// The host cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<Host>,
    /// The contexts by which this user reaches members, where they differ from the registered ones.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub contexts: BTreeMap<String, String>,
}

/// The host cluster as this user reaches it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub struct Host {
    /// The kubeconfig context.
    pub context: String,
    /// The uid of the `kube-system` namespace that must be found there.
    pub uid: String,
}

impl Config {
    /// Where the file is: `KUBECTL_FEDERATE_CONFIG`, or `federate.yaml` in `~/.kube`.
    ///
    /// # Errors
    /// There is no home directory, and the variable is not set either.
    pub fn path(env: impl Fn(&str) -> Option<String>) -> Result<PathBuf> {
        let set = |name| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        set(VARIABLE).or_else(|| Some(set("HOME")?.join(".kube").join("federate.yaml"))).ok_or_else(
            || {
                Error::new("there is no home directory to keep the configuration in")
                    .hint(format!("Set HOME, or {VARIABLE} to a file."))
            },
        )
    }

    /// Reads the file; one that does not exist is empty.
    ///
    /// # Errors
    /// It cannot be read, or is not ours; the error names it.
    pub fn load(path: &Path) -> Result<Self> {
        let read = || {
            let mut text = String::new();
            fs::File::open(path)?.take(LARGEST + 1).read_to_string(&mut text)?;
            io::Result::Ok(text)
        };
        let text = match read() {
            Ok(text) if text.len() as u64 > LARGEST => {
                return Err(unusable(path, "read", &format!("it has more than {LARGEST} bytes")));
            }
            Ok(text) if text.trim().is_empty() => return Ok(Self::default()),
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(unusable(path, "read", &error)),
        };
        serde_yaml::from_str(&text).map_err(|error| unusable(path, "read", &error))
    }

    /// Writes the file, and makes its folder, readable by its owner alone. It is replaced as a
    /// whole, so that a full disk or a kill leaves the old one.
    ///
    /// # Errors
    /// It cannot be written; the error names it.
    pub fn save(&self, path: &Path) -> Result<()> {
        let text = serde_yaml::to_string(self).expect("a configuration is plain text");
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)
            .and_then(|()| private_file::replace(path, text.as_bytes()))
            .map_err(|error| unusable(path, "write", &error))
    }
}

fn unusable(path: &Path, what: &str, cause: &dyn std::fmt::Display) -> Error {
    let cause = os_error::words(cause);
    Error::new(format!("cannot {what} the configuration file {}: {cause}", path.display()))
        .hint(format!("{VARIABLE} names another file."))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_saved_is_loaded_and_only_its_owner_can_read_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("new/federate.yaml");
        assert_eq!(Config::load(&path).expect("absent is empty"), Config::default());
        let endless = Config::load(Path::new("/dev/zero")).expect_err("it is no configuration");
        assert!(endless.to_string().ends_with("it has more than 1048576 bytes"), "{endless}");
        let config = Config {
            host: Some(Host { context: "arn:aws:eks@x".into(), uid: "u".into() }),
            contexts: [("east".to_owned(), "no".to_owned())].into(),
        };
        config.save(&path).expect("written");
        assert_eq!(Config::load(&path).expect("read"), config);
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_is_not_ours_is_an_error_that_names_the_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("federate.yaml");
        fs::write(&path, "hosts: 1\n").expect("written");
        let error = Config::load(&path).expect_err("not ours").to_string();
        assert!(error.contains("federate.yaml") && error.contains("hosts"), "{error}");
    }

    #[test]
    fn a_disk_that_takes_nothing_leaves_the_old_file() {
        let error = Config::default()
            .save(Path::new("/dev/full/federate.yaml"))
            .expect_err("not a directory");
        assert!(
            error.to_string().starts_with("error: cannot write the configuration file /dev/full/"),
            "{error}"
        );
    }

    #[test]
    fn the_variable_wins_over_home() {
        let env = |set: &'static [(&str, &str)]| {
            move |name: &str| {
                set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
            }
        };
        assert_eq!(
            Config::path(env(&[("HOME", "/h")])).expect("home"),
            Path::new("/h/.kube/federate.yaml")
        );
        let both = env(&[("HOME", "/h"), ("KUBECTL_FEDERATE_CONFIG", "/f")]);
        assert_eq!(Config::path(both).expect("variable"), Path::new("/f"));
        assert!(Config::path(env(&[("HOME", "")])).is_err());
    }
}
