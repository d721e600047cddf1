//! What relates the values of a record in every visible input: a number that is a length, lengths
//! that are equal, numbers below other numbers. Changes are repaired until the relations hold.

use super::shape::{Shape, int, items, items_mut, text};
use crate::value::Value;

/// How to go from a record to some of its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The part at this position.
    Field(usize),
    /// Every element.
    Each,
}

/// A number that a record has at some place or, below [`Step::Each`], at many.
#[derive(Clone, Debug, PartialEq)]
struct Measure {
    path: Vec<Step>,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// The integer itself.
    Number,
    /// The length of a container or string.
    Length,
}

/// Measures that are one number: each, less its offset, is the same everywhere in the record.
#[derive(Clone, Debug)]
struct Tie {
    members: Vec<(Measure, i64)>,
    /// The number, where it never changes.
    constant: Option<i64>,
}

/// The numbers at one path never exceed a measure plus an offset of 0 or -1.
#[derive(Clone, Debug)]
struct Limit {
    numbers: Measure,
    most: Measure,
    offset: i64,
}

/// The relations of a record.
#[derive(Clone, Debug, Default)]
pub(super) struct Relations {
    ties: Vec<Tie>,
    limits: Vec<Limit>,
}

fn parts<'v>(values: &'v [Value], path: &[Step], found: &mut Vec<&'v Value>) {
    let Some((step, rest)) = path.split_first() else { return };
    let range = match step {
        Step::Field(at) => values.get(*at..=*at).unwrap_or(&[]),
        Step::Each => values,
    };
    for value in range {
        if rest.is_empty() {
            found.push(value);
        } else if let Some((_, inner)) = items(value) {
            parts(inner, rest, found);
        }
    }
}

fn each_part(values: &mut [Value], path: &[Step], change: &mut dyn FnMut(&mut Value)) {
    let Some((step, rest)) = path.split_first() else { return };
    let range = match step {
        Step::Field(at) => values.get_mut(*at..=*at).unwrap_or(&mut []),
        Step::Each => values,
    };
    for value in range {
        if rest.is_empty() {
            change(value);
        } else if let Some(inner) = items_mut(value) {
            each_part(inner, rest, change);
        }
    }
}

