//! Remote scorers: the real client, against servers that answer by a script in each protocol.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use codescaler::{language::Language, problem::Problem};
use codescaler_http::{
    Heard, Judgement, Outcome, Protocol, Reading, Scorers, ScorersError, ScorersOptions,
};
use serde_json::{Value, json};

/// A server whose score of a text is the number of its bytes, in a hundredth.
struct Remote {
    url: String,
    state: Arc<State>,
}

struct State {
    protocol: Protocol,
    /// What it does with a request for scores.
    act: fn(&State, usize) -> Act,
    is_dead: AtomicBool,
    requests: AtomicUsize,
    items: AtomicUsize,
}

/// What becomes of a request for scores.
#[derive(Clone, PartialEq)]
enum Act {
    Answer,
    /// Answers late.
    Slow(u64),
    /// Says this instead.
    Say(u16, &'static str),
    /// One item too few.
    Short,
    /// Closes the connection without a word.
    Hang,
    /// Twice the score.
    Other,
}

impl Remote {
    fn start(protocol: Protocol, act: fn(&State, usize) -> Act) -> Remote {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State {
            protocol,
            act,
            is_dead: AtomicBool::new(false),
            requests: AtomicUsize::new(0),
            items: AtomicUsize::new(0),
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let state = Arc::clone(&shared);
                thread::spawn(move || talk(&state, stream.unwrap()));
            }
        });
        Remote { url, state }
    }

    fn answering(protocol: Protocol) -> Remote {
        Remote::start(protocol, |_, _| Act::Answer)
    }

    fn items(&self) -> usize {
        self.state.items.load(SeqCst)
    }
}

fn talk(state: &State, mut stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let (mut line, mut length, mut path) = (String::new(), 0, String::new());
        while line != "\r\n" {
            line.clear();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if path.is_empty() {
                path = line.split(' ').nth(1).unwrap().to_owned();
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() || state.is_dead.load(SeqCst) {
            return;
        }
        let Some((code, body)) = state.answer(&path, &body) else { return };
        let length = body.len();
        let head = format!("HTTP/1.1 {code} X\r\ncontent-length: {length}\r\n\r\n");
        if stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).is_err() {
            return;
        }
    }
}

impl State {
    fn answer(&self, path: &str, body: &[u8]) -> Option<(u16, String)> {
        let known = match (self.protocol, path) {
            (_, "/health") => json!({}),
            (Protocol::Codescaler, "/info") => {
                json!({"model_id": "c", "model_type": {}, "policies": ["whole"], "fingerprint": "f00d"})
            }
            (Protocol::Tei, "/info") => json!({"model_id": "t", "model_type": {"reranker": {}}}),
            (Protocol::Sglang | Protocol::Embeddings, "/get_model_info") => {
                json!({"model_path": "s", "is_generation": false})
            }
            (Protocol::Vllm | Protocol::VllmPooling, "/v1/models") => {
                json!({"data": [{"id": "v", "owned_by": "vllm"}]})
            }
            _ => Value::Null,
        };
        if !known.is_null() {
            return Some((200, known.to_string()));
        }
        let Ok(body) = serde_json::from_slice::<Value>(body) else {
            return Some((404, json!({"detail": "Not Found"}).to_string()));
        };
        let route = match self.protocol {
            Protocol::Codescaler => "/v1/reward",
            Protocol::Vllm | Protocol::Sglang => "/classify",
            Protocol::VllmPooling => "/pooling",
            Protocol::Embeddings => "/v1/embeddings",
            Protocol::Tei => "/predict",
        };
        if path != route {
            return Some((404, json!({"detail": "Not Found"}).to_string()));
        }
        let n = self.requests.fetch_add(1, SeqCst);
        let texts = self.texts(&body);
        let act = (self.act)(self, n);
        match &act {
            Act::Say(code, text) => return Some((*code, (*text).to_owned())),
            Act::Hang => return None,
            Act::Slow(ms) => thread::sleep(Duration::from_millis(*ms)),
            Act::Answer | Act::Short | Act::Other => {}
        }
        if texts.iter().any(|text| text.contains("endless")) {
            let text = "This model's maximum context length is 4096 tokens.";
            return Some((400, json!({"error": {"message": text}}).to_string()));
        }
        self.items.fetch_add(texts.len(), SeqCst);
        let factor = if act == Act::Other { 0.02 } else { 0.01 };
        let mut scores: Vec<f64> = texts.iter().map(|text| text.len() as f64 * factor).collect();
        if act == Act::Short {
            scores.pop();
        }
        Some((200, self.scores(&scores).to_string()))
    }

