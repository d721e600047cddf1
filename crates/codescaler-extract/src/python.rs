//! Python: `ruff_python_parser`, adjusted to what CPython 3.11's `ast.parse` accepts.

use ruff_python_ast::{
    ModModule, PythonVersion,
    token::{Token, TokenKind},
};
use ruff_python_parser::{Mode, ParseOptions, lexer, parse_unchecked};

use crate::{
    syntax::{SyntaxError, check_size},
    tabs,
};

/// `ast.parse` gives up ("maximum recursion depth exceeded during ast construction") at trees
/// deeper than 2,988 levels (measured with CPython 3.11.2 and its default recursion limit).
const TREE_DEPTH_MAX: usize = 2_988;

/// CPython's tokenizer allows this many open brackets (`MAXLEVEL`).
const BRACKETS_MAX: usize = 200;

/// CPython's tokenizer allows this many open blocks (`MAXINDENT`, the outermost included).
const INDENTS_MAX: usize = 99;

/// A program with fewer delimiters than this nests too little to need more than the usual stack.
const SHALLOW_DELIMITERS_MAX: usize = 1_000;

/// Stack for a program that may nest deeply: 3,000 levels of a debug build's largest frames.
const DEEP_STACK_BYTES: usize = 64 << 20;

/// Parses a program and hands its tree to `visit`, on a stack that is large enough to walk it.
///
/// # Errors
///
/// Where CPython 3.11's `ast.parse` raises, as far as known.
pub(crate) fn with_module<T>(
    program: &str,
    visit: impl FnOnce(&ModModule) -> T,
) -> Result<T, SyntaxError> {
    with_tokens(program, |module, _| visit(module))
}

/// As [`with_module`], with the program's tokens, comments among them.
///
/// # Errors
///
/// As [`with_module`].
pub(crate) fn with_tokens<T>(
    program: &str,
    visit: impl FnOnce(&ModModule, &[Token]) -> T,
) -> Result<T, SyntaxError> {
    check_size(program)?;
    let counts = Delimiters::of(program);
    if counts.n_all <= SHALLOW_DELIMITERS_MAX && counts.n_opening <= BRACKETS_MAX {
        return parse(program, visit);
    }
    check_depth(program)?;
    stacker::maybe_grow(DEEP_STACK_BYTES, DEEP_STACK_BYTES, || parse(program, visit))
}

fn parse<T>(
    program: &str,
    visit: impl FnOnce(&ModModule, &[Token]) -> T,
) -> Result<T, SyntaxError> {
    let options = ParseOptions::from(Mode::Module).with_target_version(PythonVersion::PY311);
    let parsed = parse_unchecked(program, options);
    if let Some(error) = parsed.errors().first() {
        return Err(SyntaxError::at(
            program,
            error.location.start().to_usize(),
            error.error.to_string(),
        ));
    }
    if let Some(error) = parsed.unsupported_syntax_errors().first() {
        return Err(SyntaxError::at(program, error.range.start().to_usize(), error.to_string()));
    }
    tabs::check(program, parsed.tokens())?;
    let module = parsed.try_into_module().expect("the mode was Module");
    Ok(visit(module.syntax(), module.tokens()))
}

/// Bounds of what a program can nest, whatever its text.
struct Delimiters {
    /// Bytes that are no letter, digit, underscore, comma or quote, and runs of blanks: every
    /// level of a syntax tree costs at least one.
    n_all: usize,
    n_opening: usize,
}

impl Delimiters {
    fn of(program: &str) -> Delimiters {
        let mut counts = Delimiters { n_all: 0, n_opening: 0 };
        let mut after_blank = false;
        for byte in program.bytes() {
            let is_blank = matches!(byte, b' ' | b'\n' | b'\t' | b'\r' | b'\x0c');
            let is_flat =
                byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b',' | b'"' | b'\'');
            counts.n_all += usize::from(!(is_flat || is_blank && after_blank));
            counts.n_opening += usize::from(matches!(byte, b'(' | b'[' | b'{'));
            after_blank = is_blank;
        }
        counts
    }
}

