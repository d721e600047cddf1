//! Shapes and digests of syntax trees.

use codescaler::language::Language;
use expect_test::{Expect, expect};

use crate::{tree_digest, tree_shape};

/// Whether two programs have one digest.
#[track_caller]
fn check(language: Language, a: &str, b: &str, same: bool) {
    let digest = |program| tree_digest(program, language).expect("a valid program");
    assert_eq!(digest(a) == digest(b), same, "{a:?} and {b:?}");
}

#[test]
fn what_does_not_matter_in_python() {
    let same = |a, b| check(Language::Python, a, b, true);
    same(
        "def f(x):\n    return x+1",
        "def f(x):\n  \"\"\"Adds.\"\"\"\n\n  return (x + 1)  # one\n",
    );
    same("def f(x):\n    y = x\n    return y", "def f(a):\n    b = a\n    return b");
    same("def f(x):\n    return [i for i in x]", "def f(v):\n    return [e for e in v]");
    same("def f(x):\n    return lambda i: i + x", "def f(y):\n    return lambda j: j + y");
    same(
        "def f(x):\n    def g(y):\n        return x + y\n    return g",
        "def f(a):\n    def h(b):\n        return a + b\n    return h",
    );
    same("x = 'a' 'b'", "x = \"ab\"");
    same("x = 0x10", "x = 16");
    same(
        "class A:\n    def m(self, x):\n        return x",
        "class A:\n    'Doc.'\n    def m(this, y): return y",
    );
    same(
        "def f():\n    try:\n        pass\n    except E as e:\n        print(e)",
        "def f():\n    try:\n        pass\n    except E as x:\n        print(x)",
    );
}

#[test]
fn what_matters_in_python() {
    let differ = |a, b| check(Language::Python, a, b, false);
    differ("def f(x):\n    return x", "def g(x):\n    return x");
    differ("x = 1", "y = 1");
    differ("x = a + b", "x = a - b");
    differ("x = a < b <= c", "x = a <= b < c");
    differ("x = a[1:]", "x = a[:1]");
    differ("x = 'a'", "x = b'a'");
    differ("x = f'{a!r}'", "x = f'{a!s}'");
    differ("x = {**a}", "x = {a}");
    differ("def f(x, y):\n    return x - y", "def f(x, y):\n    return y - x");
    differ("def f(x):\n    return y", "def f(x):\n    return x");
    differ("def f(x):\n    return z", "def f(x):\n    return y");
    differ("def f(x, y): return x", "def f(x, *, y): return x");
    differ(
        "def f(a, b):\n    return a - b\nf(a=1, b=2)",
        "def f(b, a):\n    return b - a\nf(a=1, b=2)",
    );
    differ("def f(x=x): return x", "def f(y=y): return y");
    differ("def f(x):\n    return eval('x')", "def f(y):\n    return eval('x')");
    differ("def f():\n    x = 1\n    print(f'{x=}')", "def f():\n    y = 1\n    print(f'{y=}')");
    differ("if a:\n    b\nc", "if a:\n    b\n    c");
    differ("for a in b:\n    c\nelse:\n    d", "for a in b:\n    c\n    d");
    differ("def f():\n    global x\n    x = 1", "def f():\n    global y\n    y = 1");
    differ("from . import a", "from .. import a");
    differ("async def f(): pass", "def f(): pass");
    differ("x = True", "x = False");
    differ("x = 1", "x = 1.0");
}

#[test]
fn digests_of_the_other_languages() {
    let cpp = "int f(int x) { return x + 1; }";
    check(Language::Cpp, cpp, "// Adds.\nint f(int x)\n{\n  return x+1; /* one */\n}\n", true);
    check(Language::Cpp, cpp, "int f(int x) { return x - 1; }", false);
    check(Language::Cpp, cpp, "int f(int y) { return y + 1; }", false);
    check(Language::Java, "class A { int a; }", "class A {\n  int a; // a\n}", true);
    check(Language::Go, "func f() int { return 1 }", "func f() int { return 2 }", false);
    check(Language::Rust, "fn f() {}", "/// Doc.\nfn f() { }", true);
    check(Language::JavaScript, "f(1)", "f( 1 )", true);
    assert_eq!(tree_digest("def f(", Language::Python), None);
    assert_eq!(tree_digest("fun main() {}", Language::Kotlin), None);
}

