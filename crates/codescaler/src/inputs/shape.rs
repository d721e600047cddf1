//! What the values at one place have in common over all visible inputs: kind, range, alphabet,
//! order. A new value keeps it.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use super::{bounds::Bounds, relation::Relations};
use crate::value::Value;

/// The kind of value at one place, with the facts that hold for all of them.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    Bool,
    Int(Ints),
    Float(Vec<f64>),
    Text(Text),
    Sequence(Sequence),
    Record(Record),
    Dict(Dict),
    /// Lists of several lengths, each told by the first element (`[1, x]`, `[2, l, r]`), which
    /// stays.
    Tagged(Vec<Record>),
    /// Always this.
    Constant(Value),
    /// Values of several kinds, or of a kind that has no facts: one of these, or alike.
    Other(Vec<Value>),
}

/// 64-bit integers.
#[derive(Clone, Debug)]
pub(super) struct Ints {
    /// Ascending, distinct.
    pub(super) seen: Vec<i64>,
    pub(super) range: Bounds,
}

#[derive(Clone, Debug)]
pub(super) struct Text {
    /// Distinct, as they came.
    pub(super) seen: Vec<String>,
    /// The characters that occur; ascending.
    pub(super) alphabet: Vec<char>,
    pub(super) length_min: usize,
    pub(super) length_max: usize,
    /// Digits amid marks (`12:30`, `1.250`), or kinds of characters in fixed places (`a1`): a
    /// character becomes one of its kind, and marks stay.
    pub(super) form: bool,
    /// Digits without a zero in front.
    pub(super) numeral: bool,
}

/// Values of one kind, any number of them.
#[derive(Clone, Debug)]
pub(super) struct Sequence {
    pub(super) kind: Kind,
    pub(super) item: Box<Shape>,
    /// Elements that were seen, from which new ones are borrowed.
    pub(super) pool: Vec<Value>,
    pub(super) length_min: usize,
    pub(super) length_max: usize,
    pub(super) ascending: bool,
    pub(super) descending: bool,
    pub(super) distinct: bool,
    /// The least element of what are permutations of consecutive integers.
    pub(super) permutation: Option<i64>,
    /// The first two numbers of each element are the ends of an edge, and no edges make a cycle.
    pub(super) forest: bool,
}

/// The containers that hold elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    List,
    Tuple,
    Set,
    FrozenSet,
}

/// A fixed number of values, each with a shape of its own, and what relates them.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) kind: Kind,
    pub(super) fields: Vec<Shape>,
    pub(super) relations: Relations,
}

#[derive(Clone, Debug)]
pub(super) struct Dict {
    /// Entries that were seen.
    pub(super) pool: Vec<(Value, Value)>,
    pub(super) value: Box<Shape>,
    pub(super) length_min: usize,
}

/// What is known of the numbers and sizes at a place before looking at them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    /// Bounds of numbers that the statement gives, where all seen numbers satisfy them.
    pub(super) number: Bounds,
    /// Bounds of the outermost size.
    pub(super) size: Bounds,
    /// Whether nothing may be as good as something where only something was seen: 0 among
    /// positive numbers, and empty lists and strings.
    pub(super) nothing: bool,
}

impl Known {
    fn inner(self) -> Known {
        Known { size: Bounds::default(), ..self }
    }

    fn size_min(self, seen: usize) -> usize {
        let stated = self.size.low.and_then(|low| usize::try_from(low).ok());
        match stated {
            Some(low) => low.min(seen),
            None if self.nothing => 0,
            None => seen.min(1),
        }
    }

    fn size_max(self, seen: usize) -> usize {
        /// Sizes grow to twice what was seen, and small ones to this.
        const SMALL: usize = 8;
        let stated = self.size.high.and_then(|high| usize::try_from(high).ok());
        (2 * seen).max(SMALL).min(stated.unwrap_or(usize::MAX)).max(seen)
    }
}

/// The elements of a container.
pub(super) fn items(value: &Value) -> Option<(Kind, &[Value])> {
    match value {
        Value::List(items) => Some((Kind::List, items)),
        Value::Tuple(items) => Some((Kind::Tuple, items)),
        Value::Set(items) => Some((Kind::Set, items)),
        Value::FrozenSet(items) => Some((Kind::FrozenSet, items)),
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::BigInt(_)
        | Value::Float(_)
        | Value::Complex(..)
        | Value::Str(_)
        | Value::Bytes(_)
        | Value::Dict(_) => None,
    }
}

