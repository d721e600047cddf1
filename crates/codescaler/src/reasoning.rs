//! What language models think before they answer: where their thoughts turn, how many were in
//! vain, and when they have said enough.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Words with which a thought turns away from the one before it.
const TURNS: [&str; 11] = [
    "wait",
    "but wait",
    "hmm",
    "alternatively",
    "actually,",
    "no,",
    "scratch that",
    "on second thought",
    "let me try another",
    "let me reconsider",
    "another approach",
];

/// Bytes of a line within which a turn is seen, should it begin with one.
const TURN_BYTES: usize = 32;

/// Marks in a line after which an answer stands.
const ENDS: [&str; 3] = ["</think>", "[/THINK]", "<|end_of_thought|>"];

/// Who repeats units of up to so many bytes …
const UNIT_BYTES_MAX: usize = 256;
/// … over so many does nothing else any more.
const LOOP_BYTES: usize = 4 * UNIT_BYTES_MAX;

fn is_turn(line: &str) -> bool {
    let begin: String = line.trim_start().chars().take(TURN_BYTES).collect();
    let begin = begin.to_lowercase();
    TURNS.iter().any(|turn| begin.starts_with(turn))
}

/// The failed-step fraction of a reasoning: steps from which the next one turns away, of all steps.
/// `None` for a reasoning without steps.
///
/// Feng et al., *What Characterizes Effective Reasoning?* (arXiv:2509.19284), let a language model
/// draw the graph of a reasoning and take the share of its nodes in abandoned branches. Here a
/// step is a paragraph, and it fails when the next one begins with a turn.
pub fn failed_steps(reasoning: &str) -> Option<f64> {
    let steps: Vec<&str> =
        reasoning.split("\n\n").map(str::trim).filter(|step| !step.is_empty()).collect();
    let failed = steps.iter().skip(1).filter(|step| is_turn(step)).count();
    (!steps.is_empty()).then(|| failed as f64 / steps.len() as f64)
}

/// When a reasoning is stopped: TrimR (Lin et al., arXiv:2505.17155).
///
/// Its verifier, a smaller language model, says of each thought whether it holds an answer, and
/// whether that is the one before it. Here the answer of a thought is its last block whose fence
/// names a programming language, and two of them are one when they differ in nothing but blank
/// lines, comments of their own line and white space at the ends of lines. The paper stops after so
/// many agreements one after the other, which a single odd answer begins anew; here some odd ones
/// may stand between (`odd` = 0 is as published).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Trim {
    /// With how many of those before it an answer has to agree.
    pub agreeing: u8,
    /// How many others may stand between these.
    pub odd: u8,
    /// Thoughts that may pass without agreement …
    pub thoughts_max: u16,
    /// … once there are so many bytes.
    pub bytes_min: u32,
}

/// Why a reasoning was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Its thoughts come to one answer again and again.
    Agreed,
    /// They come to none.
    GaveUp,
    /// It repeats itself, word for word.
    Loops,
}

/// A reasoning that was stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// How many of its bytes count.
    pub at: usize,
    /// Why.
    pub why: Why,
    /// The last block of code that a thought ended with.
    pub code: Option<String>,
}

/// Reads a reasoning as it is written, and says when to stop it.
///
/// What it says depends on the text alone, and not on the pieces in which it came.
#[derive(Clone, Debug)]
pub struct Watch {
    trim: Trim,
    text: String,
    /// Bytes that were looked at.
    read: usize,
    /// Where the line begins that is being read, and whether it was asked for a turn.
    line: usize,
    line_is_known: bool,
    /// Where the text begins of a block that is open.
    block: Option<usize>,
    /// Whether that is to be code.
    is_code: bool,
    /// The last block of the thought that is being read.
    code: Option<String>,
    thoughts: u16,
    /// The answers of the last thoughts that had one, the newest at the back.
    answers: VecDeque<String>,
    /// Whether the answer has begun, which is nobody's to stop.
    is_over: bool,
}

impl Watch {
    /// Nothing was read yet.
    pub fn new(trim: Trim) -> Watch {
        Watch {
            trim,
            text: String::new(),
            read: 0,
            line: 0,
            line_is_known: false,
            block: None,
            is_code: false,
            code: None,
            thoughts: 1,
            answers: VecDeque::new(),
            is_over: false,
        }
    }

