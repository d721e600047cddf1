//! Validity of programs, one answer for every language.

use codescaler::language::Language;

use crate::{grammar, python};

/// The longest program that is parsed, in bytes; online judges take 64 to 512 KiB.
pub const PROGRAM_BYTES_MAX: usize = 1 << 20;

/// Where and why a program is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct SyntaxError {
    /// 1-based.
    pub line: u32,
    /// 1-based, in characters.
    pub column: u32,
    /// The parser's words.
    pub message: String,
}

impl SyntaxError {
    /// An error at a byte of the program.
    pub(crate) fn at(program: &str, byte: usize, message: String) -> SyntaxError {
        let before = &program[..program.floor_char_boundary(byte)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let count = |n: usize| u32::try_from(n + 1).unwrap_or(u32::MAX);
        SyntaxError {
            line: count(memchr::memchr_iter(b'\n', before.as_bytes()).count()),
            column: count(before[line_start..].chars().count()),
            message,
        }
    }
}

/// Whether this build can tell valid programs of the language from invalid ones.
pub fn has_parser(language: Language) -> bool {
    language == Language::Python || grammar::Grammar::of(language).is_some()
}

/// Checks the syntax of a program, and nothing else: names, types and imports may be wrong.
///
/// Python is checked as CPython 3.11's `ast.parse` does (how closely is measured, see
/// `bench/extract`). The others are checked with tree-sitter grammars, which accept a little more
/// than compilers do; C and C++ programs with function-like macros get the benefit of the doubt,
/// because no grammar reads them without the preprocessor. A language without a parser
/// ([`has_parser`]) has no errors to find: the answer is `Ok`, and an extraction says so with
/// [`Note::SyntaxUnchecked`](crate::Note::SyntaxUnchecked).
///
/// # Errors
///
/// The first syntax error, a NUL byte, or a program longer than [`PROGRAM_BYTES_MAX`].
pub fn check_syntax(program: &str, language: Language) -> Result<(), SyntaxError> {
    check_size(program)?;
    if language == Language::Python {
        return python::with_module(program, |_| ());
    }
    match grammar::Grammar::of(language) {
        Some(grammar) => grammar::with_tree(program, grammar, |_| ()),
        None => Ok(()),
    }
}

/// Bounds the work of every parser.
pub(crate) fn check_size(program: &str) -> Result<(), SyntaxError> {
    if program.len() > PROGRAM_BYTES_MAX {
        let message = format!("program longer than {PROGRAM_BYTES_MAX} bytes");
        return Err(SyntaxError { line: 1, column: 1, message });
    }
    match memchr::memchr(0, program.as_bytes()) {
        Some(byte) => Err(SyntaxError::at(program, byte, "NUL byte".to_owned())),
        None => Ok(()),
    }
}
