//! Plain texts instead of conversations.

use codescaler::reasoning::{Trim, Why};
use codescaler_http::Route;

use super::*;

fn plain(endpoint: &mut Endpoint) {
    endpoint.route = Route::Completions;
}

/// An answer to a conversation as one to a plain text.
fn as_plain(step: &Step) -> Step {
    let Step::Answer(code, headers, body) = step else { return step.clone() };
    let Ok(mut body) = serde_json::from_str::<Value>(body) else { return step.clone() };
    for choice in body.get_mut("choices").and_then(Value::as_array_mut).into_iter().flatten() {
        let mut message = choice["message"].take();
        choice["text"] = message["content"].take();
        choice.as_object_mut().unwrap().remove("message");
        let logprobs = choice["logprobs"]["content"].take();
        let logprobs = logprobs
            .as_array()
            .map(|tokens| tokens.iter().map(|token| token["logprob"].clone()).collect::<Vec<_>>());
        choice["logprobs"] = json!({"token_logprobs": logprobs});
    }
    Step::Answer(*code, headers, body.to_string())
}

/// Whatever a server says, both routes make the same of it, and know the same of it.
#[test]
fn both_routes_give_the_same() {
    let logprobs = [-0.5, -1.0].map(|logprob| json!({"logprob": logprob}));
    let usage = json!({"prompt_tokens": 4, "completion_tokens": 3});
    let likely = json!({"usage": usage, "choices": [
        {"index": 1, "message": {"content": "b"}, "finish_reason": "length",
         "logprobs": {"content": logprobs}},
        {"index": 0, "message": {"content": "a"}, "finish_reason": "eos"},
    ]});
    let unpaid = completion(&["123456789"]).replace("usage", "used");
    let answer = |body: String| Step::Answer(200, "", body);
    let scripts = [
        vec![ok(&["a", "b"])],
        vec![ok(&["a"])],
        vec![answer(likely.to_string())],
        vec![answer(unpaid)],
        vec![error(400, "Only one completion choice is allowed"), ok(&["a"])],
        vec![error(400, "seed: Extra inputs are not permitted"), ok(&["a"])],
        vec![error(400, "unknown parameter: logprobs"), ok(&["a", "b"])],
        vec![error(503, "busy"), ok(&["a", "b"])],
        vec![error(400, "maximum context length is 8")],
        vec![error(401, "bad key")],
        vec![answer("{\"choices\":[{\"tex".to_owned())],
        vec![answer("\"welcome\"".to_owned())],
        vec![ok(&[])],
    ];
    for script in scripts {
        let request = ChatRequest {
            temperature: Some(0.5),
            top_p: Some(0.9),
            tokens_max: Some(64),
            seed: Some(3),
            stop: vec!["#".to_owned()],
            logprobs: true,
            ..request(2)
        };
        let plain_script = script.iter().map(as_plain).collect();
        let (chat, mut known) = exchange(script, as_is, request.clone());
        let (text, known_plain) = exchange(plain_script, plain, request);
        assert_eq!(chat.replace("\"logprobs\":true", "\"logprobs\":1"), text);
        if known.tokens == TokensParameter::Auto {
            known.tokens = TokensParameter::MaxTokens;
        }
        assert_eq!(known, known_plain, "{text}");
    }
}

