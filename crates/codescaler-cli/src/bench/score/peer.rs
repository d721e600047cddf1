//! The reference framework: a Python process that loads the reward model once and answers per turn.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    num::NonZeroUsize,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value as Json, json};

use super::super::side::Folder;
use crate::failure::Failure;

const SCRIPT: &str = include_str!("peer.py");

/// It ends with its standard input.
pub(super) struct Peer {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    /// What it runs: its packages' versions.
    pub(super) versions: Json,
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
        let (script, items) = (folder.path("peer.py"), folder.path("items.json"));
        let write = |path: &Path, text: &str| {
            fs::write(path, text)
                .map_err(|error| Failure::fault(error, format!("cannot write {}", path.display())))
        };
        write(&script, SCRIPT)?;
        write(&items, &json!(tokens).to_string())?;
        #[expect(clippy::disallowed_methods, reason = "a published framework, named by the user")]
        let mut child = Command::new(python)
            .arg(&script)
            .args([dir, &items])
            .arg(threads.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| {
                Failure::input(format!("cannot start {}: {error}", python.display()))
            })?;
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut peer = Peer { child, stdin, stdout, versions: Json::Null, _folder: folder };
        peer.versions = peer.line()?;
        Ok(peer)
    }

    /// Scores some of the items.
    pub(super) fn score(
        &mut self,
        dtype: &str,
        batch: usize,
        items: &[usize],
    ) -> Result<Answer, Failure> {
        let request = json!({"dtype": dtype, "batch": batch, "items": items});
        let stdin = self.stdin.as_mut().expect("it is open until the end");
        writeln!(stdin, "{request}").map_err(|error| dead(&error))?;
        self.line()
    }

    fn line<T: DeserializeOwned>(&mut self) -> Result<T, Failure> {
        let mut line = String::new();
        self.stdout.read_line(&mut line).map_err(|error| dead(&error))?;
        serde_json::from_str(&line).map_err(|error| dead(&error))
    }
}

fn dead(why: &dyn std::fmt::Display) -> Failure {
    Failure::input(format!(
        "the reference framework does not answer ({why}); what it wrote stands above. It needs \
         torch and transformers"
    ))
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.stdin = None;
        let _ = self.child.wait();
    }
}
