//! The names that a command line can be completed with: from the kubeconfig, and from the host or
//! from a cache that lives for seconds.

use std::{
    collections::{BTreeSet, hash_map::DefaultHasher},
    fs,
    hash::{Hash as _, Hasher as _},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::cli::{Session, private_file};

/// For how long what was heard is not asked again.
const FRESH: Duration = Duration::from_secs(15);

/// For how long what was heard is better than nothing, where the host does not answer at once.
const STALE: Duration = Duration::from_hours(24);

/// How long somebody waits who presses TAB.
const PATIENCE: Duration = Duration::from_millis(80);

/// How long a process may take that nobody waits for.
const UNSEEN: Duration = Duration::from_secs(10);

/// The names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    /// The contexts of the kubeconfig.
    pub contexts: Vec<String>,
    /// The members of the federation.
    pub clusters: Vec<String>,
    /// The federated Jobs of the namespace.
    pub jobs: Vec<String>,
    /// The namespaces of federated Jobs, and that of the context.
    pub namespaces: Vec<String>,
}

/// What the host has said, and when.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Heard {
    /// In seconds since 1970, by the local clock.
    at: i64,
    clusters: BTreeSet<String>,
    /// Each with its namespace first.
    jobs: BTreeSet<(String, String)>,
}

impl Names {
    /// The names that need no cluster.
    pub fn local(session: &Session<'_>) -> Self {
        let mut contexts: Vec<_> = session.contexts().map(str::to_owned).collect();
        contexts.sort_unstable();
        Self { contexts, ..Self::default() }
    }

    /// All names, as far as they are known soon. Also says whether the host should be asked again.
    pub async fn soon(session: &Session<'_>) -> (Self, bool) {
        let now = (session.world().now)().as_second();
        let cache = cache(session);
        let cached = cache.as_deref().and_then(|path| read(path, now));
        if let Some((heard, age)) = &cached
            && *age <= FRESH
        {
            return (Self::of_host(session, heard), false);
        }
        let asked = tokio::time::timeout(PATIENCE, ask(session, cache.as_deref())).await;
        match asked.unwrap_or_default().or(cached.map(|(heard, _)| heard)) {
            Some(heard) => (Self::of_host(session, &heard), heard.at < now),
            None => (Self::local(session), true),
        }
    }

    fn of_host(session: &Session<'_>, heard: &Heard) -> Self {
        let own = session.namespace().unwrap_or_default();
        let jobs = heard.jobs.iter().filter(|(namespace, _)| *namespace == own);
        let namespaces = heard.jobs.iter().map(|(namespace, _)| namespace.clone());
        let namespaces: BTreeSet<_> = namespaces.chain([own.clone()]).collect();
        Self {
            clusters: heard.clusters.iter().cloned().collect(),
            jobs: jobs.map(|(_, name)| name.clone()).collect(),
            namespaces: namespaces.into_iter().collect(),
            ..Self::local(session)
        }
    }
}

/// Asks the host, and writes the cache for those who complete later.
pub(super) async fn refresh(session: &Session<'_>) {
    let _ = tokio::time::timeout(UNSEEN, ask(session, cache(session).as_deref())).await;
}

/// What the host says. Nothing is said of what fails: nobody would read it.
async fn ask(session: &Session<'_>, cache: Option<&Path>) -> Option<Heard> {
    let federation = session.federation(&()).await.ok()?;
    let uid = &federation.registry.uid;
    let records = federation.store.any_records(uid, None).await.ok()?;
    let key =
        |record: crate::state::Record| (record.namespace().to_owned(), record.name().to_owned());
    let heard = Heard {
        at: (session.world().now)().as_second(),
        clusters: federation.registry.members.keys().cloned().collect(),
        jobs: records.into_iter().flatten().map(key).collect(),
    };
    if let Some(path) = cache {
        let folder = path.parent().unwrap_or(Path::new("."));
        let text = serde_json::to_string(&heard).unwrap_or_default();
        let _ =
            fs::create_dir_all(folder).and_then(|()| private_file::replace(path, text.as_bytes()));
    }
    Some(heard)
}

/// What the cache has, and how old that is.
fn read(path: &Path, now: i64) -> Option<(Heard, Duration)> {
    let heard: Heard = serde_json::from_str(&fs::read_to_string(path).ok()?).ok()?;
    let age = Duration::from_secs(u64::try_from(now - heard.at).ok()?);
    (age <= STALE).then_some((heard, age))
}

/// The file of this host: `~/.kube/cache/federate/NUMBER.json`.
fn cache(session: &Session<'_>) -> Option<PathBuf> {
    let home = session.world().var("HOME").filter(|home| !home.is_empty())?;
    let mut hasher = DefaultHasher::new();
    session.host_key().hash(&mut hasher);
    let file = format!("{:016x}.json", hasher.finish());
    Some(Path::new(&home).join(".kube").join("cache").join("federate").join(file))
}
