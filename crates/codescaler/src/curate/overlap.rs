//! Decontamination of statements: which held-out problem a statement repeats, by n-grams of words.

use std::collections::{BTreeMap, BTreeSet};

use crate::seed::digest;

/// Statements that must not be learnt, as n-grams of words.
///
/// GPT-3 (arXiv 2005.14165, appendix C) calls a text contaminated by a single common 13-gram.
/// Statements of programming contests share whole sentences of boilerplate, so that here the
/// *share* of n-grams decides, relative to the shorter of the two statements: a statement inside a
/// longer one counts in full.
#[derive(Clone, Debug)]
pub struct Overlap {
    n: usize,
    /// Which statements hold an n-gram.
    holders: BTreeMap<u64, Vec<usize>>,
    /// The name of each statement, and how many different n-grams it has.
    statements: Vec<(String, usize)>,
}

impl Overlap {
    /// No statements yet; n-grams of `n` words, at least 1.
    pub fn new(n: usize) -> Overlap {
        Overlap { n: n.max(1), holders: BTreeMap::new(), statements: Vec::new() }
    }

    /// Adds a statement that must not be learnt.
    pub fn add(&mut self, name: &str, statement: &str) {
        let grams = grams(statement, self.n);
        for gram in &grams {
            self.holders.entry(*gram).or_default().push(self.statements.len());
        }
        self.statements.push((name.to_owned(), grams.len()));
    }

    /// The held-out statement that shares most with this one: the share of n-grams of the shorter
    /// one, in (0, 1], and its name. The first of several that share as much.
    pub fn most(&self, statement: &str) -> Option<(f64, &str)> {
        let grams = grams(statement, self.n);
        let mut common: BTreeMap<usize, usize> = BTreeMap::new();
        for &holder in grams.iter().filter_map(|gram| self.holders.get(gram)).flatten() {
            *common.entry(holder).or_default() += 1;
        }
        let shares = common.into_iter().map(|(holder, n_common)| {
            let (name, n_grams) = &self.statements[holder];
            (n_common as f64 / grams.len().min(*n_grams) as f64, name.as_str())
        });
        shares.fold(None, |most, next| match most {
            Some((share, _)) if share >= next.0 => most,
            Some(_) | None => Some(next),
        })
    }
}

/// Different n-grams of a text's words; of a text with fewer words, all of it as one.
fn grams(text: &str, n: usize) -> BTreeSet<u64> {
    let words = words(text);
    if words.is_empty() {
        return BTreeSet::new();
    }
    words.windows(n.min(words.len())).map(|gram| digest(gram.join(" ").as_bytes())).collect()
}

/// A digest of a statement's words: case, spacing and marks do not matter.
pub fn statement_digest(statement: &str) -> u64 {
    digest(words(statement).join(" ").as_bytes())
}

fn words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}
