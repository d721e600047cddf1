//! The server as the binary starts it: the reward model in the box, the sandbox, a language model.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    codescaler, folder,
    solve::{
        completion,
        server::{Step, serve},
    },
    train::{POLICY, prepared},
    transcript, write_pool,
};

/// A running server; killed with its owner.
struct Served {
    child: Child,
    address: String,
}

impl Served {
    fn start(folder: &Path, options: &str) -> Served {
        let mut child = codescaler(folder, &format!("serve --port 0 {options}"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").unwrap().to_owned();
        Served { child, address }
    }

    /// Status and body.
    fn post(&self, path: &str, header: &str, body: &Value) -> (u16, String) {
        self.request(("POST", path), header, &body.to_string())
    }

    fn get(&self, path: &str, header: &str) -> (u16, String) {
        self.request(("GET", path), header, "")
    }

    fn request(&self, (method, path): (&str, &str), header: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(2))).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}\
             Content-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), body.to_owned())
    }

    fn json(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.post(path, "", body);
        assert_eq!(status, 200, "{answer}");
        serde_json::from_str(&answer).unwrap()
    }

    /// Asks it to end, and gives its exit code.
    fn stop(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The scores that `codescaler score` writes are the ones that the server gives, alone and together.
#[test]
fn the_server_gives_the_scores_of_the_command_line() {
    let folder = folder("serve-scores");
    write_pool(&folder, 4);
    // As language models send them.
    let candidates = fs::read_to_string(folder.join("candidates.jsonl")).unwrap();
    let candidates = candidates.replace("\"program\":", "\"completion\":");
    fs::write(folder.join("candidates.jsonl"), candidates).unwrap();
    let made = transcript(
        &folder,
        "score -q --problems problems.jsonl --candidates candidates.jsonl --out s.jsonl",
    );
    assert!(made.ends_with("exit 0\n"), "{made}");
    let lines = |name: &str| -> Vec<Value> {
        let text = fs::read_to_string(folder.join(name)).unwrap();
        text.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let statement = |id: &Value| {
        let problems = lines("problems.jsonl");
        problems.iter().find(|problem| problem["id"] == *id).unwrap()["statement"].clone()
    };
    let items: Vec<Value> = lines("candidates.jsonl")
        .iter()
        .map(|candidate| {
            let entry = json!({"kind": "function", "name": "f"});
            json!({"problem": statement(&candidate["problem"]), "response": candidate["completion"], "entry": entry})
        })
        .collect();
    let expected: Vec<Value> =
        lines("s.jsonl").iter().map(|scored| scored["score"].clone()).collect();
    assert_eq!(expected.iter().filter(|score| score.is_null()).count(), 3);

    let served = Served::start(&folder, "");
    let answer = served.json("/v1/reward", &json!({"items": items}));
    let raw: Vec<Value> =
        answer["results"].as_array().unwrap().iter().map(|r| r["raw"].clone()).collect();
    assert_eq!(raw, expected);
    let read: Vec<u64> = answer["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| result["diagnostics"]["tokens"].as_u64().unwrap())
        .collect();
    let is_read: Vec<bool> = read.iter().map(|&tokens| tokens > 0).collect();
    assert_eq!(is_read, expected.iter().map(Value::is_number).collect::<Vec<_>>());
    assert_eq!(answer["usage"]["prompt_tokens"], read.iter().sum::<u64>());
    for (item, score) in items.iter().zip(&expected) {
        let alone = served.json("/v1/reward", &json!({"items": [item]}));
        assert_eq!(alone["results"][0]["raw"], *score);
        let mut whole = item.clone();
        whole.as_object_mut().unwrap().remove("entry");
        let whole = served.json("/v1/reward", &json!({"items": [whole]}));
        let body = json!({"prompt": item["problem"], "response": item["response"]});
        let bare = served.json("/rm?key=score", &body);
        assert_eq!(bare["score"], whole["results"][0]["reward"]);
    }
    // The decoder alone, on the text as it stands.
    let turns = json!([{"role": "user", "content": "Print 1."}, {"role": "assistant", "content": "print(1)"}]);
    let by_turns = served.json("/classify", &json!({"messages": turns}));
    assert!(by_turns["data"][0]["probs"][0].is_number());
    // Nothing is run unless that is switched on.
    let run = json!({"code": "print(1)", "language": "python"});
    assert_eq!(served.post("/run_code", "", &run).0, 404);
    assert_eq!(served.stop(), Some(0));
}

#[test]
fn programs_are_run_in_the_sandbox() {
    let folder = folder("serve-run");
    let served = Served::start(&folder, "--scorer linear --run-code --allow-weak-isolation");
    let run = |code: &str, stdin: &str| {
        let body = json!({"code": code, "stdin": stdin, "language": "python", "run_timeout": 5});
        let mut answer = served.json("/run_code", &body);
        assert!(answer["run_result"]["execution_time"].is_number());
        answer["run_result"].as_object_mut().unwrap().remove("execution_time");
        (answer["status"].as_str().unwrap().to_owned(), answer["run_result"].clone())
    };
    assert_eq!(
        run("import sys\nprint(int(input()) + 1)\nprint('x', file=sys.stderr)", "1\n"),
        (
            "Success".to_owned(),
            json!({"status": "Finished", "return_code": 0, "stdout": "2\n", "stderr": "x\n"})
        )
    );
    let (status, result) = run("print(1)\nraise SystemExit(3)", "");
    assert_eq!((status.as_str(), &result["return_code"]), ("Failed", &json!(3)));
    assert_eq!(result["stdout"], "1\n");
    let (status, result) = run("print(1 / 0)", "");
    assert_eq!(status, "Failed");
    assert!(result["stderr"].as_str().unwrap().contains("ZeroDivisionError"), "{result}");
    let (status, result) = run("def f(:", "");
    assert_eq!((status.as_str(), &result["return_code"]), ("Failed", &json!(1)));
    let test = json!({"args": [2], "expected": 4});
    let item = |program: &str| json!({"program": program, "entry": {"kind": "function", "name": "f"}, "tests": [test]});
    let items = json!({"items": [item("def f(n): return 2 * n"), item("def f(n): return n")]});
    let (status, lines) = served.post("/v1/judge", "", &items);
    assert_eq!(status, 200);
    assert!(lines.contains("\"passed\":true") && lines.contains("\"wrong_answer\""), "{lines}");
    assert_eq!(served.stop(), Some(0));
}

#[test]
fn conversations_are_answered_by_a_method() {
    let folder = folder("serve-chat");
    let text = "Here:\n```python\nprint(int(input()) * 2)\n```";
    let message = json!({"role": "assistant", "content": text});
    let answer = json!({
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10},
    })
    .to_string();
    let server = serve(vec![Step::Play(std::sync::Arc::new(move |_| (200, answer.clone())))]);
    let served = Served::start(
        &folder,
        &format!(
            "--scorer linear --allow-weak-isolation --endpoint {} --language-model tiny",
            server.base_url
        ),
    );
    let asked =
        json!([{"role": "user", "content": "Print twice n.\n\nInput\n\n1\n\nOutput\n\n2\n"}]);
    let answer = served.json(
        "/v1/chat/completions",
        &json!({"model": "codescaler/codescaler_run:tiny", "messages": asked, "codescaler": {"n": 3}}),
    );
    let text = answer["choices"][0]["message"]["content"].as_str().unwrap();
    assert_eq!(text, "```python\nprint(int(input()) * 2)\n```");
    assert_eq!(
        answer["usage"],
        json!({"prompt_tokens": 300, "completion_tokens": 30, "total_tokens": 330})
    );
    assert_eq!(answer["codescaler"]["candidates"], 3);
    let ours = json!({"model": "codescaler", "messages": asked, "codescaler": {"n": 1}});
    let answer = served.json("/v1/chat/completions", &ours);
    assert_eq!(answer["codescaler"]["candidates"], 1);
    let other = json!({"model": "gpt", "messages": asked});
    assert_eq!(served.post("/v1/chat/completions", "", &other).0, 422);
    assert_eq!(served.stop(), Some(0));
}

/// A client that goes takes its requests with it: connections to the language model are closed, and
/// whoever comes next has answers of its own.
#[test]
fn who_leaves_leaves_nothing_under_way() {
    let folder = folder("serve-chat-left");
    let (told, tells) = std::sync::mpsc::channel();
    let answer = completion("```python\nprint(1)\n```");
    let play = Step::Play(std::sync::Arc::new(move |_| (200, answer.clone())));
    let server = serve(vec![Step::Silence(told.clone()), Step::Silence(told), play]);
    let served = Served::start(
        &folder,
        &format!(
            "--scorer linear --allow-weak-isolation --chats-max 1 --endpoint {} \
             --language-model tiny",
            server.base_url
        ),
    );
    let messages = json!([{"role": "user", "content": "Print 1."}]);
    let name = "codescaler/codescaler_run:tiny";
    let asked = json!({"model": name, "messages": messages, "codescaler": {"n": 2}});
    let body = asked.to_string();
    let length = body.len();
    let mut stream = TcpStream::connect(&served.address).unwrap();
    write!(
        stream,
        "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let wait = || tells.recv_timeout(Duration::from_mins(1));
    assert_eq!([wait(), wait()], [Ok("arrived"); 2]);
    drop(stream);
    assert_eq!([wait(), wait()], [Ok("closed"); 2]);
    let next = loop {
        match served.post("/v1/chat/completions", "", &asked) {
            (200, answer) => break answer,
            // The only seat is not back yet.
            (status, answer) => assert_eq!(status, 429, "{answer}"),
        }
        thread::sleep(Duration::from_millis(50));
    };
    assert!(next.contains("print(1)"), "{next}");
    assert_eq!(served.stop(), Some(0));
}

/// Two servers stand behind a third: scores are theirs, one may die, and when all are dead nobody gets
/// a number.
#[test]
fn remote_scorers_score_for_a_server_and_for_the_command_line() {
    let folder = folder("serve-remote");
    write_pool(&folder, 4);
    let (one, two) =
        (Served::start(&folder, "--scorer linear"), Served::start(&folder, "--scorer linear"));
    let urls =
        format!("--scorer-url http://{} --scorer-url http://{}/v1", one.address, two.address);
    let score = |options: &str| {
        transcript(
            &folder,
            &format!("score -q --problems problems.jsonl --candidates candidates.jsonl {options}"),
        )
    };
    for options in
        ["--scorer linear --out here.jsonl".to_owned(), format!("{urls} --out there.jsonl")]
    {
        let made = score(&options);
        assert!(made.ends_with("exit 0\n"), "{made}");
    }
    let records = |name: &str| {
        let text = fs::read_to_string(folder.join(name)).unwrap();
        text.split_once('\n').unwrap().1.to_owned()
    };
    assert_eq!(records("here.jsonl"), records("there.jsonl"));

    let front = Served::start(&folder, &urls);
    let item = |program: &str| json!({"problem": "Print 1.", "response": program});
    let body =
        json!({"items": [item("```python\nprint(1)\n```"), item("nothing"), item("print(2)")]});
    let raw = |served: &Served, body: &Value| {
        let answer = served.json("/v1/reward", body);
        let of = |result: &Value| (result["status"].clone(), result["raw"].clone());
        answer["results"].as_array().unwrap().iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(raw(&front, &body), raw(&one, &body));
    let info: Value = serde_json::from_str(&front.get("/info", "").1).unwrap();
    assert_eq!(info["provenance"]["protocol"], "codescaler");
    assert_eq!(info["scorers"].as_array().unwrap().len(), 2);
    assert!(front.get("/metrics", "").1.contains("codescaler_remote_in_rotation{scorer="));
    assert_eq!(one.stop(), Some(0));
    for n in 0..8 {
        let body = json!({"items": [item(&format!("print({n} * 3)"))]});
        assert_eq!(raw(&front, &body), raw(&two, &body));
    }
    assert_eq!(two.stop(), Some(0));
    let new = json!({"items": [item("print(77)"), item("nothing")]});
    let answer = front.json("/v1/reward", &new);
    assert_eq!(answer["results"][0]["status"], "infra_error");
    assert_eq!(answer["results"][0]["reward"], Value::Null);
    assert_eq!(answer["results"][1]["status"], "invalid");
    let one = json!({"prompt": "Print 1.", "response": "print(78)"});
    assert_eq!(front.post("/rm", "", &one).0, 503);
    assert_eq!((front.get("/ready", "").0, front.get("/health", "").0), (503, 200));
    // What was known before still is.
    assert_eq!(raw(&front, &body)[0].0, "ok");
    assert_eq!(front.stop(), Some(0));
    let made = score(&format!("{urls} --out other.jsonl"));
    assert!(made.contains("no remote scorer can be used") && made.ends_with("exit 2\n"), "{made}");
}

#[test]
fn a_training_that_goes_on_is_listed_with_its_newest_step() {
    let folder = prepared("serve-training", &[]);
    let command = POLICY.replace("--epochs 30", "--epochs 2000").replace("--out ", "--out runs/");
    let mut training = codescaler(&folder, &command).stdout(Stdio::null()).spawn().unwrap();
    let run = folder.join("runs/policy");
    let log = || fs::read_to_string(run.join("steps.jsonl")).unwrap_or_default();
    let deadline = Instant::now() + Duration::from_mins(1);
    while log().lines().count() < 3 {
        assert!(Instant::now() < deadline, "no three steps after a minute");
        thread::sleep(Duration::from_millis(1));
    }
    let served = Served::start(&folder, "--scorer linear --ui runs");
    let page = |path: &str| {
        let (status, page) = served.get(path, "");
        assert_eq!(status, 200, "{page}");
        page
    };
    let index = page("/ui");
    assert!(index.contains("train policy") && index.contains("live, log written "), "{index}");
    let curves = page("/ui/runs/policy");
    for said in ["loss, nats, by step", "Not finished: the log is at step ", "href=\"/ui\""] {
        assert!(curves.contains(said), "no {said:?}");
    }

    training.kill().unwrap();
    training.wait().unwrap();
    let log = log();
    let (whole, _) = log.rsplit_once('\n').unwrap();
    let last = whole.lines().last().unwrap();
    let last: Value = serde_json::from_str(last).unwrap();
    let plan: Value = serde_json::from_slice(&fs::read(run.join("plan.json")).unwrap()).unwrap();
    let (step, loss) = (&last["step"], last["loss"].as_f64().unwrap());
    let said = format!("step {step} of {}: loss {loss:.3}", plan["steps"]);
    let index = page("/ui");
    assert!(index.contains(&said), "no {said:?}: {index}");
    // With its weights it is over.
    fs::write(run.join("model.safetensors"), "").unwrap();
    let index = page("/ui");
    assert!(index.contains(&said) && !index.contains("live"), "{index}");
    assert!(!page("/ui/runs/policy").contains("Not finished"));
}

#[test]
fn runs_are_shown_as_they_stand_and_nothing_else_is() {
    let folder = folder("serve-ui");
    let run = folder.join("runs/a run");
    fs::create_dir_all(&run).unwrap();
    write_pool(&run, 4);
    fs::write(run.join("scores.jsonl.part"), "{}\n{}\n").unwrap();
    fs::create_dir_all(folder.join("runs/empty")).unwrap();
    fs::create_dir_all(folder.join("secret")).unwrap();
    write_pool(&folder.join("secret"), 4);
    fs::write(folder.join("token.txt"), "hunter2\n").unwrap();
    let served = Served::start(&folder, "--scorer linear --ui runs --token-file token.txt");
    let (status, _) = served.get("/ui", "");
    assert_eq!(status, 401);
    // codescaler:hunter2
    let basic = "Authorization: Basic Y29kZXNjYWxlcjpodW50ZXIy\r\n";
    let page = |path: &str| served.get(path, basic);
    let (status, index) = page("/ui");
    assert_eq!(status, 200);
    assert!(index.contains("href=\"/ui/runs/a%20run\""), "{index}");
    assert!(index.contains("scores.jsonl: 2 lines") && !index.contains("secret"), "{index}");
    let (status, shown) = page("/ui/runs/a%20run");
    assert_eq!(status, 200);
    assert!(
        shown.contains("Content-Security-Policy") && shown.contains("<title>codescaler: a run")
    );
    let (status, rank) = page("/ui/rank");
    assert!(status == 200 && rank.contains("/v1/reward"));
    let (status, why) = page("/ui/runs/empty");
    assert!(status == 422 && why.contains("holds no run") && why.contains("All runs"), "{why}");
    for path in [
        "/ui/runs/../../secret",
        "/ui/runs/..%2Fsecret",
        "/ui/runs/%2e%2e/secret",
        "/ui/runs/..",
        "/ui/runs/.",
        "/ui/runs/",
        "/ui/runs/a%20run/plan.json",
        "/ui/runs/%2Fetc",
        "/ui/secret",
    ] {
        assert_eq!(page(path).0, 404, "{path}");
    }
    let item = json!({"items": [{"problem": "Print 1.", "response": "print(1)"}]});
    assert_eq!(served.post("/v1/reward", basic, &item).0, 200);
    assert_eq!(served.post("/v1/reward", "Authorization: Basic eDp5\r\n", &item).0, 401);
    // A browser's password opens no other route.
    assert_eq!(served.get("/metrics", basic).0, 401);
    assert_eq!(served.get("/metrics", "Authorization: Bearer hunter2\r\n").0, 200);
    assert_eq!(served.stop(), Some(0));
    let bare = Served::start(&folder, "--scorer linear");
    assert_eq!(bare.get("/ui", "").0, 404);
    assert_eq!(bare.stop(), Some(0));
}

#[test]
fn unusable_options_are_named() {
    let folder = folder("serve-options");
    fs::write(folder.join("token.txt"), "two words\n").unwrap();
    fs::write(folder.join("cert.pem"), "no certificate\n").unwrap();
    let check = |options: &str, said: &str| {
        let text = transcript(&folder, &format!("serve --port 0 --scorer linear {options}"));
        assert!(text.contains(said) && text.ends_with("exit 2\n"), "{options}: {text}");
    };
    check("--token-file none", "cannot read none");
    check("--token-file token.txt", "one token in ASCII without blanks is wanted");
    check("--host 0.0.0.0 --run-code", "give --token-file");
    check("--tls-cert cert.pem", "--tls-key");
    check("--tls-cert cert.pem --tls-key cert.pem", "cert.pem");
    check("--ui token.txt", "token.txt is no folder");
    check("--shaping sigmoid --scale 0", "--scale above zero");
    check("--host 192.0.2.1 --token-file token.txt", "token.txt");
    check("--host 192.0.2.1", "cannot listen on 192.0.2.1:0");
    let check = |options: &str, said: &str| {
        let text = transcript(&folder, &format!("serve --port 0 {options}"));
        assert!(text.contains(said) && text.ends_with("exit 2\n"), "{options}: {text}");
    };
    check("--scorer-url ftp://x", "begin it with http:// or https://");
    check("--scorer-url http://127.0.0.1:1", "--scorer-protocol names one");
    check("--scorer-url http://127.0.0.1:1 --scorer linear", "cannot be used with");
    check("--scorer-url http://127.0.0.1:1 --scorer-key-file none", "cannot read none");
    check("--scorer-url http://127.0.0.1:1 --scorer-tokenizer none", "--scorer-tokenizer");
    check("--scorer-protocol tei", "--scorer-url");
}
