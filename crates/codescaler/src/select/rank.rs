//! From evidence to an order: groups of equal candidates, best first.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use super::{Note, Rule, consensus};
use crate::{
    evidence::{Evidence, OutputDigest, Table, answered},
    score::Score,
};

/// Groups of equal candidates, best first.
pub(super) type Tiers = Vec<Vec<usize>>;

/// The order of the candidates that have a program.
pub(super) struct Ranked {
    pub(super) tiers: Tiers,
    /// How many of the leading tiers passed the rule's filter.
    pub(super) surviving: usize,
    pub(super) notes: Vec<Note>,
}

/// The order of `valid`, which is not empty, by a rule whose needs are met.
pub(super) fn rank(rule: &Rule, evidence: &Evidence, valid: &[usize]) -> Ranked {
    let mut notes = Vec::new();
    let length = |index: usize| evidence.programs[index];
    let (kept, dropped) = filter(rule, evidence, valid, &mut notes);
    let mut tiers = match rule {
        Rule::First => tiers_by(&kept, Reverse),
        Rule::Random => vec![kept],
        Rule::Shortest => tiers_by(&kept, |index| Reverse(length(index))),
        Rule::Longest => tiers_by(&kept, length),
        Rule::PublicFilter => among_passing(evidence, kept, &mut notes),
        Rule::MaxPass => by_generated(evidence, kept, &mut notes, |rows, kept| {
            tiers_by(kept, |index| rows.net(index))
        }),
        Rule::MaxPassConsistency => by_generated(evidence, kept, &mut notes, |rows, kept| {
            tiers_by(kept, |index| (rows.net(index), rows.sharing(index)))
        }),
        Rule::Codet { a, b } => by_generated(evidence, kept, &mut notes, |rows, kept| {
            tiers_by_value(kept, |index| rows.codet(index, *a, *b))
        }),
        Rule::B4 { axy, b0 } => {
            by_generated(evidence, kept, &mut notes, |rows, kept| rows.b4(kept, *axy, *b0))
        }
        Rule::MbrExec => by_outputs(evidence, kept, &mut notes, by_agreement),
        Rule::AlphacodeClusters { .. } => by_outputs(evidence, kept, &mut notes, by_cluster),
        Rule::OutputVote => by_outputs(evidence, kept, &mut notes, by_majority),
        Rule::RmArgmax | Rule::RmWithinPassing => tiers_by(&kept, |i| evidence.scores[0][i]),
        Rule::HybridLexi { .. } => by_tests_then_score(evidence, valid, &kept, &mut notes),
        Rule::WeightedVerifiers { weights } => by_verifiers(evidence, &kept, weights),
    };
    let surviving = tiers.len();
    tiers.extend(dropped);
    Ranked { tiers, surviving, notes }
}

/// Those that the rule chooses among, and the others in their order.
fn filter(
    rule: &Rule,
    evidence: &Evidence,
    valid: &[usize],
    notes: &mut Vec<Note>,
) -> (Vec<usize>, Tiers) {
    match rule {
        Rule::First
        | Rule::Random
        | Rule::Shortest
        | Rule::Longest
        | Rule::RmArgmax
        | Rule::WeightedVerifiers { .. } => (valid.to_vec(), Tiers::new()),
        Rule::HybridLexi { keep_min, keep_fraction } => {
            upper_part(evidence, valid, *keep_min, *keep_fraction)
        }
        Rule::PublicFilter
        | Rule::MaxPass
        | Rule::MaxPassConsistency
        | Rule::Codet { .. }
        | Rule::B4 { .. }
        | Rule::MbrExec
        | Rule::AlphacodeClusters { .. }
        | Rule::OutputVote
        | Rule::RmWithinPassing => visible_first(evidence, valid, notes),
    }
}

/// Groups by a key, the greatest first; equal keys in ascending order of position.
pub(super) fn tiers_by<K: Ord>(kept: &[usize], key: impl Fn(usize) -> K) -> Tiers {
    let mut by_key: BTreeMap<Reverse<K>, Vec<usize>> = BTreeMap::new();
    for &index in kept {
        by_key.entry(Reverse(key(index))).or_default().push(index);
    }
    by_key.into_values().collect()
}

