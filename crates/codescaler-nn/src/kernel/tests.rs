use proptest::prelude::*;

use super::*;

/// Numbers in [-1, 1) that depend on nothing but the seed.
fn numbers(seed: u64, n: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..n).map(next).collect()
}

fn available() -> impl Iterator<Item = Isa> {
    [Isa::Portable, Isa::Avx2, Isa::Avx512].into_iter().filter(|isa| isa.is_available())
}

/// Miri takes a second for what takes a microsecond elsewhere.
const CASES: u32 = if cfg!(miri) { 2 } else { 256 };
const PAIRS_MAX: usize = if cfg!(miri) { 70 } else { 400 };

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    /// Odd sizes, gaps between rows and unaligned starts: every kernel agrees with the sum.
    #[test]
    fn panels_agree_with_the_definition(
        (rows, pairs, gap, offset) in (1usize..30, 0usize..40, 0usize..5, 0usize..4),
        (add, seed) in (any::<bool>(), any::<u64>()),
    ) {
        let k = 2 * pairs;
        let (stride, c_stride) = (k + gap, PANEL + gap);
        let a = numbers(seed, offset + rows * stride);
        let b = numbers(seed ^ 1, k * PANEL);
        let start = numbers(seed ^ 2, offset + rows * c_stride);
        let half_a: Vec<u16> = a.iter().map(|x| to_bf16(*x)).collect();
        let half_b: Vec<u16> = b.iter().map(|x| to_bf16(*x)).collect();
        // Pairs along K side by side.
        let pair_b: Vec<u16> = (0..k * PANEL).map(|i| {
            let (pair, column, odd) = (i / (2 * PANEL), i / 2 % PANEL, i % 2);
            half_b[(2 * pair + odd) * PANEL + column]
        }).collect();
        for isa in available() {
            let mut c = start.clone();
            let view = Rows::new(&a[offset..], rows, stride);
            isa.panel_f32(view, &b, RowsMut { data: &mut c[offset..], stride: c_stride }, add);
            let mut half_c = start.clone();
            let view = Rows::new(&half_a[offset..], rows, stride);
            isa.panel_bf16(view, &pair_b, RowsMut { data: &mut half_c[offset..], stride: c_stride }, add);
            for (i, (&got, &before)) in c[offset..].iter().zip(&start[offset..]).enumerate() {
                let (row, column) = (i / c_stride, i % c_stride);
                let half_got = half_c[offset + i];
                if column >= PANEL {
                    prop_assert!(got == before && half_got == before, "{isa:?} wrote a gap");
                    continue;
                }
                let product = |j: usize| {
                    let (x, y) = (offset + row * stride + j, j * PANEL + column);
                    (a[x] * b[y], from_bf16(half_a[x]) * from_bf16(half_b[y]))
                };
                let initial = if add { f64::from(before) } else { 0.0 };
                let want = initial + (0..k).map(|j| f64::from(product(j).0)).sum::<f64>();
                let half_want = initial + (0..k).map(|j| f64::from(product(j).1)).sum::<f64>();
                prop_assert!((f64::from(got) - want).abs() < 2e-5, "{isa:?}: {got} {want}");
                prop_assert!((f64::from(half_got) - half_want).abs() < 2e-5, "{isa:?}");
            }
        }
    }

    /// Law 5 at its root: a row's bits do not depend on how many rows stand beside it.
    #[test]
    fn a_row_alone_gives_the_same_bits(rows in 2usize..30, pairs in 1usize..40, seed: u64) {
        let k = 2 * pairs;
        let (a, b) = (numbers(seed, rows * k), numbers(seed ^ 1, k * PANEL));
        let half_a: Vec<u16> = a.iter().map(|x| to_bf16(*x)).collect();
        let half_b: Vec<u16> = b.iter().map(|x| to_bf16(*x)).collect();
        for isa in available() {
            let (mut all, mut one) = (vec![0.0; rows * PANEL], vec![0.0; PANEL]);
            isa.panel_f32(Rows::new(&a, rows, k), &b, RowsMut { data: &mut all, stride: PANEL }, false);
            for row in 0..rows {
                let view = Rows::new(&a[row * k..], 1, k);
                isa.panel_f32(view, &b, RowsMut { data: &mut one, stride: PANEL }, false);
                prop_assert_eq!(&one, &all[row * PANEL..][..PANEL]);
            }
            isa.panel_bf16(Rows::new(&half_a, rows, k), &half_b, RowsMut { data: &mut all, stride: PANEL }, false);
            for row in 0..rows {
                let view = Rows::new(&half_a[row * k..], 1, k);
                isa.panel_bf16(view, &half_b, RowsMut { data: &mut one, stride: PANEL }, false);
                prop_assert_eq!(&one, &all[row * PANEL..][..PANEL]);
            }
        }
    }

    /// The columns of a panel as rows give the same bits as the same rows in a line.
    #[test]
    fn columns_of_a_panel_can_be_rows(rows in 1usize..=PANEL, pairs in 1usize..40, seed: u64) {
        let k = 2 * pairs;
        let (a, b) = (numbers(seed, k * PANEL), numbers(seed ^ 1, k * PANEL));
        let half = |x: &[f32]| x.iter().map(|x| to_bf16(*x)).collect::<Vec<u16>>();
        let (half_a, half_b) = (half(&a), half(&b));
        let line = |at: &dyn Fn(usize, usize) -> usize| {
            let places = (0..rows).flat_map(|row| (0..k).map(move |j| (row, j)));
            places.map(|(row, j)| at(row, j)).collect::<Vec<usize>>()
        };
        let lines: Vec<f32> = line(&|row, j| j * PANEL + row).iter().map(|i| a[*i]).collect();
        let pairs = line(&|row, j| (j / 2 * PANEL + row) * 2 + j % 2);
        let half_lines: Vec<u16> = pairs.iter().map(|i| half_a[*i]).collect();
        for isa in available() {
            let (mut got, mut want) = (vec![0.0; rows * PANEL], vec![0.0; rows * PANEL]);
            isa.panel_f32(Rows::of_panel(&a, rows), &b, RowsMut { data: &mut got, stride: PANEL }, false);
            isa.panel_f32(Rows::new(&lines, rows, k), &b, RowsMut { data: &mut want, stride: PANEL }, false);
            prop_assert_eq!(&got, &want, "{:?}", isa);
            isa.panel_bf16(Rows::of_panel(&half_a, rows), &half_b, RowsMut { data: &mut got, stride: PANEL }, false);
            isa.panel_bf16(Rows::new(&half_lines, rows, k), &half_b, RowsMut { data: &mut want, stride: PANEL }, false);
            prop_assert_eq!(&got, &want, "{:?}", isa);
        }
    }

    /// Sums of bytes are exact and the same with each kernel, whatever the activations.
    #[test]
    fn int8_panels_are_the_sum(
        (rows, quads, gap, offset) in (1usize..30, 0usize..40, 0usize..5, 0usize..4),
        (largest, seed) in (any::<bool>(), any::<u64>()),
    ) {
        let k = 4 * quads;
        let (stride, c_stride) = (k + gap, PANEL + gap);
        let a: Vec<u8> = bytes(seed, offset + rows * stride, largest);
        let b = bytes(seed ^ 1, k * PANEL, largest);
        let b: Vec<i8> = b.iter().map(|x| x.cast_signed()).collect();
        let start = std::array::from_fn(|column| (seed >> column) as i32);
        for isa in available() {
            let mut c = vec![7; offset + rows * c_stride];
            let view = Rows::new(&a[offset..], rows, stride);
            isa.panel_int8(view, &b, &start, RowsMut { data: &mut c[offset..], stride: c_stride });
            for (i, &got) in c[offset..].iter().enumerate() {
                let (row, column) = (i / c_stride, i % c_stride);
                if column >= PANEL {
                    prop_assert!(got == 7, "{isa:?} wrote a gap");
                    continue;
                }
                let product = |j: usize| {
                    let b = b[(j / 4 * PANEL + column) * 4 + j % 4];
                    i64::from(a[offset + row * stride + j]) * i64::from(b)
                };
                let want = i64::from(start[column]) + (0..k).map(product).sum::<i64>();
                prop_assert_eq!(got, want as i32, "{:?}", isa);
            }
        }
    }

    /// More than one block of K, the last one not whole.
    #[test]
    fn long_panels_agree_with_the_definition(rows in 1usize..14, pairs in 60usize..PAIRS_MAX, seed: u64) {
        let k = 2 * pairs;
        let (a, b) = (numbers(seed, rows * k), numbers(seed ^ 1, k * PANEL));
        let half = |x: &[f32]| x.iter().map(|x| to_bf16(*x)).collect::<Vec<u16>>();
        let (half_a, half_b) = (half(&a), half(&b));
        let product = |isa: Isa| {
            let mut c = vec![1.0; rows * PANEL];
            let view = Rows::new(&a, rows, k);
            isa.panel_f32(view, &b, RowsMut { data: &mut c, stride: PANEL }, true);
            let mut half_c = vec![1.0; rows * PANEL];
            let view = Rows::new(&half_a, rows, k);
            isa.panel_bf16(view, &half_b, RowsMut { data: &mut half_c, stride: PANEL }, true);
            [c, half_c].concat()
        };
        let want = product(Isa::Portable);
        for isa in available() {
            for (got, want) in product(isa).iter().zip(&want) {
                prop_assert!((got - want).abs() < 1e-4, "{isa:?}: {got} {want}");
            }
        }
    }
}

/// Bytes of the seed, or those that make the largest sums.
fn bytes(seed: u64, n: usize, largest: bool) -> Vec<u8> {
    let ends = [0, 255, 127, 128];
    let byte = |x: f32| ((x + 1.0) * 127.99) as u8;
    let bytes = numbers(seed, n).into_iter().map(byte);
    bytes.map(|x| if largest { ends[usize::from(x) % 4] } else { x }).collect()
}

#[test]
fn bf16_rounds_to_even() {
    let table =
        [(1.0, 0x3f80), (1.0 + 1.0 / 256.0, 0x3f80), (1.0 + 3.0 / 256.0, 0x3f82), (-0.0, 0x8000)];
    for (x, bits) in table {
        assert_eq!(to_bf16(x), bits, "{x}");
    }
}
