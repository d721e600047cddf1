//! What language models are told. The texts are plain files in `prompts/`, written for this
//! project; a user may put others in their place.

mod shown;

use std::collections::BTreeMap;

use codescaler::{problem::Entry, seed};
use minijinja::{Environment, UndefinedBehavior, value::Serde};
use serde::Serialize;

pub use self::shown::shortened;
use self::shown::{Case, Facts, Shown, Tested, cases, tested};
use crate::{
    ask::{Cases, Digest, Known},
    task::Task,
};

/// What a language model is asked to do. What it refers to stands in [`Known`] by fingerprints, so
/// that a prompt is written out only when somebody is going to answer it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Prompt {
    /// Write a program.
    Draft {
        /// A plan to follow.
        plan: Option<Digest>,
    },
    /// Plan a program, without writing it.
    Plan,
    /// Correct the last of these programs, given what the visible tests said of each.
    Debug {
        /// Earlier attempts, oldest first.
        rounds: Vec<Digest>,
    },
    /// Write inputs, knowing the problem alone.
    Inputs {
        /// How many.
        count: u32,
    },
    /// Write a Python program that prints inputs.
    Maker,
    /// Write inputs on which two programs differ.
    Separate {
        /// The programs.
        pair: [Digest; 2],
        /// How many.
        count: u32,
    },
    /// Say which of two programs is right.
    Judge {
        /// The programs, in the order shown.
        pair: [Digest; 2],
        /// Inputs on which both were run; without them the code alone is judged.
        inputs: Option<Digest>,
    },
    /// Write tests with expected outputs.
    Tests {
        /// A program to look at.
        about: Option<Digest>,
        /// How many.
        count: u32,
    },
    /// Write a better program than these.
    Improve {
        /// The programs.
        parents: Vec<Digest>,
    },
    /// Make one program of these.
    Fuse {
        /// The programs.
        of: Vec<Digest>,
        /// What was said of each, in the same order; empty where nothing was.
        notes: Vec<Digest>,
    },
    /// Go on with an answer that did not come to its end, after a second thought.
    Deepen {
        /// The parts of the answer so far.
        said: Vec<Digest>,
    },
    /// Go on with an answer where it stops, in the middle of a word if need be: the answer begins
    /// with this text.
    Continue {
        /// The beginning.
        prefix: Digest,
    },
    /// Write a step of an answer, whoever is the quicker one: the answer begins with this text, or
    /// from scratch.
    Step {
        /// The beginning.
        prefix: Option<Digest>,
    },
    /// Nothing is written: how likely would the end of this answer have been?
    Weigh {
        /// The answer.
        text: Digest,
        /// Where its end begins, in bytes.
        from: usize,
    },
    /// Come to an end, having thought enough.
    Finish {
        /// What was thought.
        said: Digest,
    },
    /// Say what is good and what is wrong in a program.
    Critique {
        /// The program.
        program: Digest,
    },
    /// Say what a program teaches for other problems.
    Lessons {
        /// The program.
        program: Digest,
        /// How many lessons.
        count: u32,
    },
    /// Put programs in order, the best first.
    Rank {
        /// The programs.
        among: Vec<Digest>,
        /// What was said of each, in the same order; empty where nothing was.
        notes: Vec<Digest>,
    },
    /// Write one's own program again, having seen those of others.
    Debate {
        /// One's own.
        own: Digest,
        /// Those of others.
        others: Vec<Digest>,
    },
    /// Say whether a program is right, looking at one aspect.
    Assess {
        /// The program.
        program: Digest,
        /// What to look at.
        perspective: &'static str,
        /// What was found before.
        notes: Vec<Digest>,
    },
    /// Execute a program in mind, and say whether it is right.
    Trace {
        /// The program.
        program: Digest,
    },
    /// Choose one of these programs.
    Choose {
        /// The programs.
        among: Vec<Digest>,
        /// Lists of inputs on which all were run.
        shown: Vec<Digest>,
        /// Whether inputs may be asked for instead.
        may_test: bool,
    },
}

/// What kind of language model answers a prompt; each may be another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Writes programs.
    Generator,
    /// Writes inputs and tests.
    Tester,
    /// Judges programs.
    Judge,
    /// Writes what another one will look at, and sooner than that one could.
    Drafter,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 4] = [Role::Generator, Role::Tester, Role::Judge, Role::Drafter];
}

