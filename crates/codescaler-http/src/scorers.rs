//! Reward models behind other servers, asked as one: vLLM, SGLang, text-embeddings-inference, or
//! another codescaler.
//!
//! [`Scorers::connect`] finds out what stands behind some URLs; [`Scorers::score`] blocks until
//! everything is judged, late, or let go of. Each request goes to the worker in rotation that has the
//! least outstanding tokens ([`rotation`]). Who fails leaves the rotation, and comes back when it is
//! healthy and gives the scores it gave before. What one worker did not answer is asked of another; an
//! item gets one judgement, and a fault never becomes a number.

mod cache;
mod fleet;
mod protocol;
mod rotation;
mod worker;

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use codescaler::problem::Problem;
use thiserror::Error;
use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
    task::AbortHandle,
    time,
};

pub use self::protocol::{Protocol, Reading};
use self::{
    cache::Cache,
    fleet::{Asked, Fleet, lock},
    protocol::Form,
    rotation::Rotation,
    worker::{Found, Site},
};
use crate::{
    chat::ChatMessage,
    endpoint::{ApiKey, ClientError},
    server::{Judgement, Outcome},
};

/// One request has at most so many items,
const ITEMS_MAX: usize = 16;

/// and about so many tokens, unless a single one has more.
const TOKENS_MAX: u64 = 16_384;

/// How often whoever waits is told that there is nothing new.
const LOOK: Duration = Duration::from_millis(100);

/// Renders a conversation by a chat template.
pub type Render = Box<dyn Fn(&[ChatMessage]) -> Result<String, String> + Send + Sync>;

/// Which remote scorers, and their bounds.
pub struct ScorersOptions {
    /// Where they are, such as `http://127.0.0.1:8000`.
    pub urls: Vec<String>,
    /// How they are spoken to; found out where it is not said.
    pub protocol: Option<Protocol>,
    /// A key that all of them take.
    pub key: Option<ApiKey>,
    /// Renders conversations here. Without it, they are rendered over there.
    pub render: Option<Render>,
    /// Requests under way at one worker.
    pub in_flight_max: usize,
    /// Time for one attempt; who takes longer leaves the rotation.
    pub attempt_max: Duration,
    /// How many workers are asked about an item before it is a fault.
    pub attempts_max: usize,
    /// How often each worker's health is looked at.
    pub health_every: Duration,
    /// How many scores are kept, by the content of what was read; 0 for none.
    pub cache_max: usize,
}

impl Default for ScorersOptions {
    fn default() -> ScorersOptions {
        ScorersOptions {
            urls: Vec::new(),
            protocol: None,
            key: None,
            render: None,
            in_flight_max: 8,
            attempt_max: Duration::from_secs(30),
            attempts_max: 3,
            health_every: Duration::from_secs(5),
            cache_max: 65_536,
        }
    }
}

/// Why there are no remote scorers.
#[derive(Debug, Error)]
pub enum ScorersError {
    /// A URL or key that cannot be used, or no thread.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// None of them can be used now.
    #[error("no remote scorer can be used: {0}")]
    Nobody(String),
    /// They are of different kinds.
    #[error("{url} speaks {}, {other_url} {}: give servers of one kind", protocol.name(), other.name())]
    Protocols {
        /// One of them.
        url: String,
        /// What it speaks.
        protocol: Protocol,
        /// Another.
        other_url: String,
        /// What that one speaks.
        other: Protocol,
    },
    /// They give different scores.
    #[error(
        "{url} gives a small program the score {score}, {other_url} gives it {other}: they serve \
         different reward models, or one of them no raw scores"
    )]
    Scores {
        /// One of them.
        url: String,
        /// Its score.
        score: f32,
        /// Another.
        other_url: String,
        /// Its score.
        other: f32,
    },
    /// It gives the same score to whatever it reads.
    #[error(
        "{url} gives the score {score} to a right program and to a useless one: it serves no reward \
         model, or no raw scores"
    )]
    Constant {
        /// Which.
        url: String,
        /// The score.
        score: f32,
    },
    /// Texts must be rendered here.
    #[error("{} takes rendered texts: a chat template is wanted to render them with", .0.name())]
    NoTemplate(Protocol),
}

/// What is heard while remote scorers work.
pub enum Heard {
    /// The judgement of the item at this place.
    Judged(usize, Judgement),
    /// Nothing new.
    Nothing,
}

/// What is known of one remote scorer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScorerState {
    /// Where it is.
    pub url: String,
    /// Why it is out of rotation; `None` when it is in.
    pub fault: Option<String>,
    /// Estimated tokens that it has to read.
    pub outstanding_tokens: u64,
    /// Estimated tokens that it was sent so far.
    pub sent_tokens: u64,
    /// Requests that it answered.
    pub answered: u64,
    /// Requests that it failed.
    pub failed: u64,
}

