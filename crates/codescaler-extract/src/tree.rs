//! Syntax trees as features and as identities.

use std::fmt::{self, Write};

use codescaler::language::Language;
use tree_sitter::{Node, Tree};

use crate::{
    grammar::{self, Grammar},
    python, python_tree,
};

/// Hashes of (grandparent kind, parent kind, kind, place among siblings) of every syntax node, in
/// the order of the text: features for a linear reward model.
///
/// Kinds carry their operator (`a + b` is not `a - b`); names and literals do not count; places
/// beyond the fourth are one. The hashes depend on the grammars and on nothing else: they are the
/// same on every machine, and a change of a grammar that changes them fails a test. `None` for a
/// program that does not parse and for a language without a parser.
pub fn tree_shape(program: &str, language: Language) -> Option<Vec<u64>> {
    if language == Language::Python {
        return python::with_module(program, python_tree::shape).ok();
    }
    let grammar = Grammar::of(language)?;
    grammar::with_tree(program, grammar, |tree| {
        let mut shape = Shape::default();
        grammar::walk(tree, |node, depth| {
            if node.is_named() && !node.is_extra() {
                shape.enter(depth, node_kind(node));
            }
        });
        shape.hashes
    })
    .ok()
}

/// Digest of the normalised syntax tree, for dropping duplicates.
///
/// Comments and formatting do not matter. In Python neither do docstrings, `pass`, how a string is
/// quoted, and names local to a function, unless the program calls one by keyword or asks for
/// names (`eval`, `exec`, `locals`, `globals`, `vars`): programs of one digest behave alike. In the
/// other languages names matter. `None` as for [`tree_shape`].
pub fn tree_digest(program: &str, language: Language) -> Option<u64> {
    if language == Language::Python {
        return python::with_module(program, python_tree::digest).ok();
    }
    let grammar = Grammar::of(language)?;
    grammar::with_tree(program, grammar, |tree| digest_tree(tree, program)).ok()
}

fn node_kind(node: Node<'_>) -> u64 {
    let mut hash = Fnv::default();
    hash.text(node.kind());
    if let Some(operator) = node.child_by_field_name("operator") {
        hash.text(operator.kind());
    }
    hash.0
}

fn digest_tree(tree: &Tree, program: &str) -> u64 {
    let mut hash = Fnv::default();
    let mut comment_depth = None;
    grammar::walk(tree, |node, depth| {
        if comment_depth.is_some_and(|outer| depth > outer) {
            return;
        }
        comment_depth = node.kind().ends_with("comment").then_some(depth);
        if comment_depth.is_some() {
            return;
        }
        hash.number(depth as u64);
        hash.text(node.kind());
        if node.child_count() == 0 {
            hash.text(program.get(node.byte_range()).unwrap_or(""));
        }
    });
    hash.0
}

/// FNV-1a, 64 bits: the same on every machine and in every version.
pub(crate) struct Fnv(pub(crate) u64);

impl Default for Fnv {
    fn default() -> Fnv {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// Text and its end, so that "ab", "c" is not "a", "bc".
    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
        self.bytes(&[0xff]);
    }

    pub(crate) fn number(&mut self, number: u64) {
        self.bytes(&number.to_le_bytes());
    }

    /// A value by its `Debug` text, without allocating it.
    pub(crate) fn debug(&mut self, value: &impl fmt::Debug) {
        write!(self, "{value:?}").expect("hashing never fails");
        self.bytes(&[0xff]);
    }
}

impl Write for Fnv {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.bytes(text.as_bytes());
        Ok(())
    }
}

/// Builds [`tree_shape`] from nodes in the order of the text.
#[derive(Default)]
pub(crate) struct Shape {
    pub(crate) hashes: Vec<u64>,
    /// Ancestors of the next node: depth, kind, number of children so far.
    ancestors: Vec<(usize, u64, u64)>,
}

impl Shape {
    /// Takes the next node; depths may skip levels that are not counted as nodes.
    pub(crate) fn enter(&mut self, depth: usize, kind: u64) {
        while self.ancestors.last().is_some_and(|&(outer, _, _)| outer >= depth) {
            self.ancestors.pop();
        }
        let place = self.ancestors.last_mut().map_or(0, |(_, _, n_children)| {
            *n_children += 1;
            (*n_children - 1).min(3)
        });
        let mut above = self.ancestors.iter().rev().map(|&(_, kind, _)| kind);
        let (parent, grandparent) = (above.next().unwrap_or(0), above.next().unwrap_or(0));
        let mut hash = Fnv::default();
        for part in [grandparent, parent, kind, place] {
            hash.number(part);
        }
        self.hashes.push(hash.0);
        self.ancestors.push((depth, kind, 0));
    }
}
