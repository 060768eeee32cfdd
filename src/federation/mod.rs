//! What can be asked of a federation, without a terminal.
//!
//! | module | what it holds |
//! |---|---|
//! | `open` | [`Federation`]: the host, the registry, and the way to the members |
//! | `event` | [`Event`]: what a request says while it is carried out; [`Observer`] hears it |
//! | `turns` | Jobs of one request, settled side by side and told of in their order |
//! | `error` | [`Error`]: why a request was not carried out |
//! | `records` | the federated Jobs of this federation, by name or all |
//! | `look` | how they stand, with nothing written |
//! | `logs` | the logs of their pods, now or until they have ended |
//! | `events` | the events of their Jobs and pods |
//! | `timeline` | when their pods waited and ran |
//! | `pods` | the pods of the shards in each member |
//! | `submit` | manifests, and how one becomes a federated Job |
//! | `apply` | manifests that create a Job or change one |
//! | `edit`, `request` | how a federated Job gets a new manifest |
//! | `recreate` | what a change stops, so that new shards take its place |
//! | `delete` | how one is deleted, or forgotten |
//! | `reconcile` | how ledgers and members are brought together, once or until all is done |
//! | `remains` | what clusters still have of shards that somebody deleted |
//! | `backup`, `relocate` | the registry and all records are saved, restored, or moved to another host |
//! | `leaving` | a host is marked as left for another one |
//! | `recover` | records are rebuilt from what the members' Jobs keep |
//! | `rebalance` | moving work that has not started |
//! | `wait` | how a condition is waited for |
//! | `rounds` | looking at Jobs repeatedly |
//! | `after_write` | what every request does after it wrote a record |
//! | `acceptance` | who asks for what may run work twice |
//! | `dry_run_strategy` | how far a request is carried out |
//! | `check`, `preflight`, `refusal`, `refusals` | asking the members by dry run, before anything is written |
//! | `simulate` | what a reconcile would do |
//! | `labelled` | the Jobs in a cluster that carry the labels of shards |
//! | `orphans` | those that no ledger knows, and how they are deleted |
//! | `retry` | what did not succeed of a Failed Job, as a new one |
//! | `contexts` | which of a user's contexts lead to which members |
//! | `rights` | the rights that a user needs, and the roles that grant them |
//! | `cluster_check` | whether the host and the members can be used |
//! | `register` | clusters become members |
//! | `members` | listing and unregistering them |
//! | `member_changes` | cordoning, labelling and weighing them |
//! | `lost` | declaring one lost |
//! | `drain` | giving the work of one to others |
//!
//! Every request that changes a Job takes the same steps:
//!
//! 1. It checks that the record is of this federation, that it is not being deleted, and that the
//!    Job has not ended.
//! 2. It asks the members by dry run whether they would take the change.
//! 3. It writes the record, as a compare-and-swap.
//! 4. It reconciles, which brings the members to the record.

mod acceptance;
mod adopt;
mod after_write;
mod apply;
mod backup;
mod check;
mod cluster_check;
mod contexts;
mod delete;
mod drain;
mod dry_run_strategy;
mod edit;
mod error;
mod event;
mod events;
mod in_clusters;
mod kept;
mod key;
mod labelled;
mod late;
mod leaving;
mod left_shards;
mod logs;
mod look;
mod lost;
mod member_changes;
mod members;
mod moved_away;
mod moved_record;
mod open;
mod orphans;
mod pods;
mod preflight;
mod rebalance;
mod reconcile;
mod records;
mod recover;
mod recreate;
mod refusal;
mod refusals;
mod register;
mod relocate;
mod remains;
mod request;
mod retry;
mod rights;
mod rounds;
mod simulate;
mod submit;
mod timeline;
mod turns;
mod unregistered;
mod wait;

pub use adopt::{Proposed, ToAdopt};
pub use apply::{ApplyTerms, Step};
pub use backup::{
    Comparison, Difference, OtherHost, RecordChange, RecordSource, RegistryChange, Replaced,
    Restore, Return, last_host,
};
pub use cluster_check::{Answer, Checked, Identity, ToCheck, UnmarkedHost, check_host};
pub use contexts::{AskedContext, Identified, Standing, Way, ask_contexts, standings, ways};
pub use delete::{Deletion, Patience};
pub use drain::DrainTerms;
pub use dry_run_strategy::DryRun;
pub use edit::Edited;
pub use error::{Error, Existing, HostError, InUse, NotRetriable, Stopped, Unfinished};
pub use event::{Became, Event, LateEdit, LeadsTo, Observer, Waited, Work};
pub use events::{JobEvents, MemberEvent};
pub use kept::Kept;
pub use key::{Key, key};
pub use logs::{
    Containers, LastLines, LogLine, LogReader, LogTerms, LogsError, LogsRead, Since,
    Source as LogSource,
};
pub use look::{Described, Look};
pub use lost::{AtRisk, Contact, Risks};
pub use member_changes::LabelChange;
pub use members::{Answered, Carried, Staying};
pub use moved_away::MovedAway;
pub use open::{Access, Federation};
pub use orphans::{Cleaning, Named, Orphan, Orphans, Progress, Reason, Unanswered, Unasked};
pub use preflight::{Preflight, preflight, preflight_change, preflight_deletion};
pub use reconcile::{Reopen, Scope, Uncertain, UncertainWork};
pub use records::Records;
pub use recover::{Newest, Recoverable, Survey, Unusable};
pub use refusal::Refusal;
pub use refusals::{Forgotten, InTheWay, Owner, Place, Refusals, some_clusters};
pub use register::{Registered, Registration};
pub use relocate::relocate;
pub use remains::Remains;
pub use request::Request;
pub use retry::{Retry, UnknownWork};
pub use rights::{AskedRight, Right, manifests};
pub use rounds::{Rounds, View};
pub use simulate::simulate;
pub use submit::{Manifests, Proposal, Source, SubmitTerms};
pub use timeline::{PodRun, Timeline};
pub use wait::{Goal, Timeout, WaitTerms};
