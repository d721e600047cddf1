//! Curation: from verified programs to preference pairs.
//!
//! ```text
//! pools ─ deduplicate ─► pools ─ pairs ─► preferences ─ export ─► rows for trainers
//! ```
//!
//! Who wrote a program, and how long it is, predicts whether it is right; a reward model that is
//! trained on pairs as they come learns to recognise authors. [`pairs`] therefore draws in units of
//! two: a pair in which author A beats author B with the longer program, and one in which B beats A
//! with the shorter. Of every two authors each then wins as often as the other, and the longer
//! program wins half of all pairs, exactly and whatever the caps leave.

mod augment;
mod concise;
mod draw;
mod duplicates;
pub mod export;
mod overlap;
mod report;
mod unaligned;
pub mod verl;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use augment::augmented;
pub use concise::{Sampled, Shortest, balanced, shortest};
pub use duplicates::{Duplicates, deduplicate, token_digest};
pub use overlap::{Overlap, statement_digest};
pub use report::{PairCounts, Report, SourceCounts};
pub use unaligned::{are_strangers, called_for};

use crate::{
    language::Language,
    metric::Sources,
    preference::{Preference, Side},
    problem::Problem,
    record::Extra,
};

/// A program whose verdict is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// Its place in the problem's group.
    pub index: u32,
    /// The program.
    pub program: String,
    /// Who wrote it; empty when nobody says.
    pub source: String,
    /// How many samples gave this text.
    pub count: u32,
    /// Whether it passed every test that decides.
    pub right: bool,
    /// The share of tests it passes, where that is known.
    pub rate: Option<f64>,
    /// Whether it passes the tests that the statement shows, where that is known.
    pub passes_visible: Option<bool>,
    /// Digest of what it does, up to spelling: of its normalised syntax tree, or where there is
    /// none of its tokens ([`token_digest`]).
    pub digest: u64,
}

/// The verified programs of one problem in one language.
#[derive(Clone, Debug)]
pub struct Pool<'a> {
    /// The problem.
    pub problem: &'a Problem,
    /// The language of all programs.
    pub language: Language,
    /// The programs, in the order of their indices.
    pub programs: Vec<Verified>,
}

/// Which two programs of one problem make a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// All tests pass against any fails (CodeScaler, arXiv 2602.17684; its data card).
    AllAny,
    /// Pass rates far apart: chosen at least 0.8, at least 0.4 above the rejected, which passes
    /// something (AceCoder, arXiv 2502.01718, section 2.2; the paper writes "above" where its code
    /// has "at least", which is taken here).
    Margin,
}

impl Rule {
    /// The name, as written in records.
    pub fn name(self) -> &'static str {
        match self {
            Rule::AllAny => "all_any",
            Rule::Margin => "margin",
        }
    }

    /// Whether `chosen` is the better program of a pair.
    pub fn prefers(self, chosen: &Verified, rejected: &Verified) -> bool {
        const CHOSEN_RATE_MIN: f64 = 0.8;
        const MARGIN_MIN: f64 = 0.4;
        /// 0.8 - 0.4 and 0.4 are not the same number in binary.
        const ROUNDING: f64 = 1e-9;
        match self {
            Rule::AllAny => chosen.right && !rejected.right,
            Rule::Margin => match (chosen.known_rate(), rejected.known_rate()) {
                (Some(high), Some(low)) => {
                    high >= CHOSEN_RATE_MIN - ROUNDING
                        && high - low >= MARGIN_MIN - ROUNDING
                        && low > 0.0
                }
                (Some(_) | None, _) => false,
            },
        }
    }
}

/// The name of the rule for pairs whose rejected program solves another problem.
pub const UNALIGNED: &str = "unaligned";

impl Verified {
    /// Its pass rate: that of a right program is 1.
    pub fn known_rate(&self) -> Option<f64> {
        if self.right { Some(1.0) } else { self.rate }
    }

    /// Whether it is wrong by little: passes at least `rate_min` of the tests or, where nobody
    /// counted, all tests that the statement shows.
    pub fn is_near_miss(&self, rate_min: f64) -> bool {
        !self.right && self.rate.map_or(self.passes_visible == Some(true), |rate| rate >= rate_min)
    }
}

/// What a draw does about authors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceBalance {
    /// Of every two authors, each is chosen over the other equally often.
    Balanced,
    /// Pairs of authors that are right about as often ([`Sources::matched`]).
    Matched,
    /// Pairs as they come.
    Any,
}

/// A share of pairs whose rejected program is wrong by little.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct NearMiss {
    /// The share to draw, while there are such pairs.
    pub share: f64,
    /// From which pass rate a wrong program is a near miss.
    pub rate_min: f64,
}

/// How pairs are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairOptions {
    /// Which programs make a pair.
    pub rule: Rule,
    /// What is done about authors.
    pub sources: SourceBalance,
    /// Whether the longer program is chosen in half of the pairs.
    pub balance_lengths: bool,
    /// The share of near misses; as they come when absent.
    pub near_miss: Option<NearMiss>,
    /// Unaligned pairs for each pair of a rule. CodeScaler's first commit names 0.3; whether of the
    /// raw pairs or of the mix is not known, here it is of the raw pairs.
    pub unaligned_share: f64,
    /// Pairs of one problem and rule, at most.
    pub pairs_per_problem_max: u32,
    /// Pairs that one program stands in, at most, for each rule.
    pub pairs_per_program_max: u32,
    /// Pairs of the rule, at most.
    pub pairs_max: usize,
    /// Seed of everything drawn.
    pub seed: u64,
}

