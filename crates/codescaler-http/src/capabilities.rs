//! What an endpoint can do, as its answers show.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    answer::ErrorText,
    endpoint::{Route, TokensParameter},
};

/// What is known about one parameter at one endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Support {
    /// It was not sent yet.
    #[default]
    Unknown,
    /// It was sent and answered; `n` and `logprobs` also did what they are for.
    Works,
    /// It was sent and did nothing.
    Ignored,
    /// It was rejected by name, and is not sent any more.
    Rejected,
}

/// What is known about an endpoint. It is learnt from its answers and kept as long as the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Several choices at once. When ignored or rejected, they are asked one by one.
    pub n: Support,
    /// `temperature`.
    pub temperature: Support,
    /// `top_p`.
    pub top_p: Support,
    /// `seed`; whether the same seed gives the same choice is not known by this.
    pub seed: Support,
    /// `stop`. When rejected, choices go on behind these texts.
    pub stop: Support,
    /// `logprobs`.
    pub logprobs: Support,
    /// `stream_options`, without which a stream does not say what it cost.
    pub stream_options: Support,
    /// `prompt_logprobs`: how likely a given text is.
    pub prompt_logprobs: Support,
    /// `echo`, which says the same with `Route::Completions`.
    pub echo: Support,
    /// What the limit of tokens is called; not known before the first answer to one.
    pub tokens: TokensParameter,
}

/// A parameter that servers are known to reject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Parameter {
    N,
    Temperature,
    TopP,
    Seed,
    Stop,
    Logprobs,
    StreamOptions,
    PromptLogprobs,
    Echo,
    MaxTokens,
    MaxCompletionTokens,
}

impl Parameter {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Parameter::N => "n",
            Parameter::Temperature => "temperature",
            Parameter::TopP => "top_p",
            Parameter::Seed => "seed",
            Parameter::Stop => "stop",
            Parameter::Logprobs => "logprobs",
            Parameter::StreamOptions => "stream_options",
            Parameter::PromptLogprobs => "prompt_logprobs",
            Parameter::Echo => "echo",
            Parameter::MaxTokens => "max_tokens",
            Parameter::MaxCompletionTokens => "max_completion_tokens",
        }
    }
}

impl Capabilities {
    pub(crate) fn new(tokens: TokensParameter) -> Self {
        Capabilities {
            n: Support::Unknown,
            temperature: Support::Unknown,
            top_p: Support::Unknown,
            seed: Support::Unknown,
            stop: Support::Unknown,
            logprobs: Support::Unknown,
            stream_options: Support::Unknown,
            prompt_logprobs: Support::Unknown,
            echo: Support::Unknown,
            tokens,
        }
    }

    /// Whether several choices may be asked at once.
    pub(crate) fn has_n(&self) -> bool {
        match self.n {
            Support::Unknown | Support::Works => true,
            Support::Ignored | Support::Rejected => false,
        }
    }

    /// What is sent to be told how likely a text is, with what may still work.
    pub(crate) fn weighing(&self, route: Route) -> Vec<(Parameter, Value)> {
        // None but that of the token itself.
        let prompt_logprobs = (Parameter::PromptLogprobs, 0.into());
        let ways = match route {
            Route::Chat => vec![(self.prompt_logprobs, prompt_logprobs)],
            Route::Completions => {
                let echo = (Parameter::Echo, true.into());
                vec![(self.echo, echo), (self.prompt_logprobs, prompt_logprobs)]
            }
        };
        let may_work = |support| matches!(support, Support::Unknown | Support::Works);
        ways.into_iter().filter(|(support, _)| may_work(*support)).map(|(_, way)| way).collect()
    }

    /// The name of the limit of tokens that is sent now.
    pub(crate) fn tokens_name(&self) -> Parameter {
        match self.tokens {
            TokensParameter::Auto | TokensParameter::MaxTokens => Parameter::MaxTokens,
            TokensParameter::MaxCompletionTokens => Parameter::MaxCompletionTokens,
        }
    }

    /// Keeps what an answer shows about the parameters that were sent.
    pub(crate) fn learn(&mut self, sent: &BTreeSet<Parameter>, seen: Seen) {
        for parameter in sent {
            let works = match parameter {
                Parameter::N => seen.all_choices,
                Parameter::Logprobs => seen.logprobs,
                Parameter::PromptLogprobs => seen.prompt_logprobs,
                Parameter::Echo => seen.echo,
                Parameter::StreamOptions => seen.usage,
                Parameter::Temperature
                | Parameter::TopP
                | Parameter::Seed
                | Parameter::Stop
                | Parameter::MaxTokens
                | Parameter::MaxCompletionTokens => true,
            };
            if let Some(support) = self.support(*parameter) {
                *support = match (works, *support) {
                    // Another request, sent before it was known, says no more.
                    (_, Support::Rejected) => Support::Rejected,
                    (true, _) => Support::Works,
                    (false, Support::Unknown) => Support::Ignored,
                    (false, known) => known,
                };
            } else if self.tokens == TokensParameter::Auto && *parameter == Parameter::MaxTokens {
                self.tokens = TokensParameter::MaxTokens;
            }
        }
    }

