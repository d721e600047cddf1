//! LiveCodeBench: as published (`code_generation_lite`), and with programs of many writers.

use std::io::Read as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::read::ZlibDecoder;
use serde::Deserialize;

use super::{
    pickle, python_problem,
    row::{Out, RowError, nested},
    split_of_date, with_code_before,
    written::{Group, Written},
};
use crate::{
    check::Check,
    language::Language,
    problem::{Entry, Meta, Problem, Test, Tests},
    value::{Value, literal},
};

/// What LiveCodeBench's own judge puts before every program. (`builtins` comes last but one and gives back
/// the built-in functions that the lines before it cover, such as `pow`.)
pub(super) const IMPORTS: &str = "\
from string import *
from re import *
from datetime import *
from collections import *
from heapq import *
from bisect import *
from copy import *
from math import *
from random import *
from statistics import *
from itertools import *
from functools import *
from operator import *
from io import *
from sys import *
from json import *
from builtins import *
from typing import *
import string, re, datetime, collections, heapq, bisect, copy, math, random, statistics
import itertools, functools, operator, io, sys, json
sys.setrecursionlimit(50000)
";

/// A row as published.
#[derive(Deserialize)]
pub(super) struct Published {
    question_title: String,
    question_content: String,
    platform: String,
    question_id: String,
    contest_id: String,
    contest_date: String,
    #[serde(default)]
    starter_code: String,
    difficulty: String,
    public_test_cases: String,
    private_test_cases: String,
    #[serde(default)]
    metadata: String,
}

