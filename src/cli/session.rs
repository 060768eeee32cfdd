//! What one command works with: the kubeconfig, the host, the members, the terminal, the clock.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use jiff::Timestamp;
use serde_json::Value;

use super::{Config, ConnectionFlags, Document, World, left::Left};
use crate::{
    cluster::{self, Connection, Dialer, Endpoint, Kubeconfig, Kuberc, Overrides, PluginPolicy},
    error::{Error, Result},
    federation::{self, Access, AskedContext, Federation, Manifests, Observer, ask_contexts},
    print::{Output, age, federate},
    reconcile::server_time,
    state::{self, Member},
};

/// One command's surroundings.
pub struct Session<'a> {
    world: &'a World,
    flags: &'a ConnectionFlags,
    overrides: Overrides,
    kubeconfig: Kubeconfig,
    config: Config,
    dialer: Dialer,
    /// Whether the command writes to no cluster, so that members that do not answer are not waited
    /// for long.
    only_looks: bool,
    /// Which credential plugins may run.
    policy: PluginPolicy,
    /// The members to which no context of this user was found to lead.
    astray: Mutex<BTreeSet<String>>,
    /// The connection to the host, once there is one.
    host: OnceLock<Connection>,
}

impl<'a> Session<'a> {
    /// Reads the kubeconfig and the user's configuration; nothing is sent. `only_looks` says that
    /// the command writes to no cluster.
    pub fn new(world: &'a World, flags: &'a ConnectionFlags, only_looks: bool) -> Result<Self> {
        let overrides = flags.overrides();
        let kubeconfig = Kubeconfig::load(flags.kubeconfig.as_deref(), |name| world.var(name))?;
        let config = Config::load(&Config::path(|name| world.var(name))?)?;
        let policy = plugin_policy(world, flags)?;
        let dialer = world.dialer(true, policy.clone());
        let host = OnceLock::new();
        Ok(Self {
            world,
            flags,
            overrides,
            kubeconfig,
            config,
            dialer,
            only_looks,
            policy,
            astray: Mutex::default(),
            host,
        })
    }

    /// Where everything is printed.
    pub fn output(&self) -> &Arc<Output> {
        &self.world.output
    }

    /// What is said where the user ends the command early.
    pub fn left(&self) -> &Left {
        &self.world.left
    }

    /// The world around the process.
    pub fn world(&self) -> &World {
        self.world
    }

    /// The time by the host's clock, because what is shown as an age was written by it; the local
    /// time before the host's first answer.
    pub fn now(&self) -> Timestamp {
        let local = (self.world.now)();
        self.host.get().map_or(local, |host| server_time(host, local))
    }

    /// How long ago something was, as kubectl writes it; `second` counts from 1970, by the host's
    /// clock.
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

    /// The context that the flags name, or the current one. None where `--server` or `--cluster`
    /// is given: the context alone may lead elsewhere.
    pub fn named_context(&self) -> Option<&str> {
        let named = self.flags.context().or_else(|| self.kubeconfig.current_context());
        named.filter(|_| !self.flags.name_a_server())
    }

    /// The context of the host: the one that the flags name, then what `init` remembered, then the
    /// current one. None where `--server` or `--cluster` is given: the context alone may lead
    /// elsewhere.
    pub fn used_context(&self) -> Option<&str> {
        let context = self.host_context().or_else(|| self.kubeconfig.current_context());
        context.filter(|_| !self.flags.name_a_server())
    }

    /// Whether the flags say which cluster is meant.
    pub fn names_host(&self) -> bool {
        self.flags.context().is_some() || self.flags.name_a_server()
    }

    /// The context that leads to the host: `--context` and the like, then what `init` remembered,
    /// then the current context.
    fn host_context(&self) -> Option<&str> {
        match &self.config.host {
            Some(host) if !self.names_host() => Some(&host.context),
            _ => self.flags.context(),
        }
    }

    /// What tells the host of this command from those of others, so far as the kubeconfig says it.
    pub fn host_key(&self) -> String {
        let server = self.host_endpoint().map(|endpoint| endpoint.server().to_string());
        format!("{} {}", self.host_context().unwrap_or_default(), server.unwrap_or_default())
    }

