//! `-f` and `-k`: reading manifests as kubectl does, from files, directories, URLs, standard input
//! and kustomizations.

mod kustomize;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value};

use super::World;
use crate::cluster::{PluginPolicy, redact::public_url};
use crate::error::{Error, Result};
use crate::{os_error, yaml};

/// The most that one file, one answer of a web server or one kustomization may hold, in bytes.
pub const MAX_BYTES: u64 = 16 << 20;

/// The files that are taken from a directory.
const EXTENSIONS: [&str; 3] = ["json", "yaml", "yml"];

/// The values of `-f`, `-R` and `-k`.
#[derive(Debug, Clone, Default, Args)]
pub struct Filenames {
    /// A file, a directory, a URL, or - for standard input; a list with commas, and can be repeated
    #[arg(short, long = "filename", value_name = "FILE")]
    pub filenames: Vec<String>,
    /// Read directories with all that is below them
    #[arg(short = 'R', long)]
    pub recursive: bool,
    /// A directory with a kustomization, which kubectl kustomize builds
    #[arg(short = 'k', long, value_name = "DIR", conflicts_with_all = ["filenames", "recursive"])]
    pub kustomize: Option<String>,
}

/// One object, and where it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The file, and the place in it where it holds several objects, such as `pi.yaml: document 2`.
    pub source: String,
    /// An object with a kind; a list has been taken apart.
    pub object: Value,
}

impl Filenames {
    /// Whether neither a file nor a kustomization was named.
    pub fn is_empty(&self) -> bool {
        self.filenames.is_empty() && self.kustomize.is_none()
    }

    /// Reads all objects, in the order of the flags, and of the names in a directory.
    ///
    /// # Errors
    /// The first source that cannot be read, is larger than 16 MiB or holds something else than
    /// objects. No object at all: `no objects passed to VERB`.
    pub async fn read(&self, verb: &str, world: &World) -> Result<Vec<Document>> {
        let documents = match &self.kustomize {
            Some(directory) => {
                let manifests = kustomize::build(directory, world).await?;
                let source = format!("kustomize {directory}");
                parse(&source, &decode(&source, &manifests)?)?
            }
            None => self.read_files(world).await?,
        };
        if documents.is_empty() {
            return Err(Error::new(format!("no objects passed to {verb}")));
        }
        Ok(documents)
    }

    async fn read_files(&self, world: &World) -> Result<Vec<Document>> {
        let names: Vec<&str> = self
            .filenames
            .iter()
            .flat_map(|list| list.split(','))
            .filter(|name| !name.is_empty())
            .collect();
        if names.is_empty() {
            return Err(Error::new("must specify one of -f and -k"));
        }
        if names.iter().filter(|name| **name == "-").count() > 1 {
            return Err(Error::new("standard input cannot be used for multiple arguments"));
        }
        let mut documents = Vec::new();
        for name in names {
            if name == "-" {
                documents.extend(parse("STDIN", &text("STDIN", &mut *world.stdin())?)?);
            } else if name.starts_with("http://") || name.starts_with("https://") {
                let limit = MAX_BYTES as usize;
                let dialer = world.dialer(true, PluginPolicy::DenyAll);
                let body = dialer.download(name, |name| world.var(name), limit).await;
                let source = public_url(name);
                documents.extend(parse(&source, &decode(&source, &body.map_err(Error::new)?)?)?);
            } else {
                for path in paths(Path::new(name), self.recursive)? {
                    documents.extend(parse(&path.display().to_string(), &read_text(&path)?)?);
                }
            }
        }
        Ok(documents)
    }
}

/// The file itself, or the manifests in a directory.
fn paths(path: &Path, recursive: bool) -> Result<Vec<PathBuf>> {
    let shown = path.display().to_string();
    let found = fs::metadata(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::new(format!("the path {shown:?} does not exist")),
        _ => unreadable(&shown, &error),
    })?;
    if !found.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut manifests = Vec::new();
    walk(path, recursive, &mut manifests)?;
    if manifests.is_empty() {
        return Err(Error::new(format!(
            "error reading [{shown}]: recognized file extensions are [.json .yaml .yml]"
        )));
    }
    Ok(manifests)
}

