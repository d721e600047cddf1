//! What flows between operations.

use crate::value::Value;

/// The type of what an operation takes or gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An integer.
    Int,
    /// A list of integers.
    Ints,
    /// A text of words.
    Text,
    /// A list of strings.
    Words,
    /// A dictionary from strings to integers.
    Dict,
    /// A text of integers with commas between them, as an input only.
    Csv,
    /// A text such as `a=1;b=2`, as an input only.
    Pairs,
}

impl Kind {
    /// Names of Python variables that hold it; the first is the argument's.
    pub(super) fn variables(self) -> [&'static str; 2] {
        match self {
            Kind::Int => ["n", "total"],
            Kind::Ints => ["xs", "ys"],
            Kind::Text | Kind::Csv | Kind::Pairs => ["s", "t"],
            Kind::Words => ["words", "out"],
            Kind::Dict => ["d", "e"],
        }
    }

    /// What statements call it.
    pub(super) fn descriptions(self) -> &'static [&'static str] {
        match self {
            Kind::Int => &["an integer", "a number", "a whole number"],
            Kind::Ints => &["a list of integers", "a list of numbers"],
            Kind::Text => &["a string", "a text", "a string of words"],
            Kind::Words => &["a list of words", "a list of strings"],
            Kind::Dict => &["a dictionary of numbers", "a dict from names to numbers"],
            Kind::Csv => &["a string of numbers with commas", "a string like 3,1,2"],
            Kind::Pairs => &["a string like a=1;b=2", "a string of pairs like a=1;b=2"],
        }
    }
}

/// A value of one of the [`Kind`]s. Dictionaries keep the order of insertion, as Python's do.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Data {
    Int(i64),
    Ints(Vec<i64>),
    Text(String),
    Words(Vec<String>),
    Dict(Vec<(String, i64)>),
    Csv(String),
    Pairs(String),
}

impl Data {
    /// Whether it is small enough for a test to show.
    pub(super) fn is_small(&self) -> bool {
        let int = |int: &i64| int.abs() <= 50_000_000;
        match self {
            Data::Int(n) => int(n),
            Data::Ints(list) => list.len() <= 24 && list.iter().all(int),
            Data::Text(text) | Data::Csv(text) | Data::Pairs(text) => text.len() <= 80,
            Data::Words(words) => {
                words.len() <= 24 && words.iter().map(String::len).sum::<usize>() <= 120
            }
            Data::Dict(entries) => entries.len() <= 24 && entries.iter().all(|(_, v)| int(v)),
        }
    }

    /// Whether Python finds them equal: the order of a dictionary does not count.
    pub(super) fn equals(&self, other: &Data) -> bool {
        match (self, other) {
            (Data::Dict(left), Data::Dict(right)) => {
                left.len() == right.len() && left.iter().all(|entry| right.contains(entry))
            }
            (_, _) => self.to_value() == other.to_value(),
        }
    }

    /// The same as a value of a test.
    pub(super) fn to_value(&self) -> Value {
        let text = |text: &String| Value::Str(text.clone());
        match self {
            Data::Int(n) => Value::Int(*n),
            Data::Ints(list) => Value::List(list.iter().map(|n| Value::Int(*n)).collect()),
            Data::Text(string) | Data::Csv(string) | Data::Pairs(string) => text(string),
            Data::Words(words) => Value::List(words.iter().map(text).collect()),
            Data::Dict(entries) => {
                Value::Dict(entries.iter().map(|(k, v)| (text(k), Value::Int(*v))).collect())
            }
        }
    }
}
