//! One remote scorer: asking it, and finding out what it is and whether it lives.

use std::time::Duration;

use reqwest::{Response, Url};
use serde_json::Value;
use tokio::time;

use crate::{
    answer::ErrorText,
    connection::{self, ANSWER_BYTES_MAX, causes},
    endpoint::{ApiKey, ClientError},
    retry::{self, Again},
    scorers::protocol::{Form, Protocol, Read, Reading},
    server::Outcome,
};

/// How long an answer to a small question may take.
const SMALL: Duration = Duration::from_secs(10);

/// Whoever is left alone without saying for how long is asked again after this.
const BUSY: Duration = Duration::from_millis(250);

/// No worker is left alone for longer than this at a time.
const BUSY_MAX: Duration = Duration::from_secs(10);

/// A remote scorer.
pub(crate) struct Site {
    base: Url,
    http: reqwest::Client,
    key: Option<ApiKey>,
    attempt_max: Duration,
}

/// Why a request got no answers.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The worker has too much to do: not before this.
    Busy(Duration),
    /// The worker is not well.
    Broken(String),
    /// The worker does not take this request, and no other will.
    Refused { is_too_long: bool, message: String },
}

/// What a remote scorer says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) protocol: Protocol,
    /// What it calls its reward model.
    pub(crate) name: String,
    /// Its fingerprint, where it tells one.
    pub(crate) fingerprint: Option<String>,
}

impl Site {
    pub(crate) fn new(
        url: &str,
        key: Option<ApiKey>,
        attempt_max: Duration,
    ) -> Result<Site, ClientError> {
        let base = crate::endpoint::base_url(url)?;
        let http = connection::client((&base, url), key.as_ref())?;
        Ok(Site { base, http, key, attempt_max })
    }

    /// Without anything secret.
    pub(crate) fn name(&self) -> String {
        self.base.as_str().trim_end_matches('/').to_owned()
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        let base = url.path().trim_end_matches('/');
        // People write where an OpenAI API begins; most routes here stand beside it.
        let base = base.strip_suffix("/v1").unwrap_or(base).to_owned();
        url.set_path(&format!("{base}{path}"));
        url
    }

    fn shown(&self, text: String) -> String {
        connection::shown(text, self.key.as_ref())
    }

    /// Asks for scores.
    pub(crate) async fn ask(
        &self,
        found: &Found,
        (form, readings): (Form, &[&Reading]),
    ) -> Result<Vec<Read>, Failed> {
        let request = found.protocol.request(form, readings, &found.name);
        let sent = self.http.post(self.url(request.path)).body(request.body.to_string()).send();
        let (code, again, bytes) =
            self.within(self.attempt_max, sent).await.map_err(Failed::Broken)?;
        if code == 200 {
            let reads = found.protocol.read(form, readings.len(), &bytes);
            return reads.map_err(|what| Failed::Broken(self.shown(what)));
        }
        let text = ErrorText::read(&bytes);
        let is_too_long = text.is_context_overflow();
        let message = self.shown(text.message);
        Err(match code {
            429 | 503 => Failed::Busy(match again {
                Again::After(told) => told.min(BUSY_MAX),
                Again::Backoff | Again::Never => BUSY,
            }),
            400 | 413 | 422 => {
                Failed::Refused { is_too_long, message: format!("{code}: {message}") }
            }
            _ => Failed::Broken(format!("{}: it answers {code}: {message}", request.path)),
        })
    }

    /// Status, what it says of another attempt, and body.
    async fn within(
        &self,
        time_max: Duration,
        sent: impl Future<Output = Result<Response, reqwest::Error>>,
    ) -> Result<(u16, Again, Vec<u8>), String> {
        let whole = async {
            let response = sent.await?;
            let code = response.status().as_u16();
            let again = retry::after_status(code, response.headers());
            Ok((code, again, connection::read(response).await?))
        };
        let answered = time::timeout(time_max, whole).await;
        let (code, again, bytes) = answered
            .map_err(|_| format!("no answer within {} s", time_max.as_secs_f64()))?
            .map_err(|error: reqwest::Error| self.shown(causes(&error.without_url())))?;
        let bytes = bytes.ok_or(format!("its answer has more than {ANSWER_BYTES_MAX} bytes"))?;
        Ok((code, again, bytes))
    }

