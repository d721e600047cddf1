//! Extraction is total: no text may make it panic, overflow its stack, run without end, or answer
//! with a range outside the text.
//!
//! ```console
//! $ ASAN_OPTIONS=detect_odr_violation=0 cargo +nightly fuzz run extract -- -max_len=8192 -timeout=20
//! ```
//!
//! The variable silences a report about the TypeScript grammar, whose two parsers have tables of one
//! name. Good seeds are the completions of `crates/codescaler-extract/tests/corpus`.

#![no_main]

use codescaler::{language::Language, problem::Entry};
use codescaler_extract::{Policy, Spec, check_syntax, extract, tree_digest, tree_shape};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&selector, text)) = data.split_first() else { return };
    let Ok(completion) = std::str::from_utf8(text) else { return };
    let selector = usize::from(selector);
    let language = Language::ALL[selector % 8];
    let policy = Policy::ALL[selector / 8 % 4];
    let entry = match selector / 32 % 4 {
        0 => Entry::Stdio,
        1 => Entry::Script,
        2 => Entry::Function { name: "f".to_owned() },
        _ => Entry::Method { class: "Solution".to_owned(), name: "f".to_owned() },
    };
    let extraction = extract(completion, &Spec { language, entry: &entry, policy });
    assert_eq!(extraction.program.is_some(), extraction.reason.is_none());
    let Some(program) = extraction.program else { return };
    assert!(completion.get(extraction.range.expect("a program has a range")).is_some());
    if policy.promises_syntax() {
        check_syntax(&program, language).expect("the policy promises valid syntax");
        assert_eq!(
            tree_shape(&program, language).is_some(),
            tree_digest(&program, language).is_some()
        );
    }
});
