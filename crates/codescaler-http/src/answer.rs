//! From the body of an HTTP answer to choices, or to why there are none.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, error::Category};

use crate::{
    chat::{ChatRequest, Choice, Finish, Usage},
    endpoint::Route,
};

/// A completion.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) choices: Vec<Choice>,
    /// What it cost, when the server says so.
    pub(crate) usage: Option<Usage>,
    /// The tokens of the conversation with their log-probabilities, when the server says so; nothing
    /// where it does not say which of several stands there.
    pub(crate) given: Option<Vec<Option<GivenToken>>>,
    /// What is said of the tokens of the first choice.
    pub(crate) tokens: Option<WireLogprobs>,
}

/// A token of the conversation.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct GivenToken {
    pub(crate) logprob: f64,
    pub(crate) decoded_token: Option<String>,
}

impl Answer {
    /// How likely so many bytes at the end of the conversation are: the sum of the tokens'
    /// log-probabilities, and how many these are.
    pub(crate) fn weighed(&self, n_bytes: usize) -> Option<(f64, u32)> {
        let (mut sum, mut tokens, mut left) = (0.0, 0, n_bytes);
        for token in self.given.as_ref()?.iter().rev() {
            if left == 0 {
                break;
            }
            let token = token.as_ref()?;
            sum += token.logprob;
            tokens += 1;
            left = left.saturating_sub(token.decoded_token.as_ref()?.len());
        }
        (left == 0 && tokens > 0 && sum.is_finite()).then_some((sum, tokens))
    }
}

/// An answer with a good status that is of no use.
#[derive(Debug)]
pub(crate) enum Unfit {
    /// It is cut off or garbled; the next one may be whole.
    Garbled(String),
    /// It is something else.
    Other(String),
    /// It is an error after all, perhaps with a status.
    Error(ErrorText, Option<u16>),
    NoChoices,
    Refused(String),
}

#[derive(Deserialize)]
#[serde(expecting = "a completion")]
struct WireAnswer {
    choices: Option<Vec<WireChoice>>,
    usage: Option<Value>,
    error: Option<Value>,
    prompt_logprobs: Option<WireGiven>,
}

/// Per token its log-probability and, of some servers, those of others; nothing for the first.
type WireGiven = Vec<Option<BTreeMap<String, GivenToken>>>;

#[derive(Deserialize)]
struct WireChoice {
    index: Option<u64>,
    /// Of a conversation.
    message: Option<WireMessage>,
    /// Of a plain text.
    text: Option<String>,
    finish_reason: Option<String>,
    logprobs: Option<WireLogprobs>,
    prompt_logprobs: Option<WireGiven>,
}

impl WireChoice {
    /// What is said, in the form of this route.
    fn said(&mut self, route: Route) -> Result<WireMessage, Unfit> {
        let said = match route {
            Route::Chat => self.message.take().ok_or("a choice has no `message`"),
            Route::Completions => {
                let message = |text: String| WireMessage {
                    content: Some(text.into()),
                    ..WireMessage::default()
                };
                self.text.take().map(message).ok_or("a choice has no `text`")
            }
        };
        said.map_err(|what| Unfit::Other(what.to_owned()))
    }
}

#[derive(Default, Deserialize)]
struct WireMessage {
    content: Option<Value>,
    reasoning_content: Option<String>,
    reasoning: Option<String>,
    refusal: Option<String>,
}

/// Of a conversation `content`, of a plain text the lists. (llama.cpp has the former for both.)
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct WireLogprobs {
    content: Option<Vec<WireToken>>,
    pub(crate) token_logprobs: Option<Vec<Option<f64>>>,
    pub(crate) tokens: Option<Vec<String>>,
    /// In characters; some servers that do not know have -1.
    pub(crate) text_offset: Option<Vec<i64>>,
}

#[derive(Clone, Debug, Deserialize)]
struct WireToken {
    logprob: Option<f64>,
}

impl WireLogprobs {
    /// Adds those of another part.
    pub(crate) fn extend(&mut self, other: Option<WireLogprobs>) {
        let Some(other) = other else { return };
        if let Some(tokens) = other.content {
            self.content.get_or_insert_default().extend(tokens);
        }
        if let Some(logprobs) = other.token_logprobs {
            self.token_logprobs.get_or_insert_default().extend(logprobs);
        }
    }
}

