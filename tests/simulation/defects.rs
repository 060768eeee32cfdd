//! Mistakes in the product, each of which the simulation finds within a number of seeds: so its
//! checks can fail.

use kubectl_federate::seams::Defect;

use super::all;
use super::life::Terms;

/// Each mistake, the number of seeds within which it is found, and the extra without which a life
/// cannot show it: those that lack it are left out.
const DEFECTS: [(Defect, u64, Option<&str>); 21] = [
    (Defect::BlindReplace, 20, None),
    (Defect::NoWriteAhead, 20, None),
    (Defect::UnmarkedCredit, 50, None),
    (Defect::RepeatedPost, 50, None),
    (Defect::UnknownFails, 50, None),
    (Defect::StartUnassigned, 100, None),
    (Defect::LedgerByName, 300, Some("remakes")),
    (Defect::CreditUngrouped, 300, Some("gangs")),
    (Defect::GangKept, 300, Some("gangs")),
    (Defect::ReopenExpired, 1000, None),
    (Defect::UncomparedStart, 1000, None),
    (Defect::OpenBeforeStopped, 300, None),
    (Defect::GiveUpEarly, 300, Some("leases")),
    (Defect::ExpiryFails, 1000, Some("leases")),
    (Defect::ReturnNotStopped, 1000, None),
    (Defect::TwiceUnreported, 1000, None),
    (Defect::RecoverBlind, 1000, Some("hosts")),
    (Defect::OpenBeforeListed, 1000, Some("hosts")),
    (Defect::LedgerUnlisted, 1000, Some("hosts")),
    (Defect::WriteUnverified, 1000, None),
    (Defect::RetryWhole, 300, Some("retries")),
];

#[test]
fn each_mistake_is_found_within_so_many_seeds() {
    let mut missed = Vec::new();
    for (defect, seeds, with) in DEFECTS {
        let terms = Terms { trace: false, defect: Some(defect) };
        let Some((seed, what)) = all(0..seeds, with, terms) else {
            missed.push((defect, seeds));
            continue;
        };
        println!("{defect:?}: seed {seed}: {}", what.lines().next().unwrap_or_default());
    }
    assert!(missed.is_empty(), "not found within so many seeds: {missed:?}");
}
