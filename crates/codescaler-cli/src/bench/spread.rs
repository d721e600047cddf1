//! What some rounds came to.

use serde_json::{Value as Json, json};

/// A median and what lies around it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Spread {
    pub(super) fn of(values: impl Iterator<Item = f64>) -> Spread {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |idx: usize| values.get(idx).copied().unwrap_or(f64::NAN);
        let (low, high) = (values.len().saturating_sub(1) / 2, values.len() / 2);
        Spread {
            median: f64::midpoint(at(low), at(high)),
            min: at(0),
            max: at(values.len().saturating_sub(1)),
        }
    }

    /// One round's value by the other's, round by round.
    pub(super) fn of_ratios(
        above: impl Iterator<Item = f64>,
        below: impl Iterator<Item = f64>,
    ) -> Spread {
        Spread::of(above.zip(below).map(|(above, below)| above / below))
    }

    pub(super) fn show(self, digits: usize) -> String {
        let Spread { median, min, max } = self;
        format!("{median:.digits$} [{min:.digits$}, {max:.digits$}]")
    }

    pub(super) fn summary(self) -> Json {
        json!({"median": self.median, "min": self.min, "max": self.max})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        let spread = |values: &[f64]| Spread::of(values.iter().copied());
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Spread { median: 2.0, min: 1.0, max: 3.0 });
        assert_eq!(spread(&[4.0, 1.0]), Spread { median: 2.5, min: 1.0, max: 4.0 });
    }
}
