//! Bugs of one token, for programs that are right: near misses whose verdict is not known before
//! they are run.

use codescaler::{
    language::Language,
    seed::{Rng, derive},
};
use ruff_python_ast::token::{Token, TokenKind};
use ruff_text_size::Ranged as _;
use serde::Serialize;

use crate::{python, python_tree};

/// A right program with one token changed. Whether it is still right only running it tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bug {
    /// The changed program.
    pub program: String,
    /// What was changed.
    pub kind: BugKind,
    /// The line of the change, counted from 1.
    pub line: u32,
    /// The token before.
    pub before: String,
    /// The token after.
    pub after: String,
}

/// What a single-token change does: the classical mutation operators (DeMillo, Lipton and Sayward,
/// *Hints on test data selection*, 1978; Mothra's AOR, ROR, LCR and CRP).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BugKind {
    /// Another arithmetic or bitwise operator.
    Operator,
    /// A comparison with its limit moved: `<` for `<=`.
    Boundary,
    /// A comparison turned round: `<` for `>`, `==` for `!=`.
    Comparison,
    /// `and` for `or`, `True` for `False`, `break` for `continue`, and back.
    Logic,
    /// A whole number that is one too large or one too small.
    OffByOne,
    /// A whole number that is far off.
    Constant,
    /// `min` for `max`, and back.
    Call,
}

/// At most `n_max` different programs that differ from this one in a single token, in an order that
/// `seed` decides; each parses and has another syntax tree. Empty for languages other than Python
/// and for programs that do not parse.
pub fn bugs(program: &str, language: Language, n_max: usize, seed: u64) -> Vec<Bug> {
    if language != Language::Python {
        return Vec::new();
    }
    let edits = python::with_tokens(program, |module, tokens| {
        (python_tree::digest(module), edits(program, tokens))
    });
    let Ok((digest, mut edits)) = edits else { return Vec::new() };
    let mut rng = Rng::new(derive(seed, &["bugs"]));
    let mut bugs = Vec::new();
    while bugs.len() < n_max && !edits.is_empty() {
        let drawn = usize::try_from(rng.below(edits.len() as u64)).expect("it is a place");
        let Edit { start, end, kind, after } = edits.swap_remove(drawn);
        let text = [&program[..start], &after, &program[end..]].concat();
        if python::with_module(&text, python_tree::digest).is_ok_and(|other| other != digest) {
            let line = program[..start].bytes().filter(|&byte| byte == b'\n').count() + 1;
            bugs.push(Bug {
                program: text,
                kind,
                line: u32::try_from(line).unwrap_or(u32::MAX),
                before: program[start..end].to_owned(),
                after,
            });
        }
    }
    bugs
}

struct Edit {
    start: usize,
    end: usize,
    kind: BugKind,
    after: String,
}

/// Every change of one token, in the order of the text.
fn edits(program: &str, tokens: &[Token]) -> Vec<Edit> {
    let mut edits = Vec::new();
    let mut before = TokenKind::Newline;
    for token in tokens {
        let range = token.range();
        let (start, end) = (range.start().to_usize(), range.end().to_usize());
        let others = if token.kind() == TokenKind::Int {
            numbers(&program[start..end])
        } else if token.kind() == TokenKind::Name && before != TokenKind::Dot {
            names(&program[start..end])
        } else if is_operand_end(before) || !is_sign(token.kind()) {
            operators(token.kind())
        } else {
            Vec::new()
        };
        let edit = |(kind, after)| Edit { start, end, kind, after };
        edits.extend(others.into_iter().map(edit));
        before = token.kind();
    }
    edits
}

/// Whether an operator may follow, so that `-` and `*` stand between two operands.
fn is_operand_end(kind: TokenKind) -> bool {
    matches!(
        kind,
        TokenKind::Name
            | TokenKind::Int
            | TokenKind::Float
            | TokenKind::String
            | TokenKind::FStringEnd
            | TokenKind::Rpar
            | TokenKind::Rsqb
            | TokenKind::Rbrace
    )
}

fn is_sign(kind: TokenKind) -> bool {
    matches!(kind, TokenKind::Plus | TokenKind::Minus | TokenKind::Star | TokenKind::DoubleStar)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "100 kinds of token; few are operators")]
