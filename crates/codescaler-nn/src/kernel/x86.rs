//! AVX2 and AVX-512 kernels. Every sum runs over K in order, one accumulator per result, so that
//! tiles of different heights give the same bits.
#![expect(unsafe_code, reason = "vector instructions and their unchecked loads")]

use std::arch::x86_64::*;

use super::{PANEL, Rows, RowsMut};

/// Rows of one AVX-512 tile: 12 x 2 accumulators, 2 vectors of `b`, 6 registers to spare.
const TILE_512: usize = 12;
/// Rows of one AVX2 tile: 6 x 2 accumulators, 2 vectors of `b`, 1 of `a`, 1 to spare.
const TILE_256: usize = 6;

/// What one tile reads and writes; the door of the parent module has checked all bounds.
struct Tile<A, B> {
    a: *const A,
    a_stride: usize,
    b: *const B,
    k: usize,
    c: *mut f32,
    c_stride: usize,
    /// Whether `c` is added to instead of overwritten.
    add: bool,
}

/// Calls a tile kernel for all rows: tall tiles first, then one of exactly the rest.
macro_rules! by_tiles {
    ($kernel:ident, $height:expr, [$($rest:literal)*], $a:ident, $b:ident, $c:ident, $add:expr) => {{
        let k = $b.len() / PANEL;
        let mut row = 0;
        while row < $a.rows {
            let tile = Tile {
                // SAFETY: `row < a.rows`, and the door checked that all rows lie in `a` and `c`.
                a: unsafe { $a.data.as_ptr().add(row * $a.stride) },
                a_stride: $a.stride,
                b: $b.as_ptr(),
                k,
                // SAFETY: as above.
                c: unsafe { $c.data.as_mut_ptr().add(row * $c.stride) },
                c_stride: $c.stride,
                add: $add,
            };
            let height = ($a.rows - row).min($height);
            // SAFETY: the instruction set was detected before this `Isa` was chosen, and the
            // tile's rows lie within the bounds that the door checked.
            unsafe {
                match height {
                    $($rest => $kernel::<$rest>(tile),)*
                    _ => $kernel::<$height>(tile),
                }
            }
            row += height;
        }
    }};
}

pub(crate) fn panel_f32_avx512(a: Rows<'_, f32>, b: &[f32], c: RowsMut<'_>, add: bool) {
    by_tiles!(tile_f32_512, TILE_512, [1 2 3 4 5 6 7 8 9 10 11], a, b, c, add);
}

pub(crate) fn panel_bf16_avx512(a: Rows<'_, u16>, b: &[u16], c: RowsMut<'_>) {
    by_tiles!(tile_bf16_512, TILE_512, [1 2 3 4 5 6 7 8 9 10 11], a, b, c, false);
}

pub(crate) fn panel_f32_avx2(a: Rows<'_, f32>, b: &[f32], c: RowsMut<'_>, add: bool) {
    by_tiles!(tile_f32_256, TILE_256, [1 2 3 4 5], a, b, c, add);
}

pub(crate) fn panel_bf16_avx2(a: Rows<'_, u16>, b: &[u16], c: RowsMut<'_>) {
    by_tiles!(tile_bf16_256, TILE_256, [1 2 3 4 5], a, b, c, false);
}

/// # Safety
/// Needs AVX-512 F; `t` must describe `M` rows within their buffers.
#[target_feature(enable = "avx512f")]
unsafe fn tile_f32_512<const M: usize>(t: Tile<f32, f32>) {
    let mut sums = [[_mm512_setzero_ps(); 2]; M];
    // SAFETY: the caller promises M rows of k numbers in `a`, k rows of PANEL numbers in `b` and
    // M rows of PANEL numbers in `c`; every index below stays under those.
    unsafe {
        if t.add {
            for (row, sum) in sums.iter_mut().enumerate() {
                sum[0] = _mm512_loadu_ps(t.c.add(row * t.c_stride));
                sum[1] = _mm512_loadu_ps(t.c.add(row * t.c_stride + 16));
            }
        }
        for k in 0..t.k {
            let b0 = _mm512_loadu_ps(t.b.add(k * PANEL));
            let b1 = _mm512_loadu_ps(t.b.add(k * PANEL + 16));
            for (row, sum) in sums.iter_mut().enumerate() {
                let a = _mm512_set1_ps(*t.a.add(row * t.a_stride + k));
                sum[0] = _mm512_fmadd_ps(a, b0, sum[0]);
                sum[1] = _mm512_fmadd_ps(a, b1, sum[1]);
            }
        }
        for (row, sum) in sums.iter().enumerate() {
            _mm512_storeu_ps(t.c.add(row * t.c_stride), sum[0]);
            _mm512_storeu_ps(t.c.add(row * t.c_stride + 16), sum[1]);
        }
    }
}

