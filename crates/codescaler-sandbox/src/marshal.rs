//! Values on the wire: version 2 of Python's marshal format, written and read here.
//!
//! The interpreter writes and reads it in C, by exact type, without running code of the program's;
//! what a program sends is only ever read on this side, by a reader that checks every length. (In
//! version 2 there are no back references, so a value's size bounds its bytes.) A `bytearray`
//! comes as bytes: that is what the format makes of it.

use codescaler::value::{VALUE_DEPTH_MAX, Value};

/// Integers of more bits are refused: turning them into decimal digits takes quadratic time.
pub(crate) const INT_BITS_MAX: usize = 1 << 18;

/// A value of more parts is refused: a part of one byte takes thirty once it is built.
const VALUES_MAX: usize = 1 << 22;

/// What the long integers of one value may cost together, each the square of its digits: as much
/// as the longest alone.
const DIGITS_SQUARED_MAX: usize = (INT_BITS_MAX / 15) * (INT_BITS_MAX / 15);

/// What is wrong with a value from outside.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    /// It is cut short, too long, or lies about its lengths.
    #[error("the bytes are no value")]
    Bytes,
    /// It holds something that is no plain value.
    #[error("{0}")]
    NotPlain(String),
}

/// The bytes of a value.
pub(crate) fn encode(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(value, &mut bytes);
    bytes
}

/// The bytes of a tuple of values.
pub(crate) fn encode_tuple(items: &[Value]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_items(b'(', items, &mut bytes);
    bytes
}

/// Whether an interpreter can read the value: members of sets and keys have to be hashable.
pub(crate) fn is_readable(value: &Value) -> bool {
    match value {
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::BigInt(_)
        | Value::Float(_)
        | Value::Complex(..)
        | Value::Str(_)
        | Value::Bytes(_) => true,
        Value::List(items) | Value::Tuple(items) => items.iter().all(is_readable),
        Value::Set(items) | Value::FrozenSet(items) => items.iter().all(Value::is_hashable),
        Value::Dict(entries) => {
            entries.iter().all(|(key, value)| key.is_hashable() && is_readable(value))
        }
    }
}

fn write_length(length: usize, bytes: &mut Vec<u8>) {
    bytes.extend(u32::try_from(length).expect("values are far below 4 GiB").to_le_bytes());
}

fn write_items(tag: u8, items: &[Value], bytes: &mut Vec<u8>) {
    bytes.push(tag);
    write_length(items.len(), bytes);
    for item in items {
        write(item, bytes);
    }
}

fn write_bytes(tag: u8, content: &[u8], bytes: &mut Vec<u8>) {
    bytes.push(tag);
    write_length(content.len(), bytes);
    bytes.extend(content);
}

fn write(value: &Value, bytes: &mut Vec<u8>) {
    match value {
        Value::Null => bytes.push(b'N'),
        Value::Bool(true) => bytes.push(b'T'),
        Value::Bool(false) => bytes.push(b'F'),
        Value::Int(int) => match i32::try_from(*int) {
            Ok(small) => {
                bytes.push(b'i');
                bytes.extend(small.to_le_bytes());
            }
            Err(_) => {
                let magnitude = int.unsigned_abs();
                let digits: Vec<u16> = (0..5)
                    .map(|at| (magnitude >> (15 * at)) & 0x7fff)
                    .map(|digit| u16::try_from(digit).expect("fifteen bits"))
                    .collect();
                write_digits(&digits, *int < 0, bytes);
            }
        },
        Value::BigInt(text) => {
            let (negative, digits) = match text.strip_prefix('-') {
                Some(digits) => (true, digits),
                None => (false, text.as_str()),
            };
            write_digits(&base_32768(digits), negative, bytes);
        }
        Value::Float(float) => {
            bytes.push(b'g');
            bytes.extend(float.to_le_bytes());
        }
        Value::Complex(re, im) => {
            bytes.push(b'y');
            bytes.extend(re.to_le_bytes());
            bytes.extend(im.to_le_bytes());
        }
        Value::Str(text) => write_bytes(b'u', text.as_bytes(), bytes),
        Value::Bytes(content) => write_bytes(b's', content, bytes),
        Value::List(items) => write_items(b'[', items, bytes),
        Value::Tuple(items) => write_items(b'(', items, bytes),
        Value::Set(items) => write_items(b'<', items, bytes),
        Value::FrozenSet(items) => write_items(b'>', items, bytes),
        Value::Dict(entries) => {
            bytes.push(b'{');
            for (key, value) in entries {
                write(key, bytes);
                write(value, bytes);
            }
            bytes.push(b'0');
        }
    }
}

