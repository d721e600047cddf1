//! Conversations as plain texts, for language models and servers that know of no turns.

use crate::{
    answer::{Answer, GivenToken, WireLogprobs},
    chat::ChatRequest,
};

/// The text that is to be gone on with: what was said, each message followed by a blank line, but
/// for an answer that was begun. A beginning thus stands where the answer itself would begin.
pub(crate) fn prompt(request: &ChatRequest) -> String {
    let mut text = String::new();
    for (at, message) in request.messages.iter().enumerate() {
        text += &message.content;
        if !(request.continues && at + 1 == request.messages.len()) {
            text += "\n\n";
        }
    }
    text
}

/// The tokens of a text that was echoed, up to where what was written behind it begins; `None`
/// where the answer is no echo or cannot be told apart.
pub(crate) fn echoed(answer: &Answer, request: &ChatRequest) -> Option<Vec<Option<GivenToken>>> {
    let (prompt, choice) = (prompt(request), answer.choices.first()?);
    let WireLogprobs { tokens, token_logprobs, text_offset, .. } = answer.tokens.as_ref()?;
    let (tokens, logprobs) = (tokens.as_ref()?, token_logprobs.as_ref()?);
    if !choice.text.starts_with(&prompt) || tokens.len() != logprobs.len() {
        return None;
    }
    let texts: Vec<String> = match (n_tokens(tokens, &prompt), text_offset) {
        (Some(n), _) => tokens[..n].to_vec(),
        // Bytes that are no character by themselves have no text, but a place.
        (None, Some(offsets)) => cut(&prompt, offsets)?,
        (None, None) => return None,
    };
    let token = |(text, logprob): (String, &Option<f64>)| {
        Some(GivenToken { logprob: (*logprob)?, decoded_token: Some(text) })
    };
    Some(texts.into_iter().zip(logprobs).map(token).collect())
}

/// How many tokens a text is. Some servers begin it with a token that is not in it.
fn n_tokens(tokens: &[String], text: &str) -> Option<usize> {
    let mut joined = String::new();
    let is_whole = |token: &String| {
        joined += token;
        joined.ends_with(text)
    };
    tokens.iter().position(is_whole).map(|at| at + 1)
}

/// A text cut at these characters, one of which has to be its end.
fn cut(text: &str, offsets: &[i64]) -> Option<Vec<String>> {
    let mut places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    places.push(text.len());
    let at = |offset: &i64| places.get(usize::try_from(*offset).ok()?).copied();
    let places: Vec<usize> = offsets.iter().map_while(at).collect();
    let end = places.iter().position(|&place| place == text.len())?;
    places[..=end].windows(2).map(|ends| Some(text.get(ends[0]..ends[1])?.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{ChatMessage, Role};

    #[test]
    fn conversations_are_texts() {
        let said = |role, content: &str| ChatMessage { role, content: content.to_owned() };
        let messages = vec![
            said(Role::System, "Be short."),
            said(Role::User, "Count."),
            said(Role::Assistant, "1, 2,"),
        ];
        let request = ChatRequest::new(messages);
        assert_eq!(prompt(&request), "Be short.\n\nCount.\n\n1, 2,\n\n");
        let begun = ChatRequest { continues: true, ..request };
        assert_eq!(prompt(&begun), "Be short.\n\nCount.\n\n1, 2,");
    }

    #[test]
    fn texts_are_cut_into_tokens() {
        let check = |tokens: &[&str], n: Option<usize>| {
            let tokens: Vec<String> = tokens.iter().copied().map(str::to_owned).collect();
            assert_eq!(n_tokens(&tokens, "ab\u{e9}cd"), n, "{tokens:?}");
        };
        check(&["ab", "\u{e9}", "cd"], Some(3));
        check(&["<s>", "ab\u{e9}", "cd", "ab\u{e9}cd"], Some(3));
        check(&["ab", "\u{fffd}", "\u{fffd}", "cd"], None);
        let pieces = |offsets: &[i64]| cut("ab\u{e9}cd", offsets).map(|pieces| pieces.join("|"));
        assert_eq!(pieces(&[0, 2, 2, 3, 5]).as_deref(), Some("ab||\u{e9}|cd"));
        assert_eq!(pieces(&[0, 3, 5, 7]).as_deref(), Some("ab\u{e9}|cd"));
        assert_eq!(pieces(&[3, 0, 5]), None);
        // Nobody says where it ends; not supported.
        assert_eq!(pieces(&[0, 2, 3]), None);
        assert_eq!(pieces(&[-1, -1]), None);
    }
}
