//! The fast forward pass: many sequences side by side without padding.
//!
//! Threads share a layer by blocks of rows. One block goes through a whole half of the layer
//! before the next, so its intermediate results stay in a near cache and need little memory.

mod growing;

use std::num::NonZeroUsize;
use std::ops::Range;

use crate::attention::{BLOCK, Cell, Keys, Layers, Scratch as AttentionScratch, Shape};
use crate::config::DecoderConfig;
use crate::directory::Directory;
use crate::error::LoadError;
use crate::kernel::{Isa, PANEL, Precision, Rows};
use crate::layers::{rms_norm, rms_norm_in_place, rotate, swiglu};
use crate::matrix::{Input, Packed, Tile};
use crate::network::{Block, EMBEDDING, HeadKind, Network};
use crate::parallel;
use crate::reward::Kernels;
use crate::weights::{Numbers, Weights};

/// Rows that go through a layer together: as many as keep their inputs in the second cache.
const ROWS_MAX: usize = 96;
/// Blocks of rows are multiples of this, the tallest tile of any kernel.
const ROWS_STEP: usize = 12;

/// A decoder whose weights are packed for this processor.
pub(crate) struct Decoder {
    pub config: DecoderConfig,
    isa: Isa,
    precision: Precision,
    threads: NonZeroUsize,
    weights: Weights,
    network: Network<Packed>,
}

/// The keys and values of a common beginning of several sequences, for every layer.
pub(crate) struct Prefix {
    tokens: usize,
    /// Per layer: heads one after the other, each in blocks.
    layers: Layers,
}

/// Where one sequence stands among the rows of a batch.
struct Span {
    start: usize,
    len: usize,
    /// Its tokens between the prefix and the first row, whose keys are known.
    done: usize,
    /// Where its keys and values are.
    keys: Range<usize>,
}

impl Decoder {
    /// Reads a directory's configuration and weights and packs them.
    pub(crate) fn load(
        dir: Directory<'_>,
        plan: (Isa, Precision),
        threads: NonZeroUsize,
    ) -> Result<Self, LoadError> {
        let config = DecoderConfig::read(dir)?;
        Self::of(config, Weights::open(dir)?, plan, threads)
    }

    /// Packs weights of this shape.
    pub(crate) fn of(
        config: DecoderConfig,
        weights: Weights,
        plan: (Isa, Precision),
        threads: NonZeroUsize,
    ) -> Result<Self, LoadError> {
        let network = Network::load(&config, &weights, plan, threads)?;
        weights.finish()?;
        let (isa, precision) = plan;
        Ok(Self { config, isa, precision, threads, weights, network })
    }

    pub(crate) fn head(&self) -> HeadKind {
        self.network.head.kind
    }

    pub(crate) fn kernels(&self) -> Kernels {
        Kernels { isa: self.isa, precision: self.precision, threads: self.threads }
    }

    /// Computes the keys and values of `tokens`, for sequences that begin with them.
    pub(crate) fn prefix(&self, tokens: &[u32]) -> Prefix {
        let layers = match self.precision {
            Precision::F32 => self.keys_of::<f32>(tokens),
            Precision::Bf16 | Precision::Int8 => self.keys_of::<u16>(tokens),
        };
        Prefix { tokens: tokens.len(), layers }
    }

    fn keys_of<C: Cell>(&self, tokens: &[u32]) -> Layers {
        if tokens.is_empty() {
            return C::keep(vec![Vec::new(); self.config.layers]);
        }
        let mut kept = Vec::new();
        self.last_hidden::<C>(None, &[tokens], |blocks| kept.push(blocks.to_vec()));
        C::keep(kept)
    }

