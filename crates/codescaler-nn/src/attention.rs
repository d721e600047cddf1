//! Causal attention with grouped heads over cached keys and values.
//!
//! Keys stand in blocks by absolute position, so that what a query computes, and in which order,
//! depends on its position alone: not on the sequences beside it, and not on whether the first
//! blocks belong to a prefix that others share.

use crate::kernel::{Isa, PANEL, Rows, RowsMut, from_bf16, to_bf16};
use crate::layers::{SoftmaxState, softmax_step};
use crate::train::buffers::{Buffers, Memory};

/// Keys of one block.
pub(crate) const BLOCK: usize = 64;

/// What queries, keys, weights and values are kept in: f32, or the bits of a bfloat16.
pub(crate) trait Cell: Copy + Default + Send + Sync + 'static {
    /// Numbers along K that stand side by side in a panel.
    const SIDE: usize = Rows::<Self>::SIDE;

    fn round(x: f32) -> Self;

    /// The same number, exactly.
    fn widen(self) -> f32;

    /// What is kept of each layer, which must be of this type.
    fn of(kept: &Layers) -> &[Vec<Self>];

    /// [`Cell::of`] to write to.
    fn of_mut(kept: &mut Layers) -> &mut [Vec<Self>];

    fn keep(layers: Vec<Vec<Self>>) -> Layers;

    /// The buffers of its type.
    fn buffers(memory: &Memory) -> &Buffers<Self>;

    /// The product of its type: [`Isa::panel_f32`] or [`Isa::panel_bf16`].
    fn panel(isa: Isa, a: Rows<'_, Self>, b: &[Self], c: RowsMut<'_, f32>, add: bool);
}

/// Keys and values of whole sequences, one buffer per layer.
pub(crate) enum Layers {
    F32(Vec<Vec<f32>>),
    Bf16(Vec<Vec<u16>>),
}

const OF_ONE_DECODER: &str = "a decoder keeps all keys in one type";

impl Cell for f32 {
    fn of(kept: &Layers) -> &[Vec<Self>] {
        let Layers::F32(layers) = kept else { unreachable!("{OF_ONE_DECODER}") };
        layers
    }

    fn of_mut(kept: &mut Layers) -> &mut [Vec<Self>] {
        let Layers::F32(layers) = kept else { unreachable!("{OF_ONE_DECODER}") };
        layers
    }

    fn keep(layers: Vec<Vec<Self>>) -> Layers {
        Layers::F32(layers)
    }

    fn buffers(memory: &Memory) -> &Buffers<Self> {
        &memory.f32
    }

    #[inline(always)]
    fn round(x: f32) -> Self {
        x
    }

    #[inline(always)]
    fn widen(self) -> f32 {
        self
    }

    fn panel(isa: Isa, a: Rows<'_, Self>, b: &[Self], c: RowsMut<'_, f32>, add: bool) {
        isa.panel_f32(a, b, c, add);
    }
}

impl Cell for u16 {
    fn of(kept: &Layers) -> &[Vec<Self>] {
        let Layers::Bf16(layers) = kept else { unreachable!("{OF_ONE_DECODER}") };
        layers
    }

    fn of_mut(kept: &mut Layers) -> &mut [Vec<Self>] {
        let Layers::Bf16(layers) = kept else { unreachable!("{OF_ONE_DECODER}") };
        layers
    }

    fn keep(layers: Vec<Vec<Self>>) -> Layers {
        Layers::Bf16(layers)
    }

    fn buffers(memory: &Memory) -> &Buffers<Self> {
        &memory.bf16
    }

    #[inline(always)]
    fn round(x: f32) -> Self {
        to_bf16(x)
    }

    #[inline(always)]
    fn widen(self) -> f32 {
        from_bf16(self)
    }

    fn panel(isa: Isa, a: Rows<'_, Self>, b: &[Self], c: RowsMut<'_, f32>, add: bool) {
        isa.panel_bf16(a, b, c, add);
    }
}

/// Sizes that the functions of this module share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub isa: Isa,
    pub head_dim: usize,
}

/// The keys and values of one sequence for one head of one layer, in blocks: those of a shared
/// prefix first, then its own. An own first block repeats the prefix's unfinished last one.
#[derive(Clone, Copy)]
pub(crate) struct Keys<'a, C> {
    pub shared: &'a [C],
    pub own: &'a [C],
}

impl Shape {
    /// `head_dim`, filled up to whole panels.
    fn width(self) -> usize {
        self.head_dim.next_multiple_of(PANEL)
    }

    /// Numbers of one block: keys as panels of (D / `SIDE`, `PANEL`, `SIDE`), then values as
    /// panels of (`BLOCK` / `SIDE`, `PANEL`, `SIDE`).
    pub(crate) fn block_len(self) -> usize {
        BLOCK * (self.head_dim + self.width())
    }

