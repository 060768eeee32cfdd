//! What holds of every input: properties of the pure modules, searched for counterexamples.

mod decide;
mod decide_model;
mod plan;
mod plan_vectors;
