//! A world in which the right answer to `f(x)` is `x`, and program `k` is wrong where bit `x` of `k`
//! is set. Program 0 is right. Language models are scripts over it.

use std::collections::BTreeMap;

use codescaler::{
    check::Check,
    execution::Verdict,
    inputs::Input,
    language::Language,
    problem::{Entry, Limits, Meta, Problem, Test, Tests},
    reasoning::Why,
    record::Extra,
    score::Score,
    seed::{Rng, digest},
    value::Value,
};

use crate::{
    Answer, Budget, Cases, Cell, Chat, Cost, Desk, Engine, Known, Method, Prompt, Question, Reply,
    Role, Solved, Task, Work, Worker,
};

/// Inputs are `0..INPUTS`.
pub(super) const INPUTS: i64 = 8;

#[derive(Clone, Debug)]
pub(super) struct World {
    /// What the i-th draft is; `None` is an answer without a program.
    pub drafts: Vec<Option<u32>>,
    /// How many visible tests there are: inputs from 0 on.
    pub visible: i64,
    /// What debugging makes of a program.
    pub debugged: fn(u32) -> u32,
    /// What a judge says of two programs.
    pub judge: Judge,
    /// Inputs that the blind test writer thinks of.
    pub blind: Vec<i64>,
    /// The mean log-probability of a token of a program.
    pub logprob: fn(u32) -> Option<f64>,
    /// What the large language model writes where the small one would have written this.
    pub large: fn(u32) -> u32,
    /// Why a draft's reasoning is stopped, where it may be.
    pub trimmed: fn(u32) -> Option<Why>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Judge {
    /// Prefers the right one.
    Perfect,
    /// Prefers what it sees first.
    First,
    /// Says nothing.
    Mute,
    /// Prefers the larger number, right or wrong, and wavers where the two differ by an odd one: it
    /// then takes the first for better only when the larger one stands there.
    Wavering,
}

pub(super) fn problem(visible: i64) -> Problem {
    let test = |x: i64| Test::Call {
        args: vec![Value::Int(x)],
        expected: Value::Int(x),
        check: Check::CALL,
    };
    Problem {
        id: "p".to_owned(),
        statement: "Give back the number.".to_owned(),
        starter: String::new(),
        prelude: String::new(),
        language: Language::Python,
        entry: Entry::Function { name: "f".to_owned() },
        tests: Tests { visible: (0..visible).map(test).collect(), hidden: vec![test(99)] },
        limits: Limits::default(),
        meta: Meta::default(),
        extra: Extra::new(),
    }
}

pub(super) fn text(program: u32) -> String {
    format!("program {program}")
}

pub(super) fn number(text: &str) -> u32 {
    text.strip_prefix("program ")
        .and_then(|rest| rest.parse().ok())
        .expect("a program of this world")
}

/// A program as an answer: a line for each input, 1 where it is wrong.
pub(super) fn bits(program: u32) -> String {
    (0..INPUTS).map(|x| format!("{}\n", program >> x & 1)).collect()
}

/// The program that such lines begin with.
fn read(lines: &str) -> u32 {
    lines.lines().enumerate().map(|(x, bit)| u32::from(bit == "1") << x).sum()
}

/// What a program gives.
pub(super) fn output(program: u32, x: i64) -> i64 {
    if program >> x & 1 == 1 { 100 + i64::from(program) } else { x }
}

impl World {
    pub(super) fn new(drafts: &[u32], visible: i64) -> World {
        World {
            drafts: drafts.iter().copied().map(Some).collect(),
            visible,
            debugged: |program| program,
            judge: Judge::Perfect,
            blind: (0..INPUTS).collect(),
            logprob: |_| None,
            large: |program| program,
            trimmed: |_| None,
        }
    }

    fn cell(&self, program: u32, input: &Input, expected: Option<&Value>) -> Cell {
        let Input::Args(args) = input else { panic!("calls only") };
        let [Value::Int(x)] = args[..] else { panic!("one number") };
        let output = output(program, x);
        let is_right = expected.is_none_or(|expected| *expected == Value::Int(output));
        Cell {
            verdict: if is_right { Verdict::Pass } else { Verdict::WrongAnswer },
            output: Some(digest(&output.to_le_bytes())),
            shown: output.to_string(),
        }
    }

