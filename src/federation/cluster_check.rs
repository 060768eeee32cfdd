//! Whether the host and the members can be used, and whether another host acts for the federation
//! beside: what `cluster check` asks. Nothing is written.

use jiff::SignedDuration;

use super::{
    error::Error,
    event::LeadsTo,
    open::Federation,
    rights::{AskedRight, IN_MEMBER, ON_HOST, Right, ask_rights},
};
use crate::{
    cluster::{self, Connection, Denial, Minor, fan_out},
    reconcile::{TOLERATED_SKEW, plausible_skew},
    state::{self, Member, MemberState, Store, Unmarked},
};

/// Which clusters are to be checked.
#[derive(Debug, Clone, Copy)]
pub enum ToCheck<'a> {
    /// The host and all members.
    All,
    /// The host alone.
    Host,
    /// The members of these names.
    Members(&'a [String]),
}

/// A cluster that was checked.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The member's name; of the host the context by which it is reached.
    pub name: String,
    /// The state of a member; none for the host.
    pub state: Option<MemberState>,
    /// The kubeconfig context by which this user reaches it.
    pub context: String,
    /// What it answered; or why it could not be asked.
    pub answer: Result<Answer, String>,
    /// How it keeps this user out, if it answered that.
    pub denial: Option<Denial>,
}

/// What a cluster answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Whether it is the cluster that was registered. Another one is asked nothing more.
    pub identity: Identity,
    /// The version of its server, such as `v1.36.3`; none where it does not say.
    pub version: Option<String>,
    /// How far the clock of a member is ahead of the host's, and the host's of the local one;
    /// negative where it is behind. None where the server tells no believable time.
    pub ahead: Option<SignedDuration>,
    /// The user, as this cluster knows them; none where it does not say.
    pub user: Option<String>,
    /// The rights that are needed, in the order of the manifests.
    pub rights: Vec<AskedRight>,
}

/// Whether a cluster is the one that was registered, by the uid of its namespace `kube-system`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// It is.
    Same,
    /// It is another one.
    Other {
        /// A sentence with both uids.
        why: String,
        /// Whether the federation knows that one: as another member, as the host, or as a cluster
        /// that was a member before.
        is_known: bool,
    },
    /// It cannot be told, because the user lacks a right.
    Unknown,
}

/// A host that could not be marked as moved when the federation was restored on this one, and that
/// is not known to be by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnmarkedHost {
    /// Its uid.
    pub uid: String,
    /// The context by which whoever restored the federation would reach it; empty where they knew
    /// none.
    pub context: String,
    /// Whether it answers, and so gives out the same work.
    pub answers: bool,
}

impl Checked {
    /// Whether all that is needed is there. A lost member need not answer.
    pub fn passes(&self) -> bool {
        match &self.answer {
            Ok(answer) => {
                let mut missing = answer.missing();
                answer.identity == Identity::Same && missing.all(|asked| asked.right.is_optional)
            }
            Err(_) => self.state == Some(MemberState::Lost),
        }
    }
}

impl Answer {
    /// The rights that the user lacks.
    pub fn missing(&self) -> impl Iterator<Item = &AskedRight> {
        self.rights.iter().filter(|asked| !asked.is_granted)
    }

    /// Whether its server is of a version that is tested; none where it does not say its version.
    pub fn is_tested(&self) -> Option<bool> {
        let version = self.version.as_deref()?;
        Some(Minor::of(version).is_some_and(Minor::is_tested))
    }

    /// By how many seconds its clock is ahead, if that is more than is tolerated.
    pub fn skewed(&self) -> Option<i64> {
        self.ahead.filter(|ahead| ahead.abs() > TOLERATED_SKEW).map(|ahead| ahead.as_secs())
    }
}

/// Checks a host. `uid` is the one that the registry has of it; none where the registry could not
/// be read. `jobs` is the namespace of the user's Jobs; none for all.
pub async fn check_host(host: &Connection, uid: Option<&str>, jobs: Option<&str>) -> Checked {
    let (name, context) = (host.name().to_owned(), host.name().to_owned());
    let answer = ask(host, uid, ON_HOST, jobs, |_| false).await;
    let denial = answer.as_ref().err().and_then(cluster::Error::denial);
    let answer = answer.map_err(|error| error.to_string());
    Checked { name, state: None, context, answer, denial }
}

