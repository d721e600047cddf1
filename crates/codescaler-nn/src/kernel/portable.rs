//! The kernels' definition in plain Rust: runs everywhere, and is what the others are tested by.

use super::{PANEL, Rows, RowsMut, from_bf16};

/// A row of K numbers, in groups of 32 bits.
fn groups<'a, T>(a: &Rows<'a, T>, row: usize, k: usize) -> impl Iterator<Item = &'a [T]> {
    let side = Rows::<T>::SIDE;
    let (data, start, step) = (a.data, row * a.stride, a.step);
    (0..k / side).map(move |group| &data[start + group * step..][..side])
}

pub(crate) fn panel_f32(a: Rows<'_, f32>, b: &[f32], c: RowsMut<'_, f32>, add: bool) {
    let k = b.len() / PANEL;
    for row in 0..a.rows {
        let x = groups(&a, row, k);
        let out = &mut c.data[row * c.stride..][..PANEL];
        let mut sums = [0.0; PANEL];
        if add {
            sums.copy_from_slice(out);
        }
        for (x, b) in x.zip(b.as_chunks::<PANEL>().0) {
            for (sum, b) in sums.iter_mut().zip(b) {
                *sum += x[0] * b;
            }
        }
        out.copy_from_slice(&sums);
    }
}

pub(crate) fn panel_bf16(a: Rows<'_, u16>, b: &[u16], c: RowsMut<'_, f32>, add: bool) {
    let k = b.len() / PANEL;
    for row in 0..a.rows {
        let x = groups(&a, row, k);
        let out = &mut c.data[row * c.stride..][..PANEL];
        let mut sums = [0.0; PANEL];
        if add {
            sums.copy_from_slice(out);
        }
        for (x, b) in x.zip(b.as_chunks::<{ 2 * PANEL }>().0) {
            let (x0, x1) = (from_bf16(x[0]), from_bf16(x[1]));
            for (sum, b) in sums.iter_mut().zip(b.as_chunks::<2>().0) {
                *sum += x0 * from_bf16(b[0]);
                *sum += x1 * from_bf16(b[1]);
            }
        }
        out.copy_from_slice(&sums);
    }
}

pub(crate) fn panel_int8(a: Rows<'_, u8>, b: &[i8], start: &[i32; PANEL], c: RowsMut<'_, i32>) {
    let k = b.len() / PANEL;
    for row in 0..a.rows {
        let x = groups(&a, row, k);
        let mut sums = *start;
        for (x, b) in x.zip(b.as_chunks::<{ 4 * PANEL }>().0) {
            for (sum, b) in sums.iter_mut().zip(b.as_chunks::<4>().0) {
                let products = x.iter().zip(b).map(|(x, b)| i32::from(*x) * i32::from(*b));
                *sum = sum.wrapping_add(products.sum());
            }
        }
        c.data[row * c.stride..][..PANEL].copy_from_slice(&sums);
    }
}
