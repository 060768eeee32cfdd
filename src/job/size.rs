//! Parallelism and completions: the two numbers that are divided over the clusters.

use serde_json::Value;

use super::Invalid;

/// The parallelism and completions of a Job, with the defaults of the Job API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// `spec.parallelism`: how many pods run at once, 0 or more. 0 pauses the Job.
    pub parallelism: i32,
    /// `spec.completions`: how many pods must succeed, 0 or more. `None` is a work queue.
    pub completions: Option<i32>,
}

impl Size {
    /// Reads the size of a Job's spec.
    ///
    /// The defaults are those of batch/v1: if both are unset, both are 1; if only completions are
    /// set, parallelism is 1; if only parallelism is set, the Job is a work queue.
    ///
    /// # Errors
    /// A value is not an integer from 0 to 2147483647.
    pub fn from_spec(spec: &Value) -> Result<Self, Invalid> {
        let parallelism = count(spec, "parallelism")?;
        let completions = count(spec, "completions")?;
        Ok(match (parallelism, completions) {
            (None, None) => Self { parallelism: 1, completions: Some(1) },
            (parallelism, completions) => {
                Self { parallelism: parallelism.unwrap_or(1), completions }
            }
        })
    }
}

fn count(spec: &Value, field: &str) -> Result<Option<i32>, Invalid> {
    match spec.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value
            .as_i64()
            .and_then(|n| i32::try_from(n).ok())
            .filter(|n| *n >= 0)
            .map(Some)
            .ok_or_else(|| {
                Invalid::value(
                    &format!("spec.{field}"),
                    value,
                    "must be an integer from 0 to 2147483647",
                )
            }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn defaults_are_those_of_the_job_api() {
        for (spec, parallelism, completions) in [
            (json!({}), 1, Some(1)),
            (json!({"completions": 5}), 1, Some(5)),
            (json!({"parallelism": 5}), 5, None),
            (json!({"parallelism": 1}), 1, None),
            (json!({"parallelism": 0, "completions": 3}), 0, Some(3)),
            (json!({"parallelism": null, "completions": null}), 1, Some(1)),
        ] {
            assert_eq!(
                Size::from_spec(&spec).expect("valid"),
                Size { parallelism, completions },
                "{spec}"
            );
        }
    }

    #[test]
    fn a_value_that_is_no_count_is_refused_with_its_field() {
        for bad in [json!(-1), json!("3"), json!(1.5), json!(2_147_483_648_i64), json!([])] {
            let error = Size::from_spec(&json!({ "completions": bad })).expect_err("invalid");
            assert!(error.to_string().contains("spec.completions"), "{error}");
        }
    }
}
