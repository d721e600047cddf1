//! `train reward --kind decoder`: preferences → a reward model that reads problem and program.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    path::PathBuf,
};

use clap::{Args, ValueEnum};
use codescaler::{
    language::Language,
    preference::Preference,
    problem::Problem,
    prompt::reward_prompt,
    seed::{Rng, derive, digest},
};
use codescaler_nn::{
    Group, Item, Objective, Programs, RewardLoss, Targets, TextEncoder, TooLong, TrainHead,
    Trainer, tokens_computed,
};
use codescaler_reward::read_as;
use rayon::prelude::*;
use serde_json::json;

use super::{
    RATE, RewardOptions, Training,
    session::{Session, steps},
};
use crate::{
    failure::{Failure, Outcome},
    files::{Problems, fingerprint, read_all},
    terminal::Terminal,
};

/// For `--kind decoder`.
#[derive(Args)]
#[command(next_help_heading = "For --kind decoder")]
pub(crate) struct DecoderOptions {
    /// The directory to start from: a policy, or another reward model.
    #[arg(long)]
    base: Option<PathBuf>,
    /// The problems of the preferences; may be given more than once.
    #[arg(long)]
    problems: Vec<PathBuf>,
    /// Preferences, as `codescaler curate pairs` writes them; may be given more than once.
    #[arg(long)]
    preferences: Vec<PathBuf>,
    /// What is learnt from them.
    #[arg(long, value_enum, default_value_t = Loss::Pairs)]
    objective: Loss,
    /// By how much the chosen program's score has to be larger, times the difference of the pass
    /// rates where they are known.
    #[arg(long, default_value_t = 0.0)]
    margin: f32,
    /// Keeps scores around zero: the weight of the mean square of a pair's sum.
    #[arg(long, default_value_t = 0.01)]
    centring: f64,
    /// Programs of one problem that are learnt together and share its computation. More make a
    /// step cheaper, and of fewer problems.
    #[arg(long, default_value_t = 4)]
    group: usize,
    /// Compute the problem again for each of its programs, to measure what sharing saves.
    #[arg(long, hide = true)]
    unshared: bool,
    /// Also learn the verdict after every token of a program, with this weight beside the loss on
    /// scores: a value of what is written so far.
    #[arg(long, default_value_t = 0.0)]
    every_token: f64,
    /// Hide the problem: its statement and starter are blank. Score with --hide-problem then.
    #[arg(long)]
    hide_problem: bool,
    #[command(flatten)]
    training: Training,
}

/// What is learnt from preferences.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Loss {
    /// That the chosen program's score is larger (Bradley-Terry).
    Pairs,
    /// That the chosen programs of a problem have the largest scores (listwise).
    List,
    /// That a chosen program's score is above zero, a rejected one's below (logistic).
    Points,
}

/// Programs of one problem that are learnt together.
#[derive(Default)]
struct Learnt {
    items: Vec<Vec<u32>>,
    labels: Vec<f32>,
    pairs: Vec<(usize, usize)>,
}

impl Learnt {
    /// What the trainer is given of it.
    fn group<'a>(&'a self, items: &'a [&'a [u32]], share: bool) -> Group<'a> {
        Group { items, targets: Targets { labels: &self.labels, pairs: &self.pairs }, share }
    }
}

