//! One endpoint with its queue: from a request to a reply.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use codescaler::reasoning::Trim;
use reqwest::{
    Url,
    header::{CONTENT_TYPE, HeaderMap},
};
use tokio::{sync::Semaphore, task::JoinSet, time};

use crate::{
    answer::{self, Answer, ErrorText, Unfit},
    body::{Ask, Body},
    capabilities::{self, Capabilities, Parameter, Seen},
    chat::{ChatError, ChatFault, ChatRequest, Choice, Reply, Usage},
    completions,
    connection::{self, ANSWER_BYTES_MAX, causes, read},
    endpoint::{ClientError, Endpoint},
    retry::{self, Again, Budget, Draw},
    stream::{Stream, stopped_late},
};

/// How long a list of names may take.
const NAMES_MS_MAX: u64 = 10_000;

/// An endpoint, what is known about it, and who may ask it next.
pub(crate) struct Lane {
    endpoint: Endpoint,
    url: Url,
    names_url: Url,
    http: reqwest::Client,
    /// First come, first served.
    slots: Semaphore,
    /// The next HTTP request begins no earlier.
    next_start: Mutex<Option<Instant>>,
    capabilities: Mutex<Capabilities>,
    budget: Arc<Budget>,
}

/// The choices of one call: one HTTP request and what had to be done to have it answered.
struct Called {
    choices: Vec<Choice>,
    usage: Usage,
    attempts: u32,
    since: Instant,
}

/// An attempt in vain.
struct Failure {
    fault: ChatFault,
    again: Again,
    /// The parameter that the server does not know.
    rejected: Option<Parameter>,
}

impl Failure {
    fn new(fault: ChatFault, again: Again) -> Self {
        Failure { fault, again, rejected: None }
    }
}

impl Lane {
    pub(crate) fn new(endpoint: Endpoint, budget: Arc<Budget>) -> Result<Self, ClientError> {
        let url = endpoint.url()?;
        let http = connection::client((&url, &endpoint.base_url), endpoint.api_key.as_ref())?;
        Ok(Lane {
            names_url: endpoint.names_url()?,
            url,
            http,
            slots: Semaphore::new(endpoint.in_flight_max.min(Semaphore::MAX_PERMITS)),
            next_start: Mutex::new(None),
            capabilities: Mutex::new(Capabilities::new(endpoint.tokens_parameter())),
            budget,
            endpoint,
        })
    }

    pub(crate) fn capabilities(&self) -> MutexGuard<'_, Capabilities> {
        self.capabilities.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The names of the language models that are served; `None` where the server does not say.
    pub(crate) async fn names(&self) -> Result<Option<Vec<String>>, ChatError> {
        let timeout_ms = self.endpoint.timeout_ms.min(NAMES_MS_MAX);
        let asked = async {
            let response = self.http.get(self.names_url.clone()).send().await?;
            Ok((response.status().as_u16(), read(response).await?))
        };
        let fail =
            |fault| ChatError { endpoint: self.endpoint.base_url.clone(), attempts: 1, fault };
        let (code, bytes) = time::timeout(Duration::from_millis(timeout_ms), asked)
            .await
            .map_err(|_| fail(ChatFault::Timeout { timeout_ms }))?
            .map_err(|error: reqwest::Error| {
                fail(ChatFault::Connect { what: self.shown(causes(&error.without_url())) })
            })?;
        let bytes = bytes.unwrap_or_default();
        if matches!(code, 401 | 403) {
            let message = self.shown(ErrorText::read(&bytes).message);
            return Err(fail(ChatFault::Status { code, message }));
        }
        Ok((code == 200).then(|| answer::names(&bytes)).flatten())
    }

