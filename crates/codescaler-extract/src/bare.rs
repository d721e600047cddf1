//! Code among prose, without fences.

use std::ops::Range;

use codescaler::language::Language;

/// Pieces that are tried in one answer.
const PIECES_MAX: usize = 8;

/// Runs of lines that look like a program in the language.
///
/// A run starts at an unindented line that begins like a statement, and ends before the first
/// unindented line that reads like prose, at a line that is only a tag (`</answer>`, `[/PYTHON]`),
/// or at the end of the text. Whether it is a program is for the parser to say.
pub(crate) fn pieces(text: &str, language: Language) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let mut start = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let line_start = at;
        at += line.len();
        let ends = is_tag_line(line) || reads_like_prose(line, language);
        match start {
            None if !ends && starts_code(line, language) => start = Some(line_start),
            Some(from) if ends => {
                pieces.push(from..line_start);
                start = None;
            }
            None | Some(_) => {}
        }
    }
    pieces.extend(start.map(|from| from..text.len()));
    let n_dropped = pieces.len().saturating_sub(PIECES_MAX);
    pieces.split_off(n_dropped)
}

/// Whether the text begins with a tag on a line of its own.
pub(crate) fn starts_with_tag_line(text: &str) -> bool {
    text.lines().next().is_some_and(is_tag_line)
}

/// `<answer>`, `</code>`, `[PYTHON]`, `[/PYTHON]`: marks that some prompts ask for.
fn is_tag_line(line: &str) -> bool {
    let line = line.trim();
    let name = |open, close| line.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
    let is_word = |name: &str| {
        let name = name.strip_prefix('/').unwrap_or(name);
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_')
    };
    name('<', '>').is_some_and(is_word)
        || name('[', ']').is_some_and(|name| is_word(name) && name == name.to_ascii_uppercase())
}

/// Whether an unindented line begins as only code does.
fn starts_code(line: &str, language: Language) -> bool {
    let starts: &[&str] = match language {
        Language::Python => {
            &["def ", "class ", "import ", "from ", "@", "async def ", "if __name__", "#!"]
        }
        Language::C | Language::Cpp => &[
            "#include", "#define", "using ", "int ", "void ", "struct ", "class ", "template",
            "bool ", "long ", "double ", "float ", "char ", "string ", "std::", "vector<",
            "typedef ", "static ",
        ],
        Language::Java => &[
            "import ",
            "package ",
            "public ",
            "class ",
            "final ",
            "static ",
            "interface ",
            "private ",
            "@",
        ],
        Language::Go => &["package ", "import ", "func ", "type ", "var ", "const "],
        Language::Rust => &[
            "use ", "fn ", "pub ", "impl ", "struct ", "enum ", "const ", "static ", "#[", "mod ",
            "trait ",
        ],
        Language::JavaScript | Language::TypeScript => &[
            "function ",
            "const ",
            "let ",
            "var ",
            "class ",
            "import ",
            "export ",
            "async function ",
            "/**",
            "\"use strict\"",
            "'use strict'",
            "type ",
            "interface ",
        ],
        Language::CSharp
        | Language::Kotlin
        | Language::Php
        | Language::Ruby
        | Language::Scala
        | Language::Swift => &[],
    };
    starts.iter().any(|start| line.starts_with(start))
}

/// Whether an unindented line is prose: a bullet, a bold heading, `Usage:`, or a sentence, which
/// starts with two plain words, the first with a capital, and does not end as code does.
pub(crate) fn reads_like_prose(line: &str, language: Language) -> bool {
    let trimmed = line.trim_end();
    if trimmed.is_empty() || line.starts_with([' ', '\t']) || starts_code(line, language) {
        return false;
    }
    if trimmed.starts_with("**") || trimmed.starts_with("- ") {
        return true;
    }
    let is_word = |word: &str| {
        let word = word.trim_end_matches([',', '.', ':', ';', '!', '?']).trim_matches('`');
        let is_plain = |c: char| c.is_alphabetic() || matches!(c, '\'' | '-' | '_' | '’');
        !word.is_empty() && word.chars().all(is_plain)
    };
    let mut words = trimmed.split_whitespace();
    let first = words.next().unwrap_or("");
    if !first.starts_with(char::is_uppercase) || !is_word(first) {
        return false;
    }
    match words.next() {
        None => first.ends_with(':'),
        Some(second) => is_word(second) && !trimmed.ends_with(['{', ';', ')']),
    }
}
