//! The layout of standard input, inferred from examples: text ⇄ values.
//!
//! A layout is the shortest sequence of items that reads every example to its end: lines of a
//! fixed number of tokens, lines whose tokens an earlier number counts, and blocks that an earlier
//! number repeats. It makes text a record of values, so that text is changed as arguments are.

use std::cell::Cell;

use crate::value::Value;

/// How standard input is laid out.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Layout(Vec<Item>);

#[derive(Clone, Debug, PartialEq)]
enum Item {
    /// One line: `heads` tokens, each a value, then a list where there is one.
    Line { heads: usize, tail: Option<Count> },
    /// One line of tokens, of which those with a text never change.
    Fixed(Vec<Option<String>>),
    /// A list of so many records, each laid out as the body says.
    Block { count: Count, body: Vec<Item> },
}

/// How many there are.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Count {
    /// As many as the number in a slot, plus `offset`. Slots are the heads read before, in order,
    /// those of the enclosing blocks included.
    Slot { slot: usize, offset: i64 },
    /// As many as there are.
    Rest,
}

impl Count {
    /// What it costs an explanation: the less likely, the more.
    fn price(self) -> usize {
        match self {
            Count::Slot { slot: _, offset: 0 } => 1,
            Count::Slot { slot: _, offset: _ } => 2,
            Count::Rest => 3,
        }
    }

    /// A body that costs more is no explanation: any lines to the end fit any text.
    fn body_cost_max(self) -> usize {
        match self {
            Count::Slot { .. } => 5,
            Count::Rest => 2,
        }
    }

    fn of(self, slots: &[Option<i64>], rest: usize) -> Option<usize> {
        match self {
            Count::Slot { slot, offset } => {
                let count = (*slots.get(slot)?)?.checked_add(offset)?;
                usize::try_from(count).ok().filter(|&count| count <= rest)
            }
            Count::Rest => Some(rest),
        }
    }
}

type Lines<'t> = Vec<Vec<&'t str>>;

fn lines(text: &str) -> Lines<'_> {
    text.trim_end().lines().map(|line| line.split_whitespace().collect()).collect()
}

/// An integer where its decimal digits are the token, else the token.
fn token(text: &str) -> Value {
    match text.parse::<i64>() {
        Ok(number) if number.to_string() == text => Value::Int(number),
        Ok(_) | Err(_) => Value::Str(text.to_owned()),
    }
}

fn slot(value: &Value) -> Option<i64> {
    if let Value::Int(number) = value { Some(*number) } else { None }
}

/// A place in a text, and the slots that were read before it.
#[derive(Clone)]
struct Cursor<'t, 'l> {
    lines: &'l Lines<'t>,
    at: usize,
    slots: Vec<Option<i64>>,
}

impl Cursor<'_, '_> {
    fn left(&self) -> usize {
        self.lines.len() - self.at
    }

    fn read(&mut self, items: &[Item], record: &mut Vec<Value>) -> Option<()> {
        items.iter().try_for_each(|item| self.read_item(item, record))
    }

    fn read_item(&mut self, item: &Item, record: &mut Vec<Value>) -> Option<()> {
        match item {
            Item::Line { heads, tail } => {
                let line = self.lines.get(self.at)?;
                let (heads, rest) = line.split_at_checked(*heads)?;
                for head in heads {
                    let value = token(head);
                    self.slots.push(slot(&value));
                    record.push(value);
                }
                match tail {
                    None if !rest.is_empty() => return None,
                    None => {}
                    Some(count) if count.of(&self.slots, rest.len())? != rest.len() => return None,
                    Some(_) => {
                        record.push(Value::List(rest.iter().map(|text| token(text)).collect()))
                    }
                }
                self.at += 1;
            }
            Item::Fixed(tokens) => {
                let line = self.lines.get(self.at)?;
                if line.len() != tokens.len() {
                    return None;
                }
                for (text, kept) in line.iter().zip(tokens) {
                    match kept {
                        Some(kept) if kept != text => return None,
                        Some(_) => {}
                        None => record.push(token(text)),
                    }
                }
                self.at += 1;
            }
            Item::Block { count, body } => {
                let slots = self.slots.len();
                let mut records = Vec::new();
                // A block that lasts to the end has as many records as there are.
                let exact = match count {
                    Count::Slot { .. } => Some(count.of(&self.slots, self.left())?),
                    Count::Rest => None,
                };
                while exact.map_or(self.left() > 0, |count| records.len() < count) {
                    let (mut inner, before) = (Vec::new(), self.at);
                    self.read(body, &mut inner)?;
                    // Records of no line would be read for ever.
                    if exact.is_none() && self.at == before {
                        return None;
                    }
                    self.slots.truncate(slots);
                    records.push(match <[Value; 1]>::try_from(inner) {
                        Ok([only]) => only,
                        Err(inner) => Value::Tuple(inner),
                    });
                }
                record.push(Value::List(records));
            }
        }
        Some(())
    }
}

