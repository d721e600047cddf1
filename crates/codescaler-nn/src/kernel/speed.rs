use std::time::Instant;

use super::{Isa, PANEL, Precision, Rows, RowsMut};

/// Billions of floating-point operations per second of one thread in `x W^T`, (M, K) by (N, K),
/// with packed weights: the best of `repetitions`. What `doctor` calls the measured peak is this
/// for a shape that fits the nearest caches, such as (96, 512, 32).
pub fn gflops(
    isa: Isa,
    precision: Precision,
    (m, k, n): (usize, usize, usize),
    repetitions: u32,
) -> f64 {
    assert!(isa.is_available(), "this processor has no {isa:?}");
    let (k, panels) = (k.next_multiple_of(2), n.div_ceil(PANEL));
    let mut c = vec![0.0; m * PANEL];
    // 1 in both types, so that no product meets a subnormal.
    let (a, b) = (vec![1.0; m * k], vec![1.0; panels * k * PANEL]);
    let (half_a, half_b) = (vec![0x3f80; m * k], vec![0x3f80; panels * k * PANEL]);
    let mut best = f64::INFINITY;
    for _ in 0..repetitions {
        let start = Instant::now();
        // Blocks of rows as in the decoder.
        for first in (0..m).step_by(96) {
            let rows = (m - first).min(96);
            for panel in 0..panels {
                let at = panel * k * PANEL;
                let out = RowsMut { data: &mut c, stride: PANEL };
                match precision {
                    Precision::F32 => {
                        let x = Rows { data: &a[first * k..], rows, stride: k };
                        isa.panel_f32(x, &b[at..][..k * PANEL], out, false);
                    }
                    Precision::Bf16 => {
                        let x = Rows { data: &half_a[first * k..], rows, stride: k };
                        isa.panel_bf16(x, &half_b[at..][..k * PANEL], out);
                    }
                }
            }
        }
        std::hint::black_box(&mut c);
        best = best.min(start.elapsed().as_secs_f64());
    }
    2.0 * (m * k * panels * PANEL) as f64 / best / 1e9
}
