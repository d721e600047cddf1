//! Tokenizers of our own: byte-level byte-pair encoding.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;
use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, SplitDelimiterBehavior, TokenizerBuilder};

/// A tokenizer could not be trained or written.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// A file could not be written.
    #[error("cannot write {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The texts have too few pairs for a vocabulary of this size, or the size is too small.
    #[error("the texts give {found} tokens, not the {wanted} asked for")]
    Vocabulary {
        /// Tokens that there are.
        found: usize,
        /// Tokens that were asked for.
        wanted: usize,
    },
    /// The library refused.
    #[error("the tokenizer cannot be trained: {0}")]
    Train(String),
}

/// Ends a text, fills up batches; begins and ends a message.
const SPECIAL: [&str; 3] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];

/// Words, single digits, marks, indentation by itself: Qwen's rule, but a line's indentation is one
/// piece with the line break before it.
const SPLIT: &str =
    r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|[\r\n]+[ \t]*|[ \t]+(?!\S)|\s+";

/// ChatML without a system prompt.
const TEMPLATE: &str = "\
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\\n' }}
{%- endif %}
";

/// Trains a byte-level byte-pair encoding of `vocab` tokens (Sennrich et al., arXiv:1508.07909, on
/// the bytes of the text) and writes the text side of a Hugging Face directory: `tokenizer.json`,
/// `tokenizer_config.json`, `chat_template.jinja`. Returns the number of tokens.
///
/// # Errors
/// When the texts are too few for so many tokens, or a file cannot be written.
pub fn train_tokenizer<'a>(
    texts: impl Iterator<Item = &'a str> + Send,
    vocab: usize,
    dir: &Path,
) -> Result<usize, TokenizerError> {
    let fail = |error: tokenizers::Error| TokenizerError::Train(error.to_string());
    let pattern = SplitPattern::Regex(SPLIT.to_owned());
    let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false).map_err(fail)?;
    let bytes = ByteLevel::new(false, false, false);
    let mut tokenizer = TokenizerBuilder::new()
        .with_model(BPE::default())
        .with_normalizer(None::<tokenizers::NormalizerWrapper>)
        .with_pre_tokenizer(Some(Sequence::new(vec![split.into(), bytes.into()])))
        .with_decoder(Some(bytes))
        .with_post_processor(Some(bytes))
        .build()
        .map_err(fail)?;
    let special = SPECIAL.map(|text| AddedToken::from(text, true));
    let mut trainer = BpeTrainerBuilder::new()
        .show_progress(false)
        .vocab_size(vocab)
        .special_tokens(special.to_vec())
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    tokenizer.train(&mut trainer, texts).map_err(fail)?;
    let found = tokenizer.get_vocab_size(true);
    if found != vocab {
        return Err(TokenizerError::Vocabulary { found, wanted: vocab });
    }
    let write = |name: &str, text: &str| {
        let path = dir.join(name);
        let written = fs::create_dir_all(dir).and_then(|()| fs::write(&path, text));
        written.map_err(|source| TokenizerError::Io { path, source })
    };
    let config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": SPECIAL[0],
        "pad_token": SPECIAL[0],
        "clean_up_tokenization_spaces": false,
    });
    write("tokenizer_config.json", &format!("{config:#}\n"))?;
    write("chat_template.jinja", TEMPLATE)?;
    write("tokenizer.json", &tokenizer.to_string(true).map_err(fail)?)?;
    Ok(found)
}
