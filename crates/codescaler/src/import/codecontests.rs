//! CodeContests: human programs, right and wrong, with tests of three kinds.

use serde::Deserialize;

use super::{
    python_problem,
    row::{Out, RowError},
    written::Group,
};
use crate::{
    check::Check,
    language::Language,
    problem::{Entry, Limits, Meta, Problem, Test, Tests},
};

#[derive(Deserialize)]
pub(super) struct Published {
    name: String,
    description: String,
    public_tests: Pairs,
    private_tests: Pairs,
    generated_tests: Pairs,
    #[serde(default)]
    solutions: Programs,
    #[serde(default)]
    incorrect_solutions: Programs,
    time_limit: Option<TimeLimit>,
    #[serde(default)]
    memory_limit_bytes: u64,
    cf_rating: Option<i64>,
    #[serde(default)]
    input_file: String,
}

#[derive(Default, Deserialize)]
struct Pairs {
    input: Vec<String>,
    output: Vec<String>,
}

#[derive(Default, Deserialize)]
struct Programs {
    language: Vec<u8>,
    solution: Vec<String>,
}

#[derive(Deserialize)]
struct TimeLimit {
    #[serde(default)]
    seconds: u64,
    #[serde(default)]
    nanos: u64,
}

pub(super) fn published(row: Published, out: &mut Out<'_>) -> Result<(), RowError> {
    if !row.input_file.is_empty() {
        out.leave_out("problem that reads a file, not standard input");
        return Ok(());
    }
    let mut hidden = tests("private_tests", row.private_tests)?;
    hidden.extend(tests("generated_tests", row.generated_tests)?);
    let tests = Tests { visible: tests("public_tests", row.public_tests)?, hidden };
    let meta = Meta {
        source: Some("codecontests".to_owned()),
        difficulty: row.cf_rating.filter(|rating| *rating > 0).map(|rating| rating.to_string()),
        title: Some(row.name.clone()),
        license: Some("CC-BY-4.0".to_owned()),
        ..Meta::default()
    };
    let usual = Limits::default();
    let limits = Limits {
        cpu_ms_max: match row.time_limit {
            Some(limit) => limit.seconds * 1000 + limit.nanos.div_ceil(1_000_000),
            None => usual.cpu_ms_max,
        },
        memory_mib_max: match row.memory_limit_bytes {
            0 => usual.memory_mib_max,
            bytes => bytes.div_ceil(1 << 20),
        },
    };
    let problem = python_problem(row.name.clone(), row.description, Entry::Stdio, tests, meta);
    out.problem(Problem { limits, ..problem })?;
    let mut group = Group::new(&row.name, Language::Python, "codecontests").licensed("CC-BY-4.0");
    programs("solutions", row.solutions, true, &mut group, out)?;
    programs("incorrect_solutions", row.incorrect_solutions, false, &mut group, out)
}

fn tests(key: &str, pairs: Pairs) -> Result<Vec<Test>, RowError> {
    if pairs.input.len() != pairs.output.len() {
        let message = format!("{} inputs, {} outputs", pairs.input.len(), pairs.output.len());
        return Err(RowError::at(key, message));
    }
    let pairs = pairs.input.into_iter().zip(pairs.output);
    Ok(pairs.map(|(stdin, stdout)| Test::Stdio { stdin, stdout, check: Check::Tokens }).collect())
}

fn programs(
    key: &str,
    programs: Programs,
    passed: bool,
    group: &mut Group<'_>,
    out: &mut Out<'_>,
) -> Result<(), RowError> {
    if programs.language.len() != programs.solution.len() {
        return Err(RowError::at(key, "as many languages as programs are expected"));
    }
    for (language, program) in programs.language.into_iter().zip(programs.solution) {
        let language = match language {
            2 => Language::Cpp,
            3 => Language::Python,
            4 => Language::Java,
            1 => {
                out.leave_out("program in Python 2");
                continue;
            }
            _ => {
                out.leave_out("program in an unknown language");
                continue;
            }
        };
        group.set_language(language);
        group.authored(out, "human", program, passed)?;
    }
    Ok(())
}
