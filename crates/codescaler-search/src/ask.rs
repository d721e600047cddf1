//! Questions, answers, and what a method is given to ask with.

use std::{collections::BTreeMap, sync::Arc};

use codescaler::{execution::Verdict, inputs::Input, problem::Test, reasoning, score::Score, seed};
use serde::{Deserialize, Serialize};

use crate::{
    budget::{Cost, Resource},
    prompt::{Prompt, Role},
    task::Task,
};

/// The fingerprint of a text, a list of inputs or a list of tests that [`Known`] holds.
pub type Digest = u64;

/// What a method wants to know. Equal questions have one answer, whoever asks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// What a language model writes.
    Chat(Chat),
    /// What a program does.
    Run {
        /// The program.
        program: Digest,
        /// What it is tried on.
        cases: Cases,
    },
    /// How the reward model scores a program.
    Score {
        /// The program.
        program: Digest,
    },
}

impl Question {
    /// Whether the answer is to be a program, or a part of one.
    pub(crate) fn is_for_a_program(&self) -> bool {
        match self {
            Question::Chat(chat) => match chat.prompt.role() {
                Role::Generator | Role::Drafter => true,
                Role::Tester | Role::Judge => false,
            },
            Question::Run { .. } | Question::Score { .. } => false,
        }
    }
}

/// One sample of a language model.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Chat {
    /// What it is told.
    pub prompt: Prompt,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Which of the samples of this prompt; each is drawn with a seed of its own.
    pub index: u32,
}

/// How a language model draws tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Sampling {
    /// Temperature, in thousandths.
    pub temperature_milli: u32,
    /// Tokens that the answer may have.
    pub tokens_max: u32,
    /// When its reasoning is stopped before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trim: Option<reasoning::Trim>,
}

/// What a program is tried on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cases {
    /// The tests that the statement shows.
    Visible,
    /// Inputs without expected outputs.
    Inputs(Digest),
    /// Tests that somebody made up; what they expect may be wrong.
    Tests(Digest),
    /// Nothing: it is a Python program by itself, which reads nothing, and what it prints is shown
    /// whole ([`PRINTED_CHARS_MAX`]).
    Printed,
}

/// What a program prints is shown up to here.
pub const PRINTED_CHARS_MAX: usize = 256 << 10;

/// What a worker found out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To [`Question::Chat`].
    Reply(Arc<Reply>),
    /// To [`Question::Run`]: one cell per case.
    Run(Arc<[Cell]>),
    /// To [`Question::Score`]; `None` when the reward model gives none.
    Score(Option<Score>),
    /// There is no answer, and it is not the program's fault: a method goes on without.
    Refused(Refusal),
}

/// What a language model wrote.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// All of it, reasoning left out.
    pub text: String,
    /// The reasoning before it, where it is told apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    /// The program in it, where there is a valid one.
    pub program: Option<String>,
    /// Of an answer that is not whole, the longest beginning of its program that is one by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beginning: Option<String>,
    /// Natural log-probability of the tokens, summed.
    pub logprob_sum: Option<f64>,
    /// Tokens that this is the sum of; 0 for all that were written.
    #[serde(default)]
    pub logprob_tokens: u64,
    /// Tokens written.
    pub tokens: u64,
    /// Whether it came to an end by itself.
    pub is_whole: bool,
    /// Why its reasoning was stopped, where it was; the program is then the one that it had come
    /// to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trimmed: Option<reasoning::Why>,
}

impl Reply {
    /// The mean log-probability of a token; `None` where nobody said it.
    pub fn logprob_mean(&self) -> Option<f64> {
        let tokens = if self.logprob_tokens > 0 { self.logprob_tokens } else { self.tokens };
        self.logprob_sum.filter(|_| tokens > 0).map(|sum| sum / tokens as f64)
    }
}

/// What a program did on one case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// The verdict; on an input [`Verdict::Pass`] means that something usable came out.
    pub verdict: Verdict,
    /// The fingerprint under which equal outputs agree, where there is an output.
    pub output: Option<Digest>,
    /// What came out or went wrong, for people and language models; shortened.
    pub shown: String,
}

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// It would have cost more than is left.
    #[error("the budget of {0} is used up")]
    Budget(Resource),
    /// Nobody here can answer such questions.
    #[error("{0}")]
    Unanswerable(String),
    /// The worker failed.
    #[error("{0}")]
    Fault(String),
}

