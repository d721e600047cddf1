//! The metrics of reward models against their definitions.

use super::*;

#[test]
fn the_best_of_all_is_the_best_of_as_many_as_there_are() {
    let (known, scored) = (labels("0110?"), scores("13329"));
    let judged = Judged::new(&known).scored(&scored);
    check(best_of_all(&judged), Ok(1.0));
    check(best_of_all(&judged.counted(&[1, 2, 3, 4, 5])), Ok(1.0));
    let tied = scores("33339");
    check(best_of_all(&Judged::new(&known).scored(&tied)), Ok(0.5));
    check(best_of_all(&Judged::new(&known).scored(&scores("-----"))), Err(LeftOut::NoScore));
    check(best_of_all(&Judged::new(&labels("??"))), Err(LeftOut::NoLabel));
}

/// The share of changed preferences by its definition: each pair with each rewrite of either.
fn changes_by_hand(judged: &Judged<'_>, rewrite_of: &[Option<usize>]) -> Option<(f64, u64)> {
    let right_wins = |right: Score, wrong: Score| {
        if right == wrong { 0.5 } else { f64::from(u8::from(right > wrong)) }
    };
    let n = rewrite_of.len();
    let (mut changed, mut of) = (0.0, 0);
    for right in (0..n).filter(|&at| judged.labels[at] == Some(true) && rewrite_of[at].is_none()) {
        for wrong in
            (0..n).filter(|&at| judged.labels[at] == Some(false) && rewrite_of[at].is_none())
        {
            let before = right_wins(judged.score(right)?, judged.score(wrong)?);
            for rewrite in (0..n).filter(|&at| rewrite_of[at].is_some()) {
                let after = match rewrite_of[rewrite] {
                    Some(of) if of == right => {
                        right_wins(judged.score(rewrite)?, judged.score(wrong)?)
                    }
                    Some(of) if of == wrong => {
                        right_wins(judged.score(right)?, judged.score(rewrite)?)
                    }
                    _ => continue,
                };
                let samples = judged.count(right) * judged.count(wrong);
                changed += (f64::abs(after - before)) * float(samples);
                of += samples;
            }
        }
    }
    Some((changed, of))
}

proptest! {
    #[test]
    fn sign_changes_are_counted_pair_by_pair(
        originals in vec((any::<bool>(), 0..4_u32, 1..4_u32), 2..6),
        rewrites in vec((any::<prop::sample::Index>(), 0..4_u32), 0..6),
    ) {
        let mut labels: Vec<_> = originals.iter().map(|&(label, ..)| Some(label)).collect();
        let mut scored: Vec<_> = originals.iter().map(|&(_, s, _)| Some(score(s))).collect();
        let mut counts: Vec<_> = originals.iter().map(|&(.., count)| count).collect();
        let mut rewrite_of = vec![None; originals.len()];
        for (of, s) in rewrites {
            labels.push(None);
            scored.push(Some(score(s)));
            counts.push(1);
            rewrite_of.push(Some(of.index(originals.len())));
        }
        let judged = Judged::new(&labels).scored(&scored).counted(&counts);
        let found = sign_changes(&judged, &rewrite_of);
        match changes_by_hand(&judged, &rewrite_of).unwrap() {
            (_, 0) => prop_assert!(found.is_err()),
            (changed, of) => {
                let found = found.unwrap();
                prop_assert_eq!((found.scored, found.unscored), (of, 0));
                prop_assert!((found.won - changed).abs() < 1e-9);
            }
        }
    }

    /// A difference of shares is that of the shares, and of a thing with itself it is nothing.
    #[test]
    fn differences_of_shares(problems in vec((0..5_u64, 5..9_u64, 0..5_u64, 5..9_u64), 1..12)) {
        let pairs = |won: u64, scored| Ok(Pairs { won: float(won), scored, unscored: 0 });
        let a: Vec<_> = problems.iter().map(|&(won, scored, ..)| pairs(won, scored)).collect();
        let b: Vec<_> = problems.iter().map(|&(.., won, scored)| pairs(won, scored)).collect();
        let [of_a, of_b] = [&a, &b].map(|x| pooled(x, 3).estimate.interval.unwrap());
        let found = pooled_difference(&a, &b, 3).interval.unwrap();
        prop_assert!((found.mean - (of_a.mean - of_b.mean)).abs() < 1e-12);
        // Against one that wins every pair, it is the share itself, moved by 1.
        let all: Vec<_> = problems.iter().map(|&(.., scored)| pairs(scored, scored)).collect();
        let below = pooled_difference(&a, &all, 3).interval.unwrap();
        for (found, share) in [(below.low, of_a.low), (below.high, of_a.high)] {
            prop_assert!((found - (share - 1.0)).abs() < 1e-12);
        }
        let same = pooled_difference(&a, &a, 3).interval.unwrap();
        prop_assert_eq!(same, Interval { mean: 0.0, low: 0.0, high: 0.0 });
    }

    #[test]
    fn the_calibration_error_is_that_of_its_bins(
        problems in vec(vec((0..=100_u32, any::<bool>(), 1..4_u32), 0..6), 1..8),
    ) {
        let forecast = |&(percent, right, count): &(u32, bool, u32)| Forecast {
            probability: f64::from(percent) / 100.0, right, count,
        };
        let problems: Vec<Vec<Forecast>> =
            problems.iter().map(|problem| problem.iter().map(forecast).collect()).collect();
        let found = reliability(&problems, 0);
        let samples: Vec<Forecast> = problems
            .iter()
            .flatten()
            .flat_map(|f| std::iter::repeat_n(*f, f.count as usize))
            .collect();
        let n = float(samples.len() as u64);
        let (mut error, mut brier) = (0.0, 0.0);
        for at in 0..10 {
            let (low, high) = (f64::from(at) / 10.0, f64::from(at + 1) / 10.0);
            let inside: Vec<&Forecast> = samples
                .iter()
                .filter(|f| low <= f.probability && (f.probability < high || at == 9))
                .collect();
            let right = float(inside.iter().filter(|f| f.right).count() as u64);
            error += (right - inside.iter().map(|f| f.probability).sum::<f64>()).abs() / n;
        }
        for f in &samples {
            brier += (f.probability - f64::from(u8::from(f.right))).powi(2) / n;
        }
        match (found.error.interval, found.brier.interval) {
            (Some(of), Some(square)) => {
                prop_assert!((of.mean - error).abs() < 1e-9, "{} for {error}", of.mean);
                prop_assert!((square.mean - brier).abs() < 1e-9);
            }
            (of, square) => prop_assert!(samples.is_empty() && of.is_none() && square.is_none()),
        }
        let counted: u64 = found.bins.iter().map(|bin| bin.samples).sum();
        prop_assert_eq!(counted, samples.len() as u64);
    }

    /// As RM-Bench's own script: the mean of `chosen > rejected` per cell, then of triangles.
    #[test]
    fn style_matrices_are_as_published(answers in vec(vec(0..4_u32, 6), 1..6)) {
        let per_item: Vec<StyleMatrix> = answers
            .iter()
            .map(|s| {
                let side = |from: usize| [0, 1, 2].map(|i| Some(score(s[from + i])));
                style_matrix(side(0), side(3), 0.0).unwrap()
            })
            .collect();
        let n = float(answers.len() as u64);
        let mean = |i: usize, j: usize| {
            float(answers.iter().filter(|s| s[i] > s[3 + j]).count() as u64) / n
        };
        let (mut hard, mut normal, mut easy) = (0.0, 0.0, 0.0);
        for i in 0..3 {
            for j in 0..3 {
                match i.cmp(&j) {
                    std::cmp::Ordering::Less => hard += mean(i, j) / 3.0,
                    std::cmp::Ordering::Equal => normal += mean(i, j) / 3.0,
                    std::cmp::Ordering::Greater => easy += mean(i, j) / 3.0,
                }
            }
        }
        let of = |part: fn(&StyleMatrix) -> f64| per_item.iter().map(part).sum::<f64>() / n;
        prop_assert!((of(StyleMatrix::hard) - hard).abs() < 1e-9);
        prop_assert!((of(StyleMatrix::normal) - normal).abs() < 1e-9);
        prop_assert!((of(StyleMatrix::easy) - easy).abs() < 1e-9);
        prop_assert!((of(StyleMatrix::average) - (hard + normal + easy) / 3.0).abs() < 1e-9);
    }
}

