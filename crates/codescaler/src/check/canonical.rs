//! Equality by canonical bytes: linear time after sorting, and no order where there is none.

use crate::value::Value;

/// Bytes that are equal exactly for equal values: the same types throughout, sets and dictionaries
/// in any order, one NaN, one zero.
pub fn canonical(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(value, Equality::Exact, &mut bytes);
    bytes
}

/// Python's `==`. NaN makes it false wherever it stands: two NaNs that came over a wire are never
/// the same object.
pub(super) fn python_eq(left: &Value, right: &Value) -> bool {
    let bytes = |value| {
        let mut bytes = Vec::new();
        write(value, Equality::Python, &mut bytes).then_some(bytes)
    };
    match (bytes(left), bytes(right)) {
        (Some(left), Some(right)) => left == right,
        (None, _) | (_, None) => false,
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Equality {
    /// Types count.
    Exact,
    /// Numbers are equal across types, and so are sets and frozen sets.
    Python,
}

/// Writes `value` so that no two unequal values give the same bytes: a tag, then content that
/// tells its own end. False when NaN makes the value unequal even to itself.
fn write(value: &Value, equality: Equality, bytes: &mut Vec<u8>) -> bool {
    let python = equality == Equality::Python;
    match value {
        Value::Null => tagged(b'0', b"", bytes),
        Value::Bool(b) if python => tagged(b'i', if *b { b"1" } else { b"0" }, bytes),
        Value::Bool(b) => tagged(b'b', if *b { b"1" } else { b"0" }, bytes),
        Value::Int(int) => tagged(b'i', int.to_string().as_bytes(), bytes),
        Value::BigInt(digits) => tagged(b'i', digits.as_bytes(), bytes),
        Value::Float(float) => return write_float(*float, equality, bytes),
        Value::Complex(re, im) if python && *im == 0.0 => return write_float(*re, equality, bytes),
        Value::Complex(re, im) => {
            bytes.push(b'c');
            return write_float(*re, equality, bytes) & write_float(*im, equality, bytes);
        }
        Value::Str(text) => tagged(b's', text.as_bytes(), bytes),
        Value::Bytes(content) => tagged(b'y', content, bytes),
        Value::List(items) => return write_items(b'l', items, equality, bytes),
        Value::Tuple(items) => return write_items(b't', items, equality, bytes),
        Value::Set(items) => return write_set(b'm', items, equality, bytes),
        Value::FrozenSet(items) => {
            return write_set(if python { b'm' } else { b'z' }, items, equality, bytes);
        }
        Value::Dict(entries) => return write_dict(entries, equality, bytes),
    }
    true
}

fn tagged(tag: u8, content: &[u8], bytes: &mut Vec<u8>) {
    bytes.push(tag);
    bytes.extend((content.len() as u64).to_le_bytes());
    bytes.extend(content);
}

fn write_float(float: f64, equality: Equality, bytes: &mut Vec<u8>) -> bool {
    if float.is_nan() {
        tagged(b'f', b"nan", bytes);
        return equality == Equality::Exact;
    }
    if equality == Equality::Python && float.is_finite() && float.fract() == 0.0 {
        // All the digits of an integer: how an equal integer is written. Zeros have no sign.
        tagged(b'i', format!("{:.0}", float + 0.0).as_bytes(), bytes);
    } else {
        tagged(b'f', &(float + 0.0).to_bits().to_le_bytes(), bytes);
    }
    true
}

fn write_items(tag: u8, items: &[Value], equality: Equality, bytes: &mut Vec<u8>) -> bool {
    bytes.push(tag);
    bytes.extend((items.len() as u64).to_le_bytes());
    items.iter().fold(true, |whole, item| write(item, equality, bytes) & whole)
}

fn write_set(tag: u8, items: &[Value], equality: Equality, bytes: &mut Vec<u8>) -> bool {
    let mut whole = true;
    let mut keys: Vec<Vec<u8>> = items
        .iter()
        .map(|item| {
            let mut key = Vec::new();
            whole &= write(item, equality, &mut key);
            key
        })
        .collect();
    keys.sort();
    keys.dedup();
    bytes.push(tag);
    bytes.extend((keys.len() as u64).to_le_bytes());
    bytes.extend(keys.concat());
    whole
}

fn write_dict(entries: &[(Value, Value)], equality: Equality, bytes: &mut Vec<u8>) -> bool {
    let mut whole = true;
    let mut keys: Vec<Vec<u8>> = entries
        .iter()
        .map(|(key, value)| {
            let mut entry = Vec::new();
            whole &= write(key, equality, &mut entry);
            whole &= write(value, equality, &mut entry);
            entry
        })
        .collect();
    keys.sort();
    bytes.push(b'd');
    bytes.extend((keys.len() as u64).to_le_bytes());
    bytes.extend(keys.concat());
    whole
}
