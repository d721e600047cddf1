//! The description of the server that tools read.

use axum::{extract::State, http::StatusCode, response::Response};
use utoipa::OpenApi as _;

use crate::server::{
    Shared,
    failure::json_response,
    wire::{chat, execution, native, nemo_gym, pooling, rerank, trainers},
};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "codescaler",
        description = "Rewards, executions and best-of-N for programs that language models write."
    ),
    paths(
        native::reward,
        trainers::get_reward,
        trainers::rm,
        pooling::classify,
        pooling::pooling,
        pooling::embeddings,
        rerank::score,
        rerank::rerank,
        rerank::predict,
        execution::judge,
        execution::run_code,
        nemo_gym::verify,
        nemo_gym::seed_session,
        nemo_gym::aggregate_metrics,
        chat::completions,
    )
)]
struct Description;

pub(crate) async fn document(State(_): State<Shared>) -> Response {
    json_response(StatusCode::OK, &Description::openapi())
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use expect_test::expect_file;
    use serde_json::Value as Json;

    use super::*;

    /// The routes with what they say of themselves, as Markdown.
    fn page() -> String {
        let mut page = "\
# Routes

From the server's own description, which `GET /openapi.json` gives whole, with the shape of every \
request and answer; [serve.md](serve.md) says what each is for. This page is generated: \
`UPDATE_EXPECT=1 cargo test -p codescaler-http openapi` writes it anew.

| route | does | answers |
|---|---|---|
"
        .to_owned();
        let document = serde_json::to_value(Description::openapi()).unwrap();
        let text = |value: &Json| value.as_str().unwrap_or_default().replace(['\n', '|'], " ");
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, route) in methods.as_object().unwrap() {
                let said = [text(&route["summary"]), text(&route["description"])].join(" ");
                let answers = route["responses"].as_object().unwrap();
                let answers: Vec<String> = answers
                    .iter()
                    .map(|(status, answer)| {
                        let said = text(&answer["description"]);
                        format!("{status} {said}").trim_end().to_owned()
                    })
                    .collect();
                let method = method.to_uppercase();
                let (said, answers) = (said.trim(), answers.join("; "));
                writeln!(page, "| `{method} {path}` | {said} | {answers} |").unwrap();
            }
        }
        page
    }

    #[test]
    fn the_page_of_routes_is_up_to_date() {
        expect_file!["../../../../docs/routes.md"].assert_eq(&page());
    }
}
