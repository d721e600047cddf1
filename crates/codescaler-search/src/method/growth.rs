//! Answers that grow a step at a time, for methods that look at beginnings. They need a language
//! model that goes on with an answer where it stops: a decoder of ours, or an endpoint that
//! continues the last message.

use super::Slot;
use crate::{
    ask::{Ask, Asked, Digest, Sampling},
    prompt::Prompt,
};

/// An answer on its way.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Growth {
    /// All of it so far; `None` at the beginning.
    pub text: Option<Digest>,
    /// Its program, or the longest beginning of one that is one by itself.
    pub program: Slot,
    /// Whether it came to its end, or cannot go on.
    pub has_ended: bool,
}

/// The answer, a step longer; as it was where nobody goes on with it.
pub(super) fn grown(
    ask: &mut Ask<'_>,
    growth: &Growth,
    sampling: Sampling,
    index: u32,
) -> Asked<Growth> {
    grown_by(ask, growth, Prompt::go_on, sampling, index)
}

/// As [`grown`], by whom `prompt` of the text so far asks.
pub(super) fn grown_by(
    ask: &mut Ask<'_>,
    growth: &Growth,
    prompt: fn(Option<Digest>) -> Prompt,
    sampling: Sampling,
    index: u32,
) -> Asked<Growth> {
    if growth.has_ended {
        return Ok(growth.clone());
    }
    let Some(reply) = ask.chat(&prompt(growth.text), sampling, index)? else {
        return Ok(Growth { has_ended: true, program: None, ..growth.clone() });
    };
    let program = if reply.is_whole { &reply.program } else { &reply.beginning };
    let program = program.as_ref().map(|program| ask.keep(program));
    let text = Some(ask.keep(&reply.text));
    // A step that adds nothing would be asked for again and again.
    let has_ended = reply.is_whole || text == growth.text;
    Ok(Growth { text, program, has_ended })
}
