//! Public data → our records: one importer per format, each a stream of lines.
//!
//! Visible and hidden tests are split here, once: what the statement shows is visible, the rest
//! decides. Tests become calls with values wherever the source's text can be read as such; what
//! cannot stays code. Labels never stand in candidates.

use std::{
    collections::BTreeMap,
    fmt,
    io::{self, BufRead},
    str::FromStr,
};

use crate::{
    candidate::{Candidate, Label},
    language::Language,
    problem::{Entry, Limits, Meta, Problem, Tests},
    record::{Extra, LINE_BYTES_MAX},
};

mod apps;
mod asserts;
mod bigcodebench;
mod codecontests;
mod contests;
mod deepcoder;
mod evalplus;
mod humaneval;
mod judged;
mod leetcode;
mod livecodebench;
mod mbpp;
mod pickle;
mod preferred;
mod quixbugs;
mod refactory;
mod row;
mod shown;
mod translated;
mod written;

use row::{Out, RowError, rows};

/// Where records go, one by one.
pub trait Sink {
    /// Takes a problem; it comes before its candidates.
    ///
    /// # Errors
    /// When it cannot be written.
    fn problem(&mut self, problem: Problem) -> io::Result<()>;

    /// Takes a candidate; it comes before its labels.
    ///
    /// # Errors
    /// When it cannot be written.
    fn candidate(&mut self, candidate: Candidate) -> io::Result<()>;

    /// Takes a label. A candidate may have several, by different authorities.
    ///
    /// # Errors
    /// When it cannot be written.
    fn label(&mut self, label: Label) -> io::Result<()>;
}

/// What an import gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Problems given to the sink.
    pub problems: u64,
    /// Candidates given to the sink.
    pub candidates: u64,
    /// Labels given to the sink.
    pub labels: u64,
    /// What the source has and the sink did not get: how many, by reason.
    pub left_out: BTreeMap<String, u64>,
}

/// Why an import stopped, and where.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {kind}")]
pub struct ImportError {
    /// The line, counted from 1.
    pub line: u64,
    /// What is wrong there.
    pub kind: ImportErrorKind,
}

/// What can stop an import.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each variant's message says what it is")]
pub enum ImportErrorKind {
    #[error("cannot be read")]
    Read(#[source] io::Error),
    #[error("longer than {LINE_BYTES_MAX} bytes: expected one JSON object per line")]
    TooLong,
    #[error("not a row of this format: {message}")]
    Json { message: String },
    #[error("key {key:?}: {message}")]
    Key { key: String, message: String },
    #[error("cannot be written")]
    Sink(#[source] io::Error),
}

macro_rules! formats {
    ($($variant:ident, $name:literal, $about:literal;)*) => {
        /// A format that can be imported.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Format {
            $(#[doc = $about] $variant,)*
        }

        impl Format {
            /// Every format.
            pub const ALL: &'static [Format] = &[$(Format::$variant),*];

            /// The name on the command line.
            pub fn name(self) -> &'static str {
                match self { $(Format::$variant => $name),* }
            }

            /// What it is, in one line.
            pub fn describe(self) -> &'static str {
                match self { $(Format::$variant => $about),* }
            }
        }
    };
}

formats! {
    LiveCodeBench, "livecodebench",
        "LiveCodeBench code_generation_lite as published, private tests packed or plain";
    HumanEval, "humaneval",
        "HumanEval as published";
    EvalPlus, "evalplus",
        "HumanEval+ and MBPP+ as published, with test code or with inputs";
    Mbpp, "mbpp",
        "MBPP as published, whole or sanitized";
    Apps, "apps",
        "APPS as published";
    Taco, "taco",
        "TACO as published";
    CodeContests, "codecontests",
        "CodeContests rows as JSON";
    DeepCoder, "deepcoder",
        "DeepCoder-Preview rows as JSON, both encodings of tests";
    LeetCodeSuites, "leetcode-suites",
        "LeetCode problems with a reference solution and asserts (LeetCodeDataset)";
    HumanEvalPack, "humanevalpack",
        "HumanEvalPack: a right and a wrong program per problem, six languages";
    QuixBugs, "quixbugs",
        "QuixBugs: one-line bugs with tests";
    Refactory, "refactory",
        "Refactory: students' programs with tests";
    BigCodeBench, "bigcodebench",
        "BigCodeBench: a reference and a judged program per task";
    CoCoClaNeL, "cococlanel",
        "CoCoClaNeL: Codeforces problems with human programs";
    ConDefects, "condefects",
        "ConDefects: AtCoder submissions before and after the fix";
    RmBench, "rm-bench",
        "RM-Bench: three right and three wrong answers per prompt, in three styles";
    JudgeBench, "judgebench",
        "JudgeBench: a right and a wrong answer per prompt";
    LiveCodeBenchCandidates, "livecodebench-candidates",
        "LiveCodeBench with one program per writer and the leaderboard's verdicts";
    LeetCodeCandidates, "leetcode-candidates",
        "LeetCode with programs of many writers in several languages";
    HumanEvalCandidates, "humaneval-candidates",
        "HumanEval with programs of many systems";
    HumanEvalXCandidates, "humaneval-x-candidates",
        "HumanEval in four languages with pools of programs";
    MbppCandidates, "mbpp-candidates",
        "MBPP and its typed variants with programs of many systems";
    AppsCandidates, "apps-candidates",
        "APPS with programs by several prompting methods";
    XCodeEvalCandidates, "xcodeeval-candidates",
        "xCodeEval with programs by several prompting methods";
    CodeEloCandidates, "codeelo-candidates",
        "CodeElo with 30 programs per problem";
    EvalPlusSamples, "evalplus-samples",
        "programs for HumanEval or MBPP as EvalPlus reads them, without the problems";
    EvalPlusResults, "evalplus-results",
        "programs and verdicts as EvalPlus writes them, without the problems";
    LiveCodeBenchResults, "livecodebench-results",
        "programs and verdicts as LiveCodeBench writes them, without the problems";
}

