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
    /// Leave out candidates of which the source does not say whether they are right.
    #[arg(long)]
    labelled: bool,
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
    let mut provenance = Extra::from_iter([
        ("format".to_owned(), json!(format.to_string())),
        ("input".to_owned(), json!(fingerprint(file)?)),
    ]);
    if options.labelled {
        provenance.insert("labelled".to_owned(), json!(true));
    }
    let Some(mut files) = Files::open(options, format, &provenance)? else {
        terminal.note(&format!("{} holds this import already", options.out.display()));
        return Ok(Outcome::done(json!({"verb": "import", "out": options.out, "made": 0})));
    };
    let mut summary = import(format, &mut open(file)?, &mut files).map_err(|error| {
        Failure::Input(anyhow::Error::new(error).context(file.display().to_string()))
    })?;
    if options.labelled {
        let unlabelled = summary.candidates - files.labelled;
        summary.candidates = files.labelled;
        summary.left_out.insert("candidate without a label".to_owned(), unlabelled);
    }
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

/// The files of an import; a stopped one is started anew, since it takes seconds.
struct Files {
    candidates: Output,
    labels: Output,
    /// Where the format has problems.
    problems: Option<Output>,
    /// Whether only candidates with a label are wanted.
    wants_labels: bool,
    /// The last candidate, until its label comes.
    waiting: Option<Candidate>,
    /// Candidates of which a label has come.
    labelled: u64,
}

impl Files {
    fn open(
        options: &Options,
        format: Format,
        provenance: &Extra,
    ) -> Result<Option<Files>, Failure> {
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
        // What the format always has is declared whole last: where it is, all is.
        let problems = match format.has_problems() {
            true => Some(create::<Problem>(options, provenance)?),
            false => None,
        };
        match (candidates, labels, problems) {
            (leftover, also, Some(None)) => {
                [leftover, also].into_iter().flatten().try_for_each(Output::discard)?;
                Ok(None)
            }
            (None, leftover, None) => {
                leftover.into_iter().try_for_each(Output::discard)?;
                Ok(None)
            }
            (Some(candidates), Some(labels), problems) => {
                let problems = problems.flatten();
                let (wants_labels, waiting, labelled) = (options.labelled, None, 0);
                Ok(Some(Files { candidates, labels, problems, wants_labels, waiting, labelled }))
            }
            (_, _, _) => Err(Failure::input(format!(
                "{} holds a part of this import: delete it or name another folder",
                options.out.display()
            ))),
        }
    }

    fn finish(self, (has_candidates, has_labels): (bool, bool)) -> Result<(), Failure> {
        let end = |output: Output, wanted| if wanted { output.finish() } else { output.discard() };
        end(self.labels, has_labels)?;
        end(self.candidates, has_candidates || self.problems.is_none())?;
        self.problems.map_or(Ok(()), Output::finish)
    }
}

impl Sink for Files {
    fn problem(&mut self, problem: Problem) -> io::Result<()> {
        self.problems.as_mut().map_or(Ok(()), |file| file.write_io(&problem))
    }

    fn candidate(&mut self, candidate: Candidate) -> io::Result<()> {
        if self.wants_labels {
            self.waiting = Some(candidate);
            return Ok(());
        }
        self.candidates.write_io(&candidate)
    }

    fn label(&mut self, label: Label) -> io::Result<()> {
        if let Some(candidate) = self.waiting.take() {
            self.labelled += 1;
            self.candidates.write_io(&candidate)?;
        }
        self.labels.write_io(&label)
    }
}
