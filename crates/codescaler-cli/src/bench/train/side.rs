//! Who takes turns, each in a process of its own, so that its peak memory is its own.

use std::{ffi::OsStr, io, num::NonZeroUsize, path::PathBuf, time::Instant};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use codescaler_nn::{
    AdamW, Group, Isa, Objective, Precision, Targets, TrainHead, TrainOptions, Trainer,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::process::{FRAMEWORK, Process};
use crate::{
    failure::{Failure, Outcome},
    score::one_of,
    terminal::Terminal,
};

/// What is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Load {
    /// To predict the next token of every text.
    NextToken,
    /// To prefer the first of two texts that begin with the same problem.
    Pairs,
    /// To prefer the right candidates of a problem.
    Listwise,
}

/// Who trains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Ours { precision: Precision, is_shared: bool },
    Framework { dtype: &'static str },
}

/// The same batch for every step: texts, or the candidates of problems.
#[derive(Serialize, Deserialize)]
pub(super) struct Work {
    pub(super) rate: f32,
    pub(super) groups: Vec<Vec<Vec<u32>>>,
}

/// What a process needs to know.
pub(super) struct Setting {
    pub(super) dir: PathBuf,
    pub(super) work: PathBuf,
    pub(super) load: Load,
    pub(super) threads: NonZeroUsize,
    pub(super) isa: Isa,
    /// A Python with the reference framework, and its side.
    pub(super) peer: Option<(PathBuf, PathBuf)>,
}

/// One turn.
#[derive(Serialize, Deserialize)]
pub(super) struct Turn {
    pub(super) wall_s: f64,
    /// Of the last step, before its update.
    pub(super) loss: f64,
}

#[derive(Deserialize)]
struct Request {
    steps: usize,
}

/// One of our sides of `bench train`, which starts it.
#[derive(Args)]
pub(crate) struct SideOptions {
    dir: PathBuf,
    work: PathBuf,
    #[arg(long, value_enum)]
    load: Load,
    #[arg(long)]
    threads: NonZeroUsize,
    #[arg(long, value_parser = one_of(&Isa::ALL, Isa::name))]
    isa: Isa,
    #[arg(long, value_parser = one_of(&Precision::ALL, Precision::name))]
    precision: Precision,
    #[arg(long)]
    shared: bool,
}

impl Load {
    pub(super) const ALL: [Load; 3] = [Load::NextToken, Load::Pairs, Load::Listwise];

    pub(super) fn head(self) -> TrainHead {
        match self {
            Load::NextToken => TrainHead::LanguageModel,
            Load::Pairs | Load::Listwise => TrainHead::Score,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Load::NextToken => "next-token",
            Load::Pairs => "pairs",
            Load::Listwise => "listwise",
        }
    }
}

impl Side {
    pub(super) fn name(self) -> String {
        match self {
            Side::Ours { precision, is_shared: true } => {
                format!("ours, {}", precision.name())
            }
            Side::Ours { precision, is_shared: false } => {
                format!("ours, {}, nothing shared", precision.name())
            }
            Side::Framework { dtype: "bf16" } => "PyTorch, bf16 autocast".to_owned(),
            Side::Framework { dtype } => format!("PyTorch, {dtype}"),
        }
    }

    /// What others are compared with: PyTorch in bf16, without it ours with nothing shared.
    pub(super) fn reference(sides: impl Iterator<Item = Side> + Clone) -> Option<Side> {
        let framework = |side: &Side| matches!(side, Side::Framework { dtype: "bf16" });
        let apart = |side: &Side| matches!(side, Side::Ours { is_shared: false, .. });
        sides.clone().find(framework).or_else(|| sides.clone().find(apart))
    }
}

impl Setting {
    pub(super) fn sides(&self) -> Vec<Side> {
        let ours = |precision, is_shared| Side::Ours { precision, is_shared };
        let (bf16, f32) = (Precision::Bf16, Precision::F32);
        let ours = match self.load {
            // There is nothing to share.
            Load::NextToken => [ours(bf16, true), ours(f32, true)],
            Load::Pairs | Load::Listwise => [ours(bf16, true), ours(bf16, false)],
        };
        let framework: &[&str] = match self.load {
            Load::NextToken | Load::Pairs if self.peer.is_some() => &["bf16", "f32"],
            Load::NextToken | Load::Pairs | Load::Listwise => &[],
        };
        let framework = framework.iter().map(|dtype| Side::Framework { dtype });
        ours.into_iter().chain(framework).collect()
    }

