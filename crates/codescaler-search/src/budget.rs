//! What a search may spend, and what it spent.

use std::{fmt, ops::AddAssign};

use serde::{Deserialize, Serialize};

/// What something cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cost {
    /// Samples of language models.
    pub samples: u64,
    /// Of these, those that are to be programs: found from what was asked, and so not kept.
    #[serde(skip)]
    pub programs: u64,
    /// Tokens that language models read.
    pub tokens_in: u64,
    /// Tokens that language models wrote.
    pub tokens_out: u64,
    /// Programs run, each on all cases of one kind.
    pub executions: u64,
    /// Programs scored by the reward model.
    pub scores: u64,
    /// CPU time of the programs that were run, milliseconds.
    pub cpu_ms: f64,
    /// Money, in US dollars.
    pub usd: f64,
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Cost) {
        self.samples += other.samples;
        self.programs += other.programs;
        self.tokens_in += other.tokens_in;
        self.tokens_out += other.tokens_out;
        self.executions += other.executions;
        self.scores += other.scores;
        self.cpu_ms += other.cpu_ms;
        self.usd += other.usd;
    }
}

impl Cost {
    /// The same, where samples are to be programs, or are not.
    pub(crate) fn with_programs(self, are_programs: bool) -> Cost {
        Cost { programs: if are_programs { self.samples } else { 0 }, ..self }
    }

    /// How much of a resource; time by the clock is nobody's cost.
    fn of(&self, resource: Resource) -> f64 {
        match resource {
            Resource::Samples => self.samples as f64,
            Resource::Programs => self.programs as f64,
            Resource::TokensIn => self.tokens_in as f64,
            Resource::TokensOut => self.tokens_out as f64,
            Resource::Executions => self.executions as f64,
            Resource::CpuTime => self.cpu_ms,
            Resource::Money => self.usd,
            Resource::WallTime => 0.0,
        }
    }
}

/// Bounds of a [`Cost`]; `None` is no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Budget {
    /// Samples of language models.
    pub samples_max: Option<u64>,
    /// Samples that are to be programs; what test writers and judges answer are none.
    pub programs_max: Option<u64>,
    /// Tokens that language models read.
    pub tokens_in_max: Option<u64>,
    /// Tokens that language models write.
    pub tokens_out_max: Option<u64>,
    /// Programs run.
    pub executions_max: Option<u64>,
    /// CPU time of programs, milliseconds.
    pub cpu_ms_max: Option<u64>,
    /// Money, in US dollars.
    pub usd_max: Option<f64>,
}

impl Budget {
    fn max(&self, resource: Resource) -> Option<f64> {
        let whole = |number: Option<u64>| number.map(|number| number as f64);
        match resource {
            Resource::Samples => whole(self.samples_max),
            Resource::Programs => whole(self.programs_max),
            Resource::TokensIn => whole(self.tokens_in_max),
            Resource::TokensOut => whole(self.tokens_out_max),
            Resource::Executions => whole(self.executions_max),
            Resource::CpuTime => whole(self.cpu_ms_max),
            Resource::Money => self.usd_max,
            Resource::WallTime => None,
        }
    }
}

/// What a budget bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// Samples of language models.
    Samples,
    /// Samples that are to be programs.
    Programs,
    /// Tokens that language models read.
    TokensIn,
    /// Tokens that language models write.
    TokensOut,
    /// Programs run.
    Executions,
    /// CPU time of programs.
    CpuTime,
    /// Money.
    Money,
    /// Time by the clock.
    WallTime,
}

impl Resource {
    const BOUNDED: [Resource; 7] = [
        Resource::Samples,
        Resource::Programs,
        Resource::TokensIn,
        Resource::TokensOut,
        Resource::Executions,
        Resource::CpuTime,
        Resource::Money,
    ];
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Resource::Samples => "samples",
            Resource::Programs => "samples that are programs",
            Resource::TokensIn => "tokens read",
            Resource::TokensOut => "tokens written",
            Resource::Executions => "executions",
            Resource::CpuTime => "CPU time",
            Resource::Money => "money",
            Resource::WallTime => "time",
        })
    }
}

/// Whether something can be paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Credit {
    /// Now.
    Granted,
    /// Perhaps, when what is reserved has turned out cheaper.
    Later,
    /// Never.
    Refused(Resource),
}

/// A budget with what is spent of it and what is reserved: whoever wants to spend reserves the
/// most that it can cost, and commits what it did cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ledger {
    budget: Budget,
    spent: Cost,
    reserved: Cost,
}

impl Ledger {
    /// Nothing is spent yet.
    pub(crate) fn new(budget: Budget) -> Ledger {
        Ledger { budget, ..Ledger::default() }
    }

    /// What was spent.
    pub(crate) fn spent(&self) -> Cost {
        self.spent
    }

    /// Adds what was spent without asking: by an earlier process of the same search.
    pub(crate) fn add(&mut self, cost: Cost) {
        self.spent += cost;
    }

    /// Whether `most` fits beside what is spent and reserved.
    pub(crate) fn credit(&self, most: Cost) -> Credit {
        let mut credit = Credit::Granted;
        for resource in Resource::BOUNDED {
            let wanted = most.of(resource);
            let Some(bound) = self.budget.max(resource) else { continue };
            if wanted == 0.0 {
                continue;
            }
            if self.spent.of(resource) + wanted > bound {
                return Credit::Refused(resource);
            }
            if self.spent.of(resource) + self.reserved.of(resource) + wanted > bound {
                credit = Credit::Later;
            }
        }
        credit
    }

    pub(crate) fn reserve(&mut self, most: Cost) {
        self.reserved += most;
    }

    /// What was reserved as `most` did cost `cost`.
    pub(crate) fn commit(&mut self, most: Cost, cost: Cost) {
        self.reserved.samples -= most.samples;
        self.reserved.programs -= most.programs;
        self.reserved.tokens_in -= most.tokens_in;
        self.reserved.tokens_out -= most.tokens_out;
        self.reserved.executions -= most.executions;
        self.reserved.scores -= most.scores;
        // Sums of fractions need not come back to zero exactly; below it they must not go.
        self.reserved.cpu_ms = (self.reserved.cpu_ms - most.cpu_ms).max(0.0);
        self.reserved.usd = (self.reserved.usd - most.usd).max(0.0);
        self.spent += cost;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_is_not_spent_yet() {
        let samples = |samples| Cost { samples, ..Cost::default() };
        let mut ledger = Ledger::new(Budget { samples_max: Some(3), ..Budget::default() });
        assert_eq!(ledger.credit(samples(3)), Credit::Granted);
        ledger.reserve(samples(2));
        assert_eq!(ledger.credit(samples(1)), Credit::Granted);
        assert_eq!(ledger.credit(samples(2)), Credit::Later);
        ledger.commit(samples(2), samples(1));
        assert_eq!(ledger.credit(samples(2)), Credit::Granted);
        assert_eq!(ledger.credit(samples(3)), Credit::Refused(Resource::Samples));
        // What it does not cost cannot be refused.
        ledger.add(samples(2));
        assert_eq!(ledger.credit(Cost { executions: 9, ..Cost::default() }), Credit::Granted);
        assert_eq!(ledger.credit(samples(1)), Credit::Refused(Resource::Samples));
    }
}
