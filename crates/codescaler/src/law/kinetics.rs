//! What generating costs: the eFLOPs of *Kinetics: Rethinking Test-Time Scaling Laws*
//! (arXiv:2506.05333), by the authors' cost functions.
//!
//! Beside the arithmetic, reading keys and values from memory is counted, in the arithmetic that
//! the hardware could have done meanwhile: I = 562.5 operations per byte. Reading the parameters is
//! shared by a large batch and not counted; a prompt is read once for all trials.
//!
//! Under sparse attention a token reads so many keys at most, of its own choice ([`sparse_cost`]).

use serde::Serialize;

/// Operations that the hardware can do while it reads a byte (the authors' constant).
pub const OPERATIONS_PER_BYTE: f64 = 562.5;

/// The shape of a decoder.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Shape {
    /// Parameters.
    pub parameters: f64,
    /// Layers.
    pub layers: f64,
    /// Heads of queries in each.
    pub query_heads: f64,
    /// Heads of keys and values in each.
    pub key_heads: f64,
    /// Width of a head.
    pub head_width: f64,
}

/// What is generated for one problem.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Load {
    /// Answers.
    pub trials: f64,
    /// Tokens of the prompt.
    pub prompt: f64,
    /// Tokens of each answer.
    pub output: f64,
}

/// A cost in 10¹² operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Teraflops {
    /// Arithmetic.
    pub compute: f64,
    /// Reading keys and values, as the arithmetic it displaces.
    pub memory: f64,
}

impl Teraflops {
    /// Both.
    pub fn total(&self) -> f64 {
        self.compute + self.memory
    }
}

/// What the load costs: with `D` the width of a head times the layers,
/// `N (2 P L_out + 2 (2 L_in + L_out) L_out n_h D)` of arithmetic and
/// `I · 2 (2 L_in + N L_out) L_out n_kv D` of reading, keys and values in 16 bits.
pub fn cost(shape: &Shape, load: &Load) -> Teraflops {
    let Shape { parameters, layers, query_heads, key_heads, head_width } = *shape;
    let Load { trials, prompt, output } = *load;
    let width = head_width * layers;
    let attention = 2.0 * (2.0 * prompt + output) * output * query_heads * width;
    let read = 2.0 * (2.0 * prompt + trials * output) * output * key_heads * width;
    Teraflops {
        compute: trials * (2.0 * parameters * output + attention) * 1e-12,
        memory: OPERATIONS_PER_BYTE * read * 1e-12,
    }
}

/// Attention that looks at a part of the keys.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Sparse {
    /// Keys that a token attends to, at most.
    pub budget: f64,
    /// Keys of a block, where blocks are chosen by one key that stands for each; `None` where
    /// choosing is free, which is the best that any way of choosing can do.
    pub block: Option<f64>,
}

/// What the load costs under sparse attention. Token t of an answer attends to
/// `min(budget, L_in + t)` keys, in each trial to others, so that the prompt's are shared by nobody.
/// Choosing multiplies each token's query with one key per block, and reads that; those of the
/// prompt are read once for all trials.
///
/// The authors' code adds `½ max(0, budget − L_in)²` to `budget · L_out` where choosing is free, and
/// subtracts it where blocks are chosen. It is what the first tokens lack to the budget, so here it
/// is subtracted, and what lies behind the last token is given back ([`attended`]).
pub fn sparse_cost(shape: &Shape, load: &Load, sparse: &Sparse) -> Teraflops {
    let Load { trials, prompt, output } = *load;
    let width = shape.head_width * shape.layers;
    let keys = attended(prompt, output, sparse.budget);
    let all = prompt * output + output * output / 2.0;
    let shared = prompt * output + trials * output * output / 2.0;
    let (chosen_by, chosen_from) =
        sparse.block.map_or((0.0, 0.0), |block| (2.0 * all / block, 2.0 * shared / block));
    let attention = (4.0 * keys + chosen_by) * shape.query_heads * width;
    let read = (4.0 * trials * keys + chosen_from) * shape.key_heads * width;
    Teraflops {
        compute: trials * (2.0 * shape.parameters * output + attention) * 1e-12,
        memory: OPERATIONS_PER_BYTE * read * 1e-12,
    }
}

/// How many keys the tokens of an answer attend to together, at most `budget` each:
/// `B L_out − ½ max(0, B − L_in)² + ½ max(0, B − L_in − L_out)²`.
pub fn attended(prompt: f64, output: f64, budget: f64) -> f64 {
    let lacking = (budget - prompt).max(0.0);
    let behind = (lacking - output).max(0.0);
    budget * output - (lacking * lacking - behind * behind) / 2.0
}

