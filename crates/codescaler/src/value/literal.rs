//! Values as text: Python literals, and JSON as Python's `json` module reads it.
//!
//! Reading never evaluates anything. It takes what `ast.literal_eval` takes, and the calls that
//! benchmarks print because Python has no literal for the value: `float('inf')`, `set()`,
//! `frozenset(…)`, `complex(…)`, `bytearray(…)`, and the names `inf` and `nan`. Integers are exact
//! at any length.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{VALUE_DEPTH_MAX, Value};

mod integer;
mod scan;

use scan::{Dialect, Scanner};

/// Text that is no literal, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {byte}: {message}")]
pub struct LiteralError {
    /// Offset of the first byte that does not fit.
    pub byte: usize,
    /// What was expected there.
    pub message: String,
}

/// The value of a Python literal.
///
/// Adjacent strings are joined, sets and dictionaries lose repetitions as in Python (`1`, `1.0`
/// and `True` are one key). White space, comments and line ends around the literal and between
/// its parts do not matter.
///
/// # Errors
/// Anything that is not a literal: names, arithmetic other than `1 + 2j`, f-strings with
/// replacement fields, `\N{…}` escapes, strings with lone surrogates (they are no text in Rust),
/// nesting beyond [`VALUE_DEPTH_MAX`].
///
/// ```
/// use codescaler::value::{Value, literal::parse_python};
/// let value = parse_python("(0x10, 'a' \"b\", -1.5e3)")?;
/// assert_eq!(
///     value,
///     Value::Tuple(vec![Value::Int(16), Value::Str("ab".into()), Value::Float(-1500.0)]),
/// );
/// # Ok::<(), codescaler::value::literal::LiteralError>(())
/// ```
pub fn parse_python(text: &str) -> Result<Value, LiteralError> {
    whole(text, Dialect::Python)
}

/// The value of a JSON text, read as Python's `json.loads` reads it: integers of any length stay
/// exact, `NaN` and `Infinity` are numbers, the last of equal keys wins.
///
/// # Errors
/// Anything that is not JSON, lone surrogates, nesting beyond [`VALUE_DEPTH_MAX`].
pub fn parse_json(text: &str) -> Result<Value, LiteralError> {
    whole(text, Dialect::Json)
}

/// The value of the literal that `text` starts with, and how many bytes it takes with the
/// space around it.
///
/// # Errors
/// As [`parse_python`].
pub fn parse_python_prefix(text: &str) -> Result<(Value, usize), LiteralError> {
    let mut scanner = Scanner::new(text, Dialect::Python);
    let value = expression(&mut scanner, VALUE_DEPTH_MAX)?;
    Ok((value, scanner.at()))
}

/// The arguments of a call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Arguments {
    /// Those without a name.
    pub positional: Vec<Value>,
    /// Those with a name, in their order.
    pub keywords: Vec<(String, Value)>,
}

/// The arguments in parentheses that `text` starts with, and how many bytes they take up to
/// the closing one.
///
/// # Errors
/// As [`parse_python`], and for `*` and `**`.
pub fn parse_python_arguments(text: &str) -> Result<(Arguments, usize), LiteralError> {
    let mut scanner = Scanner::new(text, Dialect::Python);
    let mut arguments = Arguments::default();
    if !scanner.eat('(') {
        return Err(scanner.error("expected `(`"));
    }
    let mut comma = true;
    loop {
        if scanner.eat(')') {
            return Ok((arguments, scanner.at()));
        }
        if !comma {
            return Err(scanner.error("expected `,` or `)`"));
        }
        let keyword = scanner.keyword();
        let value = expression(&mut scanner, VALUE_DEPTH_MAX)?;
        match keyword {
            Some(name) => arguments.keywords.push((name, value)),
            None => arguments.positional.push(value),
        }
        comma = scanner.eat(',');
    }
}

