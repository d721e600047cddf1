//! LeetCode: problems with programs of many writers, and suites of asserts.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    asserts::tests_of_check,
    livecodebench::IMPORTS,
    python_problem,
    row::{Out, RowError},
    with_code_before,
    written::{Group, Written},
};
use crate::{
    language::Language,
    problem::{Entry, Meta, Problem, Tests},
};

/// A row of the collection: a problem and programs in several languages.
#[derive(Deserialize)]
pub(super) struct Collected {
    slug: String,
    title: String,
    difficulty: String,
    statement: String,
    cands: Vec<Written>,
}

pub(super) fn collected(row: Collected, out: &mut Out<'_>) -> Result<(), RowError> {
    let id = format!("leetcode/{}", row.slug);
    let meta = Meta {
        source: Some("leetcode".to_owned()),
        difficulty: Some(row.difficulty.to_ascii_lowercase()),
        title: Some(row.title),
        split: Some("train".to_owned()),
        ..Meta::default()
    };
    let entry = match method_of_most(&row.cands) {
        Some(name) => Entry::Method { class: "Solution".to_owned(), name },
        None => Entry::Script,
    };
    let problem = python_problem(id.clone(), row.statement, entry, Tests::default(), meta);
    out.problem(with_code_before(problem, IMPORTS))?;
    let mut group = Group::new(&id, Language::Python, "leetcode");
    row.cands.into_iter().try_for_each(|written| group.written(out, written, |code| code))
}

/// The method of `Solution` that most Python programs have: the source does not name it, and
/// helpers are named by their writers.
fn method_of_most(programs: &[Written]) -> Option<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for written in programs {
        if written.lang.as_deref() != Some("python") {
            continue;
        }
        let Some(class) = written.code.rfind("class Solution") else { continue };
        for line in written.code[class..].lines() {
            let method = line.strip_prefix("    def ").or_else(|| line.strip_prefix("\tdef "));
            let name = method.and_then(|rest| rest.split_once('(')).map(|(name, _)| name.trim());
            if let Some(name) = name.filter(|name| !name.starts_with('_')) {
                *counts.entry(name).or_default() += 1;
            }
        }
    }
    let most = *counts.values().max()?;
    counts.into_iter().find(|(_, count)| *count == most).map(|(name, _)| name.to_owned())
}

/// A row of the suites: a reference solution and asserts. The older rows have neither a date nor
/// the statement by itself.
#[derive(Deserialize)]
pub(super) struct Suite {
    task_id: String,
    /// Code that stands before the program: imports, and classes of nodes.
    prompt: String,
    completion: String,
    entry_point: String,
    test: String,
    query: String,
    difficulty: Option<String>,
    problem_description: Option<String>,
    starter_code: Option<String>,
    estimated_date: Option<String>,
}

pub(super) fn suite(row: Suite, out: &mut Out<'_>) -> Result<(), RowError> {
    let split = match VALIDATION.binary_search(&row.task_id.as_str()) {
        Ok(_) => "validation",
        Err(_) => "train",
    };
    let name = row.entry_point.strip_prefix("Solution().").ok_or_else(|| {
        RowError::at("entry_point", format!("{:?} is no method of Solution()", row.entry_point))
    })?;
    let parameters = parameters(&row.completion, name);
    let id = format!("leetcode/{}", row.task_id);
    let meta = Meta {
        source: Some("leetcode".to_owned()),
        date: row.estimated_date,
        difficulty: row.difficulty.map(|difficulty| difficulty.to_ascii_lowercase()),
        title: Some(row.task_id),
        license: None,
        split: Some(split.to_owned()),
        ..Meta::default()
    };
    let tests = Tests {
        visible: Vec::new(),
        hidden: tests_of_check(&row.test, &row.entry_point, &parameters),
    };
    let entry = Entry::Method { class: "Solution".to_owned(), name: name.to_owned() };
    let statement = row.problem_description.unwrap_or_else(|| question(&row.query).to_owned());
    let problem = Problem {
        starter: row.starter_code.unwrap_or_else(|| starter(&row.query).to_owned()),
        ..python_problem(id.clone(), statement, entry, tests, meta)
    };
    out.problem(with_code_before(problem, &row.prompt))?;
    Group::new(&id, Language::Python, "leetcode").authored(out, "reference", row.completion, true)
}

/// The statement inside an instruction for a language model.
fn question(query: &str) -> &str {
    let question = query.split_once("### Question:\n").map_or(query, |(_, question)| question);
    question.split_once("\n### ").map_or(question, |(question, _)| question).trim()
}

/// The code to start from inside an instruction.
fn starter(query: &str) -> &str {
    let code = query.rsplit_once("```python\n").and_then(|(_, code)| code.split_once("\n```"));
    code.map_or("", |(code, _)| code)
}