    /// What is to be scored, checked against what the protocol says.
    #[track_caller]
    fn texts(&self, body: &Value) -> Vec<String> {
        let strings = |value: &Value| -> Vec<String> {
            let strings = value.as_array().unwrap().iter();
            strings.map(|text| text.as_str().unwrap().to_owned()).collect()
        };
        let turns = |body: &Value| {
            let turns = body["messages"].as_array().unwrap();
            assert_eq!(
                (&turns[0]["role"], &turns[1]["role"]),
                (&json!("user"), &json!("assistant"))
            );
            let said = |turn: &Value| turn["content"].as_str().unwrap().to_owned();
            turns.iter().map(said).collect::<String>()
        };
        match self.protocol {
            Protocol::Codescaler => {
                assert_eq!(body["extract"]["policy"], "whole");
                let text = |item: &Value| {
                    let of = |key: &str| item[key].as_str().unwrap();
                    of("problem").to_owned() + of("starter_code") + of("response")
                };
                body["items"].as_array().unwrap().iter().map(text).collect()
            }
            Protocol::Vllm | Protocol::VllmPooling => {
                let is_pooling = self.protocol == Protocol::VllmPooling;
                assert_eq!((&body["model"], &body["use_activation"]), (&json!("v"), &json!(false)));
                assert_eq!(body["add_special_tokens"], false);
                assert_eq!(body.get("task").is_some(), is_pooling);
                match body.get("input") {
                    Some(input) => strings(input),
                    None => vec![turns(body)],
                }
            }
            Protocol::Sglang => strings(&body["text"]),
            Protocol::Embeddings => strings(&body["input"]),
            Protocol::Tei => {
                assert_eq!(body["raw_scores"], true);
                body["inputs"].as_array().unwrap().iter().flat_map(strings).collect()
            }
        }
    }

    fn scores(&self, scores: &[f64]) -> Value {
        let list = |one: &dyn Fn(usize, f64) -> Value| -> Value {
            scores.iter().enumerate().map(|(at, &score)| one(at, score)).collect()
        };
        match self.protocol {
            Protocol::Codescaler => json!({"results": list(&|_, score| {
                json!({"status": "ok", "raw": score, "diagnostics": {"tokens": 7}})
            })}),
            Protocol::Vllm => json!({"data": list(&|at, score| {
                json!({"index": at, "probs": [score], "num_classes": 1})
            }), "usage": {"prompt_tokens": 7 * scores.len()}}),
            Protocol::VllmPooling => {
                json!({"data": list(&|at, score| json!({"index": at, "data": [score]}))})
            }
            Protocol::Sglang => {
                list(&|_, score| json!({"embedding": [score], "meta_info": {"prompt_tokens": 7}}))
            }
            Protocol::Embeddings => {
                json!({"data": list(&|at, score| json!({"index": at, "embedding": [score]}))})
            }
            Protocol::Tei => list(&|_, score| json!([{"score": score, "label": "LABEL_0"}])),
        }
    }
}

fn options(remotes: &[&Remote]) -> ScorersOptions {
    ScorersOptions {
        urls: remotes.iter().map(|remote| remote.url.clone()).collect(),
        protocol: Some(remotes[0].state.protocol),
        render: Some(Box::new(|turns| Ok(turns.iter().map(|t| t.content.as_str()).collect()))),
        health_every: Duration::from_millis(50),
        attempt_max: Duration::from_secs(5),
        ..ScorersOptions::default()
    }
}

fn connect(remotes: &[&Remote]) -> Scorers {
    Scorers::connect(options(remotes)).unwrap()
}

fn problem() -> Arc<Problem> {
    let text = "Add two numbers.".to_owned();
    Arc::new(Problem::asked("p".to_owned(), text, Language::Python))
}