/// The names in a list of language models; `None` if it is none.
pub(crate) fn names(body: &[u8]) -> Option<Vec<String>> {
    let wire: Value = serde_json::from_slice(body).ok()?;
    let name = |one: &Value| Some(one.get("id")?.as_str()?.to_owned());
    wire.get("data")?.as_array()?.iter().map(name).collect()
}

impl Unfit {
    /// A body that cannot be read.
    pub(crate) fn json(error: &serde_json::Error) -> Unfit {
        match error.classify() {
            Category::Syntax | Category::Eof | Category::Io => Unfit::Garbled(error.to_string()),
            Category::Data => Unfit::Other(error.to_string()),
        }
    }
}

/// The status that an error in a good answer names.
pub(crate) fn error_status(error: &Value) -> Option<u16> {
    let code = error.get("code").and_then(Value::as_u64);
    code.and_then(|code| u16::try_from(code).ok()).filter(|code| *code >= 400)
}

/// Reads the body of an answer with a good status.
pub(crate) fn parse(body: &[u8], route: Route) -> Result<Answer, Unfit> {
    let wire: WireAnswer = serde_json::from_slice(body).map_err(|error| Unfit::json(&error))?;
    let mut choices = match (wire.choices, wire.error) {
        (Some(choices), _) if !choices.is_empty() => choices,
        (_, Some(error)) if !error.is_null() => {
            return Err(Unfit::Error(ErrorText::read(body), error_status(&error)));
        }
        (Some(_), _) => return Err(Unfit::NoChoices),
        (None, _) => return Err(Unfit::Other("it has no `choices`".to_owned())),
    };
    choices.sort_by_key(|choice| choice.index);
    let said =
        choices.iter_mut().map(|choice| choice.said(route)).collect::<Result<Vec<_>, _>>()?;
    let refusal = |said: &WireMessage| {
        said.refusal.clone().filter(|_| text(said.content.as_ref()).is_empty())
    };
    if let Some(refusals) = said.iter().map(refusal).collect::<Option<Vec<_>>>() {
        return Err(Unfit::Refused(refusals.into_iter().next().unwrap_or_default()));
    }
    let of_first = choices[0].prompt_logprobs.take();
    Ok(Answer {
        usage: wire.usage.as_ref().and_then(usage),
        given: wire.prompt_logprobs.or(of_first).map(given),
        tokens: choices[0].logprobs.clone(),
        choices: said.into_iter().zip(choices).map(choice).collect(),
    })
}

/// The tokens of a conversation, of which one is asked for at each place.
fn given(places: WireGiven) -> Vec<Option<GivenToken>> {
    let own = |place: Option<BTreeMap<String, GivenToken>>| {
        place.filter(|place| place.len() == 1)?.into_values().next()
    };
    places.into_iter().map(own).collect()
}

/// Why a choice ended, by its word.
pub(crate) fn finish(reason: Option<&str>) -> Finish {
    match reason {
        Some("stop" | "eos_token" | "stop_sequence") => Finish::Stop,
        Some("length") => Finish::Length,
        Some("content_filter") => Finish::ContentFilter,
        Some(other) => Finish::Other(other.to_owned()),
        None => Finish::Other(String::new()),
    }
}

/// The sum of the log-probabilities, when every token has a finite one, and how many tokens have
/// any.
pub(crate) fn logprobs(wire: Option<WireLogprobs>) -> (Option<f64>, Option<u32>) {
    let tokens: Option<Vec<Option<f64>>> = wire.and_then(|wire| match wire.content {
        Some(content) => Some(content.into_iter().map(|token| token.logprob).collect()),
        None => wire.token_logprobs,
    });
    let tokens = tokens.filter(|tokens| !tokens.is_empty());
    let sum = tokens.as_ref().and_then(|tokens| {
        tokens.iter().copied().sum::<Option<f64>>().filter(|sum| sum.is_finite())
    });
    (sum, tokens.and_then(|tokens| u32::try_from(tokens.len()).ok()))
}

