//! Answers that were given before: a file that grows line by line, and is looked into before
//! anything is asked.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
};

use codescaler_search::{Answer, Cost};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::failure::Failure;

/// Answers by what was asked: the same question, of the same language model, sandbox or reward
/// model, has the same key.
///
/// Lines stand in the order in which answers came, which no two searches share; everything else
/// that a search writes is the same bytes whatever came first.
pub(super) struct Answers {
    path: PathBuf,
    file: Option<File>,
    known: BTreeMap<String, (Answer, Cost)>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    key: String,
    /// For people: the problem, and what was asked.
    about: String,
    answer: Answer,
    cost: Cost,
}

impl Answers {
    /// Those in the file, to which new ones are added; a half line at its end is cut away.
    pub(super) fn open(path: &Path) -> Result<Answers, Failure> {
        let fail = |error| Failure::fault(error, format!("cannot write {}", path.display()));
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(fail)?;
        }
        let mut file =
            OpenOptions::new().create(true).read(true).append(true).open(path).map_err(fail)?;
        let (mut known, mut whole_bytes, mut number) = (BTreeMap::new(), 0, 0);
        let mut reader = BufReader::new(&file);
        let mut text = String::new();
        while reader.read_line(&mut text).map_err(fail)? > 0 {
            if !text.ends_with('\n') {
                break;
            }
            number += 1;
            if number == 1 {
                expect_header(path, &text)?;
            } else {
                let line: Line = serde_json::from_str(&text).map_err(|error| {
                    Failure::input(format!(
                        "{}: line {number}: {error}: delete the line, or the file to ask anew",
                        path.display()
                    ))
                })?;
                known.insert(line.key, (line.answer, line.cost));
            }
            whole_bytes += text.len() as u64;
            text.clear();
        }
        file.set_len(whole_bytes).map_err(fail)?;
        if number == 0 {
            file.write_all((header() + "\n").as_bytes()).map_err(fail)?;
        }
        Ok(Answers { path: path.to_owned(), file: Some(file), known })
    }

    /// None yet, and none are written down.
    pub(super) fn in_memory() -> Answers {
        Answers { path: PathBuf::new(), file: None, known: BTreeMap::new() }
    }

    pub(super) fn get(&self, key: &str) -> Option<(Answer, Cost)> {
        self.known.get(key).cloned()
    }

    /// Adds an answer, and hands it to the system, so that being killed does not lose it.
    pub(super) fn add(
        &mut self,
        (key, about): (String, String),
        answer: &Answer,
        cost: Cost,
    ) -> Result<(), Failure> {
        if let Some(file) = &mut self.file {
            let line = Line { key: key.clone(), about, answer: answer.clone(), cost };
            let line = serde_json::to_string(&line).expect("an answer is JSON") + "\n";
            file.write_all(line.as_bytes()).map_err(|error| {
                Failure::fault(error, format!("cannot write {}", self.path.display()))
            })?;
        }
        self.known.insert(key, (answer.clone(), cost));
        Ok(())
    }
}

fn header() -> String {
    json!({"format": "codescaler/answers", "version": 1}).to_string()
}

fn expect_header(path: &Path, line: &str) -> Result<(), Failure> {
    if line.trim_end() == header() {
        return Ok(());
    }
    Err(Failure::input(format!(
        "{} is no file of answers: its first line is not {}",
        path.display(),
        header()
    )))
}
