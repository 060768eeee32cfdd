//! `kubectl federate init`.

use std::path::Path;

use clap::Args;

use super::{
    Host, Session,
    cluster::{pick, registrations},
    confirm::choose_on_terminal,
    events::{Reporter, Wording},
    left_records::name_left_records,
    other_host::other_host,
};
use crate::{
    error::{Error, Result},
    federation::{Federation, MovedAway, Registration, relocate},
    print::{counted, federate, federate_line, federate_on_host},
    state::{self, Error::NoRegistry, Registry, Store},
};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Make the cluster of the context \"east\" the host
  kubectl federate init --context=east

  # Make the cluster of the current context the host
  kubectl federate init

  # Move the federation with all its jobs from the host \"east\" to the cluster of \"west\"
  kubectl federate init --from=east --context=west";

/// Make a cluster the host of a federation, and remember it
///
/// The host holds the federation's ConfigMaps, in the namespace kubectl-federate and in the
/// namespaces of the jobs. Nothing runs there. It is the cluster of --context, or of the current
/// context, and is remembered in ~/.kube/federate.yaml. A cluster that is a host already is not
/// changed.
///
/// On a terminal, without --context, it shows your contexts and asks which of their clusters to
/// register. It asks, too, before it remembers a cluster in place of another one, and before it
/// makes another federation where one was moved away or has lost its registry.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Init {
    /// The context of the host that the federation has: move the federation and its jobs from there
    /// to the host of --context. Nothing can use the old host afterwards. If it is interrupted, run
    /// it again
    #[arg(long, value_name = "CONTEXT")]
    from: Option<String>,
    /// Make another federation on a host from which one was moved away. What that one left there is
    /// removed, once the new host is known to have it all
    #[arg(long, conflicts_with = "from")]
    replace_moved: bool,
}

impl Init {
    /// Moves a federation from another host to this one. Gives whether anything was left to do.
    async fn relocate(&self, session: &Session<'_>, from: &str, to: &Store) -> Result<bool> {
        let old = Store::new(session.dial_context(from, from)?);
        let context = session.named_context().unwrap_or_default();
        let reporter = Reporter::new(session, Wording::new("moved"));
        Ok(Box::pin(relocate(&old, to, context, &reporter)).await?)
    }

    /// Asks on a terminal which clusters to register, where there is no federation yet and nothing
    /// says which cluster is to be its host.
    async fn pick(&self, session: &Session<'_>, store: &Store) -> Result<Vec<Registration>> {
        let asks = session.output().can_ask() && !session.names_host() && self.from.is_none();
        if !asks || !matches!(store.registry().await, Err(NoRegistry { .. })) {
            return Ok(Vec::new());
        }
        let host = store.host().name();
        session.output().note(format!(
            "The cluster of the context {host:?} becomes the host of a federation. Choose its \
             members now, or later by `kubectl federate cluster register`."
        ));
        pick::ask(session, None, pick::Given { weight: None, lease: None, labels: &[] }).await
    }

    /// Asks on a terminal before all commands go to another host than they did.
    ///
    /// # Errors
    /// The user does not want that.
    async fn confirm(&self, session: &Session<'_>, uid: &str) -> Result<()> {
        let (Some(before), Some(after)) = (&session.config().host, session.named_context()) else {
            return Ok(());
        };
        let is_other = before.uid != uid && before.context != after;
        if !is_other || self.from.is_some() || !session.output().can_ask() {
            return Ok(());
        }
        let question = format!(
            "All commands use the host {:?}. Are they to use {after:?} in its place?",
            before.context
        );
        let unchanged = "no host was made, and the one that is remembered stays";
        match choose_on_terminal(session.world(), &question, &["yes"], unchanged).await? {
            Some(_) => Ok(()),
            None => Err(Error::new(format!("cancelled: {unchanged}"))),
        }
    }

    /// Asks on a terminal before another federation is made where records are left of one whose
    /// registry is gone. A backup brings that one back as it was.
    ///
    /// # Errors
    /// The user does not want that.
    async fn confirm_another(&self, session: &Session<'_>, store: &Store) -> Result<()> {
        let is_new = matches!(store.registry().await, Err(NoRegistry { .. }));
        if self.from.is_some() || !is_new {
            return Ok(());
        }
        // Whoever may not list the records is told nothing.
        let left = store.left_behind(None).await.unwrap_or_default();
        if left.jobs.is_empty() {
            return Ok(());
        }
        let host = store.host().name();
        session.output().note(format!(
            "Host {host:?} has no registry any more, but the records of {left}. If there is a \
             backup, {} makes the registry again, and init is not needed.",
            federate_on_host("restore", ["FILE"], host)
        ));
        if !session.output().can_ask() {
            return Ok(());
        }
        let question = "Make another federation here, which can take over these jobs?";
        let unchanged = "no host was made";
        match choose_on_terminal(session.world(), question, &["yes"], unchanged).await? {
            Some(_) => Ok(()),
            None => Err(Error::new(format!("cancelled: {unchanged}"))),
        }
    }

