//! The compute-optimal router: how hard a problem is decides by which method, with how many
//! samples, it is solved (Snell et al., arXiv:2408.03314, section 3.2; Liu et al.,
//! arXiv:2502.06703).
//!
//! The papers bin problems by the share of right answers among 2,048 samples, or by what a
//! verifier thinks of those; here a few samples tell, which the method then goes on with. Which
//! method serves which bin is learnt on recorded programs (`codescaler eval router`).

use codescaler::reasoning::failed_steps;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{
    Method, Slot,
    pool::{
        Count, InputSource, Outcome, Temperature, clusters, count, made_inputs, outputs,
        program_of, replies, rows, sampling, verdicts,
    },
};
use crate::ask::{Ask, Asked, Cases, Reply, all};

/// The router.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Route {
    /// Samples that tell how hard a problem is. A method that asks for samples of the same
    /// temperature and length goes on with them.
    pub probe: Count,
    /// Temperature of those.
    pub temperature: Temperature,
    /// Tokens of those.
    pub tokens_max: Count,
    /// Who solves what.
    pub table: Table,
}

/// Which method solves problems of which difficulty: a file that `codescaler eval router` writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// What tells how easy a problem is.
    pub feature: Feature,
    /// Solves the hardest problems, and those of which nobody can tell.
    pub hardest: Named,
    /// Who solves easier ones.
    #[serde(default)]
    pub easier: Vec<Bin>,
    /// How it was learnt, for people.
    #[serde(default, skip_serializing)]
    pub learnt: Json,
}

/// Problems from one ease on, to the next bin's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bin {
    /// The least ease.
    pub from: f64,
    /// Solves them.
    pub method: Named,
}

/// What tells how easy a problem is; higher is easier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    /// The share of the probe that passes all visible tests.
    Passing,
    /// The mean probability of being right, as the reward model gives it.
    Score,
    /// The share of the probe that behaves as most of it does, on changed visible inputs.
    Agreement,
    /// One minus the mean failed-step fraction of the reasoning.
    Steps,
}

/// A method as it is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Named {
    text: String,
    method: Box<Method>,
}

impl Named {
    /// A method that there is.
    pub(super) fn of(text: &str) -> Named {
        Named::try_from(text.to_owned()).expect("it is a method")
    }

    pub(super) fn solve(&self, ask: &mut Ask<'_>) -> Asked<Outcome> {
        self.method.solve(ask)
    }

    /// The method itself.
    pub(super) fn method(&self) -> &Method {
        &self.method
    }
}

impl TryFrom<String> for Named {
    type Error = String;

    fn try_from(text: String) -> Result<Named, String> {
        let method = text.parse::<Method>().map_err(|error| error.to_string())?;
        Ok(Named { text, method: Box::new(method) })
    }
}

impl From<Named> for String {
    fn from(named: Named) -> String {
        named.text
    }
}

impl Default for Route {
    fn default() -> Route {
        Route {
            probe: count(4),
            temperature: Temperature::of(0.6),
            tokens_max: count(4096),
            table: Table::default(),
        }
    }
}

impl Default for Table {
    fn default() -> Table {
        serde_json::from_str(include_str!("route.json")).expect("the table in the box is one")
    }
}

impl Route {
    /// The methods of its table.
    pub(super) fn inner(&self) -> Vec<&Method> {
        let named = self.table.easier.iter().map(|bin| &bin.method).chain([&self.table.hardest]);
        named.map(Named::method).collect()
    }

    /// A router that finds out how easy problems are, and solves them by their first sample.
    pub fn probing(feature: Feature, probe: Count) -> Route {
        let hardest = Named::of("sample");
        let table = Table { feature, hardest, easier: Vec::new(), learnt: Json::Null };
        Route { probe, table, ..Route::default() }
    }

    pub(super) fn solve(&self, ask: &mut Ask<'_>) -> Asked<Outcome> {
        let ease = self.ease(ask)?;
        let reached = |bin: &&Bin| ease.is_some_and(|ease| ease >= bin.from);
        let bins = self.table.easier.iter().filter(reached);
        let bin = bins.max_by(|a, b| a.from.total_cmp(&b.from));
        let method = bin.map_or(&self.table.hardest, |bin| &bin.method);
        let outcome = method.solve(ask)?;
        let said = ease.map_or_else(|| "unknown".to_owned(), |ease| format!("{ease:.2}"));
        Ok(Outcome { ease, ..outcome }.with_note(format!("ease {said}: {}", method.text)))
    }

