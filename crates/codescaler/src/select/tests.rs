//! Published vectors, and the cases that every system decides differently, each decided once.

use super::*;
use crate::{
    evidence::{OutputDigest, Table},
    score::Score,
};

mod laws;

/// Verdicts, one row per candidate: `1` pass, `0` fail, `?` missing.
fn tests(rows: &str) -> Option<Table<bool>> {
    let cell = |c| match c {
        '1' => Some(true),
        '0' => Some(false),
        _ => None,
    };
    Some(
        rows.split_whitespace()
            .map(|row| row.chars().filter(|&c| c != '.').map(cell).collect())
            .collect(),
    )
}

/// Outputs, one row per candidate: a letter, or `-` for none.
fn outputs(rows: &str) -> Option<Table<OutputDigest>> {
    let cell = |c| if c == '-' { None } else { Some(OutputDigest::from(u32::from(c))) };
    Some(rows.split_whitespace().map(|row| row.chars().map(cell).collect()).collect())
}

/// Scores of one scorer; `-` for none.
fn scores(text: &str) -> Vec<Option<Score>> {
    let score = |word: &str| word.parse::<f32>().ok().map(|s| Score::try_from(s).unwrap());
    text.split_whitespace().map(score).collect()
}

/// N candidates of equal length, of which nothing is known.
fn candidates(n: usize) -> Evidence {
    Evidence { programs: vec![Some(10); n], ..Evidence::default() }
}

#[track_caller]
fn check(rule: &str, evidence: &Evidence, ties: &[usize], note: &str) {
    let choice = select(&rule.parse().unwrap(), evidence, 1).unwrap();
    assert_eq!(choice.ties, ties, "{rule}");
    assert_eq!(choice.note(), note, "{rule}");
    assert_eq!(choice.chosen.is_some(), !ties.is_empty(), "{rule}");
}

#[track_caller]
fn check_error(rule: &str, evidence: &Evidence, error: &str) {
    assert_eq!(select(&rule.parse().unwrap(), evidence, 1).unwrap_err().to_string(), error);
}

#[test]
fn published_vectors() {
    // Two agree on three tests, three agree on three others.
    let first = Evidence {
        generated: tests("1110 1110 1101 1101 1101 0000 1000"),
        outputs: outputs("aaab aaab aaba aaba aaba bbbb abbb"),
        ..candidates(7)
    };
    check("max_pass", &first, &[0, 1, 2, 3, 4], "");
    for rule in ["max_pass_consistency", "codet", "codet:a=1,b=1", "codet:a=1,b=2", "b4"] {
        check(rule, &first, &[2, 3, 4], "");
    }
    check("b4:axy=10,b0=10", &first, &[2, 3, 4], "");
    check("alphacode_clusters", &first, &[2, 3, 4], "");

    // Three pass half of the tests, one passes all: the exponents and priors decide.
    let second = Evidence { generated: tests("1100 1100 1100 1111 0000"), ..candidates(5) };
    for rule in [
        "max_pass",
        "max_pass_consistency",
        "codet:a=0.5,b=1",
        "codet:a=1,b=2",
        "b4:axy=1e3,b0=1e4",
    ] {
        check(rule, &second, &[3], "");
    }
    for rule in ["codet:a=1,b=1", "b4:axy=10,b0=10"] {
        check(rule, &second, &[0, 1, 2], "");
    }
    let merged = Evidence {
        generated: tests("1100 1111 0000"),
        multiplicity: vec![3, 1, 1],
        ..candidates(3)
    };
    check("codet:a=1,b=1", &merged, &[0], "");
    check("b4:axy=1e3,b0=1e4", &merged, &[1], "");
}

