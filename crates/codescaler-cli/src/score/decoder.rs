//! A decoder as reward model: a Hugging Face directory, read by `codescaler-nn`.

use std::{collections::BTreeMap, num::NonZeroUsize, ops::ControlFlow};

use anyhow::Context as _;
use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser, ValueParser},
};
use codescaler::{
    prompt::{REWARD_PROMPT, reward_prompt},
    record::Extra,
    score::{Part, Score, Scored, Trimmed},
};
use codescaler_extract::Policy;
use codescaler_nn::{Directory, Isa, Precision, RewardModel, ScoreError, TooLong};
use rayon::prelude::*;
use serde_json::json;

use crate::{
    failure::Failure,
    program::program_of,
    stage::{Emit, Item},
    terminal::check_interrupt,
};

/// How the decoder is run.
#[derive(Args, Default)]
#[command(next_help_heading = "For decoders")]
pub(crate) struct DecoderOptions {
    /// How weights are kept [default: bf16].
    #[arg(long, value_parser = one_of(&PRECISIONS, precision_name))]
    precision: Option<Precision>,
    /// The instruction set [default: the best this processor has].
    #[arg(long, value_parser = one_of(&ISAS, isa_name))]
    isa: Option<Isa>,
    /// Threads of the decoder; scores do not depend on it [default: one per core].
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// The longest problem with program and chat template, in tokens [default: 4096].
    #[arg(long)]
    tokens_max: Option<NonZeroUsize>,
    /// What to do with longer ones: give them no score and end with exit code 1, leave out the
    /// middle of the problem, or the end of the program [default: error; trim-problem for the one
    /// in the box].
    #[arg(long, value_parser = one_of(&TOO_LONG, too_long_name))]
    too_long: Option<TooLong>,
}

pub(crate) const PRECISIONS: [Precision; 3] = [Precision::Bf16, Precision::F32, Precision::Int8];
pub(crate) const ISAS: [Isa; 3] = [Isa::Avx512, Isa::Avx2, Isa::Portable];
const TOO_LONG: [TooLong; 3] = [TooLong::Error, TooLong::TrimProblem, TooLong::TrimProgram];

pub(crate) fn precision_name(precision: Precision) -> &'static str {
    match precision {
        Precision::Bf16 => "bf16",
        Precision::F32 => "f32",
        Precision::Int8 => "int8",
    }
}

pub(crate) fn isa_name(isa: Isa) -> &'static str {
    match isa {
        Isa::Avx512 => "avx512",
        Isa::Avx2 => "avx2",
        Isa::Portable => "portable",
    }
}

fn too_long_name(too_long: TooLong) -> &'static str {
    match too_long {
        TooLong::Error => "error",
        TooLong::TrimProblem => "trim-problem",
        TooLong::TrimProgram => "trim-program",
    }
}

/// Parses one of `all` by its name.
pub(crate) fn one_of<T: Clone + Copy + Send + Sync + 'static>(
    all: &'static [T],
    name: fn(T) -> &'static str,
) -> ValueParser {
    let names = all.iter().map(|&value| name(value));
    let named = move |text: String| {
        let found = all.iter().find(|&&value| name(value) == text);
        *found.expect("clap lets only these names through")
    };
    PossibleValuesParser::new(names).map(named).into()
}

impl DecoderOptions {
    /// Refuses options that a reward model without a decoder has no use for.
    pub(super) fn expect_none(&self) -> Result<(), Failure> {
        let given = [
            ("--precision", self.precision.is_some()),
            ("--isa", self.isa.is_some()),
            ("--threads", self.threads.is_some()),
            ("--tokens-max", self.tokens_max.is_some()),
            ("--too-long", self.too_long.is_some()),
        ];
        match given.into_iter().find(|(_, given)| *given) {
            None => Ok(()),
            Some((option, _)) => Err(Failure::input(format!(
                "{option} is for decoders, but the linear reward model scores here: \
                 leave {option} out, or let a decoder score"
            ))),
        }
    }
}

