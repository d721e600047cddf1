//! Where to ask, with what key, and within which bounds.

use std::fmt;

use reqwest::Url;
use serde_json::{Map, Value};
use thiserror::Error;

/// One place that answers.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Where its API begins, for example `http://127.0.0.1:8000/v1`.
    pub base_url: String,
    /// The name under which the server knows the language model.
    pub model: String,
    /// Which of its services is asked.
    pub route: Route,
    /// The key, if the server wants one.
    pub api_key: Option<ApiKey>,
    /// How many requests are under way at once, waits before another attempt included.
    pub in_flight_max: usize,
    /// How many HTTP requests are begun in a minute, evenly spaced.
    pub requests_per_minute_max: Option<u32>,
    /// What happens after an attempt in vain.
    pub retries: Retries,
    /// The time that one attempt has, from connecting to the last byte.
    pub timeout_ms: u64,
    /// What the limit of tokens is called here.
    pub tokens_parameter: TokensParameter,
    /// What only this server knows, put into each body.
    pub extra: Map<String, Value>,
}

impl Endpoint {
    /// An endpoint without key: 16 requests at once, ten minutes for each attempt.
    #[must_use]
    pub fn new(base_url: impl Into<String>, model: impl Into<String>) -> Self {
        Endpoint {
            base_url: base_url.into(),
            model: model.into(),
            route: Route::Chat,
            api_key: None,
            in_flight_max: 16,
            requests_per_minute_max: None,
            retries: Retries::default(),
            timeout_ms: 600_000,
            tokens_parameter: TokensParameter::Auto,
            extra: Map::new(),
        }
    }

    /// The address of the route, if this is an endpoint that can be asked.
    pub(crate) fn url(&self) -> Result<Url, ClientError> {
        let mut url = base_url(&self.base_url)?;
        let positive = [
            ("in_flight_max", self.in_flight_max > 0),
            ("requests_per_minute_max", self.requests_per_minute_max != Some(0)),
            ("retries.attempts_max", self.retries.attempts_max > 0),
            ("timeout_ms", self.timeout_ms > 0),
        ];
        if let Some((name, _)) = positive.into_iter().find(|(_, is_positive)| !is_positive) {
            return Err(ClientError::Zero { endpoint: self.base_url.clone(), name });
        }
        if let Some(key) = self.extra.keys().find(|key| OURS.contains(&key.as_str())) {
            return Err(ClientError::ExtraTaken {
                endpoint: self.base_url.clone(),
                key: key.clone(),
            });
        }
        extend(&mut url, self.route.path());
        Ok(url)
    }

    /// What the limit of tokens is called, as far as that is known before anything was asked.
    pub(crate) fn tokens_parameter(&self) -> TokensParameter {
        match (self.route, self.tokens_parameter) {
            // The other name came with conversations.
            (Route::Completions, TokensParameter::Auto) => TokensParameter::MaxTokens,
            (Route::Chat | Route::Completions, parameter) => parameter,
        }
    }

    /// The address of the list of names.
    pub(crate) fn names_url(&self) -> Result<Url, ClientError> {
        let mut url = base_url(&self.base_url)?;
        extend(&mut url, &["models"]);
        Ok(url)
    }
}

fn extend(url: &mut Url, path: &[&str]) {
    url.path_segments_mut()
        .expect("what begins with http:// or https:// has a path")
        .pop_if_empty()
        .extend(path);
}

