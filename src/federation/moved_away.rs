//! A host from which a federation was moved away becomes the host of another one.

use super::{
    error::{Error, HostError},
    key::{Key, key},
    leaving::all_records,
};
use crate::state::{self, Gap, Lacking, Moved, Newer, Record, Registry, SavedRegistry, Store};

/// What a federation has left on a host from which it was moved away, and which nothing needs: the
/// new host has it all.
#[derive(Debug)]
pub struct MovedAway {
    registry: Registry,
    records: Vec<Record>,
}

impl MovedAway {
    /// What is left on a host. `new` is the host to which its federation was moved, if the user has
    /// a context for it.
    ///
    /// # Errors
    /// It is not known that the move is finished, the new host lacks records or has older ones, or
    /// a host cannot be read.
    pub async fn find(store: &Store, moved: &Moved, new: Option<&Store>) -> Result<Self, Error> {
        let registry = store.any_registry().await?;
        let records = all_records(store, &registry.uid, Some(moved)).await?;
        let unfinished = |why: String, is_marked: bool| {
            let (host, context) = (store.host().name().to_owned(), moved.context.clone());
            HostError::Unfinished { host, context, why, is_marked }.into()
        };
        if records.iter().any(|record| record.state.moved.is_none()) {
            return Err(unfinished("some records are not marked".to_owned(), false));
        }
        let Some(new) = new else {
            return Err(unfinished("no context leads to the new host".to_owned(), true));
        };
        new.host().wait_briefly();
        let there = async {
            new.host().verify(&moved.uid).await.map_err(state::Error::Cluster)?;
            new.any_registry().await
        };
        let there = there.await.map_err(|error| unfinished(error.to_string(), true))?;
        if there.uid != registry.uid {
            return Err(unfinished("the new host has another federation".to_owned(), true));
        }
        if there.moved.as_ref().is_some_and(|back| back.uid == registry.host) {
            return Err(unfinished("it is being moved back".to_owned(), false));
        }
        let [host, name] = [store, new].map(|store| store.host().name().to_owned());
        if there.gap.is_some_and(Gap::is_open) {
            return Err(HostError::PartlyRestored { host: name }.into());
        }
        let new = all_records(new, &registry.uid, there.moved.as_ref()).await?;
        let jobs = not_there(&records, &new);
        if !jobs.is_empty() {
            let context = moved.context.clone();
            return Err(HostError::NotThere { host, new: name, context, jobs }.into());
        }
        Ok(Self { registry, records })
    }

    /// How many records are left.
    pub fn count(&self) -> usize {
        self.records.len()
    }

    /// Removes the records, then makes the registry that of another federation, as
    /// compare-and-swaps. If it is interrupted, the same call finishes it.
    ///
    /// # Errors
    /// The host cannot be written, or somebody changed what was read.
    pub async fn replace(self, store: &Store) -> Result<Registry, Error> {
        for record in &self.records {
            store.remove(record).await?;
        }
        let anew = SavedRegistry::new(&crate::seams::uuid().to_string());
        Ok(store.write_registry(Some(&self.registry), &anew).await?)
    }
}

/// The Jobs of which a new host has no record, or one that is older than that of the old host or
/// does not know all of its shards.
fn not_there(old: &[Record], new: &[Record]) -> Vec<Key> {
    let has = |record: &&Record| {
        let of_same =
            |it: &&Record| it.namespace() == record.namespace() && it.state.uid == record.state.uid;
        new.iter().find(of_same).is_some_and(|there| {
            // Shards whose ids others have cannot be taken in: nothing here would help with that.
            let Lacking { shards, other } = there.lacking(record);
            record.newer(there) != Newer::This && shards.without(&other).is_empty()
        })
    };
    old.iter().filter(|record| !has(record)).map(key).collect()
}
