//! Signs of a bug that tokens alone can show: names never bound, answers never given, functions
//! never called. Most are about Python; a program in another language shows the rest.

use super::{
    asked::Asked,
    code::Code,
    hash::{pair, text},
    lex::{Kind, Token},
};
use crate::language::Language;

/// Hashes of what was found; those that mean something else for another kind of entry are crossed
/// with it.
pub(super) fn lint(code: &Code<'_>, asked: &Asked, keys: &mut Vec<u64>) {
    if code.program.language == Language::Python {
        of_names(code, asked, keys);
        of_functions(code.tokens(), asked, keys);
    }
    of_words(code.tokens(), asked, keys);
    of_end(code.tokens(), asked, keys);
    for three in code.tokens().windows(3) {
        let [left, operator, right] = three else { continue };
        let same = left.kind == Kind::Name && left.text == right.text;
        if same && SUSPICIOUS_WITH_ITSELF.contains(&operator.text) {
            keys.push(pair(text("same on both sides"), text(operator.text)));
        }
    }
}

/// `x == x`, `x - x`, `x = x`.
#[rustfmt::skip]
const SUSPICIOUS_WITH_ITSELF: [&str; 14] = [
    "==", "!=", "<", ">", "<=", ">=", "-", "/", "//", "%", "=", "and", "or", "is",
];

/// Names that the sites where programs are judged define for them.
#[rustfmt::skip]
const AMBIENT: [&str; 23] = [
    "Counter", "Dict", "List", "ListNode", "Optional", "Set", "TreeNode", "Tuple", "accumulate",
    "bisect", "bisect_left", "cache", "defaultdict", "deque", "gcd", "heapify", "heappop",
    "heappush", "heapq", "inf", "lru_cache", "math", "pairwise",
];

fn few(count: usize) -> u64 {
    count.min(4) as u64
}

fn of_names(code: &Code<'_>, asked: &Asked, keys: &mut Vec<u64>) {
    let names = &code.names;
    let n_strange =
        names.undefined.keys().filter(|name| AMBIENT.binary_search(name).is_err()).count();
    let n_ignored = names
        .unused_parameters
        .iter()
        .filter(|parameter| asked.starter_words.contains(**parameter))
        .count();
    for (fact, count) in [
        ("undefined", names.undefined.len()),
        ("undefined and not ambient", n_strange),
        ("unused imports", names.unused_imports.len()),
        ("unused parameters", names.unused_parameters.len()),
        ("unused parameters of the entry", n_ignored),
        ("unused locals", names.unused_locals.len()),
    ] {
        let fact = pair(text(fact), few(count));
        keys.extend([fact, pair(fact, asked.entry)]);
    }
    let undefined = names.undefined.keys().map(|name| pair(pair(1, text(name)), asked.entry));
    keys.extend(undefined);
    keys.extend(names.unused_imports.iter().map(|name| pair(2, text(name))));
}

