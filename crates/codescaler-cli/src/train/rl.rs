//! `train rl`: problems → completions → rewards → advantages → a better policy.

mod lesson;
mod refresh;
mod reward;
mod thinking;
mod turns;
mod watch;

use std::{
    fs,
    io::Write as _,
    ops::ControlFlow,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use codescaler::{
    problem::Problem,
    prompt::reward_prompt,
    seed::{Rng, derive},
    shaping::overlong,
};
use codescaler_extract::Policy as Extraction;
use codescaler_nn::{
    AdamW, Advantage, Aggregation, Message, Policy, PolicyLoss, Sample, Schedule, TrainHead,
    Trainer,
};
use codescaler_reward::{DecoderOptions, Source};
use codescaler_search::Prompts;
use serde_json::{Map, Value as Json, json};

use self::{
    lesson::{Group, Lesson, Log, Turn, each_pass, remember, shares, weigh, with_rollouts},
    refresh::RefreshOptions,
    reward::{Judge, Kind, Worth, written},
    thinking::ThinkingOptions,
    turns::TurnOptions,
    watch::{OnAlarm, Watch, WatchOptions},
};
use super::{Engine, session::Session};
use crate::{
    exec::SandboxOptions,
    failure::{Failure, Outcome},
    files::{Problems, fingerprint, write_whole},
    policy::{self, SamplingOptions},
    score::{Scorer, cannot_open, remote::RemoteOptions},
    serve::ShapingOptions,
    terminal::Terminal,
};

#[derive(Args, Clone)]
pub(crate) struct Options {
    /// The policy to start from: a Hugging Face directory, such as `train policy` writes.
    #[arg(long)]
    policy: PathBuf,
    /// Problems to write programs for; may be given more than once. Rewards come from their visible
    /// tests alone, never from hidden ones.
    #[arg(long, required = true)]
    problems: Vec<PathBuf>,
    /// Where rewards come from.
    #[arg(long, value_enum, default_value_t = Kind::RewardModel)]
    reward: Kind,
    /// The share of the problems with tests that --reward hybrid executes.
    #[arg(long, default_value_t = 1.0, value_parser = crate::curate::verified::share)]
    executed_share: f64,
    /// Which block of a completion is the program. single-valid is CodeScaler's strict extraction.
    #[arg(long, default_value_t = Extraction::SingleValid)]
    extraction: Extraction,
    #[command(flatten)]
    shaping: ShapingOptions,
    /// The reward model: a Hugging Face directory or a linear one's file; by default the one in the
    /// box, and none where --reward asks for none. Where it is given though --reward asks for none,
    /// it only watches the held-out slice.
    #[arg(long)]
    reward_model: Option<PathBuf>,
    #[command(flatten)]
    remote: RemoteOptions,
    #[command(flatten)]
    learning: Learning,
    #[command(flatten)]
    turns: TurnOptions,
    #[command(flatten)]
    thinking: ThinkingOptions,
    #[command(flatten)]
    sampling: SamplingOptions,
    #[command(flatten)]
    watch: WatchOptions,
    #[command(flatten)]
    refresh: RefreshOptions,
    #[command(flatten)]
    engine: Engine,
    #[command(flatten)]
    sandbox: SandboxOptions,
    /// Seed of all that is drawn.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where to write the policy: a Hugging Face directory.
    #[arg(long)]
    out: PathBuf,
}

/// How a policy learns from rewards.
#[derive(Args, Clone)]
#[command(next_help_heading = "Learning")]
struct Learning {
    /// Steps: each a batch of completions.
    #[arg(long, default_value_t = 100)]
    steps: usize,
    /// Problems of a step.
    #[arg(long, default_value_t = 16)]
    prompts: usize,
    /// Completions of a problem.
    #[arg(long, default_value_t = 8)]
    group: usize,
    /// Updates that a batch of completions is split into; from the second on, ratios are clipped.
    #[arg(long, default_value_t = 1)]
    updates: usize,
    /// How much better than expected a completion is.
    #[arg(long, value_enum, default_value_t = Estimator::Grpo)]
    estimator: Estimator,
    /// What the losses of tokens are averaged over.
    #[arg(long, value_enum, default_value_t = Mean::Token)]
    mean: Mean,
    /// How far below 1 a ratio of probabilities counts.
    #[arg(long, default_value_t = 0.2)]
    clip_low: f64,
    /// How far above 1 a ratio of probabilities counts.
    #[arg(long, default_value_t = 0.28)]
    clip_high: f64,
    /// The weight of the divergence from the policy that the training starts from.
    #[arg(long, default_value_t = 0.0)]
    kl: f64,
    /// Write to other problems instead of those whose rewards are all alike, up to so many batches
    /// for one (dynamic sampling of DAPO, arXiv:2503.14476, section 3.2); 1 for none.
    #[arg(long, default_value_t = 1)]
    batches_max: usize,
    /// The learning rate after the warm-up: the smaller the policy, the larger it may be.
    #[arg(long, default_value_t = 1e-6)]
    rate: f32,
    /// Updates until the rate is reached.
    #[arg(long, default_value_t = 10)]
    warmup_updates: u64,
    /// Weight decay of matrices.
    #[arg(long, default_value_t = 0.0)]
    weight_decay: f32,
    /// Tokens that go through the decoder at a time, about: more need more memory and change
    /// nothing but the last digits.
    #[arg(long, default_value_t = 16384)]
    tokens_per_pass: usize,
    /// Tokens before --completion-tokens-max from which on a completion is punished, up to 1 at the
    /// end (soft overlong punishment of DAPO, section 3.4); 0 for none.
    #[arg(long, default_value_t = 0)]
    overlong_tokens: usize,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Estimator {
    /// The reward's distance from its group's mean, in deviations.
    Grpo,
    /// The distance alone, averaged over a constant number of tokens (with --mean constant).
    DrGrpo,
    /// The distance from the mean of the others of its group.
    Rloo,
    /// The distance from the mean of the batch, in deviations.
    #[value(name = "reinforce++")]
    ReinforcePlusPlus,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Mean {
    /// All tokens of the batch.
    Token,
    /// The tokens of a completion, then completions.
    Sequence,
    /// Completions, and --completion-tokens-max tokens each.
    Constant,
}

impl From<Estimator> for Advantage {
    fn from(estimator: Estimator) -> Advantage {
        match estimator {
            Estimator::Grpo => Advantage::Grpo,
            Estimator::DrGrpo => Advantage::DrGrpo,
            Estimator::Rloo => Advantage::Rloo,
            Estimator::ReinforcePlusPlus => Advantage::ReinforcePlusPlus,
        }
    }
}

/// A training on its way.
struct Run<'a> {
    options: &'a Options,
    session: &'a Session,
    problems: Vec<&'a Problem>,
    policy: Policy,
    judge: Judge,
    /// What is asked in further turns, where there are any.
    prompts: Option<Prompts>,
    watch: Option<Watch<'a>>,
    /// The policy that the training starts from, where it is to stay near.
    reference: Option<Trainer>,
    /// What steps took, beside the log, which knows no clock.
    times: fs::File,
    /// How long the policy wrote in this step.
    wrote: Duration,
}

pub(super) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    options.check()?;
    match options.watch.on_alarm {
        OnAlarm::Refresh => refresh::run(terminal, options),
        OnAlarm::Note | OnAlarm::Stop => train(terminal, options),
    }
}

/// One training from its first step to its last, or to an alarm that ends it.
fn train(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    let problems = Problems::read_files(&options.problems)?;
    let unusable = |error: codescaler_nn::LoadError| {
        let what = format!("{} is no policy to train", options.policy.display());
        Failure::Input(anyhow::Error::new(error).context(what))
    };
    let load =
        || Trainer::load(&options.policy, TrainHead::LanguageModel, &options.engine.options());
    let mut trainer = load().map_err(unusable)?;
    let reference = (options.learning.kl > 0.0).then(load).transpose().map_err(unusable)?;
    options.engine.adapt(&mut trainer, options.seed);
    let judge = options.judge(terminal)?;
    for problem in problems.iter() {
        judge.expect_usable(problem)?;
    }
    let prompts = options.turns.open()?;
    let watch = options.watch.open(&options.sampling, derive(options.seed, &["held out"]))?;
    terminal.print(&format!(
        "{} parameters, {} problems, {} steps of {} x {} completions",
        trainer.parameters(),
        problems.iter().count(),
        options.learning.steps,
        options.learning.prompts,
        options.learning.group
    ));
    let plan = options.plan(&trainer, &judge, prompts.as_ref())?;
    let session = Session::open(&options.out, &plan, &options.engine)?;
    let evaluations = options.out.join("held_out.json");
    if !session.is_done() {
        let times = options.out.join("times.jsonl");
        let times = fs::OpenOptions::new().create(true).append(true).open(&times);
        let mut run = Run {
            options,
            session: &session,
            problems: problems.iter().collect(),
            policy: policy::open(&options.policy, options.engine.precision)?,
            judge,
            prompts,
            watch,
            reference,
            times: times.map_err(|error| Failure::fault(error, "cannot write the times"))?,
            wrote: Duration::ZERO,
        };
        let shape = (options.learning.steps, options.learning.updates);
        session.run(terminal, &mut trainer, shape, |trainer, lines| run.step(trainer, lines))?;
        if let Some(watch) = &run.watch {
            run.policy.follow(&trainer).map_err(|error| Failure::fault(error, FOLLOWS))?;
            let measured = watch.measure(&run.policy, &run.judge, &[])?;
            let text = format!("{measured}\n");
            write_whole(&evaluations, text.as_bytes())?;
        }
        session.finish(terminal, &trainer, &options.policy)?;
    }
    let last = fs::read_to_string(&evaluations).ok();
    let last: Option<Json> = last.and_then(|text| serde_json::from_str(&text).ok());
    let last =
        last.map(|measured| json!({"pass_1": measured["pass_1"], "pass_k": measured["pass_k"]}));
    if let Some(last) = &last {
        terminal.print(&format!("held out, after the last step: {last}"));
    }
    terminal.print(&format!("policy written to {}", options.out.display()));
    Ok(Outcome::done(json!({
        "verb": "train rl", "out": options.out, "steps": options.learning.steps, "held_out": last,
        "parameters": trainer.parameters(),
    })))
}

/// Where the weights of the best measurement are.
const BEST: &str = "best";
const FOLLOWS: &str = "the policy cannot follow the training";

impl Options {
    fn check(&self) -> Result<(), Failure> {
        self.sampling.check()?;
        self.thinking.check()?;
        let learning = &self.learning;
        let counts = [learning.steps, learning.prompts, learning.updates, learning.batches_max];
        if counts.contains(&0) || learning.group < 2 {
            return Err(Failure::input(
                "--steps, --prompts, --updates and --batches-max are at least 1, --group at least 2",
            ));
        }
        if learning.updates > learning.prompts {
            return Err(Failure::input(
                "--updates splits the problems of a step: at most --prompts",
            ));
        }
        if self.thinking.is_on() && (learning.batches_max > 1 || self.turns.are_asked()) {
            return Err(Failure::input(
                "--budgets goes neither with --batches-max nor with --improvements or --tests",
            ));
        }
        if learning.overlong_tokens > self.sampling.completion_tokens_max {
            return Err(Failure::input("--overlong-tokens is at most --completion-tokens-max"));
        }
        Ok(())
    }

    fn judge(&self, terminal: Terminal) -> Result<Judge, Failure> {
        let scorer = match self.remote.connect()? {
            Some(remote) => Some(Scorer::Remote(Box::new(remote))),
            None if self.reward.scores() || self.reward_model.is_some() => {
                let source = self.reward_model.as_deref().map_or(Source::Joint, Source::Path);
                let threads = self.engine.threads;
                let options = DecoderOptions { threads, ..DecoderOptions::default() };
                let here = codescaler_reward::Scorer::open(source, &options);
                Some(Scorer::Here(here.map_err(cannot_open)?))
            }
            None => None,
        };
        Ok(Judge {
            kind: self.reward,
            scorer,
            sandbox: self.sandbox.start(terminal)?,
            shaping: self.shaping.shaping()?,
            extraction: self.extraction,
            executed_share: self.executed_share,
            seed: self.seed,
        })
    }

    fn plan(
        &self,
        trainer: &Trainer,
        judge: &Judge,
        prompts: Option<&Prompts>,
    ) -> Result<Json, Failure> {
        let files = self.problems.iter().map(|path| fingerprint(path));
        Ok(json!({
            "verb": "train rl", "policy": self.policy, "seed": self.seed,
            "problems": files.collect::<Result<Vec<_>, _>>()?,
            "reward": format!("{:?}", self.reward), "executed_share": self.executed_share,
            "extraction": self.extraction.name(), "shaping": self.shaping.shaping()?,
            "reward_model": judge.scorer.as_ref().map(|scorer| scorer.provenance(self.extraction)),
            "learning": self.learning.plan(),
            "turns": self.turns.plan(prompts), "thinking": self.thinking.plan(),
            "sampling": format!("{:?}", self.sampling),
            "held_out": self.watch.plan()?,
            "engine": self.engine.plan(),
            "parameters": trainer.parameters(),
        }))
    }
}

impl Learning {
    fn plan(&self) -> Json {
        json!({
            "steps": self.steps, "prompts": self.prompts, "group": self.group,
            "updates": self.updates, "estimator": format!("{:?}", self.estimator),
            "mean": format!("{:?}", self.mean), "clip": [self.clip_low, self.clip_high],
            "kl": self.kl, "batches_max": self.batches_max, "rate": self.rate,
            "warmup_updates": self.warmup_updates, "weight_decay": self.weight_decay,
            "tokens_per_pass": self.tokens_per_pass, "overlong_tokens": self.overlong_tokens,
        })
    }

    fn optimizer(&self) -> AdamW {
        AdamW { weight_decay: self.weight_decay, ..AdamW::default() }
    }

    fn schedule(&self) -> Schedule {
        let steps = (self.steps * self.updates) as u64;
        Schedule { peak: self.rate, warmup: self.warmup_updates, steps, end: 1.0 }
    }

    fn aggregation(&self, tokens_max: usize) -> Aggregation {
        match self.mean {
            Mean::Token => Aggregation::TokenMean,
            Mean::Sequence => Aggregation::SequenceMean,
            Mean::Constant => Aggregation::Constant(tokens_max),
        }
    }
}

impl<'a> Run<'a> {
    /// Measures where that is due, writes, judges and learns. Returns the line of the log.
    fn step(
        &mut self,
        trainer: &mut Trainer,
        lines: &[Json],
    ) -> Result<ControlFlow<Json, Json>, Failure> {
        let index = lines.len();
        let began = Instant::now();
        self.policy.follow(trainer).map_err(|error| Failure::fault(error, FOLLOWS))?;
        let mut line = json!({"step": index + 1});
        let mut is_over = false;
        if let Some(watch) = self.watch.as_ref().filter(|watch| watch.is_due(index)) {
            let before: Vec<&Json> =
                lines.iter().map(|line| &line["held_out"]).filter(|m| !m.is_null()).collect();
            let measured = watch.measure(&self.policy, &self.judge, &before)?;
            is_over = measured["alarm"] == true && watch.stops();
            if measured["best"] == true {
                self.session.export(trainer, &self.options.policy, Some(BEST))?;
            }
            line["held_out"] = measured;
        }
        let measured = began.elapsed();
        let consumed = lines.last().and_then(|line| line["problems"].as_u64()).unwrap_or(0);
        let (groups, consumed) = self.groups(consumed)?;
        line["problems"] = json!(consumed);
        let judged = began.elapsed();
        let learnt = self.learn(trainer, &groups);
        line.as_object_mut().expect("a line is an object").extend(learnt);
        let times = json!({
            "step": index + 1, "held_out_s": measured.as_secs_f64(),
            "write_s": self.wrote.as_secs_f64(),
            "judge_s": (judged - measured).saturating_sub(self.wrote).as_secs_f64(),
            "learn_s": (began.elapsed() - judged).as_secs_f64(),
        });
        // In one piece, so that being killed leaves no half line before the next.
        self.times
            .write_all(format!("{times}\n").as_bytes())
            .map_err(|error| Failure::fault(error, "cannot write the times"))?;
        Ok(if is_over { ControlFlow::Break(line) } else { ControlFlow::Continue(line) })
    }

    /// Writes to problems and judges what was written, until there are enough groups to learn from.
    /// Returns them, and how many problems were written to in all.
    fn groups(&mut self, mut consumed: u64) -> Result<(Vec<Group>, u64), Failure> {
        let learning = &self.options.learning;
        let (mut groups, mut further): (Vec<Group>, Vec<Group>) = Default::default();
        self.wrote = Duration::ZERO;
        if self.options.thinking.is_on() {
            let n = learning.prompts as u64;
            let drawn: Vec<&Problem> = (0..n).map(|at| self.problem(consumed + at)).collect();
            return Ok((self.think(&drawn, consumed)?, consumed + n));
        }
        for batch in 1..=learning.batches_max {
            let missing = (learning.prompts - groups.len()) as u64;
            let drawn: Vec<&Problem> = (0..missing).map(|at| self.problem(consumed + at)).collect();
            let fresh = self.write(&drawn, consumed)?;
            further.extend(self.further(&drawn, &fresh, consumed)?);
            consumed += missing;
            // The last batch is taken as it is.
            let is_last = batch == learning.batches_max;
            groups.extend(fresh.into_iter().filter(|group| is_last || !group.is_alike()));
            if groups.len() == learning.prompts {
                break;
            }
        }
        groups.extend(further);
        Ok((groups, consumed))
    }

    /// The problem of that number: every pass over the problems has an order of its own.
    fn problem(&self, number: u64) -> &'a Problem {
        let n = self.problems.len();
        let mut order: Vec<usize> = (0..n).collect();
        let pass = (number / n as u64).to_string();
        let mut rng = Rng::new(derive(self.options.seed, &["problems", &pass]));
        for last in (1..n).rev() {
            order.swap(last, rng.below(last as u64 + 1) as usize);
        }
        self.problems[order[(number % n as u64) as usize]]
    }

    fn write(&mut self, problems: &[&'a Problem], number: u64) -> Result<Vec<Group>, Failure> {
        let Options { learning, sampling, seed, .. } = self.options;
        let began = Instant::now();
        let seed = derive(*seed, &["write", &number.to_string()]);
        let samples = policy::write(&self.policy, problems, (learning.group, sampling), seed)?;
        self.wrote += began.elapsed();
        let worths = self.judge.judge(&written(problems, &samples))?;
        let group =
            |((problem, samples), mut worths): ((&&'a Problem, Vec<Sample>), Vec<Worth>)| {
                let prompt = reward_prompt(problem);
                let prompt = self.policy.prompt(&[Message { role: "user", content: &prompt }]);
                let prompt = prompt.context("cannot render a problem").map_err(Failure::Input)?;
                self.punish(&mut worths, &samples);
                Ok(Group { worths, ..Group::new(Turn::Draft, prompt, samples) })
            };
        problems.iter().zip(samples).zip(worths).map(group).collect()
    }

    /// Punishes what is near its end, where that is asked for.
    fn punish(&self, worths: &mut [Worth], samples: &[Sample]) {
        let most = self.options.sampling.completion_tokens_max;
        for (worth, sample) in worths.iter_mut().zip(samples) {
            let margin = self.options.learning.overlong_tokens;
            let punished = overlong(sample.tokens.len(), most, margin);
            worth.reward = worth.reward.map(|reward| reward + punished);
        }
    }

    /// Learns from groups. Returns what is logged of them.
    fn learn(&mut self, trainer: &mut Trainer, groups: &[Group]) -> Map<String, Json> {
        let Options { learning, sampling, .. } = self.options;
        let rewards: Vec<Vec<(Option<f32>, usize)>> = groups
            .iter()
            .map(|group| match group.by_token {
                // Whose advantages are known has no part in anybody's mean.
                Some(_) => vec![(None, 0); group.samples.len()],
                None => group.rewards().collect(),
            })
            .collect();
        let advantages = Advantage::from(learning.estimator).of(&rewards);
        let mut lessons: Vec<Lesson<'_>> = groups
            .iter()
            .zip(&advantages)
            .map(|(group, advantages)| Lesson::new(group, advantages))
            .collect();
        let loss = PolicyLoss {
            clip_low: learning.clip_low,
            clip_high: learning.clip_high,
            kl: learning.kl,
            temperature: sampling.temperature,
            ..PolicyLoss::default()
        };
        let size = learning.tokens_per_pass;
        if let Some(reference) = &mut self.reference {
            each_pass(&mut lessons, size, |lessons| {
                let known = with_rollouts(lessons, |r| reference.logprobs(r, loss.temperature));
                remember(lessons, known, |lesson| &mut lesson.reference);
            });
        }
        if learning.updates > 1 {
            each_pass(&mut lessons, size, |lessons| {
                let known = with_rollouts(lessons, |r| trainer.logprobs(r, loss.temperature));
                remember(lessons, known, |lesson| &mut lesson.old);
            });
        }
        let aggregation = learning.aggregation(sampling.completion_tokens_max);
        let mut log = Log::default();
        for part in shares(&mut lessons, learning.updates) {
            weigh(part, aggregation);
            each_pass(part, size, |lessons| {
                let made = with_rollouts(lessons, |r| trainer.policy_loss(r, &loss));
                log.add(lessons, &made);
            });
            let rate = learning.schedule().rate(trainer.step());
            log.norm += trainer.update(&learning.optimizer(), rate);
        }
        log.line(groups, (learning.updates, sampling.temperature))
    }
}