/// Groups by a value, the greatest first, where values that differ by rounding alone are equal.
pub(super) fn tiers_by_value(kept: &[usize], value: impl Fn(usize) -> f64) -> Tiers {
    const ROUNDING: f64 = 1e-9;
    let mut valued: Vec<(f64, usize)> = kept.iter().map(|&index| (value(index), index)).collect();
    valued.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut tiers = Tiers::new();
    let mut top = f64::INFINITY;
    for (value, index) in valued {
        match tiers.last_mut() {
            Some(tier) if value == top || top - value <= ROUNDING * top.abs().max(1.0) => {
                tier.push(index);
            }
            _ => {
                top = value;
                tiers.push(vec![index]);
            }
        }
    }
    tiers.iter_mut().for_each(|tier| tier.sort_unstable());
    tiers
}

/// Passes less fails; a missing cell is neither.
pub(super) fn net<'a>(cells: impl IntoIterator<Item = &'a Option<bool>>) -> i64 {
    cells.into_iter().flatten().map(|&passed| if passed { 1 } else { -1 }).sum()
}

/// Splits off those that do best on visible tests; the others follow in their order.
fn visible_first(
    evidence: &Evidence,
    valid: &[usize],
    notes: &mut Vec<Note>,
) -> (Vec<usize>, Tiers) {
    let Some(table) = &evidence.visible else { return (valid.to_vec(), Tiers::new()) };
    let mut tiers = tiers_by(valid, |index| net(&table[index]));
    let best = tiers.remove(0);
    note_visible(table, best[0], notes);
    (best, tiers)
}

fn note_visible(table: &Table<bool>, best: usize, notes: &mut Vec<Note>) {
    if table[best].is_empty() {
        notes.push(Note::NoVisibleTests);
    } else if table[best].iter().any(|&cell| cell != Some(true)) {
        notes.push(Note::Unverified);
    }
}

/// Those that pass are equals; those that merely do best are ordered by agreement, where that
/// tells them apart.
fn among_passing(evidence: &Evidence, kept: Vec<usize>, notes: &mut Vec<Note>) -> Tiers {
    if let Some(table) = &evidence.outputs
        && notes.contains(&Note::Unverified)
    {
        let tiers = by_agreement(table, evidence, &kept);
        if tiers.len() > 1 {
            notes.push(Note::ByAgreement);
        }
        return tiers;
    }
    vec![kept]
}

/// The columns that at least one candidate passes and another fails.
fn separating(table: &Table<bool>, kept: &[usize]) -> Vec<usize> {
    let columns = table.first().map_or(0, Vec::len);
    let seen =
        |column: usize, verdict| kept.iter().any(|&index| table[index][column] == Some(verdict));
    (0..columns).filter(|&column| seen(column, true) && seen(column, false)).collect()
}

/// An order by generated tests, of which only those that separate are looked at.
fn by_generated(
    evidence: &Evidence,
    kept: Vec<usize>,
    notes: &mut Vec<Note>,
    order: impl Fn(&consensus::Rows, &[usize]) -> Tiers,
) -> Tiers {
    if kept.len() == 1 {
        return vec![kept];
    }
    let table = evidence.generated.as_ref().expect("the rule's needs are met");
    let columns = separating(table, &kept);
    if columns.is_empty() {
        notes.push(Note::TestsSeparateNothing);
        return without_tests(evidence, kept, notes);
    }
    order(&consensus::Rows::new(table, &columns, &kept, evidence), &kept)
}

