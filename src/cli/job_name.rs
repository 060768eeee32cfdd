//! The name of a job on the command line, also as `-o name` prints it.

/// The kinds that may stand before a name.
const KINDS: [&str; 6] =
    ["job", "jobs", "job.batch", "jobs.batch", "job.v1.batch", "jobs.v1.batch"];

/// Reads `pi`, `job/pi`, `jobs/pi`, `job.batch/pi` or `jobs.batch/pi` as `pi`.
pub(super) fn job_name(text: &str) -> Result<String, String> {
    let name = match text.split_once('/') {
        None => text,
        Some((kind, name)) if KINDS.contains(&kind.to_lowercase().as_str()) => name,
        Some((kind, _)) => return Err(format!("{kind:?} is not a kind of federated jobs")),
    };
    if name.is_empty() || name.contains('/') {
        return Err("a name must be given as NAME or job/NAME".to_owned());
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_o_name_prints_is_a_name() {
        for text in ["pi", "job/pi", "jobs/pi", "job.batch/pi", "jobs.batch/pi", "Job/pi"] {
            assert_eq!(job_name(text).as_deref(), Ok("pi"), "{text}");
        }
        for text in ["", "job/", "pod/pi", "job/pi/x", "/pi"] {
            assert!(job_name(text).is_err(), "{text}");
        }
    }
}
