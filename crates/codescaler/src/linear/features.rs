//! Features of one program under one problem.

use super::{
    ProgramView,
    hash::{self, finish, pair},
    lex::{self, Kind, Lexed, Token},
    names::{self, Names},
    statement::Asked,
};
use super::{Ablation, FeatureOptions};
use crate::language::Language;

/// Families of features; each may be switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Family {
    Raw1, Raw2, Raw3, Code2, Code3, Code4, Code5, Flow3, Flow5, Flow8, Line, LinePair, Skip, Tree,
    Style, Stats, Numeric, Lint, Constants, Demand, SizeApi, ThemeApi, WordApi, Spell, Api, ThemeFlow, Comment, Layout,
}


struct Sink<'o> {
    out: &'o mut Vec<(u64, f32)>,
    base: u64,
    family: u64,
}

impl Sink<'_> {
    fn family(&mut self, family: Family) {
        self.family = family as u64;
        self.base = pair(0x636f_6465, self.family);
    }
    #[inline]
    fn add(&mut self, hash: u64) {
        self.add_value(hash, 1.0);
    }
    #[inline]
    fn add_value(&mut self, hash: u64, value: f32) {
        self.out.push(((finish(pair(self.base, hash)) & !31) | self.family, value));
    }
    fn tagged(&mut self, tag: &str, hash: u64) {
        self.add(pair(hash::text(tag), hash));
    }
}

struct Code<'a> {
    lexed: Lexed<'a>,
    names: Names<'a>,
    raw: Vec<u64>,
    code: Vec<u64>,
    local: Vec<bool>,
    api: Vec<u64>,
}

fn code_of<'a>(program: &ProgramView<'a>, language: Language) -> Code<'a> {
    let lexed = lex::lex(program.text, language);
    let names = if language == Language::Python { names::analyse(&lexed.tokens) } else { Names::default() };
    let n = lexed.tokens.len();
    let mut raw = Vec::with_capacity(n);
    let mut code = Vec::with_capacity(n);
    let mut local = Vec::with_capacity(n);
    let mut api = Vec::new();
    for (at, token) in lexed.tokens.iter().enumerate() {
        let line = if token.starts_line { 0x11 } else { 0 };
        let h = hash::text(token.text);
        raw.push(pair(h, line));
        let after_dot = at > 0 && lexed.tokens[at - 1].text == ".";
        let next = lexed.tokens.get(at + 1).map_or("", |t| t.text);
        let mut is_local = false;
        let c = match token.kind {
            Kind::Keyword | Kind::Operator => h,
            Kind::Name => {
                is_local = !after_dot
                    && (names.bound.contains(token.text) && !names.is_import(token.text)
                        || language != Language::Python && next != "(");
                if is_local { 0x51 } else { if next=="(" || after_dot { api.push(h); } h }
            }
            Kind::Number => if token.text.len() <= 2 { h } else { pair(0x4e, token.text.len().min(12) as u64) },
            Kind::Text => if token.text.len() <= 5 { h } else { 0x53 },
        };
        local.push(is_local);
        code.push(pair(c, line));
    }
    api.sort_unstable();
    api.dedup();
    Code { lexed, names, raw, code, local, api }
}

impl<'a> Names<'a> {
    fn is_import(&self, name: &str) -> bool { self.imported.contains(name) }
}

/// All features, unsorted, with repetitions.
fn extract(asked: &Asked, language: Language, program: &ProgramView<'_>, out: &mut Vec<(u64, f32)>) {
    let code = code_of(program, language);
    let sink = &mut Sink { out, base: 0, family: 0 };
    grams(&code, sink);
    flow(&code, sink);
    lines(&code, sink);
    sink.family(Family::Tree);
    for &shape in program.shape { sink.add(shape); }
    sink.family(Family::Api);
    for &api in &code.api { sink.add(api); }
    let facts = stats(program, &code, sink);
    style(program, &code, sink);
    lint(asked, language, &code, sink);
    constants(asked, &code, sink);
    demand(asked, &code, &facts, sink);
}

