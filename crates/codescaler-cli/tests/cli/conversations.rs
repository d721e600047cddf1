//! Conversations to learn correcting, testing and judging from, and learning from them.

use std::{fs, path::Path};

use expect_test::{Expect, expect};
use serde_json::Value as Json;

use crate::{folder, train::run, transcript};

/// A small prompt, as for a small policy.
const DEBUG: &str = "{{ statement }}\n{% for program in programs %}{{ program.text | trim }}\n\
                     {% for test in program.tests %}{{ test.number }} {{ test.outcome }}: {{ name }}\
                     ({{ test.input }}) {{ test.expected }} {{ test.given }}\n{% endfor %}{% endfor %}";

const JUDGE: &str = "{{ statement }}\n{% for program in programs %}{{ program.text | trim }}\n\
                     {% endfor %}{% for case in cases %}{{ name }}({{ case.input }}) is \
                     {{ case.outputs | join(' or ') }}\n{% endfor %}";

/// Right and wrong programs for a few problems, run on all tests.
fn practised(name: &str) -> std::path::PathBuf {
    let folder = folder(name);
    fs::create_dir_all(folder.join("prompts")).unwrap();
    fs::write(folder.join("prompts/debug.txt"), DEBUG).unwrap();
    fs::write(folder.join("prompts/judge.txt"), JUDGE).unwrap();
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

const DUELS: &str = "curate duels --problems problems.jsonl --candidates candidates.jsonl \
                     --executions hidden.jsonl --prompts prompts --inputs 2 \
                     --allow-weak-isolation --quiet --out duels.jsonl";

#[test]
fn pairs_are_judged_by_what_they_give() {
    let folder = practised("conversations-duels");
    expect![[r#"
        24 conversations about 24 pairs written to duels.jsonl; left out: 0 pairs that do the same on all inputs, 0 for faults of the sandbox
        exit 0
    "#]].assert_eq(&transcript(&folder, DUELS));
    let first = fs::read(folder.join("duels.jsonl")).unwrap();
    run(&folder, DUELS);
    assert_eq!(fs::read(folder.join("duels.jsonl")).unwrap(), first, "not the same again");
    let duels = rows(&folder, "duels.jsonl");
    let answers: Vec<&str> =
        duels.iter().map(|row| row["messages"][1]["content"].as_str().unwrap()).collect();
    let firsts = answers.iter().filter(|answer| **answer == "Answer: first").count();
    assert_eq!(firsts, duels.len() / 2, "{answers:?}");
    assert!(answers.iter().all(|said| ["Answer: first", "Answer: second"].contains(said)));
    expect![[r#"
        [user]
        Given a string of words s, return the number of distinct characters of s. Call the function solve(s).
        def solve(s):
            return len(set(s))
        def solve(s):
            return len(s)
        solve("kaoneeg kao") is 7 or 11
        solve("rrrrrrrrrrr") is 1 or 11

        [assistant]
        Answer: first
    "#]].assert_eq(&shown(&duels[0]));
    // In both orders, each pair stands twice.
    let both = format!("{DUELS} --both-orders --per-problem 1 --json");
    expect![[r#"
        14 conversations about 7 pairs written to duels.jsonl; left out: 0 pairs that do the same on all inputs, 0 for faults of the sandbox
        {"verb":"curate duels","out":"duels.jsonl","made":7,"rows":14,"alike":0,"faults":0}
        exit 0
    "#]].assert_eq(&transcript(&folder, &both));
    let twice = rows(&folder, "duels.jsonl");
    for two in twice.chunks(2) {
        assert_eq!((&two[0]["right"], &two[0]["wrong"]), (&two[1]["right"], &two[1]["wrong"]));
    }
    expect![[r#"
        [user]
        Given a string of words s, return the number of distinct characters of s. Call the function solve(s).
        def solve(s):
            return len(set(s))
        def solve(s):
            return len(s)
        solve("kaoneeg kao") is 7 or 11
        solve("rrrrrrrrrrr") is 1 or 11

        [assistant]
        Answer: first
        [user]
        Given a string of words s, return the number of distinct characters of s. Call the function solve(s).
        def solve(s):
            return len(s)
        def solve(s):
            return len(set(s))
        solve("kaoneeg kao") is 11 or 7
        solve("rrrrrrrrrrr") is 11 or 1

        [assistant]
        Answer: second
    "#]].assert_eq(&(shown(&twice[0]) + &shown(&twice[1])));
}

#[test]
fn a_judge_is_measured_in_both_orders() {
    let folder = practised("conversations-judge");
    run(&folder, &format!("{DUELS} --both-orders --per-problem 1"));
    run(&folder, "train tokenizer --quiet --completions --data . --vocab 300 --out tokenizer");
    run(
        &folder,
        "train policy --quiet --completions --base tokenizer --width 128 --layers 1 --conversations \
         duels.jsonl --epochs 60 --tokens-per-step 1024 --rate 3e-3 --out policy",
    );
    let command = "eval judge --policy policy --duels duels.jsonl --completion-tokens-max 16";
    run(&folder, &format!("{command} --quiet --out judge.json"));
    let found: Json =
        serde_json::from_str(&fs::read_to_string(folder.join("judge.json")).unwrap()).unwrap();
    assert_eq!((&found["duels"], &found["problems"]), (&14.into(), &7.into()));
    // It has learnt these very pairs.
    let [right, by_place, unclear] =
        ["right", "by_place", "unclear"].map(|key| found[key]["mean"].as_f64().unwrap());
    assert!(right > 0.7 && by_place < 0.6 && unclear < 0.1, "{found}");
    let other = r#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}],
                    "problem":"p","right":0,"wrong":1}"#;
    fs::write(folder.join("duels.jsonl"), other.replace('\n', "")).unwrap();
    expect![[r#"
        codescaler: error: duels.jsonl line 1: it does not end with the answer of a judge, such as "Answer: first": give a file of `curate duels`
        exit 2
    "#]].assert_eq(&transcript(&folder, command));
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
    expect![[r#"
        codescaler: error: . lacks tested/problems.jsonl: first `codescaler lab run --out .` and `codescaler lab search --lab .`
        exit 2
    "#]].assert_eq(&transcript(&folder, command));
    let command =
        "curate duels --problems problems.jsonl --candidates candidates.jsonl --out d.jsonl";
    expect![[r#"
        codescaler: error: no problem has both a right and a wrong program: sample more, or give --labels
        exit 2
    "#]].assert_eq(&transcript(&folder, command));
    let command = "lab search --lab .";
    expect![[r#"
        codescaler: error: . holds no laboratory with a reward model: first `codescaler lab run --out .`
        exit 2
    "#]].assert_eq(&transcript(&folder, command));
}
