//! Programs and verdicts in the result files of EvalPlus and LiveCodeBench: what
//! [`crate::export`] writes, and what their own tools write. They hold no problems: those come from
//! the benchmark.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    ImportError,
    row::{Out, RowError, list, whole},
};
use crate::{
    candidate::{Candidate, Label, Source},
    language::Language,
    record::Extra,
};

/// A line of a samples file of EvalPlus.
#[derive(Deserialize)]
pub(super) struct Sample {
    task_id: String,
    solution: Option<String>,
}

/// Numbers the samples of each problem in the order of the file.
#[derive(Default)]
pub(super) struct Samples {
    next: BTreeMap<String, u32>,
}

impl Samples {
    pub(super) fn add(&mut self, row: Sample, out: &mut Out<'_>) -> Result<(), RowError> {
        let program = row.solution.ok_or_else(|| {
            RowError::at(
                "solution",
                "missing; a `completion` goes on from the prompt: evalplus.sanitize makes solutions",
            )
        })?;
        let problem = problem_id(&row.task_id);
        let next = self.next.entry(problem.clone()).or_default();
        let index = std::mem::replace(next, *next + 1);
        Ok(out.candidate(candidate(problem, index, program))?)
    }
}

/// A results file of EvalPlus.
#[derive(Deserialize)]
struct Results {
    eval: BTreeMap<String, Vec<Status>>,
}

#[derive(Deserialize)]
struct Status {
    solution: String,
    base_status: String,
    plus_status: Option<String>,
}

pub(super) fn evalplus_results(
    input: &mut dyn std::io::BufRead,
    out: &mut Out<'_>,
) -> Result<(), ImportError> {
    let Results { eval } = whole(input)?;
    let tasks: Vec<_> = eval.into_iter().collect();
    list(tasks, out, |(task, judged): (String, Vec<Status>), out| {
        let problem = problem_id(&task);
        let benchmark = if problem.starts_with("mbpp/") { "mbpp" } else { "humaneval" };
        for (status, index) in judged.into_iter().zip(0..) {
            out.candidate(candidate(problem.clone(), index, status.solution))?;
            let base = passes(&task, "base_status", &status.base_status)?;
            out.label(label(&problem, index, (benchmark, base)))?;
            if let Some(plus) = status.plus_status {
                let plus = base && passes(&task, "plus_status", &plus)?;
                out.label(label(&problem, index, ("evalplus", plus)))?;
            }
        }
        Ok(())
    })
}

fn passes(task: &str, key: &str, status: &str) -> Result<bool, RowError> {
    match status {
        "pass" => Ok(true),
        "fail" | "timeout" => Ok(false),
        other => Err(RowError::at(
            format!("eval.{task}.{key}"),
            format!("expected pass, fail or timeout, found {other:?}"),
        )),
    }
}

/// EvalPlus's name of a problem → ours.
fn problem_id(task: &str) -> String {
    match task.strip_prefix("Mbpp/") {
        Some(number) => format!("mbpp/{number}"),
        None => task.to_owned(),
    }
}

/// An element of LiveCodeBench's lists: of programs, or with their verdicts.
#[derive(Deserialize)]
pub(super) struct Graded {
    question_id: String,
    code_list: Vec<String>,
    graded_list: Option<Vec<bool>>,
}

pub(super) fn livecodebench(row: Graded, out: &mut Out<'_>) -> Result<(), RowError> {
    let Graded { question_id: problem, code_list, graded_list } = row;
    if let Some(graded) = &graded_list
        && graded.len() != code_list.len()
    {
        let message = format!("{} verdicts beside {} programs", graded.len(), code_list.len());
        return Err(RowError::at("graded_list", message));
    }
    for (program, index) in code_list.into_iter().zip(0..) {
        out.candidate(candidate(problem.clone(), index, program))?;
        if let Some(graded) = &graded_list {
            out.label(label(&problem, index, ("livecodebench", graded[index as usize])))?;
        }
    }
    Ok(())
}

/// These files do not say who wrote a program. An empty one is an answer without a program.
fn candidate(problem: String, index: u32, program: String) -> Candidate {
    Candidate {
        problem,
        index,
        completion: None,
        program: Some(program),
        language: Language::Python,
        source: Source::default(),
        logprob_sum: None,
        tokens: None,
        extra: Extra::new(),
    }
}

fn label(problem: &str, index: u32, (by, passed): (&str, bool)) -> Label {
    let (problem, by) = (problem.to_owned(), by.to_owned());
    Label { problem, index, passed, by, rate: None, extra: Extra::new() }
}
