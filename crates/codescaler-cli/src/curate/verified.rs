//! Pools of verified programs, read from files: candidates joined with labels and executions.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use clap::Args;
use codescaler::{
    candidate::{Candidate, Label},
    curate::{Overlap, Pool, Verified, statement_digest, token_digest},
    execution::Execution,
    language::Language,
    problem::{Problem, Suite},
};
use codescaler_extract::{Policy, tree_digest};
use codescaler_reward::program_of;
use rayon::prelude::*;
use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::{
    failure::Failure,
    files::{Joined, Problems, fingerprint, records},
    held_out::HeldOut,
    terminal::check_interrupt,
};

/// Which problems may be used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Splits {
    /// What may be learnt: none of split `validation` or `eval`.
    Train,
    /// Everything, to measure with.
    Every,
}

/// Which programs are there, and which of them count.
#[derive(Args)]
pub(crate) struct VerifiedOptions {
    /// The problems; may be given more than once.
    #[arg(long, required = true)]
    pub(crate) problems: Vec<PathBuf>,
    /// Candidates; may be given more than once, with no candidate in two files.
    #[arg(long, required = true)]
    pub(crate) candidates: Vec<PathBuf>,
    /// Labels; by default `labels.jsonl` beside each file of candidates, where it is there. A
    /// candidate is right when every label says so.
    #[arg(long)]
    pub(crate) labels: Vec<PathBuf>,
    /// Executions: those of hidden tests are labels, those of visible tests show who is wrong.
    #[arg(long)]
    pub(crate) executions: Vec<PathBuf>,
    /// Which block of a completion is the program.
    #[arg(long, default_value_t = Policy::BestValid)]
    policy: Policy,
    /// Only programs in this language; by default in every one, paired within it.
    #[arg(long)]
    language: Option<Language>,
    /// Only programs by this source (on-policy pairs of one language model); may be given more
    /// than once.
    #[arg(long)]
    source: Vec<String>,
    /// No programs by this source (references that are always right); may be given more than once.
    #[arg(long)]
    without_source: Vec<String>,
    /// Keep programs that do not parse, as wrong ones. CodeScaler's extraction replaces them by
    /// nothing, so that its pairs have none.
    #[arg(long)]
    with_broken: bool,
    /// Held-out data, a folder or a file of problems: problems whose statements it repeats and
    /// programs whose syntax trees it holds are dropped, and reported. May be given more than once.
    #[arg(long)]
    against: Vec<PathBuf>,
    /// A JSON file whose texts are ids of problems to leave out.
    #[arg(long)]
    leave_out: Option<PathBuf>,
    /// Words of an n-gram, for --against.
    #[arg(long, default_value_t = 13, value_parser = clap::value_parser!(u16).range(1..))]
    ngram_words: u16,
    /// The largest share of n-grams that a statement may have in common with a held-out one, of the
    /// shorter of the two.
    #[arg(long, default_value_t = 0.2, value_parser = share)]
    overlap_max: f64,
}

/// A number from 0 to 1.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        Ok(_) | Err(_) => Err("write a share from 0 to 1, such as 0.3".to_owned()),
    }
}

/// Why a problem was dropped.
#[derive(Serialize)]
pub(crate) struct DroppedProblem {
    /// Its id.
    pub(crate) problem: String,
    /// The reason.
    pub(crate) why: &'static str,
    /// The held-out problem that it repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) with: Option<String>,
    /// The share of n-grams in common.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) overlap: Option<f64>,
}

/// What does not count, and why.
#[derive(Default, Serialize)]
pub(crate) struct LeftOut {
    /// Problems of other splits, left out by id, or like held-out ones.
    pub(crate) problems: Vec<DroppedProblem>,
    /// Candidates of these problems.
    pub(crate) of_dropped_problems: u64,
    /// Candidates whose syntax tree a held-out program has.
    pub(crate) held_out_trees: u64,
    /// Candidates of another source or language than asked for.
    pub(crate) not_asked_for: u64,
    /// Candidates without a verdict.
    pub(crate) without_verdict: u64,
    /// Candidates without a program that parses.
    pub(crate) without_program: u64,
    /// Candidates that are right by label and fail a test that the statement shows.
    pub(crate) contradicting: u64,
}

/// What files say about one candidate.
#[derive(Clone, Copy, Default)]
struct Known {
    right: Option<bool>,
    rate: Option<f64>,
    passes_visible: Option<bool>,
}

