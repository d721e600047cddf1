//! Conversations answered by a method: what the server's `/v1/chat/completions` does.

use std::{
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use clap::Args;
use codescaler::{
    example::examples,
    language::Language,
    problem::{Problem, Tests},
    record::Extra,
};
use codescaler_extract::Policy;
use codescaler_http::{ChatAnswer, ChatAsk, ChatFailure, ChatMessage, Role, Usage};
use codescaler_sandbox::Sandbox;
use codescaler_search::{Budget, Engine, Method, Outcome, Task};
use serde_json::json;

use super::{
    answers::Answers,
    crew::{self, Crew},
    endpoints::{EndpointOptions, Writers},
    read_prompts,
};
use crate::{exec::Bounds, failure::Failure, score::Scorer};

/// Who answers conversations, and how.
#[derive(Args)]
#[command(next_help_heading = "Conversations")]
pub(crate) struct ProxyOptions {
    /// The method by which conversations are answered, where a request names none.
    #[arg(long, default_value = "codescaler_run")]
    method: Method,
    /// Conversations that are answered at once; more are told to come again.
    #[arg(long, default_value_t = 8)]
    chats_max: usize,
    #[command(flatten)]
    endpoints: EndpointOptions,
}

impl ProxyOptions {
    /// Whether there is anybody to ask.
    pub(crate) fn asks_anybody(&self) -> bool {
        self.endpoints.asks_anybody()
    }
}

/// Answers conversations, several at once.
pub(crate) struct Proxy {
    /// Language models for as many conversations as may go on; replies come to who asked.
    seats: Mutex<Vec<Writers<'static>>>,
    n_seats: usize,
    method: Method,
    scorer: Arc<Scorer>,
    sandbox: Arc<Sandbox>,
    slots: usize,
    policy: Policy,
}

impl Proxy {
    pub(crate) fn open(
        options: &ProxyOptions,
        (scorer, sandbox, slots): (&Arc<Scorer>, &Arc<Sandbox>, usize),
        policy: Policy,
    ) -> Result<Proxy, Failure> {
        let first = options.endpoints.ask()?;
        // A decoder of our own is loaded once.
        let n_seats = if first.is_here() { 1 } else { options.chats_max.max(1) };
        let mut seats = vec![Writers::Asked(Box::new(first))];
        while seats.len() < n_seats {
            seats.push(Writers::Asked(Box::new(options.endpoints.ask()?)));
        }
        Ok(Proxy {
            seats: Mutex::new(seats),
            n_seats,
            method: options.method.clone(),
            scorer: Arc::clone(scorer),
            sandbox: Arc::clone(sandbox),
            slots,
            policy,
        })
    }

    /// How many conversations may go on.
    pub(crate) fn seats(&self) -> usize {
        self.n_seats
    }

    /// Answers a conversation; `watch` hears how far it is, and may break.
    pub(crate) fn answer(
        &self,
        ask: &ChatAsk,
        watch: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<ChatAnswer, ChatFailure> {
        let method = self.method(ask)?;
        let prompts = read_prompts(None).map_err(upstream)?;
        let seat = self.seats.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let writers = seat.ok_or(ChatFailure::Busy)?;
        if let (Some(named), Some(asked)) = (&ask.language_model, writers.asked())
            && !asked.names().contains(named)
        {
            let text = format!("{named:?} is not asked here, {:?} is", asked.names());
            self.seat(writers);
            return Err(ChatFailure::Request(text));
        }
        if let Err(text) = writers.expect_for(&method, ask.budget.usd_max.is_some()) {
            self.seat(writers);
            return Err(ChatFailure::Request(text));
        }
        let crew = Crew {
            writers: &writers,
            sandbox: &self.sandbox,
            slots: self.slots,
            bounds: Bounds::default(),
            scorer: &self.scorer,
            prompts,
            policy: self.policy,
            seed: ask.seed,
            deadline: ask.budget.seconds_max.map(|s| Instant::now() + Duration::from_secs(s)),
        };
        let answer = search(&crew, &method, ask, watch);
        self.seat(writers);
        answer
    }

    fn seat(&self, writers: Writers<'static>) {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner).push(writers);
    }

    /// The method that is asked for, with the number of candidates that is asked for.
    fn method(&self, ask: &ChatAsk) -> Result<Method, ChatFailure> {
        let named = match ask.method.as_str() {
            "" => Ok(self.method.clone()),
            name => name.parse::<Method>(),
        };
        let fail = |error| ChatFailure::Request(format!("codescaler.strategy: {error}"));
        let method = named.map_err(fail)?;
        match ask.n {
            None => Ok(method),
            Some(n) => method.with_samples(n).map_err(fail),
        }
    }
}

fn search(
    crew: &Crew<'_>,
    method: &Method,
    ask: &ChatAsk,
    watch: &mut dyn FnMut(&str) -> ControlFlow<()>,
) -> Result<ChatAnswer, ChatFailure> {
    let problem = problem(&ask.messages)?;
    let tasks = [Task::of(&problem)];
    let budget = Budget {
        tokens_out_max: ask.budget.tokens_max,
        usd_max: ask.budget.usd_max,
        ..Budget::default()
    };
    let searches = vec![(tasks[0].clone(), method.clone())];
    let mut engine = Engine::new(searches, (budget, Budget::default()), ask.seed);
    let mut answers = Answers::in_memory();
    let mut found = None;
    let worked = crew::work_watched(
        crew,
        &mut engine,
        (&tasks, &mut answers),
        &mut |engine| {
            let spent = engine.spent();
            let progress = format!(
                "{} samples, {} programs run, {} scored",
                spent.samples, spent.executions, spent.scores
            );
            watch(&progress).is_continue()
        },
        &mut |engine, solved| {
            let text = chosen(&solved.outcome, engine);
            found = Some((solved.outcome, text, solved.refused));
            Ok(())
        },
    );
    worked.map_err(upstream)?;
    let (outcome, text, refused) = found.ok_or(ChatFailure::Cancelled)?;
    let notes: Vec<String> = refused
        .iter()
        .map(|(why, n)| format!("{n} questions without an answer: {why}"))
        .chain(outcome.notes.iter().cloned())
        .collect();
    let (Some(chosen), Some(text)) = (outcome.chosen, text) else {
        return Err(ChatFailure::Upstream(format!("no program was found: {}", notes.join("; "))));
    };
    let spent = engine.spent();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Ok(ChatAnswer {
        text,
        chosen: (count(chosen), count(outcome.candidates.len())),
        usage: Usage {
            prompt_tokens: spent.tokens_in,
            completion_tokens: spent.tokens_out,
            ..Usage::default()
        },
        details: Extra::from_iter([
            ("method".to_owned(), json!(method.to_string())),
            ("ties".to_owned(), json!(outcome.ties)),
            ("cost".to_owned(), json!(spent)),
            ("notes".to_owned(), json!(notes)),
        ]),
    })
}

fn upstream(failure: Failure) -> ChatFailure {
    match failure {
        Failure::Interrupted => ChatFailure::Cancelled,
        Failure::Input(error) | Failure::Fault(error) => {
            ChatFailure::Upstream(format!("{error:#}"))
        }
    }
}

/// The chosen program, as an answer to a person.
fn chosen(outcome: &Outcome, engine: &Engine) -> Option<String> {
    let program = engine.known(0).text((*outcome.candidates.get(outcome.chosen?)?)?);
    let language = engine.task(0).problem().language;
    Some(format!("```{}\n{}\n```", language.name(), program.trim_end()))
}

/// The conversation as a problem: what the user said, and before it, where there was more, who said
/// what. Its examples are the visible tests.
fn problem(messages: &[ChatMessage]) -> Result<Problem, ChatFailure> {
    let statement = match messages {
        [] => return Err(ChatFailure::Request("messages: there is none".to_owned())),
        [only] => only.content.clone(),
        several => {
            let turn = |message: &ChatMessage| {
                let who = match message.role {
                    Role::System => "System",
                    Role::User => "User",
                    Role::Assistant => "Assistant",
                };
                format!("{who}: {}", message.content)
            };
            several.iter().map(turn).collect::<Vec<_>>().join("\n\n")
        }
    };
    let tests = Tests { visible: examples(&statement), hidden: Vec::new() };
    Ok(Problem { tests, ..Problem::asked("chat".to_owned(), statement, Language::Python) })
}
