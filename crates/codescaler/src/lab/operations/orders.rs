//! Operations that choose items of a list of integers, order or combine them.

use crate::lab::operation::{
    Apply, Constant,
    Form::{Expression, Lines},
    Operation,
};

pub(super) const ALL: &[Operation] = &[
    Operation {
        name: "keep_even",
        constant: Constant::None,
        verbs: &[
            "keep only the even numbers",
            "drop the odd numbers",
            "filter out every odd number",
        ],
        noun: "the even numbers of {x}",
        forms: &[
            Expression("[x for x in {x} if x % 2 == 0]"),
            Lines("{y} = []\nfor x in {x}:\n    if x % 2 == 0:\n        {y}.append(x)"),
        ],
        near: &["keep_odd"],
        apply: Apply::IntsToInts(|xs, _| Some(xs.into_iter().filter(|x| x % 2 == 0).collect())),
    },
    Operation {
        name: "keep_odd",
        constant: Constant::None,
        verbs: &[
            "keep only the odd numbers",
            "drop the even numbers",
            "filter out every even number",
        ],
        noun: "the odd numbers of {x}",
        forms: &[
            Expression("[x for x in {x} if x % 2 == 1]"),
            Lines("{y} = []\nfor x in {x}:\n    if x % 2 == 1:\n        {y}.append(x)"),
        ],
        near: &["keep_even"],
        apply: Apply::IntsToInts(|xs, _| {
            Some(xs.into_iter().filter(|x| x.rem_euclid(2) == 1).collect())
        }),
    },
    Operation {
        name: "keep_larger",
        constant: Constant::Number(-2, 9),
        verbs: &[
            "keep the numbers larger than {k}",
            "drop all numbers up to {k}",
            "keep only what is above {k}",
        ],
        noun: "the numbers above {k} of {x}",
        forms: &[
            Expression("[x for x in {x} if x > {k}]"),
            Lines("{y} = []\nfor x in {x}:\n    if x > {k}:\n        {y}.append(x)"),
        ],
        near: &["keep_at_least", "keep_smaller"],
        apply: Apply::IntsToInts(|xs, k| Some(xs.into_iter().filter(|x| *x > k).collect())),
    },
    Operation {
        name: "keep_at_least",
        constant: Constant::Number(-2, 9),
        verbs: &[
            "keep the numbers that are at least {k}",
            "drop the numbers below {k}",
            "remove whatever is less than {k}",
        ],
        noun: "the numbers not below {k} of {x}",
        forms: &[
            Expression("[x for x in {x} if x >= {k}]"),
            Lines("{y} = []\nfor x in {x}:\n    if x >= {k}:\n        {y}.append(x)"),
        ],
        near: &["keep_larger", "keep_smaller"],
        apply: Apply::IntsToInts(|xs, k| Some(xs.into_iter().filter(|x| *x >= k).collect())),
    },
    Operation {
        name: "keep_smaller",
        constant: Constant::Number(0, 12),
        verbs: &[
            "keep the numbers smaller than {k}",
            "keep only what is below {k}",
            "drop the numbers that are {k} or more",
        ],
        noun: "the numbers below {k} of {x}",
        forms: &[
            Expression("[x for x in {x} if x < {k}]"),
            Lines("{y} = []\nfor x in {x}:\n    if x < {k}:\n        {y}.append(x)"),
        ],
        near: &["keep_larger", "keep_at_least"],
        apply: Apply::IntsToInts(|xs, k| Some(xs.into_iter().filter(|x| *x < k).collect())),
    },
    Operation {
        name: "keep_multiples",
        constant: Constant::Number(3, 5),
        verbs: &[
            "keep the multiples of {k}",
            "keep only numbers divisible by {k}",
            "drop what {k} does not divide",
        ],
        noun: "the multiples of {k} in {x}",
        forms: &[
            Expression("[x for x in {x} if x % {k} == 0]"),
            Lines("{y} = []\nfor x in {x}:\n    if x % {k} == 0:\n        {y}.append(x)"),
        ],
        near: &["drop_multiples"],
        apply: Apply::IntsToInts(|xs, k| Some(xs.into_iter().filter(|x| x % k == 0).collect())),
    },
    Operation {
        name: "drop_multiples",
        constant: Constant::Number(3, 5),
        verbs: &[
            "drop the multiples of {k}",
            "remove numbers divisible by {k}",
            "keep what {k} does not divide",
        ],
        noun: "the numbers of {x} without multiples of {k}",
        forms: &[
            Expression("[x for x in {x} if x % {k} != 0]"),
            Lines("{y} = []\nfor x in {x}:\n    if x % {k} != 0:\n        {y}.append(x)"),
        ],
        near: &["keep_multiples"],
        apply: Apply::IntsToInts(|xs, k| Some(xs.into_iter().filter(|x| x % k != 0).collect())),
    },
    Operation {
        name: "drop_value",
        constant: Constant::Number(0, 5),
        verbs: &[
            "remove every {k}",
            "drop all numbers equal to {k}",
            "delete each {k} from the list",
        ],
        noun: "the numbers other than {k} of {x}",
        forms: &[
            Expression("[x for x in {x} if x != {k}]"),
            Lines("{y} = []\nfor x in {x}:\n    if x != {k}:\n        {y}.append(x)"),
        ],
        near: &["keep_larger", "keep_smaller"],
        apply: Apply::IntsToInts(|xs, k| Some(xs.into_iter().filter(|x| *x != k).collect())),
    },
    Operation {
        name: "sort",
        constant: Constant::None,
        verbs: &[
            "sort the numbers",
            "put them in ascending order",
            "order the numbers from small to large",
        ],
        noun: "the ascending order of {x}",
        forms: &[Expression("sorted({x})")],
        near: &["sort_down"],
        apply: Apply::IntsToInts(|mut xs, _| {
            xs.sort_unstable();
            Some(xs)
        }),
    },
    Operation {
        name: "sort_down",
        constant: Constant::None,
        verbs: &[
            "sort in descending order",
            "sort from large to small",
            "order the numbers with the largest first",
        ],
        noun: "the descending order of {x}",
        forms: &[Expression("sorted({x}, reverse=True)"), Expression("sorted({x})[::-1]")],
        near: &["sort", "reverse"],
        apply: Apply::IntsToInts(|mut xs, _| {
            xs.sort_unstable();
            xs.reverse();
            Some(xs)
        }),
    },
    Operation {
        name: "reverse",
        constant: Constant::None,
        verbs: &["reverse the list", "turn the list around", "put the numbers in reverse order"],
        noun: "the reverse of {x}",
        forms: &[
            Expression("{x}[::-1]"),
            Expression("list(reversed({x}))"),
            Lines("{y} = []\nfor x in {x}:\n    {y} = [x] + {y}"),
        ],
        near: &["sort", "sort_down"],
        apply: Apply::IntsToInts(|mut xs, _| {
            xs.reverse();
            Some(xs)
        }),
    },
    Operation {
        name: "first",
        constant: Constant::Number(2, 4),
        verbs: &[
            "take the first {k} numbers",
            "keep the first {k} items",
            "cut the list after {k} items",
        ],
        noun: "the first {k} items of {x}",
        forms: &[Expression("{x}[:{k}]")],
        near: &["drop_first", "last"],
        apply: Apply::IntsToInts(|xs, k| {
            Some(xs.into_iter().take(usize::try_from(k).ok()?).collect())
        }),
    },
    Operation {
        name: "last",
        constant: Constant::Number(2, 4),
        verbs: &[
            "take the last {k} numbers",
            "keep the last {k} items",
            "keep only the final {k} items",
        ],
        noun: "the last {k} items of {x}",
        forms: &[Expression("{x}[-{k}:]")],
        near: &["first", "drop_first"],
        apply: Apply::IntsToInts(|mut xs, k| {
            Some(xs.split_off(xs.len().saturating_sub(usize::try_from(k).ok()?)))
        }),
    },
    Operation {
        name: "drop_first",
        constant: Constant::Number(1, 3),
        verbs: &[
            "drop the first {k} items",
            "skip the first {k} numbers",
            "remove {k} items from the front",
        ],
        noun: "all but the first {k} items of {x}",
        forms: &[Expression("{x}[{k}:]")],
        near: &["first", "last"],
        apply: Apply::IntsToInts(|xs, k| {
            Some(xs.into_iter().skip(usize::try_from(k).ok()?).collect())
        }),
    },
    Operation {
        name: "every_second",
        constant: Constant::None,
        verbs: &[
            "take every second item starting with the first",
            "keep the items at even positions",
            "keep positions 0, 2, 4 and so on",
        ],
        noun: "the items at even positions of {x}",
        forms: &[
            Expression("{x}[::2]"),
            Expression("[x for i, x in enumerate({x}) if i % 2 == 0]"),
        ],
        near: &["odd_positions"],
        apply: Apply::IntsToInts(|xs, _| Some(xs.into_iter().step_by(2).collect())),
    },
    Operation {
        name: "odd_positions",
        constant: Constant::None,
        verbs: &[
            "take every second item starting with the second",
            "keep the items at odd positions",
            "keep positions 1, 3, 5 and so on",
        ],
        noun: "the items at odd positions of {x}",
        forms: &[
            Expression("{x}[1::2]"),
            Expression("[x for i, x in enumerate({x}) if i % 2 == 1]"),
        ],
        near: &["every_second"],
        apply: Apply::IntsToInts(|xs, _| Some(xs.into_iter().skip(1).step_by(2).collect())),
    },
    Operation {
        name: "unique",
        constant: Constant::None,
        verbs: &[
            "drop duplicates but keep the order",
            "keep only the first of equal numbers",
            "remove repeated numbers",
        ],
        noun: "the distinct numbers of {x}",
        forms: &[
            Expression("list(dict.fromkeys({x}))"),
            Lines("{y} = []\nfor x in {x}:\n    if x not in {y}:\n        {y}.append(x)"),
        ],
        near: &["unique_sorted"],
        apply: Apply::IntsToInts(|xs, _| {
            let mut kept = Vec::new();
            for x in xs {
                if !kept.contains(&x) {
                    kept.push(x);
                }
            }
            Some(kept)
        }),
    },
    Operation {
        name: "unique_sorted",
        constant: Constant::None,
        verbs: &[
            "collect the distinct numbers in ascending order",
            "sort and drop duplicates",
            "make a sorted list without repeats",
        ],
        noun: "the sorted distinct numbers of {x}",
        forms: &[Expression("sorted(set({x}))")],
        near: &["unique", "sort"],
        apply: Apply::IntsToInts(|mut xs, _| {
            xs.sort_unstable();
            xs.dedup();
            Some(xs)
        }),
    },
    Operation {
        name: "running_sums",
        constant: Constant::None,
        verbs: &[
            "compute the running sums",
            "replace each number by the sum up to it",
            "build the list of partial sums",
        ],
        noun: "the running sums of {x}",
        forms: &[
            Expression("[sum({x}[:i + 1]) for i in range(len({x}))]"),
            Lines("{y} = []\ntotal = 0\nfor x in {x}:\n    total += x\n    {y}.append(total)"),
        ],
        near: &["differences", "running_maxima"],
        apply: Apply::IntsToInts(|xs, _| {
            Some((0..xs.len()).map(|i| xs[..=i].iter().sum()).collect())
        }),
    },
    Operation {
        name: "running_maxima",
        constant: Constant::None,
        verbs: &[
            "compute the running maximum",
            "replace each number by the largest so far",
            "build the list of maxima so far",
        ],
        noun: "the running maxima of {x}",
        forms: &[Expression("[max({x}[:i + 1]) for i in range(len({x}))]")],
        near: &["running_sums"],
        apply: Apply::IntsToInts(|xs, _| {
            Some((0..xs.len()).filter_map(|i| xs[..=i].iter().copied().max()).collect())
        }),
    },
    Operation {
        name: "differences",
        constant: Constant::None,
        verbs: &[
            "take the differences of neighbours",
            "subtract each number from the next",
            "compute how much each next number is larger",
        ],
        noun: "the differences of neighbours of {x}",
        forms: &[
            Expression("[b - a for a, b in zip({x}, {x}[1:])]"),
            Expression("[{x}[i + 1] - {x}[i] for i in range(len({x}) - 1)]"),
        ],
        near: &["neighbour_sums"],
        apply: Apply::IntsToInts(|xs, _| {
            Some(xs.windows(2).map(|pair| pair[1] - pair[0]).collect())
        }),
    },
    Operation {
        name: "neighbour_sums",
        constant: Constant::None,
        verbs: &[
            "add each number to the next",
            "take the sums of neighbours",
            "compute the sum of each adjacent pair",
        ],
        noun: "the sums of neighbours of {x}",
        forms: &[
            Expression("[a + b for a, b in zip({x}, {x}[1:])]"),
            Expression("[{x}[i] + {x}[i + 1] for i in range(len({x}) - 1)]"),
        ],
        near: &["differences"],
        apply: Apply::IntsToInts(|xs, _| {
            Some(xs.windows(2).map(|pair| pair[0] + pair[1]).collect())
        }),
    },
];
