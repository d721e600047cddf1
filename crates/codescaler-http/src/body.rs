//! From a request to the body of an HTTP request.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::{
    capabilities::{Capabilities, Parameter, Support},
    chat::{ChatMessage, ChatRequest},
    completions,
    endpoint::{Endpoint, Route},
};

/// Which choices of a request are asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    /// The first one.
    pub(crate) index: usize,
    /// How many.
    pub(crate) n: usize,
}

/// A body, and what in it a server may not like.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) json: String,
    pub(crate) sent: BTreeSet<Parameter>,
}

impl Body {
    pub(crate) fn new(
        endpoint: &Endpoint,
        request: &ChatRequest,
        ask: Ask,
        known: &Capabilities,
    ) -> Self {
        let mut map = Map::new();
        map.insert("model".to_owned(), endpoint.model.clone().into());
        map.extend(conversation(request, endpoint.route));
        let logprobs = match endpoint.route {
            Route::Chat => request.logprobs.then(|| true.into()),
            // How many tokens of each place; one of them is the place's own.
            Route::Completions => (request.logprobs || request.weigh.is_some()).then(|| 1.into()),
        };
        let seed = request.seed.map(|seed| seed.wrapping_add(ask.index as u64));
        let optional = [
            (Parameter::N, (ask.n > 1).then(|| ask.n.into()), known.n),
            (Parameter::Temperature, request.temperature.map(Value::from), known.temperature),
            (Parameter::TopP, request.top_p.map(Value::from), known.top_p),
            (known.tokens_name(), request.tokens_max.map(Value::from), Support::Unknown),
            (Parameter::Seed, seed.map(Value::from), known.seed),
            (
                Parameter::Stop,
                (!request.stop.is_empty()).then(|| request.stop.clone().into()),
                known.stop,
            ),
            (Parameter::Logprobs, logprobs, known.logprobs),
            (
                Parameter::StreamOptions,
                request.trim.map(|_| json!({"include_usage": true})),
                known.stream_options,
            ),
        ];
        let optional = optional.into_iter().filter_map(|(parameter, value, support)| {
            Some((parameter, value.filter(|_| support != Support::Rejected)?))
        });
        let weighing = request.weigh.map(|_| known.weighing(endpoint.route)).unwrap_or_default();
        let mut sent = BTreeSet::new();
        for (parameter, value) in optional.chain(weighing) {
            map.insert(parameter.name().to_owned(), value);
            sent.insert(parameter);
        }
        if request.trim.is_some() {
            map.insert("stream".to_owned(), true.into());
        }
        map.extend(endpoint.extra.clone());
        Body { json: Value::Object(map).to_string(), sent }
    }
}

/// What was said so far.
fn conversation(request: &ChatRequest, route: Route) -> Map<String, Value> {
    let mut map = Map::new();
    match route {
        Route::Completions => {
            _ = map.insert("prompt".to_owned(), completions::prompt(request).into())
        }
        Route::Chat => {
            let one = |message: &ChatMessage| json!({"role": message.role.name(), "content": message.content});
            map.insert("messages".to_owned(), request.messages.iter().map(one).collect());
            if request.continues {
                // The names of vLLM and SGLang.
                map.insert("continue_final_message".to_owned(), true.into());
                map.insert("add_generation_prompt".to_owned(), false.into());
            }
        }
    }
    map
}