    /// Answers a request: at once where `n` works, else one choice after the other.
    pub(crate) async fn answer(
        self: Arc<Self>,
        ticket: u64,
        request: ChatRequest,
    ) -> Result<Reply, ChatError> {
        if request.weigh.is_some() && self.capabilities().weighing(self.endpoint.route).is_empty() {
            let choices = vec![Choice::empty(); request.n];
            return Ok(Reply { choices, ..Reply::default() });
        }
        let request = Arc::new(request);
        let mut gathered = Gathered::new(request.n);
        let has_n = request.trim.is_none() && self.capabilities().has_n();
        if request.n == 1 || (request.n > 1 && has_n) {
            let called = self.call(ticket, &request, Ask { index: 0, n: request.n }).await;
            gathered.add(0, called);
        }
        if gathered.error.is_none() {
            let mut calls = JoinSet::new();
            for index in gathered.choices.len()..request.n {
                let (lane, request) = (Arc::clone(&self), Arc::clone(&request));
                calls.spawn(async move {
                    (index, lane.call(ticket, &request, Ask { index, n: 1 }).await)
                });
            }
            while let Some(joined) = calls.join_next().await {
                match joined {
                    Ok((index, called)) => gathered.add(index, called),
                    Err(error) => std::panic::resume_unwind(error.into_panic()),
                }
            }
        }
        gathered.into_reply()
    }

    /// Sends one HTTP request until it is answered, rejected, or tried often enough. Holds its
    /// slot meanwhile, so that an endpoint in trouble is left alone.
    async fn call(
        &self,
        ticket: u64,
        request: &ChatRequest,
        mut ask: Ask,
    ) -> Result<Called, ChatError> {
        let _slot = self.slots.acquire().await.expect("nobody closes the semaphore");
        let since = Instant::now();
        self.budget.count_call();
        let (mut attempts, mut tries) = (0, 0);
        loop {
            time::sleep_until(self.next_start().into()).await;
            let body = Body::new(&self.endpoint, request, ask, &self.capabilities());
            attempts += 1;
            let failure = match self.exchange(&body, request.trim).await {
                Ok(answer) => {
                    let (choices, usage) = self.learn(request, ask, &body.sent, answer);
                    return Ok(Called { choices, usage, attempts, since });
                }
                Err(failure) => failure,
            };
            if self.has_adapted(request, &mut ask, failure.rejected) {
                continue;
            }
            tries += 1;
            let draw = Draw { ticket, index: ask.index, tries };
            let wait = retry::wait(&self.endpoint.retries, failure.again, draw)
                .filter(|_| tries < self.endpoint.retries.attempts_max && self.budget.take());
            let Some(wait) = wait else {
                let endpoint = self.endpoint.base_url.clone();
                return Err(ChatError { endpoint, attempts, fault: failure.fault });
            };
            if let Again::After(told) = failure.again {
                self.pause(told);
            }
            time::sleep(wait).await;
        }
    }

    /// When the next HTTP request may begin; each time of the even spacing is given out once.
    fn next_start(&self) -> Instant {
        let mut next = self.lock_next_start();
        let now = Instant::now();
        let start = next.map_or(now, |next| next.max(now));
        if let Some(per_minute) = self.endpoint.requests_per_minute_max {
            *next = Some(start + Duration::from_mins(1) / per_minute);
        }
        start
    }

    /// Lets nobody begin for a while.
    fn pause(&self, wait: Duration) {
        let mut next = self.lock_next_start();
        *next = (*next).max(Instant::now().checked_add(wait));
    }

    fn lock_next_start(&self) -> MutexGuard<'_, Option<Instant>> {
        self.next_start.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what an answer shows, and gives what of it was asked for.
    fn learn(
        &self,
        request: &ChatRequest,
        ask: Ask,
        sent: &BTreeSet<Parameter>,
        mut answer: Answer,
    ) -> (Vec<Choice>, Usage) {
        let echoed = request.weigh.and_then(|_| completions::echoed(&answer, request));
        let is_trimmed = answer.choices.iter().any(|choice| choice.trimmed.is_some());
        let seen = Seen {
            all_choices: answer.choices.len() >= ask.n,
            logprobs: answer.choices.iter().any(|choice| choice.tokens.is_some()),
            prompt_logprobs: answer.given.is_some(),
            echo: echoed.is_some(),
            // The cost comes last.
            usage: answer.usage.is_some() || is_trimmed,
        };
        self.capabilities().learn(sent, seen);
        let usage = answer.usage.unwrap_or_else(|| answer::estimated(request, &answer.choices));
        answer.choices.truncate(ask.n);
        if let Some(n_bytes) = request.weigh {
            answer.given = echoed.or(answer.given);
            let weighed = answer.weighed(n_bytes).unzip();
            for choice in &mut answer.choices {
                choice.text.clear();
                (choice.logprob_sum, choice.tokens) = weighed;
            }
        }
        (answer.choices, usage)
    }

