//! Comments away, other indentation, other spacing.

use codescaler::seed::Rng;
use ruff_python_ast::{
    Expr, ModModule, Stmt,
    token::{Token, TokenKind},
    visitor::source_order::{self, SourceOrderVisitor},
};
use ruff_text_size::Ranged as _;

use super::{nesting, replaced, span};

/// Removes comments, with their lines where nothing else stands there, and docstrings that are not
/// all of their body.
pub(super) fn strip_comments(
    program: &str,
    (module, tokens): (&ModModule, &[Token]),
) -> Option<String> {
    let mut docstrings = Docstrings::default();
    docstrings.visit_body(&module.body);
    let comments = tokens.iter().filter(|token| token.kind() == TokenKind::Comment).map(span);
    let mut spans: Vec<(usize, usize)> = comments.chain(docstrings.spans).collect();
    spans.sort_unstable();
    let edits: Vec<(usize, usize, String)> = spans
        .into_iter()
        .filter_map(|(start, end)| {
            let line_start = program[..start].rfind('\n').map_or(0, |newline| newline + 1);
            let before = &program[line_start..start];
            let line_end = program[end..].find('\n').map_or(program.len(), |at| end + at + 1);
            let is_alone = before.trim().is_empty() && program[end..line_end].trim().is_empty();
            if is_alone {
                return Some((line_start, line_end, String::new()));
            }
            let is_comment = program[start..].starts_with('#');
            is_comment.then(|| (line_start + before.trim_end().len(), end, String::new()))
        })
        .collect();
    (!edits.is_empty()).then(|| replaced(program, &edits))
}

#[derive(Default)]
struct Docstrings {
    spans: Vec<(usize, usize)>,
}

impl<'a> SourceOrderVisitor<'a> for Docstrings {
    fn visit_body(&mut self, body: &'a [Stmt]) {
        if let [Stmt::Expr(first), _, ..] = body
            && matches!(&*first.value, Expr::StringLiteral(_))
        {
            self.spans.push((first.start().to_usize(), first.end().to_usize()));
        }
        source_order::walk_body(self, body);
    }
}

/// Gives every block another indentation and takes away the spaces around operators.
pub(super) fn reformat(program: &str, tokens: &[Token], seed: u64) -> Option<String> {
    const UNITS: [&str; 4] = ["  ", "   ", "        ", "\t"];
    let unit = UNITS[usize::try_from(Rng::new(seed).below(4)).expect("it is below 4")];
    let mut edits: Vec<(usize, usize, String)> = Vec::new();
    let (mut depth, mut strings) = (0_usize, 0_i32);
    let mut starts_line = true;
    // Comments of their own lines come before the indentation that they belong to.
    let mut comments: Vec<usize> = Vec::new();
    let mut before: Option<(TokenKind, usize)> = None;
    for token in tokens {
        let (start, end) = span(token);
        let kind = token.kind();
        if kind == TokenKind::Indent {
            depth += 1;
            continue;
        }
        if kind == TokenKind::Dedent {
            depth = depth.saturating_sub(1);
            continue;
        }
        if starts_line && start < end && kind != TokenKind::NonLogicalNewline {
            let line_start = program[..start].rfind('\n').map_or(0, |newline| newline + 1);
            starts_line = false;
            comments.push(edits.len());
            edits.push((line_start, start, String::new()));
            if kind != TokenKind::Comment {
                comments.drain(..).for_each(|edit| edits[edit].2 = unit.repeat(depth));
            }
        } else if let Some((kind_before, end_before)) = before
            && strings == 0
            && is_tightened(kind_before, kind, &program[end_before..start])
        {
            edits.push((end_before, start, String::new()));
        }
        strings += nesting(kind);
        starts_line |= kind == TokenKind::Newline
            || kind == TokenKind::NonLogicalNewline && is_comment_line(before);
        before = Some((kind, end));
    }
    Some(replaced(program, &edits))
}

/// Whether a line ends that held nothing but a comment, or nothing.
fn is_comment_line(before: Option<(TokenKind, usize)>) -> bool {
    before.is_none_or(|(kind, _)| {
        matches!(kind, TokenKind::Comment | TokenKind::Newline | TokenKind::NonLogicalNewline)
    })
}

/// Whether the space between two tokens of a line goes: beside operators.
fn is_tightened(before: TokenKind, after: TokenKind, gap: &str) -> bool {
    let is_blank = !gap.is_empty() && gap.bytes().all(|byte| byte == b' ');
    is_blank && (is_tight(before) || is_tight(after)) && after != TokenKind::Comment
}

fn is_tight(kind: TokenKind) -> bool {
    matches!(
        kind,
        TokenKind::Comma
            | TokenKind::Equal
            | TokenKind::EqEqual
            | TokenKind::NotEqual
            | TokenKind::Less
            | TokenKind::LessEqual
            | TokenKind::Greater
            | TokenKind::GreaterEqual
            | TokenKind::Plus
            | TokenKind::Minus
            | TokenKind::Star
            | TokenKind::Slash
            | TokenKind::DoubleSlash
            | TokenKind::Percent
            | TokenKind::PlusEqual
            | TokenKind::MinusEqual
            | TokenKind::Rarrow
            | TokenKind::Colon
    )
}
