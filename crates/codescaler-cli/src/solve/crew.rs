//! Everybody who answers questions, and the loop that keeps them busy.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{
        Mutex,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use codescaler::{
    candidate::Candidate,
    execution::Fault,
    language::Language,
    problem::{Entry, Problem},
    reasoning::{Stop, Watch},
    score::Score,
};
use codescaler_extract::Policy;
use codescaler_http::{ChatError, ChatMessage, ChatRequest, Finish};
use codescaler_reward::{beginning_of, program_of};
use codescaler_sandbox::{Run, Sandbox};
use codescaler_search::{
    Answer, Cases, Chat, Cost, Desk, Engine, Known, Prompt, Prompts, Question, Refusal, Reply,
    Resource, Role, Solved, Speaker, Task, Ticket, Work, Worker,
};

use super::{
    answers::Answers,
    endpoints::{Asked, Price, Voice, Writers},
    letters::Letters,
    workers::{
        OwnedCases, ToRun, ToScore, ToWrite, bare, pass_on, ran, run_programs, score_programs,
        write_programs,
    },
};
use crate::{exec::Bounds, failure::Failure, score::Scorer, terminal::check_interrupt};

/// What all searches share.
pub(super) struct Crew<'a> {
    pub(super) writers: &'a Writers<'a>,
    pub(super) sandbox: &'a Sandbox,
    pub(super) slots: usize,
    pub(super) bounds: Bounds,
    pub(super) scorer: &'a Scorer,
    pub(super) prompts: Prompts,
    pub(super) policy: Policy,
    pub(super) seed: u64,
    /// When to ask nothing any more.
    pub(super) deadline: Option<Instant>,
}

/// Programs that the reward model gets at once.
const SCORED_AT_ONCE: usize = 256;

/// What somebody found out.
pub(super) enum Event {
    Ran(Ticket, Result<Run, Fault>),
    Scored(Vec<Ticket>, Result<Vec<Option<Score>>, Failure>),
    Wrote(Ticket, Result<codescaler_http::Reply, ChatError>),
    /// Nothing: the sender wants to know whether anybody still listens.
    Nothing,
}

/// Works until every problem is solved; `done` takes them as they come.
pub(super) fn work(
    crew: &Crew<'_>,
    engine: &mut Engine,
    (tasks, answers): (&[Task], &mut Answers),
    done: &mut dyn FnMut(&Engine, Solved) -> Result<(), Failure>,
) -> Result<(), Failure> {
    work_watched(crew, engine, (tasks, answers), &mut |_| true, done)
}

/// As [`work`]; `goes_on` is asked again and again, and ends the work as an interrupt does.
pub(super) fn work_watched(
    crew: &Crew<'_>,
    engine: &mut Engine,
    (tasks, answers): (&[Task], &mut Answers),
    goes_on: &mut dyn FnMut(&Engine) -> bool,
    done: &mut dyn FnMut(&Engine, Solved) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (events, heard) = mpsc::channel();
    let (to_sandbox, sandbox_queue) = mpsc::channel::<ToRun>();
    let (to_scorer, scorer_queue) = mpsc::channel::<ToScore>();
    let (to_writer, writer_queue) = mpsc::channel::<ToWrite>();
    let sandbox_queue = Mutex::new(sandbox_queue);
    let writer_queue = Mutex::new(writer_queue);
    thread::scope(|scope| {
        for _ in 0..crew.slots {
            let (queue, events) = (&sandbox_queue, events.clone());
            scope.spawn(move || run_programs(crew, tasks, queue, &events));
        }
        scope.spawn({
            let events = events.clone();
            move || score_programs(crew, tasks, scorer_queue, &events)
        });
        if let Some(client) = crew.writers.client() {
            let events = events.clone();
            scope.spawn(move || pass_on(client, &events));
        }
        for policy in crew.writers.decoders() {
            let (queue, events) = (&writer_queue, events.clone());
            scope.spawn(move || write_programs(policy, queue, &events));
        }
        drop(events);
        let desk = FrontDesk { crew, answers, about: BTreeMap::new() };
        let busy = Busy::default();
        let letters = Letters::default();
        let shift = Shift { crew, desk, busy, to_sandbox, to_scorer, to_writer, letters };
        // The channel ends with this call, and with it everybody who sends into it.
        shift.until_done(engine, heard, goes_on, done)
    })
}

