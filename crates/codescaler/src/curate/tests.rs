//! Properties of the draw on random pools, and tables for the rest.

use proptest::prelude::*;

use super::{export::Form, *};
use crate::problem::{Entry, Limits, Meta, Tests};

fn problem(id: &str, statement: &str, entry: Entry) -> Problem {
    Problem {
        id: id.to_owned(),
        statement: statement.to_owned(),
        starter: String::new(),
        prelude: String::new(),
        language: Language::Python,
        entry,
        tests: Tests::default(),
        limits: Limits::default(),
        meta: Meta::default(),
        extra: Extra::new(),
    }
}

fn verified(index: u32, source: &str, right: bool, program: &str) -> Verified {
    Verified {
        index,
        program: program.to_owned(),
        source: source.to_owned(),
        count: 1,
        right,
        rate: None,
        passes_visible: None,
        digest: token_digest(program, Language::Python),
    }
}

/// Author, whether right, length, tenths of the tests passed.
type Drawn = (u8, bool, u8, u8);

/// Problems whose statements share no word.
fn problems(n: usize) -> Vec<Problem> {
    let statement =
        |at: usize| (0..20).map(|word| format!("word{at}x{word}")).collect::<Vec<_>>().join(" ");
    (0..n).map(|at| problem(&format!("p{at}"), &statement(at), Entry::Stdio)).collect()
}

fn pools<'a>(problems: &'a [Problem], drawn: &[Vec<Drawn>]) -> Vec<Pool<'a>> {
    let program = |at: usize, (place, &(author, right, length, tenths)): (usize, &Drawn)| {
        let text = format!("print({at}, {place}{})", "1".repeat(usize::from(length)));
        let source = ["a", "b", "c", ""][usize::from(author)];
        let mut program = verified(place as u32, source, right, &text);
        program.rate = (!right).then_some(f64::from(tenths) / 10.0);
        program
    };
    let of = |(at, programs): (usize, &Vec<Drawn>)| Pool {
        problem: &problems[at],
        language: Language::Python,
        programs: programs.iter().enumerate().map(|entry| program(at, entry)).collect(),
    };
    drawn.iter().enumerate().map(of).collect()
}

fn any_pools() -> impl Strategy<Value = Vec<Vec<Drawn>>> {
    let program = (0_u8..4, any::<bool>(), 0_u8..4, 0_u8..10);
    prop::collection::vec(prop::collection::vec(program, 0..12), 1..6)
}

fn any_options() -> impl Strategy<Value = PairOptions> {
    let near = prop::option::of((0.0..1.0_f64).prop_map(|share| NearMiss { share, rate_min: 0.5 }));
    let sources = prop_oneof![
        Just(SourceBalance::Balanced),
        Just(SourceBalance::Matched),
        Just(SourceBalance::Any)
    ];
    let rule = prop_oneof![Just(Rule::AllAny), Just(Rule::Margin)];
    let caps = (1_u32..9, 1_u32..5, prop_oneof![Just(usize::MAX), 0..20_usize]);
    (near, sources, rule, caps, (any::<bool>(), any::<u64>())).prop_map(
        |(near_miss, sources, rule, (problem_max, program_max, pairs_max), (lengths, seed))| {
            PairOptions {
                rule,
                sources,
                balance_lengths: lengths,
                near_miss,
                unaligned_share: 0.5,
                pairs_per_problem_max: problem_max,
                pairs_per_program_max: program_max,
                pairs_max,
                seed,
            }
        },
    )
}

fn count<K: Ord>(keys: impl Iterator<Item = K>) -> BTreeMap<K, u32> {
    keys.fold(BTreeMap::new(), |mut counts, key| {
        *counts.entry(key).or_default() += 1;
        counts
    })
}

