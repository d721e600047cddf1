//! The decoder as its definition: f32, one loop per index, one sequence at a time.
//!
//! Nothing here is fast. It is what every fast path is tested against.

use crate::config::DecoderConfig;
use crate::matrix::Dense;
use crate::network::{Block, Network};
use crate::weights::Numbers;

/// The hidden state of the last token after the last norm: (C).
///
/// `embedding` is (V, C); positions count from 0.
pub(crate) fn last_hidden(
    config: &DecoderConfig,
    network: &Network<Dense>,
    embedding: Numbers<'_>,
    tokens: &[u32],
) -> Vec<f32> {
    let c = config.hidden;
    let mut x = vec![0.0; tokens.len() * c];
    for (row, token) in x.chunks_mut(c).zip(tokens) {
        embedding.read(*token as usize * c, row);
    }
    for block in &network.blocks {
        attention(config, block, &mut x);
        feed_forward(config, block, &mut x);
    }
    let last = &x[x.len() - c..];
    norm(last, &network.norm, config.norm_eps)
}

fn attention(config: &DecoderConfig, block: &Block<Dense>, x: &mut [f32]) {
    let DecoderConfig { hidden, heads, kv_heads, head_dim, norm_eps, .. } = *config;
    let (q_dim, kv_dim) = (heads * head_dim, kv_heads * head_dim);
    let frequencies = config.rope.frequencies(head_dim);
    let mut qkv = Vec::new();
    for (position, x) in x.chunks(hidden).enumerate() {
        let x = norm(x, &block.attention_norm, norm_eps);
        let mut row = product(&x, &block.qkv, block.qkv_bias.as_deref());
        for (index, head) in row[..q_dim + kv_dim].chunks_mut(head_dim).enumerate() {
            if let Some(norms) = &block.qk_norms {
                let weight = &norms[usize::from(index >= heads)];
                head.copy_from_slice(&norm(head, weight, norm_eps));
            }
            rotate(head, &frequencies, position);
        }
        qkv.push(row);
    }
    for (position, x) in x.chunks_mut(hidden).enumerate() {
        let mut mixed = Vec::new();
        for head in 0..heads {
            let group = head / (heads / kv_heads);
            let q = &qkv[position][head * head_dim..][..head_dim];
            let k = |t: usize| &qkv[t][q_dim + group * head_dim..][..head_dim];
            let v = |t: usize| &qkv[t][q_dim + kv_dim + group * head_dim..][..head_dim];
            let scale = 1.0 / (head_dim as f32).sqrt();
            let scores: Vec<f32> = (0..=position).map(|t| dot(q, k(t)) * scale).collect();
            let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let weights: Vec<f32> = scores.iter().map(|s| (s - max).exp()).collect();
            let sum: f32 = weights.iter().sum();
            for d in 0..head_dim {
                let mix = (0..=position).map(|t| weights[t] / sum * v(t)[d]);
                mixed.push(mix.sum());
            }
        }
        add(x, &product(&mixed, &block.output, block.output_bias.as_deref()));
    }
}

fn feed_forward(config: &DecoderConfig, block: &Block<Dense>, x: &mut [f32]) {
    for x in x.chunks_mut(config.hidden) {
        let normed = norm(x, &block.ffn_norm, config.norm_eps);
        let both = product(&normed, &block.gate_up, None);
        let (gate, up) = both.split_at(config.ffn);
        let inner: Vec<f32> =
            gate.iter().zip(up).map(|(gate, up)| gate / (1.0 + (-gate).exp()) * up).collect();
        add(x, &product(&inner, &block.down, None));
    }
}

fn norm(x: &[f32], weight: &[f32], eps: f32) -> Vec<f32> {
    let mean = x.iter().map(|x| x * x).sum::<f32>() / x.len() as f32;
    let scale = 1.0 / (mean + eps).sqrt();
    x.iter().zip(weight).map(|(x, weight)| x * scale * weight).collect()
}

fn rotate(head: &mut [f32], frequencies: &[f32], position: usize) {
    let half = head.len() / 2;
    for (i, frequency) in frequencies.iter().enumerate() {
        let (sin, cos) = (position as f32 * frequency).sin_cos();
        let (low, high) = (head[i], head[i + half]);
        head[i] = low * cos - high * sin;
        head[i + half] = high * cos + low * sin;
    }
}

/// `W x + b`, W of (N, K).
fn product(x: &[f32], weight: &Dense, bias: Option<&[f32]>) -> Vec<f32> {
    let rows = weight.0.chunks(x.len()).enumerate();
    rows.map(|(n, row)| dot(x, row) + bias.map_or(0.0, |bias| bias[n])).collect()
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(x: &mut [f32], y: &[f32]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x += y;
    }
}
