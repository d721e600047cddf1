//! The draw: pairs in units whose halves cancel what authors and lengths would tell.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, VecDeque},
};

use super::{Caps, Pair, PairOptions, Pool, SourceBalance};
use crate::seed::{Rng, derive};

/// What a pair would tell a scorer that does not read programs: which of two authors wins, and
/// whether the longer program does. `Equal` where it tells nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Class<'a> {
    /// The two authors in the order of their names; empty where authors are not balanced.
    sources: [&'a str; 2],
    /// How the chosen's author stands to the rejected's, by name.
    author: Ordering,
    /// How the chosen's length stands to the rejected's.
    length: Ordering,
}

impl<'a> Class<'a> {
    fn of(pools: &'a [Pool<'_>], pair: Pair, options: &PairOptions) -> Class<'a> {
        let (chosen, rejected) = (pair.chosen(pools), pair.rejected(pools));
        let (a, b) = (chosen.source.as_str(), rejected.source.as_str());
        let (sources, author) = match options.sources {
            SourceBalance::Balanced => ([a.min(b), a.max(b)], a.cmp(b)),
            SourceBalance::Matched | SourceBalance::Any => ([""; 2], Ordering::Equal),
        };
        let length = if options.balance_lengths {
            chosen.program.len().cmp(&rejected.program.len())
        } else {
            Ordering::Equal
        };
        Class { sources, author, length }
    }

    /// The class that tells the contrary; itself where nothing is told.
    fn opposite(&self) -> Class<'a> {
        Class {
            sources: self.sources,
            author: self.author.reverse(),
            length: self.length.reverse(),
        }
    }
}

/// The pairs of a class in the order of their lots.
#[derive(Debug, Default)]
struct Queue {
    far: VecDeque<Pair>,
    near: VecDeque<Pair>,
}

/// Draws units until every class is exhausted: one unit of each class in turn, so that no two
/// authors crowd out others.
pub(super) fn draw(
    pools: &[Pool<'_>],
    available: &[Pair],
    options: &PairOptions,
) -> Vec<Vec<Pair>> {
    let mut queues = queues(pools, available, options);
    let mut rounds: Vec<Class<'_>> =
        queues.keys().filter(|class| **class <= class.opposite()).cloned().collect();
    let mut rng = Rng::new(derive(options.seed, &["classes of pairs"]));
    for last in (1..rounds.len()).rev() {
        let other = rng.below(last as u64 + 1);
        rounds.swap(last, usize::try_from(other).expect("it is at most `last`"));
    }
    let mut drawing = Drawing {
        caps: Caps::new(options),
        units: Vec::new(),
        n_drawn: 0,
        n_near: 0,
        pools,
        options,
    };
    while !rounds.is_empty() {
        rounds.retain(|class| drawing.unit(class, &mut queues));
    }
    drawing.units
}

/// Pairs by class, each in the order of its lot, which depends on the pair alone.
fn queues<'a>(
    pools: &'a [Pool<'_>],
    available: &[Pair],
    options: &PairOptions,
) -> BTreeMap<Class<'a>, Queue> {
    let lot = |pair: &Pair| {
        let indices = [pair.chosen(pools).index, pair.rejected(pools).index].map(|i| i.to_string());
        let pool = &pools[pair.pool];
        let parts = [pool.problem.id.as_str(), pool.language.name(), &indices[0], &indices[1]];
        derive(options.seed, &parts)
    };
    let mut lots: Vec<(u64, Pair)> = available.iter().map(|pair| (lot(pair), *pair)).collect();
    lots.sort_unstable();
    let mut queues: BTreeMap<Class<'_>, Queue> = BTreeMap::new();
    for (_, pair) in lots {
        let queue = queues.entry(Class::of(pools, pair, options)).or_default();
        let is_near =
            options.near_miss.is_some_and(|near| pair.rejected(pools).is_near_miss(near.rate_min));
        if is_near { queue.near.push_back(pair) } else { queue.far.push_back(pair) }
    }
    queues
}

struct Drawing<'a> {
    caps: Caps,
    units: Vec<Vec<Pair>>,
    n_drawn: usize,
    n_near: usize,
    pools: &'a [Pool<'a>],
    options: &'a PairOptions,
}

impl Drawing<'_> {
    /// Draws one unit: a pair that tells nothing, or two that tell the contrary. Says whether
    /// there was one.
    fn unit<'c>(&mut self, class: &Class<'c>, queues: &mut BTreeMap<Class<'c>, Queue>) -> bool {
        let opposite = class.opposite();
        let n_pairs = if *class == opposite { 1 } else { 2 };
        if self.n_drawn + n_pairs > self.options.pairs_max {
            return false;
        }
        let Some(first) = self.next(queues.get_mut(class)) else { return false };
        let mut unit = vec![first];
        if n_pairs == 2 {
            let Some(second) = self.next(queues.get_mut(&opposite)) else {
                self.give_back(first);
                return false;
            };
            unit.push(second);
        }
        self.add(unit);
        true
    }

    /// The next pair of a queue with room under the caps; the room is taken. Pairs without room
    /// never get any again, or their class ends with this unit.
    fn next(&mut self, queue: Option<&mut Queue>) -> Option<Pair> {
        let queue = queue?;
        let share = self.options.near_miss.map_or(0.0, |near| near.share);
        let wants_near = (self.n_near as f64) < share * (self.n_drawn + 1) as f64;
        let (first, second) = if wants_near {
            (&mut queue.near, &mut queue.far)
        } else {
            (&mut queue.far, &mut queue.near)
        };
        for queue in [first, second] {
            while let Some(pair) = queue.pop_front() {
                let places = [(pair.pool, pair.chosen), (pair.pool, pair.rejected)];
                if self.caps.take(pair.pool, places) {
                    return Some(pair);
                }
            }
        }
        None
    }

    fn give_back(&mut self, pair: Pair) {
        self.caps.give_back(pair.pool, [(pair.pool, pair.chosen), (pair.pool, pair.rejected)]);
    }

    fn add(&mut self, unit: Vec<Pair>) {
        let rate_min = self.options.near_miss.map(|near| near.rate_min);
        let is_near = |pair: &&Pair| {
            rate_min.is_some_and(|rate_min| pair.rejected(self.pools).is_near_miss(rate_min))
        };
        self.n_near += unit.iter().filter(is_near).count();
        self.n_drawn += unit.len();
        self.units.push(unit);
    }
}
