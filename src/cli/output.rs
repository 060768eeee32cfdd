//! `-o` and the flags beside it: how objects are printed.

use std::fs;

use clap::{ArgAction, Args};
use serde_json::Value;

use super::{World, kubectl::run_template};
use crate::{
    error::{Error, Result},
    os_error,
    print::{
        Format, Table, Tabs,
        format::{Asked, list},
        sort::{self, Listing},
        table::NONE,
    },
};

/// What templates are printed with.
#[derive(Debug, Clone, Args)]
struct TemplateFlags {
    /// The template, where -o names none; for go-template if -o is left out
    #[arg(long, value_name = "TEMPLATE", default_value = "", hide_default_value = true)]
    template: String,
    /// Whether a key that an object lacks is nothing in a template, and not an error
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true)]
    #[arg(default_value = "true", default_missing_value = "true", action = ArgAction::Set)]
    #[arg(hide_possible_values = true)]
    allow_missing_template_keys: bool,
    /// Taken as kubectl takes it: what is printed here has no managed fields
    #[arg(long)]
    show_managed_fields: bool,
}

/// `-o` and its templates.
#[derive(Debug, Clone, Args)]
pub struct OutputFlags {
    /// How to print: json, yaml, kyaml, name, wide, jsonpath=TEMPLATE, jsonpath-as-json=TEMPLATE,
    /// jsonpath-file=FILE, custom-columns=SPEC, custom-columns-file=FILE, go-template=TEMPLATE or
    /// go-template-file=FILE
    #[arg(short, long, value_name = "FORMAT", default_value = "", hide_default_value = true)]
    output: String,
    #[command(flatten)]
    templates: TemplateFlags,
}

/// `-o` of a verb whose table is always the same.
#[derive(Debug, Clone, Args)]
pub struct PrintFlags {
    /// How to print: json, yaml, kyaml, name, jsonpath=TEMPLATE, jsonpath-as-json=TEMPLATE,
    /// jsonpath-file=FILE, go-template=TEMPLATE or go-template-file=FILE
    #[arg(short, long, value_name = "FORMAT", default_value = "", hide_default_value = true)]
    output: String,
    #[command(flatten)]
    templates: TemplateFlags,
}

/// What `-o` is for where a verb says what became of Jobs.
const OF_CHANGES: &str = "\
    Print the jobs in place of sentences about them, those that are changed as recorded and \
    without a status: json, yaml, kyaml, name, jsonpath=TEMPLATE, jsonpath-as-json=TEMPLATE, \
    jsonpath-file=FILE, go-template=TEMPLATE or go-template-file=FILE";

/// `-o` of a verb that says what became of Jobs.
#[derive(Debug, Clone, Args)]
#[command(mut_arg("output", |output| output.help(OF_CHANGES)))]
pub struct ChangeFlags {
    /// The formats, which are the same.
    #[command(flatten)]
    pub print: PrintFlags,
}

/// What a table shows beside its own columns, and in which order.
#[derive(Debug, Clone, Args)]
pub struct TableFlags {
    /// Print no column names
    #[arg(long)]
    pub no_headers: bool,
    /// Show all labels in the last column
    #[arg(long)]
    show_labels: bool,
    /// Labels that have a column each, separated by commas, can be repeated
    #[arg(short = 'L', long, value_name = "KEY,…", value_delimiter = ',')]
    label_columns: Vec<String>,
    /// Order by what a path leads to, such as .metadata.name
    #[arg(long, value_name = "PATH", default_value = "", hide_default_value = true)]
    sort_by: String,
}

/// All flags of a verb that lists.
#[derive(Debug, Clone, Args)]
pub struct ListFlags {
    #[command(flatten)]
    output: OutputFlags,
    /// Those of a table.
    #[command(flatten)]
    pub table: TableFlags,
}

impl OutputFlags {
    /// The format that is asked for; none for the usual table.
    ///
    /// # Errors
    /// There is none such, or its template is none, in kubectl's words.
    pub fn format(&self, headers: bool) -> Result<Option<Format>> {
        let asked = Asked {
            output: &self.output,
            template: &self.templates.template,
            allow_missing_keys: self.templates.allow_missing_template_keys,
            headers,
        };
        Format::choose(asked, &Format::OF_LISTS, read).map_err(Error::new)
    }
}

impl PrintFlags {
    /// The format that is asked for; none for the table, or for sentences.
    ///
    /// # Errors
    /// There is none such, or its template is none, in kubectl's words.
    pub fn format(&self) -> Result<Option<Format>> {
        let asked = Asked {
            output: &self.output,
            template: &self.templates.template,
            allow_missing_keys: self.templates.allow_missing_template_keys,
            headers: true,
        };
        Format::choose(asked, &Format::of_changes(), read).map_err(Error::new)
    }
}

/// How several Jobs are printed that were changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Several {
    /// One after another.
    Apart,
    /// As one list, unless it is their names.
    Listed,
}

