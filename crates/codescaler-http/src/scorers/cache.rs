//! Scores that are known, by what was read.

use std::{collections::BTreeMap, mem};

use crate::server::Judgement;

/// Keeps up to about `entries_max` judgements, those that were made or asked for last: what is not
/// asked for while half of them are new is let go of.
pub(crate) struct Cache {
    young: BTreeMap<[u8; 32], Judgement>,
    old: BTreeMap<[u8; 32], Judgement>,
    entries_max: usize,
}

impl Cache {
    pub(crate) fn new(entries_max: usize) -> Cache {
        Cache { young: BTreeMap::new(), old: BTreeMap::new(), entries_max }
    }

    pub(crate) fn get(&mut self, key: &[u8; 32]) -> Option<Judgement> {
        if let Some(known) = self.young.get(key) {
            return Some(known.clone());
        }
        let known = self.old.remove(key)?;
        self.put(*key, known.clone());
        Some(known)
    }

    pub(crate) fn put(&mut self, key: [u8; 32], judgement: Judgement) {
        if self.young.len() >= self.entries_max / 2 {
            self.old = mem::take(&mut self.young);
        }
        if self.entries_max > 1 {
            self.young.insert(key, judgement);
        }
    }
}

#[cfg(test)]
mod tests {
    use codescaler::score::Score;

    use super::*;
    use crate::server::Outcome;

    #[test]
    fn what_is_asked_for_stays_and_there_is_a_bound() {
        let judgement =
            |n: u8| Judgement::of(Outcome::Scored(Score::try_from(f32::from(n)).expect("finite")));
        let mut cache = Cache::new(8);
        for n in 0..100 {
            cache.put([n; 32], judgement(n));
            // The first one is asked for again and again.
            assert!(cache.get(&[0; 32]).is_some(), "{n}");
            assert!(cache.young.len() + cache.old.len() <= 8);
        }
        assert_eq!(cache.get(&[99; 32]).map(|j| j.outcome), Some(judgement(99).outcome));
        assert!(cache.get(&[50; 32]).is_none());
        let mut none = Cache::new(0);
        none.put([1; 32], judgement(1));
        assert!(none.get(&[1; 32]).is_none());
    }
}
