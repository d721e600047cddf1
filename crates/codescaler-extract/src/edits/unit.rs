//! Logical lines of Python, and which of them need each other.

use std::ops::Range;

use ruff_python_ast::token::TokenKind;
use ruff_text_size::Ranged as _;

use crate::{python, syntax::SyntaxError};

/// A logical line with the comments, blank lines and decorators above it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unit {
    /// Its lines in the program, counted from 0.
    pub(super) lines: Range<usize>,
    /// How often it is indented.
    pub(super) depth: usize,
    role: Role,
    /// Whether others are indented below it.
    opens: bool,
}

/// What a unit needs of its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Nothing.
    Plain,
    /// One of its clauses that handles, or ends, what it tries.
    Try,
    /// The unit that it is a clause of; `handles` where a `try` is content with it.
    Clause { of: usize, handles: bool },
}

/// The units of a program; together they are all of its lines.
///
/// # Errors
/// When it does not parse.
pub(super) fn units(program: &str) -> Result<Vec<Unit>, SyntaxError> {
    let mut raw = python::with_tokens(program, |_, tokens| {
        let line = |byte: usize| program[..byte].matches('\n').count();
        let mut found: Vec<(Range<usize>, usize, TokenKind)> = Vec::new();
        let (mut depth, mut behind) = (0_usize, 0);
        // The first token of the logical line that is read.
        let mut open: Option<TokenKind> = None;
        for token in tokens {
            let kind = token.kind();
            if kind == TokenKind::Indent {
                depth += 1;
            } else if kind == TokenKind::Dedent {
                depth = depth.saturating_sub(1);
            } else if matches!(kind, TokenKind::Comment | TokenKind::NonLogicalNewline) {
                // Above a logical line, or inside of one.
            } else if matches!(kind, TokenKind::Newline | TokenKind::EndOfFile) {
                let first = open.take();
                // A decorator waits for what it decorates.
                if let Some(first) = first.filter(|first| *first != TokenKind::At) {
                    let end = line(token.range().start().to_usize()) + 1;
                    found.push((behind..end, depth, first));
                    behind = end;
                }
            } else {
                open.get_or_insert(kind);
            }
        }
        found
    })?;
    if let Some((lines, ..)) = raw.last_mut() {
        lines.end = lines.end.max(program.lines().count());
    }
    let mut units: Vec<Unit> = Vec::new();
    for (index, (lines, depth, first)) in raw.iter().enumerate() {
        let opens = raw.get(index + 1).is_some_and(|(_, next, _)| next > depth);
        let role = role(&units, *depth, *first);
        units.push(Unit { lines: lines.clone(), depth: *depth, role, opens });
    }
    Ok(units)
}

fn role(before: &[Unit], depth: usize, first: TokenKind) -> Role {
    let handles = matches!(first, TokenKind::Except | TokenKind::Finally);
    if first == TokenKind::Try {
        Role::Try
    } else if handles || matches!(first, TokenKind::Elif | TokenKind::Else) {
        let sibling = before.iter().rposition(|unit| unit.depth <= depth);
        let of = sibling.map(|at| match before[at].role {
            Role::Clause { of, handles: _ } => of,
            Role::Plain | Role::Try => at,
        });
        of.map_or(Role::Plain, |of| Role::Clause { of, handles })
    } else {
        Role::Plain
    }
}

/// Units that are there without what they need.
pub(super) fn torn(units: &[Unit], kept: &[bool]) -> Vec<usize> {
    let next = |index: usize| (index + 1..units.len()).find(|&next| kept[next]);
    let is_handled = |index: usize| {
        let handles = |at: usize| match units[at].role {
            Role::Clause { of, handles } => of == index && handles && kept[at],
            Role::Plain | Role::Try => false,
        };
        (index + 1..units.len()).any(handles)
    };
    let is_torn = |index: &usize| {
        let unit = &units[*index];
        let is_empty =
            unit.opens && next(*index).is_none_or(|next| units[next].depth <= unit.depth);
        let lacks = match unit.role {
            Role::Plain => false,
            Role::Try => !is_handled(*index),
            Role::Clause { of, handles: _ } => !kept[of],
        };
        kept[*index] && (is_empty || lacks)
    };
    (0..units.len()).filter(is_torn).collect()
}
