//! Polling, as `job wait`, `job get --watch` and `reconcile --watch` do it.
//!
//! Each round reads the records and asks the members, because nothing runs in a cluster that could
//! notify us. The first pause is one second, so that the end of a short Job is seen quickly. Each
//! pause is one second longer than the one before, up to five seconds, so that a long wait costs
//! each API server one list every five seconds. After a round that wrote something the pauses start
//! at one second again, because further steps usually follow.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{Session, job, session::concerned};
use crate::{
    cluster::fan_out,
    error::{Error, Result},
    reconcile::{Members, Observations, Status, observe},
    state::{self, Record, Registry, Store},
};

/// The pause after the first round. Each pause is this much longer than the one before.
const STEP: Duration = Duration::from_secs(1);

/// The longest pause.
const LONGEST: Duration = Duration::from_secs(5);

/// The exit code that shells give to a process that SIGINT ended.
const INTERRUPTED: u8 = 130;

/// A federated Job by its namespace and its name.
pub type Key = (String, String);

/// The key of a record.
pub fn key(record: &Record) -> Key {
    (record.namespace().to_owned(), record.name().to_owned())
}

/// Which federated Jobs a command is about.
pub struct About<'a> {
    /// Their names. If empty, all Jobs that exist at each round.
    pub names: &'a [String],
    /// Their namespace. None for all namespaces.
    pub namespace: Option<String>,
}

/// What the host answered in one round.
#[derive(Default)]
pub struct View {
    /// The records that exist.
    pub records: Vec<Record>,
    /// Jobs that do not exist now, and were named or existed in an earlier round.
    pub absent: Vec<Key>,
    /// An error for each record that cannot be read.
    pub errors: Vec<Error>,
}

/// The rounds of one command.
pub struct Rounds<'a, 's> {
    session: &'a Session<'s>,
    about: About<'a>,
    /// The host's store.
    pub store: Store,
    registry: Registry,
    /// The members that were asked last.
    pub members: Members,
    known: BTreeSet<Key>,
    /// Whether the host did not answer in the last round.
    lost: bool,
    /// The members that did not answer in the last round.
    unknown: BTreeSet<String>,
    pause: Duration,
}

impl<'a, 's> Rounds<'a, 's> {
    /// Connects to the host and reads the registry.
    ///
    /// # Errors
    /// It cannot be asked, or holds no federation.
    pub async fn begin(session: &'a Session<'s>, about: About<'a>) -> Result<Self> {
        if about.namespace.is_none() && !about.names.is_empty() {
            return Err(Error::new("a resource cannot be retrieved by name across all namespaces"));
        }
        let (store, registry) = session.federation().await?;
        let known = about.namespace.iter().flat_map(|namespace| {
            about.names.iter().map(move |name| (namespace.clone(), name.clone()))
        });
        Ok(Self {
            session,
            store,
            registry,
            members: Members::default(),
            known: known.collect(),
            about,
            lost: false,
            unknown: BTreeSet::new(),
            pause: STEP,
        })
    }

    /// Reads the records. None if the host does not answer; a warning says so the first time.
    ///
    /// # Errors
    /// The host is another cluster than it was, or refuses.
    pub async fn read(&mut self) -> Result<Option<View>> {
        match self.ask().await {
            Ok(view) => {
                self.lost = false;
                Ok(Some(view))
            }
            Err(error) => self.lost(error).map(|()| None),
        }
    }

    /// Accepts an error that says that the host does not answer: it may answer in the next round.
    ///
    /// # Errors
    /// Any other error, as it is.
    pub fn lost(&mut self, error: state::Error) -> Result<()> {
        match error {
            state::Error::Cluster(error) if error.is_unreachable() => {
                if !std::mem::replace(&mut self.lost, true) {
                    self.tell(
                        self.store.host().name(),
                        "the host does not answer",
                        &error.to_string(),
                    );
                }
                Ok(())
            }
            error => Err(error.into()),
        }
    }

    async fn ask(&mut self) -> Result<View, state::Error> {
        self.registry = self.store.registry().await?;
        self.store.host().verify_again(&self.registry.host).await?;
        let mut view = View::default();
        let mut unseen = self.known.clone();
        if self.about.names.is_empty() {
            for found in
                self.store.records(&self.registry.uid, self.about.namespace.as_deref()).await?
            {
                match found {
                    Ok(record) => {
                        unseen.remove(&key(&record));
                        self.known.insert(key(&record));
                        view.records.push(record);
                    }
                    Err(error) => view.errors.push(error.into()),
                }
            }
        }
        // A record that the list lacks is read by name: it may be damaged rather than gone.
        let ask = async |key: Key| {
            let found = self.store.record(&key.0, &key.1).await;
            (key, found)
        };
        for (key, found) in fan_out(unseen, ask).await {
            match found {
                Ok(record) if record.federation == self.registry.uid => view.records.push(record),
                Ok(record) => view.errors.push(job::of_another(&record)),
                Err(error) if error.is_not_found() => view.absent.push(key),
                Err(state::Error::Cluster(error)) if error.is_unreachable() => {
                    return Err(error.into());
                }
                // The list has reported this error already.
                Err(_) if self.about.names.is_empty() => {}
                Err(error) => view.errors.push(error.into()),
            }
        }
        if self.about.names.is_empty() {
            for key in &view.absent {
                self.known.remove(key);
            }
        }
        Ok(view)
    }

    /// Asks the members of these records: one list each.
    pub async fn observe(&mut self, records: &[&Record]) -> Vec<Observations> {
        let names = concerned(&self.registry, records);
        let members = std::mem::take(&mut self.members);
        self.members = self.session.members_again(members, &self.registry, names).await;
        observe(records, &self.members).await
    }

    /// Warns of members that stopped answering, once each time that this happens, and of what
    /// members refused.
    pub fn tell_troubles<'r>(
        &mut self,
        looked: impl IntoIterator<Item = (&'r Record, &'r Status)>,
    ) {
        let mut unknown = BTreeMap::new();
        for (record, status) in looked {
            for shard in &status.shards {
                if let Some(why) = &shard.unknown {
                    unknown.insert(shard.cluster.clone(), why.clone());
                } else if let Some(why) = &shard.refused {
                    let text = format!("job.batch/{}: {}: {why}", record.name(), shard.state);
                    self.session.output().warning(Some(&shard.cluster), &text);
                }
            }
        }
        for (cluster, why) in &unknown {
            if !self.unknown.contains(cluster) {
                self.tell(cluster, "nothing is known of its jobs", why);
            }
        }
        self.unknown = unknown.into_keys().collect();
    }

    /// Prints a warning with the time, so that a later one with the same words differs.
    fn tell(&self, cluster: &str, what: &str, why: &str) {
        let since = self.session.now().strftime("%FT%TZ");
        self.session.output().warning(Some(cluster), &format!("{what} since {since}: {why}"));
    }

    /// Makes the next pause the shortest one.
    pub fn soon(&mut self) {
        self.pause = STEP;
    }

    /// Waits for the next round, at most for this long.
    pub async fn pause(&mut self, most: Duration) {
        tokio::time::sleep(self.pause.min(most)).await;
        self.pause = (self.pause + STEP).min(LONGEST);
    }
}

/// Runs something until it ends or the user presses Ctrl-C. After Ctrl-C nothing more is printed,
/// and the exit code is 130. The work may be cut off between any two requests (G4).
pub async fn interruptible<T>(
    session: &Session<'_>,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::select! {
        done = work => done,
        () = (session.world().interrupt)() => Err(Error::verbatim("").exit(INTERRUPTED)),
    }
}