pub(super) fn run(terminal: Terminal, options: &RewardOptions) -> Result<Outcome, Failure> {
    let decoder = &options.decoder;
    let Some(base) = &decoder.base else {
        return Err(Failure::input("--kind decoder needs --base: a directory with weights"));
    };
    if decoder.preferences.is_empty() || decoder.problems.is_empty() {
        return Err(Failure::input("--kind decoder needs --problems and --preferences"));
    }
    let unusable = |error: codescaler_nn::LoadError| {
        let what = format!("{} is no directory to start from", base.display());
        Failure::Input(anyhow::Error::new(error).context(what))
    };
    let train = decoder.training.engine.options();
    let mut trainer = Trainer::load(base, TrainHead::Score, &train).map_err(unusable)?;
    let text = TextEncoder::load(base, trainer.config().vocab).map_err(unusable)?;
    let programs = decoder.training.programs(&mut trainer);
    decoder.training.engine.adapt(&mut trainer, options.seed);
    let learnt = read(terminal, decoder, (&text, programs), options.seed)?;
    let costs: Vec<usize> = learnt.iter().map(|group| tokens_computed(&group.items)).collect();
    let epochs = options.epochs.unwrap_or(1);
    let tokens_per_step = decoder.training.tokens_per_step.unwrap_or(32768);
    let steps = steps(&costs, tokens_per_step, epochs, options.seed);
    let pairs: usize = learnt.iter().map(|group| group.pairs.len()).sum();
    terminal.print(&format!(
        "{} parameters, {pairs} pairs in {} groups, {} tokens, {} steps",
        trainer.parameters(),
        learnt.len(),
        costs.iter().sum::<usize>(),
        steps.len()
    ));
    let rate = decoder.training.rate.unwrap_or(RATE);
    let plan = json!({
        "verb": "train reward", "base": base, "epochs": epochs, "seed": options.seed,
        "preferences": decoder.preferences.iter().map(|path| fingerprint(path)).collect::<Result<Vec<_>, _>>()?,
        "objective": format!("{:?}", decoder.objective).to_lowercase(),
        "margin": decoder.margin, "centring": decoder.centring,
        "every_token": decoder.every_token, "group": decoder.group,
        "hide_problem": decoder.hide_problem, "shared": !decoder.unshared, "programs": programs.name(),
        "training": decoder.training.plan((tokens_per_step, rate)), "steps": steps.len(), "pairs": pairs,
        "parameters": trainer.parameters(),
    });
    let session = Session::open(&options.out, &plan, &decoder.training.engine)?;
    if !session.is_done() {
        let schedule = decoder.training.schedule(steps.len(), rate);
        let optimizer = decoder.training.optimizer();
        let loss = decoder.loss();
        session.run(terminal, &mut trainer, (steps.len(), 1), |trainer, lines| {
            let index = lines.len();
            let items: Vec<Vec<&[u32]>> = steps[index]
                .iter()
                .map(|&group| learnt[group].items.iter().map(Vec::as_slice).collect())
                .collect();
            let groups: Vec<Group<'_>> = items
                .iter()
                .zip(&steps[index])
                .map(|(items, &group)| learnt[group].group(items, !decoder.unshared))
                .collect();
            let made = trainer.reward_loss(&groups, &loss, 1.0);
            let norm = trainer.update(&optimizer, schedule.rate(index as u64));
            Ok(ControlFlow::Continue(json!({
                "step": index + 1, "loss": made.loss, "token_loss": made.token_loss,
                "accuracy": made.accuracy, "norm": norm,
            })))
        })?;
        session.finish(terminal, &trainer, base)?;
    }
    terminal.print(&format!("reward model written to {}", options.out.display()));
    Ok(Outcome::done(json!({
        "verb": "train reward", "kind": "decoder", "out": options.out, "steps": steps.len(),
        "pairs": pairs, "parameters": trainer.parameters(),
    })))
}

impl DecoderOptions {
    fn loss(&self) -> RewardLoss {
        let objective = match self.objective {
            Loss::Pairs => Objective::BradleyTerry { margin: self.margin },
            Loss::List => Objective::Listwise,
            Loss::Points => Objective::Pointwise,
        };
        RewardLoss { objective, centring: self.centring, every_token: self.every_token }
    }
}

/// Reads preferences and puts those of one problem together, up to `group` programs at a time.
fn read(
    terminal: Terminal,
    options: &DecoderOptions,
    text: (&TextEncoder, Programs),
    seed: u64,
) -> Result<Vec<Learnt>, Failure> {
    let mut problems: BTreeMap<String, Problem> = BTreeMap::new();
    for path in &options.problems {
        let mut read = Problems::read(path)?;
        if options.hide_problem {
            read.hide_texts();
        }
        problems.extend(read.iter().map(|problem| (problem.id.clone(), problem.clone())));
    }
    let mut by_problem: BTreeMap<String, Vec<Preference>> = BTreeMap::new();
    for path in &options.preferences {
        for preference in read_all::<Preference>(path)? {
            by_problem.entry(preference.problem.clone()).or_default().push(preference);
        }
    }
    if let Some(id) = by_problem.keys().find(|id| !problems.contains_key(*id)) {
        return Err(Failure::input(format!("no file of --problems has problem {id:?}")));
    }
    let parts: Vec<(Vec<Learnt>, usize)> = by_problem
        .into_par_iter()
        .map(|(id, mut preferences)| {
            let mut rng = Rng::new(derive(seed, &["group", &id]));
            for last in (1..preferences.len()).rev() {
                preferences.swap(last, rng.below(last as u64 + 1) as usize);
            }
            let prompt = reward_prompt(&problems[&id]);
            options.groups(text, &prompt, &preferences)
        })
        .collect();
    let too_long: usize = parts.iter().map(|(_, too_long)| too_long).sum();
    if too_long > 0 {
        terminal.print(&format!("left out because they are too long: {too_long} pairs"));
    }
    Ok(parts.into_iter().flat_map(|(groups, _)| groups).collect())
}

