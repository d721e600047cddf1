//! Policy `best-valid`: of all the places where a program may stand, the valid one that fits best.
//!
//! The places are, in this order: fenced blocks as CommonMark reads them; where a block does not
//! parse, the same opening with other ends, and the fences inside it; the whole answer; code
//! among prose. Each place that parses is graded by [`Fit`], then by its tag; the last of the
//! best wins, because language models end with their answer.

use std::ops::Range;

use codescaler::language::Language;

use crate::{
    bare,
    cut::{self, Container, Cut},
    extraction::{Extraction, Note, Reason},
    fence::{self, Block, Marker, Tag},
    fit::{Fit, fit},
    policy::Spec,
    syntax::{SyntaxError, has_parser},
    thinking,
};

/// Other ends that are tried for a block that does not parse, on each side of its own.
const OTHER_ENDS_MAX: usize = 4;

/// Bytes that repairs, and blocks inside blocks that do not parse, may each cost: as a multiple of
/// the answer's length.
const REPAIR_FACTOR: usize = 8;

/// Fence lines that are looked at: the last ones.
const MARKERS_MAX: usize = 4_096;

/// How well a tag matches the language; more is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Match {
    Foreign,
    Untagged,
    Same,
}

/// A place that parses.
struct Found {
    cut: Cut,
    fit: Fit,
    tag: Match,
    note: Option<Note>,
    is_closed: bool,
}

/// An answer and its fence lines.
#[derive(Clone, Copy)]
struct Fences<'a> {
    text: &'a str,
    markers: &'a [Marker],
}

impl Fences<'_> {
    /// Where the block's content starts. Some writers put the tag on a line of its own.
    fn content_start(self, block: Block) -> usize {
        let open = &self.markers[block.open];
        let content = &self.text[open.next_line..self.end_of(block)];
        let line_end = content.find('\n').unwrap_or(0);
        let word = content[..line_end].trim_end();
        let is_tag = !open.is_tagged() && word.len() > 1 && Language::from_tag(word).is_some();
        if is_tag { open.next_line + line_end + 1 } else { open.next_line }
    }

    /// Where the block's content ends, as CommonMark reads it.
    fn end_of(self, block: Block) -> usize {
        block.close.map_or(self.text.len(), |idx| self.markers[idx].line_start)
    }

    /// The marker after the block.
    fn after(self, block: Block) -> usize {
        block.close.map_or(self.markers.len(), |close| close + 1)
    }

    /// Where to go on when no end makes the block parse: at the first line inside it that looks
    /// like the start of another block, or else after it.
    fn go_on(self, block: Block) -> usize {
        let own = block.close.unwrap_or(self.markers.len());
        let inside = (block.open + 1..own).find(|&idx| self.opens_another(idx));
        inside.unwrap_or_else(|| self.after(block))
    }

    fn opens_another(self, idx: usize) -> bool {
        self.markers[idx].is_tagged() && self.markers[idx].opens(self.text)
    }

    fn end_at_marker(self, idx: usize) -> End {
        let go_on = if self.opens_another(idx) { idx } else { idx + 1 };
        End { at: self.markers[idx].line_start, go_on, is_closed: true }
    }

    /// Other ends of a block, in the order they are tried: fences before its own that CommonMark
    /// does not take for its end, later fences (there are backticks inside the program), the end
    /// of the text, and backticks that close it on a line of code.
    fn other_ends(self, block: Block) -> Vec<End> {
        let Fences { text, markers } = self;
        let open = &markers[block.open];
        let own = block.close.unwrap_or(markers.len());
        let earlier = (block.open + 1..own).take(OTHER_ENDS_MAX);
        let later = (own + 1..markers.len()).filter(|&idx| markers[idx].closes(open));
        let indices = earlier.chain(later.take(OTHER_ENDS_MAX));
        let mut ends: Vec<End> = indices.map(|idx| self.end_at_marker(idx)).collect();
        ends.push(End { at: text.len(), go_on: markers.len(), is_closed: false });
        let content = &text[open.next_line..self.end_of(block)];
        let on_code = memchr::memmem::find_iter(content.as_bytes(), "```")
            .map(|at| open.next_line + at)
            .find(|&at| text[at + 3..].lines().next().is_none_or(|rest| rest.trim().is_empty()));
        ends.extend(on_code.map(|at| {
            let go_on = markers.partition_point(|marker| marker.line_start <= at);
            End { at, go_on, is_closed: true }
        }));
        ends
    }
}

/// Another place where a block may end.
struct End {
    at: usize,
    /// The marker to go on from.
    go_on: usize,
    is_closed: bool,
}