/// How many questions each worker has.
#[derive(Default)]
struct Busy {
    by_role: BTreeMap<Role, usize>,
    sandbox: usize,
    scorer: usize,
}

/// The loop's own state.
struct Shift<'a, 'b> {
    crew: &'a Crew<'b>,
    desk: FrontDesk<'a, 'b>,
    busy: Busy,
    to_sandbox: Sender<ToRun>,
    to_scorer: Sender<ToScore>,
    to_writer: Sender<ToWrite>,
    letters: Letters,
}

/// Whatever ends the work: requests that are under way are let go of, or whoever uses the client
/// next would have their replies.
impl Drop for Shift<'_, '_> {
    fn drop(&mut self) {
        if let Some(client) = self.crew.writers.client() {
            self.letters.cancel_all(client);
        }
    }
}

impl Shift<'_, '_> {
    fn until_done(
        mut self,
        engine: &mut Engine,
        heard: Receiver<Event>,
        goes_on: &mut dyn FnMut(&Engine) -> bool,
        done: &mut dyn FnMut(&Engine, Solved) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        loop {
            check_interrupt()?;
            if !goes_on(engine) {
                return Err(Failure::Interrupted);
            }
            self.hand_out(engine)?;
            for ticket in engine.cancelled() {
                self.cancel(engine, ticket);
            }
            for solved in engine.solved() {
                done(engine, solved)?;
            }
            if engine.is_done() && engine.n_in_flight() == 0 {
                return Ok(());
            }
            if self.crew.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                engine.stop(Refusal::Budget(Resource::WallTime));
            }
            match heard.recv_timeout(Duration::from_millis(100)) {
                Ok(event) => self.hear(engine, event)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::fault(
                        anyhow::anyhow!("every worker has ended"),
                        "the search cannot go on",
                    ));
                }
            }
            while let Ok(event) = heard.try_recv() {
                self.hear(engine, event)?;
            }
        }
    }

    /// Gives questions to whoever is free.
    fn hand_out(&mut self, engine: &mut Engine) -> Result<(), Failure> {
        let mut to_score = ToScore::new();
        loop {
            let free = self.free(to_score.len());
            let Some(Work { ticket, problem, question }) = engine.next(&free, &mut self.desk)
            else {
                break;
            };
            let known = engine.known(problem);
            self.desk.remember(ticket, engine.task(problem), known, &question);
            match question {
                Question::Run { program, cases } => {
                    let cases = match cases {
                        Cases::Visible => {
                            let tests = &engine.task(problem).problem().tests.visible;
                            OwnedCases::Tests(tests.clone())
                        }
                        Cases::Tests(tests) => OwnedCases::Tests(known.tests(tests).to_vec()),
                        Cases::Inputs(inputs) => OwnedCases::Inputs(known.inputs(inputs).to_vec()),
                        Cases::Printed => OwnedCases::Printed,
                    };
                    self.busy.sandbox += 1;
                    let program = known.text(program).to_owned();
                    // Who does not listen any more has said so with an event.
                    drop(self.to_sandbox.send(ToRun { ticket, problem, program, cases }));
                }
                Question::Score { program } => {
                    to_score.push((ticket, problem, known.text(program).to_owned()));
                }
                Question::Chat(chat) => self.write(engine, (ticket, problem), &chat)?,
            }
        }
        if let Some(client) = self.crew.writers.client() {
            self.letters.send(client);
        }
        if !to_score.is_empty() {
            self.busy.scorer = 1;
            drop(self.to_scorer.send(to_score));
        }
        Ok(())
    }

    fn free(&self, to_score: usize) -> Vec<Worker> {
        let mut free = Vec::new();
        for role in Role::ALL {
            let busy = self.busy.by_role.get(&role).copied().unwrap_or(0);
            if busy < self.crew.writers.in_flight_max(role) {
                free.push(Worker::LanguageModel(role));
            }
        }
        // One more than there are slots waits, so that none has to.
        if self.busy.sandbox < 2 * self.crew.slots {
            free.push(Worker::Sandbox);
        }
        if self.busy.scorer == 0 && to_score < SCORED_AT_ONCE {
            free.push(Worker::RewardModel);
        }
        free
    }

    /// Asks a language model, or looks a completion up.
    fn write(
        &mut self,
        engine: &mut Engine,
        (ticket, problem): (Ticket, usize),
        chat: &Chat,
    ) -> Result<(), Failure> {
        let task = engine.task(problem);
        if let Writers::Recorded(recorded) = &self.crew.writers {
            let answer = self.crew.recorded(recorded, task, chat);
            return self.answered(engine, ticket, answer);
        }
        let role = chat.prompt.role();
        let messages = self.crew.prompts.render(&chat.prompt, task, engine.known(problem));
        let messages = messages.map_err(|error| Failure::Input(anyhow::Error::new(error)))?;
        let messages = messages.into_iter().map(|message| ChatMessage {
            role: match message.speaker {
                Speaker::System => codescaler_http::Role::System,
                Speaker::User => codescaler_http::Role::User,
                Speaker::Assistant => codescaler_http::Role::Assistant,
            },
            content: message.text,
        });
        let weigh = if let Prompt::Weigh { text, from } = chat.prompt {
            Some(engine.known(problem).text(text).len() - from)
        } else {
            None
        };
        let request = ChatRequest {
            temperature: Some(f64::from(chat.sampling.temperature_milli) / 1000.0),
            tokens_max: Some(chat.sampling.tokens_max),
            seed: Some(self.crew.seed_of(task, chat)),
            logprobs: weigh.is_none(),
            continues: chat.prompt.is_continued(),
            trim: chat.sampling.trim,
            weigh,
            ..ChatRequest::new(messages.collect())
        };
        if let Some(asked) = self.crew.writers.asked() {
            *self.busy.by_role.entry(role).or_default() += 1;
            match &asked.voice {
                Voice::Endpoints(_) => {
                    let which = asked.which(role, chat.index);
                    // A stream is read alone.
                    let alone = chat.sampling.trim.is_some();
                    let to = (which, if alone { 1 } else { asked.choices_max(which) });
                    self.letters.add(to, (ticket, problem), chat, request);
                }
                // Who does not listen any more has said so with an event.
                Voice::Decoder(_) => drop(self.to_writer.send((ticket, request))),
            }
        }
        Ok(())
    }

    fn hear(&mut self, engine: &mut Engine, event: Event) -> Result<(), Failure> {
        match event {
            Event::Ran(ticket, result) => {
                self.busy.sandbox -= 1;
                let prints = self.desk.about.get(&ticket).is_some_and(|about| about.prints);
                self.answered(engine, ticket, ran(result, prints))
            }
            Event::Scored(tickets, scores) => {
                if !tickets.is_empty() {
                    self.busy.scorer = 0;
                }
                let cost = Cost { scores: 1, ..Cost::default() };
                for (ticket, score) in tickets.into_iter().zip(scores?) {
                    self.answered(engine, ticket, (Answer::Score(score), cost))?;
                }
                Ok(())
            }
            Event::Wrote(ticket, reply) => {
                for (ticket, reply) in self.letters.arrived(ticket, reply) {
                    let Some(about) = self.desk.about.get(&ticket) else { continue };
                    let Some((role, price)) = about.writer else { continue };
                    *self.busy.by_role.entry(role).or_default() -= 1;
                    let answer = self.crew.wrote(about, price, reply);
                    self.answered(engine, ticket, answer)?;
                }
                Ok(())
            }
            Event::Nothing => Ok(()),
        }
    }

    /// Stops a request that nobody waits for. What is done here, and has begun, is finished.
    fn cancel(&mut self, engine: &mut Engine, ticket: Ticket) {
        let Some(About { writer: Some((role, price)), .. }) = self.desk.about.get(&ticket) else {
            return;
        };
        let Some(client) = self.crew.writers.client() else { return };
        self.letters.cancel(ticket, client, |other| self.desk.about.contains_key(&other));
        *self.busy.by_role.entry(*role).or_default() -= 1;
        // How much was written until then, nobody says.
        let cost = price.cost(0, 0);
        self.desk.about.remove(&ticket);
        engine.answer(ticket, Answer::Refused(Refusal::Fault("stopped".to_owned())), cost);
    }

    fn answered(
        &mut self,
        engine: &mut Engine,
        ticket: Ticket,
        (answer, cost): (Answer, Cost),
    ) -> Result<(), Failure> {
        let about = self.desk.about.remove(&ticket);
        // What failed is asked again next time.
        let is_answer = !matches!(answer, Answer::Refused(_));
        if is_answer
            && engine.is_wanted(ticket)
            && let Some(About { key: Some(key), words, .. }) = about
        {
            self.desk.answers.add((key, words), &answer, cost)?;
        }
        engine.answer(ticket, answer, cost);
        Ok(())
    }
}