/// The files of the one in the box, by their names.
macro_rules! in_the_box {
    ($($name:literal),*) => {
        &[$(($name, include_bytes!(concat!("../../data/reward-model/", $name)))),*]
    };
}

/// The decoder in the box; `docs/reward-model.md` says how it was trained.
pub(super) const IN_THE_BOX: Directory<'static> = Directory::Memory {
    name: "the reward model in the box",
    files: in_the_box![
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja"
    ],
};

/// A reward model directory, loaded.
pub(crate) struct Decoder {
    reward_model: RewardModel,
    fingerprint: String,
    too_long: TooLong,
}

impl Decoder {
    pub(super) fn open(
        directory: Directory<'_>,
        options: &DecoderOptions,
    ) -> Result<Decoder, Failure> {
        let best = codescaler_nn::Options::default();
        let options_nn = codescaler_nn::Options {
            isa: options.isa.unwrap_or(best.isa),
            precision: options.precision.unwrap_or(best.precision),
            threads: options.threads.unwrap_or(best.threads),
            tokens_max: options.tokens_max.map_or(best.tokens_max, NonZeroUsize::get),
            ..best
        };
        if !options_nn.isa.is_available() {
            let isa = isa_name(options_nn.isa);
            return Err(Failure::input(format!("this processor has no {isa}: leave --isa out")));
        }
        let mut hasher = blake3::Hasher::new();
        let identify = |reward_model| {
            codescaler_nn::identify(directory, &mut |bytes| {
                hasher.update(bytes);
            })?;
            Ok(reward_model)
        };
        let reward_model = RewardModel::load(directory, &options_nn)
            .and_then(identify)
            .with_context(|| match directory {
                Directory::Disk(dir) => format!("{} is no usable reward model", dir.display()),
                Directory::Memory { name, .. } => format!("{name} is damaged"),
            })
            .map_err(Failure::Input)?;
        Ok(Decoder {
            reward_model,
            fingerprint: hasher.finalize().to_hex()[..32].to_owned(),
            too_long: options.too_long.unwrap_or(match directory {
                Directory::Disk(_) => TooLong::Error,
                // It was trained on problems trimmed to its window.
                Directory::Memory { .. } => TooLong::TrimProblem,
            }),
        })
    }

    /// The fingerprint of configuration, tokenizer and weights.
    pub(super) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Everything that a score depends on. Threads are not among it.
    pub(super) fn provenance(&self, policy: Policy) -> Extra {
        let kernels = self.reward_model.kernels();
        Extra::from_iter([
            ("scorer".to_owned(), json!("decoder")),
            ("weights".to_owned(), json!(self.fingerprint)),
            ("prompt".to_owned(), json!(REWARD_PROMPT)),
            ("policy".to_owned(), json!(policy.to_string())),
            ("precision".to_owned(), json!(precision_name(kernels.precision))),
            ("isa".to_owned(), json!(isa_name(kernels.isa))),
            ("tokens_max".to_owned(), json!(self.reward_model.tokens_max())),
            ("too_long".to_owned(), json!(too_long_name(self.too_long))),
        ])
    }

