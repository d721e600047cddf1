//! Test inputs as citizens: new inputs made from the visible tests, without a language model and
//! without expected outputs.
//!
//! Candidates are run on them and compared by what comes out: output voting, MBR-exec and
//! AlphaCode's clusters need no more ([`crate::select`]). Nothing here knows whether an input
//! satisfies the statement. What can be seen in the visible inputs is kept (kinds, signs,
//! alphabets, order, counts of what follows, numbers below other numbers), and an input on which
//! every candidate fails is dropped afterwards ([`valid_inputs`]).
//!
//! The method is EvalPlus's type-aware mutation (arXiv:2305.01210, section 2.1): seeds are
//! changed at random, and what comes of it are seeds too. It deviates in three points: an input
//! is checked against relations that hold in all visible inputs, where theirs is checked by
//! contracts that people wrote; standard input is parsed into values by an inferred layout; and
//! the visible inputs alone are seeds at first, where theirs are a language model's too.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    evidence::{OutputDigest, Table, answered},
    problem::{Problem, Test},
    seed::{Rng, derive, digest},
    value::Value,
};

mod bounds;
mod change;
mod layout;
mod relation;
mod shape;

use bounds::Stated;
use change::{change_record, index, repair_record};
use layout::Layout;
use shape::{Kind, Known, Record, Shape};

/// An input without an expected output. In JSON the key tells the kind: `{"stdin":"…"}` or
/// `{"args":[…]}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Input {
    /// All of standard input.
    Stdin(String),
    /// Positional arguments.
    Args(Vec<Value>),
}

impl Input {
    /// What makes two inputs the same: the text without trailing blanks, or the arguments as JSON.
    fn key(&self) -> String {
        match self {
            Input::Stdin(text) => text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n"),
            Input::Args(args) => Value::List(args.clone()).to_json().to_string(),
        }
    }
}

/// The inputs of the visible tests, in their order, without repetition. Test code has none.
pub fn visible(problem: &Problem) -> Vec<Input> {
    let mut inputs: Vec<Input> = Vec::new();
    for test in &problem.tests.visible {
        let input = match test {
            Test::Stdio { stdin, .. } => Input::Stdin(stdin.clone()),
            Test::Call { args, .. } => Input::Args(args.clone()),
            Test::Script { .. } => continue,
        };
        if !inputs.contains(&input) {
            inputs.push(input);
        }
    }
    inputs
}

/// How many inputs to make, and how large.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MutateOptions {
    /// Inputs per problem, at most.
    pub inputs_max: usize,
    /// Bytes of one input, as text or as JSON, at most. Visible inputs beyond it are no seeds.
    pub bytes_max: usize,
}

impl Default for MutateOptions {
    fn default() -> MutateOptions {
        MutateOptions { inputs_max: 20, bytes_max: 8192 }
    }
}

/// New inputs, made by changing the visible ones: distinct, and none of them visible.
///
/// A pure function of the visible tests, the statement and the code to start from, the options
/// and the seed. Fewer inputs than asked for come where the visible ones leave no room, and none
/// where there are none. Of visible inputs of several kinds, those like the first are seeds.
pub fn mutate(problem: &Problem, options: &MutateOptions, seed: u64) -> Vec<Input> {
    let visible = visible(problem);
    let mut known: BTreeSet<String> = visible.iter().map(Input::key).collect();
    let small = |input: &&Input| input.key().len() <= options.bytes_max;
    let seeds: Vec<&Input> = visible.iter().filter(small).collect();
    let mut families = families(problem, &seeds);
    let mut rng = Rng::new(derive(seed, &["inputs"]));
    let mut made = Vec::new();
    /// Attempts per input asked for; more are a sign that there are no more.
    const ATTEMPTS: usize = 60;
    for attempt in 0..options.inputs_max.saturating_mul(ATTEMPTS) {
        if made.len() == options.inputs_max || families.is_empty() {
            break;
        }
        let turn = attempt % families.len();
        let family = &mut families[turn];
        let Some((record, input)) = family.attempt(&mut rng) else { continue };
        let key = input.key();
        if key.len() <= options.bytes_max && known.insert(key) {
            family.seeds.push(record);
            made.push(input);
        }
    }
    made
}

/// Inputs of one shape, and how to write a new one.
struct Family {
    shape: Record,
    /// Absent for arguments.
    layout: Option<Layout>,
    /// The visible records, then those made of them.
    seeds: Vec<Vec<Value>>,
    visible: usize,
}

