//! Rows in, records out: what every importer shares.

use std::io::{self, BufRead, Read as _};

use serde::de::DeserializeOwned;

use super::{ImportError, ImportErrorKind, Sink, Summary};
use crate::{
    candidate::{Candidate, Label},
    problem::Problem,
    record::LINE_BYTES_MAX,
};

/// Why a row cannot be imported.
pub(super) enum RowError {
    /// A key's value is not what it should be.
    Value { key: String, message: String },
    /// The sink failed.
    Sink(io::Error),
}

impl RowError {
    pub(super) fn at(key: impl Into<String>, message: impl ToString) -> RowError {
        RowError::Value { key: key.into(), message: message.to_string() }
    }

    fn into_kind(self) -> ImportErrorKind {
        match self {
            RowError::Value { key, message } if key.is_empty() => ImportErrorKind::Json { message },
            RowError::Value { key, message } => ImportErrorKind::Key { key, message },
            RowError::Sink(error) => ImportErrorKind::Sink(error),
        }
    }
}

impl From<io::Error> for RowError {
    fn from(error: io::Error) -> RowError {
        RowError::Sink(error)
    }
}

/// The sink, and the count of what went into it.
pub(super) struct Out<'a> {
    sink: &'a mut dyn Sink,
    pub(super) summary: Summary,
    /// The row being imported, counted from 0; blank lines are no rows.
    pub(super) row: u64,
}

impl<'a> Out<'a> {
    pub(super) fn new(sink: &'a mut dyn Sink) -> Out<'a> {
        Out { sink, summary: Summary::default(), row: 0 }
    }

    pub(super) fn problem(&mut self, problem: Problem) -> io::Result<()> {
        self.summary.problems += 1;
        self.sink.problem(problem)
    }

    pub(super) fn candidate(&mut self, candidate: Candidate) -> io::Result<()> {
        self.summary.candidates += 1;
        self.sink.candidate(candidate)
    }

    pub(super) fn label(&mut self, label: Label) -> io::Result<()> {
        self.summary.labels += 1;
        self.sink.label(label)
    }

    /// Counts something of the source that is not imported.
    pub(super) fn leave_out(&mut self, reason: impl Into<String>) {
        *self.summary.left_out.entry(reason.into()).or_default() += 1;
    }
}

/// All of a file of JSON that is no file of lines.
pub(super) fn whole<T: DeserializeOwned>(input: &mut dyn BufRead) -> Result<T, ImportError> {
    let fail = |line, kind| ImportError { line, kind };
    let mut text = Vec::new();
    let taken = input.take(LINE_BYTES_MAX + 1).read_to_end(&mut text);
    taken.map_err(|error| fail(1, ImportErrorKind::Read(error)))?;
    if text.len() as u64 > LINE_BYTES_MAX {
        return Err(fail(1, ImportErrorKind::TooLong));
    }
    parse_slice(&text).map_err(|error| fail(1, error.into_kind()))
}

/// Imports every line as a row of type `T`; or every element of a list, where the file is one.
pub(super) fn rows<T: DeserializeOwned>(
    input: &mut dyn BufRead,
    out: &mut Out<'_>,
    mut import: impl FnMut(T, &mut Out<'_>) -> Result<(), RowError>,
) -> Result<(), ImportError> {
    let start = input
        .fill_buf()
        .map_err(|error| ImportError { line: 1, kind: ImportErrorKind::Read(error) })?;
    if start.trim_ascii_start().starts_with(b"[") {
        let rows: Vec<T> = whole(input)?;
        return list(rows, out, import);
    }
    let mut line = Vec::new();
    for number in 1.. {
        let fail = |kind| ImportError { line: number, kind };
        line.clear();
        let taken = input.take(LINE_BYTES_MAX + 1).read_until(b'\n', &mut line);
        if taken.map_err(|error| fail(ImportErrorKind::Read(error)))? == 0 {
            break;
        }
        if line.len() as u64 > LINE_BYTES_MAX {
            return Err(fail(ImportErrorKind::TooLong));
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        parse_slice(&line)
            .and_then(|row| import(row, out))
            .map_err(|error| fail(error.into_kind()))?;
        out.row += 1;
    }
    Ok(())
}

/// Imports every element of a list. What is wrong with one is told by its place, from 0.
pub(super) fn list<T>(
    rows: Vec<T>,
    out: &mut Out<'_>,
    mut import: impl FnMut(T, &mut Out<'_>) -> Result<(), RowError>,
) -> Result<(), ImportError> {
    for (at, row) in rows.into_iter().enumerate() {
        import(row, out).map_err(|error| {
            let kind = match error {
                RowError::Value { key, message } => {
                    ImportErrorKind::Key { key: format!("[{at}].{key}"), message }
                }
                RowError::Sink(error) => ImportErrorKind::Sink(error),
            };
            ImportError { line: 1, kind }
        })?;
        out.row += 1;
    }
    Ok(())
}

fn parse_slice<T: DeserializeOwned>(json: &[u8]) -> Result<T, RowError> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        // A syntax error is no fault of the key that happened to be open.
        let key = if error.is_data() && path != "." { path } else { String::new() };
        RowError::at(key, without_line(&error))
    })?;
    deserializer.end().map_err(|error| RowError::at("", without_line(&error)))?;
    Ok(value)
}

/// The parser's message. It counts lines within the row, where there is one: only the column
/// stays.
fn without_line(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let place = format!(" at line 1 column {}", error.column());
    match message.strip_suffix(&place) {
        Some(message) => format!("{message} (column {})", error.column()),
        None => message,
    }
}

/// A JSON text that a row carries in a string under `key`.
pub(super) fn nested<T: DeserializeOwned>(key: &str, json: &str) -> Result<T, RowError> {
    parse_slice(json.as_bytes()).map_err(|error| match error {
        RowError::Value { key: inner, message } if inner.is_empty() || inner.starts_with('[') => {
            RowError::at(format!("{key}{inner}"), message)
        }
        RowError::Value { key: inner, message } => RowError::at(format!("{key}.{inner}"), message),
        RowError::Sink(error) => RowError::Sink(error),
    })
}