impl Federation<'_> {
    /// Checks clusters, side by side, the host first in the answer. One that does not answer costs
    /// the time of one request. `jobs` is the namespace of the user's Jobs; none for all.
    ///
    /// # Errors
    /// A name that is no member's.
    pub async fn check_clusters(
        &self,
        which: ToCheck<'_>,
        jobs: Option<&str>,
    ) -> Result<Vec<Checked>, Error> {
        if let ToCheck::Members(names) = which {
            let unknown = names.iter().find(|name| !self.registry.members.contains_key(*name));
            if let Some(name) = unknown {
                return Err(Error::not_registered(name, &self.registry));
            }
        }
        let host = async {
            if matches!(which, ToCheck::Members(_)) {
                return None;
            }
            Some(check_host(self.store.host(), Some(&self.registry.host), jobs).await)
        };
        let is_chosen = |name: &String| match which {
            ToCheck::All => true,
            ToCheck::Host => false,
            ToCheck::Members(names) => names.contains(name),
        };
        let members = self.registry.members.iter().filter(|(name, _)| is_chosen(name));
        let members = fan_out(members, |(name, member)| self.check_member(name, member, jobs));
        let (host, members) = tokio::join!(host, members);
        Ok(host.into_iter().chain(members).collect())
    }

    /// The hosts that are not known to be marked as moved. `dial` connects by a context, if the
    /// user has it. One that does not answer costs a few seconds.
    pub async fn unmarked_hosts(
        &self,
        dial: impl Fn(&str) -> Option<Connection>,
    ) -> Vec<UnmarkedHost> {
        let ask = async |(uid, Unmarked { context }): (&String, &Unmarked)| {
            let host = UnmarkedHost { uid: uid.clone(), context: context.clone(), answers: false };
            let Some(connection) = dial(context) else { return Some(host) };
            match self.acts(uid, connection).await {
                Some(false) => None,
                None => Some(host),
                Some(true) => Some(UnmarkedHost { answers: true, ..host }),
            }
        };
        fan_out(&self.registry.unmarked, ask).await.into_iter().flatten().collect()
    }

    /// Whether the cluster with this uid is a host of this federation that is not marked as moved;
    /// none if it does not say. It is not waited for long.
    pub async fn acts(&self, uid: &str, host: Connection) -> Option<bool> {
        host.wait_briefly();
        host.verify(uid).await.ok()?;
        match Store::new(host).any_registry().await {
            Err(state::Error::NoRegistry { .. }) => Some(false),
            Err(_) => None,
            Ok(it) => Some(it.uid == self.registry.uid && it.moved.is_none()),
        }
    }

    async fn check_member(&self, name: &str, member: &Member, jobs: Option<&str>) -> Checked {
        let answer = match self.access.dial(name, member) {
            Ok(connection) => {
                let is_known = |error: &cluster::Error| match error {
                    cluster::Error::WrongCluster { found, .. } => {
                        self.leads_to(found) != LeadsTo::Stranger
                    }
                    _ => false,
                };
                let answer = ask(&connection, Some(&member.uid), IN_MEMBER, jobs, is_known).await;
                answer.map(|answer| self.by_the_hosts_clock(answer))
            }
            Err(error) => Err(error),
        };
        Checked {
            name: name.to_owned(),
            state: Some(member.state),
            context: self.access.context(name, member).to_owned(),
            denial: answer.as_ref().err().and_then(cluster::Error::denial),
            answer: answer.map_err(|error| error.to_string()),
        }
    }

    fn by_the_hosts_clock(&self, answer: Answer) -> Answer {
        let host = plausible_skew(self.store.host()).unwrap_or(SignedDuration::ZERO);
        Answer { ahead: answer.ahead.map(|ahead| ahead - host), ..answer }
    }
}

/// Asks a cluster who it is, and then everything else at once. Another one than the registered is
/// asked nothing else; `is_known` says whether the federation knows it.
async fn ask(
    connection: &Connection,
    uid: Option<&str>,
    rights: &'static [Right],
    jobs: Option<&str>,
    is_known: impl Fn(&cluster::Error) -> bool,
) -> Result<Answer, cluster::Error> {
    let identity = match (connection.identity().await, uid) {
        (Err(error), _) if error.hides_identity() => Identity::Unknown,
        (Err(error), _) => return Err(error),
        (Ok(_), None) => Identity::Unknown,
        (Ok(_), Some(uid)) => match connection.verify(uid).await {
            Ok(()) => Identity::Same,
            Err(error) => Identity::Other { why: error.to_string(), is_known: is_known(&error) },
        },
    };
    let (version, user, asked) = if matches!(identity, Identity::Other { .. }) {
        (None, None, Vec::new())
    } else {
        let asked = ask_rights(connection, rights, jobs);
        let (version, user, asked) =
            tokio::join!(connection.server_version(), connection.user_name(), asked);
        (version.ok(), user.ok().flatten(), asked?)
    };
    let ahead = plausible_skew(connection);
    Ok(Answer { identity, version, ahead, user, rights: asked })
}