impl Default for PairOptions {
    fn default() -> PairOptions {
        PairOptions {
            rule: Rule::AllAny,
            sources: SourceBalance::Balanced,
            balance_lengths: true,
            near_miss: None,
            unaligned_share: 0.3,
            pairs_per_problem_max: 64,
            pairs_per_program_max: 8,
            pairs_max: usize::MAX,
            seed: 1,
        }
    }
}

/// Pairs, and what was drawn of what there was.
#[derive(Clone, Debug, PartialEq)]
pub struct Curated {
    /// The pairs, in the order of the pools.
    pub preferences: Vec<Preference>,
    /// Counts before and after.
    pub report: Report,
}

/// Two programs of a pool, by place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Pair {
    pool: usize,
    chosen: usize,
    rejected: usize,
}

impl Pair {
    fn chosen<'p>(&self, pools: &'p [Pool<'_>]) -> &'p Verified {
        &pools[self.pool].programs[self.chosen]
    }

    fn rejected<'p>(&self, pools: &'p [Pool<'_>]) -> &'p Verified {
        &pools[self.pool].programs[self.rejected]
    }
}

/// Draws preference pairs from pools: a pure function of pools and options.
///
/// A program without a named author is in no pair, unless `options.sources` is
/// [`SourceBalance::Any`].
pub fn pairs(pools: &[Pool<'_>], options: &PairOptions) -> Curated {
    let available = available(pools, options);
    let units = draw::draw(pools, &available, options);
    let drawn: Vec<Pair> = units.iter().flatten().copied().collect();
    let unaligned = unaligned::draw(pools, &drawn, options);
    let report = Report::new(pools, (&available, &drawn), &unaligned, options);
    let mut preferences: Vec<(usize, Preference)> = Vec::new();
    for (number, unit) in units.iter().enumerate() {
        let number = u32::try_from(number).ok();
        preferences.extend(unit.iter().map(|pair| {
            let preference = Preference { unit: number, ..aligned(pools, *pair, options.rule) };
            (pair.pool, preference)
        }));
    }
    preferences.extend(unaligned);
    preferences.sort_by_key(|(pool, _)| *pool);
    let preferences = preferences.into_iter().map(|(_, preference)| preference).collect();
    Curated { preferences, report }
}

/// Every pair that the rule and the demand on authors admit.
fn available(pools: &[Pool<'_>], options: &PairOptions) -> Vec<Pair> {
    let mut rates = Sources::default();
    for program in pools.iter().flat_map(|pool| &pool.programs) {
        rates.add(&program.source, program.right, program.count);
    }
    let admits = |a: &Verified, b: &Verified| match options.sources {
        SourceBalance::Any => true,
        SourceBalance::Matched => rates.matched(&a.source, &b.source),
        SourceBalance::Balanced => !a.source.is_empty() && !b.source.is_empty(),
    };
    let mut available = Vec::new();
    for (at, pool) in pools.iter().enumerate() {
        for (chosen, better) in pool.programs.iter().enumerate() {
            for (rejected, worse) in pool.programs.iter().enumerate() {
                if options.rule.prefers(better, worse) && admits(better, worse) {
                    available.push(Pair { pool: at, chosen, rejected });
                }
            }
        }
    }
    available
}

fn aligned(pools: &[Pool<'_>], pair: Pair, rule: Rule) -> Preference {
    let pool = &pools[pair.pool];
    let (chosen, rejected) = (pair.chosen(pools), pair.rejected(pools));
    let margin = chosen.known_rate().zip(rejected.known_rate()).map(|(high, low)| high - low);
    Preference {
        problem: pool.problem.id.clone(),
        chosen: side(pool.problem, chosen),
        rejected: side(pool.problem, rejected),
        language: pool.language,
        margin,
        rule: rule.name().to_owned(),
        unit: None,
        extra: Extra::new(),
    }
}

fn side(problem: &Problem, program: &Verified) -> Side {
    Side {
        problem: problem.id.clone(),
        index: program.index,
        program: program.program.clone(),
        source: program.source.clone(),
        rate: program.known_rate(),
        rewrite: None,
    }
}

/// How often each program stands in a pair, and each problem; what has room may take one more.
#[derive(Debug)]
struct Caps {
    per_problem: BTreeMap<usize, u32>,
    per_program: BTreeMap<(usize, usize), u32>,
    problem_max: u32,
    program_max: u32,
}

impl Caps {
    fn new(options: &PairOptions) -> Caps {
        Caps {
            per_problem: BTreeMap::new(),
            per_program: BTreeMap::new(),
            problem_max: options.pairs_per_problem_max,
            program_max: options.pairs_per_program_max,
        }
    }

    /// Counts a pair of `problem` with these programs (pool, place), if all have room.
    fn take(&mut self, problem: usize, programs: [(usize, usize); 2]) -> bool {
        let count = |place| self.per_program.get(&place).copied().unwrap_or(0);
        let has_room = self.per_problem.get(&problem).copied().unwrap_or(0) < self.problem_max
            && programs.iter().all(|&place| count(place) < self.program_max);
        if has_room {
            *self.per_problem.entry(problem).or_default() += 1;
            programs.iter().for_each(|&place| *self.per_program.entry(place).or_default() += 1);
        }
        has_room
    }

    /// Takes a counted pair back.
    fn give_back(&mut self, problem: usize, programs: [(usize, usize); 2]) {
        *self.per_problem.entry(problem).or_default() -= 1;
        programs.iter().for_each(|&place| *self.per_program.entry(place).or_default() -= 1);
    }
}
