//! The weight file: one JSON line, then one signed byte per weight.

use std::io::{self, BufRead, Read as _, Write};

use super::{FeatureOptions, LinearRewardModel};
use crate::record::Extra;

/// The version of the features and of the file; weights of another version are refused.
pub const VERSION: u32 = 1;

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
}

/// Rounds weights to eight bits; their overall size does not matter to an order of programs, but
/// is kept up to `1 / weights.len()` of nothing.
pub(super) fn quantise(
    features: FeatureOptions,
    provenance: Extra,
    weights: &[f32],
) -> LinearRewardModel {
    let largest = weights.iter().fold(0.0f32, |largest, weight| largest.max(weight.abs()));
    let scale = if largest > 0.0 { largest / 127.0 } else { 1.0 };
    let weights = weights.iter().map(|weight| (weight / scale).round() as i8).collect();
    LinearRewardModel { features, provenance, scale, weights }
}
