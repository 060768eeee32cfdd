//! The roles that docs/operations.md gives as YAML, and what they allow.

use std::fs;

use kubectl_federate::yaml;
use serde_json::Value;
use sim::Access;

/// The section with the roles of those who run Jobs.
pub const RUN_JOBS: &str = "\n## Rights\n";

/// The role that everybody needs in every cluster.
pub const IDENTITY: &str = "kubectl-federate-identity";

/// The roles of a section, in the order of the page.
pub fn roles(section: &str) -> Vec<Value> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md");
    let page = fs::read_to_string(page).expect("the page is there");
    let (_, text) = page.split_once(section).expect("the section is there");
    let (text, _) = text.split_once("\n##").expect("another section after it");
    let blocks = text.split("```yaml\n").skip(1).map(|block| block.split("```").next());
    let documents = blocks.map(|block| yaml::read(block.expect("a block")).expect("it is YAML"));
    documents.flatten().collect()
}

/// Whether RBAC's rules allow something.
pub fn allows(rules: &Value, access: &Access) -> bool {
    let resource = match access.subresource.as_str() {
        "" => access.resource.clone(),
        subresource => format!("{}/{subresource}", access.resource),
    };
    let has = |rule: &Value, field: &str, value: &str| {
        rule[field].as_array().is_some_and(|values| values.iter().any(|each| *each == value))
    };
    rules.as_array().into_iter().flatten().any(|rule| {
        has(rule, "apiGroups", &access.group)
            && has(rule, "resources", &resource)
            && has(rule, "verbs", &access.verb)
            && (rule.get("resourceNames").is_none() || has(rule, "resourceNames", &access.name))
    })
}
