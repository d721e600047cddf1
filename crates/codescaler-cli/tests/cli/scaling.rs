//! Routers and pipelines: learnt on recorded programs, read from files.

use std::fs;

use expect_test::{Expect, expect};
use serde_json::Value;

use crate::{folder, transcript, write_pool};

const POOL: &str = "--problems problems.jsonl --candidates candidates.jsonl --allow-weak-isolation \
                    --quiet";

#[test]
fn a_router_is_learnt_and_obeyed() {
    let folder = folder("router");
    write_pool(&folder, 8);
    let learn = format!(
        "eval router {POOL} --method public_filter --method random --n 1,2,4 --probe 2 --bins 2 \
         --samples-on-average 3 --draws 2 --out table.json"
    );
    let said = transcript(&folder, &learn);
    assert!(said.contains("router minus one for all, points:"), "{said}");
    assert!(said.ends_with("exit 0\n"), "{said}");
    let table = fs::read_to_string(folder.join("table.json")).unwrap();
    assert_eq!(transcript(&folder, &learn), said, "learning is a function of the pool");
    let json: Value = serde_json::from_str(&table).unwrap();
    assert_eq!(json["feature"], "passing");
    assert_eq!(json["learnt"]["samples_on_average"], 3.0);
    let solve = format!("solve {POOL} --method router:probe=2;table=table.json --out run");
    assert_eq!(transcript(&folder, &solve), "exit 0\n");
    let selections = fs::read_to_string(folder.join("run/selections.jsonl")).unwrap();
    assert!(selections.lines().skip(1).all(|line| line.contains("ease ")), "{selections}");
    // What the probe alone costs is more than that.
    let cheap = learn.replace("--samples-on-average 3", "--samples-on-average 1");
    let said = transcript(&folder, &cheap);
    assert!(said.contains("no strategy costs 1 samples or fewer on average"), "{said}");
    assert!(said.ends_with("exit 2\n"), "{said}");
}

#[test]
fn a_pipeline_is_searched_for_and_run() {
    let folder = folder("pipelines");
    write_pool(&folder, 8);
    let search = format!(
        "eval pipelines {POOL} --n 4 --draws 2 --tries-max 6 --out layers.toml \
         --against public_filter"
    );
    let said = transcript(&folder, &search);
    assert!(said.contains("held-out problems, right in %"), "{said}");
    assert!(said.ends_with("exit 0\n"), "{said}");
    let layers = fs::read_to_string(folder.join("layers.toml")).unwrap();
    assert!(layers.starts_with("[[layer]]\ndo = "), "{layers}");
    let solve = format!("solve {POOL} --method pipeline:n=4;layers=layers.toml --out run");
    assert_eq!(transcript(&folder, &solve), "exit 0\n");
}

#[track_caller]
fn check(name: &str, text: &str, expected: &Expect) {
    let folder = folder(&format!("scaling-{name}"));
    fs::write(folder.join(name), text).unwrap();
    let key = if text.contains("layer") { "pipeline:layers" } else { "router:table" };
    expected.assert_eq(&transcript(&folder, &format!("methods {key}={name}")));
}

#[test]
fn files_that_are_none_are_told() {
    check(
        "t.json",
        "{\"feature\":\"luck\",\"hardest\":\"sample\"}",
        &expect![[r#"
        error: invalid value 'router:table=t.json' for '[METHOD]': method router: table.feature: unknown variant `luck`, expected one of `passing`, `score`, `agreement`, `steps`

        For more information, try '--help'.
        exit 2
    "#]],
    );
    check(
        "u.json",
        "{\"feature\":\"score\",\"hardest\":\"best\"}",
        &expect![[r#"
        error: invalid value 'router:table=u.json' for '[METHOD]': method router: table.hardest: there is no method "best"; `codescaler methods` lists them

        For more information, try '--help'.
        exit 2
    "#]],
    );
    check(
        "v.json",
        "{\"feature\"",
        &expect![[r#"
        error: invalid value 'router:table=v.json' for '[METHOD]': method router: table: v.json: EOF while parsing an object at line 1 column 10

        For more information, try '--help'.
        exit 2
    "#]],
    );
    check(
        "l.toml",
        "[[layer]]\ndo = \"dance\"\n",
        &expect![[r#"
        error: invalid value 'pipeline:layers=l.toml' for '[METHOD]': method pipeline: layers.layer[0].do: unknown variant `dance`, expected one of `critique`, `rank`, `fuse`, `verify`, `test`, `execute`, `score`, `vote`

        For more information, try '--help'.
        exit 2
    "#]],
    );
    check(
        "m.toml",
        "[[layer]]\ndo = \"rank\"\nkeep = 0\n",
        &expect![[r#"
        error: invalid value 'pipeline:layers=m.toml' for '[METHOD]': method pipeline: layers.layer[0]: invalid value: integer `0`, expected a nonzero u32

        For more information, try '--help'.
        exit 2
    "#]],
    );
    check(
        "n.toml",
        "[[layer]\n",
        &expect![[r#"
        error: invalid value 'pipeline:layers=n.toml' for '[METHOD]': method pipeline: layers: n.toml: TOML parse error at line 1, column 9
          |
        1 | [[layer]
          |         ^
        unclosed array table, expected `]`


        For more information, try '--help'.
        exit 2
    "#]],
    );
    let none = transcript(&folder("scaling-none"), "methods router:table=none.json");
    expect![[r#"
        error: invalid value 'router:table=none.json' for '[METHOD]': method router: table: cannot read none.json: No such file or directory (os error 2)

        For more information, try '--help'.
        exit 2
    "#]].assert_eq(&none);
}

#[test]
fn a_method_that_nobody_can_serve_is_refused() {
    let recorded = folder("scaling-recorded");
    write_pool(&recorded, 4);
    let solve = format!("solve {POOL} --method particles --out run");
    expect![[r#"
        codescaler: error: particles:n=8;step_tokens=128;steps_max=40;temperature=0.8;weight_temperature=1.0;rule=rm_within_passing goes on with answers that were begun, which recorded completions cannot: give a decoder's directory as --language-model, or an endpoint that can (vLLM, SGLang) with --continues, or `continues = true` in --endpoints; with --completions all can
        exit 2
    "#]].assert_eq(&transcript(&recorded, &solve));
}