    /// The JSON at a path; `None` where there is none.
    async fn get(&self, path: &str) -> Result<Option<Value>, String> {
        let sent = self.http.get(self.url(path)).send();
        let (code, _, bytes) = self.within(SMALL.min(self.attempt_max), sent).await?;
        if matches!(code, 401 | 403) {
            return Err(format!("it answers {code}: it wants a key, or another one"));
        }
        Ok(serde_json::from_slice(&bytes).ok().filter(|_| code == 200))
    }

    /// Whether it says that it is well.
    pub(crate) async fn is_healthy(&self) -> Result<(), String> {
        let sent = self.http.get(self.url("/health")).send();
        let (code, _, _) = self.within(SMALL.min(self.attempt_max), sent).await?;
        if code == 200 { Ok(()) } else { Err(format!("/health answers {code}")) }
    }

    /// Finds out what it is by the routes that only one kind of server has.
    pub(crate) async fn detect(&self, told: Option<Protocol>) -> Result<Found, String> {
        let text = |value: &Value, key: &str| value[key].as_str().map(str::to_owned);
        let found = |protocol: Protocol, name: Option<String>, fingerprint| Found {
            protocol: told.unwrap_or(protocol),
            name: name.unwrap_or_default(),
            fingerprint,
        };
        if let Some(info) = self.get("/info").await? {
            let name = text(&info, "model_id");
            if info.get("policies").is_some() {
                return Ok(found(Protocol::Codescaler, name, text(&info, "fingerprint")));
            }
            if info.get("model_type").is_some() {
                let fingerprint = text(&info, "model_sha");
                return Ok(found(Protocol::Tei, name, fingerprint));
            }
        }
        for path in ["/get_model_info", "/model_info"] {
            if let Some(info) = self.get(path).await?
                && let Some(name) = text(&info, "model_path")
            {
                return Ok(found(Protocol::Sglang, Some(name), None));
            }
        }
        let names = self.get("/v1/models").await?;
        let first = names.as_ref().and_then(|names| names.pointer("/data/0"));
        let name = first.and_then(|first| text(first, "id"));
        let is_vllm = first.is_some_and(|first| first["owned_by"] == "vllm");
        match told {
            None if !is_vllm => Err("it answers as none of codescaler, vLLM, SGLang and \
                                     text-embeddings-inference do: name its protocol"
                .to_owned()),
            _ => Ok(found(Protocol::Vllm, name, None)),
        }
    }

    /// The scores of two programs that differ as much as programs can.
    pub(crate) async fn probe(
        &self,
        found: &Found,
        probes: &[Reading; 2],
    ) -> Result<[f32; 2], String> {
        let mut scores = [0.0; 2];
        for (score, probe) in scores.iter_mut().zip(probes) {
            let form = found.protocol.form(probe).ok_or("it takes only texts")?;
            let mut reads =
                self.ask(found, (form, &[probe])).await.map_err(|failed| match failed {
                    Failed::Busy(_) => "it is busy".to_owned(),
                    Failed::Broken(what) => what,
                    Failed::Refused { message, .. } => {
                        format!("it refuses a small program: {message}")
                    }
                })?;
            *score = match reads.remove(0)?.outcome {
                Outcome::Scored(score) => score.get(),
                Outcome::Invalid(why) | Outcome::TooLong(why) | Outcome::Fault(why) => {
                    return Err(format!("it has no score for a small program: {why}"));
                }
            };
        }
        Ok(scores)
    }
}
