//! A program as a sequence of insertions each of which leaves a program without faults behind
//! (LintSeq, arXiv:2410.02749), and from such a sequence back to the program.
//!
//! A program is taken apart: a line is drawn and deleted with what is indented below it, then what
//! the linter complains about, until it is content; again and again until nothing is left. What is
//! written are the steps backwards, as unified diffs without context.
//!
//! Where we deviate: lines are Python's logical lines (a statement over several lines is one, with
//! comments and decorators above it), so no step tears a bracket open; and the linter is a parser
//! with pyflakes' undefined names in place of pylint. A block without a body takes its header
//! along, an `else` goes with its `if`, a `try` with its last `except`: complaints of parsers point
//! behind these.

mod names;
mod play;
#[cfg(test)]
mod tests;
mod unit;

use std::ops::Range;

use codescaler::{language::Language, seed::Rng};

pub use play::{PlayError, PlayErrorKind, play};
use unit::Unit;

use crate::python;
use names::Known;

/// What stands between two edits of a sequence.
pub const EDIT_SEPARATOR: &str = "\n<|diff|>";

/// The longest program that is taken apart, in lines: every step parses it.
const LINES_MAX: usize = 1_000;

/// The insertions that make a Python program, in order, each a unified diff without context; what
/// is drawn depends on `seed` alone. `prelude` is code that runs before it, whose names it may use.
///
/// Played one after the other ([`play`]), each gives a program that parses and reads no name that
/// nothing defines; the last gives this one, with a line break at its end.
///
/// `None` for other languages, and for programs that the linter complains about, that have no
/// statement, line ends other than `\n`, or more than 1,000 lines.
pub fn edits(
    program: &str,
    language: Language,
    (prelude, seed): (&str, u64),
) -> Option<Vec<String>> {
    let is_usual = language == Language::Python && !program.contains(['\r', '\0', '\x0c']);
    let lines: Vec<&str> = program.lines().collect();
    if !is_usual || lines.len() > LINES_MAX {
        return None;
    }
    let known = python::with_module(prelude, Known::of).unwrap_or_default();
    let source = Source { units: unit::units(program).ok()?, lines, known };
    let mut kept = vec![true; source.units.len()];
    if source.units.is_empty() || !source.faults(&kept).is_empty() {
        return None;
    }
    let mut rng = Rng::new(seed);
    let mut states = vec![kept.clone()];
    while let Some(drawn) = source.draw(&kept, &mut rng) {
        let mut faults = vec![drawn];
        while !faults.is_empty() {
            faults.iter().for_each(|&fault| source.delete(fault, &mut kept));
            faults = source.faults(&kept);
        }
        states.push(kept.clone());
    }
    states.reverse();
    Some(states.windows(2).map(|two| source.edit(&two[0], &two[1])).collect())
}

/// A program in parts.
struct Source<'a> {
    lines: Vec<&'a str>,
    units: Vec<Unit>,
    known: Known,
}

impl Source<'_> {
    /// A unit that is still there, one twice as deep drawn twice as often (LintSeq's weights, with
    /// its factor of 1).
    fn draw(&self, kept: &[bool], rng: &mut Rng) -> Option<usize> {
        let weight = |index: usize| match kept[index] {
            true => self.units[index].depth.max(1) as u64,
            false => 0,
        };
        let all: u64 = (0..kept.len()).map(weight).sum();
        let mut lot = rng.below(all.max(1));
        (0..kept.len()).filter(|&index| kept[index]).find(|&index| {
            let found = lot < weight(index);
            lot = lot.saturating_sub(weight(index));
            found
        })
    }

    /// Deletes a unit, and what is still there of the units indented below it.
    fn delete(&self, unit: usize, kept: &mut [bool]) {
        kept[unit] = false;
        let depth = self.units[unit].depth;
        let below = (unit + 1..kept.len()).take_while(|&below| self.units[below].depth > depth);
        below.for_each(|below| kept[below] = false);
    }

    /// Units at fault, all of which are there; none where the linter is content.
    fn faults(&self, kept: &[bool]) -> Vec<usize> {
        let torn = unit::torn(&self.units, kept);
        if !torn.is_empty() {
            return torn;
        }
        let text = self.text(kept);
        match python::with_module(&text, |module| names::undefined(module, &self.known)) {
            Ok(bytes) => {
                let line = |byte: usize| text[..byte].matches('\n').count();
                bytes.into_iter().filter_map(|byte| self.unit_at(kept, line(byte))).collect()
            }
            Err(error) => {
                let line = usize::try_from(error.line).unwrap_or(usize::MAX).saturating_sub(1);
                self.unit_at(kept, line).into_iter().collect()
            }
        }
    }

    /// The unit that line number `line` of a state belongs to, the last for a line behind it.
    fn unit_at(&self, kept: &[bool], line: usize) -> Option<usize> {
        let mut ends = 0;
        let mut there = (0..kept.len()).filter(|&index| kept[index]);
        let at = there.find(|&index| {
            ends += self.units[index].lines.len();
            line < ends
        });
        at.or_else(|| kept.iter().rposition(|&kept| kept))
    }

    fn text(&self, kept: &[bool]) -> String {
        let units = self.units.iter().zip(kept).filter(|(_, kept)| **kept);
        let lines = units.flat_map(|(unit, _)| &self.lines[unit.lines.clone()]);
        lines.flat_map(|line| [line, "\n"]).collect()
    }

    /// What is in `after` and not in `before`.
    fn edit(&self, before: &[bool], after: &[bool]) -> String {
        // Where each run stands in the state after it, and its lines.
        let mut runs: Vec<(Range<usize>, Vec<&str>)> = Vec::new();
        let mut at = 0;
        for (index, unit) in self.units.iter().enumerate().filter(|(index, _)| after[*index]) {
            let lines = at..at + unit.lines.len();
            at = lines.end;
            if before[index] {
                continue;
            }
            let own = &self.lines[unit.lines.clone()];
            match runs.last_mut() {
                Some((run, text)) if run.end == lines.start => {
                    run.end = lines.end;
                    text.extend(own);
                }
                Some(_) | None => runs.push((lines, own.to_vec())),
            }
        }
        let mut inserted = 0;
        let hunk = |(run, lines): (Range<usize>, Vec<&str>)| {
            let behind = run.start - inserted;
            inserted += run.len();
            let count = if run.len() == 1 { String::new() } else { format!(",{}", run.len()) };
            let lines: String = lines.iter().flat_map(|line| ["\n+", line]).collect();
            format!("@@ -{behind},0 +{}{count} @@{lines}", run.start + 1)
        };
        runs.into_iter().map(hunk).collect::<Vec<_>>().join("\n")
    }
}
