use std::num::NonZeroUsize;

use codescaler::{candidate::Candidate, problem::Problem};
use codescaler_nn::TooLong;
use expect_test::{Expect, expect};
use serde_json::json;

use super::*;

fn problem(id: &str, statement: &str) -> Problem {
    serde_json::from_value(json!({
        "id": id, "statement": statement, "language": "python",
        "entry": {"kind": "function", "name": "f"},
    }))
    .unwrap()
}

fn candidate(problem: &Problem, index: u32, completion: &str) -> Candidate {
    serde_json::from_value(json!({
        "problem": problem.id, "index": index, "completion": completion, "language": "python",
    }))
    .unwrap()
}

/// Two problems by turns, one answer without a program.
fn items() -> Vec<(Problem, Candidate)> {
    let problems =
        [problem("add", "Return the sum of a and b."), problem("neg", "Return minus a.")];
    let completions = [
        "```python\ndef f(a, b):\n    return a + b\n```",
        "```python\ndef f(a):\n    return -a\n```",
        "I do not know.",
        "```python\ndef f(a):\n    return a - 1\n```",
        "```python\ndef f(a, b):\n    return a * b\n```",
    ];
    let of = |(index, completion): (usize, &&str)| {
        let problem = problems[index % 2].clone();
        let candidate = candidate(&problem, index as u32, completion);
        (problem, candidate)
    };
    completions.iter().enumerate().map(of).collect()
}

fn scored(scorer: &Scorer, items: &[Item<'_>]) -> Vec<Scored> {
    let mut all = Vec::new();
    let end = scorer.score(items, Policy::BestValid, &mut |step| {
        if let Step::Scored(scored, _) = step {
            all.push(scored);
        }
        ControlFlow::<()>::Continue(())
    });
    assert!(end.unwrap().is_continue());
    all
}

const SOURCES: [Source<'static>; 3] = [Source::Joint, Source::Decoder, Source::Linear];

#[test]
fn records_come_in_order_and_are_the_same_alone() {
    let owned = items();
    let items: Vec<Item<'_>> = owned.iter().map(|(problem, of)| (problem, of)).collect();
    for source in SOURCES {
        let scorer = Scorer::open(source, &DecoderOptions::default()).unwrap();
        let all = scored(&scorer, &items);
        let alone: Vec<Scored> =
            items.iter().flat_map(|item| scored(&scorer, std::slice::from_ref(item))).collect();
        assert_eq!(all, alone, "{}", scorer.name());
        assert_eq!(all.iter().map(|s| s.index).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        let invalid = Outcome::Invalid("no program in the text");
        assert_eq!(Outcome::from(&all[2]), invalid, "{}", scorer.name());
        assert_eq!(all.iter().filter(|s| s.score.is_some()).count(), 4);
    }
}

#[test]
fn a_break_ends_the_work_and_comes_back() {
    let owned = items();
    let items: Vec<Item<'_>> = owned.iter().map(|(problem, of)| (problem, of)).collect();
    for source in SOURCES {
        let scorer = Scorer::open(source, &DecoderOptions::default()).unwrap();
        let mut n_scored = 0;
        let end = scorer.score(&items, Policy::BestValid, &mut |step| match step {
            Step::Scored(scored, _) if scored.index == 1 => ControlFlow::Break("enough"),
            Step::Scored(..) => {
                n_scored += 1;
                ControlFlow::Continue(())
            }
            Step::Working => ControlFlow::Continue(()),
        });
        assert_eq!(end.unwrap(), ControlFlow::Break("enough"));
        assert_eq!(n_scored, 1, "{}", scorer.name());
    }
}

#[test]
fn the_joint_score_is_what_its_members_say_alone() {
    let owned = items();
    let items: Vec<Item<'_>> = owned.iter().map(|(problem, of)| (problem, of)).collect();
    let options = DecoderOptions::default();
    let scores = |scorer: &Scorer| -> Vec<Option<f32>> {
        scored(scorer, &items).iter().map(|s| s.score.map(Score::get)).collect()
    };
    let mut sums = vec![0.0; items.len()];
    let mut add = |scorer: &Scorer, share: f64| {
        for (sum, score) in sums.iter_mut().zip(scores(scorer)) {
            *sum += share as f32 * score.unwrap_or(f32::NAN);
        }
    };
    for (directory, share) in IN_THE_BOX {
        let decoder = Decoder::open(&[(directory, 1.0)], &options).unwrap();
        add(&Scorer::Decoder(Box::new(decoder)), share);
    }
    add(&Scorer::open(Source::Linear, &options).unwrap(), JOINT_LINEAR);
    let joint = Scorer::open(Source::Joint, &options).unwrap();
    assert_eq!(joint.provenance(Policy::BestValid)["shares"], json!([0.2, 0.12, 0.12, 0.2]));
    for (score, sum) in scores(&joint).into_iter().zip(sums) {
        assert!(score.map_or(sum.is_nan(), |score| (score - sum).abs() < 1e-5), "{score:?} {sum}");
    }
}

#[test]
fn too_long_is_not_invalid() {
    let problem = problem("long", &"word ".repeat(400));
    let answer = candidate(&problem, 0, "```python\ndef f():\n    pass\n```");
    let options = DecoderOptions {
        tokens_max: NonZeroUsize::new(128),
        too_long: Some(TooLong::Error),
        ..DecoderOptions::default()
    };
    let scorer = Scorer::open(Source::Joint, &options).unwrap();
    let all = scored(&scorer, &[(&problem, &answer)]);
    assert!(matches!(Outcome::from(&all[0]), Outcome::TooLong(_)), "{all:?}");
}

#[track_caller]
fn check(source: Source<'_>, options: &DecoderOptions, expect: Expect) {
    let error = Scorer::open(source, options).err().unwrap();
    expect.assert_eq(&error.to_string());
}

#[test]
fn what_does_not_open() {
    let options = DecoderOptions { too_long: Some(TooLong::Error), ..DecoderOptions::default() };
    check(
        Source::Linear,
        &options,
        expect!["too_long is for decoders, but the linear reward model scores here"],
    );
    let none = DecoderOptions::default();
    // That there is nothing is said first, whatever it would have been.
    for options in [&none, &options] {
        check(Source::Path(Path::new("none")), options, expect!["cannot open none"]);
    }
    check(Source::Path(Path::new("src")), &none, expect!["src is no usable reward model"]);
    check(
        Source::Path(Path::new("Cargo.toml")),
        &none,
        expect!["cannot use the reward model Cargo.toml"],
    );
}
