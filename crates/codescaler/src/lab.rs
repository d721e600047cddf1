//! The laboratory: unlimited small Python problems, each with a statement, a reference program and
//! tests, for experiments on policies small enough to train within an hour.
//!
//! A problem is a sequence of one to four operations on numbers, texts, lists and dictionaries. An
//! operation knows its phrases, several ways to write it in Python, the operations it is easily
//! taken for, and what it computes; so statements, right programs, plausibly wrong programs and
//! expected results are all made here, and nothing is run.
//!
//! A **family** is a sequence of operations without their constants. One family in four is held
//! out, as a hash of its name says, whatever the seed; families of a single operation are all for
//! training. A held-out task is thus a new composition of operations that training shows.
//!
//! ```
//! use codescaler::lab::{Split, task};
//! let task = task(0, Split::Train, 6);
//! assert_eq!(task.problem.tests.visible.len(), 3);
//! assert_ne!(task.flawed(1), task.solution);
//! ```

mod data;
mod inputs;
mod operation;
mod operations;
mod program;
mod statement;
mod step;
#[cfg(test)]
mod tests;

use serde_json::json;

use self::{
    data::Data,
    operation::{Constant, Operation},
    step::{Input, Parameter, Step, draw_constant, one_of},
};
use crate::{
    check::Check,
    language::Language,
    problem::{Entry, Limits, Meta, Problem, Test, Tests},
    record::Extra,
    seed::{Rng, derive},
    value::{Value, literal::to_python},
};

/// Which families a task is of; the families of the two are disjoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// To train on: every family of one operation, and three quarters of the others.
    Train,
    /// To measure on: the other quarter.
    HeldOut,
}

impl Split {
    /// The name, as options and ids have it.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::HeldOut => "held-out",
        }
    }

    /// The split of the family of that name.
    pub fn of(family: &str) -> Split {
        let is_single = !family.contains(' ');
        let is_held_out = derive(0, &["laboratory family", family]).is_multiple_of(4);
        if is_held_out && !is_single { Split::HeldOut } else { Split::Train }
    }

    /// How many operations the task of that number has: the difficulties take turns, from 1 to
    /// [`DIFFICULTY_MAX`] in training and from 2 where tasks are held out.
    pub fn difficulty(self, number: u64) -> u32 {
        let turn = |n: u32| u32::try_from(number % u64::from(n)).expect("it is below n");
        match self {
            Split::Train => 1 + turn(DIFFICULTY_MAX),
            Split::HeldOut => 2 + turn(DIFFICULTY_MAX - 1),
        }
    }
}

/// How many operations a task has at most.
pub const DIFFICULTY_MAX: u32 = 4;

/// How many tests a statement would show, and how many decide.
const VISIBLE: usize = 3;
const HIDDEN: usize = 8;

/// A problem, and what is known of it.
#[derive(Clone, Debug)]
pub struct Task {
    /// The problem: function `solve`, three visible and eight hidden tests.
    pub problem: Problem,
    /// The names of its operations in their order, a space between.
    pub family: String,
    /// How many operations it has.
    pub difficulty: u32,
    /// The reference program: one operation a line.
    pub solution: String,
    steps: Vec<Step>,
    cases: Vec<Case>,
}

/// What goes in, and what must come out.
#[derive(Clone, Debug)]
struct Case {
    input: Input,
    expected: Data,
}

/// How often an author errs, as shares from 0 to 1 of what it writes; each is drawn on its own.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Flaws {
    /// A plausible slip in the program.
    pub slip: f64,
    /// Broken syntax: a colon or a bracket is missing, or the text ends within a line.
    pub broken: f64,
    /// A second block behind the program, with an example of its use.
    pub blocks: f64,
    /// No fence around the program.
    pub unfenced: f64,
}

/// The task of that number: the same for the same arguments, whatever was asked before.
pub fn task(seed: u64, split: Split, number: u64) -> Task {
    let number_text = number.to_string();
    let mut attempts = (0_u64..).map(|attempt| {
        derive(seed, &["laboratory", split.name(), &number_text, &attempt.to_string()])
    });
    let drawn = attempts.find_map(|lot| draw(&mut Rng::new(lot), split, number));
    drawn.expect("there is no end of attempts")
}

