//! Laws that hold for every rule on every evidence, and each rule against its definition.

use std::collections::BTreeSet;

use proptest::{collection::vec, option, prelude::*};

use super::*;

/// Everything a rule may see, small enough that coincidences are frequent.
fn evidence() -> impl Strategy<Value = Evidence> {
    (1_usize..7, 0_usize..4, 0_usize..6, 0_usize..4).prop_flat_map(|(n, v, g, o)| {
        let cell = || option::weighted(0.9, any::<bool>());
        let score = (-2_i16..3).prop_map(|score| Score::try_from(f32::from(score)).unwrap());
        (
            vec(option::weighted(0.9, 1_usize..4), n),
            option::of(vec(vec(cell(), v), n)),
            vec(vec(cell(), g), n),
            vec(vec(option::weighted(0.8, 0..3_u64), o), n),
            vec(vec(option::weighted(0.9, score), n), 3),
            prop_oneof![Just(vec![]), vec(1..4_u32, n)],
        )
            .prop_map(|(programs, visible, generated, outputs, scores, multiplicity)| {
                Evidence {
                    programs,
                    visible,
                    generated: Some(generated),
                    outputs: Some(outputs),
                    scores,
                    multiplicity,
                }
            })
    })
}

/// The evidence of the candidates at these positions, in this order.
fn taken(evidence: &Evidence, positions: &[usize]) -> Evidence {
    fn rows<T: Clone>(all: &[T], positions: &[usize]) -> Vec<T> {
        positions.iter().map(|&position| all[position].clone()).collect()
    }
    Evidence {
        programs: rows(&evidence.programs, positions),
        visible: evidence.visible.as_ref().map(|table| rows(table, positions)),
        generated: evidence.generated.as_ref().map(|table| rows(table, positions)),
        outputs: evidence.outputs.as_ref().map(|table| rows(table, positions)),
        scores: evidence.scores.iter().map(|scores| rows(scores, positions)).collect(),
        multiplicity: positions.iter().map(|&position| evidence.count(position)).collect(),
    }
}

/// The ranking, with positions translated back.
fn translated(ranking: &[Vec<usize>], positions: &[usize]) -> Vec<BTreeSet<usize>> {
    ranking.iter().map(|tier| tier.iter().map(|&index| positions[index]).collect()).collect()
}

fn selected(rule: &Rule, evidence: &Evidence) -> Choice {
    select(rule, evidence, 5).unwrap()
}

/// How many candidates rank strictly above one.
fn above(choice: &Choice, index: usize) -> usize {
    choice.ranking.iter().take_while(|tier| !tier.contains(&index)).map(Vec::len).sum()
}

/// Every rule that this evidence is enough for.
fn possible(evidence: &Evidence) -> impl Iterator<Item = Rule> {
    Rule::ALL
        .into_iter()
        .filter(|rule| evidence.visible.is_some() || !rule.needs().contains(&Need::Visible))
}

