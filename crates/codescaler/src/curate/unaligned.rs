//! Unaligned pairs: the rejected program is right, for another problem.

use std::collections::{BTreeMap, BTreeSet};

use super::{Caps, Overlap, Pair, PairOptions, Pool, SourceBalance, UNALIGNED, Verified, side};
use crate::{
    language::Language,
    preference::Preference,
    problem::{Entry, Problem},
    record::Extra,
    seed::{Rng, derive},
};

/// How many programs are tried for one pair before it is given up.
const TRIES: u32 = 64;

/// Problems whose statements share more than this are no strangers: a program for one may solve the
/// other.
const STRANGERS_OVERLAP_MAX: f64 = 0.3;

/// Words of one n-gram in that comparison.
const STRANGERS_NGRAM: usize = 8;

/// What two programs have in common before one is taken for the other's problem: the language, how
/// they are called, and who wrote them (where authors are balanced).
type Likeness<'a> = (Language, &'static str, &'a str);

/// Draws unaligned pairs: the chosen program of an aligned pair against a right program of a
/// problem that has nothing to do with it, by the same author (where authors are balanced),
/// longer in half of the pairs (where lengths are), called by the name that the problem asks for.
/// So neither author, length nor name tells; only reading the problem does. With each pair stands
/// the pool of its problem.
pub(super) fn draw(
    pools: &[Pool<'_>],
    aligned: &[Pair],
    options: &PairOptions,
) -> Vec<(usize, Preference)> {
    let n_wanted = (options.unaligned_share * aligned.len() as f64).round() as usize;
    let mut strangers = Strangers::of(pools, options);
    let mut lots: Vec<(u64, Pair)> =
        aligned.iter().map(|pair| (lot(pools, *pair, options), *pair)).collect();
    lots.sort_unstable();
    let mut caps = Caps::new(options);
    let mut taken = BTreeSet::new();
    let (mut drawn, mut n_longer, mut n_shorter) = (Vec::new(), 0_usize, 0_usize);
    for (lot, pair) in lots {
        if drawn.len() >= n_wanted {
            break;
        }
        let chosen = pair.chosen(pools);
        if !chosen.right {
            continue;
        }
        let mut rng = Rng::new(lot);
        let wanted = (n_longer != n_shorter).then_some(n_longer < n_shorter);
        let fits = |text: &str| {
            let is_longer = chosen.program.len() > text.len();
            let is_equal = chosen.program.len() == text.len();
            !options.balance_lengths || is_equal || wanted.is_none_or(|wanted| wanted == is_longer)
        };
        for _ in 0..TRIES {
            let Some((pool, place)) = strangers.draw(pair.pool, chosen, &mut rng) else { break };
            let other = &pools[pool].programs[place];
            let text = called_for(&other.program, pools[pool].problem, pools[pair.pool].problem);
            let places = [(pair.pool, pair.chosen), (pool, place)];
            if !taken.contains(&places) && fits(&text) && caps.take(pair.pool, places) {
                taken.insert(places);
                n_longer += usize::from(chosen.program.len() > text.len());
                n_shorter += usize::from(chosen.program.len() < text.len());
                let rejected = (pools[pool].problem, other, text);
                drawn.push((pair.pool, preference(&pools[pair.pool], chosen, rejected)));
                break;
            }
        }
    }
    drawn
}

fn lot(pools: &[Pool<'_>], pair: Pair, options: &PairOptions) -> u64 {
    let indices = [pair.chosen(pools).index, pair.rejected(pools).index].map(|i| i.to_string());
    let pool = &pools[pair.pool];
    let parts = [UNALIGNED, &pool.problem.id, pool.language.name(), &indices[0], &indices[1]];
    derive(options.seed, &parts)
}

fn preference(
    pool: &Pool<'_>,
    chosen: &Verified,
    (problem, other, text): (&Problem, &Verified, String),
) -> Preference {
    let mut rejected = side(problem, other);
    rejected.program = text;
    rejected.rate = None; // Of the tests of a problem that it was not written for.
    Preference {
        problem: pool.problem.id.clone(),
        chosen: side(pool.problem, chosen),
        rejected,
        language: pool.language,
        margin: None,
        rule: UNALIGNED.to_owned(),
        unit: None,
        extra: Extra::new(),
    }
}

/// Right programs to be taken for other problems.
struct Strangers<'a> {
    pools: &'a [Pool<'a>],
    by_author: bool,
    /// Places of right programs (pool, place), by likeness.
    right: BTreeMap<Likeness<'a>, Vec<(usize, usize)>>,
    /// Digests of each pool's right programs.
    digests: Vec<BTreeSet<u64>>,
    /// Whether two pools are strangers, as far as asked.
    known: BTreeMap<(usize, usize), bool>,
}