/// Bounds the depth of the tree from its tokens, before the parser builds it: dropping a tree
/// takes stack in proportion to its depth.
fn check_depth(program: &str) -> Result<(), SyntaxError> {
    let mut lexer = lexer::lex(program, Mode::Module);
    let mut depth = Depth { segments: vec![0], n_levels: 0, n_indents: 0, n_lambdas: 0 };
    loop {
        match role(lexer.next_token()) {
            Role::End => return Ok(()),
            Role::Flat => continue,
            Role::Separator => depth.end_segment(),
            Role::Open => {
                depth.add_level();
                depth.segments.push(0);
            }
            Role::Close => {
                depth.end_segment();
                if depth.segments.len() > 1 {
                    // What was a bracket's level stays as one link of the chain around it.
                    depth.segments.pop();
                }
            }
            Role::Operator => depth.add_level(),
            Role::Lambda => depth.n_lambdas += 1,
            Role::Indent => depth.n_indents += 1,
            Role::Dedent => depth.n_indents = depth.n_indents.saturating_sub(1),
        }
        if let Some(message) = depth.excess() {
            return Err(SyntaxError::at(program, 0, message.to_owned()));
        }
    }
}

/// An upper bound of the depth of the tree at one token.
struct Depth {
    /// Levels since the last comma or line end, for each open bracket.
    segments: Vec<usize>,
    /// Their sum.
    n_levels: usize,
    n_indents: usize,
    /// Apart, because commas between a lambda's parameters do not end what leads to it.
    n_lambdas: usize,
}

impl Depth {
    fn add_level(&mut self) {
        *self.segments.last_mut().expect("the outermost segment stays") += 1;
        self.n_levels += 1;
    }

    fn end_segment(&mut self) {
        let top = self.segments.last_mut().expect("the outermost segment stays");
        self.n_levels -= *top;
        *top = 0;
    }

    /// What CPython says when a bound is passed.
    fn excess(&self) -> Option<&'static str> {
        if self.segments.len() > BRACKETS_MAX + 1 {
            Some("too many nested parentheses")
        } else if self.n_indents > INDENTS_MAX {
            Some("too many levels of indentation")
        } else if self.n_levels + self.n_lambdas + self.n_indents > TREE_DEPTH_MAX {
            Some("too many levels of nesting")
        } else {
            None
        }
    }
}

/// What a token does to the depth of the tree.
enum Role {
    /// Adds no level however often it is repeated.
    Flat,
    /// Ends an operand list.
    Separator,
    Open,
    Close,
    /// Adds a level, or a link to a chain.
    Operator,
    Lambda,
    Indent,
    Dedent,
    End,
}

#[expect(clippy::wildcard_enum_match_arm, reason = "100 kinds of token; most are operators")]
fn role(kind: TokenKind) -> Role {
    match kind {
        TokenKind::EndOfFile => Role::End,
        TokenKind::Newline | TokenKind::Comma | TokenKind::Semi => Role::Separator,
        TokenKind::Lpar | TokenKind::Lsqb | TokenKind::Lbrace => Role::Open,
        TokenKind::Rpar | TokenKind::Rsqb | TokenKind::Rbrace => Role::Close,
        TokenKind::FStringStart | TokenKind::TStringStart => Role::Open,
        TokenKind::FStringEnd | TokenKind::TStringEnd => Role::Close,
        TokenKind::Lambda => Role::Lambda,
        TokenKind::Indent => Role::Indent,
        TokenKind::Dedent => Role::Dedent,
        TokenKind::Name
        | TokenKind::Int
        | TokenKind::Float
        | TokenKind::Complex
        | TokenKind::String
        | TokenKind::FStringMiddle
        | TokenKind::TStringMiddle
        | TokenKind::Comment
        | TokenKind::NonLogicalNewline
        | TokenKind::And
        | TokenKind::Or
        | TokenKind::EqEqual
        | TokenKind::NotEqual
        | TokenKind::Less
        | TokenKind::Greater
        | TokenKind::LessEqual
        | TokenKind::GreaterEqual
        | TokenKind::Equal => Role::Flat,
        _ => Role::Operator,
    }
}
