//! On a terminal: the user chooses among the clusters of the contexts.
//!
//! All clusters are asked before the first question, so that no credential plugin asks for
//! something in between. Nothing is written before the last answer.

use std::{collections::BTreeSet, fmt::Write as _, sync::Arc};

use super::{
    label,
    lease::{Length, length},
};
use crate::{
    cli::{Session, number::natural},
    error::{Error, Exit, Result},
    federation::{AskedContext, Registration, Standing, standings},
    job::lease_text,
    print::{ATTEMPTS, Output, Table, choice, not_understood, selection},
    state::{MemberState, NAME_RULE, Registry, is_member_name, member_name},
};

/// What is said when the user does not go on.
const CANCELLED: &str = "cancelled: nothing was changed";

/// What the command line says of all clusters that are chosen.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// The weight that is proposed; 1 where there is none.
    pub weight: Option<i32>,
    /// The lease that is proposed; none where none was given.
    pub lease: Option<Length>,
    /// The labels that are proposed.
    pub labels: &'a [(String, String)],
}

/// Shows the contexts, and asks which of their clusters are to be registered, and how. Without a
/// registry the federation is yet to be made, and the user may choose no cluster.
///
/// # Errors
/// There is nothing to choose, or the user cancels: with Esc, with the end of input, or,
/// with exit code 130, with Ctrl-C.
pub async fn ask(
    session: &Session<'_>,
    registry: Option<&Registry>,
    given: Given<'_>,
) -> Result<Vec<Registration>> {
    let _asking = session.output().asking();
    tokio::select! {
        picked = pick(session, registry, given) => picked,
        () = session.world().interrupted() => {
            // The first ends the line of the question.
            session.output().note("");
            session.output().note(CANCELLED);
            Err(Error::silent(Exit::Interrupted.code()))
        }
    }
}

async fn pick(
    session: &Session<'_>,
    registry: Option<&Registry>,
    given: Given<'_>,
) -> Result<Vec<Registration>> {
    let output = session.output();
    let contexts = session.ask_contexts(None).await;
    let choices = choices(&contexts, registry);
    show(output, &choices);
    if choices.iter().all(|choice| choice.state != Standing::Free) {
        return if registry.is_none() {
            Ok(Vec::new())
        } else {
            Err(Error::new("no context leads to a cluster that can be registered"))
        };
    }
    let chosen = choose(output, &choices, registry.is_none()).await?;
    if chosen.is_empty() && registry.is_none() {
        return Ok(Vec::new());
    }
    let mut taken = taken(registry);
    let mut registrations = Vec::new();
    for choice in chosen {
        let registration = details(output, choice.context, &taken, given).await?;
        taken.insert(registration.name.clone());
        registrations.push(registration);
    }
    confirm(output, &registrations).await?;
    Ok(registrations)
}

/// A context that is shown.
struct Choice<'a> {
    context: &'a AskedContext,
    state: Standing,
}

/// What the table says of a context; nothing of one that can be chosen.
fn text(state: &Standing) -> String {
    match state {
        Standing::Free => String::new(),
        Standing::Member(name) => format!("member {name}"),
        Standing::Same(context) => format!("same as {context}"),
        Standing::Unknown(why) => why.clone(),
    }
}

/// The names that a cluster to be registered cannot have. That of a lost member it can: its cluster
/// may have been built anew.
fn taken(registry: Option<&Registry>) -> BTreeSet<String> {
    let members = registry.into_iter().flat_map(|registry| &registry.members);
    let keep = members.filter(|(_, member)| member.state != MemberState::Lost);
    keep.map(|(name, _)| name.clone()).collect()
}

/// The name that is proposed for the cluster of a context: made from the context's, and numbered
/// where that is taken. It is one that a member may have.
fn proposed_name(context: &str, taken: &BTreeSet<String>) -> String {
    let first = member_name(context).unwrap_or_else(|| "cluster".to_owned());
    // A long name loses its beginning, so that the number has room.
    let numbered = (2..).filter_map(|number| member_name(&format!("{first}-{number}")));
    let mut names = std::iter::once(first.clone()).chain(numbered);
    names.find(|name| !taken.contains(name)).unwrap_or_default()
}

fn choices<'a>(contexts: &'a [AskedContext], registry: Option<&Registry>) -> Vec<Choice<'a>> {
    let states = standings(contexts, registry).into_iter();
    contexts.iter().zip(states).map(|(context, state)| Choice { context, state }).collect()
}