proptest! {
    #[test]
    fn pairs_are_admitted_distinct_and_within_caps(
        drawn in any_pools(), options in any_options(),
    ) {
        let problems = problems(drawn.len());
        let pools = pools(&problems, &drawn);
        let Curated { preferences, report } = pairs(&pools, &options);
        prop_assert_eq!(&preferences, &pairs(&pools, &options).preferences);
        let (aligned, unaligned): (Vec<_>, Vec<_>) =
            preferences.iter().partition(|preference| preference.rule != UNALIGNED);
        prop_assert_eq!(aligned.len() as u64, report.drawn.pairs);
        prop_assert!(aligned.len() <= options.pairs_max);
        prop_assert!(unaligned.len() as f64 <= (aligned.len() as f64 * 0.5).round());
        let of = |side: &Side| (side.problem.clone(), side.index);
        for preference in &aligned {
            prop_assert_eq!(&preference.rejected.problem, &preference.problem);
            let pool = &pools[problems.iter().position(|p| p.id == preference.problem).unwrap()];
            let [chosen, rejected] = [&preference.chosen, &preference.rejected]
                .map(|side| &pool.programs[side.index as usize]);
            prop_assert!(options.rule.prefers(chosen, rejected));
            prop_assert!(options.sources == SourceBalance::Any || !chosen.source.is_empty());
        }
        for preference in &unaligned {
            prop_assert_ne!(&preference.rejected.problem, &preference.problem);
        }
        for pairs in [&aligned, &unaligned] {
            let per_problem = count(pairs.iter().map(|preference| &preference.problem));
            prop_assert!(per_problem.values().all(|&n| n <= options.pairs_per_problem_max));
            let sides = pairs.iter().flat_map(|preference| [&preference.chosen, &preference.rejected]);
            prop_assert!(count(sides.map(of)).values().all(|&n| n <= options.pairs_per_program_max));
            let distinct =
                count(pairs.iter().map(|p| (of(&p.chosen), of(&p.rejected))));
            prop_assert!(distinct.values().all(|&n| n == 1));
        }
    }

    /// Of every two authors each wins as often as the other; the longer program wins as often as
    /// the shorter, also within every two authors.
    #[test]
    fn balanced_pairs_tell_nothing_of_author_and_length(
        drawn in any_pools(), options in any_options(),
    ) {
        let options = PairOptions { sources: SourceBalance::Balanced, ..options };
        let problems = problems(drawn.len());
        let pools = pools(&problems, &drawn);
        let Curated { preferences, report } = pairs(&pools, &options);
        prop_assert_eq!(report.drawn.won_by_author, report.drawn.pairs as f64 / 2.0);
        let aligned = || preferences.iter().filter(|preference| preference.rule != UNALIGNED);
        let wins = count(aligned().map(|p| (&p.chosen.source, &p.rejected.source)));
        for ((winner, loser), n) in &wins {
            prop_assert_eq!(wins.get(&(*loser, *winner)), Some(n));
        }
        for source in report.sources.values() {
            prop_assert_eq!(source.chosen, source.rejected);
        }
        if options.balance_lengths {
            prop_assert_eq!(report.drawn.longer, report.drawn.shorter);
            prop_assert!(report.unaligned.longer.abs_diff(report.unaligned.shorter) <= 1);
        }
        for preference in preferences.iter().filter(|preference| preference.rule == UNALIGNED) {
            prop_assert_eq!(&preference.chosen.source, &preference.rejected.source);
        }
    }

    /// Pairs come back in whole units; their labels and authors stay.
    #[test]
    fn augmented_pairs_are_as_balanced(drawn in any_pools(), options in any_options(), share in 0.0..1.0_f64) {
        let options = PairOptions { sources: SourceBalance::Balanced, ..options };
        let problems = problems(drawn.len());
        let preferences = pairs(&pools(&problems, &drawn), &options).preferences;
        let rewrite = |(side, _): (&Side, Language), seed: u64| {
            let program = format!("{}  # {seed}", side.program);
            (side.index != 3).then(|| Side { program, ..side.clone() })
        };
        let made = augmented(&preferences, share, 5, rewrite);
        prop_assert_eq!(&made, &augmented(&preferences, share, 5, rewrite));
        prop_assert!(made.len() as f64 <= (preferences.len() as f64 * share).round());
        let wins = count(made.iter().map(|p| (&p.chosen.source, &p.rejected.source)));
        for ((winner, loser), n) in &wins {
            prop_assert_eq!(wins.get(&(*loser, *winner)), Some(n));
        }
        prop_assert!(made.iter().all(|p| p.chosen.index != 3 && p.chosen.program.contains("  # ")));
    }

    /// What is asked is drawn as long as there is any: pairs as they come use up all room.
    #[test]
    fn pairs_as_they_come_are_all_drawn(drawn in any_pools(), options in any_options()) {
        let options = PairOptions {
            sources: SourceBalance::Any,
            balance_lengths: false,
            pairs_per_problem_max: u32::MAX,
            pairs_per_program_max: u32::MAX,
            pairs_max: usize::MAX,
            ..options
        };
        let problems = problems(drawn.len());
        let pools = pools(&problems, &drawn);
        let report = pairs(&pools, &options).report;
        prop_assert_eq!(report.drawn, report.available);
    }

    #[test]
    fn deduplicating_twice_changes_nothing(drawn in any_pools()) {
        let problems = problems(drawn.len());
        let mut once = pools(&problems, &drawn);
        // Programs of one length are alike.
        for program in once.iter_mut().flat_map(|pool| &mut pool.programs) {
            program.digest = program.program.len() as u64;
        }
        let before: usize = once.iter().map(|pool| pool.programs.len()).sum();
        let dropped = deduplicate(&mut once);
        let kept: Vec<Vec<Verified>> = once.iter().map(|pool| pool.programs.clone()).collect();
        let n_kept: usize = kept.iter().map(Vec::len).sum();
        prop_assert_eq!(before as u64, n_kept as u64 + dropped.repeated + dropped.contradicting);
        prop_assert_eq!(deduplicate(&mut once), Duplicates::default());
        for (pool, kept) in once.iter().zip(&kept) {
            prop_assert_eq!(&pool.programs, kept);
            let digests = count(kept.iter().map(|program| program.digest));
            prop_assert!(digests.values().all(|&n| n == 1));
        }
    }
}

