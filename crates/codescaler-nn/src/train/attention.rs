//! Causal attention over trees of segments, forward and backward.
//!
//! A tree is a root and the branches that go on from it: a problem and its programs. The root's
//! keys are packed, and their gradients summed up, once for all branches. Weights are computed
//! again in the backward pass instead of being kept.

use std::f32::consts::{LN_2, LOG2_E};
use std::ops::Range;

use super::buffers::{Buffer, Memory};
use super::gemm::{Team, pack, pack_turned, round};
use crate::attention::Cell;
use crate::config::DecoderConfig;
use crate::kernel::{PANEL, Rows, RowsMut};
use crate::layers::{
    SoftmaxState, dot, rms_norm_backward, rms_norm_in_place, rotate, rotate_back, softmax_step,
};

/// Queries that meet the keys together.
const QUERIES: usize = 64;

/// Rows of a batch: a root's tokens, then those of each branch.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    pub root: Range<usize>,
    pub branches: Vec<Range<usize>>,
}

impl Tree {
    fn rows(&self) -> Range<usize> {
        self.root.start..self.branches.last().map_or(self.root.end, |branch| branch.end)
    }
}

/// What attention of one layer needs beside its input.
pub(crate) struct Attention<'a, 'm> {
    pub team: Team,
    pub memory: &'m Memory,
    pub config: &'a DecoderConfig,
    /// Cosines and sines of all positions, (positions, D / 2) each.
    pub rotary: &'a (Vec<f32>, Vec<f32>),
    /// Weights of the norms of queries and of keys.
    pub qk_norms: Option<[&'a [f32]; 2]>,
}

/// One key head of one tree, with the query heads that share it.
struct Job<'a, C> {
    tree: &'a Tree,
    head: usize,
    /// (the tree's rows, `width`)
    out: Buffer<'a, C>,
    /// Gradients of the norms' weights, of queries and of keys.
    dnorms: [Vec<f32>; 2],
}

/// The tokens of one segment at one key head.
struct Segment<'m, C> {
    rows: Range<usize>,
    /// Position of its first token.
    position: usize,
    keys: Packed<'m, C>,
    values: Packed<'m, C>,
    /// Gradients of keys and values, (tokens, D) both, filled up to whole panels.
    dkeys: Buffer<'m, f32>,
    dvalues: Buffer<'m, f32>,
}

/// Keys or values in the panels of both products they take part in.
struct Packed<'m, C> {
    /// (D, tokens): panels over tokens.
    by_token: Buffer<'m, C>,
    /// (tokens, D): panels over D.
    by_dim: Buffer<'m, C>,
}

/// A block of queries, and what it sees.
struct Block<'a, C> {
    /// Scaled so that weights are powers of 2: (rows, D).
    queries: &'a [C],
    rows: usize,
    /// A whole segment before it.
    before: Option<&'a Segment<'a, C>>,
    own: &'a Segment<'a, C>,
    /// Tokens of its own segment before its first row.
    first: usize,
}

