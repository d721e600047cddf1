//! `codescaler score`: candidates → scores, without running anything.

mod decoder;
mod linear;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use codescaler::{
    record::{Extra, Header},
    score::{Score, Scored},
};
use codescaler_extract::Policy;
use codescaler_nn::Directory;
use serde_json::json;

pub(crate) use self::{
    decoder::{ISAS, PRECISIONS, isa_name, one_of, precision_name},
    linear::Linear,
};
use crate::{
    failure::{Failure, Outcome},
    files::{Joined, Problems, fingerprint, records},
    stage::{self, Emit, Item},
    terminal::Terminal,
};

/// What the reason of an item begins with that the decoder may not read.
const TOO_LONG: &str = "too long";

/// A reward model that reads problem and program.
pub(crate) enum Scorer {
    /// Features and weights.
    Linear(Linear),
    /// A transformer.
    Decoder(Box<decoder::Decoder>),
    /// Both in the box.
    Joint(Box<decoder::Decoder>, Linear),
}

/// How much a point of each score in the box adds to the joint score, in log-odds of being right:
/// their scales by `eval calibrate` on LiveCodeBench's validation problems, 0.576 and 0.191, of which
/// the linear one counts twice (docs/reward-model.md).
const JOINT_DECODER: f32 = 0.576 / 3.0;
const JOINT_LINEAR: f32 = 0.191 * 2.0 / 3.0;

/// Which reward model scores.
#[derive(Args)]
pub(crate) struct ScorerOptions {
    /// A Hugging Face directory (Qwen2, Qwen3 or Llama 3 with one score), or a file made by
    /// `codescaler train reward --kind linear`, in place of a reward model in the box.
    #[arg(long)]
    reward_model: Option<PathBuf>,
    /// Which reward model in the box.
    #[arg(long, value_enum, default_value_t = InTheBox::Joint, conflicts_with = "reward_model")]
    scorer: InTheBox,
    #[command(flatten)]
    decoder: decoder::DecoderOptions,
}

/// A reward model that comes with the program.
#[derive(Clone, Copy, ValueEnum)]
enum InTheBox {
    /// Both: a mean of their log-odds.
    Joint,
    /// The decoder alone: it reads problem and program (docs/reward-model.md).
    Decoder,
    /// The linear one alone: it reads the form of the program, and is much faster (docs/linear.md).
    Linear,
}

impl ScorerOptions {
    /// The reward model that was asked for.
    pub(crate) fn open(&self) -> Result<Scorer, Failure> {
        let load = |directory| Ok(Box::new(decoder::Decoder::open(directory, &self.decoder)?));
        let decoder = |directory| load(directory).map(Scorer::Decoder);
        let linear = |path| {
            self.decoder.expect_none()?;
            Ok(Scorer::Linear(Linear::open(path)?))
        };
        match (self.reward_model.as_deref(), self.scorer) {
            (Some(dir), _) if dir.is_dir() => decoder(Directory::Disk(dir)),
            (Some(file), _) => linear(Some(file)),
            (None, InTheBox::Joint) => {
                Ok(Scorer::Joint(load(decoder::IN_THE_BOX)?, Linear::open(None)?))
            }
            (None, InTheBox::Decoder) => decoder(decoder::IN_THE_BOX),
            (None, InTheBox::Linear) => linear(None),
        }
    }
}

impl Scorer {
    fn name(&self) -> &'static str {
        match self {
            Scorer::Linear(_) => "linear",
            Scorer::Decoder(_) => "decoder",
            Scorer::Joint(..) => "joint",
        }
    }

    /// What scores made with it are stored with.
    pub(crate) fn provenance(&self, policy: Policy) -> Extra {
        match self {
            Scorer::Linear(linear) => Extra::from_iter([
                ("scorer".to_owned(), json!("linear")),
                ("weights".to_owned(), json!(linear.fingerprint())),
                ("policy".to_owned(), json!(policy.to_string())),
            ]),
            Scorer::Decoder(decoder) => decoder.provenance(policy),
            Scorer::Joint(decoder, linear) => {
                let mut provenance = decoder.provenance(policy);
                let weights = [decoder.fingerprint(), linear.fingerprint()];
                provenance.insert("scorer".to_owned(), json!("joint"));
                provenance.insert("weights".to_owned(), json!(weights));
                provenance.insert("shares".to_owned(), json!([JOINT_DECODER, JOINT_LINEAR]));
                provenance
            }
        }
    }

    /// One record per candidate, in order.
    pub(crate) fn score_batch(
        &self,
        batch: &[Item<'_>],
        policy: Policy,
        emit: &mut Emit<'_, Scored>,
    ) -> Result<(), Failure> {
        match self {
            Scorer::Linear(linear) => {
                for (item, read) in batch.iter().zip(linear.read(batch, policy)) {
                    let (score, reason) = match read {
                        Ok((_, score)) => (Some(score), None),
                        Err(reason) => (None, Some(reason)),
                    };
                    emit(record(item, score, reason))?;
                }
                Ok(())
            }
            Scorer::Decoder(decoder) => decoder.score_batch(batch, policy, emit),
            Scorer::Joint(decoder, linear) => {
                let mut others = linear.read(batch, policy).into_iter();
                decoder.score_batch(batch, policy, &mut |scored| {
                    let other = others.next().and_then(Result::ok).map(|(_, score)| score);
                    emit(Scored {
                        score: scored.score.and_then(|score| joint(score, other?)),
                        ..scored
                    })
                })
            }
        }
    }
}

