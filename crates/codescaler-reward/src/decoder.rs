//! A decoder as reward model: a Hugging Face directory, read by `codescaler-nn`.

use std::{collections::BTreeMap, num::NonZeroUsize, ops::ControlFlow};

use codescaler::{
    prompt::{REWARD_PROMPT, reward_prompt},
    record::Extra,
    score::{Part, Score, Scored, Trimmed},
};
use codescaler_extract::Policy;
use codescaler_nn::{Directory, Isa, LoadError, Precision, RewardModel, TooLong, Verbatim};
use rayon::prelude::*;
use serde_json::json;

use crate::{
    Item, Read, Step, TOO_LONG_REASON, Unread,
    error::{OpenError, ScoreError},
    program::{program_of, read_as},
    record,
};

/// How a decoder is run. Everything has a default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecoderOptions {
    /// How weights are kept, by default in bfloat16.
    pub precision: Option<Precision>,
    /// The instruction set, by default the best this processor has.
    pub isa: Option<Isa>,
    /// Threads of the decoder, by default one per core; scores do not depend on it.
    pub threads: Option<NonZeroUsize>,
    /// The longest problem with program and chat template, in tokens, by default 4096.
    pub tokens_max: Option<NonZeroUsize>,
    /// What to do with longer ones: by default an error, for the one in the box
    /// [`TooLong::TrimProblem`].
    pub too_long: Option<TooLong>,
}

impl DecoderOptions {
    /// Refuses options that a reward model without a decoder has no use for.
    pub(crate) fn expect_none(&self) -> Result<(), OpenError> {
        let given = [
            ("precision", self.precision.is_some()),
            ("isa", self.isa.is_some()),
            ("threads", self.threads.is_some()),
            ("tokens_max", self.tokens_max.is_some()),
            ("too_long", self.too_long.is_some()),
        ];
        match given.into_iter().find(|(_, given)| *given) {
            None => Ok(()),
            Some((option, _)) => Err(OpenError::ForDecoders { option }),
        }
    }
}

/// The files of the one in the box, by their names.
macro_rules! in_the_box {
    ($($name:literal),*) => {
        &[$(($name, include_bytes!(concat!("../data/reward-model/", $name)))),*]
    };
}

/// The decoder in the box; `docs/reward-model.md` says how it was trained.
pub(crate) const IN_THE_BOX: Directory<'static> = Directory::Memory {
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
pub struct Decoder {
    reward_model: RewardModel,
    fingerprint: String,
    too_long: TooLong,
}

impl Decoder {
    pub(crate) fn open(
        directory: Directory<'_>,
        options: &DecoderOptions,
    ) -> Result<Decoder, OpenError> {
        let best = codescaler_nn::Options::default();
        let options_nn = codescaler_nn::Options {
            isa: options.isa.unwrap_or(best.isa),
            precision: options.precision.unwrap_or(best.precision),
            threads: options.threads.unwrap_or(best.threads),
            tokens_max: options.tokens_max.map_or(best.tokens_max, NonZeroUsize::get),
            ..best
        };
        if !options_nn.isa.is_available() {
            return Err(OpenError::NoIsa { isa: options_nn.isa });
        }
        let (reward_model, fingerprint) =
            load(directory, &options_nn).map_err(|source| match directory {
                Directory::Disk(path) => OpenError::Directory { path: path.to_owned(), source },
                Directory::Memory { .. } => OpenError::Damaged(source.into()),
            })?;
        Ok(Decoder {
            reward_model,
            fingerprint,
            too_long: options.too_long.unwrap_or(match directory {
                Directory::Disk(_) => TooLong::Error,
                // It was trained on problems trimmed to its window.
                Directory::Memory { .. } => TooLong::TrimProblem,
            }),
        })
    }

    /// The fingerprint of configuration, tokenizer and weights.
    pub(crate) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Everything that a score depends on. Threads are not among it.
    pub(crate) fn provenance(&self, policy: Policy) -> Extra {
        let kernels = self.reward_model.kernels();
        Extra::from_iter([
            ("scorer".to_owned(), json!("decoder")),
            ("weights".to_owned(), json!(self.fingerprint)),
            ("prompt".to_owned(), json!(REWARD_PROMPT)),
            ("programs".to_owned(), json!(self.reward_model.programs().name())),
            ("policy".to_owned(), json!(policy.to_string())),
            ("precision".to_owned(), json!(kernels.precision.name())),
            ("isa".to_owned(), json!(kernels.isa.name())),
            ("tokens_max".to_owned(), json!(self.reward_model.tokens_max())),
            ("too_long".to_owned(), json!(self.too_long.name())),
        ])
    }

