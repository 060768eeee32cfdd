//! Which objects a verb is about: by name or by label, of one namespace or of all.

use clap::Args;
use serde_json::Value;

use super::{Selector, Session, fields::Fields, job_name::job_name};
use crate::{
    error::{Error, Result},
    federation::{Federation, Records},
};

/// Names or a selector, and `-A`, as `kubectl get` has them.
#[derive(Debug, Args)]
pub struct Selection {
    /// The names of the jobs; all of the namespace if left out
    #[arg(value_name = "NAME", value_parser = job_name)]
    pub names: Vec<String>,
    /// The jobs of all namespaces
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    #[command(flatten)]
    selectors: Selectors,
}

/// `-l` and `--field-selector`.
#[derive(Debug, Args)]
pub struct Selectors {
    /// Only jobs whose labels match, such as team=math,tier!=web
    #[arg(
        short = 'l',
        long,
        value_name = "SELECTOR",
        default_value = "",
        hide_default_value = true
    )]
    selector: Selector,
    /// Only jobs whose fields match: metadata.name, metadata.namespace and status.successful, such
    /// as metadata.name!=pi
    #[arg(long, value_name = "SELECTOR", default_value = "", hide_default_value = true)]
    field_selector: String,
}

impl Selectors {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.selector.is_empty() && self.field_selector.is_empty()
    }

    /// What is asked of the fields of the objects.
    ///
    /// # Errors
    /// It is no selector, in the words of kubectl and of a server.
    pub fn fields(&self) -> Result<Fields> {
        let fields = &self.field_selector;
        Fields::parse(fields).map_err(|why| {
            let labels = self.selector.text();
            let jobs = "\"batch/v1, Resource=jobs\"";
            let what = format!("label selector {labels:?}, field selector {fields:?}");
            Error::server("BadRequest", format!("Unable to find {jobs} that match {what}: {why}"))
        })
    }

    /// Whether the selector matches an object's `metadata.labels`.
    pub fn matches(&self, labels: &Value) -> bool {
        self.selector.matches(labels)
    }

    /// The Jobs among these that are selected. The members are asked only where a field is that
    /// says what they have done.
    pub async fn choose(
        &self,
        federation: &Federation<'_>,
        fields: &Fields,
        Records { mut records, errors }: Records,
    ) -> Records {
        records.retain(|record| self.matches(&record.manifest.object()["metadata"]["labels"]));
        if !self.field_selector.is_empty() {
            let mut looks = federation.look(records).await;
            looks.retain(|look| fields.matches(&look.status.to_job(&look.record)));
            records = looks.into_iter().map(|look| look.stored).collect();
        }
        Records { records, errors }
    }
}

impl Selection {
    /// The namespace that is meant; none for all.
    ///
    /// # Errors
    /// There are names beside a selector, which kubectl refuses, too; or the namespace is not
    /// known.
    pub fn namespace(&self, session: &Session<'_>) -> Result<Option<String>> {
        if !self.selectors.is_empty() && !self.names.is_empty() {
            return Err(Error::new("name cannot be provided when a selector is specified"));
        }
        Ok(if self.all_namespaces { None } else { Some(session.namespace()?) })
    }

    /// Whether the selector names the values that a label may have.
    pub fn names_values_of(&self, key: &str) -> bool {
        self.selectors.selector.names_values_of(key)
    }

    /// As of [`Selectors::fields`].
    ///
    /// # Errors
    /// As there.
    pub fn fields(&self) -> Result<Fields> {
        self.selectors.fields()
    }

    /// Whether the selector matches an object's `metadata.labels`.
    pub fn matches(&self, labels: &Value) -> bool {
        self.selectors.matches(labels)
    }
}
