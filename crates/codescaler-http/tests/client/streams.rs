//! Answers that are read while they are written, texts that are weighed, and lists of names.

use codescaler::reasoning::{Trim, Why};

use super::*;

const TRIM: Trim = Trim { agreeing: 2, odd: 1, thoughts_max: 4, bytes_min: 0 };

fn trimmed() -> ChatRequest {
    ChatRequest { trim: Some(TRIM), logprobs: true, ..request(1) }
}

/// A part of a stream with this difference.
fn part(delta: &Value) -> String {
    let logprobs = json!({"content": [{"logprob": -0.5}]});
    let choice = json!({"index": 0, "delta": delta, "logprobs": logprobs});
    format!("data: {}\n\n", json!({"choices": [choice]}))
}

/// The same thoughts, the last of which comes with the first words of the answer.
#[test]
fn where_thinking_ends_is_watched() {
    let thoughts = ["1", "1", "1"].map(thought).concat() + "Wait. It is done.\n";
    let both = part(&json!({"reasoning_content": thoughts, "content": "So:"}));
    let whole = |message: &Value| {
        let choice = json!({"index": 0, "message": message, "finish_reason": "stop"});
        Step::Answer(200, "", json!({"choices": [choice]}).to_string())
    };
    for step in [
        stream([vec![both], end()].concat()),
        // Where they come as a whole, with a reasoning apart or without.
        whole(&json!({"reasoning_content": "", "content": thoughts})),
        whole(&json!({"reasoning": thoughts, "content": "So:"})),
    ] {
        let server = serve(vec![step]);
        let reply = ask(&client(endpoint(&server.base_url)), trimmed()).unwrap();
        assert_eq!(reply.choices[0].trimmed.as_ref().map(|stop| stop.why), Some(Why::Agreed));
    }
}

fn said(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| part(&json!({"content": text}))).collect()
}

/// How a stream ends.
fn end() -> Vec<String> {
    let last = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]});
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 5}});
    vec![format!("data: {last}\r\n\r\ndata: {usage}\n\n"), "data: [DONE]\n\n".to_owned()]
}

/// A thought that comes to a program.
fn thought(answer: &str) -> String {
    format!("Wait.\n```python\nprint({answer})\n```\nYes.\n")
}

fn stream(parts: Vec<String>) -> Step {
    Step::Stream(parts, None)
}

fn check(script: Vec<Step>, request: ChatRequest, expected: &Expect) {
    let (shown, known) = exchange(script, as_is, request);
    let (options, weighs) = (known.stream_options, known.prompt_logprobs);
    expected.assert_eq(&format!("{shown}stream_options {options:?}, weighs {weighs:?}\n"));
}