/// The elements of a container, to be changed.
pub(super) fn items_mut(value: &mut Value) -> Option<&mut Vec<Value>> {
    match value {
        Value::List(items) | Value::Tuple(items) | Value::Set(items) | Value::FrozenSet(items) => {
            Some(items)
        }
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::BigInt(_)
        | Value::Float(_)
        | Value::Complex(..)
        | Value::Str(_)
        | Value::Bytes(_)
        | Value::Dict(_) => None,
    }
}

fn all<'v, T>(values: &[&'v Value], of: impl Fn(&'v Value) -> Option<T>) -> Option<Vec<T>> {
    if values.is_empty() { None } else { values.iter().map(|value| of(value)).collect() }
}

pub(super) fn int(value: &Value) -> Option<i64> {
    if let Value::Int(number) = value { Some(*number) } else { None }
}

pub(super) fn text(value: &Value) -> Option<&str> {
    if let Value::Str(text) = value { Some(text) } else { None }
}

fn entries(value: &Value) -> Option<&Vec<(Value, Value)>> {
    if let Value::Dict(entries) = value { Some(entries) } else { None }
}

fn float(value: &Value) -> Option<f64> {
    if let Value::Float(number) = value { Some(*number) } else { None }
}

impl Shape {
    /// What the values have in common.
    pub(super) fn learn(values: &[&Value], known: Known) -> Shape {
        if let Some(numbers) = all(values, int) {
            return Shape::Int(Ints::learn(numbers, known));
        }
        if let Some(numbers) = all(values, float) {
            return Shape::Float(numbers);
        }
        if let Some(texts) = all(values, text) {
            return Shape::Text(Text::learn(&texts, known));
        }
        if all(values, |value| matches!(value, Value::Bool(_)).then_some(())).is_some() {
            return Shape::Bool;
        }
        if let Some(containers) = all(values, items)
            && containers.iter().all(|(kind, _)| *kind == containers[0].0)
        {
            let kind = containers[0].0;
            let rows: Vec<&[Value]> = containers.iter().map(|(_, items)| *items).collect();
            if fixed(kind, &rows) {
                return Shape::Record(Record::learn(kind, &rows, known));
            }
            if let Some(records) = tagged(kind, &rows, known) {
                return Shape::Tagged(records);
            }
            return Shape::Sequence(Sequence::learn(kind, &rows, known));
        }
        if let Some(dicts) = all(values, entries) {
            return Shape::Dict(Dict::learn(&dicts, known));
        }
        Shape::Other(distinct(values))
    }

    /// Whether the value is as those that were seen.
    pub(super) fn holds(&self, value: &Value) -> bool {
        match self {
            Shape::Bool => matches!(value, Value::Bool(_)),
            Shape::Int(ints) => int(value).is_some_and(|number| ints.range.holds(number)),
            Shape::Float(seen) => float(value).is_some_and(|number| {
                number.is_finite() && (number >= 0.0 || seen.iter().any(|&seen| seen < 0.0))
                    || seen.iter().any(|seen| seen.to_bits() == number.to_bits())
            }),
            Shape::Text(shape) => text(value).is_some_and(|text| shape.holds(text)),
            Shape::Sequence(shape) => {
                items(value).is_some_and(|(kind, items)| kind == shape.kind && shape.holds(items))
            }
            Shape::Record(shape) => {
                items(value).is_some_and(|(kind, items)| kind == shape.kind && shape.holds(items))
            }
            Shape::Dict(shape) => {
                if let Value::Dict(entries) = value {
                    entries.len() >= shape.length_min
                        && entries.iter().all(|(_, value)| shape.value.holds(value))
                } else {
                    false
                }
            }
            Shape::Tagged(records) => records.iter().any(|record| {
                items(value).is_some_and(|(kind, items)| kind == record.kind && record.holds(items))
            }),
            Shape::Constant(constant) => constant == value,
            Shape::Other(seen) => seen
                .iter()
                .any(|seen| std::mem::discriminant(seen) == std::mem::discriminant(value)),
        }
    }
}

