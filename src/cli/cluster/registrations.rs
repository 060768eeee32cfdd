//! Clusters are registered, and what came of it is printed.

use super::steps;
use crate::{
    cli::session::Session,
    cluster::Connection,
    error::{Error, Result},
    federation::{self, AskedRight, Federation, Registered, Registration},
    job::lease_text,
    print::{counted, federate, federate_on_host, kubectl_line, listed},
    state::{Member, NAME_RULE, is_member_name, member_name},
};

/// What to do where the certificate of a server is not trusted.
const DISTRUSTED: &str = "The certificate of its server is not trusted. In the kubeconfig, \
    certificate-authority-data of the cluster says who may sign it, and tls-server-name which name \
    it must have.";

/// Registers clusters in one write, or changes what is given anew, and prints what came of each.
/// One that cannot be registered does not keep the others from it. `others` is how many more the
/// command is about, of which that is said elsewhere.
///
/// # Errors
/// For each of them: its name is none, its context does not lead to a cluster, or it cannot be
/// registered.
pub async fn register(
    session: &Session<'_>,
    federation: &Federation<'_>,
    registrations: impl IntoIterator<Item = Registration>,
    others: usize,
) -> Result<()> {
    let (mut clusters, mut errors) = (Vec::new(), Vec::new());
    for registration in registrations {
        match dial(session, &registration) {
            Ok(connection) => clusters.push((connection, registration)),
            Err(error) => errors.push((registration.name, error)),
        }
    }
    let count = clusters.len() + errors.len() + others;
    let names = clusters.iter().map(|(_, registration)| &*registration.name);
    steps::begin_together(session, names, "registered");
    let registered = federation.register(&clusters, &session.namespace()?).await;
    let names = || clusters.iter().map(|(_, registration)| &*registration.name);
    let registered = registered.map_err(|error| match clusters.len() {
        1 if count == 1 => error.into(),
        _ => about_all(&listed(&names().collect::<Vec<_>>()), &error.into()),
    })?;
    let mut new = Vec::new();
    for ((connection, registration), registered) in clusters.iter().zip(registered) {
        let name = registration.name.as_str();
        match registered {
            Ok((registered, missing)) => {
                tell(session, registration, &registered)?;
                if registered == Registered::New {
                    new.push((name, connection));
                }
                for AskedRight { right, words, .. } in missing {
                    let text = format!("may not {words}: {}", right.without);
                    session.output().warning(Some(name), &text);
                }
            }
            Err(error) => errors.push((name.to_owned(), explained(federation, name, error))),
        }
    }
    for (name, jobs) in federation.lacked(new).await {
        let lacked = format!(
            "it has {} that the records of their federated jobs lack",
            counted(jobs, "job")
        );
        let text = if let Some(before) = federation.registry.unmarked.values().next() {
            let context = if before.context.is_empty() { "CONTEXT" } else { &before.context };
            let host = federation.store.host().name();
            let marks = federate_on_host("init", [format!("--from={context}")], host);
            format!(
                "{lacked}. The host before this one may have given them out: {marks} marks it as \
                 moved, and has them taken in"
            )
        } else {
            let recover = federate("job recover", ["--all", "--all-namespaces"]);
            format!(
                "{lacked}, and that others were given: {recover} stops them, and counts what they \
                 have done"
            )
        };
        session.output().warning(Some(name), &text);
    }
    let named =
        |(name, error): (String, Error)| if count > 1 { about(&name, &error) } else { error };
    Error::all(errors.into_iter().map(|error| Err(named(error))))
}

/// A connection to the cluster of a registration.
///
/// # Errors
/// Its name is none, or its context does not lead to a cluster.
fn dial(session: &Session<'_>, registration: &Registration) -> Result<Connection> {
    let Registration { name, context, context_given, .. } = registration;
    let name = &valid_name(name, Some(context))?;
    session.dial_context(name, context).map_err(|error| {
        if *context_given || !session.lacks_context(context) {
            return error;
        }
        error.hint(format!(
            "{}, with one of `{}`",
            federate("cluster register", [&**name, "--cluster-context=CONTEXT"]),
            kubectl_line(None, &["config", "get-contexts", "-o", "name"])
        ))
    })
}

