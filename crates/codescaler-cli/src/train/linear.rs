//! The linear reward model: trained on labelled programs.

use std::{
    collections::BTreeMap,
    mem::discriminant,
    path::{Path, PathBuf},
    str::FromStr,
};

use clap::{Args, ValueEnum};
use codescaler::{
    candidate::Candidate,
    curate::{are_strangers, called_for},
    language::Language,
    linear::{
        Ablation, FeatureOptions, LabelledProgram, LinearRewardModel, ProgramView, TrainOptions,
        Training, TrainingGroup, TrainingSet,
    },
    problem::Problem,
    record::Extra,
    seed::{Rng, derive},
};
use codescaler_extract::{Policy, tree_digest, tree_shape};
use codescaler_reward::program_of;
use rayon::prelude::*;
use serde_json::json;

use super::RewardOptions;
use crate::{
    failure::{Failure, Outcome},
    files::{Joined, Problems, fingerprint, write_whole},
    held_out::HeldOut,
    terminal::{Terminal, check_interrupt},
};

/// What is hidden from the reward model, to see how much of its judgement is left.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Hide {
    /// The problem's text and starter.
    Problem,
    /// The syntax tree.
    Tree,
    /// Counts of the program: length, comments, loops.
    Statistics,
}

/// A data folder and what its problems count.
#[derive(Clone, Debug)]
struct Data {
    folder: PathBuf,
    weight: f32,
}

impl FromStr for Data {
    type Err = String;

    fn from_str(text: &str) -> Result<Data, String> {
        let (folder, weight) = text.rsplit_once(':').unwrap_or((text, "1"));
        let weight: f32 =
            weight.parse().map_err(|_| format!("{weight:?} is no weight: write FOLDER:0.5"))?;
        if !(weight > 0.0 && weight.is_finite()) {
            return Err(format!("weight {weight} is not above zero"));
        }
        Ok(Data { folder: PathBuf::from(folder), weight })
    }
}

/// For `--kind linear`.
#[derive(Args)]
#[command(next_help_heading = "For --kind linear")]
pub(crate) struct LinearOptions {
    /// A data folder, as FOLDER or FOLDER:WEIGHT; may be given more than once.
    #[arg(long)]
    data: Vec<Data>,
    /// A folder whose problems must not be learnt, those of split `train` apart; may be given more
    /// than once.
    #[arg(long)]
    held_out: Vec<PathBuf>,
    /// A JSON file whose texts are ids of problems to leave out.
    #[arg(long)]
    leave_out: Option<PathBuf>,
    /// Only programs in this language.
    #[arg(long, default_value_t = Language::Python)]
    language: Language,
    /// Right programs for other problems, to stand among the wrong ones of a problem, for each of
    /// those.
    #[arg(long, default_value_t = 0.15, value_parser = crate::curate::verified::share)]
    stranger_share: f64,
    /// Hide something from the reward model, in training and in scoring alike.
    #[arg(long, value_enum)]
    hide: Option<Hide>,
}

pub(super) fn run(terminal: Terminal, options: &RewardOptions) -> Result<Outcome, Failure> {
    let linear = &options.linear;
    if linear.data.is_empty() {
        return Err(Failure::input("--kind linear needs --data: a folder as import writes it"));
    }
    if options.out.exists() {
        return Err(Failure::input(format!(
            "{} exists: delete it or name another output",
            options.out.display()
        )));
    }
    let train_options = train_options(options);
    let held_out = HeldOut::read(&linear.held_out, linear.leave_out.as_deref())?;
    let mut set = TrainingSet::new(train_options.features);
    let mut dropped = Dropped::default();
    let mut data = Vec::new();
    for part in &linear.data {
        terminal.note(&format!("reading {}", part.folder.display()));
        read_part(part, (linear, options.seed), &held_out, &mut dropped, &mut set)?;
        data.push(json!({
            "candidates": fingerprint(&part.folder.join("candidates.jsonl"))?,
            "weight": part.weight,
        }));
    }
    let sizes = set.sizes();
    terminal.print(&format!(
        "{} problems with pairs, {} programs; dropped as held out: {} problems, {} programs; without a \
         valid program: {}",
        sizes.n_problems, sizes.n_programs, dropped.problems, dropped.programs, dropped.invalid
    ));
    let mut training = Training::new(&set, train_options);
    let mut log = Vec::new();
    while let Some(epoch) = training.step() {
        terminal.note(&format!(
            "epoch {}: loss {:.4} nats, {:.1} % of pairs in order",
            epoch.epoch,
            epoch.loss_nats,
            epoch.pair_accuracy * 100.0
        ));
        log.push(json!(epoch));
        check_interrupt()?;
    }
    let provenance = Extra::from_iter([
        ("data".to_owned(), json!(data)),
        ("options".to_owned(), json!(train_options)),
        ("stranger_share".to_owned(), json!(linear.stranger_share)),
        ("sizes".to_owned(), json!(sizes)),
    ]);
    let trained: LinearRewardModel = training.finish(provenance);
    let mut bytes = Vec::new();
    trained
        .write(&mut bytes)
        .map_err(|error| Failure::fault(error, "cannot write the reward model"))?;
    write_whole(&options.out, &bytes)?;
    terminal.print(&format!("{} bytes written to {}", bytes.len(), options.out.display()));
    Ok(Outcome::done(json!({
        "verb": "train reward", "kind": "linear", "out": options.out, "sizes": sizes, "epochs": log,
        "dropped": {"problems": dropped.problems, "programs": dropped.programs, "invalid": dropped.invalid},
    })))
}

