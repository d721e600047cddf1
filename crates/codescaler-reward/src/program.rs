//! From a candidate to the program that is scored and run: one way, for everybody.

use std::borrow::Cow;

use codescaler::{candidate::Candidate, language::Language, problem::Problem};
use codescaler_extract::{Policy, Spec, canonical, check_syntax, extract};
use codescaler_nn::Programs;

/// The program of a candidate, or why there is none.
///
/// A bare `program` is taken as it is and only checked; otherwise the completion goes through
/// extraction under `policy`.
///
/// # Errors
/// The reason, as records show it, when there is no valid program.
pub fn program_of<'a>(
    candidate: &'a Candidate,
    problem: &Problem,
    policy: Policy,
) -> Result<Cow<'a, str>, String> {
    if let Some(program) = &candidate.program {
        if program.trim().is_empty() {
            return Err("empty".to_owned());
        }
        return match check_syntax(program, candidate.language) {
            Ok(()) => Ok(Cow::Borrowed(program)),
            Err(error) => Err(format!("syntax: line {}: {}", error.line, error.message)),
        };
    }
    let Some(completion) = &candidate.completion else {
        return Err("the candidate has neither a program nor a completion".to_owned());
    };
    let spec = Spec { language: candidate.language, entry: &problem.entry, policy };
    let extraction = extract(completion, &spec);
    match extraction.program {
        Some(program) => Ok(Cow::Owned(program)),
        None => Err(extraction.reason.map_or_else(String::new, |reason| reason.to_string())),
    }
}

/// The program as a decoder is to read it, which [`DecoderConfig::programs`] says.
///
/// [`DecoderConfig::programs`]: codescaler_nn::DecoderConfig::programs
pub fn read_as(program: &str, language: Language, programs: Programs) -> Cow<'_, str> {
    match programs {
        Programs::AsWritten => Cow::Borrowed(program),
        Programs::Canonical => canonical(program, language),
    }
}

/// Of an answer that was cut off in the middle of its program, the longest beginning of that, in
/// lines, which is a program by itself.
pub fn beginning_of(text: &str, language: Language) -> Option<String> {
    /// Lines that are tried without, from the end on.
    const LINES_LEFT_OUT_MAX: usize = 60;
    let fences: Vec<usize> = text.match_indices("```").map(|(at, _)| at).collect();
    let open = fences.last().filter(|_| fences.len() % 2 == 1)?;
    let (_, code) = text[*open..].split_once('\n')?;
    let lines: Vec<&str> = code.split_inclusive('\n').collect();
    let from = lines.len().saturating_sub(LINES_LEFT_OUT_MAX);
    (from..=lines.len())
        .rev()
        .map(|n| lines[..n].concat())
        .find(|part| !part.trim().is_empty() && check_syntax(part, language).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_are_programs() {
        for (text, expected) in [
            ("Sort them.", None),
            ("```python\nx = 1\n```\nDone.", None),
            ("```python\n", None),
            ("```python\nif x:\n", None),
            ("```python\nx = 1\ny = (x +", Some("x = 1\n")),
            (
                "```py\nx\n```\nor\n```python\ndef f():\n    return 1\n\ndef g",
                Some("def f():\n    return 1\n\n"),
            ),
        ] {
            assert_eq!(beginning_of(text, Language::Python).as_deref(), expected, "{text:?}");
        }
    }
}
