//! Fenced code blocks of Markdown (CommonMark 0.31, section 4.5), found at memory speed.
//!
//! Deviations, all because language models write them and mean a fence: a fence may be indented
//! by any width, and containers (lists, quotes) are told by the text before the opening fence on
//! its own line instead of by a tree of blocks.

use std::ops::Range;

use codescaler::language::Language;

/// A line that begins with three or more backticks or tildes, apart from indentation, quote marks
/// and list markers: it may open or close a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Marker {
    /// Where its line starts.
    pub(crate) line_start: usize,
    /// Where the next line starts, or the end of the text.
    pub(crate) next_line: usize,
    /// Columns before the run, containers included.
    pub(crate) column: usize,
    /// Quote marks before the run.
    pub(crate) n_quotes: usize,
    /// Whether a list marker stands before the run; such a line can only open.
    pub(crate) in_list_item: bool,
    /// The fence character.
    mark: u8,
    /// How many of it.
    n_marks: usize,
    /// The rest of the line, trimmed.
    pub(crate) info: Range<usize>,
}

impl Marker {
    /// Whether the line may open a block: the info string of a backtick fence has no backtick.
    pub(crate) fn opens(&self, text: &str) -> bool {
        self.mark == b'~' || memchr::memchr(b'`', text[self.info.clone()].as_bytes()).is_none()
    }

    /// Whether the line closes a block that `open` opened.
    pub(crate) fn closes(&self, open: &Marker) -> bool {
        self.mark == open.mark
            && self.n_marks >= open.n_marks
            && self.info.is_empty()
            && !self.in_list_item
            && self.n_quotes <= open.n_quotes
            && self.column <= open.column + 3
    }

    /// Whether the line has an info string, so that it looks like the start of another block.
    pub(crate) fn is_tagged(&self) -> bool {
        !self.info.is_empty()
    }

    /// What the info string says about the language.
    pub(crate) fn tag(&self, text: &str) -> Tag {
        Tag::of(&text[self.info.clone()])
    }
}

/// Every marker of the text, in order.
pub(crate) fn markers(text: &str) -> Vec<Marker> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0; // A line start, always.
    while let Some(offset) = memchr::memchr2(b'`', b'~', &bytes[at..]) {
        let run = at + offset;
        let line_start = memchr::memrchr(b'\n', &bytes[at..run]).map_or(at, |n| at + n + 1);
        let line_end = memchr::memchr(b'\n', &bytes[run..]).map_or(bytes.len(), |n| run + n);
        let next_line = (line_end + 1).min(bytes.len());
        // Only the first run of a line can be a marker, so the rest of the line is skipped.
        at = next_line;
        let mark = bytes[run];
        let n_marks = bytes[run..line_end].iter().take_while(|&&byte| byte == mark).count();
        if n_marks < 3 {
            continue;
        }
        let Some(prefix) = Prefix::of(&bytes[line_start..run]) else { continue };
        let rest = &text[run + n_marks..line_end];
        let info_start = run + n_marks + (rest.len() - rest.trim_start().len());
        found.push(Marker {
            line_start,
            next_line,
            column: prefix.column,
            n_quotes: prefix.n_quotes,
            in_list_item: prefix.in_list_item,
            mark,
            n_marks,
            info: info_start..info_start + rest.trim().len(),
        });
    }
    found
}

/// What stands before a fence on its line.
struct Prefix {
    column: usize,
    n_quotes: usize,
    in_list_item: bool,
}

impl Prefix {
    /// `None` where the line holds more than containers and white space.
    fn of(bytes: &[u8]) -> Option<Prefix> {
        let mut prefix = Prefix { column: 0, n_quotes: 0, in_list_item: false };
        let mut at = 0;
        while at < bytes.len() {
            let n_digits = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            let width = match bytes[at] {
                b'\t' => {
                    prefix.column += 3;
                    1
                }
                b' ' => 1,
                b'>' => {
                    prefix.n_quotes += 1;
                    1
                }
                b'-' | b'*' | b'+' if matches!(bytes.get(at + 1), Some(b' ' | b'\t')) => {
                    prefix.in_list_item = true;
                    1
                }
                b'0'..=b'9' if is_ordinal(&bytes[at..], n_digits) => {
                    prefix.in_list_item = true;
                    n_digits + 1
                }
                _ => return None,
            };
            at += width;
            prefix.column += width;
        }
        Some(prefix)
    }
}

