//! What answers are kept under: everything that shaped them.

use codescaler::seed::derive;
use codescaler_http::Route;
use codescaler_search::{Cases, Chat, Known, Prompt, Question, Task};

use super::crew::Crew;

impl Crew<'_> {
    /// What an answer is kept under; `None` for what is looked up elsewhere.
    pub(super) fn key(&self, task: &Task, known: &Known, question: &Question) -> Option<String> {
        let problem = task.problem();
        let mut hasher = blake3::Hasher::new();
        let content = match question {
            Question::Chat(chat) => {
                let asked = self.writers.asked()?;
                let which = asked.which(chat.prompt.role(), chat.index);
                let messages = self.prompts.render(&chat.prompt, task, known).ok()?;
                let how = (chat.sampling, chat.index, self.seed_of(task, chat));
                let parts = (("chat", asked.name(which), messages), (how, self.policy.to_string()));
                let extra = asked.extra(which);
                // What is weighed is a part of its text.
                let from = if let Prompt::Weigh { from, .. } = chat.prompt { from } else { 0 };
                match asked.route(which) {
                    Route::Chat => serde_json::to_vec(&(parts, extra, from)),
                    Route::Completions => serde_json::to_vec(&(parts, extra, from, "completions")),
                }
            }
            Question::Run { program, cases } => {
                let limits = self.bounds.of(problem.limits);
                let how = (&problem.prelude, problem.language, &problem.entry, limits);
                let program = known.text(*program);
                match cases {
                    Cases::Visible => {
                        serde_json::to_vec(&("run", program, how, &problem.tests.visible))
                    }
                    Cases::Tests(tests) => {
                        serde_json::to_vec(&("run", program, how, known.tests(*tests)))
                    }
                    Cases::Inputs(inputs) => {
                        serde_json::to_vec(&("run", program, how, known.inputs(*inputs)))
                    }
                    Cases::Printed => serde_json::to_vec(&("print", program, limits)),
                }
            }
            Question::Score { program } => serde_json::to_vec(&(
                ("score", self.scorer.provenance(self.policy)),
                (&problem.statement, &problem.starter, known.text(*program)),
            )),
        };
        hasher.update(&content.ok()?);
        Some(hasher.finalize().to_hex()[..32].to_owned())
    }

    /// The seed of a sample: of 31 bits, which every server takes.
    pub(super) fn seed_of(&self, task: &Task, chat: &Chat) -> u64 {
        let index = chat.index.to_string();
        let mut parts = vec![task.problem().id.as_str(), chat.prompt.name(), &index];
        // Steps of one answer are drawn independently.
        let prefix = chat.prompt.begin().map(|prefix| prefix.to_string());
        parts.extend(prefix.as_deref());
        derive(self.seed, &parts) & 0x7fff_ffff
    }
}
