//! What a Job is waited for to be.

use serde_json::Value;

use crate::{
    jsonpath::{self, JsonPath},
    reconcile::Status,
};

/// The conditions of a Job that has ended or is about to, in lower case.
const ENDS: [&str; 4] = ["complete", "failed", "failuretarget", "successcriteriamet"];

/// What is waited for.
#[derive(Debug, Clone, PartialEq)]
pub enum Goal {
    /// A condition of the Job's status has this status; both in lower case.
    Condition {
        /// The condition's type.
        name: String,
        /// Its status: `true`, `false` or `unknown`.
        value: String,
    },
    /// The federated Job is gone.
    Delete,
    /// The federated Job is there.
    Create,
    /// A path leads to one value in the Job.
    Path {
        /// The path.
        path: JsonPath,
        /// As which text the value prints; none for any.
        value: Option<String>,
    },
}

impl Goal {
    /// The Job is Complete.
    pub fn complete() -> Self {
        Self::Condition { name: "complete".to_owned(), value: "true".to_owned() }
    }

    /// Whether it is the end of a Job, or its creation, which comes before.
    pub(super) fn is_the_end(&self) -> bool {
        match self {
            Self::Create => true,
            Self::Delete | Self::Path { .. } => false,
            Self::Condition { name, value } => ENDS.contains(&name.as_str()) && value == "true",
        }
    }

    /// Whether the outcome, which is latched, meets this goal once the last shard has ended.
    pub(super) fn will_be_met(&self, status: &Status) -> bool {
        match self {
            Self::Condition { name, value } => value == "true" && status.will_have_condition(name),
            Self::Delete | Self::Create | Self::Path { .. } => false,
        }
    }

    /// Whether a Job that exists meets this goal.
    ///
    /// # Errors
    /// A path leads to what cannot be compared, in kubectl's words.
    pub(super) fn is_met(&self, job: &Value) -> Result<bool, String> {
        match self {
            Self::Create => Ok(true),
            Self::Delete => Ok(false),
            Self::Condition { name, value } => Ok(has_condition(job, name, value)),
            Self::Path { path, value } => leads_to(path, value.as_deref(), job),
        }
    }
}

/// Whether the Job has a condition with this status. The first condition of a name counts, as in
/// kubectl.
fn has_condition(job: &Value, name: &str, value: &str) -> bool {
    let says = |condition: &Value, field: &str| {
        condition[field].as_str().unwrap_or_default().to_lowercase()
    };
    let mut conditions = job["status"]["conditions"].as_array().into_iter().flatten();
    conditions
        .find(|condition| says(condition, "type") == *name)
        .is_some_and(|condition| says(condition, "status") == *value)
}

/// Whether a path leads to one value, which prints as this text if one is given.
fn leads_to(path: &JsonPath, value: Option<&str>, job: &Value) -> Result<bool, String> {
    let found = path.find(job)?;
    let one = match found.as_slice() {
        [] => return Ok(false),
        [first, ..] if first.is_empty() => return Ok(false),
        [first] => match first.as_slice() {
            [one] => *one,
            _ => return Err("given jsonpath expression matches more than one value".to_owned()),
        },
        _ => return Err("given jsonpath expression matches more than one list".to_owned()),
    };
    match (value, one) {
        (None, _) => Ok(true),
        (Some(_), jsonpath::Found::Value(Value::Array(_) | Value::Object(_))) => {
            Err("jsonpath leads to a nested object or list which is not supported".to_owned())
        }
        (Some(value), one) => Ok(one.shown().trim() == value.trim()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn condition(name: &str, value: &str) -> Goal {
        Goal::Condition { name: name.to_owned(), value: value.to_owned() }
    }

    #[test]
    fn a_condition_is_met_by_its_first_of_that_name_regardless_of_case() {
        let job = json!({"status": {"conditions": [
            {"type": "Suspended", "status": "False"},
            {"type": "Failed", "status": "True"},
            {"type": "Failed", "status": "False"},
        ]}});
        for (goal, met) in [
            (condition("suspended", "false"), true),
            (condition("suspended", "true"), false),
            (condition("failed", "true"), true),
            (condition("failed", "false"), false),
            (condition("complete", "true"), false),
            (condition("complete", "false"), false),
            (Goal::Delete, false),
        ] {
            assert_eq!(goal.is_met(&job), Ok(met), "{goal:?}");
        }
        assert_eq!(condition("failed", "true").is_met(&json!({})), Ok(false));
    }

    #[test]
    fn a_path_leads_to_one_value() {
        let job = json!({
            "metadata": {"name": "pi", "labels": {}}, "spec": {"suspend": true, "none": null},
            "status": {"succeeded": 3, "shards": [{"n": 1}, {"n": 2}]},
        });
        for (path, value, met) in [
            ("{.status.succeeded}", Some("3"), Ok(true)),
            ("{.status.succeeded}", Some(" 3 "), Ok(true)),
            ("{.status.succeeded}", Some("30"), Ok(false)),
            ("{.status.succeeded}", None, Ok(true)),
            ("{.status.failed}", None, Ok(false)),
            ("{.status.failed}", Some("0"), Ok(false)),
            ("{.spec.suspend}", Some("true"), Ok(true)),
            ("{.spec.none}", None, Ok(true)),
            ("{.metadata.labels}", None, Ok(true)),
            (
                "{.metadata.labels}",
                Some("x"),
                Err("jsonpath leads to a nested object or list which is not supported"),
            ),
            (
                "{.status.shards[*].n}",
                None,
                Err("given jsonpath expression matches more than one value"),
            ),
            ("{.status}{.spec}", None, Err("given jsonpath expression matches more than one list")),
        ] {
            let goal = Goal::Path {
                path: JsonPath::parse(path).expect("a path"),
                value: value.map(str::to_owned),
            };
            assert_eq!(goal.is_met(&job), met.map_err(str::to_owned), "{path}={value:?}");
        }
    }
}