/// The same without the rule that is about positions.
fn unordered(evidence: &Evidence) -> impl Iterator<Item = Rule> {
    possible(evidence).filter(|rule| *rule != Rule::First)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_choice_is_consistent(evidence in evidence(), seed: u64) {
        for rule in possible(&evidence) {
            let choice = select(&rule, &evidence, seed).unwrap();
            let mut everybody: Vec<usize> = choice.ranking.concat();
            everybody.sort_unstable();
            prop_assert_eq!(everybody, (0..evidence.len()).collect::<Vec<_>>());
            prop_assert!(choice.ties.is_sorted());
            prop_assert_eq!(choice.submissions.first().copied(), choice.chosen);
            let distinct: BTreeSet<_> = choice.submissions.iter().collect();
            prop_assert_eq!(distinct.len(), choice.submissions.len());
            match choice.chosen {
                Some(chosen) => {
                    prop_assert_eq!(&choice.ties, &choice.ranking[0]);
                    prop_assert!(choice.ties.contains(&chosen));
                    prop_assert!(choice.ties.iter().all(|&tie| evidence.programs[tie].is_some()));
                }
                None => prop_assert!(choice.ties.is_empty() && !choice.notes.is_empty()),
            }
        }
    }

    #[test]
    fn rules_are_equivariant_under_permutation(
        (evidence, order) in evidence().prop_flat_map(|evidence| {
            let order: Vec<usize> = (0..evidence.len()).collect();
            (Just(evidence), Just(order).prop_shuffle())
        }),
        seed: u64,
    ) {
        let permuted = taken(&evidence, &order);
        for rule in unordered(&evidence) {
            let there = select(&rule, &permuted, seed).unwrap();
            let here = select(&rule, &evidence, seed).unwrap();
            let same: Vec<usize> = (0..evidence.len()).collect();
            prop_assert_eq!(translated(&there.ranking, &order), translated(&here.ranking, &same));
            prop_assert_eq!(&there.notes, &here.notes);
            // The picks may differ in position only, not in anything that is known of them.
            let (there, here) = (there.submissions, here.submissions);
            prop_assert_eq!(taken(&permuted, &there), taken(&evidence, &here), "{}", rule);
        }
    }

    #[test]
    fn a_winner_that_is_duplicated_still_wins(evidence in evidence()) {
        for rule in unordered(&evidence) {
            for &winner in &selected(&rule, &evidence).ties {
                let mut positions: Vec<usize> = (0..evidence.len()).collect();
                positions.push(winner);
                let after = selected(&rule, &taken(&evidence, &positions));
                prop_assert!(after.ties.contains(&winner), "{}", rule);
            }
        }
    }

    #[test]
    fn multiplicity_is_the_same_as_copies(evidence in evidence()) {
        let mut positions = Vec::new();
        for index in 0..evidence.len() {
            positions.extend(std::iter::repeat_n(index, evidence.count(index) as usize));
        }
        let mut copies = taken(&evidence, &positions);
        copies.multiplicity.clear();
        for rule in unordered(&evidence) {
            let (one, many) = (selected(&rule, &evidence), selected(&rule, &copies));
            let same: Vec<usize> = (0..evidence.len()).collect();
            prop_assert_eq!(
                translated(&one.ranking, &same), translated(&many.ranking, &positions), "{}", rule);
        }
    }

    #[test]
    fn a_constant_column_changes_nothing(evidence in evidence(), verdict: Option<bool>) {
        let mut wider = evidence.clone();
        wider.generated.as_mut().unwrap().iter_mut().for_each(|row| row.push(verdict));
        for rule in possible(&evidence) {
            prop_assert_eq!(selected(&rule, &wider).ranking, selected(&rule, &evidence).ranking);
        }
        let mut wider = evidence.clone();
        let output = verdict.map(u64::from);
        wider.outputs.as_mut().unwrap().iter_mut().for_each(|row| row.push(output));
        for rule in possible(&evidence) {
            prop_assert_eq!(selected(&rule, &wider).ranking, selected(&rule, &evidence).ranking);
        }
    }

    #[test]
    fn from_fail_to_missing_to_pass_never_lowers_a_rank(
        evidence in evidence(), row: prop::sample::Index, column: prop::sample::Index,
    ) {
        let row = row.index(evidence.len());
        let columns = evidence.generated.as_ref().unwrap()[0].len();
        if columns == 0 {
            return Ok(());
        }
        let rank_with = |verdict| {
            let mut changed = evidence.clone();
            changed.generated.as_mut().unwrap()[row][column.index(columns)] = verdict;
            above(&selected(&Rule::MaxPass, &changed), row)
        };
        // An outcome that separates nobody hands the decision to other evidence.
        let bare = |verdict| {
            let mut changed = Evidence { outputs: None, scores: vec![], ..evidence.clone() };
            changed.generated.as_mut().unwrap()[row][column.index(columns)] = verdict;
            above(&selected(&Rule::MaxPass, &changed), row)
        };
        prop_assert!(rank_with(Some(true)) <= rank_with(Some(false)));
        prop_assert!(bare(Some(true)) <= bare(None) && bare(None) <= bare(Some(false)));
    }

    #[test]
    fn who_has_no_program_changes_nothing_for_the_others(evidence in evidence()) {
        let valid: Vec<usize> =
            (0..evidence.len()).filter(|&index| evidence.programs[index].is_some()).collect();
        let without = taken(&evidence, &valid);
        for rule in possible(&evidence) {
            let (with, without) = (selected(&rule, &evidence), selected(&rule, &without));
            if with.chosen.is_some() {
                let tiers = translated(&without.ranking, &valid);
                let same: Vec<usize> = (0..evidence.len()).collect();
                prop_assert_eq!(&translated(&with.ranking, &same)[..tiers.len()], &tiers[..]);
                prop_assert!(with.ranking.len() <= tiers.len() + 1);
            }
        }
    }

    #[test]
    fn rules_agree_with_their_definitions(
        (generated, outputs) in (1_usize..7, 1_usize..6).prop_flat_map(|(n, m)| {
            (vec(vec(any::<bool>(), m), n), vec(vec(0..3_u64, m), n))
        }),
    ) {
        let evidence = Evidence {
            generated: Some(generated.iter().map(|row| row.iter().copied().map(Some).collect()).collect()),
            outputs: Some(outputs.iter().map(|row| row.iter().copied().map(Some).collect()).collect()),
            ..candidates(generated.len())
        };
        let tests_only = Evidence { outputs: None, ..evidence.clone() };
        for (rule, spec) in by_tests() {
            let rule: Rule = rule.parse().unwrap();
            prop_assert_eq!(selected(&rule, &tests_only).ties, best(&spec(&generated)), "{}", rule);
        }
        for (rule, spec) in by_outputs() {
            let rule: Rule = rule.parse().unwrap();
            prop_assert_eq!(selected(&rule, &evidence).ties, best(&spec(&outputs)), "{}", rule);
        }
    }
}