#[test]
fn near_misses_get_their_share() {
    let problems = problems(1);
    let mut drawn = vec![(0, true, 0, 0)];
    drawn.extend((0..20).map(|at| (0, false, 0, if at < 10 { 9 } else { 1 })));
    let options = |share| PairOptions {
        near_miss: Some(NearMiss { share, rate_min: 0.5 }),
        balance_lengths: false,
        pairs_per_program_max: 10,
        ..PairOptions::default()
    };
    for (share, expected) in [(0.0, 0), (0.3, 3), (0.5, 5), (1.0, 10)] {
        let report = pairs(&pools(&problems, &[drawn.clone()]), &options(share)).report;
        assert_eq!((report.drawn.pairs, report.drawn.near_misses), (10, expected), "{share}");
    }
}

/// Pass rates of two wrong programs, `None` for a right one.
#[track_caller]
fn check_margin(chosen: Option<f64>, rejected: Option<f64>, expected: bool) {
    let program = |rate: Option<f64>| {
        let mut program = verified(0, "a", rate.is_none(), "x");
        program.rate = rate;
        program
    };
    assert_eq!(Rule::Margin.prefers(&program(chosen), &program(rejected)), expected);
}

#[test]
fn margins_are_acecoders() {
    check_margin(None, Some(0.6), true);
    check_margin(None, Some(0.61), false);
    check_margin(Some(0.8), Some(0.4), true);
    check_margin(Some(0.79), Some(0.1), false);
    check_margin(None, Some(0.0), false);
    check_margin(Some(0.9), None, false);
}

#[test]
fn an_unaligned_program_is_called_by_the_name_asked_for() {
    let entry = |name: &str| Entry::Function { name: name.to_owned() };
    let a = problem("a", "Add the two numbers and return what comes out of it.", entry("add"));
    let b = problem("b", "Find the largest of all elements, whatever their order.", entry("top"));
    let pool = |problem, programs| Pool { problem, language: Language::Python, programs };
    let pools = [
        pool(
            &a,
            vec![
                verified(0, "x", true, "def add(a, b): return a + b"),
                verified(1, "x", false, "def add(a, b): return a - b"),
            ],
        ),
        pool(&b, vec![verified(0, "x", true, "def top(tops): return max(tops)  # top")]),
    ];
    let options =
        PairOptions { unaligned_share: 1.0, balance_lengths: false, ..PairOptions::default() };
    let preferences = pairs(&pools, &options).preferences;
    assert_eq!(preferences.len(), 2);
    assert_eq!(preferences[1].rule, UNALIGNED);
    assert_eq!(preferences[1].rejected.problem, "b");
    assert_eq!(preferences[1].rejected.program, "def add(tops): return max(tops)  # add");
}

#[test]
fn tokens_tell_programs_apart_where_there_is_no_tree() {
    let alike =
        |a: &str, b: &str| token_digest(a, Language::Python) == token_digest(b, Language::Python);
    assert!(alike("x = 1 # one\n", "x=1\n\n"));
    assert!(!alike("x = 1", "y = 1"));
    assert!(!alike("if x:\n    y()\nz()", "if x:\n    y()\n    z()"));
    assert!(!alike("ab c", "a bc"));
}

#[test]
fn overlap_is_a_share_of_the_shorter_statement() {
    let mut overlap = Overlap::new(3);
    overlap.add("short", "Print the sum.");
    overlap.add("long", "one two three four five six seven");
    assert_eq!(overlap.most("print THE sum!"), Some((1.0, "short")));
    assert_eq!(overlap.most("Read, then print the sum of all."), Some((1.0, "short")));
    assert_eq!(overlap.most("zero one two three four zero zero zero"), Some((0.4, "long")));
    assert_eq!(overlap.most("print sum the"), None);
    assert_eq!(overlap.most(""), None);
    assert_eq!(statement_digest("A, b."), statement_digest("a b"));
}

#[test]
fn rows_have_the_forms_of_trl() {
    let problems = problems(1);
    let pools = pools(&problems, &[vec![(0, true, 1, 0), (0, false, 1, 5)]]);
    let options = PairOptions { unaligned_share: 0.0, ..PairOptions::default() };
    let preference = &pairs(&pools, &options).preferences[0];
    let row = |form| export::row(preference, &problems[0], form);
    let text = row(Form::TrlExplicitText);
    assert_eq!(text["prompt"], problems[0].statement);
    assert_eq!(text["chosen"], "print(0, 01)");
    assert_eq!(text["rejected"], "print(0, 11)");
    assert_eq!(text["rejected_pass_rate"], 0.5);
    let message = |role: &str, content: &serde_json::Value| serde_json::json!({"role": role, "content": content});
    let explicit = row(Form::TrlExplicit);
    assert_eq!(explicit["prompt"], serde_json::json!([message("user", &text["prompt"])]));
    assert_eq!(explicit["chosen"], serde_json::json!([message("assistant", &text["chosen"])]));
    let implicit = row(Form::TrlImplicit);
    assert!(implicit.get("prompt").is_none());
    assert_eq!(
        implicit["rejected"],
        serde_json::json!([
            message("user", &text["prompt"]),
            message("assistant", &text["rejected"])
        ])
    );
}