    fn run(&self, known: &Known, program: u32, cases: Cases, task: &Task) -> Answer {
        let of = |test: &Test| match test {
            Test::Call { args, expected, .. } => {
                self.cell(program, &Input::Args(args.clone()), Some(expected))
            }
            Test::Stdio { .. } | Test::Script { .. } => panic!("calls only"),
        };
        let cells: Vec<Cell> = match cases {
            Cases::Printed => panic!("it is none of those"),
            Cases::Visible => task.problem().tests.visible.iter().map(of).collect(),
            Cases::Tests(tests) => known.tests(tests).iter().map(of).collect(),
            Cases::Inputs(inputs) => {
                known.inputs(inputs).iter().map(|input| self.cell(program, input, None)).collect()
            }
        };
        Answer::Run(cells.into())
    }

    /// What a program prints that is to print inputs.
    fn printed(&self, maker: &str) -> Answer {
        let shown = match maker {
            "maker 1" => "Traceback".to_owned(),
            _ => format!("{:?}", self.blind.iter().map(|x| [x]).collect::<Vec<_>>()),
        };
        Answer::Run([Cell { verdict: Verdict::Pass, output: None, shown }].into())
    }

    fn program(&self, program: Option<u32>) -> Reply {
        Reply {
            program: program.map(text),
            logprob_sum: program.and_then(self.logprob).map(|mean| 10.0 * mean),
            is_whole: true,
            tokens: 10,
            ..Reply::default()
        }
    }

    /// An answer in lines, each a token, of which `done` were there before.
    fn cut(&self, text: String, done: usize, tokens_max: u32) -> Reply {
        let n_lines = text.lines().count();
        let lines = n_lines.min(done + tokens_max as usize);
        let text: String = text.split_inclusive('\n').take(lines).collect();
        let k = read(&text);
        match lines == n_lines {
            true => Reply { text, ..self.program(Some(k)) },
            false => Reply {
                beginning: (!text.is_empty()).then(|| self::text(k)),
                text,
                tokens: 10,
                ..Reply::default()
            },
        }
    }

    /// What a judge says of two programs.
    fn judged(&self, pair: [u32; 2]) -> &'static str {
        match (self.judge, pair) {
            (Judge::Mute, _) => "I cannot say.",
            (Judge::Wavering, [a, b]) if a > b => "Answer: first",
            (Judge::Wavering, [a, b]) if (b - a).is_multiple_of(2) => "Answer: second",
            (Judge::Wavering, _) => "Answer: equal",
            (Judge::Perfect, [a, b]) if a == b => "Answer: equal",
            (Judge::First, _) | (Judge::Perfect, [0, _]) => "Answer: first",
            (Judge::Perfect, [_, 0]) => "Answer: second",
            (Judge::Perfect, _) => "Answer: equal",
        }
    }

    /// What comes behind what was written before.
    fn go_on(&self, known: &Known, Chat { prompt, sampling, index }: &Chat) -> Reply {
        let drafted = self.drafts[*index as usize % self.drafts.len()].unwrap_or(0);
        let tokens_max = sampling.tokens_max;
        if let Prompt::Finish { said } = prompt {
            return self.program(Some((self.debugged)(read(known.text(*said)))));
        }
        if let Prompt::Weigh { text, from } = prompt {
            // Mistakes are unlikely.
            let end = &known.text(*text)[*from..];
            let logprob_sum = (self.logprob)(read(end)).map(|mean| 10.0 * mean);
            return Reply { logprob_sum, tokens: 10, ..Reply::default() };
        }
        let prefix = prompt.begin().map_or("", |prefix| known.text(prefix));
        let is_small = matches!(prompt, Prompt::Step { .. });
        let program = if is_small { drafted } else { (self.large)(drafted) };
        let done = prefix.lines().count();
        let rest: String = bits(program).split_inclusive('\n').skip(done).collect();
        self.cut(format!("{prefix}{rest}"), done, tokens_max)
    }