    /// Scores a batch, problem by problem, and emits its records in order, each as soon as it and
    /// all before it are known.
    pub(super) fn score_batch(
        &self,
        batch: &[Item<'_>],
        policy: Policy,
        emit: &mut Emit<'_, Scored>,
    ) -> Result<(), Failure> {
        let items = self.items(batch, policy)?;
        let mut answers: Vec<Option<Scored>> = items
            .iter()
            .zip(batch)
            .map(|(item, of)| item.as_ref().err().map(|reason| without_score(of, reason.clone())))
            .collect();
        let mut emitted = 0;
        let mut emit_known = |answers: &mut [Option<Scored>]| {
            while let Some(answer) = answers.get_mut(emitted).and_then(Option::take) {
                emit(answer)?;
                emitted += 1;
            }
            check_interrupt()
        };
        emit_known(&mut answers)?;
        for places in groups(batch) {
            let places: Vec<usize> = places.into_iter().filter(|&at| items[at].is_ok()).collect();
            let group: Vec<_> = places.iter().filter_map(|&at| items[at].as_ref().ok()).collect();
            let mut stopped = None;
            let scored = self.reward_model.score_items(&group, &mut |step| {
                for &(index, score) in step.ready {
                    let at = places[index];
                    answers[at] = Some(with_score(&batch[at], score, group[index].trimmed()));
                }
                match emit_known(&mut answers) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(failure) => {
                        stopped = Some(failure);
                        ControlFlow::Break(())
                    }
                }
            });
            scored.map_err(|error| cannot_score(&batch[places[error.index]], error.source))?;
            if let Some(failure) = stopped {
                return Err(failure);
            }
        }
        Ok(())
    }

    /// What the decoder reads of each candidate, or why it reads nothing. On all cores.
    fn items(
        &self,
        batch: &[Item<'_>],
        policy: Policy,
    ) -> Result<Vec<Result<codescaler_nn::Item, String>>, Failure> {
        let prompts: BTreeMap<&str, String> = batch
            .chunk_by(|a, b| a.problem.id == b.problem.id)
            .map(|group| (group[0].problem.id.as_str(), reward_prompt(group[0].problem)))
            .collect();
        let read = |item: &Item<'_>| {
            let program = match program_of(&item.candidate, item.problem, policy) {
                Ok(program) => program,
                Err(reason) => return Ok(Err(reason)),
            };
            let prompt = &prompts[item.problem.id.as_str()];
            match self.reward_model.item(prompt, &program, self.too_long) {
                Ok(item) => Ok(Ok(item)),
                Err(error @ ScoreError::TooLong { .. }) => {
                    Ok(Err(format!("{}: {error}", super::TOO_LONG)))
                }
                Err(error @ (ScoreError::NoProgram | ScoreError::Empty)) => {
                    Ok(Err(error.to_string()))
                }
                Err(
                    error @ (ScoreError::Template(_)
                    | ScoreError::Tokenizer(_)
                    | ScoreError::NotFinite),
                ) => Err(cannot_score(item, error)),
            }
        };
        // The first failure of the file, not of the clock.
        batch.par_iter().map(read).collect::<Vec<_>>().into_iter().collect()
    }
}

/// The places of each problem's candidates, problems in the order of their first one.
fn groups(batch: &[Item<'_>]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut known = BTreeMap::new();
    for (at, item) in batch.iter().enumerate() {
        let group = *known.entry(item.problem.id.as_str()).or_insert(groups.len());
        if group == groups.len() {
            groups.push(Vec::new());
        }
        groups[group].push(at);
    }
    groups
}

fn without_score(item: &Item<'_>, reason: String) -> Scored {
    super::record(item, None, Some(reason))
}

fn with_score(item: &Item<'_>, score: f32, trimmed: Option<codescaler_nn::Trimmed>) -> Scored {
    let score = Score::try_from(score).expect("the decoder gives finite scores only");
    let trimmed = trimmed.map(|trimmed| Trimmed {
        part: match trimmed.part {
            codescaler_nn::Part::Problem => Part::Problem,
            codescaler_nn::Part::Program => Part::Program,
        },
        tokens_kept: trimmed.tokens_kept,
        tokens: trimmed.tokens,
    });
    Scored { trimmed, ..super::record(item, Some(score), None) }
}

fn cannot_score(item: &Item<'_>, error: ScoreError) -> Failure {
    let (index, problem) = (item.candidate.index, &item.problem.id);
    let doing = format!("cannot score candidate {index} of problem {problem:?}");
    Failure::Input(anyhow::Error::new(error).context(doing))
}
