//! Operations on texts.

use std::collections::BTreeSet;

use super::parts::{capitalize, counts, is_vowel, lengths, letter, swap_case};
use crate::lab::operation::{
    Apply, Constant,
    Form::{Expression, Helper, Lines},
    Operation,
};

pub(super) const ALL: &[Operation] = &[
    Operation {
        name: "upper",
        constant: Constant::None,
        verbs: &[
            "write it in capital letters",
            "turn it into upper case",
            "make all letters capital",
        ],
        noun: "the upper case of {x}",
        forms: &[Expression("{x}.upper()")],
        near: &["lower", "swap_case"],
        apply: Apply::TextToText(|s, _| Some(s.to_ascii_uppercase())),
    },
    Operation {
        name: "lower",
        constant: Constant::None,
        verbs: &["write it in small letters", "turn it into lower case", "make all letters small"],
        noun: "the lower case of {x}",
        forms: &[Expression("{x}.lower()")],
        near: &["upper", "swap_case"],
        apply: Apply::TextToText(|s, _| Some(s.to_ascii_lowercase())),
    },
    Operation {
        name: "swap_case",
        constant: Constant::None,
        verbs: &[
            "swap capital and small letters",
            "turn small letters into capitals and capitals into small ones",
        ],
        noun: "the swapped case of {x}",
        forms: &[Expression("{x}.swapcase()")],
        near: &["upper", "lower"],
        apply: Apply::TextToText(|s, _| Some(s.chars().map(swap_case).collect())),
    },
    Operation {
        name: "reverse_text",
        constant: Constant::None,
        verbs: &["reverse the string", "read it backwards", "turn the text around"],
        noun: "the reverse of {x}",
        forms: &[
            Expression("{x}[::-1]"),
            Expression(r#""".join(reversed({x}))"#),
            Lines("{y} = \"\"\nfor c in {x}:\n    {y} = c + {y}"),
            Helper("def back(s):\n    return back(s[1:]) + s[0] if s else s", "back({x})"),
        ],
        near: &["reverse_words"],
        apply: Apply::TextToText(|s, _| Some(s.chars().rev().collect())),
    },
    Operation {
        name: "drop_vowels",
        constant: Constant::None,
        verbs: &["remove the vowels", "drop all vowels", "delete every vowel"],
        noun: "the text without vowels of {x}",
        forms: &[
            Expression(r#""".join(c for c in {x} if c not in "aeiouAEIOU")"#),
            Lines("{y} = \"\"\nfor c in {x}:\n    if c not in \"aeiouAEIOU\":\n        {y} += c"),
        ],
        near: &["keep_vowels"],
        apply: Apply::TextToText(|s, _| Some(s.chars().filter(|c| !is_vowel(*c)).collect())),
    },
    Operation {
        name: "keep_vowels",
        constant: Constant::None,
        verbs: &["keep only the vowels", "drop all that is no vowel"],
        noun: "the vowels of {x}",
        forms: &[
            Expression(r#""".join(c for c in {x} if c in "aeiouAEIOU")"#),
            Lines("{y} = \"\"\nfor c in {x}:\n    if c in \"aeiouAEIOU\":\n        {y} += c"),
        ],
        near: &["drop_vowels"],
        apply: Apply::TextToText(|s, _| Some(s.chars().filter(|c| is_vowel(*c)).collect())),
    },
    Operation {
        name: "drop_letter",
        constant: Constant::Letter,
        verbs: &["remove every letter {k}", "drop each {k}", "delete all letters {k}"],
        noun: "the text without {k} of {x}",
        forms: &[
            Expression(r#"{x}.replace("{k}", "")"#),
            Expression(r#""".join(c for c in {x} if c != "{k}")"#),
            Lines("{y} = \"\"\nfor c in {x}:\n    if c != \"{k}\":\n        {y} += c"),
        ],
        near: &["drop_vowels"],
        apply: Apply::TextToText(|s, k| {
            let letter = letter(k)?;
            Some(s.chars().filter(|c| *c != letter).collect())
        }),
    },
    Operation {
        name: "star_letter",
        constant: Constant::Letter,
        verbs: &["replace every letter {k} by a star", "put a star for each {k}"],
        noun: "the text with stars for {k} of {x}",
        forms: &[
            Expression(r#"{x}.replace("{k}", "*")"#),
            Expression(r#""".join("*" if c == "{k}" else c for c in {x})"#),
        ],
        near: &["drop_letter"],
        apply: Apply::TextToText(|s, k| Some(s.replace(letter(k)?, "*"))),
    },
    Operation {
        name: "drop_spaces",
        constant: Constant::None,
        verbs: &["remove the spaces", "drop all spaces", "delete every space"],
        noun: "the text without spaces of {x}",
        forms: &[
            Expression(r#"{x}.replace(" ", "")"#),
            Expression(r#""".join(c for c in {x} if c != " ")"#),
            Lines("{y} = \"\"\nfor c in {x}:\n    if c != \" \":\n        {y} += c"),
        ],
        near: &["drop_vowels", "dash_spaces"],
        apply: Apply::TextToText(|s, _| Some(s.replace(' ', ""))),
    },
    Operation {
        name: "dash_spaces",
        constant: Constant::None,
        verbs: &["replace spaces by dashes", "put a dash for each space"],
        noun: "the text with dashes for spaces of {x}",
        forms: &[Expression(r#"{x}.replace(" ", "-")"#)],
        near: &["drop_spaces"],
        apply: Apply::TextToText(|s, _| Some(s.replace(' ', "-"))),
    },
    Operation {
        name: "repeat",
        constant: Constant::Number(2, 3),
        verbs: &["repeat it {k} times", "write it {k} times in a row"],
        noun: "{k} copies of {x}",
        forms: &[Expression("{x} * {k}"), Expression("{k} * {x}")],
        near: &["double_letters"],
        apply: Apply::TextToText(|s, k| Some(s.repeat(usize::try_from(k).ok()?))),
    },
    Operation {
        name: "double_letters",
        constant: Constant::None,
        verbs: &["write each character twice", "double every character"],
        noun: "the doubled characters of {x}",
        forms: &[
            Expression(r#""".join(c * 2 for c in {x})"#),
            Lines("{y} = \"\"\nfor c in {x}:\n    {y} += c + c"),
        ],
        near: &["repeat"],
        apply: Apply::TextToText(|s, _| Some(s.chars().flat_map(|c| [c, c]).collect())),
    },
    Operation {
        name: "first_chars",
        constant: Constant::Number(2, 5),
        verbs: &["take the first {k} characters", "cut it after {k} characters"],
        noun: "the first {k} characters of {x}",
        forms: &[Expression("{x}[:{k}]")],
        near: &["last_chars", "skip_chars"],
        apply: Apply::TextToText(|s, k| Some(s.chars().take(usize::try_from(k).ok()?).collect())),
    },
    Operation {
        name: "last_chars",
        constant: Constant::Number(2, 5),
        verbs: &["take the last {k} characters", "keep only the final {k} characters"],
        noun: "the last {k} characters of {x}",
        forms: &[Expression("{x}[-{k}:]")],
        near: &["first_chars", "skip_chars"],
        apply: Apply::TextToText(|mut s, k| {
            Some(s.split_off(s.len().saturating_sub(usize::try_from(k).ok()?)))
        }),
    },
    Operation {
        name: "skip_chars",
        constant: Constant::Number(1, 3),
        verbs: &["drop the first {k} characters", "skip {k} characters at the front"],
        noun: "all but the first {k} characters of {x}",
        forms: &[Expression("{x}[{k}:]")],
        near: &["first_chars", "last_chars"],
        apply: Apply::TextToText(|s, k| Some(s.chars().skip(usize::try_from(k).ok()?).collect())),
    },
    Operation {
        name: "second_chars",
        constant: Constant::None,
        verbs: &[
            "take every second character starting with the first",
            "keep the characters at even positions",
        ],
        noun: "the characters at even positions of {x}",
        forms: &[Expression("{x}[::2]")],
        near: &["reverse_text"],
        apply: Apply::TextToText(|s, _| Some(s.chars().step_by(2).collect())),
    },
    Operation {
        name: "reverse_words",
        constant: Constant::None,
        verbs: &["reverse the order of the words", "write the words in reverse order"],
        noun: "the reversed words of {x}",
        forms: &[
            Expression(r#"" ".join({x}.split()[::-1])"#),
            Expression(r#"" ".join(reversed({x}.split()))"#),
        ],
        near: &["reverse_text", "sort_words_of"],
        apply: Apply::TextToText(|s, _| {
            Some(s.split_whitespace().rev().collect::<Vec<_>>().join(" "))
        }),
    },
    Operation {
        name: "sort_words_of",
        constant: Constant::None,
        verbs: &["sort its words", "put its words in alphabetical order"],
        noun: "the sorted words of {x}",
        forms: &[Expression(r#"" ".join(sorted({x}.split()))"#)],
        near: &["reverse_words"],
        apply: Apply::TextToText(|s, _| {
            let mut words: Vec<&str> = s.split_whitespace().collect();
            words.sort_unstable();
            Some(words.join(" "))
        }),
    },
    Operation {
        name: "capitalize_words",
        constant: Constant::None,
        verbs: &[
            "write each word with a capital first letter and the rest small",
            "capitalize every word",
        ],
        noun: "the capitalized words of {x}",
        forms: &[Expression(r#"" ".join(w.capitalize() for w in {x}.split())"#)],
        near: &["upper", "lower"],
        apply: Apply::TextToText(|s, _| {
            Some(s.split_whitespace().map(capitalize).collect::<Vec<_>>().join(" "))
        }),
    },
    Operation {
        name: "initials",
        constant: Constant::None,
        verbs: &["join the first letters of its words", "take the initials of the words"],
        noun: "the initials of {x}",
        forms: &[
            Expression(r#""".join(w[0] for w in {x}.split())"#),
            Lines("{y} = \"\"\nfor w in {x}.split():\n    {y} += w[0]"),
        ],
        near: &["last_letters"],
        apply: Apply::TextToText(|s, _| {
            Some(s.split_whitespace().filter_map(|word| word.chars().next()).collect())
        }),
    },
    Operation {
        name: "last_letters",
        constant: Constant::None,
        verbs: &["join the last letters of its words", "take the final letter of each word"],
        noun: "the last letters of the words of {x}",
        forms: &[
            Expression(r#""".join(w[-1] for w in {x}.split())"#),
            Lines("{y} = \"\"\nfor w in {x}.split():\n    {y} += w[-1]"),
        ],
        near: &["initials"],
        apply: Apply::TextToText(|s, _| {
            Some(s.split_whitespace().filter_map(|word| word.chars().last()).collect())
        }),
    },
    Operation {
        name: "sort_letters",
        constant: Constant::None,
        verbs: &["sort its characters", "put its characters in order"],
        noun: "the sorted characters of {x}",
        forms: &[Expression(r#""".join(sorted({x}))"#)],
        near: &["unique_letters"],
        apply: Apply::TextToText(|s, _| {
            let mut letters: Vec<char> = s.chars().collect();
            letters.sort_unstable();
            Some(letters.into_iter().collect())
        }),
    },
    Operation {
        name: "unique_letters",
        constant: Constant::None,
        verbs: &["keep only the first of equal characters", "drop repeated characters"],
        noun: "the distinct characters of {x}",
        forms: &[
            Expression(r#""".join(dict.fromkeys({x}))"#),
            Lines("{y} = \"\"\nfor c in {x}:\n    if c not in {y}:\n        {y} += c"),
        ],
        near: &["sort_letters"],
        apply: Apply::TextToText(|s, _| {
            let mut kept = String::new();
            for c in s.chars() {
                if !kept.contains(c) {
                    kept.push(c);
                }
            }
            Some(kept)
        }),
    },
    Operation {
        name: "text_length",
        constant: Constant::None,
        verbs: &["count its characters", "find how long it is", "take the length of the string"],
        noun: "the length of {x}",
        forms: &[Expression("len({x})")],
        near: &["count_words", "count_vowels"],
        apply: Apply::TextToInt(|s, _| i64::try_from(s.len()).ok()),
    },
    Operation {
        name: "count_letter",
        constant: Constant::Letter,
        verbs: &["count the letter {k} in it", "find how often {k} occurs in it"],
        noun: "the number of letters {k} in {x}",
        forms: &[
            Expression(r#"{x}.count("{k}")"#),
            Expression(r#"sum(1 for c in {x} if c == "{k}")"#),
            Lines("{y} = 0\nfor c in {x}:\n    if c == \"{k}\":\n        {y} += 1"),
        ],
        near: &["count_vowels", "text_length"],
        apply: Apply::TextToInt(|s, k| i64::try_from(s.matches(letter(k)?).count()).ok()),
    },
    Operation {
        name: "count_vowels",
        constant: Constant::None,
        verbs: &["count its vowels", "find how many vowels it has"],
        noun: "the number of vowels of {x}",
        forms: &[
            Expression(r#"sum(1 for c in {x} if c in "aeiouAEIOU")"#),
            Expression(r#"len([c for c in {x} if c in "aeiouAEIOU"])"#),
            Lines("{y} = 0\nfor c in {x}:\n    if c in \"aeiouAEIOU\":\n        {y} += 1"),
        ],
        near: &["text_length", "count_capitals"],
        apply: Apply::TextToInt(|s, _| {
            i64::try_from(s.chars().filter(|c| is_vowel(*c)).count()).ok()
        }),
    },
    Operation {
        name: "count_capitals",
        constant: Constant::None,
        verbs: &["count its capital letters", "find how many letters are upper case"],
        noun: "the number of capital letters of {x}",
        forms: &[
            Expression("sum(1 for c in {x} if c.isupper())"),
            Expression("len([c for c in {x} if c.isupper()])"),
            Lines("{y} = 0\nfor c in {x}:\n    if c.isupper():\n        {y} += 1"),
        ],
        near: &["count_vowels"],
        apply: Apply::TextToInt(|s, _| {
            i64::try_from(s.chars().filter(char::is_ascii_uppercase).count()).ok()
        }),
    },
    Operation {
        name: "count_words",
        constant: Constant::None,
        verbs: &["count its words", "find how many words it has"],
        noun: "the number of words of {x}",
        forms: &[Expression("len({x}.split())")],
        near: &["text_length"],
        apply: Apply::TextToInt(|s, _| i64::try_from(s.split_whitespace().count()).ok()),
    },
    Operation {
        name: "count_different",
        constant: Constant::None,
        verbs: &["count its different characters", "find how many distinct characters it has"],
        noun: "the number of distinct characters of {x}",
        forms: &[Expression("len(set({x}))")],
        near: &["text_length"],
        apply: Apply::TextToInt(|s, _| {
            i64::try_from(s.chars().collect::<BTreeSet<_>>().len()).ok()
        }),
    },
    Operation {
        name: "split_words",
        constant: Constant::None,
        verbs: &["split it into words", "list its words"],
        noun: "the words of {x}",
        forms: &[Expression("{x}.split()")],
        near: &["list_letters"],
        apply: Apply::TextToWords(|s, _| Some(s.split_whitespace().map(str::to_owned).collect())),
    },
    Operation {
        name: "list_letters",
        constant: Constant::None,
        verbs: &["list its characters", "split it into single characters"],
        noun: "the characters of {x}",
        forms: &[Expression("list({x})"), Expression("[c for c in {x}]")],
        near: &["split_words"],
        apply: Apply::TextToWords(|s, _| Some(s.chars().map(String::from).collect())),
    },
    Operation {
        name: "letter_counts",
        constant: Constant::None,
        verbs: &["count how often each character occurs", "map each character to its count"],
        noun: "the character counts of {x}",
        forms: &[
            Expression("{c: {x}.count(c) for c in {x}}"),
            Lines("{y} = {}\nfor c in {x}:\n    {y}[c] = {y}.get(c, 0) + 1"),
        ],
        near: &["word_lengths_of"],
        apply: Apply::TextToDict(|s, _| Some(counts(s.chars().map(String::from)))),
    },
    Operation {
        name: "word_lengths_of",
        constant: Constant::None,
        verbs: &[
            "map each of its words to the length",
            "make a dict from its words to their lengths",
        ],
        noun: "the word lengths of {x}",
        forms: &[
            Expression("{w: len(w) for w in {x}.split()}"),
            Lines("{y} = {}\nfor w in {x}.split():\n    {y}[w] = len(w)"),
        ],
        near: &["letter_counts"],
        apply: Apply::TextToDict(|s, _| Some(lengths(s.split_whitespace()))),
    },
];