#[test]
fn no_candidates_and_no_programs_abstain() {
    for rule in Rule::ALL {
        let empty = Evidence {
            visible: Some(vec![]),
            generated: Some(vec![]),
            outputs: Some(vec![]),
            scores: vec![vec![]; 3],
            ..Evidence::default()
        };
        check(&rule.to_string(), &empty, &[], "abstained: no candidates");
        let nothing = Evidence {
            programs: vec![None, None],
            visible: tests("1 1"),
            generated: tests("1 1"),
            outputs: outputs("a a"),
            scores: vec![scores("1 2"); 3],
            ..Evidence::default()
        };
        check(&rule.to_string(), &nothing, &[], "abstained: no candidate has a valid program");
    }
}

#[test]
fn baselines() {
    let evidence =
        Evidence { programs: vec![None, Some(7), Some(3), Some(7)], ..Evidence::default() };
    check("first", &evidence, &[1], "");
    check("random", &evidence, &[1, 2, 3], "");
    check("shortest", &evidence, &[2], "");
    check("longest", &evidence, &[1, 3], "");
}

#[test]
fn missing_input_is_an_error_that_says_what_to_do() {
    let bare = candidates(2);
    check_error(
        "max_pass",
        &bare,
        "rule max_pass needs verdicts on generated tests, which the evidence lacks; provide them \
         or choose another rule",
    );
    check_error(
        "weighted_verifiers",
        &Evidence { scores: vec![scores("1 2"); 2], ..bare.clone() },
        "rule weighted_verifiers needs the scores of 3 scorers, which the evidence lacks; provide \
         them or choose another rule",
    );
    check_error(
        "weighted_verifiers:weights=1/1/1/1",
        &Evidence { scores: vec![scores("1 2"); 3], ..bare.clone() },
        "rule weighted_verifiers has 4 weights for 3 scorers; give one each",
    );
    check_error(
        "first",
        &Evidence { generated: tests("1"), ..bare },
        "generated has 1 entries for 2 candidates; give one per candidate",
    );
    for rule in Rule::ALL {
        let lacking = select(&rule, &candidates(2), 0).is_err();
        assert_eq!(lacking, !rule.needs().is_empty(), "{rule}");
    }
    let wrong = Rule::Codet { a: f64::NAN, b: 1.0 };
    assert!(matches!(select(&wrong, &candidates(2), 0), Err(SelectError::Rule(_))));
}

#[test]
fn a_problem_without_visible_tests_is_passed_by_all() {
    let evidence = Evidence {
        visible: tests(". . ."),
        generated: tests("0 1 1"),
        scores: vec![scores("1 3 2")],
        ..candidates(3)
    };
    check("public_filter", &evidence, &[0, 1, 2], "no visible tests");
    check("max_pass", &evidence, &[1, 2], "no visible tests");
    check("rm_within_passing", &evidence, &[1], "no visible tests");
}

#[test]
fn when_nobody_passes_the_visible_tests_the_best_go_on_unverified() {
    let unverified = "unverified: no candidate is known to pass every visible test";
    let evidence = Evidence {
        visible: tests("100 110 011 101"),
        outputs: outputs("x x y x"),
        scores: vec![scores("9 1 2 0")],
        ..candidates(4)
    };
    let agreed = format!("{unverified}; decided by agreement of outputs");
    check("public_filter", &evidence, &[1, 3], &agreed);
    check("rm_within_passing", &evidence, &[2], unverified);
    let silent = Evidence { outputs: None, ..evidence };
    check("public_filter", &silent, &[1, 2, 3], unverified);
}

#[test]
fn the_visible_filter_comes_first_where_there_is_one() {
    let evidence = Evidence {
        visible: tests("11 11 10 10 10"),
        generated: tests("10 00 11 11 11"),
        outputs: outputs("a a b b b"),
        scores: vec![scores("1 2 3 4 5"); 3],
        ..candidates(5)
    };
    check("public_filter", &evidence, &[0, 1], "");
    check("max_pass", &evidence, &[0], "");
    check("mbr_exec", &evidence, &[0, 1], "");
    check("rm_within_passing", &evidence, &[1], "");
    check("rm_argmax", &evidence, &[4], "");
    let bare = Evidence { visible: None, ..evidence };
    check("max_pass", &bare, &[2, 3, 4], "");
    check("mbr_exec", &bare, &[2, 3, 4], "");
}

