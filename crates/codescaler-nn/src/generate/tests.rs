use std::num::NonZeroUsize;
use std::path::PathBuf;

use super::*;
use crate::kernel::Precision;

fn dir(family: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "fixtures", family].iter().collect()
}

fn policy(precision: Precision) -> Policy {
    Policy::load(&dir("lm"), &Options { precision, ..Options::default() }).unwrap()
}

const MESSAGES: [Message<'_>; 1] = [Message { role: "user", content: "Add two integers." }];

fn request(n: usize, temperature: f32, stop: &[String]) -> Request<'_> {
    let sampling = Sampling { temperature, seed: 5, ..Sampling::default() };
    Request { messages: &MESSAGES, n, tokens_max: 60, sampling, stop }
}

fn generate(policy: &Policy, request: &Request<'_>) -> Vec<Sample> {
    policy.generate(request, &mut |_, _| ControlFlow::Continue(())).unwrap()
}

/// The reference framework's own greedy continuation, 200 tokens in f32.
#[test]
fn greedy_is_the_framework() {
    let golden = std::fs::read_to_string(dir("lm").join("golden.json")).unwrap();
    let golden: Value = serde_json::from_str(&golden).unwrap();
    let numbers = |key: &str| -> Vec<u32> {
        golden["greedy"][key].as_array().unwrap().iter().filter_map(token).collect()
    };
    let (prompt, expected) = (numbers("prompt"), numbers("tokens"));
    assert_eq!(expected.len(), 200);
    let policy = policy(Precision::F32);
    let (last, before) = prompt.split_last().unwrap();
    let prefix = policy.decoder.prefix(before);
    let mut growing = policy.decoder.growing(&prefix, 1, expected.len());
    let mut feed = *last;
    let tokens = expected.iter().map(|_| {
        let x = policy.decoder.step(&mut growing, &[(0, feed)]);
        feed = Sampling::default().draw(&policy.decoder.logits(&policy.head, &x), 0, 0).token;
        feed
    });
    assert_eq!(tokens.collect::<Vec<_>>(), expected);
}

/// A token computed alone, behind kept keys, has the bits of one computed in a whole sequence.
#[test]
fn a_step_is_the_whole_computed_anew() {
    for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
        let policy = policy(precision);
        let tokens: Vec<u32> = (0..150).map(|at| 3 + at * 7 % 290).collect();
        for shared in [0, 1, 63, 64, 100] {
            let prefix = policy.decoder.prefix(&tokens[..shared]);
            let mut growing = policy.decoder.growing(&prefix, 3, tokens.len() - shared);
            let mut last = Vec::new();
            for (at, &token) in tokens[shared..].iter().enumerate() {
                // Others come and go beside it.
                let feed = [(0, 9), (1, token), (2, 11)];
                let x = policy.decoder.step(&mut growing, &feed[at % 2..]);
                let c = policy.decoder.config.hidden;
                last = x[(1 - at % 2) * c..][..c].to_vec();
            }
            let whole = policy.decoder.forward(None, &[&tokens]);
            assert_eq!(policy.decoder.apply_head(&last), whole[0], "{precision:?} {shared}");
        }
    }
}

#[test]
fn a_sample_is_the_same_whatever_stands_beside_it() {
    let policy = policy(Precision::Bf16);
    let one_thread = Options { threads: NonZeroUsize::MIN, ..Options::default() };
    let alone = Policy::load(&dir("lm"), &one_thread).unwrap();
    let many = generate(&policy, &request(5, 1.0, &[]));
    assert_eq!(generate(&alone, &request(2, 1.0, &[])), many[..2]);
    assert!(many.iter().all(|sample| sample.tokens.len() == sample.logprobs.len()));
    assert_ne!(many[0].tokens, many[1].tokens);
    let greedy = generate(&policy, &request(3, 0.0, &[]));
    assert!(greedy.iter().all(|sample| *sample == greedy[0]));
}

