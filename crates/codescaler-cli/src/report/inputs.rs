//! The files of a run: found by their headers, so that a folder of anybody's records is a run, too.

use std::{
    fs,
    path::{Path, PathBuf},
};

use codescaler::{execution::Execution, problem::Suite, score::Scored};
use codescaler_extract::Policy;
use serde_json::Value as Json;

use crate::{
    failure::Failure,
    files::{kind, records},
};

/// Where the records of a run are.
#[derive(Default)]
pub(crate) struct Inputs {
    pub(crate) folder: PathBuf,
    /// What was obeyed; null where nobody wrote it down.
    pub(crate) plan: Json,
    pub(crate) problems: Option<PathBuf>,
    pub(crate) candidates: Option<PathBuf>,
    pub(crate) labels: Vec<PathBuf>,
    pub(crate) scores: Vec<PathBuf>,
    pub(crate) executions: Vec<PathBuf>,
    pub(crate) selections: Vec<PathBuf>,
    pub(crate) measurements: Option<PathBuf>,
    pub(crate) answers: Option<PathBuf>,
    /// The log of a training.
    pub(crate) steps: Option<PathBuf>,
}

impl Inputs {
    /// What is in the folder; problems and candidates may be named, or stand in `run.toml`.
    pub(crate) fn find(
        folder: &Path,
        (problems, candidates): (Option<&Path>, Option<&Path>),
    ) -> Result<Inputs, Failure> {
        let unreadable =
            |error| Failure::input(format!("cannot read {}: {error}", folder.display()));
        let mut names: Vec<PathBuf> = fs::read_dir(folder)
            .map_err(unreadable)?
            .map(|entry| Ok(entry?.path()))
            .collect::<std::io::Result<_>>()
            .map_err(unreadable)?;
        names.sort();
        let mut inputs = Inputs { folder: folder.to_owned(), ..Inputs::default() };
        let plan = folder.join("plan.json");
        if plan.exists() {
            inputs.plan = read_json(&plan)?;
        }
        let steps = folder.join("steps.jsonl");
        inputs.steps = steps.exists().then_some(steps);
        let asked = Asked::read(folder)?;
        inputs.problems = problems.map(Path::to_owned);
        inputs.candidates = candidates.map(Path::to_owned);
        let (mut all_problems, mut all_candidates) = (Vec::new(), Vec::new());
        for path in names {
            match kind(&path)?.as_deref() {
                Some("codescaler/problems") => all_problems.push(path),
                Some("codescaler/candidates") => all_candidates.push(path),
                Some("codescaler/labels") => inputs.labels.push(path),
                Some("codescaler/scores") => inputs.scores.push(path),
                Some("codescaler/executions") => inputs.executions.push(path),
                Some("codescaler/selections") => inputs.selections.push(path),
                Some("codescaler/measurements") => inputs.measurements = Some(path),
                Some("codescaler/answers") => inputs.answers = Some(path),
                Some(_) | None => {}
            }
        }
        let folder = folder.display().to_string();
        if inputs.problems.is_none() {
            let asked = asked.one("problems")?;
            inputs.problems = the_one(all_problems, asked, "problems", &folder)?;
        }
        if inputs.candidates.is_none() {
            let asked = asked.one("candidates")?;
            inputs.candidates = the_one(all_candidates, asked, "candidates", &folder)?;
        }
        inputs.labels.extend(asked.many("labels")?);
        inputs.scores.extend(asked.many("scores")?);
        inputs.executions.extend(asked.many("executions")?);
        inputs.executions = by_suite(inputs.executions)?;
        if inputs.is_empty() {
            return Err(Failure::input(format!(
                "{folder} holds no run: neither records (docs/formats.md) nor the log of a training"
            )));
        }
        Ok(inputs)
    }

    fn is_empty(&self) -> bool {
        self.candidates.is_none() && self.measurements.is_none() && self.steps.is_none()
    }

    /// The verb that made the run, where a plan says so.
    pub(crate) fn verb(&self) -> Option<&str> {
        self.plan.get("verb")?.as_str()
    }

    /// How programs were taken from completions.
    pub(crate) fn policy(&self) -> Result<Policy, Failure> {
        let plan = &self.plan;
        let said = plan.get("policy").or_else(|| plan.get("scorer")?.get("policy")).cloned();
        let said = match (said, self.scores.first()) {
            (Some(said), _) => Some(said),
            (None, Some(scores)) => {
                records::<Scored>(scores)?.header().provenance.get("policy").cloned()
            }
            (None, None) => None,
        };
        let Some(name) = said.as_ref().and_then(Json::as_str) else {
            return Ok(Policy::BestValid);
        };
        name.parse().map_err(|error| Failure::Input(anyhow::Error::new(error)))
    }

