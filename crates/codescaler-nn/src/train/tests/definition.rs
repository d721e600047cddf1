//! The decoder as its definition in f64: one loop per index, one sequence at a time, parameters
//! where [`Layout`] has them.

use crate::config::DecoderConfig;
use crate::train::layout::{BlockLayout, Layout};

pub(super) struct Definition<'a> {
    pub config: &'a DecoderConfig,
    pub layout: &'a Layout,
    pub values: &'a [f64],
}

impl Definition<'_> {
    /// The hidden state after the last norm of every token: (T, C).
    pub(super) fn hidden(&self, tokens: &[u32]) -> Vec<Vec<f64>> {
        let c = self.config.hidden;
        let embedding = &self.values[self.layout.embedding.clone()];
        let row = |token: &u32| embedding[*token as usize * c..][..c].to_vec();
        let mut x: Vec<Vec<f64>> = tokens.iter().map(row).collect();
        for block in &self.layout.blocks {
            let mixed = self.attention(block, &x);
            for (x, y) in x.iter_mut().zip(mixed) {
                x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
            }
            for x in &mut x {
                let y = self.feed_forward(block, x);
                x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
            }
        }
        x.iter().map(|x| self.norm(x, &self.values[self.layout.norm.clone()])).collect()
    }

    /// `hidden` times the rows of the head.
    pub(super) fn outputs(&self, hidden: &[f64]) -> Vec<f64> {
        let head = self.layout.head.as_ref().unwrap_or(&self.layout.embedding);
        product(hidden, &self.values[head.clone()])
    }

    fn attention(&self, block: &BlockLayout, x: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let DecoderConfig { heads, kv_heads, head_dim: d, .. } = *self.config;
        let qkv: Vec<Vec<f64>> =
            x.iter().enumerate().map(|(at, x)| self.qkv(block, x, at)).collect();
        let mix = |at: usize| {
            let mut mixed = Vec::new();
            for head in 0..heads {
                let key = heads + head * kv_heads / heads;
                let part = |t: usize, head: usize| &qkv[t][head * d..][..d];
                let score = |t| dot(part(at, head), part(t, key)) / (d as f64).sqrt();
                let weights: Vec<f64> = (0..=at).map(|t| score(t).exp()).collect();
                let sum: f64 = weights.iter().sum();
                mixed.extend((0..d).map(|i| {
                    let values = weights.iter().enumerate();
                    values.map(|(t, w)| w * part(t, key + kv_heads)[i]).sum::<f64>() / sum
                }));
            }
            let mut out = product(&mixed, &self.values[block.output.clone()]);
            if let Some(bias) = &block.output_bias {
                out.iter_mut().zip(&self.values[bias.clone()]).for_each(|(x, b)| *x += b);
            }
            out
        };
        (0..x.len()).map(mix).collect()
    }

    fn qkv(&self, block: &BlockLayout, x: &[f64], position: usize) -> Vec<f64> {
        let DecoderConfig { heads, kv_heads, head_dim: d, .. } = *self.config;
        let x = self.norm(x, &self.values[block.attention_norm.clone()]);
        let mut row = product(&x, &self.values[block.qkv.clone()]);
        if let Some(bias) = &block.qkv_bias {
            row.iter_mut().zip(&self.values[bias.clone()]).for_each(|(x, b)| *x += b);
        }
        let frequencies = self.config.rope.frequencies(d);
        for (index, head) in row[..(heads + kv_heads) * d].chunks_mut(d).enumerate() {
            if let Some(norms) = &block.qk_norms {
                let weight = &self.values[norms[usize::from(index >= heads)].clone()];
                head.copy_from_slice(&self.norm(head, weight));
            }
            for (i, frequency) in frequencies.iter().enumerate() {
                let (sin, cos) = f64::from(position as f32 * frequency).sin_cos();
                let (low, high) = (head[i], head[i + d / 2]);
                head[i] = low * cos - high * sin;
                head[i + d / 2] = high * cos + low * sin;
            }
        }
        row
    }

    fn feed_forward(&self, block: &BlockLayout, x: &[f64]) -> Vec<f64> {
        let x = self.norm(x, &self.values[block.ffn_norm.clone()]);
        let gate_up = product(&x, &self.values[block.gate_up.clone()]);
        let (gate, up) = gate_up.split_at(self.config.ffn);
        let inner: Vec<f64> =
            gate.iter().zip(up).map(|(gate, up)| gate / (1.0 + (-gate).exp()) * up).collect();
        product(&inner, &self.values[block.down.clone()])
    }

    fn norm(&self, x: &[f64], weight: &[f64]) -> Vec<f64> {
        let mean = dot(x, x) / x.len() as f64;
        let scale = 1.0 / (mean + f64::from(self.config.norm_eps)).sqrt();
        x.iter().zip(weight).map(|(x, w)| x * scale * w).collect()
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn product(x: &[f64], w: &[f64]) -> Vec<f64> {
    w.chunks(x.len()).map(|row| dot(x, row)).collect()
}