fn grams(code: &Code<'_>, sink: &mut Sink<'_>) {
    for (family, n, items) in [
        (Family::Raw1, 1, &code.raw), (Family::Raw2, 2, &code.raw), (Family::Raw3, 3, &code.raw),
        (Family::Code2, 2, &code.code), (Family::Code3, 3, &code.code), (Family::Code4, 4, &code.code), (Family::Code5, 5, &code.code),
    ] {
        sink.family(family);
        for w in items.windows(n) {
            sink.add(w.iter().fold(n as u64, |h, &t| pair(h, t)));
        }
    }
    sink.family(Family::Skip);
    for (at, &t) in code.code.iter().enumerate() {
        for gap in 2..=5 {
            if let Some(&u) = code.code.get(at + gap) { sink.add(pair(pair(t, u), 7)); }
        }
    }
}

fn renamed(code: &Code<'_>, from: usize, to: usize) -> u64 {
    let mut seen: [&str; 24] = [""; 24];
    let mut n = 0;
    let mut h = (to - from) as u64;
    for at in from..to {
        let item = if code.local[at] {
            let text = code.lexed.tokens[at].text;
            let idx = seen[..n].iter().position(|s| *s == text).unwrap_or_else(|| {
                if n < 24 { seen[n] = text; n += 1; }
                n - 1
            });
            pair(0x77, idx as u64)
        } else { code.code[at] };
        h = pair(h, item);
    }
    h
}

fn flow(code: &Code<'_>, sink: &mut Sink<'_>) {
    let n = code.code.len();
    for (family, w) in [(Family::Flow3, 4), (Family::Flow5, 6), (Family::Flow8, 9)] {
        sink.family(family);
        for at in 0..n.saturating_sub(w - 1) {
            sink.add(renamed(code, at, at + w));
        }
    }
}

fn lines(code: &Code<'_>, sink: &mut Sink<'_>) {
    let tokens = &code.lexed.tokens;
    let mut starts: Vec<usize> = (0..tokens.len()).filter(|&at| tokens[at].starts_line).collect();
    starts.push(tokens.len());
    let mut stack: Vec<(u16, u64)> = Vec::new();
    let mut previous = 0u64;
    for w in starts.windows(2) {
        let (from, to) = (w[0], w[1]);
        let h = renamed(code, from, to.min(from + 40));
        let depth = tokens[from].depth;
        sink.family(Family::Line);
        sink.add(h);
        while stack.last().is_some_and(|s| s.0 >= depth) { stack.pop(); }
        let parent = stack.last().map_or(0, |s| s.1);
        sink.family(Family::LinePair);
        let head = code.code[from];
        sink.add(pair(pair(parent, h), 1));
        sink.add(pair(pair(previous, head), 2));
        let chain = stack.iter().fold(3, |c, s| pair(c, s.1));
        sink.add(pair(chain, head));
        stack.push((depth, head));
        previous = pair(head, u64::from(depth));
    }
}

#[derive(Default)]
struct Facts { loop_depth: u64, recursive: bool, constructs: Vec<u64> }

fn bucket(x: f64) -> u64 { ((1.0 + x).ln() * 3.0) as u64 }

