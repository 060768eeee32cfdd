//! The host that a backup is of, where the backup is restored on another one.

use std::collections::BTreeSet;

use super::merge::Difference;
use crate::{
    federation::{
        error::Error,
        key::{Key, key},
        leaving::readable_records,
    },
    state::{self, Moved, Registry, Store, Unmarked},
};

/// The host that a backup is of, where it is restored on another one.
#[derive(Debug)]
pub enum OtherHost {
    /// It answers, and is marked as moved before anything is restored.
    Left {
        /// Its name.
        name: String,
        /// The Jobs that it has and the backup lacks, by namespace and name.
        lacking: Vec<(String, String)>,
        /// How it and the backup differ about clusters, by their names. What it knows of them is
        /// restored with the backup.
        differences: Vec<(String, Difference)>,
        /// Its registry.
        registry: Box<Registry>,
    },
    /// Its federation has another host by now, or none.
    NotInUse {
        /// Its name.
        name: String,
    },
    /// Its federation was moved to a third host.
    Moved {
        /// Its name.
        name: String,
        /// The uid of the third one.
        uid: String,
        /// The kubeconfig context by which whoever moved it reached the third one.
        to: String,
    },
    /// It cannot be read.
    Silent {
        /// Its name.
        name: String,
        /// Why.
        why: String,
    },
    /// No context of the user is known to lead to it.
    Unknown,
}

/// The host that has a federation by now, from one that had it: each that answers says to which
/// host it was moved. `find` leads to a host by its uid, if the user has a context for it. Gives
/// the uid of the last, and that host if there is a context; none if it is `new`, the one to
/// restore on.
///
/// # Errors
/// Those of `find`.
pub async fn last_host<E>(
    first: String,
    new: &str,
    federation: &str,
    find: impl AsyncFn(&str) -> Result<Option<Store>, E>,
) -> Result<(String, Option<Store>), E> {
    let mut seen = BTreeSet::new();
    let mut uid = first;
    loop {
        if uid == new {
            return Ok((uid, None));
        }
        let Some(store) = find(&uid).await? else { return Ok((uid, None)) };
        store.host().wait_briefly();
        let next = store.any_registry().await.ok().filter(|it| it.uid == federation);
        let next = next.and_then(|it| it.moved).map(|moved| moved.uid);
        match next.filter(|next| next != new && seen.insert(uid.clone())) {
            Some(next) => uid = next,
            // It is waited for as long as any other host.
            None => {
                let last = find(&uid).await?;
                return Ok((uid, last));
            }
        }
    }
}

impl OtherHost {
    /// The host that is not marked as moved, by its uid, and is to be remembered: the one with this
    /// uid, which the backup is of, or the one to which the federation was moved from there.
    pub(super) fn unmarked(&self, of_backup: &str) -> Option<(String, Unmarked)> {
        let (uid, context) = match self {
            Self::Silent { name, .. } => (of_backup, name.clone()),
            Self::Unknown => (of_backup, String::new()),
            Self::Moved { uid, to, .. } => (uid.as_str(), to.clone()),
            Self::Left { .. } | Self::NotInUse { .. } => return None,
        };
        Some((uid.to_owned(), Unmarked { context }))
    }

    /// Whether it answers, and nothing says that the federation has left it.
    pub(super) fn acts(&self) -> bool {
        matches!(self, Self::Left { registry, .. } if registry.moved.is_none())
    }

    /// What becomes of the host with this uid, which `store` may lead to. `federation` is the uid
    /// of the federation that is restored on the host `new`, with these Jobs.
    pub(super) async fn find(
        store: Option<&Store>,
        uid: &str,
        federation: &str,
        new: &str,
        jobs: &BTreeSet<Key>,
    ) -> Self {
        let Some(store) = store else { return Self::Unknown };
        let name = store.host().name().to_owned();
        let read = async || {
            store.host().verify(uid).await.map_err(state::Error::Cluster)?;
            let registry = store.any_registry().await?;
            let records = readable_records(store, federation).await?;
            Ok::<_, Error>((registry, records))
        };
        match read().await {
            Err(Error::State(state::Error::NoRegistry { .. })) => Self::NotInUse { name },
            Err(error) => Self::Silent { name, why: error.to_string() },
            Ok((registry, _)) if registry.uid != federation => Self::NotInUse { name },
            Ok((registry, records)) => match registry.moved.clone() {
                Some(Moved { uid, context: to, .. }) if uid != new => Self::Moved { name, uid, to },
                _ => {
                    let lacking = records.iter().map(key).filter(|job| !jobs.contains(job));
                    let lacking = lacking.collect();
                    let differences = Vec::new();
                    Self::Left { name, lacking, differences, registry: Box::new(registry) }
                }
            },
        }
    }
}
