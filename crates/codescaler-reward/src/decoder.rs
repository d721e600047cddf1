//! Decoders as reward models: Hugging Face directories, read by `codescaler-nn`.

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

/// A directory of a decoder in the box; all of them have one tokenizer and one chat template.
macro_rules! in_the_box {
    ($name:literal) => {
        Directory::Memory {
            name: concat!($name, " in the box"),
            files: &[
                ("config.json", include_bytes!(concat!("../data/", $name, "/config.json"))),
                (
                    "model.safetensors",
                    include_bytes!(concat!("../data/", $name, "/model.safetensors")),
                ),
                ("tokenizer.json", include_bytes!("../data/reward-model/tokenizer.json")),
                (
                    "tokenizer_config.json",
                    include_bytes!("../data/reward-model/tokenizer_config.json"),
                ),
                ("chat_template.jinja", include_bytes!("../data/reward-model/chat_template.jinja")),
            ],
        }
    };
}

/// The decoders in the box, the one that also scores alone first, each with what a point of its
/// score adds to the joint one; `docs/reward-model.md` says how they were trained.
pub(crate) const IN_THE_BOX: [(Directory<'static>, f64); 3] = [
    (in_the_box!("reward-model"), 0.2),
    (in_the_box!("member-1"), 0.12),
    (in_the_box!("member-2"), 0.12),
];

/// Decoders that read the same tokens, a member of an ensemble each; most often there is one.
pub struct Decoder {
    members: Vec<Member>,
    too_long: TooLong,
}

struct Member {
    reward_model: RewardModel,
    /// What a point of its score adds to the score of all.
    share: f32,
    fingerprint: String,
}

impl Decoder {
    /// Loads members of one tokenizer, whose scores are added, each times its share.
    pub(crate) fn open(
        members: &[(Directory<'_>, f64)],
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
        let in_the_box =
            members.iter().all(|(directory, _)| matches!(directory, Directory::Memory { .. }));
        let load = |&(directory, share): &(Directory<'_>, f64)| {
            let (reward_model, fingerprint) =
                load(directory, &options_nn).map_err(|source| match directory {
                    Directory::Disk(path) => OpenError::Directory { path: path.to_owned(), source },
                    Directory::Memory { .. } => OpenError::Damaged(source.into()),
                })?;
            Ok(Member { reward_model, share: share as f32, fingerprint })
        };
        Ok(Decoder {
            members: members.iter().map(load).collect::<Result<_, OpenError>>()?,
            // Those in the box were trained on problems trimmed to their window.
            too_long: options.too_long.unwrap_or(match in_the_box {
                true => TooLong::TrimProblem,
                false => TooLong::Error,
            }),
        })
    }

    /// The first member, which speaks for all where they are the same: tokens, kernels.
    fn first(&self) -> &RewardModel {
        &self.members[0].reward_model
    }

    /// Fingerprints of each member's configuration, tokenizer and weights.
    pub(crate) fn fingerprints(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|member| &*member.fingerprint)
    }

    /// Everything that a score depends on. Threads are not among it.
    pub(crate) fn provenance(&self, policy: Policy) -> Extra {
        let kernels = self.first().kernels();
        Extra::from_iter([
            ("scorer".to_owned(), json!("decoder")),
            ("weights".to_owned(), json!(self.members[0].fingerprint)),
            ("prompt".to_owned(), json!(REWARD_PROMPT)),
            ("programs".to_owned(), json!(self.first().programs().name())),
            ("policy".to_owned(), json!(policy.to_string())),
            ("precision".to_owned(), json!(kernels.precision.name())),
            ("isa".to_owned(), json!(kernels.isa.name())),
            ("tokens_max".to_owned(), json!(self.first().tokens_max())),
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
            let mut sums = vec![0.0; group.len()];
            for (nth, member) in self.members.iter().enumerate() {
                let mut stop = ControlFlow::Continue(());
                let scored = member.reward_model.score_items(&group, &mut |step| {
                    for &(index, score) in step.ready {
                        sums[index] += member.share * score;
                        if nth + 1 == self.members.len() {
                            let (at, trimmed) = (places[index], group[index].trimmed());
                            answers[at] = Some(with_score(&all[at], sums[index], trimmed));
                        }
                    }
                    stop = emit_known(&mut answers);
                    if stop.is_break() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                });
                scored.map_err(|error| cannot_score(&all[places[error.index]], error.source))?;
                if stop.is_break() {
                    return Ok(stop);
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Scores texts as they stand, with the first member alone.
    pub(crate) fn score_verbatim(
        &self,
        all: &[Verbatim<'_>],
        emit: &mut dyn FnMut(usize, Read) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        use codescaler_nn::ScoreError as Error;
        let items: Vec<_> = all.par_iter().map(|one| self.first().verbatim(one)).collect();
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
        let scored = self.first().score_items(&group, &mut |step| {
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
            let program = read_as(&program, candidate.language, self.first().programs());
            match self.first().item(&prompts[problem.id.as_str()], &program, self.too_long) {
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