/// # Safety
/// Needs AVX-512 F and BF16; `t` must describe `M` rows within their buffers, `t.k` even.
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn tile_bf16_512<const M: usize>(t: Tile<u16, u16>) {
    let mut sums = [[_mm512_setzero_ps(); 2]; M];
    // SAFETY: as in `tile_f32_512`, with pairs: k is even, so the pair at `k - 2` is the last.
    unsafe {
        for pair in 0..t.k / 2 {
            let b0 = load_pairs_512(t.b.add(pair * 2 * PANEL));
            let b1 = load_pairs_512(t.b.add(pair * 2 * PANEL + 32));
            for (row, sum) in sums.iter_mut().enumerate() {
                let a = t.a.add(row * t.a_stride + 2 * pair).cast::<i32>().read_unaligned();
                let a = as_pairs_512(_mm512_set1_epi32(a));
                sum[0] = _mm512_dpbf16_ps(sum[0], a, b0);
                sum[1] = _mm512_dpbf16_ps(sum[1], a, b1);
            }
        }
        for (row, sum) in sums.iter().enumerate() {
            _mm512_storeu_ps(t.c.add(row * t.c_stride), sum[0]);
            _mm512_storeu_ps(t.c.add(row * t.c_stride + 16), sum[1]);
        }
    }
}

/// # Safety
/// 64 readable bytes at `p`.
#[inline(always)]
unsafe fn load_pairs_512(p: *const u16) -> __m512bh {
    // SAFETY: an unaligned load of 64 bytes that the caller promises; any bits are valid.
    unsafe { p.cast::<__m512bh>().read_unaligned() }
}

#[inline(always)]
fn as_pairs_512(x: __m512i) -> __m512bh {
    // SAFETY: two vector types of 64 bytes without invalid bit patterns.
    unsafe { std::mem::transmute(x) }
}

/// The panel's halves of 16 columns one after the other: 12 accumulators are all that fit.
///
/// # Safety
/// Needs AVX2 and FMA; `t` must describe `M` rows within their buffers.
#[target_feature(enable = "avx2,fma")]
unsafe fn tile_f32_256<const M: usize>(t: Tile<f32, f32>) {
    for half in [0, 16] {
        let mut sums = [[_mm256_setzero_ps(); 2]; M];
        // SAFETY: as in `tile_f32_512`; `half + 15` is the last column of the panel.
        unsafe {
            if t.add {
                for (row, sum) in sums.iter_mut().enumerate() {
                    sum[0] = _mm256_loadu_ps(t.c.add(row * t.c_stride + half));
                    sum[1] = _mm256_loadu_ps(t.c.add(row * t.c_stride + half + 8));
                }
            }
            for k in 0..t.k {
                let b0 = _mm256_loadu_ps(t.b.add(k * PANEL + half));
                let b1 = _mm256_loadu_ps(t.b.add(k * PANEL + half + 8));
                for (row, sum) in sums.iter_mut().enumerate() {
                    let a = _mm256_set1_ps(*t.a.add(row * t.a_stride + k));
                    sum[0] = _mm256_fmadd_ps(a, b0, sum[0]);
                    sum[1] = _mm256_fmadd_ps(a, b1, sum[1]);
                }
            }
            for (row, sum) in sums.iter().enumerate() {
                _mm256_storeu_ps(t.c.add(row * t.c_stride + half), sum[0]);
                _mm256_storeu_ps(t.c.add(row * t.c_stride + half + 8), sum[1]);
            }
        }
    }
}

/// # Safety
/// Needs AVX2 and FMA; `t` must describe `M` rows within their buffers, `t.k` even.
#[target_feature(enable = "avx2,fma")]
unsafe fn tile_bf16_256<const M: usize>(t: Tile<u16, u16>) {
    let odd = _mm256_set1_epi32(0xffff_0000_u32.cast_signed());
    for quarter in [0, 8, 16, 24] {
        let mut sums = [_mm256_setzero_ps(); M];
        // SAFETY: as in `tile_bf16_512`; 8 pairs from column `quarter` on lie in the panel's row.
        unsafe {
            for pair in 0..t.k / 2 {
                let b = t.b.add(pair * 2 * PANEL + 2 * quarter);
                let b = _mm256_loadu_si256(b.cast());
                // A bfloat16 is the upper half of an f32.
                let b0 = _mm256_castsi256_ps(_mm256_slli_epi32(b, 16));
                let b1 = _mm256_castsi256_ps(_mm256_and_si256(b, odd));
                for (row, sum) in sums.iter_mut().enumerate() {
                    let a = t.a.add(row * t.a_stride + 2 * pair).cast::<u32>().read_unaligned();
                    let a0 = _mm256_set1_ps(f32::from_bits(a << 16));
                    let a1 = _mm256_set1_ps(f32::from_bits(a & 0xffff_0000));
                    *sum = _mm256_fmadd_ps(a0, b0, *sum);
                    *sum = _mm256_fmadd_ps(a1, b1, *sum);
                }
            }
            for (row, sum) in sums.iter().enumerate() {
                _mm256_storeu_ps(t.c.add(row * t.c_stride + quarter), *sum);
            }
        }
    }
}

pub(crate) fn wide_avx2<R>(body: impl FnOnce() -> R) -> R {
    #[target_feature(enable = "avx2,fma")]
    fn inner<R>(body: impl FnOnce() -> R) -> R {
        body()
    }
    // SAFETY: `Isa::Avx2` is only chosen where the processor has it.
    unsafe { inner(body) }
}

pub(crate) fn wide_avx512<R>(body: impl FnOnce() -> R) -> R {
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
    fn inner<R>(body: impl FnOnce() -> R) -> R {
        body()
    }
    // SAFETY: `Isa::Avx512` is only chosen where the processor has it.
    unsafe { inner(body) }
}