impl VerifiedOptions {
    /// Reads everything into pools, in the order of the problems.
    pub(crate) fn read<'a>(
        &self,
        problems: &'a Problems,
        splits: Splits,
    ) -> Result<(Vec<Pool<'a>>, LeftOut), Failure> {
        let mut left_out = LeftOut::default();
        let held_out = HeldOut::read(&self.against, self.leave_out.as_deref())?;
        left_out.problems = self.dropped(problems, splits, &held_out);
        let dropped: BTreeSet<&str> =
            left_out.problems.iter().map(|dropped| dropped.problem.as_str()).collect();
        let known = self.known(problems)?;
        let mut pools: BTreeMap<(&str, Language), Vec<Verified>> = BTreeMap::new();
        let mut counts = LeftOut::default();
        let mut seen = BTreeSet::new();
        for path in &self.candidates {
            let mut candidates = Joined::<_, Candidate>::open(path, problems)?;
            loop {
                let batch: Vec<(&Problem, Candidate)> =
                    candidates.by_ref().take(1024).collect::<Result<_, _>>()?;
                if batch.is_empty() {
                    break;
                }
                let read: Vec<Result<Verified, Why>> = batch
                    .par_iter()
                    .map(|(problem, candidate)| {
                        if dropped.contains(problem.id.as_str()) {
                            return Err(Why::Problem);
                        }
                        let of = known.get(&(problem.id.as_str(), candidate.index)).copied();
                        self.verified(problem, candidate, of.unwrap_or_default(), &held_out)
                    })
                    .collect();
                for ((problem, candidate), read) in batch.into_iter().zip(read) {
                    if self.candidates.len() > 1 && !seen.insert((&problem.id, candidate.index)) {
                        return Err(in_two_files(path, &candidate));
                    }
                    match read {
                        Ok(verified) => pools
                            .entry((problem.id.as_str(), candidate.language))
                            .or_default()
                            .push(verified),
                        Err(why) => counts.count(why),
                    }
                }
                check_interrupt()?;
            }
        }
        counts.problems = std::mem::take(&mut left_out.problems);
        let mut list = Vec::new();
        for problem in problems.iter() {
            for language in Language::ALL {
                if let Some(mut programs) = pools.remove(&(problem.id.as_str(), language)) {
                    programs.sort_by_key(|program| program.index);
                    list.push(Pool { problem, language, programs });
                }
            }
        }
        Ok((list, counts))
    }

    /// Problems that must not be learnt.
    fn dropped(
        &self,
        problems: &Problems,
        splits: Splits,
        held_out: &HeldOut,
    ) -> Vec<DroppedProblem> {
        let mut overlap = Overlap::new(usize::from(self.ngram_words));
        for problem in held_out.statements.values() {
            overlap.add(&problem.id, &problem.statement);
        }
        let list: Vec<&Problem> = problems.iter().collect();
        let why = |problem: &&Problem| {
            let dropped = |why, with: Option<&str>, overlap| DroppedProblem {
                problem: problem.id.clone(),
                why,
                with: with.map(str::to_owned),
                overlap,
            };
            let held_out_split =
                matches!(problem.meta.split.as_deref(), Some("validation" | "eval"));
            if splits == Splits::Train && held_out_split {
                return Some(dropped("its split is not train", None, None));
            }
            if held_out.ids.contains(&problem.id) {
                return Some(dropped("it is left out by id", None, None));
            }
            if let Some(same) = held_out.statements.get(&statement_digest(&problem.statement)) {
                return Some(dropped("its statement is held out", Some(&same.id), Some(1.0)));
            }
            let (share, with) = overlap.most(&problem.statement)?;
            let why = "its statement shares n-grams with a held-out one";
            (share > self.overlap_max).then(|| dropped(why, Some(with), Some(share)))
        };
        list.par_iter().filter_map(why).collect()
    }

    /// What labels and executions say, by candidate.
    fn known<'a>(
        &self,
        problems: &'a Problems,
    ) -> Result<BTreeMap<(&'a str, u32), Known>, Failure> {
        let mut known: BTreeMap<(&str, u32), Known> = BTreeMap::new();
        for path in self.label_files() {
            for entry in Joined::<_, Label>::open(&path, problems)?.with_repeats() {
                let (problem, label) = entry?;
                let of = known.entry((problem.id.as_str(), label.index)).or_default();
                of.right = Some(of.right.unwrap_or(true) && label.passed);
                of.rate = of.rate.or(label.rate);
            }
        }
        for path in &self.executions {
            for entry in Joined::<_, Execution>::new(records(path)?, problems).with_repeats() {
                let (problem, execution) = entry?;
                let of = known.entry((problem.id.as_str(), execution.index)).or_default();
                match (execution.suite, execution.passed()) {
                    (Suite::Hidden, Some(passed)) => {
                        of.right = Some(of.right.unwrap_or(true) && passed);
                        of.rate = of.rate.or(pass_rate(&execution));
                    }
                    (Suite::Visible, Some(passed)) => {
                        of.passes_visible = Some(of.passes_visible.unwrap_or(true) && passed);
                    }
                    (Suite::Hidden | Suite::Visible, None) | (Suite::Inputs, _) => {}
                }
            }
        }
        Ok(known)
    }

    fn label_files(&self) -> Vec<PathBuf> {
        if !self.labels.is_empty() {
            return self.labels.clone();
        }
        let beside: BTreeSet<PathBuf> =
            self.candidates.iter().map(|path| path.with_file_name("labels.jsonl")).collect();
        beside.into_iter().filter(|path| path.exists()).collect()
    }

    /// Whether its language and its source count.
    pub(crate) fn is_asked_for(&self, candidate: &Candidate) -> bool {
        let source = &candidate.source.name;
        self.language.is_none_or(|language| language == candidate.language)
            && (self.source.is_empty() || self.source.contains(source))
            && !self.without_source.contains(source)
    }

    fn verified(
        &self,
        problem: &Problem,
        candidate: &Candidate,
        known: Known,
        held_out: &HeldOut,
    ) -> Result<Verified, Why> {
        let source = &candidate.source.name;
        if !self.is_asked_for(candidate) {
            return Err(Why::NotAskedFor);
        }
        let passes_visible = known.passes_visible.or_else(|| candidate.passes_visible_tests());
        let (program, right) = match program_of(candidate, problem, self.policy) {
            Ok(program) => (program.into_owned(), known.right),
            Err(_) => match &candidate.program {
                Some(broken) if self.with_broken && !broken.trim().is_empty() => {
                    (broken.clone(), Some(false))
                }
                Some(_) | None => return Err(Why::NoProgram),
            },
        };
        let right = match (right, passes_visible) {
            (Some(true), Some(false)) => return Err(Why::Contradicting),
            (Some(right), _) => right,
            (None, Some(false)) => false,
            (None, Some(true) | None) => return Err(Why::NoVerdict),
        };
        let tree = tree_digest(&program, candidate.language);
        if tree.is_some_and(|tree| held_out.trees.contains(&tree)) {
            return Err(Why::HeldOutTree);
        }
        Ok(Verified {
            index: candidate.index,
            digest: tree.unwrap_or_else(|| token_digest(&program, candidate.language)),
            program,
            source: source.clone(),
            count: candidate.source.count,
            right,
            rate: known.rate,
            passes_visible,
        })
    }

    /// All that the pools depend on, for the header of what is made of them.
    pub(crate) fn provenance(&self) -> Result<Json, Failure> {
        let all = |paths: &[PathBuf]| paths.iter().map(|path| fingerprint(path)).collect();
        let many = |paths: &[PathBuf]| -> Result<Vec<String>, Failure> { all(paths) };
        let mut against = Vec::new();
        for path in &self.against {
            let files = if path.is_dir() {
                [path.join("problems.jsonl"), path.join("candidates.jsonl")]
                    .into_iter()
                    .filter(|path| path.exists())
                    .collect()
            } else {
                vec![path.clone()]
            };
            against.extend(many(&files)?);
        }
        Ok(json!({
            "problems": many(&self.problems)?,
            "candidates": many(&self.candidates)?,
            "labels": many(&self.label_files())?,
            "executions": many(&self.executions)?,
            "against": against,
            "leave_out": self.leave_out.as_deref().map(fingerprint).transpose()?,
            "policy": self.policy.to_string(),
            "language": self.language,
            "source": self.source,
            "without_source": self.without_source,
            "with_broken": self.with_broken,
            "ngram_words": self.ngram_words,
            "overlap_max": self.overlap_max,
        }))
    }
}

