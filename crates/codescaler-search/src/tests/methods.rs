//! What each method asks and chooses.

use codescaler::reasoning::Why;
use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::world::{INPUTS, Judge, World, chosen, output, play};
use crate::{Budget, Method, PRESETS};

/// The chosen program, what was asked, and the notes.
#[track_caller]
fn check(method: &str, world: &World, expected: &Expect) {
    let (solved, asked) = play(method, world, Budget::default(), 0);
    for order in 1..4 {
        let again = play(method, world, Budget::default(), order);
        assert_eq!((&again.0.outcome, &again.1), (&solved.outcome, &asked), "whatever comes first");
    }
    let asked: Vec<String> = asked.iter().map(|(what, n)| format!("{what} {n}")).collect();
    let chosen = chosen(&solved).map_or("none".to_owned(), |program| program.to_string());
    let notes = solved.outcome.notes.join("; ");
    expected.assert_eq(&format!("{chosen} | {} | {notes}", asked.join(", ")));
}

#[test]
fn best_of() {
    let world = World::new(&[3, 0, 4, 4], 1);
    check("sample", &world, &expect!["3 | draft 1 | "]);
    check("codescaler:n=4", &world, &expect!["0 | draft 4, score 3 | "]);
    check("codescaler_run:n=4", &world, &expect!["0 | draft 4, run visible 3, score 3 | "]);
    check("output_vote:n=4", &world, &expect!["4 | draft 4, run inputs 3, run visible 3 | "]);
    check(
        "mbr_exec:n=4",
        &world,
        &expect!["4 | draft 4, inputs 1, run inputs 3, run visible 3 | "],
    );
    check(
        "alphacode:n=4",
        &world,
        &expect!["4 | draft 4, inputs 1, run inputs 3, run visible 3 | "],
    );
    check(
        "coderm:n=4;tests=4",
        &world,
        &expect![
            "0 | draft 4, run tests 3, run visible 3, tests 4 | no generated test tells the candidates apart"
        ],
    );
    check(
        "cure:n=4;tests=2;per_reply=8",
        &world,
        &expect!["0 | draft 4, run tests 3, run visible 3, tests 2 | "],
    );
    check(
        "codet:n=4;tests=1;per_reply=8",
        &world,
        &expect!["0 | draft 4, run tests 3, run visible 3, tests 1 | "],
    );
    check(
        "b4:n=4;tests=1;per_reply=8",
        &world,
        &expect!["0 | draft 4, run tests 3, run visible 3, tests 1 | "],
    );
    check(
        "r2e_hybrid:n=4;tests=1",
        &world,
        &expect!["0 | draft 4, run tests 3, run visible 3, score 3, tests 1 | "],
    );
    check("multi_temperature:n=4", &world, &expect!["4 | draft 4, run inputs 3, run visible 3 | "]);
    // Nothing that needs a program has one.
    let nobody = World { drafts: vec![None], ..world };
    check(
        "codescaler:n=2",
        &nobody,
        &expect!["none | draft 2 | abstained: no candidate has a valid program"],
    );
    check(
        "coderm:n=2;tests=2",
        &nobody,
        &expect!["none | draft 2, tests 2 | abstained: no candidate has a valid program"],
    );
}

