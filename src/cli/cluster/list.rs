//! `kubectl federate cluster list`.

use clap::Args;
use serde_json::{Value, json};

use crate::{
    cli::Session,
    error::{Error, Result},
    federation::{Answered, some_clusters},
    print::{Format, Table, format::list},
    state::{Member, MemberState},
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

impl List {
    /// Asks every member who it is, and prints them.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let answers = session.federation(&()).await?.members().await;
        let output = session.output();
        let objects = || list(answers.iter().map(object).collect());
        match self.output.and_then(|format| format.text(&objects(), "cluster")) {
            Some(text) => output.block(&text),
            None if answers.is_empty() => output.note("No clusters registered."),
            None => output.table(&self.table(session, &answers)),
        }
        let mut silent = 0;
        for Answered { name, version, .. } in &answers {
            if let Err(why) = version {
                output.warning(Some(name), why);
                silent += 1;
            }
        }
        match silent {
            0 => Ok(()),
            n => {
                let clusters = some_clusters(n, answers.len());
                Err(Error::new(format!("{clusters} cannot be used")))
            }
        }
    }

    fn table(&self, session: &Session<'_>, answers: &[Answered]) -> Table {
        let mut headers = vec!["NAME", "STATUS", "CONTEXT", "WEIGHT", "VERSION", "AGE"];
        let wide = self.output == Some(Format::Wide);
        headers.extend(wide.then_some(["UID", "LABELS"]).into_iter().flatten());
        let mut table = Table::new(headers).no_headers(self.no_headers);
        for answer in answers {
            let Answered { name, member, version } = answer;
            let mut row = vec![
                name.clone(),
                status(answer).to_owned(),
                member.context.clone(),
                member.weight.to_string(),
                version.as_ref().map_or("<unknown>", |version| version).to_owned(),
                session.age(member.registered),
            ];
            row.extend(wide.then(|| [member.uid.clone(), labels(member)]).into_iter().flatten());
            table.row(row);
        }
        table
    }
}

fn status(answer: &Answered) -> &'static str {
    match (&answer.version, answer.member.state) {
        (Err(_), _) => "Unknown",
        (Ok(_), MemberState::Leaving) => "Leaving",
        (Ok(_), MemberState::Ready) => "Ready",
    }
}

fn labels(member: &Member) -> String {
    match member.labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>() {
        labels if labels.is_empty() => "<none>".to_owned(),
        labels => labels.join(","),
    }
}

/// A member as an object.
fn object(answer: &Answered) -> Value {
    let Answered { name, member, version } = answer;
    let mut status = json!({ "state": status(answer) });
    match version {
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
