//! The engine: the searches of all problems at once, under one budget.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use codescaler::seed;

use crate::{
    ask::{Answer, Ask, Known, Question, Refusal},
    budget::{Budget, Cost, Credit, Ledger},
    method::{Method, Outcome},
    prompt::Role,
    task::Task,
};

/// The number of a question that somebody works on.
pub type Ticket = u64;

/// Who answers a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Worker {
    /// A language model.
    LanguageModel(Role),
    /// The sandbox.
    Sandbox,
    /// The reward model.
    RewardModel,
}

impl Worker {
    /// Who answers `question`.
    pub fn of(question: &Question) -> Worker {
        match question {
            Question::Chat(chat) => Worker::LanguageModel(chat.prompt.role()),
            Question::Run { .. } => Worker::Sandbox,
            Question::Score { .. } => Worker::RewardModel,
        }
    }
}

/// A question that is to be answered now; what it may cost is reserved.
#[derive(Clone, Debug)]
pub struct Work {
    /// What [`Engine::answer`] wants back.
    pub ticket: Ticket,
    /// Which problem it is about, in the order they were given.
    pub problem: usize,
    /// The question.
    pub question: Question,
}

/// What the engine has to know from whoever drives it.
pub trait Desk {
    /// The answer to a question that was answered before, with what it cost then: by an earlier
    /// process of this search, or another method over the same samples.
    fn recall(&mut self, task: &Task, known: &Known, question: &Question)
    -> Option<(Answer, Cost)>;

    /// What answering a question can cost at most.
    fn cost_max(&mut self, task: &Task, known: &Known, question: &Question) -> Cost;
}

/// What came of a problem.
#[derive(Clone, Debug)]
pub struct Solved {
    /// Which problem.
    pub problem: usize,
    /// What the method chose, and from what.
    pub outcome: Outcome,
    /// What it cost.
    pub cost: Cost,
    /// Why questions had no answer, and how many: the method did without.
    pub refused: Vec<(Refusal, u32)>,
}

/// Runs methods on many problems. It does no work itself: [`Engine::next`] says what is to be
/// done, and [`Engine::answer`] takes what came of it, in any order. As long as there is a question
/// that the budget allows, a worker that asks gets one, of the earliest problem that has one.
pub struct Engine {
    searches: Vec<Search>,
    /// How many searches have begun.
    begun: usize,
    total: Ledger,
    /// Questions that nobody was asked yet whether they are answered already.
    fresh: VecDeque<(usize, u64)>,
    /// By worker: the problem, and when the question was first asked.
    queues: BTreeMap<Worker, BTreeSet<(usize, u64)>>,
    in_flight: BTreeMap<Ticket, InFlight>,
    cancelled: Vec<Ticket>,
    solved: Vec<Solved>,
    next_number: u64,
    /// Why nothing is asked any more.
    stopped: Option<Refusal>,
}

struct Search {
    task: Task,
    method: Method,
    known: Known,
    seed: u64,
    ledger: Ledger,
    /// Questions that wait or are worked on.
    open: BTreeMap<Question, Open>,
    waiting: BTreeMap<u64, Question>,
    is_solved: bool,
}

enum Open {
    /// Under this number of [`Search::waiting`].
    Waits(u64),
    InFlight(Ticket),
}

struct InFlight {
    problem: usize,
    question: Question,
    most: Cost,
}

impl Engine {
    /// One search per task, with its method. Each may spend `each`, all together `total`.
    pub fn new(
        searches: Vec<(Task, Method)>,
        (each, total): (Budget, Budget),
        run_seed: u64,
    ) -> Engine {
        let search = |(task, method): (Task, Method)| Search {
            seed: seed::derive(run_seed, &["solve", &task.problem().id]),
            known: Known::default(),
            ledger: Ledger::new(each),
            open: BTreeMap::new(),
            waiting: BTreeMap::new(),
            is_solved: false,
            task,
            method,
        };
        Engine {
            searches: searches.into_iter().map(search).collect(),
            begun: 0,
            total: Ledger::new(total),
            fresh: VecDeque::new(),
            queues: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            cancelled: Vec::new(),
            solved: Vec::new(),
            next_number: 0,
            stopped: None,
        }
    }

