//! What remote scorers are asked and answer, protocol by protocol.

use std::sync::Arc;

use codescaler::{
    problem::{Entry, Problem},
    score::Score,
};
use serde_json::{Value, json};

use crate::{
    chat::ChatMessage,
    server::{Judgement, Outcome},
};

/// How a remote scorer is spoken to. Raw logits are asked for wherever a server can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Another codescaler: `POST /v1/reward`, problem and program as they are.
    Codescaler,
    /// vLLM: `POST /classify` with `"use_activation": false`.
    Vllm,
    /// vLLM: `POST /pooling` with `"task": "classify"` and `"use_activation": false`.
    VllmPooling,
    /// SGLang: its own `POST /classify`, with `text`.
    Sglang,
    /// SGLang and others whose embedding is the score: `POST /v1/embeddings`.
    Embeddings,
    /// text-embeddings-inference: `POST /predict` with `"raw_scores": true`.
    Tei,
}

/// What a remote scorer reads.
#[derive(Clone, Debug)]
pub enum Reading {
    /// A program for a problem, to be put into a prompt over there.
    Program {
        /// The problem.
        problem: Arc<Problem>,
        /// The program, bare.
        program: String,
    },
    /// A conversation, to be rendered over there.
    Turns(Vec<ChatMessage>),
    /// A text as it stands.
    Text {
        /// The text.
        text: String,
        /// Whether the tokenizer over there adds special tokens. SGLang and
        /// text-embeddings-inference cannot be told, and do.
        add_special_tokens: bool,
    },
    /// Tokens as they stand.
    Tokens(Vec<u32>),
}

impl Reading {
    /// About how many tokens it has: a token is about four bytes of text, and what is put around a
    /// text is about sixteen tokens.
    pub(crate) fn tokens(&self) -> u64 {
        let bytes = match self {
            Reading::Program { problem, program } => {
                problem.statement.len() + problem.starter.len() + program.len()
            }
            Reading::Turns(turns) => turns.iter().map(|turn| turn.content.len()).sum(),
            Reading::Text { text, add_special_tokens: _ } => text.len(),
            Reading::Tokens(tokens) => 4 * tokens.len(),
        };
        bytes as u64 / 4 + 16
    }

    /// The same for the same reading, and for no other.
    pub(crate) fn key(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        let mut field = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        match self {
            Reading::Program { problem, program } => {
                field(b"program");
                field(problem.statement.as_bytes());
                field(problem.starter.as_bytes());
                field(problem.language.name().as_bytes());
                field(json!(problem.entry).to_string().as_bytes());
                field(program.as_bytes());
            }
            Reading::Turns(turns) => {
                field(b"turns");
                for turn in turns {
                    field(turn.role.name().as_bytes());
                    field(turn.content.as_bytes());
                }
            }
            Reading::Text { text, add_special_tokens } => {
                field(b"text");
                field(&[u8::from(*add_special_tokens)]);
                field(text.as_bytes());
            }
            Reading::Tokens(tokens) => {
                field(b"tokens");
                tokens.iter().for_each(|token| field(&token.to_le_bytes()));
            }
        }
        *hasher.finalize().as_bytes()
    }
}

/// What may be sent together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Programs,
    Texts {
        add_special_tokens: bool,
    },
    Tokens,
    /// A request has one conversation.
    Turns,
}

/// A request: where to, and what.
#[derive(Debug, PartialEq)]
pub(crate) struct Request {
    pub(crate) path: &'static str,
    pub(crate) body: Value,
}

/// What an answer says of an item; an error is a fault of whoever answered.
pub(crate) type Read = Result<Judgement, String>;

impl Protocol {
    /// Every protocol, in the order of the enum.
    pub const ALL: [Protocol; 6] = [
        Protocol::Codescaler,
        Protocol::Vllm,
        Protocol::VllmPooling,
        Protocol::Sglang,
        Protocol::Embeddings,
        Protocol::Tei,
    ];

