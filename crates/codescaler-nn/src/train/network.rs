//! The decoder forward and backward over one batch.

use super::Trainer;
use super::attention::{Attention, Tree};
use super::buffers::{Buffer, Buffers, Memory};
use super::gemm::{Panels, Team, add, round, rounded};
use super::layout::{BlockLayout, Layout};
use crate::attention::Cell;
use crate::config::DecoderConfig;
use crate::kernel::Rows;
use crate::layers::{rms_norm, rms_norm_backward, swiglu, swiglu_backward};

/// The tokens of one batch side by side, (T), and how they hang together.
#[derive(Default)]
pub(crate) struct Batch {
    pub tokens: Vec<u32>,
    pub trees: Vec<Tree>,
    /// The rows that the head reads, ascending: (R). The last block computes no others.
    pub read: Vec<usize>,
}

impl Batch {
    /// Appends sequences that begin with the same `shared` tokens.
    pub(crate) fn push(&mut self, items: &[&[u32]], shared: usize) {
        let start = self.tokens.len();
        self.tokens.extend(&items.first().copied().unwrap_or_default()[..shared]);
        let root = start..self.tokens.len();
        let branch = |item: &&[u32]| {
            let start = self.tokens.len();
            self.tokens.extend(&item[shared..]);
            start..self.tokens.len()
        };
        let branches = items.iter().map(branch).collect();
        self.trees.push(Tree { root, branches });
    }

    /// Whether there are rows that the head does not read.
    fn is_narrowed(&self) -> bool {
        self.read.len() < self.tokens.len()
    }
}

/// A decoder with the parameters of one moment, in f32 and in the type of the products.
pub(crate) struct Moment<'a, C> {
    pub team: Team,
    pub memory: &'a Memory,
    pub config: &'a DecoderConfig,
    pub layout: &'a Layout,
    pub values: &'a [f32],
    blocks: Vec<BlockPanels<'a, C>>,
    rotary: (Vec<f32>, Vec<f32>),
}

/// One block's matrices, for both directions.
struct BlockPanels<'a, C> {
    qkv: Both<'a, C>,
    output: Both<'a, C>,
    gate_up: Both<'a, C>,
    down: Both<'a, C>,
}

/// W, (N, K), for `x W^T` and for `dy W`.
pub(crate) struct Both<'a, C> {
    pub forward: Panels<'a, C>,
    pub backward: Panels<'a, C>,
}

/// What the backward pass needs of one block's forward pass. Of the last one all but `x`, its norm and
/// `qkv` have R rows.
struct Kept<'a, C> {
    /// The residual stream before the block and between its halves: (T, C).
    x: Buffer<'a, f32>,
    middle: Buffer<'a, f32>,
    /// These two, normed.
    normed: [Buffer<'a, C>; 2],
    /// (T, q + 2 kv), before norm and rotation.
    qkv: Buffer<'a, C>,
    /// What attention mixed: (T, q).
    mixed: Buffer<'a, C>,
    /// (T, 2 F)
    gate_up: Buffer<'a, C>,
    /// SwiGLU of that: (T, F).
    inner: Buffer<'a, C>,
}

/// The forward pass of one batch, ready to go back.
pub(crate) struct Forward<'a, C> {
    kept: Vec<Kept<'a, C>>,
    /// The residual stream after the last block: (R, C).
    pub x: Buffer<'a, f32>,
}

impl<'a, C: Cell> Both<'a, C> {
    pub(crate) fn of(team: Team, memory: &'a Memory, w: &[f32], columns: usize) -> Self {
        let cells: Buffer<'_, C> = rounded(team, memory, w);
        let forward = Panels::of_transposed(team, memory, &cells, columns);
        Self { forward, backward: Panels::of(team, memory, (&cells, columns), columns) }
    }
}