fn stats(program: &ProgramView<'_>, code: &Code<'_>, sink: &mut Sink<'_>) -> Facts {
    let tokens = &code.lexed.tokens;
    let mut loops: Vec<u16> = Vec::new();
    let (mut loop_depth, mut n_loops, mut n_if, mut n_def, mut n_return, mut n_lines, mut n_break) = (0, 0, 0, 0, 0, 0, 0);
    let mut comp_depth = 0;
    let mut max_depth = 0;
    let mut recursive = false;
    let mut defs: Vec<(u16, &str)> = Vec::new();
    for (at, t) in tokens.iter().enumerate() {
        if t.starts_line {
            n_lines += 1;
            while loops.last().is_some_and(|&d| d >= t.depth) { loops.pop(); }
            while defs.last().is_some_and(|d| d.0 >= t.depth) { defs.pop(); }
            comp_depth = 0;
        }
        max_depth = max_depth.max(t.depth);
        match t.text {
            "for" | "while" => {
                n_loops += 1;
                if t.starts_line { loops.push(t.depth); } else { comp_depth += 1; }
                loop_depth = loop_depth.max(loops.len() + comp_depth);
            }
            "if" | "elif" => n_if += 1,
            "def" => { n_def += 1; if let Some(n) = tokens.get(at + 1) { defs.push((t.depth, n.text)); } }
            "return" => n_return += 1,
            "break" | "continue" => n_break += 1,
            _ => if t.kind == Kind::Name && tokens.get(at + 1).is_some_and(|n| n.text == "(") && (at == 0 || tokens[at - 1].text != "def") && defs.iter().any(|d| d.1 == t.text) { recursive = true; },
        }
    }
    let comment_bytes: usize = code.lexed.comments.iter().map(|c| c.len()).sum();
    let mut distinct: Vec<&str> = tokens.iter().filter(|t| t.kind == Kind::Name).map(|t| t.text).collect();
    let n_names = distinct.len();
    let name_chars: usize = distinct.iter().map(|n| n.len()).sum();
    distinct.sort_unstable();
    distinct.dedup();
    let blank = program.text.lines().filter(|l| l.trim().is_empty()).count();
    let code_bytes = program.text.len() - comment_bytes;
    let longest_line = program.text.lines().map(str::len).max().unwrap_or(0);
    let list: [(&str, usize); 20] = [
        ("bytes", program.text.len()), ("code", code_bytes), ("tokens", tokens.len()), ("lines", n_lines),
        ("loops", n_loops), ("ifs", n_if), ("defs", n_def), ("returns", n_return), ("breaks", n_break),
        ("depth", usize::from(max_depth)), ("loopdepth", loop_depth), ("comments", code.lexed.comments.len()),
        ("commentbytes", comment_bytes), ("distinct", distinct.len()), ("namechars", name_chars * 10 / n_names.max(1)),
        ("blank", blank), ("longest", longest_line), ("api", code.api.len()),
        ("numbers", tokens.iter().filter(|t| t.kind == Kind::Number).count()),
        ("tokens per line", tokens.len() * 4 / n_lines.max(1)),
    ];
    for (name, value) in list {
        sink.family(Family::Stats);
        sink.tagged(name, bucket(value as f64));
        sink.family(Family::Numeric);
        sink.add_value(hash::text(name), ((1.0 + value as f64).ln() / 3.0) as f32);
    }
    let mut constructs = vec![pair(1, loop_depth as u64), pair(2, u64::from(recursive)), pair(3, bucket(tokens.len() as f64)), pair(4, bucket(n_loops as f64)),
        pair(5, bucket(n_def as f64))];
    constructs.sort_unstable();
    Facts { loop_depth: loop_depth as u64, recursive, constructs }
}

