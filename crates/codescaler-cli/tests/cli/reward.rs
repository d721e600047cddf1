//! `eval reward`: scorers beside plain rules, parts, probes, RM-Bench, and what it refuses.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use expect_test::{Expect, expect};

use crate::{folder, transcript, write_pool};

const POOL: &str = "--problems problems.jsonl --candidates candidates.jsonl";

/// A file of scores for `n` candidates of each problem of the pool.
fn write_scores(folder: &Path, name: &str, n: usize, score: impl Fn(&str, usize) -> f64) {
    let mut text = "{\"format\":\"codescaler/scores\",\"version\":1}\n".to_owned();
    for id in ["add", "mul", "sub"] {
        for index in 0..n {
            let score = score(id, index);
            writeln!(text, "{{\"problem\":\"{id}\",\"index\":{index},\"score\":{score}}}").unwrap();
        }
    }
    fs::write(folder.join(name), text).unwrap();
}

/// The pool of four candidates with one scorer that knows the labels and one that has them wrong.
fn judged(name: &str) -> PathBuf {
    let folder = folder(name);
    write_pool(&folder, 4);
    let right = |id: &str, index| index == 0 || (index == 1 && id != "sub");
    write_scores(&folder, "good.jsonl", 4, |id, at| if right(id, at) { 2.0 } else { -1.0 });
    write_scores(&folder, "bad.jsonl", 4, |id, at| if right(id, at) { -1.0 } else { 2.0 });
    folder
}

