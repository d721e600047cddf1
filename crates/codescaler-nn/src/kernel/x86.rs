//! AVX2 and AVX-512 kernels. Every sum runs over K in order, one accumulator per result, so that
//! tiles of different heights give the same bits.
#![expect(unsafe_code, reason = "vector instructions and their unchecked loads")]

use std::arch::x86_64::*;

use super::{PANEL, Rows, RowsMut, ZERO, from_bf16};

/// Rows of one AVX-512 tile: 12 x 2 accumulators, 2 vectors of `b`, 6 registers to spare.
const TILE_512: usize = 12;
/// Rows of one AVX2 tile: 6 x 2 accumulators, 2 vectors of `b`, 1 of `a`, 1 to spare.
const TILE_256: usize = 6;
/// Rows of one AVX2 tile of bytes: 4 x 2 accumulators, 2 vectors of `b`, 5 for one product.
const TILE_INT8_256: usize = 4;

/// Bytes of a panel that all rows meet before the next ones: they stay in the first cache.
const BLOCK_BYTES: usize = 16 << 10;
/// The same as rows of a panel in f32.
const BLOCK_F32: usize = BLOCK_BYTES / (4 * PANEL);
/// The same as rows of a panel in bfloat16.
const BLOCK_BF16: usize = BLOCK_BYTES / (2 * PANEL);

/// What one tile reads and writes; the door of the parent module has checked all bounds.
struct Tile<A, B, C, S> {
    a: *const A,
    a_stride: usize,
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
    for (a, b, first) in blocks(a, b, BLOCK_F32) {
        by_tiles!(tile_f32_512, TILE_512, [1 2 3 4 5 6 7 8 9 10 11], a, b, c, add || !first);
    }
}

pub(crate) fn panel_bf16_avx512(a: Rows<'_, u16>, b: &[u16], c: RowsMut<'_, f32>) {
    for (a, b, first) in blocks(a, b, BLOCK_BF16) {
        by_tiles!(tile_bf16_512, TILE_512, [1 2 3 4 5 6 7 8 9 10 11], a, b, c, !first);
    }
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
    for (a, b, first) in blocks(a, b, BLOCK_F32) {
        by_tiles!(tile_f32_256, TILE_256, [1 2 3 4 5], a, b, c, add || !first);
    }
}

/// Widens a block of the panel and the rows that meet it to f32, exactly, and multiplies those.
pub(crate) fn panel_bf16_avx2(a: Rows<'_, u16>, b: &[u16], c: RowsMut<'_, f32>) {
    let mut wide_b = [0.0; BLOCK_F32 * PANEL];
    let mut wide_a = [0.0; BLOCK_F32 * TILE_256];
    for (a, b, first) in blocks(a, b, BLOCK_F32) {
        let k = b.len() / PANEL;
        wide_avx2(
            #[inline(always)]
            || widen_panel(b, &mut wide_b),
        );
        let b = &wide_b[..b.len()];
        for row in (0..a.rows).step_by(TILE_256) {
            let rows = TILE_256.min(a.rows - row);
            wide_avx2(
                #[inline(always)]
                || {
                    for (index, out) in wide_a.chunks_mut(BLOCK_F32).take(rows).enumerate() {
                        let a = &a.data[(row + index) * a.stride..][..k];
                        out.iter_mut().zip(a).for_each(|(out, a)| *out = from_bf16(*a));
                    }
                },
            );
            let a = Rows { data: &wide_a, rows, stride: BLOCK_F32 };
            let c = RowsMut { data: &mut c.data[row * c.stride..], stride: c.stride };
            by_tiles!(tile_f32_256, TILE_256, [1 2 3 4 5], a, b, c, !first);
        }
    }
}

/// (K / 2, `PANEL`, 2) in bfloat16 to (K, `PANEL`) in f32.
#[inline(always)]
fn widen_panel(b: &[u16], out: &mut [f32]) {
    let pairs = b.as_chunks::<{ 2 * PANEL }>().0;
    for (out, pairs) in out.as_chunks_mut::<{ 2 * PANEL }>().0.iter_mut().zip(pairs) {
        let (even, odd) = out.split_at_mut(PANEL);
        for ((even, odd), pair) in even.iter_mut().zip(odd).zip(pairs.as_chunks::<2>().0) {
            (*even, *odd) = (from_bf16(pair[0]), from_bf16(pair[1]));
        }
    }
}

pub(crate) fn panel_int8_avx2(a: Rows<'_, u8>, b: &[i8], c: RowsMut<'_, i32>) {
    by_tiles!(tile_int8_256, TILE_INT8_256, [1 2 3], a, b, c, ());
}

/// Cuts along K into blocks of `k_max`: columns of `a`, rows of the panel `b`, whether it is the
/// first. An empty sum is one empty block.
fn blocks<'a, A: Copy, B>(
    a: Rows<'a, A>,
    b: &'a [B],
    k_max: usize,
) -> impl Iterator<Item = (Rows<'a, A>, &'a [B], bool)> {
    let k = b.len() / PANEL;
    (0..k.max(1)).step_by(k_max).map(move |start| {
        let b = &b[start * PANEL..(start + k_max).min(k) * PANEL];
        (Rows { data: &a.data[start.min(a.data.len())..], ..a }, b, start == 0)
    })
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

/// `vpdpbusd` adds four products of unsigned by signed bytes without saturating in between. `t.start`
/// takes away what [`ZERO`] adds to every activation.
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
                let a = t.a.add(row * t.a_stride + 4 * quad).cast::<i32>().read_unaligned();
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

/// `vpmaddubsw` adds two products of unsigned by signed bytes and saturates at 16 bits. With
/// `|a| <= 128` as the unsigned and `b` with the sign of `a` as the signed factor, `|b| <= 127`,
/// a pair is at most 2 * 128 * 127 = 32512 and never saturates.
///
/// # Safety
/// Needs AVX2; `t` must describe `M` rows within their buffers, `t.k` a multiple of 4.
#[target_feature(enable = "avx2")]
unsafe fn tile_int8_256<const M: usize>(t: Tile<u8, i8, i32, ()>) {
    let ones = _mm256_set1_epi16(1);
    let zero = _mm256_set1_epi8(ZERO.cast_signed());
    for half in [0, 16] {
        let mut sums = [[_mm256_setzero_si256(); 2]; M];
        // SAFETY: as in `tile_int8_512`; `half + 15` is the last column of the panel.
        unsafe {
            for quad in 0..t.k / 4 {
                let b = t.b.add((quad * PANEL + half) * 4);
                let b = [_mm256_loadu_si256(b.cast()), _mm256_loadu_si256(b.add(32).cast())];
                for (row, sums) in sums.iter_mut().enumerate() {
                    let a = t.a.add(row * t.a_stride + 4 * quad).cast::<i32>().read_unaligned();
                    // Without its upper bit flipped, a byte is `a + ZERO`.
                    let a = _mm256_xor_si256(_mm256_set1_epi32(a), zero);
                    let size = _mm256_abs_epi8(a);
                    for (sum, b) in sums.iter_mut().zip(b) {
                        let pairs = _mm256_maddubs_epi16(size, _mm256_sign_epi8(b, a));
                        *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, ones));
                    }
                }
            }
            for (row, sums) in sums.iter().enumerate() {
                let c = t.c.add(row * t.c_stride + half);
                _mm256_storeu_si256(c.cast(), sums[0]);
                _mm256_storeu_si256(c.add(8).cast(), sums[1]);
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
