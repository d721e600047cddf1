//! Reward models in the box and on disk: completion → program → score → reward.
//!
//! One way for everybody: the command line, the server and the Python package read a completion
//! with the same extraction, score it with the same numbers and give the same reasons. There is no
//! terminal here and no clock; whoever calls can stop the work between two batches.

mod decoder;
mod error;
mod linear;
mod program;

use std::{ops::ControlFlow, path::Path};

use codescaler::{
    candidate::Candidate,
    problem::Problem,
    record::Extra,
    score::{Score, Scored},
};
use codescaler_extract::Policy;
use codescaler_nn::Directory;
pub use codescaler_nn::Verbatim;
use serde_json::json;

use self::decoder::IN_THE_BOX;
pub use self::{
    decoder::{Decoder, DecoderOptions},
    error::{OpenError, ScoreError},
    linear::Linear,
    program::{beginning_of, program_of, read_as},
};

/// Where a reward model is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// All in the box, their scores added by fixed shares.
    Joint,
    /// The largest decoder in the box (`docs/reward-model.md`).
    Decoder,
    /// The linear one in the box (`docs/linear.md`).
    Linear,
    /// A Hugging Face directory, or a file made by `codescaler train reward --kind linear`.
    Path(&'a Path),
}

/// A reward model that reads problem and program.
pub enum Scorer {
    /// Features and weights.
    Linear(Linear),
    /// A transformer.
    Decoder(Box<Decoder>),
    /// All in the box.
    Joint(Box<Decoder>, Linear),
}

/// What happens while candidates are scored.
pub enum Step {
    /// The record of the next candidate, in the order of the candidates, and how many tokens of it
    /// a decoder read, its problem's included; 0 where none did.
    Scored(Scored, u64),
    /// Work went on, but the next record is not known yet.
    Working,
}

/// A candidate with its problem. Problems with the same id are taken for the same problem.
pub type Item<'a> = (&'a Problem, &'a Candidate);

/// What a point of the linear score adds to the joint one; the decoders' shares stand in
/// [`IN_THE_BOX`]. All were chosen on LiveCodeBench's validation problems (`docs/reward-model.md`),
/// where a point of the joint score is about one of log-odds.
const JOINT_LINEAR: f64 = 0.2;

