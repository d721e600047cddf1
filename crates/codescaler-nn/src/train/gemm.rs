//! Products of activations, gradients and weights that change: packed anew each time, for the
//! same kernels that scoring uses.

use std::num::NonZeroUsize;

use crate::attention::Cell;
use crate::kernel::{Isa, PANEL, Rows, RowsMut};
use crate::parallel;

/// Rows that one thread computes at a time.
const ROWS_MAX: usize = 96;
/// The tallest tile of any kernel.
const ROWS_STEP: usize = 12;

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
pub(crate) struct Panels<C> {
    data: Vec<C>,
    /// K, a multiple of `SIDE`.
    pub k: usize,
    n: usize,
}

impl<C: Cell> Panels<C> {
    /// B is `x`, (K, N).
    pub(crate) fn of(team: Team, x: &[C], n: usize) -> Self {
        let rows = x.len() / n;
        let k = rows.next_multiple_of(C::SIDE);
        let mut data = vec![C::default(); n.div_ceil(PANEL) * PANEL * k];
        team.each(data.chunks_mut(PANEL * k).enumerate(), |(index, panel)| {
            let columns = index * PANEL..n.min((index + 1) * PANEL);
            team.isa.wide(
                #[inline(always)]
                || {
                    let out = panel.chunks_exact_mut(PANEL * C::SIDE);
                    for (out, rows) in out.zip(x.chunks(C::SIDE * n)) {
                        for (side, row) in rows.chunks(n).enumerate() {
                            let out = out[side..].iter_mut().step_by(C::SIDE);
                            out.zip(&row[columns.clone()]).for_each(|(out, x)| *out = *x);
                        }
                    }
                },
            );
        });
        Self { data, k, n }
    }

    /// B is the transpose of `x`, (N, K).
    pub(crate) fn of_transposed(team: Team, x: &[C], columns: usize) -> Self {
        let (k, n) = (columns.next_multiple_of(C::SIDE), x.len() / columns);
        let mut data = vec![C::default(); n.div_ceil(PANEL) * PANEL * k];
        let items = data.chunks_mut(PANEL * k).zip(x.chunks(PANEL * columns));
        team.each(items, |(panel, x)| {
            for (column, x) in x.chunks(columns).enumerate() {
                let out = panel[column * C::SIDE..].chunks_mut(PANEL * C::SIDE);
                for (out, x) in out.zip(x.chunks(C::SIDE)) {
                    out[..x.len()].copy_from_slice(x);
                }
            }
        });
        Self { data, k, n }
    }

    /// `a B` for the rows of `a`, (M, K): `write` gets a piece of a row of `out`, (M, N), and the
    /// sums that belong there.
    pub(crate) fn multiply<O: Send>(
        &self,
        team: Team,
        a: Rows<'_, C>,
        out: &mut [O],
        write: impl Fn(&mut [O], &[f32]) + Sync,
    ) {
        let rows_max = team.rows(a.rows);
        let items = out[..a.rows * self.n].chunks_mut(rows_max * self.n).enumerate();
        team.each(items, |(item, out)| {
            let rows = out.len() / self.n;
            let mut tile = [0.0; ROWS_MAX * PANEL];
            let a = Rows { data: &a.data[item * rows_max * a.stride..], rows, ..a };
            for (index, panel) in self.data.chunks(PANEL * self.k).enumerate() {
                let sums = RowsMut { data: &mut tile, stride: PANEL };
                C::panel(team.isa, a, panel, sums, false);
                let columns = index * PANEL..self.n.min((index + 1) * PANEL);
                team.isa.wide(
                    #[inline(always)]
                    || {
                        for (out, sums) in out.chunks_mut(self.n).zip(tile.chunks(PANEL)) {
                            write(&mut out[columns.clone()], sums);
                        }
                    },
                );
            }
        });
    }
}

/// A piece of a row of [`Panels::multiply`] becomes the sums.
#[inline(always)]
pub(crate) fn set(out: &mut [f32], sums: &[f32]) {
    out.iter_mut().zip(sums).for_each(|(out, sum)| *out = *sum);
}

/// The sums are added.
#[inline(always)]
pub(crate) fn add(out: &mut [f32], sums: &[f32]) {
    out.iter_mut().zip(sums).for_each(|(out, sum)| *out += sum);
}

/// A piece of a row becomes the sums, rounded.
#[inline(always)]
pub(crate) fn round<C: Cell>(out: &mut [C], sums: &[f32]) {
    out.iter_mut().zip(sums).for_each(|(out, sum)| *out = C::round(*sum));
}

/// All numbers, rounded.
pub(crate) fn rounded<C: Cell>(team: Team, x: &[f32]) -> Vec<C> {
    const PIECE: usize = 1 << 15;
    let mut out = vec![C::default(); x.len()];
    team.each(out.chunks_mut(PIECE).zip(x.chunks(PIECE)), |(out, x)| {
        team.isa.wide(
            #[inline(always)]
            || round(out, x),
        );
    });
    out
}

/// `x`, (M, N), as (N, M), with rows of a length that kernels take.
pub(crate) struct Transposed<C> {
    data: Vec<C>,
    stride: usize,
    rows: usize,
}

impl<C: Cell> Transposed<C> {
    pub(crate) fn of(team: Team, x: &[C], n: usize) -> Self {
        // Rows a power of two apart would share the same few places of a cache.
        let stride = (x.len() / n).next_multiple_of(C::SIDE) + PANEL;
        let mut data = vec![C::default(); n * stride];
        team.each(data.chunks_mut(PANEL * stride).enumerate(), |(index, out)| {
            let columns = index * PANEL..n.min((index + 1) * PANEL);
            for (row, x) in x.chunks(n).enumerate() {
                let out = out[row..].iter_mut().step_by(stride);
                out.zip(&x[columns.clone()]).for_each(|(out, x)| *out = *x);
            }
        });
        Self { data, stride, rows: n }
    }

    pub(crate) fn rows(&self) -> Rows<'_, C> {
        Rows { data: &self.data, rows: self.rows, stride: self.stride }
    }
}
