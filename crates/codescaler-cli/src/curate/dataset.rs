//! Rows on disk, as Hugging Face `datasets` loads them: a file, or a folder with a card.

use std::{collections::BTreeMap, fmt::Write as _, io::Write as _, path::Path};

use serde_json::Value as Json;

use super::parquet;
use crate::{
    failure::Failure,
    files::{write_by, write_rows, write_whole},
};

/// What rows are for. In this order they stand in a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Split {
    Train,
    Validation,
    Test,
}

impl Split {
    /// The name, as `datasets` calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Validation => "validation",
            Split::Test => "test",
        }
    }
}

/// Rows by split; none is empty.
pub(super) type Splits = BTreeMap<Split, Vec<Json>>;

/// What the card of a dataset says beside the number of rows.
pub(super) struct Card {
    /// The form of the rows.
    pub(super) form: String,
    /// Which records, with their fingerprints.
    pub(super) made_from: Vec<(&'static str, String)>,
}

/// Writes all splits into a folder, or the rows to train on into a file; says how many.
pub(super) fn write(out: &Path, mut splits: Splits, card: &Card) -> Result<usize, Failure> {
    let ending = out.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    if !["jsonl", "json", "parquet"].contains(&ending) {
        return write_folder(out, &splits, card);
    }
    let rows = splits.remove(&Split::Train).unwrap_or_default();
    if rows.is_empty() {
        return Err(Failure::input(
            "there is no row to train on: a file holds no other; name a folder to have all splits",
        ));
    }
    if ending == "parquet" {
        write_by(out, |part| parquet::write(part, &rows))?;
    } else {
        write_rows(out, |file| rows.iter().try_for_each(|row| writeln!(file, "{row}")))?;
    }
    Ok(rows.len())
}

/// `data/SPLIT-00000-of-00001.parquet` for each split, and last the card that names them: a folder
/// without it is not whole.
fn write_folder(out: &Path, splits: &Splits, card: &Card) -> Result<usize, Failure> {
    if splits.is_empty() {
        return Err(Failure::input("there is no row to write"));
    }
    let mut head = "---\nconfigs:\n- config_name: default\n  data_files:\n".to_owned();
    let mut counts = "| split | rows |\n|---|---|\n".to_owned();
    for (split, rows) in splits {
        let (name, n) = (split.name(), rows.len());
        let file = format!("data/{name}-00000-of-00001.parquet");
        write_by(&out.join(&file), |part| parquet::write(part, rows))?;
        let _ = writeln!(head, "  - split: {name}\n    path: {file}");
        let _ = writeln!(counts, "| {name} | {n} |");
    }
    let Card { form, made_from } = card;
    let mut text = format!(
        "{head}---\n# Rows of the form `{form}`\n\nWritten by `codescaler curate export` {}.\n\n{counts}\n",
        env!("CARGO_PKG_VERSION")
    );
    for (what, fingerprint) in made_from {
        let _ = writeln!(text, "- {what}: `{fingerprint}`");
    }
    write_whole(&out.join("README.md"), text.as_bytes())?;
    Ok(splits.values().map(Vec::len).sum())
}