fn train_options(options: &RewardOptions) -> TrainOptions {
    let defaults = TrainOptions::default();
    let ablation = match options.linear.hide {
        None => Ablation::None,
        Some(Hide::Problem) => Ablation::HideProblem,
        Some(Hide::Tree) => Ablation::HideTree,
        Some(Hide::Statistics) => Ablation::HideStatistics,
    };
    TrainOptions {
        features: FeatureOptions { ablation, ..defaults.features },
        epochs: options.epochs.unwrap_or(defaults.epochs),
        seed: options.seed,
        ..defaults
    }
}

/// What was not trained on.
#[derive(Default)]
struct Dropped {
    problems: u64,
    programs: u64,
    invalid: u64,
}

/// A program on its way into a group.
struct Read {
    text: String,
    shape: Vec<u64>,
    passed: bool,
}

/// Adds the labelled programs of a folder, problem by problem.
fn read_part(
    part: &Data,
    (options, seed): (&LinearOptions, u64),
    held_out: &HeldOut,
    dropped: &mut Dropped,
    set: &mut TrainingSet,
) -> Result<(), Failure> {
    let problems = Problems::read(&part.folder.join("problems.jsonl"))?;
    let labels = read_labels(&part.folder.join("labels.jsonl"), &problems)?;
    let mut groups: BTreeMap<&str, Vec<(Candidate, bool)>> = BTreeMap::new();
    for entry in Joined::<_, Candidate>::open(&part.folder.join("candidates.jsonl"), &problems)? {
        let (problem, candidate) = entry?;
        let label = labels.get(&(candidate.problem.clone(), candidate.index)).copied();
        let passed = label.or_else(|| failed_visible_tests(&candidate));
        if let Some(passed) = passed.filter(|_| candidate.language == options.language) {
            groups.entry(problem.id.as_str()).or_default().push((candidate, passed));
        }
    }
    let mut kept: Vec<(&Problem, Vec<Read>)> = Vec::new();
    for problem in problems.iter() {
        let Some(group) = groups.remove(problem.id.as_str()) else { continue };
        if !held_out.allows(problem) {
            dropped.problems += 1;
            continue;
        }
        let programs: Vec<Result<Option<Read>, String>> =
            group.par_iter().map(|entry| read_program(problem, entry, held_out)).collect();
        dropped.invalid += programs.iter().filter(|program| program.is_err()).count() as u64;
        let programs: Vec<Option<Read>> = programs.into_iter().filter_map(Result::ok).collect();
        dropped.programs += programs.iter().filter(|program| program.is_none()).count() as u64;
        kept.push((problem, programs.into_iter().flatten().collect()));
        check_interrupt()?;
    }
    for (at, (problem, programs)) in kept.iter().enumerate() {
        let strangers = strangers(&kept, at, (options, seed));
        let labelled: Vec<LabelledProgram<'_>> = programs
            .iter()
            .map(|read| (read, read.passed))
            .chain(strangers.iter().map(|read| (read, false)))
            .map(|(read, right)| LabelledProgram {
                program: ProgramView {
                    text: &read.text,
                    shape: &read.shape,
                    language: options.language,
                },
                right,
            })
            .collect();
        set.push(&TrainingGroup { problem, programs: &labelled, weight: part.weight });
        check_interrupt()?;
    }
    Ok(())
}

/// Draws for one problem, before it has enough strangers or has to do with fewer.
const TRIES: usize = 20;

/// Right programs for other problems that are called alike, to stand among a problem's wrong ones.
fn strangers(
    kept: &[(&Problem, Vec<Read>)],
    at: usize,
    (options, seed): (&LinearOptions, u64),
) -> Vec<Read> {
    let (problem, own) = &kept[at];
    let wrong = own.iter().filter(|read| !read.passed).count();
    let n = (options.stranger_share * wrong as f64).round() as usize;
    let mut rng = Rng::new(derive(seed, &["strangers", &problem.id]));
    let mut draw = |_| {
        let (other, programs) = &kept[rng.below(kept.len() as u64) as usize];
        let right: Vec<&Read> = programs.iter().filter(|read| read.passed).collect();
        let read = right.get(rng.below(right.len().max(1) as u64) as usize)?;
        let is_called_alike = discriminant(&other.entry) == discriminant(&problem.entry);
        (is_called_alike && are_strangers(problem, other)).then(|| {
            let text = called_for(&read.text, other, problem);
            let shape = tree_shape(&text, options.language).unwrap_or_default();
            Read { text, shape, passed: false }
        })
    };
    (0..TRIES * n).filter_map(&mut draw).take(n).collect()
}

/// A candidate's program, unless it is invalid (an error) or held out (`None`).
fn read_program(
    problem: &Problem,
    (candidate, passed): &(Candidate, bool),
    held_out: &HeldOut,
) -> Result<Option<Read>, String> {
    let text = program_of(candidate, problem, Policy::BestValid)?.into_owned();
    if tree_digest(&text, candidate.language).is_some_and(|digest| held_out.trees.contains(&digest))
    {
        return Ok(None);
    }
    let shape = tree_shape(&text, candidate.language).unwrap_or_default();
    Ok(Some(Read { text, shape, passed: *passed }))
}

/// A program without a label is wrong when it failed a test that its statement shows.
fn failed_visible_tests(candidate: &Candidate) -> Option<bool> {
    (candidate.passes_visible_tests() == Some(false)).then_some(false)
}

/// Whether each candidate is right: when all its labels say so.
fn read_labels(path: &Path, problems: &Problems) -> Result<BTreeMap<(String, u32), bool>, Failure> {
    let mut labels = BTreeMap::new();
    let entries = Joined::<_, codescaler::candidate::Label>::open(path, problems)?.with_repeats();
    for entry in entries {
        let (_, label) = entry?;
        let known = labels.entry((label.problem, label.index)).or_insert(true);
        *known &= label.passed;
    }
    Ok(labels)
}
