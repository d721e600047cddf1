//! The decoder forward and backward over one batch.

use super::attention::{Attention, Tree};
use super::gemm::{Panels, Team, Transposed, add, round, rounded, set};
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
}

/// Tokens that all items begin with, leaving each at least `kept` of its own.
pub(crate) fn common_prefix(items: &[&[u32]], kept: usize) -> usize {
    let Some((first, others)) = items.split_first() else { return 0 };
    let shortest = items.iter().map(|item| item.len()).min().unwrap_or(0);
    let same = |item: &&[u32]| first.iter().zip(*item).take_while(|(a, b)| a == b).count();
    let common = others.iter().map(same).min().unwrap_or(0);
    common.min(shortest.saturating_sub(kept))
}

/// A decoder with the parameters of one moment, in f32 and in the type of the products.
pub(crate) struct Moment<'a, C> {
    pub team: Team,
    pub config: &'a DecoderConfig,
    pub layout: &'a Layout,
    pub values: &'a [f32],
    blocks: Vec<BlockPanels<C>>,
    rotary: (Vec<f32>, Vec<f32>),
}

/// One block's matrices, for both directions.
struct BlockPanels<C> {
    qkv: Both<C>,
    output: Both<C>,
    gate_up: Both<C>,
    down: Both<C>,
}

/// W, (N, K), for `x W^T` and for `dy W`.
pub(crate) struct Both<C> {
    pub forward: Panels<C>,
    pub backward: Panels<C>,
}

/// What the backward pass needs of one block's forward pass.
struct Kept<C> {
    /// The residual stream before the block and between its halves: (T, C).
    x: Vec<f32>,
    middle: Vec<f32>,
    /// (T, q + 2 kv), before norm and rotation.
    qkv: Vec<C>,
    /// What attention mixed: (T, q).
    mixed: Vec<C>,
    /// (T, 2 F)
    gate_up: Vec<C>,
}

/// The forward pass of one batch, ready to go back.
pub(crate) struct Forward<C> {
    kept: Vec<Kept<C>>,
    /// The residual stream after the last block: (T, C).
    pub x: Vec<f32>,
}

impl<C: Cell> Both<C> {
    pub(crate) fn of(team: Team, w: &[f32], columns: usize) -> Self {
        let cells: Vec<C> = rounded(team, w);
        let forward = Panels::of_transposed(team, &cells, columns);
        Self { forward, backward: Panels::of(team, &cells, columns) }
    }
}

impl<'a, C: Cell> Moment<'a, C> {
    pub(crate) fn new(
        team: Team,
        config: &'a DecoderConfig,
        layout: &'a Layout,
        values: &'a [f32],
        positions: usize,
    ) -> Self {
        let (c, q) = (config.hidden, config.heads * config.head_dim);
        let block = |block: &BlockLayout| BlockPanels {
            qkv: Both::of(team, &values[block.qkv.clone()], c),
            output: Both::of(team, &values[block.output.clone()], q),
            gate_up: Both::of(team, &values[block.gate_up.clone()], c),
            down: Both::of(team, &values[block.down.clone()], config.ffn),
        };
        let blocks = layout.blocks.iter().map(block).collect();
        Self { team, config, layout, values, blocks, rotary: config.rotary(0, positions) }
    }

    pub(crate) fn forward(&self, batch: &Batch) -> Forward<C> {
        let DecoderConfig { hidden: c, ffn, .. } = *self.config;
        let embedding = &self.values[self.layout.embedding.clone()];
        let rows = batch.tokens.iter().map(|token| &embedding[*token as usize * c..][..c]);
        let mut x: Vec<f32> = rows.flatten().copied().collect();
        let t = batch.tokens.len();
        let mut kept = Vec::with_capacity(self.blocks.len());
        for (panels, layout) in self.blocks.iter().zip(&self.layout.blocks) {
            let normed = self.normed(&x, &layout.attention_norm);
            let mut qkv = vec![C::default(); t * self.qkv_width()];
            let bias = layout.qkv_bias.clone().map(|bias| &self.values[bias]);
            self.project(&panels.qkv, &normed, bias, &mut qkv);
            let mixed = self.attention(layout).forward(&batch.trees, &qkv);
            let mut middle = x.clone();
            self.add_product(&panels.output.forward, &mixed, &mut middle);
            if let Some(bias) = &layout.output_bias {
                let bias = &self.values[bias.clone()];
                middle.chunks_mut(c).for_each(|row| add(row, bias));
            }
            let normed = self.normed(&middle, &layout.ffn_norm);
            let mut gate_up = vec![C::default(); t * 2 * ffn];
            self.project(&panels.gate_up, &normed, None, &mut gate_up);
            let mut after = middle.clone();
            self.add_product(&panels.down.forward, &self.inner(&gate_up), &mut after);
            kept.push(Kept { x: std::mem::replace(&mut x, after), middle, qkv, mixed, gate_up });
        }
        Forward { kept, x }
    }