/// Why a candidate does not count.
#[derive(Clone, Copy)]
enum Why {
    Problem,
    NotAskedFor,
    NoVerdict,
    NoProgram,
    Contradicting,
    HeldOutTree,
}

impl LeftOut {
    fn count(&mut self, why: Why) {
        *match why {
            Why::Problem => &mut self.of_dropped_problems,
            Why::NotAskedFor => &mut self.not_asked_for,
            Why::NoVerdict => &mut self.without_verdict,
            Why::NoProgram => &mut self.without_program,
            Why::Contradicting => &mut self.contradicting,
            Why::HeldOutTree => &mut self.held_out_trees,
        } += 1;
    }
}

/// The share of tests passed, where every test was run.
fn pass_rate(execution: &Execution) -> Option<f64> {
    let passed: Option<Vec<bool>> =
        execution.verdicts.iter().map(|verdict| verdict.passed()).collect();
    let passed = passed.filter(|passed| !passed.is_empty())?;
    Some(passed.iter().filter(|&&passed| passed).count() as f64 / passed.len() as f64)
}

fn in_two_files(path: &Path, candidate: &Candidate) -> Failure {
    Failure::input(format!(
        "{} holds candidate {} of problem {:?}, which stands in another file of candidates: leave one of the files out",
        path.display(),
        candidate.index,
        candidate.problem
    ))
}
