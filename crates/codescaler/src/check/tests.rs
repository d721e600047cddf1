use super::Check;
use crate::value::{
    Value,
    literal::{parse_json, parse_python},
};

const FLOAT: Check = Check::Float { abs: 1e-6, rel: 1e-6 };
const EVALPLUS: Check = Check::Evalplus { atol: 0.0 };

#[track_caller]
fn text(check: Check, right: &[(&str, &str)], wrong: &[(&str, &str)]) {
    for (expected, actual) in right {
        assert!(check.text(expected, actual), "{check:?} {expected:?} {actual:?}");
    }
    for (expected, actual) in wrong {
        assert!(!check.text(expected, actual), "{check:?} {expected:?} {actual:?}");
    }
}

fn literal(text: &str) -> Value {
    parse_python(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[track_caller]
fn value(check: Check, right: &[(&str, &str)], wrong: &[(&str, &str)]) {
    for (expected, actual) in right {
        assert!(check.value(&literal(expected), &literal(actual)), "{check:?} {expected} {actual}");
    }
    for (expected, actual) in wrong {
        assert!(
            !check.value(&literal(expected), &literal(actual)),
            "{check:?} {expected} {actual}"
        );
    }
}

#[test]
fn exact_text_is_bytes() {
    text(Check::Exact, &[("a\n", "a\n")], &[("a\n", "a"), ("a", "a "), ("é", "e\u{301}")]);
}

#[test]
fn trim_forgives_blanks_at_ends() {
    text(
        Check::Trim,
        &[
            ("1 2\n3", "1 2 \r\n3\n\n"),
            ("", "\n \n"),
            ("a\n\nb", "a\n\nb\n"),
            ("x\t", "x"),
            ("\u{feff}a", "\u{feff}a"),
        ],
        &[
            ("1 2", "1  2"),
            ("a\nb", "a\n\nb"),
            ("a", " a"),
            ("a", "\na"),
            ("a", ""),
            ("a\nb", "a b"),
            ("a", "a\0"),
            ("a", "\u{feff}a"),
        ],
    );
    for check in [EVALPLUS, Check::PythonEq] {
        text(check, &[("a", "a\n")], &[("a", "b")]);
    }
}

#[test]
fn tokens_forgive_all_blanks() {
    text(
        Check::Tokens,
        &[("1 2\n3", "  1\t2 3\r\n"), ("", " \n")],
        &[("1 2", "12"), ("1", "1 1"), ("1.0", "1"), ("Yes", "YES")],
    );
}

#[test]
fn floats_in_text_are_near_and_integers_equal() {
    text(
        FLOAT,
        &[
            ("0.5 x", "0.5000001 x"),
            ("1e3", "1000.0"),
            ("3", "3.0000001"),
            ("-0.0", "0"),
            ("007", "7"),
            ("+5", "5"),
            ("1000000000000", "1000000000000.0"),
            ("nan", "nan"),
            ("inf", "inf"),
            ("100000.0", "100000.05"),
        ],
        &[
            ("1000000", "1000001"),
            ("10000000000000000000001", "10000000000000000000002"),
            ("1.0", "nan"),
            ("nan", "NaN"),
            ("1.0", "inf"),
            ("1.0", "1e999"),
            ("1.0", "1.00001"),
            ("1.0", "1.0 2.0"),
            ("1.0 2.0", "1.0"),
            ("yes 1.0", "no 1.0"),
            ("1.0", "0x1"),
            ("1.0", ""),
        ],
    );
}

#[test]
fn unordered_lines_are_counted() {
    text(
        Check::LinesUnordered,
        &[("a\nb\n", "b\r\na"), ("a\na\nb", "a\nb\na")],
        &[("a\nb", "a\nb\nb"), ("a\na\nb", "a\nb\nb"), ("a b", "b a")],
    );
}

#[test]
fn livecodebench_text_has_decimals_by_line() {
    text(
        Check::Lcb,
        &[
            ("1 2\n", " 1 2\r\n\n"),
            ("1.0", "1"),
            ("1e2 3", "100.00 3"),
            ("-0", "0.0"),
            ("1_000", "1000"),
            ("Infinity", "inf"),
            (".5", "0.50"),
            ("5.", "5"),
            ("10000000000000000000000001", "10000000000000000000000001.0"),
            ("1  2", "1 2"),
            ("YES", "YES"),
        ],
        &[
            ("1 2", "1\n2"),
            ("1.0000001", "1"),
            ("nan 1", "NaN 1.0"),
            ("a 1.0", "a 1"),
            ("YES", "yes"),
            ("1", "1 1"),
            ("1", ""),
            ("10000000000000000000000001", "10000000000000000000000002"),
            ("-inf", "inf"),
            ("0.1", "0.10000000000000000001"),
            ("1e", "1"),
            (".", "0"),
        ],
    );
}

#[test]
fn exact_values_have_exact_types() {
    value(
        Check::Exact,
        &[
            ("[1, (2, 'x')]", "[1, (2, 'x')]"),
            ("{1, 2, 3}", "{3, 1, 2}"),
            ("{'a': 1, 'b': [2]}", "{'b': [2], 'a': 1}"),
            ("float('nan')", "float('nan')"),
            ("0.0", "-0.0"),
            ("100000000000000000000", "100000000000000000000"),
            ("{(1, 'a'): {2.5}}", "{(1, 'a'): {2.5}}"),
            ("frozenset({1})", "frozenset({1})"),
            ("1+2j", "1+2j"),
        ],
        &[
            ("1", "True"),
            ("0", "False"),
            ("1", "1.0"),
            ("[1]", "(1,)"),
            ("None", "False"),
            ("''", "[]"),
            ("{1}", "frozenset({1})"),
            ("'a'", "b'a'"),
            ("[1, 2]", "[2, 1]"),
            ("[1, [2]]", "[[1], 2]"),
            ("{}", "set()"),
            ("{1: 1}", "{1: True}"),
            ("'ab'", "'abc'"),
            ("['a', 'b']", "['ab']"),
            ("100000000000000000000", "100000000000000000001"),
            ("0.1", "0.10000000000000002"),
        ],
    );
    // A string that is text of another kind stays a string.
    value(Check::Trim, &[("'a '", "'a'"), ("1", "1")], &[("['a ']", "['a']"), ("1", "True")]);
    value(Check::Tokens, &[("'a  b'", "'a b'")], &[("'ab'", "b'ab'")]);
}

#[test]
fn float_values_are_near_where_a_float_is_expected() {
    value(
        FLOAT,
        &[
            ("0.5", "0.5000001"),
            ("[1.0, {'a': (2.5,)}]", "[1, {'a': (2.5000001,)}]"),
            ("float('inf')", "float('inf')"),
            ("float('nan')", "float('nan')"),
            ("1j", "1.0000001j"),
            ("100000000000000000000.0", "100000000000000000000"),
        ],
        &[
            ("1", "1.0"),
            ("1000000", "1000001"),
            ("1.0", "True"),
            ("1.0", "float('nan')"),
            ("float('inf')", "1e300"),
            ("float('inf')", "float('-inf')"),
            ("[1.0]", "(1.0,)"),
            ("[1.0]", "[1.0, 1.0]"),
            ("{1: 1.0}", "{2: 1.0}"),
            ("{1.0}", "{1.0000001}"),
            ("1.0", "'1.0'"),
        ],
    );
}

#[test]
fn python_equality_crosses_types() {
    value(
        Check::PythonEq,
        &[
            ("1", "True"),
            ("1", "1.0"),
            ("0", "-0.0"),
            ("1.0", "1+0j"),
            ("100000000000000000000", "1e20"),
            ("{1, 2}", "frozenset({2.0, True})"),
            ("{1: 'a'}", "{True: 'a'}"),
            ("[[1], (2,)]", "[[True], (2.0,)]"),
            ("float('inf')", "float('inf')"),
            ("{'a': 1, 'b': 2}", "{'b': 2, 'a': 1}"),
        ],
        &[
            ("[1]", "(1,)"),
            ("float('nan')", "float('nan')"),
            ("[float('nan')]", "[float('nan')]"),
            ("100000000000000000001", "1e20"),
            ("9007199254740993", "9007199254740992.0"),
            ("'1'", "1"),
            ("'a'", "b'a'"),
            ("None", "0"),
            ("[]", "{}"),
            ("1.5", "1"),
            ("0.1", "0.10000000000000002"),
        ],
    );
}

#[test]
fn livecodebench_values_forgive_the_outermost_tuple() {
    value(
        Check::Lcb,
        &[("[1, 2]", "(1, 2.0)"), ("[1]", "[True]"), ("1.0", "1"), ("'a '", "'a '")],
        &[
            ("[[1, 2]]", "[(1, 2)]"),
            ("0.3", "0.30000000000000004"),
            ("[1]", "{1}"),
            ("[1]", "(1, 2)"),
            ("'a'", "'a '"),
        ],
    );
}

#[test]
fn evalplus_is_near_only_among_floats() {
    value(
        EVALPLUS,
        &[
            ("1", "True"),
            ("1.0", "1.0000009"),
            ("[1.0, 2.0]", "[1.0, 2.0000001]"),
            ("(1.0,)", "(1.0000001,)"),
            ("[float('inf')]", "[float('inf')]"),
            ("[1.0, 2.0]", "[1, 2.0000001]"),
            ("1.0", "1"),
            ("[]", "[]"),
        ],
        &[
            ("1", "1.0000001"),
            ("1.0", "1.00001"),
            ("[1.0]", "(1.0000001,)"),
            ("[1.0]", "[1.0, 1.0]"),
            ("[1.5]", "[None]"),
            ("['a', 1.0]", "['a', 1.0000001]"),
            ("[1.0]", "['1.0']"),
            ("float('nan')", "float('nan')"),
            ("1.5", "float('nan')"),
            ("float('inf')", "1e308"),
            ("[[1.0]]", "[[1.0000001]]"),
            ("1.5", "'1.5'"),
            ("[]", "[1.0]"),
            ("[]", "()"),
        ],
    );
    value(
        Check::Evalplus { atol: 0.001 },
        &[("1", "1"), ("[[1.0], [2]]", "[[1.0001], [2]]"), ("{1: 2.0}", "{1: 2.0}")],
        &[("{1: 2.0}", "{1: 2.0001}"), ("1", "1.0001"), ("'a'", "'b'"), ("[1.0]", "[1.01]")],
    );
}

#[test]
fn canonical_bytes_tell_structure() {
    let different =
        ["[[], []]", "[[[]]]", "[]", "['', '']", "['']", "((),)", "{(): []}", "{'': ''}"];
    for (at, left) in different.iter().enumerate() {
        for right in &different[at + 1..] {
            assert_ne!(super::canonical(&literal(left)), super::canonical(&literal(right)));
        }
    }
    assert_eq!(
        super::canonical(&parse_json("[1, 2.5]").unwrap()),
        super::canonical(&literal("[1, 2.5]"))
    );
}
