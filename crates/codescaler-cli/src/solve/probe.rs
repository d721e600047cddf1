//! What endpoints can do, found out by asking.

use std::time::Duration;

use clap::Args;
use codescaler::reasoning::Trim;
use codescaler_http::{
    ChatError, ChatFault, ChatMessage, ChatRequest, Client, Reply, Role, Support, TokensParameter,
};
use serde_json::{Value as Json, json};

use super::endpoints::{EndpointOptions, Voice, Writers};
use crate::{
    failure::Failure,
    terminal::{Terminal, check_interrupt},
};

/// Endpoints to try.
#[derive(Args, Debug)]
#[command(next_help_heading = "Endpoints")]
pub(crate) struct ProbeOptions {
    /// An OpenAI-compatible endpoint to try with a few requests of a few tokens, such as
    /// <http://127.0.0.1:8000/v1>. Its key is read from the environment variable `OPENAI_API_KEY`,
    /// where there is one.
    #[arg(long, requires = "language_model")]
    endpoint: Option<String>,
    /// The language model to ask for there.
    #[arg(long, requires = "endpoint")]
    language_model: Option<String>,
    /// Asks for completions of plain texts (`/v1/completions`) instead of conversations.
    #[arg(long, requires = "endpoint")]
    completions: bool,
    /// A TOML file with several endpoints, as `solve` takes it.
    #[arg(long, conflicts_with = "endpoint")]
    endpoints: Option<std::path::PathBuf>,
}

/// Says which of the endpoints cannot be reached, refuse the key or do not know the language model.
/// Nothing is written there, and what is wrong keeps nobody from what was answered before.
pub(super) fn greet(writers: &Writers<'_>, terminal: Terminal) {
    let (Some(asked), Some(client)) = (writers.asked(), writers.client()) else { return };
    for (at, name) in asked.names().iter().enumerate() {
        match client.names(at) {
            Ok(Some(names)) if !names.contains(name) && !names.is_empty() => {
                let shown = shown(&names);
                terminal.note(&format!("{}: serves {shown}, and not {name}", asked.url(at)));
            }
            Ok(_) => {}
            Err(error) => terminal.note(&error.to_string()),
        }
    }
}

/// The first few names.
fn shown(names: &[String]) -> String {
    let more = if names.len() > 8 { ", …" } else { "" };
    format!("{}{more}", names.iter().take(8).cloned().collect::<Vec<_>>().join(", "))
}

/// Tries the endpoints; one report each.
pub(crate) fn probe(options: &ProbeOptions, terminal: Terminal) -> Result<Vec<Json>, Failure> {
    let ProbeOptions { endpoint, language_model, completions, endpoints } = options;
    if endpoint.is_none() && endpoints.is_none() {
        return Ok(Vec::new());
    }
    let asked = EndpointOptions::only(
        (endpoint.clone(), language_model.clone()),
        *completions,
        endpoints.clone(),
    )
    .ask()?;
    let Voice::Endpoints(client) = &asked.voice else { return Ok(Vec::new()) };
    let mut reports = Vec::new();
    for (at, name) in asked.names().iter().enumerate() {
        terminal.print(&format!("endpoint {} ({name}):", asked.url(at)));
        let report = tried(client, at)?;
        for (what, found) in report.as_object().into_iter().flatten() {
            let found = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
            terminal.print(&format!("  {what}: {found}"));
        }
        reports.push(json!({"endpoint": asked.url(at), "language_model": name, "found": report}));
    }
    Ok(reports)
}

/// How far language models are asked to count, and how far we have counted for them.
const COUNT: &str = "Count from 1 to 9, separated by a comma and a space. Write nothing else.";
const COUNTED: &str = "1, 2, 3, 4,";
const COUNTED_ON: &str = " 5";

fn tried(client: &Client, at: usize) -> Result<Json, Failure> {
    let user = || ChatMessage { role: Role::User, content: COUNT.to_owned() };
    let own = |content: String| ChatMessage { role: Role::Assistant, content };
    let names = match client.names(at) {
        Ok(None) => "not listed".to_owned(),
        Ok(Some(names)) => shown(&names),
        // A key that may ask need not be one that may list.
        Err(ChatError { fault: fault @ ChatFault::Status { .. }, .. }) => fault.to_string(),
        Err(error) => return Err(silent(error)),
    };
    let request = ChatRequest { tokens_max: Some(16), ..ChatRequest::new(vec![user()]) };
    let all = ChatRequest {
        n: 2,
        temperature: Some(1.0),
        top_p: Some(0.95),
        seed: Some(7),
        stop: vec!["\n\n\n".to_owned()],
        logprobs: true,
        ..request.clone()
    };
    let answer = asked(client, at, all)?.map_err(silent)?;
    // Never stops.
    let trim = Trim { agreeing: u8::MAX, odd: 0, thoughts_max: u16::MAX, bytes_min: u32::MAX };
    let streamed = asked(client, at, ChatRequest { trim: Some(trim), ..request.clone() })?;
    let continued = ChatRequest {
        messages: vec![user(), own(COUNTED.to_owned())],
        continues: true,
        temperature: Some(0.0),
        ..request.clone()
    };
    let continued = asked(client, at, continued)?;
    let weighed = ChatRequest {
        messages: vec![user(), own(format!("{COUNTED}{COUNTED_ON}"))],
        continues: true,
        weigh: Some(COUNTED_ON.len()),
        tokens_max: Some(1),
        ..request
    };
    let weighed = asked(client, at, weighed)?;
    let known = client.capabilities(at);
    let text = |reply: &Result<Reply, ChatError>| match reply {
        Ok(reply) => reply.choices.first().map_or("", |choice| &choice.text).to_owned(),
        Err(error) => format!("error: {}", error.fault),
    };
    let likely = |reply: &Reply| reply.choices.first().and_then(|choice| choice.logprob_sum);
    Ok(json!({
        "names": names,
        "answer": text(&Ok(answer)),
        "several choices at once": word(known.n),
        "temperature": word(known.temperature),
        "top_p": word(known.top_p),
        "seed": word(known.seed),
        "stop": word(known.stop),
        "log-probabilities": word(known.logprobs),
        "limit of tokens": match known.tokens {
            TokensParameter::Auto | TokensParameter::MaxTokens => "max_tokens",
            TokensParameter::MaxCompletionTokens => "max_completion_tokens",
        },
        "streams (trimr)": text(&streamed),
        "streams say what they cost": word(known.stream_options),
        format!("goes on with {COUNTED:?} (qalign, particles, rebase, ets, atts)"): text(&continued),
        "says how likely a text is (atts)": match weighed.as_ref().ok().and_then(likely) {
            Some(logprob) => format!("{COUNTED_ON:?} has the log-probability {logprob:.3}"),
            None => word(known.prompt_logprobs).to_owned(),
        },
    }))
}

fn word(support: Support) -> &'static str {
    match support {
        Support::Unknown => "unknown",
        Support::Works => "works",
        Support::Ignored => "ignored",
        Support::Rejected => "rejected",
    }
}

fn asked(
    client: &Client,
    at: usize,
    request: ChatRequest,
) -> Result<Result<Reply, ChatError>, Failure> {
    client.submit(at, 0, request);
    loop {
        check_interrupt()?;
        if let Some((_, reply)) = client.receive(Duration::from_millis(100)) {
            return Ok(reply);
        }
    }
}

fn silent(error: ChatError) -> Failure {
    Failure::fault(anyhow::Error::new(error), "the endpoint does not answer")
}
