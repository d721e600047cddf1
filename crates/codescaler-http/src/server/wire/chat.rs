//! `/v1/chat/completions`: an OpenAI-compatible endpoint that answers with a method of test-time
//! scaling. The method is named in any of three ways: `codescaler/METHOD:LANGUAGE-MODEL` as the name of the language model,
//! `"codescaler": {"strategy": "METHOD", …}`, or `<codescaler>METHOD</codescaler>` in a message, for
//! clients that can set nothing else. Usage is what all candidates took together.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use axum::{body::Bytes, extract::State, http::StatusCode, response::Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use utoipa::ToSchema;

use crate::{
    chat::ChatMessage,
    server::{
        Shared,
        backend::{ChatAnswer, ChatAsk, ChatBudget, ChatFailure},
        body::Json,
        failure::{Failure, json_response},
        wire::{Turn, execution::stream},
    },
};

/// How often a client that waits is told that it still makes sense.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// The winner is streamed in pieces of about so many bytes.
const PIECE_BYTES: usize = 512;

const PREFIX: &str = "codescaler/";
const TAG: [&str; 2] = ["<codescaler>", "</codescaler>"];

/// A conversation. Keys of OpenAI's that are not named here do nothing: temperature and length of
/// samples are the method's.
#[derive(Deserialize, ToSchema)]
pub(crate) struct ChatRequest {
    #[serde(default)]
    model: String,
    #[schema(value_type = Vec<Object>)]
    messages: Vec<Turn>,
    #[serde(default)]
    stream: bool,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(default)]
    seed: Option<u64>,
    /// One answer is given; only 1 is taken. How many candidates, `codescaler.n` says.
    #[serde(default)]
    n: Option<u32>,
    #[serde(default)]
    codescaler: Scaling,
}

#[derive(Default, Deserialize, ToSchema)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

/// How the answer is to be found.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Scaling {
    /// A method, as `codescaler methods` lists them.
    #[serde(default)]
    strategy: Option<String>,
    /// Candidates.
    #[serde(default)]
    n: Option<u32>,
    #[serde(default)]
    budget: Budget,
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Budget {
    #[serde(default)]
    tokens: Option<u64>,
    #[serde(default)]
    usd: Option<f64>,
    #[serde(default)]
    seconds: Option<u64>,
}

/// What is asked, and by which method.
fn ask(shared: &Shared, request: ChatRequest) -> Result<(String, ChatAsk), Failure> {
    let ChatRequest { model: name, messages, seed, n, codescaler, .. } = request;
    let about = shared.backend.about();
    if about.methods.is_empty() {
        return Err(Failure::NotFound(
            "this server asks no language model: start it with --endpoint or --endpoints"
                .to_owned(),
        ));
    }
    if n.is_some_and(|n| n != 1) {
        let text = "n: one answer is given; codescaler.n says how many candidates there are";
        return Err(Failure::Unprocessable(text.to_owned()));
    }
    let mut messages: Vec<ChatMessage> = messages.into_iter().map(|turn| turn.0).collect();
    let tagged = messages.iter_mut().rev().find_map(take_tag);
    let (named, language_model) = match name.strip_prefix(PREFIX) {
        // The name that stands first in our own list leaves it to us.
        None => (None, Some(name.as_str()).filter(|name| !name.is_empty() && *name != about.name)),
        Some(rest) => match rest.split_once(':') {
            None => (Some(rest), None),
            Some((method, language_model)) => (Some(method), Some(language_model)),
        },
    };
    let method = codescaler.strategy.or_else(|| named.map(str::to_owned)).or(tagged);
    let Budget { tokens, usd, seconds } = codescaler.budget;
    let ask = ChatAsk {
        messages,
        method: method.unwrap_or_default(),
        language_model: language_model.map(str::to_owned),
        n: codescaler.n,
        seed: seed.unwrap_or(0),
        budget: ChatBudget { tokens_max: tokens, usd_max: usd, seconds_max: seconds },
    };
    Ok((name, ask))
}

/// Takes the name of a method out of a message.
fn take_tag(message: &mut ChatMessage) -> Option<String> {
    let start = message.content.find(TAG[0])?;
    let inside = start + TAG[0].len();
    let end = inside + message.content[inside..].find(TAG[1])?;
    let method = message.content[inside..end].trim().to_owned();
    message.content.replace_range(start..end + TAG[1].len(), "");
    Some(method)
}

/// An answer to a conversation, found by a method.
#[utoipa::path(post, path = "/v1/chat/completions", request_body = ChatRequest,
    responses((status = 200, description = "a chat completion, or events")))]
