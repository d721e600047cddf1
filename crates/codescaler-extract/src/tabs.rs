//! CPython's rule for tabs in indentation, which the parser leaves out.

use ruff_python_ast::token::{TokenKind, Tokens};

use ruff_text_size::Ranged;

use crate::syntax::SyntaxError;

/// The width of an indentation, twice: with tabs to the next multiple of eight, and with tabs as
/// one column. Blocks must nest the same way by both.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Width {
    eight: usize,
    one: usize,
}

impl Width {
    fn of(indentation: &str) -> Width {
        indentation.bytes().fold(Width { eight: 0, one: 0 }, |width, byte| match byte {
            b'\t' => Width { eight: (width.eight / 8 + 1) * 8, one: width.one + 1 },
            b'\x0c' => Width { eight: 0, one: 0 },
            _ => Width { eight: width.eight + 1, one: width.one + 1 },
        })
    }
}

/// Checks the indentation of every logical line (`tok_get` in CPython's `tokenizer.c`).
pub(crate) fn check(program: &str, tokens: &Tokens) -> Result<(), SyntaxError> {
    if memchr::memchr(b'\t', program.as_bytes()).is_none() {
        return Ok(());
    }
    let mut open = vec![Width { eight: 0, one: 0 }];
    let mut at_line_start = true;
    for token in tokens {
        let kind = token.kind();
        let is_layout = matches!(
            kind,
            TokenKind::Indent
                | TokenKind::Dedent
                | TokenKind::Comment
                | TokenKind::NonLogicalNewline
                | TokenKind::EndOfFile
        );
        if at_line_start && !is_layout {
            let start = usize::from(token.range().start());
            let line_start = program[..start].rfind(['\n', '\r']).map_or(0, |at| at + 1);
            enter(&mut open, Width::of(&program[line_start..start]))
                .map_err(|message| SyntaxError::at(program, start, message.to_owned()))?;
        }
        at_line_start = kind == TokenKind::Newline || at_line_start && is_layout;
    }
    Ok(())
}

/// Compares a line's indentation with the open blocks.
fn enter(open: &mut Vec<Width>, width: Width) -> Result<(), &'static str> {
    const MIXED: &str = "inconsistent use of tabs and spaces in indentation";
    let top = *open.last().expect("the outermost block stays");
    if width.eight > top.eight {
        open.push(width);
        return if width.one > top.one { Ok(()) } else { Err(MIXED) };
    }
    // The outermost block has width 0, so one always stays.
    open.retain(|block| block.eight <= width.eight);
    let block = *open.last().expect("the outermost block stays");
    if block.eight != width.eight {
        Err("unindent does not match any outer indentation level")
    } else if block.one != width.one {
        Err(MIXED)
    } else {
        Ok(())
    }
}
