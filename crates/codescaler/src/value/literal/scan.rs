//! The parts of literals that have no parts: numbers, strings, names, and the space between them.

use super::{LiteralError, Value, integer};

/// Whose literals are read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Python,
    Json,
}

/// A place in the text.
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    dialect: Dialect,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str, dialect: Dialect) -> Scanner<'a> {
        Scanner { text, at: 0, dialect }
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Bytes read so far.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// An error at the next part.
    pub(super) fn error(&self, message: &str) -> LiteralError {
        LiteralError { byte: self.at, message: message.to_owned() }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// The next character that is no space and in no comment.
    pub(super) fn peek(&mut self) -> Option<char> {
        loop {
            let rest = self.rest();
            let trimmed = match self.dialect {
                Dialect::Json => rest.trim_start_matches([' ', '\t', '\n', '\r']),
                Dialect::Python => {
                    let trimmed = rest.trim_start_matches([' ', '\t', '\n', '\r', '\x0c']);
                    if trimmed.starts_with('#') {
                        trimmed.find('\n').map_or("", |end| &trimmed[end..])
                    } else {
                        let joined = trimmed.strip_prefix("\\\r\n");
                        joined.or_else(|| trimmed.strip_prefix("\\\n")).unwrap_or(trimmed)
                    }
                }
            };
            self.at += rest.len() - trimmed.len();
            if rest.len() == trimmed.len() {
                return rest.chars().next();
            }
        }
    }

    /// Goes past the character that [`Scanner::peek`] saw.
    pub(super) fn advance(&mut self) {
        self.at += self.rest().chars().next().map_or(0, char::len_utf8);
    }

    /// Goes past `c` if it comes next.
    pub(super) fn eat(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        if found {
            self.advance();
        }
        found
    }

    /// A name, with dots in it where there are some.
    pub(super) fn name(&mut self) -> String {
        self.while_matching(|c| c.is_alphanumeric() || c == '_' || c == '.').to_owned()
    }

    /// The name of a keyword argument and its `=`, if they come next.
    pub(super) fn keyword(&mut self) -> Option<String> {
        self.peek();
        let start = self.at;
        let name = self.while_matching(|c| c.is_alphanumeric() || c == '_');
        if !name.is_empty() && self.eat('=') && self.peek() != Some('=') {
            return Some(name.to_owned());
        }
        self.at = start;
        None
    }

    fn while_matching(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// An integer, a float or an imaginary number, without sign.
    pub(super) fn number(&mut self) -> Result<Value, LiteralError> {
        let start = self.error("malformed number");
        let word = self.while_matching(|c| c.is_ascii_alphanumeric() || c == '.' || c == '_');
        let exponent_sign = word.ends_with(['e', 'E'])
            && !word.starts_with("0x")
            && !word.starts_with("0X")
            && self.rest().starts_with(['+', '-']);
        let mut word = word.to_owned();
        if exponent_sign {
            word.push_str(&self.text[self.at..=self.at]);
            self.at += 1;
            word.push_str(self.while_matching(|c| c.is_ascii_alphanumeric() || c == '_'));
        }
        let value = match self.dialect {
            Dialect::Python => python_number(&word),
            Dialect::Json => json_number(&word),
        };
        value.ok_or(start)
    }

    /// Whether a string with a prefix such as `rb` comes next.
    pub(super) fn at_prefixed_string(&self) -> bool {
        let rest = self.rest();
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        (1..=2).contains(&letters) && rest[letters..].starts_with(['"', '\''])
    }

    /// One string, or in Python several to be joined.
    pub(super) fn strings(&mut self) -> Result<Value, LiteralError> {
        if self.dialect == Dialect::Json {
            return Ok(Value::Str(self.json_string()?));
        }
        let mut value = self.python_string()?;
        while matches!(self.peek(), Some('"' | '\'')) || self.at_prefixed_string() {
            let mixed = self.error("bytes and text cannot be joined");
            match (&mut value, self.python_string()?) {
                (Value::Str(text), Value::Str(more)) => text.push_str(&more),
                (Value::Bytes(bytes), Value::Bytes(more)) => bytes.extend(more),
                _ => return Err(mixed),
            }
        }
        Ok(value)
    }

    fn python_string(&mut self) -> Result<Value, LiteralError> {
        let start = self.error("unknown string prefix");
        let letters = self.while_matching(|c| c.is_ascii_alphabetic()).to_ascii_lowercase();
        let (raw, bytes, format) = match letters.as_str() {
            "" | "u" => (false, false, false),
            "r" => (true, false, false),
            "b" => (false, true, false),
            "rb" | "br" => (true, true, false),
            "f" => (false, false, true),
            "rf" | "fr" => (true, false, true),
            _ => return Err(start),
        };
        let single = &self.rest()[..1];
        let triple = single.repeat(3);
        let long = self.rest().starts_with(&triple);
        let quote = if long { triple.as_str() } else { single };
        self.at += quote.len();
        let mut text = Text { bytes, units: Vec::new() };
        loop {
            let here = self.error("the string has no end");
            let Some(c) = self.rest().chars().next() else { return Err(here) };
            if self.rest().starts_with(quote) {
                self.at += quote.len();
                return text.finish().ok_or(LiteralError {
                    byte: start.byte,
                    message: "the string has a lone surrogate".to_owned(),
                });
            }
            match c {
                '\n' if !long => return Err(here),
                '{' | '}' if format => {
                    // `{{` stands for one brace; anything else is evaluated.
                    if !self.rest()[1..].starts_with(c) {
                        return Err(self.error("an f-string with a replacement is no literal"));
                    }
                    text.push(u32::from(c));
                    self.at += 2;
                }
                '\\' if raw => {
                    text.push(u32::from('\\'));
                    self.at += 1;
                    if let Some(next) = self.rest().chars().next() {
                        text.push(u32::from(next));
                        self.advance();
                    }
                }
                '\\' => self.escape(&mut text)?,
                '\r' => {
                    // Python reads every line end as a newline.
                    self.at += if self.rest().starts_with("\r\n") { 2 } else { 1 };
                    text.push(u32::from('\n'));
                }
                _ if bytes && !c.is_ascii() => {
                    return Err(self.error("bytes hold only ASCII characters"));
                }
                _ => {
                    text.push(u32::from(c));
                    self.advance();
                }
            }
        }
    }

    fn escape(&mut self, text: &mut Text) -> Result<(), LiteralError> {
        let malformed = self.error("malformed escape");
        self.at += 1;
        let Some(c) = self.rest().chars().next() else { return Ok(()) };
        self.advance();
        let unit = match c {
            '\n' => return Ok(()),
            '\r' => {
                self.at += usize::from(self.rest().starts_with('\n'));
                return Ok(());
            }
            '\\' | '\'' | '"' => u32::from(c),
            'a' => 7,
            'b' => 8,
            'f' => 12,
            'n' => 10,
            'r' => 13,
            't' => 9,
            'v' => 11,
            '0'..='7' => {
                let more = self.rest().bytes().take(2).take_while(|b| matches!(b, b'0'..=b'7'));
                let end = self.at + more.count();
                let octal = &self.text[self.at - 1..end];
                self.at = end;
                u32::from_str_radix(octal, 8).map_err(|_| malformed.clone())?
            }
            'x' => self.hex(2).ok_or_else(|| malformed.clone())?,
            'u' if !text.bytes => self.hex(4).ok_or_else(|| malformed.clone())?,
            'U' if !text.bytes => self.hex(8).ok_or_else(|| malformed.clone())?,
            'N' if !text.bytes => {
                return Err(LiteralError {
                    message: "a character by its Unicode name is not read".to_owned(),
                    ..malformed
                });
            }
            _ => {
                text.push(u32::from('\\'));
                u32::from(c)
            }
        };
        if unit > text.unit_max() {
            return Err(malformed);
        }
        text.push(unit);
        Ok(())
    }

    fn hex(&mut self, digits: usize) -> Option<u32> {
        let hex = self.rest().get(..digits)?;
        if !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        self.at += digits;
        u32::from_str_radix(hex, 16).ok()
    }

    fn json_string(&mut self) -> Result<String, LiteralError> {
        let start = self.error("the string has no end");
        self.at += 1;
        let bytes = self.text.as_bytes();
        let mut end = self.at;
        loop {
            match bytes.get(end) {
                Some(b'"') => break,
                Some(b'\\') => end += 2,
                Some(_) => end += 1,
                None => return Err(start),
            }
        }
        let quoted = &self.text[start.byte..=end];
        let string = serde_json::from_str(quoted)
            .map_err(|error| LiteralError { byte: start.byte, message: error.to_string() })?;
        self.at = end + 1;
        Ok(string)
    }
}

/// A string under construction: code points, or bytes.
struct Text {
    bytes: bool,
    units: Vec<u32>,
}

impl Text {
    fn push(&mut self, unit: u32) {
        self.units.push(unit);
    }

    fn unit_max(&self) -> u32 {
        if self.bytes { 0xff } else { u32::from(char::MAX) }
    }

    /// `None` where a code point is no character.
    fn finish(self) -> Option<Value> {
        Some(if self.bytes {
            let bytes = self.units.into_iter().map(u8::try_from).collect::<Result<_, _>>();
            Value::Bytes(bytes.expect("no unit is above 255"))
        } else {
            Value::Str(self.units.into_iter().map(char::from_u32).collect::<Option<_>>()?)
        })
    }
}

fn python_number(word: &str) -> Option<Value> {
    let lower = word.to_ascii_lowercase();
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = lower.strip_prefix(prefix) {
            // `0x_f` is an integer too.
            let digits = without_underscores(digits.strip_prefix('_').unwrap_or(digits))?;
            if !digits.chars().all(|c| c.is_digit(radix)) {
                return None;
            }
            return Value::int_from_digits(&integer::to_decimal(&digits, radix));
        }
    }
    let imaginary = lower.strip_suffix('j');
    let number = imaginary.unwrap_or(&lower);
    let plain = number.split(['.', 'e', '+', '-']).map(|part| match part {
        "" => Some(String::new()),
        _ => without_underscores(part),
    });
    let parts: Vec<String> = plain.collect::<Option<_>>()?;
    let has_mantissa = !parts[0].is_empty() || parts.get(1).is_some_and(|part| !part.is_empty());
    if !has_mantissa || number.ends_with(['e', '+', '-']) {
        return None;
    }
    let digits: String = number.chars().filter(|c| *c != '_').collect();
    if imaginary.is_none() && digits.bytes().all(|b| b.is_ascii_digit()) {
        // Python refuses `07`, which was octal once.
        let zeros = digits.bytes().all(|b| b == b'0');
        return if digits.starts_with('0') && !zeros {
            None
        } else {
            Value::int_from_digits(&digits)
        };
    }
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let float = digits.parse().ok()?;
    Some(if imaginary.is_some() { Value::Complex(0.0, float) } else { Value::Float(float) })
}

/// The digits, if every underscore stands between two of them.
fn without_underscores(digits: &str) -> Option<String> {
    let well_placed = digits.split('_').all(|part| !part.is_empty());
    well_placed.then(|| digits.replace('_', ""))
}

fn json_number(word: &str) -> Option<Value> {
    let (mantissa, exponent) = match word.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
        }
        None => (word, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let canonical = whole == "0" || !whole.starts_with('0');
    if !canonical || ![Some(whole), fraction, exponent].into_iter().flatten().all(digits) {
        return None;
    }
    if fraction.is_none() && exponent.is_none() {
        return Value::int_from_digits(word);
    }
    word.parse().ok().map(Value::Float)
}