#[test]
fn streams_are_read() {
    let thought = part(&json!({"role": "assistant", "reasoning_content": "why"}));
    let alive = ": kept alive\n\n".to_owned();
    let whole = [vec![alive, thought], said(&["a", "b"]), end()].concat();
    // Networks cut where they like.
    let bytes: Vec<String> = whole.concat().chars().map(String::from).collect();
    for parts in [whole, bytes] {
        check(
            vec![stream(parts)],
            trimmed(),
            &expect![[r#"
            > {"stream":true,"stream_options":{"include_usage":true},"logprobs":true}
            "ab" Stop logprob -1.5 of 3 because "why"
            tokens 7 -> 5, attempts 1
            stream_options Works, weighs Unknown
        "#]],
        );
    }
}

#[test]
fn streams_that_are_none_are_told() {
    // A server that does not stream, one that does not know the option, and one whose stream
    // breaks off at first.
    check(
        vec![ok(&["a"])],
        trimmed(),
        &expect![[r#"
        > {"stream":true,"stream_options":{"include_usage":true},"logprobs":true}
        "a" Stop
        tokens 7 -> 2, attempts 1
        stream_options Works, weighs Unknown
    "#]],
    );
    let rejected = error(400, "Unrecognized request argument supplied: stream_options");
    let unpaid = [said(&["a"]), vec!["data: [DONE]\n\n".to_owned()]].concat();
    check(
        vec![rejected, stream(unpaid)],
        trimmed(),
        &expect![[r#"
        > {"stream":true,"stream_options":{"include_usage":true},"logprobs":true}
        > {"stream":true,"logprobs":true}
        "a" Other("") logprob -0.5 of 1
        tokens 4 -> 1 (estimated), attempts 2
        stream_options Rejected, weighs Unknown
    "#]],
    );
    let good = [said(&["b"]), end()].concat();
    check(
        vec![stream(said(&["a"])), stream(good)],
        trimmed(),
        &expect![[r#"
        > {"stream":true,"stream_options":{"include_usage":true},"logprobs":true}
        > {"stream":true,"stream_options":{"include_usage":true},"logprobs":true}
        "b" Stop logprob -0.5 of 1
        tokens 7 -> 5, attempts 2
        stream_options Works, weighs Unknown
    "#]],
    );
    check(
        vec![stream(vec!["data: [DONE]\n\n".to_owned()])],
        trimmed(),
        &expect![[r#"
        > {"stream":true,"stream_options":{"include_usage":true},"logprobs":true}
        error: URL: an answer without choices; look into the log of the server (attempts: 1)
        stream_options Unknown, weighs Unknown
    "#]],
    );
    let long = json!({"error": {"code": 400, "message": "maximum context length is 8"}});
    check(
        vec![stream(vec![format!("data: {long}\n\n")])],
        trimmed(),
        &expect![[r#"
        > {"stream":true,"stream_options":{"include_usage":true},"logprobs":true}
        error: URL: the context is exceeded: maximum context length is 8; shorten the messages or want fewer tokens (attempts: 1)
        stream_options Unknown, weighs Unknown
    "#]],
    );
    let failed = "data: {\"error\": {\"message\": \"worn out\"}}\n\n".to_owned();
    check(
        vec![stream(vec![failed])],
        trimmed(),
        &expect![[r#"
        > {"stream":true,"stream_options":{"include_usage":true},"logprobs":true}
        > {"stream":true,"stream_options":{"include_usage":true},"logprobs":true}
        > {"stream":true,"stream_options":{"include_usage":true},"logprobs":true}
        error: URL: status 502: worn out; look into the log of the server (attempts: 3)
        stream_options Unknown, weighs Unknown
    "#]],
    );
}

#[test]
fn reasonings_are_stopped_and_connections_closed() {
    let thoughts = ["1", "1", "2", "1", "3", "3"].map(thought).concat();
    for key in ["reasoning_content", "reasoning", "content"] {
        for size in [1, 7, 1_000] {
            let parts: Vec<String> = thoughts
                .as_bytes()
                .chunks(size)
                .map(|piece| part(&json!({key: String::from_utf8_lossy(piece)})))
                .collect();
            let (told, tells) = mpsc::channel();
            let server = serve(vec![Step::Stream(parts, Some(told))]);
            let client = client(endpoint(&server.base_url));
            let reply = ask(&client, trimmed()).unwrap();
            assert_eq!(tells.recv_timeout(LONG), Ok("closed"));
            let choice = &reply.choices[0];
            let stop = choice.trimmed.as_ref().unwrap();
            assert_eq!(stop.why, Why::Agreed);
            assert_eq!(stop.code.as_deref(), Some("print(1)\n"));
            let kept = choice.reasoning.as_ref().unwrap_or(&choice.text);
            assert_eq!(*kept, ["1", "1", "2", "1"].map(thought).concat());
            assert_eq!((choice.logprob_sum, choice.tokens), (None, None));
            assert!(reply.usage.is_estimated);
        }
    }
}

#[test]
fn texts_are_weighed() {
    let asked = ChatRequest { weigh: Some(4), tokens_max: Some(1), ..request(1) };
    let answer = |given: &Value| {
        let choice = json!({"index": 0, "message": {"content": "!"}, "finish_reason": "length"});
        let usage = json!({"prompt_tokens": 7, "completion_tokens": 1});
        let body = json!({"choices": [choice], "usage": usage, "prompt_logprobs": given});
        Step::Answer(200, "", body.to_string())
    };
    let token = |logprob: f64, text: &str| json!({"logprob": logprob, "decoded_token": text});
    let own = json!({"logprob": -2.0, "rank": null, "decoded_token": "cd"});
    let given = json!([
        null, {"5": token(-8.0, "z")}, {"6": token(-1.0, "ab")}, {"8": own}
    ]);
    check(
        vec![answer(&given)],
        asked.clone(),
        &expect![[r#"
        > {"prompt_logprobs":0,"max_tokens":1}
        "" Length logprob -3 of 2
        tokens 7 -> 1, attempts 1
        stream_options Unknown, weighs Works
    "#]],
    );
    // Nobody says which of two it is; shorter than what was to be weighed.
    let either = json!({"6": token(-1.0, "abcd"), "7": token(-2.0, "x")});
    for given in [json!([null, either]), json!([null, {"6": token(-1.0, "ab")}])] {
        check(
            vec![answer(&given)],
            asked.clone(),
            &expect![[r#"
                > {"prompt_logprobs":0,"max_tokens":1}
                "" Length
                tokens 7 -> 1, attempts 1
                stream_options Unknown, weighs Works
            "#]],
        );
    }
    // A server that does not say.
    check(
        vec![ok(&["a"])],
        asked,
        &expect![[r#"
        > {"prompt_logprobs":0,"max_tokens":1}
        "" Stop
        tokens 7 -> 2, attempts 1
        stream_options Unknown, weighs Ignored
    "#]],
    );
}

#[test]
fn who_does_not_weigh_is_not_asked_again() {
    let asked = ChatRequest { weigh: Some(4), tokens_max: Some(1), ..request(1) };
    let server = serve(vec![ok(&["a"])]);
    let client = client(endpoint(&server.base_url));
    for _ in 0..3 {
        let choice = &ask(&client, asked.clone()).unwrap().choices[0];
        assert_eq!((choice.text.as_str(), choice.logprob_sum), ("", None));
    }
    assert_eq!(server.seen.lock().unwrap().len(), 1);
    let rejected = error(400, "prompt_logprobs: Extra inputs are not permitted");
    check(
        vec![rejected, ok(&["a"])],
        asked,
        &expect![[r#"
        > {"prompt_logprobs":0,"max_tokens":1}
        > {"max_tokens":1}
        "" Stop
        tokens 7 -> 2, attempts 2
        stream_options Unknown, weighs Rejected
    "#]],
    );
}

#[test]
fn names_are_listed() {
    let check = |step: Step, expected: &str| {
        let server = serve(vec![step]);
        let shown = match client(endpoint(&server.base_url)).names(0) {
            Ok(names) => format!("{names:?}"),
            Err(error) => error.to_string().replace(&server.base_url, "URL"),
        };
        assert_eq!(shown, expected);
    };
    let list = json!({"data": [{"id": "tiny"}, {"id": "large"}]}).to_string();
    check(Step::Names(200, list), r#"Some(["tiny", "large"])"#);
    check(ok(&["a"]), "None");
    check(Step::Names(200, "{}".to_owned()), "None");
    let refusal = json!({"error": {"message": "no such key"}}).to_string();
    check(Step::Names(401, refusal), "URL: status 401: no such key; check the key (attempts: 1)");
}
