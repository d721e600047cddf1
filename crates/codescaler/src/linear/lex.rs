//! A small lexer for every language at once: good enough for statistics, never wrong enough to
//! fail. Any text lexes; what it does not know becomes a one-character operator.

use crate::language::Language;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A reserved word of any of the languages.
    Keyword,
    /// Any other word.
    Name,
    /// A numeric literal.
    Number,
    /// A string or character literal, with its prefix and quotes.
    Text,
    /// Everything else that is not blank.
    Operator,
}

/// One token of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    /// What it is.
    pub(crate) kind: Kind,
    /// Its characters.
    pub(crate) text: &'a str,
    /// Blocks around it: levels of indentation in Python, open braces elsewhere.
    pub(crate) depth: u16,
    /// Whether it is the first of a line that no open bracket continues.
    pub(crate) starts_line: bool,
    /// Open `(`, `[` and (in Python) `{` around it.
    pub(crate) brackets: u16,
}

/// A program as tokens. Comments, and in Python strings that stand alone on a line, are apart:
/// they say who wrote a program, not what it does.
#[derive(Debug, Default)]
pub(crate) struct Lexed<'a> {
    /// The tokens that run.
    pub(crate) tokens: Vec<Token<'a>>,
    /// Comments and docstrings, markers included.
    pub(crate) comments: Vec<&'a str>,
}

/// Splits a program into tokens.
pub(crate) fn lex(text: &str, language: Language) -> Lexed<'_> {
    let mut lexer = Lexer {
        text,
        at: 0,
        python: matches!(language, Language::Python | Language::Ruby),
        indents: Vec::new(),
        depth: 0,
        brackets: 0,
        at_line_start: true,
        lexed: Lexed::default(),
    };
    while lexer.at < text.len() {
        lexer.step();
    }
    lexer.lexed
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    python: bool,
    indents: Vec<usize>, // Columns of the enclosing blocks, increasing; Python only.
    depth: u16,
    brackets: u16,
    at_line_start: bool,
    lexed: Lexed<'a>,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Consumes one token, comment or run of blanks.
    fn step(&mut self) {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        match bytes[0] {
            b'\n' => {
                self.at += 1;
                self.at_line_start |= self.brackets == 0;
            }
            b' ' | b'\t' | b'\r' | 0x0c => self.at += 1,
            b'\\' if self.python && rest.starts_with("\\\n") => self.at += 2,
            b'#' if self.python => self.comment(rest.find('\n').unwrap_or(rest.len())),
            b'/' if !self.python && rest.starts_with("//") => {
                self.comment(rest.find('\n').unwrap_or(rest.len()));
            }
            b'/' if !self.python && rest.starts_with("/*") => {
                self.comment(rest.find("*/").map_or(rest.len(), |end| end + 2));
            }
            b'"' | b'\'' => self.string(0),
            b'0'..=b'9' => self.push(Kind::Number, number_len(bytes)),
            byte if byte == b'_' || byte.is_ascii_alphabetic() || !byte.is_ascii() => self.word(),
            _ => self.operator(),
        }
    }

    fn comment(&mut self, len: usize) {
        self.lexed.comments.push(&self.rest()[..len]);
        self.at += len;
    }

    fn word(&mut self) {
        let rest = self.rest();
        let is_part = |c: char| c == '_' || c.is_alphanumeric();
        let len = rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
        if len == 0 {
            let len = rest.chars().next().map_or(1, char::len_utf8);
            self.push(Kind::Operator, len);
            return;
        }
        let is_prefix = self.python
            && len <= 2
            && rest[len..].starts_with(['"', '\''])
            && rest[..len].bytes().all(|b| b"rRbBfFuU".contains(&b));
        if is_prefix {
            self.string(len);
        } else if KEYWORDS.binary_search(&&rest[..len]).is_ok() {
            self.push(Kind::Keyword, len);
        } else {
            self.push(Kind::Name, len);
        }
    }

    /// A string literal whose quote comes after `prefix` bytes.
    fn string(&mut self, prefix: usize) {
        let rest = self.rest();
        let len = prefix + string_len(&rest[prefix..], self.python);
        let alone = self.python && self.at_line_start && {
            let after = rest[len..].trim_start_matches([' ', '\t', '\r']);
            after.is_empty() || after.starts_with(['\n', '#'])
        };
        if alone {
            self.comment(len);
        } else {
            self.push(Kind::Text, len);
        }
    }

    fn operator(&mut self) {
        let rest = self.rest();
        let first = rest.as_bytes()[0];
        let len = (1..=3.min(rest.len()))
            .rev()
            .find(|&len| rest.is_char_boundary(len) && OPERATORS.contains(&&rest[..len]))
            .unwrap_or_else(|| rest.chars().next().map_or(1, char::len_utf8));
        let opens = match first {
            b'(' | b'[' => true,
            b'{' => self.python,
            _ => false,
        };
        let closes = match first {
            b')' | b']' => true,
            b'}' => self.python,
            _ => false,
        };
        if closes {
            self.brackets = self.brackets.saturating_sub(1);
        }
        if !self.python && first == b'}' {
            self.depth = self.depth.saturating_sub(1);
        }
        self.push(Kind::Operator, len);
        if opens {
            self.brackets = self.brackets.saturating_add(1);
        }
        if !self.python && first == b'{' {
            self.depth = self.depth.saturating_add(1);
        }
    }

    fn push(&mut self, kind: Kind, len: usize) {
        let text = &self.rest()[..len];
        if self.at_line_start && self.python {
            self.indent();
        }
        self.lexed.tokens.push(Token {
            kind,
            text,
            depth: self.depth,
            starts_line: self.at_line_start,
            brackets: self.brackets,
        });
        self.at_line_start = false;
        self.at += len;
    }

    /// Works out the block depth of the line that begins at the current token.
    fn indent(&mut self) {
        let line_start = self.text[..self.at].rfind('\n').map_or(0, |newline| newline + 1);
        let column = self.text[line_start..self.at]
            .bytes()
            .fold(0, |column, byte| if byte == b'\t' { column / 8 * 8 + 8 } else { column + 1 });
        while self.indents.last().is_some_and(|&outer| outer >= column) {
            self.indents.pop();
        }
        self.depth = u16::try_from(self.indents.len()).unwrap_or(u16::MAX);
        self.indents.push(column);
    }
}

