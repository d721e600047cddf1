use std::io;
use std::path::{Path, PathBuf};

/// A reward model's directory could not be loaded. The path stands here once, for every kind.
#[derive(Debug, thiserror::Error)]
#[error("cannot load {}", path.display())]
pub struct LoadError {
    /// The file (or directory) at fault.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub kind: LoadErrorKind,
}

impl LoadError {
    pub(crate) fn at(path: &Path, kind: LoadErrorKind) -> Self {
        Self { path: path.to_owned(), kind }
    }
}

/// What is wrong with a file of a reward model's directory.
#[derive(Debug, thiserror::Error)]
pub enum LoadErrorKind {
    /// The file is not there.
    #[error(
        "no such file; a directory to load has config.json, model.safetensors (or shards and \
         model.safetensors.index.json), tokenizer.json, tokenizer_config.json and, unless that \
         holds the chat template, chat_template.jinja"
    )]
    MissingFile,
    /// The file cannot be read.
    #[error("not readable")]
    Io(#[source] io::Error),
    /// The file is not the JSON that its name promises.
    #[error("not the expected JSON")]
    Json(#[source] serde_json::Error),
    /// A key of `config.json` has a value that this decoder does not compute.
    #[error("`{key}` is {found}, but this decoder needs {needs}")]
    Unsupported {
        /// The key, as `config.json` spells it.
        key: &'static str,
        /// Its value.
        found: String,
        /// The values that work.
        needs: &'static str,
    },
    /// A key of `config.json` is missing.
    #[error("`{key}` is missing")]
    MissingKey {
        /// The key, as `config.json` spells it.
        key: &'static str,
    },
    /// The weight file is damaged or cut off.
    #[error("not a whole safetensors file")]
    Safetensors(#[source] safetensors::SafeTensorError),
    /// No file has this tensor.
    #[error("tensor `{name}` is missing")]
    MissingTensor {
        /// The tensor's full name.
        name: String,
    },
    /// A tensor does not fit `config.json`.
    #[error("tensor `{name}` has shape {found:?}, but config.json asks for {expected:?}")]
    Shape {
        /// The tensor's full name.
        name: String,
        /// The shape in the file.
        found: Vec<usize>,
        /// The shape that `config.json` asks for.
        expected: Vec<usize>,
    },
    /// A tensor has a number type that is not read.
    #[error("tensor `{name}` holds {found}; convert the weights to bfloat16 or float32")]
    Dtype {
        /// The tensor's full name.
        name: String,
        /// Its number type.
        found: String,
    },
    /// A tensor holds infinities or not-a-numbers.
    #[error("tensor `{name}` holds a value that is not finite")]
    NotFinite {
        /// The tensor's full name.
        name: String,
    },
    /// Two files have a tensor of the same name.
    #[error("tensor `{name}` is also in another file of this directory")]
    DuplicateTensor {
        /// The tensor's full name.
        name: String,
    },
    /// The files hold tensors that this decoder has no place for.
    #[error("tensor `{first}` has no place in this decoder ({count} such in all)")]
    UnusedTensors {
        /// The first of them by name.
        first: String,
        /// How many there are.
        count: usize,
    },
    /// The tokenizer cannot be built, or the tokenizer's library refuses it.
    #[error("not a usable tokenizer: {0}")]
    Tokenizer(String),
    /// The tokenizer knows tokens that the embedding has no row for.
    #[error(
        "the tokenizer has token {token_max}, but the vocabulary of config.json ends before {vocab}"
    )]
    Vocabulary {
        /// The largest token of the tokenizer.
        token_max: u32,
        /// The number of rows of the embedding.
        vocab: usize,
    },
    /// Neither `chat_template.jinja` nor `tokenizer_config.json` has a chat template.
    #[error(
        "no chat template, neither here nor in chat_template.jinja; a reward model needs its own"
    )]
    NoChatTemplate,
    /// The chat template is not valid.
    #[error("the chat template is not valid: {0}")]
    Template(String),
    /// The weights have a language-model head where one number was asked for.
    #[error("the head gives one number per token of the vocabulary, not one score")]
    NotAScorer,
    /// The weights have a head for one number where a policy was asked for.
    #[error("the head gives one score, not one number per token of the vocabulary")]
    NotAPolicy,
}

impl From<io::Error> for LoadErrorKind {
    fn from(error: io::Error) -> Self {
        let missing = error.kind() == io::ErrorKind::NotFound;
        if missing { Self::MissingFile } else { Self::Io(error) }
    }
}

/// A candidate of a group could not be scored.
#[derive(Debug, thiserror::Error)]
#[error("candidate {index}")]
pub struct GroupError {
    /// Which candidate, counted from 0.
    pub index: usize,
    /// Why.
    pub source: ScoreError,
}

/// Why an item has no score.
#[derive(Debug, thiserror::Error)]
pub enum ScoreError {
    /// The item is longer than allowed, and the policy trims nothing or too little would be left.
    #[error("{tokens} tokens, more than the {tokens_max} allowed")]
    TooLong {
        /// Tokens of the whole item, prompt included.
        tokens: usize,
        /// The limit.
        tokens_max: usize,
    },
    /// There is no program to judge: it is empty or blank.
    #[error("the program is empty")]
    NoProgram,
    /// The template made no token of this item.
    #[error("the chat template makes no token")]
    Empty,
    /// The chat template refused the messages.
    #[error("the chat template failed: {0}")]
    Template(String),
    /// The tokenizer refused the text.
    #[error("the tokenizer failed: {0}")]
    Tokenizer(String),
    /// The score is infinite or not a number: the weights or the arithmetic are broken.
    #[error("the score is not finite; the weights are probably damaged")]
    NotFinite,
}