impl Layout {
    /// The layout that all texts have in common; `None` when the search finds none.
    pub(super) fn infer(texts: &[&str]) -> Option<Layout> {
        /// Beyond so many items a layout is no explanation.
        const COST_MAX: usize = 12;
        /// Items tried: a bound on the work, far above what real inputs need.
        const TRIALS_MAX: u32 = 20_000;
        let texts: Vec<Lines<'_>> = texts.iter().map(|text| lines(text)).collect();
        let start: Vec<Cursor<'_, '_>> =
            texts.iter().map(|lines| Cursor { lines, at: 0, slots: Vec::new() }).collect();
        let search = Search { trials_left: Cell::new(TRIALS_MAX) };
        let mut found = None;
        for cost in 1..=COST_MAX {
            search.explore(&mut Vec::new(), &start, cost, &mut |items, cursors| {
                let complete = cursors.iter().all(|cursor| cursor.left() == 0);
                if complete {
                    found = Some(Layout(items.to_vec()));
                }
                complete
            });
            if found.is_some() {
                break;
            }
        }
        found
    }

    /// The layout of one text alone, where nothing is added or removed: numbers that may be counts
    /// of what follows never change, other tokens do.
    pub(super) fn frozen(text: &str) -> Layout {
        let lines = lines(text);
        let item = |(at, line): (usize, &Vec<&str>)| {
            let following = &lines[at + 1..];
            let counts = |number: usize| {
                number == following.len()
                    || following.iter().any(|line| line.len() == number)
                    || following.iter().flatten().any(|word| {
                        word.chars().count() == number && matches!(token(word), Value::Str(_))
                    })
            };
            let kept = |text: &&str| {
                let counts = text.parse().is_ok_and(|number: usize| number < 2 || counts(number));
                counts.then(|| (*text).to_owned())
            };
            // In the last line there is nothing left to count.
            let last = following.is_empty();
            Item::Fixed(line.iter().map(|text| if last { None } else { kept(text) }).collect())
        };
        Layout(lines.iter().enumerate().map(item).collect())
    }

    /// The values of a text; `None` when it is laid out otherwise.
    pub(super) fn read(&self, text: &str) -> Option<Vec<Value>> {
        let lines = lines(text);
        let mut cursor = Cursor { lines: &lines, at: 0, slots: Vec::new() };
        let mut record = Vec::new();
        cursor.read(&self.0, &mut record)?;
        (cursor.left() == 0).then_some(record)
    }

    /// The text of the values; `None` when the layout cannot say them.
    pub(super) fn write(&self, record: &[Value]) -> Option<String> {
        let mut text = String::new();
        write(&self.0, &mut record.iter(), &mut text)?;
        (self.read(&text)? == record).then_some(text)
    }
}

fn write(
    items: &[Item],
    values: &mut std::slice::Iter<'_, Value>,
    text: &mut String,
) -> Option<()> {
    for item in items {
        match item {
            Item::Line { heads, tail } => {
                let mut line = values.as_slice().get(..*heads)?.to_vec();
                values.by_ref().take(*heads).for_each(drop);
                if tail.is_some() {
                    let Value::List(rest) = values.next()? else { return None };
                    line.extend_from_slice(rest);
                }
                write_line(line.iter().map(plain), text)?;
            }
            Item::Fixed(tokens) => {
                let mut token = |kept: &Option<String>| match kept {
                    Some(kept) => Some(kept.clone()),
                    None => values.next().and_then(plain),
                };
                write_line(tokens.iter().map(&mut token), text)?;
            }
            Item::Block { count: _, body } => {
                let Value::List(records) = values.next()? else { return None };
                for record in records {
                    if let Value::Tuple(fields) = record {
                        write(body, &mut fields.iter(), text)?;
                    } else {
                        write(body, &mut std::slice::from_ref(record).iter(), text)?;
                    }
                }
            }
        }
    }
    Some(())
}

fn plain(value: &Value) -> Option<String> {
    if let Value::Str(word) = value {
        Some(word.clone())
    } else {
        slot(value).map(|n| n.to_string())
    }
}

fn write_line(tokens: impl Iterator<Item = Option<String>>, text: &mut String) -> Option<()> {
    let tokens: Vec<String> = tokens.collect::<Option<_>>()?;
    text.push_str(&tokens.join(" "));
    text.push('\n');
    Some(())
}

/// What the search does with a sequence of items and the places where it ends: whether to stop.
type Visit<'a, 't, 'l> = &'a mut dyn FnMut(&[Item], &[Cursor<'t, 'l>]) -> bool;