#[test]
fn votes() {
    // 3 fails the visible test. Wrong outputs of different programs differ.
    let world = World::new(&[3, 0, 4, 4, 20], 1);
    check(
        "weighted_vote:n=5",
        &world,
        &expect!["4 | draft 5, run inputs 4, run visible 4, score 4 | "],
    );
    check(
        "weighted_outputs:n=5",
        &world,
        &expect!["4 | draft 5, run inputs 4, run visible 4, score 4 | "],
    );
    check(
        "logprob_vote:n=5",
        &world,
        &expect![
            "4 | draft 5, run inputs 4, run visible 4 | no log-probabilities: each sample counts as one"
        ],
    );
    check(
        "rpc:n=5",
        &world,
        &expect![
            "4 | draft 5, run inputs 4, run visible 4 | no log-probabilities: each sample counts as one"
        ],
    );
    // The right one is likely, the others are not; one text drawn twice has its probability once.
    let known = World { logprob: |k| Some(if k == 0 { -0.1 } else { -1.0 }), ..world.clone() };
    check("logprob_vote:n=5", &known, &expect!["0 | draft 5, run inputs 4, run visible 4 | "]);
    check("perplexity:n=5", &known, &expect!["0 | draft 5, run visible 4 | "]);
    check(
        "rpc:n=5",
        &known,
        &expect!["0 | draft 5, run inputs 4, run visible 4 | 3 improbable samples were pruned"],
    );
    // Input by input, the right one agrees with whoever is right there.
    let many =
        World { drafts: vec![Some(0), Some(4), Some(4 + 8), Some(4 + 16), Some(4 + 32)], ..known };
    check(
        "logprob_vote:n=5;by=output",
        &many,
        &expect!["0 | draft 5, run inputs 5, run visible 5 | "],
    );
    check(
        "rpc:n=5;by=output",
        &many,
        &expect!["0 | draft 5, run inputs 5, run visible 5 | 4 improbable samples were pruned"],
    );
    check(
        "rpc:n=2",
        &World { drafts: vec![None], ..world },
        &expect!["none | draft 2 | abstained: no sample has a valid program"],
    );
}

#[test]
fn sstar() {
    // Programs 0 (right), 16 and 32 pass the visible tests 0 and 1; 3 fails both until debugged.
    let world = World::new(&[16, 0, 32, 16], 2);
    check(
        "sstar:n=4",
        &world,
        &expect!["0 | draft 4, inputs 1, judge 6, run inputs 9, run visible 3, separate 3 | "],
    );
    check(
        "sstar:n=4;released=true",
        &world,
        &expect!["0 | draft 4, inputs 1, judge 6, run inputs 9, run visible 3, separate 3 | "],
    );
    check(
        "sstar:n=4;judge=code_only",
        &world,
        &expect!["0 | draft 4, inputs 1, judge 6, run inputs 3, run visible 3 | "],
    );
    check(
        "sstar:n=4;judge=agreement",
        &world,
        &expect!["16 | draft 4, inputs 1, run inputs 3, run visible 3 | "],
    );
    check(
        "sstar_scored:n=4",
        &world,
        &expect!["16 | draft 4, run inputs 3, run visible 3, score 3 | "],
    );
    check("self_debug:n=4", &world, &expect!["0 | draft 4, run visible 3 | "]);
}

#[test]
fn sstar_in_trouble() {
    let world = World::new(&[16, 0, 32, 16], 2);
    let debugging =
        World { drafts: vec![Some(3), Some(2), None], debugged: |k| k >> 1, ..world.clone() };
    check("sstar:n=3", &debugging, &expect!["0 | debug 4, draft 3, run visible 4 | "]);
    check(
        "sstar:n=3;rounds=2",
        &debugging,
        &expect![
            "2 | debug 2, draft 3, run visible 3 | unverified: no candidate passes every visible test"
        ],
    );
    check(
        "sstar:n=3;context=last;released=true",
        &debugging,
        &expect!["0 | debug 4, draft 3, run visible 4 | "],
    );
    check(
        "sstar:n=4",
        &World { judge: Judge::First, ..world.clone() },
        &expect![
            "16 | draft 4, inputs 1, judge 6, run inputs 9, run visible 3, separate 3 | the judge preferred the same place in both orders in 3 of 3 pairs"
        ],
    );
    check(
        "sstar:n=4",
        &World { judge: Judge::Mute, ..world.clone() },
        &expect![
            "16 | draft 4, inputs 1, judge 6, run inputs 9, run visible 3, separate 3 | the judge gave no verdict in 3 of 3 pairs"
        ],
    );
    check(
        "sstar:n=4",
        &World { blind: Vec::new(), ..world.clone() },
        &expect!["0 | draft 4, inputs 1, judge 6, run inputs 6, run visible 3, separate 3 | "],
    );
    check(
        "sstar:n=4",
        &World { visible: 0, ..world.clone() },
        &expect!["0 | draft 4, inputs 1, judge 6, run inputs 9, separate 3 | "],
    );
    check(
        "sstar:n=2",
        &World { drafts: vec![None], ..world },
        &expect!["none | draft 2 | abstained: no sample has a valid program"],
    );
}

