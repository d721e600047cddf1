//! Texts to learn language from: code, and programs after their problems.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::BufRead as _,
    path::PathBuf,
};

use anyhow::Context as _;
use clap::Args;
use codescaler::{candidate::Candidate, prompt::reward_prompt, seed::digest};
use codescaler_extract::{Policy, tree_digest};
use codescaler_nn::Programs;
use codescaler_reward::{program_of, read_as};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::{
    failure::Failure,
    files::{Joined, Problems, fingerprint, open},
    held_out::HeldOut,
    terminal::{Terminal, check_interrupt},
};

/// What to learn from.
#[derive(Args)]
pub(super) struct TextOptions {
    /// A data folder with problems.jsonl and candidates.jsonl; every valid program of it is read,
    /// right or wrong. May be given more than once.
    #[arg(long)]
    data: Vec<PathBuf>,
    /// Learn the completions as they stand, prose and fences and mistakes, not their programs.
    #[arg(long)]
    completions: bool,
    /// A file of JSON lines, each with its text under `code`, `text` or `content`, or a list of
    /// [language, text] under `sols`; may be compressed, and given more than once.
    #[arg(long)]
    corpus: Vec<PathBuf>,
    /// A file of conversations, each line a JSON object with `messages` (each with `role` and
    /// `content`), of which the last answer is learnt; `curate repairs`, `curate tests` and `curate
    /// duels` write such. May be given more than once. What of it is held out, is for its maker to
    /// leave out.
    #[arg(long)]
    conversations: Vec<PathBuf>,
    /// A folder whose problems and programs must not be learnt, those of split `train` apart; may
    /// be given more than once.
    #[arg(long)]
    held_out: Vec<PathBuf>,
    /// A JSON file whose texts are ids of problems to leave out.
    #[arg(long)]
    leave_out: Option<PathBuf>,
}

/// Everything there is to learn from, in the order of the files.
#[derive(Default)]
pub(super) struct Texts {
    /// Code by itself.
    pub(super) code: Vec<String>,
    /// A problem as the reward model is told of it, and programs for it.
    pub(super) programs: Vec<(String, Vec<String>)>,
    /// Conversations that end with an answer.
    pub(super) conversations: Vec<Conversation>,
    /// How programs are written.
    form: Programs,
    held_out_problems: u64,
    held_out_programs: u64,
    files: Vec<Json>,
}

/// Turns of a conversation, in order.
#[derive(Deserialize)]
pub(super) struct Conversation {
    pub(super) messages: Vec<Turn>,
}

/// One turn.
#[derive(Deserialize)]
pub(super) struct Turn {
    pub(super) role: String,
    pub(super) content: String,
}

impl TextOptions {
    pub(super) fn read(&self, terminal: Terminal, form: Programs) -> Result<Texts, Failure> {
        if self.data.is_empty() && self.corpus.is_empty() && self.conversations.is_empty() {
            return Err(Failure::input(
                "nothing to learn from: give --data, --corpus or --conversations",
            ));
        }
        let held_out = HeldOut::read(&self.held_out, self.leave_out.as_deref())?;
        let mut texts = Texts { form, ..Texts::default() };
        for path in &self.corpus {
            terminal.note(&format!("reading {}", path.display()));
            texts.read_corpus(path, &held_out)?;
            texts.files.push(json!(fingerprint(path)?));
        }
        for folder in &self.data {
            terminal.note(&format!("reading {}", folder.display()));
            texts.read_data(folder, &held_out, self.completions)?;
            texts.files.push(json!(fingerprint(&folder.join("candidates.jsonl"))?));
        }
        for path in &self.conversations {
            texts.read_conversations(path)?;
            texts.files.push(json!(fingerprint(path)?));
        }
        terminal.print(&texts.summary());
        Ok(texts)
    }
}

impl Texts {
    /// What was read, for provenance.
    pub(super) fn plan(&self) -> Json {
        json!({
            "files": self.files,
            "programs_written": self.form.name(),
            "texts": self.code.len(),
            "problems": self.programs.len(),
            "programs": self.programs.iter().map(|(_, programs)| programs.len()).sum::<usize>(),
            "conversations": self.conversations.len(),
        })
    }