    /// Reads on; says so when this is where to stop.
    pub fn read(&mut self, piece: &str) -> Option<Stop> {
        self.text.push_str(piece);
        while self.read < self.text.len() && !self.is_over {
            self.read += 1;
            let is_end = self.text.as_bytes()[self.read - 1] == b'\n';
            let is_enough = self.read - self.line >= TURN_BYTES || is_end;
            if is_enough && !self.line_is_known && self.text.is_char_boundary(self.read) {
                self.line_is_known = true;
                let line = &self.text[self.line..self.read];
                if self.block.is_none()
                    && is_turn(line)
                    && let Some(why) = self.turned()
                {
                    return Some(self.stop(self.line, why));
                }
            }
            if is_end {
                self.end_line();
            }
            if self.read.is_multiple_of(UNIT_BYTES_MAX) && self.loops() {
                let at = (0..=self.read).rev().find(|&at| self.text.is_char_boundary(at));
                return Some(self.stop(at.unwrap_or(0), Why::Loops));
            }
        }
        None
    }

    fn stop(&mut self, at: usize, why: Why) -> Stop {
        self.is_over = true;
        Stop { at, why, code: self.answers.back().cloned() }
    }

    /// A line is whole: fences open and close blocks, and some marks end it all.
    fn end_line(&mut self) {
        let (from, line) = (self.line, self.text[self.line..self.read].trim());
        match self.block {
            None if line.starts_with("```") => {
                self.block = Some(self.read);
                self.is_code = is_language(&line[3..]);
            }
            None => self.is_over = ENDS.iter().any(|end| line.contains(end)),
            Some(begin) if line == "```" => {
                self.block = None;
                let code = &self.text[begin..from];
                if self.is_code && !normal(code).is_empty() {
                    self.code = Some(code.to_owned());
                }
            }
            Some(_) => {}
        }
        (self.line, self.line_is_known) = (self.read, false);
    }

    /// A thought is at its end: whether that was the last one needed.
    fn turned(&mut self) -> Option<Why> {
        if self.line == 0 {
            return None;
        }
        if let Some(code) = self.code.take() {
            let same = normal(&code);
            let agreeing = self.answers.iter().filter(|answer| normal(answer) == same).count();
            self.answers.push_back(code);
            // The newest counts itself.
            if self.answers.len() > usize::from(self.trim.agreeing) + usize::from(self.trim.odd) {
                self.answers.pop_front();
            }
            if agreeing >= usize::from(self.trim.agreeing) {
                return Some(Why::Agreed);
            }
        }
        let gives_up =
            self.thoughts >= self.trim.thoughts_max && self.line >= self.trim.bytes_min as usize;
        self.thoughts = self.thoughts.saturating_add(1);
        gives_up.then_some(Why::GaveUp)
    }

    /// Whether the last bytes are one unit again and again.
    fn loops(&self) -> bool {
        let Some(from) = self.read.checked_sub(LOOP_BYTES) else { return false };
        let last = &self.text.as_bytes()[from..self.read];
        let has_period = |unit: usize| last[unit..] == last[..LOOP_BYTES - unit];
        (1..=UNIT_BYTES_MAX).any(has_period)
    }
}

/// Whether what follows the marks of a fence names a language that programs are written in.
fn is_language(info: &str) -> bool {
    const OTHERS: [&str; 8] =
        ["bash", "console", "input", "json", "output", "plaintext", "sh", "text"];
    let info = info.trim().to_lowercase();
    !info.is_empty() && !OTHERS.contains(&info.as_str())
}