/// Everything that is known of one problem: texts by their fingerprints, and answers.
#[derive(Clone, Debug, Default)]
pub struct Known {
    texts: BTreeMap<Digest, Arc<str>>,
    inputs: BTreeMap<Digest, Arc<[Input]>>,
    tests: BTreeMap<Digest, Arc<[Test]>>,
    answers: BTreeMap<Question, Answer>,
    /// What the answers cost.
    pub(crate) spent: Cost,
}

impl Known {
    /// Adds an answer; the first one to a question stays.
    pub fn learn(&mut self, question: Question, answer: Answer) {
        self.answers.entry(question).or_insert(answer);
    }

    /// The program, or other text, of this fingerprint.
    ///
    /// # Panics
    /// When it was not told to this `Known`: fingerprints come from [`Ask`] only.
    pub fn text(&self, digest: Digest) -> &str {
        self.texts.get(&digest).expect("a text is told before it is asked about")
    }

    /// The inputs of this fingerprint.
    ///
    /// # Panics
    /// As [`Known::text`].
    pub fn inputs(&self, digest: Digest) -> &[Input] {
        self.inputs.get(&digest).expect("inputs are told before they are asked about")
    }

    /// The tests of this fingerprint.
    ///
    /// # Panics
    /// As [`Known::text`].
    pub fn tests(&self, digest: Digest) -> &[Test] {
        self.tests.get(&digest).expect("tests are told before they are asked about")
    }

    /// What `program` did on `cases`, where that is known.
    pub fn cells(&self, program: Digest, cases: Cases) -> Option<&[Cell]> {
        match self.answers.get(&Question::Run { program, cases })? {
            Answer::Run(cells) => Some(cells),
            Answer::Reply(_) | Answer::Score(_) | Answer::Refused(_) => None,
        }
    }

    /// The refusals, as many as there are.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = &Refusal> {
        self.answers.values().filter_map(|answer| match answer {
            Answer::Refused(refusal) => Some(refusal),
            Answer::Reply(_) | Answer::Run(_) | Answer::Score(_) => None,
        })
    }
}

/// The answer is not there yet. A method passes it on with `?` and is called again when something
/// new is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending;

/// An answer, or [`Pending`].
pub type Asked<T> = Result<T, Pending>;

/// Every one of the answers, asked for all at once: with `?` on each, the second question would
/// wait for the first answer.
///
/// # Errors
/// [`Pending`] when at least one is.
pub fn all<T>(answers: impl IntoIterator<Item = Asked<T>>) -> Asked<Vec<T>> {
    let mut found = Ok(Vec::new());
    for answer in answers {
        match (answer, &mut found) {
            (Ok(answer), Ok(list)) => list.push(answer),
            (Err(Pending), _) => found = Err(Pending),
            (Ok(_), Err(Pending)) => {}
        }
    }
    found
}

/// What a method asks with.
#[derive(Debug)]
pub struct Ask<'a> {
    task: &'a Task,
    known: &'a mut Known,
    wanted: Vec<Question>,
    seed: u64,
}

