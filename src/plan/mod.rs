//! How parallelism and completions are divided over the members; pure.
