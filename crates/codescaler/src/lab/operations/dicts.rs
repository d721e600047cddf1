//! Operations on dictionaries, and parsing.

use super::parts::{pairs, set};
use crate::lab::operation::{
    Apply, Constant,
    Form::{Expression, Lines},
    Operation,
};

pub(super) const ALL: &[Operation] = &[
    Operation {
        name: "values_above",
        constant: Constant::Number(0, 6),
        verbs: &[
            "keep the entries with values above {k}",
            "drop entries whose value is {k} or less",
        ],
        noun: "the entries with values above {k} of {x}",
        forms: &[
            Expression("{k: v for k, v in {x}.items() if v > {k}}"),
            Lines("{y} = {}\nfor k, v in {x}.items():\n    if v > {k}:\n        {y}[k] = v"),
        ],
        near: &["values_below"],
        apply: Apply::DictToDict(|d, k| Some(d.into_iter().filter(|(_, v)| *v > k).collect())),
    },
    Operation {
        name: "values_below",
        constant: Constant::Number(2, 8),
        verbs: &[
            "keep the entries with values below {k}",
            "drop entries whose value is {k} or more",
        ],
        noun: "the entries with values below {k} of {x}",
        forms: &[
            Expression("{k: v for k, v in {x}.items() if v < {k}}"),
            Lines("{y} = {}\nfor k, v in {x}.items():\n    if v < {k}:\n        {y}[k] = v"),
        ],
        near: &["values_above"],
        apply: Apply::DictToDict(|d, k| Some(d.into_iter().filter(|(_, v)| *v < k).collect())),
    },
    Operation {
        name: "double_values",
        constant: Constant::None,
        verbs: &["double each value", "make every value twice as large"],
        noun: "the doubled values dict of {x}",
        forms: &[
            Expression("{k: v * 2 for k, v in {x}.items()}"),
            Lines("{y} = {}\nfor k in {x}:\n    {y}[k] = {x}[k] * 2"),
        ],
        near: &["raise_values"],
        apply: Apply::DictToDict(|d, _| Some(d.into_iter().map(|(k, v)| (k, v * 2)).collect())),
    },
    Operation {
        name: "raise_values",
        constant: Constant::Number(1, 5),
        verbs: &["add {k} to each value", "increase every value by {k}"],
        noun: "the dict with {k} added to the values of {x}",
        forms: &[
            Expression("{k: v + {k} for k, v in {x}.items()}"),
            Lines("{y} = {}\nfor k in {x}:\n    {y}[k] = {x}[k] + {k}"),
        ],
        near: &["double_values"],
        apply: Apply::DictToDict(|d, add| Some(d.into_iter().map(|(k, v)| (k, v + add)).collect())),
    },
    Operation {
        name: "upper_keys",
        constant: Constant::None,
        verbs: &["write the keys in capital letters", "turn all keys into upper case"],
        noun: "the dict with upper case keys of {x}",
        forms: &[
            Expression("{k.upper(): v for k, v in {x}.items()}"),
            Lines("{y} = {}\nfor k in {x}:\n    {y}[k.upper()] = {x}[k]"),
        ],
        near: &["double_values"],
        apply: Apply::DictToDict(|d, _| {
            let mut upper = Vec::new();
            for (key, value) in d {
                set(&mut upper, key.to_ascii_uppercase(), value);
            }
            Some(upper)
        }),
    },
    Operation {
        name: "sum_values",
        constant: Constant::None,
        verbs: &["add up the values", "sum all values"],
        noun: "the sum of the values of {x}",
        forms: &[
            Expression("sum({x}.values())"),
            Lines("{y} = 0\nfor k in {x}:\n    {y} += {x}[k]"),
        ],
        near: &["largest_value", "number_of_keys"],
        apply: Apply::DictToInt(|d, _| Some(d.iter().map(|(_, v)| v).sum())),
    },
    Operation {
        name: "largest_value",
        constant: Constant::None,
        verbs: &[
            "find the largest value, or 0 if there is none",
            "take the largest of the values, or 0 for an empty dict",
        ],
        noun: "the largest value, or 0, of {x}",
        forms: &[Expression("max({x}.values(), default=0)")],
        near: &["sum_values", "smallest_value"],
        apply: Apply::DictToInt(|d, _| Some(d.iter().map(|(_, v)| *v).max().unwrap_or(0))),
    },
    Operation {
        name: "smallest_value",
        constant: Constant::None,
        verbs: &[
            "find the smallest value, or 0 if there is none",
            "take the smallest of the values, or 0 for an empty dict",
        ],
        noun: "the smallest value, or 0, of {x}",
        forms: &[Expression("min({x}.values(), default=0)")],
        near: &["largest_value"],
        apply: Apply::DictToInt(|d, _| Some(d.iter().map(|(_, v)| *v).min().unwrap_or(0))),
    },
    Operation {
        name: "number_of_keys",
        constant: Constant::None,
        verbs: &["count the entries", "find how many keys there are"],
        noun: "the number of entries of {x}",
        forms: &[Expression("len({x})")],
        near: &["sum_values"],
        apply: Apply::DictToInt(|d, _| i64::try_from(d.len()).ok()),
    },
    Operation {
        name: "values",
        constant: Constant::None,
        verbs: &["list the values", "take the values in their order"],
        noun: "the values of {x}",
        forms: &[Expression("list({x}.values())"), Expression("[{x}[k] for k in {x}]")],
        near: &["sorted_values"],
        apply: Apply::DictToInts(|d, _| Some(d.into_iter().map(|(_, v)| v).collect())),
    },
    Operation {
        name: "sorted_values",
        constant: Constant::None,
        verbs: &["list the values in ascending order", "take the sorted values"],
        noun: "the sorted values of {x}",
        forms: &[Expression("sorted({x}.values())")],
        near: &["values"],
        apply: Apply::DictToInts(|d, _| {
            let mut values: Vec<i64> = d.into_iter().map(|(_, v)| v).collect();
            values.sort_unstable();
            Some(values)
        }),
    },
    Operation {
        name: "sorted_keys",
        constant: Constant::None,
        verbs: &["list the keys in alphabetical order", "take the sorted keys"],
        noun: "the sorted keys of {x}",
        forms: &[Expression("sorted({x})"), Expression("sorted({x}.keys())")],
        near: &["keys", "best_keys"],
        apply: Apply::DictToWords(|d, _| {
            let mut keys: Vec<String> = d.into_iter().map(|(k, _)| k).collect();
            keys.sort();
            Some(keys)
        }),
    },
    Operation {
        name: "keys",
        constant: Constant::None,
        verbs: &["list the keys", "take the keys in their order"],
        noun: "the keys of {x}",
        forms: &[Expression("list({x})"), Expression("list({x}.keys())")],
        near: &["sorted_keys"],
        apply: Apply::DictToWords(|d, _| Some(d.into_iter().map(|(k, _)| k).collect())),
    },
    Operation {
        name: "keys_by_value",
        constant: Constant::None,
        verbs: &[
            "list the keys from the smallest value to the largest",
            "sort the keys by their values",
        ],
        noun: "the keys by value of {x}",
        forms: &[
            Expression("sorted({x}, key=lambda k: {x}[k])"),
            Expression("sorted({x}, key={x}.get)"),
        ],
        near: &["sorted_keys"],
        apply: Apply::DictToWords(|mut d, _| {
            d.sort_by_key(|(_, v)| *v);
            Some(d.into_iter().map(|(k, _)| k).collect())
        }),
    },
    Operation {
        name: "best_keys",
        constant: Constant::None,
        verbs: &[
            "list the keys with the largest value",
            "find all keys whose value is the largest",
        ],
        noun: "the keys with the largest value of {x}",
        forms: &[Expression("[k for k in {x} if {x}[k] == max({x}.values())]")],
        near: &["keys", "sorted_keys"],
        apply: Apply::DictToWords(|d, _| {
            let largest = d.iter().map(|(_, v)| *v).max();
            Some(d.into_iter().filter(|(_, v)| Some(*v) == largest).map(|(k, _)| k).collect())
        }),
    },
    Operation {
        name: "parse_numbers",
        constant: Constant::None,
        verbs: &["read the numbers between the commas", "split it at the commas into integers"],
        noun: "the numbers in {x}",
        forms: &[
            Expression(r#"[int(p) for p in {x}.split(",")]"#),
            Expression(r#"list(map(int, {x}.split(",")))"#),
            Lines("{y} = []\nfor p in {x}.split(\",\"):\n    {y}.append(int(p))"),
        ],
        near: &["parse_fields"],
        apply: Apply::CsvToInts(|s, _| s.split(',').map(|field| field.parse().ok()).collect()),
    },
    Operation {
        name: "parse_fields",
        constant: Constant::None,
        verbs: &[
            "split it at the commas into a list of strings",
            "list the texts between the commas",
        ],
        noun: "the texts between commas of {x}",
        forms: &[Expression(r#"{x}.split(",")"#)],
        near: &["parse_numbers", "count_fields"],
        apply: Apply::CsvToWords(|s, _| Some(s.split(',').map(str::to_owned).collect())),
    },
    Operation {
        name: "count_fields",
        constant: Constant::None,
        verbs: &["count the numbers in it", "find how many numbers stand between the commas"],
        noun: "the number of numbers in {x}",
        forms: &[Expression(r#"len({x}.split(","))"#), Expression(r#"{x}.count(",") + 1"#)],
        near: &["sum_fields"],
        apply: Apply::CsvToInt(|s, _| i64::try_from(s.split(',').count()).ok()),
    },
    Operation {
        name: "sum_fields",
        constant: Constant::None,
        verbs: &["add up the numbers in it", "sum the numbers between the commas"],
        noun: "the sum of the numbers in {x}",
        forms: &[
            Expression(r#"sum(int(p) for p in {x}.split(","))"#),
            Lines("{y} = 0\nfor p in {x}.split(\",\"):\n    {y} += int(p)"),
        ],
        near: &["count_fields"],
        apply: Apply::CsvToInt(|s, _| s.split(',').map(|field| field.parse::<i64>().ok()).sum()),
    },
    Operation {
        name: "parse_pairs",
        constant: Constant::None,
        verbs: &[
            "read it as a dict of names and integers",
            "parse the pairs into a dict of integers",
        ],
        noun: "the dict in {x}",
        forms: &[
            Expression(r#"{p.split("=")[0]: int(p.split("=")[1]) for p in {x}.split(";")}"#),
            Lines(
                "{y} = {}\nfor p in {x}.split(\";\"):\n    k, v = p.split(\"=\")\n    {y}[k] = int(v)",
            ),
        ],
        near: &["pair_names", "pair_values"],
        apply: Apply::PairsToDict(|s, _| pairs(&s)),
    },
    Operation {
        name: "pair_names",
        constant: Constant::None,
        verbs: &["list the names in it", "list what stands before each equals sign"],
        noun: "the names in {x}",
        forms: &[
            Expression(r#"[p.split("=")[0] for p in {x}.split(";")]"#),
            Lines("{y} = []\nfor p in {x}.split(\";\"):\n    {y}.append(p.split(\"=\")[0])"),
        ],
        near: &["parse_pairs", "pair_values"],
        apply: Apply::PairsToWords(|s, _| Some(pairs(&s)?.into_iter().map(|(k, _)| k).collect())),
    },
    Operation {
        name: "pair_values",
        constant: Constant::None,
        verbs: &["list the integers in it", "list the integer behind each equals sign"],
        noun: "the integers in {x}",
        forms: &[
            Expression(r#"[int(p.split("=")[1]) for p in {x}.split(";")]"#),
            Lines("{y} = []\nfor p in {x}.split(\";\"):\n    {y}.append(int(p.split(\"=\")[1]))"),
        ],
        near: &["parse_pairs", "pair_names"],
        apply: Apply::PairsToInts(|s, _| Some(pairs(&s)?.into_iter().map(|(_, v)| v).collect())),
    },
];
