//! One text for all programs that differ in comments, layout and names of variables only.

use std::borrow::Cow;

use codescaler::language::Language;
use ruff_python_ast::{
    ModModule, Stmt,
    visitor::source_order::{self, SourceOrderVisitor},
};
use ruff_python_codegen::{Generator, Stylist};
use ruff_text_size::Ranged as _;

use crate::{
    grammar::{self, Grammar},
    python, python_tree,
    rewrite::{Rewrite, names, replaced, rewrite},
};

/// The program without what says nothing about what it does, so that nothing can be said there.
///
/// Python is written anew from its syntax tree: comments, layout, and strings that are statements
/// (docstrings) are gone, and variables are called `a`, `b` and so on, but for those that someone
/// else may ask for (attributes, keywords of calls, names beginning with an underscore) and in
/// programs that may look up names. In the other languages with a parser comments are gone, and lines
/// that held nothing else. What does not parse stays as it is.
pub fn canonical(program: &str, language: Language) -> Cow<'_, str> {
    let made = if language == Language::Python {
        of_python(program)
    } else {
        Grammar::of(language).and_then(|grammar| of_grammar(program, grammar))
    };
    made.map_or(Cow::Borrowed(program), Cow::Owned)
}

fn of_python(program: &str) -> Option<String> {
    let (printed, digest) =
        python::with_module(program, |module| (printed(module), python_tree::digest(module)))
            .ok()?;
    // Now every statement has lines of its own.
    let edits = python::with_tokens(&printed, |module, tokens| {
        let mut strings = Strings::default();
        strings.visit_body(&module.body);
        let lines = strings.0.into_iter().map(|(start, end)| {
            let start = printed[..start].rfind('\n').map_or(0, |newline| newline + 1);
            let end = printed[end..].find('\n').map_or(printed.len(), |newline| end + newline + 1);
            (start, end, String::new())
        });
        let mut edits: Vec<_> = lines.chain(names::in_order(&printed, (module, tokens))).collect();
        edits.sort_unstable();
        (python_tree::digest(module) == digest).then_some(edits)
    });
    let Ok(Some(edits)) = edits else {
        // The printer does not know everything.
        return rewrite(program, Language::Python, Rewrite::StripComments, ("", 0));
    };
    Some(replaced(&printed, &edits))
}

/// The module as text, with four spaces for a level, whatever it had.
fn printed(module: &ModModule) -> String {
    let nothing = ruff_python_parser::parse_module("").expect("nothing is a module");
    let style = Stylist::from_tokens(nothing.tokens(), "");
    let print = |statement: &Stmt| Generator::from(&style).stmt(statement) + "\n";
    module.body.iter().map(print).collect()
}

/// Statements that are strings, where others stand beside them.
#[derive(Default)]
struct Strings(Vec<(usize, usize)>);

impl<'a> SourceOrderVisitor<'a> for Strings {
    fn visit_body(&mut self, body: &'a [Stmt]) {
        let is_string = |statement: &Stmt| {
            statement.as_expr_stmt().is_some_and(|own| own.value.is_string_literal_expr())
        };
        let is_code = !body.iter().all(is_string);
        for statement in body {
            if is_string(statement) && is_code {
                self.0.push((statement.start().to_usize(), statement.end().to_usize()));
            } else {
                source_order::walk_stmt(self, statement);
            }
        }
    }
}

