//! Steps → Python.

use super::{
    data::Kind,
    operation::Form,
    step::{ARGUMENT, Parameter, Step, one_of},
};
use crate::seed::Rng;

/// A program is never longer, in lines and in bytes.
pub(super) const LINES_MAX: usize = 9;
pub(super) const BYTES_MAX: usize = 400;

/// An expression is not nested further when it is as long as this.
const NESTED_BYTES_MAX: usize = 48;

/// How a program is written.
struct Style {
    /// Which form of each step.
    forms: Vec<Form>,
    /// Whether expressions stand in one another.
    is_nested: bool,
    /// Whether the result is named before it is returned.
    is_named: bool,
}

/// The plainest program: one step a line, each in its first form.
pub(super) fn plain(steps: &[Step], from: Kind, has_argument: bool) -> String {
    let forms = steps.iter().map(|step| step.operation.forms[0]).collect();
    write(steps, from, has_argument, &Style { forms, is_nested: false, is_named: false })
}

/// A program in a style drawn by `rng`.
pub(super) fn drawn(steps: &[Step], from: Kind, has_argument: bool, rng: &mut Rng) -> String {
    let mut attempts = (0..8).map(|_| {
        let forms = steps.iter().map(|step| *one_of(step.operation.forms, rng)).collect();
        let style = Style { forms, is_nested: rng.below(2) == 0, is_named: rng.below(4) == 0 };
        write(steps, from, has_argument, &style)
    });
    attempts.find(|program| is_short(program)).unwrap_or_else(|| plain(steps, from, has_argument))
}

/// Whether a program keeps the bounds.
pub(super) fn is_short(program: &str) -> bool {
    program.lines().count() <= LINES_MAX && program.len() <= BYTES_MAX
}

/// Whether one of the steps takes its constant from the second argument.
pub(super) fn has_argument(steps: &[Step]) -> bool {
    steps.iter().any(|step| step.k == Parameter::Argument)
}

fn write(steps: &[Step], from: Kind, has_argument: bool, style: &Style) -> String {
    let mut body = Body { lines: Vec::new(), value: from.variables()[0].to_owned(), kind: from };
    let mut helpers: Vec<String> = Vec::new();
    for (step, form) in steps.iter().zip(&style.forms) {
        match form {
            Form::Expression(expression) => body.apply(step, expression, style.is_nested),
            Form::Helper(helper, call) => {
                if !helpers.iter().any(|known| known == helper) {
                    helpers.push((*helper).to_owned());
                }
                body.apply(step, call, style.is_nested);
            }
            Form::Lines(lines) => body.run(step, lines),
        }
    }
    if style.is_named {
        body.name();
    }
    helpers.push(format!("def solve({}):", signature(from, has_argument)));
    helpers.extend(body.lines.iter().map(|line| format!("    {line}")));
    helpers.push(format!("    return {}", body.value));
    helpers.join("\n") + "\n"
}

/// The arguments of `solve`.
pub(super) fn signature(from: Kind, has_argument: bool) -> String {
    let name = from.variables()[0];
    if has_argument { format!("{name}, {ARGUMENT}") } else { name.to_owned() }
}

/// The body of a function while it is written.
struct Body {
    lines: Vec<String>,
    /// An expression for the value so far.
    value: String,
    kind: Kind,
}

impl Body {
    /// Gives the value so far a name.
    fn name(&mut self) {
        if !is_name(&self.value) {
            let name = self.kind.variables()[0].to_owned();
            self.lines.push(format!("{name} = {}", self.value));
            self.value = name;
        }
    }

    /// Applies an expression to the value so far.
    fn apply(&mut self, step: &Step, expression: &str, is_nested: bool) {
        let is_long = self.value.len() > NESTED_BYTES_MAX;
        if !is_nested || is_long || expression.matches("{x}").count() > 1 {
            self.name();
        }
        let inner = if is_closed(&self.value) || expression.contains("({x})") {
            self.value.clone()
        } else {
            format!("({})", self.value)
        };
        self.value = step.fill(expression).replace("{x}", &inner);
        self.kind = step.operation.to();
    }

    /// Adds statements.
    fn run(&mut self, step: &Step, lines: &str) {
        self.name();
        self.kind = step.operation.to();
        let names = self.kind.variables();
        let name = if names[0] == self.value { names[1] } else { names[0] };
        let lines = step.fill(lines).replace("{x}", &self.value).replace("{y}", name);
        self.lines.extend(lines.lines().map(str::to_owned));
        self.value = name.to_owned();
    }
}

fn is_name(expression: &str) -> bool {
    expression.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether an expression can stand anywhere without parentheses: outside of brackets there are
/// only names, numbers and dots.
fn is_closed(expression: &str) -> bool {
    let mut depth = 0_i32;
    let mut quoted = false;
    expression.chars().all(|c| {
        match c {
            '"' => quoted = !quoted,
            '(' | '[' | '{' if !quoted => depth += 1,
            ')' | ']' | '}' if !quoted => depth -= 1,
            _ => {}
        }
        quoted || depth > 0 || c.is_ascii_alphanumeric() || "\"_.)]}".contains(c)
    })
}
