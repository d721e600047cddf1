//! What there was, what was drawn, and what a scorer that reads no program would make of it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Pair, PairOptions, Pool};
use crate::preference::Preference;

/// Pairs, counted in ways that tell whether they can be told apart without reading programs.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PairCounts {
    /// All pairs.
    pub pairs: u64,
    /// Problems that have one.
    pub problems: u64,
    /// Pairs whose rejected program is wrong by little (half of the tests, unless options say
    /// otherwise).
    pub near_misses: u64,
    /// Pairs of one author.
    pub same_author: u64,
    /// Pairs that one wins who knows, for every two authors, which of them wins more often (half
    /// of the pairs of one author): at least half of all pairs.
    pub won_by_author: f64,
    /// Pairs whose chosen program is longer.
    pub longer: u64,
    /// Pairs whose chosen program is shorter.
    pub shorter: u64,
}

/// How often an author's programs are chosen and rejected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SourceCounts {
    /// Chosen, in the pairs that were available.
    pub chosen_before: u64,
    /// Rejected, in the pairs that were available.
    pub rejected_before: u64,
    /// Chosen, in the pairs drawn by the rule.
    pub chosen: u64,
    /// Rejected, in the pairs drawn by the rule.
    pub rejected: u64,
}

/// The report of a draw.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Problems with verified programs.
    pub problems: u64,
    /// Right programs.
    pub right: u64,
    /// Wrong programs.
    pub wrong: u64,
    /// Pairs that the rule and the demand on authors admit.
    pub available: PairCounts,
    /// Pairs drawn by the rule.
    pub drawn: PairCounts,
    /// Unaligned pairs.
    pub unaligned: PairCounts,
    /// Authors of the available pairs.
    pub sources: BTreeMap<String, SourceCounts>,
}

/// From which pass rate a wrong program counts as a near miss, where options do not say.
const NEAR_MISS_RATE_MIN: f64 = 0.5;

impl Report {
    pub(super) fn new(
        pools: &[Pool<'_>],
        (available, drawn): (&[Pair], &[Pair]),
        unaligned: &[(usize, Preference)],
        options: &PairOptions,
    ) -> Report {
        let programs = || pools.iter().flat_map(|pool| &pool.programs);
        let rate_min = options.near_miss.map_or(NEAR_MISS_RATE_MIN, |near| near.rate_min);
        let count = |pairs: &[Pair]| {
            PairCounts::of(pairs.iter().map(|pair| {
                let (chosen, rejected) = (pair.chosen(pools), pair.rejected(pools));
                Seen {
                    problem: pair.pool,
                    authors: [&chosen.source, &rejected.source],
                    bytes: [chosen.program.len(), rejected.program.len()],
                    near: rejected.is_near_miss(rate_min),
                }
            }))
        };
        let unaligned = PairCounts::of(unaligned.iter().map(|(pool, preference)| Seen {
            problem: *pool,
            authors: [&preference.chosen.source, &preference.rejected.source],
            bytes: [preference.chosen.program.len(), preference.rejected.program.len()],
            near: false,
        }));
        Report {
            problems: pools.iter().filter(|pool| !pool.programs.is_empty()).count() as u64,
            right: programs().filter(|program| program.right).count() as u64,
            wrong: programs().filter(|program| !program.right).count() as u64,
            available: count(available),
            drawn: count(drawn),
            unaligned,
            sources: sources(pools, available, drawn),
        }
    }
}

fn sources(
    pools: &[Pool<'_>],
    available: &[Pair],
    drawn: &[Pair],
) -> BTreeMap<String, SourceCounts> {
    let mut sources: BTreeMap<String, SourceCounts> = BTreeMap::new();
    for pair in available {
        let (chosen, rejected) = (&pair.chosen(pools).source, &pair.rejected(pools).source);
        sources.entry(chosen.clone()).or_default().chosen_before += 1;
        sources.entry(rejected.clone()).or_default().rejected_before += 1;
    }
    for pair in drawn {
        let (chosen, rejected) = (&pair.chosen(pools).source, &pair.rejected(pools).source);
        sources.entry(chosen.clone()).or_default().chosen += 1;
        sources.entry(rejected.clone()).or_default().rejected += 1;
    }
    sources
}

/// What is counted of a pair; chosen before rejected.
struct Seen<'a> {
    problem: usize,
    authors: [&'a str; 2],
    bytes: [usize; 2],
    near: bool,
}

impl PairCounts {
    fn of<'a>(pairs: impl Iterator<Item = Seen<'a>>) -> PairCounts {
        let mut counts = PairCounts::default();
        let mut problems: Vec<usize> = Vec::new();
        // Per two authors in the order of their names: how often each wins.
        let mut wins: BTreeMap<[&str; 2], [u64; 2]> = BTreeMap::new();
        for Seen { problem, authors: [chosen, rejected], bytes, near } in pairs {
            counts.pairs += 1;
            problems.push(problem);
            counts.near_misses += u64::from(near);
            counts.longer += u64::from(bytes[0] > bytes[1]);
            counts.shorter += u64::from(bytes[0] < bytes[1]);
            if chosen == rejected {
                counts.same_author += 1;
                continue;
            }
            let key = [chosen.min(rejected), chosen.max(rejected)];
            wins.entry(key).or_default()[usize::from(chosen > rejected)] += 1;
        }
        problems.sort_unstable();
        problems.dedup();
        counts.problems = problems.len() as u64;
        let won: u64 = wins.values().map(|[a, b]| a.max(b)).sum();
        counts.won_by_author = won as f64 + counts.same_author as f64 / 2.0;
        counts
    }
}
