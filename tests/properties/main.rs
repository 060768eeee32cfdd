//! What holds of every input: properties of the pure modules, searched for counterexamples.

mod plan;
mod plan_vectors;
