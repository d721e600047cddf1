//! Where the answer starts: thinking is skipped, because a draft is no answer.

use std::ops::Range;

use memchr::memmem;

/// The marks that language models trained to reason put around their thinking.
const MARKS: [(&str, &str); 7] = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("[THINK]", "[/THINK]"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("◁think▷", "◁/think▷"),
];

/// The answer part of a completion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Its bytes.
    pub(crate) range: Range<usize>,
    /// Whether thinking was skipped before it.
    pub(crate) after_thinking: bool,
    /// Whether thinking begins after it and never ends.
    pub(crate) unfinished: bool,
}

/// Finds the answer: what follows the last end of thinking, up to thinking that never ends.
///
/// An opening mark counts at the start of a line, and `fence` (the first fence of a text) is
/// where opening marks stop counting: inside a program they are data. The first opening mark is
/// often missing, because it stood in the prompt.
pub(crate) fn answer(completion: &str, first_fence: impl Fn(&str) -> Option<usize>) -> Answer {
    let bytes = completion.as_bytes();
    let ends = MARKS
        .iter()
        .filter_map(|(_, close)| memmem::find_iter(bytes, close).last().map(|at| at + close.len()));
    let start = ends.max().unwrap_or(0);
    let rest = &completion[start..];
    let fence = || first_fence(rest).unwrap_or(rest.len());
    let opening = MARKS
        .iter()
        .filter_map(|(open, _)| memmem::find(rest.as_bytes(), open.as_bytes()))
        .filter(|&at| begins_line(rest, at))
        .min()
        .filter(|&at| at < fence());
    Answer {
        range: start..opening.map_or(completion.len(), |at| start + at),
        after_thinking: start > 0,
        unfinished: opening.is_some(),
    }
}

/// Whether only white space precedes the byte on its line.
fn begins_line(text: &str, at: usize) -> bool {
    let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    text[line_start..at].trim().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(completion: &str, expected: &str, unfinished: bool) {
        let found = answer(completion, |text| text.find("```"));
        assert_eq!((&completion[found.range], found.unfinished), (expected, unfinished));
    }

    #[test]
    fn the_answer_follows_the_last_thought() {
        check("a", "a", false);
        check("<think>a</think>b", "b", false);
        check("a</think>b", "b", false);
        check("<think>a", "", true);
        check("  <think>a", "  ", true);
        check("Well.\n<think>a", "Well.\n", true);
        check("the <think> tag", "the <think> tag", false);
        check("<think>a</think>b</think>c", "c", false);
        check("<think>a</think>b\n<think>c", "b\n", true);
        check("```\n<think>\n```", "```\n<think>\n```", false);
        check("[THINK]a[/THINK]b", "b", false);
        check("◁think▷a◁/think▷b", "b", false);
    }
}