impl Scorer {
    /// Loads a reward model.
    ///
    /// # Errors
    /// When there is none, it cannot be used here, or `options` are given to one that has no use
    /// for them.
    pub fn open(source: Source<'_>, options: &DecoderOptions) -> Result<Scorer, OpenError> {
        let decoders =
            |members: &[(Directory<'_>, f64)]| Decoder::open(members, options).map(Box::new);
        let decoder = |directory| Ok(Scorer::Decoder(decoders(&[(directory, 1.0)])?));
        match source {
            Source::Joint => Ok(Scorer::Joint(decoders(&IN_THE_BOX)?, Linear::in_the_box()?)),
            Source::Decoder => decoder(IN_THE_BOX[0].0),
            Source::Path(path) if path.is_dir() => decoder(Directory::Disk(path)),
            Source::Linear => {
                options.expect_none()?;
                Ok(Scorer::Linear(Linear::in_the_box()?))
            }
            Source::Path(path) => {
                let linear = Linear::open(path)?;
                options.expect_none()?;
                Ok(Scorer::Linear(linear))
            }
        }
    }

    /// Its kind, in a word.
    pub fn name(&self) -> &'static str {
        match self {
            Scorer::Linear(_) => "linear",
            Scorer::Decoder(_) => "decoder",
            Scorer::Joint(..) => "joint",
        }
    }

    /// What scores made with it are stored with: everything that they depend on.
    pub fn provenance(&self, policy: Policy) -> Extra {
        match self {
            Scorer::Linear(linear) => Extra::from_iter([
                ("scorer".to_owned(), json!("linear")),
                ("weights".to_owned(), json!(linear.fingerprint())),
                ("policy".to_owned(), json!(policy.to_string())),
            ]),
            Scorer::Decoder(decoder) => decoder.provenance(policy),
            Scorer::Joint(decoder, linear) => {
                let mut provenance = decoder.provenance(policy);
                let mut weights: Vec<&str> = decoder.fingerprints().collect();
                weights.push(linear.fingerprint());
                let shares = IN_THE_BOX.iter().map(|(_, share)| *share);
                let shares: Vec<f64> = shares.chain([JOINT_LINEAR]).collect();
                provenance.insert("scorer".to_owned(), json!("joint"));
                provenance.insert("weights".to_owned(), json!(weights));
                provenance.insert("shares".to_owned(), json!(shares));
                provenance
            }
        }
    }

    /// Emits one record per item, in order, each as soon as it and all before it are known, and
    /// between two batches a [`Step::Working`]. A break ends the work there and is returned.
    ///
    /// A score depends on its item alone, not on what else is in `items`.
    ///
    /// # Errors
    /// When an item cannot be read: a fault of the reward model's template or tokenizer. An item
    /// without a valid program, or one that is too long, is no error: its record says why it has
    /// no score.
    pub fn score<B>(
        &self,
        items: &[Item<'_>],
        policy: Policy,
        emit: &mut dyn FnMut(Step) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>, ScoreError> {
        match self {
            Scorer::Linear(linear) => {
                for (item, read) in items.iter().zip(linear.read(items, policy)) {
                    let (score, reason) = match read {
                        Ok((_, score)) => (Some(score), None),
                        Err(reason) => (None, Some(reason)),
                    };
                    if let stop @ ControlFlow::Break(_) =
                        emit(Step::Scored(record(item, score, reason), 0))
                    {
                        return Ok(stop);
                    }
                }
                Ok(ControlFlow::Continue(()))
            }
            Scorer::Decoder(decoder) => decoder.score(items, policy, emit),
            Scorer::Joint(decoder, linear) => {
                let mut others = linear.read(items, policy).into_iter();
                decoder.score(items, policy, &mut |step| match step {
                    Step::Working => emit(Step::Working),
                    Step::Scored(scored, tokens) => {
                        let other = others.next().and_then(Result::ok).map(|(_, score)| score);
                        let score = scored.score.and_then(|decoders| {
                            Score::try_from(decoders.get() + JOINT_LINEAR as f32 * other?.get())
                                .ok()
                        });
                        emit(Step::Scored(Scored { score, ..scored }, tokens))
                    }
                })
            }
        }
    }
}

/// What came of something that was to be scored as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    /// The raw logit, or why there is none.
    pub score: Result<Score, Unread>,
    /// How many tokens were read.
    pub tokens: u64,
}

/// Why something was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// The reward model may not read that much.
    TooLong(String),
    /// It is empty, or the template or the tokenizer refuses it.
    Refused(String),
}

impl Scorer {
    /// Whether it has a decoder, which reads texts as they stand.
    pub fn reads_texts(&self) -> bool {
        match self {
            Scorer::Linear(_) => false,
            Scorer::Decoder(_) | Scorer::Joint(..) => true,
        }
    }

    /// Scores texts as they stand, with the first decoder alone: `emit` gets each one's place and what
    /// came of it, as soon as it is known. A break ends the work there.
    ///
    /// Nothing is extracted and nothing trimmed: this is the number that the reference framework
    /// gives for the same text.
    ///
    /// # Panics
    /// Without a decoder ([`Scorer::reads_texts`]).
    pub fn score_verbatim(
        &self,
        all: &[Verbatim<'_>],
        emit: &mut dyn FnMut(usize, Read) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        match self {
            Scorer::Linear(_) => panic!("the linear reward model reads no texts"),
            Scorer::Decoder(decoder) | Scorer::Joint(decoder, _) => {
                decoder.score_verbatim(all, emit)
            }
        }
    }
}

fn record(item: &Item<'_>, score: Option<Score>, reason: Option<String>) -> Scored {
    let (_, candidate) = item;
    Scored {
        problem: candidate.problem.clone(),
        index: candidate.index,
        score,
        reason,
        trimmed: None,
        deviation: None,
        extra: Extra::new(),
    }
}

/// What became of a candidate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome<'a> {
    /// It has a score.
    Ok(Score),
    /// It has no valid program, for this reason.
    Invalid(&'a str),
    /// The reward model may not read that much.
    TooLong(&'a str),
}

/// What the reason of an item begins with that the decoder may not read.
const TOO_LONG_REASON: &str = "too long";

impl<'a> From<&'a Scored> for Outcome<'a> {
    fn from(scored: &'a Scored) -> Outcome<'a> {
        let reason = scored.reason.as_deref().unwrap_or_default();
        match scored.score {
            Some(score) => Outcome::Ok(score),
            None if reason.starts_with(TOO_LONG_REASON) => Outcome::TooLong(reason),
            None => Outcome::Invalid(reason),
        }
    }
}

#[cfg(test)]
mod tests;