    /// What is left on a host from which a federation was moved away, if the user says that another
    /// one is to be made there: by a flag, or asked on a terminal. Nothing is written.
    ///
    /// # Errors
    /// The user does not want that, or the move may not be finished.
    async fn moved_away(&self, session: &Session<'_>, store: &Store) -> Result<Option<MovedAway>> {
        let asks = session.output().can_ask() && !self.replace_moved;
        if self.from.is_some() || !(asks || self.replace_moved) {
            return Ok(None);
        }
        let moved = match store.any_registry().await {
            Err(NoRegistry { .. }) => None,
            registry => registry?.moved,
        };
        let Some(moved) = moved else { return Ok(None) };
        let new = other_host(session, &moved.uid).await?;
        let left = MovedAway::find(store, &moved, new.as_ref()).await?;
        let host = store.host().name();
        let moved = Error::from(store.moved(&moved));
        let jobs = counted(left.count(), "job");
        session.output().note(format!(
            "{}, which has all of it. The registry and the records of {jobs} are left on host \
             {host:?}, and are removed.",
            moved.message()
        ));
        if asks {
            let question = "Make another federation here?";
            let unchanged = "nothing was removed, and no host was made";
            let answer = choose_on_terminal(session.world(), question, &["yes"], unchanged).await?;
            if answer.is_none() {
                let cancelled = Error::new(format!("cancelled: {unchanged}"));
                return Err(moved.hints().into_iter().fold(cancelled, Error::and_hint));
            }
        }
        Ok(Some(left))
    }

    /// Makes the registry, then remembers the host. On a terminal, where nothing says which cluster
    /// is meant, it asks first which clusters to register.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let (before, after) = match &self.from {
            Some(_) => (
                "nothing was moved",
                "the federation may be moved in part. Run the same command again: it moves the \
                 rest",
            ),
            None => (
                "no host was made",
                "it is not known whether the host was made. Run the same command again",
            ),
        };
        session.left().begin(before, after);
        let host = session.dial_named()?;
        let uid = host.identity().await.map_err(state::Error::Cluster)?;
        let store = Store::new(host);
        // Whoever is asked about a host knows what became of it.
        let moved_away = self.moved_away(session, &store).await?;
        self.confirm(session, &uid).await?;
        self.confirm_another(session, &store).await?;
        let replaced = match moved_away {
            Some(left) => {
                session.left().begin(
                    "no host was made",
                    "the records that the federation left here may be removed, and it is not known \
                     whether the host was made. Run the same command again",
                );
                Some(left.replace(&store).await?)
            }
            None => None,
        };
        let picked = self.pick(session, &store).await?;
        let relocated = match &self.from {
            Some(from) => Some(self.relocate(session, from, &store).await?),
            None => None,
        };
        let (registry, made) = match replaced {
            Some(registry) => (registry, true),
            None => store.init().await?,
        };
        store.host().verify(&registry.host).await?;
        let what = match relocated {
            Some(true) => "moved to",
            None if made => "initialized in",
            _ => "unchanged in",
        };
        let done = format!("federation {what} host cluster {:?}", store.host().name());
        session.output().line(&done);
        session.left().stands(done);
        let context = session.named_context();
        remember(session, context, uid, &registry.uid, |_| self.from.is_some()).await?;
        if made && relocated.is_none() {
            name_left_records(session, &store, &registry.uid, false).await;
        }
        if !picked.is_empty() {
            let host = store.host().clone();
            let federation = Federation::open(host, None, [], session, &()).await?;
            return registrations::register(session, &federation, picked, 0).await;
        }
        if relocated == Some(true) {
            let next = federate_line("reconcile", ["--all-namespaces"]);
            session.output().note(format!("Next: {next}"));
        } else if registry.members.is_empty() {
            let flags = ["NAME", "--cluster-context=CONTEXT"];
            session.output().note(format!("Next: {}", federate_line("cluster register", flags)));
        }
        Ok(())
    }
}

/// Remembers the cluster of a context as the host, if a context alone names it. Where another
/// host was remembered that was not left for this one, it says so; also where `--server` or
/// `--cluster` names the host, so that no context leads there. `federation` is the uid of the
/// federation that the host has.
pub(super) async fn remember(
    session: &Session<'_>,
    context: Option<&str>,
    uid: String,
    federation: &str,
    was_left: impl FnOnce(&Host) -> bool,
) -> Result<()> {
    let path = session.config_path()?;
    let Some(context) = context else {
        let mut config = session.config().clone();
        if config.host.as_ref().is_some_and(was_left) {
            // No command goes on there.
            config.host = None;
            config.save(&path)?;
        }
        if session.names_host() {
            session.output().note(
                "The host is not remembered, because it is not named by a context alone. Give \
                 --server or --cluster to every command.",
            );
        }
        return Ok(());
    };
    let host = Host { context: context.to_owned(), uid };
    let mut config = session.config().clone();
    let before = config.host.replace(host.clone());
    config.save(&path).map_err(|error| {
        error.hint("The host is not remembered: name it with --context in every command.")
    })?;
    if let Some(before) = before.filter(|before| before.uid != host.uid && !was_left(before)) {
        let there = registry_of(session, &before).await;
        session.output().warning(None, &moved(&before, &host, &path, federation, there.as_ref()));
    }
    Ok(())
}

/// The registry of a host that was remembered, if it answers.
async fn registry_of(session: &Session<'_>, host: &Host) -> Option<Registry> {
    let connection = session.dial_context(&host.context, &host.context).ok()?;
    connection.wait_briefly();
    connection.verify(&host.uid).await.ok()?;
    Store::new(connection).any_registry().await.ok()
}

/// A user who meant to do something in the federation there was would otherwise not know where it
/// went. `there` is what the host before has of one, as far as that is known.
fn moved(
    before: &Host,
    host: &Host,
    path: &Path,
    federation: &str,
    there: Option<&Registry>,
) -> String {
    let is_same = there.is_some_and(|there| there.uid == federation);
    let has_left = there.and_then(|there| there.moved.as_ref());
    let which = match there {
        Some(_) if is_same => ". It is the same federation",
        Some(_) => ": a federation with clusters and jobs of its own",
        None => "",
    };
    let (before, after) = (&before.context, &host.context);
    let said = format!(
        "the host was {before:?} until now, {} names {after:?} from now on{which}.",
        path.display()
    );
    if has_left.is_some() {
        return said;
    }
    format!("{said} {} goes back.", federate("init", [format!("--context={before}")]))
}
