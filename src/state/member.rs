//! A member: what the registry says of a registered cluster.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Acceptance, Consent};
use crate::dns;

/// The most characters of a member's name. It is part of an annotation's key, which is limited.
const NAME_LENGTH: usize = 40;

/// The most characters of a label's value, and of its key after the prefix.
const LABEL_LENGTH: usize = 63;

/// A registered cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub struct Member {
    /// The kubeconfig context that led to it when it was registered. It is a hint, because each
    /// user has other names for contexts.
    pub context: String,
    /// Its identity: the uid of its `kube-system` namespace.
    pub uid: String,
    /// Its share of a Job relative to those of the other members, unless the Job has preferences; 0
    /// or more.
    pub weight: i32,
    /// The user's labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Whether it gets new work, and what becomes of the work that it has.
    pub state: MemberState,
    /// When it was registered, in seconds since 1970.
    pub registered: i64,
    /// Who declared it lost, and when. Set if and only if the state is [`MemberState::Lost`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<Acceptance>,
    /// Whether a drain stops running pods too, rather than let them finish. Only of a member that
    /// is [`MemberState::Draining`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stops_pods: bool,
    /// The lease that new shards there get. None for no lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<MemberLease>,
    /// The state to which it returns if it is not unregistered after all. Only of a member that is
    /// [`MemberState::Leaving`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_before: Option<MemberState>,
}

/// The lease of the shards in a member: once nobody has reached it for so long, its work is given
/// to others without a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub struct MemberLease {
    /// How long it is, in seconds; 1 or more.
    pub seconds: i64,
    /// Who asked for it, and when: they accepted that work which ended unseen runs again.
    pub consent: Consent,
}

/// Whether a member gets new work, and what becomes of the work that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MemberState {
    /// It gets new work.
    Ready,
    /// It gets no new work. The work that it has goes on.
    Cordoned,
    /// It gets no new work, and the work that it has is given to others without loss.
    Draining,
    /// It was declared lost. It gets no new work. What it was not seen to have done is given to
    /// others, and may run twice.
    Lost,
    /// It is being unregistered. It gets no new work, and no Job of a planned shard is created in
    /// it.
    Leaving,
}

impl Member {
    /// A cluster that is not registered, as a member in this state. `context` is a hint.
    pub fn unregistered(uid: &str, context: &str, state: MemberState) -> Self {
        Self {
            context: context.to_owned(),
            uid: uid.to_owned(),
            weight: 0,
            labels: BTreeMap::new(),
            state,
            registered: 0,
            stops_pods: false,
            lease: None,
            state_before: None,
            lost: None,
        }
    }

    /// The member with a lease of so many seconds, or none. `consent` says who asks for it. One of
    /// the same length stays that of whoever asked first.
    #[must_use]
    pub fn leased(&self, seconds: Option<i64>, consent: Option<&Consent>) -> Self {
        let before = self.lease.as_ref().map(|lease| lease.seconds);
        if before == seconds {
            return self.clone();
        }
        let lease = seconds.zip(consent);
        let lease =
            lease.map(|(seconds, consent)| MemberLease { seconds, consent: consent.clone() });
        Self { lease, ..self.clone() }
    }

    /// Checks that the entry is one that this program writes under this name. Whoever changes a
    /// member, and whoever reads one, asks this.
    ///
    /// # Errors
    /// A sentence that begins with the field, such as `weight: must be 0 or more`.
    pub fn check(&self, name: &str) -> Result<(), String> {
        if !is_member_name(name) {
            return Err(format!("its name must have {NAME_RULE}"));
        }
        if self.uid.is_empty() {
            return Err("uid: must be that of a cluster".to_owned());
        }
        if self.weight < 0 {
            return Err("weight: must be a whole number, 0 or more".to_owned());
        }
        for (key, value) in &self.labels {
            check_label(key, value).map_err(|why| format!("labels: {key:?}: {why}"))?;
        }
        if self.lease.as_ref().is_some_and(|lease| lease.seconds < 1) {
            return Err("lease: must be a second or more".to_owned());
        }
        let is_lost = [Some(self.state), self.state_before].contains(&Some(MemberState::Lost));
        if self.lost.is_some() != is_lost {
            return Err("lost: must be there if and only if the state is lost".to_owned());
        }
        Ok(())
    }

    /// The member while it is being unregistered.
    #[must_use]
    pub fn leaving(&self) -> Self {
        let state_before = (self.state != MemberState::Leaving).then_some(self.state);
        Self {
            state: MemberState::Leaving,
            state_before: state_before.or(self.state_before),
            ..self.clone()
        }
    }

