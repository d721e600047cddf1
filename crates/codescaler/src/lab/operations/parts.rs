//! What several operations are made of.

use crate::lab::operation::LETTERS;

/// The decimal digits of a number that is not negative.
pub(super) fn digits(n: i64) -> Option<Vec<i64>> {
    let digits = n.to_string().chars().map(|c| c.to_digit(10).map(i64::from)).collect();
    if n < 0 { None } else { digits }
}

/// What divides a small number of at least 1.
pub(super) fn divisors(n: i64) -> Option<Vec<i64>> {
    (1..=1000).contains(&n).then(|| (1..=n).filter(|i| n % i == 0).collect())
}

/// The greatest common divisor.
pub(super) fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The letter at that place of [`LETTERS`].
pub(super) fn letter(k: i64) -> Option<char> {
    LETTERS.get(usize::try_from(k).ok()?).copied()
}

pub(super) fn is_vowel(c: char) -> bool {
    "aeiouAEIOU".contains(c)
}

pub(super) fn swap_case(c: char) -> char {
    if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
}

/// The first letter as a capital, the others small.
pub(super) fn capitalize(word: &str) -> String {
    let small = word.to_ascii_lowercase();
    let mut chars = small.chars();
    let first = chars.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}

/// Sets what `entries` hold under `key`; a new key comes last.
pub(super) fn set(entries: &mut Vec<(String, i64)>, key: String, value: i64) {
    match entries.iter_mut().find(|(name, _)| *name == key) {
        Some(entry) => entry.1 = value,
        None => entries.push((key, value)),
    }
}

/// How often each item occurs, in the order of first occurrence.
pub(super) fn counts(items: impl IntoIterator<Item = String>) -> Vec<(String, i64)> {
    let mut entries: Vec<(String, i64)> = Vec::new();
    for item in items {
        match entries.iter_mut().find(|(name, _)| *name == item) {
            Some(entry) => entry.1 += 1,
            None => entries.push((item, 1)),
        }
    }
    entries
}

/// Each word with its length.
pub(super) fn lengths<'a>(words: impl Iterator<Item = &'a str>) -> Vec<(String, i64)> {
    let mut entries = Vec::new();
    for word in words {
        set(&mut entries, word.to_owned(), word.len() as i64);
    }
    entries
}

/// The entries of a text such as `a=1;b=2`.
pub(super) fn pairs(text: &str) -> Option<Vec<(String, i64)>> {
    let mut entries = Vec::new();
    for pair in text.split(';') {
        let (name, value) = pair.split_once('=')?;
        set(&mut entries, name.to_owned(), value.parse().ok()?);
    }
    Some(entries)
}
