//! The record remembers what users accepted although it may run work twice.

use super::Record;
use crate::state::{Acceptance, acceptance::KEPT};

impl Record {
    /// Remembers what a user accepted. The same is remembered once. A record keeps the last 16.
    pub fn accept(&mut self, acceptance: Acceptance) {
        let accepted = &mut self.state.accepted;
        if !accepted.contains(&acceptance) {
            accepted.push(acceptance);
        }
        let surplus = accepted.len().saturating_sub(KEPT);
        accepted.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        job::Manifest,
        state::{Accepted, acceptance::ROOM},
    };

    #[test]
    fn a_record_remembers_the_last_acceptances_in_bounded_room() {
        let job = serde_json::json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"}, "spec": {},
        });
        let manifest = Manifest::new(job, "work", "").expect("valid");
        let mut record = Record::new("f", manifest, Vec::new(), jiff::Timestamp::UNIX_EPOCH);
        for n in 0..20 {
            let (detail, who) = ("d".repeat(9_999), "w".repeat(9_999));
            let acceptance = Acceptance::new(Accepted::Reopened, &detail, &who, 9_999_999_980 + n);
            record.accept(acceptance.clone());
            record.accept(acceptance);
        }
        let times: Vec<_> = record.state.accepted.iter().map(|entry| entry.when % 100).collect();
        assert_eq!(times, (84..100).collect::<Vec<_>>());
        let text = serde_json::to_string(&record.state.accepted).expect("plain text");
        assert!(text.len() <= ROOM, "{}", text.len());
    }
}
