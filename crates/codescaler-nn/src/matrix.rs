//! Weight matrices: as the file has them, and packed for the kernels.

use crate::kernel::{Isa, PANEL, Precision, Rows, RowsMut, to_bf16};
use crate::weights::Numbers;

/// One tensor of (rows, K) out of which a matrix is made.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    pub numbers: Numbers<'a>,
    pub rows: usize,
}

/// A matrix of (N, K) that is made of the tensors of a file.
pub(crate) trait Matrix: Sized {
    /// How to make it, beyond the numbers.
    type Plan: Copy;

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
/// (panels, K, `PANEL`) in f32, (panels, K / 2, `PANEL`, 2) in bfloat16. Filled up with zeros.
pub(crate) struct Packed {
    isa: Isa,
    panels: Panels,
    /// K, rounded up to even.
    k: usize,
}

enum Panels {
    F32(Vec<f32>),
    Bf16(Vec<u16>),
}

impl Matrix for Packed {
    type Plan = (Isa, Precision);

    fn stack(plan: Self::Plan, parts: &[Part<'_>], k: usize) -> Self {
        let row_of = parts.iter().flat_map(|part| (0..part.rows).map(move |row| Some((part, row))));
        Self::pack(plan, k, row_of)
    }

    /// A panel of gate, the panel of up that belongs to it, and so on.
    fn gate_up(plan: Self::Plan, gate: Part<'_>, up: Part<'_>, k: usize) -> Self {
        let panels = gate.rows.div_ceil(PANEL);
        let panel = |part, index: usize| {
            let rows = index * PANEL..(index + 1) * PANEL;
            rows.map(move |row| Some((part, row)).filter(|_| row < gate.rows))
        };
        let row_of = (0..panels).flat_map(|index| panel(&gate, index).chain(panel(&up, index)));
        Self::pack(plan, k, row_of)
    }
}

impl Packed {
    /// `row_of` says which row of which part each row of the packed matrix is, `None` for zeros.
    fn pack<'p>(
        (isa, precision): (Isa, Precision),
        k: usize,
        row_of: impl Iterator<Item = Option<(&'p Part<'p>, usize)>>,
    ) -> Self {
        let even = k.next_multiple_of(2);
        let mut line = vec![0.0; even];
        let mut panels = match precision {
            Precision::F32 => Panels::F32(Vec::new()),
            Precision::Bf16 => Panels::Bf16(Vec::new()),
        };
        for (index, source) in row_of.enumerate() {
            if index.is_multiple_of(PANEL) {
                panels.grow(even * PANEL);
            }
            let Some((part, row)) = source else { continue };
            part.numbers.read(row * k, &mut line[..k]);
            let start = index / PANEL * PANEL * even;
            panels.set_column(start, index % PANEL, &line);
        }
        Self { isa, panels, k: even }
    }

    fn panel_count(&self) -> usize {
        let len = match &self.panels {
            Panels::F32(panels) => panels.len(),
            Panels::Bf16(panels) => panels.len(),
        };
        len / (self.k * PANEL)
    }

    /// An input of the right type for [`Packed::product`], with room for `rows` rows.
    pub(crate) fn input(&self, rows: usize) -> Input {
        match &self.panels {
            Panels::F32(_) => Input::F32 { data: vec![0.0; rows * self.k], stride: self.k },
            Panels::Bf16(_) => Input::Bf16 { data: vec![0; rows * self.k], stride: self.k },
        }
    }

    /// `x W^T` for the first `rows` rows of `x`, `group` panels at a time: `done` gets the index
    /// of the group's first column and a tile of (rows, `group * PANEL`).
    pub(crate) fn product(
        &self,
        x: &Input,
        rows: usize,
        tile: &mut Tile,
        mut done: impl FnMut(usize, &[f32]),
    ) {
        let width = tile.group * PANEL;
        let panel_len = self.k * PANEL;
        for panel in 0..self.panel_count() {
            let within = panel % tile.group;
            let out = RowsMut { data: &mut tile.data[within * PANEL..], stride: width };
            let start = panel * panel_len;
            match (&self.panels, x) {
                (Panels::F32(panels), Input::F32 { data, stride }) => {
                    let x = Rows { data, rows, stride: *stride };
                    self.isa.panel_f32(x, &panels[start..][..panel_len], out, false);
                }
                (Panels::Bf16(panels), Input::Bf16 { data, stride }) => {
                    let x = Rows { data, rows, stride: *stride };
                    self.isa.panel_bf16(x, &panels[start..][..panel_len], out);
                }
                (Panels::F32(_), Input::Bf16 { .. }) | (Panels::Bf16(_), Input::F32 { .. }) => {
                    unreachable!("inputs are made by the matrix they are for")
                }
            }
            if within + 1 == tile.group {
                done((panel - within) * PANEL, &tile.data[..rows * width]);
            }
        }
    }
}

impl Panels {
    fn grow(&mut self, by: usize) {
        match self {
            Self::F32(panels) => panels.resize(panels.len() + by, 0.0),
            Self::Bf16(panels) => panels.resize(panels.len() + by, 0),
        }
    }

    /// Writes one row of the matrix as a column of the panel that begins at `start`.
    fn set_column(&mut self, start: usize, column: usize, line: &[f32]) {
        match self {
            Self::F32(panels) => {
                for (j, x) in line.iter().enumerate() {
                    panels[start + j * PANEL + column] = *x;
                }
            }
            Self::Bf16(panels) => {
                for (pair, x) in line.as_chunks::<2>().0.iter().enumerate() {
                    let at = start + (pair * PANEL + column) * 2;
                    panels[at] = to_bf16(x[0]);
                    panels[at + 1] = to_bf16(x[1]);
                }
            }
        }
    }
}

/// The left side of a product, in the type of the weights.
pub(crate) enum Input {
    F32 { data: Vec<f32>, stride: usize },
    Bf16 { data: Vec<u16>, stride: usize },
}

impl Input {
    /// Writes (a piece of) a row, from column `start` on.
    #[inline(always)]
    pub(crate) fn write(&mut self, row: usize, start: usize, numbers: &[f32]) {
        match self {
            Self::F32 { data, stride } => {
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

/// Where a product stands until its consumer has seen it: small enough for the nearest cache.
pub(crate) struct Tile {
    data: Vec<f32>,
    group: usize,
}

impl Tile {
    /// Room for `rows` rows of `group` panels.
    pub(crate) fn new(rows: usize, group: usize) -> Self {
        Self { data: vec![0.0; rows * group * PANEL], group }
    }
}