fn whole(text: &str, dialect: Dialect) -> Result<Value, LiteralError> {
    let mut scanner = Scanner::new(text, dialect);
    let value = match dialect {
        // `1, 2` is a tuple.
        Dialect::Python => {
            let first = expression(&mut scanner, VALUE_DEPTH_MAX)?;
            if scanner.peek() == Some(',') {
                let mut items = vec![first];
                while scanner.eat(',') && scanner.peek().is_some() {
                    items.push(expression(&mut scanner, VALUE_DEPTH_MAX)?);
                }
                Value::Tuple(items)
            } else {
                first
            }
        }
        Dialect::Json => expression(&mut scanner, VALUE_DEPTH_MAX)?,
    };
    match scanner.peek() {
        None => Ok(value),
        Some(_) => Err(scanner.error("unexpected text after the value")),
    }
}

/// A value, or the sum of a real and an imaginary number.
fn expression(scanner: &mut Scanner<'_>, depth: usize) -> Result<Value, LiteralError> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(scanner.error(&format!("nested deeper than {VALUE_DEPTH_MAX}")));
    };
    let left = signed(scanner, depth)?;
    let sign = match scanner.peek() {
        Some('+') if scanner.dialect() == Dialect::Python => 1.0,
        Some('-') if scanner.dialect() == Dialect::Python => -1.0,
        _ => return Ok(left),
    };
    let error = scanner.error("only a real and an imaginary number can be added in a literal");
    scanner.advance();
    match (as_float(&left), signed(scanner, depth)?) {
        (Some(re), Value::Complex(zero, im)) => Ok(Value::Complex(re + sign * zero, sign * im)),
        _ => Err(error),
    }
}

fn as_float(value: &Value) -> Option<f64> {
    match value {
        #[expect(clippy::cast_precision_loss, reason = "Python rounds in the same way")]
        Value::Int(int) => Some(*int as f64),
        Value::BigInt(digits) => digits.parse().ok(),
        Value::Float(float) => Some(*float),
        Value::Null
        | Value::Bool(_)
        | Value::Complex(..)
        | Value::Str(_)
        | Value::Bytes(_)
        | Value::List(_)
        | Value::Tuple(_)
        | Value::Set(_)
        | Value::FrozenSet(_)
        | Value::Dict(_) => None,
    }
}

fn signed(scanner: &mut Scanner<'_>, depth: usize) -> Result<Value, LiteralError> {
    let start = scanner.error("only a number can have a sign");
    let mut negative = false;
    let mut sign_seen = false;
    loop {
        match scanner.peek() {
            Some('-') => negative = !negative,
            Some('+') if scanner.dialect() == Dialect::Python => {}
            _ => break,
        }
        sign_seen = true;
        scanner.advance();
    }
    let value = atom(scanner, depth)?;
    if !sign_seen {
        return Ok(value);
    }
    match value {
        Value::Int(_) | Value::BigInt(_) | Value::Float(_) | Value::Complex(..) if !negative => {
            Ok(value)
        }
        Value::Int(int) => Ok(match int.checked_neg() {
            Some(int) => Value::Int(int),
            None => Value::BigInt(int.unsigned_abs().to_string()),
        }),
        Value::BigInt(digits) => {
            let digits = match digits.strip_prefix('-') {
                Some(positive) => positive.to_owned(),
                None => format!("-{digits}"),
            };
            Ok(Value::int_from_digits(&digits).expect("digits of an integer with another sign"))
        }
        Value::Float(float) => Ok(Value::Float(-float)),
        Value::Complex(re, im) => Ok(Value::Complex(-re, -im)),
        Value::Null
        | Value::Bool(_)
        | Value::Str(_)
        | Value::Bytes(_)
        | Value::List(_)
        | Value::Tuple(_)
        | Value::Set(_)
        | Value::FrozenSet(_)
        | Value::Dict(_) => Err(start),
    }
}