fn write_digits(digits: &[u16], negative: bool, bytes: &mut Vec<u8>) {
    let length = digits.iter().rposition(|&digit| digit != 0).map_or(0, |last| last + 1);
    let count = i32::try_from(length).expect("integers are far below 2³¹ digits");
    bytes.push(b'l');
    bytes.extend(if negative { -count } else { count }.to_le_bytes());
    for digit in &digits[..length] {
        bytes.extend(digit.to_le_bytes());
    }
}

/// Decimal digits as digits of base 2¹⁵, the lowest first.
fn base_32768(decimal: &str) -> Vec<u16> {
    let mut digits: Vec<u16> = Vec::new();
    for chunk in decimal.as_bytes().chunks(9) {
        let mut carry = chunk.iter().fold(0_u64, |sum, b| sum * 10 + u64::from(b - b'0'));
        let scale = 10_u64.pow(u32::try_from(chunk.len()).expect("at most nine"));
        for digit in &mut digits {
            carry += u64::from(*digit) * scale;
            *digit = u16::try_from(carry & 0x7fff).expect("fifteen bits");
            carry >>= 15;
        }
        while carry > 0 {
            digits.push(u16::try_from(carry & 0x7fff).expect("fifteen bits"));
            carry >>= 15;
        }
    }
    digits
}

/// Digits of base 2¹⁵, the lowest first, as decimal digits.
fn decimal(digits: &[u16]) -> String {
    let mut limbs: Vec<u32> = Vec::new();
    // Horner's rule, with 10⁹ as the base of the result.
    for &digit in digits.iter().rev() {
        let mut carry = u64::from(digit);
        for limb in &mut limbs {
            let sum = (u64::from(*limb) << 15) + carry;
            *limb = u32::try_from(sum % 1_000_000_000).expect("below 10⁹");
            carry = sum / 1_000_000_000;
        }
        if carry > 0 {
            limbs.push(u32::try_from(carry).expect("below 2¹⁵ and one carry"));
        }
    }
    let mut text = limbs.pop().map_or_else(|| "0".to_owned(), |limb| limb.to_string());
    text.extend(limbs.iter().rev().map(|limb| format!("{limb:09}")));
    text
}

/// The value that `bytes` are, all of them.
pub(crate) fn decode(bytes: &[u8]) -> Result<Value, Malformed> {
    let mut reader = Reader::new(bytes);
    let tag = reader.byte()?;
    let value = reader.value(tag, VALUE_DEPTH_MAX)?;
    if reader.rest.is_empty() { Ok(value) } else { Err(Malformed::Bytes) }
}

/// Whether `bytes` are a plain value, which the interpreter reads without harm: the same rules as
/// [`decode`], but nothing is built, so that values of any size and integers of any length pass.
pub(crate) fn inspect(bytes: &[u8]) -> Result<(), Malformed> {
    let mut reader = Reader::new(bytes);
    let tag = reader.byte()?;
    reader.pass(tag, VALUE_DEPTH_MAX)?;
    if reader.rest.is_empty() { Ok(()) } else { Err(Malformed::Bytes) }
}

