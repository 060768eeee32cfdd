//! kubectl's JSONPath, as `k8s.io/client-go/util/jsonpath` reads and follows it.
//!
//! It is another language than that of RFC 9535: a template of text and of blocks in braces, with
//! loops from `{range …}` to `{end}`, and values that print as Go prints them.

mod eval;
mod found;
pub mod go;
mod node;
mod parser;
mod print;
mod relaxed;

use serde_json::Value;

use self::node::Node;
pub use self::{found::Found, relaxed::relaxed};

/// A template, ready to be followed in objects.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonPath {
    text: String,
    nodes: Vec<Node>,
    /// Whether a key that an object lacks is nothing, and not an error.
    allow_missing_keys: bool,
}

impl JsonPath {
    /// Reads a template. Keys that an object lacks are nothing, unless said otherwise.
    ///
    /// # Errors
    /// It is none, in client-go's words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let nodes = parser::parse(text)?;
        Ok(Self { text: text.to_owned(), nodes, allow_missing_keys: true })
    }

    /// The same template; whether keys that an object lacks are nothing, or an error.
    #[must_use]
    pub fn allow_missing_keys(mut self, allow: bool) -> Self {
        self.allow_missing_keys = allow;
        self
    }

    /// What it leads to, for each text and each block that it comes to.
    ///
    /// # Errors
    /// It does not fit the object, in client-go's words.
    pub fn find<'a>(&'a self, object: &'a Value) -> Result<Vec<Vec<Found<'a>>>, String> {
        eval::follow(&self.nodes, self.allow_missing_keys, object)
    }

    /// What `-o jsonpath` prints of an object.
    ///
    /// # Errors
    /// It does not fit the object, in kubectl's words, which show the template and the object.
    pub fn text(&self, object: &Value) -> Result<String, String> {
        let found = self.find(object).map_err(|why| self.misfit(object, &why))?;
        Ok(found.iter().map(|results| print::text(results)).collect())
    }

    /// What `-o jsonpath-as-json` prints of an object.
    ///
    /// # Errors
    /// As of [`JsonPath::text`].
    pub fn json(&self, object: &Value) -> Result<String, String> {
        let found = self.find(object).map_err(|why| self.misfit(object, &why))?;
        Ok(found.iter().map(|results| print::json(results)).collect())
    }

    fn misfit(&self, object: &Value, why: &str) -> String {
        let Self { text, .. } = self;
        format!(
            "error executing jsonpath {}: Error executing template: {why}. Printing more \
            information for debugging the template:\n\ttemplate was:\n\t\t{text}\n\tobject given \
            to jsonpath engine was:\n\t\t{}\n\n\n",
            go::quoted(text),
            go::syntax(object),
        )
    }
}

#[cfg(test)]
mod tests;
