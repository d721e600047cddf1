//! Requests to endpoints: several samples of one prompt may go in one, as choices.

use std::collections::BTreeMap;

use codescaler_http::{ChatError, ChatFault, ChatRequest, Client, Reply, Usage};
use codescaler_search::{Chat, Ticket};

/// Requests that are not sent yet, and samples that wait for the choices of one.
#[derive(Default)]
pub(super) struct Letters {
    open: Vec<Letter>,
    /// By the ticket of a request: those of its choices.
    sent: BTreeMap<Ticket, Vec<Ticket>>,
}

struct Letter {
    endpoint: usize,
    problem: usize,
    chat: Chat,
    request: ChatRequest,
    tickets: Vec<Ticket>,
}

impl Letters {
    /// Adds a sample to the request for others of the same prompt, where there is one with fewer
    /// than `choices_max`; else begins one.
    pub(super) fn add(
        &mut self,
        (endpoint, choices_max): (usize, usize),
        (ticket, problem): (Ticket, usize),
        chat: &Chat,
        request: ChatRequest,
    ) {
        let fits = |letter: &&mut Letter| {
            letter.endpoint == endpoint
                && letter.problem == problem
                && letter.chat.prompt == chat.prompt
                && letter.chat.sampling == chat.sampling
                && letter.tickets.len() < choices_max
        };
        match self.open.iter_mut().find(fits) {
            Some(letter) => {
                letter.tickets.push(ticket);
                letter.request.n = letter.tickets.len();
            }
            None => {
                let (chat, tickets) = (chat.clone(), vec![ticket]);
                self.open.push(Letter { endpoint, problem, chat, request, tickets });
            }
        }
    }

    /// Sends what was added, each under the ticket of its first sample.
    pub(super) fn send(&mut self, client: &Client) {
        for Letter { endpoint, request, tickets, .. } in self.open.drain(..) {
            client.submit(endpoint, tickets[0], request);
            self.sent.insert(tickets[0], tickets);
        }
    }

    /// What came back, for each sample that waits for it.
    pub(super) fn arrived(
        &mut self,
        ticket: Ticket,
        reply: Result<Reply, ChatError>,
    ) -> Vec<(Ticket, Result<Reply, ChatError>)> {
        let tickets = self.sent.remove(&ticket).unwrap_or_else(|| vec![ticket]);
        let replies = split(reply, tickets.len());
        tickets.into_iter().zip(replies).collect()
    }

    /// Nobody waits for a sample any more: a request that has no other is let go of.
    pub(super) fn cancel(
        &mut self,
        ticket: Ticket,
        client: &Client,
        waits: impl Fn(Ticket) -> bool,
    ) {
        let of = self.sent.iter().find(|(_, tickets)| tickets.contains(&ticket));
        let Some((&request, tickets)) = of else { return };
        if tickets.iter().all(|&other| other == ticket || !waits(other)) {
            client.cancel(request);
            self.sent.remove(&request);
        }
    }

    /// Nobody waits for anything any more.
    pub(super) fn cancel_all(&mut self, client: &Client) {
        self.open.clear();
        for request in std::mem::take(&mut self.sent).into_keys() {
            client.cancel(request);
        }
    }
}

/// The reply to each of `n` samples. Tokens that were read are shared out evenly, and so are those
/// that were written where the choices do not say.
fn split(reply: Result<Reply, ChatError>, n: usize) -> Vec<Result<Reply, ChatError>> {
    let reply = match reply {
        Ok(reply) if n > 1 => reply,
        Ok(_) | Err(_) => return vec![reply; n],
    };
    let Reply { choices, shortfall, usage, attempts, wall_ms } = reply;
    let missing = shortfall.unwrap_or_else(|| ChatError {
        endpoint: "the endpoint".to_owned(),
        attempts,
        fault: ChatFault::NoChoices,
    });
    let n_choices = choices.len().max(1) as u64;
    let share = |all: u64, at: usize| all / n_choices + u64::from((at as u64) < all % n_choices);
    let written: Option<Vec<u64>> =
        choices.iter().map(|choice| choice.tokens.map(u64::from)).collect();
    let mut replies: Vec<Result<Reply, ChatError>> = choices
        .into_iter()
        .enumerate()
        .map(|(at, choice)| {
            let tokens = |written: &Vec<u64>| written[at];
            Ok(Reply {
                choices: vec![choice],
                shortfall: None,
                usage: Usage {
                    prompt_tokens: share(usage.prompt_tokens, at),
                    completion_tokens: written
                        .as_ref()
                        .map_or_else(|| share(usage.completion_tokens, at), tokens),
                    ..usage
                },
                attempts,
                wall_ms,
            })
        })
        .collect();
    replies.resize(n, Err(missing));
    replies
}

#[cfg(test)]
mod tests {
    use codescaler_http::{Choice, Finish};

    use super::*;

    fn choice(text: &str, tokens: Option<u32>) -> Choice {
        let (text, finish) = (text.to_owned(), Finish::Stop);
        Choice { text, reasoning: None, finish, logprob_sum: None, tokens, trimmed: None }
    }

    /// Texts with tokens read and written; `-` where there is none.
    #[track_caller]
    fn check(choices: Vec<Choice>, n: usize, expected: &str) {
        let usage = Usage { prompt_tokens: 7, completion_tokens: 12, ..Usage::default() };
        let reply = Reply { choices, shortfall: None, usage, attempts: 1, wall_ms: 0.0 };
        let shown = split(Ok(reply), n).into_iter().map(|reply| match reply {
            Ok(Reply { choices, usage, .. }) => {
                format!("{} {} {}", choices[0].text, usage.prompt_tokens, usage.completion_tokens)
            }
            Err(_) => "-".to_owned(),
        });
        assert_eq!(shown.collect::<Vec<_>>().join(", "), expected);
    }

    #[test]
    fn choices_are_shared_out() {
        check(vec![choice("a", None)], 1, "a 7 12");
        check(vec![choice("a", None), choice("b", None)], 2, "a 4 6, b 3 6");
        check(vec![choice("a", Some(2)), choice("b", Some(10))], 2, "a 4 2, b 3 10");
        check(vec![choice("a", None), choice("b", None)], 3, "a 4 6, b 3 6, -");
    }
}
