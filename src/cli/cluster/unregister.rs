//! `kubectl federate cluster unregister`.

use clap::Args;

use super::{
    lost::{answers, confirm},
    steps,
};
use crate::{
    cli::{
        Session,
        confirm::choose_on_terminal,
        events::{Live, Reporter, Wording},
        orphans::clean_all,
    },
    error::{Error, Result},
    federation::{self, DrainTerms, Federation, Staying},
};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Take a member out that carries no work
  kubectl federate cluster unregister west

  # Take a member out that is gone, and have others do its work
  kubectl federate cluster unregister west --force";

/// Take a cluster out of the federation
///
/// Nothing is changed in the cluster itself. A cluster that carries work cannot be unregistered. On
/// a terminal you are asked whether to drain it first. With --force its work is given up, as by
/// `cluster lost`: others do what it was not seen to have done, which may run twice.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Unregister {
    /// The member's name
    #[arg(value_name = "NAME")]
    name: String,
    /// Give up the work that the cluster carries, as `cluster lost` does
    #[arg(long)]
    force: bool,
    /// Do not ask before work is given to others that may run twice
    #[arg(short = 'y', long)]
    yes: bool,
}

impl Unregister {
    /// Removes the member; work that it carries is given to others first, if the user says how.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        if self.yes && !self.force {
            let why = "--yes needs --force: it answers the question what may be run twice";
            return Err(Error::new(why));
        }
        let wording = Wording { live: Live::Stdout, done: false, ..Wording::new("reconciled") };
        let reporter = Reporter::new(session, wording);
        steps::begin(session, &self.name, [], "unregistered");
        let mut federation = session.federation(&reporter).await?;
        if self.force {
            let at_risk = federation.at_risk(&self.name).await?;
            if at_risk.is_any() {
                let answers = answers(&federation, &self.name).await;
                confirm(session, &self.name, &at_risk, answers, self.yes).await?;
            }
            steps::begin(session, &self.name, [], "declared lost");
            federation.declare_lost(&self.name).await?;
            steps::unregister_lost(session, &self.name);
        }
        let left = match federation.unregister(&self.name).await {
            Err(error @ federation::Error::CarriesShards { silent: false, .. })
                if session.output().can_ask() =>
            {
                self.drain(session, &mut federation, error).await?;
                steps::unregister_drained(session, &self.name);
                federation.unregister(&self.name).await?
            }
            unregistered => unregistered?,
        };
        self.unregistered(session, left);
        Ok(())
    }

    /// Says that the member is out, and which Jobs stay in its cluster, if that is known.
    fn unregistered(&self, session: &Session<'_>, left: Option<Staying>) {
        let output = session.output();
        output.line(format!("cluster {:?} unregistered", self.name));
        let jobs = match left.map(|left| left.jobs) {
            Some(0) => return,
            Some(1) => "1 job of this federation stays in it".to_owned(),
            Some(n) => format!("{n} jobs of this federation stay in it"),
            None => "It could not be asked whether jobs of this federation stay in it".to_owned(),
        };
        let recorded = match left.map_or(0, |left| left.recorded) {
            0 => "",
            _ => {
                " Of a job that `job get` shows, what was done there counts all the same, and the \
                  logs of its pods go."
            }
        };
        let clusters = format!("--clusters={}", self.name);
        let run_on = left.is_none_or(|left| left.run_on);
        let clean = clean_all(output, ["-A", &clusters], run_on);
        output.note(format!("{jobs}. {clean} deletes them.{recorded}"));
    }

    /// Offers to drain a member that carries work.
    async fn drain(
        &self,
        session: &Session<'_>,
        federation: &mut Federation<'_>,
        carries: federation::Error,
    ) -> Result<()> {
        let question = format!("{carries}. Drain it first?");
        let unchanged = format!("cluster/{} stays registered", self.name);
        match choose_on_terminal(session.world(), &question, &["drain"], &unchanged).await? {
            Some(_) => {
                let terms = DrainTerms { now: false, timeout: None };
                steps::begin(session, &self.name, [], "set to Draining");
                Ok(federation.drain(&self.name, terms).await?)
            }
            None => Err(Error::new(format!("cancelled: {unchanged}"))),
        }
    }
}
