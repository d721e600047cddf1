//! Contest problems with programs of language models or of people: xCodeEval, CoCoClaNeL,
//! CodeElo and ConDefects.

use serde::Deserialize;

use super::{
    python_problem,
    row::{Out, RowError},
    written::{Flag, Group, Written},
};
use crate::{
    check::Check,
    language::Language,
    problem::{Entry, Meta, Test, Tests},
};

fn meta(source: &str, difficulty: Option<u32>, split: &str) -> Meta {
    Meta {
        source: Some(source.to_owned()),
        difficulty: difficulty.map(|rating| rating.to_string()),
        split: Some(split.to_owned()),
        ..Meta::default()
    }
}

fn programs(
    out: &mut Out<'_>,
    mut group: Group<'_>,
    programs: Vec<Written>,
) -> Result<(), RowError> {
    programs.into_iter().try_for_each(|written| group.written(out, written, |code| code))
}

#[derive(Deserialize)]
pub(super) struct XCodeEval {
    task: String,
    difficulty: Option<u32>,
    statement: String,
    input_spec: String,
    output_spec: String,
    #[serde(default)]
    notes: String,
    sample_inputs: Vec<String>,
    sample_outputs: Vec<String>,
    cands: Vec<Written>,
}

pub(super) fn xcodeeval(row: XCodeEval, out: &mut Out<'_>) -> Result<(), RowError> {
    if row.sample_inputs.len() != row.sample_outputs.len() {
        return Err(RowError::at("sample_outputs", "as many as sample_inputs are expected"));
    }
    let samples = row.sample_inputs.into_iter().zip(row.sample_outputs);
    let visible: Vec<Test> = samples
        .map(|(stdin, stdout)| Test::Stdio { stdin, stdout, check: Check::Tokens })
        .collect();
    let mut statement = format!(
        "{}\n\nInput\n\n{}\n\nOutput\n\n{}",
        row.statement, row.input_spec, row.output_spec
    );
    for test in &visible {
        if let Test::Stdio { stdin, stdout, .. } = test {
            statement.push_str("\n\nExample\n\nInput\n");
            statement.push_str(stdin.trim_end());
            statement.push_str("\n\nOutput\n");
            statement.push_str(stdout.trim_end());
        }
    }
    if !row.notes.is_empty() {
        statement.push_str("\n\n");
        statement.push_str(&row.notes);
    }
    let id = format!("xcodeeval/{}", row.task);
    let tests = Tests { visible, hidden: Vec::new() };
    let meta = meta("xcodeeval", row.difficulty, "eval");
    out.problem(python_problem(id.clone(), statement, Entry::Stdio, tests, meta))?;
    programs(out, Group::new(&id, Language::Python, "xcodeeval").licensed("MIT"), row.cands)
}

#[derive(Deserialize)]
pub(super) struct CoCoClaNeL {
    task: String,
    rating: Option<u32>,
    statement: String,
    cands: Vec<Written>,
}

pub(super) fn cococlanel(row: CoCoClaNeL, out: &mut Out<'_>) -> Result<(), RowError> {
    let id = format!("codeforces/{}", row.task);
    let meta = meta("cococlanel", row.rating, "eval");
    let problem = python_problem(id.clone(), row.statement, Entry::Stdio, Tests::default(), meta);
    out.problem(problem)?;
    let group = Group::new(&id, Language::Python, "cococlanel").licensed("MIT");
    programs(out, group.written_by("human"), row.cands)
}

#[derive(Deserialize)]
pub(super) struct CodeElo {
    task: String,
    statement: String,
    cands: Vec<Written>,
}

pub(super) fn codeelo(row: CodeElo, out: &mut Out<'_>) -> Result<(), RowError> {
    let id = format!("codeelo/{}", row.task);
    let entry = Entry::Function { name: row.task };
    let meta = meta("codeelo", None, "eval");
    out.problem(python_problem(id.clone(), row.statement, entry, Tests::default(), meta))?;
    let group = Group::new(&id, Language::Python, "codeelo");
    programs(out, group.written_by("gpt-4o"), row.cands)
}

#[derive(Deserialize)]
pub(super) struct ConDefects {
    task: String,
    in_lcb: Flag,
    cands: Vec<Written>,
}

/// The source has no statements. Tasks that are in LiveCodeBench have theirs there, under the
/// same id; the others become problems whose statement is empty.
pub(super) fn condefects(row: ConDefects, out: &mut Out<'_>) -> Result<(), RowError> {
    match row.in_lcb {
        Flag(true) => out.leave_out("problem that LiveCodeBench has under the same id"),
        Flag(false) => {
            let meta = meta("condefects", None, "eval");
            let tests = Tests::default();
            let problem =
                python_problem(row.task.clone(), String::new(), Entry::Stdio, tests, meta);
            out.problem(problem)?;
        }
    }
    let group = Group::new(&row.task, Language::Python, "condefects").licensed("MIT");
    programs(out, group.written_by("human"), row.cands)
}