#[test]
fn the_others() {
    let world = World::new(&[1, 4, 0, 8], 1);
    check("resample", &world, &expect!["4 | draft 2, run visible 2 | accepted at attempt 2"]);
    check(
        "resample:n=1",
        &world,
        &expect!["none | draft 1, run visible 1 | abstained: none of 1 attempts was accepted"],
    );
    check(
        "resample:n=1;abstain=false",
        &world,
        &expect!["1 | draft 1, run visible 1 | unverified: none of 1 attempts was accepted"],
    );
    check(
        "resample:score_min=-0.5",
        &world,
        &expect!["0 | draft 3, run visible 3, score 2 | accepted at attempt 3"],
    );
    check(
        "evoscale:n=2;rounds=3",
        &World { debugged: |k| k & (k - 1), ..World::new(&[7, 6], 1) },
        &expect!["0 | draft 2, improve 4, run visible 4, score 4 | "],
    );
    check(
        "mcts_judge",
        &world,
        &expect!["0 | assess 66, draft 4, trace 4 | the judge agrees in 100 % of its lines"],
    );
    check(
        "mcts_judge_run",
        &world,
        &expect!["0 | assess 66, draft 4, run visible 4 | the judge agrees in 100 % of its lines"],
    );
    check(
        "codemonkeys:n=4",
        &world,
        &expect!["0 | choose 2, draft 4, run inputs 3, run tests 3, run visible 4, tests 4 | "],
    );
    check("trae:n=4", &world, &expect!["0 | choose 6, draft 4, run visible 4 | "]);
    check("trae:n=4;keep=2;panel=3", &world, &expect!["0 | choose 4, draft 4, run visible 4 | "]);
    check("process_beam:n=4", &world, &expect!["0 | draft 10, plan 4, run visible 4, score 4 | "]);
    check("debate", &world, &expect!["0 | debate 6, draft 3, run inputs 1, run visible 3 | "]);
    check(
        "fusion:n=3",
        &World::new(&[6, 5, 12], 1),
        &expect!["4 | draft 3, fuse 1, run visible 4, score 4 | "],
    );
}

#[test]
fn deepening_and_routing() {
    let world = World { debugged: |k| k >> 1, ..World::new(&[3, 0, 4, 4], 1) };
    // Two tokens and four are not enough, eight are.
    check(
        "deepening:n=2;tokens_first=2",
        &world,
        &expect!["0 | deepen 4, draft 2, run visible 1, score 1 | "],
    );
    check(
        "deepening:n=2;tokens_first=2;rounds=2",
        &world,
        &expect!["none | deepen 2, draft 2 | abstained: no candidate has a valid program"],
    );
    let table = |feature: &str, from: &str| {
        format!(
            "router:temperature=0.7;table={{\"feature\":\"{feature}\",\"hardest\":\
             \"codescaler_run:n=8;temperature=0.7\",\"easier\":[{{\"from\":{from},\"method\":\
             \"public_filter:n=4\"}}]}}"
        )
    };
    check(
        &table("passing", "0.7"),
        &world,
        &expect!["0 | draft 4, run visible 3 | ease 0.75: public_filter:n=4"],
    );
    check(
        &table("passing", "0.8"),
        &world,
        &expect![
            "0 | draft 8, run visible 3, score 3 | ease 0.75: codescaler_run:n=8;temperature=0.7"
        ],
    );
    check(
        &table("score", "0.5"),
        &world,
        &expect![
            "0 | draft 8, run visible 3, score 3 | ease 0.29: codescaler_run:n=8;temperature=0.7"
        ],
    );
    check(
        &table("agreement", "0.5"),
        &world,
        &expect!["0 | draft 4, run inputs 3, run visible 3 | ease 0.50: public_filter:n=4"],
    );
    check(
        &table("steps", "0.5"),
        &world,
        &expect!["0 | draft 4, run visible 3 | ease 1.00: public_filter:n=4"],
    );
    check("failed_steps:n=4", &world, &expect!["4 | draft 4, run visible 3 | "]);
    let untested = World { visible: 0, ..world };
    check(
        &table("passing", "0.7"),
        &untested,
        &expect![
            "0 | draft 8, score 3 | no visible tests; ease unknown: codescaler_run:n=8;temperature=0.7"
        ],
    );
}