/// The mean of two log-odds, the linear one's counted twice.
fn joint(decoder: Score, linear: Score) -> Option<Score> {
    Score::try_from(JOINT_DECODER * decoder.get() + JOINT_LINEAR * linear.get()).ok()
}

fn record(item: &Item<'_>, score: Option<Score>, reason: Option<String>) -> Scored {
    Scored {
        problem: item.candidate.problem.clone(),
        index: item.candidate.index,
        score,
        reason,
        trimmed: None,
        deviation: None,
        extra: Extra::new(),
    }
}

/// Score candidates with a reward model, without running them.
///
/// A score is a raw logit, comparable only within one problem. A candidate without a valid
/// program gets no score but the reason. The reward model is the small decoder in the box, or any
/// in a Hugging Face directory, such as the published ones of CodeScaler and Skywork.
#[derive(Args)]
#[command(after_help = "\
Examples:
  codescaler score --problems problems.jsonl --candidates candidates.jsonl --out scores.jsonl
  codescaler score --problems problems.jsonl --candidates candidates.jsonl --out scores.jsonl \\
    --reward-model CodeScaler-1.7B --tokens-max 4096 --too-long trim-problem")]
pub(crate) struct Options {
    /// The problems.
    #[arg(long)]
    problems: PathBuf,
    /// The candidates.
    #[arg(long)]
    candidates: PathBuf,
    /// Where to write the scores.
    #[arg(long)]
    out: PathBuf,
    /// Which block of a completion is the program.
    #[arg(long, default_value_t = Policy::BestValid)]
    policy: Policy,
    /// Hide the problem: its statement and starter are blank for the reward model. What scores then
    /// lose is what it owes to reading the problem (`eval reward` compares both).
    #[arg(long)]
    hide_problem: bool,
    #[command(flatten)]
    scorer: ScorerOptions,
}

pub(crate) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    let mut problems = Problems::read(&options.problems)?;
    if options.hide_problem {
        problems.hide_texts();
    }
    let candidates = Joined::open(&options.candidates, &problems)?;
    let scorer = options.scorer.open()?;
    let mut provenance = scorer.provenance(options.policy);
    if options.hide_problem {
        provenance.insert("hide_problem".to_owned(), json!(true));
    }
    provenance.insert("problems".to_owned(), json!(fingerprint(&options.problems)?));
    provenance.insert("candidates".to_owned(), json!(fingerprint(&options.candidates)?));
    let header = Header::new::<Scored>(provenance);
    let progress = score_all(
        terminal,
        (&options.candidates, candidates),
        (&options.out, &header),
        (&scorer, options.policy),
    )?;
    let out = options.out.display();
    match progress {
        Some(progress) => terminal.print(&format!("{} scores written to {out}", progress.made)),
        None => terminal.note(&format!("{out} is whole already")),
    }
    let tally = Tally::of(&options.out)?;
    if tally.too_long > 0 {
        terminal.note(&format!(
            "{} items are too long and have no score: raise --tokens-max, or let --too-long trim",
            tally.too_long
        ));
    }
    if tally.trimmed > 0 {
        terminal.note(&format!("{} items were trimmed; their lines say so", tally.trimmed));
    }
    let progress = progress.unwrap_or_default();
    let mut outcome = Outcome::done(json!({
        "verb": "score", "out": options.out, "scorer": scorer.name(),
        "weights": scorer.provenance(options.policy)["weights"], "found": progress.found, "made": progress.made,
        "scored": tally.scored, "without_program": tally.without_program,
        "too_long": tally.too_long, "trimmed": tally.trimmed,
    }));
    outcome.found = tally.too_long > 0;
    Ok(outcome)
}

/// What a whole file of scores holds, however often its making was interrupted.
#[derive(Default)]
struct Tally {
    scored: u64,
    without_program: u64,
    too_long: u64,
    trimmed: u64,
}

impl Tally {
    fn of(path: &Path) -> Result<Tally, Failure> {
        let mut tally = Tally::default();
        for scored in records::<Scored>(path)? {
            let scored = scored?;
            tally.trimmed += u64::from(scored.trimmed.is_some());
            *match (scored.score, scored.reason) {
                (Some(_), _) => &mut tally.scored,
                (None, Some(reason)) if reason.starts_with(TOO_LONG) => &mut tally.too_long,
                (None, _) => &mut tally.without_program,
            } += 1;
        }
        Ok(tally)
    }
}

/// The stage itself, which `demo` runs too.
pub(crate) fn score_all(
    terminal: Terminal,
    candidates: (&Path, crate::files::Candidates<'_>),
    out: (&Path, &Header),
    (scorer, policy): (&Scorer, Policy),
) -> Result<Option<stage::Progress>, Failure> {
    stage::run(terminal, candidates, out, "score", |batch, emit| {
        scorer.score_batch(batch, policy, emit)
    })
}
