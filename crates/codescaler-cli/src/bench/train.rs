//! `codescaler bench train`: training steps beside the reference framework.

mod row;
mod side;

use std::{num::NonZeroUsize, path::PathBuf};

use clap::Args;
use codescaler_nn::{
    DecoderConfig, Isa, Precision, Programs, Rope, RopeScaling, TrainOptions, Trainer,
};
use serde_json::json;

pub(super) use self::side::{SideOptions, run as run_side};
use self::{
    row::{Measured, Row},
    side::{Load, Setting, Work},
};
use super::{side::Folder, take_turns, write};
use crate::{
    failure::{Failure, Outcome},
    score::one_of,
    terminal::Terminal,
};

const PEER: &str = include_str!("train/peer.py");
/// The learning rate of every step.
const RATE: f32 = 1e-3;

/// Measure how fast a decoder of 15.5 million parameters is trained, beside PyTorch.
///
/// Sides take turns on the same texts from the same weights, each in a process of its own: forward,
/// backward, clipping and AdamW. First the next token of 16 texts of 256 tokens; then pairs, 8 problems
/// of 128 tokens with two programs of 128 each, by Bradley-Terry; both beside PyTorch in bf16
/// (autocast) and in f32. Then one problem of 400 tokens with 16 candidates of 200, ours alone. Ours
/// computes the tokens that a problem's programs share once, and stands there with nothing shared,
/// too.
#[derive(Args)]
#[command(after_help = "\
Texts are random: speed does not depend on what they say. Peak memory is what was resident, libraries
and interpreter included; what those took before there was a decoder stands beside it. Equal losses
show that sides do the same work.

Example:
  codescaler bench train --threads 2 --peer-python venv/bin/python --out result.json")]
pub(crate) struct Options {
    /// How often each side has its turn.
    #[arg(long, default_value = "5")]
    rounds: NonZeroUsize,
    /// Steps per turn.
    #[arg(long, default_value = "2")]
    steps: NonZeroUsize,
    /// A tiny decoder on a few tokens: to see that everything works, not how fast it is.
    #[arg(long)]
    quick: bool,
    /// Threads of every side [default: one per core].
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// Our instruction set [default: the best this processor has]. For PyTorch set
    /// ONEDNN_MAX_CPU_ISA and ATEN_CPU_CAPABILITY.
    #[arg(long, value_parser = one_of(&Isa::ALL, Isa::name))]
    isa: Option<Isa>,
    /// A Python that has torch and transformers.
    #[arg(long)]
    peer_python: Option<PathBuf>,
    /// Where to write every round's figures, as JSON.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// How much is trained on what.
struct Sizes {
    decoder: DecoderConfig,
    /// Texts and their tokens.
    texts: (usize, usize),
    /// Candidates, tokens of their problem, tokens of each.
    candidates: (usize, usize, usize),
}

impl Sizes {
    fn of(options: &Options) -> Sizes {
        let decoder = DecoderConfig {
            hidden: 384,
            layers: 7,
            heads: 6,
            kv_heads: 3,
            head_dim: 64,
            ffn: 1152,
            vocab: 4096,
            positions_max: 1024,
            norm_eps: 1e-6,
            rope: Rope { theta: 1e4, scaling: RopeScaling::Plain },
            qkv_bias: false,
            output_bias: false,
            qk_norm: true,
            tied: false,
            programs: Programs::default(),
        };
        if options.quick {
            let decoder = DecoderConfig { hidden: 64, layers: 1, ffn: 96, vocab: 256, ..decoder };
            return Sizes { decoder, texts: (2, 16), candidates: (4, 12, 6) };
        }
        Sizes { decoder, texts: (16, 256), candidates: (16, 400, 200) }
    }

