//! `train tokenizer`.

use std::path::PathBuf;

use clap::Args;
use codescaler_nn::{Programs, TokenizerError, train_tokenizer};
use serde_json::json;

use super::texts::TextOptions;
use crate::{
    failure::{Failure, Outcome},
    terminal::Terminal,
};

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    texts: TextOptions,
    /// Tokens, special ones included.
    #[arg(long, default_value_t = 8192)]
    vocab: usize,
    /// Where to write the directory.
    #[arg(long)]
    out: PathBuf,
}

pub(super) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    if options.out.exists() {
        let out = options.out.display();
        return Err(Failure::input(format!("{out} exists: delete it or name another output")));
    }
    let texts = options.texts.read(terminal, Programs::AsWritten)?;
    let programs = texts
        .programs
        .iter()
        .flat_map(|(prompt, programs)| std::iter::once(prompt).chain(programs).map(String::as_str));
    let all = texts.code.iter().map(String::as_str).chain(programs);
    let vocab = train_tokenizer(all, options.vocab, &options.out).map_err(unusable)?;
    terminal.print(&format!("{vocab} tokens written to {}", options.out.display()));
    Ok(Outcome::done(json!({"verb": "train tokenizer", "out": options.out, "vocab": vocab})))
}

fn unusable(error: TokenizerError) -> Failure {
    match &error {
        TokenizerError::Vocabulary { .. } => Failure::Input(
            anyhow::Error::new(error)
                .context("--vocab does not fit: change it, or give more texts"),
        ),
        TokenizerError::Io { .. } | TokenizerError::Train(_) => {
            Failure::fault(error, "cannot train the tokenizer")
        }
    }
}
