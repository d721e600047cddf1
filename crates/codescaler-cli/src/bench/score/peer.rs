//! The reference framework: a Python process that loads the reward model once and answers per turn.

use std::{num::NonZeroUsize, path::Path};

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::super::{
    process::{FRAMEWORK, Process},
    side::Folder,
};
use crate::failure::Failure;

const SCRIPT: &str = include_str!("peer.py");

pub(super) struct Peer {
    process: Process,
    _folder: Folder,
}

/// What it answers.
#[derive(Deserialize)]
pub(super) struct Answer {
    pub(super) seconds: f64,
    pub(super) scores: Vec<f32>,
}

impl Peer {
    /// Starts it on the tokens of all items.
    pub(super) fn start(
        python: &Path,
        dir: &Path,
        tokens: &[&[u32]],
        threads: NonZeroUsize,
    ) -> Result<Peer, Failure> {
        let folder = Folder::create()?;
        let script = folder.write("peer.py", SCRIPT)?;
        let items = folder.write("items.json", &json!(tokens).to_string())?;
        let threads = threads.to_string();
        let args = [script.as_ref(), dir.as_ref(), items.as_ref(), threads.as_ref()];
        Ok(Peer { process: Process::start(FRAMEWORK, python, &args)?, _folder: folder })
    }

    /// Its packages' versions.
    pub(super) fn versions(&self) -> &Json {
        &self.process.hello
    }

    /// Scores some of the items.
    pub(super) fn score(
        &mut self,
        dtype: &str,
        batch: usize,
        items: &[usize],
    ) -> Result<Answer, Failure> {
        self.process.ask(&json!({"dtype": dtype, "batch": batch, "items": items}))
    }
}