    /// What the head makes of the last token of each sequence. With a prefix, `sequences` hold
    /// only what follows it. No sequence may be empty, no token beyond the vocabulary.
    pub(crate) fn forward(&self, prefix: Option<&Prefix>, sequences: &[&[u32]]) -> Vec<Vec<f32>> {
        let x = match self.precision {
            Precision::F32 => self.last_hidden::<f32>(prefix, sequences, |_| ()),
            Precision::Bf16 | Precision::Int8 => self.last_hidden::<u16>(prefix, sequences, |_| ()),
        };
        x.chunks(self.config.hidden).map(|x| self.apply_head(x)).collect()
    }

    /// Rows of one work item, of so many.
    fn rows_of_item(&self, rows: usize) -> usize {
        rows.div_ceil(self.threads.get()).next_multiple_of(ROWS_STEP).min(ROWS_MAX)
    }

    fn shape(&self) -> Shape {
        Shape { isa: self.isa, head_dim: self.config.head_dim }
    }

    pub(crate) fn apply_head(&self, x: &[f32]) -> Vec<f32> {
        let mut hidden = vec![0.0; x.len()];
        rms_norm(x, &self.network.norm, self.config.norm_eps, &mut hidden);
        let head = &self.network.head;
        let mut row = vec![0.0; x.len()];
        let outputs = head.bias.iter().enumerate().map(|(index, bias)| {
            match &head.weight {
                Some(weight) => row.copy_from_slice(&weight[index * x.len()..][..x.len()]),
                None => self.embedding().read(index * x.len(), &mut row),
            }
            hidden.iter().zip(&row).map(|(a, b)| a * b).sum::<f32>() + bias
        });
        outputs.collect()
    }

    fn embedding(&self) -> Numbers<'_> {
        self.weights.again(EMBEDDING)
    }

    /// The residual stream after the last block at the last token of each sequence, (N, C): the
    /// last block computes no other. `keep` sees each layer's own keys and values.
    fn last_hidden<C: Cell>(
        &self,
        prefix: Option<&Prefix>,
        sequences: &[&[u32]],
        mut keep: impl FnMut(&[C]),
    ) -> Vec<f32> {
        let first = prefix.map_or(0, |prefix| prefix.tokens);
        let block_len = self.shape().block_len() * self.config.kv_heads;
        let (mut start, mut room) = (0, 0);
        let span = |tokens: &&[u32]| {
            assert!(!tokens.is_empty(), "an empty sequence has no last token");
            let blocks = (first + tokens.len()).div_ceil(BLOCK) - first / BLOCK;
            let keys = room..room + blocks * block_len;
            let span = Span { start, len: tokens.len(), done: 0, keys };
            (start, room) = (start + span.len, span.keys.end);
            span
        };
        let mut pass = Pass::<C>::new(self, prefix, sequences.iter().map(span).collect());
        pass.keys = vec![C::default(); room];
        let mut x = pass.embed(sequences.iter().flat_map(|tokens| tokens.iter().copied()));
        for (layer, block) in self.network.blocks.iter().enumerate() {
            pass.project(block, &x);
            pass.pack_keys(layer);
            keep(&pass.keys);
            if layer + 1 == self.network.blocks.len() {
                x = pass.narrow_to_last(&x);
            }
            pass.mix(block, layer, &mut x);
        }
        x
    }
}

/// The buffers of one forward pass, allocated once and used by every layer.
struct Pass<'a, C> {
    decoder: &'a Decoder,
    prefix: Option<&'a Prefix>,
    shape: Shape,
    spans: Vec<Span>,
    /// Rows of one work item.
    rows: usize,
    /// (T, q + 2 kv)
    qkv: Vec<f32>,
    /// Per sequence, per head: blocks of keys and values of the layer that is computed.
    keys: Vec<C>,
    /// Cosines and sines, (positions from `rotary_start` behind the prefix's end on, D / 2) each.
    rotary: (Vec<f32>, Vec<f32>),
    rotary_start: usize,
    scratches: Vec<Scratch<C>>,
}

/// One thread's working memory.
struct Scratch<C> {
    row: Vec<f32>,
    hidden: Input,
    mixed: Input,
    inner: Input,
    tile: Tile,
    pair: Tile,
    attention: AttentionScratch<C>,
}