fn of_grammar(program: &str, grammar: Grammar) -> Option<String> {
    let mut comments = Vec::new();
    let parsed = grammar::with_tree(program, grammar, |tree| {
        grammar::walk(tree, |node, _| {
            if node.is_extra() && node.kind().ends_with("comment") {
                comments.push(node.start_byte()..node.end_byte());
            }
        });
    });
    parsed.ok()?;
    let mut made = String::with_capacity(program.len());
    let mut at = 0;
    for comment in comments {
        made.push_str(&program[at..comment.start]);
        // Some grammars count the end of the line as the comment's.
        let text = program[comment.clone()].trim_end_matches(['\r', '\n']);
        at = comment.start + text.len();
        let before = made.trim_end_matches([' ', '\t']).len();
        let after = program[at..].trim_start_matches([' ', '\t']);
        let ends_line = after.is_empty() || after.starts_with(['\r', '\n']);
        if ends_line && (before == 0 || made[..before].ends_with('\n')) {
            made.truncate(before);
            at = program.len() - after.len();
            at += after.find('\n').map_or(after.len(), |newline| newline + 1);
        } else if ends_line {
            made.truncate(before);
        } else if before == made.len() && after.len() == program.len() - at {
            // What stood on both sides of it stays apart.
            made.push(' ');
        }
    }
    Some(made + &program[at..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_syntax;

    const PROGRAMS: [&str; 3] = [
        "import sys\n\n\ndef solve(n, *, k=1):\n    \"\"\"Sum.\n\n    Of k.\n    \"\"\"\n    # first\n    best = [0]*n\n    for i in range(n):  # all\n        best[i] += (i<<1)|k\n        if not best[i] % 2 == 0: continue\n    return f'{best!r:>{k}} {n = }'\n\nprint(solve(int(sys.stdin.readline())))\n",
        "class A:\n\n    def f(self, x: int = 1) -> 'A':\n        'B'\n        try:\n            return self . g(x , [y for y in (x,) if y], {**{}, 'a': -x ** 2})\n        except (ValueError, KeyError) as e:\n            # raise\n            raise\n        finally: pass\n",
        "a, b = map(int, input().split())\n@(lambda f: f)\ndef g():\n    global a\n    while (n := a - b) > 0 and True or False:\n        a = a if (yield) else b\n    else:\n        x = a[1:, ::2], *b\nmatch a:\n    case [1, *rest] | {'k': rest}: print(rest, end='')\n    case _: print(r'\\d', b'x', 1_000, 1e5, 0x10, \"it's\")\n",
    ];

    #[track_caller]
    fn check(language: Language, program: &str, expected: &str) {
        let made = canonical(program, language);
        assert_eq!(made, expected);
        assert_eq!(canonical(&made, language), expected, "again");
        assert_eq!(check_syntax(&made, language), check_syntax(program, language));
    }

    #[test]
    fn comments_layout_and_names_go() {
        for (program, expected) in [
            ("x=1 # one\n", "a = 1\n"),
            ("\n\n# This is right.\nx = \"a # b\"\n\n\n", "a = \"a # b\"\n"),
            ("def f( n ):\n  'Adds.'\n  return (n+\n    1)\n", "def f(a):\n    return a + 1\n"),
            ("def f():\n\t'Nothing.'\n", "def f():\n    'Nothing.'\n"),
            ("x = 1; 'It is right.'; y = 2\n", "a = 1\nb = 2\n"),
            ("if x:\n  pass\n  '''a\n# b'''\n", "if x:\n    pass\n"),
            // Names that may be asked for stay, and are not given to others.
            (
                "def a(k, y):\n  z = b.x(k=1)\n  _w = z.y\n  return z, y, _w\n",
                "def a(k, y):\n    c = b.x(k=1)\n    _w = c.y\n    return c, y, _w\n",
            ),
            ("x = eval('x')\n", "x = eval('x')\n"),
            ("x = 1\nprint(f'{x=} {x + 1}')\n", "x = 1\nprint(f'{x=} {x + 1}')\n"),
            ("y = 1\nprint(f'{y + 1}')\n", "a = 1\nprint(f'{a + 1}')\n"),
            ("", ""),
            ("x = (\n", "x = (\n"),
        ] {
            check(Language::Python, program, expected);
        }
        for (language, program, expected) in [
            (
                Language::Cpp,
                "// right\nint f(/* a */int a) { // b\n  return a; /* c */ }\n",
                "int f( int a) {\n  return a;  }\n",
            ),
            (Language::Rust, "/// Adds.\nfn f() {} // x", "fn f() {}"),
            (Language::JavaScript, "let a = '// no'\n  // yes\n", "let a = '// no'\n"),
            (Language::Go, "package p\n\n/* a\n b */\nvar x = 1\n", "package p\n\nvar x = 1\n"),
            (Language::Java, "class A {", "class A {"),
            (Language::Swift, "// a\nlet x = 1\n", "// a\nlet x = 1\n"),
        ] {
            check(language, program, expected);
        }
    }

    /// Law: rewrites of comments, layout and names change nothing of it.
    #[test]
    fn rewrites_have_one_canonical_form() {
        for program in PROGRAMS {
            let own = canonical(program, Language::Python);
            for how in Rewrite::ALL.into_iter().filter(|how| *how != Rewrite::DeadCode) {
                for seed in 0..3 {
                    let Some(other) = rewrite(program, Language::Python, how, ("", seed)) else {
                        continue;
                    };
                    assert_eq!(canonical(&other, Language::Python), own, "{how}: {other}");
                }
            }
        }
    }
}
