//! Dual agreement: candidates that agree on tests, and tests that they agree on.

use std::collections::BTreeMap;

use super::rank::{Tiers, net, tiers_by_value};
use crate::evidence::{Evidence, Table};

/// Candidates grouped by their row of verdicts. A row with a missing cell is another row than
/// one with a pass or a fail there: we do not know that they agree.
pub(super) struct Rows {
    groups: Vec<Group>,
    group_of: BTreeMap<usize, usize>,
}

struct Group {
    row: Vec<Option<bool>>,
    /// How many samples have this row.
    samples: u64,
}

impl Group {
    fn count(&self, verdict: bool) -> u64 {
        self.row.iter().map(|&cell| u64::from(cell == Some(verdict))).sum()
    }
}

impl Rows {
    /// Groups `kept` by their verdicts on `columns`.
    pub(super) fn new(
        table: &Table<bool>,
        columns: &[usize],
        kept: &[usize],
        evidence: &Evidence,
    ) -> Rows {
        let mut members: BTreeMap<Vec<Option<bool>>, Vec<usize>> = BTreeMap::new();
        for &index in kept {
            let row = columns.iter().map(|&column| table[index][column]).collect();
            members.entry(row).or_default().push(index);
        }
        let mut rows = Rows { groups: Vec::new(), group_of: BTreeMap::new() };
        for (row, members) in members {
            let samples = members.iter().map(|&index| u64::from(evidence.count(index))).sum();
            rows.group_of.extend(members.into_iter().map(|index| (index, rows.groups.len())));
            rows.groups.push(Group { row, samples });
        }
        rows
    }

    fn group(&self, index: usize) -> &Group {
        &self.groups[self.group_of[&index]]
    }

    /// Passes less fails of a candidate; a missing cell is neither.
    pub(super) fn net(&self, index: usize) -> i64 {
        net(&self.group(index).row)
    }

    /// How many samples have the candidate's row.
    pub(super) fn sharing(&self, index: usize) -> u64 {
        self.group(index).samples
    }

    /// CodeT's score of a candidate's group, as a logarithm: `a ln |S| + b ln |T|`, minus infinity
    /// for a group that passes nothing.
    pub(super) fn codet(&self, index: usize, a: f64, b: f64) -> f64 {
        let group = self.group(index);
        match group.count(true) {
            0 => f64::NEG_INFINITY,
            passed => a * float(group.samples).ln() + b * float(passed).ln(),
        }
    }

    /// B4's order: by the posterior of a group being exactly the right programs, and the tests it
    /// passes exactly the right tests.
    pub(super) fn b4(&self, kept: &[usize], axy: f64, b0: f64) -> Tiers {
        let posteriors: Vec<f64> =
            self.groups.iter().map(|group| self.b4_posterior(group, axy, b0)).collect();
        tiers_by_value(kept, |index| posteriors[self.group_of[&index]])
    }

    /// The logarithm of the posterior, as in B4's released code, the sum of
    /// `ln B(n_x + axy, N − n_x + 1)`, `ln B(n_y + axy, M − n_y + 1)`,
    /// `ln B(n_1 + 1, t_1 − n_1 + 1)` and `ln B(n_0 + 1, t_0 − n_0 + b0)`, where n_x of N samples
    /// have this row, which passes n_y of M tests; the others pass n_1 of their t_1 cells in those
    /// tests, and n_0 of t_0 in the tests it fails. Missing cells are in none of these.
    fn b4_posterior(&self, group: &Group, axy: f64, b0: f64) -> f64 {
        let samples: u64 = self.groups.iter().map(|group| group.samples).sum();
        let (passed, failed) = (group.count(true), group.count(false));
        // [test passed by the group][cell passed] -> cells of the others
        let mut cells = [[0_u64; 2]; 2];
        for other in self.groups.iter().filter(|other| other.row != group.row) {
            for (own, cell) in group.row.iter().zip(&other.row) {
                if let (Some(own), Some(cell)) = (own, cell) {
                    cells[usize::from(*own)][usize::from(*cell)] += other.samples;
                }
            }
        }
        let [[fail_fail, pass_fail], [fail_pass, pass_pass]] = cells.map(|row| row.map(float));
        ln_beta(float(group.samples) + axy, float(samples - group.samples) + 1.0)
            + ln_beta(float(passed) + axy, float(failed) + 1.0)
            + ln_beta(pass_pass + 1.0, fail_pass + 1.0)
            + ln_beta(pass_fail + 1.0, fail_fail + b0)
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn float(count: u64) -> f64 {
    count as f64
}

fn ln_beta(a: f64, b: f64) -> f64 {
    ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b)
}

/// `ln Γ(x)` for `x > 0`, to about 1e-14: Stirling's series (Abramowitz and Stegun 6.1.41) after
/// the argument has been raised above 16 by `Γ(x + 1) = x Γ(x)`.
fn ln_gamma(x: f64) -> f64 {
    const HALF_LN_TAU: f64 = 0.918_938_533_204_672_8;
    let mut x = x;
    let mut product = 1.0;
    while x < 16.0 {
        product *= x;
        x += 1.0;
    }
    let inverse = 1.0 / x;
    let square = inverse * inverse;
    let tail = inverse
        * (1.0 / 12.0
            - square
                * (1.0 / 360.0
                    - square * (1.0 / 1260.0 - square * (1.0 / 1680.0 - square / 1188.0))));
    (x - 0.5) * x.ln() - x + HALF_LN_TAU + tail - product.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ln_gamma_is_the_logarithm_of_factorials() {
        let mut factorial = 0.0_f64;
        for n in 1..200_u32 {
            let found = ln_gamma(f64::from(n));
            assert!((found - factorial).abs() <= 1e-13 * factorial.max(1.0), "{n}: {found}");
            factorial += f64::from(n).ln();
        }
        // Γ(1/2) = √π.
        assert!((ln_gamma(0.5) - std::f64::consts::PI.ln() / 2.0).abs() < 1e-14);
    }
}