#[test]
fn generated_tests_that_separate_nobody_are_suspect() {
    let nothing = "no generated test tells the candidates apart";
    for rule in ["max_pass", "max_pass_consistency", "codet", "b4"] {
        for generated in ["000 000 000", "101 101 101", "??? ??? ???", ". . .", "1? 1? ??"] {
            let bare = Evidence { generated: tests(generated), ..candidates(3) };
            check(rule, &bare, &[0, 1, 2], nothing);
            let scored = Evidence { scores: vec![scores("1 - 3")], ..bare };
            check(rule, &scored, &[2], &format!("{nothing}; decided by score"));
            let agreeing = Evidence { outputs: outputs("ab ab bb"), ..scored };
            let note = format!("{nothing}; decided by agreement of outputs");
            check(rule, &agreeing, &[0, 1], &note);
        }
    }
    // Alone, there is nobody to be told apart from.
    check("max_pass", &Evidence { generated: tests("0"), ..candidates(1) }, &[0], "");
}

#[test]
fn who_passes_nothing_is_behind_in_codet() {
    let evidence = Evidence { generated: tests("000 000 000 000 000 100"), ..candidates(6) };
    check("codet:a=9,b=0.1", &evidence, &[5], "");
}

#[test]
fn identical_behavior_ties_everybody() {
    let evidence = Evidence {
        visible: tests("1 1 1"),
        generated: tests("10 10 10"),
        outputs: outputs("aa aa aa"),
        ..candidates(3)
    };
    for rule in ["public_filter", "mbr_exec", "alphacode_clusters", "output_vote"] {
        check(rule, &evidence, &[0, 1, 2], "");
    }
    check("max_pass", &evidence, &[0, 1, 2], "no generated test tells the candidates apart");
}

#[test]
fn failures_never_agree() {
    // The largest group fails everywhere; the last input is answered by nobody.
    let evidence = Evidence { outputs: outputs("--- --- --- ab- ab-"), ..candidates(5) };
    for rule in ["mbr_exec", "alphacode_clusters", "output_vote"] {
        check(rule, &evidence, &[3, 4], "");
    }
    // Equal up to a failure is not a cluster, whatever the multiplicity.
    let partly =
        Evidence { outputs: outputs("a- a- bb"), multiplicity: vec![4, 4, 1], ..candidates(3) };
    check("alphacode_clusters", &partly, &[2], "");
    check("mbr_exec", &partly, &[0, 1], "");
    for rule in ["mbr_exec", "alphacode_clusters", "output_vote"] {
        let silent = Evidence { outputs: outputs("-- --"), ..candidates(2) };
        check(rule, &silent, &[0, 1], "no candidate gives an output on any input");
    }
}

#[test]
fn an_input_with_two_majorities_counts_for_nobody() {
    let evidence = Evidence { outputs: outputs("ax ay bx bz"), ..candidates(4) };
    check("output_vote", &evidence, &[0, 2], "");
}

#[test]
fn missing_cells_are_neither_passes_nor_fails() {
    let evidence = Evidence { generated: tests("1? 10 11 ??"), ..candidates(4) };
    let choice = select(&Rule::MaxPass, &evidence, 0).unwrap();
    // The first test is passed by all who were run on it, hence says nothing.
    assert_eq!(choice.ranking, [vec![2], vec![0, 3], vec![1]]);
    let visible = Evidence { visible: tests("1? 10 11 ??"), ..candidates(4) };
    let choice = select(&Rule::PublicFilter, &visible, 0).unwrap();
    assert_eq!(choice.ranking, [vec![2], vec![0], vec![1, 3]]);
    // A row that is not fully known is not known to agree with either.
    let rows = Evidence { generated: tests("1?0 1?0 100 110 001"), ..candidates(5) };
    check("max_pass_consistency", &rows, &[3], "");
}