    /// Adds the gradients of all parameters below the last norm to `grads`, given that of the
    /// residual stream after the last block.
    pub(crate) fn backward(
        &self,
        batch: &Batch,
        forward: Forward<C>,
        mut dx: Vec<f32>,
        grads: &mut [f32],
    ) {
        for (index, kept) in forward.kept.into_iter().enumerate().rev() {
            self.feed_forward_backward(index, &kept, (&mut dx, grads));
            self.attention_backward(index, &kept, &batch.trees, (&mut dx, grads));
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
        kept: &Kept<C>,
        (dx, grads): (&mut [f32], &mut [f32]),
    ) {
        let (panels, layout) = (&self.blocks[index], &self.layout.blocks[index]);
        let ffn = self.config.ffn;
        let dy: Vec<C> = rounded(self.team, dx);
        self.add_weight_gradient(
            &dy,
            &self.inner(&kept.gate_up),
            ffn,
            &mut grads[layout.down.clone()],
        );
        let mut dinner = vec![0.0; kept.gate_up.len() / 2];
        self.multiply(&panels.down.backward, &dy, &mut dinner, set);
        let dgate_up = self.inner_backward(&kept.gate_up, &dinner);
        let normed = self.normed(&kept.middle, &layout.ffn_norm);
        let c = self.config.hidden;
        self.add_weight_gradient(&dgate_up, &normed, c, &mut grads[layout.gate_up.clone()]);
        let mut dnormed = vec![0.0; dx.len()];
        self.multiply(&panels.gate_up.backward, &dgate_up, &mut dnormed, set);
        self.norm_backward((&kept.middle, &layout.ffn_norm), &dnormed, dx, grads);
    }

    fn attention_backward(
        &self,
        index: usize,
        kept: &Kept<C>,
        trees: &[Tree],
        (dx, grads): (&mut [f32], &mut [f32]),
    ) {
        let (panels, layout) = (&self.blocks[index], &self.layout.blocks[index]);
        let (c, q) = (self.config.hidden, self.config.heads * self.config.head_dim);
        let dy: Vec<C> = rounded(self.team, dx);
        if let Some(bias) = &layout.output_bias {
            let bias = &mut grads[bias.clone()];
            dx.chunks(c).for_each(|row| add(bias, row));
        }
        self.add_weight_gradient(&dy, &kept.mixed, q, &mut grads[layout.output.clone()]);
        let mut dmixed = vec![C::default(); kept.mixed.len()];
        self.multiply(&panels.output.backward, &dy, &mut dmixed, round);
        let mut dnorms =
            layout.qk_norms.as_ref().map(|_| [(); 2].map(|()| vec![0.0; self.config.head_dim]));
        let sums = dnorms.as_mut().map(|[q, k]| [&mut q[..], &mut k[..]]);
        let dqkv = self.attention(layout).backward(trees, &kept.qkv, &dmixed, sums);
        for (range, sum) in layout.qk_norms.iter().flatten().zip(dnorms.iter().flatten()) {
            add(&mut grads[range.clone()], sum);
        }
        if let Some(bias) = &layout.qkv_bias {
            let bias = &mut grads[bias.clone()];
            for row in dqkv.chunks(bias.len()) {
                bias.iter_mut().zip(row).for_each(|(sum, x)| *sum += x.widen());
            }
        }
        let normed = self.normed(&kept.x, &layout.attention_norm);
        self.add_weight_gradient(&dqkv, &normed, c, &mut grads[layout.qkv.clone()]);
        let mut dnormed = vec![0.0; dx.len()];
        self.multiply(&panels.qkv.backward, &dqkv, &mut dnormed, set);
        self.norm_backward((&kept.x, &layout.attention_norm), &dnormed, dx, grads);
    }

    fn qkv_width(&self) -> usize {
        (self.config.heads + 2 * self.config.kv_heads) * self.config.head_dim
    }

    fn attention(&self, layout: &BlockLayout) -> Attention<'_> {
        let norms = layout.qk_norms.as_ref();
        Attention {
            team: self.team,
            config: self.config,
            rotary: &self.rotary,
            qk_norms: norms.map(|norms| norms.each_ref().map(|norm| &self.values[norm.clone()])),
        }
    }

