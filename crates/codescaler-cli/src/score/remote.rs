//! Reward models behind other servers, as the command line uses them.

use std::{
    collections::BTreeMap,
    fs,
    num::NonZeroUsize,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Args;
use codescaler::{problem::Problem, prompt::REWARD_PROMPT, record::Extra, score::Scored};
use codescaler_extract::Policy;
use codescaler_http::{
    ApiKey, Heard, Judgement, Outcome, Protocol, Reading, Render, Scorers, ScorersError,
    ScorersOptions,
};
use codescaler_nn::{Message, TextEncoder};
use codescaler_reward::program_of;
use rayon::prelude::*;
use serde_json::json;

use super::one_of;
use crate::{
    failure::Failure,
    stage::{Emit, Item},
    terminal::check_interrupt,
};

/// Where a reward model is asked that others serve.
#[derive(Args, Clone)]
#[command(next_help_heading = "For remote scorers")]
pub(crate) struct RemoteOptions {
    /// A server whose reward model scores, in place of one here: vLLM, SGLang,
    /// text-embeddings-inference or another codescaler, such as <http://127.0.0.1:8001>. Several, if
    /// given several times: each request goes to the one with the least outstanding tokens.
    #[arg(long = "scorer-url", value_name = "URL", conflicts_with = "reward_model")]
    urls: Vec<String>,
    /// How it is spoken to [default: found out at the start].
    #[arg(long = "scorer-protocol", requires = "urls",
        value_parser = one_of(&Protocol::ALL, Protocol::name))]
    protocol: Option<Protocol>,
    /// A directory with its tokenizer.json, tokenizer_config.json and chat template: conversations are
    /// rendered here and sent as texts. SGLang and text-embeddings-inference need it.
    #[arg(long = "scorer-tokenizer", value_name = "DIR", requires = "urls")]
    tokenizer: Option<PathBuf>,
    /// A file with the key that it wants as `Authorization: Bearer …`.
    #[arg(long = "scorer-key-file", value_name = "FILE", requires = "urls")]
    key_file: Option<PathBuf>,
    /// Requests under way at each of them.
    #[arg(long = "scorer-requests-max", requires = "urls", default_value = "8")]
    requests_max: NonZeroUsize,
    /// Seconds for a request; who takes longer leaves the rotation until it is well.
    #[arg(long = "scorer-s-max", requires = "urls", default_value = "30")]
    s_max: NonZeroUsize,
}

/// A reward model that others serve.
pub(crate) struct Remote {
    scorers: Scorers,
    is_rendered_here: bool,
}

/// `score` waits as long as it takes; what has to be answered in time says so itself.
const PATIENCE: Duration = Duration::from_hours(24 * 365);

impl RemoteOptions {
    /// The reward model behind the URLs; `None` where there are none.
    pub(crate) fn connect(&self) -> Result<Option<Remote>, Failure> {
        if self.urls.is_empty() {
            return Ok(None);
        }
        let key = self.key_file.as_deref().map(read_secret).transpose()?;
        let render = self.tokenizer.as_deref().map(template).transpose()?;
        let is_rendered_here = render.is_some();
        let options = ScorersOptions {
            urls: self.urls.clone(),
            protocol: self.protocol,
            key,
            render,
            in_flight_max: self.requests_max.get(),
            attempt_max: Duration::from_secs(self.s_max.get() as u64),
            ..ScorersOptions::default()
        };
        let scorers = Scorers::connect(options).map_err(|error| match error {
            ScorersError::NoTemplate(_) => Failure::input(format!(
                "{error}: give --scorer-tokenizer, a directory with tokenizer.json and chat template"
            )),
            ScorersError::Nobody(why) if self.protocol.is_none() => Failure::input(format!(
                "no remote scorer can be used: {why} (--scorer-protocol names one)"
            )),
            ScorersError::Nobody(_)
            | ScorersError::Client(_)
            | ScorersError::Protocols { .. }
            | ScorersError::Scores { .. }
            | ScorersError::Constant { .. } => Failure::Input(error.into()),
        })?;
        Ok(Some(Remote { scorers, is_rendered_here }))
    }
}

/// A file with one secret in ASCII.
pub(crate) fn read_secret(path: &Path) -> Result<ApiKey, Failure> {
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::input(format!("cannot read {}: {error}", path.display())))?;
    let token = text.trim();
    if token.is_empty() || !token.is_ascii() || token.contains(char::is_whitespace) {
        let what = "one token in ASCII without blanks is wanted";
        return Err(Failure::input(format!("{}: {what}", path.display())));
    }
    Ok(ApiKey::new(token.to_owned()))
}

/// Renders by the chat template of a directory.
fn template(directory: &Path) -> Result<Render, Failure> {
    // Nothing is computed with its tokens here, so that there is no vocabulary to keep to.
    let text = TextEncoder::load(directory, usize::MAX)
        .map_err(|error| Failure::Input(anyhow::Error::new(error).context("--scorer-tokenizer")))?;
    Ok(Box::new(move |turns| {
        let turns =
            turns.iter().map(|turn| Message { role: turn.role.name(), content: &turn.content });
        text.render(&turns.collect::<Vec<_>>(), false).map_err(|error| error.to_string())
    }))
}

