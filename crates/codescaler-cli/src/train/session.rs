//! A training that can be stopped: a plan, a log line per step, checkpoints.

use std::{
    fs,
    io::Write as _,
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use codescaler::seed::{Rng, derive};
use codescaler_nn::{CheckpointError, Precision, Trainer};
use indicatif::HumanDuration;
use serde_json::Value as Json;

use super::Engine;
use crate::{
    failure::Failure,
    files::write_whole,
    memory::resident_mib_max,
    report::write_report,
    tensorboard::Board,
    terminal::{Terminal, check_interrupt},
};

/// Which of the items are in each step: every epoch a new order, filled up to about
/// `tokens_per_step`.
pub(super) fn steps(
    costs: &[usize],
    tokens_per_step: usize,
    epochs: u32,
    seed: u64,
) -> Vec<Vec<usize>> {
    let mut steps = Vec::new();
    for epoch in 0..epochs {
        let mut order: Vec<usize> = (0..costs.len()).collect();
        let mut rng = Rng::new(derive(seed, &["train", &epoch.to_string()]));
        for last in (1..order.len()).rev() {
            order.swap(last, rng.below(last as u64 + 1) as usize);
        }
        let (mut step, mut tokens) = (Vec::new(), 0);
        for item in order {
            step.push(item);
            tokens += costs[item];
            if tokens >= tokens_per_step {
                steps.push(std::mem::take(&mut step));
                tokens = 0;
            }
        }
        if !step.is_empty() {
            steps.push(step);
        }
    }
    steps
}

/// Where a training writes: a folder that ends as a Hugging Face directory.
pub(super) struct Session {
    out: PathBuf,
    checkpoint_every: Duration,
    tensorboard: Option<PathBuf>,
}

const PLAN: &str = "plan.json";
const LOG: &str = "steps.jsonl";
const CHECKPOINT: &str = "checkpoint.safetensors";
/// What goes with the weights from the directory that a training starts from.
const TEXT_SIDE: [&str; 4] =
    ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"];

impl Session {
    /// Makes the folder, or finds in it a training by the same plan.
    pub(super) fn open(out: &Path, plan: &Json, engine: &Engine) -> Result<Session, Failure> {
        let path = out.join(PLAN);
        let text = format!("{plan:#}\n");
        match fs::read_to_string(&path) {
            Ok(found) if found == text => {}
            Ok(_) => {
                let out = out.display();
                return Err(Failure::input(format!(
                    "{out} holds a training by another plan (see its {PLAN}): delete it or name \
                     another output"
                )));
            }
            Err(_) if out.exists() && fs::read_dir(out).is_ok_and(|mut d| d.next().is_some()) => {
                let out = out.display();
                return Err(Failure::input(format!(
                    "{out} exists and is no training: name another output"
                )));
            }
            Err(_) => write_whole(&path, text.as_bytes())?,
        }
        Ok(Session {
            out: out.to_owned(),
            checkpoint_every: Duration::from_secs(engine.checkpoint_every),
            tensorboard: engine.tensorboard.clone(),
        })
    }

    /// Whether the training is over.
    pub(super) fn is_done(&self) -> bool {
        self.out.join("model.safetensors").exists()
    }

    /// Takes `trainer` through the steps that are left. `step` makes its updates, so many in each,
    /// and says what to log; its line must not depend on the clock. It is given the lines before
    /// its own, and may end the training with one.
    pub(super) fn run(
        &self,
        terminal: Terminal,
        trainer: &mut Trainer,
        (steps, updates): (usize, usize),
        mut step: impl FnMut(&mut Trainer, &[Json]) -> Result<ControlFlow<Json, Json>, Failure>,
    ) -> Result<(), Failure> {
        let checkpoint = self.out.join(CHECKPOINT);
        if checkpoint.exists() {
            trainer.resume(&checkpoint).map_err(unreadable)?;
            terminal.note(&format!("going on after step {}", trainer.step() / updates as u64));
        }
        let first = trainer.step() as usize / updates;
        let (mut log, mut lines) = self.log(first)?;
        let board = self.tensorboard.as_deref().map(|folder| Board::open(folder, &lines));
        let mut board = board.transpose()?;
        let bar = terminal.progress("steps", steps as u64, first as u64);
        let began = Instant::now();
        let mut saved = began;
        while lines.len() < steps {
            let made = step(trainer, &lines)?;
            let is_last = made.is_break();
            let (ControlFlow::Break(line) | ControlFlow::Continue(line)) = made;
            writeln!(log, "{line}")
                .map_err(|error| Failure::fault(error, format!("cannot write {LOG}")))?;
            board.as_mut().map_or(Ok(()), |board| board.add(&line))?;
            if let Some(loss) = line.get("loss").and_then(Json::as_f64) {
                bar.set_message(format!("loss {loss:.3}"));
            }
            bar.inc(1);
            lines.push(line);
            let stop = check_interrupt();
            if stop.is_err() || saved.elapsed() >= self.checkpoint_every {
                trainer.save(&checkpoint).map_err(unwritable)?;
                saved = Instant::now();
            }
            stop?;
            if is_last {
                break;
            }
        }
        bar.finish_and_clear();
        let memory = resident_mib_max("self").map(|mib| format!(", peak memory {mib:.0} MiB"));
        terminal.note(&format!(
            "{} steps in {}{}",
            lines.len() - first,
            HumanDuration(began.elapsed()),
            memory.unwrap_or_default()
        ));
        Ok(())
    }

    /// Writes the weights, lets go of the checkpoint, and draws the curves. `text_side` is a
    /// directory whose tokenizer and template go with the weights.
    pub(super) fn finish(
        &self,
        terminal: Terminal,
        trainer: &Trainer,
        text_side: &Path,
    ) -> Result<(), Failure> {
        self.export(trainer, text_side, None)?;
        let checkpoint = self.out.join(CHECKPOINT);
        if checkpoint.exists() {
            let removed = fs::remove_file(checkpoint);
            removed.map_err(|error| Failure::fault(error, "cannot remove the checkpoint"))?;
        }
        write_report(terminal, &self.out)
    }

    /// Writes the weights as they are into the folder, or a folder in it.
    pub(super) fn export(
        &self,
        trainer: &Trainer,
        text_side: &Path,
        into: Option<&str>,
    ) -> Result<(), Failure> {
        let out = into.map_or_else(|| self.out.clone(), |name| self.out.join(name));
        for name in TEXT_SIDE {
            let from = text_side.join(name);
            if from.exists() {
                let bytes = fs::read(&from)
                    .with_context(|| format!("cannot read {}", from.display()))
                    .map_err(Failure::Input)?;
                write_whole(&out.join(name), &bytes)?;
            }
        }
        trainer.export(&out, Precision::Bf16).map_err(unwritable)
    }

    /// The log, and its lines, without those of steps that will be made again.
    fn log(&self, steps: usize) -> Result<(fs::File, Vec<Json>), Failure> {
        let path = self.out.join(LOG);
        let text = fs::read_to_string(&path).unwrap_or_default();
        let kept: String = text.split_inclusive('\n').take(steps).collect();
        write_whole(&path, kept.as_bytes())?;
        let damaged = || format!("{} is damaged: delete the folder", path.display());
        let lines: Result<Vec<Json>, _> = kept.lines().map(serde_json::from_str).collect();
        let lines = lines.with_context(damaged).map_err(Failure::Input)?;
        if lines.len() < steps {
            return Err(Failure::input(format!("{}: it lacks steps", damaged())));
        }
        let file = fs::OpenOptions::new().append(true).open(&path);
        let file =
            file.map_err(|error| Failure::fault(error, format!("cannot open {}", path.display())))?;
        Ok((file, lines))
    }
}

fn unreadable(error: CheckpointError) -> Failure {
    Failure::Input(anyhow::Error::new(error))
}

fn unwritable(error: CheckpointError) -> Failure {
    Failure::Fault(anyhow::Error::new(error))
}
