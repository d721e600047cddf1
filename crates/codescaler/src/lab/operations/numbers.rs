//! Operations on integers.

use super::parts::{digits, divisors, gcd};
use crate::lab::operation::{
    Apply, Constant,
    Form::{Expression, Helper, Lines},
    Operation,
};

pub(super) const ALL: &[Operation] = &[
    Operation {
        name: "digit_sum",
        constant: Constant::None,
        verbs: &[
            "add up its digits",
            "compute the sum of its digits",
            "sum the digits of the number",
        ],
        noun: "the digit sum of {x}",
        forms: &[
            Expression("sum(int(c) for c in str({x}))"),
            Helper(
                "def digits(n):\n    return n if n < 10 else n % 10 + digits(n // 10)",
                "digits({x})",
            ),
        ],
        near: &["digit_product", "largest_digit"],
        apply: Apply::IntToInt(|n, _| Some(digits(n)?.into_iter().sum())),
    },
    Operation {
        name: "digit_product",
        constant: Constant::None,
        verbs: &["multiply its digits together", "compute the product of its digits"],
        noun: "the product of the digits of {x}",
        forms: &[Lines("{y} = 1\nfor c in str({x}):\n    {y} *= int(c)")],
        near: &["digit_sum"],
        apply: Apply::IntToInt(|n, _| Some(digits(n)?.into_iter().product())),
    },
    Operation {
        name: "digit_count",
        constant: Constant::None,
        verbs: &["count its digits", "find how many digits it has"],
        noun: "the number of digits of {x}",
        forms: &[Expression("len(str({x}))")],
        near: &["digit_sum"],
        apply: Apply::IntToInt(|n, _| i64::try_from(digits(n)?.len()).ok()),
    },
    Operation {
        name: "largest_digit",
        constant: Constant::None,
        verbs: &["find its largest digit", "take the largest of its digits"],
        noun: "the largest digit of {x}",
        forms: &[Expression("max(int(c) for c in str({x}))"), Expression("int(max(str({x})))")],
        near: &["smallest_digit", "digit_sum"],
        apply: Apply::IntToInt(|n, _| digits(n)?.into_iter().max()),
    },
    Operation {
        name: "smallest_digit",
        constant: Constant::None,
        verbs: &["find its smallest digit", "take the smallest of its digits"],
        noun: "the smallest digit of {x}",
        forms: &[Expression("min(int(c) for c in str({x}))"), Expression("int(min(str({x})))")],
        near: &["largest_digit"],
        apply: Apply::IntToInt(|n, _| digits(n)?.into_iter().min()),
    },
    Operation {
        name: "reverse_digits",
        constant: Constant::None,
        verbs: &[
            "reverse its digits",
            "read its digits backwards",
            "write its digits in reverse order",
        ],
        noun: "the reversed digits of {x}",
        forms: &[Expression("int(str({x})[::-1])")],
        near: &["digit_sum"],
        apply: Apply::IntToInt(|n, _| {
            Some(digits(n)?.into_iter().rev().fold(0, |sum, digit| sum * 10 + digit))
        }),
    },
    Operation {
        name: "factorial",
        constant: Constant::None,
        verbs: &[
            "compute its factorial",
            "multiply all numbers from 1 to it",
            "take the factorial of it",
        ],
        noun: "the factorial of {x}",
        forms: &[
            Helper("def fact(n):\n    return 1 if n < 2 else n * fact(n - 1)", "fact({x})"),
            Lines("{y} = 1\nfor i in range(2, {x} + 1):\n    {y} *= i"),
        ],
        near: &["sum_to", "power_of"],
        apply: Apply::IntToInt(|n, _| (0..=12).contains(&n).then(|| (1..=n).product())),
    },
    Operation {
        name: "fibonacci",
        constant: Constant::None,
        verbs: &[
            "compute the Fibonacci number at that place, where 0 and 1 come first",
            "take the Fibonacci number of that index, from 0 and 1 on",
        ],
        noun: "the Fibonacci number of index {x}",
        forms: &[
            Helper("def fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)", "fib({x})"),
            Lines("{y}, b = 0, 1\nfor i in range({x}):\n    {y}, b = b, {y} + b"),
        ],
        near: &["sum_to", "factorial"],
        apply: Apply::IntToInt(|n, _| {
            let fibonacci = || (0..n).fold((0, 1), |(a, b), _| (b, a + b)).0;
            (0..=18).contains(&n).then(fibonacci)
        }),
    },
    Operation {
        name: "sum_to",
        constant: Constant::None,
        verbs: &["add up the numbers from 1 to it", "sum all numbers from 1 up to it"],
        noun: "the sum of the numbers from 1 to {x}",
        forms: &[
            Expression("sum(range({x} + 1))"),
            Helper("def add_up(n):\n    return 0 if n == 0 else n + add_up(n - 1)", "add_up({x})"),
            Lines("{y} = 0\nfor i in range(1, {x} + 1):\n    {y} += i"),
        ],
        near: &["sum_below", "sum_squares"],
        apply: Apply::IntToInt(|n, _| (0..=500).contains(&n).then(|| (1..=n).sum())),
    },
    Operation {
        name: "sum_below",
        constant: Constant::None,
        verbs: &["add up the numbers below it", "sum all numbers from 0 up to but without it"],
        noun: "the sum of the numbers below {x}",
        forms: &[
            Expression("sum(range({x}))"),
            Lines("{y} = 0\nfor i in range({x}):\n    {y} += i"),
        ],
        near: &["sum_to"],
        apply: Apply::IntToInt(|n, _| (0..=500).contains(&n).then(|| (0..n).sum())),
    },
    Operation {
        name: "sum_squares",
        constant: Constant::None,
        verbs: &["add up the squares from 1 to it", "sum the squares of the numbers from 1 to it"],
        noun: "the sum of the squares from 1 to {x}",
        forms: &[
            Expression("sum(i * i for i in range({x} + 1))"),
            Lines("{y} = 0\nfor i in range(1, {x} + 1):\n    {y} += i * i"),
        ],
        near: &["sum_to"],
        apply: Apply::IntToInt(|n, _| (0..=50).contains(&n).then(|| (1..=n).map(|i| i * i).sum())),
    },
    Operation {
        name: "collatz",
        constant: Constant::None,
        verbs: &[
            "count the steps until it is 1 when even numbers are halved and odd ones tripled plus 1",
            "count its Collatz steps down to 1",
        ],
        noun: "the number of Collatz steps to 1 from {x}",
        forms: &[
            Lines(
                "{y} = 0\na = {x}\nwhile a > 1:\n    a = a // 2 if a % 2 == 0 else 3 * a + 1\n    {y} += 1",
            ),
            Helper(
                "def steps(n):\n    if n < 2:\n        return 0\n    return 1 + steps(n // 2 if n % 2 == 0 else 3 * n + 1)",
                "steps({x})",
            ),
        ],
        near: &["halvings"],
        apply: Apply::IntToInt(|n, _| {
            let mut at = (1..=200).contains(&n).then_some(n)?;
            let mut steps = 0;
            while at > 1 {
                at = if at % 2 == 0 { at / 2 } else { 3 * at + 1 };
                steps += 1;
            }
            Some(steps)
        }),
    },
    Operation {
        name: "halvings",
        constant: Constant::None,
        verbs: &[
            "count how often it can be halved, rounding down, until it is 1",
            "count the halvings that it takes to get to 1",
        ],
        noun: "the number of halvings to 1 from {x}",
        forms: &[
            Expression("{x}.bit_length() - 1"),
            Helper("def halve(n):\n    return 0 if n < 2 else 1 + halve(n // 2)", "halve({x})"),
        ],
        near: &["collatz", "digit_count"],
        apply: Apply::IntToInt(|n, _| (n >= 1).then(|| i64::from(n.ilog2()))),
    },
    Operation {
        name: "power_of",
        constant: Constant::Number(2, 3),
        verbs: &["raise {k} to that power", "compute {k} to the power of it"],
        noun: "{k} to the power of {x}",
        forms: &[
            Expression("{k} ** {x}"),
            Helper(
                "def power(b, n):\n    return 1 if n == 0 else b * power(b, n - 1)",
                "power({k}, {x})",
            ),
            Lines("{y} = 1\nfor i in range({x}):\n    {y} *= {k}"),
        ],
        near: &["factorial", "multiply"],
        apply: Apply::IntToInt(|n, k| k.checked_pow(u32::try_from(n).ok()?)),
    },
    Operation {
        name: "gcd_with",
        constant: Constant::Number(6, 24),
        verbs: &[
            "take its greatest common divisor with {k}",
            "find the largest number that divides both it and {k}",
        ],
        noun: "the greatest common divisor of {k} and {x}",
        forms: &[
            Helper("def gcd(a, b):\n    return a if b == 0 else gcd(b, a % b)", "gcd({k}, {x})"),
            Lines("{y}, b = {x}, {k}\nwhile b:\n    {y}, b = b, {y} % b"),
        ],
        near: &["remainder"],
        apply: Apply::IntToInt(|n, k| (n >= 0 && k >= 0).then(|| gcd(n, k))),
    },
    Operation {
        name: "multiply",
        constant: Constant::Number(2, 6),
        verbs: &["multiply it by {k}", "make it {k} times as large"],
        noun: "{k} times {x}",
        forms: &[Expression("{x} * {k}"), Expression("{k} * {x}")],
        near: &["add", "subtract"],
        apply: Apply::IntToInt(|n, k| Some(n * k)),
    },
    Operation {
        name: "add",
        constant: Constant::Number(1, 20),
        verbs: &["add {k} to it", "increase it by {k}"],
        noun: "{k} plus {x}",
        forms: &[Expression("{x} + {k}")],
        near: &["subtract", "multiply"],
        apply: Apply::IntToInt(|n, k| Some(n + k)),
    },
    Operation {
        name: "subtract",
        constant: Constant::Number(1, 20),
        verbs: &["subtract {k} from it", "decrease it by {k}"],
        noun: "{x} minus {k}",
        forms: &[Expression("{x} - {k}")],
        near: &["add", "multiply"],
        apply: Apply::IntToInt(|n, k| Some(n - k)),
    },
    Operation {
        name: "square",
        constant: Constant::None,
        verbs: &["square it", "multiply it by itself"],
        noun: "the square of {x}",
        forms: &[Expression("{x} ** 2")],
        near: &["multiply"],
        apply: Apply::IntToInt(|n, _| Some(n * n)),
    },
    Operation {
        name: "remainder",
        constant: Constant::Number(2, 9),
        verbs: &["take its remainder modulo {k}", "divide it by {k} and keep the remainder"],
        noun: "the remainder modulo {k} of {x}",
        forms: &[Expression("{x} % {k}")],
        near: &["quotient"],
        apply: Apply::IntToInt(|n, k| (k > 0).then(|| n.rem_euclid(k))),
    },
    Operation {
        name: "quotient",
        constant: Constant::Number(2, 9),
        verbs: &["divide it by {k} rounding down", "floor divide it by {k}"],
        noun: "the quotient by {k} of {x}",
        forms: &[Expression("{x} // {k}")],
        near: &["remainder", "multiply"],
        apply: Apply::IntToInt(|n, k| (k > 0).then(|| n.div_euclid(k))),
    },
    Operation {
        name: "count_divisors",
        constant: Constant::None,
        verbs: &["count its divisors", "find how many numbers divide it"],
        noun: "the number of divisors of {x}",
        forms: &[
            Expression("sum(1 for i in range(1, {x} + 1) if {x} % i == 0)"),
            Lines("{y} = 0\nfor i in range(1, {x} + 1):\n    if {x} % i == 0:\n        {y} += 1"),
        ],
        near: &["sum_divisors", "digit_count"],
        apply: Apply::IntToInt(|n, _| i64::try_from(divisors(n)?.len()).ok()),
    },
    Operation {
        name: "sum_divisors",
        constant: Constant::None,
        verbs: &["add up its divisors", "sum all numbers that divide it"],
        noun: "the sum of the divisors of {x}",
        forms: &[
            Expression("sum(i for i in range(1, {x} + 1) if {x} % i == 0)"),
            Lines("{y} = 0\nfor i in range(1, {x} + 1):\n    if {x} % i == 0:\n        {y} += i"),
        ],
        near: &["count_divisors", "sum_to"],
        apply: Apply::IntToInt(|n, _| Some(divisors(n)?.into_iter().sum())),
    },
    Operation {
        name: "digits",
        constant: Constant::None,
        verbs: &["list its digits", "split it into a list of digits"],
        noun: "the digits of {x}",
        forms: &[Expression("[int(c) for c in str({x})]"), Expression("list(map(int, str({x})))")],
        near: &["count_up"],
        apply: Apply::IntToInts(|n, _| digits(n)),
    },
    Operation {
        name: "divisors",
        constant: Constant::None,
        verbs: &["list its divisors", "collect all numbers that divide it"],
        noun: "the divisors of {x}",
        forms: &[
            Expression("[i for i in range(1, {x} + 1) if {x} % i == 0]"),
            Lines(
                "{y} = []\nfor i in range(1, {x} + 1):\n    if {x} % i == 0:\n        {y}.append(i)",
            ),
        ],
        near: &["count_up"],
        apply: Apply::IntToInts(|n, _| divisors(n)),
    },
    Operation {
        name: "count_up",
        constant: Constant::None,
        verbs: &["list the numbers from 1 to it", "count from 1 up to it in a list"],
        noun: "the numbers from 1 to {x}",
        forms: &[Expression("list(range(1, {x} + 1))"), Expression("[i + 1 for i in range({x})]")],
        near: &["list_below", "count_down"],
        apply: Apply::IntToInts(|n, _| (0..=20).contains(&n).then(|| (1..=n).collect())),
    },
    Operation {
        name: "list_below",
        constant: Constant::None,
        verbs: &[
            "list the numbers from 0 up to but without it",
            "make a list of all numbers below it from 0 on",
        ],
        noun: "the numbers from 0 below {x}",
        forms: &[Expression("list(range({x}))"), Expression("[i for i in range({x})]")],
        near: &["count_up"],
        apply: Apply::IntToInts(|n, _| (0..=20).contains(&n).then(|| (0..n).collect())),
    },
    Operation {
        name: "count_down",
        constant: Constant::None,
        verbs: &["list the numbers from it down to 1", "count down from it to 1 in a list"],
        noun: "the numbers down to 1 from {x}",
        forms: &[
            Expression("list(range({x}, 0, -1))"),
            Helper("def down(n):\n    return [] if n < 1 else [n] + down(n - 1)", "down({x})"),
        ],
        near: &["count_up"],
        apply: Apply::IntToInts(|n, _| (0..=20).contains(&n).then(|| (1..=n).rev().collect())),
    },
];