/// Looks answers up, and says what they may cost.
struct FrontDesk<'a, 'b> {
    crew: &'a Crew<'b>,
    answers: &'a mut Answers,
    /// What is worked on.
    about: BTreeMap<Ticket, About>,
}

struct About {
    /// `None` for what is looked up elsewhere.
    key: Option<String>,
    words: String,
    problem: Problem,
    /// The role in which a language model was asked, and its price.
    writer: Option<(Role, Price)>,
    /// What its answer begins with.
    begin: String,
    /// Whether it is to say how likely a text is.
    weighs: bool,
    /// Whether what it prints is wanted.
    prints: bool,
}

impl FrontDesk<'_, '_> {
    fn remember(&mut self, ticket: Ticket, task: &Task, known: &Known, question: &Question) {
        let (writer, words) = match question {
            Question::Chat(chat) => {
                let role = chat.prompt.role();
                let price = |asked: &Asked| asked.price(asked.which(role, chat.index));
                let writer = self.crew.writers.asked().map(|asked| (role, price(asked)));
                (writer, format!("{} {}", chat.prompt.name(), chat.index))
            }
            Question::Run { cases: Cases::Visible, .. } => (None, "visible tests".to_owned()),
            Question::Run { cases: Cases::Tests(_), .. } => (None, "tests".to_owned()),
            Question::Run { cases: Cases::Inputs(_), .. } => (None, "inputs".to_owned()),
            Question::Run { cases: Cases::Printed, .. } => (None, "inputs of a program".to_owned()),
            Question::Score { .. } => (None, "score".to_owned()),
        };
        let begin = match question {
            Question::Chat(chat) => chat.prompt.begin().map(|begin| known.text(begin).to_owned()),
            Question::Run { .. } | Question::Score { .. } => None,
        };
        let begin = begin.unwrap_or_default();
        let is_weighing = |chat: &Chat| matches!(chat.prompt, Prompt::Weigh { .. });
        let weighs = matches!(question, Question::Chat(chat) if is_weighing(chat));
        let prints = matches!(question, Question::Run { cases: Cases::Printed, .. });
        let mut problem = task.problem().clone();
        if matches!(question, Question::Chat(Chat { prompt: Prompt::Maker, .. })) {
            (problem.language, problem.entry) = (Language::Python, Entry::Stdio);
        }
        let words = format!("{}: {words}", problem.id);
        let key = self.crew.key(task, known, question);
        self.about.insert(ticket, About { key, words, problem, writer, begin, weighs, prints });
    }
}