/// Prints what came of a registration that is recorded.
///
/// # Errors
/// The user's own file of contexts cannot be written.
fn tell(session: &Session<'_>, registration: &Registration, registered: &Registered) -> Result<()> {
    let name = &registration.name;
    session.output().line(format!("cluster/{name} {}", past_participle(registered)));
    if let Registered::Changed { before, after } = registered {
        for change in changes(before, after) {
            session.output().note(format!("cluster/{name}: {change}"));
        }
    }
    if *registered == Registered::New || registration.context_given {
        // What the user called it before would hide the context that was registered.
        session.remember([(name.clone(), None)])?;
    }
    Ok(())
}

/// Why a cluster was not registered, and what to do.
fn explained(federation: &Federation<'_>, name: &str, error: federation::Error) -> Error {
    match &error {
        federation::Error::Cluster(cause) if cause.is_distrusted() => {
            about(name, &error.into()).and_hint(DISTRUSTED)
        }
        federation::Error::Cluster(cause) if cause.is_unreachable() => {
            let is_member = federation.registry.members.contains_key(name);
            about(name, &error.into()).and_hint(must_answer(is_member))
        }
        _ => error.into(),
    }
}

/// What to do where a cluster gives no answer.
fn must_answer(is_member: bool) -> &'static str {
    if is_member {
        "Its weight, its labels and its lease can be set without its answer: see `cluster weight`, \
         `cluster label` and `cluster lease`."
    } else {
        "It has to say which cluster it is. Register it once it answers, or name another context \
         with --cluster-context."
    }
}

/// An error of one of several clusters: it names the cluster.
fn about(name: &str, error: &Error) -> Error {
    begun_with(&format!("cluster/{name} was not registered: "), error)
}

/// An error of all clusters of these names together: none was registered.
fn about_all(names: &str, error: &Error) -> Error {
    begun_with(&format!("not registered: {names}: "), error)
}

/// The error with these words before it, once.
fn begun_with(what: &str, error: &Error) -> Error {
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let named = Error::new(format!("{what}{}", text.strip_prefix(what).unwrap_or(text)));
    error.hints().into_iter().fold(named, Error::and_hint)
}

/// A member's name that was given, or a hint how to give another one. `context` is the context that
/// was given.
///
/// # Errors
/// It is no member's name.
pub(super) fn valid_name(name: &str, context: Option<&str>) -> Result<String> {
    if is_member_name(name) {
        return Ok(name.to_owned());
    }
    let error = Error::new(format!("{name:?} cannot be a cluster's name: {NAME_RULE}"));
    let valid = member_name(name).unwrap_or_else(|| "NAME".to_owned());
    let context = format!("--cluster-context={}", context.unwrap_or(name));
    Err(error.hint(federate("cluster register", [valid, context])))
}

/// What happened to a cluster, as kubectl says it.
fn past_participle(registered: &Registered) -> &'static str {
    match registered {
        Registered::New => "registered",
        Registered::Changed { .. } => "configured",
        Registered::Unchanged => "unchanged",
    }
}

/// What is different for everybody who uses the federation, a phrase each.
pub fn changes(before: &Member, after: &Member) -> Vec<String> {
    let mut changes = Vec::new();
    if before.context != after.context {
        changes.push(format!(
            "context {:?} → {:?}, for everybody who has none of their own",
            before.context, after.context
        ));
    }
    if before.weight != after.weight {
        changes.push(format!("weight {} → {}", before.weight, after.weight));
    }
    let lease = |member: &Member| {
        member.lease.as_ref().map_or("none".to_owned(), |lease| lease_text(lease.seconds))
    };
    if lease(before) != lease(after) {
        changes.push(format!("lease {} → {}", lease(before), lease(after)));
    }
    for (key, value) in &after.labels {
        match before.labels.get(key) {
            Some(was) if was == value => {}
            Some(was) => changes.push(format!("label {key}={was} → {key}={value}")),
            None => changes.push(format!("label {key}={value} added")),
        }
    }
    let removed = before.labels.keys().filter(|key| !after.labels.contains_key(*key));
    changes.extend(removed.map(|key| format!("label {key} removed")));
    if before.state != after.state {
        changes.push(format!("state {} → {}", before.state.as_str(), after.state.as_str()));
    }
    changes
}
