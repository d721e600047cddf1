//! What was measured, as a table and as JSON.

use serde_json::{Value as Json, json};

use super::{
    load::{Item, Kind, Load},
    side::{Sample, Side},
    spread::Spread,
};
use crate::table::table;

/// A load and what each side took for it.
pub(super) struct Measured {
    kind: Kind,
    n_items: usize,
    n_tests: usize,
    pub(super) rows: Vec<Row>,
}

/// What a side took, round by round.
pub(super) struct Row {
    pub(super) side: Side,
    /// CPU time of starting and ending alone, measured before each sample.
    pub(super) idle_cpu_s: Vec<f64>,
    pub(super) samples: Vec<Sample>,
}

/// The smallest value that a share of all does not pass.
fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of the number of values is a number of values"
    )]
    let idx = (share * values.len() as f64).ceil() as usize;
    Some(values[idx.saturating_sub(1).min(last)])
}

impl Row {
    pub(super) fn new(side: Side) -> Row {
        Row { side, idle_cpu_s: Vec::new(), samples: Vec::new() }
    }

    fn rate(&self, n: usize) -> Spread {
        Spread::of(self.samples.iter().map(|sample| n as f64 / sample.wall_s))
    }

    fn cpu_ms(&self, n: usize) -> Spread {
        let idle_s = Spread::of(self.idle_cpu_s.iter().copied()).median;
        let ms = |sample: &Sample| (sample.cpu_s - idle_s) * 1e3 / n as f64;
        Spread::of(self.samples.iter().map(ms))
    }

    fn each_ms(&self, share: f64) -> Option<f64> {
        let all: Vec<f64> =
            self.samples.iter().flat_map(|sample| &sample.each_ms).copied().collect();
        quantile(&all, share)
    }

    /// Items that did not pass in some round, and faults of ours.
    fn trouble(&self, n_items: usize) -> (usize, usize) {
        let faults = self.samples.iter().map(|sample| sample.n_faults).max().unwrap_or(0);
        let passed = self.samples.iter().map(|sample| sample.n_passed).min().unwrap_or(0);
        (n_items - passed.min(n_items), faults)
    }
}

impl Measured {
    pub(super) fn new(load: &Load, rows: Vec<Row>) -> Measured {
        let n_tests = load.items.iter().map(|item: &Item| item.tests.len()).sum();
        Measured { kind: load.kind, n_items: load.items.len(), n_tests, rows }
    }

    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Candidates => "candidates as given, each up to its first failure",
            Kind::References => "reference solutions",
            Kind::Calls => "reference solutions whose tests are calls with JSON values",
            Kind::Trivial => "functions that return what they get",
            Kind::OneByOne => "the same, one at a time",
            Kind::Stdio => "programs that read a number and print its double",
            Kind::Compiled => "the same in C, compiled before",
        }
    }

    /// How many times as fast as a side the sandbox was, in the same round.
    fn times(&self, row: &Row) -> Option<Spread> {
        let sandbox = self.rows.iter().find(|row| row.side == Side::Sandbox)?;
        let pairs = sandbox.samples.iter().zip(&row.samples);
        (row.side != Side::Sandbox).then(|| Spread::of(pairs.map(|(a, b)| b.wall_s / a.wall_s)))
    }

    pub(super) fn show(&self) -> String {
        let optional = |value: Option<String>| value.unwrap_or_else(|| "–".to_owned());
        let rows = self.rows.iter().map(|row| {
            let (not_passed, faults) = row.trouble(self.n_items);
            let ms = |share| optional(row.each_ms(share).map(|ms| format!("{ms:.2}")));
            vec![
                row.side.name().to_owned(),
                row.rate(self.n_items).show(1),
                format!("{:.0}", row.rate(self.n_tests).median),
                row.cpu_ms(self.n_items).show(2),
                ms(0.5),
                ms(0.99),
                optional(self.times(row).map(|times| times.show(2))),
                not_passed.to_string(),
                faults.to_string(),
            ]
        });
        let head = [
            "",
            "programs/s",
            "tests/s",
            "CPU, ms each",
            "p50, ms",
            "p99, ms",
            "sandbox is × as fast",
            "not passed",
            "faults",
        ];
        let rows: Vec<Vec<String>> = rows.collect();
        format!(
            "{}: {} programs, {} tests\n{}",
            self.name(),
            self.n_items,
            self.n_tests,
            table(&head, &rows)
        )
    }

    pub(super) fn summary(&self) -> Json {
        let row = |row: &Row| {
            let (not_passed, faults) = row.trouble(self.n_items);
            json!({
                "side": row.side.name(),
                "programs_per_s": row.rate(self.n_items).summary(),
                "tests_per_s": row.rate(self.n_tests).summary(),
                "cpu_ms_per_program": row.cpu_ms(self.n_items).summary(),
                "p50_ms": row.each_ms(0.5), "p99_ms": row.each_ms(0.99),
                "sandbox_times_as_fast": self.times(row).map(Spread::summary),
                "not_passed": not_passed, "faults": faults,
            })
        };
        json!({
            "load": self.name(), "programs": self.n_items, "tests": self.n_tests,
            "sides": self.rows.iter().map(row).collect::<Vec<_>>(),
        })
    }

    /// Every round as it was measured.
    pub(super) fn rounds(&self) -> Json {
        let sides = self.rows.iter().map(|row| {
            let wall_s: Vec<f64> = row.samples.iter().map(|sample| sample.wall_s).collect();
            let cpu_s: Vec<f64> = row.samples.iter().map(|sample| sample.cpu_s).collect();
            json!({
                "side": row.side.name(), "idle_cpu_s": row.idle_cpu_s, "wall_s": wall_s,
                "cpu_s": cpu_s,
            })
        });
        json!({"load": self.name(), "sides": sides.collect::<Vec<_>>()})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles() {
        let hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(quantile(&hundred, 0.5), Some(50.0));
        assert_eq!(quantile(&hundred, 0.99), Some(99.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn the_start_is_no_work() {
        let sample = |wall_s, cpu_s| Sample { wall_s, cpu_s, n_passed: 10, ..Sample::default() };
        let mut sandbox = Row::new(Side::Sandbox);
        let mut bare = Row::new(Side::BareFork);
        for (ours, theirs) in [(1.0, 2.0), (2.0, 1.0)] {
            sandbox.idle_cpu_s.push(0.5);
            sandbox.samples.push(sample(ours, 0.5 + ours));
            bare.idle_cpu_s.push(0.25);
            bare.samples.push(sample(theirs, 0.25 + theirs));
        }
        let measured =
            Measured { kind: Kind::Trivial, n_items: 10, n_tests: 10, rows: vec![sandbox, bare] };
        let [sandbox, bare] = measured.rows.as_slice() else { panic!("two sides") };
        assert_eq!(sandbox.cpu_ms(10), Spread { median: 150.0, min: 100.0, max: 200.0 });
        assert_eq!(measured.times(sandbox), None);
        assert_eq!(measured.times(bare), Some(Spread { median: 1.25, min: 0.5, max: 2.0 }));
    }
}
