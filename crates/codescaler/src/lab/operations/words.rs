//! Operations on lists of strings.

use std::collections::BTreeSet;

use super::parts::{capitalize, counts, is_vowel, lengths, letter};
use crate::lab::operation::{
    Apply, Constant,
    Form::{Expression, Lines},
    Operation,
};

pub(super) const ALL: &[Operation] = &[
    Operation {
        name: "sort_words",
        constant: Constant::None,
        verbs: &["sort the words", "put the words in alphabetical order"],
        noun: "the sorted words of {x}",
        forms: &[Expression("sorted({x})")],
        near: &["sort_by_length", "sort_words_down"],
        apply: Apply::WordsToWords(|mut words, _| {
            words.sort();
            Some(words)
        }),
    },
    Operation {
        name: "sort_words_down",
        constant: Constant::None,
        verbs: &["sort the words in reverse alphabetical order", "sort the words from z to a"],
        noun: "the words from z to a of {x}",
        forms: &[Expression("sorted({x}, reverse=True)")],
        near: &["sort_words", "reverse_list"],
        apply: Apply::WordsToWords(|mut words, _| {
            words.sort();
            words.reverse();
            Some(words)
        }),
    },
    Operation {
        name: "sort_by_length",
        constant: Constant::None,
        verbs: &["sort the words by length", "order the words from short to long"],
        noun: "the words by length of {x}",
        forms: &[Expression("sorted({x}, key=len)")],
        near: &["sort_words"],
        apply: Apply::WordsToWords(|mut words, _| {
            words.sort_by_key(String::len);
            Some(words)
        }),
    },
    Operation {
        name: "longer_than",
        constant: Constant::Number(2, 4),
        verbs: &["keep the words longer than {k} letters", "drop words of up to {k} letters"],
        noun: "the words longer than {k} letters of {x}",
        forms: &[
            Expression("[w for w in {x} if len(w) > {k}]"),
            Lines("{y} = []\nfor w in {x}:\n    if len(w) > {k}:\n        {y}.append(w)"),
        ],
        near: &["shorter_than"],
        apply: Apply::WordsToWords(|words, k| {
            Some(words.into_iter().filter(|w| w.len() as i64 > k).collect())
        }),
    },
    Operation {
        name: "shorter_than",
        constant: Constant::Number(3, 5),
        verbs: &[
            "keep the words shorter than {k} letters",
            "keep words with fewer than {k} letters",
        ],
        noun: "the words shorter than {k} letters of {x}",
        forms: &[
            Expression("[w for w in {x} if len(w) < {k}]"),
            Lines("{y} = []\nfor w in {x}:\n    if len(w) < {k}:\n        {y}.append(w)"),
        ],
        near: &["longer_than"],
        apply: Apply::WordsToWords(|words, k| {
            Some(words.into_iter().filter(|w| (w.len() as i64) < k).collect())
        }),
    },
    Operation {
        name: "with_letter",
        constant: Constant::Letter,
        verbs: &["keep the words that contain {k}", "keep only words with the letter {k}"],
        noun: "the words with {k} of {x}",
        forms: &[
            Expression(r#"[w for w in {x} if "{k}" in w]"#),
            Lines("{y} = []\nfor w in {x}:\n    if \"{k}\" in w:\n        {y}.append(w)"),
        ],
        near: &["without_letter"],
        apply: Apply::WordsToWords(|words, k| {
            let letter = letter(k)?;
            Some(words.into_iter().filter(|w| w.contains(letter)).collect())
        }),
    },
    Operation {
        name: "without_letter",
        constant: Constant::Letter,
        verbs: &["drop the words that contain {k}", "keep only words without the letter {k}"],
        noun: "the words without {k} of {x}",
        forms: &[
            Expression(r#"[w for w in {x} if "{k}" not in w]"#),
            Lines("{y} = []\nfor w in {x}:\n    if \"{k}\" not in w:\n        {y}.append(w)"),
        ],
        near: &["with_letter"],
        apply: Apply::WordsToWords(|words, k| {
            let letter = letter(k)?;
            Some(words.into_iter().filter(|w| !w.contains(letter)).collect())
        }),
    },
    Operation {
        name: "reverse_list",
        constant: Constant::None,
        verbs: &["reverse the list of words", "put the words in reverse order"],
        noun: "the reversed list of {x}",
        forms: &[Expression("{x}[::-1]"), Expression("list(reversed({x}))")],
        near: &["sort_words_down", "reverse_each"],
        apply: Apply::WordsToWords(|mut words, _| {
            words.reverse();
            Some(words)
        }),
    },
    Operation {
        name: "reverse_each",
        constant: Constant::None,
        verbs: &["reverse each word", "write every word backwards"],
        noun: "the reversed words of {x}",
        forms: &[
            Expression("[w[::-1] for w in {x}]"),
            Lines("{y} = []\nfor w in {x}:\n    {y}.append(w[::-1])"),
        ],
        near: &["reverse_list"],
        apply: Apply::WordsToWords(|words, _| {
            Some(words.iter().map(|w| w.chars().rev().collect()).collect())
        }),
    },
    Operation {
        name: "upper_each",
        constant: Constant::None,
        verbs: &["write each word in capital letters", "turn every word into upper case"],
        noun: "the upper case words of {x}",
        forms: &[
            Expression("[w.upper() for w in {x}]"),
            Lines("{y} = []\nfor w in {x}:\n    {y}.append(w.upper())"),
        ],
        near: &["capitalize_each"],
        apply: Apply::WordsToWords(|words, _| {
            Some(words.iter().map(|w| w.to_ascii_uppercase()).collect())
        }),
    },
    Operation {
        name: "capitalize_each",
        constant: Constant::None,
        verbs: &["make the first letter of each word capital", "capitalize every word in the list"],
        noun: "the capitalized words of {x}",
        forms: &[
            Expression("[w.capitalize() for w in {x}]"),
            Lines("{y} = []\nfor w in {x}:\n    {y}.append(w.capitalize())"),
        ],
        near: &["upper_each"],
        apply: Apply::WordsToWords(|words, _| Some(words.iter().map(|w| capitalize(w)).collect())),
    },
    Operation {
        name: "unique_words",
        constant: Constant::None,
        verbs: &["drop repeated words", "keep only the first of equal words"],
        noun: "the distinct words of {x}",
        forms: &[
            Expression("list(dict.fromkeys({x}))"),
            Lines("{y} = []\nfor w in {x}:\n    if w not in {y}:\n        {y}.append(w)"),
        ],
        near: &["sort_words"],
        apply: Apply::WordsToWords(|words, _| {
            let mut kept = Vec::new();
            for word in words {
                if !kept.contains(&word) {
                    kept.push(word);
                }
            }
            Some(kept)
        }),
    },
    Operation {
        name: "first_words",
        constant: Constant::Number(2, 3),
        verbs: &["take the first {k} words", "keep the first {k} words"],
        noun: "the first {k} words of {x}",
        forms: &[Expression("{x}[:{k}]")],
        near: &["drop_words"],
        apply: Apply::WordsToWords(|words, k| {
            Some(words.into_iter().take(usize::try_from(k).ok()?).collect())
        }),
    },
    Operation {
        name: "drop_words",
        constant: Constant::Number(1, 2),
        verbs: &["drop the first {k} words", "skip {k} words at the front"],
        noun: "all but the first {k} words of {x}",
        forms: &[Expression("{x}[{k}:]")],
        near: &["first_words"],
        apply: Apply::WordsToWords(|words, k| {
            Some(words.into_iter().skip(usize::try_from(k).ok()?).collect())
        }),
    },
    Operation {
        name: "number_of_words",
        constant: Constant::None,
        verbs: &["count the words", "find how many words there are"],
        noun: "the number of words of {x}",
        forms: &[Expression("len({x})")],
        near: &["total_length", "distinct_words"],
        apply: Apply::WordsToInt(|words, _| i64::try_from(words.len()).ok()),
    },
    Operation {
        name: "total_length",
        constant: Constant::None,
        verbs: &["add up the lengths of the words", "count the letters of all words"],
        noun: "the total length of {x}",
        forms: &[
            Expression("sum(len(w) for w in {x})"),
            Expression(r#"len("".join({x}))"#),
            Lines("{y} = 0\nfor w in {x}:\n    {y} += len(w)"),
        ],
        near: &["number_of_words", "longest_length"],
        apply: Apply::WordsToInt(|words, _| {
            i64::try_from(words.iter().map(String::len).sum::<usize>()).ok()
        }),
    },
    Operation {
        name: "longest_length",
        constant: Constant::None,
        verbs: &[
            "find the length of the longest word, or 0 if there is none",
            "take the largest word length, or 0 for an empty list",
        ],
        noun: "the length of the longest word, or 0, of {x}",
        forms: &[
            Expression("max((len(w) for w in {x}), default=0)"),
            Lines("{y} = 0\nfor w in {x}:\n    {y} = max({y}, len(w))"),
        ],
        near: &["total_length"],
        apply: Apply::WordsToInt(|words, _| {
            i64::try_from(words.iter().map(String::len).max().unwrap_or(0)).ok()
        }),
    },
    Operation {
        name: "distinct_words",
        constant: Constant::None,
        verbs: &["count the different words", "find how many distinct words there are"],
        noun: "the number of distinct words of {x}",
        forms: &[Expression("len(set({x}))")],
        near: &["number_of_words"],
        apply: Apply::WordsToInt(|words, _| {
            i64::try_from(words.iter().collect::<BTreeSet<_>>().len()).ok()
        }),
    },
    Operation {
        name: "lengths",
        constant: Constant::None,
        verbs: &["take the length of each word", "replace each word by its length"],
        noun: "the lengths of {x}",
        forms: &[
            Expression("[len(w) for w in {x}]"),
            Expression("list(map(len, {x}))"),
            Lines("{y} = []\nfor w in {x}:\n    {y}.append(len(w))"),
        ],
        near: &["vowels_each"],
        apply: Apply::WordsToInts(|words, _| Some(words.iter().map(|w| w.len() as i64).collect())),
    },
    Operation {
        name: "vowels_each",
        constant: Constant::None,
        verbs: &["count the vowels of each word", "replace each word by its number of vowels"],
        noun: "the vowel counts of {x}",
        forms: &[Expression(r#"[sum(c in "aeiouAEIOU" for c in w) for w in {x}]"#)],
        near: &["lengths"],
        apply: Apply::WordsToInts(|words, _| {
            let count = |w: &String| w.chars().filter(|c| is_vowel(*c)).count() as i64;
            Some(words.iter().map(count).collect())
        }),
    },
    Operation {
        name: "join_words",
        constant: Constant::None,
        verbs: &["join the words with spaces", "write the words as one string with spaces"],
        noun: "the words with spaces between of {x}",
        forms: &[Expression(r#"" ".join({x})"#)],
        near: &["join_dashes", "glue"],
        apply: Apply::WordsToText(|words, _| Some(words.join(" "))),
    },
    Operation {
        name: "join_dashes",
        constant: Constant::None,
        verbs: &["join the words with dashes", "write the words as one string with dashes"],
        noun: "the words with dashes between of {x}",
        forms: &[Expression(r#""-".join({x})"#)],
        near: &["join_words", "glue"],
        apply: Apply::WordsToText(|words, _| Some(words.join("-"))),
    },
    Operation {
        name: "glue",
        constant: Constant::None,
        verbs: &["join the words without spaces", "glue the words together"],
        noun: "the words glued together of {x}",
        forms: &[Expression(r#""".join({x})"#), Lines("{y} = \"\"\nfor w in {x}:\n    {y} += w")],
        near: &["join_words"],
        apply: Apply::WordsToText(|words, _| Some(words.concat())),
    },
    Operation {
        name: "first_letters",
        constant: Constant::None,
        verbs: &[
            "join the first letters of the words",
            "make a string of the first letter of each word",
        ],
        noun: "the first letters of {x}",
        forms: &[
            Expression(r#""".join(w[0] for w in {x})"#),
            Lines("{y} = \"\"\nfor w in {x}:\n    {y} += w[0]"),
        ],
        near: &["glue"],
        apply: Apply::WordsToText(|words, _| words.iter().map(|w| w.chars().next()).collect()),
    },
    Operation {
        name: "longest_word",
        constant: Constant::None,
        verbs: &[
            "find the first of the longest words, or an empty string",
            "take the longest word, the first one among equals, or an empty string",
        ],
        noun: "the longest word, or an empty string, of {x}",
        forms: &[Expression(r#"max({x}, key=len, default="")"#)],
        near: &["smallest_word"],
        apply: Apply::WordsToText(|words, _| {
            Some(words.into_iter().rev().max_by_key(String::len).unwrap_or_default())
        }),
    },
    Operation {
        name: "smallest_word",
        constant: Constant::None,
        verbs: &[
            "find the word that comes first in the alphabet, or an empty string",
            "take the first word in alphabetical order, or an empty string",
        ],
        noun: "the alphabetically first word, or an empty string, of {x}",
        forms: &[Expression(r#"min({x}, default="")"#)],
        near: &["longest_word"],
        apply: Apply::WordsToText(|words, _| Some(words.into_iter().min().unwrap_or_default())),
    },
    Operation {
        name: "word_counts",
        constant: Constant::None,
        verbs: &["count how often each word occurs", "map each word to its count"],
        noun: "the word counts of {x}",
        forms: &[
            Expression("{w: {x}.count(w) for w in {x}}"),
            Lines("{y} = {}\nfor w in {x}:\n    {y}[w] = {y}.get(w, 0) + 1"),
        ],
        near: &["word_lengths"],
        apply: Apply::WordsToDict(|words, _| Some(counts(words))),
    },
    Operation {
        name: "word_lengths",
        constant: Constant::None,
        verbs: &["map each word to its length", "make a dict from words to their lengths"],
        noun: "the word lengths of {x}",
        forms: &[
            Expression("{w: len(w) for w in {x}}"),
            Lines("{y} = {}\nfor w in {x}:\n    {y}[w] = len(w)"),
        ],
        near: &["word_counts"],
        apply: Apply::WordsToDict(|words, _| Some(lengths(words.iter().map(String::as_str)))),
    },
];
