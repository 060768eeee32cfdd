//! What processes, networks and members do to the verbs, on simulated clusters in this process: kills at every
//! request, processes side by side and frozen ones, answers of every kind, a thousand members.
//!
//! | module | what it holds |
//! |---|---|
//! | [`stage`] | clusters, and commands that run on them |
//! | [`net`] | the network between them: it counts, delays, breaks and watches |
//! | [`witness`] | what must hold at every moment |
//! | [`promises`] | what must hold once a reconcile has run |

mod freezes;
mod kills;
mod limits;
mod net;
mod networks;
mod promises;
mod races;
mod stage;
mod witness;