/// Length of the numeric literal at the start of `bytes`, `1e-9` and `0xff` included.
fn number_len(bytes: &[u8]) -> usize {
    let hex = bytes.len() > 1 && bytes[0] == b'0' && matches!(bytes[1], b'x' | b'X');
    let mut len = 1;
    while let Some(&byte) = bytes.get(len) {
        let exponent_sign =
            !hex && matches!(byte, b'+' | b'-') && matches!(bytes[len - 1], b'e' | b'E');
        let member = byte == b'.' && bytes.get(len + 1).is_some_and(u8::is_ascii_alphabetic);
        if member
            || !(byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'_' || exponent_sign)
        {
            break;
        }
        len += 1;
    }
    len
}

/// Length of the string literal at the start of `rest`; an unclosed one ends with its line, or
/// with the text when it is triple-quoted.
fn string_len(rest: &str, python: bool) -> usize {
    let quote = &rest[..1];
    let triple = [quote, quote, quote].concat();
    if python && rest.starts_with(&triple) {
        return rest[3..].find(&triple).map_or(rest.len(), |end| end + 6);
    }
    let bytes = rest.as_bytes();
    let mut len = 1;
    while len < bytes.len() {
        match bytes[len] {
            b'\\' => len += 1,
            b'\n' => return len,
            byte if byte == bytes[0] => return len + 1,
            _ => (),
        }
        len += 1;
    }
    rest.len()
}

/// Operators of more than one character.
#[rustfmt::skip]
const OPERATORS: [&str; 31] = [
    "**=", "//=", ">>=", "<<=", "===", "!==", ">>>", "...", "==", "!=", "<=", ">=", "->", "=>",
    "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "**", "//", "<<", ">>", "&&", "||", "++",
    "--", ":=",
];

