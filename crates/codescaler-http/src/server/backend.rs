//! What stands behind the routes: whoever scores, runs and searches.

use std::{ops::ControlFlow, sync::Arc, time::Instant};

use codescaler::{
    execution::{Fault, Verdict},
    language::Language,
    problem::{Limits, Problem},
    score::{Score, Trimmed},
    shaping::Shaping,
};
use serde_json::{Map, Value};

use crate::{
    chat::{ChatMessage, Usage},
    scorers::Scorers,
};

/// Does the work. Everything blocks, and is called from many threads.
pub trait Backend: Send + Sync + 'static {
    /// What it is and can do.
    fn about(&self) -> &About;

    /// Judges a batch: `give` gets each item's place and judgement once, as soon as it is known. An
    /// item that gets none has met a fault. A break means that nobody waits for the rest, and nobody
    /// does after `until`.
    fn score(
        &self,
        batch: &[&Ask],
        until: Instant,
        give: &mut dyn FnMut(usize, Judgement) -> ControlFlow<()>,
    );

    /// Those elsewhere who score for it, where it does not do that itself.
    fn scorers(&self) -> Option<&Scorers> {
        None
    }

    /// The page for people at a path below `/ui`; `None` where there is none.
    ///
    /// # Errors
    /// When it cannot be made, with what to tell the person.
    fn page(&self, _path: &str) -> Result<Option<Page>, String> {
        Ok(None)
    }

    /// Runs a program on its tests; asked only where [`About::protection`] says that it may.
    ///
    /// # Errors
    /// A fault is ours, and says nothing of the program.
    fn judge(&self, job: &Judging) -> Result<Judged, Fault>;

    /// Runs a program as it stands; asked only where [`About::protection`] says that it may.
    ///
    /// # Errors
    /// A fault is ours, and says nothing of the program.
    fn run_code(&self, job: &RunCode) -> Result<Ran, Fault>;

    /// Finds an answer to a conversation with a method; `watch` is told again and again how far it is,
    /// whether that is news or not, and may break.
    ///
    /// # Errors
    /// When no answer was found, with what to tell the client.
    fn chat(
        &self,
        ask: &ChatAsk,
        watch: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<ChatAnswer, ChatFailure>;
}

/// What a backend is and can do.
#[derive(Clone, Debug)]
pub struct About {
    /// The name of the reward model, which clients may give and get back.
    pub name: String,
    /// The fingerprint of its weights.
    pub fingerprint: String,
    /// Everything that scores depend on.
    pub provenance: Map<String, Value>,
    /// The longest item, in tokens; 0 where there is no such bound.
    pub tokens_max: usize,
    /// Whether it reads texts as they stand: [`Ask::Text`], [`Ask::Tokens`], [`Ask::Conversation`].
    pub reads_texts: bool,
    /// The names of ways to find the program in a completion.
    pub policies: Vec<String>,
    /// How scores become rewards where a request says nothing.
    pub shaping: Shaping,
    /// The level of protection at which it runs programs; `None` where it runs none.
    pub protection: Option<String>,
    /// The methods by which it answers conversations; none where it answers none.
    pub methods: Vec<String>,
    /// How many items it scores well at once, in bytes of text.
    pub batch_bytes: usize,
    /// How many batches it scores at once.
    pub batches: usize,
    /// How many programs it runs at once.
    pub slots: usize,
    /// How many conversations it answers at once.
    pub chats: usize,
}

/// A page for people.
#[derive(Clone, Debug)]
pub struct Page {
    /// The page, whole, with a policy that admits no script but its own.
    pub html: String,
    /// Whether there may be another one in a few seconds.
    pub is_live: bool,
    /// Whether it says no more than why what was asked for cannot be shown.
    pub is_refusal: bool,
}

/// What is to be scored.
#[derive(Clone, Debug)]
pub enum Ask {
    /// A completion for a problem: the program is extracted first.
    Response {
        /// The problem.
        problem: Arc<Problem>,
        /// What the language model wrote.
        response: String,
        /// How the program is found; the backend's own way where it is not said.
        policy: Option<String>,
    },
    /// A text as it stands, such as a rendered conversation.
    Text {
        /// The text.
        text: String,
        /// Whether the tokenizer adds the special tokens that it would add by itself.
        add_special_tokens: bool,
    },
    /// Tokens as they stand.
    Tokens(Vec<u32>),
    /// A conversation, to be rendered by the reward model's own template.
    Conversation(Vec<ChatMessage>),
}

impl Ask {
    /// Bytes that items with the same beginning share, and bytes of its own.
    pub(crate) fn bytes(&self) -> (usize, usize) {
        match self {
            Ask::Response { problem, response, policy: _ } => {
                (problem.statement.len() + problem.starter.len(), response.len())
            }
            Ask::Text { text, add_special_tokens: _ } => (0, text.len()),
            Ask::Tokens(tokens) => (0, 4 * tokens.len()),
            Ask::Conversation(messages) => (0, messages.iter().map(|m| m.content.len()).sum()),
        }
    }