/// The names of a method's parameters but the first, `self`.
fn parameters<'a>(code: &'a str, method: &str) -> Vec<&'a str> {
    let Some(start) = code.rfind(&format!("def {method}(")) else { return Vec::new() };
    let list = &code[start..];
    let list = &list[list.find('(').map_or(0, |at| at + 1)..];
    let mut depth = 0_usize;
    let mut names = Vec::new();
    let mut name_start = 0;
    for (at, c) in list.char_indices() {
        match c {
            '[' | '(' => depth += 1,
            ']' | ')' if depth > 0 => depth -= 1,
            ',' | ')' if depth == 0 => {
                let parameter = list[name_start..at].trim();
                let end = parameter.find([':', '=', ' ']).unwrap_or(parameter.len());
                names.push(&parameter[..end]);
                name_start = at + 1;
                if c == ')' {
                    break;
                }
            }
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    if !names.is_empty() {
        names.remove(0);
    }
    names
}

/// Problems of the suites that are among LiveCodeBench's of August to December 2024: their suites
/// are hidden tests for validation. The others stand in the training files, whatever their date.
const VALIDATION: [&str; 95] = [
    "adjacent-increasing-subarrays-detection-i",
    "button-with-longest-push-time",
    "check-balanced-string",
    "check-if-dfs-strings-are-palindromes",
    "check-if-grid-can-be-cut-into-sections",
    "check-if-two-chessboard-squares-have-the-same-color",
    "construct-the-minimum-bitwise-array-i",
    "convert-date-to-binary",
    "count-almost-equal-pairs-i",
    "count-beautiful-splits-in-an-array",
    "count-connected-components-in-lcm-graph",
    "count-k-reducible-numbers-less-than-n",
    "count-number-of-balanced-permutations",
    "count-of-substrings-containing-every-vowel-and-k-consonants-i",
    "count-paths-with-the-given-xor-value",
    "count-special-subsequences",
    "count-subarrays-of-length-three-with-a-condition",
    "count-substrings-that-can-be-rearranged-to-contain-a-string-i",
    "count-substrings-that-satisfy-k-constraint-i",
    "count-substrings-with-k-frequency-characters-i",
    "count-the-number-of-arrays-with-k-matching-adjacent-elements",
    "count-the-number-of-winning-sequences",
    "digit-operations-to-make-two-integers-equal",
    "final-array-state-after-k-multiplication-operations-i",
    "find-a-safe-walk-through-a-grid",
    "find-maximum-removals-from-source-string",
    "find-minimum-time-to-reach-last-room-i",
    "find-the-count-of-good-integers",
    "find-the-count-of-monotonic-pairs-i",
    "find-the-k-th-character-in-string-game-i",
    "find-the-key-of-the-numbers",
    "find-the-largest-palindrome-divisible-by-k",
    "find-the-lexicographically-largest-string-from-the-box-i",
    "find-the-lexicographically-smallest-valid-sequence",
    "find-the-maximum-factor-score-of-array",
    "find-the-maximum-number-of-fruits-collected",
    "find-the-maximum-sequence-value-of-array",
    "find-the-number-of-possible-ways-for-an-event",
    "find-the-number-of-subsequences-with-equal-gcd",
    "find-the-number-of-winning-players",
    "find-the-occurrence-of-first-almost-equal-substring",
    "find-the-original-typed-string-i",
    "find-the-power-of-k-size-subarrays-i",
    "find-the-sequence-of-strings-appeared-on-the-screen",
    "find-x-sum-of-all-k-long-subarrays-i",
    "hash-divided-string",
    "identify-the-largest-outlier-in-an-array",
    "k-th-nearest-obstacle-queries",
    "length-of-the-longest-increasing-path",
    "make-array-elements-equal-to-zero",
    "maximize-amount-after-two-days-of-conversions",
    "maximize-score-of-numbers-in-ranges",
    "maximize-sum-of-weights-after-edge-removals",
    "maximize-the-total-height-of-unique-towers",
    "maximum-area-rectangle-with-point-constraints-i",
    "maximum-energy-boost-from-two-drinks",
    "maximum-frequency-of-an-element-after-performing-operations-i",
    "maximum-multiplication-score",
    "maximum-number-of-distinct-elements-after-operations",
    "maximum-number-of-moves-to-kill-all-pawns",
    "maximum-points-tourist-can-earn",
    "maximum-possible-number-by-binary-concatenation",
    "maximum-subarray-sum-with-length-divisible-by-k",
    "maximum-value-sum-by-placing-three-rooks-i",
    "maximum-xor-score-subarray-queries",
    "minimum-amount-of-damage-dealt-to-bob",
    "minimum-array-sum",
    "minimum-division-operations-to-make-array-non-decreasing",
    "minimum-element-after-replacement-with-digit-sum",
    "minimum-number-of-flips-to-make-binary-grid-palindromic-i",
    "minimum-number-of-operations-to-make-elements-in-array-distinct",
    "minimum-number-of-seconds-to-make-mountain-height-zero",
    "minimum-number-of-valid-strings-to-form-target-i",
    "minimum-operations-to-make-array-values-equal-to-k",
    "minimum-operations-to-make-character-frequencies-equal",
    "minimum-positive-sum-subarray",
    "minimum-time-to-break-locks-i",
    "reach-end-of-array-with-max-score",
    "report-spam-message",
    "select-cells-in-grid-with-maximum-score",
    "shift-distance-between-two-strings",
    "shortest-distance-after-road-addition-queries-i",
    "smallest-divisible-digit-product-i",
    "smallest-number-with-all-set-bits",
    "smallest-substring-with-identical-characters-i",
    "snake-in-matrix",
    "sorted-gcd-pair-queries",
    "stone-removal-game",
    "subsequences-with-a-unique-middle-mode-i",
    "sum-of-good-subsequences",
    "time-taken-to-mark-all-nodes",
    "total-characters-in-string-after-transformations-i",
    "transformed-array",
    "zero-array-transformation-i",
    "zero-array-transformation-iii",
];