impl<'m> Attention<'_, 'm> {
    fn width(&self) -> usize {
        (self.config.heads + 2 * self.config.kv_heads) * self.config.head_dim
    }

    /// Query heads that share a key head.
    fn group(&self) -> usize {
        self.config.heads / self.config.kv_heads
    }

    /// `head_dim`, filled up to whole panels.
    fn padded(&self) -> usize {
        self.config.head_dim.next_multiple_of(PANEL)
    }

    /// (T, q + 2 kv) of projections, before norm and rotation, to (T, q).
    pub(crate) fn forward<C: Cell>(&self, trees: &[Tree], qkv: &[C]) -> Buffer<'m, C> {
        let (group, d) = (self.group(), self.config.head_dim);
        let mut jobs = self.jobs(trees, group * d);
        self.team.each(jobs.iter_mut(), |job| self.forward_head(qkv, job));
        let q = self.config.heads * d;
        let mut out = self.memory.cells(qkv.len() / self.width() * q);
        self.gather_heads(&jobs, &mut out, |row, head, piece| {
            row[head * group * d..][..group * d].copy_from_slice(piece);
        });
        out
    }

    /// The gradient by `qkv`, given that of [`Attention::forward`]'s output; those of the norms'
    /// weights are added to `dnorms`.
    pub(crate) fn backward<C: Cell>(
        &self,
        trees: &[Tree],
        qkv: &[C],
        dout: &[C],
        mut dnorms: Option<[&mut [f32]; 2]>,
    ) -> Buffer<'m, C> {
        let (group, d) = (self.group(), self.config.head_dim);
        let mut jobs = self.jobs(trees, (group + 2) * d);
        self.team.each(jobs.iter_mut(), |job| self.backward_head(qkv, dout, job));
        let mut dqkv = self.memory.cells(qkv.len());
        self.gather_heads(&jobs, &mut dqkv, |row, head, piece| {
            let (queries, keys) = piece.split_at(group * d);
            row[head * group * d..][..group * d].copy_from_slice(queries);
            for (index, piece) in keys.chunks(d).enumerate() {
                row[self.key_column(head) + index * self.config.kv_heads * d..][..d]
                    .copy_from_slice(piece);
            }
        });
        for job in &jobs {
            for (sum, part) in dnorms.iter_mut().flatten().zip(&job.dnorms) {
                sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
            }
        }
        dqkv
    }

    /// Puts what the jobs wrote side by side: `put` gets a row of `out`, a key head and the row
    /// that its job wrote. Trees stand in `out` one behind the other.
    fn gather_heads<C: Cell>(
        &self,
        jobs: &[Job<'_, C>],
        out: &mut [C],
        put: impl Fn(&mut [C], usize, &[C]) + Sync,
    ) {
        let rows = jobs.last().map_or(0, |job| job.tree.rows().end);
        let width = out.len() / rows.max(1);
        let mut rest = out;
        let trees = jobs.chunks(self.config.kv_heads).map(|jobs| {
            let (own, after) =
                std::mem::take(&mut rest).split_at_mut(jobs[0].tree.rows().len() * width);
            rest = after;
            (jobs, own)
        });
        let trees: Vec<_> = trees.collect();
        self.team.each(trees.into_iter(), |(jobs, out)| {
            for job in jobs {
                let pieces = job.out.chunks(job.out.len() / job.tree.rows().len());
                for (row, piece) in out.chunks_mut(width).zip(pieces) {
                    put(row, job.head, piece);
                }
            }
        });
    }

    fn jobs<'t, C: Cell>(&'t self, trees: &'t [Tree], width: usize) -> Vec<Job<'t, C>> {
        let heads = trees.iter().flat_map(|tree| (0..self.config.kv_heads).map(move |h| (tree, h)));
        let job = |(tree, head): (&'t Tree, usize)| Job {
            tree,
            head,
            out: self.memory.cells(tree.rows().len() * width),
            dnorms: [(); 2].map(|()| vec![0.0; self.config.head_dim]),
        };
        heads.map(job).collect()
    }

    fn rounded<C: Cell>(&self, x: &[f32]) -> Buffer<'m, C> {
        let mut out = self.memory.cells(x.len());
        self.team.isa.wide(
            #[inline(always)]
            || round(&mut out, x),
        );
        out
    }

    fn zeros(&self, len: usize) -> Buffer<'m, f32> {
        let mut out = self.memory.numbers(len);
        out.fill(0.0);
        out
    }

    /// Writes the D first numbers of rows of `stride` at `column` of rows of `width`, rounded.
    fn write<C: Cell>(
        &self,
        (out, width, column): (&mut [C], usize, usize),
        (x, stride): (&[f32], usize),
    ) {
        let d = self.config.head_dim;
        self.team.isa.wide(
            #[inline(always)]
            || {
                for (out, x) in out.chunks_mut(width).zip(x.chunks(stride)) {
                    round(&mut out[column..][..d], x);
                }
            },
        );
    }

    /// Where key head `head` begins in a row of `qkv`; its values are `kv` further.
    fn key_column(&self, head: usize) -> usize {
        (self.config.heads + head) * self.config.head_dim
    }

    /// One head of some rows as f32: (rows, D).
    fn read<C: Cell>(
        &self,
        x: &[C],
        width: usize,
        rows: Range<usize>,
        column: usize,
    ) -> Buffer<'m, f32> {
        let d = self.config.head_dim;
        let mut out = self.memory.numbers(rows.len() * d);
        let rows = x[rows.start * width..rows.end * width].chunks(width);
        self.team.isa.wide(
            #[inline(always)]
            || {
                for (out, row) in out.chunks_mut(d).zip(rows) {
                    out.iter_mut().zip(&row[column..]).for_each(|(out, x)| *out = x.widen());
                }
            },
        );
        out
    }

    /// Norm (0 for queries, 1 for keys) and rotation, in place: (rows, D).
    fn place(&self, x: &mut [f32], norm: usize, position: usize) {
        let (d, half) = (self.config.head_dim, self.config.head_dim / 2);
        self.team.isa.wide(
            #[inline(always)]
            || {
                for (index, x) in x.chunks_mut(d).enumerate() {
                    if let Some(norms) = self.qk_norms {
                        rms_norm_in_place(x, norms[norm], self.config.norm_eps);
                    }
                    let at = (position + index) * half;
                    rotate(x, &self.rotary.0[at..][..half], &self.rotary.1[at..][..half]);
                }
            },
        );
    }

    /// The gradient by what [`Attention::place`] was given, `x`, in place of `dx`.
    fn place_backward(
        &self,
        x: &[f32],
        dx: &mut [f32],
        (norm, position): (usize, usize),
        dnorm: &mut [f32],
    ) {
        let (d, half) = (self.config.head_dim, self.config.head_dim / 2);
        let mut dy = vec![0.0; d];
        self.team.isa.wide(
            #[inline(always)]
            || {
                for (index, (x, dx)) in x.chunks(d).zip(dx.chunks_mut(d)).enumerate() {
                    let at = (position + index) * half;
                    rotate_back(dx, &self.rotary.0[at..][..half], &self.rotary.1[at..][..half]);
                    if let Some(norms) = self.qk_norms {
                        dy.copy_from_slice(dx);
                        dx.fill(0.0);
                        rms_norm_backward((x, norms[norm], self.config.norm_eps), &dy, dx, dnorm);
                    }
                }
            },
        );
    }

    fn segment<C: Cell>(
        &self,
        qkv: &[C],
        rows: Range<usize>,
        position: usize,
        head: usize,
    ) -> Segment<'m, C> {
        let DecoderConfig { kv_heads, head_dim: d, .. } = *self.config;
        let column = self.key_column(head);
        let mut keys = self.read(qkv, self.width(), rows.clone(), column);
        self.place(&mut keys, 1, position);
        let values = self.read(qkv, self.width(), rows.clone(), column + kv_heads * d);
        let room = rows.len().next_multiple_of(PANEL) * self.padded();
        Segment {
            rows,
            position,
            keys: self.packed(&keys),
            values: self.packed(&values),
            dkeys: self.zeros(room),
            dvalues: self.zeros(room),
        }
    }

    /// `x`: (tokens, D).
    fn packed<C: Cell>(&self, x: &[f32]) -> Packed<'m, C> {
        let d = self.config.head_dim;
        let cells: Buffer<'_, C> = self.rounded(x);
        let k = d.next_multiple_of(C::SIDE);
        let tokens = (x.len() / d).next_multiple_of(PANEL);
        let mut by_token = self.memory.cells(tokens * k);
        for (panel, cells) in by_token.chunks_mut(PANEL * k).zip(cells.chunks(PANEL * d)) {
            pack_turned(cells, d, panel);
        }
        Packed { by_token, by_dim: self.panels((&cells, d), 0..d, tokens, |x| x) }
    }

    /// The queries of head `head` of a segment, placed and scaled, and as they were before.
    fn queries<C: Cell>(
        &self,
        qkv: &[C],
        own: &Segment<'_, C>,
        head: usize,
    ) -> (Buffer<'m, C>, Buffer<'m, f32>) {
        let d = self.config.head_dim;
        let raw = self.read(qkv, self.width(), own.rows.clone(), head * d);
        let mut placed = self.memory.numbers(raw.len());
        placed.copy_from_slice(&raw);
        self.place(&mut placed, 0, own.position);
        let scale = LOG2_E / (d as f32).sqrt();
        placed.iter_mut().for_each(|x| *x *= scale);
        (self.rounded(&placed), raw)
    }

    /// Every segment of the job's tree, in order, with the root's if it is another one.
    fn segments<C: Cell>(
        &self,
        qkv: &[C],
        job: &mut Job<'_, C>,
        mut visit: impl FnMut(&mut Job<'_, C>, Option<&mut Segment<'m, C>>, &mut Segment<'m, C>),
        mut finish: impl FnMut(&mut Job<'_, C>, &Segment<'m, C>),
    ) {
        let tree = job.tree;
        let mut root = self.segment(qkv, tree.root.clone(), 0, job.head);
        if !tree.root.is_empty() {
            visit(job, None, &mut root);
        }
        for branch in &tree.branches {
            let mut own = self.segment(qkv, branch.clone(), tree.root.len(), job.head);
            visit(job, (!tree.root.is_empty()).then_some(&mut root), &mut own);
            finish(job, &own);
        }
        finish(job, &root);
    }

    fn forward_head<C: Cell>(&self, qkv: &[C], job: &mut Job<'_, C>) {
        let (group, d, padded) = (self.group(), self.config.head_dim, self.padded());
        let visit = |job: &mut Job<'_, C>,
                     before: Option<&mut Segment<'m, C>>,
                     own: &mut Segment<'m, C>| {
            let start = job.tree.rows().start;
            for head in 0..group {
                let (queries, _) = self.queries(qkv, own, job.head * group + head);
                for block in blocks(&queries, d, before.as_deref(), own) {
                    let weights = self.weigh(&block);
                    let stride = weights.len() / block.rows;
                    let cells: Buffer<'_, C> = self.rounded(&weights);
                    let mut mixed = self.zeros(block.rows * padded);
                    for (seen, at) in block.seen() {
                        let a = Rows::new(&cells[at.start..], block.rows, stride);
                        self.by_dim(a, &seen.values, at.len(), &mut mixed);
                    }
                    let first = own.rows.start - start + block.first;
                    self.write(
                        (&mut job.out[first * group * d..], group * d, head * d),
                        (&mixed, padded),
                    );
                }
            }
        };
        self.segments(qkv, job, visit, |_, _| ());
    }

    /// Weights of everything that a block of queries may see, as its [`Block::seen`] says: each
    /// row sums up to 1.
    fn weigh<C: Cell>(&self, block: &Block<'_, C>) -> Buffer<'m, f32> {
        let d = self.config.head_dim;
        let stride: usize = block.seen().map(|(_, at)| at.len()).sum();
        let mut scores = self.memory.numbers(block.rows * stride);
        let queries = Rows::new(block.queries, block.rows, d);
        for (seen, at) in block.seen() {
            self.by_token(queries, &seen.keys, (at, stride), &mut scores);
        }
        let mut weights = self.memory.numbers(scores.len());
        self.team.isa.wide(
            #[inline(always)]
            || {
                let rows = scores.chunks_mut(stride).zip(weights.chunks_mut(stride));
                for (index, (scores, weights)) in rows.enumerate() {
                    for (seen, at) in block.seen() {
                        let visible = match std::ptr::eq(seen, block.own) {
                            true => block.first + index + 1,
                            false => seen.rows.len(),
                        };
                        scores[at][visible..].fill(f32::NEG_INFINITY);
                    }
                    let mut state = SoftmaxState::EMPTY;
                    match self.team.isa.fuses() {
                        true => softmax_step::<f32, true>(scores, weights, stride, &mut state),
                        false => softmax_step::<f32, false>(scores, weights, stride, &mut state),
                    };
                    let scale = 1.0 / state.sum;
                    weights.iter_mut().for_each(|weight| *weight *= scale);
                }
            },
        );
        weights
    }

    /// `out = a B` at the columns `at` of rows of `stride`, where B is (D, tokens).
    fn by_token<C: Cell>(
        &self,
        a: Rows<'_, C>,
        b: &Packed<'_, C>,
        (at, stride): (Range<usize>, usize),
        out: &mut [f32],
    ) {
        let k = self.config.head_dim.next_multiple_of(C::SIDE);
        for (column, panel) in at.step_by(PANEL).zip(b.by_token.chunks(PANEL * k)) {
            let out = RowsMut { data: &mut out[column..], stride };
            C::panel(self.team.isa, a, panel, out, false);
        }
    }

    /// `out += a B` for rows of D numbers, filled up, where B is (tokens, D), its first `tokens`.
    fn by_dim<C: Cell>(&self, a: Rows<'_, C>, b: &Packed<'_, C>, tokens: usize, out: &mut [f32]) {
        let padded = self.padded();
        let panels = b.by_dim.chunks(b.by_dim.len() / padded * PANEL);
        for (index, panel) in panels.enumerate() {
            let out = RowsMut { data: &mut out[index * PANEL..], stride: padded };
            C::panel(self.team.isa, a, &panel[..tokens * PANEL], out, true);
        }
    }

    fn backward_head<C: Cell>(&self, qkv: &[C], dout: &[C], job: &mut Job<'_, C>) {
        let (group, d) = (self.group(), self.config.head_dim);
        let width = (group + 2) * d;
        let start = job.tree.rows().start;
        let visit = |job: &mut Job<'_, C>,
                     mut before: Option<&mut Segment<'m, C>>,
                     own: &mut Segment<'m, C>| {
            for head in 0..group {
                let index = job.head * group + head;
                let (queries, raw) = self.queries(qkv, own, index);
                let q = self.config.heads * d;
                let dmixed = self.read(dout, q, own.rows.clone(), index * d);
                let before = before.as_deref_mut();
                let mut dqueries = self.backward_queries(&queries, &dmixed, before, own);
                self.place_backward(&raw, &mut dqueries, (0, own.position), &mut job.dnorms[0]);
                let first = own.rows.start - start;
                self.write((&mut job.out[first * width..], width, head * d), (&dqueries, d));
            }
        };
        let finish = |job: &mut Job<'_, C>, own: &Segment<'m, C>| {
            let column = self.key_column(job.head);
            let raw = self.read(qkv, self.width(), own.rows.clone(), column);
            let (padded, rows) = (self.padded(), own.rows.len());
            let mut dkeys = self.memory.numbers(rows * d);
            for (out, x) in dkeys.chunks_mut(d).zip(own.dkeys.chunks(padded)) {
                // The queries were scaled for powers of 2.
                out.iter_mut().zip(x).for_each(|(out, x)| *out = x * LN_2);
            }
            self.place_backward(&raw, &mut dkeys, (1, own.position), &mut job.dnorms[1]);
            let out = &mut job.out[(own.rows.start - start) * width..];
            self.write((out, width, group * d), (&dkeys, d));
            self.write((out, width, (group + 1) * d), (&own.dvalues[..rows * padded], padded));
        };
        self.segments(qkv, job, visit, finish);
    }

    /// The gradient by one head's placed queries, (tokens, D); those of keys and values are added
    /// where they belong.
    fn backward_queries<C: Cell>(
        &self,
        queries: &[C],
        dmixed: &[f32],
        mut before: Option<&mut Segment<'m, C>>,
        own: &mut Segment<'m, C>,
    ) -> Buffer<'m, f32> {
        let (d, padded) = (self.config.head_dim, self.padded());
        let mut dqueries = self.memory.numbers(dmixed.len());
        let blocks_of = dmixed.chunks(QUERIES * d).zip(dqueries.chunks_mut(QUERIES * d));
        for (index, (dmixed, dqueries)) in blocks_of.enumerate() {
            let block = blocks(queries, d, before.as_deref(), own).nth(index);
            let block = block.expect("as many blocks of queries as of gradients");
            let rows = block.rows;
            let weights = self.weigh(&block);
            let stride = weights.len() / rows;
            let dcells: Buffer<'_, C> = self.rounded(dmixed);
            let mut dweights = self.memory.numbers(weights.len());
            for (seen, at) in block.seen() {
                let a = Rows::new(&dcells, rows, d);
                self.by_token(a, &seen.values, (at, stride), &mut dweights);
            }
            // The gradient of a softmax: weights (dweights - their weighted mean).
            let mut dscores = dweights;
            self.team.isa.wide(
                #[inline(always)]
                || {
                    for (ds, p) in dscores.chunks_mut(stride).zip(weights.chunks(stride)) {
                        let mean = dot(ds, p);
                        ds.iter_mut().zip(p).for_each(|(ds, p)| *ds = p * (*ds - mean));
                    }
                },
            );
            let cells: Buffer<'_, C> = self.rounded(&dscores);
            let mut dq = self.zeros(rows * padded);
            for (seen, at) in block.seen() {
                let a = Rows::new(&cells[at.start..], rows, stride);
                self.by_dim(a, &seen.keys, at.len(), &mut dq);
            }
            let scale = 1.0 / (d as f32).sqrt();
            for (dquery, row) in dqueries.chunks_mut(d).zip(dq.chunks(padded)) {
                dquery.iter_mut().zip(row).for_each(|(dquery, x)| *dquery = x * scale);
            }
            // Keys and values gather over the rows of the block.
            let k = rows.next_multiple_of(C::SIDE);
            let places: Vec<Range<usize>> = block.seen().map(|(_, at)| at).collect();
            let queries = self.panels((block.queries, d), 0..d, k, |x| x);
            let dmixed = self.panels((&dcells, d), 0..d, k, |x| x);
            let segments = before.iter_mut().map(|segment| &mut **segment).chain([&mut *own]);
            for (segment, at) in segments.zip(places) {
                let weights = self.panels((&weights, stride), at.clone(), k, C::round);
                self.gather(&weights, &dmixed, k, &mut segment.dvalues);
                let dscores = self.panels((&cells, stride), at, k, |x| x);
                self.gather(&dscores, &queries, k, &mut segment.dkeys);
            }
        }
        dqueries
    }

    /// `out += a^T B`, (tokens, D), where `a` is (K, tokens) and B (K, D), both packed.
    fn gather<C: Cell>(&self, a: &[C], b: &[C], k: usize, out: &mut [f32]) {
        let padded = self.padded();
        for (a, out) in a.chunks(k * PANEL).zip(out.chunks_mut(PANEL * padded)) {
            for (index, b) in b.chunks(k * PANEL).enumerate() {
                let out = RowsMut { data: &mut out[index * PANEL..], stride: padded };
                C::panel(self.team.isa, Rows::of_panel(a, PANEL), b, out, true);
            }
        }
    }

    /// The columns `at` of `x`, rows of `stride` numbers, as panels along the rows, which are
    /// filled up to `k`.
    fn panels<T: Copy, C: Cell>(
        &self,
        (x, stride): (&[T], usize),
        at: Range<usize>,
        k: usize,
        cell: impl Fn(T) -> C + Copy,
    ) -> Buffer<'m, C> {
        let mut out = self.memory.cells(at.len().next_multiple_of(PANEL) * k);
        for (start, panel) in at.clone().step_by(PANEL).zip(out.chunks_mut((PANEL * k).max(1))) {
            pack(self.team.isa, (x, stride), start..at.end.min(start + PANEL), panel, cell);
        }
        out
    }
}

/// The blocks of a segment's queries, (tokens, D).
fn blocks<'a, C>(
    queries: &'a [C],
    d: usize,
    before: Option<&'a Segment<'a, C>>,
    own: &'a Segment<'a, C>,
) -> impl Iterator<Item = Block<'a, C>> {
    let blocks = queries.chunks(QUERIES * d).enumerate();
    blocks.map(move |(index, queries)| Block {
        queries,
        rows: queries.len() / d,
        before,
        own,
        first: index * QUERIES,
    })
}

impl<'a, C> Block<'a, C> {
    /// The segments that it sees and where their tokens stand in a row of scores, filled up to
    /// whole panels: all of the one before, its own up to its last row.
    fn seen(&self) -> impl Iterator<Item = (&'a Segment<'a, C>, Range<usize>)> {
        let before = self.before.map_or(0, |before| before.rows.len().next_multiple_of(PANEL));
        let own = (self.first + self.rows).next_multiple_of(PANEL);
        let own = (self.own, before..before + own);
        self.before.map(|segment| (segment, 0..before)).into_iter().chain([own])
    }
}
