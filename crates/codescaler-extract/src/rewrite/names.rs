//! Other names for variables.

use std::collections::{BTreeMap, BTreeSet};

use codescaler::seed::Rng;
use ruff_python_ast::{
    AnyNodeRef, ExprContext, ModModule,
    token::{Token, TokenKind},
    visitor::source_order::{self, SourceOrderVisitor, TraversalSignal},
};

use super::{replaced, span};
use crate::python_tree::FixedNames;

/// Stems of new names, none of which says anything.
const STEMS: [&str; 6] = ["v", "tmp", "item", "value", "data", "q"];

/// Gives every variable another name, the same one wherever the old one stands.
pub(super) fn rename(
    program: &str,
    (module, tokens): (&ModModule, &[Token]),
    kept: &str,
    seed: u64,
) -> Option<String> {
    let used: BTreeSet<&str> = tokens.iter().map(|token| text(program, token)).collect();
    let mut rng = Rng::new(seed);
    let mut new_names: BTreeMap<&str, String> = BTreeMap::new();
    for (number, name) in variables(program, (module, tokens), kept)?.into_iter().enumerate() {
        let stem = STEMS[usize::try_from(rng.below(STEMS.len() as u64)).expect("it is a place")];
        let mut new = format!("{stem}{number}");
        while used.contains(new.as_str()) {
            new.push('_');
        }
        new_names.insert(name, new);
    }
    let edits = edits(program, tokens, &new_names);
    (!edits.is_empty()).then(|| replaced(program, &edits))
}

/// The edits that give variables the names `a`, `b` and so on, by where they stand first; none where
/// names may matter.
pub(crate) fn in_order(
    program: &str,
    (module, tokens): (&ModModule, &[Token]),
) -> Vec<(usize, usize, String)> {
    let Some(variables) = variables(program, (module, tokens), "") else { return Vec::new() };
    let names = || tokens.iter().map(|token| text(program, token));
    let stay: BTreeSet<&str> = names().filter(|name| !variables.contains(name)).collect();
    let mut fresh = (0..).map(letters).filter(|new| !stay.contains(&new[..]));
    let mut new_names: BTreeMap<&str, String> = BTreeMap::new();
    for name in names().filter(|name| variables.contains(name)) {
        new_names.entry(name).or_insert_with(|| fresh.next().expect("there is always another"));
    }
    edits(program, tokens, &new_names)
}

/// `a` to `z`, `a1` to `z1`, and so on.
fn letters(number: usize) -> String {
    let letter = char::from(b'a' + (number % 26) as u8);
    match number / 26 {
        0 => letter.to_string(),
        round => format!("{letter}{round}"),
    }
}

/// The variables that may have another name. A name stays when it is also an attribute, a keyword of
/// a call, imported, defined by `def` or `class`, bound in the body of a class, when it stands in
/// `kept`, or when it begins with an underscore. `None` where the program may ask for its names.
fn variables<'a>(
    program: &'a str,
    (module, tokens): (&'a ModModule, &'a [Token]),
    kept: &'a str,
) -> Option<BTreeSet<&'a str>> {
    let mut fixed = FixedNames::default();
    source_order::walk_body(&mut fixed, &module.body);
    if fixed.all {
        return None;
    }
    let mut variables = Variables::default();
    source_order::walk_body(&mut variables, &module.body);
    let mut stay: BTreeSet<&str> = fixed.names;
    stay.extend(variables.defined);
    stay.extend(words(kept));
    for pair in tokens.windows(2) {
        if pair[0].kind() == TokenKind::Dot && pair[1].kind() == TokenKind::Name {
            stay.insert(text(program, &pair[1]));
        }
    }
    let bound = variables.bound.into_iter();
    Some(bound.filter(|name| !stay.contains(name) && !name.starts_with('_')).collect())
}

fn edits(
    program: &str,
    tokens: &[Token],
    new_names: &BTreeMap<&str, String>,
) -> Vec<(usize, usize, String)> {
    let names = tokens.iter().filter(|token| token.kind() == TokenKind::Name);
    let edit = |token: &Token| {
        let (start, end) = span(token);
        Some((start, end, new_names.get(&program[start..end])?.clone()))
    };
    names.filter_map(edit).collect()
}

fn text<'a>(program: &'a str, token: &Token) -> &'a str {
    let (start, end) = span(token);
    &program[start..end]
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c != '_' && !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// Names bound as variables, and names bound otherwise.
#[derive(Default)]
struct Variables<'a> {
    bound: BTreeSet<&'a str>,
    /// By `def` and `class`, and in bodies of classes.
    defined: BTreeSet<&'a str>,
    /// For each open function or class, whether it is a class.
    scopes: Vec<bool>,
}

impl<'a> SourceOrderVisitor<'a> for Variables<'a> {
    fn enter_node(&mut self, node: AnyNodeRef<'a>) -> TraversalSignal {
        if let AnyNodeRef::ExprName(name) = node {
            if name.ctx == ExprContext::Store {
                let in_class = self.scopes.last() == Some(&true);
                let names = if in_class { &mut self.defined } else { &mut self.bound };
                names.insert(name.id.as_str());
            }
        } else if let AnyNodeRef::Parameter(parameter) = node {
            self.bound.insert(parameter.name.as_str());
        } else if let AnyNodeRef::StmtFunctionDef(def) = node {
            self.defined.insert(def.name.as_str());
            self.scopes.push(false);
        } else if let AnyNodeRef::StmtClassDef(def) = node {
            self.defined.insert(def.name.as_str());
            self.scopes.push(true);
        }
        TraversalSignal::Traverse
    }

    fn leave_node(&mut self, node: AnyNodeRef<'a>) {
        if matches!(node, AnyNodeRef::StmtFunctionDef(_) | AnyNodeRef::StmtClassDef(_)) {
            self.scopes.pop();
        }
    }
}