fn choice((said, wire): (WireMessage, WireChoice)) -> Choice {
    let finish = match said.refusal {
        Some(_) => Finish::ContentFilter,
        None => finish(wire.finish_reason.as_deref()),
    };
    let (logprob_sum, tokens) = logprobs(wire.logprobs);
    Choice {
        text: text(said.content.as_ref()),
        reasoning: said.reasoning_content.or(said.reasoning),
        finish,
        logprob_sum,
        tokens,
        trimmed: None,
    }
}

/// Content is a text, or a list of parts of which some are texts.
pub(crate) fn text(content: Option<&Value>) -> String {
    match content {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            parts.iter().filter_map(|part| part.get("text")?.as_str()).collect()
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => {
            String::new()
        }
    }
}

pub(crate) fn usage(wire: &Value) -> Option<Usage> {
    let cached = wire.pointer("/prompt_tokens_details/cached_tokens");
    Some(Usage {
        prompt_tokens: wire.get("prompt_tokens")?.as_u64()?,
        completion_tokens: wire.get("completion_tokens")?.as_u64()?,
        cached_tokens: cached.and_then(Value::as_u64),
        is_estimated: false,
    })
}

/// What an answer cost when the server does not say: four bytes are a token.
pub(crate) fn estimated(request: &ChatRequest, choices: &[Choice]) -> Usage {
    let tokens = |bytes: usize| (bytes as u64).div_ceil(4);
    let written = |choice: &Choice| {
        let reasoning = choice.reasoning.as_ref().map_or(0, String::len);
        choice.tokens.map_or(tokens(choice.text.len() + reasoning), u64::from)
    };
    Usage {
        prompt_tokens: tokens(request.messages.iter().map(|message| message.content.len()).sum()),
        completion_tokens: choices.iter().map(written).sum(),
        cached_tokens: None,
        is_estimated: true,
    }
}

/// What a server says about an error.
#[derive(Debug, Default)]
pub(crate) struct ErrorText {
    pub(crate) message: String,
    /// The parameter that it is about, when that is said apart.
    pub(crate) parameter: Option<String>,
    /// Its codes and types, in lower case.
    pub(crate) code: Option<String>,
}

impl ErrorText {
    /// Reads the body of an error. Every server has its own form.
    pub(crate) fn read(body: &[u8]) -> Self {
        let plain = || String::from_utf8_lossy(body).trim().to_owned();
        let Ok(value) = serde_json::from_slice::<Value>(body) else {
            return ErrorText { message: plain(), ..ErrorText::default() };
        };
        // {"detail": [{"loc": ["body", "n"], "msg": "…", "type": "…"}]} or {"error": {…}} or {…}.
        let detail = value.pointer("/detail/0");
        let inner = detail.or_else(|| value.get("error")).or_else(|| value.get("detail"));
        let inner = inner.unwrap_or(&value);
        let string = |key: &str| inner.get(key).and_then(Value::as_str).map(str::to_owned);
        let place =
            inner.get("loc").and_then(Value::as_array).and_then(|path| path.last()?.as_str());
        let message = inner.as_str().map(str::to_owned);
        let codes = [string("code"), string("type")].into_iter().flatten().collect::<Vec<_>>();
        ErrorText {
            message: message
                .or_else(|| string("message"))
                .or_else(|| Some([place?, &string("msg")?].join(": ")))
                .or_else(|| string("msg"))
                .unwrap_or_else(plain),
            parameter: string("param").or(place.map(str::to_owned)).filter(|name| !name.is_empty()),
            code: (!codes.is_empty()).then(|| codes.join(" ").to_lowercase()),
        }
    }

    /// Whether the conversation is too long.
    pub(crate) fn is_context_overflow(&self) -> bool {
        self.says(&[
            "context_length_exceeded",
            "exceed_context_size",
            "context length",
            "context size",
            "context window",
            "maximum context",
            "prompt is too long",
            "input is too long",
            // text-embeddings-inference, and our own server.
            "must have less than",
            "tokens, more than the",
        ])
    }

    /// Whether a filter does not want the conversation.
    pub(crate) fn is_refusal(&self) -> bool {
        let code = self.code.as_deref().unwrap_or_default();
        ["content_filter", "content_policy_violation"].iter().any(|words| code.contains(words))
    }