    fn summary(&self) -> String {
        let programs: usize = self.programs.iter().map(|(_, programs)| programs.len()).sum();
        format!(
            "{} texts of code, {programs} programs of {} problems, {} conversations; dropped as held \
             out: {} problems, {} programs",
            self.code.len(),
            self.programs.len(),
            self.conversations.len(),
            self.held_out_problems,
            self.held_out_programs
        )
    }

    fn read_corpus(&mut self, path: &std::path::Path, held_out: &HeldOut) -> Result<(), Failure> {
        let mut seen = BTreeSet::new();
        for (number, line) in open(path)?.lines().enumerate() {
            let at = || format!("{} line {}", path.display(), number + 1);
            let line = line.with_context(at).map_err(Failure::Input)?;
            let row: Json = serde_json::from_str(&line).with_context(at).map_err(Failure::Input)?;
            let one = ["code", "text", "content"].iter().find_map(|key| row.get(key)?.as_str());
            let many = row.get("sols").and_then(Json::as_array);
            let many = many.into_iter().flatten().filter_map(|entry| entry.get(1)?.as_str());
            let found: Vec<&str> = one.into_iter().chain(many).collect();
            if found.is_empty() && row.get("format").is_none() {
                let keys = "no text under code, text, content or sols";
                return Err(Failure::input(format!("{}: {keys}", at())));
            }
            for text in found {
                let language = codescaler::language::Language::Python;
                if tree_digest(text, language).is_some_and(|tree| held_out.trees.contains(&tree)) {
                    self.held_out_programs += 1;
                } else if seen.insert(digest(text.as_bytes())) {
                    self.code.push(read_as(text, language, self.form).into_owned());
                }
            }
            check_interrupt()?;
        }
        Ok(())
    }

    fn read_conversations(&mut self, path: &std::path::Path) -> Result<(), Failure> {
        for (number, line) in open(path)?.lines().enumerate() {
            let at = || format!("{} line {}", path.display(), number + 1);
            let line = line.with_context(at).map_err(Failure::Input)?;
            let read: Conversation =
                serde_json::from_str(&line).with_context(at).map_err(Failure::Input)?;
            let roles: Vec<&str> = read.messages.iter().map(|turn| turn.role.as_str()).collect();
            if !matches!(roles[..], [_, .., "assistant"]) {
                return Err(Failure::input(format!(
                    "{}: its turns are by {roles:?}; a conversation ends with an answer of the \
                     `assistant`, and something stands before it",
                    at()
                )));
            }
            self.conversations.push(read);
            check_interrupt()?;
        }
        Ok(())
    }

    fn read_data(
        &mut self,
        folder: &std::path::Path,
        held_out: &HeldOut,
        completions: bool,
    ) -> Result<(), Failure> {
        let problems = Problems::read(&folder.join("problems.jsonl"))?;
        let mut groups: BTreeMap<&str, Vec<Candidate>> = BTreeMap::new();
        for entry in Joined::<_, Candidate>::open(&folder.join("candidates.jsonl"), &problems)? {
            let (problem, candidate) = entry?;
            groups.entry(problem.id.as_str()).or_default().push(candidate);
        }
        for problem in problems.iter() {
            let Some(group) = groups.remove(problem.id.as_str()) else { continue };
            if !held_out.allows(problem) {
                self.held_out_problems += 1;
                continue;
            }
            let mut programs: Vec<String> = Vec::new();
            for candidate in &group {
                if let Some(completion) = candidate.completion.as_ref().filter(|_| completions) {
                    programs.push(completion.clone());
                    continue;
                }
                let Ok(program) = program_of(candidate, problem, Policy::BestValid) else {
                    continue;
                };
                let tree = tree_digest(&program, candidate.language);
                let program = read_as(&program, candidate.language, self.form);
                if tree.is_some_and(|tree| held_out.trees.contains(&tree)) {
                    self.held_out_programs += 1;
                } else if !programs.iter().any(|known| *known == program) {
                    programs.push(program.into_owned());
                }
            }
            if !programs.is_empty() {
                self.programs.push((reward_prompt(problem), programs));
            }
            check_interrupt()?;
        }
        Ok(())
    }
}
