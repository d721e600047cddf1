//! A program read once: tokens, names, and the hashes that several families of features share.

use std::collections::BTreeMap;

use super::{
    ProgramView, hash,
    lex::{self, Kind, Lexed, Token},
    names::{self, Names},
};
use crate::language::Language;

/// A program, read.
#[derive(Debug)]
pub(super) struct Code<'a> {
    /// Its text and language.
    pub(super) program: ProgramView<'a>,
    /// Its tokens and comments.
    pub(super) lexed: Lexed<'a>,
    /// What it does with names; Python only, else empty.
    pub(super) names: Names<'a>,
    /// One hash per token, all names of the program's own making alike.
    pub(super) codes: Vec<u64>,
    /// One number per token: which of the program's own names it is; 0 for everything else.
    pub(super) locals: Vec<u32>,
    /// Hashes of the names it calls or takes from an object and did not make, sorted, distinct.
    pub(super) api: Vec<u64>,
}

/// Stands for every name of the program's own making.
const LOCAL: u64 = 1;

impl<'a> Code<'a> {
    /// Reads a program.
    pub(super) fn of(program: ProgramView<'a>) -> Code<'a> {
        let lexed = lex::lex(program.text, program.language);
        let names = if program.language == Language::Python {
            names::analyse(&lexed.tokens)
        } else {
            Names::default()
        };
        let mut code =
            Code { program, lexed, names, codes: Vec::new(), locals: Vec::new(), api: Vec::new() };
        code.hash_tokens();
        code
    }

    /// The tokens.
    pub(super) fn tokens(&self) -> &[Token<'a>] {
        &self.lexed.tokens
    }

    fn hash_tokens(&mut self) {
        let tokens = &self.lexed.tokens;
        let mut numbers: BTreeMap<&str, u32> = BTreeMap::new();
        for (at, token) in tokens.iter().enumerate() {
            let member = at > 0 && tokens[at - 1].text == ".";
            let called = tokens.get(at + 1).is_some_and(|next| next.text == "(");
            let made = if self.program.language == Language::Python {
                self.names.made(token.text)
            } else {
                !called
            };
            let own = token.kind == Kind::Name && !member && made;
            if own {
                let next = u32::try_from(numbers.len()).expect("fewer than 2^32 names") + 1;
                self.locals.push(*numbers.entry(token.text).or_insert(next));
            } else {
                self.locals.push(0);
            }
            let word = hash::text(token.text);
            if token.kind == Kind::Name && !own && (member || called) {
                self.api.push(word);
            }
            let code = if own { LOCAL } else { class(token, word) };
            self.codes.push(hash::pair(code, u64::from(token.starts_line)));
        }
        self.api.sort_unstable();
        self.api.dedup();
    }
}

/// Long literals are alike up to their kind and the length of numbers.
fn class(token: &Token<'_>, word: u64) -> u64 {
    let len = token.text.len();
    match token.kind {
        Kind::Number if len > 2 => hash::pair(2, len.min(12) as u64),
        Kind::Text if len > 5 => 3,
        Kind::Keyword | Kind::Name | Kind::Number | Kind::Text | Kind::Operator => word,
    }
}