/// Executions of hidden tests of some wrong programs.
fn write_hidden(folder: &Path) {
    let mut hidden = "{\"format\":\"codescaler/executions\",\"version\":1}\n".to_owned();
    for (id, index, verdicts) in [
        ("add", 2, r#""pass","wrong_answer""#),
        ("mul", 2, r#""wrong_answer","wrong_answer""#),
        ("sub", 1, r#""pass","time_limit""#),
        ("sub", 2, r#""wrong_answer","skipped""#),
    ] {
        writeln!(
            hidden,
            "{{\"problem\":\"{id}\",\"index\":{index},\"suite\":\"hidden\",\"verdicts\":[{verdicts}],\"protection\":\"L1\"}}"
        )
        .unwrap();
    }
    fs::write(folder.join("hidden.jsonl"), hidden).unwrap();
}

#[test]
fn scorers_stand_beside_plain_rules() {
    let folder = judged("reward");
    write_hidden(&folder);
    let args = "eval reward --problems problems.jsonl --candidates candidates.jsonl \
                --scores good.jsonl --scores bad.jsonl --executions hidden.jsonl --out report.json";
    let said = transcript(&folder, args);
    expect![[r#"
        3 problems, 12 candidates; left out: 0 candidates without a label or of another source, 0 problems without any, 0 problems all of whose candidates are alike
        scorer    AUC within problem, %          all pairs, %  pairs      matched pairs, %  pairs  best of all, % right
        --------  ---------------------  --------------------  -----  --------------------  -----  --------------------
        good       100.0 [100.0, 100.0]  100.0 [100.0, 100.0]     11  100.0 [100.0, 100.0]      5  100.0 [100.0, 100.0]
        bad              0.0 [0.0, 0.0]        0.0 [0.0, 0.0]     11        0.0 [0.0, 0.0]      5        0.0 [0.0, 0.0]
        random        50.0 [50.0, 50.0]     50.0 [50.0, 50.0]      6     50.0 [50.0, 50.0]      3     55.6 [33.3, 66.7]
        first      100.0 [100.0, 100.0]  100.0 [100.0, 100.0]      6  100.0 [100.0, 100.0]      3  100.0 [100.0, 100.0]
        shortest     66.7 [50.0, 100.0]    66.7 [50.0, 100.0]      6  100.0 [100.0, 100.0]      3  100.0 [100.0, 100.0]
        longest        33.3 [0.0, 50.0]      33.3 [0.0, 50.0]      6        0.0 [0.0, 0.0]      3     66.7 [0.0, 100.0]

        good minus the others, points
        minus        AUC within problem              all pairs          matched pairs            best of all
        --------  ---------------------  ---------------------  ---------------------  ---------------------
        bad       +100.0 [100.0, 100.0]  +100.0 [100.0, 100.0]  +100.0 [100.0, 100.0]  +100.0 [100.0, 100.0]
        random       +50.0 [50.0, 50.0]     +50.0 [50.0, 50.0]     +50.0 [50.0, 50.0]     +44.4 [33.3, 66.7]
        first            0.0 [0.0, 0.0]         0.0 [0.0, 0.0]         0.0 [0.0, 0.0]         0.0 [0.0, 0.0]
        shortest      +33.3 [0.0, 50.0]      +33.3 [0.0, 50.0]         0.0 [0.0, 0.0]         0.0 [0.0, 0.0]
        longest     +66.7 [50.0, 100.0]    +66.7 [50.0, 100.0]  +100.0 [100.0, 100.0]     +33.3 [0.0, 100.0]

        best of N drawn, % right
        N  problems                  good                bad             random                 first              shortest            longest        any (coverage)
        -  --------  --------------------  -----------------  -----------------  --------------------  --------------------  -----------------  --------------------
        1         3     41.7 [25.0, 50.0]  41.7 [25.0, 50.0]  41.7 [25.0, 50.0]     41.7 [25.0, 50.0]     41.7 [25.0, 50.0]  41.7 [25.0, 50.0]     41.7 [25.0, 50.0]
        2         3     72.2 [50.0, 83.3]   11.1 [0.0, 16.7]  55.6 [33.3, 66.7]     72.2 [50.0, 83.3]     61.1 [50.0, 66.7]  50.0 [16.7, 66.7]     72.2 [50.0, 83.3]
        3         3    91.7 [75.0, 100.0]     0.0 [0.0, 0.0]  55.6 [33.3, 66.7]    91.7 [75.0, 100.0]     75.0 [75.0, 75.0]   50.0 [0.0, 75.0]    91.7 [75.0, 100.0]
        4         3  100.0 [100.0, 100.0]     0.0 [0.0, 0.0]  55.6 [33.3, 66.7]  100.0 [100.0, 100.0]  100.0 [100.0, 100.0]  66.7 [0.0, 100.0]  100.0 [100.0, 100.0]

        pairs by the share of hidden tests that the rejected program passes
                  scorer  pairs  right one preferred, %
        ------  --------  -----  ----------------------
        0 %         good      2    100.0 [100.0, 100.0]
        0 %          bad      2          0.0 [0.0, 0.0]
        0 %       random      2       50.0 [50.0, 50.0]
        0 %        first      2    100.0 [100.0, 100.0]
        0 %     shortest      2       50.0 [50.0, 50.0]
        0 %      longest      2       50.0 [50.0, 50.0]
        0–50 %      good      3    100.0 [100.0, 100.0]
        0–50 %       bad      3          0.0 [0.0, 0.0]
        0–50 %    random      3       50.0 [50.0, 50.0]
        0–50 %     first      3    100.0 [100.0, 100.0]
        0–50 %  shortest      3      66.7 [50.0, 100.0]
        0–50 %   longest      3        33.3 [0.0, 50.0]

        calibration
        scorer  probability from  calibration error (ECE), %     Brier score, %
        ------  ----------------  --------------------------  -----------------
        good           raw logit           20.7 [19.4, 23.2]     4.8 [4.3, 5.8]
        bad            raw logit           81.8 [80.6, 84.3]  67.5 [65.5, 71.5]

        good
        said     samples  said, mean %  right, %
        -------  -------  ------------  --------
        20–30 %        7          26.9       0.0
        80–90 %        5          88.1     100.0

        written to report.json
        the first candidate of every problem is right: this file's order tells the labels, and "first" is no rule here
        exit 0
    "#]].assert_eq(&said);
    assert_eq!(transcript(&folder, args), said);
}

#[test]
fn the_report_has_every_figure() {
    let folder = judged("reward-report");
    let args = format!("eval reward {POOL} --scores good.jsonl --scores bad.jsonl --out r.json");
    transcript(&folder, &args);
    let report = fs::read(folder.join("r.json")).unwrap();
    transcript(&folder, &args);
    assert_eq!(fs::read(folder.join("r.json")).unwrap(), report);
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["format"], "codescaler/reward-report");
    assert_eq!(report["scorers"]["good"]["auc"]["mean"], 1.0);
    assert_eq!(report["differences"]["bad"]["auc"]["mean"], 1.0);
    assert_eq!(report["best_of"]["2"]["scorers"]["random"]["n"], 3);
    assert_eq!(report["calibration"]["bad"]["bins"].as_array().unwrap().len(), 10);
}

#[test]
fn probes_are_measured_apart() {
    let folder = judged("probes");
    let mut candidates = fs::read_to_string(folder.join("candidates.jsonl")).unwrap();
    let program = "\"program\":\"def f(a, b):\\n    return 1\\n\",\"language\":\"python\"";
    for (index, relation) in [
        (4, r#"{"kind":"rewrite","of":0,"how":"rename"}"#),
        (5, r#"{"kind":"rewrite","of":2,"how":"rename"}"#),
        (6, r#"{"kind":"unaligned","solves":"mul"}"#),
        (7, r#"{"kind":"bug","of":1,"how":"token"}"#),
    ] {
        for id in ["add", "mul", "sub"] {
            writeln!(
                candidates,
                "{{\"problem\":\"{id}\",\"index\":{index},{program},\"relation\":{relation}}}"
            )
            .unwrap();
        }
    }
    fs::write(folder.join("candidates.jsonl"), candidates).unwrap();
    // Right programs have 2 and wrong ones 0; the rewrite of the right one falls below in one
    // problem, and the unaligned program is above in another.
    let scores = |id: &str, at| match (id, at) {
        ("sub", 1) => 0.0,
        (_, 0 | 1) => 2.0,
        ("add", 4) => -1.0,
        (_, 4) => 1.5,
        ("mul", 6) => 3.0,
        (_, 7) => 1.0,
        (_, _) => 0.0,
    };
    write_scores(&folder, "good.jsonl", 8, scores);
    let said = transcript(&folder, &format!("eval reward {POOL} --scores good.jsonl"));
    let (_, probes) = said.split_once("\nprobes\n").unwrap();
    expect![[r#"
        probe              scorer       share of pairs  problems  pairs                     %
        ---------------  --------  -------------------  --------  -----  --------------------
        rewrite: rename      good   preference changed         3     12      16.7 [0.0, 50.0]
        rewrite: rename    random   preference changed         3      9        0.0 [0.0, 0.0]
        rewrite: rename  shortest   preference changed         3      9     33.3 [33.3, 33.3]
        rewrite: rename   longest   preference changed         3      9     33.3 [33.3, 33.3]
        bug: token           good   original preferred         2      2  100.0 [100.0, 100.0]
        bug: token         random   original preferred         2      2     50.0 [50.0, 50.0]
        bug: token       shortest   original preferred         2      2        0.0 [0.0, 0.0]
        bug: token        longest   original preferred         2      2  100.0 [100.0, 100.0]
        unaligned            good  right one preferred         3      5     60.0 [0.0, 100.0]
        unaligned          random  right one preferred         3      5     50.0 [50.0, 50.0]
        unaligned        shortest  right one preferred         3      5        0.0 [0.0, 0.0]
        unaligned         longest  right one preferred         3      5  100.0 [100.0, 100.0]
        the first candidate of every problem is right: this file's order tells the labels, and "first" is no rule here
        exit 0
    "#]]
    .assert_eq(probes);
    // No rule chooses among probes.
    let selected = transcript(
        &folder,
        &format!("select {POOL} --scores good.jsonl --rules rm_argmax --out s.jsonl --quiet"),
    );
    assert!(selected.ends_with("exit 0\n"), "{selected}");
    let selections = fs::read_to_string(folder.join("s.jsonl")).unwrap();
    assert!(!selections.contains("\"chosen\":6"), "{selections}");
}

/// Two prompts of RM-Bench: in the first a longer answer is a better one, in the second a worse.
fn write_rm_bench(folder: &Path) {
    let row = |id: u32, chosen: [&str; 3], rejected: [&str; 3]| {
        let subset = "bigcode/humanevalpack";
        serde_json::json!({"id": id, "prompt": "Add.", "subset": subset, "language": "python",
            "chosen": chosen, "rejected": rejected})
        .to_string()
    };
    let rows = [
        row(1, ["one", "one two", "**one two**"], ["x", "x y", "x y z"]),
        row(2, ["a", "b", "c"], ["one two", "one two three", "*one* two three"]),
    ];
    fs::write(folder.join("rows.jsonl"), rows.join("\n")).unwrap();
}

#[test]
fn rm_bench_from_rows_to_its_matrix() {
    let folder = folder("rm-bench");
    write_rm_bench(&folder);
    let imported = transcript(&folder, "import rm-bench rows.jsonl --out rmb --quiet");
    assert!(imported.contains("2 problems, 12 candidates, 12 labels"), "{imported}");
    let pool = "--problems rmb/problems.jsonl --candidates rmb/candidates.jsonl --policy whole";
    let scored = transcript(
        &folder,
        &format!("score {pool} --scorer linear --out rmb/scores.jsonl --quiet"),
    );
    expect![[r#"
        12 scores written to rmb/scores.jsonl
        exit 0
    "#]]
    .assert_eq(&scored);
    let hidden =
        format!("score {pool} --scorer linear --out rmb/hidden.jsonl --hide-problem --quiet");
    assert!(transcript(&folder, &hidden).ends_with("exit 0\n"));
    let header = fs::read_to_string(folder.join("rmb/hidden.jsonl")).unwrap();
    assert!(header.lines().next().unwrap().contains("\"hide_problem\":true"), "{header}");
    let said = transcript(
        &folder,
        &format!("eval reward {pool} --rm-bench --scores rmb/scores.jsonl --out r.json --quiet"),
    );
    let (_, table) = said.split_once("\ndomain").unwrap();
    let lines: Vec<&str> =
        table.lines().filter(|line| !line.contains("scores ") && !line.is_empty()).collect();
    expect![[r#"
            scorer  prompts             hard, %          normal, %            easy, %          average, %
        ------  --------  -------  ------------------  -----------------  -----------------  ------------------
        code      random        2   50.0 [50.0, 50.0]  50.0 [50.0, 50.0]  50.0 [50.0, 50.0]   50.0 [50.0, 50.0]
        code    shortest        2  66.7 [33.3, 100.0]  50.0 [0.0, 100.0]  50.0 [0.0, 100.0]  55.6 [11.1, 100.0]
        code     longest        2    16.7 [0.0, 33.3]  50.0 [0.0, 100.0]  50.0 [0.0, 100.0]    38.9 [0.0, 77.8]
        no overall average, which is the mean of four domains; missing: chat, math, safety
        written to r.json
        exit 0"#]].assert_eq(&lines.join("\n"));
}

#[test]
fn what_does_not_fit_is_refused() {
    let folder = judged("reward-refused");
    let check = |args: &str, expect: Expect| {
        expect.assert_eq(&transcript(&folder, &format!("eval reward {args}")));
    };
    check(
        &format!("{POOL} --rm-bench --scores good.jsonl"),
        expect![[r#"
        3 problems, 12 candidates; left out: 0 candidates without a label or of another source, 0 problems without any, 0 problems all of whose candidates are alike
        codescaler: error: problem "add" is none of RM-Bench: its meta.domain is none of chat, code, math, safety; `codescaler import rm-bench` makes such problems
        exit 2
    "#]],
    );
    fs::write(folder.join("c.json"), "{\"format\":\"codescaler/calibration\",\"version\":1,\"scale\":1.0,\"offset\":0.0,\"scores\":{\"weights\":\"w\"}}").unwrap();
    let both = format!("{POOL} --scores good.jsonl --scores bad.jsonl");
    check(
        &format!("{both} --calibration c.json"),
        expect![[r#"
        codescaler: error: 1 --calibration for 2 --scores: give one for each, in the same order
        exit 2
    "#]],
    );
    check(
        &format!("{POOL} --scores good.jsonl --calibration c.json"),
        expect![[r#"
        codescaler: error: c.json was fitted to scores of another reward model than those of good.jsonl
        exit 2
    "#]],
    );
    check(
        &format!("{POOL} --scores good.jsonl --calibration good.jsonl"),
        expect![[r#"
        codescaler: error: good.jsonl is no JSON: trailing characters at line 2 column 1
        exit 2
    "#]],
    );
    check(
        &format!("{POOL} --by colour"),
        expect![[r#"
        error: invalid value 'colour' for '--by <BY>'
          [possible values: difficulty, dataset, language, pool, rejected, writer]

        For more information, try '--help'.
        exit 2
    "#]],
    );

    let with_probe = |relation: &str| {
        let mut candidates = fs::read_to_string(folder.join("candidates.jsonl")).unwrap();
        writeln!(
            candidates,
            "{{\"problem\":\"add\",\"index\":9,\"program\":\"f = 1\\n\",\"language\":\"python\",\"relation\":{relation}}}"
        )
        .unwrap();
        fs::write(folder.join("probed.jsonl"), candidates).unwrap();
    };
    let probed = "--problems problems.jsonl --candidates probed.jsonl";
    with_probe(r#"{"kind":"rewrite","of":7,"how":"rename"}"#);
    check(
        probed,
        expect![[r#"
        codescaler: error: candidate 9 of problem "add" is made from candidate 7, which is not among the candidates
        exit 2
    "#]],
    );
    with_probe(r#"{"kind":"twin","of":0}"#);
    check(
        probed,
        expect![[r#"
        codescaler: error: candidate 9 of problem "add", key "relation": unknown variant `twin`, expected one of `rewrite`, `bug`, `unaligned`
        exit 2
    "#]],
    );
}
