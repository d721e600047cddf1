//! Problems of the laboratory: its programs do in the sandbox what the generator says.

use std::{collections::BTreeSet, fs, path::Path};

use expect_test::{Expect, expect};
use serde_json::Value as Json;

use crate::{folder, transcript};

#[track_caller]
fn run(folder: &Path, args: &str) {
    let said = transcript(folder, args);
    assert!(said.ends_with("exit 0\n"), "{said}");
}

fn records(folder: &Path, file: &str) -> Vec<Json> {
    let text = fs::read_to_string(folder.join(file)).unwrap();
    text.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The candidates of `count` problems, made and run; of each, whether it passes every test.
fn outcomes(name: &str, options: &str) -> Vec<bool> {
    let folder = folder(name);
    run(&folder, &format!("lab problems --out . --quiet {options}"));
    let mut wrong = BTreeSet::new();
    let mut n = 0;
    for suite in ["visible", "hidden"] {
        run(
            &folder,
            &format!(
                "exec --problems problems.jsonl --candidates candidates.jsonl --suite {suite} \
                 --out {suite}.jsonl --quiet --allow-weak-isolation"
            ),
        );
        let executions = records(&folder, &format!("{suite}.jsonl"));
        n = executions.len();
        for (at, execution) in executions.iter().enumerate() {
            let verdicts = execution["verdicts"].as_array();
            let passes = |verdicts: &Vec<Json>| verdicts.iter().all(|verdict| verdict == "pass");
            if !verdicts.is_some_and(passes) {
                wrong.insert(at);
            }
        }
    }
    (0..n).map(|at| !wrong.contains(&at)).collect()
}

#[test]
fn right_programs_pass_every_test() {
    let train = outcomes("lab-right", "--count 200 --demonstrations 2");
    assert_eq!((train.len(), train.iter().filter(|right| !**right).count()), (400, 0));
    let held_out = outcomes("lab-right-held-out", "--split held-out --count 50 --demonstrations 2");
    assert_eq!((held_out.len(), held_out.iter().filter(|right| !**right).count()), (100, 0));
}

#[test]
fn wrong_programs_fail_some_test() {
    for (name, flaw) in [("lab-slip", "--slip 1"), ("lab-broken", "--broken 1")] {
        let outcomes = outcomes(name, &format!("--count 150 --demonstrations 2 {flaw}"));
        assert_eq!((outcomes.len(), outcomes.iter().filter(|right| **right).count()), (300, 0));
    }
}

#[track_caller]
fn check(folder: &Path, args: &str, expect: Expect) {
    expect.assert_eq(&transcript(folder, &format!("lab problems {args}")));
}

#[test]
fn problems_go_on_behind_a_number() {
    let folder = folder("lab-numbers");
    check(
        &folder,
        "--out a --count 6 --difficulty-max 2 --json",
        expect![[r#"
        6 problems, 0 candidates written to a; the next number is 10
        {"verb":"lab problems","out":"a","made":6,"candidates":0,"next":10}
        exit 0
    "#]],
    );
    check(
        &folder,
        "--out a --count 6 --difficulty-max 2",
        expect![[r#"
        a holds these problems already
        exit 0
    "#]],
    );
    check(
        &folder,
        "--out a --count 7",
        expect![[r#"
            codescaler: error: a/problems.jsonl exists and was made otherwise: delete it or name another output
              there: lab.count 6, lab.difficulty_max 2
              asked: lab.count 7, lab.difficulty_max 4
            exit 2
        "#]],
    );
    check(
        &folder,
        "--out b --first 4 --count 3 --difficulty-max 2 --without-tests",
        expect![[r#"
        3 problems, 0 candidates written to b; the next number is 9
        exit 0
    "#]],
    );
    let (a, b) = (records(&folder, "a/problems.jsonl"), records(&folder, "b/problems.jsonl"));
    for (with, without) in a[2..5].iter().zip(&b) {
        assert_eq!(with["statement"], without["statement"]);
        assert_eq!(with["tests"]["hidden"].as_array().unwrap().len(), 8);
        assert!(without["tests"]["hidden"].as_array().unwrap().is_empty());
    }
    assert!(!folder.join("a/candidates.jsonl").exists());
}

#[test]
fn bad_options_are_named() {
    let folder = folder("lab-bad");
    for (args, expect) in [
        (
            "--out o --split held-out --difficulty-max 1",
            expect![[r#"
            codescaler: error: no held-out problem is that easy: --difficulty-max must be at least 2, since families of one operation are all for training
            exit 2
        "#]],
        ),
        (
            "--out o --slip 1.5",
            expect![[r#"
            error: invalid value '1.5' for '--slip <SLIP>': write a share from 0 to 1, such as 0.3

            For more information, try '--help'.
            exit 2
        "#]],
        ),
        (
            "--out o --count 0",
            expect![[r#"
            error: invalid value '0' for '--count <COUNT>': 0 is not in 1..=1099511627776

            For more information, try '--help'.
            exit 2
        "#]],
        ),
        (
            "--out o --difficulty-max 9",
            expect![[r#"
            error: invalid value '9' for '--difficulty-max <DIFFICULTY_MAX>': 9 is not in 1..=4

            For more information, try '--help'.
            exit 2
        "#]],
        ),
        (
            "",
            expect![[r#"
            error: the following required arguments were not provided:
              --out <OUT>

            Usage: codescaler lab problems --out <OUT>

            For more information, try '--help'.
            exit 2
        "#]],
        ),
    ] {
        check(&folder, args, expect);
    }
    assert!(!folder.join("o").exists());
}
