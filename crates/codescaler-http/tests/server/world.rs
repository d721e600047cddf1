//! A running server, and a client that says exactly what it is told to say.

use std::{
    io::{Read, Write as _},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use codescaler_http::{Server, ServerBounds, ServerOptions};
use serde_json::Value;

use crate::scripted::Scripted;

/// A server that stops with its last owner.
pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) backend: Arc<Scripted>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// A port of this machine, open to all, at a time that never changes.
pub(crate) fn options() -> ServerOptions {
    ServerOptions {
        bind: SocketAddr::from(([127, 0, 0, 1], 0)),
        token: None,
        tls: None,
        traces: None,
        bounds: ServerBounds::default(),
        clock: || 1_780_000_000,
    }
}

impl World {
    pub(crate) fn new() -> World {
        World::of(Scripted::default(), ServerBounds::default(), None)
    }

    pub(crate) fn of(backend: Scripted, bounds: ServerBounds, token: Option<&str>) -> World {
        let token = token.map(|token| codescaler_http::ApiKey::new(token.to_owned()));
        World::start(backend, ServerOptions { token, bounds, ..options() })
    }

    pub(crate) fn start(backend: Scripted, options: ServerOptions) -> World {
        let backend = Arc::new(backend);
        let server = Server::bind(options, Arc::clone(&backend) as _).expect("a port is free");
        let address = server.address();
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            server.run(&|| flag.load(Ordering::Relaxed)).expect("there are threads");
        });
        World { address, backend, stop, thread: Some(thread) }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("it can time out");
        stream
    }

    /// Sends these bytes, and reads until the server closes.
    pub(crate) fn say(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.connect();
        // The server may have heard enough before the end.
        let _ = stream.write_all(bytes);
        read(&mut stream)
    }

    pub(crate) fn request(&self, method: &str, path: &str, extra: &str, body: &str) -> Answer {
        let length = body.len();
        let text = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\
             {extra}\r\n{body}"
        );
        self.say(text.as_bytes())
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> Answer {
        self.request("POST", path, "Content-Type: application/json\r\n", body)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.request("GET", path, "", "")
    }

    pub(crate) fn begin_stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Lets it stop, and waits for it.
    pub(crate) fn stop(&mut self) {
        self.begin_stop();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server does not panic");
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.begin_stop();
        if let Some(thread) = self.thread.take() {
            // A failing test has its own message.
            let _ = thread.join();
        }
    }
}

/// Reads an answer until the connection is closed.
pub(crate) fn read(stream: &mut impl Read) -> Answer {
    let mut bytes = Vec::new();
    // A reset after the answer is the server's right when it did not want the rest.
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8(bytes).expect("answers are UTF-8");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.get(9..12).and_then(|code| code.parse().ok()).unwrap_or(0);
    let body = match head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        true => unchunked(body),
        false => body.to_owned(),
    };
    Answer { status, head: head.to_owned(), body }
}

fn unchunked(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap_or(0);
        if size == 0 || rest.len() < size {
            break;
        }
        whole.push_str(&rest[..size]);
        body = rest[size..].strip_prefix("\r\n").unwrap_or("");
    }
    whole
}