/// Everything seen in one answer.
#[derive(Default)]
struct Search {
    found: Vec<Found>,
    /// The last block that is in the language and does not parse.
    error: Option<SyntaxError>,
    n_fences: usize,
    n_blank: usize,
    n_other_languages: usize,
    repair_bytes_left: usize,
    overlap_bytes_left: usize,
    /// Up to where blocks have been parsed.
    parsed_to: usize,
}

/// Finds the program.
pub(crate) fn extract(completion: &str, spec: &Spec<'_>) -> Extraction {
    let first_fence = |text: &str| fence::markers(text).first().map(|marker| marker.line_start);
    let answer = thinking::answer(completion, first_fence);
    let text = &completion[answer.range.clone()];
    if text.trim().is_empty() {
        let reason = if answer.unfinished { Reason::UnfinishedThinking } else { Reason::Empty };
        return Extraction::none(reason);
    }
    let mut search = Search {
        repair_bytes_left: REPAIR_FACTOR * text.len(),
        overlap_bytes_left: REPAIR_FACTOR * text.len(),
        ..Search::default()
    };
    search.fences(text, spec);
    search.whole(text, spec);
    let mut extraction = search.best(text, spec.language);
    if answer.unfinished && extraction.reason == Some(Reason::NoCode) {
        extraction.reason = Some(Reason::UnfinishedThinking);
    }
    if extraction.program.is_some() && answer.after_thinking {
        extraction.notes.push(Note::ThinkingSkipped);
        extraction.notes.sort_unstable();
    }
    let offset = answer.range.start;
    extraction.range = extraction.range.map(|range| range.start + offset..range.end + offset);
    extraction
}

impl Search {
    /// Looks at every fenced block; inside a block only where it does not parse.
    fn fences(&mut self, text: &str, spec: &Spec<'_>) {
        let all = fence::markers(text);
        let markers = &all[all.len().saturating_sub(MARKERS_MAX)..];
        let fences = Fences { text, markers };
        let mut from = 0;
        while let Some(block) = fence::next_block(text, markers, from) {
            self.n_fences += 1;
            from = match tag_match(markers[block.open].tag(text), spec.language) {
                TagMatch::Transparent => block.open + 1,
                TagMatch::Candidate(tag) => self.block(fences, block, tag, spec),
                TagMatch::Other => {
                    self.n_other_languages += 1;
                    // An unclosed block does not swallow what follows it.
                    block.close.map_or(block.open + 1, |close| close + 1)
                }
            };
        }
    }

    /// Tries one block, then its other ends. Returns the marker to go on from.
    fn block(&mut self, fences: Fences<'_>, block: Block, tag: Match, spec: &Spec<'_>) -> usize {
        let text = fences.text;
        let open = &fences.markers[block.open];
        let container = Container { column: open.column, n_quotes: open.n_quotes };
        let start = fences.content_start(block);
        let Some(cut) = cut::cut(text, start..fences.end_of(block), container) else {
            self.n_blank += 1;
            return fences.after(block);
        };
        if self.may_parse(&cut.range) {
            match fit(&cut.text, spec.language, spec.entry) {
                Ok(fit) => {
                    let is_closed = block.close.is_some();
                    self.found.push(Found { cut, fit, tag, note: None, is_closed });
                    return fences.after(block);
                }
                Err(_) if tag == Match::Foreign => return fences.go_on(block),
                Err(error) => self.error = Some(error),
            }
        }
        for end in fences.other_ends(block) {
            let Some((cut, fit)) = self.repair(text, start..end.at, container, spec) else {
                continue;
            };
            let note = Some(Note::FenceRepaired);
            self.found.push(Found { cut, fit, tag, note, is_closed: end.is_closed });
            return end.go_on;
        }
        fences.go_on(block)
    }

    /// Keeps the work linear: what was parsed before is parsed again a few times only.
    fn may_parse(&mut self, range: &Range<usize>) -> bool {
        let n_again = self.parsed_to.min(range.end).saturating_sub(range.start);
        self.parsed_to = self.parsed_to.max(range.end);
        match self.overlap_bytes_left.checked_sub(n_again) {
            Some(rest) => self.overlap_bytes_left = rest,
            None => return false,
        }
        true
    }

    /// Tries another end of a block, and if prose follows the program there, what precedes it.
    fn repair(
        &mut self,
        text: &str,
        piece: Range<usize>,
        container: Container,
        spec: &Spec<'_>,
    ) -> Option<(Cut, Fit)> {
        self.repair_bytes_left = self.repair_bytes_left.checked_sub(2 * piece.len())?;
        let start = piece.start;
        let cut = cut::cut(text, piece, container)?;
        let error = match fit(&cut.text, spec.language, spec.entry) {
            Ok(fit) => return Some((cut, fit)),
            Err(error) => error,
        };
        // A closing fence may be missing before prose: there the error is, and there it ends.
        let lines = text[cut.range.clone()].split_inclusive('\n');
        let n_before = error.line as usize - 1;
        let before = lines.clone().take(n_before).map(str::len).sum::<usize>();
        if !bare::reads_like_prose(lines.clone().nth(n_before)?, spec.language) {
            return None;
        }
        let cut = cut::cut(text, start..cut.range.start + before, container)?;
        let fit = fit(&cut.text, spec.language, spec.entry).ok()?;
        Some((cut, fit))
    }