/// Prints the contexts with their numbers: as a table, or, where that is wider than the terminal,
/// below each other.
fn show(output: &Output, choices: &[Choice<'_>]) {
    let rows = choices.iter().enumerate().map(|(at, Choice { context, state })| {
        let version = context.cluster.as_ref().ok().and_then(|cluster| cluster.version.clone());
        let version = version.unwrap_or_else(|| "<unknown>".to_owned());
        let number = (at + 1).to_string();
        [number, context.name.clone(), context.server.clone(), version, text(state)]
    });
    let mut table = Table::new(["NUMBER", "CONTEXT", "SERVER", "VERSION", "STATUS"]);
    rows.clone().for_each(|row| table.row(row));
    let width = table.render().lines().map(|line| line.chars().count()).max().unwrap_or(0);
    if width <= output.question_width() {
        return output.note_table(&table);
    }
    for [number, context, rest @ ..] in rows {
        output.note(format!("{number}  {context}"));
        for text in rest.iter().filter(|text| !text.is_empty()) {
            output.note(format!("   {text}"));
        }
    }
}

/// Asks which of them. `or_none` says whether the answer may be none.
async fn choose<'c>(
    output: &Arc<Output>,
    choices: &'c [Choice<'c>],
    or_none: bool,
) -> Result<Vec<&'c Choice<'c>>> {
    let enter = if or_none { "NONE" } else { "CANCEL" };
    let prompt = format!("Which clusters? [numbers such as 1,3-5/all/{enter}]");
    let chosen = until(output, &prompt, |answer| match answer {
        "" => Ok(or_none.then(Vec::new)),
        answer => selected(answer, choices).map(Some),
    });
    chosen.await?.ok_or_else(cancelled)
}

/// The choices that an answer selects: numbers and ranges of numbers, or `all` that can be
/// registered.
fn selected<'c>(answer: &str, choices: &'c [Choice<'c>]) -> Result<Vec<&'c Choice<'c>>, String> {
    if answer.eq_ignore_ascii_case("all") {
        return Ok(choices.iter().filter(|choice| choice.state == Standing::Free).collect());
    }
    let chosen = selection(answer, choices.len())?.into_iter().map(|number| &choices[number]);
    chosen
        .map(|choice| match &choice.state {
            Standing::Free => Ok(choice),
            state => Err(format!("{} cannot be chosen: {}", choice.context.name, text(state))),
        })
        .collect()
}

/// Asks for the name, the weight, the lease and the labels of a cluster.
async fn details(
    output: &Arc<Output>,
    context: &AskedContext,
    taken: &BTreeSet<String>,
    given: Given<'_>,
) -> Result<Registration> {
    let context = &context.name;
    let free = |name: &str| {
        if !is_member_name(name) {
            Err(format!("A name has {NAME_RULE}."))
        } else if taken.contains(name) {
            Err(format!("{name:?} is taken."))
        } else {
            Ok(name.to_owned())
        }
    };
    let proposed = proposed_name(context, taken);
    let name = value(output, &format!("Name of {context}"), &proposed, free).await?;
    let weight = |text: &str| natural(text).map_err(|why| format!("A weight {why}."));
    let proposed = given.weight.unwrap_or(1).to_string();
    let weight = value(output, &format!("Weight of {name}"), &proposed, weight).await?;
    let proposed = given.lease.and_then(|Length(lease)| lease);
    let proposed = proposed.map_or("none".to_owned(), lease_text);
    let lease = |text: &str| length(text).map_err(|why| format!("A lease {why}."));
    let prompt = format!("Lease of {name}, such as 30m");
    let Length(lease) = value(output, &prompt, &proposed, lease).await?;
    let labels = |text: &str| match text {
        "none" => Ok(Vec::new()),
        text => text.split(',').map(|label| label::parse(label.trim())).collect(),
    };
    let prompt = format!("Labels of {name}, such as region=eu,tier=a");
    let labels = value(output, &prompt, &labels_text(given.labels), labels).await?;
    Ok(Registration {
        name,
        context: context.clone(),
        context_given: true,
        weight: Some(weight),
        lease: Some(lease),
        labels,
    })
}

fn labels_text(labels: &[(String, String)]) -> String {
    let labels: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    if labels.is_empty() { "none".to_owned() } else { labels.join(",") }
}

