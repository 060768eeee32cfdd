//! `kubectl federate cluster list`.

use clap::Args;
use serde_json::{Value, json};

use crate::{
    cli::{
        ListFlags, Selector, Session,
        events::{Reporter, Wording},
        output::{is_table, listing, print},
        warnings::stray_jobs,
    },
    cluster::Denial,
    error::Result,
    federation::{Answered, Carried},
    job::lease_text,
    print::{Format, Table, format::list},
    state::{Member, MemberState},
};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # List the members
  kubectl federate cluster list

  # List them with their identities and labels
  kubectl federate cluster list -o wide

  # List those of a region
  kubectl federate cluster list --selector=region=eu";

/// What is printed where a count or a version is not known.
const UNKNOWN: &str = "<unknown>";

/// List the clusters of the federation, and what each carries
///
/// STATE is Ready, Cordoned, Draining, Lost or Leaving. Unknown is added if the cluster does not
/// answer; Forbidden if you lack a right there; Unauthorized if it does not know you. CONTEXT is
/// the one by which you reach it. JOBS and PODS count what has not ended, as it was recorded last.
/// That a cluster is Unknown is no error here; `cluster check` fails then.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct List {
    /// Only the clusters whose labels match, such as region=eu,tier!=test
    #[arg(short = 'l', long, default_value = "", hide_default_value = true)]
    selector: Selector,
    #[command(flatten)]
    list: ListFlags,
}

impl List {
    /// Asks every member who it is, and prints them.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let format = self.list.format()?;
        let format = format.as_ref();
        let selected = |member: &Member| self.selector.matches(&json!(member.labels));
        let reporter = Reporter::new(session, Wording::new("listed"));
        let federation = session.federation(&reporter).await?;
        let answers = federation.members(selected).await;
        let answers = self.list.table.sorted(answers, object, listing(format))?;
        let output = session.output();
        let objects = || list(answers.iter().map(object).collect());
        let printed = print(session.world(), format, objects, "cluster").await;
        match answers.as_slice() {
            _ if !is_table(format) => {}
            [] if self.selector.is_empty() => {
                output.note("No clusters registered.");
                federation.name_left_to_take_over().await;
            }
            [] => output.note("No clusters found."),
            _ => output.table(&self.table(session, format, &answers)),
        }
        for Answered { name, member, version, .. } in &answers {
            // That a lost one does not answer is known.
            if let (Err(why), true) = (version, member.state != MemberState::Lost) {
                output.warning(Some(name), why);
            }
            if let (Ok(_), MemberState::Lost) = (version, member.state) {
                let text = format!("it was declared lost, and answers. {}", stray_jobs(name));
                output.warning(Some(name), &text);
            }
        }
        printed.map(drop)
    }

    fn table(&self, session: &Session<'_>, format: Option<&Format>, answers: &[Answered]) -> Table {
        let mut headers =
            vec!["NAME", "STATE", "VERSION", "CONTEXT", "WEIGHT", "JOBS", "PODS", "AGE"];
        let wide = format == Some(&Format::Wide);
        headers.extend(wide.then_some(["LEASE", "UID", "LABELS"]).into_iter().flatten());
        let mut table = self.list.table.dressed(Table::new(headers));
        for answer in answers {
            let Answered { name, member, context, version, carried, .. } = answer;
            let count = |count: fn(&Carried) -> String| {
                carried.as_ref().map_or_else(|| UNKNOWN.to_owned(), count)
            };
            let mut row = vec![
                name.clone(),
                state(answer),
                version.as_ref().map_or(UNKNOWN, |version| version).to_owned(),
                context.clone(),
                member.weight.to_string(),
                count(|carried| carried.jobs.to_string()),
                count(|carried| carried.pods.to_string()),
                session.age(member.registered),
            ];
            if wide {
                row.extend([lease(member), member.uid.clone(), labels(member)]);
            }
            row.extend(self.list.table.label_cells(&json!(member.labels)));
            table.row(row);
        }
        table
    }
}

/// The state that the registry says, and whether the cluster can be used: `Unknown`, or the word of
/// its server, alone for a ready one that cannot.
fn state(answer: &Answered) -> String {
    let state = answer.member.state;
    let unusable = answer.denial.map_or("Unknown", Denial::as_str);
    match (&answer.version, state) {
        (Err(_), MemberState::Ready) => unusable.to_owned(),
        (Err(_), MemberState::Cordoned | MemberState::Draining | MemberState::Leaving) => {
            format!("{},{unusable}", state.as_str())
        }
        _ => state.as_str().to_owned(),
    }
}

/// How long its shards may run without contact.
fn lease(member: &Member) -> String {
    member.lease.as_ref().map_or("<none>".to_owned(), |lease| lease_text(lease.seconds))
}

fn labels(member: &Member) -> String {
    match member.labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>() {
        labels if labels.is_empty() => "<none>".to_owned(),
        labels => labels.join(","),
    }
}

/// A member as an object.
fn object(answer: &Answered) -> Value {
    let Answered { name, member, context, version, carried, .. } = answer;
    let mut status = json!({ "state": state(answer) });
    match version {
        Ok(version) => status["version"] = version.as_str().into(),
        Err(why) => status["message"] = why.as_str().into(),
    }
    if let Some(Carried { jobs, shards, pods }) = carried {
        status["jobs"] = json!(jobs);
        status["shards"] = json!(shards);
        status["pods"] = json!(pods);
    }
    if let Some(lost) = &member.lost {
        let at = jiff::Timestamp::from_second(lost.when).map(|at| at.to_string()).ok();
        status["lost"] = json!({ "by": lost.who, "at": at });
    }
    let created = jiff::Timestamp::from_second(member.registered).map(|at| at.to_string()).ok();
    let mut object = json!({
        "apiVersion": "kubectl-federate.dev/v1",
        "kind": "Cluster",
        "metadata": { "name": name, "creationTimestamp": created },
        "spec": { "context": context, "uid": member.uid, "weight": member.weight },
        "status": status,
    });
    if let Some(lease) = &member.lease {
        object["spec"]["leaseSeconds"] = lease.seconds.into();
    }
    if !member.labels.is_empty() {
        object["metadata"]["labels"] = json!(member.labels);
    }
    object
}