fn style(program: &ProgramView<'_>, code: &Code<'_>, sink: &mut Sink<'_>) {
    sink.family(Family::Comment);
    for c in &code.lexed.comments {
        let words: Vec<u64> = c.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(|w| hash::text(&w.to_ascii_lowercase())).collect();
        for w in &words { sink.add(*w); }
        for w in words.windows(2) { sink.add(pair(w[0], w[1])); }
        sink.add(pair(bucket(c.len() as f64), 1));
    }
    sink.family(Family::Layout);
    let b = program.text.as_bytes();
    for w in b.windows(3) {
        if w[1] == b' ' || w[1] == b'\n' || w[1] == b'\t' || w[1] == b'#' {
            let class = |x: u8| if x.is_ascii_alphabetic() || x == b'_' { b'a' } else if x.is_ascii_digit() { b'0' } else { x };
            sink.add(u64::from(class(w[0])) << 16 | u64::from(w[1]) << 8 | u64::from(class(w[2])));
        }
    }
    for l in program.text.lines().take(400) {
        if l.trim().is_empty() { sink.add(pair(99, l.len().min(9) as u64)); }
        if l.ends_with(' ') { sink.add(98); }
    }
    sink.tagged("end", u64::from(program.text.ends_with('\n')) + 2 * u64::from(program.text.starts_with('\n')));
    sink.family(Family::Style);
    for t in &code.lexed.tokens {
        if t.kind == Kind::Name {
            let s = t.text;
            let has_us = s.contains('_');
            let upper = s.bytes().any(|b| b.is_ascii_uppercase());
            let lower = s.bytes().any(|b| b.is_ascii_lowercase());
            sink.add(u64::from(has_us) | u64::from(upper) << 1 | u64::from(lower) << 2 | (s.len().min(15) as u64) << 3);
            if has_us { for part in s.split('_') { sink.add(hash::text(part)); } }
        }
    }
}

fn lint(asked: &Asked, language: Language, code: &Code<'_>, sink: &mut Sink<'_>) {
    sink.family(Family::Lint);
    let tokens = &code.lexed.tokens;
    let n = &code.names;
    let count = |c: usize| c.min(4) as u64;
    if language == Language::Python {
        sink.tagged("n undefined", count(n.undefined.len()));
        for name in n.undefined.keys() { sink.tagged("undefined", pair(hash::text(name), hash::text(asked.entry))); }
        let unknown = n.undefined.keys().filter(|k| !matches!(**k, "List"|"Optional"|"Dict"|"Tuple"|"Set"|"TreeNode"|"ListNode"|"deque"|"defaultdict"|"Counter"|"heapq"|"math"|"inf"|"cache"|"lru_cache"|"bisect_left"|"bisect"|"heappush"|"heappop"|"accumulate"|"gcd"|"pairwise")).count();
        sink.tagged("undefined odd", count(unknown));
        sink.tagged("unused imports", count(n.unused_imports.len()));
        for i in &n.unused_imports { sink.tagged("unused import", hash::text(i)); }
        sink.tagged("unused parameters", count(n.unused_parameters.len()));
        let in_entry = n.unused_parameters.iter().filter(|p| asked.names.contains(**p)).count();
        sink.tagged("unused entry parameters", count(in_entry));
        sink.tagged("unused locals", count(n.unused_locals.len()));
        sink.tagged("unused locals", pair(9, hash::text(asked.entry)) + count(n.unused_locals.len()));
        let uncalled = defined(tokens).filter(|d| !tokens.iter().enumerate().any(|(at, t)| t.text == *d && (at == 0 || tokens[at-1].text != "def"))).count();
        sink.tagged("uncalled", pair(count(uncalled), hash::text(asked.entry)));
    }
    let has = |s: &str| tokens.iter().any(|t| t.text == s);
    let calls = |s: &str| tokens.windows(2).any(|w| w[0].text == s && w[1].text == "(");
    for (name, yes) in [("input", calls("input")), ("print", calls("print")), ("class", has("class")), ("main", calls("main")), ("stdin", has("stdin")),
        ("return", has("return")), ("entry", has(&asked.entry_name)), ("eval", calls("eval")), ("__name__", has("__name__")), ("Solution", has("Solution")), ("exit", has("exit")),
        ("setrecursionlimit", has("setrecursionlimit")), ("lru", has("lru_cache") || has("cache")), ("try", has("try")), ("pass", has("pass")), ("assert", has("assert")), ("global", has("global")), ("nonlocal", has("nonlocal"))] {
        sink.tagged(name, pair(u64::from(yes), hash::text(asked.entry)));
    }
    // ends
    if let Some(last) = tokens.last() {
        sink.tagged("open at end", u64::from(last.brackets.min(3)));
        sink.tagged("last token", pair(hash::text(if last.kind == Kind::Name { "name" } else { last.text }), hash::text(asked.entry)));
    }
    let last_line = tokens.iter().rev().find(|t| t.starts_line);
    if let Some(l) = last_line { sink.tagged("last line", pair(hash::text(if l.kind == Kind::Name {"name"} else {l.text}), pair(u64::from(l.depth), hash::text(asked.entry)))); }
    // functions whose body does not end in return
    let mut open: Vec<(u16, bool, bool)> = Vec::new(); // depth, saw return value, last top-level is return
    let mut missing = 0;
    let mut mixed = 0;
    for (at, t) in tokens.iter().enumerate() {
        if !t.starts_line { if t.text == "return" { if let Some(o) = open.last_mut() { o.1 |= value_follows(tokens, at); } } continue; }
        while open.last().is_some_and(|o| o.0 >= t.depth) {
            if let Some(o) = open.pop() { if o.1 && !o.2 { missing += 1; } }
        }
        if t.text == "return" { if let Some(o) = open.last_mut() { if value_follows(tokens, at) { o.1 = true; } else { mixed += 1; } } }
        if let Some(o) = open.last_mut() { if t.depth == o.0 + 1 { o.2 = matches!(t.text, "return" | "raise" | "else" | "while" | "with" | "try" | "finally" | "except"); } }
        if t.text == "def" { open.push((t.depth, false, false)); }
    }
    for o in open { if o.1 && !o.2 { missing += 1; } }
    sink.tagged("missing return", count(missing));
    sink.tagged("bare returns", count(mixed));
    // suspicious repetitions: x op x
    for w in tokens.windows(3) {
        if w[0].kind == Kind::Name && w[0].text == w[2].text && matches!(w[1].text, "==" | "!=" | "<" | ">" | "-" | "/" | "=" | "//" | "%" | "and" | "or" | "<=" | ">=") { sink.tagged("same", hash::text(w[1].text)); }
    }
}