impl<'a> Ask<'a> {
    /// For one problem. `seed` belongs to the run and the problem.
    pub fn new(task: &'a Task, known: &'a mut Known, seed: u64) -> Ask<'a> {
        Ask { task, known, wanted: Vec::new(), seed }
    }

    /// The problem.
    pub fn task(&self) -> &'a Task {
        self.task
    }

    /// A seed for a draw of the method: the same whenever it is called.
    pub fn seed(&self, purpose: &str) -> u64 {
        seed::derive(self.seed, &[purpose])
    }

    /// The questions whose answers are not known, in the order in which they were asked.
    pub fn into_wanted(self) -> Vec<Question> {
        self.wanted
    }

    /// Makes a program, or another text, known.
    pub fn keep(&mut self, text: &str) -> Digest {
        let digest = seed::digest(text.as_bytes());
        self.known.texts.entry(digest).or_insert_with(|| text.into());
        digest
    }

    /// What was kept.
    pub fn text(&self, digest: Digest) -> &str {
        self.known.text(digest)
    }

    /// Makes inputs known.
    pub fn keep_inputs(&mut self, inputs: Vec<Input>) -> Digest {
        let digest = digest_of(&inputs);
        self.known.inputs.entry(digest).or_insert_with(|| inputs.into());
        digest
    }

    /// Makes tests known.
    pub fn keep_tests(&mut self, tests: Vec<Test>) -> Digest {
        let digest = digest_of(&tests);
        self.known.tests.entry(digest).or_insert_with(|| tests.into());
        digest
    }

    /// How many inputs were kept under this fingerprint.
    pub fn n_inputs(&self, inputs: Digest) -> usize {
        self.known.inputs(inputs).len()
    }

    /// How many tests were kept under this fingerprint.
    pub fn n_tests(&self, tests: Digest) -> usize {
        self.known.tests(tests).len()
    }

    /// Of inputs that two programs were run on, the first ones on which one does something else than
    /// the other, at most `max`, as a list of their own with what both gave; `None` where there is no
    /// such input, or one of the two could not be run.
    pub fn separating(&mut self, pair: [Digest; 2], inputs: Digest, max: usize) -> Option<Digest> {
        let cells =
            |program| self.known.cells(program, Cases::Inputs(inputs)).map(<[Cell]>::to_vec);
        let [first, second] = [cells(pair[0])?, cells(pair[1])?];
        let columns: Vec<usize> = (0..first.len().min(second.len()))
            .filter(|&column| first[column].output != second[column].output)
            .take(max)
            .collect();
        if columns.is_empty() {
            return None;
        }
        let all = self.known.inputs(inputs);
        let some = columns.iter().map(|&column| all[column].clone()).collect();
        let some = self.keep_inputs(some);
        // What is known of a list is known of its parts: nothing is run again.
        for (program, cells) in pair.into_iter().zip([first, second]) {
            let cells = columns.iter().map(|&column| cells[column].clone()).collect();
            let question = Question::Run { program, cases: Cases::Inputs(some) };
            self.known.learn(question, Answer::Run(cells));
        }
        Some(some)
    }

    /// A sample; `None` when there is none to be had.
    ///
    /// # Errors
    /// [`Pending`] while it is not known.
    pub fn chat(
        &mut self,
        prompt: &Prompt,
        sampling: Sampling,
        index: u32,
    ) -> Asked<Option<Arc<Reply>>> {
        let chat = Chat { prompt: prompt.clone(), sampling, index };
        Ok(match self.answer(Question::Chat(chat))? {
            Answer::Reply(reply) => Some(Arc::clone(reply)),
            Answer::Run(_) | Answer::Score(_) | Answer::Refused(_) => None,
        })
    }

    /// What a program does; `None` when that cannot be found out.
    ///
    /// # Errors
    /// [`Pending`] while it is not known.
    pub fn run(&mut self, program: Digest, cases: Cases) -> Asked<Option<Arc<[Cell]>>> {
        Ok(match self.answer(Question::Run { program, cases })? {
            Answer::Run(cells) => Some(Arc::clone(cells)),
            Answer::Reply(_) | Answer::Score(_) | Answer::Refused(_) => None,
        })
    }

    /// The reward model's score; `None` when it gives none.
    ///
    /// # Errors
    /// [`Pending`] while it is not known.
    pub fn score(&mut self, program: Digest) -> Asked<Option<Score>> {
        Ok(match self.answer(Question::Score { program })? {
            Answer::Score(score) => *score,
            Answer::Reply(_) | Answer::Run(_) | Answer::Refused(_) => None,
        })
    }

    /// Of these samples, those that are there, once `enough` of them are: the rest is no longer
    /// wanted then, and stopped. Which ones come first is up to the workers; the answers that are
    /// kept decide when a search is run again.
    ///
    /// # Errors
    /// [`Pending`] while there are fewer.
    pub fn first_chats(
        &mut self,
        chats: &[Chat],
        enough: usize,
        counts: impl Fn(&Reply) -> bool,
    ) -> Asked<Vec<Arc<Reply>>> {
        let before = self.wanted.len();
        let mut there = Vec::new();
        let mut open = 0;
        for chat in chats {
            match self.answer(Question::Chat(chat.clone())) {
                Ok(Answer::Reply(reply)) if counts(reply) => there.push(Arc::clone(reply)),
                Ok(Answer::Reply(_) | Answer::Run(_) | Answer::Score(_) | Answer::Refused(_)) => {}
                Err(Pending) => open += 1,
            }
        }
        if there.len() < enough && open > 0 {
            return Err(Pending);
        }
        self.wanted.truncate(before);
        Ok(there)
    }

    fn answer(&mut self, question: Question) -> Asked<&Answer> {
        // Looked up twice, because the borrow of a hit would outlive the miss.
        if !self.known.answers.contains_key(&question) {
            if !self.wanted.contains(&question) {
                self.wanted.push(question);
            }
            return Err(Pending);
        }
        Ok(&self.known.answers[&question])
    }
}

fn digest_of<T: Serialize>(value: &T) -> Digest {
    seed::digest(&serde_json::to_vec(value).expect("inputs and tests are JSON"))
}