impl<'a, C: Cell> Pass<'a, C> {
    fn new(decoder: &'a Decoder, prefix: Option<&'a Prefix>, spans: Vec<Span>) -> Self {
        let config = &decoder.config;
        let shape = decoder.shape();
        let first = prefix.map_or(0, |prefix| prefix.tokens);
        let total: usize = spans.iter().map(|span| span.len).sum();
        let rows = decoder.rows_of_item(total);
        let rotary_start = spans.iter().map(|span| span.done).min().unwrap_or(0);
        let end = spans.iter().map(|span| span.done + span.len).max().unwrap_or(0);
        let scratches = (0..decoder.threads.get()).map(|_| Scratch::new(decoder, shape, rows));
        Self {
            decoder,
            prefix,
            shape,
            rows,
            qkv: vec![0.0; total * (config.heads + 2 * config.kv_heads) * config.head_dim],
            keys: Vec::new(),
            rotary: config.rotary(first + rotary_start, end - rotary_start),
            rotary_start,
            scratches: scratches.collect(),
            spans,
        }
    }

    fn first_position(&self) -> usize {
        self.prefix.map_or(0, |prefix| prefix.tokens)
    }

    fn embed(&self, tokens: impl Iterator<Item = u32>) -> Vec<f32> {
        let c = self.decoder.config.hidden;
        let embedding = self.decoder.embedding();
        let tokens: Vec<u32> = tokens.collect();
        let mut x = vec![0.0; tokens.len() * c];
        for (row, token) in x.chunks_mut(c).zip(tokens) {
            embedding.read(token as usize * c, row);
        }
        x
    }

    /// Norm, query, key and value projections, per-head norms, rotation.
    fn project(&mut self, block: &Block<Packed>, x: &[f32]) {
        let config = &self.decoder.config;
        let (c, eps, isa) = (config.hidden, config.norm_eps, self.decoder.isa);
        let width = (config.heads + 2 * config.kv_heads) * config.head_dim;
        let rotated = config.heads + config.kv_heads;
        let half = config.head_dim / 2;
        let (spans, (cos, sin), rotary_start) = (&self.spans, &self.rotary, self.rotary_start);
        let items = x.chunks(self.rows * c).zip(self.qkv.chunks_mut(self.rows * width)).enumerate();
        let rows_max = self.rows;
        parallel::for_each(&mut self.scratches, items, |scratch, (item, (x, qkv))| {
            let rows = x.len() / c;
            scratch.norm_rows(isa, x, &block.attention_norm, eps);
            block.qkv.product(&mut scratch.hidden, rows, &mut scratch.tile, |column, tile| {
                let n = PANEL.min(width - column);
                for (row, tile) in qkv.chunks_mut(width).zip(tile.chunks(PANEL)) {
                    row[column..column + n].copy_from_slice(&tile[..n]);
                }
            });
            isa.wide(
                #[inline(always)]
                || {
                    for (index, row) in qkv.chunks_mut(width).enumerate() {
                        let (sequence, at) = place(spans, item * rows_max + index);
                        let at = spans[sequence].done + at - rotary_start;
                        if let Some(bias) = &block.qkv_bias {
                            row.iter_mut().zip(bias).for_each(|(x, bias)| *x += bias);
                        }
                        let heads = row.chunks_mut(config.head_dim).take(rotated).enumerate();
                        for (head, x) in heads {
                            if let Some(norms) = &block.qk_norms {
                                let weight = &norms[usize::from(head >= config.heads)];
                                rms_norm_in_place(x, weight, eps);
                            }
                            rotate(x, &cos[at * half..][..half], &sin[at * half..][..half]);
                        }
                    }
                },
            );
        });
    }