    /// Keeps that a parameter was rejected; whether the call may go on without it.
    fn has_adapted(
        &self,
        request: &ChatRequest,
        ask: &mut Ask,
        rejected: Option<Parameter>,
    ) -> bool {
        let Some(parameter) = rejected else {
            return false;
        };
        if parameter == Parameter::N {
            ask.n = 1;
            // Some servers want one choice only where there is no chance in it.
            if request.temperature == Some(0.0) {
                return true;
            }
        }
        self.capabilities().reject(parameter)
    }

    /// One HTTP request.
    async fn exchange(&self, body: &Body, trim: Option<Trim>) -> Result<Answer, Failure> {
        let timeout_ms = self.endpoint.timeout_ms;
        let sent = async {
            let response = self.http.post(self.url.clone()).body(body.json.clone()).send().await?;
            let (code, headers) = (response.status().as_u16(), response.headers().clone());
            let is_stream = (200..300).contains(&code) && is_stream(&headers);
            let heard = match trim.filter(|_| is_stream) {
                Some(trim) => Heard::Stream(listen(response, trim).await?),
                None => Heard::Whole(read(response).await?),
            };
            Ok((code, headers, heard))
        };
        let (code, headers, heard) = time::timeout(Duration::from_millis(timeout_ms), sent)
            .await
            .map_err(|_| Failure::new(ChatFault::Timeout { timeout_ms }, Again::Backoff))?
            .map_err(|error: reqwest::Error| {
                let what = self.shown(causes(&error.without_url()));
                Failure::new(ChatFault::Connect { what }, Again::Backoff)
            })?;
        let malformed = |what| ChatFault::Malformed { what };
        let too_large = || {
            let what = format!("it has more than {ANSWER_BYTES_MAX} bytes");
            Failure::new(malformed(what), Again::Never)
        };
        let answer = match heard {
            Heard::Stream(answer) => answer.ok_or_else(too_large)?,
            Heard::Whole(bytes) => {
                let bytes = bytes.ok_or_else(too_large)?;
                if !(200..300).contains(&code) {
                    return Err(self.status(code, &headers, ErrorText::read(&bytes), body));
                }
                answer::parse(&bytes, self.endpoint.route).map(|mut answer| {
                    if let Some(trim) = trim {
                        stopped_late(&mut answer, trim);
                    }
                    answer
                })
            }
        };
        answer.map_err(|unfit| match unfit {
            Unfit::Garbled(what) => Failure::new(malformed(self.shown(what)), Again::Backoff),
            Unfit::Other(what) => Failure::new(malformed(self.shown(what)), Again::Never),
            Unfit::Error(text, Some(code)) => self.status(code, &headers, text, body),
            // Whoever sends an error in a good answer has failed behind it.
            Unfit::Error(text, None) => self.status(502, &headers, text, body),
            Unfit::NoChoices => Failure::new(ChatFault::NoChoices, Again::Never),
            Unfit::Refused(message) => {
                Failure::new(ChatFault::Refused { message: self.shown(message) }, Again::Never)
            }
        })
    }