#[test]
fn rewrites_that_say_nothing_say_why() {
    let (known, scored) = (labels("10?"), scores("213"));
    let judged = Judged::new(&known).scored(&scored);
    assert_eq!(sign_changes(&judged, &[None; 3]), Err(LeftOut::NoMatch));
    assert_eq!(sign_changes(&judged, &[None, None, Some(2)]), Err(LeftOut::NoMatch));
    let changed = Pairs { won: 1.0, scored: 1, unscored: 0 };
    assert_eq!(sign_changes(&judged, &[None, None, Some(1)]), Ok(changed));
    let kept = Pairs { won: 0.0, scored: 1, unscored: 0 };
    assert_eq!(sign_changes(&judged, &[None, None, Some(0)]), Ok(kept));
    let unscored = Judged::new(&known).scored(&[None; 3]);
    assert_eq!(sign_changes(&unscored, &[None, None, Some(0)]), Err(LeftOut::NoScore));
    assert_eq!(sign_changes(&Judged::new(&labels("11")), &[None; 2]), Err(LeftOut::AllAlike));
    assert_eq!(sign_changes(&Judged::new(&labels("?1")), &[None, Some(0)]), Err(LeftOut::NoLabel));
}

#[test]
fn parts_weigh_alike_however_large() {
    let values =
        [(0, Ok(1.0)), (0, Ok(1.0)), (0, Ok(1.0)), (1, Ok(0.0)), (1, Err(LeftOut::NoScore))];
    let found = mean_of_parts(&values, 2, 0);
    assert_eq!((found.n, found.n_left_out()), (4, 1));
    assert_eq!(found.interval, Some(Interval { mean: 0.5, low: 0.5, high: 0.5 }));
    assert_eq!(mean_of_parts(&values, 3, 0).interval, None);
}

#[test]
fn equal_scores_count_what_is_asked() {
    let same = [Some(score(1)); 3];
    assert_eq!(style_matrix(same, same, 0.0).unwrap().average(), 0.0);
    assert_eq!(style_matrix(same, same, 0.5).unwrap().average(), 0.5);
    assert_eq!(style_matrix(same, [None, same[0], same[0]], 0.0), Err(LeftOut::NoScore));
}