/// Asks for a value. Enter alone takes the proposed one.
async fn value<T>(
    output: &Arc<Output>,
    what: &str,
    proposed: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<T> {
    let prompt = format!("{what} [{proposed}]:");
    until(output, &prompt, |answer| read(if answer.is_empty() { proposed } else { answer })).await
}

/// Shows what will be written, and asks whether to.
async fn confirm(output: &Arc<Output>, registrations: &[Registration]) -> Result<()> {
    let mut text = String::from("To be registered:\n");
    for Registration { name, context, weight, lease, labels, .. } in registrations {
        let weight = weight.unwrap_or(1);
        let _ = write!(text, "  {name}: context {context:?}, weight {weight}");
        if let Some(Some(lease)) = lease {
            let _ = write!(text, ", lease {}", lease_text(*lease));
        }
        if !labels.is_empty() {
            let _ = write!(text, ", labels {}", labels_text(labels));
        }
        text.push('\n');
    }
    text.lines().for_each(|line| output.note(line));
    let question = "Write this to the registry? [yes/CANCEL]";
    let answer = until(output, question, |answer| choice(answer, &["yes"])).await?;
    answer.map(drop).ok_or_else(cancelled)
}

/// Asks until the answer is one that `read` takes, as often as all questions do.
async fn until<T>(
    output: &Arc<Output>,
    prompt: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<T> {
    for _ in 0..ATTEMPTS {
        match read(&line(output, prompt).await?) {
            Ok(value) => return Ok(value),
            Err(why) => output.note(why),
        }
    }
    output.note(not_understood());
    Err(cancelled())
}

/// Asks for a line, on a thread of its own: Ctrl-C is heard meanwhile.
async fn line(output: &Arc<Output>, prompt: &str) -> Result<String> {
    let (output, prompt) = (output.clone(), prompt.to_owned());
    let answer = tokio::task::spawn_blocking(move || output.ask(&prompt)).await;
    answer.ok().flatten().ok_or_else(cancelled)
}

fn cancelled() -> Error {
    Error::new(CANCELLED)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::federation::Identified;

    fn asked(name: &str, uid: Option<&str>) -> AskedContext {
        let cluster = uid.map(|uid| Identified { uid: uid.to_owned(), version: None, lacks: 0 });
        AskedContext {
            name: name.to_owned(),
            server: "127.0.0.1:1".to_owned(),
            cluster: cluster.ok_or_else(|| "no answer".to_owned()),
        }
    }

    #[test]
    fn a_name_is_proposed_that_is_free_and_that_a_member_may_have() {
        for context in ["east", "-", &"a".repeat(39), &"a".repeat(40), &"b".repeat(90), "A.b@c-2"] {
            let mut taken = BTreeSet::new();
            for _ in 0..120 {
                let name = proposed_name(context, &taken);
                assert_eq!(member_name(&name).as_ref(), Some(&name), "{context}");
                assert!(taken.insert(name), "{context}: it was taken");
            }
        }
        let taken = [String::from("east"), String::from("east-2")].into();
        assert_eq!(proposed_name("east", &taken), "east-3");
    }

    #[test]
    fn the_name_of_a_lost_member_is_free() {
        let mut gone = json!({"context": "c", "uid": "g", "weight": 1, "state": "lost",
            "registered": 0});
        let mut east = gone.clone();
        east["state"] = json!("ready");
        gone["lost"] = json!({"what": "lost", "detail": "", "who": "alice", "when": 0});
        let config_map = json!({ "metadata": { "annotations": {
            "kubectl-federate.dev/settings": r#"{"version":3,"uid":"f","host":"h"}"#,
            "member.kubectl-federate.dev/gone": gone.to_string(),
            "member.kubectl-federate.dev/east": east.to_string(),
        }}});
        let registry = Registry::from_config_map(&config_map).expect("whole");
        assert_eq!(taken(Some(&registry)), ["east".to_owned()].into());
    }

    #[test]
    fn an_answer_selects_clusters_that_can_be_registered() {
        let contexts =
            [asked("a", Some("1")), asked("b", Some("2")), asked("c", Some("1")), asked("d", None)];
        let choices = choices(&contexts, None);
        let names = |answer: &str| {
            let chosen = selected(answer, &choices)?;
            Ok(chosen.iter().map(|choice| choice.context.name.as_str()).collect::<Vec<_>>())
        };
        let no_numbers =
            || Err("Choose numbers from 1 to 4, such as 1,3 or 2-4; or all.".to_owned());
        for (answer, chosen) in [
            ("all", Ok(vec!["a", "b"])),
            ("2", Ok(vec!["b"])),
            ("2,1", Ok(vec!["a", "b"])),
            ("1-2", Ok(vec!["a", "b"])),
            ("3", Err("c cannot be chosen: same as a".to_owned())),
            ("1-4", Err("c cannot be chosen: same as a".to_owned())),
            ("4", Err("d cannot be chosen: no answer".to_owned())),
            ("5", no_numbers()),
            ("x", no_numbers()),
        ] {
            assert_eq!(names(answer), chosen, "{answer:?}");
        }
    }
}
