//! Records are rebuilt from what the members' Jobs keep of them.
//!
//! | file | what it holds |
//! |---|---|
//! | [`survey`] | what can be rebuilt, with nothing written |
//! | [`usable`] | which Jobs tell what a record was; pure |
//! | this one | the rebuilding |
//!
//! A record is written without shards, and with all members as *unlisted*. The reconcile that
//! follows takes the shards in, and opens nothing before every member was listed. So a command that
//! is killed anywhere is finished by the next reconcile, or by the same command.

mod survey;
mod usable;

pub use survey::{Recoverable, Survey};
pub(super) use usable::kept_by;
pub use usable::{Newest, Unusable};

use super::{
    error::Error,
    event::{Event, Work},
    open::Federation,
};
use crate::state::{self, Accepted, Record, SavedRegistry};

impl Federation<'_> {
    /// Rebuilds the records of a survey, and reconciles them. The registry takes over the uid of
    /// the federation that the shards belong to, if it has none of its own shards.
    ///
    /// # Errors
    /// The host cannot be written; or, for each Job, what kept it from being rebuilt or reconciled.
    pub async fn recover(&mut self, survey: Survey) -> Result<(), Error> {
        if survey.takes_over {
            let saved = SavedRegistry { uid: survey.federation.clone(), ..self.registry.saved() };
            let written = self.store.write_registry(Some(&self.registry), &saved).await?;
            self.registry = written.into();
        }
        let mut errors = Vec::new();
        let mut records = Vec::new();
        let total = survey.jobs.len();
        for (done, job) in survey.jobs.into_iter().enumerate() {
            self.notify(Event::Turn(Work::Recording, job.record.name(), done, total));
            let name = job.record.name().to_owned();
            match self.write_rebuilt(job).await {
                Ok(record) => records.push(record),
                Err(error) => errors.push(Error::NotRecovered { name, error: Box::new(error) }),
            }
        }
        // The members are listed again: a list from before the record was written may lack a Job.
        errors.extend(self.reconcile_records(records).await.err());
        Error::all(errors)
    }

    /// Writes one record. One that another process wrote meanwhile stays.
    async fn write_rebuilt(&self, job: Recoverable) -> Result<Record, Error> {
        let Recoverable { mut record, damage, lacking, is_stored, is_left, .. } = job;
        if is_stored && damage.is_some() {
            let labelled = self.store.label(&record).await?;
            self.notify(Event::Recovered(&labelled));
            return Ok(labelled);
        }
        if is_left || (is_stored && !lacking.is_empty()) {
            let written = self.store.replace(&record).await?;
            self.notify(Event::Recovered(&written));
            return Ok(written);
        }
        if is_stored {
            return Ok(record);
        }
        let (namespace, name) = (record.namespace().to_owned(), record.name().to_owned());
        let detail = "work in clusters that were not registered";
        record.accept(self.acceptance(Accepted::Recovered, detail).await);
        if damage.is_some() {
            self.store.discard_damaged(&record.federation, &namespace, &name, false).await?;
        }
        let written = match self.store.create_anywhere(&record).await {
            Err(error) if error.is_already_exists() => {
                let there = self.own(self.store.record(&namespace, &name).await?)?;
                if there.state.uid != record.state.uid {
                    return Err(state::Error::Replaced { job: name }.into());
                }
                there
            }
            written => written?,
        };
        self.notify(Event::Recovered(&written));
        Ok(written)
    }
}
