//! A member is cordoned, labelled or weighed. Only the registry is written: no answer of the
//! cluster is needed.

use super::{error::Error, open::Federation};
use crate::state::{Member, MemberChange, MemberState, Registry};

/// A change of the labels of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelChange {
    /// The label gets this value.
    Set(String, String),
    /// The label with this key is removed.
    Remove(String),
}

/// Checks a member that is to be written. One that a reader would refuse is not written.
///
/// # Errors
/// [`Error::InvalidMember`].
pub(super) fn checked(name: &str, member: &Member) -> Result<(), Error> {
    let invalid = |why| Error::InvalidMember { name: name.to_owned(), why };
    member.check(name).map_err(invalid)
}

impl Federation<'_> {
    /// The registry's entry of a member.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn member(&self, name: &str) -> Result<&Member, Error> {
        self.registry.members.get(name).ok_or_else(|| Error::not_registered(name, &self.registry))
    }

    /// Changes a member as a compare-and-swap. Gives whether anything changed.
    ///
    /// # Errors
    /// There is no such member.
    pub(super) async fn change_member(
        &mut self,
        name: &str,
        change: impl Fn(&Member) -> Member,
    ) -> Result<bool, Error> {
        self.try_change_member(name, |member| Ok(change(member))).await
    }

    /// The same, where a member may not be changed so.
    async fn try_change_member(
        &mut self,
        name: &str,
        change: impl Fn(&Member) -> Result<Member, Error>,
    ) -> Result<bool, Error> {
        let make = async |registry: &Registry| {
            let member =
                registry.members.get(name).ok_or_else(|| Error::not_registered(name, registry))?;
            let changed = change(member)?;
            checked(name, &changed)?;
            Ok::<_, Error>(if changed == *member {
                MemberChange::Keep
            } else {
                MemberChange::Set(changed)
            })
        };
        let changed = self.store.update_member(Registry::clone(&self.registry), name, make).await?;
        self.registry = self.store.registry().await?.into();
        Ok(changed != MemberChange::Keep)
    }

    /// Keeps new work from a member. The work that it has goes on. This ends a drain. A lost member
    /// stays lost. Gives whether anything changed.
    ///
    /// # Errors
    /// There is no such member.
    pub async fn cordon(&mut self, name: &str) -> Result<bool, Error> {
        let cordoned = |member: &Member| match member.state {
            MemberState::Lost | MemberState::Leaving => member.clone(),
            MemberState::Ready | MemberState::Cordoned | MemberState::Draining => {
                Member { state: MemberState::Cordoned, stops_pods: false, ..member.clone() }
            }
        };
        self.change_member(name, cordoned).await
    }

    /// Lets a member get new work again, whatever kept it from that. Gives whether anything
    /// changed.
    ///
    /// # Errors
    /// There is no such member.
    pub async fn uncordon(&mut self, name: &str) -> Result<bool, Error> {
        let ready = |member: &Member| Member {
            state: MemberState::Ready,
            lost: None,
            stops_pods: false,
            state_before: None,
            ..member.clone()
        };
        self.change_member(name, ready).await
    }

    /// Sets a member's weight, 0 or more. Gives whether anything changed.
    ///
    /// # Errors
    /// There is no such member.
    pub async fn weigh(&mut self, name: &str, weight: i32) -> Result<bool, Error> {
        self.change_member(name, |member| Member { weight, ..member.clone() }).await
    }

    /// Sets how long the shards that a member gets from now on may run without contact, in seconds;
    /// none for no lease. Gives whether anything changed.
    ///
    /// # Errors
    /// There is no such member.
    pub async fn lease(&mut self, name: &str, seconds: Option<i64>) -> Result<bool, Error> {
        let consent = self.consent().await;
        self.change_member(name, |member| member.leased(seconds, Some(&consent))).await
    }

    /// Changes a member's labels. Gives whether anything changed.
    ///
    /// # Errors
    /// There is no such member; or a label has another value, and `overwrite` is not given.
    pub async fn label(
        &mut self,
        name: &str,
        changes: &[LabelChange],
        overwrite: bool,
    ) -> Result<bool, Error> {
        let labelled = |member: &Member| {
            let mut member = member.clone();
            for change in changes {
                match change {
                    LabelChange::Set(key, value) => {
                        let before = member.labels.insert(key.clone(), value.clone());
                        let taken = before.filter(|before| before != value && !overwrite);
                        if let Some(value) = taken {
                            return Err(Error::LabelTaken { key: key.clone(), value });
                        }
                    }
                    LabelChange::Remove(key) => {
                        member.labels.remove(key);
                    }
                }
            }
            Ok(member)
        };
        self.try_change_member(name, labelled).await
    }
}
