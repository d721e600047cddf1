use std::time::Instant;

use crate::kernel::{Isa, Precision};
use crate::matrix::{Matrix, Packed, Part, Tile};
use crate::weights::Numbers;

/// Rows that meet one panel together, as in the decoder.
const ROWS: usize = 96;

/// Billions of operations per second of one thread in `x W^T`, (M, K) by (N, K), with packed
/// weights: the best of `repetitions`. Rounding `x` to 8 bits counts as part of the work. What
/// `doctor` calls the measured peak is this for a shape that fits the nearest caches, such as
/// (96, 512, 32).
pub fn gflops(
    isa: Isa,
    precision: Precision,
    (m, k, n): (usize, usize, usize),
    repetitions: u32,
) -> f64 {
    assert!(isa.is_available(), "this processor has no {isa:?}");
    // 1 in all types, so that no product meets a subnormal.
    let ones = vec![1.0; n * k];
    let bytes: Vec<u8> = ones.iter().flat_map(|x: &f32| x.to_le_bytes()).collect();
    let weight = Part { numbers: Numbers::F32(&bytes), rows: n };
    let weight = Packed::stack((isa, precision), &[weight], k);
    let rows = m.min(ROWS);
    let mut x = weight.input(rows);
    for row in 0..rows {
        x.write(row, 0, &ones[..k]);
    }
    let mut tile = Tile::new(rows, 1);
    let mut best = f64::INFINITY;
    for _ in 0..repetitions {
        let start = Instant::now();
        for first in (0..m).step_by(ROWS) {
            let rows = ROWS.min(m - first);
            weight.product(&mut x, rows, &mut tile, |_, tile| {
                std::hint::black_box(tile);
            });
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    2.0 * (m * k * n) as f64 / best / 1e9
}