/// Reserved words of the languages we read, sorted.
#[rustfmt::skip]
const KEYWORDS: [&str; 75] = [
    "False", "None", "True", "and", "as", "assert", "async", "auto", "await", "bool", "boolean",
    "break", "case", "catch", "char", "class", "const", "continue", "def", "default", "del", "do",
    "double", "elif", "else", "enum", "except", "false", "final", "finally", "float", "fn", "for",
    "from", "func", "function", "global", "goto", "if", "import", "in", "int", "is", "lambda",
    "let", "long", "mut", "namespace", "new", "nil", "nonlocal", "not", "null", "or", "pass",
    "private", "protected", "public", "raise", "return", "short", "static", "struct", "switch",
    "template", "throw", "true", "try", "unsigned", "using", "var", "void", "while", "with",
    "yield",
];

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;

    /// One line per line of code: its depth, its tokens; comments last.
    #[track_caller]
    fn check(language: Language, text: &str, expected: Expect) {
        let lexed = lex(text, language);
        let mut shown = String::new();
        for token in &lexed.tokens {
            let start =
                if token.starts_line { format!("\n{}:", token.depth) } else { String::new() };
            shown.extend([start.as_str(), " ", token.text]);
        }
        expected.assert_eq(&format!("{}\ncomments: {:?}", shown.trim_start(), lexed.comments));
    }

    #[test]
    fn python() {
        check(
            Language::Python,
            "def f(a,\n      b):\n    \"\"\"Adds.\n    \"\"\"\n\tif a!=b:  # no\n\t\treturn rf'x\\'' \\\n  + 1e-9\n    x **= 0xFF.bit\nprint(x)",
            expect![[r##"
                0: def f ( a , b ) :
                1: if a != b :
                2: return rf'x\'' + 1e-9
                1: x **= 0xFF . bit
                0: print ( x )
                comments: ["\"\"\"Adds.\n    \"\"\"", "# no"]"##]],
        );
    }

    #[test]
    fn languages_with_braces() {
        check(
            Language::Cpp,
            "int main() { // go\n  for (;;) { x += \"}\"; } /* no\n*/ return 'a'; }",
            expect![[r#"
                0: int main ( ) {
                1: for ( ; ; ) { x += "}" ; } return 'a' ; }
                comments: ["// go", "/* no\n*/"]"#]],
        );
    }

    #[test]
    fn what_is_never_closed_ends_somewhere() {
        check(
            Language::Python,
            "'a\nb = \"\"\"c\nd",
            expect![[r##"
            0: b = """c
            d
            comments: ["'a"]"##]],
        );
        check(
            Language::Java,
            "/* a",
            expect![[r#"

            comments: ["/* a"]"#]],
        );
        check(
            Language::Python,
            ")]}x",
            expect![[r#"
            0: ) ] } x
            comments: []"#]],
        );
    }

    #[test]
    fn keywords_are_sorted() {
        assert!(KEYWORDS.is_sorted());
    }

    proptest! {
        /// Any text lexes, and tokens and comments are parts of it, in order, without overlap.
        #[test]
        fn total(text in "[\\PC\\n\\t'\"#/*\\\\(){}é]{0,60}", braces in any::<bool>()) {
            let language = if braces { Language::Rust } else { Language::Python };
            let lexed = lex(&text, language);
            let mut parts: Vec<&str> = lexed.tokens.iter().map(|token| token.text).collect();
            parts.extend(&lexed.comments);
            parts.sort_by_key(|part| part.as_ptr());
            let mut end = text.as_ptr() as usize;
            for part in parts {
                prop_assert!(!part.is_empty());
                prop_assert!(part.as_ptr() as usize >= end);
                end = part.as_ptr() as usize + part.len();
            }
            prop_assert!(end <= text.as_ptr() as usize + text.len());
        }
    }
}
