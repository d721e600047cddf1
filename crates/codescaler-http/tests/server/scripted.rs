//! A backend whose answers follow from the questions.

use std::{
    ops::ControlFlow,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use codescaler::{
    execution::{Fault, FaultKind, Verdict},
    problem::Test,
    score::Score,
    shaping::Shaping,
};
use codescaler_http::{
    About, Ask, Backend, ChatAnswer, ChatAsk, ChatFailure, Code, Judged, Judgement, Judging,
    Outcome, Ran, RunCode, Usage,
};
use serde_json::Map;

/// Scores a response by the number of its bytes. A response with `invalid` in it has no program, one
/// with `long` is too long, one with `fault` meets a fault, one with `panic` ends the scorer's call.
pub(crate) struct Scripted {
    pub(crate) about: About,
    /// How long a batch takes.
    pub(crate) batch_time: Duration,
    /// The sizes of batches so far.
    pub(crate) batches: Mutex<Vec<usize>>,
    /// Items that were computed.
    pub(crate) computed: AtomicUsize,
    /// Whether no batch gets any score.
    pub(crate) is_dead: AtomicBool,
    /// How many searches were told to stop.
    pub(crate) cancelled: AtomicUsize,
}

impl Default for Scripted {
    fn default() -> Scripted {
        Scripted {
            about: About {
                name: "length".to_owned(),
                fingerprint: "f00d".to_owned(),
                provenance: Map::new(),
                tokens_max: 4096,
                reads_texts: true,
                policies: vec!["best-valid".to_owned(), "single-valid".to_owned()],
                shaping: Shaping::Raw { invalid: -1.0 },
                protection: Some("L4".to_owned()),
                methods: vec!["bon".to_owned(), "sstar".to_owned()],
                batch_bytes: 1 << 20,
                batches: 1,
                slots: 2,
                chats: 2,
            },
            batch_time: Duration::ZERO,
            batches: Mutex::default(),
            computed: AtomicUsize::new(0),
            is_dead: AtomicBool::new(false),
            cancelled: AtomicUsize::new(0),
        }
    }
}

fn judgement(ask: &Ask) -> Judgement {
    let text = match ask {
        Ask::Response { response, .. } => response.clone(),
        Ask::Text { text, .. } => text.clone(),
        Ask::Tokens(tokens) => "t".repeat(tokens.len()),
        Ask::Conversation(turns) => turns.iter().map(|turn| turn.content.as_str()).collect(),
    };
    assert!(!text.contains("panic"), "the scorer is told to panic");
    let outcome = if text.contains("invalid") {
        Outcome::Invalid("no program in the text".to_owned())
    } else if text.contains("long") {
        Outcome::TooLong("9000 tokens, more than the 4096 allowed".to_owned())
    } else if text.contains("fault") {
        Outcome::Fault("out of luck".to_owned())
    } else {
        Outcome::Scored(Score::try_from(text.len() as f32).expect("a length is finite"))
    };
    let program = matches!(outcome, Outcome::Scored(_)).then(|| text.clone());
    let notes = vec!["unfenced".to_owned()];
    Judgement { program, notes, tokens: text.len() as u64, ..Judgement::of(outcome) }
}

impl Backend for Scripted {
    fn about(&self) -> &About {
        &self.about
    }

    fn score(
        &self,
        batch: &[&Ask],
        _until: Instant,
        give: &mut dyn FnMut(usize, Judgement) -> ControlFlow<()>,
    ) {
        self.batches.lock().expect("no panic").push(batch.len());
        thread::sleep(self.batch_time);
        for (place, ask) in batch.iter().enumerate() {
            self.computed.fetch_add(1, Ordering::Relaxed);
            let judgement = match self.is_dead.load(Ordering::Relaxed) {
                true => Judgement::of(Outcome::Fault("dead".to_owned())),
                false => judgement(ask),
            };
            if give(place, judgement).is_break() {
                return;
            }
        }
    }

    fn judge(&self, job: &Judging) -> Result<Judged, Fault> {
        let program = match &job.code {
            Code::Program(program) => program.clone(),
            Code::Completion { text, .. } => text.replace("```", ""),
        };
        if program.contains("fault") {
            let message = "no more processes".to_owned();
            return Err(Fault { kind: FaultKind::Resource, message });
        }
        if program.contains("invalid") {
            let verdicts = Vec::new();
            return Ok(Judged { program: Err("no code".to_owned()), verdicts, cpu_ms: 0.0 });
        }
        // A test is passed by a program that holds what is expected.
        let verdict = |test: &Test| match test {
            Test::Stdio { stdout, .. } if program.contains(stdout.trim()) => Verdict::Pass,
            Test::Stdio { .. } | Test::Call { .. } | Test::Script { .. } => Verdict::WrongAnswer,
        };
        let verdicts = job.problem.tests.visible.iter().map(verdict).collect();
        Ok(Judged { program: Ok(program), verdicts, cpu_ms: 1.5 })
    }

    fn run_code(&self, job: &RunCode) -> Result<Ran, Fault> {
        let ran = Ran {
            compile_error: None,
            stdout: job.stdin.clone(),
            stderr: String::new(),
            return_code: Some(0),
            is_over_time: false,
            cpu_ms: 21.0,
        };
        match job.code.as_str() {
            "loop" => Ok(Ran { is_over_time: true, return_code: Some(-9), ..ran }),
            "typo" => Ok(Ran { compile_error: Some("line 1: typo".to_owned()), ..ran }),
            "fault" => {
                Err(Fault { kind: FaultKind::Resource, message: "no more processes".to_owned() })
            }
            _ => Ok(ran),
        }
    }

    fn chat(
        &self,
        ask: &ChatAsk,
        watch: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<ChatAnswer, ChatFailure> {
        if ask.method == "nobody" {
            return Err(ChatFailure::Request("codescaler.strategy: \"nobody\"".to_owned()));
        }
        for at in 0..3 {
            thread::sleep(self.batch_time);
            if watch(&format!("progress {at}/3")).is_break() {
                self.cancelled.fetch_add(1, Ordering::Relaxed);
                return Err(ChatFailure::Cancelled);
            }
        }
        let last = ask.messages.last().map_or("", |turn| &turn.content);
        Ok(ChatAnswer {
            text: format!("{} {:?} {last}", ask.method, ask.language_model),
            chosen: (2, ask.n.unwrap_or(4)),
            usage: Usage { prompt_tokens: 10, completion_tokens: 40, ..Usage::default() },
            details: Map::new(),
        })
    }
}