impl Remote {
    /// Those who are asked.
    pub(crate) fn scorers(&self) -> &Scorers {
        &self.scorers
    }

    /// Everything that a score depends on, as far as they tell it. Where they are is not among it.
    pub(crate) fn provenance(&self, policy: Policy) -> Extra {
        let scorers = &self.scorers;
        let rendered = if self.is_rendered_here { "here" } else { "there" };
        Extra::from_iter([
            ("scorer".to_owned(), json!("remote")),
            ("protocol".to_owned(), json!(scorers.protocol().name())),
            ("weights".to_owned(), json!(scorers.fingerprint().unwrap_or(scorers.name()))),
            ("prompt".to_owned(), json!(REWARD_PROMPT)),
            ("rendered".to_owned(), json!(rendered)),
            ("policy".to_owned(), json!(policy.to_string())),
        ])
    }

    /// Judges programs, each with its problem, until a time: `hear` gets each one's place and
    /// judgement once.
    pub(crate) fn judge(
        &self,
        programs: &[(Arc<Problem>, String)],
        until: Instant,
        hear: &mut dyn FnMut(Heard) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let readings =
            programs.iter().map(|(problem, program)| self.scorers.program(problem, program));
        self.judge_readings(readings.collect(), until, hear)
    }

    /// The same of anything that can be read; an error is why it cannot.
    pub(crate) fn judge_readings(
        &self,
        readings: Vec<Result<Reading, String>>,
        until: Instant,
        hear: &mut dyn FnMut(Heard) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let (mut places, mut ready) = (Vec::new(), Vec::new());
        for (place, reading) in readings.into_iter().enumerate() {
            match reading {
                Ok(reading) => {
                    places.push(place);
                    ready.push(reading);
                }
                Err(why) => hear(Heard::Judged(place, Judgement::of(Outcome::Fault(why))))?,
            }
        }
        self.scorers.score(&ready, until, &mut |heard| {
            hear(match heard {
                Heard::Judged(at, judgement) => Heard::Judged(places[at], judgement),
                Heard::Nothing => Heard::Nothing,
            })
        })
    }

    /// Emits one record per candidate, in order. A fault ends the work: it is no record.
    pub(super) fn score_batch(
        &self,
        batch: &[Item<'_>],
        policy: Policy,
        emit: &mut Emit<'_, Scored>,
    ) -> Result<(), Failure> {
        let programs: Vec<_> = batch
            .par_iter()
            .map(|Item { problem, candidate }| program_of(candidate, problem, policy))
            .collect();
        let mut problems: BTreeMap<&str, Arc<Problem>> = BTreeMap::new();
        let (mut places, mut ready) = (Vec::new(), Vec::new());
        let mut records: Vec<Option<Scored>> = Vec::new();
        for (place, (item, program)) in batch.iter().zip(programs).enumerate() {
            records.push(match program {
                Ok(program) => {
                    let problem = problems
                        .entry(&item.problem.id)
                        .or_insert_with(|| Arc::new(item.problem.clone()));
                    places.push(place);
                    ready.push((Arc::clone(problem), program.into_owned()));
                    None
                }
                Err(reason) => Some(record(item, Judgement::of(Outcome::Invalid(reason)))?),
            });
        }
        let mut emitted = 0;
        let mut emit_known = |records: &mut [Option<Scored>]| {
            while let Some(known) = records.get_mut(emitted).and_then(Option::take) {
                emit(known)?;
                emitted += 1;
            }
            check_interrupt()
        };
        let mut end = emit_known(&mut records);
        if end.is_ok() {
            // A break is told by `end`.
            let _ = self.judge(&ready, Instant::now() + PATIENCE, &mut |heard| {
                if let Heard::Judged(at, judgement) = heard {
                    let place = places[at];
                    end = record(&batch[place], judgement).map(|made| records[place] = Some(made));
                }
                if end.is_ok() {
                    end = emit_known(&mut records);
                }
                if end.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
        }
        end
    }
}

/// A judgement as a record; a fault is none.
fn record(
    Item { problem: _, candidate }: &Item<'_>,
    judgement: Judgement,
) -> Result<Scored, Failure> {
    let (score, reason) = match judgement.outcome {
        Outcome::Scored(score) => (Some(score), None),
        Outcome::Invalid(why) => (None, Some(why)),
        Outcome::TooLong(why) => (None, Some(format!("too long: {why}"))),
        Outcome::Fault(why) => {
            let at = format!("candidate {} of {:?}", candidate.index, candidate.problem);
            let again = "run the same command again to go on";
            return Err(Failure::Fault(anyhow::anyhow!("no score for {at}: {why}; {again}")));
        }
    };
    Ok(Scored {
        problem: candidate.problem.clone(),
        index: candidate.index,
        score,
        reason,
        trimmed: judgement.trimmed,
        deviation: None,
        extra: Extra::new(),
    })
}