    /// Sorts this layer's keys and values into the blocks that attention reads.
    fn pack_keys(&mut self, layer: usize) {
        let DecoderConfig { heads, kv_heads, head_dim, .. } = self.decoder.config;
        let (shape, first) = (self.shape, self.first_position());
        let (q, kv) = (heads * head_dim, kv_heads * head_dim);
        let prefix =
            self.prefix.map(|prefix| (&*C::of(&prefix.layers)[layer], first.div_ceil(BLOCK)));
        let (qkv, spans) = (&self.qkv, &self.spans);
        let mut items = Vec::new();
        let (mut rest, mut at) = (&mut self.keys[..], 0);
        for span in spans {
            let (own, after) = rest[span.keys.start - at..].split_at_mut(span.keys.len());
            (rest, at) = (after, span.keys.end);
            let len = own.len() / kv_heads;
            items.extend(own.chunks_mut(len).enumerate().map(|(head, own)| (span, head, own)));
        }
        parallel::for_each(&mut self.scratches, items.into_iter(), |_, (span, head, own)| {
            if span.done == 0 {
                own.fill(C::default());
            }
            if let Some((prefix, blocks)) = prefix.filter(|_| span.done == 0 && first % BLOCK != 0)
            {
                let last = (head + 1) * blocks * shape.block_len();
                let unfinished = &prefix[last - shape.block_len()..last];
                own[..shape.block_len()].copy_from_slice(unfinished);
            }
            for index in 0..span.len {
                let row = &qkv[(span.start + index) * (q + 2 * kv)..][..q + 2 * kv];
                let key = &row[q + head * head_dim..][..head_dim];
                let value = &row[q + kv + head * head_dim..][..head_dim];
                shape.insert(own, first / BLOCK, first + span.done + index, (key, value));
            }
        });
    }

    /// Attention, its output projection, norm and feed-forward, added to the residual stream.
    fn mix(&mut self, block: &Block<Packed>, layer: usize, x: &mut [f32]) {
        let mut scratches = std::mem::take(&mut self.scratches);
        let (c, rows) = (self.decoder.config.hidden, self.rows);
        let items = x.chunks_mut(rows * c).enumerate();
        parallel::for_each(&mut scratches, items, |scratch, (item, x)| {
            self.attend(layer, item * rows, x.len() / c, scratch);
            block.output.product(
                &mut scratch.mixed,
                x.len() / c,
                &mut scratch.tile,
                |column, tile| {
                    add_tile(x, c, column, tile);
                },
            );
            if let Some(bias) = &block.output_bias {
                for row in x.chunks_mut(c) {
                    row.iter_mut().zip(bias).for_each(|(x, bias)| *x += bias);
                }
            }
            self.feed_forward(block, x, scratch);
        });
        self.scratches = scratches;
    }

    /// All heads of `rows` rows from `start` on, into `scratch.mixed`.
    fn attend(&self, layer: usize, start: usize, rows: usize, scratch: &mut Scratch<C>) {
        let DecoderConfig { heads, kv_heads, head_dim, .. } = self.decoder.config;
        let width = (heads + 2 * kv_heads) * head_dim;
        let first = self.first_position();
        let mut row = start;
        while row < start + rows {
            let (sequence, at) = place(&self.spans, row);
            let span = &self.spans[sequence];
            let n = (span.len - at).min(start + rows - row);
            for head in 0..heads {
                let q = Rows::new(&self.qkv[row * width + head * head_dim..], n, width);
                let keys = self.keys(layer, sequence, head * kv_heads / heads);
                self.shape.attend(q, first + span.done + at, keys, &mut scratch.attention);
                for index in 0..n {
                    let mixed = scratch.attention.row(index);
                    scratch.mixed.write(row + index - start, head * head_dim, mixed);
                }
            }
            row += n;
        }
    }

