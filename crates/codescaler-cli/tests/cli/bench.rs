//! Speed is not tested; that every side does the same work is.

use std::fs;

use expect_test::expect;
use serde_json::Value as Json;

use crate::{codescaler, folder, transcript, write_pool};

#[test]
fn every_side_does_all_the_work() {
    let folder = folder("bench");
    write_pool(&folder, 2);
    let pool = fs::read_to_string(folder.join("candidates.jsonl")).unwrap();
    // The first program of each problem is right; now it is the author's.
    fs::write(folder.join("candidates.jsonl"), pool.replace("\"s0\"", "\"reference\"")).unwrap();
    let output = codescaler(
        &folder,
        "bench exec --quick --json --quiet --allow-weak-isolation --slots 1 --out result.json \
         --problems problems.jsonl --candidates candidates.jsonl --trust-references",
    )
    .output()
    .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let summary: Json = serde_json::from_str(text.lines().next_back().unwrap()).unwrap();
    let mut shown = Vec::new();
    for load in summary["loads"].as_array().unwrap() {
        // Whether a machine has a C compiler is not ours to say.
        if load["load"].as_str().unwrap().contains(" C,") {
            continue;
        }
        shown.push(format!("{} ({} tests)", load["load"], load["tests"]));
        for side in load["sides"].as_array().unwrap() {
            assert!(side["programs_per_s"]["median"].as_f64().unwrap() > 0.0, "{side}");
            shown.push(format!(
                "  {}: {} not passed, {} faults",
                side["side"], side["not_passed"], side["faults"]
            ));
        }
    }
    expect![[r#"
        "candidates as given, each up to its first failure" (6 tests)
          "sandbox": 1 not passed, 0 faults
        "reference solutions" (6 tests)
          "sandbox": 0 not passed, 0 faults
          "sandbox, as asserts": 0 not passed, 0 faults
          "bare fork": 0 not passed, 0 faults
        "functions that return what they get" (12 tests)
          "sandbox": 0 not passed, 0 faults
          "bare fork": 0 not passed, 0 faults
        "the same, one at a time" (12 tests)
          "sandbox": 0 not passed, 0 faults
          "bare fork": 0 not passed, 0 faults
        "programs that read a number and print its double" (10 tests)
          "sandbox": 0 not passed, 0 faults
          "bare fork": 0 not passed, 0 faults"#]]
    .assert_eq(&shown.join("\n"));
    let raw: Json = serde_json::from_slice(&fs::read(folder.join("result.json")).unwrap()).unwrap();
    assert_eq!(raw["raw"].as_array().unwrap().len(), raw["loads"].as_array().unwrap().len());
}

#[test]
fn what_cannot_be_compared_is_said() {
    let folder = folder("bench-without");
    write_pool(&folder, 1);
    let pool = "--problems problems.jsonl --candidates candidates.jsonl";
    let run =
        |args: &str| transcript(&folder, &format!("bench exec --quick --quiet {pool} {args}"));
    expect![[r#"
        codescaler: error: cannot start --peer-python nowhere/python: No such file or directory (os error 2)
        exit 2
    "#]].assert_eq(&run("--trust-references --peer-python nowhere/python"));
    // Nobody vouches for them, so nothing runs them outside the sandbox.
    expect![[r#"
        error: the following required arguments were not provided:
          --trust-references

        Usage: codescaler bench exec --problems <PROBLEMS> --candidates <CANDIDATES> --trust-references --quick --quiet --peer-python <PEER_PYTHON>

        For more information, try '--help'.
        exit 2
    "#]].assert_eq(&run("--peer-python nowhere/python"));
}

#[test]
fn every_side_trains_the_same() {
    let folder = folder("bench-train");
    let output = codescaler(
        &folder,
        "bench train --quick --rounds 2 --steps 3 --threads 2 --json --quiet --out result.json",
    )
    .output()
    .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let summary: Json = serde_json::from_str(text.lines().next_back().unwrap()).unwrap();
    let mut shown = Vec::new();
    for load in summary["loads"].as_array().unwrap() {
        shown.push(format!("{} ({} tokens)", load["load"], load["tokens"]));
        let sides = load["sides"].as_array().unwrap();
        for side in sides {
            shown.push(format!("  {}", side["side"]));
            assert_eq!(side["wall_s"].as_array().unwrap().len(), 2, "{side}");
            let of = |key: &str| side[key].as_f64().unwrap();
            assert!(of("memory_mib_max") >= of("memory_mib_before"), "{side}");
            let other = sides[0]["last_loss"].as_f64().unwrap();
            assert!((of("last_loss") - other).abs() < 0.02 * other, "{side} {other}");
        }
    }
    expect![[r#"
        "next token: 2 texts of 16 tokens a step" (32 tokens)
          "ours, bf16"
          "ours, f32"
        "pairs: 1 problems of 8 tokens with two programs of 8 a step" (32 tokens)
          "ours, bf16"
          "ours, bf16, nothing shared"
        "listwise: a problem of 12 tokens with 4 candidates of 6 a step" (72 tokens)
          "ours, bf16"
          "ours, bf16, nothing shared""#]]
    .assert_eq(&shown.join("\n"));
    let raw: Json = serde_json::from_slice(&fs::read(folder.join("result.json")).unwrap()).unwrap();
    assert_eq!(raw, summary);
}

#[test]
fn a_framework_that_does_not_answer_is_said() {
    let folder = folder("bench-train-without");
    let run = |python: &str| {
        transcript(
            &folder,
            &format!("bench train --quick --quiet --threads 1 --peer-python {python}"),
        )
    };
    expect![[r#"
        codescaler: error: cannot start nowhere/python: No such file or directory (os error 2)
        exit 2
    "#]]
    .assert_eq(&run("nowhere/python"));
    expect![[r#"
        codescaler: error: the reference framework, which needs torch and transformers, does not answer (EOF while parsing a value at line 1 column 0); what it wrote stands above
        exit 2
    "#]]
    .assert_eq(&run("true"));
}