/// The hashes are features of trained reward models: they may never change by accident.
#[track_caller]
fn check_shape(language: Language, program: &str, expected: Expect) {
    let shape = tree_shape(program, language).expect("a valid program");
    let hashes: Vec<String> = shape.iter().map(|hash| format!("{hash:016x}")).collect();
    expected.assert_eq(&hashes.join(" "));
}

#[test]
fn shapes_stay() {
    check_shape(
        Language::Python,
        "def f(x):\n    return x + 1",
        expect![
            "cb2c88fdcba2dbc3 78bce8cff96550ca c4d1a306c1d70cae d7fa04814f6bbcaf 4a9560900491d6ae 7fe311b84d84bf2f 0962464a752111fb f0fd0e2c198781a7 94704f6673c490fa 34938c0396992f8b"
        ],
    );
    check_shape(
        Language::Cpp,
        "int f() { return 1 + 2; }",
        expect![
            "e02bb76b1f3d9d74 7e0a2c0e08be7382 8357a00ffd1db991 70b72dab91a87db0 b353e41df3a8e745 0fc59fa12517dfba da7821e119e0d6a6 1bda313d38172fec 95661251d724f353 1b3c75d8d00ee6fb fc41aecfc51f9cda"
        ],
    );
    check_shape(
        Language::Java,
        "class A { int a = 1; }",
        expect![
            "1f388868286724ab fe1e2610893bd736 e59d8e63b53f48c7 fd58d64a2cd26adc 3b13096b02a3853d b033f13d2d0efd25 57d768fd478c1d3c 5dccb976a73c3dcb 762996fa81e5a3a3"
        ],
    );
    check_shape(
        Language::Go,
        "func f() int { return 1 }",
        expect![
            "76a5e6a70d40cb3b 59ded1b1f9fbf842 28f565d71a872dfb 92d57d9159129be4 1e4f4dcb3972acb5 5ff6237dec5af613 ef3011e5156ada5d 433ea2f53b2b2d39 c0195604920ff101 a67fa683fd4d21cd"
        ],
    );
    check_shape(
        Language::Rust,
        "fn f() -> i32 { 1 }",
        expect![
            "76a5e6a70d40cb3b 9a95ccbf557f01c5 407d0babb731f168 79060acc0b771775 cd701dd824894470 37a9f88af00aac94 3a1a54a1049abb2e"
        ],
    );
    check_shape(
        Language::JavaScript,
        "let a = 1;",
        expect![
            "1f388868286724ab 44257402769207ce 1eaa0533789637df 35eb17b9f38d8f94 22ec0c83fac96796"
        ],
    );
    check_shape(
        Language::TypeScript,
        "let a: number = 1;",
        expect![
            "1f388868286724ab 44257402769207ce 1eaa0533789637df 35eb17b9f38d8f94 1808b25342c2aa16 cad94834044807a9 03f1457aefda1d75"
        ],
    );
    check_shape(
        Language::C,
        "int a = 1;",
        expect![
            "e02bb76b1f3d9d74 b96634ecec7e30ad 8b7025a0d7f8aa4a defa44821e895fc3 ec8e3fe90aabf92a e542bddedf3b6248"
        ],
    );
}

#[test]
fn shapes_see_structure_only() {
    let shape = |program| tree_shape(program, Language::Python);
    assert_eq!(shape("x = a + 1"), shape("y  = b + 2  # two"));
    assert_ne!(shape("x = a + 1"), shape("x = a - 1"));
    assert_eq!(shape("x = "), None);
}
