//! Reward models that are directories: the tiny ones among the decoder's fixtures.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use expect_test::{Expect, expect};
use serde_json::{Value as Json, json};

use crate::{folder, transcript, write_pool};

/// A tiny reward model of this family, with random weights.
pub(crate) fn fixture(family: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "codescaler-nn", "fixtures", family].iter().collect()
}

/// Copies a fixture to `rm` in the folder.
fn copy(family: &str, folder: &Path) -> PathBuf {
    let to = folder.join("rm");
    fs::create_dir_all(&to).unwrap();
    for entry in fs::read_dir(fixture(family)).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
    to
}

const SCORE: &str = "score --problems problems.jsonl --candidates candidates.jsonl --quiet";

/// Scores the folder's candidates; what the binary says and the lines of the file.
fn score(folder: &Path, out: &str, options: &str) -> (String, Vec<Json>) {
    let said = transcript(folder, &format!("{SCORE} --out {out} {options}"));
    let text = fs::read_to_string(folder.join(out)).unwrap();
    (said, text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

#[test]
fn every_family_scores_and_what_has_no_program_does_not() {
    let folder = folder("decoder-families");
    write_pool(&folder, 4);
    for family in ["qwen2", "qwen3", "llama", "acecode"] {
        let options = format!("--reward-model {}", fixture(family).display());
        let (said, lines) = score(&folder, &format!("{family}.jsonl"), &options);
        assert_eq!(said, format!("12 scores written to {family}.jsonl\nexit 0\n"));
        for line in &lines[1..] {
            match line["index"].as_u64().unwrap() {
                3 => assert_eq!(line["reason"], "syntax: line 2: Expected an identifier"),
                _ => assert!(line["score"].is_f64(), "{line}"),
            }
        }
    }
}

#[test]
fn a_score_depends_neither_on_threads_nor_on_order() {
    let folder = folder("decoder-order");
    write_pool(&folder, 9);
    let options = format!("--reward-model {}", fixture("qwen3").display());
    score(&folder, "a.jsonl", &options);
    score(&folder, "b.jsonl", &format!("{options} --threads 3"));
    let (a, b) = (folder.join("a.jsonl"), folder.join("b.jsonl"));
    assert_eq!(fs::read(&a).unwrap(), fs::read(&b).unwrap());

    // Candidates of the three problems in turn, and one of them alone.
    let lines = |name: &str| -> Vec<String> {
        let text = fs::read_to_string(folder.join(name)).unwrap();
        text.lines().map(str::to_owned).collect()
    };
    let candidates = lines("candidates.jsonl");
    let (header, candidates) = candidates.split_first().unwrap();
    let in_turn = (0..9).flat_map(|index| [0, 9, 18].map(|first| &candidates[first + index]));
    let known: BTreeMap<String, String> = lines("a.jsonl")[1..]
        .iter()
        .map(|line| (line.split("\"score\"").next().unwrap().to_owned(), line.clone()))
        .collect();
    for (name, chosen) in
        [("in-turn", in_turn.cloned().collect::<Vec<_>>()), ("alone", vec![candidates[10].clone()])]
    {
        let text = [header.clone()].into_iter().chain(chosen.clone()).collect::<Vec<_>>();
        fs::write(folder.join("candidates.jsonl"), text.join("\n") + "\n").unwrap();
        score(&folder, &format!("{name}.jsonl"), &options);
        let scored = lines(&format!("{name}.jsonl"));
        assert_eq!(scored.len(), chosen.len() + 1);
        for line in &scored[1..] {
            assert_eq!(&known[line.split("\"score\"").next().unwrap()], line, "{name}");
        }
    }
}

#[test]
fn the_header_says_what_a_score_depends_on() {
    let folder = folder("decoder-header");
    write_pool(&folder, 1);
    let options = "--reward-model rm --precision f32 --isa portable --tokens-max 9000";
    copy("qwen3", &folder);
    let (_, lines) = score(&folder, "scores.jsonl", options);
    let mut provenance = lines[0]["provenance"].clone();
    for key in ["problems", "candidates"] {
        provenance[key] = json!("…");
    }
    expect![[r#"
        {
          "scorer": "decoder",
          "weights": "37a5c2734457c13d61b058d7f9ede99e",
          "prompt": "statement-starter/1",
          "programs": "as-written",
          "policy": "best-valid",
          "precision": "f32",
          "isa": "portable",
          "tokens_max": 4096,
          "too_long": "error",
          "problems": "…",
          "candidates": "…"
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&provenance).unwrap());

    let again = format!("{SCORE} --out scores.jsonl {options}");
    assert_eq!(transcript(&folder, &again), "exit 0\n");
    let other = transcript(&folder, &again.replace("f32", "bf16"));
    assert!(other.contains("scores.jsonl exists and was made otherwise"), "{other}");
}

/// Two problems: a long one with a short program, and a short one with a long program; and a
/// pair that fits.
fn write_long(folder: &Path) {
    write_pool(folder, 1);
    let change = |name: &str, change: &dyn Fn(&mut Json)| {
        let path = folder.join(name);
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().map(|line| {
            let mut json: Json = serde_json::from_str(line).unwrap();
            change(&mut json);
            json.to_string() + "\n"
        });
        fs::write(path, lines.collect::<String>()).unwrap();
    };
    change("problems.jsonl", &|json| {
        if json["id"] == "mul" {
            json["statement"] = json!("Multiply. ".repeat(100));
        }
    });
    change("candidates.jsonl", &|json| {
        if json["problem"] == "sub" {
            json["program"] = json!("x = 1 - 1\n".repeat(100));
        }
    });
}

/// Exit code, and per line whether there is a score, and what was left out.
#[track_caller]
fn check_long(policy: &str, expect: Expect) {
    let folder = folder(&format!("decoder-long{policy}"));
    write_long(&folder);
    let rm = fixture("qwen3");
    let options = format!("--reward-model {} --tokens-max 400 {policy}", rm.display());
    let (said, lines) = score(&folder, "scores.jsonl", &options);
    let shown = lines[1..].iter().map(|line| {
        let score = if line["score"].is_null() { "no score" } else { "score" };
        format!("{} {score} {} {}\n", line["problem"], line["reason"], line["trimmed"])
    });
    expect.assert_eq(&format!("{said}{}", shown.collect::<String>()));
    // A second look at the same file says the same.
    let again = transcript(&folder, &format!("{SCORE} --out scores.jsonl {options}"));
    assert_eq!(again.lines().last(), said.lines().last());
}

#[test]
fn what_is_too_long_is_refused_or_trimmed_and_said() {
    check_long(
        "",
        expect![[r#"
        3 scores written to scores.jsonl
        exit 1
        "add" score null null
        "mul" no score "too long: 1056 tokens, more than the 400 allowed" null
        "sub" no score "too long: 946 tokens, more than the 400 allowed" null
    "#]],
    );
    check_long(
        "--too-long trim-problem",
        expect![[r#"
            3 scores written to scores.jsonl
            exit 1
            "add" score null null
            "mul" score null {"part":"problem","tokens_kept":256,"tokens":1000}
            "sub" no score "too long: 946 tokens, more than the 400 allowed" null
        "#]],
    );
    check_long(
        "--too-long trim-program",
        expect![[r#"
        3 scores written to scores.jsonl
        exit 1
        "add" score null null
        "mul" no score "too long: 1056 tokens, more than the 400 allowed" null
        "sub" score null {"part":"program","tokens_kept":354,"tokens":900}
    "#]],
    );
}

#[test]
fn options_of_the_decoder_want_a_directory() {
    let folder = folder("decoder-options");
    write_pool(&folder, 1);
    copy("qwen3", &folder);
    let said = |options: &str| transcript(&folder, &format!("{SCORE} --out s.jsonl {options}"));
    expect![[r#"
        codescaler: error: --too-long is for decoders, but the linear reward model scores here: leave --too-long out, or let a decoder score
        exit 2
    "#]].assert_eq(&said("--scorer linear --too-long trim-problem"));
    expect![[r#"
        error: invalid value 'f16' for '--precision <PRECISION>'
          [possible values: bf16, f32, int8]

          tip: a similar value exists: 'bf16'

        For more information, try '--help'.
        exit 2
    "#]]
    .assert_eq(&said("--reward-model rm --precision f16"));
    expect![[r#"
        codescaler: error: rm is a directory, where a linear reward model (a file) is wanted: run `codescaler score --reward-model` with it first, and give its output as --scores
        exit 2
    "#]].assert_eq(&transcript(
        &folder,
        "eval reward --problems problems.jsonl --candidates candidates.jsonl --reward-model rm",
    ));
}

#[test]
fn rank_reads_with_a_decoder() {
    let folder = folder("decoder-rank");
    fs::write(folder.join("a.py"), "print(1)\n").unwrap();
    fs::write(folder.join("b.py"), "print(\n").unwrap();
    fs::write(folder.join("c.py"), "x = 1 - 1\n".repeat(100)).unwrap();
    fs::write(folder.join("p.md"), "Print 1.\n").unwrap();
    let options = format!("--reward-model {} --tokens-max 400", fixture("qwen3").display());
    let said = transcript(&folder, &format!("rank p.md a.py b.py c.py {options}"));
    let (first, rest) = said.split_once('\n').unwrap();
    assert!(first.starts_with("  1. ") && first.ends_with("a.py"), "{said}");
    expect![[r#"
          2.  no score  b.py
                        syntax: line 2: unexpected EOF while parsing
          3.  no score  c.py
                        too long: 941 tokens, more than the 400 allowed
        exit 0
    "#]]
    .assert_eq(rest);
}

/// What the binary says of a directory after `damage`.
#[track_caller]
fn check(name: &str, damage: impl Fn(&Path), expect: Expect) {
    let folder = folder(&format!("decoder-bad-{name}"));
    write_pool(&folder, 2);
    damage(&copy("qwen2", &folder));
    expect.assert_eq(&transcript(&folder, &format!("{SCORE} --out s.jsonl --reward-model rm")));
    assert!(!folder.join("s.jsonl").exists(), "nothing whole may stand there");
}

fn edit(path: &Path, change: impl Fn(Vec<u8>) -> Vec<u8>) {
    fs::write(path, change(fs::read(path).unwrap())).unwrap();
}

fn edit_json(path: &Path, change: impl Fn(&mut Json)) {
    edit(path, |bytes| {
        let mut json = serde_json::from_slice(&bytes).unwrap();
        change(&mut json);
        serde_json::to_vec(&json).unwrap()
    });
}

/// Replaces bytes by as many others, so that the header of safetensors stays valid.
fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = bytes.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
    [&bytes[..at], to.as_bytes(), &bytes[at + from.len()..]].concat()
}

#[test]
fn directories_that_are_no_reward_model() {
    check(
        "empty",
        |rm| fs::remove_file(rm.join("config.json")).unwrap(),
        expect![[r#"
            codescaler: error: rm is no usable reward model: cannot load rm/config.json: no such file; a directory to load has config.json, model.safetensors (or shards and model.safetensors.index.json), tokenizer.json, tokenizer_config.json and, unless that holds the chat template, chat_template.jinja
            exit 2
        "#]],
    );
    let weights = "model.safetensors";
    check(
        "no-weights",
        |rm| fs::remove_file(rm.join(weights)).unwrap(),
        expect![[r#"
            codescaler: error: rm is no usable reward model: cannot load rm/model.safetensors: no such file; a directory to load has config.json, model.safetensors (or shards and model.safetensors.index.json), tokenizer.json, tokenizer_config.json and, unless that holds the chat template, chat_template.jinja
            exit 2
        "#]],
    );
    check(
        "no-shard",
        |rm| {
            let index = r#"{"weight_map":{"score.weight":"model-00002-of-00002.safetensors"}}"#;
            fs::write(rm.join("model.safetensors.index.json"), index).unwrap();
        },
        expect![[r#"
            codescaler: error: rm is no usable reward model: cannot load rm/model-00002-of-00002.safetensors: no such file; a directory to load has config.json, model.safetensors (or shards and model.safetensors.index.json), tokenizer.json, tokenizer_config.json and, unless that holds the chat template, chat_template.jinja
            exit 2
        "#]],
    );
    check(
        "architecture",
        |rm| edit_json(&rm.join("config.json"), |json| json["model_type"] = json!("gemma3")),
        expect![[r#"
            codescaler: error: rm is no usable reward model: cannot load rm/config.json: `model_type` is gemma3, but this decoder needs qwen2, qwen3 or llama
            exit 2
        "#]],
    );
    check(
        "language-model",
        |rm| {
            for entry in fs::read_dir(fixture("lm")).unwrap() {
                let entry = entry.unwrap();
                fs::copy(entry.path(), rm.join(entry.file_name())).unwrap();
            }
        },
        expect![[r#"
            codescaler: error: rm is no usable reward model: cannot load rm: the head gives one number per token of the vocabulary, not one score
            exit 2
        "#]],
    );
}

#[test]
fn damaged_weights() {
    let weights = |rm: &Path| rm.join("model.safetensors");
    let last = |value: [u8; 2]| {
        move |mut bytes: Vec<u8>| {
            let end = bytes.len();
            // The last tensor of the file is the head of 64 numbers.
            bytes[end - 128..].copy_from_slice(&value.repeat(64));
            bytes
        }
    };
    check(
        "missing-tensor",
        |rm| edit(&weights(rm), |b| replaced(&b, "layers.1.mlp.up_proj", "layers.9.mlp.up_proj")),
        expect![[r#"
            codescaler: error: rm is no usable reward model: cannot load rm: tensor `model.layers.1.mlp.up_proj.weight` is missing
            exit 2
        "#]],
    );
    check(
        "cut-off",
        |rm| edit(&weights(rm), |b| b[..9000].to_vec()),
        expect![[r#"
        codescaler: error: rm is no usable reward model: cannot load rm/model.safetensors: not a whole safetensors file: incomplete metadata, file not fully covered
        exit 2
    "#]],
    );
    check(
        "half-precision",
        |rm| edit(&weights(rm), |b| replaced(&b, r#""dtype":"BF16""#, r#""dtype": "F16""#)),
        expect![[r#"
            codescaler: error: rm is no usable reward model: cannot load rm/model.safetensors: tensor `model.embed_tokens.weight` holds F16; convert the weights to bfloat16 or float32
            exit 2
        "#]],
    );
    check(
        "shape",
        |rm| edit_json(&rm.join("config.json"), |json| json["intermediate_size"] = json!(80)),
        expect![[r#"
            codescaler: error: rm is no usable reward model: cannot load rm/model.safetensors: tensor `model.layers.0.mlp.gate_proj.weight` has shape [96, 64], but config.json asks for [80, 64]
            exit 2
        "#]],
    );
    check(
        "not-a-number",
        |rm| edit(&weights(rm), last([0xc0, 0x7f])),
        expect![[r#"
        codescaler: error: rm is no usable reward model: cannot load rm/model.safetensors: tensor `score.weight` holds a value that is not finite
        exit 2
    "#]],
    );
    check(
        "overflow",
        |rm| edit(&weights(rm), last([0x7f, 0x7f])),
        expect![[r#"
        codescaler: error: cannot score candidate 0 of problem "add": the score is not finite; the weights are probably damaged
        exit 2
    "#]],
    );
}

#[test]
fn damaged_texts() {
    check(
        "vocabulary",
        |rm| {
            edit_json(&rm.join("tokenizer.json"), |json| {
                // Their numbers are counted on from the vocabulary's.
                for id in 370..=400 {
                    json["added_tokens"].as_array_mut().unwrap().push(json!({
                        "id": id, "content": format!("<{id}>"), "single_word": false,
                        "lstrip": false, "rstrip": false, "normalized": false, "special": true,
                    }));
                }
            });
        },
        expect![[r#"
            codescaler: error: rm is no usable reward model: cannot load rm/tokenizer.json: the tokenizer has token 400, but the vocabulary of config.json ends before 400
            exit 2
        "#]],
    );
    check(
        "no-tokenizer",
        |rm| fs::remove_file(rm.join("tokenizer.json")).unwrap(),
        expect![[r#"
            codescaler: error: rm is no usable reward model: cannot load rm/tokenizer.json: no such file; a directory to load has config.json, model.safetensors (or shards and model.safetensors.index.json), tokenizer.json, tokenizer_config.json and, unless that holds the chat template, chat_template.jinja
            exit 2
        "#]],
    );
    check(
        "no-tokenizer-config",
        |rm| fs::remove_file(rm.join("tokenizer_config.json")).unwrap(),
        expect![[r#"
            codescaler: error: rm is no usable reward model: cannot load rm/tokenizer_config.json: no such file; a directory to load has config.json, model.safetensors (or shards and model.safetensors.index.json), tokenizer.json, tokenizer_config.json and, unless that holds the chat template, chat_template.jinja
            exit 2
        "#]],
    );
    check(
        "damaged-tokenizer",
        |rm| edit(&rm.join("tokenizer.json"), |b| b[..100].to_vec()),
        expect![[r#"
            codescaler: error: rm is no usable reward model: cannot load rm/tokenizer.json: not a usable tokenizer: EOF while parsing a value at line 7 column 11
            exit 2
        "#]],
    );
    check(
        "no-template",
        |rm| {
            fs::remove_file(rm.join("chat_template.jinja")).unwrap();
            edit_json(&rm.join("tokenizer_config.json"), |json| {
                json.as_object_mut().unwrap().remove("chat_template");
            });
        },
        expect![[r#"
            codescaler: error: rm is no usable reward model: cannot load rm/tokenizer_config.json: no chat template, neither here nor in chat_template.jinja; a reward model needs its own
            exit 2
        "#]],
    );
    check(
        "template-refuses",
        |rm| {
            let template = "{{ raise_exception('only one turn') }}";
            fs::write(rm.join("chat_template.jinja"), template).unwrap();
        },
        expect![[r#"
            codescaler: error: cannot score candidate 0 of problem "add": the chat template failed: invalid operation: only one turn (in chat template:1)
            exit 2
        "#]],
    );
}
