//! Causal attention with grouped heads over cached keys and values.
//!
//! Keys stand in blocks by absolute position, so that what a query computes, and in which order,
//! depends on its position alone: not on the sequences beside it, and not on whether the first
//! blocks belong to a prefix that others share.

use crate::kernel::{Isa, PANEL, Rows, RowsMut};
use crate::layers::{SoftmaxState, softmax_step};

/// Keys of one block.
pub(crate) const BLOCK: usize = 64;

/// Sizes that the functions of this module share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub isa: Isa,
    pub head_dim: usize,
}

/// The keys and values of one sequence for one head of one layer, in blocks: those of a shared
/// prefix first, then its own. An own first block repeats the prefix's unfinished last one.
#[derive(Clone, Copy)]
pub(crate) struct Keys<'a> {
    pub shared: &'a [f32],
    pub own: &'a [f32],
}

impl Shape {
    /// `head_dim`, filled up to whole panels.
    fn width(self) -> usize {
        self.head_dim.next_multiple_of(PANEL)
    }

    /// Numbers of one block: keys as panels of (D, `PANEL`), then values as panels of
    /// (`BLOCK`, `PANEL`).
    pub(crate) fn block_len(self) -> usize {
        BLOCK * (self.head_dim + self.width())
    }

    /// Writes the key and the value of absolute position `position` into its block, where
    /// `blocks` begins with block `first`.
    pub(crate) fn insert(
        self,
        blocks: &mut [f32],
        first: usize,
        position: usize,
        (key, value): (&[f32], &[f32]),
    ) {
        let block = &mut blocks[(position / BLOCK - first) * self.block_len()..];
        let (keys, values) = block[..self.block_len()].split_at_mut(BLOCK * self.head_dim);
        let slot = position % BLOCK;
        let panel = &mut keys[slot / PANEL * PANEL * self.head_dim..];
        for (d, key) in key.iter().enumerate() {
            panel[d * PANEL + slot % PANEL] = *key;
        }
        for (panel, value) in value.chunks(PANEL).enumerate() {
            let start = (panel * BLOCK + slot) * PANEL;
            values[start..][..value.len()].copy_from_slice(value);
        }
    }

    /// Attention of one head for consecutive queries of one sequence, the first at absolute
    /// position `position`. Returns rows of `width` numbers in `scratch`, see [`Scratch::row`].
    ///
    /// `q`: (rows, D), not scaled.
    pub(crate) fn attend(
        self,
        q: Rows<'_, f32>,
        position: usize,
        keys: Keys<'_>,
        scratch: &mut Scratch,
    ) {
        let (width, block_len) = (self.width(), self.block_len());
        let scale = 1.0 / (self.head_dim as f32).sqrt();
        let Scratch { scores, mixed, states, .. } = scratch;
        mixed[..q.rows * width].fill(0.0);
        states[..q.rows].fill(SoftmaxState::EMPTY);
        let shared = keys.shared.len() / block_len;
        for block in 0..=(position + q.rows - 1) / BLOCK {
            let data = match block.checked_sub(shared) {
                None => &keys.shared[block * block_len..],
                Some(own) => &keys.own[own * block_len..],
            };
            let (keys, values) = data[..block_len].split_at(BLOCK * self.head_dim);
            // Queries before this block see none of it.
            let first = (block * BLOCK).saturating_sub(position);
            let rows = q.rows - first;
            let q = Rows { data: &q.data[first * q.stride..], rows, ..q };
            for (index, panel) in keys.chunks(self.head_dim * PANEL).enumerate() {
                let out = RowsMut { data: &mut scores[index * PANEL..], stride: BLOCK };
                self.isa.panel_f32(q, panel, out, false);
            }
            let mixed = &mut mixed[first * width..];
            self.isa.wide(
                #[inline(always)]
                || {
                    for row in 0..rows {
                        let visible = position + first + row + 1 - block * BLOCK;
                        let scores = &mut scores[row * BLOCK..][..BLOCK];
                        let state = &mut states[first + row];
                        let factor = softmax_step(scores, visible, scale, state);
                        for x in &mut mixed[row * width..][..width] {
                            *x *= factor;
                        }
                    }
                },
            );
            let weights = Rows { data: scores, rows, stride: BLOCK };
            for (index, panel) in values.chunks(BLOCK * PANEL).enumerate() {
                let out = RowsMut { data: &mut mixed[index * PANEL..], stride: width };
                self.isa.panel_f32(weights, panel, out, true);
            }
        }
        for (row, state) in mixed.chunks_mut(width).zip(&states[..q.rows]) {
            for x in row {
                *x /= state.sum;
            }
        }
    }
}

/// Working memory of [`Shape::attend`].
pub(crate) struct Scratch {
    scores: Vec<f32>,
    mixed: Vec<f32>,
    states: Vec<SoftmaxState>,
    shape: Shape,
}

impl Scratch {
    /// Room for `rows` queries.
    pub(crate) fn new(shape: Shape, rows: usize) -> Self {
        Self {
            scores: vec![0.0; rows * BLOCK],
            mixed: vec![0.0; rows * shape.width()],
            states: vec![SoftmaxState::EMPTY; rows],
            shape,
        }
    }

    /// The result of one query of the last [`Shape::attend`]: (D).
    pub(crate) fn row(&self, row: usize) -> &[f32] {
        &self.mixed[row * self.shape.width()..][..self.shape.head_dim]
    }
}