impl Prompt {
    /// Begin an answer, or go on with it.
    pub fn go_on(prefix: Option<Digest>) -> Prompt {
        match prefix {
            None => Prompt::Draft { plan: None },
            Some(prefix) => Prompt::Continue { prefix },
        }
    }

    /// The same, for a drafter.
    pub fn step(prefix: Option<Digest>) -> Prompt {
        Prompt::Step { prefix }
    }

    /// Who answers it.
    pub fn role(&self) -> Role {
        match self {
            Prompt::Draft { .. }
            | Prompt::Plan
            | Prompt::Debug { .. }
            | Prompt::Improve { .. }
            | Prompt::Fuse { .. }
            | Prompt::Deepen { .. }
            | Prompt::Continue { .. }
            | Prompt::Weigh { .. }
            | Prompt::Finish { .. }
            | Prompt::Debate { .. } => Role::Generator,
            Prompt::Step { .. } => Role::Drafter,
            Prompt::Inputs { .. }
            | Prompt::Maker
            | Prompt::Separate { .. }
            | Prompt::Tests { .. } => Role::Tester,
            Prompt::Judge { .. }
            | Prompt::Assess { .. }
            | Prompt::Trace { .. }
            | Prompt::Critique { .. }
            | Prompt::Lessons { .. }
            | Prompt::Rank { .. }
            | Prompt::Choose { .. } => Role::Judge,
        }
    }

    /// The file it is written in, without its ending.
    pub fn name(&self) -> &'static str {
        match self {
            Prompt::Draft { .. } => "draft",
            Prompt::Plan => "plan",
            Prompt::Debug { .. } => "debug",
            Prompt::Inputs { .. } => "inputs",
            Prompt::Maker => "maker",
            Prompt::Separate { .. } => "separate",
            Prompt::Judge { .. } => "judge",
            Prompt::Tests { .. } => "tests",
            Prompt::Improve { .. } => "improve",
            Prompt::Fuse { .. } => "fuse",
            Prompt::Deepen { .. } => "deepen",
            Prompt::Continue { .. } => "continue",
            Prompt::Step { .. } => "step",
            Prompt::Weigh { .. } => "weigh",
            Prompt::Finish { .. } => "finish",
            Prompt::Critique { .. } => "critique",
            Prompt::Rank { .. } => "rank",
            Prompt::Lessons { .. } => "lessons",
            Prompt::Debate { .. } => "debate",
            Prompt::Assess { .. } => "assess",
            Prompt::Trace { .. } => "trace",
            Prompt::Choose { .. } => "choose",
        }
    }

    /// The programs it shows, in order.
    fn programs(&self) -> Vec<Digest> {
        match self {
            Prompt::Draft { .. }
            | Prompt::Plan
            | Prompt::Deepen { .. }
            | Prompt::Continue { .. }
            | Prompt::Step { .. }
            | Prompt::Weigh { .. }
            | Prompt::Finish { .. }
            | Prompt::Maker
            | Prompt::Inputs { .. } => Vec::new(),
            Prompt::Debug { rounds } => rounds.clone(),
            Prompt::Separate { pair, .. } | Prompt::Judge { pair, .. } => pair.to_vec(),
            Prompt::Tests { about, .. } => Vec::from_iter(*about),
            Prompt::Improve { parents } => parents.clone(),
            Prompt::Fuse { of, .. } => of.clone(),
            Prompt::Debate { own, others } => {
                std::iter::once(*own).chain(others.iter().copied()).collect()
            }
            Prompt::Assess { program, .. }
            | Prompt::Trace { program }
            | Prompt::Critique { program }
            | Prompt::Lessons { program, .. } => vec![*program],
            Prompt::Choose { among, .. } | Prompt::Rank { among, .. } => among.clone(),
        }
    }

    /// The lists of inputs whose outputs it shows.
    fn shown(&self) -> Vec<Digest> {
        match self {
            Prompt::Judge { inputs, .. } => Vec::from_iter(*inputs),
            Prompt::Choose { shown, .. } => shown.clone(),
            Prompt::Draft { .. }
            | Prompt::Plan
            | Prompt::Debug { .. }
            | Prompt::Inputs { .. }
            | Prompt::Maker
            | Prompt::Separate { .. }
            | Prompt::Tests { .. }
            | Prompt::Improve { .. }
            | Prompt::Fuse { .. }
            | Prompt::Debate { .. }
            | Prompt::Deepen { .. }
            | Prompt::Continue { .. }
            | Prompt::Step { .. }
            | Prompt::Weigh { .. }
            | Prompt::Finish { .. }
            | Prompt::Critique { .. }
            | Prompt::Lessons { .. }
            | Prompt::Rank { .. }
            | Prompt::Assess { .. }
            | Prompt::Trace { .. } => Vec::new(),
        }
    }

    /// What follows the first turn: parts of an answer, and what is said between them.
    fn parts(&self) -> &[Digest] {
        match self {
            Prompt::Deepen { said } => said,
            Prompt::Continue { prefix } => std::slice::from_ref(prefix),
            Prompt::Step { prefix } => prefix.as_slice(),
            Prompt::Weigh { text, .. } => std::slice::from_ref(text),
            Prompt::Finish { said } => std::slice::from_ref(said),
            Prompt::Draft { .. }
            | Prompt::Plan
            | Prompt::Debug { .. }
            | Prompt::Inputs { .. }
            | Prompt::Maker
            | Prompt::Separate { .. }
            | Prompt::Judge { .. }
            | Prompt::Tests { .. }
            | Prompt::Improve { .. }
            | Prompt::Fuse { .. }
            | Prompt::Debate { .. }
            | Prompt::Critique { .. }
            | Prompt::Lessons { .. }
            | Prompt::Rank { .. }
            | Prompt::Choose { .. }
            | Prompt::Assess { .. }
            | Prompt::Trace { .. } => &[],
        }
    }

    /// Whether the answer begins with the last turn of the conversation, which is the answerer's
    /// own.
    pub fn is_continued(&self) -> bool {
        self.begin().is_some() || matches!(self, Prompt::Weigh { .. })
    }

    /// What the answer begins with, where it was begun.
    pub fn begin(&self) -> Option<Digest> {
        if let Prompt::Continue { prefix } = self {
            Some(*prefix)
        } else if let Prompt::Step { prefix } = self {
            *prefix
        } else {
            None
        }
    }

    /// Whether its first turn is that of a draft, and what is its own comes after that.
    fn begins_as_draft(&self) -> bool {
        matches!(self, Prompt::Step { .. }) || !self.parts().is_empty()
    }
}

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    /// Whose turn.
    pub speaker: Speaker,
    /// What is said.
    pub text: String,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    /// Whoever sets the language model up.
    System,
    /// Whoever asks.
    User,
    /// Whoever answers, earlier.
    Assistant,
}