    fn host_endpoint(&self) -> Result<Endpoint> {
        let endpoint = self.kubeconfig.endpoint(self.host_context(), &self.overrides);
        endpoint.map_err(|error| {
            let remembered = self.config.host.is_some() && !self.names_host();
            if !remembered || !matches!(error, cluster::Error::NoContext { .. }) {
                return error.into();
            }
            let init = federate("init", ["--context=CONTEXT"]);
            let file = self.config_path().map(|path| path.display().to_string());
            Error::from(error).hint(format!(
                "It is remembered as the context of the host, in {}. If the host has another \
                 context by now, {init} remembers that one.",
                file.unwrap_or_default()
            ))
        })
    }

    /// What is said where a host has no federation. If another host is remembered, that one is
    /// meant, and a second federation is not.
    fn not_opened(&self, error: federation::Error) -> Error {
        let is_empty = matches!(error, federation::Error::State(state::Error::NoRegistry { .. }));
        let error = Error::from(error);
        let Some(host) = self.config.host.as_ref().filter(|_| is_empty && self.names_host()) else {
            return error;
        };
        if self.named_context() == Some(&host.context) {
            return error;
        }
        let flags = if self.flags.name_a_server() { "--server and --cluster" } else { "--context" };
        let narrowed = if self.only_looks {
            " --clusters=NAME narrows what `job get` and the like show to one cluster."
        } else {
            ""
        };
        let remembered = &host.context;
        error.hint(format!(
            "The host that is remembered is {remembered:?}: leave {flags} out.{narrowed}"
        ))
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
        let endpoint = self.kubeconfig.endpoint(self.flags.context(), &self.overrides)?;
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

    /// Asks the clusters of all contexts which they are, side by side. No credential plugin may ask
    /// for something meanwhile: nobody could tell for which of the clusters.
    pub async fn ask_contexts(&self, rights_in: Option<&str>) -> Vec<AskedContext> {
        let dialer = self.unasking_dialer();
        let mut contexts: Vec<_> = self.contexts().map(str::to_owned).collect();
        contexts.sort_unstable();
        let dial = |context: String| {
            let endpoint = self.kubeconfig.endpoint(Some(&context), &self.overrides.everywhere());
            let connection = endpoint.and_then(|endpoint| dialer.dial(&context, &endpoint));
            (context, connection)
        };
        ask_contexts(contexts.into_iter().map(dial), rights_in).await
    }

    /// Notes that the user's context does not lead to a member.
    pub fn note_astray(&self, member: &str) {
        self.astray.lock().unwrap_or_else(PoisonError::into_inner).insert(member.to_owned());
    }

    /// The members to which the user's contexts were found not to lead.
    pub fn astray(&self) -> Vec<String> {
        self.astray.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Remembers by which contexts this user reaches members; by the registered one where there is
    /// none.
    ///
    /// # Errors
    /// The configuration cannot be written.
    pub fn remember(
        &self,
        contexts: impl IntoIterator<Item = (String, Option<String>)>,
    ) -> Result<()> {
        let path = self.config_path()?;
        let before = Config::load(&path)?;
        let mut config = before.clone();
        for (member, context) in contexts {
            match context {
                Some(context) => config.contexts.insert(member, context),
                None => config.contexts.remove(&member),
            };
        }
        if config == before { Ok(()) } else { config.save(&path) }
    }

    /// A connection to the host; nothing is sent.
    ///
    /// # Errors
    /// The kubeconfig does not lead there.
    pub fn host(&self) -> Result<&Connection> {
        let context =
            self.host_context().or_else(|| self.kubeconfig.current_context()).unwrap_or("host");
        let host = self.dialer.dial_host(context, &self.host_endpoint()?)?;
        Ok(self.host.get_or_init(|| host))
    }

    /// The uid that the host has by the user's own configuration, if that is how it is found.
    pub fn remembered_host(&self) -> Option<&str> {
        let remembered = self.config.host.as_ref().filter(|_| !self.names_host());
        remembered.map(|host| host.uid.as_str())
    }

    /// The federation of the host, the host's identity having been compared with what is known of
    /// it (G7). `observer` hears what requests say.
    ///
    /// # Errors
    /// There is no registry: the hint names `init`.
    pub async fn federation<'s>(&'s self, observer: &'s dyn Observer) -> Result<Federation<'s>> {
        self.federation_about(&[], None, observer).await
    }

    /// The same for a command that begins with the records of the Jobs of these names: they are
    /// read at the same time.
    ///
    /// # Errors
    /// As [`Session::federation`].
    pub async fn federation_about<'s>(
        &'s self,
        names: &[String],
        namespace: Option<&str>,
        observer: &'s dyn Observer,
    ) -> Result<Federation<'s>> {
        let host = self.host()?.clone();
        let job = |name: &String| Some((namespace?.to_owned(), name.clone()));
        let jobs: BTreeSet<_> = names.iter().filter_map(job).collect();
        let opened = Federation::open(host, self.remembered_host(), jobs, self, observer).await;
        opened.map_err(|error| self.not_opened(error))
    }