    /// What a language model writes.
    fn write(&self, known: &Known, chat: &Chat) -> Reply {
        let Chat { prompt, sampling, index } = chat;
        let number = |digest| number(known.text(digest));
        let program = |program| self.program(program);
        let said = |text: String| Reply { text, is_whole: true, tokens: 10, ..Reply::default() };
        let answer = |text: String, done: usize| self.cut(text, done, sampling.tokens_max);
        let drafted = || self.drafts[*index as usize % self.drafts.len()];
        match prompt {
            Prompt::Draft { .. } => match drafted() {
                Some(k) if sampling.trim.is_some() && (self.trimmed)(k).is_some() => {
                    let why = (self.trimmed)(k);
                    Reply { trimmed: why, text: bits(k), is_whole: false, ..program(Some(k)) }
                }
                Some(k) => answer(bits((self.large)(k)), 0),
                None => said(String::new()),
            },
            Prompt::Deepen { said: parts } => {
                let so_far = parts.last().map_or("", |part| known.text(*part));
                answer(bits((self.debugged)(read(so_far))), 0)
            }
            Prompt::Finish { .. }
            | Prompt::Continue { .. }
            | Prompt::Step { .. }
            | Prompt::Weigh { .. } => self.go_on(known, chat),
            Prompt::Lessons { program, .. } => {
                said(format!("[{0:?}, {0:?}, 7]", format!("{} was chosen", number(*program))))
            }
            Prompt::Critique { program } => said(format!("review of {}", number(*program))),
            Prompt::Rank { among, .. } => said(ranked(among.iter().map(|p| number(*p)).collect())),
            Prompt::Plan => said(format!("plan {index}")),
            Prompt::Debug { rounds } => {
                program(rounds.last().map(|last| (self.debugged)(number(*last))))
            }
            Prompt::Improve { parents } => {
                program(parents.first().map(|p| (self.debugged)(number(*p))))
            }
            Prompt::Fuse { of, .. } => program(of.iter().map(|p| number(*p)).reduce(|a, b| a & b)),
            Prompt::Debate { own, others } => {
                program(others.iter().map(|p| number(*p)).chain([number(*own)]).min())
            }
            Prompt::Inputs { .. } => {
                said(format!("{:?}", self.blind.iter().map(|x| [x]).collect::<Vec<_>>()))
            }
            // The first has no program; the second prints nothing of use.
            Prompt::Maker => {
                Reply { program: (*index > 0).then(|| format!("maker {index}")), ..program(None) }
            }
            Prompt::Separate { pair, count } => {
                let [a, b] = pair.map(number);
                let differ = (0..INPUTS).filter(|&x| output(a, x) != output(b, x));
                said(format!("{:?}", differ.take(*count as usize).map(|x| [x]).collect::<Vec<_>>()))
            }
            Prompt::Tests { .. } => {
                let tests: Vec<String> = (0..INPUTS)
                    .map(|x| format!("{{\"args\": [{x}], \"expected\": {x}}}"))
                    .collect();
                said(format!("[{}]", tests.join(", ")))
            }
            Prompt::Judge { pair, .. } => said(self.judged(pair.map(number)).to_owned()),
            Prompt::Assess { program, .. } | Prompt::Trace { program } => {
                said(format!("Answer: {}", if number(*program) == 0 { "yes" } else { "no" }))
            }
            Prompt::Choose { among, shown, may_test } => {
                match among.iter().position(|p| number(*p) == 0) {
                    _ if *may_test && shown.is_empty() => said("[[1], [2]]".to_owned()),
                    Some(at) => said(format!("Answer: {}", at + 1)),
                    None => said("Answer: 1".to_owned()),
                }
            }
        }
    }

