//! Conversations to learn correcting and testing from, and learning from them.

use std::{fs, path::Path};

use expect_test::{Expect, expect};
use serde_json::Value as Json;

use crate::{folder, train::run, transcript};

/// A small prompt, as for a small policy.
const DEBUG: &str = "{{ statement }}\n{% for program in programs %}{{ program.text | trim }}\n\
                     {% for test in program.tests %}{{ test.number }} {{ test.outcome }}: {{ name }}\
                     ({{ test.input }}) {{ test.expected }} {{ test.given }}\n{% endfor %}{% endfor %}";

/// Right and wrong programs for a few problems, run on all tests.
fn practised(name: &str) -> std::path::PathBuf {
    let folder = folder(name);
    fs::create_dir_all(folder.join("prompts")).unwrap();
    fs::write(folder.join("prompts/debug.txt"), DEBUG).unwrap();
    run(
        &folder,
        "lab problems --out . --count 8 --difficulty-max 2 --demonstrations 6 --slip 0.6 --quiet",
    );
    run(
        &folder,
        "exec --problems problems.jsonl --candidates candidates.jsonl --suite hidden --out \
         hidden.jsonl --quiet --allow-weak-isolation",
    );
    folder
}

fn rows(folder: &Path, file: &str) -> Vec<Json> {
    let text = fs::read_to_string(folder.join(file)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The turns of a row.
fn shown(row: &Json) -> String {
    let turns = row["messages"].as_array().unwrap();
    let turn = |turn: &Json| {
        format!("[{}]\n{}\n", turn["role"].as_str().unwrap(), turn["content"].as_str().unwrap())
    };
    turns.iter().map(turn).collect()
}

const REPAIRS: &str = "curate repairs --problems problems.jsonl --candidates candidates.jsonl \
                       --executions hidden.jsonl --prompts prompts --allow-weak-isolation --quiet \
                       --out repairs.jsonl";
const TESTS: &str = "curate tests --problems problems.jsonl --count 3 --out tests.jsonl";

#[test]
fn wrong_programs_are_corrected_and_tests_are_told() {
    let folder = practised("conversations");
    expect![[r#"
        15 repairs written to repairs.jsonl; left out: 0 wrong programs that pass the visible tests, 0 faults of the sandbox
        exit 0
    "#]].assert_eq(&transcript(&folder, REPAIRS));
    let first = fs::read(folder.join("repairs.jsonl")).unwrap();
    run(&folder, REPAIRS);
    assert_eq!(fs::read(folder.join("repairs.jsonl")).unwrap(), first, "not the same again");
    let repairs = rows(&folder, "repairs.jsonl");
    expect![[r#"
        [user]
        Given a string of words s, return the number of distinct characters of s. Call the function solve(s).
        def solve(s):
            return len(s)
        1 right: solve("fig") 3 3
        2 wrong: solve("oak green oak") 8 13
        3 right: solve("vase") 4 4

        [assistant]
        ```python
        def solve(s):
            return len(set(s))
        ```

    "#]].assert_eq(&shown(&repairs[0]));
    expect![[r#"
        tests of 8 problems written to tests.jsonl; 0 problems left out (held out, or fewer than 3 tests with an input and an output)
        exit 0
    "#]].assert_eq(&transcript(&folder, TESTS));
    expect![[r#"
        [user]
        Write tests for programs that solve the following problem.

        Given a string of words s, return the number of distinct characters of s. Call the function solve(s).

        Choose 3 inputs that tell right programs from careless ones, and work out for each what a right program gives. If you are not sure of an answer, choose another input.

        Answer with a JSON array in one fenced code block. Each element is an object with the keys `args`, an array of the arguments of one call, and `expected`, what it returns.
        [assistant]
        ```json
        [
        {"args":["ice jar jar"],"expected":7},
        {"args":["vase"],"expected":4},
        {"args":["jar ant NO"],"expected":8}
        ]
        ```

    "#]].assert_eq(&shown(&rows(&folder, "tests.jsonl")[0]));
}

#[test]
fn the_last_answer_is_learnt() {
    let folder = practised("conversations-learnt");
    run(&folder, REPAIRS);
    run(&folder, TESTS);
    run(&folder, "train tokenizer --quiet --completions --data . --vocab 300 --out tokenizer");
    run(
        &folder,
        "train policy --quiet --completions --base tokenizer --width 128 --layers 1 --data . \
         --conversations repairs.jsonl --conversations tests.jsonl --epochs 20 --tokens-per-step \
         1024 --rate 3e-3 --out policy",
    );
    let losses: Vec<f64> = rows(&folder, "policy/steps.jsonl")
        .iter()
        .map(|line| line["loss"].as_f64().unwrap())
        .collect();
    let (first, last) = (losses[0], losses[losses.len() - 1]);
    assert!(last < 0.6 * first, "{losses:?}");
}

#[track_caller]
fn check(folder: &Path, text: &str, expected: &Expect) {
    fs::write(folder.join("bad.jsonl"), text).unwrap();
    let command = "train policy --base tokenizer --conversations bad.jsonl --out p";
    expected.assert_eq(&transcript(folder, command));
}

#[test]
fn what_is_no_conversation_is_named() {
    let folder = practised("conversations-bad");
    run(&folder, "train tokenizer --quiet --completions --data . --vocab 300 --out tokenizer");
    let one = r#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}"#;
    check(
        &folder,
        &format!("{one}\n{{\"messages\":[{{\"role\":\"user\",\"content\":\"a\"}}]}}\n"),
        &expect![[r#"
            codescaler: error: bad.jsonl line 2: its turns are by ["user"]; a conversation ends with an answer of the `assistant`, and something stands before it
            exit 2
        "#]],
    );
    check(
        &folder,
        &format!("{one}\n{{\"prompt\":\"a\"}}\n"),
        &expect![[r#"
        codescaler: error: bad.jsonl line 2: missing field `messages` at line 1 column 14
        exit 2
    "#]],
    );
    let command =
        "curate repairs --problems problems.jsonl --candidates candidates.jsonl --out r.jsonl";
    expect![[r#"
        codescaler: error: no problem has both a right and a wrong program: sample more, or give --labels
        exit 2
    "#]].assert_eq(&transcript(&folder, command));
    let command = "lab family --lab .";
    expect![[r#""#]].assert_eq(&transcript(&folder, command));
    let command = "lab search --lab .";
    expect![[r#"
        codescaler: error: . holds no laboratory with a reward model: first `codescaler lab run --out .`
        exit 2
    "#]].assert_eq(&transcript(&folder, command));
}
