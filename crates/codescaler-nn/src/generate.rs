mod draft;

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use self::draft::Drafts;
use crate::decoder::{Decoder, Prefix};
use crate::directory::Directory;
use crate::error::{LoadError, LoadErrorKind, ScoreError};
use crate::kernel::Precision;
use crate::matrix::Packed;
use crate::network::HeadKind;
use crate::reward::{Kernels, Options};
use crate::sample::{Drawn, Sampling};
use crate::text::{Message, TextEncoder};
use crate::train::Trainer;
use crate::weights::Weights;

/// A policy: writes completions, token by token.
pub struct Policy {
    decoder: Decoder,
    head: Packed,
    text: TextEncoder,
    /// Tokens that end a completion.
    stop_tokens: Vec<u32>,
    tokens_max: usize,
    /// The last conversations by their tokens, each computed once for all who ask for samples of it.
    kept: Mutex<VecDeque<(Vec<u32>, Arc<Prefix>)>>,
}

/// What is asked of a policy.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The conversation so far; the policy writes the assistant's next turn. A last turn that is the
    /// assistant's own is its beginning, and is gone on with.
    pub messages: &'a [Message<'a>],
    /// How many samples.
    pub n: usize,
    /// Tokens that each may have.
    pub tokens_max: usize,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Texts that end a sample where they begin; they are not part of it.
    pub stop: &'a [String],
}

/// One completion.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// What was written, without special tokens.
    pub text: String,
    /// The tokens as drawn, one that ends the completion included.
    pub tokens: Vec<u32>,
    /// Each token's natural log-probability before temperature, top-k and top-p.
    pub logprobs: Vec<f32>,
    /// Why it ended.
    pub finish: Finish,
}

/// Why a sample ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// The policy drew a token that ends completions.
    StopToken,
    /// The text came to one of [`Request::stop`].
    StopText,
    /// It has [`Request::tokens_max`] tokens, or as many as there are positions.
    Length,
    /// The caller had enough.
    Cancelled,
}

/// Rows of one step, drafted ones included, at most: beyond, a row costs nearly a step.
const ROWS_MAX: usize = 8;

/// Keys and values of samples side by side take at most so much memory.
const CACHE_BYTES_MAX: usize = 1 << 30;

/// Conversations that are kept.
const KEPT: usize = 4;

