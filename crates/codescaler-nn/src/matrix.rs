//! Weight matrices: as the file has them, and packed for the kernels.

use crate::kernel::{GROUP, Isa, PANEL, Precision, Rows, RowsMut, ZERO, to_bf16};
use crate::weights::Numbers;

/// Numbers along K that stand side by side in a panel in 8 bits; K is filled up to whole quads.
const QUAD: usize = 4;

/// One tensor of (rows, K) out of which a matrix is made.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    pub numbers: Numbers<'a>,
    pub rows: usize,
}

/// A matrix of (N, K) that is made of the tensors of a file.
pub(crate) trait Matrix: Sized + Send {
    /// How to make it, beyond the numbers.
    type Plan: Copy + Sync;

    /// The parts' rows below one another.
    fn stack(plan: Self::Plan, parts: &[Part<'_>], k: usize) -> Self;

    /// Gate and up projection, in whichever order lets SwiGLU see both at once.
    fn gate_up(plan: Self::Plan, gate: Part<'_>, up: Part<'_>, k: usize) -> Self;
}

/// Row-major f32: what the reference computes with.
#[cfg(test)]
pub(crate) struct Dense(pub Vec<f32>);

#[cfg(test)]
impl Matrix for Dense {
    type Plan = ();

    fn stack((): (), parts: &[Part<'_>], k: usize) -> Self {
        let mut out = Vec::new();
        for part in parts {
            let start = out.len();
            out.resize(start + part.rows * k, 0.0);
            part.numbers.read(0, &mut out[start..]);
        }
        Self(out)
    }

    fn gate_up((): (), gate: Part<'_>, up: Part<'_>, k: usize) -> Self {
        Self::stack((), &[gate, up], k)
    }
}

/// Panels of [`PANEL`] rows of the matrix, each transposed so that a kernel reads it in order:
/// (panels, K, `PANEL`) in f32, (panels, K / 2, `PANEL`, 2) in bfloat16, (panels, K / 4, `PANEL`,
/// 4) in 8 bits. Filled up with zeros.
pub(crate) struct Packed {
    isa: Isa,
    panels: Panels,
    /// K, rounded up to whole quads.
    k: usize,
}

enum Panels {
    F32(Vec<f32>),
    Bf16(Vec<u16>),
    Int8(Int8Panels),
}

struct Int8Panels {
    quads: Vec<i8>,
    /// What 1 stands for: (panels, `PANEL`).
    scales: Vec<f32>,
    /// Where the kernels' sums start, `-ZERO` times the sum of a column: (panels, groups of K).
    starts: Vec<[i32; PANEL]>,
}

impl Matrix for Packed {
    type Plan = (Isa, Precision);

    fn stack(plan: Self::Plan, parts: &[Part<'_>], k: usize) -> Self {
        let lines = parts
            .iter()
            .flat_map(|part| (0..part.rows).map(move |row| Some(part.numbers.slice(row * k, k))));
        Self::pack(plan, k, &lines.collect::<Vec<_>>())
    }

    /// A panel of gate, the panel of up that belongs to it, and so on.
    fn gate_up(plan: Self::Plan, gate: Part<'_>, up: Part<'_>, k: usize) -> Self {
        let mut lines = Vec::new();
        for panel in 0..gate.rows.div_ceil(PANEL) {
            for part in [gate, up] {
                let rows = panel * PANEL..(panel + 1) * PANEL;
                lines.extend(
                    rows.map(|row| (row < part.rows).then(|| part.numbers.slice(row * k, k))),
                );
            }
        }
        Self::pack(plan, k, &lines)
    }
}

impl Packed {
    /// `lines` are the packed matrix's rows of K numbers, `None` for zeros.
    fn pack((isa, precision): (Isa, Precision), k: usize, lines: &[Option<Numbers<'_>>]) -> Self {
        let width = k.next_multiple_of(QUAD);
        let len = lines.len().next_multiple_of(PANEL) * width;
        let lines = lines.chunks(PANEL);
        let panels = match precision {
            Precision::F32 => {
                let mut panels = vec![0.0; len];
                for (panel, lines) in panels.chunks_mut(PANEL * width).zip(lines) {
                    interleave::<_, 1>(panel, k, lines, |_, numbers, out| numbers.read(0, out));
                }
                Panels::F32(panels)
            }
            Precision::Bf16 => {
                let mut panels = vec![0; len];
                for (panel, lines) in panels.chunks_mut(PANEL * width).zip(lines) {
                    interleave::<_, 2>(panel, k, lines, |_, numbers, out| numbers.read_bf16(out));
                }
                Panels::Bf16(panels)
            }
            Precision::Int8 => Panels::Int8(Int8Panels::pack(k, vec![0; len], lines)),
        };
        Self { isa, panels, k: width }
    }

    fn panel_count(&self) -> usize {
        let len = match &self.panels {
            Panels::F32(panels) => panels.len(),
            Panels::Bf16(panels) => panels.len(),
            Panels::Int8(panels) => panels.quads.len(),
        };
        len / (self.k * PANEL)
    }

    /// An input of the right type for [`Packed::product`], with room for `rows` rows.
    pub(crate) fn input(&self, rows: usize) -> Input {
        let stride = self.k;
        match &self.panels {
            Panels::F32(_) => Input::F32 { data: vec![0.0; rows * stride], stride },
            Panels::Bf16(_) => Input::Bf16 { data: vec![0; rows * stride], stride },
            Panels::Int8(_) => Input::Int8(Int8Input {
                written: vec![0.0; rows * stride],
                bytes: vec![ZERO; rows * stride],
                scales: vec![0.0; rows * stride.div_ceil(GROUP)],
                stride,
            }),
        }
    }

    /// `x W^T` for the first `rows` rows of `x`, `group` panels at a time: `done` gets the index
    /// of the group's first column and a tile of (rows, `group * PANEL`).
    pub(crate) fn product(
        &self,
        x: &mut Input,
        rows: usize,
        tile: &mut Tile,
        mut done: impl FnMut(usize, &[f32]),
    ) {
        let width = tile.group * PANEL;
        let panel_len = self.k * PANEL;
        if let Input::Int8(x) = x {
            self.isa.wide(
                #[inline(always)]
                || x.round(rows),
            );
        }
        for panel in 0..self.panel_count() {
            let within = panel % tile.group;
            let out = RowsMut { data: &mut tile.data[within * PANEL..], stride: width };
            let start = panel * panel_len;
            match (&self.panels, &*x) {
                (Panels::F32(panels), Input::F32 { data, stride }) => {
                    let x = Rows::new(data, rows, *stride);
                    self.isa.panel_f32(x, &panels[start..][..panel_len], out, false);
                }
                (Panels::Bf16(panels), Input::Bf16 { data, stride }) => {
                    let x = Rows::new(data, rows, *stride);
                    self.isa.panel_bf16(x, &panels[start..][..panel_len], out, false);
                }
                (Panels::Int8(panels), Input::Int8(x)) => {
                    let panel = panels.panel(panel, self.k);
                    panel.product(self.isa, (x, rows), &mut tile.sums, out);
                }
                (Panels::F32(_) | Panels::Bf16(_) | Panels::Int8(_), _) => {
                    unreachable!("inputs are made by the matrix they are for")
                }
            }
            if within + 1 == tile.group {
                done((panel - within) * PANEL, &tile.data[..rows * width]);
            }
        }
    }
}

/// Writes up to [`PANEL`] rows of K numbers as the columns of one panel of (K / `SIDE`, `PANEL`,
/// `SIDE`). `read` gets a column's index and a piece of its row.
fn interleave<T: Copy + Default, const SIDE: usize>(
    panel: &mut [T],
    k: usize,
    lines: &[Option<Numbers<'_>>],
    read: impl Fn(usize, Numbers<'_>, &mut [T]),
) {
    /// Small enough that the piece of the panel stays in the first cache meanwhile.
    const STEP: usize = 32;
    let panel = panel.as_chunks_mut::<SIDE>().0;
    for start in (0..k).step_by(STEP) {
        let n = STEP.min(k - start);
        for (column, line) in lines.iter().enumerate() {
            let Some(line) = line else { continue };
            let mut piece = [T::default(); STEP];
            read(column, line.slice(start, n), &mut piece[..n]);
            let out = panel[start / SIDE * PANEL + column..].iter_mut().step_by(PANEL);
            for (out, x) in out.zip(&piece.as_chunks::<SIDE>().0[..n.div_ceil(SIDE)]) {
                *out = *x;
            }
        }
    }
}

impl Int8Panels {
    fn pack(
        k: usize,
        mut quads: Vec<i8>,
        lines: std::slice::Chunks<'_, Option<Numbers<'_>>>,
    ) -> Self {
        let width = k.next_multiple_of(QUAD);
        let mut scales = vec![0.0; quads.len() / width];
        let mut starts = Vec::new();
        let mut row = vec![0.0; k];
        let columns = quads.chunks_mut(PANEL * width).zip(scales.chunks_mut(PANEL));
        for ((panel, scales), lines) in columns.zip(lines) {
            for (scale, line) in scales.iter_mut().zip(lines) {
                if let Some(line) = line {
                    line.read(0, &mut row);
                    *scale = int8_scale(&row);
                }
            }
            interleave::<_, QUAD>(panel, k, lines, |column, numbers, out| {
                let mut piece = [0.0; 32];
                let piece = &mut piece[..out.len()];
                numbers.read(0, piece);
                let inverse = inverse(scales[column]);
                for (out, x) in out.iter_mut().zip(piece) {
                    *out = to_int8(*x, inverse);
                }
            });
            starts.extend(panel.chunks(GROUP * PANEL).map(|group| {
                let mut sums = [0; PANEL];
                for quads in group.as_chunks::<{ QUAD * PANEL }>().0 {
                    for (sum, quad) in sums.iter_mut().zip(quads.as_chunks::<QUAD>().0) {
                        *sum -= i32::from(ZERO) * quad.iter().map(|x| i32::from(*x)).sum::<i32>();
                    }
                }
                sums
            }));
        }
        Self { quads, scales, starts }
    }

    /// The panel of this index, of a matrix of K = `k`.
    fn panel(&self, index: usize, k: usize) -> Int8Panel<'_> {
        let groups = k.div_ceil(GROUP);
        Int8Panel {
            quads: &self.quads[index * PANEL * k..][..PANEL * k],
            scales: &self.scales[index * PANEL..][..PANEL],
            starts: &self.starts[index * groups..][..groups],
        }
    }
}

#[derive(Clone, Copy)]
struct Int8Panel<'a> {
    quads: &'a [i8],
    scales: &'a [f32],
    starts: &'a [[i32; PANEL]],
}

impl Int8Panel<'_> {
    /// Exact sums over each group, times the row's scale of that group and the column's scale,
    /// added up in order. `sums` is working memory.
    fn product(
        self,
        isa: Isa,
        (x, rows): (&Int8Input, usize),
        sums: &mut [i32],
        out: RowsMut<'_, f32>,
    ) {
        let groups = self.quads.chunks(GROUP * PANEL).zip(self.starts);
        for (group, (quads, start)) in groups.enumerate() {
            let view = Rows::new(&x.bytes[group * GROUP..], rows, x.stride);
            isa.panel_int8(view, quads, start, RowsMut { data: sums, stride: PANEL });
            isa.wide(
                #[inline(always)]
                || {
                    let rows = out.data.chunks_mut(out.stride).zip(sums.chunks(PANEL)).take(rows);
                    for (row, (out, sums)) in rows.enumerate() {
                        let scale = x.scales[row * self.starts.len() + group];
                        for ((out, sum), column) in out.iter_mut().zip(sums).zip(self.scales) {
                            let before = if group == 0 { 0.0 } else { *out };
                            *out = before + *sum as f32 * (scale * column);
                        }
                    }
                },
            );
        }
    }
}

/// The left side of a product, in the type of the weights.
pub(crate) enum Input {
    F32 { data: Vec<f32>, stride: usize },
    Bf16 { data: Vec<u16>, stride: usize },
    Int8(Int8Input),
}

/// Rows are written in pieces, but rounded by the largest number of a whole group: as late as
/// [`Packed::product`].
pub(crate) struct Int8Input {
    written: Vec<f32>,
    /// With [`ZERO`] added to each.
    bytes: Vec<u8>,
    /// (rows, groups)
    scales: Vec<f32>,
    stride: usize,
}

impl Input {
    /// Writes (a piece of) a row, from column `start` on.
    #[inline(always)]
    pub(crate) fn write(&mut self, row: usize, start: usize, numbers: &[f32]) {
        match self {
            Self::F32 { data, stride } | Self::Int8(Int8Input { written: data, stride, .. }) => {
                data[row * *stride + start..][..numbers.len()].copy_from_slice(numbers);
            }
            Self::Bf16 { data, stride } => {
                let out = &mut data[row * *stride + start..][..numbers.len()];
                for (out, x) in out.iter_mut().zip(numbers) {
                    *out = to_bf16(*x);
                }
            }
        }
    }
}

impl Int8Input {
    #[inline(always)]
    fn round(&mut self, rows: usize) {
        let groups = self.stride.div_ceil(GROUP);
        let written = self.written.chunks(self.stride).zip(self.bytes.chunks_mut(self.stride));
        for ((x, bytes), scales) in written.zip(self.scales.chunks_mut(groups)).take(rows) {
            let parts = x.chunks(GROUP).zip(bytes.chunks_mut(GROUP));
            for ((x, bytes), scale) in parts.zip(scales) {
                *scale = int8_scale(x);
                let inverse = inverse(*scale);
                for (byte, x) in bytes.iter_mut().zip(x) {
                    *byte = to_int8(*x, inverse).cast_unsigned().wrapping_add(ZERO);
                }
            }
        }
    }
}

/// What 1 stands for when the largest number becomes 127. Not finite where `x` is not.
#[inline(always)]
fn int8_scale(x: &[f32]) -> f32 {
    // As integers, so that a not-a-number is larger than all others.
    let largest = x.iter().fold(0, |largest, x| largest.max(x.abs().to_bits()));
    f32::from_bits(largest) / 127.0
}

/// By what numbers are multiplied before they are rounded; 0 where all become 0.
#[inline(always)]
fn inverse(scale: f32) -> f32 {
    let inverse = 1.0 / scale;
    if inverse.is_finite() { inverse } else { 0.0 }
}

/// The nearest integer to `x * inverse`, ties to even. Of numbers that are not finite, some byte.
#[inline(always)]
fn to_int8(x: f32, inverse: f32) -> i8 {
    /// Added to a small number, it leaves an integer in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    (x * inverse + ROUND).to_bits() as i8
}

/// Where a product stands until its consumer has seen it: small enough for the nearest cache.
pub(crate) struct Tile {
    data: Vec<f32>,
    /// Exact sums of one panel in 8 bits.
    sums: Vec<i32>,
    group: usize,
}

impl Tile {
    /// Room for `rows` rows of `group` panels.
    pub(crate) fn new(rows: usize, group: usize) -> Self {
        Self { data: vec![0.0; rows * group * PANEL], sums: vec![0; rows * PANEL], group }
    }
}

#[cfg(test)]
mod tests;