/// A program without what does not matter when two are compared.
fn normal(code: &str) -> String {
    // `#include` and `#define` are no comments.
    let is_comment = |line: &str| {
        line.starts_with("//")
            || line.strip_prefix('#').is_some_and(|rest| {
                rest.is_empty() || rest.starts_with(|c: char| c == '#' || c.is_whitespace())
            })
    };
    let matters = |line: &&str| !(line.trim().is_empty() || is_comment(line.trim()));
    code.lines().map(str::trim_end).filter(matters).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRIM: Trim = Trim { agreeing: 2, odd: 1, thoughts_max: 6, bytes_min: 0 };

    /// Letters are thoughts that end with a program of that name, `.` is one without.
    fn thoughts(answers: &str) -> String {
        let thought = |answer| match answer {
            '.' => "Hmm, what of ties?\n\n".to_owned(),
            _ => format!("Wait, try this:\n```python\n# so\nprint('{answer}')\n```\nGood.\n\n"),
        };
        answers.chars().map(thought).collect()
    }

    fn stopped(trim: Trim, text: &str) -> Option<Stop> {
        Watch::new(trim).read(text)
    }

    #[test]
    fn failed_steps_are_counted() {
        for (reasoning, expected) in [
            ("", None),
            ("Sort them.", Some(0.0)),
            ("Sort them.\n\nThen scan.", Some(0.0)),
            ("Sort them.\n\nWait, ties.\n\n\n\nCount them.\n\nHmm, no.", Some(0.5)),
            ("Wait for input.\n\nAlternatively, scan.", Some(0.5)),
        ] {
            assert_eq!(failed_steps(reasoning), expected, "{reasoning:?}");
        }
    }

    /// The thought at which it stops, which is cut off.
    #[test]
    fn reasonings_are_stopped() {
        let published = Trim { odd: 0, ..TRIM };
        let late = Trim { bytes_min: 1_000_000, ..TRIM };
        for (trim, answers, expected) in [
            (TRIM, "aaa.", Some((3, Why::Agreed, "a"))),
            // The last thought is not at its end.
            (TRIM, "aaa", None),
            (TRIM, "aaba.", Some((4, Why::Agreed, "a"))),
            (TRIM, "a.a.a.", Some((5, Why::Agreed, "a"))),
            (published, "aabaa.", None),
            (published, "aabaaa.", Some((6, Why::Agreed, "a"))),
            (TRIM, "ababab", None),
            (TRIM, "abc......", Some((6, Why::GaveUp, "c"))),
            (late, "abcdef......", None),
        ] {
            let text = thoughts(answers);
            let expected = expected.map(|(kept, why, answer)| {
                let at = thoughts(&answers[..kept]).len();
                Stop { at, why, code: Some(format!("# so\nprint('{answer}')\n")) }
            });
            assert_eq!(stopped(trim, &text), expected, "{answers}");
            // What stands behind the thinking is the answer.
            let answered = format!("So.\n</think>\n{text}");
            assert_eq!(stopped(trim, &answered), None, "{answers}");
        }
        // Blocks that hold no program are no answers.
        for block in ["```\n3\n```\n", "```text\n3\n```\n", "```python\n# hm\n\n```\n"] {
            let text = format!("Wait.\n{block}Hm.\n").repeat(5);
            assert_eq!(stopped(TRIM, &text), None, "{block}");
        }
        let defines = |n: u32| format!("Wait.\n```cpp\n#define N {n}\n```\n");
        let text: String = (0..5).map(defines).collect();
        assert_eq!(stopped(TRIM, &text), None);
        // A turn within code is none.
        let code = "```\nwait = 1\nhmm = 2\n```\n".repeat(9);
        assert_eq!(stopped(TRIM, &code), None);
        let looping = format!("Let me think.\n{}", "I see. ".repeat(200));
        assert_eq!(stopped(TRIM, &looping), Some(Stop { at: 1280, why: Why::Loops, code: None }));
        let counting: String = (0..400).map(|n| format!("{n}, ")).collect();
        assert_eq!(stopped(TRIM, &counting), None);
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            answers in "[ab.]{0,12}",
            dashes in 0_usize..2_000,
            cuts in prop::collection::vec(0_usize..4_000, 0..40),
        ) {
            let text = format!("{}é{}", thoughts(&answers), "-".repeat(dashes));
            let whole = stopped(TRIM, &text);
            let mut cuts: Vec<usize> =
                cuts.into_iter().filter(|&cut| text.is_char_boundary(cut.min(text.len()))).collect();
            cuts.push(text.len());
            cuts.sort_unstable();
            let (mut watch, mut from, mut found) = (Watch::new(TRIM), 0, None);
            for cut in cuts {
                let cut = cut.min(text.len());
                found = found.or(watch.read(&text[from..cut]));
                from = cut;
            }
            prop_assert_eq!(found, whole);
        }
    }
}
