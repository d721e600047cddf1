//! Pages for people: runs as they stand now, and programs that are pasted.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
};

use codescaler_http::Page;
use codescaler_report::{Place, RunLine, TrainingLine, index_page, rank_page, refusal_page};
use serde_json::Value as Json;

use crate::report::{Inputs, page, training::progress};

/// The directory whose directories are runs.
pub(super) struct Pages(pub(super) PathBuf);

impl Pages {
    /// The page at a path below `/ui`; `None` where there is none.
    ///
    /// # Errors
    /// When the directory of runs cannot be read. A run that cannot be shown has a page that says why.
    pub(super) fn at(&self, path: &str) -> Result<Option<Page>, String> {
        match path {
            "" => {
                let lines = self.runs()?.iter().map(|folder| line(folder)).collect::<Vec<_>>();
                Ok(Some(Page { html: index_page(&lines), is_live: true, is_refusal: false }))
            }
            "rank" => Ok(Some(Page { html: rank_page(), is_live: false, is_refusal: false })),
            _ => {
                let Some(name) = path.strip_prefix("runs/") else { return Ok(None) };
                // What a client names is compared with what is there, and never becomes a path.
                let runs = self.runs()?;
                let Some(folder) = runs.iter().find(|folder| name_of(folder) == name) else {
                    return Ok(None);
                };
                let line = line(folder);
                let waits = line.training.as_ref().and_then(|training| training.waits_s);
                let is_live = !line.under_way.is_empty() || waits.is_some();
                let made = Inputs::find(folder, (None, None))
                    .and_then(|inputs| page(&inputs, Place::Server));
                // A run that has just begun may hold nothing yet.
                let is_refusal = made.is_err();
                let html = made.unwrap_or_else(|failure| {
                    let reason = failure.message();
                    refusal_page(name, reason.strip_prefix("error: ").unwrap_or(&reason))
                });
                Ok(Some(Page { html, is_live: is_live || is_refusal, is_refusal }))
            }
        }
    }

    /// The directories, by name.
    fn runs(&self) -> Result<Vec<PathBuf>, String> {
        let entries = fs::read_dir(&self.0)
            .map_err(|error| format!("cannot read {}: {error}", self.0.display()))?;
        let mut folders: Vec<PathBuf> =
            entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
        folders.sort();
        Ok(folders)
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// What stands in a run; what cannot be read is not in the list.
fn line(folder: &Path) -> RunLine {
    let plan = fs::read(folder.join("plan.json")).unwrap_or_default();
    let plan: Json = serde_json::from_slice(&plan).unwrap_or_default();
    let verb = plan.get("verb").and_then(Json::as_str).map(str::to_owned);
    let training = training(folder, &plan);
    let is_training = training.as_ref().is_some_and(|training| training.waits_s.is_some());
    let mut line =
        RunLine { name: name_of(folder), verb, whole: Vec::new(), under_way: Vec::new(), training };
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.is_file()) {
        let name = name_of(path);
        if !name.contains(".jsonl") || (is_training && name == LOG) {
            continue;
        }
        if let Some(whole) = name.strip_suffix(".part") {
            let lines =
                File::open(path).map_or(0, |file| BufReader::new(file).split(b'\n').count());
            line.under_way.push((whole.to_owned(), lines as u64));
        } else {
            line.whole.push(name);
        }
    }
    line
}

/// The log of a training, which grows until the weights are written.
const LOG: &str = "steps.jsonl";

/// How far a training has come, and how long ago it said so.
fn training(folder: &Path, plan: &Json) -> Option<TrainingLine> {
    let found = progress(folder, plan)?;
    // Before its first step a training has a plan alone.
    let written = [LOG, "plan.json"]
        .iter()
        .find_map(|name| fs::metadata(folder.join(name)).and_then(|file| file.modified()).ok());
    // A clock that was set back gives no time: then it was now.
    let waits_s = written.map_or(0, |at| at.elapsed().map_or(0, |waits| waits.as_secs()));
    Some(TrainingLine {
        step: found.step,
        steps: found.steps,
        newest: found.newest,
        waits_s: (!found.is_done).then_some(waits_s),
    })
}
