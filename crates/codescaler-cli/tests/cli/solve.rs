//! Methods against endpoints that speak real HTTP, and on recorded programs.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex, mpsc},
};

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use self::server::{Server, Step, serve};
use crate::{codescaler, folder, transcript, write_pool};

#[path = "../../../codescaler-http/tests/client/server.rs"]
#[expect(dead_code, reason = "the client's tests use more of it")]
pub(crate) mod server;

/// What the generator drafts, in this order. The first and the second pass the visible test, as the
/// third does when it is debugged; only the second is right.
const DRAFTS: [&str; 3] = ["n + 1", "2 * n", "n"];
const DEBUGGED: &str = "n * n + 1";

pub(crate) fn program(expression: &str) -> String {
    format!("```python\ndef f(n):\n    return {expression}\n```")
}

pub(crate) fn completion(text: &str) -> String {
    let usage = json!({"prompt_tokens": 100, "completion_tokens": 10});
    let message = json!({"role": "assistant", "content": text});
    json!({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage})
        .to_string()
}

/// What a prompt asks for, by its beginning.
fn kind(request: &Value) -> &'static str {
    let text = request["messages"][0]["content"].as_str().unwrap();
    let kinds = [
        ("Solve the following", "draft"),
        ("Your program for", "debug"),
        ("Write inputs", "inputs"),
        ("Two programs are meant", "separate"),
        ("Which of two programs", "judge"),
    ];
    kinds.iter().find(|(begin, _)| text.starts_with(begin)).unwrap().1
}

/// A language model that drafts, debugs, writes inputs and judges perfectly.
fn language_model() -> Step {
    let drafts = Arc::new(Mutex::new(DRAFTS.iter().cycle()));
    Step::Play(Arc::new(move |request| {
        let text = request["messages"][0]["content"].as_str().unwrap();
        let said = match kind(request) {
            "draft" => program(drafts.lock().unwrap().next().unwrap()),
            "debug" => program(DEBUGGED),
            "inputs" => "```json\n[[0], [3]]\n```".to_owned(),
            "separate" => "[[5]]".to_owned(),
            _ => {
                let second = text.find("Second program").unwrap();
                match text.find("2 * n") {
                    Some(at) if at < second => "Answer: first".to_owned(),
                    Some(_) => "Answer: second".to_owned(),
                    None => "Answer: equal".to_owned(),
                }
            }
        };
        (200, completion(&said))
    }))
}

pub(crate) fn write_problem(folder: &Path) {
    let test = |n: i64| format!("{{\"args\":[{n}],\"expected\":{}}}", 2 * n);
    let problems = format!(
        "{{\"format\":\"codescaler/problems\",\"version\":1}}\n{{\"id\":\"double\",\"statement\":\
         \"Return twice n.\",\"language\":\"python\",\"entry\":{{\"kind\":\"function\",\"name\":\"f\"}},\
         \"tests\":{{\"visible\":[{}],\"hidden\":[{}]}}}}\n",
        test(1),
        test(7654)
    );
    fs::write(folder.join("problems.jsonl"), problems).unwrap();
}

fn solve(server: &Server, options: &str) -> String {
    format!(
        "solve --problems problems.jsonl --endpoint {} --language-model tiny --in-flight-max 1 \
         --out run --allow-weak-isolation {options}",
        server.base_url
    )
}

/// What was said, without what the machine decides.
pub(crate) fn said(folder: &Path, server: &Server, options: &str) -> String {
    let text = transcript(folder, &solve(server, options)).replace(&server.base_url, "URL");
    let mut said = String::new();
    for line in text.lines().filter(|line| !line.starts_with("sandbox: ")) {
        match line.split_once(" run (") {
            Some((before, after)) => {
                let (_, after) = after.split_once(" s of CPU").unwrap();
                writeln!(said, "{before} run (… s of CPU{after}").unwrap();
            }
            None => writeln!(said, "{line}").unwrap(),
        }
    }
    said
}

fn asked(server: &Server) -> String {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for request in server.seen.lock().unwrap().iter() {
        *counts.entry(kind(request)).or_default() += 1;
    }
    format!("{counts:?}")
}

#[track_caller]
fn check(name: &str, step: Step, options: &str, expected: &Expect) {
    let folder = folder(&format!("solve-{name}"));
    write_problem(&folder);
    let server = serve(vec![step]);
    let said = said(&folder, &server, options);
    expected.assert_eq(&format!("{said}asked: {}\n", asked(&server)));
}