impl<'a, C: Cell> Moment<'a, C> {
    pub(crate) fn new(trainer: &'a Trainer, positions: usize) -> Self {
        let Trainer { team, memory, config, layout, values, .. } = trainer;
        let team = *team;
        let (c, q) = (config.hidden, config.heads * config.head_dim);
        let block = |block: &BlockLayout| BlockPanels {
            qkv: Both::of(team, memory, &values[block.qkv.clone()], c),
            output: Both::of(team, memory, &values[block.output.clone()], q),
            gate_up: Both::of(team, memory, &values[block.gate_up.clone()], c),
            down: Both::of(team, memory, &values[block.down.clone()], config.ffn),
        };
        let blocks = layout.blocks.iter().map(block).collect();
        let rotary = config.rotary(0, positions);
        Self { team, memory, config, layout, values, blocks, rotary }
    }

    pub(crate) fn forward(&self, batch: &Batch) -> Forward<'a, C> {
        let DecoderConfig { hidden: c, ffn, .. } = *self.config;
        let embedding = &self.values[self.layout.embedding.clone()];
        let t = batch.tokens.len();
        let mut x = self.memory.numbers(t * c);
        let rows = self.team.rows(t);
        self.team.each(x.chunks_mut(rows * c).zip(batch.tokens.chunks(rows)), |(x, tokens)| {
            for (x, token) in x.chunks_mut(c).zip(tokens) {
                x.copy_from_slice(&embedding[*token as usize * c..][..c]);
            }
        });
        let mut kept = Vec::with_capacity(self.blocks.len());
        for (panels, layout) in self.blocks.iter().zip(&self.layout.blocks) {
            let normed = self.normed(&x, &layout.attention_norm);
            let mut qkv = self.memory.cells(t * self.qkv_width());
            let bias = layout.qkv_bias.clone().map(|bias| &self.values[bias]);
            self.project(&panels.qkv, &normed, bias, &mut qkv);
            let mut mixed = self.attention(layout).forward(&batch.trees, &qkv);
            let mut start = None;
            if kept.len() + 1 == self.blocks.len() && batch.is_narrowed() {
                mixed = picked(C::buffers(self.memory), &mixed, batch);
                start = Some(picked(&self.memory.f32, &x, batch));
            }
            let start = start.as_ref().unwrap_or(&x);
            let mut middle = self.memory.numbers(start.len());
            self.multiply_onto(&panels.output.forward, &mixed, start, &mut middle);
            if let Some(bias) = &layout.output_bias {
                let bias = &self.values[bias.clone()];
                middle.chunks_mut(c).for_each(|row| add(row, bias));
            }
            let normed = [normed, self.normed(&middle, &layout.ffn_norm)];
            let mut gate_up = self.memory.cells(middle.len() / c * 2 * ffn);
            self.project(&panels.gate_up, &normed[1], None, &mut gate_up);
            let mut after = self.memory.numbers(middle.len());
            let inner = self.inner(&gate_up);
            self.multiply_onto(&panels.down.forward, &inner, &middle, &mut after);
            let x = std::mem::replace(&mut x, after);
            kept.push(Kept { x, middle, normed, qkv, mixed, gate_up, inner });
        }
        Forward { kept, x }
    }

    /// Adds the gradients of all parameters below the last norm to `grads`, given that of the
    /// residual stream after the last block, (R, C).
    pub(crate) fn backward(
        &self,
        batch: &Batch,
        forward: Forward<'_, C>,
        mut dx: Buffer<'a, f32>,
        grads: &mut [f32],
    ) {
        for (index, kept) in forward.kept.into_iter().enumerate().rev() {
            self.feed_forward_backward(index, &kept, (&mut dx, grads));
            let mut dmixed = self.output_backward(index, &kept, (&dx, grads));
            if dx.len() < kept.x.len() {
                dmixed = spread(C::buffers(self.memory), &dmixed, batch);
                dx = spread(&self.memory.f32, &dx, batch);
            }
            self.attention_backward(index, &kept, (&batch.trees, &dmixed), (&mut dx, grads));
        }
        let c = self.config.hidden;
        let embedding = &mut grads[self.layout.embedding.clone()];
        for (token, dx) in batch.tokens.iter().zip(dx.chunks(c)) {
            add(&mut embedding[*token as usize * c..][..c], dx);
        }
    }

    fn feed_forward_backward(
        &self,
        index: usize,
        kept: &Kept<'_, C>,
        (dx, grads): (&mut [f32], &mut [f32]),
    ) {
        let (panels, layout) = (&self.blocks[index], &self.layout.blocks[index]);
        let ffn = self.config.ffn;
        let dy: Buffer<'_, C> = rounded(self.team, self.memory, dx);
        self.add_weight_gradient(&dy, (&kept.inner, ffn), &mut grads[layout.down.clone()], add);
        let mut dinner = self.memory.cells(kept.gate_up.len() / 2);
        self.multiply(&panels.down.backward, &dy, &mut dinner, C::round);
        let dgate_up = self.inner_backward(&kept.gate_up, &dinner);
        let c = self.config.hidden;
        let grad = &mut grads[layout.gate_up.clone()];
        self.add_weight_gradient(&dgate_up, (&kept.normed[1], c), grad, add);
        let mut dnormed = self.memory.numbers(dx.len());
        self.multiply(&panels.gate_up.backward, &dgate_up, &mut dnormed, |x| x);
        self.norm_backward((&kept.middle, &layout.ffn_norm), &dnormed, dx, grads);
    }

    /// The gradient by what attention mixed, given that of the residual stream behind it.
    fn output_backward(
        &self,
        index: usize,
        kept: &Kept<'_, C>,
        (dx, grads): (&[f32], &mut [f32]),
    ) -> Buffer<'a, C> {
        let (panels, layout) = (&self.blocks[index], &self.layout.blocks[index]);
        let (c, q) = (self.config.hidden, self.config.heads * self.config.head_dim);
        let dy: Buffer<'_, C> = rounded(self.team, self.memory, dx);
        if let Some(bias) = &layout.output_bias {
            let bias = &mut grads[bias.clone()];
            dx.chunks(c).for_each(|row| add(bias, row));
        }
        let grad = &mut grads[layout.output.clone()];
        self.add_weight_gradient(&dy, (&kept.mixed, q), grad, add);
        let mut dmixed = self.memory.cells(kept.mixed.len());
        self.multiply(&panels.output.backward, &dy, &mut dmixed, C::round);
        dmixed
    }

    fn attention_backward(
        &self,
        index: usize,
        kept: &Kept<'_, C>,
        (trees, dmixed): (&[Tree], &[C]),
        (dx, grads): (&mut [f32], &mut [f32]),
    ) {
        let (panels, layout) = (&self.blocks[index], &self.layout.blocks[index]);
        let c = self.config.hidden;
        let mut dnorms =
            layout.qk_norms.as_ref().map(|_| [(); 2].map(|()| vec![0.0; self.config.head_dim]));
        let sums = dnorms.as_mut().map(|[q, k]| [&mut q[..], &mut k[..]]);
        let dqkv: Buffer<'_, C> = self.attention(layout).backward(trees, &kept.qkv, dmixed, sums);
        for (range, sum) in layout.qk_norms.iter().flatten().zip(dnorms.iter().flatten()) {
            add(&mut grads[range.clone()], sum);
        }
        if let Some(bias) = &layout.qkv_bias {
            let bias = &mut grads[bias.clone()];
            for row in dqkv.chunks(bias.len()) {
                bias.iter_mut().zip(row).for_each(|(sum, x)| *sum += x.widen());
            }
        }
        let grad = &mut grads[layout.qkv.clone()];
        self.add_weight_gradient(&dqkv, (&kept.normed[0], c), grad, add);
        let mut dnormed = self.memory.numbers(dx.len());
        self.multiply(&panels.qkv.backward, &dqkv, &mut dnormed, |x| x);
        self.norm_backward((&kept.x, &layout.attention_norm), &dnormed, dx, grads);
    }

    fn qkv_width(&self) -> usize {
        (self.config.heads + 2 * self.config.kv_heads) * self.config.head_dim
    }

    fn attention(&self, layout: &BlockLayout) -> Attention<'_, 'a> {
        let norms = layout.qk_norms.as_ref();
        Attention {
            team: self.team,
            memory: self.memory,
            config: self.config,
            rotary: &self.rotary,
            qk_norms: norms.map(|norms| norms.each_ref().map(|norm| &self.values[norm.clone()])),
        }
    }

    /// The rows of `x`, (T, C), normed and rounded.
    pub(crate) fn normed(&self, x: &[f32], weight: &std::ops::Range<usize>) -> Buffer<'a, C> {
        let (c, weight) = (self.config.hidden, &self.values[weight.clone()]);
        let mut out = self.memory.cells(x.len());
        let rows = self.team.rows(x.len() / c) * c;
        self.team.each(out.chunks_mut(rows).zip(x.chunks(rows)), |(out, x)| {
            let mut row = vec![0.0; c];
            self.team.isa.wide(
                #[inline(always)]
                || {
                    for (out, x) in out.chunks_mut(c).zip(x.chunks(c)) {
                        rms_norm(x, weight, self.config.norm_eps, &mut row);
                        round(out, &row);
                    }
                },
            );
        });
        out
    }

    /// Adds the gradient by a norm's input to `dx`, and that by its weight to `grads`.
    pub(crate) fn norm_backward(
        &self,
        (x, weight): (&[f32], &std::ops::Range<usize>),
        dy: &[f32],
        dx: &mut [f32],
        grads: &mut [f32],
    ) {
        /// Rows whose share of the weight's gradient is summed up at once: fixed, so that the sum
        /// does not depend on the number of threads.
        const ROWS: usize = 64;
        let c = self.config.hidden;
        let values = &self.values[weight.clone()];
        let mut sums = vec![0.0; (x.len() / c).div_ceil(ROWS) * c];
        let items = sums.chunks_mut(c).zip(dx.chunks_mut(ROWS * c));
        let items = items.zip(x.chunks(ROWS * c).zip(dy.chunks(ROWS * c)));
        self.team.each(items, |((sum, dx), (x, dy))| {
            self.team.isa.wide(
                #[inline(always)]
                || {
                    let rows = x.chunks(c).zip(dy.chunks(c)).zip(dx.chunks_mut(c));
                    for ((x, dy), dx) in rows {
                        rms_norm_backward((x, values, self.config.norm_eps), dy, dx, sum);
                    }
                },
            );
        });
        let grad = &mut grads[weight.clone()];
        sums.chunks(c).for_each(|sum| add(grad, sum));
    }

    /// SwiGLU of (T, 2 F): (T, F).
    fn inner(&self, gate_up: &[C]) -> Buffer<'a, C> {
        let ffn = self.config.ffn;
        let mut out = self.memory.cells(gate_up.len() / 2);
        let rows = self.team.rows(out.len() / ffn);
        let items = out.chunks_mut(rows * ffn).zip(gate_up.chunks(rows * 2 * ffn));
        self.team.each(items, |(out, gate_up)| {
            let mut row = vec![0.0; 3 * ffn];
            self.team.isa.wide(
                #[inline(always)]
                || {
                    for (out, gate_up) in out.chunks_mut(ffn).zip(gate_up.chunks(2 * ffn)) {
                        let (wide, inner) = row.split_at_mut(2 * ffn);
                        wide.iter_mut().zip(gate_up).for_each(|(wide, x)| *wide = x.widen());
                        let (gate, up) = wide.split_at(ffn);
                        match self.team.isa.fuses() {
                            true => swiglu::<true>(gate, up, inner),
                            false => swiglu::<false>(gate, up, inner),
                        }
                        round(out, inner);
                    }
                },
            );
        });
        out
    }

    /// The gradient by `gate_up`, given that of [`Moment::inner`].
    fn inner_backward(&self, gate_up: &[C], dinner: &[C]) -> Buffer<'a, C> {
        let ffn = self.config.ffn;
        let mut out = self.memory.cells(gate_up.len());
        let rows = self.team.rows(dinner.len() / ffn);
        let items = out.chunks_mut(rows * 2 * ffn).zip(gate_up.chunks(rows * 2 * ffn));
        self.team.each(items.zip(dinner.chunks(rows * ffn)), |((out, gate_up), dinner)| {
            self.team.isa.wide(
                #[inline(always)]
                || {
                    let rows = out.chunks_mut(2 * ffn).zip(gate_up.chunks(2 * ffn));
                    for ((out, gate_up), dy) in rows.zip(dinner.chunks(ffn)) {
                        let inputs = gate_up.split_at(ffn);
                        let outputs = out.split_at_mut(ffn);
                        match self.team.isa.fuses() {
                            true => inner_backward::<C, true>(inputs, dy, outputs),
                            false => inner_backward::<C, false>(inputs, dy, outputs),
                        }
                    }
                },
            );
        });
        out
    }

    /// `x W^T + bias`, rounded.
    fn project(&self, w: &Both<'_, C>, x: &[C], bias: Option<&[f32]>, out: &mut [C]) {
        match bias {
            None => self.multiply(&w.forward, x, out, C::round),
            Some(bias) => {
                let mut sums = self.memory.numbers(out.len());
                self.multiply(&w.forward, x, &mut sums, |x| x);
                sums.chunks_mut(bias.len()).for_each(|row| add(row, bias));
                out.copy_from_slice(&rounded(self.team, self.memory, &sums));
            }
        }
    }

    fn multiply<O: Copy + Default + Send + Sync>(
        &self,
        w: &Panels<'_, C>,
        x: &[C],
        out: &mut [O],
        cell: impl Fn(f32) -> O + Sync,
    ) {
        w.multiply(Rows::new(x, x.len() / w.k, w.k), out, cell);
    }

    fn multiply_onto(&self, w: &Panels<'_, C>, x: &[C], start: &[f32], out: &mut [f32]) {
        w.multiply_onto(Rows::new(x, x.len() / w.k, w.k), start, out);
    }

    /// The products `dy^T x`, (N, K), of `dy`, (T, N or more), and `x`, (T, K): `write` adds them to a piece
    /// of a row of `grad`.
    pub(crate) fn add_weight_gradient(
        &self,
        dy: &[C],
        (x, columns): (&[C], usize),
        grad: &mut [f32],
        write: impl Fn(&mut [f32], &[f32]) + Sync,
    ) {
        let stride = dy.len() / (x.len() / columns);
        let dy = Panels::of(self.team, self.memory, (dy, stride), grad.len() / columns);
        let x = Panels::of(self.team, self.memory, (x, columns), columns);
        x.multiply_turned(&dy, grad, write);
    }
}