/// Whether the containers are records: tuples of one size, or short inner lists of one size.
fn fixed(kind: Kind, rows: &[&[Value]]) -> bool {
    /// Longer inner lists are rows of a matrix that happen to be equally long.
    const FIELDS_MAX: usize = 4;
    let width = rows[0].len();
    let equal = width > 0 && rows.iter().all(|row| row.len() == width);
    let mixed = || {
        let kinds = |row: &&[Value]| row.iter().map(std::mem::discriminant).collect::<Vec<_>>();
        width > 1 && rows.iter().any(|row| kinds(row).windows(2).any(|pair| pair[0] != pair[1]))
    };
    match kind {
        Kind::Tuple => equal,
        Kind::List => equal && ((2..=FIELDS_MAX).contains(&width) && rows.len() > width || mixed()),
        Kind::Set | Kind::FrozenSet => false,
    }
}

/// Lists whose first element tells their length: one record for each.
fn tagged(kind: Kind, rows: &[&[Value]], known: Known) -> Option<Vec<Record>> {
    /// More kinds than any problem has, and fewer than random numbers.
    const TAGS_MAX: usize = 6;
    let mut tags: Vec<(&Value, Vec<&[Value]>)> = Vec::new();
    for &row in rows {
        let tag = row.first().filter(|tag| matches!(tag, Value::Int(_) | Value::Str(_)))?;
        match tags.iter_mut().find(|(other, _)| *other == tag) {
            Some((_, rows)) if rows[0].len() == row.len() => rows.push(row),
            Some(_) => return None,
            None => tags.push((tag, vec![row])),
        }
    }
    let several = (2..=TAGS_MAX).contains(&tags.len()) && rows.len() > tags.len();
    let lengths_differ = rows.iter().any(|row| row.len() != rows[0].len());
    (kind == Kind::List && several && lengths_differ).then(|| {
        let record = |(tag, rows): (&Value, Vec<&[Value]>)| {
            let mut fields = Record::fields(&rows, known);
            fields[0] = Shape::Constant(tag.clone());
            Record::new(kind, fields, &rows)
        };
        tags.into_iter().map(record).collect()
    })
}

/// The values without repetition, as they came.
fn distinct(values: &[&Value]) -> Vec<Value> {
    /// Enough to borrow from.
    const SEEN_MAX: usize = 256;
    let mut seen: Vec<Value> = Vec::new();
    for &value in values {
        if seen.len() < SEEN_MAX && !seen.contains(value) {
            seen.push(value.clone());
        }
    }
    seen
}

impl Ints {
    fn learn(mut seen: Vec<i64>, known: Known) -> Ints {
        seen.sort_unstable();
        seen.dedup();
        let (least, most) = (seen[0], seen[seen.len() - 1]);
        // Non-negative numbers stay so; positive ones too, unless there is a reason to try 0.
        let sign = match least {
            i64::MIN..0 => None,
            1.. if !known.nothing => Some(1),
            0.. => Some(0),
        };
        let stated = known.number;
        let low = stated.low.filter(|&low| low <= least);
        let high = stated.high.filter(|&high| most <= high);
        Ints { seen, range: Bounds { low: low.max(sign), high } }
    }
}

