//! Products of activations, gradients and weights that change: packed anew each time, for the
//! same kernels that scoring uses.

use std::num::NonZeroUsize;
use std::ops::Range;

use super::buffers::{Buffer, Memory};
use crate::attention::Cell;
use crate::kernel::{Isa, PANEL, Rows, RowsMut};
use crate::parallel;

/// Rows that one thread computes at a time.
const ROWS_MAX: usize = 96;
/// The tallest tile of any kernel.
const ROWS_STEP: usize = 12;
/// Panels whose columns are one thread's rows in [`Panels::multiply_turned`].
const PANELS_MAX: usize = 2;
/// Numbers along K that stay in the nearest cache while [`Panels::multiply_turned`] uses them.
const DEPTH: usize = 256;

/// Who computes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Team {
    pub isa: Isa,
    pub threads: NonZeroUsize,
}

impl Team {
    /// [`parallel::for_each`] without working memory.
    pub(crate) fn each<T: Send>(
        self,
        items: impl ExactSizeIterator<Item = T> + Send,
        work: impl Fn(T) + Sync,
    ) {
        parallel::for_each(&mut vec![(); self.threads.get()], items, |(), item| work(item));
    }

    /// Rows of an item, where `rows` are shared out.
    pub(crate) fn rows(self, rows: usize) -> usize {
        rows.div_ceil(self.threads.get()).next_multiple_of(ROWS_STEP).clamp(ROWS_STEP, ROWS_MAX)
    }
}

/// The right side B of a product, (K, N), as panels of (K / `SIDE`, `PANEL`, `SIDE`). K and N are
/// filled up with zeros.
pub(crate) struct Panels<'a, C> {
    team: Team,
    data: Buffer<'a, C>,
    /// K, a multiple of `SIDE`.
    pub k: usize,
    n: usize,
}

impl<'a, C: Cell> Panels<'a, C> {
    /// B is `x`, (K, N), whose rows are `stride` apart.
    pub(crate) fn of(team: Team, memory: &'a Memory, (x, stride): (&[C], usize), n: usize) -> Self {
        let k = (x.len() / stride).next_multiple_of(C::SIDE);
        let mut data = memory.cells(n.div_ceil(PANEL) * PANEL * k);
        team.each(data.chunks_mut(PANEL * k).enumerate(), |(index, panel)| {
            let columns = index * PANEL..n.min((index + 1) * PANEL);
            pack(team.isa, (x, stride), columns, panel, |x| x);
        });
        Self { team, data, k, n }
    }

    /// B is the transpose of `x`, (N, K).
    pub(crate) fn of_transposed(team: Team, memory: &'a Memory, x: &[C], columns: usize) -> Self {
        let (k, n) = (columns.next_multiple_of(C::SIDE), x.len() / columns);
        let mut data = memory.cells(n.div_ceil(PANEL) * PANEL * k);
        let items = data.chunks_mut(PANEL * k).zip(x.chunks(PANEL * columns));
        team.each(items, |(panel, x)| pack_turned(x, columns, panel));
        Self { team, data, k, n }
    }

    /// `a B` for the rows of `a`, (M, K), each number made of its sum: (M, N).
    pub(crate) fn multiply<O: Copy + Default + Send + Sync>(
        &self,
        a: Rows<'_, C>,
        out: &mut [O],
        cell: impl Fn(f32) -> O + Sync,
    ) {
        self.tiles(
            a,
            None,
            out,
            #[inline(always)]
            |index, sums, out| {
                // One long loop for the whole tile: that is what becomes wide vectors.
                let mut cells = [O::default(); ROWS_MAX * PANEL];
                cells.iter_mut().zip(sums).for_each(|(out, sum)| *out = cell(*sum));
                self.write(index, &cells, out, <[O]>::copy_from_slice);
            },
        );
    }

    /// `start + a B` for the rows of `a`, (M, K): (M, N).
    pub(crate) fn multiply_onto(&self, a: Rows<'_, C>, start: &[f32], out: &mut [f32]) {
        self.tiles(
            a,
            Some(start),
            out,
            #[inline(always)]
            |index, sums, out| self.write(index, sums, out, add),
        );
    }

    /// `write` gets the index of a panel, the sums of some rows of `a B` in its columns, and these
    /// rows of `out`, which are those of `start` by then, where there is one.
    fn tiles<O: Copy + Send + Sync>(
        &self,
        a: Rows<'_, C>,
        start: Option<&[O]>,
        out: &mut [O],
        write: impl Fn(usize, &[f32], &mut [O]) + Sync,
    ) {
        let rows_max = self.team.rows(a.rows);
        let items = out[..a.rows * self.n].chunks_mut(rows_max * self.n).enumerate();
        self.team.each(items, |(item, out)| {
            if let Some(start) = start {
                out.copy_from_slice(&start[item * rows_max * self.n..][..out.len()]);
            }
            let rows = out.len() / self.n;
            let mut tile = [0.0; ROWS_MAX * PANEL];
            let a = Rows { data: &a.data[item * rows_max * a.stride..], rows, ..a };
            for (index, panel) in self.data.chunks(PANEL * self.k).enumerate() {
                let sums = RowsMut { data: &mut tile, stride: PANEL };
                C::panel(self.team.isa, a, panel, sums, false);
                self.team.isa.wide(
                    #[inline(always)]
                    || write(index, &tile[..rows * PANEL], out),
                );
            }
        });
    }

