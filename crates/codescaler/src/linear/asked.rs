//! What a problem asks for, as far as its words and numbers tell; worked out once per problem.

use std::collections::BTreeSet;

use super::{agreement::Named, hash};
use crate::problem::{Entry, Problem};

/// Facts of a problem that its programs' features are crossed with.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// How a program is called, hashed.
    pub(super) entry: u64,
    /// Name of the function or method to write; empty when there is none.
    pub(super) entry_name: String,
    /// Words of the starter code.
    pub(super) starter_words: BTreeSet<String>,
    /// Twice the natural logarithm of the statement's length in bytes, rounded down: longer
    /// statements ask for longer programs.
    pub(super) length_bucket: u64,
    /// Decimal exponent of the largest number below 10^7 in the statement: how large an input the
    /// program must bear.
    pub(super) size_exponent: u64,
    /// What its statement names.
    pub(super) named: Named,
}

/// Numbers from here on are values or moduli, not sizes.
const SIZE_END: u64 = 10_000_000;

impl Asked {
    /// Reads a problem. Tests are not looked at.
    pub(super) fn of(problem: &Problem) -> Asked {
        let (entry, entry_name) = match &problem.entry {
            Entry::Stdio => ("stdio", ""),
            Entry::Method { name, .. } => ("method", name.as_str()),
            Entry::Function { name } => ("function", name.as_str()),
            Entry::Script => ("function", ""),
        };
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        let words = problem.starter.split(|c| !is_part(c)).filter(|word| !word.is_empty());
        Asked {
            entry: hash::text(entry),
            entry_name: entry_name.to_owned(),
            starter_words: words.map(str::to_owned).collect(),
            length_bucket: (2.0 * (1.0 + problem.statement.len() as f64).ln()) as u64,
            size_exponent: size_exponent(&problem.statement),
            named: Named::of(&problem.statement, &problem.starter, entry_name),
        }
    }
}

/// Reads `100000`, `100,000`, `10^5`, `10^{5}` and `2 \times 10^5` alike.
fn size_exponent(statement: &str) -> u64 {
    let text: String = statement.chars().filter(|c| !matches!(c, ',' | '{' | '}')).collect();
    let bytes = text.as_bytes();
    let mut largest = 1;
    let mut at = 0;
    while at < bytes.len() {
        let end = digits_end(bytes, at);
        if end == at {
            at += 1;
            continue;
        }
        let mut value = text[at..end].parse::<u64>().unwrap_or(u64::MAX);
        at = end;
        if value == 10 && bytes.get(end) == Some(&b'^') {
            at = digits_end(bytes, end + 1);
            let power = text[end + 1..at].parse::<u32>().ok();
            value = power.and_then(|power| 10u64.checked_pow(power)).unwrap_or(u64::MAX);
        }
        if value < SIZE_END {
            largest = largest.max(value);
        }
    }
    u64::from(largest.ilog10())
}

fn digits_end(bytes: &[u8], start: usize) -> usize {
    (start..bytes.len()).find(|&at| !bytes[at].is_ascii_digit()).unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_every_spelling() {
        for (statement, exponent) in [
            ("", 0),
            ("1 <= n <= 100000", 5),
            ("1 <= n <= 100,000", 5),
            (r"1 \leq N \leq 2 \times 10^{5}", 5),
            ("n <= 10^5, values up to 10^9, modulo 998244353", 5),
            ("10^99999999999 and 10^ and 99999999999999999999999", 0),
            ("at most 8 of ünïcödé", 0),
        ] {
            assert_eq!(size_exponent(statement), exponent, "{statement}");
        }
    }
}