/// Depth-first over sequences of items that read all examples, at a given cost.
struct Search {
    trials_left: Cell<u32>,
}

impl Search {
    /// Visits every sequence that begins with `items` and costs `cost` more. Of a block's body,
    /// the first repetition in each example is a guide, and the others a check.
    fn explore<'t, 'l>(
        &self,
        items: &mut Vec<Item>,
        cursors: &[Cursor<'t, 'l>],
        cost: usize,
        visit: Visit<'_, 't, 'l>,
    ) -> bool {
        if cost == 0 {
            return visit(items, cursors);
        }
        // Of equal costs, blocks first: a single example with test cases is read as such.
        for (count, price) in block_counts(cursors) {
            // The first repetition, where there is one, of each example.
            let first: Vec<Cursor<'t, 'l>> = cursors
                .iter()
                .filter(|cursor| count.of(&cursor.slots, cursor.left()).is_some_and(|n| n > 0))
                .cloned()
                .collect();
            for body_cost in 1..=cost.saturating_sub(price).min(count.body_cost_max()) {
                let rest = cost - price - body_cost;
                let stop = self.explore(&mut Vec::new(), &first, body_cost, &mut |body, _| {
                    let block = Item::Block { count, body: body.to_vec() };
                    self.descend(items, block, (cursors, rest), visit)
                });
                if stop {
                    return true;
                }
            }
        }
        for (item, price) in line_options(cursors) {
            if price <= cost && self.descend(items, item, (cursors, cost - price), visit) {
                return true;
            }
        }
        false
    }

    /// Goes on behind `item`, where all examples have it.
    fn descend<'t, 'l>(
        &self,
        items: &mut Vec<Item>,
        item: Item,
        (cursors, cost): (&[Cursor<'t, 'l>], usize),
        visit: Visit<'_, 't, 'l>,
    ) -> bool {
        let Some(left) = self.trials_left.get().checked_sub(1) else { return false };
        self.trials_left.set(left);
        let mut after = cursors.to_vec();
        if after.iter_mut().any(|cursor| cursor.read_item(&item, &mut Vec::new()).is_none()) {
            return false;
        }
        items.push(item);
        let stop = self.explore(items, &after, cost, visit);
        items.pop();
        stop
    }
}

/// Slots whose number, plus or minus one, `fits` in every example; the latest first.
fn slots(cursors: &[Cursor<'_, '_>], fits: impl Fn(&Cursor<'_, '_>, i64) -> bool) -> Vec<Count> {
    let slots = cursors.first().map_or(0, |cursor| cursor.slots.len());
    let mut found = Vec::new();
    for offset in [0, -1, 1] {
        for slot in (0..slots).rev() {
            let number = |cursor: &Cursor<'_, '_>| cursor.slots[slot]?.checked_add(offset);
            if cursors
                .iter()
                .all(|cursor| number(cursor).is_some_and(|number| fits(cursor, number)))
            {
                found.push(Count::Slot { slot, offset });
            }
        }
    }
    found
}

/// What the next line may be in all examples, with its cost.
fn line_options(cursors: &[Cursor<'_, '_>]) -> Vec<(Item, usize)> {
    let widths: Option<Vec<usize>> =
        cursors.iter().map(|cursor| cursor.lines.get(cursor.at).map(Vec::len)).collect();
    let Some(widths) = widths.filter(|widths| !widths.is_empty()) else { return Vec::new() };
    let is = |cursor: &Cursor<'_, '_>, heads: usize, number: i64| {
        let tokens = cursor.lines[cursor.at].len().checked_sub(heads);
        tokens.is_some_and(|tokens| i64::try_from(tokens) == Ok(number))
    };
    let tail = |heads, count| Item::Line { heads, tail: Some(count) };
    let counted = |heads| slots(cursors, move |cursor, number| is(cursor, heads, number));
    let mut options: Vec<(Item, usize)> =
        counted(0).into_iter().map(|count| (tail(0, count), count.price())).collect();
    // A number that counts what follows it on its line.
    let own = cursors.first().map_or(0, |cursor| cursor.slots.len());
    let leads = |cursor: &Cursor<'_, '_>| {
        let first = cursor.lines[cursor.at].first().and_then(|text| slot(&token(text)));
        first.is_some_and(|number| is(cursor, 1, number))
    };
    if cursors.iter().all(leads) {
        options.push((tail(1, Count::Slot { slot: own, offset: 0 }), 1));
    }
    let heads = widths[0];
    if widths.iter().all(|&width| width == heads) {
        options.push((Item::Line { heads, tail: None }, 1));
    }
    options.push((tail(0, Count::Rest), Count::Rest.price() + 2));
    options.extend(counted(1).into_iter().map(|count| (tail(1, count), 1 + count.price())));
    options
}

