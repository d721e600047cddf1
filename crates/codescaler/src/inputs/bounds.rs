//! Bounds of numbers that a statement gives: `1 <= N <= 10^5`, `1 ≤ A_i ≤ 100`,
//! `0 <= nums[i] < 2^31`, `$1 \leq N \leq 2 \times 10^5$`.

use std::collections::BTreeMap;

/// Least and greatest value, both inclusive; `None` where the statement gives none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) low: Option<i64>,
    pub(super) high: Option<i64>,
}

impl Bounds {
    pub(super) fn holds(self, value: i64) -> bool {
        self.low.is_none_or(|low| low <= value) && self.high.is_none_or(|high| value <= high)
    }

    /// What satisfies either.
    fn or(self, other: Bounds) -> Bounds {
        let either = |a: Option<i64>, b: Option<i64>, pick: fn(i64, i64) -> i64| match (a, b) {
            (Some(a), Some(b)) => Some(pick(a, b)),
            (one, other) => one.or(other),
        };
        Bounds {
            low: either(self.low, other.low, i64::min),
            high: either(self.high, other.high, i64::max),
        }
    }
}

/// The bounds of a statement, by the text they are given for: `n`, `nums[i]`, `nums.length`.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Stated(BTreeMap<String, Bounds>);

impl Stated {
    /// Reads every chain of comparisons between a number and a name.
    pub(super) fn read(statement: &str) -> Stated {
        let mut stated = Stated::default();
        for line in statement.lines() {
            stated.read_line(&plain(line));
        }
        stated
    }

    fn read_line(&mut self, line: &str) {
        let line = line.trim_start();
        let line = line.strip_prefix("- ").unwrap_or(line);
        // `strict[i]` tells how parts `i` and `i + 1` are compared.
        let (mut parts, mut strict) = (Vec::new(), Vec::new());
        let mut rest = line;
        while let Some(at) = rest.find('<') {
            parts.push(&rest[..at]);
            let after = &rest[at + 1..];
            strict.push(!after.starts_with('='));
            rest = after.strip_prefix('=').unwrap_or(after);
        }
        parts.push(rest);
        for (at, part) in parts.iter().enumerate() {
            // `a < b, and 3 < 5`: what ends with a number is no name with an upper bound.
            let low = at.checked_sub(1).and_then(|before| {
                let number = last_number(parts[before])?;
                number.checked_add(i64::from(strict[before]))
            });
            let named = last_number(part).is_none();
            let high = parts.get(at + 1).filter(|_| named).and_then(|after| {
                let number = first_number(after)?;
                number.checked_sub(i64::from(strict[at]))
            });
            if low.is_none() && high.is_none() {
                continue;
            }
            for name in part.split([',', '=']).map(name).filter(|name| !name.is_empty()) {
                let known = self.0.entry(name.to_owned()).or_default();
                *known = known.or(Bounds { low, high });
            }
        }
    }

    /// What every number of the statement satisfies.
    pub(super) fn common(&self) -> Bounds {
        self.0.values().fold(Bounds::default(), |all, &bounds| all.or(bounds))
    }

    /// The bounds of the numbers of the parameter `name`: its own, or its elements'.
    pub(super) fn value_of(&self, name: &str) -> Option<Bounds> {
        let element = |key: &str| {
            key.strip_prefix(name).is_some_and(|rest| {
                rest.is_empty() || (rest.starts_with(['[', '_']) && !rest.contains('.'))
            })
        };
        let mut found = self.0.iter().filter(|(key, _)| element(key)).map(|(_, &bounds)| bounds);
        let first = found.next()?;
        Some(found.fold(first, Bounds::or))
    }

    /// The bounds of the length of the parameter `name`.
    pub(super) fn length_of(&self, name: &str) -> Option<Bounds> {
        let keys = [format!("{name}.length"), format!("len({name})"), format!("|{name}|")];
        keys.iter().find_map(|key| self.0.get(key)).copied()
    }
}

/// The names of a Python function's parameters, `self` left out, from the code to start from.
pub(super) fn parameters(starter: &str) -> Vec<String> {
    let Some(signature) = starter.rfind("def ").map(|at| &starter[at..]) else {
        return Vec::new();
    };
    let Some(open) = signature.find('(') else { return Vec::new() };
    let mut names = vec![String::new()];
    let mut depth = 0;
    for c in signature[open + 1..].chars() {
        match c {
            ')' if depth == 0 => break,
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(name) = names.last_mut() {
            name.push(c);
        }
    }
    let name = |text: &String| text.split([':', '=']).next().unwrap_or("").trim().to_owned();
    names.iter().map(name).filter(|name| !name.is_empty() && name != "self").collect()
}

/// The line with one notation for comparisons, products and powers.
fn plain(line: &str) -> String {
    const NOTATION: [(&str, &str); 18] = [
        ("\\leqq", "<="),
        ("\\leqslant", "<="),
        ("\\leq", "<="),
        ("\\le", "<="),
        ("\\lt", "<"),
        ("≤", "<="),
        ("≦", "<="),
        ("&lt;", "<"),
        ("\\times", "*"),
        ("\\cdot", "*"),
        ("×", "*"),
        ("⋅", "*"),
        ("\\ldots", ""),
        ("{,}", ""),
        ("\\,", ""),
        ("$", ""),
        ("`", ""),
        ("−", "-"),
    ];
    let mut line = line.to_owned();
    for (from, to) in NOTATION {
        if line.contains(from) {
            line = line.replace(from, to);
        }
    }
    line
}

/// The part of a comparison that names something, without spaces; empty when nothing does.
fn name(part: &str) -> &str {
    let part = part.trim();
    if part.contains(char::is_whitespace) || !part.contains(char::is_alphabetic) {
        ""
    } else {
        part
    }
}

/// The number with which the text begins.
fn first_number(text: &str) -> Option<i64> {
    number(text).map(|(value, _)| value)
}

/// The number with which the text ends.
fn last_number(text: &str) -> Option<i64> {
    let text = text.trim_end();
    let starts = text.char_indices().filter(|&(at, c)| {
        let (before, after) = text.split_at(at);
        let apart = before.is_empty() || before.ends_with([' ', '\t', '(']);
        let signed = c == '-' && after[1..].starts_with(|c: char| c.is_ascii_digit());
        apart
            && (signed || c.is_ascii_digit())
            && !before.trim_end().ends_with(['+', '-', '*', '/', '^'])
    });
    starts.map(|(at, _)| &text[at..]).find_map(|tail| {
        let (value, rest) = number(tail)?;
        rest.trim().is_empty().then_some(value)
    })
}

/// `[-] a [^ b] {* c [^ d]} [± 1]` at the start of the text, and what follows.
fn number(text: &str) -> Option<(i64, &str)> {
    let text = text.trim_start();
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest.trim_start()),
        None => (1, text),
    };
    let (mut value, mut rest) = power(text)?;
    while let Some((factor, after)) = rest.trim_start().strip_prefix('*').and_then(power) {
        value = value.checked_mul(factor)?;
        rest = after;
    }
    value = value.checked_mul(sign)?;
    for (mark, sign) in [('-', -1), ('+', 1)] {
        if let Some((term, after)) = rest.trim_start().strip_prefix(mark).and_then(digits) {
            return Some((value.checked_add(sign * term)?, after));
        }
    }
    // `2n` and `3N` are no numbers, nor is what is too large for the place.
    (!rest.starts_with(|c: char| c.is_alphabetic())).then_some((value, rest))
}

