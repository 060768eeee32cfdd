//! What one command works with: the kubeconfig, the host, the members, the terminal, the clock.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use jiff::Timestamp;

use super::{Config, ConnectionFlags, World};
use crate::{
    cluster::{self, Connection, Dialer, Endpoint, Kubeconfig, Overrides},
    error::{Error, Result},
    print::{Output, age},
    reconcile::{Members, may_open},
    state::{Member, MemberState, Record, Registry, Store},
};

/// One command's surroundings.
pub struct Session<'a> {
    world: &'a World,
    flags: &'a ConnectionFlags,
    overrides: Overrides,
    kubeconfig: Kubeconfig,
    config: Config,
    dialer: Dialer,
}

impl<'a> Session<'a> {
    /// Reads the kubeconfig and the user's configuration; nothing is sent.
    pub fn new(world: &'a World, flags: &'a ConnectionFlags) -> Result<Self> {
        let overrides = flags.overrides();
        let kubeconfig = Kubeconfig::load(flags.kubeconfig.as_deref(), |name| world.var(name))?;
        let config = Config::load(&Config::path(|name| world.var(name))?)?;
        let dialer = world.dialer();
        Ok(Self { world, flags, overrides, kubeconfig, config, dialer })
    }

    /// Where everything is printed.
    pub fn output(&self) -> &Arc<Output> {
        &self.world.output
    }

    /// The world around the process.
    pub fn world(&self) -> &World {
        self.world
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        (self.world.now)()
    }

    /// How long ago something was, as kubectl writes it; `second` counts from 1970.
    pub fn age(&self, second: i64) -> String {
        age::age(self.now(), Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH))
    }

    /// The user's own configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where it is kept.
    pub fn config_path(&self) -> Result<PathBuf> {
        Config::path(|name| self.world.var(name))
    }

    /// The context that the flags name, or the current one.
    pub fn named_context(&self) -> Option<&str> {
        self.flags.context.as_deref().or_else(|| self.kubeconfig.current_context())
    }

    /// Whether the flags say which cluster is meant.
    fn names_host(&self) -> bool {
        self.flags.context.is_some() || self.flags.cluster.is_some() || self.flags.server.is_some()
    }

    /// The context that leads to the host: `--context` and the like, then what `init` remembered,
    /// then the current context.
    fn host_context(&self) -> Option<&str> {
        match &self.config.host {
            Some(host) if !self.names_host() => Some(&host.context),
            _ => self.flags.context.as_deref(),
        }
    }

    fn host_endpoint(&self) -> Result<Endpoint> {
        Ok(self.kubeconfig.endpoint(self.host_context(), &self.overrides)?)
    }

    /// The namespace that the command is about: `-n`, or the one of the host's context, or
    /// `default`.
    pub fn namespace(&self) -> Result<String> {
        match &self.flags.namespace {
            Some(namespace) if !namespace.is_empty() => Ok(namespace.clone()),
            _ => Ok(self.host_endpoint()?.namespace().to_owned()),
        }
    }

    /// Whether `-n` was given.
    pub fn namespace_flag(&self) -> Option<&str> {
        self.flags.namespace.as_deref().filter(|namespace| !namespace.is_empty())
    }

    /// A connection by the flags alone, to make a host of it.
    pub fn dial_named(&self) -> Result<Connection> {
        let name = self.named_context().unwrap_or("host");
        let endpoint = self.kubeconfig.endpoint(self.flags.context.as_deref(), &self.overrides)?;
        Ok(self.dialer.dial(name, &endpoint)?)
    }

    /// The names of the kubeconfig's contexts.
    pub fn contexts(&self) -> impl Iterator<Item = &str> {
        self.kubeconfig.contexts()
    }

    /// Whether the kubeconfig has no context of that name.
    pub fn lacks_context(&self, context: &str) -> bool {
        self.kubeconfig.contexts().all(|name| name != context)
    }

    /// A connection to a cluster by its context, to make a member of it.
    pub fn dial_context(&self, name: &str, context: &str) -> Result<Connection> {
        let endpoint = self.kubeconfig.endpoint(Some(context), &self.overrides.everywhere())?;
        Ok(self.dialer.dial(name, &endpoint)?)
    }

    /// The host's store and its registry, the host's identity having been compared with what is
    /// known of it (G7).
    ///
    /// # Errors
    /// There is no registry: the hint names `init`.
    pub async fn federation(&self) -> Result<(Store, Registry)> {
        let context =
            self.host_context().or_else(|| self.kubeconfig.current_context()).unwrap_or("host");
        let host = self.dialer.dial(context, &self.host_endpoint()?)?;
        if let (Some(remembered), false) = (&self.config.host, self.names_host()) {
            let hint = "`kubectl federate init` remembered another cluster under this context: name the host with --context.";
            host.verify(&remembered.uid).await.map_err(|error| misled(error, hint))?;
        }
        let store = Store::new(host);
        let registry = store.registry().await?;
        let hint = "The registry was made in another cluster: name the host with --context.";
        store.host().verify(&registry.host).await.map_err(|error| misled(error, hint))?;
        Ok((store, registry))
    }

    /// The context by which this user reaches a member.
    pub fn context_of<'m>(&'m self, name: &str, member: &'m Member) -> &'m str {
        self.config.contexts.get(name).unwrap_or(&member.context)
    }

    /// Connects to members by name.
    pub async fn members(&self, registry: &Registry, names: BTreeSet<String>) -> Members {
        self.members_again(Members::default(), registry, names).await
    }

    /// Makes sure of members once more, and connects to those that there is no connection to.
    pub async fn members_again(
        &self,
        members: Members,
        registry: &Registry,
        names: BTreeSet<String>,
    ) -> Members {
        let everywhere = self.overrides.everywhere();
        let dial = |name: &str, member: &Member| {
            let context = self.context_of(name, member);
            self.dialer.dial(name, &self.kubeconfig.endpoint(Some(context), &everywhere)?)
        };
        members.reconnect(registry, names, dial).await
    }

    /// Connects to the members that settling these records may concern.
    pub async fn members_to_settle(&self, registry: &Registry, records: &[&Record]) -> Members {
        self.members(registry, concerned(registry, records)).await
    }

    /// Connects to the members that carry shards of these records.
    pub async fn members_of(&self, registry: &Registry, records: &[&Record]) -> Members {
        let shards = records.iter().flat_map(|record| record.shards.values());
        self.members(registry, shards.map(|shard| shard.cluster.clone()).collect()).await
    }
}

/// The members that settling these records may concern: those that carry shards, and where work is
/// to be opened all that take it.
pub fn concerned(registry: &Registry, records: &[&Record]) -> BTreeSet<String> {
    let opens = records.iter().any(|record| may_open(record));
    let carrying =
        records.iter().flat_map(|record| record.shards.values()).map(|shard| &shard.cluster);
    let taking =
        registry.members.iter().filter(|(_, member)| opens && member.state == MemberState::Ready);
    carrying.chain(taking.map(|(name, _)| name)).cloned().collect()
}

/// The error, with a hint where a context leads to another cluster than it should.
fn misled(error: cluster::Error, hint: &str) -> Error {
    let elsewhere = matches!(error, cluster::Error::WrongCluster { .. });
    let error = Error::from(error);
    if elsewhere { error.hint(hint) } else { error }
}
