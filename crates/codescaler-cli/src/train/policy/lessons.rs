//! From texts to the tokens that are learnt together.

use std::ops::Range;

use anyhow::Context as _;
use codescaler_nn::{Confidence, Message, TextEncoder};
use rayon::prelude::*;

use super::super::texts::Texts;
use crate::failure::Failure;

/// Token sequences that are learnt together: those of one problem share its text.
pub(super) struct Lesson {
    pub(super) texts: Vec<Vec<u32>>,
    /// For each text the parts of its answer that have a probability of their own.
    pub(super) parts: Vec<Vec<Range<usize>>>,
    /// Whether prompts are learnt, too; those of conversations are only read.
    pub(super) learns_prompt: bool,
}

/// Programs of one problem that share its computation.
const GROUP_MAX: usize = 12;

/// Everything as tokens. `confidence` tells which of them belong together; texts of code by
/// themselves answer nothing.
pub(super) fn lessons(
    text: &TextEncoder,
    texts: &Texts,
    (tokens_max, confidence): (usize, Confidence),
) -> Result<Vec<Lesson>, Failure> {
    let end = text.end_token();
    let turn_end = text.end_of_turn().context("cannot render a turn").map_err(Failure::Input)?;
    let code = texts.code.par_iter().map(|code| {
        let mut tokens = encode(text, code)?;
        tokens.extend(end);
        let piece = |piece: &[u32]| Lesson {
            texts: vec![piece.to_vec()],
            parts: vec![Vec::new()],
            learns_prompt: true,
        };
        Ok::<_, Failure>(tokens.chunks(tokens_max).map(piece).collect::<Vec<_>>())
    });
    let programs = texts.programs.par_iter().map(|(prompt, programs)| {
        let asked = render(text, &[Message { role: "user", content: prompt }], true)?;
        let mut items = Vec::new();
        for program in programs {
            let messages = [
                Message { role: "user", content: prompt },
                Message { role: "assistant", content: program },
            ];
            let tokens = render(text, &messages, false)?;
            // One that is cut would teach that programs end anywhere.
            if tokens.len() <= tokens_max {
                let answer = answer(&asked, &tokens, turn_end);
                let parts = confidence.parts(answer, |token| text.breaks_line(tokens[token]));
                items.push((tokens, parts));
            }
        }
        let lesson = |items: &[(Vec<u32>, Vec<Range<usize>>)]| {
            let (texts, parts) = items.iter().cloned().unzip();
            Lesson { texts, parts, learns_prompt: true }
        };
        Ok(items.chunks(GROUP_MAX).map(lesson).collect::<Vec<_>>())
    });
    let conversations = texts.conversations.par_iter().map(|conversation| {
        let turns = conversation.messages.iter();
        let messages: Vec<Message<'_>> =
            turns.map(|turn| Message { role: &turn.role, content: &turn.content }).collect();
        let asked = render(text, &messages[..messages.len() - 1], true)?;
        let tokens = render(text, &messages, false)?;
        let answer = answer(&asked, &tokens, turn_end);
        if tokens.len() > tokens_max || answer.is_empty() {
            return Ok(Vec::new());
        }
        let parts = confidence.parts(answer, |token| text.breaks_line(tokens[token]));
        Ok(vec![Lesson { texts: vec![tokens], parts: vec![parts], learns_prompt: false }])
    });
    let all: Result<Vec<Vec<Lesson>>, Failure> =
        code.chain(programs).chain(conversations).collect();
    Ok(all?.into_iter().flatten().collect())
}

fn encode(text: &TextEncoder, piece: &str) -> Result<Vec<u32>, Failure> {
    text.encode(piece).context("cannot tokenize a text").map_err(Failure::Input)
}

fn render(
    text: &TextEncoder,
    messages: &[Message<'_>],
    goes_on: bool,
) -> Result<Vec<u32>, Failure> {
    let rendered = text.render(messages, goes_on).context("cannot render a program");
    encode(text, &rendered.map_err(Failure::Input)?)
}

/// Which tokens of a conversation the policy has to write: from where the prompt `asked` stops
/// being its beginning to the token that ends the turn, which is the last of them.
fn answer(asked: &[u32], tokens: &[u32], turn_end: Option<u32>) -> Range<usize> {
    let same = asked.iter().zip(tokens).take_while(|(a, b)| a == b).count();
    let start = same.clamp(1, tokens.len().max(1));
    let end = (start..tokens.len()).find(|&at| Some(tokens[at]) == turn_end);
    start..end.map_or(tokens.len(), |at| at + 1).max(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_with_its_turn() {
        for (asked, tokens, expected) in [
            (&[1, 2, 3][..], &[1, 2, 3, 7, 8, 9, 4][..], 3..6),
            // The prompt's last token has become another one with what follows.
            (&[1, 2, 3], &[1, 2, 5, 7, 9], 2..5),
            (&[1, 2, 3], &[1, 2, 3, 7, 8], 3..5),
            (&[1, 2, 3], &[1, 2, 3], 3..3),
            (&[4], &[1, 9], 1..2),
        ] {
            assert_eq!(answer(asked, tokens, Some(9)), expected, "{asked:?} {tokens:?}");
        }
    }
}
