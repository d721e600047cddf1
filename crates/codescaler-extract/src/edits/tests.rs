use expect_test::{Expect, expect};

use super::*;

const PROGRAM: &str = "\
import sys
from functools import cache

# The number of ways.
@cache
def ways(n, k):
    \"\"\"Counts,
    with memory.\"\"\"
    if n == 0:
        return 1
    elif n < 0:
        return 0
    else:
        total = 0
        for step in range(1, k + 1):
            total += ways(n - step, k)
        return total


class Reader:
    size = 2

    def numbers(self, text=sys.stdin.readline()):
        try:
            found = [int(word) for word in text.split()]
        except ValueError as error:
            print(error)
            found = []
        finally:
            self.size = len(found)
        return sorted(
            found,
            key=lambda x: -x,
        )


while True:
    match Reader().numbers():
        case [n, k]:
            print(ways(n, k))
        case _:
            pass
    break
# The end.
";

fn of(program: &str, seed: u64) -> Option<Vec<String>> {
    edits(program, Language::Python, ("", seed))
}

/// What the linter complains about, by line.
fn complaints(program: &str) -> Vec<usize> {
    let line = |byte: &usize| program[..*byte].matches('\n').count() + 1;
    let found = python::with_module(program, |module| names::undefined(module, &Known::default()));
    found.map_or_else(|_| vec![0], |bytes| bytes.iter().map(line).collect())
}

#[test]
fn playing_back_gives_the_program_and_every_state_is_clean() {
    let small = "a = 1\nif a:\n    b = a\nelse:\n    b = 2\nprint(b)\n";
    let line = "print(1)";
    for program in [PROGRAM, small, line] {
        let mut different = std::collections::BTreeSet::new();
        for seed in 0..30 {
            let edits = of(program, seed).unwrap();
            assert_eq!(of(program, seed).unwrap(), edits, "the seed decides");
            let mut before = String::new();
            for n in 1..=edits.len() {
                let state = play(&edits[..n].join(EDIT_SEPARATOR)).unwrap();
                assert_eq!(complaints(&state), [0; 0], "{state}");
                assert!(state.lines().count() > before.lines().count());
                before = state;
            }
            assert_eq!(before.trim_end_matches('\n'), program.trim_end_matches('\n'));
            different.insert(edits);
        }
        assert_eq!(different.len() > 1, program != line);
    }
}

#[track_caller]
fn check(program: &str, seed: u64, expected: Expect) {
    let edits = of(program, seed).map(|edits| edits.join(EDIT_SEPARATOR));
    expected.assert_eq(&edits.unwrap_or_default());
}

#[test]
fn sequences_are_diffs() {
    let program = "import sys\n\ndef f(x):\n    y = x + 1\n    if y > 2:\n        y = 2\n    return y\n\n# Shown.\nprint(f(1))\n";
    check(
        program,
        2,
        expect![[r#"
        @@ -0,0 +1 @@
        +import sys
        <|diff|>@@ -1,0 +2,6 @@
        +
        +def f(x):
        +    y = x + 1
        +
        +# Shown.
        +print(f(1))
        <|diff|>@@ -4,0 +5 @@
        +    return y
        <|diff|>@@ -4,0 +5,2 @@
        +    if y > 2:
        +        y = 2"#]],
    );
    check(
        program,
        5,
        expect![[r#"
        @@ -0,0 +1,6 @@
        +
        +def f(x):
        +    y = x + 1
        +
        +# Shown.
        +print(f(1))
        <|diff|>@@ -0,0 +1 @@
        +import sys
        <|diff|>@@ -4,0 +5 @@
        +    return y
        <|diff|>@@ -4,0 +5,2 @@
        +    if y > 2:
        +        y = 2"#]],
    );
    check("x = (\n", 1, expect![[""]]);
    check("print(y)\n", 1, expect![[""]]);
    check("# nothing\n", 1, expect![[""]]);
    check("a = 1\r\n", 1, expect![[""]]);
}

#[test]
fn names_of_the_prelude_are_known() {
    let program = "print(Counter('aab'), root)";
    let with = |prelude| edits(program, Language::Python, (prelude, 1));
    assert_eq!(with("from collections import *\nroot = 1").map(|edits| edits.len()), Some(1));
    assert_eq!(with("from collections import Counter\nroot = 1").map(|edits| edits.len()), Some(1));
    assert_eq!(with("from collections import Counter"), None);
    assert_eq!(edits("int x;", Language::C, ("", 1)), None);
}

#[test]
fn undefined_names_are_found() {
    for (program, lines) in [
        ("print(x)\nx = 1", &[1][..]),
        ("def f():\n    return x\nx = 1\nf()", &[]),
        ("def f():\n    total += 1\n", &[2]),
        ("total = 0\nfor x in [1]:\n    total += x", &[]),
        ("x: int\nprint(x)", &[2]),
        ("class A:\n    n = 1\n    def f(self):\n        return n", &[4]),
        ("class A:\n    n = 1\n    m = [n for _ in range(n)]", &[3]),
        ("def f(a=b):\n    pass\nb = 1", &[1]),
        ("def f(a):\n    def g():\n        nonlocal a\n        a = 2\n    return g", &[]),
        ("def f():\n    def g():\n        nonlocal a\n        a = 2\n    return g", &[3]),
        ("def f():\n    global a\n    a = 1\nprint(a)", &[]),
        ("print([y := 1, y], y, [z for z in 'a'], z)", &[1]),
        ("f = lambda x, *y, k=1: x + k + w\nprint(y)", &[2, 1]),
        ("with open('f') as f, f as (g, h):\n    g.x = h[i] = f", &[2]),
        ("try:\n    import a.b, c as d\nexcept E as e:\n    print(a, d, e, c)", &[3, 4]),
        ("from x import *\nprint(y)", &[]),
        ("print({k: v for k, v in m.items() if k}, f'{q!r}', __name__)", &[1, 1]),
        ("match 1:\n    case [a, *b] | {'c': a, **b}:\n        print(a, b, c)", &[3]),
        ("del x", &[1]),
    ] {
        assert_eq!(complaints(program), lines, "{program}");
    }
}

#[test]
fn what_cannot_be_played_is_named() {
    for (text, expected) in [
        ("", Ok("")),
        ("@@ -0,0 +1 @@\n+a", Ok("a\n")),
        ("<|diff|>@@ -0,0 +1,2 @@\n+a\n+b\n<|diff|>@@ -1,0 +2 @@\n+c\n", Ok("a\nc\nb\n")),
        ("@@ -0,0 +1,9 @@\n+a", Ok("a\n")),
        ("a = 1", Err("edit 1, line 1: no @@ -N,0 +N,N @@")),
        (
            "@@ -0,0 +1 @@\n-a",
            Err("edit 1, line 2: an edit only inserts, so each line begins with +"),
        ),
        (
            "@@ -0,0 +1 @@\n+a\n<|diff|>@@ -0,0 +3 @@\n+b",
            Err("edit 2, line 3: there are not that many lines yet"),
        ),
        ("@@ -0,0 +0 @@\n+a", Err("edit 1, line 1: no @@ -N,0 +N,N @@")),
    ] {
        let got = play(text).map_err(|error| error.to_string());
        assert_eq!(got.as_deref().map_err(String::as_str), expected, "{text}");
    }
}
