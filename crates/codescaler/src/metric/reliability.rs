//! Whether probabilities mean what they say: reliability curve, calibration error, Brier score.

use serde::Serialize;

use super::{Estimate, LeftOut, bootstrap::estimate_of, float};

/// How many bins of equal width the probabilities are put into.
const BINS: usize = 10;

/// What was said of one candidate, and what is true.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// The probability that it is right, in `[0, 1]`.
    pub probability: f64,
    /// Whether it is right.
    pub right: bool,
    /// How many samples it stands for.
    pub count: u32,
}

/// Forecasts whose probabilities are close to one another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Bin {
    /// How many samples.
    pub samples: u64,
    /// The mean of their probabilities; 0 without samples.
    pub probability: f64,
    /// The share of them that is right; 0 without samples.
    pub right: f64,
}

/// How far probabilities are from what is true.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reliability {
    /// Ten bins of equal width, the least probable first; 1 belongs to the last.
    pub bins: Vec<Bin>,
    /// Expected calibration error: `Σ_b n_b / n · |right_b − probability_b|` (Guo et al.,
    /// arXiv:1706.04599, equation 3). Redrawing adds noise to every bin, so that small errors lie
    /// near the lower end of their interval.
    pub error: Estimate,
    /// Brier score: the mean of `(probability − right)²` over samples.
    pub brier: Estimate,
}

/// Sums over one bin: samples, probabilities, right ones.
type Sums = [(f64, f64, f64); BINS];

/// Measures the forecasts of each problem. The intervals are over problems.
///
/// # Panics
/// When a probability is not in `[0, 1]`.
pub fn reliability(problems: &[Vec<Forecast>], seed: u64) -> Reliability {
    let known = || {
        let some = |problem: &Vec<Forecast>| problem.iter().any(|forecast| forecast.count > 0);
        problems.iter().map(move |problem| some(problem).then_some(problem).ok_or(LeftOut::NoScore))
    };
    let sums = || known().map(|problem| Ok(sums(problem?)));
    let add = |total: &mut Sums, sums: &Sums| {
        for (total, sum) in total.iter_mut().zip(sums) {
            *total = (total.0 + sum.0, total.1 + sum.1, total.2 + sum.2);
        }
    };
    let squares = known().map(|problem| {
        let square = |f: &Forecast| {
            let n = f64::from(f.count);
            (n, n * (f.probability - f64::from(u8::from(f.right))).powi(2))
        };
        Ok(problem?.iter().map(square).fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1)))
    });
    let add_squares = |sum: &mut (f64, f64), more: &(f64, f64)| {
        *sum = (sum.0 + more.0, sum.1 + more.1);
    };
    let mut total = Sums::default();
    sums().flatten().for_each(|sums| add(&mut total, &sums));
    Reliability {
        bins: total.iter().map(bin).collect(),
        error: estimate_of(sums(), Sums::default(), add, calibration_error, seed),
        brier: estimate_of(
            squares,
            (0.0, 0.0),
            add_squares,
            |&(n, squares)| (n > 0.0).then(|| squares / n),
            seed,
        ),
    }
}

fn sums(problem: &Vec<Forecast>) -> Sums {
    let mut sums = Sums::default();
    for &Forecast { probability, right, count } in problem {
        assert!((0.0..=1.0).contains(&probability), "{probability} is no probability");
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in [0, 10]")]
        let at = ((probability * BINS as f64) as usize).min(BINS - 1);
        let n = f64::from(count);
        let (samples, probabilities, rights) = sums[at];
        sums[at] =
            (samples + n, probabilities + n * probability, rights + if right { n } else { 0.0 });
    }
    sums
}

fn calibration_error(sums: &Sums) -> Option<f64> {
    let samples: f64 = sums.iter().map(|bin| bin.0).sum();
    let gaps: f64 = sums.iter().map(|(_, probability, right)| (right - probability).abs()).sum();
    (samples > 0.0).then(|| gaps / samples)
}

fn bin(&(samples, probability, right): &(f64, f64, f64)) -> Bin {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a sum of counts")]
    let n = samples as u64;
    if n == 0 {
        return Bin::default();
    }
    Bin { samples: n, probability: probability / float(n), right: right / float(n) }
}
