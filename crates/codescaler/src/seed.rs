//! Randomness derived from what is drawn, never from when.

/// A seed for one draw: a pure function of the run's seed and of what the draw is for.
///
/// ```
/// use codescaler::seed::derive;
/// assert_eq!(derive(7, &["abc364_f", "3"]), derive(7, &["abc364_f", "3"]));
/// assert_ne!(derive(7, &["ab", "c"]), derive(7, &["a", "bc"]));
/// ```
pub fn derive(run_seed: u64, parts: &[&str]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&run_seed.to_le_bytes());
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    first_u64(&hasher.finalize())
}

/// The first eight bytes of the BLAKE3 hash of `bytes`: a fingerprint of contents.
pub fn digest(bytes: &[u8]) -> u64 {
    first_u64(&blake3::hash(bytes))
}

fn first_u64(hash: &blake3::Hash) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&hash.as_bytes()[..8]);
    u64::from_le_bytes(first)
}
