//! A folder in which an experiment is a list of command lines: each is printed, stands for itself,
//! goes on where it was stopped, and is passed over when its work is there.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::Context as _;
use clap::Parser as _;
use serde_json::{Value as Json, json};

use crate::{
    failure::Failure,
    files::write_whole,
    terminal::{Terminal, check_interrupt},
};

/// The folder, and how commands are run in it.
pub(crate) struct Workshop {
    terminal: Terminal,
    out: PathBuf,
}

impl Workshop {
    /// Makes the folder where it is not there.
    pub(crate) fn open(terminal: Terminal, out: &Path) -> Result<Workshop, Failure> {
        fs::create_dir_all(out).map_err(|error| Failure::fault(error, "cannot make the folder"))?;
        Ok(Workshop { terminal, out: out.to_owned() })
    }

    /// A file or folder in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.out.join(name)
    }

    /// Refuses a folder that holds another experiment.
    pub(crate) fn plan(&self, name: &str, plan: &Json) -> Result<(), Failure> {
        let (path, text) = (self.path(name), format!("{plan:#}\n"));
        match fs::read_to_string(&path) {
            Ok(found) if found == text => Ok(()),
            Ok(_) => Err(Failure::input(format!(
                "{} holds an experiment by another plan (see its {name}): name another folder",
                self.out.display()
            ))),
            Err(_) => write_whole(&path, text.as_bytes()),
        }
    }

    /// Runs a command line unless `done`, a file, is there. `@name` is a path in the folder.
    pub(crate) fn command(&self, done: &str, words: &str) -> Result<(), Failure> {
        let place = |word: &str| match word.strip_prefix('@') {
            Some(name) => self.path(name).display().to_string(),
            None => word.to_owned(),
        };
        self.run(done, words.split_whitespace().map(place).collect())
    }

    /// The same, word by word. What it took is kept in commands.jsonl, as often as it was run.
    pub(crate) fn run(&self, done: &str, words: Vec<String>) -> Result<(), Failure> {
        check_interrupt()?;
        let shown = format!("codescaler {}", words.join(" "));
        if self.path(done).exists() {
            self.terminal.note(&format!("done: {shown}"));
            return Ok(());
        }
        self.terminal.print(&format!("$ {shown}"));
        let all = std::iter::once("codescaler".to_owned()).chain(words);
        let parsed = crate::Options::try_parse_from(all)
            .map_err(|error| Failure::fault(error, format!("cannot read: {shown}")))?;
        let began = Instant::now();
        crate::run(self.terminal, &parsed.verb)?;
        let line = json!({"command": shown, "wall_s": began.elapsed().as_secs_f64()});
        let log = self.path("commands.jsonl");
        let before = fs::read_to_string(&log).unwrap_or_default();
        write_whole(&log, format!("{before}{line}\n").as_bytes())
    }
}

/// A file's JSON value.
pub(crate) fn read_json(path: &Path) -> Result<Json, Failure> {
    let at = || format!("cannot read {}", path.display());
    let text = fs::read_to_string(path).with_context(at).map_err(Failure::Input)?;
    serde_json::from_str(&text).with_context(at).map_err(Failure::Input)
}

/// The JSON values of a file's lines.
pub(crate) fn read_lines(path: &Path) -> Result<Vec<Json>, Failure> {
    let at = || format!("cannot read {}", path.display());
    let text = fs::read_to_string(path).with_context(at).map_err(Failure::Input)?;
    text.lines()
        .map(|line| serde_json::from_str(line).with_context(at))
        .collect::<Result<_, _>>()
        .map_err(Failure::Input)
}