    /// Starts a side, which makes its decoder when it is asked for the first time.
    pub(super) fn start(&self, side: Side) -> Result<Process, Failure> {
        let threads = self.threads.to_string();
        let files: [&OsStr; 2] = [self.dir.as_ref(), self.work.as_ref()];
        match side {
            Side::Ours { precision, is_shared } => {
                let program = std::env::current_exe()
                    .map_err(|error| Failure::fault(error, "cannot find codescaler itself"))?;
                let mut args = vec!["bench".as_ref(), "train-side".as_ref(), files[0], files[1]];
                let flags = [
                    ("--load", self.load.name()),
                    ("--threads", &threads),
                    ("--isa", self.isa.name()),
                    ("--precision", precision.name()),
                ];
                args.extend(flags.iter().flat_map(|(flag, value)| [flag, value].map(OsStr::new)));
                args.extend(is_shared.then(|| OsStr::new("--shared")));
                Process::start("codescaler bench train-side", &program, &args)
            }
            Side::Framework { dtype } => {
                let (python, script) = self.peer.as_ref().expect("a side only where it is");
                let [dir, work] = files;
                let [load, threads, dtype] = [self.load.name(), &threads, dtype].map(OsStr::new);
                Process::start(
                    FRAMEWORK,
                    python,
                    &[script.as_ref(), dir, work, load, threads, dtype],
                )
            }
        }
    }
}

/// Answers turn by turn until standard input ends.
pub(crate) fn run(terminal: Terminal, options: &SideOptions) -> Result<Outcome, Failure> {
    terminal.print(&json!({"codescaler": env!("CARGO_PKG_VERSION")}).to_string());
    let mut trainer = None;
    for line in io::stdin().lines() {
        let line = line.map_err(|error| Failure::fault(error, "cannot read standard input"))?;
        let request: Request = serde_json::from_str(&line)
            .context("a turn is {\"steps\": 1}")
            .map_err(Failure::Input)?;
        let (trainer, work) = match &mut trainer {
            Some(trainer) => trainer,
            none => none.insert(options.open()?),
        };
        let start = Instant::now();
        let mut loss = f64::NAN;
        for _ in 0..request.steps {
            loss = options.step(trainer, work);
        }
        let turn = Turn { wall_s: start.elapsed().as_secs_f64(), loss };
        terminal.print(&json!(turn).to_string());
    }
    Ok(Outcome::done(json!({})))
}

impl SideOptions {
    fn open(&self) -> Result<(Trainer, Work), Failure> {
        let Self { precision, isa, threads, .. } = *self;
        let trainer =
            Trainer::load(&self.dir, self.load.head(), &TrainOptions { precision, isa, threads })
                .with_context(|| format!("{} has no usable decoder", self.dir.display()))
                .map_err(Failure::Input)?;
        let read = || anyhow::Ok(serde_json::from_str(&std::fs::read_to_string(&self.work)?)?);
        let work = read()
            .with_context(|| format!("{} has no work", self.work.display()))
            .map_err(Failure::Input)?;
        Ok((trainer, work))
    }

    /// One update. Returns the loss before.
    fn step(&self, trainer: &mut Trainer, work: &Work) -> f64 {
        let groups: Vec<Vec<&[u32]>> =
            work.groups.iter().map(|group| group.iter().map(Vec::as_slice).collect()).collect();
        let loss = match self.load {
            Load::NextToken => {
                let groups: Vec<&[&[u32]]> = groups.iter().map(Vec::as_slice).collect();
                trainer.language_loss(&groups, 1.0)
            }
            Load::Pairs | Load::Listwise => {
                // Every second candidate is right.
                let n_max = groups.iter().map(Vec::len).max().unwrap_or(0);
                let labels: Vec<f32> = [1.0, 0.0].into_iter().cycle().take(n_max).collect();
                let (objective, pairs) = if self.load == Load::Pairs {
                    (Objective::BradleyTerry { margin: 0.0 }, &[(0, 1)][..])
                } else {
                    (Objective::Listwise, &[][..])
                };
                let group = |items| {
                    let items: &Vec<&[u32]> = items;
                    let targets = Targets { labels: &labels[..items.len()], pairs };
                    Group { items, targets, share: self.shared }
                };
                let groups: Vec<Group<'_>> = groups.iter().map(group).collect();
                trainer.reward_loss(&groups, &objective.into(), 1.0).loss
            }
        };
        trainer.update(&AdamW::default(), work.rate);
        loss
    }
}
