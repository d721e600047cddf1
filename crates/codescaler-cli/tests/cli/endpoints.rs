//! What endpoints are asked beyond whole answers: streams that are stopped, texts that are weighed,
//! beginnings that are gone on with, and what they can do at all.

use std::{
    fs,
    sync::{Arc, mpsc},
    time::Duration,
};

use expect_test::expect;
use serde_json::{Value, json};

use crate::{
    folder,
    solve::{
        completion, program, said,
        server::{Server, Step, serve},
        write_problem,
    },
    transcript,
};

/// A thought that comes to a program.
fn thought(expression: &str) -> String {
    format!("Wait, let me see.\n{}\nGood.\n\n", program(expression))
}

/// A stream of these thoughts, which goes on for as long as anybody listens.
fn stream(thoughts: &[&str], told: Option<mpsc::Sender<&'static str>>) -> Step {
    let text: String = thoughts.iter().copied().map(thought).collect();
    let part = |piece: &[u8]| {
        let delta = json!({"reasoning_content": String::from_utf8_lossy(piece)});
        format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": delta}]}))
    };
    let mut parts: Vec<String> = text.as_bytes().chunks(5).map(part).collect();
    if told.is_none() {
        parts.push("data: [DONE]\n\n".to_owned());
    }
    Step::Stream(parts, told)
}