    /// The context by which this user reaches a member.
    pub fn context_of<'m>(&'m self, name: &str, member: &'m Member) -> &'m str {
        self.config.contexts.get(name).unwrap_or(&member.context)
    }

    /// Dials by which no credential plugin asks for anything.
    pub fn unasking_dialer(&self) -> Dialer {
        self.world.dialer(false, self.policy.clone())
    }

    /// A connection to a member by this user's context; nothing is sent.
    ///
    /// # Errors
    /// The kubeconfig does not lead there.
    pub fn dial_member(
        &self,
        dialer: &Dialer,
        name: &str,
        member: &Member,
    ) -> Result<Connection, cluster::Error> {
        let context = self.context_of(name, member);
        let endpoint = self.kubeconfig.endpoint(Some(context), &self.overrides.everywhere())?;
        dialer.dial(name, &endpoint)
    }

    /// The rules for taking objects as manifests.
    ///
    /// # Errors
    /// The kubeconfig does not say in which namespace an object is that names none.
    pub fn manifests<T>(
        &self,
        documents: Vec<Document>,
        read: impl FnOnce(Manifests<'_>, Vec<(String, Value)>) -> Result<T, federation::Error>,
    ) -> Result<T> {
        let default_namespace = &self.namespace()?;
        let rules = Manifests { default_namespace, asked_namespace: self.namespace_flag() };
        let objects = documents.into_iter().map(|document| (document.source, document.object));
        Ok(read(rules, objects.collect())?)
    }
}

/// Which credential plugins the user's kuberc lets run. What kubectl says of the file and goes on,
/// is told.
fn plugin_policy(world: &World, flags: &ConnectionFlags) -> Result<PluginPolicy> {
    let switch = world.var("KUBECTL_KUBERC").unwrap_or_default();
    let explicit = flags.kuberc.as_deref();
    if switch.eq_ignore_ascii_case("false") {
        return match explicit {
            None => Ok(PluginPolicy::default()),
            Some(_) => Err(Error::new("unknown flag: --kuberc, because KUBECTL_KUBERC is false")),
        };
    }
    let kuberc = Kuberc::load(explicit, |name| world.var(name)).map_err(|why| {
        Error::verbatim(format!("error occurred while applying preferences {why}"))
    })?;
    if let Some(warning) = kuberc.warning {
        world.output.note(warning);
    }
    Ok(kuberc.policy)
}

impl Access for Session<'_> {
    fn dial(&self, name: &str, member: &Member) -> Result<Connection, cluster::Error> {
        let connection = self.dial_member(&self.dialer, name, member)?;
        if self.only_looks {
            connection.wait_briefly();
        }
        Ok(connection)
    }

    fn context<'m>(&'m self, name: &str, member: &'m Member) -> &'m str {
        self.context_of(name, member)
    }

    fn now(&self) -> Timestamp {
        (self.world.now)()
    }
}