    /// How easy the problem is; `None` where nothing tells.
    fn ease(&self, ask: &mut Ask<'_>) -> Asked<Option<f64>> {
        let sampling = sampling(self.temperature, self.tokens_max);
        let replies = replies(ask, self.probe.get(), sampling)?;
        let of = |reply: &Option<_>| reply.as_deref().and_then(|reply| program_of(ask, reply));
        let probe: Vec<Slot> = replies.iter().map(of).collect();
        Ok(match self.table.feature {
            Feature::Passing => {
                let table = verdicts(&rows(ask, &probe, Cases::Visible)?);
                let all_pass = |row: &Vec<Option<bool>>| row.iter().all(|cell| *cell == Some(true));
                let is_tested = table.first().is_some_and(|row| !row.is_empty());
                let passing = table.iter().map(|row| if all_pass(row) { 1.0 } else { 0.0 });
                if is_tested { mean(passing) } else { None }
            }
            Feature::Score => {
                let scores = all(probe.iter().flatten().map(|&program| ask.score(program)))?;
                let chance =
                    |score: codescaler::score::Score| 1.0 / (1.0 + f64::from(-score.get()).exp());
                mean(scores.into_iter().flatten().map(chance))
            }
            Feature::Agreement => {
                let inputs = made_inputs(ask, InputSource::Mutated, 20, sampling)?;
                let Some(inputs) = inputs else { return Ok(None) };
                let table = outputs(&rows(ask, &probe, Cases::Inputs(inputs))?);
                let valid: Vec<usize> =
                    (0..probe.len()).filter(|&at| probe[at].is_some()).collect();
                let largest = clusters(&table, &valid).first().map_or(0, Vec::len);
                Some(largest as f64 / f64::from(self.probe.get()))
            }
            Feature::Steps => {
                let steps =
                    |reply: &Reply| failed_steps(reply.reasoning.as_deref().unwrap_or(&reply.text));
                let failed = replies.iter().flatten().filter_map(|reply| steps(reply));
                mean(failed).map(|failed| 1.0 - failed)
            }
        })
    }
}

/// The mean, in an order of its own; `None` of nothing.
fn mean(numbers: impl Iterator<Item = f64>) -> Option<f64> {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    (!numbers.is_empty()).then(|| numbers.iter().sum::<f64>() / numbers.len() as f64)
}

/// What a strategy came to in a bin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tried {
    /// Probability of a right program.
    pub accuracy: f64,
    /// Cost of a problem.
    pub cost: f64,
}

/// The strategy of each bin with which the mean accuracy is highest at a mean cost of at most
/// `cost_max`, and of those the cheapest; `None` where even the cheapest ones cost more.
///
/// `bins[b]` holds the share of problems in bin `b` and what each strategy came to there. Every
/// combination that another one beats in both is dropped as bins are added, so that the result is
/// exact.
pub fn assign(bins: &[(f64, Vec<Tried>)], cost_max: f64) -> Option<Vec<usize>> {
    struct Partial {
        accuracy: f64,
        cost: f64,
        chosen: Vec<usize>,
    }
    let mut front = vec![Partial { accuracy: 0.0, cost: 0.0, chosen: Vec::new() }];
    for (share, strategies) in bins {
        let mut longer: Vec<Partial> = Vec::new();
        for partial in &front {
            for (at, strategy) in strategies.iter().enumerate() {
                let cost = partial.cost + share * strategy.cost;
                if cost <= cost_max + 1e-9 {
                    let mut chosen = partial.chosen.clone();
                    chosen.push(at);
                    let accuracy = partial.accuracy + share * strategy.accuracy;
                    longer.push(Partial { accuracy, cost, chosen });
                }
            }
        }
        longer.sort_by(|a, b| a.cost.total_cmp(&b.cost).then(b.accuracy.total_cmp(&a.accuracy)));
        let mut best = f64::NEG_INFINITY;
        longer.retain(|partial| {
            // A difference in the last place is worth no cost.
            let is_better = partial.accuracy > best + 1e-12;
            if is_better {
                best = partial.accuracy;
            }
            is_better
        });
        front = longer;
    }
    front.pop().map(|partial| partial.chosen)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every combination, counted out: the highest accuracy that the cost allows.
    fn best(bins: &[(f64, Vec<Tried>)], left: f64) -> Option<f64> {
        let Some(((share, strategies), rest)) = bins.split_last() else {
            return (left >= -1e-9).then_some(0.0);
        };
        let with = |strategy: &Tried| {
            Some(share * strategy.accuracy + best(rest, left - share * strategy.cost)?)
        };
        strategies.iter().filter_map(with).reduce(f64::max)
    }

    proptest! {
        #[test]
        fn no_assignment_is_better(
            bins in proptest::collection::vec(
                (0.1_f64..1.0, proptest::collection::vec((0.0_f64..1.0, 0.0_f64..9.0), 1..5)),
                1..5,
            ),
            cost_max in 0.0_f64..12.0,
        ) {
            let strategy = |&(accuracy, cost): &(f64, f64)| Tried { accuracy, cost };
            let bins: Vec<(f64, Vec<Tried>)> = bins
                .iter()
                .map(|(share, strategies)| (*share, strategies.iter().map(strategy).collect()))
                .collect();
            let total = |chosen: &[usize], of: fn(&Tried) -> f64| -> f64 {
                bins.iter().zip(chosen).map(|((share, all), &at)| share * of(&all[at])).sum()
            };
            match (assign(&bins, cost_max), best(&bins, cost_max)) {
                (Some(chosen), Some(accuracy)) => {
                    prop_assert!((total(&chosen, |s| s.accuracy) - accuracy).abs() < 1e-9);
                    prop_assert!(total(&chosen, |s| s.cost) <= cost_max + 1e-6);
                }
                (found, expected) => prop_assert_eq!(found.is_some(), expected.is_some()),
            }
        }
    }
}