    fn says(&self, phrases: &[&str]) -> bool {
        let message = self.message.to_lowercase();
        let code = self.code.as_deref().unwrap_or_default();
        phrases.iter().any(|words| message.contains(words) || code.contains(words))
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[test]
    fn errors_are_read() {
        let check = |body: &str, expected: Expect| {
            let text = ErrorText::read(body.as_bytes());
            let parameter = text.parameter.as_deref().unwrap_or("-");
            let code = text.code.as_deref().unwrap_or("-");
            let overflow = if text.is_context_overflow() { ", context" } else { "" };
            expected.assert_eq(&format!("{}|{parameter}|{code}{overflow}", text.message));
        };
        check(
            r#"{"error":{"message":"no","type":"Invalid_request","param":"seed","code":null}}"#,
            expect!["no|seed|invalid_request"],
        );
        check(
            r#"{"object":"error","message":"This has a maximum context length of 8","param":null}"#,
            expect!["This has a maximum context length of 8|-|-, context"],
        );
        check(
            r#"{"error":{"code":400,"message":"too big","type":"exceed_context_size_error"}}"#,
            expect!["too big|-|exceed_context_size_error, context"],
        );
        check(
            r#"{"detail":[{"type":"extra_forbidden","loc":["body","n"],"msg":"Extra inputs"}]}"#,
            expect!["n: Extra inputs|n|extra_forbidden"],
        );
        check(r#"{"detail":"Not Found"}"#, expect!["Not Found|-|-"]);
        check(r#"{"error":"overloaded"}"#, expect!["overloaded|-|-"]);
        check("Bad Gateway\n", expect!["Bad Gateway|-|-"]);
        check(r#"{"x":1}"#, expect![[r#"{"x":1}|-|-"#]]);
    }

    #[test]
    fn answers_are_read() {
        let check = |body: &str, expected: Expect| {
            let shown = match parse(body.as_bytes(), Route::Chat) {
                Ok(answer) => answer.choices.iter().map(|choice| format!("{choice:?}\n")).collect(),
                Err(unfit) => format!("{unfit:?}\n"),
            };
            expected.assert_eq(&shown);
        };
        check(
            r#"{"choices":[
                {"index":1,"message":{"content":[{"type":"text","text":"b"},{"type":"x"}]},
                 "finish_reason":"length","logprobs":{"content":[{"logprob":-1},{"logprob":null}]}},
                {"index":0,"message":{"content":"a","reasoning":"why"},"finish_reason":"stop",
                 "logprobs":{"content":[{"logprob":-1.5},{"logprob":-0.25}]}},
                {"index":2,"message":{"content":null,"refusal":"no"},"finish_reason":"stop"}]}"#,
            expect![[r#"
                Choice { text: "a", reasoning: Some("why"), finish: Stop, logprob_sum: Some(-1.75), tokens: Some(2), trimmed: None }
                Choice { text: "b", reasoning: None, finish: Length, logprob_sum: None, tokens: Some(2), trimmed: None }
                Choice { text: "", reasoning: None, finish: ContentFilter, logprob_sum: None, tokens: None, trimmed: None }
            "#]],
        );
        check(
            r#"{"choices":[{"message":{"content":"","refusal":"no"}}]}"#,
            expect![[r#"
            Refused("no")
        "#]],
        );
        check(
            r#"{"choices":[]}"#,
            expect![[r#"
            NoChoices
        "#]],
        );
        check(
            r#"{"choices":[{"message"#,
            expect![[r#"
            Garbled("EOF while parsing a string at line 1 column 21")
        "#]],
        );
        check(
            r#"{"choices":[{"index":0}]}"#,
            expect![[r#"
            Other("a choice has no `message`")
        "#]],
        );
        check(
            r#"{"object":"list"}"#,
            expect![[r#"
            Other("it has no `choices`")
        "#]],
        );
        check(
            r#"{"error":{"message":"busy","code":429}}"#,
            expect![[r#"
            Error(ErrorText { message: "busy", parameter: None, code: None }, Some(429))
        "#]],
        );
        check(
            r#"{"choices":[],"error":{"message":"broken","code":"x"}}"#,
            expect![[r#"
            Error(ErrorText { message: "broken", parameter: None, code: Some("x") }, None)
        "#]],
        );
    }
}