/// Links to directories are not followed, so that a loop of them ends.
fn walk(directory: &Path, recursive: bool, manifests: &mut Vec<PathBuf>) -> Result<()> {
    let fail = |error: io::Error| unreadable(&directory.display().to_string(), &error);
    let mut entries =
        fs::read_dir(directory).map_err(fail)?.collect::<io::Result<Vec<_>>>().map_err(fail)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_type().map_err(fail)?.is_dir() {
            if recursive {
                walk(&path, true, manifests)?;
            }
        } else if path
            .extension()
            .is_some_and(|found| EXTENSIONS.iter().any(|wanted| found == *wanted))
        {
            manifests.push(path);
        }
    }
    Ok(())
}

/// The text of a file of at most 16 MiB, in UTF-8 or in UTF-16 with a byte-order mark.
pub(super) fn read_text(path: &Path) -> Result<String> {
    let source = path.display().to_string();
    let mut file = File::open(path).map_err(|error| unreadable(&source, &error))?;
    text(&source, &mut file)
}

fn text(source: &str, reader: &mut dyn Read) -> Result<String> {
    let mut bytes = Vec::new();
    reader
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(source, &error))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Error::new(format!("{source} is larger than {} MiB", MAX_BYTES >> 20)));
    }
    decode(source, &bytes)
}

fn decode(source: &str, bytes: &[u8]) -> Result<String> {
    yaml::decode(bytes).map_err(|problem| Error::new(format!("error parsing {source}: {problem}")))
}

/// The objects of a text; `source` is how errors name it.
pub(super) fn parse(source: &str, text: &str) -> Result<Vec<Document>> {
    let values =
        values(text).map_err(|problem| Error::new(format!("error parsing {source}: {problem}")))?;
    let several = values.len() > 1;
    let mut documents = Vec::new();
    for (at, value) in values.into_iter().enumerate() {
        let source =
            if several { format!("{source}: document {}", at + 1) } else { source.to_owned() };
        flatten(source, value, &mut documents)?;
    }
    Ok(documents)
}

/// What begins with `{` is JSON, one object or several, unless only YAML can read it.
fn values(text: &str) -> Result<Vec<Value>, String> {
    let yaml =
        || yaml::read(text).map_err(|error| format!("error converting YAML to JSON: {error}"));
    if !text.trim_start().starts_with('{') {
        return yaml();
    }
    let mut objects: Result<Vec<Value>, _> =
        serde_json::Deserializer::from_str(text).into_iter().collect();
    objects.iter_mut().flatten().for_each(yaml::whole_numbers);
    objects.or_else(|json| yaml().map_err(|_| format!("invalid JSON: {json}")))
}

/// Takes lists apart: `kind: List`, and typed ones such as `JobList`, whose items may leave out
/// their kind.
fn flatten(source: String, value: Value, documents: &mut Vec<Document>) -> Result<()> {
    let fail = |problem: &str| Error::new(format!("unable to decode {source:?}: {problem}"));
    let Value::Object(mut object) = value else {
        return Err(fail("a document must be an object with apiVersion and kind"));
    };
    let Some(kind) = text_of(&object, "kind") else {
        return Err(fail("Object 'Kind' is missing"));
    };
    let items = match (kind.strip_suffix("List"), object.get_mut("items").map(Value::take)) {
        (Some(item_kind), Some(Value::Array(items))) => Some((item_kind, items)),
        (Some(item_kind), Some(Value::Null)) => Some((item_kind, Vec::new())),
        (_, Some(other)) => {
            object.insert("items".to_owned(), other);
            None
        }
        (_, None) => None,
    };
    let Some((item_kind, items)) = items else {
        documents.push(Document { source, object: Value::Object(object) });
        return Ok(());
    };
    let version = text_of(&object, "apiVersion");
    for (at, mut item) in items.into_iter().enumerate() {
        if let (Value::Object(item), false) = (&mut item, item_kind.is_empty()) {
            item.entry("kind").or_insert_with(|| item_kind.into());
            if let Some(version) = &version {
                item.entry("apiVersion").or_insert_with(|| version.as_str().into());
            }
        }
        flatten(format!("{source}: item {}", at + 1), item, documents)?;
    }
    Ok(())
}

fn text_of(object: &Map<String, Value>, field: &str) -> Option<String> {
    object.get(field).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Why a file cannot be read.
fn unreadable(source: &str, error: &io::Error) -> Error {
    Error::new(format!("reading {source}: {}", os_error::words(error)))
}

#[cfg(test)]
mod tests;
