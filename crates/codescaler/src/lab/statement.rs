//! Steps → English.

use super::{
    data::Kind,
    program::signature,
    step::{ARGUMENT, Step, one_of},
};
use crate::seed::Rng;

/// A statement has at least so many words, and at most.
pub(super) const WORDS_MIN: usize = 10;
pub(super) const WORDS_MAX: usize = 45;

/// A statement of the steps in words drawn by `rng`; `None` when it is too long or too short.
pub(super) fn drawn(
    steps: &[Step],
    from: Kind,
    has_argument: bool,
    rng: &mut Rng,
) -> Option<String> {
    let name = from.variables()[0];
    let description = one_of(from.descriptions(), rng);
    let call = format!("solve({})", signature(from, has_argument));
    let with = |text: String| {
        if has_argument { format!("{text} and an integer {ARGUMENT}") } else { text }
    };
    let given = with(format!("{description} {name}"));
    let verbs: Vec<String> =
        steps.iter().map(|step| step.fill(one_of::<&str>(step.operation.verbs, rng))).collect();
    let noun = steps
        .iter()
        .fold(name.to_owned(), |inner, step| step.fill(step.operation.noun).replace("{x}", &inner));
    let statement = match rng.below(8) {
        0 => format!("Write {call}. Given {given}, {}. Return the result.", chain(&verbs)),
        1 => format!("Given {given}, {}, and return the result. Write {call}.", chain(&verbs)),
        2 => {
            format!("Write a function {call} that takes {given}. {} Return that.", list(&verbs))
        }
        3 => format!("Define {call} for {given}. First {} and return it.", verbs.join(", then ")),
        4 => format!("Write {call} that takes {given} and returns {noun}."),
        5 => format!("Given {given}, return {noun}. Call the function {call}."),
        6 => format!("Take {given}. {} Return what comes out of {call}.", list(&verbs)),
        _ => format!("The function {call} gets {given}. It returns {noun}."),
    };
    let n_words = statement.split_whitespace().count();
    (WORDS_MIN..=WORDS_MAX).contains(&n_words).then_some(statement)
}

/// `a, b, then c`.
fn chain(verbs: &[String]) -> String {
    match verbs.split_last() {
        Some((last, first)) if !first.is_empty() => format!("{}, then {last}", first.join(", ")),
        _ => verbs.concat(),
    }
}

/// `A. Then b. Then c.`
fn list(verbs: &[String]) -> String {
    let text = verbs.join(". Then ") + ".";
    let mut chars = text.chars();
    chars.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(chars).collect()
}
