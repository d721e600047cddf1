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
    /// Answers those who want names, whenever they ask; first in its script. Elsewhere there are
    /// none.
    Names(u16, String),
    /// Waits with the others at this barrier, then answers.
    Meet(Arc<Barrier>, String),
    /// Answers with the status and body that the request's own body leads to.
    Play(Player),
    /// Sends these parts of a stream, one after the other; then, where somebody wants to know,
    /// waits until the client hangs up, and else does so itself.
    Stream(Vec<String>, Option<mpsc::Sender<&'static str>>),
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
    let (script, next) = (Arc::new(script), Arc::new(AtomicUsize::new(0)));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (seen, at_once) = (Arc::clone(&seen), Arc::clone(&at_once));
            let at_once_max = Arc::clone(&at_once_max);
            let (script, next) = (Arc::clone(&script), Arc::clone(&next));
            thread::spawn(move || {
                let mut stream = stream.unwrap();
                // A client in a hurry may have hung up already.
                let Some(request) = read_request(&stream) else {
                    return;
                };
                let Some(request) = request else {
                    let nothing = Step::Names(404, String::new());
                    let step = script.iter().find(|step| matches!(step, Step::Names(..)));
                    let step = step.cloned().unwrap_or(nothing);
                    answer(&mut stream, step, &Value::Null, || 0);
                    return;
                };
                let steps = match &script[..] {
                    [Step::Names(..), others @ ..] if !others.is_empty() => others,
                    all => all,
                };
                let step = steps[next.fetch_add(1, SeqCst).min(steps.len() - 1)].clone();
                seen.lock().unwrap().push(request.clone());
                at_once_max.fetch_max(at_once.fetch_add(1, SeqCst) + 1, SeqCst);
                // The client may go on as soon as it is answered, so leaving comes first.
                answer(&mut stream, step, &request, || at_once.fetch_sub(1, SeqCst));
            });
        }
    });
    server
}

/// Reads one request: its key and its body, whose length a header tells; nothing of one for names.
#[expect(clippy::option_option, reason = "a client may hang up, too")]
fn read_request(stream: &TcpStream) -> Option<Option<Value>> {
    let mut reader = BufReader::new(stream);
    let (mut length, mut key, mut names, mut is_plain) = (0, Value::Null, false, false);
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
                is_plain = line == "POST /v1/completions HTTP/1.1\r\n";
                assert!(is_plain || line == "POST /v1/chat/completions HTTP/1.1\r\n", "{line}");
            }
            None if line.starts_with("GET") => {
                assert_eq!(line, "GET /v1/models HTTP/1.1\r\n");
                names = true;
            }
            None => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    if names {
        return Some(None);
    }
    let mut body: Map<String, Value> = serde_json::from_slice(&body).unwrap();
    assert_eq!((body.contains_key("prompt"), body.contains_key("messages")), (is_plain, !is_plain));
    if !key.is_null() {
        body.insert("(key)".to_owned(), key);
    }
    Some(Some(body.into()))
}

fn answer(stream: &mut TcpStream, step: Step, request: &Value, leave: impl Fn() -> usize) {
    let (code, headers, body) = match step {
        Step::Answer(code, headers, body) => (code, headers, body),
        Step::Names(code, body) => (code, "", body),
        Step::Meet(barrier, body) => {
            barrier.wait();
            (200, "", body)
        }
        Step::Play(play) => {
            let (code, body) = play(request);
            (code, "", body)
        }
        Step::Stream(parts, told) => {
            let head = "HTTP/1.1 200 X\r\ncontent-type: text/event-stream; charset=utf-8\r\n\
                        connection: close\r\n\r\n";
            for part in std::iter::once(head).chain(parts.iter().map(String::as_str)) {
                // A client that has heard enough hangs up.
                let _ = stream.write_all(part.as_bytes());
            }
            if let Some(told) = told {
                let _ = stream.read(&mut [0]);
                let _ = told.send("closed");
            }
            leave();
            return;
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