/// What decides when generated tests do not: agreement, if that tells the candidates apart, or
/// the first scorer, if that does.
fn without_tests(evidence: &Evidence, kept: Vec<usize>, notes: &mut Vec<Note>) -> Tiers {
    if let Some(table) = &evidence.outputs {
        let tiers = by_agreement(table, evidence, &kept);
        if tiers.len() > 1 {
            notes.push(Note::ByAgreement);
            return tiers;
        }
    }
    if let Some(scores) = evidence.scores.first() {
        let tiers = tiers_by(&kept, |index| scores[index]);
        if tiers.len() > 1 {
            notes.push(Note::ByScore);
            return tiers;
        }
    }
    vec![kept]
}

/// An order by outputs; when nobody gives one, a note and no order.
fn by_outputs(
    evidence: &Evidence,
    kept: Vec<usize>,
    notes: &mut Vec<Note>,
    order: impl Fn(&Table<OutputDigest>, &Evidence, &[usize]) -> Tiers,
) -> Tiers {
    let table = evidence.outputs.as_ref().expect("the rule's needs are met");
    if kept.iter().all(|&index| table[index].iter().all(Option::is_none)) {
        notes.push(Note::NoOutput);
        return vec![kept];
    }
    order(table, evidence, &kept)
}

/// How many samples give each output on one input.
fn tally(
    table: &Table<OutputDigest>,
    evidence: &Evidence,
    kept: &[usize],
    input: usize,
) -> BTreeMap<OutputDigest, u64> {
    let mut samples = BTreeMap::new();
    for &index in kept {
        if let Some(output) = table[index][input] {
            *samples.entry(output).or_insert(0) += u64::from(evidence.count(index));
        }
    }
    samples
}

/// MBR-exec: over all inputs, how many samples (itself included) give the same output.
fn by_agreement(table: &Table<OutputDigest>, evidence: &Evidence, kept: &[usize]) -> Tiers {
    let inputs = table.first().map_or(0, Vec::len);
    let tallies: Vec<_> = (0..inputs).map(|input| tally(table, evidence, kept, input)).collect();
    tiers_by(kept, |index| -> u64 {
        let agreeing = table[index].iter().zip(&tallies);
        agreeing.map(|(output, tally)| output.map_or(0, |output| tally[&output])).sum()
    })
}

/// On how many inputs the output is the most frequent one; an input with several most frequent
/// outputs counts for nobody.
fn by_majority(table: &Table<OutputDigest>, evidence: &Evidence, kept: &[usize]) -> Tiers {
    let inputs = table.first().map_or(0, Vec::len);
    let majority: Vec<Option<OutputDigest>> = (0..inputs)
        .map(|input| {
            let tally = tally(table, evidence, kept, input);
            let most = tally.values().max()?;
            let mut first = tally.iter().filter(|(_, samples)| *samples == most);
            let (&output, _) = first.next()?;
            first.next().is_none().then_some(output)
        })
        .collect();
    tiers_by(kept, |index| {
        let pairs = table[index].iter().zip(&majority);
        pairs.filter(|(output, majority)| output.is_some() && output == majority).count()
    })
}

/// AlphaCode: the samples with the same outputs on all inputs.
fn by_cluster(table: &Table<OutputDigest>, evidence: &Evidence, kept: &[usize]) -> Tiers {
    let clusters = Clusters::new(table, evidence, kept);
    tiers_by(kept, |index| clusters.size(index))
}

/// Clusters of candidates with equal outputs on all inputs that anybody answers.
pub(super) struct Clusters {
    rows: BTreeMap<usize, Vec<Option<OutputDigest>>>,
    samples: BTreeMap<Vec<Option<OutputDigest>>, u64>,
}

impl Clusters {
    pub(super) fn new(
        table: &Table<OutputDigest>,
        evidence: &Evidence,
        kept: &[usize],
    ) -> Clusters {
        let answered = answered(table, kept);
        let mut clusters = Clusters { rows: BTreeMap::new(), samples: BTreeMap::new() };
        for &index in kept {
            let row: Vec<_> = answered.iter().map(|&input| table[index][input]).collect();
            *clusters.samples.entry(row.clone()).or_insert(0) += u64::from(evidence.count(index));
            clusters.rows.insert(index, row);
        }
        clusters
    }

