//! `kubectl federate job get`.

mod columns;
mod trees;
mod watch;

use clap::Args;
use serde_json::Value;

use self::columns::{Columns, Item};
use super::tree::tree;
use crate::{
    cli::{
        InClusters, ListFlags, Selection, Session,
        events::{Reporter, Wording},
        fields::Fields,
        left_records::name_none_found,
        output::{is_table, listing, print},
        progress::staying,
        unknown::name_the_unknown,
        unmarked::name_those_that_act,
    },
    error::Result,
    federation::{self, Look, Records},
    print::{Drawing, Format, format::list, sort::Listing},
    reconcile::Inspection,
};

/// What kubectl says of an order beside a watch.
const NOT_SORTED: &str =
    "warning: --watch requested, --sort-by will be ignored for watch events received";

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # List the jobs of the namespace
  kubectl federate job get

  # List the jobs of all namespaces that have a label
  kubectl federate job get --all-namespaces --selector=team=math

  # Print one job with its status over all clusters as JSON
  kubectl federate job get pi -o json

  # Show how far each cluster is, and what keeps it from going on, until the job has ended
  kubectl federate job get pi --tree --watch

  # Show the shards in two clusters, each again whenever it changes
  kubectl federate job get pi --by-cluster --clusters=east,west --watch";

/// Show federated jobs over all their clusters
///
/// With --by-cluster each shard of a job has a row: NAME is the job in that cluster, and what
/// stands beside it is about that job alone. With -o such a shard is printed as a job with its
/// share of the work, and .status.cluster says where it is. Selectors are about the whole jobs.
///
/// Every cluster is asked. Nothing is written.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
#[command(after_long_help = EXAMPLES)]
pub struct Get {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    list: ListFlags,
    /// Say nothing of a job that is not there
    #[arg(long)]
    ignore_not_found: bool,
    /// Taken as kubectl takes it: lists are always read in chunks of 500
    #[arg(long, value_name = "N", default_value_t = 500, hide_default_value = true)]
    chunk_size: i64,
    /// Show the shards in place of the jobs: what each cluster has of them
    #[arg(long, conflicts_with = "tree")]
    by_cluster: bool,
    #[command(flatten)]
    clusters: InClusters,
    /// Show each job as a tree: below it its clusters, each with a bar of what is done (█), runs or
    /// waits to run (▒), failed (✗) and is left (·), and what keeps it from going on
    #[arg(long, conflicts_with_all = ["output", "template", "show_labels", "label_columns"])]
    tree: bool,
    /// Afterwards, show each job again whenever it changes; with --tree until all have ended, on a
    /// terminal in place
    #[arg(short, long)]
    watch: bool,
}

