//! From a score to the reward that reinforcement learning optimises.

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use crate::score::Score;

/// How a score becomes a reward.
///
/// After [`Shaping::Softplus`] and [`Shaping::Sigmoid`] every valid program is above zero and an
/// invalid one is exactly zero, so that within a group no invalid answer beats a valid one, however
/// low its score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Shaping {
    /// The score as it is.
    Raw {
        /// The reward without a valid program. Scores may be below it.
        #[serde(default, deserialize_with = "finite")]
        invalid: f32,
    },
    /// `ln(1 + exp(score - offset))`: CodeScaler (arXiv 2602.17684, section on validity-preserving
    /// reward shaping), there without the offset.
    ///
    /// Where zero lies is arbitrary in a reward model trained on pairs. With the mean score of
    /// programs known to be wrong as offset, those come to about ln 2.
    Softplus {
        /// Subtracted from the score.
        #[serde(default, deserialize_with = "finite")]
        offset: f32,
    },
    /// `1 / (1 + exp(-(score - offset) / scale))`: between zero and one.
    Sigmoid {
        /// The score whose reward is one half.
        #[serde(default, deserialize_with = "finite")]
        offset: f32,
        /// By how much a score grows from one half to 0.73.
        #[serde(default = "one", deserialize_with = "positive")]
        scale: f32,
    },
}

impl Default for Shaping {
    /// Softplus as published.
    fn default() -> Shaping {
        Shaping::Softplus { offset: 0.0 }
    }
}

impl Shaping {
    /// The reward of a score, or of an answer without a valid program (`None`).
    ///
    /// An answer whose score is unknown for another reason (it is too long, a machine failed) has
    /// no reward: a number for it would bias the training that sees it.
    pub fn reward(self, score: Option<Score>) -> f32 {
        let logit = |score: Score, offset: f32| f64::from(score.get()) - f64::from(offset);
        // Far below zero both curves leave the range of f32; a valid program stays above zero.
        let above_zero = |reward: f64| (reward as f32).max(f32::MIN_POSITIVE);
        match (self, score) {
            (Shaping::Raw { .. }, Some(score)) => score.get(),
            (Shaping::Raw { invalid }, None) => invalid,
            (Shaping::Softplus { .. } | Shaping::Sigmoid { .. }, None) => 0.0,
            (Shaping::Softplus { offset }, Some(score)) => {
                let x = logit(score, offset);
                above_zero(x.max(0.0) + (-x.abs()).exp().ln_1p())
            }
            (Shaping::Sigmoid { offset, scale }, Some(score)) => {
                above_zero(1.0 / (1.0 + (-logit(score, offset) / f64::from(scale)).exp()))
            }
        }
    }
}

/// What a completion of so many tokens is punished with: nothing up to `tokens_max - margin`, then
/// linearly up to -1 at `tokens_max` (soft overlong punishment of DAPO, arXiv:2503.14476, equation
/// 13). Without a margin nothing is punished.
pub fn overlong(tokens: usize, tokens_max: usize, margin: usize) -> f32 {
    let over = (tokens + margin).saturating_sub(tokens_max);
    if margin == 0 { 0.0 } else { -(over as f32 / margin as f32).min(1.0) }
}

fn one() -> f32 {
    1.0
}

fn finite<'de, D: Deserializer<'de>>(input: D) -> Result<f32, D::Error> {
    let value = f32::deserialize(input)?;
    if value.is_finite() { Ok(value) } else { Err(D::Error::custom("the number is not finite")) }
}

fn positive<'de, D: Deserializer<'de>>(input: D) -> Result<f32, D::Error> {
    let value = finite(input)?;
    if value > 0.0 { Ok(value) } else { Err(D::Error::custom("the number is not above zero")) }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(shaping: &str, expect: Expect) {
        let shaping: Shaping = match serde_json::from_str(shaping) {
            Ok(shaping) => shaping,
            Err(error) => return expect.assert_eq(&error.to_string()),
        };
        let reward = |score: f32| shaping.reward(Some(score.try_into().unwrap())).to_string();
        let rewards = [-1e4, -6.0, -3.0, 0.0, 6.54, 1e4].map(reward).join(" ");
        expect.assert_eq(&format!("{rewards}; invalid {}", shaping.reward(None)));
    }

    #[test]
    fn rewards() {
        check(r#"{"kind":"raw"}"#, expect!["-10000 -6 -3 0 6.54 10000; invalid 0"]);
        check(r#"{"kind":"raw","invalid":-20}"#, expect!["-10000 -6 -3 0 6.54 10000; invalid -20"]);
        check(
            r#"{"kind":"softplus"}"#,
            expect![
                "0.000000000000000000000000000000000000011754944 0.0024756852 0.048587352 0.6931472 6.5414433 10000; invalid 0"
            ],
        );
        check(
            r#"{"kind":"softplus","offset":-6}"#,
            expect![
                "0.000000000000000000000000000000000000011754944 0.6931472 3.0485873 6.0024757 12.540004 10006; invalid 0"
            ],
        );
        check(
            r#"{"kind":"sigmoid"}"#,
            expect![
                "0.000000000000000000000000000000000000011754944 0.0024726233 0.047425874 0.5 0.99855757 1; invalid 0"
            ],
        );
        check(
            r#"{"kind":"sigmoid","offset":6.54,"scale":2}"#,
            expect![
                "0.000000000000000000000000000000000000011754944 0.0018886549 0.008409068 0.036614828 0.5 1; invalid 0"
            ],
        );
    }

    #[test]
    fn long_completions_are_punished_gently() {
        let rewards = |margin| [0, 75, 80, 90, 100, 120].map(|n| overlong(n, 100, margin));
        assert_eq!(rewards(20), [0.0, 0.0, 0.0, -0.5, -1.0, -1.0]);
        assert_eq!(rewards(0), [0.0; 6]);
    }

    #[test]
    fn unusable() {
        check(
            r#"{"kind":"softmax"}"#,
            expect![
                "unknown variant `softmax`, expected one of `raw`, `softplus`, `sigmoid` at line 1 column 17"
            ],
        );
        check(
            r#"{"kind":"softplus","scale":2}"#,
            expect!["unknown field `scale`, expected `offset`"],
        );
        check(r#"{"kind":"softplus","offset":1e60}"#, expect!["the number is not finite"]);
        check(r#"{"kind":"sigmoid","scale":0}"#, expect!["the number is not above zero"]);
    }

    proptest! {
        /// The definition in f64, written as the paper has it, where it does not overflow.
        #[test]
        fn softplus_is_the_papers(score in -80.0f32..80.0, offset in -5.0f32..5.0) {
            let plain = (1.0 + (f64::from(score) - f64::from(offset)).exp()).ln();
            let ours = Shaping::Softplus { offset }.reward(Some(score.try_into().unwrap()));
            prop_assert!((f64::from(ours) - plain).abs() <= 1e-6 * plain.max(1e-9), "{ours} {plain}");
        }

        #[test]
        fn order_is_kept_and_valid_is_above_invalid(a in -1e30f32..1e30, b in -1e30f32..1e30) {
            let (low, high) = (a.min(b).try_into().unwrap(), a.max(b).try_into().unwrap());
            for shaping in [Shaping::default(), Shaping::Sigmoid { offset: 1.0, scale: 3.0 }] {
                let (low, high) = (shaping.reward(Some(low)), shaping.reward(Some(high)));
                prop_assert!(0.0 < low && low <= high && high.is_finite());
                prop_assert_eq!(shaping.reward(None), 0.0);
            }
        }
    }
}
