//! Programs as sequences of operations, and the slips that their authors make.

use super::{
    data::Data,
    operation::{Constant, LETTERS, Operation},
    operations,
};
use crate::seed::Rng;

/// The name of the argument that stands for a constant.
pub(super) const ARGUMENT: &str = "m";

/// An operation with its constant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) operation: &'static Operation,
    pub(super) k: Parameter,
}

/// What stands for a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parameter {
    /// This number, or the letter at this place.
    Fixed(i64),
    /// The second argument.
    Argument,
}

/// What a program is called with.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Input {
    pub(super) value: Data,
    /// The second argument, where there is one.
    pub(super) argument: Option<i64>,
}

impl Step {
    /// `operation` with a constant drawn from its range.
    pub(super) fn draw(operation: &'static Operation, rng: &mut Rng) -> Step {
        Step { operation, k: Parameter::Fixed(draw_constant(operation.constant, rng)) }
    }

    /// `template` with the constant in place of `{k}`.
    pub(super) fn fill(&self, template: &str) -> String {
        template.replace("{k}", &self.constant())
    }

    fn constant(&self) -> String {
        match (self.k, self.operation.constant) {
            (Parameter::Argument, _) => ARGUMENT.to_owned(),
            (Parameter::Fixed(k), Constant::None | Constant::Number(..)) => k.to_string(),
            (Parameter::Fixed(k), Constant::Letter) => letter(k).to_string(),
        }
    }
}

/// What steps do, one a line, between the marks of thinking.
pub(super) fn plan(steps: &[Step]) -> String {
    let line = |step: &Step| {
        let name = step.operation.name.replace('_', " ");
        match step.operation.constant {
            Constant::None => name + "\n",
            Constant::Number(..) | Constant::Letter => format!("{name} {}\n", step.constant()),
        }
    };
    format!("<think>\n{}</think>\n", steps.iter().map(line).collect::<String>())
}

fn letter(k: i64) -> char {
    usize::try_from(k).ok().and_then(|k| LETTERS.get(k)).copied().expect("k is drawn from LETTERS")
}

/// A constant from its range.
pub(super) fn draw_constant(constant: Constant, rng: &mut Rng) -> i64 {
    match constant {
        Constant::None => 0,
        Constant::Number(first, last) => between(first, last, rng),
        Constant::Letter => between(0, LETTERS.len() as i64 - 1, rng),
    }
}

/// A number from `first` to `last`.
pub(super) fn between(first: i64, last: i64, rng: &mut Rng) -> i64 {
    first + rng.below((last - first) as u64 + 1) as i64
}

/// One of `items`.
pub(super) fn one_of<'a, T>(items: &'a [T], rng: &mut Rng) -> &'a T {
    &items[rng.below(items.len() as u64) as usize]
}

/// What the steps compute of `input`; `None` where it is undefined.
pub(super) fn run(steps: &[Step], input: &Input) -> Option<Data> {
    steps.iter().try_fold(input.value.clone(), |value, step| {
        let k = match step.k {
            Parameter::Fixed(k) => k,
            Parameter::Argument => input.argument?,
        };
        step.operation.run(value, k)
    })
}

/// Every program that one slip makes of `steps`: a constant off by one, an operation taken for
/// another, a step left out, two steps in the wrong order. Some are as right as the original.
pub(super) fn slips(steps: &[Step]) -> Vec<Vec<Step>> {
    let mut slips = Vec::new();
    let mut with = |at: usize, step: Step| {
        let mut slip = steps.to_vec();
        slip[at] = step;
        slips.push(slip);
    };
    for (at, step) in steps.iter().enumerate() {
        for k in other_constants(step) {
            with(at, Step { k, ..*step });
        }
        for operation in step.operation.near.iter().filter_map(|name| operations::named(name)) {
            let fits = operation.to() == step.operation.to() || at + 1 == steps.len();
            if fits && operation.from() == step.operation.from() {
                with(at, Step { operation, k: carried(step, operation) });
            }
        }
    }
    slips.extend(shorter(steps));
    if steps.len() > 1 {
        slips.push(steps[..steps.len() - 1].to_vec());
    }
    for at in 1..steps.len() {
        let mut slip = steps.to_vec();
        slip.swap(at - 1, at);
        slips.push(slip);
    }
    slips.retain(|slip| fit(slip, steps[0].operation));
    slips
}

/// The programs that leave out one step whose result is of the kind that it takes.
pub(super) fn shorter(steps: &[Step]) -> impl Iterator<Item = Vec<Step>> {
    let can_go = |at: &usize| {
        let operation = steps[*at].operation;
        operation.from() == operation.to()
    };
    (0..steps.len()).filter(can_go).map(|at| {
        let mut shorter = steps.to_vec();
        shorter.remove(at);
        shorter
    })
}

/// Whether what each step gives is what the next takes, from what `first` takes on.
fn fit(steps: &[Step], first: &Operation) -> bool {
    let mut kind = first.from();
    steps.iter().all(|step| {
        let fits = step.operation.from() == kind;
        kind = step.operation.to();
        fits
    })
}

/// The constants that a step is easily written with instead.
fn other_constants(step: &Step) -> Vec<Parameter> {
    match (step.k, step.operation.constant) {
        (Parameter::Fixed(k), Constant::Number(first, _)) => {
            let least = first.min(1);
            let near = [k - 1, k + 1].into_iter().filter(|k| *k >= least);
            near.map(Parameter::Fixed).collect()
        }
        (Parameter::Fixed(k), Constant::Letter) => {
            vec![Parameter::Fixed((k + 1) % LETTERS.len() as i64)]
        }
        (Parameter::Argument, _) | (_, Constant::None) => Vec::new(),
    }
}

/// The constant of `operation` where it stands in place of `step`: the same, if it has a meaning
/// there, or else the first of its range.
fn carried(step: &Step, operation: &Operation) -> Parameter {
    match (step.operation.constant, operation.constant) {
        (Constant::Number(..), Constant::Number(..)) | (Constant::Letter, Constant::Letter) => {
            match step.k {
                Parameter::Fixed(k) => Parameter::Fixed(k.max(least(operation))),
                Parameter::Argument => Parameter::Argument,
            }
        }
        (_, _) => Parameter::Fixed(least(operation)),
    }
}

/// The least constant with which an operation is defined for sure.
fn least(operation: &Operation) -> i64 {
    match operation.constant {
        Constant::Number(first, _) => first.min(1),
        Constant::None | Constant::Letter => 0,
    }
}
