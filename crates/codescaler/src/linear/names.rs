//! Which names a Python program binds, reads and forgets, as far as tokens tell.
//!
//! Scopes are ignored on purpose: a name bound anywhere counts as bound everywhere. That misses
//! some faults and invents almost none.

use std::collections::{BTreeMap, BTreeSet};

use super::lex::{Kind, Token};

/// Where the names of a program stand to one another.
#[derive(Debug, Default)]
pub(super) struct Names<'a> {
    /// Names the program gives a meaning to.
    pub(super) bound: BTreeSet<&'a str>,
    /// Names it reads that it never bound and that Python does not know, each with its uses.
    pub(super) undefined: BTreeMap<&'a str, u32>,
    /// Names it imports.
    pub(super) imported: BTreeSet<&'a str>,
    /// Names it imports and never reads.
    pub(super) unused_imports: BTreeSet<&'a str>,
    /// Parameters it never reads.
    pub(super) unused_parameters: BTreeSet<&'a str>,
    /// Other names it binds and never reads.
    pub(super) unused_locals: BTreeSet<&'a str>,
}

impl Names<'_> {
    /// Whether the program made the name up itself: bound, and not by an import.
    pub(super) fn made(&self, name: &str) -> bool {
        self.bound.contains(name) && !self.imported.contains(name)
    }
}

/// What role one mention of a name plays.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Read,
    Local,
    Import,
    Parameter,
    Definition,
    Neither,
}

/// Reads the roles of all names of a Python program.
pub(super) fn analyse<'a>(tokens: &[Token<'a>]) -> Names<'a> {
    let mut roles = vec![Role::Read; tokens.len()];
    let mut starred_import = false;
    let mut start = 0;
    while start < tokens.len() {
        let end =
            (start + 1..tokens.len()).find(|&at| tokens[at].starts_line).unwrap_or(tokens.len());
        starred_import |= line_roles(&tokens[start..end], &mut roles[start..end]);
        start = end;
    }
    collect(tokens, &roles, starred_import)
}

impl Token<'_> {
    fn is(&self, text: &str) -> bool {
        self.text == text
    }
}

fn collect<'a>(tokens: &[Token<'a>], roles: &[Role], starred_import: bool) -> Names<'a> {
    let mut names = Names::default();
    let mut read: BTreeMap<&str, u32> = BTreeMap::new();
    for (token, &role) in tokens.iter().zip(roles) {
        if token.kind != Kind::Name {
            continue;
        }
        match role {
            Role::Read => *read.entry(token.text).or_default() += 1,
            Role::Import => {
                names.bound.insert(token.text);
                names.imported.insert(token.text);
            }
            Role::Local | Role::Parameter | Role::Definition => {
                names.bound.insert(token.text);
            }
            Role::Neither => (),
        }
    }
    for (token, &role) in tokens.iter().zip(roles) {
        if token.kind != Kind::Name || read.contains_key(token.text) || token.is("_") {
            continue;
        }
        match role {
            Role::Local => names.unused_locals.insert(token.text),
            Role::Import => names.unused_imports.insert(token.text),
            Role::Parameter => !token.is("self") && names.unused_parameters.insert(token.text),
            Role::Read | Role::Definition | Role::Neither => false,
        };
    }
    if !starred_import {
        names.undefined = read;
        names
            .undefined
            .retain(|name, _| !names.bound.contains(name) && BUILTINS.binary_search(name).is_err());
    }
    names
}

