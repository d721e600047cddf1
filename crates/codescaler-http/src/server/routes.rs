//! Which path leads where, and what happens to every request on the way.

use std::{sync::atomic::Ordering, time::Instant};

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;

use crate::{
    endpoint::ApiKey,
    scorers::{ScorerState, Scorers},
    server::{
        Shared,
        failure::{Failure, json_response},
        openapi, pages,
        traces::Traces,
        wire::{chat, execution, native, nemo_gym, pooling, rerank, trainers},
    },
};

pub(crate) fn router(shared: Shared) -> Router {
    let guarded = Router::new()
        .route("/v1/reward", post(native::reward))
        .route("/v1/judge", post(execution::judge))
        .route("/get_reward", post(trainers::get_reward))
        .route("/rm", post(trainers::rm))
        .route("/classify", post(pooling::classify))
        .route("/pooling", post(pooling::pooling))
        .route("/v1/embeddings", post(pooling::embeddings))
        .route("/score", post(rerank::score))
        .route("/v1/score", post(rerank::score))
        .route("/rerank", post(rerank::rerank))
        .route("/v1/rerank", post(rerank::rerank))
        .route("/v2/rerank", post(rerank::rerank))
        .route("/predict", post(rerank::predict))
        .route("/run_code", post(execution::run_code))
        .route("/verify", post(nemo_gym::verify))
        .route("/seed_session", post(nemo_gym::seed_session))
        .route("/aggregate_metrics", post(nemo_gym::aggregate_metrics))
        .route("/v1/chat/completions", post(chat::completions))
        .route("/ui", get(pages::index))
        .route("/ui/{*path}", get(pages::page))
        .route("/v1/models", get(names))
        .route("/info", get(info))
        .route("/metrics", get(metrics))
        .route("/openapi.json", get(openapi::document))
        .route_layer(middleware::from_fn_with_state(shared.clone(), let_in));
    guarded
        .route("/health", get(health))
        .route("/ready", get(ready))
        .fallback(nowhere)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(shared.clone(), observe))
        .with_state(shared)
}

/// Counts and logs every request.
async fn observe(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let since = Instant::now();
    let method = request.method().clone();
    // Paths that lead nowhere are one label, or strangers could make as many as they like.
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    let traces = shared.traces.as_ref();
    let span = traces.map(|traces| traces.begin(&method, &route, request.headers()));
    let mut response = next.run(request).await;
    let (status, took) = (response.status().as_u16(), since.elapsed());
    shared.metrics.answered(&route, status, took);
    let ms = took.as_secs_f64() * 1e3;
    match span.map(|span| Traces::end(span, status)) {
        Some(trace) => tracing::info!(%method, route, status, ms, %trace, "request"),
        None => tracing::info!(%method, route, status, ms, "request"),
    }
    if shared.is_draining.load(Ordering::Relaxed) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Asks for the token, where there is one.
async fn let_in(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    match &shared.token {
        Some(token) if !is_let_in(token, request.uri().path(), request.headers()) => {
            match is_page(request.uri().path()) {
                true => Failure::UnauthorizedBrowser.into_response(),
                false => Failure::Unauthorized.into_response(),
            }
        }
        _ => next.run(request).await,
    }
}

/// Compares in a time that does not tell how much of a wrong token is right.
fn is_let_in(token: &ApiKey, path: &str, headers: &HeaderMap) -> bool {
    let given = headers.get(header::AUTHORIZATION).map_or(&b""[..], HeaderValue::as_bytes);
    let is = |scheme: &str, secret: &str| {
        let (said, given) = given.split_at(given.len().min(scheme.len()));
        said.eq_ignore_ascii_case(scheme.as_bytes()) && given.ct_eq(secret.as_bytes()).into()
    };
    // Browsers send a password to the whole address, whoever made them ask: it opens nothing but pages,
    // and what these ask for.
    let is_browsers = is_page(path) || path == "/v1/reward";
    is("Bearer ", token.secret()) || (is_browsers && is("Basic ", &pages::basic(token)))
}

fn is_page(path: &str) -> bool {
    path == "/ui" || path.starts_with("/ui/")
}

/// Whether the process lives and scores come out. Where others score, a new process would not help.
async fn health(State(shared): State<Shared>) -> Response {
    if shared.desk.is_alive() || shared.backend.scorers().is_some() {
        return json_response(StatusCode::OK, &json!({"status": "ok"}));
    }
    Failure::Fault("the scorer gives no scores any more".to_owned()).into_response()
}

/// Whether requests should be sent here.
async fn ready(State(shared): State<Shared>) -> Response {
    let is_draining = shared.is_draining.load(Ordering::Relaxed);
    let (items, bytes) = shared.desk.load();
    let is_full = items >= shared.bounds.queue_items_max || bytes >= shared.bounds.queue_bytes_max;
    let scores = shared.backend.scorers().map_or_else(
        || shared.desk.is_alive(),
        |scorers| scorers.states().iter().any(|scorer| scorer.fault.is_none()),
    );
    if is_draining || is_full || !scores {
        return Failure::Overloaded.into_response();
    }
    json_response(StatusCode::OK, &json!({"status": "ready", "queue_items": items}))
}

async fn names(State(shared): State<Shared>) -> Response {
    let about = shared.backend.about();
    let one =
        |id: &str| json!({"id": id, "object": "model", "created": 0, "owned_by": "codescaler"});
    let proxies = about.methods.iter().map(|method| one(&format!("codescaler/{method}")));
    let data: Vec<Value> = std::iter::once(one(&about.name)).chain(proxies).collect();
    json_response(StatusCode::OK, &json!({"object": "list", "data": data}))
}

async fn info(State(shared): State<Shared>) -> Response {
    let about = shared.backend.about();
    let state = |scorer: ScorerState| {
        json!({
            "url": scorer.url, "fault": scorer.fault, "answered": scorer.answered,
            "failed": scorer.failed, "outstanding_tokens": scorer.outstanding_tokens,
        })
    };
    let scorers = shared.backend.scorers().map(Scorers::states);
    let scorers: Option<Vec<Value>> = scorers.map(|s| s.into_iter().map(state).collect());
    json_response(
        StatusCode::OK,
        &json!({
            "model_id": about.name,
            "model_type": {"classifier": {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}},
            "fingerprint": about.fingerprint,
            "provenance": about.provenance,
            "max_input_length": about.tokens_max,
            "max_client_batch_size": shared.bounds.items_max,
            "reads_texts": about.reads_texts,
            "policies": about.policies,
            "shaping": about.shaping,
            "protection": about.protection,
            "methods": about.methods,
            "scorers": scorers,
            "version": env!("CARGO_PKG_VERSION"),
        }),
    )
}

async fn metrics(State(shared): State<Shared>) -> Response {
    if let Some(scorers) = shared.backend.scorers() {
        shared.metrics.scorers(scorers);
    }
    let mut response = shared.metrics.text().into_response();
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

async fn nowhere() -> Failure {
    Failure::NotFound("there is no such route: GET /openapi.json lists them".to_owned())
}

async fn wrong_method(method: Method) -> Failure {
    tracing::debug!(%method, "wrong method");
    Failure::Method
}