fn readings(scorers: &Scorers, programs: &[&str]) -> Vec<Reading> {
    let problem = problem();
    programs.iter().map(|program| scorers.program(&problem, program).unwrap()).collect()
}

/// Judgements in their order; each comes once.
#[track_caller]
fn score(scorers: &Scorers, readings: &[Reading], within: Duration) -> Vec<Judgement> {
    let mut judged = BTreeMap::new();
    let end = scorers.score(readings, Instant::now() + within, &mut |heard| {
        if let Heard::Judged(place, judgement) = heard {
            assert!(judged.insert(place, judgement).is_none(), "item {place} comes twice");
        }
        ControlFlow::Continue(())
    });
    assert!(end.is_continue());
    assert_eq!(judged.len(), readings.len());
    judged.into_values().collect()
}

const SOON: Duration = Duration::from_secs(10);

/// What the servers give for a program, text and problem together.
fn expected(program: &str) -> f32 {
    ((problem().statement.len() + program.len()) as f64 * 0.01) as f32
}

#[track_caller]
fn expect_scored(judgements: &[Judgement], programs: &[&str]) {
    for (judgement, program) in judgements.iter().zip(programs) {
        match &judgement.outcome {
            Outcome::Scored(score) => assert_eq!(score.get(), expected(program), "{program}"),
            other @ (Outcome::Invalid(_) | Outcome::TooLong(_) | Outcome::Fault(_)) => {
                panic!("{program}: {other:?}")
            }
        }
    }
}

fn names(n: usize) -> Vec<String> {
    (0..n).map(|n| format!("print({n:0>width$})", width = n % 40 + 4)).collect()
}

