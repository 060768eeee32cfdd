//! Hosts that were not marked as moved when the federation was restored on another one.

use super::Session;
use crate::{
    federation::{Federation, UnmarkedHost},
    print::federate_on_host,
};

/// The hosts before that may give out the same work, by the contexts of this user.
pub async fn unmarked(session: &Session<'_>, federation: &Federation<'_>) -> Vec<UnmarkedHost> {
    let dial = |context: &str| {
        let is_known = !context.is_empty() && !session.lacks_context(context);
        is_known.then(|| session.dial_context(context, context).ok()).flatten()
    };
    federation.unmarked_hosts(dial).await
}

/// What is to be done about a host that could not be marked as moved. `host` is the context of this
/// one.
pub fn about_unmarked(before: &UnmarkedHost, host: &str) -> String {
    let (which, context) = match before.context.as_str() {
        "" => (format!("the host before, with uid {},", before.uid), "CONTEXT"),
        context => (format!("host {context:?}"), context),
    };
    let marks = federate_on_host("init", [format!("--from={context}")], host);
    let since = format!("{which} was not marked as moved when the federation was restored here");
    if before.answers {
        format!("{since}, and answers: both give out the same work. Run {marks} now")
    } else {
        let forget = [format!("--forget={}", before.uid)];
        let forgets = federate_on_host("orphans clean", forget, host);
        format!(
            "{since}, and is not known to be by now. If it is used again, both give out the same \
             work: once it answers, run {marks} before anything else. Only if it is gone for good, \
             {forgets} forgets it"
        )
    }
}

/// Warns of those that answer. It is asked beside what the command does, and only where there are
/// such hosts.
pub async fn name_those_that_act(session: &Session<'_>, federation: &Federation<'_>) {
    let host = federation.store.host().name();
    for before in unmarked(session, federation).await.iter().filter(|before| before.answers) {
        session.output().warning(None, &about_unmarked(before, host));
    }
}