fn operators(kind: TokenKind) -> Vec<(BugKind, String)> {
    use BugKind::{Boundary, Comparison, Logic, Operator};
    let others: &[(BugKind, &str)] = match kind {
        TokenKind::Less => &[(Boundary, "<="), (Comparison, ">")],
        TokenKind::LessEqual => &[(Boundary, "<"), (Comparison, ">=")],
        TokenKind::Greater => &[(Boundary, ">="), (Comparison, "<")],
        TokenKind::GreaterEqual => &[(Boundary, ">"), (Comparison, "<=")],
        TokenKind::EqEqual => &[(Comparison, "!=")],
        TokenKind::NotEqual => &[(Comparison, "==")],
        TokenKind::Plus => &[(Operator, "-")],
        TokenKind::Minus => &[(Operator, "+")],
        TokenKind::Star => &[(Operator, "+")],
        TokenKind::DoubleStar => &[(Operator, "*")],
        TokenKind::DoubleSlash => &[(Operator, "%")],
        TokenKind::Percent => &[(Operator, "//")],
        TokenKind::Amper => &[(Operator, "|")],
        TokenKind::Vbar => &[(Operator, "&")],
        TokenKind::CircumFlex => &[(Operator, "|")],
        TokenKind::LeftShift => &[(Operator, ">>")],
        TokenKind::RightShift => &[(Operator, "<<")],
        TokenKind::PlusEqual => &[(Operator, "-="), (Operator, "=")],
        TokenKind::MinusEqual => &[(Operator, "+="), (Operator, "=")],
        TokenKind::And => &[(Logic, "or")],
        TokenKind::Or => &[(Logic, "and")],
        TokenKind::True => &[(Logic, "False")],
        TokenKind::False => &[(Logic, "True")],
        TokenKind::Break => &[(Logic, "continue")],
        TokenKind::Continue => &[(Logic, "break")],
        _ => &[],
    };
    others.iter().map(|&(kind, text)| (kind, text.to_owned())).collect()
}

fn names(name: &str) -> Vec<(BugKind, String)> {
    match name {
        "min" => vec![(BugKind::Call, "max".to_owned())],
        "max" => vec![(BugKind::Call, "min".to_owned())],
        _ => Vec::new(),
    }
}

/// Numbers close to a decimal one, and one far from it.
fn numbers(text: &str) -> Vec<(BugKind, String)> {
    let Ok(number) = text.parse::<u64>() else { return Vec::new() };
    let mut others = vec![(BugKind::OffByOne, number.checked_add(1))];
    if number > 0 {
        others.push((BugKind::OffByOne, number.checked_sub(1)));
    }
    others.push((BugKind::Constant, number.checked_mul(2).and_then(|twice| twice.checked_add(7))));
    others.into_iter().filter_map(|(kind, other)| Some((kind, other?.to_string()))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every edit of a program, each as `before -> after`, sorted.
    #[track_caller]
    fn check(program: &str, expected: &[&str]) {
        let found = bugs(program, Language::Python, usize::MAX, 1);
        let mut shown: Vec<String> =
            found.iter().map(|bug| format!("{} -> {}", bug.before, bug.after)).collect();
        shown.sort();
        assert_eq!(shown, expected);
        for bug in &found {
            let (n, n_after) = (program.lines().count(), bug.program.lines().count());
            assert_eq!(n, n_after);
            let differs = program.lines().zip(bug.program.lines()).position(|(a, b)| a != b);
            assert_eq!(differs, Some(bug.line as usize - 1), "{bug:?}");
        }
        let programs: BTreeSet<&str> = found.iter().map(|bug| bug.program.as_str()).collect();
        assert_eq!(programs.len(), found.len(), "all are different");
    }

    #[test]
    fn every_token_is_changed_in_turn() {
        check("x = a < b\n", &["< -> <=", "< -> >"]);
        check("x = a - -b\n", &["- -> +"]);
        check("f(*a, **b)\n", &[]);
        check("x = a.max + max(b)\n", &["+ -> -", "max -> min"]);
        check(
            "if a and not b:\n    x += 1\n",
            &["+= -> -=", "+= -> =", "1 -> 0", "1 -> 2", "1 -> 9", "and -> or"],
        );
        check("x = 0xff\n", &[]);
        check("# a < b\ns = 'a < b'\n", &[]);
        check("a <\n", &[]);
    }

    #[test]
    fn a_seed_gives_the_same_bugs_and_few_are_a_part_of_many() {
        let program = "def f(a, b):\n    return [x + 1 for x in a if x < b]\n";
        let some = |n_max, seed| bugs(program, Language::Python, n_max, seed);
        assert_eq!(some(3, 7), some(3, 7));
        assert_eq!(some(3, 7), some(9, 7)[..3]);
        assert_ne!(some(3, 7), some(3, 8));
        assert_eq!(bugs(program, Language::Java, 3, 7), []);
    }
}