/// Whether `n_digits` digits are followed by the rest of an ordered list marker: `12. ` or `3) `.
fn is_ordinal(bytes: &[u8], n_digits: usize) -> bool {
    n_digits <= 9
        && matches!(bytes.get(n_digits), Some(b'.' | b')'))
        && matches!(bytes.get(n_digits + 1), Some(b' ' | b'\t'))
}

/// A block as CommonMark reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// Index of the opening marker.
    pub(crate) open: usize,
    /// Index of the closing marker; `None` when the text ends first.
    pub(crate) close: Option<usize>,
}

/// The first block that opens at or after the marker `from`.
pub(crate) fn next_block(text: &str, markers: &[Marker], from: usize) -> Option<Block> {
    let open = (from..markers.len()).find(|&idx| markers[idx].opens(text))?;
    let close = (open + 1..markers.len()).find(|&idx| markers[idx].closes(&markers[open]));
    Some(Block { open, close })
}

/// What an info string says about the language of its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    /// No info string.
    Untagged,
    /// One of ours.
    Language(Language),
    /// A word that names no language of ours: `text`, `bash`, `solution`.
    Foreign,
    /// Markdown: the fences inside are what counts.
    Markdown,
}

impl Tag {
    /// Reads `python`, `Python3.11`, `{.python .numberLines}`, `cpp=`, `rust,no_run`,
    /// `python title="a.py"`, `python:main.py` and `main.py`.
    pub(crate) fn of(info: &str) -> Tag {
        let separators = |c: char| c.is_whitespace() || matches!(c, ',' | ':' | '=' | '{' | '}');
        let word = info.split(separators).map(|word| word.trim_start_matches('.'));
        let Some(word) = word.into_iter().find(|word| !word.is_empty()) else {
            return Tag::Untagged;
        };
        if matches!(word.to_ascii_lowercase().as_str(), "markdown" | "md") {
            return Tag::Markdown;
        }
        let version = word.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        let extension = word.rsplit_once('.').map(|(_, extension)| extension);
        let language = Language::from_tag(word)
            .or_else(|| Language::from_tag(version))
            .or_else(|| extension.and_then(Language::from_tag));
        language.map_or(Tag::Foreign, Tag::Language)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks as `line of opening..line of closing`, 1-based; an open end is `..`.
    #[track_caller]
    fn check(text: &str, expected: &str) {
        let markers = markers(text);
        let line = |idx: usize| text[..markers[idx].line_start].matches('\n').count() + 1;
        let mut found = Vec::new();
        let mut from = 0;
        while let Some(block) = next_block(text, &markers, from) {
            let close = block.close.map_or(String::new(), |idx| line(idx).to_string());
            found.push(format!("{}..{close}", line(block.open)));
            from = block.close.map_or(markers.len(), |idx| idx + 1);
        }
        assert_eq!(found.join(" "), expected, "in {text:?}");
    }

    #[test]
    fn blocks_are_commonmark_blocks() {
        check("```\na\n```", "1..3");
        check("```python\na\n```\nb\n~~~\nc\n~~~\n", "1..3 5..7");
        check("````\n```\na\n```\n````", "1..5");
        check("```\na\n````", "1..3");
        check("````\na\n```", "1..");
        check("~~~\n```\n~~~", "1..3");
        check("```\n~~~\n```", "1..3");
        check("``\na\n``", "");
        check("```a`b\nc\n```", "3..");
        check("~~~a`b\nc\n~~~", "1..3");
        check("text ```\na\n```", "3..");
        check("```\na\n``` b\n```", "1..4");
        check("1. ```py\n   a\n   ```\n", "1..3");
        check("- * > ```py\n> a\n> ```\n", "1..3");
        check("```\n    ```\n```", "1..3");
        check("   ```\na\n     ```", "1..3");
        check("```\r\na\r\n```\r\n", "1..3");
        check("```", "1..");
        check("", "");
    }

    #[track_caller]
    fn check_tag(info: &str, expected: Tag) {
        assert_eq!(Tag::of(info), expected, "of {info:?}");
    }

    #[test]
    fn tags_name_languages() {
        for info in ["python", "Python3.11", "{.python .n}", "py title=x", "python:a.rs", "a.py"] {
            check_tag(info, Tag::Language(Language::Python));
        }
        for info in ["cpp=", "c++23", "C++ (GCC)", "cc", "main.cpp"] {
            check_tag(info, Tag::Language(Language::Cpp));
        }
        check_tag("rust,no_run", Tag::Language(Language::Rust));
        check_tag("C#", Tag::Language(Language::CSharp));
        check_tag("", Tag::Untagged);
        check_tag("{}", Tag::Untagged);
        check_tag("text", Tag::Foreign);
        check_tag("md", Tag::Markdown);
    }
}
