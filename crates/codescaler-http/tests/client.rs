//! The client against scripted servers that speak real HTTP on the loopback interface.
//!
//! A server answers the requests it gets with the steps of its script, in order; the last step
//! answers all further ones. A case shows what the server saw and what the client made of it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "client/completions.rs"]
mod completions;
#[path = "client/server.rs"]
mod server;
#[path = "client/streams.rs"]
mod streams;

use std::{
    fmt::Write as _,
    net::TcpListener,
    sync::{Arc, Barrier, atomic::Ordering::SeqCst, mpsc},
    thread,
    time::{Duration, Instant},
};

use codescaler_http::{
    ApiKey, Capabilities, ChatError, ChatFault, ChatMessage, ChatRequest, Client, ClientError,
    Endpoint, Finish, Reply, Retries, Role, TokensParameter,
};
use expect_test::{Expect, expect};
use serde_json::{Value, json};

use crate::server::{Server, Step, serve};

/// Much longer than anything takes; only a failing test waits for it.
const LONG: Duration = Duration::from_secs(60);

/// A chat completion with these texts.
fn completion(texts: &[&str]) -> String {
    let choices: Vec<Value> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| {
            json!({"index": index, "message": {"content": text}, "finish_reason": "stop"})
        })
        .collect();
    let usage = json!({"prompt_tokens": 7, "completion_tokens": 2 * texts.len()});
    json!({"choices": choices, "usage": usage}).to_string()
}

fn ok(texts: &[&str]) -> Step {
    Step::Answer(200, "", completion(texts))
}

fn error(code: u16, message: &str) -> Step {
    Step::Answer(code, "", json!({"error": {"message": message}}).to_string())
}

/// An endpoint that tries three times and hardly waits between.
fn endpoint(base_url: &str) -> Endpoint {
    let retries =
        Retries { attempts_max: 3, first_wait_ms: 1, wait_ms_max: 2, ..Retries::default() };
    Endpoint { retries, ..Endpoint::new(base_url, "tiny") }
}

fn request(n: usize) -> ChatRequest {
    let content = "Write a program.".to_owned();
    ChatRequest { n, ..ChatRequest::new(vec![ChatMessage { role: Role::User, content }]) }
}

fn client(endpoint: Endpoint) -> Client {
    Client::new(vec![endpoint]).unwrap()
}

/// Asks once and waits for the reply.
fn ask(client: &Client, request: ChatRequest) -> Result<Reply, ChatError> {
    // Threads can share a client: one waits while another submits.
    let (ticket, result) = thread::scope(|scope| {
        let receiver = scope.spawn(|| client.receive(LONG).expect("a reply within a minute"));
        client.submit(0, 1, request);
        receiver.join().unwrap()
    });
    assert_eq!(ticket, 1);
    result
}

fn show(result: &Result<Reply, ChatError>) -> String {
    let reply = match result {
        Ok(reply) => reply,
        Err(error) => return format!("error: {error}\n"),
    };
    let mut shown = String::new();
    for choice in &reply.choices {
        let _ = write!(shown, "{:?} {:?}", choice.text, choice.finish);
        if let (Some(sum), Some(tokens)) = (choice.logprob_sum, choice.tokens) {
            let _ = write!(shown, " logprob {sum} of {tokens}");
        }
        if let Some(reasoning) = &choice.reasoning {
            let _ = write!(shown, " because {reasoning:?}");
        }
        shown.push('\n');
    }
    if let Some(error) = &reply.shortfall {
        let _ = writeln!(shown, "shortfall: {error}");
    }
    let usage = reply.usage;
    let estimated = if usage.is_estimated { " (estimated)" } else { "" };
    let cached = usage.cached_tokens.map_or(String::new(), |n| format!(" {n} cached"));
    let (prompt, written) = (usage.prompt_tokens, usage.completion_tokens);
    let _ = write!(shown, "tokens {prompt} -> {written}{cached}{estimated}");
    let _ = writeln!(shown, ", attempts {}", reply.attempts);
    assert!(reply.wall_ms > 0.0 || reply.choices.is_empty());
    shown
}