    /// Scores items, problem by problem, and emits their records in order, each as soon as it and
    /// all before it are known.
    pub(crate) fn score<B>(
        &self,
        all: &[Item<'_>],
        policy: Policy,
        emit: &mut dyn FnMut(Step) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>, ScoreError> {
        let items = self.items(all, policy)?;
        let mut answers: Vec<Option<Scored>> = items
            .iter()
            .zip(all)
            .map(|(item, of)| {
                item.as_ref().err().map(|reason| record(of, None, Some(reason.clone())))
            })
            .collect();
        let mut emitted = 0;
        let mut emit_known = |answers: &mut [Option<Scored>]| {
            while let Some(answer) = answers.get_mut(emitted).and_then(Option::take) {
                let read = items[emitted].as_ref().map_or(0, |item| item.tokens().len());
                emit(Step::Scored(answer, read as u64))?;
                emitted += 1;
            }
            emit(Step::Working)
        };
        if let stop @ ControlFlow::Break(_) = emit_known(&mut answers) {
            return Ok(stop);
        }
        for places in groups(all) {
            let places: Vec<usize> = places.into_iter().filter(|&at| items[at].is_ok()).collect();
            let group: Vec<_> = places.iter().filter_map(|&at| items[at].as_ref().ok()).collect();
            let mut stop = ControlFlow::Continue(());
            let scored = self.reward_model.score_items(&group, &mut |step| {
                for &(index, score) in step.ready {
                    let at = places[index];
                    answers[at] = Some(with_score(&all[at], score, group[index].trimmed()));
                }
                stop = emit_known(&mut answers);
                if stop.is_break() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            scored.map_err(|error| cannot_score(&all[places[error.index]], error.source))?;
            if stop.is_break() {
                return Ok(stop);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    pub(crate) fn score_verbatim(
        &self,
        all: &[Verbatim<'_>],
        emit: &mut dyn FnMut(usize, Read) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        use codescaler_nn::ScoreError as Error;
        let items: Vec<_> = all.par_iter().map(|one| self.reward_model.verbatim(one)).collect();
        let (mut places, mut group) = (Vec::new(), Vec::new());
        for (place, item) in items.iter().enumerate() {
            let why = match item {
                Ok(item) => {
                    places.push(place);
                    group.push(item);
                    continue;
                }
                Err(error @ Error::TooLong { .. }) => Unread::TooLong(error.to_string()),
                Err(
                    error @ (Error::NoProgram
                    | Error::Empty
                    | Error::Template(_)
                    | Error::Tokenizer(_)
                    | Error::NotFinite),
                ) => Unread::Refused(error.to_string()),
            };
            emit(place, Read { score: Err(why), tokens: 0 })?;
        }
        let mut stop = ControlFlow::Continue(());
        let scored = self.reward_model.score_items(&group, &mut |step| {
            stop = step.ready.iter().try_for_each(|&(index, score)| {
                let tokens = group[index].tokens().len() as u64;
                let score = Score::try_from(score).expect("the decoder gives finite scores only");
                emit(places[index], Read { score: Ok(score), tokens })
            });
            stop
        });
        if let Err(error) = scored {
            let why = Unread::Refused(error.source.to_string());
            return emit(places[error.index], Read { score: Err(why), tokens: 0 });
        }
        stop
    }

    /// What the decoder reads of each candidate, or why it reads nothing. On all cores.
    fn items(
        &self,
        all: &[Item<'_>],
        policy: Policy,
    ) -> Result<Vec<Result<codescaler_nn::Item, String>>, ScoreError> {
        use codescaler_nn::ScoreError as Error;
        let prompts: BTreeMap<&str, String> = all
            .chunk_by(|(a, _), (b, _)| a.id == b.id)
            .map(|group| (group[0].0.id.as_str(), reward_prompt(group[0].0)))
            .collect();
        let read = |item: &Item<'_>| {
            let (problem, candidate) = item;
            let program = match program_of(candidate, problem, policy) {
                Ok(program) => program,
                Err(reason) => return Ok(Err(reason)),
            };
            let program = read_as(&program, candidate.language, self.reward_model.programs());
            match self.reward_model.item(&prompts[problem.id.as_str()], &program, self.too_long) {
                Ok(item) => Ok(Ok(item)),
                Err(error @ Error::TooLong { .. }) => {
                    Ok(Err(format!("{TOO_LONG_REASON}: {error}")))
                }
                Err(error @ (Error::NoProgram | Error::Empty)) => Ok(Err(error.to_string())),
                Err(error @ (Error::Template(_) | Error::Tokenizer(_) | Error::NotFinite)) => {
                    Err(cannot_score(item, error))
                }
            }
        };
        // The first failure of the items, not of the clock.
        all.par_iter().map(read).collect::<Vec<_>>().into_iter().collect()
    }
}

fn load(
    directory: Directory<'_>,
    options: &codescaler_nn::Options,
) -> Result<(RewardModel, String), LoadError> {
    let reward_model = RewardModel::load(directory, options)?;
    let mut hasher = blake3::Hasher::new();
    codescaler_nn::identify(directory, &mut |bytes| {
        hasher.update(bytes);
    })?;
    Ok((reward_model, hasher.finalize().to_hex()[..32].to_owned()))
}

/// The places of each problem's candidates, problems in the order of their first one.
fn groups(items: &[Item<'_>]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut known = BTreeMap::new();
    for (at, (problem, _)) in items.iter().enumerate() {
        let group = *known.entry(problem.id.as_str()).or_insert(groups.len());
        if group == groups.len() {
            groups.push(Vec::new());
        }
        groups[group].push(at);
    }
    groups
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
    Scored { trimmed, ..record(item, Some(score), None) }
}

fn cannot_score((problem, candidate): &Item<'_>, source: codescaler_nn::ScoreError) -> ScoreError {
    ScoreError { problem: problem.id.clone(), index: candidate.index, source }
}