fn value_follows(tokens: &[Token<'_>], at: usize) -> bool { tokens.get(at + 1).is_some_and(|t| !t.starts_line) }

fn defined<'a, 't>(tokens: &'t [Token<'a>]) -> impl Iterator<Item = &'a str> + 't {
    tokens.windows(2).filter(|w| w[0].text == "def").map(|w| w[1].text)
}

fn constants(asked: &Asked, code: &Code<'_>, sink: &mut Sink<'_>) {
    sink.family(Family::Constants);
    let (mut inside, mut outside, mut big_out) = (0u64, 0u64, 0u64);
    let mut modulus = 0;
    let tokens = &code.lexed.tokens;
    for (at, t) in tokens.iter().enumerate() {
        if t.kind != Kind::Number { continue; }
        if t.text == "998244353" { modulus |= 1; }
        if t.text.replace('_', "") == "1000000007" || t.text == "10" && at + 4 < tokens.len() && tokens[at+1].text == "**" && tokens[at+2].text == "9" && tokens[at+4].text == "7" { modulus |= 2; }
        if t.text == "1e9" && tokens.get(at+2).is_some_and(|n| n.text == "7") { modulus |= 2; }
        if t.text.len() >= 2 {
            if asked.numbers.contains(t.text) { inside += 1; } else { outside += 1; if t.text.len() >= 3 { big_out += 1; } }
        } else {
            sink.tagged("digit in statement", pair(hash::text(t.text), u64::from(asked.numbers.contains(t.text))));
        }
    }
    let demanded = match asked.modulus { None => 0, Some("998244353") => 1, Some(_) => 2 };
    sink.tagged("modulus", pair(demanded, modulus));
    sink.tagged("inside", inside.min(6));
    sink.tagged("outside", outside.min(6));
    sink.tagged("outside big", big_out.min(6));
    sink.family(Family::Spell);
    let (mut verbatim, mut folded, mut absent) = (0u64, 0u64, 0u64);
    for t in &code.lexed.tokens {
        if t.kind != Kind::Text { continue; }
        let s = t.text.trim_matches(|c| c == '"' || c == '\'');
        if s.len() < 2 || s.len() > 20 || !s.bytes().all(|b| b.is_ascii_alphanumeric()) { continue; }
        if asked.spellings.contains(s) { verbatim += 1; } else if asked.spellings_folded.contains(&s.to_ascii_lowercase()) { folded += 1; } else { absent += 1; }
    }
    sink.tagged("verbatim", verbatim.min(4));
    sink.tagged("folded", folded.min(2));
    sink.tagged("absent", absent.min(4));
    // share of the program's words that the statement uses
    let mut seen: Vec<&str> = code.lexed.tokens.iter().filter(|t| t.kind == Kind::Name && t.text.len() > 2).map(|t| t.text).collect();
    seen.sort_unstable(); seen.dedup();
    let hits = seen.iter().filter(|s| asked.spellings_folded.contains(&s.to_ascii_lowercase())).count();
    sink.tagged("name share", (hits * 10 / seen.len().max(1)) as u64);
    let given = asked.names.iter().filter(|n| n.len() > 1 && !matches!(n.as_str(), "class"|"Solution"|"def"|"self"|"List"|"int"|"str")).count();
    let used = asked.names.iter().filter(|n| n.len() > 1 && code.names.bound.contains(n.as_str())).count();
    sink.tagged("starter share", if given == 0 { 99 } else { (used * 4 / given) as u64 });
}

fn demand(asked: &Asked, code: &Code<'_>, facts: &Facts, sink: &mut Sink<'_>) {
    sink.family(Family::Demand);
    let size = u64::from(asked.size_exponent);
    sink.add(pair(size, pair(facts.loop_depth, 1)));
    sink.add(pair(size, pair(facts.loop_depth, 2 + u64::from(facts.recursive))));
    for &theme in &asked.themes {
        for &c in &facts.constructs { sink.add(pair(theme, c)); }
    }
    sink.family(Family::SizeApi);
    for &api in &code.api { sink.add(pair(size, api)); sink.add(pair(hash::text(asked.entry), api)); }
    sink.family(Family::ThemeApi);
    for &theme in &asked.themes { for &api in &code.api { sink.add(pair(theme, api)); } }
    sink.family(Family::WordApi);
    for &word in &asked.words { for &api in &code.api { sink.add(pair(word, api)); } }
    sink.family(Family::ThemeFlow);
    for w in code.code.windows(2) {
        let h = pair(w[0], w[1]);
        sink.add(pair(h, pair(size, hash::text(asked.entry))));
    }
}

const READ: u32 = 0x7f8 | 1 << 12 | 1 << 13 | 1 << 15 | 1 << 17 | 1 << 24;

/// The features of a program as buckets and values.
pub(super) fn vector(asked: &Asked, program: &ProgramView<'_>, options: FeatureOptions) -> Vec<(u32, f32)> {
    let shape = if options.ablation == Ablation::HideTree { &[] } else { program.shape };
    let mut found = Vec::new();
    extract(asked, program.language, &ProgramView { shape, ..*program }, &mut found);
    found.retain(|&(key, _)| READ >> (key & 31) & 1 == 1);
    found.sort_unstable_by_key(|&(key, _)| key);
    found.dedup_by_key(|&mut (key, _)| key);
    let mut sizes = [0.0f32; 32];
    for &(key, _) in &found {
        sizes[(key & 31) as usize] += 1.0;
    }
    found.iter().map(|&(key, _)| ((key >> (64 - options.bits)) as u32, 1.0 / sizes[(key & 31) as usize].sqrt())).collect()
}