impl Policy {
    /// Loads a Hugging Face directory with a language-model head, as
    /// [`RewardModel::load`](crate::RewardModel::load) does. What ends a completion stands in
    /// `generation_config.json` or `config.json` as `eos_token_id`.
    ///
    /// # Errors
    /// As for a reward model; and when the head is not that of a language model.
    pub fn load<'a>(dir: impl Into<Directory<'a>>, options: &Options) -> Result<Self, LoadError> {
        let dir = dir.into();
        assert!(options.isa.is_available(), "this processor has no {:?}", options.isa);
        let decoder = Decoder::load(dir, (options.isa, options.precision), options.threads)?;
        if decoder.head() != HeadKind::LanguageModel {
            return Err(dir.fail("", LoadErrorKind::NotAPolicy));
        }
        let text = TextEncoder::load(dir, decoder.config.vocab)?;
        let tokens_max = options.tokens_max.min(decoder.config.positions_max);
        let head = decoder.pack_head();
        let kept = Mutex::default();
        Ok(Self { head, text, stop_tokens: stop_tokens(dir)?, tokens_max, decoder, kept })
    }

    /// Takes the weights of a decoder in training, which has this policy's shape and tokens.
    ///
    /// # Errors
    /// When the training has left a weight that is no number.
    pub fn follow(&mut self, trainer: &Trainer) -> Result<(), LoadError> {
        let Kernels { isa, precision, threads } = self.decoder.kernels();
        // Kept as exactly as products take them.
        let kept = if precision == Precision::F32 { Precision::F32 } else { Precision::Bf16 };
        let weights = Weights::of_bytes("the policy in training", trainer.weights(kept))?;
        let config = trainer.config().clone();
        self.decoder = Decoder::of(config, weights, (isa, precision), threads)?;
        self.head = self.decoder.pack_head();
        self.kept = Mutex::default();
        Ok(())
    }

    /// Whether some token ends a completion; without one, completions are as long as they may be.
    pub fn ends(&self) -> bool {
        !self.stop_tokens.is_empty()
    }

    /// The tokens of a conversation up to where the policy goes on.
    ///
    /// # Errors
    /// When the template or the tokenizer refuses it.
    pub fn prompt(&self, messages: &[Message<'_>]) -> Result<Vec<u32>, ScoreError> {
        let (messages, begin) = match messages.split_last() {
            Some((last, before)) if last.role == "assistant" => (before, last.content),
            Some(_) | None => (messages, ""),
        };
        self.text.encode(&(self.text.render(messages, true)? + begin))
    }

    /// The text of tokens, without special ones; of a character that takes several tokens, only with
    /// its last.
    ///
    /// # Errors
    /// When the tokenizer does not know one.
    pub fn text(&self, tokens: &[u32]) -> Result<String, ScoreError> {
        tokens.iter().copied().map(self.text.decoder()).collect()
    }

    /// What it is computed with.
    pub fn kernels(&self) -> Kernels {
        self.decoder.kernels()
    }

    /// Writes completions of one conversation, side by side; the conversation is computed once.
    ///
    /// `watch` gets each piece of text with its sample's number as soon as it is certain; a break
    /// ends that sample. A sample is the same whatever stands beside it.
    ///
    /// # Errors
    /// When the template or the tokenizer refuses the conversation, and when it leaves no room.
    pub fn generate(
        &self,
        request: &Request<'_>,
        watch: &mut dyn FnMut(usize, &str) -> ControlFlow<()>,
    ) -> Result<Vec<Sample>, ScoreError> {
        self.write(request, watch, ROWS_MAX).map(|(samples, _)| samples)
    }

    /// As [`Policy::generate`], with at most so many rows of drafts in a step; also how many steps
    /// it took.
    fn write(
        &self,
        request: &Request<'_>,
        watch: &mut dyn FnMut(usize, &str) -> ControlFlow<()>,
        rows_max: usize,
    ) -> Result<(Vec<Sample>, usize), ScoreError> {
        let tokens = self.prompt(request.messages)?;
        let Some((_, before)) = tokens.split_last() else { return Err(ScoreError::Empty) };
        if tokens.len() >= self.tokens_max {
            let (tokens, tokens_max) = (tokens.len() + 1, self.tokens_max);
            return Err(ScoreError::TooLong { tokens, tokens_max });
        }
        let tokens_max = request.tokens_max.min(self.tokens_max - tokens.len());
        let prefix = self.prefix(before);
        let width = self.decoder.growing_max(&prefix, tokens_max, CACHE_BYTES_MAX);
        let mut samples = Vec::with_capacity(request.n);
        let mut drafts = Drafts::new(&tokens, rows_max);
        for first in (0..request.n).step_by(width) {
            let wave = first..request.n.min(first + width);
            let mut live: Vec<Live<'_>> =
                wave.map(|number| Live::new(number, &self.text, &tokens)).collect();
            let room = (&*prefix, tokens_max);
            self.advance((room, &mut drafts), request, &mut live, watch)?;
            samples.extend(live.into_iter().map(Live::sample));
        }
        Ok((samples, drafts.steps))
    }

    /// The keys and values of a conversation. Two who ask for the same at the same time compute it
    /// twice rather than wait.
    fn prefix(&self, tokens: &[u32]) -> Arc<Prefix> {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, prefix)) = kept().iter().find(|(own, _)| own == tokens) {
            return Arc::clone(prefix);
        }
        let prefix = Arc::new(self.decoder.prefix(tokens));
        let mut kept = kept();
        kept.truncate(KEPT - 1);
        kept.push_front((tokens.to_vec(), Arc::clone(&prefix)));
        prefix
    }

    /// Advances all samples of a wave until each has ended: a token at a time, or several where
    /// what was drafted is what is drawn.
    fn advance(
        &self,
        ((prefix, tokens_max), drafts): ((&Prefix, usize), &mut Drafts),
        request: &Request<'_>,
        live: &mut [Live<'_>],
        watch: &mut dyn FnMut(usize, &str) -> ControlFlow<()>,
    ) -> Result<(), ScoreError> {
        let mut growing = self.decoder.growing(prefix, live.len(), tokens_max);
        loop {
            let is_going =
                |sample: &Live<'_>| sample.finish.is_none() && sample.tokens.len() < tokens_max;
            let n_going = live.iter().filter(|sample| is_going(sample)).count();
            if n_going == 0 {
                break;
            }
            let feed = |(at, sample): (usize, &Live<'_>)| {
                let room = tokens_max - sample.tokens.len() - 1;
                let draft = drafts.after(&sample.context, room, n_going);
                (at, sample.context.last().copied().into_iter().chain(draft).collect())
            };
            let going = live.iter().enumerate().filter(|(_, sample)| is_going(sample));
            let feeds: Vec<(usize, Vec<u32>)> = going.map(feed).collect();
            let fed = feeds.iter().flat_map(|(at, feed)| feed.iter().map(|&token| (*at, token)));
            let x = self.decoder.step(&mut growing, &fed.collect::<Vec<_>>());
            let logits = self.decoder.logits(&self.head, &x);
            let mut rows = logits.chunks(self.decoder.config.vocab);
            drafts.steps += 1;
            for (at, feed) in feeds {
                let sample = &mut live[at];
                let mut used = 0;
                for (place, logits) in rows.by_ref().take(feed.len()).enumerate() {
                    // A row counts when all before it drew what was drafted.
                    if used < place || sample.finish.is_some() {
                        continue;
                    }
                    let position = sample.tokens.len() as u64;
                    let drawn = request.sampling.draw(logits, sample.number as u64, position);
                    sample.take(drawn, &self.stop_tokens, request.stop)?;
                    sample.tell(request.stop, watch);
                    drafts.learn(&sample.context);
                    if feed.get(place + 1) == Some(&drawn.token) {
                        used += 1;
                    }
                }
                let n_kept = 1 + used.min(feed.len() - 1);
                growing.forget(at, feed.len() - n_kept);
                drafts.count(feed.len() - 1, n_kept - 1);
            }
        }
        for sample in live {
            sample.finish.get_or_insert(Finish::Length);
            sample.tell(&[], watch);
        }
        Ok(())
    }
}