impl Speaker {
    /// The name, as conversations in JSON have it.
    pub fn name(self) -> &'static str {
        match self {
            Speaker::System => "system",
            Speaker::User => "user",
            Speaker::Assistant => "assistant",
        }
    }
}

/// The texts of all prompts.
pub struct Prompts {
    environment: Environment<'static>,
    /// The instruction that stands before each conversation, where there is one.
    system: Option<String>,
    fingerprint: String,
}

/// A text that is no prompt.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// There is no prompt of that name.
    #[error("there is no prompt {name:?}; there are: {known}")]
    Name {
        /// The name.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// The template does not parse, or refers to what is not there.
    #[error("prompt {name} is no template that can be filled")]
    Template {
        /// The prompt.
        name: String,
        /// What is wrong with it.
        source: minijinja::Error,
    },
}

macro_rules! texts {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../prompts/", $name, ".txt")))),*]
    };
}

/// The texts in the box, by their names.
const TEXTS: &[(&str, &str)] = texts![
    "assess",
    "choose",
    "critique",
    "debate",
    "debug",
    "deepen",
    "draft",
    "finish",
    "form",
    "fuse",
    "improve",
    "inputs",
    "inputs_form",
    "judge",
    "lessons",
    "maker",
    "plan",
    "problem",
    "rank",
    "separate",
    "tests",
    "trace",
];

/// The name under which a user may add an instruction that stands before every conversation.
const SYSTEM: &str = "system";

impl Prompts {
    /// The texts in the box, with `others` in the place of those of the same name.
    ///
    /// # Errors
    /// A name that no prompt has, or a text that is no template.
    pub fn new(others: &BTreeMap<String, String>) -> Result<Prompts, PromptError> {
        let mut texts: BTreeMap<&str, &str> = TEXTS.iter().copied().collect();
        for (name, text) in others {
            if name != SYSTEM && !texts.contains_key(name.as_str()) {
                let known: Vec<&str> = texts.keys().copied().chain([SYSTEM]).collect();
                return Err(PromptError::Name { name: name.clone(), known: known.join(" ") });
            }
            texts.insert(name, text);
        }
        let system = texts.remove(SYSTEM).map(|text| text.trim_end().to_owned());
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        for (&name, &text) in &texts {
            environment
                .add_template_owned(name.to_owned(), text.trim_end().to_owned())
                .map_err(|source| PromptError::Template { name: name.to_owned(), source })?;
        }
        let all = serde_json::to_vec(&(&texts, &system)).expect("texts are JSON");
        let fingerprint = format!("{:016x}", seed::digest(&all));
        Ok(Prompts { environment, system, fingerprint })
    }