/// Waits until all workers are in rotation, or out of it.
fn wait_for(scorers: &Scorers, in_rotation: usize) {
    let until = Instant::now() + SOON;
    while scorers.states().iter().filter(|state| state.fault.is_none()).count() != in_rotation {
        assert!(Instant::now() < until, "{:?}", scorers.states());
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn every_protocol_is_found_out_and_spoken() {
    for protocol in Protocol::ALL {
        let remote = Remote::answering(protocol);
        let is_found = !matches!(protocol, Protocol::VllmPooling | Protocol::Embeddings);
        let told = if is_found { None } else { Some(protocol) };
        let scorers =
            Scorers::connect(ScorersOptions { protocol: told, ..options(&[&remote]) }).unwrap();
        assert_eq!(scorers.protocol(), protocol);
        assert_eq!(scorers.name(), &protocol.name().replace("embeddings", "sglang")[..1]);
        let programs = ["print(1)", "x = 'é'", "a b c"];
        let judged = score(&scorers, &readings(&scorers, &programs), SOON);
        expect_scored(&judged, &programs);
        let tells_tokens =
            matches!(protocol, Protocol::Codescaler | Protocol::Vllm | Protocol::Sglang);
        assert_eq!(judged[0].tokens, if tells_tokens { 7 } else { 0 }, "{protocol:?}");
    }
}

#[test]
fn conversations_are_rendered_over_there_where_that_is_possible() {
    for protocol in Protocol::ALL {
        let remote = Remote::answering(protocol);
        let bare = ScorersOptions { render: None, ..options(&[&remote]) };
        match Scorers::connect(bare) {
            Ok(scorers) => {
                assert!(protocol.takes_turns());
                let programs = ["print(1)", "print(22)"];
                expect_scored(&score(&scorers, &readings(&scorers, &programs), SOON), &programs);
            }
            Err(ScorersError::NoTemplate(of)) => assert!(!of.takes_turns()),
            Err(error) => panic!("{protocol:?}: {error}"),
        }
    }
}

#[test]
fn what_is_no_reward_model_is_refused_at_the_start() {
    #[track_caller]
    fn check(act: fn(&State, usize) -> Act, told: Option<Protocol>, said: &str) {
        let remote = Remote::start(Protocol::Vllm, act);
        let options = ScorersOptions { protocol: told, ..options(&[&remote]) };
        let error = Scorers::connect(options).err().expect("it is refused").to_string();
        assert!(error.contains(said), "{error}");
    }
    let told = Some(Protocol::Vllm);
    check(|_, _| Act::Say(200, r#"{"data":[{"probs":[1.0]}]}"#), told, "the score 1 to a right");
    check(|_, _| Act::Say(200, r#"{"data":[{"probs":[0.2,0.8]}]}"#), told, "2 numbers");
    check(|_, _| Act::Say(200, r#"{"data":[{"probs":[NaN]}]}"#), told, "no JSON");
    check(|_, _| Act::Say(200, r#"{"data":[{"probs":[1e60]}]}"#), told, "1e+60 for a score");
    check(|_, _| Act::Say(200, "<html>"), told, "no JSON");
    check(|_, _| Act::Say(404, r#"{"detail":"Not Found"}"#), told, "404");
    check(|_, _| Act::Short, told, "0 items where 1");
    check(|_, _| Act::Answer, Some(Protocol::Tei), "/predict");
    let url = "http://user:hunter2@127.0.0.1:1".to_owned();
    let none = ScorersOptions { urls: vec![url], ..ScorersOptions::default() };
    let error = Scorers::connect(none).err().unwrap().to_string();
    assert!(error.contains("into the key") && !error.contains("hunter2"), "{error}");
    let nobody = vec!["http://127.0.0.1:1".to_owned()];
    let nobody = Scorers::connect(ScorersOptions { urls: nobody, ..ScorersOptions::default() });
    assert!(matches!(nobody.err().unwrap(), ScorersError::Nobody(_)));
    let (one, other) =
        (Remote::answering(Protocol::Vllm), Remote::start(Protocol::Vllm, |_, _| Act::Other));
    let differ = Scorers::connect(options(&[&one, &other])).err().unwrap();
    assert!(matches!(differ, ScorersError::Scores { .. }), "{differ}");
    let other = Remote::answering(Protocol::Tei);
    let both = ScorersOptions { protocol: None, ..options(&[&one, &other]) };
    assert!(matches!(Scorers::connect(both).err().unwrap(), ScorersError::Protocols { .. }));
}

#[test]
fn a_slow_one_gets_less_and_everything_is_judged_once() {
    /// Requests that the fast one answered: the slow one waits for most of them.
    static FAST: AtomicUsize = AtomicUsize::new(0);
    let fast = Remote::start(Protocol::Tei, |_, _| {
        FAST.fetch_add(1, SeqCst);
        Act::Answer
    });
    let slow = Remote::start(Protocol::Tei, |_, n| {
        while n >= 2 && FAST.load(SeqCst) < 30 {
            thread::sleep(Duration::from_millis(1));
        }
        Act::Answer
    });
    let scorers = Scorers::connect(ScorersOptions { in_flight_max: 2, ..options(&[&slow, &fast]) });
    let scorers = scorers.unwrap();
    let names = names(640);
    let programs: Vec<&str> = names.iter().map(String::as_str).collect();
    expect_scored(&score(&scorers, &readings(&scorers, &programs), SOON), &programs);
    // Two programs of each were for the probe.
    assert_eq!(fast.items() + slow.items(), 640 + 4, "nothing twice");
    assert!(slow.items() * 2 < fast.items(), "{} and {}", slow.items(), fast.items());
    // What is known is not asked for again, nor is the same content twice.
    let (again, before) = ([programs[0], "new", "new", programs[1]], fast.items() + slow.items());
    expect_scored(&score(&scorers, &readings(&scorers, &again), SOON), &again);
    assert_eq!(fast.items() + slow.items(), before + 1);
    assert_eq!(scorers.cached(), 2);
}

#[test]
fn one_that_dies_in_the_middle_leaves_and_comes_back() {
    let steady = Remote::start(Protocol::Vllm, |_, _| Act::Slow(2));
    let mortal = Remote::start(Protocol::Vllm, |state, n| {
        if n == 10 {
            state.is_dead.store(true, SeqCst);
            return Act::Hang;
        }
        Act::Slow(2)
    });
    let scorers = connect(&[&mortal, &steady]);
    let names = names(400);
    let programs: Vec<&str> = names.iter().map(String::as_str).collect();
    expect_scored(&score(&scorers, &readings(&scorers, &programs), SOON), &programs);
    let states = scorers.states();
    assert!(states[0].fault.is_some() && states[0].failed > 0, "{states:?}");
    assert!(states.iter().all(|state| state.outstanding_tokens == 0), "{states:?}");
    let items = mortal.items();
    mortal.state.is_dead.store(false, SeqCst);
    wait_for(&scorers, 2);
    let more = ["back", "again", "here"];
    expect_scored(&score(&scorers, &readings(&scorers, &more), SOON), &more);
    assert!(mortal.items() > items + 2, "its probe and more");
}

#[test]
fn nonsense_is_asked_of_another() {
    #[track_caller]
    fn check(act: fn(&State, usize) -> Act) {
        let good = Remote::answering(Protocol::Tei);
        let bad = Remote::start(Protocol::Tei, act);
        let scorers = connect(&[&bad, &good]);
        let names = names(100);
        let programs: Vec<&str> = names.iter().map(String::as_str).collect();
        expect_scored(&score(&scorers, &readings(&scorers, &programs), SOON), &programs);
        assert_eq!(good.items(), 100 + 2, "nothing is taken from nonsense");
    }
    check(|_, n| if n < 2 { Act::Answer } else { Act::Short });
    check(|_, n| if n < 2 { Act::Answer } else { Act::Say(200, "[[{\"score\": NaN}]]") });
    check(|_, n| if n < 2 { Act::Answer } else { Act::Say(200, "{\"score\": 1}") });
    check(|_, n| if n < 2 { Act::Answer } else { Act::Say(500, "out of memory") });
    check(|_, n| if n < 2 { Act::Answer } else { Act::Hang });
}

#[test]
fn all_dead_is_a_fault_and_never_a_number() {
    let remotes = [Remote::answering(Protocol::Vllm), Remote::answering(Protocol::Vllm)];
    let scorers = connect(&[&remotes[0], &remotes[1]]);
    remotes.iter().for_each(|remote| remote.state.is_dead.store(true, SeqCst));
    let programs = ["a", "b", "c"];
    let asked = readings(&scorers, &programs);
    for judgement in score(&scorers, &asked, SOON) {
        assert!(matches!(judgement.outcome, Outcome::Fault(_)), "{judgement:?}");
    }
    wait_for(&scorers, 0);
    remotes.iter().for_each(|remote| remote.state.is_dead.store(false, SeqCst));
    wait_for(&scorers, 2);
    // A fault is not remembered.
    expect_scored(&score(&scorers, &asked, SOON), &programs);
}

#[test]
fn a_late_answer_is_a_fault_at_the_deadline_and_a_break_ends_the_work() {
    let slow = Remote::start(Protocol::Tei, |_, n| Act::Slow(if n < 2 { 0 } else { 3_000 }));
    let scorers = connect(&[&slow]);
    let asked = readings(&scorers, &["a", "b"]);
    let since = Instant::now();
    for judgement in score(&scorers, &asked, Duration::from_millis(200)) {
        assert_eq!(judgement.outcome, Outcome::Fault("timeout".to_owned()));
    }
    assert!(since.elapsed() < Duration::from_secs(2));
    let end = scorers.score(&asked, since + SOON, &mut |_| ControlFlow::Break(()));
    assert!(end.is_break() && since.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_busy_one_is_asked_again_and_a_long_one_takes_nobody_with_it() {
    let busy = Remote::start(Protocol::Tei, |_, n| match n {
        2..5 => Act::Say(429, "{\"error\":\"Model is overloaded\",\"error_type\":\"Overloaded\"}"),
        _ => Act::Answer,
    });
    let scorers = connect(&[&busy]);
    let programs = ["a", "bb", "ccc"];
    expect_scored(&score(&scorers, &readings(&scorers, &programs), SOON), &programs);
    assert_eq!(scorers.states()[0].failed, 0);
    let judged = score(&scorers, &readings(&scorers, &["aa", "endless", "bbb"]), SOON);
    assert!(matches!(&judged[1].outcome, Outcome::TooLong(why) if why.contains("4096")));
    expect_scored(&[judged[0].clone(), judged[2].clone()], &["aa", "bbb"]);
    assert_eq!(scorers.states()[0].fault, None);
}