    /// `a^T B` for `a`, (K, M), packed as B is: `write` as in [`Panels::multiply`].
    pub(crate) fn multiply_turned<O: Send>(
        &self,
        a: &Self,
        out: &mut [O],
        write: impl Fn(&mut [O], &[f32]) + Sync,
    ) {
        let k = self.k;
        assert_eq!(a.k, k, "both sides run over the same rows");
        let items = out[..a.n * self.n].chunks_mut(PANELS_MAX * PANEL * self.n);
        self.team.each(items.zip(a.data.chunks(PANELS_MAX * PANEL * k)), |(out, a)| {
            let mut tile = [0.0; PANELS_MAX * PANEL * PANEL];
            for (index, panel) in self.data.chunks(PANEL * k).enumerate() {
                for (block, b) in panel.chunks(DEPTH * PANEL).enumerate() {
                    let rows = a.chunks(PANEL * k).zip(tile.chunks_mut(PANEL * PANEL));
                    for (a, sums) in rows {
                        let a = Rows::of_panel(&a[block * DEPTH * PANEL..][..b.len()], PANEL);
                        let sums = RowsMut { data: sums, stride: PANEL };
                        C::panel(self.team.isa, a, b, sums, block > 0);
                    }
                }
                self.team.isa.wide(
                    #[inline(always)]
                    || self.write(index, &tile, out, &write),
                );
            }
        });
    }

    /// Hands what belongs to panel `index` on, row by row.
    #[inline(always)]
    fn write<T, O>(&self, index: usize, tile: &[T], out: &mut [O], write: impl Fn(&mut [O], &[T])) {
        let columns = index * PANEL..self.n.min((index + 1) * PANEL);
        for (out, tile) in out.chunks_mut(self.n).zip(tile.as_chunks::<PANEL>().0) {
            let out = &mut out[columns.clone()];
            // A whole panel has a length that the compiler knows.
            match out.first_chunk_mut::<PANEL>() {
                Some(out) => write(out, tile),
                None => write(out, &tile[..columns.len()]),
            }
        }
    }
}

/// Some columns of `x`, rows of `stride` numbers, as one panel of (K / `SIDE`, `PANEL`, `SIDE`),
/// where rows run along K; columns and rows that are not there are zero.
pub(crate) fn pack<T: Copy, C: Cell>(
    isa: Isa,
    (x, stride): (&[T], usize),
    columns: Range<usize>,
    panel: &mut [C],
    cell: impl Fn(T) -> C,
) {
    isa.wide(
        #[inline(always)]
        || {
            let mut groups = x.chunks(C::SIDE * stride);
            for out in panel.chunks_exact_mut(PANEL * C::SIDE) {
                let group = groups.next().unwrap_or_default();
                let rows = group.len() / stride;
                // Whole pairs of whole rows, in a shape that becomes a few vector instructions.
                let pair = (C::SIDE == 2 && rows == 2).then(|| group.split_at(stride));
                let whole = |row: &'_ [T]| row[columns.clone()].first_chunk::<PANEL>().copied();
                let pair = pair.and_then(|(even, odd)| whole(even).zip(whole(odd)));
                if let Some((even, odd)) = pair {
                    let out = out.as_chunks_mut::<2>().0.iter_mut();
                    for (out, (even, odd)) in out.zip(even.iter().zip(&odd)) {
                        *out = [cell(*even), cell(*odd)];
                    }
                } else {
                    out.fill(C::default());
                    for (side, row) in group.chunks(stride).enumerate() {
                        let out = out[side..].iter_mut().step_by(C::SIDE);
                        out.zip(&row[columns.clone()]).for_each(|(out, x)| *out = cell(*x));
                    }
                }
            }
        },
    );
}

/// Up to [`PANEL`] rows of K numbers as the columns of one panel; what is not there is zero.
pub(crate) fn pack_turned<C: Cell>(x: &[C], k: usize, panel: &mut [C]) {
    if x.len() < panel.len() {
        panel.fill(C::default());
    }
    for (column, x) in x.chunks(k).enumerate() {
        match C::SIDE {
            2 => turn::<C, 2>(&mut panel[column * 2..], x),
            _ => turn::<C, 1>(&mut panel[column..], x),
        }
    }
}

/// One row as a column of a panel of which `panel` is the rest.
fn turn<C: Cell, const SIDE: usize>(panel: &mut [C], x: &[C]) {
    let (groups, rest) = x.as_chunks::<SIDE>();
    let mut out = panel.chunks_mut(PANEL * SIDE);
    for (group, out) in groups.iter().zip(&mut out) {
        out[..SIDE].copy_from_slice(group);
    }
    if let Some(out) = out.next() {
        out[..rest.len()].copy_from_slice(rest);
    }
}

/// The sums are added.
#[inline(always)]
pub(crate) fn add(out: &mut [f32], sums: &[f32]) {
    out.iter_mut().zip(sums).for_each(|(out, sum)| *out += sum);
}

/// Numbers, rounded.
#[inline(always)]
pub(crate) fn round<C: Cell>(out: &mut [C], sums: &[f32]) {
    out.iter_mut().zip(sums).for_each(|(out, sum)| *out = C::round(*sum));
}

/// All numbers, rounded.
pub(crate) fn rounded<'a, C: Cell>(team: Team, memory: &'a Memory, x: &[f32]) -> Buffer<'a, C> {
    const PIECE: usize = 1 << 15;
    let mut out = memory.cells(x.len());
    team.each(out.chunks_mut(PIECE).zip(x.chunks(PIECE)), |(out, x)| {
        team.isa.wide(
            #[inline(always)]
            || round(out, x),
        );
    });
    out
}
