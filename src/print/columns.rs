//! `-o custom-columns`: a table of what paths lead to in each object.

use serde_json::Value;

use super::{Tabs, printed::Printed, table::NONE};
use crate::jsonpath::{Found, JsonPath, relaxed};

/// What is said where there are no columns.
pub(super) const NO_COLUMNS: &str = "custom-columns format specified but no custom columns given";

/// Columns with a header and a path each.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomColumns {
    columns: Vec<(String, String)>,
    headers: bool,
}

impl CustomColumns {
    /// The columns of `NAME:.metadata.name,IMAGE:…`.
    ///
    /// # Errors
    /// A column has no path, or one that is none, in kubectl's words.
    pub fn from_spec(spec: &str, headers: bool) -> Result<Self, String> {
        if spec.is_empty() {
            return Err(NO_COLUMNS.to_owned());
        }
        let column = |part: &str| {
            let (header, path) = part.split_once(':').ok_or_else(|| {
                format!(
                    "unexpected custom-columns spec: {part}, expected <header>:<json-path-expr>"
                )
            })?;
            Ok::<_, String>((header.to_owned(), relaxed(path)?))
        };
        let columns = spec.split(',').map(column).collect::<Result<_, _>>()?;
        Ok(Self { columns, headers })
    }

    /// The columns of a file: a line of headers above a line of paths. The headers are always
    /// printed, as by kubectl.
    ///
    /// # Errors
    /// The lines do not fit each other, or a path is none, in kubectl's words.
    pub fn from_file(text: &str) -> Result<Self, String> {
        let mut lines = text.lines();
        let headers = lines.next().ok_or_else(|| too_short("header"))?;
        let paths = lines.next().ok_or_else(|| too_short("spec"))?;
        let headers: Vec<_> = headers.split_whitespace().collect();
        let paths: Vec<_> = paths.split_whitespace().collect();
        let (named, found) = (headers.len(), paths.len());
        if named != found {
            return Err(format!(
                "number of headers ({named}) and field specifications ({found}) don't match"
            ));
        }
        let column =
            |(header, path): (&str, &str)| Ok::<_, String>((header.to_owned(), relaxed(path)?));
        let columns = headers.into_iter().zip(paths).map(column).collect::<Result<_, _>>()?;
        Ok(Self { columns, headers: true })
    }

    /// The table of these objects. Without `first` it goes on below what was printed before.
    pub(super) fn print(&self, objects: &[Value], tabs: &mut Tabs, first: bool) -> Printed {
        let mut text = String::new();
        if self.headers && first {
            let headers = self.columns.iter().map(|(header, _)| header.as_str());
            text.push_str(&headers.collect::<Vec<_>>().join("\t"));
            text.push('\n');
        }
        let failed = self.rows(objects, &mut text).err();
        Printed { text: tabs.aligned(&text), failed }
    }

    fn rows(&self, objects: &[Value], text: &mut String) -> Result<(), String> {
        let paths = self.columns.iter().map(|(_, path)| JsonPath::parse(path));
        let paths = paths.collect::<Result<Vec<_>, _>>()?;
        for object in objects {
            let cells = paths.iter().map(|path| path.find(object).map(|found| cell(&found)));
            text.push_str(&cells.collect::<Result<Vec<_>, _>>()?.join("\t"));
            text.push('\n');
        }
        Ok(())
    }
}

/// What is said of a file with too few lines.
fn too_short(line: &str) -> String {
    format!(
        "invalid template, missing {line} line. Expected format is one line of space separated \
        headers, one line of space separated column specs."
    )
}

/// What one path led to, which may begin lines and cells of its own, but does not steer the
/// terminal.
fn cell(found: &[Vec<Found<'_>>]) -> String {
    let mut values = Vec::new();
    if found.first().is_none_or(Vec::is_empty) {
        values.push(NONE.to_owned());
    }
    let shown = found.iter().flatten().map(|found| found.shown());
    values.extend(shown.map(|text| text.replace('\u{1b}', "^[").replace('\r', "\\r")));
    values.join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn printed(columns: &CustomColumns) -> String {
        let jobs = [
            json!({"metadata": {"name": "pi", "labels": {"a": "b", "c": "d"}}}),
            json!({"metadata": {"name": "a-longer-name"}, "items": [1, 2.5, null]}),
        ];
        columns.print(&jobs, &mut Tabs::default(), true).text
    }

    #[test]
    fn each_object_has_a_row() {
        let spec = "NAME:metadata.name,LABELS:.metadata.labels,ITEMS:{.items[*]}";
        let columns = CustomColumns::from_spec(spec, true).expect("columns");
        assert_eq!(
            printed(&columns),
            "NAME            LABELS         ITEMS\n\
             pi              map[a:b c:d]   <none>\n\
             a-longer-name   <none>         1,2.5,<nil>\n"
        );
        let columns = CustomColumns::from_spec("N:.metadata.name", false).expect("columns");
        assert_eq!(printed(&columns), "pi\na-longer-name\n");
        let columns = CustomColumns::from_file("A  B\n.metadata.name {metadata}\n");
        assert!(printed(&columns.expect("columns")).starts_with("A "));
    }

    #[test]
    fn what_is_no_column_is_refused() {
        for (spec, why) in [
            ("", NO_COLUMNS),
            ("a", "unexpected custom-columns spec: a, expected <header>:<json-path-expr>"),
            (
                "a:{x",
                "unexpected path string, expected a 'name1.name2' or '.name1.name2' or \
                 '{name1.name2}' or '{.name1.name2}'",
            ),
        ] {
            assert_eq!(CustomColumns::from_spec(spec, true), Err(why.to_owned()), "{spec}");
        }
        assert_eq!(CustomColumns::from_file(""), Err(too_short("header")));
        assert_eq!(CustomColumns::from_file("A"), Err(too_short("spec")));
        assert_eq!(
            CustomColumns::from_file("A B\n.a"),
            Err("number of headers (2) and field specifications (1) don't match".to_owned())
        );
    }
}
