//! All operations, by what they take.

mod dicts;
mod ints;
mod numbers;
mod orders;
mod parts;
mod texts;
mod totals;
mod words;

use super::operation::Operation;

/// The tables of operations.
const TABLES: [&[Operation]; 7] =
    [ints::ALL, orders::ALL, totals::ALL, numbers::ALL, texts::ALL, words::ALL, dicts::ALL];

/// Every operation.
pub(super) fn all() -> impl Iterator<Item = &'static Operation> {
    TABLES.into_iter().flatten()
}

/// The operation of that name.
pub(super) fn named(name: &str) -> Option<&'static Operation> {
    all().find(|operation| operation.name == name)
}
