//! What processes, networks and members do to the verbs, on simulated clusters in this process:
//! kills at every request, processes side by side and frozen ones, answers of every kind, a hostile
//! member, a thousand members, clusters that are declared lost.
//!
//! | module | what it holds |
//! |---|---|
//! | [`stage`] | clusters, and commands that run on them |
//! | [`net`] | the network between them: it counts, delays, breaks and watches |
//! | [`evidence`] | what a federated Job shows, and what it has to be; also used by `tests/kills` |
//! | [`witness`] | what must hold at every moment |
//! | [`promises`] | what must hold once a reconcile has run |

mod abandoned;
mod adoption;
mod entries;
mod evidence;
mod freezes;
mod hostile;
mod kills;
mod limits;
mod losses;
mod many;
mod many_silent;
mod net;
mod networks;
mod promises;
mod races;
mod random;
mod recovery;
mod refusals;
mod registry;
mod round_trips;
mod silence;
mod stage;
mod watching;
mod witness;