pub(crate) async fn completions(
    State(shared): State<Shared>,
    Json { value: request, .. }: Json<ChatRequest>,
) -> Result<Response, Failure> {
    let is_streamed = request.stream;
    let with_usage = request.stream_options.as_ref().is_some_and(|options| options.include_usage);
    let (name, ask) = ask(&shared, request)?;
    let permit = Arc::clone(&shared.chats).try_acquire_owned().map_err(|_| Failure::TooMany)?;
    let (progress, heard) = mpsc::unbounded_channel::<String>();
    let backend = Arc::clone(&shared.backend);
    let work = tokio::task::spawn_blocking(move || {
        // Once the client has gone, nobody hears: then the search stops.
        let mut told = String::new();
        let mut watch = |said: &str| {
            if said != told && progress.send(said.to_owned()).is_ok() {
                said.clone_into(&mut told);
            }
            if progress.is_closed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let answer = backend.chat(&ask, &mut watch);
        drop(permit);
        answer
    });
    let id = shared.name("chatcmpl");
    if is_streamed {
        let head = json!({
            "id": id, "object": "chat.completion.chunk", "created": shared.now(), "model": name,
        });
        let (pieces, receiver) = mpsc::channel(4);
        tokio::spawn(tell(work, heard, pieces, (head, with_usage)));
        return Ok(stream("text/event-stream", receiver));
    }
    // Held until the answer is there: dropped with this future when the client goes.
    let heard = heard;
    let answer = work.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
    drop(heard);
    let ChatAnswer { text, chosen, usage, details } = answer.map_err(failure)?;
    let answer = json!({
        "id": id, "object": "chat.completion", "created": shared.now(), "model": name,
        "choices": [{
            "index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop",
            "logprobs": null,
        }],
        "usage": usage_of(usage),
        "codescaler": described(chosen, details),
    });
    Ok(json_response(StatusCode::OK, &answer))
}

fn described(chosen: (u32, u32), details: serde_json::Map<String, Value>) -> Value {
    let mut said = Value::Object(details);
    said["selected"] = json!(chosen.0);
    said["candidates"] = json!(chosen.1);
    said
}

fn usage_of(usage: crate::chat::Usage) -> Value {
    let (read, written) = (usage.prompt_tokens, usage.completion_tokens);
    json!({"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written})
}

fn failure(why: ChatFailure) -> Failure {
    match why {
        ChatFailure::Request(text) => Failure::Unprocessable(text),
        ChatFailure::Upstream(text) => Failure::Upstream(text),
        ChatFailure::Busy => Failure::TooMany,
        ChatFailure::Cancelled => Failure::Late,
    }
}

/// Events: comments while the search goes on, then the winner in pieces.
async fn tell(
    mut work: tokio::task::JoinHandle<Result<ChatAnswer, ChatFailure>>,
    mut heard: mpsc::UnboundedReceiver<String>,
    pieces: mpsc::Sender<Bytes>,
    (head, with_usage): (Value, bool),
) {
    let mut is_heard = true;
    let answer = loop {
        let comment = tokio::select! {
            biased;
            said = heard.recv(), if is_heard => match said {
                Some(said) => said.replace(['\r', '\n'], " "),
                None => { is_heard = false; continue; }
            },
            answer = &mut work => break answer,
            () = tokio::time::sleep(KEEP_ALIVE) => "still searching".to_owned(),
            // Dropping what it hears stops the search.
            () = pieces.closed() => return,
        };
        if pieces.send(Bytes::from(format!(": {comment}\n\n"))).await.is_err() {
            return;
        }
    };
    let mut events = Vec::new();
    match answer {
        Ok(Ok(answer)) => events.extend(winner(&head, answer, with_usage)),
        Ok(Err(why)) => events.push(failure(why).body()),
        Err(_) => events.push(Failure::Fault("the search failed".to_owned()).body()),
    }
    for event in events {
        if pieces.send(Bytes::from(format!("data: {event}\n\n"))).await.is_err() {
            return;
        }
    }
    // Whoever has gone needs no end.
    let _ = pieces.send(Bytes::from_static(b"data: [DONE]\n\n")).await;
}

fn winner(head: &Value, answer: ChatAnswer, with_usage: bool) -> Vec<Value> {
    let chunk = |choices: Value| {
        let mut chunk = head.clone();
        chunk["choices"] = choices;
        chunk
    };
    let delta = |delta: Value, finish: Option<&str>| {
        chunk(json!([{"index": 0, "delta": delta, "finish_reason": finish}]))
    };
    let mut events = vec![delta(json!({"role": "assistant", "content": ""}), None)];
    let mut rest = answer.text.as_str();
    while !rest.is_empty() {
        let end = rest.ceil_char_boundary(PIECE_BYTES.min(rest.len()));
        events.push(delta(json!({"content": rest[..end]}), None));
        rest = &rest[end..];
    }
    let mut last = delta(json!({}), Some("stop"));
    last["codescaler"] = described(answer.chosen, answer.details);
    events.push(last);
    if with_usage {
        let mut usage = chunk(json!([]));
        usage["usage"] = usage_of(answer.usage);
        events.push(usage);
    }
    events
}
