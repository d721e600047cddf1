//! Tests of the crate as others see it.

mod corpus;
mod properties;
mod trees;