    pub(super) fn answer(&self, task: &Task, known: &Known, question: &Question) -> (Answer, Cost) {
        match question {
            Question::Chat(chat) => {
                let reply = self.write(known, chat);
                let cost = Cost { samples: 1, tokens_out: reply.tokens, ..Cost::default() };
                (Answer::Reply(reply.into()), cost)
            }
            Question::Run { program, cases } => {
                let cost = Cost { executions: 1, ..Cost::default() };
                if *cases == Cases::Printed {
                    return (self.printed(known.text(*program)), cost);
                }
                let program = number(known.text(*program));
                (self.run(known, program, *cases, task), cost)
            }
            Question::Score { program } => {
                let bugs = number(known.text(*program)).count_ones();
                let score = Score::try_from(-(bugs as f32)).expect("it is finite");
                (Answer::Score(Some(score)), Cost { scores: 1, ..Cost::default() })
            }
        }
    }
}

/// An order of programs by how many inputs they are wrong on.
fn ranked(programs: Vec<u32>) -> String {
    let mut order: Vec<usize> = (0..programs.len()).collect();
    order.sort_by_key(|&at| programs[at].count_ones());
    let order: Vec<String> = order.iter().map(|at| (at + 1).to_string()).collect();
    format!("Answer: {}", order.join(" > "))
}

/// What was asked, by the name of the prompt or the kind of question.
pub(super) type Asked = BTreeMap<&'static str, u32>;

/// Remembers nothing.
pub(super) struct Fresh;

impl Desk for Fresh {
    fn recall(&mut self, _: &Task, _: &Known, _: &Question) -> Option<(Answer, Cost)> {
        None
    }

    fn cost_max(&mut self, _: &Task, _: &Known, question: &Question) -> Cost {
        match question {
            Question::Chat(_) => Cost { samples: 1, tokens_out: 10, ..Cost::default() },
            Question::Run { .. } => Cost { executions: 1, ..Cost::default() },
            Question::Score { .. } => Cost { scores: 1, ..Cost::default() },
        }
    }
}

pub(super) const WORKERS: [Worker; 6] = [
    Worker::LanguageModel(Role::Generator),
    Worker::LanguageModel(Role::Tester),
    Worker::LanguageModel(Role::Judge),
    Worker::LanguageModel(Role::Drafter),
    Worker::Sandbox,
    Worker::RewardModel,
];

/// Plays a method in a world; `order` decides in which order answers come.
pub(super) fn play(method: &str, world: &World, each: Budget, order: u64) -> (Solved, Asked) {
    watch(method, world, (each, order), &mut |_, _| ())
}

/// The same; `see` is shown every question, with the engine that asks it.
pub(super) fn watch(
    method: &str,
    world: &World,
    (each, order): (Budget, u64),
    see: &mut dyn FnMut(&Engine, &Work),
) -> (Solved, Asked) {
    let method: Method = method.parse().expect("a method");
    let searches = vec![(Task::of(&problem(world.visible)), method)];
    let mut engine = Engine::new(searches, (each, Budget::default()), 7);
    let mut rng = Rng::new(order);
    let mut asked = Asked::new();
    let mut open = Vec::new();
    loop {
        while let Some(work) = engine.next(&WORKERS, &mut Fresh) {
            *asked.entry(kind(&work.question)).or_default() += 1;
            see(&engine, &work);
            open.push(work);
        }
        if open.is_empty() {
            break;
        }
        let at = usize::try_from(rng.below(open.len() as u64)).expect("small");
        let work = open.swap_remove(at);
        let (answer, cost) =
            world.answer(engine.task(work.problem), engine.known(work.problem), &work.question);
        engine.answer(work.ticket, answer, cost);
    }
    assert!(engine.is_done(), "nothing is open, so it is solved");
    let solved = engine.solved().swap_remove(0);
    (solved, asked)
}

pub(super) fn kind(question: &Question) -> &'static str {
    match question {
        Question::Chat(chat) => chat.prompt.name(),
        Question::Run { cases: Cases::Visible, .. } => "run visible",
        Question::Run { cases: Cases::Inputs(_), .. } => "run inputs",
        Question::Run { cases: Cases::Printed, .. } => "run makers",
        Question::Run { cases: Cases::Tests(_), .. } => "run tests",
        Question::Score { .. } => "score",
    }
}

/// The number of the program that was chosen.
pub(super) fn chosen(solved: &Solved) -> Option<u32> {
    let program = solved.outcome.program()?;
    (0..1 << INPUTS).find(|&k| digest(text(k).as_bytes()) == program)
}
