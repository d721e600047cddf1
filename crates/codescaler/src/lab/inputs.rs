//! Inputs that tell right programs from wrong ones.

use super::{
    data::{Data, Kind},
    step::{between, one_of},
};
use crate::seed::Rng;

const WORDS: [&str; 24] = [
    "ant", "bee", "cat", "dog", "east", "fig", "green", "hat", "ice", "jar", "kite", "lemon",
    "moon", "nest", "oak", "pear", "rain", "sun", "tea", "tree", "up", "vase", "a", "no",
];

const NAMES: [&str; 8] = ["a", "b", "c", "x", "y", "ann", "bob", "eve"];

/// Inputs that are special among those of a kind: nothing, one, all equal.
pub(super) fn edges(kind: Kind) -> Vec<Data> {
    match kind {
        Kind::Int => vec![Data::Int(0), Data::Int(1)],
        Kind::Ints => vec![Data::Ints(vec![]), Data::Ints(vec![4]), Data::Ints(vec![3, 3, 3])],
        Kind::Text => vec![Data::Text(String::new()), Data::Text("a".to_owned())],
        Kind::Words => vec![Data::Words(vec![]), Data::Words(vec!["sun".to_owned(); 2])],
        Kind::Dict => vec![Data::Dict(vec![]), Data::Dict(vec![("a".to_owned(), 2)])],
        Kind::Csv => vec![Data::Csv("7".to_owned())],
        Kind::Pairs => vec![Data::Pairs("a=1".to_owned())],
    }
}

/// An input, often with numbers around those that `special` names.
pub(super) fn drawn(kind: Kind, special: &[i64], rng: &mut Rng) -> Data {
    match kind {
        Kind::Int => Data::Int(match rng.below(4) {
            0 => between(0, 9, rng),
            1 => between(2, 20, rng),
            2 => between(10, 99, rng),
            _ => between(100, 9999, rng),
        }),
        Kind::Ints => Data::Ints(integers(special, rng)),
        Kind::Text => {
            let n_words = between(1, 4, rng);
            let words: Vec<String> = (0..n_words).map(|_| cased(rng)).collect();
            Data::Text(words.join(" "))
        }
        Kind::Words => {
            let n_words = between(2, 6, rng);
            let n_kinds = between(1, WORDS.len() as i64, rng) as usize;
            let word = |_| (*one_of(&WORDS[WORDS.len() - n_kinds..], rng)).to_owned();
            Data::Words((0..n_words).map(word).collect())
        }
        Kind::Dict => Data::Dict(entries(0, special, rng)),
        Kind::Csv => {
            let mut list = integers(special, rng);
            list.push(between(0, 30, rng));
            Data::Csv(list.iter().map(i64::to_string).collect::<Vec<_>>().join(","))
        }
        Kind::Pairs => {
            let pairs = entries(1, special, rng).into_iter();
            Data::Pairs(pairs.map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(";"))
        }
    }
}

/// A word, one time out of four with a capital letter.
fn cased(rng: &mut Rng) -> String {
    let word = *one_of(&WORDS, rng);
    match rng.below(8) {
        0 => word.to_ascii_uppercase(),
        1 => word[..1].to_ascii_uppercase() + &word[1..],
        _ => word.to_owned(),
    }
}

fn integers(special: &[i64], rng: &mut Rng) -> Vec<i64> {
    let (first, last) = *one_of(&[(-9, 12), (0, 5), (1, 20), (-3, 3), (-20, 9)], rng);
    (0..between(2, 7, rng)).map(|_| integer((first, last), special, rng)).collect()
}

/// A number from a range, one time out of three one around those in `special`.
fn integer((first, last): (i64, i64), special: &[i64], rng: &mut Rng) -> i64 {
    if !special.is_empty() && rng.below(3) == 0 {
        return one_of(special, rng) + between(-1, 1, rng);
    }
    between(first, last, rng)
}

/// Entries with distinct names.
fn entries(n_min: i64, special: &[i64], rng: &mut Rng) -> Vec<(String, i64)> {
    let n = between(n_min.max(1), 5, rng);
    let mut names = NAMES.to_vec();
    let draw = |_| {
        let name = names.swap_remove(rng.below(names.len() as u64) as usize);
        (name.to_owned(), integer((0, 9), special, rng))
    };
    (0..n).map(draw).collect()
}