impl Format {
    /// Whether a file of the format holds problems; others speak of those of a benchmark.
    pub fn has_problems(self) -> bool {
        !matches!(
            self,
            Format::EvalPlusSamples | Format::EvalPlusResults | Format::LiveCodeBenchResults
        )
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Format, UnknownFormat> {
        let format = Format::ALL.iter().find(|format| format.name() == name);
        format.copied().ok_or_else(|| UnknownFormat(name.to_owned()))
    }
}

/// A name that is no format's.
#[derive(Debug, thiserror::Error)]
#[error("unknown format {0:?}: expected one of {names}", names = names())]
pub struct UnknownFormat(String);

fn names() -> String {
    let names: Vec<&str> = Format::ALL.iter().map(|format| format.name()).collect();
    names.join(", ")
}

/// Reads `input`, JSON Lines (or one list) in `format`, and gives what it says to `sink`, row by row.
///
/// Candidates of a problem are numbered from 0 in the order of the input. A program that the
/// benchmark's authors wrote becomes a candidate of source `reference` with a label.
///
/// # Errors
/// At the first line that cannot be read, is no row of the format, or cannot be written; what
/// came before it is in the sink. Rows, programs and tests that are sound but cannot be
/// represented are left out and counted.
pub fn import(
    format: Format,
    input: &mut dyn BufRead,
    sink: &mut dyn Sink,
) -> Result<Summary, ImportError> {
    let mut out = Out::new(sink);
    match format {
        Format::LiveCodeBench => rows(input, &mut out, livecodebench::published),
        Format::HumanEval => rows(input, &mut out, humaneval::published),
        Format::EvalPlus => rows(input, &mut out, humaneval::extended),
        Format::Mbpp => rows(input, &mut out, mbpp::published),
        Format::Apps => rows(input, &mut out, |row, out| apps::published(row, "apps", out)),
        Format::Taco => rows(input, &mut out, |row, out| apps::published(row, "taco", out)),
        Format::CodeContests => rows(input, &mut out, codecontests::published),
        Format::DeepCoder => rows(input, &mut out, deepcoder::published),
        Format::LeetCodeSuites => rows(input, &mut out, leetcode::suite),
        Format::HumanEvalPack => rows(input, &mut out, translated::pair),
        Format::QuixBugs => rows(input, &mut out, quixbugs::bug),
        Format::Refactory => rows(input, &mut out, refactory::exercise),
        Format::BigCodeBench => rows(input, &mut out, bigcodebench::pair),
        Format::CoCoClaNeL => rows(input, &mut out, contests::cococlanel),
        Format::ConDefects => rows(input, &mut out, contests::condefects),
        Format::RmBench => rows(input, &mut out, preferred::rm_bench),
        Format::JudgeBench => rows(input, &mut out, preferred::judgebench),
        Format::LiveCodeBenchCandidates => rows(input, &mut out, livecodebench::collected),
        Format::LeetCodeCandidates => rows(input, &mut out, leetcode::collected),
        Format::HumanEvalCandidates => rows(input, &mut out, humaneval::collected),
        Format::HumanEvalXCandidates => rows(input, &mut out, translated::pool),
        Format::MbppCandidates => rows(input, &mut out, mbpp::collected),
        Format::AppsCandidates => rows(input, &mut out, apps::collected),
        Format::XCodeEvalCandidates => rows(input, &mut out, contests::xcodeeval),
        Format::CodeEloCandidates => rows(input, &mut out, contests::codeelo),
        Format::EvalPlusSamples => {
            let mut samples = judged::Samples::default();
            rows(input, &mut out, |row, out| samples.add(row, out))
        }
        Format::EvalPlusResults => judged::evalplus_results(input, &mut out),
        Format::LiveCodeBenchResults => rows(input, &mut out, judged::livecodebench),
    }?;
    Ok(out.summary)
}

/// The split that a contest's date decides: LiveCodeBench problems before August 2024 are for
/// training, those of the rest of 2024 for validation, later ones for evaluation.
fn split_of_date(key: &str, date: &str) -> Result<&'static str, RowError> {
    let shape: String = date.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    if shape != "0000-00-00" {
        return Err(RowError::at(key, format!("expected a date as 2024-07-27, found {date:?}")));
    }
    Ok(match date {
        _ if date < "2024-08-01" => "train",
        _ if date < "2025-01-01" => "validation",
        _ => "eval",
    })
}

/// A problem for Python without code to start from, with the usual limits.
fn python_problem(
    id: String,
    statement: String,
    entry: Entry,
    tests: Tests,
    meta: Meta,
) -> Problem {
    Problem {
        id,
        statement,
        starter: String::new(),
        prelude: String::new(),
        language: Language::Python,
        entry,
        tests,
        limits: Limits::default(),
        meta,
        extra: Extra::new(),
    }
}

/// What a judge of short functions imports before every program: writers rely on it, because
/// their prompts began with imports of this kind.
const IMPORTS: &str = "\
import bisect, collections, copy, datetime, functools, hashlib, heapq, itertools, math, operator
import random, re, statistics, string, sys
from typing import *
";

/// Sets what the source's own judge puts in front of a program when its tests run.
fn with_code_before(problem: Problem, code: &str) -> Problem {
    Problem { prelude: code.to_owned(), ..problem }
}

#[cfg(test)]
mod tests;
