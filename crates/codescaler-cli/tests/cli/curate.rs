//! From labelled programs to pairs, bugs and rows.

#![expect(clippy::too_many_lines, reason = "a table of bad input is long")]

use std::{fs, path::Path};

use expect_test::{Expect, expect};
use serde_json::Value as Json;

use crate::{folder, transcript, write_pool};

const POOL: &str = "--problems problems.jsonl --candidates candidates.jsonl";

#[track_caller]
fn check(folder: &Path, args: &str, expect: Expect) {
    expect.assert_eq(&transcript(folder, args));
}

/// The records of a file, its header apart.
fn records(folder: &Path, file: &str) -> Vec<Json> {
    let text = fs::read_to_string(folder.join(file)).unwrap();
    text.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn from_labels_to_pairs_and_rows() {
    let folder = folder("curate");
    write_pool(&folder, 8);
    let pairs =
        format!("curate pairs {POOL} --sources any --augment all --out pairs.jsonl --quiet");
    check(
        &folder,
        &pairs,
        expect![[r#"
        3 problems, 5 right and 7 wrong programs
        left out: 0 candidates without a verdict, 6 without a program that parses, 0 not asked for, 0 right by label that fail a shown test
        duplicates: 6 programs repeat another one's syntax tree, 0 do so with another verdict
        held out: 0 problems with 0 candidates, and 0 programs by their syntax trees

                                      available  by rule  unaligned
        ----------------------------  ---------  -------  ---------
        pairs                                11        8          0
        problems                              3        3          0
        near misses, %                      0.0      0.0
        of one source, %                   54.5     50.0
        won by knowing the source, %       63.6     75.0
        chosen is longer, %                36.4     50.0
        chosen is shorter, %               63.6     50.0
        2 sources with pairs, 2 in pairs by the rule, 0 of them chosen as often as rejected
        2 pairs once more, rewritten (chosen/rejected): dead-code 1/0, reformat 1/0, rename 0/2
        10 pairs written to pairs.jsonl, the report to pairs.report.json
        exit 0
    "#]],
    );
    let made = records(&folder, "pairs.jsonl");
    let report = fs::read_to_string(folder.join("pairs.report.json")).unwrap();
    let report: Json = serde_json::from_str(&report).unwrap();
    assert_eq!(report["pairs"]["drawn"]["longer"], report["pairs"]["drawn"]["shorter"]);
    let bytes = fs::read(folder.join("pairs.jsonl")).unwrap();
    check(
        &folder,
        &pairs,
        expect![[r#"
        exit 0
    "#]],
    );
    fs::remove_file(folder.join("pairs.jsonl")).unwrap();
    fs::write(folder.join("pairs.jsonl.part"), &bytes[..bytes.len() / 2]).unwrap();
    transcript(&folder, &pairs);
    assert_eq!(fs::read(folder.join("pairs.jsonl")).unwrap(), bytes, "the same after a kill");
    let other = transcript(&folder, &format!("{pairs} --seed 2"));
    assert!(other.contains("pairs.jsonl exists and was made otherwise"), "{other}");

    for form in ["trl-explicit", "trl-explicit-text", "trl-implicit"] {
        let export = format!(
            "curate export --problems problems.jsonl --preferences pairs.jsonl --form {form} \
             --out {form}.jsonl --quiet"
        );
        let said = transcript(&folder, &export);
        assert_eq!(said, format!("{} rows written to {form}.jsonl\nexit 0\n", made.len()));
        let text = fs::read_to_string(folder.join(format!("{form}.jsonl"))).unwrap();
        let rows: Vec<Json> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let columns = |row: &Json| row.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert!(rows.iter().all(|row| columns(row) == columns(&rows[0])));
        let again = transcript(&folder, &export);
        assert!(again.contains("exists: delete it or name another output"), "{again}");
    }
}

#[test]
fn held_out_problems_are_dropped_and_named() {
    let folder = folder("curate-held-out");
    write_pool(&folder, 8);
    fs::create_dir(folder.join("eval")).unwrap();
    let problems = fs::read_to_string(folder.join("problems.jsonl")).unwrap();
    let problems = problems.replace("Return a + b.", "Return the sum of a and b.");
    fs::write(folder.join("problems.jsonl"), &problems).unwrap();
    let lines: Vec<&str> = problems.lines().collect();
    let held_out = lines[1].replace("the sum of a and b.", "THE SUM  of a, and b!");
    fs::write(folder.join("eval/problems.jsonl"), format!("{}\n{held_out}\n", lines[0])).unwrap();
    fs::write(folder.join("ids.json"), "{\"why\":[\"mul\"]}").unwrap();
    check(
        &folder,
        &format!(
            "curate pairs {POOL} --sources any --any-length --unaligned-share 0 --against eval \
             --leave-out ids.json --out pairs.jsonl --quiet"
        ),
        expect![[r#"
            1 problems, 1 right and 3 wrong programs
            left out: 0 candidates without a verdict, 2 without a program that parses, 0 not asked for, 0 right by label that fail a shown test
            duplicates: 2 programs repeat another one's syntax tree, 0 do so with another verdict
            held out: 2 problems with 16 candidates, and 0 programs by their syntax trees
              "add": its statement is held out: "add", 100.0 %
              "mul": it is left out by id

                                          available  by rule  unaligned
            ----------------------------  ---------  -------  ---------
            pairs                                 3        3          0
            problems                              1        1          0
            near misses, %                      0.0      0.0
            of one source, %                   66.7     66.7
            won by knowing the source, %       66.7     66.7
            chosen is longer, %                 0.0      0.0
            chosen is shorter, %              100.0    100.0
            2 sources with pairs, 2 in pairs by the rule, 0 of them chosen as often as rejected
            3 pairs written to pairs.jsonl, the report to pairs.report.json
            exit 0
        "#]],
    );
    assert!(records(&folder, "pairs.jsonl").iter().all(|pair| pair["problem"] == "sub"));
}

#[test]
fn probes_are_scored_and_measured_apart() {
    let folder = folder("curate-probes");
    write_pool(&folder, 8);
    let probes = format!("curate probes {POOL} --out probes --quiet");
    check(
        &folder,
        &probes,
        expect![[r#"
        8 programs rewritten and 0 that solve another problem written to probes, with those they are compared with
        exit 0
    "#]],
    );
    let made = records(&folder, "probes/candidates.jsonl");
    let kinds = |kind: &str| made.iter().filter(|probe| probe["relation"]["kind"] == kind).count();
    assert!(kinds("rewrite") > 0, "{made:?}");
    for probe in made.iter().filter(|probe| probe["relation"]["kind"] == "rewrite") {
        let is_original = |other: &&Json| {
            other["problem"] == probe["problem"] && other["index"] == probe["relation"]["of"]
        };
        assert!(made.iter().find(is_original).is_some_and(|other| other["relation"].is_null()));
    }
    let of = "--problems problems.jsonl --candidates probes/candidates.jsonl";
    transcript(&folder, &format!("score --scorer linear {of} --out s.jsonl --quiet"));
    let said = transcript(&folder, &format!("eval reward {of} --scores s.jsonl --quiet"));
    assert!(said.contains("preference changed") && said.ends_with("exit 0\n"), "{said}");
}

#[test]
fn bugs_are_run_before_they_are_wrong() {
    let folder = folder("curate-bugs");
    write_pool(&folder, 8);
    check(
        &folder,
        &format!("curate bugs {POOL} --out bugs.jsonl --quiet"),
        expect![[r#"
        5 programs with one token changed, for 3 problems, written to bugs.jsonl; run them with `exec` to see which are wrong
        exit 0
    "#]],
    );
    transcript(
        &folder,
        "exec --problems problems.jsonl --candidates bugs.jsonl --suite hidden --out x.jsonl \
         --quiet --allow-weak-isolation",
    );
    let said = transcript(
        &folder,
        &format!(
            "curate pairs {POOL} --candidates bugs.jsonl --executions x.jsonl --out pairs.jsonl \
             --quiet"
        ),
    );
    assert!(said.ends_with("exit 0\n"), "{said}");
    let pairs = records(&folder, "pairs.jsonl");
    let of_bugs =
        pairs.iter().filter(|pair| pair["rejected"]["index"].as_u64().unwrap() >= 1_000_000);
    assert!(of_bugs.clone().count() > 0, "{said}");
    check(
        &folder,
        &format!("curate pairs {POOL} --candidates candidates.jsonl --out other.jsonl --quiet"),
        expect![[r#"
            codescaler: error: candidates.jsonl holds candidate 0 of problem "add", which stands in another file of candidates: leave one of the files out
            exit 2
        "#]],
    );
}

#[test]
fn edits_are_learnt_and_played_back() {
    let folder = folder("curate-edits");
    write_pool(&folder, 8);
    let pool = fs::read_to_string(folder.join("candidates.jsonl")).unwrap();
    let longer = r"import math\n\n\ndef f(a, b):\n    # Slowly.\n    total = a\n    for _ in range(b):\n        total += 1\n    return math.floor(total)";
    let pool = pool.replace(r"def f(a, b):\n    return a + b\n", longer);
    let pool = pool.replace("return b * a", "return b * a * one");
    fs::write(folder.join("candidates.jsonl"), pool).unwrap();
    let edits = format!("curate edits {POOL} --per-program 3 --out edits --quiet");
    check(
        &folder,
        &edits,
        expect![[r#"
        12 sequences of 1.2 edits, of 4 programs for 3 problems, written to edits; 1 programs left out that the linter complains about
        exit 0
    "#]],
    );
    let made = fs::read_to_string(folder.join("edits/candidates.jsonl")).unwrap();
    fs::remove_dir_all(folder.join("edits")).unwrap();
    transcript(&folder, &edits);
    assert_eq!(fs::read_to_string(folder.join("edits/candidates.jsonl")).unwrap(), made);
    // The program stands beside its edits, and would be taken in their place.
    let alone = made.replace("\"program\":", "\"was\":");
    fs::write(folder.join("alone.jsonl"), alone).unwrap();
    check(
        &folder,
        "extract --policy edits --problems edits/problems.jsonl --candidates alone.jsonl \
         --out played.jsonl --quiet",
        expect![[r#"
            12 programs read into played.jsonl
                    12  ok
            exit 0
        "#]],
    );
    for played in records(&folder, "played.jsonl") {
        let ends = |key: &str| played[key].as_str().unwrap().trim_end().to_owned();
        assert!(played["completion"].as_str().unwrap().starts_with("@@ -0,0 +1"), "{played}");
        assert_eq!(ends("program"), ends("was"));
    }
    transcript(&folder, "train tokenizer --quiet --data . --vocab 270 --out tokenizer");
    check(
        &folder,
        "train policy --quiet --base tokenizer --width 128 --layers 1 --data edits --completions \
         --out policy",
        expect![[r#"
            0 texts of code, 12 programs of 3 problems, 0 conversations; dropped as held out: 0 problems, 0 programs
            231680 parameters, 727 tokens, 1 steps
            policy written to policy
            exit 0
        "#]],
    );
    fs::write(folder.join("c.jsonl"), "{\"format\":\"codescaler/candidates\",\"version\":1}\n")
        .unwrap();
    check(
        &folder,
        "curate edits --problems problems.jsonl --candidates c.jsonl --out none --quiet",
        expect![[r#"
            codescaler: error: no right program to take apart: 0 that the linter refuses; give --labels or --executions of Python programs
            exit 2
        "#]],
    );
}

#[test]
fn the_shortest_right_answers_are_kept() {
    let folder = folder("curate-concise");
    write_pool(&folder, 8);
    check(
        &folder,
        &format!("curate concise {POOL} --out concise --quiet"),
        expect![[r#"
        problems  answered  kept  characters, shortest  mean of samples
        --------  --------  ----  --------------------  ---------------
        all              3     3                  30.0             31.5
        3 completions written to concise
        exit 0
    "#]],
    );
    for chosen in records(&folder, "concise/candidates.jsonl") {
        assert_eq!(chosen["index"], 0, "of two shortest the first: {chosen}");
    }
    check(
        &folder,
        &format!("curate concise {POOL} --balance kind --out balanced --quiet"),
        expect![[r#"
            codescaler: error: problem "add" has no "kind" in its meta: balance by another key, or by none
            exit 2
        "#]],
    );
    let problems = fs::read_to_string(folder.join("problems.jsonl")).unwrap();
    let kinds = problems.lines().map(|line| {
        let kind = if line.contains("\"sub\"") { "rare" } else { "usual" };
        line.replace("\"entry\"", &format!("\"meta\":{{\"kind\":\"{kind}\"}},\"entry\"")) + "\n"
    });
    let kinds: String = kinds.collect();
    fs::write(folder.join("problems.jsonl"), kinds).unwrap();
    check(
        &folder,
        &format!("curate concise {POOL} --balance kind --out balanced --quiet"),
        expect![[r#"
            kind   answered  kept  characters, shortest  mean of samples
            -----  --------  ----  --------------------  ---------------
            rare          1     1                  30.0             31.5
            usual         2     1                  30.0             31.5
            all           3     2                  30.0             31.5
            2 completions written to balanced
            exit 0
        "#]],
    );
    check(
        &folder,
        &format!("curate concise {POOL} --length tokens --out tokens --quiet"),
        expect![[r#"
            codescaler: error: candidate 0 of problem "add" has no `tokens`: count --length characters
            exit 2
        "#]],
    );
    check(
        &folder,
        &format!("curate concise {POOL} --source nobody --out none --quiet"),
        expect![[r#"
            codescaler: error: no right completion: 0 candidates without a verdict; give --labels or --executions
            exit 2
        "#]],
    );
}

#[test]
fn bad_input_is_named() {
    let folder = folder("curate-bad");
    write_pool(&folder, 4);
    let pairs = |rest: &str| format!("curate pairs {POOL} --out o.jsonl --quiet {rest}");
    fs::write(folder.join("none.jsonl"), "{\"format\":\"codescaler/labels\",\"version\":1}\n")
        .unwrap();
    fs::write(folder.join("ids.json"), "[").unwrap();
    let preference = "{\"problem\":\"div\",\"chosen\":{\"problem\":\"div\",\"index\":0,\"program\":\"\"},\
                      \"rejected\":{\"problem\":\"div\",\"index\":1,\"program\":\"\"},\
                      \"language\":\"python\",\"rule\":\"all_any\"}\n";
    let header = "{\"format\":\"codescaler/preferences\",\"version\":1}\n";
    fs::write(folder.join("stranger.jsonl"), format!("{header}{preference}")).unwrap();
    for (args, expect) in [
        (
            pairs("--labels none.jsonl"),
            expect![[r#"
                codescaler: error: no pairs: 0 right and 0 wrong programs of 0 problems, 0 problems held out, 9 candidates without a verdict; it takes right and wrong programs of one problem with named sources: give --labels or --executions, or --sources any
                exit 2
            "#]],
        ),
        (
            pairs("--rule margin"),
            expect![[r#"
                codescaler: error: no pairs: 5 right and 4 wrong programs of 3 problems, 0 problems held out, 0 candidates without a verdict; the margin rule needs pass rates: labels with a rate, or --executions
                exit 2
            "#]],
        ),
        (
            pairs("--near-miss-share 1.5"),
            expect![[r#"
            error: invalid value '1.5' for '--near-miss-share <NEAR_MISS_SHARE>': write a share from 0 to 1, such as 0.3

            For more information, try '--help'.
            exit 2
        "#]],
        ),
        (
            pairs("--augment uglify"),
            expect![[r#"
            error: invalid value 'uglify' for '--augment <AUGMENT>': unknown rewrite "uglify"; there are rename, strip-comments, lying-comment, reformat, dead-code

            For more information, try '--help'.
            exit 2
        "#]],
        ),
        (
            pairs("--against nowhere"),
            expect![[r#"
            codescaler: error: cannot open nowhere: No such file or directory (os error 2)
            exit 2
        "#]],
        ),
        (
            pairs("--leave-out ids.json"),
            expect![[r#"
            codescaler: error: ids.json is no JSON: EOF while parsing a list at line 1 column 1
            exit 2
        "#]],
        ),
        (
            "curate export --problems problems.jsonl --preferences stranger.jsonl --out o.jsonl"
                .to_owned(),
            expect![[r#"
                codescaler: error: stranger.jsonl, line 2: problem "div" is not in problems.jsonl
                exit 2
            "#]],
        ),
        (
            "curate export --problems problems.jsonl --preferences labels.jsonl --out o.jsonl"
                .to_owned(),
            expect![[r#"
                codescaler: error: labels.jsonl, line 1: this is a file of "codescaler/labels", not of "codescaler/preferences"
                exit 2
            "#]],
        ),
    ] {
        check(&folder, &args, expect);
        assert!(
            !folder.join("o.jsonl").exists() && !folder.join("o.jsonl.part").exists(),
            "{args}"
        );
    }
}