/// What scoring programs costs a reward model that reads a prompt and a program in one pass and
/// writes nothing: two operations per parameter and token, and attention among them; the prompt is
/// read once for all programs of a problem. Derived here, not the paper's: without generating there
/// are no keys to read again.
pub fn scoring_cost(shape: &Shape, prompt: f64, programs: &[f64]) -> Teraflops {
    let width = shape.head_width * shape.layers * shape.query_heads;
    // Token number t attends to t tokens, four operations each: 2 (b² − a²) for tokens a to b.
    let pass = |from: f64, to: f64| {
        2.0 * shape.parameters * (to - from) + 2.0 * (to * to - from * from) * width
    };
    let programs: f64 = programs.iter().map(|tokens| pass(prompt, prompt + tokens)).sum();
    Teraflops { compute: (pass(0.0, prompt) + programs) * 1e-12, memory: 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Qwen3-8B.
    const SHAPE: Shape = Shape {
        parameters: 8.2e9,
        layers: 36.0,
        query_heads: 32.0,
        key_heads: 8.0,
        head_width: 128.0,
    };

    /// Token by token: what is multiplied, what is read.
    fn token_by_token(shape: &Shape, load: &Load) -> Teraflops {
        let width = shape.head_width * shape.layers;
        let (mut compute, mut read) = (0.0, 0.0);
        for token in 0..load.output as u64 {
            let before = load.prompt + token as f64 + 0.5;
            compute +=
                load.trials * (2.0 * shape.parameters + 4.0 * before * shape.query_heads * width);
            // Two numbers of two bytes; the prompt's are read for all trials at once.
            let numbers = load.prompt + load.trials * (token as f64 + 0.5);
            read += 4.0 * numbers * shape.key_heads * width;
        }
        Teraflops { compute: compute * 1e-12, memory: OPERATIONS_PER_BYTE * read * 1e-12 }
    }

    #[test]
    fn the_closed_form_is_the_sum_over_tokens() {
        for (trials, prompt, output) in
            [(1.0, 500.0, 1000.0), (16.0, 300.0, 4000.0), (4.0, 0.0, 7.0)]
        {
            let load = Load { trials, prompt, output };
            let (found, sum) = (cost(&SHAPE, &load), token_by_token(&SHAPE, &load));
            assert!((found.compute / sum.compute - 1.0).abs() < 1e-9, "{found:?} {sum:?}");
            assert!((found.memory / sum.memory - 1.0).abs() < 1e-9, "{found:?} {sum:?}");
        }
        // 8.2e9 · 2 · 1000 and attention: 16.4 and 2·2000·1000·32·4608·1e-12 = 0.59 teraflops.
        let one = cost(&SHAPE, &Load { trials: 1.0, prompt: 500.0, output: 1000.0 });
        assert!((one.compute - 16.99).abs() < 0.01 && (one.memory - 82.94).abs() < 0.01, "{one:?}");
    }

    #[test]
    fn sparse_attention_is_the_sum_over_tokens() {
        // Budgets below the prompt, within the answer, at its end and beyond it.
        for budget in [1.0, 64.0, 500.0, 501.0, 1000.0, 1500.0, 1501.0, 4096.0] {
            for (prompt, output) in [(500.0, 1000.0), (0.0, 7.0), (2000.0, 3.0)] {
                let keys = |token: u64| f64::min(budget, prompt + token as f64 + 0.5);
                let sum: f64 = (0..output as u64).map(keys).sum();
                let found = attended(prompt, output, budget);
                assert!((found - sum).abs() < 1e-6, "{budget} {prompt} {output}: {found} {sum}");

                let width = SHAPE.head_width * SHAPE.layers;
                let load = Load { trials: 16.0, prompt, output };
                let (mut searched, mut read) = (0.0, 0.0);
                for token in 0..output as u64 {
                    let own = token as f64 + 0.5;
                    // One key of two bytes per block; the prompt's are read once for all trials.
                    searched += 2.0 * (prompt + own) / 16.0;
                    read += 2.0 * (prompt + 16.0 * own) / 16.0 + 16.0 * 4.0 * keys(token);
                }
                let arithmetic = 16.0
                    * (2.0 * SHAPE.parameters * output
                        + (4.0 * sum + searched) * SHAPE.query_heads * width);
                let block = Sparse { budget, block: Some(16.0) };
                let found = sparse_cost(&SHAPE, &load, &block);
                assert!((found.compute / (arithmetic * 1e-12) - 1.0).abs() < 1e-9, "{found:?}");
                let read = OPERATIONS_PER_BYTE * read * SHAPE.key_heads * width * 1e-12;
                assert!((found.memory / read - 1.0).abs() < 1e-9, "{found:?} {read}");
            }
        }
    }

    #[test]
    fn attention_to_everything_is_dense() {
        let load = Load { trials: 1.0, prompt: 500.0, output: 1000.0 };
        let all = sparse_cost(&SHAPE, &load, &Sparse { budget: 1e9, block: None });
        let dense = cost(&SHAPE, &load);
        assert!((all.compute / dense.compute - 1.0).abs() < 1e-9, "{all:?} {dense:?}");
        assert!((all.memory / dense.memory - 1.0).abs() < 1e-9, "{all:?} {dense:?}");
    }

    #[test]
    fn scoring_is_one_pass() {
        let found = scoring_cost(&SHAPE, 400.0, &[300.0, 300.0]).total();
        let of = |from: u64, to: u64| -> f64 {
            let token =
                |t: u64| 2.0 * SHAPE.parameters + 4.0 * (t as f64 + 0.5) * 32.0 * 128.0 * 36.0;
            (from..to).map(token).sum()
        };
        let sum = (of(0, 400) + 2.0 * of(400, 700)) * 1e-12;
        assert!((found / sum - 1.0).abs() < 1e-9, "{found} {sum}");
    }
}
