//! What is asked, what comes back, and why nothing came back.

use codescaler::reasoning::{Stop, Trim};
use thiserror::Error;

/// Who says a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Standing instructions.
    System,
    /// The one who asks.
    User,
    /// The language model.
    Assistant,
}

impl Role {
    /// The name, as conversations in JSON have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
        }
    }
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatMessage {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub content: String,
}

/// What is asked of an endpoint. What is `None`, empty or false is not sent, and the server decides.
#[derive(Clone, Debug, PartialEq)]
pub struct ChatRequest {
    /// The conversation so far.
    pub messages: Vec<ChatMessage>,
    /// How many choices are wanted. With none wanted, nothing is asked.
    pub n: usize,
    /// How much chance is in the choice of tokens.
    pub temperature: Option<f64>,
    /// The probability mass that tokens are chosen from.
    pub top_p: Option<f64>,
    /// How many tokens a choice may have, at most.
    pub tokens_max: Option<u32>,
    /// Seed of the first choice. When choices are asked one by one, choice `i` gets `seed + i`.
    pub seed: Option<u64>,
    /// Texts that end a choice.
    pub stop: Vec<String>,
    /// Whether the log-probabilities of the tokens are wanted.
    pub logprobs: bool,
    /// Whether the last message, the language model's own, is the beginning of the choice. Servers
    /// that do not know how begin anew, and nothing tells; with `Route::Completions` all know.
    pub continues: bool,
    /// When to stop a reasoning before its end. It is then read as it is written, one choice a
    /// request, and the connection is closed where it is to stop.
    pub trim: Option<Trim>,
    /// Nothing is to be written: how likely are so many bytes at the end of the last message? The
    /// log-probability of these is then that of the choice, whose text is empty. Of servers, vLLM
    /// knows; with `Route::Completions` those that echo a text.
    pub weigh: Option<usize>,
}

impl ChatRequest {
    /// One choice for these messages; everything else is left to the server.
    #[must_use]
    pub fn new(messages: Vec<ChatMessage>) -> Self {
        ChatRequest {
            messages,
            n: 1,
            temperature: None,
            top_p: None,
            tokens_max: None,
            seed: None,
            stop: Vec::new(),
            logprobs: false,
            continues: false,
            trim: None,
            weigh: None,
        }
    }
}

/// Why a choice ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The language model ended it, or one of the texts in `stop` did.
    Stop,
    /// It came to the limit of tokens.
    Length,
    /// The server filtered it, or the language model refused.
    ContentFilter,
    /// What else the server says; empty when it says nothing.
    Other(String),
}

/// One completion.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// The completion; empty when there is none.
    pub text: String,
    /// The thoughts before it, when the server gives them apart.
    pub reasoning: Option<String>,
    /// Why it ended.
    pub finish: Finish,
    /// The sum of the log-probabilities of its tokens, when every token has a finite one.
    pub logprob_sum: Option<f64>,
    /// How many tokens have a log-probability.
    pub tokens: Option<u32>,
    /// Where its reasoning was stopped, where it was; what came behind that is not here.
    pub trimmed: Option<Stop>,
}

impl Choice {
    /// One in which there is nothing.
    pub(crate) fn empty() -> Choice {
        Choice {
            text: String::new(),
            reasoning: None,
            finish: Finish::Other(String::new()),
            logprob_sum: None,
            tokens: None,
            trimmed: None,
        }
    }
}

/// What a reply cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the conversation, for every time that it was sent and answered.
    pub prompt_tokens: u64,
    /// Tokens of all choices, thoughts included.
    pub completion_tokens: u64,
    /// How many of the prompt's tokens the server had kept, when it says so.
    pub cached_tokens: Option<u64>,
    /// Whether the server did not say and a token is taken for four bytes.
    pub is_estimated: bool,
}

/// What came back for a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reply {
    /// The choices, at most as many as were wanted.
    pub choices: Vec<Choice>,
    /// Why there are fewer choices than wanted, if there are.
    pub shortfall: Option<ChatError>,
    /// What all of it cost.
    pub usage: Usage,
    /// How many HTTP requests were sent, vain ones included.
    pub attempts: u32,
    /// From the end of the wait in the queue to the last byte, waits between attempts included.
    pub wall_ms: f64,
}

/// A request that was not answered: where, after how many attempts, and why.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("{endpoint}: {fault} (attempts: {attempts})")]
pub struct ChatError {
    /// The base URL of the endpoint.
    pub endpoint: String,
    /// How many HTTP requests were sent for this, the last one included.
    pub attempts: u32,
    /// What went wrong with the last one.
    pub fault: ChatFault,
}

/// Why a request was not answered.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum ChatFault {
    /// There is no connection, or it broke.
    #[error("no connection, or it broke: {what}; check that the server runs and the base URL")]
    Connect {
        /// What the network says.
        what: String,
    },
    /// The answer was not there in time.
    #[error("no answer within {timeout_ms} ms; allow more time, fewer tokens, or fewer at once")]
    Timeout {
        /// The time that one attempt was given.
        timeout_ms: u64,
    },
    /// The server answered with an error.
    #[error("status {code}: {message}; {}", what_to_do(*.code))]
    Status {
        /// The HTTP status.
        code: u16,
        /// What the server says about it, without the key.
        message: String,
    },
    /// The conversation and the wanted tokens are more than the language model can hold.
    #[error("the context is exceeded: {message}; shorten the messages or want fewer tokens")]
    ContextOverflow {
        /// What the server says about it.
        message: String,
    },
    /// The answer is not a completion.
    #[error("not a completion: {what}; check that the base URL ends where the API begins")]
    Malformed {
        /// What is wrong with it.
        what: String,
    },
    /// The answer holds no choice.
    #[error("an answer without choices; look into the log of the server")]
    NoChoices,
    /// The language model or its server does not want to answer this.
    #[error("refused: {message}; change the messages")]
    Refused {
        /// What is said about it.
        message: String,
    },
}

fn what_to_do(code: u16) -> &'static str {
    match code {
        401 | 403 => "check the key",
        300..=399 | 404 => "check the base URL and the wire name",
        408 | 409 | 425 | 429 => "send less at once, or allow more attempts",
        500.. => "look into the log of the server",
        _ => "change the request",
    }
}
