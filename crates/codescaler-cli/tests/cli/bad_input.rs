//! Bad input: a clear error with its place, exit code 2, and nothing written.

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
const GOOD: &str = "{\"problem\":\"add\",\"index\":0,\"program\":\"x = 1\",\"language\":\"python\"}\n";

#[test]
fn bad_candidates() {
    let after = |line: &str| format!("{CANDIDATES}{GOOD}{line}");
    check("wrong-key", "candidates.jsonl", after("{\"problem\":\"add\",\"index\":-1,\"language\":\"python\"}\n"), expect![[""]]);
    check("unknown-language", "candidates.jsonl", after("{\"problem\":\"add\",\"index\":1,\"language\":\"cobol\"}\n"), expect![[""]]);
    check("half-line", "candidates.jsonl", after(&GOOD[..30]), expect![[""]]);
    check("duplicate", "candidates.jsonl", after(GOOD), expect![[""]]);
    check("unknown-problem", "candidates.jsonl", after(&GOOD.replace("add", "div")), expect![[""]]);
    check("not-utf8", "candidates.jsonl", [after("").as_bytes(), b"{\"problem\":\"\xff\xfe\"}\n"].concat(), expect![[""]]);
    check("no-header", "candidates.jsonl", GOOD, expect![[""]]);
    check("other-kind", "candidates.jsonl", CANDIDATES.replace("candidates", "labels"), expect![[""]]);
    check("truncated-zstd", "candidates.jsonl", [0x28, 0xb5, 0x2f, 0xfd, 0x04], expect![[""]]);
}

#[test]
fn bad_problems() {
    let header = "{\"format\":\"codescaler/problems\",\"version\":1}\n";
    let problem = "{\"id\":\"add\",\"statement\":\"\",\"language\":\"python\",\"entry\":{\"kind\":\"stdio\"}}\n";
    check("no-problems", "problems.jsonl", header, expect![[""]]);
    check("same-problem", "problems.jsonl", format!("{header}{problem}{problem}"), expect![[""]]);
    check("bad-entry", "problems.jsonl", format!("{header}{}", problem.replace("stdio", "telnet")), expect![[""]]);
}

#[test]
fn missing_files_and_bad_evidence() {
    let folder = folder("evidence");
    write_pool(&folder, 4);
    let pool = "--problems problems.jsonl --candidates candidates.jsonl";
    let check = |args: &str, expect: Expect| expect.assert_eq(&transcript(&folder, args));
    check("score --problems nowhere.jsonl --candidates candidates.jsonl --out s.jsonl", expect![[""]]);

    let scores = "{\"format\":\"codescaler/scores\",\"version\":1}\n";
    let score = |score: &str| format!("{{\"problem\":\"add\",\"index\":0,\"score\":{score}}}\n");
    for (name, contents) in [
        ("nan.jsonl", format!("{scores}{}", score("NaN"))),
        ("huge.jsonl", format!("{scores}{}", score("1e300"))),
        ("few.jsonl", format!("{scores}{}", score("0.5"))),
        ("stranger.jsonl", format!("{scores}{}", score("0.5").replace("\"index\":0", "\"index\":77"))),
    ] {
        fs::write(folder.join(name), contents).unwrap();
    }
    check(&format!("select {pool} --scores nan.jsonl --out o.jsonl"), expect![[""]]);
    check(&format!("select {pool} --scores huge.jsonl --out o.jsonl"), expect![[""]]);
    check(&format!("select {pool} --scores few.jsonl --out o.jsonl"), expect![[""]]);
    check(&format!("select {pool} --scores stranger.jsonl --out o.jsonl"), expect![[""]]);
    check(&format!("select {pool} --rules public_filter --out o.jsonl"), expect![[""]]);
    check(&format!("select {pool} --rules best --out o.jsonl"), expect![[""]]);
    check(&format!("eval selection {pool} --labels-by nobody"), expect![[""]]);

    fs::write(folder.join("lonely.jsonl"), format!("{CANDIDATES}{GOOD}")).unwrap();
    check("select --problems problems.jsonl --candidates lonely.jsonl --out o.jsonl", expect![[""]]);
    fs::write(folder.join("unlabelled.jsonl"), "{\"format\":\"codescaler/labels\",\"version\":1}\n").unwrap();
    check(&format!("eval selection {pool} --labels unlabelled.jsonl"), expect![[""]]);
    assert!(!folder.join("o.jsonl").exists());
}

#[test]
fn an_output_made_otherwise_is_not_overwritten() {
    let folder = folder("otherwise");
    write_pool(&folder, 4);
    let args = "score --problems problems.jsonl --candidates candidates.jsonl --out s.jsonl --quiet";
    let first = transcript(&folder, args);
    assert_eq!(transcript(&folder, args), "exit 0\n", "{first}");
    let bytes = fs::read(folder.join("s.jsonl")).unwrap();
    let other = transcript(&folder, &format!("{args} --policy lcb"));
    assert!(other.contains("s.jsonl exists and was made otherwise") && other.ends_with("exit 2\n"), "{other}");
    assert_eq!(fs::read(folder.join("s.jsonl")).unwrap(), bytes);
}