fn atom(scanner: &mut Scanner<'_>, depth: usize) -> Result<Value, LiteralError> {
    let python = scanner.dialect() == Dialect::Python;
    match scanner.peek() {
        Some('[') => {
            scanner.advance();
            Ok(Value::List(items(scanner, ']', depth)?.0))
        }
        Some('(') if python => {
            scanner.advance();
            let (mut items, comma) = items(scanner, ')', depth)?;
            match items.pop() {
                Some(only) if items.is_empty() && !comma => Ok(only),
                last => {
                    items.extend(last);
                    Ok(Value::Tuple(items))
                }
            }
        }
        Some('{') => {
            scanner.advance();
            braces(scanner, depth)
        }
        Some('0'..='9' | '.') => scanner.number(),
        Some('"') => scanner.strings(),
        Some('\'') if python => scanner.strings(),
        Some(letter) if letter.is_alphabetic() || letter == '_' => {
            if python && scanner.at_prefixed_string() {
                return scanner.strings();
            }
            let error = scanner.error("a name is no literal");
            let name = scanner.name();
            if python && scanner.eat('(') {
                let (arguments, _) = items(scanner, ')', depth)?;
                return call(&name, arguments).ok_or(error);
            }
            named(&name, scanner.dialect()).ok_or(error)
        }
        Some(_) => Err(scanner.error("expected a value")),
        None => Err(scanner.error("the text ends where a value should stand")),
    }
}

/// Values up to `close`, and whether a comma stood after the last.
fn items(
    scanner: &mut Scanner<'_>,
    close: char,
    depth: usize,
) -> Result<(Vec<Value>, bool), LiteralError> {
    let mut items = Vec::new();
    let mut comma = false;
    loop {
        let may_close = items.is_empty() || !comma || scanner.dialect() == Dialect::Python;
        if may_close && scanner.eat(close) {
            return Ok((items, comma));
        }
        if !items.is_empty() && !comma {
            return Err(scanner.error(&format!("expected `,` or `{close}`")));
        }
        items.push(expression(scanner, depth)?);
        comma = scanner.eat(',');
    }
}

/// A dictionary or a set, after its `{`.
fn braces(scanner: &mut Scanner<'_>, depth: usize) -> Result<Value, LiteralError> {
    let json = scanner.dialect() == Dialect::Json;
    if scanner.eat('}') {
        return Ok(Value::Dict(Vec::new()));
    }
    let mut keys = Vec::new();
    let mut values = Vec::new();
    loop {
        let unhashable = scanner.error("a list, a set or a dictionary cannot be a key");
        if json && scanner.peek() != Some('"') {
            return Err(scanner.error("expected a string as key"));
        }
        let key = expression(scanner, depth)?;
        if !key.is_hashable() {
            return Err(unhashable);
        }
        keys.push(key);
        if (json || keys.len() == values.len() + 1) && scanner.peek() == Some(':') {
            scanner.advance();
            values.push(expression(scanner, depth)?);
        }
        if !(values.is_empty() || values.len() == keys.len()) || (json && values.is_empty()) {
            return Err(scanner.error("expected `:`"));
        }
        let comma = scanner.eat(',');
        if (!comma || !json) && scanner.eat('}') {
            break;
        }
        if !comma {
            return Err(scanner.error("expected `,` or `}`"));
        }
    }
    if !values.is_empty() && values.len() != keys.len() {
        return Err(scanner.error("a set has no values, a dictionary has one for each key"));
    }
    Ok(if values.is_empty() {
        Value::Set(distinct(keys))
    } else {
        Value::Dict(last_wins(keys.into_iter().zip(values)))
    })
}

fn named(name: &str, dialect: Dialect) -> Option<Value> {
    Some(match (dialect, name) {
        (Dialect::Python, "True") | (Dialect::Json, "true") => Value::Bool(true),
        (Dialect::Python, "False") | (Dialect::Json, "false") => Value::Bool(false),
        (Dialect::Python, "None") | (Dialect::Json, "null") => Value::Null,
        (Dialect::Python, "inf" | "math.inf") | (Dialect::Json, "Infinity") => {
            Value::Float(f64::INFINITY)
        }
        (Dialect::Python, "nan" | "math.nan") | (Dialect::Json, "NaN") => Value::Float(f64::NAN),
        (Dialect::Python | Dialect::Json, _) => return None,
    })
}

