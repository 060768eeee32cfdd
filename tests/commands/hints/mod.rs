//! Every command that a hint offers is run by a shell, in the state that printed it, and does what
//! it says.
//!
//! [`complete`] compares the sentences in the source with those that were printed here. So a new
//! hint needs a case.

mod book;
mod clusters;
mod complete;
mod federation;
mod hosts;
mod jobs;
mod lost_hosts;
mod shards;

use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;

use book::Book;

use crate::by_flags::ByFlags;

/// Runs each case, also after one that failed. Gives the names of those that failed.
macro_rules! run_each {
    ($book:ident: $($case:path),*) => {{
        let mut failed = Vec::new();
        $(if AssertUnwindSafe($case(&mut $book)).catch_unwind().await.is_err() {
            failed.push(stringify!($case));
        })*
        failed
    }};
}

/// Runs all cases where only the flags of each command lead to the clusters.
pub async fn by_flags() {
    let _flags = ByFlags::new();
    all().await;
}

/// Runs all cases.
pub async fn all() {
    let mut book = Book::default();
    let failed = run_each!(book:
        federation::no_federation,
        federation::hosts,
        federation::by_context,
        federation::damage,
        federation::other_federations,
        federation::mistyped,
        federation::members,
        federation::drains,
        federation::losses,
        federation::moves,
        federation::left_records,
        clusters::interrupted,
        clusters::left_behind,
        clusters::lost_and_answers,
        clusters::stray_jobs,
        clusters::matches,
        clusters::registrations,
        clusters::checks,
        clusters::orphans,
        clusters::recordless,
        federation::ways,
        federation::restores,
        federation::reused,
        lost_hosts::lost_registry,
        lost_hosts::first_of_another,
        lost_hosts::nothing_to_move,
        lost_hosts::lost_records,
        federation::late,
        hosts::not_there,
        hosts::not_marked,
        hosts::left_damaged,
        hosts::both_left,
        hosts::used_again,
        hosts::old_host,
        jobs::namespaces,
        jobs::edits,
        jobs::names_taken,
        jobs::several_taken,
        jobs::jobs_in_the_way,
        jobs::damaged,
        jobs::unfinished,
        jobs::interrupted,
        jobs::not_begun,
        jobs::retries,
        jobs::adoptions,
        jobs::waits,
        shards::unplaced,
        shards::closed,
        shards::deletions,
        shards::kept,
        shards::next,
        shards::taken_over,
        shards::deactivated
    );
    assert!(failed.is_empty(), "these cases failed, see above: {failed:?}");
    let forgotten: Vec<_> = book.offered.difference(&book.followed).collect();
    assert!(forgotten.is_empty(), "offered, and not run by a test: {forgotten:#?}");
    complete::check(&book);
}
