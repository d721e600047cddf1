//! Random changes to values that keep their shape, in the manner of EvalPlus's type-aware
//! mutation (arXiv:2305.01210, section 2.1, table 1).
//!
//! A change touches one place. Then [`repair_record`] makes what is related to the place follow,
//! and the caller drops what still does not fit.

use super::{
    relation::Step,
    shape::{
        Dict, Ints, Record, Sequence, Shape, Text, class, compare, int, is_forest, items, items_mut,
    },
};
use crate::{seed::Rng, value::Value};

/// An index into something of `len` elements; 0 when there is none.
pub(super) fn index(rng: &mut Rng, len: usize) -> usize {
    usize::try_from(rng.below(len.max(1) as u64)).expect("it is below a usize")
}

fn pick<'a, T>(rng: &mut Rng, from: &'a [T]) -> Option<&'a T> {
    from.get(index(rng, from.len()))
}

fn one_in(rng: &mut Rng, n: u64) -> bool {
    rng.below(n) == 0
}

/// Changes one place of a record.
pub(super) fn change_record(record: &Record, values: &mut [Value], rng: &mut Rng) {
    let at = index(rng, record.fields.len());
    if let (Some(shape), Some(value)) = (record.fields.get(at), values.get_mut(at)) {
        change(shape, value, rng);
    }
}

fn change(shape: &Shape, value: &mut Value, rng: &mut Rng) {
    match (shape, &mut *value) {
        (Shape::Bool, Value::Bool(truth)) => *truth = !*truth,
        (Shape::Int(ints), Value::Int(number)) => *number = change_int(ints, *number, rng),
        (Shape::Float(seen), Value::Float(number)) => *number = change_float(seen, *number, rng),
        (Shape::Text(text), Value::Str(string)) => *string = change_text(text, string, rng),
        (Shape::Dict(dict), Value::Dict(entries)) => change_dict(dict, entries, rng),
        (Shape::Sequence(sequence), container) => {
            if let Some(items) = items_mut(container) {
                change_sequence(sequence, items, rng);
            }
        }
        (Shape::Record(record), container) => {
            if let Some(items) = items_mut(container) {
                change_record(record, items, rng);
            }
        }
        (Shape::Tagged(records), container) => {
            if let Some(record) = tagged(records, container)
                && let Some(items) = items_mut(container)
            {
                change_record(record, items, rng);
            }
        }
        (Shape::Other(seen), _) => change_other(seen, value, rng),
        (
            Shape::Constant(_)
            | Shape::Bool
            | Shape::Int(_)
            | Shape::Float(_)
            | Shape::Text(_)
            | Shape::Dict(_),
            _,
        ) => {}
    }
}

/// The record that the first element tells.
fn tagged<'s>(records: &'s [Record], value: &Value) -> Option<&'s Record> {
    let (_, items) = items(value)?;
    let told = |record: &&Record| match (record.fields.first(), items.first()) {
        (Some(shape), Some(tag)) => shape.holds(tag),
        _ => false,
    };
    records.iter().find(told)
}

/// A neighbour, an edge, a value seen at the place, or one of about the same size.
fn change_int(ints: &Ints, number: i64, rng: &mut Rng) -> i64 {
    let magnitude = ints.seen.iter().map(|seen| seen.unsigned_abs()).max().unwrap_or(0);
    let reach = i64::try_from(magnitude).unwrap_or(i64::MAX).saturating_mul(2).max(10);
    let (low, high) = (ints.range.low, ints.range.high);
    let least = low.unwrap_or(-reach);
    let most = high.unwrap_or(i64::MAX).min(reach).max(least);
    let width = most.abs_diff(least).saturating_add(1);
    let uniform = |rng: &mut Rng| least.checked_add_unsigned(rng.below(width)).unwrap_or(most);
    for _ in 0..8 {
        let new = match rng.below(16) {
            0..3 => number.saturating_add(1),
            3..6 => number.saturating_sub(1),
            6 => pick(rng, &[0, 1, -1, 2]).copied().unwrap_or(0),
            7 => number.saturating_neg(),
            8 => least,
            9 => most,
            10 => power(2, most, rng),
            11 => power(10, most, rng),
            12 | 13 => pick(rng, &ints.seen).copied().unwrap_or(number),
            // What the statement allows at most; sparingly, since it may take long.
            14 if one_in(rng, 4) => high.unwrap_or(most),
            _ => uniform(rng),
        };
        if new != number && ints.range.holds(new) && (new <= most || Some(new) == high) {
            return new;
        }
    }
    number
}

