//! Mistakes in the product, each of which the simulation finds within a number of seeds: so its
//! checks can fail.

use kubectl_federate::seams::Defect;

use super::all;
use super::life::Terms;

/// Each mistake, and the number of seeds within which it is found.
const DEFECTS: [(Defect, u64); 11] = [
    (Defect::BlindReplace, 20),
    (Defect::NoWriteAhead, 20),
    (Defect::UnmarkedCredit, 50),
    (Defect::RepeatedPost, 50),
    (Defect::UnknownFails, 50),
    (Defect::StartUnassigned, 100),
    (Defect::LedgerByName, 300),
    (Defect::CreditUngrouped, 300),
    (Defect::GangKept, 300),
    (Defect::ReopenExpired, 1000),
    (Defect::UncomparedStart, 1000),
];

#[test]
fn each_mistake_is_found_within_so_many_seeds() {
    for (defect, seeds) in DEFECTS {
        let found = all(0..seeds, Terms { trace: false, defect: Some(defect) });
        let (seed, what) =
            found.unwrap_or_else(|| panic!("{defect:?} is not found: {seeds} seeds"));
        println!("{defect:?}: seed {seed}: {}", what.lines().next().unwrap_or_default());
    }
}