/// A task of that split and of the number's difficulty, unless what is drawn is no good one.
fn draw(rng: &mut Rng, split: Split, number: u64) -> Option<Task> {
    let difficulty = split.difficulty(number);
    let operations = compose(difficulty, rng)?;
    let names: Vec<&str> = operations.iter().map(|operation| operation.name).collect();
    let family = names.join(" ");
    if Split::of(&family) != split {
        return None;
    }
    let mut steps: Vec<Step> =
        operations.into_iter().map(|operation| Step::draw(operation, rng)).collect();
    let argument = generalize(&mut steps, rng);
    let from = steps[0].operation.from();
    let statement = statement::drawn(&steps, from, argument.is_some(), rng)?;
    let solution = program::plain(&steps, from, argument.is_some());
    let cases = cases(&steps, argument, rng)?;
    let is_needed = |shorter: Vec<Step>| is_wrong(&shorter, &cases);
    let is_sound = step::shorter(&steps).all(is_needed)
        && is_varied(&cases)
        && step::slips(&steps).iter().any(|slip| is_wrong(slip, &cases));
    if !is_sound || !program::is_short(&solution) {
        return None;
    }
    let mut extra = Extra::new();
    extra.insert("family".to_owned(), json!(family));
    let test = |case: &Case| {
        let mut args = vec![case.input.value.to_value()];
        args.extend(case.input.argument.map(Value::Int));
        Test::Call { args, expected: case.expected.to_value(), check: Check::CALL }
    };
    let problem = Problem {
        id: format!("lab-{}-{number:06}", split.name()),
        statement,
        starter: String::new(),
        prelude: String::new(),
        language: Language::Python,
        entry: Entry::Function { name: "solve".to_owned() },
        tests: Tests {
            visible: cases[..VISIBLE].iter().map(test).collect(),
            hidden: cases[VISIBLE..].iter().map(test).collect(),
        },
        // A right program takes a millisecond; one that never ends should not take long either.
        limits: Limits { cpu_ms_max: 250, memory_mib_max: 256 },
        meta: Meta {
            source: Some("laboratory".to_owned()),
            difficulty: Some(difficulty.to_string()),
            extra,
            ..Meta::default()
        },
        extra: Extra::new(),
    };
    Some(Task { problem, family, difficulty, solution, steps, cases })
}

/// Distinct operations, each of which takes what the one before gives.
fn compose(difficulty: u32, rng: &mut Rng) -> Option<Vec<&'static Operation>> {
    let mut chosen: Vec<&'static Operation> = Vec::new();
    for _ in 0..difficulty {
        let last = chosen.last().map(|operation| operation.to());
        let fits = |operation: &&Operation| {
            last.is_none_or(|kind| operation.from() == kind)
                && !chosen.iter().any(|earlier| earlier.name == operation.name)
        };
        let fitting: Vec<&'static Operation> = operations::all().filter(fits).collect();
        if fitting.is_empty() {
            return None;
        }
        chosen.push(*one_of(&fitting, rng));
    }
    Some(chosen)
}

/// One time out of four, puts an argument in the place of a constant, and says of which.
fn generalize(steps: &mut [Step], rng: &mut Rng) -> Option<Constant> {
    let is_wanted = rng.below(4) == 0;
    let is_number = |step: &&mut Step| matches!(step.operation.constant, Constant::Number(..));
    let step = steps.iter_mut().find(is_number).filter(|_| is_wanted)?;
    step.k = Parameter::Argument;
    Some(step.operation.constant)
}

/// Distinct cases where the steps are defined, special ones among them, in any order.
fn cases(steps: &[Step], argument: Option<Constant>, rng: &mut Rng) -> Option<Vec<Case>> {
    let from = steps[0].operation.from();
    let constants = steps.iter().filter_map(|step| match (step.k, step.operation.constant) {
        (Parameter::Fixed(k), Constant::Number(..)) => Some(k),
        (Parameter::Fixed(_), Constant::None | Constant::Letter) | (Parameter::Argument, _) => None,
    });
    let constants: Vec<i64> = constants.collect();
    let mut edges = inputs::edges(from);
    let mut cases: Vec<Case> = Vec::new();
    for _ in 0..200 {
        let argument = argument.map(|constant| draw_constant(constant, rng));
        let mut special = constants.clone();
        special.extend(argument);
        let value = edges.pop().unwrap_or_else(|| inputs::drawn(from, &special, rng));
        let input = Input { value, argument };
        let is_new = cases.iter().all(|case| case.input.value != input.value);
        if let Some(expected) = step::run(steps, &input).filter(|_| is_new) {
            cases.push(Case { input, expected });
        }
        if cases.len() == VISIBLE + HIDDEN {
            shuffle(&mut cases, rng);
            return Some(cases);
        }
    }
    None
}

