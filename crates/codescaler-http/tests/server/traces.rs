//! Spans, sent to a collector that keeps what it gets.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
};

use codescaler_http::{Server, ServerError, ServerOptions};

use crate::{
    scripted::Scripted,
    world::{World, options},
};

/// Heads and bodies of requests.
type Requests = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// A collector: its address, and the requests that it got.
fn collector() -> (String, Requests) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let got = Requests::default();
    let kept = Arc::clone(&got);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(&stream);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
            let length = head
                .to_lowercase()
                .split("content-length: ")
                .nth(1)
                .map_or(0, |rest| rest.lines().next().unwrap().trim().parse().unwrap());
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            kept.lock().unwrap().push((head, body));
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    (url, got)
}

#[test]
fn every_request_is_a_span_of_its_trace() {
    let (url, got) = collector();
    let mut world =
        World::start(Scripted::default(), ServerOptions { traces: Some(url), ..options() });
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let parent = format!("traceparent: 00-{trace}-b7ad6b7169203331-01\r\n");
    assert_eq!(world.request("GET", "/ready", &parent, "").status, 200);
    let body = r#"{"items":[{"problem":"p","response":"print(1)"}]}"#;
    assert_eq!(world.post("/v1/reward", body).status, 200);
    assert_eq!(world.get("/a/secret/path").status, 404);
    // What was not sent yet is sent at the end.
    world.stop();
    let got = got.lock().unwrap();
    let heads: Vec<&str> = got.iter().map(|(head, _)| head.lines().next().unwrap()).collect();
    assert!(heads.iter().all(|head| *head == "POST /v1/traces HTTP/1.1"), "{heads:?}");
    let sent: Vec<u8> = got.iter().flat_map(|(_, body)| body.clone()).collect();
    let holds = |bytes: &[u8]| sent.windows(bytes.len()).any(|window| window == bytes);
    for text in ["codescaler", "GET /ready", "POST /v1/reward", "http.response.status_code"] {
        assert!(holds(text.as_bytes()), "{text}");
    }
    let id: Vec<u8> = (0..trace.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&trace[at..at + 2], 16).unwrap())
        .collect();
    assert!(holds(&id), "the trace goes on");
    assert!(!holds(b"secret"), "paths that lead nowhere are one name");
}

#[test]
fn nobody_waits_for_a_collector() {
    // Whoever bound this port is gone.
    let url = format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let mut world =
        World::start(Scripted::default(), ServerOptions { traces: Some(url), ..options() });
    assert_eq!(world.get("/ready").status, 200);
    world.stop();
    let none = ServerOptions { traces: Some("collector:4318".to_owned()), ..options() };
    let error = Server::bind(none, Arc::new(Scripted::default())).err().unwrap();
    assert!(matches!(error, ServerError::Traces { .. }), "{error}");
    assert!(error.to_string().contains("begin it with http"), "{error}");
}
