//! Methods and engine, played against a small world in which everything is known.

mod engine;
mod methods;
mod prompts;
mod sstar;
mod world;