impl Desk for FrontDesk<'_, '_> {
    fn recall(
        &mut self,
        task: &Task,
        known: &Known,
        question: &Question,
    ) -> Option<(Answer, Cost)> {
        self.answers.get(&self.crew.key(task, known, question)?)
    }

    fn cost_max(&mut self, task: &Task, known: &Known, question: &Question) -> Cost {
        match question {
            Question::Score { .. } => Cost { scores: 1, ..Cost::default() },
            Question::Run { cases, .. } => {
                let n_cases = match cases {
                    Cases::Visible => task.problem().tests.visible.len(),
                    Cases::Printed => 1,
                    Cases::Tests(tests) => known.tests(*tests).len(),
                    Cases::Inputs(inputs) => known.inputs(*inputs).len(),
                };
                let cpu_ms =
                    (n_cases as u64 * self.crew.bounds.of(task.problem().limits).cpu_ms_max) as f64;
                Cost { executions: 1, cpu_ms, ..Cost::default() }
            }
            Question::Chat(chat) => {
                let Some(asked) = self.crew.writers.asked() else {
                    return Cost { samples: 1, ..Cost::default() };
                };
                let messages = self.crew.prompts.render(&chat.prompt, task, known);
                let n_bytes: usize =
                    messages.iter().flatten().map(|message| message.text.len()).sum();
                // A token is seldom less than two bytes.
                let tokens_in = n_bytes as u64 / 2 + 64;
                let tokens_out = u64::from(chat.sampling.tokens_max);
                asked.price(asked.which(chat.prompt.role(), chat.index)).cost(tokens_in, tokens_out)
            }
        }
    }
}