/// How often a block may be repeated in all examples, with the cost of saying so.
fn block_counts(cursors: &[Cursor<'_, '_>]) -> Vec<(Count, usize)> {
    if cursors.is_empty() {
        return Vec::new();
    }
    let fits = |cursor: &Cursor<'_, '_>, number: i64| {
        usize::try_from(number).is_ok_and(|number| number <= cursor.left())
    };
    let mut counts: Vec<(Count, usize)> =
        slots(cursors, fits).into_iter().map(|count| (count, count.price())).collect();
    counts.push((Count::Rest, Count::Rest.price() + 3));
    counts
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;

    /// The values of the first text, by the layout of all; `/` ends a line.
    #[track_caller]
    fn check(texts: &[&str], expected: Expect) {
        let texts: Vec<String> = texts.iter().map(|text| text.replace('/', "\n")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let layout = Layout::infer(&texts).expect("there is a layout");
        for &text in &texts {
            let record = layout.read(text).expect("the layout reads what it comes from");
            assert_eq!(layout.write(&record).as_deref(), Some(text));
        }
        let record = layout.read(texts[0]).unwrap();
        expected.assert_eq(&serde_json::to_string(&record).unwrap());
    }

    #[test]
    fn counts_are_found() {
        check(&["3/5 1 2/", "1/7/"], expect![[r"[3,[5,1,2]]"]]);
        check(&["5 3/1 2 3 4 5/", "2 9/1 2/"], expect![[r"[5,3,[1,2,3,4,5]]"]]);
        check(&["3 1/5 1 2/6/", "2 2/7 8/9 9/"], expect![[r"[3,1,[5,1,2],[6]]"]]);
        check(&["hello world/", "a b c/"], expect![[r#"[["hello","world"]]"#]]);
    }

    #[test]
    fn blocks_are_found() {
        check(
            &["2/3 L/6 R/", "1/2 L/"],
            expect![[r#"[2,[{"$tuple":[3,"L"]},{"$tuple":[6,"R"]}]]"#]],
        );
        check(&["2 3/##./.../", "1 1/#/"], expect![[r###"[2,3,["##.","..."]]"###]]);
        check(&["2 3/1 2 3/4 5 6/", "1 2/7 8/"], expect![[r"[2,3,[[1,2,3],[4,5,6]]]"]]);
        check(&["3/1 2/2 3/", "1/"], expect![[r#"[3,[{"$tuple":[1,2]},{"$tuple":[2,3]}]]"#]]);
        check(&["3/1 5/3/2 4/", "2/1 9/3/"], expect![[r"[3,[[1,5],[3],[2,4]]]"]]);
    }

    #[test]
    fn test_cases_are_found() {
        check(
            &["2/3/1 2 3/1/9/", "1/2/4 4/"],
            expect![[r#"[2,[{"$tuple":[3,[1,2,3]]},{"$tuple":[1,[9]]}]]"#]],
        );
        check(
            &["2/2 1/ab/1/3 2/baa/1 2/", "1/4 3/abcd/1 2 3/"],
            expect![[r#"[2,[{"$tuple":[2,1,"ab",[1]]},{"$tuple":[3,2,"baa",[1,2]]}]]"#]],
        );
        check(&["2/1 7/3 4 5 6/"], expect![[r#"[2,[{"$tuple":[1,[7]]},{"$tuple":[3,[4,5,6]]}]]"#]]);
    }

    #[test]
    fn a_frozen_layout_keeps_what_may_count() {
        let text = "2 7\n1 9\n3\n8 8 8\nx\n";
        let layout = Layout::frozen(text);
        let record = layout.read(text).unwrap();
        assert_eq!(serde_json::to_string(&record).unwrap(), r#"[7,9,8,8,8,"x"]"#);
        assert_eq!(layout.write(&record).as_deref(), Some(text));
    }

    #[test]
    fn records_of_no_line_have_an_end() {
        let line = Item::Line { heads: 1, tail: None };
        let none =
            Item::Block { count: Count::Slot { slot: 0, offset: 0 }, body: vec![line.clone()] };
        let rest = Item::Block { count: Count::Rest, body: vec![none] };
        assert_eq!(Layout(vec![line, rest]).read("0\n1\n"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_back(texts in prop::collection::vec("[ a
    0-3-]{0,24}", 1..4)) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            for text in &texts {
                prop_assert!(Layout::frozen(text).read(text).is_some());
            }
            if let Some(layout) = Layout::infer(&texts) {
                for text in &texts {
                    let record = layout.read(text).expect("it comes from this text");
                    if let Some(written) = layout.write(&record) {
                        prop_assert_eq!(lines(&written), lines(text));
                    }
                }
            }
        }
    }
}
