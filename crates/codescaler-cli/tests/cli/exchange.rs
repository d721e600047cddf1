//! Files of others: rows for trainers as files and folders, result files of benchmarks, there and
//! back.

use std::{fmt::Write as _, fs, path::Path};

use expect_test::{Expect, expect};
use serde_json::Value as Json;

use crate::{folder, transcript, write_pool};

const POOL: &str = "--problems problems.jsonl --candidates candidates.jsonl";

#[track_caller]
fn check(folder: &Path, args: &str, expect: Expect) {
    expect.assert_eq(&transcript(folder, args));
}

#[track_caller]
fn json(path: &Path) -> Json {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn lines(path: &Path) -> Vec<Json> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Says which split the problems belong to.
fn set_split(folder: &Path, id: &str, split: &str) {
    let path = folder.join("problems.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let (from, to) =
        (format!("{{\"id\":\"{id}\","), format!("\"meta\":{{\"split\":\"{split}\"}},"));
    fs::write(path, text.replace(&from, &format!("{from}{to}"))).unwrap();
}

#[test]
fn problems_for_verl() {
    let folder = folder("exchange-verl");
    write_pool(&folder, 4);
    set_split(&folder, "mul", "validation");
    set_split(&folder, "sub", "eval");
    let export = "curate export --form verl --problems problems.jsonl";
    check(
        &folder,
        &format!("{export} --out train.jsonl"),
        expect![[r#"
            1 rows written to train.jsonl
            2 rows belong to other splits than train: name a folder to have them, too
            exit 0
        "#]],
    );
    let row = &lines(&folder.join("train.jsonl"))[0];
    let columns: Vec<&str> = row.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(columns, ["data_source", "prompt", "ability", "reward_model", "extra_info"]);
    let asked = row["prompt"][0]["content"].as_str().unwrap();
    assert!(asked.contains("Return a + b.") && asked.contains("function `f`"), "{asked}");
    assert_eq!(
        row["reward_model"]["ground_truth"],
        r#"{"inputs":["2\n3"],"outputs":["5"],"fn_name":"f"}"#
    );
    let told = transcript(&folder, &format!("{export} --out rl --quiet"));
    assert_eq!(told, "3 rows written to rl\nexit 0\n");
    let card = fs::read_to_string(folder.join("rl/README.md")).unwrap();
    for split in ["train", "validation", "test"] {
        let file = format!("data/{split}-00000-of-00001.parquet");
        assert!(card.contains(&format!("  - split: {split}\n    path: {file}\n")), "{card}");
        assert!(folder.join("rl").join(file).exists());
    }
    for (args, said) in [
        ("--out rl", "rl exists: delete it or name another output"),
        ("--out x --preferences p.jsonl", "leave --preferences out"),
        ("--out x --form trl-implicit", "the argument '--form <FORM>' cannot be used multiple"),
        ("--out x --validation-share 1.5", "--validation-share must lie between 0 and 1"),
    ] {
        let told = transcript(&folder, &format!("{export} {args}"));
        assert!(told.contains(said) && told.ends_with("exit 2\n"), "{args}: {told}");
    }
    let told = transcript(&folder, "curate export --problems problems.jsonl --out x");
    assert!(told.contains("this form needs --preferences"), "{told}");
}

#[test]
fn evalplus_there_and_back() {
    let folder = folder("exchange-evalplus");
    write_pool(&folder, 8);
    for name in ["problems", "candidates", "labels"] {
        let path = folder.join(format!("{name}.jsonl"));
        let text = fs::read_to_string(&path).unwrap().replace("\"mul\"", "\"mbpp/7\"");
        fs::write(path, text).unwrap();
    }
    check(
        &folder,
        &format!("eval export evalplus {POOL} --out samples.jsonl"),
        expect![[r#"
            24 rows written to samples.jsonl
            exit 0
        "#]],
    );
    let samples = lines(&folder.join("samples.jsonl"));
    assert_eq!(samples[8]["task_id"], "Mbpp/7");
    assert_eq!(samples[0]["solution"], "def f(a, b):\n    return a + b\n");
    assert_eq!(samples[3]["solution"], "", "no valid program");
    let told = transcript(&folder, "import evalplus-samples samples.jsonl --out back");
    assert_eq!(told, "0 problems, 24 candidates, 0 labels written to back\nexit 0\n");
    assert!(!folder.join("back/problems.jsonl").exists());
    let told = transcript(&folder, "import evalplus-samples samples.jsonl --out back");
    assert!(told.contains("back holds this import already"), "{told}");

    // A fault: nobody knows whether candidate 1 of `add` passes the extended tests.
    let plus = fs::read_to_string(folder.join("labels.jsonl")).unwrap();
    let plus = plus.replace("\"by\":\"hand\"", "\"by\":\"evalplus\"").replace(
        "{\"problem\":\"add\",\"index\":1,\"passed\":true,\"by\":\"evalplus\"}\n",
        "{\"problem\":\"add\",\"index\":0,\"passed\":false,\"by\":\"evalplus\"}\n",
    );
    fs::write(folder.join("plus.jsonl"), plus).unwrap();
    check(
        &folder,
        &format!(
            "eval export evalplus-results {POOL} --verdicts labels.jsonl --verdicts-plus plus.jsonl \
             --out samples_eval_results.json"
        ),
        expect![[r#"
            23 rows written to samples_eval_results.json
              left out:        1  sample without a verdict
            exit 0
        "#]],
    );
    let results = json(&folder.join("samples_eval_results.json"));
    let first = &results["eval"]["add"][0];
    assert_eq!((&first["base_status"], &first["plus_status"]), (&"pass".into(), &"fail".into()));
    check(
        &folder,
        "import evalplus-results samples_eval_results.json --out judged",
        expect![[r#"
            0 problems, 23 candidates, 46 labels written to judged
            exit 0
        "#]],
    );
}

#[test]
fn livecodebench_there_and_back() {
    let folder = folder("exchange-lcb");
    write_pool(&folder, 8);
    let told = transcript(&folder, &format!("eval export livecodebench {POOL} --out l.json"));
    assert_eq!(told, "3 rows written to l.json\nexit 0\n");
    let of_one = format!("eval export livecodebench {POOL} --source s1 --out s1.json");
    transcript(&folder, &of_one);
    assert_eq!(json(&folder.join("s1.json"))[0]["code_list"].as_array().unwrap().len(), 4);
    let results = format!(
        "eval export livecodebench-results {POOL} --verdicts labels.jsonl --out l_eval_all.json"
    );
    assert_eq!(transcript(&folder, &results), "3 rows written to l_eval_all.json\nexit 0\n");
    let row = &json(&folder.join("l_eval_all.json"))[2];
    assert_eq!((&row["question_id"], &row["pass@1"]), (&"sub".into(), &0.25.into()));
    let told = transcript(&folder, "import livecodebench-results l_eval_all.json --out back");
    assert_eq!(told, "0 problems, 24 candidates, 24 labels written to back\nexit 0\n");
    let passed = |name: &str| -> Vec<Json> {
        lines(&folder.join(name)).iter().skip(1).map(|label| label["passed"].clone()).collect()
    };
    assert_eq!(passed("back/labels.jsonl"), passed("labels.jsonl"));
}

#[test]
fn rm_bench_there_and_back() {
    let folder = folder("exchange-rmb");
    let item = r#"{"id":8,"prompt":"Add.","domain":"code","chosen":["a","b","c"],"rejected":["x","y","z"]}"#;
    fs::write(
        folder.join("total_dataset.json"),
        format!("[{item},\n{item}]").replacen('8', "9", 1),
    )
    .unwrap();
    let import = "import rm-bench total_dataset.json --out rmb --quiet";
    assert!(transcript(&folder, import).starts_with("2 problems, 12 candidates, 12 labels"));
    let mut scores = "{\"format\":\"codescaler/scores\",\"version\":1}\n".to_owned();
    for (problem, index) in (0..2).flat_map(|at| (0..6).map(move |index| (at, index))) {
        let score =
            if (problem, index) == (1, 5) { "null".to_owned() } else { format!("{index}.5") };
        let id = 9 - problem;
        writeln!(
            scores,
            "{{\"problem\":\"rm-bench/code/{id}\",\"index\":{index},\"score\":{score}}}"
        )
        .unwrap();
    }
    fs::write(folder.join("scores.jsonl"), scores).unwrap();
    let pool = "--problems rmb/problems.jsonl --candidates rmb/candidates.jsonl";
    check(
        &folder,
        &format!(
            "eval export rm-bench {pool} --verdicts rmb/labels.jsonl --scores scores.jsonl --out r.json"
        ),
        expect![[r#"
            1 rows written to r.json
              left out:        1  prompt with an answer without a score
            exit 0
        "#]],
    );
    expect![[
        r#"{"id":9,"prompt":"Add.","domain":"code","chosen":["a","b","c"],"rejected":["x","y","z"],"score_chosen":[0.5,1.5,2.5],"score_rejected":[3.5,4.5,5.5]}"#
    ]]
    .assert_eq(&json(&folder.join("r.json"))[0].to_string());
    let told = transcript(&folder, "import rm-bench r.json --out again --quiet");
    assert!(told.starts_with("1 problems, 6 candidates, 6 labels"), "{told}");
}

#[test]
fn bad_input_is_named() {
    let folder = folder("exchange-bad");
    write_pool(&folder, 4);
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    write("completion.jsonl", "{\"task_id\":\"HumanEval/0\",\"completion\":\"    return 1\"}\n");
    write("status.json", r#"{"eval":{"HumanEval/0":[{"solution":"","base_status":"odd"}]}}"#);
    write("graded.json", "[{\"question_id\":\"1\",\"code_list\":[\"x\"],\"graded_list\":[]}]");
    write("cut.json", "[{\"question_id\":\"1\",\"code_list\":[\"x\"");
    for (args, said) in [
        ("import evalplus-samples completion.jsonl --out x", "line 1: key \"solution\": missing"),
        (
            "import evalplus-results status.json --out x",
            "expected pass, fail or timeout, found \"odd\"",
        ),
        (
            "import livecodebench-results graded.json --out x",
            "key \"[0].graded_list\": 0 verdicts beside 1",
        ),
        ("import livecodebench-results cut.json --out x", "line 1: not a row of this format: EOF"),
        ("eval export evalplus-results", "this form needs --verdicts"),
        ("eval export rm-bench --verdicts labels.jsonl", "this form needs --scores"),
        (
            "eval export evalplus --source nobody",
            "candidates.jsonl holds no candidate that is asked for",
        ),
        ("eval runs --parallel run", "or name the recorded programs and their labels"),
    ] {
        let args = match args.starts_with("eval export") {
            true => format!("{args} {POOL} --out x.json"),
            false => args.to_owned(),
        };
        let told = transcript(&folder, &args);
        assert!(told.contains(said) && told.ends_with("exit 2\n"), "{args}: {told}");
    }
}

/// From recorded programs to runs in an order by lot, and their accuracy, by commands alone.
#[test]
fn runs_on_recorded_programs() {
    let folder = folder("exchange-runs");
    write_pool(&folder, 8);
    let solve = |n: usize, rest: &str| {
        let solve = format!(
            "solve --quiet {POOL} --shuffle 3 --method public_filter:n={n} --out n{n} {rest}"
        );
        let told = transcript(&folder, &solve);
        assert!(told.ends_with("exit 0\n"), "{told}");
    };
    solve(2, "");
    solve(8, "");
    let told = transcript(
        &folder,
        "eval runs --parallel n2 --parallel n8 --unit samples --candidates candidates.jsonl \
         --labels labels.jsonl --out runs.json",
    );
    assert!(told.ends_with("exit 0\n"), "{told}");
    let points = &json(&folder.join("runs.json"))["curves"][0]["points"];
    assert_eq!((&points[0]["x"], &points[1]["x"]), (&2.0.into(), &8.0.into()));
    let right = points[1]["estimate"]["interval"]["mean"].as_f64().unwrap();
    assert!(right > 0.6, "visible tests reject three of four wrong programs: {right}");
    let other = transcript(&folder, &format!("solve {POOL} --method public_filter:n=2 --out n2"));
    assert!(other.contains("n2 holds a run of another plan"), "{other}");
}
