//! From a byte range of the completion to the text of a program.

use std::ops::Range;

use crate::extraction::Note;

/// A piece of the completion made into program text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// The text: no blank first lines, no white space at the end, `\n` line ends, dedented.
    pub(crate) text: String,
    /// The bytes it came from.
    pub(crate) range: Range<usize>,
    /// What was changed.
    pub(crate) notes: Vec<Note>,
}

/// The container that a piece stands in.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Container {
    /// Columns of indentation that belong to it.
    pub(crate) column: usize,
    /// Quote marks before each line.
    pub(crate) n_quotes: usize,
}

/// Cuts a piece out of the completion; `None` when it is blank.
pub(crate) fn cut(completion: &str, piece: Range<usize>, container: Container) -> Option<Cut> {
    let range = trim(completion, piece, container);
    let raw = &completion[range.clone()];
    if raw.trim().is_empty() {
        return None;
    }
    let mut notes = Vec::new();
    let mut text = raw.to_owned();
    if memchr::memchr(b'\r', raw.as_bytes()).is_some() {
        text = text.replace("\r\n", "\n").replace('\r', "\n");
        notes.push(Note::LineEndsNormalised);
    }
    if let Some(dedented) = dedent(&text, container) {
        text = dedented;
        notes.push(Note::Dedented);
    }
    text.truncate(text.trim_end().len());
    (!text.is_empty()).then_some(Cut { text, range, notes })
}

/// Drops blank lines at the start and white space at the end.
fn trim(completion: &str, piece: Range<usize>, container: Container) -> Range<usize> {
    let text = completion[piece.clone()].trim_end();
    let end = piece.start + text.len();
    let is_blank = |line: &str| match container.n_quotes {
        0 => line.trim().is_empty(),
        _ => line.trim_start_matches(|c: char| c == '>' || c.is_whitespace()).is_empty(),
    };
    let blank = text.split_inclusive('\n').take_while(|line| is_blank(line));
    piece.start + blank.map(str::len).sum::<usize>()..end
}

/// Removes the container's marks and what indentation all lines share; `None` when there is
/// nothing to remove.
///
/// A line inside a string literal may be indented less than the rest; the container's columns are
/// removed from each line as far as they are there (CommonMark), the shared rest from all.
fn dedent(text: &str, container: Container) -> Option<String> {
    let first_is_flush = !text.starts_with([' ', '\t', '>']);
    if first_is_flush && container.n_quotes == 0 && container.column == 0 {
        return None;
    }
    let lines: Vec<&str> = text.split('\n').map(|line| strip_container(line, container)).collect();
    let indents = lines.iter().filter(|line| !line.trim().is_empty()).map(|line| indent(line));
    let shared = indents.reduce(shared_prefix).unwrap_or("").len();
    let stripped: Vec<&str> = lines
        .iter()
        .map(|line| line.get(shared..).filter(|_| indent(line).len() >= shared).unwrap_or(""))
        .collect();
    let dedented = stripped.join("\n");
    (dedented != text).then_some(dedented)
}

/// The white space at the start of a line.
fn indent(line: &str) -> &str {
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

fn shared_prefix<'a>(a: &'a str, b: &'a str) -> &'a str {
    let n_shared = a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count();
    &a[..n_shared]
}

/// Removes quote marks, or else columns of indentation, as far as they are there.
fn strip_container(line: &str, container: Container) -> &str {
    let mut rest = line;
    for _ in 0..container.n_quotes {
        let Some(quoted) = rest.trim_start_matches(' ').strip_prefix('>') else { return rest };
        rest = quoted.strip_prefix(' ').unwrap_or(quoted);
    }
    if container.n_quotes > 0 {
        return rest;
    }
    let mut n_columns = 0;
    while n_columns < container.column {
        match rest.as_bytes().first() {
            Some(b' ') => n_columns += 1,
            Some(b'\t') => n_columns += 4,
            Some(_) | None => break,
        }
        rest = &rest[1..];
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, column: usize, n_quotes: usize, expected: &str) {
        let found = cut(text, 0..text.len(), Container { column, n_quotes });
        assert_eq!(found.map_or(String::new(), |cut| cut.text), expected, "from {text:?}");
    }

    #[test]
    fn pieces_become_programs() {
        check("a\n", 0, 0, "a");
        check("\n  \n  a\n    b\n\n", 0, 0, "a\n  b");
        check("   a\n     b\n", 3, 0, "a\n  b");
        check("   a\nb\n", 3, 0, "a\nb");
        check("\ta\n\t\tb\n", 3, 0, "a\n\tb");
        check("> a\n>   b\n", 2, 1, "a\n  b");
        check("a\r\nb\rc\r\n", 0, 0, "a\nb\nc");
        check(" \n\t\r\n", 0, 0, "");
        check("  a\n\n  b", 0, 0, "a\n\nb");
        check("> \n> ", 2, 1, "");
    }
}