/// Where somebody's API begins, if that can be asked.
pub(crate) fn base_url(text: &str) -> Result<Url, ClientError> {
    let bad_url = |what| ClientError::BaseUrl { base_url: without_secrets(text), what };
    let url = Url::parse(text)
        .map_err(|_| bad_url("not a URL; give one like http://127.0.0.1:8000/v1"))?;
    if !["http", "https"].contains(&url.scheme()) {
        return Err(bad_url("begin it with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad_url("put the secret into the key"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(bad_url("end it with the path"));
    }
    Ok(url)
}

/// Keys of a body that come from the request or from other fields of the endpoint.
const OURS: &[&str] = &[
    "model",
    "messages",
    "prompt",
    "echo",
    "n",
    "temperature",
    "top_p",
    "max_tokens",
    "max_completion_tokens",
    "seed",
    "stop",
    "logprobs",
    "stream",
    "stream_options",
    "prompt_logprobs",
];

/// A URL as it may be shown: without what stands before an `@` or behind a `?`.
fn without_secrets(base_url: &str) -> String {
    let shown = base_url.split(['?', '#']).next().unwrap_or_default();
    match (shown.split_once("://"), shown.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, place))) => format!("{scheme}://[redacted]@{place}"),
        (None, Some((_, place))) => format!("[redacted]@{place}"),
        (Some(_) | None, None) => shown.to_owned(),
    }
}

/// A secret. It shows itself to nobody but the server.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// A key as the server gave it out.
    #[must_use]
    pub fn new(key: impl Into<String>) -> Self {
        ApiKey(key.into())
    }

    pub(crate) fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// When an attempt in vain is followed by another: after a broken connection, a timeout, an answer
/// that is no JSON, and the statuses 408, 409, 425, 429 and from 500 on.
///
/// The wait is drawn between nothing and a bound that doubles with each attempt. It is derived
/// from the seed, the ticket, the choice and the attempt. A server that says when to come back is
/// obeyed, by all requests to its endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// How often one request is tried, the first time included.
    pub attempts_max: u32,
    /// The bound of the first wait.
    pub first_wait_ms: u64,
    /// Where the bound stops doubling.
    pub wait_ms_max: u64,
    /// A server that wants a longer wait than this is not asked again.
    pub retry_after_ms_max: u64,
    /// Seed of the waits.
    pub seed: u64,
}

impl Default for Retries {
    fn default() -> Self {
        Retries {
            attempts_max: 5,
            first_wait_ms: 500,
            wait_ms_max: 30_000,
            retry_after_ms_max: 120_000,
            seed: 0,
        }
    }
}

/// Which service of a server is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Route {
    /// `/chat/completions`: the server makes a text of the conversation, by its template.
    #[default]
    Chat,
    /// `/completions`: the text is made here, for base language models and servers without a
    /// template. Each message is followed by a blank line, but for a last one that the answer is to
    /// go on with; every language model can.
    Completions,
}

impl Route {
    fn path(self) -> &'static [&'static str] {
        match self {
            Route::Chat => &["chat", "completions"],
            Route::Completions => &["completions"],
        }
    }
}

/// What a server calls the limit of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokensParameter {
    /// Not known: `max_tokens` is tried, and the other name when that is rejected.
    Auto,
    /// `max_tokens`.
    MaxTokens,
    /// `max_completion_tokens`.
    MaxCompletionTokens,
}

/// Why there is no client.
#[derive(Debug, Error)]
pub enum ClientError {
    /// A base URL that cannot be used.
    #[error("base URL {base_url:?}: {what}")]
    BaseUrl {
        /// The URL, without secrets.
        base_url: String,
        /// What to do.
        what: &'static str,
    },
    /// A bound under which nothing could ever be asked.
    #[error("{endpoint}: {name} is 0; give at least 1")]
    Zero {
        /// The base URL.
        endpoint: String,
        /// Which bound.
        name: &'static str,
    },
    /// An extra that would overwrite what a request says.
    #[error("{endpoint}: extra {key:?} is a key of the request; say it there")]
    ExtraTaken {
        /// The base URL.
        endpoint: String,
        /// Which one.
        key: String,
    },
    /// A key that cannot be sent.
    #[error("{endpoint}: the key is empty or holds what no header may hold; copy it again")]
    Key {
        /// The base URL.
        endpoint: String,
    },
    /// The certificates of this machine cannot be used.
    #[error("{endpoint}: no encrypted connections: {what}; install the certificates of the system")]
    Tls {
        /// The base URL.
        endpoint: String,
        /// What is wrong with them.
        what: String,
    },
    /// The machine gives no thread or no event queue.
    #[error("cannot start the thread that talks to endpoints")]
    Thread(#[source] std::io::Error),
}