fn shuffle<T>(items: &mut [T], rng: &mut Rng) {
    for at in (1..items.len()).rev() {
        items.swap(at, rng.below(at as u64 + 1) as usize);
    }
}

/// Whether no result is that of more than half of the cases.
fn is_varied(cases: &[Case]) -> bool {
    let n_equal =
        |case: &Case| cases.iter().filter(|other| other.expected.equals(&case.expected)).count();
    cases.iter().all(|case| n_equal(case) <= cases.len() / 2)
}

/// Whether some case tells a program from the right one.
fn is_wrong(steps: &[Step], cases: &[Case]) -> bool {
    cases.iter().any(|case| {
        step::run(steps, &case.input).is_some_and(|result| !result.equals(&case.expected))
    })
}

impl Task {
    /// A right program in a style drawn by `draw`.
    pub fn program(&self, draw: u64) -> String {
        self.write(&self.steps, &mut self.rng("program", draw))
    }

    /// A program with a plausible slip, in a style drawn by `draw`: a constant off by one, an
    /// operation taken for another, a step left out, two steps in the wrong order. At least one of
    /// the tests finds it wrong.
    pub fn flawed(&self, draw: u64) -> String {
        let mut rng = self.rng("flawed", draw);
        let slip = self.slip(&mut rng);
        self.write(&slip, &mut rng)
    }

    /// The steps of a program with a slip.
    fn slip(&self, rng: &mut Rng) -> Vec<Step> {
        let mut wrong = step::slips(&self.steps);
        wrong.retain(|slip| is_wrong(slip, &self.cases));
        one_of(&wrong, rng).clone()
    }

    /// What an author answers who errs at those rates: a program between fences. One who thinks
    /// first says what the program will do, between marks: a step a line, slips among them.
    pub fn demonstration(&self, draw: u64, flaws: &Flaws, thinks: bool) -> String {
        let mut rng = self.rng("demonstration", draw);
        let lot = rng.next_u64();
        let is_slip = happens(flaws.slip, &mut rng);
        let mut own = self.rng(if is_slip { "flawed" } else { "program" }, lot);
        let steps = if is_slip { self.slip(&mut own) } else { self.steps.clone() };
        let program = self.write(&steps, &mut own);
        let answer = self.answer(program, flaws, &mut rng);
        if thinks { step::plan(&steps) + &answer } else { answer }
    }

    /// An answer with a program.
    fn answer(&self, program: String, flaws: &Flaws, rng: &mut Rng) -> String {
        let program = if happens(flaws.broken, rng) { broken(&program, rng) } else { program };
        let text = if happens(flaws.unfenced, rng) { program } else { fenced(&program) };
        if happens(flaws.blocks, rng) {
            let case = one_of(&self.cases, rng);
            let value = to_python(&case.input.value.to_value());
            let argument = case.input.argument.map(|m| format!(", {m}")).unwrap_or_default();
            return format!("{text}\nExample:\n{}", fenced(&format!("solve({value}{argument})\n")));
        }
        text
    }

    fn rng(&self, what: &str, draw: u64) -> Rng {
        Rng::new(derive(draw, &[what, &self.problem.id, &self.problem.statement]))
    }

    fn write(&self, steps: &[Step], rng: &mut Rng) -> String {
        let has_argument = program::has_argument(&self.steps);
        program::drawn(steps, self.steps[0].operation.from(), has_argument, rng)
    }
}

fn fenced(program: &str) -> String {
    format!("```python\n{program}```\n")
}

/// Whether something happens that happens at that rate.
fn happens(rate: f64, rng: &mut Rng) -> bool {
    // 53 bits are what a float holds.
    ((rng.next_u64() >> 11) as f64) < rate * (1_u64 << 53) as f64
}

/// The program with a colon or a bracket left out, or without its end.
fn broken(program: &str, rng: &mut Rng) -> String {
    match rng.below(3) {
        0 => program.replacen("):", ")", 1),
        1 => {
            let at = program.rfind([')', ']']).expect("a program has an argument list");
            [&program[..at], &program[at + 1..]].concat()
        }
        _ => {
            let at = program.rfind(['(', '[', '{']).expect("a program has an argument list");
            format!("{}\n", &program[..=at])
        }
    }
}