impl Crew<'_> {
    fn recorded(
        &self,
        recorded: &BTreeMap<&str, Vec<Candidate>>,
        task: &Task,
        chat: &Chat,
    ) -> (Answer, Cost) {
        let refused = |why: String| (Answer::Refused(Refusal::Unanswerable(why)), Cost::default());
        if !matches!(chat.prompt, Prompt::Draft { plan: None }) {
            return refused(format!("recorded completions do not {}", chat.prompt.name()));
        }
        let own = recorded.get(task.problem().id.as_str()).map_or(&[][..], Vec::as_slice);
        let Some(candidate) = own.get(chat.index as usize) else {
            return refused("there are no more recorded completions".to_owned());
        };
        let mut text = candidate.completion.clone().unwrap_or_default();
        let mut tokens = candidate.tokens.map_or(text.len() as u64 / 4, u64::from);
        let stop = chat.sampling.trim.and_then(|trim| Watch::new(trim).read(&text));
        let program = match &stop {
            None => program_of(candidate, task.problem(), self.policy).ok().map(Cow::into_owned),
            Some(stop) => {
                tokens = tokens * stop.at as u64 / text.len() as u64;
                text.truncate(stop.at);
                self.concluded(task.problem(), stop)
            }
        };
        let reply = Reply {
            logprob_sum: candidate.logprob_sum.filter(|_| stop.is_none()),
            is_whole: stop.is_none(),
            trimmed: stop.map(|stop| stop.why),
            program,
            tokens,
            text,
            ..Reply::default()
        };
        let cost = Cost { samples: 1, tokens_out: tokens, ..Cost::default() };
        (Answer::Reply(reply.into()), cost)
    }

    fn program_in(&self, problem: &Problem, completion: String) -> Option<String> {
        let candidate = bare(problem, Some(completion), None);
        program_of(&candidate, problem, self.policy).ok().map(Cow::into_owned)
    }

    /// The program that a reasoning had come to.
    fn concluded(&self, problem: &Problem, stop: &Stop) -> Option<String> {
        self.program_in(problem, format!("```\n{}```\n", stop.code.as_ref()?))
    }

    /// What an endpoint's answer says.
    fn wrote(
        &self,
        About { problem, begin, weighs, .. }: &About,
        price: Price,
        reply: Result<codescaler_http::Reply, ChatError>,
    ) -> (Answer, Cost) {
        let refused = |why: String| Answer::Refused(Refusal::Fault(why));
        let mut reply = match reply {
            Ok(reply) => reply,
            Err(error) => return (refused(error.to_string()), price.cost(0, 0)),
        };
        let cost = price.cost(reply.usage.prompt_tokens, reply.usage.completion_tokens);
        if reply.choices.is_empty() {
            return (refused("the endpoint gave no choice".to_owned()), cost);
        }
        let choice = reply.choices.swap_remove(0);
        if *weighs && choice.logprob_sum.is_none() {
            // Not kept: another server may say.
            let why = "the endpoint does not say how likely a text is".to_owned();
            return (Answer::Refused(Refusal::Unanswerable(why)), cost);
        }
        let text = format!("{begin}{}", choice.text);
        let is_whole = choice.finish == Finish::Stop;
        let program = match &choice.trimmed {
            None => self.program_in(problem, text.clone()),
            Some(stop) => self.concluded(problem, stop),
        };
        let is_whole = is_whole && choice.trimmed.is_none();
        let reply = Reply {
            program,
            trimmed: choice.trimmed.map(|stop| stop.why),
            beginning: if is_whole { None } else { beginning_of(&text, problem.language) },
            reasoning: choice.reasoning,
            logprob_sum: choice.logprob_sum,
            logprob_tokens: choice.tokens.map_or(0, u64::from),
            tokens: reply.usage.completion_tokens,
            is_whole,
            text,
        };
        (Answer::Reply(reply.into()), cost)
    }
}