    /// The problem of a [`Work`].
    pub fn task(&self, problem: usize) -> &Task {
        &self.searches[problem].task
    }

    /// What is known of it.
    pub fn known(&self, problem: usize) -> &Known {
        &self.searches[problem].known
    }

    /// The next question for one of the workers that are `free`; what no budget allows is refused,
    /// and the method told so. What it costs at most is reserved until [`Engine::answer`]. When all
    /// are free, nothing is worked on and there is no question, every problem is solved.
    pub fn next(&mut self, free: &[Worker], desk: &mut dyn Desk) -> Option<Work> {
        loop {
            self.recall(desk);
            for &worker in free {
                let mut from = (0, 0);
                while let Some(place) = self.queued(worker, from) {
                    if let Some(work) = self.offer(place, desk) {
                        return Some(work);
                    }
                    from = (place.0, place.1 + 1);
                }
            }
            // Refusals may have led to other questions.
            if !self.fresh.is_empty() {
                continue;
            }
            // Whoever begins may have a question for these workers.
            if self.begun == self.searches.len() {
                return None;
            }
            self.begun += 1;
            self.advance(self.begun - 1);
        }
    }

    fn queued(&self, worker: Worker, from: (usize, u64)) -> Option<(usize, u64)> {
        self.queues.get(&worker)?.range(from..).next().copied()
    }

    /// Answers what was answered before.
    fn recall(&mut self, desk: &mut dyn Desk) {
        while let Some((problem, number)) = self.fresh.pop_front() {
            let search = &mut self.searches[problem];
            // Another answer may have changed what the search wants.
            let Some(question) = search.waiting.get(&number) else { continue };
            if let Some((answer, cost)) = desk.recall(&search.task, &search.known, question) {
                let question = question.clone();
                let cost = cost.with_programs(question.is_for_a_program());
                search.ledger.add(cost);
                search.known.spent += cost;
                self.total.add(cost);
                self.learn(problem, question, answer);
            }
        }
    }

    /// Hands out a waiting question, or refuses it, or leaves it waiting.
    fn offer(&mut self, (problem, number): (usize, u64), desk: &mut dyn Desk) -> Option<Work> {
        let search = &mut self.searches[problem];
        let question = search.waiting.get(&number)?.clone();
        let most = desk.cost_max(&search.task, &search.known, &question);
        let most = most.with_programs(question.is_for_a_program());
        match both(search.ledger.credit(most), self.total.credit(most)) {
            Credit::Later => return None,
            Credit::Refused(resource) => {
                self.learn(problem, question, Answer::Refused(Refusal::Budget(resource)));
                return None;
            }
            Credit::Granted => {}
        }
        search.ledger.reserve(most);
        self.total.reserve(most);
        search.waiting.remove(&number);
        self.unqueue(&question, problem, number);
        let ticket = self.number();
        self.searches[problem].open.insert(question.clone(), Open::InFlight(ticket));
        self.in_flight.insert(ticket, InFlight { problem, question: question.clone(), most });
        Some(Work { ticket, problem, question })
    }

    /// Whether somebody still waits for the answer.
    pub fn is_wanted(&self, ticket: Ticket) -> bool {
        self.in_flight
            .get(&ticket)
            .is_some_and(|work| self.searches[work.problem].open.contains_key(&work.question))
    }

    /// Takes an answer and what it cost. Every ticket is answered once, a cancelled one with what
    /// it cost until then; its answer is not looked at, because the method went on without it.
    pub fn answer(&mut self, ticket: Ticket, answer: Answer, cost: Cost) {
        let is_wanted = self.is_wanted(ticket);
        let Some(InFlight { problem, question, most }) = self.in_flight.remove(&ticket) else {
            return;
        };
        let cost = cost.with_programs(question.is_for_a_program());
        let search = &mut self.searches[problem];
        search.ledger.commit(most, cost);
        search.known.spent += cost;
        self.total.commit(most, cost);
        if is_wanted {
            self.learn(problem, question, answer);
        }
    }

    fn learn(&mut self, problem: usize, question: Question, answer: Answer) {
        let search = &mut self.searches[problem];
        if let Some(Open::Waits(number)) = search.open.remove(&question) {
            search.waiting.remove(&number);
            self.unqueue(&question, problem, number);
        }
        self.searches[problem].known.learn(question, answer);
        self.advance(problem);
    }

