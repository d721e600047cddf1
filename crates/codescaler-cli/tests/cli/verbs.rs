//! The way through the house: score, run, select, measure.

use expect_test::expect;

use crate::{folder, transcript, write_pool};

#[test]
fn from_candidates_to_a_table() {
    let folder = folder("verbs");
    write_pool(&folder, 8);
    let pool = "--problems problems.jsonl --candidates candidates.jsonl";
    let run = |args: &str| transcript(&folder, args);

    expect![[""]].assert_eq(&run(&format!("extract {pool} --out programs.jsonl --quiet")));
    expect![[""]].assert_eq(&run(&format!("score {pool} --out scores.jsonl --quiet")));
    expect![[""]].assert_eq(&run(&format!(
        "exec {pool} --out visible.jsonl --quiet --allow-weak-isolation"
    )));
    expect![[""]].assert_eq(&run(&format!(
        "select {pool} --scores scores.jsonl --executions visible.jsonl --out selections.jsonl --quiet"
    )));
    expect![[""]].assert_eq(&run(&format!(
        "eval selection {pool} --executions visible.jsonl --rules random;public_filter --quiet"
    )));
}

#[test]
fn every_verb_has_help_with_its_options() {
    let folder = folder("help");
    for verb in
        ["demo", "import", "extract", "score", "exec", "select", "rank", "train", "eval", "doctor", "completions"]
    {
        let help = transcript(&folder, &format!("{verb} --help"));
        assert!(help.contains("Usage: codescaler") && help.ends_with("exit 0\n"), "{help}");
    }
    assert!(transcript(&folder, "completions bash").contains("complete -F _codescaler"));
}
