//! Which Jobs are to be deleted.

use clap::Args;

use crate::{
    cli::{Filenames, Selectors, Session, job_name::job_name},
    error::{Error, Result, words::Again},
    federation::{self, Federation, Key, Records},
    state::Record,
};

/// Names, files, selectors or all.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// The names of the jobs
    #[arg(value_name = "NAME", value_parser = job_name)]
    names: Vec<String>,
    #[command(flatten)]
    filenames: Filenames,
    #[command(flatten)]
    selectors: Selectors,
    /// All jobs of the namespace
    #[arg(long)]
    all: bool,
    /// With a selector or --all: the jobs of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Say nothing of a job that is not there; as with --all
    #[arg(long)]
    ignore_not_found: bool,
}

/// The Jobs that were found.
pub(super) struct Found {
    /// The names of those that are meant.
    pub names: Vec<String>,
    /// Their records, or why they cannot be read.
    pub records: Vec<Result<Record, federation::Error>>,
    /// Why others cannot be read.
    pub errors: Vec<federation::Error>,
}

impl Which {
    /// The names that are given.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// What deletes the rest of them.
    pub fn again(&self) -> Again {
        if self.forgives_absence() { Again::Same } else { Again::IgnoringNotFound }
    }

    /// Whether nothing is to be said of a Job that is not there.
    fn forgives_absence(&self) -> bool {
        self.ignore_not_found || self.names.is_empty() && self.filenames.is_empty()
    }

    /// Whether an error says only that there is no such Job, and nothing is to be said of that.
    pub fn forgives(&self, error: &federation::Error) -> bool {
        self.forgives_absence() && matches!(error, federation::Error::NotFound { .. })
    }

    /// Checks what is given against each other.
    ///
    /// # Errors
    /// It does not say which Jobs are meant, in kubectl's words.
    pub fn check(&self) -> Result<()> {
        let has_files = !self.filenames.is_empty();
        let selects = !self.selectors.is_empty();
        let why = if self.all && selects {
            // kubectl's sentence ends with a blank.
            "setting 'all' parameter but found a non empty selector. "
        } else if has_files && !self.names.is_empty() {
            "when paths, URLs, or stdin is provided as input, you may not specify resource \
            arguments as well"
        } else if has_files && (selects || self.all) {
            "when paths, URLs, or stdin is provided as input, you may not specify a selector or \
            --all as well"
        } else if !self.names.is_empty() && (selects || self.all) {
            "name cannot be provided when a selector is specified"
        } else if !has_files && self.names.is_empty() && !selects && !self.all {
            let why = "resource(s) were provided, but no name was specified";
            return Err(
                Error::new(why).hint("Name the jobs, or give the files that have them with -f.")
            );
        } else {
            return Ok(());
        };
        Err(Error::new(why))
    }

    /// The Jobs that are meant.
    ///
    /// # Errors
    /// They cannot be found out.
    pub async fn find(&self, session: &Session<'_>, federation: &Federation<'_>) -> Result<Found> {
        let by_key = async |keys: Vec<Key>| Found {
            names: keys.iter().map(|(_, name)| name.clone()).collect(),
            records: federation.records_of(keys).await,
            errors: Vec::new(),
        };
        if !self.filenames.is_empty() {
            let documents = self.filenames.read("delete", session.world()).await?;
            let keys = session.manifests(documents, |rules, objects| rules.names(&objects))?;
            return Ok(by_key(keys).await);
        }
        if !self.names.is_empty() {
            if self.all_namespaces {
                return Err(federation::Error::NamesAcrossNamespaces.into());
            }
            let namespace = session.namespace()?;
            let keys = self.names.iter().map(|name| (namespace.clone(), name.clone()));
            return Ok(by_key(keys.collect()).await);
        }
        let namespace = if self.all_namespaces { None } else { Some(session.namespace()?) };
        let fields = self.selectors.fields()?;
        let all = federation.records(&[], namespace.as_deref()).await?;
        let Records { records, errors } = self.selectors.choose(federation, &fields, all).await;
        let names = records.iter().map(|record| record.name().to_owned()).collect();
        Ok(Found { names, records: records.into_iter().map(Ok).collect(), errors })
    }
}
