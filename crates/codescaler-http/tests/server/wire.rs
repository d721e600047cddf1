//! Every route with good and bad requests: golden answers in `wire.txt`, and what does not fit there.

use std::{fmt::Write as _, sync::OnceLock};

use expect_test::expect_file;
use serde_json::Value;

use crate::world::World;

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(World::new)
}

/// Status and body of an answer, without what differs from run to run.
fn shown(path: &str, body: &str) -> String {
    let answer = world().post(path, body);
    let mut text = answer.body.clone();
    if let Ok(mut value) = serde_json::from_str::<Value>(&answer.body) {
        if let Some(object) = value.as_object_mut() {
            object.shift_remove("id");
        }
        text = value.to_string();
    }
    format!("{} {}", answer.status, text.trim_end())
}

/// `wire.txt` holds requests of three lines: the route, the body, and after `=>` the answer.
/// `UPDATE_EXPECT=1` writes the answers.
#[test]
fn golden_answers() {
    let written = include_str!("wire.txt");
    let mut found = String::new();
    let mut lines = written.lines().filter(|line| !line.starts_with("=> "));
    while let Some(line) = lines.next() {
        found.push_str(line);
        found.push('\n');
        if let Some(path) = line.strip_prefix("POST ") {
            let body = lines.next().expect("a body follows the route");
            writeln!(found, "{body}\n=> {}", shown(path, body)).expect("strings take all");
        }
    }
    expect_file!["./wire.txt"].assert_eq(&found);
}

#[test]
fn the_proxy_streams_the_winner() {
    let body = r#"{"model":"codescaler/bon","messages":[{"role":"user","content":"Add."}],
        "stream":true,"stream_options":{"include_usage":true}}"#;
    let answer = world().post("/v1/chat/completions", body);
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("text/event-stream"), "{}", answer.head);
    let (comments, events): (Vec<&str>, Vec<&str>) =
        answer.body.split_terminator("\n\n").partition(|event| event.starts_with(':'));
    assert_eq!(comments[..3], [": progress 0/3", ": progress 1/3", ": progress 2/3"]);
    assert_eq!(events.last(), Some(&"data: [DONE]"));
    let chunks: Vec<Value> = events[..events.len() - 1]
        .iter()
        .map(|event| serde_json::from_str(&event["data: ".len()..]).expect("events are JSON"))
        .collect();
    let text: String = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(text, "bon None Add.");
    assert_eq!(chunks.last().expect("a last chunk")["usage"]["total_tokens"], 50);
}

#[test]
fn what_stands_still() {
    let get = |path: &str| world().get(path);
    assert_eq!(get("/health").json()["status"], "ok");
    assert_eq!(get("/ready").json()["status"], "ready");
    assert_eq!(get("/info").json()["model_id"], "length");
    let names = get("/v1/models").json()["data"].as_array().expect("a list").len();
    assert_eq!(names, 3);
    world().post("/v1/reward", r#"{"items":[{"problem":"p","response":"1"}]}"#);
    let metrics = get("/metrics").body;
    assert!(metrics.contains("codescaler_items_total{outcome=\"ok\"}"), "{metrics}");
    assert!(metrics.contains("codescaler_requests_total{route=\"/v1/reward\",status=\"200\"}"));
    assert!(metrics.ends_with("# EOF\n"));
    assert_eq!(get("/nowhere").status, 404);
    assert_eq!(get("/v1/reward").status, 405);
}

/// Whoever adds a route describes it.
#[test]
fn the_description_names_every_route() {
    let document = world().get("/openapi.json").json();
    let described: Vec<&String> = document["paths"].as_object().expect("paths").keys().collect();
    for path in &described {
        assert_ne!(world().post(path, "{}").status, 404, "{path}");
    }
    let routes = include_str!("../../src/server/routes.rs").lines();
    let routes = routes.filter_map(|line| line.trim().strip_prefix(".route(\"")?.split('"').next());
    // Other names of a described route, and what is for operators.
    let others = [
        "/v1/score",
        "/v1/rerank",
        "/v2/rerank",
        "/v1/models",
        "/info",
        "/metrics",
        "/openapi.json",
        "/health",
        "/ready",
    ];
    // Pages are for people.
    let of_programs = |route: &&str| !others.contains(route) && !route.starts_with("/ui");
    for route in routes.filter(of_programs) {
        assert!(described.iter().any(|path| *path == route), "{route} is not described");
    }
}