#[derive(Deserialize)]
struct TestCase {
    input: String,
    output: String,
    testtype: TestType,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum TestType {
    Stdin,
    Functional,
}

pub(super) fn published(row: Published, out: &mut Out<'_>) -> Result<(), RowError> {
    let private = private_tests(&row.private_test_cases)
        .map_err(|message| RowError::at("private_test_cases", message))?;
    let private = private.as_deref().unwrap_or(&row.private_test_cases);
    let tests = Tests {
        visible: test_cases("public_test_cases", &row.public_test_cases)?,
        hidden: test_cases("private_test_cases", private)?,
    };
    let date = row.contest_date.get(..10).unwrap_or(&row.contest_date);
    let split = split_of_date("contest_date", date)?;
    let function = match row.metadata.as_str() {
        "" => None,
        json => nested::<Metadata>("metadata", json)?.func_name,
    };
    let mut meta = Meta {
        source: Some("livecodebench".to_owned()),
        date: Some(date.to_owned()),
        difficulty: Some(row.difficulty),
        title: Some(row.question_title),
        split: Some(split.to_owned()),
        ..Meta::default()
    };
    meta.extra.insert("platform".to_owned(), row.platform.into());
    meta.extra.insert("contest".to_owned(), row.contest_id.into());
    let entry = entry("starter_code", &row.starter_code, function)?;
    let problem = python_problem(row.question_id, row.question_content, entry, tests, meta);
    let problem = Problem { starter: row.starter_code, ..problem };
    Ok(out.problem(with_code_before(problem, IMPORTS))?)
}

#[derive(Deserialize)]
struct Metadata {
    func_name: Option<String>,
}

/// Private tests as JSON text: `None` when they stand there in plain, else what
/// `base64(zlib(pickle(text)))` hides.
fn private_tests(text: &str) -> Result<Option<String>, String> {
    /// The largest suites have some hundred MB.
    const INFLATED_BYTES_MAX: u64 = 1 << 30;
    if text.trim_start().starts_with('[') {
        return Ok(None);
    }
    let packed = STANDARD
        .decode(text.trim_ascii())
        .map_err(|error| format!("neither a JSON list nor base64: {error}"))?;
    let mut pickled = Vec::new();
    let count = ZlibDecoder::new(packed.as_slice())
        .take(INFLATED_BYTES_MAX + 1)
        .read_to_end(&mut pickled)
        .map_err(|error| format!("base64 of something that zlib did not write: {error}"))?;
    if count as u64 > INFLATED_BYTES_MAX {
        return Err(format!("more than {INFLATED_BYTES_MAX} bytes when decompressed"));
    }
    pickle::text(pickled).map(Some).map_err(|error| error.to_string())
}

fn test_cases(key: &str, json: &str) -> Result<Vec<Test>, RowError> {
    let cases: Vec<TestCase> = nested(key, json)?;
    let tests = cases.into_iter().enumerate();
    tests.map(|(at, case)| test(&format!("{key}[{at}]"), case)).collect()
}

fn test(key: &str, case: TestCase) -> Result<Test, RowError> {
    match case.testtype {
        TestType::Stdin => {
            Ok(Test::Stdio { stdin: case.input, stdout: case.output, check: Check::Lcb })
        }
        TestType::Functional => {
            let args = case.input.trim_end().split('\n').map(literal::parse_json);
            Ok(Test::Call {
                args: args
                    .collect::<Result<_, _>>()
                    .map_err(|error| RowError::at(format!("{key}.input"), error))?,
                expected: literal::parse_json(&case.output)
                    .map_err(|error| RowError::at(format!("{key}.output"), error))?,
                check: Check::Lcb,
            })
        }
    }
}

/// A method of `Solution` where there is code to start from, else a whole program.
fn entry(key: &str, starter: &str, function: Option<String>) -> Result<Entry, RowError> {
    if starter.trim().is_empty() {
        return Ok(Entry::Stdio);
    }
    let name = function.or_else(|| method_name(starter)).ok_or_else(|| {
        RowError::at(key, "expected code with a method of a class, `def name(self, …`")
    })?;
    Ok(Entry::Method { class: "Solution".to_owned(), name })
}

/// The first method of the code's last class: classes before it are described, not asked for.
pub(super) fn method_name(starter: &str) -> Option<String> {
    let class = starter.rfind("class Solution")?;
    let (_, definition) = starter[class..].split_once("def ")?;
    let (name, _) = definition.split_once('(')?;
    Some(name.trim().to_owned())
}

/// A row of the collection: a problem and one program per writer.
#[derive(Deserialize)]
pub(super) struct Collected {
    id: String,
    platform: String,
    date: String,
    contest: String,
    release: u32,
    difficulty: String,
    title: String,
    statement: String,
    #[serde(default)]
    starter: String,
    tests: Vec<(String, String)>,
    testtype: Option<TestType>,
    /// Tests of the benchmark that the leaderboard's site shows because a program failed there.
    #[serde(default)]
    extra_tests: Vec<(String, String)>,
    cands: Vec<Written>,
}

pub(super) fn collected(row: Collected, out: &mut Out<'_>) -> Result<(), RowError> {
    let testtype = row.testtype.unwrap_or(TestType::Stdin);
    let cases = row.tests.into_iter().enumerate().map(|(at, (input, output))| {
        test(&format!("tests[{at}]"), TestCase { input, output, testtype })
    });
    let visible: Vec<Test> = cases.collect::<Result<_, _>>()?;
    let mut hidden = Vec::new();
    for (input, output) in row.extra_tests {
        match extra_test(input, output, testtype) {
            None => out.leave_out("extra test whose arguments the program may have changed"),
            Some(test) if is_among(&test, &visible) || is_among(&test, &hidden) => {}
            Some(test) => hidden.push(test),
        }
    }
    let split = split_of_date("date", &row.date)?;
    let mut meta = Meta {
        source: Some("livecodebench".to_owned()),
        date: Some(row.date),
        difficulty: Some(row.difficulty),
        title: Some(row.title),
        split: Some(split.to_owned()),
        ..Meta::default()
    };
    meta.extra.insert("platform".to_owned(), row.platform.into());
    meta.extra.insert("contest".to_owned(), row.contest.into());
    meta.extra.insert("release".to_owned(), row.release.into());
    let entry = entry("starter", &row.starter, None)?;
    let tests = Tests { visible, hidden };
    let problem = python_problem(row.id.clone(), row.statement, entry, tests, meta);
    let problem = Problem { starter: row.starter, ..problem };
    out.problem(with_code_before(problem, IMPORTS))?;
    let mut group = Group::new(&row.id, Language::Python, "livecodebench").licensed("MIT");
    row.cands.into_iter().try_for_each(|written| group.written(out, written, |code| code))
}

/// The leaderboard's site shows arguments as they were *after* the call: only those that no
/// program can change in place (numbers, text, truth values) are certainly the test's.
fn extra_test(input: String, output: String, testtype: TestType) -> Option<Test> {
    match testtype {
        TestType::Stdin => Some(Test::Stdio { stdin: input, stdout: output, check: Check::Lcb }),
        TestType::Functional => {
            let Ok(Value::List(args)) = literal::parse_python(&input) else { return None };
            let unchanged = |value: &Value| {
                matches!(
                    value,
                    Value::Int(_) | Value::Bool(_) | Value::Str(_) | Value::Float(_) | Value::Null
                )
            };
            let expected = literal::parse_python(&output).ok()?;
            args.iter().all(unchanged).then_some(Test::Call { args, expected, check: Check::Lcb })
        }
    }
}

/// Whether a test gives the same input, white space around it apart.
fn is_among(test: &Test, tests: &[Test]) -> bool {
    tests.iter().any(|other| match (test, other) {
        (Test::Stdio { stdin, .. }, Test::Stdio { stdin: known, .. }) => {
            stdin.trim() == known.trim()
        }
        (Test::Call { args, .. }, Test::Call { args: known, .. }) => args == known,
        (Test::Script { code }, Test::Script { code: known }) => code == known,
        (Test::Stdio { .. } | Test::Call { .. } | Test::Script { .. }, _) => false,
    })
}
