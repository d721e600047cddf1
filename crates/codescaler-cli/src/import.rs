//! `codescaler import`: a public dataset's own format → problems, candidates and labels.

use std::{io, path::PathBuf};

use clap::Args;
use codescaler::{
    candidate::{Candidate, Label},
    import::{Format, Sink, import},
    problem::Problem,
    record::{Extra, Header, Record},
};
use serde_json::json;

use crate::{
    failure::{Failure, Outcome},
    files::{Opened, Output, fingerprint, open},
    terminal::Terminal,
};

/// Read a public dataset in its own format.
///
/// Writes problems.jsonl, candidates.jsonl and labels.jsonl into a folder, as far as the source
/// has them. Visible and hidden tests are split here, once. Labels stand apart from candidates,
/// because selectors must not see them.
#[derive(Args)]
#[command(after_help = "\
`codescaler import list` names the formats.

Examples:
  codescaler import list
  codescaler import humanevalplus HumanEvalPlus.jsonl.gz --out humaneval/")]
pub(crate) struct Options {
    /// The format, or `list`.
    format: String,
    /// The file, plain or compressed with zstd or gzip.
    file: Option<PathBuf>,
    /// The folder to write into.
    #[arg(long, default_value = ".")]
    out: PathBuf,
}

pub(crate) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    if options.format == "list" {
        for format in Format::ALL {
            terminal.print(&format!("{:<28}{}", format.name(), format.describe()));
        }
        let names: Vec<&str> = Format::ALL.iter().map(|format| format.name()).collect();
        return Ok(Outcome::done(json!({"verb": "import", "formats": names})));
    }
    let format: Format =
        options.format.parse().map_err(|error| Failure::Input(anyhow::Error::new(error)))?;
    let file = options.file.as_deref().ok_or_else(|| Failure::input("name the file to import"))?;
    let provenance = Extra::from_iter([
        ("format".to_owned(), json!(format.to_string())),
        ("input".to_owned(), json!(fingerprint(file)?)),
    ]);
    let Some(mut files) = Files::open(options, &provenance)? else {
        terminal.note(&format!("{} holds this import already", options.out.display()));
        return Ok(Outcome::done(json!({"verb": "import", "out": options.out, "made": 0})));
    };
    let summary = import(format, &mut open(file)?, &mut files).map_err(|error| {
        Failure::Input(anyhow::Error::new(error).context(file.display().to_string()))
    })?;
    files.finish((summary.candidates > 0, summary.labels > 0))?;
    terminal.print(&format!(
        "{} problems, {} candidates, {} labels written to {}",
        summary.problems,
        summary.candidates,
        summary.labels,
        options.out.display()
    ));
    for (reason, n) in &summary.left_out {
        terminal.print(&format!("  left out: {n:>8}  {reason}"));
    }
    Ok(Outcome::done(json!({
        "verb": "import", "out": options.out, "format": format.to_string(),
        "problems": summary.problems, "candidates": summary.candidates, "labels": summary.labels,
        "left_out": summary.left_out,
    })))
}

/// The three files of an import; a stopped one is started anew, since it takes seconds.
struct Files {
    problems: Output,
    candidates: Output,
    labels: Output,
}

impl Files {
    fn open(options: &Options, provenance: &Extra) -> Result<Option<Files>, Failure> {
        fn create<T: Record>(
            options: &Options,
            provenance: &Extra,
        ) -> Result<Option<Output>, Failure> {
            let path = options.out.join(format!("{}.jsonl", T::KIND));
            match Output::create::<T>(&path, &Header::new::<T>(provenance.clone()))? {
                Opened::Whole => Ok(None),
                Opened::Open(output, _) => Ok(Some(output)),
            }
        }
        let candidates = create::<Candidate>(options, provenance)?;
        let labels = create::<Label>(options, provenance)?;
        // Problems are declared whole last: where they are, all is.
        let Some(problems) = create::<Problem>(options, provenance)? else {
            for leftover in [candidates, labels].into_iter().flatten() {
                leftover.discard()?;
            }
            return Ok(None);
        };
        match (candidates, labels) {
            (Some(candidates), Some(labels)) => Ok(Some(Files { problems, candidates, labels })),
            (_, _) => Err(Failure::input(format!(
                "{} holds a part of this import: delete it or name another folder",
                options.out.display()
            ))),
        }
    }

    fn finish(self, (has_candidates, has_labels): (bool, bool)) -> Result<(), Failure> {
        let end = |output: Output, wanted| if wanted { output.finish() } else { output.discard() };
        end(self.candidates, has_candidates)?;
        end(self.labels, has_labels)?;
        self.problems.finish()
    }
}

impl Sink for Files {
    fn problem(&mut self, problem: Problem) -> io::Result<()> {
        self.problems.write_io(&problem)
    }

    fn candidate(&mut self, candidate: Candidate) -> io::Result<()> {
        self.candidates.write_io(&candidate)
    }

    fn label(&mut self, label: Label) -> io::Result<()> {
        self.labels.write_io(&label)
    }
}