/// Sets the roles of one logical line's names; says whether it imports everything of a module.
fn line_roles(line: &[Token<'_>], roles: &mut [Role]) -> bool {
    for at in 1..line.len() {
        if line[at - 1].is(".") {
            roles[at] = Role::Neither;
        }
    }
    let first = line[0].text;
    if first == "import" || first == "from" {
        return import_roles(line, roles);
    }
    comprehension_roles(line, roles);
    let header = usize::from(first == "async");
    match line.get(header).map_or("", |token| token.text) {
        "def" => definition_roles(line, header, roles),
        "class" => mark(line, roles, header + 1, Role::Definition),
        "global" | "nonlocal" | "del" => (),
        _ => assignment_roles(line, roles),
    }
    for at in (0..line.len()).filter(|&at| line[at].is("as")) {
        let inside =
            |target: &usize| *target == at + 1 || line[*target].brackets > line[at].brackets;
        (at + 1..line.len()).take_while(inside).for_each(|at| mark(line, roles, at, Role::Local));
    }
    false
}

fn mark(line: &[Token<'_>], roles: &mut [Role], at: usize, role: Role) {
    if line.get(at).is_some_and(|token| token.kind == Kind::Name) {
        roles[at] = role;
    }
}

fn import_roles(line: &[Token<'_>], roles: &mut [Role]) -> bool {
    let first_import = line.iter().position(|token| token.is("import")).unwrap_or(0);
    for at in 0..line.len() {
        let part = at > 0 && line[at - 1].is(".");
        let path = line[at..].iter().take_while(|token| token.kind == Kind::Name || token.is("."));
        let renamed = line.get(at + path.count()).is_some_and(|token| token.is("as"));
        roles[at] = if at < first_import || renamed || part { Role::Neither } else { Role::Import };
    }
    line.last().is_some_and(|token| token.is("*"))
}

fn definition_roles(line: &[Token<'_>], header: usize, roles: &mut [Role]) {
    mark(line, roles, header + 1, Role::Definition);
    let inside = line.get(header).map_or(0, |token| token.brackets) + 1;
    for at in header + 2..line.len() {
        let opens = matches!(line[at - 1].text, "(" | "," | "*" | "**");
        if line[at].brackets == inside && opens && line[at].kind == Kind::Name {
            roles[at] = Role::Parameter;
        }
    }
}

/// `for` targets (loops and comprehensions) and `lambda` parameters.
fn comprehension_roles(line: &[Token<'_>], roles: &mut [Role]) {
    for at in 0..line.len() {
        let stop = match line[at].text {
            "for" => "in",
            "lambda" => ":",
            _ => continue,
        };
        let is_loop = stop == "in";
        for target in at + 1..line.len() {
            if line[target].is(stop) && line[target].brackets <= line[at].brackets {
                break;
            }
            let member = line.get(target + 1).is_some_and(|next| next.is(".") || next.is("["));
            let default = line[target - 1].is("=");
            if line[target].kind == Kind::Name && !member && !default {
                roles[target] = if is_loop { Role::Local } else { Role::Definition };
            }
        }
    }
}

/// Assignments, annotated ones and walruses; keyword arguments are neither read nor bound.
fn assignment_roles(line: &[Token<'_>], roles: &mut [Role]) {
    let outer = line[0].brackets;
    let last_equals =
        line.iter().rposition(|token| token.is("=") && token.brackets == outer).unwrap_or(0);
    for at in 0..line.len() {
        if line[at].kind != Kind::Name || roles[at] != Role::Read {
            continue;
        }
        let next = line.get(at + 1).map_or("", |token| token.text);
        let in_target = at < last_equals && !subscripted(line, at);
        let annotated = at == 0 && next == ":" && line.len() > 2;
        if next == ":=" || annotated || in_target && !matches!(next, "." | "[" | "(") {
            roles[at] = Role::Local;
        } else if next == "=" && line[at].brackets > outer {
            roles[at] = Role::Neither;
        }
    }
}

/// Whether the token stands inside an index or a call: `a` in `x[a] = 1`.
fn subscripted(line: &[Token<'_>], at: usize) -> bool {
    let mut level = line[at].brackets;
    for before in (0..at).rev() {
        let token = line[before];
        if token.brackets < level && (token.is("[") || token.is("(") || token.is("{")) {
            level = token.brackets;
            let call = before > 0
                && (line[before - 1].kind == Kind::Name
                    || matches!(line[before - 1].text, ")" | "]"));
            if call {
                return true;
            }
        }
    }
    false
}

/// Names that every Python program finds defined, sorted. Reserved words are not names.
#[rustfmt::skip]
const BUILTINS: [&str; 105] = [
    "ArithmeticError", "AssertionError", "AttributeError", "BaseException", "EOFError",
    "Ellipsis", "Exception", "FileNotFoundError", "IOError", "ImportError", "IndexError",
    "KeyError", "KeyboardInterrupt", "LookupError", "MemoryError", "ModuleNotFoundError",
    "NameError", "NotImplemented", "NotImplementedError", "OSError", "OverflowError",
    "RecursionError", "RuntimeError", "StopIteration", "SyntaxError", "SystemExit", "TypeError",
    "UnboundLocalError", "UnicodeDecodeError", "UnicodeError", "ValueError", "Warning",
    "ZeroDivisionError", "__annotations__", "__builtins__", "__doc__", "__file__", "__import__",
    "__name__", "abs", "all", "any", "ascii", "bin", "breakpoint", "bytearray", "bytes",
    "callable", "chr", "classmethod", "compile", "complex", "copyright", "delattr", "dict", "dir",
    "divmod", "enumerate", "eval", "exec", "exit", "filter", "format", "frozenset", "getattr",
    "globals", "hasattr", "hash", "help", "hex", "id", "input", "isinstance", "issubclass",
    "iter", "len", "list", "locals", "map", "match", "max", "memoryview", "min", "next", "object",
    "oct", "open", "ord", "pow", "print", "property", "quit", "range", "repr", "reversed",
    "round", "set", "setattr", "slice", "sorted", "staticmethod", "str", "sum", "super", "tuple",
];

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::{language::Language, linear::lex::lex};

    #[track_caller]
    fn check(program: &str, expected: Expect) {
        let lexed = lex(program, Language::Python);
        let names = analyse(&lexed.tokens);
        expected.assert_eq(&format!(
            "undefined {:?}, unused imports {:?}, parameters {:?}, locals {:?}",
            names.undefined.keys(),
            names.unused_imports,
            names.unused_parameters,
            names.unused_locals
        ));
    }

    #[test]
    fn undefined_names() {
        check(
            "def f(x):\n    return y + len(x.z)\nf(1)",
            expect![[r#"undefined ["y"], unused imports {}, parameters {}, locals {}"#]],
        );
        check(
            "print(d[k], end='')\nd = {}",
            expect![[r#"undefined ["k"], unused imports {}, parameters {}, locals {}"#]],
        );
        check(
            "from math import *\nprint(sqrt(2))",
            expect!["undefined [], unused imports {}, parameters {}, locals {}"],
        );
    }

    #[test]
    fn every_way_to_bind() {
        check(
            "import os.path as p, sys\nfrom a.b import c as d, e\nwith open(p) as (f, g):\n    h: int = 0\n    i = j, *k = f\nfor l, (m, n) in g: pass\nq = [o for o in k if (r := o)]\nclass S(sys.T):\n    async def u(self, v, *w, x=1, **y) -> e: return lambda z, t=d: z + t\nprint(S, h, i, j, l, m, n, q, r, self.u, v, w, x, y)\ntry: pass\nexcept E as error: print(error)",
            expect![[r#"undefined ["E"], unused imports {}, parameters {}, locals {}"#]],
        );
    }

    #[test]
    fn what_is_bound_in_vain() {
        check(
            "import re, io\ndef f(a, b):\n    c = io.x(key=1)\n    for _ in a: d += 1\nx[i] = 2",
            expect![[
                r#"undefined ["d", "i", "x"], unused imports {"re"}, parameters {"b"}, locals {"c"}"#
            ]],
        );
    }

    #[test]
    fn builtins_are_sorted() {
        assert!(BUILTINS.is_sorted());
    }
}