fn power(text: &str) -> Option<(i64, &str)> {
    let (base, rest) = digits(text)?;
    let Some(exponent) = rest.trim_start().strip_prefix('^') else { return Some((base, rest)) };
    let exponent = exponent.trim_start();
    let braced = exponent.strip_prefix('{');
    let (exponent, rest) = digits(braced.unwrap_or(exponent))?;
    let rest = if braced.is_some() { rest.trim_start().strip_prefix('}')? } else { rest };
    Some((base.checked_pow(u32::try_from(exponent).ok()?)?, rest))
}

/// Digits, with commas between groups of three.
fn digits(text: &str) -> Option<(i64, &str)> {
    let text = text.trim_start();
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut end = 0;
    while digit(end)
        || (end > 0
            && bytes.get(end) == Some(&b',')
            && (1..4).all(|i| digit(end + i))
            && !digit(end + 4))
    {
        end += 1;
    }
    let value = text[..end].replace(',', "").parse().ok()?;
    Some((value, &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: &[(&str, Option<i64>, Option<i64>)]) {
        let found = Stated::read(line).0;
        let found: Vec<_> =
            found.iter().map(|(name, bounds)| (name.as_str(), bounds.low, bounds.high)).collect();
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn chains_of_comparisons_are_read() {
        check("1 <= N <= 10^5", &[("N", Some(1), Some(100_000))]);
        check("- 1\\leq N\\leq2\\times10 ^ 5", &[("N", Some(1), Some(200_000))]);
        check("$1 \\le t \\le 10^{4}$ cases", &[("t", Some(1), Some(10_000))]);
        check("1 ≤ A_i ≤ 100", &[("A_i", Some(1), Some(100))]);
        check("-1000 <= nums[i] <= 1000", &[("nums[i]", Some(-1000), Some(1000))]);
        check(
            "- -10^9 \\leq X_i \\leq 10^9",
            &[("X_i", Some(-1_000_000_000), Some(1_000_000_000))],
        );
        check("0 <= nums[i] <= 2^31 - 1", &[("nums[i]", Some(0), Some(2_147_483_647))]);
        check("1 <= nums[i] < 2^7", &[("nums[i]", Some(1), Some(127))]);
        check(
            "1 <= n == nums.length <= 2,000",
            &[("n", Some(1), Some(2000)), ("nums.length", Some(1), Some(2000))],
        );
        check("0 <= kx, ky <= 49", &[("kx", Some(0), Some(49)), ("ky", Some(0), Some(49))]);
        check("1 \\leq L_i \\leq R_i \\leq N", &[("L_i", Some(1), None)]);
        check(
            "0 \\leq A_{x} \\leq 999 (1 \\leq x \\leq N)",
            &[("A_{x}", Some(0), Some(999)), ("x", Some(1), None)],
        );
        check("a < b, and 3 < 5", &[]);
        check("N - 1 <= M <= 7", &[("M", None, Some(7))]);
        check("1 <= num1, num2 <= 9", &[("num1", Some(1), Some(9)), ("num2", Some(1), Some(9))]);
        check("1 <= n <= 99999999999999999999", &[("n", Some(1), None)]);
        check("nothing of the kind", &[]);
    }

    #[test]
    fn bounds_are_found_by_parameter() {
        let stated = Stated::read("1 <= nums.length <= 9\n-5 <= nums[i] <= 5\n0 <= k < 7");
        assert_eq!(
            parameters("class S:\n    def f(self, nums: Dict[int, str], k=3) -> int:"),
            ["nums", "k"]
        );
        assert_eq!(stated.value_of("nums"), Some(Bounds { low: Some(-5), high: Some(5) }));
        assert_eq!(stated.length_of("nums"), Some(Bounds { low: Some(1), high: Some(9) }));
        assert_eq!(stated.value_of("k"), Some(Bounds { low: Some(0), high: Some(6) }));
        assert_eq!(stated.value_of("n"), None);
        assert_eq!(stated.common(), Bounds { low: Some(-5), high: Some(9) });
    }
}