impl<'a> Strangers<'a> {
    fn of(pools: &'a [Pool<'_>], options: &PairOptions) -> Strangers<'a> {
        let by_author = options.sources == SourceBalance::Balanced;
        let mut strangers = Strangers {
            pools,
            by_author,
            right: BTreeMap::new(),
            digests: Vec::new(),
            known: BTreeMap::new(),
        };
        for (at, pool) in pools.iter().enumerate() {
            let right = pool.programs.iter().enumerate().filter(|(_, program)| program.right);
            strangers.digests.push(right.clone().map(|(_, program)| program.digest).collect());
            for (place, program) in right {
                let likeness = strangers.likeness(at, &program.source);
                strangers.right.entry(likeness).or_default().push((at, place));
            }
        }
        strangers
    }

    fn likeness(&self, pool: usize, source: &'a str) -> Likeness<'a> {
        let pool = &self.pools[pool];
        let entry = match pool.problem.entry {
            Entry::Stdio => "stdio",
            Entry::Function { .. } => "function",
            Entry::Method { .. } => "method",
            Entry::Script => "script",
        };
        (pool.language, entry, if self.by_author { source } else { "" })
    }

    /// A right program of a problem that is a stranger to the chosen's, unless this try hits none.
    fn draw(&mut self, of: usize, chosen: &'a Verified, rng: &mut Rng) -> Option<(usize, usize)> {
        let right = self.right.get(&self.likeness(of, &chosen.source))?;
        for _ in 0..TRIES {
            let drawn = rng.below(right.len() as u64);
            let (pool, place) = right[usize::try_from(drawn).expect("it is a place")];
            let digest = self.pools[pool].programs[place].digest;
            let pools = self.pools;
            let is_stranger = pool != of
                && !self.digests[of].contains(&digest)
                && *self
                    .known
                    .entry((of.min(pool), of.max(pool)))
                    .or_insert_with(|| are_strangers(pools[of].problem, pools[pool].problem));
            if is_stranger {
                return Some((pool, place));
            }
        }
        None
    }
}

/// Whether two problems have nothing to do with each other, as far as their statements tell.
pub fn are_strangers(a: &Problem, b: &Problem) -> bool {
    let mut overlap = Overlap::new(STRANGERS_NGRAM);
    overlap.add(&a.id, &a.statement);
    a.id != b.id
        && overlap.most(&b.statement).is_none_or(|(share, _)| share <= STRANGERS_OVERLAP_MAX)
}

/// A program for the problem `from`, called by the name that `to` asks for: nothing but its content
/// shows that it is for another problem.
pub fn called_for(program: &str, from: &Problem, to: &Problem) -> String {
    let (Entry::Function { name: from } | Entry::Method { name: from, .. }) = &from.entry else {
        return program.to_owned();
    };
    let (Entry::Function { name: to } | Entry::Method { name: to, .. }) = &to.entry else {
        return program.to_owned();
    };
    let mut made = String::with_capacity(program.len());
    let mut rest = program;
    let is_part = |c: char| c == '_' || c.is_alphanumeric();
    while let Some(at) = rest.find(is_part) {
        made.push_str(&rest[..at]);
        let word = &rest[at..];
        let word = &word[..word.find(|c| !is_part(c)).unwrap_or(word.len())];
        made.push_str(if word == from { to } else { word });
        rest = &rest[at + word.len()..];
    }
    made + rest
}
