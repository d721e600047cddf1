//! What must not be learnt: problems and programs of held-out data.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use codescaler::{candidate::Candidate, curate::statement_digest, problem::Problem};
use codescaler_extract::tree_digest;
use rayon::prelude::*;

use crate::{failure::Failure, files::read_all};

/// Statements and syntax trees of held-out data, and ids.
#[derive(Default)]
pub(crate) struct HeldOut {
    /// Problems by the digest of their words; the first of several.
    pub(crate) statements: BTreeMap<u64, Problem>,
    /// Digests of programs' normalised syntax trees.
    pub(crate) trees: BTreeSet<u64>,
    /// Ids of problems to leave out.
    pub(crate) ids: BTreeSet<String>,
}

impl HeldOut {
    /// Reads held-out data: each a folder with problems.jsonl and maybe candidates.jsonl, or a file
    /// of problems. Problems of split `train` in them are not held out. `leave_out` is a JSON file
    /// whose texts are ids.
    pub(crate) fn read(paths: &[PathBuf], leave_out: Option<&Path>) -> Result<HeldOut, Failure> {
        let mut held_out = HeldOut::default();
        if let Some(path) = leave_out {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read {}", path.display()))
                .map_err(Failure::Input)?;
            let json = serde_json::from_str(&text)
                .with_context(|| format!("{} is no JSON", path.display()))
                .map_err(Failure::Input)?;
            add_strings(&json, &mut held_out.ids);
        }
        for path in paths {
            held_out.add(path)?;
        }
        Ok(held_out)
    }

    /// Whether a problem may be learnt: by its split, its id and its statement.
    pub(crate) fn allows(&self, problem: &Problem) -> bool {
        !matches!(problem.meta.split.as_deref(), Some("validation" | "eval"))
            && !self.ids.contains(&problem.id)
            && !self.statements.contains_key(&statement_digest(&problem.statement))
    }

    fn add(&mut self, path: &Path) -> Result<(), Failure> {
        let is_folder = path.is_dir();
        let problems = if is_folder { path.join("problems.jsonl") } else { path.to_owned() };
        let mut problems: Vec<Problem> = read_all(&problems)?;
        problems.retain(|problem| problem.meta.split.as_deref() != Some("train"));
        let ids: BTreeSet<String> = problems.iter().map(|problem| problem.id.clone()).collect();
        for problem in problems {
            self.statements.entry(statement_digest(&problem.statement)).or_insert(problem);
        }
        let path = path.join("candidates.jsonl");
        if is_folder && path.exists() {
            let candidates: Vec<Candidate> = read_all(&path)?;
            let known = candidates.par_iter().filter(|candidate| ids.contains(&candidate.problem));
            let trees = known.filter_map(|candidate| {
                tree_digest(candidate.program.as_deref()?, candidate.language)
            });
            self.trees.extend(trees.collect::<Vec<_>>());
        }
        Ok(())
    }
}

/// Every text in a JSON value, keys aside.
fn add_strings(json: &serde_json::Value, strings: &mut BTreeSet<String>) {
    match json {
        serde_json::Value::String(text) => {
            strings.insert(text.clone());
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| add_strings(item, strings)),
        serde_json::Value::Object(entries) => {
            entries.values().for_each(|item| add_strings(item, strings));
        }
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
    }
}