#[test]
fn candidates_without_program_rank_last_and_count_nowhere() {
    let evidence = Evidence {
        programs: vec![None, None, None, Some(4), Some(5)],
        generated: tests("11 11 11 00 10"),
        outputs: outputs("a a a b c"),
        scores: vec![scores("9 9 9 0 -1")],
        ..Evidence::default()
    };
    check("max_pass", &evidence, &[4], "");
    check("mbr_exec", &evidence, &[3, 4], "");
    let choice = select(&Rule::RmArgmax, &evidence, 0).unwrap();
    assert_eq!(choice.ranking, [vec![3], vec![4], vec![0, 1, 2]]);
}

#[test]
fn candidates_without_a_score() {
    let some = Evidence { scores: vec![scores("- -5 -")], ..candidates(3) };
    check("rm_argmax", &some, &[1], "");
    let none = Evidence { scores: vec![scores("- -"); 3], ..candidates(2) };
    check("rm_argmax", &none, &[], "abstained: no candidate has a score");
    check("weighted_verifiers", &none, &[], "abstained: no candidate has a score");
}

#[test]
fn the_hybrid_looks_at_scores_tests_and_scores() {
    let evidence = Evidence {
        visible: tests("1 1 1 0 1 1"),
        generated: tests("00 01 01 11 11 11"),
        scores: vec![scores("6 5 4 3 2 1")],
        ..candidates(6)
    };
    check("hybrid_lexi", &evidence, &[1], "");
    check("hybrid_lexi:keep_min=1,keep_fraction=0.1", &evidence, &[0], "");
    check("hybrid_lexi:keep_fraction=1", &evidence, &[4], "");
    // Equals at the cut stay together.
    let equal = Evidence { scores: vec![scores("6 5 4 4 4 4")], visible: None, ..evidence };
    let choice = select(&"hybrid_lexi".parse().unwrap(), &equal, 0).unwrap();
    assert_eq!(choice.ranking, [vec![3, 4, 5], vec![1], vec![0], vec![2]]);
    let nobody = Evidence { visible: tests("0 0 0 0 0 0"), ..equal };
    let note = "unverified: no candidate is known to pass every visible test";
    check("hybrid_lexi", &nobody, &[3, 4, 5], note);
}

#[test]
fn verifiers_vote_by_halves() {
    let evidence = Evidence {
        scores: vec![scores("0 1 0.4"), scores("-7 -7 -7"), scores("100 0 -"), scores("1 0 0.9")],
        ..candidates(3)
    };
    check("weighted_verifiers", &evidence, &[0], "");
    check("weighted_verifiers:weights=3/1/1/1", &evidence, &[1], "");
    check("weighted_verifiers:weights=1/1/0/1", &evidence, &[0, 1, 2], "");
}

#[test]
fn clusters_submit_one_each_and_around_again() {
    let evidence = Evidence {
        outputs: outputs("a b a c b a -"),
        programs: vec![Some(1); 7],
        multiplicity: vec![1, 1, 1, 1, 1, 1, 9],
        ..Evidence::default()
    };
    let submitted = |k| {
        let choice = select(&Rule::AlphacodeClusters { k }, &evidence, 3).unwrap();
        choice
            .submissions
            .into_iter()
            .map(|i| ["a", "b", "a", "c", "b", "a", "-"][i])
            .collect::<String>()
    };
    assert_eq!(submitted(1), "a");
    assert_eq!(submitted(10), "abc-aba");
    assert_eq!(submitted(5), "abc-a");
}

#[test]
fn the_pick_among_equals_is_uniform_over_samples() {
    let evidence = Evidence { multiplicity: vec![1, 3, 2], ..candidates(3) };
    let mut picked = [0; 3];
    for seed in 0..6_000 {
        picked[select(&Rule::Random, &evidence, seed).unwrap().chosen.unwrap()] += 1;
    }
    let near = |found: i32, expected: i32| (found - expected).abs() < 150;
    assert!(
        near(picked[0], 1_000) && near(picked[1], 3_000) && near(picked[2], 2_000),
        "{picked:?}"
    );
}