    /// The rows of `x`, (T, C), normed and rounded.
    pub(crate) fn normed(&self, x: &[f32], weight: &std::ops::Range<usize>) -> Vec<C> {
        let (c, weight) = (self.config.hidden, &self.values[weight.clone()]);
        let mut out = vec![C::default(); x.len()];
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
    fn inner(&self, gate_up: &[C]) -> Vec<C> {
        let ffn = self.config.ffn;
        let mut out = vec![C::default(); gate_up.len() / 2];
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
    fn inner_backward(&self, gate_up: &[C], dinner: &[f32]) -> Vec<C> {
        let ffn = self.config.ffn;
        let mut out = vec![C::default(); gate_up.len()];
        let rows = self.team.rows(dinner.len() / ffn);
        let items = out.chunks_mut(rows * 2 * ffn).zip(gate_up.chunks(rows * 2 * ffn));
        self.team.each(items.zip(dinner.chunks(rows * ffn)), |((out, gate_up), dinner)| {
            self.team.isa.wide(
                #[inline(always)]
                || {
                    let rows = out.chunks_mut(2 * ffn).zip(gate_up.chunks(2 * ffn));
                    for ((out, gate_up), dy) in rows.zip(dinner.chunks(ffn)) {
                        let (gate, up) = gate_up.split_at(ffn);
                        let (dgate, dup) = out.split_at_mut(ffn);
                        for (index, dy) in dy.iter().enumerate() {
                            let (gate, up) = (gate[index].widen(), up[index].widen());
                            let (g, u) = match self.team.isa.fuses() {
                                true => swiglu_backward::<true>(gate, up, *dy),
                                false => swiglu_backward::<false>(gate, up, *dy),
                            };
                            (dgate[index], dup[index]) = (C::round(g), C::round(u));
                        }
                    }
                },
            );
        });
        out
    }

    /// `x W^T + bias`, rounded.
    fn project(&self, w: &Both<C>, x: &[C], bias: Option<&[f32]>, out: &mut [C]) {
        match bias {
            None => self.multiply(&w.forward, x, out, round),
            Some(bias) => {
                let mut sums = vec![0.0; out.len()];
                self.multiply(&w.forward, x, &mut sums, set);
                sums.chunks_mut(bias.len()).for_each(|row| add(row, bias));
                out.copy_from_slice(&rounded(self.team, &sums));
            }
        }
    }

    fn add_product(&self, w: &Panels<C>, x: &[C], out: &mut [f32]) {
        self.multiply(w, x, out, add);
    }

    fn multiply<O: Send>(
        &self,
        w: &Panels<C>,
        x: &[C],
        out: &mut [O],
        write: impl Fn(&mut [O], &[f32]) + Sync,
    ) {
        w.multiply(self.team, Rows { data: x, rows: x.len() / w.k, stride: w.k }, out, write);
    }

    /// Adds `dy^T x`, (N, K), for `dy` of (T, N) and `x` of (T, K).
    pub(crate) fn add_weight_gradient(&self, dy: &[C], x: &[C], columns: usize, grad: &mut [f32]) {
        let turned = Transposed::of(self.team, dy, grad.len() / columns);
        Panels::of(self.team, x, columns).multiply(self.team, turned.rows(), grad, add);
    }
}
