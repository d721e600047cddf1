//! A server that answers by a script.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
};

use serde_json::{Map, Value};

/// From a request's body to a status and a body.
pub(crate) type Player = Arc<dyn Fn(&Value) -> (u16, String) + Send + Sync>;

/// What a server does with one request.
#[derive(Clone)]
pub(crate) enum Step {
    /// Answers with a status, headers and a body.
    Answer(u16, &'static str, String),
    /// Waits with the others at this barrier, then answers.
    Meet(Arc<Barrier>, String),
    /// Answers with the status and body that the request's own body leads to.
    Play(Player),
    /// Tells that the request is there, says nothing more, and tells when the client hangs up.
    Silence(mpsc::Sender<&'static str>),
}

/// A server that runs as long as the tests do.
pub(crate) struct Server {
    pub(crate) base_url: String,
    /// The bodies of all requests, in the order in which they came.
    pub(crate) seen: Arc<Mutex<Vec<Value>>>,
    pub(crate) at_once_max: Arc<AtomicUsize>,
}

/// Starts a server. Its last step answers all requests behind it.
pub(crate) fn serve(script: Vec<Step>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server {
        base_url: format!("http://{}/v1", listener.local_addr().unwrap()),
        seen: Arc::default(),
        at_once_max: Arc::default(),
    };
    let (seen, at_once_max) = (Arc::clone(&server.seen), Arc::clone(&server.at_once_max));
    let at_once = Arc::new(AtomicUsize::new(0));
    thread::spawn(move || {
        for (idx, stream) in listener.incoming().enumerate() {
            let step = script[idx.min(script.len() - 1)].clone();
            let (seen, at_once) = (Arc::clone(&seen), Arc::clone(&at_once));
            let at_once_max = Arc::clone(&at_once_max);
            thread::spawn(move || {
                let mut stream = stream.unwrap();
                // A client in a hurry may have hung up already.
                let Some(request) = read_request(&stream) else {
                    return;
                };
                seen.lock().unwrap().push(request.clone());
                at_once_max.fetch_max(at_once.fetch_add(1, SeqCst) + 1, SeqCst);
                // The client may go on as soon as it is answered, so leaving comes first.
                answer(&mut stream, step, &request, || at_once.fetch_sub(1, SeqCst));
            });
        }
    });
    server
}

/// Reads one request: its key and its body, whose length a header tells.
fn read_request(stream: &TcpStream) -> Option<Value> {
    let mut reader = BufReader::new(stream);
    let (mut length, mut key) = (0, Value::Null);
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().unwrap();
            }
            Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                key = value.into();
            }
            Some(_) => {}
            None if line.starts_with("POST") => {
                assert_eq!(line, "POST /v1/chat/completions HTTP/1.1\r\n");
            }
            None => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let mut body: Map<String, Value> = serde_json::from_slice(&body).unwrap();
    if !key.is_null() {
        body.insert("(key)".to_owned(), key);
    }
    Some(body.into())
}

fn answer(stream: &mut TcpStream, step: Step, request: &Value, leave: impl Fn() -> usize) {
    let (code, headers, body) = match step {
        Step::Answer(code, headers, body) => (code, headers, body),
        Step::Meet(barrier, body) => {
            barrier.wait();
            (200, "", body)
        }
        Step::Play(play) => {
            let (code, body) = play(request);
            (code, "", body)
        }
        Step::Silence(told) => {
            // Nobody listens any more when the test does not ask for this.
            let _ = told.send("arrived");
            // The client hangs up: the end of the stream, or a reset.
            let _ = stream.read(&mut [0]);
            let _ = told.send("closed");
            return;
        }
    };
    leave();
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {code} X\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n"
    );
    // A client that hung up does not read this.
    let _ = stream.write_all(&[head.as_bytes(), body.as_bytes()].concat());
}