    /// What an error of the server means.
    fn status(&self, code: u16, headers: &HeaderMap, text: ErrorText, body: &Body) -> Failure {
        let again = retry::after_status(code, headers);
        let (overflow, refusal) = (text.is_context_overflow(), text.is_refusal());
        let rejected = capabilities::rejected(&body.sent, &text);
        let message = self.shown(text.message);
        match code {
            400 | 413 | 422 if overflow => {
                Failure::new(ChatFault::ContextOverflow { message }, Again::Never)
            }
            400 | 403 | 422 if refusal => {
                Failure::new(ChatFault::Refused { message }, Again::Never)
            }
            400 | 422 => Failure { fault: ChatFault::Status { code, message }, again, rejected },
            _ => Failure::new(ChatFault::Status { code, message }, again),
        }
    }

    fn shown(&self, text: String) -> String {
        connection::shown(text, self.endpoint.api_key.as_ref())
    }
}

/// The body of an HTTP answer; `None` where it is too large.
enum Heard {
    Whole(Option<Vec<u8>>),
    Stream(Option<Result<Answer, Unfit>>),
}

fn is_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("text/event-stream"))
}

/// Reads a stream until it ends or is to be stopped; the connection is closed then.
async fn listen(
    mut response: reqwest::Response,
    trim: Trim,
) -> Result<Option<Result<Answer, Unfit>>, reqwest::Error> {
    let (mut stream, mut n_bytes) = (Stream::new(trim), 0);
    while let Some(chunk) = response.chunk().await? {
        n_bytes += chunk.len();
        if n_bytes > ANSWER_BYTES_MAX {
            return Ok(None);
        }
        match stream.read(&chunk) {
            Ok(false) => {}
            Ok(true) => break,
            Err(unfit) => return Ok(Some(Err(unfit))),
        }
    }
    Ok(Some(stream.into_answer()))
}

/// The choices of a request, as its calls bring them.
struct Gathered {
    wanted: usize,
    choices: BTreeMap<usize, Choice>,
    /// The error of the first choice that failed, with its index.
    error: Option<(usize, ChatError)>,
    usage: Option<Usage>,
    attempts: u32,
    since: Option<Instant>,
}

impl Gathered {
    fn new(wanted: usize) -> Self {
        Gathered {
            wanted,
            choices: BTreeMap::new(),
            error: None,
            usage: None,
            attempts: 0,
            since: None,
        }
    }

    fn add(&mut self, index: usize, called: Result<Called, ChatError>) {
        match called {
            Ok(called) => {
                self.attempts += called.attempts;
                self.choices.extend((index..).zip(called.choices));
                self.usage = Some(match self.usage {
                    Some(usage) => sum(usage, called.usage),
                    None => called.usage,
                });
                let since = self.since.map_or(called.since, |since| since.min(called.since));
                self.since = Some(since);
            }
            Err(error) => {
                self.attempts += error.attempts;
                if self.error.as_ref().is_none_or(|(first, _)| index < *first) {
                    self.error = Some((index, error));
                }
            }
        }
    }

    fn into_reply(self) -> Result<Reply, ChatError> {
        let error = self.error.map(|(_, error)| ChatError { attempts: self.attempts, ..error });
        match error {
            Some(error) if self.choices.is_empty() => Err(error),
            shortfall => Ok(Reply {
                shortfall: shortfall.filter(|_| self.choices.len() < self.wanted),
                choices: self.choices.into_values().collect(),
                usage: self.usage.unwrap_or_default(),
                attempts: self.attempts,
                wall_ms: self.since.map_or(0.0, |since| since.elapsed().as_secs_f64() * 1e3),
            }),
        }
    }
}

fn sum(a: Usage, b: Usage) -> Usage {
    let cached_tokens = match (a.cached_tokens, b.cached_tokens) {
        (Some(a), Some(b)) => Some(a + b),
        (one, other) => one.or(other),
    };
    Usage {
        prompt_tokens: a.prompt_tokens + b.prompt_tokens,
        completion_tokens: a.completion_tokens + b.completion_tokens,
        cached_tokens,
        is_estimated: a.is_estimated || b.is_estimated,
    }
}