    /// The name, as written in options and records.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Codescaler => "codescaler",
            Protocol::Vllm => "vllm",
            Protocol::VllmPooling => "vllm-pooling",
            Protocol::Sglang => "sglang",
            Protocol::Embeddings => "embeddings",
            Protocol::Tei => "tei",
        }
    }

    /// Whether it takes problem and program ([`Reading::Program`]).
    pub fn takes_programs(self) -> bool {
        match self {
            Protocol::Codescaler => true,
            Protocol::Vllm
            | Protocol::VllmPooling
            | Protocol::Sglang
            | Protocol::Embeddings
            | Protocol::Tei => false,
        }
    }

    /// Whether it takes conversations ([`Reading::Turns`]), and so renders them over there.
    pub fn takes_turns(self) -> bool {
        match self {
            Protocol::Codescaler | Protocol::Vllm | Protocol::VllmPooling => true,
            Protocol::Sglang | Protocol::Embeddings | Protocol::Tei => false,
        }
    }

    /// In what form a reading is sent; `None` where it cannot be.
    pub(crate) fn form(self, reading: &Reading) -> Option<Form> {
        match reading {
            Reading::Program { .. } => self.takes_programs().then_some(Form::Programs),
            Reading::Turns(_) => self.takes_turns().then_some(Form::Turns),
            &Reading::Text { add_special_tokens, .. } => Some(Form::Texts { add_special_tokens }),
            Reading::Tokens(_) => match self {
                Protocol::Codescaler | Protocol::Vllm | Protocol::VllmPooling => Some(Form::Tokens),
                Protocol::Sglang | Protocol::Embeddings | Protocol::Tei => None,
            },
        }
    }

    /// Asks for the scores of readings of one form.
    pub(crate) fn request(self, form: Form, readings: &[&Reading], name: &str) -> Request {
        let texts: Vec<Value> = readings.iter().map(|reading| content(reading)).collect();
        match self {
            Protocol::Codescaler if form == Form::Programs => {
                let body = json!({
                    "items": texts, "extract": {"policy": "whole"}, "shaping": {"kind": "raw"},
                    "return": ["raw", "diagnostics"],
                });
                Request { path: "/v1/reward", body }
            }
            Protocol::Codescaler | Protocol::Vllm => {
                Request { path: "/classify", body: pooling(form, texts, name, false) }
            }
            Protocol::VllmPooling => {
                Request { path: "/pooling", body: pooling(form, texts, name, true) }
            }
            Protocol::Sglang => {
                Request { path: "/classify", body: json!({"model": name, "text": texts}) }
            }
            Protocol::Embeddings => {
                Request { path: "/v1/embeddings", body: json!({"model": name, "input": texts}) }
            }
            Protocol::Tei => {
                // A flat list of two would be a pair.
                let inputs: Vec<Value> = texts.into_iter().map(|text| json!([text])).collect();
                let body = json!({"inputs": inputs, "raw_scores": true, "truncate": false});
                Request { path: "/predict", body }
            }
        }
    }

    /// What an answer says of each of `n` items, in their order.
    pub(crate) fn read(self, form: Form, n: usize, bytes: &[u8]) -> Result<Vec<Read>, String> {
        let value: Value = serde_json::from_slice(bytes)
            .map_err(|error| format!("its answer is no JSON: {error}"))?;
        let (list, key) = match self {
            Protocol::Codescaler if form == Form::Programs => (value.get("results"), "raw"),
            Protocol::Codescaler | Protocol::Vllm => (value.get("data"), "probs"),
            Protocol::VllmPooling => (value.get("data"), "data"),
            Protocol::Embeddings => (value.get("data"), "embedding"),
            Protocol::Sglang => (Some(&value), "embedding"),
            Protocol::Tei => (Some(&value), "score"),
        };
        let list = list.and_then(Value::as_array);
        let list = list.ok_or_else(|| format!("its answer is no list of {key}"))?;
        if list.len() != n {
            return Err(format!("it answers {} items where {n} were asked", list.len()));
        }
        // The usage is of the whole request: its mean stands for each item.
        let usage = value.pointer("/usage/prompt_tokens").and_then(Value::as_u64).unwrap_or(0);
        let mut reads: Vec<Option<Read>> = vec![None; n];
        for (at, entry) in list.iter().enumerate() {
            let at = match entry.get("index").and_then(Value::as_u64) {
                Some(index) => index as usize,
                None => at,
            };
            let place = reads.get_mut(at).filter(|place| place.is_none());
            let place = place.ok_or_else(|| format!("it answers item {at} of {n} twice"))?;
            *place = Some(if key == "raw" {
                of_reward(entry)
            } else {
                let tokens = entry.pointer("/meta_info/prompt_tokens").and_then(Value::as_u64);
                // Labels stand in a list of their own, whose only one counts.
                let entry = match entry {
                    Value::Array(labels) if labels.len() == 1 => &labels[0],
                    Value::Array(labels) => &json!({key: labels}),
                    Value::Null
                    | Value::Bool(_)
                    | Value::Number(_)
                    | Value::String(_)
                    | Value::Object(_) => entry,
                };
                one_number(&entry[key]).map(|score| Judgement {
                    tokens: tokens.unwrap_or(usage / n as u64),
                    ..Judgement::of(Outcome::Scored(score))
                })
            });
        }
        Ok(reads.into_iter().map(|read| read.expect("as many as places, none twice")).collect())
    }
}

