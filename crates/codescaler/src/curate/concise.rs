//! Of many right answers the shortest, of many problems as many of each kind (ConCuR,
//! arXiv:2510.07356, as far as its selection is about answers; its speed of kernels is left out).

use std::collections::BTreeMap;

/// One sample of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampled {
    /// Its place in the problem's group.
    pub index: u32,
    /// How long it is, reasoning and all, in whatever unit all samples have.
    pub length: u64,
    /// Whether it is right.
    pub right: bool,
}

/// A problem's answer to learn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shortest {
    /// The shortest right sample; of several the first.
    pub index: u32,
    /// Its length.
    pub length: u64,
    /// The mean length of all samples, right or wrong: what takes long to answer is difficult.
    pub difficulty: f64,
}

/// The answer of a problem with these samples; `None` where none is right.
pub fn shortest(samples: &[Sampled]) -> Option<Shortest> {
    let right = samples.iter().filter(|sample| sample.right);
    let Sampled { index, length, right: _ } =
        *right.min_by_key(|sample| (sample.length, sample.index))?;
    let sum: u64 = samples.iter().map(|sample| sample.length).sum();
    Some(Shortest { index, length, difficulty: sum as f64 / samples.len() as f64 })
}

/// The places of the problems to keep, of which each is given its kind and its difficulty: of
/// every kind the most difficult, at most `per_kind`, or without that as many as the rarest kind
/// has. Of equally difficult ones the first are kept.
pub fn balanced<K: Ord>(problems: &[(K, f64)], per_kind: Option<usize>) -> Vec<usize> {
    let mut kinds: BTreeMap<&K, Vec<usize>> = BTreeMap::new();
    for (place, (kind, _)) in problems.iter().enumerate() {
        kinds.entry(kind).or_default().push(place);
    }
    let rarest = kinds.values().map(Vec::len).min().unwrap_or(0);
    let n = per_kind.unwrap_or(rarest);
    let mut kept: Vec<usize> = Vec::new();
    for mut places in kinds.into_values() {
        places.sort_by(|a, b| problems[*b].1.total_cmp(&problems[*a].1).then(a.cmp(b)));
        kept.extend(places.into_iter().take(n));
    }
    kept.sort_unstable();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(samples: &[(u64, bool)], expected: Option<(u32, u64, f64)>) {
        let of = |(index, (length, right)): (u32, &(u64, bool))| Sampled {
            index,
            length: *length,
            right: *right,
        };
        let samples: Vec<Sampled> = (0..).zip(samples).map(of).collect();
        let got = shortest(&samples);
        assert_eq!(got.map(|own| (own.index, own.length, own.difficulty)), expected);
        // The order in which samples come decides nothing.
        let turned: Vec<Sampled> = samples.into_iter().rev().collect();
        assert_eq!(shortest(&turned), got);
    }

    #[test]
    fn the_shortest_right_sample_is_taken() {
        check(&[], None);
        check(&[(3, false)], None);
        check(&[(9, true), (1, false), (5, true), (5, true)], Some((2, 5, 5.0)));
        check(&[(0, true)], Some((0, 0, 0.0)));
    }

    #[test]
    fn kinds_are_balanced_by_the_most_difficult() {
        let problems =
            [("a", 1.0), ("b", 2.0), ("a", 3.0), ("a", 3.0), ("b", 5.0), ("a", 2.0), ("b", 2.0)];
        for (n, expected) in [
            (None, &[1, 2, 3, 4, 5, 6][..]),
            (Some(1), &[2, 4]),
            (Some(2), &[1, 2, 3, 4]),
            (Some(9), &[0, 1, 2, 3, 4, 5, 6]),
            (Some(0), &[]),
        ] {
            assert_eq!(balanced(&problems, n), expected, "{n:?}");
        }
        assert_eq!(balanced::<u8>(&[], None), [0; 0]);
    }
}
