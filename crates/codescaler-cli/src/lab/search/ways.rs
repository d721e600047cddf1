//! The ways to search that are compared, and what the policies are told.

/// A way to search.
pub(super) struct Way {
    /// Its name, in folders and tables.
    pub(super) name: &'static str,
    /// What it is, in the words of the table.
    pub(super) what: &'static str,
    pub(super) method: &'static str,
    /// What bounds its samples, where its parameters do not.
    pub(super) bound: Bound,
}

/// How many samples a problem may have.
#[derive(Clone, Copy)]
pub(super) enum Bound {
    /// As many as the method asks for.
    Method,
    /// [`SAMPLES`], whatever they are.
    Samples,
    /// [`SAMPLES`] that are to be programs: what a judge answers comes on top.
    Programs,
}

/// The samples that all are compared at.
pub(super) const SAMPLES: u32 = 16;

/// Every way, in the order of the table. S*'s chains stop when the visible tests pass, so that eight
/// of them end about where sixteen samples do; the budget makes it exact. Answers that are there are
/// taken whatever the budget, so what corrects without a bound comes after what has one.
pub(super) const WAYS: [Way; 10] = [
    Way {
        name: "majority",
        what: "the behaviour of most samples on changed inputs",
        method: "output_vote:n=16;visible=false",
        bound: Bound::Method,
    },
    Way {
        name: "visible-tests",
        what: "any sample that passes the visible tests",
        method: "public_filter:n=16",
        bound: Bound::Method,
    },
    Way {
        name: "self-debug",
        what: "eight chains that correct themselves; any that passes the visible tests",
        method: "self_debug:n=8;rounds=3;context=last",
        bound: Bound::Samples,
    },
    Way {
        name: "reward-model",
        what: "best of 16 by the reward model, nothing run",
        method: "codescaler:n=16",
        bound: Bound::Method,
    },
    Way {
        name: "reward-model-run",
        what: "best by the reward model of those that pass the visible tests",
        method: "codescaler_run:n=16",
        bound: Bound::Method,
    },
    Way {
        name: "generated-tests",
        what: "most of the tests passed that the policy itself wrote, and the visible ones",
        method: "cure:n=12;tests=4;per_reply=4",
        bound: Bound::Method,
    },
    Way {
        name: "sstar",
        what: "S*: eight chains, then behaviours compared by the reward model",
        method: "sstar:n=8;rounds=3;context=last;judge=reward_model;inputs=mutated",
        bound: Bound::Samples,
    },
    Way {
        name: "sstar-judged",
        what: "S*: the same chains, then behaviours compared by the policy, which sees both outputs",
        method: "sstar:n=8;rounds=3;context=last;judge=language_model;inputs=mutated;separating=2",
        bound: Bound::Programs,
    },
    Way {
        name: "sstar-16",
        what: "S* with sixteen chains, at up to three times the samples",
        method: "sstar:n=16;rounds=3;context=last;judge=reward_model;inputs=mutated",
        bound: Bound::Method,
    },
    Way {
        name: "reward-model-run-35",
        what: "reward-model-run with about as many samples as sstar-16",
        method: "codescaler_run:n=35",
        bound: Bound::Method,
    },
];

/// Prompts that fit a small policy.
pub(super) const PROMPTS: [(&str, &str); 4] = [
    ("draft", include_str!("../prompts/draft.txt")),
    ("debug", include_str!("../prompts/debug.txt")),
    ("judge", include_str!("../prompts/judge.txt")),
    ("tests", include_str!("../prompts/tests.txt")),
];