/// The value of a constructor's call, where the constructor is built in and its arguments fit.
fn call(name: &str, arguments: Vec<Value>) -> Option<Value> {
    let mut arguments = arguments.into_iter();
    let (first, second) = (arguments.next(), arguments.next());
    if arguments.next().is_some() || (second.is_some() && name != "complex") {
        return None;
    }
    let elements = match &first {
        None => Some(Vec::new()),
        Some(
            Value::List(items) | Value::Tuple(items) | Value::Set(items) | Value::FrozenSet(items),
        ) => Some(items.clone()),
        Some(_) => None,
    };
    let hashable = || elements.clone().filter(|items| items.iter().all(Value::is_hashable));
    Some(match name {
        "set" => Value::Set(distinct(hashable()?)),
        "frozenset" => Value::FrozenSet(distinct(hashable()?)),
        "list" => Value::List(elements?),
        "tuple" => Value::Tuple(elements?),
        "dict" => match first {
            None => Value::Dict(Vec::new()),
            Some(dict @ Value::Dict(_)) => dict,
            Some(_) => return None,
        },
        "float" => {
            let argument = first?;
            Value::Float(match argument.as_str() {
                Some(text) => python_float(text)?,
                None => as_float(&argument)?,
            })
        }
        "complex" => match second {
            None => Value::Complex(as_float(&first?)?, 0.0),
            Some(im) => Value::Complex(as_float(&first?)?, as_float(&im)?),
        },
        "bytes" | "bytearray" => match first {
            None => Value::Bytes(Vec::new()),
            Some(bytes @ Value::Bytes(_)) => bytes,
            Some(_) => return None,
        },
        "str" => match first {
            None => Value::Str(String::new()),
            Some(text @ Value::Str(_)) => text,
            Some(_) => return None,
        },
        _ => return None,
    })
}

/// What Python's `float(text)` gives.
fn python_float(text: &str) -> Option<f64> {
    let text = text.trim();
    match text.trim_start_matches(['+', '-']).to_ascii_lowercase().as_str() {
        "inf" | "infinity" | "nan" => text.parse().ok(),
        digits if digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') => text.parse().ok(),
        _ => None,
    }
}

/// The values without repetition, each where it came first.
fn distinct(values: Vec<Value>) -> Vec<Value> {
    last_wins(values.into_iter().map(|value| (value, ())))
        .into_iter()
        .map(|(key, ())| key)
        .collect()
}

/// The entries of a dictionary: a key stands where it came first and has the value it got last.
fn last_wins<T>(entries: impl Iterator<Item = (Value, T)>) -> Vec<(Value, T)> {
    let mut places = BTreeMap::new();
    let mut kept: Vec<(Value, T)> = Vec::new();
    for (key, value) in entries {
        let place = *places.entry(equality_key(&key)).or_insert(kept.len());
        match kept.get_mut(place) {
            Some(entry) => entry.1 = value,
            None => kept.push((key, value)),
        }
    }
    kept
}

/// Text that is the same for keys that are `==` in Python. (NaN, which is not equal to itself,
/// counts as one key: Python finds it by identity.)
fn equality_key(value: &Value) -> String {
    match value {
        Value::Bool(truth) => i64::from(*truth).to_string(),
        Value::Float(float) if float.fract() == 0.0 => format!("{float:.0}").replace("-0", "0"),
        Value::Complex(re, im) if *im == 0.0 => equality_key(&Value::Float(*re)),
        Value::Tuple(items) => {
            let keys: Vec<String> = items.iter().map(equality_key).collect();
            format!("({})", keys.join(","))
        }
        Value::FrozenSet(items) => {
            let mut keys: Vec<String> = items.iter().map(equality_key).collect();
            keys.sort();
            format!("{{{}}}", keys.join(","))
        }
        Value::Null
        | Value::Int(_)
        | Value::BigInt(_)
        | Value::Float(_)
        | Value::Complex(..)
        | Value::Str(_)
        | Value::Bytes(_)
        | Value::List(_)
        | Value::Set(_)
        | Value::Dict(_) => to_python(value),
    }
}

