//! The hash of all features: fixed for ever, because weight files depend on it.

const K: u64 = 0x9e37_79b9_7f4a_7c15; // 2^64 over the golden ratio, odd.

/// Mixes one more value into a hash.
#[inline]
pub(super) fn pair(hash: u64, value: u64) -> u64 {
    let mixed = (hash.rotate_left(23) ^ value).wrapping_mul(K);
    mixed ^ (mixed >> 32)
}

/// Hash of a text.
#[inline]
pub(super) fn text(text: &str) -> u64 {
    let chunks = text.as_bytes().chunks(8).map(|chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(word)
    });
    chunks.fold(text.len() as u64 ^ K, pair)
}

/// The last mixing: every bit of the result depends on every bit of `hash` (the finaliser of
/// SplitMix64).
#[inline]
pub(super) fn finish(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}
