//! `codescaler score`: candidates → scores, without running anything.

mod decoder;
pub(crate) mod remote;

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use codescaler::{
    record::{Extra, Header},
    score::Scored,
};
use codescaler_extract::Policy;
use codescaler_reward::{Linear, OpenError, Source, Step};
use serde_json::json;

pub(crate) use self::decoder::one_of;
use self::remote::{Remote, RemoteOptions};
use crate::{
    failure::{Failure, Outcome},
    files::{Joined, Problems, fingerprint, records},
    merge::Shard,
    stage::{self, Emit, Item},
    terminal::{Terminal, check_interrupt},
};

/// Which reward model scores.
#[derive(Args)]
pub(crate) struct ScorerOptions {
    /// A Hugging Face directory (Qwen2, Qwen3 or Llama 3 with one score), or a file made by
    /// `codescaler train reward --kind linear`, in place of a reward model in the box.
    #[arg(long)]
    reward_model: Option<PathBuf>,
    /// Which reward model in the box.
    #[arg(long, value_enum, default_value_t = InTheBox::Joint, conflicts_with_all = ["reward_model", "urls"])]
    scorer: InTheBox,
    #[command(flatten)]
    decoder: decoder::DecoderOptions,
    #[command(flatten)]
    remote: RemoteOptions,
}

/// A reward model, here or behind other servers.
pub(crate) enum Scorer {
    /// In this process.
    Here(codescaler_reward::Scorer),
    /// Behind other servers.
    Remote(Box<Remote>),
}

impl Scorer {
    /// Its kind, in a word.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Scorer::Here(scorer) => scorer.name(),
            Scorer::Remote(_) => "remote",
        }
    }

    /// What scores made with it are stored with: everything that they depend on.
    pub(crate) fn provenance(&self, policy: Policy) -> Extra {
        match self {
            Scorer::Here(scorer) => scorer.provenance(policy),
            Scorer::Remote(remote) => remote.provenance(policy),
        }
    }
}

/// A reward model that comes with the program.
#[derive(Clone, Copy, ValueEnum)]
enum InTheBox {
    /// All of them: three decoders and the linear one, their scores added by fixed shares.
    Joint,
    /// The largest decoder alone: it reads problem and program (docs/reward-model.md).
    Decoder,
    /// The linear one alone: it reads the form of the program, and is much faster (docs/linear.md).
    Linear,
}

impl ScorerOptions {
    /// The reward model that was asked for.
    pub(crate) fn open(&self) -> Result<Scorer, Failure> {
        let options = (&self.decoder).into();
        if let Some(remote) = self.remote.connect()? {
            if options != codescaler_reward::DecoderOptions::default() {
                return Err(Failure::input(
                    "--precision, --isa, --threads, --tokens-max and --too-long are for reward \
                     models here: leave them out with --scorer-url",
                ));
            }
            return Ok(Scorer::Remote(Box::new(remote)));
        }
        let source = match (self.reward_model.as_deref(), self.scorer) {
            (Some(path), _) => Source::Path(path),
            (None, InTheBox::Joint) => Source::Joint,
            (None, InTheBox::Decoder) => Source::Decoder,
            (None, InTheBox::Linear) => Source::Linear,
        };
        codescaler_reward::Scorer::open(source, &options).map(Scorer::Here).map_err(cannot_open)
    }
}

/// The linear reward model in the box, or the one in the file `path`.
pub(crate) fn open_linear(path: Option<&Path>) -> Result<Linear, Failure> {
    path.map_or_else(Linear::in_the_box, Linear::open).map_err(cannot_open)
}

/// What to do about a reward model that does not open.
pub(crate) fn cannot_open(error: OpenError) -> Failure {
    match error {
        OpenError::ForDecoders { option } => {
            let option = format!("--{}", option.replace('_', "-"));
            Failure::input(format!(
                "{option} is for decoders, but the linear reward model scores here: \
                 leave {option} out, or let a decoder score"
            ))
        }
        error @ OpenError::NoIsa { .. } => Failure::input(format!("{error}: leave --isa out")),
        error @ OpenError::NotAFile { .. } => Failure::input(format!(
            "{error}: run `codescaler score --reward-model` with it first, and give its output \
             as --scores"
        )),
        error @ OpenError::Damaged(_) => Failure::Fault(error.into()),
        error @ (OpenError::Io { .. } | OpenError::File { .. } | OpenError::Directory { .. }) => {
            Failure::Input(error.into())
        }
    }
}

/// Emits one record per candidate, in order; an interrupt ends the work.
pub(crate) fn score_batch(
    scorer: &Scorer,
    batch: &[Item<'_>],
    policy: Policy,
    emit: &mut Emit<'_, Scored>,
) -> Result<(), Failure> {
    let scorer = match scorer {
        Scorer::Here(scorer) => scorer,
        Scorer::Remote(remote) => return remote.score_batch(batch, policy, emit),
    };
    let items: Vec<_> = batch.iter().map(Item::as_pair).collect();
    let end = scorer.score(&items, policy, &mut |step| {
        let taken = match step {
            Step::Scored(scored, _) => emit(scored),
            Step::Working => check_interrupt(),
        };
        taken.map_or_else(ControlFlow::Break, ControlFlow::Continue)
    });
    match end.map_err(|error| Failure::Input(error.into()))? {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(failure) => Err(failure),
    }
}

/// Score candidates with a reward model, without running them.
///
/// A score is a raw logit, comparable only within one problem. A candidate without a valid
/// program gets no score but the reason. The reward model is the small decoder in the box, or any
/// in a Hugging Face directory, such as the published ones of CodeScaler and Skywork, or one that
/// vLLM, SGLang, text-embeddings-inference or another codescaler serves (--scorer-url).
#[derive(Args)]
#[command(after_help = "\
Examples:
  codescaler score --problems problems.jsonl --candidates candidates.jsonl --out scores.jsonl
  codescaler score --problems problems.jsonl --candidates candidates.jsonl --out scores.jsonl \\
    --reward-model CodeScaler-1.7B --tokens-max 4096 --too-long trim-problem
  codescaler score --problems problems.jsonl --candidates candidates.jsonl --out scores.jsonl \\
    --scorer-url http://10.0.0.1:8000 --scorer-url http://10.0.0.2:8000")]
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
    /// Only a share of the problems, such as 0/4; `codescaler merge` puts the shares together.
    #[arg(long)]
    shard: Option<Shard>,
    #[command(flatten)]
    scorer: ScorerOptions,
}

pub(crate) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    let mut problems = Problems::read(&options.problems)?;
    if options.hide_problem {
        problems.hide_texts();
    }
    let candidates = Joined::open(&options.candidates, &problems)?.of_shard(options.shard);
    let scorer = options.scorer.open()?;
    let mut provenance = scorer.provenance(options.policy);
    if options.hide_problem {
        provenance.insert("hide_problem".to_owned(), json!(true));
    }
    provenance.insert("problems".to_owned(), json!(fingerprint(&options.problems)?));
    provenance.insert("candidates".to_owned(), json!(fingerprint(&options.candidates)?));
    if let Some(shard) = options.shard {
        provenance.insert("shard".to_owned(), json!(shard.to_string()));
    }
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
            *match codescaler_reward::Outcome::from(&scored) {
                codescaler_reward::Outcome::Ok(_) => &mut tally.scored,
                codescaler_reward::Outcome::TooLong(_) => &mut tally.too_long,
                codescaler_reward::Outcome::Invalid(_) => &mut tally.without_program,
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
        score_batch(scorer, batch, policy, emit)
    })
}
