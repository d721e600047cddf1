//! HumanEval in other languages: pools of programs (MultiPL-E's prompts), and pairs of a right
//! and a wrong program (HumanEvalPack).

use serde::Deserialize;

use super::{
    asserts::tests_of_check,
    python_problem,
    row::{Out, RowError},
    written::{Group, Written},
};
use crate::{
    language::Language,
    problem::{Entry, Meta, Problem, Test, Tests},
};

/// A row of the pools: what follows the prompt, by one writer who is not named.
#[derive(Deserialize)]
pub(super) struct Pool {
    lang: String,
    task_id: String,
    prompt: String,
    cands: Vec<Written>,
}

pub(super) fn pool(row: Pool, out: &mut Out<'_>) -> Result<(), RowError> {
    let language = language(&row.lang)?;
    // Python's are HumanEval's own problems, with types.
    let id = if language == Language::Python {
        format!("HumanEval/{}", row.task_id)
    } else {
        format!("HumanEval-X/{}/{}", row.lang, row.task_id)
    };
    let entry = match (language, function(&row.prompt)) {
        (Language::Python, Some(name)) => Entry::Function { name: name.to_owned() },
        _ => Entry::Script,
    };
    let problem = problem(id.clone(), row.prompt.clone(), language, entry, "validation");
    out.problem(Problem { starter: row.prompt.clone(), ..problem })?;
    let mut group = Group::new(&id, language, "humaneval-x");
    row.cands.into_iter().try_for_each(|written| {
        group.written(out, written, |code| completed(&row.prompt, &code, language))
    })
}

fn language(tag: &str) -> Result<Language, RowError> {
    Language::from_tag(tag).ok_or_else(|| RowError::at("lang", format!("unknown language {tag:?}")))
}

fn problem(
    id: String,
    statement: String,
    language: Language,
    entry: Entry,
    split: &str,
) -> Problem {
    let meta = Meta {
        source: Some("humaneval".to_owned()),
        license: Some("MIT".to_owned()),
        split: Some(split.to_owned()),
        ..Meta::default()
    };
    Problem { language, ..python_problem(id, statement, entry, Tests::default(), meta) }
}

/// The last function that a Python prompt defines.
fn function(prompt: &str) -> Option<&str> {
    let (_, definition) = prompt.rsplit_once("def ")?;
    definition.split_once('(').map(|(name, _)| name.trim())
}

/// The program of a prompt and what was written after it. The source has the first line without
/// its indentation, and leaves out braces at the end: generation stopped there.
fn completed(prompt: &str, code: &str, language: Language) -> String {
    let mut program = prompt.trim_end().to_owned();
    program.push('\n');
    let body = code.trim_start_matches('\n');
    if !body.starts_with([' ', '\t']) {
        program.push_str(if language == Language::Java { "        " } else { "    " });
    }
    program.push_str(body);
    if language != Language::Python {
        for _ in 0..open_braces(&program) {
            program.push_str("\n}");
        }
    }
    program.push('\n');
    program
}

/// Braces that are opened and not closed, outside strings and comments.
fn open_braces(program: &str) -> usize {
    let bytes = program.as_bytes();
    let mut depth = 0_usize;
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        at += match bytes[at] {
            b'{' => {
                depth += 1;
                1
            }
            b'}' => {
                depth = depth.saturating_sub(1);
                1
            }
            b'/' if rest.starts_with(b"//") => {
                rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len())
            }
            b'/' if rest.starts_with(b"/*") => {
                rest.windows(2).skip(2).position(|pair| pair == b"*/").map_or(rest.len(), |n| n + 4)
            }
            quote @ (b'"' | b'\'' | b'`') => {
                let mut end = 1;
                while end < rest.len()
                    && rest[end] != quote
                    && (quote == b'`' || rest[end] != b'\n')
                {
                    end += 1 + usize::from(rest[end] == b'\\');
                }
                end + 1
            }
            _ => 1,
        };
    }
    depth
}

/// A row of HumanEvalPack.
#[derive(Deserialize)]
pub(super) struct Pair {
    lang: String,
    task_id: String,
    entry_point: String,
    instruction: String,
    declaration: String,
    good: String,
    bad: String,
    bug_type: String,
    test: String,
}

pub(super) fn pair(row: Pair, out: &mut Out<'_>) -> Result<(), RowError> {
    let language = language(&row.lang)?;
    let (id, entry, hidden) = if language == Language::Python {
        // These are HumanEval's own problems.
        let hidden = tests_of_check(&row.test, &row.entry_point, &[]);
        let id = row.task_id.replacen("Python/", "HumanEval/", 1);
        (id, Entry::Function { name: row.entry_point }, hidden)
    } else {
        (row.task_id, Entry::Script, vec![Test::Script { code: row.test }])
    };
    let mut problem = problem(id.clone(), row.instruction, language, entry, "eval");
    problem.starter.clone_from(&row.declaration);
    problem.tests.hidden = hidden;
    problem.meta.extra.insert("bug_type".to_owned(), row.bug_type.into());
    out.problem(problem)?;
    let mut group = Group::new(&id, language, "humanevalpack").licensed("MIT");
    group.authored(out, "reference", format!("{}{}", row.declaration, row.good), true)?;
    group.authored(out, "bug", format!("{}{}", row.declaration, row.bad), false)
}