#[test]
fn reasonings_are_stopped() {
    let world = World {
        trimmed: |program| match program {
            0 | 6 => Some(Why::Agreed),
            5 => Some(Why::GaveUp),
            7 => Some(Why::Loops),
            _ => None,
        },
        debugged: |program| program & 6,
        ..World::new(&[6, 5, 7, 3], 1)
    };
    check(
        "trimr:n=4;rule=public_filter",
        &world,
        &expect![
            "6 | draft 4, finish 2, run visible 3 | of 4 reasonings 3 were stopped: 1 agreed with themselves, 1 came to nothing, 1 went round in circles"
        ],
    );
}

#[test]
fn steps_are_drafted_and_written_anew() {
    let surprise = |program: u32| Some(-f64::from(program.count_ones()) - 0.1);
    let drafts = World { logprob: surprise, large: |_| 0, ..World::new(&[1, 0, 12, 0], 1) };
    let method = "atts:n=4;calibration=9;calibration_tokens=2;step_tokens=2";
    check(
        method,
        &drafts,
        &expect![
            "0 | continue 1, draft 1, run visible 1, score 1, step 25, weigh 6 | of 16 steps, 2 were written anew"
        ],
    );
    check(
        &format!("{method};appended=true"),
        &drafts,
        &expect![
            "0 | continue 2, run visible 3, score 3, step 23, weigh 9 | of 14 steps, 2 were written anew"
        ],
    );
    let mute = World { logprob: |_| None, ..drafts };
    check(
        method,
        &mute,
        &expect![
            "0 | run visible 3, score 3, step 25, weigh 11 | of 16 steps, 0 were written anew; nobody said how likely 16 steps are (vLLM does, and servers of plain completions that echo)"
        ],
    );
}

#[test]
fn before_and_after() {
    let world = World::new(&[3, 0, 4, 4], 1);
    check("learning", &world, &expect!["0 | draft 16, lessons 1, run visible 3, score 3 | "]);
    let (solved, _) =
        play("learning:method=\"public_filter:n=2;temperature=0.5\"", &world, Budget::default(), 0);
    assert_eq!(solved.outcome.lessons, ["0 was chosen"]);
    check(
        "learning",
        &World { drafts: vec![None], ..world.clone() },
        &expect!["none | draft 16 | abstained: no candidate has a valid program"],
    );
    check(
        "prepare",
        &world,
        &expect![
            "none | inputs 1, maker 3, run makers 2, tests 16 | prepared: 8 inputs, 8 inputs of a program after 2 bad ones, 1 tests"
        ],
    );
    check(
        "prepare:inputs_max=0;tests=0;makers_max=0",
        &world,
        &expect!["none |  | prepared: 0 inputs, 0 inputs of a program, 0 tests"],
    );
    // Programs that print nothing of use are passed over.
    check(
        "prepare:tests=0;makers_max=2",
        &world,
        &expect![
            "none | inputs 1, maker 2, run makers 1 | prepared: 8 inputs, 0 inputs of a program after 2 bad ones, 0 tests"
        ],
    );
    check(
        "mbr_exec:n=8;inputs=programmed",
        &world,
        &expect!["4 | draft 8, maker 3, run inputs 3, run makers 2, run visible 3 | "],
    );
    check(
        "mbr_exec:n=8;inputs=written",
        &world,
        &expect!["4 | draft 8, inputs 1, run inputs 3, run visible 3 | "],
    );
}