struct Reader<'a> {
    rest: &'a [u8],
    /// Values that may still be built.
    n_left: usize,
    digits_squared_left: usize,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes, n_left: VALUES_MAX, digits_squared_left: DIGITS_SQUARED_MAX }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Malformed::Bytes)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        Ok(self.take(N)?.try_into().expect("N bytes were taken"))
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?[0])
    }

    fn length(&mut self) -> Result<usize, Malformed> {
        usize::try_from(i32::from_le_bytes(self.array()?)).map_err(|_| Malformed::Bytes)
    }

    fn float(&mut self) -> Result<f64, Malformed> {
        Ok(f64::from_le_bytes(self.array()?))
    }

    /// Reads over a value.
    fn pass(&mut self, tag: u8, depth: usize) -> Result<(), Malformed> {
        let inner = deeper(depth)?;
        match tag {
            b'[' | b'(' | b'<' | b'>' => {
                for _ in 0..self.n_items()? {
                    let tag = self.byte()?;
                    self.pass(tag, inner)?;
                }
                Ok(())
            }
            b'{' => loop {
                let tag = self.byte()?;
                if tag == b'0' {
                    return Ok(());
                }
                self.pass(tag, inner)?;
                let tag = self.byte()?;
                self.pass(tag, inner)?;
            },
            b's' => {
                let length = self.length()?;
                self.take(length).map(drop)
            }
            b'l' => self.digits().map(drop),
            // Scalars and texts are quickly built; what is refused is refused there.
            _ => {
                self.n_left = VALUES_MAX;
                self.value(tag, depth).map(drop)
            }
        }
    }

    fn value(&mut self, tag: u8, depth: usize) -> Result<Value, Malformed> {
        let depth = deeper(depth)?;
        self.n_left = self
            .n_left
            .checked_sub(1)
            .ok_or_else(|| Malformed::NotPlain(format!("made of more than {VALUES_MAX} values")))?;
        Ok(match tag {
            b'N' => Value::Null,
            b'T' => Value::Bool(true),
            b'F' => Value::Bool(false),
            b'i' => Value::Int(i32::from_le_bytes(self.array()?).into()),
            b'l' => self.long()?,
            b'g' => Value::Float(self.float()?),
            b'y' => Value::Complex(self.float()?, self.float()?),
            b's' => {
                let length = self.length()?;
                Value::Bytes(self.take(length)?.to_vec())
            }
            b'u' => {
                let length = self.length()?;
                let text = std::str::from_utf8(self.take(length)?)
                    .map_err(|_| Malformed::NotPlain("text with lone surrogates".to_owned()))?;
                Value::Str(text.to_owned())
            }
            b'[' => Value::List(self.items(depth)?),
            b'(' => Value::Tuple(self.items(depth)?),
            b'<' => Value::Set(self.items(depth)?),
            b'>' => Value::FrozenSet(self.items(depth)?),
            b'{' => Value::Dict(self.entries(depth)?),
            b'.' => return Err(Malformed::NotPlain("ellipsis".to_owned())),
            b'c' => return Err(Malformed::NotPlain("code".to_owned())),
            b'S' => return Err(Malformed::NotPlain("StopIteration".to_owned())),
            _ => return Err(Malformed::Bytes),
        })
    }

    /// A number of items: each takes a byte at least, so a lie about it reserves nothing.
    fn n_items(&mut self) -> Result<usize, Malformed> {
        self.length().ok().filter(|length| *length <= self.rest.len()).ok_or(Malformed::Bytes)
    }

    fn items(&mut self, depth: usize) -> Result<Vec<Value>, Malformed> {
        (0..self.n_items()?)
            .map(|_| {
                let tag = self.byte()?;
                self.value(tag, depth)
            })
            .collect()
    }

    fn entries(&mut self, depth: usize) -> Result<Vec<(Value, Value)>, Malformed> {
        let mut entries = Vec::new();
        loop {
            let tag = self.byte()?;
            if tag == b'0' {
                return Ok(entries);
            }
            let key = self.value(tag, depth)?;
            let tag = self.byte()?;
            entries.push((key, self.value(tag, depth)?));
        }
    }

    fn long(&mut self) -> Result<Value, Malformed> {
        let (negative, digits) = self.digits()?;
        if digits.len() * 15 > INT_BITS_MAX {
            return Err(Malformed::NotPlain(format!(
                "an integer of more than {INT_BITS_MAX} bits"
            )));
        }
        let cost = digits.len() * digits.len();
        self.digits_squared_left = self
            .digits_squared_left
            .checked_sub(cost)
            .ok_or_else(|| Malformed::NotPlain("too many long integers".to_owned()))?;
        let sign = if negative { "-" } else { "" };
        Value::int_from_digits(&format!("{sign}{}", decimal(&digits))).ok_or(Malformed::Bytes)
    }

    /// The sign of a long integer, and its digits to the base 2¹⁵, the lowest first.
    fn digits(&mut self) -> Result<(bool, Vec<u16>), Malformed> {
        let count = i32::from_le_bytes(self.array()?);
        let length = usize::try_from(count.unsigned_abs()).map_err(|_| Malformed::Bytes)?;
        let bytes = self.take(length.checked_mul(2).ok_or(Malformed::Bytes)?)?;
        let digits: Vec<u16> =
            bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        // The interpreter refuses zeros in front.
        if digits.iter().any(|&digit| digit > 0x7fff) || digits.last() == Some(&0) {
            return Err(Malformed::Bytes);
        }
        Ok((count < 0, digits))
    }
}