    /// The outputs that a candidate shares with its cluster; `None` when it fails on some input,
    /// since failures never agree and it is then alone.
    pub(super) fn of(&self, index: usize) -> Option<&[Option<OutputDigest>]> {
        let row = &self.rows[&index];
        row.iter().all(Option::is_some).then_some(row)
    }

    /// The samples in a candidate's cluster, and its outputs: those who fail on some input are
    /// clusters of one, behind other clusters of one, and who fails on all is in none.
    fn size(&self, index: usize) -> (u64, usize) {
        let row = &self.rows[&index];
        let given = row.iter().flatten().count();
        match self.of(index) {
            Some(row) => (self.samples[row], given),
            None => (u64::from(given > 0), given),
        }
    }
}

/// Splits off the upper part by score, at least `keep_min` samples and `keep_fraction` of them.
///
/// Deviates from R2E-Gym where candidates are equal at the cut (in score, visible and generated
/// tests): theirs keeps those that happen to come first, ours keeps all.
fn upper_part(
    evidence: &Evidence,
    valid: &[usize],
    keep_min: usize,
    keep_fraction: f64,
) -> (Vec<usize>, Tiers) {
    let samples = |tier: &[usize]| tier.iter().map(|&index| u64::from(evidence.count(index))).sum();
    let all: u64 = samples(valid);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a fraction of a small count"
    )]
    let keep = (keep_min as u64).max((keep_fraction * all as f64) as u64);
    let mut tiers = tiers_by(valid, lexicographic(evidence, valid));
    let mut kept = Vec::new();
    while samples(&kept) < keep && !tiers.is_empty() {
        kept.extend(tiers.remove(0));
    }
    kept.sort_unstable();
    (kept, tiers)
}

/// Score, then visible tests, then generated tests.
fn lexicographic(
    evidence: &Evidence,
    valid: &[usize],
) -> impl Fn(usize) -> (Option<Score>, i64, i64) {
    let generated = evidence.generated.as_ref().expect("the rule's needs are met");
    let columns = separating(generated, valid);
    move |index| {
        let visible = evidence.visible.as_ref().map_or(0, |table| net(&table[index]));
        let score = evidence.scores[0][index];
        (score, visible, net(columns.iter().map(|&column| &generated[index][column])))
    }
}

fn by_tests_then_score(
    evidence: &Evidence,
    valid: &[usize],
    kept: &[usize],
    notes: &mut Vec<Note>,
) -> Tiers {
    let key = lexicographic(evidence, valid);
    let tiers = tiers_by(kept, |index| {
        let (score, visible, generated) = key(index);
        (visible, generated, score)
    });
    if let Some(table) = &evidence.visible {
        note_visible(table, tiers[0][0], notes);
    }
    tiers
}

/// Weaver's vote within one problem: each scorer's scores are stretched to `[0, 1]`, those from
/// one half on are votes for, the others votes against; a scorer that scores all alike has no
/// vote, and a missing score is none.
///
/// Deviates in the weights: Weaver fits them across problems without labels; here they are given.
fn by_verifiers(evidence: &Evidence, kept: &[usize], weights: &[f64]) -> Tiers {
    let range = |scores: &Vec<Option<Score>>| {
        let known: BTreeSet<Score> = kept.iter().filter_map(|&index| scores[index]).collect();
        let (low, high) = (f64::from(known.first()?.get()), f64::from(known.last()?.get()));
        (low < high).then_some((low, high))
    };
    let ranges: Vec<Option<(f64, f64)>> = evidence.scores.iter().map(range).collect();
    tiers_by_value(kept, |index| {
        let votes = ranges.iter().enumerate().map(|(scorer, range)| {
            let (Some((low, high)), Some(score)) = (range, evidence.scores[scorer][index]) else {
                return 0.0;
            };
            let weight = weights.get(scorer).copied().unwrap_or(1.0);
            if (f64::from(score.get()) - low) / (high - low) >= 0.5 { weight } else { -weight }
        });
        votes.sum()
    })
}