    /// Keeps that a parameter was rejected. Says whether another attempt would be a different one.
    pub(crate) fn reject(&mut self, parameter: Parameter) -> bool {
        if let Some(support) = self.support(parameter) {
            *support = Support::Rejected;
            return true;
        }
        if self.tokens == TokensParameter::Auto && parameter == Parameter::MaxTokens {
            self.tokens = TokensParameter::MaxCompletionTokens;
        }
        self.tokens_name() != parameter
    }

    /// Where the support of a parameter stands; the limit of tokens has names instead.
    fn support(&mut self, parameter: Parameter) -> Option<&mut Support> {
        match parameter {
            Parameter::N => Some(&mut self.n),
            Parameter::Temperature => Some(&mut self.temperature),
            Parameter::TopP => Some(&mut self.top_p),
            Parameter::Seed => Some(&mut self.seed),
            Parameter::Stop => Some(&mut self.stop),
            Parameter::Logprobs => Some(&mut self.logprobs),
            Parameter::StreamOptions => Some(&mut self.stream_options),
            Parameter::PromptLogprobs => Some(&mut self.prompt_logprobs),
            Parameter::Echo => Some(&mut self.echo),
            Parameter::MaxTokens | Parameter::MaxCompletionTokens => None,
        }
    }
}

/// What an answer shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) all_choices: bool,
    pub(crate) logprobs: bool,
    pub(crate) prompt_logprobs: bool,
    pub(crate) echo: bool,
    pub(crate) usage: bool,
}

/// How servers say that they do not know a parameter at all. A value out of range is not among
/// them: without it, the answer would be to another request than the one that was made.
const UNSUPPORTED: &[&str] = &[
    "unsupported",
    "not supported",
    "not support",
    "unrecognized",
    "unknown",
    "unexpected",
    "not permitted",
    "not allowed",
    "not available",
    "not implemented",
    "extra_forbidden",
];

/// Which of the parameters that were sent a server rejects, by its words.
pub(crate) fn rejected(sent: &BTreeSet<Parameter>, text: &ErrorText) -> Option<Parameter> {
    let message = text.message.to_lowercase();
    let named = |word: &str| sent.iter().copied().find(|parameter| parameter.name() == word);
    let parameter = match &text.parameter {
        Some(name) => named(name),
        None => message.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').find_map(named),
    };
    // llama.cpp says "Only one completion choice is allowed".
    let parameter =
        parameter.or_else(|| message.contains("one completion choice").then(|| named("n"))?);
    let code = text.code.as_deref().unwrap_or_default();
    // Too many choices for a server can still be asked one by one.
    let is_unsupported = parameter == Some(Parameter::N)
        || UNSUPPORTED.iter().any(|words| message.contains(words) || code.contains(words));
    parameter.filter(|_| is_unsupported)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejections_are_read() {
        use Parameter::{Logprobs, MaxCompletionTokens, MaxTokens, N, Seed, Temperature};
        let sent = [N, Temperature, Seed, Logprobs, MaxTokens];
        let rows: &[(&[Parameter], &str, Option<Parameter>)] = &[
            (
                &sent,
                "Unsupported parameter: 'max_tokens' is not supported with this model. Use \
                 'max_completion_tokens' instead.",
                Some(MaxTokens),
            ),
            (
                &[MaxCompletionTokens],
                "Unrecognized request argument supplied: max_completion_tokens",
                Some(MaxCompletionTokens),
            ),
            (
                &sent,
                "Unsupported value: 'temperature' does not support 0.2 with this model. Only the \
                 default (1) value is supported.",
                Some(Temperature),
            ),
            (&sent, "temperature must be between 0 and 2", None),
            (&sent, "'n' : number must be at most 1 [unsupported]", Some(N)),
            (&sent, "n must be 1 when using greedy sampling, got 4.", Some(N)),
            (&sent, "Only one completion choice is allowed", Some(N)),
            (&[Seed], "Only one completion choice is allowed", None),
            (&sent, "logprobs are not available for this language model", Some(Logprobs)),
            (&[Temperature], "seed: Extra inputs are not permitted", None),
            (&sent, "unknown role", None),
        ];
        for (sent, message, parameter) in rows {
            let text = ErrorText { message: (*message).to_owned(), parameter: None, code: None };
            assert_eq!(rejected(&sent.iter().copied().collect(), &text), *parameter, "{message}");
        }
    }

    #[test]
    fn the_limit_of_tokens_is_renamed_once() {
        let mut capabilities = Capabilities::new(TokensParameter::Auto);
        assert!(capabilities.reject(Parameter::MaxTokens));
        // Another request that was under way with the old name.
        assert!(capabilities.reject(Parameter::MaxTokens));
        assert_eq!(capabilities.tokens, TokensParameter::MaxCompletionTokens);
        assert!(!capabilities.reject(Parameter::MaxCompletionTokens));
        assert!(!Capabilities::new(TokensParameter::MaxTokens).reject(Parameter::MaxTokens));
    }
}