/// The positions of the largest value, up to rounding.
fn best(values: &[f64]) -> Vec<usize> {
    let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (0..values.len()).filter(|&i| values[i] == max || values[i] >= max - 1e-9 * max.abs()).collect()
}

fn float(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap())
}

type Definition<T> = fn(&[Vec<T>]) -> Vec<f64>;

fn by_tests() -> [(&'static str, Definition<bool>); 5] {
    [
        ("max_pass", |table| table.iter().map(|row| float(passes(row))).collect()),
        ("max_pass_consistency", |table| {
            let most = table.iter().map(|row| passes(row)).max().unwrap();
            let shared =
                |row: &Vec<bool>| if passes(row) == most { float(alike(table, row)) } else { -1.0 };
            table.iter().map(shared).collect()
        }),
        ("codet:a=0.5,b=1", |table| {
            let table = &informative(table);
            let score = |row: &Vec<bool>| float(alike(table, row)).sqrt() * float(passes(row));
            table.iter().map(score).collect()
        }),
        ("codet:a=1,b=2", |table| {
            let table = &informative(table);
            let score = |row: &Vec<bool>| float(alike(table, row) * passes(row) * passes(row));
            table.iter().map(score).collect()
        }),
        ("b4:axy=10,b0=5", |table| {
            let table = &informative(table);
            table.iter().map(|row| posterior(table, row)).collect()
        }),
    ]
}

fn by_outputs() -> [(&'static str, Definition<u64>); 3] {
    [
        ("mbr_exec", |table| {
            let agreeing =
                |a: &Vec<u64>, b: &Vec<u64>| a.iter().zip(b).filter(|(x, y)| x == y).count();
            table.iter().map(|a| float(table.iter().map(|b| agreeing(a, b)).sum())).collect()
        }),
        ("alphacode_clusters", |table| table.iter().map(|row| float(alike(table, row))).collect()),
        ("output_vote", |table| {
            let votes =
                |input: usize, output| table.iter().filter(|row| row[input] == output).count();
            let leads = |input, output| {
                (0..3).all(|o| o == output || votes(input, o) < votes(input, output))
            };
            let score =
                |row: &Vec<u64>| (0..row.len()).filter(|&input| leads(input, row[input])).count();
            table.iter().map(|row| float(score(row))).collect()
        }),
    ]
}

fn passes(row: &[bool]) -> usize {
    row.iter().filter(|&&passed| passed).count()
}

fn alike<T: PartialEq>(table: &[Vec<T>], row: &[T]) -> usize {
    table.iter().filter(|other| *other == row).count()
}

/// Without the tests that all pass or all fail.
fn informative(table: &[Vec<bool>]) -> Vec<Vec<bool>> {
    let kept: Vec<usize> = (0..table[0].len())
        .filter(|&column| table.iter().any(|row| row[column] != table[0][column]))
        .collect();
    table.iter().map(|row| kept.iter().map(|&column| row[column]).collect()).collect()
}

/// B4 with axy = 10 and b0 = 5, from factorials.
fn posterior(table: &[Vec<bool>], row: &[bool]) -> f64 {
    let ln_factorial = |n: usize| (1..=n).map(|i| float(i).ln()).sum::<f64>();
    let ln_beta =
        |a: usize, b: usize| ln_factorial(a - 1) + ln_factorial(b - 1) - ln_factorial(a + b - 1);
    let cells = |own: bool, other: bool| -> usize {
        let others = table.iter().filter(|other| *other != row);
        let cells = others.flat_map(|others| row.iter().zip(others));
        cells.filter(|(a, b)| **a == own && **b == other).count()
    };
    let (n, m, nx, ny) = (table.len(), row.len(), alike(table, row), passes(row));
    ln_beta(nx + 10, n - nx + 1)
        + ln_beta(ny + 10, m - ny + 1)
        + ln_beta(cells(true, true) + 1, cells(true, false) + 1)
        + ln_beta(cells(false, true) + 1, cells(false, false) + 5)
}
