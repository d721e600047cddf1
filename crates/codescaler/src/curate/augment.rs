//! Augmentation: pairs once more, their programs rewritten without changing what they do.

use std::collections::BTreeMap;

use crate::{
    language::Language,
    preference::{Preference, Side},
    seed::derive,
};

/// Pairs once more with both programs rewritten: `share` for each pair, in whole units, so that
/// what units balance stays balanced.
///
/// `rewrite` makes another side from a side and a seed; where it makes none of one side of a unit,
/// the unit is left out. Seeds depend on the pair and the side alone.
pub fn augmented(
    preferences: &[Preference],
    share: f64,
    seed: u64,
    rewrite: impl Fn((&Side, Language), u64) -> Option<Side>,
) -> Vec<Preference> {
    let n_wanted = (share * preferences.len() as f64).round() as usize;
    let lot = |preference: &Preference, part: &str| {
        let Preference { problem, chosen, rejected, .. } = preference;
        let indices = [chosen.index, rejected.index].map(|index| index.to_string());
        let parts = [part, problem, &indices[0], &rejected.problem, &indices[1]];
        derive(seed, &parts)
    };
    let mut units: BTreeMap<(Option<u32>, u64), Vec<&Preference>> = BTreeMap::new();
    for preference in preferences {
        let alone = if preference.unit.is_some() { 0 } else { lot(preference, "augment") };
        units.entry((preference.unit, alone)).or_default().push(preference);
    }
    let mut units: Vec<Vec<&Preference>> = units.into_values().collect();
    units.sort_by_cached_key(|unit| lot(unit[0], "augment"));
    let mut made: Vec<Preference> = Vec::new();
    for unit in units {
        if made.len() + unit.len() > n_wanted {
            continue;
        }
        let rewritten: Option<Vec<Preference>> = unit
            .into_iter()
            .map(|preference| {
                let made = |side, part| rewrite((side, preference.language), lot(preference, part));
                let chosen = made(&preference.chosen, "rewrite chosen")?;
                let rejected = made(&preference.rejected, "rewrite rejected")?;
                Some(Preference { chosen, rejected, ..preference.clone() })
            })
            .collect();
        made.extend(rewritten.into_iter().flatten());
    }
    made
}
