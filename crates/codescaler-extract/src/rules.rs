//! The published rules, quirks included, for fidelity to what others measured.

use std::ops::Range;

use codescaler::language::Language;
use memchr::memmem;

use crate::{
    cut::{self, Container},
    edits::play,
    extraction::{Extraction, Note, Reason},
    fence,
    syntax::{check_syntax, has_parser},
};

/// Policy `whole`.
pub(crate) fn whole(completion: &str) -> Extraction {
    if completion.trim().is_empty() {
        return Extraction::none(Reason::Empty);
    }
    Extraction {
        program: Some(completion.to_owned()),
        range: Some(0..completion.len()),
        reason: None,
        notes: Vec::new(),
    }
}

/// Policy `edits`. The reason for an edit that cannot be played is a syntax error in its line.
pub(crate) fn edits(completion: &str, language: Language) -> Extraction {
    let program = match play(completion) {
        Ok(program) if program.trim().is_empty() => return Extraction::none(Reason::Empty),
        Ok(program) => program,
        Err(error) => {
            let line = u32::try_from(error.line).unwrap_or(u32::MAX);
            return Extraction::none(Reason::Syntax { line, message: error.kind.to_string() });
        }
    };
    if let Err(error) = check_syntax(&program, language) {
        return Extraction::none(error.into());
    }
    let unchecked = (!has_parser(language)).then_some(Note::SyntaxUnchecked);
    Extraction {
        program: Some(program),
        range: Some(0..completion.len()),
        reason: None,
        notes: [Note::Played].into_iter().chain(unchecked).collect(),
    }
}

/// Policy `single-valid`. The quirks are the rule: `` ```c++ `` and a tag with a space after it
/// open nothing, fences count inside thinking and inside strings, an unclosed fence is no block.
///
/// Deviations: Python's `\w` is `str.isalnum` or `_`, Rust's `is_alphanumeric` also takes
/// combining vowel signs and circled letters; the grammar is Python 3.11's instead of 3.10's; an
/// empty block, which upstream cannot tell from no program, is [`Reason::Empty`].
pub(crate) fn single_valid(completion: &str, language: Language) -> Extraction {
    let blocks = regex_blocks(completion);
    let [block] = blocks.as_slice() else {
        return Extraction::none(match blocks.len() {
            0 if completion.trim().is_empty() => Reason::Empty,
            0 => Reason::NoCode,
            n_blocks => Reason::ManyBlocks { n_blocks },
        });
    };
    let stripped = strip(completion, block.clone());
    let program = &completion[stripped.clone()];
    if program.is_empty() {
        return Extraction::none(Reason::Empty);
    }
    match check_syntax(program, language) {
        Ok(()) => Extraction {
            program: Some(program.to_owned()),
            range: Some(stripped),
            reason: None,
            notes: if has_parser(language) { Vec::new() } else { vec![Note::SyntaxUnchecked] },
        },
        Err(error) => Extraction::none(error.into()),
    }
}

/// `re.findall(r"```(?:\w+)?\n(.*?)```", completion, re.DOTALL)`, as byte ranges of the group.
fn regex_blocks(completion: &str) -> Vec<Range<usize>> {
    let finder = memmem::Finder::new("```");
    let find = |from: usize| finder.find(&completion.as_bytes()[from..]).map(|at| from + at);
    let mut blocks = Vec::new();
    let mut from = 0;
    while let Some(open) = find(from) {
        let after = open + 3;
        let word = completion[after..].find(|c: char| !(c.is_alphanumeric() || c == '_'));
        let newline = word.map_or(completion.len(), |len| after + len);
        if completion.as_bytes().get(newline) != Some(&b'\n') {
            // A word holds no backtick, so the next match cannot start before its end, except
            // within a longer run of backticks.
            from = if newline == after { open + 1 } else { newline };
            continue;
        }
        let Some(close) = find(newline + 1) else { break };
        blocks.push(newline + 1..close);
        from = close + 3;
    }
    blocks
}

/// `str.strip()`: Python's white space is Unicode's and the four separators U+001C to U+001F.
fn strip(text: &str, piece: Range<usize>) -> Range<usize> {
    let is_space = |c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c);
    let raw = &text[piece.clone()];
    let start = piece.start + raw.len() - raw.trim_start_matches(is_space).len();
    start..start + text[start..piece.end].trim_end_matches(is_space).len()
}

/// Policy `last-fenced`.
pub(crate) fn last_fenced(completion: &str) -> Extraction {
    let markers = fence::markers(completion);
    let mut last = None;
    let mut from = 0;
    while let Some(block) = fence::next_block(completion, &markers, from) {
        from = block.close.map_or(markers.len(), |close| close + 1);
        last = Some(block);
    }
    let Some(block) = last else {
        let blank = completion.trim().is_empty();
        return Extraction::none(if blank { Reason::Empty } else { Reason::NoCode });
    };
    let open = &markers[block.open];
    let end = block.close.map_or(completion.len(), |close| markers[close].line_start);
    let container = Container { column: open.column, n_quotes: open.n_quotes };
    let Some(cut) = cut::cut(completion, open.next_line..end, container) else {
        return Extraction::none(Reason::Empty);
    };
    let mut notes = cut.notes;
    if block.close.is_none() {
        notes.push(Note::UnclosedFence);
    }
    notes.sort_unstable();
    Extraction { program: Some(cut.text), range: Some(cut.range), reason: None, notes }
}

/// Policy `lcb`: LiveCodeBench splits at `\n`, takes the last two lines that contain three
/// backticks anywhere, and returns the lines between them as they are.
pub(crate) fn lcb(completion: &str) -> Extraction {
    let bytes = completion.as_bytes();
    let line_start = |at: usize| memchr::memrchr(b'\n', &bytes[..at]).map_or(0, |n| n + 1);
    let blank = completion.trim().is_empty();
    let none = || Extraction::none(if blank { Reason::Empty } else { Reason::NoCode });
    let Some(close) = memmem::rfind(bytes, b"```").map(line_start) else { return none() };
    let Some(open) = memmem::rfind(&bytes[..close], b"```") else { return none() };
    let start = memchr::memchr(b'\n', &bytes[open..]).map_or(close, |n| open + n + 1);
    let range = start..close.saturating_sub(1).max(start);
    let program = &completion[range.clone()];
    if program.is_empty() {
        return Extraction::none(Reason::Empty);
    }
    Extraction {
        program: Some(program.to_owned()),
        range: Some(range),
        reason: None,
        notes: Vec::new(),
    }
}