    /// Reads the answer without its fences, if they did not give what the tests call.
    fn whole(&mut self, text: &str, spec: &Spec<'_>) {
        let best = self.found.iter().map(|found| found.fit).max();
        if best == Some(Fit::Entry) || self.n_other_languages > 0 {
            return;
        }
        let Some(cut) = cut::cut(text, 0..text.len(), Container::default()) else { return };
        let has_fences = self.n_fences > 0;
        if !has_fences && bare::starts_with_tag_line(&cut.text) {
            return self.prose(text, spec);
        }
        match fit(&cut.text, spec.language, spec.entry) {
            Ok(fit) if fit > best.unwrap_or(Fit::Inert) && has_parser(spec.language) => {
                let note = Some(Note::Unfenced);
                self.found = vec![Found { cut, fit, tag: Match::Untagged, note, is_closed: true }];
            }
            Err(_) if !has_fences => self.prose(text, spec),
            Ok(_) | Err(_) => {}
        }
    }

    /// Tries every piece of code among prose.
    fn prose(&mut self, text: &str, spec: &Spec<'_>) {
        for piece in bare::pieces(text, spec.language) {
            let Some(cut) = cut::cut(text, piece, Container::default()) else { continue };
            match fit(&cut.text, spec.language, spec.entry) {
                Ok(fit) => {
                    let (tag, note) = (Match::Untagged, Some(Note::ProseTrimmed));
                    self.found.push(Found { cut, fit, tag, note, is_closed: true });
                }
                Err(error) => self.error = Some(error),
            }
        }
    }

    /// Chooses among what was found, or says why there is nothing.
    fn best(self, text: &str, language: Language) -> Extraction {
        // A foreign tag (`text`, `bash`) is believed unless the block has what the tests call,
        // and nothing that does nothing is a program.
        let eligible = |found: &&Found| {
            found.fit == Fit::Entry || found.fit > Fit::Inert && found.tag != Match::Foreign
        };
        let key = |found: &Found| (found.fit, found.tag, found.cut.range.start);
        let Some(best) = self.found.iter().filter(eligible).max_by_key(|found| key(found)) else {
            return Extraction::none(self.reason(text));
        };
        let mut notes = best.cut.notes.clone();
        notes.extend(best.note);
        let others = self.found.iter().filter(|found| found.tag != Match::Foreign);
        for other in others {
            if other.cut.range.start < best.cut.range.start {
                notes.push(Note::DraftIgnored);
            } else if other.cut.range.start > best.cut.range.start {
                notes.push(Note::UsageDropped);
            }
        }
        if !best.is_closed {
            notes.push(Note::UnclosedFence);
        }
        if self.n_other_languages > 0 {
            notes.push(Note::OtherLanguageIgnored);
        }
        if !has_parser(language) {
            notes.push(Note::SyntaxUnchecked);
        }
        notes.sort_unstable();
        notes.dedup();
        Extraction {
            program: Some(best.cut.text.clone()),
            range: Some(best.cut.range.clone()),
            reason: None,
            notes,
        }
    }

    fn reason(self, text: &str) -> Reason {
        if let Some(error) = self.error {
            error.into()
        } else if self.n_other_languages > 0 {
            Reason::OtherLanguage
        } else if self.n_fences > 0 && self.n_blank == self.n_fences || text.trim().is_empty() {
            Reason::Empty
        } else {
            Reason::NoCode
        }
    }
}

/// What a tag means for the language asked for.
enum TagMatch {
    Candidate(Match),
    Other,
    /// The block is Markdown: what counts is inside.
    Transparent,
}

fn tag_match(tag: Tag, asked: Language) -> TagMatch {
    match tag {
        Tag::Markdown => TagMatch::Transparent,
        Tag::Untagged => TagMatch::Candidate(Match::Untagged),
        Tag::Foreign => TagMatch::Candidate(Match::Foreign),
        Tag::Language(language) if reads_as(language, asked) => TagMatch::Candidate(Match::Same),
        Tag::Language(_) => TagMatch::Other,
    }
}

/// Whether programs in `written` may be taken for programs in `asked`: C is nearly C++, and
/// JavaScript is TypeScript.
fn reads_as(written: Language, asked: Language) -> bool {
    written == asked
        || (written, asked) == (Language::C, Language::Cpp)
        || (written, asked) == (Language::JavaScript, Language::TypeScript)
}
