//! What an operation is.

use super::data::{Data, Kind};

/// One step of a program: what it is called in English and in Python, and what it computes.
#[derive(Debug)]
pub(super) struct Operation {
    /// Its part in the name of a family.
    pub(super) name: &'static str,
    /// What `{k}` stands for.
    pub(super) constant: Constant,
    /// What to do, as an imperative.
    pub(super) verbs: &'static [&'static str],
    /// What comes out, of `{x}`.
    pub(super) noun: &'static str,
    /// Ways to write it.
    pub(super) forms: &'static [Form],
    /// Operations that it is easily taken for.
    pub(super) near: &'static [&'static str],
    /// What it computes.
    pub(super) apply: Apply,
}

/// The constant of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Constant {
    /// It has none.
    None,
    /// A number from the first to the last.
    Number(i64, i64),
    /// A letter, by its place in [`LETTERS`].
    Letter,
}

/// The letters that operations are about.
pub(super) const LETTERS: [char; 8] = ['a', 'e', 'i', 'o', 'n', 'r', 's', 't'];

/// A way to write an operation in Python, where `{x}` is what it is of and `{k}` its constant.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// An expression.
    Expression(&'static str),
    /// Statements that leave the result in `{y}`.
    Lines(&'static str),
    /// A function, and an expression that calls it.
    Helper(&'static str, &'static str),
}

/// What may flow, by kind.
mod of {
    pub(in crate::lab) type Int = i64;
    pub(in crate::lab) type Ints = Vec<i64>;
    pub(in crate::lab) type Text = String;
    pub(in crate::lab) type Words = Vec<String>;
    pub(in crate::lab) type Dict = Vec<(String, i64)>;
    pub(in crate::lab) type Csv = String;
    pub(in crate::lab) type Pairs = String;
}

macro_rules! signatures {
    ($($name:ident($from:ident => $to:ident)),* $(,)?) => {
        /// What an operation computes of a value and its constant; `None` where it is undefined
        /// or larger than a test should show.
        #[derive(Debug)]
        pub(super) enum Apply {
            $($name(fn(of::$from, i64) -> Option<of::$to>),)*
        }

        impl Operation {
            /// What it takes.
            pub(super) fn from(&self) -> Kind {
                match self.apply { $(Apply::$name(_) => Kind::$from,)* }
            }

            /// What it gives.
            pub(super) fn to(&self) -> Kind {
                match self.apply { $(Apply::$name(_) => Kind::$to,)* }
            }

            /// What it computes of `value`, which is of the kind that it takes.
            pub(super) fn run(&self, value: Data, k: i64) -> Option<Data> {
                match (&self.apply, value) {
                    $((Apply::$name(apply), Data::$from(value)) => {
                        apply(value, k).map(Data::$to)
                    })*
                    (_, _) => None,
                }
                .filter(Data::is_small)
            }
        }
    };
}

signatures! {
    IntToInt(Int => Int), IntToInts(Int => Ints),
    IntsToInts(Ints => Ints), IntsToInt(Ints => Int), IntsToText(Ints => Text),
    TextToText(Text => Text), TextToInt(Text => Int), TextToWords(Text => Words),
    TextToDict(Text => Dict),
    WordsToWords(Words => Words), WordsToInt(Words => Int), WordsToInts(Words => Ints),
    WordsToText(Words => Text), WordsToDict(Words => Dict),
    DictToDict(Dict => Dict), DictToInt(Dict => Int), DictToInts(Dict => Ints),
    DictToWords(Dict => Words),
    CsvToInts(Csv => Ints), CsvToWords(Csv => Words), CsvToInt(Csv => Int),
    PairsToDict(Pairs => Dict), PairsToWords(Pairs => Words), PairsToInts(Pairs => Ints),
}
