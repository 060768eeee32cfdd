//! What holds of every input: properties of the pure modules, searched for counterexamples.

mod decide;
mod events;
mod model;
mod plan;
mod plan_vectors;