impl Measure {
    /// The numbers, ascending and without repetition.
    fn of(&self, values: &[Value]) -> Vec<i64> {
        let mut found = Vec::new();
        parts(values, &self.path, &mut found);
        let mut numbers: Vec<i64> =
            found.into_iter().filter_map(|part| self.number(part)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    fn number(&self, part: &Value) -> Option<i64> {
        match self.what {
            What::Number => int(part),
            What::Length => {
                let length = match text(part) {
                    Some(text) => text.chars().count(),
                    None => items(part)?.1.len(),
                };
                i64::try_from(length).ok()
            }
        }
    }

    fn single(&self) -> bool {
        !self.path.contains(&Step::Each)
    }
}

/// Every number and every length of a record.
fn measures(fields: &[Shape]) -> Vec<Measure> {
    fn walk(shape: &Shape, path: &mut Vec<Step>, found: &mut Vec<Measure>) {
        let mut push = |what| found.push(Measure { path: path.clone(), what });
        match shape {
            Shape::Int(_) => push(What::Number),
            Shape::Text(_) => push(What::Length),
            Shape::Sequence(sequence) => {
                push(What::Length);
                path.push(Step::Each);
                walk(&sequence.item, path, found);
                path.pop();
            }
            Shape::Record(record) => {
                for (at, field) in record.fields.iter().enumerate() {
                    path.push(Step::Field(at));
                    walk(field, path, found);
                    path.pop();
                }
            }
            Shape::Bool
            | Shape::Float(_)
            | Shape::Dict(_)
            | Shape::Tagged(_)
            | Shape::Constant(_)
            | Shape::Other(_) => {}
        }
    }
    let mut found = Vec::new();
    for (at, field) in fields.iter().enumerate() {
        walk(field, &mut vec![Step::Field(at)], &mut found);
    }
    found
}

/// A measure in each visible record: `None` where the record has no such part.
type Column = Vec<Option<i64>>;

/// The measure in each record, if it is one number there.
fn column(measure: &Measure, rows: &[&[Value]]) -> Option<Column> {
    let numbers = rows.iter().map(|row| match measure.of(row)[..] {
        [] => Some(None),
        [only] => Some(Some(only)),
        [..] => None,
    });
    numbers.collect()
}

/// Whether the columns differ by `offset` wherever both are known, and somewhere both are.
fn differ_by(a: &Column, b: &Column, offset: i64) -> bool {
    let both: Vec<(i64, i64)> = a.iter().zip(b).filter_map(|(a, b)| Some(((*a)?, (*b)?))).collect();
    !both.is_empty() && both.iter().all(|(a, b)| a.checked_sub(*b) == Some(offset))
}

fn varies(column: &Column) -> bool {
    let mut known = column.iter().flatten();
    let first = known.next();
    known.any(|number| Some(number) != first)
}

struct Group {
    members: Vec<(Measure, i64)>,
    column: Column,
    /// How many parts the measures looked at.
    parts: usize,
}

impl Relations {
    /// What holds in every record.
    pub(super) fn learn(fields: &[Shape], rows: &[&[Value]]) -> Relations {
        let all = measures(fields);
        let ties = ties(&all, rows);
        let limits = limits(&all, &ties, rows);
        Relations { ties, limits }
    }

    pub(super) fn hold(&self, values: &[Value]) -> bool {
        self.ties.iter().all(|tie| {
            let numbers = tie.numbers(values);
            numbers.len() <= 1
                && tie.constant.is_none_or(|constant| numbers.iter().all(|&n| n == constant))
        }) && self.limits.iter().all(|limit| {
            let Some(most) = limit.most(values) else { return true };
            limit.numbers.of(values).iter().all(|&number| number <= most)
        })
    }

    /// Makes what `before` did not violate hold again: lengths and counts follow the one that
    /// changed, by `resize`; numbers beyond their limit come back below it.
    pub(super) fn repair(
        &self,
        before: &[Value],
        values: &mut [Value],
        resize: &mut dyn FnMut(&[Step], &mut Value, usize),
    ) {
        for tie in &self.ties {
            let numbers = tie.numbers(values);
            let was = tie.numbers(before);
            let Some(target) = numbers.iter().copied().find(|number| !was.contains(number)) else {
                continue;
            };
            let target = tie.constant.unwrap_or(target);
            for (measure, offset) in &tie.members {
                let Some(number) = target.checked_add(*offset) else { continue };
                each_part(values, &measure.path, &mut |part| match measure.what {
                    What::Number => *part = Value::Int(number),
                    What::Length => {
                        if let Ok(length) = usize::try_from(number)
                            && measure.number(part) != Some(number)
                        {
                            resize(&measure.path, part, length);
                        }
                    }
                });
            }
        }
        for limit in &self.limits {
            let Some(most) = limit.most(values) else { continue };
            each_part(values, &limit.numbers.path, &mut |part| {
                if let Value::Int(number) = part
                    && *number > most
                {
                    // From 1, or from 0 where the limit leaves nothing else.
                    *number = if most >= 1 { 1 + (*number - 1) % most } else { most };
                }
            });
        }
    }
}

impl Tie {
    fn numbers(&self, values: &[Value]) -> Vec<i64> {
        let each = self.members.iter().flat_map(|(measure, offset)| {
            measure.of(values).into_iter().filter_map(move |number| number.checked_sub(*offset))
        });
        let mut numbers: Vec<i64> = each.collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }
}

impl Limit {
    fn most(&self, values: &[Value]) -> Option<i64> {
        self.most.of(values).first()?.checked_add(self.offset)
    }
}

fn ties(all: &[Measure], rows: &[&[Value]]) -> Vec<Tie> {
    let lengths = all.iter().filter(|measure| measure.what == What::Length);
    let numbers = all.iter().filter(|measure| measure.what == What::Number && measure.single());
    // Groups start with a number; lengths join them, or one another; at last, numbers that are
    // equal to another number that is a length join too.
    let mut groups: Vec<Group> = Vec::new();
    for number in numbers {
        if let Some(column) = column(number, rows) {
            groups.push(Group { members: vec![(number.clone(), 0)], column, parts: rows.len() });
        }
    }
    for length in lengths {
        let Some(column) = column(length, rows) else { continue };
        let parts = rows.iter().map(|row| count(length, row)).sum::<usize>();
        let joins = |offset: i64| {
            let known = (offset == 0 || varies(&column)).then_some(&column);
            known.and_then(|column| {
                groups.iter().position(|group| differ_by(column, &group.column, offset))
            })
        };
        let found = [0, -1, 1].into_iter().find_map(|offset| Some((joins(offset)?, offset)));
        match found {
            Some((group, offset)) => groups[group].add(length, offset, parts),
            None => groups.push(Group { members: vec![(length.clone(), 0)], column, parts }),
        }
    }
    merge(&mut groups);
    groups.into_iter().filter_map(|group| group.tie(rows)).collect()
}

/// How many parts a measure has in a record.
fn count(measure: &Measure, values: &[Value]) -> usize {
    let mut found = Vec::new();
    parts(values, &measure.path, &mut found);
    found.len()
}

/// Joins numbers that equal a number that is a length.
fn merge(groups: &mut Vec<Group>) {
    let mut at = 0;
    while at < groups.len() {
        let [(only, _)] = &groups[at].members[..] else {
            at += 1;
            continue;
        };
        let only = (only.what == What::Number).then(|| only.clone());
        let host = groups.iter().position(|host| {
            host.members.len() > 1 && differ_by(&groups[at].column, &host.column, 0)
        });
        match (only, host) {
            (Some(number), Some(host)) => {
                groups[host].members.push((number, 0));
                groups.remove(at);
            }
            _ => at += 1,
        }
    }
}

impl Group {
    fn add(&mut self, length: &Measure, offset: i64, parts: usize) {
        self.members.push((length.clone(), offset));
        self.parts = self.parts.max(parts);
    }

    /// The tie, if the group says anything.
    fn tie(self, rows: &[&[Value]]) -> Option<Tie> {
        /// So many equal lengths are no accident, nor are two of such a length.
        const EVIDENT: usize = 3;
        const LONG: i64 = 10;
        let records = self.column.iter().flatten().count();
        let constant = self.column.iter().flatten().next().copied().filter(|&length| {
            (self.parts >= EVIDENT || length >= LONG) && records > 1 && !varies(&self.column)
        });
        let [(only, _)] = &self.members[..] else {
            return Some(Tie { members: self.members, constant });
        };
        // Alone, a length says something where it is constant, or the same for many parts.
        let many = rows.iter().any(|row| count(only, row) > 1);
        let says = only.what == What::Length && (many || constant.is_some());
        says.then_some(Tie { members: self.members, constant })
    }
}

fn limits(all: &[Measure], ties: &[Tie], rows: &[&[Value]]) -> Vec<Limit> {
    let tied = |a: &Measure, b: &Measure| {
        let member = |tie: &Tie, of: &Measure| tie.members.iter().any(|(member, _)| member == of);
        ties.iter().any(|tie| member(tie, a) && member(tie, b))
    };
    let numbers: Vec<&Measure> = all.iter().filter(|of| of.what == What::Number).collect();
    let mut limits = Vec::new();
    for most in all.iter().filter(|measure| measure.single()) {
        let Some(bound) = column(most, rows) else { continue };
        for &number in numbers.iter().filter(|&&number| number != most && !tied(number, most)) {
            let highest: Column = rows.iter().map(|row| number.of(row).last().copied()).collect();
            let both = || bound.iter().zip(&highest).filter_map(|(b, h)| Some(((*b)?, (*h)?)));
            let holds =
                |offset: i64| both().all(|(b, h)| b.checked_add(offset).is_some_and(|b| h <= b));
            if both().next().is_none() {
                continue;
            }
            if let Some(offset) = [-1, 0].into_iter().find(|&offset| holds(offset)) {
                limits.push(Limit { numbers: number.clone(), most: most.clone(), offset });
            }
        }
    }
    limits
}
