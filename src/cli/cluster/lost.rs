//! `kubectl federate cluster lost`.

use clap::Args;

use super::steps;
use crate::{
    cli::{
        Confirmation, Session,
        events::{Reporter, Wording},
    },
    error::Result,
    federation::{self, AtRisk, Contact, Federation, Risks},
    print::federate,
    state::MemberState,
};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Have others do what a cluster that is gone was not seen to have done
  kubectl federate cluster lost west

  # The same in a script
  kubectl federate cluster lost west --yes";

/// Give up a cluster that does not answer, and have others do its work
///
/// What the cluster was not seen to have done is done by other clusters. It may have done some of
/// that, or do it yet: such completions run twice. Nothing is lost. The cluster gets no new work.
///
/// If the cluster answers again, the next reconcile stops its shards, counts what they have done,
/// and takes that off others as far as they have not started it. It says what ran twice. `cluster
/// uncordon` gives the cluster new work again.
///
/// Use it for a cluster that you cannot reach. `cluster drain` moves work without loss off one that
/// answers.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Lost {
    /// The member's name
    #[arg(value_name = "NAME")]
    name: String,
    /// Do not ask before work is given to others that may run twice, nor if the cluster answers
    #[arg(short = 'y', long)]
    yes: bool,
}

impl Lost {
    /// Asks if work may run twice or the cluster answers, then declares the cluster lost.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        steps::begin(session, &self.name, [], "declared lost");
        let reporter = Reporter::new(session, Wording::new("reconciled"));
        let mut federation = session.federation(&reporter).await?;
        let at_risk = federation.at_risk(&self.name).await?;
        let answers = answers(&federation, &self.name).await;
        if answers || at_risk.is_any() {
            confirm(session, &self.name, &at_risk, answers, self.yes).await?;
        }
        Ok(federation.declare_lost(&self.name).await?)
    }
}

/// Whether a member answers that was not declared lost yet: then its work can be moved off it, and
/// nothing need run twice.
pub(super) async fn answers(federation: &Federation<'_>, name: &str) -> bool {
    let member = federation.registry.members.get(name);
    let is_lost = member.is_some_and(|member| member.state == MemberState::Lost);
    !is_lost && federation.contact(name).await == Contact::Answers
}

/// Asks whether work may be given to others that may run twice. `answers` says that the cluster
/// answers, so that there are better ways.
///
/// # Errors
/// The user does not say yes.
pub(super) async fn confirm(
    session: &Session<'_>,
    name: &str,
    at_risk: &Risks,
    answers: bool,
    yes: bool,
) -> Result<()> {
    let sentence = |AtRisk { job: (namespace, job), work }: &AtRisk| {
        format!("job.batch/{job} in namespace {namespace}: {work} may run twice")
    };
    let ways = || {
        let (drain, out) =
            (federate("cluster drain", [name]), federate("cluster unregister", [name]));
        format!(
            "Cluster {name:?} answers. {drain} gives its work to others, and nothing runs twice. \
             {out} takes it out, if it carries none."
        )
    };
    let unread = |error: &federation::Error| {
        format!(
            "{error}. If it has work in cluster {name:?}, the first reconcile that can read it \
             gives that to others, and it may run twice"
        )
    };
    let jobs = at_risk.jobs.iter().map(sentence).chain(at_risk.unread.iter().map(unread));
    let consequences: Vec<_> = answers.then(ways).into_iter().chain(jobs).collect();
    let (all_the_same, others) = (
        if answers { " all the same" } else { "" },
        if at_risk.is_any() { ", and have others do that" } else { "" },
    );
    let confirmation = Confirmation {
        consequences: &consequences,
        question: &format!("Declare cluster {name:?} lost{all_the_same}{others}?"),
        flag: "--yes",
        unchanged: &format!("cluster/{name} stays as it was"),
    };
    confirmation.ask(session.world(), yes).await
}
