//! The server: rewards, executions and best-of-N in the shapes that trainers and platforms call.
//!
//! [`Server::bind`] takes an address and a [`Backend`], who does the work; [`Server::run`] blocks
//! until it is told to stop, and then lets what is under way finish. Read in this order: `backend`
//! (what is behind the routes), `queue` and `desk` (how items become batches), `routes`, and then the
//! files of `wire`, one for each family of shapes.

mod backend;
mod body;
mod desk;
mod failure;
mod metrics;
mod openapi;
mod pages;
mod queue;
mod rendered;
mod routes;
mod run;
mod tls;
mod traces;
mod wire;

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;

pub use self::{
    backend::{
        About, Ask, Backend, ChatAnswer, ChatAsk, ChatBudget, ChatFailure, Code, Judged, Judgement,
        Judging, Outcome, Page, Ran, RunCode,
    },
    run::{Server, ServerError},
};
use self::{desk::Desk, metrics::Metrics, traces::Traces};
use crate::endpoint::ApiKey;

/// Where the server listens, whom it lets in, and its bounds.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// The address; port 0 lets the system choose.
    pub bind: SocketAddr,
    /// What clients must give as `Authorization: Bearer …`; nobody needs anything where it is `None`.
    pub token: Option<ApiKey>,
    /// Certificate chain and private key, in PEM.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// The OpenTelemetry collector that gets a span for each request (OTLP over HTTP), such as
    /// `http://127.0.0.1:4318`.
    pub traces: Option<String>,
    /// Its bounds.
    pub bounds: ServerBounds,
    /// Seconds since 1970: several shapes say when an answer was made.
    pub clock: fn() -> u64,
}

/// The bounds of a server.
#[derive(Clone, Copy, Debug)]
pub struct ServerBounds {
    /// Open connections; more wait to be accepted.
    pub connections_max: usize,
    /// Bytes of one body.
    pub body_bytes_max: usize,
    /// Bytes of all bodies together.
    pub bodies_bytes_max: usize,
    /// Items of one request.
    pub items_max: usize,
    /// Items that wait to be scored.
    pub queue_items_max: usize,
    /// Bytes of text that wait to be scored.
    pub queue_bytes_max: usize,
    /// Time from the whole request to its answer, unless it asks for less. It is below the time that
    /// clients wait: a late answer is of no use to them, and they would ask again.
    pub answer_timeout: Duration,
    /// Time for the head of a request.
    pub head_timeout: Duration,
    /// Time for the body of a request.
    pub body_timeout: Duration,
    /// Time for what is under way when the server is to stop.
    pub drain_timeout: Duration,
}

impl Default for ServerBounds {
    fn default() -> ServerBounds {
        ServerBounds {
            connections_max: 4096,
            body_bytes_max: 16 << 20,
            bodies_bytes_max: 512 << 20,
            items_max: 4096,
            queue_items_max: 16_384,
            queue_bytes_max: 256 << 20,
            // OpenRLHF waits for 180 s, slime for 120 s; verl for ever.
            answer_timeout: Duration::from_secs(100),
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(30),
        }
    }
}

/// What handlers share.
pub(crate) type Shared = Arc<App>;

pub(crate) struct App {
    backend: Arc<dyn Backend>,
    desk: Desk,
    metrics: Arc<Metrics>,
    bounds: ServerBounds,
    token: Option<ApiKey>,
    traces: Option<Traces>,
    clock: fn() -> u64,
    /// Memory for bodies, in pieces.
    bodies: Arc<Semaphore>,
    /// Who may run programs now.
    slots: Arc<Semaphore>,
    /// Who may have a page made now.
    pages: Semaphore,
    /// Who may search now.
    chats: Arc<Semaphore>,
    is_draining: AtomicBool,
    requests: AtomicU64,
}

impl App {
    /// When an answer that is asked for now is late.
    fn deadline(&self, asked_ms: Option<u64>) -> Instant {
        let longest = self.bounds.answer_timeout;
        Instant::now() + asked_ms.map_or(longest, |ms| longest.min(Duration::from_millis(ms)))
    }

    /// Seconds since 1970.
    fn now(&self) -> u64 {
        (self.clock)()
    }

    /// A name for an answer, unlike any other of this process.
    fn name(&self, kind: &str) -> String {
        let n = self.requests.fetch_add(1, Ordering::Relaxed);
        format!("{kind}-{:08x}{n:08x}", std::process::id())
    }
}
