//! Properties of the pure modules. Each is tested on random inputs.

mod adoption;
mod decide;
mod documents;
mod events;
mod model;
mod plan;
mod plan_vectors;
mod texts;
