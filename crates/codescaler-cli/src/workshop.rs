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

/// Every command that was run, what it made and what it took.
const COMMANDS: &str = "commands.jsonl";

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
    ///
    /// # Errors
    /// When `done` is there and was made by another command line.
    pub(crate) fn command(&self, done: &str, words: &str) -> Result<(), Failure> {
        let words: Vec<&str> = words.split_whitespace().collect();
        self.expect_made_by(done, &words.join(" "))?;
        let place = |word: &&str| match word.strip_prefix('@') {
            Some(name) => self.path(name).display().to_string(),
            None => (*word).to_owned(),
        };
        self.carry_out(done, &words.join(" "), words.iter().map(place).collect())
    }

    /// The same, word by word, whatever `done` was made by.
    pub(crate) fn run(&self, done: &str, words: Vec<String>) -> Result<(), Failure> {
        self.carry_out(done, &words.join(" "), words)
    }

    /// What a command took is kept in commands.jsonl, as often as it was run.
    fn carry_out(&self, done: &str, written: &str, words: Vec<String>) -> Result<(), Failure> {
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
        let wall_s = began.elapsed().as_secs_f64();
        let line = json!({"made": done, "by": written, "command": shown, "wall_s": wall_s});
        let log = self.path(COMMANDS);
        let before = fs::read_to_string(&log).unwrap_or_default();
        write_whole(&log, format!("{before}{line}\n").as_bytes())
    }

    /// Folders that an older build has begun do not say what made their files: those are passed over.
    fn expect_made_by(&self, done: &str, written: &str) -> Result<(), Failure> {
        let log = self.path(COMMANDS);
        if !self.path(done).exists() || !log.exists() {
            return Ok(());
        }
        let last = read_lines(&log)?.into_iter().rfind(|line| line["made"] == done);
        match last.as_ref().and_then(|line| line["by"].as_str()) {
            Some(by) if by != written => Err(Failure::input(format!(
                "{} was made by another command, in which @ is this folder:\n  codescaler {by}\n\
                 and would now be made by:\n  codescaler {written}\n\
                 move away what is to be made again, or name another folder",
                self.path(done).display()
            ))),
            Some(_) | None => Ok(()),
        }
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

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    /// A file that is there, made by a command or by nobody knows what.
    #[track_caller]
    fn check(made_by: Option<&str>, words: &str, expect: Expect) {
        let folder =
            std::env::temp_dir().join(format!("codescaler-workshop-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let workshop = Workshop::open(Terminal::new(true), &folder).unwrap();
        fs::write(workshop.path("pairs.jsonl"), "").unwrap();
        if let Some(by) = made_by {
            // The newest of a file's makers counts.
            let line =
                |by: &str| json!({"made": "pairs.jsonl", "by": by, "wall_s": 1.0}).to_string();
            let log = format!("{}\n{}\n", line("curate something else"), line(by));
            fs::write(workshop.path(COMMANDS), log).unwrap();
        }
        let said = match workshop.command("pairs.jsonl", words) {
            Ok(()) => "passed over".to_owned(),
            Err(Failure::Input(error)) => {
                error.to_string().replace(&folder.display().to_string(), "FOLDER")
            }
            Err(Failure::Fault(error)) => panic!("{error:#}"),
            Err(Failure::Interrupted) => panic!("interrupted"),
        };
        fs::remove_dir_all(&folder).unwrap();
        expect.assert_eq(&said);
    }

    #[test]
    fn what_another_command_made_is_not_taken_for_done() {
        let words = "curate pairs --out @pairs.jsonl";
        check(None, words, expect!["passed over"]);
        check(Some(words), "curate pairs  --out @pairs.jsonl", expect!["passed over"]);
        check(
            Some("curate pairs --seed 2 --out @pairs.jsonl"),
            words,
            expect![[r#"
            FOLDER/pairs.jsonl was made by another command, in which @ is this folder:
              codescaler curate pairs --seed 2 --out @pairs.jsonl
            and would now be made by:
              codescaler curate pairs --out @pairs.jsonl
            move away what is to be made again, or name another folder"#]],
        );
    }
}
