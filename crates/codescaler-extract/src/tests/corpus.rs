//! Runs the literate corpus: `tests/corpus/*.md`, one theme a file, one case a section.
//!
//! A case has a line that says what is asked (`language, entry[, policy]`), the completion, and
//! then the program or `reason: …`, and `notes: …`. Blocks are fenced with six backticks and taken
//! verbatim, without the line end before the closing fence. `completion crlf` writes every line
//! end as `\r\n`.

use std::{fmt::Write, fs, path::Path};

use codescaler::{language::Language, problem::Entry};

use crate::{Extraction, Note, Policy, Reason, Spec, check_syntax, extract};

/// What a section says.
#[derive(Default)]
struct Case {
    name: String,
    asked: String,
    completion: String,
    expected: String,
}

#[track_caller]
fn check(file: &str, case: &Case) {
    let (language, entry, policy) = asked(&case.asked);
    let spec = Spec { language, entry: &entry, policy };
    let extraction = extract(&case.completion, &spec);
    assert_eq!(written(&extraction), case.expected, "{file}: {}", case.name);

    let Some(program) = &extraction.program else { return };
    let range = extraction.range.clone().expect("a program has a range");
    let changed = [Note::Dedented, Note::LineEndsNormalised, Note::Played];
    if !extraction.notes.iter().any(|note| changed.contains(note)) {
        assert_eq!(&case.completion[range], program, "{file}: {}", case.name);
    }
    if policy.promises_syntax() {
        assert_eq!(check_syntax(program, language), Ok(()), "{file}: {}", case.name);
    }
}

/// `python, method Solution.solve, lcb`
fn asked(line: &str) -> (Language, Entry, Policy) {
    let mut words = line.split(", ");
    let language = words.next().unwrap().parse().unwrap();
    let entry = words.next().unwrap();
    let entry = match entry.split_once(' ') {
        None if entry == "stdio" => Entry::Stdio,
        None => Entry::Script,
        Some((_, name)) => match name.split_once('.') {
            None => Entry::Function { name: name.to_owned() },
            Some((class, name)) => Entry::Method { class: class.to_owned(), name: name.to_owned() },
        },
    };
    (language, entry, words.next().map_or(Policy::BestValid, |name| name.parse().unwrap()))
}

/// An extraction as the corpus writes it.
fn written(extraction: &Extraction) -> String {
    let mut text = String::new();
    match (&extraction.program, &extraction.reason) {
        (Some(program), None) => write!(text, "program:\n{program}\n").unwrap(),
        (None, Some(reason)) => {
            write!(text, "reason: {}", reason.name()).unwrap();
            if let Reason::Syntax { line, message } = reason {
                write!(text, ", line {line}: {message}").unwrap();
            }
            if let Reason::ManyBlocks { n_blocks } = reason {
                write!(text, ", {n_blocks}").unwrap();
            }
            text.push('\n');
        }
        (Some(_), Some(_)) | (None, None) => panic!("a program or a reason: {extraction:?}"),
    }
    if !extraction.notes.is_empty() {
        let names: Vec<&str> = extraction.notes.iter().map(|note| note.name()).collect();
        writeln!(text, "notes: {}", names.join(", ")).unwrap();
    }
    text
}

fn parse(text: &str) -> Vec<Case> {
    const FENCE: &str = "``````";
    let mut cases: Vec<Case> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("## ") {
            cases.push(Case { name: name.to_owned(), ..Case::default() });
        } else if let Some(case) = cases.last_mut() {
            if let Some(kind) = line.strip_prefix(FENCE) {
                let block: Vec<&str> = lines.by_ref().take_while(|line| *line != FENCE).collect();
                match kind {
                    "completion" => case.completion = block.join("\n"),
                    "completion crlf" => case.completion = block.join("\r\n"),
                    "program" => {
                        write!(case.expected, "program:\n{}\n", block.join("\n")).unwrap();
                    }
                    _ => panic!("{}: unknown block {kind:?}", case.name),
                }
            } else if line.starts_with("reason: ") || line.starts_with("notes: ") {
                writeln!(case.expected, "{line}").unwrap();
            } else if !line.is_empty() {
                case.asked = line.to_owned();
            }
        }
    }
    cases
}

#[test]
fn the_corpus_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut n_cases = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        for case in parse(&fs::read_to_string(&path).unwrap()) {
            check(&path.display().to_string(), &case);
            n_cases += 1;
        }
    }
    assert!(n_cases > 150, "the corpus was found: {n_cases} cases");
}
