//! Deduplication: programs that differ in spelling only are one.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Pool;
use crate::{language::Language, linear::lex::lex, seed::digest};

/// What [`deduplicate`] dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Duplicates {
    /// Programs that another one of the same problem and verdict repeats.
    pub repeated: u64,
    /// Programs alike of which some are right and some are wrong: at least one verdict is unsound
    /// (a time limit, mostly), so that none is kept.
    pub contradicting: u64,
}

/// Keeps the first of several programs of one digest, and none where their verdicts differ. Doing
/// it twice changes nothing.
pub fn deduplicate(pools: &mut [Pool<'_>]) -> Duplicates {
    let mut dropped = Duplicates::default();
    for pool in pools {
        // Per digest: the first program's index and whether all verdicts agree.
        let mut seen: BTreeMap<u64, (u32, bool, bool)> = BTreeMap::new();
        for program in &pool.programs {
            let first = seen.entry(program.digest).or_insert((program.index, program.right, true));
            first.2 &= first.1 == program.right;
        }
        pool.programs.retain(|program| {
            let (first, _, agree) = seen[&program.digest];
            dropped.contradicting += u64::from(!agree);
            dropped.repeated += u64::from(agree && first != program.index);
            agree && first == program.index
        });
    }
    dropped
}

/// Digest of a program's tokens: for programs without a syntax tree. Comments, docstrings and
/// spacing do not matter; names and, in Python, indentation do.
pub fn token_digest(program: &str, language: Language) -> u64 {
    let mut bytes = Vec::with_capacity(program.len());
    for token in lex(program, language).tokens {
        if token.starts_line && language == Language::Python {
            bytes.push(b'\n');
            bytes.extend(token.depth.to_le_bytes());
        }
        bytes.extend(token.text.as_bytes());
        bytes.push(0);
    }
    digest(&bytes)
}
