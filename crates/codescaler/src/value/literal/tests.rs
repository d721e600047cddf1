use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(text: &str, printed: &str) {
    let value = parse_python(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    assert_eq!(to_python(&value), printed, "{text:?}");
    let again = parse_python(printed).unwrap_or_else(|error| panic!("{printed:?}: {error}"));
    assert_eq!(to_python(&again), printed);
}

#[track_caller]
fn refuse(text: &str) {
    assert!(parse_python(text).is_err(), "{text:?} gave {:?}", parse_python(text));
}

#[test]
fn numbers() {
    check("0", "0");
    check("00", "0");
    check("-0", "0");
    check("--3", "3");
    check("1_000", "1000");
    check("0xFF", "255");
    check("0x_fe", "254");
    check("0o17", "15");
    check("0B101", "5");
    check("-9223372036854775808", "-9223372036854775808");
    check("9223372036854775808", "9223372036854775808");
    check("-0x8000000000000000", "-9223372036854775808");
    check("0x1_0000_0000_0000_0000", "18446744073709551616");
    check("1.", "1.0");
    check(".5", "0.5");
    check("1e3", "1000.0");
    check("1E-7", "1e-7");
    check("1_0.2_5e+1_0", "102500000000.0");
    check("09.5", "9.5");
    check("-0.0", "-0.0");
    check("1e999", "float('inf')");
    check("3j", "complex(0.0, 3.0)");
    check("1 - 2.5j", "complex(1.0, -2.5)");
    check("complex(1, 2)", "complex(1.0, 2.0)");
    check("float('-Infinity')", "float('-inf')");
    check("float(\"nan\")", "float('nan')");
    check("-float('inf')", "float('-inf')");
    check(
        "[inf, -inf, nan, math.inf]",
        "[float('inf'), float('-inf'), float('nan'), float('inf')]",
    );
    for bad in ["07", "1__0", "1_", "_1", "0x", "0b2", "1e", "1e+", ".", "1.2.3", "1 + 2", "-'a'"] {
        refuse(bad);
    }
}

#[test]
fn integers_of_any_length_survive() {
    let digits = "9".repeat(5000);
    let printed = to_python(&parse_python(&digits).unwrap());
    assert!(printed.starts_with("0x"), "Python would refuse the decimal digits");
    assert_eq!(parse_python(&printed).unwrap(), Value::BigInt(digits.clone()));
    assert_eq!(parse_json(&digits).unwrap(), Value::BigInt(digits));
}

#[test]
fn strings() {
    check("'a' \"b\"\n'c'", "'abc'");
    check(r"'\n\t\\\x41\101\u00e9\U0001F600\q\0'", r"'\n\t\\AAé😀\\q\x00'");
    check(r"r'\n\'' ", r#""\\n\\'""#);
    check("'''a\n'b''c'''", "\"a\\n'b''c\"");
    check("\"\"\"\"\"\"", "''");
    check("u'x' R'\\d'", "'x\\\\d'");
    check("'a\\\nb'", "'ab'");
    check("f'{{x}}'", "'{x}'");
    check(r"b'\x00\xff\n' rb'\x'", r"b'\x00\xff\n\\x'");
    check("b'it\\'s'", r"b'it\'s'");
    check("'\u{200b}é\u{2028}\u{7f}'", "'\u{200b}é\\u2028\\x7f'");
    for bad in [
        "'a",
        "'a\nb'",
        "'''a''",
        "b'é'",
        r"'\x4'",
        r"'\u12'",
        r"'\U00110000'",
        r"b'\777'",
        r"'\ud800'",
        r"'\N{BULLET}'",
        "f'{x}'",
        "'a' b'b'",
        "x'a'",
    ] {
        refuse(bad);
    }
}

#[test]
fn containers() {
    check("[]", "[]");
    check("[1, [2], (), (3,), (4)]", "[1, [2], (), (3,), 4]");
    check("1, 'a',", "(1, 'a')");
    check("(1,\n 2,  # two\n)", "(1, 2)");
    check("{}", "{}");
    check("{'a': 1, 'b': [2], 'a': 3,}", "{'a': 3, 'b': [2]}");
    check("{1, 2, 1.0, True}", "{1, 2}");
    check("{1: 'a', True: 'b'}", "{1: 'b'}");
    check("set()", "set()");
    check("set([3, 3, (1, 2)])", "{3, (1, 2)}");
    check("frozenset({1})", "frozenset({1})");
    check("{frozenset(), None}", "{frozenset(), None}");
    check("[True, False, None]", "[True, False, None]");
    for bad in [
        "",
        "[",
        "[1",
        "[1 2]",
        "[,]",
        "(,)",
        "{1: }",
        "{1, 2: 3}",
        "{1: 2, 3}",
        "{[]}",
        "{{}: 1}",
        "x",
        "f(1)",
        "set([[]])",
        "[1]]",
        "1 2",
        "__import__('os')",
        "[x for x in y]",
        "1 if 2 else 3",
    ] {
        refuse(bad);
    }
    assert!(parse_python(&"[".repeat(100_000)).is_err());
}

#[test]
fn json_as_python_reads_it() {
    let check = |text: &str, printed: &str| {
        assert_eq!(to_python(&parse_json(text).unwrap()), printed, "{text}");
    };
    check(r#"{"a": [true, null, -1.50, "\ud83d\ude00\/"], "a": 2}"#, "{'a': 2}");
    check(r#"[true, null, -1.50, "\ud83d\ude00\/"]"#, "[True, None, -1.5, '😀/']");
    check("[NaN, -Infinity]", "[float('nan'), float('-inf')]");
    check("123456789012345678901234567890", "123456789012345678901234567890");
    for bad in [
        "",
        "'a'",
        "[1,]",
        "{1: 2}",
        "True",
        "01",
        "1.",
        ".5",
        "+1",
        "(1)",
        "\"a",
        "1 2",
        "{\"a\"}",
        "# x\n1",
        "1_0",
        "{\"a\":1,}",
    ] {
        assert!(parse_json(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_prefix_says_how_long_it_is() {
    assert_eq!(parse_python_prefix("[1] == f(2)").unwrap(), (Value::List(vec![Value::Int(1)]), 4));
}

#[test]
fn arguments_of_calls() {
    let (arguments, length) = parse_python_arguments("((1, 2), 'a', k=[3],) == 4").unwrap();
    let pair = Value::Tuple(vec![Value::Int(1), Value::Int(2)]);
    assert_eq!(arguments.positional, [pair, Value::Str("a".into())]);
    assert_eq!(arguments.keywords, [("k".to_owned(), Value::List(vec![Value::Int(3)]))]);
    assert_eq!(length, 21);
    assert_eq!(parse_python_arguments("()").unwrap(), (Arguments::default(), 2));
    for bad in ["", "1", "(1", "(1 2)", "(*x)", "(x)", "(a==1)", "(k=)"] {
        assert!(parse_python_arguments(bad).is_err(), "{bad}");
    }
}

#[test]
fn errors_say_where() {
    assert_eq!(parse_python("[1, ?]").unwrap_err().to_string(), "byte 4: expected a value");
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        "[1-9][0-9]{25,40}".prop_map(Value::BigInt),
        prop::num::f64::NORMAL.prop_map(Value::Float),
        (prop::num::f64::NORMAL, prop::num::f64::NORMAL)
            .prop_map(|(re, im)| Value::Complex(re, im)),
        any::<String>().prop_map(Value::Str),
        prop::collection::vec(any::<u8>(), 0..9).prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        let items = prop::collection::vec(inner, 0..5);
        prop_oneof![
            items.clone().prop_map(Value::List),
            items.clone().prop_map(Value::Tuple),
            items.clone().prop_map(|items| {
                Value::Set(distinct(items.into_iter().filter(Value::is_hashable).collect()))
            }),
            items.prop_map(|items| {
                let entries = items.into_iter().enumerate();
                Value::Dict(entries.map(|(key, value)| (Value::Int(key as i64), value)).collect())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(value in values()) {
        prop_assert_eq!(parse_python(&to_python(&value)).unwrap(), value);
    }

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        let _ = parse_python(&text);
        let _ = parse_json(&text);
    }

    #[test]
    fn almost_literals_are_read_or_refused(text in "[\\[\\](){}0-9a-frbx'\"\\\\,:. +_-]{0,24}") {
        let _ = parse_python(&text);
        let _ = parse_json(&text);
    }
}