/// A power of `base` up to `most`, or a neighbour of it.
fn power(base: i64, most: i64, rng: &mut Rng) -> i64 {
    let exponents = most.max(1).ilog(base) + 1;
    let exponent = u32::try_from(rng.below(u64::from(exponents))).unwrap_or(0);
    base.pow(exponent) + [-1, 0, 1][index(rng, 3)]
}

fn change_float(seen: &[f64], number: f64, rng: &mut Rng) -> f64 {
    let new = match rng.below(8) {
        0 => number + 1.0,
        1 => number - 1.0,
        2 => number * 2.0,
        3 => number / 2.0,
        4 => [0.0, 1.0, 0.5, -1.0][index(rng, 4)],
        5 => -number,
        6 => number + 0.1,
        _ => pick(rng, seen).copied().unwrap_or(number),
    };
    // Short decimals, as people write them.
    let rounded = (new * 1000.0).round() / 1000.0;
    if rounded.is_finite() && rounded.abs() < 1e9 { rounded } else { new }
}

fn change_text(text: &Text, string: &str, rng: &mut Rng) -> String {
    let mut chars: Vec<char> = string.chars().collect();
    let letter = |rng: &mut Rng| pick(rng, &text.alphabet).copied();
    if text.form {
        let at = index(rng, chars.len());
        let alike = |&c: &char| chars.get(at).is_some_and(|&old| class(c) == class(old));
        let alike: Vec<char> = text.alphabet.iter().copied().filter(alike).collect();
        if let Some(&new) = pick(rng, &alike) {
            chars[at] = new;
        }
        return chars.into_iter().collect();
    }
    let (at, other) = (index(rng, chars.len()), index(rng, chars.len()));
    match (rng.below(14), chars.is_empty()) {
        (0, _) => chars.clear(),
        (1, _) => return pick(rng, &text.seen).cloned().unwrap_or_default(),
        (2, _) => chars.extend_from_within(..),
        (3, _) | (_, true) => chars.insert(at, letter(rng).unwrap_or('a')),
        (4 | 5, false) => drop(chars.remove(at)),
        (6, false) => chars.insert(at, chars[at]),
        (7, false) => chars.swap(at, other),
        (8, false) => chars.reverse(),
        (9, false) => chars.truncate(1),
        (10, false) => {
            let only = chars[at];
            chars.fill(only);
        }
        (11, false) => {
            for place in &mut chars {
                *place = letter(rng).unwrap_or(*place);
            }
        }
        (_, false) => chars[at] = letter(rng).unwrap_or(chars[at]),
    }
    chars.into_iter().collect()
}

fn change_sequence(sequence: &Sequence, items: &mut Vec<Value>, rng: &mut Rng) {
    let (at, other) = (index(rng, items.len()), index(rng, items.len()));
    match (rng.below(24), items.is_empty()) {
        (0, _) => items.clear(),
        (1..4, _) | (_, true) => {
            if let Some(item) = fresh(sequence, items, rng) {
                items.insert(at, item);
            }
        }
        (4, false) => items.extend_from_within(..),
        (5, false) => items.insert(at, items[at].clone()),
        (6..9, false) => drop(items.remove(at)),
        (9, false) => items.truncate(1),
        (10, false) => items.reverse(),
        (11, false) => items.sort_by(|a, b| compare(a, b).unwrap_or(std::cmp::Ordering::Equal)),
        (12, false) => items.swap(at, other),
        (13, false) => items.rotate_left(at),
        (14, false) => {
            let only = items[at].clone();
            items.fill(only);
        }
        (15, false) => items[at] = items[other].clone(),
        (16, false) => items[at] = pick(rng, &sequence.pool).unwrap_or(&items[at]).clone(),
        (17, false) => {
            for item in items {
                change(&sequence.item, item, rng);
            }
        }
        (_, false) => change(&sequence.item, &mut items[at], rng),
    }
}