impl Text {
    fn learn(texts: &[&str], known: Known) -> Text {
        let mut seen: Vec<String> = Vec::new();
        for text in texts {
            if !seen.iter().any(|seen| seen == text) {
                seen.push((*text).to_owned());
            }
        }
        let mut alphabet: Vec<char> = texts.iter().flat_map(|text| text.chars()).collect();
        alphabet.sort_unstable();
        alphabet.dedup();
        let length = |text: &&str| text.chars().count();
        let shortest = texts.iter().map(length).min().unwrap_or(0);
        let longest = texts.iter().map(length).max().unwrap_or(0);
        let digit = |text: &&str| text.chars().any(|c| c.is_ascii_digit());
        let mark = |text: &&str| text.chars().any(|c| c.is_ascii_punctuation());
        let number = |text: &&str| {
            text.len() == 1
                || (!text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit()))
        };
        // Single characters stay so, where more than one shows it.
        let single = texts.len() > 1 && (shortest, longest) == (1, 1);
        let same_outline = texts.len() > 1
            && texts.iter().all(|text| outline(text) == outline(texts[0]))
            && outline(texts[0]).chars().any(|kind| !outline(texts[0]).starts_with(kind));
        Text {
            seen,
            alphabet,
            length_min: if single { 1 } else { known.size_min(shortest) },
            length_max: if single { 1 } else { known.size_max(longest) },
            form: same_outline || texts.iter().all(|text| digit(text) && mark(text)),
            numeral: texts.iter().all(|text| number(text) && digit(text)) && longest > 1,
        }
    }

    fn holds(&self, text: &str) -> bool {
        let length = text.chars().count();
        (self.length_min..=self.length_max).contains(&length)
            && text.chars().all(|c| self.alphabet.binary_search(&c).is_ok())
            && (!self.form || self.seen.iter().any(|seen| outline(seen) == outline(text)))
            && (!self.numeral || length == 1 || !text.starts_with('0'))
    }
}

/// What kind of character a character is: a digit, a letter, or itself.
pub(super) fn class(c: char) -> char {
    match c {
        '0'..='9' => '0',
        'a'..='z' => 'a',
        'A'..='Z' => 'A',
        mark => mark,
    }
}

fn outline(text: &str) -> String {
    text.chars().map(class).collect()
}

impl Sequence {
    fn learn(kind: Kind, rows: &[&[Value]], known: Known) -> Sequence {
        let elements: Vec<&Value> = rows.iter().flat_map(|row| row.iter()).collect();
        let item = if elements.is_empty() {
            Shape::Other(Vec::new())
        } else {
            Shape::learn(&elements, known.inner())
        };
        let shortest = rows.iter().map(|row| row.len()).min().unwrap_or(0);
        let longest = rows.iter().map(|row| row.len()).max().unwrap_or(0);
        // One pair in order, or two different elements, are no evidence.
        let pairs: usize = rows.iter().map(|row| row.len().saturating_sub(1)).sum();
        let evident = pairs >= 2;
        let ordered = |order: Ordering| {
            evident
                && rows.iter().all(|row| in_order(row, order))
                && rows.iter().any(|row| {
                    row.windows(2).any(|pair| compare(&pair[0], &pair[1]) == Some(order))
                })
        };
        Sequence {
            kind,
            item: Box::new(item),
            pool: distinct(&elements),
            length_min: known.size_min(shortest),
            length_max: known.size_max(longest),
            ascending: ordered(Ordering::Less),
            descending: ordered(Ordering::Greater),
            distinct: matches!(kind, Kind::Set | Kind::FrozenSet)
                || (evident && rows.iter().all(|row| all_distinct(row))),
            permutation: [0, 1]
                .into_iter()
                .find(|&base| evident && rows.iter().all(|row| is_permutation(row, base))),
            forest: evident && rows.iter().all(|row| is_forest(row)),
        }
    }

    fn holds(&self, items: &[Value]) -> bool {
        (self.length_min..=self.length_max).contains(&items.len())
            && items.iter().all(|item| self.item.holds(item))
            && (!self.ascending || in_order(items, Ordering::Less))
            && (!self.descending || in_order(items, Ordering::Greater))
            && (!self.distinct || all_distinct(items))
            && self.permutation.is_none_or(|base| is_permutation(items, base))
            && (!self.forest || is_forest(items))
    }
}

impl Record {
    pub(super) fn learn(kind: Kind, rows: &[&[Value]], known: Known) -> Record {
        Record::new(kind, Record::fields(rows, known), rows)
    }

    fn fields(rows: &[&[Value]], known: Known) -> Vec<Shape> {
        let column = |at: usize| rows.iter().map(|row| &row[at]).collect::<Vec<_>>();
        (0..rows[0].len()).map(|at| Shape::learn(&column(at), known.inner())).collect()
    }

    /// Fields whose shapes are known already.
    pub(super) fn new(kind: Kind, mut fields: Vec<Shape>, rows: &[&[Value]]) -> Record {
        share_alphabets(&mut fields);
        let relations = Relations::learn(&fields, rows);
        Record { kind, fields, relations }
    }

