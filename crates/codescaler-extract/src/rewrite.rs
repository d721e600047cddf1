//! Rewrites that keep what a program does: a reward model that judges programs gives them the same
//! score.

mod format;
mod insert;
pub(crate) mod names;
#[cfg(test)]
mod tests;

use std::{fmt, str::FromStr};

use codescaler::{language::Language, seed::derive};
use ruff_python_ast::token::{Token, TokenKind};
use ruff_text_size::Ranged as _;

use crate::{python, python_tree};

/// A way to rewrite a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rewrite {
    /// Variables get other names.
    Rename,
    /// Comments and docstrings go.
    StripComments,
    /// A comment says that the program is right, or wrong: praise, blame, or orders to the judge.
    LyingComment,
    /// Other indentation, no spaces around operators.
    Reformat,
    /// A statement that does nothing.
    DeadCode,
}

impl Rewrite {
    /// Every rewrite.
    pub const ALL: [Rewrite; 5] = [
        Rewrite::Rename,
        Rewrite::StripComments,
        Rewrite::LyingComment,
        Rewrite::Reformat,
        Rewrite::DeadCode,
    ];

    /// The name, as written in options and records.
    pub fn name(self) -> &'static str {
        match self {
            Rewrite::Rename => "rename",
            Rewrite::StripComments => "strip-comments",
            Rewrite::LyingComment => "lying-comment",
            Rewrite::Reformat => "reformat",
            Rewrite::DeadCode => "dead-code",
        }
    }

    /// What a rewritten program must have in common with the program, beside that it parses.
    fn keeps(self) -> Kept {
        match self {
            Rewrite::StripComments | Rewrite::LyingComment | Rewrite::Reformat => Kept::Tree,
            Rewrite::Rename => Kept::Shape,
            Rewrite::DeadCode => Kept::Nothing,
        }
    }
}

/// What is compared before and after.
enum Kept {
    /// The normalised syntax tree: the proof that both do the same.
    Tree,
    /// The syntax tree without names.
    Shape,
    /// Nothing: the tree has more in it.
    Nothing,
}

impl fmt::Display for Rewrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Rewrite {
    type Err = UnknownRewrite;

    fn from_str(name: &str) -> Result<Rewrite, UnknownRewrite> {
        let known = Rewrite::ALL.into_iter().find(|rewrite| rewrite.name() == name);
        known.ok_or_else(|| UnknownRewrite(name.to_owned()))
    }
}

/// A name that is no rewrite's.
#[derive(Debug, thiserror::Error)]
#[error(
    "unknown rewrite {0:?}; there are rename, strip-comments, lying-comment, reformat, dead-code"
)]
pub struct UnknownRewrite(String);

/// Rewrites a program so that it still does the same; what is drawn depends on `seed` alone.
///
/// Names that stand in `kept` (the code the answer was to start from, say) are not renamed.
/// `None` where there is nothing to rewrite, where it cannot be done safely (`eval`, `f"{x=}"`,
/// `from __future__`), for languages other than Python, and for programs that do not parse. The
/// result parses; comments and format leave the normalised syntax tree as it was, names its shape.
pub fn rewrite(
    program: &str,
    language: Language,
    how: Rewrite,
    (kept, seed): (&str, u64),
) -> Option<String> {
    if language != Language::Python {
        return None;
    }
    let seed = derive(seed, &["rewrite", how.name()]);
    let made = python::with_tokens(program, |module, tokens| match how {
        Rewrite::Rename => names::rename(program, (module, tokens), kept, seed),
        Rewrite::StripComments => format::strip_comments(program, (module, tokens)),
        Rewrite::LyingComment => insert::lying_comment(program, module, seed),
        Rewrite::Reformat => format::reformat(program, tokens, seed),
        Rewrite::DeadCode => insert::dead_code(program, (module, tokens), seed),
    });
    let made = made.ok()??;
    let is_same = match how.keeps() {
        Kept::Tree => {
            let digest = |text| python::with_module(text, python_tree::digest).ok();
            digest(&made)? == digest(program)?
        }
        Kept::Shape => {
            let shape = |text| python::with_module(text, python_tree::shape).ok();
            shape(&made)? == shape(program)?
        }
        Kept::Nothing => python::with_module(&made, |_| ()).is_ok(),
    };
    (is_same && made != program).then_some(made)
}

/// The bytes of a token.
fn span(token: &Token) -> (usize, usize) {
    (token.range().start().to_usize(), token.range().end().to_usize())
}

/// The text with parts of it replaced; the parts stand in order and do not overlap.
pub(crate) fn replaced(program: &str, edits: &[(usize, usize, String)]) -> String {
    let mut made = String::with_capacity(program.len() + 64);
    let mut at = 0;
    for (start, end, text) in edits {
        made.push_str(&program[at..*start]);
        made.push_str(text);
        at = *end;
    }
    made + &program[at..]
}

/// Whether a token begins or ends a string with parts to be computed.
fn nesting(kind: TokenKind) -> i32 {
    match (
        matches!(kind, TokenKind::FStringStart | TokenKind::TStringStart),
        matches!(kind, TokenKind::FStringEnd | TokenKind::TStringEnd),
    ) {
        (true, _) => 1,
        (_, true) => -1,
        (false, false) => 0,
    }
}