/// An element to add: one that is there, or was seen, changed now and then.
fn fresh(sequence: &Sequence, items: &[Value], rng: &mut Rng) -> Option<Value> {
    let from = if items.is_empty() || one_in(rng, 2) { &sequence.pool } else { items };
    let mut item = pick(rng, from)?.clone();
    if sequence.distinct || one_in(rng, 2) {
        let before = item.clone();
        change(&sequence.item, &mut item, rng);
        repair(&sequence.item, Some(&before), &mut item, rng);
    }
    Some(item)
}

/// Keys mostly stay: values change, and an entry is dropped or borrowed now and then.
fn change_dict(dict: &Dict, entries: &mut Vec<(Value, Value)>, rng: &mut Rng) {
    let at = index(rng, entries.len());
    match (rng.below(8), entries.is_empty()) {
        (0, false) => drop(entries.remove(at)),
        (1, _) | (_, true) => {
            if let Some((key, value)) = pick(rng, &dict.pool)
                && !entries.iter().any(|(known, _)| known == key)
            {
                entries.push((key.clone(), value.clone()));
            }
        }
        (_, false) => change(&dict.value, &mut entries[at].1, rng),
    }
}

/// Another of those seen, or the value changed as if it were alone.
fn change_other(seen: &[Value], value: &mut Value, rng: &mut Rng) {
    if one_in(rng, 2)
        && let Some(other) = pick(rng, seen)
    {
        *value = other.clone();
        return;
    }
    match value {
        Value::BigInt(digits) => {
            let last = char::from(b'0' + u8::try_from(rng.below(10)).unwrap_or(0));
            digits.pop();
            digits.push(last);
        }
        Value::Complex(re, im) => std::mem::swap(re, im),
        Value::Bytes(bytes) => {
            let at = index(rng, bytes.len());
            match bytes.get_mut(at) {
                Some(byte) if !one_in(rng, 4) => *byte = byte.wrapping_add(1),
                Some(_) => drop(bytes.remove(at)),
                None => {}
            }
        }
        Value::Null => {}
        Value::Bool(_)
        | Value::Int(_)
        | Value::Float(_)
        | Value::Str(_)
        | Value::List(_)
        | Value::Tuple(_)
        | Value::Set(_)
        | Value::FrozenSet(_)
        | Value::Dict(_) => {
            let alone = Shape::learn(&[value], super::shape::Known::default());
            if !matches!(alone, Shape::Other(_)) {
                change(&alone, value, rng);
            }
        }
    }
}

/// Makes what is related to a change follow it. `before` is the record without the change.
pub(super) fn repair_record(
    record: &Record,
    before: &[Value],
    values: &mut [Value],
    rng: &mut Rng,
) {
    record.relations.repair(before, values, &mut |path, part, length| {
        if let Some(shape) = part_shape(&record.fields, path) {
            resize(shape, part, length, rng);
        }
    });
    for ((shape, value), at) in record.fields.iter().zip(values).zip(0..) {
        repair(shape, before.get::<usize>(at), value, rng);
    }
}

