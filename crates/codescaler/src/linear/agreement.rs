//! Whether a program is about its problem: what a statement names that a program has, too. Mostly it
//! is read from what the program did not name itself, so that renaming changes little.

use std::collections::BTreeSet;

use super::{
    code::Code,
    hash::{pair, text},
    lex::{self, Kind, Token},
};
use crate::language::Language;

/// What a problem names.
#[derive(Debug, Default)]
pub(super) struct Named {
    /// Words of three letters and more, in lower case; names fall apart into their words.
    words: BTreeSet<String>,
    /// Single capital letters, in lower case: contest statements call their input so.
    variables: BTreeSet<String>,
    /// Its numbers.
    numbers: BTreeSet<String>,
    /// How many values the first line of the input has, where the statement shows it.
    first_line: Option<u64>,
    /// The types of the entry's parameters, and of what it returns, where there is starter code.
    signature: Option<Vec<String>>,
    /// Everything, to look texts up in.
    all: String,
}

/// Stands for a number of values that is not known beforehand.
const MANY: u64 = 9;
/// Stands for what is not there.
const NONE: u64 = 99;

impl Named {
    /// Reads a statement and its starter code.
    pub(super) fn of(statement: &str, starter: &str, entry: &str) -> Named {
        let lexed = lex::lex(starter, Language::Python);
        let mut named = Named {
            first_line: first_line(statement),
            signature: signature(&lexed.tokens, entry),
            all: format!("{statement}\n{starter}"),
            ..Named::default()
        };
        for token in named.all.split(|c: char| !c.is_alphanumeric()) {
            match token.as_bytes() {
                [letter] if letter.is_ascii_uppercase() => {
                    named.variables.insert(token.to_lowercase());
                }
                [first, ..] if first.is_ascii_digit() => {
                    named.numbers.insert(token.to_owned());
                }
                _ => named.words.extend(words(token)),
            }
        }
        named
    }
}

/// Hashes of how far program and statement agree. `entry` is how the program is called, and its
/// name where it has one.
pub(super) fn agreement(
    code: &Code<'_>,
    named: &Named,
    (entry, name): (u64, &str),
    keys: &mut Vec<u64>,
) {
    let tokens = code.tokens();
    let of = |kind: Kind| tokens.iter().filter(move |token| token.kind == kind);
    let foreign = tokens
        .iter()
        .zip(&code.locals)
        .filter(|(token, local)| **local == 0 && token.kind == Kind::Name && token.text != name);
    let own: BTreeSet<String> = foreign.flat_map(|(token, _)| words(token.text)).collect();
    let letters: BTreeSet<String> = of(Kind::Name)
        .filter(|token| token.text.len() == 1)
        .map(|token| token.text.to_lowercase())
        .collect();
    let texts: BTreeSet<&str> = of(Kind::Text)
        .map(|token| token.text.trim_matches(|c: char| !c.is_alphanumeric()))
        .filter(|text| text.len() > 1 && text.chars().any(char::is_alphabetic))
        .collect();
    let numbers: BTreeSet<&str> = of(Kind::Number)
        .map(|token| token.text)
        .filter(|text| text.len() > 1 && text.bytes().all(|byte| byte.is_ascii_digit()))
        .collect();
    let both = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.intersection(b).count();
    let n_texts = texts.iter().filter(|text| named.all.contains(**text)).count();
    let n_numbers = numbers.iter().filter(|number| named.numbers.contains(**number)).count();
    for (what, n, found) in [
        ("words", own.len(), both(&own, &named.words)),
        ("variables", named.variables.len(), both(&named.variables, &letters)),
        ("letters", letters.len(), both(&letters, &named.variables)),
        ("texts", texts.len(), n_texts),
        ("numbers", numbers.len(), n_numbers),
    ] {
        let share = (4 * found).checked_div(n).map_or(NONE, |quarters| quarters as u64);
        let key = pair(text(what), pair(share, n.min(4) as u64));
        keys.extend([key, pair(key, entry)]);
    }
    let which = |what: &str, word: &str, is_there: bool| {
        pair(pair(text(what), text(word)), u64::from(is_there))
    };
    keys.extend(own.iter().map(|word| which("word", word, named.words.contains(word))));
    keys.extend(texts.iter().map(|word| which("text", word, named.all.contains(*word))));
    let reads = tokens.iter().any(|token| matches!(token.text, "input" | "stdin"));
    let is_there = tokens.iter().any(|token| token.text == name);
    keys.push(pair(pair(text("called"), entry), u64::from(reads) * 2 + u64::from(is_there)));
    let lines = pair(named.first_line.unwrap_or(NONE), first_read(tokens).unwrap_or(NONE));
    keys.push(pair(pair(text("first line"), lines), entry));
    signatures(named.signature.as_deref(), signature(tokens, name).as_deref(), keys);
}