/// What is left of the depth inside a value.
fn deeper(depth: usize) -> Result<usize, Malformed> {
    depth
        .checked_sub(1)
        .ok_or_else(|| Malformed::NotPlain(format!("nested deeper than {VALUE_DEPTH_MAX}")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(value: &Value) {
        let back = decode(&encode(value)).unwrap();
        assert_eq!(format!("{back:?}"), format!("{value:?}"));
    }

    #[test]
    fn values_come_back() {
        let big = |text: &str| Value::int_from_digits(text).unwrap();
        check(&Value::Dict(vec![
            (Value::Tuple(vec![Value::Null, Value::Bool(true)]), Value::List(vec![])),
            (Value::Str("é\0".into()), Value::Bytes(vec![0, 255])),
            (Value::FrozenSet(vec![Value::Int(1)]), Value::Set(vec![Value::Float(-0.0)])),
            (Value::Complex(1.0, f64::INFINITY), Value::Bool(false)),
        ]));
        for int in ["0", "-1", "2147483647", "2147483648", "-2147483649", "9223372036854775807"] {
            check(&big(int));
        }
        check(&big("-9223372036854775808"));
        check(&big("9223372036854775808"));
        check(&big(&format!("-1{}", "0".repeat(500))));
        check(&big(&"987654321".repeat(100)));
    }

    /// What the interpreter itself writes for a few values.
    #[test]
    fn bytes_are_as_the_interpreter_has_them() {
        assert_eq!(encode(&Value::Int(1 << 40)), b"l\x03\0\0\0\0\0\0\0\0\x04");
        assert_eq!(encode(&Value::Int(-5)), b"i\xfb\xff\xff\xff");
        assert_eq!(encode(&Value::Str("ab".into())), b"u\x02\0\0\0ab");
        assert_eq!(encode_tuple(&[Value::Null]), b"(\x01\0\0\0N");
        assert_eq!(encode(&Value::Dict(vec![(Value::Null, Value::Null)])), b"{NN0");
    }

    #[test]
    fn bad_bytes_are_refused() {
        for bad in [
            &b""[..],
            b"?",
            b"[\xff\xff\xff\x7f",
            b"[\xff\xff\xff\xff",
            b"NN",
            b"{N0",
            b"u\x05\0\0\0a",
            b">\0\0\0\x01S",
        ] {
            assert_eq!(decode(bad), Err(Malformed::Bytes), "{bad:?}");
            assert_eq!(inspect(bad), Err(Malformed::Bytes), "{bad:?}");
        }
        let deep = [b"[\x01\0\0\0".repeat(100), b"N".to_vec()].concat();
        assert!(matches!(decode(&deep), Err(Malformed::NotPlain(_))));
        assert_eq!(decode(b"l\xff\xff\xff\x7f"), Err(Malformed::Bytes));
        assert_eq!(decode(b"l\x01\0\0\0\0\0"), Err(Malformed::Bytes));
        let long = [&b"l\0\0\x01\0"[..], &b"\x01\0".repeat(1 << 16)].concat();
        assert!(matches!(decode(&long), Err(Malformed::NotPlain(_))));
        assert_eq!(inspect(&long), Ok(()));
        assert!(matches!(decode(b"u\x03\0\0\0\xed\xa0\x80"), Err(Malformed::NotPlain(_))));
        assert!(matches!(decode(b"."), Err(Malformed::NotPlain(_))));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_value_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(decode(&bytes).map(drop), inspect(&bytes));
        }

        #[test]
        fn any_integer_comes_back(digits in "-?[1-9][0-9]{0,200}") {
            let value = Value::int_from_digits(&digits).unwrap();
            prop_assert_eq!(decode(&encode(&value)).unwrap(), value);
        }
    }
}