fn repair(shape: &Shape, before: Option<&Value>, value: &mut Value, rng: &mut Rng) {
    let before = before.and_then(items).map(|(_, items)| items);
    match shape {
        Shape::Record(record) => {
            if let Some(values) = items_mut(value) {
                let unchanged;
                let before = match before {
                    Some(before) => before,
                    None => {
                        unchanged = values.clone();
                        &unchanged
                    }
                };
                repair_record(record, before, values, rng);
            }
        }
        Shape::Sequence(sequence) => {
            if let Some(values) = items_mut(value) {
                for (at, value) in values.iter_mut().enumerate() {
                    repair(&sequence.item, before.and_then(|before| before.get(at)), value, rng);
                }
                restore(sequence, values, rng);
            }
        }
        Shape::Tagged(records) => {
            if let Some(record) = tagged(records, value)
                && let Some(values) = items_mut(value)
            {
                let same = before.filter(|before| before.len() == values.len());
                let before = same.map_or_else(|| values.clone(), <[Value]>::to_vec);
                repair_record(record, &before, values, rng);
            }
        }
        Shape::Bool
        | Shape::Int(_)
        | Shape::Float(_)
        | Shape::Text(_)
        | Shape::Dict(_)
        | Shape::Constant(_)
        | Shape::Other(_) => {}
    }
}

/// The shape of the part to which a path of the record leads.
fn part_shape<'s>(fields: &'s [Shape], path: &[Step]) -> Option<&'s Shape> {
    let (first, rest) = path.split_first()?;
    let Step::Field(at) = first else { return None };
    let mut shape = fields.get(*at)?;
    for step in rest {
        shape = match (step, shape) {
            (Step::Each, Shape::Sequence(sequence)) => &sequence.item,
            (Step::Field(at), Shape::Record(record)) => record.fields.get(*at)?,
            _ => return None,
        };
    }
    Some(shape)
}

/// Drops or adds elements, or characters, at random places.
fn resize(shape: &Shape, value: &mut Value, length: usize, rng: &mut Rng) {
    /// No list is made longer by this repair.
    const LENGTH_MAX: usize = 4096;
    if length > LENGTH_MAX {
        return;
    }
    match (shape, &mut *value) {
        (Shape::Text(text), Value::Str(string)) => {
            let mut chars: Vec<char> = string.chars().collect();
            while chars.len() > length {
                chars.remove(index(rng, chars.len()));
            }
            while chars.len() < length {
                let Some(&letter) = pick(rng, &text.alphabet) else { return };
                chars.insert(index(rng, chars.len() + 1), letter);
            }
            *string = chars.into_iter().collect();
        }
        (Shape::Sequence(sequence), container) => {
            let Some(items) = items_mut(container) else { return };
            while items.len() > length {
                items.remove(index(rng, items.len()));
            }
            while items.len() < length {
                let Some(item) = fresh(sequence, items, rng) else { return };
                items.insert(index(rng, items.len() + 1), item);
            }
        }
        _ => {}
    }
}

/// Brings back the order, the distinctness and the permutation that elements had.
fn restore(sequence: &Sequence, items: &mut [Value], rng: &mut Rng) {
    /// So often an element is changed until it differs from the others.
    const TRIES: usize = 8;
    if let Some(base) = sequence.permutation {
        let mut order: Vec<usize> = (0..items.len()).collect();
        order.sort_by_key(|&at| int(&items[at]));
        for (rank, at) in (base..).zip(order) {
            items[at] = Value::Int(rank);
        }
    } else if sequence.distinct || sequence.forest {
        for at in 0..items.len() {
            for _ in 0..TRIES {
                let apart = !sequence.distinct || !items[..at].contains(&items[at]);
                if apart && (!sequence.forest || is_forest(&items[..=at])) {
                    break;
                }
                change(&sequence.item, &mut items[at], rng);
            }
        }
    }
    let by = |a: &Value, b: &Value| compare(a, b).unwrap_or(std::cmp::Ordering::Equal);
    if sequence.ascending {
        items.sort_by(by);
    } else if sequence.descending {
        items.sort_by(|a, b| by(b, a));
    }
}
