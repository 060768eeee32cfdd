//! A host that a federation leaves for another one, and one that could not be told of that.

use super::{Conflicts, Store};
use crate::state::{
    Error, Moved, Record, Registry,
    registry::{NAME, NAMESPACE},
};

impl Store {
    /// Marks the federation of this host as moved to another one, as a compare-and-swap.
    ///
    /// # Errors
    /// [`Error::Moved`] where it was moved to a third one already; somebody changed the registry
    /// since it was read; or it cannot be written.
    pub async fn mark_moved(&self, registry: Registry, to: Moved) -> Result<Registry, Error> {
        match &registry.moved {
            Some(moved) if moved.uid == to.uid => return Ok(registry),
            Some(moved) => return Err(self.moved(moved)),
            None => {}
        }
        let patch = registry.patch_moved(Some(&to))?;
        Registry::from_config_map(&self.patch(NAMESPACE, NAME, &patch).await?)
    }

    /// Marks the federation of this host as moved no more, as a compare-and-swap.
    ///
    /// # Errors
    /// Somebody changed the registry since it was read, or it cannot be written.
    pub async fn unmark_moved(&self, registry: &Registry) -> Result<(), Error> {
        self.patch(NAMESPACE, NAME, &registry.patch_moved(None)?).await.map(drop)
    }

    /// Marks a record of this host as moved to another one, as a compare-and-swap, whatever others
    /// do to it meanwhile. Gives the record as it is stored then; none if it is gone.
    ///
    /// # Errors
    /// It cannot be read or written, or there were [`MAX_CONFLICTS`] conflicts.
    ///
    /// [`MAX_CONFLICTS`]: crate::state::MAX_CONFLICTS
    pub async fn mark_record(
        &self,
        mut record: Record,
        to: &Moved,
    ) -> Result<Option<Record>, Error> {
        let mut conflicts = Conflicts::default();
        let (namespace, name) = (record.namespace().to_owned(), record.name().to_owned());
        loop {
            if record.state.moved.as_ref() == Some(to) {
                return Ok(Some(record));
            }
            record.state.moved = Some(to.clone());
            match self.replace(&record).await {
                Ok(marked) => return Ok(Some(marked)),
                Err(error) if error.is_not_found() => return Ok(None),
                Err(error) => conflicts.pause(error).await?,
            }
            record = match self.any_record(&record.federation, &namespace, &name).await {
                Err(error) if error.is_not_found() => return Ok(None),
                current => current?,
            };
        }
    }

    /// Forgets that a host could not be marked as moved, whatever others do to the registry
    /// meanwhile. Gives whether that was known.
    ///
    /// # Errors
    /// The registry cannot be read or written, or there were [`MAX_CONFLICTS`] conflicts.
    ///
    /// [`MAX_CONFLICTS`]: crate::state::MAX_CONFLICTS
    pub async fn forget_unmarked(&self, uid: &str) -> Result<bool, Error> {
        let mut conflicts = Conflicts::default();
        loop {
            let registry = self.registry().await?;
            if !registry.unmarked.contains_key(uid) {
                return Ok(false);
            }
            match self.patch(NAMESPACE, NAME, &registry.patch_unmarked(uid)?).await {
                Ok(_) => return Ok(true),
                Err(error) => conflicts.pause(error).await?,
            }
        }
    }
}
