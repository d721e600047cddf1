//! Features of what a program does, token by token, with its own names rubbed out.

use std::collections::BTreeMap;

use super::{code::Code, hash::pair};

/// Hashes of every window of `width` tokens. The program's own names are numbered in the order in
/// which the window mentions them, so `a[i] < a[j]` and `x[p] < x[q]` are alike and
/// `a[i] < a[i]` is not.
pub(super) fn windows(code: &Code<'_>, width: usize, keys: &mut Vec<u64>) {
    let mut seen: Vec<u32> = Vec::with_capacity(width);
    for start in 0..(code.codes.len() + 1).saturating_sub(width) {
        seen.clear();
        let hash = (start..start + width).fold(width as u64, |hash, at| match code.locals[at] {
            0 => pair(hash, code.codes[at]),
            local => {
                let place = seen.iter().position(|&other| other == local).unwrap_or_else(|| {
                    seen.push(local);
                    seen.len() - 1
                });
                pair(hash, place as u64)
            }
        });
        keys.push(hash);
    }
}

/// Pairs of tokens two to five places apart, in order, whatever stands between.
pub(super) fn skips(code: &Code<'_>, keys: &mut Vec<u64>) {
    for (at, &first) in code.codes.iter().enumerate() {
        let later = code.codes.iter().skip(at + 2).take(4);
        keys.extend(later.map(|&second| pair(first, second)));
    }
}

/// What stands around one mention of a name.
#[derive(Clone, Copy)]
struct Mention {
    near: u64, // The tokens before and after.
    line: u64, // Those and the first token of the line.
    depth: u16,
}

/// Where each of the program's own names is mentioned, then mentioned next, however far apart:
/// from binding to use, from use to use.
pub(super) fn mentions(code: &Code<'_>, keys: &mut Vec<u64>) {
    let mut last: BTreeMap<u32, Mention> = BTreeMap::new();
    let mut head = 0;
    for (at, token) in code.tokens().iter().enumerate() {
        if token.starts_line {
            head = code.codes[at];
        }
        if code.locals[at] == 0 {
            continue;
        }
        let before = at.checked_sub(1).map_or(0, |before| code.codes[before]);
        let near = pair(before, code.codes.get(at + 1).copied().unwrap_or(0));
        let here = Mention { near, line: pair(near, head), depth: token.depth };
        match last.insert(code.locals[at], here) {
            None => keys.push(pair(here.line, 1)),
            Some(there) => {
                let deeper = here.depth.cmp(&there.depth) as i8;
                keys.push(pair(pair(there.near, here.near), 2));
                keys.push(pair(pair(there.line, here.line), 3));
                let level = 16_u64.wrapping_add_signed(i64::from(deeper));
                keys.push(pair(pair(there.near, here.near), level));
            }
        }
    }
    keys.extend(last.values().map(|mention| pair(mention.line, 4)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{language::Language, linear::ProgramView};

    fn keys(read: impl Fn(&Code<'_>, &mut Vec<u64>), text: &str) -> Vec<u64> {
        let mut keys = Vec::new();
        let view = ProgramView { text, shape: &[], language: Language::Python };
        read(&Code::of(view), &mut keys);
        keys
    }

    #[test]
    fn own_names_do_not_matter_and_their_repetition_does() {
        let program =
            |i: &str, j: &str, a: &str| format!("{i} = {j} = {a} = 0\n{a}[{i}] < {a}[{j}]");
        let read = |text: &str| {
            let mut found = keys(|code, keys| windows(code, 4, keys), text);
            found.extend(keys(skips, text));
            found.extend(keys(mentions, text));
            found
        };
        assert_eq!(read(&program("i", "j", "a")), read(&program("p", "q", "heights")));
        assert_ne!(
            keys(|code, keys| windows(code, 9, keys), "i = j = a = 0\na[i] < a[j]"),
            keys(|code, keys| windows(code, 9, keys), "i = j = a = 0\na[i] < a[i]"),
        );
        assert_ne!(read("print(len(x))"), read("print(sum(x))"));
        // A name whose next mention stands less deep.
        let depth = |text| keys(mentions, text).len();
        assert_eq!(
            depth("x = 0\nif x:\n    y = x\nx = y"),
            depth("x = 0\nif x:\n    y = x\n    x = y")
        );
    }

    #[test]
    fn short_programs_have_no_windows() {
        for text in ["", "x", "x = 1"] {
            assert!(keys(|code, keys| windows(code, 4, keys), text).is_empty(), "{text}");
        }
    }
}