    /// Writes the key and the value of absolute position `position` into its block, where
    /// `blocks` begins with block `first`.
    pub(crate) fn insert<C: Cell>(
        self,
        blocks: &mut [C],
        first: usize,
        position: usize,
        (key, value): (&[f32], &[f32]),
    ) {
        let block = &mut blocks[(position / BLOCK - first) * self.block_len()..];
        let (keys, values) = block[..self.block_len()].split_at_mut(BLOCK * self.head_dim);
        let slot = position % BLOCK;
        let panel = &mut keys[slot / PANEL * PANEL * self.head_dim..];
        for (d, key) in key.iter().enumerate() {
            let at = (d / C::SIDE * PANEL + slot % PANEL) * C::SIDE;
            panel[at + d % C::SIDE] = C::round(*key);
        }
        for (panel, value) in values.chunks_mut(BLOCK * PANEL).zip(value.chunks(PANEL)) {
            let row = &mut panel[slot / C::SIDE * PANEL * C::SIDE..][..PANEL * C::SIDE];
            for (out, value) in row.iter_mut().skip(slot % C::SIDE).step_by(C::SIDE).zip(value) {
                *out = C::round(*value);
            }
        }
    }

    /// Attention of one head for consecutive queries of one sequence, the first at absolute
    /// position `position`. Returns rows of `width` numbers in `scratch`, see [`Scratch::row`].
    ///
    /// `q`: (rows, D), not scaled.
    pub(crate) fn attend<C: Cell>(
        self,
        q: Rows<'_, f32>,
        position: usize,
        keys: Keys<'_, C>,
        scratch: &mut Scratch<C>,
    ) {
        let (width, block_len) = (self.width(), self.block_len());
        scratch.begin(q);
        let Scratch { queries, scores, weights, mixed, states, .. } = scratch;
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
            let data = &queries[first * self.head_dim..];
            let q = Rows::new(data, rows, self.head_dim);
            for (index, panel) in keys.chunks(self.head_dim * PANEL).enumerate() {
                let out = RowsMut { data: &mut scores[index * PANEL..], stride: BLOCK };
                C::panel(self.isa, q, panel, out, false);
            }
            let visible = position + first + 1 - block * BLOCK;
            let (states, mixed) = (&mut states[first..][..rows], &mut mixed[first * width..]);
            match self.isa.fuses() {
                true => self.weigh::<C, true>(scores, weights, visible, (states, mixed)),
                false => self.weigh::<C, false>(scores, weights, visible, (states, mixed)),
            }
            let weights = Rows::new(weights, rows, BLOCK);
            for (index, panel) in values.chunks(BLOCK * PANEL).enumerate() {
                let out = RowsMut { data: &mut mixed[index * PANEL..], stride: width };
                C::panel(self.isa, weights, panel, out, true);
            }
        }
        for (row, state) in mixed.chunks_mut(width).zip(&states[..q.rows]) {
            for x in row {
                *x /= state.sum;
            }
        }
    }

    /// Makes weights of a block's scores; the first row sees `visible` of its keys, each further
    /// one more. What was mixed before is scaled to the new weights.
    fn weigh<C: Cell, const FUSED: bool>(
        self,
        scores: &mut [f32],
        weights: &mut [C],
        visible: usize,
        (states, mixed): (&mut [SoftmaxState], &mut [f32]),
    ) {
        let width = self.width();
        let rows = scores.as_chunks_mut::<BLOCK>().0.iter_mut();
        let rows = rows.zip(weights.as_chunks_mut::<BLOCK>().0).zip(states);
        self.isa.wide(
            #[inline(always)]
            || {
                for (index, ((scores, weights), state)) in rows.enumerate() {
                    let visible = visible + index;
                    let factor = softmax_step::<C, FUSED>(scores, weights, visible, state);
                    // The largest score seldom changes after the first blocks.
                    if factor != 1.0 {
                        for x in &mut mixed[index * width..][..width] {
                            *x *= factor;
                        }
                    }
                }
            },
        );
    }
}

/// Working memory of [`Shape::attend`].
pub(crate) struct Scratch<C> {
    /// (rows, D), scaled so that weights are powers of 2.
    queries: Vec<C>,
    scores: Vec<f32>,
    weights: Vec<C>,
    mixed: Vec<f32>,
    states: Vec<SoftmaxState>,
    shape: Shape,
}

impl<C: Cell> Scratch<C> {
    /// Room for `rows` queries.
    pub(crate) fn new(shape: Shape, rows: usize) -> Self {
        Self {
            queries: vec![C::default(); rows * shape.head_dim],
            scores: vec![0.0; rows * BLOCK],
            weights: vec![C::default(); rows * BLOCK],
            mixed: vec![0.0; rows * shape.width()],
            states: vec![SoftmaxState::EMPTY; rows],
            shape,
        }
    }

    fn begin(&mut self, q: Rows<'_, f32>) {
        let Shape { isa, head_dim } = self.shape;
        self.mixed[..q.rows * self.shape.width()].fill(0.0);
        self.states[..q.rows].fill(SoftmaxState::EMPTY);
        let scale = std::f32::consts::LOG2_E / (head_dim as f32).sqrt();
        isa.wide(
            #[inline(always)]
            || {
                let rows = self.queries.chunks_mut(head_dim).zip(q.data.chunks(q.stride));
                for (out, q) in rows.take(q.rows) {
                    out.iter_mut().zip(q).for_each(|(out, q)| *out = C::round(q * scale));
                }
            },
        );
    }

    /// The result of one query of the last [`Shape::attend`]: (D).
    pub(crate) fn row(&self, row: usize) -> &[f32] {
        &self.mixed[row * self.shape.width()..][..self.shape.head_dim]
    }
}
