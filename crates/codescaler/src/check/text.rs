//! Rules for text.

/// Lines without trailing blanks, up to the last that is not blank.
fn trimmed(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.split('\n').map(str::trim_end).collect();
    while lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    lines
}

pub(super) fn trim(expected: &str, actual: &str) -> bool {
    trimmed(expected) == trimmed(actual)
}

pub(super) fn tokens(expected: &str, actual: &str) -> bool {
    expected.split_whitespace().eq(actual.split_whitespace())
}

pub(super) fn lines_unordered(expected: &str, actual: &str) -> bool {
    let sorted = |text| {
        let mut lines = trimmed(text);
        lines.sort_unstable();
        lines
    };
    sorted(expected) == sorted(actual)
}

pub(super) fn floats(expected: &str, actual: &str, tolerance: (f64, f64)) -> bool {
    let (mut expected, mut actual) = (expected.split_whitespace(), actual.split_whitespace());
    loop {
        match (expected.next(), actual.next()) {
            (None, None) => return true,
            (Some(expected), Some(actual)) if float_token(expected, actual, tolerance) => {}
            (Some(_) | None, Some(_) | None) => return false,
        }
    }
}

fn float_token(expected: &str, actual: &str, tolerance: (f64, f64)) -> bool {
    if expected == actual {
        return true;
    }
    if is_integer(expected) && is_integer(actual) {
        return Decimal::parse(expected) == Decimal::parse(actual);
    }
    match (number(expected), number(actual)) {
        (Some(expected), Some(actual)) => near(expected, actual, tolerance),
        (Some(_) | None, Some(_) | None) => false,
    }
}

/// Whether `actual` is within the absolute or the relative tolerance of `expected`; infinities
/// only equal themselves, NaN nothing.
pub(super) fn near(expected: f64, actual: f64, (abs, rel): (f64, f64)) -> bool {
    if expected == actual {
        return true;
    }
    let difference = (expected - actual).abs();
    difference.is_finite() && (difference <= abs || difference <= rel * expected.abs())
}

fn is_integer(token: &str) -> bool {
    let digits = token.strip_prefix(['+', '-']).unwrap_or(token);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

/// A finite number in decimal notation; `nan`, `inf` and hexadecimal are no numbers here.
fn number(token: &str) -> Option<f64> {
    if !token.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b)) {
        return None;
    }
    token.parse::<f64>().ok().filter(|float| float.is_finite())
}

pub(super) fn livecodebench(expected: &str, actual: &str) -> bool {
    let lines = |text: &'_ str| -> Vec<String> {
        text.trim().split('\n').map(|line| line.trim().to_owned()).collect()
    };
    let (expected, actual) = (lines(expected), lines(actual));
    expected.len() == actual.len()
        && expected.iter().zip(&actual).all(|(expected, actual)| {
            expected == actual
                || match (decimals(expected), decimals(actual)) {
                    (Some(expected), Some(actual)) => expected == actual,
                    (Some(_) | None, Some(_) | None) => false,
                }
        })
}

/// All tokens of a line as decimals; `None` where one is no number, or a NaN, which equals nothing.
fn decimals(line: &str) -> Option<Vec<Decimal>> {
    line.split_whitespace().map(Decimal::parse).collect()
}

/// A number in decimal notation, exact at any length: ± 0.DIGITS × 10^EXPONENT.
#[derive(Debug, PartialEq, Eq)]
enum Decimal {
    Infinite { negative: bool },
    Finite { negative: bool, digits: String, exponent: i64 },
}

impl Decimal {
    /// What Python's `Decimal(token)` takes: digits with a point, an exponent, underscores, and
    /// infinity by name.
    fn parse(token: &str) -> Option<Decimal> {
        let (negative, rest) = match token.as_bytes().first()? {
            b'-' => (true, &token[1..]),
            b'+' => (false, &token[1..]),
            _ => (false, token),
        };
        let rest = rest.replace('_', "").to_ascii_lowercase();
        if rest == "inf" || rest == "infinity" {
            return Some(Decimal::Infinite { negative });
        }
        let (mantissa, exponent) = match rest.split_once('e') {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (rest.as_str(), 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        if all.is_empty() || !all.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let significant = all.trim_start_matches('0');
        let leading_zeros = i64::try_from(all.len() - significant.len()).ok()?;
        let digits = significant.trim_end_matches('0').to_owned();
        if digits.is_empty() {
            return Some(Decimal::Finite { negative: false, digits, exponent: 0 });
        }
        let exponent =
            exponent.checked_add(i64::try_from(whole.len()).ok()?)?.checked_sub(leading_zeros)?;
        Some(Decimal::Finite { negative, digits, exponent })
    }
}