/// The value as a Python expression that [`parse_python`] reads back. It is what `repr` prints,
/// but for values that `repr` writes as no expression (`inf`), and for integers so long that
/// Python refuses their decimal digits, which are hexadecimal here.
pub fn to_python(value: &Value) -> String {
    let mut text = String::new();
    print(value, &mut text);
    text
}

/// Python refuses to read more decimal digits than this (`sys.int_info.default_max_str_digits`).
const PYTHON_DIGITS_MAX: usize = 4300;

fn print(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("None"),
        Value::Bool(true) => out.push_str("True"),
        Value::Bool(false) => out.push_str("False"),
        Value::Int(int) => {
            write!(out, "{int}").expect("a string takes any text");
        }
        Value::BigInt(digits) if digits.len() <= PYTHON_DIGITS_MAX => out.push_str(digits),
        Value::BigInt(digits) => {
            let (sign, digits) = digits.strip_prefix('-').map_or(("", &**digits), |d| ("-", d));
            out.push_str(sign);
            out.push_str("0x");
            out.push_str(&integer::decimal_to_hex(digits));
        }
        Value::Float(float) => print_float(*float, out),
        Value::Complex(re, im) => {
            out.push_str("complex(");
            print_float(*re, out);
            out.push_str(", ");
            print_float(*im, out);
            out.push(')');
        }
        Value::Str(text) => {
            let quote = if text.contains('\'') { '"' } else { '\'' };
            out.push(quote);
            for c in text.chars() {
                print_char(c, quote, out);
            }
            out.push(quote);
        }
        Value::Bytes(bytes) => {
            out.push_str("b'");
            for byte in bytes {
                match byte {
                    0x80.. => write!(out, "\\x{byte:02x}").expect("a string takes any text"),
                    ..0x80 => print_char(char::from(*byte), '\'', out),
                }
            }
            out.push('\'');
        }
        Value::List(items) => print_items("[", items, "]", out),
        Value::Tuple(items) if items.len() == 1 => print_items("(", items, ",)", out),
        Value::Tuple(items) => print_items("(", items, ")", out),
        Value::Set(items) if items.is_empty() => out.push_str("set()"),
        Value::Set(items) => print_items("{", items, "}", out),
        Value::FrozenSet(items) if items.is_empty() => out.push_str("frozenset()"),
        Value::FrozenSet(items) => print_items("frozenset({", items, "})", out),
        Value::Dict(entries) => {
            out.push('{');
            for (at, (key, value)) in entries.iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                print(key, out);
                out.push_str(": ");
                print(value, out);
            }
            out.push('}');
        }
    }
}

fn print_items(open: &str, items: &[Value], close: &str, out: &mut String) {
    out.push_str(open);
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        print(item, out);
    }
    out.push_str(close);
}

fn print_float(float: f64, out: &mut String) {
    if float.is_nan() {
        out.push_str("float('nan')");
    } else if float.is_infinite() {
        out.push_str(if float > 0.0 { "float('inf')" } else { "float('-inf')" });
    } else {
        write!(out, "{float:?}").expect("a string takes any text");
    }
}

/// A character between quotes: line ends and invisible characters are escaped.
fn print_char(c: char, quote: char, out: &mut String) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\\' => out.push_str("\\\\"),
        _ if c == quote => {
            out.push('\\');
            out.push(c);
        }
        '\0'..=' ' | '\u{7f}'..='\u{a0}' | '\u{ad}' if c != ' ' => {
            write!(out, "\\x{:02x}", u32::from(c)).expect("a string takes any text");
        }
        '\u{2028}' | '\u{2029}' | '\u{feff}' => {
            write!(out, "\\u{:04x}", u32::from(c)).expect("a string takes any text");
        }
        _ => out.push(c),
    }
}

#[cfg(test)]
mod tests;
