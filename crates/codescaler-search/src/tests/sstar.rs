//! S*'s second stage against its definition, written out for judges of every quality.

use std::collections::BTreeMap;

use codescaler::seed::digest;
use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::world::{Judge, World, chosen, output, play, text, watch};
use crate::{Budget, Chat, Prompt, Prompts, Question};

/// What a judge says of two programs in this order: points of the first and of the second.
fn says(judge: Judge, first: u32, second: u32) -> Option<[f64; 2]> {
    match judge {
        Judge::Mute => None,
        Judge::First => Some([1.0, 0.0]),
        Judge::Perfect if first == 0 => Some([1.0, 0.0]),
        Judge::Perfect if second == 0 => Some([0.0, 1.0]),
        Judge::Wavering if first > second => Some([1.0, 0.0]),
        Judge::Wavering if (second - first).is_multiple_of(2) => Some([0.0, 1.0]),
        Judge::Perfect | Judge::Wavering => Some([0.5, 0.5]),
    }
}

/// The programs that may be chosen (arXiv:2502.14382, algorithm 2): those of most points, where two
/// programs get theirs only if the judge says the same in both orders; of these, the ones that most
/// samples are.
fn may_be_chosen(passing: &[u32], judge: Judge) -> Vec<u32> {
    let mut sizes: BTreeMap<u32, usize> = BTreeMap::new();
    for &program in passing {
        *sizes.entry(program).or_default() += 1;
    }
    let points = |program: u32| -> f64 {
        let against =
            |&other: &u32| match (says(judge, program, other), says(judge, other, program)) {
                (Some(here), Some([there, own])) if here == [own, there] => here[0],
                _ => 0.0,
            };
        sizes.keys().filter(|&&other| other != program).map(against).sum()
    };
    let most = sizes.keys().map(|&program| points(program)).fold(f64::NEG_INFINITY, f64::max);
    let best: Vec<u32> = sizes.keys().copied().filter(|&program| points(program) == most).collect();
    let largest = best.iter().map(|program| sizes[program]).max().unwrap_or(0);
    best.into_iter().filter(|program| sizes[program] == largest).collect()
}

#[test]
fn the_second_stage_is_its_definition() {
    let judges = [Judge::Perfect, Judge::First, Judge::Mute, Judge::Wavering];
    let drafts = proptest::collection::vec(prop_oneof![Just(0_u32), 0..8_u32, 0..256_u32], 1..8);
    proptest!(|(drafts in drafts, visible in 0..3_i64, at in 0..judges.len())| {
        let world = World { judge: judges[at], ..World::new(&drafts, visible) };
        let method = format!("sstar:n={};rounds=1", drafts.len());
        let (solved, _) = play(&method, &world, Budget::default(), 0);
        let passes = |k: &u32| (0..visible).all(|x| output(*k, x) == x);
        let passing: Vec<u32> = drafts.iter().copied().filter(passes).collect();
        prop_assume!(!passing.is_empty());
        let mut found: Vec<u32> = solved
            .outcome
            .ties
            .iter()
            .map(|&at| solved.outcome.candidates[at].expect("a tie has a program"))
            .map(|slot| (0..256).find(|&k| digest(text(k).as_bytes()) == slot).expect("one of ours"))
            .collect();
        found.sort_unstable();
        found.dedup();
        prop_assert_eq!(found, may_be_chosen(&passing, judges[at]));
    });
}

/// What is asked, the conversations that judges get, and the choice.
#[track_caller]
fn check(method: &str, world: &World, expected: &Expect) {
    let prompts = Prompts::new(&BTreeMap::from([("judge".to_owned(), BRIEF.to_owned())])).unwrap();
    let mut told = Vec::new();
    let (solved, asked) = watch(method, world, (Budget::default(), 0), &mut |engine, work| {
        if let Question::Chat(Chat { prompt: prompt @ Prompt::Judge { .. }, .. }) = &work.question {
            let (task, known) = (engine.task(work.problem), engine.known(work.problem));
            let messages = prompts.render(prompt, task, known).unwrap();
            told.extend(messages.into_iter().map(|message| message.text));
        }
    });
    let asked: Vec<String> = asked.iter().map(|(what, n)| format!("{what} {n}")).collect();
    let chosen = chosen(&solved).map_or("none".to_owned(), |program| program.to_string());
    expected.assert_eq(&format!("{}\n{}\n-> {chosen}\n", asked.join(", "), told.join("\n")));
}

/// A judge's prompt on a line.
const BRIEF: &str = "{{ programs[0].text }} | {{ programs[1].text }}\
                     {% for case in cases %} | {{ case.input }}: {{ case.outputs | join(' ') }}{% endfor %}";

#[test]
fn changed_inputs_are_shown_to_the_judge() {
    let world = World::new(&[16, 0, 48], 4);
    let method = "sstar:n=3;rounds=1;inputs=mutated;separating=2";
    check(
        method,
        &world,
        &expect![[r#"
        draft 3, judge 6, run inputs 3, run visible 3
        program 16 | program 0 | 4: 116 4
        program 0 | program 16 | 4: 4 116
        program 16 | program 48 | 4: 116 148 | 5: 5 148
        program 48 | program 16 | 4: 148 116 | 5: 148 5
        program 0 | program 48 | 4: 4 148 | 5: 5 148
        program 48 | program 0 | 4: 148 4 | 5: 148 5
        -> 0
    "#]],
    );
    check(
        &format!("{method};released=true"),
        &World { drafts: vec![Some(0), Some(48)], ..world.clone() },
        &expect![[r#"
            draft 3, judge 2, run inputs 2, run visible 2
            program 0 | program 48 | 4: 4 148 | 5: 5 148
            program 48 | program 0 | 4: 148 4 | 5: 148 5
            -> 0
        "#]],
    );
    // Nothing is shown that could be changed: the judge reads code, and still nobody is asked.
    check(
        method,
        &World { visible: 0, ..world },
        &expect![[r#"
        draft 3, judge 6
        program 16 | program 0
        program 0 | program 16
        program 16 | program 48
        program 48 | program 16
        program 0 | program 48
        program 48 | program 0
        -> 0
    "#]],
    );
}
