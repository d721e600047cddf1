//! The pick among equals: uniform over samples, and a function of what the candidates are.

use std::collections::BTreeMap;

use super::{
    Rule,
    rank::{Clusters, Tiers},
};
use crate::{
    evidence::{Evidence, OutputDigest},
    score::Score,
    seed::{Rng, digest},
};

/// What to submit, best first: one candidate, or for AlphaCode's clusters up to `k`: one of each
/// cluster, largest first, and around again.
pub(super) fn submissions(
    rule: &Rule,
    evidence: &Evidence,
    surviving: &[Vec<usize>],
    seed: u64,
) -> Vec<usize> {
    let mut rng = Rng::new(seed);
    let Rule::AlphacodeClusters { k } = rule else {
        return shuffled(evidence, &surviving[0], &mut rng).into_iter().take(1).collect();
    };
    let table = evidence.outputs.as_ref().expect("the rule's needs are met");
    let clusters = Clusters::new(table, evidence, &surviving.concat());
    let mut seen: BTreeMap<&[Option<OutputDigest>], u32> = BTreeMap::new();
    let tiers: Tiers = surviving.iter().map(|tier| shuffled(evidence, tier, &mut rng)).collect();
    let mut rounds: Vec<(u32, usize)> = Vec::new();
    for index in tiers.concat() {
        let round = clusters.of(index).map_or(0, |cluster| {
            let next = seen.entry(cluster).or_insert(0);
            *next += 1;
            *next - 1
        });
        rounds.push((round, index));
    }
    rounds.sort_by_key(|&(round, _)| round);
    rounds.into_iter().map(|(_, index)| index).take(*k).collect()
}

/// A random order of samples, each candidate at the place of its first sample. It depends on the
/// candidates' evidence and not on their positions, except among those whose evidence is equal.
fn shuffled(evidence: &Evidence, tier: &[usize], rng: &mut Rng) -> Vec<usize> {
    let mut left: Vec<usize> = tier.to_vec();
    left.sort_by_cached_key(|&index| (fingerprint(evidence, index), index));
    let mut order = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let samples = left.iter().map(|&index| u64::from(evidence.count(index))).sum();
        let mut at = rng.below(samples);
        let place = left.iter().position(|&index| {
            let count = u64::from(evidence.count(index));
            let here = at < count;
            at = at.saturating_sub(count);
            here
        });
        order.push(left.remove(place.expect("the draw is below the number of samples")));
    }
    order
}

/// A number for everything that the evidence says of one candidate.
fn fingerprint(evidence: &Evidence, index: usize) -> u64 {
    let bits = |scores: &Vec<Option<Score>>| scores[index].map(|score| score.get().to_bits());
    let everything = (
        evidence.programs[index],
        evidence.visible.as_ref().map(|table| &table[index]),
        evidence.generated.as_ref().map(|table| &table[index]),
        evidence.outputs.as_ref().map(|table| &table[index]),
        evidence.scores.iter().map(bits).collect::<Vec<_>>(),
        evidence.count(index),
    );
    digest(&serde_json::to_vec(&everything).expect("lists of numbers are JSON"))
}