/// Remote scorers. Can be shared between threads.
pub struct Scorers {
    fleet: Arc<Fleet>,
    about: Found,
    handle: Handle,
    /// The thread ends when this is dropped.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Scorers {
    /// Finds out what the URLs are, and that they give the same scores. Who cannot be reached now stays
    /// out of rotation until it can be.
    ///
    /// # Errors
    /// When nobody can be used, or they are not of one kind.
    pub fn connect(options: ScorersOptions) -> Result<Scorers, ScorersError> {
        let site = |url: &String| Site::new(url, options.key.clone(), options.attempt_max);
        let sites = options.urls.iter().map(site).collect::<Result<Vec<_>, _>>()?;
        let fleet = Arc::new(Fleet {
            rotation: Arc::new(Rotation::new(sites.len(), options.in_flight_max.max(1))),
            found: Mutex::new(vec![None; sites.len()]),
            sites,
            cache: Mutex::new(Cache::new(options.cache_max)),
            cached: AtomicU64::new(0),
            told: options.protocol,
            render: options.render,
            attempts_max: options.attempts_max.max(1),
            health_every: options.health_every,
        });
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(ClientError::Thread)?;
        let (about, scores) = runtime.block_on(fleet.meet())?;
        let handle = runtime.handle().clone();
        for at in 0..fleet.sites.len() {
            handle.spawn(Arc::clone(&fleet).watch(at, about.protocol, scores));
        }
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::Builder::new()
            .name("scorers".to_owned())
            .spawn(move || {
                // An error is what the dropped sender sends.
                let _ = runtime.block_on(stopped);
                runtime.shutdown_background();
            })
            .map_err(ClientError::Thread)?;
        Ok(Scorers { fleet, about, handle, stop: Some(stop), thread: Some(thread) })
    }

    /// How they are spoken to.
    pub fn protocol(&self) -> Protocol {
        self.about.protocol
    }

    /// What the first of them calls its reward model.
    pub fn name(&self) -> &str {
        &self.about.name
    }

    /// The fingerprint of its weights, where it tells one.
    pub fn fingerprint(&self) -> Option<&str> {
        self.about.fingerprint.as_deref()
    }

    /// How each of them is.
    pub fn states(&self) -> Vec<ScorerState> {
        let workers = self.fleet.rotation.lock().clone();
        let state = |(site, worker): (&Site, rotation::Worker)| ScorerState {
            url: site.name(),
            fault: worker.fault,
            outstanding_tokens: worker.outstanding_tokens,
            sent_tokens: worker.sent_tokens,
            answered: worker.answered,
            failed: worker.failed,
        };
        self.fleet.sites.iter().zip(workers).map(state).collect()
    }

    /// How many scores were known already.
    pub fn cached(&self) -> u64 {
        self.fleet.cached.load(Ordering::Relaxed)
    }

    /// What they are to read for a program.
    ///
    /// # Errors
    /// When the chat template refuses it.
    pub fn program(&self, problem: &Arc<Problem>, program: &str) -> Result<Reading, String> {
        self.fleet.program(self.about.protocol, problem, program)
    }

    /// What they are to read for a conversation.
    ///
    /// # Errors
    /// When the chat template refuses it, or there is none and they cannot render it.
    pub fn conversation(&self, turns: Vec<ChatMessage>) -> Result<Reading, String> {
        self.fleet.conversation(self.about.protocol, turns)
    }

    /// Judges readings: `hear` gets each one's place and judgement once, as soon as it is known. What is
    /// not known at `until` is a fault. A break ends the work: connections are closed.
    pub fn score(
        &self,
        readings: &[Reading],
        until: Instant,
        hear: &mut dyn FnMut(Heard) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        // The same content is asked for once.
        let mut open: BTreeMap<[u8; 32], Vec<usize>> = BTreeMap::new();
        let mut unknown = Vec::new();
        for (place, reading) in readings.iter().enumerate() {
            let key = reading.key();
            if let Some(places) = open.get_mut(&key) {
                places.push(place);
            } else if let Some(known) = lock(&self.fleet.cache).get(&key) {
                self.fleet.cached.fetch_add(1, Ordering::Relaxed);
                hear(Heard::Judged(place, known))?;
            } else {
                open.insert(key, vec![place]);
                unknown.push((key, reading));
            }
        }
        let (answers, answered) = mpsc::channel();
        let mut tasks = Tasks::default();
        for (form, requests) in self.requests(unknown) {
            let answer = Arc::clone(&self.fleet).answer(form, requests, answers.clone());
            let in_time = async move { time::timeout_at(until.into(), answer).await };
            tasks.0.push(self.handle.spawn(in_time).abort_handle());
        }
        drop(answers);
        loop {
            match answered.recv_timeout(LOOK) {
                Ok((key, judgement)) => {
                    if matches!(judgement.outcome, Outcome::Scored(_)) {
                        lock(&self.fleet.cache).put(key, judgement.clone());
                    }
                    for place in open.remove(&key).into_iter().flatten() {
                        hear(Heard::Judged(place, judgement.clone()))?;
                    }
                }
                Err(RecvTimeoutError::Timeout) => hear(Heard::Nothing)?,
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let late = Judgement::of(Outcome::Fault("timeout".to_owned()));
        open.into_values().flatten().try_for_each(|place| hear(Heard::Judged(place, late.clone())))
    }

    /// Readings in requests, of one form each. What cannot be sent at all is a form of its own, which
    /// nobody takes.
    fn requests(&self, unknown: Vec<([u8; 32], &Reading)>) -> Vec<(Option<Form>, Vec<Asked>)> {
        let mut requests: Vec<(Option<Form>, Vec<Asked>, u64)> = Vec::new();
        for (key, reading) in unknown {
            let (form, tokens) = (self.about.protocol.form(reading), reading.tokens());
            let asked = Asked { key, reading: reading.clone() };
            match requests.last_mut() {
                Some((same, items, sum))
                    if *same == form
                        && form != Some(Form::Turns)
                        && items.len() < ITEMS_MAX
                        && *sum + tokens <= TOKENS_MAX =>
                {
                    items.push(asked);
                    *sum += tokens;
                }
                _ => requests.push((form, vec![asked], tokens)),
            }
        }
        requests.into_iter().map(|(form, items, _)| (form, items)).collect()
    }
}

impl Drop for Scorers {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

/// Requests under way; let go of when this is dropped.
#[derive(Default)]
struct Tasks(Vec<AbortHandle>);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}
