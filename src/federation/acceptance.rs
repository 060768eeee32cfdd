//! Who asks for what may run work twice. The record remembers it.

use super::open::Federation;
use crate::{
    cluster::Connection,
    job::Manifest,
    state::{Acceptance, Accepted, Consent},
};

/// An acceptance by the user of this connection to a host. `now` is in seconds since 1970.
pub(super) async fn accepted(
    host: &Connection,
    what: Accepted,
    detail: &str,
    now: i64,
) -> Acceptance {
    Acceptance::new(what, detail, &user(host).await, now)
}

/// The user, as the host knows them (`SelfSubjectReview`); or a sentence that says why the host
/// does not tell. So nothing fails because of it.
async fn user(host: &Connection) -> String {
    match host.user_name().await {
        Ok(Some(name)) => name,
        Ok(None) => "the host knows no name for the user".to_owned(),
        Err(error) => format!("the host did not say who: {error}"),
    }
}

impl Federation<'_> {
    /// An acceptance by this user, now. `detail` is a phrase that says which work may run twice.
    /// Write it with [`Record::accept`](crate::state::Record::accept), in the same
    /// compare-and-swap as the change that it is about.
    pub(super) async fn acceptance(&self, what: Accepted, detail: &str) -> Acceptance {
        accepted(self.store.host(), what, detail, self.now().as_second()).await
    }

    /// The consent of this user, now.
    pub(super) async fn consent(&self) -> Consent {
        Consent { who: user(self.store.host()).await, when: self.now().as_second() }
    }

    /// Who asks for the lease in a manifest's annotation; none without one.
    pub(super) async fn lease_consent(&self, manifest: &Manifest) -> Option<Consent> {
        match manifest.lease().flatten() {
            Some(_) => Some(self.consent().await),
            None => None,
        }
    }
}
