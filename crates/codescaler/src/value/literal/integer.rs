//! Integers of any length between bases. Schoolbook methods: the longest integers of public test
//! data have some ten thousand digits.

use std::fmt::Write as _;

/// Limbs of 32 bits, the lowest first, without zeros on top.
fn limbs(digits: &str, radix: u32) -> Vec<u32> {
    let mut limbs: Vec<u32> = Vec::new();
    for digit in digits.chars() {
        let digit = digit.to_digit(radix).expect("the scanner let digits of this base through");
        let mut carry = u64::from(digit);
        for limb in &mut limbs {
            let wide = u64::from(*limb) * u64::from(radix) + carry;
            *limb = low(wide);
            carry = wide >> 32;
        }
        if carry > 0 {
            limbs.push(low(carry));
        }
    }
    limbs
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
fn low(wide: u64) -> u32 {
    wide as u32
}

/// Decimal digits of an integer in base 2, 8 or 16.
pub(super) fn to_decimal(digits: &str, radix: u32) -> String {
    const CHUNK: u64 = 1_000_000_000;
    let mut limbs = limbs(digits, radix);
    let mut chunks = Vec::new();
    while !limbs.is_empty() {
        let mut rest = 0;
        for limb in limbs.iter_mut().rev() {
            let wide = (rest << 32) | u64::from(*limb);
            *limb = low(wide / CHUNK);
            rest = wide % CHUNK;
        }
        chunks.push(rest);
        while limbs.last() == Some(&0) {
            limbs.pop();
        }
    }
    let mut text = chunks.pop().unwrap_or(0).to_string();
    for chunk in chunks.iter().rev() {
        write!(text, "{chunk:09}").expect("a string takes any text");
    }
    text
}

/// Hexadecimal digits of a decimal integer without sign.
pub(super) fn decimal_to_hex(digits: &str) -> String {
    let limbs = limbs(digits, 10);
    let mut text = format!("{:x}", limbs.last().copied().unwrap_or(0));
    for limb in limbs.iter().rev().skip(1) {
        write!(text, "{limb:08x}").expect("a string takes any text");
    }
    text
}