impl DecoderOptions {
    /// Groups of one problem, and the number of pairs that are too long.
    fn groups(
        &self,
        text: (&TextEncoder, Programs),
        prompt: &str,
        preferences: &[Preference],
    ) -> (Vec<Learnt>, usize) {
        let mut items: BTreeMap<u64, Option<Vec<u32>>> = BTreeMap::new();
        let mut keys = Vec::new();
        let mut fitting = Vec::new();
        for preference in preferences {
            let pair = preference.sides().map(|side| {
                let key = digest(side.program.as_bytes());
                items.entry(key).or_insert_with(|| {
                    self.item(text, prompt, (&side.program, preference.language))
                });
                key
            });
            if pair.iter().all(|key| items[key].is_some()) {
                keys.push(pair);
                fitting.push(preference);
            }
        }
        let group = |pairs: Vec<usize>| {
            let mut group = Learnt::default();
            let mut places: BTreeMap<u64, usize> = BTreeMap::new();
            for pair in pairs {
                let sides = keys[pair].iter().zip(fitting[pair].sides()).zip([1.0, 0.0]);
                let places = sides.map(|((key, side), label)| {
                    *places.entry(*key).or_insert_with(|| {
                        group.items.push(items[key].clone().unwrap_or_default());
                        let unaligned = side.problem != fitting[pair].problem;
                        let rate = side.rate.filter(|_| !unaligned).map(|rate| rate as f32);
                        group.labels.push(rate.unwrap_or(label));
                        group.items.len() - 1
                    })
                });
                if let [chosen, rejected] = places.collect::<Vec<_>>()[..] {
                    group.pairs.push((chosen, rejected));
                }
            }
            group
        };
        let groups = together(&keys, self.group.max(2)).into_iter().map(group).collect();
        (groups, preferences.len() - fitting.len())
    }

    /// A program's tokens after its problem's; the middle of a long problem is left out, as it is
    /// where a reward model of so few positions scores.
    fn item(
        &self,
        (text, programs): (&TextEncoder, Programs),
        prompt: &str,
        (program, language): (&str, Language),
    ) -> Option<Vec<u32>> {
        let limit = self.training.tokens_max;
        let program = read_as(program, language, programs);
        let item = Item::new(text, (prompt, &program), limit, TooLong::TrimProblem).ok()?;
        Some(item.tokens().to_vec())
    }
}

/// Splits pairs into groups of at most `size` different programs, so that as many pairs as can be
/// share them: what a program costs is paid once per group. A group grows by the first pair that
/// has the fewest programs it has not.
fn together(pairs: &[[u64; 2]], size: usize) -> Vec<Vec<usize>> {
    let mut rest: Vec<usize> = (0..pairs.len()).collect();
    let mut groups = Vec::new();
    while !rest.is_empty() {
        let (mut group, mut programs) = (Vec::new(), BTreeSet::new());
        loop {
            let fresh = |pair: usize| {
                pairs[pair].iter().filter(|program| !programs.contains(*program)).count()
            };
            let next = rest.iter().enumerate().map(|(at, &pair)| (fresh(pair), at)).min();
            let Some((_, at)) = next.filter(|(fresh, _)| programs.len() + fresh <= size) else {
                break;
            };
            let pair = rest.remove(at);
            programs.extend(pairs[pair]);
            group.push(pair);
        }
        groups.push(group);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pairs: &[[u64; 2]], size: usize, expected: &[&[usize]]) {
        assert_eq!(together(pairs, size), expected);
    }

    #[test]
    fn pairs_that_share_programs_stand_together() {
        check(&[], 4, &[]);
        check(&[[1, 2], [3, 4], [5, 6]], 4, &[&[0, 1], &[2]]);
        check(&[[1, 2], [5, 6], [3, 2], [1, 3]], 3, &[&[0, 2, 3], &[1]]);
        check(&[[1, 2], [1, 2], [2, 1], [1, 3]], 2, &[&[0, 1, 2], &[3]]);
    }
}