#[test]
fn answers_that_are_none_are_told() {
    let check = |step: Step, adjust: fn(&mut Endpoint), expected: Expect| {
        expected.assert_eq(&exchange(vec![step], adjust, request(1)).0);
    };
    check(
        ok(&["a"]),
        plain,
        expect![[r#"
            > {}
            error: URL: not a completion: a choice has no `text`; check that the base URL ends where the API begins (attempts: 1)
        "#]],
    );
    check(
        as_plain(&ok(&["a"])),
        as_is,
        expect![[r#"
            > {}
            error: URL: not a completion: a choice has no `message`; check that the base URL ends where the API begins (attempts: 1)
        "#]],
    );
    check(
        Step::Answer(200, "", json!({"choices": [{"text": 7}]}).to_string()),
        plain,
        expect![[r#"
        > {}
        error: URL: not a completion: invalid type: integer `7`, expected a string at line 1 column 21; check that the base URL ends where the API begins (attempts: 1)
    "#]],
    );
    // The other name of it came with conversations.
    let limited = ChatRequest { tokens_max: Some(9), ..request(1) };
    expect![[r#"
        > {"max_tokens":9}
        error: URL: status 400: unknown: max_tokens; change the request (attempts: 1)
    "#]]
    .assert_eq(&exchange(vec![error(400, "unknown: max_tokens")], plain, limited).0);
}

#[test]
fn streams_are_read_and_stopped() {
    let trim = Trim { agreeing: 2, odd: 1, thoughts_max: 4, bytes_min: 0 };
    let asked = ChatRequest { trim: Some(trim), logprobs: true, ..request(1) };
    let part = |text: &str, logprob: f64| {
        let logprobs = json!({"tokens": [text], "token_logprobs": [logprob], "text_offset": [0]});
        let choice = json!({"index": 0, "text": text, "logprobs": logprobs});
        format!("data: {}\n\n", json!({"choices": [choice]}))
    };
    let last = json!({"choices": [{"index": 0, "text": "", "finish_reason": "stop"}]});
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 5}});
    let end = format!("data: {last}\n\ndata: {usage}\n\ndata: [DONE]\n\n");
    let whole = Step::Stream(vec![part("a", -0.5), part("b", -1.0), end], None);
    expect![[r#"
        > {"stream":true,"stream_options":{"include_usage":true},"logprobs":1}
        "ab" Stop logprob -1.5 of 2
        tokens 7 -> 5, attempts 1
    "#]]
    .assert_eq(&exchange(vec![whole], plain, asked.clone()).0);
    let thoughts = ["1", "1", "2", "1", "3"]
        .map(|answer| format!("Wait.\n```python\nprint({answer})\n```\nYes.\n"));
    let parts = thoughts.concat().chars().map(|c| part(&c.to_string(), -0.5)).collect();
    let (told, tells) = mpsc::channel();
    let server = serve(vec![Step::Stream(parts, Some(told))]);
    let client = client(Endpoint { route: Route::Completions, ..endpoint(&server.base_url) });
    let choice = ask(&client, asked).unwrap().choices.swap_remove(0);
    assert_eq!(tells.recv_timeout(LONG), Ok("closed"));
    assert_eq!(choice.text, thoughts[..4].concat());
    assert_eq!(choice.trimmed.unwrap().why, Why::Agreed);
}

/// How likely `cd` is behind a question and `ab`.
fn weighing() -> ChatRequest {
    let said = |role, content: &str| ChatMessage { role, content: content.to_owned() };
    let messages = vec![said(Role::User, "\u{e9}?"), said(Role::Assistant, "abcd")];
    ChatRequest {
        continues: true,
        weigh: Some(2),
        tokens_max: Some(1),
        ..ChatRequest::new(messages)
    }
}

/// Servers say so in their own ways.
#[test]
fn texts_are_weighed() {
    let prompt = "\u{e9}?\n\nabcd";
    let echo = |text: &str, tokens: &[&str], offsets: &[i64]| {
        let logprobs: Vec<Value> = (0..tokens.len())
            .map(|at| if at == 0 { Value::Null } else { json!(-(at as f64)) })
            .collect();
        let logprobs =
            json!({"tokens": tokens, "token_logprobs": logprobs, "text_offset": offsets});
        json!({"choices": [{"text": text, "finish_reason": "length", "logprobs": logprobs}]})
    };
    let behind = format!("{prompt}ef");
    let given =
        |logprob: f64, text: &str| json!({"7": {"logprob": logprob, "decoded_token": text}});
    let with_given = |mut body: Value| {
        body["choices"][0]["prompt_logprobs"] = json!([null, given(-1.5, "ab"), given(-2.5, "cd")]);
        body
    };
    let rows = [
        // One more token is written, or none.
        echo(&behind, &["\u{e9}", "?\n\n", "ab", "cd", "ef"], &[0, 1, 4, 6, 8]),
        echo(prompt, &["\u{e9}", "?\n\n", "ab", "cd"], &[0, 1, 4, 6]),
        // An end that is in no text, a beginning that is in none, and nobody counts characters.
        echo(prompt, &["<s>", "\u{e9}?\n\nab", "c", "d", "</s>"], &[-1, -1, -1, -1, -1]),
        // Bytes that are no text by themselves.
        echo(&behind, &["\u{fffd}", "\u{fffd}", "?\n\nab", "cd", "ef"], &[0, 0, 1, 6, 8]),
        // A token that reaches over the place where weighing begins counts whole.
        echo(prompt, &["\u{e9}?\n\na", "bc", "d"], &[0, 5, 7]),
        // Nobody says where the text ends.
        echo(&behind, &["\u{fffd}", "?\n\nab", "cd", "ef"], &[-1, -1, -1, -1]),
        // The first token has no probability.
        echo(prompt, &[prompt], &[0]),
        // No echo; none, but the other way; and no choice of ways.
        echo("ef", &["x", "ef"], &[0, 1]),
        with_given(echo("ef", &["x", "ef"], &[0, 1])),
        json!({"choices": [{"text": "ef", "finish_reason": "length"}]}),
    ];
    let shown: String = rows
        .into_iter()
        .map(|body| {
            let server = serve(vec![Step::Answer(200, "", body.to_string())]);
            let client =
                client(Endpoint { route: Route::Completions, ..endpoint(&server.base_url) });
            let choice = ask(&client, weighing()).unwrap().choices.swap_remove(0);
            assert_eq!(
                (choice.text.as_str(), server.seen.lock().unwrap()[0]["prompt"].as_str()),
                ("", Some(prompt))
            );
            let known = client.capabilities(0);
            let weighed = choice.logprob_sum.zip(choice.tokens);
            format!(
                "{weighed:?}, echo {:?}, prompt_logprobs {:?}\n",
                known.echo, known.prompt_logprobs
            )
        })
        .collect();
    expect![[r#"
        Some((-3.0, 1)), echo Works, prompt_logprobs Ignored
        Some((-3.0, 1)), echo Works, prompt_logprobs Ignored
        Some((-5.0, 2)), echo Works, prompt_logprobs Ignored
        Some((-3.0, 1)), echo Works, prompt_logprobs Ignored
        Some((-3.0, 2)), echo Works, prompt_logprobs Ignored
        None, echo Ignored, prompt_logprobs Ignored
        None, echo Works, prompt_logprobs Ignored
        None, echo Ignored, prompt_logprobs Ignored
        Some((-2.5, 1)), echo Ignored, prompt_logprobs Works
        None, echo Ignored, prompt_logprobs Ignored
    "#]]
    .assert_eq(&shown);
}

/// What is rejected is left out; where nothing is left, nothing is asked.
#[test]
fn who_does_not_weigh_is_not_asked_again() {
    let rejected = |name: &str| error(400, &format!("{name}: Extra inputs are not permitted"));
    let server = serve(vec![rejected("echo"), rejected("prompt_logprobs"), as_plain(&ok(&["a"]))]);
    let client = client(Endpoint { route: Route::Completions, ..endpoint(&server.base_url) });
    (0..2).for_each(|_| {
        assert_eq!(ask(&client, weighing()).unwrap().choices[0].logprob_sum, None);
    });
    let ways = |body: &Value| ["echo", "prompt_logprobs", "logprobs"].map(|way| body[way].clone());
    let seen: Vec<String> =
        server.seen.lock().unwrap().iter().map(|body| json!(ways(body)).to_string()).collect();
    expect![[r#"
        [true,0,1]
        [null,0,1]
        [null,null,1]"#]]
    .assert_eq(&seen.join("\n"));
}