    fn name(&self, load: Load) -> String {
        let ((texts, tokens), (n, problem, own)) = (self.texts, self.candidates);
        match load {
            Load::NextToken => format!("next token: {texts} texts of {tokens} tokens a step"),
            Load::Pairs => {
                let (pairs, half) = (texts / 2, tokens / 2);
                format!(
                    "pairs: {pairs} problems of {half} tokens with two programs of {half} a step"
                )
            }
            Load::Listwise => format!(
                "listwise: a problem of {problem} tokens with {n} candidates of {own} a step"
            ),
        }
    }

    fn work(&self, load: Load) -> Work {
        let mut state = 0_u64;
        let mut text = |n: usize| -> Vec<u32> {
            let mut token = || {
                // Knuth's MMIX.
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                // Never 0, which stands for padding.
                ((state >> 33) % (self.decoder.vocab as u64 - 1) + 1) as u32
            };
            (0..n).map(|_| token()).collect()
        };
        let mut group = |problem: usize, n: usize, own: usize| -> Vec<Vec<u32>> {
            let problem = text(problem);
            (0..n).map(|_| [problem.clone(), text(own)].concat()).collect()
        };
        let (texts, tokens) = self.texts;
        let groups = match load {
            Load::NextToken => (0..texts).map(|_| group(0, 1, tokens)).collect(),
            Load::Pairs => (0..texts / 2).map(|_| group(tokens / 2, 2, tokens / 2)).collect(),
            Load::Listwise => {
                let (n, problem, own) = self.candidates;
                vec![group(problem, n, own)]
            }
        };
        Work { rate: RATE, groups }
    }
}

pub(super) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    let sizes = Sizes::of(options);
    let threads = options.threads.unwrap_or(codescaler_nn::Options::default().threads);
    let isa = options.isa.unwrap_or(Isa::detect());
    if options.peer_python.is_none() {
        terminal.note("left out: the reference framework: no --peer-python");
    }
    let folder = Folder::create()?;
    let start = TrainOptions { precision: Precision::F32, isa, threads };
    let script = folder.write("peer.py", PEER)?;
    let mut loads: Vec<Measured> = Vec::new();
    let mut parameters = 0;
    for load in Load::ALL {
        let dir = folder.path(load.name());
        let trainer = Trainer::new(sizes.decoder.clone(), load.head(), 0, &start);
        parameters = parameters.max(trainer.parameters());
        trainer
            .export(&dir, Precision::F32)
            .map_err(|error| Failure::fault(error, "cannot write the decoder to start from"))?;
        drop(trainer);
        let work = sizes.work(load);
        let tokens = work.groups.iter().flatten().map(Vec::len).sum();
        let work = folder.write("work.json", &json!(work).to_string())?;
        let peer = options.peer_python.clone().zip(Some(script.clone()));
        let setting = Setting { dir, work, load, threads, isa, peer };
        let rows = measure(terminal, &setting, options)?;
        loads.push(Measured::new(sizes.name(load), tokens, rows)?);
    }
    terminal.print(&format!("{parameters} parameters; {threads} threads, {}\n", isa.name()));
    for load in &loads {
        terminal.print(&load.show());
    }
    let summary = json!({
        "verb": "bench train", "version": env!("CARGO_PKG_VERSION"),
        "commit": env!("CODESCALER_COMMIT"), "threads": threads, "isa": isa.name(),
        "parameters": parameters, "rounds": options.rounds, "steps": options.steps,
        "loads": loads.iter().map(Measured::summary).collect::<Vec<_>>(),
    });
    if let Some(out) = &options.out {
        write(out, &summary)?;
    }
    Ok(Outcome::done(summary))
}

fn measure(terminal: Terminal, setting: &Setting, options: &Options) -> Result<Vec<Row>, Failure> {
    let warm = |side| Row::warm(side, setting.start(side)?);
    let mut rows = setting.sides().into_iter().map(warm).collect::<Result<Vec<_>, _>>()?;
    take_turns(terminal, rows.len(), options.rounds.get(), |at| {
        rows[at].turn(options.steps.get())
    })?;
    Ok(rows)
}
