//! Completions of OpenAI-compatible servers, of conversations or of plain texts, asked from blocking
//! code.
//!
//! A [`Client`] owns some [`Endpoint`]s. [`Client::submit`] queues a [`ChatRequest`] under a ticket
//! of the caller and never blocks; [`Client::receive`] gives back tickets with a [`Reply`] or a
//! [`ChatError`], in the order in which they were answered; [`Client::cancel`] lets go of a ticket
//! and closes its connection, so that the server stops generating.
//!
//! Servers differ. What an endpoint ignores or rejects is found out once, worked around, and
//! remembered in its [`Capabilities`]. How often and when a request is tried again is bounded per
//! request ([`Retries`]) and per client ([`RETRY_PERCENT_MAX`]).
//!
//! [`Scorers`] are reward models behind other servers, asked as one.
//!
//! The environment is not asked: keys are passed in, and proxies are not used. (But for the exporter
//! of spans, which reads OpenTelemetry's own variables.)

mod answer;
mod body;
mod capabilities;
mod chat;
mod client;
mod completions;
mod connection;
mod endpoint;
mod lane;
mod load;
mod retry;
mod scorers;
mod server;
mod stream;

pub use crate::{
    capabilities::{Capabilities, Support},
    chat::{ChatError, ChatFault, ChatMessage, ChatRequest, Choice, Finish, Reply, Role, Usage},
    client::Client,
    endpoint::{ApiKey, ClientError, Endpoint, Retries, Route, TokensParameter},
    load::{Load, Loaded},
    retry::{RETRY_FLOOR, RETRY_PERCENT_MAX},
    scorers::{
        Heard, Protocol, Reading, Render, ScorerState, Scorers, ScorersError, ScorersOptions,
    },
    server::{
        About, Ask, Backend, ChatAnswer, ChatAsk, ChatBudget, ChatFailure, Code, Judged, Judgement,
        Judging, Outcome, Page, Ran, RunCode, Server, ServerBounds, ServerError, ServerOptions,
    },
};