/// With drafts and without, samples are the same bits, in fewer steps.
#[test]
fn drafts_change_nothing_but_the_number_of_steps() {
    for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
        let policy = policy(precision);
        for (n, temperature) in [(1, 0.0), (3, 0.0), (1, 0.3), (2, 1.0)] {
            let request = request(n, temperature, &[]);
            let written = |rows_max| {
                policy.write(&request, &mut |_, _| ControlFlow::Continue(()), rows_max).unwrap()
            };
            let (plain, steps) = written(1);
            let (drafted, fewer) = written(8);
            assert_eq!(plain, drafted, "{precision:?}, {n} at {temperature}");
            assert!(fewer <= steps);
            // At temperature 0 random weights repeat themselves.
            assert!(temperature > 0.0 || fewer < steps, "{fewer} of {steps} steps");
        }
    }
}

/// An answer that was begun is gone on with as if its beginning had been drawn.
#[test]
fn an_answer_goes_on_where_it_stops() {
    let policy = policy(Precision::F32);
    let begin = "```python\ndef add(a, b):\n";
    let begun = [MESSAGES[0], Message { role: "assistant", content: begin }];
    let whole = generate(&policy, &Request { messages: &begun, ..request(1, 0.0, &[]) });
    let tokens =
        policy.text.encode(&(policy.text.render(&MESSAGES, true).unwrap() + begin)).unwrap();
    let (last, before) = tokens.split_last().unwrap();
    let prefix = policy.decoder.prefix(before);
    let mut growing = policy.decoder.growing(&prefix, 1, 60);
    let mut feed = *last;
    for &token in &whole[0].tokens {
        let x = policy.decoder.step(&mut growing, &[(0, feed)]);
        feed = Sampling::default().draw(&policy.decoder.logits(&policy.head, &x), 0, 0).token;
        assert_eq!(feed, token);
    }
    assert_ne!(whole, generate(&policy, &request(1, 0.0, &[])));
}

#[test]
fn what_is_told_is_what_is_written() {
    let policy = policy(Precision::F32);
    let whole = generate(&policy, &request(4, 1.0, &[]));
    // Something that is in the middle of the first.
    let middle = whole[0].text.char_indices().nth(whole[0].text.chars().count() / 2).unwrap().0;
    let stop: String = whole[0].text[middle..].chars().take(3).collect();
    let stops = ["no such text".to_owned(), stop.clone()];
    let mut told = vec![String::new(); 4];
    let request = request(4, 1.0, &stops);
    let samples = policy.generate(&request, &mut |number, piece| {
        told[number].push_str(piece);
        ControlFlow::Continue(())
    });
    let samples = samples.unwrap();
    assert_eq!(samples[0].finish, Finish::StopText);
    for ((sample, whole), told) in samples.iter().zip(&whole).zip(&told) {
        assert_eq!(&sample.text, told);
        let expected = whole.text.find(&stop).map_or(whole.text.as_str(), |at| &whole.text[..at]);
        assert_eq!(sample.text, expected);
    }
    let first_only = policy.generate(&request, &mut |number, _| match number {
        0 => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    });
    let first_only = first_only.unwrap();
    assert_eq!(first_only[0], samples[0]);
    assert_eq!(first_only[1].finish, Finish::Cancelled);
}

#[test]
fn unusable_requests_are_named() {
    let error = Policy::load(&dir("qwen3"), &Options::default()).err().unwrap().to_string();
    assert!(error.contains("qwen3"), "{error}");
    let strict = Options { tokens_max: 5, ..Options::default() };
    let policy = Policy::load(&dir("lm"), &strict).unwrap();
    let error = policy.generate(&request(1, 0.0, &[]), &mut |_, _| ControlFlow::Continue(()));
    assert!(matches!(error, Err(ScoreError::TooLong { tokens_max: 5, .. })));
}

/// More conversations than are kept, asked for again and again.
#[test]
fn kept_conversations_change_nothing() {
    let used = policy(Precision::Bf16);
    for round in 0..3 {
        for number in 0..KEPT + 2 {
            let content = format!("Add {number} integers.");
            let messages = [Message { role: "user", content: &content }];
            let request = Request { messages: &messages, tokens_max: 8, ..request(2, 1.0, &[]) };
            let fresh = generate(&policy(Precision::Bf16), &request);
            assert_eq!(generate(&used, &request), fresh, "round {round}, conversation {number}");
        }
    }
    assert_eq!(used.kept.lock().unwrap().len(), KEPT);
}