    /// A fingerprint of all texts; stored with what they led to.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The conversation.
    ///
    /// # Errors
    /// When a user's template refers to what is not there.
    pub fn render(
        &self,
        prompt: &Prompt,
        task: &Task,
        known: &Known,
    ) -> Result<Vec<Message>, PromptError> {
        // A conversation that goes on begins as its first turn did.
        let draft = Prompt::Draft { plan: None };
        let first = if prompt.begins_as_draft() { &draft } else { prompt };
        let mut messages: Vec<Message> = Vec::new();
        let mut say = |speaker, text| messages.push(Message { speaker, text });
        if let Some(text) = &self.system {
            say(Speaker::System, text.clone());
        }
        say(Speaker::User, self.fill(first, task, known)?);
        for &part in prompt.parts() {
            say(Speaker::Assistant, known.text(part).to_owned());
            if !prompt.is_continued() {
                say(Speaker::User, self.fill(prompt, task, known)?);
            }
        }
        Ok(messages)
    }

    /// The text of a prompt's own file.
    fn fill(&self, prompt: &Prompt, task: &Task, known: &Known) -> Result<String, PromptError> {
        let name = prompt.name();
        let fail = |source| PromptError::Template { name: name.to_owned(), source };
        let template = self.environment.get_template(name).map_err(fail)?;
        template.render(Serde(facts(prompt, task, known))).map_err(fail)
    }
}

fn facts<'a>(prompt: &Prompt, task: &'a Task, known: &'a Known) -> Facts<'a> {
    let problem = task.problem();
    let (form, class, name) = match &problem.entry {
        Entry::Stdio => ("stdio", "", ""),
        Entry::Function { name } => ("function", "", name.as_str()),
        Entry::Method { class, name } => ("method", class.as_str(), name.as_str()),
        Entry::Script => ("script", "", ""),
    };
    let (plan, perspective, notes, count, may_test) = match prompt {
        Prompt::Draft { plan } => (plan.map(|plan| known.text(plan)), "", &[][..], 0, false),
        Prompt::Assess { perspective, notes, .. } => (None, *perspective, &notes[..], 0, false),
        Prompt::Inputs { count }
        | Prompt::Separate { count, .. }
        | Prompt::Lessons { count, .. }
        | Prompt::Tests { count, .. } => (None, "", &[][..], *count, false),
        Prompt::Choose { may_test, .. } => (None, "", &[][..], 0, *may_test),
        Prompt::Fuse { notes, .. } | Prompt::Rank { notes, .. } => (None, "", &notes[..], 0, false),
        Prompt::Plan
        | Prompt::Maker
        | Prompt::Debug { .. }
        | Prompt::Judge { .. }
        | Prompt::Improve { .. }
        | Prompt::Debate { .. }
        | Prompt::Deepen { .. }
        | Prompt::Continue { .. }
        | Prompt::Step { .. }
        | Prompt::Weigh { .. }
        | Prompt::Finish { .. }
        | Prompt::Critique { .. }
        | Prompt::Trace { .. } => (None, "", &[][..], 0, false),
    };
    let programs: Vec<Shown<'_>> = prompt
        .programs()
        .into_iter()
        .map(|program| {
            let tests = tested(problem, known.cells(program, Cases::Visible));
            let feedback = tests.iter().map(Tested::told).collect();
            Shown { text: known.text(program), feedback, tests }
        })
        .collect();
    let notes: Vec<&str> = notes.iter().map(|&note| known.text(note)).collect();
    let cases: Vec<Case> = prompt
        .shown()
        .into_iter()
        .flat_map(|inputs| cases(&prompt.programs(), inputs, known))
        .collect();
    Facts {
        statement: &problem.statement,
        starter: &problem.starter,
        language: problem.language.name(),
        form,
        class,
        name,
        plan,
        perspective,
        notes,
        count,
        may_test,
        lessons: task.lessons(),
        programs,
        cases,
    }
}