fn of_functions(tokens: &[Token<'_>], asked: &Asked, keys: &mut Vec<u64>) {
    let is_definition = |at: usize| at > 0 && tokens[at - 1].text == "def";
    let defined = (0..tokens.len()).filter(|&at| is_definition(at)).map(|at| tokens[at].text);
    let n_uncalled = defined
        .filter(|name| {
            !tokens.iter().enumerate().any(|(at, token)| token.text == *name && !is_definition(at))
        })
        .count();
    let returns = Returns::of(tokens);
    keys.push(pair(pair(text("functions not called"), few(n_uncalled)), asked.entry));
    keys.push(pair(text("functions that may fall off their end"), few(returns.n_open_ended)));
    keys.push(pair(text("returns without a value"), few(returns.n_bare)));
}

/// How functions return.
#[derive(Default)]
struct Returns {
    n_open_ended: usize, // Functions that return values but whose last statement may not.
    n_bare: usize,
}

/// A function whose body is being read.
struct Open {
    depth: u16,
    returns_value: bool,
    ends_well: bool,
}

impl Returns {
    fn of(tokens: &[Token<'_>]) -> Returns {
        let mut returns = Returns::default();
        let mut open: Vec<Open> = Vec::new();
        for (at, token) in tokens.iter().enumerate() {
            if token.starts_line {
                while open.last().is_some_and(|function| function.depth >= token.depth) {
                    returns.close(open.pop());
                }
                if let Some(function) = open.last_mut().filter(|open| token.depth == open.depth + 1)
                {
                    function.ends_well = LAST_WORDS.contains(&token.text);
                }
            }
            match token.text {
                "def" if token.starts_line => {
                    open.push(Open { depth: token.depth, returns_value: false, ends_well: false });
                }
                "return" if tokens.get(at + 1).is_none_or(|next| next.starts_line) => {
                    returns.n_bare += 1;
                }
                "return" => {
                    if let Some(function) = open.last_mut() {
                        function.returns_value = true;
                    }
                }
                _ => (),
            }
        }
        while let Some(function) = open.pop() {
            returns.close(Some(function));
        }
        returns
    }

    fn close(&mut self, function: Option<Open>) {
        let open_ended = function.is_some_and(|open| open.returns_value && !open.ends_well);
        self.n_open_ended += usize::from(open_ended);
    }
}

/// First words of a last statement after which a function need not go on.
const LAST_WORDS: [&str; 8] =
    ["return", "raise", "else", "while", "with", "try", "finally", "except"];

fn of_words(tokens: &[Token<'_>], asked: &Asked, keys: &mut Vec<u64>) {
    let fact = |word: &str, yes: bool| pair(pair(text(word), u64::from(yes)), asked.entry);
    for word in [
        "class",
        "stdin",
        "return",
        "__name__",
        "Solution",
        "exit",
        "setrecursionlimit",
        "cache",
        "lru_cache",
        "try",
        "pass",
        "assert",
        "global",
        "nonlocal",
    ] {
        keys.push(fact(word, tokens.iter().any(|token| token.text == word)));
    }
    for word in ["input", "print", "main", "eval"] {
        let called = tokens.windows(2).any(|two| two[0].text == word && two[1].text == "(");
        keys.push(pair(fact(word, called), 1));
    }
    let has_entry = tokens.iter().any(|token| token.text == asked.entry_name);
    keys.push(fact("the name of the entry", has_entry));
}

/// The last token and line show a program that was cut off, or that forgot its answer.
fn of_end(tokens: &[Token<'_>], asked: &Asked, keys: &mut Vec<u64>) {
    let word = |token: &Token<'_>| match token.kind {
        Kind::Name => 1,
        Kind::Keyword | Kind::Number | Kind::Text | Kind::Operator => text(token.text),
    };
    if let Some(last) = tokens.last() {
        keys.push(pair(text("brackets open at the end"), u64::from(last.brackets.min(3))));
        keys.push(pair(pair(text("last token"), word(last)), asked.entry));
    }
    if let Some(line) = tokens.iter().rev().find(|token| token.starts_line) {
        let place = pair(word(line), u64::from(line.depth));
        keys.push(pair(pair(text("last line"), place), asked.entry));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear::ProgramView;

    #[test]
    fn ambient_names_are_sorted() {
        assert!(AMBIENT.is_sorted());
    }

    /// Which of two programs shows more of a sign is a weight's business; that they differ in it
    /// is ours.
    #[track_caller]
    fn check_differ(fact: &str, a: &str, b: &str) {
        let found = |program: &str| {
            let view = ProgramView { text: program, shape: &[], language: Language::Python };
            let mut keys = Vec::new();
            lint(&Code::of(view), &Asked::default(), &mut keys);
            let mine = |count| pair(text(fact), count);
            (0..5).filter(|&count| keys.contains(&mine(count))).collect::<Vec<_>>()
        };
        assert_ne!(found(a), found(b), "{fact}");
        assert_eq!((found(a).len(), found(b).len()), (1, 1), "{fact}");
    }

    #[test]
    fn signs_are_seen() {
        check_differ("undefined", "print(a)", "a = 1\nprint(a)");
        check_differ("undefined and not ambient", "print(a)", "print(List)");
        check_differ("unused imports", "import re", "import re\nre.x()");
        check_differ("brackets open at the end", "f(a, b", "f(a, b)");
        check_differ(
            "functions that may fall off their end",
            "def f(x):\n    if x:\n        return 1",
            "def f(x):\n    if x:\n        return 1\n    return 2",
        );
        check_differ("returns without a value", "def f():\n    return", "def f():\n    return 1");
    }
}
