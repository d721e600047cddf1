//! What templates see of a problem, and of runs: inputs, outputs, what tests said.

use codescaler::{
    execution::Verdict,
    inputs::Input,
    problem::{Problem, Test},
};
use serde::Serialize;

use crate::ask::{Cases, Cell, Digest, Known};

/// Everything that a template may refer to; what a prompt does not have is empty.
#[derive(Serialize)]
pub(super) struct Facts<'a> {
    pub(super) statement: &'a str,
    pub(super) starter: &'a str,
    pub(super) language: &'static str,
    /// `stdio`, `function`, `method` or `script`.
    pub(super) form: &'static str,
    pub(super) class: &'a str,
    pub(super) name: &'a str,
    pub(super) plan: Option<&'a str>,
    pub(super) perspective: &'static str,
    pub(super) notes: Vec<&'a str>,
    pub(super) count: u32,
    pub(super) may_test: bool,
    /// What was learnt from other problems.
    pub(super) lessons: &'a [String],
    pub(super) programs: Vec<Shown<'a>>,
    pub(super) cases: Vec<Case>,
}

/// A program as a template sees it.
#[derive(Serialize)]
pub(super) struct Shown<'a> {
    pub(super) text: &'a str,
    /// What each visible test said, in words; empty where it was not run.
    pub(super) feedback: Vec<String>,
    /// The same in parts: `number`, `outcome` (`right`, `wrong`, `skipped`), `input`, `expected`,
    /// `given`.
    pub(super) tests: Vec<Tested>,
}

/// An input and what programs gave on it.
#[derive(Serialize)]
pub(super) struct Case {
    input: String,
    outputs: Vec<String>,
}

/// What programs gave on a list of inputs, as far as they were run.
pub(super) fn cases(programs: &[Digest], inputs: Digest, known: &Known) -> Vec<Case> {
    let rows: Vec<_> =
        programs.iter().map(|&program| known.cells(program, Cases::Inputs(inputs))).collect();
    let output = |cells: &Option<&[Cell]>, column: usize| {
        cells.and_then(|cells| cells.get(column)).map_or_else(|| "(not run)".to_owned(), said)
    };
    known
        .inputs(inputs)
        .iter()
        .enumerate()
        .map(|(column, input)| Case {
            input: shortened(&written(input)),
            outputs: rows.iter().map(|row| output(row, column)).collect(),
        })
        .collect()
}

/// What came out, or what went wrong.
fn said(cell: &Cell) -> String {
    match cell.verdict {
        Verdict::Pass | Verdict::WrongAnswer => cell.shown.clone(),
        Verdict::TimeLimit => "(none: too slow)".to_owned(),
        Verdict::RuntimeError
        | Verdict::Crash
        | Verdict::CompileError
        | Verdict::MemoryLimit
        | Verdict::OutputLimit
        | Verdict::BadValue
        | Verdict::SecurityViolation
        | Verdict::ProtocolViolation
        | Verdict::Skipped => {
            format!("(none: {}) {}", cell.verdict, cell.shown).trim_end().to_owned()
        }
    }
}

/// What a visible test said of a program.
#[derive(Serialize)]
pub(super) struct Tested {
    /// Which test, counted from 1.
    number: usize,
    outcome: TestOutcome,
    input: String,
    /// Empty for a script, which checks by itself.
    expected: String,
    given: String,
}

/// What a test came to.
#[derive(Clone, Copy, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum TestOutcome {
    Right,
    Wrong,
    /// It was not run.
    Skipped,
}

impl Tested {
    /// In words, a line and more.
    pub(super) fn told(&self) -> String {
        let Tested { number, outcome, input, expected, given } = self;
        match outcome {
            TestOutcome::Right => format!("Test {number}: right."),
            TestOutcome::Skipped => format!("Test {number}: not run."),
            TestOutcome::Wrong if expected.is_empty() => {
                format!("Test {number} fails: {input}\n{given}")
            }
            TestOutcome::Wrong => format!(
                "Test {number}, for the input:\n{input}\nexpected:\n{expected}\nbut the program \
                 gives:\n{given}"
            ),
        }
    }
}

/// What the visible tests said of a program, where it was run.
pub(super) fn tested(problem: &Problem, cells: Option<&[Cell]>) -> Vec<Tested> {
    let tests = problem.tests.visible.iter().zip(cells.unwrap_or_default()).enumerate();
    tests
        .map(|(at, (test, cell))| {
            let (input, expected) = match test {
                Test::Stdio { stdin, stdout, .. } => (stdin.clone(), stdout.clone()),
                Test::Call { args, expected, .. } => {
                    (written(&Input::Args(args.clone())), expected.to_json().to_string())
                }
                Test::Script { code } => (code.clone(), String::new()),
            };
            let outcome = match cell.verdict.passed() {
                Some(true) => TestOutcome::Right,
                Some(false) => TestOutcome::Wrong,
                None => TestOutcome::Skipped,
            };
            Tested {
                number: at + 1,
                outcome,
                input: shortened(&input),
                expected: shortened(&expected),
                given: said(cell),
            }
        })
        .collect()
}

/// An input as text.
fn written(input: &Input) -> String {
    match input {
        Input::Stdin(text) => text.trim_end().to_owned(),
        Input::Args(args) => {
            let args: Vec<String> = args.iter().map(|arg| arg.to_json().to_string()).collect();
            args.join(", ")
        }
    }
}

/// The beginning and the end of a long text, without blanks at its end: what prompts show of it.
pub fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 1000;
    let text = text.trim_end();
    let n_chars = text.chars().count();
    if n_chars <= CHARS_MAX {
        return text.to_owned();
    }
    let head: String = text.chars().take(CHARS_MAX / 2).collect();
    let tail: String = text.chars().skip(n_chars - CHARS_MAX / 2).collect();
    format!("{head} […] {tail}")
}