#[test]
fn sstar_asks_exactly_what_its_algorithm_says() {
    check(
        "sstar",
        language_model(),
        "--method sstar:n=3",
        &expect![[r#"
            def f(n):
                return 2 * n
            1 of 1 problems have a program; 14 samples, 1400 tokens read, 140 written, 10 programs run (… s of CPU), 0 scored; written to run
            exit 0
            asked: {"debug": 1, "draft": 3, "inputs": 1, "judge": 6, "separate": 3}
        "#]],
    );
    let folder = folder("solve-wire");
    write_problem(&folder);
    let server = serve(vec![language_model()]);
    transcript(&folder, &solve(&server, "--method sstar:n=3"));
    let seen = server.seen.lock().unwrap();
    // What is wrong is told with the visible test; hidden ones reach nobody.
    let of_kind = |wanted: &str| -> Vec<&str> {
        let requests = seen.iter().filter(|request| kind(request) == wanted);
        requests.map(|request| request["messages"][0]["content"].as_str().unwrap()).collect()
    };
    // Which pair comes first depends on whose programs were run first.
    let first_and_second = |text: &&str| {
        let places = ["return n + 1\n", "return 2 * n\n"].map(|program| text.find(program));
        places[0].is_some() && places[0] < places[1]
    };
    let judged = of_kind("judge").into_iter().find(first_and_second).unwrap();
    assert!(seen.iter().all(|request| !request.to_string().contains("7654")));
    expect![[r#"
        Your program for the following problem does not do what it should. Find out why, then correct it.

        Return twice n.

        Program:
        ```python
        def f(n):
            return n
        ```
        Test 1, for the input:
        1
        expected:
        2
        but the program gives:
        1

        Say first why the last program fails. Define the function `f`. Do not call it; it is called with the arguments of each test.
        Answer with the whole program in one fenced code block."#]].assert_eq(of_kind("debug")[0]);
    expect![[r#"
        Which of two programs solves the following problem?

        Return twice n.

        First program:
        ```python
        def f(n):
            return n + 1
        ```

        Second program:
        ```python
        def f(n):
            return 2 * n
        ```

        Input:
        5
        Output of the first program: 6
        Output of the second program: 10

        Work out from the problem what is right on these inputs before you compare. The last line of your answer is one of:
        Answer: first
        Answer: second
        Answer: equal"#]].assert_eq(judged);
}

#[test]
fn an_endpoint_that_fails_is_told() {
    let broken = |code: u16, body: &'static str| Step::Answer(code, "", body.to_owned());
    check(
        "unauthorized",
        broken(401, "{\"error\":{\"message\":\"bad key\"}}"),
        "--method sample",
        &expect![[r#"
            0 of 1 problems have a program; 1 samples, 0 tokens read, 0 written, 0 programs run (… s of CPU), 0 scored; written to run
                   1  1 questions without an answer: URL: status 401: bad key; check the key (attempts: 1)
                   1  abstained: no candidate has a valid program
            codescaler: fault (not of your input): the search is not whole: 1 questions failed: the same command asks them again
            exit 3
            asked: {"draft": 1}
        "#]],
    );
    check(
        "no-choice",
        broken(200, "{\"choices\":[]}"),
        "--method sample",
        &expect![[r#"
            0 of 1 problems have a program; 1 samples, 0 tokens read, 0 written, 0 programs run (… s of CPU), 0 scored; written to run
                   1  1 questions without an answer: URL: an answer without choices; look into the log of the server (attempts: 1)
                   1  abstained: no candidate has a valid program
            codescaler: fault (not of your input): the search is not whole: 1 questions failed: the same command asks them again
            exit 3
            asked: {"draft": 1}
        "#]],
    );
    check(
        "overflow",
        broken(
            400,
            "{\"error\":{\"message\":\"This model's maximum context length is 8 tokens\"}}",
        ),
        "--method sample",
        &expect![[r#"
            0 of 1 problems have a program; 1 samples, 0 tokens read, 0 written, 0 programs run (… s of CPU), 0 scored; written to run
                   1  1 questions without an answer: URL: the context is exceeded: This model's maximum context length is 8 tokens; shorten the messages or want fewer tokens (attempts: 1)
                   1  abstained: no candidate has a valid program
            codescaler: fault (not of your input): the search is not whole: 1 questions failed: the same command asks them again
            exit 3
            asked: {"draft": 1}
        "#]],
    );
}

#[test]
fn what_the_budget_or_the_judge_leaves_open_is_told() {
    check(
        "samples",
        language_model(),
        "--method sstar:n=3 --samples-max 5",
        &expect![[r#"
            def f(n):
                return 2 * n
            1 of 1 problems have a program; 5 samples, 500 tokens read, 50 written, 7 programs run (… s of CPU), 0 scored; written to run
                   1  9 questions without an answer: the budget of samples is used up
            exit 0
            asked: {"debug": 1, "draft": 3, "inputs": 1}
        "#]],
    );
    check(
        "tokens",
        language_model(),
        "--method sstar:n=3 --tokens-out-max 4110",
        &expect![[r#"
            def f(n):
                return 2 * n
            1 of 1 problems have a program; 2 samples, 200 tokens read, 20 written, 2 programs run (… s of CPU), 0 scored; written to run
                   1  5 questions without an answer: the budget of tokens written is used up
            exit 0
            asked: {"draft": 2}
        "#]],
    );
    let first = Step::Play(Arc::new(|request| {
        let said = match kind(request) {
            "draft" => {
                program(if request["seed"].as_u64().unwrap() % 2 == 0 { "2 * n" } else { "n + 1" })
            }
            "judge" => "Answer: first".to_owned(),
            _ => "[[5]]".to_owned(),
        };
        (200, completion(&said))
    }));
    check(
        "by-place",
        first,
        "--method sstar:n=4",
        &expect![[r#"
            def f(n):
                return n + 1
            1 of 1 problems have a program; 8 samples, 800 tokens read, 80 written, 4 programs run (… s of CPU), 0 scored; written to run
                   1  the judge preferred the same place in both orders in 1 of 1 pairs
            exit 0
            asked: {"draft": 4, "inputs": 1, "judge": 2, "separate": 1}
        "#]],
    );
}

#[test]
fn a_killed_search_goes_on_and_spends_nothing_twice() {
    let whole = folder("solve-kill-whole");
    write_problem(&whole);
    let server = serve(vec![language_model()]);
    assert!(transcript(&whole, &solve(&server, "--method sstar:n=3")).ends_with("exit 0\n"));
    let n_requests = server.seen.lock().unwrap().len();

    for n_answered in [0, 1, 4, 9] {
        let resumed = folder("solve-kill-resumed");
        write_problem(&resumed);
        let (told, hears) = mpsc::channel();
        let same = language_model();
        let mut script = vec![same.clone(); n_answered];
        script.push(Step::Silence(told));
        let stuck = serve(script);
        let mut command = codescaler(&resumed, &solve(&stuck, "--method sstar:n=3 --quiet"));
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        assert_eq!(hears.recv(), Ok("arrived"));
        child.kill().unwrap();
        child.wait().unwrap();
        // The same language model goes on where it was.
        let server = serve(vec![same]);
        let rest = transcript(&resumed, &solve(&server, "--method sstar:n=3"));
        assert!(rest.ends_with("exit 0\n"), "{rest}");
        assert_eq!(n_answered + server.seen.lock().unwrap().len(), n_requests);
        for file in ["run/candidates.jsonl", "run/selections.jsonl"] {
            let read = |folder: &Path| fs::read_to_string(folder.join(file)).unwrap();
            assert_eq!(read(&resumed), read(&whole), "{file}, killed after {n_answered} answers");
        }
    }
}

#[test]
fn recorded_programs_stand_for_samples() {
    let folder = folder("solve-recorded");
    write_pool(&folder, 4);
    let solve = "solve --problems problems.jsonl --candidates candidates.jsonl --out run \
                 --allow-weak-isolation --quiet --method public_filter:n=4";
    assert_eq!(transcript(&folder, solve), "exit 0\n");
    let selections = fs::read_to_string(folder.join("run/selections.jsonl")).unwrap();
    let ties: Vec<Value> =
        selections.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(ties[0]["ties"], json!([0, 1]));
    assert_eq!(ties[2]["ties"], json!([0]));
    // Another plan does not overwrite a run.
    let other = transcript(&folder, &solve.replace("public_filter", "longest"));
    assert!(other.contains("holds a run of another plan"), "{other}");
    let eval = "eval methods --problems problems.jsonl --candidates candidates.jsonl --method random \
                --method public_filter --method sstar_scored --n 2,4 --draws 3 --allow-weak-isolation --quiet";
    let table: String = transcript(&folder, eval)
        .lines()
        .map(|line| {
            // What it costs in time is the machine's.
            format!("{}\n", line.trim_end())
        })
        .collect();
    assert!(table.contains("any (coverage)"), "{table}");
    assert!(table.contains("minus random, points"), "{table}");
    assert!(table.ends_with("exit 0\n"), "{table}");
}

/// Three choices are asked for at once, by a server that gives them, one that gives fewer, and one
/// that knows no `n`: every sample has its answer.
#[test]
fn several_samples_go_in_one_request() {
    let choices = |given: usize| {
        Step::Play(Arc::new(move |request| {
            let n = request["n"].as_u64().map_or(1, |n| usize::try_from(n).unwrap());
            if given == 0 && n > 1 {
                return (400, "{\"error\":{\"message\":\"n is not supported\"}}".to_owned());
            }
            let choice = |at: usize| {
                let message = json!({"role": "assistant", "content": program(DRAFTS[at])});
                json!({"index": at, "message": message, "finish_reason": "stop"})
            };
            let choices: Vec<Value> = (0..n.min(given.max(1))).map(choice).collect();
            let usage = json!({"prompt_tokens": 100, "completion_tokens": 10 * choices.len()});
            (200, json!({"choices": choices, "usage": usage}).to_string())
        }))
    };
    for (given, requests, samples) in [(3, 1, 3), (2, 2, 3), (0, 4, 3)] {
        let folder = folder(&format!("solve-choices-{given}"));
        write_problem(&folder);
        let server = serve(vec![choices(given)]);
        let options = "--method public_filter:n=3 --choices-max 3 --quiet --json";
        let said = transcript(&folder, &solve(&server, options).replace("-max 1 ", "-max 4 "));
        let summary = said.lines().find(|line| line.starts_with('{')).unwrap();
        let summary: Value = serde_json::from_str(summary).unwrap();
        assert_eq!(summary["spent"]["samples"], samples, "{said}");
        assert_eq!(server.seen.lock().unwrap().len(), requests, "{given} choices");
        let candidates = fs::read_to_string(folder.join("run/candidates.jsonl")).unwrap();
        assert_eq!(candidates.matches("def f").count(), 3, "{candidates}");
    }
}

/// What a round of problems taught is shown to the next, whatever came first; a run that is repeated
/// asks nothing again and keeps the same lessons.
#[test]
fn lessons_are_carried_from_round_to_round() {
    let folder = folder("solve-memory");
    write_pool(&folder, 4);
    let server = serve(vec![Step::Play(Arc::new(|request| {
        let text = request["messages"][0]["content"].as_str().unwrap();
        let said = if text.starts_with("A program was written") {
            "[\"Mind the order of operands.\"]".to_owned()
        } else {
            let shown = text.contains("- Mind the order of operands.");
            format!(
                "```python\ndef f(a, b):\n    return {}\n```",
                if shown { "a - b" } else { "1" }
            )
        };
        (200, completion(&said))
    }))]);
    let method = "learning:method=public_filter:n=1";
    let options = format!("--method {method} --memory-round 1 --quiet");
    let said = transcript(&folder, &solve(&server, &options));
    assert!(said.ends_with("exit 0\n"), "{said}");
    let n_requests = server.seen.lock().unwrap().len();
    assert_eq!(n_requests, 6, "three drafts and three lessons");
    let read = |file: &str| fs::read_to_string(folder.join("run").join(file)).unwrap();
    let (lessons, candidates) = (read("lessons.jsonl"), read("candidates.jsonl"));
    assert_eq!(lessons.lines().count(), 4, "{lessons}");
    assert_eq!(candidates.matches("a - b").count(), 2, "the first problem has nobody before it");
    assert_eq!(transcript(&folder, &solve(&server, &options)), said);
    assert_eq!(server.seen.lock().unwrap().len(), n_requests);
    assert_eq!((read("lessons.jsonl"), read("candidates.jsonl")), (lessons, candidates));
    // They serve another run from its first problem on.
    let again = solve(&server, &format!("--method {method} --memory run/lessons.jsonl --quiet"));
    transcript(&folder, &again.replace("--out run", "--out other"));
    let others = fs::read_to_string(folder.join("other/candidates.jsonl")).unwrap();
    assert_eq!(others.matches("a - b").count(), 3, "{others}");
    let none = transcript(&folder, &solve(&server, "--memory problems.jsonl --quiet"));
    assert!(none.contains("problems.jsonl holds no lessons"), "{none}");
}

/// Programs that print inputs are run in the sandbox ahead of time; one that fails is told, and the
/// next is tried. Who wants such inputs later finds them, whatever language programs are in.
#[test]
fn programs_print_inputs_ahead_of_time() {
    let folder = folder("solve-makers");
    write_problem(&folder);
    let makers = Arc::new(Mutex::new(0));
    let play = move |request: &Value| {
        let text = request["messages"][0]["content"].as_str().unwrap();
        if !text.starts_with("Write a Python program that makes inputs") {
            let seed = request["seed"].as_u64().unwrap();
            return (
                200,
                completion(&program(if seed.is_multiple_of(3) { "n + 1" } else { "2 * n" })),
            );
        }
        *makers.lock().unwrap() += 1;
        let maker = match *makers.lock().unwrap() {
            1 => "open('/etc/shadow').read()",
            _ => "import json\nprint(json.dumps([[n % 300] for n in range(600)] + ['x', 7]))",
        };
        (200, completion(&format!("```python\n{maker}\n```")))
    };
    let server = serve(vec![Step::Play(Arc::new(play))]);
    let ahead = "--answers a.jsonl --method prepare:inputs_max=0;tests=0;temperature=0.7";
    let said = said(&folder, &server, ahead);
    assert!(
        said.contains("prepared: 0 inputs, 300 inputs of a program after 1 bad ones"),
        "{said}"
    );
    assert_eq!(server.seen.lock().unwrap().len(), 2);
    let later = "--answers a.jsonl --method mbr_exec:n=9;inputs=programmed;inputs_max=40;\
                 temperature=0.7";
    let again = [ahead, later, later].map(|options| {
        fs::remove_dir_all(folder.join("run")).unwrap();
        self::said(&folder, &server, options)
    });
    assert_eq!(again[0], said);
    assert!(again[1].contains("return 2 * n") && again[1].ends_with("exit 0\n"), "{}", again[1]);
    assert_eq!(again[1], again[2]);
    assert_eq!(server.seen.lock().unwrap().len(), 2 + 9, "nothing is made again");
}

/// A server that goes on with what was begun gets the beginning, and its answer is put behind it.
#[test]
fn answers_are_gone_on_with() {
    let folder = folder("solve-continues");
    write_problem(&folder);
    let server = serve(vec![Step::Play(Arc::new(|request| {
        let messages = request["messages"].as_array().unwrap();
        let said = match messages.get(1) {
            None => "```python\ndef f(n):\n    return n\n```".to_owned(),
            Some(begun) => {
                assert_eq!(request["continue_final_message"], true);
                assert_eq!(request["add_generation_prompt"], false);
                let whole = program("2 * n");
                let begun = begun["content"].as_str().unwrap();
                whole.strip_prefix(begun).unwrap_or("").to_owned()
            }
        };
        (200, completion(&said))
    }))]);
    let method = "--method qalign:n=6;rule=public_filter --scorer linear --quiet";
    let refused = transcript(&folder, &solve(&server, method));
    assert!(refused.contains("is not said to: give a decoder's directory"), "{refused}");
    assert!(refused.ends_with("exit 2\n"), "{refused}");
    let said = transcript(&folder, &solve(&server, &format!("{method} --continues")));
    assert!(said.ends_with("exit 0\n"), "{said}");
    let candidates = fs::read_to_string(folder.join("run/candidates.jsonl")).unwrap();
    assert!(candidates.contains("return 2 * n"), "{candidates}");
}

#[test]
fn a_decoder_of_ours_writes_too() {
    let folder = folder("solve-decoder");
    write_problem(&folder);
    let solve = |method: &str| {
        format!(
            "solve --problems problems.jsonl --language-model {} --out run-{} --answers a.jsonl \
             --scorer linear --allow-weak-isolation --quiet --json --method {method}:n=2;tokens_max=8",
            crate::decoder::fixture("lm").display(),
            &method[..4]
        )
    };
    let tree = solve("rebase").replace("tokens_max=8", "step_tokens=4;steps_max=2");
    let said = transcript(&folder, &tree.replace("a.jsonl", "tree.jsonl"));
    assert!(said.ends_with("exit 0\n"), "{said}");
    // Random weights write no program; both samples are there all the same, and are kept.
    let said = transcript(&folder, &solve("random"));
    let summary: Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert_eq!(summary["spent"]["samples"], 2, "{said}");
    assert!(said.ends_with("exit 0\n"), "{said}");
    let answers = || fs::read_to_string(folder.join("a.jsonl")).unwrap();
    let first = answers();
    assert_eq!(first.lines().count(), 3);
    transcript(&folder, &solve("longest"));
    assert_eq!(answers(), first, "the second method asks nothing new");
    let none = transcript(&folder, &solve("random").replace("/lm ", "/qwen3 "));
    expect![[r#"
        codescaler: error: HERE/../codescaler-nn/fixtures/qwen3 is no usable language model: cannot load HERE/../codescaler-nn/fixtures/qwen3: the head gives one score, not one number per token of the vocabulary
        exit 2
    "#]].assert_eq(&none.replace(env!("CARGO_MANIFEST_DIR"), "HERE"));
}
