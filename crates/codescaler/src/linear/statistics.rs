//! Counts of a program: how long, how deep, how many of what.

use super::{
    code::Code,
    hash,
    lex::{Kind, Token},
};

/// Each count's name and value, both hashed; values on a logarithmic scale, so that one bucket is
/// about 1.4 times the one before.
pub(super) fn statistics(code: &Code<'_>) -> Vec<u64> {
    let tokens = code.tokens();
    let blocks = Blocks::of(tokens);
    let mut names: Vec<&str> =
        tokens.iter().filter(|token| token.kind == Kind::Name).map(|token| token.text).collect();
    let n_mentions = names.len().max(1);
    let name_bytes: usize = names.iter().map(|name| name.len()).sum();
    names.sort_unstable();
    names.dedup();
    let comment_bytes: usize = code.lexed.comments.iter().map(|comment| comment.len()).sum();
    let text = code.program.text;
    let count = |word: &str| tokens.iter().filter(|token| token.text == word).count();
    let counts = [
        ("bytes", text.len()),
        ("bytes without comments", text.len() - comment_bytes),
        ("comment bytes", comment_bytes),
        ("comments", code.lexed.comments.len()),
        ("blank lines", text.lines().filter(|line| line.trim().is_empty()).count()),
        ("longest line", text.lines().map(str::len).max().unwrap_or(0)),
        ("tokens", tokens.len()),
        ("lines", blocks.n_lines),
        ("quarter tokens per line", 4 * tokens.len() / blocks.n_lines.max(1)),
        ("depth", usize::from(blocks.depth)),
        ("loops", count("for") + count("while")),
        ("loop depth", blocks.loop_depth),
        ("conditions", count("if") + count("elif")),
        ("functions", count("def")),
        ("returns", count("return")),
        ("jumps", count("break") + count("continue")),
        ("numbers", tokens.iter().filter(|token| token.kind == Kind::Number).count()),
        ("names", names.len()),
        ("tenth bytes per name", 10 * name_bytes / n_mentions),
        ("foreign names", code.api.len()),
    ];
    counts.iter().map(|&(name, count)| hash::pair(hash::text(name), bucket(count))).collect()
}

fn bucket(count: usize) -> u64 {
    (3.0 * (1.0 + count as f64).ln()) as u64
}

/// How lines nest.
#[derive(Default)]
struct Blocks {
    n_lines: usize,
    depth: u16,
    loop_depth: usize, // Loops and comprehensions around one another.
}

impl Blocks {
    fn of(tokens: &[Token<'_>]) -> Blocks {
        let mut blocks = Blocks::default();
        let mut loops: Vec<u16> = Vec::new(); // Depths of the open loops, increasing.
        let mut n_comprehensions = 0;
        for token in tokens {
            if token.starts_line {
                blocks.n_lines += 1;
                blocks.depth = blocks.depth.max(token.depth);
                while loops.last().is_some_and(|&depth| depth >= token.depth) {
                    loops.pop();
                }
                n_comprehensions = 0;
            }
            if matches!(token.text, "for" | "while") {
                if token.starts_line {
                    loops.push(token.depth);
                } else {
                    n_comprehensions += 1;
                }
                blocks.loop_depth = blocks.loop_depth.max(loops.len() + n_comprehensions);
            }
        }
        blocks
    }
}