    pub(super) fn holds(&self, values: &[Value]) -> bool {
        values.len() == self.fields.len()
            && self.fields.iter().zip(values).all(|(shape, value)| shape.holds(value))
            && self.relations.hold(values)
    }
}

/// Texts of one record with the same kinds of characters use each other's.
fn share_alphabets(fields: &mut [Shape]) {
    let kinds = |alphabet: &[char]| {
        let kind = |&c: &char| if c.is_ascii_punctuation() { '.' } else { class(c) };
        alphabet.iter().map(kind).collect::<BTreeSet<char>>()
    };
    let alphabets: Vec<Vec<char>> = fields
        .iter()
        .filter_map(|field| if let Shape::Text(text) = field { Some(text) } else { None })
        .map(|text| text.alphabet.clone())
        .collect();
    for field in fields {
        if let Shape::Text(text) = field {
            let own = kinds(&text.alphabet);
            let alike = alphabets.iter().filter(|alphabet| kinds(alphabet) == own);
            text.alphabet =
                alike.flatten().copied().collect::<BTreeSet<char>>().into_iter().collect();
        }
    }
}

impl Dict {
    fn learn(dicts: &[&Vec<(Value, Value)>], known: Known) -> Dict {
        /// Enough to borrow from.
        const SEEN_MAX: usize = 256;
        let values: Vec<&Value> =
            dicts.iter().flat_map(|entries| entries.iter().map(|(_, value)| value)).collect();
        let value = if values.is_empty() {
            Shape::Other(Vec::new())
        } else {
            Shape::learn(&values, known.inner())
        };
        let shortest = dicts.iter().map(|entries| entries.len()).min().unwrap_or(0);
        let pool = dicts.iter().flat_map(|entries| entries.iter().cloned());
        Dict {
            pool: pool.take(SEEN_MAX).collect(),
            value: Box::new(value),
            length_min: known.size_min(shortest),
        }
    }
}

/// The order of two values of one kind; `None` where there is none.
pub(super) fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    if let (Some(a), Some(b)) = (int(a), int(b)) {
        return Some(a.cmp(&b));
    }
    if let (Some(a), Some(b)) = (float(a), float(b)) {
        return a.partial_cmp(&b);
    }
    if let (Some(a), Some(b)) = (text(a), text(b)) {
        return Some(a.cmp(b));
    }
    let ((kind_a, a), (kind_b, b)) = (items(a)?, items(b)?);
    if kind_a != kind_b || matches!(kind_a, Kind::Set | Kind::FrozenSet) {
        return None;
    }
    for (a, b) in a.iter().zip(b) {
        match compare(a, b)? {
            Ordering::Equal => {}
            order @ (Ordering::Less | Ordering::Greater) => return Some(order),
        }
    }
    Some(a.len().cmp(&b.len()))
}

/// Whether neighbours are equal or in the order given.
fn in_order(items: &[Value], order: Ordering) -> bool {
    items.windows(2).all(|pair| {
        compare(&pair[0], &pair[1]).is_some_and(|found| found == order || found == Ordering::Equal)
    })
}

fn all_distinct(items: &[Value]) -> bool {
    (1..items.len()).all(|at| !items[..at].contains(&items[at]))
}

fn is_permutation(items: &[Value], base: i64) -> bool {
    let Some(mut numbers) = items.iter().map(int).collect::<Option<Vec<i64>>>() else {
        return false;
    };
    numbers.sort_unstable();
    numbers.iter().zip(base..).all(|(&number, expected)| number == expected)
}

/// Whether the elements are edges between numbered vertices, without a cycle.
pub(super) fn is_forest(edges: &[Value]) -> bool {
    // The tree to which each vertex belongs, told by one of its vertices.
    let mut trees: BTreeMap<i64, i64> = BTreeMap::new();
    edges.iter().all(|edge| {
        let Some((_, [a, b, ..])) = items(edge) else { return false };
        let (Some(a), Some(b)) = (int(a), int(b)) else { return false };
        let tree_a = *trees.entry(a).or_insert(a);
        let tree_b = *trees.entry(b).or_insert(b);
        trees.values_mut().filter(|tree| **tree == tree_b).for_each(|tree| *tree = tree_a);
        tree_a != tree_b
    })
}
