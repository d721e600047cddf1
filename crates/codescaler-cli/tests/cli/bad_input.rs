//! Bad input: a clear error with its place, exit code 2, and nothing written.

#![expect(clippy::too_many_lines, reason = "the functions are tables")]

use std::fs;

use expect_test::{Expect, expect};

use crate::{folder, transcript, write_pool};

/// Puts `contents` in place of `file` of a good pool, scores, and shows what the binary says.
#[track_caller]
fn check(name: &str, file: &str, contents: impl AsRef<[u8]>, expect: Expect) {
    let folder = folder(name);
    write_pool(&folder, 4);
    fs::write(folder.join(file), contents).unwrap();
    expect.assert_eq(&transcript(
        &folder,
        "score --problems problems.jsonl --candidates candidates.jsonl --out scores.jsonl",
    ));
    assert!(!folder.join("scores.jsonl").exists(), "nothing whole may stand there");
}

const CANDIDATES: &str = "{\"format\":\"codescaler/candidates\",\"version\":1}\n";
const GOOD: &str =
    "{\"problem\":\"add\",\"index\":0,\"program\":\"x = 1\",\"language\":\"python\"}\n";

#[test]
fn bad_candidates() {
    let after = |line: &str| format!("{CANDIDATES}{GOOD}{line}");
    check(
        "wrong-key",
        "candidates.jsonl",
        after("{\"problem\":\"add\",\"index\":-1,\"language\":\"python\"}\n"),
        expect![[r#"
            codescaler: error: candidates.jsonl, line 3: key "index": invalid value: integer `-1`, expected u32, at column 27
            exit 2
        "#]],
    );
    check(
        "unknown-language",
        "candidates.jsonl",
        after("{\"problem\":\"add\",\"index\":1,\"language\":\"cobol\"}\n"),
        expect![[r#"
            codescaler: error: candidates.jsonl, line 3: key "language": unknown variant `cobol`, expected one of `python`, `cpp`, `java`, `go`, `rust`, `javascript`, `typescript`, `c`, `csharp`, `kotlin`, `php`, `ruby`, `scala`, `swift`, at column 45
            exit 2
        "#]],
    );
    check(
        "half-line",
        "candidates.jsonl",
        after(&GOOD[..30]),
        expect![[r#"
        codescaler: error: candidates.jsonl, line 3: the line is cut off: its writer was stopped; run it again to resume, or delete the line
        exit 2
    "#]],
    );
    check(
        "duplicate",
        "candidates.jsonl",
        after(GOOD),
        expect![[r#"
        codescaler: error: candidates.jsonl, line 3: candidate 0 of problem "add" stands here for the second time
        exit 2
    "#]],
    );
    check(
        "unknown-problem",
        "candidates.jsonl",
        after(&GOOD.replace("add", "div")),
        expect![[r#"
        codescaler: error: candidates.jsonl, line 3: problem "div" is not in problems.jsonl
        exit 2
    "#]],
    );
    check(
        "not-utf8",
        "candidates.jsonl",
        [after("").as_bytes(), b"{\"problem\":\"\xff\xfe\"}\n"].concat(),
        expect![[r#"
            codescaler: error: candidates.jsonl, line 3: not UTF-8 at byte 12 of the line
            exit 2
        "#]],
    );
    check(
        "no-header",
        "candidates.jsonl",
        GOOD,
        expect![[r#"
        codescaler: error: candidates.jsonl, line 1: no header: the first line must be {"format":"codescaler/candidates","version":1}
        exit 2
    "#]],
    );
    check(
        "other-kind",
        "candidates.jsonl",
        CANDIDATES.replace("candidates", "labels"),
        expect![[r#"
            codescaler: error: candidates.jsonl, line 1: this is a file of "codescaler/labels", not of "codescaler/candidates"
            exit 2
        "#]],
    );
    check(
        "truncated-zstd",
        "candidates.jsonl",
        [0x28, 0xb5, 0x2f, 0xfd, 0x04],
        expect![[r#"
        codescaler: error: cannot decompress candidates.jsonl: WindowDescriptorReadError(Error { kind: UnexpectedEof, message: "failed to fill whole buffer" }): Error while reading window descriptor: failed to fill whole buffer: failed to fill whole buffer
        exit 2
    "#]],
    );
}

#[test]
fn bad_problems() {
    let header = "{\"format\":\"codescaler/problems\",\"version\":1}\n";
    let problem = "{\"id\":\"add\",\"statement\":\"\",\"language\":\"python\",\"entry\":{\"kind\":\"stdio\"}}\n";
    check(
        "no-problems",
        "problems.jsonl",
        header,
        expect![[r#"
        codescaler: error: problems.jsonl holds no problem
        exit 2
    "#]],
    );
    check(
        "same-problem",
        "problems.jsonl",
        format!("{header}{problem}{problem}"),
        expect![[r#"
        codescaler: error: problems.jsonl, line 3: problem "add" stands here for the second time
        exit 2
    "#]],
    );
    check(
        "bad-entry",
        "problems.jsonl",
        format!("{header}{}", problem.replace("stdio", "telnet")),
        expect![[r#"
            codescaler: error: problems.jsonl, line 2: key "entry.kind": unknown variant `telnet`, expected one of `stdio`, `function`, `method`, `script`, at column 71
            exit 2
        "#]],
    );
}

#[test]
fn missing_files_and_bad_evidence() {
    let folder = folder("evidence");
    write_pool(&folder, 4);
    let pool = "--problems problems.jsonl --candidates candidates.jsonl";
    let check = |args: &str, expect: Expect| expect.assert_eq(&transcript(&folder, args));
    check(
        "score --problems nowhere.jsonl --candidates candidates.jsonl --out s.jsonl",
        expect![[r#"
            codescaler: error: cannot open nowhere.jsonl: No such file or directory (os error 2)
            exit 2
        "#]],
    );

    let scores = "{\"format\":\"codescaler/scores\",\"version\":1}\n";
    let score = |score: &str| format!("{{\"problem\":\"add\",\"index\":0,\"score\":{score}}}\n");
    for (name, contents) in [
        ("nan.jsonl", format!("{scores}{}", score("NaN"))),
        ("huge.jsonl", format!("{scores}{}", score("1e300"))),
        ("few.jsonl", format!("{scores}{}", score("0.5"))),
        (
            "stranger.jsonl",
            format!("{scores}{}", score("0.5").replace("\"index\":0", "\"index\":77")),
        ),
    ] {
        fs::write(folder.join(name), contents).unwrap();
    }
    check(
        &format!("select {pool} --scores nan.jsonl --out o.jsonl"),
        expect![[r#"
        codescaler: error: nan.jsonl, line 2: key "score": expected value, at column 36
        exit 2
    "#]],
    );
    check(
        &format!("select {pool} --scores huge.jsonl --out o.jsonl"),
        expect![[r#"
        codescaler: error: huge.jsonl, line 2: key "score": number out of range, at column 40
        exit 2
    "#]],
    );
    check(
        &format!("select {pool} --scores few.jsonl --out o.jsonl"),
        expect![[r#"
        codescaler: error: few.jsonl has scores of 1 candidates where there are 12
        exit 2
    "#]],
    );
    check(
        &format!("select {pool} --scores stranger.jsonl --out o.jsonl"),
        expect![[r#"
        codescaler: error: stranger.jsonl speaks of candidate 77 of problem "add", which is not among the candidates
        exit 2
    "#]],
    );
    check(
        &format!("select {pool} --rules public_filter --out o.jsonl"),
        expect![[r#"
        codescaler: error: problem "add": rule public_filter needs verdicts on visible tests, which the evidence lacks; provide them or choose another rule
        exit 2
    "#]],
    );
    check(
        &format!("select {pool} --rules best --out o.jsonl"),
        expect![[r#"
        error: invalid value 'best' for '--rules <RULES>': unknown rule "best"; the rules are first, random, shortest, longest, public_filter, max_pass, max_pass_consistency, codet, b4, mbr_exec, alphacode_clusters, output_vote, rm_argmax, rm_within_passing, hybrid_lexi, weighted_verifiers

        For more information, try '--help'.
        exit 2
    "#]],
    );
    check(
        &format!("eval selection {pool} --labels-by nobody"),
        expect![[r#"
        codescaler: error: labels.jsonl has no label by "nobody"
        exit 2
    "#]],
    );

    assert!(!folder.join("o.jsonl").exists());
}

#[test]
fn empty_groups_and_nothing_to_measure() {
    let folder = folder("empty");
    write_pool(&folder, 4);
    let pool = "--problems problems.jsonl --candidates candidates.jsonl";
    let check = |args: &str, expect: Expect| expect.assert_eq(&transcript(&folder, args));
    fs::write(folder.join("lonely.jsonl"), format!("{CANDIDATES}{GOOD}")).unwrap();
    check(
        "select --problems problems.jsonl --candidates lonely.jsonl --out o.jsonl",
        expect![[r#"
            codescaler: error: problem "mul" has no candidate in lonely.jsonl: --skip-empty leaves such problems out
            exit 2
        "#]],
    );
    fs::write(
        folder.join("unlabelled.jsonl"),
        "{\"format\":\"codescaler/labels\",\"version\":1}\n",
    )
    .unwrap();
    check(
        &format!("eval selection {pool} --labels unlabelled.jsonl"),
        expect![[r#"
        codescaler: error: no problem is left to measure on
        exit 2
    "#]],
    );
    assert!(!folder.join("o.jsonl").exists());
}

#[test]
fn an_output_made_otherwise_is_not_overwritten() {
    let folder = folder("otherwise");
    write_pool(&folder, 4);
    let args = "score --scorer linear --problems problems.jsonl --candidates candidates.jsonl --out s.jsonl --quiet";
    let first = transcript(&folder, args);
    assert_eq!(transcript(&folder, args), "exit 0\n", "{first}");
    let bytes = fs::read(folder.join("s.jsonl")).unwrap();
    let other = transcript(&folder, &format!("{args} --policy lcb"));
    expect![[r#"
        codescaler: error: s.jsonl exists and was made otherwise: delete it or name another output
          there: policy "best-valid"
          asked: policy "lcb"
        exit 2
    "#]]
    .assert_eq(&other);
    assert_eq!(fs::read(folder.join("s.jsonl")).unwrap(), bytes);
}

#[test]
fn a_mended_input_needs_nothing_deleted() {
    let folder = folder("mended");
    write_pool(&folder, 4);
    let args = "score --scorer linear --problems problems.jsonl --candidates candidates.jsonl --out s.jsonl --quiet";
    let whole = fs::read_to_string(folder.join("candidates.jsonl")).unwrap();
    fs::write(folder.join("candidates.jsonl"), whole.replacen("\"index\"", "\"indx\"", 1)).unwrap();
    let said = transcript(&folder, args);
    assert!(said.contains("missing field `index`"), "{said}");
    fs::write(folder.join("candidates.jsonl"), &whole).unwrap();
    let said = transcript(&folder, args);
    assert!(said.ends_with("exit 0\n"), "{said}");

    // What holds a record is kept for the command that made it.
    let scores = fs::read_to_string(folder.join("s.jsonl")).unwrap();
    let part: String = scores.split_inclusive('\n').take(2).collect();
    fs::write(folder.join("t.jsonl.part"), &part).unwrap();
    let other = transcript(
        &folder,
        &format!("{} --policy lcb", args.replace("--out s.jsonl", "--out t.jsonl")),
    );
    assert!(other.contains("t.jsonl.part exists and was made otherwise"), "{other}");
    assert_eq!(fs::read_to_string(folder.join("t.jsonl.part")).unwrap(), part);
}
