//! Test-time scaling: a problem, a language model, a budget; out comes the best program that this
//! budget can find.
//!
//! A method ([`Method`]) is a pure function: from what has been answered so far to questions that
//! it wants answered next, or to its choice. It does no IO, sees no clock and keeps no state: the
//! answers are the state ([`Known`]), so that a search that was killed goes on from a file of
//! answers, and a second method over the same samples asks only what is new. [`Engine`] holds the
//! searches of all problems at once, hands their questions to whoever can answer them, and spends
//! nothing that the budget does not allow.
//!
//! ```text
//! Method ── wants ─► Question ── Engine (budget) ─► worker: language model, sandbox, reward model
//!    ▲                                                  │
//!    └────────────── Known ◄── Answer, Cost ────────────┘
//! ```
//!
//! Read in this order: [`Task`] (what a method may see), `ask` (questions and answers), `prompt` (what
//! language models are told), `budget`, `engine`, then the methods, one file each.
//!
//! Nothing here does IO; there are no threads, no async and no unsafe code.

mod allocate;
mod ask;
mod budget;
mod engine;
mod method;
mod prompt;
mod reply;
mod task;

pub use allocate::allocate;
pub use ask::{
    Answer, Ask, Asked, Cases, Cell, Chat, Digest, Known, PRINTED_CHARS_MAX, Pending, Question,
    Refusal, Reply, Sampling, all,
};
pub use budget::{Budget, Cost, Resource};
pub use engine::{Desk, Engine, Solved, Ticket, Work, Worker};
pub use method::{
    Bin, Feature, Method, MethodError, Outcome, PRESETS, Preset, Route, Table, Tried, assign,
};
pub use prompt::{Message, Prompt, PromptError, Prompts, Role, Speaker, shortened};
pub use reply::{Preferred, preferred, tests as read_tests};
pub use task::Task;

#[cfg(test)]
mod tests;
