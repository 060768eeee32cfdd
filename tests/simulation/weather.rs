//! What befalls requests: every kind of fault, at rates that a seed chooses.

use std::time::Duration;

use http::header::RETRY_AFTER;
use sim::{RequestInfo, Verdict, When};

use super::random::Random;

/// A kind of fault that a request can meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nobody listens.
    Refused,
    /// The connection breaks before the request takes effect.
    ResetBefore,
    /// The connection breaks after the request took effect.
    ResetAfter,
    /// No answer comes, and the request has no effect.
    HangBefore,
    /// No answer comes, and the request took effect.
    HangAfter,
    /// 401 Unauthorized
    Unauthorized,
    /// 403 Forbidden
    Forbidden,
    /// 409 Conflict, of a patch or a deletion.
    Conflict,
    /// 410 Gone, of a list.
    Gone,
    /// 429 Too Many Requests, with the time to wait.
    TooManyRequests,
    /// 500 before or after the request took effect.
    InternalError,
    /// 503 before the request takes effect.
    Unavailable,
    /// 504 after the request took effect.
    GatewayTimeout,
    /// The answer takes its time.
    Slow,
    /// The answer breaks off.
    Cut,
    /// A list is from the past.
    Stale,
    /// The answer comes with a warning.
    Warned,
}

/// Every kind of fault.
pub const FAULTS: [Fault; 17] = [
    Fault::Refused,
    Fault::ResetBefore,
    Fault::ResetAfter,
    Fault::HangBefore,
    Fault::HangAfter,
    Fault::Unauthorized,
    Fault::Forbidden,
    Fault::Conflict,
    Fault::Gone,
    Fault::TooManyRequests,
    Fault::InternalError,
    Fault::Unavailable,
    Fault::GatewayTimeout,
    Fault::Slow,
    Fault::Cut,
    Fault::Stale,
    Fault::Warned,
];

/// The faults of one life, and how often they come.
#[derive(Debug)]
pub struct Weather {
    faults: Vec<Fault>,
    /// One request in so many meets one; none where it is 0.
    one_in: u64,
}

impl Weather {
    /// No fault at all.
    pub fn calm() -> Self {
        Self { faults: Vec::new(), one_in: 0 }
    }

    /// Some kinds of faults, more or less often. A life that has few kinds of them gets further
    /// than one that has all.
    pub fn new(random: &mut Random) -> Self {
        let kinds = *random.pick(&[0, 1, 2, 4, FAULTS.len() as u64]);
        let faults = (0..kinds).map(|_| *random.pick(&FAULTS)).collect();
        Self { faults, one_in: *random.pick(&[4, 10, 25, 60]) }
    }

    /// The fault that a request meets, if it meets one.
    pub fn fault(&self, request: &RequestInfo, random: &mut Random) -> Option<Fault> {
        if self.faults.is_empty() || !random.one_in(self.one_in) {
            return None;
        }
        let fault = *random.pick(&self.faults);
        let applies = match fault {
            Fault::Conflict => matches!(request.verb, "patch" | "delete"),
            Fault::Gone | Fault::Stale => request.verb == "list",
            _ => true,
        };
        applies.then_some(fault)
    }
}

impl Fault {
    /// What becomes of a request that meets it.
    pub fn verdict(self, random: &mut Random) -> Verdict {
        let refusal = |when, code, reason| Verdict::refusal(when, code, reason, "a fault");
        let either = if random.one_in(2) { When::Before } else { When::After };
        match self {
            Self::Refused => Verdict::Refuse,
            Self::ResetBefore => Verdict::Reset(When::Before),
            Self::ResetAfter => Verdict::Reset(When::After),
            Self::HangBefore => Verdict::Hang(When::Before),
            Self::HangAfter => Verdict::Hang(When::After),
            Self::Unauthorized => refusal(When::Before, 401, "Unauthorized"),
            Self::Forbidden => refusal(When::Before, 403, "Forbidden"),
            Self::Conflict => refusal(When::Before, 409, "Conflict"),
            Self::Gone => refusal(When::Before, 410, "Expired"),
            Self::TooManyRequests => {
                let seconds = *random.pick(&["0", "1", "3", "60"]);
                refusal(When::Before, 429, "TooManyRequests").header(RETRY_AFTER, seconds)
            }
            Self::InternalError => refusal(either, 500, "InternalError"),
            Self::Unavailable => refusal(When::Before, 503, "ServiceUnavailable"),
            Self::GatewayTimeout => refusal(When::After, 504, "Timeout"),
            Self::Slow => Verdict::Delay(Duration::from_millis(random.below(8_000))),
            Self::Cut => Verdict::Cut(random.below(300) as usize),
            Self::Stale => Verdict::Stale(1 + random.below(20)),
            Self::Warned => Verdict::Warn(vec!["a fault".to_owned()]),
        }
    }

    /// Whether the answer arrives, and is what the sender takes for the truth.
    pub fn is_answered(self) -> bool {
        matches!(self, Self::Slow | Self::Stale | Self::Warned)
    }

    /// Whether the request may have taken effect, as far as its sender can know.
    pub fn may_have_happened(self) -> bool {
        !matches!(
            self,
            Self::Refused
                | Self::Unauthorized
                | Self::Forbidden
                | Self::Conflict
                | Self::Gone
                | Self::TooManyRequests
                | Self::Slow
                | Self::Stale
                | Self::Warned
        )
    }
}