/// Of `x`, (T, any), the rows that the head reads: (R, any).
fn picked<'a, T: Copy + Default>(buffers: &'a Buffers<T>, x: &[T], batch: &Batch) -> Buffer<'a, T> {
    let width = x.len() / batch.tokens.len();
    let mut out = buffers.take(batch.read.len() * width);
    for (out, row) in out.chunks_mut(width).zip(&batch.read) {
        out.copy_from_slice(&x[row * width..][..width]);
    }
    out
}

/// The other way round: zeros in all other rows.
fn spread<'a, T: Copy + Default>(buffers: &'a Buffers<T>, x: &[T], batch: &Batch) -> Buffer<'a, T> {
    let width = x.len() / batch.read.len();
    let mut out = buffers.take(batch.tokens.len() * width);
    out.fill(T::default());
    for (x, row) in x.chunks(width).zip(&batch.read) {
        out[row * width..][..width].copy_from_slice(x);
    }
    out
}

/// One row of [`Moment::inner_backward`].
#[inline(always)]
fn inner_backward<C: Cell, const FUSED: bool>(
    (gate, up): (&[C], &[C]),
    dy: &[C],
    (dgate, dup): (&mut [C], &mut [C]),
) {
    let inputs = gate.iter().zip(up).zip(dy);
    for (((gate, up), dy), (dgate, dup)) in inputs.zip(dgate.iter_mut().zip(dup)) {
        let (g, u) = swiglu_backward::<FUSED>(gate.widen(), up.widen(), dy.widen());
        (*dgate, *dup) = (C::round(g), C::round(u));
    }
}
