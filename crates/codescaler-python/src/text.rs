//! Completion → program.

use codescaler::{
    problem::{Entry, Problem},
    prompt,
};
use codescaler_extract::{Policy, Spec};
use pyo3::prelude::*;

use crate::{named, parsed};

/// The program, where it stands in the completion (in characters of Python), the reason's name and
/// its text, and the notes.
type Extracted =
    (Option<String>, Option<(usize, usize)>, Option<(&'static str, String)>, Vec<String>);

/// `(program, span, (reason, text), notes)` of a completion.
#[pyfunction]
pub(crate) fn extract(
    py: Python<'_>,
    completion: &str,
    language: &str,
    entry: &str,
    policy: &str,
) -> PyResult<Extracted> {
    let entry: Entry = parsed("entry", entry)?;
    let spec = Spec { language: named(language)?, entry: &entry, policy: named::<Policy>(policy)? };
    let found = py.detach(|| codescaler_extract::extract(completion, &spec));
    let characters = |bytes: usize| completion[..bytes].chars().count();
    let span = found.range.map(|range| (characters(range.start), characters(range.end)));
    let reason = found.reason.map(|reason| (reason.name(), reason.to_string()));
    Ok((found.program, span, reason, found.notes.iter().map(ToString::to_string).collect()))
}

/// The program in canonical form.
#[pyfunction]
pub(crate) fn canonical(py: Python<'_>, program: &str, language: &str) -> PyResult<String> {
    let language = named(language)?;
    Ok(py.detach(|| codescaler_extract::canonical(program, language).into_owned()))
}

/// What a reward model is told of a problem (JSON).
#[pyfunction]
pub(crate) fn reward_prompt(problem: &str) -> PyResult<String> {
    Ok(prompt::reward_prompt(&parsed::<Problem>("problem", problem)?))
}
