//! An event file of TensorBoard beside a log: each step once, however often the work was stopped.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use codescaler_report::tensorboard::{events, file_version, scalars};
use serde_json::Value as Json;

use crate::{
    failure::Failure,
    files::{write_rows, write_whole},
};

/// The name of the file. TensorBoard looks for `tfevents`.
const NAME: &str = "events.out.tfevents.codescaler";

/// An event file that grows.
pub(crate) struct Board {
    path: PathBuf,
    file: fs::File,
}

impl Board {
    /// Opens the event file in `folder` behind `lines`, the log so far: later events of a stopped
    /// run, which are going to come again, are cut away, and missing ones are put in.
    pub(crate) fn open(folder: &Path, lines: &[Json]) -> Result<Board, Failure> {
        let path = folder.join(NAME);
        let file = fs::read(&path).unwrap_or_default();
        let last = lines.last().map_or(0, step_of);
        let kept = events(&file).into_iter().take_while(|(step, _)| *step <= last).last();
        let (begun, end) = kept.unwrap_or((0, 0));
        write_rows(&path, |out| {
            out.write_all(if end == 0 { &[] } else { &file[..end] })?;
            if end == 0 {
                out.write_all(&file_version(now()))?;
            }
            lines
                .iter()
                .filter(|line| step_of(line) > begun)
                .try_for_each(|line| out.write_all(&scalars(now(), step_of(line), &numbers(line))))
        })?;
        let file = OpenOptions::new().append(true).open(&path);
        let file = file.map_err(|error| cannot_write(&path, error))?;
        Ok(Board { path, file })
    }

    /// Adds the numbers of a line under its `step`.
    pub(crate) fn add(&mut self, line: &Json) -> Result<(), Failure> {
        let event = scalars(now(), step_of(line), &numbers(line));
        self.file.write_all(&event).map_err(|error| cannot_write(&self.path, error))
    }
}

/// Writes a whole event file at once, without a clock: of lines, and of other numbers by step.
pub(crate) fn write(
    folder: &Path,
    lines: &[Json],
    others: &[(u64, String, f32)],
) -> Result<PathBuf, Failure> {
    let mut file = file_version(0.0);
    for line in lines {
        file.extend(scalars(0.0, step_of(line), &numbers(line)));
    }
    for (step, tag, value) in others {
        file.extend(scalars(0.0, *step, &[(tag.clone(), *value)]));
    }
    let path = folder.join(NAME);
    write_whole(&path, &file)?;
    Ok(path)
}

fn step_of(line: &Json) -> u64 {
    line.get("step").and_then(Json::as_u64).unwrap_or_default()
}

/// The numbers of a line by name, those of an object within it by path; its step apart.
fn numbers(line: &Json) -> Vec<(String, f32)> {
    fn walk(path: &str, value: &Json, found: &mut Vec<(String, f32)>) {
        match value {
            Json::Object(map) => {
                for (key, value) in map {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}/{key}") };
                    walk(&path, value, found);
                }
            }
            Json::Number(number) => {
                found.extend(number.as_f64().map(|number| (path.to_owned(), number as f32)));
            }
            Json::Null | Json::Bool(_) | Json::String(_) | Json::Array(_) => {}
        }
    }
    let mut found = Vec::new();
    walk("", line, &mut found);
    found.retain(|(name, _)| name != "step");
    found
}

#[expect(clippy::disallowed_methods, reason = "TensorBoard shows when a step was made")]
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

fn cannot_write(path: &Path, error: std::io::Error) -> Failure {
    Failure::fault(error, format!("cannot write {}", path.display()))
}