    /// Leaves the queries of each sequence's last token alone, and returns their rows of `x`.
    fn narrow_to_last(&mut self, x: &[f32]) -> Vec<f32> {
        let ends = self.spans.iter().map(|span| span.start + span.len - 1);
        let ends: Vec<usize> = ends.collect();
        let rows_of = |x: &[f32]| {
            let width = x.len() / self.spans.iter().map(|span| span.len).sum::<usize>();
            ends.iter().flat_map(|end| &x[end * width..][..width]).copied().collect()
        };
        let (x, qkv) = (rows_of(x), rows_of(&self.qkv));
        self.qkv = qkv;
        for (index, span) in self.spans.iter_mut().enumerate() {
            (span.start, span.done, span.len) = (index, span.done + span.len - 1, 1);
        }
        self.rows = self.decoder.rows_of_item(ends.len());
        x
    }

    fn keys(&self, layer: usize, sequence: usize, head: usize) -> Keys<'_, C> {
        let own = &self.keys[self.spans[sequence].keys.clone()];
        let len = own.len() / self.decoder.config.kv_heads;
        let shared = self.prefix.map_or(&[][..], |prefix| {
            // Its unfinished last block is repeated in `own`.
            let all = prefix.tokens.div_ceil(BLOCK) * self.shape.block_len();
            let whole = prefix.tokens / BLOCK * self.shape.block_len();
            &C::of(&prefix.layers)[layer][head * all..][..whole]
        });
        Keys { shared, own: &own[head * len..][..len] }
    }

    fn feed_forward(&self, block: &Block<Packed>, x: &mut [f32], scratch: &mut Scratch<C>) {
        let config = &self.decoder.config;
        let (c, isa) = (config.hidden, self.decoder.isa);
        let rows = x.len() / c;
        scratch.norm_rows(isa, x, &block.ffn_norm, config.norm_eps);
        let Scratch { hidden, inner, tile, pair, .. } = scratch;
        block.gate_up.product(hidden, rows, pair, |column, tile| {
            let column = column / 2;
            let n = PANEL.min(config.ffn - column);
            isa.wide(
                #[inline(always)]
                || {
                    for (index, tile) in tile.chunks(2 * PANEL).enumerate() {
                        let (gate, up) = tile.split_at(PANEL);
                        let mut out = [0.0; PANEL];
                        match isa.fuses() {
                            true => swiglu::<true>(gate, up, &mut out),
                            false => swiglu::<false>(gate, up, &mut out),
                        }
                        inner.write(index, column, &out[..n]);
                    }
                },
            );
        });
        block.down.product(inner, rows, tile, |column, tile| add_tile(x, c, column, tile));
    }
}

impl<C: Cell> Scratch<C> {
    fn new(decoder: &Decoder, shape: Shape, rows: usize) -> Self {
        let block = &decoder.network.blocks[0];
        Self {
            row: vec![0.0; decoder.config.hidden],
            hidden: block.qkv.input(rows),
            mixed: block.output.input(rows),
            inner: block.down.input(rows),
            tile: Tile::new(rows, 1),
            pair: Tile::new(rows, 2),
            attention: AttentionScratch::new(shape, rows),
        }
    }

    fn norm_rows(&mut self, isa: Isa, x: &[f32], weight: &[f32], eps: f32) {
        let Self { row, hidden, .. } = self;
        isa.wide(
            #[inline(always)]
            || {
                for (index, x) in x.chunks(row.len()).enumerate() {
                    rms_norm(x, weight, eps, row);
                    hidden.write(index, 0, row);
                }
            },
        );
    }
}

/// Adds a tile of `PANEL` columns to the residual stream of width `c`.
fn add_tile(x: &mut [f32], c: usize, column: usize, tile: &[f32]) {
    let n = PANEL.min(c - column);
    for (row, tile) in x.chunks_mut(c).zip(tile.chunks(PANEL)) {
        for (x, y) in row[column..column + n].iter_mut().zip(tile) {
            *x += y;
        }
    }
}

/// The sequence of a row, and its index there.
fn place(spans: &[Span], row: usize) -> (usize, usize) {
    let sequence = spans.partition_point(|span| span.start <= row) - 1;
    (sequence, row - spans[sequence].start)
}

#[cfg(test)]
mod tests;
