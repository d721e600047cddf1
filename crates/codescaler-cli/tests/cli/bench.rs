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
