//! From messages to tokens: the reward model's own chat template and its own tokenizer.

use std::ops::Range;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, ErrorKind, UndefinedBehavior, context};
use serde_json::Value;
use tokenizers::Tokenizer;

use crate::directory::Directory;
use crate::error::{LoadError, LoadErrorKind, ScoreError};

/// One turn of a conversation.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// `user`, `assistant` or `system`.
    pub role: &'a str,
    /// What was said.
    pub content: &'a str,
}

/// The text side of a Hugging Face directory.
pub struct TextEncoder {
    tokenizer: Tokenizer,
    environment: Environment<'static>,
    special: Value,
}

const TEMPLATE: &str = "chat template";
/// The tokens of `tokenizer_config.json` that templates may name.
const SPECIAL_KEYS: [&str; 4] = ["bos_token", "eos_token", "pad_token", "unk_token"];

impl TextEncoder {
    /// Reads `tokenizer.json`, `tokenizer_config.json` and, where there is one,
    /// `chat_template.jinja`, which wins over the template inside the configuration.
    ///
    /// # Errors
    /// When a file is missing or damaged, when there is no chat template, and when the tokenizer
    /// knows a token at or beyond `vocab`.
    pub fn load<'a>(dir: impl Into<Directory<'a>>, vocab: usize) -> Result<Self, LoadError> {
        const NAME: &str = "tokenizer.json";
        let dir = dir.into();
        let fail = |kind| dir.fail(NAME, kind);
        let bytes = dir.read(NAME)?;
        let mut tokenizer = Tokenizer::from_bytes(bytes)
            .map_err(|source| fail(LoadErrorKind::Tokenizer(source.to_string())))?;
        // Lengths are decided by the caller: nothing is cut or filled up here.
        tokenizer.with_padding(None);
        let untruncated = tokenizer.with_truncation(None);
        untruncated.map_err(|source| fail(LoadErrorKind::Tokenizer(source.to_string())))?;
        let token_max = tokenizer.get_vocab(true).into_values().max();
        if let Some(token_max) = token_max.filter(|&token| token as usize >= vocab) {
            return Err(fail(LoadErrorKind::Vocabulary { token_max, vocab }));
        }
        let (environment, special) = template(dir)?;
        Ok(Self { tokenizer, environment, special })
    }

    /// Tokens that the tokenizer knows.
    pub fn vocab(&self) -> usize {
        self.tokenizer.get_vocab_size(true)
    }

    /// The token that ends a text, by `tokenizer_config.json`.
    pub fn end_token(&self) -> Option<u32> {
        self.tokenizer.token_to_id(self.special.get("eos_token")?.as_str()?)
    }

    /// The token that ends the assistant's turn, by the template: the first after what was said.
    ///
    /// # Errors
    /// When the template or the tokenizer refuses a conversation of two words.
    pub fn end_of_turn(&self) -> Result<Option<u32>, ScoreError> {
        let turn = |role| Message { role, content: "word" };
        let text = self.render(&[turn("user"), turn("assistant")], false)?;
        let said = text.rfind("word").map_or(text.len(), |at| at + "word".len());
        Ok(self.encode(&text[said..])?.first().copied())
    }

    /// Whether a token has a line break in it.
    pub fn breaks_line(&self, token: u32) -> bool {
        // Byte-level vocabularies write byte 10 as U+010A, others as it is or by its number.
        let of = |text: String| text.contains(['\u{10a}', '\n']) || text == "<0x0A>";
        self.tokenizer.id_to_token(token).is_some_and(of)
    }

    /// The conversation as text, by the template; with `add_generation_prompt`, up to where the
    /// assistant goes on.
    ///
    /// As in the reference framework: `trim_blocks`, `lstrip_blocks`, `raise_exception`, methods
    /// of Python's strings, lists and dictionaries, `tojson` that keeps non-ASCII text as it is.
    /// `strftime_now` is not defined, so that templates that print today's date (Llama 3) take
    /// their fixed one: a score must not depend on the day.
    ///
    /// # Errors
    /// When the template raises an exception or names something undefined.
    pub fn render(
        &self,
        messages: &[Message<'_>],
        add_generation_prompt: bool,
    ) -> Result<String, ScoreError> {
        let messages = minijinja::Value::from_iter(messages.iter().map(|message| {
            context! { role => message.role, content => message.content }
        }));
        let special = |key: &str| self.special.get(key).and_then(Value::as_str);
        let template = self.environment.get_template(TEMPLATE);
        let rendered = template.and_then(|template| {
            template.render(context! {
                messages,
                add_generation_prompt,
                bos_token => special("bos_token"),
                eos_token => special("eos_token"),
                pad_token => special("pad_token"),
                unk_token => special("unk_token"),
            })
        });
        rendered.map_err(|source| ScoreError::Template(source.to_string()))
    }

    /// The text's tokens. No special token is added: the template has written them all.
    ///
    /// # Errors
    /// When the tokenizer refuses the text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, ScoreError> {
        let encoding = self.tokenizer.encode_fast(text, false);
        let encoding = encoding.map_err(|source| ScoreError::Tokenizer(source.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text's tokens, with the special tokens that the tokenizer adds by itself.
    ///
    /// # Errors
    /// When the tokenizer refuses the text.
    pub fn encode_special(&self, text: &str) -> Result<Vec<u32>, ScoreError> {
        let encoding = self.tokenizer.encode_fast(text, true);
        let encoding = encoding.map_err(|source| ScoreError::Tokenizer(source.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// From tokens to text, one after the other: what a token makes certain. Special tokens are
    /// left out, and characters that take several tokens come with their last.
    pub(crate) fn decoder(&self) -> impl FnMut(u32) -> Result<String, ScoreError> + '_ {
        let mut stream = self.tokenizer.decode_stream(true);
        move |token| {
            let piece = stream.step(token);
            let piece = piece.map_err(|source| ScoreError::Tokenizer(source.to_string()))?;
            Ok(piece.unwrap_or_default())
        }
    }

    /// Where the tokens of `text` stand in it, in bytes. Spans may overlap where one character
    /// makes several tokens, and leave blanks out.
    ///
    /// # Errors
    /// When the tokenizer refuses the text.
    pub(crate) fn spans(&self, text: &str) -> Result<Vec<Range<usize>>, ScoreError> {
        let encoding = self.tokenizer.encode(text, false);
        let encoding = encoding.map_err(|source| ScoreError::Tokenizer(source.to_string()))?;
        Ok(encoding.get_offsets().iter().map(|&(start, end)| start..end).collect())
    }
}

fn template(dir: Directory<'_>) -> Result<(Environment<'static>, Value), LoadError> {
    const NAME: &str = "tokenizer_config.json";
    let fail = |kind| dir.fail(NAME, kind);
    let config: Value = serde_json::from_slice(&dir.read(NAME)?)
        .map_err(|source| fail(LoadErrorKind::Json(source)))?;
    const OWN: &str = "chat_template.jinja";
    let own = dir.find(OWN)?.map(|_| dir.read_text(OWN)).transpose()?;
    let source = own.or_else(|| written_template(&config));
    let source = source.ok_or_else(|| fail(LoadErrorKind::NoChatTemplate))?;

    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("the default delimiters are valid"));
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_function("raise_exception", |message: String| {
        Err::<String, _>(minijinja::Error::new(ErrorKind::InvalidOperation, message))
    });
    environment.add_filter("tojson", to_json);
    environment
        .add_template_owned(TEMPLATE, source)
        .map_err(|source| fail(LoadErrorKind::Template(source.to_string())))?;
    Ok((environment, special_tokens(&config)))
}

/// A string, or a list of named templates of which `default` counts.
fn written_template(config: &Value) -> Option<String> {
    let template = config.get("chat_template")?;
    let named = || {
        let default = template.as_array()?.iter().find(|t| t["name"] == "default")?;
        default["template"].as_str()
    };
    template.as_str().or_else(named).map(str::to_owned)
}

/// A special token is written as a string or as an object with `content`.
fn special_tokens(config: &Value) -> Value {
    let token = |key| {
        let token = config.get(key)?;
        token.as_str().or_else(|| token.get("content")?.as_str())
    };
    SPECIAL_KEYS.iter().filter_map(|&key| Some((key, token(key)?))).collect()
}

/// Python's `json.dumps(value, ensure_ascii=False, indent=indent)`, which is what templates call
/// `tojson` in the reference framework: a space after `,` and `:`, nothing escaped for HTML.
fn to_json(
    value: minijinja::Value,
    kwargs: minijinja::value::Kwargs,
) -> Result<minijinja::Value, minijinja::Error> {
    let indent: Option<usize> = kwargs.get("indent")?;
    kwargs.assert_all_used()?;
    let fail =
        |e: serde_json::Error| minijinja::Error::new(ErrorKind::BadSerialization, e.to_string());
    let value = serde_json::to_value(&value).map_err(fail)?;
    let mut text = String::new();
    write_json(&value, indent, 0, &mut text).map_err(fail)?;
    Ok(minijinja::Value::from_safe_string(text))
}

fn write_json(
    value: &Value,
    indent: Option<usize>,
    depth: usize,
    out: &mut String,
) -> Result<(), serde_json::Error> {
    let (brackets, length) = match value {
        Value::Array(items) => (['[', ']'], items.len()),
        Value::Object(members) => (['{', '}'], members.len()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            out.push_str(&serde_json::to_string(value)?);
            return Ok(());
        }
    };
    let new_line = |out: &mut String, depth: usize| {
        if let Some(width) = indent.filter(|_| length > 0) {
            out.push('\n');
            out.push_str(&" ".repeat(width * depth));
        }
    };
    let separator = if indent.is_some() { "," } else { ", " };
    out.push(brackets[0]);
    let keys = value.as_object().into_iter().flat_map(serde_json::Map::keys);
    let mut keys = keys.map(Some).chain(std::iter::repeat(None));
    let members = value.as_object().into_iter().flat_map(serde_json::Map::values);
    let items = value.as_array().into_iter().flatten();
    for (index, item) in items.chain(members).enumerate() {
        if index > 0 {
            out.push_str(separator);
        }
        new_line(out, depth + 1);
        if let Some(Some(key)) = keys.next() {
            out.push_str(&serde_json::to_string(key)?);
            out.push_str(": ");
        }
        write_json(item, indent, depth + 1, out)?;
    }
    new_line(out, depth);
    out.push(brackets[1]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, indent: Option<usize>, expected: &str) {
        let mut text = String::new();
        write_json(&serde_json::from_str(json).unwrap(), indent, 0, &mut text).unwrap();
        assert_eq!(text, expected);
    }

    #[test]
    fn json_is_spaced_as_python_does() {
        check(r#"{"b":[1,"é<",null],"a":{}}"#, None, r#"{"b": [1, "é<", null], "a": {}}"#);
        check(
            r#"{"b":[1,{"c":2}]}"#,
            Some(2),
            "{\n  \"b\": [\n    1,\n    {\n      \"c\": 2\n    }\n  ]\n}",
        );
    }
}
