//! The way through the house: score, run, select, measure.

use expect_test::{expect, expect_file};

use crate::{folder, transcript, write_pool};

#[test]
fn the_reference_of_verbs_is_up_to_date() {
    let said = transcript(&folder("reference"), "reference");
    let page = said.strip_suffix("exit 0\n").expect("it works");
    expect_file!["../../../../docs/verbs.md"].assert_eq(page);
}

#[test]
fn from_candidates_to_a_table() {
    let folder = folder("verbs");
    write_pool(&folder, 8);
    let pool = "--problems problems.jsonl --candidates candidates.jsonl";
    let run = |args: &str| transcript(&folder, args);

    expect![[r#"
        24 programs read into programs.jsonl
                18  ok
                 6  syntax
        exit 0
    "#]]
    .assert_eq(&run(&format!("extract {pool} --out programs.jsonl --quiet")));
    expect![[r#"
        24 scores written to scores.jsonl
        exit 0
    "#]]
    .assert_eq(&run(&format!("score --scorer linear {pool} --out scores.jsonl --quiet")));
    expect![[r#"
        24 candidates run on visible tests, 10 passed all, 0 faults; written to visible.jsonl
                 6  compile_error
                10  pass
                 8  wrong_answer
        exit 0
    "#]]
    .assert_eq(&run(&format!("exec {pool} --out visible.jsonl --quiet --allow-weak-isolation")));
    expect![[r#"
        10 rules on 3 problems, 0 abstentions; written to selections.jsonl
        exit 0
    "#]].assert_eq(&run(&format!(
        "select {pool} --scores scores.jsonl --executions visible.jsonl --out selections.jsonl --quiet"
    )));
    expect![[r#"
        3 problems, 24 candidates; left out: 0 candidates without a label or of another source, 0 problems without any, 0 problems all of whose candidates are alike
        rule                right, % [95 %]  over random, points   of random→oracle, %  problems  left out
        -------------  --------------------  -------------------  --------------------  --------  --------
        random            55.6 [33.3, 66.7]       0.0 [0.0, 0.0]        0.0 [0.0, 0.0]         3         0
        public_filter  100.0 [100.0, 100.0]   +44.4 [33.3, 66.7]  100.0 [100.0, 100.0]         3         0
        oracle         100.0 [100.0, 100.0]   +44.4 [33.3, 66.7]  100.0 [100.0, 100.0]         3         0
        exit 0
    "#]].assert_eq(&run(&format!(
        "eval selection {pool} --executions visible.jsonl --rules random;public_filter --quiet"
    )));
}

#[test]
fn scores_and_labels_make_probabilities() {
    let folder = folder("calibrate");
    write_pool(&folder, 8);
    let run = |args: &str| transcript(&folder, args);
    run(
        "score --scorer linear --problems problems.jsonl --candidates candidates.jsonl --out scores.jsonl --quiet",
    );
    let calibrate = "eval calibrate --scores scores.jsonl --labels labels.jsonl --quiet";
    let said = run(calibrate);
    let (formula, rest) = said.split_once("  from ").unwrap();
    assert!(formula.starts_with("P(right) = 1 / (1 + exp(-("), "{said}");
    let (counts, rest) = rest.split_once('\n').unwrap();
    expect!["18 candidates, 10 of them right; left out: 6 without a score or a label"]
        .assert_eq(counts);
    assert!(rest.contains("; written to scores.calibration.json\nexit 0\n"), "{said}");
    assert_eq!(run(calibrate), said);
    let text = std::fs::read_to_string(folder.join("scores.calibration.json")).unwrap();
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(file["scale"].is_f64() && file["scores"]["scorer"] == "linear", "{file}");
    expect![[r#"
        codescaler: error: scores.jsonl with labels.jsonl: it takes programs that are right and programs that are wrong, both with scores
        exit 2
    "#]].assert_eq(&run(&format!("{calibrate} --labels-by nobody")));
    std::fs::write(folder.join("scores.calibration.json"), "other").unwrap();
    expect![[r#"
        codescaler: error: scores.calibration.json exists and says something else: delete it or name another --out
        exit 2
    "#]].assert_eq(&run(calibrate));
}

#[test]
fn several_reward_models_make_one_score_and_its_uncertainty() {
    let folder = folder("ensemble");
    write_pool(&folder, 8);
    let run = |args: &str| transcript(&folder, args);
    let score =
        "score --scorer linear --problems problems.jsonl --candidates candidates.jsonl --quiet";
    run(&format!("{score} --out a.jsonl"));
    run(&format!("{score} --out b.jsonl --hide-problem"));
    let ensemble = "eval ensemble --scores a.jsonl --scores b.jsonl --out joint.jsonl";
    expect![[r#"
        codescaler: error: a.jsonl needs a.calibration.json: run codescaler eval calibrate: No such file or directory (os error 2)
        exit 2
    "#]].assert_eq(&run(ensemble));
    // The first member's log-odds are its scores, the second's are all 1.
    for (name, scale, offset) in [("a", 1.0, 0.0), ("b", 0.0, 1.0)] {
        let text = format!("{{\"scale\":{scale:?},\"offset\":{offset:?}}}");
        std::fs::write(folder.join(format!("{name}.calibration.json")), text).unwrap();
    }
    let said = run(ensemble);
    assert!(said.starts_with("18 of 24 candidates scored by 2 reward models; "), "{said}");
    let lines = |name: &str| -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        text.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    for (joint, single) in lines("joint.jsonl").iter().zip(lines("a.jsonl")) {
        let Some(score) = single["score"].as_f64() else {
            assert_eq!(joint["reason"], "not every member has a score");
            continue;
        };
        let close = |key: &str, want: f64| (joint[key].as_f64().unwrap() - want).abs() < 1e-5;
        assert!(close("score", f64::midpoint(score, 1.0)), "{joint}");
        assert!(close("deviation", (score - 1.0).abs() / 2.0), "{joint}");
    }
    expect![[r#"
        codescaler: error: one file of scores is no ensemble: give --scores again
        exit 2
    "#]]
    .assert_eq(&run("eval ensemble --scores a.jsonl --out c.jsonl"));
}

#[test]
fn every_verb_has_help_with_its_options() {
    let folder = folder("help");
    for verb in [
        "demo",
        "import",
        "extract",
        "score",
        "exec",
        "select",
        "rank",
        "eval calibrate",
        "eval ensemble",
        "eval methods",
        "methods",
        "solve",
        "eval reward",
        "curate pairs",
        "curate bugs",
        "curate export",
        "train",
        "eval",
        "bench",
        "bench exec",
        "report",
        "compare",
        "doctor",
        "completions",
    ] {
        let help = transcript(&folder, &format!("{verb} --help"));
        assert!(help.contains("Usage: codescaler") && help.ends_with("exit 0\n"), "{help}");
    }
    assert!(transcript(&folder, "completions bash").contains("complete -F _codescaler"));
}
