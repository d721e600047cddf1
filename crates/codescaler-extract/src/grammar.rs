//! The other languages: tree-sitter grammars.

use std::ops::ControlFlow;

use codescaler::language::Language;
use tree_sitter::{Node, ParseOptions, Parser, Tree};

use crate::syntax::{SyntaxError, check_size};

/// Steps of the parser, in hundreds, per byte of program; ordinary programs take about 0.02.
/// Error recovery on text that is no program can take steps without end.
const STEPS_PER_BYTE_MAX: usize = 4;

/// A language whose syntax a tree-sitter grammar knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grammar {
    C,
    Cpp,
    Go,
    Java,
    JavaScript,
    Rust,
    TypeScript,
}

impl Grammar {
    /// The grammar of a language, where there is one.
    pub(crate) fn of(language: Language) -> Option<Grammar> {
        match language {
            Language::C => Some(Grammar::C),
            Language::Cpp => Some(Grammar::Cpp),
            Language::Go => Some(Grammar::Go),
            Language::Java => Some(Grammar::Java),
            Language::JavaScript => Some(Grammar::JavaScript),
            Language::Rust => Some(Grammar::Rust),
            Language::TypeScript => Some(Grammar::TypeScript),
            Language::Python
            | Language::CSharp
            | Language::Kotlin
            | Language::Php
            | Language::Ruby
            | Language::Scala
            | Language::Swift => None,
        }
    }

    fn tables(self) -> tree_sitter::Language {
        match self {
            Grammar::C => tree_sitter_c::LANGUAGE,
            Grammar::Cpp => tree_sitter_cpp::LANGUAGE,
            Grammar::Go => tree_sitter_go::LANGUAGE,
            Grammar::Java => tree_sitter_java::LANGUAGE,
            Grammar::JavaScript => tree_sitter_javascript::LANGUAGE,
            Grammar::Rust => tree_sitter_rust::LANGUAGE,
            Grammar::TypeScript => tree_sitter_typescript::LANGUAGE_TYPESCRIPT,
        }
        .into()
    }

    /// Whether macros can make a valid program unreadable without the preprocessor.
    fn has_preprocessor(self) -> bool {
        match self {
            Grammar::C | Grammar::Cpp => true,
            Grammar::Go
            | Grammar::Java
            | Grammar::JavaScript
            | Grammar::Rust
            | Grammar::TypeScript => false,
        }
    }
}

/// Parses a program and hands its tree to `visit`.
///
/// # Errors
///
/// The first place where the tree has an error. C and C++ programs that define macros are
/// accepted if their brackets balance; their trees may hold error nodes.
pub(crate) fn with_tree<T>(
    program: &str,
    grammar: Grammar,
    visit: impl FnOnce(&Tree) -> T,
) -> Result<T, SyntaxError> {
    check_size(program)?;
    let tree = parse(program, grammar)?;
    if !tree.root_node().has_error() {
        return Ok(visit(&tree));
    }
    let error = first_error(program, tree.root_node());
    let is_unread = grammar.has_preprocessor()
        && (only_misses_ellipses(&tree) || defines_macros(program) && brackets_balance(program));
    if is_unread {
        return Ok(visit(&tree));
    }
    Err(error)
}

fn parse(program: &str, grammar: Grammar) -> Result<Tree, SyntaxError> {
    let mut parser = Parser::new();
    parser.set_language(&grammar.tables()).expect("the grammar was built for this library");
    let mut steps_left = STEPS_PER_BYTE_MAX * program.len() + 1_000;
    let mut count = |_: &tree_sitter::ParseState| match steps_left.checked_sub(1) {
        Some(rest) => {
            steps_left = rest;
            ControlFlow::Continue(())
        }
        None => ControlFlow::Break(()),
    };
    let options = ParseOptions::new().progress_callback(&mut count);
    let bytes = program.as_bytes();
    let tree = parser.parse_with_options(&mut |at, _| &bytes[at..], None, Some(options));
    let too_long = || SyntaxError::at(program, 0, "no program: the parser gave up".to_owned());
    tree.ok_or_else(too_long)
}

/// The first error or missing token, in the order of the text.
fn first_error(program: &str, root: Node<'_>) -> SyntaxError {
    let mut node = root;
    while !node.is_error() && !node.is_missing() {
        let mut cursor = node.walk();
        let Some(child) = node.children(&mut cursor).find(|child| child.has_error()) else { break };
        node = child;
    }
    let message = if node.is_missing() {
        format!("missing {}", node.kind())
    } else {
        "unexpected text".to_owned()
    };
    SyntaxError::at(program, node.start_byte(), message)
}

/// Whether all that a tree misses is `...`: the C++ grammar takes some valid `a >> b >> c` for a
/// fold expression.
fn only_misses_ellipses(tree: &Tree) -> bool {
    let mut is_fine = true;
    walk(tree, |node, _| {
        is_fine &= !(node.is_error() || node.is_missing() && node.kind() != "...");
    });
    is_fine
}

/// Whether a C or C++ program defines macros.
fn defines_macros(program: &str) -> bool {
    memchr::memmem::find(program.as_bytes(), b"#define").is_some()
        || program.lines().any(|line| {
            let rest = line.trim_start().strip_prefix('#').unwrap_or("");
            rest.trim_start().starts_with("define")
        })
}

/// Whether the brackets of a C or C++ program pair up, outside comments and literals.
fn brackets_balance(program: &str) -> bool {
    let mut open = Vec::new();
    let mut rest = program.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'(' => open.push(b')'),
            b'[' => open.push(b']'),
            b'{' => open.push(b'}'),
            b')' | b']' | b'}' if open.pop() != Some(byte) => return false,
            b'/' if rest.starts_with(b"/") => {
                rest = memchr::memchr(b'\n', rest).map_or(&[], |at| &rest[at..]);
            }
            b'/' if rest.starts_with(b"*") => {
                let Some(end) = memchr::memmem::find(rest, b"*/") else { return false };
                rest = &rest[end + 2..];
            }
            b'"' | b'\'' => {
                let Some(after) = after_literal(rest, byte) else { return false };
                rest = after;
            }
            _ => {}
        }
    }
    open.is_empty()
}

/// What follows a string or character literal; a quote that no quote follows on its line (a digit
/// separator, an apostrophe) is skipped.
fn after_literal(rest: &[u8], quote: u8) -> Option<&[u8]> {
    let mut at = 0;
    loop {
        match *rest.get(at)? {
            b'\\' => at += 2,
            b'\n' => return (quote == b'\'').then_some(rest),
            byte if byte == quote => return Some(&rest[at + 1..]),
            _ => at += 1,
        }
    }
}

/// Calls `visit` with every node in the order of the text, and its depth. Does not recurse.
pub(crate) fn walk<'a>(tree: &'a Tree, mut visit: impl FnMut(Node<'a>, usize)) {
    let mut cursor = tree.walk();
    let mut depth = 0;
    loop {
        visit(cursor.node(), depth);
        if cursor.goto_first_child() {
            depth += 1;
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return;
            }
            depth -= 1;
        }
    }
}
