//! AVX2 and AVX-512 kernels. Every sum runs over K in order, one accumulator per result, so that
//! tiles of different heights give the same bits.
#![expect(unsafe_code, reason = "vector instructions and their unchecked loads")]

use std::arch::x86_64::*;

use super::{PANEL, Rows, RowsMut, from_bf16};

/// Rows of one AVX-512 tile: 12 x 2 accumulators, 2 vectors of `b`, 6 registers to spare.
const TILE_512: usize = 12;
/// Rows of one AVX2 tile: 6 x 2 accumulators, 2 vectors of `b`, 1 of `a`, 1 to spare.
const TILE_256: usize = 6;

/// Rows of a panel that AVX2 widens at a time: 16 KiB in f32, for the first cache.
const BLOCK: usize = 128;

/// What one tile reads and writes; the door of the parent module has checked all bounds.
struct Tile<A, B, C, S> {
    a: *const A,
    a_stride: usize,
    a_step: usize,
    b: *const B,
    k: usize,
    c: *mut C,
    c_stride: usize,
    /// What sums start from: whether from `c` instead of 0, or the numbers of one row.
    start: S,
}

/// Calls a tile kernel for all rows: tall tiles first, then one of exactly the rest. The door's
/// promises about `a`, `b` and `c` must hold.
macro_rules! by_tiles {
    ($kernel:ident, $height:expr, [$($rest:literal)*], $a:ident, $b:ident, $c:ident, $start:expr) => {{
        let k = $b.len() / PANEL;
        let mut row = 0;
        while row < $a.rows {
            let tile = Tile {
                // SAFETY: `row < a.rows`, and the door checked that all rows lie in `a` and `c`.
                a: unsafe { $a.data.as_ptr().add(row * $a.stride) },
                a_stride: $a.stride,
                a_step: $a.step,
                b: $b.as_ptr(),
                k,
                // SAFETY: as above.
                c: unsafe { $c.data.as_mut_ptr().add(row * $c.stride) },
                c_stride: $c.stride,
                start: $start,
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

pub(crate) fn panel_f32_avx512(a: Rows<'_, f32>, b: &[f32], c: RowsMut<'_, f32>, add: bool) {
    by_tiles!(tile_f32_512, TILE_512, [1 2 3 4 5 6 7 8 9 10 11], a, b, c, add);
}

pub(crate) fn panel_bf16_avx512(a: Rows<'_, u16>, b: &[u16], c: RowsMut<'_, f32>, add: bool) {
    by_tiles!(tile_bf16_512, TILE_512, [1 2 3 4 5 6 7 8 9 10 11], a, b, c, add);
}

pub(crate) fn panel_int8_avx512(
    a: Rows<'_, u8>,
    b: &[i8],
    start: &[i32; PANEL],
    c: RowsMut<'_, i32>,
) {
    by_tiles!(tile_int8_512, TILE_512, [1 2 3 4 5 6 7 8 9 10 11], a, b, c, start);
}

pub(crate) fn panel_f32_avx2(a: Rows<'_, f32>, b: &[f32], c: RowsMut<'_, f32>, add: bool) {
    by_tiles!(tile_f32_256, TILE_256, [1 2 3 4 5], a, b, c, add);
}

/// [`by_tiles`] after widening, exactly: a block of the panel once, and the rows of a tile as they
/// meet it. `$zero` is that of the wider type, `$side` what [`Rows::SIDE`] says of the narrower.
macro_rules! by_wider_tiles {
    ($kernel:ident, $zero:literal, $side:literal, $a:ident, $b:ident, $c:ident, $add:expr,
     $wider_a:expr, $wider_b:expr) => {{
        let mut wide_b = [$zero; BLOCK * PANEL];
        let mut wide_a = [$zero; BLOCK * TILE_256];
        let k = $b.len() / PANEL;
        // An empty sum is one empty block.
        for start in (0..k.max(1)).step_by(BLOCK) {
            let end = k.min(start + BLOCK);
            wide_avx2(
                #[inline(always)]
                || $wider_b(&$b[start * PANEL..end * PANEL], &mut wide_b),
            );
            let b = &wide_b[..(end - start) * PANEL];
            for row in (0..$a.rows).step_by(TILE_256) {
                let rows = TILE_256.min($a.rows - row);
                wide_avx2(
                    #[inline(always)]
                    || {
                        for (index, wide) in wide_a.chunks_mut(BLOCK).take(rows).enumerate() {
                            let a = &$a.data[(row + index) * $a.stride..];
                            let groups = wide.chunks_mut($side).take((end - start) / $side);
                            for (group, wide) in (start / $side..).zip(groups) {
                                let a = &a[group * $a.step..][..$side];
                                wide.iter_mut().zip(a).for_each(|(wide, a)| *wide = $wider_a(*a));
                            }
                        }
                    },
                );
                let a = Rows::new(&wide_a, rows, BLOCK);
                let c = RowsMut { data: &mut $c.data[row * $c.stride..], stride: $c.stride };
                by_tiles!($kernel, TILE_256, [1 2 3 4 5], a, b, c, $add || start > 0);
            }
        }
    }};
}

pub(crate) fn panel_bf16_avx2(a: Rows<'_, u16>, b: &[u16], c: RowsMut<'_, f32>, add: bool) {
    by_wider_tiles!(tile_f32_256, 0.0, 2, a, b, c, add, from_bf16, wider_pairs);
}

/// AVX2 multiplies bytes only with sums that saturate, so bytes become 16 bits wide.
pub(crate) fn panel_int8_avx2(
    a: Rows<'_, u8>,
    b: &[i8],
    start: &[i32; PANEL],
    c: RowsMut<'_, i32>,
) {
    for row in c.data.chunks_mut(c.stride).take(a.rows) {
        row[..PANEL].copy_from_slice(start);
    }
    by_wider_tiles!(tile_int16_256, 0, 4, a, b, c, true, i16::from, wider_quads);
}

/// (K / 2, `PANEL`, 2) in bfloat16 to (K, `PANEL`) in f32.
#[inline(always)]
fn wider_pairs(b: &[u16], out: &mut [f32]) {
    let rows = out.as_chunks_mut::<{ 2 * PANEL }>().0.iter_mut();
    for (out, pairs) in rows.zip(b.as_chunks::<{ 2 * PANEL }>().0) {
        let (even, odd) = out.split_at_mut(PANEL);
        for ((even, odd), pair) in even.iter_mut().zip(odd).zip(pairs.as_chunks::<2>().0) {
            (*even, *odd) = (from_bf16(pair[0]), from_bf16(pair[1]));
        }
    }
}

/// (K / 4, `PANEL`, 4) in 8 bits to (K / 2, `PANEL`, 2) in 16.
#[inline(always)]
fn wider_quads(b: &[i8], out: &mut [i16]) {
    let rows = out.as_chunks_mut::<{ 4 * PANEL }>().0.iter_mut();
    for (out, quads) in rows.zip(b.as_chunks::<{ 4 * PANEL }>().0) {
        let (low, high) = out.split_at_mut(2 * PANEL);
        let pairs = low.as_chunks_mut::<2>().0.iter_mut().zip(high.as_chunks_mut::<2>().0);
        for ((low, high), quad) in pairs.zip(quads.as_chunks::<4>().0) {
            let [a, b, c, d] = quad.map(i16::from);
            (*low, *high) = ([a, b], [c, d]);
        }
    }
}

/// # Safety
/// Needs AVX-512 F; `t` must describe `M` rows within their buffers.
#[target_feature(enable = "avx512f")]
unsafe fn tile_f32_512<const M: usize>(t: Tile<f32, f32, f32, bool>) {
    let mut sums = [[_mm512_setzero_ps(); 2]; M];
    // SAFETY: the caller promises M rows of k numbers in `a`, k rows of PANEL numbers in `b` and
    // M rows of PANEL numbers in `c`; every index below stays under those.
    unsafe {
        if t.start {
            for (row, sum) in sums.iter_mut().enumerate() {
                sum[0] = _mm512_loadu_ps(t.c.add(row * t.c_stride));
                sum[1] = _mm512_loadu_ps(t.c.add(row * t.c_stride + 16));
            }
        }
        for k in 0..t.k {
            let b0 = _mm512_loadu_ps(t.b.add(k * PANEL));
            let b1 = _mm512_loadu_ps(t.b.add(k * PANEL + 16));
            for (row, sum) in sums.iter_mut().enumerate() {
                let a = _mm512_set1_ps(*t.a.add(row * t.a_stride + k * t.a_step));
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
unsafe fn tile_bf16_512<const M: usize>(t: Tile<u16, u16, f32, bool>) {
    let mut sums = [[_mm512_setzero_ps(); 2]; M];
    // SAFETY: as in `tile_f32_512`, with pairs: k is even, so the pair at `k - 2` is the last.
    unsafe {
        if t.start {
            for (row, sum) in sums.iter_mut().enumerate() {
                sum[0] = _mm512_loadu_ps(t.c.add(row * t.c_stride));
                sum[1] = _mm512_loadu_ps(t.c.add(row * t.c_stride + 16));
            }
        }
        for pair in 0..t.k / 2 {
            let b0 = load_pairs_512(t.b.add(pair * 2 * PANEL));
            let b1 = load_pairs_512(t.b.add(pair * 2 * PANEL + 32));
            for (row, sum) in sums.iter_mut().enumerate() {
                let a = t.a.add(row * t.a_stride + pair * t.a_step).cast::<i32>().read_unaligned();
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
unsafe fn tile_f32_256<const M: usize>(t: Tile<f32, f32, f32, bool>) {
    for half in [0, 16] {
        let mut sums = [[_mm256_setzero_ps(); 2]; M];
        // SAFETY: as in `tile_f32_512`; `half + 15` is the last column of the panel.
        unsafe {
            if t.start {
                for (row, sum) in sums.iter_mut().enumerate() {
                    sum[0] = _mm256_loadu_ps(t.c.add(row * t.c_stride + half));
                    sum[1] = _mm256_loadu_ps(t.c.add(row * t.c_stride + half + 8));
                }
            }
            for k in 0..t.k {
                let b0 = _mm256_loadu_ps(t.b.add(k * PANEL + half));
                let b1 = _mm256_loadu_ps(t.b.add(k * PANEL + half + 8));
                for (row, sum) in sums.iter_mut().enumerate() {
                    let a = _mm256_set1_ps(*t.a.add(row * t.a_stride + k * t.a_step));
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

/// `vpdpbusd` adds four products of unsigned by signed bytes without saturating in between.
///
/// # Safety
/// Needs AVX-512 F and VNNI; `t` must describe `M` rows within their buffers, `t.k` a multiple
/// of 4.
#[target_feature(enable = "avx512f,avx512vnni")]
unsafe fn tile_int8_512<const M: usize>(t: Tile<u8, i8, i32, &[i32; PANEL]>) {
    // SAFETY: as in `tile_f32_512`, with quads: the one at `k - 4` is the last. `t.start` has the
    // PANEL numbers that are loaded.
    unsafe {
        let low = _mm512_loadu_si512(t.start.as_ptr().cast());
        let high = _mm512_loadu_si512(t.start.as_ptr().add(16).cast());
        let mut sums = [[low, high]; M];
        for quad in 0..t.k / 4 {
            let b0 = _mm512_loadu_si512(t.b.add(quad * 4 * PANEL).cast());
            let b1 = _mm512_loadu_si512(t.b.add(quad * 4 * PANEL + 64).cast());
            for (row, sum) in sums.iter_mut().enumerate() {
                let a = t.a.add(row * t.a_stride + quad * t.a_step).cast::<i32>().read_unaligned();
                let a = _mm512_set1_epi32(a);
                sum[0] = _mm512_dpbusd_epi32(sum[0], a, b0);
                sum[1] = _mm512_dpbusd_epi32(sum[1], a, b1);
            }
        }
        for (row, sum) in sums.iter().enumerate() {
            _mm512_storeu_si512(t.c.add(row * t.c_stride).cast(), sum[0]);
            _mm512_storeu_si512(t.c.add(row * t.c_stride + 16).cast(), sum[1]);
        }
    }
}

/// The same with pairs of 16 bits, each pair's products added without a loss (`vpmaddwd`).
///
/// # Safety
/// Needs AVX2; `t` must describe `M` rows within their buffers, `t.k` even.
#[target_feature(enable = "avx2")]
unsafe fn tile_int16_256<const M: usize>(t: Tile<i16, i16, i32, bool>) {
    for half in [0, 16] {
        let mut sums = [[_mm256_setzero_si256(); 2]; M];
        // SAFETY: as in `tile_f32_256`, with pairs: the one at `k - 2` is the last.
        unsafe {
            if t.start {
                for (row, sum) in sums.iter_mut().enumerate() {
                    let c = t.c.add(row * t.c_stride + half);
                    *sum = [_mm256_loadu_si256(c.cast()), _mm256_loadu_si256(c.add(8).cast())];
                }
            }
            for pair in 0..t.k / 2 {
                let b = t.b.add((pair * PANEL + half) * 2);
                let b = [_mm256_loadu_si256(b.cast()), _mm256_loadu_si256(b.add(16).cast())];
                for (row, sum) in sums.iter_mut().enumerate() {
                    let a =
                        t.a.add(row * t.a_stride + pair * t.a_step).cast::<i32>().read_unaligned();
                    let a = _mm256_set1_epi32(a);
                    sum[0] = _mm256_add_epi32(sum[0], _mm256_madd_epi16(a, b[0]));
                    sum[1] = _mm256_add_epi32(sum[1], _mm256_madd_epi16(a, b[1]));
                }
            }
            for (row, sum) in sums.iter().enumerate() {
                let c = t.c.add(row * t.c_stride + half);
                _mm256_storeu_si256(c.cast(), sum[0]);
                _mm256_storeu_si256(c.add(8).cast(), sum[1]);
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