    /// The member after it was not unregistered: in the state that it had before. It is ready where
    /// that was not written down.
    #[must_use]
    pub fn staying(&self) -> Self {
        match self.state {
            MemberState::Leaving => Self {
                state: self.state_before.unwrap_or(MemberState::Ready),
                state_before: None,
                ..self.clone()
            },
            _ => self.clone(),
        }
    }
}

/// What a member's name must have.
pub const NAME_RULE: &str =
    "at most 40 lower-case letters, digits and hyphens, with no hyphen at either end";

/// Whether a member can have this name.
pub fn is_member_name(name: &str) -> bool {
    member_name(name).as_deref() == Some(name)
}

/// A member's name made from the name of a context: a DNS label of at most 40 characters.
///
/// Each character that a DNS label cannot have becomes a hyphen. Of a long name the end is kept,
/// because names such as `arn:…:cluster/NAME` differ there. `None` if nothing is left.
pub fn member_name(context: &str) -> Option<String> {
    let mapped: String = context
        .chars()
        .map(|c| c.to_ascii_lowercase())
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' })
        .collect();
    let start = mapped.len().saturating_sub(NAME_LENGTH);
    let name = mapped[start..].trim_matches('-');
    (!name.is_empty()).then(|| name.to_owned())
}

/// Checks a label of a member by Kubernetes' rules.
///
/// # Errors
/// What a key or a value may be, in Kubernetes' words.
pub fn check_label(key: &str, value: &str) -> Result<(), String> {
    let (prefix, name) =
        key.rsplit_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    if prefix.is_some_and(|prefix| !dns::is_subdomain(prefix)) {
        return Err(
            "prefix part of the key must be a lowercase RFC 1123 subdomain, of at most 253 \
            characters"
                .into(),
        );
    }
    if name.len() > LABEL_LENGTH || !is_qualified(name) {
        return Err(format!(
            "name part of the key must consist of at most {LABEL_LENGTH} alphanumeric characters, \
            '-', '_' or '.', and must start and end with an alphanumeric character"
        ));
    }
    if value.len() > LABEL_LENGTH || !(value.is_empty() || is_qualified(value)) {
        return Err(format!(
            "a valid label must be an empty string or consist of at most {LABEL_LENGTH} \
            alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric \
            character"
        ));
    }
    Ok(())
}

/// `(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])`.
fn is_qualified(text: &str) -> bool {
    let ends = [text.bytes().next(), text.bytes().last()];
    ends.iter().all(|end| end.is_some_and(|byte| byte.is_ascii_alphanumeric()))
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

impl MemberState {
    /// Whether a member in this state gets new work, whatever preferences say.
    pub fn takes_work(self) -> bool {
        self == Self::Ready
    }

    /// The word for it in tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Cordoned => "Cordoned",
            Self::Draining => "Draining",
            Self::Lost => "Lost",
            Self::Leaving => "Leaving",
        }
    }
}

#[cfg(test)]
impl Member {
    /// A ready member for tests, with each field set that a registration sets.
    pub(in crate::state) fn ready(uid: &str) -> Self {
        Self {
            context: "gke_p_eu_a".into(),
            uid: uid.into(),
            weight: 2,
            labels: [("zone".to_owned(), "eu".to_owned())].into(),
            state: MemberState::Ready,
            registered: 7,
            lost: None,
            stops_pods: false,
            lease: None,
            state_before: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_is_not_unregistered_after_all_has_the_state_that_it_had() {
        for state in [MemberState::Ready, MemberState::Cordoned, MemberState::Draining] {
            let stops_pods = state == MemberState::Draining;
            let before = Member { state, stops_pods, ..Member::ready("e") };
            let leaving = before.leaving();
            assert_eq!(leaving.state, MemberState::Leaving, "{state:?}");
            assert_eq!(leaving.leaving(), leaving, "an interrupted command is repeated");
            assert_eq!(leaving.staying(), before, "{state:?}");
            assert_eq!(before.staying(), before, "{state:?}");
        }
        let unknown = Member { state: MemberState::Leaving, ..Member::ready("e") };
        assert_eq!(unknown.staying(), Member::ready("e"));
    }

    #[test]
    fn names_come_from_contexts() {
        for (context, name) in [
            ("east", Some("east")),
            ("kind-East", Some("kind-east")),
            ("admin@k8s.example.com:6443", Some("admin-k8s-example-com-6443")),
            (
                "arn:aws:eks:eu-west-1:123456789012:cluster/prod",
                Some("eks-eu-west-1-123456789012-cluster-prod"),
            ),
            ("@@", None),
        ] {
            assert_eq!(member_name(context).as_deref(), name, "{context}");
        }
    }
}