    /// The seed of the run's bootstrap.
    pub(crate) fn seed(&self) -> u64 {
        self.plan.get("seed").and_then(Json::as_u64).unwrap_or(0)
    }
}

/// The files that `run.toml` names.
struct Asked(toml::Table, PathBuf);

impl Asked {
    fn read(folder: &Path) -> Result<Asked, Failure> {
        let path = folder.join("run.toml");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                return Err(Failure::input(format!("cannot read {}: {error}", path.display())));
            }
        };
        let table =
            text.parse().map_err(|error| Failure::input(format!("{}: {error}", path.display())))?;
        Ok(Asked(table, path))
    }

    fn many(&self, key: &str) -> Result<Vec<PathBuf>, Failure> {
        let named: Vec<&str> = match self.0.get(key) {
            Some(toml::Value::String(path)) => vec![path],
            Some(toml::Value::Array(paths)) => {
                paths.iter().filter_map(toml::Value::as_str).collect()
            }
            Some(_) | None => Vec::new(),
        };
        for path in &named {
            if !Path::new(path).exists() {
                return Err(Failure::input(format!(
                    "{}: {key} = {path:?} is not there any more",
                    self.1.display()
                )));
            }
        }
        Ok(named.into_iter().map(PathBuf::from).collect())
    }

    fn one(&self, key: &str) -> Result<Option<PathBuf>, Failure> {
        Ok(self.many(key)?.into_iter().next())
    }
}

/// `run.toml` of a command that reads files from elsewhere, so that its page finds them again.
pub(crate) fn asked(
    verb: &str,
    files: &[(&str, Vec<&Path>)],
    more: &[(&str, String)],
) -> Result<String, Failure> {
    let mut table = toml::Table::from_iter([("verb".to_owned(), verb.into())]);
    for (key, value) in more {
        table.insert((*key).to_owned(), value.as_str().into());
    }
    for (key, paths) in files.iter().filter(|(_, paths)| !paths.is_empty()) {
        let absolute = |path: &&Path| -> Result<toml::Value, Failure> {
            let path = std::path::absolute(path)
                .map_err(|error| Failure::fault(error, "cannot tell where a file is"))?;
            Ok(path.display().to_string().into())
        };
        let paths: Vec<toml::Value> = paths.iter().map(absolute).collect::<Result<_, _>>()?;
        table.insert((*key).to_owned(), paths.into());
    }
    Ok(table.to_string())
}

/// The file of a kind: the one named after it, the only one, or the one asked for.
fn the_one(
    found: Vec<PathBuf>,
    asked: Option<PathBuf>,
    kind: &str,
    folder: &str,
) -> Result<Option<PathBuf>, Failure> {
    let named = |path: &&PathBuf| {
        path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(&format!("{kind}.jsonl")))
    };
    if let Some(path) = found.iter().find(named) {
        return Ok(Some(path.clone()));
    }
    match found.as_slice() {
        [] => Ok(asked),
        [only] => Ok(Some(only.clone())),
        [_, _, ..] => Err(Failure::input(format!(
            "{folder} holds several files of {kind} and none named {kind}.jsonl: --{kind} says which"
        ))),
    }
}

/// Executions of visible tests before those of inputs, whose outputs take the place of theirs.
fn by_suite(paths: Vec<PathBuf>) -> Result<Vec<PathBuf>, Failure> {
    let suite = |path: &PathBuf| -> Result<Option<u8>, Failure> {
        let first = records::<Execution>(path)?.next().transpose()?;
        Ok(first.map(|execution| match execution.suite {
            Suite::Visible => 0,
            Suite::Inputs => 1,
            Suite::Hidden => 2,
        }))
    };
    let mut ranked: Vec<(Option<u8>, PathBuf)> = Vec::new();
    for path in paths {
        ranked.push((suite(&path)?, path));
    }
    ranked.sort();
    Ok(ranked.into_iter().map(|(_, path)| path).collect())
}

/// A file of JSON.
pub(super) fn read_json(path: &Path) -> Result<Json, Failure> {
    let text = fs::read(path)
        .map_err(|error| Failure::input(format!("cannot read {}: {error}", path.display())))?;
    serde_json::from_slice(&text)
        .map_err(|error| Failure::input(format!("{}: {error}", path.display())))
}
