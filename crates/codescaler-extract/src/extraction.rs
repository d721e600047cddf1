//! What an extraction found.

use std::{fmt, ops::Range};

use serde::Serialize;

use crate::syntax::SyntaxError;

/// Everything learned from one completion. There is no error path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Extraction {
    /// The program, ready to score or run. Exactly one of `program` and `reason` is present.
    pub program: Option<String>,
    /// The bytes of the completion that the program came from: equal to the program, except
    /// where a note says that indentation or line ends were changed, or edits played. Present with `program`.
    pub range: Option<Range<usize>>,
    /// Why there is no program.
    pub reason: Option<Reason>,
    /// What was seen on the way, each kind at most once, sorted.
    pub notes: Vec<Note>,
}

impl Extraction {
    /// An extraction without a program.
    pub(crate) fn none(reason: Reason) -> Extraction {
        Extraction { reason: Some(reason), ..Extraction::default() }
    }
}

/// Why a completion has no program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Reason {
    /// The completion, its answer part or its only block is blank.
    Empty,
    /// There is text, but nothing that could be a program.
    NoCode,
    /// The thinking never ends, so there is no answer (drafts in it do not count).
    UnfinishedThinking,
    /// There are fenced blocks, all in other languages than the one asked for.
    OtherLanguage,
    /// `single-valid` only: more than one block.
    ManyBlocks {
        /// How many.
        n_blocks: usize,
    },
    /// What looks most like the program does not parse.
    Syntax {
        /// 1-based, within the block.
        line: u32,
        /// What the parser says.
        message: String,
    },
}

impl Reason {
    /// A stable name for counters and records.
    pub fn name(&self) -> &'static str {
        match self {
            Reason::Empty => "empty",
            Reason::NoCode => "no_code",
            Reason::UnfinishedThinking => "unfinished_thinking",
            Reason::OtherLanguage => "other_language",
            Reason::ManyBlocks { n_blocks: _ } => "many_blocks",
            Reason::Syntax { line: _, message: _ } => "syntax",
        }
    }
}

impl From<SyntaxError> for Reason {
    fn from(error: SyntaxError) -> Reason {
        Reason::Syntax { line: error.line, message: error.message }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Empty => f.write_str("nothing was written"),
            Reason::NoCode => f.write_str("no program in the text"),
            Reason::UnfinishedThinking => f.write_str("the thinking never ends"),
            Reason::OtherLanguage => f.write_str("only code in other languages"),
            Reason::ManyBlocks { n_blocks } => write!(f, "{n_blocks} code blocks, not one"),
            Reason::Syntax { line, message } => write!(f, "syntax error in line {line}: {message}"),
        }
    }
}

/// Something worth knowing about how a program was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Note {
    /// The fence of the program was never closed: the completion may have been cut.
    UnclosedFence,
    /// The fence ends elsewhere than CommonMark says (backticks inside the program, or a missing
    /// closing fence).
    FenceRepaired,
    /// No fence: the whole answer is the program.
    Unfenced,
    /// No fence: the program was cut out of prose.
    ProseTrimmed,
    /// Common indentation or quote marks were removed.
    Dedented,
    /// `\r\n` and `\r` became `\n`.
    LineEndsNormalised,
    /// Thinking before the answer was skipped.
    ThinkingSkipped,
    /// An earlier block in the language was passed over.
    DraftIgnored,
    /// A later block in the language was passed over: usage, tests, output.
    UsageDropped,
    /// A block in another language was passed over.
    OtherLanguageIgnored,
    /// The program was put together from edits.
    Played,
    /// This build has no parser for the language: the syntax was not checked.
    SyntaxUnchecked,
}

impl Note {
    /// A stable name for counters and records.
    pub fn name(self) -> &'static str {
        match self {
            Note::UnclosedFence => "unclosed_fence",
            Note::FenceRepaired => "fence_repaired",
            Note::Unfenced => "unfenced",
            Note::ProseTrimmed => "prose_trimmed",
            Note::Dedented => "dedented",
            Note::LineEndsNormalised => "line_ends_normalised",
            Note::ThinkingSkipped => "thinking_skipped",
            Note::DraftIgnored => "draft_ignored",
            Note::UsageDropped => "usage_dropped",
            Note::OtherLanguageIgnored => "other_language_ignored",
            Note::Played => "played",
            Note::SyntaxUnchecked => "syntax_unchecked",
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