#[test]
fn pipelines() {
    let world = World::new(&[3, 0, 4, 4, 12], 1);
    let layers = |layers: &str| format!("pipeline:n=5;layers={{\"layer\":[{layers}]}}");
    check("archon:n=5", &world, &expect!["0 | critique 4, draft 5, fuse 1, rank 1 | "]);
    check("archon_tests:n=5", &world, &expect!["0 | draft 5, run tests 4, tests 1 | "]);
    check("pipeline:n=5", &world, &expect!["0 | draft 5, run visible 4, score 3 | "]);
    check(
        &layers(r#"{"do":"execute"}, {"do":"vote","keep":1}"#),
        &world,
        &expect!["4 | draft 5, run inputs 3, run visible 4 | "],
    );
    check(&layers(r#"{"do":"score","keep":2}"#), &world, &expect!["4 | draft 5, score 4 | "]);
    check(&layers(r#"{"do":"verify"}"#), &world, &expect!["0 | draft 5, trace 4 | "]);
    check(
        &layers(r#"{"do":"rank","keep":2}, {"do":"fuse","samples":2}"#),
        &world,
        &expect!["0 | draft 5, fuse 2, rank 1 | "],
    );
    check(
        &layers(""),
        &World { drafts: vec![None], ..world },
        &expect!["none | draft 5 | abstained: no sample has a valid program"],
    );
    let wrong = |text: &str| text.parse::<Method>().unwrap_err().to_string();
    expect!["method pipeline: layers.layer[0].do: unknown variant `guess`, expected one of `critique`, `rank`, `fuse`, `verify`, `test`, `execute`, `score`, `vote`"].assert_eq(&wrong(&layers(r#"{"do":"guess"}"#)));
    expect!["method pipeline: layers.layer[0]: missing field `keep`"]
        .assert_eq(&wrong(&layers(r#"{"do":"rank"}"#)));
    expect!["method pipeline: layers[0]: invalid type: integer `1`, expected a sequence"]
        .assert_eq(&wrong("pipeline:layers=[1]"));
}

#[test]
fn answers_that_grow() {
    let world = World::new(&[255, 254, 0, 3, 16, 9], 1);
    check(
        "qalign:n=6",
        &world,
        &expect![
            "0 | continue 4, draft 2, run inputs 3, run visible 3, score 3 | 5 of 5 steps were accepted"
        ],
    );
    check(
        "qalign:n=6;beta=0.1;rule=rm_argmax",
        &world,
        &expect![
            "0 | continue 4, draft 2, run inputs 2, run visible 2, score 3 | 4 of 5 steps were accepted"
        ],
    );
    check(
        "particles:n=4;step_tokens=2",
        &world,
        &expect!["48 | continue 12, draft 4, run visible 2, score 6 | "],
    );
    check(
        "particles:n=4;step_tokens=2;weight_temperature=0.1",
        &world,
        &expect!["0 | continue 12, draft 4, run visible 1, score 6 | "],
    );
    check(
        "particles:n=2;step_tokens=2;steps_max=2",
        &world,
        &expect![
            "none | continue 2, draft 2, score 3 | abstained: no candidate has a valid program"
        ],
    );
    check(
        "rebase:n=6;step_tokens=2",
        &world,
        &expect!["0 | continue 9, draft 6, run visible 2, score 7 | "],
    );
    check(
        "ets:n=6;step_tokens=2",
        &world,
        &expect!["0 | continue 9, draft 6, run visible 2, score 7 | "],
    );
    check(
        "ets:n=6;step_tokens=2;diversity=0",
        &world,
        &expect!["0 | continue 9, draft 6, run visible 2, score 7 | "],
    );
    let nobody = World { drafts: vec![None], ..world };
    check(
        "qalign:n=3",
        &nobody,
        &expect![
            "none | draft 3 | abstained: no candidate has a valid program; 2 of 2 steps were accepted"
        ],
    );
    check(
        "particles:n=3",
        &nobody,
        &expect!["none | draft 3 | abstained: no candidate has a valid program"],
    );
    check(
        "rebase:n=3",
        &nobody,
        &expect!["none | draft 3 | abstained: no candidate has a valid program"],
    );
}

#[test]
fn every_preset_is_a_method_that_writes_itself_down() {
    for preset in PRESETS {
        let method: Method = preset.name.parse().unwrap();
        assert!(!preset.about.is_empty());
        let (family, parameters) =
            method.to_string().split_once(':').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        let preset = PRESETS
            .iter()
            .find(|p| p.name.parse::<Method>().unwrap().to_string().starts_with(&family))
            .unwrap();
        assert_eq!(format!("{}:{parameters}", preset.name).parse::<Method>().unwrap(), method);
    }
    let said = |text: &str| text.parse::<Method>().unwrap_err().to_string();
    expect![[r#"
        there is no method "best"; `codescaler methods` lists them
        method sstar: "n" is no key=value
        method sstar: m: unknown field `m`, expected one of `n`, `rounds`, `context`, `temperature`, `tokens_max`, `inputs`, `inputs_max`, `separating`, `judge`, `released`
        method sstar: n: invalid value: integer `0`, expected a nonzero u32
        method codescaler: temperature: it is between 0 and 2
        method router: table: no file is read here, nor x.json
        method router: table.hardest: there is no method "best"; `codescaler methods` lists them
        method cure: rule: unknown rule "best"; the rules are first, random, shortest, longest, public_filter, max_pass, max_pass_consistency, codet, b4, mbr_exec, alphacode_clusters, output_vote, rm_argmax, rm_within_passing, hybrid_lexi, weighted_verifiers"#]]
    .assert_eq(&["best", "sstar:n", "sstar:m=1", "sstar:n=0", "codescaler:temperature=3", "router:table=x.json", "router:table={\"feature\":\"score\",\"hardest\":\"best\"}", "cure:rule=best"].map(said).join("\n"));
}

/// What S* chooses with a perfect judge, by its definition: a right program that passes the visible
/// tests, where there is one; at most three answers per pair of behaviours.
#[test]
fn with_a_perfect_judge_sstar_reaches_coverage() {
    proptest!(|(drafts in proptest::collection::vec(prop_oneof![Just(0_u32), 0..256_u32], 1..7), visible in 0..4_i64)| {
        let world = World::new(&drafts, visible);
        let (solved, asked) = play(&format!("sstar:n={};rounds=1", drafts.len()), &world, Budget::default(), 0);
        let passes = |k: u32| (0..visible).all(|x| output(k, x) == x);
        if drafts.contains(&0) {
            prop_assert_eq!(chosen(&solved), Some(0));
        } else if drafts.iter().any(|&k| passes(k)) {
            prop_assert!(passes(chosen(&solved).unwrap()));
        }
        let mut behaviours: Vec<Vec<i64>> = drafts.iter().filter(|&&k| passes(k)).map(|&k| (0..INPUTS).map(|x| output(k, x)).collect()).collect();
        behaviours.sort();
        behaviours.dedup();
        let pairs = u32::try_from(behaviours.len() * (behaviours.len().max(1) - 1) / 2).unwrap();
        let answers = asked.get("separate").copied().unwrap_or(0) + asked.get("judge").copied().unwrap_or(0);
        prop_assert!(answers <= 3 * pairs, "{} answers for {} pairs", answers, pairs);
    });
}
