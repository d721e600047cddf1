//! Operations that end a list of integers: totals, counts and texts.

use crate::lab::operation::{
    Apply, Constant,
    Form::{Expression, Helper, Lines},
    Operation,
};

pub(super) const ALL: &[Operation] = &[
    Operation {
        name: "sum",
        constant: Constant::None,
        verbs: &["add up the numbers", "compute the sum", "sum all numbers"],
        noun: "the sum of {x}",
        forms: &[Expression("sum({x})"), Lines("{y} = 0\nfor x in {x}:\n    {y} += x")],
        near: &["product", "maximum", "count"],
        apply: Apply::IntsToInt(|xs, _| Some(xs.into_iter().sum())),
    },
    Operation {
        name: "product",
        constant: Constant::None,
        verbs: &[
            "multiply all numbers together",
            "compute the product",
            "take the product of all numbers",
        ],
        noun: "the product of {x}",
        forms: &[
            Lines("{y} = 1\nfor x in {x}:\n    {y} *= x"),
            Helper("def prod(xs):\n    return xs[0] * prod(xs[1:]) if xs else 1", "prod({x})"),
        ],
        near: &["sum"],
        apply: Apply::IntsToInt(|xs, _| xs.into_iter().try_fold(1_i64, i64::checked_mul)),
    },
    Operation {
        name: "maximum",
        constant: Constant::None,
        verbs: &[
            "find the largest number, or 0 if there is none",
            "take the maximum, or 0 for an empty list",
        ],
        noun: "the largest number, or 0, of {x}",
        forms: &[Expression("max({x}, default=0)"), Expression("max({x}) if {x} else 0")],
        near: &["minimum", "sum"],
        apply: Apply::IntsToInt(|xs, _| Some(xs.into_iter().max().unwrap_or(0))),
    },
    Operation {
        name: "minimum",
        constant: Constant::None,
        verbs: &[
            "find the smallest number, or 0 if there is none",
            "take the minimum, or 0 for an empty list",
        ],
        noun: "the smallest number, or 0, of {x}",
        forms: &[Expression("min({x}, default=0)"), Expression("min({x}) if {x} else 0")],
        near: &["maximum", "sum"],
        apply: Apply::IntsToInt(|xs, _| Some(xs.into_iter().min().unwrap_or(0))),
    },
    Operation {
        name: "span",
        constant: Constant::None,
        verbs: &[
            "subtract the smallest number from the largest, or take 0 if there is none",
            "compute the largest minus the smallest, or 0 for an empty list",
        ],
        noun: "the largest minus the smallest, or 0, of {x}",
        forms: &[Expression("max({x}) - min({x}) if {x} else 0")],
        near: &["maximum", "minimum"],
        apply: Apply::IntsToInt(|xs, _| {
            Some(xs.iter().max().unwrap_or(&0) - xs.iter().min().unwrap_or(&0))
        }),
    },
    Operation {
        name: "count",
        constant: Constant::None,
        verbs: &[
            "count the numbers",
            "find how many numbers there are",
            "take the length of the list",
        ],
        noun: "the length of {x}",
        forms: &[Expression("len({x})"), Lines("{y} = 0\nfor x in {x}:\n    {y} += 1")],
        near: &["count_distinct", "sum"],
        apply: Apply::IntsToInt(|xs, _| i64::try_from(xs.len()).ok()),
    },
    Operation {
        name: "count_distinct",
        constant: Constant::None,
        verbs: &[
            "count the distinct numbers",
            "find how many different numbers there are",
            "count each number once",
        ],
        noun: "the number of distinct items of {x}",
        forms: &[Expression("len(set({x}))")],
        near: &["count"],
        apply: Apply::IntsToInt(|mut xs, _| {
            xs.sort_unstable();
            xs.dedup();
            i64::try_from(xs.len()).ok()
        }),
    },
    Operation {
        name: "count_even",
        constant: Constant::None,
        verbs: &["count the even numbers", "find how many numbers are even"],
        noun: "the number of even items of {x}",
        forms: &[
            Expression("sum(1 for x in {x} if x % 2 == 0)"),
            Expression("len([x for x in {x} if x % 2 == 0])"),
            Lines("{y} = 0\nfor x in {x}:\n    if x % 2 == 0:\n        {y} += 1"),
        ],
        near: &["count_odd", "count"],
        apply: Apply::IntsToInt(|xs, _| {
            i64::try_from(xs.into_iter().filter(|x| x % 2 == 0).count()).ok()
        }),
    },
    Operation {
        name: "count_odd",
        constant: Constant::None,
        verbs: &["count the odd numbers", "find how many numbers are odd"],
        noun: "the number of odd items of {x}",
        forms: &[
            Expression("sum(1 for x in {x} if x % 2 == 1)"),
            Expression("len([x for x in {x} if x % 2 == 1])"),
            Lines("{y} = 0\nfor x in {x}:\n    if x % 2 == 1:\n        {y} += 1"),
        ],
        near: &["count_even", "count"],
        apply: Apply::IntsToInt(|xs, _| {
            i64::try_from(xs.into_iter().filter(|x| x % 2 != 0).count()).ok()
        }),
    },
    Operation {
        name: "count_positive",
        constant: Constant::None,
        verbs: &[
            "count the numbers above zero",
            "count the positive numbers",
            "find how many numbers are positive",
        ],
        noun: "the number of positive items of {x}",
        forms: &[
            Expression("sum(1 for x in {x} if x > 0)"),
            Expression("len([x for x in {x} if x > 0])"),
            Lines("{y} = 0\nfor x in {x}:\n    if x > 0:\n        {y} += 1"),
        ],
        near: &["count_negative", "count"],
        apply: Apply::IntsToInt(|xs, _| {
            i64::try_from(xs.into_iter().filter(|x| *x > 0).count()).ok()
        }),
    },
    Operation {
        name: "count_negative",
        constant: Constant::None,
        verbs: &[
            "count the numbers below zero",
            "count the negative numbers",
            "find how many numbers are negative",
        ],
        noun: "the number of negative items of {x}",
        forms: &[
            Expression("sum(1 for x in {x} if x < 0)"),
            Expression("len([x for x in {x} if x < 0])"),
            Lines("{y} = 0\nfor x in {x}:\n    if x < 0:\n        {y} += 1"),
        ],
        near: &["count_positive", "count"],
        apply: Apply::IntsToInt(|xs, _| {
            i64::try_from(xs.into_iter().filter(|x| *x < 0).count()).ok()
        }),
    },
    Operation {
        name: "count_value",
        constant: Constant::Number(0, 5),
        verbs: &[
            "count how often {k} occurs",
            "find how many numbers equal {k}",
            "count each {k} in the list",
        ],
        noun: "the number of times {k} is in {x}",
        forms: &[
            Expression("{x}.count({k})"),
            Expression("sum(1 for x in {x} if x == {k})"),
            Expression("len([x for x in {x} if x == {k}])"),
            Lines("{y} = 0\nfor x in {x}:\n    if x == {k}:\n        {y} += 1"),
        ],
        near: &["count_above", "count"],
        apply: Apply::IntsToInt(|xs, k| {
            i64::try_from(xs.into_iter().filter(|x| *x == k).count()).ok()
        }),
    },
    Operation {
        name: "count_above",
        constant: Constant::Number(0, 9),
        verbs: &["count the numbers above {k}", "find how many numbers are larger than {k}"],
        noun: "the number of items above {k} of {x}",
        forms: &[
            Expression("sum(1 for x in {x} if x > {k})"),
            Expression("len([x for x in {x} if x > {k}])"),
            Lines("{y} = 0\nfor x in {x}:\n    if x > {k}:\n        {y} += 1"),
        ],
        near: &["count_value", "count"],
        apply: Apply::IntsToInt(|xs, k| {
            i64::try_from(xs.into_iter().filter(|x| *x > k).count()).ok()
        }),
    },
    Operation {
        name: "count_rises",
        constant: Constant::None,
        verbs: &[
            "count how often a number is larger than the one before",
            "count the rises between neighbours",
            "find how many times the list goes up",
        ],
        noun: "the number of rises in {x}",
        forms: &[
            Expression("sum(1 for a, b in zip({x}, {x}[1:]) if b > a)"),
            Lines(
                "{y} = 0\nfor i in range(1, len({x})):\n    if {x}[i] > {x}[i - 1]:\n        {y} += 1",
            ),
        ],
        near: &["count_falls"],
        apply: Apply::IntsToInt(|xs, _| {
            i64::try_from(xs.windows(2).filter(|pair| pair[1] > pair[0]).count()).ok()
        }),
    },
    Operation {
        name: "count_falls",
        constant: Constant::None,
        verbs: &[
            "count how often a number is smaller than the one before",
            "count the falls between neighbours",
            "find how many times the list goes down",
        ],
        noun: "the number of falls in {x}",
        forms: &[
            Expression("sum(1 for a, b in zip({x}, {x}[1:]) if b < a)"),
            Lines(
                "{y} = 0\nfor i in range(1, len({x})):\n    if {x}[i] < {x}[i - 1]:\n        {y} += 1",
            ),
        ],
        near: &["count_rises"],
        apply: Apply::IntsToInt(|xs, _| {
            i64::try_from(xs.windows(2).filter(|pair| pair[1] < pair[0]).count()).ok()
        }),
    },
    Operation {
        name: "sum_until_negative",
        constant: Constant::None,
        verbs: &[
            "add up the numbers until the first negative one",
            "sum the numbers before the first negative one",
        ],
        noun: "the sum before the first negative number of {x}",
        forms: &[Lines("{y} = 0\nfor x in {x}:\n    if x < 0:\n        break\n    {y} += x")],
        near: &["sum", "sum_positive"],
        apply: Apply::IntsToInt(|xs, _| Some(xs.into_iter().take_while(|x| *x >= 0).sum())),
    },
    Operation {
        name: "sum_positive",
        constant: Constant::None,
        verbs: &["add up the positive numbers", "sum only the numbers above zero"],
        noun: "the sum of the positive numbers of {x}",
        forms: &[
            Expression("sum(x for x in {x} if x > 0)"),
            Lines("{y} = 0\nfor x in {x}:\n    if x > 0:\n        {y} += x"),
        ],
        near: &["sum", "sum_until_negative"],
        apply: Apply::IntsToInt(|xs, _| Some(xs.into_iter().filter(|x| *x > 0).sum())),
    },
    Operation {
        name: "alternating_sum",
        constant: Constant::None,
        verbs: &[
            "add and subtract the numbers in turn",
            "compute the alternating sum that starts with plus",
        ],
        noun: "the alternating sum of {x}",
        forms: &[
            Expression("sum({x}[::2]) - sum({x}[1::2])"),
            Lines("{y} = 0\nsign = 1\nfor x in {x}:\n    {y} += sign * x\n    sign = -sign"),
        ],
        near: &["sum"],
        apply: Apply::IntsToInt(|xs, _| {
            Some(xs.iter().step_by(2).sum::<i64>() - xs.iter().skip(1).step_by(2).sum::<i64>())
        }),
    },
    Operation {
        name: "join_numbers",
        constant: Constant::None,
        verbs: &[
            "join the numbers with dashes",
            "write the numbers as a string with dashes between",
        ],
        noun: "the numbers with dashes between of {x}",
        forms: &[
            Expression(r#""-".join(str(x) for x in {x})"#),
            Expression(r#""-".join(map(str, {x}))"#),
        ],
        near: &["write_numbers"],
        apply: Apply::IntsToText(|xs, _| {
            Some(xs.iter().map(i64::to_string).collect::<Vec<_>>().join("-"))
        }),
    },
    Operation {
        name: "write_numbers",
        constant: Constant::None,
        verbs: &[
            "write the numbers as a string with spaces between",
            "join the numbers with spaces",
        ],
        noun: "the numbers with spaces between of {x}",
        forms: &[
            Expression(r#"" ".join(str(x) for x in {x})"#),
            Expression(r#"" ".join(map(str, {x}))"#),
        ],
        near: &["join_numbers"],
        apply: Apply::IntsToText(|xs, _| {
            Some(xs.iter().map(i64::to_string).collect::<Vec<_>>().join(" "))
        }),
    },
];
