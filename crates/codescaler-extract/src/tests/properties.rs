//! What holds for every string.

use codescaler::{language::Language, problem::Entry};
use proptest::prelude::*;

use crate::{Extraction, Note, Policy, Spec, check_syntax, extract, tree_digest, tree_shape};

#[track_caller]
fn check(completion: &str, spec: &Spec<'_>) {
    let extraction = extract(completion, spec);
    assert_eq!(extraction, extract(completion, spec), "deterministic");
    let Extraction { program, range, reason, notes } = extraction;
    assert_eq!(program.is_some(), range.is_some());
    assert_eq!(program.is_some(), reason.is_none());
    assert!(notes.is_sorted());
    let (Some(program), Some(range)) = (program, range) else { return };
    assert!(!program.is_empty());
    let raw = completion.get(range).expect("the range is in bounds, between characters");
    if notes
        .iter()
        .all(|note| !matches!(note, Note::Dedented | Note::LineEndsNormalised | Note::Played))
    {
        assert_eq!(raw, program);
    }
    if spec.policy.promises_syntax() {
        assert_eq!(check_syntax(&program, spec.language), Ok(()));
        let n_nodes = tree_shape(&program, spec.language).map(|shape| shape.len());
        assert_eq!(n_nodes.is_some(), tree_digest(&program, spec.language).is_some());
    }
}

/// Pieces that make interesting completions.
fn completion() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "```",
        "~~~",
        "````",
        "```python\n",
        "```cpp\n",
        "@@ -0,0 +1 @@\n+",
        "\n<|diff|>",
        "\n",
        "\r\n",
        " ",
        "   ",
        "\t",
        "> ",
        "- ",
        "1. ",
        "def f(x):\n",
        "    return x\n",
        "class Solution:\n",
        "print(1)",
        "int main() { return 0; }",
        "<think>",
        "</think>",
        "(",
        ")",
        "\"\"\"",
        "'",
        "é",
        "🦀",
        "\u{a0}",
        "\0",
        "Usage:",
        "The code.",
        "x = 1\n",
        "{",
        "}",
        "#define a b\n",
        ",",
        ":",
        "lambda: ",
        "f\"{x}\"",
        "\\\n",
        "async ",
        "not ",
    ]);
    prop_oneof![
        prop::collection::vec(pieces, 0..24).prop_map(|pieces| pieces.concat()),
        any::<String>(),
    ]
}

fn entry() -> impl Strategy<Value = Entry> {
    prop::sample::select(vec![
        Entry::Stdio,
        Entry::Script,
        Entry::Function { name: "f".to_owned() },
        Entry::Method { class: "Solution".to_owned(), name: "f".to_owned() },
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn every_string_has_an_extraction(
        completion in completion(),
        language in prop::sample::select(Language::ALL.to_vec()),
        entry in entry(),
        policy in prop::sample::select(Policy::ALL.to_vec()),
    ) {
        check(&completion, &Spec { language, entry: &entry, policy });
    }
}

/// The published rule by its definition: every way to place the three parts, leftmost first.
fn single_valid_blocks(text: &str) -> Vec<&str> {
    let chars: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    let mut blocks = Vec::new();
    let mut from = 0;
    'search: while from <= text.len() {
        for &open in chars.iter().filter(|&&at| at >= from) {
            let Some(rest) = text[open..].strip_prefix("```") else { continue };
            let word = rest.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
            let Some(content) = word.strip_prefix('\n') else { continue };
            let Some(len) = content.find("```") else { continue };
            blocks.push(&content[..len]);
            from = text.len() - content.len() + len + 3;
            continue 'search;
        }
        break;
    }
    blocks
}

proptest! {
    #[test]
    fn single_valid_is_its_definition(completion in completion()) {
        let spec =
            Spec { language: Language::Kotlin, entry: &Entry::Stdio, policy: Policy::SingleValid };
        // No parser for Kotlin: what is left is which block.
        let expected = match single_valid_blocks(&completion).as_slice() {
            [block] => Some(block.trim().to_owned()).filter(|program| !program.is_empty()),
            _ => None,
        };
        if !completion.contains('\0') && !completion.contains(|c| ('\x1c'..='\x1f').contains(&c)) {
            prop_assert_eq!(extract(&completion, &spec).program, expected);
        }
    }
}

/// Texts that nest deeply, never close, or make parsers despair.
const UNITS: [&str; 24] = [
    "(",
    "[",
    "{",
    "-",
    "not ",
    "x+",
    "x.",
    "f(",
    "lambda:",
    "```\n",
    "```py\nx\n",
    "`",
    "\"",
    "f'{",
    "if x:\n ",
    "(lambda x,y:",
    "x if x else ",
    "<a>",
    "/*",
    "~",
    "@",
    "x[",
    "*",
    "> ```\n",
];

#[test]
fn deep_and_long_texts_are_bounded() {
    let entry = Entry::Stdio;
    for unit in UNITS {
        for (language, n) in [
            (Language::Python, 10_000),
            (Language::Cpp, 300),
            (Language::JavaScript, 300),
            (Language::Rust, 300),
        ] {
            for policy in [Policy::BestValid, Policy::SingleValid] {
                let spec = Spec { language, entry: &entry, policy };
                check(&unit.repeat(n), &spec);
                check(&format!("```{language}\n{}x\n```", unit.repeat(n)), &spec);
            }
        }
    }
}