    /// What items with the same beginning have in common.
    pub(crate) fn group(&self) -> u64 {
        let head = |text: &str| {
            // Prompts differ early; what comes after does not matter.
            codescaler::seed::digest(&text.as_bytes()[..text.len().min(512)])
        };
        match self {
            Ask::Response { problem, response: _, policy: _ } => {
                codescaler::seed::digest(problem.statement.as_bytes())
            }
            Ask::Text { text, add_special_tokens: _ } => head(text),
            Ask::Tokens(tokens) => {
                let head = tokens.iter().take(128).flat_map(|token| token.to_le_bytes());
                codescaler::seed::digest(&head.collect::<Vec<u8>>())
            }
            Ask::Conversation(messages) => messages.first().map_or(0, |m| head(&m.content)),
        }
    }
}

/// What came of scoring an item.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// The score, or why there is none.
    pub outcome: Outcome,
    /// The program that was found.
    pub program: Option<String>,
    /// How it was found, by name.
    pub notes: Vec<String>,
    /// Tokens that the reward model read.
    pub tokens: u64,
    /// What it did not get to read.
    pub trimmed: Option<Trimmed>,
}

/// A score, or which of three reasons there is for none.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// A raw logit.
    Scored(Score),
    /// The response has no program: a property of the response.
    Invalid(String),
    /// It is longer than the reward model reads.
    TooLong(String),
    /// We failed: nothing is known of the response.
    Fault(String),
}

impl Judgement {
    /// A judgement that says only this.
    pub fn of(outcome: Outcome) -> Judgement {
        Judgement { outcome, program: None, notes: Vec::new(), tokens: 0, trimmed: None }
    }
}

/// A program, or a completion that holds one, and the tests it is to be run on.
#[derive(Clone, Debug)]
pub struct Judging {
    /// With the tests to run as its visible ones.
    pub problem: Problem,
    /// The program itself, or a completion from which it is extracted.
    pub code: Code,
    /// Whether tests after the first failure are left out.
    pub stop_at_first_failure: bool,
}

/// Where a program comes from.
#[derive(Clone, Debug)]
pub enum Code {
    /// As it stands.
    Program(String),
    /// Somewhere in here.
    Completion {
        /// What the language model wrote.
        text: String,
        /// How the program is found; the backend's own way where it is not said.
        policy: Option<String>,
    },
}

/// What came of running a program on its tests.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The program that was run, or why there was none.
    pub program: Result<String, String>,
    /// One per test, in order; none without a program.
    pub verdicts: Vec<Verdict>,
    /// CPU time, milliseconds.
    pub cpu_ms: f64,
}

impl Judged {
    /// Whether there were tests and all passed; `None` where a test is undecided.
    pub fn passed(&self) -> Option<bool> {
        let decided: Option<Vec<bool>> = self.verdicts.iter().map(|v| v.passed()).collect();
        let failed = self.verdicts.iter().any(|verdict| verdict.passed() == Some(false));
        match decided {
            _ if self.program.is_err() || failed => Some(false),
            Some(all) if !all.is_empty() => Some(true),
            _ => None,
        }
    }
}

/// A whole program with its input.
#[derive(Clone, Debug)]
pub struct RunCode {
    /// The program.
    pub code: String,
    /// Its language.
    pub language: Language,
    /// All of standard input.
    pub stdin: String,
    /// Bounds.
    pub limits: Limits,
}

/// What a whole program did.
#[derive(Clone, Debug)]
pub struct Ran {
    /// What the compiler said where it did not like the program.
    pub compile_error: Option<String>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Its exit status; minus the signal where one ended it.
    pub return_code: Option<i32>,
    /// Whether it was ended for time.
    pub is_over_time: bool,
    /// CPU time, milliseconds.
    pub cpu_ms: f64,
}

/// A conversation to be answered by a method.
#[derive(Clone, Debug)]
pub struct ChatAsk {
    /// The conversation, whose last user turn is the problem.
    pub messages: Vec<ChatMessage>,
    /// The method, with its parameters.
    pub method: String,
    /// Which language model, where the client names one.
    pub language_model: Option<String>,
    /// How many samples, where the client says.
    pub n: Option<u32>,
    /// Seeds what is drawn.
    pub seed: u64,
    /// What the answer may cost.
    pub budget: ChatBudget,
}

/// What an answer may cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ChatBudget {
    /// Tokens that language models write.
    pub tokens_max: Option<u64>,
    /// US dollars.
    pub usd_max: Option<f64>,
    /// Seconds.
    pub seconds_max: Option<u64>,
}

/// The answer that a method chose.
#[derive(Clone, Debug)]
pub struct ChatAnswer {
    /// What the language model wrote.
    pub text: String,
    /// Which candidate that was, and of how many.
    pub chosen: (u32, u32),
    /// What all candidates took together.
    pub usage: Usage,
    /// What the client may want to know: scores, costs, notes.
    pub details: Map<String, Value>,
}

/// Why a conversation got no answer.
#[derive(Clone, Debug)]
pub enum ChatFailure {
    /// The request asks for what there is not: a method, a language model, a parameter.
    Request(String),
    /// Those behind us failed.
    Upstream(String),
    /// There is no room now.
    Busy,
    /// The client has gone.
    Cancelled,
}
