//! Extracts programs from completions on standard input, one JSON object a line
//! (`{"completion":…,"language":…,"entry":…,"policy":…}`; all but the completion have defaults),
//! and answers with one [`Extraction`](codescaler_extract::Extraction) as JSON a line.

use std::{
    error::Error,
    io::{self, BufRead, BufWriter, Write},
};

use codescaler::{language::Language, problem::Entry};
use codescaler_extract::{Policy, Spec, extract};

#[derive(serde::Deserialize)]
struct Request {
    completion: String,
    #[serde(default = "python")]
    language: Language,
    #[serde(default = "stdio")]
    entry: Entry,
    #[serde(default)]
    policy: Policy,
}

fn python() -> Language {
    Language::Python
}

fn stdio() -> Entry {
    Entry::Stdio
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let Request { completion, language, entry, policy } = serde_json::from_str(&line?)?;
        let extraction = extract(&completion, &Spec { language, entry: &entry, policy });
        serde_json::to_writer(&mut out, &extraction)?;
        writeln!(out)?;
    }
    out.flush()?;
    Ok(())
}
