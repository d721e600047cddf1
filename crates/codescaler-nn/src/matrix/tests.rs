use proptest::prelude::*;

use super::*;

/// Numbers in [-1, 1) that depend on nothing but the seed; every 97th is ten times as large.
fn numbers(seed: u32, n: usize) -> Vec<f32> {
    let mut state = seed | 1;
    let next = |index| {
        state = state.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
        let x = (state >> 8) as f32 / (1 << 23) as f32 - 1.0;
        if index % 97 == 0 { 10.0 * x } else { x }
    };
    (0..n).map(next).collect()
}

fn isas() -> impl Iterator<Item = Isa> {
    [Isa::Portable, Isa::Avx2, Isa::Avx512].into_iter().filter(|isa| isa.is_available())
}

/// The product of all rows of `x`, (M, K), with a matrix of the rows of all parts.
fn product(packed: &Packed, x: &[f32], k: usize, n: usize) -> Vec<f32> {
    let m = x.len() / k;
    let mut input = packed.input(m);
    for (row, x) in x.chunks(k).enumerate() {
        // In two pieces, as heads and panels come.
        input.write(row, 0, &x[..k / 2]);
        input.write(row, k / 2, &x[k / 2..]);
    }
    let mut out = vec![0.0; m * n];
    packed.product(&mut input, m, &mut Tile::new(m, 1), |column, tile| {
        let width = PANEL.min(n - column);
        for (out, tile) in out.chunks_mut(n).zip(tile.chunks(PANEL)) {
            out[column..column + width].copy_from_slice(&tile[..width]);
        }
    });
    out
}

/// The largest error that rounding may cost, for one number of the product.
fn bound(precision: Precision, x: &[f32], w: &[f32]) -> f64 {
    let largest = |x: &[f32]| x.iter().fold(0.0, |largest, x| x.abs().max(largest));
    // Half a step of each factor: relative to it, or to the largest of its group or row.
    let step_w = largest(w) / 127.0 / 2.0;
    let rounding = x.chunks(GROUP).zip(w.chunks(GROUP)).flat_map(|(x, w)| {
        let step_x = largest(x) / 127.0 / 2.0;
        x.iter().zip(w).map(move |(x, w)| match precision {
            Precision::F32 => 0.0,
            Precision::Bf16 => (x * w).abs() / 128.0,
            Precision::Int8 => x.abs() * step_w + w.abs() * step_x + step_w * step_x,
        })
    });
    let sums = x.iter().zip(w).map(|(x, w)| (x * w).abs());
    f64::from(1.001 * rounding.sum::<f32>() + 1e-5 * sums.sum::<f32>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Odd sizes, several groups, weights in either type of the file: all within rounding, and
    /// 8 bits the same with each kernel.
    #[test]
    fn products_are_within_rounding(
        (m, k, n) in (1usize..20, 1usize..1200, 1usize..70),
        (cut, half) in (0usize..70, any::<bool>()),
        seed: u32,
    ) {
        let x = numbers(seed, m * k);
        let mut w = numbers(seed ^ 0x5555, n * k);
        let bytes: Vec<u8> = if half {
            w.iter_mut().for_each(|w| *w = crate::kernel::from_bf16(to_bf16(*w)));
            w.iter().flat_map(|w| to_bf16(*w).to_le_bytes()).collect()
        } else {
            w.iter().flat_map(|w| w.to_le_bytes()).collect()
        };
        let numbers = if half { Numbers::Bf16(&bytes) } else { Numbers::F32(&bytes) };
        let cut = cut.min(n);
        let parts = [
            Part { numbers: numbers.slice(0, cut * k), rows: cut },
            Part { numbers: numbers.slice(cut * k, (n - cut) * k), rows: n - cut },
        ];
        for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
            let all = isas().map(|isa| {
                let packed = Packed::stack((isa, precision), &parts, k);
                (isa, product(&packed, &x, k, n))
            });
            let all: Vec<_> = all.collect();
            for (isa, got) in &all {
                for (index, got) in got.iter().enumerate() {
                    let (x, w) = (&x[index / n * k..][..k], &w[index % n * k..][..k]);
                    let want: f64 = x.iter().zip(w).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum();
                    let error = (f64::from(*got) - want).abs();
                    prop_assert!(error <= bound(precision, x, w), "{isa:?} {precision:?}: {error}");
                }
                if precision == Precision::Int8 {
                    prop_assert_eq!(got, &all[0].1, "{:?}", isa);
                }
            }
        }
    }
}

#[test]
fn int8_rounds_by_the_largest_of_a_group() {
    let table: [(&[f32], &[i8]); 5] = [
        (&[127.0, 0.5, -0.5, 1.5, -1.5, 2.4], &[127, 0, 0, 2, -2, 2]),
        (&[-3.0, 3.0, 1.5], &[-127, 127, 64]),
        (&[0.0, -0.0], &[0, 0]),
        (&[f32::MIN_POSITIVE / 8.0, 0.0], &[0, 0]),
        (&[f32::MAX, f32::MIN], &[127, -127]),
    ];
    for (x, want) in table {
        let scale = int8_scale(x);
        let got: Vec<i8> = x.iter().map(|x| to_int8(*x, inverse(scale))).collect();
        assert_eq!(got, want, "{x:?}");
    }
}

/// What is broken stays visible: no infinity is rounded to a number.
#[test]
fn what_is_not_finite_stays_so() {
    let bytes: Vec<u8> = [1.0f32; 6].iter().flat_map(|w| w.to_le_bytes()).collect();
    let part = Part { numbers: Numbers::F32(&bytes), rows: 2 };
    for isa in isas() {
        let packed = Packed::stack((isa, Precision::Int8), &[part], 3);
        for broken in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let out = product(&packed, &[1.0, broken, 2.0], 3, 2);
            assert!(out.iter().all(|x| !x.is_finite()), "{isa:?} {broken}: {out:?}");
        }
    }
}