    /// Tickets whose answers nobody waits for any more.
    pub fn cancelled(&mut self) -> Vec<Ticket> {
        std::mem::take(&mut self.cancelled)
    }

    /// Problems that were solved since the last call.
    pub fn solved(&mut self) -> Vec<Solved> {
        std::mem::take(&mut self.solved)
    }

    /// Whether every problem is solved.
    pub fn is_done(&self) -> bool {
        self.begun == self.searches.len() && self.searches.iter().all(|search| search.is_solved)
    }

    /// How many questions are worked on.
    pub fn n_in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// What all searches spent.
    pub fn spent(&self) -> Cost {
        self.total.spent()
    }

    /// Asks nothing any more: every question from now on is refused, and every method chooses from
    /// what it has.
    pub fn stop(&mut self, why: Refusal) {
        self.stopped = Some(why);
        self.begun = self.searches.len();
        for problem in 0..self.searches.len() {
            self.advance(problem);
        }
    }

    /// Calls the method with what is known, and queues what it wants.
    fn advance(&mut self, problem: usize) {
        let search = &mut self.searches[problem];
        while !search.is_solved {
            let mut ask = Ask::new(&search.task, &mut search.known, search.seed);
            let found = search.method.solve(&mut ask);
            let wanted = ask.into_wanted();
            match (found, &self.stopped) {
                (Ok(outcome), _) => {
                    search.is_solved = true;
                    let (cost, refused) = (search.known.spent, refused(&search.known));
                    self.solved.push(Solved { problem, outcome, cost, refused });
                    self.want(problem, Vec::new());
                    return;
                }
                (Err(_), Some(why)) => {
                    assert!(!wanted.is_empty(), "a method that waits has asked for something");
                    for question in wanted {
                        search.known.learn(question, Answer::Refused(why.clone()));
                    }
                }
                (Err(_), None) => {
                    assert!(!wanted.is_empty(), "a method that waits has asked for something");
                    self.want(problem, wanted);
                    return;
                }
            }
        }
    }

    /// Makes `wanted` the open questions of a search.
    fn want(&mut self, problem: usize, wanted: Vec<Question>) {
        let still: BTreeSet<&Question> = wanted.iter().collect();
        let gone: Vec<Question> = self.searches[problem]
            .open
            .keys()
            .filter(|question| !still.contains(question))
            .cloned()
            .collect();
        for question in gone {
            match self.searches[problem].open.remove(&question) {
                Some(Open::Waits(number)) => {
                    self.searches[problem].waiting.remove(&number);
                    self.unqueue(&question, problem, number);
                }
                Some(Open::InFlight(ticket)) => self.cancelled.push(ticket),
                None => {}
            }
        }
        for question in wanted {
            if self.searches[problem].open.contains_key(&question) {
                continue;
            }
            let number = self.number();
            self.queues.entry(Worker::of(&question)).or_default().insert((problem, number));
            self.fresh.push_back((problem, number));
            let search = &mut self.searches[problem];
            search.waiting.insert(number, question.clone());
            search.open.insert(question, Open::Waits(number));
        }
    }

    fn unqueue(&mut self, question: &Question, problem: usize, number: u64) {
        if let Some(queue) = self.queues.get_mut(&Worker::of(question)) {
            queue.remove(&(problem, number));
        }
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }
}

/// What could not be found out, by reason.
fn refused(known: &Known) -> Vec<(Refusal, u32)> {
    let mut reasons: BTreeMap<String, (Refusal, u32)> = BTreeMap::new();
    for refusal in known.refusals() {
        reasons.entry(refusal.to_string()).or_insert((refusal.clone(), 0)).1 += 1;
    }
    reasons.into_values().collect()
}

/// What two ledgers say together.
fn both(one: Credit, other: Credit) -> Credit {
    match (one, other) {
        (Credit::Refused(resource), _) | (_, Credit::Refused(resource)) => {
            Credit::Refused(resource)
        }
        (Credit::Later, _) | (_, Credit::Later) => Credit::Later,
        (Credit::Granted, Credit::Granted) => Credit::Granted,
    }
}
