//! Operations that change a list of integers item by item.

use crate::lab::operation::{
    Apply, Constant,
    Form::{Expression, Lines},
    Operation,
};

pub(super) const ALL: &[Operation] = &[
    Operation {
        name: "multiply_each",
        constant: Constant::Number(2, 6),
        verbs: &[
            "multiply each number by {k}",
            "make every number {k} times as large",
            "scale all numbers by {k}",
        ],
        noun: "{k} times each number of {x}",
        forms: &[
            Expression("[x * {k} for x in {x}]"),
            Expression("[{k} * x for x in {x}]"),
            Lines("{y} = []\nfor x in {x}:\n    {y}.append(x * {k})"),
        ],
        near: &["add_each", "subtract_each"],
        apply: Apply::IntsToInts(|xs, k| Some(xs.into_iter().map(|x| x * k).collect())),
    },
    Operation {
        name: "add_each",
        constant: Constant::Number(1, 9),
        verbs: &[
            "add {k} to each number",
            "increase every number by {k}",
            "raise all numbers by {k}",
        ],
        noun: "{k} plus each number of {x}",
        forms: &[
            Expression("[x + {k} for x in {x}]"),
            Lines("{y} = []\nfor x in {x}:\n    {y}.append(x + {k})"),
        ],
        near: &["subtract_each", "multiply_each"],
        apply: Apply::IntsToInts(|xs, k| Some(xs.into_iter().map(|x| x + k).collect())),
    },
    Operation {
        name: "subtract_each",
        constant: Constant::Number(1, 9),
        verbs: &[
            "subtract {k} from each number",
            "decrease every number by {k}",
            "lower all numbers by {k}",
        ],
        noun: "each number lowered by {k} of {x}",
        forms: &[
            Expression("[x - {k} for x in {x}]"),
            Lines("{y} = []\nfor x in {x}:\n    {y}.append(x - {k})"),
        ],
        near: &["add_each", "multiply_each"],
        apply: Apply::IntsToInts(|xs, k| Some(xs.into_iter().map(|x| x - k).collect())),
    },
    Operation {
        name: "square_each",
        constant: Constant::None,
        verbs: &[
            "square each number",
            "replace every number by its square",
            "multiply each number by itself",
        ],
        noun: "the squares of {x}",
        forms: &[
            Expression("[x * x for x in {x}]"),
            Expression("[x ** 2 for x in {x}]"),
            Lines("{y} = []\nfor x in {x}:\n    {y}.append(x * x)"),
        ],
        near: &["double_each", "cube_each"],
        apply: Apply::IntsToInts(|xs, _| Some(xs.into_iter().map(|x| x * x).collect())),
    },
    Operation {
        name: "cube_each",
        constant: Constant::None,
        verbs: &[
            "cube each number",
            "replace every number by its cube",
            "raise each number to the third power",
        ],
        noun: "the cubes of {x}",
        forms: &[Expression("[x ** 3 for x in {x}]"), Expression("[x * x * x for x in {x}]")],
        near: &["square_each"],
        apply: Apply::IntsToInts(|xs, _| Some(xs.into_iter().map(|x| x * x * x).collect())),
    },
    Operation {
        name: "double_each",
        constant: Constant::None,
        verbs: &[
            "double each number",
            "replace every number by its double",
            "make each number twice as large",
        ],
        noun: "the doubles of {x}",
        forms: &[
            Expression("[x * 2 for x in {x}]"),
            Expression("[x + x for x in {x}]"),
            Lines("{y} = []\nfor x in {x}:\n    {y}.append(x * 2)"),
        ],
        near: &["square_each"],
        apply: Apply::IntsToInts(|xs, _| Some(xs.into_iter().map(|x| x * 2).collect())),
    },
    Operation {
        name: "negate_each",
        constant: Constant::None,
        verbs: &["change the sign of each number", "negate every number", "flip all signs"],
        noun: "the negatives of {x}",
        forms: &[
            Expression("[-x for x in {x}]"),
            Lines("{y} = []\nfor x in {x}:\n    {y}.append(-x)"),
        ],
        near: &["absolute_each"],
        apply: Apply::IntsToInts(|xs, _| Some(xs.into_iter().map(|x| -x).collect())),
    },
    Operation {
        name: "absolute_each",
        constant: Constant::None,
        verbs: &[
            "take the absolute value of each number",
            "drop all signs",
            "make every number positive",
        ],
        noun: "the absolute values of {x}",
        forms: &[
            Expression("[abs(x) for x in {x}]"),
            Lines("{y} = []\nfor x in {x}:\n    {y}.append(abs(x))"),
        ],
        near: &["negate_each"],
        apply: Apply::IntsToInts(|xs, _| Some(xs.into_iter().map(|x| x.abs()).collect())),
    },
    Operation {
        name: "remainder_each",
        constant: Constant::Number(2, 5),
        verbs: &[
            "replace each number by its remainder modulo {k}",
            "take every number modulo {k}",
            "divide each number by {k} and keep the remainder",
        ],
        noun: "the remainders modulo {k} of {x}",
        forms: &[
            Expression("[x % {k} for x in {x}]"),
            Lines("{y} = []\nfor x in {x}:\n    {y}.append(x % {k})"),
        ],
        near: &["quotient_each"],
        apply: Apply::IntsToInts(|xs, k| Some(xs.into_iter().map(|x| x.rem_euclid(k)).collect())),
    },
    Operation {
        name: "quotient_each",
        constant: Constant::Number(2, 5),
        verbs: &[
            "divide each number by {k} rounding down",
            "replace every number by its quotient with {k}",
            "floor divide all numbers by {k}",
        ],
        noun: "the quotients by {k} of {x}",
        forms: &[
            Expression("[x // {k} for x in {x}]"),
            Lines("{y} = []\nfor x in {x}:\n    {y}.append(x // {k})"),
        ],
        near: &["remainder_each", "multiply_each"],
        apply: Apply::IntsToInts(|xs, k| Some(xs.into_iter().map(|x| x.div_euclid(k)).collect())),
    },
    Operation {
        name: "cap_each",
        constant: Constant::Number(3, 9),
        verbs: &[
            "cap each number at {k}",
            "replace numbers above {k} by {k}",
            "limit every number to at most {k}",
        ],
        noun: "each number capped at {k} of {x}",
        forms: &[
            Expression("[min(x, {k}) for x in {x}]"),
            Lines("{y} = []\nfor x in {x}:\n    {y}.append(min(x, {k}))"),
        ],
        near: &["floor_each"],
        apply: Apply::IntsToInts(|xs, k| Some(xs.into_iter().map(|x| x.min(k)).collect())),
    },
    Operation {
        name: "floor_each",
        constant: Constant::Number(0, 5),
        verbs: &[
            "raise numbers below {k} to {k}",
            "replace numbers less than {k} by {k}",
            "make every number at least {k}",
        ],
        noun: "each number raised to at least {k} of {x}",
        forms: &[
            Expression("[max(x, {k}) for x in {x}]"),
            Lines("{y} = []\nfor x in {x}:\n    {y}.append(max(x, {k}))"),
        ],
        near: &["cap_each"],
        apply: Apply::IntsToInts(|xs, k| Some(xs.into_iter().map(|x| x.max(k)).collect())),
    },
];