/// An item as it stands in a body.
fn content(reading: &Reading) -> Value {
    match reading {
        Reading::Program { problem, program } => {
            let entry = (problem.entry != Entry::Stdio).then(|| json!(problem.entry));
            json!({
                "problem": problem.statement, "starter_code": problem.starter, "response": program,
                "language": problem.language.name(), "entry": entry,
            })
        }
        Reading::Turns(turns) => turns
            .iter()
            .map(|turn| json!({"role": turn.role.name(), "content": turn.content}))
            .collect(),
        Reading::Text { text, add_special_tokens: _ } => text.as_str().into(),
        Reading::Tokens(tokens) => tokens.as_slice().into(),
    }
}

/// A body of vLLM's pooling routes.
fn pooling(form: Form, mut contents: Vec<Value>, name: &str, is_pooling: bool) -> Value {
    let (key, contents, adds) = match form {
        // The template writes all special tokens itself.
        Form::Turns => ("messages", contents.swap_remove(0), false),
        Form::Texts { add_special_tokens } => ("input", contents.into(), add_special_tokens),
        Form::Tokens | Form::Programs => ("input", contents.into(), false),
    };
    let mut body = json!({
        "model": name, key: contents, "use_activation": false, "add_special_tokens": adds,
    });
    if is_pooling {
        body["task"] = "classify".into();
    }
    if form == Form::Turns {
        body["add_generation_prompt"] = false.into();
    }
    body
}

/// A score: a number, or a list of just one.
fn one_number(value: &Value) -> Result<Score, String> {
    let number = match value {
        Value::Array(numbers) if numbers.len() == 1 => &numbers[0],
        Value::Array(numbers) => {
            return Err(format!(
                "it answers {} numbers for one text, where a reward model has one",
                numbers.len()
            ));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            value
        }
    };
    let score = number.as_f64().and_then(|number| Score::try_from(number as f32).ok());
    score.ok_or_else(|| format!("it answers {number} for a score"))
}

/// What `/v1/reward` says of an item.
fn of_reward(entry: &Value) -> Read {
    let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let outcome = match entry["status"].as_str() {
        Some("ok") => Outcome::Scored(one_number(&entry["raw"])?),
        Some("invalid") => Outcome::Invalid(text("reason")),
        Some("too_long") => Outcome::TooLong(text("reason")),
        _ => return Err(format!("it has a fault: {}", text("reason"))),
    };
    let tokens = entry.pointer("/diagnostics/tokens").and_then(Value::as_u64).unwrap_or(0);
    let trimmed = entry.pointer("/diagnostics/trimmed").cloned();
    let trimmed = trimmed.and_then(|trimmed| serde_json::from_value(trimmed).ok());
    Ok(Judgement { tokens, trimmed, ..Judgement::of(outcome) })
}
