//! What a problem asks for, as far as words and numbers tell; worked out once per problem.

use std::collections::BTreeSet;

use crate::problem::{Entry, Problem};

use super::hash;

/// Facts of a problem that its programs' features are crossed with.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// Coarse facts, one word each, hashed: size of the constraints, kind of entry, themes.
    pub(super) themes: Vec<u64>,
    /// Content words of the statement, hashed, sorted.
    pub(super) words: Vec<u64>,
    /// Numbers of the statement in digits.
    pub(super) numbers: BTreeSet<String>,
    /// Words as they stand (for literals such as `Yes`).
    pub(super) spellings: BTreeSet<String>,
    /// The same in lower case.
    pub(super) spellings_folded: BTreeSet<String>,
    /// Decimal exponent of the largest bound below 10^7: how long an input may be.
    pub(super) size_exponent: u8,
    /// Whether an answer modulo a large prime is asked for.
    pub(super) modulus: Option<&'static str>,
    /// How the program is called.
    pub(super) entry: &'static str,
    /// Name of the function or method to write.
    pub(super) entry_name: String,
    /// Names in the starter code or in the input format.
    pub(super) names: BTreeSet<String>,
}

/// Words that name a kind of problem.
const THEMES: [&str; 64] = [
    "array", "arrays", "beautiful", "binary", "bitwise", "circle", "cities", "city", "color", "connected", "consecutive", "cost", "count", "cycle", "digit", "digits", "distance", "distinct", "divisible", "edges", "equal", "even", "expected", "game", "graph", "grid", "index", "integer", "interval", "largest", "length", "lexicographically", "matrix", "maximum", "median", "minimum", "modulo", "move", "node", "number", "odd", "operation", "operations", "palindrome", "path", "permutation", "point", "points", "possible", "power", "prefix", "prime", "probability", "product", "queries", "query", "shortest", "sorted", "string", "subarray", "subsequence", "substring", "sum", "tree",
];

impl Asked {
    /// Reads a problem.
    pub(super) fn of(problem: &Problem) -> Asked {
        let mut asked = Asked::default();
        let statement = &problem.statement;
        (asked.entry, asked.entry_name) = match &problem.entry {
            Entry::Stdio => ("stdio", String::new()),
            Entry::Function { name } => ("function", name.clone()),
            Entry::Method { name, .. } => ("method", name.clone()),
            Entry::Script => ("script", String::new()),
        };
        asked.read_numbers(statement);
        asked.modulus = if statement.contains("998244353") {
            Some("998244353")
        } else if ["10^9 + 7", "10^9+7", "10^{9}+7", "1000000007", "10^{9} + 7", "10^9 +7"]
            .iter()
            .any(|form| statement.contains(form))
        {
            Some("1000000007")
        } else {
            None
        };
        let mut words = BTreeSet::new();
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        for word in statement.split(|c: char| !is_part(c)).filter(|word| !word.is_empty()) {
            let folded = word.to_ascii_lowercase();
            if word.len() > 1 && !word.bytes().all(|b| b.is_ascii_digit()) {
                if word.len() > 2 {
                    words.insert(hash::text(&folded));
                }
                if THEMES.binary_search(&folded.as_str()).is_ok() {
                    asked.themes.push(hash::text(&folded));
                }
            }
            asked.spellings.insert(word.to_owned());
            asked.spellings_folded.insert(folded);
        }
        asked.words = words.into_iter().collect();
        asked.themes.push(hash::pair(1, u64::from(asked.size_exponent)));
        asked.themes.push(hash::text(asked.entry));
        asked.themes.push(hash::pair(2, u64::from(asked.modulus.is_some())));
        asked.themes.sort_unstable();
        asked.themes.dedup();
        for word in problem.starter.split(|c: char| !is_part(c)).filter(|word| !word.is_empty()) {
            asked.names.insert(word.to_owned());
        }
        asked
    }

    /// Numbers as written, powers of ten in full, and the size of the input.
    fn read_numbers(&mut self, statement: &str) {
        let text: String = statement.chars().filter(|&c| c != ',' && c != '{' && c != '}').collect();
        let bytes = text.as_bytes();
        let mut at = 0;
        let mut largest = 0u64;
        while at < bytes.len() {
            if !bytes[at].is_ascii_digit() {
                at += 1;
                continue;
            }
            let end = digits_end(bytes, at);
            let digits = &text[at..end];
            self.numbers.insert(digits.to_owned());
            let mut value = digits.parse::<u64>().unwrap_or(u64::MAX);
            at = end;
            if value == 10 && bytes.get(end) == Some(&b'^') {
                let power_end = digits_end(bytes, end + 1);
                if let Ok(power @ 1..=18) = text[end + 1..power_end].parse::<u32>() {
                    value = 10u64.pow(power);
                    self.numbers.insert(value.to_string());
                }
                at = power_end.max(end + 1);
            }
            if value < 10_000_000 {
                largest = largest.max(value);
            }
        }
        self.size_exponent = largest.checked_ilog10().unwrap_or(0) as u8;
    }
}

fn digits_end(bytes: &[u8], start: usize) -> usize {
    (start..bytes.len()).find(|&at| !bytes[at].is_ascii_digit()).unwrap_or(bytes.len())
}
