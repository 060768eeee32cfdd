//! Another host than that of the command, which the user may have a context for.

use std::collections::BTreeSet;

use super::Session;
use crate::{error::Result, state::Store};

/// The host with this uid, by one of the user's contexts: the remembered one if it leads
/// there, or the first that does.
pub async fn other_host(session: &Session<'_>, uid: &str) -> Result<Option<Store>> {
    let remembered = session.config().host.as_ref().filter(|host| host.uid == uid);
    let context = match remembered.filter(|host| !session.lacks_context(&host.context)) {
        Some(host) => Some(host.context.clone()),
        None => {
            let asked = session.ask_contexts(None).await;
            asked.into_iter().find(|context| context.leads_to(uid)).map(|context| context.name)
        }
    };
    context.map(|name| Ok(Store::new(session.dial_context(&name, &name)?))).transpose()
}

/// The host that has a federation by now, from one that had it: each that answers says to which
/// host it was moved. Gives the uid of the last, and the host if a context leads there; none if it
/// is the one to restore on.
pub async fn last_host(
    session: &Session<'_>,
    first: String,
    new: &str,
    federation: &str,
) -> Result<(String, Option<Store>)> {
    let mut seen = BTreeSet::new();
    let mut uid = first;
    loop {
        if uid == new {
            return Ok((uid, None));
        }
        let Some(store) = other_host(session, &uid).await? else { return Ok((uid, None)) };
        store.host().wait_briefly();
        let next = store.any_registry().await.ok().filter(|it| it.uid == federation);
        let next = next.and_then(|it| it.moved).map(|moved| moved.uid);
        match next.filter(|next| next != new && seen.insert(uid.clone())) {
            Some(next) => uid = next,
            None => return Ok((uid, Some(store))),
        }
    }
}
