//! The weight file: one JSON line, then one signed byte per weight.

use std::io::{self, BufRead, Read as _, Write};

use super::{FeatureOptions, LinearRewardModel};
use crate::record::Extra;

/// The version of the features and of the file; weights of another version are refused.
pub const VERSION: u32 = 2;

const FORMAT: &str = "codescaler/linear";
const HEADER_BYTES_MAX: u64 = 1 << 20;

#[derive(serde::Serialize, serde::Deserialize)]
struct Header {
    format: String,
    version: u32,
    features: FeatureOptions,
    scale: f32,
    provenance: Extra,
}

/// Why a weight file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelFileError {
    /// Reading failed.
    #[error("cannot read the weights")]
    Io(#[from] io::Error),
    /// The first line is no header.
    #[error("the first line is no header of a linear reward model")]
    Header(#[source] serde_json::Error),
    /// The header is of something else.
    #[error("the file is of format {found:?}, not {FORMAT:?}")]
    Format {
        /// What the header says.
        found: String,
    },
    /// The weights belong to other features than this build computes.
    #[error("the weights are of version {found}, this build reads {VERSION}: train them again")]
    Version {
        /// What the header says.
        found: u32,
    },
    /// The number of weights is not a power of two between 2^8 and 2^24.
    #[error("{bits} bits of feature hash, where 8 to 24 are possible")]
    Bits {
        /// What the header says.
        bits: u8,
    },
    /// The unit of the weights is not positive and finite.
    #[error("scale {scale} is not a positive number")]
    Scale {
        /// What the header says.
        scale: f32,
    },
    /// There are too few or too many weights.
    #[error("{found} weights follow the header, {expected} belong there")]
    Length {
        /// How many there are, counted up to one more than belong there.
        found: usize,
        /// How many the header promises.
        expected: usize,
    },
}

impl LinearRewardModel {
    /// Reads a weight file.
    ///
    /// # Errors
    /// When it cannot be read, is no weight file, is of another version, or is cut short.
    pub fn read(input: &mut impl BufRead) -> Result<LinearRewardModel, ModelFileError> {
        let mut line = Vec::new();
        input.by_ref().take(HEADER_BYTES_MAX).read_until(b'\n', &mut line)?;
        let header: Header = serde_json::from_slice(&line).map_err(ModelFileError::Header)?;
        if header.format != FORMAT {
            return Err(ModelFileError::Format { found: header.format });
        }
        if header.version != VERSION {
            return Err(ModelFileError::Version { found: header.version });
        }
        let bits = header.features.bits;
        if !(8..=24).contains(&bits) {
            return Err(ModelFileError::Bits { bits });
        }
        if !(header.scale.is_finite() && header.scale > 0.0) {
            return Err(ModelFileError::Scale { scale: header.scale });
        }
        let expected = 1usize << bits;
        let mut bytes = Vec::with_capacity(expected);
        input.take(expected as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() != expected {
            return Err(ModelFileError::Length { found: bytes.len(), expected });
        }
        Ok(LinearRewardModel {
            features: header.features,
            provenance: header.provenance,
            scale: header.scale,
            weights: bytes.into_iter().map(u8::cast_signed).collect(),
        })
    }

    /// Writes the weight file; the same reward model gives the same bytes.
    ///
    /// # Errors
    /// When writing fails.
    pub fn write(&self, output: &mut impl Write) -> io::Result<()> {
        let header = Header {
            format: FORMAT.to_owned(),
            version: VERSION,
            features: self.features,
            scale: self.scale,
            provenance: self.provenance.clone(),
        };
        serde_json::to_writer(&mut *output, &header)?;
        output.write_all(b"\n")?;
        let bytes: Vec<u8> = self.weights.iter().map(|&weight| weight.cast_unsigned()).collect();
        output.write_all(&bytes)
    }

    /// Rounds weights to eight bits, the largest to 127.
    pub(super) fn quantised(
        features: FeatureOptions,
        provenance: Extra,
        weights: &[f32],
    ) -> LinearRewardModel {
        let largest = weights.iter().fold(0.0f32, |largest, weight| largest.max(weight.abs()));
        let scale = if largest > 0.0 { largest / 127.0 } else { 1.0 };
        let weights = weights.iter().map(|weight| (weight / scale).round() as i8).collect();
        LinearRewardModel { features, provenance, scale, weights }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn small() -> LinearRewardModel {
        let features = FeatureOptions { bits: 8, ..FeatureOptions::default() };
        let weights: Vec<f32> = (0..256).map(|i| (i as f32 - 100.0) / 50.0).collect();
        let provenance = Extra::from_iter([("data".to_owned(), "twenty programs".into())]);
        LinearRewardModel::quantised(features, provenance, &weights)
    }

    fn bytes_of(reward_model: &LinearRewardModel) -> Vec<u8> {
        let mut bytes = Vec::new();
        reward_model.write(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn files_round_trip_byte_for_byte() {
        let bytes = bytes_of(&small());
        let back = LinearRewardModel::read(&mut &bytes[..]).unwrap();
        assert_eq!(back, small());
        assert_eq!(bytes_of(&back), bytes);
        expect![[r#"{"format":"codescaler/linear","version":2,"features":{"bits":8,"ablation":"none"},"scale":0.024409449,"provenance":{"data":"twenty programs"}}"#]]
        .assert_eq(String::from_utf8_lossy(bytes.split(|&byte| byte == b'\n').next().unwrap()).as_ref());
    }

    #[test]
    fn all_zero_weights_stay_zero() {
        let features = FeatureOptions { bits: 8, ..FeatureOptions::default() };
        let zero = LinearRewardModel::quantised(features, Extra::new(), &[0.0; 256]);
        assert_eq!(LinearRewardModel::read(&mut &bytes_of(&zero)[..]).unwrap(), zero);
    }

    #[track_caller]
    fn check_refused(bytes: &[u8], why: Expect) {
        why.assert_eq(&LinearRewardModel::read(&mut &bytes[..]).unwrap_err().to_string());
    }

    #[test]
    fn bad_files_are_refused_with_the_reason() {
        let bytes = bytes_of(&small());
        check_refused(b"", expect!["the first line is no header of a linear reward model"]);
        check_refused(
            b"PK\x03\x04",
            expect!["the first line is no header of a linear reward model"],
        );
        check_refused(
            &bytes[..bytes.len() - 1],
            expect!["255 weights follow the header, 256 belong there"],
        );
        check_refused(
            &[&bytes[..], b"\n"].concat(),
            expect!["257 weights follow the header, 256 belong there"],
        );
        for (good, bad, why) in [
            (
                "codescaler/linear",
                "codescaler/scores",
                expect![[r#"the file is of format "codescaler/scores", not "codescaler/linear""#]],
            ),
            (
                r#""version":2"#,
                r#""version":9"#,
                expect!["the weights are of version 9, this build reads 2: train them again"],
            ),
            (
                r#""bits":8"#,
                r#""bits":60"#,
                expect!["60 bits of feature hash, where 8 to 24 are possible"],
            ),
            (
                r#""scale":0.024409449"#,
                r#""scale":-1.0"#,
                expect!["scale -1 is not a positive number"],
            ),
            (
                r#""ablation":"none""#,
                r#""ablation":"some""#,
                expect!["the first line is no header of a linear reward model"],
            ),
        ] {
            let end = bytes.iter().position(|&byte| byte == b'\n').unwrap();
            let header = std::str::from_utf8(&bytes[..end]).unwrap().replace(good, bad);
            check_refused(&[header.as_bytes(), &bytes[end..]].concat(), why);
        }
    }
}
