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

/// SplitMix64: a stream of numbers that is the same on every machine and in every version.
///
/// Eight bytes of state, five operations a draw, and it passes BigCrush (Steele, Lea and Flood,
/// *Fast splittable pseudorandom number generators*, OOPSLA 2014). It is written out here because
/// records and reports depend on its exact output, which generators of crates may change. Not for
/// secrets.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A stream that depends on `seed` alone.
    pub fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `0..bound`, uniform up to a bias below `bound` / 2⁶⁴ (Lemire,
    /// arXiv:1805.10941, without its rejection).
    ///
    /// # Panics
    /// When `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "there is no number below 0");
        let wide = u128::from(self.next_u64()) * u128::from(bound);
        u64::try_from(wide >> 64).expect("the upper half of 128 bits has 64")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_the_published_one() {
        // The first outputs of the reference implementation for seed 1234567.
        let mut rng = Rng::new(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| rng.next_u64()).collect();
        assert_eq!(
            first,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn every_number_below_the_bound_is_about_equally_frequent() {
        let mut rng = Rng::new(0);
        let mut seen = [0_u32; 7];
        for _ in 0..70_000 {
            seen[usize::try_from(rng.below(7)).unwrap()] += 1;
        }
        assert!(seen.iter().all(|n| (9_600..10_400).contains(n)), "{seen:?}");
    }
}
