//! `kubectl federate job create`.

mod by_flags;

use clap::Args;

use self::by_flags::{ByFlags, ways};
use super::until_ended::{Submission, UntilEnded, keys};
use crate::{
    cli::{
        ChangeFlags, Document, DryRunFlag, Filenames, Session, ValidateFlag,
        changing::interruptible,
        events::{Reporter, Wording},
        orphans::take_over,
        output::{Several, print_changed},
    },
    error::{Error, Result, words::Again},
    federation::{DryRun, Federation, Key, SubmitTerms},
    print::{Format, counted},
};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Divide a job over the clusters
  kubectl federate job create -f pi.yaml

  # Make a job of an image and a command
  kubectl federate job create hello --image=busybox --completions=9 -- echo hello

  # Run a job in a CI step: print its logs, and fail if it fails
  kubectl federate job create -f pi.yaml --logs --timeout=1h

  # Print what each cluster would get, and create nothing
  kubectl federate job create -f pi.yaml --dry-run=client

  # Create all jobs of a directory, and their namespace where it is missing
  kubectl federate job create -f jobs/ --namespace=math --create-namespace";

/// How it is typed.
const USAGE: &str = "\
kubectl federate job create -f FILE [OPTIONS]
       kubectl federate job create NAME --image=IMAGE [OPTIONS] [-- COMMAND [ARG]...]";

/// Divide a job over the clusters and create a shard of it in each
///
/// Every cluster is asked first whether it would accept its shard. Nothing is written unless every
/// cluster that answers accepts.
///
/// With --image the job is made as `kubectl create job` makes it, of the name and the command. With
/// --dry-run=client, -o prints it then as it would be submitted.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES, override_usage = USAGE)]
pub struct Create {
    #[command(flatten)]
    by_flags: ByFlags,
    #[command(flatten)]
    filenames: Filenames,
    #[command(flatten)]
    dry_run: DryRunFlag,
    #[command(flatten)]
    validate: ValidateFlag,
    #[command(flatten)]
    output: ChangeFlags,
    /// Make the job's namespace in the host and in the clusters that lack it
    #[arg(long)]
    create_namespace: bool,
    /// Taken as kubectl takes it: `job apply` needs no annotation to change a job later
    #[arg(long)]
    save_config: bool,
    #[command(flatten)]
    until_ended: UntilEnded,
}

impl Create {
    /// Creates the Jobs of all documents, or none.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let format = self.output.print.format()?;
        self.until_ended.check(self.dry_run.strategy)?;
        let made = self.by_flags.job(session.namespace_flag(), !self.filenames.is_empty())?;
        let documents = match made.clone() {
            Some(object) => vec![Document { source: String::new(), object }],
            None => self.filenames.read("create", session.world()).await.map_err(|error| {
                if self.filenames.is_empty() { error.hint(ways("NAME")) } else { error }
            })?,
        };
        let again = if documents.iter().any(is_generated) { Again::Apart } else { Again::Apply };
        let wording = Wording { done: false, again, ..Wording::new("created") };
        let reporter = Reporter::new(session, wording).keeping(format.is_some());
        let is_alone = made.is_some() && self.dry_run.strategy == DryRun::Client;
        let opened = if is_alone {
            session.federation(&reporter).await
        } else {
            reporter.opening(session, &[], None).await
        };
        let federation = match opened {
            Err(why) if is_alone => {
                return print_alone(session, documents, format.as_ref(), &why).await;
            }
            federation => federation?,
        };
        let sources = session.manifests(documents, |rules, objects| rules.read(objects))?;
        let jobs = keys(&sources);
        let (format, several) = (format.as_ref(), Several::Apart);
        let field_validation = self.validate.field_validation;
        let terms = SubmitTerms { create_namespace: self.create_namespace, field_validation };
        let submitted = Box::pin(async {
            let submit = federation.submit(sources, terms, self.dry_run.strategy);
            tokio::join!(submit, name_the_left(session, &federation, &jobs)).0
        });
        let submitted = interruptible(session, &reporter, (format, several), submitted).await?;
        let mut objects = reporter.objects();
        if let (Some(made), DryRun::Client) = (made, self.dry_run.strategy) {
            // As kubectl, which asks no server of such a job.
            objects.fill(made);
        }
        let submission = Submission { jobs, submitted, objects, format, several };
        self.until_ended.finish(session, submission).await
    }
}

/// Warns before the first Job of a federation where the host has records of another one, whose
/// registry is gone: once there is a Job, those cannot be taken over here any more.
async fn name_the_left(session: &Session<'_>, federation: &Federation<'_>, begun: &[Key]) {
    for (uid, jobs) in federation.left_to_take_over(begun).await {
        let recover = take_over(false, None, &uid);
        let jobs = counted(jobs, "job");
        session.output().warning(
            None,
            &format!(
                "this host has the records of {jobs} of another federation, {uid}, whose registry \
                 is gone. Once this federation has jobs, it takes over no others: only after they \
                 are deleted does {recover} make the others count again"
            ),
        );
    }
}

/// Whether the name of a Job is made anew each time.
fn is_generated(document: &Document) -> bool {
    let metadata = &document.object["metadata"];
    metadata["generateName"].is_string() && !metadata["name"].is_string()
}

/// Prints a Job that is made of flags where no federation says how it would be divided. As in
/// kubectl, no server is needed for that.
///
/// # Errors
/// It is no Job, or no format was asked for: then it would have been the division.
async fn print_alone(
    session: &Session<'_>,
    documents: Vec<Document>,
    format: Option<&Format>,
    why: &Error,
) -> Result<()> {
    if format.is_none() {
        return Err(why.clone());
    }
    let objects = documents.iter().map(|document| document.object.clone()).collect();
    session.manifests(documents, |rules, objects| rules.read(objects))?;
    session.output().warning(None, &format!("not divided over clusters: {}", why.message()));
    print_changed(session.world(), format, objects, Several::Apart).await
}
