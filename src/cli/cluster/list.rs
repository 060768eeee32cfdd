//! `kubectl federate cluster list`.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Value, json};

use super::Session;
use crate::{
    cluster::fan_out,
    error::{Error, Result},
    print::{Format, Table, format::list, some_of},
    state::Member,
};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # List the members
  kubectl federate cluster list

  # List them with their contexts and labels
  kubectl federate cluster list -o wide";

/// List the clusters of the federation, and whether each answers
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct List {
    /// How to print: wide, json, yaml or name
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Format>,
    /// Print no column names
    #[arg(long)]
    no_headers: bool,
}

/// What a member answered: its server's version, or why there was no answer.
type Answer = Result<String, String>;

impl List {
    /// Asks every member who it is, and prints them.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let (_, registry) = session.federation().await?;
        let members = session.members(&registry, registry.members.keys().cloned().collect()).await;
        let ask = async |name: &String| {
            let answer = match members.get(name) {
                Ok(connection) => {
                    connection.server_version().await.map_err(|error| error.to_string())
                }
                Err(why) => Err(why.to_owned()),
            };
            (name.clone(), answer)
        };
        let answers: BTreeMap<String, Answer> =
            fan_out(registry.members.keys(), ask).await.into_iter().collect();
        let rows: Vec<_> = registry
            .members
            .iter()
            .map(|(name, member)| (name, member, &answers[name.as_str()]))
            .collect();
        let output = session.output();
        let objects =
            || rows.iter().map(|(name, member, answer)| object(name, member, answer)).collect();
        match self.output.and_then(|format| format.text(&list(objects()), "cluster")) {
            Some(text) => output.block(&text),
            None if rows.is_empty() => output.note("No clusters registered."),
            None => {
                let mut headers = vec!["NAME", "STATUS", "CONTEXT", "WEIGHT", "VERSION", "AGE"];
                let wide = self.output == Some(Format::Wide);
                headers.extend(wide.then_some(["UID", "LABELS"]).into_iter().flatten());
                let mut table = Table::new(headers).no_headers(self.no_headers);
                for (name, member, answer) in &rows {
                    let mut row = vec![
                        (*name).clone(),
                        status(answer).to_owned(),
                        member.context.clone(),
                        member.weight.to_string(),
                        answer.as_ref().map_or("<unknown>", |version| version).to_owned(),
                        session.age(member.registered),
                    ];
                    row.extend(
                        wide.then(|| [member.uid.clone(), labels(member)]).into_iter().flatten(),
                    );
                    table.row(row);
                }
                output.table(&table);
            }
        }
        let silent: Vec<_> = rows
            .iter()
            .filter_map(|(name, _, answer)| Some((name, answer.as_ref().err()?)))
            .collect();
        for (name, why) in &silent {
            output.warning(Some(name), why);
        }
        match silent.len() {
            0 => Ok(()),
            n => Err(Error::new(format!("{} cannot be used", some_of(n, rows.len(), "cluster")))),
        }
    }
}

fn status(answer: &Answer) -> &'static str {
    if answer.is_ok() { "Ready" } else { "Unknown" }
}

fn labels(member: &Member) -> String {
    match member.labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>() {
        labels if labels.is_empty() => "<none>".to_owned(),
        labels => labels.join(","),
    }
}

/// A member as an object.
fn object(name: &str, member: &Member, answer: &Answer) -> Value {
    let mut status = json!({ "state": status(answer) });
    match answer {
        Ok(version) => status["version"] = version.as_str().into(),
        Err(why) => status["message"] = why.as_str().into(),
    }
    let created = jiff::Timestamp::from_second(member.registered).map(|at| at.to_string()).ok();
    let mut object = json!({
        "apiVersion": "kubectl-federate.dev/v1",
        "kind": "Cluster",
        "metadata": { "name": name, "creationTimestamp": created },
        "spec": { "context": member.context, "uid": member.uid, "weight": member.weight },
        "status": status,
    });
    if !member.labels.is_empty() {
        object["metadata"]["labels"] = json!(member.labels);
    }
    object
}