/// What the server saw, without what is the same in all requests.
fn show_seen(server: &Server) -> String {
    let mut bodies = server.seen.lock().unwrap().clone();
    // Requests under way at once come in any order; their seeds tell them apart.
    bodies.sort_by_key(|body| body.get("seed").and_then(Value::as_u64));
    let show = |body: &Value| {
        let mut body = body.as_object().unwrap().clone();
        assert_eq!(body.remove("model"), Some("tiny".into()));
        let said = body.remove("messages").or_else(|| body.remove("prompt")).unwrap();
        let messages = json!([{"role": "user", "content": "Write a program."}]);
        assert!(said == messages || said == "Write a program.\n\n", "{said}");
        format!("> {}\n", Value::Object(body))
    };
    bodies.iter().map(show).collect()
}

/// Asks one request of a server with this script: what was sent, what came of it, and what is
/// known then. The server's address is shown as `URL`.
fn exchange(
    script: Vec<Step>,
    adjust: impl Fn(&mut Endpoint),
    request: ChatRequest,
) -> (String, Capabilities) {
    let server = serve(script);
    let mut endpoint = endpoint(&server.base_url);
    adjust(&mut endpoint);
    let client = client(endpoint);
    let result = ask(&client, request);
    assert_eq!(client.pending(), 0);
    let shown = show_seen(&server) + &show(&result);
    (shown.replace(&server.base_url, "URL"), client.capabilities(0))
}

fn as_is(_: &mut Endpoint) {}