/// Prints Jobs that were changed.
///
/// # Errors
/// A template does not fit one.
pub async fn print_changed(
    world: &World,
    format: Option<&Format>,
    mut jobs: Vec<Value>,
    several: Several,
) -> Result<()> {
    if several == Several::Listed && jobs.len() > 1 {
        jobs = vec![list(jobs)];
    }
    for (at, job) in jobs.into_iter().enumerate() {
        if at > 0 && format == Some(&Format::Yaml) {
            world.output.line("---");
        }
        print(world, format, || job, "job.batch").await?;
    }
    Ok(())
}

/// The text of a file with a template, or why it cannot be read, as Go says it.
fn read(file: &str) -> Result<String, String> {
    fs::read_to_string(file).map_err(|error| format!("open {file}: {}", os_error::words(&error)))
}

impl ListFlags {
    /// As of [`OutputFlags::format`].
    ///
    /// # Errors
    /// As there, or what a table shows is asked for of something else.
    pub fn format(&self) -> Result<Option<Format>> {
        let OutputFlags { output, .. } = &self.output;
        if self.table.show_labels && !matches!(&**output, "" | "wide") {
            let why = format!("--show-labels option cannot be used with {output} printer");
            return Err(Error::new(why));
        }
        if !self.table.label_columns.is_empty() && output.starts_with("custom-columns") {
            let why = format!("--label-columns option cannot be used with {output} printer");
            return Err(Error::new(why));
        }
        self.output.format(!self.table.no_headers)
    }
}

impl TableFlags {
    /// Whether an order is asked for.
    pub fn sorts(&self) -> bool {
        !self.sort_by.is_empty()
    }

    /// The same items in the order that is asked for.
    ///
    /// # Errors
    /// There is no such order, in kubectl's words.
    pub fn sorted<T>(
        &self,
        items: Vec<T>,
        object: impl Fn(&T) -> Value,
        listing: Listing,
    ) -> Result<Vec<T>> {
        // As in kubectl, where the path is not looked at either.
        let is_one_row = listing == Listing::Table && items.len() < 2;
        if !self.sorts() || is_one_row {
            return Ok(items);
        }
        let objects: Vec<_> = items.iter().map(object).collect();
        let order = sort::order(&objects, &self.sort_by, listing).map_err(Error::new)?;
        let mut items: Vec<_> = items.into_iter().map(Some).collect();
        Ok(order.into_iter().filter_map(|at| items[at].take()).collect())
    }

    /// The table with the columns for labels, and without headers if those are not wanted.
    #[must_use]
    pub fn dressed(&self, table: Table) -> Table {
        let of_key = |key: &String| key.rsplit('/').next().unwrap_or_default().to_owned();
        let headers = self.label_columns.iter().map(of_key);
        let headers = headers.chain(self.show_labels.then(|| "labels".to_owned()));
        table.and_bare(headers).no_headers(self.no_headers)
    }

    /// The cells of those columns, of an object's `metadata.labels`.
    pub fn label_cells(&self, labels: &Value) -> Vec<String> {
        let of_key = |key: &String| labels[key].as_str().unwrap_or_default().to_owned();
        let mut cells: Vec<_> = self.label_columns.iter().map(of_key).collect();
        cells.extend(self.show_labels.then(|| all(labels)));
        cells
    }
}

/// All labels in one cell.
fn all(labels: &Value) -> String {
    let each = labels.as_object().into_iter().flatten();
    let each = each.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
    match each.collect::<Vec<_>>() {
        none if none.is_empty() => NONE.to_owned(),
        each => each.join(","),
    }
}

/// What an object is listed for in this format.
pub fn listing(format: Option<&Format>) -> Listing {
    if is_table(format) { Listing::Table } else { Listing::Objects }
}

/// Whether the format is the usual table, perhaps with more columns.
pub fn is_table(format: Option<&Format>) -> bool {
    matches!(format, None | Some(Format::Wide))
}

/// Prints an object, or a list of them, in a format. False if that is a table, which is for the
/// verb.
///
/// # Errors
/// A template does not fit the object.
pub async fn print(
    world: &World,
    format: Option<&Format>,
    object: impl FnOnce() -> Value,
    resource: &str,
) -> Result<bool> {
    print_below(world, format, object, resource, (&mut Tabs::default(), true)).await
}

/// The same below what was printed before, aligned by the same tabs; true where nothing was.
///
/// # Errors
/// A template does not fit the object.
pub async fn print_below(
    world: &World,
    format: Option<&Format>,
    object: impl FnOnce() -> Value,
    resource: &str,
    (tabs, first): (&mut Tabs, bool),
) -> Result<bool> {
    let Some(format) = format.filter(|format| !is_table(Some(format))) else { return Ok(false) };
    if let Format::GoTemplate(template) = format {
        return run_template(world, template, object()).await.map(|()| true);
    }
    let printed = format.print_below(&object(), resource, tabs, first);
    let Some(printed) = printed else { return Ok(false) };
    world.output.exactly(&printed.text);
    match printed.failed {
        Some(why) => Err(Error::new(why)),
        None => Ok(true),
    }
}
