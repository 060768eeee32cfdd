//! Another host than that of the command, which the user may have a context for.

use super::Session;
use crate::{
    error::{Error, Result},
    state::Store,
};

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

/// What is said where the federation has a host that answers, and nobody has named the one that is
/// to take its place.
pub fn leaves_unnamed(before: &str, host: &str) -> Error {
    Error::new(format!(
        "the federation has the host {before:?}, which answers, and no flag says that host \
         {host:?} is to take its place"
    ))
    .hint(format!("Name the host of the federation with --context: {before:?}, or another one."))
}
