//! An answer that is read while it is written, so that it can be stopped.

use codescaler::reasoning::{Stop, Trim, Watch};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    answer::{Answer, ErrorText, Unfit, WireLogprobs, error_status, finish, logprobs, text, usage},
    chat::{Choice, Finish, Usage},
};

/// A part of a completion.
#[derive(Deserialize)]
#[serde(expecting = "a part of a completion")]
struct WireChunk {
    #[serde(default)]
    choices: Vec<WireDelta>,
    usage: Option<Value>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct WireDelta {
    /// Of a conversation.
    #[serde(default)]
    delta: Delta,
    /// Of a plain text.
    text: Option<String>,
    finish_reason: Option<String>,
    logprobs: Option<WireLogprobs>,
}

#[derive(Default, Deserialize)]
struct Delta {
    content: Option<Value>,
    reasoning_content: Option<String>,
    reasoning: Option<String>,
    refusal: Option<String>,
}

/// One choice on its way, as server-sent events.
pub(crate) struct Stream {
    watch: Watch,
    /// Bytes of a line that is not whole yet.
    line: Vec<u8>,
    text: String,
    reasoning: String,
    refusal: Option<String>,
    finish: Option<Finish>,
    logprobs: WireLogprobs,
    usage: Option<Usage>,
    stop: Option<Stop>,
    /// Whether a part of a choice came.
    has_begun: bool,
    is_done: bool,
}

impl Stream {
    pub(crate) fn new(trim: Trim) -> Stream {
        Stream {
            watch: Watch::new(trim),
            line: Vec::new(),
            text: String::new(),
            reasoning: String::new(),
            refusal: None,
            finish: None,
            logprobs: WireLogprobs::default(),
            usage: None,
            stop: None,
            has_begun: false,
            is_done: false,
        }
    }

    /// Reads on; whether that was all, because it ended or is to be stopped.
    pub(crate) fn read(&mut self, mut bytes: &[u8]) -> Result<bool, Unfit> {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n')
            && !self.is_over()
        {
            self.line.extend_from_slice(&bytes[..end]);
            bytes = &bytes[end + 1..];
            let line = std::mem::take(&mut self.line);
            self.event(line.trim_ascii_end())?;
        }
        self.line.extend_from_slice(bytes);
        Ok(self.is_over())
    }

    fn is_over(&self) -> bool {
        self.is_done || self.stop.is_some()
    }

    fn event(&mut self, line: &[u8]) -> Result<(), Unfit> {
        // Comments keep the connection alive; names of events say nothing.
        let Some(data) = line.strip_prefix(b"data:").map(<[u8]>::trim_ascii) else {
            return Ok(());
        };
        if data == b"[DONE]" {
            self.is_done = true;
            return Ok(());
        }
        let chunk: WireChunk = serde_json::from_slice(data).map_err(|error| Unfit::json(&error))?;
        if let Some(error) = chunk.error.filter(|error| !error.is_null()) {
            return Err(Unfit::Error(ErrorText::read(data), error_status(&error)));
        }
        self.usage = chunk.usage.as_ref().and_then(usage).or(self.usage);
        for part in chunk.choices {
            self.add(part);
        }
        Ok(())
    }

    fn add(&mut self, WireDelta { delta, text: piece, finish_reason, logprobs }: WireDelta) {
        self.has_begun = true;
        let was_thinking = self.text.is_empty();
        let thought = delta.reasoning_content.or(delta.reasoning).unwrap_or_default();
        let said = piece.unwrap_or_else(|| text(delta.content.as_ref()));
        self.reasoning += &thought;
        self.text += &said;
        self.logprobs.extend(logprobs);
        if let Some(refusal) = delta.refusal {
            self.refusal.get_or_insert_default().push_str(&refusal);
        }
        if let Some(reason) = finish_reason {
            self.finish = Some(finish(Some(&reason)));
        }
        // Behind a reasoning that is told apart stands the answer, which is nobody's to stop.
        if self.reasoning.is_empty() {
            self.stop = self.watch.read(&said);
        } else if was_thinking {
            self.stop = self.watch.read(&thought);
        }
    }

    /// What was read, once that was all.
    pub(crate) fn into_answer(self) -> Result<Answer, Unfit> {
        if !self.has_begun && self.is_done {
            return Err(Unfit::NoChoices);
        }
        let Stream { mut text, mut reasoning, refusal, finish, usage, stop, .. } = self;
        if finish.is_none() && stop.is_none() && !self.is_done {
            return Err(Unfit::Garbled("the stream broke off".to_owned()));
        }
        if let Some(refusal) = refusal.filter(|_| text.is_empty()) {
            return Err(Unfit::Refused(refusal));
        }
        if let Some(stop) = &stop {
            if reasoning.is_empty() { &mut text } else { &mut reasoning }.truncate(stop.at);
        }
        // What came behind the place depends on the network.
        let (logprob_sum, tokens) =
            if stop.is_some() { (None, None) } else { logprobs(Some(self.logprobs)) };
        let choice = Choice {
            finish: finish.unwrap_or_else(|| Finish::Other(String::new())),
            reasoning: Some(reasoning).filter(|reasoning| !reasoning.is_empty()),
            trimmed: stop,
            text,
            logprob_sum,
            tokens,
        };
        Ok(Answer { choices: vec![choice], usage, given: None, tokens: None })
    }
}

/// An answer that came as a whole although it was wanted in parts, stopped where it would have
/// been.
pub(crate) fn stopped_late(answer: &mut Answer, trim: Trim) {
    for choice in &mut answer.choices {
        let reasoning = choice.reasoning.as_mut().filter(|reasoning| !reasoning.is_empty());
        let is_apart = reasoning.is_some();
        let watched = reasoning.unwrap_or(&mut choice.text);
        if let Some(stop) = Watch::new(trim).read(watched) {
            watched.truncate(stop.at);
            if is_apart {
                choice.text.clear();
            }
            choice.trimmed = Some(stop);
        }
    }
}