/// A sample on its way.
struct Live<'a> {
    number: usize,
    /// From tokens to text; a character may take several.
    decode: Box<dyn FnMut(u32) -> Result<String, ScoreError> + 'a>,
    /// The conversation and what was drawn; its last token is computed next.
    context: Vec<u32>,
    tokens: Vec<u32>,
    logprobs: Vec<f32>,
    text: String,
    /// Bytes of `text` that were told.
    told: usize,
    finish: Option<Finish>,
}

impl<'a> Live<'a> {
    fn new(number: usize, text: &'a TextEncoder, conversation: &[u32]) -> Self {
        let (tokens, logprobs, text, decode) =
            (Vec::new(), Vec::new(), String::new(), Box::new(text.decoder()));
        let context = conversation.to_vec();
        Self { number, decode, context, tokens, logprobs, text, told: 0, finish: None }
    }

    /// Appends a token that was drawn.
    fn take(&mut self, drawn: Drawn, ends: &[u32], stop: &[String]) -> Result<(), ScoreError> {
        self.tokens.push(drawn.token);
        self.logprobs.push(drawn.logprob);
        self.context.push(drawn.token);
        if ends.contains(&drawn.token) {
            self.finish = Some(Finish::StopToken);
            return Ok(());
        }
        self.read(drawn.token, stop)
    }

    /// Appends a token's text, and ends the sample where a stop text begins.
    fn read(&mut self, token: u32, stop: &[String]) -> Result<(), ScoreError> {
        let piece = (self.decode)(token)?;
        let longest = stop.iter().map(String::len).max().unwrap_or(0);
        let from = self.text.floor_char_boundary(self.text.len().saturating_sub(longest));
        self.text.push_str(&piece);
        let found = stop.iter().filter(|stop| !stop.is_empty());
        let found = found.filter_map(|stop| self.text[from..].find(stop.as_str())).min();
        if let Some(at) = found {
            self.text.truncate(from + at);
            self.finish = Some(Finish::StopText);
        }
        Ok(())
    }

    /// Tells what is certain: while a stop text may have begun, its part is kept back.
    fn tell(&mut self, stop: &[String], watch: &mut dyn FnMut(usize, &str) -> ControlFlow<()>) {
        let kept = match self.finish {
            Some(_) => 0,
            None => stop.iter().map(|stop| stop.len().saturating_sub(1)).max().unwrap_or(0),
        };
        let end = self.text.floor_char_boundary(self.text.len().saturating_sub(kept));
        if end > self.told {
            let piece = &self.text[self.told..end];
            self.told = end;
            if watch(self.number, piece).is_break() {
                self.finish.get_or_insert(Finish::Cancelled);
            }
        }
    }

    fn sample(self) -> Sample {
        let finish = self.finish.expect("every sample of a wave has ended");
        Sample { text: self.text, tokens: self.tokens, logprobs: self.logprobs, finish }
    }
}

/// `eos_token_id`, one or several; none where nothing ends a completion.
fn stop_tokens(dir: Directory<'_>) -> Result<Vec<u32>, LoadError> {
    for name in ["generation_config.json", "config.json"] {
        let Some(bytes) = dir.find(name)? else { continue };
        let config: Value = serde_json::from_slice(&bytes)
            .map_err(|source| dir.fail(name, LoadErrorKind::Json(source)))?;
        let stop = &config["eos_token_id"];
        let several = stop.as_array().into_iter().flatten();
        let tokens: Vec<u32> = std::iter::once(stop).chain(several).filter_map(token).collect();
        if !tokens.is_empty() {
            return Ok(tokens);
        }
    }
    Ok(Vec::new())
}

fn token(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|token| u32::try_from(token).ok())
}

#[cfg(test)]
mod tests;