/// How the signature that is asked for and the program's are alike.
fn signatures(asked: Option<&[String]>, given: Option<&[String]>, keys: &mut Vec<u64>) {
    let (Some(asked), Some(given)) = (asked, given) else {
        keys.push(pair(text("no signature"), u64::from(asked.is_some())));
        return;
    };
    keys.push(pair(text("parameters"), pair(asked.len() as u64, given.len() as u64)));
    keys.push(pair(text("signature"), u64::from(asked == given)));
    for (at, kind) in asked.iter().enumerate() {
        let own = given.get(at).map_or("", String::as_str);
        keys.push(pair(pair(text("type at"), at.min(4) as u64), u64::from(own == kind)));
        keys.push(pair(pair(text("type"), text(kind)), text(own)));
    }
}

/// The words of a name, `camelCase` and `snake_case` alike; short ones say nothing.
fn words(name: &str) -> impl Iterator<Item = String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for c in name.chars() {
        if !c.is_alphabetic() || (c.is_uppercase() && was_lower) {
            words.push(String::new());
        }
        if c.is_alphabetic() {
            words.last_mut().expect("there is one").extend(c.to_lowercase());
        }
        was_lower = c.is_lowercase();
    }
    words.into_iter().filter(|word| word.len() > 2)
}

/// How many values stand in the first line of an input's format: [`MANY`] for a list.
fn first_line(statement: &str) -> Option<u64> {
    let (_, format) = statement.split_once("format:")?;
    let line = format.lines().map(str::trim).find(|line| !line.is_empty())?;
    let is_list = line.contains("dots") || line.contains("...");
    Some(if is_list { MANY } else { (line.split_whitespace().count() as u64).min(MANY - 1) })
}

/// How many values the first reading statement of a program takes: [`MANY`] for a list, or for all
/// of the input.
fn first_read(tokens: &[Token<'_>]) -> Option<u64> {
    let at = tokens.iter().position(|token| matches!(token.text, "input" | "readline" | "read"))?;
    let start = tokens[..=at].iter().rposition(|token| token.starts_line)?;
    let line = &tokens[start..];
    let end = line.iter().skip(1).position(|token| token.starts_line).map_or(line.len(), |n| n + 1);
    let line = &line[..end];
    if line.iter().any(|token| matches!(token.text, "list" | "[" | "read" | "def" | "import")) {
        return Some(MANY);
    }
    let assigned = line.iter().position(|token| token.text == "=")?;
    let commas = line[..assigned].iter().filter(|token| token.text == ",").count() as u64;
    Some((commas + 1).min(MANY - 1))
}

/// The types of the parameters of a Python function, empty where none is written, and of what it
/// returns; nothing where it is not defined.
fn signature(tokens: &[Token<'_>], name: &str) -> Option<Vec<String>> {
    let at = tokens.windows(2).position(|two| two[0].text == "def" && two[1].text == name)?;
    let mut types: Vec<String> = Vec::new();
    let (mut depth, mut is_type) = (0, false);
    for token in &tokens[at + 2..] {
        match token.text {
            "(" | "[" => depth += 1,
            ")" | "]" => depth -= 1,
            _ => {}
        }
        match (token.text, depth) {
            ("(" | "self", 1) => {}
            (":", 0) => break,
            (",", 1) | (")", 0) => is_type = false,
            (":", 1) => is_type = true,
            ("->", 0) => {
                types.push("->".to_owned());
                is_type = true;
            }
            (word, _) if is_type => types.last_mut()?.push_str(word),
            (_, 1) => types.push(String::new()),
            _ => {}
        }
    }
    Some(types)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fall_apart_into_words() {
        let of = |name: &str| words(name).collect::<Vec<_>>().join(" ");
        assert_eq!(of("maxProfitByDay"), "max profit day");
        assert_eq!((&*of("two_sums2"), &*of("aB")), ("two sums", ""));
    }

    #[test]
    fn inputs_have_a_first_line() {
        let check = |statement: &str, program: &str, expected: [Option<u64>; 2]| {
            let lexed = lex::lex(program, Language::Python);
            assert_eq!([first_line(statement), first_read(&lexed.tokens)], expected, "{program}");
        };
        let two = "in the following format:\n\nN M\nA_1 \\dots A_N\n";
        check(two, "n, m = map(int, input().split())\n", [Some(2), Some(2)]);
        check("format:\nA_1 \\ldots A_N", "a = list(map(int, input().split()))", [Some(MANY); 2]);
        check("", "import sys\nt = int(sys.stdin.readline())\nx = 1, 2\n", [None, Some(1)]);
        check("", "data = sys.stdin.read().split()", [None, Some(MANY)]);
        check("Sort.", "def f(x):\n    return x\n", [None, None]);
    }

    #[test]
    fn signatures_are_read_without_names() {
        let check = |program: &str, expected: Option<&[&str]>| {
            let lexed = lex::lex(program, Language::Python);
            let found = signature(&lexed.tokens, "f");
            let found: Option<Vec<&str>> =
                found.as_ref().map(|types| types.iter().map(String::as_str).collect());
            assert_eq!(found.as_deref(), expected, "{program}");
        };
        check("def f(a, b):\n    return {1: 2}\n", Some(&["", ""]));
        check(
            "class S:\n    def f(self, n: int, q: List[List[int]]) -> List[int]:\n        x: int = 1",
            Some(&["int", "List[List[int]]", "->List[int]"]),
        );
        check("def g(a): pass", None);
    }
}
