//! Pages of runs, and runs compared.

use std::{fs, path::Path};

use expect_test::expect;

use crate::{folder, transcript, write_pool};

const POOL: &str = "--problems problems.jsonl --candidates candidates.jsonl";

fn write_scores(folder: &Path) {
    let score = format!("score --scorer linear {POOL} --out scores.jsonl --quiet");
    assert!(transcript(folder, &score).ends_with("exit 0\n"));
}

/// The page without its data, script and style.
fn text(page: &Path) -> String {
    let page = fs::read_to_string(page).unwrap();
    page.split_once("<body>").unwrap().1.split("<script").next().unwrap().to_owned()
}

#[test]
fn a_folder_of_records_is_a_run() {
    let folder = folder("report");
    write_pool(&folder, 8);
    let page = folder.join("report.html");
    let said = transcript(&folder, "report .");
    assert!(said.contains(" MB written to ./report.html\nexit 0\n"), "{said}");
    let before = text(&page);
    assert!(before.contains("Not in this run: scores of a reward model."), "{before}");

    write_scores(&folder);
    transcript(&folder, "report .");
    let after = text(&page);
    for section in ["accuracy", "best-of-n", "pairs", "calibration", "programs", "provenance"] {
        assert!(after.contains(&format!("<section id=\"{section}\">")), "no {section}");
    }
    assert!(after.contains("of so few problems the interval says too much"), "{after}");
    let first = fs::read(&page).unwrap();
    transcript(&folder, "report .");
    assert!(fs::read(&page).unwrap() == first, "the same run gives another page");

    // The page says what `eval selection` says.
    let table = transcript(
        &folder,
        &format!("eval selection {POOL} --scores scores.jsonl --rules random;rm_argmax --quiet"),
    );
    for rule in ["random", "rm_argmax", "oracle"] {
        let row = table.lines().find(|line| line.starts_with(rule)).unwrap();
        let share = row.split_whitespace().nth(1).unwrap();
        let shown = format!("<th scope=\"row\">{rule}</th>");
        let cell = after.split_once(&shown).unwrap().1.split_once("class=\"n\">").unwrap().1;
        assert!(cell.starts_with(share), "{rule}: {share} against {}", &cell[..40]);
    }
}

#[test]
fn runs_are_compared_on_the_problems_that_both_have() {
    let folder = folder("compare");
    write_pool(&folder, 8);
    write_scores(&folder);
    let eval = |out: &str, rules: &str| {
        let args = format!(
            "eval selection {POOL} --scores scores.jsonl --rules {rules} --out {out} --quiet"
        );
        let said = transcript(&folder, &args);
        assert!(
            said.ends_with("exit 0\n") && folder.join(out).join("report.html").exists(),
            "{said}"
        );
    };
    eval("a", "random;rm_argmax");
    eval("b", "random;longest");
    expect![[r#"
        run               method                     a                    it  difference, points  problems  left out
        ---  -------------------  --------------------  --------------------  ------------------  --------  --------
        b    rm_argmax → longest        0.0 [0.0, 0.0]     66.7 [0.0, 100.0]  +66.7 [0.0, 100.0]         3         0
        b                 random     55.6 [33.3, 66.7]     55.6 [33.3, 66.7]      0.0 [0.0, 0.0]         3         0
        b                 oracle  100.0 [100.0, 100.0]  100.0 [100.0, 100.0]      0.0 [0.0, 0.0]         3         0

        written to both.html
        exit 0
    "#]].assert_eq(&transcript(&folder, "compare a b --out both.html"));
    assert!(text(&folder.join("both.html")).contains("rm_argmax → longest"));
    let said = transcript(
        &folder,
        "eval selection --problems problems.jsonl --candidates candidates.jsonl --scores scores.jsonl --rules random --out a --quiet",
    );
    assert!(said.contains("a holds a run of another plan"), "{said}");

    let other = folder.join("b/measurements.jsonl");
    let renamed =
        fs::read_to_string(&other).unwrap().replace("\"problem\":\"", "\"problem\":\"other-");
    fs::write(&other, renamed).unwrap();
    expect![[r#"
        codescaler: error: a and b have no method on the same problems in common
        exit 2
    "#]]
    .assert_eq(&transcript(&folder, "compare a b"));
}

#[test]
fn a_folder_without_a_run_is_refused() {
    let folder = folder("report-bad");
    expect![[r#"
        codescaler: error: cannot read nowhere: No such file or directory (os error 2)
        exit 2
    "#]]
    .assert_eq(&transcript(&folder, "report nowhere"));
    expect![[r#"
        codescaler: error: . holds no run: neither records (docs/formats.md) nor the log of a training
        exit 2
    "#]].assert_eq(&transcript(&folder, "report ."));
    fs::write(folder.join("steps.jsonl"), "{\"step\":1,\"loss\":2.5}\n{\"step\":2,\n").unwrap();
    expect![[r#"
        codescaler: error: ./steps.jsonl, line 2: EOF while parsing a value at line 2 column 0
        exit 2
    "#]]
    .assert_eq(&transcript(&folder, "report ."));
    // A half line at the end is what a killed training leaves.
    fs::write(folder.join("steps.jsonl"), "{\"step\":1,\"loss\":2.5}\n{\"step\":2,").unwrap();
    assert!(transcript(&folder, "report .").ends_with("exit 0\n"));
    fs::write(folder.join("run.toml"), "problems = \"gone.jsonl\"\n").unwrap();
    expect![[r#"
        codescaler: error: ./run.toml: problems = "gone.jsonl" is not there any more
        exit 2
    "#]]
    .assert_eq(&transcript(&folder, "report ."));
    fs::remove_file(folder.join("run.toml")).unwrap();
    for name in ["x.jsonl", "y.jsonl"] {
        fs::write(folder.join(name), "{\"format\":\"codescaler/candidates\",\"version\":1}\n")
            .unwrap();
    }
    expect![[r#"
        codescaler: error: . holds several files of candidates and none named candidates.jsonl: --candidates says which
        exit 2
    "#]].assert_eq(&transcript(&folder, "report ."));
}