#[test]
fn replies_are_read() {
    let check = |step, request, expected: Expect| {
        expected.assert_eq(&exchange(vec![step], as_is, request).0);
    };
    check(
        ok(&["a"]),
        request(1),
        expect![[r#"
        > {}
        "a" Stop
        tokens 7 -> 2, attempts 1
    "#]],
    );
    check(
        ok(&["never"]),
        request(0),
        expect![[r#"
        tokens 0 -> 0, attempts 0
    "#]],
    );
    let unpaid = completion(&["123456789"]).replace("usage", "used");
    check(
        Step::Answer(200, "", unpaid),
        request(1),
        expect![[r#"
        > {}
        "123456789" Stop
        tokens 4 -> 3 (estimated), attempts 1
    "#]],
    );
}

#[test]
fn everything_is_sent_and_read() {
    let with_key = |endpoint: &mut Endpoint| {
        endpoint.api_key = Some(ApiKey::new("secret"));
        endpoint.extra.insert("top_k".to_owned(), 20.into());
    };
    let request = ChatRequest {
        temperature: Some(0.5),
        top_p: Some(0.9),
        tokens_max: Some(64),
        seed: Some(3),
        stop: vec!["\n\n".to_owned()],
        logprobs: true,
        ..request(2)
    };
    let body = json!({
        "choices": [
            {"index": 1, "message": {"content": "b"}, "finish_reason": "length",
             "logprobs": {"content": [{"logprob": -0.5}, {"logprob": -1.0}]}},
            {"index": 0, "message": {"content": "a", "reasoning_content": "why"},
             "finish_reason": "eos", "logprobs": {"content": []}},
        ],
        "usage": {"prompt_tokens": 4, "completion_tokens": 3,
                  "prompt_tokens_details": {"cached_tokens": 2}},
    });
    let script = vec![Step::Answer(200, "", body.to_string())];
    let (shown, known) = exchange(script, with_key, request);
    expect![[r#"
        > {"(key)":"Bearer secret","top_k":20,"n":2,"temperature":0.5,"top_p":0.9,"max_tokens":64,"seed":3,"stop":["\n\n"],"logprobs":true}
        "a" Other("eos") because "why"
        "b" Length logprob -1.5 of 2
        tokens 4 -> 3 2 cached, attempts 1
    "#]].assert_eq(&shown);
    expect![[r#"
        Capabilities {
            n: Works,
            temperature: Works,
            top_p: Works,
            seed: Works,
            stop: Works,
            logprobs: Works,
            stream_options: Unknown,
            prompt_logprobs: Unknown,
            echo: Unknown,
            tokens: MaxTokens,
        }"#]]
    .assert_eq(&format!("{known:#?}"));
}

#[test]
fn several_choices_are_asked_at_once_or_one_by_one() {
    let seeded = ChatRequest { seed: Some(40), ..request(3) };
    let greedy = ChatRequest { temperature: Some(0.0), ..seeded.clone() };
    let no = error(400, "Only one completion choice is allowed");
    let rows = [
        (vec![ok(&["a", "b", "c"])], seeded.clone()),
        (vec![ok(&["a"])], seeded.clone()),
        (vec![no.clone(), ok(&["a"])], seeded.clone()),
        (vec![no, ok(&["a"])], greedy),
        (vec![ok(&["a", "b", "too many"])], request(2)),
        // One choice is paid for; it is not thrown away with the others.
        (vec![ok(&["a"]), error(403, "quota")], seeded),
    ];
    let shown: String = rows
        .into_iter()
        .map(|(script, request)| {
            let (shown, known) = exchange(script, as_is, request);
            format!("{shown}n: {:?}\n\n", known.n)
        })
        .collect();
    expect![[r#"
        > {"seed":40,"n":3}
        "a" Stop
        "b" Stop
        "c" Stop
        tokens 7 -> 6, attempts 1
        n: Works

        > {"seed":40,"n":3}
        > {"seed":41}
        > {"seed":42}
        "a" Stop
        "a" Stop
        "a" Stop
        tokens 21 -> 6, attempts 3
        n: Ignored

        > {"seed":40,"n":3}
        > {"seed":40}
        > {"seed":41}
        > {"seed":42}
        "a" Stop
        "a" Stop
        "a" Stop
        tokens 21 -> 6, attempts 4
        n: Rejected

        > {"seed":40,"temperature":0.0,"n":3}
        > {"seed":40,"temperature":0.0}
        > {"seed":41,"temperature":0.0}
        > {"seed":42,"temperature":0.0}
        "a" Stop
        "a" Stop
        "a" Stop
        tokens 21 -> 6, attempts 4
        n: Unknown

        > {"n":2}
        "a" Stop
        "b" Stop
        tokens 7 -> 6, attempts 1
        n: Works

        > {"seed":40,"n":3}
        > {"seed":41}
        > {"seed":42}
        "a" Stop
        shortfall: URL: status 403: quota; check the key (attempts: 3)
        tokens 7 -> 2, attempts 3
        n: Ignored

    "#]]
    .assert_eq(&shown);
}

#[test]
fn what_is_known_of_an_endpoint_is_used_by_later_requests() {
    let renamed = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.";
    let dropped = "Unsupported value: 'temperature' does not support 0.2";
    let script = vec![error(400, renamed), error(400, dropped), ok(&["a"]), ok(&["b"])];
    let server = serve(script);
    let client = client(endpoint(&server.base_url));
    let request = ChatRequest { temperature: Some(0.2), tokens_max: Some(9), ..request(2) };
    let first = ask(&client, request.clone());
    let second = ask(&client, request);
    expect![[r#"
        > {"max_tokens":9,"temperature":0.2,"n":2}
        > {"max_completion_tokens":9,"temperature":0.2,"n":2}
        > {"max_completion_tokens":9,"n":2}
        > {"max_completion_tokens":9}
        > {"max_completion_tokens":9}
        > {"max_completion_tokens":9}
        "a" Stop
        "b" Stop
        tokens 14 -> 4, attempts 4
        "b" Stop
        "b" Stop
        tokens 14 -> 4, attempts 2
    "#]]
    .assert_eq(&(show_seen(&server) + &show(&first) + &show(&second)));
    expect![[r#"
        Capabilities {
            n: Ignored,
            temperature: Rejected,
            top_p: Unknown,
            seed: Unknown,
            stop: Unknown,
            logprobs: Unknown,
            stream_options: Unknown,
            prompt_logprobs: Unknown,
            echo: Unknown,
            tokens: MaxCompletionTokens,
        }"#]]
    .assert_eq(&format!("{:#?}", client.capabilities(0)));
    let fixed = |endpoint: &mut Endpoint| endpoint.tokens_parameter = TokensParameter::MaxTokens;
    let limited = ChatRequest { tokens_max: Some(9), ..self::request(1) };
    expect![[r#"
        > {"max_tokens":9}
        error: URL: status 400: Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.; change the request (attempts: 1)
    "#]].assert_eq(&exchange(vec![error(400, renamed)], fixed, limited).0);
}

#[test]
fn trouble_passes_or_is_told() {
    let answer = |code, headers, body: &str| Step::Answer(code, headers, body.to_owned());
    let overflow = "This has a maximum context length of 8 tokens; reduce max_tokens (unsupported)";
    let garbled = answer(200, "", r#"{"choices":[{"mess"#);
    let upstream = r#"{"error":{"message":"upstream is busy","code":503}}"#;
    let refusal = r#"{"choices":[{"message":{"content":null,"refusal":"I will not"}}]}"#;
    let scripts = [
        vec![answer(429, "retry-after: 0\r\n", "slow down"), ok(&["a"])],
        vec![answer(429, "retry-after: 86400\r\n", "come back tomorrow")],
        vec![error(500, "broken")],
        vec![error(404, "no such thing")],
        vec![garbled.clone(), ok(&["a"])],
        vec![garbled],
        vec![answer(200, "", "\"welcome\"")],
        vec![ok(&[])],
        vec![error(400, overflow)],
        vec![error(400, "temperature must be at most 2")],
        vec![answer(302, "location: http://127.0.0.1:1/\r\n", "")],
        vec![answer(200, "", upstream), ok(&["a"])],
        vec![answer(200, "", refusal)],
    ];
    let shown: String = scripts
        .into_iter()
        .map(|script| {
            let server = serve(script);
            let hot = ChatRequest { temperature: Some(3.0), ..request(1) };
            let shown = show(&ask(&client(endpoint(&server.base_url)), hot));
            shown.replace(&server.base_url, "URL")
        })
        .collect();
    expect![[r#"
        "a" Stop
        tokens 7 -> 2, attempts 2
        error: URL: status 429: come back tomorrow; send less at once, or allow more attempts (attempts: 1)
        error: URL: status 500: broken; look into the log of the server (attempts: 3)
        error: URL: status 404: no such thing; check the base URL and the wire name (attempts: 1)
        "a" Stop
        tokens 7 -> 2, attempts 2
        error: URL: not a completion: EOF while parsing a string at line 1 column 18; check that the base URL ends where the API begins (attempts: 3)
        error: URL: not a completion: invalid type: string "welcome", expected a completion at line 1 column 9; check that the base URL ends where the API begins (attempts: 1)
        error: URL: an answer without choices; look into the log of the server (attempts: 1)
        error: URL: the context is exceeded: This has a maximum context length of 8 tokens; reduce max_tokens (unsupported); shorten the messages or want fewer tokens (attempts: 1)
        error: URL: status 400: temperature must be at most 2; change the request (attempts: 1)
        error: URL: status 302: no message; check the base URL and the wire name (attempts: 1)
        "a" Stop
        tokens 7 -> 2, attempts 2
        error: URL: refused: I will not; change the messages (attempts: 1)
    "#]].assert_eq(&shown);
}

#[test]
fn a_key_is_shown_to_nobody() {
    let with_key = |endpoint: &mut Endpoint| endpoint.api_key = Some(ApiKey::new("sk-4711"));
    let wrong = vec![error(401, "incorrect key: Bearer sk-4711")];
    expect![[r#"
        > {"(key)":"Bearer sk-4711"}
        error: URL: status 401: incorrect key: Bearer [redacted]; check the key (attempts: 1)
    "#]]
    .assert_eq(&exchange(wrong, with_key, request(1)).0);
    let key = ApiKey::new("sk-4711");
    assert_eq!(format!("{key} {key:?}"), "[redacted] [redacted]");
}

#[test]
fn a_server_that_is_down_or_silent_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = client(endpoint(&base_url));
    let error = ask(&client, request(1)).unwrap_err();
    // What exactly is said about it is for the system to choose.
    assert!(matches!(error.fault, ChatFault::Connect { .. }), "{error}");
    assert_eq!((error.endpoint, error.attempts), (base_url, 3));
    let (told, _heard) = mpsc::channel();
    let server = serve(vec![Step::Silence(told)]);
    let client = self::client(Endpoint { timeout_ms: 50, ..endpoint(&server.base_url) });
    let silent = show(&ask(&client, request(1))).replace(&server.base_url, "URL");
    expect![[r#"
        error: URL: no answer within 50 ms; allow more time, fewer tokens, or fewer at once (attempts: 3)
    "#]].assert_eq(&silent);
}

#[test]
fn waits_are_kept() {
    let come_later = Step::Answer(429, "retry-after-ms: 40\r\n", "slow down".to_owned());
    let server = serve(vec![come_later, ok(&["a"])]);
    let reply = ask(&client(endpoint(&server.base_url)), request(1)).unwrap();
    assert!(reply.wall_ms >= 40.0, "{}", reply.wall_ms);
    // 20 ms apart.
    let paced = Endpoint { requests_per_minute_max: Some(3_000), ..endpoint(&server.base_url) };
    let client = client(paced);
    let begin = Instant::now();
    (0..5).for_each(|ticket| client.submit(0, ticket, request(1)));
    (0..5).for_each(|_| assert!(client.receive(LONG).unwrap().1.is_ok()));
    assert!(begin.elapsed() >= Duration::from_millis(4 * 20));
}

#[test]
fn a_cancelled_request_hangs_up_and_is_not_answered() {
    let (told, heard) = mpsc::channel();
    let server = serve(vec![Step::Silence(told), ok(&["a"])]);
    let client = client(Endpoint { in_flight_max: 1, ..endpoint(&server.base_url) });
    client.submit(0, 1, request(1));
    assert_eq!(heard.recv_timeout(LONG), Ok("arrived"));
    // It waits for the slot of the first one, and never gets it.
    client.submit(0, 2, request(1));
    client.cancel(2);
    client.cancel(1);
    assert_eq!(heard.recv_timeout(LONG), Ok("closed"));
    assert_eq!(client.pending(), 0);
    client.submit(0, 3, request(1));
    let (ticket, result) = client.receive(LONG).unwrap();
    assert_eq!((ticket, result.is_ok()), (3, true));
    // Whether the former request is answered by now or not, only the latter one counts.
    client.submit(0, 4, request(1));
    client.submit(0, 5, request(1));
    assert_eq!(client.receive(LONG).unwrap().0, 4);
    client.submit(0, 5, request(1));
    assert_eq!(client.receive(LONG).unwrap().0, 5);
    assert!(client.receive(Duration::ZERO).is_none());
    assert_eq!(client.pending(), 0);
}

#[test]
fn choices_asked_one_by_one_are_cancelled_together() {
    let (told, heard) = mpsc::channel();
    let server = serve(vec![ok(&["a"]), Step::Silence(told)]);
    let client = client(endpoint(&server.base_url));
    client.submit(0, 1, request(3));
    assert_eq!([heard.recv_timeout(LONG), heard.recv_timeout(LONG)], [Ok("arrived"); 2]);
    client.cancel(1);
    assert_eq!([heard.recv_timeout(LONG), heard.recv_timeout(LONG)], [Ok("closed"); 2]);
    assert!(client.receive(Duration::ZERO).is_none());
}

#[test]
fn a_dropped_client_hangs_up() {
    let (told, heard) = mpsc::channel();
    let server = serve(vec![Step::Silence(told)]);
    let client = client(endpoint(&server.base_url));
    client.submit(0, 1, request(1));
    assert_eq!(heard.recv_timeout(LONG), Ok("arrived"));
    drop(client);
    assert_eq!(heard.recv_timeout(LONG), Ok("closed"));
}

#[test]
fn as_many_are_under_way_as_allowed() {
    // Each answer waits until three requests are there: fewer at once would never be answered.
    let barrier = Arc::new(Barrier::new(3));
    let server = serve(vec![Step::Meet(barrier, completion(&["a"]))]);
    let client = client(Endpoint { in_flight_max: 3, ..endpoint(&server.base_url) });
    (0..12).for_each(|ticket| client.submit(0, ticket, request(1)));
    let mut tickets: Vec<u64> = (0..12)
        .map(|_| {
            let (ticket, result) = client.receive(LONG).unwrap();
            assert_eq!(result.unwrap().choices[0].finish, Finish::Stop);
            ticket
        })
        .collect();
    tickets.sort_unstable();
    assert_eq!(tickets, Vec::from_iter(0..12));
    assert_eq!(server.at_once_max.load(SeqCst), 3);
}

#[test]
fn a_storm_is_not_multiplied() {
    let server = serve(vec![error(503, "overloaded")]);
    let mut endpoint = Endpoint { in_flight_max: 1, ..endpoint(&server.base_url) };
    endpoint.retries.attempts_max = 9;
    let client = client(endpoint);
    (0..20).for_each(|ticket| client.submit(0, ticket, request(1)));
    for _ in 0..20 {
        assert!(client.receive(LONG).unwrap().1.is_err());
    }
    // Twenty calls, ten further attempts, and one for every five calls.
    assert_eq!(server.seen.lock().unwrap().len(), 20 + 10 + 4);
}

#[test]
fn endpoints_that_cannot_be_asked_are_refused() {
    let check = |adjust: fn(&mut Endpoint), expected: Expect| {
        let mut endpoint = endpoint("http://localhost:1/v1");
        adjust(&mut endpoint);
        let shown = Client::new(vec![endpoint]).err().map(|error: ClientError| error.to_string());
        expected.assert_eq(&shown.unwrap_or_default());
    };
    check(as_is, expect![]);
    check(
        |endpoint| endpoint.base_url = "localhost".to_owned(),
        expect![[r#"base URL "localhost": not a URL; give one like http://127.0.0.1:8000/v1"#]],
    );
    check(
        |endpoint| endpoint.base_url = "ftp://localhost/v1".to_owned(),
        expect![[r#"base URL "ftp://localhost/v1": begin it with http:// or https://"#]],
    );
    check(
        |endpoint| endpoint.base_url = "http://me:secret@localhost/v1".to_owned(),
        expect![[r#"base URL "http://[redacted]@localhost/v1": put the secret into the key"#]],
    );
    check(
        |endpoint| endpoint.base_url = "http://localhost/v1?key=secret".to_owned(),
        expect![[r#"base URL "http://localhost/v1": end it with the path"#]],
    );
    check(
        |endpoint| endpoint.in_flight_max = 0,
        expect!["http://localhost:1/v1: in_flight_max is 0; give at least 1"],
    );
    check(
        |endpoint| endpoint.retries.attempts_max = 0,
        expect!["http://localhost:1/v1: retries.attempts_max is 0; give at least 1"],
    );
    check(
        |endpoint| endpoint.api_key = Some(ApiKey::new("")),
        expect![
            "http://localhost:1/v1: the key is empty or holds what no header may hold; copy it again"
        ],
    );
    check(
        |endpoint| endpoint.api_key = Some(ApiKey::new("a\nb")),
        expect![
            "http://localhost:1/v1: the key is empty or holds what no header may hold; copy it again"
        ],
    );
    check(
        |endpoint| _ = endpoint.extra.insert("stream".to_owned(), true.into()),
        expect![[r#"http://localhost:1/v1: extra "stream" is a key of the request; say it there"#]],
    );
}

#[test]
fn every_ticket_gets_its_own_reply() {
    let echo = Step::Play(Arc::new(|request| {
        let text = request["messages"][0]["content"].as_str().unwrap();
        (200, completion(&[text]))
    }));
    let server = serve(vec![echo]);
    let client = client(endpoint(&server.base_url));
    for ticket in 0..20 {
        let message = ChatMessage { role: Role::User, content: format!("say {ticket}") };
        client.submit(0, ticket, ChatRequest::new(vec![message]));
    }
    for _ in 0..20 {
        let (ticket, reply) = client.receive(LONG).expect("a reply within a minute");
        assert_eq!(reply.unwrap().choices[0].text, format!("say {ticket}"));
    }
}