#[test]
fn reasonings_are_stopped() {
    let folder = folder("endpoints-trimr");
    write_problem(&folder);
    let (told, tells) = mpsc::channel();
    let server = serve(vec![
        stream(&["2 * n", "2 * n", "2 * n", "n"], Some(told)),
        stream(&["n", "n + 1", "n + 2", "n + 3"], None),
        Step::Answer(200, "", completion(&program("n + n"))),
    ]);
    let method = "--method trimr:n=2;thoughts_max=3;share_min=0;rule=longest --scorer linear";
    expect![[r#"
        def f(n):
            return 2 * n
        1 of 1 problems have a program; 3 samples, 208 tokens read, 109 written, 2 programs run (… s of CPU), 0 scored; written to run
               1  of 2 reasonings 2 were stopped: 1 agreed with themselves, 1 came to nothing, 0 went round in circles
        exit 0
    "#]].assert_eq(&said(&folder, &server, method));
    assert_eq!(tells.recv_timeout(Duration::from_secs(60)), Ok("closed"));
    let seen = server.seen.lock().unwrap().clone();
    let last = seen[2]["messages"].as_array().unwrap();
    assert_eq!(last[1]["content"], ["n", "n + 1", "n + 2"].map(thought).concat());
    assert!(last[2]["content"].as_str().unwrap().starts_with("You have thought enough"));
    let streams: Vec<&Value> = seen.iter().map(|request| &request["stream"]).collect();
    assert_eq!(streams, [&json!(true), &json!(true), &Value::Null]);
    // Nothing is asked again.
    said(&folder, &server, method);
    assert_eq!(server.seen.lock().unwrap().len(), 3);
}

/// What recorded reasonings would have cost.
#[test]
fn recorded_reasonings_are_stopped() {
    let folder = folder("endpoints-recorded");
    write_problem(&folder);
    let thoughts: String = ["2 * n", "2 * n", "2 * n", "n"].map(thought).concat();
    let text = format!("{thoughts}</think>\n{}", program("2 * n"));
    let candidate = json!({"problem": "double", "index": 0, "completion": text, "tokens": 400,
                           "language": "python"});
    let header = "{\"format\":\"codescaler/candidates\",\"version\":1}";
    fs::write(folder.join("candidates.jsonl"), format!("{header}\n{candidate}\n")).unwrap();
    let written = |method: &str| {
        let said = transcript(
            &folder,
            &format!(
                "solve --problems problems.jsonl --candidates candidates.jsonl --out run-{} \
                 --scorer linear --allow-weak-isolation --quiet --json --method {method}",
                &method[..5]
            ),
        );
        let summary = said.lines().find(|line| line.starts_with('{')).unwrap();
        let summary: Value = serde_json::from_str(summary).unwrap();
        assert!(said.contains("return 2 * n"), "{said}");
        summary["spent"]["tokens_out"].as_u64().unwrap()
    };
    assert_eq!(written("first_finish:n=1"), 400);
    let expected = 400 * (3 * thought("2 * n").len()) / text.len();
    assert_eq!(written("trimr:n=1"), expected as u64);
}

/// The answer that was begun, in a conversation or at the end of a plain text.
fn begun(request: &Value) -> &str {
    match request["prompt"].as_str() {
        Some(prompt) => prompt.rsplit_once("\n\n").unwrap().1,
        None => request["messages"].get(1).map_or("", |begun| begun["content"].as_str().unwrap()),
    }
}

/// A completion in the form that was asked for.
fn answered(request: &Value, text: &str) -> Value {
    let mut body: Value = serde_json::from_str(&completion(text)).unwrap();
    if request["prompt"].is_string() {
        body["choices"][0]["message"].take();
        body["choices"][0]["text"] = text.into();
    }
    body
}

/// The next step of an answer of which this is to come, or all of it.
fn step(request: &Value, rest: &str) -> String {
    let n_chars = if request["max_tokens"] == 4 { 16 } else { rest.chars().count() };
    let piece: String = rest.chars().take(n_chars).collect();
    let mut body = answered(request, &piece);
    if piece.len() < rest.len() {
        body["choices"][0]["finish_reason"] = "length".into();
    }
    body.to_string()
}

/// Whether it is to be said how likely a text is.
fn weighs(request: &Value) -> bool {
    request["prompt_logprobs"] == 0 || request["echo"] == true
}

/// How likely the beginning is, in the form that was asked for.
fn weighed(request: &Value, begun: &str, logprob: f64) -> String {
    let Some(prompt) = request["prompt"].as_str() else {
        let mut body = answered(request, "");
        let end = json!({"9": {"logprob": logprob, "decoded_token": begun}});
        body["prompt_logprobs"] = json!([null, end]);
        return body.to_string();
    };
    assert_eq!((&request["echo"], &request["logprobs"]), (&json!(true), &json!(1)));
    let mut body = answered(request, &format!("{prompt}!"));
    let before = prompt.strip_suffix(begun).unwrap();
    body["choices"][0]["logprobs"] = json!({
        "tokens": [before, begun, "!"], "token_logprobs": [null, logprob, -9.0],
        "text_offset": [0, before.chars().count(), prompt.chars().count()],
    });
    body.to_string()
}

/// A small language model that errs in its first step now and then, and a large one that knows.
fn pair() -> [Server; 2] {
    let right = program("2 * n");
    let goes_on = |whole: String| {
        Step::Play(Arc::new(move |request: &Value| {
            let begun = begun(request);
            if weighs(request) {
                let logprob = if whole.starts_with(begun) { -0.1 } else { -3.0 };
                return (200, weighed(request, begun, logprob));
            }
            let rest = whole.strip_prefix(begun).unwrap_or(&whole);
            (200, step(request, rest))
        }))
    };
    let errs = right.replace("python", "python\n# hm");
    [serve(vec![goes_on(errs)]), serve(vec![goes_on(right)])]
}

#[test]
fn a_large_language_model_corrects_a_small_one() {
    check_atts("endpoints-atts", "");
    // The one that weighs knows of no conversations.
    check_atts("endpoints-atts-plain", "completions = true\n");
}

fn check_atts(name: &str, large_is: &str) {
    let folder = folder(name);
    write_problem(&folder);
    let [small, large] = pair();
    let one = |role: &str, server: &Server, name: &str| {
        format!(
            "[[{role}]]\nbase_url = {:?}\nlanguage_model = {name:?}\ncontinues = true\n",
            server.base_url
        )
    };
    let alone = one("generator", &large, "large") + large_is;
    let both = alone.clone() + &one("drafter", &small, "small");
    fs::write(folder.join("both.toml"), &both).unwrap();
    fs::write(folder.join("one.toml"), alone).unwrap();
    let solve = |endpoints: &str| {
        format!(
            "solve --problems problems.jsonl --endpoints {endpoints} --out run --scorer linear \
             --method atts:n=1;calibration=4;calibration_tokens=4;step_tokens=4;reject=1 \
             --allow-weak-isolation --quiet"
        )
    };
    let refused = transcript(&folder, &solve("one.toml"));
    assert!(refused.contains("name both in --endpoints"), "{refused}");
    assert!(refused.ends_with("exit 2\n"), "{refused}");
    let said = transcript(&folder, &solve("both.toml"));
    assert!(said.ends_with("exit 0\n"), "{said}");
    let candidates = fs::read_to_string(folder.join("run/candidates.jsonl")).unwrap();
    assert!(candidates.contains("return 2 * n"), "{candidates}");
    let kinds = |server: &Server| {
        let seen = server.seen.lock().unwrap();
        let weighed = seen.iter().filter(|request| weighs(request)).count();
        (weighed, seen.len() - weighed)
    };
    // Four drafts are compared with, which are one text. Every step is rejected here: each of the
    // three is drafted, weighed (the first one is that text), and written anew.
    assert_eq!((kinds(&small), kinds(&large)), ((0, 7), (3, 3)));
}

/// Methods that go on with answers need no more than plain completions. Whose answers these are is
/// told apart from those to conversations.
#[test]
fn base_language_models_go_on_with_texts() {
    let folder = folder("endpoints-plain");
    write_problem(&folder);
    let play = |request: &Value| {
        let (begun, whole) = (begun(request), program("2 * n"));
        if begun.is_empty() && request["max_tokens"] != 4 {
            return (200, answered(request, &program("n")).to_string());
        }
        (200, step(request, whole.strip_prefix(begun).unwrap_or("")))
    };
    let server = serve(vec![Step::Play(Arc::new(play))]);
    for method in ["qalign:n=6;rule=public_filter", "particles:n=2;step_tokens=4"] {
        let options = format!("--method {method} --scorer linear --quiet --completions");
        let said = said(&folder, &server, &options);
        assert!(said.ends_with("exit 0\n"), "{said}");
        let read = |file: &str| fs::read_to_string(folder.join("run").join(file)).unwrap();
        let (candidates, plan) = (read("candidates.jsonl"), read("plan.json"));
        assert!(candidates.contains("return 2 * n"), "{candidates}");
        let plan: Value = serde_json::from_str(&plan).unwrap();
        assert!(plan.to_string().contains("\"completions\":true"), "{plan}");
        fs::remove_dir_all(folder.join("run")).unwrap();
    }
    let n_before = server.seen.lock().unwrap().len();
    for (options, n_asked) in [("", 1), (" --completions", 2), ("", 2), (" --completions", 2)] {
        let options = format!("--method sample --answers a.jsonl --quiet{options}");
        said(&folder, &server, &options);
        let _ = fs::remove_dir_all(folder.join("run"));
        assert_eq!(server.seen.lock().unwrap().len() - n_before, n_asked, "{options}");
    }
}

#[test]
fn what_cannot_be_kept_is_refused_at_the_start() {
    let folder = folder("endpoints-refused");
    write_problem(&folder);
    let server = serve(vec![Step::Answer(200, "", completion(""))]);
    for (options, expected) in [
        ("--method sample --usd-max 1", "money is to be bounded, and nobody says what tiny costs"),
        ("--method learning:method=\"qalign:n=4\"", "tiny is not said to"),
        ("--method learning:method=\"atts:n=4\"", "name both in --endpoints"),
    ] {
        let said = said(&folder, &server, options);
        assert!(said.contains(expected) && said.ends_with("exit 2\n"), "{options}: {said}");
    }
    assert!(server.seen.lock().unwrap().is_empty());
}

#[test]
fn endpoints_are_tried() {
    let folder = folder("endpoints-doctor");
    write_problem(&folder);
    let names = json!({"data": [{"id": "large"}, {"id": "tiny"}]}).to_string();
    let play = |request: &Value| {
        if !request["logprobs"].is_null() {
            let message = "logprobs is not supported".to_owned();
            return (400, json!({"error": {"message": message}}).to_string());
        }
        (200, completion("1, 2, 3"))
    };
    let server = serve(vec![Step::Names(200, names), Step::Play(Arc::new(play))]);
    let doctor = |url: &str| {
        let said = transcript(&folder, &format!("doctor --endpoint {url} --language-model tiny"));
        let url = url.split(' ').next().unwrap();
        let from = said.find("endpoint ").unwrap_or_else(|| said.find("codescaler: ").unwrap());
        said[from..].replace(url, "URL")
    };
    expect![[r#"
        endpoint URL (tiny):
          names: large, tiny
          answer: 1, 2, 3
          several choices at once: ignored
          temperature: works
          top_p: works
          seed: works
          stop: works
          log-probabilities: rejected
          limit of tokens: max_tokens
          streams (trimr): 1, 2, 3
          streams say what they cost: works
          goes on with "1, 2, 3, 4," (qalign, particles, rebase, ets, atts): 1, 2, 3
          says how likely a text is (atts): ignored
        exit 0
    "#]]
    .assert_eq(&doctor(&server.base_url));
    let plain = |request: &Value| match request["echo"] == true {
        true => (200, weighed(request, " 5", -0.5)),
        false => (200, answered(request, "5, 6").to_string()),
    };
    let plain = serve(vec![Step::Play(Arc::new(plain))]);
    expect![[r#"
        endpoint URL (tiny):
          names: not listed
          answer: 5, 6
          several choices at once: ignored
          temperature: works
          top_p: works
          seed: works
          stop: works
          log-probabilities: works
          limit of tokens: max_tokens
          streams (trimr): 5, 6
          streams say what they cost: works
          goes on with "1, 2, 3, 4," (qalign, particles, rebase, ets, atts): 5, 6
          says how likely a text is (atts): " 5" has the log-probability -0.500
        exit 0
    "#]]
    .assert_eq(&doctor(&format!("{} --completions", plain.base_url)));
    let nobody = doctor("http://127.0.0.1:9/v1");
    assert!(nobody.contains("the endpoint does not answer: URL: no connection"), "{nobody}");
    // Who is to solve is told at the start, and asked all the same.
    let solve = format!(
        "solve --problems problems.jsonl --endpoint {} --language-model tall --out run \
         --method sample --allow-weak-isolation",
        server.base_url
    );
    let said = transcript(&folder, &solve).replace(&server.base_url, "URL");
    assert!(said.contains("URL: serves large, tiny, and not tall"), "{said}");
}
