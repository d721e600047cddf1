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

/// Gives every variable another name, the same one wherever the old one stands. A name stays when
/// it is also an attribute, a keyword of a call, imported, defined by `def` or `class`, bound in
/// the body of a class, when it stands in `kept`, or when it begins and ends with underscores.
pub(super) fn rename(
    program: &str,
    (module, tokens): (&ModModule, &[Token]),
    kept: &str,
    seed: u64,
) -> Option<String> {
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
    let mut used: BTreeSet<&str> = BTreeSet::new();
    let mut before = TokenKind::Newline;
    for token in tokens {
        let (start, end) = span(token);
        used.insert(&program[start..end]);
        if token.kind() == TokenKind::Name && before == TokenKind::Dot {
            stay.insert(&program[start..end]);
        }
        before = token.kind();
    }
    let bound = variables.bound.into_iter();
    let bound = bound.filter(|name| !stay.contains(name) && !name.starts_with('_'));
    let mut rng = Rng::new(seed);
    let mut new_names: BTreeMap<&str, String> = BTreeMap::new();
    for (number, name) in bound.enumerate() {
        let stem = STEMS[usize::try_from(rng.below(STEMS.len() as u64)).expect("it is a place")];
        let mut new = format!("{stem}{number}");
        while used.contains(new.as_str()) {
            new.push('_');
        }
        new_names.insert(name, new);
    }
    let edits: Vec<(usize, usize, String)> = tokens
        .iter()
        .filter(|token| token.kind() == TokenKind::Name)
        .filter_map(|token| {
            let (start, end) = span(token);
            Some((start, end, new_names.get(&program[start..end])?.clone()))
        })
        .collect();
    (!edits.is_empty()).then(|| replaced(program, &edits))
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