/// The families of the seeds: one where they have something in common, else one each.
fn families(problem: &Problem, seeds: &[&Input]) -> Vec<Family> {
    let stated = Stated::read(&problem.statement);
    match seeds.first() {
        None => Vec::new(),
        Some(Input::Args(first)) => {
            let records: Vec<Vec<Value>> = seeds
                .iter()
                .filter_map(|input| if let Input::Args(args) = input { Some(args) } else { None })
                .filter(|args| args.len() == first.len())
                .cloned()
                .collect();
            let names = bounds::parameters(&problem.starter);
            let known: Vec<Known> = (0..first.len())
                .map(|at| {
                    let name = names.get(at).filter(|_| names.len() == first.len());
                    let number = name.and_then(|name| stated.value_of(name));
                    let size = name.and_then(|name| stated.length_of(name)).unwrap_or_default();
                    let number = number.unwrap_or_else(|| stated.common());
                    // A statement without bounds is about any value of the type.
                    Known { number, size, nothing: stated == Stated::default() }
                })
                .collect();
            Family::new(None, records, &known).into_iter().collect()
        }
        Some(Input::Stdin(_)) => {
            let texts: Vec<&str> = seeds
                .iter()
                .filter_map(
                    |input| if let Input::Stdin(text) = input { Some(&**text) } else { None },
                )
                .collect();
            let family = |layout: Layout, texts: &[&str]| {
                let records: Option<Vec<_>> = texts.iter().map(|text| layout.read(text)).collect();
                let records = records?;
                let known = Known { number: stated.common(), ..Known::default() };
                let known = vec![known; records.first()?.len()];
                Family::new(Some(layout), records, &known)
            };
            match Layout::infer(&texts) {
                Some(layout) => family(layout, &texts).into_iter().collect(),
                None => {
                    texts.iter().filter_map(|text| family(Layout::frozen(text), &[text])).collect()
                }
            }
        }
    }
}

impl Family {
    /// `None` when there is nothing to change.
    fn new(layout: Option<Layout>, seeds: Vec<Vec<Value>>, known: &[Known]) -> Option<Family> {
        let rows: Vec<&[Value]> = seeds.iter().map(Vec::as_slice).collect();
        let shape_at = |(at, &known): (usize, &Known)| {
            let column: Vec<&Value> = rows.iter().map(|row| &row[at]).collect();
            Shape::learn(&column, known)
        };
        let fields: Vec<Shape> = known.iter().enumerate().map(shape_at).collect();
        if fields.is_empty() || rows.is_empty() {
            return None;
        }
        let shape = Record::new(Kind::Tuple, fields, &rows);
        let visible = seeds.len();
        Some(Family { shape, layout, seeds, visible })
    }

    /// One seed, changed at one to three places; `None` when what comes of it does not fit.
    fn attempt(&self, rng: &mut Rng) -> Option<(Vec<Value>, Input)> {
        /// A repair may break what another one mended.
        const REPAIRS_MAX: usize = 4;
        // Every second seed is a visible one: changes of changes drift.
        let from = if rng.below(2) == 0 { self.visible } else { self.seeds.len() };
        let mut record = self.seeds[index(rng, from)].clone();
        for _ in 0..=index(rng, 3) {
            let before = record.clone();
            if rng.below(8) == 0 {
                // A field of another seed.
                let (other, field) = (index(rng, self.seeds.len()), index(rng, record.len()));
                record[field] = self.seeds[other][field].clone();
            } else {
                change_record(&self.shape, &mut record, rng);
            }
            for _ in 0..REPAIRS_MAX {
                if self.shape.holds(&record) {
                    break;
                }
                repair_record(&self.shape, &before, &mut record, rng);
            }
            if !self.shape.holds(&record) {
                record = before;
            }
        }
        if !self.shape.holds(&record) {
            return None;
        }
        let input = match &self.layout {
            Some(layout) => Input::Stdin(layout.write(&record)?),
            None => Input::Args(record.clone()),
        };
        Some((record, input))
    }
}

/// The inputs, as columns of the table, that say something: at least one candidate gives an
/// output. An input on which all fail is most likely none that the statement allows.
pub fn valid_inputs(outputs: &Table<OutputDigest>) -> Vec<usize> {
    let everybody: Vec<usize> = (0..outputs.len()).collect();
    answered(outputs, &everybody)
}

/// What a candidate does on all inputs, as one number: equal signatures mean equal outputs
/// everywhere. `None` when it fails on one of them, since failures never agree.
///
/// Give the row's cells of [`valid_inputs`] only.
pub fn signature(row: &[Option<OutputDigest>]) -> Option<u64> {
    let outputs: Option<Vec<[u8; 8]>> = row.iter().map(|cell| cell.map(u64::to_le_bytes)).collect();
    Some(digest(outputs?.as_flattened()))
}

#[cfg(test)]
mod tests;