impl Get {
    /// Reads the records, asks the members, and prints what it amounts to.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let format = self.list.format()?;
        let format = format.as_ref();
        let columns = Columns {
            namespace: self.selection.all_namespaces,
            by_cluster: self.by_cluster || !(self.clusters.is_all() || self.tree),
            wide: format == Some(&Format::Wide),
            flags: &self.list.table,
        };
        let namespace = self.selection.namespace(session)?;
        let fields = self.selection.fields()?;
        let reporter = Reporter::new(session, Wording::new("reconciled"));
        // Who watches reads them in each round.
        let read = namespace.as_deref().filter(|_| !self.watch);
        let federation = session.federation_about(&self.selection.names, read, &reporter).await?;
        if self.watch {
            let asked = watch::Asked {
                selection: &self.selection,
                clusters: &self.clusters,
                fields,
                namespace: namespace.as_deref(),
                format,
                columns,
                ignore_not_found: self.ignore_not_found,
            };
            if self.list.table.sorts() {
                session.output().note(NOT_SORTED);
            }
            if self.tree {
                let watch = trees::watch_trees(session, federation, asked, self.drawing(session));
                return watch.await;
            }
            let watch = watch::watch(session, federation, asked);
            return session.world().interruptible(watch).await;
        }
        let Records { mut records, mut errors } =
            federation.records(&self.selection.names, namespace.as_deref()).await?;
        match records.as_slice() {
            [record] if self.selection.names.len() == 1 => {
                federation.check_shards_in(&self.clusters.names(), record)?;
            }
            records => federation.check_registered(&self.clusters.names(), records)?,
        }
        records.retain(|record| {
            self.selection.matches(&record.manifest.object()["metadata"]["labels"])
        });
        let is_missing = !errors.is_empty();
        errors.retain(|error| !self.forgives(error));
        if let ([_], true) = (self.selection.names.as_slice(), is_missing) {
            // As in kubectl, where of one that is not there nothing is printed, no list either.
            return Ok(federation::Error::all(errors)?);
        }
        if self.tree {
            let act = name_those_that_act(session, &federation);
            let (mut looks, ()) = tokio::join!(federation.look_and_inspect(records), act);
            for (look, _) in &mut looks {
                self.clusters.narrow(&mut look.status);
            }
            let is_any = self.print_trees(session, &fields, &looks)?;
            if !is_any && errors.is_empty() && !self.ignore_not_found {
                name_none_found(session, &federation, namespace.as_deref()).await;
            }
            return Ok(federation::Error::all(errors)?);
        }
        let act = name_those_that_act(session, &federation);
        let (mut looks, ()) = tokio::join!(federation.look(records), act);
        looks.retain(|look| fields.matches(&look.status.to_job(&look.record)));
        for look in &mut looks {
            self.clusters.narrow(&mut look.status);
        }
        let items = looks.iter().flat_map(|look| columns.items(&look.record, &look.status));
        let items: Vec<_> = items.collect();
        if items.is_empty() && self.ignore_not_found {
            return Ok(federation::Error::all(errors)?);
        }
        let items = self.sorted(items, columns.by_cluster, format)?;
        let objects = || self.objects(&items, columns.by_cluster);
        let printed = print(session.world(), format, objects, "job.batch").await;
        match items.as_slice() {
            _ if !is_table(format) => {}
            [] if errors.is_empty() => {
                name_none_found(session, &federation, namespace.as_deref()).await;
            }
            [] => {}
            items => {
                let mut table = columns.table();
                for item in items {
                    table.row(columns.row(session, *item));
                }
                session.output().table(&table);
            }
        }
        let shown: Vec<_> = looks.iter().map(|look| (&look.record, &look.status)).collect();
        name_the_unknown(session, &shown);
        printed?;
        Ok(federation::Error::all(errors)?)
    }

    /// Prints a tree for each Job that is asked for. Gives whether there is any.
    fn print_trees(
        &self,
        session: &Session<'_>,
        fields: &Fields,
        looks: &[(Look, Inspection)],
    ) -> Result<bool> {
        let output = session.output();
        let object = |(look, _): &&(Look, Inspection)| look.status.to_job(&look.record);
        let looks = looks.iter().filter(|look| fields.matches(&object(look))).collect();
        let looks = self.list.table.sorted(looks, object, Listing::Table)?;
        if looks.is_empty() {
            return Ok(false);
        }
        let named = self.selection.all_namespaces;
        let trees = looks.iter().map(|(Look { record, status, .. }, inspection)| {
            tree(record, status, inspection, named)
        });
        output.block(&self.drawing(session).lines(&trees.collect::<Vec<_>>()).join("\n"));
        for (Look { record, .. }, inspection) in looks {
            for (cluster, error) in &inspection.unread {
                let text = format!("job.batch/{}: not all could be read: {error}", record.name());
                output.warning(Some(cluster), &text);
            }
        }
        Ok(true)
    }

    /// How trees are printed that are to stay.
    fn drawing(&self, session: &Session<'_>) -> Drawing {
        Drawing { headers: !self.list.table.no_headers, ..staying(session.output()) }
    }

    /// Whether nothing is said of an error.
    fn forgives(&self, error: &federation::Error) -> bool {
        self.ignore_not_found && matches!(error, federation::Error::NotFound { .. })
    }

    /// The rows in the order that is asked for. As in kubectl, a table of several Jobs that are
    /// named keeps the order of their names, and one object has no order.
    fn sorted<'j>(
        &self,
        items: Vec<Item<'j>>,
        by_cluster: bool,
        format: Option<&Format>,
    ) -> Result<Vec<Item<'j>>> {
        let sorted = |items| self.list.table.sorted(items, Item::object, listing(format));
        match self.selection.names.as_slice() {
            [] => sorted(items),
            [_, _, ..] if !is_table(format) => sorted(items),
            _ if by_cluster => sorted(items),
            _ => Ok(items),
        }
    }

    /// As `kubectl get -o json` has it: the object that was asked for by name, or a list.
    fn objects(&self, items: &[Item<'_>], by_cluster: bool) -> Value {
        match (self.selection.names.as_slice(), items) {
            ([_], [item]) if !by_cluster => item.object(),
            _ => list(items.iter().map(Item::object).collect()),
        }
    }
}
